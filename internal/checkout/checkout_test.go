package checkout

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// repository makes a git repository of a fixed identity and returns its directory and a git runner.
func repository(t *testing.T) (string, func(args ...string) string) {
	t.Helper()
	dir := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1",
			"GIT_AUTHOR_NAME=A", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=A", "GIT_COMMITTER_EMAIL=a@example.com")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q", "-b", "main")
	return dir, git
}

func write(t *testing.T, dir, path, text string) {
	t.Helper()
	name := filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dir string) *Checkout {
	t.Helper()
	c, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func paths(entries []buildcontext.Entry) []string {
	var out []string
	for _, e := range entries {
		out = append(out, e.Mode+" "+e.Path)
	}
	return out
}

func TestWorkTree(t *testing.T) {
	fill := func(dir string) {
		write(t, dir, "Dockerfile", "FROM a\n")
		write(t, dir, "docker/run.sh", "#!/bin/sh\n")
		if err := os.Chmod(filepath.Join(dir, "docker/run.sh"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink("Dockerfile", filepath.Join(dir, "link")); err != nil {
			t.Fatal(err)
		}
		write(t, dir, "ignored/x", "x")
		write(t, dir, ".gitignore", "ignored/\n")
	}
	t.Run("git: what it tracks or would track", func(t *testing.T) {
		dir, git := repository(t)
		fill(dir)
		git("add", "Dockerfile")
		write(t, dir, "gone", "x")
		git("add", "gone")
		if err := os.Remove(filepath.Join(dir, "gone")); err != nil {
			t.Fatal(err)
		}
		c := open(t, filepath.Join(dir, "docker"))
		got, err := c.WorkTree(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"100644 .gitignore", "100644 Dockerfile", "100755 docker/run.sh", "120000 link"}
		if diff := cmp.Diff(want, paths(got)); diff != "" {
			t.Error(diff)
		}
		if got[3].Link != "Dockerfile" {
			t.Errorf("link text %q", got[3].Link)
		}
	})
	t.Run("no git: every file", func(t *testing.T) {
		dir := t.TempDir()
		fill(dir)
		got, err := open(t, dir).WorkTree(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"100644 .gitignore", "100644 Dockerfile", "100755 docker/run.sh", "100644 ignored/x", "120000 link"}
		if diff := cmp.Diff(want, paths(got)); diff != "" {
			t.Error(diff)
		}
	})
}

func TestReadStaysInsideTheCheckout(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("needs symbolic links")
	}
	outside := t.TempDir()
	write(t, outside, "secret", "s")
	dir := t.TempDir()
	write(t, dir, "large", strings.Repeat("x", maxText+1))
	if err := os.Symlink(outside, filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	c := open(t, dir)
	if _, err := c.Read(t.Context(), buildcontext.Entry{Object: workObject + "out/secret"}); err == nil {
		t.Error("read a file outside through a link")
	}
	if err := c.Write("out/secret", []byte("changed")); err == nil {
		t.Error("wrote a file outside through a link")
	}
	if _, err := c.Read(t.Context(), buildcontext.Entry{Object: workObject + "large"}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a file over the limit: %v", err)
	}
}

func TestWriteKeepsTheMode(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "Dockerfile", "FROM a\n")
	if err := os.Chmod(filepath.Join(dir, "Dockerfile"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := open(t, dir)
	if err := c.Write("Dockerfile", []byte("FROM b\n")); err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(filepath.Join(dir, "Dockerfile"))
	info, _ := os.Stat(filepath.Join(dir, "Dockerfile"))
	if string(data) != "FROM b\n" || info.Mode().Perm() != 0o600 {
		t.Errorf("%q %v", data, info.Mode())
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestRel(t *testing.T) {
	dir, _ := repository(t)
	write(t, dir, "a/Dockerfile", "FROM a\n")
	c := open(t, dir)
	for _, test := range []struct{ from, path, want string }{
		{dir, "a/Dockerfile", "a/Dockerfile"},
		{filepath.Join(dir, "a"), "Dockerfile", "a/Dockerfile"},
		{filepath.Join(dir, "a"), "..", "."},
		{dir, ".", "."},
		{dir, filepath.Join(dir, "a"), "a"},
	} {
		got, err := c.Rel(test.from, test.path)
		if err != nil || got != test.want {
			t.Errorf("Rel(%s, %s) = %q, %v; want %q", test.from, test.path, got, err, test.want)
		}
	}
	if got, err := c.Rel(dir, ".."); err == nil {
		t.Errorf("outside: %q", got)
	}
}

func TestCommitAndDiff(t *testing.T) {
	dir, git := repository(t)
	write(t, dir, "Dockerfile", "FROM a\nRUN one\n")
	write(t, dir, "old name", strings.Repeat("line\n", 20))
	git("add", ".")
	git("commit", "-q", "-m", "one")
	base := git("rev-parse", "HEAD")
	git("checkout", "-q", "-b", "feature")
	write(t, dir, "Dockerfile", "FROM a\nRUN two\n")
	write(t, dir, "binary", "a\x00b")
	git("mv", "old name", "new name")
	git("add", ".")
	git("commit", "-q", "-m", "two")

	c := open(t, dir)
	head, err := c.Resolve(t.Context(), "feature")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.MergeBase(t.Context(), "main", head); err != nil || got != base {
		t.Errorf("merge base %s, %v; want %s", got, err, base)
	}
	if got, err := c.DefaultBase(t.Context()); err != nil || got != "main" {
		t.Errorf("default base %q, %v", got, err)
	}
	tree, err := c.Commit(t.Context(), head)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"100644 Dockerfile", "100644 binary", "100644 new name"}, paths(tree)); diff != "" {
		t.Error(diff)
	}
	text, err := c.Read(t.Context(), tree[0])
	if err != nil || string(text) != "FROM a\nRUN two\n" {
		t.Errorf("blob %q, %v", text, err)
	}
	files, err := c.Diff(t.Context(), base, head)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.Status+" "+f.Path+" "+f.Previous+"|"+f.Patch)
	}
	want := []string{
		"modified Dockerfile |@@ -1,2 +1,2 @@\n FROM a\n-RUN one\n+RUN two",
		"added binary |",
		"renamed new name old name|",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWithoutGit(t *testing.T) {
	c := open(t, t.TempDir())
	if _, err := c.Resolve(context.Background(), "HEAD"); !errors.Is(err, errNoGit) {
		t.Errorf("Resolve: %v", err)
	}
	if _, err := Open(t.Context(), filepath.Join(t.TempDir(), "nowhere")); err == nil {
		t.Error("opened a directory that is not there")
	}
}

// The git that reads texts outlives the caller that was the first to ask.
func TestReadAfterTheFirstCallerIsGone(t *testing.T) {
	dir, git := repository(t)
	write(t, dir, "a", "one\n")
	write(t, dir, "b", "two\n")
	git("add", "-A")
	git("commit", "-q", "-m", "first")
	c := open(t, dir)
	entries, err := c.Commit(t.Context(), git("rev-parse", "HEAD"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"one\n", "two\n"} {
		ctx, cancel := context.WithCancel(t.Context())
		got, err := c.Read(ctx, entries[i])
		cancel()
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", entries[i].Path, got, err)
		}
		time.Sleep(20 * time.Millisecond) // in which a process of the first caller would be ended
	}
}
