package fix

import (
	"errors"
	"io/fs"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// ignorePath proves a line at the end of the ignore file:
//   - the edit adds the declared pattern as the last line, and nothing else; in the ignore file that
//     applies, which is no symbolic link, under every build of the file, all of them from the same local
//     directory, the root of the repository;
//   - the context that BuildKit sees has the same files and directories as before, while the path was in it
//     and is no longer: since the Dockerfile stays as it is, so do its steps but for what they copy;
//   - no COPY, ADD or mount names the path or anything in it;
//   - the rules find what they found, less the finding, with the Dockerfile as it is and with all its
//     suggestions.
//
// That nothing reads the path, in the build or when the container runs, is the rule's to say.
func (p *prover) ignorePath(i int, suggestions []Suggestion) (Suggestion, Reason) {
	unit := p.findings[i].Unit
	effect, ok := unit.Effects[0].(rules.IgnorePath)
	if !ok || len(unit.Effects) != 1 || len(unit.Edits) != 1 || unit.Path != p.in.Context.IgnoreFile {
		return Suggestion{}, rules.NotProven
	}
	for _, b := range append(slices.Clone(p.in.Builds), p.in.Context.Build) {
		if b.Kind != buildcontext.Local || b.Context != p.in.Context.Build.Context || b.Context != "." && b.Context != "" {
			return Suggestion{}, rules.SharedWithOthers
		}
	}
	if e, found := p.in.Context.All.Lookup(unit.Path); !found || e.Mode == buildcontext.ModeSymlink {
		return Suggestion{}, rules.EditedLink
	}
	file, reason := p.secondFile(unit.Path)
	if reason != "" {
		return Suggestion{}, reason
	}
	edit := unit.Edits[0]
	newline := file.Newline()
	if end := len(file.Data); edit.Span != (source.Span{Start: end, End: end}) || edit.New != effect.Pattern+newline && edit.New != newline+effect.Pattern ||
		(edit.New == effect.Pattern+newline) != (end == 0 || file.Data[end-1] == '\n') {
		return Suggestion{}, rules.ChangesSteps
	}
	after := source.New(file.Path, append(slices.Clone(file.Data), edit.New...))
	if reason := p.sameContext(after, effect.Pattern); reason != "" {
		return Suggestion{}, reason
	}
	if reason := p.rulesWith(after, i, suggestions); reason != "" {
		return Suggestion{}, reason
	}
	last := file.LineCount()
	text := effect.Pattern
	if old := file.Text(file.SpanFromLines(source.Lines{First: last, Last: last})); len(file.Data) == 0 {
		text += newline // there is no line whose end stays
	} else {
		text = trimNewline(old) + newline + effect.Pattern
		if strings.HasSuffix(old, "\r\n") {
			text += "\r" // it belongs to the line, whose LF stays
		}
	}
	s := Suggestion{Path: file.Path, Lines: source.Lines{First: last, Last: last}, Replacement: text, Findings: []int{i}}
	if len(unit.Note) > 0 {
		s.Notes = []rules.Text{unit.Note}
	}
	if string(Apply(file, []Suggestion{s})) != string(after.Data) {
		return Suggestion{}, rules.Internal
	}
	return visible(s)
}

func trimNewline(line string) string {
	for len(line) > 0 && (line[len(line)-1] == '\n' || line[len(line)-1] == '\r') {
		line = line[:len(line)-1]
	}
	return line
}

// openWith is the context with another ignore file.
func (p *prover) openWith(ignore *source.File) (*buildcontext.Context, error) {
	return buildcontext.Open(p.in.Context.All, p.in.Context.Build, func(path string) ([]byte, error) {
		if path != ignore.Path {
			return nil, fs.ErrNotExist
		}
		return ignore.Data, nil
	})
}

// sameContext says whether an ignore file leaves out a path more, and no file.
func (p *prover) sameContext(ignore *source.File, path string) Reason {
	was := p.in.Context
	now, err := p.openWith(ignore)
	if err != nil || now.IgnoreFile != was.IgnoreFile {
		return rules.DoesNotParse
	}
	if !slices.Equal(was.Tree.Entries, now.Tree.Entries) || !slices.Equal(was.EmptyDirs, now.EmptyDirs) || was.Ignored(path) || !now.Ignored(path) {
		return rules.ChangesSteps
	}
	for _, i := range p.in.File.Instructions {
		if rules.NamesPath(i, path) {
			return rules.StepUsesSource
		}
	}
	return ""
}

// rulesWith runs the rules with another ignore file, on the Dockerfile as it is and with suggestions made.
func (p *prover) rulesWith(ignore *source.File, settled int, suggestions []Suggestion) Reason {
	in := p.in
	context, err := p.openWith(ignore)
	if err != nil {
		return rules.DoesNotParse
	}
	in.Context, in.Read = context, p.reading(ignore)
	return p.rulesIn(in, suggestions, settled)
}

// reading is the input's Read with another text of one file.
func (p *prover) reading(edited *source.File) func(string) (*source.File, error) {
	return func(path string) (*source.File, error) {
		if path == edited.Path {
			return edited, nil
		}
		if p.in.Read == nil {
			return nil, errors.ErrUnsupported
		}
		return p.in.Read(path)
	}
}

// rulesIn runs the rules on an input in which another file than the Dockerfile was edited, with the Dockerfile
// as it is and with suggestions made: they have to find what they found, less what was settled.
func (p *prover) rulesIn(in rules.Input, suggestions []Suggestion, settled ...int) Reason {
	for _, made := range [][]Suggestion{nil, suggestions} {
		edited, err := dockerfile.Parse(source.New(p.in.File.Source.Path, Apply(p.in.File.Source, made)))
		if err != nil {
			return rules.DoesNotParse
		}
		in.File = edited
		left := map[identity]int{}
		for _, f := range p.findings {
			left[identityOf(f)]++
		}
		gone := map[identity]bool{}
		for _, i := range settled {
			left[identityOf(p.findings[i])]--
			gone[identityOf(p.findings[i])] = true
		}
		for _, f := range rules.Run(in) {
			if left[identityOf(f)]--; left[identityOf(f)] < 0 {
				if gone[identityOf(f)] {
					return rules.NotSettled
				}
				return rules.MakesFinding
			}
		}
	}
	return ""
}
