package report

import (
	"slices"
	"strings"

	"github.com/rivo/uniseg"
)

// Bounds of a table, in cells of a terminal.
const (
	minStep  = 24 // a step is cut no shorter
	maxStep  = 60 // nor shown longer, for the reasons behind it
	minCause = 24 // below this much room the causes stand on lines of their own
	gap      = 2
)

// table lays out the steps of a plan: columns of which the second is cut to fit and the last is
// broken into lines. It counts cells as a terminal does: a character may take none, one or two.
type table struct {
	head   []string
	rows   []tableRow
	width  int
	colour bool
}

// tableRow is a row, or with no cells the title of a section.
type tableRow struct {
	title, look string // look is that of the state
	cells       []string
}

func newTable(width int, colour bool) *table { return &table{width: width, colour: colour} }

func (t *table) section(title string) { t.rows = append(t.rows, tableRow{title: title}) }

func (t *table) row(look string, cells ...string) {
	t.rows = append(t.rows, tableRow{look: look, cells: cells})
}

// stateColumn is the column that has a look.
const stateColumn = 2

func (t *table) String() string {
	last := len(t.head) - 1
	widths := make([]int, last)
	for i := range widths {
		widths[i] = cells(t.head[i])
		for _, r := range t.rows {
			if r.cells != nil {
				widths[i] = max(widths[i], cells(r.cells[i]))
			}
		}
	}
	fixed := gap * last
	for i, w := range widths {
		if i != 1 {
			fixed += w
		}
	}
	widths[1] = min(widths[1], max(minStep, min(maxStep, t.width-fixed-minCause)))
	room := t.width - fixed - widths[1]
	var b strings.Builder
	write := func(look string, row []string) {
		var line strings.Builder
		for i, w := range widths {
			text := fit(row[i], w)
			padding := strings.Repeat(" ", w-cells(text)+gap)
			switch i {
			case 0:
				line.WriteString(padding[gap:] + paint(t.colour, dim, text) + padding[:gap])
				continue
			case stateColumn:
				text = paint(t.colour, look, text)
			}
			line.WriteString(text + padding)
		}
		causes := wrap(row[last], max(room, minCause))
		indent := strings.Repeat(" ", fixed+widths[1])
		if room < minCause {
			indent = strings.Repeat(" ", widths[0]+gap)
			causes = append([]string{""}, wrap(row[last], max(minCause, t.width-len(indent)))...)
		}
		for i, c := range causes {
			if i > 0 {
				line.WriteString("\n" + indent)
			}
			line.WriteString(c)
		}
		for l := range strings.SplitSeq(line.String(), "\n") {
			b.WriteString(strings.TrimRight(l, " ") + "\n")
		}
	}
	head := slices.Clone(t.head)
	if room < minCause {
		head[last] = "" // the causes explain themselves
	}
	write(dim, head)
	for _, r := range t.rows {
		if r.cells == nil {
			b.WriteString(paint(t.colour, bold, fit(r.title, max(t.width, minStep))) + "\n")
			continue
		}
		write(r.look, r.cells)
	}
	return b.String()
}

// cells is how many cells of a terminal a text takes.
func cells(s string) int { return uniseg.StringWidth(s) }

// fit cuts a text to some cells.
func fit(s string, width int) string {
	if cells(s) <= width {
		return s
	}
	var b strings.Builder
	left := width - 1
	for state := -1; s != ""; {
		var cluster string
		var w int
		cluster, s, w, state = uniseg.FirstGraphemeClusterInString(s, state)
		if left -= w; left < 0 {
			break
		}
		b.WriteString(cluster)
	}
	return strings.TrimRight(b.String(), " ") + "…"
}
