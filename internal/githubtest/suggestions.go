package githubtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

// SuggestionError is a suggestion that GitHub's page does not let anybody commit, with its words.
type SuggestionError struct {
	Comment int64
	Reason  string
}

func (e *SuggestionError) Error() string {
	return fmt.Sprintf("apply suggestion of comment %d: %s", e.Comment, e.Reason)
}

// The reasons on GitHub's page.
const (
	ReasonNoSuggestion = "There is no suggestion in this comment." // of this package: the page has no button
	ReasonClosed       = "Suggestions cannot be applied while the pull request is closed."
	ReasonNoChange     = "This suggestion is invalid because no changes were made to the code."
	ReasonOneAPerLine  = "Only one suggestion per line can be applied in a batch."
	ReasonDeletedLines = "Applying suggestions on deleted lines is not supported."
	ReasonOutdated     = "Outdated suggestions cannot be applied."
	ReasonResolved     = "This suggestion has been applied or marked resolved."
	ReasonPending      = "Suggestions cannot be applied from pending reviews."
	ReasonNoAccess     = "You do not have permission to push to the head branch." // of this package
)

// suggestionsIn returns the content of the suggestion blocks of a comment, as GFM reads
// them: fences of any length, with the info string "suggestion".
func suggestionsIn(body string) []string {
	source := []byte(strings.ReplaceAll(body, "\r\n", "\n"))
	var found []string
	root := goldmark.DefaultParser().Parse(text.NewReader(source))
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		block, ok := n.(*ast.FencedCodeBlock)
		if !ok || !entering || string(block.Language(source)) != "suggestion" {
			return ast.WalkContinue, nil
		}
		var b strings.Builder
		for i := range block.Lines().Len() {
			line := block.Lines().At(i)
			b.Write(line.Value(source))
		}
		found = append(found, b.String())
		return ast.WalkContinue, nil
	})
	return found
}

// suggestedLines is what stands in place of the commented lines: none for an empty block, one empty
// line for a block of one empty line.
func suggestedLines(content string) []string {
	if content == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(content, "\n"), "\n")
}

// change is a suggestion that can be committed: lines first to last of a file become others.
type change struct {
	comment     *comment
	first, last int
	lines       []string
}

// suggestion returns the change that a block of a comment asks for, or why it cannot be committed.
func (p *PullRequest) suggestion(c *comment, block int) (*change, error) {
	refuse := func(reason string) (*change, error) { return nil, &SuggestionError{c.id, reason} }
	blocks := suggestionsIn(c.body)
	switch {
	case block >= len(blocks):
		return refuse(ReasonNoSuggestion)
	case !p.open:
		return refuse(ReasonClosed)
	case c.review.state == statePending:
		return refuse(ReasonPending)
	case c.applied || p.resolved[c.thread()]:
		return refuse(ReasonResolved)
	case c.outdated():
		return refuse(ReasonOutdated)
	case c.side == left || (c.start > 0 && c.startSide == left):
		return refuse(ReasonDeletedLines)
	}
	f, err := p.file(p.head.sha, c.path)
	if err != nil {
		return nil, err
	}
	first := cmp.Or(c.start, c.line)
	hunk, lastRow, ok := f.find(right, c.line)
	_, firstRow, ok2 := f.find(right, first)
	if !ok || !ok2 {
		return refuse(ReasonOutdated)
	}
	rows := f.hunks[hunk].Rows[firstRow : lastRow+1]
	if slices.ContainsFunc(rows, func(r Row) bool { return r.Kind == '-' }) {
		return refuse(ReasonDeletedLines)
	}
	lines := suggestedLines(blocks[block])
	var now []string
	for _, r := range rows {
		now = append(now, r.Text)
	}
	if slices.Equal(lines, now) {
		return refuse(ReasonNoChange)
	}
	return &change{c, first, c.line, lines}, nil
}

// ApplySuggestions commits the suggestions of comments (the first block of each) to the head branch
// as one commit, as "Commit suggestion" and "Commit suggestions" on the page do, and returns the
// commit. Refusals are a *SuggestionError; nothing is committed then.
//
// Lines end at newlines, and only the newline that ends a block does not count: so a last empty line
// in a suggestion for the last line of a file gives it the final newline that it lacks, and a file
// with CR at its line ends gets lines without. (How GitHub treats CR is not known.)
func (p *PullRequest) ApplySuggestions(login string, commentIDs ...int64) (string, error) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	by := p.s.account(login, "User")
	if p.head.repo != p.base.repo && !p.mayModify && by != p.head.repo.owner {
		return "", &SuggestionError{0, ReasonNoAccess}
	}
	changes := map[string][]*change{}
	var comments []*comment
	for _, id := range commentIDs {
		c, err := p.commentByID(id)
		if err != nil {
			return "", err
		}
		ch, err := p.suggestion(c, 0)
		if err != nil {
			return "", err
		}
		for _, other := range changes[c.path] {
			if ch.first <= other.last && other.first <= ch.last {
				return "", &SuggestionError{id, ReasonOneAPerLine}
			}
		}
		changes[c.path] = append(changes[c.path], ch)
		comments = append(comments, c)
	}
	edit := Edit{Files: map[string]string{}, Modes: map[string]string{}}
	for path, list := range changes {
		e, err := p.base.repo.git.entry(p.head.sha, path)
		if err != nil {
			return "", err
		}
		data, err := p.base.repo.git.blob(e.id)
		if err != nil {
			return "", err
		}
		edit.Files[path], edit.Modes[path] = applyChanges(string(data), list), e.mode
	}
	id, err := p.head.repo.git.commit("refs/heads/"+p.head.ref, p.head.sha, by.signature(), p.s.now(), Commit{suggestionMessage(comments), edit})
	if err != nil {
		return "", fmt.Errorf("apply suggestions: %w", err)
	}
	for _, c := range comments {
		c.applied = true
		p.resolved[c.thread()] = true
	}
	return id, p.head.repo.pushed(p.head.ref, by)
}

// applyChanges replaces lines of a file, from its end to its beginning.
func applyChanges(content string, list []*change) string {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b *change) int { return cmp.Compare(b.first, a.first) })
	lines := strings.Split(content, "\n")
	for _, c := range list {
		lines = slices.Replace(lines, c.first-1, c.last, c.lines...)
	}
	return strings.Join(lines, "\n")
}

// suggestionMessage is the text of the commit, with the suggesting accounts as co-authors.
func suggestionMessage(comments []*comment) string {
	subject := "Apply suggestions from code review"
	if len(comments) == 1 {
		subject = "Update " + comments[0].path
	}
	var authors []string
	for _, c := range comments {
		s := c.author.signature()
		line := fmt.Sprintf("Co-authored-by: %s <%s>", s.name, s.email)
		if !slices.Contains(authors, line) {
			authors = append(authors, line)
		}
	}
	return subject + "\n\n" + strings.Join(authors, "\n") + "\n"
}
