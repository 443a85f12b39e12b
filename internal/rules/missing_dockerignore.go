package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

var _ = register(&Rule{
	ID:       "missing-dockerignore",
	Title:    "The whole build context is copied and no ignore file applies",
	Severity: config.SeverityWarning,
	What:     "A `COPY`, `ADD` or bind mount takes the whole of a local build context, and neither `NAME.dockerignore` beside the Dockerfile nor `.dockerignore` in the context exists.",
	Why: "Everything in the directory is sent and becomes part of the step's key: `.git`, virtual environments, caches and the Dockerfile itself. " +
		"A commit without any change to the code, or an edit of the Dockerfile's comments, runs the step and all below it again.",
	Fix: "`hitrate check --fix` writes an ignore file that fits. A review shows it: a file that does not exist cannot be suggested in a pull request.",
	Not: "Builds from a Git context, which have no ignore file and no `.git` (build-push-action without `context:`), and folders below the root with a handful of files, or of which nothing shows that they are what the image is built from: where nothing is written down about the build, and the directory above the Dockerfile has none of the files that its copies name, what is built lies somewhere else. A missing file does not make everything be sent: only what COPY, ADD and mounts name is. " +
		"`.git` is not to be ignored always: where a version is read from it (setuptools-scm, hatch-vcs, versioneer, pbr, `git describe`), or a command names it, it stays, by the same judgement as in dockerignore-misses-git.",
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
	if !p.writtenDown() && path.Dir(p.File.Source.Path) != path.Clean(p.Context.Build.Context) && p.namesNothingThere() {
		return // what is built lies in another repository
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

// namesNothingThere says whether the copies name files and folders, and none of them is in the context.
func (p *Pass) namesNothingThere() bool {
	named := false
	for _, stage := range p.File.Stages {
		for _, st := range p.lanes(stage)[0] {
			for _, c := range p.copiesOf(st.in) {
				for _, s := range c.sources {
					switch {
					case !s.known || s.root:
					case s.found:
						return false
					default:
						named = true
					}
				}
			}
		}
	}
	return named
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
	var reader Text
	if root {
		reader = p.gitReader()
	}
	what := say("everything in the directory")
	switch {
	case root && len(reader) == 0:
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
		NewFile: p.ignoreFile(root && len(reader) == 0),
	}
	if len(reader) > 0 {
		f.Advice = say("Add an ignore file for what the image does not need; ", code(".git"), " stays in, since ", reader, ".")
	}
	p.report(c.in, f)
}

// ignoreFile is an ignore file that leaves out nothing that a COPY names or an install reads, and all that
// dockerignore-gaps would ask for; git says whether .git is left out.
func (p *Pass) ignoreFile(git bool) *NewFile {
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
	own = slices.DeleteFunc(own, func(file string) bool { return p.commandsName(path.Base(file)) })
	groups := []group{
		{"The build's own files: editing them need not run the COPY again", own},
		{"Version control", []string{".git"}},
		{"Virtual environments and installed packages", []string{"**/.venv", "**/venv", "**/node_modules"}},
		{"Caches and reports", []string{"**/__pycache__", "**/*.py[cod]", "**/.pytest_cache", "**/.mypy_cache", "**/.ruff_cache", "**/.tox", "**/.nox", "**/.coverage", "**/htmlcov"}},
	}
	named := append(p.namedFiles(), p.namedElsewhere()...)
	var written []string
	for i := range groups {
		groups[i].patterns = slices.DeleteFunc(groups[i].patterns, func(pattern string) bool {
			return pattern == ".git" && !git || p.patternHits(pattern, named)
		})
		written = append(written, groups[i].patterns...)
	}
	var more []string
	for _, g := range p.openGaps(false) {
		if !slices.Contains(written, g.pattern) && !slices.Contains(written, "**/"+g.pattern) {
			more = append(more, g.pattern)
		}
	}
	var b strings.Builder
	for _, g := range append(groups, group{"What git ignores, too", more}) {
		if len(g.patterns) == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		b.WriteString("# " + g.title + "\n" + strings.Join(g.patterns, "\n") + "\n")
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
