package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/requirements"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// requirementPin is the edit of one requirement's line.
type requirementPin struct {
	unit *Unit
	lock string // the name of the lock file
}

// lockNames are the files that name versions, by the tools that write them.
var lockNames = []string{"poetry.lock", "uv.lock", "pdm.lock", "Pipfile.lock", "constraints.txt"}

// named is a version with the lock file that names it.
type named struct {
	lock *requirements.Lock
	requirements.Locked
}

// pin is the edit that gives a requirement the version that the repository's own lock files name; nil and no
// reason where they name none.
func (p *Pass) pin(set *requirements.Set, row requirements.Row, python string) (*requirementPin, Reason) {
	r := row.Requirement
	if r.Kind != requirements.Named || r.Name == "" || r.Editable {
		return nil, ""
	}
	versions := p.lockedVersions(set, row.File.Source.Path, r.Name)
	if len(versions) == 0 {
		return nil, ""
	}
	v := versions[0] // of the nearest file
	pre, public := requirements.PreRelease(v.Version)
	asked := requirements.AsksForPreRelease(r.Specifier) || slices.ContainsFunc(set.Files, func(f *requirements.File) bool {
		return slices.ContainsFunc(f.Options, func(o requirements.Option) bool { return o.Name == "--pre" })
	})
	switch {
	case slices.ContainsFunc(versions, func(o named) bool { return o.Elsewhere }):
		return nil, LockElsewhere
	case slices.ContainsFunc(versions, func(o named) bool { return o.Version != v.Version }):
		return nil, SeveralVersions
	case slices.ContainsFunc(versions, func(o named) bool { return o.Conditional }):
		return nil, LockConditional
	case !public || pre && !asked:
		return nil, LockPreRelease
	case !requirements.Admits(r.Specifier, v.Version):
		return nil, LockOutside
	case slices.ContainsFunc(set.Files, func(f *requirements.File) bool { return f.RequireHashes() }):
		return nil, HashesAsked
	case disagrees(set, versions):
		return nil, LockDisagrees
	case slices.ContainsFunc(versions, func(o named) bool {
		return slices.ContainsFunc(o.Python, func(r string) bool { return python == "" || !requirements.Admits(r, python) })
	}):
		return nil, LockPython
	case p.readByProject(row.File.Source.Path):
		return nil, ReadByProject
	}
	edit, ok := r.Pin(row.File.Source, v.Version)
	if !ok {
		return nil, RequirementForm
	}
	return &requirementPin{
		unit: &Unit{
			Path:    row.File.Source.Path,
			Edits:   []source.Edit{edit},
			Effects: []Effect{PinRequirement{Name: r.Name, Version: v.Version, Lock: v.lock.Path}},
		},
		lock: path.Base(v.lock.Path),
	}, ""
}

// lockedVersions are what the lock files name for a project, those nearest to a requirements file first: in its
// directory and above it, up to the build context.
func (p *Pass) lockedVersions(set *requirements.Set, file, project string) []named {
	if p.Context == nil || p.Read == nil {
		return nil
	}
	top := path.Clean(p.Context.RepoPath("."))
	var out []named
	add := func(at string, compiled bool) {
		entry, ok := p.Context.All.Lookup(at)
		if !ok || entry.Mode != buildcontext.ModeFile || slices.ContainsFunc(set.Files, func(f *requirements.File) bool { return f.Source.Path == at }) {
			return
		}
		text, err := p.Read(at)
		if err != nil || compiled && !requirements.Compiled(text) {
			return
		}
		if l := p.brought.lock(text); l != nil {
			for _, v := range l.Of(project) {
				out = append(out, named{l, v})
			}
		}
	}
	if stem, ok := strings.CutSuffix(file, ".in"); ok {
		add(stem+".txt", true)
	}
	for dir := path.Dir(file); ; dir = path.Dir(dir) {
		for _, name := range lockNames {
			add(path.Join(dir, name), false)
		}
		if dir == top || dir == "." || dir == "/" {
			return out
		}
	}
}

// disagrees says whether the files of an install pin a version that the lock files do not name.
func disagrees(set *requirements.Set, from []named) bool {
	for _, f := range set.Files {
		for _, r := range f.Requirements {
			exact := r.ExactVersion()
			if exact == "" || r.NotOnLinux {
				continue
			}
			for _, v := range from {
				others := v.lock.Of(r.Name)
				if len(others) > 0 && !slices.ContainsFunc(others, func(o requirements.Locked) bool { return requirements.Admits("=="+exact, o.Version) }) {
					return true
				}
			}
		}
	}
	return false
}

// readByProject says whether the project's own metadata may be made from a requirements file: then a pin would
// bind whoever installs the project.
func (p *Pass) readByProject(file string) bool {
	for dir := path.Dir(file); ; dir = path.Dir(dir) {
		for _, name := range []string{"setup.py", "setup.cfg", "pyproject.toml"} {
			at := path.Join(dir, name)
			if _, ok := p.Context.All.Lookup(at); !ok {
				continue
			}
			text, err := p.Read(at)
			if err != nil || strings.Contains(string(text.Data), path.Base(file)) || name == "setup.py" && strings.Contains(string(text.Data), "equirements") {
				return true
			}
		}
		if dir == "." || dir == "/" {
			return false
		}
	}
}

var pythonTag = lazyregexp.New(`^(\d+\.\d+)(\.\d+)?(-|$)`)

// pythonOf is the version of Python of a stage made from Docker's image of it; the newest one of a series where the
// tag names no more; "" where that is not known.
func (p *Pass) pythonOf(stage *dockerfile.Stage) string {
	for stage.Parent != nil {
		stage = stage.Parent
	}
	image, missing := p.File.BaseImage(stage, p.args)
	ref, err := reference.ParseNormalizedNamed(image)
	if missing != "" || err != nil || reference.FamiliarName(ref) != "python" {
		return ""
	}
	tagged, ok := ref.(reference.Tagged)
	if !ok {
		return ""
	}
	m := pythonTag.FindStringSubmatch(tagged.Tag())
	switch {
	case m == nil:
		return ""
	case m[2] == "":
		return m[1] + ".99"
	}
	return m[1] + m[2]
}
