package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Plan is what one build of a Dockerfile does, to render.
type Plan struct {
	analysis.Plan
	// Base and Head name what is compared, for people.
	Base, Head string
	Colour     bool // for text: colours of a terminal
	Width      int  // for text: the cells of a line
}

// The JSON of "plan --format json". Its fields are a contract, as those of jsonReport are.
type jsonPlan struct {
	Version    int        `json:"version"`
	Dockerfile string     `json:"dockerfile"`
	Context    string     `json:"context"`
	Target     string     `json:"target"`
	Steps      []jsonStep `json:"steps"`
}

type jsonStep struct {
	Stage       string           `json:"stage"`
	Index       int              `json:"index"`
	StartLine   int              `json:"start_line"`
	EndLine     int              `json:"end_line"`
	Instruction string           `json:"instruction"`
	State       buildcache.State `json:"state"`
	Cause       string           `json:"cause"`
}

// JSON writes the plan as one JSON value.
func (p *Plan) JSON(w io.Writer) error {
	out := jsonPlan{Version: 1, Dockerfile: p.Build.Dockerfile, Context: p.Build.Context, Target: p.Build.Target, Steps: []jsonStep{}}
	for _, s := range p.Steps {
		out.Steps = append(out.Steps, jsonStep{s.Stage, s.Index, s.Lines.First, s.Lines.Last, s.Instruction, s.State, s.Cause})
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(out); err != nil {
		return err
	}
	_, err := io.WriteString(w, escapeJSON(b.String()))
	return err
}

// escapeJSON writes the characters of a JSON text that a terminal would act upon, or that a reader
// could not see, in JSON's own way: what a program reads stays the same.
func escapeJSON(text string) string {
	var b strings.Builder
	for _, c := range text {
		switch {
		case c == '\n' || !hidden(c):
			b.WriteRune(c)
		case c < 0x10000:
			_, _ = fmt.Fprintf(&b, `\u%04x`, c)
		default:
			high, low := utf16.EncodeRune(c)
			_, _ = fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		}
	}
	return b.String()
}

// Text writes the plan as a table for a person: each step with its lines, its state and why, under the
// name of its stage where there are several, and at the end what it comes to in one line.
func (p *Plan) Text(w io.Writer) error {
	t := newTable(p.Width, p.Colour)
	t.head = []string{"line", "step", "state", "why"}
	several := slices.ContainsFunc(p.Steps, func(s analysis.Step) bool { return s.Stage != p.Steps[0].Stage })
	for i, s := range p.Steps {
		if several && (i == 0 || p.Steps[i-1].Stage != s.Stage) {
			t.section(stageTitle(s.Stage))
		}
		t.row(stateLook(s.State), lineRange(s.Lines), oneLine(s.Instruction), string(s.State), visible(s.Cause))
	}
	var b strings.Builder
	b.WriteString(p.title())
	if len(p.Steps) > 0 {
		b.WriteString("\n" + t.String() + "\n")
	}
	b.WriteString(paint(p.Colour, bold, p.summary()) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// title says which build it is, how it is known, and what is compared.
func (p *Plan) title() string {
	build := p.Build
	text := paint(p.Colour, bold, visible(build.Dockerfile))
	if build.Target != "" {
		text += ", target " + visible(build.Target)
	}
	if build.Kind == buildcontext.Git {
		text += ", Git context " + visible(build.Context)
	} else {
		text += ", context " + visible(build.Context)
	}
	text += " " + paint(p.Colour, dim, "("+visible(build.Origin)+")")
	return text + "\n" + visible(p.Head) + paint(p.Colour, dim, " with the cache of ") + visible(p.Base) + "\n"
}

func stageTitle(name string) string {
	if _, err := strconv.Atoi(name); err == nil {
		return "stage " + name
	}
	return visible(name)
}

func stateLook(s buildcache.State) string {
	switch s {
	case buildcache.Cached:
		return green
	case buildcache.Rebuilt:
		return red
	}
	return yellow
}

func lineRange(l source.Lines) string {
	if l.First == l.Last {
		return strconv.Itoa(l.First)
	}
	return fmt.Sprintf("%d-%d", l.First, l.Last)
}

// oneLine is an instruction without the blanks that its continuations leave.
func oneLine(instruction string) string {
	return visible(strings.Join(strings.Fields(instruction), " "))
}

// summary is the plan in one line; what is installed again is named.
func (p *Plan) summary() string {
	count := map[buildcache.State]int{}
	var installs []string
	for _, s := range p.Steps {
		count[s.State]++
		if s.State == buildcache.Rebuilt && s.Installs != "" && !slices.Contains(installs, s.Installs) {
			installs = append(installs, s.Installs)
		}
	}
	all, rebuilt, maybe := len(p.Steps), count[buildcache.Rebuilt], count[buildcache.Maybe]
	var text string
	switch {
	case all == 0:
		return "This build has no steps that BuildKit would keep in its cache."
	case rebuilt == 0 && maybe == 0 && all == 1:
		return "The one step is cached."
	case rebuilt == 0 && maybe == 0:
		return fmt.Sprintf("All %d steps are cached.", all)
	case rebuilt == 0:
		return fmt.Sprintf("%d of %s may be rebuilt, none certainly.", maybe, number(all, "step"))
	case rebuilt == all && all > 1:
		text = fmt.Sprintf("All %d steps are rebuilt", all)
	case rebuilt == 1:
		text = fmt.Sprintf("1 of %s is rebuilt", number(all, "step"))
	default:
		text = fmt.Sprintf("%d of %s are rebuilt", rebuilt, number(all, "step"))
	}
	if len(installs) > 0 {
		text += ", among them " + visible(strings.Join(installs, " and "))
	}
	if maybe > 0 {
		text += fmt.Sprintf("; %d more may be", maybe)
	}
	return text + "."
}

func paint(colour bool, look, s string) string {
	if !colour || s == "" {
		return s
	}
	return "\x1b[" + look + "m" + s + "\x1b[0m"
}
