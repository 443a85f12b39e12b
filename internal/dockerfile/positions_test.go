package dockerfile

import (
	"bytes"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// checkPositions holds every position of a parsed file against the text and against BuildKit.
func checkPositions(t testing.TB, f *File) {
	t.Helper()
	tree, err := parser.Parse(bytes.NewReader(f.Source.Data))
	if err != nil {
		t.Fatalf("BuildKit refuses what we read: %v", err)
	}
	nodes := tree.AST.Children
	if len(nodes) != len(f.Instructions) {
		t.Fatalf("%d instructions, BuildKit has %d", len(f.Instructions), len(nodes))
	}
	var whole strings.Builder
	at := 0
	for i, in := range f.Instructions {
		if in.Span.Start < at || in.Span.End < in.Span.Start || in.Span.End > len(f.Source.Data) {
			t.Fatalf("%s: span %v after %d", in.Keyword, in.Span, at)
		}
		gap := f.Source.Data[at:in.Span.Start]
		checkGap(t, f, gap)
		whole.Write(gap)
		whole.WriteString(f.Source.Text(in.Span))
		at = in.Span.End

		if !strings.EqualFold(in.Keyword, nodes[i].Value) {
			t.Errorf("keyword %q, BuildKit has %q", in.Keyword, nodes[i].Value)
		}
		lines := f.Source.LinesFromSpan(in.Span)
		if first := f.Source.LineFromOffset(in.Span.Start); first < nodes[i].StartLine {
			t.Errorf("%s begins on line %d, BuildKit's on %d", in.Keyword, first, nodes[i].StartLine)
		}
		// A last line without text, behind a continuation, has no byte to be touched.
		if lines.Last > nodes[i].EndLine {
			t.Errorf("%s ends on line %d, BuildKit's on %d", in.Keyword, lines.Last, nodes[i].EndLine)
		}
		checkAlone(t, f, in, nodes[i])
		checkInside(t, f, in)
		checkTyped(t, in, nodes[i])
	}
	checkGap(t, f, f.Source.Data[at:])
	whole.Write(f.Source.Data[at:])
	if whole.String() != string(f.Source.Data) {
		t.Error("spans and gaps do not make the file")
	}
	for _, c := range f.Comments {
		if text := f.Source.Text(c.Span); !strings.HasPrefix(text, "#") || strings.ContainsAny(text, "\n") || strings.TrimSpace(text[1:]) != c.Text {
			t.Errorf("comment %q stands at %q", c.Text, text)
		}
	}
}

// checkTyped: flags, arguments and scripts are those that BuildKit reads.
func checkTyped(t testing.TB, in *Instruction, node *parser.Node) {
	t.Helper()
	if len(in.Flags) != len(node.Flags) {
		t.Errorf("%s has %d flags, BuildKit's %q", in.Keyword, len(in.Flags), node.Flags)
	}
	for i := range min(len(in.Flags), len(node.Flags)) {
		if name, value, _ := strings.Cut(strings.TrimPrefix(node.Flags[i], "--"), "="); name != in.Flags[i].Name || value != in.Flags[i].Unquoted {
			t.Errorf("flag %s=%s of %s, BuildKit has %s=%s", in.Flags[i].Name, in.Flags[i].Unquoted, in.Keyword, name, value)
		}
	}
	count := -1
	switch cmd := in.Command.(type) {
	case *instructions.CopyCommand:
		count = len(cmd.SourcePaths) + len(cmd.SourceContents) + 1
	case *instructions.AddCommand:
		count = len(cmd.SourcePaths) + len(cmd.SourceContents) + 1
	case *instructions.VolumeCommand:
		count = len(cmd.Volumes)
	case *instructions.ExposeCommand:
		count = len(cmd.Ports)
	case *instructions.ArgCommand:
		count = len(cmd.Args)
	case *instructions.ShellCommand:
		count = len(cmd.Shell)
	case *instructions.EnvCommand:
		count = len(cmd.Env)
		if count == 1 && cmd.Env[0].NoDelim {
			count = 2
		}
	case *instructions.WorkdirCommand:
		count = 1
	case *instructions.UserCommand:
		count = 1
	case *instructions.RunCommand:
		run := in.Run()
		if !cmd.PrependShell {
			if strings.Join(run.Exec, "\x00") != strings.Join(cmd.CmdLine, "\x00") {
				t.Errorf("exec form %q, BuildKit has %q", run.Exec, cmd.CmdLine)
			}
		} else if len(cmd.Files) == 0 && run.Script != strings.Join(cmd.CmdLine, " ") {
			t.Errorf("script %q, BuildKit has %q", run.Script, cmd.CmdLine)
		}
	}
	if count >= 0 && len(in.Args) != count {
		t.Errorf("%s has %d arguments, BuildKit's has %d", in.Keyword, len(in.Args), count)
	}
}

// checkGap: between instructions there is nothing but blank lines, comments, and continuation
// characters before a keyword.
func checkGap(t testing.TB, f *File, gap []byte) {
	t.Helper()
	gap = bytes.TrimPrefix(gap, byteOrderMark)
	for line := range bytes.Lines(gap) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && string(line) != string(f.Escape) {
			t.Errorf("between instructions: %q", line)
		}
	}
}

// checkAlone: the text of a span is the same instruction to BuildKit.
func checkAlone(t testing.TB, f *File, in *Instruction, node *parser.Node) {
	t.Helper()
	alone := f.Source.Text(in.Span)
	if f.Escape == '`' {
		alone = "# escape=`\n" + alone
	}
	tree, err := parser.Parse(strings.NewReader(alone))
	if err != nil {
		t.Errorf("%q alone: %v", alone, err)
		return
	}
	if len(tree.AST.Children) != 1 || tree.AST.Children[0].Dump() != node.Dump() {
		t.Errorf("%q alone is another instruction:\n%s\nwant\n%s", alone, tree.AST.Dump(), node.Dump())
		return
	}
	for i, doc := range tree.AST.Children[0].Heredocs {
		if doc != node.Heredocs[i] {
			t.Errorf("here-document %d of %q differs", i, alone)
		}
	}
}

// checkInside: spans lie inside what they belong to, in order, and hold the text that they say.
func checkInside(t testing.TB, f *File, in *Instruction) {
	t.Helper()
	inside := func(what string, outer, inner source.Span) {
		t.Helper()
		if inner.Start > inner.End || !outer.Contains(inner) {
			t.Errorf("%s of %s: %v is not inside %v", what, in.Keyword, inner, outer)
		}
	}
	at := in.Span.Start
	for _, fl := range in.Flags {
		inside("flag", in.Span, fl.Span)
		if fl.Span.Start < at {
			t.Errorf("flag %s of %s stands before what precedes it", fl.Name, in.Keyword)
		}
		at = fl.Span.End
	}
	for _, a := range in.Args {
		inside("argument", in.Span, a.Span)
		if a.Span.Start < at {
			t.Errorf("argument %q of %s stands before what precedes it", a.Value, in.Keyword)
		}
		at = a.Span.End
	}
	if in.Trigger != nil {
		inside("trigger", in.Span, in.Trigger.Span)
		checkInside(t, f, in.Trigger)
	}
	run := in.Run()
	if run == nil {
		return
	}
	for i, s := range run.Steps {
		inside("step", in.Span, s.Span)
		inside("operator", in.Span, s.OpSpan)
		if op := f.Source.Text(s.OpSpan); s.Op != "\n" && s.Op != op && op != "" && !strings.Contains(op, "\n") {
			t.Errorf("operator %q stands at %q", s.Op, op)
		}
		if i > 0 && s.Span.Start < run.Steps[i-1].Span.End {
			t.Errorf("step %d begins in the one before", i)
		}
	}
	for _, c := range run.Commands {
		inside("command", in.Span, c.Span)
		if len(c.Words) == 0 {
			t.Error("command without words")
		}
		for _, w := range append(append([]Word(nil), c.Prefix...), c.Words...) {
			inside("word", c.Span, w.Span)
			text := f.Source.Text(w.Span)
			plain := !strings.ContainsAny(text, "\\'\"`$\n\r") && c.Nested == 0 && run.Exec == nil
			if plain && text != w.Value {
				t.Errorf("word %q stands at %q", w.Value, text)
			}
		}
	}
}
