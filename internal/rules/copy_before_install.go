package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

var _ = register(&Rule{
	ID:       "copy-before-install",
	Title:    "Dependencies are installed below a COPY of the source",
	Severity: config.SeverityError,
	What: "A dependency install comes after a `COPY`, an `ADD` or a bind mount that brings more files than the install reads: " +
		"pip, uv, poetry, pipenv, pdm, conda and mamba, npm, yarn, pnpm, bun, `go mod download`, bundler, composer and cargo, also in `ONBUILD`.",
	Why: "A step's cache key contains the keys of all steps above it, and a `COPY` is keyed by the content of what it copies. " +
		"So each change to any copied file runs the install again, though it reads only a few of them.",
	Fix: "A `COPY` of the files that the install reads, with all that they include, takes the old one's place; the old one moves below the install, unchanged. " +
		"Nothing is offered where the install or a step between needs the source (also by an install hook of `package.json`, a workspace, a dependency in a folder), where a file that it reads is not in the build context, " +
		"and where the moved `COPY` would write over what the install made: `node_modules` and `.venv` belong into the ignore file, and `npm install` writes the lock file where `npm ci` does not. " +
		"For bundler, composer and cargo there are words only: a Gemfile is a program, composer's autoloader and cargo's manifest need the source.",
	Not: "`pip install .` and other installs for which no list of dependencies can be copied first; a `COPY` of nothing but manifests, or by a pattern with a stray file among them, and a mount of a few files; an install that replaces, by `--force-reinstall` or under a condition, what an install of the source has brought; `COPY --from=`, " +
		"which is keyed by what it copies. Where LABEL, EXPOSE and CMD stand does not matter: they are no steps.",
	Sources: []Source{
		{"Docker: build cache invalidation", "https://docs.docker.com/build/cache/invalidation/"},
		{"Docker: optimize cache usage", "https://docs.docker.com/build/cache/optimize/#order-your-layers"},
	},
	Check: checkCopyBeforeInstall,
})

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

// installGroup is what one copy stands in front of.
type installGroup struct {
	copy *copied
	at   int // of the copy in the lane; -1 when it stands in a stage above
	lane []step
	runs []served
}

func checkCopyBeforeInstall(p *Pass) {
	for _, stage := range p.File.Stages {
		for _, lane := range p.lanes(stage) {
			for _, g := range p.installGroups(lane) {
				p.reportGroup(g)
			}
		}
	}
}

func (p *Pass) installGroups(lane []step) []*installGroup {
	var groups []*installGroup
	for i := range lane {
		s := p.serve(lane, i)
		if s == nil {
			continue
		}
		c, at, part := p.standsInFront(lane, *s)
		if c == nil || p.installedAbove(lane, at, part) || p.setsRight(lane, at, part) {
			continue
		}
		n := slices.IndexFunc(groups, func(g *installGroup) bool { return g.copy == c })
		if n < 0 {
			n = len(groups)
			groups = append(groups, &installGroup{copy: c, at: at, lane: lane})
		}
		groups[n].runs = append(groups[n].runs, part)
	}
	for _, g := range groups {
		// What reads only files that no COPY brings is moved along by nobody.
		g.runs = slices.DeleteFunc(g.runs, func(s served) bool { return s.weak })
	}
	return slices.DeleteFunc(groups, func(g *installGroup) bool { return len(g.runs) == 0 })
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

// above are the copies that a step sees: its own mounts, those above it in its lane, nearest first,
// then those of the stages that it is FROM.
func (v *view) above(lane []step, i int) []*copied {
	out := slices.Clone(v.copiesOf(lane[i].in))
	seen := map[*dockerfile.Stage]bool{}
	for {
		for i--; i >= 0; i-- {
			for _, c := range v.copiesOf(lane[i].in) {
				if !c.mount {
					out = append(out, c)
				}
			}
		}
		if len(lane) == 0 || lane[0].in != lane[0].outer {
			return out
		}
		parent := lane[0].in.Stage.Parent
		if parent == nil || seen[parent] {
			return out
		}
		seen[parent] = true
		lane = v.lanes(parent)[0]
		i = len(lane)
		if i == 0 {
			return out
		}
	}
}

// standsInFront is the copy that makes a RUN's installs run again for nothing, its place in the lane, and
// those of the installs for which that is so: the nearest that brings one of their manifests together
// with more, else the first that brings more than manifests. nil where there is none.
func (p *Pass) standsInFront(lane []step, s served) (*copied, int, served) {
	var read []string
	for _, r := range s.reads {
		for _, l := range r.named {
			read = append(read, l.file)
		}
		for _, repo := range r.paths {
			if p.Context != nil {
				read = append(read, contextPath(p.Context, repo))
			}
		}
	}
	brings := func(c *copied) bool {
		for _, r := range s.reads {
			if slices.ContainsFunc(r.named, func(l located) bool { return l.by == c }) {
				return true
			}
		}
		return false
	}
	var first, stray *copied // stray brings a manifest with a file or two, and is no matter where the source stands above it
	at, served, strayAt := -1, s, -1
	for _, c := range p.above(lane, s.i) {
		excess := c.excess(read)
		switch {
		case excess == 0:
			continue
		case c.mount && !c.root() && excess < fewFiles:
			continue // it is made for this RUN
		case c.pattern() && excess <= strayFiles:
			continue
		}
		place := slices.IndexFunc(lane, func(st step) bool { return st.in == c.in })
		switch {
		case brings(c) && excess > 0 && excess <= strayFiles && !c.directory() && stray == nil && first == nil:
			stray, strayAt = c, place
			continue
		case stray != nil && !c.directory() && !brings(c):
			continue
		case brings(c):
			return c, place, s
		}
		// Another stage's copies count when they bring what the install reads; scripts and
		// settings that a step between uses have to be there.
		if place < 0 {
			continue
		}
		part, ok := s, c.root()
		if !ok {
			part, ok = p.unused(lane, place, s, c, excess < fewFiles)
		}
		if ok {
			first, at, served = c, place, part
		}
	}
	if first == nil && stray != nil {
		return stray, strayAt, s
	}
	return first, at, served
}

// unused is what of a RUN's installs comes before anything that may use what a copy brings; ok is false
// where nothing does. With all is true, none of the RUN's other commands may.
func (p *Pass) unused(lane []step, place int, s served, c *copied, all bool) (_ served, ok bool) {
	if p.namesLocal(s) {
		return s, false
	}
	for {
		if !p.usedBetween(lane, place, s, c, all) {
			return s, true
		}
		if n := len(s.installs) - 1; !all && n > 0 {
			s.installs, s.reads = s.installs[:n], s.reads[:n]
			continue
		}
		return s, false
	}
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

// contextPath is a repository path relative to the context.
func contextPath(c *buildcontext.Context, repo string) string {
	if c.Build.Context == "." || c.Build.Context == "" {
		return repo
	}
	return strings.TrimPrefix(repo, strings.TrimSuffix(c.Build.Context, "/")+"/")
}

// fewFiles is how many files a copy may bring to be taken for the tools of a RUN: scripts, settings. A
// directory with more is source, which what follows an install in its RUN can wait for in a RUN of its
// own.
const fewFiles = 20

// strayFiles is how many files a pattern for manifests ("*.json") may bring beside them.
const strayFiles = 2

// usedBetween says whether a step between a copy and a RUN, or the RUN's other commands, may use
// what the copy brings; with all is false, only those before its last install.
func (p *Pass) usedBetween(lane []step, from int, s served, c *copied, all bool) bool {
	for j := from + 1; j <= s.i; j++ {
		if j < s.i && !p.independent(lane[j].in, c, nil) {
			return true
		}
		for _, install := range p.effectsOf(lane[j].in).Installs {
			if j == s.i && !all && install.Command.Span.Start > s.installs[len(s.installs)-1].Command.Span.Start {
				continue // it can wait for the source in a RUN of its own
			}
			if install.Leaves == "" && slices.ContainsFunc(install.LocalPaths, func(local string) bool { return !p.apart(local, c) }) {
				return true
			}
		}
	}
	if all {
		return !p.independent(s.in, c, nil)
	}
	return !p.independent(s.in, c, s.installs[len(s.installs)-1].Command)
}

// independent says whether a RUN's commands, installs aside, neither read nor write what a copy
// brings, as far as the table knows; with an end, those before it. Other instructions are.
func (p *Pass) independent(in *dockerfile.Instruction, c *copied, end *dockerfile.Command) bool {
	if in.Run() == nil {
		return true
	}
	counts := func(cmd *dockerfile.Command) bool { return end == nil || cmd.Span.Start < end.Span.Start }
	e := p.effectsOf(in)
	if e.Unread || slices.ContainsFunc(e.Unknown, counts) {
		return false
	}
	for _, t := range e.Touches {
		if !counts(t.Command) {
			continue
		}
		for _, touched := range t.Paths {
			if !p.apart(touched, c) {
				return false
			}
		}
	}
	for _, k := range e.Packages {
		if !counts(k.Command) {
			continue
		}
		for _, f := range k.Files {
			if !p.apart(f, c) {
				return false
			}
		}
	}
	return true
}

// apart says whether a path has nothing to do with what a copy brings: it lies elsewhere, or in a
// place that the copy leaves out for certain.
func (p *Pass) apart(touched string, c *copied) bool {
	if !c.destKnown {
		return false
	}
	if rest, ok := strings.CutPrefix(touched, "~"); ok {
		// The home of a user who is not known: /root or below /home.
		return !shelleffects.Overlaps(c.dest, "/root"+rest) && !shelleffects.Overlaps(c.dest, "/home")
	}
	if !shelleffects.Overlaps(c.dest, touched) {
		return true
	}
	return touched != c.dest && shelleffects.Covers(c.dest, touched) && p.leftOut(touched, c)
}

// leftOut says that a copy brings nothing at a path of the image or below it, whatever lies in the
// developer's own directory.
func (p *Pass) leftOut(image string, c *copied) bool {
	if p.Context == nil || len(c.sources) != 1 || c.sources[0].wild || !c.sources[0].known {
		return false
	}
	for _, pair := range c.pairs {
		if shelleffects.Covers(image, pair.image) {
			return false
		}
	}
	if p.Context.Build.Kind == buildcontext.Git {
		return true
	}
	rel := strings.TrimPrefix(strings.TrimPrefix(image, c.dest), "/")
	return p.Context.Ignored(path.Join(cleanSource(c.sources[0].text), rel))
}

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
		if p.madeAnew(lane, s.i, install) || !slices.ContainsFunc(before, func(b placed) bool { return p.sameInstall(install, s.reads[n], b) }) {
			return false
		}
	}
	return s.reading
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

func (p *Pass) reportGroup(g *installGroup) {
	c := g.copy
	f := Finding{Weight: max(0, c.excess(nil))}
	for _, s := range g.runs {
		if s.in != c.in {
			f.Related = append(f.Related, p.place(s.in))
		}
	}
	var read []string
	for _, s := range g.runs {
		for _, r := range s.reads {
			for _, name := range r.names {
				if !slices.Contains(read, name) {
					read = append(read, name)
				}
			}
		}
	}
	f.Subject = g.subject()
	p.installWords(&f, g, read)
	unit, reason := p.moveCopy(g)
	if reason != "" {
		f.Withheld = string(reason)
	}
	f.Unit = unit
	p.report(g.anchor(), f)
}

// anchor is the instruction of the file that the finding stands at.
func (g *installGroup) anchor() *dockerfile.Instruction {
	if g.at >= 0 {
		return g.lane[g.at].outer
	}
	return g.copy.in
}

// subject names the tools and their manifests.
func (g *installGroup) subject() string {
	var parts []string
	for _, s := range g.runs {
		for n, install := range s.installs {
			part := install.Tool
			if len(s.reads[n].names) > 0 {
				part += " " + s.reads[n].names[0]
			}
			if !slices.Contains(parts, part) && len(parts) < 5 {
				parts = append(parts, part)
			}
		}
	}
	return strings.Join(parts, ", ")
}
