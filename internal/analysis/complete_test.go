package analysis_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

func TestCompleteReadsEachObjectOnce(t *testing.T) {
	files := map[string]string{
		"Dockerfile":       "FROM python:3.12\nCOPY requirements.txt /\nRUN pip install --no-cache-dir -r /requirements.txt\n",
		"api.Dockerfile":   "FROM python:3.12\nCOPY requirements.txt /\nRUN pip install --no-cache-dir -r /requirements.txt\n",
		"requirements.txt": "-r a.txt\n", "a.txt": "-r b.txt\n", "b.txt": "flask\n",
		"compose.yml":  "services: {}\n",
		"unrelated.py": "x\n",
	}
	repo := newRepository(files)
	var mu sync.Mutex
	read := map[string]int{}
	report, err := analysis.Complete(t.Context(), throughJSON(t), analysis.Request{Config: config.Defaults(), Tree: repo.tree},
		func(_ context.Context, e buildcontext.Entry) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			read[e.Object]++
			return repo.texts[e.Object], nil
		})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range repo.tree {
		want := 1
		if e.Path == "unrelated.py" {
			want = 0
		}
		if read[e.Object] != want {
			t.Errorf("%s was read %d times, want %d", e.Path, read[e.Object], want)
		}
	}
	if len(report.Findings) != 1 || report.Findings[0].Path != "b.txt" {
		t.Errorf("findings: %v", describe(report))
	}
}

func TestCompleteNotesWhatIsNotHad(t *testing.T) {
	repo := newRepository(map[string]string{
		"binary/Dockerfile": "FROM x\x00\n",
		"large/Dockerfile":  "FROM python:3.12\n" + strings.Repeat("# 0123456789\n", 100_000),
		"lost/Dockerfile":   "FROM python:3.12\nRUN lost\n",
		"good/Dockerfile":   "FROM python:3.12\nRUN good\n",
	})
	report, err := analysis.Complete(t.Context(), throughJSON(t), analysis.Request{Config: config.Defaults(), Tree: repo.tree},
		func(_ context.Context, e buildcontext.Entry) ([]byte, error) {
			if e.Path == "lost/Dockerfile" {
				return nil, errors.New("lost in a filter")
			}
			return repo.texts[e.Object], nil
		})
	if err != nil {
		t.Fatal(err)
	}
	want := []analysis.Problem{
		{Path: "binary/Dockerfile", Message: "not analysed: not a text file"},
		{Path: "large/Dockerfile", Message: "not analysed: larger than 1 MB"},
		{Path: "lost/Dockerfile", Message: "not analysed: lost in a filter"},
	}
	if diff := cmp.Diff(want, report.Skipped); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
	if len(report.Dockerfiles) != 1 || report.Dockerfiles[0].Path != "good/Dockerfile" {
		t.Errorf("looked at %v", report.Dockerfiles)
	}
}

func TestCompleteGivesUp(t *testing.T) {
	var tree []buildcontext.Entry
	for i := range 1000 {
		tree = append(tree, buildcontext.Entry{Path: fmt.Sprint(i), Object: fmt.Sprint(i), Mode: buildcontext.ModeFile})
	}
	read := func(context.Context, buildcontext.Entry) ([]byte, error) { return nil, nil }
	for name, f := range map[string]analysis.Func{
		"always more": func(_ context.Context, req analysis.Request) (analysis.Report, error) {
			return analysis.Report{Needs: []string{fmt.Sprint(len(req.Blobs))}}, nil
		},
		"always the same": func(context.Context, analysis.Request) (analysis.Report, error) {
			return analysis.Report{Needs: []string{"1"}}, nil
		},
		"what is not there": func(context.Context, analysis.Request) (analysis.Report, error) {
			return analysis.Report{Needs: []string{"x"}}, nil
		},
		"an error": func(context.Context, analysis.Request) (analysis.Report, error) {
			return analysis.Report{}, errors.New("broken")
		},
	} {
		if _, err := analysis.Complete(t.Context(), f, analysis.Request{Tree: tree}, read); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCompleteEndsWithItsContext(t *testing.T) {
	repo := newRepository(map[string]string{"Dockerfile": "FROM python:3.12\n"})
	ctx, cancel := context.WithCancel(t.Context())
	_, err := analysis.Complete(ctx, throughJSON(t), analysis.Request{Config: config.Defaults(), Tree: repo.tree},
		func(context.Context, buildcontext.Entry) ([]byte, error) {
			cancel()
			return nil, errors.New("interrupted")
		})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

// TestCompleteLeavesTheRequestAlone: the caller may use it again for another tree.
func TestCompleteLeavesTheRequestAlone(t *testing.T) {
	repo := newRepository(map[string]string{"Dockerfile": "FROM python:3.12\n"})
	req := analysis.Request{Config: config.Defaults(), Tree: repo.tree, Blobs: map[string][]byte{}, Unreadable: map[string]string{}}
	_, err := analysis.Complete(t.Context(), throughJSON(t), req, func(_ context.Context, e buildcontext.Entry) ([]byte, error) {
		return repo.texts[e.Object], nil
	})
	if err != nil || len(req.Blobs) > 0 {
		t.Errorf("error %v, %d blobs in the caller's map", err, len(req.Blobs))
	}
}

func TestRunWithoutFixes(t *testing.T) {
	repo := newRepository(map[string]string{"Dockerfile": "FROM python:3.12\nCOPY . /\nRUN pip install flask\n", "a.py": "x\n"})
	report := repo.analyse(t, analysis.Request{Config: config.Defaults(), WithoutFixes: true})
	if len(report.Findings) == 0 || len(report.Suggestions) > 0 {
		t.Errorf("without fixes:\n%s", describe(report))
	}
	for _, f := range report.Findings {
		if f.Suggestion != -1 {
			t.Errorf("%s has suggestion %d", f.Rule, f.Suggestion)
		}
	}
}

// TestRunNeedsLittle: a change that cannot touch a Dockerfile costs no reading.
func TestRunNeedsLittle(t *testing.T) {
	repo := newRepository(map[string]string{"Dockerfile": "FROM python:3.12\n", "app.py": "x\n", ".github/workflows/a.yml": "on: push\n"})
	for _, c := range []struct {
		changed []string
		needs   int
	}{
		{[]string{"app.py", "docs/index.md", "web/a.tsx"}, 0},
		{[]string{"Dockerfile"}, 2},
		{[]string{"requirements.txt"}, 2},
		{[]string{".dockerignore"}, 2},
		{[]string{}, 0},
		{nil, 2},
	} {
		report := analysis.Run(t.Context(), analysis.Request{Config: config.Defaults(), Tree: repo.tree, Changed: c.changed})
		if len(report.Needs) != c.needs {
			t.Errorf("changed %v: needs %d objects, want %d", c.changed, len(report.Needs), c.needs)
		}
	}
}

func TestRunSurvivesHostileTrees(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"expansion": {"Dockerfile": "FROM python:3.12\nENV A0=xxxxxxxxxxxxxxxx\n" + doubling(24)},
		"include cycle": {
			"Dockerfile":       "FROM python:3.12\nCOPY . /\nRUN pip install -r /requirements.txt\n",
			"requirements.txt": "-r a.txt\n", "a.txt": "-r requirements.txt\n",
		},
		"link cycle": {
			"Dockerfile":        "FROM python:3.12\nCOPY . /\nRUN pip install -r /requirements.txt\n",
			"requirements.txt@": "a.txt", "a.txt@": "requirements.txt", "out.txt@": "../../etc/passwd", "abs.txt@": "/etc/passwd",
		},
		"odd names": {"a\xffb/Dockerfile": "FROM python:3.12\n", "a b\n/Dockerfile": "FROM python:3.12\nRUN pip install x\n", "../Dockerfile": "FROM python:3.12\n"},
		"no text":   {"Dockerfile": ""},
		"bad bytes": {"Dockerfile": "FROM python:3.12\nRUN pip install flask # \xff\n"},
	} {
		t.Run(name, func(t *testing.T) {
			repo := newRepository(files)
			report := repo.analyse(t, analysis.Request{Config: config.Defaults()})
			for _, s := range report.Suggestions {
				if name == "bad bytes" {
					t.Errorf("a suggestion for a file that is not UTF-8: %v", s)
				}
			}
		})
	}
}

func doubling(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "ENV A%d=${A%d}${A%d}\n", i+1, i, i)
	}
	return b.String()
}

// fading is a context that ends after it was asked so many times.
type fading struct {
	context.Context
	left int
}

func (f *fading) Err() error {
	if f.left--; f.left < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// Whenever time runs out, what is not done says so, and nothing is lost without a word.
func TestRunOutOfTime(t *testing.T) {
	repo := newRepository(map[string]string{
		"a/Dockerfile":     "FROM python:3.11\nCOPY . /app\nWORKDIR /app\nRUN pip install -r requirements.txt\n",
		"b/Dockerfile":     "FROM python:3.11\nRUN pip install flask\n",
		"requirements.txt": "flask==3.0.0\n",
	})
	request := analysis.Request{Config: config.Defaults(), Tree: repo.tree, Blobs: repo.texts}
	whole := analysis.Run(t.Context(), request)
	if len(whole.Suggestions) != 2 || len(whole.Needs) > 0 {
		t.Fatalf("with time: %+v", whole)
	}
	seen := map[string]bool{}
	for left := 0; ; left++ {
		ctx := &fading{t.Context(), left}
		report := analysis.Run(ctx, request)
		if ctx.left >= 0 {
			break
		}
		if len(report.Dockerfiles)+len(report.Skipped) != 2 {
			t.Fatalf("after %d: %d Dockerfiles, skipped %v", left, len(report.Dockerfiles), report.Skipped)
		}
		for _, s := range report.Skipped {
			seen[s.Message] = true
		}
		for _, f := range report.Findings {
			if f.Suggestion < 0 && f.Withheld == "" && f.Rule != "missing-dockerignore" {
				t.Errorf("after %d: %s of %s has neither an edit nor a reason", left, f.Rule, f.Path)
			}
			seen[f.Withheld] = true
		}
	}
	for _, want := range []string{"not analysed: the Dockerfiles of this change took all the time that hitrate spends on them", "proving the edit took too long"} {
		if !seen[want] {
			t.Errorf("never said: %s", want)
		}
	}
}
