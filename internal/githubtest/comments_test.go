package githubtest

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// post posts a review with comments as the App and returns the comments' ids.
func (e *exam) post(comments ...any) []int64 {
	e.Helper()
	before := len(e.pr.Comments())
	e.call(200, "POST", pullPath+"/reviews", object{"commit_id": e.pr.Head(), "event": "COMMENT", "body": "Hello", "comments": comments})
	var ids []int64
	for _, c := range e.pr.Comments()[before:] {
		ids = append(ids, c.ID)
	}
	return ids
}

// dockerfile commits a new Dockerfile to the head branch.
func (e *exam) dockerfile(content string) {
	e.Helper()
	_, err := e.repo.Commit("feature", "Edit the Dockerfile", Edit{Files: map[string]string{"Dockerfile": content}})
	e.check(err)
}

func TestCommentsFollowTheLines(t *testing.T) {
	replace := func(old, new string) string { return strings.Replace(newDockerfile, old, new, 1) }
	for name, test := range map[string]struct {
		content string
		want    [4][2]int // start and line of the comments on 4-6, 6, 9 and 27; 0 where outdated
	}{
		"nothing":                     {newDockerfile, [4][2]int{{4, 6}, {0, 6}, {0, 9}, {0, 27}}},
		"a line above all":            {"# new\n" + newDockerfile, [4][2]int{{5, 7}, {0, 7}, {0, 10}, {0, 28}}},
		"a line above the range":      {replace("RUN new 4\n", "RUN more\nRUN new 4\n"), [4][2]int{{5, 7}, {0, 7}, {0, 10}, {0, 28}}},
		"a line below the range":      {replace("RUN new 6\n", "RUN new 6\nRUN more\n"), [4][2]int{{4, 6}, {0, 6}, {0, 10}, {0, 28}}},
		"a line within the range":     {replace("RUN new 5\n", "RUN new 5\nRUN more\n"), [4][2]int{{0, 0}, {0, 7}, {0, 10}, {0, 28}}},
		"an edit within the range":    {replace("RUN new 5\n", "RUN newer 5\n"), [4][2]int{{0, 0}, {0, 6}, {0, 9}, {0, 27}}},
		"an edit of its first line":   {replace("RUN new 4\n", "RUN newer 4\n"), [4][2]int{{0, 0}, {0, 6}, {0, 9}, {0, 27}}},
		"an edit of its last line":    {replace("RUN new 6\n", "RUN newer 6\n"), [4][2]int{{0, 0}, {0, 0}, {0, 9}, {0, 27}}},
		"a line that goes":            {replace("RUN new 6\n", ""), [4][2]int{{0, 0}, {0, 0}, {0, 8}, {0, 26}}},
		"a line at the end":           {newDockerfile + "RUN more\n", [4][2]int{{4, 6}, {0, 6}, {0, 9}, {0, 27}}},
		"a hunk that goes":            {replace("RUN new 27\n", ""), [4][2]int{{4, 6}, {0, 6}, {0, 9}, {0, 0}}},
		"context that leaves a hunk":  {strings.Replace(oldDockerfile, "RUN step 4\n", "RUN new 4\nRUN step 4\n", 1), [4][2]int{{0, 0}, {0, 0}, {0, 0}, {0, 0}}},
		"everything goes back":        {oldDockerfile, [4][2]int{}},
		"all lines are new":           {numbered(100, 130), [4][2]int{}},
		"the file goes to other ends": {strings.ReplaceAll(newDockerfile, "\n", "\r\n"), [4][2]int{}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newExam(t, Options{})
			head := e.pr.Head()
			e.post(at(6, "start_line", 4), at(6), at(9), at(27))
			e.dockerfile(test.content)
			var got [4][2]int
			for i, c := range e.pr.Comments() {
				got[i] = [2]int{c.Start, c.Line}
				if c.OriginalCommit != head || c.OriginalLine == 0 || c.Outdated != (c.Line == 0) {
					t.Errorf("comment %+v", c)
				}
				wantCommit := e.pr.Head()
				if c.Outdated {
					wantCommit = head
				}
				if c.Commit != wantCommit {
					t.Errorf("comment %d is at commit %s, want %s", i, c.Commit, wantCommit)
				}
			}
			if diff := gocmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
			for i, c := range e.call(200, "GET", pullPath+"/comments", nil).list(t) {
				line, _ := c["line"].(float64)
				if int(line) != got[i][1] || (c["position"] == nil) != (got[i][1] == 0) || c["original_commit_id"] != head {
					t.Errorf("comment %v", c)
				}
			}
		})
	}
}

func TestForcePushBringsCommentsBack(t *testing.T) {
	e := newExam(t, Options{})
	head := e.pr.Head()
	e.post(at(5))
	_, err := e.repo.Rewrite("feature", "main", "Start again", Edit{Files: map[string]string{"docs/a.md": "b\n"}})
	e.check(err)
	if c := e.pr.Comments()[0]; !c.Outdated || c.Commit != head {
		t.Errorf("comment %+v", c)
	}
	e.check(e.repo.ForcePush("feature", head))
	if c := e.pr.Comments()[0]; c.Outdated || c.Line != 5 {
		t.Errorf("comment %+v", c)
	}
}

func TestRetargetMovesTheDiff(t *testing.T) {
	e := newExam(t, Options{})
	e.check(e.repo.Branch("release", "main"))
	_, err := e.repo.Commit("release", "The same change", Edit{Files: map[string]string{"Dockerfile": newDockerfile}})
	e.check(err)
	e.post(at(5))
	e.check(e.pr.Retarget("release"))
	// The merge base is still the fork point: three dots.
	if c := e.pr.Comments()[0]; c.Outdated {
		t.Errorf("comment %+v", c)
	}
	if got := e.call(200, "GET", pullPath, nil).object(t)["base"].(object); got["ref"] != "release" {
		t.Errorf("base %v", got)
	}
}

func TestCommentIsEditedAndDeleted(t *testing.T) {
	e := newExam(t, Options{})
	ids := e.post(at(5), at(6))
	path := fmt.Sprintf("%s/pulls/comments/%d", repoPath, ids[0])
	if got := e.call(200, "PATCH", path, object{"body": "Better"}).object(t); got["body"] != "Better" {
		t.Errorf("comment %v", got)
	}
	e.call(422, "PATCH", path, object{"body": ""})
	e.call(422, "PATCH", path, object{"body": strings.Repeat("x", maxBodyLength+1)})
	e.call(200, "GET", path, nil)
	e.call(204, "DELETE", path, nil)
	e.call(404, "DELETE", path, nil)
	e.call(404, "GET", path, nil)
	if got := e.pr.Comments(); len(got) != 1 || got[0].ID != ids[1] {
		t.Errorf("comments %+v", got)
	}
}

func TestOthersCommentsAreTheirs(t *testing.T) {
	e := newExam(t, Options{})
	_, err := e.pr.ReviewAs("alice", "Look", false, NewComment{Path: "Dockerfile", Line: 5, Body: "Why?"})
	e.check(err)
	path := fmt.Sprintf("%s/pulls/comments/%d", repoPath, e.pr.Comments()[0].ID)
	e.call(403, "PATCH", path, object{"body": "Because"})
	e.call(403, "DELETE", path, nil)
}

func TestReplies(t *testing.T) {
	e := newExam(t, Options{})
	first := e.post(at(5))[0]
	reply, err := e.pr.Reply(first, "alice", "I disagree")
	e.check(err)
	path := fmt.Sprintf("%s/comments/%d/replies", pullPath, first)
	e.call(201, "POST", path, object{"body": "Why?"})
	e.call(404, "POST", pullPath+"/comments/1/replies", object{"body": "Nowhere"})
	e.call(422, "POST", fmt.Sprintf("%s/comments/%d/replies", pullPath, reply), object{"body": "To a reply"})
	threads, err := e.pr.Threads()
	e.check(err)
	if len(threads) != 1 || len(threads[0].Comments) != 3 || threads[0].Comments[1].Author != "alice" || threads[0].Comments[2].ReplyTo != first {
		t.Errorf("threads %+v", threads)
	}
	list := e.call(200, "GET", pullPath+"/comments?sort=created&direction=desc", nil).list(t)
	if list[0]["in_reply_to_id"] != float64(first) || list[0]["body"] != "Why?" || list[2]["in_reply_to_id"] != nil {
		t.Errorf("comments %v", list)
	}
	e.check(e.pr.Resolve(first, true))
	if c := e.pr.Comments()[1]; !c.Resolved {
		t.Errorf("reply %+v", c)
	}
	// What people answered stays when the first comment goes.
	e.call(204, "DELETE", fmt.Sprintf("%s/pulls/comments/%d", repoPath, first), nil)
	if n := len(e.pr.Comments()); n != 2 {
		t.Errorf("%d comments", n)
	}
}

// TestCommentsKeepTheirText pushes random edits: a comment that is not outdated stands on the very
// lines that it was made on.
func TestCommentsKeepTheirText(t *testing.T) {
	e := newExam(t, Options{})
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same edits in every run
	edit := func(lines []string) []string {
		lines = slices.Clone(lines)
		for range 1 + random.IntN(3) {
			i := random.IntN(len(lines))
			switch random.IntN(3) {
			case 0:
				lines[i] = fmt.Sprintf("RUN edit %d", random.IntN(3))
			case 1:
				lines = slices.Insert(lines, i, fmt.Sprintf("RUN more %d", random.IntN(3)))
			default:
				lines = slices.Delete(lines, i, i+1)
			}
		}
		return lines
	}
	base := strings.Split(strings.TrimSuffix(oldDockerfile, "\n"), "\n")
	kept := 0
	for range 12 {
		first := edit(base)
		_, err := e.repo.Rewrite("feature", "main", "One", Edit{Files: map[string]string{"Dockerfile": strings.Join(first, "\n") + "\n"}})
		e.check(err)
		var comments []any
		view, err := e.pr.View()
		e.check(err)
		for _, h := range view.Files[0].Hunks {
			for i, r := range h.Rows {
				if r.New == 0 {
					continue
				}
				comments = append(comments, at(r.New))
				if i >= 2 && h.Rows[i-2].New > 0 {
					comments = append(comments, at(r.New, "start_line", h.Rows[i-2].New))
				}
			}
		}
		ids := e.post(comments...)
		second := edit(first)
		e.dockerfile(strings.Join(second, "\n") + "\n")
		for _, c := range e.pr.Comments() {
			if !slices.Contains(ids, c.ID) || c.Outdated {
				continue
			}
			kept++
			then, now := first[cmp.Or(c.OriginalStart, c.OriginalLine)-1:c.OriginalLine], second[cmp.Or(c.Start, c.Line)-1:c.Line]
			if !slices.Equal(then, now) {
				t.Errorf("comment on %q stands on %q\nbefore:\n%s\nafter:\n%s", then, now, strings.Join(first, "\n"), strings.Join(second, "\n"))
			}
		}
	}
	if kept < 50 {
		t.Errorf("only %d comments were not outdated", kept)
	}
}
