package requirements

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// logicalLine is what pip reads as one line: continuations joined, comment and outer blanks gone.
type logicalLine struct {
	text string
	span source.Span // from the first byte of the text to its last, on all its physical lines
}

// piece is a run of bytes of a logical line that stand together in the file.
type piece struct {
	joined int // where it starts in the joined text
	span   source.Span
}

// logicalLines joins and strips as pip does: a line that ends in a backslash goes on, unless it is a
// comment line; a comment line ends the continuation that it stands in; comments are cut after
// joining, so that one behind a requirement swallows what the backslash behind it joins. Source:
// pip's documentation, "Requirements File Format"; compared line by line with pip 23.2 on the cases in
// testdata and 189 files of public repositories.
func logicalLines(data []byte, offset int) []logicalLine {
	var lines []logicalLine
	var joined strings.Builder
	var pieces []piece
	flush := func() {
		if l, ok := strip(joined.String(), pieces); ok {
			lines = append(lines, l)
		}
		joined.Reset()
		pieces = pieces[:0]
	}
	for _, s := range physicalLines(data, offset) {
		text := string(data[s.Start:s.End])
		comment := isCommentLine(text)
		if goesOn := strings.HasSuffix(text, `\`) && !comment; goesOn {
			// pip strips backslashes at both ends of the line.
			s.Start += len(text) - len(strings.TrimLeft(text, `\`))
			text = strings.Trim(text, `\`)
			s.End = s.Start + len(text)
			pieces = append(pieces, piece{joined.Len(), s})
			joined.WriteString(text)
			continue
		}
		if comment {
			joined.WriteByte(' ') // so that it is a comment wherever the joined line has led
		}
		pieces = append(pieces, piece{joined.Len(), s})
		joined.WriteString(text)
		flush()
	}
	flush()
	return lines
}

// physicalLines splits where Python's str.splitlines does, which is more than LF.
func physicalLines(data []byte, offset int) []source.Span {
	var spans []source.Span
	start := offset
	for i := offset; i < len(data); {
		c, size := utf8.DecodeRune(data[i:])
		switch {
		case c == '\r' && i+1 < len(data) && data[i+1] == '\n':
			size = 2
		case c == '\n', c == '\r', c == '\v', c == '\f', 0x1c <= c && c <= 0x1e, c == 0x85, c == 0x2028, c == 0x2029:
		default:
			i += size
			continue
		}
		spans = append(spans, source.Span{Start: start, End: i})
		i += size
		start = i
	}
	if start < len(data) {
		spans = append(spans, source.Span{Start: start, End: len(data)})
	}
	return spans
}

// isSpace is Python's str.isspace.
func isSpace(c rune) bool { return unicode.IsSpace(c) || 0x1c <= c && c <= 0x1f }

func isCommentLine(text string) bool {
	return strings.HasPrefix(strings.TrimLeftFunc(text, isSpace), "#")
}

// strip cuts the comment and the outer blanks off a joined line and finds where the rest stands.
func strip(text string, pieces []piece) (logicalLine, bool) {
	end := len(text)
	blank := true
	for i, c := range text {
		if c == '#' && blank {
			end = i
			break
		}
		blank = isSpace(c)
	}
	kept := strings.TrimRightFunc(text[:end], isSpace)
	trimmed := strings.TrimLeftFunc(kept, isSpace)
	if trimmed == "" {
		return logicalLine{}, false
	}
	return logicalLine{text: trimmed, span: source.Span{
		Start: fileOffset(pieces, len(kept)-len(trimmed)),
		End:   fileOffset(pieces, len(kept)-1) + 1,
	}}, true
}

// fileOffset finds the byte of the file that stands at a place of the joined text.
func fileOffset(pieces []piece, at int) int {
	for i := len(pieces) - 1; i > 0; i-- {
		if p := pieces[i]; p.joined <= at && p.span.Len() > 0 {
			return p.span.Start + at - p.joined
		}
	}
	return pieces[0].span.Start + at - pieces[0].joined
}
