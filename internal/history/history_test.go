package history

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// gitIn runs git in a directory and returns what it prints.
func gitIn(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.com",
		"GIT_AUTHOR_DATE=2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2026-01-01T00:00:00Z")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func newRepository(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	gitIn(t, dir, "init", "-q", "-b", "main")
	return dir
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func commit(t testing.TB, dir, message string) {
	t.Helper()
	gitIn(t, dir, "add", "-A")
	gitIn(t, dir, "commit", "-q", "--allow-empty", "-m", message)
}

// sample is a repository with a root, an edit with a new mode and a link, a rename, a merge of two commits
// of a branch, an empty commit, and a deletion.
func sample(t testing.TB) string {
	t.Helper()
	dir := newRepository(t)
	write(t, dir, "a.txt", "one\n")
	write(t, dir, "dir/with space\nand line.txt", "two\n")
	commit(t, dir, "root")
	write(t, dir, "a.txt", "1\n")
	if err := os.Chmod(filepath.Join(dir, "a.txt"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("dir/b", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	commit(t, dir, "mode and link")
	gitIn(t, dir, "mv", "dir/with space\nand line.txt", "dir/b")
	commit(t, dir, "rename")
	gitIn(t, dir, "switch", "-q", "-c", "side")
	write(t, dir, "side1", "1\n")
	commit(t, dir, "side 1")
	write(t, dir, "side2", "2\n")
	commit(t, dir, "side 2")
	gitIn(t, dir, "switch", "-q", "main")
	gitIn(t, dir, "merge", "-q", "--no-ff", "-m", "merge", "side")
	commit(t, dir, "nothing")
	gitIn(t, dir, "rm", "-q", "link")
	commit(t, dir, "delete")
	return dir
}

// text is a history for people.
func text(h *buildcontext.History) string {
	var b strings.Builder
	show := func(e buildcontext.Entry) string {
		if e.Mode == "" {
			return "-"
		}
		s := fmt.Sprintf("%s %q %.4s", e.Mode, e.Path, e.Object)
		if e.Link != "" {
			s += " -> " + e.Link
		}
		return s
	}
	for _, e := range h.Tree {
		_, _ = fmt.Fprintln(&b, show(e))
	}
	for i, c := range h.Commits {
		_, _ = fmt.Fprintf(&b, "commit %d\n", i)
		for _, change := range c.Changes {
			_, _ = fmt.Fprintf(&b, "  %s => %s\n", show(change.Old), show(change.New))
		}
	}
	return b.String()
}

const sampleText = `100755 "a.txt" d004
100644 "dir/b" f719
100644 "side1" d004
100644 "side2" 0cfb
commit 0
  120000 "link" ceb8 -> dir/b => -
commit 1
commit 2
  - => 100644 "side1" d004
  - => 100644 "side2" 0cfb
commit 3
  - => 100644 "dir/b" f719
  100644 "dir/with space\nand line.txt" f719 => -
commit 4
  100644 "a.txt" 5626 => 100755 "a.txt" d004
  - => 120000 "link" ceb8 -> dir/b
`

// Renames are two changes, a merge is what it brought to its first parent, an empty commit is one, and the
// root is where the history begins.
func TestLocal(t *testing.T) {
	dir := sample(t)
	for _, at := range []string{dir, filepath.Join(dir, ".git")} {
		h, err := Local(t.Context(), at, "main", 200)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(sampleText, text(h)); diff != "" {
			t.Error(diff)
		}
		if want := gitIn(t, dir, "rev-parse", "main"); h.Commits[0].ID != want || h.Branch != "main" {
			t.Errorf("newest commit %s of %s, want %s of main", h.Commits[0].ID, h.Branch, want)
		}
	}
}

// The last commit of a shallow clone has no parent there: it did not add every file.
func TestLocalShallow(t *testing.T) {
	dir := sample(t)
	shallow := filepath.Join(t.TempDir(), "shallow")
	gitIn(t, dir, "clone", "-q", "--depth=3", "file://"+dir, shallow)
	h, err := Local(t.Context(), shallow, "HEAD", 200)
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Commits) != 2 || len(h.Commits[0].Changes) != 1 || len(h.Commits[1].Changes) != 0 || len(h.Tree) != 4 {
		t.Errorf("history:\n%s", text(h))
	}
}

func TestLocalErrors(t *testing.T) {
	dir := sample(t)
	for _, rev := range []string{"gone", "--output=x", "", "main --all", "main:a.txt"} {
		if h, err := Local(t.Context(), dir, rev, 200); err == nil {
			t.Errorf("%q has the history\n%s", rev, text(h))
		}
	}
	if _, err := Local(t.Context(), t.TempDir(), "main", 200); err == nil || !strings.Contains(err.Error(), "not a git repository") {
		t.Errorf("error %v", err)
	}
}

// What a repository's configuration would start is not started, and it does not change what is read.
func TestLocalHostileConfiguration(t *testing.T) {
	dir := sample(t)
	started := filepath.Join(t.TempDir(), "started")
	for key, value := range map[string]string{
		"diff.external": "touch " + started, "core.pager": "touch " + started, "core.fsmonitor": "touch " + started,
		"gpg.program": "touch " + started, "log.showSignature": "true", "diff.renames": "true", "diff.relative": "true",
		"diff.ignoreSubmodules": "all", "diff.x.command": "touch " + started, "diff.x.textconv": "touch " + started,
	} {
		gitIn(t, dir, "config", key, value)
	}
	write(t, dir, ".git/info/attributes", "* diff=x\n")
	h, err := Local(t.Context(), dir, "main", 200)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(sampleText, text(h)); diff != "" {
		t.Error(diff)
	}
	if _, err := os.Stat(started); err == nil {
		t.Error("a command of the configuration was started")
	}
}
