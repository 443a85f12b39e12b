package workflow

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

const (
	// maxScript is the most bytes of one script.
	maxScript = 64 << 10
	// maxScriptDepth is how deep statements may nest in one another.
	maxScriptDepth = 50
	// maxSubstitutions is how many command substitutions of a script are looked into; those in others
	// count each time.
	maxSubstitutions = 500
)

// unknownText stands for what is not written down: an expression, a variable. A word with it is not
// literal. workspace is where the repository's checkout begins.
const (
	unknownText = "\ue000"
	workspace   = "/\ue001"
)

// script is a text that a shell reads.
type script struct {
	text string
	line int    // of its first line in the file
	flat bool   // all of it stands on that line
	dir  string // where it starts, relative to the workspace; "" is the workspace itself
	lost bool   // where it starts is not known
	// lookup gives variables that are set for the script from outside; nil for none.
	lookup func(name string) (string, bool)
}

// command is one docker build of a script, as written.
type command struct {
	line       int
	dir        string
	incomplete bool   // something that decides about context, Dockerfile or target is not written down
	context    string // relative to the workspace
	file       string // relative to the workspace; "" without -f
	inContext  string // podman: where the file is looked for second
	target     string
	args       map[string]string
	volatile   []string
	open       []string // arguments whose values are not written down
	tags       []string
	contexts   map[string]string // directories are relative to the workspace
	platforms  []string
	cacheFrom  []string
	cacheTo    []string
	noCache    bool
	builder    bool // --builder names one
	containers bool // podman: Containerfile comes before Dockerfile
	depot      bool // Depot's client: its builders keep their cache

	found buildcontext.Build // once looked at: what of it is known
}

// shellReader collects what the scripts of a file do.
type shellReader struct {
	builds   []command
	composed []composed
	settings []setting
	made     []made
	created  *builder   // that the script makes or chooses, where it does
	evidence []Evidence // without Path
}

// composed is a command of a script that builds the services of compose files.
type composed struct {
	line    int
	noCache bool
}

// read reads one script; one that is no shell shows nothing.
func (r *shellReader) read(s script) { r.readAt(s, 0) }

func (r *shellReader) readAt(s script, depth int) {
	if len(s.text) > maxScript || depth > 3 {
		return
	}
	file, err := parseShell(s.text)
	if err != nil {
		return
	}
	run := &shellRun{shellReader: r, script: s, nested: depth, changed: map[string]bool{}, volatile: map[string]bool{}}
	run.statements(file.Stmts, &shellState{dir: s.dir, known: !s.lost}, 0)
}

func parseShell(text string) (*syntax.File, error) {
	return syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(text), "")
}

// shellRun is one pass over a script.
type shellRun struct {
	*shellReader
	script  script
	nested  int
	changed map[string]bool // variables that the script itself sets: their value is not followed
	// volatile are those of changed whose every value is another one with each build.
	volatile    map[string]bool
	conditional int    // how many statements that may not run are around
	sink        string // the file that a block around writes to, see sinkOf
	// substitutions is how many command substitutions were looked into.
	substitutions int
}

// shellState is where the shell is.
type shellState struct {
	dir   string // relative to the workspace
	known bool
}

func (r *shellRun) statements(list []*syntax.Stmt, at *shellState, depth int) {
	if depth > maxScriptDepth {
		return
	}
	for _, s := range list {
		r.statement(s, at, depth)
	}
}

// apart runs statements that may or may not run, or run in another shell: where they lead is not
// where the script goes on, unless they may have changed it.
func (r *shellRun) apart(list []*syntax.Stmt, at *shellState, depth int, sameShell bool) {
	copied := *at
	if sameShell {
		r.conditional++
		defer func() { r.conditional-- }()
	}
	r.statements(list, &copied, depth)
	if sameShell && copied != *at {
		at.known = false
	}
}

func (r *shellRun) statement(s *syntax.Stmt, at *shellState, depth int) {
	if depth++; depth > maxScriptDepth || s == nil {
		return
	}
	if s.Background {
		copied := *at
		at = &copied
	}
	switch c := s.Cmd.(type) {
	case *syntax.CallExpr:
		r.call(c, s.Redirs, at)
	case *syntax.DeclClause:
		for _, a := range c.Args {
			r.assign(a, at)
		}
	case *syntax.BinaryCmd:
		switch c.Op {
		case syntax.AndStmt:
			r.statement(c.X, at, depth)
			r.statement(c.Y, at, depth)
		case syntax.OrStmt:
			r.statement(c.X, at, depth)
			r.apart([]*syntax.Stmt{c.Y}, at, depth, true)
		default: // pipes
			outer := r.sink
			if sink := teeSink(c.Y); sink != "" {
				r.sink = sink
			}
			r.apart([]*syntax.Stmt{c.X}, at, depth, false)
			r.sink = outer
			r.apart([]*syntax.Stmt{c.Y}, at, depth, false)
		}
	case *syntax.Block:
		outer := r.sink
		if sink := sinkOf(s.Redirs); sink != "" {
			r.sink = sink
		}
		r.statements(c.Stmts, at, depth)
		r.sink = outer
	case *syntax.Subshell:
		r.apart(c.Stmts, at, depth, false)
	case *syntax.TimeClause:
		r.statement(c.Stmt, at, depth)
	case *syntax.IfClause:
		for c != nil {
			if depth++; depth > maxScriptDepth {
				return
			}
			r.statements(c.Cond, at, depth)
			r.apart(c.Then, at, depth, true)
			c = c.Else
		}
	case *syntax.WhileClause:
		r.apart(slices.Concat(c.Cond, c.Do), at, depth, true)
	case *syntax.ForClause:
		r.apart(c.Do, at, depth, true)
	case *syntax.CaseClause:
		for _, item := range c.Items {
			r.apart(item.Stmts, at, depth, true)
		}
	case *syntax.FuncDecl:
		// Where it is called from is not known.
		r.statement(c.Body, &shellState{}, depth)
	}
}

// assign looks at NAME=value, exported or not.
func (r *shellRun) assign(a *syntax.Assign, at *shellState) {
	if a.Name == nil || a.Naked {
		return
	}
	name, value := a.Name.Value, word{}
	if a.Value != nil {
		value = r.word(a.Value, at)
	}
	first := !r.changed[name]
	r.changed[name] = true
	r.volatile[name] = isVolatile(value.text) && (first && r.conditional == 0 || r.volatile[name])
	if a.Name.Value != "DOCKER_BUILDKIT" || a.Value == nil || a.Append {
		return
	}
	if value.literal && isFalse(value.text) {
		r.found(r.line(a.Pos()), withoutDockerBuildKit)
	}
}

func (r *shellRun) found(line int, what string) {
	r.evidence = append(r.evidence, Evidence{Line: line, What: what})
}

func (r *shellRun) line(p syntax.Pos) int {
	if r.script.flat {
		return r.script.line
	}
	return r.script.line + int(p.Line()) - 1
}

// word is one word as the shell would pass it on.
type word struct {
	text    string
	literal bool
	// open says that it has an expansion outside quotes: it may become no word, or many.
	open bool
}

func (r *shellRun) word(w *syntax.Word, at *shellState) word {
	var out word
	out.literal = true
	var b strings.Builder
	r.parts(w.Parts, at, &b, &out, false)
	out.text = b.String()
	if strings.Contains(out.text, unknownText) {
		out.literal = false
	}
	return out
}

func (r *shellRun) parts(parts []syntax.WordPart, at *shellState, b *strings.Builder, out *word, quoted bool) {
	for _, part := range parts {
		switch p := part.(type) {
		case *syntax.Lit:
			b.WriteString(unescape(p.Value, quoted))
			if !quoted && strings.Contains(p.Value, unknownText) {
				out.open = true
			}
			if !quoted && strings.ContainsAny(p.Value, "*?[") {
				out.literal = false
			}
		case *syntax.SglQuoted:
			b.WriteString(p.Value)
			out.literal = out.literal && !p.Dollar
		case *syntax.DblQuoted:
			r.parts(p.Parts, at, b, out, true)
			out.literal = out.literal && !p.Dollar
		case *syntax.ParamExp:
			value, ok := r.parameter(p, at)
			if ok && !isVolatile(value) {
				b.WriteString(value)
				continue
			}
			if !ok {
				value = unknownText
			}
			b.WriteString(value)
			out.open = out.open || !quoted
		case *syntax.CmdSubst:
			if at.known && len(p.Stmts) == 1 && isPwd(p.Stmts[0]) {
				b.WriteString(path.Join(workspace, at.dir))
				continue
			}
			if r.substitutions++; r.substitutions <= maxSubstitutions && r.volatileOutput(p.Stmts, at, 0) {
				b.WriteString(volatileText)
			} else {
				b.WriteString(unknownText)
			}
			out.open = out.open || !quoted
		default:
			b.WriteString(unknownText)
			out.open = out.open || !quoted
		}
	}
}

// parameter gives the value of the variables that are known: where the checkout is, where the shell
// is, and what the file itself sets for the script; volatileText for those that are another value with
// each build.
func (r *shellRun) parameter(p *syntax.ParamExp, at *shellState) (string, bool) {
	if p.Param == nil || p.Excl || p.Length || p.Width || p.Index != nil || p.Repl != nil || p.Exp != nil || p.Names != 0 {
		return "", false
	}
	name := p.Param.Value
	set := r.changed[name]
	if volatileVariables[name] && !set || r.volatile[name] {
		return volatileText, true
	}
	var value string
	known := false
	if !set && r.script.lookup != nil {
		value, known = r.script.lookup(name)
	}
	switch {
	case known && isVolatile(value):
		return volatileText, true
	case p.Slice != nil:
		return "", false
	case name == "GITHUB_WORKSPACE":
		return workspace, true
	case name == "PWD":
		return path.Join(workspace, at.dir), at.known
	}
	return value, known && !strings.ContainsAny(value, " \t\n*?[")
}

func isPwd(s *syntax.Stmt) bool {
	c, ok := s.Cmd.(*syntax.CallExpr)
	return ok && len(c.Assigns) == 0 && len(c.Args) == 1 && c.Args[0].Lit() == "pwd"
}

// unescape takes the backslashes of a literal off.
func unescape(s string, quoted bool) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && (!quoted || strings.IndexByte("$`\"\\\n", s[i+1]) >= 0) {
			i++
			if s[i] == '\n' {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// call looks at one command.
func (r *shellRun) call(c *syntax.CallExpr, redirects []*syntax.Redirect, at *shellState) {
	for _, a := range c.Assigns {
		r.assign(a, at)
	}
	var words []word
	for _, w := range c.Args {
		words = append(words, r.word(w, at))
	}
	line := r.line(c.Pos())
	words = r.unwrap(words, line)
	if len(words) == 0 || !words[0].literal {
		return
	}
	r.writes(words, redirects, at, line)
	switch program := words[0].text; path.Base(program) {
	case "cd":
		r.cd(words[1:], at)
	case "pushd", "popd":
		at.known = false
	case "sh", "bash":
		for i, w := range words[1:] {
			if w.literal && strings.HasPrefix(w.text, "-") && strings.HasSuffix(w.text, "c") && i+2 < len(words) && words[i+2].literal {
				r.readAt(script{text: words[i+2].text, line: line, flat: true, dir: at.dir, lost: !at.known}, r.nested+1)
				return
			}
		}
	case "docker", "podman", "nerdctl", "depot":
		r.docker(path.Base(program), words[1:], line, at)
	case "docker-compose":
		r.composeCommand(words[1:], line)
	case "echo":
		sink := sinkOf(redirects)
		if sink == "" {
			sink = r.sink
		}
		if len(words) == 2 {
			if words[1].literal && sink == "GITHUB_ENV" {
				r.setting(words[1].text, line)
			}
			r.written(words[1].text, sink)
		}
	case "executor":
		if program == kanikoProgram {
			r.found(line, withKaniko)
		}
	}
}

// setting looks at a text NAME=value.
func (r *shellReader) setting(text string, line int) {
	if name, value, ok := strings.Cut(text, "="); ok && name == "DOCKER_BUILDKIT" && isFalse(value) {
		r.evidence = append(r.evidence, Evidence{Line: line, What: withoutDockerBuildKit})
	}
}

// unwrap takes programs that run another one off a command.
func (r *shellRun) unwrap(words []word, line int) []word {
	for len(words) > 0 && words[0].literal {
		switch path.Base(words[0].text) {
		case "env", "sudo", "time", "command", "exec", "nohup", "nice":
		default:
			return words
		}
		words = words[1:]
		for len(words) > 0 {
			name, _, assignment := strings.Cut(words[0].text, "=")
			if assignment && !strings.HasPrefix(name, "-") {
				if words[0].literal {
					r.setting(words[0].text, line)
				}
			} else if !strings.HasPrefix(words[0].text, "-") {
				break
			}
			words = words[1:]
		}
	}
	return words
}

func (r *shellRun) cd(args []word, at *shellState) {
	if len(args) != 1 || !args[0].literal || strings.HasPrefix(args[0].text, "-") {
		at.known = false
		return
	}
	dir, ok := resolve(at.dir, args[0].text)
	if ok && (at.known || strings.HasPrefix(args[0].text, workspace)) {
		at.dir, at.known = dir, true
		return
	}
	at.known = false
}

// resolve gives a path relative to the workspace; false where it leads out of it.
func resolve(dir, p string) (string, bool) {
	if p == "" {
		return "", false
	}
	if rest, ok := strings.CutPrefix(p, workspace); ok {
		dir, p = "", "./"+strings.TrimPrefix(rest, "/")
	}
	if path.IsAbs(p) || strings.ContainsAny(p, "~"+unknownText) {
		return "", false
	}
	p = path.Join(dir, p)
	if p == ".." || strings.HasPrefix(p, "../") {
		return "", false
	}
	if p == "." {
		p = ""
	}
	return p, true
}

// isFalse is how Docker's client reads DOCKER_BUILDKIT.
func isFalse(value string) bool {
	b, err := strconv.ParseBool(strings.TrimSpace(value))
	return err == nil && !b
}
