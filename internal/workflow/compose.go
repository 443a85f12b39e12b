package workflow

import (
	"path"
	"regexp"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// compose reads the services of a compose file, by the Compose Specification, "build": the context is
// relative to the file, the Dockerfile to the context.
func (r *reader) compose() {
	for _, d := range r.documents() {
		for _, service := range d.members(d.get(d.root, "services")) {
			if image, ok := d.scalar(d.get(service.value, "image")); ok && isKanikoImage(image.text) {
				r.evidence(image.line, withKaniko)
			}
			if build, ok := d.find(service.value, "build"); ok {
				r.composeBuild(d, build)
			}
		}
		r.finish(d)
	}
}

func (r *reader) composeBuild(d document, build member) {
	b := buildcontext.Build{Kind: buildcontext.Local, Args: map[string]string{}}
	location, file := ".", ""
	if s, ok := d.scalar(build.value); ok {
		location = s.text
	} else {
		keys := d.members(build.value)
		if len(keys) == 0 {
			return
		}
		for _, m := range keys {
			s, isScalar := d.scalar(m.value)
			switch m.key {
			case "context":
				location = s.text
			case "dockerfile":
				file = s.text
			case "target":
				b.Target = s.text
			case "dockerfile_inline":
				return
			case "args":
				r.composeArgs(d, m.value, b.Args)
			default:
				continue
			}
			if !isScalar && m.key != "args" {
				return
			}
		}
	}
	for _, text := range []*string{&location, &file, &b.Target} {
		var ok bool
		if *text, ok = interpolate(*text); !ok {
			return
		}
	}
	if !isLocalContext(location) {
		return
	}
	dir := path.Dir(r.file.Path)
	if dir == "." {
		dir = ""
	}
	var ok bool
	if b.Context, ok = resolve(dir, location); !ok {
		return
	}
	if file != "" {
		if b.Dockerfile, ok = resolve(b.Context, file); !ok {
			return
		}
	}
	r.build(build.line, b)
}

// composeArgs reads build arguments, a mapping or a list of NAME=value; those whose value is the
// environment's are left out.
func (r *reader) composeArgs(d document, n ast.Node, args map[string]string) {
	set := func(name, value string) {
		if value, ok := interpolate(value); ok && name != "" {
			args[name] = value
		}
	}
	for _, m := range d.members(n) {
		if s, ok := d.scalar(m.value); ok {
			set(m.key, s.text)
		}
	}
	for _, item := range d.items(n) {
		if name, value, ok := strings.Cut(d.text(item), "="); ok {
			set(name, value)
		}
	}
}

// variablePattern is a variable of the Compose Specification, "Interpolation".
var variablePattern = regexp.MustCompile(`\$(?:\$|[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*(?:(:?[-?+])([^}$]*))?\})`)

// interpolate puts the defaults of variables in; false where one has none, for its value is the
// environment's.
func interpolate(text string) (string, bool) {
	known := true
	out := variablePattern.ReplaceAllStringFunc(text, func(v string) string {
		if v == "$$" {
			return "\ue002"
		}
		m := variablePattern.FindStringSubmatch(v)
		if m[1] != "-" && m[1] != ":-" {
			known = false
		}
		return m[2]
	})
	known = known && !strings.Contains(out, "$")
	return strings.ReplaceAll(out, "\ue002", "$"), known
}
