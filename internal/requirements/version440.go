package requirements

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

// version is a public version by PEP 440; local parts (+…) are not read.
type version struct {
	epoch, pre, post, dev int // pre, post and dev are numbers; -1 without
	phase                 string
	release               []int
}

var versionParts = lazyregexp.New(`(?i)^v?(?:(\d+)!)?(\d+(?:\.\d+)*)` +
	`(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?(\d*))?` +
	`(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d*))?` +
	`(?:[-_.]?(dev)[-_.]?(\d*))?$`)

func parseVersion(text string) (v version, ok bool) {
	m := versionParts.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return v, false
	}
	number := func(s string) int {
		n := 0
		if s != "" {
			var err error
			n, err = strconv.Atoi(s)
			ok = ok && err == nil
		}
		return n
	}
	ok = true
	v = version{epoch: number(m[1]), pre: -1, post: -1, dev: -1}
	for part := range strings.SplitSeq(m[2], ".") {
		v.release = append(v.release, number(part))
	}
	if m[3] != "" {
		v.pre = number(m[4])
		switch phase := strings.ToLower(m[3]); phase {
		case "a", "alpha":
			v.phase = "a"
		case "b", "beta":
			v.phase = "b"
		default:
			v.phase = "rc"
		}
	}
	switch {
	case m[5] != "":
		v.post = number(m[5])
	case m[6] != "":
		v.post = number(m[7])
	}
	if m[8] != "" {
		v.dev = number(m[9])
	}
	return v, ok
}

// preRelease says whether pip leaves the version out where nobody asks for it.
func (v version) preRelease() bool { return v.pre >= 0 || v.dev >= 0 }

// compare orders versions by PEP 440.
func (v version) compare(o version) int {
	// What has a development release only comes before its pre-releases, a release behind them.
	phase := func(v version) string {
		switch {
		case v.phase != "":
			return v.phase
		case v.post < 0 && v.dev >= 0:
			return ""
		}
		return "~"
	}
	last := func(n int) int {
		if n < 0 {
			return int(^uint(0) >> 1)
		}
		return n
	}
	return cmp.Or(cmp.Compare(v.epoch, o.epoch), compareRelease(v.release, o.release), cmp.Compare(phase(v), phase(o)),
		cmp.Compare(v.pre, o.pre), cmp.Compare(v.post, o.post), cmp.Compare(last(v.dev), last(o.dev)))
}

func compareRelease(a, b []int) int {
	for i := range max(len(a), len(b)) {
		if c := cmp.Compare(part(a, i), part(b, i)); c != 0 {
			return c
		}
	}
	return 0
}

// part is a number of a release, 0 behind its end.
func part(release []int, i int) int {
	if i < len(release) {
		return release[i]
	}
	return 0
}

// startsWith says whether a version is one of those that "== release.*" takes.
func (v version) startsWith(epoch int, release []int) bool {
	for i, n := range release {
		if part(v.release, i) != n {
			return false
		}
	}
	return v.epoch == epoch
}

// admits says whether a version certainly satisfies a clause by PEP 440.
func (c clause) admits(text string, v version) bool {
	if c.operator == "===" {
		return strings.EqualFold(c.version, text)
	}
	written, wildcard := strings.CutSuffix(c.version, ".*")
	o, ok := parseVersion(written)
	if !ok || wildcard && (o.preRelease() || o.post >= 0) {
		return false
	}
	sameBase := v.epoch == o.epoch && compareRelease(v.release, o.release) == 0
	switch c.operator {
	case "==":
		return wildcard && v.startsWith(o.epoch, o.release) || !wildcard && v.compare(o) == 0
	case "!=":
		return wildcard && !v.startsWith(o.epoch, o.release) || !wildcard && v.compare(o) != 0
	case "~=":
		return v.compare(o) >= 0 && v.startsWith(o.epoch, o.release[:len(o.release)-1])
	case ">=":
		return v.compare(o) >= 0
	case "<=":
		return v.compare(o) <= 0
	case ">":
		return v.compare(o) > 0 && (!sameBase || v.post < 0 || o.post >= 0)
	case "<":
		return v.compare(o) < 0 && (!sameBase || !v.preRelease() || o.preRelease())
	}
	return false
}

// Admits says whether a version certainly satisfies a specifier by PEP 440: a comma separated list of
// comparisons. Of pre-releases it says what the comparisons say; whether pip looks at them is another question,
// see [PreRelease].
func Admits(specifier, text string) bool {
	v, ok := parseVersion(text)
	clauses, err := readSpecifier(specifier)
	return ok && err == nil && !slices.ContainsFunc(clauses, func(c clause) bool { return !c.admits(text, v) })
}

// PreRelease says whether a version is one that pip leaves out where nobody asks for it, and public says that it
// is one of PEP 440 without a local part.
func PreRelease(text string) (pre, public bool) {
	v, ok := parseVersion(text)
	return ok && v.preRelease(), ok
}

// AsksForPreRelease says whether one of a specifier's comparisons names a pre-release.
func AsksForPreRelease(specifier string) bool {
	clauses, _ := readSpecifier(specifier)
	return slices.ContainsFunc(clauses, func(c clause) bool {
		v, ok := parseVersion(strings.TrimSuffix(c.version, ".*"))
		return ok && v.preRelease() && c.operator != "!="
	})
}
