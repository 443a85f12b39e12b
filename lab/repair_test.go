package lab

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/checkout"
	"github.com/hitrate-bot/hitrate/internal/rules"
)

// TestRepairs builds Dockerfiles as they are and with hitrate's suggestions, on base images whose
// package managers leave what real ones leave, and compares the images path by path, owner, mode and
// contents, except for what the suggestion says it changes. Then one source file changes and both are
// built again: each step does what was predicted, and with a suggestion of copy-before-install fewer
// of the commands run than without.
//
// The repositories are testdata/*.txtar, one for a kind of suggestion. HITRATE_LAB_TREES names a
// directory of work trees that are tried too, HITRATE_LAB_RULE narrows it all to a rule.
func TestRepairs(t *testing.T) {
	needDaemon(t)
	all := newRepairTally()
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, archive := range archives {
		name := strings.TrimSuffix(filepath.Base(archive), ".txtar")
		t.Run(name, func(t *testing.T) {
			parsed, err := txtar.ParseFile(archive)
			if err != nil {
				t.Fatal(err)
			}
			tree := Tree{}
			for _, f := range parsed.Files {
				tree[f.Name] = File{Data: string(f.Data)}
			}
			tried := newRepairTally()
			tryRepairs(t, tree, &tried)
			rule, _, _ := strings.Cut(name, "_") // the archive is named for the rule, and perhaps the case
			if only := os.Getenv("HITRATE_LAB_RULE"); only != "" && only != rule {
				return
			}
			if tried.unbuildable > 0 || tried.rules[rule] == 0 {
				t.Errorf("%d suggestions of %s were tried, and %d could not be", tried.rules[rule], rule, tried.unbuildable)
			}
			all.merge(tried)
		})
	}
	if dir := os.Getenv("HITRATE_LAB_TREES"); dir != "" {
		trees, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(trees) == 0 {
			t.Fatalf("no work trees in %s: %v", dir, err)
		}
		for _, at := range trees {
			if info, err := os.Stat(at); err != nil || !info.IsDir() {
				continue
			}
			t.Run(filepath.Base(at), func(t *testing.T) {
				one := newRepairTally()
				tryRepairs(t, readTree(t, at), &one)
				t.Log(one)
				all.merge(one)
			})
		}
	}
	t.Log(all)
}

// repairTally counts, for each rule, the Dockerfiles with its suggestion made.
type repairTally struct {
	rules       map[string]int
	files       map[string][]string // the Dockerfiles among them, each once
	tried       int
	unbuildable int // the original fails on these base images
	different   int
	steps       int // predicted after a source file changed, all right unless the test failed
}

func newRepairTally() repairTally {
	return repairTally{rules: map[string]int{}, files: map[string][]string{}}
}

func (t *repairTally) merge(o repairTally) {
	for rule, n := range o.rules {
		t.rules[rule] += n
	}
	for rule, files := range o.files {
		t.files[rule] = append(t.files[rule], files...)
	}
	t.tried += o.tried
	t.unbuildable += o.unbuildable
	t.different += o.different
	t.steps += o.steps
}

func (t repairTally) String() string {
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "%d repaired Dockerfiles, %d of them with another image, %d steps after a change; %d more whose original does not build here", t.tried, t.different, t.steps, t.unbuildable)
	for _, rule := range sortedKeys(t.rules) {
		_, _ = fmt.Fprintf(&b, "\n| %s | %d |", rule, t.rules[rule])
		if files := t.files[rule]; len(files) > 0 {
			_, _ = fmt.Fprintf(&b, " %d Dockerfiles: %s |", len(files), strings.Join(files, ", "))
		}
	}
	return b.String()
}

// readTree reads the files of a work tree that git tracks, or all without git.
func readTree(t *testing.T, dir string) Tree {
	t.Helper()
	co, err := checkout.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = co.Close() }()
	entries, err := co.WorkTree(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	tree := Tree{}
	for _, e := range entries {
		f := File{Link: e.Link, Exec: e.Mode == buildcontext.ModeExecutable}
		if e.Mode == buildcontext.ModeSubmodule {
			continue
		}
		if f.Link == "" {
			data, err := os.ReadFile(filepath.Join(co.Dir, e.Path))
			if err != nil {
				t.Fatal(err)
			}
			f.Data = string(data)
		}
		tree[e.Path] = f
	}
	return tree
}

func tryRepairs(t *testing.T, tree Tree, all *repairTally) {
	t.Helper()
	repairs, err := Repairs(t.Context(), tree, settingsOf(t, tree))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range repairs {
		if wanted(r) {
			tryRepair(t, r, all)
		}
	}
}

// settingsOf are those of a tree, read from the file that it may have.
func settingsOf(t *testing.T, tree Tree) config.Repository {
	t.Helper()
	own, found := tree[config.RepositoryPath]
	if !found {
		return config.Defaults()
	}
	layer, err := config.Parse(config.RepositoryPath, []byte(own.Data), rules.Schemas())
	if err != nil {
		t.Fatal(err)
	}
	return config.Effective(layer)
}

// wanted says whether HITRATE_LAB_RULE lets a repair through.
func wanted(r Repair) bool {
	only := os.Getenv("HITRATE_LAB_RULE")
	return only == "" || slices.Contains(r.Rules, only)
}

func tryRepair(t *testing.T, r Repair, all *repairTally) {
	t.Helper()
	ctx := t.Context()
	err := r.dress(ctx, images, tools(t), web(t))
	if err == nil {
		err = daemon.Empty(ctx)
	}
	var before *Result
	if err == nil {
		before, err = r.Before.Result(ctx, daemon, images)
	}
	if err != nil {
		all.unbuildable++
		t.Logf("%s: the original: %v", r, err)
		return
	}
	for _, rule := range r.Rules {
		if file := strings.TrimPrefix(t.Name(), "TestRepairs/") + ": " + r.Before.Build.Dockerfile; !slices.Contains(all.files[rule], file) {
			all.files[rule] = append(all.files[rule], file)
		}
	}
	if compareRepair(t, daemon, r, before, all) {
		changeSource(t, daemon, r, 1, all)
	}
}

// compareRepair builds what was suggested beside an original that is built already; false where it does not
// build.
func compareRepair(t *testing.T, d *Daemon, r Repair, before *Result, all *repairTally) bool {
	t.Helper()
	ctx := t.Context()
	all.tried++
	for _, rule := range r.Rules {
		all.rules[rule]++
	}
	after, err := r.After.Result(ctx, d, images)
	if err != nil {
		all.different++
		t.Errorf("%s: the original builds, and this does not: %v\n%s", r, err, r.texts())
		return false
	}
	if differences := before.Differences(after, mayDiffer(r.Rules), r.edited()); len(differences) > 0 {
		all.different++
		t.Errorf("%s: another image:\n  %s\n%s", r, strings.Join(differences, "\n  "), r.texts())
	}
	return true
}

// changeSource changes one file that is copied and that no install reads, builds both sides again and
// compares what each step does with the prediction. With a suggestion of copy-before-install fewer commands run
// than without, at least by the gain.
func changeSource(t *testing.T, d *Daemon, r Repair, gain int, all *repairTally) {
	t.Helper()
	ctx := t.Context()
	seen := built(t, r)
	changed := changedSource(ctx, r, seen)
	if changed == "" {
		return // nothing that is copied is left
	}
	ran := buildChanged(t, d, r, seen, all, "of "+changed, func(s Side) Side { return s.with(changed, s.Tree[changed].Data+"\n") })
	if ran != nil && slices.Contains(r.Rules, "copy-before-install") && ran[true] > ran[false]-gain {
		t.Errorf("%s: after a change of %s %d commands run, and %d without the suggestion\n%s", r, changed, ran[true], ran[false], r.texts())
	}
}

// built is what both sides leave in a cache.
func built(t *testing.T, r Repair) *buildcache.Seen {
	t.Helper()
	var seen buildcache.Seen
	for _, side := range []Side{r.Before, r.After} {
		_, keys, err := side.Keys(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", r, err)
		}
		seen.Add(keys)
	}
	return &seen
}

// buildChanged builds both sides with a change and compares what each step does with the prediction. It returns how
// many commands ran with the suggestion and without, or nil where a build failed.
func buildChanged(t *testing.T, d *Daemon, r Repair, seen *buildcache.Seen, all *repairTally, what string, change func(Side) Side) map[bool]int {
	t.Helper()
	ran := map[bool]int{}
	for _, repaired := range []bool{false, true} {
		side := r.Before
		if repaired {
			side = r.After
		}
		steps, err := After(t.Context(), d, images, change(side), seen)
		if err != nil {
			t.Errorf("%s: after a change %s: %v\n%s", r, what, err, r.texts())
			return nil
		}
		for _, s := range steps {
			all.steps++
			if s.Wrong() {
				t.Errorf("%s: after a change %s: %v\n%s", r, what, s, r.texts())
			}
			if strings.HasPrefix(strings.ToUpper(s.Instruction), "RUN") && s.Observed == buildcache.Rebuilt {
				ran[repaired]++
			}
		}
	}
	return ran
}

// changedSource is a file whose change runs a step of the repaired Dockerfile again that takes it: with a
// suggestion of copy-before-install one with which fewer commands run again, where there is such a file.
func changedSource(ctx context.Context, r Repair, seen *buildcache.Seen) string {
	const most = 200
	tried, first := 0, ""
	var beside, elsewhere []string
	for _, p := range sortedKeys(r.After.Tree) {
		if strings.HasPrefix(p, filepath.Dir(r.After.Build.Dockerfile)+"/") {
			beside = append(beside, p)
		} else {
			elsewhere = append(elsewhere, p)
		}
	}
	for _, p := range slices.Concat(beside, elsewhere) {
		f := r.After.Tree[p]
		if f.Link != "" || slices.Contains(r.Manifests, p) || !slices.Contains([]string{".py", ".js", ".ts", ".go", ".html", ".css"}, filepath.Ext(p)) {
			continue
		}
		if tried++; tried > most {
			break
		}
		some, with, err := rebuilt(ctx, r.After.with(p, f.Data+"\n"), seen)
		switch {
		case err != nil:
			return ""
		case !some:
			continue
		case !slices.Contains(r.Rules, "copy-before-install"):
			return p
		}
		if first == "" {
			first = p
		}
		if _, without, err := rebuilt(ctx, r.Before.with(p, f.Data+"\n"), seen); err == nil && with < without {
			return p
		}
	}
	return first
}

// rebuilt predicts whether a step runs again, and how many commands do.
func rebuilt(ctx context.Context, side Side, seen *buildcache.Seen) (some bool, commands int, _ error) {
	plan, keys, err := side.Keys(ctx)
	if err != nil {
		return false, 0, err
	}
	for i, o := range buildcache.Predict(keys, seen) {
		if o.State != buildcache.Rebuilt {
			continue
		}
		some = true
		if strings.HasPrefix(strings.ToUpper(plan.Steps[i].Instruction), "RUN") {
			commands++
		}
	}
	return some, commands, nil
}

// web is the address of a server that has something at every path.
func web(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprintf("%x", r.URL.Path)))
		_, _ = w.Write([]byte(r.URL.Path))
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

var toolsProgram []byte

func tools(t *testing.T) []byte {
	t.Helper()
	if toolsProgram == nil {
		toolsProgram = program(t, "./tools")
	}
	return toolsProgram
}

// program builds a static one.
func program(t *testing.T, pkg string) []byte {
	t.Helper()
	at := filepath.Join(t.TempDir(), "program")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", at, pkg)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
	data, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
