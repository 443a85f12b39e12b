package child

import (
	"cmp"
	"slices"

	"github.com/hitrate-bot/hitrate/internal/analysis"
)

// merge joins the reports about parts of one request into the one about all of them. What a part
// needs, all need: the rest is then unfinished.
func merge(reports []analysis.Report) analysis.Report {
	var out analysis.Report
	for _, r := range reports {
		out.Needs = append(out.Needs, r.Needs...)
	}
	if len(out.Needs) > 0 {
		slices.Sort(out.Needs)
		out.Needs = slices.Compact(out.Needs)
		return out
	}
	for _, r := range reports {
		out.Dockerfiles = append(out.Dockerfiles, r.Dockerfiles...)
		out.Errors = append(out.Errors, r.Errors...)
		out.Skipped = append(out.Skipped, r.Skipped...)
		join(&out, withoutUnshared(r, reports))
	}
	slices.SortStableFunc(out.Dockerfiles, func(a, b analysis.Dockerfile) int { return cmp.Compare(a.Path, b.Path) })
	sortProblems := func(a, b analysis.Problem) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Message, b.Message))
	}
	slices.SortFunc(out.Errors, sortProblems)
	slices.SortFunc(out.Skipped, sortProblems)
	out.Errors, out.Skipped = slices.Compact(out.Errors), slices.Compact(out.Skipped)
	withoutEdits(&out)
	order(&out)
	return out
}

// withoutUnshared is a part without the edits of files that installs of another part read, which does not make them:
// it may find nothing wrong there, but install the file with something that the edit does not go with.
func withoutUnshared(part analysis.Report, reports []analysis.Report) analysis.Report {
	unshared := func(s analysis.Suggestion) bool {
		return slices.ContainsFunc(reports, func(o analysis.Report) bool {
			return slices.ContainsFunc(o.Dockerfiles, func(d analysis.Dockerfile) bool { return slices.Contains(d.Manifests, s.Path) }) &&
				!slices.ContainsFunc(o.Suggestions, func(same analysis.Suggestion) bool { return sameEdit(s, same) })
		})
	}
	part.Findings = slices.Clone(part.Findings)
	for i := range part.Findings {
		if f := &part.Findings[i]; f.Suggestion >= 0 && unshared(part.Suggestions[f.Suggestion]) {
			f.Suggestion, f.Withheld = -1, cmp.Or(f.Withheld, analysis.SharedEdit)
		}
	}
	return part
}

func sameEdit(a, b analysis.Suggestion) bool {
	return a.Path == b.Path && a.Lines == b.Lines && a.Replacement == b.Replacement
}

// withoutEdits drops the suggestions that no finding points to any more.
func withoutEdits(r *analysis.Report) {
	into := make([]int, len(r.Suggestions))
	var kept []analysis.Suggestion
	for i, s := range r.Suggestions {
		into[i] = -1
		if slices.ContainsFunc(r.Findings, func(f analysis.Finding) bool { return f.Suggestion == i }) {
			into[i] = len(kept)
			kept = append(kept, s)
		}
	}
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Suggestion >= 0 {
			f.Suggestion = into[f.Suggestion]
		}
	}
	r.Suggestions = kept
}

// join appends the findings and suggestions of a part. A finding about a file that installs of
// several Dockerfiles read (a requirements file) is there once.
func join(out *analysis.Report, part analysis.Report) {
	into := make([]int, len(part.Suggestions)) // where each suggestion goes
	fresh := len(out.Suggestions)
	for i, s := range part.Suggestions {
		// Several Dockerfiles may wish for the same line of one ignore file.
		into[i] = slices.IndexFunc(out.Suggestions, func(o analysis.Suggestion) bool { return sameEdit(o, s) })
		if into[i] < 0 {
			into[i] = fresh
			fresh++
		}
	}
	places := make([]int, len(part.Findings)) // where each finding went
	for i, f := range part.Findings {
		at := slices.IndexFunc(out.Findings, func(g analysis.Finding) bool { return sameFinding(f, g) })
		if f.Suggestion >= 0 {
			f.Suggestion = into[f.Suggestion]
		}
		if at < 0 {
			at = len(out.Findings)
			out.Findings = append(out.Findings, f)
		} else if g := &out.Findings[at]; g.Suggestion != f.Suggestion {
			// What several Dockerfiles install is edited only where it is right for each of them.
			g.Suggestion, g.Withheld = -1, cmp.Or(g.Withheld, f.Withheld, analysis.SharedEdit)
		}
		places[i] = at
	}
	for n, s := range part.Suggestions {
		s.Findings = slices.Clone(s.Findings)
		for i, f := range s.Findings {
			s.Findings[i] = places[f]
		}
		if at := into[n]; at < len(out.Suggestions) {
			out.Suggestions[at].Findings = append(slices.Clone(out.Suggestions[at].Findings), s.Findings...)
			slices.Sort(out.Suggestions[at].Findings)
			out.Suggestions[at].Findings = slices.Compact(out.Suggestions[at].Findings)
			continue
		}
		out.Suggestions = append(out.Suggestions, s)
	}
}

// sameFinding is what package analysis takes for one finding when it looks at several Dockerfiles.
func sameFinding(a, b analysis.Finding) bool {
	return a.Path != a.Dockerfile && b.Path != b.Dockerfile && a.Rule == b.Rule && a.Path == b.Path && a.Subject == b.Subject && a.Lines == b.Lines
}

// order sorts findings and suggestions as package analysis does, and keeps what points from one to
// the other.
func order(r *analysis.Report) {
	findings := permutation(len(r.Findings), func(i, j int) int {
		a, b := r.Findings[i], r.Findings[j]
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Lines.First, b.Lines.First), cmp.Compare(a.Lines.Last, b.Lines.Last),
			cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Subject, b.Subject))
	})
	suggestions := permutation(len(r.Suggestions), func(i, j int) int {
		a, b := r.Suggestions[i], r.Suggestions[j]
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Lines.First, b.Lines.First))
	})
	type equals struct{ rule, path, stage, subject string }
	counts := map[equals]int{}
	sorted := make([]analysis.Finding, len(r.Findings))
	for to, from := range findings {
		f := r.Findings[from]
		if f.Suggestion >= 0 {
			f.Suggestion = slices.Index(suggestions, f.Suggestion)
		}
		e := equals{f.Rule, f.Path, f.Stage, f.Subject}
		f.Ordinal = counts[e]
		counts[e]++
		sorted[to] = f
	}
	r.Findings = sorted
	edits := make([]analysis.Suggestion, len(r.Suggestions))
	for to, from := range suggestions {
		s := r.Suggestions[from]
		for i, f := range s.Findings {
			s.Findings[i] = slices.Index(findings, f)
		}
		slices.Sort(s.Findings)
		edits[to] = s
	}
	r.Suggestions = edits
}

// permutation is the indexes below n in sorted order.
func permutation(n int, compare func(i, j int) int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	slices.SortStableFunc(out, compare)
	return out
}
