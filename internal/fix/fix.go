// Package fix merges the edits of findings into suggestions and proves them, or says why not.
//
// A unit is the edits of one finding with the effects that they declare. Each unit is first judged by
// the checker of its effects, which knows what can go wrong inside the image; then the units whose
// lines overlap are merged, and the merged suggestions are tried, alone and together: the edited file
// has to compile with BuildKit to the same image configuration and to the same steps but for the
// declared effects, and the rules have to find what they found before, less what was settled.
package fix

import (
	"cmp"
	"context"
	"slices"
	"unicode/utf8"

	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Suggestion is a proven edit of whole lines. Suggestions of one file share no line, and each works
// alone and together with every other.
type Suggestion struct {
	Path        string
	Lines       source.Lines
	Replacement string // of the whole lines, without the last LF; "" deletes. A CR belongs to its line
	Findings    []int  // indexes into the findings given, ascending: also of those without an edit that it settles
	Notes       []rules.Text
}

// Reason is why an edit is not offered. Its text is shown to people.
type Reason = rules.Reason

// Result is what came of the findings' units.
type Result struct {
	Suggestions []Suggestion   // by line; behind those of the Dockerfile those of the ignore file, of workflows and of requirements files
	Withheld    map[int]Reason // by index of the finding; of findings that have a unit

	before *dockerfile.File
	groups []*group // what the suggestions of the Dockerfile are made of
}

// Prove merges the units of findings and proves what came out; see DESIGN.md, Suggestions 2.
// Findings are all that rules.Run gave for the input. When ctx ends, what is not proven by then is
// withheld.
func Prove(ctx context.Context, in rules.Input, findings []rules.Finding) Result {
	return ProveWith(ctx, in, findings, Means{})
}

// Means are what a proof may use; the result hangs on none of them.
type Means struct {
	// Parallel is how many sets of suggestions are tried at the same time; 0 is one.
	Parallel int
	// Plan is the primary build of the Dockerfile as it is, compiled with all stages; nil: not done yet.
	Plan *buildcache.Plan
}

// ProveWith is Prove with some means.
func ProveWith(ctx context.Context, in rules.Input, findings []rules.Finding, means Means) Result {
	p := &prover{in: in, findings: findings, withheld: map[int]Reason{}, scripts: rules.ScriptsOf(in), parallel: max(means.Parallel, 1), plan: means.Plan}
	var elsewhere, pins []int // whose edit is of the ignore file or a workflow, and of a requirements file
	for i, f := range findings {
		if f.Unit == nil {
			continue
		}
		u := &unit{finding: i, effects: f.Unit.Effects, note: f.Unit.Note}
		switch {
		case isPin(f.Unit):
			pins = append(pins, i)
			continue
		case f.Unit.Path != "" && f.Unit.Path != in.File.Source.Path:
			elsewhere = append(elsewhere, i)
			continue
		case f.Path != in.File.Source.Path:
			p.withhold(u, rules.NotProven) // nothing proves an edit of another file
			continue
		case !utf8.Valid(in.File.Source.Data):
			p.withhold(u, rules.NotText)
			continue
		case mixedNewlines(in.File.Source):
			p.withhold(u, rules.MixedNewlines)
			continue
		}
		u.edits = withNewlines(f.Unit.Edits, in.File.Source.Newline())
		if !inside(u.edits, len(in.File.Source.Data)) {
			p.withhold(u, rules.Internal)
			continue
		}
		p.units = append(p.units, u)
	}
	slices.SortStableFunc(p.units, func(a, b *unit) int {
		return cmp.Compare(severityRank(findings[a.finding].Severity), severityRank(findings[b.finding].Severity))
	})
	for rank, u := range p.units {
		u.rank = rank
	}
	r := Result{Withheld: p.withheld}
	if len(p.units) > 0 {
		r = p.prove(ctx)
	}
	inDockerfile := r.Suggestions
	for n, i := range elsewhere {
		switch {
		case ctx.Err() != nil:
			r.Withheld[i] = rules.OutOfTime
			continue
		case n >= maxElsewhere:
			r.Withheld[i] = rules.TooManyEdits
			continue
		}
		prove := p.ignorePath
		if _, ok := findings[i].Unit.Effects[0].(rules.KeepCache); ok {
			prove = p.keepCache
		}
		if s, reason := prove(i, inDockerfile); reason != "" {
			r.Withheld[i] = reason
		} else {
			r.Suggestions = append(r.Suggestions, s)
		}
	}
	r.Suggestions = append(r.Suggestions, p.pinRequirements(ctx, pins, inDockerfile, r.Withheld)...)
	return r
}

// isPin says whether a unit is the edit of a requirement.
func isPin(u *rules.Unit) bool {
	if len(u.Effects) == 0 {
		return false
	}
	_, ok := u.Effects[0].(rules.PinRequirement)
	return ok
}

// Apply returns the file with suggestions for it made: whole lines are replaced, and the last one
// keeps its line end or the lack of one. The suggestions must not share a line.
func Apply(src *source.File, suggestions []Suggestion) []byte {
	edits := make([]source.Edit, len(suggestions))
	for i, s := range suggestions {
		edits[i] = src.ReplaceLines(s.Lines, s.Replacement)
	}
	out, err := source.Apply(src.Data, edits)
	if err != nil {
		return slices.Clone(src.Data) // never: the lines do not overlap
	}
	return out
}

func severityRank(severity string) int {
	if i := slices.Index([]string{"error", "warning", "info"}, severity); i >= 0 {
		return i
	}
	return 3
}

func inside(edits []source.Edit, size int) bool {
	for _, e := range edits {
		if e.Span.Start < 0 || e.Span.End < e.Span.Start || e.Span.End > size {
			return false
		}
	}
	return len(edits) > 0
}
