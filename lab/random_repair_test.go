package lab

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// TestRandomRepairs is TestRepairs on random Dockerfiles. HITRATE_LAB_SEED repeats a run,
// HITRATE_LAB_REPAIRS says how many repaired Dockerfiles are tried, HITRATE_LAB_WORKERS on how many daemons at
// once, and it ends before the test's time does. HITRATE_LAB_CASE narrows it to the case of a number, and HITRATE_LAB_RULE to a rule.
func TestRandomRepairs(t *testing.T) {
	needDaemon(t)
	want := number(t, "HITRATE_LAB_REPAIRS", 12)
	if everything() {
		want = number(t, "HITRATE_LAB_REPAIRS", 1000)
	}
	seed := newSeed(t)
	base := commonBase(t)
	deadline, limited := t.Deadline()
	run := randomRun{drawn: repairTally{rules: map[string]int{}}, all: repairTally{rules: map[string]int{}}, only: number(t, "HITRATE_LAB_CASE", -1)}
	cases := make(chan randomCase)
	go func() {
		defer close(cases)
		for n := max(run.only, 0); !run.enough(want) && (run.only < 0 || n == run.only) && (!limited || time.Until(deadline) > time.Minute); n++ {
			c, err := drawCase(t, seed, n)
			if err != nil {
				t.Errorf("case %d: %v\n%s", n, err, describe(Side{Tree: c.tree}))
				continue
			}
			if !run.takes(c) {
				continue
			}
			select {
			case cases <- c:
			case <-t.Context().Done():
				return
			}
		}
	}()
	t.Run("workers", func(t *testing.T) {
		for w := range number(t, "HITRATE_LAB_WORKERS", 2) {
			t.Run(fmt.Sprint(w), func(t *testing.T) {
				t.Parallel()
				d, err := Start(t.Context(), daemon.bin)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = d.Stop() })
				warm(t, d, w, base)
				const together = 50 // cases share a daemon's cache: none has a step of another
				for tried := 1; ; tried++ {
					c, more := <-cases
					if !more {
						return
					}
					run.try(t, d, c, base)
					if tried%together == 0 {
						if err := d.Empty(t.Context()); err != nil {
							t.Fatal(err)
						}
						warm(t, d, w, base)
					}
				}
			})
		}
	})
	t.Log(&run)
}

// randomCase is a random Dockerfile with what hitrate suggests for it.
type randomCase struct {
	number  int
	tree    Tree
	args    []string // that change with each build
	repairs []Repair
}

// drawCase makes the case of a number.
func drawCase(t *testing.T, seed uint64, number int) (randomCase, error) {
	t.Helper()
	c := randomCase{number: number}
	c.tree, c.args = Random{rand.New(rand.NewPCG(seed, uint64(number)))}.recipe(number)
	var err error
	c.repairs, err = Repairs(t.Context(), c.tree, settingsOf(t, c.tree))
	return c, err
}

// randomRun is what was drawn and what came of it.
type randomRun struct {
	mu           sync.Mutex
	only         int         // the number of the one case; below 0 for all
	drawn        repairTally // so that what is tried hangs on the seed alone, not on who is ready first
	all          repairTally
	cases        int
	silent, left int
	failed       int // originals
}

func (r *randomRun) enough(want int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.all.tried >= want
}

// takes says whether a case is tried: not where it has no suggestion, and one in four where it has those of common
// rules only.
func (r *randomRun) takes(c randomCase) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(c.repairs) == 0:
		r.silent++
		return false
	case r.only < 0 && c.number%4 > 0 && !r.drawn.rare(c.repairs):
		r.left++
		return false
	}
	all := c.repairs[len(c.repairs)-1]
	r.drawn.tried++
	for _, rule := range all.Rules {
		r.drawn.rules[rule]++
	}
	return true
}

// rare says whether repairs are of a rule that was drawn less often than most, so that all are tried.
func (t *repairTally) rare(repairs []Repair) bool {
	const share = 6 // of what was drawn, that each rule may have
	for _, r := range repairs {
		for _, rule := range r.Rules {
			if t.rules[rule] <= 2+t.tried/share {
				return true
			}
		}
	}
	return false
}

func (r *randomRun) String() string {
	return fmt.Sprintf("%d random Dockerfiles, and %d without a suggestion and %d of three in four with those of common rules only, which were left out; %d originals do not build; %s", r.cases, r.silent, r.left, r.failed, r.all)
}

// try builds a case with a worker's daemon and counts it.
func (r *randomRun) try(t *testing.T, d *Daemon, c randomCase, base baseLayers) {
	t.Helper()
	one := repairTally{rules: map[string]int{}}
	builds := tryRandom(t, d, c, base, &one)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all.merge(one)
	if !builds {
		r.failed++
	}
	if r.cases++; r.cases%25 == 0 {
		t.Logf("so far %s", r)
	}
}

// tryRandom builds a random Dockerfile and some of its repairs; false where the original does not build.
func tryRandom(t *testing.T, d *Daemon, c randomCase, base baseLayers, all *repairTally) bool {
	t.Helper()
	debug := os.Getenv("HITRATE_LAB_DEBUG") != ""
	if debug {
		t.Logf("case %d, %d suggestions\n%s", c.number, len(c.repairs), describe(Side{Tree: c.tree}))
	}
	names := caseImages(t, c.number, base)
	var before *Result
	// Where there are several suggestions, all together and one alone: more would be spent on little.
	alone := c.number % max(len(c.repairs)-1, 1)
	for turn, r := range c.repairs {
		if !wanted(r) || turn != alone && turn != len(c.repairs)-1 {
			continue
		}
		for _, side := range []*Side{&r.Before, &r.After} {
			side.Images = names
			*side = side.with(".git/HEAD", fmt.Sprintf("case %d", c.number)) // which git does not list
			side.Build.Args = map[string]string{}
			for _, name := range c.args {
				side.Build.Args[name] = "of-this-build"
			}
		}
		r.Case = fmt.Sprintf("case %d, ", c.number)
		if err := d.EmptyMounts(t.Context()); err != nil {
			t.Fatal(err)
		}
		if before == nil {
			var err error
			if before, err = r.Before.Result(t.Context(), d, images); err != nil {
				text := r.texts()
				if !debug {
					text, _, _ = strings.Cut(text, "\n--- ")
				}
				t.Logf("case %d: the original: %v\n%s", c.number, err, text)
				return false
			}
		}
		if err := d.EmptyMounts(t.Context()); err != nil {
			t.Fatal(err)
		}
		compareRepair(t, d, r, before, all)
		if turn == len(c.repairs)-1 { // with all suggestions, or the only one
			changeSource(t, d, r, 0, all) // the file may be one that another COPY above brings
			if len(c.args) > 0 {
				changeArguments(t, d, r, all)
			}
		}
	}
	return true
}

// changeArguments gives other values to the arguments that change with each build, builds both sides again and
// compares what each step does with the prediction. With a suggestion no more commands run than without.
func changeArguments(t *testing.T, d *Daemon, r Repair, all *repairTally) {
	t.Helper()
	ran := buildChanged(t, d, r, built(t, r), all, "of the arguments", func(s Side) Side {
		s.Build.Args = maps.Clone(s.Build.Args)
		for name := range s.Build.Args {
			s.Build.Args[name] = "of-another-build"
		}
		return s
	})
	if ran != nil && ran[true] > ran[false] {
		t.Errorf("%s: after a change of the arguments %d commands run, and %d without the suggestion\n%s", r, ran[true], ran[false], r.texts())
	}
}

// baseLayers are the layers that the images of all random Dockerfiles share: the lowest of base images, and that of
// the image that programs are copied from.
type baseLayers struct{ system, programs ocispecs.Descriptor }

// commonBase makes them.
func commonBase(t *testing.T) baseLayers {
	t.Helper()
	n := newNeeds()
	n.ownUsers = true
	for _, name := range []string{"apt-cache", "add-apt-repository", "dpkg", "make", "node", "update-ca-certificates", "corepack"} {
		n.programs[name] = true
	}
	files, err := n.system(t.Context(), tools(t), "")
	if err != nil {
		t.Fatal(err)
	}
	var layers baseLayers
	if layers.system, err = images.Layer(files); err != nil {
		t.Fatal(err)
	}
	if layers.programs, err = images.Layer([]LayerFile{{Name: "uv", Mode: 0o755, Data: tools(t)}, {Name: "uvx", Mode: 0o755, Data: []byte("#!/bin/sh\n")}}); err != nil {
		t.Fatal(err)
	}
	return layers
}

// warm has a daemon fetch the layer that all have: a build that fails meanwhile would leave a part of it, which
// later ones cannot go on with.
func warm(t *testing.T, d *Daemon, worker int, base baseLayers) {
	t.Helper()
	const name = "debian:12"
	side := Side{
		Tree:   Tree{"Dockerfile": {Data: "FROM " + name + "\nRUN true\n"}},
		Build:  buildcontext.Build{Dockerfile: "Dockerfile", Context: ".", Kind: buildcontext.Local},
		Images: caseImages(t, -1-worker, base),
	}
	if _, err := side.Run(t.Context(), d, images); err != nil {
		t.Fatalf("fetch the base images' layer: %v", err)
	}
}

// caseImages are the base images of one case: their topmost layer is its own, so that no step is one of
// another case.
func caseImages(t *testing.T, n int, base baseLayers) map[string]digest.Digest {
	t.Helper()
	own, err := images.Layer(append(accounts(map[string]int{"www-data": 33, "nobody": 65534}),
		LayerFile{Name: "tmp/", Mode: 0o1777}, LayerFile{Name: ".lab/case", Mode: 0o644, Data: fmt.Append(nil, n)}))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]digest.Digest{}
	for _, name := range recipeBases {
		if out[name], err = images.AddOn(name, base.system, own); err != nil {
			t.Fatal(err)
		}
	}
	if out[toolImage], err = images.AddOn(toolImage, base.programs); err != nil {
		t.Fatal(err)
	}
	unknown, err := images.Layer(append(accounts(map[string]int{"app": 1000, "www-data": 33, "nobody": 65534}),
		LayerFile{Name: "app/", Mode: 0o755, Owner: 1000}, LayerFile{Name: "app/app.py", Mode: 0o600, Owner: 1000, Data: []byte("older")}, LayerFile{Name: "app/src/", Mode: 0o700, Owner: 1000},
		LayerFile{Name: "home/app/", Mode: 0o750, Owner: 1000}, LayerFile{Name: "home/app/.cache/", Mode: 0o700, Owner: 1000}, LayerFile{Name: "root/.cache/", Mode: 0o755}, LayerFile{Name: "root/.cache/pip/", Mode: 0o755},
		LayerFile{Name: "root/.cache/pip/older", Mode: 0o644, Data: []byte("older")}, LayerFile{Name: "var/lib/apt/lists/deb.debian.org_dists_stable_main_Packages", Mode: 0o644, Data: []byte("older")},
		LayerFile{Name: "etc/apt/apt.conf.d/.wh.docker-clean", Mode: 0o644}, LayerFile{Name: ".lab/case", Mode: 0o644, Data: fmt.Append(nil, n)}))
	if err != nil {
		t.Fatal(err)
	}
	out[unknownBase], err = images.AddConfigured(unknownBase, ocispecs.ImageConfig{User: "app", WorkingDir: "/home/app", Env: []string{"PIP_DEFAULT_TIMEOUT=60"}}, base.system, unknown)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
