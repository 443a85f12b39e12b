package analysis_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/checkout"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// TestCorpus makes every suggestion for every Dockerfile of real repositories, alone and in the
// subsets that the law asks for, and holds the result against the original: it compiles to the same
// image configuration, BuildKit warns of nothing new, the findings that were to be settled are gone,
// and nothing else is found. HITRATE_CORPUS names a directory of work trees; "make corpus" runs it and
// prints the table.
func TestCorpus(t *testing.T) {
	dir := os.Getenv("HITRATE_CORPUS")
	if dir == "" {
		t.Skip("HITRATE_CORPUS names no directory of work trees")
	}
	trees, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	trees = slices.DeleteFunc(trees, func(e fs.DirEntry) bool { return !e.IsDir() })
	began := time.Now()
	c := corpus{rules: map[string]*tally{}}
	for _, tree := range trees {
		t.Run(tree.Name(), func(t *testing.T) { c.repository(t, filepath.Join(dir, tree.Name())) })
	}
	if c.suggestions == 0 {
		t.Errorf("no suggestion for any Dockerfile below %s", dir)
	}
	t.Logf("%d repositories in %s\n%s", len(trees), time.Since(began).Round(time.Second), c.table())
}

// corpus counts over all repositories.
type corpus struct {
	files       int
	suggestions int
	subsets     int
	broken      int
	counted     int // Dockerfiles with a history
	before      int // RUNs executed over it
	after       int // the same with all suggestions
	rules       map[string]*tally
}

// tally is what came of one rule's findings.
type tally struct {
	findings, suggested int
	before, after       int // RUNs executed over the histories, without and with each suggestion alone
	withheld            map[string]int
}

func (c *corpus) repository(t *testing.T, dir string) {
	co, err := checkout.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = co.Close() }()
	tree, err := co.WorkTree(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := &realTree{t: t, co: co, tree: tree}
	report := r.analyse(analysis.Request{})
	c.count(report)
	for _, d := range report.Dockerfiles {
		r.dockerfile(c, report, d)
	}
}

// count adds a report to the totals.
func (c *corpus) count(report analysis.Report) {
	c.files += len(report.Dockerfiles)
	for _, f := range report.Findings {
		of := c.rules[f.Rule]
		if of == nil {
			of = &tally{withheld: map[string]int{}}
			c.rules[f.Rule] = of
		}
		of.findings++
		switch {
		case f.Suggestion >= 0:
			of.suggested++
		case f.Withheld != "":
			of.withheld[f.Withheld]++
		}
	}
}

// table is the totals, as Markdown.
func (c *corpus) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d Dockerfiles, %d suggestions, %d subsets tried, %d broken\n", c.files, c.suggestions, c.subsets, c.broken)
	fmt.Fprintf(&b, "%d Dockerfiles counted over up to %d commits: %d RUNs executed, %d with all suggestions\n", c.counted, corpusCommits, c.before, c.after)
	fmt.Fprintf(&b, "| rule | findings | with a suggestion | share | RUNs executed | with each suggestion alone |\n|---|---:|---:|---:|---:|---:|\n")
	for _, rule := range slices.Sorted(maps.Keys(c.rules)) {
		of := c.rules[rule]
		fmt.Fprintf(&b, "| %s | %d | %d | %.0f %% | %d | %d |\n", rule, of.findings, of.suggested, 100*float64(of.suggested)/float64(of.findings), of.before, of.after)
	}
	fmt.Fprintf(&b, "| rule | withheld because | findings |\n|---|---|---:|\n")
	for _, rule := range slices.Sorted(maps.Keys(c.rules)) {
		reasons := c.rules[rule].withheld
		for _, reason := range slices.SortedFunc(maps.Keys(reasons), func(x, y string) int { return cmp.Or(reasons[y]-reasons[x], cmp.Compare(x, y)) }) {
			fmt.Fprintf(&b, "| %s | %s | %d |\n", rule, reason, reasons[reason])
		}
	}
	return b.String()
}

// realTree is one work tree.
type realTree struct {
	t    *testing.T
	co   *checkout.Checkout
	tree []buildcontext.Entry
	past [][]buildcontext.Entry // of the last commits, oldest first
}

// analyse runs the request over the tree with some files replaced.
func (r *realTree) analyse(req analysis.Request, edited ...buildcontext.Entry) analysis.Report {
	r.t.Helper()
	req.Config = config.Defaults()
	req.Tree = slices.Clone(r.tree)
	for i, e := range req.Tree {
		if n := slices.IndexFunc(edited, func(o buildcontext.Entry) bool { return o.Path == e.Path }); n >= 0 {
			req.Tree[i] = edited[n]
		}
	}
	run := func(ctx context.Context, req analysis.Request) (analysis.Report, error) {
		return analysis.Run(ctx, req), nil
	}
	report, err := analysis.Complete(r.t.Context(), run, req, r.co.Read)
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}

// text is a file of the work tree.
func (r *realTree) text(p string) []byte {
	r.t.Helper()
	n := slices.IndexFunc(r.tree, func(e buildcontext.Entry) bool { return e.Path == p })
	if n < 0 {
		r.t.Fatal(fs.ErrNotExist, p)
	}
	data, err := r.co.Read(r.t.Context(), r.tree[n])
	if err != nil {
		r.t.Fatal(err)
	}
	return data
}

// dockerfile tries the suggestions of one file.
func (r *realTree) dockerfile(c *corpus, report analysis.Report, d analysis.Dockerfile) {
	var own []analysis.Suggestion
	for _, s := range report.Suggestions {
		// An ignore file may serve several Dockerfiles: it is tried with the first of them.
		if report.Findings[s.Findings[0]].Dockerfile == d.Path {
			own = append(own, s)
		}
	}
	if len(own) == 0 {
		return
	}
	plans := r.compile(d, r.text(d.Path))
	r.reruns(c, report, d, own, plans[0])
	for _, set := range subsetsOf(len(own)) {
		chosen := make([]analysis.Suggestion, 0, len(set))
		for _, i := range set {
			chosen = append(chosen, own[i])
		}
		c.subsets++
		if faults := r.try(report, d, plans, chosen); len(faults) > 0 {
			c.broken++
			r.t.Errorf("%s with suggestions %v: %s", d.Path, set, strings.Join(faults, "; "))
		}
	}
	c.suggestions += len(own)
}

// reruns counts over the repository's history, with each suggestion alone and with all: no RUN may be
// executed more often than before.
func (r *realTree) reruns(c *corpus, report analysis.Report, d analysis.Dockerfile, own []analysis.Suggestion, plan *buildcache.Plan) {
	if plan == nil || len(r.history(filepath.Base(r.co.Dir))) == 0 {
		return
	}
	sets := [][]analysis.Suggestion{own}
	for _, s := range own {
		sets = append(sets, []analysis.Suggestion{s})
	}
	for n, chosen := range sets {
		edited := r.compile(d, []byte(apply(d.Path, string(r.text(d.Path)), chosen)))[0]
		if edited == nil {
			continue // told by compare
		}
		was, now := r.count(d, plan, edited)
		if now.certain > was.certain || now.possible > was.possible {
			c.broken++
			r.t.Errorf("%s: %+v of its RUNs over the history, and %+v with suggestions %v", d.Path, was, now, chosen)
		}
		if n == 0 {
			c.counted++
			c.before += was.possible
			c.after += now.possible
			continue
		}
		for _, f := range chosen[0].Findings {
			of := c.rules[report.Findings[f].Rule]
			of.before += was.possible
			of.after += now.possible
		}
	}
}

// subsetsOf are the sets that are tried: of up to six every one, of more every single one, every pair
// and all.
func subsetsOf(n int) [][]int {
	var out [][]int
	if n <= 6 {
		for bits := 1; bits < 1<<n; bits++ {
			var set []int
			for i := range n {
				if bits&(1<<i) != 0 {
					set = append(set, i)
				}
			}
			out = append(out, set)
		}
		return out
	}
	var all []int
	for i := range n {
		all = append(all, i)
		out = append(out, []int{i})
		for j := range i {
			out = append(out, []int{j, i})
		}
	}
	return append(out, all)
}

// try makes some suggestions and says what is wrong with the result.
func (r *realTree) try(report analysis.Report, d analysis.Dockerfile, plans []*buildcache.Plan, chosen []analysis.Suggestion) []string {
	after := map[string][]byte{d.Path: r.text(d.Path)}
	for _, s := range chosen {
		after[s.Path] = []byte(apply(s.Path, string(r.text(s.Path)), chosen))
	}
	faults := r.compare(d, plans, after[d.Path])
	settled := map[string]int{} // by identity: what should be there afterwards
	for i, f := range report.Findings {
		if f.Dockerfile == d.Path && !slices.ContainsFunc(chosen, func(s analysis.Suggestion) bool { return slices.Contains(s.Findings, i) }) {
			settled[identity(f)]++
		}
	}
	blobs := map[string][]byte{}
	var edited []buildcontext.Entry
	for p, text := range after {
		object := "edited " + p
		blobs[object] = text
		edited = append(edited, buildcontext.Entry{Path: p, Mode: buildcontext.ModeFile, Object: object, Size: int64(len(text))})
	}
	again := r.analyse(analysis.Request{Dockerfiles: []string{d.Path}, WithoutFixes: true, Blobs: blobs}, edited...)
	for _, p := range append(again.Errors, again.Skipped...) {
		if p.Path == d.Path {
			faults = append(faults, "not analysed any more: "+p.Message)
		}
	}
	for _, f := range again.Findings {
		settled[identity(f)]--
	}
	for _, id := range slices.Sorted(maps.Keys(settled)) {
		// A file that several Dockerfiles install is spoken of once, with the first of them. What two
		// suggestions settle together, as mounts on all that fills a cache which is removed later, neither
		// of them may settle alone.
		if n := settled[id]; n > 0 && len(chosen) == 1 || n < 0 && !slices.ContainsFunc(report.Findings, func(f analysis.Finding) bool { return identity(f) == id && f.Dockerfile != d.Path }) {
			faults = append(faults, fmt.Sprintf("%+d of finding %s", -n, id))
		}
	}
	return faults
}

// compile is the file under each of its builds; nil for one that does not compile.
func (r *realTree) compile(d analysis.Dockerfile, text []byte) []*buildcache.Plan {
	file, err := dockerfile.Parse(source.New(d.Path, text))
	if err != nil {
		return make([]*buildcache.Plan, len(d.Builds))
	}
	plans := make([]*buildcache.Plan, 0, len(d.Builds))
	for _, b := range d.Builds {
		plan, err := buildcache.Compile(r.t.Context(), buildcache.Inputs{File: file, Target: b.Target, Args: b.Args, AllStages: true})
		if err != nil {
			plan = nil
		}
		plans = append(plans, plan)
	}
	return plans
}

// compare holds the edited file against the original under each build.
func (r *realTree) compare(d analysis.Dockerfile, plans []*buildcache.Plan, after []byte) (faults []string) {
	for i, now := range r.compile(d, after) {
		was := plans[i]
		switch {
		case was == nil:
		case now == nil:
			faults = append(faults, "does not compile")
		case !bytes.Equal(was.Image, now.Image):
			faults = append(faults, "the image's configuration differs")
		default:
			warned := map[string]int{}
			for _, w := range was.Warnings {
				warned[w.Rule+w.Message]++
			}
			for _, w := range now.Warnings {
				if warned[w.Rule+w.Message]--; warned[w.Rule+w.Message] < 0 {
					faults = append(faults, "BuildKit warns: "+w.Message)
				}
			}
		}
	}
	return faults
}
