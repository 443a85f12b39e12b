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
	old, changed := string(before), string(after)
	unified, err := udiff.ToUnified(endName(from), endName(to), old, udiff.Lines(old, changed), udiff.DefaultContextLines)
	if err != nil {
		return "" // never: the edits are those of this text
	}
	return header + unified
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
