package rules

import (
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
)

// OtherValues are build arguments under which each ARG of a file has another value than under the given
// ones: its own with a number behind it, another number for each, so that two that are equal today are so no
// longer; where a base image's name begins with it, one about which nothing is known. An edit that is right under
// both does not rest on the value that an ARG happens to have: anybody may build with another (docker build
// --build-arg). Those that BuildKit sets by itself for the platform are left out. The result is nil for a file
// without an ARG.
func OtherValues(f *dockerfile.File, args map[string]string, states map[*dockerfile.Instruction]dockerfile.State) map[string]string {
	var out map[string]string
	declared := func(i *dockerfile.Instruction) {
		cmd, ok := i.Command.(*instructions.ArgCommand)
		if !ok {
			return
		}
		for _, a := range cmd.Args {
			if _, seen := out[a.Key]; seen || dockerfile.IsPlatformArgument(a.Key) {
				continue
			}
			value, given := args[a.Key]
			if !given && a.Value != nil {
				value, _ = f.Expand(*a.Value, states[i])
			}
			if out == nil {
				out = map[string]string{}
			}
			out[a.Key] = value + strconv.Itoa(len(out)+1)
			if slices.ContainsFunc(f.Stages, func(s *dockerfile.Stage) bool { return beginsWith(s.Image, a.Key) }) {
				out[a.Key] = "other-" + out[a.Key]
			}
		}
	}
	for _, i := range f.MetaArgs {
		declared(i)
	}
	for _, stage := range f.Stages {
		for _, i := range stage.Instructions {
			declared(i)
		}
	}
	return out
}

// beginsWith says whether a text begins with the value of a variable.
func beginsWith(text, name string) bool {
	rest, ok := strings.CutPrefix(text, "$"+name)
	if !ok {
		if rest, ok = strings.CutPrefix(text, "${"+name); !ok {
			return false
		}
	}
	return rest == "" || rest[0] != '_' && (rest[0]|0x20 < 'a' || rest[0]|0x20 > 'z') && (rest[0] < '0' || rest[0] > '9')
}

// otherStates are the states under other build arguments; nil where there are none.
func (v *view) otherStates() map[*dockerfile.Instruction]dockerfile.State {
	if !v.varied {
		v.varied = true
		if args := OtherValues(v.File, v.args, v.states); args != nil {
			v.others, _ = v.File.States(args)
		}
	}
	return v.others
}
