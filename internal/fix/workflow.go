package fix

import (
	"maps"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
	"github.com/hitrate-bot/hitrate/internal/workflow"
)

// keepCache proves inputs that a step of a workflow gets for the cache of its build:
//   - the edit is one insertion of whole lines, and read as YAML the file is the one before but for the declared
//     inputs, at the end of those of the step; comments stay, since nothing is taken away;
//   - the inputs are an import from and an export to GitHub's cache service, of one scope; with all layers where
//     the image is made of several stages;
//   - read as a workflow, every other step is as before, and this one keeps its cache in that service; it runs
//     once in its job, on a builder that an earlier step certainly made and that can export, started by nothing
//     that may only read the cache;
//   - where other steps build other images, the scope is this Dockerfile's own;
//   - the rules find what they found, less the finding, with the Dockerfile as it is and with all its
//     suggestions.
//
// The Dockerfile stays as it is, and with it the image: a cache decides which steps run, not what they are.
func (p *prover) keepCache(i int, suggestions []Suggestion) (Suggestion, Reason) {
	unit := p.findings[i].Unit
	effect, ok := unit.Effects[0].(rules.KeepCache)
	if !ok || len(unit.Effects) != 1 || len(unit.Edits) != 1 {
		return Suggestion{}, rules.NotProven
	}
	step := effect.Step
	at := slices.IndexFunc(p.in.Facts.Steps, func(s workflow.Step) bool { return s.Path == step.Path && s.Line == step.Line })
	if at < 0 || unit.Path != step.Path || p.in.Facts.Steps[at].Dockerfile != p.in.File.Source.Path {
		return Suggestion{}, rules.NotProven
	}
	if step = p.in.Facts.Steps[at]; !step.Exports || step.Matrix || !step.CacheWrites || !step.Hosted || !step.NewBuilder {
		return Suggestion{}, rules.NoCacheExport
	}
	file, reason := p.secondFile(unit.Path)
	if reason != "" {
		return Suggestion{}, reason
	}
	if !p.ownCache(step, file, effect.Inputs) {
		return Suggestion{}, rules.CacheShared
	}
	edit := unit.Edits[0]
	if edit.Span.Start != edit.Span.End || !inside(unit.Edits, len(file.Data)) || hasHidden(edit.New) {
		return Suggestion{}, rules.ChangesSteps
	}
	data, err := source.Apply(file.Data, unit.Edits)
	if err != nil {
		return Suggestion{}, rules.Internal
	}
	after := source.New(file.Path, data)
	if mixedNewlines(after) {
		return Suggestion{}, rules.MixedNewlines
	}
	if !workflow.AddsInputs(file.Data, after.Data, step.Line, effect.Inputs) {
		return Suggestion{}, rules.ChangesSteps
	}
	facts, reason := p.factsWith(file, after, step)
	if reason != "" {
		return Suggestion{}, reason
	}
	in := p.in
	in.Facts, in.Read = facts, p.reading(after)
	if reason := p.rulesIn(in, suggestions, i); reason != "" {
		return Suggestion{}, reason
	}
	s := insertion(file, after, edit, i)
	if len(unit.Note) > 0 {
		s.Notes = []rules.Text{unit.Note}
	}
	if string(Apply(file, []Suggestion{s})) != string(after.Data) {
		return Suggestion{}, rules.Internal
	}
	return visible(s)
}

// ownCache says whether the inputs import and export one cache of GitHub's service that no build of another
// image writes, and all layers where there are several stages.
func (p *prover) ownCache(step workflow.Step, file *source.File, inputs map[string]string) bool {
	from := inputs["cache-from"]
	to := from
	if len(p.in.File.Needed(step.Build.Target, step.Build.Args)) > 1 {
		to += ",mode=max"
	}
	if len(inputs) != 2 || inputs["cache-to"] != to {
		return false
	}
	return rules.CachesOthers(p.in.Facts, step, file) == (from != "type=gha")
}

// factsWith reads the edited workflow. Each step of it has to be as it was, but for its place, and the one that
// was edited keeps its cache.
func (p *prover) factsWith(before, after *source.File, step workflow.Step) (workflow.Facts, Reason) {
	only := func(name string) bool { return name == step.Dockerfile }
	was := workflow.Read([]*source.File{before}, only)
	now := workflow.Read([]*source.File{after}, only)
	if len(was.Errors)+len(now.Errors) > 0 || len(was.Steps) != len(now.Steps) || len(was.Builds) != len(now.Builds) {
		return workflow.Facts{}, rules.DoesNotParse
	}
	added := after.LineCount() - before.LineCount()
	moved := func(line int) int {
		if line > step.Line {
			return line + added
		}
		return line
	}
	kept := map[int]workflow.Step{} // by its line before
	for n, old := range was.Steps {
		s := now.Steps[n]
		kept[old.Line] = s
		if old.Line == step.Line {
			if s.Line != old.Line || s.Cache != buildcontext.CacheGHA || s.CacheFrom == 0 || s.CacheTo == 0 || s.NoCache != 0 {
				return workflow.Facts{}, rules.NotSettled
			}
			s.Cache, s.CacheFrom, s.CacheTo = old.Cache, old.CacheFrom, old.CacheTo
			s.Build.Cache, s.Build.CacheMode, s.Build.CacheFrom = old.Build.Cache, old.Build.CacheMode, old.Build.CacheFrom
		}
		if s.Line != moved(old.Line) || !sameStep(old, s) {
			return workflow.Facts{}, rules.ChangesSteps
		}
	}
	facts := p.in.Facts
	facts.Steps = slices.Clone(facts.Steps)
	for n, s := range facts.Steps {
		if s.Path != step.Path {
			continue
		}
		next, ok := kept[s.Line]
		if !ok {
			return workflow.Facts{}, rules.ChangesSteps
		}
		s.Line, s.With, s.CacheFrom, s.CacheTo, s.NoCache = next.Line, next.With, next.CacheFrom, next.CacheTo, next.NoCache
		s.Cache = next.Cache
		facts.Steps[n] = s
	}
	return facts, ""
}

// sameStep compares steps but for where they stand.
func sameStep(a, b workflow.Step) bool {
	x, y := a.Build, b.Build
	return a.Uses == b.Uses && a.Dockerfile == b.Dockerfile && a.Job == b.Job && a.Matrix == b.Matrix && a.Runner == b.Runner &&
		a.Hosted == b.Hosted && a.Exports == b.Exports && a.NewBuilder == b.NewBuilder && a.Cache == b.Cache &&
		a.Commits == b.Commits && a.CacheWrites == b.CacheWrites && slices.Equal(a.Open, b.Open) && slices.Equal(a.Tags, b.Tags) &&
		(a.NoCache == 0) == (b.NoCache == 0) &&
		x.Kind == y.Kind && x.Context == y.Context && x.Target == y.Target && maps.Equal(x.Args, y.Args) && slices.Equal(x.Volatile, y.Volatile) &&
		maps.Equal(x.Contexts, y.Contexts) && slices.Equal(x.Platforms, y.Platforms)
}

// insertion is the suggestion that repeats a line and adds what an edit puts behind it.
func insertion(before, after *source.File, edit source.Edit, finding int) Suggestion {
	line := before.LineFromOffset(edit.Span.Start)
	now := source.Lines{First: line, Last: line + strings.Count(edit.New, "\n")}
	return Suggestion{
		Path: before.Path, Lines: source.Lines{First: line, Last: line}, Findings: []int{finding},
		Replacement: strings.TrimSuffix(after.Text(after.SpanFromLines(now)), "\n"),
	}
}
