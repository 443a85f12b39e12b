package fix

import (
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
)

// otherArguments are build arguments under which each ARG of a file has another value than under the given
// ones: its own with a number behind it, another number for each, so that two that are equal today are so no
// longer; where a base image's name begins with it, one about which nothing is known. An edit that a checker finds right under both does not rest on the value that an ARG happens to
// have: anybody may build with another (docker build --build-arg). Those that BuildKit sets by itself for the
// platform are left out. The result is nil for a file without an ARG.
func otherArguments(f *dockerfile.File, args map[string]string, states map[*dockerfile.Instruction]dockerfile.State) map[string]string {
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

// otherwise is the scene under other values of the build arguments; ok is false where there are none.
func (b *build) otherwise(p *prover) (s scene, ok bool) {
	if !b.varied {
		b.varied = true
		if args := otherArguments(p.in.File, b.args, b.states); args != nil {
			for name, value := range b.args {
				if _, declared := args[name]; !declared {
					args[name] = value
				}
			}
			if states, err := p.in.File.States(args); err == nil {
				b.others = &scene{in: p.in, states: states, copies: map[*dockerfile.Instruction]readCopy{}, scripts: p.scripts}
			}
		}
	}
	if b.others == nil {
		return scene{}, false
	}
	return *b.others, true
}
