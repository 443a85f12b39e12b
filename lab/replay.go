package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	gopath "path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/checkout"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Moment is one Dockerfile at one commit of a repository, with the build that hitrate would look at.
type Moment struct {
	Commit     string
	Before     string // the commit of the moment before it; "" for none
	Dockerfile string
	Args       map[string]string // given on the command line: those that the build lacks
	Entries    []buildcontext.Entry
	Build      buildcontext.Build
	// Steps is the plan of hitrate plan --base BEFORE --head COMMIT; nil without a moment before.
	Steps []analysis.Step
	// Refused is why the build fails or is not looked at, in hitrate's words; "" where it does not.
	Refused string
	text    []byte // of the Dockerfile
}

// History is a repository whose commits are replayed.
type History struct {
	Dir      string // the git directory
	checkout *checkout.Checkout
}

// OpenHistory opens the repository in a directory, bare or not.
func OpenHistory(ctx context.Context, dir string) (*History, error) {
	co, err := checkout.Open(ctx, dir)
	if err != nil {
		return nil, err
	}
	return &History{Dir: gitDir(dir), checkout: co}, nil
}

// Close ends the processes that read the repository.
func (h *History) Close() error { return h.checkout.Close() }

// Dockerfiles are those of HEAD that hitrate looks at, those nearest to the root first.
func (h *History) Dockerfiles(ctx context.Context) ([]string, error) {
	entries, err := h.checkout.Commit(ctx, "HEAD")
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if config.Defaults().MatchesDockerfile(e.Path) && (e.Mode == buildcontext.ModeFile || e.Mode == buildcontext.ModeExecutable) {
			files = append(files, e.Path)
		}
	}
	slices.SortStableFunc(files, func(a, b string) int {
		return cmp.Compare(strings.Count(a, "/"), strings.Count(b, "/"))
	})
	return files, nil
}

// Moments are those commits of a Dockerfile's past, the oldest first, that touch the build context of
// HEAD or the Dockerfile (at most as many as are wanted), and half as many more that touch the
// Dockerfile or an ignore file.
func (h *History) Moments(ctx context.Context, file string, most int) ([]*Moment, error) {
	now, err := h.moment(ctx, "HEAD", file, nil, map[string]string{})
	if err != nil || now.text == nil {
		return nil, err
	}
	commits, err := revisions(ctx, h.Dir, most, file, gopath.Clean(now.Build.Context))
	if err != nil {
		return nil, err
	}
	more, err := revisions(ctx, h.Dir, most/2, append(buildcontext.IgnoreCandidates(now.Build), file)...)
	if err != nil {
		return nil, err
	}
	if commits, err = oldestFirst(ctx, h.Dir, append(commits, more...)); err != nil {
		return nil, err
	}
	var moments []*Moment
	var last *Moment
	for _, c := range commits {
		m, err := h.moment(ctx, c, file, last, now.Args)
		if err != nil {
			return nil, err
		}
		if m.text == nil {
			continue // there is no such file yet
		}
		moments = append(moments, m)
		last = m
	}
	return moments, nil
}

// moment asks the analysis, as hitrate plan does, and gives arguments without a value one.
func (h *History) moment(ctx context.Context, commit, file string, before *Moment, args map[string]string) (*Moment, error) {
	entries, err := h.checkout.Commit(ctx, commit)
	if err != nil {
		return nil, err
	}
	m := &Moment{Commit: commit, Dockerfile: file, Args: args, Entries: entries}
	base := entries
	if before != nil {
		base, m.Before = before.Entries, before.Commit
	}
	run := func(ctx context.Context, req analysis.Request) (analysis.Report, error) {
		return analysis.Run(ctx, req), nil
	}
	for {
		report, err := analysis.Complete(ctx, run, analysis.Request{
			Config: config.Defaults(), Tree: entries, Base: base, Dockerfiles: []string{file},
			Choice: &analysis.Choice{Args: m.Args}, WithoutRules: true,
		}, h.checkout.Read)
		if err != nil {
			return nil, err
		}
		if len(report.Dockerfiles) == 0 {
			m.Refused = problems(report)
			return m, nil
		}
		looked := report.Dockerfiles[0]
		m.Build = looked.Builds[0]
		if m.text, err = m.read(ctx, h)(file); err != nil {
			return nil, err
		}
		if len(looked.Plans) > 0 {
			m.Build = looked.Plans[0].Build
			if before != nil {
				m.Steps = looked.Plans[0].Steps
			}
			m.volatile()
			return m, nil
		}
		missing := m.missing(ctx)
		if _, given := m.Args[missing]; missing == "" || given {
			m.Refused = problems(report)
			m.volatile()
			return m, nil
		}
		m.Args[missing] = "1"
	}
}

func problems(r analysis.Report) string {
	var all []string
	for _, p := range append(slices.Clone(r.Errors), r.Skipped...) {
		all = append(all, fmt.Sprintf("%s:%d: %s", p.Path, p.Line, p.Message))
	}
	return strings.Join(all, "; ")
}

// volatile gives the arguments whose value is another in each build one that no other commit has.
func (m *Moment) volatile() {
	m.Build.Args = maps.Clone(m.Build.Args)
	if m.Build.Args == nil {
		m.Build.Args = map[string]string{}
	}
	for _, name := range m.Build.Volatile {
		if _, given := m.Build.Args[name]; !given {
			m.Build.Args[name] = "of-" + m.Commit
		}
	}
}

func (m *Moment) missing(ctx context.Context) string {
	_, err := m.compile(ctx)
	var arg *buildcache.MissingArgError
	var unset *buildcache.UnsetError
	switch {
	case errors.As(err, &arg):
		return arg.Arg
	case errors.As(err, &unset):
		return unset.Name
	}
	return ""
}

func (m *Moment) compile(ctx context.Context) (*buildcache.Plan, error) {
	file, err := dockerfile.Parse(source.New(m.Dockerfile, m.text))
	if err != nil {
		return nil, err
	}
	return buildcache.Compile(ctx, buildcache.Inputs{File: file, Target: m.Build.Target, Args: m.Build.Args, Contexts: m.Build.Contexts})
}

func (m *Moment) read(ctx context.Context, h *History) func(string) ([]byte, error) {
	return func(p string) ([]byte, error) {
		for _, e := range m.Entries {
			if e.Path == p {
				return h.checkout.Read(ctx, e)
			}
		}
		return nil, os.ErrNotExist
	}
}

// Keys are the model's.
func (m *Moment) Keys(ctx context.Context, h *History) (*buildcache.Plan, []buildcache.Key, error) {
	plan, err := m.compile(ctx)
	if err != nil {
		return nil, nil, err
	}
	opened, err := buildcontext.Open(buildcontext.NewTree(m.Entries), m.Build, m.read(ctx, h))
	if err != nil {
		return nil, nil, err
	}
	keys, err := plan.Keys(opened)
	return plan, keys, err
}

// Run builds the moment with the daemon from a directory that holds its files.
func (m *Moment) Run(ctx context.Context, d *Daemon, images *Images, dir string, names map[string]digest.Digest) ([]Observed, error) {
	b := Build{
		Context:    filepath.Join(dir, m.Build.Context),
		Dockerfile: filepath.Join(dir, filepath.Dir(m.Dockerfile)),
		File:       filepath.Base(m.Dockerfile),
		Target:     m.Build.Target,
		Args:       m.Build.Args,
		Images:     maps.Clone(names),
		Contexts:   map[string]string{},
	}
	for name, value := range m.Build.Contexts {
		delete(b.Images, name)
		if at, local := strings.CutPrefix(value, "./"); local {
			b.Contexts[name] = filepath.Join(dir, at)
		} else {
			b.Images[name] = names[""]
		}
	}
	if m.Build.Kind == buildcontext.Git {
		// BuildKit reads no ignore file of a git context. One that says nothing beside the Dockerfile
		// is the same.
		alone, err := os.MkdirTemp("", "hitrate-lab-dockerfile-")
		if err != nil {
			return nil, err
		}
		defer func() { _ = os.RemoveAll(alone) }()
		for name, text := range map[string][]byte{b.File: m.text, b.File + ".dockerignore": []byte("# nothing\n")} {
			if err := os.WriteFile(filepath.Join(alone, name), text, 0o644); err != nil {
				return nil, err
			}
		}
		b.Dockerfile = alone
	}
	return d.Run(ctx, images, b)
}
