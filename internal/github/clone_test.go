package github_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/github"
	"github.com/hitrate-bot/hitrate/internal/review"
)

// cloned is a world whose App hands what it would clone to history.
func cloned(t *testing.T, history func(context.Context, github.Clone, int) (*buildcontext.History, error)) *world {
	t.Helper()
	w := newWorld(t, map[string]string{"Dockerfile": "FROM scratch\n"}, map[string]string{"Dockerfile": "FROM scratch\nCOPY . .\n"})
	app, err := github.New(github.Options{AppID: w.AppID(), PrivateKey: w.PrivateKeyPEM(), APIURL: w.URL(), ServerURL: w.WebURL() + "/", History: history})
	if err != nil {
		t.Fatal(err)
	}
	w.host = app.Host(w.ref)
	return w
}

// Git gets the base repository's address and a token that reads its contents and does nothing else.
func TestCloneGetsATokenThatOnlyReads(t *testing.T) {
	var from github.Clone
	want := &buildcontext.History{Branch: "main"}
	w := cloned(t, func(_ context.Context, c github.Clone, commits int) (*buildcontext.History, error) {
		if from = c; commits != 200 {
			t.Errorf("%d commits are asked for", commits)
		}
		return want, nil
	})
	got, err := w.host.History(t.Context(), "main", 200)
	if err != nil || got != want {
		t.Fatalf("%v, %v", got, err)
	}
	if from.URL != w.WebURL()+"/octo-org/app.git" || from.Branch != "main" || from.Repository != w.repository.ID() {
		t.Errorf("clones %s, branch %s, repository %d", from.URL, from.Branch, from.Repository)
	}
	status := func(method, url string, authenticate func(*http.Request)) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(`{"event":"COMMENT","body":"x"}`))
		if err != nil {
			t.Fatal(err)
		}
		authenticate(req)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	basic := func(r *http.Request) { r.SetBasicAuth("x-access-token", from.Token) }
	bearer := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+from.Token) }
	if got := status(http.MethodGet, from.URL+"/info/refs?service=git-upload-pack", basic); got != http.StatusOK {
		t.Errorf("a clone is answered with %d", got)
	}
	if got := status(http.MethodPost, w.URL()+"/repos/octo-org/app/pulls/1/reviews", bearer); got != http.StatusForbidden {
		t.Errorf("a review with git's token is answered with %d", got)
	}
}

// Whatever goes wrong is an error to go on without, never one that says something of the pull request.
func TestNoHistory(t *testing.T) {
	failed := errors.New("the clone is too large")
	w := cloned(t, func(context.Context, github.Clone, int) (*buildcontext.History, error) { return nil, failed })
	if _, err := w.host.History(t.Context(), "main", 200); !errors.Is(err, failed) {
		t.Errorf("error %v", err)
	}
	fresh := cloned(t, func(context.Context, github.Clone, int) (*buildcontext.History, error) {
		t.Error("cloned without a token")
		return nil, nil
	})
	if err := fresh.Uninstall(fresh.installation); err != nil {
		t.Fatal(err)
	}
	var gone *review.GoneError
	if _, err := fresh.host.History(t.Context(), "main", 200); !errors.As(err, &gone) {
		t.Errorf("uninstalled: error %v", err)
	}
	without := newWorld(t, map[string]string{"a": "a"}, map[string]string{"a": "b"})
	if _, err := without.host.History(t.Context(), "main", 200); err == nil {
		t.Error("a history from nowhere")
	}
}
