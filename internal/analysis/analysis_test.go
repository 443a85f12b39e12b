package analysis_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// repository is a small tree. Paths that end with "@" are symbolic links, their text is the target.
type repository struct {
	tree  []buildcontext.Entry
	texts map[string][]byte
}

func newRepository(files map[string]string) repository {
	r := repository{texts: map[string][]byte{}}
	for p, text := range files {
		object := fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:40]
		e := buildcontext.Entry{Path: p, Mode: buildcontext.ModeFile, Object: object}
		if link, ok := strings.CutSuffix(p, "@"); ok {
			e.Path, e.Mode, e.Link = link, buildcontext.ModeSymlink, strings.TrimSpace(text)
		}
		r.tree = append(r.tree, e)
		r.texts[object] = []byte(text)
	}
	slices.SortFunc(r.tree, func(a, b buildcontext.Entry) int { return strings.Compare(a.Path, b.Path) })
	return r
}

// analyse runs the request over its rounds as serve does: what crosses a process's border is JSON. The
// command line, which reads as it goes and looks at several files at a time, has to find the same.
func (r repository) analyse(t testing.TB, req analysis.Request) analysis.Report {
	t.Helper()
	req.Tree = r.tree
	read := func(_ context.Context, e buildcontext.Entry) ([]byte, error) { return r.texts[e.Object], nil }
	report, err := analysis.Complete(t.Context(), throughJSON(t), req, read)
	if err != nil {
		t.Fatal(err)
	}
	var same analysis.Request
	copyJSON(t, req, &same)
	found, err := analysis.Local{Read: read, Workers: analysis.NewWorkers(3)}.Run(t.Context(), same)
	if err != nil {
		t.Fatal(err)
	}
	var local analysis.Report
	copyJSON(t, found, &local)
	if diff := cmp.Diff(report, local); diff != "" {
		t.Errorf("another report where texts are read as they are needed (-rounds +local):\n%s", diff)
	}
	return report
}

func throughJSON(t testing.TB) analysis.Func {
	return func(ctx context.Context, req analysis.Request) (analysis.Report, error) {
		var request analysis.Request
		var report analysis.Report
		copyJSON(t, req, &request)
		copyJSON(t, analysis.Run(ctx, request), &report)
		return report, nil
	}
}

func copyJSON(t testing.TB, from, to any) {
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestRepositories runs whole small repositories. In an archive, "report" is what is expected; lines
// of the comment that begin with "changed:" and "dockerfiles:" are the request; all else is the tree.
// UPDATE=1 writes the reports.
func TestRepositories(t *testing.T) {
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
			want := ""
			for _, f := range archive.Files {
				text := strings.ReplaceAll(strings.ReplaceAll(string(f.Data), "␍", "\r"), "␀", "\x00")
				if f.Name == "report" {
					want = string(f.Data)
					continue
				}
				files[f.Name] = strings.TrimSuffix(text, "␄\n")
			}
			repo := newRepository(files)
			req := analysis.Request{Config: config.Defaults()}
			if text, ok := files[config.RepositoryPath]; ok {
				layer, err := config.Parse(config.RepositoryPath, []byte(text), rules.Schemas())
				if err != nil {
					t.Fatal(err)
				}
				req.Config = config.Effective(layer)
			}
			for line := range strings.Lines(string(archive.Comment)) {
				if rest, ok := strings.CutPrefix(line, "changed:"); ok {
					req.Changed = append([]string{}, strings.Fields(rest)...)
				}
				if rest, ok := strings.CutPrefix(line, "dockerfiles:"); ok {
					req.Dockerfiles = append([]string{}, strings.Fields(rest)...)
				}
			}
			report := repo.analyse(t, req)
			got := describe(report)
			if os.Getenv("UPDATE") != "" {
				update(t, name, archive, got)
			} else if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("report (-want +got):\n%s\nrun with UPDATE=1 to write it", diff)
			}
			checkApplied(t, files, req, report)
		})
	}
}

func update(t *testing.T, name string, archive *txtar.Archive, report string) {
	archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return f.Name == "report" })
	archive.Files = append(archive.Files, txtar.File{Name: "report", Data: []byte(report)})
	if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// checkApplied runs the tool on its own output: with all suggestions made, the findings that they
// settle are gone, the others are there, and nothing new is.
func checkApplied(t *testing.T, files map[string]string, req analysis.Request, report analysis.Report) {
	t.Helper()
	if len(report.Suggestions) == 0 {
		return
	}
	fixed := map[string]string{}
	for p, text := range files {
		fixed[p] = apply(p, text, report.Suggestions)
	}
	settled := map[string]int{}
	for i, f := range report.Findings {
		if f.Suggestion < 0 {
			settled[identity(f)]++
		}
		if f.Suggestion >= 0 && !slices.Contains(report.Suggestions[f.Suggestion].Findings, i) {
			t.Errorf("finding %d names suggestion %d, which does not name it", i, f.Suggestion)
		}
	}
	again := newRepository(fixed).analyse(t, req)
	for _, f := range again.Findings {
		settled[identity(f)]--
	}
	for id, n := range settled {
		if n != 0 {
			t.Errorf("after the suggestions were made: %+d of finding %s", -n, id)
		}
	}
	if diff := cmp.Diff(report.Errors, again.Errors); diff != "" {
		t.Errorf("errors after the suggestions were made (-before +after):\n%s", diff)
	}
}

func identity(f analysis.Finding) string {
	return strings.Join([]string{f.Rule, f.Path, f.Stage, f.Subject}, "|")
}

// apply replaces whole lines, as GitHub does it.
func apply(p, text string, suggestions []analysis.Suggestion) string {
	lines := strings.SplitAfter(text, "\n")
	for _, s := range slices.Backward(suggestions) {
		if s.Path != p {
			continue
		}
		last := lines[s.Lines.Last-1]
		var with []string
		if s.Replacement != "" {
			replacement := s.Replacement
			if strings.HasSuffix(last, "\n") {
				replacement += "\n"
			}
			with = []string{replacement}
		}
		lines = slices.Replace(lines, s.Lines.First-1, s.Lines.Last, with...)
	}
	return strings.Join(lines, "")
}

func describe(r analysis.Report) string {
	var b strings.Builder
	for i, f := range r.Findings {
		fmt.Fprintf(&b, "%d %s %s:%s %s", i, f.Severity, f.Path, span(f.Lines), f.Rule)
		fmt.Fprintf(&b, " [%s]", strings.Join([]string{f.Stage, f.Subject}, " · "))
		if f.Ordinal > 0 {
			fmt.Fprintf(&b, " #%d", f.Ordinal)
		}
		if f.Path != f.Dockerfile {
			fmt.Fprintf(&b, " of %s", f.Dockerfile)
		}
		switch {
		case f.Suggestion >= 0:
			fmt.Fprintf(&b, " → %d", f.Suggestion)
		case f.Withheld != "":
			fmt.Fprintf(&b, " → withheld: %s", f.Withheld)
		}
		b.WriteByte('\n')
	}
	for i, s := range r.Suggestions {
		fmt.Fprintf(&b, "suggestion %d: %s:%s", i, s.Path, span(s.Lines))
		for _, f := range s.Findings {
			fmt.Fprintf(&b, " %s", r.Findings[f].Rule)
		}
		b.WriteByte('\n')
		for line := range strings.SplitSeq(s.Replacement, "\n") {
			fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(line, "\r", "␍"))
		}
	}
	for _, p := range r.Errors {
		fmt.Fprintf(&b, "error %s:%d: %s\n", p.Path, p.Line, p.Message)
	}
	for _, p := range r.Skipped {
		fmt.Fprintf(&b, "skipped %s:%d: %s\n", p.Path, p.Line, p.Message)
	}
	for _, d := range r.Dockerfiles {
		fmt.Fprintf(&b, "looked at %s", d.Path)
		for _, build := range d.Builds {
			fmt.Fprintf(&b, " (%s %s %s)", build.Kind, path.Join(build.Context, "."), build.Target)
		}
		fmt.Fprintf(&b, " ignore=%s manifests=%s\n", d.IgnoreFile, strings.Join(d.Manifests, ","))
	}
	return b.String()
}

func span(l source.Lines) string {
	if l.First == l.Last {
		return fmt.Sprint(l.First)
	}
	return fmt.Sprintf("%d-%d", l.First, l.Last)
}
