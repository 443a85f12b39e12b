package buildcache

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// historyOf makes a history out of trees, newest first; the last one is that before the oldest commit.
func historyOf(trees [][]buildcontext.Entry) *buildcontext.History {
	h := &buildcontext.History{Branch: "main", Tree: trees[0]}
	for i := range trees[1:] {
		var c buildcontext.Commit
		was, is := buildcontext.NewTree(trees[i+1]), buildcontext.NewTree(trees[i])
		for _, e := range was.Entries {
			now, found := is.Lookup(e.Path)
			switch {
			case !found:
				c.Changes = append(c.Changes, buildcontext.Change{Old: e})
			case now != e:
				c.Changes = append(c.Changes, buildcontext.Change{Old: e, New: now})
			}
		}
		for _, e := range is.Entries {
			if _, found := was.Lookup(e.Path); !found {
				c.Changes = append(c.Changes, buildcontext.Change{New: e})
			}
		}
		h.Commits = append(h.Commits, c)
	}
	return h
}

// counted is a build with a Dockerfile and an ignore file, which stand in no tree of the history.
type counted struct {
	build  buildcontext.Build
	text   string
	ignore string
}

func (c counted) lay(tree []buildcontext.Entry) buildcontext.Tree {
	fixed := []buildcontext.Entry{{Path: c.build.Dockerfile, Mode: buildcontext.ModeFile, Object: "the Dockerfile"}}
	ignore := path.Join(c.build.Context, ".dockerignore")
	if c.ignore != "" {
		fixed = append(fixed, buildcontext.Entry{Path: ignore, Mode: buildcontext.ModeFile, Object: "the ignore file"})
	}
	var kept []buildcontext.Entry
	for _, e := range tree {
		inTheWay := c.build.Kind == buildcontext.Local && e.Path == ignore || c.build.Contexts != nil && e.Path == "a/.dockerignore" || slices.ContainsFunc(fixed, func(f buildcontext.Entry) bool {
			return e.Path == f.Path || strings.HasPrefix(e.Path, f.Path+"/") || strings.HasPrefix(f.Path, e.Path+"/")
		})
		if !inTheWay {
			kept = append(kept, e)
		}
	}
	return buildcontext.NewTree(append(kept, fixed...))
}

func (c counted) open(tree []buildcontext.Entry) (*buildcontext.Context, error) {
	return buildcontext.Open(c.lay(tree), c.build, func(string) ([]byte, error) { return []byte(c.ignore), nil })
}

// fresh counts as Count does, with the keys of each tree computed by themselves.
func fresh(trees [][]buildcontext.Entry, builds []counted, plans []*Plan) (_ []Counts, failed error) {
	out := make([]Counts, len(builds))
	seen := make([]Seen, len(builds))
	off := make([]bool, len(builds))
	keysOf := func(i, at int) []Key {
		c, err := builds[i].open(trees[at])
		if err != nil {
			failed = err
			return nil
		}
		keys, err := plans[i].Keys(c)
		if lacks, err := missing(err); lacks || err != nil {
			failed = errors.Join(failed, err)
			return nil
		}
		return keys
	}
	for i, p := range plans {
		out[i].Rerun, out[i].Maybe = make([]int, len(p.Steps)), make([]int, len(p.Steps))
		off[i] = keysOf(i, 0) == nil
	}
	seeded := false
	for at := len(trees) - 1; at >= 0; at-- {
		keys := make([][]Key, len(plans))
		whole := true
		for i := range plans {
			if !off[i] {
				keys[i] = keysOf(i, at)
				whole = whole && keys[i] != nil
			}
		}
		for i := range plans {
			switch {
			case off[i]:
				continue
			case !whole && at < len(trees)-1:
				out[i].LeftOut++
				continue
			case !whole:
				continue
			}
			if seeded {
				out[i].Commits++
				for j, p := range Predict(keys[i], &seen[i]) {
					switch p.State {
					case Rebuilt:
						out[i].Rerun[j]++
					case Maybe:
						out[i].Maybe[j]++
					}
				}
			}
			seen[i].Add(keys[i])
		}
		seeded = seeded || whole
	}
	for i := range out {
		if off[i] || out[i].Commits == 0 {
			out[i] = Counts{LeftOut: out[i].LeftOut}
		}
	}
	return out, failed
}

func countAndCompare(t testing.TB, trees [][]buildcontext.Entry, builds []counted) []Counts {
	t.Helper()
	var plans []*Plan
	var variants []Variant
	for _, b := range builds {
		plan, err := Compile(t.Context(), Inputs{File: parse(t, b.text), Contexts: b.build.Contexts})
		if err != nil {
			t.Fatal(err)
		}
		plans = append(plans, plan)
		c, err := b.open(trees[0])
		if err != nil {
			t.Fatal(err)
		}
		variants = append(variants, Variant{Plan: plan, Context: c})
	}
	want, failed := fresh(trees, builds, plans)
	got, err := Count(t.Context(), variants, historyOf(trees))
	if err != nil || failed != nil {
		if (err == nil) != (failed == nil) {
			t.Errorf("error %v, fresh %v", err, failed)
		}
		return nil
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-fresh +incremental:\n%s", diff)
	}
	return got
}

// randomTree is some files over few names, so that files, directories and links take each other's places.
func randomTree(r *rand.Rand, was []buildcontext.Entry) []buildcontext.Entry {
	names := []string{"a", "b", "a-b", "c.md", "d.py", "lib", "Dockerfile", ".dockerignore"}
	modes := []string{buildcontext.ModeFile, buildcontext.ModeFile, buildcontext.ModeFile, buildcontext.ModeExecutable, buildcontext.ModeSymlink, buildcontext.ModeSubmodule}
	links := []string{"a", "../b", "lib", "/lib/a", ".", "gone", "b/../a", "l"}
	tree := slices.Clone(was)
	for range 1 + r.IntN(4) {
		switch {
		case len(tree) > 0 && r.IntN(3) == 0:
			i := r.IntN(len(tree))
			tree = slices.Delete(tree, i, i+1)
			continue
		case len(tree) > 0 && r.IntN(2) == 0: // a rename of what lies in one directory
			dir, to := path.Dir(tree[r.IntN(len(tree))].Path), names[r.IntN(len(names))]
			if dir != "." {
				for i := range tree {
					if rest, below := strings.CutPrefix(tree[i].Path, dir+"/"); below {
						tree[i].Path = to + "/" + rest
					}
				}
			}
		}
		p := names[r.IntN(len(names))]
		for range r.IntN(3) {
			p += "/" + names[r.IntN(len(names))]
		}
		e := buildcontext.Entry{Path: p, Mode: modes[r.IntN(len(modes))], Object: fmt.Sprint(r.IntN(3))}
		if e.Mode == buildcontext.ModeSymlink {
			e.Link = links[r.IntN(len(links))]
			e.Object = "link " + e.Link
		}
		tree = append(tree, e)
	}
	// No file stands where another one's directory is.
	var kept []buildcontext.Entry
	for i, e := range tree {
		if !slices.ContainsFunc(tree[i+1:], func(o buildcontext.Entry) bool {
			return o.Path == e.Path || strings.HasPrefix(o.Path, e.Path+"/") || strings.HasPrefix(e.Path, o.Path+"/")
		}) {
			kept = append(kept, e)
		}
	}
	return buildcontext.NewTree(kept).Entries
}

var (
	countedCopies = []string{
		"COPY . .", "COPY a /x/", "COPY a b /x/", "COPY lib /lib", "COPY *.py ./", "COPY a*/* /y/", "COPY lib/*.md /z/", "COPY [ab]/[^x] /c/",
		"COPY --exclude=**/*.md . /n/", "COPY --exclude=a --exclude=!a/b . /n/", "COPY --parents **/*.py /p/", "COPY --parents ./a/./b* lib /p/",
		"COPY --exclude=b --parents a* /q/", "ADD lib/.. /r/", "COPY --link lib/a* /s/", "RUN --mount=target=/m make", "RUN --mount=source=lib,target=/m make",
		"RUN make", "COPY --from=one /x /x", "COPY --from=one / /all/", "WORKDIR /w", "COPY --exclude=a/* a/.. /t/", "COPY b/* a* /u/", "ADD https://example.com/x /x",
	}
	countedIgnores = []string{"", "", "a", "*\n!a\n!lib", "**/*.md\n!a/c.md", "*/b\n!lib/**", "lib/\n!lib/a", "**\n!**/*.py", "a/*", "Dockerfile\n.dockerignore\n*.md"}
)

// TestCountIsFresh: what is computed out of the tree before is what is computed anew for each tree, over
// renames, links, emptied directories, exceptions of ignore files, wildcards, --exclude and --parents.
func TestCountIsFresh(t *testing.T) {
	counts, left := 0, 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 4))
		builds, trees := randomCount(r)
		for _, c := range countAndCompare(t, trees, builds) {
			counts += c.Commits
			left += c.LeftOut
		}
		if t.Failed() {
			t.Fatalf("seed %d\n%+v\n%v", seed, builds, trees)
		}
	}
	if counts < 500 || left < 100 {
		t.Errorf("only %d commits counted and %d left out: the random builds are of no use", counts, left)
	}
}

// longHistory is more random trees than a step is compared with builds, newest first, and a Dockerfile whose second
// stage hangs on what the first one puts out.
func longHistory(seed uint64) (counted, [][]buildcontext.Entry) {
	r := rand.New(rand.NewPCG(seed, 32))
	tree := randomTree(r, nil)
	var past [][]buildcontext.Entry
	for range 3 * maxCandidates {
		if len(past) > 2 && r.IntN(5) == 0 {
			tree = past[r.IntN(len(past))]
		} else {
			tree = randomTree(r, tree)
		}
		past = append(past, tree)
	}
	slices.Reverse(past)
	text := "FROM x AS one\nCOPY . .\n"
	if r.IntN(2) == 0 {
		text += "RUN make\n"
	}
	text += "FROM y\nCOPY --from=one /x /x\nCOPY --from=one /y* /y\n" + countedCopies[r.IntN(8)] +
		"\nRUN --mount=from=one,source=/x,target=/m make\n"
	return counted{build: buildcontext.Build{Dockerfile: "Dockerfile", Context: ".", Kind: buildcontext.Local}, text: text}, past
}

// TestCountLongHistory: counting is also fresh where a step is compared with fewer builds than there were.
func TestCountLongHistory(t *testing.T) {
	maybe := 0
	for seed := range uint64(12) {
		build, trees := longHistory(seed)
		for _, c := range countAndCompare(t, trees, []counted{build}) {
			for _, n := range c.Maybe {
				maybe = max(maybe, n)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d\n%s\n%v", seed, build.text, trees)
		}
	}
	if maybe <= maxCandidates {
		t.Errorf("a step was maybe run at most %d times: the random histories are of no use", maybe)
	}
}

// TestCountOverLinks: what is remembered of a directory holds for the path under which a wildcard came to it.
func TestCountOverLinks(t *testing.T) {
	tree := func(link string) []buildcontext.Entry {
		return buildcontext.NewTree([]buildcontext.Entry{
			{Path: "a", Mode: buildcontext.ModeSymlink, Link: link, Object: link},
			{Path: "b/a/f", Mode: buildcontext.ModeFile, Object: "1"},
			{Path: "c/a/f", Mode: buildcontext.ModeFile, Object: "1"},
		}).Entries
	}
	trees := [][]buildcontext.Entry{tree("c/a"), tree("b/a"), tree("b")} // newest first
	build := buildcontext.Build{Dockerfile: "Dockerfile", Context: ".", Kind: buildcontext.Local}
	counts := countAndCompare(t, trees, []counted{{build: build, text: "FROM x\nCOPY a/* /x/\n"}})
	if len(counts) != 1 || counts[0].Commits != 2 || counts[0].Rerun[0] != 1 {
		t.Errorf("counts %+v", counts)
	}
}

// TestLastBuilds: what only more than maxCandidates builds ago was the same by its contents counts as another.
func TestLastBuilds(t *testing.T) {
	plan := compileText(t, "FROM a AS one\nCOPY z /e/\nCOPY d /d/\nFROM b\nCOPY --from=one /d/x /y\n")
	keysOf := func(x, z int) []Key {
		keys, err := plan.Keys(open(t, []buildcontext.Entry{
			{Path: "d/x", Mode: buildcontext.ModeFile, Object: fmt.Sprint(x)}, {Path: "z", Mode: buildcontext.ModeFile, Object: fmt.Sprint(z)},
		}))
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	var seen Seen
	for i := range maxCandidates + 1 {
		seen.Add(keysOf(i, i))
	}
	for x, want := range map[int]State{0: Rebuilt, 1: Cached, maxCandidates: Cached} {
		if got := Predict(keysOf(x, -1), &seen)[2]; got.State != want {
			t.Errorf("COPY --from of what build %d had is %s (%s), want %s", x, got.State, got.Cause, want)
		}
	}
}

// TestSeenForgetsNothing: what was built once is cached, however many other builds followed.
func TestSeenForgetsNothing(t *testing.T) {
	builds := 0
	for seed := range uint64(12) {
		build, trees := longHistory(seed)
		plan := compileText(t, build.text)
		var seen Seen
		var all [][]Key
		for _, tree := range trees {
			c, err := build.open(tree)
			if err != nil {
				t.Fatal(err)
			}
			keys, err := plan.Keys(c)
			if err != nil {
				continue // it lacks what a COPY names
			}
			all = append(all, keys)
			seen.Add(keys)
		}
		builds += len(all)
		for i, keys := range all {
			for j, p := range Predict(keys, &seen) {
				if p.State != Cached {
					t.Errorf("seed %d, build %d: %s is %s: %s", seed, i, plan.Steps[j].Instruction, p.State, p.Cause)
				}
			}
		}
	}
	if builds < 12*maxCandidates {
		t.Errorf("only %d builds of the random trees succeed", builds)
	}
}

func randomCount(r *rand.Rand) (builds []counted, trees [][]buildcontext.Entry) {
	build := buildcontext.Build{Dockerfile: "Dockerfile", Context: ".", Kind: buildcontext.Local}
	if r.IntN(4) == 0 {
		build.Context = "lib"
	}
	if r.IntN(6) == 0 {
		build.Kind = buildcontext.Git
	}
	if r.IntN(4) == 0 {
		build.Contexts = map[string]string{"other": "./a"}
	}
	ignore := countedIgnores[r.IntN(len(countedIgnores))]
	if build.Kind == buildcontext.Git {
		ignore = ""
	}
	for range 1 + r.IntN(2) {
		text := "FROM x AS one\n"
		for stage := range 2 {
			if stage == 1 {
				text += "FROM y\n"
			}
			for range 1 + r.IntN(3) {
				line := countedCopies[r.IntN(len(countedCopies))]
				if stage == 0 && strings.Contains(line, "from=one") {
					continue
				}
				text += line + "\n"
			}
		}
		if build.Contexts != nil {
			text += "COPY --from=other b /o/\n"
		}
		builds = append(builds, counted{build: build, text: text, ignore: ignore})
	}
	var tree []buildcontext.Entry
	for range 3 {
		tree = randomTree(r, tree)
	}
	var past [][]buildcontext.Entry
	for range 12 {
		if len(past) > 2 && r.IntN(5) == 0 {
			tree = past[r.IntN(len(past))] // a revert
		} else {
			tree = randomTree(r, tree)
		}
		past = append(past, tree)
	}
	slices.Reverse(past)
	return builds, past
}

// FuzzCount is TestCountIsFresh for any Dockerfile and ignore file.
func FuzzCount(f *testing.F) {
	for i, line := range countedCopies {
		f.Add("FROM x AS one\nCOPY lib /x\nFROM y\n"+line+"\nRUN make\n", countedIgnores[i%len(countedIgnores)], uint64(i))
	}
	f.Fuzz(func(t *testing.T, text, ignore string, seed uint64) {
		compileOrSkip(t, text)
		builds, trees := randomCount(rand.New(rand.NewPCG(seed, 4)))
		builds = builds[:1]
		builds[0].text, builds[0].ignore, builds[0].build.Contexts = text, ignore, nil
		if builds[0].build.Kind == buildcontext.Git {
			builds[0].ignore = ""
		}
		if _, err := builds[0].open(trees[0]); err != nil {
			t.Skip("BuildKit refuses the ignore file or a source")
		}
		countAndCompare(t, trees, builds)
	})
}

func TestCountTooLong(t *testing.T) {
	plan := compileText(t, "FROM x\n"+strings.Repeat("RUN x\n", 200))
	h := &buildcontext.History{Commits: make([]buildcontext.Commit, maxCounted/200)}
	if _, err := Count(t.Context(), []Variant{{Plan: plan, Context: &buildcontext.Context{}}}, h); !errors.Is(err, ErrTooLong) {
		t.Errorf("error %v", err)
	}
}

func compileText(t testing.TB, text string) *Plan {
	t.Helper()
	plan, err := Compile(t.Context(), Inputs{File: parse(t, text)})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}
