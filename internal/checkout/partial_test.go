package checkout

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPartialClone: a clone without contents lists its commits, and says what to do where texts are needed that
// it lacks; it fetches nothing by itself.
func TestPartialClone(t *testing.T) {
	dir, git := repository(t)
	write(t, dir, "Dockerfile", "FROM debian:12\n")
	write(t, dir, "app.py", "print(1)\n")
	git("add", ".")
	git("commit", "-qm", "one")
	write(t, dir, "app.py", "print(2)\n")
	git("commit", "-qam", "two")
	git("config", "uploadpack.allowFilter", "true")
	clone := filepath.Join(t.TempDir(), "clone")
	git("clone", "-q", "--filter=blob:none", "file://"+dir, clone)

	c := open(t, clone)
	base, err := c.Resolve(t.Context(), "HEAD~1")
	if err != nil {
		t.Fatal(err)
	}
	head, err := c.Resolve(t.Context(), "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := c.Commit(t.Context(), base)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"100644 Dockerfile", "100644 app.py"}, paths(entries)); diff != "" {
		t.Errorf("the base's files (-want +got):\n%s", diff)
	}
	_, err = c.Diff(t.Context(), base, head)
	want := `"git diff ` + base + " " + head + `" fetches them`
	if err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Fatalf("got %v, want it to end with %s", err, want)
	}
	git("-C", clone, "diff", base, head)
	files, err := c.Diff(t.Context(), base, head)
	if err != nil || len(files) != 1 || files[0].Path != "app.py" {
		t.Errorf("got %v and %v after the fetch", files, err)
	}
}

func TestNoCommonCommit(t *testing.T) {
	dir, git := repository(t)
	write(t, dir, "a", "a")
	git("add", ".")
	git("commit", "-qm", "one")
	git("checkout", "-q", "--orphan", "other")
	git("commit", "-qm", "another one")
	c := open(t, dir)
	if _, err := c.MergeBase(t.Context(), "main", "other"); err == nil || !strings.Contains(err.Error(), "no commit in common") {
		t.Errorf("got %v", err)
	}
}
