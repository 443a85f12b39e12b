package githubtest

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// getTree is GET …/git/trees/{tree_sha}: of a tree, a commit or a branch.
func (s *Server) getTree(c *call) (any, *apiError) {
	g := c.repo.git
	treeish := c.r.PathValue("tree_sha")
	id, err := g.commitish(treeish)
	if err != nil {
		if id, err = g.resolve(treeish, "tree"); err != nil {
			return nil, notFound()
		}
	}
	sha, err := g.resolve(id, "tree")
	if err != nil {
		return nil, s.gitError(err)
	}
	// Any value asks for the recursive tree, "0" and "false" too.
	entries, err := g.tree(sha, c.r.URL.Query().Has("recursive"))
	if err != nil {
		return nil, s.gitError(err)
	}
	truncated := len(entries) > s.options.MaxTreeEntries
	if truncated {
		entries = entries[:s.options.MaxTreeEntries]
	}
	base := s.repositoryURL(c.repo)
	list := make([]any, 0, len(entries))
	for _, e := range entries {
		row := object{"path": e.path, "mode": e.mode, "type": e.kind, "sha": e.id}
		switch e.kind {
		case "blob":
			row["size"], row["url"] = e.size, base+"/git/blobs/"+e.id
		case "tree":
			row["url"] = base + "/git/trees/" + e.id
		}
		list = append(list, row)
	}
	return object{"sha": sha, "url": base + "/git/trees/" + sha, "tree": list, "truncated": truncated}, nil
}

// wrapped is how GitHub writes base64: 60 characters a line.
func wrapped(data []byte) string {
	text := base64.StdEncoding.EncodeToString(data)
	var b strings.Builder
	for len(text) > 0 {
		n := min(60, len(text))
		b.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	return b.String()
}

// getBlob is GET …/git/blobs/{file_sha}.
func (s *Server) getBlob(c *call) (any, *apiError) {
	id := c.r.PathValue("file_sha")
	if !isObjectID(id) {
		return nil, &apiError{status: http.StatusUnprocessableEntity, message: "The sha parameter must be exactly 40 characters and contain only [0-9a-f]."}
	}
	data, err := c.repo.git.blob(id)
	if err != nil {
		return nil, s.gitError(err)
	}
	if c.accepts("raw") {
		return raw{"application/vnd.github.raw; charset=utf-8", data}, nil
	}
	return object{
		"sha": id, "node_id": nodeID("B", int64(len(data))), "size": len(data), "url": s.repositoryURL(c.repo) + "/git/blobs/" + id,
		"content": wrapped(data), "encoding": "base64",
	}, nil
}

// The sizes at which the contents endpoint gives less.
const (
	maxContents    = 1 << 20
	maxRawContents = 100 << 20
	maxDirectory   = 1000
)

// getContents is GET …/contents/{path}.
func (s *Server) getContents(c *call) (any, *apiError) {
	g := c.repo.git
	ref := cmp.Or(c.r.URL.Query().Get("ref"), c.repo.defaultBranch)
	commit, err := g.commitish(ref)
	if err != nil {
		return nil, &apiError{status: http.StatusNotFound, message: "No commit found for the ref " + ref}
	}
	path := strings.Trim(c.r.PathValue("path"), "/")
	e := treeEntry{kind: "tree", id: commit}
	if path != "" {
		if e, err = g.entry(commit, path); err != nil {
			return nil, s.gitError(err)
		}
	}
	if e.kind == "tree" {
		entries, err := g.tree(e.id, false)
		if err != nil {
			return nil, s.gitError(err)
		}
		list := []any{}
		for _, child := range entries[:min(len(entries), maxDirectory)] {
			child.path = strings.TrimPrefix(path+"/"+child.path, "/")
			list = append(list, s.contentJSON(c.repo, ref, child))
		}
		return list, nil
	}
	content := s.contentJSON(c.repo, ref, e)
	if e.kind != "blob" {
		return content, nil
	}
	data, err := g.blob(e.id)
	if err != nil {
		return nil, s.gitError(err)
	}
	switch {
	case e.size > maxRawContents, e.size > maxContents && !c.accepts("raw") && !c.accepts("object"):
		return nil, &apiError{status: http.StatusForbidden, message: "This API returns blobs up to 1 MB in size. The requested blob is too large to fetch via the API, but you can use the Git Data API to request blobs up to 100 MB in size.",
			errors: []any{object{"resource": "Blob", "field": "data", "code": "too_large"}}}
	case c.accepts("raw"):
		return raw{"application/vnd.github.raw; charset=utf-8", data}, nil
	case e.mode == "120000":
		content["target"] = string(data)
		return content, nil
	case e.size > maxContents:
		content["content"], content["encoding"] = "", "none"
	default:
		content["content"], content["encoding"] = wrapped(data), "base64"
	}
	return content, nil
}

// oneCommit reads a commit by id or branch.
func (c *call) oneCommit(ref string) (commitInfo, *apiError) {
	id, err := c.repo.git.commitish(ref)
	if err != nil {
		return commitInfo{}, &apiError{status: http.StatusUnprocessableEntity, message: "No commit found for SHA: " + ref}
	}
	infos, err := c.repo.git.commits("-1", id)
	if err != nil || len(infos) != 1 {
		return commitInfo{}, c.s.internal(fmt.Errorf("read commit %s: %w", id, errors.Join(err, errNotFound)))
	}
	return infos[0], nil
}

// getGitCommit is GET …/git/commits/{commit_sha}.
func (s *Server) getGitCommit(c *call) (any, *apiError) {
	if !isObjectID(c.r.PathValue("commit_sha")) {
		return nil, notFound()
	}
	info, failure := c.oneCommit(c.r.PathValue("commit_sha"))
	if failure != nil {
		return nil, notFound()
	}
	return s.gitCommitJSON(c.repo, info), nil
}

// getCommit is GET …/commits/{ref}.
func (s *Server) getCommit(c *call) (any, *apiError) {
	info, failure := c.oneCommit(c.r.PathValue("ref"))
	if failure != nil {
		return nil, failure
	}
	if c.accepts("sha") {
		return raw{"application/vnd.github.sha; charset=utf-8", []byte(info.id)}, nil
	}
	body := s.commitJSON(c.repo, info)
	parent := "4b825dc642cb6eb9a060e54bf8d69288fbee4904" // the empty tree
	if len(info.parents) > 0 {
		parent = info.parents[0]
	}
	files, err := c.repo.git.diff(parent, info.id, s.options.MaxPatchLines)
	if err != nil {
		return nil, s.internal(err)
	}
	total, gone := 0, 0
	list := []any{}
	for _, f := range files {
		total, gone = total+f.additions, gone+f.gone
		list = append(list, s.fileJSON(c.repo, info.id, f))
	}
	body["files"] = paginate(c, list)
	body["stats"] = object{"additions": total, "deletions": gone, "total": total + gone}
	return body, nil
}

// maxCompareFiles is how many files a comparison shows, on its first page only.
const maxCompareFiles = 300

// compare is GET …/compare/{base}...{head}.
func (s *Server) compare(c *call) (any, *apiError) {
	base, head, ok := strings.Cut(c.r.PathValue("basehead"), "...")
	if !ok {
		return nil, notFound()
	}
	g := c.repo.git
	base, baseErr := g.commitish(base)
	head, headErr := g.commitish(head)
	if baseErr != nil || headErr != nil {
		return nil, notFound()
	}
	fork, err := g.mergeBase(base, head)
	if err != nil {
		return nil, &apiError{status: http.StatusNotFound, message: fmt.Sprintf("No common ancestor between %s and %s.", base, head)}
	}
	infos, err := g.commits("--no-walk", "--no-color", base, fork)
	if err != nil {
		return nil, s.gitError(err)
	}
	byID := map[string]commitInfo{}
	for _, info := range infos {
		byID[info.id] = info
	}
	ahead, err := g.commits("--reverse", fork+".."+head)
	if err != nil {
		return nil, s.gitError(err)
	}
	behind, err := g.line("rev-list", "--count", head+".."+base)
	if err != nil {
		return nil, s.gitError(err)
	}
	behindBy, _ := strconv.Atoi(behind)
	status := "diverged"
	switch {
	case len(ahead) == 0 && behindBy == 0:
		status = "identical"
	case behindBy == 0:
		status = "ahead"
	case len(ahead) == 0:
		status = "behind"
	}
	commits := []any{}
	for _, info := range paginate(c, ahead) {
		commits = append(commits, s.commitJSON(c.repo, info))
	}
	files, err := g.diff(fork, head, s.options.MaxPatchLines)
	if err != nil {
		return nil, s.internal(err)
	}
	list := []any{}
	if page := c.r.URL.Query().Get("page"); page == "" || page == "1" {
		for _, f := range files[:min(len(files), maxCompareFiles)] {
			list = append(list, s.fileJSON(c.repo, head, f))
		}
	}
	api, web := s.repositoryURL(c.repo)+"/compare/"+base+"..."+head, s.pageURL(c.repo)+"/compare/"+base+"..."+head
	return object{
		"url": api, "html_url": web, "permalink_url": web, "diff_url": web + ".diff", "patch_url": web + ".patch",
		"base_commit": s.commitJSON(c.repo, byID[base]), "merge_base_commit": s.commitJSON(c.repo, byID[fork]),
		"status": status, "ahead_by": len(ahead), "behind_by": behindBy, "total_commits": len(ahead),
		"commits": commits, "files": list,
	}, nil
}
