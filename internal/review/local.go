package review

import (
	"context"
	"fmt"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// Preview is the review that would be posted, without the marks.
type Preview struct {
	Body     string // "" where there would be no review
	Comments []Comment
	Check    CheckRun
	// Skipped lists the changed files that were not looked at, with the reasons, as Markdown; "" for none.
	Skipped string
}

// Preview says what Review would post on a pull request as reader has it, and posts nothing.
func (r *Reviewer) Preview(ctx context.Context, reader Reader) (Preview, error) {
	pull, err := reader.PullRequest(ctx)
	if err != nil {
		return Preview{}, fmt.Errorf("read pull request: %w", err)
	}
	g := r.newGatherer(reader, Ref{}, pull)
	if err := g.configure(ctx); err != nil {
		return Preview{}, err
	}
	if err := g.gather(ctx); err != nil {
		return Preview{}, err
	}
	g.s.DocsURL = r.DocsURL
	p := preview(Decide(g.s))
	p.Skipped = problems(g.s.Head.Skipped, words)
	return p, nil
}

func preview(plan Plan) Preview {
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
	text := p.said()
	if p.Skipped != "" {
		text += "\nNot looked at:\n\n" + p.Skipped + "\n"
	}
	return text
}

// said is what would be posted, or why nothing would.
func (p Preview) said() string {
	switch {
	case p.Check.Title == "":
		return "No review: the change touches nothing that hitrate reads, or is off by configuration.\n"
	case p.Body == "":
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
