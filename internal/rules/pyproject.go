package rules

import (
	"path"
	"slices"

	"github.com/BurntSushi/toml"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// pyproject is the part of pyproject.toml that says whether the project itself is installed.
type pyproject struct {
	BuildSystem map[string]any `toml:"build-system"`
	Tool        struct {
		Poetry struct {
			PackageMode     *bool          `toml:"package-mode"`
			Dependencies    map[string]any `toml:"dependencies"`
			DevDependencies map[string]any `toml:"dev-dependencies"`
			Group           map[string]struct {
				Dependencies map[string]any `toml:"dependencies"`
			} `toml:"group"`
		} `toml:"poetry"`
		UV uvTable `toml:"uv"`
	} `toml:"tool"`
}

type uvTable struct {
	set       bool
	Package   *bool
	Workspace any
	Sources   map[string]any
}

// UnmarshalTOML notes that the table is there at all.
func (t *uvTable) UnmarshalTOML(v any) error {
	t.set = true
	table, _ := v.(map[string]any)
	if b, ok := table["package"].(bool); ok {
		t.Package = &b
	}
	t.Workspace = table["workspace"]
	t.Sources, _ = table["sources"].(map[string]any)
	return nil
}

// localSources says whether dependencies of uv come from the source itself.
func (p pyproject) localSources() bool {
	return p.Tool.UV.Workspace != nil || localIn(p.Tool.UV.Sources, "path", "workspace")
}

// localIn says whether one of some dependencies is a directory: one with a path, or a member of the
// workspace.
func localIn(dependencies map[string]any, keys ...string) bool {
	var local func(v any) bool
	local = func(v any) bool {
		switch v := v.(type) {
		case map[string]any:
			return slices.ContainsFunc(keys, func(key string) bool { return v[key] != nil })
		case []map[string]any:
			return slices.ContainsFunc(v, func(m map[string]any) bool { return local(m) })
		case []any:
			return slices.ContainsFunc(v, local)
		}
		return false
	}
	for _, v := range dependencies {
		if local(v) {
			return true
		}
	}
	return false
}

// installsLocal says whether an install of a project installs directories of the source too, which the
// options that leave out the project itself do not leave out, or reads them to see whether the lock file
// is up to date.
// Source: https://docs.astral.sh/uv/reference/cli/#uv-sync, https://python-poetry.org/docs/cli/#install
func (p pyproject) installsLocal(install shelleffects.Install) bool {
	has := func(option string) bool {
		return slices.ContainsFunc(install.Command.Words, func(w dockerfile.Word) bool { return w.Value == option })
	}
	switch install.Tool {
	case "uv":
		without := has("--no-install-local") || has("--no-install-workspace") && !localIn(p.Tool.UV.Sources, "path")
		return p.localSources() && (!without || !has("--frozen"))
	case "poetry":
		if has("--no-directory") {
			return false
		}
		for _, g := range p.Tool.Poetry.Group {
			if localIn(g.Dependencies, "path") {
				return true
			}
		}
		return localIn(p.Tool.Poetry.Dependencies, "path") || localIn(p.Tool.Poetry.DevDependencies, "path")
	}
	return false
}

func (v *view) pyproject(repo string) (pyproject, error) {
	var out pyproject
	if v.Read == nil {
		return out, ErrNeeded
	}
	file, err := v.Read(repo)
	if err != nil {
		return out, err
	}
	_, err = toml.Decode(string(file.Data), &out)
	return out, err
}

// isPackage says whether an install that can leave the project out installs it: not where its
// pyproject.toml says that it is no package.
// Source: Poetry's "package-mode", uv's "tool.uv.package" and build systems.
func (v *view) isPackage(r readsOf, install shelleffects.Install) bool {
	for _, repo := range r.paths {
		if path.Base(repo) != "pyproject.toml" {
			continue
		}
		project, err := v.pyproject(repo)
		if err != nil {
			return true
		}
		switch install.Tool {
		case "poetry":
			return project.Tool.Poetry.PackageMode == nil || *project.Tool.Poetry.PackageMode
		case "uv":
			if project.Tool.UV.Package != nil {
				return *project.Tool.UV.Package
			}
			return project.BuildSystem != nil
		}
	}
	return true
}
