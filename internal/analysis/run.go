package analysis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/fix"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
	"github.com/hitrate-bot/hitrate/internal/workflow"
)

// Limits of one request.
const (
	maxDockerfiles = 500
	maxBuilds      = 20 // of one Dockerfile
	maxFactFiles   = 60 // workflows, compose files, Makefiles: those nearest to the root
)

// Run looks at the tree of a request. It first works out what it has to read, over several rounds
// (see Request.Blobs), and looks at the files when it has everything.
//
// Run needs no network, no file system and no clock. When ctx ends, what is not done by then is skipped
// or withheld, with that reason.
func Run(ctx context.Context, req Request) Report {
	return newRun(req, req.Tree).do(ctx)
}

func newRun(req Request, tree []buildcontext.Entry) *run {
	return &run{
		Request:  req,
		tree:     buildcontext.NewTree(tree),
		needs:    map[string]bool{},
		texts:    map[string]*source.File{},
		lost:     map[string]error{},
		contexts: map[contextKey]func() (*buildcontext.Context, error){},
	}
}

func (a *run) do(ctx context.Context) Report {
	chosen := a.choose()
	if len(chosen) == 0 {
		return a.report()
	}
	a.openBase()
	if !a.knowFacts() {
		// How it is built decides which files count; the Dockerfiles are needed in any case.
		for _, p := range chosen {
			_, _ = a.read(p)
		}
		return a.unfinished()
	}
	targets := make([]*target, len(chosen))
	a.workers.each(len(chosen), func(i int) {
		if ctx.Err() != nil {
			a.skip(chosen[i], 0, outOfTime)
			return
		}
		targets[i] = a.open(ctx, chosen[i])
	})
	targets = withoutNil(targets)
	if len(a.needs) > 0 {
		return a.unfinished()
	}
	if !a.WithoutRules {
		a.workers.each(len(targets), func(i int) {
			t := targets[i]
			if !a.compile(ctx, t) {
				targets[i] = nil
				return
			}
			t.in.Brought = rules.NewBrought(t.in.Context)
			t.findings = rules.Run(t.in)
			if a.fetch != nil { // then nothing is needed later
				a.prove(ctx, t)
			}
		})
		targets = withoutNil(targets)
	}
	for _, t := range targets {
		a.plans(ctx, t)
	}
	if len(a.needs) > 0 {
		return a.unfinished()
	}
	if a.fetch == nil {
		a.workers.each(len(targets), func(i int) { a.prove(ctx, targets[i]) })
	}
	if len(a.needs) > 0 {
		return a.unfinished()
	}
	for _, t := range targets {
		a.evidence(ctx, t)
	}
	a.collect(targets)
	return a.report()
}

// prove proves the edits of a Dockerfile's findings. It is the last that is done with the rules.
func (a *run) prove(ctx context.Context, t *target) {
	if !a.WithoutFixes {
		t.fixes = fix.ProveWith(ctx, t.in, t.findings, fix.Means{Parallel: cap(a.workers), Plan: t.compiled})
	}
	t.in.Brought, t.compiled = nil, nil
	if a.looked != nil {
		a.looked()
	}
}

func withoutNil(targets []*target) []*target {
	return slices.DeleteFunc(targets, func(t *target) bool { return t == nil })
}

// run is one request on its way.
type run struct {
	Request
	tree    buildcontext.Tree
	facts   workflow.Facts
	workers Workers
	looked  func()
	// fetch reads a text at once; nil: what is not there is needed.
	fetch func(buildcontext.Entry) ([]byte, error)

	mu       sync.Mutex      // of what follows, up to out
	needs    map[string]bool // objects
	texts    map[string]*source.File
	lost     map[string]error // by path: why fetch gave no text
	contexts map[contextKey]func() (*buildcontext.Context, error)
	out      Report

	base *run // the base's tree, with what was read of it; nil for none
	head *run // of a base
}

// openBase makes ready to look at the base's tree. What it needs is needed by the head's run.
func (a *run) openBase() {
	if a.Base == nil {
		return
	}
	a.base = newRun(a.Request, a.Base)
	a.base.needs, a.base.head, a.base.fetch = a.needs, a, a.fetch
}

// knowFacts reads how the repository builds, and built in the base; known is false while something
// has not been fetched.
func (a *run) knowFacts() (known bool) {
	a.facts, known = a.readFacts()
	if a.base != nil {
		var baseKnown bool
		a.base.facts, baseKnown = a.base.readFacts()
		known = known && baseKnown
	}
	return known
}

// target is one Dockerfile to look at.
type target struct {
	in       rules.Input
	out      Dockerfile
	compiled *buildcache.Plan // the primary build, until the proofs are done
	findings []rules.Finding
	fixes    fix.Result
	planned  []*planned // of each of out.Plans
}

// unfinished ends a round: only what is needed counts.
func (a *run) unfinished() Report {
	return Report{Needs: slices.Sorted(maps.Keys(a.needs))}
}

func (a *run) report() Report {
	byPlace := func(x, y Problem) int {
		return cmp.Or(cmp.Compare(x.Path, y.Path), cmp.Compare(x.Line, y.Line), cmp.Compare(x.Message, y.Message))
	}
	slices.SortFunc(a.out.Errors, byPlace)
	slices.SortFunc(a.out.Skipped, byPlace)
	slices.SortFunc(a.out.Dockerfiles, func(x, y Dockerfile) int { return cmp.Compare(x.Path, y.Path) })
	return a.out
}

// choose gives the Dockerfiles to look at, sorted.
func (a *run) choose() []string {
	var chosen []string
	if a.Changed != nil && !slices.ContainsFunc(a.Changed, func(p string) bool { return a.mayMatter(p) }) {
		return nil
	}
	names := a.Dockerfiles
	if names == nil {
		for _, e := range a.tree.Entries {
			if a.Config.MatchesDockerfile(e.Path) {
				names = append(names, e.Path)
			}
		}
	}
	names = slices.Clone(names)
	slices.Sort(names)
	for _, p := range slices.Compact(names) {
		entry, found := a.tree.Lookup(p)
		switch {
		case !found:
			a.skip(p, 0, "not analysed: there is no such file")
		case !utf8.ValidString(p):
			a.skip(p, 0, "not analysed: its name is not valid UTF-8")
		case entry.Mode == buildcontext.ModeSymlink && !a.WithoutRules: // edits are for files
			a.skip(p, 0, "not analysed: a symbolic link")
		case entry.Mode == buildcontext.ModeSubmodule:
			a.skip(p, 0, "not analysed: a submodule")
		case len(chosen) == maxDockerfiles:
			a.skip(p, 0, fmt.Sprintf("not analysed: there are more than %d Dockerfiles", maxDockerfiles))
		default:
			chosen = append(chosen, p)
		}
	}
	return chosen
}

// sourceExtensions are those of files that are neither Dockerfiles, nor ignore files, nor read by an
// install.
var sourceExtensions = []string{
	".c", ".cc", ".cpp", ".cs", ".css", ".csv", ".gif", ".go", ".h", ".htm", ".html", ".ico", ".ipynb", ".java", ".jpeg", ".jpg",
	".js", ".jsx", ".kt", ".less", ".map", ".md", ".mjs", ".pdf", ".php", ".png", ".po", ".proto", ".py", ".rb", ".rs", ".rst",
	".scss", ".sh", ".snap", ".sql", ".svelte", ".svg", ".swift", ".tf", ".ts", ".tsx", ".vue", ".webp", ".woff", ".woff2",
}

// mayMatter says whether a changed path can touch a Dockerfile at all. Most changes of a repository
// cannot, and then nothing has to be fetched.
func (a *run) mayMatter(p string) bool {
	if a.Config.MatchesDockerfile(p) || slices.Contains(a.Dockerfiles, p) {
		return true
	}
	return !slices.Contains(sourceExtensions, path.Ext(p))
}

// readFacts reads the files that show how the repository builds; known is false while some of them
// have not been fetched.
func (a *run) readFacts() (facts workflow.Facts, known bool) {
	var wanted []buildcontext.Entry
	for _, e := range a.tree.Entries {
		if (e.Mode == buildcontext.ModeFile || e.Mode == buildcontext.ModeExecutable) && e.Size <= maxText && workflow.Wanted(e.Path) {
			wanted = append(wanted, e)
		}
	}
	// Workflows first, then what lies nearest to the root.
	slices.SortStableFunc(wanted, func(x, y buildcontext.Entry) int {
		return cmp.Or(-compareBool(path.Dir(x.Path) == ".github/workflows", path.Dir(y.Path) == ".github/workflows"),
			cmp.Compare(strings.Count(x.Path, "/"), strings.Count(y.Path, "/")))
	})
	wanted = wanted[:min(len(wanted), maxFactFiles)]
	slices.SortFunc(wanted, func(x, y buildcontext.Entry) int { return cmp.Compare(x.Path, y.Path) })
	var files []*source.File
	for _, e := range wanted {
		if file, err := a.read(e.Path); err == nil {
			files = append(files, file)
		}
	}
	if len(a.needs) > 0 {
		return facts, false
	}
	return workflow.Read(files, func(p string) bool {
		_, found := a.tree.Lookup(p)
		return found
	}), true
}

// open parses a Dockerfile, finds its builds, its context and what its installs read; nil where
// nothing is to be looked at: it cannot be read, or no change touches it.
func (a *run) open(ctx context.Context, p string) *target {
	src, err := a.read(p)
	switch {
	case errors.Is(err, rules.ErrNeeded):
		return nil
	case err != nil:
		a.skip(p, 0, "not analysed: "+err.Error())
		return nil
	}
	file, err := dockerfile.Parse(src)
	if err != nil {
		a.refuse(p, err)
		return nil
	}
	if line, frontend := foreignFrontend(file); frontend != "" {
		a.skip(p, line, fmt.Sprintf("not analysed: its syntax line names the frontend %s, and hitrate knows Dockerfile's own", frontend))
		return nil
	}
	t := &target{in: rules.Input{File: file, Config: a.Config, Facts: a.facts, Repository: a.Repository, Read: a.read}}
	builds, ok := a.builds(file)
	if !ok {
		return nil
	}
	// Source: Docker's reference, "Pre-defined ARGs / BuildKit built-in build args".
	frontend := foreign(builds[0].Args["BUILDKIT_SYNTAX"])
	builds = slices.DeleteFunc(builds, func(b buildcontext.Build) bool { return foreign(b.Args["BUILDKIT_SYNTAX"]) != "" })
	if len(builds) == 0 {
		a.skip(p, 0, fmt.Sprintf("not analysed: the build argument BUILDKIT_SYNTAX names the frontend %s, and hitrate knows Dockerfile's own", frontend))
		return nil
	}
	t.in.Builds = builds
	if !a.setContext(t) {
		return nil
	}
	var manifests []string
	if !a.WithoutRules {
		manifests = rules.Manifests(t.in)
	}
	if !a.touches(t, manifests) {
		return nil
	}
	for _, m := range manifests {
		// Proofs look into these; the rules may only have named them.
		if base := path.Base(m); base == "pyproject.toml" || base == "uv.toml" || base == "uv.lock" {
			_, _ = a.read(m)
		}
	}
	t.out = Dockerfile{Path: p, Builds: builds, IgnoreFile: t.in.Context.IgnoreFile, Manifests: manifests}
	return t
}

// setContext opens the context of the primary build; ok is false where there is none, or none yet.
func (a *run) setContext(t *target) (ok bool) {
	p := t.in.File.Source.Path
	var err error
	t.in.Context, err = a.openContext(t.in.Builds[0])
	var ignore *buildcontext.IgnoreError
	switch {
	case errors.Is(err, rules.ErrNeeded):
		return false
	case errors.As(err, &ignore):
		message := ignore.Message
		if ignore.Pattern != "" {
			message = fmt.Sprintf("pattern %q: %s", ignore.Pattern, ignore.Message)
		}
		if a.touches(t, nil) {
			a.fail(ignore.Path, ignore.Line, message)
		}
		a.skip(p, 0, "not analysed: the ignore file that applies cannot be used")
		return false
	case err != nil:
		a.skip(p, 0, "not analysed: the ignore file that applies cannot be read")
		return false
	}
	return true
}

// openContext opens the context of a build. Dockerfiles that share a directory and an ignore file
// share what the ignore file leaves of it: that is the costly part of a large tree.
func (a *run) openContext(b buildcontext.Build) (*buildcontext.Context, error) {
	key := contextKey{kind: b.Kind, dir: path.Clean(b.Context), contexts: fmt.Sprint(b.Contexts)}
	for _, p := range buildcontext.IgnoreCandidates(b) {
		if _, found := a.tree.Lookup(p); found {
			key.ignore += p + "\x00"
		}
	}
	a.mu.Lock()
	open, ok := a.contexts[key]
	if !ok {
		open = sync.OnceValues(func() (*buildcontext.Context, error) {
			return buildcontext.Open(a.tree, b, func(p string) ([]byte, error) {
				f, err := a.read(p)
				if err != nil {
					return nil, err
				}
				return f.Data, nil
			})
		})
		a.contexts[key] = open
	}
	a.mu.Unlock()
	shared, err := open()
	if err != nil {
		return nil, err
	}
	c := *shared
	c.Build = b
	return &c, nil
}

// contextKey is what a context's files hang on.
type contextKey struct {
	kind        buildcontext.Kind
	dir, ignore string
	contexts    string // the named ones
}

// touches says whether one of the changes is about a Dockerfile: itself, an ignore file that applies
// or could apply (it may be gone now), a file that its installs read.
func (a *run) touches(t *target, manifests []string) bool {
	if a.Changed == nil {
		return true
	}
	paths := append([]string{t.in.File.Source.Path}, manifests...)
	for _, b := range t.in.Builds {
		paths = append(paths, buildcontext.IgnoreCandidates(b)...)
	}
	return slices.ContainsFunc(paths, func(p string) bool { return slices.Contains(a.Changed, p) })
}

// compile asks BuildKit whether it takes the file. Where the primary build does not compile and
// another one does, that is the primary one. ok is false where none does, or where the new primary
// build needs more to be read.
func (a *run) compile(ctx context.Context, t *target) (ok bool) {
	var first error
	for i, b := range t.in.Builds {
		plan, err := buildcache.Compile(ctx, buildcache.Inputs{File: t.in.File, Target: b.Target, Args: b.Args, Contexts: b.Contexts, AllStages: true})
		if a.fetch != nil { // its proofs come next; else it may be one of many that wait for theirs
			t.compiled = plan
		}
		switch {
		case err == nil && i == 0:
			return true
		case err == nil:
			builds := slices.Insert(slices.Delete(slices.Clone(t.in.Builds), i, i+1), 0, b)
			t.in.Builds, t.out.Builds = builds, builds
			return a.setContext(t)
		case first == nil:
			first = err
		}
	}
	if ctx.Err() != nil {
		a.skip(t.in.File.Source.Path, 0, outOfTime)
		return false
	}
	a.refuse(t.in.File.Source.Path, first)
	return false
}
