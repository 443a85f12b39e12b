package rules

import (
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// AptListsRemoval is the command that takes apt's package index away.
const AptListsRemoval = "rm -rf " + shelleffects.AptLists + "/*"

// appendCommand is the edit that puts a command at the end of a RUN's script, in the script's own
// style, so that it runs once everything before it succeeded and a failure still counts.
func (p *Pass) appendCommand(in *dockerfile.Instruction, command string) (source.Edit, Reason) {
	run := in.Run()
	switch {
	case run == nil || run.Err != nil:
		return source.Edit{}, ScriptUnread
	case run.Exec != nil || len(run.Steps) == 0:
		return source.Edit{}, ScriptForm
	}
	last := run.Steps[len(run.Steps)-1]
	switch {
	case last.HasHeredoc || leavesScript(run):
		return source.Edit{}, ScriptForm
	case last.Op == "||":
		return source.Edit{}, FailureUnseen
	}
	tail := p.textOf(source.Span{Start: last.Span.End, End: in.Span.End})
	at := source.Span{Start: last.Span.End, End: last.Span.End}
	if run.Heredoc {
		rest, _, _ := strings.Cut(tail, "\n")
		if !errexit(run) || strings.TrimSpace(rest) != "" {
			return source.Edit{}, ScriptForm
		}
		return source.Edit{Span: at, New: "\n" + p.indentOf(last.Span.Start) + command}, ""
	}
	if !p.blank(strings.TrimPrefix(strings.TrimSpace(tail), ";")) {
		return source.Edit{}, ScriptForm // it runs in the background, or words of another kind follow
	}
	return source.Edit{Span: at, New: p.joint(in) + command}, ""
}

// leavesScript says whether a script may end before its end, with success.
func leavesScript(run *dockerfile.Run) bool {
	for _, cmd := range run.Commands {
		if cmd.Nested == 0 && (cmd.Name == "exit" || cmd.Name == "return" || cmd.Name == "exec" || len(cmd.Prefix) > 0 && cmd.Prefix[0].Value == "exec") {
			return true
		}
	}
	return false
}

// errexit says whether a script runs under set -e, as far as one of its lists shows.
func errexit(run *dockerfile.Run) bool {
	for i, step := range run.Steps[:len(run.Steps)-1] {
		if op := run.Steps[i+1].Op; (op == ";" || op == "\n") && len(step.Commands) > 0 && step.Commands[len(step.Commands)-1].Checked {
			return true
		}
	}
	return false
}

// blank says whether a text has nothing but comments, blanks and continuations.
func (p *Pass) blank(text string) bool {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && line != string(p.File.Escape) && !strings.HasPrefix(line, "#") {
			return false
		}
	}
	return true
}

// joint is what parts the next command from the last step of a script: as the last two steps are
// parted, else "&&", on a line of its own where the last step takes several.
func (p *Pass) joint(in *dockerfile.Instruction) string {
	steps := in.Run().Steps
	n := len(steps) - 1
	last := steps[n]
	own := " && "
	atEnd := false // the operators stand at the ends of lines
	if n > 0 {
		between := p.textOf(source.Span{Start: steps[n-1].Span.End, End: last.Span.Start})
		atEnd = strings.HasPrefix(strings.TrimLeft(between, " \t"), last.Op) && strings.Contains(between, "\n")
		if !errexit(in.Run()) {
			between = strings.Replace(between, ";", " &&", 1)
		}
		if p.plainJoint(between) {
			own = between
		}
	}
	if strings.Contains(own, "\n") || !strings.Contains(p.textOf(in.Span), "\n") {
		return own
	}
	line := p.File.Source.LinesFromSpan(source.Span{Start: last.Span.End, End: last.Span.End}).First
	indent := p.indentOf(p.File.Source.SpanFromLines(source.Lines{First: line, Last: line}).Start)
	if indent == "" {
		indent = "    "
	}
	if atEnd {
		return " && " + string(p.File.Escape) + "\n" + indent
	}
	return " " + string(p.File.Escape) + "\n" + indent + "&& "
}

// plainJoint says whether a text is "&&" or ";" with blanks and at most one continuation.
func (p *Pass) plainJoint(text string) bool {
	rest := strings.Join(strings.Fields(strings.ReplaceAll(text, string(p.File.Escape)+"\n", " ")), " ")
	return (rest == "&&" || rest == ";") && strings.Count(text, "\n") <= 1
}

// indentOf are the blanks that the line of an offset begins with.
func (p *Pass) indentOf(offset int) string {
	line := p.File.Source.LineFromOffset(offset)
	text := p.textOf(p.File.Source.SpanFromLines(source.Lines{First: line, Last: line}))
	return text[:len(text)-len(strings.TrimLeft(text, " \t"))]
}

// mergeRuns is the edit that makes one RUN of two neighbours: the script of the second, which has to be
// one list of "&&", behind that of the first. Whether one RUN is equal, package fix says.
func (p *Pass) mergeRuns(first, second *dockerfile.Instruction) (*Unit, Reason) {
	a, b := first.Run(), second.Run()
	switch {
	case a == nil || b == nil || a.Err != nil || b.Err != nil:
		return nil, ScriptUnread
	case a.Exec != nil || b.Exec != nil || a.Heredoc || b.Heredoc || len(a.Steps) == 0 || len(b.Steps) == 0:
		return nil, ScriptForm
	case leavesScript(a) || a.Steps[len(a.Steps)-1].HasHeredoc:
		return nil, ScriptForm
	case slices.ContainsFunc(b.Steps[1:], func(s dockerfile.Step) bool { return s.Op != "&&" }):
		return nil, FailureUnseen
	case !slices.Equal(flagTexts(first), flagTexts(second)):
		return nil, OtherSettings
	}
	// What stands between has to go: nothing but the end of one script and "RUN" of the next.
	last := a.Steps[len(a.Steps)-1]
	between := source.Span{Start: last.Span.End, End: b.Steps[0].Span.Start}
	tail := p.textOf(source.Span{Start: last.Span.End, End: first.Span.End})
	if strings.TrimSpace(tail) != "" || !p.blank(p.textOf(source.Span{Start: first.Span.End, End: second.Span.Start})) {
		return nil, ScriptForm
	}
	joint := p.joint(first)
	if !strings.Contains(joint, "&&") {
		joint = " && "
	}
	if !strings.Contains(joint, "\n") {
		joint = " " + string(p.File.Escape) + "\n    && "
	}
	comments := ""
	for _, c := range second.Comments {
		if names, _ := ignored(c.Text); names != nil {
			return nil, ScriptForm // a word to a linter about an instruction that goes
		}
		comments += "    " + p.textOf(c.Span) + "\n"
	}
	if comments != "" {
		joint = strings.Replace(joint, "\n", "\n"+comments, 1)
	}
	return &Unit{
		Edits:   []source.Edit{{Span: between, New: joint}},
		Effects: []Effect{MergeRuns{First: first, Second: second}},
	}, ""
}

// flagTexts are an instruction's flags, sorted.
func flagTexts(in *dockerfile.Instruction) []string {
	var out []string
	for _, f := range in.Flags {
		out = append(out, f.Name+"="+f.Value)
	}
	slices.Sort(out)
	return out
}
