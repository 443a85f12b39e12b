package rules

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"

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

// byTool are the files that a program reads without their being named.
var byTool = map[string][]string{
	"make": {"Makefile", "makefile", "GNUmakefile"}, "npm": {"package.json"}, "yarn": {"package.json"}, "pnpm": {"package.json"}, "bun": {"package.json"},
	"just": {"justfile", "Justfile"}, "task": {"Taskfile.yml", "Taskfile.yaml"}, "nox": {"noxfile.py"}, "tox": {"tox.ini"}, "inv": {"tasks.py"}, "invoke": {"tasks.py"}, "rake": {"Rakefile"},
	"node": {"package.json"}, "flask": {"app.py", "wsgi.py"}, "sphinx-build": {"conf.py", "docs/conf.py", "docs/source/conf.py", "doc/conf.py"},
	"goreleaser": {".goreleaser.yml", ".goreleaser.yaml"}, "mvn": {"pom.xml"}, "mvnw": {"pom.xml"},
	"gradle": {"build.gradle", "build.gradle.kts"}, "gradlew": {"build.gradle", "build.gradle.kts"},
}

// maxPrograms bounds how many texts are asked for.
const maxPrograms = 30

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
	for _, stage := range p.File.Stages {
		for _, in := range stage.Instructions {
			if in.Run() != nil {
				p.namedBy(in.Run(), p.states[in], add)
			}
			if in.Keyword == "ENTRYPOINT" || in.Keyword == "CMD" {
				for _, a := range in.Args {
					for _, word := range strings.Fields(a.Value) {
						p.inContext(p.states[in].Workdir, word, add)
						for _, name := range byTool[path.Base(strings.Trim(word, `"',[]`))] {
							p.inContext(p.states[in].Workdir, name, add)
						}
					}
				}
			}
		}
	}
	return out
}

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

// module is a module of Python as "python -m" and servers take it: "app.main:app".
var module = lazyregexp.New(`^([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?::[\w.()]+)?$`)

// inContext adds the files of the context that a word in a directory of the image may name: where one of
// the copies puts them, and by the same path; and those of a module of that name.
func (p *Pass) inContext(dir, word string, add func(string)) {
	if word == "" || len(word) > 200 || strings.ContainsAny(word, "$*?;|&<>{}") {
		return
	}
	words := []string{word}
	if m := module.FindStringSubmatch(word); m != nil {
		file := strings.ReplaceAll(m[1], ".", "/")
		words = append(words, file+".py", file+"/__init__.py", file+"/__main__.py")
	}
	for _, word := range words {
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
}

// called are the names of scripts in a text.
var called = lazyregexp.New(`[\w./-]+\.(?:sh|bash|py|js|mjs|cjs|ts|rb|pl|mk)\b`)

// maxCalls is how many calls of programs by programs are followed.
const maxCalls = 3

// calledIn are the paths that a script, a Makefile or a package.json may name, relative to the context.
func (p *Pass) calledIn(name string, data []byte) []string {
	if base := path.Base(name); !scriptName.MatchString(base) && base != "package.json" {
		return nil
	}
	var files []string
	for _, word := range called.FindAllString(string(data), maxPrograms) {
		files = append(files, path.Join(path.Dir(name), word), path.Clean(word))
	}
	return files
}

// inTree are those of some paths at which the context has a file, less those already had; a bounded number.
func (p *Pass) inTree(files, had []string) []string {
	var out []string
	for _, file := range files {
		e, ok := p.Context.Tree.Lookup(file)
		if ok && e.Mode != "160000" && !slices.Contains(had, file) && !slices.Contains(out, file) && len(had)+len(out) < maxPrograms+maxVersionFiles {
			out = append(out, file)
		}
	}
	return out
}

// settingsModule is where a program or a variable of the image names the module that has Django's settings, which every
// command of manage.py and the server load.
// Source: https://docs.djangoproject.com/en/stable/topics/settings/#designating-the-settings
var settingsModule = lazyregexp.New(`DJANGO_SETTINGS_MODULE["'\],=\s]+([A-Za-z_][\w.]*)`)

// settingsImport is an import by which one module of settings takes those of another.
var settingsImport = lazyregexp.New(`(?m)^\s*from\s+(\.*)([\w.]*)\s+import\b`)

// djangoSettings are the modules of Django's settings that the Dockerfile and the texts had so far name, and that are not
// among those: by DJANGO_SETTINGS_MODULE, and by an import of a module of settings from the same folder.
func (p *Pass) djangoSettings(had []string, texts map[string]*source.File) []string {
	var out []string
	add := func(module string, lies func(file string) bool) {
		file := strings.ReplaceAll(module, ".", "/")
		for _, e := range p.Context.Tree.Entries {
			if e.Mode == "160000" || !strings.HasSuffix("/"+e.Path, "/"+file+".py") && !strings.HasSuffix("/"+e.Path, "/"+file+"/__init__.py") {
				continue
			}
			if lies(e.Path) && !slices.Contains(had, e.Path) && !slices.Contains(out, e.Path) && len(had)+len(out) < maxPrograms+maxVersionFiles {
				out = append(out, e.Path)
			}
		}
	}
	anywhere := func(string) bool { return true }
	for _, m := range settingsModule.FindAllStringSubmatch(string(p.File.Source.Data), maxPrograms) {
		add(m[1], anywhere)
	}
	for _, name := range had {
		file := texts[name]
		if file == nil || path.Ext(name) != ".py" && !scriptName.MatchString(path.Base(name)) {
			continue
		}
		for _, m := range settingsModule.FindAllStringSubmatch(string(file.Data), maxPrograms) {
			add(m[1], anywhere)
		}
		if !settingsFile.MatchString(name) {
			continue
		}
		for _, m := range settingsImport.FindAllStringSubmatch(string(file.Data), maxPrograms) {
			if m[2] != "" {
				add(m[2], func(other string) bool {
					return path.Dir(other) == path.Dir(name) || path.Dir(path.Dir(other)) == path.Dir(name)
				})
			}
		}
	}
	return out
}

// settingsFile are the names of modules of settings: settings.py, or one in a package of that name.
var settingsFile = lazyregexp.New(`(^|/)settings(/|[^/]*\.py$)`)

// dockerfileName are the names of Dockerfiles.
var dockerfileName = lazyregexp.New(`(?i)^(dockerfile|containerfile)([._-].*)?$|\.(dockerfile|containerfile)$`)

// otherDockerfiles are those that the same ignore file may apply to.
func (p *Pass) otherDockerfiles() []string {
	var out []string
	if p.Context.IgnoreFile != "" && path.Base(p.Context.IgnoreFile) != ".dockerignore" {
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

// namedElsewhere are the sources that the COPYs and ADDs of the other Dockerfiles name which the same ignore file
// may apply to, as far as these are read.
func (p *Pass) namedElsewhere() []string {
	var out []string
	for _, name := range p.otherDockerfiles() {
		if p.Read == nil {
			return nil
		}
		src, err := p.Read(name)
		if err != nil {
			continue
		}
		file, err := dockerfile.Parse(src)
		if err != nil {
			continue
		}
		for _, in := range file.Instructions {
			if in.Trigger != nil {
				in = in.Trigger
			}
			if copies, ok := in.Command.(*instructions.CopyCommand); (ok && copies.From != "") || in.Keyword != "COPY" && in.Keyword != "ADD" || len(in.Args) < 2 {
				continue
			}
			for _, a := range in.Args[:len(in.Args)-1] {
				if clean := cleanSource(a.Value); clean != "" && !isRemote(a.Value) {
					out = append(out, clean)
				}
			}
		}
	}
	return out
}
