package fix

import (
	"context"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/requirements"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/shelleffects"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// maxPins is how many lines of requirements files are proven for one Dockerfile.
const maxPins = 100

// pinRequirement proves the version of a lock file in one line of a requirements file:
//   - the file is text without a symbolic link, an error that pip would give, or mixed line ends; the edit stays
//     on one line and adds nothing invisible;
//   - read again, the file holds the same requirements, includes and options in the same order, and each is as
//     before but for the one: that one has the same name, extras and marker, no hash, and one exact version where
//     its range was, which the range admitted;
//   - no file of the repository asks for hashes on that line's account: the file itself has none;
//   - no command of the Dockerfile but an install names the file, unless it takes it as it is: one that looks for
//     something in it would find something else;
//   - the rules find what they found, less the finding, with the Dockerfile as it is and with all its suggestions.
//
// That the lock file names the version, and for which Python, is the rule's to say. The Dockerfile stays as it is;
// what the install brings is one of the versions that it could have brought before.
func (p *prover) pinRequirement(i int, suggestions []Suggestion) (Suggestion, Reason) {
	unit := p.findings[i].Unit
	effect, ok := unit.Effects[0].(rules.PinRequirement)
	if !ok || len(unit.Effects) != 1 || len(unit.Edits) != 1 || unit.Path != p.findings[i].Path {
		return Suggestion{}, rules.NotProven
	}
	if e, found := p.in.Context.All.Lookup(unit.Path); !found || e.Mode == buildcontext.ModeSymlink {
		return Suggestion{}, rules.ManifestLink
	}
	if p.readByCommand(path.Base(unit.Path)) {
		return Suggestion{}, rules.ReadByCommand
	}
	file, reason := p.secondFile(unit.Path)
	if reason != "" {
		return Suggestion{}, reason
	}
	edit := unit.Edits[0]
	lines := file.LinesFromSpan(edit.Span)
	if !inside(unit.Edits, len(file.Data)) || lines.First != lines.Last || hasHidden(edit.New) {
		return Suggestion{}, rules.ChangesSteps
	}
	data, err := source.Apply(file.Data, unit.Edits)
	if err != nil {
		return Suggestion{}, rules.Internal
	}
	after := source.New(file.Path, data)
	if after.LineCount() != file.LineCount() {
		return Suggestion{}, rules.ChangesSteps
	}
	if reason := onlyPins(file, after, lines.First, effect); reason != "" {
		return Suggestion{}, reason
	}
	in := p.in
	in.Read = p.reading(after)
	if reason := p.rulesIn(in, suggestions, i); reason != "" {
		return Suggestion{}, reason
	}
	s := Suggestion{
		Path: file.Path, Lines: lines, Findings: []int{i},
		Replacement: trimLF(after.Text(after.SpanFromLines(lines))),
	}
	if string(Apply(file, []Suggestion{s})) != string(after.Data) {
		return Suggestion{}, rules.Internal
	}
	return visible(s)
}

// takesAsItIs are commands that do with a file the same whatever its text is.
var takesAsItIs = []string{"cp", "mv", "rm", "ln", "ls", "install", "chmod", "chown", "chgrp", "touch", "test", "[", "mkdir", "cd"}

// readByCommand says whether a command of the Dockerfile may read the text of a file of this name, but as an install
// does.
func (p *prover) readByCommand(name string) bool {
	for _, i := range p.in.File.Instructions {
		run := i.Run()
		if run == nil {
			continue
		}
		if run.Exec == nil && run.Err != nil && strings.Contains(p.in.File.Source.Text(i.Span), name) {
			return true
		}
		installs := shelleffects.Of(run, dockerfile.State{Workdir: "/"}).Installs
		for _, c := range run.Commands {
			if slices.ContainsFunc(c.Redirects, func(r dockerfile.Redirect) bool { return strings.Contains(r.Target.Value, name) }) {
				return true
			}
			if slices.Contains(takesAsItIs, c.Name) || slices.ContainsFunc(installs, func(install shelleffects.Install) bool { return install.Command == c }) {
				continue
			}
			if slices.ContainsFunc(c.Words, func(w dockerfile.Word) bool { return path.Base(w.Value) == name }) {
				return true
			}
		}
	}
	return false
}

func trimLF(line string) string {
	if n := len(line); n > 0 && line[n-1] == '\n' {
		return line[:n-1]
	}
	return line
}

// onlyPins says whether the one requirement on a line became one exact version that its range admitted, and nothing
// else of the file changed.
func onlyPins(before, after *source.File, line int, effect rules.PinRequirement) Reason {
	was, now := requirements.Parse(before), requirements.Parse(after)
	switch {
	case len(was.Errors)+len(now.Errors) > 0:
		return rules.DoesNotParse
	case was.RequireHashes():
		return rules.HashesAsked
	case len(was.Requirements) != len(now.Requirements) || len(was.Includes) != len(now.Includes) || len(was.Options) != len(now.Options):
		return rules.ChangesSteps
	}
	for n, x := range was.Includes {
		if y := now.Includes[n]; x.Path != y.Path || x.Constraint != y.Constraint {
			return rules.ChangesSteps
		}
	}
	for n, x := range was.Options {
		if y := now.Options[n]; x.Name != y.Name || x.Value != y.Value {
			return rules.ChangesSteps
		}
	}
	changed := 0
	for n, x := range was.Requirements {
		y := now.Requirements[n]
		at := before.LinesFromSpan(x.Span)
		x.Span, y.Span = source.Span{}, source.Span{}
		if at.First != line {
			if !reflect.DeepEqual(x, y) {
				return rules.ChangesSteps
			}
			continue
		}
		changed++
		if x.Pinned || x.Kind != requirements.Named || x.Name != effect.Name || y.ExactVersion() != effect.Version || !requirements.Admits(x.Specifier, effect.Version) {
			return rules.NotProven
		}
		x.Raw, x.Specifier, x.Pinned, x.Reason = y.Raw, y.Specifier, y.Pinned, y.Reason
		if !reflect.DeepEqual(x, y) || !y.Pinned {
			return rules.ChangesSteps
		}
	}
	if changed != 1 {
		return rules.ChangesSteps
	}
	return ""
}

// pinRequirements proves the pins of all requirements files: each alone, then all that are left together, which is
// as much as every subset, since each changes a line of its own and what is read from it.
func (p *prover) pinRequirements(ctx context.Context, pins []int, suggestions []Suggestion, withheld map[int]Reason) []Suggestion {
	var proven []Suggestion
	for n, i := range pins {
		switch {
		case ctx.Err() != nil:
			withheld[i] = rules.OutOfTime
			continue
		case n >= maxPins:
			withheld[i] = rules.TooManyEdits
			continue
		}
		s, reason := p.pinRequirement(i, suggestions)
		if reason == "" && slices.ContainsFunc(proven, func(o Suggestion) bool { return o.Path == s.Path && o.Lines.Overlaps(s.Lines) }) {
			reason = rules.Conflict
		}
		if reason != "" {
			withheld[i] = reason
			continue
		}
		proven = append(proven, s)
	}
	if len(proven) < 2 {
		return proven
	}
	in := p.in
	var settled []int
	byPath := map[string][]Suggestion{}
	for _, s := range proven {
		settled = append(settled, s.Findings...)
		byPath[s.Path] = append(byPath[s.Path], s)
	}
	edited := map[string]*source.File{}
	for path, all := range byPath {
		file, err := p.in.Read(path)
		if err != nil {
			return nil // never: each was read before
		}
		edited[path] = source.New(path, Apply(file, all))
	}
	in.Read = func(path string) (*source.File, error) {
		if file, ok := edited[path]; ok {
			return file, nil
		}
		return p.in.Read(path)
	}
	if reason := p.rulesIn(in, suggestions, settled...); reason != "" {
		for _, i := range settled {
			withheld[i] = reason
		}
		return nil
	}
	return proven
}
