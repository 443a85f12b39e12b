package workflow

import (
	"strings"
)

// jenkinsfile reads the strings of a Jenkinsfile (Groovy) by what stands before them: shell steps,
// environment settings, images and the YAML of a pod. Comments show nothing.
func (r *reader) jenkinsfile() {
	if len(r.file.Data) > maxSize {
		r.fail(1, "the file is too large")
		return
	}
	for _, s := range groovyStrings(string(r.file.Data)) {
		switch {
		case s.before == "DOCKER_BUILDKIT" && s.sign == '=' && isFalse(s.text):
			r.evidence(s.line, withoutDockerBuildKit)
		case s.before == "image" && isKanikoImage(s.text):
			r.evidence(s.line, withKaniko)
		case s.before == "sh" || s.before == "script":
			var shell shellReader
			shell.read(script{text: s.text, line: s.line})
			for _, e := range shell.evidence {
				r.evidence(e.Line, e.What)
			}
		case s.before == "yaml":
			r.pod(s)
		case s.before == "withEnv":
			if name, value, ok := strings.Cut(s.text, "="); ok && name == "DOCKER_BUILDKIT" && isFalse(value) {
				r.evidence(s.line, withoutDockerBuildKit)
			}
		}
	}
}

// pod looks for kaniko among the containers of a pod's YAML.
func (r *reader) pod(s groovyString) {
	visits := maxVisits / 100
	documents, err := readYAML([]byte(s.text), &visits)
	if err != nil {
		return // the string may be put together from parts
	}
	for _, d := range documents {
		for _, container := range d.items(d.get(d.get(d.root, "spec"), "containers")) {
			if image, ok := d.scalar(d.get(container, "image")); ok && isKanikoImage(image.text) {
				r.evidence(s.line+image.line-1, withKaniko)
			}
		}
	}
}

// groovyString is one string of a Groovy text.
type groovyString struct {
	text   string
	line   int
	before string // the last name before it, over brackets, commas, other strings and signs
	sign   byte   // the last sign before it other than a blank
}

// groovyStrings finds the strings of a Groovy text: '…', "…", ”'…”', """…""", outside comments.
func groovyStrings(text string) []groovyString {
	var list []groovyString
	name, line := "", 1
	var sign byte
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case strings.HasPrefix(text[i:], "//"):
			end := strings.IndexByte(text[i:], '\n')
			if end < 0 {
				return list
			}
			i += end
		case strings.HasPrefix(text[i:], "/*"):
			end := strings.Index(text[i+2:], "*/")
			if end < 0 {
				return list
			}
			line += strings.Count(text[i:i+2+end], "\n")
			i += end + 4
		case c == '\'' || c == '"':
			quote := text[i : i+1]
			if long := strings.Repeat(quote, 3); strings.HasPrefix(text[i:], long) {
				quote = long
			}
			start := i + len(quote)
			end := groovyEnd(text, start, quote)
			list = append(list, groovyString{text: groovyText(text[start:end]), line: line, before: name, sign: sign})
			line += strings.Count(text[start:end], "\n")
			i = min(end+len(quote), len(text))
			sign = c
		case c == '_' || isLetter(c):
			end := i
			for end < len(text) && (text[end] == '_' || isLetter(text[end]) || '0' <= text[end] && text[end] <= '9') {
				end++
			}
			name, sign = text[i:end], 0
			i = end
		default:
			if c == '\n' {
				line++
			}
			if c == '{' || c == '}' || c == ';' {
				name = ""
			}
			if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
				sign = c
			}
			i++
		}
	}
	return list
}

// groovyEnd finds the end of a string; a short one that is not closed ends with its line.
func groovyEnd(text string, start int, quote string) int {
	for i := start; i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case strings.HasPrefix(text[i:], quote), text[i] == '\n' && len(quote) == 1:
			return i
		}
	}
	return len(text)
}

// groovyText takes escapes of quotes off; others are left as they are.
func groovyText(s string) string {
	return strings.NewReplacer(`\'`, `'`, `\"`, `"`, `\$`, `$`).Replace(s)
}

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }
