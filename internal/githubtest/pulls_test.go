package githubtest

import (
	"net/http"
	"testing"
)

func TestPullRequestAndFiles(t *testing.T) {
	e := newExam(t, Options{})
	pull := e.call(200, "GET", pullPath, nil).object(t)
	head := pull["head"].(object)
	if head["sha"] != e.pr.Head() || pull["state"] != "open" || pull["draft"] != false {
		t.Errorf("pull request: %v", pull)
	}
	files := e.call(200, "GET", pullPath+"/files", nil).list(t)
	if len(files) != 1 || files[0]["filename"] != "Dockerfile" || files[0]["status"] != "modified" {
		t.Fatalf("files: %v", files)
	}
	const patch = "@@ -1,7 +1,9 @@\n RUN step 1\n RUN step 2\n RUN step 3\n-RUN step 4\n+RUN new 4\n+RUN new 5\n+RUN new 6\n RUN step 5\n RUN step 6\n RUN step 7\n" +
		"@@ -22,6 +24,7 @@ RUN step 21\n RUN step 22\n RUN step 23\n RUN step 24\n+RUN new 27\n RUN step 25\n RUN step 26\n RUN step 27"
	if got := files[0]["patch"]; got != patch {
		t.Errorf("patch:\n%s\nwant:\n%s", got, patch)
	}
	e.call(http.StatusNotFound, "GET", repoPath+"/pulls/2", nil)
}

func TestReviewIsPosted(t *testing.T) {
	e := newExam(t, Options{})
	review := object{"commit_id": e.pr.Head(), "event": "COMMENT", "body": "Hello", "comments": []any{
		object{"path": "Dockerfile", "line": 6, "start_line": 4, "side": "RIGHT", "start_side": "RIGHT", "body": "Here"},
	}}
	e.call(200, "POST", pullPath+"/reviews", review)
	got := e.pr.Reviews()
	if len(got) != 1 || got[0].State != "COMMENTED" || len(got[0].Comments) != 1 || got[0].Comments[0].Line != 6 || got[0].Comments[0].Author != "hitrate[bot]" {
		t.Errorf("reviews: %+v", got)
	}
}
