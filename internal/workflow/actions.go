package workflow

import (
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// maxCombinations is the most combinations of a job's matrix that are read.
const maxCombinations = 64

// actions reads a GitHub workflow, or the steps of a composite action.
func (r *reader) actions() {
	for _, d := range r.documents() {
		w := &workflowReader{reader: r, document: d}
		needs := &scope{map[string]string{}, nil} // outputs of the jobs read so far
		values := w.environment(d.root, needs)
		dir := w.defaultDirectory(d.root, "")
		started := w.started()
		for _, job := range d.members(d.get(d.root, "jobs")) {
			w.job(job, values, needs, dir, started)
		}
		w.steps(d.get(d.get(d.root, "runs"), "steps"), values, "", runner{builder: builder{kind: builderUnknown}})
		r.finish(d)
	}
}

type workflowReader struct {
	*reader
	document
}

// scope is what is known of the values of expressions ("env.NAME", "matrix.NAME"), from the inside out.
type scope struct {
	values map[string]string
	outer  *scope
}

func (s *scope) lookup(name string) (string, bool) {
	for ; s != nil; s = s.outer {
		if value, ok := s.values[name]; ok {
			return value, true
		}
	}
	return "", false
}

// variable gives what env: and earlier steps set for a script; a value may be volatileText.
func (s *scope) variable(name string) (string, bool) {
	value, ok := s.lookup("env." + strings.ToLower(name))
	return value, ok && (!strings.Contains(value, unknownText) || isVolatile(value))
}

// job reads one job once for each combination of its matrix, and adds its outputs to needs.
func (w *workflowReader) job(m member, values, needs *scope, dir string, by started) {
	job := m.value
	container := w.get(job, "container")
	w.image(container)
	w.image(w.get(container, "image"))
	w.environment(container, nil)
	matrix := w.get(w.get(job, "strategy"), "matrix")
	combinations := w.matrix(matrix)
	for _, combination := range combinations {
		all := w.environment(job, &scope{combination, values})
		on := w.runner(job, all)
		on.job, on.matrix = m.key, len(combinations) > 1 || w.isOpen(matrix)
		on.commits = by.commits && isBroad(w.text(w.get(job, "if")))
		on.cacheWrites = by.cacheWrites && w.get(job, "cache-mode") == nil
		all = w.steps(w.get(job, "steps"), all, w.defaultDirectory(job, dir), on)
		for _, output := range w.members(w.get(job, "outputs")) {
			name := "needs." + strings.ToLower(m.key) + ".outputs." + strings.ToLower(output.key)
			needs.values[name] = expand(w.text(output.value), all)
		}
	}
}

// image looks at the name of an image.
func (w *workflowReader) image(n ast.Node) {
	if s, ok := w.scalar(n); ok && isKanikoImage(s.text) {
		w.evidence(s.line, withKaniko)
	}
}

// environment adds what env: of a workflow, job, container or step sets to what is known outside.
func (w *workflowReader) environment(n ast.Node, outer *scope) *scope {
	values := map[string]string{}
	for _, m := range w.members(w.get(n, "env")) {
		s, ok := w.scalar(m.value)
		if ok && m.key == "DOCKER_BUILDKIT" && isFalse(s.text) {
			w.evidence(m.line, withoutDockerBuildKit)
		}
		values["env."+strings.ToLower(m.key)] = expand(s.text, outer)
	}
	if len(values) == 0 {
		return outer
	}
	return &scope{values, outer}
}

func (w *workflowReader) defaultDirectory(n ast.Node, outer string) string {
	if s, ok := w.scalar(w.get(w.get(w.get(n, "defaults"), "run"), "working-directory")); ok {
		return s.text
	}
	return outer
}

// matrix gives the combinations of a matrix as GitHub forms them, each as "matrix.NAME" to its value;
// one empty combination where there is no matrix or it is not written down.
func (w *workflowReader) matrix(n ast.Node) []map[string]string {
	combinations := []map[string]string{{}}
	original := map[string]bool{}
	for _, m := range w.members(n) {
		if m.key == "include" || m.key == "exclude" {
			continue
		}
		items := w.items(m.value)
		if len(items) == 0 || len(items)*len(combinations) > maxCombinations {
			continue // an expression, or more than is read: its values stay unknown
		}
		var next []map[string]string
		for _, c := range combinations {
			for _, item := range items {
				one := maps.Clone(c)
				w.flatten("matrix."+strings.ToLower(m.key), item, one, 0)
				next = append(next, one)
			}
		}
		combinations = next
		original[strings.ToLower(m.key)] = true
	}
	for _, item := range w.items(w.get(n, "exclude")) {
		excluded := map[string]string{}
		w.flatten("matrix", item, excluded, 0)
		var kept []map[string]string
		for _, c := range combinations {
			if len(excluded) == 0 || !agrees(c, excluded, nil) {
				kept = append(kept, c)
			}
		}
		combinations = kept
	}
	alone := len(original) == 0
	added := len(combinations)
	for _, item := range w.items(w.get(n, "include")) {
		if len(combinations) >= maxCombinations {
			break
		}
		extra := map[string]string{}
		w.flatten("matrix", item, extra, 0)
		found := false
		for i := range combinations[:added] {
			if !alone && agrees(combinations[i], extra, original) {
				maps.Copy(combinations[i], extra)
				found = true
			}
		}
		if !found {
			combinations = append(combinations, extra)
		}
	}
	if alone && len(combinations) > added {
		combinations = combinations[added:] // the empty one was none
	}
	return combinations
}

// isOpen says whether a matrix has values that are not written down.
func (w *workflowReader) isOpen(matrix ast.Node) bool {
	if _, expression := w.scalar(matrix); expression {
		return true
	}
	return slices.ContainsFunc(w.members(matrix), func(m member) bool {
		_, expression := w.scalar(m.value)
		return expression
	})
}

// agrees says whether a combination has the values of another one, for the keys of the original
// matrix, or for all of them where original is nil.
func agrees(c, other map[string]string, original map[string]bool) bool {
	for key, value := range other {
		name, _, _ := strings.Cut(strings.TrimPrefix(key, "matrix."), ".")
		if original != nil && !original[name] {
			continue
		}
		if have, ok := c[key]; !ok || have != value {
			return false
		}
	}
	return true
}

// flatten writes a value and what is in it under "name", "name.key", ….
func (w *workflowReader) flatten(name string, n ast.Node, out map[string]string, depth int) {
	if s, ok := w.scalar(n); ok {
		out[name] = s.text
		return
	}
	if depth == 4 {
		return
	}
	for _, m := range w.members(n) {
		w.flatten(name+"."+strings.ToLower(m.key), m.value, out, depth+1)
	}
}

// steps reads the steps of a job: where the repository is checked out, what is built. It returns what
// is known after them.
func (w *workflowReader) steps(n ast.Node, values *scope, dir string, on runner) *scope {
	places := w.checkouts(n, values)
	learned := &scope{map[string]string{}, values} // what steps put into the environment and their outputs
	var before []made                              // what the steps write
	for _, step := range w.items(n) {
		known := w.environment(step, learned)
		on.exports = w.exports(step, known, on.exports)
		here := on
		here.commits = on.commits && isBroad(w.text(w.get(step, "if")))
		id := strings.ToLower(w.text(w.get(step, "id")))
		if uses, ok := w.find(step, "uses"); ok {
			if m, ok := w.downloads(step, uses, known); ok {
				before = append(before, m)
			}
			w.action(step, uses, known, places, here, before)
			w.bakeAction(step, uses, known, here)
			w.outputs(step, uses, id, learned)
		}
		run, ok := w.find(step, "run")
		text, isText := w.scalar(run.value)
		if !ok || !isText || !isPOSIX(w.text(w.get(step, "shell"))) {
			continue
		}
		at := dir
		if s, ok := w.scalar(w.get(step, "working-directory")); ok {
			at = s.text
		}
		s := script{text: expand(text.text, known), line: text.line, flat: !text.block, lookup: known.variable}
		if at != "" {
			var ok bool
			s.dir, ok = resolve("", expand(at, known))
			s.lost = !ok
		}
		var shell shellReader
		shell.read(s)
		shell.made = append(before, shell.made...)
		before = slices.Clip(shell.made[:min(len(shell.made), maxMade)])
		w.commands(&shell, places.repository, here.of(known))
		w.commandSteps(&shell, here)
		shell.learn(id, learned)
		if shell.created != nil {
			on.builder, on.exports = *shell.created, false // the steps that follow build with it
		}
	}
	return learned
}

// isPOSIX says whether a step's shell is sh or bash.
func isPOSIX(shell string) bool {
	name, _, _ := strings.Cut(strings.TrimSpace(shell), " ")
	return name == "" || name == "bash" || name == "sh"
}

// checkouts is where a job's workspace has which repository.
type checkouts struct {
	own     string   // the folder of this repository; "" is the workspace itself
	foreign []string // folders of others
}

// checkouts finds them; a job without a checkout of its own has none to tell apart.
func (w *workflowReader) checkouts(steps ast.Node, values *scope) checkouts {
	var c checkouts
	found := false
	for _, step := range w.items(steps) {
		name, _, _ := strings.Cut(w.text(w.get(step, "uses")), "@")
		if !strings.EqualFold(name, "actions/checkout") {
			continue
		}
		with := w.get(step, "with")
		dir, ok := resolve("", expand(w.text(w.get(with, "path")), values))
		if w.text(w.get(with, "path")) == "" {
			dir, ok = "", true
		}
		repository := strings.TrimSpace(w.text(w.get(with, "repository")))
		own := repository == "" || strings.ReplaceAll(repository, " ", "") == "${{github.repository}}"
		switch {
		case own && ok && !found:
			c.own, found = dir, true
		case !own && ok:
			c.foreign = append(c.foreign, dir)
		}
	}
	return c
}

// repository turns a path of the workspace into one of the repository; false outside of it.
func (c checkouts) repository(p string) (string, bool) {
	for _, dir := range c.foreign {
		if len(dir) >= len(c.own) && isBelow(p, dir) {
			return "", false
		}
	}
	if !isBelow(p, c.own) {
		return "", false
	}
	return strings.TrimPrefix(strings.TrimPrefix(p, c.own), "/"), true
}

func isBelow(p, dir string) bool {
	return dir == "" || p == dir || strings.HasPrefix(p, dir+"/")
}

// expand puts what is known in place of the expressions of a text, and unknownText in place of others.
// A text that grows beyond a script's size is unknown.
func expand(text string, values *scope) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "${{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		expression, after, ok := strings.Cut(rest, "}}")
		if !ok || b.Len() > maxScript {
			return unknownText
		}
		b.WriteString(evaluate(strings.TrimSpace(expression), values))
		text = after
	}
}

// evaluate knows names, quoted texts, and what is another value with each run; anything else is unknown.
func evaluate(expression string, values *scope) string {
	name := strings.ToLower(expression)
	if name == "github.workspace" {
		return workspace
	}
	if value, ok := values.lookup(name); ok {
		return value
	}
	if n := len(expression); n >= 2 && expression[0] == '\'' && strings.IndexByte(expression[1:], '\'') == n-2 {
		return expression[1 : n-1]
	}
	if isVolatileExpression(name, values) {
		return volatileText
	}
	return unknownText
}
