package buildcache

import (
	"context"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// past is the trees of a history as the contexts of some builds see them.
type past struct {
	commits  int
	contexts map[*buildcontext.Context]*contextPast
}

// contextPast is one context over a history.
type contextPast struct {
	roots []*file // the newest tree's, then that before each commit, newest first
	named map[string]*contextPast
	views *views
	spent *int
	now   *files // of the tree that was asked for last
	at    int
}

// newPast makes the trees of a history out of the newest one.
func newPast(ctx context.Context, variants []Variant, h *buildcontext.History) (*past, error) {
	p := &past{commits: len(h.Commits), contexts: map[*buildcontext.Context]*contextPast{}}
	for _, v := range variants {
		if p.contexts[v.Context] != nil {
			continue
		}
		o := overlayOf(v.Context)
		c, err := o.open(ctx, v.Context, h)
		if err != nil {
			return nil, err
		}
		for _, name := range slices.Sorted(maps.Keys(v.Context.Named)) {
			if c.named == nil {
				c.named = map[string]*contextPast{}
			}
			if c.named[name], err = o.open(ctx, v.Context.Named[name], h); err != nil {
				return nil, err
			}
		}
		p.contexts[v.Context] = c
	}
	return p, nil
}

// overlay is what is the same in every tree: the Dockerfile and the ignore files, as they are now.
type overlay struct {
	fixed []fixedFile
	links map[string]string // texts of links that the history may not know, by object
}

// fixedFile is a file by its path in the repository; entry is nil for one that is not there.
type fixedFile struct {
	path  string
	entry *buildcontext.Entry
}

func overlayOf(c *buildcontext.Context) *overlay {
	o := &overlay{links: map[string]string{}}
	contexts := slices.Collect(maps.Values(c.Named))
	paths := append([]string{path.Clean(c.Build.Dockerfile)}, buildcontext.IgnoreCandidates(c.Build)...)
	for _, n := range contexts {
		paths = append(paths, n.RepoPath(".dockerignore"))
	}
	contexts = append(contexts, c)
	for _, p := range paths {
		o.fixed = append(o.fixed, fixedFile{p, entryAt(contexts, p)})
	}
	for _, one := range contexts {
		for i := range one.All.Entries {
			if e := &one.All.Entries[i]; e.Mode == buildcontext.ModeSymlink && e.Link != "" {
				o.links[e.Object] = e.Link
			}
		}
	}
	return o
}

// entryAt is a file of one of some contexts by its path in the repository, nil where none of them has it.
func entryAt(contexts []*buildcontext.Context, p string) *buildcontext.Entry {
	for _, c := range contexts {
		if rel, below := strings.CutPrefix(p, contextDir(c)); below {
			if e, found := c.All.Lookup(rel); found {
				return &e
			}
		}
	}
	return nil
}

// open makes the trees of one context.
func (o *overlay) open(ctx context.Context, c *buildcontext.Context, h *buildcontext.History) (*contextPast, error) {
	t := newTree(c)
	root := &file{mode: modeDir}
	for _, f := range o.fixed {
		if rel, below := strings.CutPrefix(f.path, t.dir); below && f.entry != nil {
			t.edit(rel, f.entry)
		}
	}
	// First, so that nothing of a history takes their places.
	root, err := t.change(root)
	if err != nil {
		return nil, err
	}
	t.come = slices.Grow(t.come, len(h.Tree))
	for i := range h.Tree {
		o.edit(t, h.Tree[i].Path, &h.Tree[i])
	}
	if root, err = t.change(root); err != nil {
		return nil, err
	}
	out := &contextPast{roots: make([]*file, 0, len(h.Commits)+1), views: &views{of: map[*selection]*view{}}, spent: new(int), at: -1}
	out.roots = append(out.roots, root)
	for i := range h.Commits {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		for j := range h.Commits[i].Changes {
			change := &h.Commits[i].Changes[j]
			if change.New.Mode != "" && change.New.Path != change.Old.Path {
				o.edit(t, change.New.Path, nil)
			}
			if change.Old.Mode != "" {
				o.edit(t, change.Old.Path, &change.Old)
			}
		}
		if root, err = t.change(root); err != nil {
			return nil, err
		}
		out.roots = append(out.roots, root)
	}
	return out, nil
}

// edit notes what becomes of one path of the repository, if the context has it and it is not fixed; nil is
// a file that goes.
func (o *overlay) edit(t *tree, p string, e *buildcontext.Entry) {
	rel, below := strings.CutPrefix(p, t.dir)
	if !below || rel == "" || slices.ContainsFunc(o.fixed, func(f fixedFile) bool { return f.path == p }) {
		return
	}
	if e != nil && e.Mode == buildcontext.ModeSymlink && e.Link == "" {
		if text := o.links[e.Object]; text != "" {
			known := *e
			known.Link = text
			e = &known
		}
	}
	t.edit(rel, e)
}

// files are those of a context in the tree before so many of the newest commits. Asked again for a tree
// that is the same to the context, it returns the same ones.
func (p *past) files(c *buildcontext.Context, at int) *files {
	return p.contexts[c].files(at)
}

func (c *contextPast) files(at int) *files {
	same := c.now != nil && c.roots[c.at] == c.roots[at]
	var named map[string]*files
	for name, other := range c.named {
		if named == nil {
			named = make(map[string]*files, len(c.named))
		}
		before := other.now
		named[name] = other.files(at)
		same = same && before == named[name]
	}
	c.at = at
	if !same {
		c.now = &files{root: c.roots[at], named: named, views: c.views, spent: c.spent}
	}
	return c.now
}
