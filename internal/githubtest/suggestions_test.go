package githubtest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func suggest(lines ...string) string {
	return "Try this:\n\n```suggestion\n" + strings.Join(append(lines, ""), "\n") + "```\n\nand be happy.\n"
}

func TestSuggestionsIn(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		want []string
	}{
		"none":                      {"Hello ```suggestion``` there", nil},
		"one":                       {suggest("a", "b"), []string{"a\nb\n"}},
		"deletes":                   {"```suggestion\n```", []string{""}},
		"one empty line":            {"```suggestion\n\n```", []string{"\n"}},
		"a last empty line":         {"```suggestion\na\n\n```", []string{"a\n\n"}},
		"a longer fence":            {"`````suggestion\n```\nx\n````\n`````", []string{"```\nx\n````\n"}},
		"tildes":                    {"~~~suggestion\nx\n~~~", []string{"x\n"}},
		"spaces around the name":    {"```  suggestion  \nx\n```", []string{"x\n"}},
		"more words after the name": {"```suggestion now\nx\n```", []string{"x\n"}},
		"another language":          {"```suggestions\nx\n```\n```diff\nx\n```", nil},
		"two":                       {"```suggestion\nx\n```\n```suggestion\ny\n```", []string{"x\n", "y\n"}},
		"one that does not end":     {"```suggestion\nx\n", []string{"x\n"}},
		"spaces in front of lines":  {"```suggestion\n    x\n\ty\n```", []string{"    x\n\ty\n"}},
		"an indented fence":         {"  ```suggestion\n    x\n  y\n ```", []string{"  x\ny\n"}},
		"in a list":                 {"- here:\n\n  ```suggestion\n  x\n  ```", []string{"x\n"}},
		"in an indented block":      {"    ```suggestion\n    x\n    ```", nil},
		"within HTML":               {"<details>\n\n```suggestion\nx\n```\n\n</details>", []string{"x\n"}},
		"within an HTML comment":    {"<!--\n```suggestion\nx\n```\n-->", nil},
		"lines that end with CR":    {"```suggestion\r\nx\r\n```\r\n", []string{"x\n"}},
		"a fence that is not closed by a shorter one": {"````suggestion\nx\n```\ny\n````", []string{"x\n```\ny\n"}},
	} {
		if diff := cmp.Diff(test.want, suggestionsIn(test.body)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestApplyOneSuggestion(t *testing.T) {
	for name, test := range map[string]struct {
		file, suggestion string
		start, line      int
		want             string
	}{
		"one line by one":              {"a\nb\nc\n", suggest("x"), 0, 2, "a\nx\nc\n"},
		"one line by three":            {"a\nb\nc\n", suggest("x", "y", "z"), 0, 2, "a\nx\ny\nz\nc\n"},
		"three lines by one":           {"a\nb\nc\n", suggest("x"), 1, 3, "x\n"},
		"a line goes":                  {"a\nb\nc\n", "```suggestion\n```", 0, 2, "a\nc\n"},
		"a line becomes empty":         {"a\nb\nc\n", suggest(""), 0, 2, "a\n\nc\n"},
		"all goes":                     {"a\nb\n", "```suggestion\n```", 1, 2, ""},
		"no newline at the end":        {"a\nb", suggest("x"), 0, 2, "a\nx"},
		"a newline is put at the end":  {"a\nb", suggest("x", ""), 0, 2, "a\nx\n"},
		"an empty line at the end":     {"a\nb\n", suggest("x", ""), 0, 2, "a\nx\n\n"},
		"CR is lost":                   {"a\r\nb\r\nc\r\n", suggest("x"), 0, 2, "a\r\nx\nc\r\n"},
		"tabs and trailing spaces":     {"a\nb\nc\n", suggest("\tx  "), 0, 2, "a\n\tx  \nc\n"},
		"a heredoc with a fence in it": {"a\nb\nc\n", "````suggestion\n```\n````", 0, 2, "a\n```\nc\n"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newExam(t, Options{})
			_, err := e.repo.Commit("feature", "Add a script", Edit{Files: map[string]string{"a script": test.file}, Modes: map[string]string{"a script": "100755"}})
			e.check(err)
			before := e.pr.Head()
			comment := at(test.line, "path", "a script", "body", test.suggestion)
			if test.start > 0 {
				comment["start_line"] = test.start
			}
			ids := e.post(comment)
			head, err := e.pr.ApplySuggestions("alice", ids...)
			e.check(err)
			got, err := e.repo.ReadFile("feature", "a script")
			e.check(err)
			if string(got) != test.want {
				t.Errorf("file is %q, want %q", got, test.want)
			}
			if e.pr.Head() != head {
				t.Errorf("head is %s, want %s", e.pr.Head(), head)
			}
			commit := e.call(200, "GET", repoPath+"/git/commits/"+head, nil).object(t)
			if !strings.Contains(commit["message"].(string), "Co-authored-by: hitrate[bot] <") || commit["author"].(object)["name"] != "alice" ||
				commit["parents"].([]any)[0].(object)["sha"] != before {
				t.Errorf("commit %v", commit)
			}
			tree, err := gitDir(e.repo.GitDir()).entry(head, "a script")
			if err != nil || tree.mode != "100755" {
				t.Errorf("mode %s, error %v", tree.mode, err)
			}
			deliveries := e.gh.Deliveries()
			if last := deliveries[len(deliveries)-1]; last.Action != "synchronize" {
				t.Errorf("last delivery: %s", last.Action)
			}
			_, err = e.pr.ApplySuggestions("alice", ids...)
			e.refused(err, ReasonResolved)
		})
	}
}

// refused fails unless a suggestion was refused for the reason.
func (e *exam) refused(err error, reason string) {
	e.Helper()
	var refusal *SuggestionError
	if !errors.As(err, &refusal) || refusal.Reason != reason {
		e.Errorf("error %v, want %q", err, reason)
	}
}

func TestApplyABatch(t *testing.T) {
	e := newExam(t, Options{})
	_, err := e.repo.Commit("feature", "Add", Edit{Files: map[string]string{"b.txt": "one\ntwo\n"}})
	e.check(err)
	before := e.pr.Head()
	ids := e.post(at(4, "body", suggest("RUN a", "RUN b")), at(27, "body", suggest("RUN c")), at(2, "path", "b.txt", "body", "```suggestion\n```"),
		at(6, "start_line", 4, "body", suggest("RUN all")), at(5, "body", suggest("RUN five")))

	_, err = e.pr.ApplySuggestions("alice", ids[0], ids[3])
	e.refused(err, ReasonOneAPerLine)
	if e.pr.Head() != before {
		t.Error("a refused batch was committed")
	}
	head, err := e.pr.ApplySuggestions("alice", ids[0], ids[1], ids[2])
	e.check(err)
	want := strings.Replace(strings.Replace(newDockerfile, "RUN new 4\n", "RUN a\nRUN b\n", 1), "RUN new 27\n", "RUN c\n", 1)
	got, err := e.repo.ReadFile(head, "Dockerfile")
	if err != nil || string(got) != want {
		t.Errorf("Dockerfile %q, error %v, want %q", got, err, want)
	}
	if got, err := e.repo.ReadFile(head, "b.txt"); err != nil || string(got) != "one\n" {
		t.Errorf("b.txt %q, error %v", got, err)
	}
	// The one that shared a line is outdated, the one beside moved on and still fits.
	_, err = e.pr.ApplySuggestions("alice", ids[3])
	e.refused(err, ReasonOutdated)
	_, err = e.pr.ApplySuggestions("alice", ids[4])
	e.check(err)
	if got, err := e.repo.ReadFile("feature", "Dockerfile"); err != nil || string(got) != strings.Replace(want, "RUN new 5\n", "RUN five\n", 1) {
		t.Errorf("Dockerfile %q, error %v", got, err)
	}
	if n := len(strings.Fields(e.git("rev-list", before+"..refs/heads/feature"))); n != 2 {
		t.Errorf("%d commits, want one for the batch and one for the other", n)
	}
}

func (e *exam) git(args ...string) string {
	e.Helper()
	out, err := gitDir(e.repo.GitDir()).line(args...)
	e.check(err)
	return out
}

func TestSuggestionsThatAreRefused(t *testing.T) {
	same := "```suggestion\nRUN new 5\n```"
	for name, test := range map[string]struct {
		comment object
		before  func(*exam, int64)
		want    string
	}{
		"no suggestion":             {at(5, "body", "Hello"), nil, ReasonNoSuggestion},
		"changes nothing":           {at(5, "body", same), nil, ReasonNoChange},
		"a deleted row within":      {at(4, "start_line", 3, "body", suggest("RUN x")), nil, ReasonDeletedLines},
		"on the deleted row":        {at(4, "side", "LEFT", "body", suggest("RUN x")), nil, ReasonDeletedLines},
		"closed":                    {at(5, "body", suggest("RUN x")), func(e *exam, _ int64) { e.pr.Close() }, ReasonClosed},
		"merged":                    {at(5, "body", suggest("RUN x")), func(e *exam, _ int64) { e.check(e.pr.Merge()) }, ReasonClosed},
		"resolved":                  {at(5, "body", suggest("RUN x")), func(e *exam, id int64) { e.check(e.pr.Resolve(id, true)) }, ReasonResolved},
		"outdated":                  {at(5, "body", suggest("RUN x")), func(e *exam, _ int64) { e.dockerfile(oldDockerfile) }, ReasonOutdated},
		"became what was suggested": {at(6, "start_line", 5, "body", "```suggestion\nRUN new 5\nRUN new 6\n```"), nil, ReasonNoChange},
	} {
		t.Run(name, func(t *testing.T) {
			e := newExam(t, Options{})
			id := e.post(test.comment)[0]
			if test.before != nil {
				test.before(e, id)
			}
			before, err := e.repo.Head("feature")
			e.check(err)
			_, err = e.pr.ApplySuggestions("alice", id)
			e.refused(err, test.want)
			if after, err := e.repo.Head("feature"); err != nil || after != before {
				t.Errorf("something was committed: %v", err)
			}
		})
	}
}

func TestSuggestionOfAPendingReview(t *testing.T) {
	e := newExam(t, Options{})
	e.call(200, "POST", pullPath+"/reviews", object{"body": "Later", "comments": []any{at(5, "body", suggest("RUN x"))}})
	_, err := e.pr.ApplySuggestions("alice", e.pr.Comments()[0].ID)
	e.refused(err, ReasonPending)
}

func TestSuggestionOnTheFirstOfNewRows(t *testing.T) {
	// The deleted row 4 stands right above the first new one: it is not within the range.
	e := newExam(t, Options{})
	_, err := e.pr.ApplySuggestions("alice", e.post(at(6, "start_line", 4, "body", suggest("RUN x")))...)
	e.check(err)
}

func TestFork(t *testing.T) {
	e := newExam(t, Options{})
	fork, err := e.repo.Fork("alice")
	e.check(err)
	_, err = fork.Commit("mine", "From outside", Edit{Files: map[string]string{"Dockerfile": newDockerfile}})
	e.check(err)
	pr, err := e.repo.OpenPullRequest(NewPullRequest{Head: "mine", From: fork})
	e.check(err)
	locked, err := e.repo.OpenPullRequest(NewPullRequest{Head: "mine", From: fork, NoMaintainerEdits: true})
	e.check(err)
	path := fmt.Sprintf("%s/pulls/%d", repoPath, pr.Number())
	got := e.call(200, "GET", path, nil).object(t)
	if got["head"].(object)["repo"].(object)["full_name"] != "alice/app" || got["user"].(object)["login"] != "alice" || got["maintainer_can_modify"] != true {
		t.Errorf("pull request %v", got)
	}
	// All of it can be read in the base repository, and nothing in the fork.
	e.call(200, "GET", repoPath+"/git/trees/"+pr.Head()+"?recursive=1", nil)
	e.call(404, "GET", "/repos/alice/app", nil)
	e.call(404, "GET", repoPath+"/git/trees/mine", nil)

	e.call(201, "POST", repoPath+"/check-runs", object{"name": "hitrate", "head_sha": pr.Head()})
	if run := e.call(200, "GET", repoPath+"/commits/"+pr.Head()+"/check-runs", nil).object(t)["check_runs"].([]any)[0].(object); len(run["pull_requests"].([]any)) != 0 {
		t.Errorf("check run %v", run)
	}
	for _, p := range []*PullRequest{pr, locked} {
		e.call(200, "POST", fmt.Sprintf("%s/pulls/%d/reviews", repoPath, p.Number()), object{"event": "COMMENT", "body": "Hello", "comments": []any{at(5, "body", suggest("RUN x"))}})
	}
	_, err = locked.ApplySuggestions("octocat", locked.Comments()[0].ID)
	e.refused(err, ReasonNoAccess)
	head, err := pr.ApplySuggestions("octocat", pr.Comments()[0].ID)
	e.check(err)
	if got, err := fork.Head("mine"); err != nil || got != head || pr.Head() != head || locked.Head() != head {
		t.Errorf("the fork's branch is at %s, the pull requests at %s and %s, want %s", got, pr.Head(), locked.Head(), head)
	}
	fork.Delete()
	if got := e.call(200, "GET", path, nil).object(t); got["head"].(object)["repo"] != nil || got["head"].(object)["sha"] != head {
		t.Errorf("head %v", got["head"])
	}
}

func TestView(t *testing.T) {
	e := newExam(t, Options{})
	e.post(at(6, "start_line", 4, "body", suggest("RUN one")), at(5, "body", "No suggestion"), at(4, "start_line", 3, "body", suggest("RUN x")))
	e.call(201, "POST", repoPath+"/check-runs", object{"name": "hitrate", "head_sha": e.pr.Head(), "conclusion": "neutral"})
	v, err := e.pr.View()
	e.check(err)
	rows := v.Files[0].Hunks[0].Rows
	var where []int
	var threads []Thread
	for i, r := range rows {
		for _, thread := range r.Threads {
			where, threads = append(where, i), append(threads, thread)
		}
	}
	if diff := cmp.Diff([]int{4, 5, 6}, where); diff != "" { // rows of the new lines 4, 5, 6
		t.Fatal(diff)
	}
	if diff := cmp.Diff([]Suggestion{{Old: []string{"RUN new 4", "RUN new 5", "RUN new 6"}, New: []string{"RUN one"}}}, threads[2].Suggestions); diff != "" {
		t.Error(diff)
	}
	if threads[1].Suggestions != nil || threads[0].Suggestions[0].Refused != ReasonDeletedLines {
		t.Errorf("threads %+v", threads)
	}
	if v.State != "open" || len(v.Reviews) != 1 || len(v.CheckRuns) != 1 || v.CheckRuns[0].Conclusion != "neutral" {
		t.Errorf("view %+v", v)
	}
	e.dockerfile(oldDockerfile + "RUN more\n")
	v, err = e.pr.View()
	e.check(err)
	if n := len(v.Files[0].Outdated); n != 3 {
		t.Errorf("%d outdated threads", n)
	}
	_, err = e.repo.Rewrite("feature", "main", "Another file", Edit{Files: map[string]string{"main.go": "package other\n"}})
	e.check(err)
	v, err = e.pr.View()
	e.check(err)
	if len(v.Files) != 1 || len(v.Outdated) != 3 {
		t.Errorf("%d files, %d outdated threads", len(v.Files), len(v.Outdated))
	}
}

// FuzzSuggestions holds that any text in a fence that is longer than its runs of backticks is read
// back as it is.
func FuzzSuggestions(f *testing.F) {
	for _, seed := range []string{"", "a\nb", "```\n", "    x\n\ty", "~~~\n````", "<!--\n", "\n\n", "> a", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		suggestionsIn(content) // whatever it is, it must not panic
		if strings.ContainsAny(content, "\r\x00") || !utf8.ValidString(content) {
			return
		}
		if content != "" {
			content += "\n"
		}
		fence := strings.Repeat("`", 3+strings.Count(content, "`"))
		got := suggestionsIn("Before\n\n" + fence + "suggestion\n" + content + fence + "\n\nAfter\n")
		if len(got) != 1 || got[0] != content {
			t.Errorf("%q was read as %q", content, got)
		}
	})
}
