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
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
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

// requested is what an install asks for.
type requested struct {
	set    *requirements.Set
	line   *requirements.File // what its command line names
	wholly bool               // nothing else: each file and argument is known
	python string             // of its image; "" where that is not known
	run    *dockerfile.Instruction
}

// asks reads what an install asks for: its files, as far as they are known, and its command line.
func (p *Pass) asks(install shelleffects.Install, reads readsOf, run *dockerfile.Instruction, stage *dockerfile.Stage) requested {
	line := requirements.Parse(source.New(p.File.Source.Path, []byte(strings.Join(install.Packages, "\n"))))
	return requested{
		set: reads.set, line: line, run: run, python: p.pythonOf(stage),
		wholly: reads.set != nil && reads.err == nil && len(reads.absent)+len(reads.set.Missing)+len(line.Errors) == 0 && !install.Unclear,
	}
}

// takes says whether an install reads a file.
func (i requested) takes(file string) bool {
	return i.set != nil && slices.ContainsFunc(i.set.Files, func(f *requirements.File) bool { return f.Source.Path == file })
}

// pinForAll is the edit that [Pass.pin] finds for a requirement, where it finds the same for each install that takes
// the file.
func (p *Pass) pinForAll(installs []requested, row requirements.Row) (*requirementPin, Reason) {
	var found *requirementPin
	for _, i := range installs {
		if !i.takes(row.File.Source.Path) {
			continue
		}
		pin, reason := p.pin(i, row)
		if pin == nil {
			return nil, reason
		}
		found = pin
	}
	return found, ""
}

// pin is the edit that gives a requirement the version that the repository's own lock files name; nil and no
// reason where they name none. The lock file has to name a version for everything that the install asks for, and
// one that it allows: then these versions are a way to install it all, and any of them may be pinned. Else another
// requirement could need another version of what is pinned.
func (p *Pass) pin(install requested, row requirements.Row) (*requirementPin, Reason) {
	set, python := install.set, install.python
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
	case slices.ContainsFunc(versions, func(o named) bool { return install.disagrees(o.lock) }):
		return nil, LockDisagrees
	case !install.wholly || !install.covered(v.lock):
		return nil, LockIncomplete
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

// asked calls a function for everything that the install asks for on Linux with its Python, and says whether one of
// the calls returned true. What stands in a constraints file alone is not asked for.
func (i requested) asked(constraint bool, yes func(requirements.Requirement) bool) bool {
	for _, f := range append(slices.Clone(i.set.Files), i.line) {
		if i.set.Constraints[f.Source.Path] && f != i.line && !constraint {
			continue
		}
		for _, r := range f.Requirements {
			if !r.NotOnLinux && !r.NotWithPython(i.python) && yes(r) {
				return true
			}
		}
	}
	return false
}

// disagrees says whether the install does not allow a version that a lock file names for a project, or takes the
// project from elsewhere. Of several versions it is not known which one is for the image.
func (i requested) disagrees(with *requirements.Lock) bool {
	return i.asked(true, func(r requirements.Requirement) bool {
		return r.Name != "" && slices.ContainsFunc(with.Of(r.Name), func(l requirements.Locked) bool {
			if r.Kind != requirements.Named {
				return !l.Elsewhere
			}
			return l.Elsewhere || !requirements.Admits(r.Specifier, l.Version)
		})
	})
}

// covered says whether a lock file names everything that the install asks for, but for pip's own tools and what lies
// in the repository itself, which the lock file was made of.
func (i requested) covered(by *requirements.Lock) bool {
	return !i.asked(false, func(r requirements.Requirement) bool {
		return r.Kind != requirements.Path && len(by.Of(r.Name)) == 0 && !slices.Contains([]string{"pip", "setuptools", "wheel"}, r.Name)
	})
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
