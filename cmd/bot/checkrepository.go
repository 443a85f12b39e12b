package main

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/checkout"
	"github.com/hitrate-bot/hitrate/internal/source"
	"github.com/hitrate-bot/hitrate/internal/workflow"
)

// repository is one repository that arguments of a check lie in, with what they name of it.
type repository struct {
	co   *checkout.Checkout
	args []string // as given

	tree        []buildcontext.Entry
	cfg         config.Repository
	dockerfiles []string // to look at, by their paths in the repository
	manifests   []string // requirements files: what images that install them are told about them
	workflows   []string // what the images that they build are told about them

	found analysis.Report
	files map[string]*source.File // what findings and suggestions are in
}

// repositories are all that a check looks at, by directory.
type repositories []*repository

// openRepositories finds and lists the repositories that the arguments lie in; each counts by itself,
// with a configuration, workflows and build contexts of its own.
func openRepositories(ctx context.Context, args []string, p *progress) (_ repositories, err error) {
	from, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find the working directory: %w", err)
	}
	var all repositories
	defer func() {
		if err != nil {
			all.close()
		}
	}()
	roots, err := rootsOf(from, args)
	if err != nil {
		return nil, err
	}
	for i, arg := range args {
		r, err := all.at(ctx, roots[i])
		if err != nil {
			return nil, err
		}
		r.args = append(r.args, arg)
	}
	var files atomic.Int64
	read := func(r *repository) error {
		before := 0
		return r.read(ctx, func(n int) {
			p.say("Reading the tree: %d files", files.Add(int64(n-before)))
			before = n
		})
	}
	if err := all.each(read); err != nil {
		return nil, err
	}
	if err := all.each(func(r *repository) error { return r.choose(from) }); err != nil {
		return nil, err
	}
	if err := all.splitNested(ctx, read); err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b *repository) int { return strings.Compare(a.co.Dir, b.co.Dir) })
	return all, nil
}

// rootsOf are the roots of the repositories that the arguments lie in. A directory that nothing marks as
// a root belongs to the one above it that another argument names.
func rootsOf(from string, args []string) ([]string, error) {
	roots, marked := make([]string, len(args)), make([]bool, len(args))
	for i, arg := range args {
		var err error
		if roots[i], marked[i], err = checkout.Root(from, arg); err != nil {
			return nil, &codeError{exitUsage, err}
		}
	}
	out := slices.Clone(roots)
	for i := range out {
		for _, other := range roots {
			if !marked[i] && len(other) < len(out[i]) && checkout.Within(other, out[i]) {
				out[i] = other
			}
		}
	}
	return out, nil
}

// at is the repository with a root; it is opened once.
func (all *repositories) at(ctx context.Context, root string) (*repository, error) {
	for _, r := range *all {
		if r.co.Dir == root {
			return r, nil
		}
	}
	co, err := checkout.Open(ctx, root)
	if err != nil {
		return nil, &codeError{exitUsage, err}
	}
	for _, r := range *all {
		if r.co.Dir == co.Dir { // git has its own idea of where the root is
			return r, co.Close()
		}
	}
	r := &repository{co: co}
	*all = append(*all, r)
	return r, nil
}

func (all repositories) close() {
	for _, r := range all {
		_ = r.co.Close() // nothing was written through it
	}
}

// each does something with every repository, several at a time. The error is that of the first one in
// order.
func (all repositories) each(do func(*repository) error) error {
	errs := make([]error, len(all))
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i, r := range all {
		group.Go(func() error {
			errs[i] = do(r)
			return nil
		})
	}
	_ = group.Wait() // each has its own
	for i, err := range errs {
		if err != nil && len(all) > 1 {
			return fmt.Errorf("%s: %w", all[i].co.Dir, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// read lists the work tree, and reads its configuration.
func (r *repository) read(ctx context.Context, progress func(files int)) (err error) {
	if r.tree, err = r.co.WorkTree(ctx, progress); err != nil {
		return err
	}
	r.cfg, err = localConfig(ctx, r.co, r.tree)
	return err
}

// choose finds what the arguments name.
func (r *repository) choose(from string) error {
	at := buildcontext.NewTree(r.tree)
	for _, arg := range r.args {
		rel, err := r.co.Rel(from, arg)
		if err != nil {
			return &codeError{exitUsage, err}
		}
		_, file := at.Lookup(rel)
		switch {
		case rel == "." || at.IsDir(rel):
			for _, e := range r.tree {
				if (rel == "." || strings.HasPrefix(e.Path, rel+"/")) && r.cfg.MatchesDockerfile(e.Path) {
					r.dockerfiles = append(r.dockerfiles, e.Path)
				}
			}
		case !file:
			return usageError("%s: no such file or directory among the files of the checkout (is it ignored by git?)", arg)
		case !r.cfg.MatchesDockerfile(rel) && slices.Contains([]string{".txt", ".in", ".pip"}, path.Ext(rel)):
			r.manifests = append(r.manifests, rel)
		case !r.cfg.MatchesDockerfile(rel) && strings.HasPrefix(rel, ".github/workflows/") && workflow.Wanted(rel):
			r.workflows = append(r.workflows, rel)
		default:
			r.dockerfiles = append(r.dockerfiles, rel)
		}
	}
	for _, list := range []*[]string{&r.dockerfiles, &r.manifests, &r.workflows} { // a file may be named twice
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	return nil
}

// splitNested gives the Dockerfiles of repositories that lie in a directory without git to these. They
// have to be among their files, and their configuration, too, has to select them.
func (all *repositories) splitNested(ctx context.Context, read func(*repository) error) error {
	given := map[*repository][]string{}
	for _, outer := range slices.Clone(*all) {
		if len(outer.co.Nested) == 0 {
			continue
		}
		var own []string
		for _, file := range outer.dockerfiles {
			root := nearest(outer.co.Nested, file)
			if root == "" {
				own = append(own, file)
				continue
			}
			inner, err := all.at(ctx, filepath.Join(outer.co.Dir, filepath.FromSlash(root)))
			if err != nil {
				return err
			}
			given[inner] = append(given[inner], strings.TrimPrefix(file, root+"/"))
		}
		outer.dockerfiles = own
	}
	return all.each(func(r *repository) error {
		if len(given[r]) == 0 {
			return nil
		}
		if r.tree == nil {
			if err := read(r); err != nil {
				return err
			}
		}
		at := buildcontext.NewTree(r.tree)
		for _, file := range given[r] {
			if _, known := at.Lookup(file); known && r.cfg.MatchesDockerfile(file) {
				r.dockerfiles = append(r.dockerfiles, file)
			}
		}
		slices.Sort(r.dockerfiles)
		r.dockerfiles = slices.Compact(r.dockerfiles)
		return nil
	})
}

// nearest is the deepest of some directories that a file lies in, "" for none of them.
func nearest(dirs []string, file string) string {
	for dir := path.Dir(file); dir != "."; dir = path.Dir(dir) {
		if _, found := slices.BinarySearch(dirs, dir); found {
			return dir
		}
	}
	return ""
}

// analyse looks at every Dockerfile, and reads the texts that its result is about.
func (all repositories) analyse(ctx context.Context, p *progress) error {
	total := 0
	for _, r := range all {
		total += len(r.dockerfiles)
	}
	var looked atomic.Int64
	workers := analysis.NewWorkers(runtime.GOMAXPROCS(0))
	return all.each(func(r *repository) error {
		local := analysis.Local{Workers: workers, Read: r.co.Read, Looked: func() {
			p.say("Looked at %d of %d Dockerfiles", looked.Add(1), total)
		}}
		if err := r.analyse(ctx, local); err != nil {
			return err
		}
		return r.readFiles(ctx)
	})
}

func (r *repository) analyse(ctx context.Context, local analysis.Local) (err error) {
	request := analysis.Request{Config: r.cfg, Tree: r.tree, Repository: r.co.Origin(ctx), Dockerfiles: r.dockerfiles}
	if request.Dockerfiles == nil {
		request.Dockerfiles = []string{} // none, which is another thing than all
	}
	if r.found, err = local.Run(ctx, request); err != nil {
		return err
	}
	local.Looked = nil
	if request.Dockerfiles = nil; len(r.workflows) > 0 {
		about, err := local.Run(ctx, request)
		if err != nil {
			return err
		}
		r.add(about, r.workflows)
	}
	if request.Changed = r.manifests; len(r.manifests) > 0 {
		about, err := local.Run(ctx, request)
		if err != nil {
			return err
		}
		r.add(about, r.manifests)
	}
	return nil
}

// add takes over what another report says of some files, with the edits of these.
func (r *repository) add(about analysis.Report, files []string) {
	suggestions := map[int]int{} // of about to those of found
	for _, f := range about.Findings {
		listed := slices.ContainsFunc(r.found.Findings, func(g analysis.Finding) bool {
			return g.Rule == f.Rule && g.Path == f.Path && g.Lines == f.Lines
		})
		if listed || !slices.Contains(files, f.Path) {
			continue
		}
		if i := f.Suggestion; i >= 0 {
			at, known := suggestions[i]
			if !known {
				s := about.Suggestions[i]
				s.Findings = nil
				at = len(r.found.Suggestions)
				suggestions[i], r.found.Suggestions = at, append(r.found.Suggestions, s)
			}
			s := &r.found.Suggestions[at]
			s.Findings = append(s.Findings, len(r.found.Findings))
			f.Suggestion = at
		}
		r.found.Findings = append(r.found.Findings, f)
	}
}

// readFiles reads what findings and suggestions are in.
func (r *repository) readFiles(ctx context.Context) error {
	r.files = map[string]*source.File{}
	var paths []string
	for _, f := range r.found.Findings {
		paths = append(paths, f.Path)
	}
	for _, s := range r.found.Suggestions { // of a finding in a Dockerfile it may be in the ignore file
		paths = append(paths, s.Path)
	}
	if len(paths) == 0 {
		return nil
	}
	at := buildcontext.NewTree(r.tree)
	for _, file := range paths {
		if entry, ok := at.Lookup(file); ok && r.files[file] == nil {
			data, err := r.co.Read(ctx, entry)
			if err != nil {
				return fmt.Errorf("read %s again: %w", file, err)
			}
			r.files[file] = source.New(file, data)
		}
	}
	return nil
}
