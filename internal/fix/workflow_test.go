package fix_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/fix"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
	"github.com/hitrate-bot/hitrate/internal/workflow"
)

const ci = ".github/workflows/ci.yml"

const oneImage = `on: [push, pull_request]
jobs:
  image:
    runs-on: ubuntu-latest
    steps:
      - uses: docker/setup-buildx-action@v3
      - uses: docker/build-push-action@v6
        with:
          context: . # the root
          push: true
  other:
    runs-on: ubuntu-latest
    steps:
      - uses: docker/setup-buildx-action@v3
      - name: The same in another job
        uses: docker/build-push-action@v6
        with:
          context: .
          tags: |
            acme/shop
`

// workflowInput is a repository with a Dockerfile of two stages and one workflow.
func workflowInput(t *testing.T, text string) rules.Input {
	t.Helper()
	files := map[string]string{ci: text, "requirements.txt": "flask==3.0\n", ".dockerignore": ".git\n"}
	in, ok := inputOf(t, []byte("FROM python:3.12 AS build\nCOPY requirements.txt .\nRUN pip install --no-cache-dir -r requirements.txt\nFROM python:3.12\nCOPY --from=build /usr/local /usr/local\n"), files)
	if !ok {
		t.Fatal("the Dockerfile does not parse")
	}
	var sources []*source.File
	for _, name := range slices.Sorted(maps.Keys(files)) {
		sources = append(sources, source.New(name, []byte(files[name])))
	}
	in.Facts = workflow.Read(sources, func(p string) bool { _, ok := files[p]; return ok || p == "Dockerfile" })
	in.Builds = in.Facts.Builds
	return in
}

// proved applies all that is suggested for the workflow, and gives the reasons for the rest.
func proved(t *testing.T, in rules.Input, findings []rules.Finding) (text string, withheld []string) {
	t.Helper()
	r := fix.Prove(context.Background(), in, findings)
	file, err := in.Read(ci)
	if err != nil {
		t.Fatal(err)
	}
	for i := range findings {
		if reason := r.Withheld[i]; reason != "" {
			withheld = append(withheld, string(reason))
		}
	}
	return string(fix.Apply(file, slices.DeleteFunc(r.Suggestions, func(s fix.Suggestion) bool { return s.Path != ci }))), withheld
}

func TestKeepCache(t *testing.T) {
	const first, second = "          push: true\n", "            acme/shop\n"
	const inputs = "          cache-from: type=gha\n          cache-to: type=gha,mode=max\n"
	want := strings.Replace(strings.Replace(oneImage, first, first+inputs, 1), second, second+inputs, 1)
	plain := func(text string) string {
		return strings.Replace(text, "|\n            acme/shop", "acme/shop", 1)
	}
	for _, c := range []struct{ name, text, want string }{ // want "": the last one is withheld
		{"two jobs", oneImage, want},
		{"CRLF", strings.ReplaceAll(oneImage, "\n", "\r\n"), strings.ReplaceAll(want, "\n", "\r\n")},
		{"no last newline", strings.TrimSuffix(plain(oneImage), "\n"), strings.TrimSuffix(plain(want), "\n")},
		// Without a newline behind it the block's value has none, and would get one.
		{"no last newline behind a block", strings.TrimSuffix(oneImage, "\n"), ""},
		{"a blank line and a comment behind", oneImage + "\n# the end\n", want + "\n# the end\n"},
		{"a document mark", "---\n" + oneImage, "---\n" + want},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := workflowInput(t, c.text)
			got, withheld := proved(t, in, rules.Run(in))
			if c.want == "" {
				if !slices.Equal(withheld, []string{string(rules.ChangesSteps)}) {
					t.Errorf("withheld %v", withheld)
				}
				return
			}
			if diff := cmp.Diff(c.want, got); diff != "" || withheld != nil {
				t.Errorf("withheld %v (-want +got):\n%s", withheld, diff)
			}
		})
	}
}

// TestWrongCaches proves that the edit of a workflow is not believed what it declares.
func TestWrongCaches(t *testing.T) {
	good := "\n          cache-from: type=gha\n          cache-to: type=gha,mode=max"
	inputs := map[string]string{"cache-from": "type=gha", "cache-to": "type=gha,mode=max"}
	for _, c := range []struct {
		name   string
		text   string // of the workflow
		behind string // where the edit goes
		edit   string
		inputs map[string]string
		want   rules.Reason
	}{
		{"right", oneImage, "push: true", good, inputs, ""},
		{"of another step", oneImage, "            acme/shop", good, inputs, rules.ChangesSteps},
		{"in a comment", oneImage, "# the root", good + " ", inputs, rules.ChangesSteps},
		{"inside a block", strings.Replace(oneImage, "push: true", "tags: |\n            a", 1), "tags: |", good, inputs, rules.ChangesSteps},
		{"a block keeps its blank lines", strings.Replace(oneImage, "push: true\n", "tags: |+\n            a\n\n", 1), "            a", good, inputs, rules.ChangesSteps},
		{"another value", oneImage, "push: true", strings.Replace(good, "mode=max", "mode=min", 1), inputs, rules.ChangesSteps},
		{"another input too", oneImage, "push: true", good + "\n          no-cache: true", inputs, rules.ChangesSteps},
		{"another step too", oneImage, "push: true", good + "\n      - run: exit 1", inputs, rules.ChangesSteps},
		{"no YAML", oneImage, "push: true", good + "\n  - [", inputs, rules.ChangesSteps},
		{"the final stage only", oneImage, "push: true", strings.ReplaceAll(good, ",mode=max", ""), map[string]string{"cache-from": "type=gha", "cache-to": "type=gha"}, rules.CacheShared},
		{"a registry", oneImage, "push: true", "\n          cache-from: type=registry,ref=a\n          cache-to: type=registry,ref=a,mode=max", map[string]string{"cache-from": "type=registry,ref=a", "cache-to": "type=registry,ref=a,mode=max"}, rules.CacheShared},
		{"the scope of all images", strings.Replace(oneImage, "  other:", "  more:\n    runs-on: ubuntu-latest\n    steps:\n      - run: docker build $CONTEXT\n  other:", 1), "push: true", good, inputs, rules.CacheShared},
		{"no builder that exports", strings.Replace(oneImage, "docker/setup-buildx-action", "actions/checkout", 1), "push: true", good, inputs, rules.NoCacheExport},
		{"twice by a merge key", strings.NewReplacer("with:\n          context: . #", "with: &with\n          context: . #", "with:\n          context: .\n          tags: |\n            acme/shop", "with:\n          <<: *with").Replace(oneImage), "push: true", good, inputs, rules.ChangesSteps},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := workflowInput(t, c.text)
			at := strings.Index(c.text, c.behind) + len(c.behind)
			findings := rules.Run(in)
			if len(findings) == 0 {
				t.Fatal("nothing is found")
			}
			findings[0].Withheld = ""
			findings[0].Unit = &rules.Unit{
				Path:    ci,
				Edits:   []source.Edit{{Span: source.Span{Start: at, End: at}, New: c.edit}},
				Effects: []rules.Effect{rules.KeepCache{Step: in.Facts.Steps[0], Inputs: c.inputs}},
			}
			for i := range findings[1:] {
				findings[i+1].Unit = nil
			}
			text, withheld := proved(t, in, findings)
			switch {
			case c.want == "" && (withheld != nil || text == c.text):
				t.Errorf("withheld: %v", withheld)
			case c.want != "" && (text != c.text || !slices.Equal(withheld, []string{string(c.want)})):
				t.Errorf("withheld %v, want %q; applied:\n%s", withheld, c.want, text)
			}
		})
	}
}
