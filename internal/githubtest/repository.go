package githubtest

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Repository is one repository, with its commits on disk.
type Repository struct {
	s             *Server
	id            int64
	owner         *user
	name          string
	private       bool
	deleted       bool
	defaultBranch string
	parent        *Repository // of a fork
	git           gitDir
	created       time.Time
	pulls         []*PullRequest
	lastNumber    int
	checks        []*checkRun
}

// CreateRepository makes a repository with one commit on its branch main; with files nil it is empty.
// The owner is made an organisation where it does not exist; see CreateUser.
func (s *Server) CreateRepository(owner, name string, files map[string]string) (*Repository, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.newRepository(s.account(owner, "Organization"), name)
	if err != nil {
		return nil, err
	}
	if files != nil {
		if _, err := r.commit("main", "Initial commit", "octocat", Edit{Files: files}); err != nil {
			return nil, fmt.Errorf("create repository %s: %w", r.fullName(), err)
		}
	}
	return r, nil
}

func (s *Server) newRepository(owner *user, name string) (*Repository, error) {
	key := strings.ToLower(owner.login + "/" + name)
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, `/\`) {
		return nil, fmt.Errorf("create repository: bad name %q", name)
	}
	if _, ok := s.repositories[key]; ok {
		return nil, fmt.Errorf("create repository %s/%s: exists", owner.login, name)
	}
	r := &Repository{
		s: s, id: s.nextID(), owner: owner, name: name, defaultBranch: "main", created: s.now(),
		git: gitDir(filepath.Join(s.options.Dir, strconv.FormatInt(s.lastID, 10)+".git")),
	}
	if err := r.git.initialise("main"); err != nil {
		return nil, fmt.Errorf("create repository %s: %w", r.fullName(), err)
	}
	s.repositories[key] = r
	return r, nil
}

// CreateUser makes a person's account. Accounts that are only named are made as they are needed:
// owners as organisations, authors as persons.
func (s *Server) CreateUser(login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.account(login, "User")
}

// Repository returns a repository, or nil.
func (s *Server) Repository(owner, name string) *Repository {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.repositories[strings.ToLower(owner+"/"+name)]
}

func (s *Server) repositoryByID(id int64) *Repository {
	for _, r := range s.repositories {
		if r.id == id {
			return r
		}
	}
	return nil
}

// repositoryID returns the id of a repository, or 0.
func (s *Server) repositoryID(owner, name string) int64 {
	if r, ok := s.repositories[strings.ToLower(owner+"/"+name)]; ok {
		return r.id
	}
	return 0
}

func (s *Server) sortedRepositories() []*Repository {
	var list []*Repository
	for _, key := range sortedKeys(s.repositories) {
		list = append(list, s.repositories[key])
	}
	slices.SortStableFunc(list, func(a, b *Repository) int { return cmp.Compare(a.id, b.id) })
	return list
}

// ID is the repository's id.
func (r *Repository) ID() int64 { return r.id }

// Owner is the login of the repository's account.
func (r *Repository) Owner() string { return r.owner.login }

// Name is the repository's name without its owner.
func (r *Repository) Name() string { return r.name }

func (r *Repository) fullName() string { return r.owner.login + "/" + r.name }

// GitDir is the bare repository on disk, for a test's own git commands. It must not be written to.
func (r *Repository) GitDir() string { return string(r.git) }

// SetPrivate makes the repository private or public.
func (r *Repository) SetPrivate(private bool) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.private = private
}

// Delete deletes the repository: the API knows it no more, and the pull requests that came from it
// have no head repository.
func (r *Repository) Delete() {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.deleted = true
	delete(r.s.repositories, strings.ToLower(r.fullName()))
}

// Fork copies the repository to another account, a person's where it does not exist.
func (r *Repository) Fork(owner string) (*Repository, error) {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	f, err := s.newRepository(s.account(owner, "User"), r.name)
	if err != nil {
		return nil, err
	}
	f.parent, f.private, f.defaultBranch = r, r.private, r.defaultBranch
	if head, err := r.git.branch(r.defaultBranch); err == nil {
		if err := f.git.fetch(r.git, head, "refs/heads/"+r.defaultBranch); err != nil {
			return nil, fmt.Errorf("fork %s: %w", r.fullName(), err)
		}
	}
	return f, nil
}

// Branch makes a branch at another one or at a commit.
func (r *Repository) Branch(name, from string) error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	if !validBranch(name) {
		return fmt.Errorf("create branch %q: bad name", name)
	}
	if _, err := r.git.branch(name); err == nil {
		return fmt.Errorf("create branch %s: exists", name)
	}
	commit, err := r.git.commitish(from)
	if err != nil {
		return fmt.Errorf("create branch %s: %w", name, err)
	}
	return r.git.setRef("refs/heads/"+name, commit)
}

// Head is the commit of a branch, or of any other revision.
func (r *Repository) Head(branch string) (string, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.git.commitish(branch)
}

// ReadFile reads a file of a branch or commit.
func (r *Repository) ReadFile(revision, path string) ([]byte, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	commit, err := r.git.commitish(revision)
	if err != nil {
		return nil, err
	}
	e, err := r.git.entry(commit, path)
	if err != nil {
		return nil, err
	}
	return r.git.blob(e.id)
}

// Commit makes a commit on a branch and pushes it: open pull requests from there get a webhook
// "synchronize". A branch that does not exist begins at the default branch.
func (r *Repository) Commit(branch, message string, e Edit) (string, error) {
	return r.CommitAs("octocat", branch, message, e)
}

// CommitAs is Commit by somebody else.
func (r *Repository) CommitAs(login, branch, message string, e Edit) (string, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.commit(branch, message, login, e)
}

func (r *Repository) commit(branch, message, login string, e Edit) (string, error) {
	if !validBranch(branch) {
		return "", fmt.Errorf("commit to %q: bad name", branch)
	}
	before, err := r.git.branch(branch)
	if err != nil {
		before, err = r.git.branch(r.defaultBranch)
		if err != nil {
			before = "" // the first commit of all
		}
	}
	by := r.s.account(login, "User")
	id, err := r.git.commit("refs/heads/"+branch, before, message, by.signature(), r.s.now(), e)
	if err != nil {
		return "", fmt.Errorf("commit to %s of %s: %w", branch, r.fullName(), err)
	}
	return id, r.pushed(branch, by)
}

// ForcePush moves a branch to any commit, as git push --force does.
func (r *Repository) ForcePush(branch, commit string) error {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	id, err := r.git.commitish(commit)
	if err != nil {
		return fmt.Errorf("push to %s: %w", branch, err)
	}
	if !validBranch(branch) {
		return fmt.Errorf("push to %q: bad name", branch)
	}
	if err := r.git.setRef("refs/heads/"+branch, id); err != nil {
		return err
	}
	return r.pushed(branch, r.s.account("octocat", "User"))
}

// Rewrite replaces a branch by one new commit on top of another revision, as a rebase or an amended
// commit that is pushed with --force does.
func (r *Repository) Rewrite(branch, onto, message string, e Edit) (string, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	parent, err := r.git.commitish(onto)
	if err != nil {
		return "", fmt.Errorf("rewrite %s: %w", branch, err)
	}
	if !validBranch(branch) {
		return "", fmt.Errorf("rewrite %q: bad name", branch)
	}
	by := r.s.account("octocat", "User")
	id, err := r.git.commit("refs/heads/"+branch, parent, message, by.signature(), r.s.now(), e)
	if err != nil {
		return "", fmt.Errorf("rewrite %s: %w", branch, err)
	}
	return id, r.pushed(branch, by)
}

// pushed brings the open pull requests from a branch up to its head. The lock is held.
func (r *Repository) pushed(branch string, by *user) error {
	for _, base := range r.s.sortedRepositories() {
		for _, p := range base.pulls {
			if p.open && p.head.repo == r && p.head.ref == branch {
				if err := p.followHead(by); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (u *user) signature() signature {
	return signature{u.login, fmt.Sprintf("%d+%s@users.noreply.github.com", u.id, u.login)}
}

// getRepository is GET /repos/{owner}/{repo}.
func (s *Server) getRepository(c *call) (any, *apiError) { return s.fullRepositoryJSON(c.repo), nil }

// listInstallationRepositories is GET /installation/repositories.
func (s *Server) listInstallationRepositories(c *call) (any, *apiError) {
	var list []any
	t := c.who.token
	for _, r := range s.sortedRepositories() {
		if t.installation.has(r) && (t.repositories == nil || t.repositories[r.id]) {
			list = append(list, s.repositoryJSON(r))
		}
	}
	page := paginate(c, list)
	if page == nil {
		page = []any{}
	}
	return object{"total_count": len(list), "repositories": page}, nil
}

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
