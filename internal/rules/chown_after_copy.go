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

var _ = register(&Rule{
	ID:       "chown-after-copy",
	Title:    "A RUN changes the owner or mode of everything that a COPY brought",
	Severity: config.SeverityWarning,
	What:     "`chown -R`, `chgrp -R` or `chmod -R` in a stage that is part of the image names a directory that a `COPY` or `ADD` of the same stage, or of one that it is made from, has filled.",
	Why: "A file whose owner or mode changes is written whole into the layer of the `RUN`, while the layer of the `COPY` keeps the first one. " +
		"The image has the data twice, every pull brings both, and a change to one file writes all of them again.",
	Fix: "For `chown`: the `COPY`s get `--chown`, and the command goes, or loses `-R` where the directory itself has to change hands, and the directories which `mkdir` makes in it. " +
		"Offered where nothing but these and the `COPY`s is in the directory, as far as the whole file and a known base image tell, and no user or group is made between the `COPY` and the `chown`. " +
		"For `chmod` with a mode in octal digits the `COPY`s get `--chmod` under the same conditions, where all of them copy from the build context. " +
		"For `chgrp`, and for a mode as `u+x`, there are words only.",
	Not: "Single files (`chmod +x entrypoint.sh`) and folders with a handful of files, which weigh nothing; what a `COPY` has brought with the same owner already, root's where it names none; `chown --from=root` of copies that have `--chown`; `chmod` that adds nothing but `r` and `X`; " +
		"commands under a condition; stages whose layers do not reach the image.",
	Sources: []Source{
		{"Dockerfile reference: COPY --chown --chmod", "https://docs.docker.com/reference/dockerfile/#copy---chown---chmod"},
		{"OCI image format: layers", "https://github.com/opencontainers/image-spec/blob/main/layer.md#change-types"},
	},
	Check: checkChown,
})

// readable is a mode that only lets more people read, which git's files already let them.
var readable = lazyregexp.New(`^[ugoa]*\+[rX]+(,[ugoa]*\+[rX]+)*$`)

func checkChown(p *Pass) {
	if p.states == nil {
		return
	}
	for _, stage := range p.File.Stages {
		if !p.shipped[stage] {
			continue
		}
		for _, lane := range p.lanes(stage) {
			for i, st := range lane {
				for _, o := range p.effectsOf(st.in).Ownerships {
					if !o.Recursive || !o.Command.Always || o.Command.Name == "chmod" && readable.MatchString(o.Spec) {
						continue
					}
					if copies := p.changesHands(lane[:i], o); len(copies) > 0 {
						p.reportChown(lane, i, o, copies)
						continue
					}
					if above := p.parentSteps(lane); len(above) > 0 {
						all := slices.Concat(above, lane)
						if copies := p.changesHands(all[:len(above)+i], o); len(copies) > 0 {
							p.reportChown(all, len(above)+i, o, copies)
						}
					}
				}
			}
		}
	}
}

// parentSteps are the steps of the stages that the stage of a lane is made from, from the first one on: their layers
// are in its image too.
func (p *Pass) parentSteps(lane []step) []step {
	var out []step
	if lane[0].in != lane[0].outer {
		return nil
	}
	stage := lane[0].in.Stage.Parent
	for depth := 0; stage != nil && depth < maxStages; depth++ {
		out = slices.Concat(p.lanes(stage)[0], out)
		stage = stage.Parent
	}
	return out
}

// changesHands are those of the steps above that brought what a command gives another owner or mode. Copies of a
// few files count where they are many together.
func (p *Pass) changesHands(above []step, o shelleffects.Ownership) []int {
	var filling, small []int
	files := 0
	for j, st := range above {
		in := st.in
		if in.Keyword != "COPY" && in.Keyword != "ADD" || len(in.Args) < 2 || p.ownedBy(in, o) {
			continue
		}
		most := 0
		for _, dir := range o.Paths {
			most = max(most, p.fills(in, dir))
		}
		switch {
		case most >= smallFolder:
			filling = append(filling, j)
		case most > 0:
			small = append(small, j)
			files += most
		}
	}
	if len(filling) == 0 && files >= smallFolder {
		return small
	}
	return filling
}

// ownedBy says whether a COPY gives its files the owner or mode already that a command is about to.
func (p *Pass) ownedBy(in *dockerfile.Instruction, o shelleffects.Ownership) bool {
	given := false
	for _, f := range in.Flags {
		given = given || f.Name == "chown"
		if f.Name != o.Command.Name {
			continue
		}
		value, _ := shelleffects.Expand(f.Unquoted, p.states[in].Env)
		user, _, _ := strings.Cut(value, ":")
		if value == o.Spec || strings.TrimLeft(value, "0") == strings.TrimLeft(o.Spec, "0") || user == o.Spec {
			return true
		}
	}
	if o.Command.Name == "chmod" {
		return false
	}
	// What a COPY brings is root's, unless it says otherwise; "--from" passes by what is another's.
	return !given && in.Keyword == "COPY" && rootOwner.MatchString(o.Spec) || given && rootOwner.MatchString(o.From)
}

// rootOwner is root as owner, as group, or as both.
var rootOwner = lazyregexp.New(`^(:?(root|0)|(root|0):(root|0)?)$`)

// fills is how many files a COPY or ADD puts into a directory of the image, as far as is known:
// smallFolder at least where it fills it whole.
func (p *Pass) fills(in *dockerfile.Instruction, dir string) int {
	dest, known := shelleffects.Expand(in.Args[len(in.Args)-1].Value, p.states[in].Env)
	if !known {
		return 0
	}
	if !path.IsAbs(dest) {
		dest = path.Join("/", p.states[in].Workdir, dest)
	}
	dest = path.Clean(dest)
	if cmd, ok := in.Command.(*instructions.CopyCommand); ok && cmd.From != "" {
		if shelleffects.Covers(dir, dest) {
			return smallFolder
		}
		return 0
	}
	n := 0
	for _, c := range p.copiesOf(in) {
		if c.root() && shelleffects.Covers(dir, c.dest) || c.unseen() && c.directory() && shelleffects.Covers(dir, c.dest) {
			return smallFolder
		}
		for _, pr := range c.pairs {
			if shelleffects.Covers(dir, pr.image) {
				n++
			}
		}
	}
	return n
}

func (p *Pass) reportChown(lane []step, i int, o shelleffects.Ownership, copies []int) {
	f := Finding{Subject: o.Command.Name + " " + strings.Join(o.Paths, " ")}
	var lines []*dockerfile.Instruction
	for _, j := range copies {
		f.Related = append(f.Related, p.place(lane[j].outer))
		lines = append(lines, lane[j].outer)
	}
	command := code(p.textOf(o.Command.Span))
	f.Title = say(command, " stores copied files a second time.")
	f.Here = say("This stores the files of ", p.linesOf(lines), " a second time.")
	what, flag := "owner", "--chown"
	if o.Command.Name == "chmod" {
		what, flag = "mode", "--chmod"
	}
	f.Why = say("A file that gets another ", what, " is written whole into this layer, and the layer of ", p.linesOf(lines), " keeps the first one: the image has both.")
	f.Advice = say("Give the ", what, " to the COPY with ", code(flag), ".")
	if o.SpecKnown && o.Command.Name != "chgrp" && plainOwner.MatchString(o.Spec) {
		value, _ := p.ownerAsWritten(o)
		if o.Command.Name == "chown" {
			value = copyOwner(value)
		}
		f.Advice = say("Give the ", what, " to the COPY: ", code(flag+"="+value), ".")
	}
	f.Done = say("The copied files are no longer in the image twice.")
	unit, reason := p.ownCopies(lane, i, o, copies)
	if slices.ContainsFunc(copies, func(j int) bool { return p.unpacks(lane[j].in) }) {
		f.Advice = say("Unpack the archive in a stage of its own, and copy what was in it from there with ", code(flag), ".")
	}
	switch reason {
	case CopiesMore:
		f.Advice = say("Copy what changes hands in a COPY of its own, with ", code(flag), ".")
	case UserLater:
		f.Advice = say("Make the user above the COPY, and give the owner to the COPY with ", code(flag), ".")
	case OwnedOthers:
		f.Advice = say(f.Advice, " What other steps make there can change hands where it is made.")
	}
	f.Unit, f.Withheld = unit, string(reason)
	if o.Command.Name == "chgrp" {
		f.Withheld = ""
	}
	p.report(lane[i].outer, f)
}

// unpacks says whether an ADD unpacks an archive: its own owners and modes count, or --chown's, by the age of the builder.
func (p *Pass) unpacks(in *dockerfile.Instruction) bool {
	return in.Keyword == "ADD" && slices.ContainsFunc(in.Args[:len(in.Args)-1], func(a dockerfile.Arg) bool { return isArchive(a.Value) })
}

// ownerAsWritten is the owner or mode that a command gives, as the file has it: a variable may have another
// value in another build. plain is false where it is more than names and variables.
func (p *Pass) ownerAsWritten(o shelleffects.Ownership) (written string, plain bool) {
	for _, w := range o.Command.Words[1:] {
		switch {
		case strings.HasPrefix(w.Value, "-"):
		case w.Literal:
			return o.Spec, true
		default:
			text := strings.Trim(w.Value, `"`)
			return text, variableOwner.MatchString(text)
		}
	}
	return o.Spec, false
}

// variableOwner is an owner and a group of which each is a name or a variable.
var variableOwner = lazyregexp.New(`^(\$\w+|\$\{\w+\}|[A-Za-z0-9_][A-Za-z0-9_-]*)(:(\$\w+|\$\{\w+\}|[A-Za-z0-9_][A-Za-z0-9_-]*))?$`)

var plainOwner = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9_-]*(:[A-Za-z0-9_][A-Za-z0-9_-]*)?$`)

// octalMode is a mode that COPY --chmod gives to files and directories alike, as chmod does: without the bits that
// chmod would keep or that an older frontend would not know.
var octalMode = lazyregexp.New(`^0?[0-7]{3}$`)

// numbers are an owner and a group that need no entry in /etc/passwd.
var numbers = lazyregexp.New(`^[0-9]+(:[0-9]+)?$`)

// copyOwner is the --chown of a COPY that gives what chown gives: without a group it leaves root's, which
// --chown without one would not.
func copyOwner(spec string) string {
	if !strings.Contains(spec, ":") {
		return spec + ":0"
	}
	return spec
}

// ownCopies is the edit: the owner goes to the COPYs, and of the command stays what the directory itself
// needs.
func (p *Pass) ownCopies(lane []step, i int, o shelleffects.Ownership, copies []int) (*Unit, Reason) {
	in, run := lane[i].in, lane[i].in.Run()
	more := func(j int) bool {
		return !slices.ContainsFunc(o.Paths, func(dir string) bool { return p.writesInto(lane[j].in, dir) })
	}
	switch {
	case lane[0].in.Stage != in.Stage:
		return nil, InOtherStage
	case slices.ContainsFunc(copies, more):
		return nil, CopiesMore
	case o.Command.Name == "chgrp":
		return nil, NotProven
	case in != lane[i].outer:
		return nil, InOnBuild
	case o.Command.Name == "chmod" && !octalMode.MatchString(o.Spec):
		return nil, ModeNotOctal
	case run.Exec != nil || run.Heredoc || !o.Plain || !o.SpecKnown || !plainOwner.MatchString(o.Spec) || o.Command.Nested > 0 || o.Command.OtherUser:
		return nil, ScriptForm
	}
	written, plain := p.ownerAsWritten(o)
	if !plain {
		return nil, ScriptForm
	}
	dir, flag := o.Paths[0], o.Command.Name
	effect := OwnCopies{Flag: flag, Owner: o.Spec, Written: written, Dir: dir, Step: in, Command: o.Command}
	if flag == "chown" {
		effect.Owner, effect.Written = copyOwner(o.Spec), copyOwner(written)
	}
	unit := &Unit{}
	for j := range lane[:i] {
		c := lane[j].in
		if c.Keyword != "COPY" && c.Keyword != "ADD" || !p.writesInto(c, dir) {
			continue
		}
		if slices.ContainsFunc(c.Flags, func(f dockerfile.Flag) bool { return f.Name == flag || f.Name == "link" }) {
			return nil, CopyOptions
		}
		if p.unpacks(c) || !slices.Contains(copies, j) && c.Keyword == "ADD" && len(p.copiesOf(c)) == 0 {
			return nil, ArchiveOrRemote
		}
		if value, known := shelleffects.Expand(written, p.states[c].Env); !known || value != o.Spec {
			return nil, ValuesBetween
		}
		at := c.Span.Start + len(c.Keyword)
		unit.Edits = append(unit.Edits, source.Edit{Span: source.Span{Start: at, End: at}, New: " --" + flag + "=" + effect.Written})
		effect.Copies = append(effect.Copies, c)
	}
	if flag == "chown" {
		if reason := p.usersBetween(lane, copies[0], i, o); reason != "" {
			return nil, reason
		}
	}
	var reason Reason
	if effect.Made, reason = p.madeWithin(lane, i, o); reason != "" {
		return nil, reason
	}
	effect.Keeps = len(effect.Made) > 0 || p.madeByWorkdir(lane, i, dir)
	edit, reason := p.withoutChown(in, o, effect.Keeps)
	if reason != "" {
		return nil, reason
	}
	unit.Edits = append(unit.Edits, edit)
	if len(effect.Made) > 0 {
		end := o.Command.Words[len(o.Command.Words)-1].Span.End
		unit.Edits = append(unit.Edits, source.Edit{Span: source.Span{Start: end, End: end}, New: " " + strings.Join(effect.Made, " ")})
	}
	unit.Effects = []Effect{effect}
	return unit, ""
}

// writesInto says whether a COPY or ADD may bring something into a directory.
func (p *Pass) writesInto(in *dockerfile.Instruction, dir string) bool {
	if len(in.Args) < 2 {
		return true
	}
	dest, known := shelleffects.Expand(in.Args[len(in.Args)-1].Value, p.states[in].Env)
	if !path.IsAbs(dest) {
		dest = path.Join("/", p.states[in].Workdir, dest)
	}
	return !known || shelleffects.Covers(dir, path.Clean(dest))
}

// usersBetween says why the owner's name may not be known yet where the first COPY stands.
func (p *Pass) usersBetween(lane []step, from, i int, o shelleffects.Ownership) Reason {
	for _, st := range lane[from : i+1] {
		if st.in.Run() == nil {
			continue
		}
		for _, cmd := range st.in.Run().Commands {
			if shelleffects.Accounts(cmd) && cmd.Span.Start < o.Command.Span.Start && !numbers.MatchString(o.Spec) {
				return UserLater
			}
		}
	}
	return ""
}

// manyDirs bounds how many directories the command may have to name.
const manyDirs = 6

// madeWithin are the directories that mkdir makes in the directory of a chown before it: what else the
// steps make there is not known, and then there is a reason.
func (p *Pass) madeWithin(lane []step, i int, o shelleffects.Ownership) ([]string, Reason) {
	var made []string
	itself := false
	before := func(c *dockerfile.Command) bool { return c.Span.Start < o.Command.Span.Start }
	for _, st := range lane[:i+1] {
		e := p.effectsOf(st.in)
		if slices.ContainsFunc(e.Unknown, before) {
			return nil, OwnedOthers
		}
		for _, t := range e.Touches {
			for _, dir := range t.Paths {
				switch {
				case !before(t.Command) || !shelleffects.Covers(o.Paths[0], dir):
					continue
				case t.Command.Name != "mkdir":
					return nil, OwnedOthers
				}
				itself = itself || dir == o.Paths[0]
				for ; dir != o.Paths[0]; dir = path.Dir(dir) {
					if !slices.Contains(made, dir) {
						made = append(made, dir)
					}
				}
			}
		}
	}
	slices.Sort(made)
	if itself && len(made) == 0 || len(made) > manyDirs || slices.ContainsFunc(made, func(dir string) bool { return !plainPath.MatchString(dir) }) {
		return nil, OwnedOthers
	}
	return made, ""
}

// madeByWorkdir says whether the directory is there before the first COPY, because a WORKDIR makes it.
func (p *Pass) madeByWorkdir(lane []step, i int, dir string) bool {
	for _, st := range lane[:i] {
		switch {
		case st.in.Keyword == "WORKDIR":
			at, ok := st.in.Command.(*instructions.WorkdirCommand)
			if !ok {
				continue
			}
			made, _ := shelleffects.Expand(at.Path, p.states[st.in].Env)
			if !path.IsAbs(made) {
				made = path.Join("/", p.states[st.in].Workdir, made)
			}
			if path.Clean(made) == dir {
				return true
			}
		case (st.in.Keyword == "COPY" || st.in.Keyword == "ADD") && p.writesInto(st.in, dir):
			return false
		}
	}
	return false
}

// withoutChown is the edit of the RUN: the command goes, with the instruction where it was all of it; or
// its -R does.
func (p *Pass) withoutChown(in *dockerfile.Instruction, o shelleffects.Ownership, keeps bool) (source.Edit, Reason) {
	run := in.Run()
	if o.Command.InVariable > 0 {
		return source.Edit{}, ScriptForm
	}
	if keeps {
		for n, w := range o.Command.Words[1 : len(o.Command.Words)-1] {
			if w.Value == "-R" || w.Value == "--recursive" {
				return source.Edit{Span: source.Span{Start: w.Span.Start, End: o.Command.Words[n+2].Span.Start}}, ""
			}
		}
		return source.Edit{}, ScriptForm
	}
	at := slices.IndexFunc(run.Steps, func(s dockerfile.Step) bool { return slices.Contains(s.Commands, o.Command) })
	switch {
	case at < 0 || len(run.Steps[at].Commands) != 1 || run.Steps[at].HasHeredoc:
		return source.Edit{}, ScriptForm
	case len(run.Steps) == 1:
		span := source.Span{Start: p.attachedStart(in), End: in.Span.End}
		return source.Edit{Span: p.File.Source.SpanFromLines(p.File.Source.LinesFromSpan(span))}, ""
	case slices.ContainsFunc(run.Steps[1:], func(s dockerfile.Step) bool { return s.Op != "&&" }):
		return source.Edit{}, FailureUnseen
	case !slices.ContainsFunc(run.Steps, func(s dockerfile.Step) bool {
		return slices.ContainsFunc(s.Commands, func(c *dockerfile.Command) bool { return c != o.Command && c.Name != "cd" })
	}):
		return source.Edit{}, ScriptForm // what is left would do nothing
	case at == 0:
		return source.Edit{Span: source.Span{Start: run.Steps[0].Span.Start, End: run.Steps[1].Span.Start}}, ""
	}
	return source.Edit{Span: source.Span{Start: run.Steps[at-1].Span.End, End: run.Steps[at].Span.End}}, ""
}
