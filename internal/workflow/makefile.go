package workflow

import (
	"path"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

// buildKitAssignment is a line that sets DOCKER_BUILDKIT for the commands that make runs; without
// export it is make's own variable.
var buildKitAssignment = lazyregexp.New(`^(?:[^\t=:#]+:)?\s*(?:override\s+)?export\s+DOCKER_BUILDKIT\s*[:?]{0,2}=\s*([^#]*)`)

// makefile reads the recipes of a Makefile. Each line is a shell of its own, which starts in the
// folder of the Makefile.
func (r *reader) makefile() {
	if len(r.file.Data) > maxSize {
		r.fail(1, "the file is too large")
		return
	}
	dir := path.Dir(r.file.Path)
	if dir == "." {
		dir = ""
	}
	lines := strings.Split(strings.ReplaceAll(string(r.file.Data), "\r\n", "\n"), "\n")
	volatile := volatileMakeVariables(lines)
	for i := 0; i < len(lines); {
		first := i
		recipe := strings.HasPrefix(lines[i], "\t")
		text := lines[i]
		for i++; strings.HasSuffix(text, `\`) && !strings.HasSuffix(text, `\\`) && i < len(lines); i++ {
			next := lines[i]
			if recipe {
				next = strings.TrimPrefix(next, "\t")
			}
			text += "\n" + next
		}
		if !recipe {
			if m := buildKitAssignment.FindStringSubmatch(strings.ReplaceAll(text, "\\\n", " ")); m != nil && isFalse(m[1]) {
				r.evidence(first+1, withoutDockerBuildKit)
			}
			continue
		}
		if !strings.Contains(text, "docker") && !strings.Contains(text, "podman") && !strings.Contains(text, "DOCKER_BUILDKIT") && !strings.Contains(text, "kaniko") {
			continue // spares a shell parser what it has nothing to find in
		}
		var shell shellReader
		shell.read(script{text: fromRecipe(text, volatile), line: first + 1, dir: dir})
		r.commands(&shell, inRepository, elsewhere)
	}
}

// makeVariable is a line that sets a variable of make, for some targets ("build: NAME = value") or for all.
// Source: GNU make's manual, "Target-specific Variable Values".
var makeVariable = lazyregexp.New(`^\s*(?:[^\t=:#$]+:\s+)?(?:override\s+|export\s+|private\s+)*([A-Za-z_][A-Za-z0-9_.-]*)\s*(\?|\+|::?:?|!)?=\s*(.*)$`)

// volatileMakeVariables are the variables that are another value each time make runs, wherever they are
// set: the commit or the time that a shell puts out.
func volatileMakeVariables(lines []string) map[string]bool {
	volatile := map[string]bool{}
	seen := map[string]bool{}
	for _, line := range lines {
		m := makeVariable.FindStringSubmatch(line)
		if m == nil || strings.HasPrefix(line, "\t") {
			continue
		}
		value := strings.TrimSpace(m[3])
		command, ok := strings.CutPrefix(value, "$(shell ")
		ok = ok && closing(value[1:]) == len(value)-2 && isVolatileMakeShell(command[:len(command)-1]) ||
			m[2] == "!" && isVolatileMakeShell(value)
		volatile[m[1]] = ok && (!seen[m[1]] || volatile[m[1]])
		seen[m[1]] = true
	}
	return volatile
}

// isVolatileMakeShell says whether what a shell puts out for make is another text each time.
func isVolatileMakeShell(command string) bool {
	if len(command) > maxScript || strings.Contains(strings.ReplaceAll(command, "$$", ""), "$") {
		return false
	}
	file, err := parseShell(strings.ReplaceAll(command, "$$", "$"))
	if err != nil {
		return false
	}
	var shell shellReader
	run := &shellRun{shellReader: &shell, changed: map[string]bool{}, volatile: map[string]bool{}}
	return run.volatileOutput(file.Stmts, &shellState{}, 0)
}

// fromRecipe gives what make passes to the shell: prefixes off, $$ as $, the folder that make runs
// in, and unknown text for every other variable and function.
func fromRecipe(text string, volatile map[string]bool) string {
	text = strings.TrimLeft(text, "\t @-+")
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '$' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		i++
		switch text[i] {
		case '$':
			b.WriteByte('$')
		case '(', '{':
			end := closing(text[i:])
			if end < 0 {
				return "" // make refuses it
			}
			switch name := text[i+1 : i+end]; name {
			case "CURDIR", "PWD", "shell pwd":
				b.WriteString("${PWD}")
			default:
				if command, isShell := strings.CutPrefix(name, "shell "); volatile[name] || isShell && isVolatileMakeShell(command) {
					b.WriteString(volatileText)
				} else {
					b.WriteString(unknownText)
				}
				// The lines of what follows stay where they are.
				b.WriteString(strings.Repeat("\\\n", strings.Count(text[i:i+end], "\n")))
			}
			i += end
		default:
			b.WriteString(unknownText)
		}
	}
	return b.String()
}

// closing finds the end of a make variable or function that starts with a parenthesis or brace.
func closing(text string) int {
	open, depth := text[0], 0
	closer := byte(')')
	if open == '{' {
		closer = '}'
	}
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case open:
			depth++
		case closer:
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}
