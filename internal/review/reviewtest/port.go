package reviewtest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/review"
	"github.com/hitrate-bot/hitrate/internal/source"
)

var _ review.Host = (*Host)(nil)

func (h *Host) before(method string) error {
	if h.Before == nil {
		return nil
	}
	return h.Before(method)
}

func (h *Host) after(method string) error {
	if h.After == nil {
		return nil
	}
	return h.After(method)
}

// PullRequest implements review.Host.
func (h *Host) PullRequest(context.Context) (review.PullRequest, error) {
	return h.Pull, h.before("PullRequest")
}

// ChangedFiles implements review.Host.
func (h *Host) ChangedFiles(context.Context) ([]review.ChangedFile, error) {
	if err := h.before("ChangedFiles"); err != nil {
		return nil, err
	}
	before, after := h.commits[h.mergeBase], h.commits[h.Pull.Head]
	paths := map[string]bool{}
	for _, files := range []Files{before, after} {
		for path := range files {
			paths[path] = true
		}
	}
	var changed []review.ChangedFile
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		old, was := before[path]
		text, is := after[path]
		if was && is && old == text {
			continue
		}
		f := review.ChangedFile{Path: path, Status: "modified", Object: objectID(text), Patch: h.patch(path, h.Pull.Head), HasPatch: true}
		switch {
		case !was:
			f.Status = "added"
		case !is:
			f.Status, f.Object = "removed", objectID(old)
		}
		changed = append(changed, f)
	}
	return changed, nil
}

// MergeBase implements review.Host.
func (h *Host) MergeBase(context.Context, string, string) (string, error) {
	return h.mergeBase, h.before("MergeBase")
}

// Tree implements review.Host.
func (h *Host) Tree(_ context.Context, commit string) (entries []buildcontext.Entry, truncated bool, err error) {
	if err := h.before("Tree"); err != nil {
		return nil, false, err
	}
	files, ok := h.commits[commit]
	if !ok {
		return nil, false, &review.GoneError{Reason: "no such commit"}
	}
	entries = entriesOf(files)
	if h.Truncated {
		entries = entries[:min(1, len(entries))]
	}
	return entries, h.Truncated, nil
}

func entriesOf(files Files) (entries []buildcontext.Entry) {
	for _, path := range slices.Sorted(maps.Keys(files)) {
		entries = append(entries, entry(path, files[path]))
	}
	return entries
}

func entry(path, text string) buildcontext.Entry {
	return buildcontext.Entry{Path: path, Mode: "100644", Object: objectID(text), Size: int64(len(text))}
}

// History implements review.Host: the base branch's commits, the newest first.
func (h *Host) History(_ context.Context, branch string, commits int) (*buildcontext.History, error) {
	if err := errors.Join(h.before("History"), h.NoHistory); err != nil {
		return nil, err
	}
	history := &buildcontext.History{Branch: branch, Tree: entriesOf(h.commits[h.branch[len(h.branch)-1]])}
	for n := len(h.branch) - 1; n >= 0 && len(history.Commits) < commits; n-- {
		after := h.commits[h.branch[n]]
		var before Files
		if n > 0 {
			before = h.commits[h.branch[n-1]]
		}
		c := buildcontext.Commit{ID: h.branch[n]}
		paths := maps.Clone(before)
		if paths == nil {
			paths = Files{}
		}
		maps.Copy(paths, after)
		for _, path := range slices.Sorted(maps.Keys(paths)) {
			var change buildcontext.Change
			old, was := before[path]
			text, is := after[path]
			if was && is && old == text {
				continue
			}
			if was {
				change.Old = entry(path, old)
			}
			if is {
				change.New = entry(path, text)
			}
			c.Changes = append(c.Changes, change)
		}
		history.Commits = append(history.Commits, c)
	}
	return history, nil
}

// Blob implements review.Host.
func (h *Host) Blob(_ context.Context, object string) ([]byte, error) {
	if err := h.before("Blob"); err != nil {
		return nil, err
	}
	text, ok := h.blobs[object]
	if !ok {
		return nil, &review.GoneError{Reason: "no such blob"}
	}
	return []byte(text), nil
}

// OrganisationFile implements review.Host.
func (h *Host) OrganisationFile(_ context.Context, path string) (data []byte, ok bool, err error) {
	text, ok := h.Organisation[path]
	return []byte(text), ok, h.before("OrganisationFile")
}

// Login implements review.Host.
func (h *Host) Login(context.Context) (string, error) { return h.Bot, h.before("Login") }

// Reviews implements review.Host.
func (h *Host) Reviews(context.Context) ([]review.Posted, error) {
	return slices.Clone(h.reviews), h.before("Reviews")
}

// Comments implements review.Host.
func (h *Host) Comments(context.Context) ([]review.Posted, error) {
	var all []review.Posted
	for _, c := range h.comments {
		all = append(all, c.Posted)
	}
	return all, h.before("Comments")
}

// CheckRun implements review.Host.
func (h *Host) CheckRun(_ context.Context, head string) (run review.CheckRun, ok bool, err error) {
	for _, c := range slices.Backward(h.checks) {
		if c.Head == head {
			return c, true, h.before("CheckRun")
		}
	}
	return review.CheckRun{}, false, h.before("CheckRun")
}

// CreateReview implements review.Host: all of a review or nothing.
func (h *Host) CreateReview(_ context.Context, r review.NewReview) (id int64, err error) {
	if err := h.before("CreateReview"); err != nil {
		return 0, err
	}
	if slices.ContainsFunc(h.reviews, func(p review.Posted) bool { return p.Author == h.Bot && p.State == "PENDING" }) {
		return 0, &review.RefusedError{Message: "User can only have one pending review per pull request", Pending: true}
	}
	if r.Commit != h.Pull.Head {
		return 0, &review.RefusedError{Message: "commit_id is not part of the pull request"}
	}
	if r.Body == "" || utf8.RuneCountInString(r.Body) > 65536 {
		return 0, &review.RefusedError{Message: "body is too long (maximum is 65536 characters)"}
	}
	for _, c := range r.Comments {
		l := source.Lines{First: c.Line, Last: c.Line}
		if c.Start != 0 {
			if c.Start >= c.Line {
				return 0, &review.RefusedError{Message: "start line must precede the end line"}
			}
			l.First = c.Start
		}
		inHunk := false
		if h.commits[h.mergeBase][c.Path] != h.commits[h.Pull.Head][c.Path] {
			all, _ := hunks(h.patch(c.Path, h.Pull.Head))
			inHunk = slices.ContainsFunc(all, func(hunk source.Lines) bool { return hunk.Contains(l) })
		}
		if !inHunk || h.Refuse != nil && h.Refuse(c) || utf8.RuneCountInString(c.Body) > 65536 {
			return 0, &review.RefusedError{Message: "line must be part of the diff"}
		}
	}
	h.next++
	id = h.next
	h.reviews = append(h.reviews, review.Posted{ID: id, Author: h.Bot, Body: r.Body, Commit: r.Commit, State: "COMMENTED"})
	h.reviewCount++
	for _, c := range r.Comments {
		h.next++
		l := source.Lines{First: c.Line, Last: c.Line}
		if c.Start != 0 {
			l.First = c.Start
		}
		h.comments = append(h.comments, comment{
			review.Posted{ID: h.next, ReviewID: id, Author: h.Bot, Body: c.Body, Path: c.Path, Line: c.Line}, l,
		})
	}
	return id, h.after("CreateReview")
}

// UpdateReview implements review.Host.
func (h *Host) UpdateReview(_ context.Context, id int64, body string) error {
	if err := h.before("UpdateReview"); err != nil {
		return err
	}
	for i := range h.reviews {
		if h.reviews[i].ID == id {
			h.reviews[i].Body = body
			return h.after("UpdateReview")
		}
	}
	return &review.GoneError{Reason: "no such review"}
}

// UpdateComment implements review.Host.
func (h *Host) UpdateComment(_ context.Context, id int64, body string) error {
	if err := h.before("UpdateComment"); err != nil {
		return err
	}
	for i := range h.comments {
		if h.comments[i].ID == id {
			h.comments[i].Body = body
			return h.after("UpdateComment")
		}
	}
	return &review.GoneError{Reason: "no such comment"}
}

// DeleteComment implements review.Host.
func (h *Host) DeleteComment(_ context.Context, id int64) error {
	if err := h.before("DeleteComment"); err != nil {
		return err
	}
	before := len(h.comments)
	h.Remove(id)
	if len(h.comments) == before {
		return &review.GoneError{Reason: "no such comment"}
	}
	return h.after("DeleteComment")
}

// DeletePendingReview implements review.Host.
func (h *Host) DeletePendingReview(context.Context) (found bool, err error) {
	if err := h.before("DeletePendingReview"); err != nil {
		return false, err
	}
	before := len(h.reviews)
	h.reviews = slices.DeleteFunc(h.reviews, func(p review.Posted) bool { return p.Author == h.Bot && p.State == "PENDING" })
	return len(h.reviews) < before, h.after("DeletePendingReview")
}

// PutCheckRun implements review.Host.
func (h *Host) PutCheckRun(_ context.Context, run review.CheckRun) (id int64, err error) {
	if err := h.before("PutCheckRun"); err != nil {
		return 0, err
	}
	if len(run.Annotations) > 50 || run.Title == "" || strings.TrimSpace(run.Summary) == "" || len(run.Summary) > 65535 {
		return 0, &review.RefusedError{Message: "invalid check run"}
	}
	h.next++
	run.ID = h.next
	h.checks = append(h.checks, run)
	return run.ID, h.after("PutCheckRun")
}
