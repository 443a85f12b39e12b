package githubtest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// at is an inline comment of a request.
func at(line int, more ...any) object {
	o := object{"path": "Dockerfile", "line": line, "side": "RIGHT", "body": "Here"}
	for i := 0; i < len(more); i += 2 {
		o[more[i].(string)] = more[i+1]
	}
	return o
}

func TestReviewIsRefusedWhole(t *testing.T) {
	const (
		line  = badLine + " and " + noHunk
		start = badStart
	)
	long := strings.Repeat("x", maxBodyLength+1)
	e := newExam(t, Options{}) // for all: a refused review leaves nothing behind
	for name, test := range map[string]struct {
		review object // body and event are added where missing
		want   []any
	}{
		"a line in no hunk":                 {object{"comments": []any{at(5), at(15)}}, []any{line}},
		"a line after the end":              {object{"comments": []any{at(1000)}}, []any{line}},
		"line zero":                         {object{"comments": []any{at(0)}}, []any{line}},
		"a negative line":                   {object{"comments": []any{at(-1)}}, []any{line}},
		"no line at all":                    {object{"comments": []any{object{"path": "Dockerfile", "body": "Here"}}}, []any{line}},
		"two bad lines":                     {object{"comments": []any{at(15), at(16)}}, []any{line, line}},
		"an old line on the new side":       {object{"comments": []any{at(20)}}, []any{line}},
		"a new line on the old side":        {object{"comments": []any{at(31, "side", "LEFT")}}, []any{line}},
		"start in another hunk":             {object{"comments": []any{at(27, "start_line", 5)}}, []any{start}},
		"start in no hunk":                  {object{"comments": []any{at(27, "start_line", 15)}}, []any{start}},
		"start and line in no hunk":         {object{"comments": []any{at(16, "start_line", 15)}}, []any{badLine + ", " + badStart + ", and " + noHunk}},
		"start is the line":                 {object{"comments": []any{at(5, "start_line", 5)}}, []any{badOrder}},
		"start below the line":              {object{"comments": []any{at(5, "start_line", 6)}}, []any{badOrder}},
		"a file that was not changed":       {object{"comments": []any{at(1, "path", "main.go")}}, []any{badPath + " and " + noHunk}},
		"a file that is not there":          {object{"comments": []any{at(1, "path", "nowhere")}}, []any{badPath + " and " + noHunk}},
		"a path with a dot":                 {object{"comments": []any{at(5, "path", "./Dockerfile")}}, []any{badPath + " and " + noHunk}},
		"a comment without text":            {object{"comments": []any{at(5, "body", " ")}}, []any{"Body can't be blank"}},
		"a comment that is too long":        {object{"comments": []any{at(5, "body", long)}}, []any{"Body is too long (maximum is 65536 characters)"}},
		"no body":                           {object{"body": ""}, []any{"Body can't be blank"}},
		"a body that is too long":           {object{"body": long}, []any{"Body is too long (maximum is 65536 characters)"}},
		"a commit that is not there":        {object{"commit_id": strings.Repeat("0", 40)}, []any{badCommit}},
		"a shortened commit":                {object{"commit_id": "0123abc"}, []any{badCommit}},
		"a branch for a commit":             {object{"commit_id": "feature"}, []any{badCommit}},
		"the base, which is not part of it": {object{"commit_id": "BASE"}, []any{badCommit}},
	} {
		t.Run(name, func(t *testing.T) {
			e := &exam{T: t, gh: e.gh, repo: e.repo, pr: e.pr, token: e.token}
			review := object{"event": "COMMENT", "body": "Hello"}
			for key, value := range test.review {
				if value == "BASE" {
					value, _ = e.repo.Head("main")
				}
				review[key] = value
			}
			got := e.call(422, "POST", pullPath+"/reviews", review).object(t)
			if diff := cmp.Diff(test.want, got["errors"]); diff != "" {
				t.Error(diff)
			}
			if got["message"] != "Unprocessable Entity" || got["status"] != "422" {
				t.Errorf("answer %v", got)
			}
			if len(e.pr.Reviews()) != 0 || len(e.pr.Comments()) != 0 {
				t.Error("something was posted")
			}
		})
	}
}

func TestReviewAnchors(t *testing.T) {
	e := newExam(t, Options{})
	comments := []any{
		at(1), at(4), at(6), at(9), at(24), at(27), at(30),
		at(6, "start_line", 4, "start_side", "RIGHT"), at(9, "start_line", 1), at(4, "side", "LEFT"),
		object{"path": "Dockerfile", "position": 5, "body": "By position"},
		object{"path": "Dockerfile", "position": 4, "body": "By position, deleted"},
		object{"path": "Dockerfile", "position": 15, "body": "By position, second hunk"},
	}
	e.call(200, "POST", pullPath+"/reviews", object{"event": "COMMENT", "body": "Hello", "comments": comments})
	type place struct {
		start, line, position int
		side                  string
	}
	var got []place
	for _, c := range e.call(200, "GET", pullPath+"/comments?per_page=100", nil).list(t) {
		start, _ := c["start_line"].(float64)
		got = append(got, place{int(start), int(c["line"].(float64)), int(c["position"].(float64)), c["side"].(string)})
		if !strings.HasPrefix(c["diff_hunk"].(string), "@@ ") || c["original_line"] != c["line"] || c["commit_id"] != e.pr.Head() {
			t.Errorf("comment %v", c)
		}
	}
	want := []place{
		{0, 1, 1, "RIGHT"}, {0, 4, 5, "RIGHT"}, {0, 6, 7, "RIGHT"}, {0, 9, 10, "RIGHT"}, {0, 24, 12, "RIGHT"}, {0, 27, 15, "RIGHT"}, {0, 30, 18, "RIGHT"},
		{4, 6, 7, "RIGHT"}, {1, 9, 10, "RIGHT"}, {0, 4, 4, "LEFT"}, {0, 4, 5, "RIGHT"}, {0, 4, 4, "LEFT"}, {0, 27, 15, "RIGHT"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(place{})); diff != "" {
		t.Error(diff)
	}
}

func TestPendingReviewBlocksTheNext(t *testing.T) {
	e := newExam(t, Options{})
	pending := e.call(200, "POST", pullPath+"/reviews", object{"body": "Later", "comments": []any{at(5)}}).object(t)
	if pending["state"] != "PENDING" || pending["submitted_at"] != nil {
		t.Errorf("review %v", pending)
	}
	refused := e.call(422, "POST", pullPath+"/reviews", object{"event": "COMMENT", "body": "Hello"}).object(t)
	if diff := cmp.Diff([]any{"User can only have one pending review per pull request"}, refused["errors"]); diff != "" {
		t.Error(diff)
	}
	// Its comments are not among those of the pull request, but among its own.
	if list := e.call(200, "GET", pullPath+"/comments", nil).list(t); len(list) != 0 {
		t.Errorf("comments %v", list)
	}
	path := fmt.Sprintf("%s/reviews/%.0f", pullPath, pending["id"])
	if list := e.call(200, "GET", path+"/comments", nil).list(t); len(list) != 1 {
		t.Errorf("comments %v", list)
	}
	e.call(200, "DELETE", path, nil)
	e.call(404, "GET", path, nil)
	e.call(200, "POST", pullPath+"/reviews", object{"event": "COMMENT", "body": "Hello"})
	if n := len(e.pr.Comments()); n != 0 {
		t.Errorf("%d comments are left of the pending review", n)
	}
}

func TestPendingReviewOfSomebodyElse(t *testing.T) {
	e := newExam(t, Options{})
	id, err := e.pr.ReviewAs("alice", "Not yet", true, NewComment{Path: "Dockerfile", Line: 5, Body: "Hm"})
	e.check(err)
	e.call(200, "POST", pullPath+"/reviews", object{"event": "COMMENT", "body": "Hello"})
	if list := e.call(200, "GET", pullPath+"/reviews", nil).list(t); len(list) != 1 {
		t.Errorf("reviews %v", list)
	}
	e.call(404, "GET", fmt.Sprintf("%s/reviews/%d", pullPath, id), nil)
	if n := len(e.pr.Reviews()); n != 2 {
		t.Errorf("%d reviews", n)
	}
}

func TestPendingReviewIsSubmitted(t *testing.T) {
	e := newExam(t, Options{})
	pending := e.call(200, "POST", pullPath+"/reviews", object{"body": "Later"}).object(t)
	path := fmt.Sprintf("%s/reviews/%.0f", pullPath, pending["id"])
	got := e.call(200, "POST", path+"/events", object{"event": "COMMENT", "body": "Now"}).object(t)
	if got["state"] != "COMMENTED" || got["body"] != "Now" {
		t.Errorf("review %v", got)
	}
	e.call(422, "POST", path+"/events", object{"event": "COMMENT", "body": "Again"})
	e.call(422, "DELETE", path, nil)
}

func TestReviewBodyIsUpdated(t *testing.T) {
	e := newExam(t, Options{})
	mine := e.call(200, "POST", pullPath+"/reviews", object{"event": "COMMENT", "body": "Hello"}).object(t)
	path := fmt.Sprintf("%s/reviews/%.0f", pullPath, mine["id"])
	e.call(200, "PUT", path, object{"body": "Better"})
	if got := e.call(200, "GET", path, nil).object(t); got["body"] != "Better" {
		t.Errorf("review %v", got)
	}
	e.call(422, "PUT", path, object{"body": ""})
	theirs, err := e.pr.ReviewAs("alice", "Mine", false)
	e.check(err)
	e.call(403, "PUT", fmt.Sprintf("%s/reviews/%d", pullPath, theirs), object{"body": "Taken over"})
	e.call(404, "PUT", pullPath+"/reviews/1", object{"body": "Nowhere"})
}

func TestReviewOfAnOlderCommit(t *testing.T) {
	e := newExam(t, Options{})
	old := e.pr.Head()
	_, err := e.repo.Commit("feature", "Touch line 5", Edit{Files: map[string]string{"Dockerfile": strings.Replace(newDockerfile, "RUN new 5\n", "RUN newer 5\n", 1)}})
	e.check(err)
	e.call(200, "POST", pullPath+"/reviews", object{"commit_id": old, "event": "COMMENT", "body": "Hello", "comments": []any{at(5), at(27)}})
	comments := e.pr.Comments()
	if !comments[0].Outdated || comments[0].OriginalLine != 5 || comments[0].OriginalCommit != old {
		t.Errorf("comment %+v", comments[0])
	}
	if comments[1].Outdated || comments[1].Line != 27 || comments[1].Commit != e.pr.Head() || comments[1].OriginalCommit != old {
		t.Errorf("comment %+v", comments[1])
	}
	_, err = e.repo.Rewrite("feature", "main", "All anew", Edit{Files: map[string]string{"Dockerfile": newDockerfile}})
	e.check(err)
	e.call(422, "POST", pullPath+"/reviews", object{"commit_id": old, "event": "COMMENT", "body": "Hello"})
}

func TestReviewEventIsKnown(t *testing.T) {
	e := newExam(t, Options{})
	e.call(422, "POST", pullPath+"/reviews", object{"event": "NAG", "body": "Hello"})
	e.call(400, "POST", pullPath+"/reviews", []byte(`{"event":`))
	e.expectViolations(`/event: value is not one of the allowed values`, `failed to decode request body`)
}
