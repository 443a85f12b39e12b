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

const (
	preferCacheMount = "cache-mount"
	preferNoCache    = "no-cache-dir"
)

var _ = register(&Rule{
	ID:       "pip-cache-kept",
	Title:    "pip, uv or poetry leave their cache in a layer that is shipped",
	Severity: config.SeverityWarning,
	What:     "A `RUN` of a stage that is part of the image installs with pip, uv or poetry and leaves the downloads in the layer.",
	Why: "The cache is part of the layer: it is pushed, pulled and stored with the image and serves nobody, since the next build of this step starts from the layer above. " +
		"A cache mount keeps it out of the image and for the next build on the same builder.",
	Fix: "For the root user of a known base image: a cache mount (for poetry where its virtual environment certainly lies outside its cache). `--no-cache-dir` (uv: `--no-cache`) where the place of a mount would hang on what is not known: the user, the files of the base image, a build argument; " +
		"where the repository builds without BuildKit; where the setting `prefer` says so; and where the install builds packages anew or in the environment as it is (`--force-reinstall`, `--no-binary`, `--no-build-isolation`): a mount may hold them as they were built against others. " +
		"No flag is offered where a later install may want what the cache holds (`pip wheel` and then `pip install`, another environment, another Python), where another command names the cache, or to a pip that may be from before 6.0.",
	Not: "`PIP_NO_CACHE_DIR` with any value, also `0` and `off`, turns pip's cache off; so do `--no-cache-dir` and its short forms. A mount, a removal in the same RUN and a switched-off cache are all accepted: " +
		"`--no-cache-dir` is not always right (with a cache mount it makes the mount inert), and nobody has to do both. Stages that do not reach the image, and installs of pip, setuptools and wheel alone, are left in peace. " +
		"So are installs of which a settings file that the build brings (`pip.conf`, `uv.toml`, `[tool.uv]`, `poetry.toml`), or a step above, puts the cache elsewhere or turns it off. " +
		"Cache mounts are not exported by the gha and registry caches: on fresh CI runners they start empty.",
	Sources: []Source{
		{"Docker: cache mounts", "https://docs.docker.com/build/cache/optimize/#use-cache-mounts"},
		{"Docker: cache mounts in GitHub Actions", "https://docs.docker.com/build/ci/github-actions/cache/#cache-mounts"},
		{"pip: caching", "https://pip.pypa.io/en/stable/topics/caching/"},
		{"uv: caching in Docker", "https://docs.astral.sh/uv/guides/integration/docker/#caching"},
	},
	Settings: []config.Setting{{
		Name: "prefer", Kind: "string", Allowed: []string{preferCacheMount, preferNoCache}, Default: preferCacheMount,
		Doc: "What the suggestion uses: a cache mount, or a flag that keeps no cache at all. `cache-mount`, written out, leaves the flag out also where no mount can be proven.",
	}},
	Hadolint: []string{"DL3042"},
	Check:    checkPipCacheKept,
})

func checkPipCacheKept(p *Pass) {
	for _, stage := range p.File.Stages {
		if !p.shipped[stage] {
			continue
		}
		if _, missing := p.File.BaseImage(p.bottom(stage), p.args); missing != "" {
			continue // an image that hangs on a missing argument: its settings are not known
		}
		lane := p.lanes(stage)[0]
		for i, st := range lane {
			p.checkCache(lane, i, st.in)
		}
	}
}

// bottom is the stage that a stage is made from in the end: its FROM names an image.
func (v *view) bottom(stage *dockerfile.Stage) *dockerfile.Stage {
	for stage.Parent != nil {
		stage = stage.Parent
	}
	return stage
}

func (p *Pass) checkCache(lane []step, i int, in *dockerfile.Instruction) {
	e := p.effectsOf(in)
	var kept []shelleffects.Install
	for _, install := range e.Installs {
		if p.keepsCache(lane, i, in, e, install) {
			kept = append(kept, install)
		}
	}
	if len(kept) == 0 || p.repeated(lane, i, kept) || readsSettings(in, kept[0]) ||
		slices.ContainsFunc(kept, func(install shelleffects.Install) bool { return p.configured(lane, i, install) }) {
		return
	}
	var tools, names []string
	for _, install := range kept {
		if !slices.Contains(tools, install.Tool) {
			tools = append(tools, install.Tool)
		}
		if name := installName(install); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	who := strings.Join(tools, " and ")
	leaves, this, done := "leaves its", "This install", "The install no longer leaves its"
	if len(kept) > 1 {
		leaves, this, done = "leave their", "These installs", "The installs no longer leave their"
	}
	what := "The " + strings.Join(names, " and the ")
	if len(names) == 1 {
		what += plural(len(kept))
	}
	f := Finding{
		Subject: cacheSubject(kept[0]),
		Title:   say(what, " ", leaves, " downloads in the image."),
		Here:    say(this, " ", leaves, " downloads in the image."),
		Why:     say(who, "'s cache becomes part of this layer: it is pushed and pulled with the image, and no build reads it again."),
		Done:    say(done, " downloads in the image."),
	}
	anew := slices.ContainsFunc(kept, buildsAnew)
	var reason Reason
	if setting[string](p, "prefer") == preferNoCache || p.Facts.WithoutBuildKit != nil || anew {
		f.Unit, reason = p.addNoCache(in, kept)
		switch {
		case kept[0].Tool == "poetry":
			f.Advice = say("Remove them at the end of this RUN.")
		case anew:
			f.Advice = say("Install with ", code(noCacheFlag(kept[0].Tool)), ": a cache mount may hold packages as an earlier build made them, against others.")
		default:
			f.Advice = say("Install with ", code(noCacheFlag(kept[0].Tool)), ".")
		}
	} else {
		f.Unit, reason = p.addCacheMount(lane, i, kept)
		f.Advice = p.mountAdvice(lane, i, kept)
		if why := mountOpen(reason); why != "" && p.settings["prefer"] == nil {
			if unit, _ := p.addNoCache(in, kept); unit != nil {
				f.Unit, reason = unit, ""
				f.Doubted = &Doubt{By: []Reason{CacheUsed, CacheElsewhere, ToolTooOld}, Words: Words{Why: f.Why, Done: f.Done}}
				f.Doubted.Advice = say("Keep them in a cache mount on the user's cache directory.")
				f.Advice = say("Install with ", code(noCacheFlag(kept[0].Tool)), ": ", why)
			}
		}
	}
	f.Withheld = string(reason)
	p.report(in, f)
}

// mountAdvice says where a cache mount goes, as far as that is known.
func (p *Pass) mountAdvice(lane []step, i int, kept []shelleffects.Install) Text {
	in := lane[i].in
	switch {
	case slices.ContainsFunc(kept, func(install shelleffects.Install) bool {
		return install.Tool == "poetry" && !PoetryEnvironmentApart(in, p.states[in]) && !p.settingsSay(lane, i, install, environmentKeys)
	}):
		return say("Put the virtual environment elsewhere (", code("POETRY_VIRTUALENVS_IN_PROJECT=1"), "), since poetry keeps it in its cache, and the downloads in a cache mount.")
	case kept[0].CacheDirKnown && !SetsCacheInShell(in.Run(), p.states[in]):
		return say("Keep them in a cache mount instead: ", code("--mount=type=cache,target="+kept[0].CacheDir), ".")
	}
	if kept[0].Tool == "poetry" {
		return say("Keep them in a cache mount on the user's cache directory.")
	}
	return say("Keep them in a cache mount on the user's cache directory, or install with ", code(noCacheFlag(kept[0].Tool)), ".")
}

// mountOpen says why a cache mount may miss the cache, where that is what its place hangs on; "" where the reason
// is another one. A flag needs to know nothing of that.
func mountOpen(reason Reason) string {
	switch reason {
	case BaseUnknown:
		return "where a cache mount would have to lie hangs on the base image, of which nothing is known here."
	case OtherUser:
		return "a cache mount would need the home and the number of the user who runs it, which the Dockerfile does not show for certain."
	case OtherArguments:
		return "where a cache mount would have to lie hangs on a build argument."
	}
	return ""
}

func cacheSubject(install shelleffects.Install) string {
	switch {
	case len(install.Manifests) > 0 && install.Manifests[0].Path != "":
		return install.Tool + " " + install.Manifests[0].Path
	case len(install.Packages) > 0:
		return install.Tool + " " + install.Packages[0]
	}
	return install.Tool
}

// keepsCache says whether an install leaves its cache in the layer.
func (p *Pass) keepsCache(lane []step, i int, in *dockerfile.Instruction, e shelleffects.Effects, install shelleffects.Install) bool {
	switch install.Tool {
	case "pip", "uv", "poetry":
	default:
		return false
	}
	if install.CacheOff != "" || install.PackagingOnly || install.CacheDir == "" {
		return false
	}
	goes := func(dir string) bool { return e.Removes(dir, install.Tool, install.Command) || p.mounted(in, dir) }
	for _, dir := range cacheDirs(install) {
		if goes(dir) || install.Tool == "poetry" && goes(path.Join(dir, "cache")) && goes(path.Join(dir, "artifacts")) { //nolint:misspell // as poetry spells it
			return false // poetry has its virtual environments beside these two
		}
	}
	return !p.onlyLocal(in, install)
}

// repeated says that projects are installed for the second time: what they download is little.
func (p *Pass) repeated(lane []step, i int, kept []shelleffects.Install) bool {
	above := p.installsAbove(lane, i)
	for _, install := range kept {
		if install.Tool == "pip" || install.Verb != "sync" && install.Verb != "install" {
			return false
		}
		if !slices.ContainsFunc(above, func(a placed) bool { return a.Tool == install.Tool && a.Verb == install.Verb }) {
			return false
		}
	}
	return true
}

// onlyLocal says that an install takes nothing but archives that are there already: pip looks for them in
// directories alone, or they are named and their dependencies may still be fetched, but which and whether is
// not known.
func (p *Pass) onlyLocal(in *dockerfile.Instruction, install shelleffects.Install) bool {
	words := install.Command.Words
	if install.Tool == "pip" && slices.ContainsFunc(words, func(w dockerfile.Word) bool { return w.Literal && w.Value == "--no-index" }) {
		// pip keeps no local archive in its cache. Source: pip's documentation, "Caching".
		return !slices.ContainsFunc(words, func(w dockerfile.Word) bool {
			text, known := w.Value, w.Literal
			if !known {
				text, known = shelleffects.Expand(strings.Trim(text, `"`), p.states[in].Env)
			}
			return !known || strings.ContainsAny(text, "`$") || strings.Contains(text, "://")
		})
	}
	if len(install.Packages) > 0 || len(install.Manifests) > 0 {
		return false
	}
	for _, a := range install.Command.Words {
		if a.Literal && (a.Value == "--no-index" || a.Value == "--no-deps" || a.Value == "--no-dependencies") {
			return true
		}
	}
	return false
}

// cacheDirs are the directories where an install may keep its cache: one, or where the user's home
// is not known the likely ones.
func cacheDirs(install shelleffects.Install) []string {
	rest, ok := strings.CutPrefix(install.CacheDir, "~")
	if !ok {
		return []string{install.CacheDir}
	}
	return []string{install.CacheDir, "/root" + rest}
}

// mounted says whether a mount covers a directory, so that what is written there is not in the layer.
func (p *Pass) mounted(in *dockerfile.Instruction, dir string) bool {
	for _, m := range p.mountsOf(in) {
		if m.kind != "cache" && m.kind != "tmpfs" {
			continue
		}
		target := m.target
		if !path.IsAbs(target) {
			target = path.Join("/", p.states[in].Workdir, target)
		}
		target = path.Clean(target)
		if !m.targetKnown || shelleffects.Covers(target, dir) {
			return true
		}
		// A home that is not known: the end of the path tells.
		if strings.HasPrefix(dir, "~") {
			for rest := strings.TrimPrefix(dir, "~"); rest != "/" && rest != "."; rest = path.Dir(rest) {
				if strings.HasSuffix(target, rest) {
					return true
				}
			}
		}
	}
	return false
}

// configured says whether settings of an install's tool may say something about its cache: a file that the build
// brings, or a step above.
func (p *Pass) configured(lane []step, i int, install shelleffects.Install) bool {
	by := configuresPoetry
	switch install.Tool {
	case "uv":
		return p.settingsSay(lane, i, install, cacheKeys["uv"])
	case "poetry":
		if p.settingsSay(lane, i, install, cacheKeys["poetry"]) {
			return true
		}
	default:
		by = configures
		if p.states[lane[i].in].Env["PIP_CONFIG_FILE"] != "" || slices.ContainsFunc(p.above(lane, i), func(c *copied) bool { return c.settings }) {
			return true
		}
	}
	stage := lane[i].in.Stage
	for depth := 0; stage != nil && depth < maxStages; depth++ {
		for _, in := range stage.Instructions {
			if in.Run() == nil || in.Stage == lane[i].in.Stage && in.Span.Start > lane[i].in.Span.Start {
				continue
			}
			for _, cmd := range in.Run().Commands {
				if by(cmd) {
					return true
				}
			}
		}
		stage = stage.Parent
	}
	return false
}

// readsSettings says whether a RUN takes variables from a file ("source build.env") before an install:
// what they say about the cache is not known.
func readsSettings(in *dockerfile.Instruction, install shelleffects.Install) bool {
	return slices.ContainsFunc(in.Run().Commands, func(cmd *dockerfile.Command) bool {
		return (cmd.Name == "." || cmd.Name == "source") && len(cmd.Words) > 1 && strings.HasSuffix(cmd.Words[1].Value, ".env") &&
			cmd.Span.Start < install.Command.Span.Start
	})
}

// configures says whether a command writes pip's configuration: "pip config set", a redirection.
func configures(cmd *dockerfile.Command) bool {
	for _, r := range cmd.Redirects {
		if strings.HasPrefix(path.Base(r.Target.Value), "pip.conf") {
			return true
		}
	}
	for n, w := range cmd.Words {
		if w.Value == "config" && n > 0 && n+1 < len(cmd.Words) && cmd.Words[n+1].Value == "set" &&
			slices.ContainsFunc(cmd.Words[n+1:], func(w dockerfile.Word) bool { return strings.Contains(w.Value, "cache") }) {
			return true
		}
	}
	return false
}

// noCacheFlag is the flag with which pip and uv keep no cache. Poetry's --no-cache leaves the archives that it
// fetches in its cache all the same.
// Source: Poetry, console/application.py and installation/executor.py.
func noCacheFlag(tool string) string {
	if tool == "pip" {
		return "--no-cache-dir"
	}
	return "--no-cache"
}

// addCacheMount is the edit: a cache mount on the cache of the user that runs the step.
func (p *Pass) addCacheMount(lane []step, i int, kept []shelleffects.Install) (*Unit, Reason) {
	in := lane[i].in
	state := p.states[in]
	switch {
	case !mountsKnown(p.File):
		return nil, FrontendUnknown
	case !state.BaseKnown:
		return nil, BaseUnknown
	case !state.UserKnown || !isRoot(state.User):
		return nil, OtherUser
	}
	unit := &Unit{}
	text := ""
	var tools []string
	for _, install := range kept {
		switch {
		case install.Tool == "poetry" && p.settingsSay(lane, i, install, environmentKeys):
			return nil, ConfigurationFile
		case install.Tool == "poetry" && !PoetryEnvironmentApart(in, state):
			return nil, EnvironmentThere
		case install.Command.OtherUser:
			return nil, OtherUser
		case SetsCacheInShell(in.Run(), state):
			return nil, CacheElsewhere
		case !install.CacheDirKnown || !plainPath.MatchString(install.CacheDir) || strings.Contains(install.CacheDir, ","):
			return nil, CacheElsewhere
		}
		mount := " --mount=type=cache,target=" + install.CacheDir
		if strings.Contains(text, mount) {
			continue
		}
		text += mount
		tools = append(tools, install.Tool)
		unit.Effects = append(unit.Effects, AddCacheMount{Step: in, Tool: install.Tool, Target: install.CacheDir})
	}
	for _, m := range p.mountsOf(in) {
		for _, install := range kept {
			if !m.targetKnown || m.target != "" && shelleffects.Overlaps(path.Clean(m.target), install.CacheDir) {
				return nil, MountThere
			}
		}
	}
	at := in.Span.Start + len("RUN")
	if n := len(in.Flags); n > 0 {
		at = in.Flags[n-1].Span.End
	}
	unit.Edits = []source.Edit{{Span: source.Span{Start: at, End: at}, New: text}}
	if p.hangsOnArgument(in, kept) {
		return nil, OtherArguments
	}
	unit.Note = say("The cache mount keeps "+strings.Join(tools, " and "), "'s downloads out of the image and for the next build on the same builder (GitHub's hosted runners do not keep it).")
	return unit, ""
}

// hangsOnArgument says whether another value of a build argument may put another base image below a step, another
// user, or the caches of its installs elsewhere.
func (p *Pass) hangsOnArgument(in *dockerfile.Instruction, kept []shelleffects.Install) bool {
	others := p.otherStates()
	if others == nil {
		return false
	}
	state := others[in]
	if !state.BaseKnown || !state.UserKnown || !isRoot(state.User) {
		return true
	}
	installs := shelleffects.Of(in.Run(), state).Installs
	return slices.ContainsFunc(kept, func(install shelleffects.Install) bool {
		n := slices.IndexFunc(installs, func(o shelleffects.Install) bool { return o.Command == install.Command })
		return n < 0 || installs[n].CacheDir != install.CacheDir || !installs[n].CacheDirKnown
	})
}

func isRoot(user string) bool {
	name, _, _ := strings.Cut(user, ":")
	return name == "" || name == "root" || name == "0"
}

// addNoCache is the edit: a flag on each install that leaves a cache.
func (p *Pass) addNoCache(in *dockerfile.Instruction, kept []shelleffects.Install) (*Unit, Reason) {
	if in.Run().Exec != nil {
		return nil, ScriptForm
	}
	unit := &Unit{}
	for _, install := range kept {
		if install.Tool == "poetry" {
			return nil, NotProven
		}
		inWord := slices.ContainsFunc(in.Run().Commands, func(o *dockerfile.Command) bool {
			return o != install.Command && slices.ContainsFunc(o.Words, func(w dockerfile.Word) bool { return w.Span.Contains(install.Command.Span) })
		})
		if inWord { // sh -c "pip install …"
			return nil, ScriptForm
		}
		words := strings.Fields(install.Verb)
		verb := words[len(words)-1]
		n := slices.IndexFunc(install.Command.Words[1:], func(w dockerfile.Word) bool { return w.Literal && w.Value == verb })
		if n < 0 || install.Command.InVariable > 0 {
			return nil, ScriptForm
		}
		at := install.Command.Words[n+1].Span.End
		flag := noCacheFlag(install.Tool)
		unit.Edits = append(unit.Edits, source.Edit{Span: source.Span{Start: at, End: at}, New: " " + flag})
		unit.Effects = append(unit.Effects, AddFlag{Step: in, Command: install.Command, Flag: flag})
	}
	unit.Note = say("The flag keeps the downloads out of the image; it does not make builds faster.")
	return unit, ""
}

// mountsKnown says whether the frontend of the file knows cache mounts: BuildKit's own does, and
// docker/dockerfile from 1.2.
// Source: https://docs.docker.com/build/buildkit/dockerfile-release-notes/#120
func mountsKnown(f *dockerfile.File) bool {
	for _, d := range f.Directives {
		if !strings.EqualFold(d.Name, "syntax") {
			continue
		}
		image, _, _ := strings.Cut(strings.Fields(d.Value + " ")[0], "@")
		image = strings.TrimPrefix(image, "docker.io/")
		tag, ok := strings.CutPrefix(image, "docker/dockerfile:")
		if !ok {
			if tag, ok = strings.CutPrefix(image, "docker/dockerfile-upstream:"); !ok {
				return image == "docker/dockerfile" || image == "docker/dockerfile-upstream"
			}
		}
		for _, old := range []string{"1.0", "1.1"} {
			if tag == old || strings.HasPrefix(tag, old+".") || strings.HasPrefix(tag, old+"-") && !strings.HasSuffix(tag, "experimental") {
				return false
			}
		}
		return true
	}
	return true
}
