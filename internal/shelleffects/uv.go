package shelleffects

import "strings"

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
		c.environmentOf(i, p.all("p", "python"))
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

// uvCache finds uv's cache. Where the environment is made of links into it, it is no cache that an image
// can do without.
// Source: https://docs.astral.sh/uv/reference/settings/#link-mode
func (c *call) uvCache(i *Install, p parsed) {
	mode, known := c.env("UV_LINK_MODE")
	if a, ok := p.last("link-mode"); ok {
		mode, known = a.text, a.known
	}
	if mode == "symlink" || mode != "" && !known || !known && c.assigned("UV_LINK_MODE") {
		return
	}
	if dir, ok := p.last("cache-dir"); ok {
		c.cacheAt(i, dir)
	} else {
		c.cacheIn(i, "UV_CACHE_DIR", "uv")
	}
	if p.has("n", "no-cache", "no-cache-dir") {
		i.CacheOff = "--no-cache"
		return
	}
	if v, ok := c.env("UV_NO_CACHE"); ok && v != "" && !contains([]string{"0", "false", "no", "off", "n", "f"}, strings.ToLower(v)) || !ok && c.assigned("UV_NO_CACHE") {
		i.CacheOff = "UV_NO_CACHE"
	}
}
