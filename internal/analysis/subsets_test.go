package analysis_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
)

// TestSubsets is what an author does who accepts some of the suggestions and pushes: for every file of
// the archives and every set of its suggestions, what is found then is what was found before, less what
// was settled; what was offered and not taken is offered still; and taking the rest later leaves no more
// to say than taking all at once.
func TestSubsets(t *testing.T) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives", err)
	}
	for _, name := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files := map[string]string{}
			for _, f := range archive.Files {
				if f.Name != "report" {
					files[f.Name] = strings.TrimSuffix(strings.ReplaceAll(strings.ReplaceAll(string(f.Data), "␍", "\r"), "␀", "\x00"), "␄\n")
				}
			}
			whole := newRepository(files).analyse(t, analysis.Request{Config: config.Defaults()})
			for _, d := range whole.Dockerfiles {
				acceptSubsets(t, files, d.Path)
			}
		})
	}
}

// acceptSubsets accepts each set of the suggestions for one file.
func acceptSubsets(t *testing.T, files map[string]string, dockerfile string) {
	look := func(files map[string]string) analysis.Report {
		return newRepository(files).analyse(t, analysis.Request{Config: config.Defaults(), Dockerfiles: []string{dockerfile}})
	}
	before := look(files)
	own := slices.Clone(before.Suggestions)
	if len(own) == 0 {
		return
	}
	all := identities(look(applied(files, own)), everyFinding)
	for _, set := range subsetsOf(len(own)) {
		var chosen []analysis.Suggestion
		for _, i := range set {
			chosen = append(chosen, own[i])
		}
		taken := func(f analysis.Finding) bool { return f.Suggestion >= 0 && slices.Contains(set, f.Suggestion) }
		pushed := applied(files, chosen)
		after := look(pushed)
		left := identities(before, func(f analysis.Finding) bool { return !taken(f) })
		if diff := cmp.Diff(left, identities(after, everyFinding)); diff != "" {
			t.Errorf("%s with suggestions %v finds (-want +got):\n%s", dockerfile, set, diff)
		}
		offered := identities(before, func(f analysis.Finding) bool { return f.Suggestion >= 0 && !taken(f) })
		if lost := more(offered, identities(after, func(f analysis.Finding) bool { return f.Suggestion >= 0 })); lost != "" {
			t.Errorf("%s with suggestions %v no longer offers an edit for %s", dockerfile, set, lost)
		}
		last := look(applied(pushed, after.Suggestions))
		if left := more(identities(last, everyFinding), all); left != "" {
			t.Errorf("%s with suggestions %v, and then the rest, still finds %s", dockerfile, set, left)
		}
	}
}

// applied are the files with suggestions made.
func applied(files map[string]string, suggestions []analysis.Suggestion) map[string]string {
	out := maps.Clone(files)
	for _, s := range suggestions {
		if _, there := files[s.Path]; there {
			out[s.Path] = apply(s.Path, files[s.Path], suggestions)
		}
	}
	return out
}

// more names what one count has more of than another.
func more(a, b map[string]int) string {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(a)) {
		if a[id] > b[id] {
			out = append(out, id)
		}
	}
	return strings.Join(out, ", ")
}

func everyFinding(analysis.Finding) bool { return true }

// identities counts the findings that count by what makes them the same ones.
func identities(r analysis.Report, counts func(analysis.Finding) bool) map[string]int {
	out := map[string]int{}
	for _, f := range r.Findings {
		if counts(f) {
			out[identity(f)]++
		}
	}
	return out
}
