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
	fixed map[string]*buildcontext.Entry // by path in the repository; nil for one that is not there
	links map[string]string              // texts of links that the history may not know, by object
}

func overlayOf(c *buildcontext.Context) *overlay {
	o := &overlay{fixed: map[string]*buildcontext.Entry{}, links: map[string]string{}}
	o.fixed[path.Clean(c.Build.Dockerfile)] = nil
	for _, p := range buildcontext.IgnoreCandidates(c.Build) {
		o.fixed[p] = nil
	}
	contexts := slices.Collect(maps.Values(c.Named))
	for _, n := range contexts {
		o.fixed[n.RepoPath(".dockerignore")] = nil
	}
	for _, one := range append(contexts, c) {
		for p := range o.fixed {
			if rel, below := cutDir(p, newTree(one).dir); below {
				if e, found := one.All.Lookup(rel); found {
					e.Path = p
					o.fixed[p] = &e
				}
			}
		}
		for _, e := range one.All.Entries {
			if e.Mode == buildcontext.ModeSymlink && e.Link != "" {
				o.links[e.Object] = e.Link
			}
		}
	}
	return o
}

// cutDir makes a path of the repository relative to a directory, which ends in a slash or is "".
func cutDir(p, dir string) (rel string, below bool) {
	return strings.CutPrefix(p, dir)
}

// open makes the trees of one context.
func (o *overlay) open(ctx context.Context, c *buildcontext.Context, h *buildcontext.History) (*contextPast, error) {
	t := newTree(c)
	edits := make([]edit, 0, len(h.Tree)+len(o.fixed))
	for i := range h.Tree {
		edits = o.add(edits, t, h.Tree[i].Path, &h.Tree[i])
	}
	root := &file{mode: modeDir}
	for p, e := range o.fixed {
		if rel, below := cutDir(p, t.dir); below && e != nil {
			// First, so that nothing of a history takes their places.
			var err error
			if root, err = t.change(root, []edit{{path: rel, entry: e}}); err != nil {
				return nil, err
			}
		}
	}
	root, err := t.change(root, edits)
	if err != nil {
		return nil, err
	}
	out := &contextPast{roots: make([]*file, 0, len(h.Commits)+1), views: &views{of: map[*selection]*view{}}, spent: new(int), at: -1}
	out.roots = append(out.roots, root)
	for i := range h.Commits {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		edits = edits[:0]
		for j := range h.Commits[i].Changes {
			change := &h.Commits[i].Changes[j]
			if change.New.Mode != "" && change.New.Path != change.Old.Path {
				edits = o.add(edits, t, change.New.Path, nil)
			}
			if change.Old.Mode != "" {
				edits = o.add(edits, t, change.Old.Path, &change.Old)
			}
		}
		if root, err = t.change(root, edits); err != nil {
			return nil, err
		}
		out.roots = append(out.roots, root)
	}
	return out, nil
}

// add appends what becomes of one path of the repository, if the context has it and it is not fixed.
func (o *overlay) add(edits []edit, t *tree, p string, e *buildcontext.Entry) []edit {
	rel, below := cutDir(p, t.dir)
	if _, fixed := o.fixed[p]; !below || fixed || rel == "" {
		return edits
	}
	if e != nil && e.Mode == buildcontext.ModeSymlink && e.Link == "" {
		if text := o.links[e.Object]; text != "" {
			known := *e
			known.Link = text
			e = &known
		}
	}
	return append(edits, edit{path: rel, entry: e})
}

// files are those of a context in the tree before so many of the newest commits. Asked again for a tree
// that is the same to the context, it returns the same ones.
func (p *past) files(c *buildcontext.Context, at int) *files {
	return p.contexts[c].files(at)
}

func (c *contextPast) files(at int) *files {
	same := c.now != nil && c.roots[c.at] == c.roots[at]
	named := make(map[string]*files, len(c.named))
	for name, other := range c.named {
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
