package workflow

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hitrate-bot/hitrate/internal/source"
)

// kinds are paths of every kind of file that is read.
var kinds = []string{
	".github/workflows/ci.yml", ".github/actions/a/action.yml", "docker-compose.yml", "Makefile", ".devcontainer/devcontainer.json", ".gitlab-ci.yml", "Jenkinsfile",
	"docker-bake.hcl", "docker-bake.json",
}

func everything(string) bool { return true }

// FuzzRead: no text breaks a reader, and what it gives lies in the repository.
func FuzzRead(f *testing.F) {
	for _, a := range archives(f) {
		for _, file := range a.Files {
			for i, kind := range kinds {
				if kind == file.Name {
					f.Add(uint8(i), file.Data)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		path := kinds[int(kind)%len(kinds)]
		facts := Read([]*source.File{source.New(path, data)}, everything)
		for _, b := range facts.Builds {
			for _, p := range []string{b.Dockerfile, b.Context} {
				if p == "" || strings.HasPrefix(p, "/") || p == ".." || strings.HasPrefix(p, "../") || strings.Contains(p, unknownText) || strings.Contains(p, workspace) {
					t.Fatalf("build %+v", b)
				}
			}
			known := b.Target + fmt.Sprint(b.Args, b.Volatile, b.Contexts, b.Platforms)
			for _, m := range b.Made {
				known += m.Path + m.By
			}
			if strings.Contains(known, unknownText) {
				t.Fatalf("build %+v", b)
			}
		}
		if e := facts.WithoutBuildKit; e != nil && e.Line < 1 {
			t.Fatalf("evidence %+v", e)
		}
		for _, e := range facts.Errors {
			if e.Message == "" || e.Line < 1 {
				t.Fatalf("error %+v", e)
			}
		}
	})
}

// FuzzAddsInputs: comparing breaks on no text, and finds no inputs where a file is compared with itself or where
// another step is new.
func FuzzAddsInputs(f *testing.F) {
	inputs := map[string]string{"cache-from": "type=gha", "cache-to": "type=gha"}
	for _, a := range archives(f) {
		for _, file := range a.Files {
			if strings.HasPrefix(file.Name, ".github/") {
				f.Add(file.Data, uint16(len(file.Data)/2), "\n          cache-from: type=gha\n          cache-to: type=gha")
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, at uint16, added string) {
		where := int(at) % (len(data) + 1)
		after := []byte(string(data[:where]) + added + string(data[where:]))
		for _, s := range Read([]*source.File{source.New(kinds[0], data)}, everything).Steps {
			if AddsInputs(data, data, s.Line, inputs) {
				t.Fatalf("nothing is added, and found in line %d", s.Line)
			}
			if AddsInputs(data, after, s.Line, inputs) && len(Read([]*source.File{source.New(kinds[0], after)}, everything).Steps) != len(Read([]*source.File{source.New(kinds[0], data)}, everything).Steps) {
				t.Fatalf("inputs in line %d, and other steps", s.Line)
			}
		}
	})
}

// A hostile file costs little, whatever it is read as: milliseconds, where the limit leaves room for a
// busy machine.
func TestReadHostile(t *testing.T) {
	fill := func(unit string, n int) string { return strings.Repeat(unit, n/len(unit)) }
	const size = maxSize / 8
	bomb := "a0: &a0 {image: x, build: .}\n"
	for i := 1; i < 30; i++ {
		name, last := string(rune('a'+i%26))+string(rune('a'+i/26)), "*a0"
		if i > 1 {
			j := i - 1
			last = "*" + string(rune('a'+j%26)) + string(rune('a'+j/26))
		}
		bomb += name + ": &" + name + " {" + strings.Repeat("k"+name+": "+last+", ", 9) + "z: 1}\n"
	}
	matrix := "jobs:\n  j:\n    strategy: {matrix: {a: [1,2,3,4,5,6,7,8], b: [1,2,3,4,5,6,7,8]}}\n    steps:\n"
	for name, text := range map[string]string{
		"too large":           fill("x", 2*maxSize),
		"brackets":            fill("[", size),
		"braces":              fill("{a: ", size),
		"dashes":              fill("- ", size),
		"question marks":      fill("? ", size),
		"anchors":             fill("&a ", size),
		"tags":                fill("!a ", size),
		"indented":            indented(600),
		"empty lines":         "run: |\n" + fill("\n", maxLines) + "x",
		"block text":          "script: |\n" + fill("  docker build .\n", size),
		"spaces":              fill(" ", size),
		"quotes":              fill("'\"", size),
		"keys":                fill("k: v\n", size),
		"alias bomb":          bomb + "services: *" + "dc\njobs: *dc\n",
		"aliases of itself":   "a: &a\n  b: *a\nservices: *a\njobs: *a\n",
		"merge of itself":     "services: &a\n  <<: *a\n  <<: [*a, *a, *a]\n",
		"matrix":              matrix + fill("    - run: docker build ${{ matrix.a }}\n", size),
		"large matrix script": matrix + "    - run: |\n" + fill("        docker build ${{ matrix.a }} $(x) && (y)\n", size),
		"expression growth":   "env: {A: " + fill("x", size) + "}\njobs:\n  j:\n    env: {B: '" + fill("${{env.A}}", size) + "'}\n    steps: [{run: '${{env.B}}'}]\n",
		"nested shell":        "\t" + fill("docker $(", size),
		"parentheses":         "\tdocker " + fill("(", size),
		"blocks":              "\tdocker;" + fill("{ ", size),
		"negations":           "\tdocker;" + fill("! ", size),
		"and":                 "\tdocker build ." + fill(" && docker build .", size),
		"sh -c":               "\tdocker; sh -c \"sh -c 'sh -c docker'\"" + fill(" x", size),
		"make functions":      "\tdocker " + fill("$(", size),
		"hcl variables":       hclVariables(40),
		"hcl brackets":        "target \"x\" { args = " + fill("[", size),
		"hcl signs":           "target \"x\" { args = " + fill("-", size),
		"hcl templates":       "target \"x\" { args = \"" + fill("${\"", size),
		"hcl conditions":      "target \"x\" { args = " + fill("a ? b : ", size),
		"hcl dots":            "target \"x\" { args = a" + fill(".a", size),
		"hcl parentheses":     "target \"x\" { args = " + fill("(", size),
		"hcl operators":       "target \"x\" { args = a" + fill("||a", size/4),
		"hcl heirs":           hclHeirs(25),
		"hcl targets":         fill("target \"x\" {}\n", size),
		"groovy":              fill("sh '''docker build .''' /* */", size),
	} {
		t.Run(name, func(t *testing.T) {
			for _, kind := range kinds {
				start := time.Now()
				Read([]*source.File{source.New(kind, []byte(text))}, everything)
				if took := time.Since(start); took > 30*time.Second {
					t.Errorf("%s took %s", kind, took)
				}
			}
		})
	}
}

// hclVariables double a text with each variable.
func hclVariables(n int) string {
	text := "variable \"v0\" { default = \"xx\" }\n"
	for i := 1; i < n; i++ {
		text += fmt.Sprintf("variable \"v%d\" { default = \"${v%d}${v%d}\" }\n", i, i-1, i-1)
	}
	return text + fmt.Sprintf("target \"x\" { args = { A = v%d } }\n", n-1)
}

// hclHeirs inherit from the one before twice.
func hclHeirs(n int) string {
	text := "target \"t0\" {}\n"
	for i := 1; i < n; i++ {
		text += fmt.Sprintf("target \"t%d\" { inherits = [\"t%d\", \"t%d\"] }\n", i, i-1, i-1)
	}
	return text
}

// indented is a mapping in a mapping in a mapping.
func indented(depth int) string {
	var b strings.Builder
	for i := range depth {
		b.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	return b.String()
}
