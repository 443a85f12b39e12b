// Package rules is what is worth saying about a build: one file per rule. A rule finds and, where
// an edit is known, proposes one; it never decides that an edit is right (package fix does).
//
// A rule is a literal that register checks when the program starts. Its documentation is fields of
// it; its examples are the cases of testdata/RULE.txtar.
package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/config"
)

// Rule is one thing worth saying. It is a literal: its documentation is fields, and the rule's page,
// its entry in "hitrate rules", the JSON schema and the README's table are made from it.
type Rule struct {
	ID       string
	Title    string // one line
	Severity string // config.SeverityError, …: its own, where the configuration says nothing
	What     string // what it finds, in Markdown
	Why      string // what it costs, true under BuildKit
	Fix      string // what the suggestion does and when it is withheld; "" for words only
	Not      string // what it keeps silent about, and popular advice that is wrong here; may be ""
	Sources  []Source
	Settings []config.Setting
	Hadolint []string    // hadolint's rules that ask for the same: "# hadolint ignore=" is honoured
	BuildKit []string    // BuildKit's checks that ask for the same: "# check=skip=" is honoured
	Check    func(*Pass) `json:"-"`
}

// Source is where a statement of a rule can be read.
type Source struct{ Title, URL string }

var registered []*Rule

// register checks a declaration and adds it. A rule that is declared badly is a mistake in this
// program, found by the first test that runs.
func register(r *Rule) *Rule {
	fail := func(what string) { panic(fmt.Sprintf("rules: rule %q %s", r.ID, what)) }
	switch {
	case r.ID == "" || strings.Trim(r.ID, "abcdefghijklmnopqrstuvwxyz-") != "":
		fail("needs an ID of small letters and hyphens")
	case r.Title == "" || strings.ContainsAny(r.Title, "\n"):
		fail("needs a title of one line")
	case !slices.Contains([]string{config.SeverityError, config.SeverityWarning, config.SeverityInfo}, r.Severity):
		fail("needs a severity")
	case r.What == "" || r.Why == "":
		fail("does not say what it finds and why that matters")
	case len(r.Sources) == 0:
		fail("names no source for what it says")
	case r.Check == nil:
		fail("checks nothing")
	}
	for _, s := range r.Sources {
		if s.Title == "" || !strings.HasPrefix(s.URL, "https://") {
			fail("has a source without title or https address")
		}
	}
	for _, other := range registered {
		if other.ID == r.ID {
			fail("is declared twice")
		}
	}
	registered = append(registered, r)
	slices.SortFunc(registered, func(a, b *Rule) int { return cmp.Compare(a.ID, b.ID) })
	return r
}

// All returns the rules by ID.
func All() []*Rule { return slices.Clone(registered) }

// Schemas is what package config has to know about the rules.
func Schemas() []config.RuleSchema {
	out := make([]config.RuleSchema, 0, len(registered))
	for _, r := range registered {
		out = append(out, config.RuleSchema{ID: r.ID, Title: r.Title, Settings: r.Settings})
	}
	return out
}
