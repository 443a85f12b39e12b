package config

import (
	"fmt"
	"strings"
)

// Error is one problem of a configuration file.
type Error struct {
	Path string // of the file, as given to Parse
	// Line and Column are 1-based; columns count characters, not bytes.
	Line, Column int
	Message      string
	// Allowed lists what may stand there instead, where that is a list.
	Allowed []string
}

// Error reads "path:line:column: message; allowed: a, b".
func (e *Error) Error() string {
	s := fmt.Sprintf("%s:%d:%d: %s", e.Path, e.Line, e.Column, e.Message)
	if len(e.Allowed) > 0 {
		s += "; allowed: " + strings.Join(e.Allowed, ", ")
	}
	return s
}

// Errors are all problems of one file, in the order of the file.
type Errors []*Error

// Error puts each problem on a line of its own.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, one := range e {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As and errors.Is look at each problem.
func (e Errors) Unwrap() []error {
	list := make([]error, len(e))
	for i, one := range e {
		list[i] = one
	}
	return list
}
