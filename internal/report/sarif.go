package report

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/owenrumney/go-sarif/v3/pkg/report"
	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/rules"
)

// homepage is the tool's informationUri.
const homepage = "https://github.com/hitrate-bot/hitrate"

// fingerprint names the identity of a finding in SARIF's partialFingerprints: rule, file, stage,
// subject and ordinal, which survive moved lines and edits of the same command.
const fingerprint = "hitrateFinding/v1"

// SARIF writes the result as SARIF 2.1.0: findings with their edits as fixes, and what did not parse
// or was skipped as notifications.
func (c *Check) SARIF(w io.Writer) error {
	if err := c.sarif().PrettyWrite(w); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (c *Check) sarif() *sarif.Report {
	run := sarif.NewRunWithInformationURI("hitrate", homepage).WithColumnKind("utf16CodeUnits")
	if c.Version != "" {
		run.Tool.Driver.WithVersion(c.Version)
	}
	for _, r := range c.Rules {
		c.sarifRule(run, r)
	}
	for _, f := range c.Report.Findings {
		run.AddResult(c.sarifResult(run, f))
	}
	invocation := sarif.NewInvocation().WithExecutionSuccessful(true)
	for _, p := range c.Report.Errors {
		invocation.AddToolExecutionNotification(notification("error", p))
	}
	for _, p := range c.Report.Skipped {
		invocation.AddToolExecutionNotification(notification("note", p))
	}
	run.AddInvocation(invocation)
	return report.NewV210Report().AddRun(run)
}

func (c *Check) sarifRule(run *sarif.Run, r *rules.Rule) {
	help := r.What + "\n\n" + r.Why
	if r.Fix != "" {
		help += "\n\n" + r.Fix
	}
	if r.Not != "" {
		help += "\n\n" + r.Not
	}
	d := run.AddRule(r.ID).
		WithShortDescription(sarif.NewMultiformatMessageString().WithText(r.Title)).
		WithFullDescription(sarif.NewMultiformatMessageString().WithText(r.What)).
		WithHelp(sarif.NewMultiformatMessageString().WithText(help).WithMarkdown(help)).
		WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel(sarifLevel(r.Severity)))
	if page := c.ruleURL(r.ID); page != "" {
		d.WithHelpURI(page)
	}
}

func (c *Check) sarifResult(run *sarif.Run, f analysis.Finding) *sarif.Result {
	result := sarif.NewRuleResult(f.Rule).
		WithLevel(sarifLevel(f.Severity)).
		WithMessage(sarif.NewTextMessage(Message(f))).
		AddLocation(location(f.Path, f.Lines.First, f.Lines.Last)).
		WithPartialFingerprints(map[string]string{fingerprint: identity(f)})
	if i := run.GetRuleIndex(f.Rule); i >= 0 {
		result.WithRuleIndex(i)
	}
	for i, p := range f.Related {
		result.AddRelatedLocation(location(p.Path, p.Lines.First, p.Lines.Last).WithID(i + 1))
	}
	if s := c.suggestion(f); s != nil {
		result.WithFixes([]*sarif.Fix{c.sarifFix(s)})
	}
	return result
}

// sarifFix replaces whole lines. A region of lines ends before the last one's line end; to delete lines
// it has to reach the beginning of the line behind them.
func (c *Check) sarifFix(s *analysis.Suggestion) *sarif.Fix {
	deleted := sarif.NewRegion().WithStartLine(s.Lines.First).WithEndLine(s.Lines.Last)
	if file := c.Files[s.Path]; s.Replacement == "" && (file == nil || s.Lines.Last < file.LineCount()) {
		deleted = sarif.NewRegion().WithStartLine(s.Lines.First).WithStartColumn(1).WithEndLine(s.Lines.Last + 1).WithEndColumn(1)
	}
	replacement := sarif.NewReplacement().
		WithDeletedRegion(deleted).
		WithInsertedContent(sarif.NewArtifactContent().WithText(strings.ToValidUTF8(s.Replacement, "\ufffd")))
	change := sarif.NewArtifactChange().WithArtifactLocation(artifact(s.Path)).AddReplacement(replacement)
	var words []string
	for _, n := range s.Notes {
		words = append(words, Plain(n))
	}
	words = append(words, c.proven(s))
	return sarif.NewFix().WithDescription(sarif.NewTextMessage(strings.Join(words, " "))).AddArtifactChange(change)
}

func sarifLevel(severity string) string {
	switch severity {
	case "error", "warning":
		return severity
	}
	return "note"
}

func location(path string, first, last int) *sarif.Location {
	p := sarif.NewPhysicalLocation().WithArtifactLocation(artifact(path))
	if first > 0 {
		p.WithRegion(sarif.NewRegion().WithStartLine(first).WithEndLine(max(first, last)))
	}
	return sarif.NewLocationWithPhysicalLocation(p)
}

// artifact names a file as a URI relative to the repository's root.
func artifact(path string) *sarif.ArtifactLocation {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		// A colon in the first segment would end a scheme.
		segments[i] = strings.ReplaceAll(url.PathEscape(s), ":", "%3A")
	}
	return sarif.NewArtifactLocation().WithURI(strings.Join(segments, "/")).WithURIBaseID("%SRCROOT%")
}

func notification(level string, p analysis.Problem) *sarif.Notification {
	return sarif.NewNotification().
		WithLevel(level).
		WithMessage(sarif.NewTextMessage(visible(p.Message))).
		AddLocation(location(p.Path, p.Line, p.Line))
}

// identity hashes what a finding is, not where it stands.
func identity(f analysis.Finding) string {
	h := sha256.New()
	for _, part := range []string{f.Rule, f.Path, f.Stage, f.Subject, fmt.Sprint(f.Ordinal)} {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}
