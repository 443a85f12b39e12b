// Package web renders pages from values of its own: today the demo's page, which shows a review as
// a reader of the pull request sees it on GitHub.
package web

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
)

// PullRequest is what the page shows.
type PullRequest struct {
	Repository string // owner/name
	Number     int
	Title      string
	Author     string
	From, Into string // branch names
	Checks     []Check
	Reviews    []Review
	Files      []File
}

// Check is one check run. Summary is Markdown.
type Check struct{ Name, Conclusion, Title, Summary string }

// Review is one submitted review. Body is Markdown.
type Review struct{ Author, Body string }

// File is one file of the diff.
type File struct {
	Path    string
	Added   int
	Removed int
	Rows    []Row
}

// Row is one row of a diff, with the threads that stand below it.
type Row struct {
	Kind     string // "context", "added", "removed", "hunk"
	Old, New int    // line numbers, 0 for none
	Text     string
	Threads  []Thread
}

// Thread is a comment with its answers.
type Thread struct {
	First, Last int      // lines of the new file that it is about
	Original    []string // the text of these lines, which a suggestion would replace
	Comments    []Comment
}

// Comment is one comment of a thread. Body is Markdown.
type Comment struct{ Author, Body string }

//go:embed pullrequest.html
var pullRequestHTML string

var pullRequestPage = template.Must(template.New("pull request").Funcs(template.FuncMap{
	"markdown": func(text string) (template.HTML, error) { return markdown(text, nil) },
	"comment":  markdown,
	"number": func(n int) string {
		if n == 0 {
			return ""
		}
		return fmt.Sprint(n)
	},
}).Parse(pullRequestHTML))

// Render writes the page of a pull request.
func Render(pr PullRequest) ([]byte, error) {
	var out bytes.Buffer
	if err := pullRequestPage.Execute(&out, pr); err != nil {
		return nil, fmt.Errorf("render the pull request's page: %w", err)
	}
	return out.Bytes(), nil
}

// Handler serves the page of what current returns at "/", and nothing else. The page runs no script
// and loads nothing, which its Content-Security-Policy enforces.
func Handler(current func() (PullRequest, error)) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		pr, err := current()
		var page []byte
		if err == nil {
			page, err = Render(pr)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		header := w.Header()
		header.Set("Content-Type", "text/html; charset=utf-8")
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cache-Control", "no-store")
		// A reader who went away is not an error.
		_, _ = w.Write(page)
	})
	return mux
}
