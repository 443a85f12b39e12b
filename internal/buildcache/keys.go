package buildcache

import (
	"errors"
	"fmt"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
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
}

func (e *MissingSourceError) Error() string {
	return fmt.Sprintf("%s:%d: the build context has no %s", e.Path, e.Lines.First, e.Source)
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
// context. Its error is *MissingSourceError, or one about a pattern or link that BuildKit refuses.
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
				sum, err := p.contents(t, n, dep)
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
	sums := make([]string, 0, len(dep.contents))
	for _, s := range dep.contents {
		sum, err := t.checksum(s)
		if err != nil {
			missing := &MissingSourceError{Path: p.path, Source: s.path}
			if n.step >= 0 {
				missing.Lines = p.Steps[n.step].Lines
			}
			if errors.Is(err, errNotFound) {
				return "", missing
			}
			return "", fmt.Errorf("%s:%d: %s: %w", p.path, missing.Lines.First, s.path, err)
		}
		sums = append(sums, sum)
	}
	return hash(sums...), nil
}
