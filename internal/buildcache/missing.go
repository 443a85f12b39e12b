package buildcache

import (
	"maps"
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
)

// missingArg explains BuildKit's refusal of the instruction on a line by a variable in it that has no
// value; nil where that is not the cause.
func missingArg(in Inputs, line int) error {
	for _, i := range in.File.Instructions {
		lines := in.File.Source.LinesFromSpan(i.Span)
		if line < lines.First || line > lines.Last || i.Stage == nil {
			continue
		}
		var name string
		if i.Keyword == "FROM" {
			var declared bool
			name, declared = newMetaArgs(in).missing(i.Stage.Image, i.Stage.Platform)
			if declared {
				return &MissingArgError{Path: in.File.Source.Path, Arg: name, Line: line}
			}
		} else {
			name = unset(in, i)
		}
		if name != "" {
			return &UnsetError{Path: in.File.Source.Path, Name: name, Line: line, Keyword: i.Keyword}
		}
	}
	return nil
}

// unset is a variable in an instruction that nothing in the file sets: the base image may, whose
// variables are not known. "" for none.
func unset(in Inputs, i *dockerfile.Instruction) string {
	states, err := in.File.States(in.Args)
	if err != nil || i.Keyword == "RUN" {
		return ""
	}
	env := shell.EnvsFromSlice(pairs(states[i].Env))
	lex := shell.NewLex(in.File.Escape)
	words := make([]string, 0, len(i.Flags)+len(i.Args))
	for _, f := range i.Flags {
		words = append(words, f.Value)
	}
	for _, a := range i.Args {
		words = append(words, in.File.Source.Text(a.Span))
	}
	for _, word := range words {
		result, err := lex.ProcessWordWithMatches(word, env)
		if names := slices.Sorted(maps.Keys(result.Unmatched)); err == nil && len(names) > 0 {
			return names[0]
		}
	}
	return ""
}

// metaArgs are the ARGs above the first FROM.
type metaArgs struct {
	lex *shell.Lex
	// values holds those that have one, BuildKit's own among them.
	values map[string]string
	// causes leads from a declared ARG whose value is empty, or was made with such a one, to the one
	// to give a value to.
	causes map[string]string
}

func newMetaArgs(in Inputs) *metaArgs {
	m := &metaArgs{
		lex: shell.NewLex(in.File.Escape),
		values: map[string]string{
			"BUILDPLATFORM": "linux/amd64", "BUILDOS": "linux", "BUILDARCH": "amd64", "BUILDVARIANT": "",
			"TARGETPLATFORM": "linux/amd64", "TARGETOS": "linux", "TARGETARCH": "amd64", "TARGETVARIANT": "",
		},
		causes: map[string]string{},
	}
	for _, i := range in.File.MetaArgs {
		cmd, ok := i.Command.(*instructions.ArgCommand)
		if !ok {
			continue
		}
		for _, arg := range cmd.Args {
			m.declare(arg, in.Args)
		}
	}
	return m
}

func (m *metaArgs) declare(arg instructions.KeyValuePairOptional, given map[string]string) {
	delete(m.causes, arg.Key)
	value, ok := given[arg.Key]
	cause := ""
	if !ok && arg.Value != nil {
		value, cause = m.expand(*arg.Value)
		ok = true
	}
	switch {
	case ok:
		m.values[arg.Key] = value
		if cause == "" && value == "" {
			cause = arg.Key
		}
	case m.values[arg.Key] == "":
		cause = arg.Key
	}
	if cause != "" {
		m.causes[arg.Key] = cause
	}
}

// expand returns a word with its variables replaced, and the declared ARG whose value it misses, if
// any.
func (m *metaArgs) expand(word string) (value, missing string) {
	result, err := m.lex.ProcessWordWithMatches(word, shell.EnvsFromSlice(pairs(m.values)))
	if err != nil {
		return "", ""
	}
	used := slices.Sorted(maps.Keys(result.Unmatched))
	used = append(used, slices.Sorted(maps.Keys(result.Matched))...)
	for _, name := range used {
		if cause := m.causes[name]; cause != "" {
			return result.Result, cause
		}
	}
	return result.Result, ""
}

// missing is the variable whose value some words miss: a declared one, else any; "" for none.
func (m *metaArgs) missing(words ...string) (name string, declared bool) {
	for _, word := range words {
		if _, cause := m.expand(word); cause != "" {
			return cause, true
		}
	}
	for _, word := range words {
		result, err := m.lex.ProcessWordWithMatches(word, shell.EnvsFromSlice(pairs(m.values)))
		if names := slices.Sorted(maps.Keys(result.Unmatched)); err == nil && len(names) > 0 {
			return names[0], false
		}
	}
	return "", false
}

func pairs(values map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out = append(out, name+"="+values[name])
	}
	return out
}
