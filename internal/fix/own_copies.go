package fix

import (
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// ownCopies proves that --chown or --chmod on some COPYs makes what a chown -R or chmod -R below them made:
//   - the base image is known, runs as root, and has no such directory; the folder above it is one that
//     every image has, or that a WORKDIR above makes, since a COPY gives the directories that it makes on the way to its owner too;
//   - every instruction above the command that brings or makes anything in the directory is one of the
//     COPYs, of the context or of a stage, without options; of the context's files none is an archive that
//     ADD would unpack;
//   - the directory itself is made by the first COPY, to its owner, or by a WORKDIR, and then the command
//     stays for it (Keeps);
//   - every RUN of the stage up to the command consists of commands that the table knows, none of which
//     touches the directory, works in it without its being told what it does, or mounts anything there, but
//     for mkdir, of which the command then names each directory (Made);
//   - the owner is given in numbers, or nothing between the first COPY and the command makes or changes
//     users and groups, installs packages (which may) or brings files into /etc: as the name was known to
//     the command, it is known to the COPY;
//   - no git command runs in between: git refuses a directory of another user.
//
// A chown of what has that owner changes nothing, so that nothing is lost where it goes.
//
// A mode in three octal digits is given by --chmod to every file and directory that the COPY makes, those on the
// way to its destination too, and by chmod -R to the same; neither touches links. Here in addition:
//   - all COPYs take plain files of the context: of directories chmod keeps set-user-ID and set-group-ID, which
//     git does not have;
//   - the builder and the frontend know --chmod (1.2). Symbolic modes hang on the mode that a file has, and on 1.14.
//
// Source: github.com/tonistiigi/fsutil, copy.Copy (MkdirAll, copyFileInfo); BuildKit,
// frontend/dockerfile/docs/reference.md, "COPY --chmod"; GNU coreutils, "Directories and the Set-User-ID and
// Set-Group-ID Bits".
func (s scene) ownCopies(e rules.OwnCopies) Reason {
	reason := s.owns(e)
	if reason == rules.DirectoryOwner && e.Flag == "chmod" {
		return rules.DirectoryMode
	}
	return reason
}

func (s scene) owns(e rules.OwnCopies) Reason {
	list := e.Step.Stage.Instructions
	at := slices.Index(list, e.Step)
	if at < 0 || len(e.Copies) == 0 || e.Step.Run() == nil {
		return rules.Internal
	}
	state := s.states[e.Step]
	switch {
	case !state.BaseKnown:
		return rules.BaseUnknown
	case !isRoot(state):
		return rules.OtherUser
	case !s.parentThere(e) || slices.Contains(commonDirs, e.Dir) || inSystem(e.Dir):
		return rules.DirectoryOwner
	case e.Command.Words[0].Value != e.Flag || len(e.Command.Prefix) > 0 || !e.Command.Always || !e.Command.Checked || len(e.Command.Redirects) > 0:
		return rules.ScriptForm
	}
	o := &owning{scene: s, e: e, numbers: true}
	switch e.Flag {
	case "chown":
		o.numbers = named.MatchString(e.Owner)
	case "chmod":
		switch {
		case s.in.Facts.WithoutBuildKit != nil || !frontendHasMounts(s.in.File): // both came with 1.2
			return rules.ModesUnknown
		case !octal.MatchString(e.Owner) || e.Owner != e.Written:
			return rules.ModeNotOctal
		}
	default:
		return rules.Internal
	}
	if e.Step.Stage.Parent != nil {
		return rules.OwnedOthers // what stages above put there is theirs
	}
	for _, i := range list[:at+1] {
		if reason := o.step(i); reason != "" {
			return reason
		}
	}
	if o.made != e.Keeps && len(e.Made) == 0 || len(e.Made) > 0 && !e.Keeps {
		return rules.DirectoryOwner
	}
	return ""
}

// commonDirs are directories that the known base images have, owned by root; Alpine and busybox have no
// /usr/src.
var commonDirs = []string{"/", "/opt", "/srv", "/usr/src", "/usr/local", "/var", "/home", "/usr/share", "/var/lib", "/usr/local/lib"}

// parentThere says whether the folder above the directory is there before the first COPY.
func (s scene) parentThere(e rules.OwnCopies) bool {
	parent := path.Dir(e.Dir)
	image := e.Step.Stage.Image
	if slices.Contains(commonDirs, parent) && (parent != "/usr/src" || !strings.Contains(image, "alpine") && !strings.Contains(image, "busybox") && !strings.Contains(image, "$")) {
		return true
	}
	for _, i := range e.Step.Stage.Instructions {
		if i == e.Copies[0] {
			break
		}
		if dir, ok := s.workdir(i); i.Keyword == "WORKDIR" && ok && shelleffects.Covers(parent, dir) {
			return true
		}
	}
	return false
}

func inSystem(dir string) bool {
	return slices.ContainsFunc(systemDirs, func(d string) bool { return shelleffects.Overlaps(d, dir) })
}

// owning is the way through the stage up to the chown.
type owning struct {
	scene
	e      rules.OwnCopies
	copied bool // a COPY has filled the directory
	made   bool // a WORKDIR made it before
	// numbers says that no name of a user or group has to be known: the owner is in numbers, or it is a mode.
	numbers bool
}

func (o *owning) step(i *dockerfile.Instruction) Reason {
	switch i.Keyword {
	case "COPY", "ADD":
		return o.copy(i)
	case "WORKDIR":
		dir, ok := o.workdir(i)
		switch {
		case !ok || dir != o.e.Dir && shelleffects.Covers(o.e.Dir, dir):
			return rules.DirectoryOwner
		case dir == o.e.Dir && !o.copied:
			if !isRoot(o.states[i]) {
				return rules.DirectoryOwner
			}
			o.made = true
		}
	case "USER":
		return rules.OtherUser
	case "VOLUME", "SHELL":
		return rules.StepBetween
	case "RUN":
		return o.run(i)
	}
	return ""
}

func (o *owning) copy(i *dockerfile.Instruction) Reason {
	dest, _, ok := o.dest(i)
	if !ok || o.copied && !o.numbers && shelleffects.Overlaps("/etc", dest) {
		return rules.DestinationOpen
	}
	if !slices.Contains(o.e.Copies, i) {
		if shelleffects.Overlaps(dest, o.e.Dir) {
			return rules.OwnedOthers
		}
		return ""
	}
	if !shelleffects.Covers(o.e.Dir, dest) {
		return rules.DestinationOpen
	}
	for _, f := range i.Flags {
		if f.Name != "from" && (f.Name != "chown" && f.Name != "chmod" || f.Name == o.e.Flag) {
			return rules.CopyOptions
		}
	}
	if o.e.Flag == "chmod" {
		if reason := o.plainFiles(i); reason != "" {
			return reason
		}
	}
	if cmd, fromStage := i.Command.(*instructions.CopyCommand); !fromStage || cmd.From == "" {
		p, reason := o.placeCopy(i)
		if reason != "" && (reason != rules.DestinationOpen || len(o.e.Made) > 0) || reason == "" && len(p.files) == 0 {
			return ofCopy(reason)
		}
		if slices.ContainsFunc(o.e.Made, func(dir string) bool { return p.files[dir] != "" }) {
			return rules.OwnedOthers // a link, whose end mkdir has made
		}
	} else if slices.ContainsFunc(o.e.Made, func(dir string) bool { return shelleffects.Covers(dest, dir) }) {
		return rules.OwnedOthers // it may be a link there
	} else if o.e.Flag == "chown" && o.privileged() {
		return rules.Capabilities
	}
	o.copied = true
	return ""
}

// setsID is a mode of chmod with the bits for set-user-ID or set-group-ID.
var setsID = lazyregexp.New(`^0*[2-7][0-7]{3}$|^[ugoa]*[+=][rwxXt]*s`)

// privileged says whether a RUN of the file gives a file capabilities or the set-user-ID bit. A chown takes both away,
// a COPY with --chown keeps them.
// Source: chown(2), "ERRORS" and "NOTES"; capabilities(7), "File capabilities".
func (o *owning) privileged() bool {
	return slices.ContainsFunc(o.in.File.Instructions, func(i *dockerfile.Instruction) bool {
		return i.Run() != nil && slices.ContainsFunc(i.Run().Commands, func(c *dockerfile.Command) bool {
			return c.Name == "setcap" || c.Name == "chmod" && slices.ContainsFunc(c.Words[1:], func(w dockerfile.Word) bool { return setsID.MatchString(w.Value) })
		})
	})
}

// plainFiles says why what a COPY brings may not get the mode that chmod gives it: it has bits that chmod keeps
// on directories (another stage's files), or there are links, which not every chmod passes over.
func (o *owning) plainFiles(i *dockerfile.Instruction) Reason {
	p, reason := o.placeCopy(i)
	if reason != "" {
		return ofCopy(reason)
	}
	for _, file := range p.files {
		switch entry, _ := o.in.Context.Tree.Lookup(file); entry.Mode {
		case buildcontext.ModeSymlink:
			return rules.CopiesLink
		case buildcontext.ModeSubmodule:
			return rules.CopiesUnseen
		}
	}
	return ""
}

// octal is a mode of files without the bits for owner, group and deletion.
var octal = lazyregexp.New(`^0?[0-7]{3}$`)

// named is an owner in numbers.
var named = lazyregexp.New(`^[0-9]+:[0-9]+$`)

func (o *owning) run(i *dockerfile.Instruction) Reason {
	run, effects := i.Run(), o.effects(i)
	if run == nil || effects.Unread || silentReads(run) {
		return rules.ScriptUnread
	}
	before := func(c *dockerfile.Command) bool { return c.Span.Start < o.e.Command.Span.Start }
	if slices.ContainsFunc(effects.Unknown, before) {
		return rules.OwnedOthers
	}
	for _, m := range run.Mounts {
		if shelleffects.Overlaps(o.e.Dir, o.mountTarget(i, m)) {
			return rules.StepBetween
		}
	}
	for _, c := range run.Commands {
		switch {
		case !before(c):
		case o.copied && (shelleffects.Accounts(c) && !o.numbers || c.Name == "git" && o.e.Flag == "chown"):
			return rules.UserLater
		case shelleffects.Accounts(c) && o.homeIn(c, o.states[i]):
			return rules.OwnedOthers
		}
	}
	for _, t := range effects.Touches {
		if before(t.Command) && o.listed(t) {
			continue
		}
		if before(t.Command) && slices.ContainsFunc(t.Paths, func(p string) bool { return strings.HasPrefix(p, "~") || shelleffects.Overlaps(p, o.e.Dir) && p != "/" }) {
			return rules.OwnedOthers
		}
	}
	for _, p := range effects.Packages {
		if before(p.Command) && o.copied && !o.numbers {
			return rules.UserLater
		}
	}
	for _, install := range effects.Installs {
		if before(install.Command) && (install.NeedsSource != "" || install.Unclear || !install.DirKnown ||
			slices.ContainsFunc(install.Writes, func(w string) bool { return shelleffects.Overlaps(w, o.e.Dir) }) || len(install.Writes) == 0 && install.Tool != "pip") {
			return rules.OwnedOthers
		}
	}
	return ""
}

// listed says whether a command is a mkdir whose every directory below the directory is one of those that
// the chown names.
func (o *owning) listed(t shelleffects.Touch) bool {
	c := t.Command
	if c.Name != "mkdir" || !c.Always || !c.Checked || !c.DirKnown || c.OtherUser || len(o.e.Made) == 0 ||
		slices.ContainsFunc(c.Words, func(w dockerfile.Word) bool { return !w.Literal || strings.ContainsAny(w.Value, "{}*?[~") }) {
		return false
	}
	for _, dir := range t.Paths {
		for ; dir != o.e.Dir && shelleffects.Covers(o.e.Dir, dir); dir = path.Dir(dir) {
			if !slices.Contains(o.e.Made, dir) {
				return false
			}
		}
	}
	return true
}

// homeIn says whether a command may make a user's home in the directory: below /home, or where an option
// says.
func (o *owning) homeIn(c *dockerfile.Command, state dockerfile.State) bool {
	if shelleffects.Covers("/home", o.e.Dir) {
		return true
	}
	return slices.ContainsFunc(c.Words, func(w dockerfile.Word) bool {
		text, known := w.Value, w.Literal
		if !known {
			text, known = shelleffects.Expand(strings.Trim(w.Value, `"`), state.Env)
		}
		return !known || strings.Contains(text, o.e.Dir)
	})
}

// recursive is the option of a command that goes through directories, as written; "" where it stands with
// others or not at all.
func recursive(c *dockerfile.Command) string {
	for _, w := range c.Words {
		if w.Value == "-R" || w.Value == "--recursive" {
			return w.Value
		}
	}
	return ""
}
