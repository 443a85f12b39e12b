// Package history reads the last commits of a branch from git as raw diffs: from a repository on this
// machine, or from a clone without the contents of files that a Store keeps. It judges nothing.
package history

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// Limits of what is kept of one history; a commit that does not fit ends it.
const (
	maxCommits = 50_000
	maxEntries = 500_000 // files of the newest tree
	maxChanges = 500_000 // paths that the commits changed, in all
	maxLinks   = 20_000  // symlinks whose texts are read
	maxLink    = 4096    // bytes of a link's text: PATH_MAX
)

// ErrTooLarge is a repository with more than hitrate reads of it.
var ErrTooLarge = errors.New("more than hitrate reads")

// Local reads the last n commits that lead to a revision along first parents, from the repository in a
// directory: a checkout, a bare repository or a .git. Symlinks have their texts where git has them. A commit
// without a parent, be it the first of all or the last of a shallow clone, is where a history begins: it is
// not one of the commits.
func Local(ctx context.Context, dir, rev string, n int) (*buildcontext.History, error) {
	g := localGit(dir)
	h, err := g.history(ctx, rev, n)
	if err != nil {
		return nil, fmt.Errorf("read the history of %q: %w", rev, err)
	}
	g.readLinks(ctx, h)
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("read the history of %q: %w", rev, err)
	}
	return h, nil
}

// history reads commits and the newest tree, without the texts of links.
func (g git) history(ctx context.Context, rev string, n int) (*buildcontext.History, error) {
	h := &buildcontext.History{Branch: rev, Tree: []buildcontext.Entry{}, Commits: []buildcontext.Commit{}}
	out, err := g.run(ctx, nil, "rev-parse", "--verify", "--end-of-options", rev+"^{commit}")
	if err != nil {
		return nil, err
	}
	head := strings.TrimSpace(string(out))
	if h.Tree, err = g.tree(ctx, head); err != nil {
		return nil, err
	}
	pairs, err := g.firstParents(ctx, head, min(n, maxCommits))
	if err != nil || len(pairs) == 0 {
		return h, err
	}
	h.Commits, err = g.changes(ctx, pairs)
	return h, err
}

// tree lists the files of a commit.
func (g git) tree(ctx context.Context, commit string) ([]buildcontext.Entry, error) {
	entries := []buildcontext.Entry{}
	err := g.stream(ctx, nil, func(out *bufio.Reader) error {
		for {
			row, err := readZero(out)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			// "100644 blob <id>\t<path>"
			meta, path, ok := strings.Cut(row, "\t")
			fields := strings.Fields(meta)
			if !ok || len(fields) != 3 {
				return fmt.Errorf("unexpected row %q", row)
			}
			if len(entries) == maxEntries {
				return fmt.Errorf("a tree of over %d files: %w", maxEntries, ErrTooLarge)
			}
			entries = append(entries, buildcontext.Entry{Path: path, Mode: fields[0], Object: fields[2]})
		}
	}, "ls-tree", "-r", "-z", "--full-tree", commit)
	return entries, err
}

// firstParents lists the last commits that have a parent, newest first, each with its first parent as
// "commit parent".
func (g git) firstParents(ctx context.Context, head string, n int) ([]string, error) {
	if n <= 0 {
		return nil, nil
	}
	out, err := g.run(ctx, nil, "rev-list", "--first-parent", "--parents", "--max-count="+strconv.Itoa(n), head, "--")
	if err != nil {
		return nil, err
	}
	var pairs []string
	for row := range strings.Lines(string(out)) {
		if fields := strings.Fields(row); len(fields) >= 2 {
			pairs = append(pairs, fields[0]+" "+fields[1])
		}
	}
	return pairs, nil
}

// changes are the raw diffs of commits against their first parents. A pair on its standard input makes
// diff-tree take that parent, also of a merge.
func (g git) changes(ctx context.Context, pairs []string) ([]buildcontext.Commit, error) {
	commits := make([]buildcontext.Commit, len(pairs))
	for i, pair := range pairs {
		commits[i] = buildcontext.Commit{ID: pair[:strings.IndexByte(pair, ' ')], Changes: []buildcontext.Change{}}
	}
	at, total := -1, 0
	errFull := errors.New("full")
	err := g.stream(ctx, strings.NewReader(strings.Join(pairs, "\n")+"\n"), func(out *bufio.Reader) error {
		for {
			row, err := readZero(out)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if !strings.HasPrefix(row, ":") {
				if at++; at == len(commits) || commits[at].ID != row {
					return fmt.Errorf("unexpected commit %q", row)
				}
				continue
			}
			path, err := readZero(out)
			if err != nil {
				return fmt.Errorf("the path of %q: %w", row, err)
			}
			change, err := parseChange(row, path)
			if err != nil || at < 0 {
				return fmt.Errorf("unexpected row %q", row)
			}
			if total++; total > maxChanges {
				return errFull
			}
			commits[at].Changes = append(commits[at].Changes, change)
		}
	}, "diff-tree", "--stdin", "--always", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--ignore-submodules=none", "--no-relative",
		"--no-ext-diff", "--no-textconv")
	switch {
	case errors.Is(err, errFull):
		return commits[:at], nil
	case err != nil:
		return nil, err
	case at != len(commits)-1:
		return nil, fmt.Errorf("git diff-tree: %d of %d commits", at+1, len(commits))
	}
	return commits, nil
}

// parseChange reads ":100644 100755 <id> <id> M".
func parseChange(row, path string) (buildcontext.Change, error) {
	fields := strings.Fields(row[1:])
	if len(fields) != 5 {
		return buildcontext.Change{}, errors.New("not a raw diff")
	}
	entry := func(mode, object string) buildcontext.Entry {
		if strings.Trim(mode, "0") == "" {
			return buildcontext.Entry{}
		}
		return buildcontext.Entry{Path: path, Mode: mode, Object: object}
	}
	return buildcontext.Change{Old: entry(fields[0], fields[2]), New: entry(fields[1], fields[3])}, nil
}

// readLinks fills in the texts of symlinks, as far as git has them: without them a link is one that is not
// followed.
func (g git) readLinks(ctx context.Context, h *buildcontext.History) {
	texts := map[string]string{}
	each(h, func(e *buildcontext.Entry) {
		if e.Mode == buildcontext.ModeSymlink && len(texts) < maxLinks {
			texts[e.Object] = ""
		}
	})
	if len(texts) == 0 {
		return
	}
	var ask strings.Builder
	for object := range texts {
		ask.WriteString(object + "\n")
	}
	// Sizes first: any object can be given the mode of a link.
	sizes, err := g.run(ctx, strings.NewReader(ask.String()), "cat-file", "--batch-check")
	if err != nil {
		return
	}
	ask.Reset()
	for row := range strings.Lines(string(sizes)) {
		fields := strings.Fields(row)
		if len(fields) != 3 || fields[1] != "blob" {
			continue
		}
		if size, err := strconv.Atoi(fields[2]); err == nil && size <= maxLink {
			ask.WriteString(fields[0] + "\n")
		}
	}
	out, err := g.run(ctx, strings.NewReader(ask.String()), "cat-file", "--batch")
	if err != nil {
		return
	}
	for len(out) > 0 {
		header, rest, _ := bytes.Cut(out, []byte("\n"))
		fields := strings.Fields(string(header))
		if len(fields) != 3 {
			break
		}
		size, err := strconv.Atoi(fields[2])
		if err != nil || size < 0 || size+1 > len(rest) {
			break
		}
		texts[fields[0]] = string(rest[:size])
		out = rest[size+1:]
	}
	each(h, func(e *buildcontext.Entry) {
		if e.Mode == buildcontext.ModeSymlink {
			e.Link = texts[e.Object]
		}
	})
}

// each visits every entry of a history.
func each(h *buildcontext.History, visit func(*buildcontext.Entry)) {
	for i := range h.Tree {
		visit(&h.Tree[i])
	}
	for i := range h.Commits {
		for j := range h.Commits[i].Changes {
			c := &h.Commits[i].Changes[j]
			visit(&c.Old)
			visit(&c.New)
		}
	}
}

// readZero reads up to the next NUL; io.EOF where nothing is left.
func readZero(r *bufio.Reader) (string, error) {
	text, err := r.ReadString(0)
	switch {
	case err == nil:
		return text[:len(text)-1], nil
	case err == io.EOF && text != "":
		return "", io.ErrUnexpectedEOF
	}
	return "", err
}
