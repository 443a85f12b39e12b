package review

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
	"github.com/hitrate-bot/hitrate/internal/workflow"
)

// maxComments is the most inline comments of one review, whatever is configured: GitHub is known to
// fail above it.
const maxComments = 30

// placed is an item with the place where it is said.
type placed struct {
	*item  // nil where no finding is open any more
	in     place
	lead   bool
	note   markItem // of an item that was said before
	hidden bool     // nothing about it stands in the body: its comment says it, or somebody deleted that
	// outdated: it was said inline, on lines that are no more; the body says it now.
	outdated bool
}

// newReview writes a review of fresh items, and decides what goes inline.
func (d *decision) newReview(fresh []*item) *NewReview {
	all := make([]placed, len(fresh))
	most := min(d.Config.Review.MaxComments, maxComments)
	r := &NewReview{Commit: d.PullRequest.Head}
	for n, i := range fresh {
		p := placed{item: i, in: inBody, lead: n == 0}
		at, fits := d.inlineAt(i)
		switch {
		case i.isFolded():
			p.in, p.lead = folded, false
		case fits && len(r.Comments) < most:
			p.in = inline
			body := d.sealedComment(p, at.path, at.path == i.path())
			if utf8.RuneCountInString(body) > maxBody {
				p.in = inBody
				break
			}
			r.Comments = append(r.Comments, at.comment(body))
		}
		all[n] = p
	}
	slices.SortStableFunc(r.Comments, func(a, b Comment) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Start, b.Start))
	})
	r.Body = d.body(all, d.PullRequest.Head)
	return r
}

// anchor is where a comment stands.
type anchor struct {
	path  string
	lines source.Lines
}

func (a anchor) comment(body string) Comment {
	c := Comment{Path: a.path, Line: a.lines.Last, Body: body}
	if a.lines.First < a.lines.Last {
		c.Start = a.lines.First
	}
	return c
}

// inlineAt says where a comment on an item can stand. The edit of another file stands there, since only
// there it can be committed; without it the words stand at the lines that they are about.
func (d *decision) inlineAt(i *item) (anchor, bool) {
	if i.first().NewFile != nil {
		return anchor{}, false
	}
	at := anchor{i.path(), i.lines()}
	var fits bool
	if i.suggestion != nil && d.suggestable(i.suggestion) {
		diff, changes := d.diffs[at.path]
		fits = changes && diff.Anchor(at.lines)
		if !fits && i.elsewhere() {
			at, fits = d.wordsAt(i.findings, i.first().Lines)
		}
	} else {
		// Words stand at all lines only where these follow each other; else at the first that the diff shows.
		lines := i.first().Lines
		if i.suggestion != nil && !i.elsewhere() || i.suggestion == nil && contiguous(linesOfAll(i.findings)) {
			lines = i.lines()
		}
		at, fits = d.wordsAt(i.findings, lines)
	}
	return at, fits && (d.Allowed == nil || d.Allowed[CommentKey{at.path, at.lines.Last}])
}

// wordsAt says where words on findings can stand: at lines of the first one's file, else at the first of
// the findings that the diff shows.
func (d *decision) wordsAt(findings []*finding, lines source.Lines) (at anchor, fits bool) {
	try := func(path string, lines source.Lines) {
		if diff, changes := d.diffs[path]; changes && !fits {
			at.path = path
			at.lines, fits = diff.CommentLines(lines)
		}
	}
	try(findings[0].Path, lines)
	for _, f := range findings {
		try(f.Path, f.Lines)
	}
	return at, fits
}

func contiguous(lines []source.Lines) bool {
	for n := 1; n < len(lines); n++ {
		if lines[n].First > lines[n-1].Last+1 {
			return false
		}
	}
	return true
}

// sealedComment writes a comment that stands on a file, with its mark.
func (d *decision) sealedComment(p placed, on string, suggest bool) string {
	suggest = suggest && p.suggestion != nil && d.suggestable(p.suggestion)
	m := mark{Items: []markItem{d.markItem(p)}}
	if !suggest {
		m.Items[0].Anchor = nil
	}
	m.shorten()
	return d.comment(p.item, on, p.lead, suggest) + "\n\n" + d.Marks.seal(d.Ref, m)
}

// doneOf is what is said when findings are gone: of all of them where one sentence holds them, else of the first.
func doneOf(findings []*finding) rules.Text {
	texts := make([]rules.Text, len(findings))
	for i, f := range findings {
		texts[i] = f.Done
		if f.Rule != findings[0].Rule {
			return findings[0].Done
		}
	}
	if done, ok := joined(texts, maxJoined); ok {
		return done
	}
	return findings[0].Done
}

func (d *decision) markItem(p placed) markItem {
	first := p.first()
	m := markItem{
		Path: p.path(), Problem: first.problem, In: p.in, Lead: p.lead,
		Title: first.Title, Done: doneOf(p.findings),
	}
	m.IDs, m.groups = itemIDs(p.findings)
	_, m.Counted = d.count(p.item)
	if p.outdated {
		m.In = inline
	}
	if first.Dockerfile != m.Path {
		m.Dockerfile = first.Dockerfile
	}
	if p.suggestion != nil {
		m.Fix = hashLines(p.suggestion.Replacement)
		if file := d.files[m.Path]; file != nil {
			m.Anchor = hashLines(linesOf(file, p.suggestion.Lines))
		}
	}
	return m
}

// block is a paragraph of a body, or several that belong together.
type block struct {
	text  string
	short string // what stands for it where it is too long; "" for nothing
}

// body writes the body of a review, with its mark at the end.
func (d *decision) body(all []placed, head string) string {
	m := mark{Head: head}
	first := d.settledBlocks(all)
	var sections, files, folds []placed
	for _, p := range all {
		if p.item == nil {
			m.Items = append(m.Items, p.note)
			continue
		}
		m.Items = append(m.Items, d.markItem(p))
		switch {
		case p.in == folded:
			folds = append(folds, p)
		case p.in == inline && p.lead:
			first = append(first, block{text: d.opening(p.item)})
		case p.in == inline || p.hidden:
		case p.first().NewFile != nil:
			files = append(files, p)
		default:
			sections = append(sections, p)
		}
	}
	var newFiles []block
	for _, p := range files {
		newFiles = append(newFiles, d.newFileBlock(p.item))
	}
	groups := slices.DeleteFunc([][]block{first, d.sectionBlocks(sections), newFiles, d.foldedBlock(folds)}, func(g []block) bool { return len(g) == 0 })
	if len(groups) == 0 {
		groups = [][]block{{{text: nothingInBody(all)}}}
	}
	// What matters in words, then the table, then the rest.
	paths := d.spokenOf(all)
	var opening *item
	if at := slices.IndexFunc(all, func(p placed) bool { return p.item != nil && p.in != folded && !p.hidden }); at >= 0 {
		opening = all[at].item
	}
	blocks := slices.Concat(d.withoutCache(paths, opening), groups[0], d.buildBlocks(paths, true, false))
	blocks = append(blocks, slices.Concat(groups[1:]...)...)
	for _, line := range d.standingConfigLines() {
		blocks = append(blocks, block{text: line})
	}
	m.shorten()
	return assemble(blocks, d.Marks.seal(d.Ref, m))
}

// nothingInBody is the body of a review that has nothing to say itself.
func nothingInBody(all []placed) string {
	has := func(what func(placed) bool) bool { return slices.ContainsFunc(all, what) }
	switch {
	case has(func(p placed) bool { return p.item != nil }):
		return "What is left to say stands in the comments on the lines."
	case has(func(p placed) bool { return p.note.Moved }):
		return "What stood here is said in a newer review."
	case has(func(p placed) bool { return p.note.Settled }):
		return "What stood here is settled."
	}
	return "Nothing is left to say: this pull request no longer touches what this was about."
}

// settledBlocks say what became of what was said before.
func (d *decision) settledBlocks(all []placed) []block {
	var blocks []block
	for _, p := range all {
		switch {
		case p.item != nil || p.note.In == folded || len(p.note.Title) == 0:
		case p.note.Accepted && len(p.note.Done) > 0:
			blocks = append(blocks, block{text: sentences(d.done(p.note), d.nextBuild(p.note))})
		default:
			blocks = append(blocks, block{text: "~~" + markdown(p.note.Title) + "~~ Settled."})
		}
	}
	return blocks
}

// done writes what a suggestion of ours has brought, with what is counted now.
func (d *decision) done(i markItem) string {
	sentence := markdown(i.Done)
	text, ok := d.settledNumbers(i)
	if !ok {
		return bold(sentence)
	}
	// "… only when `requirements.txt` changes": the number is of just these commits.
	if strings.HasSuffix(sentence, " changes.") || strings.HasSuffix(sentence, " change.") {
		return bold(strings.TrimSuffix(sentence, ".")) + ": " + text + "."
	}
	return bold(sentence) + " It would have run on " + text + "."
}

// spokenOf are the Dockerfiles whose steps the body has something to say of, in its order.
func (d *decision) spokenOf(all []placed) []string {
	var paths []string
	add := func(path string) {
		if !slices.Contains(paths, path) && len(d.plansOf(path)) > 0 {
			paths = append(paths, path)
		}
	}
	for _, p := range all {
		switch {
		case p.item == nil:
			if _, ok := d.settledNumbers(p.note); ok {
				add(p.note.Path)
			}
		case p.in != folded && !p.hidden:
			add(p.first().Dockerfile)
		}
	}
	return paths
}

// nextBuild says what it costs once that a suggestion of ours was accepted; "" where it changes no step.
func (d *decision) nextBuild(i markItem) string {
	runs := "all steps"
	line := 0
	if i.Fix != nil {
		line = i.Fix.find(d.Texts[i.Path])
	}
	switch {
	case strings.HasSuffix(i.Path, ".dockerignore"):
		runs = "the step that brought it and those below it"
	case workflow.Wanted(i.Path):
	case i.Dockerfile != "":
		return ""
	case line == 0:
		runs = "what changed"
	case d.stepsBefore(i.Path, line):
		runs = fmt.Sprintf("the steps from line %d on", line)
	}
	return "(The next build runs " + runs + " once.)"
}

// byFile puts items of one file next to each other, in the order of their first.
func byFile(items []placed) [][]placed {
	var files [][]placed
	for _, p := range items {
		at := slices.IndexFunc(files, func(f []placed) bool { return f[0].first().Path == p.first().Path })
		if at < 0 {
			files = append(files, nil)
			at = len(files) - 1
		}
		files[at] = append(files[at], p)
	}
	return files
}

// suggestionsOf are the edits of the file that items are in.
func suggestionsOf(items []placed) []*analysis.Suggestion {
	var all []*analysis.Suggestion
	for _, p := range items {
		if p.suggestion != nil && !p.elsewhere() {
			all = append(all, p.suggestion)
		}
	}
	return all
}

// sectionBlocks writes items with the edits of each file behind them.
func (d *decision) sectionBlocks(items []placed) []block {
	var blocks []block
	for _, file := range byFile(items) {
		var sections []section
		for _, p := range file {
			sections = append(sections, d.sections(p.item)...)
		}
		for _, text := range d.joinSections(sections) {
			blocks = append(blocks, block{text: text})
		}
		for _, p := range file {
			if p.elsewhere() {
				blocks = append(blocks, d.editBlock(p.first().Dockerfile, "The edit of "+htmlCode(p.path()), p.item, p.suggestion))
			}
		}
		suggestions := suggestionsOf(file)
		if len(suggestions) == 0 {
			continue
		}
		blocks = append(blocks, d.editBlock(file[0].first().Path, "The edit", file[0].item, suggestions...))
	}
	return blocks
}

// editBlock writes edits of one file, folded under a summary; dockerfile is what the command is given, about
// what they were proven for.
func (d *decision) editBlock(dockerfile, summary string, about *item, suggestions ...*analysis.Suggestion) block {
	folds, edit := d.edit(dockerfile, suggestions)
	if !folds {
		return block{text: edit}
	}
	b := block{text: fold(summary, edit+"\n\n"+d.checkedAll(about, suggestions))}
	if command := fixCommand(dockerfile); command != "" {
		b.short = "Run " + command + " for the edit."
	}
	return b
}

// checkedAll is checked for the edits of one file together.
func (d *decision) checkedAll(about *item, suggestions []*analysis.Suggestion) string {
	together := analysis.Suggestion{Path: suggestions[0].Path, Lines: suggestions[0].Lines}
	seen := map[string]bool{}
	for _, s := range suggestions {
		together.Lines = together.Lines.Hull(s.Lines)
		for _, n := range s.Notes {
			if text := markdown(n); !seen[text] {
				seen[text] = true
				together.Notes = append(together.Notes, n)
			}
		}
	}
	return d.checked(about, &together)
}

// newFileBlock writes what a missing file would settle, with its text.
func (d *decision) newFileBlock(i *item) block {
	f := i.first()
	head := sentences(markdown(f.Title), markdown(f.Why), markdown(f.Advice))
	pages := d.pages(i.findings)
	b := block{text: sentences(head, pages), short: sentences(head, pages)}
	if !printable(f.NewFile.Text, "") || len(f.NewFile.Text) > maxEdit {
		return b
	}
	inside := fence("", strings.TrimSuffix(f.NewFile.Text, "\n"))
	if link := d.newFileLink(f.NewFile.Path); link != "" {
		inside += "\n\n" + link
	}
	b.text = sentences(head, pages, "One that fits:") + "\n" + fold(htmlCode(f.NewFile.Path), inside)
	return b
}

// newFileLink leads to GitHub's page for a new file on the pull request's branch; "" where that is in
// another repository.
func (d *decision) newFileLink(path string) string {
	if d.PullRequest.RepositoryURL == "" || d.PullRequest.HeadRef == "" {
		return ""
	}
	return fmt.Sprintf("[Create it on this branch](%s/new/%s?filename=%s)",
		d.PullRequest.RepositoryURL, linkTarget(d.PullRequest.HeadRef), strings.ReplaceAll(linkTarget(path), "/", "%2F"))
}

// foldedBlock lists what stands in files that the pull request changes, on lines that it does not.
func (d *decision) foldedBlock(items []placed) []block {
	if len(items) == 0 {
		return nil
	}
	number := 0
	var sections []section
	var edits []string
	for _, file := range byFile(items) {
		for _, p := range file {
			number += len(p.findings)
			if p.first().NewFile != nil {
				sections = append(sections, section{rest: sentences(markdown(p.first().Title), markdown(p.first().Why), markdown(p.first().Advice), d.pages(p.findings))})
				continue
			}
			sections = append(sections, d.sections(p.item)...)
			if p.elsewhere() {
				_, edit := d.edit(p.first().Dockerfile, []*analysis.Suggestion{p.suggestion})
				edits = append(edits, edit+"\n\n"+d.checked(p.item, p.suggestion))
			}
		}
		if suggestions := suggestionsOf(file); len(suggestions) > 0 {
			_, edit := d.edit(file[0].first().Path, suggestions)
			edits = append(edits, edit+"\n\n"+d.checkedAll(file[0].item, suggestions))
		}
	}
	parts := append(d.joinSections(sections), edits...)
	summary := count(number, "finding") + untouched
	b := block{text: fold(summary, strings.Join(parts, "\n\n"))}
	var files []string
	for _, file := range byFile(items) {
		if command := fixCommand(file[0].first().Path); command != "" && len(files) < 10 {
			files = append(files, command)
		}
	}
	if len(files) > 0 {
		b.short = summary + ": " + strings.Join(files, ", ")
	}
	return []block{b}
}

func fold(summary, inside string) string {
	return "<details><summary>" + summary + "</summary>\n\n" + inside + "\n</details>"
}

// htmlCode writes text of the pull request inside a summary, where there is no Markdown.
func htmlCode(s string) string {
	replaced := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(withoutMentions(visible(s)))
	return "<code>" + replaced + "</code>"
}

// assemble joins blocks as far as a body holds them: never a part of one, and it says what is missing.
func assemble(blocks []block, seal string) string {
	const trailer = "There is more than fits here: run `hitrate check` for the rest."
	room := maxBody - utf8.RuneCountInString(seal) - utf8.RuneCountInString(trailer) - 4
	var parts []string
	cut := false
	for _, b := range blocks {
		for _, text := range []string{b.text, b.short} {
			if size := utf8.RuneCountInString(text) + 2; text != "" && size <= room {
				parts = append(parts, text)
				room -= size
				break
			}
			cut = cut || text == b.text
		}
	}
	if cut {
		parts = append(parts, trailer)
	}
	return strings.Join(append(parts, seal), "\n\n")
}
