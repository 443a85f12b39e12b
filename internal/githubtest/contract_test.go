package githubtest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestContractSeesBadRequests(t *testing.T) {
	contract := RequireContract(t)
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
	contract := RequireContract(t)
	e := newExam(t, Options{Contract: contract})
	delete(e.gh.options.Permissions, "contents")
	e.gh.options.Permissions = nil // an App without permissions is no App
	e.callAs(e.jwt(nil), 200, "GET", "/app", nil)
	e.expectViolations("answer 200 of this package: /permissions")
}

func TestContractIsKept(t *testing.T) {
	file := Assets(t, OpenAPIAsset)
	dir := t.TempDir()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, OpenAPIAsset)
	if err := os.WriteFile(copied, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := LoadContract(copied); err != nil {
			t.Fatal(err)
		}
		kept, err := filepath.Glob(filepath.Join(dir, "trimmed-*"))
		if err != nil || len(kept) != 1 {
			t.Fatalf("kept %v, error %v", kept, err)
		}
		if info, err := os.Stat(kept[0]); err != nil || info.Size() > 1<<20 {
			t.Errorf("the trimmed description has %d bytes, error %v", info.Size(), err)
		}
	}
}

func TestBadContract(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"not-json": "nothing", "no-operations": `{"openapi":"3.0.3","paths":{}}`, "odd": `{"paths":[1],"components":"x"}`} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadContract(file); err == nil {
			t.Errorf("%s was loaded", name)
		}
	}
	if _, err := LoadContract(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("a missing file was loaded")
	}
}

// tb notes what a test was told.
type tb struct {
	testing.TB
	said string
}

func (t *tb) Logf(format string, args ...any)   { t.said += "log " + format }
func (t *tb) Skipf(format string, args ...any)  { t.said += "skip " + format; panic(t) }
func (t *tb) Fatalf(format string, args ...any) { t.said += "fail " + format; panic(t) }

func TestMissingAssets(t *testing.T) {
	t.Setenv("HITRATE_NPM_ASSETS", t.TempDir())
	run := func(f func(TB)) (said string) {
		fake := &tb{TB: t}
		defer func() {
			if r := recover(); r != nil && r != any(fake) {
				panic(r)
			}
			said, _, _ = strings.Cut(fake.said, " ")
		}()
		f(fake)
		return
	}
	asset := func(t TB) { Assets(t, WebhooksAsset) }
	optional := func(t TB) { OptionalContract(t) }
	for ci, want := range map[string][2]string{"": {"skip", "log"}, "true": {"fail", "fail"}} {
		t.Setenv("CI", ci)
		if got := [2]string{run(asset), run(optional)}; got != want {
			t.Errorf("CI=%q: %q, want %q", ci, got, want)
		}
	}
}
