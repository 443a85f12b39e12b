package buildcache

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// sizes are upper bounds of the lengths of variables, in bytes. Names that are not in it are unset.
type sizes map[string]int

// tooLarge is where predictions stop: no sum or product of theirs overflows, and it is over every
// limit.
const tooLarge = 1 << 40

// prediction is what the expansion of one text comes to, without expanding it.
type prediction struct {
	size int // upper bound of the result's length
	work int // upper bound of the bytes read and written on the way
	// unset is the length of all names that are not set together, longest of the longest one.
	unset, longest int
}

// predict follows the grammar of BuildKit's lexer (frontend/dockerfile/shell) on lengths instead of
// values. quotes says whether quotes are special: they are not in heredocs.
func predict(text string, vars sizes, escape rune, quotes bool) prediction {
	l := sizeLexer{text: text, vars: vars, escape: escape, quotes: quotes}
	l.size = l.until(0)
	l.work = add(l.work, l.size)
	return l.prediction
}

// patternWork is what it costs to hold one byte of a pattern against one of a value, for every byte
// that is only copied.
const patternWork = 10

type sizeLexer struct {
	prediction
	text   string
	at     int
	vars   sizes
	escape rune
	quotes bool
}

func (l *sizeLexer) peek() byte {
	if l.at < len(l.text) {
		return l.text[l.at]
	}
	return 0
}

// until returns the size of the text up to a stop byte, which it passes, or to the end for stop 0.
func (l *sizeLexer) until(stop byte) int {
	size := 0
	for l.at < len(l.text) {
		c := l.text[l.at]
		switch {
		case stop != 0 && c == stop:
			l.at++
			return size
		case c == '$':
			size = add(size, l.dollar())
		case c == '\'' && l.quotes:
			end := strings.IndexByte(l.text[l.at+1:], '\'')
			if end < 0 {
				end = len(l.text) - l.at - 2
			}
			size = add(size, end+2)
			l.at += end + 2
		case c == '"' && l.quotes:
			size = add(size, l.doubleQuoted())
		case rune(c) == l.escape:
			size = add(size, l.escaped())
		default:
			size = add(size, 1)
			l.at++
		}
	}
	return size
}

func (l *sizeLexer) doubleQuoted() int {
	size := 2
	for l.at++; l.at < len(l.text); {
		switch c := l.text[l.at]; {
		case c == '"':
			l.at++
			return size
		case c == '$':
			size = add(size, l.dollar())
		case rune(c) == l.escape && l.at+1 < len(l.text) && (l.text[l.at+1] == '"' || l.text[l.at+1] == '$' || rune(l.text[l.at+1]) == l.escape):
			size = add(size, l.escaped())
		default:
			size = add(size, 1)
			l.at++
		}
	}
	return size
}

// escaped passes an escape and the character behind it.
func (l *sizeLexer) escaped() int {
	l.at++
	_, n := utf8.DecodeRuneInString(l.text[min(l.at, len(l.text)):])
	l.at += n
	return 1 + n
}

func (l *sizeLexer) dollar() int {
	l.at++
	if l.peek() != '{' {
		name := l.name()
		return max(l.vars[name], len(name)+1)
	}
	l.at++
	name := l.name()
	// Unset variables stay as they are written where BuildKit only makes a name for the step.
	value, written := l.vars[name], len(name)+len("${:-}")
	if l.peek() == ':' {
		l.at++
	}
	switch op := l.peek(); op {
	case '}':
		l.at++
		return max(value, written)
	case '/':
		l.at++
		if l.peek() == '/' {
			l.at++
		}
		pattern := l.until('/')
		replacement := l.until('}')
		l.spend(mul(patternWork*(value+1), pattern+1))
		return max(mul(value+1, replacement+1), add(written, add(pattern, replacement)))
	case '#', '%':
		l.at++
		pattern := l.until('}')
		l.spend(mul(patternWork*(value+1), pattern+1))
		return max(value, add(written, pattern))
	default:
		if op != 0 {
			l.at++
		}
		word := l.until('}')
		l.spend(word)
		return max(value, add(written, word))
	}
}

// name is BuildKit's: letters, digits and "_"; only digits where it begins with one; or one special
// character.
func (l *sizeLexer) name() string {
	start := l.at
	digits := false
	for l.at < len(l.text) {
		r, n := utf8.DecodeRuneInString(l.text[l.at:])
		if start == l.at {
			digits = unicode.IsDigit(r)
			if strings.ContainsRune("@*#?-$!", r) {
				l.at += n
				break
			}
		}
		if !unicode.IsDigit(r) && (digits || r != '_' && !unicode.IsLetter(r)) {
			break
		}
		l.at += n
	}
	name := l.text[start:l.at]
	if _, set := l.vars[name]; !set {
		l.unset += len(name)
		l.longest = max(l.longest, len(name))
	}
	return name
}

func (l *sizeLexer) spend(n int) { l.work = add(l.work, n) }

func add(a, b int) int { return min(a+b, tooLarge) }

func mul(a, b int) int {
	if a > 0 && b > tooLarge/a {
		return tooLarge
	}
	return a * b
}
