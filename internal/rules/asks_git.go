package rules

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

// asksGitNow is a command, or a program in a command's words, that asks git about the state of a repository.
var asksGitNow = lazyregexp.New(`\bgit["',\s\[\]()]+(-[\w-]+["',\s]+)*(describe|rev-parse|rev-list|log|show|status|name-rev|symbolic-ref|ls-files)\b|\b(import git|from git import)\b`)

// asksGit is a text that gets a version or a commit from git, or looks into .git, as the go command does.
var asksGit = lazyregexp.New(`\bgit["',\s\[\]()]+(-[\w-]+["',\s]+)*(describe|rev-parse|rev-list|log|show|status|branch|tag|name-rev|symbolic-ref|ls-files|submodule|diff)\b|(^|[^\w.])\.git\b["'/]|` +
	`\b(import git|from git import|GitPython|simple-git|git-rev|git-revision|git-commit-id|git-properties|pygit2|dulwich|Command::new\("git"\))|VCS_REF|setuptools[-_]scm|\bgo (build|install|run|tool)\b`)

// scriptNamesGit is a line of a shell script or a Makefile that names .git as a path, and is no comment.
var scriptNamesGit = lazyregexp.New(`(?m)^[^#\n]*(^|[\s"'=(/:])\.git([\s"'/;)]|$)`)

// scriptName are the names of shell scripts and of what runs commands as they do.
var scriptName = lazyregexp.New(`(?i)(^[^.]+|\.(sh|bash|zsh|mk))$`)

// gitArchive is a plugin that reads .git_archival.txt, which git archive writes, in place of .git.
var gitArchive = lazyregexp.New(`setuptools[-_]scm[-_]git[-_]archive`)

// scmRequirement is setuptools-scm in a requirements file.
var scmRequirement = lazyregexp.New(`(?mi)^\s*setuptools[-_]scm\b`)

// textAsksGit says whether a text that the build may run names git or .git in a way that may need it.
func textAsksGit(name string, data []byte) bool {
	switch base := path.Base(name); {
	case base == "pyproject.toml" || base == "setup.cfg" || base == "Cargo.toml":
		return false // what they ask for are tools, see versionToolOf
	case requirementsName.MatchString(base):
		return scmRequirement.Match(data) // of a setup.py; the other packages the program may use for anything
	case base == "package.json" && namesGitPackage(data), steersBuild(base) && gitPlugins.Match(data):
		return true
	case (scriptName.MatchString(base) || dockerfileName.MatchString(base)) && scriptNamesGit.Match(data):
		return true
	}
	text := gitArchive.ReplaceAllString(string(data), "")
	if path.Ext(name) == ".py" {
		text = pythonComment.ReplaceAllString(text, "")
	}
	return asksGit.MatchString(text)
}

// pythonComment is a line of a Python program that is a comment.
var pythonComment = lazyregexp.New(`(?m)^[ \t]*#.*$`)

// versionNames are the names of files that commonly say which version it is, or which tool does.
var versionNames = []string{
	"pyproject.toml", "setup.cfg", "setup.py", "version.py", "_version.py", "__version__.py", "hatch_build.py", "pdm_build.py", "manage.py", "noxfile.py", "tasks.py", "fabfile.py",
	"version.sh", "get_version.py", "Cargo.toml", "build.rs",
}

// besides are directories of which the programs are not what an image is built from.
var besides = []string{"test", "tests", "testing", "testdata", "fixtures", "doc", "docs", "example", "examples", "samples", "vendor", "node_modules", "site-packages", "third_party"}

// maxVersionFiles bounds how many of the version files are asked for; those nearest to the root come first.
const maxVersionFiles = 24

// versionFiles are the version files of the context.
func (p *Pass) versionFiles() []string {
	var out []string
	for _, e := range p.Context.Tree.Entries {
		dir, base := path.Split(e.Path)
		if e.Mode == "160000" || !slices.Contains(versionNames, base) && !steersBuild(base) || slices.ContainsFunc(strings.Split(strings.TrimSuffix(dir, "/"), "/"), func(part string) bool { return slices.Contains(besides, part) }) {
			continue
		}
		out = append(out, e.Path)
	}
	slices.SortStableFunc(out, func(a, b string) int {
		return cmp.Compare(strings.Count(a, "/"), strings.Count(b, "/"))
	})
	return out[:min(len(out), maxVersionFiles)]
}

// versionTools read the version of a package from git. Their names are those under which they are
// asked for in pyproject.toml's build-system.requires.
var versionTools = []string{"setuptools-scm", "hatch-vcs", "versioneer", "pbr", "setuptools-git-versioning", "poetry-dynamic-versioning", "uv-dynamic-versioning", "dunamai", "versioningit", "flit-scm", "vcs-versioning", "miniver", "setupmeta"}

// crate are packages of Rust that write the commit into what is built, as Cargo.toml names them.
var crate = lazyregexp.New(`(?m)^\s*(?:\[[\w.'"-]*dependencies\.)?["']?(vergen[\w-]*|shadow-rs|git-version|git2?-describe|build-info-build)["']?\s*[=.\]]`)

// versionToolOf is the tool that reads the version from git, by what a version file asks for; "" for none.
func versionToolOf(name string, data []byte) string {
	switch path.Base(name) {
	case "pyproject.toml":
		var project struct {
			BuildSystem struct {
				Requires []string `toml:"requires"`
			} `toml:"build-system"`
			Tool struct {
				PDM struct {
					Version struct {
						Source string `toml:"source"`
					} `toml:"version"`
				} `toml:"pdm"`
			} `toml:"tool"`
		}
		if _, err := toml.Decode(string(data), &project); err != nil {
			return path.Base(name) // not known: it may
		}
		for _, r := range project.BuildSystem.Requires {
			if tool := versionToolIn(r); tool != "" {
				return tool
			}
		}
		// Source: https://backend.pdm-project.org/metadata/#dynamic-project-version
		if project.Tool.PDM.Version.Source == "scm" {
			return "pdm-backend"
		}
	case "setup.py", "setup.cfg":
		// setup.py is a program: that it names one of the tools is reason enough to leave .git alone.
		return versionToolIn(string(data))
	case "Cargo.toml":
		if m := crate.FindSubmatch(data); m != nil {
			return string(m[1])
		}
	}
	return ""
}

func versionToolIn(text string) string {
	text = strings.ReplaceAll(strings.ToLower(text), "_", "-")
	for _, tool := range versionTools {
		if strings.Contains(text, tool) {
			return tool
		}
	}
	return ""
}
