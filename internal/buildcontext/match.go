package buildcontext

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// Match returns the files that a COPY or ADD source names, as paths relative to the context: the
// file, the files below a directory, or what a wildcard matches, as BuildKit does. whole says that
// the source is a directory, or that one of the wildcard's matches is.
//
// A leading "/" or "./", a trailing slash and ".." are cleaned away as BuildKit does it; wildcards
// are those of Go's path.Match, and "**" is "*". A symlink that the source names is followed, when
// its text is known, to the files below the directory it points at; one that points at a file is
// returned under its own name. A submodule is returned as one file: what is in it is not known.
func (c *Context) Match(src string) (files []string, whole bool) {
	return c.Tree.match(src)
}

func (t Tree) match(src string) (files []string, whole bool) {
	if len(src) > maxPath {
		return nil, false
	}
	paths := t.wildcards(clean(src))
	if len(paths) == 1 { // sorted, and each once
		return t.collect(paths[0])
	}
	found := map[string]bool{}
	for _, p := range paths {
		entries, dir := t.collect(p)
		for _, e := range entries {
			found[e] = true
		}
		whole = whole || dir
	}
	return slices.Sorted(maps.Keys(found)), whole
}

// collect returns the file at a path, or the files below the directory it is or points at.
func (t Tree) collect(p string) (files []string, dir bool) {
	real, followed := t.resolve(p)
	if entries := t.below(real); followed && (len(entries) > 0 || real == "") {
		for _, e := range entries {
			files = append(files, e.Path)
		}
		return files, true
	}
	// The last component under its own name, in the directory that the others lead to.
	parent, _ := t.resolve(path.Dir("/" + p))
	own := path.Join(parent, path.Base("/"+p))
	e, found := t.Lookup(own)
	if !found {
		return nil, false
	}
	if e.Mode == ModeSymlink && followed {
		if _, exists := t.Lookup(real); !exists {
			return nil, false // dangling: BuildKit fails
		}
	}
	return []string{own}, e.Mode == ModeSubmodule
}

// wildcards returns the paths that a source names: itself, or what its wildcards match, the topmost
// match on each branch.
func (t Tree) wildcards(src string) []string {
	parts := strings.Split(src, "/")
	first := slices.IndexFunc(parts, HasWildcard)
	if first < 0 {
		return []string{src}
	}
	base, followed := t.resolve(strings.Join(parts[:first], "/"))
	if !followed {
		return nil
	}
	pattern := strings.Join(parts[first:], "/")
	// A wildcard matches no slash, other than a class: "[^a]".
	least, most := len(parts)-first, len(parts)-first
	if strings.Contains(pattern, "[") {
		least, most = 1, maxPath
	}
	var matches []string
	judged := map[string]bool{} // directories and files below base, and whether they match
	for _, e := range t.below(base) {
		rel := strings.TrimPrefix(strings.TrimPrefix(e.Path, base), "/")
		if len(rel) > maxPath {
			continue
		}
		depth := 0
		for end := 0; end < len(rel); {
			next := strings.IndexByte(rel[end+1:], '/')
			if next < 0 {
				end = len(rel)
			} else {
				end += 1 + next
			}
			if depth++; depth < least {
				continue
			} else if depth > most {
				break
			}
			at := rel[:end]
			ok, done := judged[at]
			if !done {
				ok, _ = path.Match(pattern, at)
				judged[at] = ok
				if ok {
					matches = append(matches, path.Join(base, at))
				}
			}
			if ok {
				break
			}
		}
	}
	return matches
}

// HasWildcard says whether a path of a COPY or ADD is a pattern. It is BuildKit's own test: a backslash makes the next byte an ordinary one.
func HasWildcard(name string) bool {
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
