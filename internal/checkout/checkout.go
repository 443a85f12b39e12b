// Package checkout gives a local checkout as trees and texts: the work tree, with or without git,
// and the commits of its git repository. It never writes through a symbolic link and never reads
// outside the checkout.
package checkout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// Checkout is one directory on this machine, the root of a repository.
type Checkout struct {
	// Dir is the absolute path of the root.
	Dir  string
	root *os.Root
	git  git

	// Nested are the roots of other repositories that WorkTree found in a directory without git, as
	// paths of this one, sorted: directories that hold .git or .github.
	Nested []string

	blobs       batch
	workObjects map[string]string // paths of the work tree's files that git has not stored, by id
	sha256      bool              // git's ids are SHA-256
}

// Open finds the root of the git checkout that dir lies in; where git knows of none (or is not
// installed), dir itself is the root. A bare repository has commits and no work tree.
func Open(ctx context.Context, dir string) (*Checkout, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the checkout: %w", err)
	}
	if info, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("open the checkout: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("open the checkout: %s is not a directory", dir)
	}
	c := &Checkout{Dir: dir, workObjects: map[string]string{}}
	if !mayHaveGit(dir) {
		c.git.why = errors.New("neither it nor a directory above it holds .git")
	} else if top, err := (git{dir: dir}).run(ctx, "rev-parse", "--show-toplevel"); err == nil {
		c.Dir = filepath.FromSlash(strings.TrimRight(string(top), "\r\n"))
		c.git = git{dir: c.Dir}
	} else if _, bare := (git{dir: dir}).run(ctx, "rev-parse", "--absolute-git-dir"); bare == nil {
		c.git = git{dir: dir}
	} else {
		c.git.why = err
	}
	if c.root, err = os.OpenRoot(c.Dir); err != nil {
		return nil, fmt.Errorf("open the checkout: %w", err)
	}
	return c, nil
}

// Close releases the root directory, and ends the git that reads texts.
func (c *Checkout) Close() error {
	c.blobs.close()
	return c.root.Close()
}

// HasGit says whether the checkout belongs to a git repository.
func (c *Checkout) HasGit() bool { return c.git.dir != "" }

// Origin is the address of the remote "origin", as git has it; "" where there is none.
func (c *Checkout) Origin(ctx context.Context) string {
	if !c.HasGit() {
		return ""
	}
	address, err := c.git.run(ctx, "remote", "get-url", "origin")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(address))
}

// Rel turns a path, absolute or relative to the working directory from, into one of the
// repository: relative to its root, with slashes, "." for the root itself. A path outside the
// checkout is an error.
func (c *Checkout) Rel(from, path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(from, path)
	}
	// Both sides are resolved, since a temporary directory may itself be a link.
	root, err := filepath.EvalSymlinks(c.Dir)
	if err != nil {
		return "", fmt.Errorf("resolve %s: %w", c.Dir, err)
	}
	// The last element may be a link of the repository's own and stays as it is.
	parent, err := filepath.EvalSymlinks(filepath.Dir(path))
	if err != nil {
		return "", fmt.Errorf("find %s: %w", path, err)
	}
	resolved := filepath.Join(parent, filepath.Base(path))
	if filepath.Clean(path) == filepath.Clean(c.Dir) {
		resolved = root
	}
	rel, err := filepath.Rel(root, resolved)
	if err != nil || !filepath.IsLocal(rel) {
		return "", fmt.Errorf("%s lies outside the checkout %s", path, c.Dir)
	}
	return filepath.ToSlash(rel), nil
}

// maxText is the most that Read returns, in bytes: what is larger is no build file.
const maxText = 1 << 20

// ErrTooLarge says that a file is larger than hitrate reads.
var ErrTooLarge = errors.New("larger than 1 MB")

// Read gives the text of an entry of WorkTree, Comparable or Commit; *[ErrTooLarge] above 1 MB.
func (c *Checkout) Read(ctx context.Context, e buildcontext.Entry) ([]byte, error) {
	if e.Size > maxText {
		return nil, ErrTooLarge
	}
	path, ok := strings.CutPrefix(e.Object, workObject)
	if !ok {
		path, ok = c.workObjects[e.Object]
	}
	if !ok {
		return c.blobs.blob(ctx, c.git, e.Object)
	}
	f, err := c.root.Open(filepath.FromSlash(path))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, maxText+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", path, err)
	case len(data) > maxText:
		return nil, ErrTooLarge
	}
	return data, nil
}

// Write replaces a file of the work tree, or creates it. It keeps the file's mode, and writes
// beside it first, so that a full disk or a kill leaves the old text.
func (c *Checkout) Write(path string, data []byte) error {
	name := filepath.FromSlash(path)
	mode := fs.FileMode(0o644)
	if info, err := c.root.Lstat(name); err == nil {
		if !info.Mode().IsRegular() {
			return fmt.Errorf("write %s: not a regular file", path)
		}
		mode = info.Mode().Perm()
	}
	temporary := name + ".hitrate-new"
	if err := c.root.WriteFile(temporary, data, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := c.root.Chmod(temporary, mode); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), c.root.Remove(temporary))
	}
	if err := c.root.Rename(temporary, name); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), c.root.Remove(temporary))
	}
	return nil
}

func splitZero(out []byte) []string {
	out = bytes.TrimSuffix(out, []byte{0})
	if len(out) == 0 {
		return nil
	}
	return strings.Split(string(out), "\x00")
}
