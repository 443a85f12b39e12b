package fix

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/goccy/go-yaml"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/requirements"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// manifestFile judges one file that an install of another tool than pip and uv reads and that stays in
// the old COPY's place: all that it names in turn has to be there too, and nothing that it makes the
// tool run may need the source. repo is its path in the repository.
func (m *move) manifestFile(i shelleffects.Install, repo string) Reason {
	src, err := m.in.Read(repo)
	if err != nil {
		return rules.ManifestUnknown
	}
	base := path.Base(repo)
	switch i.Tool {
	case "npm", "yarn", "pnpm", "bun":
		return m.nodeFile(i, base, src.Data)
	case "poetry", "pdm", "pipenv":
		return pythonProject(base, src.Data)
	case "conda":
		return condaEnvironment(src)
	case "go":
		// A go.work above the module makes it one of a workspace.
		for dir := i.Dir; dir != "/" && dir != "."; dir = path.Dir(dir) {
			if m.source.files[path.Join(dir, "go.work")] != "" {
				return rules.NeedsSource
			}
		}
		return goModule(base, src.Data)
	case "cargo":
		return rules.NeedsSource // cargo refuses a manifest whose targets are not there
	}
	return rules.NotProven
}

// rewrites says whether an install may write a manifest that the moved COPY brings too: the COPY would
// take the change back. Tools that are told to keep to the lock file write nothing.
// Source: the documentation of npm ci, yarn install (v1), pnpm install, bun install, poetry install,
// pipenv install, pdm install, go mod download.
func (m *move) rewrites(i shelleffects.Install) Reason {
	var locks []string
	frozen := false
	switch i.Tool {
	case "npm":
		locks, frozen = []string{"package-lock.json", "npm-shrinkwrap.json"}, slices.Contains([]string{"ci", "clean-install", "ic", "install-clean"}, i.Verb)
	case "yarn":
		locks, frozen = []string{"yarn.lock"}, told(i, "--frozen-lockfile", "--immutable", "--pure-lockfile", "--no-lockfile")
	case "pnpm":
		locks, frozen = []string{"pnpm-lock.yaml"}, i.Verb == "fetch" || i.Verb == "ci" || told(i, "--frozen-lockfile")
	case "bun":
		locks, frozen = []string{"bun.lock", "bun.lockb"}, i.Verb == "ci" || told(i, "--frozen-lockfile")
	case "pipenv":
		locks, frozen = []string{"Pipfile.lock"}, i.Verb == "sync" || told(i, "--deploy", "--ignore-pipfile")
	case "pdm":
		locks, frozen = []string{"pdm.lock"}, i.Verb == "sync" || told(i, "--frozen-lockfile", "--check")
	case "poetry":
		locks = []string{"poetry.lock"} // installs what the lock file says; without one it writes it
	case "go":
		locks = []string{"go.sum"}
	}
	for n, lock := range locks {
		image, known := i.Path(lock)
		if !known {
			return rules.ManifestUnknown
		}
		_, kept := m.kept.files[image]
		switch {
		case kept && (frozen || i.Tool == "poetry" || i.Tool == "go"):
		case kept, m.source.covers(image):
			return rules.Overwrites
		case n == 0 && !frozen:
			if reason := m.mayBeIgnored(image); reason != "" {
				return reason
			}
		}
	}
	return ""
}

// told says whether one of some flags stands on an install's command line.
func told(i shelleffects.Install, flags ...string) bool {
	return slices.ContainsFunc(i.Command.Words, func(w dockerfile.Word) bool { return w.Literal && slices.Contains(flags, w.Value) })
}

// nodeFile judges a manifest of Node.js package managers. Settings other than .npmrc's harmless ones are
// refused: they may name files of the source (yarnPath, patches, hooks).
func (m *move) nodeFile(i shelleffects.Install, base string, data []byte) Reason {
	switch base {
	case "package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml", "bun.lock", "bun.lockb":
		if localLock.Match(data) {
			return rules.NeedsSource
		}
		return m.nodeAbove(i)
	case ".npmrc":
		return npmSettings(string(data))
	case "package.json":
	default:
		return rules.ConfigurationFile
	}
	var project map[string]any
	if json.Unmarshal(data, &project) != nil {
		return rules.ManifestUnknown
	}
	if project["workspaces"] != nil {
		return rules.NeedsSource
	}
	if manager, _ := project["packageManager"].(string); strings.HasPrefix(manager, "yarn@") && !strings.HasPrefix(manager, "yarn@1.") {
		return rules.ManifestUnknown // Yarn 2 and later keep more than node_modules in the project
	}
	if !told(i, "--ignore-scripts") {
		if m.readByPackages(project) {
			return rules.NeedsSource
		}
		for _, hook := range rules.InstallHooks {
			if script := table(project["scripts"])[hook]; script != nil && script != "" {
				return rules.NeedsSource
			}
		}
	}
	for _, key := range []string{"dependencies", "devDependencies", "optionalDependencies", "peerDependencies", "overrides", "resolutions", "pnpm"} {
		if namesLocal(project[key]) {
			return rules.NeedsSource
		}
	}
	return m.nodeAbove(i)
}

// localLock is a package in a lock file that lies in a folder or a file of the project.
// Source: npm's documentation, "package-lock.json" (resolved); Yarn's, "protocols"; pnpm's, "Lockfile".
var localLock = lazyregexp.New(`["'@ ](file|link|portal):[^\s"']`)

// readByPackages says whether a dependency is known to read, when it is installed, a file of the project that would no
// longer be there: it would install something else.
func (m *move) readByPackages(project map[string]any) bool {
	for _, key := range []string{"dependencies", "devDependencies", "optionalDependencies"} {
		for name := range table(project[key]) {
			reads, known := readWhenInstalled[name]
			if known && slices.ContainsFunc(m.source.sorted, func(image string) bool {
				_, kept := m.kept.files[image]
				return !kept && reads.MatchString(path.Base(image))
			}) {
				return true
			}
		}
	}
	return project["msw"] != nil // msw writes its worker into a folder that is named here
}

// readWhenInstalled are packages with an install script that reads files of these names.
// Source: Prisma's documentation, "Generating Prisma Client" (the postinstall hook); Puppeteer's, "Configuration";
// Sentry's, "Configuration and Authentication" of sentry-cli; npm packages' own package.json.
var readWhenInstalled = map[string]*lazyregexp.Regexp{
	"@prisma/client": schema, "prisma": schema,
	"puppeteer":   lazyregexp.New(`^(\.puppeteerrc|puppeteer\.config)`),
	"@sentry/cli": lazyregexp.New(`^\.sentryclirc$`),
}

// schema is a file of Prisma's, or its settings.
var schema = lazyregexp.New(`\.prisma$|^prisma\.config\.`)

// namesLocal says whether a value of package.json names a file or a folder of the project.
func namesLocal(v any) bool {
	switch v := v.(type) {
	case string:
		return slices.ContainsFunc([]string{"file:", "link:", "portal:", "workspace:", "patch:", ".", "/", "~/"}, func(prefix string) bool { return strings.HasPrefix(v, prefix) }) ||
			strings.HasSuffix(v, ".patch")
	case map[string]any:
		for key, o := range v {
			if key == "patchedDependencies" || namesLocal(o) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, namesLocal)
	}
	return false
}

// nodeRoots are files by which Node.js package managers find the root of a project above the folder
// that they run in, and those that steer them there: a binding.gyp makes npm compile the project, a
// .yarnclean takes files out of node_modules, and bun reads .env.
var nodeRoots = []string{
	"package.json", "package.yaml", "package.json5", "pnpm-workspace.yaml", "lerna.json", ".npmrc", ".yarnrc", ".yarnrc.yml", ".yarnclean",
	".pnpmfile.cjs", "bunfig.toml", ".env", "binding.gyp",
}

// nodeAbove refuses a source that has such a file in or above the install's folder which would no
// longer be there.
func (m *move) nodeAbove(i shelleffects.Install) Reason {
	for dir := i.Dir; ; dir = path.Dir(dir) {
		for _, name := range nodeRoots {
			image := path.Join(dir, name)
			if _, kept := m.kept.files[image]; !kept && m.source.files[image] != "" {
				return rules.ConfigurationFile
			}
		}
		if len(m.source.below(path.Join(dir, ".yarn"))) > 0 {
			return rules.ConfigurationFile
		}
		if dir == "/" || dir == "." {
			return ""
		}
	}
}

// harmlessSettings are keys of .npmrc that name no file.
// Source: npm's documentation, "config"; pnpm's, "Settings (.npmrc)".
var harmlessSettings = []string{
	"registry", "engine-strict", "legacy-peer-deps", "strict-peer-dependencies", "strict-peer-deps", "auto-install-peers", "shamefully-hoist", "public-hoist-pattern[]",
	"hoist", "save-exact", "save-prefix", "save", "fund", "audit", "loglevel", "progress", "package-lock", "lockfile-version", "omit-lockfile-registry-resolved",
	"resolution-mode", "node-linker", "fetch-retries", "fetch-timeout", "fetch-retry-mintimeout", "fetch-retry-maxtimeout", "maxsockets", "network-timeout",
	"always-auth", "update-notifier", "message", "tag-version-prefix", "prefer-offline", "dedupe-peer-dependents", "side-effects-cache", "color",
}

func npmSettings(text string) Reason {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		key, _, ok := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		scoped := strings.HasPrefix(key, "@") && strings.HasSuffix(key, ":registry")
		login := strings.HasPrefix(key, "//") && (strings.HasSuffix(key, ":_authToken") || strings.HasSuffix(key, ":_auth") || strings.HasSuffix(key, ":always-auth"))
		if !ok || !scoped && !login && !slices.Contains(harmlessSettings, key) {
			return rules.ConfigurationFile
		}
	}
	return ""
}

// pythonProject judges a manifest of poetry, pdm or pipenv: no dependency lies in the repository, and
// nothing about the project is computed from it.
// Source: Poetry's documentation, "The pyproject.toml file" and "Plugins"; Pipenv's, "Pipfile"; PDM's,
// "Manage dependencies".
func pythonProject(base string, data []byte) Reason {
	if base == "Pipfile.lock" {
		var lock map[string]map[string]any
		if json.Unmarshal(data, &lock) != nil {
			return rules.ManifestUnknown
		}
		for _, section := range lock {
			for _, p := range section {
				if localDependency(p) {
					return rules.NeedsSource
				}
			}
		}
		return ""
	}
	var file map[string]any
	if _, err := toml.Decode(string(data), &file); err != nil {
		return rules.ManifestUnknown
	}
	if base == "Pipfile" {
		for _, section := range file {
			for _, p := range table(section) {
				if localDependency(p) {
					return rules.NeedsSource
				}
			}
		}
		return ""
	}
	for _, p := range tables(file["package"]) { // of a lock file
		if kind, _ := table(p["source"])["type"].(string); kind == "directory" || kind == "file" || p["path"] != nil {
			return rules.NeedsSource
		}
	}
	project, tool := table(file["project"]), table(file["tool"])
	poetry, pdm := table(tool["poetry"]), table(tool["pdm"])
	if dynamic, _ := project["dynamic"].([]any); slices.ContainsFunc(dynamic, func(v any) bool { return v != "version" || poetry["version"] == nil }) ||
		tool["poetry-dynamic-versioning"] != nil || poetry["requires-plugins"] != nil || pdm["plugins"] != nil || pdm["scripts"] != nil || pdm["workspace"] != nil {
		return rules.NeedsSource
	}
	groups := []any{poetry["dependencies"], poetry["dev-dependencies"]}
	for _, g := range table(poetry["group"]) {
		groups = append(groups, table(g)["dependencies"])
	}
	for _, g := range groups {
		for _, p := range table(g) {
			if localDependency(p) || slices.ContainsFunc(tables(p), func(t map[string]any) bool { return localDependency(t) }) {
				return rules.NeedsSource
			}
		}
	}
	development := table(pdm["dev-dependencies"])
	for _, list := range development {
		lines, _ := list.([]any)
		if slices.ContainsFunc(lines, func(v any) bool { s, _ := v.(string); return strings.HasPrefix(strings.TrimSpace(s), "-e") }) {
			return rules.NeedsSource
		}
	}
	if namesFile(project["dependencies"]) || namesFile(table(project["optional-dependencies"])) || namesFile(table(file["dependency-groups"])) || namesFile(development) {
		return rules.NeedsSource
	}
	return ""
}

// localDependency says whether a dependency is given as a table that names a path.
func localDependency(v any) bool {
	t := table(v)
	file, _ := t["file"].(string)
	return t["path"] != nil || t["editable"] != nil && t["git"] == nil || file != "" && !strings.Contains(file, "://")
}

// condaEnvironment judges an environment file: its pip section may name files, and channels may be
// folders.
// Source: conda's documentation, "Creating an environment file manually".
func condaEnvironment(src *source.File) Reason {
	var environment struct {
		Channels     []string `yaml:"channels"`
		Dependencies []any    `yaml:"dependencies"`
	}
	if yaml.Unmarshal(src.Data, &environment) != nil {
		return rules.ManifestUnknown
	}
	for _, c := range environment.Channels {
		if strings.HasPrefix(c, ".") || strings.HasPrefix(c, "/") || strings.HasPrefix(c, "file:") {
			return rules.NeedsSource
		}
	}
	for _, d := range environment.Dependencies {
		group, ok := d.(map[string]any)
		if !ok {
			continue
		}
		for manager, list := range group {
			lines, ok := list.([]any)
			if !ok || manager != "pip" {
				return rules.ManifestUnknown
			}
			var text strings.Builder
			for _, line := range lines {
				s, _ := line.(string)
				text.WriteString(s + "\n")
			}
			if reason := pipLines(src.Path, text.String()); reason != "" {
				return reason
			}
		}
	}
	return ""
}

func pipLines(name, text string) Reason {
	file := requirements.Parse(source.New(name, []byte(text)))
	switch {
	case len(file.Errors) > 0 || len(file.Includes) > 0:
		return rules.ManifestUnknown
	case slices.ContainsFunc(file.Requirements, func(r requirements.Requirement) bool { return r.Kind == requirements.Path }):
		return rules.NeedsSource
	}
	for _, o := range file.Options {
		if remote := strings.Contains(o.Value, "://") && !strings.HasPrefix(o.Value, "file:"); !remote && o.Value != "" {
			return rules.ManifestUnknown // --find-links of a folder
		}
	}
	return ""
}

// goModule judges go.mod: a replacement by a folder needs that folder's go.mod.
// Source: "Go Modules Reference", replace directive and workspaces.
func goModule(base string, data []byte) Reason {
	switch base {
	case "go.sum", "go.work.sum":
		return ""
	case "go.mod":
	default:
		return rules.NeedsSource // a workspace reads the go.mod of each of its modules
	}
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "//")
		words := strings.Fields(line)
		if n := slices.Index(words, "=>"); n >= 0 && n+1 < len(words) {
			to := strings.Trim(words[n+1], "\"`")
			if strings.HasPrefix(to, ".") || strings.HasPrefix(to, "/") {
				return rules.NeedsSource
			}
		}
	}
	return ""
}
