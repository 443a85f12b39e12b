package buildcache

import (
	"path"
	"strings"
)

// Takes says whether the step takes a path of the build context: a file, a folder with it, or something
// in it. The tree need not have it. Filters (--exclude) are taken for none.
func (k Key) Takes(p string) bool {
	at := cleanKey(path.Join("/", p))
	for _, s := range k.record.contextSelections() {
		if s.from.name == "" && s.mayTake(at) {
			return true
		}
	}
	return false
}

func (s *selection) mayTake(at string) bool {
	own := cleanKey(path.Join("/", s.path))
	if !s.wildcard {
		return own == "" || at == "" || own == at || below(own, at) || below(at, own)
	}
	// As many components as both have must match.
	patterns, names := strings.Split(own, "/"), strings.Split(at, "/")
	for i := range min(len(patterns), len(names)) {
		if ok, err := path.Match(patterns[i], names[i]); err != nil || !ok {
			return false
		}
	}
	return true
}
