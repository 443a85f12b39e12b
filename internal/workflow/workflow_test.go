package workflow

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// archives reads testdata: the files of a repository (those that Wanted does not want are only
// there), and in the last file, "want", what they show; with the steps
// where the comment says "Steps:". UPDATE=1 writes it.
func archives(t testing.TB) map[string]*txtar.Archive {
	t.Helper()
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("find cases: %v, %d found", err, len(names))
	}
	list := map[string]*txtar.Archive{}
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		list[name] = a
	}
	return list
}

func TestRead(t *testing.T) {
	for name, a := range archives(t) {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			last := len(a.Files) - 1
			if last < 0 || a.Files[last].Name != "want" {
				t.Fatal("the last file of the archive must be want")
			}
			var files []*source.File
			there := map[string]bool{}
			for _, f := range a.Files[:last] {
				there[f.Name] = true
				if Wanted(f.Name) {
					files = append(files, source.New(f.Name, f.Data))
				}
			}
			got := show(Read(files, func(path string) bool { return there[path] }), strings.Contains(string(a.Comment), "Steps:"))
			if os.Getenv("UPDATE") == "1" {
				a.Files[last].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(a.Files[last].Data), got); diff != "" {
				t.Errorf("-want +got (UPDATE=1 accepts it):\n%s", diff)
			}
		})
	}
}

// show prints facts; steps too where that is asked for.
func show(f Facts, steps bool) string {
	var out strings.Builder
	for _, b := range f.Builds {
		fmt.Fprintf(&out, "%s: %s in %s %s", b.Origin, b.Dockerfile, b.Kind, b.Context)
		if b.Target != "" {
			fmt.Fprintf(&out, " --target %s", b.Target)
		}
		for _, name := range slices.Sorted(maps.Keys(b.Args)) {
			fmt.Fprintf(&out, " %s=%q", name, b.Args[name])
		}
		for _, name := range b.Volatile {
			fmt.Fprintf(&out, " %s=(volatile", name)
			if at := b.VolatileAt[name]; at > 0 {
				fmt.Fprintf(&out, ", line %d", at)
			}
			out.WriteString(")")
		}
		for _, name := range slices.Sorted(maps.Keys(b.Contexts)) {
			fmt.Fprintf(&out, " --build-context %s=%s", name, b.Contexts[name])
		}
		if len(b.Platforms) > 0 {
			fmt.Fprintf(&out, " on %s", strings.Join(b.Platforms, ","))
		}
		if b.Cache != buildcontext.CacheUnknown {
			fmt.Fprintf(&out, ", cache %s", strings.TrimSuffix(string(b.Cache)+" "+b.CacheMode, " "))
			if b.CacheFrom != b.Origin {
				fmt.Fprintf(&out, " (%s)", b.CacheFrom)
			}
		}
		out.WriteByte('\n')
		for _, m := range b.Made {
			if m.Path == "" {
				m.Path = "?"
			}
			fmt.Fprintf(&out, "  before: %s by %s (%s)\n", m.Path, m.By, m.Place)
		}
	}
	if e := f.WithoutBuildKit; e != nil {
		fmt.Fprintf(&out, "%s, line %d: without BuildKit: %s\n", e.Path, e.Line, e.What)
	}
	if steps {
		for _, s := range f.Steps {
			fmt.Fprintf(&out, "step %s:%d", s.Path, s.Line)
			s.Path, s.Line = "", 0
			text := strings.TrimPrefix(fmt.Sprintf("%+v", s), "{Path: Line:0 ")
			// The builds stand above.
			fmt.Fprintf(&out, " %s\n", strings.Replace(text, fmt.Sprintf(" Build:%+v", s.Build), "", 1))
		}
	}
	for _, e := range f.Errors {
		fmt.Fprintf(&out, "%s, line %d: error: %s\n", e.Path, e.Line, e.Message)
	}
	return out.String()
}

func TestWanted(t *testing.T) {
	for path, want := range map[string]bool{
		".github/workflows/ci.yml":         true,
		".github/workflows/ci.yaml":        true,
		".github/workflows/nested/ci.yml":  false,
		".github/workflows/ci.json":        false,
		".github/actions/build/action.yml": true,
		".github/dependabot.yml":           false,
		"action.yml":                       false,
		"docker-compose.yml":               true,
		"deploy/docker-compose.prod.yaml":  true,
		"compose.yaml":                     true,
		"compose.override.yml":             true,
		"docker-compose-dev.yml":           true,
		"composer.yml":                     false,
		"docker-compose":                   false,
		"docker-compose.yml.j2":            false,
		"Makefile":                         true,
		"build/docker.mk":                  true,
		"Makefile.am":                      false,
		".gitlab-ci.yml":                   true,
		".travis.yml":                      true,
		"cloudbuild.yaml":                  true,
		".circleci/config.yml":             true,
		"config.yml":                       false,
		"Jenkinsfile":                      true,
		"ci/Jenkinsfile.release":           true,
		"docs/Jenkinsfile-how-to.md":       false,
		"Dockerfile":                       false,
	} {
		if got := Wanted(path); got != want {
			t.Errorf("Wanted(%q) = %v, want %v", path, got, want)
		}
	}
}

func TestIsKanikoImage(t *testing.T) {
	for name, want := range map[string]bool{
		"gcr.io/kaniko-project/executor":                        true,
		"gcr.io/kaniko-project/executor:debug":                  true,
		"gcr.io/kaniko-project/executor:v1.9.0@sha256:abc":      true,
		"docker://gcr.io/kaniko-project/executor:latest":        true,
		"registry.example:5000/kaniko-project/executor":         true,
		"kaniko-project/executor":                               true,
		"gcr.io/kaniko-project/warmer":                          false,
		"gcr.io/my-kaniko-project/executor":                     false,
		"example.com/kaniko-project/executor/other":             false,
		"we use gcr.io/kaniko-project/executor, see the manual": false,
		"": false,
	} {
		if got := isKanikoImage(name); got != want {
			t.Errorf("isKanikoImage(%q) = %v, want %v", name, got, want)
		}
	}
}
