// Package report renders what an analysis found: text for a person at a terminal, JSON, SARIF and
// GitHub's workflow commands for machines, and unified diffs that "git apply" takes.
//
// Everything that a repository can choose (names, paths, commands, lines) is written so that it can do
// nothing: control characters, escape sequences and bidirectional controls are shown, not sent.
package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Check is one result to render. Its methods only write: they return the writer's error.
type Check struct {
	Report analysis.Report
	// Files are the texts of the files that findings and suggestions are in, by path. Without a
	// file's text its lines are not shown, and it has no diff.
	Files map[string]*source.File
	// Workflows and Requirements are how many of these files were looked at beside the Dockerfiles, for
	// themselves.
	Workflows, Requirements int

	Rules []*rules.Rule // those that ran, for SARIF
	// Version is hitrate's, DocsURL where the pages of rules are (DOCS/RULE.md), without the final
	// slash; both may be "".
	Version, DocsURL string
	Colour           bool // for text: colours of a terminal
	// Fixed says that the suggestions and new files have been written: text then says so.
	Fixed bool
}

// proven is what was done to a suggestion before it was one; see package fix.
func (c *Check) proven(s *analysis.Suggestion) string {
	requirement := slices.ContainsFunc(s.Findings, func(i int) bool {
		f := c.Report.Findings[i]
		return f.Path == s.Path && f.Dockerfile != "" && f.Path != f.Dockerfile
	})
	switch {
	case strings.HasSuffix(s.Path, ".dockerignore"):
		return "Checked: no file of the repository is left out by it."
	case strings.HasPrefix(s.Path, ".github/workflows/"):
		return "Checked: nothing else in the workflow changes, and the build keeps its cache."
	case requirement:
		return "Checked: pip reads the rest of the file as before, and the line allowed this version."
	}
	return "Checked: compiles with BuildKit, same image configuration, otherwise the same steps."
}

// Change is one file as it is and as it would be with all suggestions.
type Change struct {
	Path   string
	Before []byte // nil for a file that is created
	After  []byte
}

// Changes gives every file that suggestions change or create, by path. Each suggestion replaces whole
// lines; the last of them keeps its line end or the lack of one. The error names a suggestion that does
// not fit the text in Files, which is then another text than the one that was analysed.
func (c *Check) Changes() ([]Change, error) {
	edits := map[string][]source.Edit{}
	for _, s := range c.Report.Suggestions {
		file := c.Files[s.Path]
		if file == nil {
			continue
		}
		if s.Lines.First < 1 || s.Lines.Last < s.Lines.First || s.Lines.Last > file.LineCount() {
			return nil, fmt.Errorf("apply suggestion for %s: it has no lines %d to %d", visible(s.Path), s.Lines.First, s.Lines.Last)
		}
		edits[s.Path] = append(edits[s.Path], file.ReplaceLines(s.Lines, s.Replacement))
	}
	var changes []Change
	for path, list := range edits {
		before := c.Files[path].Data
		after, err := source.Apply(before, list)
		if err != nil {
			return nil, fmt.Errorf("apply suggestions for %s: %w", visible(path), err)
		}
		if before == nil {
			before = []byte{}
		}
		changes = append(changes, Change{Path: path, Before: before, After: after})
	}
	for _, f := range c.Report.Findings {
		n := f.NewFile
		if n != nil && !slices.ContainsFunc(changes, func(c Change) bool { return c.Path == n.Path }) {
			changes = append(changes, Change{Path: n.Path, After: []byte(n.Text)})
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return cmp.Compare(a.Path, b.Path) })
	return changes, nil
}

// suggestion gives a finding's suggestion, nil where it has none.
func (c *Check) suggestion(f analysis.Finding) *analysis.Suggestion {
	if f.Suggestion < 0 || f.Suggestion >= len(c.Report.Suggestions) {
		return nil
	}
	return &c.Report.Suggestions[f.Suggestion]
}

// ruleURL is the page of a rule, "" where there are no pages.
func (c *Check) ruleURL(id string) string {
	if c.DocsURL == "" {
		return ""
	}
	return c.DocsURL + "/" + id + ".md"
}

// Message is what a finding says, as one plain text: what is so, what it costs, what to do.
func Message(f analysis.Finding) string {
	return join(f.Title, f.Why, f.Advice)
}

func join(texts ...rules.Text) string {
	var parts []string
	for _, t := range texts {
		if p := Plain(t); p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, " ")
}
