package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// cacheKeys are the keys of a tool's settings files that say where its cache lies, whether it is kept, and
// what is linked into it or lies in it.
// Source: https://docs.astral.sh/uv/reference/settings/, https://python-poetry.org/docs/configuration/
var cacheKeys = map[string][]string{
	"uv":     {"cache-dir", "no-cache", "link-mode"},
	"poetry": {"cache-dir", "virtualenvs.path"},
}

// environmentKeys are those by which poetry puts its virtual environment elsewhere than into its cache, or makes
// none.
var environmentKeys = []string{"virtualenvs.create", "virtualenvs.in-project"}

// settingsSay says whether a settings file of an install's tool, which a COPY or mount brings to where the tool
// looks for it, has one of some keys.
func (p *Pass) settingsSay(lane []step, i int, install shelleffects.Install, keys []string) bool {
	state := p.states[lane[i].in]
	var files []string
	switch install.Tool {
	case "uv":
		if state.Env["UV_CONFIG_FILE"] != "" {
			return true
		}
		files = []string{"/etc/uv/uv.toml", "/root/.config/uv/uv.toml"}
		if dir := state.Env["XDG_CONFIG_HOME"]; path.IsAbs(dir) {
			files = append(files, path.Join(dir, "uv", "uv.toml"))
		}
		for dir := install.Dir; install.DirKnown; dir = path.Dir(dir) {
			files = append(files, path.Join(dir, "uv.toml"), path.Join(dir, "pyproject.toml"))
			if dir == "/" || dir == "." {
				break
			}
		}
	case "poetry":
		files = []string{"/root/.config/pypoetry/config.toml"}
		if install.DirKnown {
			files = append(files, path.Join(install.Dir, "poetry.toml"))
		}
	}
	return slices.ContainsFunc(files, func(image string) bool {
		at, found := p.locate(lane, i, image)
		if !found || at.file == "" || p.Read == nil {
			return false
		}
		file, err := p.Read(p.Context.RepoPath(at.file))
		if err != nil {
			return false
		}
		var settings map[string]any
		if _, err := toml.Decode(string(file.Data), &settings); err != nil {
			return true // not known
		}
		if path.Base(image) == "pyproject.toml" {
			settings = tableIn(tableIn(settings, "tool"), "uv")
		}
		return slices.ContainsFunc(keys, func(key string) bool {
			return setIn(settings, key) || install.Tool == "uv" && setIn(tableIn(settings, "pip"), key)
		})
	})
}

// setIn says whether a table, or a table in it, has a key, written with a dot, with a value that says something:
// of uv's ways to link only symbolic links need its cache later.
func setIn(table map[string]any, key string) bool {
	if first, rest, dotted := strings.Cut(key, "."); dotted {
		return setIn(tableIn(table, first), rest)
	}
	value := table[key]
	return value != nil && (key != "no-cache" || value != false) && (key != "link-mode" || value == "symlink")
}

func tableIn(table map[string]any, key string) map[string]any {
	t, _ := table[key].(map[string]any)
	return t
}

// configuresPoetry says whether a command tells poetry where its cache or its virtual environments lie.
func configuresPoetry(cmd *dockerfile.Command) bool {
	return cmd.Name == "poetry" && len(cmd.Words) > 2 && slices.ContainsFunc(cmd.Words, func(w dockerfile.Word) bool { return w.Value == "config" }) &&
		slices.ContainsFunc(cmd.Words, func(w dockerfile.Word) bool { return slices.Contains(cacheKeys["poetry"], w.Value) })
}
