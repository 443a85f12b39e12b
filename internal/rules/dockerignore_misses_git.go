package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
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
		"builds that read a version from it: setuptools-scm, hatch-vcs, versioneer, pbr and their like, git commands, `git config` of the copied directory as safe or of an author, the go command, which writes the commit into what it builds, and scripts, Makefiles and settings that name one of these; builds of which a `RUN`, an `ENV` or the image's command names `.git`. To ignore `.git` always is no good advice.",
	Sources: []Source{
		{"Docker: .dockerignore files", "https://docs.docker.com/build/concepts/context/#dockerignore-files"},
		{"Docker: build cache invalidation", "https://docs.docker.com/build/cache/invalidation/"},
		{"docker/build-push-action: Git context", "https://github.com/docker/build-push-action#git-context"},
	},
	Check: checkGitIgnored,
})

// mentionsGit is .git in an ignore file, in a pattern or in a comment.
var mentionsGit = lazyregexp.New(`(^|[^\w.])\.git([^\w.-]|$)`)

func checkGitIgnored(p *Pass) {
	if p.Context == nil || p.Context.IgnoreFile == "" || p.Context.Build.Kind != buildcontext.Local || !p.root() || p.Context.Ignored(".git") ||
		slices.ContainsFunc(p.Builds, func(b buildcontext.Build) bool { return b.Kind == buildcontext.Git }) || p.Read == nil {
		return
	}
	if c := p.wholeCopy(); c != nil {
		p.reportGit(c)
	}
}

func (p *Pass) reportGit(c *copied) {
	file, err := p.Read(p.Context.IgnoreFile)
	if err != nil || mentionsGit.Match(file.Data) || len(p.gitReader()) > 0 {
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

// NamesPath says whether a COPY, an ADD or a mount names a path of the build context, or something in it.
func NamesPath(in *dockerfile.Instruction, name string) bool {
	words := make([]string, 0, len(in.Args)+len(in.Flags))
	if in.Keyword == "COPY" || in.Keyword == "ADD" {
		for _, a := range in.Args {
			words = append(words, a.Value)
		}
	}
	for _, f := range in.Flags {
		for field := range strings.SplitSeq(f.Unquoted, ",") {
			_, value, _ := strings.Cut(field, "=")
			words = append(words, value)
		}
	}
	return slices.ContainsFunc(words, func(w string) bool {
		w = cleanSource(w)
		return w == name || strings.HasPrefix(w, name+"/")
	})
}
