package buildcache

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Key is what BuildKit's cache is asked for one step of a plan, with the files of one tree.
type Key struct{ record *record }

// MissingSourceError is a COPY, ADD or bind mount of something that the context does not have: the
// build fails there.
type MissingSourceError struct {
	Path   string // of the Dockerfile
	Lines  source.Lines
	Source string // as a path of the context
	Named  string // of a named context; "" for the main one
	// Link is the first symbolic link on the way to Source, "" for none; To is its text, Target the path of the
	// context that it and those after it lead to, where nothing is. Outside says that one of them leads out of
	// the context on the machine that it was made on: BuildKit follows links inside the context, takes its root
	// for "/", and stops there at "..".
	Link, To, Target string
	Outside          bool
}

func (e *MissingSourceError) Error() string {
	where := "the build context"
	if e.Named != "" {
		where = "the named context " + e.Named
	}
	return fmt.Sprintf("%s:%d: %s has no %s", e.Path, e.Lines.First, where, e.Source)
}

// record is one operation with the contents of one tree. Records of several trees make what a cache
// has seen.
type record struct {
	id   keyDigest // the operation and all that it stands on
	work keyDigest // the operation and what it takes of the context, without its other inputs
	deps []recordDep

	node  *keyNode
	plan  *Plan
	files *files
}

// recordDep is an input of an operation that is not the build context.
type recordDep struct {
	*keyDep
	from *record
}

// Keys returns the key of each step of the plan, in the order of its steps, for the files of one
// context. Errors: *MissingSourceError, *dockerfile.LimitError, ErrLongPath, or one about a pattern
// or link that BuildKit refuses.
func (p *Plan) Keys(c *buildcontext.Context) ([]Key, error) {
	if err := checkPaths(c); err != nil {
		return nil, err
	}
	k := newKeying(p)
	if _, err := k.next(newFiles(c)); err != nil {
		return nil, err
	}
	keys := make([]Key, len(p.Steps))
	for i, n := range p.stepNodes {
		keys[i] = Key{record: k.nodes[n.index].record}
	}
	return keys, nil
}

// keying computes the records of a plan for one tree after the other. What an operation takes of a tree and
// stands on is mostly what it was in the tree before: then its record stays.
type keying struct {
	plan    *Plan
	nodes   []nodeRecord // of each node of the plan
	records slab[record]
	deps    slab[recordDep]
	text    []byte // of one digest, for reuse
}

type nodeRecord struct {
	*record // nil where the last tree has none
	// selected is what each selection takes of a context, input by input.
	selected []selected
}

func newKeying(p *Plan) *keying {
	k := &keying{plan: p, nodes: make([]nodeRecord, len(p.nodes))}
	for i, n := range p.nodes {
		for j := range n.deps {
			if dep := &n.deps[j]; dep.ofContext() {
				k.nodes[i].selected = append(k.nodes[i].selected, make([]selected, len(dep.contents))...)
			}
		}
	}
	return k
}

// next makes the records those of a tree; changed says whether any is another one. After an error the
// records are those of no tree, and the next tree makes them new.
func (k *keying) next(t *files) (changed bool, err error) {
	for i, n := range k.plan.nodes {
		now := &k.nodes[i]
		takesOther, err := k.plan.takes(t, n, now.selected)
		if err != nil {
			now.record = nil
			return false, err
		}
		switch {
		case takesOther || now.record == nil:
			now.record = k.record(t, n, k.work(n, now.selected))
		case slices.ContainsFunc(now.deps, func(d recordDep) bool { return k.nodes[d.node.index].record != d.from }):
			now.record = k.record(t, n, now.work)
		default:
			continue
		}
		changed = true
	}
	return changed, nil
}

// record is a new one of a node whose inputs have theirs.
func (k *keying) record(t *files, n *keyNode, work keyDigest) *record {
	count := 0
	for i := range n.deps {
		if !n.deps[i].ofContext() {
			count++
		}
	}
	r := k.records.one()
	*r = record{work: work, deps: k.deps.some(count)[:0], node: n, plan: k.plan, files: t}
	for i := range n.deps {
		if dep := &n.deps[i]; !dep.ofContext() {
			r.deps = append(r.deps, recordDep{keyDep: dep, from: k.nodes[dep.node.index].record})
		}
	}
	k.text = append(k.text[:0], work[:]...)
	for _, dep := range r.deps {
		k.text = append(appendText(k.text, dep.selector), dep.from.id[:]...)
	}
	r.id = digestOf(k.text)
	return r
}

// work is the digest of an operation and of what it takes of contexts.
func (k *keying) work(n *keyNode, takes []selected) keyDigest {
	if len(takes) == 0 {
		return n.opID
	}
	k.text = append(append(k.text[:0], "takes "...), n.opID[:]...)
	for i := range n.deps {
		dep := &n.deps[i]
		if !dep.ofContext() {
			continue
		}
		k.text = appendText(k.text, strconv.Itoa(i))
		for _, one := range takes[:len(dep.contents)] {
			k.text = appendText(k.text, one.sum)
		}
		takes = takes[len(dep.contents):]
	}
	return digestOf(k.text)
}

// ofContext says that the input is asked for as contents of the build context.
func (d *keyDep) ofContext() bool { return d.node.kind == nodeContext && d.byContents }

// takes makes what an operation takes of its contexts what it takes of those of a tree; other says that it is
// not what it was.
func (p *Plan) takes(t *files, n *keyNode, was []selected) (other bool, err error) {
	for i := range n.deps {
		dep := &n.deps[i]
		if !dep.ofContext() {
			continue
		}
		of := t.of(dep.node)
		for j := range dep.contents {
			s := &dep.contents[j]
			is, err := of.selected(s, was[j])
			if err != nil {
				return false, p.failure(of, n, dep, s, err)
			}
			other = other || is.sum != was[j].sum
			was[j] = is
		}
		for j := range dep.contents {
			if s := &dep.contents[j]; (s.wildcard || len(s.include) > 0) && !was[j].some && !p.sent(of, dep.node, s) {
				return false, p.failure(of, n, dep, s, errNotFound)
			}
		}
		was = was[len(dep.contents):]
		for j := range dep.inside {
			s := &dep.inside[j]
			if _, err := of.find(s); err != nil {
				return false, p.failure(of, n, dep, s, errNotFound)
			}
		}
	}
	return other, nil
}

// failure is the error of a plan for what is wrong with one selection.
func (p *Plan) failure(t *files, n *keyNode, dep *keyDep, s *selection, err error) error {
	missing := &MissingSourceError{Path: p.path, Source: s.path, Named: dep.node.name}
	if len(s.include) > 0 {
		missing.Source = path.Join(s.path, s.include[0])
	}
	if n.step >= 0 {
		missing.Lines = p.Steps[n.step].Lines
	}
	switch {
	case errors.Is(err, errNotFound):
		t.followed(s.begin, missing)
		return missing
	case errors.Is(err, errMatching):
		return &dockerfile.LimitError{Path: p.path, What: "bytes of paths to match patterns of COPY against", Value: *t.spent, Most: maxMatching}
	}
	return fmt.Errorf("%s:%d: %s: %w", p.path, missing.Lines.First, s.path, err)
}

// followed says which links lead to what is missing.
func (t *files) followed(p string, missing *MissingSourceError) {
	current, rest := "", strings.TrimPrefix(rooted(p), "/")
	for links := 0; rest != "" && links <= maxFollow; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if name == ".." && current == "" {
			missing.Outside = true
		}
		next := strings.TrimSuffix(path.Join("/", current, name), "/")
		f := t.walk(next)
		if f == nil || !f.link {
			current = next
			continue
		}
		if links++; missing.Link == "" {
			missing.Link, missing.To = strings.TrimPrefix(next, "/"), f.content
		}
		if path.IsAbs(f.content) {
			current, missing.Outside = "", true
		}
		rest = f.content + "/" + rest
	}
	if missing.Link != "" {
		missing.Target = strings.TrimPrefix(current, "/")
	}
}

// sent says whether the directory is there that a pattern without a match looks into. The client sends what the
// sources of all instructions match and no more; without a match anywhere in the directory it is missing, and the
// copy fails.
func (p *Plan) sent(t *files, from *keyNode, pattern *selection) bool {
	if pattern.begin == "" {
		return true
	}
	if len(pattern.exclude) > 0 {
		all := *pattern
		all.exclude = nil
		if found, err := t.included(&all); err != nil || len(found) > 0 {
			return err == nil
		}
	}
	real, err := t.lookup(pattern.begin, true)
	if err != nil || real == nil {
		return false
	}
	// Those without patterns first: they cost next to nothing.
	for _, plain := range []bool{true, false} {
		for _, n := range p.nodes {
			for i := range n.deps {
				if dep := &n.deps[i]; dep.node == from && t.sendsAny(dep.contents, plain, real) {
					return true
				}
			}
		}
	}
	return false
}

func (t *files) sendsAny(list []selection, plain bool, dir *file) bool {
	for i := range list {
		if s := &list[i]; s.plain() == plain && t.sends(s, dir) {
			return true
		}
	}
	return false
}

// sends says whether a selection brings a directory to the builder.
func (t *files) sends(s *selection, dir *file) bool {
	if s.plain() {
		f, err := t.find(s)
		return err == nil && (f == dir || below(f.path, dir.path) || f.path == "" || below(dir.path, f.path))
	}
	all := *s
	all.exclude = nil
	found, err := t.included(&all)
	return err == nil && slices.ContainsFunc(found, func(r *includedRecord) bool {
		return r.file == dir || below(r.path, dir.path) || below(dir.path, r.path)
	})
}
