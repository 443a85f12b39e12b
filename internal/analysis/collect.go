package analysis

import (
	"cmp"
	"slices"

	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// SharedEdit is why an edit is withheld that is right for some of the Dockerfiles that install from a file only.
const SharedEdit = string(rules.SharedWithOthers)

// foundIn is one finding of one Dockerfile, by their positions.
type foundIn struct{ dockerfile, finding int }

// row is a finding of the report.
type row struct {
	Finding
	from []foundIn // more than one where several Dockerfiles install from the file
}

// collect turns what was found in each Dockerfile into the report's findings and suggestions.
func (a *run) collect(targets []*target) {
	for _, t := range targets {
		a.out.Dockerfiles = append(a.out.Dockerfiles, t.out)
	}
	rows := a.rows(targets)
	for i, s := range suggestionsOf(targets, rows) {
		for _, f := range s.Findings {
			rows[f].Suggestion, rows[f].Withheld = i, ""
		}
		a.out.Suggestions = append(a.out.Suggestions, s)
	}
	for _, r := range rows {
		a.out.Findings = append(a.out.Findings, r.Finding)
	}
}

// rows is what was found, in the order of the report and numbered among its equals.
func (a *run) rows(targets []*target) []row {
	type place struct {
		rule, path, subject string
		span                source.Span
	}
	var rows []row
	said := map[place]int{} // rows of findings of files that several Dockerfiles install
	for n, t := range targets {
		for i, f := range t.findings {
			if reason, ok := t.fixes.Withheld[i]; ok {
				f.Withheld = string(reason)
			}
			r := row{Finding: a.finding(t, f), from: []foundIn{{n, i}}}
			if f.Path != t.out.Path {
				k := place{f.Rule, f.Path, f.Subject, f.Span}
				if at, ok := said[k]; ok {
					rows[at].from = append(rows[at].from, foundIn{n, i})
					rows[at].Withheld = cmp.Or(rows[at].Withheld, r.Withheld)
					continue
				}
				said[k] = len(rows)
			}
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(x, y row) int {
		return cmp.Or(cmp.Compare(x.Path, y.Path), cmp.Compare(x.Lines.First, y.Lines.First), cmp.Compare(x.Lines.Last, y.Lines.Last),
			cmp.Compare(x.Rule, y.Rule), cmp.Compare(x.Subject, y.Subject))
	})
	type equals struct{ rule, path, stage, subject string }
	counts := map[equals]int{}
	for i := range rows {
		f := &rows[i].Finding
		e := equals{f.Rule, f.Path, f.Stage, f.Subject}
		f.Ordinal = counts[e]
		counts[e]++
	}
	return rows
}

// suggestionsOf is what is suggested for the rows, each edit once. What several Dockerfiles install is
// edited only where it is right for each of them, also for those that find nothing wrong with it; the row says so
// where it is not.
func suggestionsOf(targets []*target, rows []row) []Suggestion {
	at := map[foundIn]int{}
	for i, r := range rows {
		for _, k := range r.from {
			at[k] = i
		}
	}
	type proven struct {
		Suggestion
		by int // so many Dockerfiles
	}
	var all []proven
	for n, t := range targets {
		for _, s := range t.fixes.Suggestions {
			p := proven{by: 1, Suggestion: Suggestion{Path: s.Path, Lines: s.Lines, Replacement: s.Replacement, Notes: s.Notes}}
			for _, i := range s.Findings {
				p.Findings = append(p.Findings, at[foundIn{n, i}])
			}
			slices.Sort(p.Findings)
			// Several Dockerfiles may wish for the same line of one ignore file, or install from one file.
			same := slices.IndexFunc(all, func(o proven) bool { return sameEdit(o.Suggestion, p.Suggestion) })
			if same >= 0 {
				all[same].Findings = append(all[same].Findings, p.Findings...)
				slices.Sort(all[same].Findings)
				all[same].Findings = slices.Compact(all[same].Findings)
				all[same].by++
				continue
			}
			all = append(all, p)
		}
	}
	var suggestions []Suggestion
	for _, p := range all {
		readers := 0
		for _, t := range targets {
			if slices.Contains(t.out.Manifests, p.Path) {
				readers++
			}
		}
		i := slices.IndexFunc(p.Findings, func(i int) bool { return rows[i].Path == p.Path && max(len(rows[i].from), readers) > p.by })
		if i >= 0 {
			r := &rows[p.Findings[i]]
			r.Withheld = cmp.Or(r.Withheld, SharedEdit)
			continue
		}
		suggestions = append(suggestions, p.Suggestion)
	}
	slices.SortStableFunc(suggestions, func(x, y Suggestion) int {
		return cmp.Or(cmp.Compare(x.Path, y.Path), cmp.Compare(x.Lines.First, y.Lines.First))
	})
	return suggestions
}

// sameEdit says whether two suggestions change the same lines in the same way.
func sameEdit(a, b Suggestion) bool {
	return a.Path == b.Path && a.Lines == b.Lines && a.Replacement == b.Replacement
}

// finding is a rule's finding with lines instead of spans.
func (a *run) finding(t *target, f rules.Finding) Finding {
	words := f.WordsFor(rules.Reason(f.Withheld))
	out := Finding{
		Rule: f.Rule, Severity: f.Severity, Path: f.Path, Lines: a.lines(t, f.Path, f.Span),
		Dockerfile: t.out.Path, Stage: f.Stage, Subject: f.Subject, Weight: f.Weight,
		Title: f.Title, Here: f.Here, Why: words.Why, Advice: words.Advice, Done: words.Done,
		Suggestion: -1, Withheld: f.Withheld, NewFile: f.NewFile,
	}
	for _, r := range f.Related {
		out.Related = append(out.Related, Place{Path: r.Path, Lines: a.lines(t, r.Path, r.Span)})
	}
	return out
}

// lines are those of a span in a file that was read.
func (a *run) lines(t *target, p string, span source.Span) source.Lines {
	if p == t.in.File.Source.Path {
		return t.in.File.Source.LinesFromSpan(span)
	}
	if file, ok := a.texts[p]; ok {
		return file.LinesFromSpan(span)
	}
	return source.Lines{First: 1, Last: 1} // never: a finding is about a file that was read
}
