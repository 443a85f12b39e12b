package buildcontext

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// within fails a test that takes long: the limits here are some twenty times what is measured on an idle
// machine.
func within(t *testing.T, limit time.Duration, what string, f func()) {
	t.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took > limit {
		t.Errorf("%s took %s", what, took)
	}
}

func TestHundredThousandEntries(t *testing.T) {
	var entries []Entry
	for i := range 100_000 {
		entries = append(entries, Entry{Path: fmt.Sprintf("src/%d/%d/module%d.py", i%10, i%1000, i), Mode: ModeFile, Object: fmt.Sprint(i)})
	}
	entries = append(entries, Entry{Path: ".dockerignore", Mode: ModeFile}, Entry{Path: ".gitattributes", Mode: ModeFile})
	tree := NewTree(entries)
	texts := map[string]string{".dockerignore": "src/1\n**/*.pyc\n!src/1/1\n*/2/*/module1*\n", ".gitattributes": "*.bin filter=lfs\nsrc/3/** eol=crlf\n"}
	read := func(p string) ([]byte, error) { return []byte(texts[p]), nil }
	within(t, 5*time.Minute, "opening", func() {
		c, err := Open(tree, Build{Dockerfile: "Dockerfile", Kind: Local, Context: ".", Contexts: map[string]string{"src": "./src"}}, read)
		if err != nil {
			t.Fatal(err)
		}
		if files, whole := c.Match("src"); !whole || len(files) < 80_000 {
			t.Errorf("%d files", len(files))
		}
		if files, _ := c.Match("src/*/7*/*9.py"); len(files) == 0 {
			t.Error("the wildcard matches nothing")
		}
		caveats, err := c.Caveats(tree, read)
		if err != nil || len(caveats) != 1 || len(caveats[0].Paths) != maxCaveatPaths || caveats[0].More != 10_000-maxCaveatPaths {
			t.Errorf("%v, %d caveats", err, len(caveats))
		}
	})
}

func TestPathologicalIgnorePatterns(t *testing.T) {
	var entries []Entry
	for i := range 60 {
		entries = append(entries, Entry{Path: strings.Repeat("a/", 60) + strings.Repeat("a", 60) + fmt.Sprint(i), Mode: ModeFile})
	}
	tree := NewTree(append(entries, Entry{Path: ".dockerignore", Mode: ModeFile}))
	for name, text := range map[string]string{
		"stars":      strings.Repeat("**/a*a*a*a*a*a*a*a*a*b\n", 200),
		"exceptions": strings.Repeat("*\n!**/a/**/b\n", 200),
		"classes":    strings.Repeat("["+strings.Repeat("a-z", 500)+"]*\n", 100),
		"depth":      strings.Repeat(strings.Repeat("*/", 100)+"x\n", 100),
	} {
		t.Run(name, func(t *testing.T) {
			within(t, 5*time.Minute, "opening", func() {
				_, err := Open(tree, Build{Dockerfile: "Dockerfile", Kind: Local, Context: "."}, func(string) ([]byte, error) { return []byte(text), nil })
				var refused *IgnoreError
				if err != nil && !errors.As(err, &refused) {
					t.Error(err)
				}
			})
		})
	}
}

func TestSymlinkLoops(t *testing.T) {
	tree := treeOf("a -> b\nb -> a\nself -> self\ndir/up -> ..\ndir/x\nfar -> dir/up/dir/up/dir/up/far\n.dockerignore -> a\nDockerfile.dockerignore -> nowhere")
	c, err := Open(tree, Build{Dockerfile: "Dockerfile", Kind: Local, Context: "."}, func(string) ([]byte, error) { return nil, errors.New("read") })
	if err != nil || c.IgnoreFile != "" {
		t.Errorf("%v, ignore file %q", err, c.IgnoreFile)
	}
	for _, source := range []string{"a", "self/x", "far", "a/*", "dir/up/dir/up/dir/up/self"} {
		within(t, time.Minute, source, func() {
			if files, _ := c.Match(source); len(files) > 1 {
				t.Errorf("%s: %v", source, files)
			}
		})
	}
	if files, _ := c.Match("dir/up/dir/x"); len(files) != 1 {
		t.Errorf("a link to the directory above is followed inside: %v", files)
	}
}

// No path of a build, of a source or of a link leads out of the repository.
func TestPathsThatLeaveTheRepository(t *testing.T) {
	tree := treeOf("app/file\nsecret\napp/out -> ../../../secret\napp/absolute -> /secret")
	read := func(p string) ([]byte, error) { return nil, fmt.Errorf("read of %s", p) }
	c, err := Open(tree, Build{Dockerfile: "../../etc/Dockerfile", Kind: Local, Context: "../../app", Contexts: map[string]string{"out": "../..", "etc": "/etc"}}, read)
	if err != nil {
		t.Fatal(err)
	}
	got := paths(c.Tree)
	if diff := cmp.Diff("absolute\nfile\nout", got); diff != "" {
		t.Error(diff)
	}
	for _, source := range []string{"../secret", "/../../secret", "out", "absolute"} {
		files, _ := c.Match(source)
		for _, f := range files {
			if f == "secret" || strings.Contains(f, "..") {
				t.Errorf("%s: %v", source, files)
			}
		}
	}
	if n := len(c.Named["etc"].Tree.Entries); n != 0 {
		t.Errorf("/etc has %d files", n)
	}
	if n := len(c.Named["out"].Tree.Entries); n != 4 {
		t.Errorf("a context above the repository is its root: %d files", n)
	}
}

func TestManyNamedContexts(t *testing.T) {
	contexts := map[string]string{}
	for i := range maxContexts + 1 {
		contexts[fmt.Sprint("c", i)] = "./app"
	}
	if _, err := Open(treeOf("app/x"), Build{Dockerfile: "Dockerfile", Kind: Local, Context: ".", Contexts: contexts}, nil); err == nil {
		t.Error("no error")
	}
}
