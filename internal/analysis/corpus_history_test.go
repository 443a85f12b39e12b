package analysis_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// corpusCommits is how many commits of a branch TestCorpus counts over, newest first.
const corpusCommits = 100

// history reads the trees of the repository's last commits along first parents, oldest first: from the
// git directory below HITRATE_CORPUS_GIT with the name of the work tree. None where there is none.
func (r *realTree) history(name string) [][]buildcontext.Entry {
	r.t.Helper()
	if r.past != nil || os.Getenv("HITRATE_CORPUS_GIT") == "" {
		return r.past
	}
	dir := filepath.Join(os.Getenv("HITRATE_CORPUS_GIT"), name, "repo")
	if _, err := os.Stat(filepath.Join(dir, ".git")); err == nil {
		dir = filepath.Join(dir, ".git")
	}
	git := func(args ...string) []byte {
		cmd := exec.CommandContext(r.t.Context(), "git", append([]string{"--git-dir=" + dir}, args...)...)
		out, err := cmd.Output()
		if err != nil {
			r.t.Fatalf("git %s in %s: %v", strings.Join(args, " "), dir, err)
		}
		return out
	}
	commits := strings.Fields(string(git("rev-list", "--first-parent", fmt.Sprint("--max-count=", corpusCommits), "HEAD")))
	for _, commit := range slices.Backward(commits) {
		var tree []buildcontext.Entry
		for line := range bytes.SplitSeq(git("ls-tree", "-r", "-z", "--full-tree", commit), []byte{0}) {
			meta, p, ok := strings.Cut(string(line), "\t")
			if fields := strings.Fields(meta); ok && len(fields) == 3 {
				tree = append(tree, buildcontext.Entry{Path: p, Mode: fields[0], Object: fields[2]})
			}
		}
		r.past = append(r.past, tree)
	}
	return r.past
}

// reruns is how many RUN steps the builds of some commits would have executed, with this Dockerfile and
// ignore file and a cache that is kept: certainly, and with those that hang on something unknown.
type reruns struct{ certain, possible int }

// count builds each tree of the past in turn under the file's primary build, with the Dockerfile as it
// is and as it would be. Trees that lack what a COPY of either names are left out.
func (r *realTree) count(d analysis.Dockerfile, was, now *buildcache.Plan) (before, after reruns) {
	var seenBefore, seenAfter buildcache.Seen
	build := d.Builds[0]
	head := append([]string{d.Path}, buildcontext.IgnoreCandidates(build)...)
	for _, tree := range r.past {
		entries := slices.DeleteFunc(slices.Clone(tree), func(e buildcontext.Entry) bool { return slices.Contains(head, e.Path) })
		for _, e := range r.tree {
			if slices.Contains(head, e.Path) {
				entries = append(entries, e)
			}
		}
		context, err := buildcontext.Open(buildcontext.NewTree(entries), build, func(p string) ([]byte, error) { return r.text(p), nil })
		if err != nil {
			continue
		}
		old, err := was.Keys(context)
		if err != nil {
			continue
		}
		keys, err := now.Keys(context)
		if err != nil {
			continue
		}
		before.add(was, old, &seenBefore)
		after.add(now, keys, &seenAfter)
	}
	return before, after
}

// add counts one build, after which the cache has seen it.
func (n *reruns) add(plan *buildcache.Plan, keys []buildcache.Key, seen *buildcache.Seen) {
	for i, p := range buildcache.Predict(keys, seen) {
		if !strings.HasPrefix(strings.ToUpper(plan.Steps[i].Instruction), "RUN") {
			continue
		}
		switch p.State {
		case buildcache.Rebuilt:
			n.certain++
			n.possible++
		case buildcache.Maybe:
			n.possible++
		}
	}
	seen.Add(keys)
}
