package dockerfile

import (
	"bytes"
	"strings"
	"unicode"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/hitrate-bot/hitrate/internal/source"
)

var byteOrderMark = []byte{0xEF, 0xBB, 0xBF}

// lineReader reads the physical lines of a file as BuildKit's parser does, with their positions.
type lineReader struct {
	src      *source.File
	escape   byte
	comments []Comment // all whole-line comments met, directives among them
}

// line returns the bytes of a physical line, without its newline and without a byte order mark
// at the start of the file, and the offset of the first one.
func (r *lineReader) line(n int) ([]byte, int) {
	span := r.src.SpanFromLines(source.Lines{First: n, Last: n})
	data := r.src.Data[span.Start:span.End]
	at := span.Start
	if n == 1 && bytes.HasPrefix(data, byteOrderMark) {
		data = data[len(byteOrderMark):]
		at += len(byteOrderMark)
	}
	return bytes.TrimRight(data, "\r\n"), at
}

// comment records line n when it is a whole-line comment.
func (r *lineReader) comment(n int) bool {
	data, at := r.line(n)
	trimmed := bytes.TrimLeftFunc(data, unicode.IsSpace)
	if len(trimmed) == 0 || trimmed[0] != '#' {
		return false
	}
	at += len(data) - len(trimmed)
	r.comments = append(r.comments, Comment{
		Text: strings.TrimSpace(string(trimmed[1:])),
		Span: source.Span{Start: at, End: at + len(trimmed)},
	})
	return true
}

// cutContinuation removes an escape character that ends a line, with the blanks behind it. An
// escaped escape character does not continue a line.
func (r *lineReader) cutContinuation(line []byte) ([]byte, bool) {
	end := len(bytes.TrimRight(line, " \t"))
	if end == 0 || line[end-1] != r.escape || (end > 1 && line[end-2] == r.escape) {
		return line, false
	}
	return line[:end-1], true
}

// logical reads the instruction that begins on line n: its lines joined, without continuations and
// the comments and empty lines between them; and the number of the line behind it.
func (r *lineReader) logical(n int) (text, int) {
	var b textBuilder
	line, at := r.line(n)
	trimmed := bytes.TrimLeftFunc(line, unicode.IsSpace)
	at += len(line) - len(trimmed)
	line, more := r.cutContinuation(trimmed)
	b.add(string(line), at, len(line))
	n++
	for ; more && n <= r.src.LineCount(); n++ {
		if r.comment(n) {
			continue
		}
		line, at := r.line(n)
		if len(bytes.TrimLeftFunc(line, unicode.IsSpace)) == 0 {
			continue
		}
		line, more = r.cutContinuation(line)
		b.add(string(line), at, len(line))
	}
	return b.text(), n
}

// heredoc is the body of a here-document and the word that ends it.
type heredoc struct {
	parser.Heredoc
	body, end text
}

// heredocAt reads the here-document whose body begins on line n, and returns the line behind it.
func (r *lineReader) heredocAt(doc parser.Heredoc, n int) (heredoc, int) {
	var body, end textBuilder
	for ; n <= r.src.LineCount(); n++ {
		span := r.src.SpanFromLines(source.Lines{First: n, Last: n})
		raw := r.src.Data[span.Start:span.End]
		word := bytes.TrimRight(raw, "\r\n")
		if doc.Chomp {
			word = bytes.TrimLeft(word, "\t")
		}
		if string(word) == doc.Name {
			at := span.Start + len(bytes.TrimRight(raw, "\r\n")) - len(word)
			end.add(doc.Name, at, len(word))
			n++
			break
		}
		body.add(string(raw), span.Start, len(raw))
	}
	return heredoc{Heredoc: doc, body: body.text(), end: end.text()}, n
}

// chomped is the body with the tabs at the start of its lines removed.
func (h heredoc) chomped() text {
	var b textBuilder
	rest := h.body
	for rest.s != "" {
		end := strings.IndexByte(rest.s, '\n') + 1
		if end == 0 {
			end = len(rest.s)
		}
		line := rest.part(0, end)
		b.addText(line.part(len(line.s)-len(strings.TrimLeft(line.s, "\t")), len(line.s)))
		rest = rest.part(end, len(rest.s))
	}
	return b.text()
}

// directives reads the parser directives at the top of the file. bad is the line of the one that
// BuildKit refuses (a repeated one, an unknown escape character); 0 without.
func (r *lineReader) directives() (found []Directive, bad int) {
	var p parser.DirectiveParser
	for n := 1; n <= r.src.LineCount(); n++ {
		data, at := r.line(n)
		trimmed := bytes.TrimLeftFunc(data, unicode.IsSpace)
		at += len(data) - len(trimmed)
		d, err := p.ParseLine(trimmed)
		if err != nil {
			return found, n
		}
		if d == nil {
			return found, 0
		}
		if d.Name == "escape" {
			if d.Value != "`" && d.Value != `\` {
				return found, n
			}
			r.escape = d.Value[0]
		}
		found = append(found, Directive{Name: d.Name, Value: d.Value, Span: source.Span{Start: at, End: at + len(trimmed)}})
	}
	return found, 0
}
