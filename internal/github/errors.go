package github

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/google/go-github/v60/github"

	"github.com/hitrate-bot/hitrate/internal/review"
)

// kind is what became of a request that failed.
type kind int

const (
	cancelled   kind = iota // by us
	limited                 // not now
	missing                 // 404
	gone                    // 410, or no token
	forbidden               // 403 that is no limit
	notBelieved             // 401: our credentials
	refused                 // 422
	unwell                  // 5xx, or no answer
	other
)

// failure is a request that failed.
type failure struct {
	kind kind
	// unsent says that GitHub did not get the request, or did not look at it.
	unsent  bool
	until   time.Time // of a limit or a 5xx, where GitHub said so
	message string
	cause   error
}

// classify finds out what an error of go-github or ghinstallation means, but for the caller's context.
func classify(err error, now time.Time) *failure {
	if token, ok := errors.AsType[*ghinstallation.HTTPError](err); ok {
		return classifyToken(token, now)
	}
	if limit, ok := errors.AsType[*github.RateLimitError](err); ok {
		return &failure{kind: limited, unsent: true, until: bounded(limit.Rate.Reset.Time, now), message: clean(limit.Message)}
	}
	if limit, ok := errors.AsType[*github.AbuseRateLimitError](err); ok {
		f := &failure{kind: limited, unsent: true, message: clean(limit.Message)}
		if limit.RetryAfter != nil {
			f.until = bounded(now.Add(*limit.RetryAfter), now)
		}
		return f
	}
	if answer, ok := errors.AsType[*github.ErrorResponse](err); ok && answer.Response != nil {
		parts, codes := []string{answer.Message}, []string(nil)
		for _, e := range answer.Errors {
			codes = append(codes, e.Code)
			if e.Message == "" && e.Code != "" {
				e.Message = fmt.Sprintf("%s.%s: %s", e.Resource, e.Field, e.Code)
			}
			parts = append(parts, e.Message)
		}
		return classifyAnswer(answer.Response, strings.Join(parts, "; "), codes, now)
	}
	f := &failure{kind: unwell, message: "no answer: " + clean(err.Error()), cause: err}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		f.unsent = true
	}
	return f
}

func classifyAnswer(resp *http.Response, message string, codes []string, now time.Time) *failure {
	f := &failure{kind: other, message: clean(fmt.Sprintf("%d %s", resp.StatusCode, message))}
	if until, ok := limitOf(resp.StatusCode, resp.Header, message, codes, now); ok {
		f.kind, f.until, f.unsent = limited, until, true
		return f
	}
	switch status := resp.StatusCode; {
	case status == http.StatusUnauthorized:
		f.kind, f.unsent = notBelieved, true
	case status == http.StatusForbidden:
		f.kind = forbidden
	case status == http.StatusNotFound:
		f.kind = missing
	case status == http.StatusGone:
		f.kind = gone
	case status == http.StatusUnprocessableEntity:
		f.kind = refused
	case status >= 500:
		f.kind = unwell
		if after, ok := retryAfter(resp.Header, now); ok {
			f.until = after
		}
	}
	return f
}

// classifyToken is about a token that was not had: the request itself was not sent. ghinstallation
// leaves the answer's body to us.
func classifyToken(err *ghinstallation.HTTPError, now time.Time) *failure {
	if err.Response == nil {
		return &failure{kind: unwell, unsent: true, message: "no token: " + clean(err.Error()), cause: err.RootCause}
	}
	defer func() { _ = err.Response.Body.Close() }() // only read
	var answer struct {
		Message string `json:"message"`
	}
	data, _ := io.ReadAll(io.LimitReader(err.Response.Body, 64<<10))
	_ = json.Unmarshal(data, &answer) // without a message the status has to do
	f := classifyAnswer(err.Response, answer.Message, nil, now)
	f.unsent = true
	f.message = "no token for the installation: " + f.message
	switch f.kind {
	case missing, forbidden, refused:
		// Uninstalled, suspended, the repository taken out, or a permission not granted: none of
		// them is a lag.
		f.kind = gone
	}
	return f
}

// clean makes a text of GitHub fit for one line of a log.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cc, unicode.Cf) { // Cf has the controls of writing direction
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
	if runes := []rune(s); len(runes) > 500 {
		s = string(runes[:500]) + "…"
	}
	return s
}

// err is the error of review for a failure. wrote says that the request was to change something.
func (f *failure) err(what string, wrote bool, now time.Time) error {
	plain := fmt.Errorf("%s: GitHub answered %s", what, f.message)
	if f.cause != nil {
		plain = fmt.Errorf("%s: %s: %w", what, f.message, f.cause)
	}
	switch f.kind {
	case cancelled:
		return fmt.Errorf("%s: %w", what, f.cause)
	case limited:
		return &review.LaterError{After: f.until, Err: plain}
	case missing, gone, forbidden:
		return &review.GoneError{Reason: plain.Error()}
	case notBelieved:
		// Our own credentials: nothing about the pull request, so nothing is dropped.
		return &review.LaterError{After: now.Add(time.Minute), Err: plain}
	case unwell:
		if wrote && !f.unsent {
			return &review.UnknownError{Err: plain}
		}
		return &review.LaterError{After: latest(f.until, now.Add(10*time.Second)), Err: plain}
	}
	return plain
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
