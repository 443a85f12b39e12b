package dockerfile

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// Run is the command of a RUN instruction (or of the RUN that an ONBUILD trigger is), read once;
// nil for every other instruction.
func (i *Instruction) Run() *Run { return i.run }

// readRuns reads the command of every RUN under the SHELL above it.
func (p *fileParser) readRuns() {
	ends := make([][]string, len(p.Stages)) // the shell at the end of each stage
	for i, stage := range p.Stages {
		sh := defaultShell(p.images[i])
		if stage.Parent != nil {
			sh = ends[stage.Parent.Index]
		}
		for _, in := range stage.Instructions {
			if cmd, ok := in.Command.(*instructions.ShellCommand); ok {
				sh = cmd.Shell
			}
			p.readRun(in, sh)
		}
		ends[i] = sh
		for _, in := range stage.Instructions {
			if in.Trigger == nil {
				continue
			}
			if cmd, ok := in.Trigger.Command.(*instructions.ShellCommand); ok {
				sh = cmd.Shell
			}
			p.readRun(in.Trigger, sh)
		}
	}
}

// readMounts reads the mounts with their variables as written: BuildKit leaves all but type and from
// until it expands them.
func readMounts(cmd *instructions.RunCommand, escape rune) []*instructions.Mount {
	lex := shell.NewLex(escape)
	lex.SkipUnsetEnv = true
	// An error is that of a variable where a number belongs; type and from are known then.
	_ = cmd.Expand(func(word string) (string, error) {
		if !lexable(word) {
			return word, nil
		}
		value, _, err := lex.ProcessWord(word, variables{})
		return value, err
	})
	return instructions.GetMounts(cmd)
}

// defaultShell is the shell of an image that sets none: cmd in Windows images, of which the name
// tells, else /bin/sh.
func defaultShell(image string) []string {
	image = strings.ToLower(image)
	if strings.HasPrefix(image, "mcr.microsoft.com/windows") || strings.Contains(image, "nanoserver") || strings.Contains(image, "windowsservercore") {
		return []string{"cmd", "/S", "/C"}
	}
	return []string{"/bin/sh", "-c"}
}

func (p *fileParser) readRun(in *Instruction, sh []string) {
	b, ok := p.bodies[in]
	if !ok {
		return
	}
	run := &Run{}
	in.run = run
	cmd, ok := in.Command.(*instructions.RunCommand)
	if !ok {
		run.Err = errors.New("BuildKit refuses the instruction")
		return
	}
	run.Mounts = readMounts(cmd, p.Escape)
	if b.json {
		run.Exec = cmd.CmdLine
		if run.Exec == nil {
			run.Exec = []string{}
		}
		run.readExec(readJSON(b.args))
		return
	}
	run.Heredoc = len(b.docs) > 0
	script, err := b.script(&sh)
	run.Script = script.s
	if err != nil {
		run.Err = err
		return
	}
	run.readScript(script, sh)
}

// script is what the shell gets, as BuildKit puts it together: a lone here-document is the script
// itself, or with "#!" a program for the interpreter named there, which then is the shell; any
// other goes to the shell with the line that it belongs to.
func (b body) script(sh *[]string) (text, error) {
	if len(b.docs) == 0 {
		return b.args, nil
	}
	if parser.MustParseHeredoc(b.args.s) != nil {
		script := b.docs[0].body
		if b.docs[0].Chomp {
			script = b.docs[0].chomped()
		}
		if line, ok := strings.CutPrefix(script.s, "#!"); ok {
			line, _, _ = strings.Cut(line, "\n")
			words := strings.Fields(line)
			if len(words) > 0 && path.Base(words[0]) == "env" {
				words = words[1:]
				if len(words) > 0 && words[0] == "-S" {
					words = words[1:]
				}
			}
			if len(words) == 0 {
				return script, errors.New("here-document with an empty #! line")
			}
			if !shells[path.Base(words[0])] {
				return script, fmt.Errorf("here-document for %s, which is not a POSIX shell or bash", path.Base(words[0]))
			}
			*sh = append(slices.Clone(words), "-c")
		}
		return script, nil
	}
	var full textBuilder
	full.addText(b.args)
	at := b.args.all().End
	for _, doc := range b.docs {
		// The newline that BuildKit writes stands for the one before the body.
		body := doc.end.all().Start
		if doc.body.s != "" {
			body = doc.body.all().Start
		}
		full.add("\n", at, max(body-at, 0))
		full.addText(doc.body)
		full.addText(doc.end)
		at = doc.end.all().End
	}
	return full.text(), nil
}
