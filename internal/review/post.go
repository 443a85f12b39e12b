package review

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// lostDelay is how long to wait after an answer that was lost before looking for what it did.
	lostDelay = 3 * time.Second
	maxLost   = 2 // tries after lost answers
	// maxRefused is the most reviews tried after one was refused for its comments.
	maxRefused = 8
)

// post posts the review of a plan. GitHub takes a review whole or not at all and does not say which
// comment is at fault, so what it refuses is tried again with fewer comments, the others in the body.
// It returns the plan that was carried out; id 0 says that GitHub takes no review at all.
func (r *Reviewer) post(ctx context.Context, host Host, s *Situation, plan Plan) (id int64, done Plan, err error) {
	tries := [][]Comment{plan.Review.Comments}
	all := plan.Review.Comments
	for n := 0; n < len(tries); n++ {
		if n > 0 {
			s.Allowed = keys(tries[n])
			plan = Decide(*s)
			if plan.Review == nil {
				return plan.Standing, plan, nil
			}
		}
		id, err := r.create(ctx, host, s, *plan.Review)
		var refused *RefusedError
		if err == nil {
			return id, plan, nil
		}
		if !errors.As(err, &refused) {
			return 0, plan, err
		}
		r.logger().WarnContext(ctx, "review refused", "comments", len(plan.Review.Comments), "message", refused.Message)
		if n == 0 {
			now, err := host.PullRequest(ctx)
			if err != nil {
				return 0, plan, fmt.Errorf("read pull request after a refusal: %w", err)
			}
			if err := r.moved(s.PullRequest, now); err != nil {
				return 0, plan, err
			}
			tries = append(tries, halves(all)...)
		}
	}
	return 0, plan, nil
}

// halves returns the sets of comments to try after all of them were refused: halves, quarters and so on as
// far as maxRefused allows, the larger ones first, and none at the end.
func halves(all []Comment) [][]Comment {
	var sets [][]Comment
	for level := [][]Comment{all}; len(level) > 0; {
		var next [][]Comment
		for _, set := range level {
			if len(set) < 2 {
				continue
			}
			next = append(next, set[:len(set)/2], set[len(set)/2:])
		}
		for _, set := range next {
			if len(sets) < maxRefused-1 {
				sets = append(sets, set)
			}
		}
		level = next
	}
	if len(all) == 0 {
		return nil
	}
	return append(sets, nil)
}

func keys(comments []Comment) map[CommentKey]bool {
	set := map[CommentKey]bool{}
	for _, c := range comments {
		set[CommentKey{c.Path, c.Line}] = true
	}
	return set
}

// create posts one review. After a lost answer it waits and looks for the review's mark before it
// tries again; a pending review of ours that is in the way is deleted.
func (r *Reviewer) create(ctx context.Context, host Host, s *Situation, review NewReview) (int64, error) {
	cleared := false
	for lost := 0; ; {
		id, err := host.CreateReview(ctx, review)
		var unknown *UnknownError
		var refused *RefusedError
		switch {
		case err == nil:
			return id, nil
		case errors.As(err, &refused) && refused.Pending && !cleared:
			if _, err := host.DeletePendingReview(ctx); err != nil {
				return 0, fmt.Errorf("delete pending review: %w", err)
			}
			cleared = true
		case errors.As(err, &unknown) && lost < maxLost:
			lost++
			if err := r.wait(ctx, time.Duration(lost)*lostDelay); err != nil {
				return 0, err
			}
			reviews, err := host.Reviews(ctx)
			if err != nil {
				return 0, fmt.Errorf("look for a review whose answer was lost: %w", err)
			}
			again := *s
			again.Reviews = reviews
			if id, ok := standingFor(again); ok {
				return id, nil
			}
		default:
			return 0, fmt.Errorf("create review: %w", err)
		}
	}
}

// standingFor finds our review of the head.
func standingFor(s Situation) (int64, bool) {
	d := &decision{Situation: s}
	d.readPosted()
	for _, r := range d.reviews {
		if r.mark.Head == s.PullRequest.Head {
			return r.ID, true
		}
	}
	return 0, false
}
