package reviewtest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/review"
	"github.com/hitrate-bot/hitrate/internal/source"
)

var marks = regexp.MustCompile(`\n*<!-- hitrate:\S+ -->\s*$`)

// Show writes what a reader of the pull request sees, with the commit ids replaced by COMMIT.
func (h *Host) Show() string {
	var b strings.Builder
	number := 0
	for _, r := range h.reviews {
		if r.Author != h.Bot {
			continue
		}
		number++
		fmt.Fprintf(&b, "## Review %d\n%s\n\n", number, marks.ReplaceAllString(r.Body, ""))
		for _, c := range h.comments {
			if c.ReviewID != r.ID {
				continue
			}
			at := "outdated lines"
			if c.lines.First == c.lines.Last && c.Line > 0 {
				at = fmt.Sprintf("line %d", c.Line)
			} else if c.Line > 0 {
				at = fmt.Sprintf("lines %d-%d", c.lines.First, c.lines.Last)
			}
			fmt.Fprintf(&b, "### On %s of %s\n%s\n\n", at, c.Path, marks.ReplaceAllString(c.Body, ""))
			for _, reply := range h.comments {
				if reply.ReplyTo == c.ID {
					fmt.Fprintf(&b, "%s: %s\n\n", reply.Author, reply.Body)
				}
			}
		}
	}
	for _, c := range slices.Backward(h.checks) {
		if c.Head != h.Pull.Head {
			continue
		}
		fmt.Fprintf(&b, "## Check run: %s\n%s\n\n%s\n", c.Conclusion, c.Title, c.Summary)
		for _, a := range c.Annotations {
			fmt.Fprintf(&b, "\n%s %s:%d-%d %s\n%s\n", a.Level, a.Path, a.First, a.Last, a.Title, a.Message)
		}
		break
	}
	text := b.String()
	for id := range h.commits {
		text = strings.ReplaceAll(text, id, "COMMIT")
	}
	return strings.TrimRight(text, "\n") + "\n"
}

// CommentOn is the comment of ours whose last line is line of a file now, 0 where there is none.
func (h *Host) CommentOn(path string, line int) int64 {
	for _, c := range h.comments {
		if c.Author == h.Bot && c.Path == path && c.Line == line {
			return c.ID
		}
	}
	return 0
}

// Everything is all text of ours: bodies and comments with their marks.
func (h *Host) Everything() []string {
	var all []string
	for _, r := range h.reviews {
		if r.Author == h.Bot {
			all = append(all, r.Body)
		}
	}
	for _, c := range h.comments {
		if c.Author == h.Bot {
			all = append(all, c.Body)
		}
	}
	for _, c := range h.checks {
		all = append(all, c.Summary)
	}
	return all
}

// Suggestions are our comments that have one and are not outdated.
func (h *Host) Suggestions() []int64 {
	var ids []int64
	for _, c := range h.comments {
		if _, ok := suggestion(c.Body); ok && c.Author == h.Bot && c.lines != (source.Lines{}) {
			ids = append(ids, c.ID)
		}
	}
	return ids
}

// LastCheck is the newest check run of the head.
func (h *Host) LastCheck() (review.CheckRun, bool) {
	for _, c := range slices.Backward(h.checks) {
		if c.Head == h.Pull.Head {
			return c, true
		}
	}
	return review.CheckRun{}, false
}
