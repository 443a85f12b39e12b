package rules

import (
	"path"
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

var _ = register(&Rule{
	ID:       "cleanup-in-later-layer",
	Title:    "Files are removed in another layer than the one that made them",
	Severity: config.SeverityWarning,
	What: "A `RUN` of a stage that is part of the image removes what an earlier step of the stage, or of the stages that it is made from, certainly put there: package indexes and caches, downloads, clones, copied directories and archives, `node_modules`, " +
		"packages of the system.",
	Why: "Each step is a layer of its own, and a layer keeps its files whatever later ones do: they are hidden, not gone. " +
		"The image is as large as without the removal, and every pull brings them along.",
	Fix: "Where the two `RUN`s are neighbours and one `RUN` is equal (same mounts, no `cd`, variable, option or trap that reaches the second, no failure that is passed over), they become one.",
	Not: "Stages whose layers do not reach the image: what counts there is what the last stage copies. Wildcards that name a part of a directory, small files, what the removing `RUN` made itself, and copies that it removes under a condition. " +
		"Merging all `RUN`s is no aim: an edit to one command then runs all of them again.",
	Sources: []Source{
		{"Docker: best practices, RUN", "https://docs.docker.com/build/building/best-practices/#run"},
		{"OCI image format: whiteouts", "https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts"},
		{"Docker: multi-stage builds", "https://docs.docker.com/build/building/multi-stage/"},
	},
	Check: checkLateCleanup,
})

func checkLateCleanup(p *Pass) {
	for _, stage := range p.File.Stages {
		if !p.shipped[stage] || p.states == nil {
			continue
		}
		p.follow(stage, p.leftBy(stage.Parent, 0), func(lane []step, i int, gone []made) { p.reportLate(lane, i, gone) })
	}
}

// leftBy are the things that a stage leaves in its layers, and the stages that it is made from.
func (p *Pass) leftBy(stage *dockerfile.Stage, depth int) []made {
	if stage == nil || depth > maxStages {
		return nil
	}
	return p.follow(stage, p.leftBy(stage.Parent, depth+1), func([]step, int, []made) {})
}

// follow goes through a stage with what is there above it, tells of each step what it removes of that, and returns what
// is left.
func (p *Pass) follow(stage *dockerfile.Stage, there []made, removed func(lane []step, i int, gone []made)) []made {
	lane := p.lanes(stage)[0]
	for i, st := range lane {
		gone := p.removedBy(st.in, there)
		if len(gone) > 0 {
			removed(lane, i, gone)
			there = slices.DeleteFunc(there, func(m made) bool {
				return slices.ContainsFunc(gone, func(g made) bool { return g.subject == m.subject && g.by == m.by })
			})
		}
		if len(there) < maxMade {
			there = append(there, p.makes(lane, i)...)
		}
	}
	return there
}

// removedBy are the things that a RUN removes and an earlier step made.
func (p *Pass) removedBy(in *dockerfile.Instruction, there []made) []made {
	e := p.effectsOf(in)
	if in.Run() == nil || e.Unread || len(e.Removals)+len(e.Uninstalls) == 0 {
		return nil
	}
	type pkg struct{ tool, name string }
	taken := map[pkg]bool{}
	for _, u := range e.Uninstalls {
		for _, name := range u.Names {
			taken[pkg{u.Tool, name}] = true
		}
	}
	var out []made
	for _, m := range there {
		if m.name != "" {
			if taken[pkg{m.tool, m.name}] && !p.installsAgain(e, m) {
				out = append(out, m)
			}
			continue
		}
		if p.ownUse(e, m) || p.mountedAt(in, m.path) {
			continue
		}
		if slices.ContainsFunc(e.Removals, func(r shelleffects.Removal) bool {
			if m.copied && !r.Command.Straight {
				return false // under a condition the step rather puts something else in its place
			}
			return r.Tool != "" && r.Tool == m.tool || slices.ContainsFunc(r.Whole, func(dir string) bool { return shelleffects.Covers(dir, m.path) && dir != "/" })
		}) {
			out = append(out, m)
		}
	}
	return out
}

func (p *Pass) installsAgain(e shelleffects.Effects, m made) bool {
	return slices.ContainsFunc(e.Packages, func(k shelleffects.PackageInstall) bool {
		return k.Tool == m.tool && (slices.Contains(k.Names, m.name) || k.Group == m.name)
	})
}

// ownUse says whether a RUN fills a cache or an index itself: then it cleans up after itself.
func (p *Pass) ownUse(e shelleffects.Effects, m made) bool {
	if m.tool == "" {
		return false
	}
	installs := slices.ContainsFunc(e.Packages, func(k shelleffects.PackageInstall) bool { return sameManager(k.Tool, m.tool) })
	if installs && m.path == shelleffects.AptLists {
		// apt's installs read an index and fetch none; a command that is not known may. Where the update stands alone,
		// apt-update-alone speaks of both.
		both := slices.ContainsFunc(p.effectsOf(m.by).Packages, func(k shelleffects.PackageInstall) bool { return k.Tool == "apt" && !k.Upgrade })
		installs = !both || len(e.Unknown) > 0
	}
	return installs ||
		slices.ContainsFunc(e.Updates, func(u shelleffects.IndexUpdate) bool { return u.Tool == m.tool }) ||
		slices.ContainsFunc(e.Installs, func(i shelleffects.Install) bool { return i.Tool == m.tool })
}

// sameManager says whether two names are one package manager: yum is a name of dnf where there is dnf.
// Source: https://docs.fedoraproject.org/en-US/quick-docs/dnf/.
func sameManager(a, b string) bool {
	return a == b || a == "yum" && b == "dnf" || a == "dnf" && b == "yum"
}

func (p *Pass) reportLate(lane []step, i int, gone []made) {
	in, first := lane[i].in, gone[0]
	f := Finding{
		Subject: subjectOf(gone),
		Done:    say("What is removed is no longer part of an earlier layer."),
	}
	for _, m := range gone {
		if place := p.place(m.by); !slices.Contains(f.Related, place) {
			f.Related = append(f.Related, place)
		}
	}
	things := thingsRemoved(gone)
	f.Title = say("Removing ", things, " in a later layer frees nothing.")
	f.Here = say("This removes ", things, ", and frees nothing.")
	f.Why = say("The layer of line ", p.line(first.by), " keeps what it holds: later layers only hide it, and every pull of the image brings it along.")
	switch {
	case first.filled:
		f.Why = say("The layers of the steps that filled it keep what they hold: later layers only hide it, and every pull of the image brings it along.")
		f.Advice = say("Remove it in the RUN that fills it.")
	case first.part:
		f.Advice = say("Copy what is needed and no more, or remove it in the stage that it comes from.")
	case first.copied:
		f.Advice = say("Mount it for the step that needs it, instead of copying it: ", code(mountFor(first)), ".")
	case first.path == shelleffects.AptLists && slices.ContainsFunc(p.effectsOf(in).Packages, func(k shelleffects.PackageInstall) bool { return k.Tool == "apt" }):
		f.Advice = say("This step installs from it: install in the RUN that fetches it (line ", p.line(first.by), "), and remove it there.")
	case first.name != "" || path.Base(first.path) == "node_modules":
		f.Advice = say("Install, use and remove them in one RUN, or build in a stage of its own and copy the result.")
	case first.by.Keyword == "ADD":
		f.Advice = say("Download it in the RUN that uses it, and remove it there.")
	case p.neededBetween(lane, i, first):
		f.Advice = say("Make it, use it and remove it in one RUN.")
	default:
		f.Advice = say("Remove it in the RUN that makes it (line ", p.line(first.by), ").")
	}
	var reason Reason
	switch {
	case first.by.Keyword != "RUN" || first.filled:
	case first.by.Stage != in.Stage:
		reason = InOtherStage
	case i == 0 || slices.ContainsFunc(gone, func(m made) bool { return m.by != lane[i-1].in }):
		reason = StepsBetween
	case !p.onlyCleans(in):
		reason = CleanupDoesMore
	default:
		f.Unit, reason = p.mergeRuns(first.by, in)
	}
	f.Withheld = string(reason)
	p.report(in, f)
}

// neededBetween says whether a step between the one that makes something and the one that removes it may need it.
func (p *Pass) neededBetween(lane []step, i int, m made) bool {
	at := slices.IndexFunc(lane, func(st step) bool { return st.in == m.by })
	if m.tool == "apt" && at >= 0 {
		return slices.ContainsFunc(p.reliesOn(lane, at, "apt"), func(r reliance) bool { return r.sameWay && r.i < i })
	}
	if m.tool != "" {
		return false // a cache is filled again
	}
	for _, st := range lane[at+1 : i] {
		e := p.effectsOf(st.in)
		if e.Unread || len(e.Unknown) > 0 || slices.ContainsFunc(e.Touches, func(t shelleffects.Touch) bool {
			return slices.ContainsFunc(t.Paths, func(touched string) bool { return shelleffects.Overlaps(touched, m.path) })
		}) || slices.ContainsFunc(e.Installs, func(install shelleffects.Install) bool {
			return install.NeedsSource != "" || len(install.Manifests) > 0
		}) || slices.ContainsFunc(e.Packages, func(k shelleffects.PackageInstall) bool { return len(k.Files) > 0 }) {
			return true
		}
	}
	// The step that removes it may use it first.
	e := p.effectsOf(lane[i].in)
	return len(e.Unknown) > 0 || slices.ContainsFunc(e.Touches, func(t shelleffects.Touch) bool {
		return !slices.ContainsFunc(e.Removals, func(r shelleffects.Removal) bool { return r.Command == t.Command }) &&
			slices.ContainsFunc(t.Paths, func(touched string) bool { return shelleffects.Overlaps(touched, m.path) })
	})
}

// subjectOf is what a removal is about: of several things the first that no other rule speaks of, since caches
// and indexes go when an edit for another rule is made.
func subjectOf(gone []made) string {
	for _, m := range gone {
		if m.tool == "" || m.name != "" {
			return m.subject
		}
	}
	return gone[0].subject
}

// thingsRemoved names up to three things: the packages by their names, or the others.
func thingsRemoved(gone []made) Text {
	var packages []string
	var others []Text
	seen := map[string]bool{}
	for _, m := range gone {
		key := m.name + "\x00" + m.what.String()
		if seen[key] {
			continue
		}
		seen[key] = true
		if m.name != "" {
			packages = append(packages, m.name)
		} else {
			others = append(others, m.what)
		}
	}
	if len(packages) > 0 {
		others = append(others, say("the package"+plural(len(packages))+" ", list(packages)))
	}
	out := others[0]
	for k, t := range others[1:min(len(others), 3)] {
		if k+2 == len(others) {
			out = say(out, " and ", t)
		} else {
			out = say(out, ", ", t)
		}
	}
	if n := len(others) - 3; n > 0 {
		out = say(out, " and ", n, " more")
	}
	return out
}

// mountFor is the mount that takes the place of a COPY.
func mountFor(m made) string {
	from := ""
	if cmd, ok := m.by.Command.(*instructions.CopyCommand); ok {
		if cmd.From != "" {
			from = ",from=" + cmd.From
		}
		if len(cmd.SourcePaths) == 1 {
			from += ",source=" + cmd.SourcePaths[0]
		}
	}
	return "--mount=type=bind" + from + ",target=" + m.path
}

// onlyCleans says whether a RUN does nothing but clean up.
func (p *Pass) onlyCleans(in *dockerfile.Instruction) bool {
	e := p.effectsOf(in)
	return len(e.Unknown)+len(e.Installs)+len(e.Packages)+len(e.Updates) == 0
}
