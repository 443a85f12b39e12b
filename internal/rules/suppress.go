package rules

import (
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// suppressions are the comments of a Dockerfile that switch rules off.
type suppressions struct {
	file  *dockerfile.File
	whole []string // names switched off for the whole file
	above map[*dockerfile.Instruction][]string
}

// readSuppressions reads "# hitrate ignore=RULE,RULE reason" above an instruction, or for the whole
// file between the parser directives and the first instruction; "# hadolint ignore=DL3042" and
// "# check=skip=Check" in their own places.
func readSuppressions(f *dockerfile.File) suppressions {
	s := suppressions{file: f, above: map[*dockerfile.Instruction][]string{}}
	for _, d := range f.Directives {
		if strings.EqualFold(d.Name, "check") {
			s.whole = append(s.whole, checkSkips(d.Value)...)
		}
	}
	first := len(f.Source.Data)
	if len(f.Instructions) > 0 {
		first = f.Instructions[0].Span.Start
	}
	for _, c := range f.Comments {
		if names, global := ignored(c.Text); global || c.Span.End <= first && strings.HasPrefix(c.Text, "hitrate") {
			s.whole = append(s.whole, names...)
		}
	}
	for _, in := range f.Instructions {
		for _, c := range in.Comments {
			names, _ := ignored(c.Text)
			s.above[in] = append(s.above[in], names...)
		}
	}
	return s
}

// ignored reads one comment. global says that it holds for the whole file wherever it stands.
func ignored(comment string) (names []string, global bool) {
	if value, ok := strings.CutPrefix(comment, "check="); ok {
		return checkSkips(value), false
	}
	tool, rest, _ := strings.Cut(comment, " ")
	if tool != "hitrate" && tool != "hadolint" {
		return nil, false
	}
	rest = strings.TrimSpace(rest)
	if after, ok := strings.CutPrefix(rest, "global "); ok && tool == "hadolint" {
		rest, global = strings.TrimSpace(after), true
	}
	value, ok := strings.CutPrefix(rest, "ignore=")
	if !ok {
		return nil, false
	}
	if tool == "hadolint" {
		return split(value), global // hadolint takes blanks behind its commas
	}
	value, _, _ = strings.Cut(value, " ")
	return split(value), false
}

// checkSkips reads the value of BuildKit's directive: "skip=A,B;error=true".
func checkSkips(value string) []string {
	for _, part := range strings.Split(value, ";") {
		if skip, ok := strings.CutPrefix(strings.TrimSpace(part), "skip="); ok {
			return split(skip)
		}
	}
	return nil
}

func split(names string) []string {
	return strings.FieldsFunc(names, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// covers says whether a finding is switched off: for the file, or above one of its instructions.
func (s suppressions) covers(rule *Rule, f Finding) bool {
	if s.names(rule, s.whole) {
		return true
	}
	for _, in := range s.file.Instructions {
		names := s.above[in]
		if len(names) == 0 || !s.names(rule, names) {
			continue
		}
		if f.Path == s.file.Source.Path && touches(in.Span, f.Span) {
			return true
		}
		for _, r := range f.Related {
			if r.Path == s.file.Source.Path && touches(in.Span, r.Span) {
				return true
			}
		}
	}
	return false
}

func touches(a, b source.Span) bool { return a.Start < b.End && b.Start < a.End }

// names says whether a list names a rule, by its own name or a twin's.
func (s suppressions) names(rule *Rule, list []string) bool {
	for _, name := range list {
		if name == rule.ID || slices.Contains(rule.Hadolint, name) {
			return true
		}
		if slices.ContainsFunc(rule.BuildKit, func(check string) bool { return strings.EqualFold(check, name) || name == "all" }) {
			return true
		}
	}
	return false
}
