package web

import (
	"bytes"
	"fmt"
	"html"
	"html/template"
	"regexp"
	"strings"
	"sync"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer"
	goldmarkhtml "github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/util"
)

// policy is what survives of rendered Markdown: what GitHub lets through in a comment, the classes of
// the red and green lines, and drawings of plain shapes. Most commands show no page and need none.
var policy = sync.OnceValue(func() *bluemonday.Policy {
	p := bluemonday.UGCPolicy()
	p.AllowAttrs("class").Matching(regexp.MustCompile(`^(suggestion|added|removed|head)$`)).OnElements("div", "span", "pre")
	p.AllowAttrs("class").Matching(regexp.MustCompile(`^(diagram|arrow|cached|maybe|rebuilt)$`)).OnElements("svg", "rect", "path")
	p.AllowAttrs("x", "y", "width", "height", "rx").Matching(bluemonday.Integer).OnElements("svg", "rect", "text")
	p.AllowAttrs("viewBox").Matching(regexp.MustCompile(`^[0-9 ]+$`)).OnElements("svg")
	p.AllowAttrs("d").Matching(regexp.MustCompile(`^[MCml0-9 -]+$`)).OnElements("path")
	return p
})

// markdown renders GitHub-flavoured Markdown. A suggestion block is shown as the lines of original,
// red, and its own, green.
func markdown(text string, original []string) (template.HTML, error) {
	md := goldmark.New(
		goldmark.WithExtensions(extension.GFM),
		goldmark.WithRendererOptions(
			goldmarkhtml.WithUnsafe(), // for <details>; the policy takes the rest away
			renderer.WithNodeRenderers(util.Prioritized(&codeBlocks{original}, 100)),
		),
	)
	var out bytes.Buffer
	if err := md.Convert([]byte(text), &out); err != nil {
		return "", fmt.Errorf("render Markdown: %w", err)
	}
	// #nosec G203 -- this is what bluemonday let through.
	return template.HTML(policy().SanitizeBytes(out.Bytes())), nil
}

// codeBlocks renders fenced code: suggestions and diffs in colour, diagrams drawn, the rest plain.
type codeBlocks struct{ original []string }

// RegisterFuncs is goldmark's way to take over the rendering of a node.
func (c *codeBlocks) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindFencedCodeBlock, c.render)
}

func (c *codeBlocks) render(w util.BufWriter, source []byte, node ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	block := node.(*ast.FencedCodeBlock)
	var lines []string
	for i := range block.Lines().Len() {
		segment := block.Lines().At(i)
		lines = append(lines, strings.TrimRight(string(segment.Value(source)), "\n"))
	}
	var b strings.Builder
	switch string(block.Language(source)) {
	case "suggestion":
		b.WriteString(`<div class="suggestion"><div class="head">Suggested change</div><pre>`)
		for _, line := range c.original {
			writeLine(&b, "removed", "-"+line)
		}
		for _, line := range lines {
			writeLine(&b, "added", "+"+line)
		}
		b.WriteString("</pre></div>\n")
	case "diff":
		b.WriteString("<pre>")
		for _, line := range lines {
			switch {
			case strings.HasPrefix(line, "+") && !strings.HasPrefix(line, "+++"):
				writeLine(&b, "added", line)
			case strings.HasPrefix(line, "-") && !strings.HasPrefix(line, "---"):
				writeLine(&b, "removed", line)
			default:
				writeLine(&b, "", line)
			}
		}
		b.WriteString("</pre>\n")
	case "mermaid":
		b.WriteString(drawing(lines))
	default:
		b.WriteString("<pre>" + html.EscapeString(strings.Join(lines, "\n")) + "</pre>\n")
	}
	_, err := w.WriteString(b.String())
	return ast.WalkSkipChildren, err
}

func writeLine(b *strings.Builder, class, text string) {
	if class != "" {
		fmt.Fprintf(b, "<span class=%q>%s</span>\n", class, html.EscapeString(text))
		return
	}
	b.WriteString(html.EscapeString(text) + "\n")
}
