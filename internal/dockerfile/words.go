package dockerfile

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/dockerfile/command"
	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// blanks is what BuildKit splits an instruction's words at.
var blanks = regexp.MustCompile(`[\t\v\f\r ]+`)

// splitInstruction cuts a logical line into keyword, flags and the rest, by BuildKit's rules: flags
// are the words beginning with "--" right behind the keyword; quotes and escapes join what blanks
// would part.
func splitInstruction(line text, escape rune) (keyword text, flags []Flag, args text) {
	line = line.trim()
	gap := blanks.FindStringIndex(line.s)
	if gap == nil {
		return line, nil, line.part(len(line.s), len(line.s))
	}
	rest := line.part(gap[1], len(line.s))
	flags, end := readFlags(rest, escape)
	return line.part(0, gap[0]), flags, rest.part(end, len(rest.s)).trim()
}

// readFlags reads the flags at the start of rest and says where they end. Like BuildKit's it looks
// at bytes, not characters.
func readFlags(rest text, escape rune) (flags []Flag, end int) {
	s := rest.s
	pos := 0
	for {
		for pos < len(s) && unicode.IsSpace(rune(s[pos])) {
			pos++
		}
		if !strings.HasPrefix(s[pos:], "--") {
			return flags, pos
		}
		start := pos
		var word strings.Builder
		var quote byte
		for ; pos < len(s); pos++ {
			ch := s[pos]
			switch {
			case quote == 0 && unicode.IsSpace(rune(ch)):
			case quote == 0 && (ch == '\'' || ch == '"'):
				quote = ch
				continue
			case quote != 0 && ch == quote:
				quote = 0
				continue
			case rune(ch) == escape:
				if pos+1 < len(s) {
					pos++
					word.WriteByte(s[pos])
				} else {
					quote = 0
				}
				continue
			default:
				word.WriteByte(ch)
				continue
			}
			break
		}
		if word.String() == "--" {
			return flags, pos
		}
		name, unquoted, _ := strings.Cut(word.String(), "=")
		_, value, _ := strings.Cut(s[start:pos], "=")
		flags = append(flags, Flag{Name: strings.TrimPrefix(name, "--"), Value: value, Unquoted: unquoted, Span: rest.span(start, pos)})
	}
}

// readArgs reads the words behind the flags as BuildKit does for the keyword.
func readArgs(keyword string, args text, isJSON bool, escape rune) []Arg {
	if args.s == "" {
		return nil
	}
	lex := shell.NewLex(escape)
	lex.SkipUnsetEnv = true
	unquote := func(words []text) []Arg {
		out := make([]Arg, len(words))
		for i, w := range words {
			out[i] = Arg{Value: w.s, Span: w.all()}
			if !lexable(w.s) {
				continue
			}
			if v, _, err := lex.ProcessWord(w.s, variables{}); err == nil {
				out[i].Value = v
			}
		}
		return out
	}
	asWritten := func(words []text) []Arg {
		out := make([]Arg, len(words))
		for i, w := range words {
			out[i] = Arg{Value: w.s, Span: w.all()}
		}
		return out
	}
	switch strings.ToLower(keyword) {
	case command.Add, command.Copy, command.Volume:
		if isJSON {
			return unquote(readJSON(args))
		}
		return unquote(splitBlanks(args, -1))
	case command.From, command.Expose:
		return unquote(splitBlanks(args, -1))
	case command.Arg:
		return unquote(splitQuoted(args, escape))
	case command.Env, command.Label:
		words := splitQuoted(args, escape)
		if len(words) > 0 && !strings.Contains(words[0].s, "=") {
			words = splitBlanks(args, 2) // the old form: ENV name value
		}
		return unquote(words)
	case command.Cmd, command.Entrypoint, command.Shell:
		if isJSON {
			return asWritten(readJSON(args))
		}
		return asWritten([]text{args})
	case command.Healthcheck:
		words := splitBlanks(args, 2)
		if isJSON && len(words) == 2 {
			words = append(words[:1], readJSON(words[1])...)
		}
		return asWritten(words)
	case command.User, command.Workdir, command.StopSignal:
		return unquote([]text{args})
	case command.Maintainer:
		return asWritten([]text{args})
	}
	return nil
}

// splitBlanks splits at blanks, into at most n words when n > 0.
func splitBlanks(t text, n int) []text {
	var out []text
	at := 0
	for _, gap := range blanks.FindAllStringIndex(t.s, -1) {
		if n > 0 && len(out) == n-1 {
			break
		}
		out = append(out, t.part(at, gap[0]))
		at = gap[1]
	}
	return append(out, t.part(at, len(t.s)))
}

// splitQuoted splits at blanks outside quotes, which stay: the words of ENV, ARG and LABEL.
func splitQuoted(t text, escape rune) []text {
	var out []text
	s := t.s
	pos := 0
	for {
		for pos < len(s) {
			ch, n := utf8.DecodeRuneInString(s[pos:])
			if !unicode.IsSpace(ch) {
				break
			}
			pos += n
		}
		if pos >= len(s) {
			return out
		}
		start, end := pos, -1
		var quote rune
		for pos < len(s) {
			ch, n := utf8.DecodeRuneInString(s[pos:])
			if quote == 0 && unicode.IsSpace(ch) {
				break
			}
			switch {
			case quote == 0 && (ch == '\'' || ch == '"'):
				quote = ch
			case quote != 0 && ch == quote:
				quote = 0
			case ch == escape && quote != '\'':
				if pos+n < len(s) {
					pos += n
					_, n = utf8.DecodeRuneInString(s[pos:])
				} else {
					end = pos // an escape character at the very end belongs to no word
				}
			}
			pos += n
		}
		if end < 0 {
			end = pos
		}
		if end > start {
			out = append(out, t.part(start, end))
		}
	}
}

// readJSON returns the strings of a JSON array, decoded, with the positions inside their quotes;
// nil for anything else.
func readJSON(t text) []text {
	dec := json.NewDecoder(strings.NewReader(t.s))
	if tok, err := dec.Token(); err != nil || tok != json.Delim('[') {
		return nil
	}
	var out []text
	for dec.More() {
		before := int(dec.InputOffset())
		tok, err := dec.Token()
		value, ok := tok.(string)
		if err != nil || !ok {
			return nil
		}
		end := int(dec.InputOffset())
		quote := strings.IndexByte(t.s[before:end], '"')
		if quote < 0 {
			return nil
		}
		out = append(out, decodeJSON(t.part(before+quote+1, end-1), value))
	}
	return out
}

// decodeJSON maps the value of a JSON string to the text between its quotes.
func decodeJSON(raw text, value string) text {
	if value == "" {
		return text{segs: []segment{{file: raw.start(0)}}}
	}
	var b textBuilder
	for i := 0; i < len(raw.s); {
		var n int
		switch {
		case raw.s[i] != '\\':
			_, n = utf8.DecodeRuneInString(raw.s[i:])
		case strings.HasPrefix(raw.s[i:], `\u`):
			n = 6
			// A pair of surrogates is one character.
			if len(raw.s) >= i+12 && raw.s[i+6:i+8] == `\u` {
				if both := unquoteJSON(raw.s[i : i+12]); utf8.RuneCountInString(both) == 1 {
					n = 12
				}
			}
		default:
			n = 2
		}
		n = min(n, len(raw.s)-i)
		span := raw.span(i, i+n)
		b.add(unquoteJSON(raw.s[i:i+n]), span.Start, span.Len())
		i += n
	}
	if t := b.text(); t.s == value {
		return t
	}
	// Never reached as far as known; the positions then are those of the whole string.
	var whole textBuilder
	whole.add(value, raw.all().Start, raw.all().Len())
	return whole.text()
}

func unquoteJSON(raw string) string {
	var s string
	if err := json.Unmarshal([]byte(`"`+raw+`"`), &s); err != nil {
		return raw
	}
	return s
}
