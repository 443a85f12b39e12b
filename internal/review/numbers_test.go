package review

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// manyStages is a plan with so many stages of so many steps, of which each was counted.
func manyStages(stages, steps int, instruction string) analysis.Plan {
	p := analysis.Plan{History: &analysis.Evidence{Branch: "main", Commits: 200}}
	for s := range stages {
		stage := analysis.Stage{Name: fmt.Sprintf("stage%d", s), State: buildcache.Maybe}
		if s > 0 {
			stage.From = []int{s - 1}
		}
		p.Stages = append(p.Stages, stage)
		for i := range steps {
			line := 1 + s*(steps+1) + i
			p.Steps = append(p.Steps, analysis.Step{
				Stage: stage.Name, Index: i, Lines: source.Lines{First: line, Last: line}, Instruction: instruction, State: buildcache.Maybe,
			})
			p.History.Steps = append(p.History.Steps, analysis.Count{Rerun: i})
		}
	}
	return p
}

// More stages than a person can follow are not drawn; one has no diagram either, nor has a build
// that was compared with nothing.
func TestDiagramIsBounded(t *testing.T) {
	for stages, drawn := range map[int]bool{1: false, 2: true, maxNodes: true, maxNodes + 1: false} {
		if got := diagram(manyStages(stages, 1, "RUN true")); (got != "") != drawn {
			t.Errorf("%d stages: %q", stages, got)
		}
	}
	for stages, direction := range map[int]string{maxAcross: "LR", maxAcross + 1: "TD"} {
		if got := diagram(manyStages(stages, 1, "RUN true")); !strings.Contains(got, "graph "+direction) {
			t.Errorf("a way of %d stages: %s", stages, got)
		}
	}
	unknown := manyStages(2, 1, "RUN true")
	unknown.Stages[1].State = ""
	if got := diagram(unknown); got != "" {
		t.Errorf("drawn without states: %s", got)
	}
}

// A body holds what GitHub takes, whatever a pull request brings, and says what it leaves out.
func TestTablesFitTheBody(t *testing.T) {
	long := "RUN " + strings.Repeat("|`@octocat` ", 200)
	var report analysis.Report
	var all []placed
	for n := range 40 {
		path := fmt.Sprintf("service-%d/Dockerfile", n)
		f := analysis.Dockerfile{Path: path}
		for build := range 4 {
			p := manyStages(2, 40+build, long)
			p.Build = buildcontext.Build{Target: fmt.Sprintf("target-%d", build), Origin: "compose.yml"}
			f.Plans = append(f.Plans, p)
		}
		report.Dockerfiles = append(report.Dockerfiles, f)
		all = append(all, placed{item: &item{findings: []*finding{{Finding: analysis.Finding{Path: path, Dockerfile: path, Suggestion: -1}}}}, in: inline})
	}
	d := decide(Situation{Head: report, Marks: NewMarks([]byte("secret"))})
	body := d.body(all, "head")
	if n := utf8.RuneCountInString(body); n > 65_536 {
		t.Errorf("%d characters", n)
	}
	for _, want := range []string{"Build steps of <code>service-0/Dockerfile</code> (target <code>target-0</code>, from <code>compose.yml</code>)", "And 20 more steps.", "does not fit here"} {
		if !strings.Contains(body, want) {
			t.Errorf("the body lacks %q", want)
		}
	}
	if n := strings.Count(body, "<details>"); n != strings.Count(body, "</details>") || n > maxTables {
		t.Errorf("%d folded parts begin, %d end", n, strings.Count(body, "</details>"))
	}
	for line := range strings.Lines(body) {
		if cells := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"); strings.HasPrefix(line, "| ") && cells != 6 {
			t.Errorf("a row of %d bars: %s", cells, line)
		}
	}
}

// A number is said where one was counted of the step that the words are about, and only there.
func TestNumbers(t *testing.T) {
	install := analysis.Step{Lines: source.Lines{First: 3, Last: 4}, Instruction: "RUN pip install .", Installs: "the pip install"}
	other := analysis.Step{Lines: source.Lines{First: 5, Last: 5}, Instruction: "RUN make"}
	plan := func(e *analysis.Evidence) analysis.Plan {
		return analysis.Plan{Steps: []analysis.Step{install, other}, History: e}
	}
	counts := func(list ...int) (out []analysis.Count) {
		for _, n := range list {
			out = append(out, analysis.Count{Rerun: n})
		}
		return out
	}
	for _, c := range []struct {
		name       string
		finding    analysis.Finding
		suggestion bool
		plan       analysis.Plan
		want       string
	}{
		{"no history", analysis.Finding{Lines: install.Lines, Weight: 1}, true, plan(nil), ""},
		{"one commit is no history", analysis.Finding{Lines: install.Lines, Weight: 1}, false,
			plan(&analysis.Evidence{Branch: "main", Commits: 1, Steps: counts(1, 1)}), ""},
		{"withheld", analysis.Finding{Lines: install.Lines, Weight: 1}, false,
			plan(&analysis.Evidence{Branch: "main", Commits: 9, Steps: counts(7, 9)}),
			"Of the last 9 commits on `main`, 7 would have re-run it with this Dockerfile."},
		{"nothing stands in the way", analysis.Finding{Lines: install.Lines}, false,
			plan(&analysis.Evidence{Branch: "main", Commits: 9, Steps: counts(7, 9)}), ""},
		{"saves the install", analysis.Finding{Lines: install.Lines}, true,
			plan(&analysis.Evidence{Branch: "main", Commits: 9, Steps: counts(9, 9), Alone: [][]analysis.Count{counts(0, 9)}}),
			"Of the last 9 commits on `main`, all 9 would have re-run it with this Dockerfile; with the edit, none."},
		{"saves another step", analysis.Finding{Lines: source.Lines{First: 1, Last: 1}}, true,
			plan(&analysis.Evidence{Branch: "main", Commits: 9, Steps: counts(9, 9), Alone: [][]analysis.Count{counts(9, 2)}}),
			"Of the last 9 commits on `main`, all 9 would have re-run line 5 with this Dockerfile; with the edit, 2."},
		{"saves an install that it does not name", analysis.Finding{Lines: source.Lines{First: 1, Last: 1}}, true,
			plan(&analysis.Evidence{Branch: "main", Commits: 9, Steps: counts(9, 9), Alone: [][]analysis.Count{counts(3, 2)}}),
			"Of the last 9 commits on `main`, all 9 would have re-run the pip install (lines 3–4) with this Dockerfile; with the edit, 3."},
		{"saves nothing", analysis.Finding{Lines: install.Lines}, true,
			plan(&analysis.Evidence{Branch: "main", Commits: 9, Steps: counts(9, 9), Alone: [][]analysis.Count{counts(9, 9)}}), ""},
		{"may save nothing", analysis.Finding{Lines: install.Lines}, true,
			plan(&analysis.Evidence{Branch: "main", Commits: 9, Steps: counts(9, 9), Alone: [][]analysis.Count{{{Rerun: 1, Maybe: 8}, {Rerun: 9}}}}), ""},
		{"could not be counted with it", analysis.Finding{Lines: install.Lines}, true,
			plan(&analysis.Evidence{Branch: "main", Commits: 9, Steps: counts(9, 9), Alone: [][]analysis.Count{nil}}), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.finding.Path, c.finding.Dockerfile = "Dockerfile", "Dockerfile"
			d := &decision{Situation: Situation{Head: analysis.Report{
				Dockerfiles: []analysis.Dockerfile{{Path: "Dockerfile", Plans: []analysis.Plan{c.plan}}},
				Suggestions: []analysis.Suggestion{{Path: "requirements.txt"}, {Path: "Dockerfile"}},
			}}}
			i := &item{findings: []*finding{{Finding: c.finding}}}
			if c.suggestion {
				i.suggestion = &d.Head.Suggestions[1]
			}
			if got := d.numbers(i, "the edit"); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// "Every commit" is said where all that were counted re-run the installs of a finding, or none was counted.
func TestEveryCommit(t *testing.T) {
	steps := []analysis.Step{
		{Lines: at(2, 2), Instruction: "COPY . /app"},
		{Lines: at(3, 4), Instruction: "RUN pip install .", Installs: "the pip install"},
		{Lines: at(5, 5), Instruction: "RUN npm ci", Installs: "the npm install"},
		{Lines: at(9, 9), Instruction: "RUN pip install x", Installs: "the pip install"},
	}
	const every = "Every commit re-runs the installs."
	for _, test := range []struct {
		name     string
		evidence *analysis.Evidence
		want     string
	}{
		{"no history", nil, every},
		{"one commit is no history", &analysis.Evidence{Commits: 1, Steps: make([]analysis.Count, 4)}, every},
		{"all", &analysis.Evidence{Commits: 20, Steps: []analysis.Count{{Rerun: 20}, {Rerun: 20}, {Rerun: 20}, {}}}, every},
		{"not all", &analysis.Evidence{Commits: 20, Steps: []analysis.Count{{Rerun: 20}, {Rerun: 19}, {Rerun: 19}, {}}}, "19 of the last 20 commits would have re-run the installs."},
		{"some left out", &analysis.Evidence{Commits: 20, LeftOut: 2, Steps: []analysis.Count{{Rerun: 20}, {Rerun: 19}, {Rerun: 19}, {}}}, "19 of 20 commits would have re-run the installs."},
		{"one of them more often", &analysis.Evidence{Commits: 20, Steps: []analysis.Count{{}, {Rerun: 17}, {Rerun: 20}, {}}}, "17 to 20 of the last 20 commits would have re-run the installs."},
		{"maybe", &analysis.Evidence{Commits: 20, Steps: []analysis.Count{{}, {Rerun: 19, Maybe: 1}, {Rerun: 20}, {}}}, "19 to 20 of the last 20 commits would have re-run the installs."},
		{"none", &analysis.Evidence{Commits: 20, Steps: make([]analysis.Count, 4)}, "None of the last 20 commits would have re-run the installs."},
	} {
		f := simple("copy-before-install", "Dockerfile", "pip", at(2, 2))
		f.Related = []analysis.Place{{Path: "Dockerfile", Lines: at(3, 4)}, {Path: "Dockerfile", Lines: at(5, 5)}}
		f.Title = rules.Text{{Words: rules.EveryCommit + "the installs."}}
		s := situation(f)
		s.Head.Dockerfiles[0].Plans = []analysis.Plan{{Steps: steps, History: test.evidence}}
		if got := decide(s).findings[0].Title.String(); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
		if s.Head.Findings[0].Title.String() != every {
			t.Errorf("%s: the report was written over", test.name)
		}
	}
}

// What git does not show is said below the table, since states and numbers hang on it; and .git itself, which
// no number counts.
func TestWhatIsNotSeen(t *testing.T) {
	install := simple("copy-before-install", "Dockerfile", "pip", at(3, 3))
	install.Weight = 7
	git := simple("dockerignore-misses-git", "Dockerfile", "ignore file", at(2, 2))
	s := situation(install, git)
	plan := analysis.Plan{
		Steps: []analysis.Step{
			{Lines: at(2, 2), Instruction: "COPY . /app", State: buildcache.Cached},
			{Lines: at(3, 3), Instruction: "RUN pip install .", Installs: "the pip install", State: buildcache.Cached},
		},
		History: &analysis.Evidence{Branch: "main", Commits: 9, Steps: []analysis.Count{{Rerun: 4}, {Rerun: 4}}},
		Caveats: []analysis.Caveat{
			{Text: "git has a pointer of *.bin", Paths: []string{"a", "b", "@c", "d"}, More: 2}, {Text: "one"}, {Text: "two"}, {Text: "three"},
		},
	}
	s.Head.Dockerfiles[0].Plans = []analysis.Plan{plan}
	summary := Decide(s).Check.Summary
	for _, want := range []string{
		"Of the last 9 commits on `main`, 4 would have re-run it with this Dockerfile if `.git` were left out.",
		"`.git` is not counted: while it goes along, every commit runs line 2 and the steps below it.",
		"What git does not show: git has a pointer of \\*.bin: `a`, `b`, `@\u200bc`, 3 more; one; two; and 1 more.",
	} {
		if !strings.Contains(summary, want) {
			t.Errorf("the summary lacks %q:\n%s", want, summary)
		}
	}
	s.Head.Findings = s.Head.Findings[:1]
	s.Head.Dockerfiles[0].Plans[0].Caveats = nil
	if summary := Decide(s).Check.Summary; strings.Contains(summary, ".git") || strings.Contains(summary, "does not show") {
		t.Errorf("nothing is hidden:\n%s", summary)
	}
}

// One suggestion for several findings is said in the words of the one that reads best.
func TestWhoLeads(t *testing.T) {
	registered := map[string]bool{}
	for _, r := range rules.All() {
		registered[r.ID] = true
	}
	for _, id := range leads {
		if !registered[id] {
			t.Errorf("%s is no rule", id)
		}
	}
	finding := func(rule, severity string, line int) analysis.Finding {
		f := simple(rule, "Dockerfile", rule, at(line, line))
		f.Severity, f.Suggestion = severity, 0
		return f
	}
	const all, line = "warning", 2
	for _, test := range []struct {
		name     string
		findings []analysis.Finding
		want     string
	}{
		{"the order of the rules", []analysis.Finding{finding("apt-lists-kept", all, line), finding("apt-update-alone", all, line)}, "apt-update-alone apt-lists-kept"},
		{"severity comes first", []analysis.Finding{finding("apt-update-alone", "info", line), finding("apt-lists-kept", all, line)}, "apt-lists-kept apt-update-alone"},
		{"a rule that is not listed", []analysis.Finding{finding("a-new-rule", all, line), finding("pip-cache-kept", all, line)}, "pip-cache-kept a-new-rule"},
		{"what was not touched comes last", []analysis.Finding{finding("copy-before-install", "error", 5), finding("pip-cache-kept", all, line)}, "pip-cache-kept copy-before-install"},
	} {
		s := situation(test.findings...)
		s.Base.Findings = test.findings
		s.Head.Suggestions = []analysis.Suggestion{{Path: "Dockerfile", Lines: at(2, 5), Replacement: "RUN better"}}
		d := decide(s)
		items := d.group(d.open())
		var got []string
		for _, f := range items[0].findings {
			got = append(got, f.Rule)
		}
		if len(items) != 1 || strings.Join(got, " ") != test.want {
			t.Errorf("%s: %v, want %s", test.name, got, test.want)
		}
	}
}

// A request stays within what a child takes: old commits are left out first.
func TestPastIsBounded(t *testing.T) {
	change := make([]buildcontext.Change, 1000)
	h := &buildcontext.History{Tree: make([]buildcontext.Entry, 10), Commits: []buildcontext.Commit{{ID: "c", Changes: change}, {ID: "b", Changes: change}, {ID: "a", Changes: change}}}
	for room, want := range map[int]int{9: -1, 10: 0, 2009: 0, 2010: 1, 6009: 2, 6010: 3} {
		got := -1
		if kept := fitting(h, room); kept != nil {
			got = len(kept.Commits)
		}
		if got != want {
			t.Errorf("room for %d: %d commits, want %d", room, got, want)
		}
	}
	if len(h.Commits) != 3 {
		t.Error("the history itself was cut")
	}
}

// A large past is handed over when everything else is known.
func TestLargePastComesLast(t *testing.T) {
	request := analysis.Request{Base: make([]buildcontext.Entry, 15_000), History: &buildcontext.History{Tree: make([]buildcontext.Entry, 15_000)}}
	if small := (analysis.Request{Base: request.Base}); !isLarge(request) || isLarge(small) {
		t.Errorf("large: %v, small: %v", isLarge(request), isLarge(small))
	}
	var rounds []string
	f := slimFirst(func(_ context.Context, req analysis.Request) (analysis.Report, error) {
		round := fmt.Sprintf("%d texts, base %d, history %v, proofs %v", len(req.Blobs), len(req.Base), req.History != nil, !req.WithoutFixes)
		rounds = append(rounds, round)
		switch len(rounds) {
		case 1:
			return analysis.Report{Needs: []string{"a"}}, nil
		case 3:
			return analysis.Report{Needs: []string{"b"}}, nil
		}
		return analysis.Report{}, nil
	})
	for n := range 3 {
		request.Blobs = map[string][]byte{}
		for i := range n {
			request.Blobs[fmt.Sprint(i)] = nil
		}
		if _, err := f(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	want := "0 texts, base 0, history false, proofs false\n1 texts, base 0, history false, proofs false\n" +
		"1 texts, base 15000, history true, proofs true\n2 texts, base 15000, history true, proofs true"
	if got := strings.Join(rounds, "\n"); got != want {
		t.Errorf("rounds:\n%s", got)
	}
}
