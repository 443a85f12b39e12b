package github_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/github"
	"github.com/hitrate-bot/hitrate/internal/githubtest"
	"github.com/hitrate-bot/hitrate/internal/review"
)

const (
	onPull   = "GET /repos/*/*/pulls/*"
	onReview = "POST /repos/*/*/pulls/*/reviews"
	onToken  = "POST /app/installations/*/access_tokens"
)

var (
	small = map[string]string{"Dockerfile": "FROM scratch\n"}
	more  = map[string]string{"Dockerfile": "FROM scratch\nCOPY . .\n"}
)

// kindOf names the error of review that err is, and how far ahead its time lies.
func kindOf(err error) (kind string, wait time.Duration) {
	var gone *review.GoneError
	var later *review.LaterError
	var refused *review.RefusedError
	var unknown *review.UnknownError
	switch {
	case err == nil:
		return "none", 0
	case errors.As(err, &gone):
		return "gone", 0
	case errors.As(err, &later):
		return "later", time.Until(later.After)
	case errors.As(err, &refused):
		return "refused", 0
	case errors.As(err, &unknown):
		return "unknown", 0
	}
	return "plain", 0
}

// What each way to fail becomes, for a read and for the review.
func TestFaults(t *testing.T) {
	type fault = githubtest.Fault
	always := func(f fault) fault { f.Times = -1; return f }
	seconds := func(n ...float64) (all []time.Duration) {
		for _, s := range n {
			all = append(all, time.Duration(s*float64(time.Second)))
		}
		return all
	}
	tests := []struct {
		name      string
		fault     fault
		write     bool
		want      string
		wait      time.Duration // of a LaterError, about
		slept     []time.Duration
		createdBy int // reviews that stand afterwards
	}{
		{name: "404 once", fault: fault{On: onPull, Status: 404}, want: "none", slept: seconds(1)},
		{name: "404 three times", fault: fault{On: onPull, Status: 404, Times: 3}, want: "none", slept: seconds(1, 2, 4)},
		{name: "404 for good", fault: always(fault{On: onPull, Status: 404}), want: "gone", slept: seconds(1, 2, 4)},
		{name: "410", fault: fault{On: onPull, Status: 410}, want: "gone"},
		{name: "403", fault: fault{On: onPull, Status: 403, Message: "Resource not accessible by integration"}, want: "gone"},
		{name: "500 once", fault: githubtest.ServerError(onPull, 500), want: "none", slept: seconds(.5)},
		{name: "502 for good", fault: always(githubtest.ServerError(onPull, 502)), want: "later", wait: 10 * time.Second, slept: seconds(.5, 1, 2)},
		{name: "503 with Retry-After", fault: fault{On: onPull, Status: 503, RetryAfter: 40 * time.Second}, want: "later", wait: 40 * time.Second},
		{name: "connection cut once", fault: githubtest.LostAnswer(onPull), want: "none"}, // net/http tries a GET again by itself
		{name: "connection cut for good", fault: always(githubtest.LostRequest(onPull)), want: "later", wait: 10 * time.Second, slept: seconds(.5, 1, 2)},
		{name: "primary limit", fault: githubtest.PrimaryLimit(onPull, 403, 20*time.Minute), want: "later", wait: 20 * time.Minute},
		{name: "primary limit as 429", fault: githubtest.PrimaryLimit(onPull, 429, 20*time.Minute), want: "later", wait: 20 * time.Minute},
		{name: "secondary limit with a time", fault: githubtest.SecondaryLimit(onPull, 403, 90*time.Second), want: "later", wait: 90 * time.Second},
		{name: "secondary limit as 429 with a time", fault: githubtest.SecondaryLimit(onPull, 429, 90*time.Second), want: "later", wait: 90 * time.Second},
		{name: "secondary limit without a time", fault: githubtest.SecondaryLimit(onPull, 403, 0), want: "later", wait: time.Minute},
		{name: "429 without a word", fault: fault{On: onPull, Status: 429}, want: "later", wait: time.Minute},
		{name: "limit known by its message only", fault: fault{On: onPull, Status: 403, Message: "You have exceeded a secondary rate limit"}, want: "later", wait: time.Minute},
		{name: "Retry-After without an end", fault: fault{On: onPull, Status: 403, RetryAfter: 5000 * time.Hour}, want: "later", wait: 24 * time.Hour},
		{name: "a bad request", fault: fault{On: onPull, Status: 400}, want: "plain"},

		{name: "token: 500 once", fault: githubtest.ServerError(onToken, 500), want: "none", slept: seconds(.5)},
		{name: "token: uninstalled", fault: fault{On: onToken, Status: 404, Message: "Not Found"}, want: "gone"},
		{name: "token: suspended", fault: fault{On: onToken, Status: 403, Message: "This installation has been suspended"}, want: "gone"},
		{name: "token: permission not granted", fault: fault{On: onToken, Status: 422, Message: "The permissions requested are not granted to this installation."}, want: "gone"},
		{name: "token: our own key is wrong", fault: always(fault{On: onToken, Status: 401, Message: "A JSON web token could not be decoded"}), want: "later", wait: time.Minute},
		{name: "token: limited", fault: githubtest.SecondaryLimit(onToken, 403, 50*time.Second), want: "later", wait: 50 * time.Second},

		{name: "token no longer good", fault: fault{On: onPull, Status: 401, Message: "Bad credentials"}, want: "none"},
		{name: "token never good", fault: always(fault{On: onPull, Status: 401, Message: "Bad credentials"}), want: "later", wait: time.Minute},

		{name: "review: 500", write: true, fault: githubtest.ServerError(onReview, 500), want: "unknown"},
		{name: "review: 502 although it was done", write: true, fault: fault{On: onReview, Status: 502, Done: true}, want: "unknown", createdBy: 1},
		{name: "review: answer lost", write: true, fault: githubtest.LostAnswer(onReview), want: "unknown", createdBy: 1},
		{name: "review: request lost", write: true, fault: githubtest.LostRequest(onReview), want: "unknown"},
		{name: "review: abuse", write: true, fault: githubtest.Abuse(onReview), want: "later", wait: time.Minute},
		{name: "review: too quickly", write: true, fault: fault{On: onReview, Status: 422, Message: "Validation Failed", Errors: []any{"was submitted too quickly"}}, want: "later", wait: time.Minute},
		{name: "review: limited", write: true, fault: githubtest.SecondaryLimit(onReview, 429, 70*time.Second), want: "later", wait: 70 * time.Second},
		{name: "review: refused", write: true, fault: fault{On: onReview, Status: 422, Message: "Unprocessable Entity", Errors: []any{"Path is invalid"}}, want: "refused"},
		{name: "review: pull request gone", write: true, fault: fault{On: onReview, Status: 404}, want: "gone"},
		{name: "review: locked", write: true, fault: fault{On: onReview, Status: 403, Message: "Issue is locked"}, want: "gone"},
		{name: "review: token: 500", write: true, fault: githubtest.ServerError(onToken, 500), want: "later", wait: 10 * time.Second},
		{name: "review: token no longer good", write: true, fault: fault{On: onReview, Status: 401}, want: "none", createdBy: 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, small, more)
			w.Fail(test.fault)
			var err error
			if test.write {
				_, err = w.host.CreateReview(t.Context(), review.NewReview{Commit: w.pull.Head(), Body: "A review."})
			} else {
				_, err = w.host.PullRequest(t.Context())
			}
			kind, wait := kindOf(err)
			if kind != test.want {
				t.Fatalf("%s: %v; want %s", kind, err, test.want)
			}
			if near := (wait - test.wait).Abs(); near > 5*time.Second {
				t.Errorf("waits %s, want %s: %v", wait, test.wait, err)
			}
			if diff := cmp.Diff(test.slept, w.slept); diff != "" {
				t.Errorf("pauses (-want +got):\n%s", diff)
			}
			if n := len(w.pull.Reviews()); n != test.createdBy {
				t.Errorf("%d reviews stand, want %d", n, test.createdBy)
			}
		})
	}
}

// A limit holds for everything of the installation, without another request, and a limit without a
// time lasts longer each time.
func TestLimitHolds(t *testing.T) {
	w := newWorld(t, small, more)
	now := time.Now()
	app, err := github.New(github.Options{
		AppID: w.AppID(), PrivateKey: w.PrivateKeyPEM(), APIURL: w.URL(), Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Fail(githubtest.Fault{On: "* /repos/*/*/pulls/*", Status: 429, Times: 3})
	for _, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
		other := w.ref
		other.Number = 77
		var later *review.LaterError
		if _, err := app.Host(w.ref).PullRequest(t.Context()); !errors.As(err, &later) || later.After.Sub(now) != want {
			t.Fatalf("%v, want %s after %s", err, want, now)
		}
		sent := len(w.Requests())
		if _, err := app.Host(other).PullRequest(t.Context()); !errors.As(err, &later) {
			t.Errorf("another pull request: %v", err)
		}
		if _, _, err := app.Host(w.ref).OrganisationFile(t.Context(), "x"); !errors.As(err, &later) {
			t.Errorf("the organisation's file: %v", err)
		}
		if n := len(w.Requests()); n != sent {
			t.Errorf("%d requests while limited", n-sent)
		}
		now = now.Add(want)
	}
	if _, err := app.Host(w.ref).PullRequest(t.Context()); err != nil {
		t.Errorf("after the limit: %v", err)
	}
}

func TestTokensAreNarrow(t *testing.T) {
	w := newWorld(t, small, more)
	if _, err := w.CreateRepository("octo-org", ".github", map[string]string{".github/hitrate.yml": "mode: off\n"}); err != nil {
		t.Fatal(err)
	}
	if data, ok, err := w.host.OrganisationFile(t.Context(), ".github/hitrate.yml"); ok || err != nil {
		t.Errorf("not part of the installation: %q, %v, %v", data, ok, err)
	}
	if err := w.AddRepositories(w.installation, ".github"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		data, ok, err := w.host.OrganisationFile(t.Context(), ".github/hitrate.yml")
		if string(data) != "mode: off\n" || !ok || err != nil {
			t.Errorf("%q, %v, %v", data, ok, err)
		}
		if _, err := w.host.PullRequest(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for _, path := range []string{"missing.yml", ".github"} {
		if data, ok, err := w.host.OrganisationFile(t.Context(), path); ok || err != nil {
			t.Errorf("%s: %q, %v, %v", path, data, ok, err)
		}
	}
	var bodies []string
	for _, r := range w.Requests() {
		if strings.HasSuffix(r.Path, "/access_tokens") && r.Status == 201 {
			bodies = append(bodies, strings.TrimSpace(r.Body))
		}
	}
	slices.Sort(bodies)
	want := []string{
		`{"repositories":[".github"],"permissions":{"contents":"read","metadata":"read"}}`,
		fmt.Sprintf(`{"repository_ids":[%d],"permissions":{"checks":"write","contents":"read","metadata":"read","pull_requests":"write"}}`, w.repository.ID()),
	}
	if diff := cmp.Diff(want, bodies); diff != "" {
		t.Errorf("tokens asked for (-want +got):\n%s", diff)
	}
}

func TestManyFilesAndAnnotations(t *testing.T) {
	head := map[string]string{"Dockerfile": "FROM scratch\n"}
	var names []string
	for i := range 250 {
		name := fmt.Sprintf("f%03d", i)
		names = append(names, name)
		head[name] = "x\n"
	}
	w := newWorld(t, small, head)
	files, err := w.host.ChangedFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.Path)
	}
	slices.Sort(got)
	if diff := cmp.Diff(names, got); diff != "" {
		t.Errorf("changed files (-want +got):\n%s", diff)
	}
	run := review.CheckRun{Head: w.pull.Head(), Conclusion: "neutral", Title: strings.Repeat("ä", 300), Summary: strings.Repeat("ß", 70_000), ExternalID: "whole"}
	for i := range 120 {
		run.Annotations = append(run.Annotations, review.Annotation{Path: "f000", First: i + 1, Last: i + 1, Level: "warning", Message: "M"})
	}
	id, err := w.host.PutCheckRun(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	runs := w.repository.CheckRuns(w.pull.Head())
	if len(runs) != 1 || len(runs[0].Annotations) != 120 {
		t.Fatalf("check runs: %d", len(runs))
	}
	stands, ok, err := w.host.CheckRun(t.Context(), w.pull.Head())
	if err != nil || !ok || stands.ID != id || stands.ExternalID != "whole" {
		t.Errorf("reads back %+v, %v, %v", stands, ok, err)
	}

	// Cut short, it does not pass for the whole.
	w.Fail(githubtest.Fault{On: "PATCH /repos/*/*/check-runs/*", Status: 500})
	run.ExternalID = "again"
	if _, err := w.host.PutCheckRun(t.Context(), run); err == nil {
		t.Fatal("no error")
	}
	if stands, ok, err := w.host.CheckRun(t.Context(), w.pull.Head()); err != nil || !ok || stands.ExternalID != "" {
		t.Errorf("reads back %+v, %v, %v", stands, ok, err)
	}
}

func TestBlobs(t *testing.T) {
	w := newWorld(t, small, map[string]string{
		"empty": "", "large": strings.Repeat("x", 1<<20), "larger": strings.Repeat("x", 1<<20+1), "huge": strings.Repeat("xyz\n", 1<<20), "bytes": "\x00\xff\r\n",
	})
	files, err := w.host.ChangedFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Path == "Dockerfile" {
			continue
		}
		data, err := w.host.Blob(t.Context(), f.Object)
		switch f.Path {
		case "larger", "huge":
			if !errors.Is(err, review.ErrTooLarge) {
				t.Errorf("%s: %d bytes, %v", f.Path, len(data), err)
			}
		default:
			want, readErr := w.repository.ReadFile(w.pull.Head(), f.Path)
			if err != nil || readErr != nil || string(data) != string(want) {
				t.Errorf("%s: %d bytes, %v, %v", f.Path, len(data), err, readErr)
			}
		}
	}
	for _, bad := range []string{"", "main", "../../../user", strings.Repeat("a", 39), strings.Repeat("A", 40)} {
		if _, err := w.host.Blob(t.Context(), bad); err == nil {
			t.Errorf("blob %q", bad)
		}
		if _, _, err := w.host.Tree(t.Context(), bad); err == nil {
			t.Errorf("tree %q", bad)
		}
	}
}

// Another repository that took over the name is not reviewed in the place of ours.
func TestNameTakenOver(t *testing.T) {
	w := newWorld(t, small, more)
	other := w.ref
	other.Repository++
	if _, err := w.app.Host(other).PullRequest(t.Context()); err == nil {
		t.Error("a pull request of another repository")
	}
}

// Redirects are followed on the same host only, and never for a write.
func TestRedirects(t *testing.T) {
	w := newWorld(t, small, more)
	var stolen []string
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		stolen = append(stolen, r.URL.Path)
	}))
	defer thief.Close()
	var target string
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if old, ok := strings.CutPrefix(r.URL.Path, "/api/v3/repos/octo-org/old/"); ok {
			http.Redirect(rw, r, target+"/api/v3/repos/octo-org/app/"+old, http.StatusMovedPermanently)
			return
		}
		w.ServeHTTP(rw, r)
	}))
	defer front.Close()
	app, err := github.New(github.Options{
		AppID: w.AppID(), PrivateKey: w.PrivateKeyPEM(), APIURL: front.URL + "/api/v3/",
		Sleep: func(context.Context, time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	renamed := w.ref
	renamed.Name = "old"
	host := app.Host(renamed)
	if pull, err := host.PullRequest(t.Context()); err != nil || pull.Head != w.pull.Head() {
		t.Errorf("through a redirect: %+v, %v", pull, err)
	}
	if _, err := host.CreateReview(t.Context(), review.NewReview{Commit: w.pull.Head(), Body: "x"}); err == nil {
		t.Error("a review went through a redirect that makes it a GET")
	}
	target = thief.URL
	if _, err := host.PullRequest(t.Context()); err == nil {
		t.Error("followed to another host")
	}
	if len(stolen) > 0 {
		t.Errorf("requests to another host: %v", stolen)
	}
}

// Reads may run side by side; writes follow one another with the gap between them.
func TestWritesKeepTheirDistance(t *testing.T) {
	w := newWorld(t, small, more)
	var mu sync.Mutex
	now := time.Now()
	var slept []time.Duration
	app, err := github.New(github.Options{
		AppID: w.AppID(), PrivateKey: w.PrivateKeyPEM(), APIURL: w.URL(), MutationGap: time.Second,
		Now: func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return now
		},
		Sleep: func(_ context.Context, d time.Duration) error {
			mu.Lock()
			defer mu.Unlock()
			slept = append(slept, d)
			now = now.Add(d)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			run := review.CheckRun{Head: w.pull.Head(), Conclusion: "success", Title: "T", Summary: "S"}
			if _, err := app.Host(w.ref).PutCheckRun(context.Background(), run); err != nil {
				t.Error(err)
			}
		})
		group.Go(func() {
			if _, err := app.Host(w.ref).Reviews(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if diff := cmp.Diff([]time.Duration{time.Second, time.Second, time.Second}, slept); diff != "" {
		t.Errorf("pauses (-want +got):\n%s", diff)
	}
}

// Neither errors nor logs hold a token or the key.
func TestNoSecretsAreShown(t *testing.T) {
	w := newWorld(t, small, more)
	var log strings.Builder
	app, err := github.New(github.Options{
		AppID: w.AppID(), PrivateKey: w.PrivateKeyPEM(), APIURL: w.URL(),
		Log:   slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Sleep: func(context.Context, time.Duration) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Fail(githubtest.Fault{On: "GET /repos/*/*/pulls/*", Status: 500, Times: 1})
	w.Fail(githubtest.Fault{On: "GET /repos/*/*/pulls/*", Status: 404, Times: -1})
	_, err = app.Host(w.ref).PullRequest(t.Context())
	if err == nil {
		t.Fatal("no error")
	}
	text := log.String() + err.Error()
	if !strings.Contains(text, "/pulls/1") {
		t.Errorf("the log does not name the request:\n%s", text)
	}
	for _, secret := range []string{"ghs_", "Bearer", "token ", "eyJ", "PRIVATE"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is shown:\n%s", secret, text)
		}
	}
}

func TestContextEnds(t *testing.T) {
	w := newWorld(t, small, more)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, f := range map[string]func() error{
		"read":  func() error { _, err := w.host.PullRequest(ctx); return err },
		"write": func() error { return w.host.DeleteComment(ctx, 1) },
	} {
		if err := f(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBadOptions(t *testing.T) {
	w := newWorld(t, small, more)
	for name, o := range map[string]github.Options{
		"no key":     {AppID: 1, APIURL: w.URL()},
		"no address": {AppID: 1, PrivateKey: w.PrivateKeyPEM()},
		"a path":     {AppID: 1, PrivateKey: w.PrivateKeyPEM(), APIURL: "/api"},
	} {
		if _, err := github.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
