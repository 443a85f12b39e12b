package review

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/report"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// maxBody is the most characters of a body or comment. GitHub takes 65,536.
const maxBody = 60_000

// maxEdit is the most bytes of an edit that is shown; a longer one is made by the command.
const maxEdit = 20_000

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// place writes a link to lines of a file at the head; "" lines for none. Without a repository's address
// (a local review) there is no link.
func (d *decision) place(path string, l source.Lines, lines string) string {
	text := pathName(path)
	if lines != "" {
		text += ", " + lines
	}
	if d.PullRequest.RepositoryURL == "" {
		return text
	}
	anchor := ""
	if lines != "" {
		anchor = fmt.Sprintf("#L%d", l.First)
		if l.Last > l.First {
			anchor += fmt.Sprintf("-L%d", l.Last)
		}
	}
	return fmt.Sprintf("[%s](%s/blob/%s/%s%s)", text, d.PullRequest.RepositoryURL, d.PullRequest.Head, linkTarget(path), anchor)
}

// pages links the pages of the findings' rules.
func (d *decision) pages(findings []*finding) string {
	var links, seen []string
	for _, f := range findings {
		if f.problem || f.Rule == "" || slices.Contains(seen, f.Rule) {
			continue
		}
		seen = append(seen, f.Rule)
		links = append(links, fmt.Sprintf("[%s](%s/%s.md)", words(f.Rule), d.DocsURL, linkTarget(f.Rule)))
	}
	return strings.Join(links, " · ")
}

// maxJoined is how many names a sentence for several findings has.
const maxJoined = 8

// joined is one sentence for the sentences of several findings: where they differ in their first piece
// of code only and the rest has words for several, "`a`, `b` and `c` are not pinned.", with at most so many
// names; ok is false where they do not.
func joined(texts []rules.Text, most int) (rules.Text, bool) {
	if len(texts) == 1 {
		return texts[0], true
	}
	if !slices.ContainsFunc(texts, func(t rules.Text) bool { return !slices.Equal(t, texts[0]) }) {
		return texts[0], true
	}
	var names []rules.Piece
	tail := ""
	for i, t := range texts {
		if len(t) != 2 || t[0].Code == "" || t[0].Words != "" || t[1].Code != "" || t[1].Many == "" || i > 0 && t[1].Many != tail {
			return nil, false
		}
		tail = t[1].Many
		if !slices.Contains(names, t[0]) {
			names = append(names, t[0])
		}
	}
	more := max(0, len(names)-most)
	names = names[:len(names)-more]
	var out rules.Text
	for i, name := range names {
		switch {
		case i == 0:
		case i == len(names)-1 && more == 0:
			out = append(out, rules.Piece{Words: " and "})
		default:
			out = append(out, rules.Piece{Words: ", "})
		}
		out = append(out, name)
	}
	if more > 0 {
		out = append(out, rules.Piece{Words: fmt.Sprintf(" and %d more", more)})
	}
	return append(out, rules.Piece{Words: tail}), true
}

// forMany is a text in its words for several findings.
func forMany(t rules.Text) rules.Text {
	t = slices.Clone(t)
	for i := range t {
		if t[i].Many != "" {
			t[i].Words = t[i].Many
		}
	}
	return t
}

// paragraph is what findings with the same words say together.
type paragraph struct {
	findings           []*finding
	title, why, advice string // Markdown
}

// paragraphs joins findings with equal words; text picks the opening sentence (Title or Here).
func paragraphs(findings []*finding, text func(*finding) rules.Text) []paragraph {
	type group struct {
		findings    []*finding
		why, advice string
	}
	var groups []*group
	for _, f := range findings {
		why, advice := markdown(f.Why), markdown(f.Advice)
		at := slices.IndexFunc(groups, func(g *group) bool {
			one := g.findings[0]
			if g.why != why || g.advice != advice || one.Rule != f.Rule || one.Path != f.Path {
				return false
			}
			_, ok := joined([]rules.Text{text(one), text(f)}, maxJoined)
			return ok
		})
		if at < 0 {
			groups = append(groups, &group{why: why, advice: advice})
			at = len(groups) - 1
		}
		groups[at].findings = append(groups[at].findings, f)
	}
	out := make([]paragraph, len(groups))
	for i, g := range groups {
		texts := make([]rules.Text, len(g.findings))
		for j, f := range g.findings {
			texts[j] = text(f)
		}
		title, ok := joined(texts, maxJoined)
		if !ok {
			title = texts[0]
		}
		out[i] = paragraph{g.findings, markdown(title), g.why, g.advice}
		if one := g.findings[0]; slices.ContainsFunc(texts, func(t rules.Text) bool { return !slices.Equal(t, texts[0]) }) {
			out[i].why, out[i].advice = markdown(forMany(one.Why)), markdown(forMany(one.Advice))
		}
	}
	return out
}

func title(f *finding) rules.Text { return f.Title }

// here is the sentence for a comment on the lines, the title where a rule has none.
func here(f *finding) rules.Text {
	if len(f.Here) == 0 {
		return f.Title
	}
	return f.Here
}

// linesOfAll returns the lines of findings, in the order of the file.
func linesOfAll(findings []*finding) []source.Lines {
	lines := make([]source.Lines, len(findings))
	for i, f := range findings {
		lines[i] = f.Lines
	}
	slices.SortFunc(lines, func(a, b source.Lines) int { return a.First - b.First })
	return lines
}

// withheld says why there is no edit though there could be one.
func withheld(findings []*finding) string {
	for _, f := range findings {
		if f.Withheld != "" {
			return "No edit: " + words(strings.TrimSuffix(f.Withheld, ".")) + "."
		}
	}
	return ""
}

// section is what a body says of an item, or of several that say the same of other places.
type section struct {
	title, rest string // Markdown
	places      []linesIn
}

// linesIn are lines of a file, in its order.
type linesIn struct {
	path  string
	lines []source.Lines
}

// sections are an item's sentences with a link to the lines.
func (d *decision) sections(i *item) []section {
	if i.first().config != nil {
		return []section{{rest: d.configSection(i)}}
	}
	var out []section
	for n, p := range paragraphs(i.findings, title) {
		at := linesIn{p.findings[0].Path, linesOfAll(p.findings)}
		if n == 0 && i.suggestion != nil && !i.elsewhere() {
			at.lines = []source.Lines{i.suggestion.Lines}
		}
		numbers := ""
		if n == 0 {
			numbers = d.numbers(i, "the edit")
		}
		out = append(out, section{
			title:  bold(strings.TrimSuffix(p.title, ".")),
			rest:   sentences(p.why, numbers, p.advice, withheld(p.findings), d.pages(p.findings)),
			places: []linesIn{at},
		})
	}
	return out
}

// joinSections puts those that say the same into one, in the place of the first.
func (d *decision) joinSections(all []section) []string {
	var kept []section
	for _, s := range all {
		at := slices.IndexFunc(kept, func(k section) bool { return k.title == s.title && k.rest == s.rest && len(s.places) > 0 })
		if at >= 0 {
			kept[at].places = append(slices.Clone(kept[at].places), s.places...)
			continue
		}
		kept = append(kept, s)
	}
	var out []string
	for _, s := range kept {
		if len(s.places) == 0 {
			out = append(out, s.rest)
			continue
		}
		colon := ":"
		if s.rest == "" {
			colon = "."
		}
		out = append(out, sentences(s.title, "("+d.links(s.places)+")"+colon, s.rest))
	}
	return out
}

// links are those to places, one for each file.
func (d *decision) links(places []linesIn) string {
	const most = 10
	var files []linesIn
	for _, p := range places {
		at := slices.IndexFunc(files, func(f linesIn) bool { return f.path == p.path })
		if at < 0 {
			files = append(files, linesIn{path: p.path})
			at = len(files) - 1
		}
		files[at].lines = append(files[at].lines, p.lines...)
	}
	var links []string
	for n, f := range files {
		if n == most {
			links = append(links, fmt.Sprintf("and %d more", len(files)-n))
			break
		}
		slices.SortFunc(f.lines, func(a, b source.Lines) int { return a.First - b.First })
		links = append(links, d.place(f.path, f.lines[0].Hull(f.lines[len(f.lines)-1]), linesList(f.lines)))
	}
	return strings.Join(links, "; ")
}

// opening writes what the body says of an item that stands in a comment: its cause and what it costs.
func (d *decision) opening(i *item) string {
	if i.first().config != nil {
		return configOpening()
	}
	p := paragraphs(i.findings, title)[0]
	return sentences(bold(p.title), p.why, d.numbers(i, "the suggestion"))
}

// comment writes an item for lines of the file on. lead: its cause stands in the body.
func (d *decision) comment(i *item, on string, lead, suggest bool) string {
	if i.first().config != nil {
		return d.configComment(i)
	}
	if i.suggestion == nil {
		var out []string
		all := paragraphs(i.findings, here)
		for n, p := range all {
			why := p.why
			if n == 0 {
				why = sentences(why, d.numbers(i, ""))
			}
			if lead && !p.findings[0].problem {
				why = ""
			}
			opening := bold(p.title)
			if len(p.findings) > 1 {
				opening = bold(strings.TrimSuffix(p.title, ".")) + " (" + linesList(linesOfAll(p.findings)) + ")."
			}
			out = append(out, sentences(opening, why, p.advice, withheld(p.findings)))
		}
		return strings.Join(slices.Compact(out), "\n\n") + trailing(d.pages(i.findings))
	}
	first := i.first()
	said := paragraph{title: markdown(here(first)), why: markdown(first.Why), advice: markdown(first.Advice)}
	if i.inManifest() {
		said = paragraphs(i.findings, here)[0] // of all its lines: they say the same
	}
	why := sentences(said.why, d.numbers(i, "the suggestion"))
	if lead {
		why = ""
	}
	opening := bold(said.title)
	if on != first.Path {
		// "Here" is not these lines: what it is about is linked.
		var places []linesIn
		for _, f := range i.findings {
			places = append(places, linesIn{f.Path, []source.Lines{f.Lines}})
		}
		opening = bold(strings.TrimSuffix(markdown(first.Title), ".")) + " (" + d.links(places) + ")."
	}
	head := sentences(opening, why, said.advice)
	tail := sentences(d.alsoSettles(i), d.checked(i, i.suggestion), d.pages(i.findings))
	if suggest {
		return head + "\n" + fence("suggestion", i.suggestion.Replacement) + "\n" + tail
	}
	_, edit := d.edit(first.Dockerfile, []*analysis.Suggestion{i.suggestion})
	return head + "\n\n" + edit + "\n\n" + tail
}

func trailing(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}

// alsoSettles names what a suggestion settles besides its first finding, where no note speaks of it.
func (d *decision) alsoSettles(i *item) string {
	if len(i.suggestion.Notes) >= len(i.findings)-1 {
		return ""
	}
	var rest []string
	for _, f := range i.findings[1:] {
		if text := markdown(here(f)); f.Rule != i.first().Rule && !slices.Contains(rest, text) {
			rest = append(rest, text)
		}
	}
	if len(rest) == 0 {
		return ""
	}
	return "It settles as well: " + strings.Join(rest, " ")
}

// checked writes a suggestion's notes and what was proven of it; about is what it was proven for.
func (d *decision) checked(about *item, s *analysis.Suggestion) string {
	var notes []string
	for _, n := range s.Notes {
		notes = append(notes, markdown(n))
	}
	said := strings.Join(notes, " ")
	first := about.first()
	switch {
	case s.Path == first.Dockerfile:
		return sentences(said, "Checked: compiles with BuildKit, same image configuration, otherwise the same steps.",
			"The first build after it runs "+d.runsOnce(s.Path, s.Lines.First)+" once.")
	case strings.HasSuffix(s.Path, ".dockerignore") && first.Path == first.Dockerfile:
		runs := d.runsOnce(first.Path, first.Lines.First)
		switch {
		case len(about.findings) > 1:
			runs = "the steps from those lines on"
		case runs != everything:
			runs = "the steps from " + linesName(first.Lines) + " of " + pathName(first.Path) + " on"
		}
		return sentences(said, "Checked: no file of the repository is left out by it.", "The first build after it runs "+runs+" once.")
	case about.inManifest():
		return sentences(said, "Checked: pip reads the rest of the file as before, and the lines allowed these versions.",
			"The first build after it runs the steps that read this file, and those below them, once.")
	case strings.HasPrefix(s.Path, workflows):
		return sentences(said, "Checked: nothing else in the workflow changes, and the build keeps its cache.")
	}
	return said
}

const everything = "everything"

// runsOnce says which steps a change from a line on runs again.
func (d *decision) runsOnce(path string, line int) string {
	if d.stepsBefore(path, line) {
		return fmt.Sprintf("the steps from line %d on", line)
	}
	return everything
}

// stepsBefore says whether any step stands above a line, or that is not known.
func (d *decision) stepsBefore(path string, line int) bool {
	file := d.files[path]
	if file == nil {
		return true
	}
	parsed, err := dockerfile.Parse(file)
	if err != nil {
		return true
	}
	for _, i := range parsed.Instructions {
		switch i.Keyword {
		case "RUN", "COPY", "ADD", "WORKDIR":
			if file.LineFromOffset(i.Span.Start) < line {
				return true
			}
		}
	}
	return false
}

// suggestable says whether GitHub commits a suggestion as it stands: the file has no CR, something
// changes, and the text can be shown as it is.
func (d *decision) suggestable(s *analysis.Suggestion) bool {
	file := d.files[s.Path]
	if file == nil || file.HasCR() || len(s.Replacement) > maxEdit || s.Lines.Last > file.LineCount() {
		return false
	}
	old := linesOf(file, s.Lines)
	return old != s.Replacement && printable(s.Replacement, old)
}

// edit writes the edits of one file that are not offered in a comment: a unified diff, where it can
// be shown, and the command for the Dockerfile. folds says whether it is long enough to be folded.
func (d *decision) edit(dockerfile string, suggestions []*analysis.Suggestion) (folds bool, text string) {
	command := fixCommand(dockerfile)
	diff := d.unified(suggestions[0].Path, suggestions)
	switch {
	case diff != "" && command != "":
		return true, fence("diff", diff) + "\n\nor run " + command
	case diff != "":
		return true, fence("diff", diff)
	case command != "":
		return false, "Run " + command + " for the edit."
	}
	return false, "Run `hitrate check --fix` on this file for the edit."
}

// unified is the diff that "git apply" takes; "" where it cannot be shown or would not apply.
func (d *decision) unified(path string, suggestions []*analysis.Suggestion) string {
	file := d.files[path]
	if file == nil || file.HasCR() {
		return ""
	}
	var edits []source.Edit
	for _, s := range suggestions {
		edits = append(edits, file.ReplaceLines(s.Lines, s.Replacement))
	}
	after, err := source.Apply(file.Data, edits)
	if err != nil {
		return ""
	}
	diff := report.Diff(path, file.Data, after)
	if len(diff) > maxEdit || !printable(diff, string(file.Data)+string(after)) {
		return ""
	}
	return strings.TrimSuffix(diff, "\n")
}
