package lab

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/hitrate-bot/hitrate/internal/buildcache"
)

// TestRandom builds random Dockerfiles over random trees, changes them one change after the other
// and compares each step. HITRATE_LAB_SEED repeats a run, HITRATE_LAB_STEPS says how many steps.
func TestRandom(t *testing.T) {
	needDaemon(t)
	want := number(t, "HITRATE_LAB_STEPS", 350)
	if everything() {
		want = number(t, "HITRATE_LAB_STEPS", 6000)
	}
	seed := newSeed(t)
	names := map[string]digest.Digest{"base": image(t, "base"), "other": image(t, "other")}
	var all tally
	for chain := uint64(0); all.steps < want; chain++ {
		if err := randomChain(t, Random{rand.New(rand.NewPCG(seed, chain))}, chain, names, &all); err != nil {
			t.Fatalf("chain %d: %v", chain, err)
		}
	}
	t.Log(all)
	figures(t, "random changes", all)
	if all.wrong > 0 {
		t.Errorf("%d predictions were wrong", all.wrong)
	}
}

// newSeed is that of HITRATE_LAB_SEED; else another one each time where everything is run, and the same one in the
// part that every change has to pass: what it finds is then that change's doing.
func newSeed(t *testing.T) uint64 {
	otherwise := 2011925579
	if everything() {
		otherwise = int(time.Now().UnixNano() & 0x7fffffff)
	}
	seed := number(t, "HITRATE_LAB_SEED", otherwise)
	t.Logf("HITRATE_LAB_SEED=%d", seed)
	return uint64(seed)
}

func number(t *testing.T, name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// chainLength is how many builds share one cache.
const chainLength = 8

// randomChain ends early where a build cannot be: then the model has to say so too.
func randomChain(t *testing.T, r Random, chain uint64, names map[string]digest.Digest, all *tally) error {
	ctx := context.Background()
	if err := daemon.Empty(ctx); err != nil {
		return err
	}
	var seen buildcache.Seen
	var past []scenario
	s := r.scenario()
	for range chainLength {
		side := s.side()
		side.Images = names
		_, _, modelErr := side.Keys(ctx)
		var steps []Step
		var observed []Observed
		var err error
		if modelErr == nil {
			steps, err = After(ctx, daemon, images, side, &seen)
		} else {
			observed, err = side.Run(ctx, daemon, images)
		}
		switch {
		case modelErr == nil && err == nil:
		case modelErr != nil && err != nil:
			all.failed++
			return nil //nolint:nilerr // both refuse the build: the chain ends
		case foundInCache(modelErr, observed):
			t.Logf("chain %d: the cache has what would fail: %v\n%s", chain, modelErr, describe(side))
			return nil
		default:
			all.misjudged++
			t.Errorf("chain %d: model: %v; daemon: %v\n%s", chain, modelErr, err, describe(side))
			return nil //nolint:nilerr // told already
		}
		all.builds++
		if os.Getenv("HITRATE_LAB_DEBUG") != "" {
			t.Logf("chain %d build\n%s", chain, describe(side))
			for _, s := range steps {
				t.Log(s)
			}
		}
		for _, step := range steps {
			all.add(step)
			if step.Wrong() {
				before := "nothing"
				if len(past) > 0 {
					before = describe(past[len(past)-1].side())
				}
				t.Errorf("chain %d: %v\nbefore:\n%s\nafter:\n%s", chain, step, before, describe(side))
			}
		}
		past = append(past, s)
		if r.IntN(6) == 0 {
			s = past[r.IntN(len(past))] // a revert
		} else {
			s = r.change(s)
		}
	}
	return nil
}

// foundInCache says whether a copy that takes nothing, for its source is not there, was not tried: an earlier
// build had its source, and of that took nothing either. To the cache both are the same.
func foundInCache(modelErr error, observed []Observed) bool {
	var missing *buildcache.MissingSourceError
	if !errors.As(modelErr, &missing) {
		return false
	}
	found := false
	for _, o := range observed {
		if slices.Contains(o.Lines, missing.Lines.Last) {
			if !o.Cached {
				return false
			}
			found = true
		}
	}
	return found
}
