package rules

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
	"github.com/hitrate-bot/hitrate/internal/workflow"
)

// A case of testdata/RULE.txtar is the sections CASE/…: the files of a small repository, and
//
//	CASE/want     what the rule finds, and the Dockerfile after its edit; empty for silence
//	CASE/build    "context DIR", "target STAGE", "arg NAME=VALUE", "volatile NAME" (passed, another value each time), "git", "repository ADDRESS", "guess" (written down nowhere),
//	              "legacy" (a builder without BuildKit): how the Dockerfile is built, where it is not by the root and the last stage,
//	              and no workflow of the case says so
//
// The configuration is read from CASE/.github/hitrate.yml. UPDATE=1 writes the want sections again.
func TestRules(t *testing.T) {
	for _, rule := range All() {
		t.Run(rule.ID, func(t *testing.T) {
			name := filepath.Join("testdata", rule.ID+".txtar")
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			cases := casesOf(archive)
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					got := c.run(t, rule)
					if os.Getenv("UPDATE") != "" {
						c.want.Data = []byte(got)
						return
					}
					if diff := cmp.Diff(string(c.want.Data), got); diff != "" {
						t.Errorf("differs (-want +got); UPDATE=1 go test ./internal/rules writes the archive again:\n%s", diff)
					}
				})
			}
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

type testCase struct {
	name  string
	files map[string][]byte
	build string
	want  *txtar.File
}

func casesOf(a *txtar.Archive) []*testCase {
	var out []*testCase
	for i := range a.Files {
		f := &a.Files[i]
		name, file, _ := strings.Cut(f.Name, "/")
		if len(out) == 0 || out[len(out)-1].name != name {
			out = append(out, &testCase{name: name, files: map[string][]byte{}})
		}
		c := out[len(out)-1]
		switch file {
		case "want":
			c.want = f
		case "build":
			c.build = string(f.Data)
		default:
			c.files[file] = f.Data
		}
	}
	return out
}

// dockerfilePath is the one Dockerfile of the case.
func (c *testCase) dockerfilePath() string {
	for name := range c.files {
		if b := filepath.Base(name); b == "Dockerfile" || strings.HasPrefix(b, "Dockerfile.") && !strings.HasSuffix(b, ".dockerignore") {
			return name
		}
	}
	return ""
}

func (c *testCase) input(t testing.TB) Input {
	t.Helper()
	var entries []buildcontext.Entry
	for name := range c.files {
		entries = append(entries, buildcontext.Entry{Path: name, Mode: "100644", Object: name})
	}
	read := func(name string) (*source.File, error) {
		data, ok := c.files[name]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return source.New(name, data), nil
	}
	src, err := read(c.dockerfilePath())
	if err != nil {
		t.Fatalf("case %s has no Dockerfile", c.name)
	}
	file, err := dockerfile.Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	build := buildcontext.Build{Dockerfile: src.Path, Kind: buildcontext.Local, Context: ".", Args: map[string]string{}, Origin: "the test"}
	facts := c.facts()
	for _, b := range facts.Builds {
		if b.Dockerfile == src.Path && c.build == "" {
			build = b
			break
		}
	}
	address := ""
	for _, line := range strings.Split(strings.TrimSpace(c.build), "\n") {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "context":
			build.Context = value
		case "target":
			build.Target = value
		case "git":
			build.Kind = buildcontext.Git
		case "arg":
			name, v, _ := strings.Cut(value, "=")
			build.Args[name] = v
		case "volatile":
			build.Volatile = append(build.Volatile, value)
		case "repository":
			address = value
		case "legacy":
			facts.WithoutBuildKit = &workflow.Evidence{Path: "ci.yml", Line: 1, What: "kaniko"}
		}
	}
	if c.build != "" && !strings.Contains(c.build, "guess") {
		facts.Builds = []buildcontext.Build{build}
	}
	tree := buildcontext.NewTree(entries)
	if guess := buildcontext.Guess(tree, file); strings.Contains(c.build, "guess") && guess.Context == build.Context {
		build.Certain = guess.Certain
	}
	context, err := buildcontext.Open(tree, build, func(p string) ([]byte, error) { return c.files[p], nil })
	if err != nil {
		t.Fatal(err)
	}
	repository := config.Defaults()
	if data, ok := c.files[config.RepositoryPath]; ok {
		layer, err := config.Parse(config.RepositoryPath, data, Schemas())
		if err != nil {
			t.Fatal(err)
		}
		repository = config.Effective(layer)
	}
	return Input{File: file, Context: context, Builds: []buildcontext.Build{build}, Config: repository, Facts: facts, Repository: address, Read: read}
}

// facts are what the case's workflows say.
func (c *testCase) facts() workflow.Facts {
	var files []*source.File
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		if workflow.Wanted(name) {
			files = append(files, source.New(name, c.files[name]))
		}
	}
	return workflow.Read(files, func(p string) bool { _, ok := c.files[p]; return ok })
}

func (c *testCase) run(t *testing.T, rule *Rule) string {
	in := c.input(t)
	var out strings.Builder
	for _, f := range Run(in) {
		if f.Rule != rule.ID {
			continue
		}
		lines := func(p Place) string {
			src, _ := in.Read(p.Path)
			l := src.LinesFromSpan(p.Span)
			if l.First == l.Last {
				return fmt.Sprintf("%s:%d", p.Path, l.First)
			}
			return fmt.Sprintf("%s:%d-%d", p.Path, l.First, l.Last)
		}
		fmt.Fprintf(&out, "%s %s", f.Severity, lines(Place{f.Path, f.Span}))
		if f.Stage != "" {
			fmt.Fprintf(&out, " stage %s", f.Stage)
		}
		fmt.Fprintf(&out, " about %s", f.Subject)
		for _, r := range f.Related {
			fmt.Fprintf(&out, ", see %s", lines(r))
		}
		w := f.WordsFor(Reason(f.Withheld))
		fmt.Fprintf(&out, "\n%s / %s\n%s %s\n%s\n", f.Title, f.Here, w.Why, w.Advice, w.Done)
		if f.Withheld != "" {
			fmt.Fprintf(&out, "no edit: %s\n", f.Withheld)
		}
		if f.Unit != nil {
			if f.Withheld != "" {
				t.Error("an edit that is withheld")
			}
			changed := in.File.Source
			var err error
			if f.Unit.Path != "" {
				if changed, err = in.Read(f.Unit.Path); err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&out, "edit of %s\n", f.Unit.Path)
			}
			edited, err := source.Apply(changed.Data, f.Unit.Edits)
			if err != nil {
				t.Fatal(err)
			}
			out.WriteString(indent("| ", string(edited)))
			if len(f.Unit.Note) > 0 {
				fmt.Fprintf(&out, "note: %s\n", f.Unit.Note)
			}
			c.settles(t, f, changed.Path, edited)
		}
		if f.NewFile != nil {
			fmt.Fprintf(&out, "new file %s\n%s", f.NewFile.Path, indent("| ", f.NewFile.Text))
			c.settles(t, f, f.NewFile.Path, []byte(f.NewFile.Text))
		}
		out.WriteString("\n")
	}
	return strings.TrimSuffix(out.String(), "\n")
}

// settles runs the rules on what the edit makes: the finding must be gone and no other one there.
func (c *testCase) settles(t *testing.T, f Finding, changed string, edited []byte) {
	t.Helper()
	before := map[string]int{}
	for _, o := range Run(c.input(t)) {
		before[o.Rule+o.Subject]++
	}
	after := &testCase{name: c.name, files: map[string][]byte{}, build: c.build}
	for name, data := range c.files {
		after.files[name] = data
	}
	after.files[changed] = edited
	now := map[string]int{}
	for _, o := range Run(after.input(t)) {
		now[o.Rule+o.Subject]++
		if now[o.Rule+o.Subject] > before[o.Rule+o.Subject] {
			t.Errorf("the edit makes another finding: %s %s", o.Rule, o.Title)
		}
	}
	if now[f.Rule+f.Subject] >= before[f.Rule+f.Subject] {
		t.Errorf("the edit does not settle the finding:\n%s", edited)
	}
}

func indent(prefix, text string) string {
	var b strings.Builder
	for _, line := range strings.SplitAfter(text, "\n") {
		if line != "" {
			b.WriteString(strings.TrimRight(prefix+line, " \n") + "\n")
		}
	}
	return b.String()
}
