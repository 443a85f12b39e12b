package report

import (
	"encoding/json"
	"io"
	"unicode/utf8"

	"github.com/hitrate-bot/hitrate/internal/analysis"
)

// The JSON of "check --format json". Its fields are a contract: programs read them. New ones may come;
// what is there keeps its meaning as long as the version does.
type jsonReport struct {
	Version  int           `json:"version"`
	Findings []jsonFinding `json:"findings"`
	Errors   []jsonError   `json:"errors"`
	Skipped  []jsonSkipped `json:"skipped"`
}

type jsonFinding struct {
	Rule      string      `json:"rule"`
	Severity  string      `json:"severity"`
	Path      string      `json:"path"`
	StartLine int         `json:"start_line"`
	EndLine   int         `json:"end_line"`
	Message   string      `json:"message"`
	Related   []jsonPlace `json:"related"`
	Fix       *jsonFix    `json:"fix"`
}

type jsonPlace struct {
	Path      string `json:"path"`
	StartLine int    `json:"start_line"`
	EndLine   int    `json:"end_line"`
}

// jsonFix is a proven edit, or, not verified and without edits, why there is none.
type jsonFix struct {
	Verified bool       `json:"verified"`
	Withheld string     `json:"withheld"`
	Edits    []jsonEdit `json:"edits"`
}

// jsonEdit replaces whole lines: the replacement is without the last newline, an empty one deletes.
type jsonEdit struct {
	Path        string `json:"path"`
	StartLine   int    `json:"start_line"`
	EndLine     int    `json:"end_line"`
	Replacement string `json:"replacement"`
}

// jsonError is a file that does not parse; its line is 0 where none is known.
type jsonError struct {
	Path    string `json:"path"`
	Line    int    `json:"line"`
	Message string `json:"message"`
}

type jsonSkipped struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// JSON writes the result as one JSON value.
func (c *Check) JSON(w io.Writer) error {
	out := jsonReport{Version: 1, Findings: []jsonFinding{}, Errors: []jsonError{}, Skipped: []jsonSkipped{}}
	for _, f := range c.Report.Findings {
		one := jsonFinding{
			Rule: f.Rule, Severity: f.Severity, Path: f.Path, StartLine: f.Lines.First, EndLine: f.Lines.Last,
			Message: Message(f), Related: []jsonPlace{}, Fix: c.jsonFix(f),
		}
		for _, p := range f.Related {
			one.Related = append(one.Related, jsonPlace{p.Path, p.Lines.First, p.Lines.Last})
		}
		out.Findings = append(out.Findings, one)
	}
	for _, p := range c.Report.Errors {
		out.Errors = append(out.Errors, jsonError{p.Path, p.Line, visible(p.Message)})
	}
	for _, p := range c.Report.Skipped {
		out.Skipped = append(out.Skipped, jsonSkipped{p.Path, visible(p.Message)})
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

func (c *Check) jsonFix(f analysis.Finding) *jsonFix {
	s := c.suggestion(f)
	switch {
	case s != nil && utf8.ValidString(s.Replacement):
		return &jsonFix{Verified: true, Edits: []jsonEdit{{s.Path, s.Lines.First, s.Lines.Last, s.Replacement}}}
	case s != nil:
		return &jsonFix{Withheld: "the edit is not UTF-8, which JSON has to be", Edits: []jsonEdit{}}
	case f.Withheld != "":
		return &jsonFix{Withheld: visible(f.Withheld), Edits: []jsonEdit{}}
	}
	return nil
}
