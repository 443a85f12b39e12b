package web

import (
	"fmt"
	"html"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// diagram is the small part of Mermaid's flowcharts that a review writes: nodes with a class, and
// arrows between them.
type diagram struct {
	nodes  []node
	arrows [][2]int // indexes into nodes
}

type node struct {
	id, label, class string
	column           int // the longest way to it
	x, y, width      int
}

var (
	nodeLine  = regexp.MustCompile(`^\s*(\w+)\["([^"]*)"\]:::(cached|maybe|rebuilt)$`)
	arrowLine = regexp.MustCompile(`^\s*(\w+) --> (\w+)$`)
	entity    = regexp.MustCompile(`#(\d{1,7});`)
)

// parseDiagram reads the lines of a block; ok is false where they hold more than it knows.
func parseDiagram(lines []string) (d diagram, ok bool) {
	index := map[string]int{}
	for n, line := range lines {
		if m := nodeLine.FindStringSubmatch(line); m != nil {
			index[m[1]] = len(d.nodes)
			label := entity.ReplaceAllStringFunc(m[2], func(e string) string {
				r, _ := strconv.Atoi(strings.Trim(e, "#;"))
				return string(rune(r))
			})
			d.nodes = append(d.nodes, node{id: m[1], label: label, class: m[3]})
			continue
		}
		if m := arrowLine.FindStringSubmatch(line); m != nil {
			from, known := index[m[1]]
			to, also := index[m[2]]
			if !known || !also || from >= to {
				return diagram{}, false
			}
			d.arrows = append(d.arrows, [2]int{from, to})
			continue
		}
		if n > 0 && !strings.HasPrefix(strings.TrimSpace(line), "classDef ") || n == 0 && line != "graph LR" && line != "graph TD" {
			return diagram{}, false
		}
	}
	return d, len(d.nodes) > 0
}

// Measures of a drawing in pixels.
const (
	nodeHeight = 32
	gapAcross  = 44
	gapDown    = 14
	letter     = 8 // the width of one, at most
)

// svg draws the diagram from left to right, each node in the column behind all that lead to it.
func (d diagram) svg() string {
	for _, a := range d.arrows { // in the order of their heads: nodes stand behind what leads to them
		to := &d.nodes[a[1]]
		to.column = max(to.column, d.nodes[a[0]].column+1)
	}
	var columns [][]*node
	for i := range d.nodes {
		n := &d.nodes[i]
		n.width = utf8.RuneCountInString(n.label)*letter + 24
		for len(columns) <= n.column {
			columns = append(columns, nil)
		}
		columns[n.column] = append(columns[n.column], n)
	}
	x, height := 1, 0
	for _, column := range columns {
		width := 0
		for row, n := range column {
			n.x, n.y = x, 1+row*(nodeHeight+gapDown)
			width = max(width, n.width)
			height = max(height, n.y+nodeHeight+1)
		}
		x += width + gapAcross
	}
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, `<svg class="diagram" width="%d" viewBox="0 0 %d %d">`, x-gapAcross+1, x-gapAcross+1, height)
	for _, a := range d.arrows {
		from, to := d.nodes[a[0]], d.nodes[a[1]]
		x1, y1, x2, y2 := from.x+from.width, from.y+nodeHeight/2, to.x, to.y+nodeHeight/2
		bend := (x2 - x1) / 2
		_, _ = fmt.Fprintf(&b, `<path class="arrow" d="M%d %d C%d %d %d %d %d %d m-7 -4 l7 4 l-7 4"></path>`, x1, y1, x1+bend, y1, x2-bend, y2, x2, y2)
	}
	for _, n := range d.nodes {
		_, _ = fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="5"></rect><text x="%d" y="%d">%s</text>`,
			n.class, n.x, n.y, n.width, nodeHeight, n.x+n.width/2, n.y+nodeHeight/2+5, html.EscapeString(n.label))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// drawing is the diagram of a block, or its text where it cannot be drawn.
func drawing(lines []string) string {
	d, ok := parseDiagram(lines)
	if !ok {
		return "<pre>" + html.EscapeString(strings.Join(lines, "\n")) + "</pre>\n"
	}
	slices.SortStableFunc(d.arrows, func(a, b [2]int) int { return a[1] - b[1] })
	return d.svg()
}
