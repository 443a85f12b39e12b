package githubtest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// accepted is the answer to a request for another attempt.
type accepted struct{}

// loggedAttempt is one row of the delivery log: an attempt with its delivery.
type loggedAttempt struct {
	delivery Delivery
	attempt  Attempt
	again    bool // a redelivery
}

// attempts is the delivery log, the newest first. What was never sent is not in it.
func (s *Server) attempts() []loggedAttempt {
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	var list []loggedAttempt
	for _, d := range s.hooks.all {
		for n, a := range d.Attempts {
			list = append(list, loggedAttempt{d.copied(), a, n > 0})
		}
	}
	slices.SortFunc(list, func(a, b loggedAttempt) int { return cmp.Compare(b.attempt.ID, a.attempt.ID) })
	return list
}

func (l loggedAttempt) ok() bool { return l.attempt.Status >= 200 && l.attempt.Status < 300 }

func (l loggedAttempt) json() object {
	status := http.StatusText(l.attempt.Status)
	if l.attempt.Status == 0 {
		status = "failed to connect"
	}
	row := object{
		"id": l.attempt.ID, "guid": l.delivery.GUID, "delivered_at": l.attempt.At.Format(time.RFC3339), "redelivery": l.again,
		"duration": 0.1, "status": status, "status_code": l.attempt.Status, "event": l.delivery.Event, "action": orNull(l.delivery.Action),
		"installation_id": l.delivery.Installation, "repository_id": nil, "throttled_at": nil,
	}
	if l.delivery.Repository != 0 {
		row["repository_id"] = l.delivery.Repository
	}
	return row
}

// listDeliveries is GET /app/hook/deliveries, by cursor: the id of the last row of the page before.
func (s *Server) listDeliveries(c *call) (any, *apiError) {
	query := c.r.URL.Query()
	size, err := strconv.Atoi(query.Get("per_page"))
	if err != nil || size < 1 {
		size = 30
	}
	size = min(size, 100)
	cursor, err := strconv.ParseInt(query.Get("cursor"), 10, 64)
	if err != nil && query.Has("cursor") {
		return nil, &apiError{status: http.StatusBadRequest, message: "Invalid cursor"}
	}
	list := []any{}
	last := int64(0)
	for _, l := range s.attempts() {
		switch {
		case cursor != 0 && l.attempt.ID >= cursor,
			query.Get("status") == "success" && !l.ok(),
			query.Get("status") == "failure" && l.attempt.Status < 400:
			continue
		case len(list) == size:
			query.Set("cursor", strconv.FormatInt(last, 10))
			c.header.Set("Link", "<"+s.apiURL+"/app/hook/deliveries?"+query.Encode()+`>; rel="next"`)
			return list, nil
		}
		list, last = append(list, l.json()), l.attempt.ID
	}
	return list, nil
}

func (c *call) loggedAttempt() (loggedAttempt, *apiError) {
	id := c.number("delivery_id")
	for _, l := range c.s.attempts() {
		if l.attempt.ID == id {
			return l, nil
		}
	}
	return loggedAttempt{}, notFound()
}

// getDelivery is GET /app/hook/deliveries/{delivery_id}, with the whole payload.
func (s *Server) getDelivery(c *call) (any, *apiError) {
	l, failure := c.loggedAttempt()
	if failure != nil {
		return nil, failure
	}
	body := l.json()
	body["url"] = ""
	body["request"] = object{
		"headers": object{"X-GitHub-Delivery": l.delivery.GUID, "X-GitHub-Event": l.delivery.Event, "content-type": "application/json"},
		"payload": rawJSON(l.delivery.Payload),
	}
	body["response"] = object{"headers": object{}, "payload": l.attempt.Answer}
	return body, nil
}

// redeliver is POST /app/hook/deliveries/{delivery_id}/attempts.
func (s *Server) redeliver(c *call) (any, *apiError) {
	l, failure := c.loggedAttempt()
	if failure != nil {
		return nil, failure
	}
	d := s.hooks.byGUID(l.delivery.GUID)
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	s.hooks.enqueue(d)
	return accepted{}, nil
}
