package githubtest

import (
	"context"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

// Cut says when a fault cuts the connection.
type Cut int

// The moments to cut a connection.
const (
	CutNever  Cut = iota
	CutBefore     // nothing was done
	CutAfter      // it was done, and the answer is lost
)

// Fault makes the next requests that match it fail. The fields say how; they can be combined as far
// as that makes sense.
type Fault struct {
	// On names the requests: "POST /repos/*/*/pulls/*/reviews", where * stands for one segment of the
	// path or a part of one; "*" for the method is any. Empty: every request.
	On string
	// Times is how many requests fail; 0 means one, below 0 all from now on.
	Times int
	// Skip lets so many matching requests through first.
	Skip int

	// Status answers instead of doing it; 0 does it.
	Status int
	// Message and Errors are the body of that answer; Errors are strings or objects.
	Message string
	Errors  []any
	// Document is the answer's documentation_url, by which some clients know a limit.
	Document string
	// RetryAfter is the header of that name; 0 sends none.
	RetryAfter time.Duration
	// Reset sets x-ratelimit-remaining to 0 and x-ratelimit-reset to so long from now; 0 sends neither.
	Reset time.Duration
	// Cut cuts the connection.
	Cut Cut
	// Done does the work although Status answers something else, as a timeout of a proxy does.
	Done bool
	// Delay is how long the answer takes more.
	Delay time.Duration
}

// Faults that GitHub has.

// ServerError is a 500, 502 or 503 with GitHub's page or words.
func ServerError(on string, status int) Fault {
	return Fault{On: on, Status: status, Message: "Server Error"}
}

// SecondaryLimit is the limit on fast writers: 403 or 429, with Retry-After unless after is 0.
func SecondaryLimit(on string, status int, after time.Duration) Fault {
	e := secondaryLimit(status, 0)
	return Fault{On: on, Status: status, Message: e.message, Document: e.document, RetryAfter: after}
}

// PrimaryLimit is the hourly limit: 403 or 429 with remaining 0 until reset from now.
func PrimaryLimit(on string, status int, reset time.Duration) Fault {
	e := primaryLimit(0)
	return Fault{On: on, Status: status, Message: e.message, Document: e.document, Reset: reset}
}

// Abuse is the limit that looks like a validation error: 422 with the code "abuse".
func Abuse(on string) Fault {
	return Fault{On: on, Status: http.StatusUnprocessableEntity, Message: "Validation Failed",
		Errors: []any{object{"resource": "PullRequestReview", "code": "abuse", "field": "base"}}}
}

// LostAnswer does the work and cuts the connection; LostRequest cuts it before.
func LostAnswer(on string) Fault { return Fault{On: on, Cut: CutAfter} }

// LostRequest cuts the connection before anything was done.
func LostRequest(on string) Fault { return Fault{On: on, Cut: CutBefore} }

// Slow answers rightly, later.
func Slow(on string, delay time.Duration) Fault { return Fault{On: on, Delay: delay} }

// Fail adds a fault. Where several match a request, the one added first is used up first.
func (s *Server) Fail(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// ClearFaults takes all faults away.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// takeFault returns the fault that a request meets, or nil. The lock is held.
func (s *Server) takeFault(r *http.Request) *Fault {
	for _, f := range s.faults {
		switch {
		case f.Times == 0 || !f.matches(r):
			continue
		case f.Skip > 0:
			f.Skip--
			continue
		case f.Times > 0:
			f.Times--
		}
		hit := *f
		return &hit
	}
	return nil
}

func (f *Fault) matches(r *http.Request) bool {
	if f.On == "" {
		return true
	}
	method, pattern, _ := strings.Cut(f.On, " ")
	if method != "*" && method != r.Method {
		return false
	}
	ok, err := path.Match(pattern, r.URL.EscapedPath())
	return ok && err == nil
}

// instead says whether the work is not done.
func (f *Fault) instead() bool {
	return f.Cut == CutBefore || (f.Status != 0 && !f.Done)
}

// apply turns the right answer (nil where the work was not done) into the faulty one; nil cuts the
// connection.
func (f *Fault) apply(ctx context.Context, now time.Time, a *answer) *answer {
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	if f.Cut != CutNever {
		return nil
	}
	if f.Status == 0 {
		return a
	}
	e := apiError{status: f.Status, message: f.Message, errors: f.Errors, document: f.Document}
	if e.message == "" {
		e.message = http.StatusText(f.Status)
	}
	b := &answer{status: f.Status, header: http.Header{}, body: mustJSON(e.json())}
	b.header.Set("Content-Type", "application/json; charset=utf-8")
	if f.RetryAfter > 0 {
		b.header.Set("Retry-After", strconv.Itoa(int(f.RetryAfter.Seconds())))
	}
	if f.Reset > 0 {
		b.header.Set("X-RateLimit-Limit", "5000")
		b.header.Set("X-RateLimit-Remaining", "0")
		b.header.Set("X-RateLimit-Reset", strconv.FormatInt(now.Add(f.Reset).Unix(), 10))
		b.header.Set("X-RateLimit-Resource", "core")
	}
	return b
}
