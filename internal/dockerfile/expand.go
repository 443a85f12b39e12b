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

// maxMatching bounds what ${name#pattern}, ${name%pattern} and ${name/pattern/text} take to match in
// one Dockerfile: each the length of the value times that of the pattern.
const maxMatching = 16 << 20

// expander expands variables as BuildKit does, within a budget for one file.
type expander struct {
	path     string
	lex      *shell.Lex
	spent    int // of MaxExpansion
	matching int // of maxMatching
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

// spend takes what expanding a word comes to off the budget.
func (e *expander) spend(size, matching int) error {
	if size > MaxExpansion-e.spent {
		return &LimitError{Path: e.path, What: "bytes of expanded variables", Value: e.spent + size, Most: MaxExpansion}
	}
	if matching > maxMatching-e.matching {
		return &LimitError{Path: e.path, What: "steps of matching patterns in variables", Value: e.matching + matching, Most: maxMatching}
	}
	e.spent += size
	e.matching += matching
	return nil
}

// word expands one word. unset are the names in it that env does not have, sorted. The error is a
// *LimitError, or BuildKit's about the word.
func (e *expander) word(word string, env variables) (value string, unset []string, err error) {
	if err := e.spend(predict(word, env)); err != nil {
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

// predict is an upper bound of the bytes that expanding word comes to, and of the steps that its
// patterns take to match. It takes every "$name" for an expansion, quoted or not.
func predict(word string, env variables) (size, matching int) {
	size = len(word)
	factor := 1  // of replacements, whose own text is not plain
	matched := 0 // bytes of values matched with patterns that are not plain
	for i := 0; i < len(word); i++ {
		if word[i] != '$' {
			continue
		}
		rest, braced := strings.CutPrefix(word[i+1:], "{")
		name := variableName(rest)
		n := len(env[name])
		size += n
		operation := rest[len(name):]
		if !braced || operation == "" || strings.IndexByte("#%/", operation[0]) < 0 {
			continue
		}
		// A plain operation ends at the next brace; quotes, escapes and variables can hide it.
		if end := strings.IndexByte(operation, '}'); end >= 0 && !strings.ContainsAny(operation[:end], "'\"`\\$") {
			matching += (n + 16) * end
			if operation[0] == '/' {
				size += (n + 1) * end // the text can stand in for every character of the value
			}
			continue
		}
		matched += n + 16
		if operation[0] == '/' {
			factor = min(factor*(n+1), MaxExpansion+1)
		}
	}
	size = min(size, MaxExpansion+1)
	matching = min(matching+matched*size, maxMatching+1)
	return min(size*factor, MaxExpansion+1), matching
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
