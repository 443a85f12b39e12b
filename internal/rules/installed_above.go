package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// placed is an install of a step of a lane.
type placed struct {
	shelleffects.Install
	lane []step
	i    int
}

// installedAbove says whether an install above the copy has already installed what these install:
// the same tool from the same manifests, into an environment that is still there. What runs again
// then is little.
func (p *Pass) installedAbove(lane []step, at int, s served) bool {
	if at < 0 {
		at = s.i
	}
	before := p.installsAbove(lane, at)
	for _, st := range lane[min(at+1, s.i):s.i] {
		before = append(before, p.installsCopied(st.in)...) // the source is not in their key
	}
	for n, install := range s.installs {
		if len(install.Manifests) == 0 {
			continue
		}
		if p.madeAnew(lane, s.i, install) || !slices.ContainsFunc(before, func(b placed) bool { return p.sameInstall(install, s.reads[n], b) && !brings(install, b.Install) }) {
			return false
		}
	}
	return s.reading
}

// groups are the options of a tool by which an install takes a part of what its manifests name.
type groups struct {
	without []string // leave the dependencies of development out
	with    []string // bring a group or an extra, whose name follows
	all     []string // bring every group or extra, or those of development
}

// groupsOf are those options.
// Source: "uv sync --help", "poetry install --help", "pipenv install --help", "pdm install --help", "npm ci --help",
// "pnpm install --help", "yarn install --help" (1.x), "bun install --help".
var groupsOf = map[string]groups{
	"uv":     {[]string{"--no-dev", "--no-default-groups", "--only-group"}, []string{"--group", "--extra"}, []string{"--all-groups", "--all-extras"}},
	"poetry": {[]string{"--no-dev", "--only", "--without"}, []string{"--with", "--extras", "-E"}, []string{"--all-groups", "--all-extras"}},
	"pipenv": {nil, []string{"--categories"}, []string{"--dev", "-d"}},
	"pdm":    {[]string{"--prod", "--production", "--without"}, []string{"--group", "-G", "--with"}, []string{"--dev", "-d"}},
	"npm":    {[]string{"--omit=dev", "--production", "--only=production", "--only=prod"}, nil, nil},
	"pnpm":   {[]string{"--prod", "--production", "-P"}, nil, nil},
	"yarn":   {[]string{"--production", "--prod"}, nil, nil},
	"bun":    {[]string{"--production", "-p"}, nil, nil},
}

// brings says whether an install of dependencies alone brings a part of what the manifests name that one above it has
// left out: as much to fetch as any install.
func brings(below, above shelleffects.Install) bool {
	options := groupsOf[below.Tool]
	if below.NeedsSource != "" || below.Tool != above.Tool {
		return false
	}
	named := func(install shelleffects.Install, names []string) []string {
		var out []string
		for n, w := range install.Command.Words {
			name, value, joined := strings.Cut(w.Value, "=")
			switch {
			case slices.Contains(names, w.Value) && !slices.Contains(options.with, w.Value):
				out = append(out, w.Value)
			case slices.Contains(names, name) && joined:
				out = append(out, value)
			case slices.Contains(names, name) && n+1 < len(install.Command.Words):
				out = append(out, install.Command.Words[n+1].Value)
			}
		}
		return out
	}
	if len(named(above, options.all)) > 0 {
		return false
	}
	if len(named(below, options.without)) == 0 && len(named(above, options.without)) > 0 || len(named(below, options.all)) > 0 {
		return true
	}
	had := named(above, options.with)
	return slices.ContainsFunc(named(below, options.with), func(group string) bool { return !slices.Contains(had, group) })
}

// setsRight says whether all that a RUN installs is to replace what an install of the source between the
// copy and the RUN has brought: by an option, or under a condition. Above that one it would be replaced
// itself.
// Source: https://pip.pypa.io/en/stable/cli/pip_install/#cmdoption-force-reinstall
func (p *Pass) setsRight(lane []step, at int, s served) bool {
	for _, install := range s.installs {
		if len(install.Manifests) > 0 || install.Command.Always && !slices.ContainsFunc(install.Command.Words, func(w dockerfile.Word) bool {
			return slices.Contains([]string{"--force-reinstall", "--ignore-installed", "-I", "--no-deps", "--upgrade", "-U", "--reinstall"}, w.Value)
		}) {
			return false
		}
	}
	for _, st := range lane[min(at+1, s.i):s.i] {
		if slices.ContainsFunc(p.effectsOf(st.in).Installs, func(i shelleffects.Install) bool { return i.NeedsSource != "" }) {
			return true
		}
	}
	return false
}

func (p *Pass) sameInstall(a shelleffects.Install, reads readsOf, b placed) bool {
	if a.Tool != b.Tool || len(a.Manifests) == 0 || len(b.Manifests) == 0 {
		return false
	}
	if other := p.reads(b.lane, b.i, b.Install); len(reads.named) > 0 && len(other.named) > 0 {
		if one, two := reads.named[0].file, other.named[0].file; one != "" && two != "" {
			return one == two
		}
	}
	if a.Leaves != "" || b.Leaves != "" {
		return true
	}
	pa, _ := a.Path(a.Manifests[0].Path)
	pb, _ := b.Path(b.Manifests[0].Path)
	return path.Base(pa) == path.Base(pb)
}

// madeAnew says whether a RUN takes away the environment that it installs into, so that everything is
// installed again.
func (p *Pass) madeAnew(lane []step, i int, install shelleffects.Install) bool {
	for _, r := range p.effectsOf(lane[i].in).Removals {
		if r.Command.Span.Start > install.Command.Span.Start {
			continue
		}
		for _, removed := range r.Paths {
			if slices.ContainsFunc(install.Writes, func(w string) bool { return shelleffects.Covers(removed, w) }) {
				return true
			}
		}
	}
	return false
}

// installsAbove are the installs above a place of a lane: of its steps, of the stages that it is FROM,
// and of those whose environment one of the steps copies.
func (p *Pass) installsAbove(lane []step, end int) []placed {
	var out []placed
	for depth := 0; depth < maxStages; depth++ {
		for i, st := range lane[:end] {
			for _, install := range p.effectsOf(st.in).Installs {
				out = append(out, placed{install, lane, i})
			}
			out = append(out, p.installsCopied(st.in)...)
		}
		if len(lane) == 0 || lane[0].in != lane[0].outer || lane[0].in.Stage.Parent == nil {
			break
		}
		lane = p.lanes(lane[0].in.Stage.Parent)[0]
		end = len(lane)
	}
	return out
}

// environmentsInProject are the variables that put a tool's virtual environment into the project; the
// tools that are not named do so by themselves.
// Source: https://python-poetry.org/docs/configuration/#virtualenvsin-project,
// https://pipenv.pypa.io/en/latest/configuration.html
var environmentsInProject = map[string]string{"poetry": "POETRY_VIRTUALENVS_IN_PROJECT", "pipenv": "PIPENV_VENV_IN_PROJECT"}

// installsCopied are the installs whose environment a COPY --from brings from another stage.
func (p *Pass) installsCopied(in *dockerfile.Instruction) []placed {
	cmd, ok := in.Command.(*instructions.CopyCommand)
	if !ok || cmd.From == "" || len(in.Args) < 2 {
		return nil
	}
	var out []placed
	for _, stage := range p.File.From(in) {
		for depth := 0; stage != nil && depth < maxStages; depth++ {
			lane := p.lanes(stage)[0]
			for i, st := range lane {
				for _, install := range p.effectsOf(st.in).Installs {
					if p.copiesEnvironment(in, st.in, install) {
						out = append(out, placed{install, lane, i})
					}
				}
			}
			stage = stage.Parent
		}
	}
	return out
}

// copiesEnvironment says whether a COPY --from brings the directory that an install writes.
func (p *Pass) copiesEnvironment(in, run *dockerfile.Instruction, install shelleffects.Install) bool {
	for _, a := range in.Args[:len(in.Args)-1] {
		src, known := shelleffects.Expand(a.Value, p.states[in].Env)
		if !known {
			continue
		}
		src = path.Clean("/" + src)
		for _, w := range install.Writes {
			name := environmentsInProject[install.Tool]
			if src == w || shelleffects.Covers(src, w) && (name == "" || p.states[run].Env[name] != "") {
				return true
			}
		}
	}
	return false
}
