package rules

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/source"
	"github.com/hitrate-bot/hitrate/internal/workflow"
)

var _ = register(&Rule{
	ID:       "ci-build-without-cache",
	Title:    "A workflow builds an image on a new runner and keeps no cache",
	Severity: config.SeverityInfo,
	What: "A step of a GitHub workflow builds the Dockerfile on a standard GitHub-hosted runner, for pushes to branches or for pull requests, " +
		"and neither imports nor exports a build cache, nor uses a builder that outlives the run.",
	Why: "A hosted runner is new in each job, and so is its builder: its cache is empty. So each run builds every step, and what the Dockerfile does for the cache serves nobody but developers at home. " +
		"`cache-to` exports what a build made, `cache-from` lets the next run find it.",
	Fix: "Where docker/build-push-action builds on a builder that a step of docker/setup-buildx-action made: `cache-from` and `cache-to` with GitHub's cache service (`type=gha`) as the last inputs of the step; " +
		"with `mode=max` where the image is made of several stages, since without it only the layers of the final one are kept; with a `scope` where the repository builds other images too, since they would overwrite each other's. " +
		"It is proven by reading the workflow again: nothing but the two inputs is new in it, and the build now keeps a cache.\n\n" +
		"It is withheld where `docker build` in a script would have to reach the cache service (it lacks the token that actions have), where docker's own builder builds (only with the containerd image store it can export), " +
		"in a job with a matrix, where different builds of the Dockerfile would share a scope, where a build argument is one of the workflow's secrets (whoever may read the cache may read it), and where something that starts the workflow may only read the cache (`pull_request_target`, a merged pull request, a caller, `cache-mode`): there a failed export would fail the build.\n\n" +
		"What to know of GitHub's cache service: a repository has 10 GB by default, and what was not used for a week is dropped; " +
		"a branch reads its own cache and that of the default branch, a pull request its own and that of its base, and one tag never reads another's. Cache mounts are not exported.",
	Not: "Workflows that only releases, tags, schedules or a person start (GitHub's cache of one tag is not read by the next, and a nightly build may be meant to be fresh); jobs and steps under conditions of that kind or of an unknown one; workflows for changes of a few named files; " +
		"repositories that show a builder without BuildKit, and runners with Windows, which have none; self-hosted and larger runners, which may keep a local cache; builders of Docker Build Cloud, Depot, Blacksmith and Namespace, which keep theirs, and every builder whose making is not read; " +
		"a second build of the same Dockerfile in a job, which finds the first one's cache; builds by `docker compose` and bake, whose files may keep a cache; Dockerfiles that run nothing; " +
		"images whose base the same workflow builds, or whose base image is another one with each build. " +
		"Cache settings that hang on an expression count as kept. The comment that switches the rule off stands above the step, or above its `uses:`.",
	Sources: []Source{
		{"Docker: cache management with GitHub Actions", "https://docs.docker.com/build/ci/github-actions/cache/"},
		{"Docker: GitHub Actions cache (gha)", "https://docs.docker.com/build/cache/backends/gha/"},
		{"Docker: cache storage backends", "https://docs.docker.com/build/cache/backends/"},
		{"GitHub: dependency caching reference", "https://docs.github.com/en/actions/reference/workflows-and-actions/dependency-caching"},
		{"GitHub: read-only Actions cache for untrusted triggers", "https://github.blog/changelog/2026-06-26-read-only-actions-cache-for-untrusted-triggers/"},
	},
	Check: checkBuildWithoutCache,
})

// The reasons why no cache is suggested.
const (
	WorkflowCommand Reason = "a command in a script cannot reach GitHub's cache service"
	NoCacheExport   Reason = "no step before makes a builder that certainly can export a cache"
	MatrixBuilds    Reason = "the job runs for each combination of a matrix, and they would share a cache"
	CacheReadOnly   Reason = "something that starts the workflow may only read GitHub's cache"
	CacheShared     Reason = "other builds of the Dockerfile would share the cache and may differ"
	SecretArgument  Reason = "a build argument is a secret, and the cache could hold it"
	WorkflowForm    Reason = "the step is not written in a form that hitrate edits"
)

// KeepCache gives a step of a workflow inputs that export its build's cache and import it again.
type KeepCache struct {
	Step   workflow.Step
	Inputs map[string]string // cache-from and cache-to
}

func (KeepCache) effect() {}

// maxBuilding is how many steps that build one Dockerfile are looked at.
const maxBuilding = 50

func checkBuildWithoutCache(p *Pass) {
	if old := p.Facts.WithoutBuildKit; old != nil && !old.Host {
		return // it has no such caches, and which build it is for is not told
	}
	looked := 0
	for i, s := range p.Facts.Steps {
		if s.Dockerfile != p.File.Source.Path || !keepsNoCache(s) || p.excluded(s.Path) || p.builtBefore(i) || p.Read == nil {
			continue
		}
		if looked++; looked > maxBuilding {
			return
		}
		if !p.worthKeeping(s) {
			continue
		}
		if file, err := p.Read(s.Path); err == nil {
			p.reportNoCache(s, file)
		}
	}
}

// keepsNoCache says whether each commit's build certainly starts without a cache.
func keepsNoCache(s workflow.Step) bool {
	return s.Cache == buildcontext.CacheNone && s.NoCache == 0 && s.Hosted && s.NewBuilder && s.Commits && onLinux(s)
}

// onLinux says whether all runners of a step are GitHub's with Linux: those with Windows have no BuildKit.
func onLinux(s workflow.Step) bool {
	return !slices.ContainsFunc(strings.Split(s.Runner, ", "), func(label string) bool { return !strings.HasPrefix(label, "ubuntu-") })
}

// builtBefore says whether an earlier step of the job builds the Dockerfile: the builder has its steps then.
func (p *Pass) builtBefore(at int) bool {
	s := p.Facts.Steps[at]
	return slices.ContainsFunc(p.Facts.Steps[:at], func(o workflow.Step) bool {
		return o.Path == s.Path && o.Job == s.Job && o.Dockerfile == s.Dockerfile
	})
}

// worthKeeping says whether a later build could find steps of this one: it has some that run, and they stand
// on images that are not made anew each time.
func (p *Pass) worthKeeping(s workflow.Step) bool {
	if p.File.Target(s.Build.Target) == nil {
		return false
	}
	runs := false
	for _, stage := range p.File.Needed(s.Build.Target, s.Build.Args) {
		for _, in := range stage.Instructions {
			runs = runs || in.Run() != nil
		}
		if stage.Parent == nil && p.baseMoves(stage, s) {
			return false
		}
	}
	return runs
}

// baseMoves says whether the base image of a stage may be another one with each build: its name hangs on an
// argument that does, or the workflow builds it.
func (p *Pass) baseMoves(stage *dockerfile.Stage, s workflow.Step) bool {
	for _, name := range slices.Concat(s.Open, s.Build.Volatile) {
		if regexp.MustCompile(`\$\{?` + regexp.QuoteMeta(name) + `\b`).MatchString(stage.Image) {
			return true
		}
	}
	image, missing := p.File.BaseImage(stage, s.Build.Args)
	if missing != "" {
		return true
	}
	return slices.ContainsFunc(p.Facts.Steps, func(o workflow.Step) bool {
		return o.Path == s.Path && slices.ContainsFunc(o.Tags, func(tag string) bool { return imageName(tag) == imageName(image) })
	})
}

// imageName is the whole name of an image on Docker Hub, another one's as it is.
func imageName(name string) string {
	name = strings.TrimPrefix(strings.TrimPrefix(name, "docker.io/"), "library/")
	if !strings.Contains(name, "@") && !strings.Contains(path.Base(name), ":") {
		name += ":latest"
	}
	return name
}

func (p *Pass) reportNoCache(s workflow.Step, file *source.File) {
	at := trimmedLine(file, s.Line)
	if ignoredLine(file, source.Span{Start: stepStart(file, s.Line), End: at.End}, p.Rule) {
		return
	}
	name := code(s.Dockerfile)
	f := Finding{
		Path: s.Path, Span: at, Subject: s.Dockerfile,
		Title:  say("No build cache is kept for ", name, "."),
		Here:   say("No build cache is kept here."),
		Why:    say("The runner (", code(s.Runner), ") and its builder are new in each run, and no cache is imported or exported: every run builds every step of ", name, "."),
		Advice: say("Keep it in GitHub's cache service (", code("type=gha"), ") or in a registry, with ", code("cache-from"), " and ", code("cache-to"), "."),
		Done:   say("The build of ", name, " now keeps its cache."),
	}
	if s.Uses == "" {
		f.Advice = say("Build with docker/build-push-action behind docker/setup-buildx-action, or keep the cache in a registry.")
	} else if !s.Exports {
		f.Advice = say("Let docker/setup-buildx-action make the builder first, then add ", code("cache-from"), " and ", code("cache-to"), ".")
	}
	unit, reason := p.keepCache(s, file)
	f.Unit, f.Withheld = unit, string(reason)
	switch reason {
	case "":
		f.Advice = say("Keep it in GitHub's cache service.")
	case SecretArgument:
		f.Advice = say("Pass the secret in a secret mount instead of a build argument first: a cache with it in would give it away.")
	case CacheReadOnly:
		f.Advice = say("Keep it in a registry, with ", code("cache-from"), " and ", code("cache-to"), ".")
	case MatrixBuilds, CacheShared:
		f.Advice = say("Keep it in GitHub's cache service (", code("type=gha"), ") with a ", code("scope"), " for each build, or in a registry, with ", code("cache-from"), " and ", code("cache-to"), ".")
	}
	p.add(f)
}

var (
	pushVersion = lazyregexp.New(`^docker/build-push-action@v([2-9]|\d\d)(\.|$)`)
	pushCommit  = lazyregexp.New(`^docker/build-push-action@[0-9a-f]{40}$`)
	plainScope  = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
)

// keepCache is the edit, or why there is none.
func (p *Pass) keepCache(s workflow.Step, file *source.File) (*Unit, Reason) {
	switch {
	case s.Uses == "":
		return nil, WorkflowCommand
	case !s.Exports:
		return nil, NoCacheExport
	case s.Matrix:
		return nil, MatrixBuilds
	case !s.CacheWrites:
		return nil, CacheReadOnly
	}
	attributes := "type=gha"
	if CachesOthers(p.Facts, s, file) {
		// Another image, or one that is not known. Without a scope all write the same one.
		attributes = "type=gha,scope=" + strings.ReplaceAll(s.Dockerfile, "/", "-")
	}
	for _, b := range p.Facts.Builds {
		if b.Dockerfile == s.Dockerfile && inBakeFile(b) && b.Cache == buildcontext.CacheGHA && !sameImage(b, s.Build) {
			return nil, CacheShared
		}
	}
	for _, o := range p.Facts.Steps {
		switch {
		case o.Dockerfile != s.Dockerfile:
		case o.Path == s.Path && o.Line == s.Line, o.Uses == "" && o.CacheTo == 0:
		case o.Cache != buildcontext.CacheNone || !sameImage(o.Build, s.Build):
			return nil, CacheShared
		}
	}
	if scope, ok := strings.CutPrefix(attributes, "type=gha,scope="); ok && !plainScope.MatchString(scope) {
		return nil, CacheShared
	}
	inputs := map[string]string{"cache-from": attributes, "cache-to": attributes}
	if len(p.File.Needed(s.Build.Target, s.Build.Args)) > 1 {
		inputs["cache-to"] += ",mode=max"
	}
	if !pushVersion.MatchString(s.Uses) && !pushCommit.MatchString(s.Uses) {
		return nil, WorkflowForm
	}
	last := lastInput(file, s)
	switch {
	case last == 0:
		return nil, WorkflowForm
	case passesSecret(file, s, last):
		return nil, SecretArgument
	}
	indent, newline := strings.Repeat(" ", s.Indent), file.Newline()
	text := ""
	for _, key := range []string{"cache-from", "cache-to"} {
		text += newline + indent + key + ": " + inputs[key]
	}
	end := file.SpanFromLines(source.Lines{First: last, Last: last}).End
	for end > 0 && (file.Data[end-1] == '\n' || file.Data[end-1] == '\r') {
		end--
	}
	return &Unit{
		Path:    s.Path,
		Edits:   []source.Edit{{Span: source.Span{Start: end, End: end}, New: text}},
		Effects: []Effect{KeepCache{Step: s, Inputs: inputs}},
		Note: say("The next run fills the cache and still builds everything. GitHub keeps 10 GB for a repository by default and drops what was not used for a week; " +
			"a branch reads its own cache and the default branch's."),
	}, ""
}

// elsewhere is a job that another repository's workflow runs.
var elsewhere = lazyregexp.New(`(?m)^\s+["']?uses["']?:\s*["']?[\w.-]+/[\w.-]+/\.github/workflows/`)

// CachesOthers says whether GitHub's cache service may hold the cache of another image than a step's: a step builds
// one, a bake or compose file keeps one there, or the step's workflow has another repository's run a job.
func CachesOthers(facts workflow.Facts, s workflow.Step, file *source.File) bool {
	return slices.ContainsFunc(facts.Steps, func(o workflow.Step) bool { return o.Dockerfile != s.Dockerfile }) ||
		slices.ContainsFunc(facts.Builds, func(b buildcontext.Build) bool {
			return b.Dockerfile != s.Dockerfile && inBakeFile(b) && b.Cache == buildcontext.CacheGHA
		}) || elsewhere.Match(file.Data)
}

// inBakeFile says whether a build is written down in another file than a workflow.
func inBakeFile(b buildcontext.Build) bool {
	file, _ := buildcontext.OriginPlace(b.Origin)
	return !strings.HasPrefix(file, ".github/")
}

// sameImage says whether two builds of one Dockerfile make the same layers.
func sameImage(a, b buildcontext.Build) bool {
	return a.Target == b.Target && a.Context == b.Context && slices.Equal(a.Platforms, b.Platforms) &&
		slices.Equal(a.Volatile, b.Volatile) && maps.Equal(a.Args, b.Args) && maps.Equal(a.Contexts, b.Contexts)
}

// lastInput is the last line of a step's inputs, each of which begins on a line of its own; 0 where they are
// written in another way. Comments behind them are left where they are.
func lastInput(file *source.File, s workflow.Step) int {
	if s.With == 0 || s.Indent == 0 || strings.TrimSpace(lineText(file, s.With)) != "with:" {
		return 0
	}
	last := 0
	for n := s.With + 1; n <= file.LineCount(); n++ {
		text := lineText(file, n)
		content := strings.TrimLeft(text, " ")
		depth := len(text) - len(content)
		switch {
		case content == "":
		case depth < s.Indent && !strings.HasPrefix(content, "#"):
			return last
		case depth < s.Indent, depth == s.Indent && strings.HasPrefix(content, "#"):
		default:
			last = n
		}
	}
	return last
}

// passesSecret says whether a build argument of a step is one of the workflow's secrets, or may be: it is in the text of
// the steps that use it and in what they make, and who may read the cache may read these.
func passesSecret(file *source.File, s workflow.Step, last int) bool {
	arguments := false
	for n := s.With + 1; n <= last; n++ {
		text := lineText(file, n)
		content := strings.TrimLeft(text, " ")
		if len(text)-len(content) == s.Indent && !strings.HasPrefix(content, "#") {
			arguments = strings.HasPrefix(content, "build-args:")
		}
		if arguments && mayBeSecret(file, content) {
			return true
		}
	}
	return false
}

var (
	// secretValue is an expression with a secret of the workflow, or its token.
	secretValue = lazyregexp.New(`\$\{\{[^}]*(\bsecrets\b|github\.token|github\[)`)
	// secretName is a name that says so.
	secretName = lazyregexp.New(`(?i)(token|secret|passw|credential|api_?key|access_?key|private_?key)`)
	// handed is a value that another place of the workflow sets: a variable, an output of a step.
	handed = lazyregexp.New(`\b(env|steps)\.[\w-]+`)
)

// mayBeSecret says whether a line of build arguments passes a secret: by itself, by the name of the argument, or by a
// variable or a step of the workflow that has one.
func mayBeSecret(file *source.File, line string) bool {
	_, expression, open := strings.Cut(line, "${{")
	if !open {
		return false
	}
	if secretValue.MatchString(line) || secretName.MatchString(line) {
		return true
	}
	return slices.ContainsFunc(handed.FindAllString(expression, -1), func(from string) bool {
		kind, name, _ := strings.Cut(from, ".")
		return setToSecret(file, kind, name)
	})
}

// setToSecret says whether a workflow sets a variable to a secret, or a step or job with an id has one in it.
func setToSecret(file *source.File, kind, name string) bool {
	for n := 1; n <= file.LineCount(); n++ {
		text := strings.TrimLeft(lineText(file, n), " -")
		key, value, _ := strings.Cut(text, ":")
		key = strings.Trim(strings.TrimSpace(key), `"'`)
		switch kind {
		case "env":
			if key == name && secretValue.MatchString(value) || strings.Contains(text, "GITHUB_ENV") && namesVariable(text, name) && secretValue.MatchString(text) {
				return true
			}
		case "steps":
			if key == "id" && strings.Trim(strings.TrimSpace(value), `"'`) == name && secretValue.MatchString(stepText(file, n)) {
				return true
			}
		}
	}
	return false
}

// stepText is the text of the step that a line belongs to: up to the next line with a dash that is no deeper.
func stepText(file *source.File, n int) string {
	start := stepStart(file, n)
	first := file.LineFromOffset(start)
	depth := len(lineText(file, first)) - len(strings.TrimLeft(lineText(file, first), " "))
	last := first
	for ; last < file.LineCount(); last++ {
		next := lineText(file, last+1)
		content := strings.TrimLeft(next, " ")
		if content != "" && (len(next)-len(content) < depth || len(next)-len(content) == depth && content[0] == '-') {
			break
		}
	}
	return file.Text(file.SpanFromLines(source.Lines{First: first, Last: last}))
}

// lineText is a line without its end.
func lineText(file *source.File, n int) string {
	return strings.TrimRight(file.Text(file.SpanFromLines(source.Lines{First: n, Last: n})), " \t\r\n")
}

// trimmedLine is what stands on a line.
func trimmedLine(file *source.File, n int) source.Span {
	span := file.SpanFromLines(source.Lines{First: n, Last: n})
	text := file.Text(span)
	start := span.Start + len(text) - len(strings.TrimLeft(text, " -"))
	return source.Span{Start: start, End: span.Start + len(strings.TrimRight(text, " \t\r\n"))}
}

// stepStart is where the step that a line belongs to begins: the nearest line above with a dash.
func stepStart(file *source.File, n int) int {
	for ; n > 1; n-- {
		if strings.HasPrefix(strings.TrimLeft(lineText(file, n), " "), "-") {
			break
		}
	}
	return file.SpanFromLines(source.Lines{First: n, Last: n}).Start
}
