package workflow

import (
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

// started is by what a workflow is started.
type started struct {
	commits     bool // pushes to branches or pull requests
	cacheWrites bool // by nothing that must not write GitHub's cache
}

// writing are the events whose runs may write GitHub's cache, by its announcement of 26 June 2026, "Read-only
// Actions cache for untrusted triggers", unless cache-mode says otherwise. A reusable workflow has no more
// than who calls it, and is none of them.
var writing = []string{"push", "pull_request", "merge_group", "schedule", "workflow_dispatch", "repository_dispatch", "release"}

// started reads on: of the workflow.
func (w *workflowReader) started() started {
	s := started{cacheWrites: w.get(w.root, "cache-mode") == nil}
	on := w.get(w.root, "on")
	events := w.members(on)
	if name, ok := w.scalar(on); ok {
		events = append(events, member{key: name.text})
	}
	for _, item := range w.items(on) {
		events = append(events, member{key: w.text(item)})
	}
	for _, e := range events {
		types := w.list(w.get(e.value, "types"))
		// A pull request that is merged runs with the base branch's cache, which it may only read.
		if !slices.Contains(writing, e.key) || e.key == "pull_request" && slices.Contains(types, "closed") {
			s.cacheWrites = false
		}
		narrow := w.get(e.value, "paths") != nil && !slices.ContainsFunc(w.list(w.get(e.value, "paths")), func(p string) bool { return strings.Contains(p, "*") })
		has := func(key string) bool { return w.get(e.value, key) != nil }
		switch {
		case narrow:
		case e.key == "push":
			s.commits = s.commits || has("branches") || has("branches-ignore") || !has("tags") && !has("tags-ignore")
		case e.key == "pull_request":
			s.commits = s.commits || types == nil || slices.ContainsFunc(types, func(t string) bool { return t == "opened" || t == "synchronize" })
		}
	}
	if len(events) == 0 {
		s.cacheWrites = false
	}
	return s
}

// list gives the texts of a list, or of one value.
func (w *workflowReader) list(n ast.Node) []string {
	if s, ok := w.scalar(n); ok {
		return []string{s.text}
	}
	var out []string
	for _, item := range w.items(n) {
		out = append(out, w.text(item))
	}
	return out
}

var (
	conditionText = lazyregexp.New(`'(?:[^']|'')*'`)
	conditionName = lazyregexp.New(`[A-Za-z_][\w-]*(?:\.[\w*-]+)*`)
	// broadNames are what conditions ask for that hold for the commits of some branch: whose repository it
	// is, which of the combinations, which branch.
	broadNames = []string{
		"github.repository", "github.repository_owner", "github.actor", "github.event_name", "github.ref", "github.ref_name", "github.event.ref",
		"github.head_ref", "github.base_ref", "github.secret_source", "true", "false",
		"always", "success", "cancelled", "contains", "startswith", "endswith",
	}
	// narrowText are what they are compared with where they hold for more seldom things.
	narrowText = lazyregexp.New(`(?i)tag|release|schedule|dispatch|closed|^workflow_`)
	broadText  = lazyregexp.New(`(?i)^refs/heads/|^(main|master|develop|push|pull_request)$`)
)

// isBroad says whether a condition certainly holds for the commits of some branch or the pull requests of
// some repository. One that asks for what is not read here may not.
func isBroad(condition string) bool {
	condition = strings.NewReplacer("${{", "", "}}", "").Replace(condition)
	narrow, broad := false, false
	for _, text := range conditionText.FindAllString(condition, -1) {
		text = strings.Trim(text, "'")
		narrow = narrow || narrowText.MatchString(text)
		broad = broad || broadText.MatchString(text)
	}
	for _, name := range conditionName.FindAllString(conditionText.ReplaceAllString(condition, ""), -1) {
		name = strings.ToLower(name)
		if !slices.Contains(broadNames, name) && !strings.HasPrefix(name, "matrix.") &&
			!strings.HasPrefix(name, "github.event.pull_request.") && !strings.HasPrefix(name, "github.event.repository.") {
			return false
		}
	}
	return !narrow || broad && strings.Contains(condition, "||")
}

// exports says whether the steps up to this one certainly make a builder that can export caches.
func (w *workflowReader) exports(step ast.Node, values *scope, before bool) bool {
	name, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(w.text(w.get(step, "uses")))), "@")
	if name != "docker/setup-buildx-action" {
		return before
	}
	with := w.get(step, "with")
	input := func(key string) string { return strings.TrimSpace(expand(w.text(w.get(with, key)), values)) }
	driver, version := input("driver"), input("version")
	return w.get(step, "if") == nil && (driver == "" || driver == "docker-container") &&
		// An older client or builder does not know the service's present interface.
		(version == "" || version == "latest") && !strings.Contains(input("driver-opts"), "image=") &&
		input("endpoint") == "" && input("append") == "" && !isFalse(input("use"))
}
