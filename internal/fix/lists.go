package fix

import (
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// removeLists proves that apt's index can go at the end of a RUN:
//   - the RUN fetches it (or gets the update that does), so that nothing is taken from the base image;
//   - nothing that runs later reads it before it is fetched again: no step of the stage, none of the
//     stages on top of it, no ONBUILD trigger, and no stage copies it; nor does the image's command install
//     from it;
//   - the index lies in the layer, not in a mount;
//   - the shell still expands the pattern by then: neither set nor the SHELL turns that off.
//
// That the removal runs whenever the rest succeeded, and hides no failure of the rest, the comparison
// of the scripts says: the parser finds it always run and checked, and all others as they were.
func (s scene) removeLists(u *unit, e rules.RemoveLists) Reason {
	run, effects := e.Step.Run(), s.effects(e.Step)
	switch {
	case run == nil || effects.Unread:
		return rules.ScriptUnread
	case run.Exec != nil || noPatterns(run, s.states[e.Step]):
		return rules.ScriptForm
	}
	if !fetchesLists(effects) && !slices.ContainsFunc(u.effects, func(o rules.Effect) bool {
		m, ok := o.(rules.MergeUpdate)
		return ok && slices.Contains(m.Into, e.Step)
	}) {
		return rules.NotProven
	}
	for _, m := range run.Mounts {
		if shelleffects.Overlaps(s.mountTarget(e.Step, m), shelleffects.AptLists) {
			return rules.MountThere
		}
	}
	return s.listsUnread(e.Step, u)
}

// noPatterns says whether a RUN's shell may take patterns literally: by set -f, set -o noglob, or the same of the
// shell itself.
// Source: POSIX, "Shell & Utilities", set.
func noPatterns(run *dockerfile.Run, state dockerfile.State) bool {
	off := func(word string) bool {
		return word == "noglob" || strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "--") && strings.Contains(word, "f")
	}
	return slices.ContainsFunc(state.Shell, off) || slices.ContainsFunc(run.Commands, func(c *dockerfile.Command) bool {
		return (c.Name == "set" || c.Name == "shopt") && len(c.Words) > 1 && slices.ContainsFunc(c.Words[1:], func(w dockerfile.Word) bool { return !w.Literal || off(w.Value) })
	})
}

// fetchesLists says whether a RUN is known to fetch apt's index: by an update, by an install that
// updates, or by a script whose install follows.
func fetchesLists(e shelleffects.Effects) bool {
	return slices.ContainsFunc(e.Updates, func(u shelleffects.IndexUpdate) bool { return u.Tool == "apt" }) ||
		slices.ContainsFunc(e.Packages, func(k shelleffects.PackageInstall) bool { return k.Tool == "apt" })
}

// addIndexMount proves a cache mount on what apt keeps: its index, or its archives where nothing
// empties their directory:
//   - the builder and the frontend know cache mounts, and no mount of the RUN lies there;
//   - the mount is locked: apt fails where another one works in the same directory;
//   - no command of the RUN removes the directory, which would fail or empty the mount;
//   - the RUN fetches the index itself, so that an empty mount is filled;
//   - nothing later reads the index, as for its removal.
func (s scene) addIndexMount(e rules.AddCacheMount) Reason {
	run, effects := e.Step.Run(), s.effects(e.Step)
	switch {
	case run == nil || effects.Unread:
		return rules.ScriptUnread
	case s.in.Facts.WithoutBuildKit != nil:
		return rules.WithoutBuildKit
	case !frontendHasMounts(s.in.File):
		return rules.FrontendUnknown
	case e.Sharing != string(instructions.MountSharingLocked) || e.Target != shelleffects.AptLists && e.Target != "/var/cache/apt":
		return rules.NotProven
	case !slices.ContainsFunc(effects.Updates, func(u shelleffects.IndexUpdate) bool { return u.Tool == "apt" && u.Command.Always }):
		return rules.IndexUsed
	}
	for _, m := range run.Mounts {
		if shelleffects.Overlaps(s.mountTarget(e.Step, m), e.Target) {
			return rules.MountThere
		}
	}
	for _, r := range effects.Removals {
		if slices.ContainsFunc(r.Paths, func(p string) bool { return shelleffects.Overlaps(p, e.Target) }) {
			return rules.CacheUsed
		}
	}
	if usesCache(effects, run, s.states[e.Step], "apt", e.Target) {
		return rules.CacheUsed
	}
	return s.listsUnread(e.Step, nil)
}

// listsUnread says why a step below may read the index that a step leaves: those of its stage up to
// the one that fetches it anew, those of the stages on top, those of ONBUILD, and copies.
func (s scene) listsUnread(step *dockerfile.Instruction, u *unit) Reason {
	stage := step.Stage
	for _, i := range s.in.File.Instructions {
		for _, src := range s.copySources(i, stage, shelleffects.AptLists) {
			switch {
			case !shelleffects.Overlaps(src, shelleffects.AptLists):
			case src != "/":
				return rules.IndexUsed
			case i.Run() == nil && s.namedWhereCopied(i, src, shelleffects.AptLists, shelleffects.AptLists):
				return rules.IndexUsed
			case i.Run() == nil:
				// A copy of all of it: what stands below has the index, too.
				if reason := s.unreadFrom(i.Stage, slices.Index(i.Stage.Instructions, i)+1, u, 0); reason != "" {
					return reason
				}
			}
		}
		if s.readsByMount(i, stage, shelleffects.AptLists) {
			return rules.IndexUsed
		}
	}
	if s.installsWhenRun(stage) {
		return rules.IndexForCommand
	}
	at := slices.Index(stage.Instructions, step)
	return s.unreadFrom(stage, at+1, u, 0)
}

// An install and an update by apt in a command or a script.
var (
	aptInstalls = lazyregexp.New(`\b(apt|apt-get|aptitude)\b[^\n;&|]*\binstall\b`)
	aptUpdates  = lazyregexp.New(`\b(apt|apt-get|aptitude)\b[^\n;&|]*\bupdate\b`)
)

// scriptInstalls says whether a text that a RUN runs, a Makefile or a program, installs packages without updating the
// index before.
func (s scene) scriptInstalls(i *dockerfile.Instruction) bool {
	return slices.ContainsFunc(s.scripts.Of(i), func(script rules.Script) bool {
		return aptInstalls.MatchString(script.Text) && !aptUpdates.MatchString(script.Text)
	})
}

// installsWhenRun says whether the command of an image made of a stage, or a script of the build context that
// it names, installs packages without updating the index before.
func (s scene) installsWhenRun(stage *dockerfile.Stage) bool {
	asks := func(text string) bool { return aptInstalls.MatchString(text) && !aptUpdates.MatchString(text) }
	named := map[string]bool{} // base names of what the commands name
	for _, o := range s.in.File.Stages {
		if !onTop(o, stage) {
			continue
		}
		for _, i := range o.Instructions {
			switch i.Keyword {
			case "CMD", "ENTRYPOINT", "HEALTHCHECK":
			default:
				continue
			}
			text := ""
			for _, a := range i.Args {
				text += a.Value + " "
			}
			if asks(text) {
				return true
			}
			for word := range strings.FieldsSeq(text) {
				named[path.Base(strings.Trim(word, `"';`))] = true
			}
		}
	}
	if len(named) == 0 {
		return false
	}
	for _, o := range s.in.File.Stages {
		if !onTop(o, stage) && !onTop(stage, o) {
			continue
		}
		for _, i := range o.Instructions {
			if i.Keyword != "COPY" && i.Keyword != "ADD" || len(i.Args) < 2 {
				continue
			}
			sources, dest := words(i)
			starts := named[path.Base(dest)] // one file that gets another name
			if cmd, ok := i.Command.(*instructions.CopyCommand); ok {
				for _, heredoc := range cmd.SourceContents {
					if (starts || named[path.Base(heredoc.Path)]) && asks(heredoc.Data) {
						return true
					}
				}
			}
			for _, src := range sources {
				files, _ := s.in.Context.Match(src)
				renamed := starts && len(files) == 1
				for _, f := range files {
					if !renamed && !named[path.Base(f)] {
						continue
					}
					if file, err := s.in.Read(s.in.Context.RepoPath(f)); err == nil && asks(string(file.Data)) {
						return true
					}
				}
			}
		}
	}
	return false
}

// copySources are what a COPY or the mounts of a RUN take from a stage or from one on top of it, as absolute paths:
// of a wildcard what it selects where dir is there, and dir where a variable is not known.
func (s scene) copySources(i *dockerfile.Instruction, stage *dockerfile.Stage, dir string) []string {
	var out []string
	switch cmd := i.Command.(type) {
	case *instructions.CopyCommand:
		if slices.ContainsFunc(s.in.File.From(i), func(o *dockerfile.Stage) bool { return onTop(o, stage) }) {
			for _, src := range cmd.SourcePaths {
				src, known := shelleffects.Expand(src, s.states[i].Env)
				if !known {
					src = dir
				}
				out = append(out, selected(path.Clean("/"+src), dir))
			}
		}
	case *instructions.RunCommand:
		for _, m := range s.mountsFrom(cmd, stage) {
			out = append(out, path.Clean("/"+m.Source))
		}
	}
	return out
}

// selected is a source with the names of a directory and of those above it in the place of the wildcards that match
// them.
func selected(src, dir string) string {
	if !strings.ContainsAny(src, `*?[\`) {
		return src
	}
	parts, names := strings.Split(src, "/"), strings.Split(dir, "/")
	for n := range min(len(parts), len(names)) {
		if matches, err := path.Match(parts[n], names[n]); err != nil || !matches {
			break
		}
		parts[n] = names[n]
	}
	return strings.Join(parts, "/")
}

// onTop says whether a stage is another one or is FROM it, at however many removes.
func onTop(stage, base *dockerfile.Stage) bool {
	for depth := 0; stage != nil && depth <= maxChildren; depth++ {
		if stage == base {
			return true
		}
		stage = stage.Parent
	}
	return stage != nil
}

// mountsFrom are the mounts of a RUN that show it a stage, or one on top of it.
func (s scene) mountsFrom(cmd *instructions.RunCommand, stage *dockerfile.Stage) []*instructions.Mount {
	return slices.DeleteFunc(slices.Clone(instructions.GetMounts(cmd)), func(m *instructions.Mount) bool {
		return m.From == "" || !onTop(s.in.File.Stage(m.From), stage)
	})
}

// readsByMount says whether a RUN may read a directory of a stage of which it mounts all, or a directory above
// that one: one of its words is that directory, or a path above or in it, or is not known; or it runs a
// program that the table does not know and that no word sends elsewhere in the mount.
func (s scene) readsByMount(i *dockerfile.Instruction, stage *dockerfile.Stage, dir string) bool {
	cmd, ok := i.Command.(*instructions.RunCommand)
	if !ok || dir == "" {
		return false
	}
	for _, m := range s.mountsFrom(cmd, stage) {
		src := path.Clean("/" + m.Source)
		if !shelleffects.Covers(src, dir) {
			continue
		}
		target, known := shelleffects.Expand(m.Target, s.states[i].Env)
		if !known || !path.IsAbs(target) {
			return true
		}
		target = path.Clean(target)
		if s.readsPath(i, target, path.Join(target, strings.TrimPrefix(dir, strings.TrimSuffix(src, "/")))) {
			return true
		}
	}
	return false
}

// readsPath says whether a RUN may read a directory below one that it mounts.
func (s scene) readsPath(i *dockerfile.Instruction, mount, dir string) bool {
	run, effects, state := i.Run(), s.effects(i), s.states[i]
	if run == nil || effects.Unread {
		return true
	}
	for _, c := range run.Commands {
		at := state.Workdir
		if c.Dir != "" {
			at = path.Join(at, c.Dir)
			if path.IsAbs(c.Dir) {
				at = path.Clean(c.Dir)
			}
		}
		if !c.DirKnown || shelleffects.Covers(mount, at) && (shelleffects.Covers(at, dir) || shelleffects.Covers(dir, at)) {
			return true
		}
		elsewhere := false
		words := slices.Clone(c.Words)
		for _, r := range c.Redirects {
			words = append(words, r.Target)
		}
		for _, w := range words {
			text, known := w.Value, w.Literal
			if !known {
				text, known = shelleffects.Expand(atHome(text, state), state.Env)
			}
			if _, value, option := strings.Cut(text, "="); option {
				text = value
			}
			if wild := strings.IndexAny(text, "*?[{$`"); wild >= 0 {
				// What a pattern or a variable stands for lies in the directory that is written before it.
				if known = strings.Contains(text[:wild], "/"); known {
					text = text[:strings.LastIndexByte(text[:wild], '/')+1]
				}
			}
			if !known && strings.Contains(w.Value, "$") {
				return true
			}
			if !path.IsAbs(text) {
				text = path.Join(at, text)
			}
			text = path.Clean(text)
			if shelleffects.Covers(mount, text) && shelleffects.Overlaps(text, dir) || text != "/" && shelleffects.Covers(text, mount) && slices.Contains(takers, c.Name) {
				return true
			}
			elsewhere = elsewhere || shelleffects.Covers(mount, text)
		}
		if slices.Contains(effects.Unknown, c) && !elsewhere {
			return true
		}
	}
	return false
}

// maxChildren bounds how far stages on top of each other are followed.
const maxChildren = 50

func (s scene) unreadFrom(stage *dockerfile.Stage, from int, u *unit, depth int) Reason {
	if depth > maxChildren {
		return rules.IndexUsed
	}
	for _, i := range stage.Instructions[from:] {
		if i.Run() == nil {
			continue
		}
		effects := s.effects(i)
		reads, renews := effects.ReadsIndex("apt")
		reads = reads || usesLists(effects) || s.takes(i, shelleffects.AptLists) || s.scriptInstalls(i)
		if u != nil && getsUpdate(u, i) {
			renews, reads = true, false
		}
		if u != nil && isMerged(u, i) {
			reads = false // it reads the index before the removal at its end
		}
		switch {
		case reads:
			return rules.IndexUsed
		case renews:
			return ""
		}
	}
	for _, i := range stage.Instructions {
		if i.Trigger != nil && i.Trigger.Run() != nil {
			if reads, renews := shelleffects.Of(i.Trigger.Run(), s.states[i.Trigger]).ReadsIndex("apt"); reads {
				return rules.IndexUsed
			} else if renews {
				break
			}
		}
	}
	for _, o := range s.in.File.Stages {
		if o.Parent == stage {
			if reason := s.unreadFrom(o, 0, u, depth+1); reason != "" {
				return reason
			}
		}
	}
	return ""
}

// usesLists says whether a command of a RUN names the directory of apt's index or something in it, so that it
// fails or does something else where the index is gone: one that copies or lists it, and a removal without -f.
func usesLists(e shelleffects.Effects) bool {
	return slices.ContainsFunc(e.Touches, func(t shelleffects.Touch) bool {
		return !removesAnyway(t.Command) && slices.ContainsFunc(t.Paths, func(p string) bool {
			return shelleffects.Covers(shelleffects.AptLists, p)
		})
	})
}

// removesAnyway says whether a command is a removal that does not mind when there is nothing.
func removesAnyway(c *dockerfile.Command) bool {
	return c.Name == "rm" && slices.ContainsFunc(c.Words[1:], func(w dockerfile.Word) bool {
		return w.Value == "--force" || strings.HasPrefix(w.Value, "-") && !strings.HasPrefix(w.Value, "--") && strings.Contains(w.Value, "f")
	})
}

// getsUpdate says whether a unit moves an index update into a RUN.
func getsUpdate(u *unit, i *dockerfile.Instruction) bool {
	return slices.ContainsFunc(u.effects, func(o rules.Effect) bool {
		m, ok := o.(rules.MergeUpdate)
		return ok && slices.Contains(m.Into, i)
	})
}

// isMerged says whether a unit puts a RUN behind the one above it.
func isMerged(u *unit, i *dockerfile.Instruction) bool {
	return slices.ContainsFunc(u.effects, func(o rules.Effect) bool {
		m, ok := o.(rules.MergeRuns)
		return ok && m.Second == i
	})
}
