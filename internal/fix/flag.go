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

// addFlag proves a flag that turns a tool's cache off for one command. It asks for neither the home
// nor the base image, for wherever the cache would have been, it is not there:
//   - the tool knows the flag: uv always, pip since 6.0. Where the base image's name, or a pip that is installed
//     above, shows one from before or one that is known to break, nothing is offered. Of other images none is that
//     old: those pushed before 2016 have a manifest that BuildKit does not pull any more;
//   - no sudo runs it for a user who is not root: it may be root's in that user's home, which it would make;
//   - the cache is on, no mount of the RUN keeps it, and the command names no directory for it: of pip's
//     --no-cache-dir and --cache-dir the one behind counts;
//   - no command behind it in the RUN, and nothing later, names the cache or what is there for its sake only, nor
//     takes along what lies above it; and none behind it in the RUN is a script, which may take it away and fail;
//   - no later install wants what lies in it, see [scene.wantedAgain].
//
// That the script is otherwise the same, the comparison of its commands says.
// Sources: pip's NEWS, 6.0, 7.0.3, 19.0.1 and 19.0.3; pip, cli/cmdoptions.py, no_cache; uv's reference,
// "Cache directory"; containerd, core/remotes/docker/resolver.go (schema 1).
func (s scene) addFlag(u *unit, e rules.AddFlag) Reason {
	run, effects := e.Step.Run(), s.effects(e.Step)
	install, reason := s.installOf(e.Step, e.Command)
	if reason != "" {
		return reason
	}
	switch {
	case install.Tool == "poetry" || noCacheFlags[install.Tool] != e.Flag || e.Flag == "":
		return rules.NotProven // poetry keeps the archives of packages all the same
	case install.CacheOff != "":
		return rules.CacheOff
	case slices.ContainsFunc(install.Command.Words, func(w dockerfile.Word) bool { return cacheDirOption.MatchString(w.Value) }):
		return rules.CacheElsewhere
	case install.Command.OtherUser && !isRoot(s.states[e.Step]):
		return rules.OtherUser
	case install.Tool == "pip" && s.oldPip(e.Step):
		return rules.ToolTooOld
	}
	for _, edit := range u.edits {
		declared := slices.ContainsFunc(u.effects, func(o rules.Effect) bool {
			f, ok := o.(rules.AddFlag)
			return ok && edit.Span.Len() == 0 && strings.TrimSpace(edit.New) == f.Flag && f.Command.Span.Contains(edit.Span)
		})
		if !declared {
			return rules.NotProven
		}
	}
	for _, m := range run.Mounts {
		if m.Type == instructions.MountTypeCache && (!install.CacheDirKnown || shelleffects.Overlaps(s.mountTarget(e.Step, m), install.CacheDir)) {
			return rules.MountThere
		}
	}
	switch {
	case slices.ContainsFunc(effects.Unknown, func(c *dockerfile.Command) bool { return c.Span.Start > install.Command.Span.End && runsScript(c) }):
		return rules.CacheUsed
	case s.scriptNamesCache(e.Step):
		return rules.CacheUsed
	case !install.CacheDirKnown && s.homeCacheNeeded(e.Step, install.Command.Span.End):
		return rules.CacheUsed
	case install.CacheDirKnown && s.named(e.Step, install.Command.Span.End, s.madeFor(e.Step, install.CacheDir)):
		return rules.CacheUsed
	case slices.ContainsFunc(run.Commands, func(c *dockerfile.Command) bool {
		return c.Span.Start > install.Command.Span.End && takesTree(run, c, s.states[e.Step], install.CacheDir)
	}):
		return rules.CacheUsed
	case s.wantedAgain(e.Step, install):
		return rules.CacheUsed
	}
	return s.cacheNeeded(e.Step, install.Tool, install.CacheDir)
}

// installOf is what a command of a RUN installs, where the RUN is a script that can be edited.
func (s scene) installOf(step *dockerfile.Instruction, command *dockerfile.Command) (shelleffects.Install, Reason) {
	run, effects := step.Run(), s.effects(step)
	if run == nil || effects.Unread {
		return shelleffects.Install{}, rules.ScriptUnread
	}
	if run.Exec != nil {
		return shelleffects.Install{}, rules.ScriptForm
	}
	at := slices.IndexFunc(effects.Installs, func(i shelleffects.Install) bool { return i.Command == command })
	if at < 0 {
		return shelleffects.Install{}, rules.NotProven
	}
	return effects.Installs[at], ""
}

var noCacheFlags = map[string]string{"pip": "--no-cache-dir", "uv": "--no-cache", "poetry": "--no-cache"}

// cacheDirOption is --cache-dir, which pip takes cut short too.
var cacheDirOption = lazyregexp.New(`^--ca(c(h(e(-(d(ir?)?)?)?)?)?)?(=|$)`)

var (
	// oldBase are images whose own pip is older than 6.0, by their system's version.
	// Source: the packages of Debian 7 and 8, Ubuntu 10.04 to 14.10, Alpine 3.1 and EPEL 5: pip 0.3 to 1.5.6.
	oldBase = lazyregexp.New(`(?i)ubuntu[^0-9/]{0,3}1[0-4]\.(04|10)([^0-9]|$)|lucid|precise|quantal|raring|saucy|trusty|utopic|squeeze|wheezy|jessie|debian:[678]([^0-9]|$)|centos:?[56]([^0-9]|$)|alpine:(2|3\.[01])([^0-9]|$)`)
	// oldPin are pips that are asked for and do not know the flag or break with it: before 6.0, 7.0.0 to 7.0.2, 19.0 to 19.0.2.
	oldPin = lazyregexp.New(`^pip\s*(==\s*([0-5](\.|$)|7(\.0){0,2}$|7\.0\.[12]$|19(\.0){0,2}$|19\.0\.[12]$)|<\s*6(\.0)*$|<=?\s*[0-5](\.|$))`)
)

// oldPip says whether something in the file shows that a step's pip may not know --no-cache-dir.
func (s scene) oldPip(step *dockerfile.Instruction) bool {
	for stage := step.Stage; stage != nil; stage = stage.Parent {
		if stage.Parent == nil {
			builds := s.in.Builds
			if len(builds) == 0 {
				builds = append(builds, s.in.Context.Build)
			}
			for _, b := range builds {
				if image, _ := s.in.File.BaseImage(stage, b.Args); oldBase.MatchString(image) {
					return true
				}
			}
		}
		for _, i := range stage.Instructions {
			for _, install := range s.effects(i).Installs {
				if slices.ContainsFunc(install.Packages, oldPin.MatchString) {
					return true
				}
			}
			if i == step {
				break
			}
		}
	}
	return false
}

// homeCacheNeeded says whether something may need a cache in a home that is not known: a command of the step behind
// an offset of the file, a later one of its stage, or one of a stage that is made of that or takes something from it
// names a .cache, other than to remove or make it in a way that does not mind whether it is there, or copies a home.
func (s scene) homeCacheNeeded(step *dockerfile.Instruction, behind int) bool {
	stage := step.Stage
	for _, o := range s.in.File.Stages {
		takes := slices.ContainsFunc(o.Instructions, func(i *dockerfile.Instruction) bool {
			return slices.ContainsFunc(s.in.File.From(i), func(from *dockerfile.Stage) bool { return onTop(from, stage) })
		})
		if !takes && !onTop(o, stage) {
			continue
		}
		for _, i := range o.Instructions {
			if o == stage && i.Span.End <= step.Span.Start {
				continue
			}
			switch cmd := i.Command.(type) {
			case *instructions.CopyCommand:
				if cmd.From != "" && slices.ContainsFunc(cmd.SourcePaths, namesHomeCache) {
					return true
				}
			case *instructions.RunCommand:
				from := 0
				if i == step {
					from = behind
				}
				if len(s.mountsFrom(cmd, stage)) > 0 || s.namesHome(i, from) {
					return true
				}
			}
			if s.scriptNamesCache(i) {
				return true
			}
		}
	}
	return false
}

// scriptNamesCache says whether a script that an instruction runs or names has a .cache in its text, or asks a tool
// for its cache.
func (s scene) scriptNamesCache(i *dockerfile.Instruction) bool {
	return slices.ContainsFunc(s.scripts.Of(i), func(script rules.Script) bool {
		return strings.Contains(script.Text, ".cache") || cacheQuestion.MatchString(script.Text)
	})
}

// namesHome says whether a command of a RUN, from an offset of the file on, names a .cache, other than to remove or
// make it in a way that does not mind whether it is there, or takes a whole home along.
func (s scene) namesHome(i *dockerfile.Instruction, from int) bool {
	run, state := i.Run(), s.states[i]
	homes := []string{"/root", "/home/_"}
	for _, c := range run.Commands {
		for _, w := range c.Words {
			homes = append(homes, inHome.FindString(w.Value))
		}
	}
	homes = append(homes, inHome.FindString(state.Workdir))
	for _, c := range run.Commands {
		if c.Span.Start < from || removesAnyway(c) || makesAnyway(c) {
			continue
		}
		takes := slices.Contains(takers, c.Name)
		if slices.ContainsFunc(c.Words[1:], func(w dockerfile.Word) bool { return namesHomeCache(w.Value) || takes && isHome(w.Value) }) ||
			slices.ContainsFunc(c.Redirects, func(r dockerfile.Redirect) bool { return namesHomeCache(r.Target.Value) }) ||
			slices.ContainsFunc(homes, func(home string) bool { return home != "" && takesTree(run, c, state, home+"/.cache") }) {
			return true
		}
	}
	return false
}

// inHome is the home that a path lies in.
var inHome = lazyregexp.New(`^/home/[^/$]+`)

// namesHomeCache says whether a word has a .cache in it, or a wildcard that may be one.
func namesHomeCache(word string) bool {
	return slices.ContainsFunc(strings.Split(word, "/"), func(part string) bool {
		part = strings.Trim(part, `"'`)
		matches, _ := path.Match(part, ".cache")
		return strings.Contains(part, ".cache") || matches && part != "*"
	})
}

// isHome says whether a word is or holds somebody's home.
func isHome(word string) bool {
	word = strings.TrimRight(strings.Trim(word, `"'`), "/*.")
	if word == "~" || word == "$HOME" || word == "${HOME}" {
		return true
	}
	dir := path.Clean("/" + word)
	return path.IsAbs(word) && (dir == "/root" || dir == "/home" || path.Dir(dir) == "/home") || word == ""
}

// wantedAgain says whether an install below one, in its RUN, its stage or a stage on top of that, may want what that
// one left in its cache: it is by the same tool and, as far as can be told, the same user, its own cache is on and
// in no mount, and it does not certainly install into the same environment, where what the first brought is there
// and is not asked for again. Without the cache it would download anew, and build anew what pip builds from source,
// maybe where the compiler is gone.
// Source: pip's documentation, "Caching" (wheels that are built locally).
func (s scene) wantedAgain(step *dockerfile.Instruction, first shelleffects.Install) bool {
	w := wanting{s, step, first, runsIn(s, step, first), false}
	return w.stage(step.Stage, slices.Index(step.Stage.Instructions, step), 0)
}

// wanting looks for an install that wants what one left.
type wanting struct {
	scene
	step  *dockerfile.Instruction
	first shelleffects.Install
	in    environment
	other bool // since then another environment was made or chosen, which the same words may mean now
}

func (w *wanting) stage(stage *dockerfile.Stage, from, depth int) bool {
	if depth > maxChildren {
		return true
	}
	for _, i := range stage.Instructions[from:] {
		w.other = w.other || setsEnvironment(i)
		if i.Run() != nil && w.run(i) {
			return true
		}
	}
	other := w.other
	for _, o := range w.scene.in.File.Stages {
		if o.Parent == stage {
			if w.other = other; w.stage(o, 0, depth+1) {
				return true
			}
		}
	}
	return false
}

func (w *wanting) run(i *dockerfile.Instruction) bool {
	installs := w.effects(i).Installs
	for _, c := range i.Run().Commands {
		if i == w.step && c.Span.Start <= w.first.Command.Span.Start {
			continue
		}
		if makesEnvironment(c) {
			w.other = true
		}
		if at := slices.IndexFunc(installs, func(o shelleffects.Install) bool { return o.Command == c }); at >= 0 && w.wants(i, installs[at]) {
			return true
		}
	}
	return false
}

func (w *wanting) wants(i *dockerfile.Instruction, o shelleffects.Install) bool {
	noIndex := func(w dockerfile.Word) bool { return w.Value == "--no-index" }
	switch {
	case o.Tool != w.first.Tool, o.CacheOff != "", o.PackagingOnly, o.Tool == "pip" && slices.ContainsFunc(o.Command.Words, noIndex):
		return false
	case w.first.CacheDirKnown && o.CacheDirKnown:
		if w.first.CacheDir != o.CacheDir {
			return false
		}
	case w.states[w.step].UserKnown && w.states[i].UserKnown && userOf(w.states[w.step]) != userOf(w.states[i]) && !w.first.Command.OtherUser && !o.Command.OtherUser:
		return false // each has a home of its own
	}
	for _, m := range i.Run().Mounts {
		if m.Type == instructions.MountTypeCache && o.CacheDirKnown && shelleffects.Covers(w.mountTarget(i, m), o.CacheDir) {
			return false
		}
	}
	again := slices.ContainsFunc(o.Command.Words[1:], func(w dockerfile.Word) bool { return againOption.MatchString(w.Value) })
	return again || w.other || !w.in.same(runsIn(w.scene, i, o))
}

// againOption asks for packages that are there already.
var againOption = lazyregexp.New(`^(--fo|--ignore-i|--reinstall|-[A-Za-z]*I)`)

// setsEnvironment says whether an ENV or ARG sets a variable that chooses an environment.
func setsEnvironment(i *dockerfile.Instruction) bool {
	switch cmd := i.Command.(type) {
	case *instructions.EnvCommand:
		return slices.ContainsFunc(cmd.Env, func(kv instructions.KeyValuePair) bool { return environmentVariable.MatchString(kv.Key) })
	case *instructions.ArgCommand:
		return slices.ContainsFunc(cmd.Args, func(kv instructions.KeyValuePairOptional) bool { return environmentVariable.MatchString(kv.Key) })
	}
	return false
}

// makesEnvironment says whether a command makes a virtual environment, or chooses another Python.
func makesEnvironment(c *dockerfile.Command) bool {
	return slices.Contains([]string{"virtualenv", "conda", "mamba", "micromamba", "pyenv", "update-alternatives"}, c.Name) ||
		slices.ContainsFunc(c.Words[1:], func(w dockerfile.Word) bool {
			return w.Value == "venv" || w.Value == "virtualenv" || w.Value == "-mvenv"
		})
}

// environment is what says into which environment a command installs.
type environment struct {
	certain bool
	verb    string
	python  string // how the tool is called: its directory, the Python's version; pip and pip3 are one
	user    string
	before  string // behind which commands and variables, and after which commands that activate an environment
	options []string
	writes  []string
}

var (
	// environmentVariable are the variables that choose an environment.
	environmentVariable = lazyregexp.New(`^(PATH|VIRTUAL_ENV|CONDA_\w+|PYENV_\w+|PYTHON(HOME|USERBASE)|PIP_(TARGET|PREFIX|ROOT|USER|PYTHON)|UV_(SYSTEM_PYTHON|PYTHON|PROJECT_ENVIRONMENT))$`)
	pythonVersion       = lazyregexp.New(`[0-9.]*$`)
)

func runsIn(s scene, i *dockerfile.Instruction, install shelleffects.Install) environment {
	c, state := install.Command, s.states[i]
	e := environment{verb: strings.TrimPrefix(install.Verb, "pip "), user: userOf(state), writes: install.Writes}
	if e.verb == "sync" && install.Verb == "pip sync" {
		e.verb = "install"
	}
	e.certain = slices.Contains([]string{"install", "sync"}, e.verb) && install.Verb != "tool install"
	program := c.Words[0].Value
	e.python = path.Dir(program) + " " + strings.TrimPrefix(pythonVersion.FindString(path.Base(program)), "3")
	for _, w := range c.Prefix {
		e.before += w.Value + " "
	}
	for _, o := range i.Run().Commands {
		if o.Span.Start < c.Span.Start && slices.Contains([]string{".", "source", "conda", "mamba", "micromamba", "workon", "eval", "activate"}, o.Name) {
			for _, w := range o.Words {
				e.before += w.Value + " "
			}
		}
	}
	if install.Verb == "sync" {
		e.before += install.Dir
	}
	for n, w := range c.Words[1:] {
		option, _, has := strings.Cut(w.Value, "=")
		if slices.Contains([]string{"--user", "--system", "--python", "-p", "--target", "-t", "--prefix", "--root", "--project", "--directory"}, option) {
			e.options = append(e.options, w.Value)
			if !has && n+2 < len(c.Words) && option != "--user" && option != "--system" {
				e.options = append(e.options, c.Words[n+2].Value)
			}
		}
	}
	for _, a := range c.Assigns {
		if environmentVariable.MatchString(a.Name) {
			e.before += a.Name + "=" + a.Value + " "
		}
	}
	return e
}

// userOf is a step's user, root by one name only.
func userOf(state dockerfile.State) string {
	if isRoot(state) {
		return "root"
	}
	return state.User
}

func (e environment) same(o environment) bool {
	return e.certain && o.certain && e.verb == o.verb && e.python == o.python && e.user == o.user && e.before == o.before &&
		slices.Equal(e.options, o.options) && slices.Equal(e.writes, o.writes)
}
