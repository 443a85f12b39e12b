package source

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLines(t *testing.T) {
	tests := []struct {
		name, text string
		lines      []string // SpanFromLines of each line
	}{
		{"empty", "", []string{""}},
		{"one line", "a", []string{"a"}},
		{"final newline", "a\n", []string{"a\n"}},
		{"two lines", "a\nb", []string{"a\n", "b"}},
		{"blank lines", "\n\na\n\n", []string{"\n", "\n", "a\n", "\n"}},
		{"CRLF", "a\r\nb\r\n", []string{"a\r\n", "b\r\n"}},
		{"lone CR is no line end", "a\rb\n", []string{"a\rb\n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := New("x", []byte(tt.text))
			var got []string
			for n := 1; n <= f.LineCount(); n++ {
				got = append(got, f.Text(f.SpanFromLines(Lines{First: n, Last: n})))
			}
			if diff := cmp.Diff(tt.lines, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestLinesFromSpan(t *testing.T) {
	f := New("x", []byte("ab\ncd\nef\n"))
	tests := []struct {
		name string
		span Span
		want Lines
	}{
		{"inside a line", Span{0, 1}, Lines{1, 1}},
		{"with its newline", Span{0, 3}, Lines{1, 1}},
		{"one byte of the next", Span{0, 4}, Lines{1, 2}},
		{"all", Span{0, 9}, Lines{1, 3}},
		{"empty at the start", Span{0, 0}, Lines{1, 1}},
		{"empty before a newline", Span{2, 2}, Lines{1, 1}},
		{"empty behind a newline", Span{3, 3}, Lines{2, 2}},
		{"empty at the end of the file", Span{9, 9}, Lines{3, 3}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := f.LinesFromSpan(tt.span); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestSpanFromLinesOutside(t *testing.T) {
	f := New("x", []byte("a\nb\n"))
	for lines, want := range map[Lines]Span{
		{0, 1}: {0, 2}, {2, 9}: {2, 4}, {9, 9}: {2, 4}, {2, 1}: {2, 4}, {-5, -1}: {0, 2},
	} {
		if got := f.SpanFromLines(lines); got != want {
			t.Errorf("SpanFromLines(%v) = %v, want %v", lines, got, want)
		}
	}
}

func TestLineRanges(t *testing.T) {
	a := Lines{2, 4}
	for _, tt := range []struct {
		b                  Lines
		overlaps, contains bool
		hull               Lines
	}{
		{Lines{1, 1}, false, false, Lines{1, 4}},
		{Lines{1, 2}, true, false, Lines{1, 4}},
		{Lines{3, 3}, true, true, Lines{2, 4}},
		{Lines{2, 4}, true, true, Lines{2, 4}},
		{Lines{4, 5}, true, false, Lines{2, 5}},
		{Lines{5, 6}, false, false, Lines{2, 6}},
	} {
		if a.Overlaps(tt.b) != tt.overlaps || tt.b.Overlaps(a) != tt.overlaps || a.Contains(tt.b) != tt.contains || a.Hull(tt.b) != tt.hull {
			t.Errorf("%v and %v: overlaps %t, contains %t, hull %v", a, tt.b, a.Overlaps(tt.b), a.Contains(tt.b), a.Hull(tt.b))
		}
	}
	if s := (Span{2, 5}); s.Len() != 3 || !s.Contains(Span{2, 5}) || !s.Contains(Span{5, 5}) || s.Contains(Span{1, 3}) || s.Contains(Span{4, 6}) {
		t.Errorf("%v", s)
	}
}

func TestNewline(t *testing.T) {
	for text, want := range map[string]string{"": "\n", "a": "\n", "a\nb\r\n": "\n", "a\r\nb\n": "\r\n", "\n": "\n", "\r\n": "\r\n"} {
		f := New("x", []byte(text))
		if got := f.Newline(); got != want {
			t.Errorf("Newline of %q = %q, want %q", text, got, want)
		}
		if got := f.HasCR(); got != strings.Contains(text, "\r") {
			t.Errorf("HasCR of %q = %t", text, got)
		}
	}
}

func TestApply(t *testing.T) {
	const text = "0123456789"
	tests := []struct {
		name    string
		edits   []Edit
		want    string
		overlap bool
		wantErr bool
	}{
		{name: "none", want: text},
		{name: "replace", edits: []Edit{{Span{2, 4}, "x"}}, want: "01x456789"},
		{name: "delete all", edits: []Edit{{Span{0, 10}, ""}}, want: ""},
		{name: "in any order", edits: []Edit{{Span{8, 9}, "b"}, {Span{0, 0}, "a"}, {Span{10, 10}, "c"}}, want: "a01234567b9c"},
		{name: "side by side", edits: []Edit{{Span{2, 4}, "x"}, {Span{4, 6}, "y"}}, want: "01xy6789"},
		{name: "insertion before and behind a replacement", edits: []Edit{{Span{4, 4}, ">"}, {Span{2, 4}, "x"}, {Span{2, 2}, "<"}}, want: "01<x>456789"},
		{name: "overlap", edits: []Edit{{Span{2, 5}, "x"}, {Span{4, 6}, "y"}}, overlap: true},
		{name: "one inside the other", edits: []Edit{{Span{2, 8}, "x"}, {Span{4, 6}, "y"}}, overlap: true},
		{name: "insertion inside", edits: []Edit{{Span{2, 8}, "x"}, {Span{4, 4}, "y"}}, overlap: true},
		{name: "twice the same", edits: []Edit{{Span{2, 4}, "x"}, {Span{2, 4}, "x"}}, overlap: true},
		{name: "two insertions at one place", edits: []Edit{{Span{2, 2}, "x"}, {Span{2, 2}, "y"}}, overlap: true},
		{name: "behind the end", edits: []Edit{{Span{9, 11}, "x"}}, wantErr: true},
		{name: "before the start", edits: []Edit{{Span{-1, 1}, "x"}}, wantErr: true},
		{name: "turned around", edits: []Edit{{Span{4, 2}, "x"}}, wantErr: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Apply([]byte(text), tt.edits)
			var overlap *OverlapError
			if errors.As(err, &overlap) != tt.overlap || (err != nil) != (tt.overlap || tt.wantErr) {
				t.Fatalf("error %v", err)
			}
			if err == nil && string(got) != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestApplySharesNothing: neither the data nor the edits are changed, now or through the result.
func TestApplySharesNothing(t *testing.T) {
	data := []byte("abc")
	edits := []Edit{{Span{2, 3}, "z"}, {Span{0, 1}, "x"}}
	out, err := Apply(data, edits)
	if err != nil {
		t.Fatal(err)
	}
	out[1] = '!'
	if string(data) != "abc" || edits[0].New != "z" {
		t.Errorf("data %q, edits %v", data, edits)
	}
}

// FuzzLines: the line table partitions the text, and conversions there and back agree.
func FuzzLines(f *testing.F) {
	for _, text := range []string{"", "a", "a\nb\r\n\n", "\n\n", "\r"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file := New("x", data)
		var whole []byte
		for n := 1; n <= file.LineCount(); n++ {
			span := file.SpanFromLines(Lines{First: n, Last: n})
			whole = append(whole, file.Text(span)...)
			if span.Len() > 0 && file.LinesFromSpan(span) != (Lines{First: n, Last: n}) {
				t.Errorf("line %d is %v, which is on %v", n, span, file.LinesFromSpan(span))
			}
			if i := bytes.IndexByte(data[span.Start:span.End], '\n'); i >= 0 && i != span.Len()-1 {
				t.Errorf("line %d has a newline inside", n)
			}
		}
		if !bytes.Equal(whole, data) {
			t.Errorf("lines make %q, not %q", whole, data)
		}
		for offset := range len(data) + 1 {
			n := file.LineFromOffset(offset)
			if n < 1 || n > file.LineCount() {
				t.Fatalf("offset %d is on line %d of %d", offset, n, file.LineCount())
			}
			if span := file.SpanFromLines(Lines{First: n, Last: n}); offset < span.Start || offset > span.End {
				t.Errorf("offset %d is on line %d, which is %v", offset, n, span)
			}
		}
	})
}

// FuzzApply: two edits are applied or refused as their definition says, in either order.
func FuzzApply(f *testing.F) {
	f.Add([]byte("0123456789"), 2, 4, "x", 4, 6, "y")
	f.Add([]byte("0123456789"), 2, 2, "x", 2, 2, "y")
	f.Add([]byte("ab"), 0, 3, "", -1, 1, "")
	f.Fuzz(func(t *testing.T, data []byte, s1, e1 int, n1 string, s2, e2 int, n2 string) {
		a, b := Edit{Span{s1, e1}, n1}, Edit{Span{s2, e2}, n2}
		got, err := Apply(data, []Edit{a, b})
		again, errAgain := Apply(data, []Edit{b, a})
		if (err == nil) != (errAgain == nil) || !bytes.Equal(got, again) {
			t.Fatalf("order matters: %q, %v and %q, %v", got, err, again, errAgain)
		}
		valid := func(s Span) bool { return s.Start >= 0 && s.Start <= s.End && s.End <= len(data) }
		if !valid(a.Span) || !valid(b.Span) {
			if err == nil {
				t.Fatal("an edit outside the data was made")
			}
			return
		}
		if b.Span.Start < a.Span.Start || b.Span.Start == a.Span.Start && b.Span.End < a.Span.End {
			a, b = b, a
		}
		if b.Span.Start < a.Span.End || a.Span == b.Span {
			if err == nil {
				t.Fatalf("overlapping edits %v and %v were made", a, b)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		want := string(data[:a.Span.Start]) + a.New + string(data[a.Span.End:b.Span.Start]) + b.New + string(data[b.Span.End:])
		if string(got) != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}
