package lab

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// gitDir is the git directory of a repository whose checkout or bare form is in a directory.
func gitDir(dir string) string {
	if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
		return filepath.Join(dir, ".git")
	}
	return dir
}

// git is a git command on a git directory that fetches nothing.
func git(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", append([]string{"--git-dir=" + dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_NO_LAZY_FETCH=1", "LC_ALL=C")
	return cmd
}

// revisions lists the newest first-parent commits of HEAD that touch some paths, at most as many as
// are wanted, newest first.
func revisions(ctx context.Context, dir string, most int, paths ...string) ([]string, error) {
	args := []string{"rev-list", "--first-parent", "-n", strconv.Itoa(most), "HEAD", "--"}
	out, err := git(ctx, dir, append(args, paths...)...).Output()
	if err != nil {
		return nil, fmt.Errorf("list the commits of %s: %w", dir, err)
	}
	return strings.Fields(string(out)), nil
}

// worktree is a directory that holds one commit's files after the other's, as git stores them:
// nothing is converted.
type worktree struct {
	dir  string
	has  map[string]buildcontext.Entry
	cat  *exec.Cmd
	ask  io.WriteCloser
	read *bufio.Reader
}

func newWorktree(ctx context.Context, gitDir, dir string) (*worktree, error) {
	w := &worktree{dir: dir, has: map[string]buildcontext.Entry{}, cat: git(ctx, gitDir, "cat-file", "--batch")}
	var err error
	if w.ask, err = w.cat.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.cat.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.read = bufio.NewReader(out)
	return w, w.cat.Start()
}

func (w *worktree) close() {
	_ = w.ask.Close()
	_ = w.cat.Wait()
}

// move makes the directory hold the files of another commit.
func (w *worktree) move(entries []buildcontext.Entry) error {
	want := map[string]buildcontext.Entry{}
	for _, e := range entries {
		want[e.Path] = e
	}
	for p, old := range w.has {
		if is, stays := want[p]; stays && is.Object == old.Object && is.Mode == old.Mode {
			continue
		}
		if err := os.RemoveAll(filepath.Join(w.dir, p)); err != nil {
			return err
		}
		delete(w.has, p)
		for d := filepath.Dir(p); d != "." && os.Remove(filepath.Join(w.dir, d)) == nil; d = filepath.Dir(d) {
			// Git has no empty directories.
		}
	}
	for _, e := range entries {
		if _, there := w.has[e.Path]; there {
			continue
		}
		if err := w.write(e); err != nil {
			return fmt.Errorf("write %s: %w", e.Path, err)
		}
		w.has[e.Path] = e
	}
	return nil
}

func (w *worktree) write(e buildcontext.Entry) error {
	at := filepath.Join(w.dir, e.Path)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	if e.Mode == buildcontext.ModeSubmodule {
		return os.MkdirAll(at, 0o755)
	}
	data, err := w.blob(e.Object)
	if err != nil {
		return err
	}
	switch e.Mode {
	case buildcontext.ModeSymlink:
		return os.Symlink(string(data), at)
	case buildcontext.ModeExecutable:
		return os.WriteFile(at, data, 0o755)
	default:
		return os.WriteFile(at, data, 0o644)
	}
}

func (w *worktree) blob(object string) ([]byte, error) {
	if _, err := io.WriteString(w.ask, object+"\n"); err != nil {
		return nil, err
	}
	header, err := w.read.ReadString('\n')
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(header)
	if len(fields) == 2 && fields[1] == "missing" {
		return []byte(object), nil // of a partial clone: its id stands for the contents
	}
	if len(fields) != 3 {
		return nil, fmt.Errorf("read the object %s: git says %q", object, header)
	}
	size, err := strconv.Atoi(fields[2])
	if err != nil {
		return nil, err
	}
	data := make([]byte, size+1)
	_, err = io.ReadFull(w.read, data)
	return data[:size], err
}

// oldestFirst puts commits into the order of HEAD's first parents, without repeats.
func oldestFirst(ctx context.Context, dir string, commits []string) ([]string, error) {
	all, err := git(ctx, dir, "rev-list", "--first-parent", "HEAD").Output()
	if err != nil {
		return nil, fmt.Errorf("list the commits of %s: %w", dir, err)
	}
	var out []string
	for _, c := range strings.Fields(string(all)) {
		if slices.Contains(commits, c) {
			out = append(out, c)
		}
	}
	slices.Reverse(out)
	return out, nil
}
