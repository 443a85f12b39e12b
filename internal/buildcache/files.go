package buildcache

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// errLinks is a path with more links than BuildKit follows, or links that lead to each other.
var errLinks = errors.New("too many links")

// maxFollow is how many symlinks BuildKit follows in one path.
const maxFollow = 255

// files is a build context as BuildKit hashes it: each path with its mode, contents or link text. No
// times and no owners: a context has none.
type files struct {
	root *file
	// named are the contexts beside the main one that are directories, by name.
	named map[string]*files
	// spent is the work that patterns have cost so far, in bytes of paths.
	spent *int
	// views are the sums of patterns over a history; nil for one tree.
	views *views
}

// maxMatching bounds the work of patterns over one tree; a large repository needs some thousandth.
const maxMatching = 1 << 30

// errMatching is a tree and patterns that would cost more than maxMatching.
var errMatching = errors.New("matching its patterns against the repository's files costs too much")

type file struct {
	name     string
	path     string  // "" for the root, else "/a/b"
	mode     string  // git's; modeDir for a directory
	content  string  // blob id, a link's text, or the digest of what a directory holds, once computed
	children []*file // sorted by name, also those that are hidden
	link     bool
	// out says that the ignore file leaves it out, and hidden that BuildKit does not see it: a directory is seen
	// as long as something in it is left in. Only the trees of a history have such files, for these decide
	// whether a directory is there.
	out, hidden bool
}

const modeDir = "040000"

// fileRecord is one entry of BuildKit's tree of records: directories have two.
type fileRecord struct {
	*file
	header bool // the directory itself, without what is in it
}

// maxPath is PATH_MAX of Linux, in bytes: no file of a build has a longer path. It keeps directories from
// lying in each other by the ten thousands.
const maxPath = 4096

// ErrLongPath is a path that no file system of a builder takes.
var ErrLongPath = fmt.Errorf("a path of the repository is longer than %d bytes", maxPath)

func checkPaths(c *buildcontext.Context) error {
	for _, e := range c.Tree.Entries {
		if len(e.Path) > maxPath {
			return ErrLongPath
		}
	}
	for _, named := range c.Named {
		if err := checkPaths(named); err != nil {
			return err
		}
	}
	return nil
}

// newFiles reads a context. Submodules are empty directories where a client sends a checkout.
func newFiles(c *buildcontext.Context) *files {
	var maker fileMaker
	root := &file{mode: modeDir}
	dirs := map[string]*file{"": root}
	var dir func(p string) *file
	dir = func(p string) *file {
		if d := dirs[p]; d != nil {
			return d
		}
		d := maker.file(p)
		d.mode = modeDir
		parent := dir(strings.TrimSuffix(p[:len(p)-len(d.name)], "/"))
		parent.children = append(parent.children, d)
		dirs[p] = d
		return d
	}
	for _, p := range c.EmptyDirs {
		dir(p)
	}
	parent, parentPath := root, ""
	for i := range c.Tree.Entries {
		e := &c.Tree.Entries[i]
		f := maker.file(e.Path)
		if f.describe(e, c.Build.Kind); f.isDir() {
			dir(e.Path)
			continue
		}
		// Entries are sorted: those of a directory mostly follow each other.
		if p := strings.TrimSuffix(e.Path[:len(e.Path)-len(f.name)], "/"); p != parentPath {
			parent, parentPath = dir(p), p
		}
		parent.children = append(parent.children, f)
	}
	for _, d := range dirs {
		slices.SortFunc(d.children, func(a, b *file) int { return strings.Compare(a.name, b.name) })
	}
	t := &files{root: root, spent: new(int)}
	for name, other := range c.Named {
		if t.named == nil {
			t.named = map[string]*files{}
		}
		t.named[name] = newFiles(other)
	}
	return t
}

// fileMaker makes files with their paths, many in one piece of memory.
type fileMaker struct {
	files slab[file]
	paths strings.Builder
}

// file makes one by its path in the context directory.
func (m *fileMaker) file(p string) *file {
	if m.paths.Cap()-m.paths.Len() < 1+len(p) {
		m.paths = strings.Builder{}
		m.paths.Grow(max(4<<10, 1+len(p)))
	}
	start := m.paths.Len()
	m.paths.WriteByte('/')
	m.paths.WriteString(p)
	f := m.files.one()
	f.path = m.paths.String()[start:]
	f.name = f.path[strings.LastIndexByte(f.path, '/')+1:]
	return f
}

// of are the files of the context that a node stands for.
func (t *files) of(n *keyNode) *files {
	if n.name == "" {
		return t
	}
	if named := t.named[n.name]; named != nil {
		return named
	}
	return &files{root: &file{mode: modeDir}, spent: t.spent}
}

func (f *file) isDir() bool { return f.mode == modeDir }

// child is one that BuildKit sees.
func (f *file) child(name string) *file {
	i, found := search(f.children, name)
	if !found || f.children[i].hidden {
		return nil
	}
	return f.children[i]
}

// search finds a file by its name, or the place where it would be.
func search(sorted []*file, name string) (int, bool) {
	return slices.BinarySearchFunc(sorted, name, func(f *file, n string) int { return strings.Compare(f.name, n) })
}

// visible are the children that BuildKit sees.
func (f *file) visible() []*file {
	if !slices.ContainsFunc(f.children, func(c *file) bool { return c.hidden }) {
		return f.children
	}
	return slices.DeleteFunc(slices.Clone(f.children), func(c *file) bool { return c.hidden })
}

// sum tells apart files, links, and directories with all that is in them.
func (f *file) sum() string {
	f.digest()
	return f.mode + " " + f.content
}

// same says whether the sums of two are.
func (f *file) same(o *file) bool {
	f.digest()
	o.digest()
	return f.mode == o.mode && f.content == o.content
}

// digest computes the content of a directory.
func (f *file) digest() {
	if !f.isDir() || f.content != "" {
		return
	}
	for _, c := range f.children {
		if !c.hidden {
			c.digest()
		}
	}
	buffer, _ := texts.Get().(*[]byte)
	text := (*buffer)[:0]
	for _, c := range f.children {
		if !c.hidden {
			text = appendText(text, c.name)
			text = strconv.AppendInt(text, int64(len(c.mode)+1+len(c.content)), 10)
			text = append(append(append(append(text, ':'), c.mode...), ' '), c.content...)
		}
	}
	sum := sha256.Sum256(text)
	f.content = string(sum[:])
	*buffer = text
	texts.Put(buffer)
}

// texts are buffers for what digests of directories are made of.
var texts = sync.Pool{New: func() any { return new([]byte) }}

func (r fileRecord) sum() string {
	if r.header {
		return modeDir
	}
	return r.file.sum()
}

// lookup resolves a path as BuildKit does, symlinks in it and, on demand, the one at its end. It
// returns nil for a path that is not there.
func (t *files) lookup(p string, followLast bool) (*file, error) {
	if f := t.walk(p); f != nil && (!followLast || !f.link) {
		return f, nil
	}
	current, rest := "", strings.TrimPrefix(rooted(p), "/")
	var f *file
	for links := 0; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		next := strings.TrimSuffix(path.Join("/", current, name), "/")
		f = t.walk(next)
		if f == nil || !f.link || !followLast && rest == "" {
			current = next
			continue
		}
		if links++; links > maxFollow {
			return nil, errLinks
		}
		if path.IsAbs(f.content) {
			current = ""
		}
		rest = f.content + "/" + rest
	}
	return f, nil
}

// walk finds a path without following any link.
func (t *files) walk(p string) *file {
	f := t.root
	for rest := strings.TrimPrefix(p, "/"); rest != "" && f != nil; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		f = f.child(name)
	}
	return f
}

// records goes over the records of a file and of all that is in it, in BuildKit's order.
func (f *file) records(yield func(fileRecord) bool) {
	f.eachRecord(yield)
}

func (f *file) eachRecord(yield func(fileRecord) bool) bool {
	if !yield(fileRecord{file: f}) || f.isDir() && !yield(fileRecord{file: f, header: true}) {
		return false
	}
	for _, c := range f.children {
		if !c.hidden && !c.eachRecord(yield) {
			return false
		}
	}
	return true
}

// changes lists the paths at which two directories or files differ, without looking into what is
// equal. Of a directory that only one of them has, all that is in it is listed.
func changes(was, is *file, list *[]change) {
	switch {
	case was == nil && is == nil:
	case was != nil && is != nil && was.same(is):
	case was == nil || is == nil || !was.isDir() || !is.isDir():
		listAll(was, list, func(f *file) change { return change{was: f} })
		listAll(is, list, func(f *file) change { return change{is: f} })
		// One file for another at the same place is one change.
		if n := len(*list); was != nil && is != nil && !was.isDir() && !is.isDir() {
			*list = append((*list)[:n-2], change{was: was, is: is})
		}
	default:
		a, b := was.visible(), is.visible()
		for len(a) > 0 || len(b) > 0 {
			switch {
			case len(b) == 0 || len(a) > 0 && a[0].name < b[0].name:
				changes(a[0], nil, list)
				a = a[1:]
			case len(a) == 0 || b[0].name < a[0].name:
				changes(nil, b[0], list)
				b = b[1:]
			default:
				changes(a[0], b[0], list)
				a, b = a[1:], b[1:]
			}
		}
	}
}

// change is a path that is new (was is nil), gone (is is nil) or another.
type change struct {
	was, is *file
	named   string // the named context that it is of; "" for the main one
}

func listAll(f *file, list *[]change, as func(*file) change) {
	if f == nil {
		return
	}
	in := f.visible()
	if len(in) == 0 {
		*list = append(*list, as(f))
	}
	for _, c := range in {
		listAll(c, list, as)
	}
}
