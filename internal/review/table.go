package review

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

const (
	maxRows   = 60 // of a table
	maxTables = 10 // of a body
	maxStep   = 80 // characters of an instruction in a table
)

// buildBlocks say what was counted of the steps of some Dockerfiles, and what the pull request does to
// them: for each build a table, folded unless there is only one and open is asked for, and for each
// Dockerfile of several stages a diagram.
func (d *decision) buildBlocks(paths []string, diagrams, open bool) []block {
	type table struct{ summary, text string }
	var tables []table
	var blocks []block
	for _, path := range paths {
		plans := d.plansOf(path)
		if diagrams && len(plans) > 0 {
			if drawn := diagram(plans[0]); drawn != "" {
				name := "The stages"
				if len(paths) > 1 {
					name += " of " + pathName(path)
				}
				blocks = append(blocks, block{text: name + ", and what this pull request does to them:\n\n" + drawn})
			}
		}
		var seen []string
		for _, p := range plans {
			text := d.table(path, p)
			if text == "" || slices.Contains(seen, text) || len(tables) == maxTables {
				continue
			}
			seen = append(seen, text)
			t := table{summary: "Build steps", text: text}
			if len(paths) > 1 {
				t.summary += " of " + htmlCode(path)
			}
			if len(plans) > 1 {
				t.summary += " (" + buildName(p) + ")"
			}
			if tellsNumbers(p) {
				t.summary += ", and how many of " + commitsOf(p.History) + " would have re-run them"
			} else {
				t.summary += ", and what this pull request does to them"
			}
			tables = append(tables, t)
		}
	}
	for _, t := range tables {
		b := block{text: fold(t.summary, t.text), short: "The table of its build steps does not fit here: `hitrate plan` prints it."}
		if open && len(tables) == 1 {
			b.text = t.summary + ":\n\n" + t.text
		}
		blocks = append(blocks, b)
	}
	return blocks
}

// tellsNumbers says whether the commits that were counted re-ran anything: where the steps hang on no file, a
// table of zeros tells nothing.
func tellsNumbers(p analysis.Plan) bool {
	return hasNumbers(p) && slices.ContainsFunc(p.History.Steps, func(c analysis.Count) bool { return c.Rerun+c.Maybe > 0 })
}

// buildName tells a build from the other ones of its Dockerfile, inside a summary.
func buildName(p analysis.Plan) string {
	file, line := buildcontext.OriginPlace(p.Build.Origin)
	name := "from " + htmlCode(file)
	if line > 0 {
		name += fmt.Sprintf(", line %d", line)
	}
	if p.Build.Target != "" {
		name = "target " + htmlCode(p.Build.Target) + ", " + name
	}
	return name
}

// table writes the steps of a build; "" where there is nothing to tell of them.
func (d *decision) table(path string, p analysis.Plan) string {
	if len(p.Steps) == 0 {
		return ""
	}
	numbers := tellsNumbers(p)
	// What was rebuilt in any case, as in a new Dockerfile, need not be said line by line.
	differs := slices.ContainsFunc(p.Steps, func(s analysis.Step) bool { return s.State != "" && s.State != buildcache.Rebuilt })
	if !numbers && !differs {
		return ""
	}
	var with []analysis.Count
	suggestion := "with the suggestion"
	if numbers {
		with, suggestion = d.countsWithAll(path, p)
	}
	head := []string{"line"}
	if len(p.Stages) > 1 {
		head = append(head, "stage")
	}
	head = append(head, "step")
	if numbers {
		head = append(head, "this Dockerfile")
	}
	if with != nil {
		head = append(head, suggestion)
	}
	if differs {
		head = append(head, "this pull request")
	}
	var b strings.Builder
	writeRow(&b, head)
	writeRow(&b, slices.Repeat([]string{"---"}, len(head)))
	for n, s := range p.Steps {
		if n == maxRows {
			break
		}
		row := []string{strings.TrimPrefix(strings.TrimPrefix(linesName(s.Lines), "lines "), "line ")}
		if len(p.Stages) > 1 {
			row = append(row, cellCode(s.Stage))
		}
		row = append(row, cellCode(s.Instruction))
		if numbers {
			row = append(row, cellCount(p.History.Steps[n]))
		}
		if with != nil {
			row = append(row, cellCount(with[n]))
		}
		if differs {
			row = append(row, cellState(s))
		}
		writeRow(&b, row)
	}
	foot := d.foot(path, p, numbers)
	if differs {
		foot = sentences("What is cached is what a builder still has from the commit where this branch starts.", foot)
	}
	if more := len(p.Steps) - maxRows; more > 0 {
		foot = sentences("And "+count(more, "more step")+".", foot)
	}
	if foot == "" {
		return strings.TrimSuffix(b.String(), "\n")
	}
	return b.String() + "\n" + foot
}

// countsWithAll are the counts with all suggestions of a Dockerfile, and what to call these; nil where
// there are none or they were not counted.
func (d *decision) countsWithAll(path string, p analysis.Plan) (with []analysis.Count, name string) {
	number := 0
	for _, s := range d.Head.Suggestions {
		if s.Path == path {
			number++
		}
	}
	elsewhere := slices.ContainsFunc(d.Head.Findings, func(f analysis.Finding) bool {
		s := d.suggestionOf(f)
		return f.Dockerfile == path && s != nil && s.Path != path
	})
	if number == 0 || len(p.History.All) != len(p.Steps) {
		return nil, ""
	}
	switch {
	case number == 1:
		return p.History.All, "with the suggestion"
	case elsewhere: // one for the ignore file is not counted
		return p.History.All, fmt.Sprintf("with its %d suggestions", number)
	case number == 2:
		return p.History.All, "with both suggestions"
	}
	return p.History.All, fmt.Sprintf("with all %d suggestions", number)
}

// foot says how was counted, and what is not seen.
func (d *decision) foot(path string, p analysis.Plan, numbers bool) string {
	if !numbers {
		return caveats(p)
	}
	e := p.History
	foot := "Counted from the files that each commit changed, for a cache that is kept from build to build" + d.cacheKept(p.Build, len(p.Stages))
	ranges := func(c analysis.Count) bool { return c.Maybe > 0 }
	if slices.ContainsFunc(e.Steps, ranges) || slices.ContainsFunc(e.All, ranges) {
		foot += " A range is where it hangs on what a command puts out or on something outside the repository."
	}
	switch {
	case e.LeftOut == 1:
		foot += " One more commit is left out: it lacks files that this Dockerfile needs."
	case e.LeftOut > 1:
		foot += fmt.Sprintf(" %d more commits are left out: they lack files that this Dockerfile needs.", e.LeftOut)
	}
	if line := d.gitAt(path); line > 0 {
		foot += fmt.Sprintf(" %s is not counted: while it goes along, every commit runs line %d and the steps below it.", codeSpan(".git"), line)
	}
	return sentences(foot, caveats(p))
}

// caveats say what git does not show about files that steps take.
func caveats(p analysis.Plan) string {
	const most, mostPaths = 3, 3
	var texts []string
	for n, c := range p.Caveats {
		if n == most {
			texts = append(texts, fmt.Sprintf("and %d more", len(p.Caveats)-n))
			break
		}
		text := words(c.Text)
		var paths []string
		for _, path := range c.Paths[:min(mostPaths, len(c.Paths))] {
			paths = append(paths, codeSpan(path))
		}
		if more := len(c.Paths) - len(paths) + c.More; more > 0 {
			paths = append(paths, fmt.Sprintf("%d more", more))
		}
		if len(paths) > 0 {
			text += ": " + strings.Join(paths, ", ")
		}
		texts = append(texts, text)
	}
	if len(texts) == 0 {
		return ""
	}
	return "What git does not show: " + strings.Join(texts, "; ") + "."
}

func writeRow(b *strings.Builder, cells []string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}

func cellCount(c analysis.Count) string {
	switch {
	case c.Gone:
		return "gone"
	case c.Maybe > 0:
		return fmt.Sprintf("%d to %d", c.Rerun, c.Rerun+c.Maybe)
	}
	return fmt.Sprint(c.Rerun)
}

func cellState(s analysis.Step) string {
	switch {
	case s.State == "":
		return ""
	case s.Cause == "" || s.State == buildcache.Cached:
		return string(s.State)
	}
	return string(s.State) + ": " + words(s.Cause)
}

// cellCode is codeSpan inside a table, where a bar ends the cell also in code.
func cellCode(s string) string {
	s = visible(s)
	if utf8.RuneCountInString(s) > maxStep {
		s = strings.TrimSpace(string([]rune(s)[:maxStep])) + "…"
	}
	// A backslash in front of a bar would be taken for its escape.
	s = strings.ReplaceAll(s, `\|`, `\ |`)
	return strings.ReplaceAll(codeSpan(s), "|", `\|`)
}
