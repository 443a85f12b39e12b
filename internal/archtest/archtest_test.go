// Package archtest holds which package of hitrate may import which, and why.
package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/hitrate-bot/hitrate/"

// layer is what one package may import of this module, and why it stands where it stands.
type layer struct {
	may  []string
	why  string
	pure bool // no network, clock, environment, file system or processes
	// but is what a pure package imports all the same, because it uses only what is pure of it.
	but []string
}

// layers is the whole module. A package that is missing here, or listed and gone, fails the test.
var layers = map[string]layer{
	"config": {pure: true, but: []string{"net"} /* to split addresses */, why: "read by everything, knows nothing of the rest"},

	"internal/source":       {pure: true, why: "bytes, spans and edits: the bottom"},
	"internal/lazyregexp":   {pure: true, why: "expressions that cost a start of the program nothing"},
	"internal/dockerfile":   {pure: true, may: []string{"internal/source"}, why: "a Dockerfile, on BuildKit's parser"},
	"internal/requirements": {pure: true, may: []string{"internal/source", "internal/lazyregexp"}, why: "what pip installs"},
	"internal/buildcontext": {pure: true, may: []string{"internal/source", "internal/dockerfile"}, why: "the files a build sees"},
	"internal/workflow":     {pure: true, may: []string{"internal/source", "internal/lazyregexp", "internal/buildcontext"}, why: "how a repository builds: in words of buildcontext"},
	"internal/buildcache":   {pure: true, may: []string{"internal/source", "internal/dockerfile", "internal/buildcontext"}, why: "BuildKit's frontend; judges nothing, so it knows no rules"},
	"internal/shelleffects": {pure: true, may: []string{"internal/source", "internal/lazyregexp", "internal/dockerfile"}, why: "what a RUN reads and writes, for rules and proofs alike"},
	"internal/rules": {pure: true, may: []string{"config", "internal/source", "internal/lazyregexp", "internal/dockerfile", "internal/requirements",
		"internal/buildcontext", "internal/workflow", "internal/shelleffects"}, why: "what is worth saying; never whether an edit is right"},
	"internal/fix": {pure: true, may: []string{"internal/source", "internal/lazyregexp", "internal/dockerfile", "internal/requirements", "internal/buildcontext", "internal/buildcache",
		"internal/workflow", "internal/shelleffects", "internal/rules"}, why: "runs the rules again, and reads an edited workflow again; the rules never run it"},
	"internal/analysis": {pure: true, may: []string{"config", "internal/source", "internal/dockerfile", "internal/requirements", "internal/buildcontext",
		"internal/buildcache", "internal/workflow", "internal/shelleffects", "internal/rules", "internal/fix"}, why: "the whole pure work on one tree, as values"},
	"internal/child":  {may: []string{"internal/analysis", "internal/buildcontext"}, why: "runs the pure work in a process of its own, so that the pure packages need not start one"},
	"internal/report": {pure: true, may: []string{"internal/source", "internal/buildcontext", "internal/buildcache", "internal/rules", "internal/analysis"}, why: "renders a result; reads nothing itself"},
	"internal/review": {may: []string{"config", "internal/source", "internal/lazyregexp", "internal/dockerfile", "internal/buildcontext", "internal/buildcache", "internal/workflow", "internal/rules", "internal/analysis", "internal/report"},
		why: "decides what to say and owns the port to its host; knows no HTTP"},
	"internal/review/reviewtest":  {may: []string{"internal/source", "internal/buildcontext", "internal/report", "internal/review"}, why: "the exam of review.Host, for every implementation; patches are hunks of a report"},
	"internal/github":             {may: []string{"internal/buildcontext", "internal/review"}, why: "the only code that speaks GitHub's API"},
	"internal/queue":              {may: []string{"internal/review"}, why: "what is owed, over restarts; knows neither HTTP nor GitHub"},
	"internal/webhook":            {may: []string{"internal/lazyregexp", "internal/queue", "internal/review"}, why: "translates an event into a note; decides nothing"},
	"internal/web":                {may: nil, why: "pages from values of its own"},
	"internal/checkout":           {may: []string{"internal/buildcontext", "internal/review"}, why: "a local checkout as trees and texts, for the command line"},
	"internal/history":            {may: []string{"internal/buildcontext"}, why: "reads the last commits from git as values; counts nothing"},
	"internal/githubtest":         {may: nil, why: "another GitHub: it must not share the bot's view of it"},
	"internal/githubtest/octokit": {may: nil, why: "what GitHub publishes about its API, for tests: reading it would cost every command its start"},
	"internal/generate":           {may: []string{"config", "internal/rules"}, why: "writes the pages, the table and the schema from the rules"},
	"internal/peers":              {may: nil, why: "measures the program beside others, from outside"},
	"internal/archtest":           {may: nil, why: "reads the imports of the others"},

	"cmd/bot": {may: []string{"config", "internal/*"}, why: "wires the commands; nothing imports it"},
}

// onlyFor are packages that few may import: the fake must never reach production code, whose
// entry points beside tests are named here.
var onlyFor = map[string][]string{
	"internal/githubtest":         {"cmd/bot"},
	"internal/githubtest/octokit": {},
	"internal/review/reviewtest":  {},
	"internal/archtest":           {},
}

// impure are the standard packages with which a package would reach outside its arguments.
var impure = []string{"net", "net/http", "os", "os/exec", "os/signal", "syscall", "math/rand", "math/rand/v2", "crypto/rand"}

type pkg struct {
	imports, testImports map[string]string // path → a file that imports it
	documented           bool
}

func TestImports(t *testing.T) {
	packages := parse(t)
	for name := range layers {
		if packages[name] == nil {
			t.Errorf("%s is listed here and does not exist: delete its row", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		p := packages[name]
		l, listed := layers[name]
		if !listed {
			t.Errorf("%s is not listed here: say what it may import, and why", name)
			continue
		}
		if !p.documented {
			t.Errorf("%s has no package comment", name)
		}
		for imported, file := range p.imports {
			own, ok := strings.CutPrefix(imported, module)
			switch {
			case ok && !allowed(l.may, own):
				t.Errorf("%s imports %s, which %s may not: %s", file, own, name, l.why)
			case l.pure && slices.Contains(impure, imported) && !slices.Contains(l.but, imported):
				t.Errorf("%s imports %s, but %s is pure: values in, values out", file, imported, name)
			}
			if importers, ok := onlyFor[own]; ok && !slices.Contains(importers, name) {
				t.Errorf("%s imports %s, which only tests and %v may", file, own, importers)
			}
		}
	}
}

func allowed(may []string, name string) bool {
	return slices.ContainsFunc(may, func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	})
}

// parse reads the imports itself: an answer of "go list" would come from the cache of the test's
// last run, which does not notice that another package's imports changed.
func parse(t *testing.T) map[string]*pkg {
	t.Helper()
	root := filepath.Join("..", "..")
	packages := map[string]*pkg{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			name := d.Name()
			_, nested := os.Stat(filepath.Join(p, "go.mod"))
			if p != root && (strings.HasPrefix(name, ".") || name == "testdata" || nested == nil) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, filepath.Dir(p))
		name = filepath.ToSlash(name)
		at := packages[name]
		if at == nil {
			at = &pkg{imports: map[string]string{}, testImports: map[string]string{}}
			packages[name] = at
		}
		add(at, file, p)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func add(at *pkg, file *ast.File, name string) {
	into := at.imports
	if strings.HasSuffix(name, "_test.go") {
		into = at.testImports
	}
	at.documented = at.documented || file.Doc != nil
	for _, spec := range file.Imports {
		imported, _ := strconv.Unquote(spec.Path.Value)
		into[imported] = filepath.ToSlash(name)
	}
}
