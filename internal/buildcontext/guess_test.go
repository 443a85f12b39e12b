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
