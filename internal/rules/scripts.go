package rules

import (
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// script is a file of the build context that a RUN runs or names.
type script struct {
	text    string
	run     *dockerfile.Run // what it does, as a RUN with its text would; nil where it is no shell script
	effects shelleffects.Effects
}

// maxScriptText is the most bytes of a script that is looked into.
const maxScriptText = 64 << 10

// scripts are the files of the context that the commands of a RUN name; read is false while one of them is not there
// yet.
func (p *Pass) scripts(in *dockerfile.Instruction) (all []script, read bool) {
	if p.Context == nil || p.Read == nil {
		return nil, true
	}
	var names []string
	p.namedBy(in.Run(), p.states[in], func(name string) {
		name = strings.TrimPrefix(cleanSource(name), "/")
		if e, ok := p.Context.Tree.Lookup(name); ok && e.Mode != "160000" && !slices.Contains(names, name) && len(names) < maxPrograms {
			names = append(names, name)
		}
	})
	read = true
	for _, name := range names {
		file, err := p.Read(p.Context.RepoPath(name))
		switch {
		case errors.Is(err, ErrNeeded):
			read = false
		case err == nil && len(file.Data) <= maxScriptText:
			s := script{text: string(file.Data)}
			if scriptName.MatchString(name) {
				s.run = asRun(s.text)
			}
			if s.run != nil {
				s.effects = shelleffects.Of(s.run, p.states[in])
			}
			all = append(all, s)
		}
	}
	return all, read
}

// asRun is a shell script as a RUN; nil where it is none.
func asRun(text string) *dockerfile.Run {
	const end = "END_OF_THE_SCRIPT"
	if strings.Contains(text, end) {
		return nil
	}
	file, err := dockerfile.Parse(source.New("Dockerfile", []byte("FROM scratch\nSHELL [\"/bin/bash\", \"-c\"]\nRUN <<'"+end+"'\n"+text+"\n"+end+"\n")))
	if err != nil || len(file.Instructions) != 3 || file.Instructions[2].Run() == nil || file.Instructions[2].Run().Err != nil {
		return nil
	}
	return file.Instructions[2].Run()
}

// Script is a text that the build runs or that a step names: a file of the build context, or a here-document that a
// COPY brings.
type Script struct {
	Text    string
	Run     *dockerfile.Run // what it does, as a RUN with its text would; nil where it is no shell script
	Effects shelleffects.Effects
}

// Scripts finds the scripts of the steps of one Dockerfile. It is for one goroutine.
type Scripts struct {
	pass  *Pass
	found map[*dockerfile.Instruction][]Script
}

// ScriptsOf is for the Dockerfile of an input.
func ScriptsOf(in Input) *Scripts {
	return &Scripts{pass: &Pass{view: newView(in)}, found: map[*dockerfile.Instruction][]Script{}}
}

// maxCalled bounds how many scripts one step leads to.
const maxCalled = 40

// Of are the scripts that the words of a RUN, a CMD, an ENTRYPOINT or a HEALTHCHECK name, that their tools read, and
// that these name in turn, as far as they are had.
func (s *Scripts) Of(in *dockerfile.Instruction) []Script {
	all, done := s.found[in]
	if done {
		return all
	}
	p := s.pass
	var names []string
	add := func(name string) {
		name = strings.TrimPrefix(path.Clean("/"+name), "/")
		if e, ok := p.Context.Tree.Lookup(name); ok && e.Mode != "160000" && !slices.Contains(names, name) && len(names) < maxCalled {
			names = append(names, name)
		}
	}
	state := p.states[in]
	var words []string
	switch {
	case in.Run() != nil:
		for _, cmd := range in.Run().Commands {
			for _, w := range cmd.Words {
				words = append(words, w.Value)
			}
		}
	case in.Keyword == "CMD" || in.Keyword == "ENTRYPOINT" || in.Keyword == "HEALTHCHECK":
		for _, a := range in.Args {
			words = append(words, strings.Fields(a.Value)...)
		}
	}
	for _, text := range p.written(words) {
		all = append(all, scriptOf("", text, state))
	}
	if p.Context != nil && p.Read != nil {
		if in.Run() != nil {
			p.namedBy(in.Run(), state, add)
		} else {
			for _, word := range words {
				p.inContext(state.Workdir, word, add)
			}
		}
		for n := 0; n < len(names); n++ {
			file, err := p.Read(p.Context.RepoPath(names[n]))
			if err != nil || len(file.Data) > maxScriptText {
				continue
			}
			all = append(all, scriptOf(names[n], string(file.Data), state))
			for _, called := range p.calledIn(names[n], file.Data) {
				add(called)
			}
		}
	}
	s.found[in] = all
	return all
}

// written are the here-documents that a COPY puts into a file of which one of some words has the name.
func (p *Pass) written(words []string) []string {
	var out []string
	for _, in := range p.File.Instructions {
		cmd, ok := in.Command.(*instructions.CopyCommand)
		if !ok || len(cmd.SourceContents) == 0 || len(in.Args) < 2 {
			continue
		}
		dest := in.Args[len(in.Args)-1].Value
		for _, heredoc := range cmd.SourceContents {
			if slices.ContainsFunc(words, func(w string) bool {
				base := path.Base(strings.Trim(w, `"';`))
				return base == path.Base(heredoc.Path) || base == path.Base(dest)
			}) {
				out = append(out, heredoc.Data)
			}
		}
	}
	return out
}

// shellLine is the first line of a shell script.
var shellLine = lazyregexp.New(`^#!\s*(/usr)?/bin/(env\s+)?(ba|da|a|z|k)?sh\b`)

// scriptOf reads a text; a here-document has no name.
func scriptOf(name, text string, state dockerfile.State) Script {
	s := Script{Text: text}
	first, _, _ := strings.Cut(text, "\n")
	base := path.Base(name)
	if slices.Contains(byTool["make"], base) || strings.HasSuffix(base, ".mk") {
		return s
	}
	if shellLine.MatchString(first) || !strings.HasPrefix(first, "#!") && (name == "" || scriptName.MatchString(base)) {
		if s.Run = asRun(text); s.Run != nil {
			s.Effects = shelleffects.Of(s.Run, state)
		}
	}
	return s
}

// toolSettings are the names of files in which the tools that install dependencies replace variables.
// Source: npm's documentation, "npmrc"; Yarn's, ".yarnrc.yml"; pip's, "Configuration" and "Requirements File Format";
// conda's, ".condarc"; bun's, "bunfig.toml".
var toolSettings = []string{".npmrc", ".yarnrc", ".yarnrc.yml", "pip.conf", ".condarc", "condarc", "bunfig.toml", "auth.json", "uv.toml", "poetry.toml", ".netrc"}

// lockName are the names of lock files.
var lockName = lazyregexp.New(`(^|[-.])lock(\.(json|yaml|yml))?$|^npm-shrinkwrap\.json$|^go\.sum$|^bun\.lockb$`)

// installTexts are the manifests that the installs of a step read, with what they include, and the settings of tools
// that a COPY above brings: what they name is read as if the command named it.
func (p *Pass) installTexts(lane []step, i int) []string {
	installs := p.effectsOf(lane[i].in).Installs
	if len(installs) == 0 || p.Context == nil || p.Read == nil {
		return nil
	}
	var files []string
	for _, install := range installs {
		r := p.reads(lane, i, install)
		files = append(files, r.paths...)
		for _, l := range r.named {
			if l.file != "" {
				files = append(files, p.Context.RepoPath(l.file))
			}
		}
	}
	for _, c := range p.above(lane, i) {
		for _, pr := range c.pairs {
			if slices.Contains(toolSettings, path.Base(pr.image)) && len(files) < maxPrograms {
				files = append(files, p.Context.RepoPath(pr.context))
			}
		}
	}
	slices.Sort(files)
	var out []string
	for _, file := range slices.Compact(files) {
		if lockName.MatchString(path.Base(file)) {
			continue // tools write these, and replace nothing in them
		}
		if src, err := p.Read(file); err == nil {
			out = append(out, string(src.Data))
		}
	}
	return out
}

// InstallTexts are the manifests that the installs of a RUN read, with what they include, and the settings of tools
// that a COPY above brings, as far as they are had.
func (s *Scripts) InstallTexts(in *dockerfile.Instruction) []string {
	p := s.pass
	if p.states == nil || in.Stage == nil {
		return nil
	}
	for _, lane := range p.lanes(in.Stage) {
		if at := slices.IndexFunc(lane, func(st step) bool { return st.in == in }); at >= 0 {
			return p.installTexts(lane, at)
		}
	}
	return nil
}
