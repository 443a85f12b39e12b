package rules

import (
	"errors"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
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
