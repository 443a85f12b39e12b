package workflow

import (
	"github.com/goccy/go-yaml/ast"
)

// AddsInputs says whether a workflow after an edit is the one before it but for new inputs, with these values,
// of the step whose "uses:" stands on a line. Everything else has to be equal, in the same order.
func AddsInputs(before, after []byte, line int, inputs map[string]string) bool {
	visits := maxVisits
	a, errBefore := readYAML(before, &visits)
	b, errAfter := readYAML(after, &visits)
	if errBefore != nil || errAfter != nil || len(a) != len(b) {
		return false
	}
	c := &comparison{line: line, inputs: inputs}
	for i := range a {
		if !c.equal(a[i].root, b[i].root) {
			return false
		}
	}
	return c.found == 1
}

// comparison compares two files, node by node; aliases are compared by name.
type comparison struct {
	line   int
	inputs map[string]string
	found  int // how often the step was found, with the inputs added
}

func (c *comparison) equal(a, b ast.Node) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if mapping := pairs(a); mapping != nil {
		return c.mappings(mapping, pairs(b))
	}
	switch a := a.(type) {
	case *ast.SequenceNode:
		b, ok := b.(*ast.SequenceNode)
		if !ok || len(a.Values) != len(b.Values) {
			return false
		}
		for i := range a.Values {
			if !c.equal(a.Values[i], b.Values[i]) {
				return false
			}
		}
		return true
	case *ast.AnchorNode:
		b, ok := b.(*ast.AnchorNode)
		return ok && c.equal(a.Name, b.Name) && c.equal(a.Value, b.Value)
	case *ast.TagNode:
		b, ok := b.(*ast.TagNode)
		return ok && a.Start.Value == b.Start.Value && c.equal(a.Value, b.Value)
	case *ast.AliasNode:
		b, ok := b.(*ast.AliasNode)
		return ok && c.equal(a.Value, b.Value)
	case *ast.LiteralNode:
		b, ok := b.(*ast.LiteralNode)
		return ok && a.Start.Value == b.Start.Value && a.Value.Value == b.Value.Value
	case *ast.StringNode:
		b, ok := b.(*ast.StringNode)
		return ok && a.Value == b.Value
	}
	return a.Type() == b.Type() && tokenText(a) == tokenText(b)
}

// tokenText is the text that a node begins with.
func tokenText(n ast.Node) string {
	if n == nil {
		return ""
	}
	if t := n.GetToken(); t != nil {
		return t.Value
	}
	return ""
}

// pairs are those of a mapping; nil for anything else.
func pairs(n ast.Node) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	return nil
}

func (c *comparison) mappings(a, b []*ast.MappingValueNode) bool {
	here := false
	for _, v := range a {
		here = here || tokenText(v.Key) == "uses" && v.Key.GetToken().Position.Line == c.line
	}
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !c.equal(a[i].Key, b[i].Key) {
			return false
		}
		if here && tokenText(a[i].Key) == "with" {
			if !c.added(pairs(a[i].Value), pairs(b[i].Value)) {
				return false
			}
			c.found++
			continue
		}
		if !c.equal(a[i].Value, b[i].Value) {
			return false
		}
	}
	return true
}

// added says whether b is a with exactly the inputs after it.
func (c *comparison) added(a, b []*ast.MappingValueNode) bool {
	if len(a) == 0 || len(b) != len(a)+len(c.inputs) || !c.mappings(a, b[:len(a)]) {
		return false
	}
	given := map[string]bool{}
	for _, v := range a {
		given[tokenText(v.Key)] = true
	}
	for _, v := range b[len(a):] {
		key := tokenText(v.Key)
		text, ok := v.Value.(*ast.StringNode)
		want, wanted := c.inputs[key]
		if !ok || !wanted || text.Value != want || given[key] {
			return false
		}
		given[key] = true
	}
	return true
}
