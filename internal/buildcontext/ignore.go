package buildcontext

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
)

// Limits of an ignore file. Matching costs patterns × paths; both come from a pull request.
const (
	maxIgnoreBytes    = 256 << 10
	maxIgnorePatterns = 2000
	maxPath           = 4096 // PATH_MAX: no longer path or pattern can name a file
	// maxMatchCost bounds the bytes of paths that patterns with wildcards are run over; it is
	// several seconds of work, and some times what a hundred thousand files need.
	maxMatchCost = 2 << 30
)

// IgnoreError is an ignore file that BuildKit refuses, or one that is larger than hitrate reads.
type IgnoreError struct {
	Path    string
	Line    int // 0 where it is about the whole file
	Pattern string
	Message string
}

func (e *IgnoreError) Error() string {
	switch {
	case e.Line == 0:
		return fmt.Sprintf("%s: %s", e.Path, e.Message)
	case e.Pattern == "":
		return fmt.Sprintf("%s:%d: %s", e.Path, e.Line, e.Message)
	default:
		return fmt.Sprintf("%s:%d: pattern %q: %s", e.Path, e.Line, e.Pattern, e.Message)
	}
}

// ignore is one parsed ignore file. The matcher compiles its patterns when it first needs them, so
// it is locked.
type ignore struct {
	path string
	text []byte

	mu      sync.Mutex
	matcher *patternmatcher.PatternMatcher
	weight  int // of one match, see weight
	// prefixExceptions says that every "!" pattern begins with a literal directory: then a
	// directory that none of them leads into is not walked at all, as BuildKit's client does it.
	prefixExceptions bool
}

func parseIgnore(path string, text []byte) (*ignore, error) {
	if len(text) > maxIgnoreBytes {
		return nil, &IgnoreError{Path: path, Message: fmt.Sprintf("the ignore file has %d bytes; hitrate reads up to %d", len(text), maxIgnoreBytes)}
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(text))
	if err != nil {
		return nil, &IgnoreError{Path: path, Message: err.Error()}
	}
	if len(patterns) > maxIgnorePatterns {
		return nil, &IgnoreError{Path: path, Message: fmt.Sprintf("the ignore file has %d patterns; hitrate reads up to %d", len(patterns), maxIgnorePatterns)}
	}
	matcher, err := patternmatcher.New(patterns)
	if err != nil || slices.ContainsFunc(patterns, func(p string) bool { return len(p) > maxPath }) {
		return nil, findBadPattern(path, text, err)
	}
	ig := &ignore{path: path, text: text, matcher: matcher, prefixExceptions: true}
	for _, p := range matcher.Patterns() {
		ig.weight += weight(p.String())
		if p.Exclusion() && strings.ContainsAny(literalPart(p), `*[]?^\`) {
			ig.prefixExceptions = false
		}
	}
	return ig, nil
}

// weight is the cost of running a pattern over one byte of a path, in units of a literal one's: what
// patternmatcher makes a regular expression of costs some times as much, and far more with each wildcard
// or class, of which it follows all at once.
func weight(pattern string) int {
	inner := strings.TrimSuffix(strings.TrimPrefix(pattern, "**/"), "/**")
	wildcards := strings.Count(inner, "*") + strings.Count(inner, "?") + strings.Count(inner, "[")
	if wildcards == 0 {
		return 1
	}
	return 4 * wildcards * wildcards
}

// checkPatterns finds what patternmatcher refuses only when it first runs a pattern: a build whose files
// do not lead to that pattern goes well.
func checkPatterns(patterns []string) error {
	for _, p := range patterns {
		if len(p) > maxPath {
			return fmt.Errorf("longer than %d bytes", maxPath)
		}
		one, err := patternmatcher.New([]string{strings.TrimPrefix(p, "!")})
		if err != nil {
			return err
		}
		if _, err := one.MatchesOrParentMatches("x"); err != nil {
			return err
		}
	}
	return nil
}

// findBadPattern names the line of the pattern behind an error; nil for one that is too long.
func findBadPattern(path string, text []byte, cause error) error {
	for i, line := range bytes.Split(text, []byte("\n")) {
		patterns, err := ignorefile.ReadAll(bytes.NewReader(line))
		if err == nil {
			_, err = patternmatcher.New(patterns)
		}
		if err == nil {
			err = checkPatterns(patterns)
		}
		if err != nil {
			return &IgnoreError{Path: path, Line: i + 1, Pattern: string(bytes.TrimSpace(line)), Message: err.Error()}
		}
	}
	return &IgnoreError{Path: path, Message: fmt.Sprint(cause)}
}

// literalPart is a pattern without a trailing glob, which makes no difference to where it leads.
func literalPart(p *patternmatcher.Pattern) string {
	return strings.TrimSuffix(strings.TrimSuffix(p.String(), "/**"), "/*")
}

// verdict is what the ignore file says of one path; a directory's is handed on to what is in it.
type verdict struct {
	info    patternmatcher.MatchInfo
	out     bool // this path is left out
	skipped bool // a directory that is not even looked into
}

// walk judges paths of one tree; directories are judged once.
type walk struct {
	ig     *ignore
	dirs   map[string]verdict
	budget int
}

func (ig *ignore) walk() *walk {
	return &walk{ig: ig, dirs: map[string]verdict{}, budget: maxMatchCost}
}

// file judges a file, after the directories above it.
func (w *walk) file(p string) (verdict, error) {
	parent, err := w.parent(p)
	if err != nil || parent.skipped {
		return verdict{out: true, skipped: true}, err
	}
	return w.judge(p, parent)
}

func (w *walk) parent(p string) (verdict, error) {
	dir := path.Dir(p)
	if dir == "." || dir == "/" {
		return verdict{}, nil
	}
	if v, done := w.dirs[dir]; done {
		return v, nil
	}
	v, err := w.dir(dir)
	if err == nil {
		w.dirs[dir] = v
	}
	return v, err
}

func (w *walk) dir(p string) (verdict, error) {
	parent, err := w.parent(p)
	if err != nil || parent.skipped {
		return verdict{out: true, skipped: true}, err
	}
	v, err := w.judge(p, parent)
	if err != nil || !v.out || !w.ig.prefixExceptions {
		return v, err
	}
	for _, pattern := range w.ig.matcher.Patterns() {
		if pattern.Exclusion() && strings.HasPrefix(literalPart(pattern)+"/", p+"/") {
			return v, nil
		}
	}
	v.skipped = true
	return v, nil
}

func (w *walk) judge(p string, parent verdict) (verdict, error) {
	w.budget -= (len(p) + 1) * w.ig.weight
	if w.budget < 0 {
		return verdict{}, &IgnoreError{Path: w.ig.path, Message: "matching its patterns against the repository's files costs more than hitrate spends on it"}
	}
	out, info, err := w.ig.matcher.MatchesUsingParentResults(p, parent.info)
	if err != nil {
		return verdict{}, findBadPattern(w.ig.path, w.ig.text, err)
	}
	return verdict{info: info, out: out}, nil
}

// filter returns the entries that the ignore file leaves in, and the directories that it leaves in
// without anything in them.
func (ig *ignore) filter(t Tree) (kept Tree, emptied []string, err error) {
	ig.mu.Lock()
	defer ig.mu.Unlock()
	w := ig.walk()
	filled := map[string]bool{}
	for _, e := range t.Entries {
		if tooDeep(e.Path) {
			return Tree{}, nil, &IgnoreError{Path: ig.path, Message: fmt.Sprintf("a path of the repository is longer than %d bytes or deeper than %d directories", maxPath, maxDepth)}
		}
		v, err := w.file(e.Path)
		if err != nil {
			return Tree{}, nil, err
		}
		if v.out {
			continue
		}
		kept.Entries = append(kept.Entries, e)
		for dir := path.Dir(e.Path); dir != "." && !filled[dir]; dir = path.Dir(dir) {
			filled[dir] = true
		}
	}
	for dir, v := range w.dirs {
		if !v.out && !filled[dir] {
			emptied = append(emptied, dir)
		}
	}
	slices.Sort(emptied)
	return kept, emptied, nil
}

// maxDepth keeps the walk's recursion small.
const maxDepth = 500

func tooDeep(p string) bool {
	return len(p) > maxPath || strings.Count(p, "/") > maxDepth
}

// leavesOut judges one path that need not be in the tree.
func (ig *ignore) leavesOut(p string) bool {
	p = clean(p)
	if p == "" || len(p) > maxPath || strings.Count(p, "/") > maxDepth {
		return false
	}
	ig.mu.Lock()
	defer ig.mu.Unlock()
	v, err := ig.walk().file(p)
	return err == nil && v.out
}
