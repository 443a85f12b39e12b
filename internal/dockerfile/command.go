package dockerfile

import (
	"regexp"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// call reads a simple command.
func (w *walker) call(p *piece, st *syntax.Stmt, call *syntax.CallExpr, c context, sc *scope) (ends bool) {
	var own []Assign
	for _, a := range call.Assigns {
		if a.Name == nil {
			continue
		}
		own = append(own, p.assign(a))
	}
	if len(call.Args) == 0 {
		for _, a := range own {
			sc.assign(a)
		}
		w.bound(sc)
		w.substitutions(p, st, c, sc)
		return false
	}
	cmd := p.command(st, c, sc)
	cmd.Assigns = append(cmd.Assigns, own...)
	values := make([]text, len(call.Args))
	usable := make([]bool, len(call.Args))
	for i, arg := range call.Args {
		var word Word
		word, values[i], usable[i] = p.word(arg)
		cmd.Words = append(cmd.Words, word)
	}
	cmd.Span = p.simpleSpan(st, call.Pos(), call.End())
	if more := cmd.expandFirst(func(name string) (string, bool) {
		value, ok := sc.value(name)
		return value, ok && SetOnlyBy(p.t.s, name, "=")
	}); more > 0 {
		values, usable = append(make([]text, more), values...), append(make([]bool, more), usable...)
	}
	cmd.lookThrough()
	w.add(cmd)
	w.substitutions(p, st, c, sc)
	first := len(values) - len(cmd.Words)
	w.shellCommand(cmd, c, *sc, func(i int) (text, bool) { return values[first+i], usable[first+i] }, p.stdin(st))
	ends = cmd.builtin(sc)
	w.bound(sc)
	return ends && !c.subshell
}

// ExpandFirst is a command whose first word is a variable of the image ("$PIP_INSTALL flask"), with the words that it
// holds in its place; the command itself where it is none. value gives what a variable holds, false where that is not
// known.
func (cmd *Command) ExpandFirst(value func(name string) (string, bool)) *Command {
	out := *cmd
	out.Prefix, out.Assigns = slices.Clip(cmd.Prefix), slices.Clip(cmd.Assigns)
	if cmd.Name == "" {
		out.expandFirst(value)
	}
	if out.InVariable == 0 || cmd.InVariable > 0 {
		return cmd
	}
	out.lookThrough()
	return &out
}

// SetOnlyBy says whether a script names a variable where it takes its value ("$X", "${X}") and, by the sign that follows,
// where it sets it, and nowhere else: not in a for, a read or a declaration. With no sign nothing may set it.
func SetOnlyBy(script, name, sign string) bool {
	for at := 0; ; {
		n := strings.Index(script[at:], name)
		if n < 0 {
			return true
		}
		start, end := at+n, at+n+len(name)
		at = end
		before, after := script[:start], script[end:]
		switch {
		case start > 0 && isNameChar(before[start-1]) || after != "" && isNameChar(after[0]): // another name
		case strings.HasSuffix(before, "$"):
		case strings.HasSuffix(before, "${") && strings.HasPrefix(after, "}"):
		case sign == "" || !strings.HasPrefix(after, sign):
			return false
		}
	}
}

func isNameChar(b byte) bool {
	return b == '_' || '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z'
}

// lone is a word that is a variable and nothing else, without quotes: the shell splits what it holds into words.
var lone = regexp.MustCompile(`^\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})$`)

// plainValue is a value that the shell leaves as it is but for splitting it at blanks.
var plainValue = regexp.MustCompile(`^[A-Za-z0-9_./=:@,+%\t -]+$`)

// maxInVariable bounds the words that a variable holds.
const maxInVariable = 50

// expandFirst puts the words that a variable holds into the place of a first word that is that variable. It returns how
// many words there are more.
func (cmd *Command) expandFirst(value func(name string) (string, bool)) int {
	if len(cmd.Words) == 0 || cmd.Words[0].Literal {
		return 0
	}
	first := cmd.Words[0]
	m := lone.FindStringSubmatch(first.Value)
	if m == nil {
		return 0
	}
	held, ok := value(m[1] + m[2])
	if _, split := value("IFS"); split || !ok || !plainValue.MatchString(held) {
		return 0
	}
	fields := strings.Fields(held)
	if len(fields) == 0 || len(fields) > maxInVariable {
		return 0
	}
	words := make([]Word, 0, len(fields)+len(cmd.Words))
	for _, f := range fields {
		words = append(words, Word{Value: f, Literal: true, Span: first.Span})
	}
	cmd.Words, cmd.InVariable = append(words, cmd.Words[1:]...), len(fields)
	return len(fields) - 1
}

// bound refuses a script that sets more variables than any does.
func (w *walker) bound(sc *scope) {
	if len(sc.exports) > maxExports || len(sc.vars) > maxExports {
		w.err = errTooLarge
	}
}

// command is a command at its place, without its words.
func (p *piece) command(st *syntax.Stmt, c context, sc *scope) *Command {
	cmd := &Command{
		Assigns: sc.exports[:len(sc.exports):len(sc.exports)],
		Always:  c.always, Straight: c.straight, Checked: c.checked(), Nested: c.nested, Pipe: c.pipe,
		Dir: sc.dir, DirKnown: sc.dirKnown,
	}
	for _, r := range st.Redirs {
		target, _, _ := p.word(r.Word)
		redirect := Redirect{Op: r.Op.String(), Target: target}
		if r.N != nil {
			redirect.FD = r.N.Value
		}
		cmd.Redirects = append(cmd.Redirects, redirect)
	}
	return cmd
}

// simpleSpan is the span of a simple command with its redirections, without the bodies of
// here-documents.
func (p *piece) simpleSpan(st *syntax.Stmt, from, to syntax.Pos) source.Span {
	start, end := p.at(from), p.at(to)
	for _, r := range st.Redirs {
		start = min(start, p.at(r.Pos()))
		end = max(end, p.at(r.Word.End()))
	}
	return p.t.span(start, end)
}

// declare reads export, declare and their like.
func (w *walker) declare(p *piece, st *syntax.Stmt, decl *syntax.DeclClause, c context, sc *scope) {
	cmd := p.command(st, c, sc)
	name := p.of(decl.Variant.Pos(), decl.Variant.End())
	cmd.Name = decl.Variant.Value
	cmd.Words = []Word{{Value: decl.Variant.Value, Literal: true, Span: name.all()}}
	exported := decl.Variant.Value == "export"
	removed := false
	for _, a := range decl.Args {
		raw := p.of(a.Pos(), a.End())
		word := Word{Value: raw.s, Span: raw.all()}
		if a.Name == nil {
			flags, _, _ := p.word(a.Value)
			word = flags
			exported = exported || strings.HasPrefix(flags.Value, "-") && strings.Contains(flags.Value, "x")
			removed = removed || strings.HasPrefix(flags.Value, "-") && strings.Contains(flags.Value, "n")
		} else {
			value := p.assign(a)
			word.Literal = value.Literal
			if value.Literal {
				word.Value = a.Name.Value
				if !a.Naked {
					word.Value += "=" + value.Value
				}
			}
			switch {
			case removed:
				sc.exports = without(sc.exports, value.Name)
			case a.Naked && exported:
				if i := find(sc.vars, value.Name); i >= 0 {
					sc.export(sc.vars[i])
				}
			case a.Naked:
			case exported:
				sc.export(value)
			default:
				sc.assign(value)
			}
		}
		cmd.Words = append(cmd.Words, word)
	}
	cmd.Span = p.simpleSpan(st, decl.Pos(), decl.End())
	w.add(cmd)
	w.bound(sc)
	w.substitutions(p, st, c, sc)
}

// assign reads NAME=value.
func (p *piece) assign(a *syntax.Assign) Assign {
	out := Assign{Name: a.Name.Value, Word: Word{Literal: true, Span: p.of(a.Pos(), a.End()).all()}}
	switch {
	case a.Array != nil || a.Index != nil || a.Append:
		_, value, _ := strings.Cut(p.of(a.Pos(), a.End()).s, "=")
		out.Value, out.Literal = value, false
	case a.Value != nil:
		word, _, _ := p.word(a.Value)
		out.Value, out.Literal = word.Value, word.Literal
	}
	return out
}

// word reads a word: as the shell passes it on when it is literal, else as written. value is its
// text with positions; usable when nothing but plain variables ($name, ${name}) is expanded in it,
// which then stand in value as written.
func (p *piece) word(word *syntax.Word) (w Word, value text, usable bool) {
	raw := p.of(word.Pos(), word.End())
	r := wordReader{piece: p, literal: true, usable: true}
	if strings.HasPrefix(raw.s, "~") {
		r.literal = false
	}
	r.parts(word.Parts, false)
	value = r.b.text()
	w = Word{Value: value.s, Literal: r.literal && r.usable, Span: raw.all()}
	if !w.Literal {
		w.Value = raw.s
	}
	return w, value, r.usable
}

type wordReader struct {
	*piece
	b       textBuilder
	literal bool
	usable  bool
}

func (r *wordReader) parts(parts []syntax.WordPart, quoted bool) {
	for _, part := range parts {
		switch part := part.(type) {
		case *syntax.Lit:
			r.lit(r.of(part.Pos(), part.End()), quoted)
		case *syntax.SglQuoted:
			inside := r.of(part.Left, part.Right)
			skip := 1
			if part.Dollar {
				skip = 2
				if strings.Contains(inside.s, `\`) {
					r.literal, r.usable = false, false // escapes of C
				}
			}
			r.b.addText(inside.part(min(skip, len(inside.s)), len(inside.s)))
		case *syntax.DblQuoted:
			r.parts(part.Parts, true)
		case *syntax.ParamExp:
			raw := r.of(part.Pos(), part.End())
			r.literal = false
			r.usable = r.usable && (part.Short || part.Param != nil && raw.s == "${"+part.Param.Value+"}")
			r.b.addText(raw)
		default:
			r.literal, r.usable = false, false
		}
	}
}

// lit reads literal text, in which backslashes quote.
func (r *wordReader) lit(t text, quoted bool) {
	s := t.s
	from := 0
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) || quoted && !strings.ContainsRune("$`\"\\\n", rune(s[i+1])) {
			continue
		}
		r.glob(t.part(from, i), quoted)
		if s[i+1] != '\n' {
			span := t.span(i, i+2)
			r.b.add(s[i+1:i+2], span.Start, span.Len())
		}
		i++
		from = i + 1
	}
	r.glob(t.part(from, len(s)), quoted)
}

// glob adds text without backslashes and looks for what the shell would expand to file names or words.
func (r *wordReader) glob(t text, quoted bool) {
	if !quoted {
		open := strings.IndexByte(t.s, '[')
		brace := strings.IndexByte(t.s, '{')
		if strings.ContainsAny(t.s, "*?") || open >= 0 && strings.IndexByte(t.s[open:], ']') > 0 ||
			brace >= 0 && (strings.Contains(t.s[brace:], ",") || strings.Contains(t.s[brace:], "..")) {
			r.literal = false
		}
	}
	r.b.addText(t)
}

// stdin is the here-document that a command reads, unless the shell changes more in it than
// variables, which stay as written.
func (p *piece) stdin(st *syntax.Stmt) *text {
	for _, r := range st.Redirs {
		if r.Hdoc == nil || r.N != nil && r.N.Value != "0" {
			continue
		}
		end, _, usable := p.word(r.Word)
		start := p.at(r.Hdoc.Pos())
		start = strings.LastIndexByte(p.t.s[:start], '\n') + 1 // the tabs that "<<-" removes
		at := start
		for line := range strings.Lines(p.t.s[start:]) {
			word := strings.TrimRight(line, "\n")
			if r.Op == syntax.DashHdoc {
				word = strings.TrimLeft(word, "\t")
			}
			if word == end.Value {
				break
			}
			at += len(line)
		}
		t := p.t.part(start, at)
		quoted := end.Value != p.of(r.Word.Pos(), r.Word.End()).s
		if !usable || !quoted && (strings.ContainsAny(t.s, "\\`") || strings.Contains(t.s, "$(")) {
			return nil
		}
		if r.Op == syntax.DashHdoc {
			t = heredoc{body: t}.chomped()
		}
		return &t
	}
	return nil
}

// shellCommand reads the script that a command gives to a shell: sh -c, su -c, or standard input.
// word is the text of one of its words; it is not ok when the shell around changes the text.
func (w *walker) shellCommand(cmd *Command, c context, sc scope, word func(int) (t text, ok bool), stdin *text) {
	if !shells[cmd.Name] && cmd.Name != "su" || w.err != nil {
		return
	}
	sc.errexit, sc.pipefail, sc.allexport, sc.vars = false, false, false, nil
	at := cmd.scriptWord(&sc)
	var script text
	switch {
	case at > 0 && at < len(cmd.Words):
		var ok bool
		if script, ok = word(at); !ok {
			return
		}
	case at == 0 && stdin != nil:
		script = *stdin
	default:
		return
	}
	if c.shells >= maxShellDepth {
		w.err = errTooDeep
		return
	}
	inner, err := parseScript(script)
	if err != nil {
		return // the command is known, not what it runs
	}
	sc.exports = cmd.Assigns
	c = c.inner().child()
	c.ignored = false // another shell knows nothing of the conditions around it
	c.shells++
	before := len(w.run.Commands)
	w.stmts(inner, inner.file.Stmts, c, &sc)
	if cmd.OtherUser {
		for _, nested := range w.run.Commands[before:] {
			nested.OtherUser = true
		}
	}
}

// scriptWord is the index of the word that is the script of a shell or su; 0 when it is read from
// standard input, -1 when it is a file or there is none. Its options are applied to sc.
func (cmd *Command) scriptWord(sc *scope) int {
	if cmd.Name != "su" {
		n, command := sc.setOptions(cmd.Words[1:])
		switch {
		case command:
			return n + 1
		case n+1 == len(cmd.Words):
			return 0
		}
		return -1
	}
	cmd.OtherUser = true
	at := -1
	for i, w := range cmd.Words[1:] {
		switch w.Value {
		case "-", "-l", "--login":
			sc.dir, sc.dirKnown = "", false // the home of the user
		case "-c", "--command":
			at = i + 2
		}
	}
	return at
}

// builtin applies what a builtin does to the shell, and says whether the script ends with it, with
// a status that may be success.
func (cmd *Command) builtin(sc *scope) (ends bool) {
	if len(cmd.Prefix) > 0 && cmd.Prefix[0].Value == "exec" {
		return true
	}
	if len(cmd.Prefix) > 0 && cmd.Prefix[0].Value != "command" && cmd.Prefix[0].Value != "builtin" {
		return false
	}
	args := cmd.Words[1:]
	switch cmd.Name {
	case "cd", "pushd":
		for len(args) > 0 && args[0].Literal && (args[0].Value == "--" || args[0].Value == "-P" || args[0].Value == "-L") {
			args = args[1:]
		}
		if len(args) != 1 || !args[0].Literal || args[0].Value == "" || args[0].Value == "-" || strings.HasPrefix(args[0].Value, "+") {
			sc.dir, sc.dirKnown = "", false
			return false
		}
		sc.cd(args[0].Value)
	case "popd":
		sc.dir, sc.dirKnown = "", false
	case "export": // where the grammar does not know it as a declaration
		for _, a := range args {
			name, value, ok := strings.Cut(a.Value, "=")
			if ok {
				sc.export(Assign{Name: name, Word: Word{Value: value, Literal: a.Literal, Span: a.Span}})
			} else if i := find(sc.vars, name); i >= 0 {
				sc.export(sc.vars[i])
			}
		}
	case "unset":
		for _, a := range args {
			sc.unset(a.Value)
		}
	case "set":
		sc.setOptions(args)
	case "exit", "return":
		return len(args) != 1 || !args[0].Literal || !nonzero(args[0].Value)
	}
	return false
}
