package requirements

import (
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// Lock is the versions that a lock file names.
type Lock struct {
	Path     string
	packages map[string][]Locked // by name, normalised
}

// Locked is one version of a project in a lock file.
type Locked struct {
	Version string
	// Python are specifiers of the Python versions that it was chosen for; one that is not PEP 440's is kept as
	// written and admits nothing.
	Python []string
	// Conditional says that the lock file takes it under a marker only.
	Conditional bool
	// Elsewhere says that it comes from a repository, a directory or an address, not from an index.
	Elsewhere bool
}

// Of are the versions of a project, by its normalised name.
func (l *Lock) Of(name string) []Locked { return l.packages[name] }

// ReadLock reads poetry.lock, uv.lock, pdm.lock, Pipfile.lock, and files in pip's format that pin: constraints,
// and what pip-compile or "uv pip compile" wrote.
// Sources: Poetry's, uv's, PDM's and Pipenv's documentation of their lock files.
func ReadLock(src *source.File) (*Lock, error) {
	l := &Lock{Path: src.Path, packages: map[string][]Locked{}}
	var err error
	switch path.Base(src.Path) {
	case "poetry.lock", "uv.lock", "pdm.lock":
		err = l.readTables(src)
	case "Pipfile.lock":
		err = l.readPipfile(src)
	default:
		l.readPins(src)
	}
	if err != nil {
		return nil, fmt.Errorf("read the lock file %s: %w", src.Path, err)
	}
	return l, nil
}

func (l *Lock) add(name string, v Locked) {
	name = Normalize(name)
	same := func(o Locked) bool {
		return o.Version == v.Version && o.Conditional == v.Conditional && o.Elsewhere == v.Elsewhere && slices.Equal(o.Python, v.Python)
	}
	if !slices.ContainsFunc(l.packages[name], same) { // PDM lists a project once for each set of extras
		l.packages[name] = append(l.packages[name], v)
	}
}

// lockTables is what poetry.lock, uv.lock and pdm.lock have of interest.
type lockTables struct {
	RequiresPython string `toml:"requires-python"` // uv
	Metadata       struct {
		PythonVersions string `toml:"python-versions"` // Poetry
		Targets        []struct {
			RequiresPython string `toml:"requires_python"` // PDM
		} `toml:"targets"`
	} `toml:"metadata"`
	Package []struct {
		Name           string         `toml:"name"`
		Version        string         `toml:"version"`
		PythonVersions string         `toml:"python-versions"`
		RequiresPython string         `toml:"requires_python"`
		Markers        any            `toml:"markers"`
		Marker         string         `toml:"marker"`
		Resolution     []string       `toml:"resolution-markers"`
		Source         map[string]any `toml:"source"`
		Git            string         `toml:"git"`
		URL            string         `toml:"url"`
		Path           string         `toml:"path"`
	} `toml:"package"`
}

func (l *Lock) readTables(src *source.File) error {
	var t lockTables
	if _, err := toml.Decode(string(src.Data), &t); err != nil {
		return err
	}
	python := pythonRanges(t.RequiresPython, t.Metadata.PythonVersions)
	for _, target := range t.Metadata.Targets {
		python = append(python, pythonRanges(target.RequiresPython)...)
	}
	for _, p := range t.Package {
		kind, typed := p.Source["type"].(string) // Poetry; uv has the kind as a key
		_, registry := p.Source["registry"]
		l.add(p.Name, Locked{
			Version:     p.Version,
			Python:      append(slices.Clone(python), pythonRanges(p.PythonVersions, p.RequiresPython)...),
			Conditional: p.Markers != nil || p.Marker != "" || len(p.Resolution) > 0,
			Elsewhere: p.Version == "" || p.Git != "" || p.URL != "" || p.Path != "" ||
				len(p.Source) > 0 && !registry && (!typed || kind != "legacy"),
		})
	}
	return nil
}

// caret is Poetry's "^3.11".
var caret = lazyregexp.New(`^\^(\d+)((?:\.\d+)*)$`)

// pythonRanges are the ranges of Python versions that are written; "*" is none.
func pythonRanges(written ...string) []string {
	var out []string
	for _, w := range written {
		if w = strings.TrimSpace(w); w == "" || w == "*" {
			continue
		}
		if m := caret.FindStringSubmatch(w); m != nil && m[1] == "3" {
			w = ">=3" + m[2] + ",<4"
		}
		out = append(out, w)
	}
	return out
}

// pythonMarker are the parts of a marker that speak of Python's version only.
var pythonMarker = lazyregexp.New(`^\s*python_(?:full_)?version\s*(>=|<|!=)\s*['"](\d+(?:\.\d+)*(?:\.\*)?)['"]\s*$`)

// rangeOfMarker makes a range of a marker that is one: "python_version >= '3.8' and python_version < '4'". Pipenv
// writes what a project says of itself in this way.
func rangeOfMarker(marker string) (string, bool) {
	var parts []string
	for part := range strings.SplitSeq(marker, " and ") {
		m := pythonMarker.FindStringSubmatch(part)
		if m == nil {
			return "", false
		}
		parts = append(parts, m[1]+m[2])
	}
	return strings.Join(parts, ","), true
}

// NotWithPython says that a requirement's marker, which speaks of nothing but the version of Python, keeps it away from
// one: "python_version < '3.9'" from 3.11.
func (r Requirement) NotWithPython(version string) bool {
	allowed, ok := rangeOfMarker(r.Marker)
	return ok && version != "" && !strings.Contains(r.Marker, "full") && !Admits(allowed, version)
}

func (l *Lock) readPipfile(src *source.File) error {
	type pinned struct {
		Version string `json:"version"`
		Markers string `json:"markers"`
	}
	var file struct {
		Meta struct {
			Requires struct {
				Python string `json:"python_version"`
			} `json:"requires"`
		} `json:"_meta"`
		Default map[string]pinned `json:"default"`
		Develop map[string]pinned `json:"develop"`
	}
	if err := json.Unmarshal(src.Data, &file); err != nil {
		return err
	}
	var python []string
	if v := file.Meta.Requires.Python; v != "" {
		python = []string{"==" + v + ".*"}
	}
	for _, section := range []map[string]pinned{file.Default, file.Develop} {
		for name, p := range section {
			v, exact := strings.CutPrefix(p.Version, "==")
			locked := Locked{Version: v, Python: slices.Clone(python), Elsewhere: !exact}
			if p.Markers != "" {
				r, ok := rangeOfMarker(p.Markers)
				if locked.Conditional = !ok; ok {
					locked.Python = append(locked.Python, r)
				}
			}
			l.add(name, locked)
		}
	}
	return nil
}

var (
	compiled       = lazyregexp.New(`(?m)^#.*\b(pip-compile|uv pip compile)\b`)
	compiledPython = lazyregexp.New(`(?m)^#.*\bautogenerated by pip-compile with [Pp]ython (\d+\.\d+)`)
)

// Compiled says whether a file says of itself that pip-compile or "uv pip compile" wrote it.
func Compiled(src *source.File) bool { return compiled.Match(src.Data) }

func (l *Lock) readPins(src *source.File) {
	var python []string
	if m := compiledPython.FindSubmatch(src.Data); m != nil {
		python = []string{"==" + string(m[1]) + ".*"}
	}
	for _, r := range Parse(src).Requirements {
		if r.Kind != Named {
			if r.Name != "" {
				l.add(r.Name, Locked{Elsewhere: true})
			}
			continue
		}
		clauses, err := readSpecifier(r.Specifier)
		if err != nil || len(clauses) != 1 || !clauses[0].exact() {
			continue
		}
		l.add(r.Name, Locked{Version: clauses[0].version, Python: python, Conditional: r.Marker != ""})
	}
}

// ExactVersion is the version that a requirement with one "==" names; "" where it names none in this way.
func (r Requirement) ExactVersion() string {
	clauses, err := readSpecifier(r.Specifier)
	if r.Kind != Named || err != nil || len(clauses) != 1 || !clauses[0].exact() {
		return ""
	}
	return clauses[0].version
}

var specifierText = lazyregexp.New(`^(\s*\(?\s*)(?:(?:===|==|~=|!=|<=|>=|<|>)(\s*)[^;()]*?)?(\s*\)?\s*)(;.*)?$`)

// Pin is the edit that makes a requirement one of exactly one version: its name, extras, marker and blanks stay as
// they are. ok is false where it is not a name with versions on one line.
func (r Requirement) Pin(src *source.File, v string) (edit source.Edit, ok bool) {
	text := src.Text(r.Span)
	if r.Kind != Named || r.Editable || text != r.Raw || strings.Contains(text, " -") {
		return edit, false
	}
	at := len(namePattern.FindString(text))
	if extras := extrasPattern.FindString(strings.TrimLeft(text[at:], " \t")); extras != "" {
		at += strings.Index(text[at:], "[") + len(extras)
	}
	m := specifierText.FindStringSubmatchIndex(text[at:])
	if at == 0 || m == nil {
		return edit, false
	}
	start, end, blank := at+m[3], at+m[6], ""
	if m[4] >= 0 {
		blank = text[at+m[4] : at+m[5]]
	} else {
		start, end = at, at // before the blanks in front of a marker or comment
	}
	return source.Edit{Span: source.Span{Start: r.Span.Start + start, End: r.Span.Start + end}, New: "==" + blank + v}, true
}
