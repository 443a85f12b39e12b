package review

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// collect turns the report of the head into findings with their scope.
func (d *decision) collect() {
	d.collectProblems()
	type key struct{ rule, path, stage, subject string }
	keyOf := func(f analysis.Finding) key { return key{f.Rule, f.Path, f.Stage, f.Subject} }
	base, known := d.baseline()
	before := map[key]int{}
	weights := map[string]int{}
	for _, f := range base {
		before[keyOf(f)]++
		weights[findingID(f)] = f.Weight
	}
	added := 0
	for _, f := range d.changed {
		if f.Status == "added" || f.Status == "renamed" || f.Status == "copied" {
			added++
		}
	}

	groups := map[key][]*finding{}
	type mention struct {
		key
		lines source.Lines
	}
	mentioned := map[mention]bool{}
	for i := range d.Head.Findings {
		f := &finding{Finding: d.Head.Findings[i]}
		if f.Path != f.Dockerfile {
			// A file that several builds install from is spoken of once.
			m := mention{keyOf(f.Finding), f.Lines}
			if mentioned[m] {
				continue
			}
			mentioned[m] = true
		}
		if f.NewFile != nil && d.Truncated {
			continue // the file may be among those that GitHub did not list
		}
		f.id, f.group = findingID(f.Finding), groupID(f.Rule, f.Path)
		_, changes := d.changed[f.Path]
		if s := d.suggestionOf(f.Finding); s != nil && !changes {
			_, changes = d.changed[s.Path]
		}
		weight, was := weights[f.id]
		switch {
		case d.touches(f.Finding), changes && d.Config.Review.Scope == config.ScopeFile:
			f.inScope = true
		case was && f.Weight-weight > added:
			// More than the files that the pull request adds: a COPY or the ignore file lets more in.
			f.inScope = true
		}
		f.other = changes
		d.findings = append(d.findings, f)
		groups[keyOf(f.Finding)] = append(groups[keyOf(f.Finding)], f)
	}
	// Of equals, as many are new as there are more than before; those that were touched first.
	for k, equals := range groups {
		made := len(equals) - before[k]
		if !known {
			continue
		}
		for _, f := range equals {
			if f.inScope {
				made--
			}
		}
		for _, f := range slices.Backward(equals) {
			if made > 0 && !f.inScope {
				f.inScope = true
				made--
			}
		}
	}
	for _, f := range d.findings {
		f.other = f.other && !f.inScope
	}
	slices.SortStableFunc(d.findings, costlyFirst)
}

// baseline is what was found at the merge base, in the paths of the head.
func (d *decision) baseline() ([]analysis.Finding, bool) {
	if d.Base == nil {
		return nil, false
	}
	now := map[string]string{}
	for path, f := range d.changed {
		if f.Status == "renamed" {
			now[f.Previous] = path
		}
	}
	found := slices.Clone(d.Base.Findings)
	for i := range found {
		if path, ok := now[found[i].Path]; ok {
			found[i].Path = path
		}
	}
	return found, true
}

// touches says whether the pull request changed one of a finding's lines, or those of another file that its
// edit changes. Other lines of other files do not count: who edits the install did not write the requirements.
func (d *decision) touches(f analysis.Finding) bool {
	diff := d.diffs[f.Path]
	if diff.Touches(f.Lines) {
		return true
	}
	for _, r := range f.Related {
		if r.Path == f.Path && diff.Touches(r.Lines) {
			return true
		}
	}
	s := d.suggestionOf(f)
	return s != nil && s.Path != f.Path && d.diffs[s.Path].Touches(s.Lines)
}

// collectProblems makes findings of the files that the pull request brings and that cannot be read.
func (d *decision) collectProblems() {
	for i := range d.ConfigProblems {
		p := &d.ConfigProblems[i]
		if p.Origin != OfPullRequest {
			continue
		}
		d.findings = append(d.findings, &finding{
			Finding: analysis.Finding{
				Severity: config.SeverityError, Path: p.Path, Dockerfile: p.Path, Suggestion: -1,
				Lines: source.Lines{First: p.Line, Last: p.Line},
				Title: rules.Text{{Code: p.Path}, {Words: " cannot be used."}},
				Why:   rules.Text{{Code: p.Message}},
			},
			id: digest("configuration", p.Path, p.Message, strings.Join(p.Allowed, "\n")), group: groupID("configuration", p.Path),
			inScope: true, problem: true, config: p,
		})
	}
	before := map[string]bool{}
	if d.Base != nil {
		for _, p := range d.Base.Errors {
			before[digest("problem", p.Path, p.Message)] = true
		}
	}
	for _, p := range d.Head.Errors {
		if _, changes := d.changed[p.Path]; !changes || !d.Config.MatchesDockerfile(p.Path) {
			continue
		}
		line := max(p.Line, 1)
		at := source.Lines{First: line, Last: line}
		id := digest("problem", p.Path, p.Message)
		d.findings = append(d.findings, &finding{
			Finding: analysis.Finding{
				Severity: config.SeverityError, Path: p.Path, Dockerfile: p.Path, Suggestion: -1, Lines: at,
				Title: rules.Text{{Words: "BuildKit cannot read "}, {Code: p.Path}, {Words: "."}},
				Here:  rules.Text{{Words: "BuildKit cannot read this."}},
				Why:   rules.Text{{Words: "It says: "}, {Code: p.Message}},
			},
			id: id, group: groupID("problem", p.Path), problem: true,
			inScope: d.diffs[p.Path].Touches(at) || d.Base == nil || !before[id],
		})
	}
}

var severityRank = map[string]int{config.SeverityError: 0, config.SeverityWarning: 1, config.SeverityInfo: 2}

// costlyFirst orders by severity, then what has an edit, then how much stands in the way, then position.
func costlyFirst(a, b *finding) int {
	withEdit := func(f *finding) int {
		if f.Suggestion >= 0 {
			return 0
		}
		return 1
	}
	rank := func(f *finding) int {
		if f.problem {
			return -1
		}
		return severityRank[f.Severity]
	}
	return cmp.Or(
		cmp.Compare(rank(a), rank(b)),
		cmp.Compare(withEdit(a), withEdit(b)),
		cmp.Compare(b.Weight, a.Weight),
		cmp.Compare(a.Path, b.Path),
		cmp.Compare(a.Lines.First, b.Lines.First),
		cmp.Compare(a.Rule, b.Rule),
	)
}
