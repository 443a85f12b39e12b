package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// The limits on a file keep reading it cheap whoever wrote it. They are far
// above what a configuration needs.
const (
	// MaxSize is the most bytes that a file may have.
	MaxSize = 64 << 10
	// maxLines is there because the lexer's time grows with the square of the
	// empty lines in a block text.
	maxLines  = 4_000
	maxTokens = 10_000
	maxDepth  = 16 // of brackets, and of list dashes on one line
)

// Parse reads one configuration file. The path is used in errors only. Where
// anything is wrong with the file it returns no layer and an Errors that names
// every problem: first of the encoding, then of the YAML, then of its content,
// each kind only where those before are absent. An empty file is a layer that
// sets nothing. The layer's origin is OriginRepository.
func Parse(path string, data []byte, rules []RuleSchema) (*Layer, error) {
	r := &reader{path: path}
	layer := &Layer{Path: path, Origin: OriginRepository, values: map[string]any{}}
	text, ok := r.text(data)
	if !ok {
		return nil, r.result()
	}
	body := r.yaml(text)
	if err := r.result(); err != nil {
		return nil, err
	}
	if body != nil {
		if v, ok := r.value(body, repositoryNode(rules), place{}); ok {
			layer.values = v.(map[string]any)
		}
	}
	if err := r.result(); err != nil {
		return nil, err
	}
	return layer, nil
}

// reader collects the problems of one file.
type reader struct {
	path   string
	errors Errors
}

func (r *reader) fail(line, column int, allowed []string, format string, args ...any) {
	r.errors = append(r.errors, &Error{
		Path: r.path, Line: max(line, 1), Column: max(column, 1),
		Message: fmt.Sprintf(format, args...), Allowed: allowed,
	})
}

func (r *reader) failAt(p *token.Position, allowed []string, format string, args ...any) {
	r.fail(p.Line, p.Column, allowed, format, args...)
}

// result is nil or the problems in the order of the file.
func (r *reader) result() error {
	if len(r.errors) == 0 {
		return nil
	}
	slices.SortStableFunc(r.errors, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return r.errors
}

// text checks the encoding and gives the text with line feeds only, which
// moves no line and no column.
func (r *reader) text(data []byte) (string, bool) {
	if len(data) > MaxSize {
		r.fail(1, 1, nil, "the file is too large: %d bytes of at most %d", len(data), MaxSize)
		return "", false
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	data = bytes.ReplaceAll(data, []byte("\r"), []byte("\n"))
	line, column := 1, 1
	for rest := data; len(rest) > 0; {
		c, size := utf8.DecodeRune(rest)
		switch {
		case c == utf8.RuneError && size == 1:
			r.fail(line, column, nil, "the file is not UTF-8: byte %#02x", rest[0])
			return "", false
		case c == '\n':
			line, column = line+1, 0
			if line > maxLines+1 {
				r.fail(maxLines+1, 1, nil, "the file is too long: more than %d lines", maxLines)
				return "", false
			}
		case c == '\t':
		case c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 && c != 0x85 || c == 0xfeff:
			r.fail(line, column, nil, "the character U+%04X is not allowed in YAML", c)
			return "", false
		}
		rest = rest[size:]
		column++
	}
	return string(data), true
}

// yaml gives the root of the file's one document, or nil where it has none.
func (r *reader) yaml(text string) ast.Node {
	tokens := lexer.Tokenize(text)
	r.tokens(tokens)
	if len(r.errors) > 0 {
		return nil
	}
	file, err := parseTokens(tokens)
	if err != nil {
		var syntax *yaml.SyntaxError
		if errors.As(err, &syntax) && syntax.Token != nil {
			r.failAt(syntax.Token.Position, nil, "bad YAML: %s", printable(syntax.Message))
		} else {
			r.fail(1, 1, nil, "bad YAML: %s", printable(err.Error()))
		}
		return nil
	}
	for _, doc := range file.Docs {
		if doc.Body != nil {
			return doc.Body
		}
	}
	return nil
}

// parseTokens makes an error of a panic in the parser: a text that breaks it
// is a bad file, not a reason to stop the program.
func parseTokens(tokens token.Tokens) (file *ast.File, err error) {
	defer func() {
		if p := recover(); p != nil {
			file, err = nil, fmt.Errorf("cannot be read: %v", p)
		}
	}()
	return parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
}

// printable gives the first line of a message of the parser, which can hold
// characters of the file, without those that could act in a terminal.
func printable(message string) string {
	line, _, _ := strings.Cut(message, "\n")
	line = strings.ReplaceAll(line, "\t", `\t`)
	return strings.Map(func(c rune) rune {
		if unicode.IsPrint(c) {
			return c
		}
		return utf8.RuneError
	}, line)
}

// tokens refuses, before anything recurses into the text, what a configuration
// has no use for and what makes reading it costly: aliases (a small file can
// stand for gigabytes), deep nesting, several documents.
func (r *reader) tokens(tokens token.Tokens) {
	count, depth, dashes, last := 0, 0, 0, 0
	content, ended := false, false
	refused := 0 // line of the last refusal: one a line is enough
	refuse := func(t *token.Token, format string, args ...any) {
		if t.Position.Line != refused {
			refused = t.Position.Line
			r.failAt(t.Position, nil, format, args...)
		}
	}
	for _, t := range tokens {
		if t.Type == token.CommentType {
			continue
		}
		if count++; count > maxTokens {
			r.failAt(t.Position, nil, "the file is too long: more than %d words and signs", maxTokens)
			return
		}
		if t.Position.Line != last {
			dashes, last = 0, t.Position.Line
		}
		switch t.Type {
		case token.DocumentHeaderType:
			if content {
				refuse(t, "the file must be one YAML document: a second one starts here")
				return
			}
		case token.DocumentEndType:
			ended = true
		case token.AliasType:
			refuse(t, "YAML aliases are not allowed; a text that starts with * needs quotes")
		case token.AnchorType:
			refuse(t, "YAML anchors are not allowed; a text that starts with & needs quotes")
		case token.TagType:
			refuse(t, "YAML tags are not allowed; a text that starts with ! needs quotes")
		case token.MergeKeyType:
			refuse(t, "YAML merge keys (<<) are not allowed")
		case token.MappingKeyType:
			refuse(t, "YAML's ? keys are not allowed; write key: value")
		case token.DirectiveType:
			refuse(t, "YAML directives are not allowed; a text that starts with %% needs quotes")
			return
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			dashes++
		}
		if depth > maxDepth || dashes > maxDepth {
			refuse(t, "nested too deeply")
			return
		}
		if ended && t.Type != token.DocumentEndType {
			refuse(t, "the file must be one YAML document: it has ended above")
			return
		}
		content = true
	}
}
