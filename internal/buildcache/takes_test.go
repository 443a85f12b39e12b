package buildcache

import (
	"testing"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

func TestMayTake(t *testing.T) {
	for _, tt := range []struct {
		source, path string
		want         bool
	}{
		{".", "/dist/x", true},
		{"dist", "/dist", true},
		{"dist", "/dist/x", true},
		{"dist/x", "/dist", true},
		{"dist", "/distant", false},
		{"src", "/dist/x", false},
		{"src", "", true}, // anywhere
		{"*.txt", "/a.txt", true},
		{"*.txt", "/a.py", false},
		{"*/a.txt", "/dist", true},
		{"d*/a.txt", "/dist/b.txt", false},
		{"d*", "/dist/b.txt", true},
	} {
		s := selection{path: tt.source, wildcard: buildcontext.HasWildcard(tt.source)}
		if got := s.mayTake(tt.path); got != tt.want {
			t.Errorf("%s takes %q: %v", tt.source, tt.path, got)
		}
	}
}
