package analysis_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
)

// TestPlans: each way in which a Dockerfile is built has a plan against what the base's build of it left in
// the cache, with the stages as a graph.
func TestPlans(t *testing.T) {
	const workflow = "on: push\njobs:\n  b:\n    runs-on: ubuntu-latest\n    steps:\n" +
		"      - run: docker build --target test .\n" +
		"      - run: docker build --target ship --build-arg V=%d .\n"
	files := func(v int, app string) map[string]string {
		return map[string]string{
			".github/workflows/ci.yml": fmt.Sprintf(workflow, v), "app.py": app, ".dockerignore": ".git\n", "lib/x": "x",
			"Dockerfile": "FROM python:3.11 AS base\nARG V\nCOPY lib /lib\nFROM base AS test\nCOPY app.py /\n" +
				"FROM base\nRUN make\nFROM debian:12 AS ship\nARG V\nRUN echo\nCOPY --from=2 /out /out\nCOPY app.py /\n",
		}
	}
	base, head := newRepository(files(1, "1")), newRepository(files(2, "2"))
	for object, text := range base.texts {
		head.texts[object] = text
	}
	report := head.analyse(t, analysis.Request{Config: config.Defaults(), Base: base.tree})
	var b strings.Builder
	for _, p := range report.Dockerfiles[0].Plans {
		fmt.Fprintf(&b, "target %s\n", p.Build.Target)
		for i, s := range p.Stages {
			fmt.Fprintf(&b, "  %d %s, lines %s, from %v: %s\n", i, s.Name, span(s.Lines), s.From, s.State)
		}
		for _, s := range p.Steps {
			fmt.Fprintf(&b, "  %s/%d line %s: %s %s\n", s.Stage, s.Index, span(s.Lines), s.State, s.Cause)
		}
	}
	const want = `target ship
  0 base, lines 1-3, from []: cached
  1 2, lines 6-7, from [0]: rebuilt
  2 ship, lines 8-12, from [1]: rebuilt
  base/0 line 3: cached 
  2/0 line 7: rebuilt the variable V has another value
  ship/0 line 10: rebuilt the variable V has another value
  ship/1 line 11: rebuilt RUN in line 10 runs again
  ship/2 line 12: rebuilt app.py changed
target test
  0 base, lines 1-3, from []: cached
  1 test, lines 4-5, from [0]: rebuilt
  base/0 line 3: cached 
  test/0 line 5: rebuilt app.py changed
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
