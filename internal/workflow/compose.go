package workflow

import (
	"path"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

// maxExtends is how often a service may extend one that extends another one.
const maxExtends = 8

// compose reads the services of a compose file, by the Compose Specification, "build" and "extends":
// the context is relative to the file, the Dockerfile to the context.
func (r *reader) compose() {
	for _, d := range r.documents() {
		services := d.get(d.root, "services")
		for _, service := range d.members(services) {
			if image, ok := d.scalar(d.get(service.value, "image")); ok && isKanikoImage(image.text) {
				r.evidence(image.line, withKaniko)
			}
			build, ok := d.find(service.value, "build")
			if !ok {
				continue
			}
			c := composeBuild{args: map[string]string{}}
			if c.extend(d, services, service.value, 0) {
				r.composeBuild(build.line, c)
			}
		}
		r.finish(d)
	}
}

// composeBuild is the build of a service, as written.
type composeBuild struct {
	context, file, target string
	args, contexts        map[string]string
	platforms             []string
	from, to              []string
	fromLine, toLine      int
	noCache               bool
	noCacheLine           int
}

// extend reads the build of a service over that of the service which it extends; false where that is
// in another file, or where something in it is not a value.
func (c *composeBuild) extend(d document, services, service ast.Node, depth int) bool {
	if base, ok := d.find(service, "extends"); ok {
		name, isName := d.scalar(base.value)
		if !isName {
			if d.get(base.value, "file") != nil {
				return false
			}
			name, _ = d.scalar(d.get(base.value, "service"))
		}
		if depth == maxExtends || !c.extend(d, services, d.get(services, name.text), depth+1) {
			return false
		}
	}
	build := d.get(service, "build")
	if s, ok := d.scalar(build); ok {
		c.context = s.text
		return true
	}
	for _, m := range d.members(build) {
		s, isScalar := d.scalar(m.value)
		switch m.key {
		case "context":
			c.context = s.text
		case "dockerfile":
			c.file = s.text
		case "target":
			c.target = s.text
		case "dockerfile_inline":
			return false
		case "args":
			composeArgs(d, m.value, c.args)
			continue
		case "additional_contexts":
			c.contexts = map[string]string{}
			composeContexts(d, m.value, c.contexts)
			continue
		case "platforms":
			c.platforms = composeList(d, m.value)
			continue
		case "cache_from":
			c.from, c.fromLine = composeList(d, m.value), m.line
			continue
		case "cache_to":
			c.to, c.toLine = composeList(d, m.value), m.line
			continue
		case "no_cache":
			c.noCache, c.noCacheLine = isScalar && s.text == "true", m.line
			continue
		default:
			continue
		}
		if !isScalar {
			return false
		}
	}
	return true
}

func (r *reader) composeBuild(line int, c composeBuild) {
	if c.context == "" {
		// The files that are read over another one (compose.override.yml, compose.prod.yml) take the
		// context from there.
		if name := strings.TrimSuffix(path.Base(r.file.Path), path.Ext(r.file.Path)); name != "compose" && name != "docker-compose" {
			return
		}
		c.context = "."
	}
	for _, text := range []*string{&c.context, &c.file, &c.target} {
		var ok bool
		if *text, ok = interpolate(*text); !ok {
			return
		}
	}
	if !isLocalContext(c.context) {
		return
	}
	b := buildcontext.Build{Kind: buildcontext.Local, Target: c.target, Args: c.args, Platforms: c.platforms}
	dir := path.Dir(r.file.Path)
	if dir == "." {
		dir = ""
	}
	var ok bool
	if b.Context, ok = resolve(dir, c.context); !ok {
		return
	}
	if c.file != "" {
		if b.Dockerfile, ok = resolve(b.Context, c.file); !ok {
			return
		}
	}
	for name, value := range c.contexts {
		if b.Contexts == nil {
			b.Contexts = map[string]string{}
		}
		b.Contexts[name] = namedContextValue(value, dir, true)
	}
	cacheUse{
		from: c.from, to: c.to, fromLine: c.fromLine, toLine: c.toLine, noCache: c.noCache, noCacheLine: c.noCacheLine,
		inline: c.args["BUILDKIT_INLINE_CACHE"] == "1", line: line,
	}.of(r.file.Path, &b)
	r.build(line, b)
}

// composeList reads a list; an entry with a variable that has no default is not written down.
func composeList(d document, n ast.Node) []string {
	var list []string
	for _, item := range d.items(n) {
		text, ok := interpolate(d.text(item))
		if !ok {
			text = unknownText
		}
		list = append(list, text)
	}
	return list
}

// composeContexts reads named contexts, a mapping or a list of NAME=value; "service:" is the image of
// another service.
func composeContexts(d document, n ast.Node, contexts map[string]string) {
	set := func(name, value string) {
		value, ok := interpolate(value)
		if !ok || strings.HasPrefix(value, "service:") {
			value = unknownText
		}
		if name != "" {
			contexts[name] = value
		}
	}
	for _, m := range d.members(n) {
		set(m.key, d.text(m.value))
	}
	for _, item := range d.items(n) {
		if name, value, ok := strings.Cut(d.text(item), "="); ok {
			set(name, value)
		}
	}
}

// composeArgs reads build arguments, a mapping or a list of NAME=value; those whose value is the
// environment's are left out, be it that ${NAME:-} spares them the warning of a variable that is not set.
func composeArgs(d document, n ast.Node, args map[string]string) {
	set := func(name, text string) {
		value, ok := interpolate(text)
		if ok && name != "" && (value != "" || text == "") {
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
var variablePattern = lazyregexp.New(`\$(?:\$|[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*(?:(:?[-?+])([^}$]*))?\})`)

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
