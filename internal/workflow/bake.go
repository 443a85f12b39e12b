package workflow

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// Limits of a bake file, which is read before anything in it is known.
const (
	maxBakeBytes  = 64 << 10
	maxBakeTokens = 20_000
	maxBakeDepth  = 30     // of brackets, of variables in variables, of targets that inherit
	maxBakeText   = 16_384 // of one value
	maxBakeSteps  = 100_000
)

// bakeFile is one bake file as far as it is literal: no functions, no conditions, no matrices.
type bakeFile struct {
	variables map[string]func() any // defaults, evaluated where they are used
	targets   map[string]*bakeTarget
	grouped   map[string]bool // targets that a group names
	depth     int
	steps     int
}

// bakeTarget is one target with its attributes: texts, lists ([]any) and objects (map[string]any). What is
// not literal is unknownText.
type bakeTarget struct {
	line       int
	attributes map[string]bakeValue
}

// argsOfVariables is an attribute of our own beside "args": which of them are made of variables, of which the
// environment may give others.
// Source: Docker's documentation, "Variables in Bake", "Overriding variables with environment variables".
const argsOfVariables = "args of variables"

type bakeValue struct {
	line  int
	value any
}

// bakeStep is a step of a workflow that builds from bake files.
type bakeStep struct {
	line  int
	path  string
	files []string
	dir   string // where it runs, in the repository: paths are relative to it, not to the files
	git   bool   // from BuildKit's own clone
	on    runner
	set   bool // it overrides what the files say of caches
}

// bake reads a bake file, by Docker's "Bake file reference". One that another file overrides is not
// read.
func (r *reader) bake() {
	dir, name := path.Split(r.file.Path)
	if r.exists(dir+"docker-bake.override.hcl") || r.exists(dir+"docker-bake.override.json") {
		return
	}
	f := &bakeFile{variables: map[string]func() any{}, targets: map[string]*bakeTarget{}, grouped: map[string]bool{}}
	if strings.HasSuffix(name, ".json") {
		for _, d := range r.documents() {
			f.json(d)
			r.finish(d)
		}
	} else if err := f.hcl(r.file.Data); err != nil {
		r.fail(err.line, err.message)
		return
	}
	for _, name := range f.images() {
		r.bakeTarget(f, name, strings.TrimSuffix(dir, "/"))
	}
}

// isOtherHCL says whether a file may be a bake file under a name of its own, which "docker buildx bake
// --file" takes. The others are names of Terraform, Terragrunt and Packer.
func isOtherHCL(base string) bool {
	return strings.HasSuffix(base, ".hcl") && base != ".terraform.lock.hcl" && base != "terragrunt.hcl" && !strings.HasSuffix(base, ".pkr.hcl")
}

// namedBake reads a file that may be a bake file under a name of its own. Its paths are relative to where bake
// runs: a step that names it tells, else it is the repository's root or the file's folder, whichever
// alone has the Dockerfiles. Of what is no bake file nothing is said.
func (r *reader) namedBake() {
	f := &bakeFile{variables: map[string]func() any{}, targets: map[string]*bakeTarget{}, grouped: map[string]bool{}}
	if f.hcl(r.file.Data) != nil {
		return
	}
	var from []string
	for _, dir := range slices.Compact([]string{".", path.Dir(r.file.Path)}) {
		if slices.ContainsFunc(f.images(), func(name string) bool {
			all, ok := f.attributes(name)
			if !ok {
				return false
			}
			b, ok := bakePaths(all, dir)
			return ok && r.exists(cmp.Or(b.Dockerfile, path.Join(b.Context, "Dockerfile")))
		}) {
			from = append(from, dir)
		}
	}
	switch {
	case r.bakedBy(r.file.Path) != nil: // which says where it runs
	case len(from) != 1:
		return
	}
	for _, name := range f.images() {
		r.bakeTarget(f, name, append(from, ".")[0])
	}
}

// images are the targets that are images: what only lends its attributes to others is none, nor is a stage
// that only stands in for a named context of others.
func (f *bakeFile) images() []string {
	inherited, taken := map[string]bool{}, map[string]bool{}
	for _, t := range f.targets {
		for _, base := range texts(t.attributes["inherits"].value) {
			inherited[base] = true
		}
		contexts, _ := t.attributes["contexts"].value.(map[string]any)
		for _, value := range contexts {
			text, _ := value.(string)
			if name, ok := strings.CutPrefix(text, "target:"); ok {
				taken[name] = true
			}
		}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(f.targets)) {
		lends := inherited[name] || strings.HasPrefix(name, "_") || name == "docker-metadata-action" || taken[name] && f.stageOnly(name)
		if f.grouped[name] || !lends {
			out = append(out, name)
		}
	}
	return out
}

// stageOnly says whether a target builds one stage and gives it no name and no place to go.
func (f *bakeFile) stageOnly(name string) bool {
	all, ok := f.attributes(name)
	return ok && all["target"].value != nil && all["tags"].value == nil && all["output"].value == nil
}

// attributes are those of a target with what it inherits; false where what they are is not written down.
func (f *bakeFile) attributes(name string) (map[string]bakeValue, bool) {
	all := map[string]bakeValue{}
	return all, f.inherit(name, all, 0) && all["matrix"].value == nil && all["dockerfile-inline"].value == nil
}

// bakePaths is a target's build, of a bake that runs in a directory of the repository: where its files are,
// its target and its platforms; false where one of them is not written down.
func bakePaths(all map[string]bakeValue, dir string) (b buildcontext.Build, ok bool) {
	text := func(key string) string { s, _ := all[key].value.(string); return s }
	location, file := text("context"), text("dockerfile")
	if location == "" {
		location = "."
	}
	b = buildcontext.Build{Kind: buildcontext.Local, Target: text("target"), Args: map[string]string{}, Platforms: texts(all["platforms"].value)}
	if strings.Contains(location+file+b.Target+strings.Join(b.Platforms, ""), unknownText) || !isLocalContext(location) {
		return b, false
	}
	if b.Context, ok = resolve(dir, location); ok && file != "" {
		b.Dockerfile, ok = resolve(b.Context, file)
	}
	return b, ok
}

func (r *reader) bakeTarget(f *bakeFile, name, dir string) {
	all, ok := f.attributes(name)
	if !ok {
		return
	}
	step := r.bakedBy(r.file.Path)
	if step != nil {
		dir = step.dir
	}
	b, ok := bakePaths(all, dir)
	if !ok {
		return
	}
	args, _ := all["args"].value.(map[string]any)
	variable, _ := all[argsOfVariables].value.(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(args)) {
		if value, isText := args[name].(string); isText && !strings.Contains(value, unknownText) {
			b.Args[name] = value
			if variable[name] == true {
				b.Defaults = append(b.Defaults, name)
			}
		}
	}
	contexts, _ := all["contexts"].value.(map[string]any)
	for name, value := range contexts {
		if b.Contexts == nil {
			b.Contexts = map[string]string{}
		}
		value, _ := value.(string)
		if strings.HasPrefix(value, "target:") || value == "" {
			value = unknownText // what the build of another image makes
		}
		b.Contexts[name] = namedContextValue(value, dir, true)
	}
	use := cacheUse{
		from: entries(all["cache-from"].value), fromLine: all["cache-from"].line, to: entries(all["cache-to"].value), toLine: all["cache-to"].line,
		noCache: all["no-cache"].value == "true", noCacheLine: all["no-cache"].line, inline: b.Args["BUILDKIT_INLINE_CACHE"] == "1", line: f.targets[name].line,
	}
	at := r.file.Path
	if step != nil && step.git {
		b.Kind = buildcontext.Git
	}
	if step != nil && !step.set {
		use.builder, use.hosted = step.on.builder, step.on.hosted
		if use.noCacheLine+use.fromLine+use.toLine == 0 {
			at, use.line = step.path, step.line // the place that keeps none
		}
	}
	use.of(at, &b)
	r.build(f.targets[name].line, b)
}

// bakedBy is the first step that builds from a bake file: one that names it, or one that names none and
// runs in its folder.
func (r *reader) bakedBy(file string) *bakeStep {
	for i, s := range r.baked {
		if slices.Contains(s.files, file) || len(s.files) == 0 && path.Join(s.dir, path.Base(file)) == file {
			return &r.baked[i]
		}
	}
	return nil
}

// inherit adds the attributes of a target, and of those that it inherits from: the later ones win, its
// own most of all. false where a target is not there or inherits itself.
func (f *bakeFile) inherit(name string, all map[string]bakeValue, depth int) bool {
	t := f.targets[name]
	if f.steps++; t == nil || depth > maxBakeDepth || f.steps > maxBakeSteps {
		return false
	}
	for _, base := range texts(t.attributes["inherits"].value) {
		if !f.inherit(base, all, depth+1) {
			return false
		}
	}
	for key, v := range t.attributes {
		old, both := all[key].value.(map[string]any)
		if own, isMap := v.value.(map[string]any); isMap && both {
			merged := maps.Clone(old)
			maps.Copy(merged, own)
			v.value = merged
		}
		all[key] = v
	}
	return true
}

// bakeAction notes a step with docker/bake-action, which from version 6 on builds from the git context
// where no source is given (its README, "Git context").
func (w *workflowReader) bakeAction(step ast.Node, uses member, values *scope, on runner) {
	name, version, _ := strings.Cut(strings.ToLower(strings.TrimSpace(w.text(uses.value))), "@")
	if name != "docker/bake-action" && name != "depot/bake-action" {
		return
	}
	input := func(key string) string {
		return strings.TrimSpace(expand(w.text(w.get(w.get(step, "with"), key)), values))
	}
	s := bakeStep{line: uses.line, path: w.file.Path, on: on.of(values), set: strings.Contains(input("set"), "cache") || strings.Contains(input("set"), unknownText)}
	var ok bool
	if dir := input("workdir"); dir != "" {
		if s.dir, ok = resolve("", dir); !ok {
			return
		}
	}
	for _, file := range strings.FieldsFunc(input("files"), func(c rune) bool { return c == ',' || c == '\n' }) {
		if p, ok := resolve(s.dir, strings.TrimSpace(file)); ok {
			s.files = append(s.files, p)
		}
	}
	major, err := strconv.Atoi(strings.TrimPrefix(strings.SplitN(version, ".", 2)[0], "v"))
	s.git = input("source") == "" && err == nil && major >= 6
	if name == "depot/bake-action" {
		s.on.builder, s.git = builder{builderKept, uses.line}, false
	}
	w.baked = append(w.baked, s)
}

// texts are the entries of a list.
func texts(value any) []string {
	list, _ := value.([]any)
	var out []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// entries are those of cache-from and cache-to, texts or objects.
func entries(value any) []string {
	list, _ := value.([]any)
	var out []string
	for _, v := range list {
		switch v := v.(type) {
		case string:
			out = append(out, v)
		case map[string]any:
			var fields []string
			for _, key := range slices.Sorted(maps.Keys(v)) {
				text, _ := v[key].(string)
				fields = append(fields, key+"="+text)
			}
			out = append(out, strings.Join(fields, ","))
		}
	}
	return out
}

// json reads a bake file in JSON, whose texts are templates of HCL.
func (f *bakeFile) json(d document) {
	for _, m := range d.members(d.get(d.root, "variable")) {
		f.variables[m.key] = func() any { return f.jsonValue(d, d.get(m.value, "default"), 0) }
	}
	for _, m := range d.members(d.get(d.root, "group")) {
		for _, name := range texts(f.jsonValue(d, d.get(m.value, "targets"), 0)) {
			f.grouped[name] = true
		}
	}
	for _, m := range d.members(d.get(d.root, "target")) {
		t := &bakeTarget{line: m.line, attributes: map[string]bakeValue{}}
		for _, a := range d.members(m.value) {
			t.attributes[a.key] = bakeValue{a.line, f.jsonValue(d, a.value, 0)}
			if a.key == "args" {
				made := map[string]any{}
				for _, arg := range d.members(a.value) {
					text, _ := d.scalar(arg.value)
					made[arg.key] = strings.Contains(text.text, "${")
				}
				t.attributes[argsOfVariables] = bakeValue{a.line, made}
			}
		}
		f.targets[m.key] = t
	}
}

func (f *bakeFile) jsonValue(d document, n ast.Node, depth int) any {
	if s, ok := d.scalar(n); ok {
		if !strings.ContainsAny(s.text, "$%") {
			return s.text
		}
		if depthOf([]byte(s.text), hclsyntax.LexTemplate) != nil {
			return unknownText
		}
		e, problems := hclsyntax.ParseTemplate([]byte(s.text), "", hcl.InitialPos)
		if problems.HasErrors() {
			return unknownText
		}
		return f.value(e)
	}
	if depth > maxBakeDepth {
		return unknownText
	}
	if items := d.items(n); items != nil {
		var list []any
		for _, item := range items {
			list = append(list, f.jsonValue(d, item, depth+1))
		}
		return list
	}
	object := map[string]any{}
	for _, m := range d.members(n) {
		object[m.key] = f.jsonValue(d, m.value, depth+1)
	}
	return object
}

// hcl reads a bake file in HCL.
func (f *bakeFile) hcl(text []byte) *yamlError {
	if len(text) > maxBakeBytes {
		return &yamlError{1, fmt.Sprintf("the file is too large: %d bytes of at most %d", len(text), maxBakeBytes)}
	}
	if err := depthOf(text, hclsyntax.LexConfig); err != nil {
		return err
	}
	file, problems := hclsyntax.ParseConfig(text, "", hcl.InitialPos)
	if problems.HasErrors() {
		first := problems.Errs()[0]
		line := 1
		if d, ok := first.(*hcl.Diagnostic); ok && d.Subject != nil { //nolint:errorlint // a list of diagnostics, not a chain
			return &yamlError{d.Subject.Start.Line, "bad HCL: " + printable(d.Summary)}
		}
		return &yamlError{line, "bad HCL: " + printable(first.Error())}
	}
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return nil
	}
	for _, block := range body.Blocks {
		if len(block.Labels) != 1 {
			continue
		}
		name, attributes := block.Labels[0], block.Body.Attributes
		switch block.Type {
		case "variable":
			if a := attributes["default"]; a != nil {
				f.variables[name] = func() any { return f.value(a.Expr) }
			}
		case "group":
			if a := attributes["targets"]; a != nil {
				for _, name := range texts(f.value(a.Expr)) {
					f.grouped[name] = true
				}
			}
		case "target":
			t := &bakeTarget{line: block.TypeRange.Start.Line, attributes: map[string]bakeValue{}}
			for key, a := range attributes {
				t.attributes[key] = bakeValue{a.NameRange.Start.Line, f.value(a.Expr)}
				if object, ok := a.Expr.(*hclsyntax.ObjectConsExpr); ok && key == "args" {
					made := map[string]any{}
					for _, item := range object.Items {
						made[f.key(item)] = len(item.ValueExpr.Variables()) > 0
					}
					t.attributes[argsOfVariables] = bakeValue{a.NameRange.Start.Line, made}
				}
			}
			f.targets[name] = t
		}
	}
	return nil
}

// depthOf refuses, before a parser recurses into a text, nesting and lengths that no bake file has.
func depthOf(text []byte, lex func([]byte, string, hcl.Pos) (hclsyntax.Tokens, hcl.Diagnostics)) *yamlError {
	tokens, _ := lex(text, "", hcl.InitialPos)
	if len(tokens) > maxBakeTokens {
		return &yamlError{1, fmt.Sprintf("the file is too long: more than %d words and signs", maxBakeTokens)}
	}
	depth, signs := 0, 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			depth++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenTemplateSeqEnd:
			depth--
		}
		// Signs before a value, and conditions, nest without brackets.
		switch t.Type {
		case hclsyntax.TokenMinus, hclsyntax.TokenBang, hclsyntax.TokenQuestion:
			signs++
		case hclsyntax.TokenNewline:
			signs = 0
		}
		if depth > maxBakeDepth || signs > maxBakeDepth {
			return &yamlError{max(t.Range.Start.Line, 1), "nested too deeply"}
		}
	}
	return nil
}

// value evaluates what is literal: texts, variables with defaults, lists and objects of them. Anything
// else is unknownText.
func (f *bakeFile) value(e hclsyntax.Expression) any {
	if f.steps++; f.depth >= maxBakeDepth || f.steps > maxBakeSteps {
		return unknownText
	}
	f.depth++
	defer func() { f.depth-- }()
	switch e := e.(type) {
	case *hclsyntax.LiteralValueExpr:
		return literal(e.Val)
	case *hclsyntax.TemplateWrapExpr:
		return f.value(e.Wrapped)
	case *hclsyntax.ParenthesesExpr:
		return f.value(e.Expression)
	case *hclsyntax.TemplateExpr:
		var b strings.Builder
		for _, part := range e.Parts {
			text, ok := f.value(part).(string)
			if b.WriteString(text); !ok || b.Len() > maxBakeText {
				return unknownText
			}
		}
		return b.String()
	case *hclsyntax.ScopeTraversalExpr:
		if v := f.variables[e.Traversal.RootName()]; v != nil && len(e.Traversal) == 1 {
			return v()
		}
	case *hclsyntax.TupleConsExpr:
		list := []any{}
		for _, item := range e.Exprs {
			list = append(list, f.value(item))
		}
		return list
	case *hclsyntax.ObjectConsExpr:
		object := map[string]any{}
		for _, item := range e.Items {
			object[f.key(item)] = f.value(item.ValueExpr)
		}
		return object
	}
	return unknownText
}

// key is the name of an entry of an object, "" where it is not literal.
func (f *bakeFile) key(item hclsyntax.ObjectConsItem) string {
	name := hcl.ExprAsKeyword(item.KeyExpr)
	if key, ok := item.KeyExpr.(*hclsyntax.ObjectConsKeyExpr); ok && name == "" {
		name, _ = f.value(key.Wrapped).(string)
	}
	return name
}

// literal is a value as text; nil for null.
func literal(v cty.Value) any {
	switch {
	case v.IsNull():
		return nil
	case v.Type() == cty.String:
		return v.AsString()
	case v.Type() == cty.Bool:
		return strconv.FormatBool(v.True())
	case v.Type() == cty.Number:
		return v.AsBigFloat().Text('f', -1)
	}
	return unknownText
}
