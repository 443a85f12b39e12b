package review

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// maxBlob is the most bytes of a file that is read.
const maxBlob = 1 << 20

// gatherer reads what Decide needs, for one look at a pull request.
type gatherer struct {
	host    Reader
	analyze analysis.Func
	log     *slog.Logger
	s       Situation
	trees   map[string]tree // by commit

	mergeBaseCommit string

	mu     sync.Mutex        // reports may read files concurrently
	blobs  map[string][]byte // by object
	failed error             // the first error of the host while a report was made
}

type tree struct {
	entries   []buildcontext.Entry
	byPath    map[string]buildcontext.Entry
	truncated bool
}

func (t tree) find(p string) (buildcontext.Entry, bool) {
	e, ok := t.byPath[p]
	return e, ok
}

func (r *Reviewer) newGatherer(host Reader, ref Ref, pull PullRequest) *gatherer {
	return &gatherer{
		host: host, analyze: r.Analyze, log: r.logger(),
		s:     Situation{Ref: ref, PullRequest: pull, Marks: r.Marks},
		trees: map[string]tree{}, blobs: map[string][]byte{},
	}
}

// gather reads the trees and makes the reports.
func (g *gatherer) gather(ctx context.Context) error {
	earlier, err := g.host.Reviews(ctx)
	if err != nil {
		return fmt.Errorf("list reviews: %w", err)
	}
	said := saidPaths(g.s.Ref, g.s.Marks, g.s.Login, earlier)
	if g.touchesBuild() || len(said) > 0 {
		if err := g.reports(ctx, said); err != nil {
			return err
		}
	}
	// What stands on the pull request is read last, right before it is decided what to add.
	if g.s.Reviews, err = g.host.Reviews(ctx); err != nil {
		return fmt.Errorf("list reviews: %w", err)
	}
	if g.s.Comments, err = g.host.Comments(ctx); err != nil {
		return fmt.Errorf("list comments: %w", err)
	}
	return nil
}

// reports looks at the head, and at the merge base where the head has something.
func (g *gatherer) reports(ctx context.Context, said []string) error {
	head, err := g.tree(ctx, g.s.PullRequest.Head)
	if err != nil {
		return err
	}
	rebuilt, err := g.rebuilt(ctx, head)
	if err != nil {
		return err
	}
	changed := slices.Concat(said, rebuilt)
	for _, f := range g.s.Changed {
		changed = append(changed, f.Path)
		if f.Previous != "" {
			changed = append(changed, f.Previous)
		}
	}
	slices.Sort(changed)
	request := analysis.Request{Config: g.s.Config, Tree: head.entries, Repository: g.s.PullRequest.address(), Changed: slices.Compact(changed)}
	if head.truncated {
		g.s.Truncated = true
		request.Tree = withChanged(head.entries, g.s.Changed)
		request.Dockerfiles = []string{}
		for _, e := range request.Tree {
			if slices.Contains(request.Changed, e.Path) && g.s.Config.MatchesDockerfile(e.Path) {
				request.Dockerfiles = append(request.Dockerfiles, e.Path)
			}
		}
	}
	if err := g.past(ctx, &request); err != nil {
		return err
	}
	report, err := g.complete(ctx, request)
	var hopeless hopelessError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case g.failed != nil:
		return g.failed
	case errors.As(err, &hopeless):
		g.s.NotAnalysed = strings.TrimPrefix(hopeless.NotAnalysed(), notAnalysed)
		return nil
	case err != nil:
		return fmt.Errorf("analyse the head: %w", err)
	}
	g.s.Head = report
	if err := g.base(ctx); err != nil {
		return err
	}
	return g.texts(ctx, head, said)
}

// mergeBase asks for the merge base once.
func (g *gatherer) mergeBase(ctx context.Context) (string, error) {
	if g.mergeBaseCommit == "" {
		pull := g.s.PullRequest
		commit, err := g.host.MergeBase(ctx, pull.Base, pull.Head)
		if err != nil {
			return "", fmt.Errorf("find merge base: %w", err)
		}
		g.mergeBaseCommit = commit
	}
	return g.mergeBaseCommit, nil
}

// hopelessError is an error of an analysis.Func that would come back as often as it is asked: the
// review says the reason, which is fit for the author of a pull request. Other errors are worth
// another try.
type hopelessError interface {
	error
	NotAnalysed() string
}

// withChanged adds the files of the diff to a tree that GitHub cut off.
func withChanged(entries []buildcontext.Entry, changed []ChangedFile) []buildcontext.Entry {
	all := slices.Clone(entries)
	for _, f := range changed {
		listed := slices.ContainsFunc(entries, func(e buildcontext.Entry) bool { return e.Path == f.Path })
		if f.Status != "removed" && f.Object != "" && !listed {
			all = append(all, buildcontext.Entry{Path: f.Path, Mode: "100644", Object: f.Object})
		}
	}
	return all
}

// base makes the report of the merge base, for the same Dockerfiles.
func (g *gatherer) base(ctx context.Context) error {
	if len(g.s.Head.Findings) == 0 && len(g.s.Head.Errors) == 0 {
		return nil
	}
	commit, err := g.mergeBase(ctx)
	if err != nil {
		return err
	}
	base, err := g.tree(ctx, commit)
	if err != nil {
		return err
	}
	before := map[string]string{}
	for _, f := range g.s.Changed {
		if f.Status == "renamed" {
			before[f.Path] = f.Previous
		}
	}
	dockerfiles := map[string]bool{}
	add := func(p string) {
		if old, ok := before[p]; ok {
			p = old
		}
		if _, ok := base.find(p); ok {
			dockerfiles[p] = true
		}
	}
	for _, f := range g.s.Head.Dockerfiles {
		add(f.Path)
	}
	for _, p := range g.s.Head.Errors {
		if g.s.Config.MatchesDockerfile(p.Path) {
			add(p.Path)
		}
	}
	if base.truncated {
		return g.baseTexts(ctx, base) // what is not listed may have been there
	}
	if len(dockerfiles) == 0 {
		g.s.Base = &analysis.Report{}
		return g.baseTexts(ctx, base)
	}
	report, err := g.complete(ctx, analysis.Request{
		Config: g.s.Config, Tree: base.entries, Repository: g.s.PullRequest.address(), Dockerfiles: slices.Sorted(maps.Keys(dockerfiles)), WithoutFixes: true,
	})
	var hopeless hopelessError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case g.failed != nil:
		return g.failed
	case err != nil && !errors.As(err, &hopeless):
		return fmt.Errorf("analyse the merge base: %w", err)
	case err == nil:
		g.s.Base = &report
	}
	return g.baseTexts(ctx, base)
}

// baseTexts reads the old text of changed files for which GitHub gives no patch, where the report
// speaks of them.
func (g *gatherer) baseTexts(ctx context.Context, base tree) error {
	spoken := map[string]bool{}
	for _, f := range g.s.Head.Findings {
		spoken[f.Path] = true
	}
	g.s.BaseTexts = map[string][]byte{}
	for _, f := range g.s.Changed {
		if f.HasPatch || !spoken[f.Path] {
			continue
		}
		old := f.Path
		if f.Previous != "" {
			old = f.Previous
		}
		if e, ok := base.find(old); ok {
			data, err := g.blob(ctx, e)
			if err := g.hostError(err); err != nil {
				return err
			}
			if err == nil {
				g.s.BaseTexts[f.Path] = data
			}
		}
	}
	return nil
}

// texts keeps the head's files that the report or our earlier reviews speak of.
func (g *gatherer) texts(ctx context.Context, head tree, said []string) error {
	wanted := map[string]bool{}
	for _, p := range said {
		wanted[p] = true
	}
	for _, f := range g.s.Head.Findings {
		wanted[f.Path] = true
	}
	for _, s := range g.s.Head.Suggestions {
		wanted[s.Path] = true
	}
	g.s.Texts = map[string][]byte{}
	for _, e := range head.entries {
		if !wanted[e.Path] {
			continue
		}
		data, err := g.blob(ctx, e)
		if err := g.hostError(err); err != nil {
			return err
		}
		if err == nil {
			g.s.Texts[e.Path] = data
		}
	}
	return nil
}

// unfinishedError is a report that was not finished in a bounded number of rounds.
type unfinishedError struct{ error }

func (unfinishedError) NotAnalysed() string { return "its files name too many others" }

// complete makes a report of a tree. A failing host ends it, with the error in g.failed.
func (g *gatherer) complete(ctx context.Context, request analysis.Request) (analysis.Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var failed error
	analyze := func(ctx context.Context, request analysis.Request) (analysis.Report, error) {
		report, err := g.analyze(ctx, request)
		failed = err
		return report, err
	}
	if isLarge(request) {
		analyze = slimFirst(analyze)
	}
	report, err := analysis.Complete(ctx, analyze, request, func(ctx context.Context, e buildcontext.Entry) ([]byte, error) {
		data, err := g.blob(ctx, e)
		if failure := g.hostError(err); failure != nil {
			g.mu.Lock()
			defer g.mu.Unlock()
			if g.failed == nil {
				g.failed = failure
			}
			cancel() // nothing is worth finishing
		}
		return data, err
	})
	if err != nil && failed == nil && ctx.Err() == nil {
		err = unfinishedError{err}
	}
	return report, err
}

func (g *gatherer) tree(ctx context.Context, commit string) (tree, error) {
	if t, ok := g.trees[commit]; ok {
		return t, nil
	}
	entries, truncated, err := g.host.Tree(ctx, commit)
	if err != nil {
		return tree{}, fmt.Errorf("read tree of %s: %w", commit, err)
	}
	t := tree{entries, make(map[string]buildcontext.Entry, len(entries)), truncated}
	for _, e := range entries {
		t.byPath[e.Path] = e
	}
	g.trees[commit] = t
	return t, nil
}

// unreadableError says why the text of a file is not had: no fault of the host.
type unreadableError string

func (e unreadableError) Error() string { return string(e) }

// blob reads the text of a file.
func (g *gatherer) blob(ctx context.Context, e buildcontext.Entry) ([]byte, error) {
	switch {
	case e.Mode == "120000":
		return nil, unreadableError("a symbolic link")
	case e.Mode == "160000":
		return nil, unreadableError("a submodule")
	case e.Size > maxBlob:
		return nil, unreadableError("larger than 1 MB")
	}
	g.mu.Lock()
	data, ok := g.blobs[e.Object]
	g.mu.Unlock()
	if !ok {
		var err error
		data, err = g.host.Blob(ctx, e.Object)
		if errors.Is(err, ErrTooLarge) {
			return nil, unreadableError(ErrTooLarge.Error())
		}
		if err != nil {
			return nil, fmt.Errorf("read blob of %s: %w", e.Path, err)
		}
		g.mu.Lock()
		g.blobs[e.Object] = data
		g.mu.Unlock()
	}
	switch {
	case len(data) > maxBlob:
		return nil, unreadableError("larger than 1 MB")
	case bytes.IndexByte(data[:min(len(data), 8000)], 0) >= 0: // as git decides it
		return nil, unreadableError("binary")
	}
	return data, nil
}

// hostError is the error of a blob where the host failed, nil where the file cannot be read.
func (g *gatherer) hostError(err error) error {
	var unreadable unreadableError
	if err == nil || errors.As(err, &unreadable) {
		return nil
	}
	return err
}
