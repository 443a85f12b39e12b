package dockerfile

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/command"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// Limits of what is read. The largest Dockerfiles in public repositories are far below them.
const (
	MaxBytes        = 256 << 10
	MaxInstructions = 1000
	MaxStages       = 100
	// maxNesting bounds "${" within "${": BuildKit's lexer copies the rest of the word at each level.
	maxNesting = 200
)

// LimitError says that a Dockerfile is larger than hitrate reads: which limit, how large it is.
type LimitError struct {
	Path, What  string // What is a plural: "bytes", "instructions"
	Value, Most int    // Value is the size, or a lower bound of it
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("%s: %d %s, more than the %d that are read", e.Path, e.Value, e.What, e.Most)
}

// Parse reads a Dockerfile. What BuildKit refuses is an *[Error] with its line; what is over a
// limit (bytes, instructions, stages) is a *[LimitError].
func Parse(src *source.File) (*File, error) {
	if n := len(src.Data); n > MaxBytes {
		return nil, &LimitError{Path: src.Path, What: "bytes", Value: n, Most: MaxBytes}
	}
	if n := nesting(src.Data); n > maxNesting {
		return nil, &LimitError{Path: src.Path, What: "variables inside each other", Value: n, Most: maxNesting}
	}
	if len(src.Data) == 0 {
		// The words are those of BuildKit's frontend, which looks before it parses.
		return nil, &Error{Path: src.Path, Message: "the Dockerfile cannot be empty"}
	}
	lines := &lineReader{src: src, escape: parser.DefaultEscapeToken}
	directives, badDirective := lines.directives()
	tree, err := parser.Parse(bytes.NewReader(src.Data))
	if err != nil {
		refusal := refusedBy(src.Path, err)
		if badDirective > 0 {
			refusal.Line = badDirective // BuildKit names the line before it
		}
		return nil, refusal
	}
	if n := len(tree.AST.Children); n > MaxInstructions {
		return nil, &LimitError{Path: src.Path, What: "instructions", Value: n, Most: MaxInstructions}
	}
	p := &fileParser{
		File:  &File{Source: src, Directives: directives, Escape: tree.EscapeToken},
		lines: lines,
		// A linter that reports nowhere: BuildKit dereferences it at a comment "# check=".
		lint: linter.New(&linter.Config{}),
	}
	if err := p.instructions(tree.AST.Children); err != nil {
		return nil, err
	}
	if err := p.linkStages(); err != nil {
		return nil, err
	}
	p.readRuns()
	return p.File, nil
}

// nesting is how deep "${" stand in each other, at most.
func nesting(data []byte) int {
	deepest, depth := 0, 0
	for i, b := range data {
		switch {
		case b == '{' && i > 0 && data[i-1] == '$':
			depth++
			deepest = max(deepest, depth)
		case b == '}' && depth > 0:
			depth--
		}
	}
	return deepest
}

// refusedBy turns an error of BuildKit's into ours: its words, and the first line that it names.
func refusedBy(path string, err error) *Error {
	out := &Error{Path: path, Message: withoutGuess(err)}
	var located *parser.LocationError
	if errors.As(err, &located) && len(located.Locations) > 0 && len(located.Locations[0]) > 0 {
		out.Line = located.Locations[0][0].Start.Line
	}
	return out
}

// withoutGuess is the message of an error without BuildKit's "(did you mean …?)", which it picks
// from what is equally near at random.
func withoutGuess(err error) string {
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		if guess, ok := strings.CutPrefix(err.Error(), inner.Error()); ok && strings.HasPrefix(guess, " (did you mean ") {
			return inner.Error()
		}
	}
	return err.Error()
}

type fileParser struct {
	*File
	lines  *lineReader
	lint   *linter.Linter
	bodies map[*Instruction]body // of each RUN
	images []string              // what each stage is FROM, without build arguments
}

// body is where the command of a RUN stands.
type body struct {
	args text
	json bool
	docs []heredoc
}

func (p *fileParser) instructions(nodes []*parser.Node) error {
	p.bodies = map[*Instruction]body{}
	behind := 1 // the line behind the last instruction
	for _, node := range nodes {
		above := len(p.lines.comments)
		for n := behind; n < node.StartLine; n++ {
			p.lines.comment(n)
		}
		above = p.dropDirectives(above)
		comments := p.lines.comments[above:len(p.lines.comments):len(p.lines.comments)]
		line, next := p.lines.logical(node.StartLine)
		docs := make([]heredoc, len(node.Heredocs))
		for i, doc := range node.Heredocs {
			docs[i], next = p.lines.heredocAt(doc, next)
		}
		if line.s != node.Original || next != node.EndLine+1 {
			return &Error{Path: p.Source.Path, Line: node.StartLine, Message: "positions within the instruction are not certain"}
		}
		behind = next
		last, at := p.lines.line(node.EndLine)
		in, err := p.instruction(node, line, docs, at+len(last))
		if err != nil {
			return err
		}
		in.Comments = comments
		p.Instructions = append(p.Instructions, in)
	}
	for n := behind; n <= p.Source.LineCount(); n++ {
		p.lines.comment(n)
	}
	p.Comments = p.lines.comments
	if len(p.Stages) == 0 {
		return &Error{Path: p.Source.Path, Message: "dockerfile contains no stages to build"}
	}
	return nil
}

// dropDirectives takes the parser directives out of the comments met so far, and returns where the
// comments from index above on then begin.
func (p *fileParser) dropDirectives(above int) int {
	if len(p.Instructions) > 0 || len(p.lines.comments) == 0 {
		return above
	}
	kept := p.lines.comments[:0]
	for _, c := range p.lines.comments {
		directive := false
		for _, d := range p.Directives {
			directive = directive || d.Span == c.Span
		}
		if !directive {
			kept = append(kept, c)
		}
	}
	p.lines.comments = kept
	return min(above, len(kept))
}

// instruction reads one instruction of the file into its stage.
func (p *fileParser) instruction(node *parser.Node, line text, docs []heredoc, end int) (*Instruction, error) {
	if trigger := onlyTrigger(node); trigger != nil && strings.EqualFold(trigger.Value, command.Onbuild) {
		trigger.Next = nil // BuildKit refuses the chain; its length would cost time squared
	}
	typed, err := instructions.ParseInstructionWithLinter(node, p.lint)
	if err != nil {
		return nil, refusedBy(p.Source.Path, err)
	}
	in := p.positions(node, line, docs, end)
	switch typed := typed.(type) {
	case *instructions.Stage:
		if len(p.Stages) == MaxStages {
			return nil, &LimitError{Path: p.Source.Path, What: "stages", Value: MaxStages + 1, Most: MaxStages}
		}
		in.Stage = &Stage{Index: len(p.Stages), Name: typed.Name, From: in, Image: typed.BaseName, Platform: typed.Platform}
		p.Stages = append(p.Stages, in.Stage)
		return in, nil
	case instructions.Command:
		in.Command = typed
	}
	if len(p.Stages) == 0 {
		if in.Keyword == "ARG" {
			p.MetaArgs = append(p.MetaArgs, in)
			return in, nil
		}
		_, err := instructions.CurrentStage(nil)
		return nil, refusedBy(p.Source.Path, parser.WithLocation(err, node.Location()))
	}
	in.Stage = p.Stages[len(p.Stages)-1]
	in.Stage.Instructions = append(in.Stage.Instructions, in)
	if in.Trigger != nil {
		in.Trigger.Stage = in.Stage
	}
	return in, nil
}

// onlyTrigger is the instruction that an ONBUILD carries.
func onlyTrigger(node *parser.Node) *parser.Node {
	if strings.EqualFold(node.Value, command.Onbuild) && node.Next != nil && len(node.Next.Children) == 1 {
		return node.Next.Children[0]
	}
	return nil
}

// positions reads an instruction's words out of its logical line.
func (p *fileParser) positions(node *parser.Node, line text, docs []heredoc, end int) *Instruction {
	keyword, flags, args := splitInstruction(line, p.Escape)
	in := &Instruction{
		Keyword: strings.ToUpper(node.Value),
		Span:    source.Span{Start: keyword.start(0), End: end},
		Flags:   flags,
	}
	if trigger := onlyTrigger(node); trigger != nil {
		trigger.StartLine, trigger.EndLine, trigger.Heredocs = node.StartLine, node.EndLine, node.Heredocs
		in.Trigger = p.positions(trigger, args, docs, end)
		if typed, err := instructions.ParseInstructionWithLinter(trigger, p.lint); err == nil {
			in.Trigger.Command, _ = typed.(instructions.Command)
		}
		return in
	}
	if in.Keyword == "RUN" {
		p.bodies[in] = body{args: args, json: node.Attributes["json"], docs: docs}
		return in
	}
	in.Args = readArgs(node.Value, args, node.Attributes["json"], p.Escape)
	return in
}
