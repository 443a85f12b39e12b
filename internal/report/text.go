package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/aymanbagabas/go-udiff"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/source"
)

const (
	// textWidth is where sentences are broken; code and paths are not.
	textWidth = 100
	// maxExcerpt is the most lines of a file that are shown for a finding without a suggestion.
	maxExcerpt = 8
	// maxLine is the most characters of a line of a file that are shown.
	maxLine = 200
	// maxNewFile is the most lines of a file to create that are shown.
	maxNewFile = 25
)

// The looks of the parts, as ANSI's Select Graphic Rendition.
const (
	bold    = "1"
	dim     = "2"
	red     = "31"
	green   = "32"
	yellow  = "33"
	cyan    = "36"
	boldRed = "1;31"
)

// Text writes the result for a person: each finding on a line that editors and terminals can jump to
// ("path:line: severity: what is so [rule]"), what it is about, why it matters and what to do, the edit,
// and at the end what was found in one line. What several findings share is said once.
func (c *Check) Text(w io.Writer) error {
	t := &textWriter{Check: c}
	for _, group := range c.groups() {
		t.group(group)
	}
	for _, p := range c.Report.Errors {
		t.head(p.Path, p.Line, "error", boldRed, visible(p.Message), "")
		t.excerpt(p.Path, source.Lines{First: p.Line, Last: p.Line})
		t.line("")
	}
	for _, p := range c.Report.Skipped {
		t.line(t.paint(dim, "Skipped ") + visible(p.Path) + t.paint(dim, ": ") + visible(p.Message))
	}
	if len(c.Report.Skipped) > 0 {
		t.line("")
	}
	t.line(t.paint(bold, c.summary()))
	_, err := io.WriteString(w, t.b.String())
	return err
}

type textWriter struct {
	*Check
	b strings.Builder
}

func (t *textWriter) line(s string) {
	t.b.WriteString(strings.TrimRight(s, " "))
	t.b.WriteByte('\n')
}

func (t *textWriter) paint(look, s string) string {
	if !t.Colour || s == "" {
		return s
	}
	return "\x1b[" + look + "m" + s + "\x1b[0m"
}

// groups gives the findings in their order, those together that are told as one: all that one
// suggestion settles, at the place of the first, and neighbours that say the same of several lines.
func (c *Check) groups() [][]analysis.Finding {
	var groups [][]analysis.Finding
	bySuggestion := map[int]int{} // to the index of its group
	for i, f := range c.Report.Findings {
		if c.suggestion(f) != nil {
			at, seen := bySuggestion[f.Suggestion]
			if !seen {
				at = len(groups)
				bySuggestion[f.Suggestion] = at
				groups = append(groups, nil)
			}
			groups[at] = append(groups[at], f)
			continue
		}
		if i > 0 && c.sayTheSame(c.Report.Findings[i-1], f) {
			last := len(groups) - 1
			groups[last] = append(groups[last], f)
			continue
		}
		groups = append(groups, []analysis.Finding{f})
	}
	return groups
}

// sayTheSame says whether two neighbours without suggestion differ in their lines and titles only.
func (c *Check) sayTheSame(a, b analysis.Finding) bool {
	return a.Path == b.Path && a.Rule == b.Rule && a.Withheld == b.Withheld &&
		c.suggestion(a) == nil && a.NewFile == nil && b.NewFile == nil &&
		join(a.Why, a.Advice) == join(b.Why, b.Advice)
}

func (t *textWriter) group(findings []analysis.Finding) {
	first := findings[0]
	s := t.suggestion(first)
	for i, f := range findings {
		look := cyan
		switch f.Severity {
		case "error":
			look = boldRed
		case "warning":
			look = yellow
		}
		t.head(f.Path, f.Lines.First, f.Severity, look, Plain(f.Title), f.Rule)
		if s == nil && len(findings) == 1 {
			t.excerpt(f.Path, f.Lines)
		}
		if s != nil || i == len(findings)-1 {
			t.paragraph(join(f.Why, f.Advice))
			t.related(f)
		}
	}
	switch {
	case s != nil:
		t.edit(s)
	case first.Withheld != "":
		t.paragraph("No edit is offered: " + visible(first.Withheld) + ".")
	}
	for _, f := range findings {
		if f.NewFile != nil {
			t.newFile(f.NewFile.Path, f.NewFile.Text)
		}
	}
	t.line("")
}

func (t *textWriter) head(path string, line int, severity, look, title, rule string) {
	place := visible(path)
	if line > 0 {
		place += fmt.Sprintf(":%d", line)
	}
	if rule != "" {
		rule = " " + t.paint(dim, "["+visible(rule)+"]")
	}
	t.line(t.paint(bold, place) + ": " + t.paint(look, severity) + ": " + title + rule)
}

// excerpt shows lines of a file.
func (t *textWriter) excerpt(path string, lines source.Lines) {
	file := t.Files[path]
	if file == nil || lines.First < 1 || lines.First > file.LineCount() {
		return
	}
	last := min(lines.Last, file.LineCount())
	cut := last-lines.First >= maxExcerpt
	if cut {
		last = lines.First + maxExcerpt - 2
	}
	width := len(fmt.Sprint(last))
	for n := lines.First; n <= last; n++ {
		text := file.Text(file.SpanFromLines(source.Lines{First: n, Last: n}))
		t.line("  " + t.paint(dim, fmt.Sprintf("%*d | ", width, n)) + shorten(strings.TrimRight(text, "\r\n")))
	}
	if cut {
		t.line("  " + t.paint(dim, fmt.Sprintf("%*s | %d more lines", width, "", lines.Last-last)))
	}
}

// shorten makes a line of a file fit to show.
func shorten(line string) string {
	if utf8.RuneCountInString(line) > maxLine {
		line = string([]rune(line)[:maxLine]) + "…"
	}
	return visible(line)
}

func (t *textWriter) paragraph(text string) {
	for _, line := range wrap(text, textWidth-2) {
		t.line("  " + line)
	}
}

// wrap breaks a text at blanks outside of code.
func wrap(text string, width int) []string {
	var lines []string
	line, length := "", 0
	for _, word := range words(text) {
		n := utf8.RuneCountInString(word)
		if length > 0 && length+1+n > width {
			lines = append(lines, line)
			line, length = "", 0
		}
		if length > 0 {
			line += " "
			length++
		}
		line += word
		length += n
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// words splits at blanks that are not between backticks.
func words(text string) []string {
	var list []string
	start, inCode := 0, false
	for i := range len(text) {
		switch text[i] {
		case '`':
			inCode = !inCode
		case ' ':
			if !inCode {
				if i > start {
					list = append(list, text[start:i])
				}
				start = i + 1
			}
		}
	}
	if start < len(text) {
		list = append(list, text[start:])
	}
	return list
}

// related names the other places of a finding, beside its own lines.
func (t *textWriter) related(f analysis.Finding) {
	for _, p := range f.Related {
		if p.Path == f.Path && f.Lines.Contains(p.Lines) {
			continue
		}
		place := fmt.Sprintf("%s:%d", visible(p.Path), p.Lines.First)
		if p.Lines.Last > p.Lines.First {
			place += fmt.Sprintf("-%d", p.Lines.Last)
		}
		t.line("  " + t.paint(dim, "see ") + place)
	}
}

// edit shows a suggestion as the lines that go and come.
func (t *textWriter) edit(s *analysis.Suggestion) {
	file := t.Files[s.Path]
	if file == nil {
		return
	}
	after, err := source.Apply(file.Data, []source.Edit{file.ReplaceLines(s.Lines, s.Replacement)})
	if err != nil {
		return
	}
	before := string(file.Data)
	u, err := udiff.ToUnifiedDiff("", "", before, udiff.Lines(before, string(after)), 1)
	if err != nil {
		return
	}
	t.line("")
	for i, h := range u.Hunks {
		if i > 0 {
			t.line("  " + t.paint(dim, "…"))
		}
		for _, l := range h.Lines {
			text := shorten(strings.TrimRight(l.Content, "\r\n"))
			switch l.Kind {
			case udiff.Delete:
				t.line("  " + t.paint(red, "- "+text))
			case udiff.Insert:
				t.line("  " + t.paint(green, "+ "+text))
			default:
				t.line("    " + t.paint(dim, text))
			}
		}
	}
	t.line("")
	for _, n := range s.Notes {
		t.paragraph(Plain(n))
	}
	t.paragraph(t.proven(s))
}

func (t *textWriter) newFile(path, text string) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	t.line("")
	t.line("  " + t.paint(dim, "new file ") + visible(path))
	for i, l := range lines {
		if i == maxNewFile {
			t.line("  " + t.paint(dim, fmt.Sprintf("%d more lines", len(lines)-i)))
			break
		}
		t.line("  " + t.paint(green, "+ "+shorten(l)))
	}
}

// looked counts the files that were looked at, by their kinds: "2 Dockerfiles and 1 workflow".
func (c *Check) looked() string {
	var kinds []string
	for _, kind := range []struct {
		n    int
		name string
	}{{len(c.Report.Dockerfiles), "Dockerfile"}, {c.Workflows, "workflow"}, {c.Requirements, "requirements file"}} {
		if kind.n > 0 {
			kinds = append(kinds, number(kind.n, kind.name))
		}
	}
	switch n := len(kinds); n {
	case 0:
		return number(0, "Dockerfile")
	case 1:
		return kinds[0]
	default:
		return strings.Join(kinds[:n-1], ", ") + " and " + kinds[n-1]
	}
}

// summary is the result in one line.
func (c *Check) summary() string {
	r := &c.Report
	count := map[string]int{}
	files := map[string]bool{}
	newFiles := map[string]bool{}
	for _, f := range r.Findings {
		count[f.Severity]++
		files[f.Path] = true
		if f.NewFile != nil {
			newFiles[f.NewFile.Path] = true
		}
	}
	looked := c.looked()
	if len(r.Findings) == 0 {
		switch {
		case len(r.Dockerfiles)+c.Workflows+c.Requirements == 0 && len(r.Errors) == 0:
			return "No Dockerfile was looked at."
		case len(r.Errors) > 0:
			return fmt.Sprintf("%s could not be read; nothing found in %s.", number(len(r.Errors), "file"), looked)
		}
		return "Nothing found in " + looked + "."
	}
	var kinds []string
	for _, severity := range []string{"error", "warning", "info"} {
		if n := count[severity]; n > 0 {
			if severity == "info" {
				kinds = append(kinds, fmt.Sprintf("%d info", n))
			} else {
				kinds = append(kinds, number(n, severity))
			}
		}
	}
	s := fmt.Sprintf("%s (%s) in %s; %s looked at.", number(len(r.Findings), "finding"), strings.Join(kinds, ", "), number(len(files), "file"), looked)
	if len(r.Errors) > 0 {
		s += fmt.Sprintf(" %s could not be read.", number(len(r.Errors), "file"))
	}
	edits := len(r.Suggestions) + len(newFiles)
	switch {
	case edits == 0:
	case c.Fixed:
		s += fmt.Sprintf(" %s made.", number(edits, "edit"))
	case edits == 1:
		s += " hitrate check --fix makes the edit."
	default:
		s += fmt.Sprintf(" hitrate check --fix makes the %d edits.", edits)
	}
	return s
}

func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
