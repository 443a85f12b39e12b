package github

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	shortestLimit = time.Minute // where GitHub does not say how long
	longestLimit  = 24 * time.Hour
)

// limitOf says whether an answer is a limit, and until when; zero where GitHub does not say.
// go-github knows some of them: not 429, not 422 with the code "abuse", and a secondary limit only by
// the end of a documentation address.
// Source: https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
func limitOf(status int, header http.Header, message string, codes []string, now time.Time) (until time.Time, limited bool) {
	message = strings.ToLower(message)
	switch status {
	case http.StatusTooManyRequests:
		limited = true
	case http.StatusForbidden:
		limited = header.Get("Retry-After") != "" || header.Get("X-Ratelimit-Remaining") == "0" ||
			strings.Contains(message, "rate limit") || strings.Contains(message, "abuse")
	case http.StatusUnprocessableEntity:
		for _, code := range codes {
			limited = limited || code == "abuse"
		}
		limited = limited || strings.Contains(message, "submitted too quickly")
	}
	if !limited {
		return time.Time{}, false
	}
	if after, ok := retryAfter(header, now); ok {
		return after, true
	}
	if header.Get("X-Ratelimit-Remaining") == "0" {
		if reset, err := strconv.ParseInt(header.Get("X-Ratelimit-Reset"), 10, 64); err == nil {
			return bounded(time.Unix(reset, 0), now), true
		}
	}
	return time.Time{}, true
}

// retryAfter reads the header of that name: seconds or a date.
func retryAfter(header http.Header, now time.Time) (time.Time, bool) {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(value, 10, 32); err == nil {
		return bounded(now.Add(time.Duration(seconds)*time.Second), now), true
	}
	if date, err := http.ParseTime(value); err == nil {
		return bounded(date, now), true
	}
	return time.Time{}, false
}

// bounded is a time that lies ahead, but not for ever.
func bounded(t, now time.Time) time.Time {
	if t.Before(now.Add(time.Second)) {
		return now.Add(time.Second)
	}
	if t.After(now.Add(longestLimit)) {
		return now.Add(longestLimit)
	}
	return t
}

// gate remembers an installation's limit: to go on asking while one holds makes it longer.
type gate struct {
	mu      sync.Mutex
	until   time.Time
	strikes int // limits without a time, one after the other
	struck  time.Time
}

// open says whether requests may pass, and since or until when.
func (g *gate) open(now time.Time) (until time.Time, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.until, !now.Before(g.until)
}

// shut closes the gate until then; zero stands for a minute, and twice as long each time, up to an
// hour, until two hours pass without.
func (g *gate) shut(until, now time.Time) time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until.IsZero() {
		if now.Sub(g.struck) > 2*time.Hour {
			g.strikes = 0
		}
		until = now.Add(min(time.Hour, shortestLimit<<g.strikes))
		g.strikes = min(g.strikes+1, 6)
		g.struck = now
	}
	if until.After(g.until) {
		g.until = until
	}
	return g.until
}

// passed notes that a write was taken.
func (g *gate) passed() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.strikes = 0
}

// pacer lets one write through at a time, with a gap between two.
type pacer struct {
	gap  time.Duration
	turn chan struct{} // holds one token: whose turn it is
	last *time.Time    // of the last write; whoever has the turn may touch it
}

func newPacer(gap time.Duration) pacer {
	p := pacer{gap: gap, turn: make(chan struct{}, 1), last: new(time.Time)}
	p.turn <- struct{}{}
	return p
}

// do runs f in its turn.
func (p pacer) do(ctx context.Context, now func() time.Time, sleep func(context.Context, time.Duration) error, f func()) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.turn:
	}
	defer func() { p.turn <- struct{}{} }()
	if wait := p.gap - now().Sub(*p.last); wait > 0 {
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
	f()
	*p.last = now()
	return nil
}
