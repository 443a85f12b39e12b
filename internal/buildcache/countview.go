package buildcache

import (
	"crypto/sha256"
	"path"
	"strconv"
	"strings"

	"github.com/moby/patternmatcher"
)

// views are the sums of selections with patterns over trees that share directories: what a pattern takes of
// a directory is computed once for each state of it.
type views struct {
	of map[*selection]*view
}

// view is one selection over many trees.
type view struct {
	s                *selection
	include, exclude *patternmatcher.PatternMatcher
	err              error // of the patterns
	weight           int
	start            *file           // where it began in the tree that was asked for last
	last             selected        // of it
	known            map[*file]taken // in it, and in those of the trees before
}

// taken is what a selection takes of a file or directory.
type taken struct {
	count  int
	digest string
	// Where count is 1: the path of what is taken, under the name that the selection gives it, and its sum.
	onlyAt, onlySum string
	// links says that one of them is a link to follow: what it leads to may be anywhere.
	links bool
}

func (v *views) view(s *selection) *view {
	if known := v.of[s]; known != nil {
		return known
	}
	n := &view{s: s, known: map[*file]taken{}, weight: s.weight()}
	if len(s.include) > 0 {
		n.include, n.err = patternmatcher.New(s.include)
	}
	if len(s.exclude) > 0 && n.err == nil {
		n.exclude, n.err = patternmatcher.New(s.exclude)
	}
	v.of[s] = n
	return n
}

// selected is what files.selected says of a selection with patterns. alone says that it has to be computed for this
// tree by itself.
func (v *views) selected(t *files, s *selection) (is selected, alone bool, err error) {
	n := v.view(s)
	if n.err != nil || len(s.required) > 0 {
		return is, true, nil //nolint:nilerr // the fresh computation gives the error
	}
	start, err := t.start(s)
	if err != nil {
		return is, false, err
	}
	if start == n.start && n.last.sum != "" {
		return n.last, false, nil
	}
	if n.start != nil && n.start.path != start.path {
		clear(n.known)
	}
	n.start, n.last = start, selected{}
	w := viewWalk{view: n, files: t, p: s.at()}
	top := ""
	if !s.wildcard {
		top = w.p
	}
	all, err := w.visit(start, nil, top)
	if err != nil || all.links {
		return is, all.links, err
	}
	n.last = selected{sum: "list " + strconv.Itoa(all.count) + all.digest, some: all.count > 0}
	if all.count == 1 && path.Base(s.clean) == path.Base(all.onlyAt) {
		n.last.sum = all.onlySum
	}
	return n.last, false, nil
}

type viewWalk struct {
	*view
	files *files
	p     string
}

// visit judges a file or directory as included does. parent is the nearest directory above that the
// patterns were run on; top the path that the wildcard matched, "" where it has not yet.
func (w *viewWalk) visit(f *file, parent *includedRecord, top string) (taken, error) {
	if known, ok := w.known[f]; ok {
		return known, nil
	}
	got, err := w.judge(f, parent, top)
	if err == nil {
		w.known[f] = got
	}
	return got, err
}

func (w *viewWalk) judge(f *file, parent *includedRecord, top string) (got taken, err error) {
	at := w.s.begin + f.path[len(w.start.path):]
	if *w.files.spent += (1 + len(at)) * w.weight; *w.files.spent > maxMatching {
		return got, errMatching
	}
	record := fileRecord{file: f, header: f.isDir()}
	if w.s.wildcard && top == "" {
		matched, err := path.Match(w.p, at)
		if err != nil {
			return got, err
		}
		if matched {
			top = at
		}
		if !matched && !f.isDir() {
			return got, nil
		}
		if !matched {
			return w.directory(f, nil, parent, top)
		}
		if f.link && w.s.follow {
			return taken{links: true}, nil
		}
	}
	if w.p == "" && record.header && f.path == "" {
		return w.directory(f, nil, parent, top)
	}
	r := &includedRecord{fileRecord: record, at: at, follow: parent == nil && w.s.follow}
	candidate := strings.TrimSuffix(strings.TrimPrefix(at+"/", top+"/"), "/")
	ok, err := r.keep(candidate, w.include, w.exclude, parent)
	if err != nil {
		return got, err
	}
	if f.isDir() {
		r.included = ok
		return w.directory(f, r, r, top)
	}
	if !ok {
		return got, nil
	}
	if r.follow && f.link {
		return taken{links: true}, nil
	}
	sum := f.sum()
	return taken{count: 1, digest: sum, onlyAt: at, onlySum: sum}, nil
}

// directory adds up what is taken of a directory. own is the record of the directory itself, nil where the
// patterns do not ask for it.
func (w *viewWalk) directory(f *file, own, parent *includedRecord, top string) (got taken, err error) {
	var text []byte
	for _, c := range f.children {
		if c.hidden {
			continue
		}
		one, err := w.visit(c, parent, top)
		if err != nil || one.links {
			return one, err
		}
		if one.count == 0 {
			continue
		}
		text = appendText(appendText(text, c.name), one.digest)
		got.count += one.count
		got.onlyAt, got.onlySum = one.onlyAt, one.onlySum
	}
	self := own != nil && (own.included || got.count > 0)
	if self {
		got.count++
		got.onlyAt, got.onlySum = own.at, own.sum()
	}
	if got.count == 0 {
		return got, nil
	}
	kind := "way "
	if self {
		kind = "dir "
	}
	sum := sha256.Sum256(text)
	got.digest = kind + string(sum[:])
	return got, nil
}
