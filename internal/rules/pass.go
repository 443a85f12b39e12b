package rules

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/requirements"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Pass is one run of one rule.
type Pass struct {
	*view
	Rule     *Rule
	severity string
	settings map[string]any
	findings []Finding
}

// view is what all rules read of one Dockerfile, worked out once.
type view struct {
	Input
	args    map[string]string
	states  map[*dockerfile.Instruction]dockerfile.State
	others  map[*dockerfile.Instruction]dockerfile.State // under other build arguments; worked out once varied is true
	varied  bool
	effects map[*dockerfile.Instruction]shelleffects.Effects
	copies  map[*dockerfile.Instruction][]*copied
	sets    map[string]*requirements.Set
	brought *Brought
	byStage map[*dockerfile.Stage][][]step
	pairs   int                        // files copied so far, over all copies
	looked  int                        // steps looked at so far, to find where files come from
	needed  map[*dockerfile.Stage]bool // stages that one of the builds runs
	shipped map[*dockerfile.Stage]bool // stages whose layers are in the image of a build
}

func newView(in Input) *view {
	v := &view{
		Input:   in,
		effects: map[*dockerfile.Instruction]shelleffects.Effects{},
		copies:  map[*dockerfile.Instruction][]*copied{},
		sets:    map[string]*requirements.Set{},
		brought: in.Brought,
		byStage: map[*dockerfile.Stage][][]step{},
		needed:  map[*dockerfile.Stage]bool{},
		shipped: map[*dockerfile.Stage]bool{},
	}
	if v.brought == nil || v.brought.context != in.Context {
		v.brought = NewBrought(in.Context)
	}
	if len(in.Builds) > 0 {
		v.args = in.Builds[0].Args
	}
	// What is over the limit has no states: the rules then know nothing and are silent.
	v.states, _ = in.File.States(v.args)
	mark := func(target string, args map[string]string) {
		for _, s := range in.File.Needed(target, args) {
			v.needed[s] = true
		}
		for _, s := range in.File.Shipped(target, args) {
			v.shipped[s] = true
		}
	}
	for _, b := range in.Builds {
		mark(b.Target, b.Args)
	}
	// What is built without a target is the last stage, also where the builds that are written down all name another.
	if n := len(in.File.Stages); n > 0 && (len(v.needed) == 0 || !workshop.MatchString(in.File.Stages[n-1].Name)) {
		mark("", v.args)
	}
	for _, s := range v.targets() {
		for _, below := range in.File.Shipped(s.Name, v.args) {
			v.shipped[below] = true
		}
	}
	return v
}

// workshop are the names of stages that are built to work in, not to ship.
var workshop = lazyregexp.New(`(?i)(^|[-_.])(dev|devel|development|test|tests|testing|debug|ci|lint|docs?|build|builder)($|[-_.])`)

// targets are the stages with a name that no other stage is made from or copies from: somebody
// builds them by that name. Those that are named for development and tests are left out.
func (v *view) targets() []*dockerfile.Stage {
	used := map[*dockerfile.Stage]bool{}
	for _, s := range v.File.Stages {
		used[s.Parent] = true
		for _, in := range s.Instructions {
			if in.Trigger != nil {
				in = in.Trigger
			}
			for _, from := range v.File.From(in) {
				used[from] = true
			}
		}
	}
	var out []*dockerfile.Stage
	for _, s := range v.File.Stages {
		if s.Name != "" && !used[s] && !workshop.MatchString(s.Name) && v.File.Stage(s.Name) == s {
			out = append(out, s)
		}
	}
	return out
}

// step is one instruction of a stage, or one that ONBUILD carries.
type step struct {
	outer *dockerfile.Instruction // as it stands in the file
	in    *dockerfile.Instruction // what is done: outer or its trigger
}

// lanes are the sequences of steps that run after each other: the stage's own, and the triggers that
// run in the builds on top of it.
func (v *view) lanes(stage *dockerfile.Stage) [][]step {
	out, ok := v.byStage[stage]
	if !ok {
		out = splitLanes(stage)
		v.byStage[stage] = out
	}
	return out
}

func splitLanes(stage *dockerfile.Stage) [][]step {
	var own, onbuild []step
	for _, in := range stage.Instructions {
		if in.Trigger != nil {
			onbuild = append(onbuild, step{in, in.Trigger})
		} else {
			own = append(own, step{in, in})
		}
	}
	if onbuild == nil {
		return [][]step{own}
	}
	return [][]step{own, onbuild}
}

// effectsOf reads a RUN; nothing for other instructions.
func (v *view) effectsOf(in *dockerfile.Instruction) shelleffects.Effects {
	if in.Run() == nil || v.states == nil {
		return shelleffects.Effects{}
	}
	e, ok := v.effects[in]
	if !ok {
		e = shelleffects.Of(in.Run(), v.states[in])
		v.effects[in] = e
	}
	return e
}

// line is the number of the first line of an instruction.
func (v *view) line(in *dockerfile.Instruction) int {
	return v.File.Source.LineFromOffset(in.Span.Start)
}

// stageName is the name of a stage, or its number.
func stageName(s *dockerfile.Stage) string {
	if s == nil {
		return ""
	}
	if s.Name != "" {
		return s.Name
	}
	return strconv.Itoa(s.Index)
}

// place is where an instruction of the Dockerfile stands.
func (v *view) place(in *dockerfile.Instruction) Place {
	return Place{Path: v.File.Source.Path, Span: in.Span}
}

// report adds a finding about an instruction.
func (p *Pass) report(in *dockerfile.Instruction, f Finding) {
	f.Path, f.Span = p.File.Source.Path, in.Span
	f.Stage = stageName(in.Stage)
	p.add(f)
}

func (p *Pass) add(f Finding) {
	f.Rule, f.Severity = p.Rule.ID, p.severity
	if f.Title == nil || f.Here == nil || f.Why == nil || f.Advice == nil || f.Done == nil || f.Subject == "" {
		panic("rules: a finding of " + p.Rule.ID + " lacks words or a subject")
	}
	p.findings = append(p.findings, f)
}

// setting is the value of one of the rule's settings.
func setting[T any](p *Pass, name string) T {
	if v, ok := p.settings[name].(T); ok {
		return v
	}
	for _, s := range p.Rule.Settings {
		if v, ok := s.Default.(T); ok && s.Name == name {
			return v
		}
	}
	panic("rules: rule " + p.Rule.ID + " has no setting " + name)
}

// Run runs every rule that the configuration leaves on, drops what is suppressed by a comment, and
// returns the findings in file order.
func Run(in Input) []Finding {
	var out []Finding
	v := newView(in)
	suppressed := readSuppressions(in.File)
	for _, rule := range registered {
		severity, settings := in.Config.Rule(rule.ID, in.File.Source.Path)
		if severity == config.SeverityOff {
			continue
		}
		if severity == "" {
			severity = rule.Severity
		}
		p := &Pass{view: v, Rule: rule, severity: severity, settings: settings}
		rule.Check(p)
		for _, f := range p.findings {
			if !suppressed.covers(rule, f) {
				out = append(out, f)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Span.Start, b.Span.Start), cmp.Compare(a.Rule, b.Rule))
	})
	return out
}

// Manifests returns the repository paths that the file's installs read, with all that they include,
// as far as their text has been fetched; what is not fetched yet was asked for through in.Read.
func Manifests(in Input) []string {
	v := newView(in)
	found := map[string]bool{}
	for _, stage := range in.File.Stages {
		for _, lane := range v.lanes(stage) {
			for i, st := range lane {
				for _, install := range v.effectsOf(st.in).Installs {
					for _, p := range v.reads(lane, i, install).paths {
						found[p] = true
					}
				}
			}
		}
	}
	out := make([]string, 0, len(found))
	for p := range found {
		out = append(out, p)
	}
	slices.Sort(out)
	return out
}

// textOf is an instruction's text as written.
func (v *view) textOf(span source.Span) string { return v.File.Source.Text(span) }
