package checkout

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// TestComparable: a file of the work tree has the id of a commit's file where and only where they are
// equal, whatever its times are and whether git tracks it.
func TestComparable(t *testing.T) {
	for _, format := range []string{"sha1", "sha256"} {
		t.Run(format, func(t *testing.T) {
			dir, git := repository(t)
			if format == "sha256" {
				if err := os.RemoveAll(filepath.Join(dir, ".git")); err != nil {
					t.Fatal(err)
				}
				git("init", "-q", "-b", "main", "--object-format=sha256")
			}
			for _, name := range []string{"same", "touched", "changed", "staged", "gone"} {
				write(t, dir, name, name)
			}
			if err := os.Symlink("same", filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			git("add", ".")
			git("commit", "-q", "-m", "one")
			if err := os.Remove(filepath.Join(dir, "gone")); err != nil {
				t.Fatal(err)
			}
			write(t, dir, "touched", "touched")
			write(t, dir, "changed", "another")
			write(t, dir, "staged", "another")
			git("add", "staged")
			write(t, dir, "untracked", "same")
			if err := os.Remove(filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("changed", filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}

			c := open(t, dir)
			head, err := c.Resolve(t.Context(), "HEAD")
			if err != nil {
				t.Fatal(err)
			}
			commit, err := c.Commit(t.Context(), head)
			if err != nil {
				t.Fatal(err)
			}
			was := buildcontext.NewTree(commit)
			now, err := c.Comparable(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			same := was.Entries[3].Object
			got := map[string]string{}
			for _, e := range now {
				old, _ := was.Lookup(e.Path)
				switch e.Object {
				case old.Object:
					got[e.Path] = "equal"
				case same:
					got[e.Path] = "equal to same"
				default:
					got[e.Path] = "another"
				}
				text, err := c.Read(t.Context(), e)
				if want, _ := os.ReadFile(filepath.Join(dir, e.Path)); e.Link == "" && (err != nil || string(text) != string(want)) {
					t.Errorf("%s reads as %q, %v; want %q", e.Path, text, err, want)
				}
			}
			want := map[string]string{
				"same": "equal", "touched": "equal", "changed": "another", "staged": "another", "untracked": "equal to same", "link": "another",
			}
			if was.Entries[3].Path != "same" {
				t.Fatal(was.Entries)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestBare: a bare repository, and a .git, have commits and no work tree.
func TestBare(t *testing.T) {
	dir, git := repository(t)
	write(t, dir, "a", "text")
	git("add", ".")
	git("commit", "-q", "-m", "one")
	c := open(t, filepath.Join(dir, ".git"))
	head, err := c.Resolve(t.Context(), "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := c.Commit(t.Context(), head)
	if err != nil || len(tree) != 1 {
		t.Fatal(tree, err)
	}
	if text, err := c.Read(t.Context(), tree[0]); err != nil || string(text) != "text" {
		t.Errorf("%q %v", text, err)
	}
	if _, err := c.Read(t.Context(), buildcontext.Entry{Object: "0123456789012345678901234567890123456789"}); err == nil {
		t.Error("read what is not there")
	}
	if _, err := c.Comparable(t.Context(), nil); err == nil {
		t.Error("listed a work tree that is not there")
	}
}
