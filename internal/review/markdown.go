package review

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/report"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Everything that a pull request can choose is written through one of three doors: codeSpan, fence
// and linkTarget. Our own words go through words, which is harmless where a rule was careless.

// zeroWidthSpace after an @ keeps a name from being a mention, also where a reply by e-mail is read
// again as plain text.
const zeroWidthSpace = "\u200b"

// maxCode is the most characters of one code span.
const maxCode = 200

// invisible says whether a character cannot be seen or changes how its neighbours are read:
// bidirectional controls, zero-width characters, tags, and other controls and formats.
func invisible(r rune) bool {
	switch {
	case r == '\t', r == '\n':
		return false
	case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
		return true
	case r == '\u2028', r == '\u2029', r == '\u115f', r == '\u1160', r == '\u3164', r == '\uffa0':
		return true
	case r >= 0xfe00 && r <= 0xfe0f, r >= 0xe0100 && r <= 0xe01ef: // variation selectors
		return true
	}
	return false
}

// visible is one line of text without invisible characters and broken UTF-8.
func visible(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\r', r == '\t', r == '\u2028', r == '\u2029':
			return ' '
		case invisible(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	s = strings.TrimSpace(s)
	if utf8.RuneCountInString(s) > maxCode {
		s = strings.TrimSpace(string([]rune(s)[:maxCode])) + "…"
	}
	return s
}

var mention = lazyregexp.New(`(^|[^A-Za-z0-9_])@([A-Za-z0-9])`)

func withoutMentions(s string) string {
	return mention.ReplaceAllString(s, "${1}@"+zeroWidthSpace+"${2}")
}

// codeSpan writes text of the pull request on one line: nothing in it is Markdown, HTML, a mention or
// a reference.
func codeSpan(s string) string {
	s = withoutMentions(visible(s))
	if s == "" {
		return "(empty)"
	}
	return report.CodeSpan(s)
}

// fence writes text word for word in a code block. The text must be printable (see printable).
func fence(info, text string) string {
	ticks := report.Backticks(text, 3)
	if text != "" {
		text += "\n"
	}
	return ticks + info + "\n" + text + ticks
}

// bidirectional says whether a character is one of the controls that reorder what is read.
func bidirectional(r rune) bool {
	return r == '\u061c' || r == '\u200e' || r == '\u200f' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// printable says whether text survives a code block unchanged and shows all that is in it: no controls,
// and no more invisible characters than seen, which the reader has in the file already.
func printable(text, seen string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	count := map[rune]int{}
	for _, r := range text {
		switch {
		case unicode.IsControl(r) && r != '\n' && r != '\t', bidirectional(r), r == utf8.RuneError:
			return false
		case invisible(r):
			count[r]++
		}
	}
	for r, n := range count {
		if strings.Count(seen, string(r)) < n {
			return false
		}
	}
	return true
}

// specials are the characters that mean something in Markdown.
var specials = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;",
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "|", `\|`, "~", `\~`,
	"#", "#"+zeroWidthSpace, "@", "@"+zeroWidthSpace,
	"://", ":"+zeroWidthSpace+"//", "www.", "www"+zeroWidthSpace+".",
)

// words writes our own words.
func words(s string) string { return specials.Replace(keepBlanks(s)) }

// keepBlanks is visible with the blanks at the edges, which part words from code.
func keepBlanks(s string) string {
	v := visible(s)
	if v == "" {
		if s != "" {
			return " "
		}
		return ""
	}
	if unicode.IsSpace(rune(s[0])) {
		v = " " + v
	}
	if unicode.IsSpace(rune(s[len(s)-1])) {
		v += " "
	}
	return v
}

// markdown writes a text.
func markdown(t rules.Text) string {
	var b strings.Builder
	for _, p := range t {
		b.WriteString(words(p.Words))
		if p.Code != "" {
			b.WriteString(codeSpan(p.Code))
		}
	}
	return strings.TrimSpace(b.String())
}

// plain writes a text where there is no Markdown: titles and annotations.
func plain(t rules.Text) string {
	var b strings.Builder
	for _, p := range t {
		b.WriteString(keepBlanks(p.Words))
		if p.Code != "" {
			b.WriteString(withoutMentions(visible(p.Code)))
		}
	}
	return strings.TrimSpace(b.String())
}

// bold writes a sentence in bold; "" stays "".
func bold(sentence string) string {
	if sentence == "" {
		return ""
	}
	return "**" + sentence + "**"
}

// sentences joins what is not empty with blanks.
func sentences(parts ...string) string {
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, " ")
}

var plainPath = lazyregexp.New(`^\.?[A-Za-z0-9-]+([./_-][A-Za-z0-9-]+)*$`)

// pathName writes a path as the text of a link: as it is where nothing in it can mean anything.
func pathName(p string) string {
	if plainPath.MatchString(p) && len(p) <= maxCode && !strings.Contains(strings.ToLower(p), "www.") {
		return strings.ReplaceAll(p, "_", `\_`)
	}
	return codeSpan(p)
}

// linkTarget percent-encodes everything in a path but letters, digits and "-._~/".
func linkTarget(p string) string {
	var b strings.Builder
	for i := range len(p) {
		c := p[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~/", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// linesName is "line 2" or "lines 2–4".
func linesName(l source.Lines) string {
	if l.Last <= l.First {
		return fmt.Sprintf("line %d", l.First)
	}
	return fmt.Sprintf("lines %d–%d", l.First, l.Last)
}

// linesList is "lines 1, 2 and 5–7", neighbours joined; the lines are sorted.
func linesList(all []source.Lines) string {
	var joined []source.Lines
	for _, l := range all {
		if n := len(joined); n > 0 && l.First <= joined[n-1].Last+1 {
			joined[n-1].Last = max(joined[n-1].Last, l.Last)
			continue
		}
		joined = append(joined, l)
	}
	if len(joined) == 0 {
		return ""
	}
	if len(joined) == 1 {
		return linesName(joined[0])
	}
	more := ""
	const most = 20
	if len(joined) > most {
		more, joined = " and more", joined[:most]
	}
	names := make([]string, len(joined))
	for i, l := range joined {
		names[i] = strings.TrimPrefix(strings.TrimPrefix(linesName(l), "lines "), "line ")
	}
	if more != "" {
		return "lines " + strings.Join(names, ", ") + more
	}
	return "lines " + strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

var shellPlain = lazyregexp.New(`^[A-Za-z0-9._][A-Za-z0-9._/+=-]*$`)

// shellWord writes a path as one word for a shell.
func shellWord(p string) string {
	if shellPlain.MatchString(p) {
		return p
	}
	if strings.HasPrefix(p, "-") {
		p = "./" + p
	}
	return "'" + strings.ReplaceAll(p, "'", `'\''`) + "'"
}

// fixCommand is the command that makes the same edit locally, as code; "" where the path cannot be typed.
func fixCommand(p string) string {
	if !printable(p, "") || strings.ContainsAny(p, "\n\t") || path.Clean(p) != p || len(p) > maxCode/2 {
		return ""
	}
	return codeSpan("hitrate check --fix " + shellWord(p))
}
