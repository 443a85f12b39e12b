package fix

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/requirements"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// moveEnv proves that an ARG, or an ENV or LABEL that is made of one, can stand below the instructions
// that it passes:
//   - none of them names a variable that it sets, be it to read it or to set it, but for what the same
//     unit moves along; a CMD, ENTRYPOINT or HEALTHCHECK reads it when the container runs, where it is set
//     as before;
//   - none of them sets a variable that it names itself;
//   - each RUN consists of commands that the table of effects knows, that neither build a project (whose
//     hooks may read any variable), be it one that a manifest names by its path, nor list the environment; and
//     neither the manifests of its installs nor the settings of their tools name one of the variables;
//     and its variables are none that tools look at by themselves.
//
// The image's configuration and the environment of all other steps is what the comparison looks at.
func (s scene) moveEnv(u *unit, e rules.MoveEnv) Reason {
	own := sets(e.Step)
	text := s.in.File.Source.Text(e.Step.Span)
	if slices.ContainsFunc(own, shelleffects.ReadsVariable) || e.Step.Keyword != "ARG" && e.Step.Keyword != "ENV" && e.Step.Keyword != "LABEL" {
		return rules.NotProven
	}
	passed := between(e.Step, e.Below)
	if len(passed) == 0 {
		return rules.ChangesNothing
	}
	for _, i := range passed {
		if movesEnv(u, i) || i.Trigger != nil || i.Keyword == "CMD" || i.Keyword == "ENTRYPOINT" || i.Keyword == "HEALTHCHECK" {
			continue
		}
		if names(s.in.File.Source.Text(i.Span), own) || names(text, sets(i)) {
			return rules.VariableUsed
		}
		if i.Run() == nil {
			continue
		}
		if slices.ContainsFunc(s.scripts.InstallTexts(i), func(text string) bool { return names(text, own) }) {
			return rules.VariableUsed
		}
		if s.effects(i).ReadsEnvironment() || s.buildsOwn(i) {
			return rules.MayReadVariable
		}
	}
	return ""
}

// buildsOwn says whether an install of a step may build something of the repository: its manifests, as far as a COPY
// brings them, name a local path or run scripts of the project, or they cannot be read; or a requirements file comes
// from somewhere else.
func (s scene) buildsOwn(i *dockerfile.Instruction) bool {
	m := move{scene: s, step: i, below: i, at: i}
	for _, install := range s.effects(i).Installs {
		var files []string
		for _, man := range install.Manifests {
			image, known := install.Path(man.Path)
			file := ""
			if known {
				if file = m.boundTo(image); file == "" {
					file = m.broughtBy(image)
				}
			}
			lists := (install.Tool == "pip" || install.Tool == "uv") && path.Ext(man.Path) != ".toml" && path.Ext(man.Path) != ".lock"
			switch {
			case man.Constraint:
				continue
			case file == "" && lists:
				return true // copied or written by a command, of another stage or of the base image
			case file == "":
				continue
			}
			repo := s.in.Context.RepoPath(file)
			switch {
			case !m.isFile(file):
				return true
			case install.Tool != "pip" && install.Tool != "uv" && (install.Tool != "pipenv" || path.Base(man.Path) == "Pipfile" || path.Base(man.Path) == "Pipfile.lock"):
				if m.manifestFile(install, repo) != "" {
					return true
				}
			case path.Ext(file) == ".toml" || path.Ext(file) == ".lock":
				if m.project(repo) != "" {
					return true
				}
			default:
				files = append(files, repo)
			}
		}
		if len(files) == 0 {
			continue
		}
		set, err := requirements.Collect(files, nil, s.in.Read)
		if err != nil || set == nil || len(set.Missing) > 0 || len(set.Local()) > 0 {
			return true
		}
	}
	return false
}

// between are the instructions of a stage that one passes on its way below another.
func between(step, below *dockerfile.Instruction) []*dockerfile.Instruction {
	list := step.Stage.Instructions
	from, to := slices.Index(list, step), slices.Index(list, below)
	if from < 0 || to <= from {
		return nil
	}
	return list[from+1 : to+1]
}

// movesEnv says whether a unit moves an instruction along.
func movesEnv(u *unit, i *dockerfile.Instruction) bool {
	return slices.ContainsFunc(u.effects, func(e rules.Effect) bool {
		m, ok := e.(rules.MoveEnv)
		return ok && m.Step == i
	})
}

// sets are the variables that an instruction sets.
func sets(i *dockerfile.Instruction) []string {
	var out []string
	switch cmd := i.Command.(type) {
	case *instructions.ArgCommand:
		for _, a := range cmd.Args {
			out = append(out, a.Key)
		}
	case *instructions.EnvCommand:
		for _, e := range cmd.Env {
			out = append(out, e.Key)
		}
	}
	return out
}

// names says whether a text has one of some names as a word.
func names(text string, all []string) bool {
	return slices.ContainsFunc(all, func(name string) bool {
		return strings.Contains(text, name) && regexp.MustCompile(`(^|\W)`+regexp.QuoteMeta(name)+`($|\W)`).MatchString(text)
	})
}
