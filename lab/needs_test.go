package lab

import (
	"slices"
	"testing"

	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// TestNeedsOfCommands: what mkdir makes is not there before, unless it may be; programs that are run by their path may
// come with an archive.
func TestNeedsOfCommands(t *testing.T) {
	file, err := dockerfile.Parse(source.New("Dockerfile", []byte("FROM base\nRUN mkdir /install && mkdir -p /opt -m 700 /srv && mkdir -- /a && /opt/x/run --now && chmod +x /opt/y && sh /opt/z\n")))
	if err != nil {
		t.Fatal(err)
	}
	n := newNeeds()
	for _, p := range []string{"install", "install/lib", "installed", "opt", "a"} {
		n.paths[p] = map[string]bool{"base": true}
	}
	for _, in := range file.Instructions {
		if run := in.Run(); run != nil {
			for _, c := range run.Commands {
				n.made(c)
				n.run(c)
			}
		}
	}
	if got := sortedKeys(n.paths); !slices.Equal(got, []string{"installed", "opt"}) {
		t.Errorf("paths %v", got)
	}
	if got := sortedKeys(n.unpacked); !slices.Equal(got, []string{"/opt/x/run", "/opt/y"}) {
		t.Errorf("programs %v", got)
	}
}
