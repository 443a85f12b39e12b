package review

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/rules"
)

const (
	mostLines   = 5   // of a comment before its suggestion
	lineColumns = 100 // characters of a line of a comment on GitHub's page, about
)

// TestCommentsAreShort writes the comments on what is found in each case of each rule's archive, as for a
// pull request that adds its files: cause, cost and advice take at most five lines, with the numbers of a
// history and without.
func TestCommentsAreShort(t *testing.T) {
	counted := 0
	for _, rule := range rules.All() {
		archive, err := txtar.ParseFile(filepath.Join("../rules/testdata", rule.ID+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		said := 0
		for name, files := range casesIn(archive) {
			for _, commits := range []int{0, 200} {
				d := decide(addition(t, files, commits))
				for _, i := range d.group(d.open()) {
					text := d.comment(i, i.path(), false, true)
					if i.first().NewFile != nil {
						text = d.newFileBlock(i).short
					}
					if i.first().Rule == rule.ID {
						said++
					}
					if strings.Contains(text, " commits on ") {
						counted++
						if commits == 0 {
							t.Errorf("%s, case %s: a number without a history\n%s", rule.ID, name, text)
						}
					}
					before, _, _ := strings.Cut(strings.ReplaceAll(text, "\n\n", "\n```"), "\n```")
					if n := shownLines(before); n > mostLines {
						t.Errorf("%s, case %s: %d lines\n%s", rule.ID, name, n, before)
					}
				}
			}
		}
		if said == 0 {
			t.Errorf("nothing is said of %s", rule.ID)
		}
	}
	if counted < 40 {
		t.Errorf("%d comments with numbers", counted)
	}
}

// casesIn are the files of the cases of a rule's archive.
func casesIn(archive *txtar.Archive) map[string]map[string]string {
	cases := map[string]map[string]string{}
	for _, f := range archive.Files {
		name, path, _ := strings.Cut(f.Name, "/")
		if cases[name] == nil {
			cases[name] = map[string]string{}
		}
		if path != "want" && path != "build" {
			cases[name][path] = string(f.Data)
		}
	}
	return cases
}

// addition is a pull request that adds some files, to a branch on which so many commits changed each of them.
func addition(t *testing.T, files map[string]string, commits int) Situation {
	t.Helper()
	s := Situation{
		Ref: testRef, Login: "hitrate[bot]", Marks: NewMarks([]byte("secret")), DocsURL: "https://docs.example",
		PullRequest: PullRequest{Open: true, Head: "headhead", RepositoryURL: "https://github.example/acme/app", HeadRef: "change"},
		Config:      config.Defaults(), Base: &analysis.Report{}, Texts: map[string][]byte{},
	}
	if text, ok := files[config.RepositoryPath]; ok {
		layer, err := config.Parse(config.RepositoryPath, []byte(text), rules.Schemas())
		if err != nil {
			t.Fatal(err)
		}
		s.Config = config.Effective(layer)
	}
	req := analysis.Request{Config: s.Config}
	for path, text := range files {
		req.Tree = append(req.Tree, buildcontext.Entry{Path: path, Mode: buildcontext.ModeFile, Object: path})
		s.Texts[path] = []byte(text)
		rows := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		patch := fmt.Sprintf("@@ -0,0 +1,%d @@\n+%s", len(rows), strings.Join(rows, "\n+"))
		s.Changed = append(s.Changed, ChangedFile{Path: path, Status: "added", HasPatch: true, Patch: patch})
	}
	if commits > 0 {
		req.History = &buildcontext.History{Branch: "main", Tree: req.Tree}
		object := func(e buildcontext.Entry, age int) buildcontext.Entry {
			if age > 0 {
				e.Object = fmt.Sprintf("%s before %d", e.Path, age)
			}
			return e
		}
		for age := range commits {
			c := buildcontext.Commit{ID: fmt.Sprint(age)}
			for _, e := range req.Tree {
				c.Changes = append(c.Changes, buildcontext.Change{Old: object(e, age+1), New: object(e, age)})
			}
			req.History.Commits = append(req.History.Commits, c)
		}
	}
	var err error
	s.Head, err = analysis.Complete(t.Context(), func(ctx context.Context, req analysis.Request) (analysis.Report, error) {
		return analysis.Run(ctx, req), nil
	}, req, func(_ context.Context, e buildcontext.Entry) ([]byte, error) { return s.Texts[e.Path], nil })
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var linkTargets = regexp.MustCompile(`\]\([^)]*\)`)

// shownLines is how many lines a text takes on the page: without the addresses of links.
func shownLines(text string) int {
	lines := 0
	for line := range strings.Lines(linkTargets.ReplaceAllString(strings.TrimSpace(text), "]")) {
		column := 0
		for _, word := range strings.Fields(line) {
			n := utf8.RuneCountInString(word)
			if column > 0 && column+1+n > lineColumns {
				lines++
				column = 0
			}
			column += n + 1
		}
		lines++
	}
	return lines
}
