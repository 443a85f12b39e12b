package checkout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
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

// errPartial says that git would have to fetch what a partial clone has left out. That is for the person to do:
// it may run what a checkout's configuration names.
var errPartial = errors.New("this clone was made without some of the contents (git clone --filter)")

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
	// A blobless clone would fetch what is missing, one object at a time, by the programs that its configuration
	// names.
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
		if text := strings.TrimSpace(stderr.String()); strings.Contains(text, "lazy fetching disabled") {
			return nil, errPartial
		} else if text != "" {
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
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.ExitCode() == 1 {
		return "", fmt.Errorf("%s and %s have no commit in common here: in a shallow clone, \"git fetch --unshallow\" brings it", a, b)
	}
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
	list := func(options ...string) ([]byte, error) {
		return c.git.run(ctx, slices.Concat([]string{"ls-tree", "-r", "-z", "--full-tree"}, options, []string{"--end-of-options", commit})...)
	}
	out, err := list("--long")
	sizes := true
	if errors.Is(err, errPartial) {
		out, err = list() // the sizes are not known
		sizes = false
	}
	if err != nil {
		return nil, fmt.Errorf("list the commit %s: %w", commit, err)
	}
	var entries []buildcontext.Entry
	for _, row := range splitZero(out) {
		// "100644 blob <id> <size>\t<path>"; a submodule's size is "-".
		meta, path, ok := strings.Cut(row, "\t")
		fields := strings.Fields(meta)
		if !sizes {
			fields = append(fields, "0")
		}
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
	if errors.Is(err, errPartial) {
		return nil, fmt.Errorf("compare %s and %s: %w: \"git diff %s %s\" fetches them", base, head, err, base, head)
	}
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
