package buildcache

import (
	"path"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// tree makes the trees of a history out of each other. A tree is never changed: another one shares with it
// all that is equal, so that what is known of a directory (its digest) stays known.
type tree struct {
	context *buildcontext.Context
	judge   *buildcontext.Judge
	dir     string // of the repository, with a slash at its end; "" for the root
}

func newTree(c *buildcontext.Context) *tree {
	t := &tree{context: c, judge: c.Judge(), dir: c.RepoPath("")}
	if t.dir = strings.TrimPrefix(t.dir, "."); t.dir != "" {
		t.dir += "/"
	}
	return t
}

// edit is a file that comes, changes or goes.
type edit struct {
	path  string              // in the context directory
	entry *buildcontext.Entry // nil where it goes
}

// change returns the tree that edits make of a root: first those that go, then the others, each sorted by
// path. Where a file and a directory have one name the directory stays.
func (t *tree) change(root *file, edits []edit) (*file, error) {
	var gone, come []edit
	for _, e := range edits {
		if len(e.path) > maxPath {
			return nil, ErrLongPath
		}
		if e.entry == nil {
			gone = append(gone, e)
		} else {
			come = append(come, e)
		}
	}
	for _, list := range [][]edit{gone, come} {
		if len(list) == 0 {
			continue
		}
		if !slices.IsSortedFunc(list, comparePaths) {
			slices.SortStableFunc(list, comparePaths)
		}
		var err error
		if root, err = t.apply(root, 0, list); err != nil {
			return nil, err
		}
	}
	return root, nil
}

func comparePaths(a, b edit) int { return strings.Compare(a.path, b.path) }

// apply changes one directory; at is how long its own path is, with a slash at its end, in those of all
// edits.
func (t *tree) apply(dir *file, at int, edits []edit) (*file, error) {
	next := dir
	for len(edits) > 0 {
		name, _, deeper := strings.Cut(edits[0].path[at:], "/")
		was := next.any(name)
		var now *file
		n := 1
		var err error
		if deeper {
			for prefix := edits[0].path[:at+len(name)+1]; n < len(edits) && strings.HasPrefix(edits[n].path, prefix); n++ {
			}
			now, err = t.inside(was, at+len(name)+1, edits[:n])
		} else {
			now, err = t.place(was, edits[0])
		}
		if err != nil {
			return nil, err
		}
		if now != was {
			if next == dir {
				clone := *dir
				clone.children, clone.hidden, clone.digest = slices.Clone(dir.children), slices.Clone(dir.hidden), ""
				next = &clone
			}
			next.put(name, was, now)
		}
		edits = edits[n:]
	}
	return next, nil
}

// inside applies edits to what a directory holds; nil where nothing is left in it.
func (t *tree) inside(was *file, at int, edits []edit) (*file, error) {
	dir := was
	switch {
	case was == nil && edits[0].entry == nil, was != nil && !was.isDir():
		return was, nil
	case was == nil:
		p := edits[0].path[:at-1]
		out, err := t.judge.Dir(p)
		if err != nil {
			return nil, err
		}
		dir = &file{name: path.Base(p), path: "/" + p, mode: modeDir, out: out}
	}
	dir, err := t.apply(dir, at, edits)
	if err != nil || len(dir.children)+len(dir.hidden) == 0 {
		return nil, err
	}
	return dir, nil
}

// place puts a file where another may be, or takes it away.
func (t *tree) place(was *file, e edit) (*file, error) {
	if was != nil && len(was.children)+len(was.hidden) > 0 {
		return was, nil
	}
	if e.entry == nil {
		return nil, nil
	}
	now := &file{mode: e.entry.Mode, content: e.entry.Object}
	if was != nil {
		now.name, now.path, now.out = was.name, was.path, was.out
	} else {
		var err error
		if now.out, err = t.judge.File(e.path); err != nil {
			return nil, err
		}
		now.path = "/" + e.path
		now.name = now.path[strings.LastIndexByte(now.path, '/')+1:]
	}
	now.describe(*e.entry, t.context.Build.Kind)
	return now, nil
}

// describe gives a file what an entry says of it. A submodule is an empty directory where a client sends a
// checkout.
func (f *file) describe(e buildcontext.Entry, kind buildcontext.Kind) {
	f.mode, f.content = e.Mode, e.Object
	switch {
	case e.Mode == buildcontext.ModeSubmodule && kind != buildcontext.Git:
		f.mode, f.content = modeDir, ""
	case e.Mode == buildcontext.ModeSymlink:
		f.link = true
		if e.Link != "" {
			f.content = e.Link
		}
	}
}

// any is a child, also one that is left out.
func (f *file) any(name string) *file {
	if c := f.child(name); c != nil {
		return c
	}
	if i, found := search(f.hidden, name); found {
		return f.hidden[i]
	}
	return nil
}

// put replaces a child of a directory that nobody else has yet; nil is none.
func (f *file) put(name string, was, now *file) {
	for _, list := range []*[]*file{&f.children, &f.hidden} {
		holds := func(c *file) bool { return c != nil && c.seen() == (list == &f.children) }
		i, _ := search(*list, name)
		switch {
		case holds(was) && holds(now):
			(*list)[i] = now
		case holds(was):
			*list = slices.Delete(*list, i, i+1)
		case holds(now):
			*list = slices.Insert(*list, i, now)
		}
	}
}

// seen says whether BuildKit sees a file or directory: it is left in, or something in it is.
func (f *file) seen() bool { return !f.out || len(f.children) > 0 }

func search(list []*file, name string) (int, bool) {
	return slices.BinarySearchFunc(list, name, func(c *file, n string) int { return strings.Compare(c.name, n) })
}
