package rules

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/requirements"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
)

// readsOf is what one install reads of the repository.
type readsOf struct {
	named  []located // the manifests that it names, as far as a COPY brings them
	names  []string  // the same, for people: the file of the context, or as written
	absent []string  // manifests, as written, that no COPY of this file brings
	paths  []string  // repository paths: the named ones and what they include
	set    *requirements.Set
	err    error // a text that is not there yet
}

// pipFile says whether a manifest is a requirements or constraints file in pip's format.
func pipFile(install shelleffects.Install, name string) bool {
	switch install.Tool {
	case "pip", "uv", "pipenv":
	default:
		return false
	}
	switch path.Ext(name) {
	case ".toml", ".lock", ".cfg", ".py":
		return false
	}
	base := path.Base(name)
	return base != "Pipfile" && base != ".python-version"
}

// reads finds the manifests of an install that a step of a lane runs.
func (v *view) reads(lane []step, i int, install shelleffects.Install) readsOf {
	var r readsOf
	var files, constraints []string
	for _, m := range install.Manifests {
		image, known := install.Path(m.Path)
		var at located
		ok := false
		switch {
		case m.Path == "":
		case known:
			if at, ok = v.locate(lane, i, image); !ok && !path.IsAbs(m.Path) && !v.states[lane[i].in].WorkdirKnown {
				at, ok = v.locateByName(lane, i, m.Path)
			}
		default:
			at, ok = v.locateByName(lane, i, m.Path)
		}
		if !ok {
			if !m.Optional {
				r.absent = append(r.absent, m.Path)
			}
			continue
		}
		if at.file == "" && m.Optional {
			continue
		}
		r.named = append(r.named, at)
		if at.file == "" {
			r.names = append(r.names, m.Path)
			continue
		}
		r.names = append(r.names, at.file)
		repo := v.Context.RepoPath(at.file)
		switch {
		case !pipFile(install, m.Path):
			r.paths = append(r.paths, repo)
		case m.Constraint:
			constraints = append(constraints, repo)
		default:
			files = append(files, repo)
		}
	}
	if len(files)+len(constraints) > 0 {
		r.set, r.err = v.collect(files, constraints)
		for _, f := range r.set.Files {
			r.paths = append(r.paths, f.Source.Path)
		}
	}
	return r
}

// locateByName finds the one file that a step sees under a relative path whose directory is not
// known ("cd $APP && pip install -r requirements.txt").
func (v *view) locateByName(lane []step, i int, name string) (located, bool) {
	var found located
	n := 0
	for _, c := range v.above(lane, i) {
		for _, p := range c.pairs {
			if strings.HasSuffix(p.image, "/"+path.Clean(name)) && p.context != found.file {
				found = located{p.context, c}
				n++
			}
		}
	}
	return found, n == 1
}

// collect follows requirements files; each set is read once.
func (v *view) collect(files, constraints []string) (*requirements.Set, error) {
	key := strings.Join(files, "\x00") + "\x00\x00" + strings.Join(constraints, "\x00")
	if set, ok := v.sets[key]; ok {
		return set, nil
	}
	if v.Read == nil {
		return &requirements.Set{}, errors.ErrUnsupported
	}
	set, err := requirements.Collect(files, constraints, v.Read)
	if set == nil {
		set = &requirements.Set{}
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		v.sets[key] = set
	}
	return set, err
}

// manifestNames are the files that the package managers of any language read by convention, besides
// requirements files: they change when dependencies do, and seldom else.
var manifestNames = map[string]bool{
	"pyproject.toml": true, "setup.cfg": true, "setup.py": true, "pipfile": true, "pipfile.lock": true, "poetry.lock": true,
	"poetry.toml": true, "uv.lock": true, "uv.toml": true, "pdm.lock": true, "pdm.toml": true, "pip.conf": true, "manifest.in": true,
	".python-version": true, ".tool-versions": true, "conda-lock.yml": true, "apt.txt": true,
	"package.json": true, "package-lock.json": true, "npm-shrinkwrap.json": true, "yarn.lock": true, "pnpm-lock.yaml": true,
	"pnpm-workspace.yaml": true, ".npmrc": true, ".yarnrc": true, ".yarnrc.yml": true, ".pnpmfile.cjs": true, "bun.lock": true,
	"bun.lockb": true, "bunfig.toml": true, "lerna.json": true, "nx.json": true, ".nvmrc": true, ".node-version": true,
	"go.mod": true, "go.sum": true, "go.work": true, "go.work.sum": true,
	"gemfile": true, "gemfile.lock": true, ".ruby-version": true,
	"composer.json": true, "composer.lock": true, "symfony.lock": true, "auth.json": true,
	"cargo.toml": true, "cargo.lock": true, "rust-toolchain": true, "rust-toolchain.toml": true,
}

var (
	requirementsName = lazyregexp.New(`(?i)(require|constraint|^deps|^dev|^prod)[^/]*\.(txt|in|pip|lock)$`)
	requirementsDir  = lazyregexp.New(`(?i)(^|/)(py-?)?(requirements?|reqs?|constraints|deps)[^/]*/`)
	environmentName  = lazyregexp.New(`(?i)^(conda[-_]?)?env(ironment)?[^/]*\.ya?ml$|^pylock.*\.toml$`)
	documentName     = lazyregexp.New(`(?i)^(readme|licen[cs]e|copying|notice|changelog|changes|authors)(\..*)?$`)
)

// manifestLike says whether a file of the context is one that package managers read, or that goes
// with them without changing often. It is asked for every file of a repository: what a look at the name
// rules out costs no regular expression.
func manifestLike(file string) bool {
	base := path.Base(file)
	lower := strings.ToLower(base)
	if manifestNames[lower] {
		return true
	}
	switch path.Ext(lower) {
	case ".txt", ".in", ".pip", ".lock":
		if requirementsName.MatchString(base) {
			return true
		}
	case ".yml", ".yaml", ".toml":
		if environmentName.MatchString(base) {
			return true
		}
	case ".gemspec":
		if strings.HasSuffix(base, ".gemspec") {
			return true
		}
	}
	if strings.IndexByte("rlcna", lower[0]) >= 0 && documentName.MatchString(base) {
		return true
	}
	return inRequirementsDir(file) || strings.HasPrefix(file, ".yarn/") || strings.Contains(file, "/.yarn/") ||
		strings.HasPrefix(file, ".cargo/") || strings.HasPrefix(file, "patches/")
}

func inRequirementsDir(file string) bool {
	dirs := strings.ToLower(file[:strings.LastIndexByte(file, '/')+1])
	return (strings.Contains(dirs, "req") || strings.Contains(dirs, "constraint") || strings.Contains(dirs, "dep")) &&
		requirementsDir.MatchString(file)
}

// codeExtensions are those of files that change with every piece of work.
var codeExtensions = []string{".py", ".js", ".ts", ".jsx", ".tsx", ".mjs", ".cjs", ".vue", ".go", ".rb", ".rs", ".php", ".html", ".css", ".ipynb"}

// settingsName are code files that hold settings, which change seldom.
var settingsName = lazyregexp.New(`(?i)(\.(config|conf)\.[cm]?[jt]s|rc\.[cm]?js|^gulpfile.*|^gruntfile.*|^conftest\.py|^setup.*|^noxfile\.py|^version\.py|^_version\.py|^__init__\.py|^__about__\.py)$`)

// excess counts the files that a copy brings besides those that installs read: -1 where that is not
// known and the copy takes a directory.
func (c *copied) excess(read []string) int {
	var others map[string]bool
	if directory := c.directory(); directory || !c.mount {
		others = c.notManifests(!directory)
	}
	n := len(others)
	for i, file := range read {
		if others[file] && !slices.Contains(read[:i], file) {
			n--
		}
	}
	if n == 0 {
		for _, s := range c.sources {
			if !s.found && s.whole {
				return -1
			}
		}
	}
	return n
}
