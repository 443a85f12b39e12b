// Package buildcache compiles a Dockerfile offline with BuildKit's own frontend into a plan of
// steps. It judges nothing.
package buildcache

import (
	"fmt"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Inputs is one build.
type Inputs struct {
	File   *dockerfile.File
	Target string // "" is the last stage
	Args   map[string]string
	// Contexts are named contexts, as buildcontext.Build has them. A stage or image of such a name is
	// replaced by it.
	Contexts map[string]string
	// AllStages compiles every stage, also those that the target does not need: an error there
	// would otherwise stay unseen.
	AllStages bool
}

// Plan is what BuildKit would execute.
type Plan struct {
	Steps    []Step    // in file order
	Image    []byte    // the final image's configuration as canonical JSON, without history, creation time and rootfs; Env as a map
	Warnings []Warning // BuildKit's own checks, sorted

	path      string     // of the Dockerfile
	nodes     []*keyNode // every operation, inputs before those that use them
	stepNodes []*keyNode // of each step
	twins     []twins
}

// Step is one executed instruction. Its Op does not hold its parents.
type Step struct {
	Stage       string       // its name or 0-based number as text
	Index       int          // 0-based among the stage's steps; -1 for a step from ONBUILD
	Lines       source.Lines // of the Dockerfile
	Instruction string       // the text of the instruction, continuations joined
	Op          string       // the normalised operation: equal for equal work; canonical text for diffs
	Parents     []int        // indexes into Plan.Steps: what it stands on first, then what it copies or mounts from

	// OnBuild marks a step that an ONBUILD of the stage's base (a stage of the same file) brought:
	// it stands on the lines of FROM, and is printed nowhere.
	OnBuild bool
	// Context says that it takes something from the build context.
	Context bool
}

// Warning is one finding of BuildKit's checks.
type Warning struct {
	Rule, Message string
	Line          int
}

// StepAt returns the index of the step whose instruction holds a line; steps from ONBUILD are never
// meant.
func (p *Plan) StepAt(line int) (int, bool) {
	for i, s := range p.Steps {
		if !s.OnBuild && s.Lines.First <= line && line <= s.Lines.Last {
			return i, true
		}
	}
	return 0, false
}

// MissingArgError says that a FROM needs a build argument without default: not analysed, with what
// to configure.
type MissingArgError struct {
	Path, Arg string
	Line      int
}

func (e *MissingArgError) Error() string {
	return fmt.Sprintf("%s:%d: FROM needs a value for ARG %s, which has no default", e.Path, e.Line, e.Arg)
}

// UnsetError says that an instruction cannot do without a variable that nothing in the file sets or
// declares. The base image may set it, or a builder that is not BuildKit: not analysed, which is no
// fault of the Dockerfile.
type UnsetError struct {
	Path, Name string
	Line       int
	Keyword    string // of the instruction
}

func (e *UnsetError) Error() string {
	return fmt.Sprintf("%s:%d: %s needs the value of %s, which this file does not set", e.Path, e.Line, e.Keyword, e.Name)
}
