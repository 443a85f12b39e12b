package fix_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/fix"
	"github.com/hitrate-bot/hitrate/internal/rules"
)

// TestRuns reads testdata/runs.txtar, testdata/moves.txtar and testdata/preconditions.txtar: CASE/Dockerfile in a small repository, and CASE/want: the rules
// that each suggestion settles, why others have none, and the file with all suggestions made. Several
// findings of one RUN become one coherent RUN. The cases called mount-… prefer a cache mount for apt's
// index. UPDATE=1 writes the want sections again.
func TestRuns(t *testing.T) {
	testRuns(t, "testdata/runs.txtar")
	testRuns(t, "testdata/moves.txtar")
	testRuns(t, "testdata/preconditions.txtar")
}

func testRuns(t *testing.T, name string) {
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(archive.Files); i += 2 {
		file, want := archive.Files[i], &archive.Files[i+1]
		t.Run(strings.TrimSuffix(file.Name, "/Dockerfile"), func(t *testing.T) {
			settings := config.Defaults()
			if strings.HasPrefix(file.Name, "mount-") {
				settings = preferMounts(t)
			}
			got := prove(t, file.Data, settings)
			if os.Getenv("UPDATE") != "" {
				want.Data = []byte(got)
				return
			}
			if diff := cmp.Diff(string(want.Data), got); diff != "" {
				t.Errorf("differs (-want +got); UPDATE=1 go test ./internal/fix writes the archive again:\n%s", diff)
			}
		})
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func preferMounts(t *testing.T) config.Repository {
	layer, err := config.Parse(config.RepositoryPath, []byte("version: 1\nrules:\n  apt-lists-kept: {prefer: cache-mount}\n"), rules.Schemas())
	if err != nil {
		t.Fatal(err)
	}
	return config.Effective(layer)
}

// prove is what came of a file's findings, and the file after the suggestions.
func prove(t *testing.T, text []byte, settings config.Repository) string {
	in, ok := inputOf(t, text, repository)
	if !ok {
		t.Fatal("does not parse")
	}
	in.Config = settings
	findings := rules.Run(in)
	r := fix.Prove(t.Context(), in, findings)
	holds(t, in, findings, r)
	var out strings.Builder
	for _, s := range r.Suggestions {
		var settled []string
		for _, f := range s.Findings {
			settled = append(settled, findings[f].Rule)
		}
		if s.Path != in.File.Source.Path {
			_, _ = fmt.Fprintf(&out, "%s: ", s.Path)
		}
		_, _ = fmt.Fprintf(&out, "lines %d-%d: %s\n", s.Lines.First, s.Lines.Last, strings.Join(settled, ", "))
	}
	for i, f := range findings {
		reason := f.Withheld
		if why, ok := r.Withheld[i]; ok {
			reason = string(why)
		}
		if reason != "" {
			_, _ = fmt.Fprintf(&out, "line %d: %s: %s\n", in.File.Source.LineFromOffset(f.Span.Start), f.Rule, reason)
		}
	}
	after := fix.Apply(in.File.Source, ofDockerfile(r.Suggestions))
	if len(r.Suggestions) > 0 {
		for line := range strings.Lines(string(after)) {
			out.WriteString("| " + line)
		}
	}
	return out.String()
}
