package github

import (
	"context"
	"strings"

	"github.com/google/go-github/v60/github"

	"github.com/hitrate-bot/hitrate/internal/review"
)

// write sends a request that changes something.
func (h *host) write(ctx context.Context, what string, f request) error {
	if failed := h.app.change(ctx, h.scope, f); failed != nil {
		return failed.err(what, true, h.app.options.Now())
	}
	return nil
}

func (h *host) CreateReview(ctx context.Context, r review.NewReview) (id int64, err error) {
	request := &github.PullRequestReviewRequest{
		CommitID: github.String(r.Commit), Body: github.String(r.Body), Event: github.String("COMMENT"),
	}
	for _, c := range r.Comments {
		draft := &github.DraftReviewComment{
			Path: github.String(c.Path), Body: github.String(c.Body), Line: github.Int(c.Line), Side: github.String("RIGHT"),
		}
		if c.Start != 0 { // GitHub refuses a range of one line
			draft.StartLine, draft.StartSide = github.Int(c.Start), github.String("RIGHT")
		}
		request.Comments = append(request.Comments, draft)
	}
	failed := h.app.change(ctx, h.scope, func(ctx context.Context, client *github.Client) error {
		posted, _, err := client.PullRequests.CreateReview(ctx, h.ref.Owner, h.ref.Name, h.ref.Number, request)
		id = posted.GetID()
		return err
	})
	switch {
	case failed == nil:
		return id, nil
	case failed.kind == refused:
		return 0, &review.RefusedError{Message: failed.message, Pending: strings.Contains(strings.ToLower(failed.message), "one pending review")}
	}
	return 0, failed.err("create review", true, h.app.options.Now())
}

func (h *host) UpdateReview(ctx context.Context, id int64, body string) error {
	return h.write(ctx, "update review", func(ctx context.Context, client *github.Client) error {
		_, _, err := client.PullRequests.UpdateReview(ctx, h.ref.Owner, h.ref.Name, h.ref.Number, id, body)
		return err
	})
}

func (h *host) UpdateComment(ctx context.Context, id int64, body string) error {
	return h.write(ctx, "update comment", func(ctx context.Context, client *github.Client) error {
		_, _, err := client.PullRequests.EditComment(ctx, h.ref.Owner, h.ref.Name, id, &github.PullRequestComment{Body: github.String(body)})
		return err
	})
}

func (h *host) DeleteComment(ctx context.Context, id int64) error {
	return h.write(ctx, "delete comment", func(ctx context.Context, client *github.Client) error {
		_, err := client.PullRequests.DeleteComment(ctx, h.ref.Owner, h.ref.Name, id)
		return err
	})
}

func (h *host) DeletePendingReview(ctx context.Context) (found bool, err error) {
	login, err := h.Login(ctx)
	if err != nil {
		return false, err
	}
	reviews, err := h.Reviews(ctx)
	if err != nil {
		return false, err
	}
	for _, r := range reviews {
		if r.State != "PENDING" || !strings.EqualFold(r.Author, login) {
			continue
		}
		err := h.write(ctx, "delete pending review", func(ctx context.Context, client *github.Client) error {
			_, _, err := client.PullRequests.DeletePendingReview(ctx, h.ref.Owner, h.ref.Name, h.ref.Number, r.ID)
			return err
		})
		if err != nil {
			return false, err
		}
		found = true
	}
	return found, nil
}
