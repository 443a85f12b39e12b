package analysis

import (
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/rules"
)

// caveats are those of the build's context that a step is about, with these steps. Where .gitattributes
// cannot be read there are none; while it has to be fetched, they are not finished.
func (a *run) caveats(p *planned) []Caveat {
	found, err := p.context.Caveats(a.tree, func(at string) ([]byte, error) {
		file, err := a.read(at)
		switch {
		case errors.Is(err, rules.ErrNeeded):
			return nil, err
		case err != nil:
			return nil, nil //nolint:nilerr // what cannot be read tells nothing
		}
		return file.Data, nil
	})
	if err != nil {
		return nil // asked again when the text has been fetched
	}
	// Each path by itself: a step may take some of them.
	ignored := slices.DeleteFunc(slices.Clone(a.Ignored), func(at string) bool {
		return !slices.ContainsFunc(p.keys, func(k buildcache.Key) bool { return takesOne(k.Takes, []string{at}, path.Clean(p.build.Context)) })
	})
	if c, ok := p.context.WithIgnored(ignored); ok {
		found = append(found, c)
	}
	dir := path.Clean(p.build.Context)
	var list []Caveat
	for _, c := range found {
		one := Caveat{Kind: c.Kind, Paths: c.Paths, More: c.More, Text: c.Text}
		n := 0
		for i, s := range p.plan.Steps {
			if s.OnBuild {
				continue
			}
			if takesOne(p.keys[i].Takes, c.Paths, dir) {
				one.Steps = append(one.Steps, n)
			}
			n++
		}
		if len(one.Steps) > 0 {
			list = append(list, one)
		}
	}
	return list
}

// takesOne says whether a step takes one of some repository paths; none stands for the whole context.
func takesOne(takes func(string) bool, paths []string, dir string) bool {
	if len(paths) == 0 {
		return takes("")
	}
	for _, p := range paths {
		if rel, below := strings.CutPrefix(p, dir+"/"); below || dir == "." {
			p = rel
		} else {
			p = "" // a folder around the context
		}
		if takes(p) {
			return true
		}
	}
	return false
}

// Caveat is what git does not show about files that steps take: what BuildKit sees of them may be
// another thing than what is in the tree.
type Caveat struct {
	Kind  buildcontext.CaveatKind `json:"kind"`
	Paths []string                `json:"paths,omitempty"` // of the repository, see buildcontext.Caveat
	More  int                     `json:"more,omitempty"`  // how many more paths there are
	Text  string                  `json:"text"`            // a sentence for people, without the paths
	Steps []int                   `json:"steps"`           // indexes into Plan.Steps
}
