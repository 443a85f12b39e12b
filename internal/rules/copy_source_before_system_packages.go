package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
	"github.com/hitrate-bot/hitrate/internal/source"
)

var _ = register(&Rule{
	ID:       "copy-source-before-system-packages",
	Title:    "Packages of the system are installed below a COPY of the source",
	Severity: config.SeverityWarning,
	What: "A `RUN` that installs packages of the operating system (apt, apk, dnf, yum, zypper) stands below a `COPY` or `ADD` of the source in the same stage, " +
		"of which the install reads nothing, or nothing but a list of packages.",
	Why: "A step's cache key contains the keys of all steps above it, and a `COPY` is keyed by the content of what it copies. " +
		"So each change to any copied file fetches the package index and installs the packages again.",
	Fix: "The `COPY` moves below the install, unchanged, where no step between reads or changes what it brings.",
	Not: "A `COPY` of a few files that the install's step uses, package lists, keys, configuration, scripts, or that a step between runs. Packages of which the same `RUN` removes all again: " +
		"they belong to the step that uses them. `COPY --from=`, which is keyed by what it copies. An install of which a comment says that it is to run again with the source, for the latest packages.",
	Sources: []Source{
		{"Docker: build cache invalidation", "https://docs.docker.com/build/cache/invalidation/"},
		{"Docker: optimize cache usage", "https://docs.docker.com/build/cache/optimize/#order-your-layers"},
	},
	Check: checkSystemPackages,
})

// systemInstall is a RUN that installs packages of the system, below copies that it could do without.
type systemInstall struct {
	i     int // in the lane
	in    *dockerfile.Instruction
	tool  string
	last  *dockerfile.Command // the last install
	lists []string            // files that name the packages, as written
	front []int               // the copies, by their places in the lane
}

func checkSystemPackages(p *Pass) {
	if p.states == nil {
		return
	}
	for _, stage := range p.File.Stages {
		for _, lane := range p.lanes(stage) {
			var found []systemInstall
			for i := range lane {
				if s := p.systemInstall(lane, i); s != nil {
					found = append(found, *s)
				}
			}
			if len(found) > 0 {
				p.reportSystemPackages(lane, found)
			}
		}
	}
}

// systemInstall reads one RUN; nil where it installs nothing, or may need what is copied above it.
func (p *Pass) systemInstall(lane []step, i int) *systemInstall {
	in := lane[i].in
	e := p.effectsOf(in)
	if in.Run() == nil || e.Unread || p.rebuildWanted(in) {
		return nil
	}
	s := &systemInstall{i: i, in: in}
	var installs []shelleffects.PackageInstall
	removed, stays := false, false
	for _, k := range e.Packages {
		if k.Upgrade {
			continue
		}
		group := k.Group != "" && p.takenAway(e, k, k.Group)
		for _, name := range k.Names {
			gone := group || p.takenAway(e, k, name)
			removed, stays = removed || gone, stays || !gone
		}
		s.tool, s.last = k.Tool, k.Command
		installs = append(installs, k)
	}
	if removed && !stays && len(e.Installs)+len(e.Unknown) > 0 {
		return nil // needed for what the same RUN builds
	}
	for _, cmd := range in.Run().Commands {
		if tool, list := packagesByXargs(cmd); tool != "" {
			s.tool, s.last, s.lists = tool, cmd, append(s.lists, list)
		}
	}
	if s.last == nil {
		return nil
	}
	for {
		for j := range lane[:i] {
			for _, c := range p.copiesOf(lane[j].in) {
				if !c.mount && c.excess(nil) != 0 && (c.directory() || !p.copiesDirectory(lane)) && p.apartFromPackages(c, s) && !p.setsUp(c, lane[j+1:i]) {
					s.front = append(s.front, j)
				}
			}
		}
		n := len(installs) - 1
		if len(s.front) > 0 || n < 1 || len(s.lists) > 0 {
			break
		}
		// What the step installs before it uses the source could have been installed before.
		installs = installs[:n]
		s.tool, s.last = installs[n-1].Tool, installs[n-1].Command
	}
	if len(s.front) == 0 {
		return nil
	}
	return s
}

// setsUp says whether a copy brings the scripts of a step among some: what they do to the system, as to its package
// sources, an install below them may need.
func (p *Pass) setsUp(c *copied, between []step) bool {
	if n := c.excess(nil); c.root() || n < 0 || n >= fewFiles {
		return false
	}
	return slices.ContainsFunc(between, func(st step) bool {
		return slices.ContainsFunc(p.effectsOf(st.in).Unknown, func(cmd *dockerfile.Command) bool {
			return slices.ContainsFunc(cmd.Words, func(w dockerfile.Word) bool {
				named := path.Clean(w.Value)
				for _, dir := range []string{cmd.Dir, p.states[st.in].Workdir} {
					if !path.IsAbs(named) {
						named = path.Join(dir, named)
					}
				}
				file, _ := c.at(named)
				return w.Literal && cmd.DirKnown && file != ""
			})
		})
	})
}

// copiesDirectory says whether a step of a lane copies a directory of the context: single files that are
// copied beside it are not the source.
func (p *Pass) copiesDirectory(lane []step) bool {
	return slices.ContainsFunc(lane, func(st step) bool {
		return slices.ContainsFunc(p.copiesOf(st.in), func(c *copied) bool { return !c.mount && c.directory() })
	})
}

// packagesByXargs reads "xargs -a FILE apt-get install -y" and "xargs apt-get install -y < FILE": the
// package manager's tool and the file, "" where that is written in another way.
func packagesByXargs(cmd *dockerfile.Command) (tool, list string) {
	if cmd.Name != "xargs" {
		return "", ""
	}
	for n, w := range cmd.Words[1:] {
		rest := cmd.Words[1+n:]
		if !w.Literal || strings.HasPrefix(w.Value, "-") {
			continue
		}
		if prev := cmd.Words[n]; prev.Value == "-a" || prev.Value == "--arg-file" {
			list = w.Value
			continue
		}
		tool = shelleffects.Installs(rest)
		if tool == "" {
			return "", ""
		}
		break
	}
	for _, r := range cmd.Redirects {
		if r.Op == "<" && r.Target.Literal {
			list = r.Target.Value
		}
	}
	if list == "" {
		return "", ""
	}
	return tool, list
}

// packageSettings are the places where package managers look for sources, keys and settings.
var packageSettings = []string{
	"/etc/apt", "/etc/apk", "/etc/yum", "/etc/yum.repos.d", "/etc/yum.conf", "/etc/dnf", "/etc/zypp", "/etc/pki", "/etc/ssl", "/etc/ca-certificates",
	"/usr/share/keyrings", "/usr/local/share/ca-certificates", "/usr/share/ca-certificates", "/etc/resolv.conf", "/var/cache/apt", "/var/lib/apt", "/etc/preseed",
}

// apartFromPackages says whether a RUN's install can do without a copy: the copy brings no settings of
// package managers, none of the commands up to the last install reads from it, and it is no handful of
// files for the rest of the RUN.
func (p *Pass) apartFromPackages(c *copied, s *systemInstall) bool {
	if !c.destKnown {
		return false
	}
	for _, dir := range packageSettings {
		if shelleffects.Covers(dir, c.dest) || slices.ContainsFunc(c.pairs, func(pr pair) bool { return shelleffects.Covers(dir, pr.image) }) {
			return false
		}
	}
	if n := c.excess(nil); !c.root() && n >= 0 && n < fewFiles && !p.independent(s.in, c, nil) {
		return false
	}
	e := p.effectsOf(s.in)
	before := func(cmd *dockerfile.Command) bool { return cmd.Span.Start < s.last.Span.Start }
	fetched := p.fetchedBeside(s.in, c)
	for _, cmd := range e.Unknown {
		if before(cmd) && !isTest(cmd) && !p.fromElsewhere(s.in, cmd, fetched) {
			return false
		}
	}
	for _, install := range e.Installs {
		if before(install.Command) && install.NeedsSource != "" {
			return false
		}
	}
	for _, k := range e.Packages {
		for _, f := range k.Files {
			if !p.apart(f, c) {
				return false
			}
		}
	}
	for _, t := range e.Touches {
		if !before(t.Command) || isTest(t.Command) || t.Command.Name == "echo" {
			continue
		}
		if slices.ContainsFunc(t.Paths, func(f string) bool {
			return !p.apart(f, c) && !slices.Contains(fetched, f) && (len(s.lists) == 0 || path.Base(f) != path.Base(s.lists[0]))
		}) {
			return false
		}
	}
	return true
}

// fetchedBeside are the scripts of setupScripts that a RUN fetches into files which a copy does not bring.
func (p *Pass) fetchedBeside(in *dockerfile.Instruction, c *copied) []string {
	var out []string
	for _, t := range p.effectsOf(in).Touches {
		if t.Command.Name != "curl" && t.Command.Name != "wget" || setupAddress(t.Command) == "" {
			continue
		}
		for _, f := range t.Paths {
			if !slices.ContainsFunc(c.pairs, func(pr pair) bool { return shelleffects.Overlaps(pr.image, f) }) && f != c.dest {
				out = append(out, f)
			}
		}
	}
	return out
}

// onlyFetched says whether nothing of a RUN may use what a copy brings but scripts that it has fetched.
func (p *Pass) onlyFetched(in *dockerfile.Instruction, c *copied) bool {
	e, fetched := p.effectsOf(in), p.fetchedBeside(in, c)
	return len(e.Installs) == 0 && !slices.ContainsFunc(e.Unknown, func(cmd *dockerfile.Command) bool { return !p.fromElsewhere(in, cmd, fetched) }) &&
		!slices.ContainsFunc(e.Touches, func(t shelleffects.Touch) bool {
			return slices.ContainsFunc(t.Paths, func(f string) bool { return !p.apart(f, c) && !slices.Contains(fetched, f) })
		})
}

// fromElsewhere says whether a command of a RUN is a script of setupScripts, which knows nothing of the source: a shell
// behind curl or wget in a pipe, or one of some files.
func (p *Pass) fromElsewhere(in *dockerfile.Instruction, cmd *dockerfile.Command, fetched []string) bool {
	if len(cmd.Words) == 0 {
		return false
	}
	if setup, _ := setupScript(in.Run()); setup == cmd {
		return true
	}
	words := cmd.Words
	if cmd.Name == "sh" || cmd.Name == "bash" {
		words = words[1:]
	}
	for _, w := range words {
		if strings.HasPrefix(w.Value, "-") {
			continue
		}
		dir := path.Join("/", p.states[in].Workdir, cmd.Dir)
		if path.IsAbs(cmd.Dir) {
			dir = cmd.Dir
		}
		file := w.Value
		if !path.IsAbs(file) {
			file = path.Join(dir, file)
		}
		return w.Literal && cmd.DirKnown && slices.Contains(fetched, path.Clean(file))
	}
	return false
}

// isTest says whether a command only asks.
func isTest(cmd *dockerfile.Command) bool {
	return cmd.Name == "test" || cmd.Name == "[" || cmd.Name == "[["
}

func (p *Pass) reportSystemPackages(lane []step, found []systemInstall) {
	at := found[0].front[0]
	c := p.copiesOf(lane[at].in)[0]
	f := Finding{Weight: max(0, c.excess(nil)), Subject: "system packages"}
	tools := []string{}
	for _, s := range found {
		f.Related = append(f.Related, p.place(s.in))
		if !slices.Contains(tools, s.tool) {
			tools = append(tools, s.tool)
		}
	}
	for _, other := range found[len(found)-1].front {
		if other != at {
			f.Related = append(f.Related, p.place(lane[other].in))
		}
	}
	what, here, they, it := say("the install of system packages"), say("this install of system packages"), "it", "It reads"
	if len(found) > 1 {
		what, here, they, it = say("the installs of system packages"), say("these installs of system packages"), "them", "They read"
	}
	copyText := code(p.textOf(c.in.Span))
	every := say("Every change to what ", copyText, " brings re-runs ")
	if c.root() && p.Context != nil && p.Context.IgnoreFile == "" && p.root() && lane[at].outer == lane[at].in {
		every = say(EveryCommit)
	}
	f.Title, f.Here = say(every, what, "."), say(every, here, ".")
	reads := say(it, " nothing of the source, but ")
	if lists := found[0].lists; len(lists) > 0 {
		reads = say(it, " only ", list(lists), ", but ")
	}
	f.Why = say(reads, copyText, " (line ", p.line(lane[at].outer), ") stands above ", they, ".")
	f.Advice = say("Install the packages first and copy the source after ", they, ".")
	if lists := found[0].lists; len(lists) > 0 {
		f.Advice = say("Copy ", list(lists), " first, install the packages, and copy the rest after ", they, ".")
	}
	f.Done = say("The system packages are no longer installed again when the source changes.")
	unit, reason := p.moveBelowPackages(lane, found)
	mixed := slices.ContainsFunc(found, func(s systemInstall) bool { return len(p.effectsOf(s.in).Installs) > 0 })
	if reason == StepUsesSource || reason == NeedsSource && mixed {
		f.Advice = say("Install the packages in a RUN of their own above the COPY, and keep here what uses the source.")
	}
	f.Unit, f.Withheld = unit, string(reason)
	p.report(lane[at].outer, f)
}

// moveBelowPackages is the edit: the copies go below the last install, unchanged and in their order.
// Where copy-before-install moves the one copy at least as far, it is that edit.
func (p *Pass) moveBelowPackages(lane []step, found []systemInstall) (*Unit, Reason) {
	last := found[len(found)-1]
	if lane[last.i].in != lane[last.i].outer {
		return nil, InOnBuild
	}
	if len(last.front) == 1 {
		for _, g := range p.installGroups(lane) {
			if g.at == last.front[0] && g.runs[len(g.runs)-1].i >= last.i {
				return p.moveCopy(g)
			}
		}
	}
	unit := &Unit{}
	moved := ""
	newline := p.File.Source.Newline()
	for _, at := range last.front {
		c := p.copiesOf(lane[at].in)[0]
		if reason := p.movable(c); reason != "" {
			return nil, reason
		}
		for _, s := range found {
			switch {
			case s.i < at:
			case len(s.lists) > 0:
				return nil, NotProven
			case !p.independent(s.in, c, nil) && p.onlyFetched(s.in, c):
				return nil, StepBetween
			case !p.independent(s.in, c, nil):
				return nil, StepUsesSource
			}
		}
		if reason := p.stepsBetween(&installGroup{copy: c, at: at, lane: lane}, last.i); reason != "" {
			return nil, reason
		}
		from := p.attachedStart(c.in)
		moved += p.textOf(source.Span{Start: from, End: c.in.Span.End}) + newline
		whole := p.File.Source.SpanFromLines(p.File.Source.LinesFromSpan(source.Span{Start: from, End: c.in.Span.End}))
		unit.Edits = append(unit.Edits, source.Edit{Span: whole})
		unit.Effects = append(unit.Effects, MoveStep{Step: c.in, Below: last.in})
	}
	unit.Edits = append(unit.Edits, p.insertBelow(last.in, moved))
	return unit, ""
}

// insertBelow is the edit that puts whole lines below an instruction: in front of the line that follows,
// so that others may append to the instruction, or at the end of a file without a last newline.
func (p *Pass) insertBelow(in *dockerfile.Instruction, lines string) source.Edit {
	at := p.File.Source.SpanFromLines(p.File.Source.LinesFromSpan(in.Span)).End
	if at == in.Span.End {
		newline := p.File.Source.Newline()
		return source.Edit{Span: source.Span{Start: at, End: at}, New: newline + strings.TrimSuffix(lines, newline)}
	}
	return source.Edit{Span: source.Span{Start: at, End: at}, New: lines}
}
