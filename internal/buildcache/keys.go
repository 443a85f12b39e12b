package buildcache

import (
	"errors"
	"fmt"
	"path"
	"slices"

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
// context. Errors: *MissingSourceError, *dockerfile.LimitError, or one about a pattern or
// link that BuildKit refuses.
func (p *Plan) Keys(c *buildcontext.Context) ([]Key, error) {
	t := newFiles(c)
	records := make(map[*keyNode]*record, len(p.nodes))
	keys := make([]Key, len(p.Steps))
	for _, n := range p.nodes {
		r := &record{node: n, plan: p, files: t}
		work, inputs := []string{n.op}, []string{}
		for i := range n.deps {
			dep := &n.deps[i]
			if dep.node.kind == nodeContext && dep.byContents {
				sum, err := p.contents(t.of(dep.node), n, dep)
				if err != nil {
					return nil, err
				}
				work = append(work, fmt.Sprint(i), sum)
				continue
			}
			from := records[dep.node]
			r.deps = append(r.deps, recordDep{keyDep: dep, from: from})
			inputs = append(inputs, dep.selector, from.id)
		}
		r.work = hash(work...)
		r.id = hash(append(inputs, r.work)...)
		records[n] = r
	}
	for i := range keys {
		r := records[p.stepNodes[i]]
		keys[i] = Key{ID: r.id, record: r}
	}
	return keys, nil
}

// contents is the digest of what an operation takes of the build context.
func (p *Plan) contents(t *files, n *keyNode, dep *keyDep) (string, error) {
	fail := func(s selection, err error) error {
		missing := &MissingSourceError{Path: p.path, Source: s.path, Named: dep.node.name}
		if n.step >= 0 {
			missing.Lines = p.Steps[n.step].Lines
		}
		if errors.Is(err, errNotFound) {
			return missing
		}
		if errors.Is(err, errMatching) {
			return &dockerfile.LimitError{Path: p.path, What: "bytes of paths to match patterns of COPY against", Value: t.spent, Most: maxMatching}
		}
		return fmt.Errorf("%s:%d: %s: %w", p.path, missing.Lines.First, s.path, err)
	}
	sums := make([]string, 0, len(dep.contents))
	for _, s := range dep.contents {
		sum, err := t.checksum(s)
		if err != nil {
			return "", fail(s, err)
		}
		sums = append(sums, sum)
	}
	for _, s := range dep.contents {
		if s.wildcard && !p.sent(t, dep.node, s) {
			return "", fail(s, errNotFound)
		}
	}
	for _, s := range dep.sources {
		if f, err := t.lookup(cleanKey(path.Join("/", s.path)), s.follow); err != nil || f == nil {
			return "", fail(s, errNotFound)
		}
	}
	return hash(sums...), nil
}

// sent says whether the directory is there that a wildcard looks into. The client sends what the
// sources of all instructions match and no more; without a match anywhere in the directory it is
// missing, and the copy fails.
func (p *Plan) sent(t *files, from *keyNode, wildcard selection) bool {
	dir, _ := splitWildcards(path.Join("/", wildcard.path))
	if dir == "/" {
		return true
	}
	wildcard.exclude = nil
	if _, found, err := t.included(wildcard); err != nil || len(found) > 0 {
		return err == nil
	}
	real, err := t.lookup(dir, true)
	if err != nil || real == nil {
		return false
	}
	for _, n := range p.nodes {
		for _, dep := range n.deps {
			if dep.node != from {
				continue
			}
			for _, s := range dep.contents {
				if t.sends(s, real) {
					return true
				}
			}
		}
	}
	return false
}

// sends says whether a selection brings a directory to the builder.
func (t *files) sends(s selection, dir *file) bool {
	if s.plain() {
		f, err := t.lookup(cleanKey(path.Join("/", s.path)), s.follow)
		return err == nil && f != nil && (f == dir || below(f.path, dir.path) || f.path == "" || below(dir.path, f.path))
	}
	s.exclude = nil
	_, found, err := t.included(s)
	return err == nil && slices.ContainsFunc(found, func(r *includedRecord) bool {
		return r.file == dir || below(r.path, dir.path) || below(dir.path, r.path)
	})
}
