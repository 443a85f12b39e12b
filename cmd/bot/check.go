package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/checkout"
	"github.com/hitrate-bot/hitrate/internal/report"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

type checkCommand struct {
	Paths  []string `arg:"" optional:"" help:"Dockerfiles, requirements files or directories; by default this directory."`
	Fix    bool     `help:"Write the suggested edits and files, and report what is left." xor:"edit"`
	Diff   bool     `help:"Print the suggested edits as a diff that git apply takes, and nothing else." xor:"edit"`
	Format string   `help:"text, json, sarif or github (workflow commands)." enum:"text,json,sarif,github" default:"text"`
	FailOn string   `help:"The least severity that makes the exit code 1: error, warning, info or never." enum:"error,warning,info,never" default:"warning"`
	Color  string   `help:"auto, always or never." enum:"auto,always,never" default:"auto"`
}

// Run checks, shows and fixes.
func (c *checkCommand) Run(ctx context.Context, s *streams) error {
	co, err := checkout.Open(ctx, ".")
	if err != nil {
		return &codeError{exitUsage, err}
	}
	defer func() { _ = co.Close() }()
	result, err := c.look(ctx, s, co)
	if err != nil {
		return err
	}
	if c.Fix {
		if result, err = c.fix(ctx, s, co, result); err != nil {
			return err
		}
	}
	if err := c.write(s.stdout, result); err != nil {
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

// look analyses what the arguments name.
func (c *checkCommand) look(ctx context.Context, s *streams, co *checkout.Checkout) (*report.Check, error) {
	p := newProgress(s)
	defer p.done()
	tree, err := co.WorkTree(ctx, func(n int) { p.say("Reading the tree: %d files", n) })
	if err != nil {
		return nil, err
	}
	cfg, err := localConfig(ctx, co, tree)
	if err != nil {
		return nil, err
	}
	scope, err := c.scope(co, cfg, tree)
	if err != nil {
		return nil, err
	}
	p.say("Looking at the Dockerfiles among %d files", len(tree))
	found, err := scope.analyse(ctx, co, cfg, tree)
	if err != nil {
		return nil, err
	}
	result := &report.Check{
		Report: found, Files: map[string]*source.File{}, Rules: rules.All(),
		Version: ownVersion(), DocsURL: docsURL, Colour: colour(c.Color, s),
	}
	var paths []string
	for _, f := range found.Findings {
		paths = append(paths, f.Path)
	}
	for _, s := range found.Suggestions { // of a finding in a Dockerfile it may be in the ignore file
		paths = append(paths, s.Path)
	}
	at := buildcontext.NewTree(tree)
	for _, file := range paths {
		if entry, ok := at.Lookup(file); ok && result.Files[file] == nil {
			data, err := co.Read(ctx, entry)
			if err != nil {
				return nil, fmt.Errorf("read %s again: %w", file, err)
			}
			result.Files[file] = source.New(file, data)
		}
	}
	return result, nil
}

// fix writes what was suggested and looks again: what it returns is what is left.
func (c *checkCommand) fix(ctx context.Context, s *streams, co *checkout.Checkout, result *report.Check) (*report.Check, error) {
	changes, err := result.Changes()
	if err != nil {
		return nil, err
	}
	for _, change := range changes {
		if err := co.Write(change.Path, change.After); err != nil {
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
	if len(changes) == 0 {
		return result, nil
	}
	return c.look(ctx, s, co)
}

// scope is what the arguments of a check name, in paths of the repository.
type scope struct {
	dockerfiles []string // to look at; nil: all
	manifests   []string // requirements files: what images that install them are told about them
}

func (c *checkCommand) scope(co *checkout.Checkout, cfg config.Repository, tree []buildcontext.Entry) (scope, error) {
	from, err := os.Getwd()
	if err != nil {
		return scope{}, fmt.Errorf("find the working directory: %w", err)
	}
	args := c.Paths
	if len(args) == 0 {
		args = []string{"."}
	}
	at := buildcontext.NewTree(tree)
	var out scope
	for _, arg := range args {
		rel, err := co.Rel(from, arg)
		if err != nil {
			return scope{}, &codeError{exitUsage, err}
		}
		_, file := at.Lookup(rel)
		switch {
		case rel == ".":
			return scope{}, nil
		case at.IsDir(rel):
			for _, e := range tree {
				if strings.HasPrefix(e.Path, rel+"/") && cfg.MatchesDockerfile(e.Path) {
					out.dockerfiles = append(out.dockerfiles, e.Path)
				}
			}
		case !file:
			return scope{}, usageError("%s: no such file or directory among the files of the checkout (is it ignored by git?)", arg)
		case !cfg.MatchesDockerfile(rel) && slices.Contains([]string{".txt", ".in", ".pip"}, path.Ext(rel)):
			out.manifests = append(out.manifests, rel)
		default:
			out.dockerfiles = append(out.dockerfiles, rel)
		}
	}
	if out.dockerfiles == nil {
		out.dockerfiles = []string{} // none, which is another thing than all
	}
	slices.Sort(out.dockerfiles)
	out.dockerfiles = slices.Compact(out.dockerfiles)
	return out, nil
}

func (sc scope) analyse(ctx context.Context, co *checkout.Checkout, cfg config.Repository, tree []buildcontext.Entry) (analysis.Report, error) {
	request := analysis.Request{Config: cfg, Tree: tree, Dockerfiles: sc.dockerfiles}
	found, err := analysis.Complete(ctx, inProcess, request, co.Read)
	if err != nil || len(sc.manifests) == 0 {
		return found, err
	}
	request.Dockerfiles, request.Changed, request.WithoutFixes = nil, sc.manifests, true
	about, err := analysis.Complete(ctx, inProcess, request, co.Read)
	if err != nil {
		return found, err
	}
	for _, f := range about.Findings {
		listed := slices.ContainsFunc(found.Findings, func(g analysis.Finding) bool {
			return g.Rule == f.Rule && g.Path == f.Path && g.Lines == f.Lines
		})
		if slices.Contains(sc.manifests, f.Path) && !listed {
			found.Findings = append(found.Findings, f)
		}
	}
	return found, nil
}
