package workflow

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The limits on one file keep reading it cheap whoever wrote it. Real workflows and compose files
// stay well below.
const (
	maxSize   = 256 << 10
	maxLines  = 5_000
	maxTokens = 60_000
	maxNested = 50 // of brackets, and of list dashes on one line
	// maxVisits is the most nodes looked at in one file, aliases followed and jobs read for each
	// combination of a matrix; maxTotalVisits is that of all files of a repository.
	maxVisits      = 500_000
	maxTotalVisits = 2_000_000
)

// document is one YAML document whose aliases and merge keys are followed while it is read, up to a
// budget: a small file can stand for gigabytes.
type document struct {
	root    ast.Node
	anchors map[string]ast.Node
	visits  *int
}

// yamlError is a text that is no YAML, or more than is read.
type yamlError struct {
	line    int
	message string
}

func (e *yamlError) Error() string { return e.message }

// readYAML reads the documents of a text; visits is the budget for looking at them.
func readYAML(data []byte, visits *int) ([]document, error) {
	if len(data) > maxSize {
		return nil, &yamlError{1, fmt.Sprintf("the file is too large: %d bytes of at most %d", len(data), maxSize)}
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	if n := bytes.Count(data, []byte("\n")); n > maxLines {
		return nil, &yamlError{1, fmt.Sprintf("the file is too long: %d lines of at most %d", n, maxLines)}
	}
	if !utf8.Valid(data) {
		return nil, &yamlError{1, "the file is not UTF-8"}
	}
	tokens := lexer.Tokenize(string(data))
	if err := checkTokens(tokens); err != nil {
		return nil, err
	}
	file, err := parseTokens(tokens)
	if err != nil {
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) && syntax.Token != nil {
			return nil, &yamlError{max(syntax.Token.Position.Line, 1), "bad YAML: " + printable(syntax.Message)}
		}
		return nil, &yamlError{1, "bad YAML: " + printable(err.Error())}
	}
	var documents []document
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		found := &anchorFinder{anchors: map[string]ast.Node{}}
		ast.Walk(found, d.Body)
		documents = append(documents, document{root: d.Body, anchors: found.anchors, visits: visits})
	}
	return documents, nil
}

// checkTokens refuses, before anything recurses into the text, nesting that no such file has.
func checkTokens(tokens token.Tokens) error {
	depth, dashes, line := 0, 0, 0
	for i, t := range tokens {
		if t.Position.Line != line {
			dashes, line = 0, t.Position.Line
		}
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType, token.MappingKeyType, token.AnchorType, token.TagType:
			dashes++
		}
		if depth > maxNested || dashes > maxNested || t.Position.IndentNum > 4*maxNested {
			return &yamlError{max(line, 1), "nested too deeply"}
		}
		if i == maxTokens {
			return &yamlError{max(line, 1), fmt.Sprintf("the file is too long: more than %d words and signs", maxTokens)}
		}
	}
	return nil
}

// parseTokens makes an error of a panic in the parser: a text that breaks it is a bad file, not a
// reason to stop the program.
func parseTokens(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			file, err = nil, fmt.Errorf("cannot be read: %v", p)
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// printable gives the first line of the parser's message, which can hold characters of the file,
// without those that could act in a terminal.
func printable(message string) string {
	line, _, _ := strings.Cut(message, "\n")
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return utf8.RuneError
	}, line)
}

type anchorFinder struct{ anchors map[string]ast.Node }

// Visit notes anchors; of two with one name the last one stands.
func (f *anchorFinder) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok && a.Name != nil && a.Value != nil {
		f.anchors[a.Name.GetToken().Value] = a.Value
	}
	return f
}

// resolve follows aliases and takes anchors and tags off; nil once the budget is spent, and for an
// alias of nothing.
func (d document) resolve(n ast.Node) ast.Node {
	for {
		if *d.visits--; *d.visits < 0 {
			return nil
		}
		switch v := n.(type) {
		case *ast.AnchorNode:
			n = v.Value
		case *ast.TagNode:
			n = v.Value
		case *ast.AliasNode:
			n = d.anchors[v.Value.GetToken().Value]
		default:
			return n
		}
		if n == nil {
			return nil
		}
	}
}

// spent says that the budget of visits is used up: the rest of the file was not read.
func (d document) spent() bool { return *d.visits < 0 }

// member is one key of a mapping.
type member struct {
	key    string
	line   int // of the key
	column int // of the key, 1-based, in characters
	value  ast.Node
}

// members gives the keys of a mapping, those of merge keys (<<) last and only where they are not
// given; nil for anything else.
func (d document) members(n ast.Node) []member {
	return d.collect(n, 0)
}

func (d document) collect(n ast.Node, depth int) []member {
	var values []*ast.MappingValueNode
	switch v := d.resolve(n).(type) {
	case *ast.MappingNode:
		values = v.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{v}
	default:
		return nil
	}
	var list, merged []member
	given := map[string]bool{}
	for _, v := range values {
		if *d.visits--; *d.visits < 0 || v.Key == nil {
			break
		}
		if _, ok := v.Key.(*ast.MergeKeyNode); ok {
			if depth == 8 {
				continue
			}
			if sequence, ok := d.resolve(v.Value).(*ast.SequenceNode); ok {
				for _, one := range sequence.Values {
					merged = append(merged, d.collect(one, depth+1)...)
				}
			} else {
				merged = append(merged, d.collect(v.Value, depth+1)...)
			}
			continue
		}
		t := v.Key.GetToken()
		name := t.Value
		if s, ok := v.Key.(*ast.StringNode); ok {
			name = s.Value
		}
		list = append(list, member{name, t.Position.Line, t.Position.Column, v.Value})
		given[name] = true
	}
	for _, m := range merged {
		if !given[m.key] {
			given[m.key] = true
			list = append(list, m)
		}
	}
	return list
}

// get gives the value of a key of a mapping; nil where it has none.
func (d document) get(n ast.Node, key string) ast.Node {
	m, _ := d.find(n, key)
	return m.value
}

func (d document) find(n ast.Node, key string) (member, bool) {
	for _, m := range d.members(n) {
		if m.key == key {
			return m, true
		}
	}
	return member{}, false
}

// items gives the values of a list; nil for anything else.
func (d document) items(n ast.Node) []ast.Node {
	if s, ok := d.resolve(n).(*ast.SequenceNode); ok {
		return s.Values
	}
	return nil
}

// scalar is one value with the line of its first character. For a block text (|) that is the line
// behind the sign, and each line of the text is a line of the file.
type scalar struct {
	text  string
	line  int
	block bool
}

// scalar gives a string, number or boolean as text.
func (d document) scalar(n ast.Node) (scalar, bool) {
	switch v := d.resolve(n).(type) {
	case *ast.StringNode:
		return scalar{text: v.Value, line: v.GetToken().Position.Line}, true
	case *ast.LiteralNode:
		return scalar{text: v.Value.Value, line: v.Start.Position.Line + 1, block: v.Start.Type == token.LiteralType}, true
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode:
		t := v.GetToken()
		return scalar{text: t.Value, line: t.Position.Line}, true
	}
	return scalar{}, false
}

// text gives a scalar's text, "" where there is none.
func (d document) text(n ast.Node) string {
	s, _ := d.scalar(n)
	return s.text
}
