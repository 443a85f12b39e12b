package dockerfile

import (
	"errors"
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// Limits of one RUN's script.
const (
	maxCommands     = 5000
	maxExports      = 200
	maxShellDepth   = 8    // sh -c within sh -c
	maxShellNesting = 1000 // parentheses, braces and compound commands within each other
)

var (
	errTooLarge = errors.New("the script is larger than what is read")
	errTooDeep  = errors.New("the script is nested deeper than what is read")
)

// shells are the programs whose scripts are read. All take POSIX's grammar, and what bash adds is
// read for each of them: it is a superset.
var shells = map[string]bool{"sh": true, "bash": true, "ash": true, "dash": true}

// context is what a command's place in the script says about it.
type context struct {
	always   bool // it runs whenever the RUN succeeds
	straight bool // it runs when every command before it succeeds
	must     bool // the RUN fails when it has run and its status is a failure
	errexit  bool // set -e ends the RUN when it fails
	ignored  bool // it is a condition, or left of && or ||: set -e does not look at it
	fatal    bool // the RUN fails when the shell that it stands in exits with a failure
	subshell bool // exit ends less than the whole RUN
	nested   int
	shells   int // sh -c around
	pipe     Pipe
}

// top is the context of the script of a RUN.
var top = context{always: true, straight: true, must: true, fatal: true}

// inner is the context of what stands in a group inside.
func (c context) inner() context {
	c.nested++
	c.pipe = Pipe{}
	return c
}

// maybe is the context of what may not run.
func (c context) maybe() context {
	c.always, c.straight = false, false
	return c
}

// tested is the context of a condition.
func (c context) tested() context {
	c.must, c.errexit, c.ignored = false, false, true
	return c
}

// child is the context in a shell of its own, whose status counts as much as c says.
func (c context) child() context {
	c.fatal = c.checked()
	c.must, c.errexit = c.fatal, false
	c.subshell = true
	return c
}

// alone is the context in a shell of its own, at whose status nobody looks.
func (c context) alone() context {
	c.must, c.errexit = false, false
	return c.child()
}

// checked says that the RUN fails when a simple command with this context fails.
func (c context) checked() bool { return c.must || c.errexit }

// walker collects the commands of one RUN.
type walker struct {
	run *Run
	err error
}

// readScript reads a script that the given shell runs (SHELL's words).
func (r *Run) readScript(t text, shell []string) {
	sc := scope{dirKnown: true}
	if err := readShell(shell, &sc); err != nil {
		r.Err = err
		return
	}
	w := &walker{run: r}
	p, err := parseScript(t)
	if err == nil {
		r.Steps = p.steps()
		w.stmts(p, p.file.Stmts, top, &sc)
		err = w.err
	}
	if err != nil {
		r.Commands, r.Steps, r.Err = nil, nil, err
		return
	}
	r.fillSteps()
}

// readShell sets the options that SHELL gives to its shell.
func readShell(shell []string, sc *scope) error {
	words := make([]Word, len(shell))
	for i, s := range shell {
		words[i] = Word{Value: s, Literal: true}
	}
	cmd := &Command{Words: words}
	cmd.lookThrough()
	if !shells[cmd.Name] {
		return fmt.Errorf("the shell %q is not a POSIX shell or bash", cmd.Name)
	}
	if n, command := sc.setOptions(cmd.Words[1:]); !command || n != len(cmd.Words)-1 {
		return fmt.Errorf("the shell %q is not called with -c", cmd.Name)
	}
	return nil
}

// readExec reads the exec form.
func (r *Run) readExec(words []text) {
	if len(words) == 0 {
		return
	}
	w := &walker{run: r}
	cmd := &Command{DirKnown: true, Always: true, Straight: true, Checked: true}
	for _, t := range words {
		cmd.Words = append(cmd.Words, Word{Value: t.s, Literal: true, Span: t.all()})
	}
	cmd.Span = source.Span{Start: words[0].all().Start, End: words[len(words)-1].all().End}
	cmd.lookThrough()
	w.add(cmd)
	first := len(words) - len(cmd.Words)
	w.shellCommand(cmd, top, scope{dirKnown: true}, func(i int) (text, bool) { return words[first+i], true }, nil)
	if w.err != nil {
		r.Commands, r.Err = nil, w.err
	}
}

// piece is one parsed script.
type piece struct {
	t    text
	file *syntax.File
}

// parseScript reads bash, and what is no bash as POSIX shell.
func parseScript(t text) (p *piece, err error) {
	if shellNesting(t.s) > maxShellNesting {
		return nil, errTooDeep
	}
	defer func() {
		// The parser's own faults must not end the reading of a pull request.
		if fault := recover(); fault != nil {
			p, err = nil, fmt.Errorf("read script: %v", fault)
		}
	}()
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(t.s), "")
	if err != nil {
		posix, posixErr := syntax.NewParser(syntax.Variant(syntax.LangPOSIX)).Parse(strings.NewReader(t.s), "")
		if posixErr != nil {
			return nil, fmt.Errorf("read script: %w", err)
		}
		file = posix
	}
	return &piece{t: t, file: file}, nil
}

// at is the offset of a position in the script, within it whatever the parser says.
func (p *piece) at(pos syntax.Pos) int { return min(int(pos.Offset()), len(p.t.s)) }

// of is the text of a node.
func (p *piece) of(from, to syntax.Pos) text {
	i := p.at(from)
	return p.t.part(i, max(i, p.at(to)))
}

func (w *walker) add(cmd *Command) {
	if len(w.run.Commands) >= maxCommands {
		w.err = errTooLarge
		return
	}
	w.run.Commands = append(w.run.Commands, cmd)
}

// stmts walks a list. ends says that the script may end with success in it.
func (w *walker) stmts(p *piece, list []*syntax.Stmt, c context, sc *scope) (ends bool) {
	last := c
	for i, st := range list {
		c.must, c.errexit = last.must, last.errexit
		if i < len(list)-1 { // only the last status is the list's
			c.must, c.errexit = false, sc.errexit && !c.ignored && c.fatal
		}
		if w.stmt(p, st, c, sc) {
			ends = true
			c.always = false
		}
	}
	return ends
}

// branch walks a list that may not run.
func (w *walker) branch(p *piece, list []*syntax.Stmt, c context, sc *scope) (ends bool) {
	copied := *sc
	ends = w.stmts(p, list, c.maybe(), &copied)
	sc.merge(copied)
	return ends
}

// loop walks the body of a loop, of which only the last turn's status counts.
func (w *walker) loop(p *piece, list []*syntax.Stmt, c context, sc *scope) (ends bool) {
	c.must, c.errexit = false, sc.errexit && !c.ignored && c.fatal
	return w.branch(p, list, c, sc)
}

func (w *walker) stmt(p *piece, st *syntax.Stmt, c context, sc *scope) (ends bool) {
	if st == nil || w.err != nil {
		return false
	}
	if st.Background || st.Coprocess {
		copied := *sc
		c = c.alone().maybe()
		st := *st
		st.Background, st.Coprocess = false, false
		w.stmt(p, &st, c, &copied)
		return false
	}
	if st.Negated {
		c = c.tested()
	}
	call, simple := st.Cmd.(*syntax.CallExpr)
	if simple {
		return w.call(p, st, call, c, sc)
	}
	if st.Cmd == nil { // redirections alone
		w.substitutions(p, st, c, sc)
		return false
	}
	ends = w.compound(p, st, c, sc)
	for _, r := range st.Redirs {
		w.substitutions(p, r, c, sc)
	}
	return ends
}

// compound walks everything but simple commands.
func (w *walker) compound(p *piece, st *syntax.Stmt, c context, sc *scope) (ends bool) {
	switch cmd := st.Cmd.(type) {
	case *syntax.BinaryCmd:
		if cmd.Op == syntax.Pipe || cmd.Op == syntax.PipeAll {
			w.pipeline(p, cmd, c, sc)
			return false
		}
		return w.andOr(p, st, c, sc)
	case *syntax.Block:
		return w.stmts(p, cmd.Stmts, c.inner(), sc)
	case *syntax.Subshell:
		copied := *sc
		w.stmts(p, cmd.Stmts, c.inner().child(), &copied)
		return false
	case *syntax.IfClause:
		c = c.inner()
		cond := c.tested()
		for clause := cmd; clause != nil; clause = clause.Else {
			if len(clause.Cond) > 0 {
				ends = w.stmts(p, clause.Cond, cond, sc) || ends
				cond = cond.maybe() // an elif is reached only when the first condition fails
			}
			ends = w.branch(p, clause.Then, c, sc) || ends
		}
		return ends
	case *syntax.WhileClause:
		c = c.inner()
		cond := c.tested()
		ends = w.stmts(p, cmd.Cond, cond, sc)
		return w.loop(p, cmd.Do, c, sc) || ends
	case *syntax.ForClause:
		w.substitutions(p, cmd.Loop, c, sc)
		return w.loop(p, cmd.Do, c.inner(), sc)
	case *syntax.CaseClause:
		w.substitutions(p, cmd.Word, c, sc)
		for _, item := range cmd.Items {
			ends = w.branch(p, item.Stmts, c.inner(), sc) || ends
		}
		return ends
	case *syntax.FuncDecl:
		copied := *sc
		w.stmt(p, cmd.Body, c.inner().alone().maybe(), &copied)
	case *syntax.TimeClause:
		return w.stmt(p, cmd.Stmt, c, sc)
	case *syntax.CoprocClause:
		copied := *sc
		w.stmt(p, cmd.Stmt, c.inner().alone().maybe(), &copied)
	case *syntax.DeclClause:
		w.declare(p, st, cmd, c, sc)
	default: // [[ ]], (( )), let: no commands but those in substitutions
		w.substitutions(p, cmd, c, sc)
	}
	return false
}

// operand is one element of an and-or list.
type operand struct {
	stmt *syntax.Stmt
	op   *syntax.BinaryCmd // the operator before it; nil for the first
}

// andOrList takes "a && b || c" apart: the parser nests it to the left.
func andOrList(st *syntax.Stmt) []operand {
	var out []operand
	for {
		cmd, ok := st.Cmd.(*syntax.BinaryCmd)
		if !ok || cmd.Op == syntax.Pipe || cmd.Op == syntax.PipeAll || len(out) > 0 && (st.Negated || len(st.Redirs) > 0) {
			break
		}
		out = append(out, operand{stmt: cmd.Y, op: cmd})
		st = cmd.X
	}
	out = append(out, operand{stmt: st})
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

func (w *walker) andOr(p *piece, st *syntax.Stmt, c context, sc *scope) (ends bool) {
	list := andOrList(st)
	contexts := make([]context, len(list))
	must := c.must
	for i := len(list) - 1; i >= 0; i-- {
		contexts[i] = c
		contexts[i].must = must
		if i < len(list)-1 {
			contexts[i].errexit, contexts[i].ignored = false, true
		}
		if i == 0 {
			break
		}
		if list[i].op.Op == syntax.AndStmt {
			contexts[i].always = c.always && must
			continue
		}
		contexts[i] = contexts[i].maybe()
		switch failure(list[i].stmt) {
		case fails:
		case exits:
			must = must || c.fatal
		default:
			must = false
		}
	}
	var before, first scope
	for i, o := range list {
		if i == 0 || o.op.Op == syntax.AndStmt {
			before = *sc
			ends = w.stmt(p, o.stmt, contexts[i], sc) || ends
			if i == 0 {
				first = *sc
			}
			continue
		}
		other := *sc
		other.merge(before)
		before = *sc
		ends = w.stmt(p, o.stmt, contexts[i], &other) || ends
		if failure(o.stmt) == goesOn {
			sc.merge(other)
		}
	}
	if !c.must {
		sc.merge(first)
	}
	return ends
}

// What follows when a command has run.
const (
	goesOn = iota
	fails  // it always fails: false
	exits  // it ends the script with a failure: exit 1
)

// failure knows the commands that people write behind "||" to make a failure count.
func failure(st *syntax.Stmt) int {
	if st.Negated || st.Background {
		return goesOn
	}
	switch cmd := st.Cmd.(type) {
	case *syntax.Block:
		if n := len(cmd.Stmts); n > 0 {
			return failure(cmd.Stmts[n-1])
		}
	case *syntax.Subshell:
		if n := len(cmd.Stmts); n > 0 && failure(cmd.Stmts[n-1]) != goesOn {
			return fails
		}
	case *syntax.BinaryCmd:
		// echo … && exit 1: taken as a failure, though echo could fail without one.
		if cmd.Op == syntax.AndStmt {
			if failure(cmd.Y) != goesOn {
				return fails
			}
		}
	case *syntax.CallExpr:
		if len(cmd.Args) == 0 {
			return goesOn
		}
		switch cmd.Args[0].Lit() {
		case "false":
			return fails
		case "exit", "return":
			if len(cmd.Args) == 2 && nonzero(cmd.Args[1].Lit()) {
				return exits
			}
		}
	}
	return goesOn
}

// nonzero says whether s is a status that is a failure for certain.
func nonzero(s string) bool {
	return len(s) > 0 && len(s) < 4 && strings.Trim(s, "0123456789") == "" && strings.Trim(s, "0") != "" && s != "256" && s != "512" && s != "768"
}

func (w *walker) pipeline(p *piece, cmd *syntax.BinaryCmd, c context, sc *scope) {
	var elements []*syntax.Stmt
	todo := []*syntax.Stmt{cmd.Y, cmd.X}
	for len(todo) > 0 {
		st := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if b, ok := st.Cmd.(*syntax.BinaryCmd); ok && (b.Op == syntax.Pipe || b.Op == syntax.PipeAll) && !st.Negated && len(st.Redirs) == 0 {
			todo = append(todo, b.Y, b.X)
			continue
		}
		elements = append(elements, st)
	}
	checked := c.checked()
	for i, st := range elements {
		copied := *sc
		c.must, c.errexit = checked && (i == len(elements)-1 || sc.pipefail), false
		c = c.child()
		c.pipe = Pipe{Index: i, Len: len(elements)}
		w.stmt(p, st, c, &copied)
	}
}

// substitutions walks the commands in $(…), `…` and <(…) below a node.
func (w *walker) substitutions(p *piece, node syntax.Node, c context, sc *scope) {
	if node == nil || w.err != nil {
		return
	}
	c = c.inner().alone()
	syntax.Walk(node, func(n syntax.Node) bool {
		var list []*syntax.Stmt
		switch n := n.(type) {
		case *syntax.CmdSubst:
			list = n.Stmts
		case *syntax.ProcSubst:
			list = n.Stmts
		default:
			return true
		}
		copied := *sc
		w.stmts(p, list, c, &copied)
		return false
	})
}
