package shelleffects

import (
	"path"
	"regexp"
	"strings"
)

var (
	pipName    = regexp.MustCompile(`^pip(\d+(\.\d+)*)?$`)
	pythonName = regexp.MustCompile(`^(python|pypy)(\d+(\.\d+)*)?$`)
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

// uvOptions are uv's. Source: uv's documentation, "Commands" (uv 0.9).
var uvOptions = options{
	short: "rcbefiptCP",
	long: []string{
		"requirements", "requirement", "constraints", "constraint", "overrides", "override", "build-constraints", "build-constraint",
		"excludes", "editable", "extra", "group", "no-group", "only-group", "index", "default-index", "index-url", "extra-index-url",
		"find-links", "python", "target", "prefix", "config-setting", "config-settings", "config-settings-package", "cache-dir", "python-version",
		"python-platform", "torch-backend", "no-binary", "only-binary", "link-mode", "index-strategy", "keyring-provider", "resolution",
		"prerelease", "fork-strategy", "exclude-newer", "exclude-newer-package", "upgrade-package", "reinstall-package", "refresh-package", "color", "directory",
		"project", "config-file", "no-build-isolation-package", "no-build-package", "no-binary-package", "no-editable-package", "no-sources-package",
		"allow-insecure-host", "trusted-host", "package", "no-install-package", "no-extra", "output-format", "from", "with", "with-requirements", "with-editable",
		"script", "env-file", "prompt", "upgrade-group", "install-dir", "python-preference",
	},
}

var poetryOptions = options{
	short: "CPE",
	long:  []string{"directory", "project", "extras", "with", "without", "only"},
}

var pipenvOptions = options{
	short: "reipcn",
	long:  []string{"requirements", "editable", "index", "pypi-mirror", "python", "categories", "extra-pip-args"},
}

var pdmOptions = options{
	short: "pGLd",
	long:  []string{"project", "group", "lockfile", "with", "without", "venv", "override", "config", "config-setting", "frozen-lockfile"},
}

var condaOptions = options{
	short: "fnpcr",
	long:  []string{"file", "name", "prefix", "channel", "revision", "solver", "root-prefix", "rc-file", "platform", "subdir", "kind", "micromamba", "mamba", "conda", "cwd", "log-level", "category", "extras", "virtual-package-spec"},
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
	return i
}

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
	if strings.Contains(m.Path, "://") {
		return // fetched, not read from the image
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
	notName    = regexp.MustCompile(`[^A-Za-z0-9._-].*$`)
	separators = regexp.MustCompile(`[-_.]+`)
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
	c.pipCache(i, p)
	i.finishPython()
	return kind{install: i}
}

func (c *call) pipCache(i *Install, p parsed) {
	if p.has("no-cache-dir") {
		i.CacheOff = "--no-cache-dir"
		return
	}
	// Any value turns the cache off, also 0 and false. Source: pip, cli/cmdoptions.py, _handle_no_cache_dir.
	if v, ok := c.env("PIP_NO_CACHE_DIR"); ok && v != "" || !ok && c.assigned("PIP_NO_CACHE_DIR") {
		i.CacheOff = "PIP_NO_CACHE_DIR"
		return
	}
	if dir, ok := p.last("cache-dir"); ok {
		c.cacheAt(i, dir)
		return
	}
	c.cacheIn(i, "PIP_CACHE_DIR", "pip")
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

// uv reads uv's arguments.
func (c *call) uv(args []arg) kind {
	p := uvOptions.parse(args)
	switch p.word(0) {
	case "pip":
		verb := p.word(1)
		switch verb {
		case "install", "sync":
		case "list", "show", "freeze", "check", "uninstall", "tree":
			return kind{known: true}
		default:
			return unknown
		}
		i := c.newInstall("uv", "pip "+verb, p)
		c.uvDir(i, p)
		for _, a := range p.all("r", "requirement", "requirements") {
			i.manifest(a, false)
		}
		for _, a := range p.all("c", "constraint", "constraints", "b", "build-constraint", "build-constraints", "override", "overrides", "excludes") {
			i.manifest(a, true)
		}
		for _, a := range p.all("e", "editable") {
			i.operand(a, true)
		}
		for _, a := range p.words[2:] {
			if verb == "sync" {
				i.manifest(a, false)
			} else {
				i.operand(a, false)
			}
		}
		for _, a := range p.all("group") {
			file, _, ok := strings.Cut(a.text, ":")
			if !ok {
				file = "pyproject.toml"
			}
			i.manifest(arg{text: file, known: a.known}, false)
		}
		for _, a := range p.all("f", "find-links") {
			if !strings.Contains(a.text, "://") {
				i.needs("it looks for packages in a local directory", a.text)
			}
		}
		for _, a := range p.all("t", "target", "prefix") {
			abs, _ := i.Path(a.text)
			i.Writes = append(i.Writes, abs)
		}
		c.uvCache(i, p)
		i.finishPython()
		return kind{install: i}
	case "sync":
		i := c.newInstall("uv", "sync", p)
		c.uvDir(i, p)
		i.convention("pyproject.toml", "uv.lock", "uv.toml", ".python-version")
		if !p.has("no-install-project", "no-install-workspace", "no-install-local", "only-group") {
			i.needs("it installs the project itself", ".")
			i.Leaves = "--no-install-project"
		}
		i.Writes = append(i.Writes, c.environment(i, "UV_PROJECT_ENVIRONMENT"))
		c.uvCache(i, p)
		return kind{install: i}
	case "tool":
		if p.word(1) != "install" {
			return unknown
		}
		i := c.newInstall("uv", "tool install", p)
		for _, a := range p.words[2:] {
			i.operand(a, false)
		}
		c.uvCache(i, p)
		i.finishPython()
		return kind{install: i}
	case "venv":
		k := c.venv(nil)
		dirs := p.words[1:]
		if len(dirs) == 0 {
			dirs = []arg{{text: ".venv", known: true}}
		}
		for _, a := range dirs {
			dir, ok := c.touched(a)
			if !ok {
				return unknown
			}
			k.paths = append(k.paths, dir)
		}
		return k
	case "cache":
		if p.word(1) == "clean" || p.word(1) == "prune" {
			return kind{known: true, cacheOf: "uv"}
		}
		return kind{known: true}
	case "python", "self", "version", "help":
		return kind{known: true}
	case "":
		if len(p.words) == 0 {
			return kind{known: true}
		}
	}
	return unknown
}

func (c *call) uvDir(i *Install, p parsed) {
	for _, name := range []string{"directory", "project"} {
		if dir, ok := p.last(name); ok {
			i.in(c, dir)
		}
	}
}

// environment is the virtual environment of a project: where a variable says, else .venv.
func (c *call) environment(i *Install, variable string) string {
	if v, ok := c.env(variable); ok && v != "" {
		abs, _ := i.Path(v)
		return abs
	}
	abs, _ := i.Path(".venv")
	return abs
}

func (c *call) uvCache(i *Install, p parsed) {
	if p.has("n", "no-cache", "no-cache-dir") {
		i.CacheOff = "--no-cache"
		return
	}
	if v, ok := c.env("UV_NO_CACHE"); ok && v != "" && !contains([]string{"0", "false", "no", "off", "n", "f"}, strings.ToLower(v)) || !ok && c.assigned("UV_NO_CACHE") {
		i.CacheOff = "UV_NO_CACHE"
		return
	}
	if dir, ok := p.last("cache-dir"); ok {
		c.cacheAt(i, dir)
		return
	}
	c.cacheIn(i, "UV_CACHE_DIR", "uv")
}

func (c *call) poetry() kind {
	p := poetryOptions.parse(c.args)
	switch verb := p.word(0); verb {
	case "install", "sync":
		i := c.newInstall("poetry", verb, p)
		for _, name := range []string{"C", "directory", "P", "project"} {
			if dir, ok := p.last(name); ok {
				i.in(c, dir)
			}
		}
		i.convention("pyproject.toml", "poetry.lock", "poetry.toml")
		if !p.has("no-root") {
			i.needs("it installs the project itself", ".")
			i.Leaves = "--no-root"
		}
		i.Writes = append(i.Writes, c.environment(i, ""))
		if p.has("no-cache") {
			i.CacheOff = "--no-cache"
		} else {
			c.cacheIn(i, "POETRY_CACHE_DIR", "pypoetry")
		}
		return kind{install: i}
	case "run":
		return c.behind(c.args, 1)
	case "cache":
		if p.word(1) == "clear" {
			return kind{known: true, cacheOf: "poetry"}
		}
		return kind{known: true}
	case "config", "env", "self", "about", "show", "check":
		return kind{known: true}
	case "":
		if len(p.words) == 0 {
			return kind{known: true}
		}
	}
	return unknown
}

// behind reads the command after the n-th operand: "poetry run pip install".
func (c *call) behind(args []arg, n int) kind {
	for i, a := range args {
		if strings.HasPrefix(a.text, "-") {
			continue
		}
		if n--; n >= 0 {
			continue
		}
		if !a.known {
			return unknown
		}
		inner := *c
		inner.name, inner.args = path.Base(a.text), args[i+1:]
		if k, ok := inner.python(); ok {
			return k
		}
		return unknown
	}
	return unknown
}

func (c *call) pipenv() kind {
	p := pipenvOptions.parse(c.args)
	switch verb := p.word(0); verb {
	case "install", "sync":
		i := c.newInstall("pipenv", verb, p)
		for _, a := range p.all("r", "requirements") {
			i.manifest(a, false)
		}
		for _, a := range p.all("e", "editable") {
			i.operand(a, true)
		}
		for _, a := range p.words[1:] {
			i.operand(a, false)
		}
		if len(p.words) == 1 && len(i.Manifests) == 0 && i.NeedsSource == "" {
			i.convention("Pipfile", "Pipfile.lock")
		}
		i.Writes = append(i.Writes, c.environment(i, ""))
		return kind{install: i}
	case "run":
		return c.behind(c.args, 1)
	case "":
		if len(p.words) == 0 {
			return kind{known: true}
		}
	}
	return unknown
}

func (c *call) pdm() kind {
	p := pdmOptions.parse(c.args)
	switch verb := p.word(0); verb {
	case "install", "sync":
		i := c.newInstall("pdm", verb, p)
		if dir, ok := p.last("p", "project"); ok {
			i.in(c, dir)
		}
		i.convention("pyproject.toml", "pdm.lock", "pdm.toml")
		if !p.has("no-self") {
			i.needs("it installs the project itself", ".")
			i.Leaves = "--no-self"
		}
		i.Writes = append(i.Writes, c.environment(i, ""))
		return kind{install: i}
	case "config", "use", "info", "cache":
		return kind{known: true}
	}
	return unknown
}

func (c *call) conda() kind {
	p := condaOptions.parse(c.args)
	verb, operands := p.word(0), 1
	switch verb {
	case "env":
		verb, operands = "env "+p.word(1), 2
		if verb != "env create" && verb != "env update" {
			return kind{known: true}
		}
	case "install", "create", "update", "upgrade":
	case "run":
		n := 0
		for n < len(c.args) && c.args[n].text != "run" {
			n++
		}
		return c.condaRun(c.args[min(n+1, len(c.args)):])
	case "clean", "config", "info", "init", "list", "activate", "shell", "remove", "uninstall":
		return kind{known: true}
	default:
		return unknown
	}
	i := c.newInstall("conda", verb, p)
	for _, a := range p.all("f", "file") {
		i.manifest(a, false)
	}
	if operands < len(p.words) {
		for _, a := range p.words[operands:] {
			switch {
			case c.name == "conda-lock" || verb == "env create" || verb == "env update":
				i.manifest(a, false)
			case strings.HasPrefix(a.text, "--"), a.text == "":
			default:
				i.Packages = append(i.Packages, a.text)
			}
		}
	}
	if len(i.Manifests) == 0 && len(i.Packages) == 0 {
		switch {
		case c.name == "conda-lock":
			i.convention("conda-lock.yml")
		case operands == 2:
			i.convention("environment.yml")
		default:
			return kind{known: true} // an empty environment
		}
	}
	return kind{install: i}
}

func (c *call) condaRun(args []arg) kind {
	for n := 0; n < len(args); n++ {
		switch text := args[n].text; {
		case contains([]string{"-n", "--name", "-p", "--prefix", "--cwd"}, text):
			n++
		case strings.HasPrefix(text, "-"):
		default:
			return c.behind(args[n:], 0)
		}
	}
	return unknown
}
