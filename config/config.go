// Package config reads what people write for hitrate: the YAML of a repository
// or organisation (.github/hitrate.yml) and the operator's environment.
//
// One file becomes a Layer (Parse: strict, every problem with its line and
// column); layers laid over the built-in defaults become the Repository that a
// review goes by (Effective, or Merge where the origin of each key is wanted).
// Which keys exist, what they mean, what they may hold and what stands for
// them when they are missing is written once, in schema.go; Parse, the
// defaults, Show and JSONSchema all read that table, so they cannot disagree.
//
// The package is pure: bytes and lookups come in as arguments. It does not
// know which rules exist; their names and settings come in as RuleSchema.
package config

import (
	"bytes"
	"encoding/json"
	"path"

	"github.com/bmatcuk/doublestar/v4"
)

// RepositoryPath is where a repository keeps its configuration, and where an
// organisation keeps its own in its .github repository.
const RepositoryPath = ".github/hitrate.yml"

// Mode says how much of a review leaves hitrate.
type Mode string

// The modes of a repository.
const (
	ModeReview    Mode = "review"     // a review and a check run
	ModeCheckOnly Mode = "check-only" // a check run only
	ModeObserve   Mode = "observe"    // look, log and count; post nothing
	ModeOff       Mode = "off"        // do not look
)

// The severities a rule can be given; "" stands for the rule's own.
const (
	SeverityError   = "error"
	SeverityWarning = "warning"
	SeverityInfo    = "info"
	SeverityOff     = "off"
)

// The values of Review.Scope.
const (
	ScopeChanged = "changed" // what the pull request touched, made or made worse
	ScopeFile    = "file"    // every finding of a changed file
)

// The values of Check.Run.
const (
	RunWhenRelevant = "when-relevant"
	RunAlways       = "always" // needed where the check run is required
)

// FailOnNever is the value of Check.FailOn under which the check run never
// fails; the other values are SeverityError and SeverityWarning.
const FailOnNever = "never"

// Repository is the effective configuration of one repository. It survives a
// round trip through JSON unchanged, so that it can be handed to a child process.
type Repository struct {
	Version int                   `json:"version"`
	Mode    Mode                  `json:"mode"`
	Paths   Globs                 `json:"paths"`
	Builds  []Build               `json:"builds"`
	Rules   map[string]RuleConfig `json:"rules"`
	Review  Review                `json:"review"`
	Check   Check                 `json:"check"`
	History History               `json:"history"`
}

// Globs selects paths of a repository: those that one of Include matches and
// none of Exclude does. An empty Include matches everything.
type Globs struct {
	Include []string `json:"include"`
	Exclude []string `json:"exclude"`
}

// Build says how one Dockerfile is built. Paths are relative to the root of
// the repository, cleaned, with slashes.
type Build struct {
	Dockerfile string            `json:"dockerfile"`
	Context    string            `json:"context"`
	Target     string            `json:"target"` // "" is the last stage
	Args       map[string]string `json:"args"`
}

// RuleConfig is what the files say about one rule.
type RuleConfig struct {
	// Severity is one of the Severity constants, or "" for the rule's own.
	Severity string `json:"severity"`
	// Settings holds the rule's own settings that a file gives: bool, string
	// or int. What is missing has the rule's default.
	Settings map[string]any `json:"settings"`
	// Paths narrows the rule to some of the files that hitrate looks at.
	Paths Globs `json:"paths"`
}

// UnmarshalJSON keeps whole numbers of Settings ints, as Parse gives them.
func (c *RuleConfig) UnmarshalJSON(data []byte) error {
	type plain RuleConfig
	var p plain
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	if err := decoder.Decode(&p); err != nil {
		return err
	}
	for name, v := range p.Settings {
		if number, ok := v.(json.Number); ok {
			n, err := number.Int64()
			if err != nil {
				return err
			}
			p.Settings[name] = int(n)
		}
	}
	*c = RuleConfig(p)
	return nil
}

// Review says what a review holds.
type Review struct {
	Scope       string `json:"scope"`
	MaxComments int    `json:"max-comments"` // inline; the rest goes into the body
	Drafts      bool   `json:"drafts"`       // review drafts too
}

// Check says when there is a check run and what makes it fail.
type Check struct {
	Run    string `json:"run"`
	FailOn string `json:"fail-on"`
}

// History says how far back commits are counted; 0 counts none.
type History struct {
	Commits int `json:"commits"`
}

// Defaults returns the configuration of a repository that has no file.
func Defaults() Repository {
	return Effective()
}

// Match reports whether the globs select a path, given relative to the root
// of the repository with slashes.
func (g Globs) Match(path string) bool {
	for _, glob := range g.Exclude {
		if doublestar.MatchUnvalidated(glob, path) {
			return false
		}
	}
	for _, glob := range g.Include {
		if doublestar.MatchUnvalidated(glob, path) {
			return true
		}
	}
	return len(g.Include) == 0
}

// MatchesDockerfile reports whether a file is one of the Dockerfiles that
// hitrate looks at: one that paths selects, or one that builds names under
// whatever name, unless paths.exclude takes it out.
func (r Repository) MatchesDockerfile(file string) bool {
	if r.Paths.Match(file) {
		return true
	}
	for _, b := range r.Builds {
		if b.Dockerfile == path.Clean(file) {
			return Globs{Exclude: r.Paths.Exclude}.Match(file)
		}
	}
	return false
}

// Rule returns what the configuration says about a rule at a path: the
// severity ("" is the rule's own, SeverityOff also where the rule's paths
// leave the file out) and the settings given, which the caller must not change.
func (r Repository) Rule(id, path string) (severity string, settings map[string]any) {
	c := r.Rules[id]
	if !c.Paths.Match(path) {
		return SeverityOff, c.Settings
	}
	return c.Severity, c.Settings
}
