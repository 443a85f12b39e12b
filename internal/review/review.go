// Package review decides what to say about a pull request and says it once.
//
// Gathering, deciding and acting are apart: Decide is pure (values in, values out), Reviewer.Review
// gathers what it needs through a Host, decides, and acts last.
package review

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
)

// Reviewer reviews pull requests.
type Reviewer struct {
	Analyze analysis.Func
	Marks   Marks // signs what we post
	// DocsURL is where the pages of rules are, without the final slash.
	DocsURL string
	Log     *slog.Logger
	// Now and Wait are the clock; nil is the real one. Wait returns early, with the context's error,
	// when that is done.
	Now  func() time.Time
	Wait func(ctx context.Context, d time.Duration) error
}

// Outcome is what came of a review, for the queue's row and the log.
type Outcome struct {
	Head     string // the head looked at; "" when the pull request is closed, a draft or off
	ReviewID int64  // of the review posted or kept current; 0 for none
	Reason   string // why nothing was posted, or what was
}

// Review looks at the pull request's present head and posts at most one review for it. It is
// harmless to call again for the same head. Errors: *GoneError, *LaterError, or anything else that
// is worth another try.
func (r *Reviewer) Review(ctx context.Context, host Host, ref Ref) (Outcome, error) {
	pull, err := host.PullRequest(ctx)
	if err != nil {
		return Outcome{}, fmt.Errorf("read pull request: %w", err)
	}
	if !pull.Open {
		return Outcome{Reason: "closed"}, nil
	}
	g := r.newGatherer(host, ref, pull)
	if err := g.configure(ctx); err != nil {
		return Outcome{}, err
	}
	switch {
	case g.s.Config.Mode == config.ModeOff:
		return Outcome{Reason: "mode off"}, nil
	case pull.Draft && !g.s.Config.Review.Drafts:
		return Outcome{Reason: "draft"}, nil
	}
	if err := g.gather(ctx); err != nil {
		return Outcome{}, err
	}
	g.s.DocsURL = r.DocsURL
	return r.act(ctx, host, g.s)
}

// movedDelay is how long to leave a pull request alone whose head moved while it was looked at.
const movedDelay = 2 * time.Second

// act decides and does it: the review, then our older comments and bodies, then the check run. Dying
// between any two steps is harmless: the next call finds the mark of this head and does the rest.
func (r *Reviewer) act(ctx context.Context, host Host, s Situation) (Outcome, error) {
	plan := Decide(s)
	outcome := Outcome{Head: s.PullRequest.Head, ReviewID: plan.Standing, Reason: plan.Reason}
	if now, err := host.PullRequest(ctx); err != nil {
		return outcome, fmt.Errorf("read pull request again: %w", err)
	} else if err := r.moved(s.PullRequest, now); err != nil {
		return outcome, err
	} else if !now.Open {
		return Outcome{Reason: "closed"}, nil
	}
	if plan.Review != nil {
		id, done, err := r.post(ctx, host, &s, plan)
		if err != nil {
			return outcome, err
		}
		plan, outcome.ReviewID = done, id
		if id == 0 {
			outcome.Reason = "review refused by GitHub; the check run has the findings"
		}
	}
	for _, u := range plan.UpdateComments {
		if err := r.edit(ctx, "comment", u.ID, func() error { return host.UpdateComment(ctx, u.ID, u.Body) }); err != nil {
			return outcome, err
		}
	}
	for _, id := range plan.DeleteComments {
		if err := r.edit(ctx, "comment", id, func() error { return host.DeleteComment(ctx, id) }); err != nil {
			return outcome, err
		}
	}
	for _, u := range plan.UpdateReviews {
		if err := r.edit(ctx, "review", u.ID, func() error { return host.UpdateReview(ctx, u.ID, u.Body) }); err != nil {
			return outcome, err
		}
	}
	return outcome, r.putCheckRun(ctx, host, plan.Check)
}

// moved asks for another try when the head is no longer the one that was looked at: nothing is said
// about an old head.
func (r *Reviewer) moved(before, now PullRequest) error {
	if now.Head == before.Head {
		return nil
	}
	return &LaterError{After: r.now().Add(movedDelay), Err: fmt.Errorf("the head moved from %s to %s", before.Head, now.Head)}
}

// edit makes a change that is harmless to repeat. What somebody deleted meanwhile needs none.
func (r *Reviewer) edit(ctx context.Context, what string, id int64, change func() error) error {
	err := change()
	var unknown *UnknownError
	if errors.As(err, &unknown) {
		if err := r.wait(ctx, lostDelay); err != nil {
			return err
		}
		err = change()
	}
	var gone *GoneError
	var refused *RefusedError
	switch {
	case errors.As(err, &gone), errors.As(err, &refused):
		r.logger().WarnContext(ctx, "left as it is", "what", what, "id", id, "error", err)
		return nil
	case err != nil:
		return fmt.Errorf("bring %s %d up to date: %w", what, id, err)
	}
	return nil
}

// putCheckRun makes the check run, where our newest one on the head says something else.
func (r *Reviewer) putCheckRun(ctx context.Context, host Host, run *CheckRun) error {
	if run == nil {
		return nil
	}
	for try := 0; ; try++ {
		standing, ok, err := host.CheckRun(ctx, run.Head)
		if err != nil {
			return fmt.Errorf("read check run: %w", err)
		}
		if ok && standing.ExternalID == run.ExternalID {
			return nil
		}
		// Annotations of a run can only grow, so another text is another run.
		_, err = host.PutCheckRun(ctx, *run)
		var unknown *UnknownError
		if err == nil {
			return nil
		}
		if !errors.As(err, &unknown) || try == maxLost {
			return fmt.Errorf("put check run: %w", err)
		}
		if err := r.wait(ctx, lostDelay); err != nil {
			return err
		}
	}
}

func (r *Reviewer) logger() *slog.Logger {
	if r.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return r.Log
}

func (r *Reviewer) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

func (r *Reviewer) wait(ctx context.Context, d time.Duration) error {
	if r.Wait != nil {
		return r.Wait(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
