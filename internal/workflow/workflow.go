// Package workflow reads how a repository builds its images: GitHub workflows, compose and bake files, development
// containers and the commands of Makefiles and of Docker Hub's build hooks, where they are literal. What hangs on a value that is not written down
// is left out: a wrong build is worse than none.
package workflow

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Facts is what the files of a repository show.
type Facts struct {
	// Builds are the builds that are written down, in the order of the files, each once.
	Builds []buildcontext.Build
	// Steps are the places of workflows that build images, in the order of the files, each once.
	Steps []Step
	// WithoutBuildKit is the first place that builds an image with a builder that has no cache
	// mounts, or may have none: DOCKER_BUILDKIT=0, kaniko, Docker before 23.0. nil where there is none.
	WithoutBuildKit *Evidence
	Errors          []Error // files that could not be read as what they are
}

// Evidence is a place in a file.
type Evidence struct {
	Path string
	Line int
	What string // ours, safe to print: "DOCKER_BUILDKIT=0", "kaniko"
	// Host says that it is a place that runs the image and builds it for itself: no pipeline does.
	Host bool
}

// Error is a file that could not be read.
type Error struct {
	Path    string
	Line    int
	Message string
}

// maxBuilds is the most builds that are read from all files of a repository.
const maxBuilds = 1000

// Read reads the files; exists says whether a repository path is a file. A build whose Dockerfile the
// repository does not have is left out.
func Read(files []*source.File, exists func(path string) bool) Facts {
	r := &reader{exists: exists, left: maxTotalVisits, ci: map[int]bool{}, steps: map[stepPlace]int{}}
	read := func(editors bool) {
		for _, f := range files {
			if kind := kindOf(f.Path); kind != nil && isDevcontainer(f.Path) == editors {
				r.file = f
				kind(r)
				r.left += max(r.visits, 0)
				r.visits = 0
				r.take()
			}
		}
	}
	read(false)
	read(true) // what ships comes before what somebody works in
	return r.facts
}

// Wanted says whether a repository path is worth reading for facts (bounded in number by the caller).
func Wanted(path string) bool { return kindOf(path) != nil }

// kindOf gives the reader for a path; nil for a path that shows nothing.
func kindOf(p string) func(*reader) {
	dir, base := path.Dir(p), path.Base(p)
	name, extension := strings.TrimSuffix(base, path.Ext(base)), path.Ext(base)
	isYAML := extension == ".yml" || extension == ".yaml"
	switch {
	case isYAML && dir == workflowDirectory, isYAML && name == "action" && strings.HasPrefix(dir, ".github/"):
		return (*reader).actions
	case isYAML && (isComposeName(name, "compose") || isComposeName(name, "docker-compose")):
		return (*reader).compose
	case isDevcontainer(p):
		return (*reader).devcontainer
	case base == "docker-bake.hcl", base == "docker-bake.json":
		return (*reader).bake
	case isOtherHCL(base):
		return (*reader).namedBake
	case base == "Makefile", base == "makefile", base == "GNUmakefile", extension == ".mk":
		return (*reader).makefile
	case base == "heroku.yml":
		return (*reader).heroku
	case base == "captain-definition":
		return (*reader).captain
	case isYAML && name == "skaffold":
		return (*reader).skaffold
	case base == "build" && path.Base(dir) == "hooks":
		return (*reader).hook
	case base == "Jenkinsfile", strings.HasPrefix(base, "Jenkinsfile."), extension == ".jenkinsfile":
		return (*reader).jenkinsfile
	case isYAML && slices.Contains([]string{".gitlab-ci", ".travis", "cloudbuild", ".drone", "bitbucket-pipelines", "azure-pipelines", "buildspec"}, name),
		isYAML && dir == ".circleci" && name == "config",
		isYAML && strings.HasPrefix(dir+"/", ".gitlab/ci/"), isYAML && strings.HasSuffix(name, ".gitlab-ci"):
		return (*reader).pipeline
	}
	return nil
}

// isComposeName knows compose.yml, compose.override.yml, docker-compose-prod.yml, but not what only
// begins alike (composer.yml).
func isComposeName(name, prefix string) bool {
	rest, ok := strings.CutPrefix(name, prefix)
	return ok && (rest == "" || strings.ContainsAny(rest[:1], ".-_"))
}

// reader collects the facts of all files; file is the one being read.
type reader struct {
	file   *source.File
	exists func(string) bool
	found  []located         // in the file
	ci     map[int]bool      // builds of facts that a workflow does
	steps  map[stepPlace]int // indexes into facts.Steps
	baked  []bakeStep        // steps of workflows that build from bake files
	visits int               // budget of the file
	left   int               // budget of the files behind it
	facts  Facts
}

// located is a build with its line.
type located struct {
	line int
	ci   bool // a workflow does it
	buildcontext.Build
}

func (r *reader) fail(line int, message string) {
	r.facts.Errors = append(r.facts.Errors, Error{Path: r.file.Path, Line: line, Message: message})
}

// documents reads the file as YAML.
func (r *reader) documents() []document {
	r.visits = min(maxVisits, r.left)
	r.left -= r.visits // what is not used comes back behind the file
	documents, err := readYAML(r.file.Data, &r.visits)
	if err != nil {
		line := 1
		var y *yamlError
		if errors.As(err, &y) {
			line = y.line
		}
		r.fail(line, err.Error())
	}
	return documents
}

// finish tells that a document was not read to its end.
func (r *reader) finish(d document) {
	if d.spent() {
		r.fail(1, "the file's aliases or matrices stand for too much; the rest is not read")
	}
}

func (r *reader) evidence(line int, what string) {
	first := r.facts.WithoutBuildKit
	if first == nil || first.Host || first.Path == r.file.Path && line < first.Line {
		r.facts.WithoutBuildKit = &Evidence{Path: r.file.Path, Line: line, What: what}
	}
}

// hostEvidence is evidence of a place that builds for itself; a pipeline's counts for more.
func (r *reader) hostEvidence(line int, what string) {
	if r.facts.WithoutBuildKit == nil {
		r.facts.WithoutBuildKit = &Evidence{Path: r.file.Path, Line: line, What: what, Host: true}
	}
}

// build notes a build that stands on a line of the file, with paths of the repository, and returns it
// as noted; false where the repository does not have its Dockerfile. An empty Dockerfile is the default
// one of the context.
func (r *reader) build(line int, b buildcontext.Build, defaults ...string) (buildcontext.Build, bool) {
	if len(defaults) == 0 {
		// BuildKit takes the name in small letters too.
		defaults = []string{"Dockerfile", "dockerfile"}
	}
	if b.Dockerfile == "" {
		for _, name := range defaults {
			if p := path.Join(b.Context, name); r.exists(p) {
				b.Dockerfile = p
				break
			}
		}
	}
	if b.Dockerfile == "" || !r.exists(b.Dockerfile) {
		return b, false
	}
	if b.Context == "" {
		b.Context = "."
	}
	if len(b.Args) == 0 {
		b.Args = nil
	}
	slices.Sort(b.Volatile)
	b.Volatile = slices.Compact(b.Volatile)
	for _, name := range b.Volatile {
		delete(b.Args, name)
	}
	b.Origin = fmt.Sprintf("%s, line %d", r.file.Path, line)
	ci := path.Dir(r.file.Path) == workflowDirectory
	for i := range r.facts.Builds {
		if sameBuild(r.facts.Builds[i], b) {
			r.ci[i] = merge(&r.facts.Builds[i], b, r.ci[i], ci)
			return b, true
		}
	}
	for i := range r.found {
		if f := &r.found[i]; sameBuild(f.Build, b) {
			f.ci = merge(&f.Build, b, f.ci, ci)
			return b, true
		}
	}
	if len(r.facts.Builds)+len(r.found) < maxBuilds {
		r.found = append(r.found, located{line, ci, b})
	}
	return b, true
}

const workflowDirectory = ".github/workflows"

// sameBuild says whether two builds do the same work on the same files.
func sameBuild(a, b buildcontext.Build) bool {
	return a.Dockerfile == b.Dockerfile && a.Kind == b.Kind && a.Context == b.Context && a.Target == b.Target &&
		maps.Equal(a.Args, b.Args) && slices.Equal(a.Volatile, b.Volatile) && maps.Equal(a.Contexts, b.Contexts)
}

// merge adds what another place says of the same build: where its cache is kept, of which a workflow
// knows more than another file, and its platforms. It returns whether a workflow does it.
func merge(to *buildcontext.Build, b buildcontext.Build, wasCI, isCI bool) bool {
	if isCI && (!wasCI || ranked(b.Cache) > ranked(to.Cache)) {
		to.Cache, to.CacheMode, to.CacheFrom = b.Cache, b.CacheMode, b.CacheFrom
	}
	if len(to.Platforms) == 0 {
		to.Platforms = b.Platforms
	}
	if len(to.Made) == 0 {
		to.Made = b.Made
	}
	return wasCI || isCI
}

// take moves the builds found in a file to the facts, in the order of its lines.
func (r *reader) take() {
	slices.SortStableFunc(r.found, func(a, b located) int { return cmp.Compare(a.line, b.line) })
	for _, f := range r.found {
		r.ci[len(r.facts.Builds)] = f.ci
		r.facts.Builds = append(r.facts.Builds, f.Build)
	}
	r.found = nil
}

// commands notes what scripts do. repository turns a path of the workspace into one of the repository.
func (r *reader) commands(s *shellReader, repository func(string) (string, bool), on runner) {
	for _, e := range s.evidence {
		r.evidence(e.Line, e.What)
	}
	if s.created != nil {
		on.builder = *s.created
	}
	for i := range s.builds {
		c := &s.builds[i]
		use := c.cacheUse(on)
		b := buildcontext.Build{Kind: buildcontext.Local, Target: c.target, Args: c.args, Volatile: c.volatile, Platforms: c.platforms}
		use.of(r.file.Path, &b)
		c.found.Cache = b.Cache
		if c.incomplete {
			continue
		}
		var ok bool
		if b.Context, ok = repository(c.context); !ok {
			continue
		}
		for name, value := range c.contexts {
			if b.Contexts == nil {
				b.Contexts = map[string]string{}
			}
			if buildcontext.IsDirectory(value) {
				at, ok := repository(strings.TrimPrefix(value, "./"))
				value = buildcontext.UnknownContext
				if ok {
					value = "./" + at
				}
			}
			b.Contexts[name] = value
		}
		if c.file != "" {
			if b.Dockerfile, ok = repository(c.file); !ok {
				continue
			}
			if second, ok := repository(c.inContext); ok && c.inContext != "" && !r.exists(b.Dockerfile) {
				b.Dockerfile = second
			}
		}
		var defaults []string
		if c.containers {
			defaults = []string{"Containerfile", "Dockerfile"}
		}
		b.Made = r.madeBefore(s.made, c.line, repository)
		if b, ok = r.build(c.line, b, defaults...); ok {
			c.found = b
		}
	}
}

// cacheUse is how a command uses a cache on a runner.
func (c *command) cacheUse(on runner) cacheUse {
	u := cacheUse{
		from: c.cacheFrom, to: c.cacheTo, noCache: c.noCache, noCacheLine: c.line, line: c.line,
		builder: on.builder, hosted: on.hosted && !c.containers, inline: c.args["BUILDKIT_INLINE_CACHE"] == "1",
	}
	if len(c.cacheFrom) > 0 {
		u.fromLine = c.line
	}
	if len(c.cacheTo) > 0 {
		u.toLine = c.line
	}
	switch {
	case c.depot:
		u.builder = builder{builderKept, c.line}
	case c.builder:
		u.builder = builder{kind: builderUnknown}
	}
	return u
}

// elsewhere is where the commands of other files run: on a developer's machine or anywhere.
var elsewhere = runner{builder: builder{kind: builderUnknown}}

// inRepository is the identity: the workspace is the repository.
func inRepository(p string) (string, bool) { return p, true }
