package workflow

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

// builderKind is what is known of the builder of a job.
type builderKind int

const (
	builderUnknown builderKind = iota
	builderNew                 // starts empty in each run, where the runner does
	builderKept                // outlives the run, with its cache
)

// builder is what builds the images of a job, and the line that says so; 0 for none.
type builder struct {
	kind builderKind
	line int
}

// runner is where the steps of a job run.
type runner struct {
	labels  string // runs-on as far as it is written down, for people
	hosted  bool   // one of GitHub's own, new with each job
	action  bool   // the steps are those of a workflow's job, not of a composite action
	buildx  bool   // docker/setup-buildx-action makes the builder
	exports bool   // it has done so in a step before, and the builder can export caches
	job     string // the key of the job
	matrix  bool   // the job runs once for each of several combinations
	// commits and cacheWrites are those of Step.
	commits, cacheWrites bool
	builder              builder
}

// hostedLabel are the labels of GitHub's standard runners. Those of larger runners and of self-hosted ones
// are their owners' to choose. Source: GitHub's documentation, "GitHub-hosted runners reference".
var hostedLabel = lazyregexp.New(`^(?:ubuntu|windows|macos)-(?:latest|slim|[0-9]+(?:\.[0-9]+)?)(?:-arm|-intel|-large|-xlarge|-vs[0-9]+(?:-arm)?)?$`)

// hostedBuilders are the actions whose builders outlive the run, by their READMEs.
var hostedBuilders = []string{
	"depot/build-push-action", "depot/bake-action", "depot/use-action",
	"useblacksmith/build-push-action", "useblacksmith/setup-docker-builder", "namespacelabs/nscloud-setup-buildx-action",
}

// builderVariables choose another builder or daemon than the job's own.
var builderVariables = []string{"env.docker_host", "env.docker_context", "env.buildx_builder", "env.buildkit_host"}

// runner reads runs-on and the steps that set up a builder.
func (w *workflowReader) runner(job ast.Node, values *scope) runner {
	r := runner{action: true, builder: builder{kind: builderNew}}
	var labels []string
	on := w.get(job, "runs-on")
	if s, ok := w.scalar(on); ok {
		labels = append(labels, expand(s.text, values))
	}
	for _, item := range w.items(on) {
		labels = append(labels, expand(w.text(item), values))
	}
	r.hosted = len(labels) == 1 && hostedLabel.MatchString(labels[0])
	if text := strings.Join(labels, ", "); !strings.Contains(text, unknownText) {
		r.labels = text
	}
	for _, step := range w.items(w.get(job, "steps")) {
		uses, ok := w.find(step, "uses")
		if !ok {
			continue
		}
		name, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(w.text(uses.value))), "@")
		with := w.get(step, "with")
		input := func(key string) string { return strings.TrimSpace(expand(w.text(w.get(with, key)), values)) }
		switch {
		case name == "docker/setup-buildx-action":
			r.buildx = true
			r.setupBuildx(input, uses.line)
		case slices.Contains(hostedBuilders, name):
			if !strings.Contains(name, "build-push") && !strings.Contains(name, "bake") {
				r.builder = builder{builderKept, uses.line}
			}
		case mayChangeBuilder(name), name == "actions/cache" && strings.Contains(input("path"), "/var/lib/docker"):
			r.builder = builder{builderUnknown, uses.line}
		}
	}
	return r
}

// setupBuildx reads the builder that docker/setup-buildx-action makes.
func (r *runner) setupBuildx(input func(string) string, line int) {
	kind := builderUnknown
	switch input("driver") {
	case "", "docker-container", "docker":
		if input("endpoint") == "" && input("append") == "" {
			kind = builderNew
		}
	case "cloud", "remote":
		kind = builderKept
	}
	if r.builder.kind == builderNew {
		r.builder = builder{kind, line}
	}
}

// mayChangeBuilder says whether an action is of others and has to do with docker's builders or their
// cache, or is the repository's own: what it does is not followed.
func mayChangeBuilder(name string) bool {
	if strings.HasPrefix(name, "./") {
		return true
	}
	owner, _, _ := strings.Cut(name, "/")
	if slices.Contains([]string{"actions", "docker", "github", "aws-actions", "azure", "google-github-actions"}, owner) ||
		name == "crazy-max/ghaction-docker-meta" { // docker/metadata-action's former name
		return false
	}
	return slices.ContainsFunc([]string{"docker", "buildx", "buildkit", "builder", "layer", "container"}, func(word string) bool {
		return strings.Contains(name, word)
	})
}

// of is the runner as one step sees it: variables can choose another builder.
func (r runner) of(values *scope) runner {
	for _, name := range builderVariables {
		if value, set := values.lookup(name); set && value != "" {
			r.builder = builder{kind: builderUnknown}
		}
	}
	return r
}

// createdBuilder reads docker buildx create and use.
func createdBuilder(command string, args []word, line int) builder {
	if command == "use" {
		return builder{builderUnknown, line}
	}
	driver, rest := "", 0
	for i, w := range args {
		switch value, isDriver := strings.CutPrefix(w.text, "--driver="); {
		case !w.literal:
			return builder{builderUnknown, line}
		case isDriver:
			driver = value
		case w.text == "--driver" && i+1 < len(args):
			driver = args[i+1].text
		case w.text == "--append":
			return builder{builderUnknown, line}
		case !strings.HasPrefix(w.text, "-") && (i == 0 || !strings.HasPrefix(args[i-1].text, "--") || args[i-1].text == "--use" || args[i-1].text == "--bootstrap"):
			rest++ // an endpoint
		}
	}
	switch {
	case driver == "cloud" || driver == "remote":
		return builder{builderKept, line}
	case rest == 0 && (driver == "" || driver == "docker-container"):
		return builder{builderNew, line}
	}
	return builder{builderUnknown, line}
}
