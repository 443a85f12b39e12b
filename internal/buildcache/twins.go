package buildcache

import "slices"

// twins are steps of one plan that do the same work on the same input, but on files of other stages or images:
// COPY --link from two stages to the same place. Where these files come out equal, the daemon runs the one
// whose files are there first, and finds its result for the others.
type twins []int // in Plan.Steps, one for each operation

func twinsOf(nodes []*keyNode) []twins {
	var all []twins
	for i, n := range nodes {
		if !slices.ContainsFunc(n.deps, func(d keyDep) bool { return d.byContents && d.node.kind != nodeContext }) {
			continue
		}
		at := slices.IndexFunc(all, func(t twins) bool { return sameWork(nodes[t[0]], n) })
		switch {
		case at < 0:
			all = append(all, twins{i})
		case !slices.ContainsFunc(all[at], func(j int) bool { return nodes[j] == n }):
			all[at] = append(all[at], i)
		}
	}
	return slices.DeleteFunc(all, func(t twins) bool { return len(t) < 2 })
}

func sameWork(a, b *keyNode) bool {
	return a.opID == b.opID && slices.EqualFunc(a.deps, b.deps, func(x, y keyDep) bool {
		return x.byContents == y.byContents && (x.byContents || x.node == y.node)
	})
}

// doubted tells, for each step that runs though a twin of it may have run instead, which step that is. record
// is the record of a step.
func (p *predictor) doubted(plan *Plan, record func(step int) *record, tell func(step, twin int)) {
	for _, all := range plan.twins {
		for _, i := range all {
			r := record(i)
			if p.outcome(r).state() != Rebuilt {
				continue
			}
			for _, j := range all {
				// What is in the cache has been compared with already.
				if s := record(j); i != j && p.outcome(s).state() != Cached && p.mayEqual(r, s) {
					p.tellEach(plan, r.node, i, j, tell)
					break
				}
			}
		}
	}
}

// tellEach tells of every step that is the operation.
func (p *predictor) tellEach(plan *Plan, n *keyNode, first, twin int, tell func(step, twin int)) {
	for i := first; i < len(plan.stepNodes); i++ {
		if plan.stepNodes[i] == n {
			tell(i, twin)
		}
	}
}

// mayEqual says whether two operations of one build may be the same to BuildKit.
func (p *predictor) mayEqual(r, s *record) bool {
	if r.work != s.work || len(r.deps) != len(s.deps) {
		return false
	}
	p.within = true
	defer func() { p.within = false }()
	for i, dep := range r.deps {
		other := s.deps[i]
		switch {
		case dep.from.id == other.from.id && dep.selector == other.selector:
		case !dep.byContents || !other.byContents, dep.from.made() && other.from.made():
			return false
		case p.sameContents(dep, other) == Rebuilt:
			return false
		}
	}
	return true
}
