package dockerfile

import (
	"errors"
	"regexp"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// MaxExpansion is how many bytes the variables of one Dockerfile may come to when they are expanded
// as a build expands them; what is predicted to be more is refused before it is expanded. Without
// it, a few lines like ENV B=$A$A, ENV C=$B$B take gigabytes.
const MaxExpansion = 4 << 20

// maxPattern bounds a word with ${name#pattern}, ${name%pattern} or ${name/pattern/text}, with the
// values in it: matching costs the product of its parts.
const maxPattern = 16 << 10

// expander expands variables as BuildKit does, within a budget for one file.
type expander struct {
	path  string
	lex   *shell.Lex
	spent int
}

func newExpander(f *File) *expander {
	return &expander{path: f.Source.Path, lex: shell.NewLex(f.Escape)}
}

// variables is an environment as BuildKit's lexer asks for it.
type variables map[string]string

func (v variables) Get(name string) (string, bool) { value, ok := v[name]; return value, ok }
func (v variables) Keys() []string                 { return nil } // asked for by nothing that expands

var errNotText = errors.New("not UTF-8 text")

// lexable keeps from BuildKit's lexer what it would complain about on standard error.
func lexable(word string) bool {
	return utf8.ValidString(word) && strings.IndexByte(word, 0) < 0 && !strings.Contains(word, "\ufeff")
}

// spend takes n bytes off the budget.
func (e *expander) spend(n int) error {
	if n > MaxExpansion-e.spent {
		return &LimitError{Path: e.path, What: "bytes of expanded variables", Value: e.spent + n, Most: MaxExpansion}
	}
	e.spent += n
	return nil
}

// word expands one word. unset are the names in it that env does not have, sorted. The error is a
// *LimitError, or BuildKit's about the word.
func (e *expander) word(word string, env variables) (value string, unset []string, err error) {
	size, pattern := predict(word, env)
	if pattern && size > maxPattern {
		return "", nil, &LimitError{Path: e.path, What: "bytes in a word with a pattern", Value: size, Most: maxPattern}
	}
	if err := e.spend(size); err != nil {
		return "", nil, err
	}
	if !lexable(word) {
		return "", nil, errNotText
	}
	result, err := e.lex.ProcessWordWithMatches(word, env)
	if err != nil {
		return "", nil, err
	}
	for name := range result.Unmatched {
		unset = append(unset, name)
	}
	sort.Strings(unset)
	return result.Result, unset, nil
}

// predict is an upper bound of what expanding word takes, in bytes, and whether it has patterns. It
// takes every "$name" for an expansion, quoted or not. A replacement can put its text in for every
// character of the value, so each one multiplies the whole.
func predict(word string, env variables) (size int, pattern bool) {
	size = len(word)
	factor := 1
	for i := 0; i < len(word); i++ {
		if word[i] != '$' {
			continue
		}
		rest := word[i+1:]
		rest, braced := strings.CutPrefix(rest, "{")
		name := variableName(rest)
		value := env[name]
		size += len(value)
		if after := rest[len(name):]; braced && after != "" && strings.IndexByte("#%/", after[0]) >= 0 {
			pattern = true
			if after[0] == '/' {
				factor = min(factor*(len(value)+1), MaxExpansion+1)
			}
		}
	}
	return min(size*factor, MaxExpansion+1), pattern
}

// variableName is the name at the start of s, by the rules of BuildKit's lexer.
func variableName(s string) string {
	for i, ch := range s {
		switch {
		case i == 0 && strings.ContainsRune("@*#?-$!", ch):
			return s[:1]
		case i == 0 && unicode.IsDigit(ch):
			return s[:len(s)-len(strings.TrimLeftFunc(s, unicode.IsDigit))]
		case !unicode.IsLetter(ch) && !unicode.IsDigit(ch) && ch != '_':
			return s[:i]
		}
	}
	return s
}

// defaulted are the substitutions that have a meaning for a variable that is not set.
var defaulted = regexp.MustCompile(`\$\{([A-Za-z0-9_]+):?[-+]`)

// needs is the first of the unset names that word cannot do without; "" for none.
func needs(word string, unset []string) string {
	optional := map[string]bool{}
	for _, m := range defaulted.FindAllStringSubmatch(word, -1) {
		optional[m[1]] = true
	}
	for _, name := range unset {
		if !optional[name] {
			return name
		}
	}
	return ""
}
