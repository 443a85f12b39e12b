package buildcontext

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// archive reads testdata: section names to texts, without the last newline.
func archive(t *testing.T, file string) map[string]string {
	t.Helper()
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, f := range a.Files {
		sections[f.Name] = strings.TrimSuffix(string(f.Data), "\n")
	}
	return sections
}

func each(t *testing.T, dir string, test func(t *testing.T, a map[string]string)) {
	files, err := filepath.Glob(filepath.Join("testdata", dir, "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { test(t, archive(t, file)) })
	}
}

// treeOf reads "path", "path -> link" and "path mode" lines.
func treeOf(text string) Tree {
	var entries []Entry
	for line := range strings.Lines(text) {
		name, link, isLink := strings.Cut(strings.TrimSuffix(line, "\n"), " ->")
		e := Entry{Path: name, Mode: ModeFile, Object: "blob of " + name}
		if p, isModule := strings.CutSuffix(name, " "+ModeSubmodule); isModule {
			e.Path, e.Mode = p, ModeSubmodule
		}
		if isLink {
			e.Mode, e.Link = ModeSymlink, strings.TrimSpace(link)
		}
		entries = append(entries, e)
	}
	return NewTree(entries)
}

func paths(t Tree) string {
	var out []string
	for _, e := range t.Entries {
		out = append(out, e.Path)
	}
	return strings.Join(out, "\n")
}

func TestIgnore(t *testing.T) {
	each(t, "ignore", func(t *testing.T, a map[string]string) {
		b := Build{Dockerfile: "Dockerfile", Kind: Local, Context: "."}
		tree := treeOf(a["tree"])
		for name := range a {
			if strings.HasSuffix(name, ".dockerignore") {
				tree = NewTree(append(tree.Entries, Entry{Path: name, Mode: ModeFile}))
			}
		}
		if d := a["dockerfile"]; d != "" {
			b.Dockerfile = d
		}
		if d := a["context"]; d != "" {
			b.Context = d
		}
		if a["kind"] == "git" {
			b.Kind = Git
		}
		c, err := Open(tree, b, func(path string) ([]byte, error) { return []byte(a[path]), nil })
		if want := a["error"]; want != "" {
			var bad *IgnoreError
			if !errors.As(err, &bad) || err.Error() != want {
				t.Fatalf("error %v, want %s", err, want)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		kept := strings.ReplaceAll("\n"+paths(c.Tree)+"\n", "\n.dockerignore\n", "\n")
		want := strings.ReplaceAll("\n"+a["kept"]+"\n", "\n.dockerignore\n", "\n")
		if diff := cmp.Diff(want, kept); diff != "" {
			t.Error(diff)
		}
		for _, line := range strings.Fields(strings.ReplaceAll(a["ignored"], ": ", ":")) {
			p, want, _ := strings.Cut(line, ":")
			if got := fmt.Sprint(c.Ignored(p)); got != want {
				t.Errorf("Ignored(%q) = %s", p, got)
			}
		}
	})
}

func TestMatch(t *testing.T) {
	each(t, "match", func(t *testing.T, a map[string]string) {
		c, err := Open(treeOf(a["tree"]), Build{Dockerfile: "Dockerfile", Kind: Local, Context: "."}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(a["match"]) {
			src, want, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ":")
			files, whole := c.Match(src)
			got := ""
			if whole {
				got = "/"
			}
			for _, f := range files {
				got += " " + f
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", src, diff)
			}
		}
	})
}

func TestCaveats(t *testing.T) {
	each(t, "caveats", func(t *testing.T, a map[string]string) {
		b := Build{Dockerfile: "Dockerfile", Kind: Local, Context: a["context"]}
		if a["kind"] == "git" {
			b.Kind = Git
		}
		for line := range strings.Lines(a["made"]) {
			b.Made = append(b.Made, Made{Path: strings.TrimSpace(line), By: "make", Place: "ci.yml, line 1"})
		}
		tree := treeOf(a["tree"])
		for name := range a {
			if base := path.Base(name); base == ".dockerignore" || base == ".gitattributes" {
				tree = NewTree(append(tree.Entries, Entry{Path: name, Mode: ModeFile}))
			}
		}
		read := func(p string) ([]byte, error) { return []byte(a[p]), nil }
		c, err := Open(tree, b, read)
		if err != nil {
			t.Fatal(err)
		}
		caveats, err := c.Caveats(tree, read)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for _, one := range caveats {
			got += fmt.Sprintf("%s: %s\n    %s\n", one.Kind, one.Text, strings.Join(one.Paths, ", "))
		}
		got = strings.TrimSuffix(got, "\n")
		if diff := cmp.Diff(a["caveats"], got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

func TestTree(t *testing.T) {
	tree := NewTree([]Entry{
		{Path: "b", Object: "first"}, {Path: "a/x"}, {Path: "a-b"}, {Path: "a0"}, {Path: "b", Object: "last"},
	})
	if got := paths(tree); got != "a-b\na/x\na0\nb" {
		t.Errorf("entries %q", got)
	}
	if e, ok := tree.Lookup("b"); !ok || e.Object != "last" {
		t.Errorf("Lookup(b) = %v, %v", e, ok)
	}
	for p, want := range map[string]bool{".": true, "": true, "a": true, "a-b": false, "b": false, "a/x": false, "c": false} {
		if tree.IsDir(p) != want {
			t.Errorf("IsDir(%q) = %v", p, !want)
		}
	}
	if NewTree(nil).IsDir(".") {
		t.Error("an empty tree has no directory")
	}
}

func TestRepoPath(t *testing.T) {
	c := &Context{Build: Build{Context: "services/api"}}
	for in, want := range map[string]string{"x": "services/api/x", "./x/": "services/api/x", ".": "services/api", "../x": "services/api/x"} {
		if got := c.RepoPath(in); got != want {
			t.Errorf("RepoPath(%q) = %q, want %q", in, got, want)
		}
	}
}

// An error of read is seen by the caller: it asks for the blob and comes again.
func TestOpenPassesErrorsOn(t *testing.T) {
	tree := treeOf(".dockerignore\na")
	_, err := Open(tree, Build{Dockerfile: "Dockerfile", Context: "."}, func(string) ([]byte, error) { return nil, fs.ErrPermission })
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v", err)
	}
}

func TestIgnoreLimits(t *testing.T) {
	many := strings.Repeat("x*\n", maxIgnorePatterns+1)
	for name, text := range map[string]string{
		"bytes":    strings.Repeat("#", maxIgnoreBytes+1),
		"patterns": many,
		"pattern":  strings.Repeat("x", maxPath+1),
	} {
		if _, err := parseIgnore(".dockerignore", []byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	var entries []Entry
	for i := range 20000 {
		entries = append(entries, Entry{Path: strings.Repeat("d/", 100) + strings.Repeat("a", 100) + fmt.Sprint(i)})
	}
	ig, err := parseIgnore(".dockerignore", []byte(strings.Repeat(strings.Repeat("*a", 100)+"b\n", 1000)))
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = ig.filter(NewTree(entries))
	var bad *IgnoreError
	if !errors.As(err, &bad) || !strings.Contains(bad.Message, "costs more") {
		t.Errorf("error %v", err)
	}
}

func FuzzIgnore(f *testing.F) {
	f.Add("*\n!a/b\n", "a/b/c")
	f.Add("/x/**\n[a-z\n", "x/y")
	f.Add("**/*.pyc\n!", "\x00/..//")
	f.Fuzz(func(t *testing.T, text, p string) {
		tree := NewTree([]Entry{{Path: p, Mode: ModeFile}, {Path: path.Join(p, "x"), Mode: ModeSymlink, Link: text}, {Path: ".dockerignore"}})
		c, err := Open(tree, Build{Dockerfile: "Dockerfile", Context: "."}, func(string) ([]byte, error) { return []byte(text), nil })
		if err != nil {
			return
		}
		c.Ignored(p)
		for _, e := range c.All.Entries {
			// One path is judged alone as it is among the others.
			if _, kept := c.Tree.Lookup(e.Path); e.Path != "" && clean(e.Path) == e.Path && e.Path != "" && kept == c.Ignored(e.Path) {
				t.Errorf("Ignored(%q) is %v, and the tree has it: %v", e.Path, c.Ignored(e.Path), kept)
			}
		}
		files, _ := c.Match(text)
		for _, file := range files {
			if _, found := c.Tree.Lookup(file); !found {
				t.Errorf("Match(%q) returned %q, which is not in the context", text, file)
			}
		}
	})
}
