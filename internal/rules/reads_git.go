package rules

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// gitReader says what in the build reads .git, or may, as a part of a sentence ("setuptools-scm reads it"): a
// git command, a tool for versions, a command that names .git, or a text that names git among the files that
// the steps and the image's command name. It is empty where nothing is known to. The rules that say that
// .git should be ignored all ask here.
func (p *Pass) gitReader() Text {
	if by := p.gitCommand(); by != "" {
		return say(by, " reads it")
	}
	for _, in := range p.File.Instructions {
		if slices.ContainsFunc(commandsOf(in), p.preparesGit) {
			return say("line ", p.line(in), " prepares git for it")
		}
		if NamesPath(in, ".git") || p.wordsName(in, ".git") {
			return say("line ", p.line(in), " names it")
		}
		if textOfCommand(in, asksGitNow.MatchString) {
			return say("line ", p.line(in), " may read it")
		}
	}
	manifests, programs, others := p.versionFiles(), p.programs(), p.otherDockerfiles()
	texts := map[string]*source.File{}
	read := func(names ...string) {
		for _, name := range names {
			if p.Read == nil {
				return
			}
			if file, err := p.Read(p.Context.RepoPath(name)); err == nil {
				texts[name] = file
			}
		}
	}
	// All are asked for before any is judged, so that they are fetched together.
	read(slices.Concat(manifests, programs, others)...)
	programs = slices.Concat(manifests, programs)
	for from, depth := 0, 0; depth < maxCalls; depth++ {
		end := len(programs)
		for _, name := range programs[from:end] {
			if file := texts[name]; file != nil {
				programs = append(programs, p.inTree(p.calledIn(name, file.Data), programs)...)
				programs = append(programs, p.inTree(importedBy(name, file.Data), programs)...)
			}
		}
		read(programs[end:]...)
		from = end
	}
	for settings := p.djangoSettings(programs, texts); len(settings) > 0; settings = p.djangoSettings(programs, texts) {
		read(settings...)
		programs = append(programs, settings...)
	}
	for _, name := range slices.Concat(programs, others) {
		file := texts[name]
		if tool := taskFiles[path.Base(name)]; tool != nil && !p.runsTasks(tool, name, texts) {
			continue
		}
		if file == nil {
			return say(code(name), " may read it") // its text is not had
		}
		if tool := versionToolOf(name, file.Data); tool != "" {
			return say(tool, " reads it")
		}
		if textAsksGit(name, file.Data) {
			return say(code(name), " may read it")
		}
	}
	return nil
}

// taskFiles are programs of which a build runs nothing unless it runs a tool.
var taskFiles = map[string]*lazyregexp.Regexp{
	"tasks.py": lazyregexp.New(`\b(invoke|inv)\b`), "noxfile.py": lazyregexp.New(`\bnox\b`), "fabfile.py": lazyregexp.New(`\bfab(ric)?\b`),
}

// runsTasks says whether the build may run the tool of a file with tasks: a RUN or the image's command names it, or a
// program among the texts does, or imports the file.
func (p *Pass) runsTasks(tool *lazyregexp.Regexp, name string, texts map[string]*source.File) bool {
	module := strings.TrimSuffix(path.Base(name), ".py")
	for _, in := range p.File.Instructions {
		if in.Trigger != nil {
			in = in.Trigger
		}
		switch in.Keyword {
		case "RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK":
			if text := p.textOf(in.Span); tool.MatchString(text) || strings.Contains(text, path.Base(name)) || namesVariable(text, module) {
				return true
			}
		}
	}
	for other, file := range texts {
		switch path.Base(other) {
		case path.Base(name), "pyproject.toml", "setup.cfg", "Cargo.toml":
			continue // they name it as a package
		}
		if file != nil && !requirementsName.MatchString(path.Base(other)) && (tool.Match(file.Data) || importsModule(file.Data, module)) {
			return true
		}
	}
	return false
}

// importsModule says whether a program of Python imports a module of this name.
func importsModule(data []byte, module string) bool {
	return regexp.MustCompile(`(?m)^\s*(import|from)\s+` + regexp.QuoteMeta(module) + `\b`).Match(data)
}

// gitCommand is the program with which a RUN reads .git, "" where none is known to.
func (p *Pass) gitCommand() string {
	for _, in := range p.File.Instructions {
		for _, cmd := range commandsOf(in) {
			if cmd.Name == "git" && len(cmd.Words) > 1 && p.gitReads(cmd) {
				return "a git command"
			}
			if buildsGo(cmd) {
				return "the go command"
			}
			if tool := repositoryTool(cmd); tool != "" {
				return tool
			}
		}
	}
	return ""
}

// gitReads says whether a git command reads a repository that is there, or writes into it, as git config does without
// an option for another file. Where the file clones one of its own, that is the one it is about.
// Source: git-config's manual page, "--local".
func (p *Pass) gitReads(cmd *dockerfile.Command) bool {
	has := func(options ...string) bool {
		return slices.ContainsFunc(cmd.Words[1:], func(w dockerfile.Word) bool {
			name, _, _ := strings.Cut(w.Value, "=")
			return slices.Contains(options, name)
		})
	}
	switch {
	case has("clone", "--version", "init"):
		return false
	case has("config"):
		return !has("--global", "--system", "--file", "-f", "--blob") && !p.clones()
	}
	return true
}

// preparesGit says whether "git config" makes ready for git in the copied repository: safe.directory names where git is
// to run although another user owns it, and only commits need an author.
// Source: git-config's manual page, "safe.directory", "user.name".
func (p *Pass) preparesGit(cmd *dockerfile.Command) bool {
	if cmd.Name != "git" || !slices.ContainsFunc(cmd.Words, func(w dockerfile.Word) bool { return w.Value == "config" }) {
		return false
	}
	for i, w := range cmd.Words {
		switch key := strings.ToLower(w.Value); {
		case key == "user.name" || key == "user.email":
			return !p.clones()
		case key == "safe.directory" && i+1 < len(cmd.Words):
			return p.holdsRoot(cmd.Words[i+1])
		}
	}
	return false
}

// holdsRoot says whether a directory in the image may be one to which the file copies the context's root.
func (p *Pass) holdsRoot(w dockerfile.Word) bool {
	if !w.Literal || !path.IsAbs(w.Value) {
		return !p.clones()
	}
	return slices.ContainsFunc(p.File.Instructions, func(in *dockerfile.Instruction) bool {
		return slices.ContainsFunc(p.copiesOf(in), func(c *copied) bool {
			return c.root() && (!c.destKnown || c.dest == path.Clean(w.Value))
		})
	})
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

// wordsName says whether the command of a RUN, CMD, ENTRYPOINT or HEALTHCHECK, or the value of an ENV, names a
// path of the image at which a name of the context's root may lie, or something in it: by an absolute path, or
// from the working directory. A removal that takes its absence (rm -f) does not need it.
func (v *view) wordsName(in *dockerfile.Instruction, name string) bool {
	state := v.states[in]
	if in.Trigger != nil {
		in = in.Trigger
	}
	dirs := []string{path.Join("/", state.Workdir)}
	count := func(text string) int {
		n := 0
		for token := range strings.FieldsFuncSeq(text, notInPath) {
			if dir, ok := dirOf(token, name); ok && v.mayLieIn(dir, dirs, state) {
				n++
			}
		}
		return n
	}
	switch run := in.Run(); {
	case run != nil:
		named, removed := count(run.Script+" "+strings.Join(run.Exec, " ")), 0
		if named == 0 {
			return false
		}
		for _, cmd := range run.Commands {
			if cmd.Dir != "" {
				dirs = append(dirs, path.Join(dirs[0], cmd.Dir))
				if path.IsAbs(cmd.Dir) {
					dirs[len(dirs)-1] = path.Clean(cmd.Dir)
				}
			}
		}
		named = count(run.Script + " " + strings.Join(run.Exec, " "))
		for _, cmd := range run.Commands {
			if cmd.Name != "rm" || !slices.ContainsFunc(cmd.Words, func(w dockerfile.Word) bool { return forceFlag.MatchString(w.Value) }) {
				continue
			}
			for _, w := range cmd.Words {
				removed += count(w.Value)
			}
		}
		return named > removed
	case in.Keyword == "CMD" || in.Keyword == "ENTRYPOINT" || in.Keyword == "HEALTHCHECK" || in.Keyword == "ENV":
		return slices.ContainsFunc(in.Args, func(a dockerfile.Arg) bool { return count(a.Value) > 0 })
	}
	return false
}

// commandsName says whether wordsName is so of one of the file's instructions.
func (v *view) commandsName(name string) bool {
	return slices.ContainsFunc(v.File.Instructions, func(in *dockerfile.Instruction) bool { return v.wordsName(in, name) })
}

// forceFlag is the option with which rm takes it that a file is not there.
var forceFlag = lazyregexp.New(`^(-[a-zA-Z]*f[a-zA-Z]*|--force)$`)

// notInPath are the characters that end a path in a command.
func notInPath(r rune) bool {
	return strings.ContainsRune(" \t\r\n\"'`()[]<>|&;,=:!#", r)
}

// dirOf is the directory in which a path has a name, as it is written, "" for the working directory.
func dirOf(token, name string) (dir string, ok bool) {
	parts := strings.Split(token, "/")
	for i, part := range parts {
		if strings.TrimRight(part, ".}") == name {
			if i == 1 && parts[0] == "" {
				return "/", true
			}
			return strings.Join(parts[:i], "/"), true
		}
	}
	return "", false
}

// mayLieIn says whether a directory, as it is written in a command run in one of several, may be one that
// holds the context's root. Where nothing in the file clones a repository, it may be any: there is no other
// from which a name such as .git could come.
func (v *view) mayLieIn(dir string, from []string, state dockerfile.State) bool {
	if !v.clones() {
		return true
	}
	dir, known := shelleffects.Expand(dir, state.Env)
	if !known || strings.ContainsAny(dir, "~*?{$") {
		return true
	}
	if path.IsAbs(dir) {
		from = []string{"/"}
	}
	for _, in := range v.File.Instructions {
		for _, c := range v.copiesOf(in) {
			if c.root() && (!c.destKnown || slices.ContainsFunc(from, func(f string) bool { return path.Join(f, dir) == c.dest })) {
				return true
			}
		}
	}
	return false
}

// clones says whether something in the file makes a repository of its own.
func (v *view) clones() bool {
	return slices.ContainsFunc(v.File.Instructions, func(in *dockerfile.Instruction) bool {
		if in.Trigger != nil {
			in = in.Trigger
		}
		if in.Run() != nil && in.Run().Err != nil {
			return false // not known: every name counts
		}
		return slices.ContainsFunc(commandsOf(in), func(cmd *dockerfile.Command) bool {
			return cmd.Name == "git" && slices.ContainsFunc(cmd.Words, func(w dockerfile.Word) bool { return w.Value == "clone" || w.Value == "init" })
		})
	})
}

// textOfCommand says whether something is found in the text that a RUN, CMD, ENTRYPOINT or HEALTHCHECK runs.
func textOfCommand(in *dockerfile.Instruction, found func(string) bool) bool {
	if in.Trigger != nil {
		in = in.Trigger
	}
	switch run := in.Run(); {
	case run != nil:
		return found(run.Script + " " + strings.Join(run.Exec, " "))
	case in.Keyword == "CMD" || in.Keyword == "ENTRYPOINT" || in.Keyword == "HEALTHCHECK":
		return slices.ContainsFunc(in.Args, func(a dockerfile.Arg) bool { return found(a.Value) })
	}
	return false
}
