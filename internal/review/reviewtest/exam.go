package reviewtest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/review"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Scene is a pull request prepared for the exam.
type Scene struct {
	Host review.Host
	// Push adds a commit to the head.
	Push func(files Files)
	// Pending leaves a pending review of our own account on the pull request.
	Pending func()
	// Reply answers a comment in a person's name.
	Reply func(comment int64, body string)
}

// Exam holds for every review.Host: open makes a pull request whose merge base has the files base and
// whose head has the files head, in a repository whose organisation has no .github repository.
func Exam(t *testing.T, open func(t *testing.T, base, head Files) Scene) {
	const old = "FROM python:3.11\nRUN a\nRUN b\nRUN c\nRUN d\nRUN e\nRUN f\nRUN g\nRUN h\n"
	base := Files{"Dockerfile": old, "gone.txt": "gone\n", "same.txt": "same\n"}
	head := Files{"Dockerfile": strings.Replace(old, "RUN h", "RUN H", 1), "docs/new file.txt": "new\n", "same.txt": "same\n"}

	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	pull := func(t *testing.T, s Scene) review.PullRequest {
		t.Helper()
		p, err := s.Host.PullRequest(t.Context())
		must(t, err)
		return p
	}
	newReview := func(t *testing.T, s Scene, comments ...review.Comment) review.NewReview {
		return review.NewReview{Commit: pull(t, s).Head, Body: "A review.", Comments: comments}
	}

	t.Run("reads the pull request", func(t *testing.T) {
		s := open(t, base, head)
		p := pull(t, s)
		if !p.Open || p.Draft || p.Head == "" || p.Base == "" || p.Head == p.Base || p.RepositoryURL == "" || p.BaseRef == "" {
			t.Errorf("pull request: %+v", p)
		}
		files, err := s.Host.ChangedFiles(t.Context())
		must(t, err)
		status := map[string]string{}
		for _, f := range files {
			status[f.Path] = f.Status
			if f.Status != "removed" {
				data, err := s.Host.Blob(t.Context(), f.Object)
				must(t, err)
				if string(data) != head[f.Path] {
					t.Errorf("blob of %s: %q", f.Path, data)
				}
			}
			if f.Path == "Dockerfile" {
				d, err := review.ParsePatch(f.Patch)
				if !f.HasPatch || err != nil || !d.Anchor(lines(9, 9)) || d.Anchor(lines(2, 2)) {
					t.Errorf("patch of Dockerfile: %q, %v", f.Patch, err)
				}
			}
		}
		if len(files) != 3 || status["Dockerfile"] != "modified" || status["gone.txt"] != "removed" || status["docs/new file.txt"] != "added" {
			t.Errorf("changed files: %v", status)
		}
	})
	t.Run("reads trees", func(t *testing.T) {
		s := open(t, base, head)
		p := pull(t, s)
		for commit, want := range map[string]Files{p.Head: head, p.Base: base} {
			entries, truncated, err := s.Host.Tree(t.Context(), commit)
			must(t, err)
			if truncated || len(entries) != len(want) {
				t.Errorf("tree: %d entries, truncated %v", len(entries), truncated)
			}
			for path := range want {
				at := slices.IndexFunc(entries, func(e buildcontext.Entry) bool { return e.Path == path })
				if at < 0 || entries[at].Mode != "100644" || entries[at].Size != int64(len(want[path])) {
					t.Errorf("%s in the tree: %d", path, at)
				}
			}
		}
		mergeBase, err := s.Host.MergeBase(t.Context(), p.Base, p.Head)
		must(t, err)
		if mergeBase != p.Base {
			t.Errorf("merge base %s, want %s", mergeBase, p.Base)
		}
	})
	t.Run("no organisation defaults are no error", func(t *testing.T) {
		s := open(t, base, head)
		if _, ok, err := s.Host.OrganisationFile(t.Context(), ".github/hitrate.yml"); ok || err != nil {
			t.Errorf("got %v, %v", ok, err)
		}
	})
	t.Run("a review stands with its comments under our login", func(t *testing.T) {
		s := open(t, base, head)
		login, err := s.Host.Login(t.Context())
		must(t, err)
		id, err := s.Host.CreateReview(t.Context(), newReview(t, s, review.Comment{Path: "Dockerfile", Start: 8, Line: 9, Body: "Two lines."}, review.Comment{Path: "docs/new file.txt", Line: 1, Body: "One line."}))
		must(t, err)
		reviews, err := s.Host.Reviews(t.Context())
		must(t, err)
		if len(reviews) != 1 || reviews[0].ID != id || reviews[0].Author != login || reviews[0].Body != "A review." || reviews[0].State != "COMMENTED" {
			t.Errorf("reviews: %+v", reviews)
		}
		comments, err := s.Host.Comments(t.Context())
		must(t, err)
		if len(comments) != 2 {
			t.Fatalf("comments: %+v", comments)
		}
		at := slices.IndexFunc(comments, func(c review.Posted) bool { return c.Path == "Dockerfile" })
		if at < 0 || comments[at].ReviewID != id || comments[at].Author != login || comments[at].Line != 9 || comments[at].ReplyTo != 0 {
			t.Errorf("comments: %+v", comments)
		}
	})
	t.Run("a bad anchor refuses the whole review", func(t *testing.T) {
		for name, bad := range map[string]review.Comment{
			"outside the hunks":      {Path: "Dockerfile", Line: 2, Body: "x"},
			"start is the line":      {Path: "Dockerfile", Start: 9, Line: 9, Body: "x"},
			"start outside the hunk": {Path: "Dockerfile", Start: 2, Line: 9, Body: "x"},
			"a file not changed":     {Path: "same.txt", Line: 1, Body: "x"},
		} {
			s := open(t, base, head)
			_, err := s.Host.CreateReview(t.Context(), newReview(t, s, review.Comment{Path: "Dockerfile", Line: 9, Body: "good"}, bad))
			var refused *review.RefusedError
			if !errors.As(err, &refused) || refused.Pending {
				t.Errorf("%s: %v", name, err)
			}
			if reviews, err := s.Host.Reviews(t.Context()); err != nil || len(reviews) != 0 {
				t.Errorf("%s: %d reviews, %v", name, len(reviews), err)
			}
		}
	})
	t.Run("a pending review is in the way until it is deleted", func(t *testing.T) {
		s := open(t, base, head)
		if found, err := s.Host.DeletePendingReview(t.Context()); found || err != nil {
			t.Errorf("nothing to delete: %v, %v", found, err)
		}
		s.Pending()
		_, err := s.Host.CreateReview(t.Context(), newReview(t, s))
		var refused *review.RefusedError
		if !errors.As(err, &refused) || !refused.Pending {
			t.Fatalf("with a pending review: %v", err)
		}
		if found, err := s.Host.DeletePendingReview(t.Context()); !found || err != nil {
			t.Errorf("delete: %v, %v", found, err)
		}
		_, err = s.Host.CreateReview(t.Context(), newReview(t, s))
		must(t, err)
	})
	t.Run("bodies and comments are edited and deleted", func(t *testing.T) {
		s := open(t, base, head)
		id, err := s.Host.CreateReview(t.Context(), newReview(t, s, review.Comment{Path: "Dockerfile", Line: 8, Body: "a"}, review.Comment{Path: "Dockerfile", Line: 9, Body: "b"}))
		must(t, err)
		must(t, s.Host.UpdateReview(t.Context(), id, "Edited."))
		comments, err := s.Host.Comments(t.Context())
		must(t, err)
		must(t, s.Host.UpdateComment(t.Context(), comments[0].ID, "edited"))
		must(t, s.Host.DeleteComment(t.Context(), comments[1].ID))
		s.Reply(comments[0].ID, "Thanks!")
		comments, err = s.Host.Comments(t.Context())
		must(t, err)
		if len(comments) != 2 || comments[0].Body != "edited" || comments[1].ReplyTo != comments[0].ID {
			t.Errorf("comments: %+v", comments)
		}
		reviews, err := s.Host.Reviews(t.Context())
		must(t, err)
		if reviews[0].Body != "Edited." {
			t.Errorf("review: %+v", reviews[0])
		}
		var gone *review.GoneError
		if err := s.Host.DeleteComment(t.Context(), 1<<40); !errors.As(err, &gone) {
			t.Errorf("delete a comment that is not there: %v", err)
		}
	})
	t.Run("a comment whose line was changed is outdated", func(t *testing.T) {
		s := open(t, base, head)
		_, err := s.Host.CreateReview(t.Context(), newReview(t, s, review.Comment{Path: "Dockerfile", Line: 9, Body: "a"}))
		must(t, err)
		s.Push(Files{"Dockerfile": "# a line above\n" + head["Dockerfile"]})
		comments, err := s.Host.Comments(t.Context())
		must(t, err)
		if comments[0].Line != 10 {
			t.Errorf("shifted: line %d", comments[0].Line)
		}
		s.Push(Files{"Dockerfile": strings.Replace(head["Dockerfile"], "RUN H", "RUN other", 1)})
		comments, err = s.Host.Comments(t.Context())
		must(t, err)
		if comments[0].Line != 0 {
			t.Errorf("outdated: line %d", comments[0].Line)
		}
	})
	t.Run("the newest check run of a head", func(t *testing.T) {
		s := open(t, base, head)
		p := pull(t, s)
		if _, ok, err := s.Host.CheckRun(t.Context(), p.Head); ok || err != nil {
			t.Errorf("before: %v, %v", ok, err)
		}
		for _, id := range []string{"hitrate:1", "hitrate:2"} {
			_, err := s.Host.PutCheckRun(t.Context(), review.CheckRun{
				Head: p.Head, Conclusion: "neutral", Title: "A title", Summary: "A summary.", ExternalID: id,
				Annotations: []review.Annotation{{Path: "Dockerfile", First: 2, Last: 3, Level: "warning", Title: "T", Message: "M"}},
			})
			must(t, err)
		}
		run, ok, err := s.Host.CheckRun(t.Context(), p.Head)
		must(t, err)
		if !ok || run.ExternalID != "hitrate:2" || run.Conclusion != "neutral" || run.Title != "A title" {
			t.Errorf("check run: %v %+v", ok, run)
		}
	})
}

func lines(first, last int) source.Lines { return source.Lines{First: first, Last: last} }
