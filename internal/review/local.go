package review

import (
	"fmt"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// Preview is the review that would be posted, without the marks.
type Preview struct {
	Body     string // "" where there would be no review
	Comments []Comment
	Check    CheckRun
}

// Local says what would be posted on a pull request on which nothing stands yet. The caller fills in
// what it knows of the local checkout; ChangedFiles reads "git diff" for it. Without a
// PullRequest.RepositoryURL there are no links to lines.
func Local(s Situation) Preview {
	s.Reviews, s.Comments = nil, nil
	plan := Decide(s)
	var p Preview
	if plan.Check != nil {
		p.Check = *plan.Check
	}
	if plan.Review != nil {
		p.Body = withoutMark(plan.Review.Body)
		for _, c := range plan.Review.Comments {
			c.Body = withoutMark(c.Body)
			p.Comments = append(p.Comments, c)
		}
	}
	return p
}

// Markdown writes the preview as one text.
func (p Preview) Markdown() string {
	if p.Body == "" {
		return "No review: " + p.Check.Title + ".\n"
	}
	var b strings.Builder
	b.WriteString("## Review body\n\n" + p.Body + "\n")
	for _, c := range p.Comments {
		l := source.Lines{First: c.Line, Last: c.Line}
		if c.Start > 0 {
			l.First = c.Start
		}
		fmt.Fprintf(&b, "\n## Inline, on %s of %s\n\n%s\n", linesName(l), pathName(c.Path), c.Body)
	}
	fmt.Fprintf(&b, "\n## Check run\n\n%s: %s\n", p.Check.Conclusion, p.Check.Title)
	return b.String()
}
