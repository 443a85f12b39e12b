// Package analysis is the whole pure work on one tree: Dockerfiles in, findings and proven
// suggestions out, both as values that survive JSON, so that serve can hand them to a child process
// with bounded memory and time while local commands call it directly.
package analysis

import (
	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Request is one tree to look at.
type Request struct {
	Config config.Repository    `json:"config"`
	Tree   []buildcontext.Entry `json:"tree"`
	// Repository is the address of the repository, as git or a forge writes it; "" where it is not known.
	Repository string `json:"repository,omitempty"`
	// Blobs holds the texts fetched so far, by Entry.Object. What is missing and needed comes back in
	// Report.Needs: fetch it, add it, ask again.
	Blobs map[string][]byte `json:"blobs"`
	// Unreadable says why the text of an object is not had (too large, binary), by Entry.Object.
	Unreadable map[string]string `json:"unreadable,omitempty"`
	// Dockerfiles are the ones to look at; nil: all that the configuration selects.
	Dockerfiles []string `json:"dockerfiles"`
	// Changed narrows Dockerfiles to those that a change touches: they themselves, the ignore file
	// that applies, or a file that their installs read is among these paths. nil: no narrowing.
	Changed []string `json:"changed"`
	// WithoutFixes leaves out proofs (the merge base needs findings only).
	WithoutFixes bool `json:"without_fixes,omitempty"`
	// WithoutRules leaves out findings too: only the plans are asked for, and stages that no build needs
	// may be broken.
	WithoutRules bool `json:"without_rules,omitempty"`
	// Choice narrows the builds of each Dockerfile to one; nil: as configured or inferred.
	Choice *Choice `json:"choice,omitempty"`
	// Base is the tree to compare plans with (the merge base); nil: no states.
	Base []buildcontext.Entry `json:"base,omitempty"`
	// Ignored are the files and folders of a work tree that git ignores, as paths of the repository: of what a
	// build takes of them a plan's caveats tell.
	Ignored []string `json:"ignored,omitempty"`
	// History is counted over; nil: no counts.
	History *History `json:"history,omitempty"`
}

// Report is what was found. When Needs is not empty the rest is unfinished and to be thrown away.
type Report struct {
	Needs       []string     `json:"needs,omitempty"` // objects
	Dockerfiles []Dockerfile `json:"dockerfiles"`     // those looked at, by path
	Findings    []Finding    `json:"findings"`        // by path and line
	Suggestions []Suggestion `json:"suggestions"`     // by path and line
	Errors      []Problem    `json:"errors"`          // files that do not parse
	Skipped     []Problem    `json:"skipped"`         // files not looked at, "not analysed", with the reason and what to do
}

// Dockerfile is one file that was looked at.
type Dockerfile struct {
	Path       string               `json:"path"`
	Builds     []buildcontext.Build `json:"builds"`
	IgnoreFile string               `json:"ignore_file,omitempty"`
	Manifests  []string             `json:"manifests,omitempty"` // repository paths that its installs read
	// Plans are one for each of Builds, the primary one first, where Request has a Base or a History.
	Plans []Plan `json:"plans,omitempty"`
}

// Problem is something about a file. Line is 0 where there is none.
type Problem struct {
	Path    string `json:"path"`
	Line    int    `json:"line,omitempty"`
	Message string `json:"message"`
}

// Finding is a rules.Finding with lines instead of spans.
type Finding struct {
	Rule     string       `json:"rule"`
	Severity string       `json:"severity"`
	Path     string       `json:"path"`
	Lines    source.Lines `json:"lines"`
	Related  []Place      `json:"related,omitempty"`
	// Dockerfile is the file whose build the finding is about; Path may be a requirements file.
	Dockerfile string `json:"dockerfile"`
	Stage      string `json:"stage,omitempty"`
	Subject    string `json:"subject,omitempty"`
	// Ordinal counts equals of (rule, path, stage, subject) in file order, from 0.
	Ordinal int `json:"ordinal,omitempty"`
	// Weight says how much of what was copied stands in the way (files that the COPY brings): a
	// finding whose weight grew was made worse. 0 where that means nothing.
	Weight int `json:"weight,omitempty"`

	Title  rules.Text `json:"title"`
	Here   rules.Text `json:"here"`
	Why    rules.Text `json:"why"`
	Advice rules.Text `json:"advice"`
	Done   rules.Text `json:"done"`

	Suggestion int            `json:"suggestion"` // index into Report.Suggestions, -1 for none
	Withheld   string         `json:"withheld,omitempty"`
	NewFile    *rules.NewFile `json:"new_file,omitempty"`
}

// Place is lines of a file.
type Place struct {
	Path  string       `json:"path"`
	Lines source.Lines `json:"lines"`
}

// Suggestion is a proven replacement of whole lines.
type Suggestion struct {
	Path        string       `json:"path"`
	Lines       source.Lines `json:"lines"`
	Replacement string       `json:"replacement"` // without the last newline; "" deletes
	Findings    []int        `json:"findings"`    // indexes into Report.Findings
	Notes       []rules.Text `json:"notes,omitempty"`
}
