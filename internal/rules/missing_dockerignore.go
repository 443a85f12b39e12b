package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
)

var _ = register(&Rule{
	ID:       "missing-dockerignore",
	Title:    "The whole build context is copied and no ignore file applies",
	Severity: config.SeverityWarning,
	What:     "A `COPY`, `ADD` or bind mount takes the whole of a local build context, and neither `NAME.dockerignore` beside the Dockerfile nor `.dockerignore` in the context exists.",
	Why: "Everything in the directory is sent and becomes part of the step's key: `.git`, virtual environments, caches and the Dockerfile itself. " +
		"A commit without any change to the code, or an edit of the Dockerfile's comments, runs the step and all below it again.",
	Fix: "`hitrate check --fix` writes an ignore file that fits. A review shows it: a file that does not exist cannot be suggested in a pull request.",
	Not: "Builds from a Git context, which have no ignore file and no `.git` (build-push-action without `context:`), and folders below the root with a handful of files, or of which nothing shows that they are what the image is built from. A missing file does not make everything be sent: only what COPY, ADD and mounts name is. " +
		"`.git` is not to be ignored always: where a version is read from it (setuptools-scm, hatch-vcs, versioneer, pbr, `git describe`), it stays.",
	Sources: []Source{
		{"Docker: .dockerignore files", "https://docs.docker.com/build/concepts/context/#dockerignore-files"},
		{"docker/build-push-action: Git context", "https://github.com/docker/build-push-action#git-context"},
	},
	Check: checkMissingDockerignore,
})

// smallFolder is how many files a directory below the root has to hold before it is worth an ignore
// file: without .git, a folder for one image has little that does not belong into it.
const smallFolder = 8

func checkMissingDockerignore(p *Pass) {
	if p.Context == nil || p.Context.IgnoreFile != "" || p.Context.Build.Kind != buildcontext.Local ||
		slices.ContainsFunc(p.Builds, func(b buildcontext.Build) bool { return b.Kind == buildcontext.Git }) {
		return
	}
	if !p.root() && (!p.writtenDown() && !p.Context.Build.Certain || len(p.Context.Tree.Entries) < smallFolder) {
		return // the directory is a guess, or holds little but what the image is made of
	}
	for _, stage := range p.File.Stages {
		if !p.needed[stage] {
			continue
		}
		for _, st := range p.lanes(stage)[0] {
			for _, c := range p.copiesOf(st.in) {
				if c.root() {
					p.reportNoIgnore(c)
					return
				}
			}
		}
	}
}

// writtenDown says whether the repository or its configuration says how the file is built.
func (v *view) writtenDown() bool {
	for _, b := range v.Facts.Builds {
		if b.Dockerfile == v.File.Source.Path {
			return true
		}
	}
	for _, b := range v.Config.Builds {
		if b.Dockerfile == v.File.Source.Path {
			return true
		}
	}
	return false
}

func (p *Pass) reportNoIgnore(c *copied) {
	takes := code(p.textOf(c.in.Span))
	if c.mount {
		takes = code(p.mountText(c))
	}
	root := p.Context.Build.Context == "." || p.Context.Build.Context == ""
	version := p.versionFromGit()
	what := say("everything in the directory")
	switch {
	case root && version == "":
		what = say(code(".git"), " and everything else")
	case !root:
		what = say("everything in ", code(p.Context.Build.Context))
	}
	title := say("No ", code(".dockerignore"), " applies to this build, so ", what, " goes along.")
	f := Finding{
		Subject: "ignore file",
		Title:   title,
		Here:    title,
		Why:     say(takes, " (line ", p.line(c.in), ") takes it all, and a change to any of it runs this step and those below it again."),
		Advice:  say("Add an ignore file for what the image does not need."),
		Done:    say("An ignore file now applies to this build."),
		NewFile: p.ignoreFile(version),
	}
	if version != "" && root {
		f.Advice = say("Add an ignore file for what the image does not need; ", code(".git"), " stays in, since ", version, " reads it.")
	}
	p.report(c.in, f)
}

// ignoreFile is an ignore file that leaves out nothing that a COPY names or an install reads.
func (p *Pass) ignoreFile(version string) *NewFile {
	dockerfile := p.File.Source.Path
	name := ".dockerignore"
	type group struct {
		title    string
		patterns []string
	}
	var own []string
	if in := contextPath(p.Context, dockerfile); in != dockerfile || p.root() {
		if plainPath.MatchString(in) {
			own = append(own, in)
		}
	}
	own = append(own, name)
	groups := []group{
		{"The build's own files: editing them need not run the COPY again", own},
		{"Version control", []string{".git"}},
		{"Virtual environments and installed packages", []string{"**/.venv", "**/venv", "**/node_modules"}},
		{"Caches and reports", []string{"**/__pycache__", "**/*.py[cod]", "**/.pytest_cache", "**/.mypy_cache", "**/.ruff_cache", "**/.tox", "**/.nox", "**/.coverage", "**/htmlcov"}},
	}
	named := p.namedFiles()
	var b strings.Builder
	for _, g := range groups {
		var lines []string
		for _, pattern := range g.patterns {
			if pattern == ".git" && (version != "" || !p.root()) || p.patternHits(pattern, named) {
				continue
			}
			lines = append(lines, pattern)
		}
		if len(lines) == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		b.WriteString("# " + g.title + "\n" + strings.Join(lines, "\n") + "\n")
	}
	at := name
	if !p.root() {
		at = path.Join(p.Context.Build.Context, name)
	}
	return &NewFile{Path: at, Text: b.String()}
}

func (v *view) root() bool { return v.Context.Build.Context == "." || v.Context.Build.Context == "" }

// namedFiles are the paths of the context that a COPY, ADD or mount names other than as a part of
// the whole, and what the installs read.
func (p *Pass) namedFiles() []string {
	var out []string
	for _, stage := range p.File.Stages {
		for _, lane := range p.lanes(stage) {
			for i, st := range lane {
				for _, c := range p.copiesOf(st.in) {
					for _, s := range c.sources {
						if !s.root {
							out = append(out, cleanSource(s.text))
						}
					}
					if !c.root() {
						for _, pr := range c.pairs {
							out = append(out, pr.context)
						}
					}
				}
				for _, install := range p.effectsOf(st.in).Installs {
					for _, repo := range p.reads(lane, i, install).paths {
						out = append(out, contextPath(p.Context, repo))
					}
				}
			}
		}
	}
	return out
}

// patternHits says whether a pattern of the suggested file would leave out a named path, or a file
// that is in the tree: what is committed is meant to be there.
func (p *Pass) patternHits(pattern string, named []string) bool {
	base, anywhere := strings.CutPrefix(pattern, "**/")
	literal := !strings.ContainsAny(base, "*?[")
	hits := func(file string) bool {
		if !anywhere {
			return file == pattern || strings.HasPrefix(file, pattern+"/")
		}
		for part := range strings.SplitSeq(file, "/") {
			if literal && part == base {
				return true
			}
			if !literal {
				if ok, _ := path.Match(base, part); ok {
					return true
				}
			}
		}
		return false
	}
	if slices.ContainsFunc(named, hits) {
		return true
	}
	if !strings.HasPrefix(pattern, "**/") {
		return false
	}
	for _, e := range p.Context.Tree.Entries {
		if hits(e.Path) {
			return true
		}
	}
	return false
}

// versionTools read the version of a package from git. Their names are those under which they are
// asked for in pyproject.toml's build-system.requires.
var versionTools = []string{"setuptools-scm", "hatch-vcs", "versioneer", "pbr", "setuptools-git-versioning", "poetry-dynamic-versioning", "uv-dynamic-versioning", "dunamai", "pdm-backend", "versioningit", "flit-scm", "vcs-versioning", "miniver"}

// versionFromGit says what reads .git in the build, "" where nothing is known to.
func (p *Pass) versionFromGit() string {
	for _, in := range p.File.Instructions {
		for _, cmd := range commandsOf(in) {
			if cmd.Name == "git" && len(cmd.Words) > 1 && !slices.ContainsFunc(cmd.Words, func(w dockerfile.Word) bool {
				return w.Value == "clone" || w.Value == "config" || w.Value == "--version" || w.Value == "init"
			}) {
				return "a git command"
			}
			if buildsGo(cmd) {
				return "the go command"
			}
		}
	}
	return p.versionTool()
}

// buildsGo says whether a command builds Go programs: go writes the commit of the source into them.
// Source: "go help build", -buildvcs.
func buildsGo(cmd *dockerfile.Command) bool {
	return cmd.Name == "go" && len(cmd.Words) > 1 && slices.Contains([]string{"build", "install", "run", "tool"}, cmd.Words[1].Value)
}

func commandsOf(in *dockerfile.Instruction) []*dockerfile.Command {
	if in.Run() == nil {
		return nil
	}
	return in.Run().Commands
}

// versionTool looks into the context's pyproject.toml, setup.cfg and setup.py.
func (p *Pass) versionTool() string {
	for _, name := range []string{"pyproject.toml", "setup.py", "setup.cfg"} {
		if _, ok := p.Context.Tree.Lookup(name); !ok {
			continue
		}
		if p.Read == nil {
			return name
		}
		file, err := p.Read(p.Context.RepoPath(name))
		if err != nil {
			return name // not known: keep .git
		}
		if name == "pyproject.toml" {
			var project struct {
				BuildSystem struct {
					Requires []string `toml:"requires"`
				} `toml:"build-system"`
			}
			if _, err := toml.Decode(string(file.Data), &project); err != nil {
				return name
			}
			for _, r := range project.BuildSystem.Requires {
				if tool := versionToolIn(r); tool != "" && tool != "pdm-backend" {
					return tool
				}
			}
			continue
		}
		// setup.py is a program: that it names one of the tools is reason enough to leave .git alone.
		if tool := versionToolIn(string(file.Data)); tool != "" {
			return tool
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
