package buildcache

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// Variant is one form of a build to count: a Dockerfile as it is, or with edits. Variants whose ignore file
// is the same share a Context.
type Variant struct {
	Plan *Plan
	// Context is the build's context in the tree that the Dockerfile is of. Its Dockerfile and ignore files
	// are laid over every tree of the history.
	Context *buildcontext.Context
}

// Counts is how many commits of a history would have re-run each step of a plan, with a cache that keeps
// all that was built before.
type Counts struct {
	Commits int // counted; 0 where no tree of the history, or not its newest, can be built
	// LeftOut are the commits whose trees some variant cannot be built from: they lack what a COPY names.
	LeftOut int
	// Rerun and Maybe are for each of Plan.Steps, nil where Commits is 0. Maybe is what hangs on the output of a
	// command or on something outside the repository: it is not in Rerun.
	Rerun, Maybe []int
}

// maxCounted bounds the work of counting, in commits times operations of the plans, of which a million takes one to
// three seconds.
const maxCounted = 20_000_000

// ErrTooLong is a history with too many commits for the size of the plans.
var ErrTooLong = errors.New("too many commits for a Dockerfile of this size")

// Count walks a history once for all variants of a build. The tree before the oldest commit, or the first
// that can be built, only fills the cache. All variants are counted over the same commits: those that each of
// them can be built from. A variant that the newest tree does not do for is not counted and does not hinder
// the others.
//
// Errors: ErrTooLong, ErrLongPath, *buildcontext.IgnoreError, *dockerfile.LimitError, and ctx's own.
func Count(ctx context.Context, variants []Variant, h *buildcontext.History) ([]Counts, error) {
	nodes := 0
	for _, v := range variants {
		nodes += len(v.Plan.nodes)
	}
	if len(h.Commits)*nodes > maxCounted {
		return nil, fmt.Errorf("count %d commits over %d operations: %w", len(h.Commits), nodes, ErrTooLong)
	}
	past, err := newPast(ctx, variants, h)
	if err != nil {
		return nil, err
	}
	counting := make([]*counting, len(variants))
	for i, v := range variants {
		counting[i] = newCounting(v)
	}
	return past.count(ctx, counting)
}

// counting is the count of one variant as far as the walk has come.
type counting struct {
	Variant
	Counts
	keying    *keying
	seen      Seen
	predictor *predictor
	known     bool   // the records of the last tree that was built are in the cache
	off       bool   // not counted
	files     *files // of the last tree
	lacks     bool   // it lacks what a COPY names
	// outside says that a step may run again though no file changed: a source over the network, a context
	// that a stage begins with.
	outside bool
}

func newCounting(v Variant) *counting {
	c := &counting{
		Variant: v,
		Counts:  Counts{Rerun: make([]int, len(v.Plan.Steps)), Maybe: make([]int, len(v.Plan.Steps))},
		keying:  newKeying(v.Plan),
		outside: slices.ContainsFunc(v.Plan.nodes, func(n *keyNode) bool {
			return n.kind == nodeRemote || slices.ContainsFunc(n.deps, func(d keyDep) bool { return d.node.kind == nodeContext && !d.byContents })
		}),
	}
	c.predictor = newPredictor(v.Plan, &c.seen)
	return c
}

// count goes through the trees from the oldest to the newest.
func (p *past) count(ctx context.Context, all []*counting) ([]Counts, error) {
	for _, c := range all {
		_, err := newKeying(c.Plan).next(p.files(c.Context, 0))
		if c.off, err = missing(err); err != nil {
			return nil, err
		}
	}
	seeded := false
	for at := p.commits; at >= 0; at-- {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		whole := true
		for _, c := range all {
			if c.off {
				continue
			}
			lacks, err := c.build(p, at)
			if err != nil {
				return nil, err
			}
			whole = whole && !lacks
		}
		for _, c := range all {
			c.add(whole, seeded, at < p.commits)
		}
		seeded = seeded || whole
	}
	out := make([]Counts, len(all))
	for i, c := range all {
		if out[i] = c.Counts; c.off || c.Commits == 0 {
			out[i] = Counts{LeftOut: c.LeftOut}
		}
	}
	return out, nil
}

// build computes the keys of one tree; lacks says that it has not what a COPY names.
func (c *counting) build(p *past, at int) (lacks bool, err error) {
	files := p.files(c.Context, at)
	if files == c.files {
		return c.lacks, nil
	}
	changed, err := c.keying.next(files)
	c.known = c.known && !changed && err == nil
	c.lacks, err = missing(err)
	c.files = files
	return c.lacks, err
}

// missing tells a tree that lacks what a COPY names from all other errors. A link that BuildKit refuses
// fails the build like one that leads nowhere.
func missing(err error) (lacks bool, other error) {
	if err == nil {
		return false, nil
	}
	var absent *MissingSourceError
	if errors.As(err, &absent) || errors.Is(err, errLinks) {
		return true, nil
	}
	return false, err
}

// add counts one tree. whole says that all variants can be built from it, seeded that the cache holds
// something, and commit that it is not the tree before the oldest commit.
func (c *counting) add(whole, seeded, commit bool) {
	switch {
	case c.off:
		return
	case !whole:
		if commit {
			c.LeftOut++
		}
		return
	}
	if seeded {
		c.Commits++
	}
	if c.known && !c.outside {
		return // all of it is cached
	}
	if seeded {
		c.predict()
	}
	for _, n := range c.Plan.stepNodes {
		c.seen.add(c.keying.nodes[n.index].record)
	}
	c.known = true
}

// predict counts what Predict would say of each step of the last tree; the causes are not asked for.
func (c *counting) predict() {
	c.predictor.reset()
	for i, n := range c.Plan.stepNodes {
		switch c.predictor.outcome(c.keying.nodes[n.index].record).state() {
		case Rebuilt:
			c.Rerun[i]++
		case Maybe:
			c.Maybe[i]++
		}
	}
	record := func(step int) *record { return c.keying.nodes[c.Plan.stepNodes[step].index].record }
	c.predictor.doubted(c.Plan, record, func(step, _ int) {
		c.Rerun[step]--
		c.Maybe[step]++
	})
}
