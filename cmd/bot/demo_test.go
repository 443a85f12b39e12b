package main

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/hitrate-bot/hitrate/internal/githubtest"
	"github.com/hitrate-bot/hitrate/internal/githubtest/octokit"
	"github.com/hitrate-bot/hitrate/internal/web"
)

// suggested is the edit that the demo's pull request must get.
const suggested = "COPY requirements.txt /app/\nWORKDIR /app\nRUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements.txt\nCOPY . /app"

// reviewedDemo is a demo whose pull request was reviewed, held against GitHub's contract.
func reviewedDemo(t *testing.T) *demo {
	t.Helper()
	d, err := newDemo(t.Context(), slog.New(slog.DiscardHandler), octokit.OptionalContract(t, githubtest.Operations()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, v := range d.github.Violations() {
			t.Errorf("against GitHub's contract: %s", v)
		}
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
	if err := d.review(t.Context()); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDemoPostsOneReviewWithTheSuggestion(t *testing.T) {
	d := reviewedDemo(t)
	reviews := d.pull.Reviews()
	if len(reviews) != 1 {
		t.Fatalf("%d reviews, want one", len(reviews))
	}
	review := reviews[0]
	for _, want := range []string{
		"**Every commit re-runs the pip install.**",
		"Of the last 60 commits on `main`, all 60 would have re-run it with this Dockerfile; with the suggestion, 3.",
		"| 4 | `RUN pip install -r requirements.txt` | 60 | 3 |",
	} {
		if !strings.Contains(review.Body, want) {
			t.Errorf("the body lacks %q:\n%s", want, review.Body)
		}
	}
	if len(review.Comments) != 2 {
		t.Fatalf("%d inline comments, want two", len(review.Comments))
	}
	edit, pin := review.Comments[0], review.Comments[1]
	if edit.Path != "Dockerfile" || edit.Start != 2 || edit.Line != 4 || !strings.Contains(edit.Body, "```suggestion\n"+suggested+"\n```") {
		t.Errorf("%s %d-%d:\n%s", edit.Path, edit.Start, edit.Line, edit.Body)
	}
	if pin.Path != "requirements.txt" || pin.Line != 1 || strings.Contains(pin.Body, "suggestion") {
		t.Errorf("%s %d:\n%s", pin.Path, pin.Line, pin.Body)
	}
	runs := d.pull.Repository().CheckRuns(d.pull.Head())
	if len(runs) != 1 || runs[0].Name != "hitrate" || runs[0].Conclusion != "neutral" {
		t.Errorf("check runs: %+v", runs)
	}
}

// The reader commits the suggestion: the comment goes, the body says so, nothing is said again.
func TestDemoAfterTheSuggestionWasCommitted(t *testing.T) {
	d := reviewedDemo(t)
	edit := d.pull.Reviews()[0].Comments[0]
	if _, err := d.pull.ApplySuggestions("octocat", edit.ID); err != nil {
		t.Fatal(err)
	}
	if err := d.settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, err := d.pull.Repository().ReadFile("build-an-image", "Dockerfile")
	if err != nil || !strings.Contains(string(after), suggested) {
		t.Errorf("the Dockerfile is now\n%s%v", after, err)
	}
	reviews := d.pull.Reviews()
	if len(reviews) != 1 {
		t.Fatalf("%d reviews, want the first one only", len(reviews))
	}
	if !strings.HasPrefix(reviews[0].Body, "**The install is now re-run only when `requirements.txt` changes**: 3 of the last 60 commits. (The next build runs all steps once.)") {
		t.Errorf("body:\n%s", reviews[0].Body)
	}
	for _, c := range d.pull.Comments() {
		if c.ID == edit.ID {
			t.Error("the comment that was settled still stands")
		}
	}
}

// The page in a real browser: what a reader sees, in the picture that the README shows
// (HITRATE_SCREENSHOT names the file to write).
func TestDemoPage(t *testing.T) {
	browser := os.Getenv("HITRATE_CHROMIUM")
	if browser == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("HITRATE_CHROMIUM names no browser; make test installs one")
		}
		t.Skip("left out: the page in a real browser; set HITRATE_CHROMIUM to a Chromium")
	}
	d := reviewedDemo(t)
	page := httptest.NewServer(web.Handler(d.page))
	defer page.Close()

	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(browser), chromedp.NoSandbox, chromedp.WindowSize(960, 800))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()

	if err := chromedp.Do(ctx, chromedp.Navigate(page.URL)); err != nil {
		t.Fatal(err)
	}
	title := evaluate[string](ctx, t, `document.title`)
	evaluate[bool](ctx, t, `document.querySelector(".review details").open = true`) // the reader wants to know
	body := evaluate[string](ctx, t, `document.querySelector("main").innerText`)
	removed := evaluate[string](ctx, t, `[...document.querySelectorAll(".suggestion .removed")].map(e => e.innerText).join("\n")`)
	added := evaluate[string](ctx, t, `[...document.querySelectorAll(".suggestion .added")].map(e => e.innerText).join("\n")`)
	overflow := evaluate[bool](ctx, t, `document.documentElement.scrollWidth > document.documentElement.clientWidth`)
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if want := "Build an image · #1 · octo-org/app"; title != want {
		t.Errorf("title %q, want %q", title, want)
	}
	for _, want := range []string{"Every commit re-runs the pip install.", "fastapi is not pinned.", "Suggested change", "on lines 2 to 4", "RUN pip install -r requirements.txt\t60\t3"} {
		if !strings.Contains(body, want) {
			t.Errorf("a reader does not see %q in\n%s", want, body)
		}
	}
	if want := "-COPY . /app\n-WORKDIR /app\n-RUN pip install -r requirements.txt"; removed != want {
		t.Errorf("red lines:\n%s", removed)
	}
	if want := "+" + strings.ReplaceAll(suggested, "\n", "\n+"); added != want {
		t.Errorf("green lines:\n%s", added)
	}
	if overflow {
		t.Error("the page is wider than its window")
	}
	if file := os.Getenv("HITRATE_SCREENSHOT"); file != "" {
		if err := os.WriteFile(file, picture, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func evaluate[T any](ctx context.Context, t *testing.T, script string) T {
	t.Helper()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return value
}
