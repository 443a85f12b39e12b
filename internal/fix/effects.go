package fix

import (
	"path"
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// scene is the Dockerfile under one of its builds, as the checkers of effects see it.
type scene struct {
	in      rules.Input
	states  map[*dockerfile.Instruction]dockerfile.State
	copies  map[*dockerfile.Instruction]readCopy // worked out so far
	scripts *rules.Scripts
}

// readCopy is what placeCopy gave.
type readCopy struct {
	placed placed
	reason Reason
}

// checkUnit asks the checker of each of the unit's effects, under every build, whether the edit keeps
// what the comparison of steps cannot see: files, owners, caches; and whether it still does where the
// file's ARGs have other values, which anybody may give them. An effect without a checker is never offered.
func (p *prover) checkUnit(u *unit) Reason {
	if len(u.effects) == 0 {
		return rules.NotProven
	}
	for n := range p.builds {
		b := &p.builds[n]
		s := scene{in: p.in, states: b.states, copies: b.copies, scripts: p.scripts}
		if reason := s.checkAll(u); reason != "" {
			return reason
		}
		if other, ok := b.otherwise(p); ok && other.checkAll(u) != "" {
			return rules.OtherArguments
		}
	}
	return ""
}

// otherwise is the scene under other values of the build arguments; ok is false where there are none.
func (b *build) otherwise(p *prover) (s scene, ok bool) {
	if !b.varied {
		b.varied = true
		if args := rules.OtherValues(p.in.File, b.args, b.states); args != nil {
			for name, value := range b.args {
				if _, declared := args[name]; !declared {
					args[name] = value
				}
			}
			if states, err := p.in.File.States(args); err == nil {
				b.others = &scene{in: p.in, states: states, copies: map[*dockerfile.Instruction]readCopy{}, scripts: p.scripts}
			}
		}
	}
	if b.others == nil {
		return scene{}, false
	}
	return *b.others, true
}

func (s scene) checkAll(u *unit) Reason {
	for _, e := range u.effects {
		if reason := s.check(u, e); reason != "" {
			return reason
		}
	}
	return ""
}

func (s scene) check(u *unit, e rules.Effect) Reason {
	switch e := e.(type) {
	case rules.AddCopy:
		return s.inStage(e.Of).or(func() Reason { return s.addCopy(u, e) })
	case rules.MoveStep:
		return s.inStage(e.Step, e.Below).or(func() Reason { return s.moveStep(u, e) })
	case rules.MoveEnv:
		return s.inStage(e.Step, e.Below).or(func() Reason { return s.moveEnv(u, e) })
	case rules.OwnCopies:
		return s.inStage(append([]*dockerfile.Instruction{e.Step}, e.Copies...)...).or(func() Reason { return s.ownCopies(e) })
	case rules.AddCacheMount:
		return s.inStage(e.Step).or(func() Reason { return s.addCacheMount(u, e) })
	case rules.AddFlag:
		return s.inStage(e.Step).or(func() Reason { return s.addFlag(u, e) })
	case rules.MergeUpdate:
		return s.inStage(append([]*dockerfile.Instruction{e.Update}, e.Into...)...).or(func() Reason { return s.mergeUpdate(u, e) })
	case rules.RemoveLists:
		return s.inStage(e.Step).or(func() Reason { return s.removeLists(u, e) })
	case rules.MergeRuns:
		return s.inStage(e.First, e.Second).or(func() Reason { return s.mergeRuns(u, e) })
	case rules.RemoveFlag:
		return s.inStage(e.Step).or(func() Reason { return s.removeFlag(u, e) })
	}
	return rules.NotProven
}

// verdict is a reason that the next check is asked after only when there is none.
type verdict Reason

func (v verdict) or(next func() Reason) Reason {
	if v != "" {
		return Reason(v)
	}
	return next()
}

// inStage refuses instructions that are not steps of one and the same stage: an ONBUILD trigger runs
// in other builds, and its text is part of the image's configuration.
func (s scene) inStage(all ...*dockerfile.Instruction) verdict {
	for _, i := range all {
		switch {
		case i == nil || i.Stage == nil:
			return verdict(rules.Internal)
		case !slices.Contains(i.Stage.Instructions, i) || i.Trigger != nil:
			return verdict(rules.InOnBuild)
		case i.Stage != all[0].Stage:
			return verdict(rules.OtherSettings)
		}
	}
	return ""
}

func (s scene) effects(i *dockerfile.Instruction) shelleffects.Effects {
	return shelleffects.Of(i.Run(), s.states[i])
}

// isRoot says whether an instruction certainly runs as root.
func isRoot(st dockerfile.State) bool {
	return st.UserKnown && (st.User == "" && st.BaseKnown || slices.Contains([]string{"root", "0", "root:root", "0:0", "root:0", "0:root"}, st.User))
}

// local says whether one of the builds takes its context from a directory, where files may lie that
// git does not know.
func (s scene) local() bool {
	return s.in.Context.Build.Kind == buildcontext.Local ||
		slices.ContainsFunc(s.in.Builds, func(b buildcontext.Build) bool { return b.Kind == buildcontext.Local })
}

// oneContext says whether all builds take the same directory.
func (s scene) oneContext() bool {
	return !slices.ContainsFunc(s.in.Builds, func(b buildcontext.Build) bool { return b.Context != s.in.Context.Build.Context })
}

// mountTarget is where a mount of a RUN lies; "" for one without a target, whose place below /run BuildKit
// chooses, and the root where it is not known.
func (s scene) mountTarget(i *dockerfile.Instruction, m *instructions.Mount) string {
	if m.Target == "" {
		return ""
	}
	target, known := shelleffects.Expand(m.Target, s.states[i].Env)
	if !path.IsAbs(target) {
		target, known = path.Join("/", s.states[i].Workdir, target), known && s.states[i].WorkdirKnown
	}
	if !known {
		return "/"
	}
	return path.Clean(target)
}
