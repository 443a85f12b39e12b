package githubtest

import (
	"cmp"
	"fmt"
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
		if _, err := r.commit("main", "octocat", Commit{"Initial commit", Edit{Files: files}}); err != nil {
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
	return r.CommitAll(login, branch, Commit{message, e})
}

// CommitAll makes commits on a branch, one on top of the other, and pushes them at once.
func (r *Repository) CommitAll(login, branch string, commits ...Commit) (string, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.commit(branch, login, commits...)
}

func (r *Repository) commit(branch, login string, commits ...Commit) (string, error) {
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
	id, err := r.git.commit("refs/heads/"+branch, before, by.signature(), r.s.now(), commits...)
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
	id, err := r.git.commit("refs/heads/"+branch, parent, by.signature(), r.s.now(), Commit{message, e})
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
