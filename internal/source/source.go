// Package source is one file's bytes: spans, the line table, and edits.
//
// [Span] is the only position the rest of hitrate computes with. [Lines] exists
// at the border to GitHub and the screen only, and the conversions say so in
// their names.
package source

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Span is a half-open range of bytes, [Start, End), of one file.
type Span struct{ Start, End int }

// Len is the number of bytes in the span.
func (s Span) Len() int { return s.End - s.Start }

// Contains says whether o lies wholly inside s.
func (s Span) Contains(o Span) bool { return s.Start <= o.Start && o.End <= s.End }

// Lines is an inclusive range of physical lines, 1-based, as GitHub and editors count them.
type Lines struct {
	First int `json:"first"`
	Last  int `json:"last"`
}

// Overlaps says whether the two ranges share a line.
func (l Lines) Overlaps(o Lines) bool { return l.First <= o.Last && o.First <= l.Last }

// Contains says whether o lies wholly inside l.
func (l Lines) Contains(o Lines) bool { return l.First <= o.First && o.Last <= l.Last }

// Hull is the smallest range that covers both.
func (l Lines) Hull(o Lines) Lines {
	return Lines{First: min(l.First, o.First), Last: max(l.Last, o.Last)}
}

// File is the text of one file of a repository. It is never modified.
type File struct {
	Path string // relative to the repository root, with slashes
	Data []byte
	// starts[i] is the offset of the first byte of line i+1.
	starts []int
}

// New computes the line table of data. A line ends with LF; a CR before it belongs to the line.
// A final newline does not start another line, and an empty file has one empty line.
func New(path string, data []byte) *File {
	starts := []int{0}
	for i, b := range data {
		if b == '\n' && i+1 < len(data) {
			starts = append(starts, i+1)
		}
	}
	return &File{Path: path, Data: data, starts: starts}
}

// LineCount is the number of physical lines.
func (f *File) LineCount() int { return len(f.starts) }

// Text returns the bytes of a span as a string.
func (f *File) Text(s Span) string { return string(f.Data[s.Start:s.End]) }

// HasCR says whether the file has a carriage return anywhere: such a file gets no suggestion
// on GitHub, whose handling of CRLF in suggestions is not reliable.
func (f *File) HasCR() bool { return bytes.IndexByte(f.Data, '\r') >= 0 }

// LineFromOffset returns the 1-based line that holds the byte at offset; an offset at the end
// of the file is on the last line.
func (f *File) LineFromOffset(offset int) int {
	return sort.SearchInts(f.starts, offset+1)
}

// LinesFromSpan returns the lines that a span touches. An empty span touches the line it stands on,
// and a span that ends right behind a newline does not touch the next line.
func (f *File) LinesFromSpan(s Span) Lines {
	first := f.LineFromOffset(s.Start)
	last := first
	if s.End > s.Start {
		last = f.LineFromOffset(s.End - 1)
	}
	return Lines{First: first, Last: last}
}

// SpanFromLines returns the bytes of whole lines, with the newline of the last one where it has one.
// Lines outside the file are cut off.
func (f *File) SpanFromLines(l Lines) Span {
	first := min(max(l.First, 1), len(f.starts))
	last := min(max(l.Last, first), len(f.starts))
	end := len(f.Data)
	if last < len(f.starts) {
		end = f.starts[last]
	}
	return Span{Start: f.starts[first-1], End: end}
}

// Newline returns the file's line end, "\r\n" when its first line ends so, else "\n".
func (f *File) Newline() string {
	if i := bytes.IndexByte(f.Data, '\n'); i > 0 && f.Data[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// Edit replaces the bytes of a span of the original file. Edits of one file are independent
// changes to the same baseline, like commits with one parent.
type Edit struct {
	Span Span
	New  string
}

// ReplaceLines is the edit that puts other text in the place of whole lines: text is without its last
// line end, "" deletes the lines. The last line keeps its line end, or the lack of one.
func (f *File) ReplaceLines(l Lines, text string) Edit {
	span := f.SpanFromLines(l)
	if text != "" && strings.HasSuffix(f.Text(span), "\n") {
		text += "\n"
	}
	return Edit{Span: span, New: text}
}

// OverlapError says that two edits touch the same bytes, or insert at the same place.
type OverlapError struct{ A, B Edit }

func (e *OverlapError) Error() string {
	return fmt.Sprintf("edits overlap: bytes %d-%d and %d-%d", e.A.Span.Start, e.A.Span.End, e.B.Span.Start, e.B.Span.End)
}

// Apply returns data with all edits made. It refuses edits outside the data and, with an
// [OverlapError], edits that overlap; two insertions at one place overlap, since their order
// would be a guess. The result shares no memory with data.
func Apply(data []byte, edits []Edit) ([]byte, error) {
	sorted := slices.Clone(edits)
	slices.SortFunc(sorted, func(a, b Edit) int {
		return cmp.Or(cmp.Compare(a.Span.Start, b.Span.Start), cmp.Compare(a.Span.End, b.Span.End))
	})
	var out bytes.Buffer
	at := 0
	for i, e := range sorted {
		if e.Span.Start < 0 || e.Span.End > len(data) || e.Span.Start > e.Span.End {
			return nil, fmt.Errorf("apply edit: bytes %d-%d lie outside the file's %d bytes", e.Span.Start, e.Span.End, len(data))
		}
		if i > 0 && (e.Span.Start < at || e.Span == sorted[i-1].Span) {
			return nil, &OverlapError{A: sorted[i-1], B: e}
		}
		out.Write(data[at:e.Span.Start])
		out.WriteString(e.New)
		at = e.Span.End
	}
	out.Write(data[at:])
	return out.Bytes(), nil
}
