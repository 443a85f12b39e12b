package buildcache

import (
	"maps"
	"slices"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// missingArg explains the refusal of the FROM on a line by an ARG above the first FROM that it
// uses and that has no value; nil where that is not the cause.
func missingArg(in Inputs, line int) error {
	file := in.File
	for _, stage := range file.Stages {
		if file.Source.LineFromOffset(stage.From.Span.Start) != line {
			continue
		}
		args := newMetaArgs(in)
		for _, word := range []string{stage.Image, stage.Platform} {
			if _, missing := args.expand(word); missing != "" {
				return &MissingArgError{Path: file.Source.Path, Arg: missing, Line: line}
			}
		}
	}
	return nil
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

// expand returns a word with its variables replaced, and the ARG whose value it misses, if any.
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

func pairs(values map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out = append(out, name+"="+values[name])
	}
	return out
}
