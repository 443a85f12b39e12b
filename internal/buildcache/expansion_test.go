package buildcache

import (
	"testing"
	"unicode/utf8"

	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// FuzzPredict: no expansion of BuildKit's comes out longer than predicted, however a word is quoted,
// nested or escaped.
func FuzzPredict(f *testing.F) {
	for _, seed := range []string{
		"$A${B}", "${A:-x$B}", "${A//a/$B}", "${A/a/b}'$A'", `"$A\"${A//a/'}'$B}"`, "${A%%*b}", "${A#a*}", "${A:+$A$A}",
		`\$A`, "${A//a/${A//a/$A}}", "$é${é}", "${A//?/\\$0\\$0}", "$$A", "$@$*$1A", "${A//a/}}", "${A", "<<A",
	} {
		f.Add(seed, "aaab", "bb", true)
		f.Add(seed, "a", "$0$0", false)
	}
	f.Fuzz(func(t *testing.T, text, a, b string, quotes bool) {
		if len(text) > 1000 || len(a) > 100 || len(b) > 100 {
			return
		}
		env := shell.EnvsFromSlice([]string{"A=" + a, "B=" + b, "é=" + a + b})
		for _, escape := range []rune{'\\', '`'} {
			p := predict(text, sizes{"A": len(a), "B": len(b), "é": len(a) + len(b)}, escape, quotes)
			for _, raw := range []bool{false, true} { // raw is how the name of a RUN is made
				lex := shell.NewLex(escape)
				lex.SkipProcessQuotes = !quotes
				lex.RawQuotes, lex.RawEscapes, lex.SkipUnsetEnv = raw, raw, raw
				got, _, err := lex.ProcessWord(text, env)
				most := p.size
				if !utf8.ValidString(text) || !utf8.ValidString(a) || !utf8.ValidString(b) {
					most *= 3 // a byte that is no UTF-8 comes out as three
				}
				if err == nil && len(got) > most {
					t.Errorf("%q with A=%q, B=%q comes to %d bytes, predicted %d", text, a, b, len(got), p.size)
				}
			}
		}
	})
}
