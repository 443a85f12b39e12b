package buildcache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// checkout is one commit of a test: the files below a folder of an archive. The object id of a file
// is its text. A first line "-> TARGET" makes a symlink.
func checkout(archive *txtar.Archive, folder string) buildcontext.Tree {
	var entries []buildcontext.Entry
	for _, f := range archive.Files {
		p, below := strings.CutPrefix(f.Name, folder+"/")
		if !below {
			continue
		}
		e := buildcontext.Entry{Path: p, Mode: buildcontext.ModeFile, Object: string(f.Data)}
		if target, isLink := strings.CutPrefix(e.Object, "-> "); isLink {
			e.Mode, e.Link = buildcontext.ModeSymlink, strings.TrimSpace(target)
		}
		entries = append(entries, e)
	}
	return buildcontext.NewTree(entries)
}

// keysOf compiles the Dockerfile of a tree for a build with named contexts.
func keysOf(t testing.TB, tree buildcontext.Tree, contexts map[string]string) (*Plan, []Key, error) {
	t.Helper()
	read := func(p string) ([]byte, error) {
		e, _ := tree.Lookup(p)
		return []byte(e.Object), nil
	}
	e, found := tree.Lookup("Dockerfile")
	if !found {
		t.Fatal("no Dockerfile")
	}
	plan, err := Compile(t.Context(), Inputs{File: parse(t, e.Object), Contexts: contexts})
	if err != nil {
		t.Fatal(err)
	}
	c, err := buildcontext.Open(tree, buildcontext.Build{Dockerfile: "Dockerfile", Context: ".", Kind: buildcontext.Local, Contexts: contexts}, read)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := plan.Keys(c)
	return plan, keys, err
}

// contexts reads the named contexts of an archive, NAME=VALUE lines.
func contexts(archive *txtar.Archive) map[string]string {
	all := map[string]string{}
	for _, f := range archive.Files {
		if f.Name == "contexts" {
			for line := range strings.Lines(string(f.Data)) {
				name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
				all[name] = value
			}
		}
	}
	return all
}

// TestPredict predicts the build of the folder "after" with a cache that holds the build of "before"
// (and then that of "between", where there is one), with named "contexts". UPDATE=1 writes what came out into "want". What
// the real daemon does with such changes is compared in the module lab.
func TestPredict(t *testing.T) {
	files, err := filepath.Glob("testdata/predict/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			var seen Seen
			for _, folder := range []string{"before", "between"} {
				tree := checkout(archive, folder)
				if len(tree.Entries) == 0 {
					continue
				}
				_, keys, err := keysOf(t, tree, contexts(archive))
				if err != nil {
					t.Fatal(err)
				}
				seen.Add(keys)
			}
			got := ""
			plan, keys, err := keysOf(t, checkout(archive, "after"), contexts(archive))
			if err != nil {
				got = err.Error() + "\n"
			}
			for i, p := range Predict(keys, &seen) {
				s := plan.Steps[i]
				got += strings.TrimRight(fmt.Sprintf("%-7s %s: %s", p.State, s.Instruction, p.Cause), ": ") + "\n"
			}
			last := &archive.Files[len(archive.Files)-1]
			if os.Getenv("UPDATE") == "1" {
				last.Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(last.Data), got); last.Name != "want" || diff != "" {
				t.Errorf("want (UPDATE=1 accepts it):\n%s", diff)
			}
		})
	}
}

func TestMissingSource(t *testing.T) {
	tree := buildcontext.NewTree([]buildcontext.Entry{{Path: "Dockerfile", Mode: buildcontext.ModeFile, Object: "FROM a\nRUN x\nCOPY b c /d/\n"}, {Path: "b"}})
	_, _, err := keysOf(t, tree, nil)
	want := &MissingSourceError{Path: "Dockerfile", Lines: source.Lines{First: 3, Last: 3}, Source: "/c"}
	var got *MissingSourceError
	if !errors.As(err, &got) || *got != *want {
		t.Errorf("error %v, want %v", err, want)
	}
}

func TestMissingBehindLinks(t *testing.T) {
	for _, test := range []struct {
		source, link string
		want         MissingSourceError
	}{
		{"p", "../out/p", MissingSourceError{Source: "/p", Link: "p", To: "../out/p", Target: "out/p", Outside: true}},
		{"p/x", "a/../../b", MissingSourceError{Source: "/p/x", Link: "p", To: "a/../../b", Target: "b/x", Outside: true}},
		{"p", "/etc/passwd", MissingSourceError{Source: "/p", Link: "p", To: "/etc/passwd", Target: "etc/passwd", Outside: true}},
		{"p", "a/../b", MissingSourceError{Source: "/p", Link: "p", To: "a/../b", Target: "b"}},
		{"../../etc/passwd", "b", MissingSourceError{Source: "/etc/passwd"}},
		// As the daemon does, also where an exclude leaves the link out: the copy follows it first.
		{"--exclude=* p", "b", MissingSourceError{Source: "/p", Link: "p", To: "b", Target: "b"}},
		{"--exclude=*.md p", "b", MissingSourceError{Source: "/p", Link: "p", To: "b", Target: "b"}},
	} {
		tree := buildcontext.NewTree([]buildcontext.Entry{
			{Path: "Dockerfile", Mode: buildcontext.ModeFile, Object: "FROM a\nCOPY " + test.source + " /d/\n"},
			{Path: "p", Mode: buildcontext.ModeSymlink, Object: test.link, Link: test.link},
		})
		_, _, err := keysOf(t, tree, nil)
		test.want.Path, test.want.Lines = "Dockerfile", source.Lines{First: 2, Last: 2}
		var got *MissingSourceError
		if !errors.As(err, &got) || *got != test.want {
			t.Errorf("COPY %s, p a link to %s: error %+v, want %+v", test.source, test.link, err, test.want)
		}
	}
}

// FuzzPlan: whatever a build is, after it nothing of it runs again; and with an empty cache
// everything does.
func FuzzPlan(f *testing.F) {
	f.Add("FROM a\nCOPY . /x\nRUN y\n", "a/b", "", "*.md\n!a")
	f.Add("FROM a AS b\nADD --chown=x https://example.com/f /f\nCOPY --parents --exclude=*.c **/b* l /d/\nFROM scratch\nCOPY --from=b / /\n", "a/b.c", "../a", "")
	f.Add("FROM a@sha256:1111111111111111111111111111111111111111111111111111111111111111\nRUN --mount=source=l,target=/m --mount=type=cache,target=/c,uid=1 z\nCOPY <<E /\nE\n", "l", "l", "a/**")
	f.Fuzz(func(t *testing.T, text, name, link, ignore string) {
		plan := compileOrSkip(t, text)
		tree := buildcontext.NewTree([]buildcontext.Entry{
			{Path: "Dockerfile", Mode: buildcontext.ModeFile, Object: text},
			{Path: ".dockerignore", Mode: buildcontext.ModeFile, Object: ignore},
			{Path: name, Mode: buildcontext.ModeFile, Object: "1"},
			{Path: "l", Mode: buildcontext.ModeSymlink, Link: link, Object: link},
		})
		c, err := buildcontext.Open(tree, buildcontext.Build{Dockerfile: "Dockerfile", Context: "."}, func(string) ([]byte, error) { return []byte(ignore), nil })
		if err != nil {
			t.Skip("BuildKit refuses the ignore file")
		}
		keys, err := plan.Keys(c)
		if err != nil {
			t.Skip("the build would fail")
		}
		var seen Seen
		for i, p := range Predict(keys, &seen) {
			if p.State != Rebuilt || p.Cause == "" {
				t.Errorf("empty cache: %s is %s (%s)", plan.Steps[i].Instruction, p.State, p.Cause)
			}
		}
		seen.Add(keys)
		remote := strings.Contains(text, "ADD")
		for i, p := range Predict(keys, &seen) {
			if p.State != Cached && (!remote || p.State != Maybe) {
				t.Errorf("built again: %s is %s (%s)", plan.Steps[i].Instruction, p.State, p.Cause)
			}
		}
	})
}

func compileOrSkip(t *testing.T, text string) *Plan {
	t.Helper()
	file, err := dockerfile.Parse(source.New("Dockerfile", []byte(text)))
	if err != nil {
		t.Skip()
	}
	plan, err := Compile(t.Context(), Inputs{File: file})
	if err != nil {
		t.Skip()
	}
	return plan
}
