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
	// History is there where it was counted.
	History *jsonHistory `json:"history,omitempty"`
}

type jsonHistory struct {
	Branch  string `json:"branch"`
	Commits int    `json:"commits"`
	LeftOut int    `json:"left_out"`
}

type jsonStep struct {
	Stage       string           `json:"stage"`
	Index       int              `json:"index"`
	StartLine   int              `json:"start_line"`
	EndLine     int              `json:"end_line"`
	Instruction string           `json:"instruction"`
	State       buildcache.State `json:"state"`
	Cause       string           `json:"cause"`
	// Where a history was counted: the commits that would have re-run the step, certainly and perhaps,
	// and the same with all suggestions made.
	*jsonCount
	Suggested *jsonCount `json:"with_suggestions,omitempty"`
}

type jsonCount struct {
	Rerun int  `json:"rerun"`
	Maybe int  `json:"maybe"`
	Gone  bool `json:"gone,omitempty"` // the step is no longer there
}

// JSON writes the plan as one JSON value.
func (p *Plan) JSON(w io.Writer) error {
	out := jsonPlan{Version: 1, Dockerfile: p.Build.Dockerfile, Context: p.Build.Context, Target: p.Build.Target, Steps: []jsonStep{}}
	if h := p.History; h != nil {
		out.History = &jsonHistory{h.Branch, h.Commits, h.LeftOut}
	}
	for i, s := range p.Steps {
		one := jsonStep{
			Stage: s.Stage, Index: s.Index, StartLine: s.Lines.First, EndLine: s.Lines.Last,
			Instruction: s.Instruction, State: s.State, Cause: s.Cause,
		}
		if h := p.History; h != nil {
			one.jsonCount = new(jsonCount(h.Steps[i]))
			if h.All != nil {
				one.Suggested = new(jsonCount(h.All[i]))
			}
		}
		out.Steps = append(out.Steps, one)
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
// name of its stage where there are several, with how many commits would have re-run it where that was
// counted, and at the end what it comes to in one line.
func (p *Plan) Text(w io.Writer) error {
	var b strings.Builder
	b.WriteString(p.title())
	if len(p.Steps) > 0 {
		b.WriteString("\n" + p.table().String() + "\n")
	}
	var remarks []string
	for _, c := range p.Caveats {
		remarks = append(remarks, wrap(caveat(c), p.Width)...)
	}
	if h := p.History; h != nil {
		remarks = append(remarks, wrap(counted(h), p.Width)...)
	}
	for _, line := range remarks {
		b.WriteString(line + "\n")
	}
	b.WriteString(paint(p.Colour, bold, p.summary()) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (p *Plan) table() *table {
	t := newTable(p.Width, p.Colour)
	t.head = []string{"line", "step", "state", "why"}
	if h := p.History; h != nil {
		t.head = []string{"line", "step", "state", "re-run", "why"}
		if h.All != nil {
			t.head = []string{"line", "step", "state", "re-run", "with edits", "why"}
		}
	}
	several := slices.ContainsFunc(p.Steps, func(s analysis.Step) bool { return s.Stage != p.Steps[0].Stage })
	for i, s := range p.Steps {
		if several && (i == 0 || p.Steps[i-1].Stage != s.Stage) {
			t.section(stageTitle(s.Stage))
		}
		row := []string{lineRange(s.Lines), oneLine(s.Instruction), string(s.State)}
		if h := p.History; h != nil {
			row = append(row, count(h.Steps[i]))
			if h.All != nil {
				row = append(row, count(h.All[i]))
			}
		}
		t.row(stateLook(s.State), append(row, visible(s.Cause))...)
	}
	return t
}

// count is how many commits would have re-run a step.
func count(c analysis.Count) string {
	switch {
	case c.Gone:
		return "gone"
	case c.Maybe > 0:
		return fmt.Sprintf("%d-%d", c.Rerun, c.Rerun+c.Maybe)
	}
	return strconv.Itoa(c.Rerun)
}

// counted says what the counts are of.
func counted(h *analysis.Evidence) string {
	text := fmt.Sprintf("Re-run by how many of the last %s of %s, with this Dockerfile and a cache that is kept.", number(h.Commits, "commit"), visible(h.Branch))
	if h.All != nil {
		text += fmt.Sprintf(" With edits: with what hitrate check --fix makes of it (%s).", number(len(h.Alone), "suggestion"))
	}
	if h.LeftOut > 0 {
		text += fmt.Sprintf(" %s left out: the build fails there.", number(h.LeftOut, "more commit"))
	}
	return text
}

// caveat says what git does not show about files that steps take.
func caveat(c analysis.Caveat) string {
	text := "Note: " + visible(c.Text)
	if len(c.Paths) > 0 {
		text += ": " + visible(strings.Join(c.Paths, ", "))
	}
	if c.More > 0 {
		text += fmt.Sprintf(" and %d more", c.More)
	}
	return text + "."
}

// cachePlaces says where each kind of cache is kept.
var cachePlaces = map[buildcontext.CacheKind]string{
	buildcontext.CacheGHA:      "in GitHub's cache service (type=gha)",
	buildcontext.CacheRegistry: "in a registry",
	buildcontext.CacheInline:   "in the image itself, the last stage only",
	buildcontext.CacheLocal:    "in a directory, which another step has to keep",
	buildcontext.CacheBuilder:  "with a builder that outlives the run",
	buildcontext.CacheOther:    "elsewhere",
}

// keeps says which cache the workflow keeps; "" where nothing is known.
func keeps(b buildcontext.Build) string {
	place := ""
	if b.CacheFrom != "" {
		place = " (" + visible(b.CacheFrom) + ")"
	}
	switch b.Cache {
	case buildcontext.CacheUnknown:
		return ""
	case buildcontext.CacheNone:
		return "The workflow keeps no cache" + place + ": there, every build runs every step."
	}
	mode := ""
	if b.CacheMode != "" {
		mode = ", mode=" + visible(b.CacheMode)
	}
	return "The workflow keeps its cache " + cachePlaces[b.Cache] + mode + place + "."
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
	if cache := keeps(build); cache != "" {
		text += "\n" + cache
	}
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
	case rebuilt == 0 && all == 1:
		return "The one step may be rebuilt."
	case rebuilt == 0:
		return fmt.Sprintf("%d of %s may be rebuilt, none certainly.", maybe, number(all, "step"))
	case rebuilt == 1 && all == 1:
		text = "The one step is rebuilt"
	case rebuilt == all:
		text = fmt.Sprintf("All %d steps are rebuilt", all)
	case rebuilt == 1:
		text = fmt.Sprintf("1 of %s is rebuilt", number(all, "step"))
	default:
		text = fmt.Sprintf("%d of %s are rebuilt", rebuilt, number(all, "step"))
	}
	switch names := visible(strings.Join(installs, " and ")); {
	case len(installs) > 0 && rebuilt == 1:
		text += ": " + names
	case len(installs) > 0:
		text += ", among them " + names
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
