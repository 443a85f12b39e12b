package fix

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// edit replaces the first occurrence of old in text; "" for old inserts at the mark "|" of at.
type edit struct{ old, new string }

// unitOf makes a unit of edits against a text. An old text of "^x" inserts in front of x, "x$" behind it.
func unitOf(t *testing.T, text string, rank int, edits ...edit) *unit {
	t.Helper()
	u := &unit{finding: rank, rank: rank}
	for _, e := range edits {
		old := strings.TrimSuffix(strings.TrimPrefix(e.old, "^"), "$")
		at := strings.Index(text, old)
		if at < 0 {
			t.Fatalf("%q is not in the text", old)
		}
		span := source.Span{Start: at, End: at + len(old)}
		if strings.HasPrefix(e.old, "^") {
			span.End = span.Start
		} else if strings.HasSuffix(e.old, "$") {
			span.Start = span.End
		}
		u.edits = append(u.edits, source.Edit{Span: span, New: e.new})
	}
	return u
}

func TestMerge(t *testing.T) {
	type want struct {
		Lines       source.Lines
		Replacement string
		Findings    []int
	}
	for _, c := range []struct {
		name  string
		text  string
		units [][]edit // the costliest first
		want  []want
		after string
	}{
		{
			name:  "one line",
			text:  "a\nb\nc\n",
			units: [][]edit{{{"b", "x"}}},
			want:  []want{{source.Lines{First: 2, Last: 2}, "x", []int{0}}},
			after: "a\nx\nc\n",
		},
		{
			name:  "neighbours stay apart",
			text:  "a\nb\nc\n",
			units: [][]edit{{{"b", "x"}}, {{"c", "y"}}},
			want:  []want{{source.Lines{First: 2, Last: 2}, "x", []int{0}}, {source.Lines{First: 3, Last: 3}, "y", []int{1}}},
			after: "a\nx\ny\n",
		},
		{
			name:  "hulls that overlap are one, over several",
			text:  "a\nb\nc\nd\ne\n",
			units: [][]edit{{{"a", "A"}, {"c", "C"}}, {{"b", "B"}}, {{"^c", "!"}, {"e", "E"}}},
			want:  []want{{source.Lines{First: 1, Last: 5}, "A\nB\n!C\nd\nE", []int{0, 1, 2}}},
			after: "A\nB\n!C\nd\nE\n",
		},
		{
			name:  "an insertion repeats a line",
			text:  "a\nb\nc\n",
			units: [][]edit{{{"b$", "\nx"}}},
			want:  []want{{source.Lines{First: 2, Last: 2}, "b\nx", []int{0}}},
			after: "a\nb\nx\nc\n",
		},
		{
			name:  "an insertion at the start of a line repeats it",
			text:  "a\nb\nc\n",
			units: [][]edit{{{"^b", "x\n"}}},
			want:  []want{{source.Lines{First: 2, Last: 2}, "x\nb", []int{0}}},
			after: "a\nx\nb\nc\n",
		},
		{
			name:  "unchanged lines at the ends are left out",
			text:  "a\nb\nc\nd\n",
			units: [][]edit{{{"a\nb\nc\nd", "a\nx\nc\nd"}}},
			want:  []want{{source.Lines{First: 2, Last: 2}, "x", []int{0}}},
			after: "a\nx\nc\nd\n",
		},
		{
			name:  "lines go",
			text:  "a\nb\nc\n",
			units: [][]edit{{{"b\n", ""}}},
			want:  []want{{source.Lines{First: 2, Last: 2}, "", []int{0}}},
			after: "a\nc\n",
		},
		{
			name:  "a line goes between changes",
			text:  "a\nb\nc\n",
			units: [][]edit{{{"b\n", ""}, {"^c", "x "}}},
			want:  []want{{source.Lines{First: 2, Last: 3}, "x c", []int{0}}},
			after: "a\nx c\n",
		},
		{
			name:  "an empty line is not nothing",
			text:  "a\nb\nc\n",
			units: [][]edit{{{"b", ""}}},
			want:  []want{{source.Lines{First: 2, Last: 3}, "\nc", []int{0}}},
			after: "a\n\nc\n",
		},
		{
			name:  "an empty line at the end is not nothing",
			text:  "a\nb\n",
			units: [][]edit{{{"b", ""}}},
			want:  []want{{source.Lines{First: 1, Last: 2}, "a\n", []int{0}}},
			after: "a\n\n",
		},
		{
			name:  "a newline goes: the next line belongs to it",
			text:  "a\nb\nc\n",
			units: [][]edit{{{"a\n", "a "}}},
			want:  []want{{source.Lines{First: 1, Last: 2}, "a b", []int{0}}},
			after: "a b\nc\n",
		},
		{
			name:  "the next line may belong to another",
			text:  "a\nb\nc\n",
			units: [][]edit{{{"a\n", "a "}}, {{"b", "x"}}},
			want:  []want{{source.Lines{First: 1, Last: 2}, "a x", []int{0, 1}}},
			after: "a x\nc\n",
		},
		{
			name:  "no newline at the end of the file",
			text:  "a\nb",
			units: [][]edit{{{"b$", "\nc"}}},
			want:  []want{{source.Lines{First: 2, Last: 2}, "b\nc", []int{0}}},
			after: "a\nb\nc",
		},
		{
			name:  "the same edit wished by two",
			text:  "a\nb\n",
			units: [][]edit{{{"b", "x"}}, {{"b", "x"}}},
			want:  []want{{source.Lines{First: 2, Last: 2}, "x", []int{0, 1}}},
			after: "a\nx\n",
		},
		{
			name:  "CRLF stays",
			text:  "a\r\nb\r\nc\r\n",
			units: [][]edit{{{"b$", "\r\nx"}}},
			want:  []want{{source.Lines{First: 2, Last: 2}, "b\r\nx\r", []int{0}}},
			after: "a\r\nb\r\nx\r\nc\r\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			src := source.New("Dockerfile", []byte(c.text))
			var units []*unit
			for rank, edits := range c.units {
				units = append(units, unitOf(t, c.text, rank, edits...))
			}
			units = withoutConflicts(units, func(u *unit) { t.Errorf("unit %d conflicts", u.rank) })
			groups, idle := merge(src, units)
			if len(idle) > 0 {
				t.Errorf("%d units change nothing", len(idle))
			}
			var got []want
			var suggestions []Suggestion
			for _, g := range groups {
				got = append(got, want{g.Lines, g.Replacement, g.Findings})
				suggestions = append(suggestions, g.Suggestion)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("suggestions (-want +got):\n%s", diff)
			}
			if after := string(Apply(src, suggestions)); after != c.after {
				t.Errorf("the file becomes %q, want %q", after, c.after)
			}
		})
	}
}

func TestMergeFindsWhatChangesNothing(t *testing.T) {
	text := "a\nb\n"
	groups, idle := merge(source.New("Dockerfile", []byte(text)), []*unit{unitOf(t, text, 0, edit{"b", "b"})})
	if len(groups) != 0 || len(idle) != 1 {
		t.Errorf("got %d suggestions and %d idle units, want none and one", len(groups), len(idle))
	}
}

func TestConflicts(t *testing.T) {
	text := "RUN one\nRUN two\n"
	mounts := func(u *unit) *unit {
		u.effects = []rules.Effect{rules.AddCacheMount{}}
		return u
	}
	for _, c := range []struct {
		name  string
		units []*unit
		lost  []int
	}{
		{"apart", []*unit{unitOf(t, text, 0, edit{"one", "x"}), unitOf(t, text, 1, edit{"two", "y"})}, nil},
		{"the same bytes", []*unit{unitOf(t, text, 0, edit{"one", "x"}), unitOf(t, text, 1, edit{"one", "y"})}, []int{1}},
		{"one inside the other", []*unit{unitOf(t, text, 0, edit{"RUN one", "x"}), unitOf(t, text, 1, edit{"one", "y"})}, []int{1}},
		{"inserted at one place", []*unit{unitOf(t, text, 0, edit{"^one", "x"}), unitOf(t, text, 1, edit{"^one", "y"})}, []int{1}},
		{"mounts at one place", []*unit{mounts(unitOf(t, text, 0, edit{"^one", "x "})), mounts(unitOf(t, text, 1, edit{"^one", "y "}))}, nil},
		{"the third is free of the first", []*unit{unitOf(t, text, 0, edit{"one", "x"}), unitOf(t, text, 1, edit{"one", "y"}, edit{"two", "z"}), unitOf(t, text, 2, edit{"two", "w"})}, []int{1}},
		{"with itself", []*unit{unitOf(t, text, 0, edit{"RUN one", "x"}, edit{"one", "y"})}, []int{0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var lost []int
			kept := withoutConflicts(c.units, func(u *unit) { lost = append(lost, u.rank) })
			if !slices.Equal(lost, c.lost) || len(kept)+len(lost) != len(c.units) {
				t.Errorf("lost %v and kept %d, want to lose %v", lost, len(kept), c.lost)
			}
		})
	}
}

func TestMountsAtOnePlaceAreOneEdit(t *testing.T) {
	text := "RUN pip\n"
	a, b := unitOf(t, text, 0, edit{"^pip", "--mount=a "}), unitOf(t, text, 1, edit{"^pip", "--mount=b "})
	groups, _ := merge(source.New("Dockerfile", []byte(text)), []*unit{a, b})
	if len(groups) != 1 || groups[0].Replacement != "RUN --mount=a --mount=b pip" {
		t.Errorf("got %+v", groups)
	}
}

func TestSubsets(t *testing.T) {
	for n, want := range map[int]int{1: 1, 2: 3, 6: 63, 7: 7 + 21 + 1} {
		all := subsets(n)
		if len(all) != want || len(all) != subsetCount(n) {
			t.Errorf("%d suggestions: %d subsets, counted as %d, want %d", n, len(all), subsetCount(n), want)
		}
		for i := 1; i < len(all); i++ {
			if len(all[i]) < len(all[i-1]) {
				t.Errorf("%d suggestions: a larger subset before a smaller one", n)
			}
		}
	}
}

func TestHiddenText(t *testing.T) {
	for text, want := range map[string]bool{
		"COPY . /app\r\n\tRUN x": false, "é ü 日本": false,
		"a\u202eb": true, "a\u200bb": true, "\ufeffFROM x": true, "a\u2066b": true, "a\x1b[31mb": true, "a\x00b": true,
	} {
		if got := hasHidden(text); got != want {
			t.Errorf("hasHidden(%q) = %v, want %v", text, got, want)
		}
	}
}
