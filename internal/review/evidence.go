package review

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// minCommits is the fewest commits that a number is worth: one is no history.
const minCommits = 2

// counted is what was counted of the step that an item is about.
type counted struct {
	evidence *analysis.Evidence
	step     analysis.Step
	now      analysis.Count
	with     *analysis.Count // with the item's suggestion; nil without one
	// own says that the step is the one that the item's sentences speak of.
	own bool
}

// plansOf are the plans of a Dockerfile at the head.
func (d *decision) plansOf(path string) []analysis.Plan {
	for _, f := range d.Head.Dockerfiles {
		if f.Path == path {
			return f.Plans
		}
	}
	return nil
}

// evidenceOf is the first plan of a Dockerfile for which commits were counted.
func (d *decision) evidenceOf(path string) (analysis.Plan, bool) {
	for _, p := range d.plansOf(path) {
		if hasNumbers(p) {
			return p, true
		}
	}
	return analysis.Plan{}, false
}

func hasNumbers(p analysis.Plan) bool {
	return p.History != nil && p.History.Commits >= minCommits && len(p.History.Steps) == len(p.Steps)
}

// countsWith are the counts with a suggestion of the plan's Dockerfile alone; nil where it was not counted.
func (d *decision) countsWith(e *analysis.Evidence, s *analysis.Suggestion, steps int) []analysis.Count {
	n := 0
	for i := range d.Head.Suggestions {
		switch other := &d.Head.Suggestions[i]; {
		case other == s && n < len(e.Alone) && len(e.Alone[n]) == steps:
			return e.Alone[n]
		case other.Path == s.Path:
			n++
		}
	}
	return nil
}

// count finds the step that an item is about, and what was counted of it. An item with a suggestion is
// about what this saves most of; one without about the install that something stands in front of. ok is
// false where nothing was counted, as with a suggestion for another file, or the item is not about steps
// that run again.
func (d *decision) count(i *item) (c counted, ok bool) {
	first := i.first()
	plan, known := d.evidenceOf(first.Dockerfile)
	if !known || first.Path != first.Dockerfile || first.NewFile != nil || first.problem || i.elsewhere() {
		return counted{}, false
	}
	var with []analysis.Count
	switch {
	case i.suggestion != nil:
		if with = d.countsWith(plan.History, i.suggestion, len(plan.Steps)); with == nil {
			return counted{}, false
		}
	case first.Weight == 0:
		return counted{}, false
	}
	type candidate struct {
		at    int
		own   bool
		saved int
	}
	var candidates []candidate
	for n, step := range plan.Steps {
		x := candidate{at: n, own: isAbout(first, step)}
		if with == nil {
			if x.own && step.Installs != "" {
				candidates = append(candidates, x)
			}
			continue
		}
		now := plan.History.Steps[n]
		if x.saved = now.Rerun - with[n].Rerun; x.saved > 0 && now.Rerun > with[n].Rerun+with[n].Maybe && !with[n].Gone {
			candidates = append(candidates, x)
		}
	}
	if len(candidates) == 0 {
		return counted{}, false
	}
	rank := func(x candidate) int {
		switch installs := plan.Steps[x.at].Installs != ""; {
		case x.own && installs:
			return 0
		case x.own:
			return 1
		case installs:
			return 2
		}
		return 3
	}
	best := slices.MinFunc(candidates, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.saved, a.saved), cmp.Compare(a.at, b.at))
	})
	c = counted{evidence: plan.History, step: plan.Steps[best.at], now: plan.History.Steps[best.at]}
	if with != nil {
		c.with = &with[best.at]
	}
	// "It" is the one install that the item's sentences speak of.
	c.own = rank(best) == 0 && !slices.ContainsFunc(candidates, func(x candidate) bool { return x != best && rank(x) == 0 })
	return c, true
}

// countEveryCommit puts the number that was counted in place of "every commit", where that was not every one.
func (d *decision) countEveryCommit() {
	for _, f := range d.findings {
		often, ok := d.howOften(f)
		if !ok {
			continue
		}
		for _, text := range []*rules.Text{&f.Title, &f.Here} {
			if len(*text) > 0 && strings.HasPrefix((*text)[0].Words, rules.EveryCommit) {
				f.counted = true
				*text = slices.Clone(*text)
				(*text)[0].Words = often + " would have re-run " + strings.TrimPrefix((*text)[0].Words, rules.EveryCommit)
			}
		}
	}
}

// howOften says which part of the commits re-run the installs that a finding is about: "19 of the last 20
// commits". ok is false where all do, or nothing was counted.
func (d *decision) howOften(f *finding) (often string, ok bool) {
	plan, known := d.evidenceOf(f.Dockerfile)
	if !known || f.Path != f.Dockerfile || f.problem {
		return "", false
	}
	fewest, most := -1, 0
	for n, step := range plan.Steps {
		if step.Installs == "" || !isAbout(f, step) {
			continue
		}
		c := plan.History.Steps[n]
		if fewest < 0 || c.Rerun < fewest {
			fewest = c.Rerun
		}
		most = max(most, c.Rerun+c.Maybe)
	}
	if fewest < 0 || fewest == plan.History.Commits {
		return "", false
	}
	number := amount(analysis.Count{Rerun: fewest, Maybe: most - fewest}, plan.History.Commits)
	return strings.ToUpper(number[:1]) + number[1:] + " of " + commitsOf(plan.History), true
}

// isAbout says whether a step stands on lines that a finding names.
func isAbout(f *finding, step analysis.Step) bool {
	if overlap(f.Lines, step.Lines) {
		return true
	}
	return slices.ContainsFunc(f.Related, func(p analysis.Place) bool { return p.Path == f.Path && overlap(p.Lines, step.Lines) })
}

func overlap(a, b source.Lines) bool { return a.First <= b.Last && b.First <= a.Last }

// amount is a count out of a total: "4", "4 to 9", "none", "all 200".
func amount(c analysis.Count, total int) string {
	switch {
	case c.Maybe > 0:
		return fmt.Sprintf("%d to %d", c.Rerun, c.Rerun+c.Maybe)
	case c.Rerun == 0:
		return "none"
	case c.Rerun == total:
		return fmt.Sprintf("all %d", total)
	}
	return fmt.Sprint(c.Rerun)
}

// numbers is what was counted of an item in a sentence; edit names its suggestion where it stands: "the
// suggestion". "" where nothing was counted.
func (d *decision) numbers(i *item, edit string) string {
	c, ok := d.count(i)
	if !ok {
		return ""
	}
	if c.own && c.with == nil && i.first().counted {
		return "" // the title says it
	}
	e := c.evidence
	subject := "it"
	switch {
	case c.own && strings.Contains(c.step.Installs, " and "):
		subject = words(c.step.Installs)
	case c.own:
	case c.step.Installs != "":
		subject = fmt.Sprintf("%s (%s)", words(c.step.Installs), linesName(c.step.Lines))
	default:
		subject = linesName(c.step.Lines)
	}
	commits := fmt.Sprintf("the last %d commits on %s", e.Commits, codeSpan(e.Branch))
	if e.LeftOut > 0 {
		commits = fmt.Sprintf("the %d among the last %d commits on %s that can be built", e.Commits, e.Commits+e.LeftOut, codeSpan(e.Branch))
	}
	sentence := fmt.Sprintf("Of %s, %s would have re-run %s with this Dockerfile", commits, amount(c.now, e.Commits), subject)
	if line := d.gitAt(i.first().Dockerfile); line > 0 && line <= c.step.Lines.First && c.now.Rerun < e.Commits {
		sentence += " if " + codeSpan(".git") + " were left out"
	}
	if c.with != nil {
		sentence += fmt.Sprintf("; with %s, %s", edit, amount(*c.with, e.Commits))
	}
	return sentence + "."
}

// gitAt is the line at which .git goes along into a build, 0 where it is not known to: no number counts it,
// though it changes with each commit.
func (d *decision) gitAt(dockerfile string) int {
	for _, f := range d.Head.Findings {
		if f.Rule == "dockerignore-misses-git" && f.Dockerfile == dockerfile {
			return f.Lines.First
		}
	}
	return 0
}

// settledNumbers is what is counted of an install now that a suggestion of ours was accepted, and whether
// it can follow a colon after what was done.
func (d *decision) settledNumbers(i markItem) (text string, ok bool) {
	if !i.Counted || i.Fix == nil {
		return "", false
	}
	line := i.Fix.find(d.Texts[i.Path])
	plan, known := d.evidenceOf(i.Path)
	if !known || line == 0 {
		return "", false
	}
	at := -1
	for n, step := range plan.Steps {
		if step.Installs == "" || !overlap(step.Lines, source.Lines{First: line, Last: line + i.Fix.Count - 1}) {
			continue
		}
		if at >= 0 {
			return "", false // which of them was meant is not known any more
		}
		at = n
	}
	if at < 0 {
		return "", false
	}
	return amount(plan.History.Steps[at], plan.History.Commits) + " of " + commitsOf(plan.History), true
}

// commitsOf names the commits that were counted.
func commitsOf(e *analysis.Evidence) string {
	if e.LeftOut > 0 {
		return fmt.Sprintf("%d commits", e.Commits) // not all of the last ones
	}
	return fmt.Sprintf("the last %d commits", e.Commits)
}

// headline is the title of a check run where the steps that a finding is about were counted: "pip install
// re-runs on 200 of 200 commits".
func (c counted) headline() string {
	name := strings.TrimPrefix(visible(c.step.Installs), "the ")
	verb := "re-runs"
	switch {
	case name == "":
		name = linesName(c.step.Lines)
	case strings.HasSuffix(name, " packages"), strings.Contains(name, " and "):
		verb = "re-run"
	}
	often := fmt.Sprint(c.now.Rerun)
	if c.now.Maybe > 0 {
		often = amount(c.now, c.evidence.Commits)
	}
	return fmt.Sprintf("%s %s on %s of %d commits", name, verb, often, c.evidence.Commits)
}

// withoutCache says first, where it is known that the builds of the Dockerfiles keep no cache, that every
// build runs everything; unless that is what opening is about, which is said next.
func (d *decision) withoutCache(paths []string, opening *item) []block {
	var blocks []block
	for _, path := range paths {
		plans := d.plansOf(path)
		kept := func(p analysis.Plan) bool { return p.Build.Cache != buildcontext.CacheNone }
		if len(plans) == 0 || slices.ContainsFunc(plans, kept) {
			continue
		}
		if opening != nil && opening.first().Rule == "ci-build-without-cache" && opening.first().Dockerfile == path {
			continue
		}
		text := "No cache is kept"
		if len(paths) > 1 {
			text += " for " + pathName(path)
		}
		text = bold(text)
		if from := d.origin(plans[0].Build.CacheFrom); from != "" {
			text += " (" + from + "): every build there runs every step."
		} else {
			text += ": every build runs every step."
		}
		if plan, ok := d.evidenceOf(path); ok && tellsNumbers(plan) {
			text += " The numbers here are for a cache that is kept."
		}
		blocks = append(blocks, block{text: text})
	}
	return blocks
}

// origin links a place that is known as text, like ".github/workflows/ci.yml, line 31".
func (d *decision) origin(text string) string {
	if file, line := buildcontext.OriginPlace(text); line > 0 {
		l := source.Lines{First: line, Last: line}
		return d.place(file, l, linesName(l))
	}
	if text == "" {
		return ""
	}
	return codeSpan(text)
}

// cacheNames says what keeps a cache, for people.
var cacheNames = map[buildcontext.CacheKind]string{
	buildcontext.CacheGHA:      "GitHub's cache service",
	buildcontext.CacheRegistry: "an image of its own in a registry",
	buildcontext.CacheInline:   "the image itself",
	buildcontext.CacheLocal:    "a directory",
	buildcontext.CacheBuilder:  "a builder that outlives the run",
	buildcontext.CacheOther:    "a store of its own",
}

// cacheKept ends the sentence about the cache that the counts are for.
func (d *decision) cacheKept(b buildcontext.Build, stages int) string {
	name := cacheNames[b.Cache]
	if name == "" {
		return "."
	}
	text := ": here in " + name
	if b.Cache == buildcontext.CacheBuilder {
		text = ": here by " + name
	}
	if from := d.origin(b.CacheFrom); from != "" {
		text += " (" + from + ")"
	}
	text += "."
	exported := b.Cache != buildcontext.CacheBuilder && b.CacheMode != "max"
	if exported && stages > 1 {
		text += " It is not exported with `mode=max`, so it holds the layers of the final stage alone: when a step of another stage runs again, those above it in that stage do too."
	}
	return text
}
