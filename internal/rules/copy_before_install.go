package rules

import (
	"path"
	"slices"
	"strings"

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
