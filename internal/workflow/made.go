package workflow

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"mvdan.cc/sh/v3/syntax"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// maxMade is the most files that are told of one job.
const maxMade = 20

// made is a file or folder that something writes before a build; path is relative to the workspace, ""
// where it is not known.
type made struct {
	line     int
	path, by string
	anywhere bool // it may write wherever it wants
}

// packagers build a project from its sources: they write files that are not in git, somewhere below
// where they run. The words after a name are its command; none stands for any.
var packagers = map[string][]string{
	"npm": {"run build", "run-script build"}, "yarn": {"build", "run build"}, "pnpm": {"build", "run build"}, "bun": {"run build"},
	"mvn": {"package", "install", "verify"}, "gradle": {"build", "assemble"}, "gradlew": {"build", "assemble"},
	"go": {"build"}, "cargo": {"build"}, "dotnet": {"publish", "build"}, "hatch": {"build"}, "poetry": {"build"}, "uv": {"build"}, "flit": {"build"}, "pdm": {"build"},
	"python": {"-m build", "setup.py sdist", "setup.py bdist_wheel"}, "python3": {"-m build", "setup.py sdist", "setup.py bdist_wheel"},
}

// writes notes what a command of a script writes, as far as it is literal.
func (r *shellRun) writes(words []word, redirects []*syntax.Redirect, at *shellState, line int) {
	note := func(w word, by string) {
		p, ok := resolve(at.dir, w.text)
		if ok && w.literal && isKnown(at, w.text) && len(r.made) < maxMade {
			r.made = append(r.made, made{line: line, path: p, by: by})
		}
	}
	for _, redirect := range redirects {
		if (redirect.Op == syntax.RdrOut || redirect.Op == syntax.AppOut || redirect.Op == syntax.RdrAll) && redirect.Word != nil && (redirect.N == nil || redirect.N.Value == "1") {
			note(r.word(redirect.Word, at), "a redirection")
		}
	}
	program := path.Base(words[0].text)
	var plain []word // without options
	for _, w := range words[1:] {
		if !strings.HasPrefix(w.text, "-") {
			plain = append(plain, w)
		}
	}
	switch program {
	case "cp", "mv", "rsync":
		if len(plain) > 1 {
			note(plain[len(plain)-1], program)
		}
	case "touch":
		for _, w := range plain {
			note(w, program)
		}
	case "curl", "wget", "poetry", "uv", "pip-compile":
		for i, w := range words[1:] {
			if slices.Contains([]string{"-o", "-O", "--output", "--output-file", "--output-document"}, w.text) && i+2 < len(words) &&
				(program != "curl" || w.text != "-O") {
				note(words[i+2], program)
			}
		}
	}
	for _, command := range packagers[program] {
		first := strings.Fields(command)
		if len(words) > len(first) && slices.EqualFunc(first, words[1:len(first)+1], func(a string, w word) bool { return a == w.text }) && len(r.made) < maxMade {
			r.made = append(r.made, made{line: line, by: program + " " + command, anywhere: true})
		}
	}
}

// downloads notes the files that actions/download-artifact brings.
func (w *workflowReader) downloads(step ast.Node, uses member, values *scope) (made, bool) {
	name, _, _ := strings.Cut(strings.ToLower(w.text(uses.value)), "@")
	if name != "actions/download-artifact" {
		return made{}, false
	}
	m := made{line: uses.line, by: "actions/download-artifact"}
	text := expand(w.text(w.get(w.get(step, "with"), "path")), values)
	p, ok := resolve("", text)
	switch {
	case text == "":
		m.anywhere = true // in the workspace itself
	case !ok:
		m.anywhere = true
	default:
		m.path = p
	}
	return m, true
}

// madeBefore turns what a job writes before a build into paths of the repository.
func (r *reader) madeBefore(list []made, line int, repository func(string) (string, bool)) []buildcontext.Made {
	var out []buildcontext.Made
	for _, m := range list {
		if m.line >= line || len(out) == maxMade {
			continue
		}
		b := buildcontext.Made{By: m.by, Place: fmt.Sprintf("%s, line %d", r.file.Path, m.line)}
		if !m.anywhere {
			p, ok := repository(m.path)
			if !ok {
				continue
			}
			b.Path = p
			if p == "" {
				b.Path = "."
			}
		}
		out = append(out, b)
	}
	return out
}
