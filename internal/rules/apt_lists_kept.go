package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
	"github.com/hitrate-bot/hitrate/internal/source"
)

const preferRemoval = "removal"

var _ = register(&Rule{
	ID:       "apt-lists-kept",
	Title:    "apt's package index stays in a layer that is shipped",
	Severity: config.SeverityWarning,
	What:     "A `RUN` of a stage that is part of the image fetches apt's package index and leaves it in `/var/lib/apt/lists`: no removal in the same `RUN`, and no mount there.",
	Why: "The index becomes part of the layer: it is pushed, pulled and stored with the image and serves nobody, since an install that comes later has to fetch a fresh one. " +
		"A removal in another `RUN` frees nothing: a layer keeps what later layers hide.",
	Fix: "`" + AptListsRemoval + "` at the end of that `RUN`, in its own style, where no later step (of the stage, of the stages on top of it, by `ONBUILD`) may read the index; " +
		"where the update stands alone, together with [apt-update-alone](apt-update-alone.md) at the end of the `RUN`s that install; " +
		"where the next `RUN` removes the index, the two become one; where up to two later `RUN`s install from it, they fetch it themselves, or become one with it when both do nothing else than install. With `prefer: cache-mount` a cache mount on `/var/lib/apt/lists`, and one on `/var/cache/apt` where the stage has removed Debian's `docker-clean`, which otherwise empties that directory after every install.",
	Not: "Stages whose layers do not reach the image, and `RUN`s that end with a script which may clean up. A cache or tmpfs mount, a removal by name, `find … -delete` and `apt-get distclean` (apt 2.7) are all accepted. " +
		"`apt-get clean` and `rm -rf /var/cache/apt/*` do not touch the index, and free next to nothing in Debian's and Ubuntu's images, which empty that directory by themselves. " +
		"A mount on the whole of `/var/lib/apt` would take apt's record of automatically installed packages out of the image, so none is suggested.",
	Sources: []Source{
		{"Docker: best practices, apt-get", "https://docs.docker.com/build/building/best-practices/#apt-get"},
		{"Docker: cache mounts", "https://docs.docker.com/build/cache/optimize/#use-cache-mounts"},
		{"debuerreotype: what Debian's images clean by themselves", "https://github.com/debuerreotype/debuerreotype/blob/master/scripts/debuerreotype-minimizing-config"},
	},
	Settings: []config.Setting{{
		Name: "prefer", Kind: "string", Allowed: []string{preferRemoval, preferCacheMount}, Default: preferRemoval,
		Doc: "What the suggestion uses: a removal at the end of the RUN, or a cache mount.",
	}},
	Hadolint: []string{"DL3009"},
	Check:    checkAptListsKept,
})

func checkAptListsKept(p *Pass) {
	for _, stage := range p.File.Stages {
		if !p.shipped[stage] {
			continue
		}
		lane := p.lanes(stage)[0]
		for i, st := range lane {
			if update := p.keepsLists(st.in); update != nil {
				p.reportLists(lane, i, update)
			}
		}
	}
}

// keepsLists is the command of a RUN that fetches the index which its layer keeps; nil where none does
// for certain.
func (p *Pass) keepsLists(in *dockerfile.Instruction) *dockerfile.Command {
	e := p.effectsOf(in)
	if in.Run() == nil || e.Unread {
		return nil
	}
	var update, last *dockerfile.Command
	later := func(c *dockerfile.Command) {
		if last == nil || c.Span.Start > last.Span.Start {
			last = c
		}
	}
	fetched := func(c *dockerfile.Command) {
		if update == nil {
			update = c
		}
		later(c)
	}
	for _, u := range e.Updates {
		if u.Tool == "apt" && u.Command.Straight {
			fetched(u.Command)
		}
	}
	for _, k := range e.Packages {
		if k.Tool == "apt" && k.Fetches && k.Command.Straight {
			fetched(k.Command)
		}
	}
	if c, _ := setupScript(in.Run()); c != nil {
		fetched(c)
	}
	if update == nil {
		return nil
	}
	for _, k := range e.Packages {
		if k.Tool == "apt" && k.Command.Span.Start > update.Span.Start {
			later(k.Command)
		}
	}
	if p.mounted(in, shelleffects.AptLists) || e.Removes(shelleffects.AptLists, "apt", last) {
		return nil
	}
	if slices.ContainsFunc(e.Unknown, func(c *dockerfile.Command) bool {
		return c.Span.Start > last.Span.Start && mayCleanUp(c)
	}) {
		return nil // it may clean up
	}
	return update
}

// tidy are the names of programs that may clean up; what is called "install" often does at its end.
var tidy = lazyregexp.New(`(?i)clean|purge|prune|install|apt|\.sh$`)

// mayCleanUp says whether a command that the table does not know may take the index away: a removal
// that could not be read, a shell script, a program with a name that says so.
func mayCleanUp(c *dockerfile.Command) bool {
	if condaInstaller(c) || shelleffects.Configures(c) {
		return false
	}
	switch c.Name {
	case "", "rm", "find", "sh", "bash", "dash", "ash", "eval", "xargs", "parallel":
		return true
	case "make":
		return shelleffects.MayRunManager(c)
	}
	program := c.Words[0].Value
	return tidy.MatchString(c.Name) || strings.Contains(program, "/") && !strings.Contains(program, "/bin/") && shelleffects.MayRunManager(c)
}

// condaScript are the names under which the installers of conda are published.
// Source: https://repo.anaconda.com/miniconda/, https://github.com/conda-forge/miniforge#install
var condaScript = lazyregexp.New(`(?i)(^|/)(mini(conda|forge)|mambaforge|anaconda)[^/]*\.sh$`)

// condaInstaller says whether a command runs one of conda's installers, which touch nothing outside of
// their directory.
func condaInstaller(c *dockerfile.Command) bool {
	words := c.Words
	if c.Name == "sh" || c.Name == "bash" {
		words = words[1:]
	}
	for _, w := range words {
		if !strings.HasPrefix(w.Value, "-") {
			return condaScript.MatchString(w.Value)
		}
	}
	return false
}

// setupScripts are scripts behind an address that add a repository and run "apt-get update".
var setupScripts = []string{"https://deb.nodesource.com/setup_"}

// setupScript finds the shell that runs such a script from its standard input, and the address.
func setupScript(run *dockerfile.Run) (*dockerfile.Command, string) {
	for i, c := range run.Commands {
		if c.Pipe.Index != 1 || c.Pipe.Len != 2 || !c.Straight || i == 0 || c.Name != "bash" && c.Name != "sh" {
			continue
		}
		if address := setupAddress(run.Commands[i-1]); address != "" {
			return c, address
		}
	}
	return nil, ""
}

// setupAddress is the address of such a script that a command names, "" where it names none.
func setupAddress(c *dockerfile.Command) string {
	for _, w := range c.Words {
		address := strings.Trim(w.Value, `"'`)
		if slices.ContainsFunc(setupScripts, func(script string) bool { return strings.HasPrefix(address, script) }) {
			return address
		}
	}
	return ""
}

// listsMount is the mount that keeps the index out of the layer.
const listsMount = "--mount=type=cache,target=" + shelleffects.AptLists + ",sharing=locked"

func (p *Pass) reportLists(lane []step, i int, update *dockerfile.Command) {
	in := lane[i].in
	text := p.commandText(in, update)
	if c, address := setupScript(in.Run()); c == update {
		text = address
	}
	f := Finding{
		Subject: "apt",
		Title:   say("The package index that ", code(text), " fetches stays in the image."),
		Here:    say("This RUN leaves the package index in the image."),
		Why:     say("What it fetched into ", code(shelleffects.AptLists), " becomes part of this layer: it is pushed and pulled with the image, and is soon too old to install from."),
		Advice:  say("End the RUN with ", code("… && "+AptListsRemoval), "."),
		Done:    say("The image no longer holds apt's package index."),
	}
	removal := p.removedLater(lane, i)
	rely := p.reliesOn(lane, i, "apt")
	mount := setting[string](p, "prefer") == preferCacheMount && p.Facts.WithoutBuildKit == nil
	switch {
	case removal != nil:
		f.Related = []Place{p.place(removal)}
		f.Advice = say("Put ", code(AptListsRemoval), " at the end of this RUN.")
		if len(rely) > 0 {
			f.Advice = say("Update and install in one RUN that ends with ", code("… && "+AptListsRemoval), ": line ", p.line(rely[0].in), " still installs from the index.")
		}
		f.Why = say("What it fetched into ", code(shelleffects.AptLists), " becomes part of this layer, and the removal in line ", p.line(removal), " frees nothing: the layer keeps what later ones hide.")
	case len(rely) > 0:
		for _, r := range rely {
			f.Related = append(f.Related, p.place(r.in))
		}
		f.Advice = say("Update and install in one RUN that ends with ", code("… && "+AptListsRemoval), ".")
		if mount {
			f.Advice = say("Update and install in one RUN, with the index in a cache mount: ", code(listsMount), ".")
		}
	case mount:
		f.Advice = say("Keep it in a cache mount: ", code(listsMount), ".")
	}
	e := p.effectsOf(in)
	if len(rely) == 0 {
		f.Doubted = &Doubt{By: []Reason{IndexUsed, IndexForCommand}, Words: Words{Why: f.Why, Advice: say("Unless something still installs from it later, end the RUN with ", code("… && "+AptListsRemoval), "."), Done: f.Done}}
	}
	if len(rely) == 0 && len(e.Packages) == 0 && len(e.Updates) > 0 {
		// Nothing uses it: what is wrong is the update, not what it leaves.
		f.Advice = say("Leave the update to the RUN that installs.")
		p.report(in, f)
		return
	}
	var reason Reason
	switch {
	case mount:
		f.Unit, reason = p.mountLists(lane, i)
	case len(rely) > 0:
		f.Unit, reason = p.mergeAndRemove(lane, i, rely)
	case removal != nil && i+1 < len(lane) && lane[i+1].in == removal:
		f.Unit, reason = p.mergeRuns(in, removal)
	default:
		f.Unit, reason = p.removeLists(in, update)
	}
	f.Withheld = string(reason)
	p.report(in, f)
}

// removedLater is a later RUN of the lane that takes the index away which this one left; nil where
// that one has an index of its own, or none does.
func (p *Pass) removedLater(lane []step, i int) *dockerfile.Instruction {
	for _, st := range lane[i+1:] {
		e := p.effectsOf(st.in)
		if slices.ContainsFunc(e.Updates, func(u shelleffects.IndexUpdate) bool { return u.Tool == "apt" }) {
			return nil
		}
		for _, r := range e.Removals {
			if slices.ContainsFunc(r.Whole, func(dir string) bool { return shelleffects.Covers(dir, shelleffects.AptLists) }) {
				return st.in
			}
		}
	}
	return nil
}

// removeLists is the edit: the removal at the end of the RUN.
func (p *Pass) removeLists(in *dockerfile.Instruction, update *dockerfile.Command) (*Unit, Reason) {
	command := AptListsRemoval
	if update.OtherUser {
		if update.Prefix[0].Value != "sudo" || slices.ContainsFunc(update.Prefix, func(w dockerfile.Word) bool {
			return strings.HasPrefix(w.Value, "-u") || strings.HasPrefix(w.Value, "--u")
		}) {
			return nil, OtherUser
		}
		command = "sudo " + command
	}
	if e := p.effectsOf(in); len(e.Updates)+len(e.Packages) == 0 {
		return nil, ScriptUnread // the script that updates is somewhere else
	}
	edit, reason := p.appendCommand(in, command)
	if reason != "" {
		return nil, reason
	}
	return &Unit{Edits: []source.Edit{edit}, Effects: []Effect{RemoveLists{Step: in}}}, ""
}

// mergeAndRemove is the edit where other RUNs install from the index that one leaves. An update that
// stands alone moves into them, and each that keeps the index removes it at its end; an update with
// an upgrade becomes one RUN with its neighbour, and so does one with an install where both only install;
// else the others get the update too.
func (p *Pass) mergeAndRemove(lane []step, i int, rely []reliance) (*Unit, Reason) {
	in := lane[i].in
	e := p.effectsOf(in)
	switch {
	case len(e.Updates) == 0:
		return nil, InstallWithout
	case slices.ContainsFunc(e.Packages, func(k shelleffects.PackageInstall) bool { return !k.Upgrade }):
		if len(rely) == 1 && rely[0].sameWay && rely[0].i == i+1 && onlyPackages(e) && onlyPackages(p.effectsOf(rely[0].in)) && len(p.effectsOf(rely[0].in).Updates) == 0 {
			if unit, reason := p.mergeRuns(in, rely[0].in); reason == "" {
				return p.removeAfter(unit, rely[0].in, in)
			}
		}
		return p.repeatUpdate(lane, i, rely)
	case len(e.Packages) > 0 && (len(rely) > 1 || !rely[0].sameWay || rely[0].i != i+1):
		return nil, UpdateDoesMore
	case len(e.Packages) > 0:
		unit, reason := p.mergeRuns(in, rely[0].in)
		if reason != "" {
			return nil, reason
		}
		return p.removeAfter(unit, rely[0].in, in)
	}
	unit, reason := p.mergeUpdate(lane, i, e.Updates[len(e.Updates)-1], rely)
	if reason != "" {
		return nil, reason
	}
	for _, r := range rely {
		if unit, reason = p.removeAfter(unit, r.in, r.in); reason != "" {
			return nil, reason
		}
	}
	return unit, ""
}

// onlyPackages says whether a RUN serves packages of the system alone: then an edit of it that runs it again runs no
// other work again.
func onlyPackages(e shelleffects.Effects) bool {
	return !e.Unread && len(e.Installs)+len(e.Unknown)+len(e.Fetches)+len(e.Checkouts)+len(e.Ownerships) == 0
}

// maxRepeated is how many installs get an update of their own: for more, one RUN would be better than many indexes.
const maxRepeated = 2

// repeatUpdate is the edit where an update has an install of its own and others rely on it: each of them gets the
// same update in front, and each RUN removes the index at its end.
func (p *Pass) repeatUpdate(lane []step, i int, rely []reliance) (*Unit, Reason) {
	in := lane[i].in
	e := p.effectsOf(in)
	update := e.Updates[0].Command
	text := p.textOf(update.Span)
	switch {
	case in != lane[i].outer:
		return nil, InOnBuild
	case len(rely) > maxRepeated, slices.ContainsFunc(rely, func(r reliance) bool { return !r.sameWay || p.removedLater(lane, r.i) != nil }), p.removedLater(lane, i) != nil:
		return nil, InstallWithout // with a removal of all that is left below, another edit is better
	case len(e.Updates) != 1 || len(update.Redirects) > 0 || len(update.Prefix) > 0 || update.Nested > 0 || update.Pipe.Len > 0,
		slices.ContainsFunc(update.Words, func(w dockerfile.Word) bool { return !w.Literal }):
		return nil, InstallWithout
	case strings.ContainsAny(text, "\n\\"):
		return nil, ScriptForm
	case len(in.Flags) > 0:
		return nil, OtherSettings
	}
	edits, effect, reason := p.updateInto(lane, i, text, "apt", rely)
	if reason != "" {
		return nil, reason
	}
	effect.Stays = true
	unit := &Unit{Edits: edits, Effects: []Effect{effect}, Note: say("Each install fetches the index for itself now, and takes it away again.")}
	for _, step := range append([]*dockerfile.Instruction{in}, effect.Into...) {
		if unit, reason = p.removeAfter(unit, step, step); reason != "" {
			return nil, reason
		}
	}
	return unit, ""
}

// removeAfter adds the removal at the end of a RUN to a unit, unless the RUN removes or mounts the
// index; step is the RUN that it becomes a part of.
func (p *Pass) removeAfter(unit *Unit, in, step *dockerfile.Instruction) (*Unit, Reason) {
	if p.effectsOf(in).Removes(shelleffects.AptLists, "apt", in.Run().Commands[0]) || p.mounted(in, shelleffects.AptLists) {
		return unit, ""
	}
	edit, reason := p.appendCommand(in, AptListsRemoval)
	if reason != "" {
		return nil, reason
	}
	if step != in && !strings.Contains(edit.New, "\n") {
		edit.New = " " + string(p.File.Escape) + "\n    && " + AptListsRemoval // the RUN has several lines now
	}
	unit.Edits = append(unit.Edits, edit)
	unit.Effects = append(unit.Effects, RemoveLists{Step: step})
	return unit, ""
}

// mountLists is the edit: a cache mount on the index. The archives get one only where nothing empties
// their directory after each install.
func (p *Pass) mountLists(lane []step, i int) (*Unit, Reason) {
	in := lane[i].in
	if !mountsKnown(p.File) {
		return nil, FrontendUnknown
	}
	targets := []string{shelleffects.AptLists}
	if p.keepsArchives(lane, i) {
		targets = append(targets, "/var/cache/apt")
	}
	unit := &Unit{Note: say("The cache mount keeps the index out of the image and for the next build on the same builder (GitHub's hosted runners do not keep it).")}
	text := ""
	for _, target := range targets {
		if slices.ContainsFunc(p.mountsOf(in), func(m mount) bool { return !m.targetKnown || shelleffects.Overlaps(path.Clean(m.target), target) }) {
			if target == shelleffects.AptLists {
				return nil, MountThere
			}
			continue
		}
		text += " --mount=type=cache,target=" + target + ",sharing=locked"
		unit.Effects = append(unit.Effects, AddCacheMount{Step: in, Tool: "apt", Target: target, Sharing: string(instructions.MountSharingLocked)})
	}
	at := in.Span.Start + len("RUN")
	if n := len(in.Flags); n > 0 {
		at = in.Flags[n-1].Span.End
	}
	unit.Edits = []source.Edit{{Span: source.Span{Start: at, End: at}, New: text}}
	return unit, ""
}

// dockerClean is the file by which Debian's and Ubuntu's images empty /var/cache/apt after each install.
const dockerClean = "/etc/apt/apt.conf.d/docker-clean"

// keepsArchives says whether the stage has taken docker-clean away, in a RUN above or this one.
func (p *Pass) keepsArchives(lane []step, i int) bool {
	for _, st := range lane[:i+1] {
		for _, r := range p.effectsOf(st.in).Removals {
			if slices.Contains(r.Whole, dockerClean) {
				return true
			}
		}
	}
	return false
}
