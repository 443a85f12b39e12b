package githubtest

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// comment is an inline comment of a review, or a reply to one.
type comment struct {
	id      int64
	review  *review
	replyTo int64 // the first comment of the thread; 0 for that one itself
	author  *user
	body    string
	created time.Time
	updated time.Time

	path            string
	subject         string
	side, startSide string
	line, start     int // 0: outdated; start 0: one line
	position        int // 0: outdated
	commit          string
	hunk            string

	originalLine, originalStart int
	originalPosition            int
	originalCommit              string

	applied bool // its suggestion is a commit now
}

func (c *comment) outdated() bool { return c.position == 0 }

// anchorComments finds where every comment is in the pull request's present diff: at the same lines
// shifted, as long as none of them changed and all are still part of one hunk; else it is outdated.
// The lock is held.
func (p *PullRequest) anchorComments() error {
	for _, c := range p.comments {
		if err := p.anchorComment(c); err != nil {
			return fmt.Errorf("anchor comment %d: %w", c.id, err)
		}
	}
	return nil
}

func (p *PullRequest) anchorComment(c *comment) error {
	f, err := p.file(p.head.sha, c.path)
	if err != nil {
		return err
	}
	// Nothing is lost by looking afresh from the original place each time: a force push back to the
	// reviewed commit makes the comment current again.
	c.line, c.start, c.position = 0, 0, 0
	if f == nil {
		return nil
	}
	line, start := c.originalLine, c.originalStart
	if c.side == right && (start == 0 || c.startSide == right) {
		if line, start, err = p.shift(c, line, start); err != nil || line == 0 {
			return err
		}
	} else if same, err := p.sameOldSide(c, f); err != nil || !same {
		return err
	}
	hunk, row, ok := f.find(c.side, line)
	if !ok {
		return nil
	}
	if start > 0 {
		if h, _, ok := f.find(c.startSide, start); !ok || h != hunk {
			return nil
		}
	}
	c.line, c.start = line, start
	c.position = f.hunks[hunk].positionOf(row)
	c.commit = p.head.sha
	return nil
}

// shift returns where the lines of a comment on the new side are in the head; 0 where one changed.
func (p *PullRequest) shift(c *comment, line, start int) (int, int, error) {
	if c.originalCommit == p.head.sha {
		return line, start, nil
	}
	git := p.base.repo.git
	key := c.originalCommit + " to " + p.head.sha
	files, ok := p.diffs[key]
	if !ok {
		var err error
		if files, err = git.diff(c.originalCommit, p.head.sha, 0); err != nil {
			return 0, 0, err
		}
		p.diffs[key] = files
	}
	i := slices.IndexFunc(files, func(f *changedFile) bool { return f.path == c.path || f.previous == c.path })
	if i < 0 {
		return line, start, nil // the file is the same
	}
	f := files[i]
	if f.status == "added" || f.status == "removed" || f.status == "renamed" || !f.hasPatch {
		return 0, 0, nil
	}
	first := line
	if start > 0 {
		first = start
	}
	offset := 0
	for _, h := range f.hunks {
		for i, r := range h.Rows {
			switch r.Kind {
			case '-':
				if r.Old >= first && r.Old <= line {
					return 0, 0, nil
				}
				if r.Old < first {
					offset--
				}
			case '+':
				// An added line counts for the old line that it stands in front of.
				before := nextOld(h.Rows[i:])
				if before > first && before <= line {
					return 0, 0, nil // it splits the range
				}
				if before != 0 && before <= first || before == 0 && lastOld(h) < first {
					offset++
				}
			}
		}
	}
	if start > 0 {
		start += offset
	}
	return line + offset, start, nil
}

// nextOld returns the old line number of the first row that has one, 0 where none follows.
func nextOld(rows []Row) int {
	for _, r := range rows {
		if r.Old > 0 {
			return r.Old
		}
	}
	return 0
}

func lastOld(h Hunk) int {
	last := 0
	for _, r := range h.Rows {
		last = max(last, r.Old)
	}
	return last
}

// sameOldSide says whether a file's old side is what it was when a comment on it was made.
func (p *PullRequest) sameOldSide(c *comment, now *changedFile) (bool, error) {
	then, err := p.file(c.originalCommit, c.path)
	if err != nil || then == nil {
		return false, err
	}
	return then.oldID == now.oldID, nil
}

// comment finds the comment of a call.
func (c *call) comment() (*PullRequest, *comment, *apiError) {
	id := c.number("comment_id")
	for _, p := range c.repo.pulls {
		for _, comment := range p.comments {
			if comment.id == id && (comment.review.state != statePending || comment.author == c.s.bot()) {
				return p, comment, nil
			}
		}
	}
	return nil, nil, notFound()
}

// listComments is GET …/pulls/{pull_number}/comments: those of submitted reviews.
func (s *Server) listComments(c *call) (any, *apiError) {
	p, failure := c.pull()
	if failure != nil {
		return nil, failure
	}
	query := c.r.URL.Query()
	since, err := time.Parse(time.RFC3339, query.Get("since"))
	if err != nil && query.Has("since") {
		return nil, &apiError{status: 422, message: "Invalid request.\n\nsince is not a valid date"}
	}
	list := slices.Clone(p.comments)
	list = slices.DeleteFunc(list, func(c *comment) bool {
		return c.review.state == statePending || c.updated.Before(since)
	})
	if query.Get("sort") == "updated" {
		slices.SortStableFunc(list, func(a, b *comment) int { return a.updated.Compare(b.updated) })
	}
	if query.Get("direction") == "desc" {
		slices.Reverse(list)
	}
	body := []any{}
	for _, comment := range paginate(c, list) {
		body = append(body, p.commentJSON(comment))
	}
	return body, nil
}

// getComment is GET …/pulls/comments/{comment_id}.
func (s *Server) getComment(c *call) (any, *apiError) {
	p, comment, failure := c.comment()
	if failure != nil {
		return nil, failure
	}
	return p.commentJSON(comment), nil
}

// newBody reads the body of a comment.
func (c *call) newBody() (string, *apiError) {
	var request struct {
		Body *string `json:"body"`
	}
	if failure := c.decode(&request); failure != nil {
		return "", failure
	}
	switch {
	case request.Body == nil || strings.TrimSpace(*request.Body) == "":
		return "", invalid("PullRequestReviewComment", "body", "missing_field", "body can't be blank")
	case tooLong(*request.Body):
		return "", invalid("PullRequestReviewComment", "body", "custom", "body is too long (maximum is 65536 characters)")
	}
	return *request.Body, nil
}

// updateComment is PATCH …/pulls/comments/{comment_id}.
func (s *Server) updateComment(c *call) (any, *apiError) {
	p, comment, failure := c.comment()
	if failure != nil {
		return nil, failure
	}
	if comment.author != s.bot() {
		return nil, notAccessible()
	}
	body, failure := c.newBody()
	if failure != nil {
		return nil, failure
	}
	comment.body, comment.updated = body, s.now()
	return p.commentJSON(comment), nil
}

// deleteComment is DELETE …/pulls/comments/{comment_id}. Replies stay, as GitHub lets them.
func (s *Server) deleteComment(c *call) (any, *apiError) {
	p, comment, failure := c.comment()
	if failure != nil {
		return nil, failure
	}
	if comment.author != s.bot() {
		return nil, notAccessible()
	}
	p.dropComment(comment)
	return noContent{}, nil
}

func (p *PullRequest) dropComment(gone *comment) {
	p.comments = slices.DeleteFunc(p.comments, func(c *comment) bool { return c == gone })
}

// createReply is POST …/pulls/{pull_number}/comments/{comment_id}/replies.
func (s *Server) createReply(c *call) (any, *apiError) {
	p, failure := c.pull()
	if failure != nil {
		return nil, failure
	}
	body, failure := c.newBody()
	if failure != nil {
		return nil, failure
	}
	reply, failure := p.reply(c.number("comment_id"), s.bot(), body)
	if failure != nil {
		return nil, failure
	}
	return created{p.commentJSON(reply)}, nil
}

// reply answers a thread by its first comment. The reply is a review of its own, as on GitHub.
func (p *PullRequest) reply(to int64, author *user, body string) (*comment, *apiError) {
	i := slices.IndexFunc(p.comments, func(c *comment) bool { return c.id == to && c.review.state != statePending })
	if i < 0 {
		return nil, notFound()
	}
	first := p.comments[i]
	if first.replyTo != 0 {
		return nil, &apiError{status: 422, message: "Validation Failed", errors: []any{"in_reply_to is not the first comment of a thread"}}
	}
	now := p.s.now()
	r := &review{id: p.s.nextID(), author: author, state: stateCommented, commit: p.head.sha, submitted: now}
	c := *first
	c.id, c.review, c.author, c.body, c.created, c.updated, c.replyTo, c.applied = p.s.nextID(), r, author, body, now, now, first.id, false
	p.reviews = append(p.reviews, r)
	p.comments = append(p.comments, &c)
	return &c, nil
}

// Comment is an inline comment as it stands.
type Comment struct {
	ID       int64
	ReviewID int64
	ReplyTo  int64 // 0: the first of its thread
	Author   string
	Body     string
	Path     string
	Side     string // RIGHT, LEFT

	Start, Line                 int // 0 where outdated; Start is 0 for one line
	OriginalStart, OriginalLine int
	Commit, OriginalCommit      string
	Outdated                    bool
	Resolved                    bool // the thread is
	Applied                     bool // its suggestion was committed
	Pending                     bool
	DiffHunk                    string
	Created, Updated            time.Time
}

// Comments are all inline comments, oldest first.
func (p *PullRequest) Comments() []Comment {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	var list []Comment
	for _, c := range p.comments {
		list = append(list, p.commentData(c))
	}
	return list
}

func (p *PullRequest) commentData(c *comment) Comment {
	return Comment{
		ID: c.id, ReviewID: c.review.id, ReplyTo: c.replyTo, Author: c.author.login, Body: c.body, Path: c.path, Side: c.side,
		Start: c.start, Line: c.line, OriginalStart: c.originalStart, OriginalLine: c.originalLine,
		Commit: c.commit, OriginalCommit: c.originalCommit, Outdated: c.outdated(), Resolved: p.resolved[c.thread()],
		Applied: c.applied, Pending: c.review.state == statePending, DiffHunk: c.hunk, Created: c.created, Updated: c.updated,
	}
}

// thread is the id of the first comment of a comment's thread.
func (c *comment) thread() int64 {
	if c.replyTo != 0 {
		return c.replyTo
	}
	return c.id
}

// Reply answers a comment, as a person does on the page, and returns the reply's id.
func (p *PullRequest) Reply(commentID int64, login, body string) (int64, error) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	c, failure := p.reply(commentID, p.s.account(login, "User"), body)
	if failure != nil {
		return 0, fmt.Errorf("reply to %d: %w", commentID, failure)
	}
	return c.id, nil
}

// DeleteComment deletes a comment, as a maintainer can on the page.
func (p *PullRequest) DeleteComment(commentID int64) error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	c, err := p.commentByID(commentID)
	if err != nil {
		return err
	}
	p.dropComment(c)
	return nil
}

// Resolve marks the thread of a comment as resolved, or as open again.
func (p *PullRequest) Resolve(commentID int64, resolved bool) error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	c, err := p.commentByID(commentID)
	if err != nil {
		return err
	}
	p.resolved[c.thread()] = resolved
	return nil
}

func (p *PullRequest) commentByID(id int64) (*comment, error) {
	for _, c := range p.comments {
		if c.id == id {
			return c, nil
		}
	}
	return nil, fmt.Errorf("comment %d: %w", id, errNotFound)
}
