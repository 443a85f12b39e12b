package buildcache

import (
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
	maker   fileMaker
	// What the next change consists of.
	gone, come []edit
}

func newTree(c *buildcontext.Context) *tree {
	return &tree{context: c, judge: c.Judge(), dir: contextDir(c)}
}

// contextDir is a context's directory in the repository, with a slash at its end; "" for the root.
func contextDir(c *buildcontext.Context) string {
	dir := strings.TrimPrefix(c.RepoPath(""), ".")
	if dir != "" {
		dir += "/"
	}
	return dir
}

// edit is a file that comes, changes or goes.
type edit struct {
	path  string              // in the context directory
	entry *buildcontext.Entry // nil where it goes
}

// edit adds a file to those that the next change edits.
func (t *tree) edit(p string, e *buildcontext.Entry) {
	if e == nil {
		t.gone = append(t.gone, edit{path: p})
	} else {
		t.come = append(t.come, edit{path: p, entry: e})
	}
}

// change returns the tree that the edits make of a root: first those that go, then the others, each sorted
// by path. Where a file and a directory have one name the directory stays.
func (t *tree) change(root *file) (*file, error) {
	for _, list := range [][]edit{t.gone, t.come} {
		if len(list) == 0 {
			continue
		}
		if slices.ContainsFunc(list, func(e edit) bool { return len(e.path) > maxPath }) {
			return nil, ErrLongPath
		}
		if !slices.IsSortedFunc(list, comparePaths) {
			slices.SortStableFunc(list, comparePaths)
		}
		var err error
		if root, err = t.apply(root, false, 0, list); err != nil {
			return nil, err
		}
	}
	t.gone, t.come = t.gone[:0], t.come[:0]
	return root, nil
}

func comparePaths(a, b edit) int { return strings.Compare(a.path, b.path) }

// apply changes one directory: itself where it is own, which no tree holds yet, else a copy of it. at is how
// long its own path is, with a slash at its end, in those of all edits.
func (t *tree) apply(dir *file, own bool, at int, edits []edit) (*file, error) {
	for len(edits) > 0 {
		name, _, deeper := strings.Cut(edits[0].path[at:], "/")
		i, found := search(dir.children, name)
		var was, now *file
		if found {
			was = dir.children[i]
		}
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
		edits = edits[n:]
		if now == was {
			continue
		}
		if !own {
			dir, own = t.copy(dir), true
		}
		switch {
		case was == nil:
			dir.children = slices.Insert(dir.children, i, now)
		case now == nil:
			dir.children = slices.Delete(dir.children, i, i+1)
		default:
			dir.children[i] = now
		}
	}
	if own {
		dir.hidden = dir.out && !slices.ContainsFunc(dir.children, func(c *file) bool { return !c.hidden })
	}
	return dir, nil
}

// copy is a directory to change, with room for another child.
func (t *tree) copy(dir *file) *file {
	c := t.maker.files.one()
	*c = *dir
	c.content = ""
	c.children = append(make([]*file, 0, len(dir.children)+1), dir.children...)
	return c
}

// inside applies edits to what a directory holds; nil where nothing is left in it.
func (t *tree) inside(was *file, at int, edits []edit) (*file, error) {
	dir := was
	switch {
	case was == nil && edits[0].entry == nil, was != nil && !was.isDir():
		return was, nil
	case was == nil:
		dir = t.maker.file(edits[0].path[:at-1])
		dir.mode = modeDir
		var err error
		if dir.out, err = t.judge.Dir(edits[0].path[:at-1]); err != nil {
			return nil, err
		}
	}
	dir, err := t.apply(dir, was == nil, at, edits)
	if err != nil || len(dir.children) == 0 {
		return nil, err
	}
	return dir, nil
}

// place puts a file where another may be, or takes it away.
func (t *tree) place(was *file, e edit) (*file, error) {
	if was != nil && len(was.children) > 0 {
		return was, nil
	}
	if e.entry == nil {
		return nil, nil
	}
	var now *file
	if was != nil {
		now = t.maker.files.one()
		now.name, now.path, now.out = was.name, was.path, was.out
	} else {
		now = t.maker.file(e.path)
		var err error
		if now.out, err = t.judge.File(e.path); err != nil {
			return nil, err
		}
	}
	now.hidden = now.out
	now.describe(e.entry, t.context.Build.Kind)
	return now, nil
}

// describe gives a file what an entry says of it. A submodule is an empty directory where a client sends a
// checkout.
func (f *file) describe(e *buildcontext.Entry, kind buildcontext.Kind) {
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
