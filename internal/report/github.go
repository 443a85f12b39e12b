package report

import (
	"fmt"
	"io"
	"strings"
)

// GitHub writes workflow commands, which a runner turns into annotations of a pull request's files
// (GitHub's documentation, "Workflow commands for GitHub Actions"; it shows ten of each level and step).
// What has no place in a file is a line of the log.
func (c *Check) GitHub(w io.Writer) error {
	var b strings.Builder
	for _, f := range c.Report.Findings {
		message := Message(f)
		if c.suggestion(f) != nil {
			message += " hitrate check --fix makes the edit."
		}
		annotation(&b, githubLevel(f.Severity), f.Path, f.Lines.First, f.Lines.Last, f.Rule, message)
	}
	for _, p := range c.Report.Errors {
		annotation(&b, "error", p.Path, p.Line, p.Line, "", visible(p.Message))
	}
	for _, p := range c.Report.Skipped {
		fmt.Fprintf(&b, "Skipped %s: %s\n", visible(p.Path), visible(p.Message))
	}
	fmt.Fprintln(&b, c.summary())
	_, err := io.WriteString(w, b.String())
	return err
}

func githubLevel(severity string) string {
	switch severity {
	case "error", "warning":
		return severity
	}
	return "notice"
}

// annotation writes one command. Values are escaped as GitHub's own toolkit does it: the signs that end
// a command or part its properties are written as %XX.
func annotation(b *strings.Builder, level, path string, first, last int, title, message string) {
	fmt.Fprintf(b, "::%s file=%s", level, escapeProperty(visible(path)))
	if first > 0 {
		fmt.Fprintf(b, ",line=%d,endLine=%d", first, last)
	}
	if title != "" {
		fmt.Fprintf(b, ",title=%s", escapeProperty(title))
	}
	fmt.Fprintf(b, "::%s\n", escapeData(message))
}

var (
	dataEscapes     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	propertyEscapes = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func escapeData(s string) string     { return dataEscapes.Replace(s) }
func escapeProperty(s string) string { return propertyEscapes.Replace(s) }
