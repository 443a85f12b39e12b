// Package requirements reads what an install takes from requirements and constraints files, with
// positions: the files by pip's documented format, requirements by PEP 508, versions by PEP 440. What
// pip itself would look up (the file system, environment variables, an index) is not looked up:
// paths are recognised by their form, and what hangs on a variable is left alone.
package requirements

import "github.com/hitrate-bot/hitrate/internal/source"

// File is one requirements or constraints file.
type File struct {
	Source       *source.File
	Requirements []Requirement
	Includes     []Include // -r and -c
	Options      []Option  // every other option line
	Errors       []Error   // lines that pip would refuse
}

// Kind says what a requirement names.
type Kind int

// The kinds of requirement.
const (
	Named Kind = iota // name, extras, versions
	URL               // name @ https://… or a bare https URL
	VCS               // git+https://… and the like
	Path              // a local path or file: URL
)

// String is the kind's name, for tests and debugging.
func (k Kind) String() string {
	switch k {
	case URL:
		return "url"
	case VCS:
		return "vcs"
	case Path:
		return "path"
	}
	return "named"
}

// Requirement is one requirement line, continuations joined.
type Requirement struct {
	Kind      Kind
	Name      string // normalised by PEP 503; "" where the line names none
	Raw       string // as written, joined, without comment
	Extras    []string
	Specifier string // "==1.2", "" without
	Marker    string
	URL       string   // URL, VCS or path
	Hashes    []string // "sha256:…"
	Editable  bool
	Span      source.Span // from the first byte of the requirement to its last, on all its lines
	// NotOnLinux says that the marker keeps the requirement away from every Linux image.
	NotOnLinux bool
	// Pinned says that the line names one exact version, hash, full commit or local file. A line
	// that hangs on an environment variable counts as pinned: nothing can be said about it.
	Pinned bool
	Reason string // why it is not pinned, in a few words of our own
}

// Include is a -r or -c line.
type Include struct {
	Path       string // as written
	Constraint bool
	Span       source.Span
}

// Option is a line such as --index-url.
type Option struct {
	Name, Value string
	Span        source.Span
}

// Error is a line that cannot be read.
type Error struct {
	Path    string `json:"path"`
	Line    int    `json:"line"`
	Message string `json:"message"`
}

func (e *Error) Error() string { return e.Message }
