package analysis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// planned is one build of a Dockerfile, compiled, on the files that it sees.
type planned struct {
	file    *dockerfile.File
	build   buildcontext.Build
	plan    *buildcache.Plan
	context *buildcontext.Context
	keys    []buildcache.Key
}

// plans fills in what each build of a Dockerfile does, of which those that do not compile are left
// out. Where only plans are asked for, the first that does is enough, and what is wrong is said.
func (a *run) plans(ctx context.Context, t *target) {
	if a.Base == nil && a.History == nil {
		return
	}
	var first error
	for _, b := range t.out.Builds {
		if ctx.Err() != nil {
			return
		}
		head, err := a.plan(ctx, t.in.File, b, "now")
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		plan := head.describe()
		plan.Caveats = a.caveats(head)
		if a.base != nil {
			a.base.states(ctx, head, &plan)
		}
		t.out.Plans = append(t.out.Plans, plan)
		t.planned = append(t.planned, head)
		if a.Choice != nil {
			return
		}
	}
	if len(t.out.Plans) == 0 && a.WithoutRules && first != nil && ctx.Err() == nil {
		a.refuse(t.in.File.Source.Path, first)
	}
}

// plan compiles a build of a Dockerfile of the tree. when tells the values of arguments that are
// another each time from those of another build. Errors: those of buildcontext.Open, Compile and Keys.
func (a *run) plan(ctx context.Context, file *dockerfile.File, b buildcontext.Build, when string) (*planned, error) {
	p := &planned{file: file, build: b}
	var err error
	if p.context, err = a.openContext(b); err != nil {
		return nil, err
	}
	if p.plan, err = buildcache.Compile(ctx, buildcache.Inputs{File: file, Target: b.Target, Args: withVolatile(b, when), Contexts: b.Contexts}); err != nil {
		return nil, err
	}
	if p.keys, err = p.plan.Keys(p.context); err != nil {
		return nil, err
	}
	return p, nil
}

// withVolatile are the arguments of a build, with a value that no other build has for those that the
// repository passes but whose value is another each time.
func withVolatile(b buildcontext.Build, when string) map[string]string {
	args := maps.Clone(b.Args)
	for _, name := range b.Volatile {
		if _, given := b.Args[name]; given {
			continue
		}
		if args == nil {
			args = map[string]string{}
		}
		args[name] = fmt.Sprintf("value-of-%s-%s", strings.ToLower(name), when) // also good for an image
	}
	return args
}

// describe is the plan without states.
func (p *planned) describe() Plan {
	plan := Plan{Build: p.build, Steps: []Step{}, Stages: []Stage{}}
	installs := p.installs()
	for _, s := range p.plan.Steps {
		if s.OnBuild {
			continue
		}
		plan.Steps = append(plan.Steps, Step{
			Stage: s.Stage, Index: s.Index, Lines: s.Lines, Instruction: s.Instruction, Installs: installs[s.Lines],
		})
	}
	at := map[*dockerfile.Stage]int{}
	uses := p.file.Uses(p.build.Args)
	for i, s := range p.file.Needed(p.build.Target, p.build.Args) {
		at[s] = i
		span := s.From.Span
		if n := len(s.Instructions); n > 0 {
			span.End = s.Instructions[n-1].Span.End
		}
		stage := Stage{Name: s.Label(), Lines: p.file.Source.LinesFromSpan(span)}
		for _, from := range uses[s.Index] {
			// A stage that it uses stands above it.
			if n, ok := at[from]; ok && n != i && !slices.Contains(stage.From, n) {
				stage.From = append(stage.From, n)
			}
		}
		slices.Sort(stage.From)
		plan.Stages = append(plan.Stages, stage)
	}
	return plan
}

// states fills in what the build does after the one of the base. It is called on the base.
func (a *run) states(ctx context.Context, head *planned, plan *Plan) {
	base, why := a.counterpart(ctx, head)
	if len(a.needs) > 0 {
		return
	}
	var predictions []buildcache.Prediction
	if why == "" {
		var seen buildcache.Seen
		seen.Add(base.keys)
		predictions = buildcache.Predict(head.keys, &seen)
	}
	n := 0
	for i, s := range head.plan.Steps {
		if s.OnBuild {
			continue
		}
		step := &plan.Steps[n]
		n++
		if why != "" {
			step.State, step.Cause = buildcache.Rebuilt, why
			continue
		}
		step.State, step.Cause = predictions[i].State, predictions[i].Cause
	}
	for i := range plan.Stages {
		plan.Stages[i].State = worst(plan.Steps, plan.Stages[i].Name)
	}
}

// worst is the state of a stage: rebuilt, then maybe, then cached; cached where it has no steps.
func worst(steps []Step, stage string) buildcache.State {
	state := buildcache.Cached
	for _, s := range steps {
		if s.Stage == stage && (s.State == buildcache.Rebuilt || s.State == buildcache.Maybe && state == buildcache.Cached) {
			state = s.State
		}
	}
	return state
}

// counterpart is the build of the base that a cache has seen: of the Dockerfile at the same path, and
// of its builds the one most like the head's. Where there is none, why says so in a sentence.
func (a *run) counterpart(ctx context.Context, head *planned) (base *planned, why string) {
	p := a.renamed(head.file.Source.Path)
	src, err := a.read(p)
	switch {
	case errors.Is(err, rules.ErrNeeded):
		return nil, ""
	case p == "" || err != nil && !a.has(p):
		return nil, fmt.Sprintf("nothing of it is cached: the base has no %s", head.file.Source.Path)
	case err != nil:
		return nil, fmt.Sprintf("nothing of it is cached: the base's %s cannot be read", p)
	}
	file, err := dockerfile.Parse(src)
	if err != nil {
		return nil, unbuildable(p, err)
	}
	builds, problem := a.buildsOf(file)
	if problem != "" {
		return nil, fmt.Sprintf("nothing of it is cached: in the base, %s", problem)
	}
	base, err = a.plan(ctx, file, mostLike(builds, head.build), "before")
	if errors.Is(err, rules.ErrNeeded) {
		return nil, ""
	}
	if err != nil {
		return nil, unbuildable(p, err)
	}
	return base, ""
}

// mostLike is the build of a list that is most like another one.
func mostLike(builds []buildcontext.Build, like buildcontext.Build) buildcontext.Build {
	score := func(b buildcontext.Build) int {
		n := 0
		for i, same := range []bool{maps.Equal(b.Args, like.Args), path.Clean(b.Context) == path.Clean(like.Context), b.Kind == like.Kind, b.Target == like.Target} {
			if same {
				n += 1 << i
			}
		}
		return n
	}
	best := builds[0]
	for _, b := range builds[1:] {
		if score(b) > score(best) {
			best = b
		}
	}
	return best
}

// renamed is the path that a Dockerfile of the head has in the base: the same, or, where the base has
// nothing there, that of the one Dockerfile that is no longer in the head. It is called on the base;
// "" for none.
func (a *run) renamed(p string) string {
	if a.has(p) {
		return p
	}
	var gone []string
	for _, e := range a.tree.Entries {
		if a.Config.MatchesDockerfile(e.Path) {
			if _, found := a.head.tree.Lookup(e.Path); !found {
				gone = append(gone, e.Path)
			}
		}
	}
	if len(gone) != 1 {
		return ""
	}
	return gone[0]
}

func (a *run) has(p string) bool {
	_, found := a.tree.Lookup(p)
	return found
}

// unbuildable says why the base's build has left nothing in the cache.
func unbuildable(p string, err error) string {
	var (
		broken *dockerfile.Error
		absent *buildcache.MissingSourceError
		ignore *buildcontext.IgnoreError
		arg    *buildcache.MissingArgError
	)
	reason := err.Error()
	switch {
	case errors.As(err, &absent):
		reason = fmt.Sprintf("line %d of the base's %s copies %s, which its context does not have", absent.Lines.First, p, strings.TrimPrefix(absent.Source, "/"))
	case errors.As(err, &arg):
		reason = fmt.Sprintf("FROM in line %d of the base's %s needs a value for the argument %s", arg.Line, p, arg.Arg)
	case errors.As(err, &ignore):
		reason = fmt.Sprintf("the base's %s cannot be used: %s", ignore.Path, ignore.Message)
	case errors.As(err, &broken) && broken.Line > 0:
		reason = fmt.Sprintf("the base's %s does not compile: line %d: %s", p, broken.Line, broken.Message)
	case errors.As(err, &broken):
		reason = fmt.Sprintf("the base's %s does not compile: %s", p, broken.Message)
	}
	return "nothing of it is cached: " + reason
}

// installs names what the steps of a plan install, by their lines.
func (p *planned) installs() map[source.Lines]string {
	states, err := p.file.States(p.build.Args)
	if err != nil {
		return nil
	}
	names := map[source.Lines]string{}
	for _, in := range p.file.Instructions {
		if run := in.Run(); run != nil && in.Stage != nil && in.Keyword == "RUN" {
			if name := installName(shelleffects.Of(run, states[in])); name != "" {
				names[p.file.Source.LinesFromSpan(in.Span)] = name
			}
		}
	}
	return names
}

// installName is what a RUN installs, for people: dependencies before the system's packages.
func installName(e shelleffects.Effects) string {
	var names []string
	add := func(name string) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, i := range e.Installs {
		if !i.PackagingOnly {
			add("the " + i.Tool + " install")
		}
	}
	for _, i := range e.Packages {
		if !i.Upgrade {
			add("the " + i.Tool + " packages")
		}
	}
	return strings.Join(names, " and ")
}
