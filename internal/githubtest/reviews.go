package githubtest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// maxBodyLength is how many characters a body may have.
const maxBodyLength = 65_536

// The states of a review.
const (
	statePending   = "PENDING"
	stateCommented = "COMMENTED"
)

// states is what an event of a review makes of it.
var states = map[string]string{"": statePending, "COMMENT": stateCommented, "APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED"}

// review is a review of a pull request.
type review struct {
	id        int64
	author    *user
	body      string
	state     string
	commit    string
	submitted time.Time
}

// anchor is where a comment is asked for, as the API takes it.
type anchor struct {
	Path      string `json:"path"`
	Body      string `json:"body"`
	Position  *int   `json:"position"`
	Line      *int   `json:"line"`
	Side      string `json:"side"`
	StartLine *int   `json:"start_line"`
	StartSide string `json:"start_side"`
}

// The reasons that GitHub gives for an anchor it does not take.
const (
	badPath   = "Pull request review thread path is invalid"
	badLine   = "Pull request review thread line must be part of the diff"
	badStart  = "Pull request review thread start line must be part of the same hunk as the line."
	badOrder  = "Pull request review thread start line must precede the end line."
	noHunk    = "Pull request review thread diff hunk can't be blank"
	badCommit = "commit_id is not part of the pull request"
)

// place turns an anchor into a comment, or says in GitHub's words why not.
func (p *PullRequest) place(commit string, a anchor) (*comment, []string, error) {
	f, err := p.file(commit, a.Path)
	if err != nil {
		return nil, nil, err
	}
	if f == nil {
		return nil, []string{badPath, noHunk}, nil
	}
	c := &comment{path: a.Path, body: a.Body, side: cmp.Or(a.Side, right), commit: commit, originalCommit: commit, subject: "line"}
	var hunk, row int
	var ok bool
	switch {
	case a.Line != nil:
		if c.side != left && c.side != right {
			return nil, []string{badLine, noHunk}, nil
		}
		c.line = *a.Line
		hunk, row, ok = f.find(c.side, c.line)
	case a.Position != nil:
		if hunk, row, ok = f.at(*a.Position); ok {
			r := f.hunks[hunk].Rows[row]
			c.side = right
			if r.Kind == '-' {
				c.side = left
			}
			c.line = r.on(c.side)
		}
	}
	var reasons []string
	if !ok {
		reasons = append(reasons, badLine)
	}
	if a.StartLine != nil {
		c.start, c.startSide = *a.StartLine, cmp.Or(a.StartSide, c.side)
		startHunk, startRow, found := f.find(c.startSide, c.start)
		switch {
		case c.start >= c.line && c.startSide == c.side, ok && found && startHunk == hunk && startRow >= row:
			reasons = append(reasons, badOrder)
		case !ok || !found || startHunk != hunk:
			reasons = append(reasons, badStart)
		}
	}
	if !ok {
		reasons = append(reasons, noHunk)
	}
	if len(reasons) > 0 {
		return nil, reasons, nil
	}
	c.originalLine, c.originalStart = c.line, c.start
	c.hunk = f.hunks[hunk].excerpt(row)
	c.position = f.hunks[hunk].positionOf(row)
	c.originalPosition = c.position
	return c, nil, nil
}

// sentence joins reasons as GitHub does.
func sentence(reasons []string) string {
	switch n := len(reasons); n {
	case 0:
		return ""
	case 1:
		return reasons[0]
	case 2:
		return reasons[0] + " and " + reasons[1]
	default:
		return strings.Join(reasons[:n-1], ", ") + ", and " + reasons[n-1]
	}
}

func tooLong(body string) bool { return utf8.RuneCountInString(body) > maxBodyLength }

// pendingOf returns the pending review of an author, or nil.
func (p *PullRequest) pendingOf(author *user) *review {
	for _, r := range p.reviews {
		if r.author == author && r.state == statePending {
			return r
		}
	}
	return nil
}

// addReview makes a review with its comments, all or nothing.
func (p *PullRequest) addReview(author *user, commit, body, event string, anchors []anchor) (*review, *apiError) {
	state, ok := states[event]
	if !ok {
		return nil, unprocessable("Variable $event of type PullRequestReviewEvent was provided invalid value")
	}
	commit = cmp.Or(commit, p.head.sha)
	if !p.contains(commit) {
		return nil, unprocessable(badCommit)
	}
	if p.pendingOf(author) != nil {
		return nil, unprocessable("User can only have one pending review per pull request")
	}
	if (event == "COMMENT" || event == "REQUEST_CHANGES") && strings.TrimSpace(body) == "" {
		return nil, unprocessable("Body can't be blank")
	}
	if tooLong(body) {
		return nil, unprocessable("Body is too long (maximum is 65536 characters)")
	}
	var reasons []string
	var comments []*comment
	for _, a := range anchors {
		if strings.TrimSpace(a.Body) == "" {
			reasons = append(reasons, "Body can't be blank")
			continue
		}
		if tooLong(a.Body) {
			reasons = append(reasons, "Body is too long (maximum is 65536 characters)")
			continue
		}
		c, refused, err := p.place(commit, a)
		if err != nil {
			return nil, p.s.internal(err)
		}
		if refused != nil {
			// Neither the path nor the index of the comment is told.
			reasons = append(reasons, sentence(refused))
			continue
		}
		comments = append(comments, c)
	}
	if reasons != nil {
		return nil, unprocessable(reasons...)
	}
	now := p.s.now()
	r := &review{id: p.s.nextID(), author: author, body: body, state: state, commit: commit, submitted: now}
	for _, c := range comments {
		c.id, c.review, c.author, c.created, c.updated = p.s.nextID(), r, author, now, now
	}
	p.reviews = append(p.reviews, r)
	p.comments = append(p.comments, comments...)
	p.updated = now
	if err := p.anchorComments(); err != nil { // of a review of an older commit
		return nil, p.s.internal(err)
	}
	return r, nil
}

// review finds the review of a call that its caller may see: a pending one only its author.
func (c *call) review() (*PullRequest, *review, *apiError) {
	p, failure := c.pull()
	if failure != nil {
		return nil, nil, failure
	}
	id := c.number("review_id")
	for _, r := range p.reviews {
		if r.id == id && (r.state != statePending || r.author == c.s.bot()) {
			return p, r, nil
		}
	}
	return nil, nil, notFound()
}

// listReviews is GET …/pulls/{pull_number}/reviews, oldest first.
func (s *Server) listReviews(c *call) (any, *apiError) {
	p, failure := c.pull()
	if failure != nil {
		return nil, failure
	}
	all := []any{}
	for _, r := range p.reviews {
		if r.state != statePending || r.author == s.bot() {
			all = append(all, p.reviewJSON(r))
		}
	}
	return paginate(c, all), nil
}

// createReview is POST …/pulls/{pull_number}/reviews.
func (s *Server) createReview(c *call) (any, *apiError) {
	var request struct {
		CommitID string   `json:"commit_id"`
		Body     string   `json:"body"`
		Event    string   `json:"event"`
		Comments []anchor `json:"comments"`
	}
	if failure := c.decodeOptional(&request); failure != nil {
		return nil, failure
	}
	p, failure := c.pull()
	if failure != nil {
		return nil, failure
	}
	r, failure := p.addReview(s.bot(), request.CommitID, request.Body, request.Event, request.Comments)
	if failure != nil {
		return nil, failure
	}
	return p.reviewJSON(r), nil
}

// getReview is GET …/reviews/{review_id}.
func (s *Server) getReview(c *call) (any, *apiError) {
	p, r, failure := c.review()
	if failure != nil {
		return nil, failure
	}
	return p.reviewJSON(r), nil
}

// updateReview is PUT …/reviews/{review_id}: a new body, and nobody is told.
func (s *Server) updateReview(c *call) (any, *apiError) {
	var request struct {
		Body *string `json:"body"`
	}
	if failure := c.decode(&request); failure != nil {
		return nil, failure
	}
	p, r, failure := c.review()
	switch {
	case failure != nil:
		return nil, failure
	case r.author != s.bot():
		return nil, notAccessible()
	case request.Body == nil || strings.TrimSpace(*request.Body) == "":
		return nil, unprocessable("Body can't be blank")
	case tooLong(*request.Body):
		return nil, unprocessable("Body is too long (maximum is 65536 characters)")
	}
	r.body = *request.Body
	return p.reviewJSON(r), nil
}

// deleteReview is DELETE …/reviews/{review_id}, for pending ones.
func (s *Server) deleteReview(c *call) (any, *apiError) {
	p, r, failure := c.review()
	switch {
	case failure != nil:
		return nil, failure
	case r.author != s.bot():
		return nil, notAccessible()
	case r.state != statePending:
		return nil, unprocessable("Can not delete a non-pending pull request review")
	}
	body := p.reviewJSON(r)
	p.reviews = slices.DeleteFunc(p.reviews, func(other *review) bool { return other == r })
	p.comments = slices.DeleteFunc(p.comments, func(c *comment) bool { return c.review == r })
	return body, nil
}

// submitReview is POST …/reviews/{review_id}/events.
func (s *Server) submitReview(c *call) (any, *apiError) {
	var request struct {
		Body  string `json:"body"`
		Event string `json:"event"`
	}
	if failure := c.decode(&request); failure != nil {
		return nil, failure
	}
	p, r, failure := c.review()
	if failure != nil {
		return nil, failure
	}
	state, ok := states[request.Event]
	body := cmp.Or(request.Body, r.body)
	switch {
	case !ok || request.Event == "":
		return nil, unprocessable("Variable $event of type PullRequestReviewEvent! was provided invalid value")
	case r.state != statePending:
		return nil, unprocessable("Can not submit a non-pending pull request review")
	case request.Event != "APPROVE" && strings.TrimSpace(body) == "":
		return nil, unprocessable("Body can't be blank")
	case tooLong(body):
		return nil, unprocessable("Body is too long (maximum is 65536 characters)")
	}
	r.body, r.state, r.submitted = body, state, s.now()
	return p.reviewJSON(r), nil
}

// listReviewComments is GET …/reviews/{review_id}/comments.
func (s *Server) listReviewComments(c *call) (any, *apiError) {
	p, r, failure := c.review()
	if failure != nil {
		return nil, failure
	}
	list := []any{}
	for _, comment := range p.comments {
		if comment.review == r {
			list = append(list, p.commentJSON(comment))
		}
	}
	return paginate(c, list), nil
}

// Review is a review as it stands.
type Review struct {
	ID        int64
	Author    string // login
	Body      string
	State     string // COMMENTED, PENDING, APPROVED, CHANGES_REQUESTED
	Commit    string
	Submitted time.Time
	Comments  []Comment // its own, without replies of others
}

// Reviews are all reviews, pending ones too, oldest first.
func (p *PullRequest) Reviews() []Review {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	var list []Review
	for _, r := range p.reviews {
		list = append(list, p.reviewData(r))
	}
	return list
}

func (p *PullRequest) reviewData(r *review) Review {
	d := Review{ID: r.id, Author: r.author.login, Body: r.body, State: r.state, Commit: r.commit, Submitted: r.submitted}
	for _, c := range p.comments {
		if c.review == r {
			d.Comments = append(d.Comments, p.commentData(c))
		}
	}
	return d
}

// NewComment is an inline comment on the right side; Start is 0 for one line.
type NewComment struct {
	Path        string
	Start, Line int
	Body        string
}

// ReviewAs posts a review by somebody, as a person does on the page: event COMMENT, or pending.
// It is refused as the API refuses.
func (p *PullRequest) ReviewAs(login, body string, pending bool, comments ...NewComment) (int64, error) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	event, kind := "COMMENT", "User"
	if pending {
		event = ""
	}
	if strings.HasSuffix(login, "[bot]") {
		kind = "Bot"
	}
	var anchors []anchor
	for _, c := range comments {
		a := anchor{Path: c.Path, Body: c.Body, Line: &c.Line}
		if c.Start > 0 {
			a.StartLine = &c.Start
		}
		anchors = append(anchors, a)
	}
	r, failure := p.addReview(p.s.account(login, kind), "", body, event, anchors)
	if failure != nil {
		return 0, failure
	}
	return r.id, nil
}

func (e *apiError) Error() string {
	text := fmt.Sprintf("%d %s", e.status, e.message)
	for _, detail := range e.errors {
		text += fmt.Sprintf(": %v", detail)
	}
	return text
}
