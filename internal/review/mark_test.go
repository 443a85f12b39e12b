package review

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/rules"
)

var testRef = Ref{Installation: 1, Repository: 42, Owner: "acme", Name: "app", Number: 7}

func TestMarksAreBelievedOnlyWhereTheyWereMade(t *testing.T) {
	marks := NewMarks([]byte("secret"))
	m := mark{Head: "abc", Items: []markItem{{
		IDs: []string{"one"}, Path: "Dockerfile", In: inline, Lead: true,
		Title: rules.Text{{Words: "--> <!-- "}, {Code: "x"}}, Fix: hashLines("a\nb"),
	}}}
	seal := marks.seal(testRef, m)
	if strings.Count(seal, "-->") != 1 || strings.Count(seal, "<!--") != 1 || strings.Contains(strings.Trim(seal, "<!->"), "--") {
		t.Errorf("the mark can break out of its comment: %s", seal)
	}
	got, ok := marks.open(testRef, "Some words.\n\n"+seal+"\n")
	if !ok || !cmp.Equal(got, m, cmpopts.IgnoreUnexported(markItem{})) {
		t.Errorf("open: %v\n%s", ok, cmp.Diff(m, got, cmpopts.IgnoreUnexported(markItem{})))
	}
	otherNumber, otherRepository := testRef, testRef
	otherNumber.Number++
	otherRepository.Repository++
	flipped := strings.Replace(seal, ".", "A.", 1)
	for name, test := range map[string]struct {
		marks Marks
		ref   Ref
		text  string
	}{
		"another secret":           {NewMarks([]byte("rotated")), testRef, seal},
		"another pull request":     {marks, otherNumber, seal},
		"another repository":       {marks, otherRepository, seal},
		"changed":                  {marks, testRef, flipped},
		"quoted above other words": {marks, testRef, seal + "\n\nWords."},
		"quoted above another":     {marks, testRef, seal + "\n\n" + NewMarks([]byte("rotated")).seal(testRef, m)},
		"another format":           {marks, testRef, strings.Replace(seal, "hitrate:1:", "hitrate:2:", 1)},
		"none":                     {marks, testRef, "Words."},
	} {
		if _, ok := test.marks.open(test.ref, test.text); ok {
			t.Errorf("%s: believed", name)
		}
	}
	if got := withoutMark("Words.\n\n" + seal); got != "Words." {
		t.Errorf("without mark: %q", got)
	}
}

func TestFindingIDSurvivesShiftsAndOtherWords(t *testing.T) {
	f := analysis.Finding{Rule: "r", Path: "p", Stage: "s", Subject: "x"}
	f.Lines.First = 3
	moved := f
	moved.Lines.First, moved.Weight, moved.Severity = 30, 9, "error"
	if findingID(f) != findingID(moved) {
		t.Error("the identity moves with the lines")
	}
	ids := map[string]bool{findingID(f): true}
	for _, change := range []func(*analysis.Finding){
		func(f *analysis.Finding) { f.Rule = "r2" },
		func(f *analysis.Finding) { f.Path = "p2" },
		func(f *analysis.Finding) { f.Stage = "s2" },
		func(f *analysis.Finding) { f.Subject = "x2" },
		func(f *analysis.Finding) { f.Ordinal = 1 },
		func(f *analysis.Finding) { f.Rule, f.Path = "rp", "" }, // no parts run together
	} {
		other := f
		change(&other)
		if ids[findingID(other)] {
			t.Errorf("%+v has the identity of another", other)
		}
		ids[findingID(other)] = true
	}
}

func TestLineHash(t *testing.T) {
	h := hashLines("b\nc")
	for text, line := range map[string]int{"a\nb\nc\nd\n": 2, "b\nc": 1, "b\nx\nc\n": 0, "": 0, "a\nb\nc": 2} {
		if got := h.find([]byte(text)); got != line {
			t.Errorf("%q: line %d, want %d", text, got, line)
		}
	}
	if hashLines(strings.Repeat("a\n", maxHashed+1)) != nil {
		t.Error("too long to be looked for")
	}
}

func FuzzOpenMark(f *testing.F) {
	marks := NewMarks([]byte("secret"))
	f.Add(marks.seal(testRef, mark{Head: "abc"}))
	f.Add("<!-- hitrate:1:AA.AA -->")
	f.Fuzz(func(t *testing.T, text string) {
		if m, ok := marks.open(testRef, text); ok && m.Head != "abc" {
			t.Errorf("believed a forged mark: %q", text)
		}
	})
}
