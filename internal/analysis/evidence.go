package analysis

import (
	"context"

	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/fix"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// evidence counts, for each plan of a Dockerfile, what the commits of the history would have re-run, with
// its suggestions too. A suggestion with which a RUN would have run more often in one of the builds is
// withheld: this is a part of its proof. What cannot be counted has no evidence.
func (a *run) evidence(ctx context.Context, t *target) {
	if a.History == nil {
		return
	}
	for {
		worse := -1
		for i, p := range t.planned {
			if ctx.Err() != nil {
				return
			}
			t.out.Plans[i].History, worse = a.count(ctx, t, p)
			if worse >= 0 {
				break
			}
		}
		if worse < 0 {
			return
		}
		t.fixes.Withhold(worse, rules.RunsMore)
	}
}

// variant is a build to count: of the Dockerfile as it is, or as some suggestions make it.
type variant struct {
	planned
	edited *fix.Edited // nil for the Dockerfile as it is
	each   []buildcache.State
}

// count counts one build, with each suggestion alone and with all of them. worse is a suggestion that is
// to be withheld, -1 for none.
func (a *run) count(ctx context.Context, t *target, p *planned) (_ *Evidence, worse int) {
	n := t.fixes.OfDockerfile()
	variants := []*variant{a.variant(ctx, t, p)}
	if variants[0] == nil {
		return nil, -1
	}
	every := make([]int, n)
	for i := range n {
		every[i] = i
		variants = append(variants, a.variant(ctx, t, p, i))
	}
	if n > 1 {
		variants = append(variants, a.variant(ctx, t, p, every...))
	}
	counted := make([]*buildcache.Counts, len(variants))
	var asked []buildcache.Variant
	var at []int
	for i, v := range variants {
		if v != nil {
			asked = append(asked, buildcache.Variant{Plan: v.plan, Context: v.context})
			at = append(at, i)
		}
	}
	counts, err := buildcache.Count(ctx, asked, a.History)
	if err != nil || counts[0].Commits == 0 {
		return nil, -1
	}
	for i := range counts {
		counted[at[i]] = &counts[i]
	}
	e := &Evidence{Branch: a.History.Branch, Commits: counts[0].Commits, LeftOut: counts[0].LeftOut}
	e.Steps = variants[0].counts(p, counted[0])
	runs := p.runs()
	for i := range n {
		alone := variants[1+i].counts(p, counted[1+i])
		if more(e.Steps, alone, runs) {
			return nil, i
		}
		e.Alone = append(e.Alone, alone)
	}
	switch n {
	case 0:
	case 1:
		e.All = e.Alone[0]
	default:
		if e.All = variants[1+n].counts(p, counted[1+n]); more(e.Steps, e.All, runs) {
			return nil, n - 1
		}
	}
	return e, -1
}

// variant compiles a build of the Dockerfile with some suggestions; nil where that cannot be.
func (a *run) variant(ctx context.Context, t *target, p *planned, which ...int) *variant {
	v := &variant{planned: *p}
	if len(which) > 0 {
		var err error
		if v.edited, err = t.fixes.Edited(which...); err != nil {
			return nil
		}
		edited, err := a.plan(ctx, v.edited.File, p.build, "now")
		if err != nil {
			return nil
		}
		v.planned = *edited
	}
	if len(p.build.Volatile) == 0 {
		return v
	}
	// What hangs on an argument that is another each time runs in every build.
	before, err := a.plan(ctx, v.file, p.build, "before")
	if err != nil {
		return nil
	}
	var seen buildcache.Seen
	seen.Add(before.keys)
	for _, prediction := range buildcache.Predict(v.keys, &seen) {
		v.each = append(v.each, prediction.State)
	}
	return v
}

// counts gives what was counted for each printed step of the original as what it becomes; nil where that
// is not known.
func (v *variant) counts(original *planned, c *buildcache.Counts) []Count {
	if v == nil || c == nil || c.Commits == 0 {
		return nil
	}
	at := map[source.Lines]int{}
	for i, s := range v.plan.Steps {
		if !s.OnBuild {
			at[s.Lines] = i
		}
	}
	instructions := original.instructions()
	out := []Count{}
	for i, s := range original.plan.Steps {
		if s.OnBuild {
			continue
		}
		n := i
		if v.edited != nil {
			was := instructions[s.Lines]
			if was == nil {
				return nil
			}
			became := v.edited.Becomes[was]
			if became == nil {
				out = append(out, Count{Gone: true})
				continue
			}
			var known bool
			if n, known = at[v.file.Source.LinesFromSpan(became.Span)]; !known {
				return nil
			}
		}
		one := Count{Rerun: c.Rerun[n], Maybe: c.Maybe[n]}
		if v.each != nil {
			switch v.each[n] {
			case buildcache.Rebuilt:
				one = Count{Rerun: c.Commits}
			case buildcache.Maybe:
				one.Maybe = c.Commits - one.Rerun
			}
		}
		out = append(out, one)
	}
	return out
}

// instructions are those of the stages by their lines.
func (p *planned) instructions() map[source.Lines]*dockerfile.Instruction {
	by := map[source.Lines]*dockerfile.Instruction{}
	for _, i := range p.file.Instructions {
		if i.Stage != nil {
			by[p.file.Source.LinesFromSpan(i.Span)] = i
		}
	}
	return by
}

// runs says of each printed step whether it is a RUN: those are what takes time.
func (p *planned) runs() []bool {
	instructions := p.instructions()
	var out []bool
	for _, s := range p.plan.Steps {
		if !s.OnBuild {
			i := instructions[s.Lines]
			out = append(out, i != nil && i.Keyword == "RUN")
		}
	}
	return out
}

// more says whether a RUN runs more often than before.
func more(before, after []Count, runs []bool) bool {
	for i := range after {
		if runs[i] && !after[i].Gone &&
			(after[i].Rerun > before[i].Rerun || after[i].Rerun+after[i].Maybe > before[i].Rerun+before[i].Maybe) {
			return true
		}
	}
	return false
}
