package main

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hitrate-bot/hitrate/internal/githubtest"
)

// pastGitHub is newGitHub with twenty commits on main before the review: every one edits app.py, and two edit
// the requirements too.
func pastGitHub(t *testing.T) (*githubtest.Server, *githubtest.Repository, *githubtest.PullRequest) {
	t.Helper()
	gh, repo, pull := newGitHub(t)
	var commits []githubtest.Commit
	for n := range 20 {
		edit := githubtest.Edit{Files: map[string]string{"app.py": fmt.Sprintf("print(%d)\n", 100+n)}}
		if n == 4 || n == 11 {
			edit.Files["requirements.txt"] = fmt.Sprintf("fastapi==0.115.%d\n", n)
		}
		commits = append(commits, githubtest.Commit{Message: fmt.Sprint("Commit ", n), Edit: edit})
	}
	if _, err := repo.CommitAll("octocat", "main", commits...); err != nil {
		t.Fatal(err)
	}
	return gh, repo, pull
}

// gitRequests are the requests of clones and fetches.
func gitRequests(gh *githubtest.Server) (n int) {
	for _, r := range gh.Requests() {
		if strings.HasSuffix(r.Path, "/git-upload-pack") {
			n++
		}
	}
	return n
}

// The numbers of a review are counted over a clone that the server makes with the installation's token,
// and keeps.
func TestServeCountsCommits(t *testing.T) {
	gh, repo, pull := pastGitHub(t)
	dir := t.TempDir()
	s := newTestServer(t, gh, filepath.Join(dir, "hitrate.db"), slog.New(slog.DiscardHandler))
	defer stopServer(t, s)
	pull.Close()
	pull.Reopen()
	settle(t, gh, s)
	reviews := pull.Reviews()
	if len(reviews) != 1 {
		t.Fatalf("%d reviews", len(reviews))
	}
	for _, want := range []string{
		"Of the last 20 commits on `main`, all 20 would have re-run it with this Dockerfile; with the suggestion, 2.",
		"| 4 | `RUN pip install -r requirements.txt` | 20 | 2 |",
	} {
		if !strings.Contains(reviews[0].Body, want) {
			t.Errorf("the body lacks %q:\n%s", want, reviews[0].Body)
		}
	}
	run := repo.CheckRuns(pull.Head())[0]
	if run.Title != "pip install re-runs on 20 of 20 commits · 1 suggestion" || !strings.Contains(run.Summary, "| 20 | 2 |") {
		t.Errorf("check run %q:\n%s", run.Title, run.Summary)
	}
	first := gitRequests(gh)
	if first == 0 {
		t.Error("nothing was cloned")
	}

	// The suggestion is committed while main goes on: the body counts anew, from what is fetched to the clone.
	if _, err := repo.Commit("main", "Pin another version", githubtest.Edit{Files: map[string]string{"requirements.txt": "fastapi==0.116.0\n"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := pull.ApplySuggestions("octocat", reviews[0].Comments[0].ID); err != nil {
		t.Fatal(err)
	}
	settle(t, gh, s)
	if body := pull.Reviews()[0].Body; !strings.HasPrefix(body, "**The install is now re-run only when `requirements.txt` changes**: 3 of the last 21 commits.") {
		t.Errorf("the body begins now:\n%s", body)
	}
	if again := gitRequests(gh) - first; again == 0 {
		t.Error("what is new was not fetched")
	}
}

// Where the history cannot be had, or is not wanted, the review says nothing of it.
func TestServeWithoutHistory(t *testing.T) {
	for name, prepare := range map[string]func(*githubtest.Server, *githubtest.Repository) error{
		"no such repository to git": func(gh *githubtest.Server, _ *githubtest.Repository) error {
			gh.Fail(githubtest.Fault{On: "GET /octo-org/app.git/info/refs", Status: 404, Times: -1})
			return nil
		},
		"git's answer is cut off": func(gh *githubtest.Server, _ *githubtest.Repository) error {
			gh.Fail(githubtest.Fault{On: "POST /octo-org/app.git/git-upload-pack", Cut: githubtest.CutBefore, Times: -1})
			return nil
		},
		"off": func(_ *githubtest.Server, repo *githubtest.Repository) error {
			if _, err := repo.Commit("main", "Count nothing", githubtest.Edit{Files: map[string]string{".github/hitrate.yml": "version: 1\nhistory: {commits: 0}\n"}}); err != nil {
				return err
			}
			// A pull request sees its base anew when somebody pushes to it.
			_, err := repo.Commit("feature", "Say more", githubtest.Edit{Files: map[string]string{"app.py": "print(2)\n"}})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gh, _, pull := pastGitHub(t)
			if err := prepare(gh, pull.Repository()); err != nil {
				t.Fatal(err)
			}
			log := &logged{}
			s := newTestServer(t, gh, filepath.Join(t.TempDir(), "hitrate.db"), slog.New(slog.NewTextHandler(log, nil)))
			defer stopServer(t, s)
			pull.Close()
			pull.Reopen()
			settle(t, gh, s)
			reviews := pull.Reviews()
			if len(reviews) != 1 || len(reviews[0].Comments) != 2 {
				t.Fatalf("reviews: %+v", reviews)
			}
			for _, word := range []string{"commits", "history", "Build steps"} {
				if strings.Contains(reviews[0].Body, word) {
					t.Errorf("the body speaks of %s:\n%s", word, reviews[0].Body)
				}
			}
			switch logged := strings.Contains(log.String(), `msg="no history"`); {
			case name == "off" && (logged || gitRequests(gh) > 0):
				t.Errorf("history was asked for:\n%s", log)
			case name != "off" && !logged:
				t.Errorf("the log does not say why:\n%s", log)
			}
		})
	}
}
