package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// served is a RUN whose installs stand below a copy that brings more than they read.
type served struct {
	i        int // in the lane
	in       *dockerfile.Instruction
	installs []shelleffects.Install
	reads    []readsOf // of installs, one for one
	scripted bool      // some of them stand in a script of package.json
	reading  bool      // one of them reads manifests that the file copies
	weak     bool      // it reads only manifests that the file does not copy
}

// serve finds the installs of a RUN that need not stand below the source.
func (p *Pass) serve(lane []step, i int) *served {
	e := p.effectsOf(lane[i].in)
	scripted := p.scriptedInstalls(lane, i)
	s := &served{i: i, in: lane[i].in, weak: true, scripted: len(scripted) > 0}
	needsSource := false
	for _, install := range append(slices.Clone(e.Installs), scripted...) {
		if p.fromLines(lane[i].in, install) {
			install.Manifests = append(slices.Clone(install.Manifests), shelleffects.Manifest{}) // which one is not known
		}
		r := p.reads(lane, i, install)
		switch {
		case p.hooksNeedSource(r, install):
			return nil
		case len(install.Manifests) > 0:
			s.installs, s.reads = append(s.installs, install), append(s.reads, r)
			unknown := !install.DirKnown && p.namesAny(lane, i, install) || slices.ContainsFunc(install.Manifests, func(m shelleffects.Manifest) bool { return m.Path == "" })
			if len(r.named) > 0 || unknown || p.unseen(lane, i, install) {
				s.reading, s.weak = true, false
			}
			if p.fromClone(lane, i, install) {
				s.weak = false
			}
		case install.NeedsSource != "" && p.fromContext(lane, i, install):
			needsSource = true
		case install.PackagingOnly, optional(install):
		default:
			s.installs, s.reads = append(s.installs, install), append(s.reads, r)
			if install.NeedsSource == "" || p.fromClone(lane, i, install) {
				s.weak = false
			}
		}
	}
	switch {
	case len(s.installs) == 0:
		return nil
	case s.reading:
		return s
	case needsSource || len(e.Unknown) > 0:
		return nil // the RUN may well need the source
	}
	return s
}

// namesAny says whether a step sees a copy that brings a file, or may, of the name of a manifest of an install whose
// directory is not known; else the manifest is made by another step, or the base image's. In another build, by ONBUILD,
// it may bring any.
func (p *Pass) namesAny(lane []step, i int, install shelleffects.Install) bool {
	if lane[i].in != lane[i].outer {
		return true
	}
	for _, c := range p.above(lane, i) {
		if c.unseen() && c.directory() {
			return true
		}
		for _, m := range install.Manifests {
			name := "/" + path.Clean(m.Path)
			if !m.Optional && slices.ContainsFunc(c.pairs, func(pr pair) bool { return strings.HasSuffix(pr.image, name) }) {
				return true
			}
		}
	}
	return false
}

// optional says whether an install brings what a variable names, and only where it names something:
// "if [ -n "$X" ]; then pip install $X; fi".
func optional(install shelleffects.Install) bool {
	return !install.Command.Always && len(install.Packages) > 0 && install.NeedsSource == "" &&
		!slices.ContainsFunc(install.Packages, func(name string) bool { return !strings.HasPrefix(strings.Trim(name, `"`), "$") })
}

// linePrinters put out lines of the files that they name.
var linePrinters = []string{"cat", "grep", "egrep", "sed", "awk", "head", "tail", "sort", "cut"}

// fromLines says whether an install brings what a loop before it reads from the lines of a file: "while read -r p;
// do pip install "$p"; done < FILE", or "cat FILE | while read p; do …"; not what something else puts out.
func (p *Pass) fromLines(in *dockerfile.Instruction, install shelleffects.Install) bool {
	var first, last *dockerfile.Command // of a pipe that is not at its end
	for _, cmd := range in.Run().Commands {
		if cmd.Span.Start >= install.Command.Span.Start {
			return false
		}
		piped := last != nil && last.Pipe.Index < last.Pipe.Len-1
		reads := cmd.Name == "read" && slices.ContainsFunc(install.Packages, func(name string) bool {
			variable, ok := strings.CutPrefix(strings.Trim(name, `"`), "$")
			return ok && slices.ContainsFunc(cmd.Words[1:], func(w dockerfile.Word) bool { return w.Value == strings.Trim(variable, "{}") })
		})
		switch {
		case reads && piped:
			return first != nil && slices.Contains(linePrinters, first.Name) && len(first.Words) > 1
		case reads:
			return !strings.Contains(p.textOf(in.Span), "<<")
		case cmd.Pipe.Len > 0 && cmd.Pipe.Index == 0:
			first = cmd
		}
		last = cmd
	}
	return false
}

// unseen says whether an install reads a manifest that the tree does not show and that a COPY of the
// whole context must bring: it lies where that one copies to, and no step makes it.
func (p *Pass) unseen(lane []step, i int, install shelleffects.Install) bool {
	for _, m := range install.Manifests {
		image, known := install.Path(m.Path)
		if m.Optional || !known {
			continue
		}
		for _, c := range p.above(lane, i) {
			if c.root() && c.destKnown && shelleffects.Covers(c.dest, image) && !p.madeBefore(lane, i, install, image) {
				return true
			}
		}
	}
	return false
}

// madeBefore says whether a command before an install may make a file.
func (p *Pass) madeBefore(lane []step, i int, install shelleffects.Install, image string) bool {
	for j := 0; j <= i; j++ {
		e := p.effectsOf(lane[j].in)
		before := func(cmd *dockerfile.Command) bool { return j < i || cmd.Span.Start < install.Command.Span.Start }
		if e.Unread || slices.ContainsFunc(e.Unknown, before) {
			return true
		}
		for _, t := range e.Touches {
			if before(t.Command) && slices.ContainsFunc(t.Paths, func(touched string) bool { return shelleffects.Covers(touched, image) }) {
				return true
			}
		}
		for _, other := range e.Installs {
			if before(other.Command) && slices.ContainsFunc(other.Writes, func(w string) bool { return shelleffects.Covers(w, image) }) {
				return true
			}
		}
		if cmd, ok := lane[j].in.Command.(*instructions.CopyCommand); ok && cmd.From != "" {
			return true
		}
	}
	return false
}

// fromContext says whether a local path that an install names may come from the build context. A clone that a
// command before it makes is not from there.
func (p *Pass) fromContext(lane []step, i int, install shelleffects.Install) bool {
	if !install.DirKnown {
		return true
	}
	for _, local := range install.LocalPaths {
		clone := p.cloneAbove(lane, i, install.Command, local)
		for _, c := range p.above(lane, i) {
			if clone != "" && c.destKnown && !slices.ContainsFunc(c.pairs, func(pr pair) bool { return shelleffects.Overlaps(clone, pr.image) }) {
				continue
			}
			if !c.destKnown || shelleffects.Overlaps(c.dest, local) {
				return true
			}
		}
	}
	return false
}

// fromClone says whether all that an install reads lies in what commands before it clone.
func (p *Pass) fromClone(lane []step, i int, install shelleffects.Install) bool {
	paths := slices.Clone(install.LocalPaths)
	for _, m := range install.Manifests {
		image, known := install.Path(m.Path)
		if !known {
			return false
		}
		if !m.Optional {
			paths = append(paths, image)
		}
	}
	return len(paths) > 0 && !slices.ContainsFunc(paths, func(local string) bool {
		return p.cloneAbove(lane, i, install.Command, local) == ""
	})
}

// cloneAbove is the directory into which a command before another one clones a repository, and in which a
// path lies; "" where there is none.
func (p *Pass) cloneAbove(lane []step, i int, before *dockerfile.Command, local string) string {
	for j := i; j >= 0; j-- {
		for _, f := range p.effectsOf(lane[j].in).Fetches {
			if f.How == shelleffects.FetchClone && f.Dir != "" && f.Command.Always && shelleffects.Covers(f.Dir, local) && (j < i || f.Command.Span.Start < before.Span.Start) {
				return f.Dir
			}
		}
	}
	return ""
}

// namesLocal says whether the requirements or the project name a local path, so that a directory which is
// copied may be what is installed.
func (p *Pass) namesLocal(s served) bool {
	for n, r := range s.reads {
		if r.set != nil && len(r.set.Local()) > 0 {
			return true
		}
		for _, repo := range r.paths {
			if path.Base(repo) != "pyproject.toml" {
				continue
			}
			if project, err := p.pyproject(repo); err == nil && project.installsLocal(s.installs[n]) {
				return true
			}
		}
	}
	return false
}
