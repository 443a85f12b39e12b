package githubtest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// side is one end of a pull request.
type side struct {
	repo *Repository
	ref  string // branch
	sha  string // as the pull request knows it: a push to the base does not move it until the next event
}

// PullRequest is one pull request.
type PullRequest struct {
	s          *Server
	id         int64
	number     int
	title      string
	body       string
	author     *user
	head, base side
	open       bool
	draft      bool
	merged     bool
	mayModify  bool // maintainers may push to the fork's branch
	created    time.Time
	updated    time.Time
	closed     *time.Time
	lag        int // reads that still answer 404

	reviews  []*review
	comments []*comment
	resolved map[int64]bool // by the first comment of the thread

	// What git said of commits, which never change.
	diffs  map[string][]*changedFile // by "merge base..commit"
	bases  map[string]string         // merge base, by "base..commit"
	counts map[string]int            // commits, by "base..commit"
}

// NewPullRequest says what to open.
type NewPullRequest struct {
	Head  string      // branch
	From  *Repository // the fork that has the branch; default the repository itself
	Base  string      // branch; default the default branch
	Title string      // default the branch's name
	Body  string
	Draft bool
	// Author's login; default octocat, or the owner of the fork.
	Author string
	// NoMaintainerEdits forbids maintainers to push to the fork's branch, so that only the author can
	// apply suggestions.
	NoMaintainerEdits bool
}

// OpenPullRequest opens a pull request and sends its webhook "opened".
func (r *Repository) OpenPullRequest(n NewPullRequest) (*PullRequest, error) {
	s := r.s
	s.mu.Lock()
	defer s.mu.Unlock()
	from := cmp.Or(n.From, r)
	author := "octocat"
	if from != r && from.owner.kind == "User" {
		author = from.owner.login
	}
	base := cmp.Or(n.Base, r.defaultBranch)
	baseID, err := r.git.branch(base)
	if err != nil {
		return nil, fmt.Errorf("open pull request: base: %w", err)
	}
	headID, err := from.git.branch(n.Head)
	if err != nil {
		return nil, fmt.Errorf("open pull request: head: %w", err)
	}
	r.lastNumber++
	p := &PullRequest{
		s: s, id: s.nextID(), number: r.lastNumber, title: cmp.Or(n.Title, n.Head), body: n.Body,
		author: s.account(cmp.Or(n.Author, author), "User"),
		head:   side{from, n.Head, ""}, base: side{r, base, baseID},
		open: true, draft: n.Draft, mayModify: from != r && !n.NoMaintainerEdits,
		created: s.now(), updated: s.now(), resolved: map[int64]bool{}, diffs: map[string][]*changedFile{},
		bases: map[string]string{}, counts: map[string]int{},
	}
	if err := p.setHead(headID); err != nil {
		r.lastNumber--
		return nil, fmt.Errorf("open pull request: %w", err)
	}
	if _, err := p.mergeBase(headID); err != nil {
		r.lastNumber--
		return nil, fmt.Errorf("open pull request: %w", err)
	}
	r.pulls = append(r.pulls, p)
	p.emit("opened", p.author, nil)
	return p, nil
}

// PullRequest returns a pull request by number, or nil.
func (r *Repository) PullRequest(number int) *PullRequest {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	return r.pull(number)
}

func (r *Repository) pull(number int) *PullRequest {
	for _, p := range r.pulls {
		if p.number == number {
			return p
		}
	}
	return nil
}

// setHead makes a commit of the head repository the pull request's head, present in the base
// repository under refs/pull/N/head.
func (p *PullRequest) setHead(id string) error {
	ref := fmt.Sprintf("refs/pull/%d/head", p.number)
	var err error
	if p.head.repo == p.base.repo {
		err = p.base.repo.git.setRef(ref, id)
	} else {
		err = p.base.repo.git.fetch(p.head.repo.git, id, ref)
	}
	if err == nil {
		p.head.sha = id
	}
	return err
}

// followHead takes over the head branch's present commit. The lock is held.
func (p *PullRequest) followHead(by *user) error {
	id, err := p.head.repo.git.branch(p.head.ref)
	if err != nil || id == p.head.sha {
		return err
	}
	before := p.head.sha
	if err := p.setHead(id); err != nil {
		return err
	}
	p.refreshBase()
	if err := p.anchorComments(); err != nil {
		return err
	}
	p.emit("synchronize", by, object{"before": before, "after": id})
	return nil
}

// refreshBase takes over the base branch's present head.
func (p *PullRequest) refreshBase() {
	if id, err := p.base.repo.git.branch(p.base.ref); err == nil {
		p.base.sha = id
	}
}

// Number is the pull request's number.
func (p *PullRequest) Number() int { return p.number }

// ID is the pull request's id.
func (p *PullRequest) ID() int64 { return p.id }

// Repository is the base repository.
func (p *PullRequest) Repository() *Repository { return p.base.repo }

// Head is the commit that the pull request proposes.
func (p *PullRequest) Head() string {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.head.sha
}

// HTMLURL is the address of its page.
func (p *PullRequest) HTMLURL() string {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.pageURL()
}

// Close closes the pull request.
func (p *PullRequest) Close() { p.setOpen(false, false) }

// Merge merges the head into the base branch, where they do not conflict, and closes the pull
// request.
func (p *PullRequest) Merge() error {
	p.s.mu.Lock()
	git := p.base.repo.git
	p.refreshBase()
	tree, err := git.line("merge-tree", "--write-tree", p.base.sha, p.head.sha)
	if err != nil {
		p.s.mu.Unlock()
		return fmt.Errorf("merge pull request %d: %w", p.number, err)
	}
	by := p.author.signature()
	id, err := git.line("-c", "user.name="+by.name, "-c", "user.email="+by.email, "commit-tree", "-p", p.base.sha, "-p", p.head.sha,
		"-m", fmt.Sprintf("Merge pull request #%d from %s/%s\n\n%s", p.number, p.head.repo.owner.login, p.head.ref, p.title), tree)
	if err == nil {
		err = git.setRef("refs/heads/"+p.base.ref, id)
	}
	p.s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("merge pull request %d: %w", p.number, err)
	}
	p.setOpen(false, true)
	return nil
}

// Reopen opens the pull request again, at its branch's present head.
func (p *PullRequest) Reopen() { p.setOpen(true, false) }

func (p *PullRequest) setOpen(open, merged bool) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.open == open || p.merged {
		return
	}
	p.open, p.merged, p.updated = open, merged, p.s.now()
	if open {
		p.closed = nil
		if id, err := p.head.repo.git.branch(p.head.ref); err == nil && id != p.head.sha {
			if err := p.setHead(id); err != nil {
				p.s.violate("githubtest failed: reopen: %v", err)
			}
			if err := p.anchorComments(); err != nil {
				p.s.violate("githubtest failed: reopen: %v", err)
			}
		}
		p.emit("reopened", p.author, nil)
		return
	}
	now := p.s.now()
	p.closed = &now
	p.emit("closed", p.author, nil)
}

// MarkReady ends the draft.
func (p *PullRequest) MarkReady() { p.setDraft(false) }

// ConvertToDraft makes it a draft again.
func (p *PullRequest) ConvertToDraft() { p.setDraft(true) }

func (p *PullRequest) setDraft(draft bool) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.draft == draft {
		return
	}
	p.draft, p.updated = draft, p.s.now()
	action := "ready_for_review"
	if draft {
		action = "converted_to_draft"
	}
	p.emit(action, p.author, nil)
}

// Retarget changes the base branch: a webhook "edited" with changes.base.
func (p *PullRequest) Retarget(base string) error {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	id, err := p.base.repo.git.branch(base)
	if err != nil {
		return fmt.Errorf("retarget pull request %d: %w", p.number, err)
	}
	old := p.base
	p.base.ref, p.base.sha, p.updated = base, id, p.s.now()
	if err := p.anchorComments(); err != nil {
		return err
	}
	p.emit("edited", p.author, object{"changes": object{"base": object{
		"ref": object{"from": old.ref}, "sha": object{"from": old.sha},
	}}})
	return nil
}

// Rename changes the title: a webhook "edited" without changes.base.
func (p *PullRequest) Rename(title string) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	old := p.title
	p.title, p.updated = title, p.s.now()
	p.emit("edited", p.author, object{"changes": object{"title": object{"from": old}}})
}

// mergeBase is where a commit of the pull request left the base.
func (p *PullRequest) mergeBase(commit string) (string, error) {
	key := p.base.sha + ".." + commit
	if id, ok := p.bases[key]; ok {
		return id, nil
	}
	id, err := p.base.repo.git.mergeBase(p.base.sha, commit)
	if err == nil {
		p.bases[key] = id
	}
	return id, err
}

// commitCount is how many commits the head has that the base has not.
func (p *PullRequest) commitCount() int {
	key := p.base.sha + ".." + p.head.sha
	if n, ok := p.counts[key]; ok {
		return n
	}
	n := 0
	if text, err := p.base.repo.git.line("rev-list", "--count", key); err == nil {
		n, _ = strconv.Atoi(text)
	}
	p.counts[key] = n
	return n
}

// files is the pull request's diff up to a commit of it: three dots, against the merge base.
func (p *PullRequest) files(commit string) ([]*changedFile, error) {
	base, err := p.mergeBase(commit)
	if err != nil {
		return nil, err
	}
	key := base + ".." + commit
	if files, ok := p.diffs[key]; ok {
		return files, nil
	}
	files, err := p.base.repo.git.diff(base, commit, p.s.options.MaxPatchLines)
	if err == nil {
		p.diffs[key] = files
	}
	return files, err
}

// file returns one file of the diff by its new path, or nil.
func (p *PullRequest) file(commit, path string) (*changedFile, error) {
	files, err := p.files(commit)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(files, func(f *changedFile) bool { return f.path == path })
	if i < 0 {
		return nil, nil
	}
	return files[i], nil
}

// contains says whether a commit is one of the pull request's own.
func (p *PullRequest) contains(commit string) bool {
	git := p.base.repo.git
	if !isObjectID(commit) {
		return false
	}
	if id, err := git.resolve(commit, "commit"); err != nil || id != commit {
		return false
	}
	return commit == p.head.sha || (git.isAncestor(commit, p.head.sha) && !git.isAncestor(commit, p.base.sha))
}

// pull finds the pull request of a call.
func (c *call) pull() (*PullRequest, *apiError) {
	p := c.repo.pull(int(c.number("pull_number")))
	if p == nil {
		return nil, notFound()
	}
	if c.r.Method == http.MethodGet && p.lag > 0 {
		p.lag--
		return nil, notFound()
	}
	return p, nil
}

// getPullRequest is GET …/pulls/{pull_number}.
func (s *Server) getPullRequest(c *call) (any, *apiError) {
	p, failure := c.pull()
	if failure != nil {
		return nil, failure
	}
	if c.accepts("diff") {
		base, err := p.mergeBase(p.head.sha)
		if err != nil {
			return nil, s.internal(err)
		}
		text, err := p.base.repo.git.run(nil, "diff-tree", "-r", "-M", "-p", "--no-color", "--no-ext-diff", "--no-textconv", base, p.head.sha)
		if err != nil {
			return nil, s.internal(err)
		}
		return raw{"application/vnd.github.diff; charset=utf-8", text}, nil
	}
	return p.json(), nil
}

// maxFiles is how many files of a pull request are listed.
const maxFiles = 3000

// listFiles is GET …/pulls/{pull_number}/files.
func (s *Server) listFiles(c *call) (any, *apiError) {
	p, failure := c.pull()
	if failure != nil {
		return nil, failure
	}
	files, err := p.files(p.head.sha)
	if err != nil {
		return nil, s.internal(err)
	}
	list := []any{}
	for _, f := range paginate(c, files[:min(len(files), maxFiles)]) {
		list = append(list, s.fileJSON(c.repo, p.head.sha, f))
	}
	return list, nil
}
