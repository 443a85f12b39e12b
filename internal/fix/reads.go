package fix

import (
	"path"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"mvdan.cc/sh/v3/syntax"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/requirements"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// reads judges the manifests of an install: each file that it reads of the moved COPY's has to be
// kept in the old place, with everything that it includes, at the same paths.
func (m *move) reads(i shelleffects.Install) Reason {
	var files, constraints []string
	for _, man := range i.Manifests {
		image, known := i.Path(man.Path)
		if !known {
			return rules.ManifestUnknown
		}
		if file := m.boundTo(image); file != "" {
			if reason := m.boundManifest(i, man, file); reason != "" {
				return reason
			}
			continue
		}
		file, kept := m.kept.files[image]
		if !kept {
			file = m.broughtBy(image)
		}
		switch {
		case !kept && m.source.files[image] != "":
			return rules.StepBetween // it reads what the COPY brings
		case !kept && m.source.covers(image):
			return rules.ManifestMissing
		case file == "" && !man.Optional && shelleffects.Covers(m.source.dest, image):
			return rules.ManifestMissing // made before the build, perhaps, and brought by the COPY
		case file == "" && !man.Optional && m.mayBeMade(image):
			return rules.ManifestUnknown // it may name paths of the source
		case file == "":
			continue
		case !m.isFile(file):
			return rules.ManifestLink
		}
		repo := m.in.Context.RepoPath(file)
		switch {
		case i.Tool != "pip" && i.Tool != "uv" && (i.Tool != "pipenv" || path.Base(man.Path) == "Pipfile" || path.Base(man.Path) == "Pipfile.lock"):
			if reason := m.manifestFile(i, repo); reason != "" {
				return reason
			}
		case path.Ext(file) == ".toml" || path.Ext(file) == ".lock":
			if reason := m.project(repo); reason != "" {
				return reason
			}
		case man.Constraint:
			constraints = append(constraints, repo)
		default:
			files = append(files, repo)
		}
	}
	if len(files)+len(constraints) == 0 {
		return ""
	}
	set, err := requirements.Collect(files, constraints, m.in.Read)
	switch {
	case err != nil || set == nil:
		return rules.ManifestUnknown
	case len(set.Missing) > 0:
		return rules.ManifestMissing
	}
	for _, f := range set.Files {
		if m.gone(f) {
			return rules.ManifestMissing
		}
		if reason := m.requirementsFile(i, f); reason != "" {
			return reason
		}
	}
	return ""
}

// mayBeMade says whether a file that no COPY of the context brings may be there all the same: from another stage,
// by a mount, or made by a command above.
func (m *move) mayBeMade(image string) bool {
	if m.at != nil && m.at.Run() != nil && slices.ContainsFunc(m.at.Run().Mounts, func(mount *instructions.Mount) bool {
		return mount.Type != instructions.MountTypeTmpfs && shelleffects.Overlaps(m.mountTarget(m.at, mount), image)
	}) {
		return true
	}
	for stage := m.step.Stage; stage != nil; stage = stage.Parent {
		for _, o := range stage.Instructions {
			if o == m.at {
				break
			}
			switch o.Keyword {
			case "COPY", "ADD":
				dest, _, known := m.dest(o)
				if cmd, ok := o.Command.(*instructions.CopyCommand); (!ok || cmd.From != "") && (!known || shelleffects.Covers(dest, image)) {
					return true
				}
			case "RUN":
				e := m.effects(o)
				if e.Unread || len(e.Unknown) > 0 || slices.ContainsFunc(e.Touches, func(t shelleffects.Touch) bool {
					return slices.ContainsFunc(t.Paths, func(p string) bool { return shelleffects.Overlaps(p, image) })
				}) || slices.ContainsFunc(o.Run().Commands, func(c *dockerfile.Command) bool { return len(c.Redirects) > 0 }) {
					return true
				}
			}
		}
	}
	return false
}

// gone says whether a requirements file comes with the moved COPY and is not kept in its place.
func (m *move) gone(f *requirements.File) bool {
	file := m.contextPath(f.Source.Path)
	return m.source.brought[file] && !m.kept.brought[file]
}

// boundTo is the file of the context that a bind mount of the RUN puts at a path; "" where none does.
func (m *move) boundTo(image string) string {
	if m.at == nil || m.at.Run() == nil {
		return ""
	}
	for _, mount := range m.at.Run().Mounts {
		target := m.mountTarget(m.at, mount)
		if mount.Type != instructions.MountTypeBind || mount.From != "" || !shelleffects.Covers(target, image) {
			continue
		}
		if file := path.Join(mount.Source, strings.TrimPrefix(image, target)); m.isFile(strings.TrimPrefix(file, "/")) {
			return strings.TrimPrefix(file, "/")
		}
	}
	return ""
}

// boundManifest judges a manifest that a bind mount shows the install: it is there without the source, and so has to
// be what it names.
func (m *move) boundManifest(i shelleffects.Install, man shelleffects.Manifest, file string) Reason {
	repo := m.in.Context.RepoPath(file)
	switch {
	case i.Tool != "pip" && i.Tool != "uv" && (i.Tool != "pipenv" || path.Base(man.Path) == "Pipfile" || path.Base(man.Path) == "Pipfile.lock"):
		return m.manifestFile(i, repo)
	case path.Ext(file) == ".toml" || path.Ext(file) == ".lock":
		return m.project(repo)
	}
	set, err := requirements.Collect([]string{repo}, nil, m.in.Read)
	switch {
	case err != nil || set == nil:
		return rules.ManifestUnknown
	case len(set.Missing) > 0:
		return rules.ManifestMissing
	}
	for _, f := range set.Files {
		if f.Source.Path != repo && m.gone(f) {
			return rules.ManifestMissing
		}
		if reason := m.requirementsFile(i, f); reason != "" {
			return reason
		}
	}
	return ""
}

// requirementsFile judges one file of an install's set.
func (m *move) requirementsFile(i shelleffects.Install, f *requirements.File) Reason {
	if len(f.Errors) > 0 {
		return rules.ManifestUnknown
	}
	for _, r := range f.Requirements {
		switch {
		case r.Kind == requirements.Path:
			return rules.NeedsSource
		case r.Kind == requirements.VCS && r.Editable:
			// pip checks it out below its directory, or below the virtual environment.
			src := path.Join(i.Dir, "src")
			if m.source.covers(src) {
				return rules.Overwrites
			}
			if reason := m.mayBeIgnored(src); reason != "" {
				return reason
			}
		}
	}
	for _, o := range f.Options {
		switch strings.TrimLeft(o.Name, "-") {
		case "f", "find-links", "i", "index-url", "extra-index-url", "pypi-url":
			if scheme, _, remote := strings.Cut(o.Value, "://"); !remote || scheme == "file" {
				return rules.NeedsSource
			}
		}
	}
	return ""
}

// contextPath is a path of the repository as one of the context.
func (s scene) contextPath(repo string) string {
	dir := path.Clean(s.in.Context.Build.Context)
	if dir == "." {
		return repo
	}
	return strings.TrimPrefix(repo, dir+"/")
}

// broughtBy is the file of the context that another COPY than the moved one puts at a path before the last
// install, in its stage or in those that it is FROM; "" where none does.
func (m *move) broughtBy(image string) string {
	for stage := m.step.Stage; stage != nil; stage = stage.Parent {
		for _, o := range stage.Instructions {
			if o == m.below {
				break
			}
			if o == m.step || o.Keyword != "COPY" && o.Keyword != "ADD" {
				continue
			}
			if p, reason := m.placeCopy(o); reason == "" && p.files[image] != "" {
				return p.files[image]
			}
		}
	}
	return ""
}

// project judges a pyproject.toml, uv.toml or lock file: dependencies that lie in the repository need
// the source, and so does a project whose metadata is computed.
// Source: uv's documentation, "Managing dependencies" and "Workspaces"; PEP 621, "dynamic".
func (m *move) project(repo string) Reason {
	src, err := m.in.Read(repo)
	if err != nil {
		return rules.ManifestUnknown
	}
	var file map[string]any
	if _, err := toml.Decode(string(src.Data), &file); err != nil {
		return rules.ManifestUnknown
	}
	if path.Ext(repo) == ".lock" {
		for _, p := range tables(file["package"]) {
			for _, kind := range []string{"editable", "directory", "virtual", "path"} {
				if at, ok := table(p["source"])[kind].(string); ok && at != "." {
					return rules.NeedsSource
				}
			}
		}
		return ""
	}
	project, uv := table(file["project"]), table(table(file["tool"])["uv"])
	if dynamic, _ := project["dynamic"].([]any); len(dynamic) > 0 {
		return rules.NeedsSource
	}
	if uv["workspace"] != nil {
		return rules.NeedsSource
	}
	for _, v := range table(uv["sources"]) {
		list := tables(v)
		if one := table(v); one != nil {
			list = append(list, one)
		}
		for _, s := range list {
			if s["path"] != nil || s["workspace"] != nil {
				return rules.NeedsSource
			}
		}
	}
	if namesFile(project["dependencies"]) || namesFile(table(project["optional-dependencies"])) || namesFile(table(file["dependency-groups"])) {
		return rules.NeedsSource
	}
	return ""
}

// namesFile says whether one of the requirements in a value of TOML is a file of the disk.
func namesFile(v any) bool {
	switch v := v.(type) {
	case string:
		_, address, ok := strings.Cut(v, "@")
		address = strings.TrimSpace(address)
		return ok && (strings.HasPrefix(address, "file:") || strings.HasPrefix(address, ".") || strings.HasPrefix(address, "/"))
	case []any:
		return slices.ContainsFunc(v, namesFile)
	case map[string]any:
		for _, o := range v {
			if namesFile(o) {
				return true
			}
		}
	}
	return false
}

func table(v any) map[string]any {
	t, _ := v.(map[string]any)
	return t
}

func tables(v any) []map[string]any {
	switch v := v.(type) {
	case []map[string]any:
		return v
	case []any:
		var out []map[string]any
		for _, o := range v {
			out = append(out, table(o))
		}
		return out
	}
	return nil
}

// isPackage says whether a uv project is installed itself by a sync that does not leave it out: where
// tool.uv.package says so, else where it has a build system.
// Source: uv's documentation, "Configuring projects", "Project packaging".
func (m *move) isPackage(i shelleffects.Install) bool {
	file, ok := m.kept.files[path.Join(i.Dir, "pyproject.toml")]
	if !ok || i.Tool != "uv" || !i.DirKnown {
		return true
	}
	src, err := m.in.Read(m.in.Context.RepoPath(file))
	if err != nil {
		return true
	}
	var project map[string]any
	if _, err := toml.Decode(string(src.Data), &project); err != nil {
		return true
	}
	if is, ok := table(table(project["tool"])["uv"])["package"].(bool); ok {
		return is
	}
	return project["build-system"] != nil
}

// repeaters are commands that say which names a wildcard matches.
var repeaters = []string{"echo", "printf", "set", "export", "declare"}

// silentReads says whether a script reads files in ways that are not in its list of commands: the
// wildcards of a loop or of echo, $(<file), tests of files in [[ ]], the redirections of loops and groups.
func silentReads(run *dockerfile.Run) bool {
	if run.Exec != nil {
		return false
	}
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(run.Script), "")
	if err != nil {
		return true
	}
	found := false
	syntax.Walk(file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CallExpr:
			if len(n.Args) > 0 && slices.Contains(repeaters, n.Args[0].Lit()) {
				found = found || slices.ContainsFunc(n.Args[1:], hasGlob)
			}
		case *syntax.WordIter:
			for _, w := range n.Items {
				found = found || hasGlob(w)
			}
		case *syntax.ArrayExpr:
			for _, e := range n.Elems {
				found = found || e.Value != nil && hasGlob(e.Value)
			}
		case *syntax.UnaryTest:
			switch n.Op {
			case syntax.TsEmpStr, syntax.TsNempStr, syntax.TsNot, syntax.TsOptSet, syntax.TsVarSet, syntax.TsRefVar:
			default:
				found = true
			}
		case *syntax.BinaryTest:
			switch n.Op {
			case syntax.TsNewer, syntax.TsOlder, syntax.TsDevIno:
				found = true
			}
		case *syntax.Stmt:
			if _, simple := n.Cmd.(*syntax.CallExpr); !simple {
				for _, r := range n.Redirs {
					if r.Hdoc == nil && r.Word != nil && r.Word.Lit() != "/dev/null" && r.Op != syntax.DplIn && r.Op != syntax.DplOut {
						found = true
					}
				}
			}
		}
		return !found
	})
	return found
}

func hasGlob(w *syntax.Word) bool {
	for _, part := range w.Parts {
		if l, ok := part.(*syntax.Lit); ok && strings.ContainsAny(l.Value, "*?[") {
			return true
		}
	}
	return false
}
