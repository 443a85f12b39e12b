package checkout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/review"
)

// git runs git in a directory; without one it is no repository.
type git struct {
	dir string
	why error // why there is none
}

// errNoGit says that a command needs a git repository.
var errNoGit = errors.New("not a git checkout: run it inside one")

// command is git with some arguments. Those that people give must stand behind --end-of-options.
func (g git) command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	switch {
	case g.dir == "" && g.why != nil:
		return nil, fmt.Errorf("%w (%w)", errNoGit, g.why)
	case g.dir == "":
		return nil, errNoGit
	}
	// What a repository's configuration could start (pagers, external diffs, hooks, fsmonitor) is
	// switched off: a checkout may be somebody else's.
	fixed := []string{
		"-C", g.dir, "--no-pager", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false",
		"-c", "diff.external=", "-c", "core.hooksPath=/dev/null",
	}
	cmd := exec.CommandContext(ctx, "git", append(fixed, args...)...)
	// A blobless clone would fetch what is missing, one object at a time.
	cmd.Env = append(os.Environ(), "GIT_NO_LAZY_FETCH=1", "GIT_OPTIONAL_LOCKS=0", "LC_ALL=C")
	return cmd, nil
}

// run returns what git prints.
func (g git) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd, err := g.command(ctx, args...)
	if err != nil {
		return nil, err
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		if text := strings.TrimSpace(stderr.String()); text != "" {
			return nil, fmt.Errorf("git %s: %s", args[0], text)
		}
		return nil, fmt.Errorf("git %s: %w", args[0], err)
	}
	return out, nil
}

// Resolve returns the commit id that a revision names.
func (c *Checkout) Resolve(ctx context.Context, revision string) (string, error) {
	out, err := c.git.run(ctx, "rev-parse", "--verify", "--end-of-options", revision+"^{commit}")
	if err != nil {
		return "", fmt.Errorf("find the commit %q: %w", revision, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// MergeBase returns the newest commit that both commits have below them.
func (c *Checkout) MergeBase(ctx context.Context, a, b string) (string, error) {
	out, err := c.git.run(ctx, "merge-base", "--end-of-options", a, b)
	if err != nil {
		return "", fmt.Errorf("find the merge base of %s and %s: %w", a, b, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// DefaultBase is the branch that a change of this checkout would go to: the remote's default
// branch, else main or master.
func (c *Checkout) DefaultBase(ctx context.Context) (string, error) {
	for _, revision := range []string{"origin/HEAD", "origin/main", "origin/master", "main", "master"} {
		if _, err := c.Resolve(ctx, revision); err == nil {
			return revision, nil
		}
	}
	return "", errors.New("no base branch found (origin/HEAD, main or master): name one with --base")
}

// Commit lists the files of a commit.
func (c *Checkout) Commit(ctx context.Context, commit string) ([]buildcontext.Entry, error) {
	out, err := c.git.run(ctx, "ls-tree", "-r", "-z", "--long", "--full-tree", "--end-of-options", commit)
	if err != nil {
		return nil, fmt.Errorf("list the commit %s: %w", commit, err)
	}
	var entries []buildcontext.Entry
	for _, row := range splitZero(out) {
		// "100644 blob <id> <size>\t<path>"; a submodule's size is "-".
		meta, path, ok := strings.Cut(row, "\t")
		fields := strings.Fields(meta)
		if !ok || len(fields) != 4 {
			return nil, fmt.Errorf("list the commit %s: unexpected row %q", commit, row)
		}
		size, err := strconv.ParseInt(fields[3], 10, 64)
		if err != nil {
			size = 0
		}
		e := buildcontext.Entry{Path: path, Mode: fields[0], Object: fields[2], Size: size}
		if e.Mode == "120000" {
			link, err := c.blobs.blob(ctx, c.git, e.Object)
			if err != nil {
				return nil, fmt.Errorf("read the link %s: %w", path, err)
			}
			e.Link = string(link)
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// Diff returns what head changed since base, as GitHub lists the files of a pull request: unified
// hunks without file headers, renames detected, none for binary files.
func (c *Checkout) Diff(ctx context.Context, base, head string) ([]review.ChangedFile, error) {
	out, err := c.git.run(ctx, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--full-index",
		"--find-renames", "--src-prefix=a/", "--dst-prefix=b/", "--end-of-options", base, head, "--")
	if err != nil {
		return nil, fmt.Errorf("compare %s and %s: %w", base, head, err)
	}
	parsed, _, err := gitdiff.Parse(bytes.NewReader(out))
	if err != nil {
		return nil, fmt.Errorf("compare %s and %s: %w", base, head, err)
	}
	files := make([]review.ChangedFile, 0, len(parsed))
	for _, p := range parsed {
		f := review.ChangedFile{Path: p.NewName, Object: p.NewOIDPrefix, Status: "modified"}
		switch {
		case p.IsNew:
			f.Status = "added"
		case p.IsDelete:
			f.Path, f.Status = p.OldName, "removed"
		case p.IsRename:
			f.Previous, f.Status = p.OldName, "renamed"
		}
		var patch strings.Builder
		for _, fragment := range p.TextFragments {
			patch.WriteString(fragment.String())
		}
		f.Patch = strings.TrimSuffix(patch.String(), "\n")
		f.HasPatch = f.Patch != ""
		files = append(files, f)
	}
	return files, nil
}
