package shelleffects

import (
	"path"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

// ReadsIndex says whether a RUN may read the package index that an earlier step left, and whether it
// fetches the index anew for certain, so that the steps below it do not read the old one.
func (e Effects) ReadsIndex(tool string) (reads, renews bool) {
	if e.Unread {
		return true, false
	}
	at := -1 // of the first update that certainly runs
	for _, u := range e.Updates {
		if u.Tool == tool && u.Command.Always && u.Command.Checked && (at < 0 || u.Command.Span.Start < at) {
			at = u.Command.Span.Start
		}
	}
	before := func(c *dockerfile.Command) bool { return at < 0 || c.Span.Start < at }
	for _, k := range e.Packages {
		if k.Tool == tool && !k.Fetches && before(k.Command) {
			return true, at >= 0
		}
	}
	for _, c := range e.Unknown {
		if before(c) && MayRunManager(c) && !e.runsInstaller(c) {
			return true, at >= 0
		}
	}
	for _, t := range e.Touches {
		if before(t.Command) && AsksIndex(t.Command) {
			return true, at >= 0
		}
	}
	return false, at >= 0
}

// installers are the addresses of scripts that bring one tool into the image without the system's package manager.
// Sources: the scripts themselves: cargo-dist's template installer.sh.j2 (uv's and ruff's are made of it), rustup-init.sh
// of rust-lang/rustup, install-poetry.py of python-poetry/install.python-poetry.org, pyenv-installer of
// pyenv/pyenv-installer, install.sh of nvm-sh/nvm.
var installers = []string{
	"https://astral.sh/uv/", "https://astral.sh/ruff/", "https://sh.rustup.rs", "https://install.python-poetry.org", "https://pyenv.run",
	"https://raw.githubusercontent.com/pyenv/pyenv-installer/", "https://raw.githubusercontent.com/nvm-sh/nvm/", "https://raw.githubusercontent.com/creationix/nvm/",
}

// runsInstaller says whether a command is a shell or a Python that runs one of installers as it is fetched.
func (e Effects) runsInstaller(c *dockerfile.Command) bool {
	if c.Pipe.Index == 0 || !shells[c.Name] && !pythonName.MatchString(c.Name) {
		return false
	}
	var fetch *dockerfile.Command
	for _, t := range e.Touches {
		if t.Command.Pipe.Len == c.Pipe.Len && t.Command.Pipe.Index == c.Pipe.Index-1 && t.Command.Span.Start < c.Span.Start && (fetch == nil || t.Command.Span.Start > fetch.Span.Start) {
			fetch = t.Command
		}
	}
	if fetch == nil || fetch.Name != "curl" && fetch.Name != "wget" {
		return false
	}
	for _, w := range fetch.Words[1:] {
		for _, address := range installers {
			if strings.HasPrefix(w.Value, address) && w.Literal {
				return true
			}
		}
	}
	return false
}

// AsksIndex says whether a command puts out what stands in the index, or works with it without installing
// anything new.
func AsksIndex(c *dockerfile.Command) bool {
	if c.Name == "apt-cache" || c.Name == "apt-file" {
		return true
	}
	if managers[c.Name].tool == "" {
		return false
	}
	for _, w := range c.Words[1:] {
		if contains([]string{"list", "show", "search", "policy", "changelog", "info", "fix", "version", "cache", "repolist", "repoquery", "se", "lr"}, w.Value) {
			return true
		}
	}
	return false
}

// programs are well-known programs that the table knows nothing about but that they do not call the
// package manager of the system.
var programs = map[string]bool{
	"node": true, "npm": true, "npx": true, "yarn": true, "pnpm": true, "bun": true, "bunx": true, "tsc": true, "vite": true,
	"go": true, "cargo": true, "rustup": true, "rustc": true, "gcc": true, "g++": true, "cc": true, "clang": true, "ld": true, "cmake": true, "ninja": true, "meson": true, "autoconf": true,
	"java": true, "javac": true, "mvn": true, "gradle": true, "ant": true, "keytool": true, "ruby": true, "gem": true, "bundle": true, "bundler": true, "rake": true,
	"php": true, "pecl": true, "composer": true, "conda": true, "mamba": true, "micromamba": true, "pip": true, "pip3": true, "uv": true, "poetry": true, "pdm": true, "pipenv": true, "pipx": true,
	"git": true, "curl": true, "wget": true, "jq": true, "yq": true, "openssl": true, "gpg": true, "ssh-keyscan": true, "ssh-keygen": true,
	"a2enmod": true, "a2dismod": true, "a2ensite": true, "a2dissite": true, "a2enconf": true, "nginx": true, "service": true, "systemctl": true, "update-rc.d": true,
	"django-admin": true, "flask": true, "gunicorn": true, "celery": true, "pytest": true, "mypy": true, "ruff": true, "black": true, "jupyter": true, "jlpm": true, "ipython": true,
	"aws": true, "gcloud": true, "kubectl": true, "helm": true, "terraform": true, "hf": true, "huggingface-cli": true, "spacy": true,
	"useradd": true, "groupadd": true, "visudo": true, "setcap": true, "localedef": true, "fc-cache": true, "mkfontscale": true, "ldconfig": true, "dot": true,
	"pass": true, "psql": true, "initdb": true, "createdb": true, "mysql": true, "redis-server": true, "patch": true, "diff": true, "strip": true, "rename": true, "rsync": true, "sync": true,
	"rm": true, "mv": true, "cp": true, "ln": true, "mkdir": true, "chmod": true, "chown": true, "cat": true, "tee": true, "sed": true, "awk": true, "grep": true, "find": true, "tar": true, "unzip": true,
	"zip": true, "gzip": true, "gunzip": true, "xz": true, "test": true, "[": true, "[[": true, "install": true, "touch": true, "sort": true, "head": true, "tail": true, "cut": true, "tr": true,
}

// pythonVariable is a Python whose version a variable holds: "python$VERSION".
var pythonVariable = lazyregexp.New(`^python[0-9.]*\$\{?[A-Za-z_][A-Za-z0-9_]*\}?$`)

// MayRunManager says whether a command that the table does not know may call the system's package
// manager: a script, or a program that is not known either.
func MayRunManager(c *dockerfile.Command) bool {
	if len(c.Words) == 0 {
		return true
	}
	if !c.Words[0].Literal {
		return !pythonVariable.MatchString(c.Words[0].Value) || pythonMayRun(c.Words[1:])
	}
	program := c.Words[0].Value
	args := c.Words[1:]
	name := path.Base(program)
	switch {
	case Configures(c) || name == "manage.py":
		return false
	case strings.Contains(program, "/") && !strings.Contains(program, "/bin/"):
		return true // a script of the source, or of somewhere else
	case pythonName.MatchString(name):
		return pythonMayRun(args)
	case name == "make":
		for _, w := range args {
			if !w.Literal || !strings.HasPrefix(w.Value, "-") && !strings.Contains(w.Value, "=") && w.Value != "install" && w.Value != "all" {
				return true
			}
		}
		return false
	case name == "find":
		for _, w := range args {
			if strings.HasPrefix(w.Value, "-exec") || strings.HasPrefix(w.Value, "-ok") {
				return true
			}
		}
		return false
	}
	return !programs[name] && !pipName.MatchString(name)
}

// configureScripts are the programs of a source tree that prepare its build, by the conventions of autotools and of those
// who do without them, as OpenSSL and PHP: they look at what is there and write files beside themselves.
// Source: GNU Coding Standards, "How Configuration Should Work"; Autoconf's manual, "Making configure Scripts".
var configureScripts = map[string]bool{"./configure": true, "./Configure": true, "./config": true, "./autogen.sh": true, "./buildconf": true}

// Configures says whether a command prepares the build of a source tree.
func Configures(c *dockerfile.Command) bool {
	return len(c.Words) > 0 && configureScripts[c.Words[0].Value]
}

// pythonMayRun says whether a Python program may be a script that calls the package manager: modules,
// code on the command line and the scripts that every project has are not.
func pythonMayRun(args []dockerfile.Word) bool {
	for _, w := range args {
		switch {
		case w.Value == "-m" || w.Value == "-c":
			return false
		case strings.HasPrefix(w.Value, "-") && w.Value != "-":
			continue
		}
		base := path.Base(w.Value)
		return !w.Literal || base != "setup.py" && base != "manage.py" && base != "get-pip.py"
	}
	return true // from standard input
}
