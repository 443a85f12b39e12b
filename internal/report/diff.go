package report

import (
	"fmt"
	"strings"

	"github.com/aymanbagabas/go-udiff"
)

// Diff is the unified diff of one file that "git apply" takes: with three lines of context, names
// quoted as git quotes them, and the marker for a missing final newline. A nil before is a file that
// is created. It is "" where nothing changes.
//
// The lines are those of the file, byte for byte: what shows a diff to a person has to see to it that
// nothing in them acts (see [Plain] for texts).
func Diff(path string, before, after []byte) string {
	from, to := quotePath("a/"+path), quotePath("b/"+path)
	header := "diff --git " + from + " " + to + "\n"
	if before == nil {
		header += "new file mode 100644\n"
		from = "/dev/null"
	} else if string(before) == string(after) {
		return ""
	}
	hunks := Hunks(string(before), string(after), 3)
	if hunks == "" {
		return header // an empty file that is created
	}
	return header + "--- " + endName(from) + "\n+++ " + endName(to) + "\n" + hunks
}

// Hunks are the hunks of a unified diff with so many lines of context, numbered as git numbers them; "" where
// nothing changes.
func Hunks(before, after string, context int) string {
	u, err := udiff.ToUnifiedDiff("", "", before, udiff.Lines(before, after), context)
	if err != nil {
		return "" // never: the edits are those of this text
	}
	var b strings.Builder
	moved := 0 // how many lines more there are after the hunks so far
	for _, h := range u.Hunks {
		var text strings.Builder
		old, now := 0, 0
		for _, l := range h.Lines {
			switch l.Kind {
			case udiff.Delete:
				old++
				text.WriteByte('-')
			case udiff.Insert:
				now++
				text.WriteByte('+')
			default:
				old++
				now++
				text.WriteByte(' ')
			}
			text.WriteString(l.Content)
			if !strings.HasSuffix(l.Content, "\n") {
				text.WriteString("\n\\ No newline at end of file\n")
			}
		}
		// The library's own lines of the new side are wrong behind a hunk of several edits.
		fmt.Fprintf(&b, "@@ -%s +%s @@\n%s", hunkRange(h.FromLine, old), hunkRange(h.FromLine+moved, now), &text)
		moved += now - old
	}
	return b.String()
}

// hunkRange is one side of a hunk's header: of no lines it names the one before.
func hunkRange(first, count int) string {
	switch count {
	case 0:
		return fmt.Sprintf("%d,0", first-1)
	case 1:
		return fmt.Sprint(first)
	}
	return fmt.Sprintf("%d,%d", first, count)
}

// endName ends a file's name in a line of --- or +++ as git does: with a tab where it has blanks, so
// that nobody takes what follows a blank for a date.
func endName(name string) string {
	if strings.Contains(name, " ") && !strings.HasPrefix(name, `"`) {
		return name + "\t"
	}
	return name
}

// quotePath writes a path as git does (core.quotePath): as it is, or in quotes with C's escapes where
// it has control characters, quotes, backslashes or bytes beyond ASCII.
func quotePath(path string) string {
	var b strings.Builder
	quoted := false
	for i := range len(path) {
		c := path[i]
		if at := strings.IndexByte("\a\b\t\n\v\f\r\"\\", c); at >= 0 {
			b.WriteByte('\\')
			b.WriteByte("abtnvfr\"\\"[at])
			quoted = true
		} else if c < ' ' || c >= 0x7f {
			fmt.Fprintf(&b, `\%03o`, c)
			quoted = true
		} else {
			b.WriteByte(c)
		}
	}
	if quoted {
		return `"` + b.String() + `"`
	}
	return path
}

// Diff is the unified diff of all files that suggestions change or create, for "git apply".
func (c *Check) Diff() (string, error) {
	changes, err := c.Changes()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, change := range changes {
		b.WriteString(Diff(change.Path, change.Before, change.After))
	}
	return b.String(), nil
}
