package config

import (
	"fmt"
	"math"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/agext/levenshtein"
	"github.com/bmatcuk/doublestar/v4"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// place is where a value stands: its name for messages ("review.scope") and
// the position of its key, for values that have no text of their own.
type place struct {
	name string
	key  *token.Position
}

func (p place) child(name string, key *token.Position) place {
	if p.name != "" {
		name = p.name + "." + name
	}
	return place{name: name, key: key}
}

// String names the place as the subject of a message.
func (p place) String() string {
	if p.name == "" {
		return "the file"
	}
	return p.name
}

// value reads a YAML value as a node describes it: map[string]any, []any,
// string, bool or int, in their clean form. Where something is wrong it says
// so and returns false; a mapping or list left empty (null) is no value.
func (r *reader) value(v ast.Node, n *node, at place) (any, bool) {
	if _, null := v.(*ast.NullNode); null {
		if n.kind == kindObject || n.kind == kindMapping || n.kind == kindList {
			if n.kind == kindObject {
				return map[string]any{}, true
			}
			return nil, false
		}
	}
	switch n.kind {
	case kindObject:
		if s, ok := stringOf(v); ok && n.short != "" {
			short, ok := r.string(s, position(v, at), n.key(n.short), at)
			return map[string]any{n.short: short}, ok
		}
		if m, ok := v.(*ast.MappingNode); ok {
			return r.object(m, n, at)
		}
	case kindMapping:
		if m, ok := v.(*ast.MappingNode); ok {
			return r.mapping(m, n, at)
		}
	case kindList:
		if s, ok := v.(*ast.SequenceNode); ok {
			return r.list(s, n, at)
		}
	case kindString:
		if s, ok := stringOf(v); ok {
			return r.string(s, position(v, at), n, at)
		}
	case kindBool:
		if b, ok := v.(*ast.BoolNode); ok {
			return b.Value, true
		}
	case kindInt:
		if i, ok := intOf(v); ok {
			return r.int(i, position(v, at), n, at)
		}
	}
	r.wrongType(v, n, at)
	return nil, false
}

func (r *reader) wrongType(v ast.Node, n *node, at place) {
	allowed := n.allowed
	var want string
	switch n.kind {
	case kindObject, kindMapping:
		want = "a mapping"
		if n.short != "" {
			want = "a severity or a mapping"
			allowed = n.key(n.short).allowed
		}
	case kindList:
		want = "a list"
	case kindString:
		want = "a string"
	case kindBool:
		want, allowed = "true or false", []string{"true", "false"}
	case kindInt:
		want, allowed = "a whole number", intRange(n)
	}
	hint := ""
	if n.kind == kindString && len(n.allowed) == 0 {
		switch v.(type) {
		case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
			hint = "; put it in quotes"
		}
	}
	r.failAt(position(v, at), allowed, "%s must be %s, not %s%s", at, want, describe(v), hint)
}

// members goes over the keys of a mapping and says which are given twice.
func (r *reader) members(m *ast.MappingNode, visit func(name string, pos *token.Position, v ast.Node)) {
	lines := map[string]int{}
	for _, member := range m.Values {
		t := member.Key.GetToken()
		name := t.Value
		if s, ok := stringOf(member.Key); ok {
			name = s
		}
		if line, twice := lines[name]; twice {
			r.failAt(t.Position, nil, "key %s is given twice, first on line %d", quote(name), line)
			continue
		}
		lines[name] = t.Position.Line
		visit(name, t.Position, member.Value)
	}
}

func (r *reader) object(m *ast.MappingNode, n *node, at place) (any, bool) {
	before := len(r.errors)
	values := map[string]any{}
	given := map[string]bool{}
	r.members(m, func(name string, pos *token.Position, v ast.Node) {
		given[name] = true
		child := n.key(name)
		if child == nil {
			r.unknown(name, pos, n.names(), at)
			return
		}
		if value, ok := r.value(v, child, at.child(name, pos)); ok {
			values[name] = value
		}
	})
	for _, k := range n.keys {
		if k.required && !given[k.name] {
			r.failAt(position(m, at), nil, "%s lacks the key %q", at, k.name)
		}
	}
	return values, len(r.errors) == before
}

func (r *reader) unknown(name string, pos *token.Position, names []string, at place) {
	names = slices.Sorted(slices.Values(names))
	where, what := "", "key"
	switch at.name {
	case "":
	case "rules":
		what = "rule"
	default:
		where = " in " + at.name
	}
	hint := ""
	if near := nearest(name, names); near != "" {
		hint = fmt.Sprintf(", did you mean %q?", near)
	}
	r.failAt(pos, names, "unknown %s %s%s%s", what, quote(name), where, hint)
}

// nearest gives the name that was probably meant, or "".
func nearest(name string, names []string) string {
	best, least := "", 1+max(2, len(name)/3)
	for _, candidate := range names {
		// A longer name than any known one is no slip, and costs its square.
		if len(name) > 2*len(candidate)+4 {
			continue
		}
		d := levenshtein.Distance(strings.ToLower(name), candidate, nil)
		if d < least && d < utf8.RuneCountInString(candidate) {
			best, least = candidate, d
		}
	}
	return best
}

func (r *reader) mapping(m *ast.MappingNode, n *node, at place) (any, bool) {
	before := len(r.errors)
	values := map[string]any{}
	r.members(m, func(name string, pos *token.Position, v ast.Node) {
		if reason := n.text.refuses(name); reason != "" {
			r.failAt(pos, nil, "the key %s in %s %s", quote(name), at, reason)
			return
		}
		if value, ok := r.value(v, n.items, at.child(name, pos)); ok {
			values[name] = value
		}
	})
	return values, len(r.errors) == before
}

func (r *reader) list(s *ast.SequenceNode, n *node, at place) (any, bool) {
	before := len(r.errors)
	switch {
	case len(s.Values) < n.minItems:
		r.failAt(position(s, at), nil, "%s must not be empty", at)
	case n.maxItems > 0 && len(s.Values) > n.maxItems:
		r.failAt(position(s, at), nil, "%s has %d entries of at most %d", at, len(s.Values), n.maxItems)
		return nil, false
	}
	values := []any{}
	for i, v := range s.Values {
		child := place{name: fmt.Sprintf("%s[%d]", at.name, i), key: position(s, at)}
		if i < len(s.Entries) && s.Entries[i].Start != nil {
			child.key = s.Entries[i].Start.Position
		}
		if _, null := v.(*ast.NullNode); null {
			r.wrongType(v, n.items, child)
			continue
		}
		if value, ok := r.value(v, n.items, child); ok {
			values = append(values, value)
		}
	}
	return values, len(r.errors) == before
}

func (r *reader) string(s string, pos *token.Position, n *node, at place) (any, bool) {
	if len(n.allowed) > 0 && !slices.Contains(n.allowed, s) {
		hint := ""
		if near := nearest(s, n.allowed); near != "" {
			hint = fmt.Sprintf(", did you mean %q?", near)
		}
		r.failAt(pos, n.allowed, "%s cannot be %s%s", at, quote(s), hint)
		return nil, false
	}
	if n.text != nil {
		if reason := n.text.refuses(s); reason != "" {
			r.failAt(pos, nil, "%s: %s %s", at, quote(s), reason)
			return nil, false
		}
		if n.text.clean != nil {
			s = n.text.clean(s)
		}
	}
	return s, true
}

func (r *reader) int(i int, pos *token.Position, n *node, at place) (any, bool) {
	if i < n.min || i > n.max {
		r.failAt(pos, intRange(n), "%s cannot be %d", at, i)
		return nil, false
	}
	return i, true
}

func intRange(n *node) []string {
	switch {
	case n.min == n.max:
		return []string{fmt.Sprint(n.min)}
	case n.min == minSettingInt && n.max == maxSettingInt:
		return nil
	}
	return []string{fmt.Sprintf("%d to %d", n.min, n.max)}
}

// refuses gives the reason to refuse a string, or "".
func (t *text) refuses(s string) string {
	if t.maxLength > 0 && utf8.RuneCountInString(s) > t.maxLength {
		return fmt.Sprintf("is longer than %d characters", t.maxLength)
	}
	for _, refused := range t.refused {
		if refused.pattern.MatchString(s) {
			return refused.reason
		}
	}
	if t.check != nil {
		return t.check(s)
	}
	return ""
}

// A glob with braces costs as much as all globs without braces that it stands
// for, and is matched with every path of a tree: these bounds make that 25.
const (
	maxBraces = 2
	maxCommas = 8
)

func checkGlob(glob string) string {
	if !doublestar.ValidatePattern(glob) {
		return "is not a glob: a bracket or brace is not closed, or a backslash ends it"
	}
	if strings.Count(glob, "{") > maxBraces || strings.Count(glob, ",") > maxCommas {
		return fmt.Sprintf("has more than %d groups of alternatives or %d commas: list several globs", maxBraces, maxCommas)
	}
	return ""
}

var leadingDots = regexp.MustCompile(`^(\./+)+`)

func cleanGlob(glob string) string { return leadingDots.ReplaceAllString(glob, "") }

func cleanPath(p string) string { return path.Clean(p) }

func stringOf(v ast.Node) (string, bool) {
	switch v := v.(type) {
	case *ast.StringNode:
		return v.Value, true
	case *ast.LiteralNode:
		return v.Value.Value, true
	}
	return "", false
}

// intOf takes whole numbers however they are written: JSON Schema counts 10.0
// as an integer too.
func intOf(v ast.Node) (int, bool) {
	switch v := v.(type) {
	case *ast.IntegerNode:
		switch i := v.Value.(type) {
		case int64:
			return int(i), i >= math.MinInt32 && i <= math.MaxInt32
		case uint64:
			return int(min(i, math.MaxInt32)), i <= math.MaxInt32
		}
	case *ast.FloatNode:
		return int(v.Value), v.Value == math.Trunc(v.Value) && math.Abs(v.Value) <= math.MaxInt32
	}
	return 0, false
}

// position is where a value starts, or its key where it has no text.
func position(v ast.Node, at place) *token.Position {
	switch v := v.(type) {
	case *ast.MappingNode:
		if !v.IsFlowStyle && len(v.Values) > 0 {
			return v.Values[0].Key.GetToken().Position
		}
	case *ast.NullNode:
		if v.Token.Type == token.ImplicitNullType && at.key != nil {
			return at.key
		}
	}
	return v.GetToken().Position
}

// describe names a value as the writer would.
func describe(v ast.Node) string {
	switch v := v.(type) {
	case *ast.MappingNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.NullNode:
		return "empty"
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		return v.GetToken().Value
	case *ast.StringNode:
		return "the string " + quote(v.Value)
	case *ast.LiteralNode:
		return "a text of several lines"
	}
	return "this"
}

// quote shows a text from the file in a message: bounded, and without
// characters that could act in a terminal.
func quote(s string) string {
	const most = 80
	if utf8.RuneCountInString(s) > most {
		s = string([]rune(s)[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}
