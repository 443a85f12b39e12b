package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hitrate-bot/hitrate/internal/rules"
)

// Plain writes a text on one line, with code in backticks. Nothing in it acts in a terminal.
func Plain(t rules.Text) string {
	var b strings.Builder
	for _, p := range t {
		if p.Code == "" {
			b.WriteString(visible(p.Words))
			continue
		}
		b.WriteString(CodeSpan(visible(p.Code)))
	}
	return strings.TrimSpace(b.String())
}

// Visible is a text on one line of which nothing acts in a terminal.
func Visible(s string) string { return visible(s) }

// CodeSpan puts code between as many backticks as tell it from those in it. One blank at each side is taken
// off again by whoever reads Markdown; without it a backtick at the edge would join the fence.
func CodeSpan(code string) string {
	ticks := Backticks(code, 1)
	if strings.HasPrefix(code, "`") || strings.HasSuffix(code, "`") {
		code = " " + code + " "
	}
	return ticks + code + ticks
}

// Backticks is a fence around a text, of at least so many backticks and of more than stand together in it.
func Backticks(text string, atLeast int) string {
	longest, run := 0, 0
	for _, r := range text {
		if r != '`' {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return strings.Repeat("`", max(atLeast, longest+1))
}

// visible writes what a terminal or a log would act upon, or what a reader could not see, as an
// escape: line ends, control characters, formatting characters (bidirectional controls and zero-width
// ones among them), broken UTF-8. Tabs stay.
func visible(s string) string {
	clean := true
	for _, c := range s {
		if hidden(c) || c == utf8.RuneError {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		c, size := utf8.DecodeRuneInString(s)
		switch {
		case c == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case !hidden(c):
			b.WriteRune(c)
		case c < 0x100:
			fmt.Fprintf(&b, `\x%02x`, c)
		case c < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			fmt.Fprintf(&b, `\U%08x`, c)
		}
		s = s[size:]
	}
	return b.String()
}

// hidden says whether a character is not simply shown. The fillers of Hangul are letters by class and
// blank to the eye.
func hidden(c rune) bool {
	switch {
	case c == '\t':
		return false
	case c == 0x115f, c == 0x1160, c == 0x3164, c == 0xffa0:
		return true
	case 0xfe00 <= c && c <= 0xfe0f, 0xe0100 <= c && c <= 0xe01ef: // variation selectors
		return true
	}
	return unicode.In(c, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co, unicode.Cs)
}
