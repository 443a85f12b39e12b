package requirements

import (
	"errors"
	"strings"
)

// truth is what is known of a marker for an image of Linux and CPython, of unknown versions.
type truth int

const (
	unknown truth = iota
	no
	yes
)

func (t truth) and(o truth) truth {
	switch {
	case t == no || o == no:
		return no
	case t == yes && o == yes:
		return yes
	}
	return unknown
}

func (t truth) or(o truth) truth {
	switch {
	case t == yes || o == yes:
		return yes
	case t == no && o == no:
		return no
	}
	return unknown
}

// markerVariables are PEP 508's, with the older spellings that pip takes too, and their value on
// Linux where that is one value.
var markerVariables = map[string]string{
	"os_name": "posix", "os.name": "posix",
	"sys_platform": "linux", "sys.platform": "linux",
	"platform_system": "Linux",
	"python_version":  "", "python_full_version": "",
	"platform_release": "", "platform_version": "", "platform.version": "",
	"platform_machine": "", "platform.machine": "",
	"platform_python_implementation": "", "platform.python_implementation": "", "python_implementation": "",
	"implementation_name": "", "implementation_version": "",
	"extra": "", "extras": "", "dependency_groups": "",
}

const maxMarkerDepth = 32 // of parentheses

var errMarker = errors.New("the marker behind ; is not one of PEP 508")

// readMarker checks an environment marker by PEP 508's grammar and says what it is on Linux.
func readMarker(text string) (truth, error) {
	m := &markerReader{rest: text}
	t, ok := m.or(0)
	if m.skip(); !ok || m.rest != "" {
		return unknown, errMarker
	}
	return t, nil
}

type markerReader struct{ rest string }

func (m *markerReader) skip() { m.rest = strings.TrimLeft(m.rest, " \t") }

func (m *markerReader) or(depth int) (truth, bool) {
	t, ok := m.and(depth)
	for ok && m.word("or") {
		var right truth
		right, ok = m.and(depth)
		t = t.or(right)
	}
	return t, ok
}

func (m *markerReader) and(depth int) (truth, bool) {
	t, ok := m.atom(depth)
	for ok && m.word("and") {
		var right truth
		right, ok = m.atom(depth)
		t = t.and(right)
	}
	return t, ok
}

func (m *markerReader) atom(depth int) (truth, bool) {
	m.skip()
	if rest, ok := strings.CutPrefix(m.rest, "("); ok {
		if depth == maxMarkerDepth {
			return unknown, false
		}
		m.rest = rest
		t, ok := m.or(depth + 1)
		m.skip()
		rest, closed := strings.CutPrefix(m.rest, ")")
		m.rest = rest
		return t, ok && closed
	}
	leftVariable, left, ok := m.operand()
	if !ok {
		return unknown, false
	}
	operator, ok := m.operator()
	if !ok {
		return unknown, false
	}
	rightVariable, right, ok := m.operand()
	if !ok {
		return unknown, false
	}
	if leftVariable == rightVariable || left == "" || right == "" {
		return unknown, true
	}
	var holds bool
	switch operator {
	case "==", "===":
		holds = left == right
	case "!=":
		holds = left != right
	case "in":
		holds = strings.Contains(right, left)
	case "not in":
		holds = !strings.Contains(right, left)
	default:
		return unknown, true
	}
	if holds {
		return yes, true
	}
	return no, true
}

// operand reads a variable or a quoted text; the value is "" where it is not known.
func (m *markerReader) operand() (variable bool, value string, ok bool) {
	m.skip()
	if m.rest == "" {
		return false, "", false
	}
	if q := m.rest[0]; q == '"' || q == '\'' {
		end := strings.IndexByte(m.rest[1:], q)
		if end < 0 {
			return false, "", false
		}
		value, m.rest = m.rest[1:1+end], m.rest[2+end:]
		return false, value, true
	}
	end := 0
	for end < len(m.rest) && (isNameByte(m.rest[end])) {
		end++
	}
	value, known := markerVariables[m.rest[:end]]
	m.rest = m.rest[end:]
	return true, value, known
}

func (m *markerReader) operator() (string, bool) {
	m.skip()
	for _, op := range []string{"===", "==", "!=", "~=", "<=", ">=", "<", ">"} {
		if rest, ok := strings.CutPrefix(m.rest, op); ok {
			m.rest = rest
			return op, true
		}
	}
	if m.word("not") {
		return "not in", m.word("in")
	}
	return "in", m.word("in")
}

// word takes a keyword that ends where it ends.
func (m *markerReader) word(w string) bool {
	m.skip()
	rest, ok := strings.CutPrefix(m.rest, w)
	if !ok || rest != "" && isNameByte(rest[0]) {
		return false
	}
	m.rest = rest
	return true
}

func isNameByte(c byte) bool {
	return c == '_' || c == '-' || c == '.' || isAlnum(c)
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
