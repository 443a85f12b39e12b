package fix

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"

	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Limits of one file's proof.
const (
	maxBuilds      = 4   // different targets and arguments of one Dockerfile
	maxUnits       = 100 // whose effects are checked
	maxEdits       = 100 // of one unit
	maxElsewhere   = 20  // units of other files than the Dockerfile
	everySubset    = 6   // up to so many suggestions every subset is tried
	maxSuggestions = 20  // above everySubset: every single one, every pair and all
	// maxWork is some ten seconds, in microseconds as estimated by tryCost. Real files stay below a
	// second.
	maxWork = 10_000_000
)

// prover proves the units of one Dockerfile.
type prover struct {
	in       rules.Input
	findings []rules.Finding
	units    []*unit // the costliest first
	withheld map[int]Reason
	scripts  *rules.Scripts

	plan   *buildcache.Plan // of the primary build; nil: not compiled yet
	builds []build
	before map[identity]int
	// tried are the subsets proven so far, by their units; left is the work that may still be spent.
	tried map[string]outcome
	left  int
	// parallel is how many subsets are tried at the same time; ahead are those whose turn has not come.
	parallel int
	ahead    map[string]outcome
}

// outcome is what came of trying a set of suggestions.
type outcome struct {
	reason Reason
	// gone are the units of other suggestions whose findings are settled too, where the reason is
	// SettlesAnother: all else is right then.
	gone []*unit
	// also are findings without an edit of their own that are settled too, where all is right.
	also []int
}

// build is one way in which the file is built, with what it is before the edit.
type build struct {
	target string
	args   map[string]string
	// contexts are the named ones.
	contexts map[string]string
	plan     *buildcache.Plan
	states   map[*dockerfile.Instruction]dockerfile.State
	copies   map[*dockerfile.Instruction]readCopy
	others   *scene // under other values of the build arguments; worked out once varied is true
	varied   bool
}

// identity is what makes two findings the same one, wherever they stand.
type identity struct{ rule, path, stage, subject string }

func identityOf(f rules.Finding) identity {
	return identity{f.Rule, f.Path, f.Stage, f.Subject}
}

func (p *prover) withhold(u *unit, reason Reason) {
	p.withheld[u.finding] = reason
	p.units = slices.DeleteFunc(p.units, func(o *unit) bool {
		if o == u || o.by == u {
			p.withheld[o.finding] = reason
			return true
		}
		return false
	})
}

func (p *prover) withholdAll(reason Reason) {
	for _, u := range slices.Clone(p.units) {
		p.withhold(u, reason)
	}
}

func (p *prover) prove(ctx context.Context) Result {
	if reason := p.compileBefore(ctx); reason != "" {
		p.withholdAll(reason)
	}
	p.before, p.tried, p.left = map[identity]int{}, map[string]outcome{}, maxWork
	for _, f := range p.findings {
		p.before[identityOf(f)]++
	}
	for i, u := range slices.Clone(p.units) {
		if i >= maxUnits || len(u.edits) > maxEdits {
			p.withhold(u, rules.TooManyEdits)
		} else if reason := p.checkUnit(u); reason != "" {
			p.withhold(u, reason)
		}
	}
	withoutConflicts(slices.Clone(p.units), func(u *unit) { p.withhold(u, rules.Conflict) })

	for {
		groups, idle := merge(p.in.File.Source, p.units)
		for _, u := range idle {
			p.withhold(u, rules.ChangesNothing)
		}
		if len(idle) > 0 {
			continue
		}
		if most := p.affordable(); len(groups) > most {
			byCost := slices.SortedFunc(slices.Values(groups), func(a, b *group) int { return cmp.Compare(a.units[0].rank, b.units[0].rank) })
			for _, g := range byCost[most:] {
				for _, u := range g.units {
					p.withhold(u, rules.TooManyEdits)
				}
			}
			continue
		}
		culprit, by, reason := p.findCulprit(ctx, groups)
		if culprit == nil {
			return p.result(groups)
		}
		switch {
		case ctx.Err() != nil:
			p.withholdAll(rules.OutOfTime)
		case p.left < 0:
			p.withholdAll(rules.TooManyEdits)
		case by != nil:
			culprit.edits, culprit.effects, culprit.note, culprit.by = nil, nil, nil, by
			for _, u := range p.units {
				if u.by == culprit {
					u.by = by
				}
			}
		default:
			p.withhold(culprit, reason)
		}
	}
}

func (p *prover) result(groups []*group) Result {
	r := Result{Withheld: p.withheld, before: p.in.File, groups: groups}
	for _, g := range groups {
		for _, i := range p.tried[keyOf([]*group{g})].also {
			if !slices.ContainsFunc(groups, func(o *group) bool { return slices.Contains(o.Findings, i) }) {
				g.Findings = append(g.Findings, i)
				delete(p.withheld, i)
			}
		}
		slices.Sort(g.Findings)
	}
	for _, g := range groups {
		r.Suggestions = append(r.Suggestions, g.Suggestion)
	}
	return r
}

// compileBefore compiles the file as it is, for each different target and arguments.
func (p *prover) compileBefore(ctx context.Context) Reason {
	type key struct{ target, args, contexts string }
	seen := map[key]bool{}
	known := p.in.Builds
	if len(known) == 0 {
		known = append(known, p.in.Context.Build)
	}
	for i, b := range known {
		k := key{b.Target, argsKey(b.Args), argsKey(b.Contexts)}
		if seen[k] || len(p.builds) == maxBuilds {
			continue
		}
		seen[k] = true
		var err error
		plan := p.plan
		if i > 0 || plan == nil {
			plan, err = buildcache.Compile(ctx, buildcache.Inputs{File: p.in.File, Target: b.Target, Args: b.Args, Contexts: b.Contexts, AllStages: true})
		}
		if err != nil {
			continue // a target that is gone, an argument that is missing: nobody builds it like this
		}
		states, err := p.in.File.States(b.Args)
		if err != nil {
			continue
		}
		p.builds = append(p.builds, build{target: b.Target, args: b.Args, contexts: b.Contexts, plan: plan, states: states, copies: map[*dockerfile.Instruction]readCopy{}})
	}
	switch {
	case ctx.Err() != nil:
		return rules.OutOfTime
	case len(p.builds) == 0:
		return rules.Unconfigured
	}
	return ""
}

func argsKey(args map[string]string) string {
	key := ""
	for _, name := range slices.Sorted(maps.Keys(args)) {
		key += name + "\x00" + args[name] + "\x00"
	}
	return key
}

// affordable is how many suggestions can be proven with half of the work; at least one. The other half
// is for finding the ones that do not hold.
func (p *prover) affordable() int {
	each := p.tryCost()
	n := 1
	for n < maxSuggestions && subsetCount(n+1)*each <= maxWork/2 {
		n++
	}
	return n
}

// tryCost estimates what trying one subset takes, in microseconds: BuildKit's frontend some 50 for an
// instruction, the rules one for each pair of steps and a fifth for each file that is copied.
func (p *prover) tryCost() int {
	steps, copies := len(p.in.File.Instructions), 0
	for _, i := range p.in.File.Instructions {
		if i.Run() != nil {
			steps += len(i.Run().Commands)
		}
		if i.Keyword == "COPY" || i.Keyword == "ADD" {
			copies++
		}
	}
	files := min(copies*len(p.in.Context.Tree.Entries), 1<<20)
	return len(p.builds)*len(p.in.File.Instructions)*50 + steps*steps + files/5
}

func subsetCount(n int) int {
	if n <= everySubset {
		return 1<<n - 1
	}
	return n + n*(n-1)/2 + 1
}

// subsets are the sets of suggestions to try, small ones first, as indexes.
func subsets(n int) [][]int {
	var out [][]int
	if n <= everySubset {
		for bits := 1; bits < 1<<n; bits++ {
			var set []int
			for i := range n {
				if bits&(1<<i) != 0 {
					set = append(set, i)
				}
			}
			out = append(out, set)
		}
		slices.SortStableFunc(out, func(a, b []int) int { return cmp.Compare(len(a), len(b)) })
		return out
	}
	all := make([]int, n)
	for i := range n {
		all[i] = i
		out = append(out, []int{i})
	}
	for i := range n {
		for j := range i {
			out = append(out, []int{j, i})
		}
	}
	return append(out, all)
}

// findCulprit tries the subsets of the groups. It returns the unit to leave out when one fails, and
// the unit by which its finding is settled all the same, if so; nil when all of them hold.
func (p *prover) findCulprit(ctx context.Context, groups []*group) (culprit, by *unit, reason Reason) {
	sets := subsets(len(groups))
	for n, set := range sets {
		if ctx.Err() != nil {
			return groups[0].cheapest(), nil, rules.OutOfTime
		}
		if n%p.parallel == 0 {
			p.tryAhead(ctx, groups, sets[n:min(n+p.parallel, len(sets))])
		}
		chosen := pick(groups, set)
		tried := p.try(ctx, chosen)
		if tried.reason == "" {
			continue
		}
		if len(chosen) == 1 {
			if tried.reason == rules.SettlesAnother {
				return tried.gone[len(tried.gone)-1], chosen[0].units[0], tried.reason
			}
			return p.inGroup(ctx, chosen[0], tried.reason)
		}
		cheapest := chosen[0].cheapest()
		for _, g := range chosen[1:] {
			if u := g.cheapest(); u.rank > cheapest.rank {
				cheapest = u
			}
		}
		return cheapest, nil, together(tried.reason)
	}
	return nil, nil, ""
}

// together is why a suggestion that holds by itself is left out when it does not hold with another.
func together(reason Reason) Reason {
	if slices.Contains([]Reason{rules.SettlesAnother, rules.TooManyEdits, rules.OutOfTime}, reason) {
		return reason
	}
	return rules.Conflict
}

func pick(groups []*group, set []int) []*group {
	chosen := make([]*group, len(set))
	for i, at := range set {
		chosen[i] = groups[at]
	}
	return chosen
}

// tryAhead tries sets at the same time, as far as there is work left for them.
func (p *prover) tryAhead(ctx context.Context, groups []*group, sets [][]int) {
	p.ahead = map[string]outcome{}
	if len(sets) == 1 || p.left < len(sets)*p.tryCost() {
		return
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, set := range sets {
		chosen := pick(groups, set)
		key := keyOf(chosen)
		if _, done := p.tried[key]; done {
			continue
		}
		all.Go(func() {
			tried := p.check(ctx, chosen)
			mu.Lock()
			defer mu.Unlock()
			p.ahead[key] = tried
		})
	}
	all.Wait()
}

// inGroup finds the unit to leave out of a group that fails: one without which the rest holds, best
// one whose finding the rest settles too; else one that fails by itself.
func (p *prover) inGroup(ctx context.Context, g *group, reason Reason) (culprit, by *unit, _ Reason) {
	for _, u := range slices.Backward(g.units) {
		if u.by != nil {
			continue
		}
		tried, rest := p.without(ctx, g, u)
		switch {
		case tried.reason == rules.SettlesAnother && len(tried.gone) == 1 && tried.gone[0] == u:
			return u, rest, reason
		case tried.reason == "" && culprit == nil:
			culprit = u
		}
	}
	if culprit != nil {
		if alone, idle := merge(p.in.File.Source, []*unit{culprit}); len(idle) == 0 && p.try(ctx, alone).reason == "" {
			reason = together(reason)
		}
		return culprit, nil, reason
	}
	for _, u := range slices.Backward(g.units) {
		if u.by != nil {
			continue
		}
		alone, idle := merge(p.in.File.Source, []*unit{u})
		if len(idle) > 0 {
			return u, nil, rules.ChangesNothing
		}
		if tried := p.try(ctx, alone); tried.reason != "" && tried.reason != rules.SettlesAnother {
			return u, nil, tried.reason
		}
	}
	return g.cheapest(), nil, reason
}

// without tries what is left of a group when one unit and what hangs on it go, and names the costliest
// unit of the rest.
func (p *prover) without(ctx context.Context, g *group, u *unit) (outcome, *unit) {
	rest := slices.DeleteFunc(slices.Clone(g.units), func(o *unit) bool { return o == u || o.by == u })
	groups, idle := merge(p.in.File.Source, rest)
	if len(groups) == 0 || len(idle) > 0 {
		return outcome{reason: rules.ChangesNothing}, nil
	}
	return p.try(ctx, groups), rest[0]
}

// try proves one set of suggestions, once.
func (p *prover) try(ctx context.Context, groups []*group) outcome {
	key := keyOf(groups)
	tried, done := p.tried[key]
	if !done {
		if p.left -= p.tryCost(); p.left < 0 {
			return outcome{reason: rules.TooManyEdits}
		}
		if tried, done = p.ahead[key]; !done {
			tried = p.check(ctx, groups)
		}
		p.tried[key] = tried
	}
	return tried
}

// keyOf names a set of suggestions by the units in them.
func keyOf(groups []*group) string {
	key := ""
	for _, g := range groups {
		for _, u := range g.units {
			key += string(rune('0'+u.rank)) + ","
			if u.by != nil {
				key += string(rune('0'+u.by.rank)) + "."
			}
		}
		key += ";"
	}
	return key
}

// check proves one set of suggestions.
func (p *prover) check(ctx context.Context, groups []*group) outcome {
	src := p.in.File.Source
	suggestions := make([]Suggestion, len(groups))
	var units []*unit
	for i, g := range groups {
		suggestions[i] = g.Suggestion
		units = append(units, g.units...)
		if hasHidden(g.Replacement) {
			return outcome{reason: rules.HiddenText}
		}
	}
	after, err := dockerfile.Parse(source.New(src.Path, Apply(src, suggestions)))
	if err != nil {
		return outcome{reason: rules.DoesNotParse}
	}
	if mixedNewlines(after.Source) {
		return outcome{reason: rules.MixedNewlines}
	}
	c := newComparison(p.in.File, after, units)
	if reason := c.instructions(); reason != "" {
		return outcome{reason: reason}
	}
	if reason := p.mountsMeetRuns(c); reason != "" {
		return outcome{reason: reason}
	}
	for _, b := range p.builds {
		plan, err := buildcache.Compile(ctx, buildcache.Inputs{File: after, Target: b.target, Args: b.args, Contexts: b.contexts, AllStages: true})
		if err != nil {
			return outcome{reason: rules.DoesNotCompile}
		}
		if reason := c.plans(b.plan, plan); reason != "" {
			return outcome{reason: reason}
		}
	}
	return p.rulesAgain(after, units)
}

// mountsMeetRuns refuses a new cache mount on a RUN behind which another suggestion puts commands that touch
// the cache: removing a mounted directory fails. The checker of the mount has seen its own RUN only.
func (p *prover) mountsMeetRuns(c *comparison) Reason {
	for _, list := range c.stages {
		for _, x := range list {
			if x.merged == nil {
				continue
			}
			for _, b := range p.builds {
				s := scene{in: p.in, states: b.states, copies: b.copies, scripts: p.scripts}
				effects := s.effects(x.merged)
				for _, m := range x.mounts {
					if effects.Unread || usesCache(effects, x.merged.Run(), s.states[x.merged], m.Tool, m.Target) {
						return rules.CacheUsed
					}
				}
			}
		}
	}
	return ""
}

// rulesAgain runs the rules on the edited file: what the units settle has to be gone, nothing new may
// be there, and what other suggestions are about has to be there still, with an edit that is right.
func (p *prover) rulesAgain(after *dockerfile.File, units []*unit) outcome {
	in := p.in
	in.File = after
	left := maps.Clone(p.before)
	for _, u := range units {
		left[identityOf(p.findings[u.finding])]--
	}
	found := rules.Run(in)
	now := map[identity]int{}
	for _, f := range found {
		now[identityOf(f)]++
	}
	for _, u := range units {
		if id := identityOf(p.findings[u.finding]); now[id] > left[id] {
			return outcome{reason: rules.NotSettled}
		}
	}
	for id, n := range now {
		if n > left[id] {
			return outcome{reason: rules.MakesFinding}
		}
	}
	var gone []*unit
	for _, u := range p.units {
		if id := identityOf(p.findings[u.finding]); u.by == nil && !slices.Contains(units, u) && now[id] < left[id] {
			gone = append(gone, u)
		}
	}
	if len(gone) > 0 {
		return outcome{reason: rules.SettlesAnother, gone: gone}
	}
	var also []int
	for i, f := range p.findings {
		own := slices.ContainsFunc(p.units, func(u *unit) bool { return u.finding == i })
		if id := identityOf(f); !own && f.Path == in.File.Source.Path && now[id] == 0 {
			also = append(also, i)
		}
	}
	return outcome{also: also}
}
