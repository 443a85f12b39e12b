package review

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcache"
)

const (
	maxNodes  = 30 // of a diagram: more cannot be read
	maxLabel  = 40 // characters of a stage's name in it
	maxAcross = 5  // stages from left to right: a longer way goes down
)

// stateColours are GitHub's own for good, attention and danger; the text is dark in dark mode too.
var stateColours = []struct {
	state buildcache.State
	style string
}{
	{buildcache.Cached, "fill:#dafbe1,stroke:#1a7f37,color:#1f2328"},
	{buildcache.Maybe, "fill:#fff8c5,stroke:#9a6700,color:#1f2328"},
	{buildcache.Rebuilt, "fill:#ffebe9,stroke:#cf222e,color:#1f2328"},
}

// diagram draws the stages of a build in Mermaid, coloured by what a pull request does to them. "" for
// one stage, too many, or where that is not known. GitHub draws it outside of folded parts only.
func diagram(p analysis.Plan) string {
	if len(p.Stages) < 2 || len(p.Stages) > maxNodes {
		return ""
	}
	var b strings.Builder
	if longestWay(p.Stages) <= maxAcross {
		b.WriteString("graph LR\n")
	} else {
		b.WriteString("graph TD\n")
	}
	used := map[buildcache.State]bool{}
	for n, s := range p.Stages {
		if s.State == "" {
			return ""
		}
		used[s.State] = true
		_, _ = fmt.Fprintf(&b, "  s%d[\"%s · %s\"]:::%s\n", n, mermaidText(s.Name), s.State, s.State)
	}
	for n, s := range p.Stages {
		for _, from := range s.From {
			if from >= 0 && from < n {
				_, _ = fmt.Fprintf(&b, "  s%d --> s%d\n", from, n)
			}
		}
	}
	for _, c := range stateColours {
		if used[c.state] {
			_, _ = fmt.Fprintf(&b, "  classDef %s %s\n", c.state, c.style)
		}
	}
	return fence("mermaid", strings.TrimSuffix(b.String(), "\n"))
}

// longestWay is the most stages that stand on each other. A stage uses those above it only.
func longestWay(stages []analysis.Stage) int {
	longest := 0
	ways := make([]int, len(stages))
	for n, s := range stages {
		ways[n] = 1
		for _, from := range s.From {
			if from >= 0 && from < n {
				ways[n] = max(ways[n], ways[from]+1)
			}
		}
		longest = max(longest, ways[n])
	}
	return longest
}

// mermaidText writes text of the pull request inside a quoted label: all but letters, digits and a few
// harmless signs as Mermaid's entities, so that nothing in it is markup, a directive or an icon.
func mermaidText(s string) string {
	s = visible(s)
	if utf8.RuneCountInString(s) > maxLabel {
		s = string([]rune(s)[:maxLabel]) + "…"
	}
	if s == "" {
		return "(empty)"
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', strings.ContainsRune(" ._/-", r):
			b.WriteRune(r)
		default:
			_, _ = fmt.Fprintf(&b, "#%d;", r)
		}
	}
	return b.String()
}
