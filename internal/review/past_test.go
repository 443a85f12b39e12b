package review_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/review/reviewtest"
)

// asked remembers the requests of a review that are for proofs, and answers them.
func asked(requests *[]analysis.Request) analysis.Func {
	return func(ctx context.Context, req analysis.Request) (analysis.Report, error) {
		report, err := analyze(ctx, req)
		if len(report.Needs) == 0 && !req.WithoutFixes {
			*requests = append(*requests, req)
		}
		return report, err
	}
}

// The head is compared with the merge base, and counted over the branch that the pull request goes to,
// which may have gone on.
func TestRequestHasThePast(t *testing.T) {
	host := open()
	for n := range 5 {
		host.PushBase(reviewtest.Files{"app.py": fmt.Sprint("print(", n, ")\n")})
	}
	var requests []analysis.Request
	if _, err := reviewer(asked(&requests)).Review(t.Context(), host, host.Ref()); err != nil {
		t.Fatal(err)
	}
	if len(requests) != 1 {
		t.Fatalf("%d requests", len(requests))
	}
	req := requests[0]
	var paths []string
	for _, e := range req.Base {
		paths = append(paths, e.Path)
	}
	if diff := cmp.Diff([]string{"Dockerfile", "app.py", "requirements.txt"}, paths); diff != "" {
		t.Errorf("the merge base: %s", diff)
	}
	switch h := req.History; {
	case h == nil:
		t.Error("no history")
	case h.Branch != "main" || len(h.Commits) != 6 || len(h.Tree) != 3:
		t.Errorf("branch %q, %d commits, a tree of %d", h.Branch, len(h.Commits), len(h.Tree))
	case h.Commits[0].Changes[0].Old.Object != h.Commits[1].Changes[0].New.Object:
		t.Error("the commits do not follow each other")
	case len(h.Commits[5].Changes) != 3 || h.Commits[5].Changes[0].Old.Mode != "":
		t.Errorf("the first commit changes %+v", h.Commits[5].Changes)
	}
}

// A review without history is the same review without numbers, and the log says why.
func TestHistoryIsOptional(t *testing.T) {
	want := finished(t)
	host := open()
	host.NoHistory = errors.New("the clone is too large")
	var log bytes.Buffer
	bot := reviewer(analyze)
	bot.Log = slog.New(slog.NewTextHandler(&log, nil))
	if _, err := bot.Review(t.Context(), host, host.Ref()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, host.Show()); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(log.String(), "the clone is too large") || !strings.Contains(log.String(), "owner=acme repository=app branch=main") {
		t.Errorf("the log says %s", log.String())
	}
}

// Nothing is cloned that no number comes of.
func TestHistoryIsNotAskedFor(t *testing.T) {
	for name, prepare := range map[string]func(*reviewtest.Host){
		"off": func(h *reviewtest.Host) {
			h.PushBase(reviewtest.Files{".github/hitrate.yml": "version: 1\nhistory: {commits: 0}\n"})
		},
		"no Dockerfile": func(h *reviewtest.Host) { h.Push(reviewtest.Files{"Dockerfile": ""}) },
		"no build file": func(h *reviewtest.Host) {
			*h = *reviewtest.New(reviewtest.Files{"Dockerfile": "FROM scratch\n", "app.py": "a\n"}, reviewtest.Files{"Dockerfile": "FROM scratch\n", "app.py": "b\n"})
		},
		"truncated": func(h *reviewtest.Host) { h.Truncated = true },
		"draft":     func(h *reviewtest.Host) { h.Pull.Draft = true },
	} {
		t.Run(name, func(t *testing.T) {
			host := open()
			prepare(host)
			host.Before = func(method string) error {
				if method == "History" {
					t.Error("asked for")
				}
				return nil
			}
			look(t, host)
		})
	}
}
