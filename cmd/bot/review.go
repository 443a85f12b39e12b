package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/checkout"
	"github.com/hitrate-bot/hitrate/internal/history"
	"github.com/hitrate-bot/hitrate/internal/review"
)

type reviewCommand struct {
	Base string `help:"What the change goes to; by default the remote's default branch, main or master." placeholder:"REV"`
	Head string `help:"The change." default:"HEAD" placeholder:"REV"`
	Dir  string `arg:"" optional:"" default:"." help:"A directory of the checkout."`
}

// Run prints the review that would be posted. Finding something is no failure: it exits with 0.
func (c *reviewCommand) Run(ctx context.Context, s *streams) error {
	co, err := checkout.Open(ctx, c.Dir)
	if err != nil {
		return &codeError{exitUsage, err}
	}
	defer func() { _ = co.Close() }()
	p := newProgress(s)
	defer p.done()
	reader, err := newLocalReader(ctx, co, c.Base, c.Head)
	if err != nil {
		return &codeError{exitUsage, err}
	}
	if reader.base == reader.head {
		_, err := fmt.Fprintf(s.stdout, "No review: %s and %s are one commit. Commit the change, or name another --base or --head.\n", reader.baseRef, c.Head)
		return err
	}
	reader.progress = p
	reviewer := &review.Reviewer{Analyze: inProcess, Marks: review.NewMarks([]byte("nothing is posted")), DocsURL: docsURL}
	preview, err := reviewer.Preview(ctx, reader)
	if err != nil {
		return err
	}
	p.done()
	_, err = io.WriteString(s.stdout, preview.Markdown())
	return err
}

// localReader is a pull request that has not been opened: two commits of a checkout.
type localReader struct {
	checkout            *checkout.Checkout
	base, head, baseRef string
	progress            *progress
}

func newLocalReader(ctx context.Context, co *checkout.Checkout, base, head string) (*localReader, error) {
	r := &localReader{checkout: co, baseRef: base}
	var err error
	if r.head, err = co.Resolve(ctx, head); err != nil {
		return nil, err
	}
	if r.baseRef == "" {
		if r.baseRef, err = co.DefaultBase(ctx); err != nil {
			return nil, err
		}
	}
	r.base, err = co.Resolve(ctx, r.baseRef)
	return r, err
}

// PullRequest is the one that would be opened.
func (r *localReader) PullRequest(ctx context.Context) (review.PullRequest, error) {
	return review.PullRequest{Open: true, Head: r.head, Base: r.base, BaseRef: r.baseRef, Origin: r.checkout.Origin(ctx)}, nil
}

// ChangedFiles compares the head with the merge base, as GitHub does.
func (r *localReader) ChangedFiles(ctx context.Context) ([]review.ChangedFile, error) {
	base, err := r.MergeBase(ctx, r.base, r.head)
	if err != nil {
		return nil, err
	}
	return r.checkout.Diff(ctx, base, r.head)
}

// MergeBase asks git.
func (r *localReader) MergeBase(ctx context.Context, base, head string) (string, error) {
	return r.checkout.MergeBase(ctx, base, head)
}

// Tree lists a commit; git never cuts it off.
func (r *localReader) Tree(ctx context.Context, commit string) (entries []buildcontext.Entry, truncated bool, err error) {
	entries, err = r.checkout.Commit(ctx, commit)
	r.progress.say("Looking at a tree of %d files", len(entries))
	return entries, false, err
}

// Blob reads a text.
func (r *localReader) Blob(ctx context.Context, object string) ([]byte, error) {
	data, err := r.checkout.Read(ctx, buildcontext.Entry{Object: object})
	if errors.Is(err, checkout.ErrTooLarge) {
		return nil, fmt.Errorf("%w: %w", review.ErrTooLarge, err)
	}
	return data, err
}

// OrganisationFile: a checkout knows nothing of an organisation's other repositories.
func (r *localReader) OrganisationFile(context.Context, string) (data []byte, ok bool, err error) {
	return nil, false, nil
}

// History is that of the base, from the checkout's own repository.
func (r *localReader) History(ctx context.Context, branch string, commits int) (*buildcontext.History, error) {
	r.progress.say("Reading the last %d commits of %s", commits, branch)
	h, err := history.Local(ctx, r.checkout.Dir, r.base, commits)
	if err != nil {
		return nil, err
	}
	h.Branch = branch
	return h, nil
}

// Login is nobody: nothing of ours stands on a pull request that is not open.
func (r *localReader) Login(context.Context) (string, error) { return "", nil }

// Reviews are none.
func (r *localReader) Reviews(context.Context) ([]review.Posted, error) { return nil, nil }

// Comments are none.
func (r *localReader) Comments(context.Context) ([]review.Posted, error) { return nil, nil }
