package analysis

import (
	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Choice is what a person says about the one build to look at.
type Choice struct {
	// Context is the directory of a build that is described here as "docker build" would take it:
	// nothing about it is configured or inferred. nil: the configured or inferred builds, of which the
	// first is meant.
	Context *string `json:"context,omitempty"`
	// Target is a stage, "" the last one; nil: as configured or inferred.
	Target *string `json:"target,omitempty"`
	// Args are build arguments; they win over configured and inferred ones.
	Args map[string]string `json:"args,omitempty"`
}

// The words of a history are buildcontext's.
type (
	History = buildcontext.History
	Commit  = buildcontext.Commit
	Change  = buildcontext.Change
)

// Plan is what one build of a Dockerfile does with a cache that has seen the build of the base, and
// what it would have done over the history.
type Plan struct {
	Build  buildcontext.Build `json:"build"`
	Steps  []Step             `json:"steps"`  // in file order, without those from ONBUILD
	Stages []Stage            `json:"stages"` // those that the target needs, in file order
	// Caveats are what git does not show about files that steps take.
	Caveats []Caveat `json:"caveats,omitempty"`
	// History is nil where there is none.
	History *Evidence `json:"history,omitempty"`
}

// Step is one instruction that BuildKit executes or caches as a step.
type Step struct {
	Stage       string           `json:"stage"` // its name or 0-based number as text
	Index       int              `json:"index"` // 0-based among the stage's steps
	Lines       source.Lines     `json:"lines"`
	Instruction string           `json:"instruction"`
	State       buildcache.State `json:"state,omitempty"` // "" where there is no base to compare with
	Cause       string           `json:"cause,omitempty"` // plain text with words of the repository
	// Installs names what the step installs, for people: "the pip install", "the apt packages"; "" for
	// nothing.
	Installs string `json:"installs,omitempty"`
}

// Stage is one stage as a node of a diagram.
type Stage struct {
	Name  string       `json:"name"` // its name or 0-based number as text
	Lines source.Lines `json:"lines"`
	// From are the stages that it stands on, copies from or mounts, as indexes into Plan.Stages.
	From []int `json:"from,omitempty"`
	// State is the worst of its steps': rebuilt, then maybe, then cached.
	State buildcache.State `json:"state,omitempty"`
}

// Evidence counts, over a history and for a cache that is kept from build to build, the commits that
// would have re-run each step with this Dockerfile and ignore file.
type Evidence struct {
	Branch  string `json:"branch"`
	Commits int    `json:"commits"` // counted
	// LeftOut are commits whose trees lack what a COPY names: the build fails there.
	LeftOut int     `json:"left_out,omitempty"`
	Steps   []Count `json:"steps"` // for each of Plan.Steps
	// Alone has, for each suggestion of this Dockerfile in the order of Report.Suggestions, the counts
	// with this suggestion alone, for each of Plan.Steps as what it becomes; nil where it cannot be
	// counted.
	Alone [][]Count `json:"alone,omitempty"`
	// All is with all of them; nil where there is none.
	All []Count `json:"all,omitempty"`
}

// Count is how many commits would have re-run a step: Rerun certainly, and Maybe more, where the
// outcome hangs on what a command puts out or on something outside the repository. Gone says that the
// step is no longer there.
type Count struct {
	Rerun int  `json:"rerun"`
	Maybe int  `json:"maybe,omitempty"`
	Gone  bool `json:"gone,omitempty"`
}
