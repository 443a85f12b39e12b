package githubtest

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFilesOfEveryKind(t *testing.T) {
	e := newExam(t, Options{MaxPatchLines: 50})
	_, err := e.repo.Commit("main", "More to change", Edit{
		Files: map[string]string{
			"gone.txt": "gone\n", "moved.txt": numbered(1, 20), "edited.txt": numbered(101, 120), "image.png": "\x89PNG\x00\x01", "run.sh": "#!/bin/sh\n",
			"link": "gone.txt", "becomes-a-link": "text\n", "end.txt": "one\ntwo", "crlf.txt": "one\r\ntwo\r\n", "dir/ü \"x\".txt": "x\n",
		},
		Modes: map[string]string{"link": "120000"},
	})
	e.check(err)
	head, err := e.repo.Commit("all", "Change all", Edit{
		Files: map[string]string{
			"new.txt": "new\n", "empty.txt": "", "moved-to.txt": numbered(1, 20), "edited-to.txt": numbered(101, 119) + "RUN other\n", "image.png": "\x89PNG\x00\x02",
			"run.sh": "#!/bin/sh\n", "link": "new.txt", "becomes-a-link": "new.txt", "end.txt": "one\nthree", "crlf.txt": "one\r\n2\r\n",
			"dir/ü \"x\".txt": "y\n", "large.txt": numbered(1, 60), "module": strings.Repeat("ab", 20), "diff.txt": "diff --git a/x b/x\n@@ -1 +1 @@\n",
		},
		Modes:  map[string]string{"run.sh": "100755", "link": "120000", "becomes-a-link": "120000", "module": "160000"},
		Delete: []string{"gone.txt", "moved.txt", "edited.txt"},
	})
	e.check(err)
	pr, err := e.repo.OpenPullRequest(NewPullRequest{Head: "all"})
	e.check(err)
	if pr.Head() != head {
		t.Errorf("head %s, want %s", pr.Head(), head)
	}
	type file struct{ status, previous, patch string }
	got := map[string]file{}
	for _, f := range e.call(200, "GET", fmt.Sprintf("%s/pulls/%d/files?per_page=100", repoPath, pr.Number()), nil).list(t) {
		previous, _ := f["previous_filename"].(string)
		patch, ok := f["patch"].(string)
		if !ok {
			patch = "none"
		}
		got[f["filename"].(string)] = file{f["status"].(string), previous, patch}
	}
	want := map[string]file{
		"new.txt":         {"added", "", "@@ -0,0 +1 @@\n+new"},
		"empty.txt":       {"added", "", "none"},
		"gone.txt":        {"removed", "", "@@ -1 +0,0 @@\n-gone"},
		"moved-to.txt":    {"renamed", "moved.txt", "none"},
		"edited-to.txt":   {"renamed", "edited.txt", "@@ -17,4 +17,4 @@ RUN step 116\n RUN step 117\n RUN step 118\n RUN step 119\n-RUN step 120\n+RUN other"},
		"image.png":       {"modified", "", "none"},
		"run.sh":          {"changed", "", "none"},
		"link":            {"modified", "", "@@ -1 +1 @@\n-gone.txt\n\\ No newline at end of file\n+new.txt\n\\ No newline at end of file"},
		"becomes-a-link":  {"changed", "", "none"},
		"end.txt":         {"modified", "", "@@ -1,2 +1,2 @@\n one\n-two\n\\ No newline at end of file\n+three\n\\ No newline at end of file"},
		"crlf.txt":        {"modified", "", "@@ -1,2 +1,2 @@\n one\r\n-two\r\n+2\r"},
		"dir/ü \"x\".txt": {"modified", "", "@@ -1 +1 @@\n-x\n+y"},
		"large.txt":       {"added", "", "none"},
		"module":          {"added", "", "@@ -0,0 +1 @@\n+Subproject commit " + strings.Repeat("ab", 20)},
		"diff.txt":        {"added", "", "@@ -0,0 +1,2 @@\n+diff --git a/x b/x\n+@@ -1 +1 @@"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(file{})); diff != "" {
		t.Error(diff)
	}
}

func TestPages(t *testing.T) {
	e := newExam(t, Options{})
	files := map[string]string{}
	for i := range 250 {
		files[fmt.Sprintf("many/%03d.txt", i)] = fmt.Sprintf("%d\n", i)
	}
	_, err := e.repo.Commit("feature", "Add many", Edit{Files: files})
	e.check(err)
	next := regexp.MustCompile(`<([^>]*)>; rel="next"`)
	path, sizes := e.gh.URL()+pullPath+"/files?per_page=100", []int{}
	for path != "" {
		got := e.call(200, "GET", path, nil)
		sizes = append(sizes, len(got.list(t)))
		path = ""
		if m := next.FindStringSubmatch(got.header.Get("Link")); m != nil {
			path = m[1]
		}
	}
	if diff := cmp.Diff([]int{100, 100, 51}, sizes); diff != "" {
		t.Error(diff)
	}
	if n := len(e.call(200, "GET", pullPath+"/files", nil).list(t)); n != 30 {
		t.Errorf("%d files without per_page", n)
	}
	if n := len(e.call(200, "GET", pullPath+"/files?per_page=1000&page=3", nil).list(t)); n != 51 {
		t.Errorf("%d files on page 3 of 100 each", n)
	}
	if got := e.call(200, "GET", pullPath+"/files?page=99", nil); got.body != "[]" {
		t.Errorf("page 99: %s", got.body)
	}
	got := e.call(200, "GET", repoPath+"/compare/main...feature", nil).object(t)
	if n := len(got["files"].([]any)); n != 251 {
		t.Errorf("%d files compared", n)
	}
}

func TestDiffIsAgainstTheMergeBase(t *testing.T) {
	e := newExam(t, Options{})
	fork, err := e.repo.Head("main")
	e.check(err)
	tip, err := e.repo.Commit("main", "Go on", Edit{Files: map[string]string{"main.go": "package other\n"}})
	e.check(err)
	_, err = e.repo.Commit("feature", "Go on too", Edit{Files: map[string]string{"docs/a.md": "b\n"}})
	e.check(err)
	var names []string
	for _, f := range e.call(200, "GET", pullPath+"/files", nil).list(t) {
		names = append(names, f["filename"].(string))
	}
	if diff := cmp.Diff([]string{"Dockerfile", "docs/a.md"}, names); diff != "" {
		t.Error(diff)
	}
	got := e.call(200, "GET", fmt.Sprintf("%s/compare/%s...%s", repoPath, tip, e.pr.Head()), nil).object(t)
	if got["merge_base_commit"].(object)["sha"] != fork || got["status"] != "diverged" || got["ahead_by"] != 2.0 || got["behind_by"] != 1.0 {
		t.Errorf("comparison: %v %v %v %v", got["merge_base_commit"], got["status"], got["ahead_by"], got["behind_by"])
	}
	e.call(404, "GET", repoPath+"/compare/main...nowhere", nil)
}

func TestTree(t *testing.T) {
	e := newExam(t, Options{MaxTreeEntries: 5})
	read := func(path string) (rows []string, truncated bool) {
		got := e.call(200, "GET", repoPath+"/git/trees/"+path, nil).object(t)
		for _, row := range got["tree"].([]any) {
			r := row.(object)
			rows = append(rows, fmt.Sprintf("%s %s %s", r["mode"], r["type"], r["path"]))
		}
		return rows, got["truncated"].(bool)
	}
	rows, truncated := read(e.pr.Head() + "?recursive=1")
	want := []string{"100644 blob Dockerfile", "040000 tree docs", "100644 blob docs/a.md", "100644 blob main.go"}
	if diff := cmp.Diff(want, rows); diff != "" || truncated {
		t.Error(diff, truncated)
	}
	rows, _ = read("main")
	if diff := cmp.Diff([]string{"100644 blob Dockerfile", "040000 tree docs", "100644 blob main.go"}, rows); diff != "" {
		t.Error(diff)
	}
	_, err := e.repo.Commit("feature", "More", Edit{Files: map[string]string{"x": "x", "y": "y"}})
	e.check(err)
	if rows, truncated = read("feature?recursive=1"); len(rows) != 5 || !truncated {
		t.Errorf("%d rows, truncated %v", len(rows), truncated)
	}
	e.call(404, "GET", repoPath+"/git/trees/"+strings.Repeat("0", 40), nil)
}

func TestBlob(t *testing.T) {
	e := newExam(t, Options{})
	files := e.call(200, "GET", pullPath+"/files", nil).list(t)
	path := repoPath + "/git/blobs/" + files[0]["sha"].(string)
	got := e.call(200, "GET", path, nil).object(t)
	text, err := base64.StdEncoding.DecodeString(got["content"].(string))
	if err != nil || string(text) != newDockerfile || got["size"] != float64(len(newDockerfile)) {
		t.Errorf("blob %v, error %v", got, err)
	}
	if raw := e.call(200, "GET", path, nil, "Accept", "application/vnd.github.v3.raw").body; raw != newDockerfile {
		t.Errorf("raw blob %q", raw)
	}
	e.call(404, "GET", repoPath+"/git/blobs/"+strings.Repeat("0", 40), nil)
	e.call(422, "GET", repoPath+"/git/blobs/main", nil)
	e.call(404, "GET", repoPath+"/git/blobs/"+e.pr.Head(), nil) // a commit
}

func TestContents(t *testing.T) {
	e := newExam(t, Options{})
	_, err := e.repo.Commit("main", "More", Edit{
		Files: map[string]string{".github/hitrate.yml": "version: 1\n", "big": strings.Repeat("x", maxContents+1), "link": "big", "module": strings.Repeat("ab", 20), "ä b#c?.txt": "odd\n"},
		Modes: map[string]string{"link": "120000", "module": "160000"},
	})
	e.check(err)
	const path = repoPath + "/contents/"
	got := e.call(200, "GET", path+".github/hitrate.yml", nil).object(t)
	if text, _ := base64.StdEncoding.DecodeString(got["content"].(string)); string(text) != "version: 1\n" || got["type"] != "file" {
		t.Errorf("file %v", got)
	}
	if got := e.call(200, "GET", path+url.PathEscape("ä b#c?.txt"), nil).object(t); got["name"] != "ä b#c?.txt" {
		t.Errorf("file %v", got)
	}
	e.call(404, "GET", path+".github/hitrate.yml?ref=feature", nil)
	e.call(404, "GET", path+"nowhere", nil)
	e.call(404, "GET", path+"main.go/x", nil)
	e.call(404, "GET", path+"main.go?ref=nowhere", nil)
	if got := e.call(200, "GET", path+"main.go?ref=feature", nil, "Accept", "application/vnd.github.raw").body; got != "package main\n" {
		t.Errorf("raw file %q", got)
	}
	if list := e.call(200, "GET", path+"docs", nil).list(t); len(list) != 1 || list[0]["path"] != "docs/a.md" {
		t.Errorf("directory %v", list)
	}
	if list := e.call(200, "GET", path, nil).list(t); len(list) != 8 {
		t.Errorf("root %v", list)
	}
	e.expectViolations(`parameter "path"`) // GitHub answers, but its description asks for a path
	if got := e.call(200, "GET", path+"link", nil).object(t); got["type"] != "symlink" || got["target"] != "big" {
		t.Errorf("link %v", got)
	}
	if got := e.call(200, "GET", path+"module", nil).object(t); got["type"] != "submodule" {
		t.Errorf("submodule %v", got)
	}
	e.call(403, "GET", path+"big", nil)
	if got := e.call(200, "GET", path+"big", nil, "Accept", "application/vnd.github.object").object(t); got["encoding"] != "none" {
		t.Errorf("big file %v", got["encoding"])
	}
}

func TestCommits(t *testing.T) {
	e := newExam(t, Options{})
	got := e.call(200, "GET", repoPath+"/commits/feature", nil).object(t)
	if got["sha"] != e.pr.Head() || len(got["files"].([]any)) != 1 {
		t.Errorf("commit %v", got)
	}
	if got := e.call(200, "GET", repoPath+"/git/commits/"+e.pr.Head(), nil).object(t); got["message"] != "Change the Dockerfile" {
		t.Errorf("commit %v", got)
	}
	first := e.call(200, "GET", repoPath+"/commits/main", nil).object(t) // without a parent
	if n := len(first["files"].([]any)); n != 3 {
		t.Errorf("%d files in the first commit", n)
	}
	e.call(422, "GET", repoPath+"/commits/nowhere", nil)
	e.call(404, "GET", repoPath+"/git/commits/"+strings.Repeat("0", 40), nil)
	// The user's own git reads the same repository.
	if id, err := gitDir(e.repo.GitDir()).line("rev-parse", "refs/pull/1/head"); err != nil || id != e.pr.Head() {
		t.Errorf("refs/pull/1/head is %q, error %v", id, err)
	}
}

func TestUnknownOperation(t *testing.T) {
	e := newExam(t, Options{})
	e.call(404, "GET", repoPath+"/issues", nil)
	e.call(404, "PUT", repoPath, nil)
	e.expectViolations("does not have it", "does not have it")
}
