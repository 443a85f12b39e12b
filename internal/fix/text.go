package fix

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// mixedNewlines says whether some lines of a file end with CRLF and others with LF alone.
func mixedNewlines(src *source.File) bool {
	crlf := bytes.Count(src.Data, []byte("\r\n"))
	return crlf > 0 && crlf != bytes.Count(src.Data, []byte("\n"))
}

// secondFile reads a file beside the Dockerfile that an edit changes; a reason says why none may.
func (p *prover) secondFile(path string) (*source.File, Reason) {
	file, err := p.in.Read(path)
	switch {
	case err != nil:
		return nil, rules.Unconfigured
	case !utf8.Valid(file.Data):
		return nil, rules.NotText
	case mixedNewlines(file):
		return nil, rules.MixedNewlines
	}
	return file, ""
}

// withNewlines gives the new text of edits the file's line ends.
func withNewlines(edits []source.Edit, newline string) []source.Edit {
	out := make([]source.Edit, len(edits))
	for i, e := range edits {
		e.New = strings.ReplaceAll(strings.ReplaceAll(e.New, "\r\n", "\n"), "\n", newline)
		out[i] = e
	}
	return out
}

// visible withholds a suggestion of a second file whose text a reader would not see whole: what it keeps of the lines
// is of whoever opened the pull request. A byte order mark that begins the file stays what it is.
func visible(s Suggestion) (Suggestion, Reason) {
	text := s.Replacement
	if s.Lines.First == 1 {
		text = strings.TrimPrefix(text, "\ufeff")
	}
	if hasHidden(text) {
		return Suggestion{}, rules.HiddenText
	}
	return s, ""
}

// hasHidden says whether a text has characters that a reader does not see or that change how the
// others are shown: format characters (among them all bidirectional and zero-width ones) and controls.
func hasHidden(text string) bool {
	for _, r := range text {
		if unicode.Is(unicode.Cf, r) || unicode.IsControl(r) && r != '\t' && r != '\n' && r != '\r' {
			return true
		}
	}
	return false
}

// splitLines are the lines of a text without their newlines; the last one needs none.
func splitLines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}
