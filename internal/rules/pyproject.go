package rules

import (
	"path"
	"slices"

	"github.com/BurntSushi/toml"

	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// pyproject is the part of pyproject.toml that says whether the project itself is installed.
type pyproject struct {
	BuildSystem map[string]any `toml:"build-system"`
	Tool        struct {
		Poetry struct {
			PackageMode *bool `toml:"package-mode"`
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

// localSources says whether dependencies come from the source itself.
func (p pyproject) localSources() bool {
	if p.Tool.UV.Workspace != nil {
		return true
	}
	var local func(v any) bool
	local = func(v any) bool {
		switch v := v.(type) {
		case map[string]any:
			return v["path"] != nil || v["workspace"] != nil
		case []map[string]any:
			return slices.ContainsFunc(v, func(m map[string]any) bool { return local(m) })
		case []any:
			return slices.ContainsFunc(v, local)
		}
		return false
	}
	for _, v := range p.Tool.UV.Sources {
		if local(v) {
			return true
		}
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
