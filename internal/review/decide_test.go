package review

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/yuin/goldmark/ast"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

func at(first, last int) source.Lines { return source.Lines{First: first, Last: last} }

func simple(rule, path, subject string, lines source.Lines) analysis.Finding {
	return analysis.Finding{
		Rule: rule, Severity: config.SeverityWarning, Path: path, Dockerfile: path, Lines: lines, Subject: subject, Suggestion: -1,
		Title: rules.Text{{Code: subject}, {Words: " costs."}}, Why: rules.Text{{Words: "It does."}},
	}
}

// situation changes line 2 of a Dockerfile of five lines.
func situation(findings ...analysis.Finding) Situation {
	const text = "FROM a\nRUN b\nRUN c\nRUN d\nRUN e\n"
	return Situation{
		Ref: testRef, Login: "hitrate[bot]", Marks: NewMarks([]byte("secret")), DocsURL: "https://docs.example",
		PullRequest: PullRequest{Open: true, Head: "headhead", Base: "base", RepositoryURL: "https://github.example/acme/app", HeadRef: "change"},
		Config:      config.Defaults(),
		Changed: []ChangedFile{{
			Path: "Dockerfile", Status: "modified", HasPatch: true,
			Patch: "@@ -1,5 +1,5 @@\n FROM a\n-RUN x\n+RUN b\n RUN c\n RUN d\n RUN e",
		}},
		Head:  analysis.Report{Dockerfiles: []analysis.Dockerfile{{Path: "Dockerfile"}}, Findings: findings},
		Base:  &analysis.Report{},
		Texts: map[string][]byte{"Dockerfile": []byte(text)},
	}
}

// inScope returns the subjects that a situation's pull request answers for.
func inScope(s Situation) []string {
	d := decide(s)
	var subjects []string
	for _, f := range d.open() {
		subjects = append(subjects, f.Subject)
	}
	slices.Sort(subjects)
	return subjects
}

func TestScope(t *testing.T) {
	const path = "Dockerfile"
	old := simple("r", path, "old", at(4, 4))
	for _, test := range []struct {
		name   string
		change func(*Situation)
		want   string
	}{
		{"there before, untouched", func(s *Situation) {
			s.Head.Findings, s.Base.Findings = []analysis.Finding{old}, []analysis.Finding{old}
		}, "[]"},
		{"there before, on a line that was changed", func(s *Situation) {
			f := simple("r", path, "old", at(2, 2))
			s.Head.Findings, s.Base.Findings = []analysis.Finding{f}, []analysis.Finding{f}
		}, "[old]"},
		{"there before, with a related line that was changed", func(s *Situation) {
			f := old
			f.Related = []analysis.Place{{Path: path, Lines: at(2, 2)}}
			s.Head.Findings, s.Base.Findings = []analysis.Finding{f}, []analysis.Finding{f}
		}, "[old]"},
		{"a related line of another file does not count", func(s *Situation) {
			f := old
			f.Path, f.Related = "requirements.txt", []analysis.Place{{Path: path, Lines: at(2, 2)}}
			s.Head.Findings, s.Base.Findings = []analysis.Finding{f}, []analysis.Finding{f}
		}, "[]"},
		{"made by the pull request, on lines that it did not touch", func(s *Situation) {
			s.Head.Findings = []analysis.Finding{old}
		}, "[old]"},
		{"nothing is known of the merge base", func(s *Situation) {
			s.Head.Findings, s.Base = []analysis.Finding{old}, nil
		}, "[]"},
		{"made worse", func(s *Situation) {
			f := old
			f.Weight = 100
			s.Head.Findings, s.Base.Findings = []analysis.Finding{f}, []analysis.Finding{old}
		}, "[old]"},
		{"heavier by no more than the files that the pull request adds", func(s *Situation) {
			f := old
			f.Weight = 2
			s.Head.Findings, s.Base.Findings = []analysis.Finding{f}, []analysis.Finding{old}
			s.Changed = append(s.Changed, ChangedFile{Path: "a", Status: "added"}, ChangedFile{Path: "b", Status: "added"})
		}, "[]"},
		{"lighter", func(s *Situation) {
			f := old
			f.Weight = 100
			s.Head.Findings, s.Base.Findings = []analysis.Finding{old}, []analysis.Finding{f}
		}, "[]"},
		{"scope file", func(s *Situation) {
			s.Head.Findings, s.Base.Findings = []analysis.Finding{old}, []analysis.Finding{old}
			s.Config.Review.Scope = config.ScopeFile
		}, "[old]"},
		{"scope file, another file", func(s *Situation) {
			f := simple("r", "other/Dockerfile", "other", at(2, 2))
			s.Head.Findings, s.Base.Findings = []analysis.Finding{f}, []analysis.Finding{f}
			s.Config.Review.Scope = config.ScopeFile
		}, "[]"},
		{"there before under the old name of a renamed file", func(s *Situation) {
			f := old
			f.Path, f.Dockerfile = "old.Dockerfile", "old.Dockerfile"
			s.Changed[0].Status, s.Changed[0].Previous = "renamed", "old.Dockerfile"
			s.Head.Findings, s.Base.Findings = []analysis.Finding{old}, []analysis.Finding{f}
		}, "[]"},
		{"one more of equals: the one that was touched is the new one", func(s *Situation) {
			first, second := simple("r", path, "same", at(2, 2)), simple("r", path, "same", at(4, 4))
			second.Ordinal = 1
			s.Head.Findings, s.Base.Findings = []analysis.Finding{first, second}, []analysis.Finding{simple("r", path, "same", at(3, 3))}
		}, "[same]"},
		{"one more of equals, none touched: the last one counts as new", func(s *Situation) {
			first, second := simple("r", path, "same", at(3, 3)), simple("r", path, "same", at(4, 4))
			second.Ordinal = 1
			s.Head.Findings, s.Base.Findings = []analysis.Finding{first, second}, []analysis.Finding{first}
		}, "[same]"},
		{"one requirement for two builds is one finding", func(s *Situation) {
			f := simple("r", "requirements.txt", "x", at(1, 1))
			g := f
			f.Dockerfile, g.Dockerfile, g.Ordinal = "a/Dockerfile", "b/Dockerfile", 1
			s.Head.Findings = []analysis.Finding{f, g}
		}, "[x]"},
	} {
		s := situation()
		test.change(&s)
		if got := fmt.Sprint(inScope(s)); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestDecideIsDeterministic(t *testing.T) {
	var findings []analysis.Finding
	for n := range 20 {
		findings = append(findings, simple("r", "Dockerfile", fmt.Sprint("s", n%3), at(n%5+1, n%5+1)))
	}
	s := situation(findings...)
	want := fmt.Sprintf("%+v %+v", *Decide(s).Review, *Decide(s).Check)
	for range 20 {
		if got := fmt.Sprintf("%+v %+v", *Decide(s).Review, *Decide(s).Check); got != want {
			t.Fatalf("two plans for one situation:\n%s\n%s", want, got)
		}
	}
}

func TestLongReviewsAreCutAtParagraphs(t *testing.T) {
	s := situation()
	s.Config.Review.MaxComments = 0
	for n := range 2000 {
		f := simple("r", "Dockerfile", fmt.Sprint("subject ", n), at(2, 2))
		f.Why = rules.Text{{Words: strings.Repeat("It does. ", 20)}, {Code: fmt.Sprint(n)}}
		s.Head.Findings = append(s.Head.Findings, f)
	}
	plan := Decide(s)
	body := plan.Review.Body
	if n := utf8.RuneCountInString(body); n > maxBody || n < maxBody/2 {
		t.Errorf("%d characters", n)
	}
	if !strings.Contains(body, "\n\nThere is more than fits here: run `hitrate check` for the rest.\n\n<!-- hitrate:") {
		t.Errorf("the cut is not said: …%s", body[len(body)-300:])
	}
	if n := utf8.RuneCountInString(plan.Check.Summary); n > maxBody {
		t.Errorf("summary of %d characters", n)
	}
	if len(plan.Check.Annotations) != maxAnnotations {
		t.Errorf("%d annotations", len(plan.Check.Annotations))
	}
	// The next look has nothing new to say, though not all of it stood in the body.
	s.PullRequest.Head = "next"
	s.Reviews = []Posted{{ID: 1, Author: s.Login, Body: body, State: "COMMENTED"}}
	if again := Decide(s); again.Review != nil {
		t.Errorf("said again: %s", again.Review.Body[:200])
	}
}

func TestManyRequirementsAreOneComment(t *testing.T) {
	s := situation()
	var patch strings.Builder
	fmt.Fprintf(&patch, "@@ -0,0 +1,3000 @@\n")
	for n := range 3000 {
		name := fmt.Sprint("package-", n)
		fmt.Fprintf(&patch, "+%s\n", name)
		f := simple("unpinned-requirement", "requirements.txt", name, at(n+1, n+1))
		f.Dockerfile = "Dockerfile"
		f.Title = rules.Text{{Code: name}, {Words: " is not pinned.", Many: " are not pinned."}}
		f.Here = f.Title
		s.Head.Findings = append(s.Head.Findings, f)
	}
	s.Changed = append(s.Changed, ChangedFile{Path: "requirements.txt", Status: "added", HasPatch: true, Patch: patch.String()})
	plan := Decide(s)
	if len(plan.Review.Comments) != 1 || !strings.Contains(plan.Review.Comments[0].Body, "`package-0`, `package-1`") ||
		!strings.Contains(plan.Review.Comments[0].Body, "and 2992 more are not pinned** (lines 1–3000)") {
		t.Fatalf("comments: %+v", plan.Review.Comments)
	}
	s.PullRequest.Head = "next"
	s.Reviews = []Posted{{ID: 1, Author: s.Login, Body: plan.Review.Body, State: "COMMENTED"}}
	if again := Decide(s); again.Review != nil {
		t.Error("said again")
	}
}

// TestHostilePullRequest brings hostile text everywhere at once: what a reader gets has no HTML,
// link, image, heading or mention of theirs, and no mark but ours.
func TestHostilePullRequest(t *testing.T) {
	for _, x := range hostile {
		path := "dir/" + x + "/Dockerfile"
		if strings.ContainsAny(x, "\x00\n") {
			path = "dir/Dockerfile"
		}
		s := situation()
		s.Config.Review.MaxComments = 1
		text := "FROM a\n" + x + "\nRUN c\nRUN d\nRUN e\n"
		s.Texts[path] = []byte(text)
		s.Changed[0].Path = path
		code := rules.Text{{Words: "The command "}, {Code: x}, {Words: " costs."}}
		for n := range 3 {
			f := simple("r", path, x, at(2, 2))
			f.Title, f.Here, f.Why, f.Advice, f.Done, f.Ordinal = code, code, code, code, code, n
			f.Withheld = "a reason"
			s.Head.Findings = append(s.Head.Findings, f)
		}
		s.Head.Findings[0].Suggestion, s.Head.Findings[1].NewFile = 0, &rules.NewFile{Path: x, Text: x}
		s.Head.Suggestions = []analysis.Suggestion{{Path: path, Lines: at(2, 3), Replacement: x + "\n" + x, Findings: []int{0}, Notes: []rules.Text{code}}}
		s.Head.Errors = []analysis.Problem{{Path: path, Line: 2, Message: x}, {Path: "other " + x, Message: x}}
		s.Head.Skipped = []analysis.Problem{{Path: x, Message: "a symbolic link"}}
		other := simple("r2", path, x, at(5, 5))
		other.Title, other.Why = code, code
		s.Head.Findings = append(s.Head.Findings, other)
		s.Base.Findings = []analysis.Finding{other}
		s.ConfigProblems = []ConfigProblem{
			{OfPullRequest, config.Error{Path: config.RepositoryPath, Line: 1, Column: 1, Message: x, Allowed: []string{x}}},
			{OfBase, config.Error{Path: config.RepositoryPath, Line: 1, Column: 1, Message: x, Allowed: []string{x}}},
		}
		for _, state := range []buildcache.State{buildcache.Cached, buildcache.Maybe} {
			s.Head.Dockerfiles = append(s.Head.Dockerfiles, analysis.Dockerfile{Path: path, Plans: []analysis.Plan{{
				Build: buildcontext.Build{Dockerfile: path, Target: x, Origin: x, Cache: buildcontext.CacheNone, CacheFrom: x + ", line 3"},
				Steps: []analysis.Step{
					{Stage: x, Lines: at(2, 2), Instruction: x, State: state, Cause: x, Installs: x},
					{Stage: x, Lines: at(3, 3), Instruction: "RUN " + x, State: buildcache.Rebuilt, Cause: x},
				},
				Stages:  []analysis.Stage{{Name: x, State: state}, {Name: x, State: buildcache.Rebuilt, From: []int{0}}},
				History: &analysis.Evidence{Branch: x, Commits: 9, Steps: []analysis.Count{{Rerun: 3}, {Rerun: 9}}, Alone: [][]analysis.Count{{{}, {}}}, All: []analysis.Count{{}, {}}},
				Caveats: []analysis.Caveat{{Text: x, Paths: []string{x, x}}},
			}}})
		}
		plan := Decide(s)
		all := []string{plan.Review.Body, plan.Check.Summary}
		for _, c := range plan.Review.Comments {
			all = append(all, c.Body)
		}
		for _, written := range all {
			checkOurs(t, x, written)
		}
		for _, written := range []string{plan.Check.Title, plan.Check.Annotations[0].Message} {
			if strings.ContainsAny(written, "\n\r\x00\x1b") || mention.MatchString(written) {
				t.Errorf("%q in plain text: %q", x, written)
			}
		}
		if m, ok := s.Marks.open(s.Ref, plan.Review.Body); !ok || m.Head != s.PullRequest.Head {
			t.Errorf("%q: the mark is lost", x)
		}
	}
}

// codeElement is text of the pull request in a summary, where there is no Markdown.
var codeElement = regexp.MustCompile(`<code>([^<>]*)</code>`)

// checkOurs fails on anything in a text that we would not write.
func checkOurs(t *testing.T, hostile, written string) {
	t.Helper()
	root, src := parse(written)
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Link:
			if to := string(n.Destination); !strings.HasPrefix(to, "https://github.example/acme/app/") && !strings.HasPrefix(to, "https://docs.example/") {
				t.Errorf("%q: link to %s", hostile, to)
			}
		case *ast.HTMLBlock:
			html := string(n.Lines().Value(src))
			if n.HasClosure() {
				html += string(n.ClosureLine.Value(src))
			}
			for line := range strings.Lines(html) {
				line = strings.TrimSpace(line)
				ours := line == "</details>" || strings.HasPrefix(line, "<!-- hitrate:1:") ||
					strings.HasPrefix(line, "<details><summary>") && strings.HasSuffix(line, "</summary>")
				inside := strings.TrimSuffix(strings.TrimPrefix(line, "<details><summary>"), "</summary>")
				inside = codeElement.ReplaceAllString(inside, "$1")
				if !ours || strings.HasPrefix(line, "<details>") && (strings.ContainsAny(inside, "<>") || mention.MatchString(inside)) {
					t.Errorf("%q: HTML %s", hostile, line)
				}
			}
		case *ast.RawHTML, *ast.Image, *ast.Heading, *ast.AutoLink, *ast.Blockquote, *ast.ThematicBreak, *ast.CodeBlock:
			t.Errorf("%q: %s in\n%s", hostile, n.Kind(), written)
		case *ast.CodeSpan, *ast.FencedCodeBlock:
			return ast.WalkSkipChildren, nil
		case *ast.Text:
			if word := string(n.Value(src)); mention.MatchString(word) {
				t.Errorf("%q: mention in %q", hostile, word)
			}
		}
		return ast.WalkContinue, nil
	})
}

// TestDiffsApply gives the diffs of a body to "git apply".
func TestDiffsApply(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	for _, test := range []struct {
		name, path, text string
		suggestions      []analysis.Suggestion
		want             string
	}{
		{"a line", "Dockerfile", "a\nb\nc\n", []analysis.Suggestion{{Lines: at(2, 2), Replacement: "x\ny"}}, "a\nx\ny\nc\n"},
		{"the last line, without final newline", "Dockerfile", "a\nb", []analysis.Suggestion{{Lines: at(2, 2), Replacement: "x\ny"}}, "a\nx\ny"},
		{"a deletion", "Dockerfile", "a\nb\nc\n", []analysis.Suggestion{{Lines: at(2, 2)}}, "a\nc\n"},
		{"the last line goes", "Dockerfile", "a\nb", []analysis.Suggestion{{Lines: at(2, 2)}}, "a\n"},
		{"everything", "Dockerfile", "a\nb\n", []analysis.Suggestion{{Lines: at(1, 2), Replacement: "x"}}, "x\n"},
		{"two places", "Dockerfile", "a\nb\nc\nd\n", []analysis.Suggestion{{Lines: at(1, 1), Replacement: "x"}, {Lines: at(4, 4), Replacement: "y"}}, "x\nb\nc\ny\n"},
		{"blank lines and tabs at the ends", "Dockerfile", "a\n\n\tb \n\n", []analysis.Suggestion{{Lines: at(1, 1), Replacement: "x"}}, "x\n\n\tb \n\n"},
		{"a path with blanks", "my app/Dockerfile", "a\n", []analysis.Suggestion{{Lines: at(1, 1), Replacement: "x"}}, "x\n"},
		{"a path with quotes", `my "app"\/Dockerfile`, "a\n", []analysis.Suggestion{{Lines: at(1, 1), Replacement: "x"}}, "x\n"},
		{"a path in another script", "приложение/Dockerfile", "a\n", []analysis.Suggestion{{Lines: at(1, 1), Replacement: "x"}}, "x\n"},
		{"backticks", "Dockerfile", "a\n```\nb\n", []analysis.Suggestion{{Lines: at(2, 2), Replacement: "````"}}, "a\n````\nb\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := &decision{files: map[string]*source.File{test.path: source.New(test.path, []byte(test.text))}}
			var all []*analysis.Suggestion
			for _, s := range test.suggestions {
				s.Path = test.path
				all = append(all, &s)
			}
			_, edit := d.edit(test.path, all)
			root, src := parse(edit)
			block, ok := root.FirstChild().(*ast.FencedCodeBlock)
			if !ok {
				t.Fatalf("no diff in %s", edit)
			}
			dir := t.TempDir()
			file := filepath.Join(dir, test.path)
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(test.text), 0o644); err != nil {
				t.Fatal(err)
			}
			git := exec.Command("git", "apply", "-")
			git.Dir, git.Stdin = dir, strings.NewReader(string(block.Lines().Value(src)))
			git.Env = append(os.Environ(), "GIT_DIR="+filepath.Join(dir, "none"), "GIT_CEILING_DIRECTORIES="+dir)
			if out, err := git.CombinedOutput(); err != nil {
				t.Fatalf("git apply: %v\n%s\n%s", err, out, edit)
			}
			got, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestWhatCannotBeSuggestedIsSaidInWords(t *testing.T) {
	for name, text := range map[string]string{
		"CR LF":        "FROM a\r\nRUN b\r\nRUN c\r\nRUN d\r\nRUN e\r\n",
		"bidi control": "FROM a\nRUN b\u202e\nRUN c\nRUN d\nRUN e\n",
	} {
		f := simple("r", "Dockerfile", "x", at(2, 2))
		f.Suggestion = 0
		s := situation(f)
		s.Texts["Dockerfile"] = []byte(text)
		s.Head.Suggestions = []analysis.Suggestion{{Path: "Dockerfile", Lines: at(2, 2), Replacement: "RUN changed" + strings.TrimPrefix(strings.Split(text, "\n")[1], "RUN b"), Findings: []int{0}}}
		plan := Decide(s)
		all := plan.Review.Body
		for _, c := range plan.Review.Comments {
			all += c.Body
		}
		if strings.Contains(all, "```") || strings.ContainsAny(all, "\r\u202e") || !strings.Contains(all, "hitrate check --fix Dockerfile") {
			t.Errorf("%s:\n%s", name, all)
		}
	}
}

// A comment of ours stands on line 3 with a suggestion, and GitHub would commit it as it stands. It
// shows a suggestion only for exactly the lines that it replaces.
func TestSuggestionsThatStandStayRight(t *testing.T) {
	f := simple("r", "Dockerfile", "x", at(3, 3))
	f.Suggestion = 0
	first := situation(f)
	first.Head.Suggestions = []analysis.Suggestion{{Path: "Dockerfile", Lines: at(3, 3), Replacement: "RUN better", Findings: []int{0}}}
	plan := Decide(first)
	if len(plan.Review.Comments) != 1 || !strings.Contains(plan.Review.Comments[0].Body, "```suggestion\nRUN better\n```") {
		t.Fatalf("first: %+v", plan.Review)
	}
	next := first
	next.PullRequest.Head = "next"
	next.Reviews = []Posted{{ID: 1, Author: first.Login, Body: plan.Review.Body, State: "COMMENTED"}}
	next.Comments = []Posted{{ID: 2, ReviewID: 1, Author: first.Login, Body: plan.Review.Comments[0].Body, Path: "Dockerfile", Line: 3}}
	for _, test := range []struct {
		name       string
		line       int
		suggestion analysis.Suggestion
		want       string // part of the new body; "" for no edit
	}{
		{"nothing changed", 3, analysis.Suggestion{Lines: at(3, 3), Replacement: "RUN better"}, ""},
		{"another text for the same lines", 3, analysis.Suggestion{Lines: at(3, 3), Replacement: "RUN best"}, "```suggestion\nRUN best\n```"},
		{"more lines", 3, analysis.Suggestion{Lines: at(2, 3), Replacement: "RUN all"}, "```diff\n"},
		{"the comment stands on other lines", 4, analysis.Suggestion{Lines: at(3, 3), Replacement: "RUN best"}, "```diff\n"},
		{"outdated", 0, analysis.Suggestion{Lines: at(3, 3), Replacement: "RUN best"}, ""},
	} {
		s := next
		s.Comments = slices.Clone(next.Comments)
		s.Comments[0].Line = test.line
		test.suggestion.Path, test.suggestion.Findings = "Dockerfile", []int{0}
		s.Head.Suggestions = []analysis.Suggestion{test.suggestion}
		plan := Decide(s)
		got := ""
		if len(plan.UpdateComments) > 0 {
			got = plan.UpdateComments[0].Body
		}
		if plan.Review != nil || len(plan.DeleteComments) > 0 || (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %+v", test.name, plan)
		}
		if strings.Contains(test.want, "diff") && strings.Contains(got, "```suggestion") {
			t.Errorf("%s: a suggestion for other lines: %s", test.name, got)
		}
	}
}

// The edit of another file than the finding's stands where it can be committed; else the words stand at
// the lines that they are about, or at least in a file of the diff.
func TestEditOfAnotherFile(t *testing.T) {
	const ignore = ".dockerignore"
	whole := "@@ -1,2 +1,3 @@\n a\n+b\n c"
	for _, test := range []struct {
		name, text, patch string // of the ignore file; no patch: it is not in the diff
		line              int    // of the COPY; the diff shows lines 1 to 5
		want              string // the comment's place; "" for the body
		suggests          bool
	}{
		{"in the diff", "a\nb\nc\n", whole, 2, ignore + ":3", true},
		{"in the diff, the COPY is not", "a\nb\nc\n", whole, 9, ignore + ":3", true},
		{"in another hunk", "x\nb\nc\nd\ne\nf\n", "@@ -1,4 +1,4 @@\n-a\n+x\n b\n c\n d", 2, "Dockerfile:2", false},
		{"neither is in the diff", "x\nb\nc\nd\ne\nf\n", "@@ -1,4 +1,4 @@\n-a\n+x\n b\n c\n d", 9, "", false},
		{"not in the diff", "a\nb\nc\n", "", 2, "Dockerfile:2", false},
		{"line ends that GitHub may not keep", "a\r\nb\r\nc\r\n", "@@ -1,2 +1,3 @@\n a\r\n+b\r\n c\r", 2, "Dockerfile:2", false},
		{"a row deleted right before the line", "a\nb\nc\n", "@@ -1,4 +1,3 @@\n a\n b\n-x\n c", 2, ignore + ":3", true},
	} {
		f := simple("r", "Dockerfile", "x", at(test.line, test.line))
		f.Suggestion = 0
		s := situation(f)
		s.Texts["Dockerfile"] = append(s.Texts["Dockerfile"], "RUN f\nRUN g\nRUN h\nRUN i\n"...)
		s.Texts[ignore] = []byte(test.text)
		if test.patch != "" {
			s.Changed = append(s.Changed, ChangedFile{Path: ignore, Status: "modified", HasPatch: true, Patch: test.patch})
		}
		lines := strings.Split(strings.TrimSuffix(test.text, "\n"), "\n")
		last := lines[len(lines)-1]
		s.Head.Suggestions = []analysis.Suggestion{{Path: ignore, Lines: at(len(lines), len(lines)), Replacement: last + "\n.git", Findings: []int{0}}}
		plan := Decide(s)
		if plan.Review == nil {
			t.Errorf("%s: no review", test.name)
			continue
		}
		got, text := "", plan.Review.Body
		for _, c := range plan.Review.Comments {
			got += fmt.Sprintf("%s:%d", c.Path, c.Line)
			text += c.Body
		}
		if got != test.want || strings.Contains(text, "```suggestion\n"+last+"\n.git\n```") != test.suggests {
			t.Errorf("%s: at %q\n%s", test.name, got, text)
		}
		if crlf := strings.Contains(test.text, "\r"); !test.suggests && (strings.Contains(text, "+.git\n") == crlf || !strings.Contains(text, "hitrate check --fix Dockerfile")) {
			t.Errorf("%s: the edit is not shown:\n%s", test.name, text)
		}
		if strings.HasPrefix(got, ignore) != strings.Contains(text, fmt.Sprintf("([Dockerfile, line %d](", test.line)) && test.want != "" {
			t.Errorf("%s: the link to the COPY:\n%s", test.name, text)
		}
	}
}

// What stands in several files in the same words is said once, with all places; each file keeps its edit.
func TestEqualSectionsAreJoined(t *testing.T) {
	s := situation()
	s.Changed = nil
	for n, path := range []string{"a/Dockerfile", "b/Dockerfile", "c/Dockerfile"} {
		f := simple("r", path, "the same", at(4, 4))
		f.Suggestion = n
		other := simple("r", path, fmt.Sprint("other ", n), at(5, 5))
		s.Head.Findings = append(s.Head.Findings, f, other)
		s.Base.Findings = append(s.Base.Findings, f, other)
		s.Head.Suggestions = append(s.Head.Suggestions, analysis.Suggestion{Path: path, Lines: at(4, 4), Replacement: "RUN better", Findings: []int{2 * n}})
		s.Texts[path] = s.Texts["Dockerfile"]
		s.Changed = append(s.Changed, ChangedFile{Path: path, Status: "modified", HasPatch: true, Patch: "@@ -1,2 +1,2 @@\n FROM a\n-RUN x\n+RUN b"})
	}
	body := Decide(s).Review.Body
	const link = "[%[1]s/Dockerfile, line 4](https://github.example/acme/app/blob/headhead/%[1]s/Dockerfile#L4)"
	want := "**`the same` costs** (" + fmt.Sprintf(link, "a") + "; " + fmt.Sprintf(link, "b") + "; " + fmt.Sprintf(link, "c") + "): It does. [r](https://docs.example/r.md)\n\n"
	if !strings.Contains(body, want) || strings.Count(body, "`the same`") != 1 || strings.Count(body, "+RUN better") != 3 {
		t.Errorf("want %s in\n%s", want, body)
	}
	for n := range 3 {
		if !strings.Contains(body, fmt.Sprintf("**`other %d` costs** (", n)) {
			t.Errorf("other %d is lost:\n%s", n, body)
		}
	}
}

func TestFailOn(t *testing.T) {
	for _, test := range []struct{ severity, failOn, want string }{
		{"error", "never", "neutral"},
		{"warning", "never", "success"},
		{"info", "never", "success"},
		{"error", "error", "failure"},
		{"warning", "error", "success"},
		{"warning", "warning", "failure"},
		{"error", "warning", "failure"},
		{"info", "warning", "success"},
	} {
		f := simple("r", "Dockerfile", "x", at(2, 2))
		f.Severity = test.severity
		s := situation(f)
		s.Config.Check.FailOn = test.failOn
		if test.want == "success" {
			with := s
			with.Head.Findings = slices.Clone(s.Head.Findings)
			with.Head.Findings[0].Suggestion = 0
			with.Head.Suggestions = []analysis.Suggestion{{Path: "Dockerfile", Lines: at(2, 2), Replacement: "RUN better", Findings: []int{0}}}
			if got := Decide(with).Check.Conclusion; got != "neutral" {
				t.Errorf("%s with an edit to take: %s", test.severity, got)
			}
		}
		if got := Decide(s).Check.Conclusion; got != test.want {
			t.Errorf("%s with fail-on %s: %s, want %s", test.severity, test.failOn, got, test.want)
		}
		// What the pull request did not touch never fails it.
		s.Head.Findings[0].Lines, s.Base.Findings = at(5, 5), []analysis.Finding{s.Head.Findings[0]}
		if got := Decide(s).Check.Conclusion; got == "failure" {
			t.Errorf("%s with fail-on %s fails for an untouched line", test.severity, test.failOn)
		}
	}
}

func TestLocalHasNoMarksAndNoLinks(t *testing.T) {
	s := situation(simple("r", "Dockerfile", "x", at(2, 2)), simple("r", "Dockerfile", "y", at(2, 2)))
	s.PullRequest.RepositoryURL = ""
	s.Config.Review.MaxComments = 1
	p := preview(Decide(s))
	text := p.Markdown()
	if p.Body == "" || len(p.Comments) != 1 || strings.Contains(text, "<!--") || strings.Contains(text, "](/") || !strings.Contains(text, "(Dockerfile, line 2):") {
		t.Errorf("%s", text)
	}
	if got := preview(Decide(situation())).Markdown(); got != "No review: Nothing found.\n" {
		t.Errorf("nothing found: %q", got)
	}
}

func TestNotLookedAtIsNotNothingFound(t *testing.T) {
	needs := analysis.Problem{Path: "Dockerfile", Line: 2, Message: "not analysed: needs builds.args.TAG in .github/hitrate.yml: FROM uses this ARG"}
	other := analysis.Problem{Path: "x.Dockerfile", Message: "not analysed: @somebody"}
	for _, test := range []struct {
		skipped    []analysis.Problem
		dockerfile int
		title      string
	}{
		{[]analysis.Problem{needs}, 0, "Not analysed: needs builds.args.TAG in .github/hitrate.yml"},
		{[]analysis.Problem{other}, 0, "Not analysed: " + withoutMentions("@somebody")},
		{[]analysis.Problem{needs, other}, 0, "Not analysed: 2 files"},
		{[]analysis.Problem{needs}, 1, "Nothing found · 1 file not analysed"},
	} {
		s := situation()
		s.Head.Dockerfiles = make([]analysis.Dockerfile, test.dockerfile)
		s.Head.Skipped = test.skipped
		check := Decide(s).Check
		if check.Title != test.title || check.Conclusion != "neutral" || !strings.Contains(check.Summary, "Not looked at:") ||
			strings.Contains(check.Summary, "No file that decides a build") {
			t.Errorf("%d skipped and %d looked at: %+v, want the title %q", len(test.skipped), test.dockerfile, check, test.title)
		}
	}
}

func TestLocalSaysWhatWasNotLookedAt(t *testing.T) {
	p := Preview{Check: CheckRun{Title: "Not analysed: 2 files"}, Skipped: "- `a`: not analysed: x"}
	if got, want := p.Markdown(), "No review: Not analysed: 2 files.\n\nNot looked at:\n\n- `a`: not analysed: x\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
