package workflow

import (
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// Step is a place of a GitHub workflow or composite action that builds an image, as rules about
// workflows need it. Lines are 1-based, 0 for what is not there.
type Step struct {
	Path string
	Line int    // of "uses:", or of the command
	Uses string // the action with its version; "" for a command

	Dockerfile string // that it builds first; "" where that is not written down or not in the repository
	// Build is what of that build is written down, and Open are the arguments that it passes with values
	// which are not. Tags are the names that the image gets, as far as they are literal.
	Build buildcontext.Build
	Open  []string
	Tags  []string

	Job    string // the key of its job; "" in a composite action
	Matrix bool   // the job runs once for each of several combinations
	// Commits says that pushes to branches or pull requests start it, by the workflow's events and the
	// conditions of job and step. It is false where these are of kinds that are not read.
	Commits bool
	// CacheWrites says that whatever starts it may write GitHub's cache service.
	CacheWrites bool

	Runner string // runs-on as written, each of a matrix once; "" where it hangs on something or there is none
	Hosted bool   // a standard runner of GitHub, new in each run
	// Exports says that an earlier step of the job certainly makes, with docker/setup-buildx-action, a
	// builder that can export caches, and makes it the one that builds.
	Exports bool
	// NewBuilder says that the builder certainly starts empty where the runner does.
	NewBuilder bool

	With   int // the line of "with:"
	Indent int // blanks before the inputs; 0 where there are none
	// CacheFrom, CacheTo and NoCache are the lines of these inputs, or of the command with these flags.
	// NoCache is 0 where it is false or hangs on an expression.
	CacheFrom, CacheTo, NoCache int

	Cache buildcontext.CacheKind
}

// maxSteps is the most steps that are told of all files.
const maxSteps = 1000

// step notes a place that builds an image; of one that several combinations of a matrix run the first
// counts, with what they have in common.
func (r *reader) step(s Step, on runner) {
	s.Path, s.Runner, s.Hosted = r.file.Path, on.labels, on.hosted
	s.NewBuilder = on.action && on.builder.kind == builderNew
	s.Job, s.Matrix, s.Exports = on.job, on.matrix, on.exports
	s.Commits, s.CacheWrites = on.commits, on.cacheWrites
	at := stepPlace{s.Path, s.Line}
	i, seen := r.steps[at]
	if !seen {
		if len(r.facts.Steps) < maxSteps {
			r.steps[at] = len(r.facts.Steps)
			r.facts.Steps = append(r.facts.Steps, s)
		}
		return
	}
	old := &r.facts.Steps[i]
	old.Hosted = old.Hosted && s.Hosted
	old.NewBuilder = old.NewBuilder && s.NewBuilder
	old.Exports = old.Exports && s.Exports
	switch {
	case old.Runner == "" || s.Runner == "":
		old.Runner = ""
	case !slices.Contains(strings.Split(old.Runner, ", "), s.Runner):
		old.Runner += ", " + s.Runner
	}
	if old.Dockerfile == "" {
		old.Dockerfile, old.Build = s.Dockerfile, s.Build
	}
	if ranked(s.Cache) > ranked(old.Cache) {
		old.Cache = s.Cache
	}
}

// stepPlace is where a step stands.
type stepPlace struct {
	path string
	line int
}

// commandSteps notes the commands of a run step that build images.
func (w *workflowReader) commandSteps(s *shellReader, on runner) {
	for _, c := range s.composed {
		step := Step{Line: c.line}
		if c.noCache {
			step.NoCache = c.line
		}
		w.step(step, on)
	}
	for _, c := range s.builds {
		step := Step{
			Line: c.line, Dockerfile: c.found.Dockerfile, Build: c.found, Open: c.open, Tags: c.tags,
			Cache: c.found.Cache,
		}
		if len(c.cacheFrom) > 0 {
			step.CacheFrom = c.line
		}
		if len(c.cacheTo) > 0 {
			step.CacheTo = c.line
		}
		if c.noCache {
			step.NoCache = c.line
		}
		w.step(step, on)
	}
}
