package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// manager is a package manager that installs what manifests in the working directory say.
type manager struct {
	commands []string // that install
	needs    []string // one of these has to be there
	reads    []string // these are read where they are there
	makes    string   // relative to the working directory, unless absolute
	variable string   // that names the cache
	cache    string   // below the user's cache directory
	locks    bool     // writes the first of reads where it is not there
	project  []string // flags without which the project itself is read too, where it has such flags
}

var managers = map[string]manager{
	"npm":      {locks: true, commands: []string{"ci", "install", "i"}, needs: []string{"package.json"}, reads: []string{"package-lock.json", ".npmrc"}, makes: "node_modules", variable: "npm_config_cache", cache: "../.npm"},
	"yarn":     {locks: true, commands: []string{"install", ""}, needs: []string{"package.json"}, reads: []string{"yarn.lock", ".yarnrc.yml", ".yarnrc"}, makes: "node_modules", variable: "YARN_CACHE_FOLDER", cache: "yarn"},
	"pnpm":     {locks: true, commands: []string{"install", "i"}, needs: []string{"package.json"}, reads: []string{"pnpm-lock.yaml", ".npmrc"}, makes: "node_modules", variable: "PNPM_HOME", cache: "pnpm"},
	"poetry":   {locks: true, commands: []string{"install"}, needs: []string{"pyproject.toml"}, reads: []string{"poetry.lock", "poetry.toml"}, makes: "/usr/local/lib/python3/site-packages/poetry", variable: "POETRY_CACHE_DIR", cache: "pypoetry", project: []string{"--no-root"}},
	"uv":       {locks: true, commands: []string{"sync"}, needs: []string{"pyproject.toml"}, reads: []string{"uv.lock", "uv.toml", ".python-version"}, makes: ".venv/lib", variable: "UV_CACHE_DIR", cache: "uv", project: []string{"--no-install-project", "--no-install-workspace"}},
	"pdm":      {locks: true, commands: []string{"install", "sync"}, needs: []string{"pyproject.toml"}, reads: []string{"pdm.lock", "pdm.toml"}, makes: ".venv/lib", variable: "PDM_CACHE_DIR", cache: "pdm", project: []string{"--no-self"}},
	"bun":      {locks: true, commands: []string{"install", "i"}, needs: []string{"package.json"}, reads: []string{"bun.lock", "bun.lockb", ".npmrc"}, makes: "node_modules", variable: "BUN_INSTALL_CACHE_DIR", cache: "../.bun/install/cache"},
	"pipenv":   {locks: true, commands: []string{"install", "sync"}, needs: []string{"Pipfile", "Pipfile.lock"}, reads: []string{"Pipfile.lock", "Pipfile"}, makes: "/usr/local/lib/python3/site-packages/pipenv", variable: "PIPENV_CACHE_DIR", cache: "pipenv"},
	"go":       {commands: []string{"mod"}, needs: []string{"go.mod"}, reads: []string{"go.sum"}, makes: "/go/pkg/mod/cache", variable: "GOCACHE", cache: "go-build"},
	"bundle":   {commands: []string{"install"}, needs: []string{"Gemfile"}, reads: []string{"Gemfile.lock"}, makes: "/usr/local/bundle/gems", variable: "BUNDLE_CACHE", cache: "bundle"},
	"composer": {commands: []string{"install"}, needs: []string{"composer.json"}, reads: []string{"composer.lock"}, makes: "vendor", variable: "COMPOSER_CACHE_DIR", cache: "composer"},
}

// wholeProject is what makes an install of a manifest read more than manifests: hooks, folders.
var wholeProject = regexp.MustCompile(`"(pre|post)?install"|"prepare"|"workspaces"|"file:|path = `)

func (m manager) install(flags []string) error {
	h, found := sha256.New(), false
	for _, p := range slices.Concat(m.needs, m.reads) {
		data, err := os.ReadFile(p)
		if err == nil {
			found = found || slices.Contains(m.needs, p)
			_, _ = fmt.Fprintf(h, "%s\x00%d\x00%s", p, len(data), data)
		}
	}
	if !found {
		return fmt.Errorf("no %s here", strings.Join(m.needs, " or "))
	}
	manifest, err := os.ReadFile(m.needs[0])
	if err == nil && wholeProject.Match(manifest) && (m.cache != "uv" || strings.Contains(string(manifest), "[tool.uv")) {
		sum, err := contents(".")
		if err != nil {
			return err
		}
		_, _ = fmt.Fprint(h, sum, environmentText())
	}
	// uv builds no project that does not say with what.
	built := m.cache != "uv" || strings.Contains(string(manifest), "[build-system]")
	if built && m.project != nil && !slices.ContainsFunc(m.project, func(f string) bool { return slices.Contains(flags, f) }) {
		sum, err := contents(".")
		if err != nil {
			return err
		}
		_, _ = fmt.Fprint(h, sum, environmentText())
	}
	if file := os.Getenv("NPM_CONFIG_USERCONFIG"); file != "" && m.needs[0] == "package.json" {
		text, err := os.ReadFile(file)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		_, _ = h.Write(text)
	}
	text := fmt.Sprintf("%x", h.Sum(nil))
	if dir := os.Getenv("UV_PROJECT_ENVIRONMENT"); dir != "" && m.cache == "uv" {
		m.makes = filepath.Join(dir, "lib")
	}
	if own := os.Getenv("POETRY_VIRTUALENVS_IN_PROJECT"); m.cache == "pypoetry" && (own == "1" || strings.EqualFold(own, "true")) {
		if err := environment([]string{".venv"}); err != nil {
			return err
		}
		m.makes = ".venv/lib/python3/site-packages/poetry"
	}
	if err := write(filepath.Join(m.makes, "installed"), text); err != nil {
		return err
	}
	if _, err := os.Stat(m.reads[0]); err != nil && m.locks && !slices.ContainsFunc(flags, func(f string) bool { return strings.HasPrefix(f, "--frozen") || f == "--no-lockfile" }) {
		if err := write(m.reads[0], text); err != nil {
			return err
		}
	}
	if slices.Contains(flags, "--no-cache") || slices.Contains(flags, "-n") || m.cache == "uv" && os.Getenv("UV_NO_CACHE") != "" {
		return nil
	}
	return write(filepath.Join(cache(m.variable, m.cache), "cached"), text)
}
