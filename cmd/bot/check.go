package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/report"
	"github.com/hitrate-bot/hitrate/internal/rules"
)

type checkCommand struct {
	Paths  []string `arg:"" optional:"" help:"Dockerfiles, requirements files or directories, also of several repositories; by default this directory."`
	Fix    bool     `help:"Write the suggested edits and files, and report what is left." xor:"edit"`
	Diff   bool     `help:"Print the suggested edits as a diff that git apply takes, and nothing else." xor:"edit"`
	Format string   `help:"text, json, sarif or github (workflow commands)." enum:"text,json,sarif,github" default:"text"`
	FailOn string   `help:"The least severity that makes the exit code 1: error, warning, info or never." enum:"error,warning,info,never" default:"warning"`
	Color  string   `help:"auto, always or never." enum:"auto,always,never" default:"auto"`
}

// Run checks, shows and fixes.
func (c *checkCommand) Run(ctx context.Context, s *streams) error {
	result, err := c.look(ctx, s)
	if err == nil && c.Fix {
		result, err = c.fix(ctx, s, result)
	}
	if err != nil {
		return err
	}
	defer result.repositories.close()
	if err := c.write(s.stdout, &result.Check); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	if fails(result.Report, c.FailOn) {
		return &codeError{code: exitFindings}
	}
	return nil
}

func (c *checkCommand) write(out io.Writer, result *report.Check) error {
	switch {
	case c.Diff:
		text, err := result.Diff()
		if err == nil {
			_, err = io.WriteString(out, text)
		}
		return err
	case c.Format == "json":
		return result.JSON(out)
	case c.Format == "sarif":
		return result.SARIF(out)
	case c.Format == "github":
		return result.GitHub(out)
	}
	return result.Text(out)
}

var severities = []string{config.SeverityInfo, config.SeverityWarning, config.SeverityError}

// fails says whether a report has a finding, or a file that does not parse, at or above a severity.
func fails(r analysis.Report, failOn string) bool {
	least := slices.Index(severities, failOn)
	if least < 0 { // never
		return false
	}
	return len(r.Errors) > 0 || slices.ContainsFunc(r.Findings, func(f analysis.Finding) bool {
		return slices.Index(severities, f.Severity) >= least
	})
}

// looked is a result with the repositories that it is about.
type looked struct {
	report.Check
	repositories repositories
}

// look analyses what the arguments name.
func (c *checkCommand) look(ctx context.Context, s *streams) (*looked, error) {
	p := newProgress(s)
	defer p.done()
	args := c.Paths
	if len(args) == 0 {
		args = []string{"."}
	}
	all, err := openRepositories(ctx, args, p)
	if err != nil {
		return nil, err
	}
	if err := all.analyse(ctx, p); err != nil {
		all.close()
		return nil, err
	}
	out := &looked{repositories: all, Check: report.Check{
		Rules: rules.All(), Version: ownVersion(), DocsURL: docsURL, Colour: colour(c.Color, s),
	}}
	out.Report, out.Files = all.join()
	for _, r := range all {
		out.Workflows += len(r.workflows)
		out.Requirements += len(r.manifests)
	}
	return out, nil
}

// fix writes what was suggested and looks again: what it returns is what is left.
func (c *checkCommand) fix(ctx context.Context, s *streams, result *looked) (*looked, error) {
	changes, err := result.Changes()
	if err != nil || len(changes) == 0 {
		return result, err
	}
	defer result.repositories.close()
	for _, change := range changes {
		if err := result.repositories.write(change.Path, change.After); err != nil {
			return nil, err
		}
		what := "fixed"
		if change.Before == nil {
			what = "created"
		}
		if _, err := fmt.Fprintf(s.stderr, "%s %s\n", what, report.Plain(rules.Text{{Code: change.Path}})); err != nil {
			return nil, err
		}
	}
	return c.look(ctx, s)
}
