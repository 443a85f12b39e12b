package dockerfile

import (
	"mvdan.cc/sh/v3/syntax"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// steps lists the top level of a script.
func (p *piece) steps() []Step {
	var out []Step
	before := Step{}
	for _, st := range p.file.Stmts {
		for i, o := range andOrList(st) {
			step := Step{HasHeredoc: hasHeredoc(o.stmt)}
			bare := *o.stmt
			bare.Semicolon = syntax.Pos{} // the operator behind it is not part of it
			from, to := p.at(o.stmt.Pos()), p.at(bare.End())
			if o.stmt == st || i == 0 {
				from = p.at(st.Pos())
			}
			if step.HasHeredoc {
				to = p.commandEnd(o.stmt, to)
			}
			step.Span = p.t.span(from, max(from, to))
			if i > 0 {
				at := p.at(o.op.OpPos)
				step.Op = o.op.Op.String()
				step.OpSpan = p.t.span(at, min(at+len(step.Op), len(p.t.s)))
			} else {
				step.Op, step.OpSpan = before.Op, before.OpSpan
				if len(out) == 0 {
					step.OpSpan = source.Span{Start: step.Span.Start, End: step.Span.Start}
				}
			}
			out = append(out, step)
		}
		// What parts this list from the next one.
		before = Step{Op: "\n"}
		if n := len(out); n > 0 {
			end := out[n-1].Span.End
			before.OpSpan = source.Span{Start: end, End: end}
		}
		if st.Semicolon.IsValid() {
			at := p.at(st.Semicolon)
			before.Op = ";"
			if st.Background {
				before.Op = "&"
			}
			before.OpSpan = p.t.span(at, min(at+1, len(p.t.s)))
		}
	}
	return out
}

func hasHeredoc(node syntax.Node) (has bool) {
	syntax.Walk(node, func(n syntax.Node) bool {
		if r, ok := n.(*syntax.Redirect); ok && (r.Op == syntax.Hdoc || r.Op == syntax.DashHdoc) {
			has = true
		}
		return !has
	})
	return has
}

// commandEnd is where a statement ends without the bodies of its here-documents.
func (p *piece) commandEnd(st *syntax.Stmt, otherwise int) int {
	call, ok := st.Cmd.(*syntax.CallExpr)
	if !ok {
		return otherwise
	}
	end := p.at(call.End())
	for _, r := range st.Redirs {
		end = max(end, p.at(r.Word.End()))
	}
	return end
}

// fillSteps gives each step its commands.
func (r *Run) fillSteps() {
	next := 0
	for i := range r.Steps {
		step := &r.Steps[i]
		first := next
		for next < len(r.Commands) && (i+1 == len(r.Steps) || r.Commands[next].Span.Start < r.Steps[i+1].Span.Start) {
			next++
		}
		step.Commands = r.Commands[first:next:next]
	}
}

// shellNesting is an upper bound of how deep a script's commands stand in each other: what opens
// (parentheses, braces, reserved words) less what closes, wherever it stands.
func shellNesting(script string) int {
	deepest, depth := 0, 0
	open := func(n int) {
		depth = max(0, depth+n)
		deepest = max(deepest, depth)
	}
	word := 0
	for i := 0; i <= len(script); i++ {
		if i < len(script) && 'a' <= script[i] && script[i] <= 'z' {
			continue
		}
		switch script[word:i] {
		case "if", "while", "until", "for", "case", "select", "function", "coproc", "time":
			open(1)
		case "fi", "done", "esac":
			open(-1)
		}
		word = i + 1
		if i == len(script) {
			break
		}
		switch script[i] {
		case '(', '{', '[':
			open(1)
		case ')', '}', ']':
			open(-1)
		}
	}
	return deepest
}
