package lab

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// File is one file of a tree.
type File struct {
	Data string
	Exec bool
	Link string // a symlink's text
}

// Tree is the files of a checkout by path.
type Tree map[string]File

// Write makes the tree on disk as git would check it out.
func (t Tree) Write(dir string) error {
	for _, p := range slices.Sorted(maps.Keys(t)) {
		f, at := t[p], filepath.Join(dir, p)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		var err error
		switch {
		case f.Link != "":
			err = os.Symlink(f.Link, at)
		case f.Exec:
			err = os.WriteFile(at, []byte(f.Data), 0o755)
		default:
			err = os.WriteFile(at, []byte(f.Data), 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// git is the tree as git knows it.
func (t Tree) git() buildcontext.Tree {
	var entries []buildcontext.Entry
	for p, f := range t {
		e := buildcontext.Entry{Path: p, Mode: buildcontext.ModeFile, Size: int64(len(f.Data))}
		text := f.Data
		switch {
		case f.Link != "":
			e.Mode, e.Link, text = buildcontext.ModeSymlink, f.Link, f.Link
		case f.Exec:
			e.Mode = buildcontext.ModeExecutable
		}
		e.Object = fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
		entries = append(entries, e)
	}
	return buildcontext.NewTree(entries)
}

func (t Tree) read(p string) ([]byte, error) {
	f, found := t[p]
	if !found {
		return nil, os.ErrNotExist
	}
	return []byte(f.Data), nil
}
