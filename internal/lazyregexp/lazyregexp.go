// Package lazyregexp compiles a regular expression when it is first used, as the package of that name in
// Go's own source tree does. A command of hitrate uses few of some hundred expressions: compiled as the
// packages initialise, they are a sixth of the processor time of its start and two megabytes of its memory
// (docs/measurements.md).
package lazyregexp

import (
	"regexp"
	"sync"
)

// Regexp is a regular expression with the methods of *regexp.Regexp that hitrate needs. It may be used
// by several goroutines at a time.
type Regexp struct {
	compiled func() *regexp.Regexp
}

// New is the expression, in the syntax of package regexp. It must be valid: its first use panics
// otherwise. A test compiles every expression of the module.
func New(expression string) *Regexp {
	return &Regexp{compiled: sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expression) })}
}

// MatchString is as in package regexp.
func (r *Regexp) MatchString(s string) bool { return r.compiled().MatchString(s) }

// Match is as in package regexp.
func (r *Regexp) Match(b []byte) bool { return r.compiled().Match(b) }

// FindString is as in package regexp.
func (r *Regexp) FindString(s string) string { return r.compiled().FindString(s) }

// FindStringSubmatch is as in package regexp.
func (r *Regexp) FindStringSubmatch(s string) []string { return r.compiled().FindStringSubmatch(s) }

// FindStringSubmatchIndex is as in package regexp.
func (r *Regexp) FindStringSubmatchIndex(s string) []int {
	return r.compiled().FindStringSubmatchIndex(s)
}

// FindSubmatch is as in package regexp.
func (r *Regexp) FindSubmatch(b []byte) [][]byte { return r.compiled().FindSubmatch(b) }

// FindAllString is as in package regexp.
func (r *Regexp) FindAllString(s string, n int) []string { return r.compiled().FindAllString(s, n) }

// FindAllStringSubmatch is as in package regexp.
func (r *Regexp) FindAllStringSubmatch(s string, n int) [][]string {
	return r.compiled().FindAllStringSubmatch(s, n)
}

// ReplaceAllString is as in package regexp.
func (r *Regexp) ReplaceAllString(s, replacement string) string {
	return r.compiled().ReplaceAllString(s, replacement)
}

// ReplaceAllLiteralString is as in package regexp.
func (r *Regexp) ReplaceAllLiteralString(s, replacement string) string {
	return r.compiled().ReplaceAllLiteralString(s, replacement)
}

// ReplaceAllStringFunc is as in package regexp.
func (r *Regexp) ReplaceAllStringFunc(s string, replace func(string) string) string {
	return r.compiled().ReplaceAllStringFunc(s, replace)
}
