package rules

import (
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
	"github.com/hitrate-bot/hitrate/internal/source"
)

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
