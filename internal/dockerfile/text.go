package dockerfile

import (
	"sort"
	"strings"
	"unicode"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// text is a string put together from parts of the file that knows where each of its bytes stands
// there: a logical line without its continuations, a script, the value of a quoted word.
type text struct {
	s    string
	base int // of s[0] in the string that the segments describe
	segs []segment
}

// segment says that bytes [at, at+n) of a text come from bytes [file, file+fileN) of the file.
// Where the lengths differ the segment is one block (an escape sequence), else byte for byte.
type segment struct{ at, n, file, fileN int }

// part returns s[i:j] with its positions.
func (t text) part(i, j int) text { return text{s: t.s[i:j], base: t.base + i, segs: t.segs} }

// trim cuts blanks off both ends, as strings.TrimSpace.
func (t text) trim() text {
	left := len(t.s) - len(strings.TrimLeftFunc(t.s, unicode.IsSpace))
	return t.part(left, max(left, len(strings.TrimRightFunc(t.s, unicode.IsSpace))))
}

// segment finds the segment of a byte that exists.
func (t text) segment(i int) segment {
	at := t.base + i
	k := sort.Search(len(t.segs), func(k int) bool { return t.segs[k].at > at })
	if k == 0 {
		return segment{}
	}
	return t.segs[k-1]
}

// start is the file offset at which byte i begins; for i behind the last byte, where that ends.
func (t text) start(i int) int {
	if i >= len(t.s) {
		if len(t.s) == 0 && t.base == 0 && len(t.segs) == 0 {
			return 0
		}
		return t.end(i)
	}
	g := t.segment(i)
	if g.n == g.fileN {
		return g.file + t.base + i - g.at
	}
	return g.file
}

// end is the file offset right behind byte i-1.
func (t text) end(i int) int {
	if t.base+i == 0 {
		if len(t.segs) == 0 {
			return 0
		}
		return t.segs[0].file
	}
	g := t.segment(i - 1)
	if g.n == g.fileN {
		return g.file + t.base + i - g.at
	}
	return g.file + g.fileN
}

// span is where s[i:j] stands in the file, with everything between (continuations, comments).
func (t text) span(i, j int) source.Span {
	if i >= j {
		at := t.start(i)
		return source.Span{Start: at, End: at}
	}
	return source.Span{Start: t.start(i), End: t.end(j)}
}

// all is the span of the whole text.
func (t text) all() source.Span { return t.span(0, len(t.s)) }

// textBuilder puts a text together.
type textBuilder struct {
	sb   strings.Builder
	segs []segment
}

// add appends s, which stands at file for fileN bytes.
func (b *textBuilder) add(s string, file, fileN int) {
	if s == "" {
		return
	}
	at := b.sb.Len()
	b.sb.WriteString(s)
	if k := len(b.segs) - 1; k >= 0 && len(s) == fileN {
		if last := &b.segs[k]; last.n == last.fileN && last.file+last.fileN == file {
			last.n += fileN
			last.fileN += fileN
			return
		}
	}
	b.segs = append(b.segs, segment{at: at, n: len(s), file: file, fileN: fileN})
}

// addText appends a text with its positions.
func (b *textBuilder) addText(t text) {
	for i := 0; i < len(t.s); {
		g := t.segment(i)
		n := min(g.at+g.n-t.base-i, len(t.s)-i)
		if n <= 0 {
			return
		}
		if g.n == g.fileN {
			b.add(t.s[i:i+n], t.start(i), n)
		} else {
			b.add(t.s[i:i+n], g.file, g.fileN)
		}
		i += n
	}
}

func (b *textBuilder) text() text { return text{s: b.sb.String(), segs: b.segs} }
