package buildcache

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/patternmatcher"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// selection is what an operation takes of an input whose contents count, in BuildKit's terms
// (cache/contenthash and solver/llbsolver/ops in its sources).
type selection struct {
	path     string
	wildcard bool
	follow   bool // a symlink at the end of the path is followed
	include  []string
	exclude  []string
	required []string
}

func (s selection) plain() bool {
	return !s.wildcard && len(s.include) == 0 && len(s.exclude) == 0
}

// errNotFound is a path that the context does not have.
var errNotFound = errors.New("not found")

// errLinks is a path with more links than BuildKit follows, or links that lead to each other.
var errLinks = errors.New("too many links")

// maxFollow is how many symlinks BuildKit follows in one path.
const maxFollow = 255

// files is a build context as BuildKit hashes it: each path with its mode, contents or link text. No
// times and no owners: a context has none.
type files struct {
	root *file
	// named are the contexts beside the main one that are directories, by name.
	named map[string]*files
	// list holds every record in BuildKit's order; it is made when a wildcard or filter needs it.
	list []fileRecord
	// spent is the work that patterns have cost so far, in bytes of paths.
	spent *int
	// views are the sums of patterns over a history; nil for one tree.
	views *views
}

// maxMatching bounds the work of patterns over one tree; a large repository needs some thousandth.
const maxMatching = 1 << 30

// errMatching is a tree and patterns that would cost more than maxMatching.
var errMatching = errors.New("matching its patterns against the repository's files costs too much")

type file struct {
	name     string
	path     string // "" for the root, else "/a/b"
	mode     string // git's; modeDir for a directory
	content  string // blob id, or a link's text
	link     bool
	children []*file // sorted by name
	// hidden are those that the ignore file leaves out, and out says it of this one: along a history both
	// decide whether BuildKit sees a directory.
	hidden []*file
	out    bool
	digest string // of a directory with all that is in it, once computed
}

const modeDir = "040000"

// fileRecord is one entry of BuildKit's tree of records: directories have two.
type fileRecord struct {
	*file
	header bool // the directory itself, without what is in it
}

// maxPath is PATH_MAX of Linux, in bytes: no file of a build has a longer path. It keeps directories from
// lying in each other by the ten thousands.
const maxPath = 4096

// ErrLongPath is a path that no file system of a builder takes.
var ErrLongPath = fmt.Errorf("a path of the repository is longer than %d bytes", maxPath)

func checkPaths(c *buildcontext.Context) error {
	for _, e := range c.Tree.Entries {
		if len(e.Path) > maxPath {
			return ErrLongPath
		}
	}
	for _, named := range c.Named {
		if err := checkPaths(named); err != nil {
			return err
		}
	}
	return nil
}

// newFiles reads a context. Submodules are empty directories where a client sends a checkout.
func newFiles(c *buildcontext.Context) *files {
	root := &file{mode: modeDir}
	dirs := map[string]*file{"": root}
	var dir func(p string) *file
	dir = func(p string) *file {
		if d := dirs[p]; d != nil {
			return d
		}
		parent := dir(strings.TrimSuffix(strings.TrimSuffix(p, path.Base(p)), "/"))
		d := &file{name: path.Base(p), path: "/" + p, mode: modeDir}
		parent.children = append(parent.children, d)
		dirs[p] = d
		return d
	}
	for _, p := range c.EmptyDirs {
		dir(p)
	}
	for _, e := range c.Tree.Entries {
		parent, name := "", e.Path
		if at := strings.LastIndexByte(e.Path, '/'); at >= 0 {
			parent, name = e.Path[:at], e.Path[at+1:]
		}
		f := &file{name: name, path: "/" + e.Path}
		if f.describe(e, c.Build.Kind); f.isDir() {
			dir(e.Path)
			continue
		}
		d := dir(parent)
		d.children = append(d.children, f)
	}
	for _, d := range dirs {
		slices.SortFunc(d.children, func(a, b *file) int { return strings.Compare(a.name, b.name) })
	}
	t := &files{root: root, spent: new(int)}
	for name, other := range c.Named {
		if t.named == nil {
			t.named = map[string]*files{}
		}
		t.named[name] = newFiles(other)
	}
	return t
}

// of are the files of the context that a node stands for.
func (t *files) of(n *keyNode) *files {
	if n.name == "" {
		return t
	}
	if named := t.named[n.name]; named != nil {
		return named
	}
	return &files{root: &file{mode: modeDir}, spent: t.spent}
}

func (f *file) isDir() bool { return f.mode == modeDir }

func (f *file) child(name string) *file {
	i, found := search(f.children, name)
	if !found {
		return nil
	}
	return f.children[i]
}

// sum is the digest of a file, a link, or a directory with all that is in it.
func (f *file) sum() string {
	if !f.isDir() {
		return f.mode + " " + f.content
	}
	if f.digest == "" {
		var short [1024]byte
		text := short[:0]
		for _, c := range f.children {
			text = appendText(text, c.name)
			text = c.appendSum(text)
		}
		sum := sha256.Sum256(text)
		f.digest = modeDir + " " + string(sum[:])
	}
	return f.digest
}

// appendSum appends the sum as put writes it.
func (f *file) appendSum(text []byte) []byte {
	if f.isDir() {
		return appendText(text, f.sum())
	}
	text = strconv.AppendInt(text, int64(len(f.mode)+1+len(f.content)), 10)
	return append(append(append(append(text, ':'), f.mode...), ' '), f.content...)
}

func (r fileRecord) sum() string {
	if r.header {
		return modeDir
	}
	return r.file.sum()
}

// lookup resolves a path as BuildKit does, symlinks in it and, on demand, the one at its end. It
// returns nil for a path that is not there.
func (t *files) lookup(p string, followLast bool) (*file, error) {
	if f := t.walk(p); f != nil && (!followLast || !f.link) {
		return f, nil
	}
	current, rest := "", strings.TrimPrefix(rooted(p), "/")
	var f *file
	for links := 0; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		next := strings.TrimSuffix(path.Join("/", current, name), "/")
		f = t.walk(next)
		if f == nil || !f.link || !followLast && rest == "" {
			current = next
			continue
		}
		if links++; links > maxFollow {
			return nil, errLinks
		}
		if path.IsAbs(f.content) {
			current = ""
		}
		rest = f.content + "/" + rest
	}
	return f, nil
}

// walk finds a path without following any link.
func (t *files) walk(p string) *file {
	f := t.root
	for rest := strings.TrimPrefix(p, "/"); rest != "" && f != nil; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		f = f.child(name)
	}
	return f
}

// checksum is the digest of one selection. Its error is errNotFound for what is not there.
func (t *files) checksum(s selection) (string, error) {
	return t.checksumOf(&s)
}

// checksumOf is checksum for a selection of a plan, whose address names it.
func (t *files) checksumOf(selected *selection) (string, error) {
	s := *selected
	p := rooted(s.path)
	if s.plain() {
		f, err := t.lookup(cleanKey(p), s.follow)
		if err != nil {
			return "", err
		}
		if f == nil {
			return "", errNotFound
		}
		return f.sum(), nil
	}
	if t.views != nil {
		if sum, alone, err := t.views.sum(t, selected); err != nil || !alone {
			return sum, err
		}
	}
	prefix, included, err := t.included(s)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	for _, r := range included {
		sum := r.sum()
		if r.follow && r.link {
			f, err := t.lookup(r.at, s.follow)
			if err != nil {
				return "", err
			}
			if f == nil {
				return "", errNotFound
			}
			sum = f.sum()
		}
		if len(included) == 1 && path.Base(p) == path.Base(r.at) {
			return sum, nil
		}
		put(h, strings.TrimPrefix(r.at, prefix), sum)
	}
	return "list " + string(h.Sum(nil)), nil
}

// includedRecord is a record that wildcards and filters leave in.
type includedRecord struct {
	fileRecord
	at       string // the path under the name that the selection gives it
	follow   bool
	included bool
	include  patternmatcher.MatchInfo
	exclude  patternmatcher.MatchInfo
}

// included walks the records as BuildKit's includedPaths does.
func (t *files) included(s selection) (_ string, included []*includedRecord, err error) {
	var include, exclude *patternmatcher.PatternMatcher
	if len(s.include) > 0 {
		if include, err = patternmatcher.New(s.include); err != nil {
			return "", nil, err
		}
	}
	if len(s.exclude) > 0 {
		if exclude, err = patternmatcher.New(s.exclude); err != nil {
			return "", nil, err
		}
	}
	p := cleanKey(rooted(s.path))
	prefix, start, err := t.start(s, p)
	if err != nil {
		return "", nil, err
	}
	resolved := start.path
	records := t.from(start)

	var parents []*includedRecord
	lastMatched := ""
	weight := s.weight()
	for _, record := range records {
		if *t.spent += (1 + len(record.path)) * weight; *t.spent > maxMatching {
			return "", nil, errMatching
		}
		if p == "" && record.header && record.path == "" {
			continue // the root is named with a slash: then what is in it counts as named itself
		}
		at := record.path
		if rest, below := strings.CutPrefix(at, resolved); below {
			at = prefix + rest
		}
		for len(parents) > 0 && !strings.HasPrefix(at+slashIf(record.header), parents[len(parents)-1].at+"/") {
			parents = parents[:len(parents)-1]
		}
		var parent *includedRecord
		if len(parents) > 0 {
			parent = parents[len(parents)-1]
		}
		r := &includedRecord{fileRecord: record, at: at, follow: parent == nil && s.follow}
		top := p
		if s.wildcard {
			if p != "" && (lastMatched == "" || !strings.HasPrefix(at, lastMatched+"/")) {
				matched, err := path.Match(p, at)
				if err != nil {
					return "", nil, err
				}
				if !matched {
					continue
				}
				lastMatched = at
				if record.link && s.follow {
					if f, err := t.lookup(record.path, true); err != nil || f == nil {
						return "", nil, errNotFound // the copy fails, also where an exclude leaves it out
					}
				}
			}
			top = lastMatched
		} else if !strings.HasPrefix(at+"/", p+"/") {
			break
		}
		candidate := strings.TrimSuffix(strings.TrimPrefix(at+"/", top+"/"), "/")
		ok, err := r.keep(candidate, include, exclude, parent)
		if err != nil {
			return "", nil, err
		}
		// Of directories only the header is hashed: what is in them comes by itself.
		if ok && (record.header || !record.isDir()) {
			for _, d := range parents {
				if !d.included {
					included = append(included, d)
					d.included = true
				}
			}
			included = append(included, r)
			r.included = true
		}
		if record.header {
			parents = append(parents, r)
		}
	}
	for _, required := range s.required {
		if !slices.ContainsFunc(included, func(r *includedRecord) bool { return strings.HasPrefix(r.at, required) }) {
			return "", nil, errNotFound
		}
	}
	return prefix, included, nil
}

// start is where the walk of a selection with patterns begins, and the name that the selection gives it.
func (t *files) start(s selection, p string) (prefix string, start *file, err error) {
	switch fixed, rest := splitWildcards(p); {
	case !s.wildcard:
		prefix = p
		start, err = t.lookup(p, false)
	case fixed == "/":
		start = t.root
	default:
		prefix = fixed
		start, err = t.lookup(fixed, rest != "")
	}
	if err == nil && start == nil {
		err = errNotFound // the key could be had, but the copy fails
	}
	return prefix, start, err
}

// weight is what a selection's patterns cost for each byte of a path.
func (s selection) weight() int {
	return 1 + strings.Count(s.path+strings.Join(s.include, "")+strings.Join(s.exclude, ""), "*") + len(s.include) + len(s.exclude)
}

func (r *includedRecord) keep(candidate string, include, exclude *patternmatcher.PatternMatcher, parent *includedRecord) (bool, error) {
	var above includedRecord
	if parent != nil {
		above = *parent
	}
	if include != nil {
		matched, info, err := include.MatchesUsingParentResults(candidate, above.include)
		if err != nil {
			return false, err
		}
		r.include = info
		if !matched {
			return false, nil
		}
	}
	if exclude != nil {
		matched, info, err := exclude.MatchesUsingParentResults(candidate, above.exclude)
		if err != nil {
			return false, err
		}
		r.exclude = info
		if matched {
			return false, nil
		}
	}
	return true, nil
}

// from returns all records from one file on, in BuildKit's order.
func (t *files) from(start *file) []fileRecord {
	if t.list == nil {
		t.list = appendRecords(nil, t.root)
	}
	if start == t.root {
		return t.list
	}
	at := slices.IndexFunc(t.list, func(r fileRecord) bool { return r.file == start })
	return t.list[at:]
}

func appendRecords(list []fileRecord, f *file) []fileRecord {
	list = append(list, fileRecord{file: f})
	if f.isDir() {
		list = append(list, fileRecord{file: f, header: true})
	}
	for _, c := range f.children {
		list = appendRecords(list, c)
	}
	return list
}

// taken lists the records that a selection with patterns takes, by path; directories as they are,
// without what is in them.
func (t *files) taken(s selection) map[string]*file {
	out := map[string]*file{}
	_, included, err := t.included(s)
	if err != nil {
		return out
	}
	for _, r := range included {
		f := r.file
		if r.follow && r.link {
			if target, err := t.lookup(r.path, s.follow); err == nil && target != nil {
				f = target
			}
		}
		out[r.path] = f
	}
	return out
}

// changes lists the paths at which two directories or files differ, without looking into what is
// equal. Of a directory that only one of them has, all that is in it is listed.
func changes(was, is *file, list *[]change) {
	switch {
	case was == nil && is == nil:
	case was != nil && is != nil && was.sum() == is.sum():
	case was == nil || is == nil || !was.isDir() || !is.isDir():
		listAll(was, list, func(f *file) change { return change{was: f} })
		listAll(is, list, func(f *file) change { return change{is: f} })
		// One file for another at the same place is one change.
		if n := len(*list); was != nil && is != nil && !was.isDir() && !is.isDir() {
			*list = append((*list)[:n-2], change{was: was, is: is})
		}
	default:
		a, b := was.children, is.children
		for len(a) > 0 || len(b) > 0 {
			switch {
			case len(b) == 0 || len(a) > 0 && a[0].name < b[0].name:
				changes(a[0], nil, list)
				a = a[1:]
			case len(a) == 0 || b[0].name < a[0].name:
				changes(nil, b[0], list)
				b = b[1:]
			default:
				changes(a[0], b[0], list)
				a, b = a[1:], b[1:]
			}
		}
	}
}

// change is a path that is new (was is nil), gone (is is nil) or another.
type change struct {
	was, is *file
	named   string // the named context that it is of; "" for the main one
}

func listAll(f *file, list *[]change, as func(*file) change) {
	if f == nil {
		return
	}
	if !f.isDir() || len(f.children) == 0 {
		*list = append(*list, as(f))
	}
	for _, c := range f.children {
		listAll(c, list, as)
	}
}

// rooted is a cleaned absolute path.
func rooted(p string) string {
	if !strings.HasPrefix(p, "/") {
		p = "/" + p
	}
	return path.Clean(p) // which copies nothing of what is clean
}

// cleanKey is a cleaned absolute path with "" for the root, as BuildKit's records have it.
func cleanKey(p string) string {
	return strings.TrimSuffix(p, "/")
}

func slashIf(yes bool) string {
	if yes {
		return "/"
	}
	return ""
}

// splitWildcards parts a path before its first component with a wildcard.
func splitWildcards(p string) (fixed, rest string) {
	parts := strings.Split(p, "/")
	at := slices.IndexFunc(parts, hasWildcards)
	if at < 0 {
		return path.Join("/", p), ""
	}
	return path.Join("/", path.Join(parts[:at]...)), path.Join(parts[at:]...)
}

// hasWildcards is BuildKit's test: a backslash makes the next byte an ordinary one.
func hasWildcards(name string) bool {
	for i := 0; i < len(name); i++ {
		switch name[i] {
		case '\\':
			i++
		case '*', '?', '[':
			return true
		}
	}
	return false
}
