package rules

import (
	"errors"
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
	ID:       "no-cache-dir-with-cache-mount",
	Title:    "The cache is turned off where a cache mount would keep it",
	Severity: config.SeverityWarning,
	What:     "A `RUN` mounts the cache of pip, uv or poetry, and the install turns that cache off: by a flag, by a variable in scope, or by a `pip.conf` that the build copies in.",
	Why: "With the cache off the install neither reads nor fills the mount, so every build that runs this step downloads everything again. " +
		"The mount already keeps the cache out of the image: what the flag is meant for.",
	Fix: "For a flag: it goes, where nothing else turns the cache off, the mount is the root user's, and no other command of the `RUN` empties it. For a variable or a configuration file the comment says what to do: " +
		"other installs may rely on it.",
	Not: "`PIP_NO_CACHE_DIR=off`, `0` and `false` turn pip's cache off too: any value does that is not empty. (`UV_NO_CACHE` is read as one would expect.) " +
		"`--no-cache-dir` without a mount is fine, and a mount that other tools of the `RUN` use is theirs. So is an install that is to build packages anew, or in the environment as it is (`--force-reinstall`, `--no-binary`, `--no-build-isolation`, uv's `--reinstall` and `--refresh`): " +
		"the cache may hold them as they were built against others.",
	Sources: []Source{
		{"Docker: cache mounts", "https://docs.docker.com/build/cache/optimize/#use-cache-mounts"},
		{"pip: caching", "https://pip.pypa.io/en/stable/topics/caching/"},
		{"pip: every value of no-cache-dir turns the cache off", "https://github.com/pypa/pip/blob/main/src/pip/_internal/cli/cmdoptions.py"},
	},
	Check: checkNoCacheDir,
})

func checkNoCacheDir(p *Pass) {
	for _, stage := range p.File.Stages {
		if !p.needed[stage] && !p.shipped[stage] {
			continue
		}
		lane := p.lanes(stage)[0]
		for i, st := range lane {
			p.checkIdleMount(lane, i, st.in)
		}
	}
}

// idle is an install that does not use the cache mounted for it.
type idle struct {
	shelleffects.Install
	off    string      // what turns the cache off
	mount  mount       // the mount that it leaves alone
	target string      // of the mount, absolute
	flag   bool        // off is a flag of the command
	places []Place     // where else it is turned off
	word   source.Span // the flag
}

func (p *Pass) checkIdleMount(lane []step, i int, in *dockerfile.Instruction) {
	e := p.effectsOf(in)
	var found []idle
	for _, install := range e.Installs {
		if one, ok := p.idleInstall(lane, i, in, e, install); ok {
			found = append(found, one)
		}
	}
	if len(found) == 0 {
		return
	}
	first := found[0]
	what := "The " + installName(first.Install)
	subject := "it"
	if len(found) > 1 {
		what, subject = "The installs", "they"
	}
	f := Finding{
		Subject: first.Tool + " " + first.target,
		Related: first.places,
		Done:    say("The cache mount is now used."),
		Why: say("Each time that this step runs, ", subject, map[bool]string{true: " download", false: " downloads"}[len(found) > 1], " everything again. The mount on ", code(first.target),
			" keeps the cache out of the image by itself."),
	}
	does := map[bool]string{true: " do", false: " does"}[len(found) > 1]
	f.Title = say(what, does, " not use the cache mount: ", code(first.off), " turns the cache off.")
	f.Here = say(code(first.off), " turns off the cache that this RUN mounts.")
	switch also := p.alsoSet(in, first); {
	case also != "":
		f.Related = p.setBy(lane, i, also)
		f.Advice = say("Drop ", code(first.off), ", and unset ", code(also), " for this RUN.")
	case first.flag:
		f.Advice = say("Drop ", code(first.off), ".")
	case first.off == "PIP_NO_CACHE_DIR":
		value := p.states[in].Env["PIP_NO_CACHE_DIR"]
		f.Advice = say("Unset ", code(first.off), " for this RUN", map[bool]Text{
			true:  say(": any value turns the cache off, also ", code(value)),
			false: nil,
		}[slices.Contains([]string{"0", "off", "false", "no"}, strings.ToLower(value))], ".")
	case strings.HasSuffix(first.off, ".conf"):
		f.Advice = say("Take ", code("no-cache-dir"), " out of it.")
	default:
		f.Advice = say("Unset ", code(first.off), " for this RUN.")
	}
	if e.Removes(first.target, first.Tool, first.Command) {
		f.Advice = say(f.Advice, " The removal of ", code(first.target), " goes with it: it empties the mount.")
	}
	unit, reason := p.dropFlags(in, e, found)
	f.Unit, f.Withheld = unit, string(reason)
	p.report(in, f)
}

// idleInstall says whether an install leaves a mount alone that is there for its cache.
func (p *Pass) idleInstall(lane []step, i int, in *dockerfile.Instruction, e shelleffects.Effects, install shelleffects.Install) (idle, bool) {
	one := idle{Install: install, off: install.CacheOff}
	if install.CacheDir == "" || install.PackagingOnly || buildsAnew(install) {
		return one, false
	}
	switch {
	case strings.HasPrefix(one.off, "--"):
		one.word, one.flag = cacheFlag(install)
		if !one.flag {
			return one, false
		}
		one.off = p.textOf(one.word)
	case one.off != "":
		one.places = p.setBy(lane, i, one.off)
	case install.Tool == "pip":
		conf, where := p.pipConf(lane, i)
		if conf == "" {
			return one, false
		}
		one.off, one.places = conf, where
	default:
		return one, false
	}
	for _, m := range p.mountsOf(in) {
		target := path.Clean(m.target)
		if m.kind != "cache" || !m.targetKnown || !path.IsAbs(target) {
			continue
		}
		for _, dir := range cacheDirs(install) {
			if !shelleffects.Covers(target, dir) && (!strings.HasPrefix(dir, "~") || !strings.HasSuffix(target, dir[1:])) {
				continue
			}
			if target != dir && p.othersUse(e, install, target) {
				return one, false
			}
			one.mount, one.target = m, target
			return one, true
		}
	}
	return one, false
}

// buildsAnew says whether an install is told to build packages anew, or in the environment as it is: a wheel
// that was built by an earlier build, against other packages, is not what it wants. Options of pip may be cut short.
// Source: pip's documentation, "Caching", on wheels that are built locally; uv's, "Caching" and "Build isolation".
func buildsAnew(install shelleffects.Install) bool {
	return slices.ContainsFunc(install.Command.Words[1:], func(w dockerfile.Word) bool {
		option, _, _ := strings.Cut(w.Value, "=")
		switch install.Tool {
		case "pip":
			return buildOption.MatchString(option)
		case "uv":
			return slices.Contains([]string{"--reinstall", "--force-reinstall", "--reinstall-package", "--refresh", "--refresh-package",
				"--no-binary", "--no-binary-package", "--no-build-isolation", "--no-build-isolation-package"}, option)
		}
		return false
	})
}

// buildOption is --force-reinstall, --no-binary or --no-build-isolation.
var buildOption = lazyregexp.New(`^(--fo(r(c(e(-(r(e(i(n(s(t(a(ll?)?)?)?)?)?)?)?)?)?)?)?)?|--no-bi(n(a(ry?)?)?)?|--no-bu(i(l(d(-(i(s(o(l(a(t(i(on?)?)?)?)?)?)?)?)?)?)?)?)?)$`)

// othersUse says whether another tool of a RUN keeps its cache in a mounted directory.
func (p *Pass) othersUse(e shelleffects.Effects, install shelleffects.Install, target string) bool {
	for _, o := range e.Installs {
		if o.Tool == install.Tool {
			continue
		}
		if o.CacheDir == "" || o.CacheOff == "" && slices.ContainsFunc(cacheDirs(o), func(dir string) bool { return shelleffects.Covers(target, dir) }) {
			return true
		}
	}
	return false
}

// noCacheDir is pip's flag, also cut short as long as it can be told from others.
var noCacheDir = lazyregexp.New(`^--no-ca(c(h(e(-(d(ir?)?)?)?)?)?)?$`)

// cacheFlag is the word of a command that turns its cache off. pip takes it cut short too.
func cacheFlag(install shelleffects.Install) (source.Span, bool) {
	for _, w := range install.Command.Words[max(1, install.Command.InVariable):] {
		switch {
		case !w.Literal:
		case install.Tool == "pip" && noCacheDir.MatchString(w.Value),
			install.Tool == "uv" && (w.Value == "--no-cache" || w.Value == "--no-cache-dir" || w.Value == "-n"),
			install.Tool == "poetry" && w.Value == "--no-cache":
			return w.Span, true
		}
	}
	return source.Span{}, false
}

// setBy are the instructions above a step that set a variable.
func (p *Pass) setBy(lane []step, i int, name string) []Place {
	for stage, n := lane[i].in.Stage, i; stage != nil; stage, n = stage.Parent, -1 {
		list := p.lanes(stage)[0]
		if n < 0 {
			n = len(list)
		}
		for j := n - 1; j >= 0; j-- {
			in := list[j].in
			switch cmd := in.Command.(type) {
			case *instructions.EnvCommand:
				if slices.ContainsFunc(cmd.Env, func(kv instructions.KeyValuePair) bool { return kv.Key == name }) {
					return []Place{p.place(in)}
				}
			case *instructions.ArgCommand:
				if slices.ContainsFunc(cmd.Args, func(kv instructions.KeyValuePairOptional) bool { return kv.Key == name }) {
					return []Place{p.place(in)}
				}
			}
		}
	}
	return nil
}

// pipConf is the configuration file of the repository that a COPY above puts where pip reads it and
// that turns the cache off; "" where there is none.
func (p *Pass) pipConf(lane []step, i int) (file string, where []Place) {
	if p.Read == nil || p.Context == nil {
		return "", nil
	}
	for _, c := range p.above(lane, i) {
		if !c.settings || c.mount {
			continue
		}
		for _, f := range c.pairs {
			if !f.like || !isSettings(f.image) {
				continue
			}
			repo := p.Context.RepoPath(f.context)
			src, err := p.Read(repo)
			if errors.Is(err, ErrNeeded) || err != nil {
				continue
			}
			if turnsCacheOff(string(src.Data)) {
				return repo, []Place{p.place(c.in)}
			}
		}
	}
	return "", nil
}

// turnsCacheOff reads pip's configuration file: no-cache-dir in the sections that an install reads,
// with any value.
// Source: https://pip.pypa.io/en/stable/topics/configuration/
func turnsCacheOff(conf string) bool {
	section := ""
	for line := range strings.Lines(conf) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			section = strings.Trim(line, "[]")
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			key, value, ok = strings.Cut(line, ":")
		}
		if ok && (section == "global" || section == "install") && strings.TrimSpace(value) != "" &&
			strings.ReplaceAll(strings.TrimSpace(key), "_", "-") == "no-cache-dir" {
			return true
		}
	}
	return false
}

// dropFlags is the edit: the flags go, with the blanks before them.
func (p *Pass) dropFlags(in *dockerfile.Instruction, e shelleffects.Effects, found []idle) (*Unit, Reason) {
	unit := &Unit{}
	state := p.states[in]
	for _, one := range found {
		switch {
		case !one.flag:
			return nil, ""
		case p.alsoSet(in, one) != "":
			return nil, CacheOff
		case in.Run().Exec != nil:
			return nil, ScriptForm
		case !state.UserKnown:
			return nil, BaseUnknown
		case !isRoot(state.User) || one.Command.OtherUser:
			return nil, OtherUser
		case !one.CacheDirKnown:
			return nil, CacheElsewhere
		case e.Removes(one.CacheDir, one.Tool, one.Command):
			return nil, CacheUsed
		}
		n := slices.IndexFunc(one.Command.Words, func(w dockerfile.Word) bool { return w.Span == one.word })
		from := one.Command.Words[n-1].Span.End
		between := p.textOf(source.Span{Start: from, End: one.word.Start})
		if strings.Contains(between, "#") {
			return nil, ScriptForm
		}
		unit.Edits = append(unit.Edits, source.Edit{Span: source.Span{Start: from, End: one.word.End}})
		unit.Effects = append(unit.Effects, RemoveFlag{Step: in, Command: one.Command, Flag: one.Command.Words[n].Value})
	}
	return unit, ""
}

// alsoSet is the variable that turns the cache off besides the flag; "" where none does.
func (p *Pass) alsoSet(in *dockerfile.Instruction, one idle) string {
	name := map[string]string{"pip": "PIP_NO_CACHE_DIR", "uv": "UV_NO_CACHE"}[one.Tool]
	if name == "" || !one.flag {
		return ""
	}
	value := p.states[in].Env[name]
	for _, a := range one.Command.Assigns {
		if a.Name == name {
			value = a.Value
		}
	}
	if value == "" {
		return ""
	}
	return name
}
