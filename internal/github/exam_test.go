package github_test

import (
	"context"
	"maps"
	"testing"
	"time"

	"github.com/hitrate-bot/hitrate/internal/github"
	"github.com/hitrate-bot/hitrate/internal/githubtest"
	"github.com/hitrate-bot/hitrate/internal/githubtest/octokit"
	"github.com/hitrate-bot/hitrate/internal/review"
	"github.com/hitrate-bot/hitrate/internal/review/reviewtest"
)

// world is a GitHub with one pull request, and an App on it that does not wait.
type world struct {
	*githubtest.Server
	repository   *githubtest.Repository
	pull         *githubtest.PullRequest
	installation int64
	ref          review.Ref
	app          *github.App
	host         review.Host
	slept        []time.Duration
}

func newWorld(t *testing.T, base, head map[string]string) *world {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w := &world{}
	var err error
	w.Server, err = githubtest.New(githubtest.Options{Dir: t.TempDir(), BasePath: "/api/v3", Contract: octokit.OptionalContract(t, githubtest.Operations())})
	must(err)
	must(w.Start())
	t.Cleanup(func() {
		for _, v := range w.Violations() {
			t.Errorf("against GitHub's contract: %s", v)
		}
		must(w.Close())
	})
	w.repository, err = w.CreateRepository("octo-org", "app", base)
	must(err)
	w.installation, err = w.Install("octo-org", "app")
	must(err)
	changed, removed := map[string]string{}, []string{}
	for path, text := range head {
		if old, ok := base[path]; !ok || old != text {
			changed[path] = text
		}
	}
	for path := range base {
		if _, ok := head[path]; !ok {
			removed = append(removed, path)
		}
	}
	_, err = w.repository.Commit("feature", "Change it", githubtest.Edit{Files: changed, Delete: removed})
	must(err)
	w.pull, err = w.repository.OpenPullRequest(githubtest.NewPullRequest{Head: "feature"})
	must(err)
	w.ref = review.Ref{Installation: w.installation, Repository: w.repository.ID(), Owner: "octo-org", Name: "app", Number: w.pull.Number()}
	w.app, err = github.New(github.Options{
		AppID: w.AppID(), PrivateKey: w.PrivateKeyPEM(), APIURL: w.URL(),
		Sleep: func(ctx context.Context, d time.Duration) error {
			w.slept = append(w.slept, d)
			return ctx.Err()
		},
	})
	must(err)
	w.host = w.app.Host(w.ref)
	return w
}

func TestExam(t *testing.T) {
	reviewtest.Exam(t, func(t *testing.T, base, head reviewtest.Files) reviewtest.Scene {
		w := newWorld(t, base, head)
		return reviewtest.Scene{
			Host: w.host,
			Push: func(files reviewtest.Files) {
				edit := githubtest.Edit{Files: maps.Clone(files)}
				if _, err := w.repository.Commit("feature", "More", edit); err != nil {
					t.Fatal(err)
				}
			},
			Pending: func() {
				if _, err := w.pull.ReviewAs(w.Login(), "Pending.", true); err != nil {
					t.Fatal(err)
				}
			},
			Reply: func(comment int64, body string) {
				if _, err := w.pull.Reply(comment, "octocat", body); err != nil {
					t.Fatal(err)
				}
			},
		}
	})
}
