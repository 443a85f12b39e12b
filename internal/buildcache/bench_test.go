package buildcache

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// benchBuild is a Dockerfile of some twenty instructions over a tree of n files.
func benchBuild(b *testing.B, n int) (*Plan, *buildcontext.Context) {
	b.Helper()
	text := "FROM python:3.12 AS build\nWORKDIR /app\nCOPY requirements.txt ./\nRUN pip install -r requirements.txt\nCOPY d1 ./d1\nCOPY . .\n" +
		strings.Repeat("RUN make\n", 8) + "FROM python:3.12-slim\nWORKDIR /app\nCOPY --from=build /app/dist ./\nCOPY d2/*.py ./\nENV A=1\nRUN true\nCMD x\n"
	entries := []buildcontext.Entry{{Path: "requirements.txt", Mode: buildcontext.ModeFile, Object: "0"}}
	for i := range n {
		entries = append(entries, buildcontext.Entry{Path: fmt.Sprintf("d%d/e%d/f%d.py", i%20, i%200, i), Mode: buildcontext.ModeFile, Object: fmt.Sprintf("%040d", i)})
	}
	plan, err := Compile(b.Context(), Inputs{File: parse(b, text)})
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
