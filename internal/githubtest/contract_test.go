package githubtest

import (
	"testing"

	"github.com/hitrate-bot/hitrate/internal/githubtest/octokit"
)

func TestContractSeesBadRequests(t *testing.T) {
	contract := octokit.RequireContract(t, Operations())
	check := func(status int, method, path string, body any, violations ...string) {
		t.Helper()
		e := newSerialExam(t, Options{Contract: contract})
		e.call(status, method, path, body)
		e.expectViolations(violations...)
	}
	many := make([]any, 51)
	for i := range many {
		many[i] = object{"path": "a", "start_line": 1, "end_line": 1, "annotation_level": "notice", "message": "m"}
	}
	run := object{"name": "hitrate", "head_sha": "x"}
	check(200, "POST", pullPath+"/reviews", object{"event": "COMMENT", "body": "b", "lines": 1}, `property "lines" is unsupported`)
	check(200, "POST", pullPath+"/reviews", object{"event": "COMMENT", "body": "b", "comments": []any{at(5, "subject_type", "line")}}, `property "subject_type" is unsupported`)
	check(422, "POST", pullPath+"/reviews", object{"event": "COMMENT", "body": "b", "comments": []any{at(5, "line", "5")}}, "/comments/0/line: value must be an integer")
	check(422, "POST", repoPath+"/check-runs", object{"head_sha": "x"}, `property "name" is missing`)
	check(422, "POST", repoPath+"/check-runs", object{"name": "hitrate", "head_sha": "x", "output": object{"title": "t", "summary": "s", "annotations": many}}, "maximum number of items is 50")
	check(422, "POST", repoPath+"/check-runs", object{"name": "hitrate", "head_sha": "x", "output": object{"title": "t"}}, `property "summary" is missing`)
	check(422, "POST", repoPath+"/check-runs", run)
	check(200, "GET", pullPath+"/files?per_pages=100", nil, `unknown query parameter "per_pages"`)
	check(200, "GET", pullPath, object{"a": 1}, "a body where there is none")

	e := newSerialExam(t, Options{Contract: contract})
	e.callAs(e.jwt(nil), 201, "POST", "/app/installations/"+itoa(e.installation)+"/access_tokens", []byte("null"))
	e.expectViolations("Value is not nullable")
}

func TestContractSeesBadAnswers(t *testing.T) {
	contract := octokit.RequireContract(t, Operations())
	e := newExam(t, Options{Contract: contract})
	delete(e.gh.options.Permissions, "contents")
	e.gh.options.Permissions = nil // an App without permissions is no App
	e.callAs(e.jwt(nil), 200, "GET", "/app", nil)
	e.expectViolations("answer 200 of this package: /permissions")
}
