// Package reviewtest is a pull request in memory that refuses what GitHub refuses, for the tests of
// package review, and the exam that every implementation of review.Host passes.
package reviewtest

import (
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/hitrate-bot/hitrate/internal/report"
	"github.com/hitrate-bot/hitrate/internal/review"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Files are the texts of a tree by path.
type Files map[string]string

// Host is one pull request. It implements review.Host. It is not for concurrent use.
type Host struct {
	Pull         review.PullRequest
	Organisation Files // of the organisation's .github repository; nil for none
	Bot          string
	Truncated    bool // trees are cut off behind their first file

	// Before is called with the method's name before a method does anything, After when it has done it;
	// their errors are returned. An *review.UnknownError of After is an answer that was lost.
	Before, After func(method string) error
	// Refuse says whether GitHub refuses a comment for a reason that the diff does not show.
	Refuse func(review.Comment) bool

	// NoHistory is the error of History; nil: there is one.
	NoHistory error

	mergeBase   string
	branch      []string // the commits of the base branch, the newest last
	commits     map[string]Files
	blobs       map[string]string
	next        int64
	reviews     []review.Posted
	comments    []comment
	checks      []review.CheckRun
	reviewCount int
}

type comment struct {
	review.Posted
	lines source.Lines // now; zero when outdated
}

// New opens a pull request of a branch of the same repository that turns base into head.
func New(base, head Files) *Host {
	h := &Host{Bot: "hitrate[bot]", commits: map[string]Files{}, blobs: map[string]string{}}
	h.Pull = review.PullRequest{
		Open: true, BaseRef: "main", HeadRef: "change", RepositoryURL: "https://github.example/acme/app",
		URL: "https://github.example/acme/app/pull/7",
	}
	h.Pull.Base = h.commit(base)
	h.mergeBase = h.Pull.Base
	h.branch = []string{h.Pull.Base}
	h.Pull.Head = h.commit(head)
	return h
}

// Ref is the pull request's name.
func (h *Host) Ref() review.Ref {
	return review.Ref{Installation: 1, Repository: 42, Owner: "acme", Name: "app", Number: 7}
}

func (h *Host) commit(files Files) string {
	h.next++
	id := objectID(fmt.Sprintf("commit %d", h.next))
	h.commits[id] = maps.Clone(files)
	for _, text := range files {
		h.blobs[objectID(text)] = text
	}
	return id
}

func objectID(text string) string {
	sum := sha1.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// Push adds a commit to the head: files replace those of the same path, an empty text removes one.
// Comments move with their lines, or are outdated.
func (h *Host) Push(files Files) {
	before := h.commits[h.Pull.Head]
	after := maps.Clone(before)
	for path, text := range files {
		after[path] = text
		if text == "" {
			delete(after, path)
		}
	}
	h.Pull.Head = h.commit(after)
	for i := range h.comments {
		c := &h.comments[i]
		if c.lines != (source.Lines{}) {
			c.lines = follow(before[c.Path], after[c.Path], c.lines)
			c.Line = c.lines.Last
		}
	}
}

// PushBase adds a commit to the base branch that the pull request does not have.
func (h *Host) PushBase(files Files) {
	after := maps.Clone(h.commits[h.Pull.Base])
	maps.Copy(after, files)
	h.Pull.Base = h.commit(after)
	h.branch = append(h.branch, h.Pull.Base)
}

// Head is the tree of the head.
func (h *Host) Head() Files { return maps.Clone(h.commits[h.Pull.Head]) }

// follow says where lines are after a change; zero where they were touched.
func follow(before, after string, l source.Lines) source.Lines {
	file := source.New("", []byte(before))
	span := file.SpanFromLines(l)
	shift := 0
	for _, e := range udiff.Lines(before, after) {
		switch {
		case e.End <= span.Start:
			shift += strings.Count(e.New, "\n") - strings.Count(before[e.Start:e.End], "\n")
		case e.Start < span.End:
			return source.Lines{}
		}
	}
	return source.Lines{First: l.First + shift, Last: l.Last + shift}
}

// Reply answers a comment in a person's name.
func (h *Host) Reply(to int64, body string) {
	h.next++
	h.comments = append(h.comments, comment{Posted: review.Posted{ID: h.next, Author: "octocat", Body: body, ReplyTo: to}})
}

// Post puts a review of somebody into the pull request without any check.
func (h *Host) Post(p review.Posted) int64 {
	h.next++
	p.ID = h.next
	h.reviews = append(h.reviews, p)
	return p.ID
}

// Remove deletes a comment as a maintainer would.
func (h *Host) Remove(id int64) {
	h.comments = slices.DeleteFunc(h.comments, func(c comment) bool { return c.ID == id })
}

// Accept commits the suggestion of a comment, or refuses as GitHub does.
func (h *Host) Accept(ids ...int64) error {
	files := map[string][]source.Edit{}
	for _, id := range ids {
		at := slices.IndexFunc(h.comments, func(c comment) bool { return c.ID == id })
		if at < 0 {
			return errors.New("no such comment")
		}
		c := h.comments[at]
		replacement, ok := suggestion(c.Body)
		switch {
		case !ok:
			return errors.New("the comment has no suggestion")
		case c.lines == source.Lines{}:
			return errors.New("outdated suggestions cannot be applied")
		}
		file := source.New(c.Path, []byte(h.commits[h.Pull.Head][c.Path]))
		span := file.SpanFromLines(c.lines)
		old := file.Text(span)
		if replacement != "" && strings.HasSuffix(old, "\n") {
			replacement += "\n"
		}
		if replacement == old {
			return errors.New("no changes were made to the code")
		}
		if deletedInside(h.patch(c.Path, h.Pull.Head), c.lines) {
			return errors.New("applying suggestions on deleted lines is not supported")
		}
		files[c.Path] = append(files[c.Path], source.Edit{Span: span, New: replacement})
	}
	pushed := Files{}
	for path, edits := range files {
		after, err := source.Apply([]byte(h.commits[h.Pull.Head][path]), edits)
		if err != nil {
			return fmt.Errorf("only one suggestion per line can be applied in a batch: %w", err)
		}
		pushed[path] = string(after)
	}
	h.Push(pushed)
	return nil
}

// suggestion reads the suggestion block of a comment.
func suggestion(body string) (string, bool) {
	lines := strings.Split(body, "\n")
	for i, l := range lines {
		ticks, ok := strings.CutSuffix(l, "suggestion")
		if !ok || len(ticks) < 3 || strings.Trim(ticks, "`") != "" {
			continue
		}
		for j := i + 1; j < len(lines); j++ {
			if lines[j] == ticks {
				return strings.Join(lines[i+1:j], "\n"), true
			}
		}
	}
	return "", false
}

// hunks reads the new lines of each hunk of a patch and those right before which rows were deleted.
func hunks(patch string) (all []source.Lines, deleted map[int]bool) {
	deleted = map[int]bool{}
	at := 0
	for _, row := range strings.Split(patch, "\n") {
		switch {
		case strings.HasPrefix(row, "@@"):
			var oldStart, newStart string
			if _, err := fmt.Sscanf(row, "@@ -%s +%s @@", &oldStart, &newStart); err != nil {
				panic(err)
			}
			if _, err := fmt.Sscanf(newStart, "%d", &at); err != nil {
				panic(err)
			}
			all = append(all, source.Lines{First: at, Last: at - 1})
		case strings.HasPrefix(row, "-"):
			deleted[at] = true
		case strings.HasPrefix(row, "+"), strings.HasPrefix(row, " "):
			all[len(all)-1].Last = at
			at++
		}
	}
	return all, deleted
}

func deletedInside(patch string, l source.Lines) bool {
	_, deleted := hunks(patch)
	for line := l.First + 1; line <= l.Last; line++ {
		if deleted[line] {
			return true
		}
	}
	return false
}

func (h *Host) patch(path, commit string) string {
	before, after := h.commits[h.mergeBase][path], h.commits[commit][path]
	return strings.TrimSuffix(report.Hunks(before, after, 3), "\n")
}

// ReviewCount is how many reviews were created, those of Post left out.
func (h *Host) ReviewCount() int { return h.reviewCount }
