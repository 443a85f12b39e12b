package fix

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// unit is the edits of one finding.
type unit struct {
	finding int
	rank    int // 0 is the costliest finding's
	edits   []source.Edit
	effects []rules.Effect
	note    rules.Text
	// by is the unit whose edits settle this one's finding too: it has none of its own then.
	by *unit
}

// group is units that are one suggestion, because their lines overlap.
type group struct {
	units []*unit // the costliest first
	Suggestion
}

// cheapest is the unit that goes when the group does not hold together.
func (g *group) cheapest() *unit { return g.units[len(g.units)-1] }

// hull is the lines that edits touch. An insertion touches the line that it stands on.
func hull(src *source.File, edits []source.Edit) source.Lines {
	lines := src.LinesFromSpan(edits[0].Span)
	for _, e := range edits[1:] {
		lines = lines.Hull(src.LinesFromSpan(e.Span))
	}
	return lines
}

// withoutConflicts returns the units whose edits can be made together; of two that touch the same
// bytes the costlier one stays, and conflict gets the other. The same edit wished by two is one.
func withoutConflicts(units []*unit, conflict func(*unit)) []*unit {
	var kept []*unit
	for _, u := range units { // the costliest first
		if slices.ContainsFunc(kept, func(k *unit) bool { return conflicting(k, u) }) || conflictingWithin(u) {
			conflict(u)
			continue
		}
		kept = append(kept, u)
	}
	return kept
}

func conflicting(a, b *unit) bool {
	for _, x := range a.edits {
		for _, y := range b.edits {
			if x != y && touch(x, y) && !bothMounts(a, b, x, y) {
				return true
			}
		}
	}
	return false
}

func conflictingWithin(u *unit) bool {
	for i, x := range u.edits {
		for _, y := range u.edits[:i] {
			if touch(x, y) {
				return true
			}
		}
	}
	return false
}

// touch says whether two edits overlap as source.Apply understands it.
func touch(x, y source.Edit) bool {
	if x.Span == y.Span {
		return true
	}
	return x.Span.Start < y.Span.End && y.Span.Start < x.Span.End
}

// bothMounts says that two insertions at one place are cache mounts of two units: their order makes
// no difference.
func bothMounts(a, b *unit, x, y source.Edit) bool {
	return x.Span == y.Span && x.Span.Len() == 0 && onlyMounts(a) && onlyMounts(b)
}

func onlyMounts(u *unit) bool {
	return len(u.edits) == 1 && len(u.effects) > 0 && !slices.ContainsFunc(u.effects, func(e rules.Effect) bool {
		_, ok := e.(rules.AddCacheMount)
		return !ok
	})
}

// merge makes suggestions of units that do not conflict: one for each set of overlapping hulls.
// Those that change nothing come back apart.
func merge(src *source.File, units []*unit) (groups []*group, idle []*unit) {
	for _, u := range units {
		if u.by != nil {
			continue
		}
		groups = append(groups, &group{units: []*unit{u}, Suggestion: Suggestion{Path: src.Path, Lines: hull(src, u.edits)}})
	}
	for {
		groups = join(groups)
		grown := false
		for _, g := range groups {
			if lines := g.render(src); lines != g.Lines {
				g.Lines, grown = lines, true
				break
			}
		}
		if !grown {
			break
		}
	}
	for _, u := range units {
		for _, g := range groups {
			if u.by != nil && slices.Contains(g.units, u.by) {
				g.units = append(g.units, u)
			}
		}
	}
	kept := groups[:0]
	for _, g := range groups {
		if !g.trim(src) {
			idle = append(idle, g.units...)
			continue
		}
		for _, u := range g.units {
			g.Findings = append(g.Findings, u.finding)
			if len(u.note) > 0 && !slices.ContainsFunc(g.Notes, func(n rules.Text) bool { return slices.Equal(n, u.note) }) {
				g.Notes = append(g.Notes, u.note)
			}
		}
		slices.Sort(g.Findings)
		kept = append(kept, g)
	}
	return kept, idle
}

// join merges groups whose lines overlap, in the order of the lines.
func join(groups []*group) []*group {
	slices.SortStableFunc(groups, func(a, b *group) int { return cmp.Compare(a.Lines.First, b.Lines.First) })
	var out []*group
	for _, g := range groups {
		if n := len(out); n > 0 && out[n-1].Lines.Overlaps(g.Lines) {
			last := out[n-1]
			last.Lines = last.Lines.Hull(g.Lines)
			last.units = append(last.units, g.units...)
			slices.SortStableFunc(last.units, func(a, b *unit) int { return cmp.Compare(a.rank, b.rank) })
			continue
		}
		out = append(out, g)
	}
	return out
}

// render writes the group's lines after its edits into Replacement, with the last line end. Where
// whole lines cannot say it (the last line's end goes, or all that is left is one empty line, which
// cannot be told from nothing) it returns more lines.
func (g *group) render(src *source.File) source.Lines {
	span := src.SpanFromLines(g.Lines)
	old := src.Text(span)
	edits := g.edits()
	for i := range edits {
		edits[i].Span.Start -= span.Start
		edits[i].Span.End -= span.Start
	}
	text, err := source.Apply([]byte(old), edits)
	if err != nil {
		g.Replacement = old // never: conflicts are out, and the hull holds every edit
		return g.Lines
	}
	g.Replacement = string(text)
	lines, all := g.Lines, src.LineCount()
	switch {
	case strings.HasSuffix(old, "\n") && g.Replacement != "" && !strings.HasSuffix(g.Replacement, "\n") && lines.Last < all:
		lines.Last++
	case strings.TrimRight(g.Replacement, "\r\n") == "" && g.Replacement != "" && lines.Last < all:
		lines.Last++
	case strings.TrimRight(g.Replacement, "\r\n") == "" && g.Replacement != "" && lines.First > 1:
		lines.First--
	}
	return lines
}

// edits are all edits of the group's units, each once; insertions at one place are one, in the order
// of the units.
func (g *group) edits() []source.Edit {
	var all []source.Edit
	for _, u := range g.units {
		for _, e := range u.edits {
			if slices.Contains(all, e) {
				continue
			}
			if i := slices.IndexFunc(all, func(o source.Edit) bool { return o.Span == e.Span }); i >= 0 {
				all[i].New += e.New
				continue
			}
			all = append(all, e)
		}
	}
	return all
}

// trim takes off the first and last lines that stay as they are, and the last newline; one line
// stays. It says whether there is anything to change.
func (g *group) trim(src *source.File) bool {
	old, now := splitLines(src.Text(src.SpanFromLines(g.Lines))), splitLines(g.Replacement)
	if slices.Equal(old, now) {
		return false
	}
	first, last := 0, 0
	for first < min(len(old)-1, len(now)) && old[first] == now[first] {
		first++
	}
	for last < min(len(old)-first-1, len(now)-first) && old[len(old)-1-last] == now[len(now)-1-last] {
		last++
	}
	empty := func() bool {
		return first+last < len(now) && strings.TrimRight(strings.Join(now[first:len(now)-last], "\n"), "\r\n") == ""
	}
	for empty() && last > 0 {
		last--
	}
	for empty() && first > 0 {
		first--
	}
	g.Lines = source.Lines{First: g.Lines.First + first, Last: g.Lines.Last - last}
	g.Replacement = strings.Join(now[first:len(now)-last], "\n")
	return true
}
