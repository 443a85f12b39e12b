package github

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/google/go-github/v60/github"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/review"
)

const (
	// organisationRepository holds what counts for all repositories of an account.
	organisationRepository = ".github"
	// maxBlob is the largest blob that is read, in bytes.
	maxBlob = 1 << 20
	perPage = 100
	// maxFilePages is where GitHub ends the list of changed files: 3000 of them.
	maxFilePages = 30
	// maxPages bounds other lists.
	maxPages = 100
)

// host is one pull request on GitHub.
type host struct {
	app   *App
	ref   review.Ref
	scope scope
}

// read sends a GET about the pull request's repository.
func (h *host) read(ctx context.Context, what string, f request) error {
	if failed := h.app.try(ctx, h.scope, true, f); failed != nil {
		return failed.err(what, false, h.app.options.Now())
	}
	return nil
}

// pages reads a list page by page; it fails where there are more than most.
func (h *host) pages(ctx context.Context, what string, most int, f func(ctx context.Context, client *github.Client, page github.ListOptions) (*github.Response, error)) (more bool, err error) {
	for page := 1; page <= most; {
		next := 0
		err := h.read(ctx, what, func(ctx context.Context, client *github.Client) error {
			resp, err := f(ctx, client, github.ListOptions{Page: page, PerPage: perPage})
			if err == nil {
				next = resp.NextPage
			}
			return err
		})
		if err != nil {
			return false, err
		}
		if next <= page {
			return false, nil
		}
		page = next
	}
	return true, nil
}

func (h *host) PullRequest(ctx context.Context) (review.PullRequest, error) {
	var pull *github.PullRequest
	err := h.read(ctx, "read pull request", func(ctx context.Context, client *github.Client) (err error) {
		pull, _, err = client.PullRequests.Get(ctx, h.ref.Owner, h.ref.Name, h.ref.Number)
		return err
	})
	if err != nil {
		return review.PullRequest{}, err
	}
	base, head := pull.GetBase(), pull.GetHead()
	p := review.PullRequest{
		Open: pull.GetState() == "open", Draft: pull.GetDraft(),
		Head: head.GetSHA(), Base: base.GetSHA(), BaseRef: base.GetRef(),
		URL: pull.GetHTMLURL(), RepositoryURL: base.GetRepo().GetHTMLURL(),
	}
	id := base.GetRepo().GetID()
	if id != 0 && id != h.ref.Repository {
		// The name belongs to another repository now; the one that we mean is gone from there.
		return review.PullRequest{}, &review.GoneError{Reason: fmt.Sprintf("read pull request: %s/%s is repository %d, not %d", h.ref.Owner, h.ref.Name, id, h.ref.Repository)}
	}
	if id != 0 && head.GetRepo().GetID() == id {
		p.HeadRef = head.GetRef()
	}
	if !isObject(p.Head) || !isObject(p.Base) {
		return review.PullRequest{}, errors.New("read pull request: the answer names no commits")
	}
	return p, nil
}

func (h *host) ChangedFiles(ctx context.Context) ([]review.ChangedFile, error) {
	var files []review.ChangedFile
	more, err := h.pages(ctx, "list changed files", maxFilePages, func(ctx context.Context, client *github.Client, page github.ListOptions) (*github.Response, error) {
		list, resp, err := client.PullRequests.ListFiles(ctx, h.ref.Owner, h.ref.Name, h.ref.Number, &page)
		for _, f := range list {
			files = append(files, review.ChangedFile{
				Path: f.GetFilename(), Previous: f.GetPreviousFilename(), Status: f.GetStatus(),
				Object: f.GetSHA(), Patch: f.GetPatch(), HasPatch: f.Patch != nil,
			})
		}
		return resp, err
	})
	if more {
		h.app.log.WarnContext(ctx, "more changed files than are read", "repository", h.ref.Owner+"/"+h.ref.Name, "pull_request", h.ref.Number, "read", len(files))
	}
	return files, err
}

// MergeBase is the base itself where the two have no commit in common.
func (h *host) MergeBase(ctx context.Context, base, head string) (string, error) {
	if !isObject(base) || !isObject(head) {
		return "", fmt.Errorf("find merge base: %q and %q are not two commits", base, head)
	}
	var compared *github.CommitsComparison
	request := func(ctx context.Context, client *github.Client) (err error) {
		compared, _, err = client.Repositories.CompareCommits(ctx, h.ref.Owner, h.ref.Name, base, head, &github.ListOptions{PerPage: 1})
		return err
	}
	if failed := h.app.try(ctx, h.scope, true, request); failed != nil {
		if failed.kind == missing && strings.Contains(failed.message, "No common ancestor") {
			return base, nil
		}
		return "", failed.err("find merge base", false, h.app.options.Now())
	}
	sha := compared.GetMergeBaseCommit().GetSHA()
	if !isObject(sha) {
		return "", errors.New("find merge base: the answer names no commit")
	}
	return sha, nil
}

func (h *host) Tree(ctx context.Context, commit string) (entries []buildcontext.Entry, truncated bool, err error) {
	if !isObject(commit) {
		return nil, false, fmt.Errorf("read tree: %q is not a commit", commit)
	}
	var tree *github.Tree
	err = h.read(ctx, "read tree", func(ctx context.Context, client *github.Client) (err error) {
		tree, _, err = client.Git.GetTree(ctx, h.ref.Owner, h.ref.Name, commit, true)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	entries = make([]buildcontext.Entry, 0, len(tree.Entries))
	for _, e := range tree.Entries {
		if e.GetType() != "tree" {
			entries = append(entries, buildcontext.Entry{Path: e.GetPath(), Mode: e.GetMode(), Object: e.GetSHA(), Size: int64(e.GetSize())})
		}
	}
	return entries, tree.GetTruncated(), nil
}

func (h *host) Blob(ctx context.Context, object string) ([]byte, error) {
	if !isObject(object) {
		return nil, fmt.Errorf("read blob: %q is not an object", object)
	}
	var data []byte
	var large bool
	err := h.read(ctx, "read blob", func(ctx context.Context, client *github.Client) (err error) {
		data, large, err = getBlob(ctx, client, fmt.Sprintf("repos/%s/%s/git/blobs/%s", h.ref.Owner, h.ref.Name, object))
		return err
	})
	if large {
		return nil, fmt.Errorf("read blob %s: %w", object, review.ErrTooLarge)
	}
	return data, err
}

// getBlob is GetBlob of go-github with a bound: it would read 100 MB into memory.
func getBlob(ctx context.Context, client *github.Client, path string) (data []byte, large bool, err error) {
	req, err := client.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		return nil, false, err
	}
	resp, err := client.BareDo(ctx, req)
	if err != nil {
		return nil, false, err
	}
	defer func() { _ = resp.Body.Close() }() // only read
	// In base64, with line breaks, and some JSON around it.
	const most = maxBlob*3/2 + 64<<10
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return nil, false, err
	}
	if len(body) > most {
		return nil, true, nil
	}
	var blob github.Blob
	if err := json.Unmarshal(body, &blob); err != nil {
		return nil, false, fmt.Errorf("decode blob: %w", err)
	}
	data = []byte(blob.GetContent())
	if blob.GetEncoding() == "base64" {
		if data, err = base64.StdEncoding.DecodeString(blob.GetContent()); err != nil {
			return nil, false, fmt.Errorf("decode blob: %w", err)
		}
	}
	return data, len(data) > maxBlob, nil
}

// OrganisationFile has a token of its own, which knows the repository ".github" only. That token
// refused, or the repository or file missing, means no file.
func (h *host) OrganisationFile(ctx context.Context, path string) (data []byte, ok bool, err error) {
	what := "read " + path + " of the organisation"
	var file *github.RepositoryContent
	request := func(ctx context.Context, client *github.Client) (err error) {
		file, _, _, err = client.Repositories.GetContents(ctx, h.ref.Owner, organisationRepository, path, nil)
		return err
	}
	failed := h.app.try(ctx, scope{installation: h.ref.Installation}, false, request)
	switch {
	case failed == nil:
	case slices.Contains([]kind{missing, gone, forbidden}, failed.kind):
		h.app.log.DebugContext(ctx, "no defaults of the organisation", "owner", h.ref.Owner, "reason", failed.message)
		return nil, false, nil
	default:
		return nil, false, failed.err(what, false, h.app.options.Now())
	}
	if file.GetType() != "file" || file.GetSize() > maxBlob {
		return nil, false, nil
	}
	text, err := file.GetContent()
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", what, err)
	}
	return []byte(text), true, nil
}

func (h *host) Login(ctx context.Context) (string, error) {
	a := h.app
	a.mu.Lock()
	login := a.login
	a.mu.Unlock()
	if login != "" {
		return login, nil
	}
	failed := a.try(ctx, h.scope, false, func(ctx context.Context, _ *github.Client) error {
		app, _, err := a.app.Apps.Get(ctx, "")
		if err == nil && app.GetSlug() == "" {
			return errors.New("the answer has no slug")
		}
		if err == nil {
			login = app.GetSlug() + "[bot]"
		}
		return err
	})
	if failed != nil {
		if failed.kind != cancelled && failed.kind != limited {
			// It is about the App, not about the pull request.
			failed.kind = unwell
		}
		return "", failed.err("read the App's name", false, a.options.Now())
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.login = login
	return login, nil
}

func (h *host) Reviews(ctx context.Context) ([]review.Posted, error) {
	var reviews []review.Posted
	more, err := h.pages(ctx, "list reviews", maxPages, func(ctx context.Context, client *github.Client, page github.ListOptions) (*github.Response, error) {
		list, resp, err := client.PullRequests.ListReviews(ctx, h.ref.Owner, h.ref.Name, h.ref.Number, &page)
		for _, r := range list {
			reviews = append(reviews, review.Posted{
				ID: r.GetID(), Author: r.GetUser().GetLogin(), Body: r.GetBody(), Commit: r.GetCommitID(), State: r.GetState(),
			})
		}
		return resp, err
	})
	if more {
		return nil, fmt.Errorf("list reviews: more than %d", maxPages*perPage)
	}
	return reviews, err
}

func (h *host) Comments(ctx context.Context) ([]review.Posted, error) {
	var comments []review.Posted
	more, err := h.pages(ctx, "list comments", maxPages, func(ctx context.Context, client *github.Client, page github.ListOptions) (*github.Response, error) {
		list, resp, err := client.PullRequests.ListComments(ctx, h.ref.Owner, h.ref.Name, h.ref.Number, &github.PullRequestListCommentsOptions{ListOptions: page})
		for _, c := range list {
			comments = append(comments, review.Posted{
				ID: c.GetID(), ReviewID: c.GetPullRequestReviewID(), Author: c.GetUser().GetLogin(), Body: c.GetBody(),
				Commit: c.GetOriginalCommitID(), Path: c.GetPath(), Line: c.GetLine(), ReplyTo: c.GetInReplyTo(),
			})
		}
		return resp, err
	})
	if more {
		return nil, fmt.Errorf("list comments: more than %d", maxPages*perPage)
	}
	return comments, err
}

// isObject says whether s is the id of a git object, so that it can stand in an address.
func isObject(s string) bool {
	if len(s) != 40 && len(s) != 64 {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}
