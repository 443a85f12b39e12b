package buildcache

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/apicaps"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
)

// contextName is what the local build context is called in the definition.
const contextName = "context"

// Compile is BuildKit's frontend run in process on a canned image configuration for every base.
// Errors: *dockerfile.Error with the line for what BuildKit refuses, *dockerfile.LimitError,
// *MissingArgError, *UnsetError, and ctx's own. It needs no network, no file system and no clock.
//
// The frontend is the one that hitrate is built with: "# syntax=" is not followed. The platform is
// linux/amd64.
func Compile(ctx context.Context, in Inputs) (plan *Plan, err error) {
	defer func() {
		if r := recover(); r != nil {
			plan, err = nil, &dockerfile.Error{Path: in.File.Source.Path, Message: fmt.Sprintf("BuildKit's frontend failed: %v", r)}
		}
	}()
	if err := checkCost(in); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := compiler{in: in, text: in.File.Source.Data}

	var warnings []Warning
	target, err := c.convert(ctx, c.text, in.Target, in.Args, in.AllStages, func(rule, _, _, message string, location []parser.Range) {
		warnings = append(warnings, Warning{Rule: rule, Message: message, Line: firstLine(location)})
	})
	if err != nil {
		// "# check=error=true" makes an error of a warning; the file compiles all the same.
		var again error
		if target, again = c.convert(ctx, c.text, in.Target, in.Args, in.AllStages, nil); again != nil {
			return nil, c.explain(err)
		}
	}
	plan = &Plan{Warnings: sortWarnings(warnings), path: in.File.Source.Path}
	if plan.Image, err = imageJSON(*target.Image); err != nil {
		return nil, err
	}
	state := target.State
	if in.AllStages && !c.targetHasAll() {
		all, err := c.convert(ctx, c.withAllStages(), "", c.argsOfTarget(), false, nil)
		if err != nil {
			return nil, c.explain(err)
		}
		state = all.State
	}
	definition, err := state.Marshal(ctx, llb.Platform(platform), llb.WithCaps(capabilities()))
	if err != nil {
		return nil, c.explain(err)
	}
	if err := c.steps(plan, definition); err != nil {
		return nil, err
	}
	return plan, nil
}

// capabilities are all that this BuildKit has. They are only read.
var capabilities = sync.OnceValue(func() apicaps.CapSet { return pb.Caps.CapSet(pb.Caps.All()) })

// targetStage is the argument that tells a step which target is built.
// Source: https://docs.docker.com/reference/dockerfile/#automatic-platform-args-in-the-global-scope
const targetStage = "TARGETSTAGE"

type compiler struct {
	in   Inputs
	text []byte
}

func (c *compiler) convert(ctx context.Context, text []byte, target string, args map[string]string, allStages bool, warn linter.LintWarnFunc) (*dockerfile2llb.Result, error) {
	caps := capabilities()
	local, to := llb.Local(contextName), platform
	opt := dockerfile2llb.ConvertOpt{
		Config: dockerui.Config{
			BuildArgs: maps.Clone(args), // BuildKit writes to it
			Target:    target,
		},
		MainContext:    &local,
		SourceMap:      llb.NewSourceMap(nil, c.in.File.Source.Path, "Dockerfile", text),
		TargetPlatform: &to,
		MetaResolver:   bases{},
		LLBCaps:        &caps,
		Warn:           warn,
		AllStages:      allStages,
	}
	if len(c.in.Contexts) > 0 {
		client, err := c.withContexts(target, args)
		if err != nil {
			return nil, err
		}
		opt.Client, opt.Config, opt.MainContext = client, client.Config, nil
		opt.TargetPlatforms, opt.BuildPlatforms = nil, nil // as without a client
	}
	return dockerfile2llb.Dockerfile2LLB(ctx, text, opt)
}

// targetHasAll says whether the target's definition holds every stage: whatever uses a stage uses it whole.
// A named context may stand in a stage's place.
func (c *compiler) targetHasAll() bool {
	return len(c.in.File.Stages) == 1 ||
		len(c.in.Contexts) == 0 && len(c.in.File.Needed(c.in.Target, c.in.Args)) == len(c.in.File.Stages)
}

// withAllStages is the Dockerfile with one more stage that copies from every other, so that one
// definition holds them all, also those that cannot be named as a target. It stands below, so that
// the lines of the others stay, and has no name: a COPY --from that names the target means the
// target's own stage.
func (c *compiler) withAllStages() []byte {
	stages := c.in.File.Stages
	var b bytes.Buffer
	b.Write(trimEnd(c.text, c.in.File.Escape))
	// Below every line of the original, so that no line is two things.
	b.WriteString(strings.Repeat("\n", c.in.File.Source.LineCount()-bytes.Count(b.Bytes(), []byte("\n"))))
	b.WriteString("FROM scratch")
	for i := range stages {
		fmt.Fprintf(&b, "\nCOPY --from=%d / /%d/", i, i)
	}
	b.WriteString("\n")
	return b.Bytes()
}

// argsOfTarget are the build arguments with the name of the target that is asked for, which BuildKit
// would otherwise take from the stage that withAllStages adds.
func (c *compiler) argsOfTarget() map[string]string {
	args := maps.Clone(c.in.Args)
	if args == nil {
		args = map[string]string{}
	}
	name := c.in.Target
	if name == "" {
		name = c.in.File.Stages[len(c.in.File.Stages)-1].Name
	}
	if _, given := args[targetStage]; !given && name != "" {
		args[targetStage] = name
	}
	return args
}

// trimEnd takes off what follows a Dockerfile's last instruction: blanks, comments, and an escape
// that says that the instruction goes on, where BuildKit finds the end of the file.
func trimEnd(text []byte, escape rune) []byte {
	for {
		text = bytes.TrimRight(text, " \t\r\n")
		start := bytes.LastIndexByte(text, '\n') + 1
		line := bytes.TrimLeft(text[start:], " \t")
		switch n := len(line); {
		case n == 0:
			return text
		case line[0] == '#':
			text = text[:start]
		case rune(line[n-1]) == escape && (n == 1 || rune(line[n-2]) != escape):
			text = text[:len(text)-1]
		default:
			return text
		}
	}
}

func sortWarnings(warnings []Warning) []Warning {
	slices.SortFunc(warnings, func(a, b Warning) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(warnings)
}
