package review

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/source"
	"github.com/hitrate-bot/hitrate/internal/workflow"
)

// touchesBuild says whether a changed path could decide a build, by its name alone: it keeps pull
// requests that have nothing to do with one from costing requests.
func (g *gatherer) touchesBuild() bool {
	for _, f := range g.s.Changed {
		for _, p := range []string{f.Path, f.Previous} {
			if p != "" && (g.s.Config.MatchesDockerfile(p) || strings.HasSuffix(p, ".dockerignore") || manifestName(p) || workflow.Wanted(p)) {
				return true
			}
		}
	}
	return false
}

// manifestName says whether a path could be a file that an install reads.
func manifestName(p string) bool {
	switch name := path.Base(p); name {
	case "Pipfile", "Gemfile", "package.json", "package-lock.json", "npm-shrinkwrap.json", "composer.json", "pnpm-lock.yaml", "pnpm-workspace.yaml", "setup.py", "setup.cfg":
		return true
	default:
		switch path.Ext(name) {
		case ".txt", ".in", ".toml", ".lock", ".lockb", ".mod", ".sum", ".pip":
			return true
		case ".yml", ".yaml":
			return strings.Contains(name, "env") || strings.Contains(name, "conda")
		case "":
			return strings.Contains(strings.ToLower(p), "requirement")
		}
	}
	return false
}

// rebuilt returns the Dockerfiles that the pull request builds in another way: what its changed workflows,
// compose files and the like say of builds at the head, and no longer or not yet at the merge base.
func (g *gatherer) rebuilt(ctx context.Context, head tree) ([]string, error) {
	var now, before []ChangedFile
	for _, f := range g.s.Changed {
		if f.Status != "removed" && workflow.Wanted(f.Path) {
			now = append(now, f)
		}
		old := f
		if f.Previous != "" {
			old.Path = f.Previous
		}
		if f.Status != "added" && workflow.Wanted(old.Path) {
			before = append(before, old)
		}
	}
	if len(now)+len(before) == 0 {
		return nil, nil
	}
	commit, err := g.mergeBase(ctx)
	if err != nil {
		return nil, err
	}
	base, err := g.tree(ctx, commit)
	if err != nil {
		return nil, err
	}
	builds := func(t tree, changed []ChangedFile) (map[string]string, error) {
		var files []*source.File
		for _, f := range changed {
			e, ok := t.find(f.Path)
			if !ok {
				continue
			}
			data, err := g.blob(ctx, e)
			if err := g.hostError(err); err != nil {
				return nil, err
			}
			if err == nil {
				files = append(files, source.New(f.Path, data))
			}
		}
		facts := workflow.Read(files, func(p string) bool { _, ok := t.find(p); return ok })
		dockerfiles := map[string]string{} // by build
		for _, b := range facts.Builds {
			b.Origin, b.CacheFrom, b.VolatileAt = "", "", nil // name lines, which move
			dockerfiles[fmt.Sprintf("%+v", b)] = b.Dockerfile
		}
		for _, s := range facts.Steps {
			if s.Dockerfile != "" {
				// Whether its builder is new for each commit hangs on more than the build.
				dockerfiles[fmt.Sprint("step ", s.Dockerfile, s.Uses == "", s.Commits, s.Hosted, s.NewBuilder, s.Cache)] = s.Dockerfile
			}
		}
		return dockerfiles, nil
	}
	after, err := builds(head, now)
	if err != nil {
		return nil, err
	}
	earlier, err := builds(base, before)
	if err != nil {
		return nil, err
	}
	changed := map[string]bool{}
	for build, dockerfile := range after {
		if _, same := earlier[build]; !same {
			changed[dockerfile] = true
		}
	}
	for build, dockerfile := range earlier {
		if _, same := after[build]; !same {
			changed[dockerfile] = true
		}
	}
	return slices.Sorted(maps.Keys(changed)), nil
}
