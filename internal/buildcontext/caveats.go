package buildcontext

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Made is something that a workflow writes before the build.
type Made struct {
	Path  string // in the repository, a file or folder, "." for the root; "" where it is not known
	By    string // the command or action: "npm run build"
	Place string // for people: ".github/workflows/ci.yml, line 12"
}

// CaveatKind is what git does not show about a file.
type CaveatKind string

// The kinds of caveat.
const (
	CaveatLFS       CaveatKind = "lfs"        // git has a pointer to contents that Git LFS keeps
	CaveatSubmodule CaveatKind = "submodule"  // git has the commit of another repository
	CaveatConverted CaveatKind = "conversion" // git writes other bytes on checkout than it keeps
	CaveatMade      CaveatKind = "made"       // made before the build, by a workflow
	CaveatIgnored   CaveatKind = "ignored"    // git ignores it, and it lies in the work tree
)

// Caveat is what git does not show about some files of a context, so that what BuildKit sees of them may
// be another thing than what is in the tree.
type Caveat struct {
	Kind CaveatKind
	// Paths are those of the repository that it is about, at most 20, sorted; files, or folders of a
	// submodule or of what is made. None: any of the context.
	Paths []string
	More  int    // how many more there are
	Text  string // for people, a sentence without the paths: "Git LFS keeps …"
}

// Limits of what is read for caveats.
const (
	maxCaveatPaths     = 20
	maxAttributeFiles  = 50
	maxAttributeBytes  = 64 << 10
	maxAttributeRules  = 500
	maxAttributeChecks = 5_000_000
)

// Caveats tells what git does not show about the files of the context. read gives the text of a
// repository path (.gitattributes); its error comes back wrapped. A pointer of Git LFS that no
// .gitattributes names is not seen, and what a submodule, a filter or a workflow brings is not known.
func (c *Context) Caveats(tree Tree, read func(path string) ([]byte, error)) ([]Caveat, error) {
	rules, err := c.attributeRules(tree, read)
	if err != nil {
		return nil, err
	}
	found := map[caveatKey][]string{}
	checks := 0
	for _, e := range c.Tree.Entries {
		if len(rules) == 0 && e.Mode != ModeSubmodule {
			continue
		}
		p := c.RepoPath(e.Path)
		if e.Mode == ModeSubmodule && c.Build.Kind == Local {
			found[caveatKey{kind: CaveatSubmodule}] = append(found[caveatKey{kind: CaveatSubmodule}], p)
		}
		if checks += len(rules); e.Mode == ModeSymlink || e.Mode == ModeSubmodule || checks > maxAttributeChecks {
			continue
		}
		if k, ok := attributesOf(rules, p).caveat(); ok {
			found[k] = append(found[k], p)
		}
	}
	var list []Caveat
	for k, paths := range found {
		list = append(list, newCaveat(k.kind, k.text(c.Build.Kind), paths))
	}
	list = append(list, c.made()...)
	slices.SortFunc(list, func(a, b Caveat) int { return strings.Compare(string(a.Kind)+a.Text, string(b.Kind)+b.Text) })
	return list, nil
}

func newCaveat(kind CaveatKind, text string, paths []string) Caveat {
	slices.Sort(paths)
	paths = slices.Compact(paths)
	more := max(0, len(paths)-maxCaveatPaths)
	return Caveat{Kind: kind, Paths: paths[:len(paths)-more], More: more, Text: text}
}

// made are the caveats about what a workflow writes into the context before the build.
func (c *Context) made() []Caveat {
	if c.Build.Kind != Local {
		return nil // BuildKit clones the repository itself
	}
	var list []Caveat
	for _, m := range c.Build.Made {
		text := fmt.Sprintf("%s (%s) may write files into the context before the build, which are not in git", m.By, m.Place)
		if m.Path == "" {
			list = append(list, Caveat{Kind: CaveatMade, Text: text})
			continue
		}
		rel, inside := relative(clean(m.Path), clean(c.Build.Context))
		if inside && !c.Ignored(rel) {
			list = append(list, newCaveat(CaveatMade, text, []string{m.Path}))
		}
	}
	return list
}

// WithIgnored tells of what git ignores in a work tree (files and folders, as paths of the repository) and the
// context takes along; ok is false where that is nothing.
func (c *Context) WithIgnored(paths []string) (caveat Caveat, ok bool) {
	if c.Build.Kind != Local {
		return Caveat{}, false
	}
	var taken []string
	for _, p := range paths {
		rel, inside := relative(clean(p), clean(c.Build.Context))
		if inside && rel != "" && !c.Ignored(rel) && !c.Ignored(rel+"/file") {
			taken = append(taken, p)
		}
	}
	if len(taken) == 0 {
		return Caveat{}, false
	}
	return newCaveat(CaveatIgnored, "git ignores what a build from this work tree takes along, and a change in it runs the step again", taken), true
}

// relative is a path as one of a directory; false outside of it. A folder that holds the directory is
// the directory itself.
func relative(p, dir string) (string, bool) {
	switch {
	case dir == "" || p == dir:
		return strings.TrimPrefix(strings.TrimPrefix(p, dir), "/"), true
	case strings.HasPrefix(p, dir+"/"):
		return p[len(dir)+1:], true
	case p == "" || strings.HasPrefix(dir, p+"/"):
		return "", true
	}
	return "", false
}

// caveatKey tells caveats apart.
type caveatKey struct {
	kind   CaveatKind
	filter string // of git, by name
	eol    string // "eol=crlf", "working-tree-encoding=UTF-16"
}

func (k caveatKey) text(kind Kind) string {
	switch {
	case k.kind == CaveatSubmodule:
		return "git has only the commit of a submodule: its files are there where the checkout fetches submodules, else the folder is empty"
	case k.kind == CaveatLFS && kind == Git:
		return "Git LFS keeps the contents, and git a pointer: BuildKit's own clone has the pointer"
	case k.kind == CaveatLFS:
		return "Git LFS keeps the contents, and git a pointer: the context has the contents where the checkout fetches them (lfs: true), else the pointer"
	case k.filter != "":
		return fmt.Sprintf("git's filter %s makes other contents of what git keeps, where it is set up", k.filter)
	}
	return fmt.Sprintf("git writes other bytes on checkout than it keeps (%s in .gitattributes), and others again when this setting changes", k.eol)
}

// attributeRule is one line of a .gitattributes file.
type attributeRule struct {
	dir, pattern string
	byName       bool // the pattern is for names, at any depth
	set          map[string]string
}

// attributes are those of one file that change its contents.
type attributes map[string]string

func (a attributes) caveat() (caveatKey, bool) {
	switch filter := a["filter"]; filter {
	case "", "unset":
	case "lfs":
		return caveatKey{kind: CaveatLFS}, true
	default:
		return caveatKey{kind: CaveatConverted, filter: filter}, true
	}
	for _, name := range []string{"working-tree-encoding", "ident", "eol"} {
		switch value := a[name]; {
		case value == "" || value == "unset" || name == "eol" && (value != "crlf" || a["text"] == "unset"):
		case value == "set":
			return caveatKey{kind: CaveatConverted, eol: name}, true
		default:
			return caveatKey{kind: CaveatConverted, eol: name + "=" + value}, true
		}
	}
	return caveatKey{}, false
}

// attributesOf applies rules, of which later ones win.
func attributesOf(rules []attributeRule, p string) attributes {
	var a attributes
	for _, r := range rules {
		if !r.matches(p) {
			continue
		}
		if a == nil {
			a = attributes{}
		}
		for name, value := range r.set {
			a[name] = value
		}
	}
	return a
}

func (r attributeRule) matches(p string) bool {
	rel, inside := strings.CutPrefix(p, r.dir)
	switch {
	case !inside:
		return false
	case !r.byName:
	case r.pattern == "*":
		return true
	default:
		rel = path.Base(rel)
		if suffix, ok := strings.CutPrefix(r.pattern, "*"); ok && !strings.ContainsAny(suffix, `*?[\`) {
			return strings.HasSuffix(rel, suffix)
		}
	}
	ok, err := doublestar.Match(r.pattern, rel)
	return ok && err == nil
}

// attributeRules reads the .gitattributes files that are for the context: those above it and in it.
func (c *Context) attributeRules(tree Tree, read func(path string) ([]byte, error)) ([]attributeRule, error) {
	var files []Entry
	dir := clean(c.Build.Context)
	for _, e := range tree.Entries {
		if !strings.HasSuffix(e.Path, ".gitattributes") || path.Base(e.Path) != ".gitattributes" || e.Mode == ModeSymlink || e.Size > maxAttributeBytes {
			continue
		}
		if _, inside := relative(strings.TrimPrefix(path.Dir("/"+e.Path), "/"), dir); inside {
			files = append(files, e)
		}
	}
	// The deeper one wins, so it comes later.
	slices.SortStableFunc(files, func(a, b Entry) int { return strings.Count(a.Path, "/") - strings.Count(b.Path, "/") })
	files = files[:min(len(files), maxAttributeFiles)]
	var rules []attributeRule
	for _, e := range files {
		text, err := read(e.Path)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", e.Path, err)
		}
		rules = append(rules, parseAttributes(strings.TrimSuffix(e.Path, ".gitattributes"), text)...)
	}
	return rules[:min(len(rules), maxAttributeRules)], nil
}

// contentAttributes are those that change what git writes on checkout. Source: gitattributes(5).
var contentAttributes = []string{"filter", "text", "eol", "ident", "working-tree-encoding", "crlf"}

// parseAttributes reads the rules of a .gitattributes file that say something about contents.
func parseAttributes(dir string, text []byte) []attributeRule {
	if len(text) > maxAttributeBytes {
		return nil
	}
	var rules []attributeRule
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(fields[0], "#") || strings.HasPrefix(fields[0], "!") || strings.HasPrefix(fields[0], "[attr]") || strings.HasPrefix(fields[0], `"`) {
			continue
		}
		r := attributeRule{dir: dir, pattern: fields[0], set: map[string]string{}}
		r.byName = !strings.Contains(strings.TrimSuffix(r.pattern, "/"), "/")
		r.pattern = strings.ReplaceAll(strings.TrimPrefix(r.pattern, "/"), "{", `\{`) // git knows no alternatives
		for _, field := range fields[1:] {
			name, value, given := strings.Cut(field, "=")
			switch {
			case field == "binary":
				name, value = "text", "unset"
			case strings.HasPrefix(field, "-"), strings.HasPrefix(field, "!"):
				name, value = field[1:], "unset"
			case !given:
				value = "set"
			}
			if slices.Contains(contentAttributes, name) {
				r.set[name] = value
			}
		}
		if len(r.set) > 0 {
			rules = append(rules, r)
		}
	}
	return rules
}
