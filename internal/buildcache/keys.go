package buildcache

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Key is what BuildKit's cache is asked for one step of a plan, with the files of one tree. Two
// steps with one ID are the same work on the same inputs.
type Key struct {
	ID string

	record *record
}

// MissingSourceError is a COPY, ADD or bind mount of something that the context does not have: the
// build fails there.
type MissingSourceError struct {
	Path   string // of the Dockerfile
	Lines  source.Lines
	Source string // as a path of the context
	Named  string // of a named context; "" for the main one
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
	id   string // the operation and all that it stands on
	work string // the operation and what it takes of the context, without its other inputs
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
	k := keying{plan: p}
	if _, err := k.next(newFiles(c)); err != nil {
		return nil, err
	}
	return k.keys(), nil
}

// keying computes the records of a plan for one tree after the other. What an operation takes of a tree and
// stands on is mostly what it was in the tree before: then its record stays.
type keying struct {
	plan *Plan
	now  []nodeRecord // of each node of the plan
	// index is the place of each node.
	index map[*keyNode]int
	sums  []string // of one input, for reuse
}

type nodeRecord struct {
	*record
	sums [][]string // of each input what is selected of the context
}

// next makes the records those of a tree; changed says whether any is another one. After an error the
// records are those of no tree, and the next tree makes them new.
func (k *keying) next(t *files) (changed bool, err error) {
	if k.index == nil {
		k.index = make(map[*keyNode]int, len(k.plan.nodes))
		for i, n := range k.plan.nodes {
			k.index[n] = i
		}
		k.now = make([]nodeRecord, len(k.plan.nodes))
	}
	for i, n := range k.plan.nodes {
		another := k.now[i].record == nil
		if another {
			k.now[i].sums = make([][]string, len(n.deps))
		}
		for j := range n.deps {
			dep := &n.deps[j]
			if !dep.ofContext() {
				another = another || k.now[k.index[dep.node]].record != k.now[i].dep(dep)
				continue
			}
			if k.sums, err = k.plan.contents(t.of(dep.node), n, dep, k.sums[:0]); err != nil {
				k.now[i].record = nil
				return false, err
			}
			if !slices.Equal(k.sums, k.now[i].sums[j]) {
				another = true
				k.now[i].sums[j] = slices.Clone(k.sums)
			}
		}
		if another {
			k.now[i].record = k.record(t, i, n)
			changed = true
		}
	}
	return changed, nil
}

func (k *keying) record(t *files, at int, n *keyNode) *record {
	r := &record{node: n, plan: k.plan, files: t}
	work, inputs := []string{n.op}, []string{}
	for i := range n.deps {
		dep := &n.deps[i]
		if dep.ofContext() {
			work = append(work, strconv.Itoa(i), hash(k.now[at].sums[i]...))
			continue
		}
		from := k.now[k.index[dep.node]].record
		r.deps = append(r.deps, recordDep{keyDep: dep, from: from})
		inputs = append(inputs, dep.selector, from.id)
	}
	r.work = hash(work...)
	r.id = hash(append(inputs, r.work)...)
	return r
}

// keys are those of the steps.
func (k *keying) keys() []Key {
	keys := make([]Key, len(k.plan.Steps))
	for i, n := range k.plan.stepNodes {
		r := k.now[k.index[n]].record
		keys[i] = Key{ID: r.id, record: r}
	}
	return keys
}

// ofContext says that the input is asked for as contents of the build context.
func (d *keyDep) ofContext() bool { return d.node.kind == nodeContext && d.byContents }

// dep is the record of an input.
func (r *record) dep(dep *keyDep) *record {
	for _, d := range r.deps {
		if d.keyDep == dep {
			return d.from
		}
	}
	return nil
}

// contents appends the digests of what an operation takes of the build context.
func (p *Plan) contents(t *files, n *keyNode, dep *keyDep, sums []string) ([]string, error) {
	fail := func(s *selection, err error) error {
		missing := &MissingSourceError{Path: p.path, Source: s.path, Named: dep.node.name}
		if n.step >= 0 {
			missing.Lines = p.Steps[n.step].Lines
		}
		if errors.Is(err, errNotFound) {
			return missing
		}
		if errors.Is(err, errMatching) {
			return &dockerfile.LimitError{Path: p.path, What: "bytes of paths to match patterns of COPY against", Value: *t.spent, Most: maxMatching}
		}
		return fmt.Errorf("%s:%d: %s: %w", p.path, missing.Lines.First, s.path, err)
	}
	for i := range dep.contents {
		sum, err := t.checksumOf(&dep.contents[i])
		if err != nil {
			return nil, fail(&dep.contents[i], err)
		}
		sums = append(sums, sum)
	}
	for i := range dep.contents {
		if s := &dep.contents[i]; s.wildcard && !p.sent(t, dep.node, s) {
			return nil, fail(s, errNotFound)
		}
	}
	for i := range dep.sources {
		s := &dep.sources[i]
		if f, err := t.lookup(cleanKey(rooted(s.path)), s.follow); err != nil || f == nil {
			return nil, fail(s, errNotFound)
		}
	}
	return sums, nil
}

// sent says whether the directory is there that a wildcard looks into. The client sends what the
// sources of all instructions match and no more; without a match anywhere in the directory it is
// missing, and the copy fails.
func (p *Plan) sent(t *files, from *keyNode, wildcard *selection) bool {
	dir, _ := splitWildcards(rooted(wildcard.path))
	if dir == "/" {
		return true
	}
	takes, known := t.views.takes(t, wildcard)
	if takes {
		return true
	}
	if !known || len(wildcard.exclude) > 0 {
		all := *wildcard
		all.exclude = nil
		if _, found, err := t.included(all); err != nil || len(found) > 0 {
			return err == nil
		}
	}
	real, err := t.lookup(dir, true)
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
	return slices.ContainsFunc(list, func(s selection) bool { return s.plain() == plain && t.sends(s, dir) })
}

// sends says whether a selection brings a directory to the builder.
func (t *files) sends(s selection, dir *file) bool {
	if s.plain() {
		f, err := t.lookup(cleanKey(rooted(s.path)), s.follow)
		return err == nil && f != nil && (f == dir || below(f.path, dir.path) || f.path == "" || below(dir.path, f.path))
	}
	s.exclude = nil
	_, found, err := t.included(s)
	return err == nil && slices.ContainsFunc(found, func(r *includedRecord) bool {
		return r.file == dir || below(r.path, dir.path) || below(dir.path, r.path)
	})
}
