package main

import (
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/internal/githubtest"
)

// accepting is a server and a GitHub for pull requests whose suggestions are committed.
type accepting struct {
	gh         *githubtest.Server
	server     *server
	base, head map[string]string
	opened     int
}

// start starts both.
func (a *accepting) start(t *testing.T) {
	t.Helper()
	a.gh, _, _ = newGitHub(t)
	if _, err := a.gh.CreateRepository("many", "first", a.base); err != nil {
		t.Fatal(err)
	}
	if _, err := a.gh.Install("many"); err != nil {
		t.Fatal(err)
	}
	a.server = newTestServer(t, a.gh, filepath.Join(t.TempDir(), "hitrate.db"), slog.New(slog.DiscardHandler))
	t.Cleanup(func() { stopServer(t, a.server) })
}

// open opens the pull request in a repository of its own and waits for the review.
func (a *accepting) open(t *testing.T) *githubtest.PullRequest {
	t.Helper()
	a.opened++
	repo, err := a.gh.CreateRepository("many", fmt.Sprintf("app-%d", a.opened), a.base)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repo.Commit("feature", "Add an image", githubtest.Edit{Files: a.head}); err != nil {
		t.Fatal(err)
	}
	pull, err := repo.OpenPullRequest(githubtest.NewPullRequest{Head: "feature"})
	if err != nil {
		t.Fatal(err)
	}
	settle(t, a.gh, a.server)
	return pull
}

// offered are the comments with a suggestion that can be committed, as GitHub's page shows them.
func offered(t *testing.T, pull *githubtest.PullRequest) []githubtest.Thread {
	t.Helper()
	threads, err := pull.Threads()
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(threads, func(thread githubtest.Thread) bool {
		for _, s := range thread.Suggestions {
			if s.Refused != "" && s.Refused != githubtest.ReasonResolved {
				t.Errorf("the suggestion on line %d of %s cannot be committed: %s", thread.Line, thread.Comments[0].Path, s.Refused)
			}
		}
		return len(thread.Suggestions) == 0 || thread.Suggestions[0].Refused != ""
	})
}

// Some suggestions of a review are committed with GitHub's button, in the Dockerfile and in the ignore
// file, and then the rest. The push leads to no new review: what was accepted goes, what was not can
// still be committed, and in the end nothing is left of either.
func TestAcceptedSuggestions(t *testing.T) {
	archive, err := txtar.ParseFile("../../internal/review/testdata/whole/many.txtar")
	if err != nil {
		t.Fatal(err)
	}
	a := &accepting{base: map[string]string{}, head: map[string]string{}}
	for _, f := range archive.Files {
		if path, ok := strings.CutPrefix(f.Name, "base/"); ok {
			a.base[path] = string(f.Data)
		}
		if path, ok := strings.CutPrefix(f.Name, "head/"); ok {
			a.head[path] = string(f.Data)
		}
	}
	a.start(t)

	first := offered(t, a.open(t))
	n := len(first)
	files := map[string]int{}
	var all []int
	for i, thread := range first {
		files[thread.Comments[0].Path]++
		all = append(all, i)
	}
	if files["Dockerfile"] < 5 || files[".dockerignore"] != 1 {
		t.Fatalf("suggestions: %v", files)
	}
	sets := [][]int{all, nil, nil, nil} // all, every second one, the others, and the ignore file's alone
	for i, thread := range first {
		sets[1+i%2] = append(sets[1+i%2], i)
		if thread.Comments[0].Path == ".dockerignore" {
			sets[3] = append(sets[3], i)
		}
	}
	want := map[string]string{}
	for _, set := range sets {
		t.Run(fmt.Sprint(set), func(t *testing.T) {
			pull := a.open(t)
			threads := offered(t, pull)
			var accepted []int64
			for _, i := range set {
				accepted = append(accepted, threads[i].Comments[0].ID)
			}
			if _, err := pull.ApplySuggestions("octocat", accepted...); err != nil {
				t.Fatal(err)
			}
			settle(t, a.gh, a.server)
			reviews := pull.Reviews()
			if len(reviews) != 1 {
				t.Fatalf("%d reviews, want the first one only", len(reviews))
			}
			if got := strings.Count(reviews[0].Body, " (The next build runs "); got != len(set) {
				t.Errorf("the body says of %d suggestions that they were accepted:\n%s", got, reviews[0].Body)
			}
			for _, c := range pull.Comments() {
				if slices.Contains(accepted, c.ID) {
					t.Errorf("the comment that was settled still stands:\n%s", c.Body)
				}
			}
			var rest []int64
			for _, thread := range offered(t, pull) {
				rest = append(rest, thread.Comments[0].ID)
			}
			if len(rest) != n-len(set) {
				t.Errorf("%d suggestions are left of %d", len(rest), n-len(set))
			}
			if len(rest) > 0 {
				if _, err := pull.ApplySuggestions("octocat", rest...); err != nil {
					t.Fatal(err)
				}
				settle(t, a.gh, a.server)
			}
			if left := offered(t, pull); len(left) > 0 || len(pull.Reviews()) != 1 {
				t.Errorf("%d suggestions and %d reviews in the end", len(left), len(pull.Reviews()))
			}
			runs := pull.Repository().CheckRuns(pull.Head())
			if len(runs) != 1 || strings.Contains(runs[0].Title, "suggestion") || runs[0].Conclusion != "success" {
				t.Errorf("check runs: %+v", runs)
			}
			got := map[string]string{}
			for path := range files {
				text, err := pull.Repository().ReadFile("feature", path)
				if err != nil {
					t.Fatal(err)
				}
				got[path] = string(text)
			}
			if len(want) == 0 {
				maps.Copy(want, got)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the files in the end (-all at once +in two steps):\n%s", diff)
			}
		})
	}
}

// The line goes below one that no newline ends, and the file ends as it did.
func TestAcceptedIgnoreFileWithoutFinalNewline(t *testing.T) {
	a := &accepting{
		base: map[string]string{"Dockerfile": "FROM python:3.12-slim\nWORKDIR /app\n", ".dockerignore": "docs", "app.py": "print()\n", "docs/index.md": "# app\n"},
		head: map[string]string{"Dockerfile": "FROM python:3.12-slim\nWORKDIR /app\nCOPY . .\n", ".dockerignore": "docs\n.venv"},
	}
	a.start(t)
	pull := a.open(t)
	threads := offered(t, pull)
	if len(threads) != 1 || threads[0].Comments[0].Path != ".dockerignore" || threads[0].Line != 2 {
		t.Fatalf("threads: %+v", threads)
	}
	if _, err := pull.ApplySuggestions("octocat", threads[0].Comments[0].ID); err != nil {
		t.Fatal(err)
	}
	settle(t, a.gh, a.server)
	text, err := pull.Repository().ReadFile("feature", ".dockerignore")
	if err != nil || string(text) != "docs\n.venv\n.git" {
		t.Errorf("the ignore file is %q, %v", text, err)
	}
	if len(pull.Reviews()) != 1 || len(pull.Comments()) > 0 || !strings.HasPrefix(pull.Reviews()[0].Body, "**`.dockerignore` now leaves out `.git`.**") {
		t.Errorf("%d reviews, %d comments:\n%s", len(pull.Reviews()), len(pull.Comments()), pull.Reviews()[0].Body)
	}
}
