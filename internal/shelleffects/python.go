package shelleffects

import (
	"path"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

var (
	pipName    = lazyregexp.New(`^pip(\d+(\.\d+)*)?$`)
	pythonName = lazyregexp.New(`^(python|pypy)(\d+(\.\d+)*)?$`)
)

// pipOptions are pip's, those of the program and of install, wheel and download together.
// Source: pip's documentation, "pip", "pip install", "pip wheel", "pip download" (pip 24).
var pipOptions = options{
	short: "rcetifdwbC",
	long: []string{
		"requirement", "constraint", "build-constraint", "editable", "target", "platform", "python-version",
		"implementation", "abi", "root", "prefix", "src", "upgrade-strategy", "config-settings", "config-setting", "global-option",
		"install-option", "build-option", "no-binary", "only-binary", "progress-bar", "report", "root-user-action",
		"index-url", "pypi-url", "extra-index-url", "find-links", "dest", "destination-dir", "destination-directory", "wheel-dir",
		"python", "log", "log-file", "local-log", "keyring-provider", "proxy", "retries", "timeout", "default-timeout",
		"exists-action", "trusted-host", "cert", "client-cert", "cache-dir", "use-feature", "use-deprecated", "group",
		"requirements-from-script", "build", "build-dir", "build-directory",
	},
	flags: []string{
		"help", "debug", "isolated", "require-virtualenv", "verbose", "version", "quiet", "no-input", "no-cache-dir",
		"disable-pip-version-check", "no-color", "no-python-version-warning", "upgrade", "force-reinstall", "ignore-installed",
		"ignore-requires-python", "no-build-isolation", "use-pep517", "no-use-pep517", "check-build-dependencies", "compile",
		"no-compile", "no-warn-script-location", "no-warn-conflicts", "break-system-packages", "prefer-binary",
		"require-hashes", "no-clean", "dry-run", "user", "no-user", "no-deps", "no-dependencies", "pre", "no-index", "no-verify",
	},
	abbreviated: true,
}

// python reads Python's package managers.
func (c *call) python() (kind, bool) {
	switch {
	case pipName.MatchString(c.name):
		return c.pip(c.args), true
	case pythonName.MatchString(c.name):
		return c.pythonModule()
	}
	switch c.name {
	case "uv":
		return c.uv(c.args), true
	case "poetry":
		return c.poetry(), true
	case "pipenv":
		return c.pipenv(), true
	case "pdm":
		return c.pdm(), true
	case "conda", "mamba", "micromamba", "conda-lock":
		return c.conda(), true
	case "virtualenv":
		return c.venv(c.args), true
	}
	return kind{}, false
}

// pythonModule reads "python -m pip" and the like.
func (c *call) pythonModule() (kind, bool) {
	args := c.args
	for len(args) > 0 && args[0].known && strings.HasPrefix(args[0].text, "-") {
		switch text := args[0].text; {
		case text == "-X" || text == "-W":
			args = args[min(2, len(args)):]
		case text == "--version" || text == "-V":
			return kind{known: true}, true
		case strings.HasPrefix(text, "-m"):
			module := text[2:]
			rest := args[1:]
			if module == "" {
				if len(rest) == 0 || !rest[0].known {
					return unknown, true
				}
				module, rest = rest[0].text, rest[1:]
			}
			switch module {
			case "pip":
				return c.pip(rest), true
			case "uv":
				return c.uv(rest), true
			case "venv", "virtualenv":
				return c.venv(rest), true
			case "ensurepip":
				return kind{known: true}, true
			}
			if contains([]string{"poetry", "pipenv", "pdm"}, module) {
				inner := *c
				inner.name, inner.args = module, rest
				return inner.python()
			}
			return unknown, true
		case text == "-c":
			return unknown, true
		default:
			args = args[1:]
		}
	}
	return unknown, true
}

// venv reads the making of a virtual environment.
func (c *call) venv(args []arg) kind {
	p := options{short: "p", long: []string{"python", "prompt", "creator", "seeder", "pip", "setuptools", "wheel"}}.parse(args)
	k := kind{known: true}
	for _, w := range p.words {
		dir, ok := c.touched(w)
		if !ok {
			return unknown
		}
		k.paths = append(k.paths, dir)
	}
	return k
}

func (c *call) newInstall(tool, verb string, p parsed) *Install {
	i := &Install{Tool: tool, Verb: verb, Command: c.cmd, Dir: c.dir, DirKnown: c.dirKnown, Unclear: p.unclear}
	// A program of a virtual environment installs into it.
	if n := strings.LastIndex(c.program.text, "/bin/"); n > 0 && !c.program.known {
		i.Unclear = true
	} else if n > 0 {
		if env, ok := c.abs(c.program.text[:n]); ok && env != "/usr" && env != "/usr/local" {
			i.Writes = append(i.Writes, env)
		}
	}
	for _, w := range c.cmd.Prefix {
		if file := versionFiles[path.Base(w.Value)]; file != "" {
			i.Manifests = append(i.Manifests, Manifest{Path: file, Optional: true})
		}
	}
	return i
}

// versionFiles say to the programs that run another in a chosen version which one, in the working directory.
// Source: the READMEs of pyenv, rbenv and nodenv, "Choosing the … version".
var versionFiles = map[string]string{"pyenv": ".python-version", "rbenv": ".ruby-version", "nodenv": ".node-version"}

// in moves the install into a directory that an option names.
func (i *Install) in(c *call, dir arg) {
	abs, ok := c.abs(dir.text)
	i.Dir, i.DirKnown = abs, ok && dir.known
}

// manifest adds a file that an option names.
func (i *Install) manifest(a arg, constraint bool) {
	m := Manifest{Path: a.text, Constraint: constraint}
	if !a.known {
		m.Path = ""
		i.Unclear = true
	}
	switch {
	case strings.Contains(m.Path, "://"):
		return // fetched, not read from the image
	case m.Path == "-" || m.Path == "/dev/stdin":
		i.Unclear = true
		return // what another command puts out
	}
	i.Manifests = append(i.Manifests, m)
}

func (i *Install) convention(required string, optional ...string) {
	i.Manifests = append(i.Manifests, Manifest{Path: required})
	for _, p := range optional {
		i.Manifests = append(i.Manifests, Manifest{Path: p, Optional: true})
	}
}

func (i *Install) needs(why, p string) {
	if i.NeedsSource == "" {
		i.NeedsSource = why
	}
	if p != "" {
		abs, _ := i.Path(p)
		i.LocalPaths = append(i.LocalPaths, abs)
	}
}

// operand sorts what pip is told to install: a name, an address, a path.
func (i *Install) operand(a arg, editable bool) {
	text := strings.TrimSpace(a.text)
	if !a.known && !a.glob {
		// The part before a variable can be enough: "flask==$VERSION", "/wheels/$NAME".
		if i.Unclear = true; strings.HasPrefix(text, "$") || text == "" {
			i.Packages = append(i.Packages, text)
			return
		}
	}
	name, _, isURL := strings.Cut(text, "://")
	switch {
	case isURL && !strings.HasSuffix(name, "file"):
		i.Packages = append(i.Packages, text)
		return
	case isURL:
		_, p, _ := strings.Cut(text, "file://")
		i.needs("it installs a local path", p)
		return
	}
	p := text
	if b := strings.IndexByte(p, '['); b > 0 && !strings.ContainsAny(p[:b], "*?") && strings.HasSuffix(p, "]") {
		p = p[:b] // extras
	}
	if editable || isLocalPath(p) {
		i.needs("it installs a local path", p)
		return
	}
	i.Packages = append(i.Packages, text)
}

// isLocalPath is how pip tells a path from a name: it has a separator, begins with a dot, or is
// called like an archive. (pip also looks whether the path exists, which is not known here.)
func isLocalPath(p string) bool {
	if strings.HasPrefix(p, ".") || strings.Contains(p, "/") && !strings.Contains(p, " @ ") {
		return true
	}
	for _, ext := range []string{".whl", ".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz"} {
		if strings.HasSuffix(p, ext) && !strings.Contains(p, "@") {
			return true
		}
	}
	return false
}

// packaging are the packages that only serve to install others; their cache is a few megabytes.
var packaging = map[string]bool{"pip": true, "setuptools": true, "wheel": true, "pip-tools": true, "virtualenv": true, "build": true, "setuptools-rust": true}

var (
	notName    = lazyregexp.New(`[^A-Za-z0-9._-].*$`)
	separators = lazyregexp.New(`[-_.]+`)
)

// packageName is the name in a requirement, normalised by PEP 503.
func packageName(requirement string) string {
	name := notName.ReplaceAllString(strings.TrimSpace(requirement), "")
	return strings.ToLower(separators.ReplaceAllString(name, "-"))
}

func (i *Install) finishPython() {
	i.PackagingOnly = len(i.Packages) > 0 && i.Bare()
	for _, p := range i.Packages {
		i.PackagingOnly = i.PackagingOnly && packaging[packageName(p)]
	}
}

// pip reads pip's arguments.
func (c *call) pip(args []arg) kind {
	p := pipOptions.parse(args)
	verb := p.word(0)
	switch verb {
	case "install", "wheel", "download":
	case "cache":
		if p.word(1) == "purge" || p.word(1) == "remove" {
			return kind{known: true, cacheOf: "pip"}
		}
		return kind{known: true}
	case "uninstall", "list", "show", "freeze", "check", "config", "debug", "search", "help", "index", "inspect", "hash":
		return kind{known: true}
	default:
		if len(p.words) == 0 {
			return kind{known: true} // pip --version
		}
		return unknown
	}
	// With --dry-run it resolves and keeps in its cache what it had to fetch for that, as download does.
	// Source: pip, commands/install.py: the resolver has run where dry_run ends the command.
	i := c.newInstall("pip", verb, p)
	for _, a := range p.all("r", "requirement") {
		i.manifest(a, false)
	}
	for _, a := range p.all("c", "constraint", "build-constraint") {
		i.manifest(a, true)
	}
	for _, name := range []string{"PIP_REQUIREMENT", "PIP_CONSTRAINT"} {
		value, ok := c.env(name)
		for _, f := range strings.Fields(value) {
			i.manifest(arg{text: f, known: ok}, name == "PIP_CONSTRAINT")
		}
	}
	for _, a := range p.all("group") {
		file, _, ok := strings.Cut(a.text, ":")
		if !ok {
			file = "pyproject.toml"
		}
		i.manifest(arg{text: file, known: a.known}, false)
	}
	for _, a := range p.all("e", "editable") {
		i.operand(a, true)
	}
	for _, a := range p.words[1:] {
		i.operand(a, false)
	}
	for _, a := range p.all("f", "find-links") {
		if !strings.Contains(a.text, "://") {
			i.needs("it looks for packages in a local directory", a.text)
		}
	}
	targets := p.all("t", "target", "prefix", "root", "src")
	for _, name := range []string{"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_SRC"} {
		if value, ok := c.env(name); ok && value != "" {
			targets = append(targets, arg{text: value, known: true})
		}
	}
	if verb != "install" {
		targets = append(targets, p.all("d", "dest", "w", "wheel-dir")...)
		if len(p.all("d", "dest", "w", "wheel-dir")) == 0 {
			targets = append(targets, arg{text: ".", known: true})
		}
	}
	for _, a := range targets {
		abs, _ := i.Path(a.text)
		i.Writes = append(i.Writes, abs)
	}
	for _, a := range p.all("log", "log-file", "local-log", "report") {
		if a.text == "-" || strings.HasPrefix(a.text, "/dev/") {
			continue
		}
		abs, _ := i.Path(a.text)
		if i.Writes = append(i.Writes, abs); path.Dir(abs) != i.Dir {
			i.Writes = append(i.Writes, path.Dir(abs)) // which has to be there
		}
	}
	c.environmentOf(i, p.all("python"))
	c.pipCache(i, p)
	i.finishPython()
	return kind{install: i}
}

// environmentOf adds the virtual environments whose interpreter an option names.
func (c *call) environmentOf(i *Install, interpreters []arg) {
	for _, a := range interpreters {
		abs, _ := i.Path(a.text)
		switch env, _, ok := strings.Cut(abs, "/bin/"); {
		case ok && env != "/usr" && env != "/usr/local" && env != "":
			i.Writes = append(i.Writes, env)
		case !ok && strings.Contains(a.text, "/"):
			i.Writes = append(i.Writes, abs) // the environment itself
		}
	}
}

func (c *call) pipCache(i *Install, p parsed) {
	if dir, ok := p.last("cache-dir"); ok {
		c.cacheAt(i, dir)
	} else {
		c.cacheIn(i, "PIP_CACHE_DIR", "pip")
	}
	if p.has("no-cache-dir") {
		i.CacheOff = "--no-cache-dir"
		return
	}
	// Any value turns the cache off, also 0 and false. Source: pip, cli/cmdoptions.py, _handle_no_cache_dir.
	if v, ok := c.env("PIP_NO_CACHE_DIR"); ok && v != "" || !ok && c.assigned("PIP_NO_CACHE_DIR") {
		i.CacheOff = "PIP_NO_CACHE_DIR"
	}
}

// assigned says whether the command sets a variable, with whatever value.
func (c *call) assigned(name string) bool {
	for _, a := range c.cmd.Assigns {
		if a.Name == name {
			return true
		}
	}
	return false
}

func (c *call) cacheAt(i *Install, dir arg) {
	abs, ok := c.abs(dir.text)
	i.CacheDir, i.CacheDirKnown = abs, ok && dir.known && !strings.HasPrefix(abs, "~")
}

// cacheIn is where a tool keeps its cache: where its own variable says, else in a directory below
// XDG_CACHE_HOME, which is .cache of the user's home.
func (c *call) cacheIn(i *Install, variable, name string) {
	if v, ok := c.env(variable); ok && v != "" {
		c.cacheAt(i, arg{text: v, known: true})
		return
	} else if !ok && c.assigned(variable) {
		return
	}
	if v, ok := c.env("XDG_CACHE_HOME"); ok && v != "" {
		c.cacheAt(i, arg{text: path.Join(v, name), known: true})
		return
	} else if !ok && c.assigned("XDG_CACHE_HOME") {
		return
	}
	c.cacheAt(i, arg{text: path.Join(c.home, ".cache", name), known: true})
}
