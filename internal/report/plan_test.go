package report_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/report"
	"github.com/hitrate-bot/hitrate/internal/source"
)

func samplePlan() report.Plan {
	return report.Plan{
		Base: "HEAD", Head: "the work tree", Width: 80,
		Plan: analysis.Plan{
			Build: buildcontext.Build{Dockerfile: "Dockerfile", Kind: buildcontext.Local, Context: ".", Origin: "compose.yml, line 3"},
			Steps: []analysis.Step{
				{Stage: "0", Lines: source.Lines{First: 2, Last: 2}, Instruction: "COPY 名前.txt /app/ and a name that is longer than the column is wide 名前名前名前", State: buildcache.Cached},
				{
					Stage: "0", Index: 1, Lines: source.Lines{First: 3, Last: 5}, Instruction: "RUN pip install   -r\trequirements.txt", State: buildcache.Rebuilt,
					Cause: "a-path\x1b[31m\u202e.txt changed, and this goes on so long that it needs another line", Installs: "the pip install",
				},
				{Stage: "0", Index: 2, Lines: source.Lines{First: 12, Last: 12}, Instruction: "RUN x", State: buildcache.Maybe, Cause: "RUN in line 3 may run again"},
			},
		},
	}
}

// TestPlanText lays out a plan for several widths: a line never has more cells than the terminal, and wide
// characters count twice.
func TestPlanText(t *testing.T) {
	const head = "Dockerfile, context . (compose.yml, line 3)\nthe work tree with the cache of HEAD\n\n"
	const tail = "\n1 of 3 steps is rebuilt: the pip install; 1 more may be.\n"
	for width, want := range map[int]string{
		80: `line  step                                     state    why
   2  COPY 名前.txt /app/ and a name that is…  cached
 3-5  RUN pip install -r requirements.txt      rebuilt  a-path\x1b[31m\u202e.txt
                                                        changed, and this goes
                                                        on so long that it needs
                                                        another line
  12  RUN x                                    maybe    RUN in line 3 may run
                                                        again
`,
		40: `line  step                      state
   2  COPY 名前.txt /app/ and…  cached
 3-5  RUN pip install -r requ…  rebuilt
      a-path\x1b[31m\u202e.txt changed,
      and this goes on so long that it
      needs another line
  12  RUN x                     maybe
      RUN in line 3 may run again
`,
	} {
		p := samplePlan()
		p.Width = width
		var b strings.Builder
		if err := p.Text(&b); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(head+want+tail, b.String()); diff != "" {
			t.Errorf("width %d, -want +got:\n%s\n%s", width, diff, b.String())
		}
	}
}

// TestPlanCounts: what was counted, which cache the workflow keeps, and what git does not show.
func TestPlanCounts(t *testing.T) {
	p := samplePlan()
	p.Build.Cache, p.Build.CacheFrom = buildcontext.CacheNone, "ci.yml, line 9"
	p.Steps = p.Steps[1:2]
	p.Steps[0].Cause = "x changed"
	p.Caveats = []analysis.Caveat{{Text: "Git LFS keeps the contents", Paths: []string{"a", "b"}, More: 3}}
	p.History = &analysis.Evidence{
		Branch: "main", Commits: 10, LeftOut: 1, Steps: []analysis.Count{{Rerun: 4, Maybe: 2}}, All: []analysis.Count{{Gone: true}}, Alone: [][]analysis.Count{{{Gone: true}}},
	}
	want := `Dockerfile, context . (compose.yml, line 3)
The workflow keeps no cache (ci.yml, line 9): there, every build runs every step.
the work tree with the cache of HEAD

line  step                      state    re-run  with edits
 3-5  RUN pip install -r requ…  rebuilt  4-6     gone
      x changed

Note: Git LFS keeps the contents: a, b and 3 more.
Re-run by how many of the last 10 commits of main, with this Dockerfile and a
cache that is kept. With edits: with what hitrate check --fix makes of it (1
suggestion). 1 more commit left out: the build fails there.
The one step is rebuilt: the pip install.
`
	var b strings.Builder
	if err := p.Text(&b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("-want +got:\n%s\n%s", diff, b.String())
	}
}

// TestPlanJSON: nothing in it acts in a terminal, and a program reads what the repository has.
func TestPlanJSON(t *testing.T) {
	p := samplePlan()
	var b strings.Builder
	if err := p.JSON(&b); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\u202e") || !strings.Contains(b.String(), `\u001b[31m\u202e.txt`) {
		t.Error(b.String())
	}
	var out struct {
		Version int
		History any
		Steps   []struct {
			Cause string
			Rerun *int
		}
	}
	if err := json.Unmarshal([]byte(b.String()), &out); err != nil {
		t.Fatal(err)
	}
	if out.Version != 1 || out.Steps[1].Cause != p.Steps[1].Cause || out.Steps[1].Rerun != nil || out.History != nil {
		t.Errorf("%+v", out)
	}
}
