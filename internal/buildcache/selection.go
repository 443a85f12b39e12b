package buildcache

import (
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/moby/patternmatcher"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// selection is what an operation takes of an input whose contents count, in BuildKit's terms
// (cache/contenthash and solver/llbsolver/ops in its sources).
type selection struct {
	path  string // as the operation names it
	clean string // the same, absolute and cleaned
	// begin is the part of it before the first component with a wildcard, "" for the root; of what has no
	// wildcard, all of it. A walk begins there; followBegin says that a link there is followed.
	begin       string
	followBegin bool

	wildcard bool
	follow   bool // a symlink at the end of the path is followed
	include  []string
	exclude  []string
	required []string
}

func (s *selection) plain() bool {
	return !s.wildcard && len(s.include) == 0 && len(s.exclude) == 0
}

// newSelection is one without filters.
func newSelection(p string, follow, wildcard bool) selection {
	s := selection{path: p, clean: rooted(p), follow: follow, wildcard: wildcard}
	s.begin = s.at()
	if wildcard {
		fixed, rest := splitWildcards(s.clean)
		s.begin, s.followBegin = cleanKey(fixed), fixed != "/" && rest != ""
	}
	return s
}

// at is the path as records have it.
func (s *selection) at() string { return cleanKey(s.clean) }

// errNotFound is a path that the context does not have.
var errNotFound = errors.New("not found")

// find looks up what a selection without patterns takes. Its error is errNotFound for what is not there.
func (t *files) find(s *selection) (*file, error) {
	f, err := t.lookup(s.at(), s.follow)
	if err == nil && f == nil {
		err = errNotFound
	}
	return f, err
}

// selected is what a selection takes.
type selected struct {
	file *file  // of a selection without patterns
	sum  string // equal where BuildKit's checksum is
	some bool   // it is not nothing
}

// selected tells what a selection takes. was is what it took of another tree, or zero: what is known of a file or
// directory of both is not made again. Its error is errNotFound for what is not there.
func (t *files) selected(s *selection, was selected) (selected, error) {
	if s.plain() {
		f, err := t.find(s)
		if err != nil || f == was.file {
			return was, err
		}
		return selected{file: f, sum: f.sum(), some: true}, nil
	}
	if t.views != nil {
		if is, alone, err := t.views.selected(t, s); err != nil || !alone {
			return is, err
		}
	}
	included, err := t.included(s)
	if err != nil {
		return selected{}, err
	}
	sums := make([]string, 0, 2*len(included))
	for _, r := range included {
		sum := r.sum()
		if r.follow && r.link {
			f, err := t.lookup(r.at, s.follow)
			if err != nil {
				return selected{}, err
			}
			if f == nil {
				return selected{}, errNotFound
			}
			sum = f.sum()
		}
		if len(included) == 1 && path.Base(s.clean) == path.Base(r.at) {
			return selected{sum: sum, some: true}, nil
		}
		sums = append(sums, strings.TrimPrefix(r.at, s.begin), sum)
	}
	list := hash(sums...)
	return selected{sum: "list " + string(list[:]), some: len(included) > 0}, nil
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
func (t *files) included(s *selection) (included []*includedRecord, err error) {
	var include, exclude *patternmatcher.PatternMatcher
	if len(s.include) > 0 {
		if include, err = patternmatcher.New(s.include); err != nil {
			return nil, err
		}
	}
	if len(s.exclude) > 0 {
		if exclude, err = patternmatcher.New(s.exclude); err != nil {
			return nil, err
		}
	}
	p := s.at()
	start, err := t.start(s)
	if err != nil {
		return nil, err
	}
	var parents []*includedRecord
	lastMatched := ""
	weight := s.weight()
	for record := range start.records {
		if *t.spent += (1 + len(record.path)) * weight; *t.spent > maxMatching {
			return nil, errMatching
		}
		if p == "" && record.header && record.path == "" {
			continue // the root is named with a slash: then what is in it counts as named itself
		}
		at := s.begin + record.path[len(start.path):]
		for len(parents) > 0 && !strings.HasPrefix(at+slashIf(record.header), parents[len(parents)-1].at+"/") {
			parents = parents[:len(parents)-1]
		}
		var parent *includedRecord
		if len(parents) > 0 {
			parent = parents[len(parents)-1]
		}
		top := p
		if s.wildcard {
			if p != "" && (lastMatched == "" || !strings.HasPrefix(at, lastMatched+"/")) {
				matched, err := path.Match(p, at)
				if err != nil {
					return nil, err
				}
				if !matched {
					continue
				}
				lastMatched = at
				if record.link && s.follow {
					if f, err := t.lookup(record.path, true); err != nil || f == nil {
						return nil, errNotFound // the copy fails, also where an exclude leaves it out
					}
				}
			}
			top = lastMatched
		}
		r := &includedRecord{fileRecord: record, at: at, follow: parent == nil && s.follow}
		candidate := strings.TrimSuffix(strings.TrimPrefix(at+"/", top+"/"), "/")
		ok, err := r.keep(candidate, include, exclude, parent)
		if err != nil {
			return nil, err
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
			return nil, errNotFound
		}
	}
	return included, nil
}

// start looks up where the walk of a selection with patterns begins.
func (t *files) start(s *selection) (*file, error) {
	start, err := t.lookup(s.begin, s.followBegin)
	if err == nil && start != nil && start.link && s.follow && !s.wildcard {
		var target *file
		if target, err = t.lookup(s.begin, true); target == nil {
			start = nil // also where an exclude leaves the link out
		}
	}
	if err == nil && start == nil {
		err = errNotFound // the key could be had, but the copy fails
	}
	return start, err
}

// weight is what a selection's patterns cost for each byte of a path.
func (s *selection) weight() int {
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

// taken lists the records that a selection with patterns takes, by path; directories as they are,
// without what is in them.
func (t *files) taken(s *selection) map[string]*file {
	out := map[string]*file{}
	included, err := t.included(s)
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
	at := slices.IndexFunc(parts, buildcontext.HasWildcard)
	if at < 0 {
		return path.Join("/", p), ""
	}
	return path.Join("/", path.Join(parts[:at]...)), path.Join(parts[at:]...)
}
