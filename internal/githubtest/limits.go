package githubtest

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// window counts requests within an hour.
type window struct {
	used  int
	reset time.Time
}

// limit counts a request, sets the headers that tell about it, and refuses what is too much.
func (s *Server) limit(c *call) *apiError {
	id := int64(0)
	if c.who.token != nil {
		id = c.who.token.installation.id
	}
	now := s.options.Now()
	w := s.spent[id]
	if w == nil || !now.Before(w.reset) {
		w = &window{reset: now.Add(time.Hour)}
		s.spent[id] = w
	}
	w.used++
	h := c.header
	h.Set("X-RateLimit-Limit", strconv.Itoa(s.options.RateLimit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(max(s.options.RateLimit-w.used, 0)))
	h.Set("X-RateLimit-Used", strconv.Itoa(min(w.used, s.options.RateLimit)))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(w.reset.Unix(), 10))
	h.Set("X-RateLimit-Resource", "core")
	if w.used > s.options.RateLimit {
		return primaryLimit(id)
	}
	if c.r.Method == http.MethodGet || s.options.ContentLimit == 0 || id == 0 {
		return nil
	}
	recent := s.created[id][:0]
	for _, t := range s.created[id] {
		if now.Sub(t) < time.Minute {
			recent = append(recent, t)
		}
	}
	s.created[id] = append(recent, now)
	if len(recent) >= s.options.ContentLimit {
		return secondaryLimit(http.StatusForbidden, time.Minute)
	}
	return nil
}

func primaryLimit(installation int64) *apiError {
	return &apiError{
		status:   http.StatusForbidden,
		message:  fmt.Sprintf("API rate limit exceeded for installation ID %d.", installation),
		document: "https://docs.github.com/rest/overview/resources-in-the-rest-api#rate-limiting",
	}
}

func secondaryLimit(status int, after time.Duration) *apiError {
	e := &apiError{
		status:   status,
		message:  "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
		document: "https://docs.github.com/free-pro-team@latest/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits",
		header:   http.Header{},
	}
	if after > 0 {
		e.header.Set("Retry-After", strconv.Itoa(int(after.Seconds())))
	}
	return e
}

// getRateLimit is GET /rate_limit.
func (s *Server) getRateLimit(c *call) (any, *apiError) {
	n := func(name string) int { v, _ := strconv.Atoi(c.header.Get(name)); return v }
	core := object{"limit": n("X-RateLimit-Limit"), "remaining": n("X-RateLimit-Remaining"), "used": n("X-RateLimit-Used"), "reset": n("X-RateLimit-Reset")}
	return object{"resources": object{"core": core, "search": core}, "rate": core}, nil
}
