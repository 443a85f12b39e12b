package workflow

import (
	"path"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// pushActions build an image from the inputs of docker/build-push-action.
var pushActions = []string{"docker/build-push-action", "depot/build-push-action", "useblacksmith/build-push-action"}

// pushStep is one step with such an action.
type pushStep struct {
	*workflowReader
	uses   member
	name   string // of the action
	first  bool   // version 1, which had inputs of its own
	inputs map[string]member
	open   []string // arguments whose values are not written down
	values *scope
	places checkouts
	on     runner
	before []made
}

// action reads a step that uses an action: docker/build-push-action builds, from version 2 on with
// the git context where none is given (its README, "Git context").
func (w *workflowReader) action(step ast.Node, uses member, values *scope, places checkouts, on runner, before []made) {
	name, version, _ := strings.Cut(strings.TrimSpace(w.text(uses.value)), "@")
	if isKanikoImage(name) && strings.HasPrefix(name, "docker://") {
		w.evidence(uses.line, withKaniko)
	}
	name = strings.ToLower(name)
	if !slices.Contains(pushActions, name) {
		return
	}
	with, _ := w.find(step, "with")
	p := &pushStep{
		workflowReader: w, uses: uses, name: name, inputs: map[string]member{},
		first: name == "docker/build-push-action" && (version == "v1" || strings.HasPrefix(version, "v1.")), values: values, places: places, on: on.of(values), before: before,
	}
	if name != "docker/build-push-action" {
		p.on.builder = builder{builderKept, uses.line}
	}
	for _, m := range w.members(with.value) {
		p.inputs[strings.ToLower(m.key)] = m
	}
	use := p.cache()
	s := Step{
		Line: uses.line, Uses: strings.TrimSpace(w.text(uses.value)), With: with.line,
		CacheFrom: use.fromLine, CacheTo: use.toLine,
	}
	if use.noCache {
		s.NoCache = use.noCacheLine
	}
	for _, m := range p.inputs {
		s.Indent = max(s.Indent, m.column-1)
	}
	b, ok := p.build()
	if ok {
		use.inline = b.Args["BUILDKIT_INLINE_CACHE"] == "1"
		use.of(w.file.Path, &b)
		if b, ok = w.build(uses.line, b); ok {
			s.Dockerfile, s.Build, s.Open = b.Dockerfile, b, p.open
		}
	} else {
		use.of(w.file.Path, &b)
	}
	s.Cache = b.Cache
	for _, line := range p.list("tags") {
		s.Tags = append(s.Tags, literalNames(commaList(line))...)
	}
	w.step(s, p.on)
}

// input is the value of an input, with what is not written down as unknownText.
func (p *pushStep) input(key string) string {
	return expand(strings.TrimSpace(p.text(p.inputs[key].value)), p.values)
}

// list are the entries of an input with one on each line.
func (p *pushStep) list(key string) []string {
	var list []string
	for line := range strings.SplitSeq(p.input(key), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

// cache reads what the step says about its cache.
func (p *pushStep) cache() cacheUse {
	u := cacheUse{
		from: p.list("cache-from"), to: p.list("cache-to"), fromLine: p.inputs["cache-from"].line, toLine: p.inputs["cache-to"].line,
		builder: p.on.builder, hosted: p.on.hosted, line: p.uses.line,
	}
	key := "no-cache"
	if p.first {
		key = "no_cache"
		if froms := p.input("cache_froms"); froms != "" {
			u.from, u.fromLine = strings.Split(froms, ","), p.inputs["cache_froms"].line
		}
	}
	if m, set := p.inputs[key]; set {
		value := strings.ToLower(p.input(key))
		u.noCache, u.noCacheUnknown, u.noCacheLine = value == "true", strings.Contains(value, unknownText), m.line
	}
	if m, set := p.inputs["builder"]; set {
		// The output of docker/setup-buildx-action is the builder that it made.
		if expression := strings.ReplaceAll(p.text(m.value), " ", ""); !p.on.buildx || !strings.HasPrefix(expression, "${{steps.") || !strings.HasSuffix(expression, ".outputs.name}}") {
			u.builder = builder{kind: builderUnknown}
		}
	}
	return u
}

// build reads which image the step builds, and how; false where that is not written down.
func (p *pushStep) build() (b buildcontext.Build, ok bool) {
	b = buildcontext.Build{Kind: buildcontext.Local, Target: p.input("target"), Args: map[string]string{}}
	location, file, arguments, given := p.input("context"), p.input("file"), p.list("build-args"), p.inputs["build-args"].line
	if p.first {
		location, file = p.input("path"), p.input("dockerfile")
		arguments, given = strings.Split(p.input("build_args"), ","), p.inputs["build_args"].line
		if location == "" {
			location = "."
		}
	}
	if strings.Contains(location+file+b.Target, unknownText) {
		return b, false
	}
	p.arguments(arguments, given, &b)
	p.contexts(&b)
	for _, entry := range p.list("platforms") {
		b.Platforms = append(b.Platforms, commaList(entry)...)
	}
	if slices.ContainsFunc(b.Platforms, func(s string) bool { return strings.Contains(s, unknownText) }) {
		b.Platforms = nil
	}
	rest, isDefault := cutDefaultContext(location)
	switch {
	case location == "" || isDefault:
		b.Kind = buildcontext.Git
		if rest != "" {
			if b.Context, ok = resolve("", rest); !ok {
				return b, false
			}
		}
		if file != "" {
			b.Dockerfile, ok = resolve(b.Context, file)
			return b, ok
		}
		return b, true
	case !isLocalContext(location):
		return b, false
	}
	at, ok := resolve("", location)
	if !ok {
		return b, false
	}
	b.Made = p.madeBefore(p.before, p.uses.line, p.places.repository)
	if b.Context, ok = p.places.repository(at); ok && file != "" {
		if at, ok = resolve("", file); ok {
			b.Dockerfile, ok = p.places.repository(at)
		}
	}
	return b, ok
}

// arguments reads build arguments, given from a line of the file on: NAME=value, or NAME with the value of
// the environment.
func (p *pushStep) arguments(lines []string, at int, b *buildcontext.Build) {
	for _, line := range lines {
		name, value, given := strings.Cut(strings.TrimSpace(line), "=")
		if name == "" || strings.Contains(name, unknownText) {
			continue
		}
		if !given {
			var set bool
			if value, set = p.values.variable(name); !set {
				p.open = append(p.open, name)
				continue
			}
		}
		switch {
		case isVolatile(value):
			b.Volatile = append(b.Volatile, name)
			if b.VolatileAt == nil {
				b.VolatileAt = map[string]int{}
			}
			b.VolatileAt[name] = p.argumentLine(name, at, len(lines))
		case !strings.Contains(value, unknownText):
			b.Args[name] = value
		default:
			p.open = append(p.open, name)
		}
	}
}

// argumentLine is the line of an argument among some, given from a line on: one each on the lines below it, or all
// on it; that one where it is found on none.
func (p *pushStep) argumentLine(name string, at, count int) int {
	for line := at + 1; line <= min(at+count+maxBlankLines, p.file.LineCount()); line++ {
		text := strings.TrimSpace(p.file.Text(p.file.SpanFromLines(source.Lines{First: line, Last: line})))
		if rest, ok := strings.CutPrefix(text, name); ok && (rest == "" || rest[0] == '=') {
			return line
		}
	}
	return at
}

// maxBlankLines is how many lines among arguments may hold none.
const maxBlankLines = 20

// literalNames leaves out what hangs on an expression.
func literalNames(names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return strings.Contains(name, unknownText) })
}

// contexts reads named contexts: NAME=directory or NAME=address.
func (p *pushStep) contexts(b *buildcontext.Build) {
	for _, entry := range p.list("build-contexts") {
		name, value, ok := strings.Cut(entry, "=")
		if !ok || name == "" || strings.Contains(name, unknownText) {
			continue
		}
		if b.Contexts == nil {
			b.Contexts = map[string]string{}
		}
		value = namedContextValue(value, "", true)
		if buildcontext.IsDirectory(value) {
			at, ok := p.places.repository(strings.TrimPrefix(value, "./"))
			value = buildcontext.UnknownContext
			if ok {
				value = "./" + at
			}
		}
		b.Contexts[name] = value
	}
}

// namedContextValue is where a named context's files come from: "./" and a directory of the workspace, or
// an address as written; buildcontext.UnknownContext for what is not written down or lies elsewhere.
func namedContextValue(value, dir string, known bool) string {
	switch {
	case strings.Contains(value, unknownText):
		return buildcontext.UnknownContext
	case !buildcontext.IsDirectory(value):
		return value
	}
	at, ok := resolve(dir, value)
	if !ok || !known && !strings.HasPrefix(value, workspace) {
		return buildcontext.UnknownContext
	}
	return "./" + at
}

// commaList parts a list with commas.
func commaList(text string) []string {
	var list []string
	for entry := range strings.SplitSeq(text, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			list = append(list, entry)
		}
	}
	return list
}

// cutDefaultContext reads {{defaultContext}} and {{defaultContext}}:folder.
func cutDefaultContext(location string) (folder string, ok bool) {
	inner, ok := strings.CutPrefix(location, "{{")
	if !ok {
		return "", false
	}
	name, rest, ok := strings.Cut(inner, "}}")
	if !ok || strings.TrimSpace(name) != "defaultContext" {
		return "", false
	}
	return path.Clean(strings.TrimPrefix(strings.TrimPrefix(rest, ":"), "/")), true
}
