package workflow

import (
	"path"
	"regexp"
	"strings"
)

// buildKitAssignment is a line that sets DOCKER_BUILDKIT for the commands that make runs; without
// export it is make's own variable.
var buildKitAssignment = regexp.MustCompile(`^(?:[^\t=:#]+:)?\s*(?:override\s+)?export\s+DOCKER_BUILDKIT\s*[:?]{0,2}=\s*([^#]*)`)

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
		shell.read(script{text: fromRecipe(text), line: first + 1, dir: dir})
		r.commands(&shell, inRepository)
	}
}

// fromRecipe gives what make passes to the shell: prefixes off, $$ as $, the folder that make runs
// in, and unknown text for every other variable and function.
func fromRecipe(text string) string {
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
			switch text[i+1 : i+end] {
			case "CURDIR", "PWD", "shell pwd":
				b.WriteString("${PWD}")
			default:
				b.WriteString(unknownText)
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
