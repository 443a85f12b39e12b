package review

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// Ref names one pull request of one installation.
type Ref struct {
	Installation int64
	Repository   int64
	Owner, Name  string
	Number       int
}

// Reader is what a review reads of a pull request. Beside a Host, a local checkout is one.
type Reader interface {
	PullRequest(ctx context.Context) (PullRequest, error)
	ChangedFiles(ctx context.Context) ([]ChangedFile, error)
	MergeBase(ctx context.Context, base, head string) (string, error)
	Tree(ctx context.Context, commit string) (entries []buildcontext.Entry, truncated bool, err error)
	// Blob reads the text of an object; an error that is ErrTooLarge above 1 MB.
	Blob(ctx context.Context, object string) ([]byte, error)
	// OrganisationFile reads a file of the organisation's .github repository at its default branch;
	// ok is false where there is none or it may not be read.
	OrganisationFile(ctx context.Context, path string) (data []byte, ok bool, err error)
	// History is the last commits of a branch, at most so many. Any error says why it cannot be had: a
	// review goes on without it.
	History(ctx context.Context, branch string, commits int) (*buildcontext.History, error)
	Login(ctx context.Context) (string, error) // "<slug>[bot]": the author of our own comments

	Reviews(ctx context.Context) ([]Posted, error)
	Comments(ctx context.Context) ([]Posted, error)
}

// Host is what a review needs of GitHub, for one pull request. It is implemented by package github
// and by a fake in the tests; reviewtest.Exam holds for both. Its methods retry what can be tried again at
// once (404 right after an event, 5xx) and return the errors below for the rest.
type Host interface {
	Reader
	// CheckRun is our newest check run on a commit; ok is false where there is none.
	CheckRun(ctx context.Context, head string) (run CheckRun, ok bool, err error)

	CreateReview(ctx context.Context, r NewReview) (id int64, err error)
	UpdateReview(ctx context.Context, id int64, body string) error
	UpdateComment(ctx context.Context, id int64, body string) error
	DeleteComment(ctx context.Context, id int64) error
	// DeletePendingReview deletes a pending review of ours; found is false where there is none.
	DeletePendingReview(ctx context.Context) (found bool, err error)
	PutCheckRun(ctx context.Context, run CheckRun) (id int64, err error)
}

// PullRequest is what is known of a pull request now.
type PullRequest struct {
	Open, Draft   bool
	Head, Base    string // commit ids
	BaseRef       string // branch name
	HeadRef       string // branch name; "" where the head is in another repository (a fork)
	URL           string
	RepositoryURL string
	Origin        string // of a local checkout: the address of its remote, which is not linked to
}

// address is where the repository is, as git or a forge writes it; "" where that is not known.
func (p PullRequest) address() string { return cmp.Or(p.RepositoryURL, p.Origin) }

// ChangedFile is one file of the pull request's diff.
type ChangedFile struct {
	Path, Previous string // Previous: of a rename
	Status         string // added, removed, modified, renamed, copied, changed, unchanged
	Object         string // the head's blob
	Patch          string // unified diff without file headers; "" where GitHub gives none
	HasPatch       bool
}

// Posted is a review or an inline review comment that stands on the pull request.
type Posted struct {
	ID       int64
	ReviewID int64  // of a comment
	Author   string // login
	Body     string
	Commit   string // of a review: the commit it was posted for
	Path     string
	Line     int
	ReplyTo  int64  // the comment that this one answers; 0 for none
	State    string // of a review: COMMENTED, PENDING, DISMISSED…
}

// NewReview is a review to post: event COMMENT always.
type NewReview struct {
	Commit   string
	Body     string
	Comments []Comment
}

// Comment is one inline comment, on the RIGHT side. Start is 0 for a comment on one line.
type Comment struct {
	Path        string
	Start, Line int
	Body        string
}

// CheckRun is the check run "hitrate" of a commit, always completed.
type CheckRun struct {
	ID             int64 // 0: a new one
	Head           string
	Conclusion     string // success, neutral, failure, skipped
	Title, Summary string
	Annotations    []Annotation
	ExternalID     string
}

// Annotation is one place shown with a check run.
type Annotation struct {
	Path        string
	First, Last int
	Level       string // notice, warning, failure
	Title       string
	Message     string
}

// ErrTooLarge says that a file is larger than hitrate reads.
var ErrTooLarge = errors.New("larger than 1 MB")

// GoneError ends the work: GitHub says that there is nothing to review or that we may not.
type GoneError struct{ Reason string }

func (e *GoneError) Error() string { return e.Reason }

// LaterError asks for another try, not before After.
type LaterError struct {
	After time.Time
	Err   error
}

func (e *LaterError) Error() string {
	return fmt.Sprintf("try again after %s: %v", e.After.Format(time.RFC3339), e.Err)
}
func (e *LaterError) Unwrap() error { return e.Err }

// RefusedError is a 422 to a review: an anchor that GitHub does not take, a body too long.
// Pending says that a pending review of ours is in the way.
type RefusedError struct {
	Message string
	Pending bool
}

func (e *RefusedError) Error() string { return "refused by GitHub: " + e.Message }

// UnknownError is a mutation whose answer was lost: it may or may not have happened.
type UnknownError struct{ Err error }

func (e *UnknownError) Error() string { return "answer lost: " + e.Err.Error() }
func (e *UnknownError) Unwrap() error { return e.Err }
