package report

import (
	"bytes"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bluekeyes/go-gitdiff/gitdiff"
)

// gitApply makes a folder of one file, applies a diff with the real git, and gives the
// file as it is then.
func gitApply(t *testing.T, path string, before []byte, diff string) ([]byte, error) {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, filepath.FromSlash(path))
	if before != nil {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, before, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// The settings of whoever runs the tests must not decide.
	env := append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	cmd := exec.Command(git, "apply", "--verbose", "-")
	cmd.Dir, cmd.Env, cmd.Stdin = dir, env, strings.NewReader(diff)
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("git apply: %w\n%s", err, out)
	}
	return os.ReadFile(file)
}

func TestDiffAppliesWithGit(t *testing.T) {
	lines := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "line %d\n", i)
		}
		return b.String()
	}
	tests := []struct{ name, path, before, after string }{
		{"change", "Dockerfile", "a\nb\nc\n", "a\nx\nc\n"},
		{"two places far apart", "Dockerfile", lines(40), strings.Replace(strings.Replace(lines(40), "line 3\n", "", 1), "line 30", "x", 1)},
		{"first line", "Dockerfile", lines(9), "x\n" + lines(9)},
		{"last line", "Dockerfile", lines(9), lines(9) + "x\n"},
		{"no final newline before", "Dockerfile", "a\nb", "a\nb\n"},
		{"no final newline after", "Dockerfile", "a\nb\n", "a\nb"},
		{"no final newline in both", "Dockerfile", "a\nb", "x\nb"},
		{"no final newline, added to", "Dockerfile", "a\nb", "a\nb\nc"},
		{"from empty", "Dockerfile", "", "a\n"},
		{"to empty", "Dockerfile", "a\n", ""},
		{"one line to none at the end", "Dockerfile", "a\nb", "a\n"},
		{"line ends of Windows", "Dockerfile", "a\r\nb\r\n", "a\r\nx\r\n"},
		{"not UTF-8", "Dockerfile", "a\xff\nb\n", "a\xff\nx\n"},
		{"in a folder", "docker/api/Dockerfile", "a\n", "b\n"},
		{"blank in the name", "my files/Docker file", "a\n", "b\n"},
		{"what looks like a date in the name", "a 2020-01-01 00:00:00", "a\n", "b\n"},
		{"quotes and backslashes in the name", `a"b\c`, "a\n", "b\n"},
		{"tab and newline in the name", "a\tb\nc", "a\n", "b\n"},
		{"letters beyond ASCII in the name", "bücher/日本", "a\n", "b\n"},
		{"bytes that are no UTF-8 in the name", "a\xff", "a\n", "b\n"},
		{"blank and quote in the name", `a "b`, "a\n", "b\n"},
		{"name that looks like a diff", "--- a", "a\n", "b\n"},
		{"lines that look like a diff", "Dockerfile", "--- a\n+++ b\n@@ -1 +1 @@\n", "--- b\n+++ b\n@@ -1 +1 @@\n-x\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			diff := Diff(test.path, []byte(test.before), []byte(test.after))
			got, err := gitApply(t, test.path, []byte(test.before), diff)
			if err != nil {
				t.Fatalf("%v\n%s", err, diff)
			}
			if string(got) != test.after {
				t.Errorf("got %q, want %q\n%s", got, test.after, diff)
			}
		})
	}
}

func TestDiffCreatesWithGit(t *testing.T) {
	for _, path := range []string{".dockerignore", "my files/.dockerignore", "bü\"cher/.dockerignore"} {
		for _, text := range []string{".git\n.venv\n", "one line without newline"} {
			diff := Diff(path, nil, []byte(text))
			got, err := gitApply(t, path, nil, diff)
			if err != nil {
				t.Errorf("%s: %v\n%s", path, err, diff)
			} else if string(got) != text {
				t.Errorf("%s: got %q, want %q\n%s", path, got, text, diff)
			}
		}
	}
}

func TestDiffOfNothing(t *testing.T) {
	if got := Diff("Dockerfile", []byte("a\n"), []byte("a\n")); got != "" {
		t.Errorf("got %q", got)
	}
}

// Any change of any small text survives git, in several diffs of one run.
func TestDiffAppliesAtRandom(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	text := func() string {
		var b bytes.Buffer
		for range rng.Intn(30) {
			b.WriteString([]string{"a", "b", "c", "", "-", "+", "\\"}[rng.Intn(7)] + "\n")
		}
		if rng.Intn(3) == 0 {
			b.WriteString("end")
		}
		return b.String()
	}
	for range 60 {
		before, after := text(), text()
		if before == after {
			continue
		}
		for context := range 4 {
			checkHunks(t, before, after, Hunks(before, after, context))
		}
		diff := Diff("f", []byte(before), []byte(after))
		got, err := gitApply(t, "f", []byte(before), diff)
		if err != nil {
			t.Fatalf("%q to %q: %v\n%s", before, after, err, diff)
		}
		if string(got) != after {
			t.Fatalf("%q to %q: got %q\n%s", before, after, got, diff)
		}
	}
}

// checkHunks holds each hunk against the lines that its header names on both sides: git looks elsewhere too
// when they are wrong, and may find the same lines in another place.
func checkHunks(t *testing.T, before, after, hunks string) {
	t.Helper()
	files, _, err := gitdiff.Parse(strings.NewReader("--- a/f\n+++ b/f\n" + hunks))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v\n%s", err, hunks)
	}
	side := func(text string, first, count int64, skip gitdiff.LineOp, lines []gitdiff.Line) bool {
		all := strings.SplitAfter(text, "\n")
		if count == 0 {
			first++
		}
		at := first - 1
		for _, l := range lines {
			if l.Op == skip {
				continue
			}
			if at < 0 || at >= int64(len(all)) || all[at] != l.Line {
				return false
			}
			at++
		}
		return at == first-1+count
	}
	for _, h := range files[0].TextFragments {
		if !side(before, h.OldPosition, h.OldLines, gitdiff.OpAdd, h.Lines) || !side(after, h.NewPosition, h.NewLines, gitdiff.OpDelete, h.Lines) {
			t.Errorf("the header of a hunk is wrong: %s\n%q to %q\n%s", h.Header(), before, after, hunks)
		}
	}
}
