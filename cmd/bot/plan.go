package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/term"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/checkout"
	"github.com/hitrate-bot/hitrate/internal/history"
	"github.com/hitrate-bot/hitrate/internal/report"
)

type planCommand struct {
	Base     string   `help:"The revision whose build the cache has seen: HEAD by default, the parent of --head where that is given." placeholder:"REV"`
	Head     string   `help:"The revision to build; by default the work tree as it is." placeholder:"REV"`
	File     string   `short:"f" help:"The Dockerfile; not needed where there is only one, or where only one changed." placeholder:"FILE"`
	Context  *string  `help:"The build context. With it nothing about the build is read from configuration, workflows or compose files: it is the one that docker build would do." placeholder:"DIR"`
	Target   *string  `help:"The stage to build." placeholder:"STAGE"`
	BuildArg []string `help:"A build argument; without a value the one of the environment." placeholder:"NAME=VALUE" sep:"none"`
	History  int      `help:"Count how many of the last N commits that lead to the base would have re-run each step, with this Dockerfile and with the suggestions for it." placeholder:"N"`
	Format   string   `help:"text or json." enum:"text,json" default:"text"`
	Color    string   `help:"auto, always or never." enum:"auto,always,never" default:"auto"`
	Dir      string   `arg:"" optional:"" default:"." help:"A directory of the checkout, which --file and --context are relative to."`
}

// Help is what kong prints below the first line of the command's help.
func (*planCommand) Help() string {
	return `Prints what a build of the head does with a cache that has seen the build of the base: each step is
cached, rebuilt, or maybe one of both where that hangs on what a command puts out or on something
outside the repository. Nothing is built.

The exit code is 0 whatever the states are, 2 where hitrate cannot analyse the build that was asked
for, 3 where BuildKit would refuse the Dockerfile.`
}

// Run prints the plan.
func (c *planCommand) Run(ctx context.Context, s *streams) error {
	co, err := checkout.Open(ctx, c.Dir)
	if err != nil {
		return &codeError{exitUsage, err}
	}
	defer func() { _ = co.Close() }()
	p := newProgress(s)
	defer p.done()
	trees, err := c.trees(ctx, co, p)
	if err != nil {
		return &codeError{exitUsage, err}
	}
	cfg, err := localConfig(ctx, co, trees.head.Entries)
	if err != nil {
		return err
	}
	request, err := c.request(s, co, cfg, trees)
	if err != nil {
		return err
	}
	if c.History > 0 {
		p.say("Reading the last %d commits", c.History)
		if request.History, err = history.Local(ctx, co.Dir, trees.baseName, c.History); err != nil {
			return err
		}
		request.WithoutRules = false // suggestions are counted too
	}
	if c.Head == "" {
		if request.Ignored, err = co.Ignored(ctx); err != nil {
			return err
		}
	}
	p.say("Comparing the builds of %s", request.Dockerfiles[0])
	found, err := analysis.Complete(ctx, inProcess, request, co.Read)
	if err != nil {
		return err
	}
	plan, err := onePlan(found)
	if err != nil {
		return err
	}
	p.done()
	out := report.Plan{Plan: *plan, Base: trees.baseName, Head: trees.headName, Colour: colour(c.Color, s), Width: textWidth(s)}
	if c.Format == "json" {
		err = out.JSON(s.stdout)
	} else {
		err = out.Text(s.stdout)
	}
	if err != nil {
		return fmt.Errorf("write the plan: %w", err)
	}
	return nil
}

// compared is what a plan compares.
type compared struct {
	base, head         buildcontext.Tree
	baseName, headName string
}

// trees reads both sides: revisions, or the work tree as the head.
func (c *planCommand) trees(ctx context.Context, co *checkout.Checkout, p *progress) (compared, error) {
	t := compared{baseName: c.Base, headName: c.Head}
	if t.baseName == "" {
		t.baseName = "HEAD"
		if c.Head != "" {
			t.baseName = c.Head + "^"
		}
	}
	commit, err := co.Resolve(ctx, t.baseName)
	if err != nil {
		return t, err
	}
	entries, err := co.Commit(ctx, commit)
	if err != nil {
		return t, err
	}
	t.base = buildcontext.NewTree(entries)
	if c.Head == "" {
		t.headName = "the work tree"
		entries, err = co.Comparable(ctx, func(n int) { p.say("Reading the work tree: %d files", n) })
	} else if commit, err = co.Resolve(ctx, c.Head); err == nil {
		entries, err = co.Commit(ctx, commit)
	}
	t.head = buildcontext.NewTree(entries)
	return t, err
}

// request is the question that the flags ask.
func (c *planCommand) request(s *streams, co *checkout.Checkout, cfg config.Repository, t compared) (analysis.Request, error) {
	places, err := newPlaces(co, c.Dir)
	if err != nil {
		return analysis.Request{}, err
	}
	file, err := c.dockerfile(places, cfg, t)
	if err != nil {
		return analysis.Request{}, err
	}
	choice := &analysis.Choice{Target: c.Target, Args: map[string]string{}}
	for _, arg := range c.BuildArg {
		name, value, given := strings.Cut(arg, "=")
		if !given {
			value = s.getenv(name)
			given = value != ""
		}
		if given {
			choice.Args[name] = value
		}
	}
	if c.Context != nil {
		dir, ok := places.find(*c.Context, func(p string) bool { return p == "." || t.head.IsDir(p) || t.base.IsDir(p) })
		if !ok {
			return analysis.Request{}, usageError("--context %s: %s has no such directory", *c.Context, t.headName)
		}
		choice.Context = &dir
	}
	return analysis.Request{
		Config: cfg, Tree: t.head.Entries, Base: t.base.Entries, Dockerfiles: []string{file}, Choice: choice, WithoutRules: true,
	}, nil
}

// dockerfile is the one that is meant: the named one, the only one (below the directory of the command
// line, where there are any), or the only one that the change touches.
func (c *planCommand) dockerfile(places places, cfg config.Repository, t compared) (string, error) {
	if c.File != "" {
		file, ok := places.find(c.File, func(p string) bool { _, found := t.head.Lookup(p); return found })
		if !ok {
			return "", usageError("--file %s: %s has no such file", c.File, t.headName)
		}
		return file, nil
	}
	var all []string
	for _, e := range t.head.Entries {
		if cfg.MatchesDockerfile(e.Path) {
			all = append(all, e.Path)
		}
	}
	below := func(p string) bool { return places.dir == "." || strings.HasPrefix(p, places.dir+"/") }
	if slices.ContainsFunc(all, below) {
		all = slices.DeleteFunc(all, func(p string) bool { return !below(p) })
	}
	changed := slices.DeleteFunc(slices.Clone(all), func(p string) bool {
		is, _ := t.head.Lookup(p)
		was, _ := t.base.Lookup(p)
		return is.Object == was.Object && is.Mode == was.Mode
	})
	switch {
	case len(all) == 0:
		return "", usageError("%s has no Dockerfile: name it with --file", t.headName)
	case len(all) == 1:
		return all[0], nil
	case len(changed) == 1:
		return changed[0], nil
	case len(changed) > 1:
		return "", usageError("several Dockerfiles changed; name one with --file:%s", list(changed))
	}
	return "", usageError("there are several Dockerfiles; name one with --file:%s", list(all))
}

// list shows paths one a line, and how many more there are.
func list(paths []string) string {
	const most = 20
	var b strings.Builder
	for i, p := range paths {
		if i == most {
			_, _ = fmt.Fprintf(&b, "\n  and %d more", len(paths)-most)
			break
		}
		b.WriteString("\n  " + report.Visible(p))
	}
	return b.String()
}

// places turns paths of the command line into paths of the repository.
type places struct {
	co   *checkout.Checkout
	from string // the working directory
	dir  string // the directory of the command line, as a path of the repository
}

func newPlaces(co *checkout.Checkout, dir string) (places, error) {
	from, err := os.Getwd()
	if err != nil {
		return places{}, fmt.Errorf("find the working directory: %w", err)
	}
	rel, err := co.Rel(from, dir)
	if err != nil {
		return places{}, &codeError{exitUsage, err}
	}
	return places{co, from, rel}, nil
}

// find gives the path that is meant: relative to the directory of the command line, to the working
// directory, or to the repository's root, whichever is there first.
func (p places) find(arg string, there func(string) bool) (string, bool) {
	var candidates []string
	if !filepath.IsAbs(arg) {
		slashed := filepath.ToSlash(arg)
		candidates = append(candidates, path.Join(p.dir, slashed))
		if here, err := p.co.Rel(p.from, arg); err == nil {
			candidates = append(candidates, here)
		}
		candidates = append(candidates, path.Clean(slashed))
	} else if here, err := p.co.Rel(p.from, arg); err == nil {
		candidates = append(candidates, here)
	}
	for _, c := range candidates {
		if there(c) {
			return c, true
		}
	}
	return "", false
}

// onePlan is the plan of a report on one Dockerfile, or why there is none.
func onePlan(r analysis.Report) (*analysis.Plan, error) {
	place := func(p analysis.Problem) string {
		at := report.Visible(p.Path)
		if p.Line > 0 {
			at += fmt.Sprintf(":%d", p.Line)
		}
		return at + ": " + report.Visible(p.Message)
	}
	switch {
	case len(r.Dockerfiles) > 0 && len(r.Dockerfiles[0].Plans) > 0:
		return &r.Dockerfiles[0].Plans[0], nil
	case len(r.Errors) > 0:
		return nil, &codeError{exitFailure, fmt.Errorf("%s", place(r.Errors[0]))}
	case len(r.Skipped) > 0:
		return nil, usageError("%s", place(r.Skipped[0]))
	}
	return nil, fmt.Errorf("compare the builds: nothing was found")
}

// textWidth is how many cells a line of text may take: the terminal's, or enough for a log.
func textWidth(s *streams) int {
	const log = 120
	if f, ok := s.stdout.(*os.File); ok && isTerminal(f) {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return log
}
