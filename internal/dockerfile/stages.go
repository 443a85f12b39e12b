package dockerfile

import (
	"errors"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// platformArgs are the arguments that BuildKit sets by itself, for the platform that most builds
// have; a build for another one overrides them like any argument.
// Source: BuildKit's frontend/dockerfile/dockerfile2llb/platform.go.
var platformArgs = map[string]string{
	"BUILDPLATFORM": "linux/amd64", "BUILDOS": "linux", "BUILDOSVERSION": "", "BUILDARCH": "amd64", "BUILDVARIANT": "",
	"TARGETPLATFORM": "linux/amd64", "TARGETOS": "linux", "TARGETOSVERSION": "", "TARGETARCH": "amd64", "TARGETVARIANT": "",
}

// IsPlatformArgument says whether BuildKit gives a build argument its value by itself, from the platforms that
// it builds on and for.
func IsPlatformArgument(name string) bool {
	_, ok := platformArgs[name]
	return ok
}

// globals are the arguments that FROM can use: BuildKit's own, and the ARGs before the first FROM.
func (f *File) globals(e *expander, args map[string]string) (variables, error) {
	env := variables{}
	for name, value := range platformArgs {
		if v, ok := args[name]; ok {
			value = v
		}
		env[name] = value
	}
	for _, in := range f.MetaArgs {
		cmd, ok := in.Command.(*instructions.ArgCommand)
		if !ok {
			continue
		}
		for _, arg := range cmd.Args {
			if v, ok := args[arg.Key]; ok {
				env[arg.Key] = v
			} else if arg.Value != nil {
				v, _, err := e.word(*arg.Value, env)
				if err != nil {
					return env, err
				}
				env[arg.Key] = v
			}
		}
	}
	return env, nil
}

// BaseImage is what a stage is FROM under the given build arguments, with variables resolved as
// BuildKit resolves them: an image, "scratch" or the name of a stage. Where a variable has no value
// the text is as written and missing is its name. A platform that no argument names is linux/amd64.
func (f *File) BaseImage(stage *Stage, args map[string]string) (image, missing string) {
	e := newExpander(f)
	env, err := f.globals(e, args)
	if err != nil {
		return stage.Image, firstVariable(stage.Image)
	}
	return baseImage(e, stage, env)
}

func baseImage(e *expander, stage *Stage, env variables) (image, missing string) {
	value, unset, err := e.word(stage.Image, env)
	if err != nil {
		return stage.Image, firstVariable(stage.Image)
	}
	if name := needs(stage.Image, unset); name != "" {
		return stage.Image, name
	}
	return value, ""
}

// firstVariable is the first name that follows a dollar sign.
func firstVariable(word string) string {
	_, rest, _ := strings.Cut(word, "$")
	return variableName(strings.TrimPrefix(rest, "{"))
}

// linkStages finds for each stage the one that it is FROM, without build arguments.
func (p *fileParser) linkStages() error {
	e := newExpander(p.File)
	env, err := p.globals(e, nil)
	if err != nil {
		// A word that BuildKit cannot expand is its to refuse when it builds; a bomb is ours.
		if limit := (*LimitError)(nil); errors.As(err, &limit) {
			return err
		}
	}
	for _, stage := range p.Stages {
		image, _ := baseImage(e, stage, env)
		p.images = append(p.images, image)
		stage.Parent = p.parent(stage, image)
	}
	return nil
}

// parents are the stages that the stages of f are FROM under the given build arguments, by index;
// nil for an image, scratch, or a name that hangs on a missing argument.
func (f *File) parents(args map[string]string) []*Stage {
	e := newExpander(f)
	env, _ := f.globals(e, args) // what has no value then stays as written
	out := make([]*Stage, len(f.Stages))
	for i, stage := range f.Stages {
		image, _ := baseImage(e, stage, env)
		out[i] = f.parent(stage, image)
	}
	return out
}

// parent is the stage above that FROM image means. BuildKit compares the name as written with names
// in lower case, so FROM Base is an image even below AS base; and of two stages of a name the later wins.
func (f *File) parent(stage *Stage, image string) *Stage {
	for i := stage.Index - 1; i >= 0; i-- {
		if name := f.Stages[i].Name; name != "" && name == image {
			return f.Stages[i]
		}
	}
	return nil
}

// Stage finds a stage by the name that --target, COPY --from or a mount gives it: upper and lower
// case are the same, of two equal names the later one is meant; nil where there is none.
func (f *File) Stage(name string) *Stage {
	for i := len(f.Stages) - 1; i >= 0; i-- {
		if s := f.Stages[i]; s.Name != "" && strings.EqualFold(s.Name, name) {
			return s
		}
	}
	return nil
}

// Target is the stage that a build of target makes: the last one for "", nil for an unknown name.
func (f *File) Target(target string) *Stage {
	if target == "" {
		return f.Stages[len(f.Stages)-1]
	}
	return f.Stage(target)
}

// From is the stage that a COPY --from or a RUN --mount=from= names; nil for an image or a named
// context. COPY takes numbers too, mounts do not.
func (f *File) From(in *Instruction) []*Stage {
	var out []*Stage
	add := func(name string, number bool) {
		if number {
			if n, err := strconv.Atoi(name); err == nil {
				if n >= 0 && n < len(f.Stages) {
					out = append(out, f.Stages[n])
				}
				return
			}
		}
		if s := f.Stage(name); s != nil && name != "" {
			out = append(out, s)
		}
	}
	switch cmd := in.Command.(type) {
	case *instructions.CopyCommand:
		add(cmd.From, true)
	case *instructions.RunCommand:
		for _, m := range instructions.GetMounts(cmd) {
			add(m.From, false)
		}
	}
	return out
}

// Uses are, for each stage by its index, the stages that it is FROM and those that COPY --from, mounts
// and the ONBUILD triggers of its parent take from; some of them perhaps more than once.
func (f *File) Uses(args map[string]string) [][]*Stage {
	out := make([][]*Stage, len(f.Stages))
	for i, parent := range f.parents(args) {
		for _, in := range f.Stages[i].Instructions {
			out[i] = append(out[i], f.From(in)...)
		}
		if parent == nil {
			continue
		}
		out[i] = append(out[i], parent)
		for _, in := range parent.Instructions {
			if in.Trigger != nil {
				out[i] = append(out[i], f.From(in.Trigger)...)
			}
		}
	}
	return out
}

// Label is what people and BuildKit call a stage: its name, or its number where it has none.
func (s *Stage) Label() string {
	if s.Name != "" {
		return s.Name
	}
	return strconv.Itoa(s.Index)
}

// Needed are the stages that a build of target runs, in file order: what it uses, and what these do.
// nil for an unknown target.
func (f *File) Needed(target string, args map[string]string) []*Stage {
	first := f.Target(target)
	if first == nil {
		return nil
	}
	uses := f.Uses(args)
	need := make([]bool, len(f.Stages))
	need[first.Index] = true
	for todo := []*Stage{first}; len(todo) > 0; {
		stage := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, s := range uses[stage.Index] {
			if !need[s.Index] {
				need[s.Index] = true
				todo = append(todo, s)
			}
		}
	}
	var out []*Stage
	for i, ok := range need {
		if ok {
			out = append(out, f.Stages[i])
		}
	}
	return out
}

// Shipped are the stages whose layers are in the image of target: the target, what it is FROM, and
// so on, target first. nil for an unknown target.
func (f *File) Shipped(target string, args map[string]string) []*Stage {
	parents := f.parents(args)
	var out []*Stage
	for s := f.Target(target); s != nil; s = parents[s.Index] {
		out = append(out, s)
	}
	return out
}
