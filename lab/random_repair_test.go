package lab

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
)

// TestRandomRepairs is TestRepairs on random Dockerfiles. HITRATE_LAB_SEED repeats a run,
// HITRATE_LAB_REPAIRS says how many repaired Dockerfiles are tried, HITRATE_LAB_CASE narrows it to the case
// of a number, and HITRATE_LAB_RULE to a rule.
func TestRandomRepairs(t *testing.T) {
	needDaemon(t)
	want := number(t, "HITRATE_LAB_REPAIRS", 12)
	if everything() {
		want = number(t, "HITRATE_LAB_REPAIRS", 1000)
	}
	seed := uint64(number(t, "HITRATE_LAB_SEED", int(time.Now().UnixNano()&0x7fffffff)))
	t.Logf("HITRATE_LAB_SEED=%d", seed)
	base := commonBase(t)
	all := repairTally{rules: map[string]int{}}
	cases, silent, left, failed := 0, 0, 0, 0
	const together = 25 // cases share a daemon's cache: none has a step of another
	only := number(t, "HITRATE_LAB_CASE", -1)
	for n := max(only, 0); all.tried < want && (only < 0 || n == only); n++ {
		tree, args := Random{rand.New(rand.NewPCG(seed, uint64(n)))}.recipe(n)
		repairs, err := Repairs(t.Context(), tree, settingsOf(t, tree))
		if err != nil {
			t.Errorf("case %d: %v\n%s", n, err, tree["Dockerfile"].Data)
			continue
		}
		if only >= 0 || os.Getenv("HITRATE_LAB_DEBUG") != "" {
			t.Logf("case %d, %d suggestions\n%s", n, len(repairs), describe(Side{Tree: tree}))
		}
		if len(repairs) == 0 {
			silent++
			continue
		}
		if only < 0 && !all.rare(repairs) {
			left++
			continue
		}
		if cases++; cases%together == 0 {
			if err := daemon.Empty(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if !tryRandom(t, n, repairs, args, base, &all) {
			failed++
		}
		if cases%10 == 0 {
			t.Logf("so far %d built, %d of them not as they are, %d without a suggestion: %s", cases, failed, silent, all)
		}
	}
	t.Logf("%d random Dockerfiles, and %d without a suggestion and %d with those of common rules only, which were left out; %d originals do not build; %s", cases, silent, left, failed, all)
}

// rare says whether repairs are of a rule that was tried less often than most, so that all are tried.
func (t *repairTally) rare(repairs []Repair) bool {
	const share = 6 // of what was tried, that each rule may have
	for _, r := range repairs {
		for _, rule := range r.Rules {
			if t.rules[rule] <= 2+t.tried/share {
				return true
			}
		}
	}
	return false
}

// tryRandom builds a random Dockerfile and each of its repairs; false where the original does not build.
func tryRandom(t *testing.T, n int, repairs []Repair, args []string, base ocispecs.Descriptor, all *repairTally) bool {
	t.Helper()
	t.Logf("case %d", n)
	names := caseImages(t, n, base)
	var before *Result
	// Where there are several suggestions, all together and one alone: more would be spent on little.
	alone := n % max(len(repairs)-1, 1)
	for turn, r := range repairs {
		if !wanted(r) || turn != alone && turn != len(repairs)-1 {
			continue
		}
		for _, side := range []*Side{&r.Before, &r.After} {
			side.Images = names
			*side = side.with(".git/HEAD", fmt.Sprintf("case %d", n)) // which git does not list
			side.Build.Args = map[string]string{}
			for _, name := range args {
				side.Build.Args[name] = "of-this-build"
			}
		}
		if before == nil {
			if err := daemon.EmptyMounts(t.Context()); err != nil {
				t.Fatal(err)
			}
			var err error
			if before, err = r.Before.Result(t.Context(), daemon, images); err != nil {
				if os.Getenv("HITRATE_LAB_DEBUG") != "" {
					t.Logf("case %d: the original: %v\n%s", n, err, r.texts())
				}
				return false
			}
		}
		if err := daemon.EmptyMounts(t.Context()); err != nil {
			t.Fatal(err)
		}
		compareRepair(t, r, before, all)
		if turn == len(repairs)-1 { // with all suggestions, or the only one
			changeSource(t, r, 0, all) // the file may be one that another COPY above brings
		}
	}
	return true
}

// commonBase is the layer that all base images of random Dockerfiles have.
func commonBase(t *testing.T) ocispecs.Descriptor {
	t.Helper()
	n := newNeeds()
	n.ownUsers = true
	for _, name := range []string{"apt-cache", "add-apt-repository", "dpkg", "make", "node"} {
		n.programs[name] = true
	}
	files, err := n.system(tools(t), "")
	if err != nil {
		t.Fatal(err)
	}
	layer, err := images.Layer(files)
	if err != nil {
		t.Fatal(err)
	}
	return layer
}

// caseImages are the base images of one case: their topmost layer is its own, so that no step is one of
// another case.
func caseImages(t *testing.T, n int, base ocispecs.Descriptor) map[string]digest.Digest {
	t.Helper()
	own, err := images.Layer(append(accounts(map[string]int{"www-data": 33, "nobody": 65534}),
		LayerFile{Name: "tmp/", Mode: 0o1777}, LayerFile{Name: ".lab/case", Mode: 0o644, Data: fmt.Append(nil, n)}))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]digest.Digest{}
	for _, name := range recipeBases {
		if out[name], err = images.AddOn(name, base, own); err != nil {
			t.Fatal(err)
		}
	}
	return out
}
