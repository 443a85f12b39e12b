package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcache"
)

// TestReplay builds the commits of real repositories one after the other on base images whose
// programs all succeed, with a cache that is kept, and compares each step. HITRATE_LAB_REPOS is a
// directory of repositories, OWNER+NAME/repo each; HITRATE_LAB_COMMITS says how many commits of a
// Dockerfile, HITRATE_LAB_FILES how many Dockerfiles of a repository. With HITRATE_BINARY every tenth
// plan of two commits is also asked of that program.
//
// Each history is built twice: with commands that put out nothing, and with commands that put out
// something else each time. What is predicted cached or rebuilt has to be so in both; what is
// predicted maybe and comes out the same in both is counted apart and to be read: no more than these
// maybes are needless. Fewer are, for these commands only add files: one that removes what a COPY
// brought is a third kind.
func TestReplay(t *testing.T) {
	needDaemon(t)
	dir := os.Getenv("HITRATE_LAB_REPOS")
	if dir == "" {
		t.Skip("HITRATE_LAB_REPOS names no directory of repositories")
	}
	repositories, err := filepath.Glob(filepath.Join(dir, "*", "repo"))
	if err != nil || len(repositories) == 0 {
		t.Fatalf("no repositories in %s: %v", dir, err)
	}
	var all replayTally
	for _, repository := range repositories {
		name := filepath.Base(filepath.Dir(repository))
		t.Run(name, func(t *testing.T) {
			var one replayTally
			replay(t, repository, &one)
			t.Logf("%s: %v", name, one)
			if one.builds > 0 {
				all.repositories++
			}
			all.merge(one)
		})
	}
	t.Logf("%d repositories: %v", all.repositories, all)
	figures(t, fmt.Sprintf("commits of %d repositories", all.repositories), all.tally)
}

// TestReplayScript replays a small repository that is made here: its third commit cannot be built, the
// fifth is the first again, and a stage takes what another one's command puts out.
func TestReplayScript(t *testing.T) {
	needDaemon(t)
	const dockerfile = `FROM python:3.12 AS build
WORKDIR /src
COPY requirements.txt .
RUN pip install --target /out -r requirements.txt
FROM python:3.12-slim
WORKDIR /app
COPY --from=build /out /app/lib
COPY app app
RUN python -m compileall app
`
	dir := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-C", dir, "-c", "user.name=lab", "-c", "user.email=lab@example.com"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	run("init", "-q")
	for i, commit := range []Tree{
		{"Dockerfile": text(dockerfile), "requirements.txt": text("flask==3.0.0\n"), "app/main.py": text("1\n"), "README.md": text("1\n")},
		{"app/main.py": text("2\n")},
		{"Dockerfile": text(dockerfile + "COPY nowhere /\n")},
		{"Dockerfile": text(dockerfile), "app/main.py": text("1\n"), "requirements.txt": text("flask==3.0.1\n")},
		{"requirements.txt": text("flask==3.0.0\n")},
		{"requirements.txt": text("flask==3.0.2\n"), ".dockerignore": text("**/*.md\n")},
	} {
		for p := range commit {
			if err := os.RemoveAll(filepath.Join(dir, p)); err != nil {
				t.Fatal(err)
			}
		}
		if err := commit.Write(dir); err != nil {
			t.Fatal(err)
		}
		run("add", ".")
		run("commit", "-q", "-m", fmt.Sprint(i))
	}
	var all replayTally
	replay(t, dir, &all)
	t.Log(all)
	if all.failed != 2 || all.builds != 10 || all.maybe == 0 || all.settled > 0 || all.wrong+all.misjudged > 0 {
		t.Errorf("want 10 builds, 2 that fail, no needless maybe and nothing wrong: %v", all)
	}
}

// replayTally also counts what only a replay has.
type replayTally struct {
	tally
	repositories int
	twoTrees     int // steps of plans of two commits that were compared with the analysis
	binary       int // and with the program
	settled      int // maybes that come out the same with both kinds of commands
	notBuilt     int // moments that hitrate does not look at, or that need the network
}

func (t *replayTally) merge(o replayTally) {
	t.builds += o.builds
	t.failed += o.failed
	t.misjudged += o.misjudged
	t.steps += o.steps
	t.wrong += o.wrong
	t.maybe += o.maybe
	t.cached += o.cached
	t.twoTrees += o.twoTrees
	t.binary += o.binary
	t.settled += o.settled
	t.notBuilt += o.notBuilt
}

func (t replayTally) String() string {
	return fmt.Sprintf("%v; maybe that came out the same both times: %d; %d steps of two commits equal to the analysis, %d to the program; %d commits not built",
		t.tally, t.settled, t.twoTrees, t.binary, t.notBuilt)
}

func replay(t *testing.T, repository string, all *replayTally) {
	ctx := t.Context()
	h, err := OpenHistory(ctx, repository)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	files, err := h.Dockerfiles(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var moments []*Moment
	need := newNeeds()
	chosen := 0
	for _, file := range files {
		if chosen == number(t, "HITRATE_LAB_FILES", 2) {
			break
		}
		of, err := h.Moments(ctx, file, number(t, "HITRATE_LAB_COMMITS", 8))
		if err != nil {
			t.Fatal(err)
		}
		kept := 0
		for _, m := range of {
			if m.Refused == "" {
				if err := need.add(ctx, m.text, m.Build); err != nil {
					t.Errorf("%s at %s: %v", file, m.Commit, err)
					continue
				}
			}
			if need.remote || m.Refused != "" && !strings.Contains(m.Refused, "build context has no") {
				t.Logf("%s at %.10s is not built: network: %v; %s", file, m.Commit, need.remote, m.Refused)
				need.remote = false
				all.notBuilt++
				continue
			}
			kept++
			moments = append(moments, m)
		}
		if kept > 0 {
			chosen++
		}
	}
	var outcomes []map[string]bool // which maybes ran, for each mode
	for _, random := range []bool{false, true} {
		ran := map[string]bool{}
		replayMoments(t, h, moments, baseImages(t, need, random), ran, all)
		outcomes = append(outcomes, ran)
	}
	for _, step := range sortedKeys(outcomes[0]) {
		if again, both := outcomes[1][step]; both && again == outcomes[0][step] {
			all.settled++
			t.Logf("the same with both kinds of commands (ran: %v): %s", again, step)
		}
	}
}

// baseImages makes an image for each name; "" is for a named context whose files are not known.
func baseImages(t *testing.T, need *needs, random bool) map[string]digest.Digest {
	t.Helper()
	layer, err := images.Layer(need.layer(stub(t), random, ""))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]digest.Digest{}
	pinned := map[string]bool{}
	for _, name := range sortedKeys(need.images) {
		label := name
		if tag, digest, found := strings.Cut(name, "@"); found {
			label = digest
			// Whether a tag is the image that a digest names is not known: once it is, once it is not.
			if !random && !pinned[tag] {
				label, pinned[tag] = tag, true
			}
		}
		if names[name], err = images.AddOn(label, layer); err != nil {
			t.Fatal(err)
		}
	}
	names[""], err = images.AddOn("", layer)
	if err != nil {
		t.Fatal(err)
	}
	return names
}

var stubProgram []byte

func stub(t *testing.T) []byte {
	t.Helper()
	if stubProgram == nil {
		stubProgram = program(t, "./stub")
	}
	return stubProgram
}

// replayMoments builds with an empty cache at first. ran says of each step that may run whether it did.
func replayMoments(t *testing.T, h *History, moments []*Moment, names map[string]digest.Digest, ran map[string]bool, all *replayTally) {
	t.Helper()
	ctx := t.Context()
	w, err := newWorktree(ctx, h.Dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if err := daemon.Empty(ctx); err != nil {
		t.Fatal(err)
	}
	seen := &buildcache.Seen{}
	keysAt := map[*Moment][]buildcache.Key{}
	var last *Moment
	for n, m := range moments {
		what := fmt.Sprintf("%s at %.10s", m.Dockerfile, m.Commit)
		if err := w.move(m.Entries); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		plan, keys, modelErr := m.Keys(ctx, h)
		if (modelErr != nil) != (m.Refused != "") {
			t.Errorf("%s: keys: %v; analysis: %s", what, modelErr, m.Refused)
		}
		observed, err := m.Run(ctx, daemon, images, w.dir, names)
		if err != nil || modelErr != nil {
			if (err != nil) == (modelErr != nil) {
				all.failed++
			} else {
				all.misjudged++
				t.Errorf("%s: model: %v; daemon: %v", what, modelErr, err)
			}
			// What ran before the failure is in the cache.
			if err := daemon.Empty(ctx); err != nil {
				t.Fatal(err)
			}
			seen, last = &buildcache.Seen{}, nil
			continue
		}
		all.builds++
		predictions := buildcache.Predict(keys, seen)
		seen.Add(keys)
		keysAt[m] = keys
		steps, err := pair(plan, predictions, observed)
		if err != nil {
			all.wrong++
			t.Errorf("%s: %v", what, err)
			continue
		}
		for _, s := range steps {
			all.add(s)
			if s.Wrong() {
				t.Errorf("%s: %v", what, s)
			}
			if s.Predicted == buildcache.Maybe {
				ran[fmt.Sprintf("%s: %s (%s)", what, s.Instruction, s.Cause)] = s.Observed == buildcache.Rebuilt
			}
		}
		// Of several builds the analysis takes the one in the base that is most alike, which need not be
		// the one that was built here.
		if last != nil && last.Commit == m.Before && last.Dockerfile == m.Dockerfile && maps.Equal(last.Build.Args, m.Build.Args) {
			all.twoTrees += compareWithAnalysis(t, m, plan, keys, keysAt[last])
			if binary := os.Getenv("HITRATE_BINARY"); binary != "" && n%10 == 1 {
				all.binary += compareWithProgram(t, binary, h, m)
			}
		}
		last = m
	}
}

// compareWithAnalysis compares the prediction from two trees with the plan that the analysis made.
func compareWithAnalysis(t *testing.T, m *Moment, plan *buildcache.Plan, keys, before []buildcache.Key) int {
	t.Helper()
	var seen buildcache.Seen
	seen.Add(before)
	n := 0
	for i, p := range buildcache.Predict(keys, &seen) {
		if plan.Steps[i].OnBuild {
			continue
		}
		if n >= len(m.Steps) || m.Steps[n].State != p.State || m.Steps[n].Lines != plan.Steps[i].Lines {
			t.Errorf("%s at %.10s: the analysis has another plan: %v; line %d is %v", m.Dockerfile, m.Commit, m.Steps, plan.Steps[i].Lines.First, p)
			return 0
		}
		n++
	}
	return n
}

// compareWithProgram asks hitrate plan.
func compareWithProgram(t *testing.T, binary string, h *History, m *Moment) int {
	t.Helper()
	args := []string{"plan", "--base", m.Before, "--head", m.Commit, "--file", m.Dockerfile, "--format", "json"}
	for _, name := range sortedKeys(m.Args) {
		args = append(args, "--build-arg", name+"="+m.Args[name])
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), binary, append(args, h.Dir)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var got struct{ Steps []analysis.Step }
	if err := json.Unmarshal(out, &got); err != nil {
		t.Errorf("%v: %v\n%s", cmd.Args, err, stderr.Bytes())
		return 0
	}
	if len(got.Steps) != len(m.Steps) {
		t.Errorf("%v: %d steps, not %d", cmd.Args, len(got.Steps), len(m.Steps))
		return 0
	}
	for i, s := range got.Steps {
		if s.State != m.Steps[i].State || s.Stage != m.Steps[i].Stage || s.Index != m.Steps[i].Index || s.Cause != m.Steps[i].Cause {
			t.Errorf("%v: step %d is %v, not %v", cmd.Args, i, s, m.Steps[i])
			return 0
		}
	}
	return len(got.Steps)
}
