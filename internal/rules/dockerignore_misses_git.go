package rules

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
	"github.com/hitrate-bot/hitrate/internal/source"
)

var _ = register(&Rule{
	ID:       "dockerignore-misses-git",
	Title:    "The ignore file lets .git into a COPY of everything",
	Severity: config.SeverityWarning,
	What: "A `COPY` or `ADD` takes the whole of a local build context that is the root of the repository, an ignore file applies, and it does not leave out `.git`; " +
		"and nothing that the build runs is known to read a version or a commit from it.",
	Why: "Every commit changes files below `.git`, so it changes what the `COPY` brings, also where no other file changed: " +
		"the step and all below it run again, and the history of the repository goes into the layer.",
	Fix: "The line `.git` at the end of the ignore file.",
	Not: "Builds from a Git context, in which there is no `.git`; contexts below the root; ignore files that speak of `.git`, be it in a comment or to keep it; " +
		"builds that read a version from it: setuptools-scm, hatch-vcs, versioneer, pbr and their like, git commands, the go command, which writes the commit into what it builds, and scripts, Makefiles and settings that name one of these. To ignore `.git` always is no good advice.",
	Sources: []Source{
		{"Docker: .dockerignore files", "https://docs.docker.com/build/concepts/context/#dockerignore-files"},
		{"Docker: build cache invalidation", "https://docs.docker.com/build/cache/invalidation/"},
		{"docker/build-push-action: Git context", "https://github.com/docker/build-push-action#git-context"},
	},
	Check: checkGitIgnored,
})

// mentionsGit is .git in an ignore file, in a pattern or in a comment.
var mentionsGit = regexp.MustCompile(`(^|[^\w.])\.git([^\w.-]|$)`)

func checkGitIgnored(p *Pass) {
	if p.Context == nil || p.Context.IgnoreFile == "" || p.Context.Build.Kind != buildcontext.Local || !p.root() || p.Context.Ignored(".git") ||
		slices.ContainsFunc(p.Builds, func(b buildcontext.Build) bool { return b.Kind == buildcontext.Git }) || p.Read == nil {
		return
	}
	for _, stage := range p.File.Stages {
		if !p.needed[stage] {
			continue
		}
		for _, st := range p.lanes(stage)[0] {
			for _, c := range p.copiesOf(st.in) {
				if !c.mount && c.root() && !c.odd {
					p.reportGit(c)
					return
				}
			}
		}
	}
}

func (p *Pass) reportGit(c *copied) {
	file, err := p.Read(p.Context.IgnoreFile)
	if err != nil || mentionsGit.Match(file.Data) || p.readsGit() {
		return
	}
	name := path.Base(p.Context.IgnoreFile)
	f := Finding{
		Subject: "ignore file",
		Title:   say(code(".git"), " goes along with ", code(p.textOf(c.in.Span)), "."),
		Here:    say(code(".git"), " goes along here."),
		Why:     say("Every commit changes files in it, so every commit runs this step (line ", p.line(c.in), ") and those below it again, whatever else it changes; and the history of the repository is in the image's layer."),
		Advice:  say("Add the line ", code(".git"), " to ", code(name), ": nothing in this build is known to read it."),
		Done:    say(code(name), " now leaves out ", code(".git"), "."),
		Related: []Place{{Path: p.Context.IgnoreFile, Span: lastLine(file)}},
		Unit:    ignoreGit(file),
	}
	p.report(c.in, f)
}

// lastLine is the last line of a file that has anything on it.
func lastLine(file *source.File) source.Span {
	end := len(strings.TrimRight(string(file.Data), " \t\r\n"))
	return file.SpanFromLines(file.LinesFromSpan(source.Span{Start: max(0, end-1), End: end}))
}

// ignoreGit is the edit: the line at the end of the ignore file, where it holds whatever stands above.
func ignoreGit(file *source.File) *Unit {
	end := len(file.Data)
	text := ".git" + file.Newline()
	if end > 0 && file.Data[end-1] != '\n' {
		text = file.Newline() + ".git"
	}
	return &Unit{
		Path:    file.Path,
		Edits:   []source.Edit{{Span: source.Span{Start: end, End: end}, New: text}},
		Effects: []Effect{IgnorePath{Pattern: ".git"}},
		Note:    say("Leave it out only if nothing asks git for a version when the container runs."),
	}
}

// asksGit is a text that gets a version or a commit from git, or looks into .git, as the go command does.
var asksGit = regexp.MustCompile(`\bgit["',\s]+(-[\w-]+["',\s]+)*(describe|rev-parse|rev-list|log|show|status|branch|tag|name-rev|symbolic-ref|ls-files|submodule|diff)\b|(^|[^\w.])\.git\b["'/]|\b(import git|from git import|GitPython|simple-git|git-rev|pygit2|dulwich)\b|VCS_REF|setuptools[-_]scm|\bgo (build|install|run|tool)\b`)

// gitArchive is a plugin that reads .git_archival.txt, which git archive writes, in place of .git.
var gitArchive = regexp.MustCompile(`setuptools[-_]scm[-_]git[-_]archive`)

// readsGit says whether something that the build runs is known to read .git, or may: a git command, a tool
// for versions, or a text that names git among the files which the steps and the image's command name.
func (p *Pass) readsGit() bool {
	if p.versionFromGit() != "" || slices.ContainsFunc(p.File.Instructions, func(in *dockerfile.Instruction) bool { return NamesPath(in, ".git") }) {
		return true
	}
	for _, file := range append(p.programs(), p.otherDockerfiles()...) {
		text, err := p.Read(p.Context.RepoPath(file))
		if err != nil {
			return true // not known: silence
		}
		if asksGit.MatchString(gitArchive.ReplaceAllString(string(text.Data), "")) {
			return true
		}
	}
	return false
}

// versionFiles are files at the root of a context that commonly say which version it is.
var versionFiles = []string{"version.py", "_version.py", "setup.py", "setup.cfg", "noxfile.py", "tasks.py", "fabfile.py", "version.sh", "get_version.py"}

// byTool are the files that a program reads without their being named.
var byTool = map[string][]string{
	"make": {"Makefile", "makefile", "GNUmakefile"}, "npm": {"package.json"}, "yarn": {"package.json"}, "pnpm": {"package.json"}, "bun": {"package.json"},
	"just": {"justfile", "Justfile"}, "task": {"Taskfile.yml", "Taskfile.yaml"}, "nox": {"noxfile.py"}, "tox": {"tox.ini"}, "inv": {"tasks.py"}, "invoke": {"tasks.py"}, "rake": {"Rakefile"},
	"goreleaser": {".goreleaser.yml", ".goreleaser.yaml"},
}

// programs are the files of the context that the build may run: those that its commands name, and those
// that their tools read.
func (p *Pass) programs() []string {
	var out []string
	add := func(name string) {
		name = strings.TrimPrefix(path.Clean("/"+name), "/")
		if e, ok := p.Context.Tree.Lookup(name); ok && e.Mode != "160000" && !slices.Contains(out, name) && len(out) < maxPrograms {
			out = append(out, name)
		}
	}
	for _, name := range versionFiles {
		add(name)
	}
	for _, stage := range p.File.Stages {
		for _, in := range stage.Instructions {
			if in.Run() != nil {
				p.namedBy(in.Run(), p.states[in], add)
			}
			if in.Keyword == "ENTRYPOINT" || in.Keyword == "CMD" {
				for _, a := range in.Args {
					for _, word := range strings.Fields(a.Value) {
						p.inContext(p.states[in].Workdir, word, add)
					}
				}
			}
		}
	}
	return out
}

// dockerfileName are the names of Dockerfiles.
var dockerfileName = regexp.MustCompile(`(?i)^(dockerfile|containerfile)([._-].*)?$|\.(dockerfile|containerfile)$`)

// otherDockerfiles are those that the same ignore file may apply to.
func (p *Pass) otherDockerfiles() []string {
	var out []string
	if path.Base(p.Context.IgnoreFile) != ".dockerignore" {
		return nil
	}
	for _, e := range p.Context.All.Entries {
		if e.Path != p.File.Source.Path && e.Mode != "120000" && e.Mode != "160000" && dockerfileName.MatchString(path.Base(e.Path)) &&
			!strings.HasSuffix(e.Path, ".dockerignore") && len(out) < maxPrograms {
			out = append(out, e.Path)
		}
	}
	return out
}

// maxPrograms bounds how many texts are asked for.
const maxPrograms = 30

// namedBy adds what the commands of a RUN name and what their tools read.
func (p *Pass) namedBy(run *dockerfile.Run, state dockerfile.State, add func(string)) {
	for _, cmd := range run.Commands {
		dir := path.Join("/", state.Workdir, cmd.Dir)
		if path.IsAbs(cmd.Dir) {
			dir = path.Clean(cmd.Dir)
		}
		for _, name := range byTool[cmd.Name] {
			p.inContext(dir, name, add)
		}
		if cmd.Name == "" || cmd.Name == "rm" || cmd.Name == "mkdir" {
			continue
		}
		for _, w := range cmd.Words {
			if w.Literal && !strings.HasPrefix(w.Value, "-") && !strings.Contains(w.Value, "\n") {
				p.inContext(dir, w.Value, add)
			}
		}
	}
}

// inContext adds the files of the context that a word in a directory of the image may name: where one of
// the copies puts them, and by the same path.
func (p *Pass) inContext(dir, word string, add func(string)) {
	if word == "" || len(word) > 200 || strings.ContainsAny(word, "$*?;|&<>(){}") {
		return
	}
	image := word
	if !path.IsAbs(word) {
		image = path.Join(dir, word)
		add(word)
	}
	image = path.Clean(image)
	for _, in := range p.File.Instructions {
		for _, c := range p.copiesOf(in) {
			if c.destKnown && shelleffects.Covers(c.dest, image) {
				if file, _ := c.at(image); file != "" {
					add(file)
				}
			}
		}
	}
}

// NamesPath says whether a COPY, an ADD or a mount names a path of the build context, or something in it.
func NamesPath(in *dockerfile.Instruction, name string) bool {
	words := make([]string, 0, len(in.Args)+len(in.Flags))
	if in.Keyword == "COPY" || in.Keyword == "ADD" {
		for _, a := range in.Args {
			words = append(words, a.Value)
		}
	}
	for _, f := range in.Flags {
		for field := range strings.SplitSeq(f.Value, ",") {
			_, value, _ := strings.Cut(field, "=")
			words = append(words, value)
		}
	}
	return slices.ContainsFunc(words, func(w string) bool {
		w = cleanSource(unquoted(w))
		return w == name || strings.HasPrefix(w, name+"/")
	})
}
