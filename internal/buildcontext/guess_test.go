package buildcontext

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
)

func TestGuess(t *testing.T) {
	each(t, "guess", func(t *testing.T, a map[string]string) {
		tree := treeOf(a["tree"])
		for name, text := range a {
			if !strings.HasSuffix(name, "Dockerfile") {
				continue
			}
			file, err := dockerfile.Parse(source.New(name, []byte(text+"\n")))
			if err != nil {
				t.Fatal(err)
			}
			tree = NewTree(append(tree.Entries, Entry{Path: name, Mode: ModeFile}))
			b := Guess(tree, file)
			if got := fmt.Sprintf("%s (%s)", b.Context, b.Origin); got != a["want"] {
				t.Errorf("%s, want %s", got, a["want"])
			}
			if b.Dockerfile != name || b.Kind != Local {
				t.Errorf("build %+v", b)
			}
		}
	})
}

func TestStale(t *testing.T) {
	const text = "FROM python:3.12\nCOPY requirements/* ./\nCOPY src/fused/ /fused\n"
	for _, c := range []struct {
		name  string
		tree  string
		build Build
		want  bool
	}{
		{"the Dockerfile was moved", "requirements/a.txt\nsrc/fused/a.py\ncontainers/docker/compose.yaml", Build{Context: "containers/docker"}, true},
		{"half of it is elsewhere", "requirements/a.txt\nsrc/fused/a.py\ncontainers/docker/requirements/a.txt", Build{Context: "containers/docker"}, false},
		{"some of it is nowhere", "requirements/a.txt\ncontainers/docker/compose.yaml", Build{Context: "containers/docker"}, false},
		{"another step makes it", "requirements/a.txt\nsrc/fused/a.py", Build{Context: "containers/docker", Made: []Made{{}}}, false},
		{"the root", "requirements/a.txt\nsrc/fused/a.py", Build{Context: "."}, false},
		{"a Git context", "requirements/a.txt\nsrc/fused/a.py", Build{Kind: Git, Context: "containers/docker"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			file, err := dockerfile.Parse(source.New("containers/docker/Dockerfile", []byte(text)))
			if err != nil {
				t.Fatal(err)
			}
			if c.build.Kind == "" {
				c.build.Kind = Local
			}
			tree := NewTree(append(treeOf(c.tree).Entries, Entry{Path: "containers/docker/Dockerfile", Mode: ModeFile}))
			if got := Stale(tree, file, c.build); got != c.want {
				t.Errorf("stale is %v, want %v", got, c.want)
			}
		})
	}
}
