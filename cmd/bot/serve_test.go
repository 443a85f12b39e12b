package main

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/githubtest"
	"github.com/hitrate-bot/hitrate/internal/githubtest/octokit"
)

const serveSecret = "a secret of the test"

// logged is a log that can be read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// newGitHub is a GitHub with the pull request of the README, whose App has its webhook at hook.
func newGitHub(t *testing.T) (*githubtest.Server, *githubtest.Repository, *githubtest.PullRequest) {
	t.Helper()
	gh, err := githubtest.New(githubtest.Options{Dir: t.TempDir(), Contract: octokit.OptionalContract(t, githubtest.Operations())})
	if err != nil {
		t.Fatal(err)
	}
	if err := gh.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, v := range gh.Violations() {
			t.Errorf("against GitHub's contract: %s", v)
		}
		if err := gh.Close(); err != nil {
			t.Error(err)
		}
	})
	repo, err := gh.CreateRepository("octo-org", "app", map[string]string{"app.py": "print(1)\n", "requirements.txt": "fastapi==0.115.0\n"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := gh.Install("octo-org", "app"); err != nil {
		t.Fatal(err)
	}
	_, err = repo.Commit("feature", "Add an image", githubtest.Edit{Files: map[string]string{
		"Dockerfile":       "FROM python:3.11\nCOPY . /app\nWORKDIR /app\nRUN pip install -r requirements.txt\nCMD [\"python\", \"app.py\"]\n",
		"requirements.txt": "fastapi\n",
	}})
	if err != nil {
		t.Fatal(err)
	}
	pull, err := repo.OpenPullRequest(githubtest.NewPullRequest{Head: "feature"})
	if err != nil {
		t.Fatal(err)
	}
	return gh, repo, pull
}

func newTestServer(t *testing.T, gh *githubtest.Server, database string, log *slog.Logger) *server {
	t.Helper()
	s, err := newServer(t.Context(), serverOptions{
		operator: config.Operator{
			AppID: gh.AppID(), PrivateKey: gh.PrivateKeyPEM(), WebhookSecret: []byte(serveSecret),
			DatabaseURL: "sqlite://" + database, Listen: "127.0.0.1:0", Workers: 2,
			APIURL: gh.URL(), ServerURL: gh.WebURL(), CacheDir: filepath.Join(filepath.Dir(database), "cache"),
		},
		analyze: func(ctx context.Context, req analysis.Request) (analysis.Report, error) {
			return analysis.Run(ctx, req), ctx.Err()
		},
		docsURL: "https://docs.example/rules",
		log:     log,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	gh.SetWebhook(githubtest.Webhook{URL: "http://" + s.addr() + "/webhook", Secret: serveSecret})
	return s
}

func settle(t *testing.T, gh *githubtest.Server, s *server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := gh.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.idle(ctx); err != nil {
		t.Fatal(err)
	}
}

func stopServer(t *testing.T, s *server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.stop(ctx); err != nil {
		t.Error(err)
	}
}

// The main job, end to end: a signed delivery in, one review out, and only one, however often and in
// whatever order deliveries come, and over a restart.
func TestServeReviewsOnce(t *testing.T) {
	gh, repo, pull := newGitHub(t)
	log := &logged{}
	database := filepath.Join(t.TempDir(), "hitrate.db")
	s := newTestServer(t, gh, database, slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	pull.Close()
	pull.Reopen()
	settle(t, gh, s)
	reviews := pull.Reviews()
	if len(reviews) != 1 {
		t.Fatalf("%d reviews, want 1; log:\n%s", len(reviews), log)
	}
	head := pull.Head()
	if reviews[0].Commit != head || len(pull.Comments()) == 0 {
		t.Errorf("review of %s with %d comments, head %s", reviews[0].Commit, len(pull.Comments()), head)
	}
	if runs := repo.CheckRuns(head); len(runs) != 1 || runs[0].Name != "hitrate" {
		t.Errorf("check runs: %+v", runs)
	}

	// All deliveries again, the newest first, at the same time.
	deliveries := gh.Deliveries()
	var group sync.WaitGroup
	for i := len(deliveries) - 1; i >= 0; i-- {
		for range 3 {
			group.Go(func() {
				if a, err := gh.Send(context.Background(), deliveries[i].GUID); err != nil || a.Status/100 != 2 {
					t.Errorf("delivery %s: %+v, %v", deliveries[i].GUID, a, err)
				}
			})
		}
	}
	group.Wait()
	settle(t, gh, s)
	stopServer(t, s)
	s = newTestServer(t, gh, database, slog.New(slog.NewJSONHandler(log, nil)))
	defer stopServer(t, s)
	pull.Rename("Another title")
	if _, err := gh.Send(t.Context(), deliveries[0].GUID); err != nil {
		t.Fatal(err)
	}
	settle(t, gh, s)
	if n := len(pull.Reviews()); n != 1 {
		t.Errorf("%d reviews after redeliveries and a restart, want 1", n)
	}
	if runs := repo.CheckRuns(head); len(runs) != 1 {
		t.Errorf("%d check runs after redeliveries, want 1", len(runs))
	}
	for _, secret := range []string{serveSecret, "PRIVATE KEY", "ghs_", "Bearer", "eyJ"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// GitHub took the review and its answer was lost: the mark is found, and nothing posted again.
func TestServeAnswerLost(t *testing.T) {
	for name, fault := range map[string]githubtest.Fault{
		"connection cut": githubtest.LostAnswer("POST /repos/*/*/pulls/*/reviews"),
		"502":            {On: "POST /repos/*/*/pulls/*/reviews", Status: http.StatusBadGateway, Done: true},
		"not done":       githubtest.LostRequest("POST /repos/*/*/pulls/*/reviews"),
		"lag":            {On: "GET /repos/*/*/pulls/*", Status: http.StatusNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gh, _, pull := newGitHub(t)
			s := newTestServer(t, gh, filepath.Join(t.TempDir(), "hitrate.db"), slog.New(slog.DiscardHandler))
			defer stopServer(t, s)
			gh.Fail(fault)
			pull.Close()
			pull.Reopen()
			settle(t, gh, s)
			if n := len(pull.Reviews()); n != 1 {
				t.Errorf("%d reviews, want 1", n)
			}
		})
	}
}

func TestServeAnswers(t *testing.T) {
	gh, _, _ := newGitHub(t)
	s := newTestServer(t, gh, filepath.Join(t.TempDir(), "hitrate.db"), slog.New(slog.DiscardHandler))
	stopped := false
	defer func() {
		if !stopped {
			stopServer(t, s)
		}
	}()
	base := "http://" + s.addr()
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/healthz", 200},
		{http.MethodGet, "/readyz", 200},
		{http.MethodPost, "/webhook", 401},
		{http.MethodGet, "/webhook", 405},
		{http.MethodPost, "/healthz", 405},
		{http.MethodGet, "/", 404},
		{http.MethodGet, "/webhook/x", 404},
	} {
		req, err := http.NewRequestWithContext(t.Context(), test.method, base+test.path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != test.status {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, resp.StatusCode, test.status)
		}
	}
	stopped = true
	stopServer(t, s)
	if resp, err := http.Get(base + "/healthz"); err == nil {
		_ = resp.Body.Close()
		t.Error("answers after the stop")
	}
}

// A server that cannot listen gives the database free again.
func TestServeFailsCleanly(t *testing.T) {
	gh, _, _ := newGitHub(t)
	database := filepath.Join(t.TempDir(), "hitrate.db")
	s := newTestServer(t, gh, database, slog.New(slog.DiscardHandler))
	taken := s.addr()
	stopServer(t, s)
	o := serverOptions{
		operator: config.Operator{
			AppID: gh.AppID(), PrivateKey: gh.PrivateKeyPEM(), WebhookSecret: []byte(serveSecret),
			DatabaseURL: "sqlite://" + database, Listen: "256.0.0.1:" + strings.Split(taken, ":")[1], Workers: 1, APIURL: gh.URL(),
		},
		log: slog.New(slog.DiscardHandler),
	}
	if err := serve(t.Context(), o); err == nil {
		t.Fatal("listened nowhere")
	}
	o.operator.Listen = "127.0.0.1:0"
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := serve(ctx, o); err != nil {
		t.Errorf("serve until the signal: %v", err)
	}
}
