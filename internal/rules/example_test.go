package rules

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// The pull request that the documentation shows: two edits of three lines fit together, and two
// findings are words.
func TestTheDocumentedExample(t *testing.T) {
	c := &testCase{name: "example", files: map[string][]byte{
		"Dockerfile":       []byte("FROM python:3.11\nCOPY . /app\nWORKDIR /app\nRUN pip install -r requirements.txt\nCMD [\"python\", \"app.py\"]\n"),
		"requirements.txt": []byte("fastapi\n"),
		"app.py":           []byte("print(1)\n"),
	}}
	in := c.input(t)
	findings := Run(in)
	var edits []source.Edit
	var said []string
	for _, f := range findings {
		said = append(said, f.Rule+": "+f.Here.String()+" "+f.Advice.String())
		if f.Unit != nil {
			edits = append(edits, f.Unit.Edits...)
		}
	}
	want := []string{
		"copy-before-install: Every commit re-runs this install. Copy the requirements first and the rest after it.",
		"missing-dockerignore: No `.dockerignore` applies to this build, so `.git` and everything else goes along. Add an ignore file for what the image does not need.",
		"pip-cache-kept: This install leaves its downloads in the image. Keep them in a cache mount instead: `--mount=type=cache,target=/root/.cache/pip`.",
		"unpinned-requirement: `fastapi` is not pinned. Pin it, or install from a lock file.",
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("said (-want +got):\n%s", diff)
	}
	got, err := source.Apply(in.File.Source.Data, edits)
	if err != nil {
		t.Fatal(err)
	}
	edited := "FROM python:3.11\nCOPY requirements.txt /app/\nWORKDIR /app\nRUN --mount=type=cache,target=/root/.cache/pip pip install -r requirements.txt\nCOPY . /app\nCMD [\"python\", \"app.py\"]\n"
	if diff := cmp.Diff(edited, string(got)); diff != "" {
		t.Errorf("edited (-want +got):\n%s", diff)
	}
}

func TestManifests(t *testing.T) {
	c := &testCase{name: "manifests", files: map[string][]byte{
		"Dockerfile":            []byte("FROM node:22 AS ui\nCOPY ui/package.json /ui/\nRUN cd /ui && npm install\nFROM python:3.11\nCOPY . /app\nRUN pip install -r /app/requirements/prod.txt\n"),
		"requirements/prod.txt": []byte("-r base.txt\n-c ../constraints.txt\n"),
		"requirements/base.txt": []byte("flask\n"),
		"constraints.txt":       []byte("flask==3.0.0\n"),
		"ui/package.json":       []byte("{}\n"),
		"other.txt":             []byte("django\n"),
	}}
	in := c.input(t)
	want := []string{"constraints.txt", "requirements/base.txt", "requirements/prod.txt", "ui/package.json"}
	if diff := cmp.Diff(want, Manifests(in)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	// What is not fetched yet is asked for, one include after the other, and nothing is found wrong.
	asked := map[string]bool{}
	full := in.Read
	in.Read = func(p string) (*source.File, error) {
		if asked[p] {
			return full(p)
		}
		return nil, fmt.Errorf("read %s: %w", p, ErrNeeded)
	}
	need := in.Read
	for round := 0; round < 5; round++ {
		var now []string
		in.Read = func(p string) (*source.File, error) {
			f, err := need(p)
			if errors.Is(err, ErrNeeded) {
				now = append(now, p)
			}
			return f, err
		}
		Run(in)
		got := Manifests(in)
		if len(now) == 0 {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("after %d rounds (-want +got):\n%s", round, diff)
			}
			return
		}
		for _, p := range now {
			asked[p] = true
		}
	}
	t.Error("asks without end")
}

func TestRegisterRefuses(t *testing.T) {
	good := Rule{ID: "a-rule", Title: "T", Severity: config.SeverityInfo, What: "w", Why: "y",
		Sources: []Source{{"S", "https://example.org"}}, Check: func(*Pass) {}}
	for name, spoil := range map[string]func(*Rule){
		"no ID":         func(r *Rule) { r.ID = "" },
		"odd ID":        func(r *Rule) { r.ID = "Rule 1" },
		"taken ID":      func(r *Rule) { r.ID = All()[0].ID },
		"no title":      func(r *Rule) { r.Title = "" },
		"no severity":   func(r *Rule) { r.Severity = "bad" },
		"no reason":     func(r *Rule) { r.Why = "" },
		"no source":     func(r *Rule) { r.Sources = nil },
		"odd source":    func(r *Rule) { r.Sources = []Source{{"S", "example.org"}} },
		"checks nought": func(r *Rule) { r.Check = nil },
	} {
		t.Run(name, func(t *testing.T) {
			r := good
			spoil(&r)
			before := All()
			defer func() {
				if recover() == nil {
					t.Error("was registered")
				}
				if !slices.Equal(before, All()) {
					t.Error("is among the rules")
				}
			}()
			register(&r)
		})
	}
}

// Every rule has the twins that it says, and every setting is known to the configuration.
func TestSchemas(t *testing.T) {
	var layer strings.Builder
	layer.WriteString("version: 1\nrules:\n")
	for _, s := range Schemas() {
		fmt.Fprintf(&layer, "  %s:\n    severity: info\n", s.ID)
		for _, set := range s.Settings {
			fmt.Fprintf(&layer, "    %s: %v\n", set.Name, set.Default)
		}
	}
	if _, err := config.Parse("hitrate.yml", []byte(layer.String()), Schemas()); err != nil {
		t.Error(err)
	}
}

// FuzzRun looks for panics, for findings outside the file and for edits that do not apply.
func FuzzRun(f *testing.F) {
	for _, s := range []string{
		"FROM python:3.11\nCOPY . /app\nRUN pip install -r /app/requirements.txt\n",
		"FROM a AS b\nRUN apt-get update\nFROM b\nCOPY --from=b . .\nADD . .\nRUN apt-get install x; uv sync\n",
		"ARG A=1\nFROM $A\nONBUILD COPY [\"a b\", \".\"]\nONBUILD RUN pip install .\nRUN --mount=type=bind,target=. poetry install\n",
		"FROM python\n# hitrate ignore=unpinned-base x\nCOPY <<EOF /a\nx\nEOF\nRUN <<EOF\npip install flask\nEOF\n",
		"# escape=`\nFROM python:latest\nCOPY requirements.txt`\n .\nWORKDIR /x\nRUN python -m pip install `\n -r requirements.txt\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		src := source.New("Dockerfile", []byte(text))
		file, err := dockerfile.Parse(src)
		if err != nil {
			t.Skip()
		}
		files := map[string]string{"Dockerfile": text, "requirements.txt": text, "a/requirements.txt": "x\n./y\n-r ../requirements.txt\n", "pyproject.toml": text, "app.py": ""}
		var entries []buildcontext.Entry
		for name := range files {
			entries = append(entries, buildcontext.Entry{Path: name, Mode: "100644", Object: name})
		}
		read := func(p string) (*source.File, error) {
			if data, ok := files[p]; ok {
				return source.New(p, []byte(data)), nil
			}
			return nil, fs.ErrNotExist
		}
		build := buildcontext.Build{Dockerfile: "Dockerfile", Kind: buildcontext.Local, Context: "."}
		context, err := buildcontext.Open(buildcontext.NewTree(entries), build, func(string) ([]byte, error) { return nil, fs.ErrNotExist })
		if err != nil {
			t.Fatal(err)
		}
		in := Input{File: file, Context: context, Builds: []buildcontext.Build{build}, Config: config.Defaults(), Read: read}
		for _, f := range Run(in) {
			data, ok := files[f.Path]
			if !ok || f.Span.Start < 0 || f.Span.End > len(data) || f.Span.Start > f.Span.End {
				t.Errorf("%s at %v of %s", f.Rule, f.Span, f.Path)
			}
			if f.Unit != nil {
				if f.Withheld != "" {
					t.Errorf("%s has an edit and a reason against it", f.Rule)
				}
				if _, err := source.Apply(src.Data, f.Unit.Edits); err != nil {
					t.Errorf("%s: %v", f.Rule, err)
				}
			}
		}
		Manifests(in)
	})
}

// A Dockerfile that copies a large tree over and over, and stages that stand on each other, are
// read in bounded time.
func TestLargeInput(t *testing.T) {
	var text strings.Builder
	text.WriteString("FROM python:3.11 AS s0\n")
	for i := 0; i < 90; i++ {
		fmt.Fprintf(&text, "COPY . /d%d\nCOPY --from=s%d /d%d /e%d\nRUN pip install -r /e%d/requirements.txt && apt-get update\n", i, i, i, i, i)
		if i > 0 {
			fmt.Fprintf(&text, "FROM s%d AS s%d\n", i-1, i)
		}
	}
	c := &testCase{files: map[string][]byte{"Dockerfile": []byte(text.String()), "requirements.txt": []byte("flask\n")}}
	for i := 0; i < 5000; i++ {
		c.files[fmt.Sprintf("src/%d/file%d.py", i%100, i)] = nil
	}
	Run(c.input(t))
	Manifests(c.input(t))
}
