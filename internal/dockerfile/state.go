package dockerfile

import (
	"errors"
	"fmt"
	"maps"
	"path"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
)

// maxCarried bounds the variables that all RUNs of a file carry along, in bytes: BuildKit writes the
// whole environment into each step, and all ARGs so far into each line of the image's history.
const maxCarried = 32 << 20

// States says for every instruction (ONBUILD triggers too) what it runs under, with what args
// (build arguments) give to ARG. An ONBUILD trigger runs under the state that the end of its stage
// leaves, after the triggers before it. The Env of different states can be one map: it is not to
// be changed. Where predicted expansion is over a limit the error is a *[LimitError]; a word that
// BuildKit cannot expand only makes its value unknown.
//
// The rules are those of BuildKit's dockerfile2llb: within a stage the later of ENV and ARG wins,
// and a stage that is FROM another begins with its variables, of which ENV wins over ARG.
func (f *File) States(args map[string]string) (map[*Instruction]State, error) {
	e := newExpander(f)
	globals, err := f.globals(e, args)
	if isLimit(err) {
		return nil, err
	}
	s := &stateReader{expander: e, args: args, globals: globals, states: map[*Instruction]State{}}
	for _, in := range f.MetaArgs {
		s.states[in] = State{Workdir: "/", Env: map[string]string{}}
	}
	ends := make([]stageState, len(f.Stages)) // what a stage that is FROM it begins with
	for i, stage := range f.Stages {
		image, missing := baseImage(e, stage, globals)
		var st stageState
		if parent := f.parent(stage, image); parent != nil {
			st = ends[parent.Index].child()
		} else {
			st = startOf(image, missing)
		}
		s.states[stage.From] = st.state()
		for _, in := range stage.Instructions {
			s.states[in] = st.state()
			if err := s.step(in, &st); err != nil {
				return nil, err
			}
		}
		for _, in := range stage.Instructions {
			if in.Trigger == nil {
				continue
			}
			s.states[in.Trigger] = st.state()
			if err := s.step(in.Trigger, &st); err != nil {
				return nil, err
			}
		}
		ends[i] = st
	}
	return s.states, nil
}

func isLimit(err error) bool {
	var limit *LimitError
	return errors.As(err, &limit)
}

// Expand expands the variables of a word as BuildKit does for an instruction with this state. known
// is false where a variable of the base image, or one without a known value, is in it; the word
// then comes back as written.
func (f *File) Expand(word string, state State) (value string, known bool) {
	value, unset, err := newExpander(f).word(word, state.Env)
	if err != nil || len(unset) > 0 && !state.EnvKnown {
		return word, false
	}
	return value, true
}

// stageState is a State on its way through a stage.
type stageState struct {
	State
	// image is what ENV has set, as the image will have it; a name is in lost where ENV gave it a
	// value that is not known. Both are copied before they change.
	image variables
	lost  map[string]bool
	args  int // bytes of all ARGs so far
}

// startOf is the state at the start of an image.
func startOf(image, missing string) stageState {
	st := stageState{State: State{Workdir: "/", Env: map[string]string{}}}
	if missing != "" {
		return st
	}
	if image == "scratch" {
		st.BaseKnown, st.WorkdirKnown, st.UserKnown, st.EnvKnown = true, true, true, true
		// BuildKit sets PATH where an image has none.
		st.Env = map[string]string{"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
		st.image = maps.Clone(variables(st.Env))
		return st
	}
	if dir, ok := knownBase(image); ok {
		st.Workdir = dir
		st.BaseKnown, st.WorkdirKnown, st.UserKnown = true, true, true
	}
	return st
}

// child is the state at the start of a stage that is FROM this one: its ENV is applied again.
func (st stageState) child() stageState {
	env := maps.Clone(st.Env)
	for name, value := range st.image {
		env[name] = value
	}
	for name := range st.lost {
		delete(env, name)
	}
	st.Env = env
	return st
}

// forget notes that a variable has a value that is not known.
func (st *stageState) forget(name string) {
	delete(st.Env, name)
	st.EnvKnown = false
}

func (st *stageState) state() State { return st.State }

type stateReader struct {
	*expander
	args    map[string]string
	globals variables
	states  map[*Instruction]State
	carried int
}

// expand is a word's value under a state, and whether it is known.
func (s *stateReader) expand(word string, env variables, st *stageState) (value string, known bool, err error) {
	value, unset, err := s.word(word, env)
	if isLimit(err) {
		return "", false, err
	}
	if err != nil || len(unset) > 0 && !st.EnvKnown {
		return word, false, nil //nolint:nilerr // what BuildKit cannot expand is not known
	}
	return value, true, nil
}

// copyEnv gives a state an Env of its own, and takes what that costs off the budget.
func (s *stateReader) copyEnv(st *stageState) error {
	const entry = 16 // of a map, besides the strings that copies share
	if err := s.spend(entry*(len(st.Env)+len(st.image)+len(st.lost)), 0); err != nil {
		return err
	}
	st.Env = maps.Clone(st.Env)
	return nil
}

// step applies an instruction to the state below it.
func (s *stateReader) step(in *Instruction, st *stageState) error {
	switch cmd := in.Command.(type) {
	case *instructions.EnvCommand:
		return s.env(cmd, st)
	case *instructions.ArgCommand:
		return s.arg(cmd, st)
	case *instructions.WorkdirCommand:
		dir, known, err := s.expand(cmd.Path, st.Env, st)
		if err != nil {
			return err
		}
		if path.IsAbs(dir) {
			st.Workdir, st.WorkdirKnown = path.Clean(dir), known
		} else {
			st.Workdir, st.WorkdirKnown = path.Join("/", st.Workdir, dir), st.WorkdirKnown && known
		}
	case *instructions.UserCommand:
		user, known, err := s.expand(cmd.User, st.Env, st)
		if err != nil {
			return err
		}
		st.User, st.UserKnown = user, known
	case *instructions.ShellCommand:
		st.Shell = cmd.Shell
	case *instructions.CopyCommand:
		if err := s.contents(cmd.SourceContents, st); err != nil {
			return err
		}
	case *instructions.AddCommand:
		if err := s.contents(cmd.SourceContents, st); err != nil {
			return err
		}
	case *instructions.RunCommand:
		s.carried += st.args
		for name, value := range st.Env {
			s.carried += len(name) + len(value)
		}
		if s.carried > maxCarried {
			return &LimitError{Path: s.path, What: "bytes of variables carried by the steps", Value: s.carried, Most: maxCarried}
		}
	}
	// BuildKit expands the text of every instruction: for what it means, or to show it.
	if text, ok := in.Command.(fmt.Stringer); ok {
		return s.spend(predict(text.String(), st.Env))
	}
	return nil
}

// contents accounts for the variables of here-documents that are copied.
func (s *stateReader) contents(docs []instructions.SourceContent, st *stageState) error {
	for _, doc := range docs {
		if doc.Expand {
			if err := s.spend(predict(doc.Data, st.Env)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *stateReader) env(cmd *instructions.EnvCommand, st *stageState) error {
	before := variables(st.Env) // all pairs see what stood above the instruction
	if err := s.copyEnv(st); err != nil {
		return err
	}
	st.image, st.lost = maps.Clone(st.image), maps.Clone(st.lost)
	if st.image == nil {
		st.image = variables{}
	}
	if st.lost == nil {
		st.lost = map[string]bool{}
	}
	for _, pair := range cmd.Env {
		name, nameKnown, err := s.expand(pair.Key, before, st)
		if err != nil {
			return err
		}
		value, known, err := s.expand(pair.Value, before, st)
		if err != nil {
			return err
		}
		if !nameKnown {
			continue
		}
		if known {
			st.Env[name], st.image[name] = value, value
			delete(st.lost, name)
		} else {
			st.forget(name)
			delete(st.image, name)
			st.lost[name] = true
		}
	}
	return nil
}

func (s *stateReader) arg(cmd *instructions.ArgCommand, st *stageState) error {
	if err := s.copyEnv(st); err != nil {
		return err
	}
	for _, arg := range cmd.Args {
		var value string
		var known bool
		given, isGiven := s.args[arg.Key]
		global, isGlobal := s.globals[arg.Key]
		if _, ok := platformArgs[arg.Key]; ok && !isGiven && arg.Value == nil {
			st.forget(arg.Key) // it differs from build to build
			continue
		}
		switch {
		case isGiven:
			value, known = given, true
		case arg.Value != nil:
			var err error
			if value, known, err = s.expand(*arg.Value, st.Env, st); err != nil {
				return err
			}
		case isGlobal:
			value, known = global, true
		default:
			continue // it keeps what it has, from an ENV above or from the base image
		}
		st.args += len(arg.Key) + len(value)
		if known {
			st.Env[arg.Key] = value
		} else {
			st.forget(arg.Key)
		}
	}
	return nil
}
