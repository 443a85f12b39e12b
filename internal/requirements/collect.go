package requirements

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// The bounds of one install's files; real sets stay far below.
const (
	maxFiles = 100
	maxDepth = 20
	maxBytes = 8 << 20
	// maxMissing is how many files that could not be followed are told.
	maxMissing = 100
)

// Set is everything that the files of one install name: the files given, and what they include.
type Set struct {
	Files       []*File         // in the order read, each once
	Constraints map[string]bool // path → it was reached by -c only
	Missing     []Missing       // includes that the repository does not have, cycles, paths outside it
}

// Missing is a file that could not be followed. From and Line are the line that names it; From is ""
// for a file of the install's own command line.
type Missing struct {
	From, Path string // Path as written
	Reason     string // our own words
	Line       int
}

// Collect follows -r and -c from the files at paths (requirements) and constraints (both repository
// paths with slashes), as pip does: relative to the file that includes. read gives a file's text; an
// error for which errors.Is(err, fs.ErrNotExist) holds means that there is none.
//
// Other errors of read do not end the walk: the set is then what could be read, and the first of
// them is returned with it.
func Collect(paths, constraints []string, read func(path string) (*source.File, error)) (*Set, error) {
	c := &collector{
		set:   &Set{Constraints: map[string]bool{}},
		read:  read,
		files: map[string]*File{},
		lost:  map[string]string{},
	}
	for _, p := range paths {
		c.visit(from{}, p, p, false)
	}
	for _, p := range constraints {
		c.visit(from{}, p, p, true)
	}
	return c.set, c.err
}

type collector struct {
	set   *Set
	read  func(path string) (*source.File, error)
	files map[string]*File  // read so far
	lost  map[string]string // why the others could not be read
	stack []string          // the files being followed
	bytes int
	err   error
}

// from is the line that includes a file.
type from struct {
	path string
	line int
}

// visit reads the file at a repository path, which stands as written in a line, and what it includes.
func (c *collector) visit(by from, written, clean string, constraint bool) {
	miss := func(reason string) {
		if len(c.set.Missing) < maxMissing {
			c.set.Missing = append(c.set.Missing, Missing{From: by.path, Path: written, Reason: reason, Line: by.line})
		}
	}
	clean, reason := repositoryPath(clean)
	if reason != "" {
		miss(reason)
		return
	}
	if slices.Contains(c.stack, clean) {
		miss("it includes itself, directly or by way of others")
		return
	}
	if _, seen := c.files[clean]; seen {
		c.set.Constraints[clean] = c.set.Constraints[clean] && constraint
		return
	}
	if reason, seen := c.lost[clean]; seen {
		miss(reason)
		return
	}
	if len(c.files)+len(c.lost) == maxFiles || len(c.stack) == maxDepth {
		miss("too many files include each other")
		return
	}
	src, err := c.read(clean)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.lost[clean] = "the repository has no such file"
	case err != nil:
		c.lost[clean] = "it could not be read"
		if c.err == nil {
			c.err = err
		}
	case c.bytes+len(src.Data) > maxBytes:
		c.lost[clean] = "the files are too large together"
	}
	if reason, lost := c.lost[clean]; lost {
		miss(reason)
		return
	}
	c.bytes += len(src.Data)
	file := Parse(src)
	c.files[clean] = file
	c.set.Files = append(c.set.Files, file)
	c.set.Constraints[clean] = constraint
	c.stack = append(c.stack, clean)
	for _, include := range file.Includes {
		at := from{clean, src.LineFromOffset(include.Span.Start)}
		c.visit(at, include.Path, joinInclude(clean, include.Path), include.Constraint)
	}
	c.stack = c.stack[:len(c.stack)-1]
}

// joinInclude makes a path that a file names one of the repository; URLs and absolute paths stay.
func joinInclude(includer, written string) string {
	if isURL(written) || strings.HasPrefix(written, "/") {
		return written
	}
	return path.Join(path.Dir(includer), written)
}

// repositoryPath cleans a path, or says why it is none of the repository.
func repositoryPath(p string) (clean, reason string) {
	clean = path.Clean(p)
	switch {
	case p == "":
		return "", "no path is named"
	case variablePattern.MatchString(p):
		return "", "its path hangs on an environment variable"
	case isURL(p):
		return "", "it is a URL, which hitrate does not fetch"
	case path.IsAbs(p):
		return "", "an absolute path is not one of the repository"
	case clean == ".." || strings.HasPrefix(clean, "../"):
		return "", "the path leads outside the repository"
	}
	return clean, ""
}

// Row is a requirement with its file.
type Row struct {
	File        *File
	Requirement Requirement
	Reason      string // why it is not pinned, in a few words of our own; "" where that is not asked
}

// Unpinned gives the requirements of the set that nothing pins, in the order of the files: neither
// their own line nor, by name, a line of a constraints file that the same install uses. A line of a
// constraints file is none where a requirement with a pin of its own settles what it narrows. Left
// out is what a marker keeps away from Linux images.
func (s *Set) Unpinned() []Row {
	constrained, required := map[string]bool{}, map[string]bool{}
	for _, f := range s.Files {
		pins := required
		if s.Constraints[f.Source.Path] {
			pins = constrained
		}
		for _, r := range f.Requirements {
			if r.Pinned && r.Name != "" && !r.NotOnLinux {
				pins[r.Name] = true
			}
		}
	}
	var rows []Row
	for _, f := range s.Files {
		constraint := s.Constraints[f.Source.Path]
		for _, r := range f.Requirements {
			if r.Pinned || r.NotOnLinux || constrained[r.Name] || constraint && required[r.Name] {
				continue
			}
			rows = append(rows, Row{File: f, Requirement: r, Reason: r.Reason})
		}
	}
	return rows
}

// Local gives what the set installs from local paths; see [File.Local].
func (s *Set) Local() []Row {
	var rows []Row
	for _, f := range s.Files {
		for _, r := range f.Local() {
			rows = append(rows, Row{File: f, Requirement: r})
		}
	}
	return rows
}
