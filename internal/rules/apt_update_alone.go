package rules

import (
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
	"github.com/hitrate-bot/hitrate/internal/source"
)

var _ = register(&Rule{
	ID:       "apt-update-alone",
	Title:    "The package index is updated in another RUN than the install that uses it",
	Severity: config.SeverityWarning,
	What:     "A command that fetches a package index (`apt-get update`, `apk update`, `dnf makecache`, `zypper refresh`) in a `RUN` without the install that uses it.",
	Why: "Steps are cached each for itself. When the list of packages changes, the install runs again on the index of the day the update's layer was built: " +
		"it gets old versions, or fails because the archive no longer has them.",
	Fix: "The update moves in front of the installs that rely on it. Nothing is offered where its step does more than update, or where an unknown command may use the index.",
	Not: "Steps whose script may install by itself, and installs that rely on an update which has an install of its own. `apt-get update` with `apt-get upgrade` in one RUN is no fault where no later RUN installs from that index. " +
		"Package versions should not be pinned for the cache: they vanish from the archive. Merging all RUNs is no aim either.",
	Sources: []Source{
		{"Docker: best practices, apt-get", "https://docs.docker.com/build/building/best-practices/#apt-get"},
		{"Docker: build cache invalidation", "https://docs.docker.com/build/cache/invalidation/#run-instructions"},
	},
	Check: checkAptUpdateAlone,
})

// reliance is a RUN that installs from the index of an earlier one.
type reliance struct {
	in      *dockerfile.Instruction // as it stands in the file
	step    *dockerfile.Instruction // what is done: in or its trigger
	fetches bool                    // the install fetches the index itself
	first   *dockerfile.Command     // its first install
	sameWay bool                    // in the lane of the update
	i       int                     // in that lane
}

func checkAptUpdateAlone(p *Pass) {
	for _, stage := range p.File.Stages {
		if stage.Name == "" && !p.needed[stage] && !p.shipped[stage] {
			continue // nothing is made of it, and nobody builds it by its name
		}
		for _, lane := range p.lanes(stage) {
			for i, st := range lane {
				p.checkUpdate(lane, i, st)
			}
		}
	}
}

func (p *Pass) checkUpdate(lane []step, i int, st step) {
	e := p.effectsOf(st.in)
	if len(e.Updates) == 0 {
		return
	}
	update := e.Updates[len(e.Updates)-1]
	upgraded := false
	for _, k := range e.Packages {
		if k.Tool != update.Tool || k.Command.Span.Start < update.Command.Span.Start {
			if k.Tool == update.Tool && !k.Upgrade {
				return // an install before it: the RUN knows what it does
			}
			continue
		}
		if !k.Upgrade {
			return
		}
		upgraded = true
	}
	for _, cmd := range e.Unknown {
		if cmd.Span.Start > update.Command.Span.Start {
			return // a script may install
		}
	}
	for _, cmd := range st.in.Run().Commands {
		if !cmd.Always && cmd == update.Command {
			return
		}
	}
	rely := p.reliesOn(lane, i, update.Tool)
	if len(rely) == 0 && (upgraded || p.mayInstallLater(lane, i, update.Tool)) {
		return
	}
	text := p.commandText(st.in, update.Command)
	f := Finding{
		Subject: update.Tool,
		Title:   say(code(text), " runs apart from the install that uses it."),
		Done:    say("The index is now updated in the RUN that installs from it."),
	}
	for _, r := range rely {
		f.Related = append(f.Related, p.place(r.in))
	}
	if len(rely) > 0 {
		install := p.commandText(rely[0].step, rely[0].first)
		f.Why = say("This layer stays cached while ", code(install), " (line ", p.line(rely[0].in), ") changes: the install then uses an old index, "+
			"and gets old versions or fails on ones that are gone.")
		if rely[0].fetches {
			f.Why = say(code(install), " (line ", p.line(rely[0].in), ") fetches the index itself when the one that it finds is too old, so this layer is only weight.")
		}
		f.Advice = say("Update and install in one RUN: ", code(text+" && "+firstWords(install)+" …"), ".")
		unit, reason := p.mergeUpdate(lane, i, update, rely)
		f.Unit, f.Withheld = unit, string(reason)
	} else {
		f.Title = say("No install uses what ", code(text), " fetches.")
		f.Why = say("An install that comes later, in this file or on top of the image, finds an index as old as this layer.")
		f.Advice = say("Leave the update to the RUN that installs.")
		f.Done = say("No layer holds an index that nothing uses any more.")
	}
	f.Here = f.Title
	p.report(st.outer, f)
}

// mayInstallLater says whether a step below an update may install from its index without being seen to: a script, a
// program in a variable; of the stages on top of it too, and triggers.
func (p *Pass) mayInstallLater(lane []step, i int, tool string) bool {
	hidden := func(steps []step) bool {
		for _, st := range steps {
			e := p.effectsOf(st.in)
			reads, renews := e.ReadsIndex(tool)
			switch {
			case reads:
				return true
			case renews:
				return false
			}
		}
		return false
	}
	stage := lane[i].in.Stage
	if hidden(lane[i+1:]) || len(lane) > 0 && lane[0].in == lane[0].outer && slices.ContainsFunc(p.lanes(stage)[1:], hidden) {
		return true
	}
	open := map[*dockerfile.Stage]bool{stage: true}
	for _, s := range p.File.Stages {
		if s.Parent != nil && open[s.Parent] {
			open[s] = true
			if slices.ContainsFunc(p.lanes(s), hidden) {
				return true
			}
		}
	}
	return false
}

// commandText is a command as written, on one line; of the exec form its words.
func (p *Pass) commandText(in *dockerfile.Instruction, cmd *dockerfile.Command) string {
	if in.Run().Exec == nil {
		return oneLine(p.textOf(cmd.Span))
	}
	var words []string
	for _, w := range cmd.Words {
		words = append(words, w.Value)
	}
	return oneLine(strings.Join(words, " "))
}

// firstWords is the program and what is asked of it.
func firstWords(command string) string {
	words := strings.Fields(command)
	out := words[:min(1, len(words))]
	for _, w := range words[len(out):] {
		out = append(out, w)
		if !strings.HasPrefix(w, "-") {
			break
		}
	}
	return strings.Join(out, " ")
}

// reliesOn finds the RUNs below an update, in its lane and in the stages on top of it, that install
// from the index that it left: those without an update of their own before the install, up to the
// next RUN that updates.
func (p *Pass) reliesOn(lane []step, i int, tool string) []reliance {
	var out []reliance
	look := func(steps []step, from int, same bool) (end bool) {
		for j := from; j < len(steps); j++ {
			e := p.effectsOf(steps[j].in)
			next := -1
			for _, u := range e.Updates {
				if u.Tool == tool && (next < 0 || u.Command.Span.Start < next) {
					next = u.Command.Span.Start
				}
			}
			for _, k := range e.Packages {
				if k.Tool != tool || k.Upgrade || next >= 0 && k.Command.Span.Start > next {
					continue
				}
				if k.Fetches && tool == "apk" {
					continue
				}
				out = append(out, reliance{in: steps[j].outer, step: steps[j].in, fetches: k.Fetches, first: k.Command, sameWay: same, i: j})
				break
			}
			if next >= 0 {
				return true
			}
		}
		return false
	}
	ended := look(lane, i+1, true)
	if ended || len(lane) == 0 || lane[0].in != lane[0].outer {
		return out
	}
	// Stages on top, each one once.
	open := map[*dockerfile.Stage]bool{lane[0].in.Stage: true}
	for _, s := range p.File.Stages {
		if s.Parent == nil || !open[s.Parent] {
			continue
		}
		if !look(p.lanes(s)[0], 0, false) {
			open[s] = true
		}
	}
	return out
}

// mergeUpdate is the edit: the update's RUN goes, and its command comes in front of the installs.
func (p *Pass) mergeUpdate(lane []step, i int, update shelleffects.IndexUpdate, rely []reliance) (*Unit, Reason) {
	st := lane[i]
	run := st.in.Run()
	switch {
	case st.in != st.outer:
		return nil, InOnBuild
	case run.Exec != nil || run.Heredoc:
		return nil, ScriptForm
	case len(run.Commands) != 1 || len(run.Steps) != 1 || len(update.Command.Redirects) > 0 || len(update.Command.Prefix) > 0:
		return nil, UpdateDoesMore
	case len(st.in.Flags) > 0:
		return nil, OtherSettings
	}
	command := p.textOf(update.Command.Span)
	if strings.ContainsAny(command, "\n\\") {
		return nil, ScriptForm
	}
	edits, effect, reason := p.updateInto(lane, i, command, update.Tool, rely)
	if reason != "" {
		return nil, reason
	}
	return &Unit{Edits: append(p.withoutUpdate(st.in, rely[0].in), edits...), Effects: []Effect{effect}}, ""
}

// updateInto puts an update's command in front of the installs that rely on it.
func (p *Pass) updateInto(lane []step, i int, command, tool string, rely []reliance) ([]source.Edit, MergeUpdate, Reason) {
	effect := MergeUpdate{Update: lane[i].in}
	last := 0
	for _, r := range rely {
		if !r.sameWay {
			return nil, effect, IndexUsed
		}
		last = max(last, r.i)
	}
	into := func(j int) bool {
		return slices.ContainsFunc(rely, func(r reliance) bool { return r.i == j })
	}
	for j := i + 1; j < last; j++ {
		e := p.effectsOf(lane[j].in)
		if e.Unread || !into(j) && (len(e.Unknown) > 0 || slices.ContainsFunc(e.Packages, func(k shelleffects.PackageInstall) bool { return k.Tool == tool })) {
			return nil, effect, IndexUsed
		}
	}
	var edits []source.Edit
	for _, r := range rely {
		other := r.in.Run()
		if other.Exec != nil {
			return nil, effect, ScriptForm
		}
		if len(r.in.Flags) > 0 || p.states[r.in].User != p.states[lane[i].in].User {
			return nil, effect, OtherSettings
		}
		n := slices.IndexFunc(other.Steps, func(s dockerfile.Step) bool { return slices.Contains(s.Commands, r.first) })
		if n < 0 || r.first.Nested > 0 || r.first.Pipe.Len > 0 || other.Steps[n].Op == "||" || other.Steps[n].Op == "&" ||
			n+1 < len(other.Steps) && (other.Steps[n+1].Op == "||" || other.Steps[n+1].Op == "&") {
			return nil, effect, ScriptForm
		}
		for _, cmd := range p.effectsOf(r.in).Unknown {
			if cmd.Span.Start < r.first.Span.Start {
				return nil, effect, IndexUsed
			}
		}
		at := other.Steps[n].Span.Start
		edits = append(edits, source.Edit{Span: source.Span{Start: at, End: at}, New: command + " && "})
		effect.Into = append(effect.Into, r.in)
	}
	return edits, effect, ""
}

// ofUpdates are words of comments about an update of the index.
var ofUpdates = lazyregexp.New(`(?i)\b(update|updates|updating|refresh|index|package lists?|apt-get|apt)\b`)

// withoutUpdate takes the RUN of an update away. Its comment goes along to the install, unless that is the next
// instruction, of which the comment then speaks.
func (p *Pass) withoutUpdate(update, install *dockerfile.Instruction) []source.Edit {
	list := update.Stage.Instructions
	if at := slices.Index(list, update); at+1 < len(list) && list[at+1] == install {
		span := p.wholeLines(update.Span)
		if p.attachedStart(update) < update.Span.Start {
			// What is said above stands above the install from now on, without blank lines between.
			rest := p.textOf(source.Span{Start: span.End, End: install.Span.Start})
			span.End += len(rest) - len(strings.TrimLeft(rest, " \t\r\n"))
			if len(install.Comments) == 0 {
				span.End = p.File.Source.SpanFromLines(p.File.Source.LinesFromSpan(install.Span)).Start
			}
		}
		return []source.Edit{{Span: span}}
	}
	start := p.attachedStart(update)
	if n := len(update.Comments); start == update.Span.Start && n > 0 && ofUpdates.MatchString(update.Comments[n-1].Text) {
		line := func(n int) int { return p.File.Source.LineFromOffset(update.Comments[n].Span.Start) }
		for n--; n > 0 && line(n-1) == line(n)-1; n-- { // blank lines part the comment and the instruction
		}
		start = update.Comments[n].Span.Start
	}
	edits := []source.Edit{{Span: p.wholeLines(source.Span{Start: start, End: update.Span.End})}}
	if comment := strings.TrimSpace(p.textOf(source.Span{Start: start, End: update.Span.Start})); comment != "" {
		at := p.attachedStart(install)
		edits = append(edits, source.Edit{Span: source.Span{Start: at, End: at}, New: comment + p.File.Source.Newline()})
	}
	return edits
}
