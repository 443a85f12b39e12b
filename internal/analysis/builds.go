package analysis

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
)

// builds are the ways in which a Dockerfile is built, the primary one first; ok is false where one
// that somebody asks for cannot be.
func (a *run) builds(file *dockerfile.File) (builds []buildcontext.Build, ok bool) {
	builds, problem := a.buildsOf(file)
	if problem != "" {
		a.skip(file.Source.Path, 0, "not analysed: "+problem)
		return nil, false
	}
	return builds, true
}

// buildsOf gives the builds that the configuration names, else those that the repository's files
// show, else a guess; of these what the request chooses. problem says why there is none.
func (a *run) buildsOf(file *dockerfile.File) (builds []buildcontext.Build, problem string) {
	p := file.Source.Path
	if c := a.Choice; c != nil && c.Context != nil {
		b := buildcontext.Build{Dockerfile: p, Kind: buildcontext.Local, Context: *c.Context, Args: c.Args, Origin: "the command line"}
		if c.Target != nil {
			b.Target = *c.Target
		}
		if file.Target(b.Target) == nil {
			return nil, noStage(p, b.Target)
		}
		return []buildcontext.Build{b}, ""
	}
	for _, b := range a.Config.Builds {
		if b.Dockerfile != p {
			continue
		}
		if file.Target(b.Target) == nil {
			return nil, fmt.Sprintf("builds in %s has the target %q, and no stage has this name", config.RepositoryPath, b.Target)
		}
		builds = append(builds, buildcontext.Build{
			Dockerfile: p, Kind: buildcontext.Local, Context: b.Context, Target: b.Target, Args: b.Args,
			Origin: "builds in " + config.RepositoryPath,
		})
	}
	if len(builds) == 0 {
		for _, b := range a.facts.Builds {
			if b.Dockerfile == p && file.Target(b.Target) != nil && len(builds) < maxBuilds && !buildcontext.Stale(a.tree, file, b) {
				builds = append(builds, b)
			}
		}
		// The stages above the last one are usually parts of it, or made for development and tests.
		slices.SortStableFunc(builds, func(x, y buildcontext.Build) int {
			return cmp.Compare(file.Target(y.Target).Index, file.Target(x.Target).Index)
		})
	}
	if len(builds) == 0 {
		builds = []buildcontext.Build{buildcontext.Guess(a.tree, file)}
	}
	if a.Choice == nil {
		return valuesFirst(file, builds), ""
	}
	return a.chosen(file, builds)
}

// chosen is what the request's choice leaves of the known builds: those of its target, or the first
// one with another target.
func (a *run) chosen(file *dockerfile.File, builds []buildcontext.Build) (_ []buildcontext.Build, problem string) {
	if target := a.Choice.Target; target != nil {
		if file.Target(*target) == nil {
			return nil, noStage(file.Source.Path, *target)
		}
		of := slices.DeleteFunc(slices.Clone(builds), func(b buildcontext.Build) bool { return !strings.EqualFold(b.Target, *target) })
		if len(of) == 0 {
			of = []buildcontext.Build{valuesFirst(file, builds)[0]}
			of[0].Target = *target
		}
		builds = of
	}
	builds = slices.Clone(builds)
	for i := range builds {
		args := maps.Clone(builds[i].Args)
		if args == nil {
			args = map[string]string{}
		}
		maps.Copy(args, a.Choice.Args)
		builds[i].Args = args
	}
	return valuesFirst(file, builds), ""
}

func noStage(p, target string) string {
	return fmt.Sprintf("%s has no stage %q", p, target)
}

// foreignFrontend is the image that a syntax line names where it is not the frontend of Dockerfiles,
// whose steps are those that hitrate knows; "" where it is, or where there is no such line. A mirror
// has it under the same name.
func foreignFrontend(file *dockerfile.File) (line int, frontend string) {
	for _, d := range file.Directives {
		if !strings.EqualFold(d.Name, "syntax") {
			continue
		}
		if image := foreign(d.Value); image != "" {
			return file.Source.LineFromOffset(d.Span.Start), image
		}
		break
	}
	return 0, ""
}

// foreign is the image of a frontend that is not Dockerfile's own; "" for the own one, and for none.
func foreign(syntax string) string {
	fields := strings.Fields(syntax)
	if len(fields) == 0 {
		return ""
	}
	name, _, _ := strings.Cut(fields[0], "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name = name[:i]
	}
	for _, own := range []string{"docker/dockerfile", "docker/dockerfile-upstream"} {
		if name == own || strings.HasSuffix(name, "/"+own) {
			return ""
		}
	}
	return fields[0]
}

// valuesFirst puts the builds first that give every FROM a value.
func valuesFirst(file *dockerfile.File, builds []buildcontext.Build) []buildcontext.Build {
	lacks := func(b buildcontext.Build) bool {
		return slices.ContainsFunc(file.Stages, func(s *dockerfile.Stage) bool {
			_, missing := file.BaseImage(s, b.Args)
			return missing != ""
		})
	}
	out := slices.Clone(builds)
	slices.SortStableFunc(out, func(x, y buildcontext.Build) int { return compareBool(lacks(x), lacks(y)) })
	return out
}

func compareBool(x, y bool) int {
	switch {
	case x == y:
		return 0
	case x:
		return 1
	}
	return -1
}
