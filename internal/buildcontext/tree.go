package buildcontext

import (
	"cmp"
	"path"
	"slices"
	"strings"
)

// Git's file modes, as Entry.Mode holds them.
const (
	ModeFile       = "100644"
	ModeExecutable = "100755"
	ModeSymlink    = "120000"
	ModeSubmodule  = "160000"
)

// Entry is one file of a git tree.
type Entry struct {
	Path   string `json:"path"`           // relative to the repository root, with slashes
	Mode   string `json:"mode"`           // git's: 100644, 100755, 120000 (symlink), 160000 (submodule)
	Object string `json:"object"`         // the blob's id; for a work tree any text that is another for other contents
	Size   int64  `json:"size,omitempty"` // bytes, where known
	Link   string `json:"link,omitempty"` // a symlink's text, where known; a link whose text is not known is not followed
}

// Tree is the files of one commit or work tree, sorted by path.
type Tree struct{ Entries []Entry }

// NewTree sorts entries; of two with one path the last one stays.
func NewTree(entries []Entry) Tree {
	sorted := slices.Clone(entries)
	slices.SortStableFunc(sorted, func(a, b Entry) int { return cmp.Compare(a.Path, b.Path) })
	kept := sorted[:0]
	for _, e := range sorted {
		if n := len(kept); n > 0 && kept[n-1].Path == e.Path {
			kept[n-1] = e
			continue
		}
		kept = append(kept, e)
	}
	return Tree{Entries: kept}
}

// Lookup returns the file at a path.
func (t Tree) Lookup(path string) (Entry, bool) {
	i, found := t.search(path)
	if !found {
		return Entry{}, false
	}
	return t.Entries[i], true
}

// IsDir says whether a path is a directory with at least one file below it; "." and "" are the root.
func (t Tree) IsDir(path string) bool {
	return len(t.below(path)) > 0
}

func (t Tree) search(path string) (int, bool) {
	return slices.BinarySearchFunc(t.Entries, path, func(e Entry, p string) int { return cmp.Compare(e.Path, p) })
}

// below returns the entries under a directory. They stand together: their paths share the prefix
// "dir/", and the entries are sorted.
func (t Tree) below(dir string) []Entry {
	if dir == "." || dir == "" {
		return t.Entries
	}
	first, _ := t.search(dir + "/")
	end, _ := t.search(dir + "0") // '0' is the byte after '/'
	return t.Entries[first:end]
}

// sub is a directory of the tree as a tree of its own, with paths relative to the directory.
func (t Tree) sub(dir string) Tree {
	if dir == "." || dir == "" {
		return t
	}
	entries := slices.Clone(t.below(dir))
	for i := range entries {
		entries[i].Path = entries[i].Path[len(dir)+1:]
	}
	return Tree{Entries: entries}
}

// maxLinks is how many symlinks one path is followed through; Linux gives up after 40.
const maxLinks = 40

// resolve follows the symlinks in a path, every component of it, inside the tree: an absolute link
// starts at the tree's root, and ".." stops there. What cannot be followed (the text of a link is
// not known, or there are too many) is returned as far as it was followed, with false.
func (t Tree) resolve(p string) (string, bool) {
	rest := clean(p)
	done := ""
	for links := 0; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		at := path.Join(done, name)
		e, found := t.Lookup(at)
		if !found || e.Mode != ModeSymlink {
			done = at
			continue
		}
		links++
		if e.Link == "" || links > maxLinks || len(e.Link) > maxPath {
			return path.Join(at, rest), false
		}
		if strings.HasPrefix(e.Link, "/") {
			done = ""
		}
		rest = clean(path.Join("/", done, e.Link, rest))
		done = ""
	}
	return done, true
}

// clean makes a path as a Dockerfile writes it relative to the root: "." and "" are "", and no
// ".." leads out.
func clean(p string) string {
	return strings.TrimPrefix(path.Clean("/"+p), "/")
}
