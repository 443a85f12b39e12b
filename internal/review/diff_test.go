package review

import (
	"testing"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// patch has two hunks: new lines 1-5 (a row deleted before line 2, lines 2 and 3 added, a row deleted
// before line 5) and 20-22 (a row deleted at the end).
const patch = `@@ -1,5 +1,5 @@
 FROM python:3.11
-COPY . /srv
+COPY . /app
+WORKDIR /app
 RUN true
-RUN false
 CMD ["python"]
@@ -20,4 +20,3 @@ RUN something
 a
 b
 c
-d
\ No newline at end of file`

func TestAnchor(t *testing.T) {
	d, err := ParsePatch(patch)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name        string
		first, last int
		anchor      bool
	}{
		{"one added line", 2, 2, true},
		{"the deleted row stands right before the first line", 2, 4, true},
		{"a context line", 1, 1, true},
		{"a deleted row between the ends", 1, 2, false},
		{"a deleted row before the last line", 4, 5, false},
		{"a deleted row inside", 3, 5, false},
		{"the last line of a hunk, rows deleted behind it", 20, 22, true},
		{"outside every hunk", 10, 11, false},
		{"across two hunks", 5, 20, false},
		{"over the end of a hunk", 22, 23, false},
		{"over the start of a hunk", 19, 20, false},
		{"no line", 0, 0, false},
		{"backwards", 3, 2, false},
	} {
		if got := d.Anchor(source.Lines{First: test.first, Last: test.last}); got != test.anchor {
			t.Errorf("%s (%d-%d): %v", test.name, test.first, test.last, got)
		}
	}
}

func TestTouches(t *testing.T) {
	d, err := ParsePatch(patch)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name        string
		first, last int
		touches     bool
	}{
		{"an added line", 2, 2, true},
		{"a context line", 1, 1, false},
		{"a row deleted inside", 4, 5, true},
		{"a row deleted right above", 5, 5, false},
		{"a row deleted right below", 22, 22, false},
		{"a row deleted inside, at the end of a hunk", 22, 23, true},
		{"elsewhere", 10, 12, false},
		{"everything", 1, 1000000000, true},
	} {
		if got := d.Touches(source.Lines{First: test.first, Last: test.last}); got != test.touches {
			t.Errorf("%s (%d-%d): %v", test.name, test.first, test.last, got)
		}
	}
}

func TestCommentLines(t *testing.T) {
	d, err := ParsePatch(patch)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ lines, want source.Lines }{
		{source.Lines{First: 1, Last: 5}, source.Lines{First: 1, Last: 5}},     // words may stand over deleted rows
		{source.Lines{First: 4, Last: 9}, source.Lines{First: 4, Last: 4}},     // longer than the hunk
		{source.Lines{First: 15, Last: 30}, source.Lines{First: 20, Last: 20}}, // around the hunk
		{source.Lines{First: 10, Last: 12}, source.Lines{}},
	} {
		got, ok := d.CommentLines(test.lines)
		if got != test.want || ok != (test.want != source.Lines{}) {
			t.Errorf("%v: %v, %v", test.lines, got, ok)
		}
	}
}

func TestParsePatchEdges(t *testing.T) {
	line := func(n int) source.Lines { return source.Lines{First: n, Last: n} }
	for _, test := range []struct {
		name, patch string
		anchors     []int
		not         []int
	}{
		{"a new file", "@@ -0,0 +1,2 @@\n+a\n+b", []int{1, 2}, []int{3}},
		{"a new file without final newline", "@@ -0,0 +1 @@\n+a\n\\ No newline at end of file", []int{1}, []int{2}},
		{"the final newline comes", "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a", []int{1}, []int{2}},
		{"only deletions", "@@ -3,2 +2,0 @@\n-a\n-b", nil, []int{1, 2, 3}},
		{"rows that look like headers", "@@ -1,2 +1,2 @@\n--- a/file\n+++ b/file\n x", []int{1, 2}, []int{3}},
		{"CR in the text", "@@ -1 +1,2 @@\n a\r\n+b\r", []int{1, 2}, []int{3}},
		{"nothing", "", nil, []int{1}},
	} {
		d, err := ParsePatch(test.patch)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		for _, n := range test.anchors {
			if !d.Anchor(line(n)) {
				t.Errorf("%s: line %d has no place", test.name, n)
			}
		}
		for _, n := range test.not {
			if d.Anchor(line(n)) {
				t.Errorf("%s: line %d has a place", test.name, n)
			}
		}
	}
	for _, bad := range []string{"no hunk", "@@ -1,2 +1,2 @@\n a", "@@ -1 +1 @@\n-a\n+b\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b"} {
		if _, err := ParsePatch(bad); err == nil {
			t.Errorf("%q is no patch of one file", bad)
		}
	}
}

func TestDiffWithoutPatch(t *testing.T) {
	l := source.Lines{First: 2, Last: 2}
	for _, test := range []struct {
		name          string
		file          ChangedFile
		before, after []byte
		touches       bool
	}{
		{"a new file", ChangedFile{Status: "added"}, nil, []byte("a\nb\n"), true},
		{"a large change of the line", ChangedFile{Status: "modified"}, []byte("a\nb\n"), []byte("a\nc\n"), true},
		{"a large change elsewhere", ChangedFile{Status: "modified"}, []byte("a\nb\n"), []byte("c\nb\n"), false},
		{"a rename", ChangedFile{Status: "renamed"}, []byte("a\nb\n"), []byte("a\nb\n"), false},
		{"nothing known", ChangedFile{Status: "modified"}, nil, nil, false},
		{"a patch that is none", ChangedFile{Status: "modified", HasPatch: true, Patch: "?"}, []byte("a\nb\n"), []byte("a\nc\n"), true},
	} {
		d := diffOf(test.file, test.before, test.after)
		if got := d.Touches(l); got != test.touches {
			t.Errorf("%s: touches %v", test.name, got)
		}
		if d.Anchor(l) {
			t.Errorf("%s: nothing can be anchored without a patch", test.name)
		}
	}
}

func FuzzParsePatch(f *testing.F) {
	f.Add(patch, 1, 5)
	f.Add("@@ -0,0 +1 @@\n+a\n\\ No newline at end of file", 1, 1)
	f.Add("@@ -1,99999999999 +1,9223372036854775807 @@\n", 1, 1<<62)
	f.Fuzz(func(t *testing.T, patch string, first, last int) {
		d, err := ParsePatch(patch)
		if err != nil {
			return
		}
		l := source.Lines{First: first, Last: last}
		d.Touches(l)
		at, ok := d.CommentLines(l)
		if ok && (at.First < first || at.Last > last || at.First > at.Last) {
			t.Errorf("%v is not inside %v", at, l)
		}
		if d.Anchor(l) && (!ok || at != l) {
			t.Errorf("%v takes a suggestion but no words", l)
		}
	})
}
