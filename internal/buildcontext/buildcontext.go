// Package buildcontext turns a git tree and a Dockerfile's build into the build context that
// BuildKit sees: the directory, the ignore file that applies, the files that are left.
package buildcontext

import (
	"path"
	"strconv"
	"strings"
)

// Kind is where the files of a build come from.
type Kind string

// The kinds of context.
const (
	Local Kind = "local" // a directory of the checkout, sent by the client
	Git   Kind = "git"   // cloned by BuildKit itself: no ignore file, no .git
)

// CacheKind is where a build keeps its cache from one run to the next.
type CacheKind string

// The kinds of cache. On a hosted runner whose builder is new each time, nothing is kept that is not
// exported.
const (
	CacheUnknown  CacheKind = ""         // nothing is written about it, or a builder of one's own may keep it
	CacheNone     CacheKind = "none"     // certainly kept nowhere
	CacheGHA      CacheKind = "gha"      // GitHub's cache service
	CacheRegistry CacheKind = "registry" // an image of its own
	CacheInline   CacheKind = "inline"   // in the image itself: the final stage's layers only
	CacheLocal    CacheKind = "local"    // a directory, which another step has to keep
	CacheBuilder  CacheKind = "builder"  // a builder that outlives the run: Docker Build Cloud, Depot, a remote driver
	CacheOther    CacheKind = "other"    // another exporter: s3, azblob
)

// Build is one way in which a Dockerfile is built.
type Build struct {
	Dockerfile string
	Kind       Kind
	Context    string // directory in the repository, "." is the root
	Target     string // "" is the last stage
	Args       map[string]string
	Defaults   []string          // those of Args whose value is that of a variable which the environment of the build may give another; sorted
	Volatile   []string          // arguments that the build passes with another value each time: a commit, a run number, a date; sorted
	VolatileAt map[string]int    // the lines of the file that Origin names where these are passed, as far as they are known beside Origin's
	Contexts   map[string]string // named contexts: "./" and a directory of the repository, an address as written, or UnknownContext
	Platforms  []string          // as written; none: the builder's own
	Made       []Made            // what a workflow writes before it
	Cache      CacheKind
	CacheMode  string // of the export: "min", "max"; "" where nothing is written
	CacheFrom  string // how the cache is known, for people: ".github/workflows/ci.yml, line 31"
	Origin     string // how it is known, for people: "builds in .github/hitrate.yml", "docker-compose.yml, line 7", "guessed from COPY sources"
	Certain    bool   // of a guess: everything that the Dockerfile names is there, and in no directory above
}

// OriginPlace is the file that an Origin or a CacheFrom names, and the line, 0 where it names none.
func OriginPlace(origin string) (file string, line int) {
	at := strings.LastIndex(origin, ", line ")
	if at <= 0 {
		return origin, 0
	}
	line, err := strconv.Atoi(origin[at+len(", line "):])
	if err != nil || line <= 0 {
		return origin, 0
	}
	return origin[:at], line
}

// Context is what BuildKit sees of a tree for one build.
type Context struct {
	Build      Build
	IgnoreFile string // path in the repository of the ignore file that applies; "" for none
	Tree       Tree   // the files left, with paths relative to the context directory
	// All has also those that the ignore file leaves out.
	All Tree
	// EmptyDirs are the directories that BuildKit sees though the ignore file leaves out every file
	// in them: it names the files and not the directory. Sorted.
	EmptyDirs []string
	// Named are the named contexts that are directories of the repository, by name. Each is a context of
	// its own, with the ignore file that it has at its root.
	Named map[string]*Context

	ignore *ignore
}

// IgnoreCandidates are the repository paths where BuildKit looks for an ignore file of a build, the
// one that wins first: NAME.dockerignore beside the Dockerfile, then .dockerignore of the context.
// None for a Git context.
func IgnoreCandidates(b Build) []string {
	if b.Kind == Git {
		return nil
	}
	return []string{clean(b.Dockerfile) + ".dockerignore", clean(path.Join(b.Context, ".dockerignore"))}
}

// Open computes the context. read gives the text of a repository path (the ignore file); its error
// comes back wrapped. An ignore file that BuildKit refuses is an *IgnoreError.
func Open(tree Tree, b Build, read func(path string) ([]byte, error)) (*Context, error) {
	c := &Context{Build: b, All: tree.sub(clean(b.Context))}
	file, text, err := findIgnore(tree, b, read)
	if err != nil {
		return nil, err
	}
	if err := c.ignoring(file, text); err != nil {
		return nil, err
	}
	if c.Named, err = openNamed(tree, b, read); err != nil {
		return nil, err
	}
	return c, nil
}

// ignoring applies an ignore file; "" for none.
func (c *Context) ignoring(file string, text []byte) (err error) {
	c.Tree, c.IgnoreFile = c.All, file
	if file == "" {
		return nil
	}
	if c.ignore, err = parseIgnore(file, text); err != nil {
		return err
	}
	c.Tree, c.EmptyDirs, err = c.ignore.filter(c.All)
	return err
}

// Ignored says whether the ignore file leaves out a path relative to the context directory, also
// one that the tree does not have (.git, .venv, node_modules).
func (c *Context) Ignored(path string) bool {
	return c.ignore != nil && c.ignore.leavesOut(path)
}

// RepoPath turns a path of the context into one of the repository.
func (c *Context) RepoPath(p string) string {
	return path.Join(clean(c.Build.Context), clean(p))
}
