package shelleffects

import (
	"path"
	"slices"
	"strings"
)

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
		c.cacheIn(i, "POETRY_CACHE_DIR", "pypoetry")
		if p.has("no-cache") {
			i.CacheOff = "--no-cache"
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
		if !p.has("system") {
			i.Writes = append(i.Writes, c.environment(i, ""))
		}
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
		interpreter, _ := i.Path(".pdm-python") // where it notes which Python it took
		i.Writes = append(i.Writes, c.environment(i, ""), interpreter)
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
	case "clean":
		if c.cleansPackages() {
			return kind{known: true, cacheOf: "conda"}
		}
		return kind{known: true}
	case "config", "info", "init", "list", "activate", "shell", "remove", "uninstall":
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

// cleansPackages says whether "conda clean" takes away what conda downloaded.
// Source: conda's documentation, "conda clean"; micromamba's --help.
func (c *call) cleansPackages() bool {
	return slices.ContainsFunc(c.args, func(a arg) bool {
		switch {
		case contains([]string{"--all", "--tarballs", "--packages", "--force-pkgs-dirs"}, a.text):
			return true
		case strings.HasPrefix(a.text, "-") && !strings.HasPrefix(a.text, "--"):
			return strings.ContainsAny(a.text, "atpf")
		}
		return false
	})
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
