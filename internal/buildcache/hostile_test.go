package buildcache

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// open is the context of a build without an ignore file.
func open(t testing.TB, entries []buildcontext.Entry) *buildcontext.Context {
	t.Helper()
	c, err := buildcontext.Open(buildcontext.NewTree(entries), buildcontext.Build{Dockerfile: "Dockerfile", Context: ".", Kind: buildcontext.Local}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func hundredThousand() []buildcontext.Entry {
	entries := make([]buildcontext.Entry, 100_000)
	for i := range entries {
		entries[i] = buildcontext.Entry{Path: fmt.Sprintf("%s/%d/f%d.py", strings.Repeat("d/", 20), i%300, i), Mode: buildcontext.ModeFile, Object: fmt.Sprint(i)}
	}
	return buildcontext.NewTree(entries).Entries
}

// A tree of 100,000 files is keyed and counted over; patterns that would cost too much for it are refused.
func TestHundredThousandEntries(t *testing.T) {
	entries := hundredThousand()
	h := &buildcontext.History{Tree: entries}
	for _, e := range entries[:3] {
		was := e
		was.Object = "before"
		h.Commits = append(h.Commits, buildcontext.Commit{Changes: []buildcontext.Change{{Old: was, New: e}}})
	}
	c := open(t, entries)
	plan := compileText(t, "FROM x\nCOPY */*/* /a/\nCOPY --exclude=**/*.md . /b\n")
	if _, err := plan.Keys(c); err != nil {
		t.Fatal(err)
	}
	counts, err := Count(t.Context(), []Variant{{Plan: plan, Context: c}}, h)
	if err != nil || counts[0].Commits != 3 || counts[0].Rerun[1] != 3 {
		t.Errorf("counts %+v, error %v", counts, err)
	}

	costly := compileText(t, "FROM x\n"+strings.Repeat("COPY --exclude="+strings.Repeat("**/a*", 40)+" . /b\n", 20))
	var limit *dockerfile.LimitError
	if _, err := costly.Keys(c); !errors.As(err, &limit) || !strings.Contains(limit.What, "patterns of COPY") {
		t.Errorf("keys: error %v", err)
	}
	if _, err := Count(t.Context(), []Variant{{Plan: costly, Context: c}}, h); !errors.As(err, &limit) {
		t.Errorf("count: error %v", err)
	}
}

// Links that lead to each other, or to longer and longer paths, end.
func TestLinkLoops(t *testing.T) {
	for _, link := range []string{"a", "b", "a/a/a", strings.Repeat("a/", 2000), "./b/../a"} {
		entries := []buildcontext.Entry{
			{Path: "a", Mode: buildcontext.ModeSymlink, Link: link, Object: link}, {Path: "b", Mode: buildcontext.ModeSymlink, Link: "a", Object: "a"},
		}
		for _, copied := range []string{"a", "a/b", "a*", "a/*", "--exclude=x a/", "--parents a/b"} {
			plan := compileText(t, "FROM x\nCOPY "+copied+" /x/\n")
			c := open(t, entries)
			_, err := plan.Keys(c)
			if lacks, other := missing(err); !lacks && copied[0] == 'a' {
				t.Errorf("COPY %s of a link to %.20s: error %v", copied, link, other)
			}
			if _, err := Count(t.Context(), []Variant{{Plan: plan, Context: c}}, &buildcontext.History{Tree: entries}); err != nil {
				t.Errorf("COPY %s of a link to %.20s: count: %v", copied, link, err)
			}
		}
	}
}

func TestLongPath(t *testing.T) {
	entries := []buildcontext.Entry{{Path: strings.Repeat("a/", 1_000_000) + "b", Mode: buildcontext.ModeFile}}
	plan, c := compileText(t, "FROM x\nCOPY . .\n"), open(t, entries)
	if _, err := plan.Keys(c); !errors.Is(err, ErrLongPath) {
		t.Errorf("keys: error %.200v", err)
	}
	if _, err := Count(t.Context(), []Variant{{Plan: plan, Context: c}}, &buildcontext.History{Tree: entries}); !errors.Is(err, ErrLongPath) {
		t.Errorf("count: error %.200v", err)
	}
}

// A file of more than a thousand steps is refused before BuildKit sees it, with both numbers: by its
// instructions, or by what they come to.
func TestThousandSteps(t *testing.T) {
	for text, want := range map[string]string{
		strings.Repeat("RUN x\n", 1001):                                    "Dockerfile: 1002 instructions, more than the 1000 that are read",
		strings.Repeat("COPY a b c /d/\n", 400):                            "Dockerfile: 1002 steps, more than the 1000 that are read",
		strings.Repeat("RUN --mount=target=/a --mount=target=/b x\n", 400): "Dockerfile: 1002 steps, more than the 1000 that are read",
	} {
		file, err := dockerfile.Parse(source.New("Dockerfile", []byte("FROM x\n"+text)))
		if err == nil {
			_, err = Compile(t.Context(), Inputs{File: file})
		}
		if err == nil || err.Error() != want {
			t.Errorf("%.20q: error %v, want %s", text, err, want)
		}
	}
}
