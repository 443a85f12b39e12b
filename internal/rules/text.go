package rules

import (
	"fmt"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

// Text is words for a person. Code (names, paths, commands: anything that a pull request can choose)
// stands apart from our own words, so that every surface can make it harmless in its own way.
type Text []Piece

// Piece is our own words or a piece of code.
type Piece struct {
	Words string `json:"words,omitempty"`
	// Many stands for Words where one sentence speaks of several findings; "": Words do.
	Many string `json:"many,omitempty"`
	Code string `json:"code,omitempty"`
}

// oneOrMany marks an argument of say as words for one finding and those for several.
type oneOrMany struct{ one, many string }

// code marks an argument of say as code.
type code string

// say puts a text together from words (string, int, oneOrMany), code and texts.
func say(parts ...any) Text {
	var out Text
	words := func(s string) {
		if s == "" {
			return
		}
		if n := len(out); n > 0 && out[n-1].Code == "" && out[n-1].Many == "" {
			out[n-1].Words += s
			return
		}
		out = append(out, Piece{Words: s})
	}
	for _, part := range parts {
		switch part := part.(type) {
		case string:
			words(part)
		case int:
			words(fmt.Sprint(part))
		case oneOrMany:
			out = append(out, Piece{Words: part.one, Many: part.many})
		case code:
			out = append(out, Piece{Code: oneLine(string(part))})
		case Text:
			for _, p := range part {
				if p.Code != "" || p.Many != "" {
					out = append(out, p)
				} else {
					words(p.Words)
				}
			}
		default:
			panic(fmt.Sprintf("rules: say takes no %T", part))
		}
	}
	return out
}

// maxCode bounds what is quoted of a pull request in a sentence, in characters.
const maxCode = 120

var continued = lazyregexp.New("[\\\\`][ \t\r]*\n")

// oneLine makes a piece of a file fit for a sentence.
func oneLine(s string) string {
	s = continued.ReplaceAllString(s, " ")
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > maxCode {
		s = string(r[:maxCode-1]) + "…"
	}
	return s
}

// list names up to three things: "a, b and c", "a, b and 5 more".
func list(names []string) Text {
	const most = 3
	var parts []any
	for i, name := range names {
		switch {
		case i == 0:
		case i == most:
			return say(append(parts, " and ", len(names)-most, " more")...)
		case i == len(names)-1:
			parts = append(parts, " and ")
		default:
			parts = append(parts, ", ")
		}
		parts = append(parts, code(name))
	}
	return say(parts...)
}

// String is the text with code between backticks: for tests and logs, not for a page.
func (t Text) String() string {
	var b strings.Builder
	for _, p := range t {
		if p.Code != "" {
			b.WriteString("`" + p.Code + "`")
		} else {
			b.WriteString(p.Words)
		}
	}
	return b.String()
}
