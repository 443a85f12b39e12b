package lab

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/hitrate-bot/hitrate/internal/buildcache"
)

// tally counts steps over many builds.
type tally struct {
	builds, failed int // failed: as the model says
	misjudged      int // builds that only one of model and daemon refuses
	steps, wrong   int
	maybe          int
	cached         int // observed
}

func (t *tally) add(s Step) {
	t.steps++
	if s.Wrong() {
		t.wrong++
	}
	if s.Predicted == buildcache.Maybe {
		t.maybe++
	}
	if s.Observed == buildcache.Cached {
		t.cached++
	}
}

func (t tally) String() string {
	percent := func(n, of int) float64 { return 100 * float64(n) / float64(max(of, 1)) }
	decided := t.steps - t.maybe
	return fmt.Sprintf("%d builds (and %d that fail, as the model says, and %d where it is mistaken), %d steps, %d of them cached; maybe: %d (%.1f %%); right: %d of %d decided (%.2f %%)",
		t.builds, t.failed, t.misjudged, t.steps, t.cached, t.maybe, percent(t.maybe, t.steps), decided-t.wrong, decided, percent(decided-t.wrong, decided))
}

// describe lists a side for a person who wants to repeat it.
func describe(s Side) string {
	var b strings.Builder
	for _, p := range slices.Sorted(maps.Keys(s.Tree)) {
		f := s.Tree[p]
		switch {
		case f.Link != "":
			fmt.Fprintf(&b, "  %s -> %s\n", p, f.Link)
		case strings.Contains(f.Data, "\n"):
			fmt.Fprintf(&b, "  %s:\n    %s\n", p, strings.ReplaceAll(strings.TrimSuffix(f.Data, "\n"), "\n", "\n    "))
		default:
			fmt.Fprintf(&b, "  %s %q exec=%v\n", p, f.Data, f.Exec)
		}
	}
	fmt.Fprintf(&b, "  args %v\n", s.Build.Args)
	return b.String()
}

// figures writes a line for docs/measurements.md.
func figures(t *testing.T, what string, all tally) {
	t.Logf("| %s | %d | %d | %d | %.2f %% | %.2f %% |", what, all.builds, all.steps, all.maybe,
		100*float64(all.maybe)/float64(max(all.steps, 1)), 100*float64(all.steps-all.maybe-all.wrong)/float64(max(all.steps-all.maybe, 1)))
}
