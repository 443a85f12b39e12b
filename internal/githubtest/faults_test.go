package githubtest

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestFaults(t *testing.T) {
	const on = "POST /repos/*/*/pulls/*/reviews"
	review := object{"event": "COMMENT", "body": "Hello"}
	for name, test := range map[string]struct {
		fault  Fault
		status int // 0: no answer
		posted bool
		look   func(t *testing.T, r response)
	}{
		"a 502":                   {ServerError(on, 502), 502, false, nil},
		"a 500 after it was done": {Fault{On: on, Status: 504, Done: true}, 504, true, nil},
		"the answer is lost":      {LostAnswer(on), 0, true, nil},
		"the request is lost":     {LostRequest(on), 0, false, nil},
		"slow":                    {Slow(on, 20*time.Millisecond), 200, true, nil},
		"404":                     {Fault{On: on, Status: 404, Message: "Not Found"}, 404, false, nil},
		"secondary limit with 403": {SecondaryLimit(on, 403, 7*time.Second), 403, false, func(t *testing.T, r response) {
			if r.header.Get("Retry-After") != "7" || !strings.Contains(r.body, "secondary rate limit") || !strings.Contains(r.body, "secondary-rate-limits") {
				t.Errorf("%v %s", r.header, r.body)
			}
		}},
		"secondary limit with 429, no time": {SecondaryLimit(on, 429, 0), 429, false, func(t *testing.T, r response) {
			if r.header.Get("Retry-After") != "" {
				t.Errorf("%v", r.header)
			}
		}},
		"hourly limit": {PrimaryLimit(on, 403, time.Minute), 403, false, func(t *testing.T, r response) {
			reset, err := strconv.ParseInt(r.header.Get("X-RateLimit-Reset"), 10, 64)
			if err != nil || r.header.Get("X-RateLimit-Remaining") != "0" || time.Until(time.Unix(reset, 0)) > time.Minute {
				t.Errorf("%v", r.header)
			}
		}},
		"abuse": {Abuse(on), 422, false, func(t *testing.T, r response) {
			if !strings.Contains(r.body, `"code":"abuse"`) {
				t.Errorf("%s", r.body)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newExam(t, Options{})
			e.gh.Fail(test.fault)
			e.call(200, "GET", pullPath, nil) // another request
			got, err := e.try(e.token, "POST", pullPath+"/reviews", review)
			if got.status != test.status || (err != nil) != (test.status == 0) {
				t.Errorf("status %d, error %v, want %d", got.status, err, test.status)
			}
			if n := len(e.pr.Reviews()); (n == 1) != test.posted {
				t.Errorf("%d reviews", n)
			}
			if test.look != nil {
				test.look(t, got)
			}
			requests := e.gh.Requests()
			if last := requests[len(requests)-1]; !last.Fault || last.Status != test.status || last.Method != http.MethodPost {
				t.Errorf("log %+v", last)
			}
			e.call(200, "POST", pullPath+"/reviews", review) // used up
		})
	}
}

func TestFaultsInOrder(t *testing.T) {
	e := newExam(t, Options{})
	e.gh.Fail(Fault{On: "GET " + pullPath, Skip: 1, Times: 2, Status: 503})
	e.gh.Fail(Fault{On: "* /repos/*/*", Times: -1, Status: 500})
	e.call(200, "GET", pullPath, nil)
	e.call(503, "GET", pullPath, nil)
	e.call(200, "GET", pullPath+"/files", nil)
	e.call(503, "GET", pullPath, nil)
	e.call(200, "GET", pullPath, nil)
	for range 3 {
		e.call(500, "GET", repoPath, nil)
	}
	e.gh.ClearFaults()
	e.call(200, "GET", repoPath, nil)
	if n := len(e.gh.Requests()); n != 9 {
		t.Errorf("%d requests", n)
	}
}

func TestLag(t *testing.T) {
	e := newExam(t, Options{Lag: 2})
	e.call(404, "GET", pullPath, nil)
	e.call(404, "GET", pullPath+"/files", nil)
	e.call(200, "GET", pullPath, nil)
	e.dockerfile(oldDockerfile + "RUN more\n")
	e.call(404, "GET", pullPath, nil)
}
