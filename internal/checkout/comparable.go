package checkout

import (
	"context"
	"crypto/sha1" //nolint:gosec // git's own
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// Comparable is WorkTree with git's ids of the contents, so that the files can be told from those of
// a commit. Only what differs from git's index is read for it.
//
// A file counts as git would store it where git knows that it is unchanged, and with the bytes that
// lie there where it is not.
func (c *Checkout) Comparable(ctx context.Context, progress func(files int)) ([]buildcontext.Entry, error) {
	entries, err := c.WorkTree(ctx, progress)
	if err != nil {
		return nil, err
	}
	index, err := c.index(ctx)
	if err != nil {
		return nil, err
	}
	for i := range entries {
		e := &entries[i]
		if known, clean := index[e.Path]; clean {
			e.Object, e.Mode = known.Object, known.Mode
			continue
		}
		if e.Mode == buildcontext.ModeSubmodule {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		id, err := c.objectID(*e)
		if errors.Is(err, fs.ErrPermission) {
			continue // an id of its own stands for what cannot be read
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", e.Path, err)
		}
		c.workObjects[id] = e.Path
		e.Object = id
	}
	return entries, nil
}

// index is what git's index says of the files that the work tree has unchanged, by path.
func (c *Checkout) index(ctx context.Context) (map[string]buildcontext.Entry, error) {
	staged, err := c.git.run(ctx, "ls-files", "-z", "--stage")
	if err != nil {
		return nil, fmt.Errorf("read the index: %w", err)
	}
	index := map[string]buildcontext.Entry{}
	for _, row := range splitZero(staged) {
		// "100644 <id> <stage>\t<path>"; stages other than 0 are those of a conflict.
		meta, path, ok := strings.Cut(row, "\t")
		fields := strings.Fields(meta)
		if !ok || len(fields) != 3 {
			return nil, fmt.Errorf("read the index: unexpected row %q", row)
		}
		c.sha256 = len(fields[1]) == hex.EncodedLen(sha256.Size)
		if fields[2] == "0" {
			index[path] = buildcontext.Entry{Path: path, Mode: fields[0], Object: fields[1]}
		}
	}
	changed, err := c.git.run(ctx, "diff-files", "-z", "--name-only", "--no-renames", "--ignore-submodules=all")
	if err != nil {
		return nil, fmt.Errorf("compare the work tree with the index: %w", err)
	}
	for _, path := range splitZero(changed) {
		delete(index, path)
	}
	return index, nil
}

// objectID is the id that git gives the bytes of a file, or the text of a link.
func (c *Checkout) objectID(e buildcontext.Entry) (string, error) {
	if e.Mode == buildcontext.ModeSymlink {
		return c.digest(strings.NewReader(e.Link), int64(len(e.Link)))
	}
	f, err := c.root.Open(filepath.FromSlash(e.Path))
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // nothing was written
	return c.digest(f, e.Size)
}

func (c *Checkout) digest(r io.Reader, size int64) (string, error) {
	h := sha1.New() //nolint:gosec // git's own
	if c.sha256 {
		h = sha256.New()
	}
	_, _ = fmt.Fprintf(h, "blob %d\x00", size) // a hash never refuses
	if n, err := io.Copy(h, r); err != nil {
		return "", err
	} else if n != size {
		return "", errors.New("it changes while it is read")
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
