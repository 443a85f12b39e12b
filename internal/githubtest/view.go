package githubtest

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// View is a pull request as its page shows it.
type View struct {
	Repository string // owner/name
	Number     int
	Title      string
	Body       string
	Author     string
	State      string // open, closed, merged
	Draft      bool
	BaseRef    string
	HeadRef    string
	Head       string
	URL        string
	Files      []FileView
	Outdated   []Thread   // on files that are not in the diff any more
	Reviews    []Review   // submitted ones, oldest first
	CheckRuns  []CheckRun // of the head
}

// FileView is one file of the pull request's diff.
type FileView struct {
	Path, Previous string
	Status         string
	Additions      int
	Deletions      int
	HasPatch       bool
	Hunks          []HunkView
	Outdated       []Thread // threads that no line of the diff holds any more
}

// HunkView is a hunk with the threads at its rows.
type HunkView struct {
	Header string
	Rows   []RowView
}

// RowView is a row of the diff and the threads below it.
type RowView struct {
	Row
	Threads []Thread
}

// Thread is an inline comment with its replies.
type Thread struct {
	Comments    []Comment
	Side        string
	Start, Line int // 0 where outdated; Start is Line for one line
	Outdated    bool
	Resolved    bool
	Suggestions []Suggestion // of the first comment
}

// Suggestion is a suggested change as red and green lines.
type Suggestion struct {
	Old, New []string
	// Refused is why it cannot be committed; "" where it can.
	Refused string
}

// View returns what a reader of the pull request sees.
func (p *PullRequest) View() (View, error) {
	s := p.s
	s.mu.Lock()
	v := View{
		Repository: p.base.repo.fullName(), Number: p.number, Title: p.title, Body: p.body, Author: p.author.login, State: "open", Draft: p.draft,
		BaseRef: p.base.ref, HeadRef: p.head.ref, Head: p.head.sha, URL: p.pageURL(),
	}
	switch {
	case p.merged:
		v.State = "merged"
	case !p.open:
		v.State = "closed"
	}
	err := p.viewFiles(&v)
	for _, r := range p.reviews {
		if r.state != statePending {
			v.Reviews = append(v.Reviews, p.reviewData(r))
		}
	}
	repo := p.base.repo
	s.mu.Unlock()
	if err != nil {
		return View{}, fmt.Errorf("show pull request %d: %w", p.number, err)
	}
	v.CheckRuns = repo.CheckRuns(v.Head)
	return v, nil
}

func (p *PullRequest) viewFiles(v *View) error {
	files, err := p.files(p.head.sha)
	if err != nil {
		return err
	}
	threads, err := p.threads()
	if err != nil {
		return err
	}
	for _, f := range files {
		fv := FileView{Path: f.path, Previous: f.previous, Status: f.status, Additions: f.additions, Deletions: f.gone, HasPatch: f.hasPatch}
		for _, h := range f.hunks {
			hv := HunkView{Header: h.Header}
			for _, r := range h.Rows {
				rv := RowView{Row: r}
				for _, t := range threads {
					if t.Comments[0].Path == f.path && !t.Outdated && r.on(t.Side) == t.Line {
						rv.Threads = append(rv.Threads, t)
					}
				}
				hv.Rows = append(hv.Rows, rv)
			}
			fv.Hunks = append(fv.Hunks, hv)
		}
		for _, t := range threads {
			if t.Comments[0].Path == f.path && t.Outdated {
				fv.Outdated = append(fv.Outdated, t)
			}
		}
		v.Files = append(v.Files, fv)
	}
	for _, t := range threads {
		if !slices.ContainsFunc(files, func(f *changedFile) bool { return f.path == t.Comments[0].Path }) {
			v.Outdated = append(v.Outdated, t)
		}
	}
	return nil
}

// Threads are all conversations, by their first comments; threads whose file left the diff too.
func (p *PullRequest) Threads() ([]Thread, error) {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	return p.threads()
}

func (p *PullRequest) threads() ([]Thread, error) {
	var threads []Thread
	for _, c := range p.comments {
		if c.review.state == statePending {
			continue
		}
		i := slices.IndexFunc(threads, func(t Thread) bool { return thread(t.Comments[0]) == c.thread() })
		if i >= 0 {
			threads[i].Comments = append(threads[i].Comments, p.commentData(c))
			continue
		}
		t := Thread{Comments: []Comment{p.commentData(c)}, Side: c.side, Start: cmp.Or(c.start, c.line), Line: c.line, Outdated: c.outdated(), Resolved: p.resolved[c.thread()]}
		for n, block := range suggestionsIn(c.body) {
			suggestion := Suggestion{New: suggestedLines(block), Old: p.commentedLines(c)}
			_, err := p.suggestion(c, n)
			var refusal *SuggestionError
			if errors.As(err, &refusal) {
				suggestion.Refused = refusal.Reason
			} else if err != nil {
				return nil, err
			}
			t.Suggestions = append(t.Suggestions, suggestion)
		}
		threads = append(threads, t)
	}
	return threads, nil
}

// thread is the id of the first comment of a comment's thread.
func thread(c Comment) int64 { return cmp.Or(c.ReplyTo, c.ID) }

// commentedLines is the text that a comment was made on, at the commit where it was.
func (p *PullRequest) commentedLines(c *comment) []string {
	f, err := p.file(c.originalCommit, c.path)
	if err != nil || f == nil {
		return nil
	}
	var lines []string
	for _, h := range f.hunks {
		for _, r := range h.Rows {
			if n := r.on(c.side); n > 0 && n >= cmp.Or(c.originalStart, c.originalLine) && n <= c.originalLine {
				lines = append(lines, r.Text)
			}
		}
	}
	return lines
}
