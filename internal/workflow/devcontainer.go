package workflow

import (
	"bytes"
	"cmp"
	"encoding/json"
	"path"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// isDevcontainer says whether a path is that of the description of a development container.
// Source: https://containers.dev/implementors/spec/#devcontainerjson.
func isDevcontainer(p string) bool {
	base := path.Base(p)
	return base == "devcontainer.json" || base == ".devcontainer.json"
}

// devcontainer is what a development container is built from, as written.
type devcontainer struct {
	Build struct {
		Dockerfile, Context, Target string
		Args                        map[string]any
	}
	DockerFile, Context string // as older files name them
	DockerComposeFile   any    // then the compose file says how
}

// devcontainer reads a development container's file: the Dockerfile and the context are relative to it, and the
// context is its own directory where none is named. It is a file for editors: whether it is good is not ours to say.
// Source: https://containers.dev/implementors/json_reference/#image-specific.
func (r *reader) devcontainer() {
	var c devcontainer
	if len(r.file.Data) > maxSize {
		return
	}
	data := withoutComments(r.file.Data)
	if json.Unmarshal(data, &c) != nil || c.DockerComposeFile != nil {
		return
	}
	file, context := cmp.Or(c.Build.Dockerfile, c.DockerFile), cmp.Or(c.Build.Context, c.Context, ".")
	if strings.Contains(file+context+c.Build.Target, "${") {
		return // a variable of the editor
	}
	b := buildcontext.Build{Kind: buildcontext.Local, Target: c.Build.Target, Args: map[string]string{}}
	for name, value := range c.Build.Args {
		if text, ok := value.(string); ok && !strings.Contains(text, "${") {
			b.Args[name] = text
		}
	}
	dir := path.Dir(r.file.Path)
	if dir == "." {
		dir = ""
	}
	var known bool
	if b.Dockerfile, known = resolve(dir, file); !known {
		return
	}
	if b.Context, known = resolve(dir, context); known {
		r.build(lineOfKey(data, "build", "dockerFile"), b)
	}
}

// lineOfKey is the line on which the first of some keys of a JSON object stands, 1 where none does.
func lineOfKey(data []byte, keys ...string) int {
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil { // the object's brace
		return 1
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return 1
		}
		for _, key := range keys {
			if name == key {
				return 1 + bytes.Count(data[:d.InputOffset()], []byte("\n"))
			}
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return 1
		}
	}
	return 1
}

// withoutComments makes JSON of what editors take for it: comments become spaces, and so does a comma before the end of
// an object or an array. Every line keeps its number.
func withoutComments(data []byte) []byte {
	out := bytes.Clone(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	comma := -1 // the last one, while nothing but spaces and comments follows
	for i := 0; i < len(out); {
		size := tokenSize(out[i:])
		switch c := out[i]; {
		case c == '/' && size > 1:
			for n := i; n < i+size; n++ {
				if out[n] != '\n' {
					out[n] = ' '
				}
			}
		case c == ',':
			comma = i
		case (c == '}' || c == ']') && comma >= 0:
			out[comma] = ' '
			comma = -1
		case c != ' ' && c != '\t' && c != '\r' && c != '\n':
			comma = -1
		}
		i += size
	}
	return out
}

// tokenSize is how many bytes a string or a comment at the beginning of a text has, 1 for anything else.
func tokenSize(data []byte) int {
	until := func(from int, end string) int {
		if n := bytes.Index(data[from:], []byte(end)); n >= 0 {
			return from + n
		}
		return len(data)
	}
	switch {
	case bytes.HasPrefix(data, []byte("//")):
		return until(2, "\n")
	case bytes.HasPrefix(data, []byte("/*")):
		return min(until(2, "*/")+2, len(data))
	case data[0] != '"':
		return 1
	}
	for i := 1; i < len(data); i++ {
		switch data[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(data)
}
