package buildcache

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// benchText has twenty instructions.
var benchText = "FROM python:3.12 AS build\nWORKDIR /app\nCOPY requirements.txt ./\nRUN pip install -r requirements.txt\nCOPY d1 ./d1\nCOPY . .\n" +
	strings.Repeat("RUN make\n", 8) + "FROM python:3.12-slim\nWORKDIR /app\nCOPY --from=build /app/dist ./\nCOPY d2/*.py ./\nENV A=1\nRUN true\nCMD x\n"

// benchBuild is that Dockerfile over a tree of n files.
func benchBuild(b *testing.B, n int) (*Plan, *buildcontext.Context) {
	b.Helper()
	entries := []buildcontext.Entry{{Path: "requirements.txt", Mode: buildcontext.ModeFile, Object: "0"}}
	for i := range n {
		entries = append(entries, buildcontext.Entry{Path: fmt.Sprintf("d%d/e%d/f%d.py", i%20, i%200, i), Mode: buildcontext.ModeFile, Object: fmt.Sprintf("%040d", i)})
	}
	plan, err := Compile(b.Context(), Inputs{File: parse(b, benchText)})
	if err != nil {
		b.Fatal(err)
	}
	c, err := buildcontext.Open(buildcontext.NewTree(entries), buildcontext.Build{Dockerfile: "Dockerfile", Context: "."}, nil)
	if err != nil {
		b.Fatal(err)
	}
	return plan, c
}

func BenchmarkKeys(b *testing.B) {
	for _, n := range []int{1_000, 2_000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("files=%d", n), func(b *testing.B) {
			plan, c := benchBuild(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := plan.Keys(c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPredict(b *testing.B) {
	plan, c := benchBuild(b, 2_000)
	var seen Seen
	keys, err := plan.Keys(c)
	if err != nil {
		b.Fatal(err)
	}
	seen.Add(keys)
	c.Tree.Entries[7].Object = "another"
	if keys, err = plan.Keys(c); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		Predict(keys, &seen)
	}
}

// benchHistory is n commits, each with an edit of two files of which one comes and goes; every twentieth
// edits the requirements.
func benchHistory(c *buildcontext.Context, n int) *buildcontext.History {
	h := &buildcontext.History{Branch: "main", Tree: c.All.Entries}
	now := map[string]buildcontext.Entry{}
	for _, e := range c.All.Entries {
		now[e.Path] = e
	}
	for i := range n {
		var commit buildcontext.Commit
		edit := func(p string, goes bool) {
			is, was := now[p], buildcontext.Entry{Path: p, Mode: buildcontext.ModeFile, Object: fmt.Sprintf("%040d", -1-i)}
			if goes && is.Mode != "" {
				was = buildcontext.Entry{}
			}
			now[p] = was
			commit.Changes = append(commit.Changes, buildcontext.Change{Old: was, New: is})
		}
		edit(c.All.Entries[(i*7919)%len(c.All.Entries)].Path, false)
		edit(fmt.Sprintf("d%d/e0/extra.py", i%20), true)
		if i%20 == 0 {
			edit("requirements.txt", false)
		}
		h.Commits = append(h.Commits, commit)
	}
	return h
}

// BenchmarkHistory is all of it for one Dockerfile: compile, the context and its keys, and what each commit
// would have run again.
func BenchmarkHistory(b *testing.B) {
	for _, size := range []struct{ files, commits int }{
		{2_000, 200}, {2_000, 2_000}, {2_000, 20_000}, {1_000, 200}, {10_000, 200}, {100_000, 200},
	} {
		b.Run(fmt.Sprintf("files=%d/commits=%d", size.files, size.commits), func(b *testing.B) {
			_, c := benchBuild(b, size.files)
			h := benchHistory(c, size.commits)
			file := parse(b, benchText)
			b.ReportAllocs()
			for b.Loop() {
				plan, err := Compile(b.Context(), Inputs{File: file})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := plan.Keys(c); err != nil {
					b.Fatal(err)
				}
				counts, err := Count(b.Context(), []Variant{{Plan: plan, Context: c}}, h)
				if err != nil || counts[0].Commits != size.commits {
					b.Fatal(counts, err)
				}
			}
		})
	}
}

// BenchmarkCompile shows BuildKit's own cost, which is not linear in instructions.
func BenchmarkCompile(b *testing.B) {
	for _, n := range []int{20, 50, 100, 200} {
		b.Run(fmt.Sprintf("instructions=%d", n), func(b *testing.B) {
			text := "FROM python:3.12\n" + strings.Repeat("COPY a b\nRUN make\nENV A=1\n", n)
			lines := strings.SplitAfter(text, "\n")
			file := parse(b, strings.Join(lines[:n], ""))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Compile(b.Context(), Inputs{File: file}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
