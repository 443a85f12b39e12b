package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// An archive in testdata holds the files of a repository under files/, the analysis of them as
// report.json, and every rendering. UPDATE=1 writes the renderings.
var renderings = []struct {
	name   string
	render func(*Check, io.Writer) error
}{
	{"text", (*Check).Text},
	{"json", (*Check).JSON},
	{"github", (*Check).GitHub},
	{"diff", func(c *Check, w io.Writer) error {
		diff, err := c.Diff()
		if err != nil {
			return err
		}
		_, err = io.WriteString(w, diff)
		return err
	}},
	{"sarif", (*Check).SARIF},
}

var testRules = []*rules.Rule{
	{ID: "copy-before-install", Title: "A dependency install after a broad COPY", Severity: "warning", What: "What.", Why: "Why.", Fix: "Fix.", Not: "Not."},
	{ID: "pip-cache-kept", Title: "pip's cache stays in the image", Severity: "info", What: "What.", Why: "Why."},
}

func TestRenderings(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("find cases: %v, %d found", err, len(names))
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			c := &Check{Files: map[string]*source.File{}, Rules: testRules, Version: "v1.2.3", DocsURL: "https://docs.example/rules"}
			want := map[string]string{}
			given := a.Files
			for i, f := range a.Files {
				if path, ok := strings.CutPrefix(f.Name, "files/"); ok {
					c.Files[path] = source.New(path, f.Data)
				} else if f.Name == "report.json" {
					if err := json.Unmarshal(f.Data, &c.Report); err != nil {
						t.Fatal(err)
					}
					given = slices.Clip(a.Files[:i+1])
				} else {
					want[f.Name] = string(f.Data)
				}
			}
			update := os.Getenv("UPDATE") == "1"
			a.Files = given
			for _, r := range renderings {
				var out bytes.Buffer
				if err := r.render(c, &out); err != nil {
					t.Fatalf("%s: %v", r.name, err)
				}
				a.Files = append(a.Files, txtar.File{Name: r.name, Data: out.Bytes()})
				if !update {
					if diff := cmp.Diff(want[r.name], out.String()); diff != "" {
						t.Errorf("%s: -want +got (UPDATE=1 accepts it):\n%s", r.name, diff)
					}
				}
			}
			if err := c.sarif().Validate(); err != nil {
				t.Errorf("SARIF: %v", err)
			}
			if update {
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// hostile is text that a pull request may choose: escape sequences, line ends, bidirectional and
// zero-width characters, backticks, broken UTF-8, and what means something to GitHub's runner.
const hostile = "\x1b[31mred\x1b[0m\r\n::error::x\u202egnirts\u200b`tick``\xff%0A"

func hostileCheck() *Check {
	text := func(s string) rules.Text { return rules.Text{{Words: "Of "}, {Code: s}, {Words: " it says."}} }
	data := "FROM " + strings.ReplaceAll(hostile, "\n", "") + "\nRUN x\n"
	place := source.Lines{First: 1, Last: 1}
	return &Check{
		Files: map[string]*source.File{hostile: source.New(hostile, []byte(data))},
		Rules: testRules,
		Report: analysis.Report{
			Dockerfiles: []analysis.Dockerfile{{Path: hostile}},
			Findings: []analysis.Finding{
				{Rule: "copy-before-install", Severity: "warning", Path: hostile, Lines: place, Title: text(hostile), Why: text(hostile), Advice: text(hostile),
					Related: []analysis.Place{{Path: hostile, Lines: place}}, Suggestion: 0},
				{Rule: "pip-cache-kept", Severity: "error", Path: hostile, Lines: place, Title: text(hostile), Suggestion: -1, Withheld: hostile,
					NewFile: &rules.NewFile{Path: hostile + "2", Text: hostile}},
			},
			Suggestions: []analysis.Suggestion{{Path: hostile, Lines: place, Replacement: "FROM " + hostile, Findings: []int{0}, Notes: []rules.Text{text(hostile)}}},
			Errors:      []analysis.Problem{{Path: hostile, Line: 1, Message: hostile}},
			Skipped:     []analysis.Problem{{Path: hostile, Message: hostile}},
		},
	}
}

// What a repository can choose is shown and does nothing, in every rendering for a person or a log.
func TestHostile(t *testing.T) {
	c := hostileCheck()
	for _, r := range renderings {
		if r.name == "diff" {
			continue // word for word: it is for git
		}
		t.Run(r.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := r.render(c, &out); err != nil {
				t.Fatal(err)
			}
			for _, bad := range []string{"\x1b", "\r", "\u202e", "\u200b", "\xff"} {
				if r.name == "json" || r.name == "sarif" {
					// Edits are word for word; JSON itself writes control characters as escapes.
					if bad == "\u202e" || bad == "\u200b" {
						continue
					}
				}
				if strings.Contains(out.String(), bad) {
					t.Errorf("%q is in:\n%s", bad, out.String())
				}
			}
			for line := range strings.SplitSeq(out.String(), "\n") {
				if strings.HasPrefix(line, "::error::x") {
					t.Errorf("a command got through: %q", line)
				}
			}
		})
	}
	if err := c.sarif().Validate(); err != nil {
		t.Errorf("SARIF: %v", err)
	}
}

func TestPlain(t *testing.T) {
	tests := []struct {
		text rules.Text
		want string
	}{
		{nil, ""},
		{rules.Text{{Words: "Every commit re-runs "}, {Code: "pip install"}, {Words: "."}}, "Every commit re-runs `pip install`."},
		{rules.Text{{Code: "a`b"}}, "``a`b``"},
		{rules.Text{{Code: "`"}}, "`` ` ``"},
		{rules.Text{{Code: "a\nb\tc"}}, "`a\\nb\tc`"},
		{rules.Text{{Code: "\x1b[31m"}}, "`\\x1b[31m`"},
		{rules.Text{{Code: "\u202e\u200b\u2066\ufeff\u3164\U000e0041"}}, "`\\u202e\\u200b\\u2066\\ufeff\\u3164\\U000e0041`"},
		{rules.Text{{Code: "\xff\ufffd"}}, "`\\xff\ufffd`"},
		{rules.Text{{Code: "日本語 émoji 🎉"}}, "`日本語 émoji 🎉`"},
	}
	for _, test := range tests {
		if got := Plain(test.text); got != test.want {
			t.Errorf("Plain(%q) = %q, want %q", test.text, got, test.want)
		}
	}
}

// Colour changes nothing but colour.
func TestColour(t *testing.T) {
	c := hostileCheck()
	var plain, coloured bytes.Buffer
	if err := c.Text(&plain); err != nil {
		t.Fatal(err)
	}
	c.Colour = true
	if err := c.Text(&coloured); err != nil {
		t.Fatal(err)
	}
	s := coloured.String()
	for _, look := range []string{bold, dim, red, green, yellow, cyan, boldRed} {
		s = strings.ReplaceAll(s, "\x1b["+look+"m", "")
	}
	if s = strings.ReplaceAll(s, "\x1b[0m", ""); s == coloured.String() {
		t.Error("nothing is coloured")
	}
	var trimmed []string
	for line := range strings.SplitSeq(s, "\n") {
		trimmed = append(trimmed, strings.TrimRight(line, " "))
	}
	if diff := cmp.Diff(plain.String(), strings.Join(trimmed, "\n")); diff != "" {
		t.Error(diff)
	}
}

func TestSummary(t *testing.T) {
	one := []analysis.Dockerfile{{Path: "Dockerfile"}}
	finding := func(severity string) analysis.Finding {
		return analysis.Finding{Severity: severity, Path: "Dockerfile", Suggestion: -1}
	}
	tests := []struct {
		report analysis.Report
		fixed  bool
		want   string
	}{
		{analysis.Report{}, false, "No Dockerfile was looked at."},
		{analysis.Report{Dockerfiles: one}, false, "Nothing found in 1 Dockerfile."},
		{analysis.Report{Dockerfiles: one, Errors: []analysis.Problem{{}}}, false, "1 file could not be read; nothing found in 1 Dockerfile."},
		{analysis.Report{Dockerfiles: one, Findings: []analysis.Finding{finding("error"), finding("info"), finding("error")}}, false,
			"3 findings (2 errors, 1 info) in 1 file; 1 Dockerfile looked at."},
		{analysis.Report{Dockerfiles: one, Findings: []analysis.Finding{finding("warning")}, Suggestions: make([]analysis.Suggestion, 2)}, false,
			"1 finding (1 warning) in 1 file; 1 Dockerfile looked at. hitrate check --fix makes the 2 edits."},
		{analysis.Report{Dockerfiles: one, Findings: []analysis.Finding{finding("warning")}, Suggestions: make([]analysis.Suggestion, 2)}, true,
			"1 finding (1 warning) in 1 file; 1 Dockerfile looked at. 2 edits made."},
	}
	for _, test := range tests {
		c := &Check{Report: test.report, Fixed: test.fixed}
		if got := c.summary(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
	for _, test := range []struct {
		check Check
		want  string
	}{
		{Check{Workflows: 1}, "Nothing found in 1 workflow."},
		{Check{Report: analysis.Report{Dockerfiles: one}, Workflows: 2, Requirements: 1}, "Nothing found in 1 Dockerfile, 2 workflows and 1 requirements file."},
		{Check{Report: analysis.Report{Findings: []analysis.Finding{finding("info")}}, Requirements: 2}, "1 finding (1 info) in 1 file; 2 requirements files looked at."},
	} {
		if got := test.check.summary(); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

func TestChanges(t *testing.T) {
	tests := []struct {
		name, before, replacement, want string
		first, last                     int
	}{
		{"replace", "a\nb\nc\n", "x\ny", "a\nx\ny\nc\n", 2, 2},
		{"delete", "a\nb\nc\n", "", "a\nc\n", 2, 2},
		{"last line without newline", "a\nb", "x", "a\nx", 2, 2},
		{"line ends of Windows", "a\r\nb\r\nc\r\n", "x\r\ny\r", "a\r\nx\r\ny\r\nc\r\n", 2, 2},
		{"everything", "a\nb\n", "x", "x\n", 1, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := &Check{
				Files:  map[string]*source.File{"f": source.New("f", []byte(test.before))},
				Report: analysis.Report{Suggestions: []analysis.Suggestion{{Path: "f", Lines: source.Lines{First: test.first, Last: test.last}, Replacement: test.replacement}}},
			}
			changes, err := c.Changes()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]Change{{Path: "f", Before: []byte(test.before), After: []byte(test.want)}}, changes); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("another text", func(t *testing.T) {
		c := &Check{
			Files:  map[string]*source.File{"f": source.New("f", []byte("a\n"))},
			Report: analysis.Report{Suggestions: []analysis.Suggestion{{Path: "f", Lines: source.Lines{First: 2, Last: 3}}}},
		}
		if changes, err := c.Changes(); err == nil {
			t.Errorf("no error but %v", changes)
		}
	})
}

// A wrong writer's error comes back.
func TestWriteError(t *testing.T) {
	for _, r := range renderings {
		if err := r.render(hostileCheck(), failing{}); err == nil {
			t.Errorf("%s: no error", r.name)
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, fmt.Errorf("full") }
