package shelleffects

import "strings"

// otherInstaller reads the package managers of other languages.
func (c *call) otherInstaller() (kind, bool) {
	switch c.name {
	case "npm":
		return c.npm(), true
	case "yarn", "yarnpkg":
		return c.yarn(), true
	case "pnpm":
		return c.pnpm(), true
	case "bun":
		return c.bun(), true
	case "go":
		return c.golang(), true
	case "bundle", "bundler":
		return c.bundler(), true
	case "composer", "composer.phar":
		return c.composer(), true
	case "cargo":
		return c.cargo(), true
	case "corepack":
		return kind{known: true}, true
	case "gem":
		if p := (options{short: "vi", long: []string{"version", "install-dir"}}).parse(c.args); p.word(0) == "install" || p.word(0) == "update" {
			for _, w := range p.words[1:] {
				if !w.known || strings.HasSuffix(w.text, ".gem") {
					return unknown, true
				}
			}
			return kind{known: true}, true
		}
		return unknown, true
	}
	return kind{}, false
}

// nodeModules adds what every package manager of Node.js makes.
func (i *Install) nodeModules() *Install {
	abs, _ := i.Path("node_modules")
	i.Writes = append(i.Writes, abs)
	return i
}

// nodePackages sorts the operands of an install: with none, the manifests are read.
func (i *Install) nodePackages(words []arg, global bool, lock ...string) {
	for _, a := range words {
		if a.known && (strings.HasPrefix(a.text, ".") || strings.HasPrefix(a.text, "/") || strings.HasPrefix(a.text, "file:") || strings.HasSuffix(a.text, ".tgz")) {
			i.needs("it installs a local path", strings.TrimPrefix(a.text, "file:"))
			continue
		}
		i.Packages = append(i.Packages, a.text)
	}
	switch {
	case global:
	case len(words) == 0:
		i.convention("package.json", lock...)
		i.nodeModules()
	default:
		// What is added is written down.
		for _, name := range append([]string{"package.json"}, lock...) {
			abs, _ := i.Path(name)
			i.Writes = append(i.Writes, abs)
		}
		i.nodeModules()
	}
}

func (c *call) npm() kind {
	p := options{short: "wC", long: []string{"prefix", "registry", "cache", "omit", "include", "workspace", "loglevel", "userconfig", "tag", "before", "install-strategy", "fetch-timeout", "fetch-retries", "maxsockets", "network-timeout", "otp", "only", "globalconfig"}}.parse(c.args)
	switch verb := p.word(0); verb {
	case "install", "i", "in", "add", "ci", "clean-install", "ic", "install-clean", "install-ci-test", "cit", "install-test", "it":
		i := c.newInstall("npm", verb, p)
		if dir, ok := p.last("prefix", "C"); ok && !p.has("g", "global") {
			i.in(c, dir)
		}
		i.nodePackages(p.words[1:], p.has("g", "global"), "package-lock.json", "npm-shrinkwrap.json", ".npmrc")
		if len(i.Manifests) == 0 && len(i.Packages) == 0 && i.NeedsSource == "" {
			i.needs("it installs the current directory", ".")
		}
		return kind{install: i}
	case "cache":
		if sub := p.word(1); sub == "clean" || sub == "clear" || sub == "rm" {
			return kind{known: true, cacheOf: "npm"}
		}
		return kind{known: true}
	case "config", "set", "--version", "version", "view", "audit":
		return kind{known: true}
	case "":
		if len(p.words) == 0 {
			return kind{known: true}
		}
	}
	return unknown
}

var yarnOptions = options{long: []string{"cwd", "cache-folder", "modules-folder", "network-timeout", "network-concurrency", "registry", "mutex", "preferred-cache-folder", "use-yarnrc", "mode", "inline-builds"}}

func (c *call) yarn() kind {
	p := yarnOptions.parse(c.args)
	verb := p.word(0)
	if len(p.words) == 0 {
		if p.has("version", "v", "help") {
			return kind{known: true}
		}
		verb = "install"
	}
	i := c.newInstall("yarn", verb, p)
	if dir, ok := p.last("cwd"); ok {
		i.in(c, dir)
	}
	switch verb {
	case "install":
		i.nodePackages(nil, false, "yarn.lock", ".yarnrc", ".yarnrc.yml", ".npmrc")
	case "add":
		i.nodePackages(p.words[1:], false, "yarn.lock")
	case "global":
		if p.word(1) != "add" {
			return unknown
		}
		i.nodePackages(p.words[2:], true)
	case "workspaces":
		if p.word(1) != "focus" {
			return unknown
		}
		i.nodePackages(nil, false, "yarn.lock", ".yarnrc", ".yarnrc.yml", ".npmrc")
	case "cache":
		if p.word(1) == "clean" {
			return kind{known: true, cacheOf: "yarn"}
		}
		return kind{known: true}
	case "config", "set":
		return kind{known: true}
	default:
		return unknown
	}
	return kind{install: i}
}

func (c *call) pnpm() kind {
	p := options{short: "CF", long: []string{"dir", "filter", "registry", "store-dir", "lockfile-dir", "network-concurrency", "reporter", "loglevel", "modules-dir", "virtual-store-dir", "node-linker", "package-import-method"}}.parse(c.args)
	verb := p.word(0)
	i := c.newInstall("pnpm", verb, p)
	if dir, ok := p.last("C", "dir"); ok {
		i.in(c, dir)
	}
	switch verb {
	case "install", "i", "ci":
		i.nodePackages(nil, false, "pnpm-lock.yaml", "pnpm-workspace.yaml", ".npmrc", ".pnpmfile.cjs")
	case "fetch":
		i.convention("pnpm-lock.yaml", "pnpm-workspace.yaml", ".npmrc", ".pnpmfile.cjs")
		i.nodeModules()
	case "add":
		i.nodePackages(p.words[1:], p.has("g", "global"), "pnpm-lock.yaml")
	case "config", "setup", "store", "env":
		return kind{known: true}
	case "":
		if len(p.words) == 0 {
			return kind{known: true}
		}
		return unknown
	default:
		return unknown
	}
	return kind{install: i}
}

func (c *call) bun() kind {
	p := options{long: []string{"cwd", "registry", "cache-dir", "filter", "backend", "omit", "network-concurrency"}}.parse(c.args)
	verb := p.word(0)
	i := c.newInstall("bun", verb, p)
	if dir, ok := p.last("cwd"); ok {
		i.in(c, dir)
	}
	switch verb {
	case "install", "i", "ci":
		i.nodePackages(p.words[1:], p.has("g", "global"), "bun.lock", "bun.lockb", "bunfig.toml", ".npmrc")
	case "add", "a":
		i.nodePackages(p.words[1:], p.has("g", "global"), "bun.lock")
	default:
		return unknown
	}
	return kind{install: i}
}

func (c *call) golang() kind {
	p := options{short: "C", long: []string{"modfile"}}.parse(c.args)
	if p.word(0) == "env" || p.word(0) == "version" {
		return kind{known: true}
	}
	if p.word(0) == "mod" && p.word(1) == "download" {
		i := c.newInstall("go", "mod download", p)
		if dir, ok := p.last("C"); ok {
			i.in(c, dir)
		}
		i.convention("go.mod", "go.sum", "go.work", "go.work.sum")
		return kind{install: i}
	}
	if p.word(0) == "install" && len(p.words) > 1 {
		i := c.newInstall("go", "install", p)
		for _, a := range p.words[1:] {
			if !strings.Contains(a.text, "@") {
				return unknown // a package of the source
			}
			i.Packages = append(i.Packages, a.text)
		}
		return kind{install: i}
	}
	return unknown
}

func (c *call) bundler() kind {
	p := options{short: "j", long: []string{"gemfile", "path", "jobs", "without", "with", "retry", "binstubs", "clean", "system", "shebang", "standalone", "trust-policy", "target-rbconfig"}}.parse(c.args)
	switch p.word(0) {
	case "install":
	case "config", "version":
		return kind{known: true}
	case "":
		if len(p.words) > 0 {
			return unknown
		}
	default:
		return unknown
	}
	if p.has("version", "v") {
		return kind{known: true}
	}
	i := c.newInstall("bundler", "install", p)
	gemfile := "Gemfile"
	if v, ok := c.env("BUNDLE_GEMFILE"); ok && v != "" {
		gemfile = v
	}
	if a, ok := p.last("gemfile"); ok && a.known {
		gemfile = a.text
	}
	i.convention(gemfile, gemfile+".lock", ".ruby-version", ".bundle/config")
	if a, ok := p.last("path"); ok {
		abs, _ := i.Path(a.text)
		i.Writes = append(i.Writes, abs)
	}
	return kind{install: i}
}

func (c *call) composer() kind {
	p := options{short: "d", long: []string{"working-dir", "ignore-platform-req", "prefer-install", "audit-format", "apcu-autoloader-prefix"}}.parse(c.args)
	verb := p.word(0)
	i := c.newInstall("composer", verb, p)
	if dir, ok := p.last("d", "working-dir"); ok {
		i.in(c, dir)
	}
	switch verb {
	case "install", "i":
		i.convention("composer.json", "composer.lock", "symfony.lock", "auth.json")
	case "global":
		if p.word(1) != "require" {
			return unknown
		}
		for _, a := range p.words[2:] {
			i.Packages = append(i.Packages, a.text)
		}
		return kind{install: i}
	case "config", "self-update", "clear-cache":
		return kind{known: true}
	default:
		return unknown
	}
	abs, _ := i.Path("vendor")
	i.Writes = append(i.Writes, abs)
	return kind{install: i}
}

func (c *call) cargo() kind {
	p := options{short: "j", long: []string{"manifest-path", "target", "config", "color", "version", "path", "git", "branch", "tag", "rev", "root", "registry", "index", "features", "jobs", "profile", "bin", "example"}}.parse(c.args)
	switch p.word(0) {
	case "fetch":
		i := c.newInstall("cargo", "fetch", p)
		if a, ok := p.last("manifest-path"); ok && a.known {
			i.convention(a.text, strings.TrimSuffix(a.text, ".toml")+".lock")
		} else {
			i.convention("Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo/config.toml")
		}
		return kind{install: i}
	case "install":
		i := c.newInstall("cargo", "install", p)
		if a, ok := p.last("path"); ok {
			i.needs("it installs a local path", a.text)
		}
		for _, a := range p.words[1:] {
			i.Packages = append(i.Packages, a.text)
		}
		return kind{install: i}
	}
	return unknown
}
