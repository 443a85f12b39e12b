// Package dockerfile is a Dockerfile as stages and instructions that know their bytes.
//
// BuildKit's own parser decides what an instruction is; it gives lines only, so this package
// rebuilds byte positions from the text. RUN commands are read with mvdan.cc/sh.
package dockerfile

import (
	"fmt"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// File is one parsed Dockerfile.
type File struct {
	Source       *source.File
	Directives   []Directive    // parser directives (syntax, escape, check), in file order
	Escape       rune           // '\\' or '`'
	Instructions []*Instruction // every instruction in file order, FROM and ARG before FROM among them
	MetaArgs     []*Instruction // ARG before the first FROM
	Stages       []*Stage
	Comments     []Comment // whole-line comments outside heredocs, directives not among them
}

// Directive is a parser directive: "# syntax=…", "# escape=…", "# check=…".
type Directive struct {
	Name, Value string
	Span        source.Span
}

// Comment is one whole-line comment, from its '#' to the end of the line without the newline.
type Comment struct {
	Text string // without '#' and the blanks around
	Span source.Span
}

// Stage is one FROM and what follows it.
type Stage struct {
	Index        int
	Name         string // of AS, lower case as BuildKit compares it; "" without
	From         *Instruction
	Image        string         // FROM's name as written, before expansion of variables
	Platform     string         // --platform as written
	Parent       *Stage         // the stage of this file that FROM names; nil for an image or scratch
	Instructions []*Instruction // after FROM
}

// Instruction is one instruction. Span runs from the first byte of its keyword to the last byte
// before the newline of its last physical line: continuations, comments inside them and heredoc
// bodies with their terminators belong to it.
type Instruction struct {
	Keyword string // upper case
	Span    source.Span
	Stage   *Stage               // nil for ARG before the first FROM
	Command instructions.Command // BuildKit's typed form; nil for FROM, and for what it refuses
	Flags   []Flag
	// Args are the words after the flags: not for RUN. A pair of ENV, LABEL or ARG is one word, the
	// old form "ENV name value" is two; an element of a JSON form stands inside its quotes; a
	// here-document is its "<<EOF"; CMD and ENTRYPOINT in shell form are one word.
	Args     []Arg
	Trigger  *Instruction // ONBUILD: the instruction it carries, with positions of its own
	Comments []Comment    // the comment lines above, up to the instruction before; blank lines may stand between
	run      *Run
}

// Flag is one --name=value before the arguments.
type Flag struct {
	Name, Value string // without the dashes; Value as written
	Unquoted    string // Value as BuildKit takes it: without quotes and escapes, with variables as written
	Span        source.Span
}

// Arg is one word of an instruction: Span is the word as written, Value is it without quotes and
// escapes, with variables as written.
type Arg struct {
	Value string
	Span  source.Span
}

// Run is the command of a RUN (or of a RUN carried by ONBUILD).
type Run struct {
	Exec     []string // exec form; nil in shell form
	Script   string   // shell form and heredoc: the text that the shell gets
	Heredoc  bool
	Mounts   []*instructions.Mount
	Commands []*Command // simple commands in the order of the text, those inside sh -c among them
	// Steps is the top level of the script, for editing it; nil in exec form.
	Steps []Step
	Err   error // why the script could not be read as POSIX shell or bash; Commands is then empty
}

// Step is one element of the list that a script is on its top level: "a && b; c" has three. A
// pipeline, a group, an if is one step.
//
// To put a command in front of a step, insert text at Span.Start. To take step i away, delete from
// Steps[i-1].Span.End to Span.End (the operator before it goes with it), for the first one from
// Span.Start to Steps[1].Span.Start; that is right only where the operators on both sides are
// the same, and not where HasHeredoc.
type Step struct {
	Op       string      // operator before it: "&&", "||", ";", "&", "\n"; "" for the first
	OpSpan   source.Span // of Op in the Dockerfile; empty for a newline and for the first step
	Span     source.Span // without operators; within it may be continuations and comments
	Commands []*Command  // those inside, a part of Run.Commands
	// HasHeredoc says that a here-document of the shell belongs to the step; its body stands below,
	// outside Span or in it.
	HasHeredoc bool
}

// Command is one simple command of a RUN.
type Command struct {
	Name  string // base name of the program after env, exec, sudo, command, nice, time…: "pip3.11"; "" if not literal
	Words []Word // the program as written and its arguments; never empty
	// InVariable is how many of Words, from the first, are what a variable of the script holds ("$APT_INSTALL git");
	// their spans are that of the one word that names it, so that none of them can be edited by itself.
	InVariable int
	Prefix     []Word      // what Name was looked for behind: "env", "X=y", "sudo", "-E"
	Assigns    []Assign    // what its environment has more: exports before it, then its own; of one name the last counts
	Span       source.Span // bytes in the Dockerfile: assignments, words, redirections
	// Straight says that the command runs when every command before it succeeds: not in an if, a
	// loop, a function, behind ||, in a case or in the background. What a RUN is meant to do.
	Straight bool
	// Always says that the command runs whenever the RUN succeeds: it is Straight, and nothing that
	// fails before it can be passed over, as the b of "a && b || true" and of "a && b; c" is.
	Always bool
	// Checked says that the RUN fails when the command fails: it is not left of || (but "|| exit 1"
	// counts), not before ";" without set -e, not a condition, not in a pipe before the last without pipefail.
	Checked bool
	// OtherUser says that sudo, gosu or their like runs it, perhaps as another user than the step's.
	OtherUser bool
	Pipe      Pipe
	Redirects []Redirect
	// Nested is how deep in subshells, groups, compound commands, substitutions and sh -c the command stands; 0 on the top level.
	Nested int
	// Dir is where a literal cd before it in the same script leads, relative to the step's working
	// directory or absolute; "" without cd. DirKnown is false after a cd that is not literal.
	Dir      string
	DirKnown bool
}

// Pipe is the place of a command in a pipeline: Index from 0 of Len; Len is 0 outside pipelines.
type Pipe struct{ Index, Len int }

// Redirect is one redirection of a command.
type Redirect struct {
	FD     string // the number before the operator; "" without
	Op     string // ">", ">>", "<", "<<", "2>" is FD "2" and Op ">", "&>", …
	Target Word   // the file, or the delimiter of a here-document
}

// Word is one word of a command. Value is what the shell would pass on when Literal; otherwise the
// text as written (variables, substitutions, globs).
type Word struct {
	Value   string
	Literal bool
	Span    source.Span
}

// Assign is NAME=value before a command (or an argument of env), or an export before it in the same
// script. Value is the value, Span is that of NAME=value.
type Assign struct {
	Name string
	Word
}

// Error is BuildKit's refusal of a Dockerfile, on a line.
type Error struct {
	Path    string
	Line    int // 1-based; 0 when BuildKit names none
	Message string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.Path, e.Message)
	}
	return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.Message)
}

// State is what an instruction runs under: what ENV, ARG, WORKDIR, USER and SHELL above it in its
// stage and in the stages it is FROM have set. Expansion is bounded (see [MaxExpansion]).
type State struct {
	Workdir      string            // absolute; "/" at the start of an image that sets none
	WorkdirKnown bool              // false while it hangs on the base image or on an unknown variable
	User         string            // as written after expansion; "" when nobody set one
	UserKnown    bool              // false when it hangs on a base image about which nothing is known
	Env          map[string]string // ENV and ARG with a known value; the later one wins
	EnvKnown     bool              // Env is everything: the base is scratch, not an image with variables of its own
	Shell        []string          // nil: the default
	BaseKnown    bool              // the base image is one of which is known that it runs as root, and in which directory
}
