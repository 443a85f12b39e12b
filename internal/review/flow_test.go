package review_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/review"
	"github.com/hitrate-bot/hitrate/internal/review/reviewtest"
)

const dockerfile = "FROM python:3.11\nCOPY . /app\nWORKDIR /app\nRUN pip install -r requirements.txt\nCMD [\"python\", \"app.py\"]\n"

// open opens the pull request of EXAMPLE.md.
func open() *reviewtest.Host {
	return reviewtest.New(
		reviewtest.Files{"Dockerfile": "FROM scratch\n", "requirements.txt": "flask==3.0.0\n", "app.py": "print()\n"},
		reviewtest.Files{"Dockerfile": dockerfile, "requirements.txt": "fastapi\n", "app.py": "print()\n"},
	)
}

func look(t *testing.T, host *reviewtest.Host) review.Outcome {
	t.Helper()
	outcome, err := reviewer(analyze).Review(t.Context(), host, host.Ref())
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

// finished is what a reader sees when nothing goes wrong.
func finished(t *testing.T) string {
	host := open()
	look(t, host)
	return host.Show()
}

func once(method string, err error) func(string) error {
	failed := false
	return func(m string) error {
		if m != method || failed {
			return nil
		}
		failed = true
		return err
	}
}

var errKilled = errors.New("killed")

// mutations are the calls that change the pull request.
var mutations = []string{"CreateReview", "UpdateReview", "UpdateComment", "DeleteComment", "PutCheckRun"}

func TestDyingAnywhereIsHarmless(t *testing.T) {
	// The second look has everything to do: a new review, an edit, a deletion, a body.
	second := func(host *reviewtest.Host) {
		host.Reply(host.CommentOn("requirements.txt", 1), "Why?")
		host.Push(reviewtest.Files{
			"Dockerfile": "FROM python:latest\n", "requirements.txt": "fastapi==1.0\n",
		})
	}
	calm := open()
	look(t, calm)
	second(calm)
	look(t, calm)
	want := calm.Show()

	for _, method := range append([]string{"PullRequest", "ChangedFiles", "Tree", "Blob", "Reviews", "Comments", "MergeBase", "CheckRun", "Login", "OrganisationFile"}, mutations...) {
		for _, when := range []string{"before", "after"} {
			host := open()
			look(t, host)
			second(host)
			reached := false
			fail := func(m string) error {
				if m == method && !reached {
					reached = true
					return errKilled
				}
				return nil
			}
			switch {
			case when == "before":
				host.Before = fail
			case slices.Contains(mutations, method):
				host.After = fail
			default:
				continue
			}
			if _, err := reviewer(analyze).Review(t.Context(), host, host.Ref()); reached && !errors.Is(err, errKilled) {
				t.Errorf("%s %s: %v", when, method, err)
			}
			if !reached {
				t.Errorf("%s is not called", method)
			}
			host.Before, host.After = nil, nil
			for range 3 { // the retry, and two redeliveries
				look(t, host)
			}
			if diff := cmp.Diff(want, host.Show()); diff != "" {
				t.Errorf("killed %s %s (-want +got):\n%s", when, method, diff)
			}
			if host.ReviewCount() != 2 {
				t.Errorf("killed %s %s: %d reviews", when, method, host.ReviewCount())
			}
		}
	}
}

func TestLostAnswers(t *testing.T) {
	for _, method := range []string{"CreateReview", "PutCheckRun"} {
		for _, when := range []string{"before", "after"} {
			host := open()
			lost := once(method, &review.UnknownError{Err: errors.New("connection reset")})
			if when == "before" {
				host.Before = lost
			} else {
				host.After = lost
			}
			outcome := look(t, host)
			if outcome.ReviewID == 0 || host.ReviewCount() != 1 {
				t.Errorf("%s lost %s it was done: review %d, %d in all", method, when, outcome.ReviewID, host.ReviewCount())
			}
			if diff := cmp.Diff(finished(t), host.Show()); diff != "" {
				t.Errorf("%s lost %s it was done (-want +got):\n%s", method, when, diff)
			}
		}
	}
	t.Run("again and again", func(t *testing.T) {
		host := open()
		host.Before = func(method string) error {
			if method == "CreateReview" {
				return &review.UnknownError{Err: errors.New("connection reset")}
			}
			return nil
		}
		_, err := reviewer(analyze).Review(t.Context(), host, host.Ref())
		var unknown *review.UnknownError
		if !errors.As(err, &unknown) {
			t.Errorf("the work is not done: %v", err)
		}
	})
}

func TestErrorsOfTheHostReachTheQueue(t *testing.T) {
	for _, failure := range []error{&review.GoneError{Reason: "uninstalled"}, &review.LaterError{Err: errors.New("limit")}} {
		for _, method := range []string{"PullRequest", "Blob", "Tree", "CreateReview", "Comments", "PutCheckRun"} {
			host := open()
			host.Before = once(method, failure)
			if _, err := reviewer(analyze).Review(t.Context(), host, host.Ref()); !errors.Is(err, failure) {
				t.Errorf("%T at %s: %v", failure, method, err)
			}
		}
	}
}

func TestPendingReviewIsCleared(t *testing.T) {
	host := open()
	host.Post(review.Posted{Author: host.Bot, State: "PENDING", Body: "left behind"})
	look(t, host)
	if diff := cmp.Diff(finished(t), host.Show()); diff != "" {
		t.Error(diff)
	}
}

func TestRefusedCommentsGoToTheBody(t *testing.T) {
	t.Run("one of them", func(t *testing.T) {
		host := open()
		host.Refuse = func(c review.Comment) bool { return c.Path == "Dockerfile" }
		look(t, host)
		shown := host.Show()
		if host.ReviewCount() != 1 || host.CommentOn("requirements.txt", 1) == 0 || host.CommentOn("Dockerfile", 4) != 0 {
			t.Errorf("%d reviews:\n%s", host.ReviewCount(), shown)
		}
		if !strings.Contains(shown, "**Every commit re-runs the pip install** ([Dockerfile, lines 2–4]") || !strings.Contains(shown, "+COPY requirements.txt /app/") {
			t.Errorf("the finding is lost:\n%s", shown)
		}
		look(t, host)
		if host.ReviewCount() != 1 || host.Show() != shown {
			t.Errorf("not stable:\n%s", host.Show())
		}
	})
	t.Run("all of them", func(t *testing.T) {
		host := open()
		host.Refuse = func(review.Comment) bool { return true }
		look(t, host)
		shown := host.Show()
		if host.ReviewCount() != 1 || !strings.Contains(shown, "**`fastapi` is not pinned** ([requirements.txt, line 1]") {
			t.Errorf("%d reviews:\n%s", host.ReviewCount(), shown)
		}
	})
	t.Run("every review", func(t *testing.T) {
		host := open()
		tries := 0
		host.Before = func(method string) error {
			if method == "CreateReview" {
				tries++
				return &review.RefusedError{Message: "no"}
			}
			return nil
		}
		outcome := look(t, host)
		run, ok := host.LastCheck()
		if tries > 10 || outcome.ReviewID != 0 || !ok || len(run.Annotations) == 0 {
			t.Errorf("%d tries, outcome %+v, check run %+v", tries, outcome, run)
		}
	})
}

func TestHeadMovesWhileItIsLookedAt(t *testing.T) {
	for _, method := range []string{"Comments", "CreateReview"} {
		host := open()
		moved := false
		host.Before = func(m string) error {
			if m == method && !moved {
				moved = true
				host.Push(reviewtest.Files{"app.py": "print(1)\n"})
			}
			return nil
		}
		_, err := reviewer(analyze).Review(t.Context(), host, host.Ref())
		var later *review.LaterError
		if !errors.As(err, &later) || host.ReviewCount() != 0 {
			t.Errorf("moved before %s: %v, %d reviews", method, err, host.ReviewCount())
		}
		host.Before = nil
		look(t, host)
		if host.ReviewCount() != 1 {
			t.Errorf("%d reviews", host.ReviewCount())
		}
	}
}

func TestMarksOfOthersAreNotBelieved(t *testing.T) {
	host := open()
	look(t, host)
	stolen := host.Everything()[0]

	other := open()
	other.Post(review.Posted{Author: "mallory", State: "COMMENTED", Body: stolen})
	other.Post(review.Posted{Author: other.Bot, State: "COMMENTED", Body: "<!-- hitrate:1:AAAA.AAAA -->"})
	look(t, other)
	if other.ReviewCount() != 1 {
		t.Error("somebody else's comment silenced the review")
	}
}

func TestForcePushAndManyDeliveries(t *testing.T) {
	host := open()
	for range 5 {
		look(t, host)
	}
	// Another history with the same lines, one lower: nothing is new, nothing is lost.
	host.Push(reviewtest.Files{"Dockerfile": "# A comment.\n" + dockerfile})
	for range 5 {
		look(t, host)
	}
	if host.ReviewCount() != 1 || host.CommentOn("Dockerfile", 5) == 0 {
		t.Errorf("%d reviews:\n%s", host.ReviewCount(), host.Show())
	}
	if err := host.Accept(host.Suggestions()...); err != nil {
		t.Errorf("the suggestion does not commit any more: %v", err)
	}
}

func TestOneBadCommentAmongMany(t *testing.T) {
	const most = 10
	base, head := reviewtest.Files{"Dockerfile": "FROM scratch\n"}, reviewtest.Files{"Dockerfile": "FROM scratch\n"}
	for n := range most {
		head[fmt.Sprintf("svc%02d/Dockerfile", n)] = "FROM debian:latest\n"
	}
	for bad := range most {
		host := reviewtest.New(base, head)
		host.Refuse = func(c review.Comment) bool { return c.Path == fmt.Sprintf("svc%02d/Dockerfile", bad) }
		look(t, host)
		shown := host.Show()
		inline := strings.Count(shown, "### On line 1 of")
		if host.ReviewCount() != 1 || inline < most/2 {
			t.Errorf("%d reviews, %d of %d comments inline", host.ReviewCount(), inline, most)
		}
		for n := range most {
			if !strings.Contains(shown, fmt.Sprintf("svc%02d/Dockerfile", n)) {
				t.Errorf("svc%02d is lost", n)
			}
		}
	}
}

type hopeless struct{}

func (hopeless) Error() string       { return "it takes too much memory (exit status 2)" }
func (hopeless) NotAnalysed() string { return "not analysed: it takes too much memory" }

func TestAnalysisFails(t *testing.T) {
	t.Run("for good", func(t *testing.T) {
		host := open()
		look(t, host)
		before := host.ReviewCount()
		host.Push(reviewtest.Files{"app.py": "print(2)\n"})
		fails := func(context.Context, analysis.Request) (analysis.Report, error) {
			return analysis.Report{}, fmt.Errorf("compile: %w", hopeless{})
		}
		if _, err := reviewer(fails).Review(t.Context(), host, host.Ref()); err != nil {
			t.Fatal(err)
		}
		run, _ := host.LastCheck()
		if run.Conclusion != "neutral" || run.Title != "Not analysed" || !strings.Contains(run.Summary, "it takes too much memory") || strings.Contains(run.Summary, "exit status") {
			t.Errorf("check run: %+v", run)
		}
		if host.ReviewCount() != before || host.CommentOn("Dockerfile", 4) == 0 {
			t.Error("what stood is not kept")
		}
	})
	t.Run("for now", func(t *testing.T) {
		host := open()
		fails := func(context.Context, analysis.Request) (analysis.Report, error) {
			return analysis.Report{}, errors.New("no process could be started")
		}
		if _, err := reviewer(fails).Review(t.Context(), host, host.Ref()); err == nil {
			t.Error("worth another try")
		}
	})
}

func TestTruncatedTree(t *testing.T) {
	host := open()
	host.Truncated = true
	look(t, host)
	run, _ := host.LastCheck()
	if !strings.Contains(run.Summary, "more files than GitHub lists at once") || strings.Contains(host.Show(), "dockerignore") {
		t.Errorf("what is not listed is not missing:\n%s", host.Show())
	}
	if host.CommentOn("Dockerfile", 4) == 0 {
		t.Errorf("what the diff names is looked at:\n%s", host.Show())
	}
}
