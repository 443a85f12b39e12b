package review_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/review"
	"github.com/hitrate-bot/hitrate/internal/review/reviewtest"
)

// TestAnySubset is an author who commits some of the suggestions of one review and pushes: each alone, each
// two, all but one, all; without answers to our comments and, but for each two, with one to each. The next
// look says nothing new; what was accepted is settled once, and what is left is what a review of a new pull
// request in that state would offer, on the same lines, so that it can be committed next; after that nothing
// is left of any of them.
func TestAnySubset(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/whole/many.txtar")
	if err != nil {
		t.Fatal(err)
	}
	base, head := files(archive, "base"), files(archive, "head")
	bot := reviewer(remembered(func(ctx context.Context, req analysis.Request) (analysis.Report, error) {
		return analysis.Run(ctx, req), nil
	}))
	look := func(t *testing.T, host *reviewtest.Host) {
		t.Helper()
		if _, err := bot.Review(t.Context(), host, host.Ref()); err != nil {
			t.Fatal(err)
		}
	}
	open := func(t *testing.T, head reviewtest.Files) *reviewtest.Host {
		t.Helper()
		host := reviewtest.New(base, head)
		// The base branch goes on, with all that the build needs: its commits are counted.
		past := maps.Clone(head)
		delete(past, "Dockerfile")
		delete(past, ".dockerignore")
		for n := range 5 {
			past["web/index.html"], past["app.py"] = fmt.Sprint(n, "\n"), fmt.Sprint("x = ", n/3, "\n")
			host.PushBase(past)
		}
		look(t, host)
		return host
	}
	first := open(t, head)
	n := len(first.Suggestions())
	if !strings.Contains(first.Show(), "Of the 4 among the last 5 commits on `main` that can be built") {
		t.Fatalf("nothing was counted:\n%s", first.Show())
	}
	if rules := linked(first.Show()); n < 6 || len(rules) < 8 {
		t.Fatalf("%d suggestions and %d rules do not try much: %v", n, len(rules), rules)
	}
	everything := applyAll(t, open(t, head))

	for _, set := range someSubsets(n) {
		for _, answered := range []bool{false, true} {
			if answered && len(set) == 2 {
				continue // answers change nothing between suggestions
			}
			t.Run(fmt.Sprintf("%v answered %v", set, answered), func(t *testing.T) {
				host := open(t, head)
				before := commentsOf(host)
				ids := host.Suggestions()
				var accepted, left []int64
				for i, id := range ids {
					if slices.Contains(set, i) {
						accepted = append(accepted, id)
					} else {
						left = append(left, id)
					}
					if answered {
						host.Reply(id, "Thanks!")
					}
				}
				if err := host.Accept(accepted...); err != nil {
					t.Fatal(err)
				}
				look(t, host)
				shown := host.Show()
				if host.ReviewCount() != 1 {
					t.Fatalf("said anew:\n%s", shown)
				}
				fresh := open(t, host.Head())
				if diff := cmp.Diff(offers(fresh), offers(host)); diff != "" {
					t.Errorf("offered (-a new review +this one):\n%s", diff)
				}
				if diff := cmp.Diff(linked(withoutRun(fresh.Show())), linked(withoutRun(shown))); diff != "" {
					t.Errorf("rules of what is open (-a new review +this one):\n%s", diff)
				}
				run, _ := host.LastCheck()
				want, _ := fresh.LastCheck()
				if diff := cmp.Diff(unmoved(want.Title+"\n"+want.Summary), unmoved(run.Title+"\n"+run.Summary)); diff != "" || run.Conclusion != want.Conclusion {
					t.Errorf("check run %s, want %s (-a new pull request's +this one):\n%s", run.Conclusion, want.Conclusion, diff)
				}
				if got := strings.Count(shown, " (The next build runs "); got != len(accepted) {
					t.Errorf("the body says of %d suggestions that they were accepted, want %d:\n%s", got, len(accepted), shown)
				}
				after := commentsOf(host)
				for _, id := range accepted {
					switch {
					case !answered && after[id] != "":
						t.Errorf("a settled comment stands:\n%s", after[id])
					case answered && !strings.HasPrefix(after[id], "**Settled.** ~~"):
						t.Errorf("a settled comment with an answer says\n%s", after[id])
					}
				}
				for _, id := range left {
					if unmoved(after[id]) != unmoved(before[id]) {
						t.Errorf("a comment that is open reads otherwise (-before +after):\n%s", cmp.Diff(before[id], after[id]))
					}
				}
				for _, line := range duplicates(shown) {
					t.Errorf("said twice: %s", line)
				}
				// The same head again, as a redelivery: nothing changes.
				look(t, host)
				if diff := cmp.Diff(shown, host.Show()); diff != "" {
					t.Errorf("another look changes it (-want +got):\n%s", diff)
				}
				// The author takes the rest.
				if len(left) > 0 {
					if err := host.Accept(host.Suggestions()...); err != nil {
						t.Fatal(err)
					}
					look(t, host)
				}
				if diff := cmp.Diff(everything.Head(), host.Head()); diff != "" {
					t.Errorf("the files, after all were accepted in two steps (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(linked(withoutRun(everything.Show())), linked(withoutRun(host.Show()))); diff != "" || len(offers(host)) > 0 || host.ReviewCount() != 1 {
					t.Errorf("after all were accepted:\n%s%s", diff, host.Show())
				}
			})
		}
	}
}

// GitHub refuses the comment on the ignore file for a reason that the diff does not show: words and edit stand
// in the body, and the other comments where they belong.
func TestRefusedCommentOnTheIgnoreFile(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/whole/ignore-file-suggestion.txtar")
	if err != nil {
		t.Fatal(err)
	}
	host := reviewtest.New(files(archive, "base"), files(archive, "head"))
	host.Refuse = func(c review.Comment) bool { return c.Path == ".dockerignore" }
	bot := reviewer(func(ctx context.Context, req analysis.Request) (analysis.Report, error) {
		return analysis.Run(ctx, req), nil
	})
	for range 2 {
		if _, err := bot.Review(t.Context(), host, host.Ref()); err != nil {
			t.Fatal(err)
		}
	}
	shown := host.Show()
	if host.ReviewCount() != 1 || len(commentsOf(host)) > 0 || strings.Count(shown, "+.git") != 1 || !strings.Contains(shown, "**`.git` goes along with `COPY . .`** ([Dockerfile, line 3]") {
		t.Errorf("%d reviews:\n%s", host.ReviewCount(), shown)
	}
}

// applyAll accepts everything at once; only what has no suggestion is left to say.
func applyAll(t *testing.T, host *reviewtest.Host) *reviewtest.Host {
	t.Helper()
	with := map[string]bool{}
	all := commentsOf(host)
	for _, id := range host.Suggestions() {
		for _, rule := range linked(all[id]) {
			with[rule] = true
		}
	}
	if err := host.Accept(host.Suggestions()...); err != nil {
		t.Fatal(err)
	}
	bot := reviewer(func(ctx context.Context, req analysis.Request) (analysis.Report, error) {
		return analysis.Run(ctx, req), nil
	})
	if _, err := bot.Review(t.Context(), host, host.Ref()); err != nil {
		t.Fatal(err)
	}
	for _, rule := range linked(withoutRun(host.Show())) {
		if with[rule] {
			t.Errorf("%s is still said after its suggestion was accepted:\n%s", rule, host.Show())
		}
	}
	return host
}

// someSubsets are each alone, each two, all but one, and all.
func someSubsets(n int) [][]int {
	var all []int
	for i := range n {
		all = append(all, i)
	}
	sets := [][]int{all}
	for i := range n {
		sets = append(sets, []int{i}, slices.DeleteFunc(slices.Clone(all), func(j int) bool { return i == j }))
		for j := range i {
			sets = append(sets, []int{j, i})
		}
	}
	return sets
}

// remembered asks once for equal requests.
func remembered(f analysis.Func) analysis.Func {
	known := map[[32]byte]analysis.Report{}
	return func(ctx context.Context, req analysis.Request) (analysis.Report, error) {
		text, err := json.Marshal(req)
		if err != nil {
			return analysis.Report{}, err
		}
		key := sha256.Sum256(text)
		if report, ok := known[key]; ok {
			return report, nil
		}
		report, err := f(ctx, req)
		if err == nil {
			known[key] = report
		}
		return report, err
	}
}

// commentsOf are our comments by their ids, without marks.
func commentsOf(host *reviewtest.Host) map[int64]string {
	posted, err := host.Comments(context.Background())
	if err != nil {
		panic(err)
	}
	all := map[int64]string{}
	for _, c := range posted {
		if c.Author == host.Bot {
			all[c.ID], _, _ = strings.Cut(c.Body, "\n\n<!-- hitrate:")
		}
	}
	return all
}

// offers are the suggestions that can be committed, with their places.
func offers(host *reviewtest.Host) []string {
	posted, _ := host.Comments(context.Background())
	var all []string
	for _, id := range host.Suggestions() {
		at := slices.IndexFunc(posted, func(c review.Posted) bool { return c.ID == id })
		_, block, _ := strings.Cut(posted[at].Body, "```suggestion\n")
		block, _, _ = strings.Cut(block, "```")
		all = append(all, fmt.Sprintf("%s:%d\n%s", posted[at].Path, posted[at].Line, block))
	}
	slices.Sort(all)
	return all
}

var rulePage = regexp.MustCompile(`\]\(https://docs\.example/rules/([a-z-]+)\.md\)`)

// linked are the rules whose pages a text links, each once.
func linked(text string) []string {
	var all []string
	for _, m := range rulePage.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// withoutRun is what is shown without the check run.
func withoutRun(shown string) string {
	text, _, _ := strings.Cut(shown, "## Check run")
	return text
}

var moving = regexp.MustCompile(`\blines? \d+(–\d+)?|#L\d+(-L\d+)?|/blob/[0-9a-f]{40}/`)

// unmoved is a text without its line numbers and commits, which change with every push.
func unmoved(text string) string { return moving.ReplaceAllString(text, "…") }

// duplicates are the opening sentences that stand in what is shown more than once, the body's opening of
// what a comment says left out.
func duplicates(shown string) []string {
	seen := map[string]bool{}
	var twice []string
	for line := range strings.Lines(withoutRun(shown)) {
		if !strings.HasPrefix(line, "**") {
			continue
		}
		sentence, _, _ := strings.Cut(strings.TrimPrefix(line, "**"), "**")
		if seen[sentence] && sentence != "Settled." {
			twice = append(twice, sentence)
		}
		seen[sentence] = true
	}
	return twice
}
