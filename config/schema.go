package config

import (
	"fmt"
	"regexp"
)

// RuleSchema tells config about one rule: which key it has under "rules" and
// which settings besides severity and paths.
type RuleSchema struct {
	ID, Title string
	Settings  []Setting
}

// Setting is one setting of a rule.
type Setting struct {
	Name, Doc string
	Kind      string   // "bool", "string" or "int"
	Allowed   []string // the values of a string; empty means any
	Default   any      // bool, string or int; nil where there is none
}

// kind is the shape of a value.
type kind int

const (
	kindObject  kind = iota // a mapping with known keys
	kindMapping             // a mapping with free keys and values of one kind
	kindList
	kindString
	kindBool
	kindInt
)

// node describes one place of the file: what may stand there.
type node struct {
	kind kind
	doc  string
	// def is the built-in default; nil where a missing key means nothing.
	def any

	keys []key // of an object, in the order in which people write them
	// short is the key that a plain string in place of the object sets.
	short string
	items *node // of a mapping or list

	// allowed are a string's values; empty means any that text accepts.
	allowed  []string
	text     *text
	min, max int // of an int
	// minItems and maxItems bound a list; maxItems 0 is no bound.
	minItems, maxItems int
}

type key struct {
	name     string
	required bool
	node     *node
}

func (n *node) key(name string) *node {
	for _, k := range n.keys {
		if k.name == name {
			return k.node
		}
	}
	return nil
}

func (n *node) names() []string {
	names := make([]string, len(n.keys))
	for i, k := range n.keys {
		names[i] = k.name
	}
	return names
}

// text is a rule for strings. What patterns can say is said with patterns, so
// that the JSON Schema says it too.
type text struct {
	maxLength int // characters; 0 is no bound
	// refused are patterns in the syntax that Go and ECMAScript share, each
	// with what is wrong with a string that it matches.
	refused []refusal
	// check refuses what patterns cannot; "" is fine.
	check func(string) string
	// clean brings an accepted string into its one form.
	clean func(string) string
}

type refusal struct {
	pattern *regexp.Regexp
	reason  string
}

func refuse(pattern, reason string) refusal {
	return refusal{pattern: regexp.MustCompile(pattern), reason: reason}
}

const (
	maxGlobs  = 50
	maxBuilds = 100
	// maxComments is what GitHub takes in one review without trouble.
	maxComments = 30
	maxCommits  = 1000
)

var (
	refuseEmpty    = refuse(`^$`, "must not be empty")
	refuseAbsolute = refuse(`^/`, "must be relative to the root of the repository: drop the leading slash")
	refuseParent   = refuse(`(^|/)\.\.(/|$)`, `must stay inside the repository: ".." is not allowed`)
	refuseControl  = refuse(`[\x00-\x1f\x7f]`, "must not hold control characters")
	// The reasons that URLs and backslashes are refused: a context on another
	// host cannot be compared with a git tree, and git's paths have slashes.
	refuseURL       = refuse(`://|^(\./+)*([A-Za-z]:|git@)`, "must be a path inside the repository, not an address")
	refuseBackslash = refuse(`\\`, "must have slashes between its parts, not backslashes")
	refuseFolder    = refuse(`(^|/)\.?/?$`, "must name a file, not a folder")

	contextText = &text{
		maxLength: 1024,
		refused:   []refusal{refuseEmpty, refuseURL, refuseAbsolute, refuseParent, refuseBackslash, refuseControl},
		clean:     cleanPath,
	}
	dockerfileText = &text{
		maxLength: 1024,
		refused:   []refusal{refuseEmpty, refuseURL, refuseAbsolute, refuseParent, refuseBackslash, refuseControl, refuseFolder},
		clean:     cleanPath,
	}
	globText = &text{
		maxLength: 256,
		refused: []refusal{
			refuseEmpty, refuseAbsolute, refuseParent, refuseControl,
			refuse(`^(\./+)*!`, `must not start with "!": what to leave out is listed under exclude`),
			refuse(`/$`, `selects no file: end it with "/**" for everything in the folder`),
		},
		check: checkGlob,
		clean: cleanGlob,
	}
	targetText  = &text{refused: []refusal{refuse(`[\x00-\x20\x7f]`, "must be a stage's name or number, without spaces")}}
	argNameText = &text{maxLength: 256, refused: []refusal{refuse(`^$|[^A-Za-z0-9_.-]`, "must be an ARG's name: letters, digits and _ . -")}}
	argText     = &text{refused: []refusal{refuse(`\x00`, "must not hold a zero byte")}}
)

func severityNode() *node {
	return &node{
		kind:    kindString,
		doc:     "How much a finding weighs; off switches the rule off. Without it the rule's own severity stands.",
		allowed: []string{SeverityError, SeverityWarning, SeverityInfo, SeverityOff},
	}
}

func globsNode(doc string, include, exclude []any) *node {
	glob := &node{kind: kindString, doc: "A glob over the path from the root of the repository: * stays in a folder, ** does not; {a,b} and [a-z] work.", text: globText}
	list := func(doc string, def []any, minItems int) *node {
		n := &node{kind: kindList, doc: doc, items: glob, minItems: minItems, maxItems: maxGlobs}
		if def != nil {
			n.def = def
		}
		return n
	}
	return &node{kind: kindObject, doc: doc, keys: []key{
		// An empty include would select nothing, which is what "off" is for.
		{name: "include", node: list("Globs of files to look at; without it all.", include, 1)},
		{name: "exclude", node: list("Globs of files to leave out, even where include names them.", exclude, 0)},
	}}
}

// repositoryNode describes .github/hitrate.yml.
func repositoryNode(rules []RuleSchema) *node {
	return &node{kind: kindObject, doc: "Configuration of hitrate, which reviews pull requests for what they do to the Docker build cache.", keys: []key{
		{name: "version", node: &node{kind: kindInt, doc: "The version of this file's format.", def: 1, min: 1, max: 1}},
		{name: "mode", node: &node{
			kind: kindString, def: string(ModeReview),
			doc:     "review: post a review and a check run. check-only: only the check run. observe: log and count, post nothing. off: do not look.",
			allowed: []string{string(ModeReview), string(ModeCheckOnly), string(ModeObserve), string(ModeOff)},
		}},
		{name: "paths", node: globsNode("Which files are Dockerfiles to look at.",
			[]any{"**/Dockerfile", "**/Dockerfile[._-]*", "**/*.[Dd]ockerfile", "**/Containerfile*"},
			[]any{"**/*.dockerignore", "**/*.j2", "vendor/**"})},
		{name: "builds", node: &node{
			kind: kindList, def: []any{}, maxItems: maxBuilds, items: buildNode(),
			doc: "How Dockerfiles are built, only where hitrate cannot see it from the repository.",
		}},
		{name: "rules", node: rulesNode(rules)},
		{name: "review", node: &node{kind: kindObject, doc: "What a review holds.", keys: []key{
			{name: "scope", node: &node{
				kind: kindString, def: ScopeChanged, allowed: []string{ScopeChanged, ScopeFile},
				doc: "changed: what the pull request touches, makes or makes worse. file: every finding of a changed file.",
			}},
			{name: "max-comments", node: &node{kind: kindInt, def: 10, max: maxComments, doc: "The most inline comments of one review, the most costly first; the rest goes into its body."}},
			{name: "drafts", node: &node{kind: kindBool, def: false, doc: "Whether draft pull requests are reviewed too."}},
		}}},
		{name: "check", node: &node{kind: kindObject, doc: "The check run.", keys: []key{
			{name: "run", node: &node{
				kind: kindString, def: RunWhenRelevant, allowed: []string{RunWhenRelevant, RunAlways},
				doc: "when-relevant: only where a pull request touches a build. always: on every pull request, needed where the check is required.",
			}},
			{name: "fail-on", node: &node{
				kind: kindString, def: FailOnNever, allowed: []string{FailOnNever, SeverityError, SeverityWarning},
				doc: "The least severity at which the check run fails.",
			}},
		}}},
		{name: "history", node: &node{kind: kindObject, doc: "How builds of the past are counted.", keys: []key{
			{name: "commits", node: &node{kind: kindInt, def: 200, max: maxCommits, doc: "How many of the base branch's last commits are counted; 0 counts none."}},
		}}},
	}}
}

func buildNode() *node {
	return &node{kind: kindObject, doc: "One build.", keys: []key{
		{name: "dockerfile", required: true, node: &node{kind: kindString, doc: "Path of the Dockerfile from the root of the repository.", text: dockerfileText}},
		{name: "context", node: &node{kind: kindString, def: ".", doc: "Path of the build context from the root of the repository.", text: contextText}},
		{name: "target", node: &node{kind: kindString, def: "", doc: "The stage to build; without it the last one.", text: targetText}},
		{name: "args", node: &node{
			kind: kindMapping, doc: "Build arguments, each a string.",
			text: argNameText, items: &node{kind: kindString, doc: "The value; numbers in quotes.", text: argText},
		}},
	}}
}

// rulesNode panics on a declaration that cannot be right: it is code, not
// input, and must not get past the first test.
func rulesNode(rules []RuleSchema) *node {
	n := &node{kind: kindObject, doc: "What is said about each rule: a severity, or a mapping with severity, paths and the rule's settings."}
	for _, rule := range rules {
		if rule.ID == "" || n.key(rule.ID) != nil {
			panic(fmt.Sprintf("config: rule %q is declared twice or without a name", rule.ID))
		}
		r := &node{kind: kindObject, doc: rule.Title, short: "severity", keys: []key{
			{name: "severity", node: severityNode()},
		}}
		for _, s := range rule.Settings {
			if s.Name == "" || s.Name == "paths" || r.key(s.Name) != nil {
				panic(fmt.Sprintf("config: setting %q of rule %s is declared twice or not allowed", s.Name, rule.ID))
			}
			r.keys = append(r.keys, key{name: s.Name, node: settingNode(rule.ID, s)})
		}
		r.keys = append(r.keys, key{name: "paths", node: globsNode("The files for which the rule speaks.", nil, nil)})
		n.keys = append(n.keys, key{name: rule.ID, node: r})
	}
	return n
}

const (
	minSettingInt = -1 << 31
	maxSettingInt = 1<<31 - 1
)

func settingNode(rule string, s Setting) *node {
	n := &node{doc: s.Doc, allowed: s.Allowed}
	fits := s.Default == nil
	switch s.Kind {
	case "bool":
		n.kind = kindBool
		if _, ok := s.Default.(bool); ok {
			fits = true
		}
	case "int":
		n.kind, n.min, n.max = kindInt, minSettingInt, maxSettingInt
		if _, ok := s.Default.(int); ok {
			fits = true
		}
	case "string":
		n.kind = kindString
		if _, ok := s.Default.(string); ok {
			fits = true
		}
	default:
		panic(fmt.Sprintf("config: setting %q of rule %s has the unknown kind %q", s.Name, rule, s.Kind))
	}
	if !fits {
		panic(fmt.Sprintf("config: setting %q of rule %s has a default that is not a %s: %v", s.Name, rule, s.Kind, s.Default))
	}
	// The default is for the documentation only: the rule itself applies it.
	n.def = s.Default
	return n
}
