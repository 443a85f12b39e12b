package fix

import (
	"cmp"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// addCacheMount proves a cache mount on the cache of a tool that the RUN uses:
//   - the builder and the frontend know cache mounts;
//   - the tool's cache is on and lies at the target, for root on a base image about which this is known. For
//     another user nothing is offered, though the mount has uid and gid: where .cache is not in the image for
//     certain, which no file says that leaves it to the tool, it would be root's while the RUN runs, as every
//     directory on the way to a mount's target that is not there, and nothing else could write to it;
//   - no mount of the RUN lies at, above or below the target;
//   - no command of the RUN names the cache or something above it (removing a mounted directory
//     fails), nor is a script that could;
//   - no instruction above, of the stage or of one that it is FROM, names anything in it but to make or
//     remove it, and no COPY brings anything there: the RUN would not see it under the mount;
//   - nothing that the RUN installs goes there, be it by an option or by a variable of the environment: the
//     image would be without it;
//   - nothing later needs what the layer had there, nor the directories above it that the tool made for it, a
//     home among them.
func (s scene) addCacheMount(u *unit, e rules.AddCacheMount) Reason {
	if e.Tool == "apt" {
		return s.addIndexMount(e)
	}
	run, state, effects := e.Step.Run(), s.states[e.Step], s.effects(e.Step)
	switch {
	case run == nil || effects.Unread:
		return rules.ScriptUnread
	case s.in.Facts.WithoutBuildKit != nil:
		return rules.WithoutBuildKit
	case !frontendHasMounts(s.in.File):
		return rules.FrontendUnknown
	case !state.BaseKnown:
		return rules.BaseUnknown
	}
	if reason := cacheAt(effects, e.Tool, e.Target); reason != "" {
		return reason
	}
	if rules.SetsCacheInShell(run, state) {
		return rules.CacheElsewhere
	}
	if e.Tool == "pip" && s.touchesPipSettings(e.Step) {
		return rules.ConfigurationFile
	}
	if e.Tool == "poetry" && !rules.PoetryEnvironmentApart(e.Step, state) {
		return rules.EnvironmentThere
	}
	if !isRoot(state) {
		return rules.OtherUser
	}
	for _, m := range run.Mounts {
		if shelleffects.Overlaps(s.mountTarget(e.Step, m), e.Target) {
			return rules.MountThere
		}
	}
	if usesCache(effects, run, state, e.Tool, e.Target) {
		return rules.CacheUsed
	}
	if s.filledAbove(e.Step, e.Target) || installsInto(effects, state, e.Target) || s.takenFromMount(e.Step, e.Target) {
		return rules.CacheUsed
	}
	return s.cacheNeeded(e.Step, e.Tool, e.Target)
}

// harmlessWithin are commands that put nothing into a directory which they name.
var harmlessWithin = []string{"mkdir", "rm", "rmdir", "cd", "ls", "test", "[", "[[", "stat", "df", "chmod", "chown"}

// filledAbove says whether an instruction above a step, of its stage or of one that it is FROM, may put
// something into a directory, as far as it names the directory or what lies in it. What installs keep there
// as their cache is no loss.
func (s scene) filledAbove(step *dockerfile.Instruction, dir string) bool {
	for stage := step.Stage; stage != nil; stage = stage.Parent {
		for _, i := range stage.Instructions {
			if i == step {
				break
			}
			if i.Keyword == "COPY" || i.Keyword == "ADD" {
				if dest, _, ok := s.dest(i); ok && shelleffects.Covers(dir, dest) {
					return true
				}
				if p, reason := s.placeCopy(i); reason == "" && p.covers(dir) {
					return true
				}
			}
			if i.Run() != nil && s.fills(i, dir) {
				return true
			}
		}
	}
	return false
}

// fills says whether a RUN names what lies in a directory other than to make, change or remove it.
func (s scene) fills(i *dockerfile.Instruction, dir string) bool {
	within := func(word string) bool {
		word = strings.TrimRight(atHome(word, s.states[i]), "*/")
		return path.IsAbs(word) && shelleffects.Covers(dir, path.Clean(word))
	}
	effects := s.effects(i)
	for _, t := range effects.Touches {
		writes := len(t.Command.Redirects) > 0 || !slices.Contains(harmlessWithin, t.Command.Name)
		if writes && slices.ContainsFunc(t.Paths, within) {
			return true
		}
	}
	for _, install := range effects.Installs {
		if slices.ContainsFunc(install.Writes, within) {
			return true
		}
	}
	return slices.ContainsFunc(i.Run().Commands, func(c *dockerfile.Command) bool {
		return slices.ContainsFunc(c.Redirects, func(r dockerfile.Redirect) bool { return within(r.Target.Value) }) ||
			slices.Contains(effects.Unknown, c) && slices.ContainsFunc(c.Words, func(w dockerfile.Word) bool { return within(w.Value) })
	})
}

// cacheVariables say where a cache lies.
var cacheVariables = []string{"PIP_CACHE_DIR", "UV_CACHE_DIR", "POETRY_CACHE_DIR", "XDG_CACHE_HOME"}

// installsInto says whether an install of a RUN may put what it installs into a directory: an option, an
// operand or a variable names it or what lies in it, or names what is not known.
func installsInto(e shelleffects.Effects, state dockerfile.State, dir string) bool {
	within := func(value string) bool {
		return slices.ContainsFunc(strings.Split(value, ":"), func(p string) bool {
			p = atHome(p, state)
			return path.IsAbs(p) && shelleffects.Covers(dir, path.Clean(p))
		})
	}
	matters := func(name string) bool {
		return shelleffects.ReadsVariable(name) && !slices.Contains(cacheVariables, name)
	}
	for name, value := range state.Env {
		if matters(name) && within(value) {
			return true
		}
	}
	for _, install := range e.Installs {
		if slices.ContainsFunc(install.Writes, func(w string) bool { return within(w) || strings.Contains(w, "$") }) {
			return true
		}
		for _, a := range install.Command.Assigns {
			if matters(a.Name) && within(a.Value) {
				return true
			}
		}
		for _, w := range install.Command.Words {
			_, value, option := strings.Cut(w.Value, "=")
			if !option {
				value = w.Value
			}
			// The directory itself is what --cache-dir names.
			if within(value) && path.Clean(atHome(value, state)) != dir {
				return true
			}
		}
	}
	return false
}

// touchesPipSettings says whether a command of the step's stage, or of one that it is FROM, up to the step
// names a pip.conf: it may put the cache elsewhere.
func (s scene) touchesPipSettings(step *dockerfile.Instruction) bool {
	for stage := step.Stage; stage != nil; stage = stage.Parent {
		for _, in := range stage.Instructions {
			if in.Run() != nil && slices.ContainsFunc(s.effects(in).Touches, func(t shelleffects.Touch) bool {
				return slices.ContainsFunc(t.Paths, func(p string) bool { return path.Base(p) == "pip.conf" })
			}) {
				return true
			}
			if in == step {
				break
			}
		}
	}
	return false
}

// removeFlag proves that a command may use its cache again: the flag is what keeps it from that, and
// nothing else does; its cache lies in a cache mount of the RUN, which it may write to and which belongs to its
// user, root; and no other command of the RUN touches that cache. What the command installs is the same either way.
func (s scene) removeFlag(_ *unit, e rules.RemoveFlag) Reason {
	run, state, effects := e.Step.Run(), s.states[e.Step], s.effects(e.Step)
	install, reason := s.installOf(e.Step, e.Command)
	if reason != "" {
		return reason
	}
	switch {
	case install.CacheOff != noCacheFlags[install.Tool]:
		return rules.CacheOff
	case !install.CacheDirKnown || install.Command.OtherUser:
		return rules.CacheElsewhere
	case usesCache(effects, run, state, install.Tool, install.CacheDir):
		return rules.CacheUsed
	case rules.SetsCacheInShell(run, state):
		return rules.CacheElsewhere
	}
	mounted := false
	for _, m := range run.Mounts {
		target := s.mountTarget(e.Step, m)
		if m.Type != instructions.MountTypeCache || target == "/" || !shelleffects.Covers(target, install.CacheDir) {
			continue
		}
		switch {
		case m.ReadOnly:
			return rules.MountReadOnly
		case !isRoot(state):
			return rules.OtherUser
		case !ofRoot(m):
			return rules.MountOwner
		case s.takenFromMount(e.Step, cmp.Or(m.CacheID, target)):
			return rules.CacheUsed
		}
		mounted = true
	}
	if !mounted {
		return rules.CacheElsewhere
	}
	return ""
}

// takenFromMount says whether another RUN of the file takes what lies in a cache mount, by its id, elsewhere: what an
// install puts there would be in the image after all.
func (s scene) takenFromMount(step *dockerfile.Instruction, id string) bool {
	return slices.ContainsFunc(s.in.File.Instructions, func(i *dockerfile.Instruction) bool {
		return i != step && i.Run() != nil && slices.ContainsFunc(i.Run().Mounts, func(m *instructions.Mount) bool {
			target := s.mountTarget(i, m)
			return m.Type == instructions.MountTypeCache && cmp.Or(m.CacheID, target) == id && (s.takes(i, target) || touches(s.effects(i), s.states[i], target))
		})
	})
}

// ofRoot says whether a cache mount belongs to root: no option gives it to somebody else, and it does not begin
// with the contents of an image. In a directory of somebody else, pip run by root turns its cache off.
// Source: pip, _internal/utils/filesystem.py, check_path_owner; BuildKit, frontend/dockerfile/docs/reference.md,
// "RUN --mount=type=cache" (uid, gid, from).
func ofRoot(m *instructions.Mount) bool {
	return (m.UID == nil || *m.UID == 0) && m.From == ""
}

// cacheAt says why the tool's cache is not at a directory; "" where it is.
func cacheAt(e shelleffects.Effects, tool, dir string) Reason {
	reason := rules.CacheElsewhere
	for _, i := range e.Installs {
		switch {
		case i.Tool != tool:
		case i.Command.OtherUser:
			return rules.OtherUser
		case i.CacheOff != "":
			reason = rules.CacheOff
		case i.CacheDirKnown && i.CacheDir == dir && path.IsAbs(dir):
			return ""
		}
	}
	return reason
}

// harmlessAbove are commands that do no harm to a mount below what they name.
var harmlessAbove = []string{"cd", "mkdir", "ls", "test", "[", "[[", "echo", "stat", "df"}

// scriptRunners may run anything that lies in the image or the source.
var scriptRunners = []string{"", "sh", "bash", "dash", "ash", "zsh", "make", "eval", "exec", "xargs"}

// runsScript says whether a command that the table does not know is or runs a script of somebody's.
func runsScript(c *dockerfile.Command) bool {
	return slices.Contains(scriptRunners, c.Name) || strings.HasSuffix(c.Name, ".sh") || strings.HasPrefix(c.Words[0].Value, "./")
}

// usesCache says whether a command of the RUN, other than installs, may touch the tool's cache.
func usesCache(e shelleffects.Effects, run *dockerfile.Run, state dockerfile.State, tool, dir string) bool {
	for _, r := range e.Removals {
		if r.Tool == tool {
			return true
		}
	}
	for _, t := range e.Touches {
		for _, p := range t.Paths {
			if rest, ok := strings.CutPrefix(p, "~"); ok {
				p = "/root" + rest
			}
			p = path.Clean(p)
			if shelleffects.Covers(dir, p) || shelleffects.Covers(p, dir) && !slices.Contains(harmlessAbove, t.Command.Name) {
				return true
			}
		}
	}
	for _, c := range e.Unknown {
		if runsScript(c) {
			return true
		}
		for _, w := range c.Words[1:] {
			if namesPath(w.Value, dir) {
				return true
			}
		}
	}
	for _, c := range run.Commands {
		if takesTree(run, c, state, dir) {
			return true
		}
		for _, r := range c.Redirects {
			if namesPath(r.Target.Value, dir) {
				return true
			}
		}
	}
	return false
}

// atHome is a word without quotes and with root's home, or the one that is set, where it begins with that.
func atHome(word string, state dockerfile.State) string {
	home := state.Env["HOME"]
	if home == "" {
		home = "/root"
	}
	word = strings.Trim(word, `"'`)
	for _, name := range []string{"${HOME}", "$HOME", "~"} {
		if rest, ok := strings.CutPrefix(word, name); ok {
			word = home + rest
		}
	}
	return word
}

// namesPath says whether a word, quoted or with the home directory in it, is a path of the cache or
// one above it.
func namesPath(word, dir string) bool {
	word = strings.Trim(word, `"'`)
	for _, home := range []string{"${HOME}", "$HOME", "~"} {
		if rest, ok := strings.CutPrefix(word, home); ok {
			word = "/root" + rest
		}
	}
	word = strings.TrimRight(word, "*/")
	return path.IsAbs(word) && shelleffects.Overlaps(path.Clean(word), dir)
}

// cacheNeeded says whether a later step needs a cache that a layer of the stage no longer has: one
// that copies or mounts it from the stage, one that names it or a directory which is there for its sake only,
// or an install without network. A home that only the tool would make stays its business: whatever runs later
// may want it.
func (s scene) cacheNeeded(step *dockerfile.Instruction, tool, dir string) Reason {
	stage, above := step.Stage, path.Dir(dir)
	below := slices.Index(stage.Instructions, step) + 1
	if s.later(stage, below, 0, func(i *dockerfile.Instruction) bool { return s.purges(i, tool) }) {
		return rules.CacheUsed
	}
	if dir != "" {
		top := s.madeFor(step, dir)
		if home := s.states[step].Env["HOME"]; path.IsAbs(home) && shelleffects.Covers(top, path.Clean(home)) && !s.homeStands(step) {
			return rules.CacheElsewhere
		}
		if s.namedLater(stage, below, top) || s.takenLater(stage, below, dir, 0) {
			return rules.CacheUsed
		}
		for _, i := range s.in.File.Instructions {
			for _, src := range s.copySources(i, stage, dir) {
				if i.Run() == nil && shelleffects.Covers(src, top) && s.namedWhereCopied(i, src, top, dir) {
					return rules.CacheUsed
				}
			}
		}
	}
	inCache := func(src string) bool {
		if dir == "" {
			return strings.Contains(src, ".cache")
		}
		return shelleffects.Covers(dir, src) || shelleffects.Covers(above, src) && above != "/" && above != "/root"
	}
	for _, i := range s.in.File.Instructions {
		if slices.ContainsFunc(s.copySources(i, stage, dir), inCache) || s.readsByMount(i, stage, dir) {
			return rules.CacheUsed
		}
		if off := s.states[i].Env["UV_OFFLINE"]; off != "" && off != "0" && off != "false" {
			return rules.CacheUsed
		}
		if i.Run() == nil {
			if (i.Keyword == "CMD" || i.Keyword == "ENTRYPOINT") && slices.ContainsFunc(i.Args, func(a dockerfile.Arg) bool { return slices.Contains(strings.Fields(a.Value), "--offline") }) {
				return rules.CacheUsed
			}
			continue
		}
		for _, c := range i.Run().Commands {
			if slices.ContainsFunc(c.Words, func(w dockerfile.Word) bool { return w.Value == "--offline" }) {
				return rules.CacheUsed
			}
		}
	}
	return ""
}

// namedWhereCopied says whether a RUN below a COPY of a directory, or of one above it, names it where the COPY puts
// it, or takes a directory in it, or where that is is not known.
func (s scene) namedWhereCopied(i *dockerfile.Instruction, src, dir, within string) bool {
	dest, _, known := s.dest(i)
	if !known {
		return true
	}
	at := func(dir string) string {
		if cmd, ok := i.Command.(*instructions.CopyCommand); !ok || cmd.Parents {
			return path.Join(dest, dir)
		}
		return path.Join(dest, strings.TrimPrefix(dir, src))
	}
	from := slices.Index(i.Stage.Instructions, i) + 1
	return s.namedLater(i.Stage, from, at(dir)) || s.takenLater(i.Stage, from, at(within), 0)
}

// homeStands says whether HOME is a directory that no tool of a step can have made: its user is not root, and only
// root may make one beside it. Where it is not there, neither is a cache in it.
func (s scene) homeStands(step *dockerfile.Instruction) bool {
	state := s.states[step]
	home := path.Clean(state.Env["HOME"])
	return state.UserKnown && state.User != "" && !isRoot(state) && (path.Dir(home) == "/home" || path.Dir(home) == "/") &&
		!slices.ContainsFunc(step.Run().Commands, func(c *dockerfile.Command) bool { return c.OtherUser })
}

// madeFor is the topmost directory that is in the image for a cache only, as far as the file and what every
// image has tell.
func (s scene) madeFor(step *dockerfile.Instruction, dir string) string {
	there := append([]string{"/root", "/tmp", "/var/tmp", "/var/cache"}, commonDirs...)
	there = append(there, s.madeAbove(step)...)
	if s.homeStands(step) {
		there = append(there, path.Clean(s.states[step].Env["HOME"]))
	}
	top := dir
	for d := path.Dir(dir); d != "/" && d != "."; d = path.Dir(d) {
		if slices.ContainsFunc(there, func(t string) bool { return shelleffects.Covers(d, t) }) {
			break
		}
		top = d
	}
	return top
}

// namedLater says whether a RUN of a stage, from an instruction on, or of a stage on top of it names a
// directory or something in it, but for removals and mkdir that do not mind when it is not there.
func (s scene) namedLater(stage *dockerfile.Stage, from int, dir string) bool {
	return s.later(stage, from, 0, func(i *dockerfile.Instruction) bool { return s.named(i, 0, dir) })
}

// later says whether something holds for a RUN of a stage, from an instruction on, or of a stage on top of it.
func (s scene) later(stage *dockerfile.Stage, from, depth int, holds func(*dockerfile.Instruction) bool) bool {
	if depth > maxChildren {
		return true
	}
	for _, i := range stage.Instructions[from:] {
		if i.Run() != nil && holds(i) {
			return true
		}
	}
	return slices.ContainsFunc(s.in.File.Stages, func(o *dockerfile.Stage) bool {
		return o.Parent == stage && s.later(o, 0, depth+1, holds)
	})
}

// purges says whether a RUN empties a tool's cache by the tool's own command, and fails where that does: pip
// before 21.3 does where there is nothing.
// Source: pip's NEWS, 21.3.
func (s scene) purges(i *dockerfile.Instruction, tool string) bool {
	return tool == "pip" && slices.ContainsFunc(s.effects(i).Removals, func(r shelleffects.Removal) bool { return r.Tool == tool && r.Command.Checked })
}

// named says the same of the commands of one RUN that stand behind an offset of the file.
func (s scene) named(i *dockerfile.Instruction, from int, dir string) bool {
	within := func(word string) bool {
		word = atHome(word, s.states[i])
		return path.IsAbs(word) && shelleffects.Covers(dir, path.Clean(word))
	}
	for _, t := range s.effects(i).Touches {
		if t.Command.Span.Start >= from && !removesAnyway(t.Command) && !makesAnyway(t.Command) && slices.ContainsFunc(t.Paths, within) {
			return true
		}
	}
	for _, c := range i.Run().Commands {
		if c.Span.Start < from {
			continue
		}
		if c.Name == "cd" && len(c.Words) > 1 && within(c.Words[1].Value) ||
			slices.ContainsFunc(c.Redirects, func(r dockerfile.Redirect) bool { return within(r.Target.Value) }) {
			return true
		}
	}
	return false
}

// makesAnyway says whether a command makes directories with those above them, there already or not.
func makesAnyway(c *dockerfile.Command) bool {
	return c.Name == "mkdir" && slices.ContainsFunc(c.Words[1:], func(w dockerfile.Word) bool {
		return w.Value == "--parents" || strings.HasPrefix(w.Value, "-") && !strings.HasPrefix(w.Value, "--") && strings.Contains(w.Value, "p")
	})
}

// dockerfileTag is a version of Docker's own frontend.
var dockerfileTag = lazyregexp.New(`^1(\.(\d+))?(\.\d+)*(-.*)?$`)

// frontendHasMounts says whether the syntax line names no frontend, or a version of Docker's that has
// RUN --mount: 1.2 and later, and the experimental ones before it.
// Source: BuildKit, frontend/dockerfile/docs/reference.md, "RUN --mount" ("Added in 1.2").
func frontendHasMounts(f *dockerfile.File) bool {
	for _, d := range f.Directives {
		if d.Name != "syntax" {
			continue
		}
		name, _, _ := strings.Cut(strings.TrimSpace(d.Value), " ")
		name, _, _ = strings.Cut(name, "@")
		name = strings.TrimPrefix(name, "docker.io/")
		image, tag, _ := strings.Cut(name, ":")
		if image != "docker/dockerfile" && image != "docker/dockerfile-upstream" {
			return false
		}
		m := dockerfileTag.FindStringSubmatch(tag)
		switch {
		case tag == "" || tag == "latest" || tag == "labs" || tag == "master" || tag == "master-labs" || strings.HasSuffix(tag, "experimental"):
		case m == nil:
			return false
		case m[2] != "":
			if minor, err := strconv.Atoi(m[2]); err != nil || minor < 2 {
				return false
			}
		}
	}
	return true
}
