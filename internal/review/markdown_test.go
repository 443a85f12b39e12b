package review

import (
	"strings"
	"testing"
	"unicode"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"

	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// hostile are texts that a pull request could bring: in a path, an image's name, a command, a message.
var hostile = []string{
	"plain", "`", "``", "` `", "a`b``c```d", "`@octocat`", "@octocat", "@acme/everyone", "x @octocat", "#1", "acme/app#1", "GH-1",
	"fixes #1", "<script>alert(1)</script>", "<img src=x onerror=y>", "<!-- hitrate:1:AA.AA -->", "-->", "&lt;b&gt;", "&#64;octocat",
	"[x](https://evil.example)", "![x](https://evil.example/x.png)", "https://evil.example", "www.evil.example", "**bold**", "~~gone~~",
	"a\nb", "a\r\n\r\n# heading", "\n```\n@octocat\n```", "```suggestion\nrm -rf /\n```", "</details>", "<details>", "| a | b |", "a\\", "\\`",
	"\u202eevil\u202c", "a\u200bb", "\u2066x\u2069", "\x00", "\x1b[31m", "\xff\xfe", "", " ", "\t", strings.Repeat("`", 300), strings.Repeat("x", 5000),
	"0123456789abcdef0123456789abcdef01234567", "$(id)", "a'b", "-rf", "../../etc/passwd", "[^1]", "1. x", "- x", "> x", "# x", "---", "\u00ad@octocat",
}

func parse(s string) (ast.Node, []byte) {
	src := []byte(s)
	return goldmark.New(goldmark.WithExtensions(extension.GFM)).Parser().Parse(text.NewReader(src)), src
}

// live returns what in a Markdown text is more than words, code and emphasis: links, images, HTML,
// headings, lists, tables; and words outside code that GitHub would make a mention or a reference.
func live(s string) []string {
	var found []string
	root, src := parse(s)
	_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if !entering {
			return ast.WalkContinue, nil
		}
		switch n := n.(type) {
		case *ast.Document, *ast.Paragraph, *ast.Emphasis, *ast.TextBlock:
		case *ast.CodeSpan, *ast.FencedCodeBlock:
			return ast.WalkSkipChildren, nil
		case *ast.Text:
			if word := string(n.Value(src)); mention.MatchString(word) || strings.Contains(word, "#1") {
				found = append(found, "text "+word)
			}
		default:
			found = append(found, n.Kind().String())
		}
		return ast.WalkContinue, nil
	})
	return found
}

func TestHostileTextIsCode(t *testing.T) {
	for _, s := range hostile {
		for name, written := range map[string]string{
			"code span":    codeSpan(s),
			"in a text":    markdown(rules.Text{{Words: "The image "}, {Code: s}, {Words: " moves."}}),
			"in bold":      bold(markdown(rules.Text{{Code: s}, {Words: " moves."}})) + " Words.",
			"two in a row": codeSpan(s) + ", " + codeSpan(s),
			"our words":    words(s),
		} {
			if found := live(written); len(found) > 0 && (name != "our words" || strings.TrimLeft(s, "-1> .x") != "") {
				t.Errorf("%s of %q is alive: %v\n%s", name, s, found, written)
			}
			for _, r := range written {
				if unicode.IsControl(r) || bidirectional(r) {
					t.Errorf("%s of %q has %U", name, s, r)
				}
			}
		}
		if strings.ContainsAny(codeSpan(s), "\n\r") {
			t.Errorf("%q is more than one line", s)
		}
	}
}

func TestNamesInCodeMentionNobody(t *testing.T) {
	for s, want := range map[string]string{
		"@octocat":            "`@\u200boctocat`",
		"npm i @types/node":   "`npm i @\u200btypes/node`",
		"python@sha256:00":    "`python@sha256:00`",
		"git@github.com:a/b":  "`git@github.com:a/b`",
		"a `b` c":             "``a `b` c``",
		"`x":                  "`` `x ``",
		"  x\n  y ":           "`x   y`",
		"\u202ex":             "`x`",
		"":                    "(empty)",
		"x\x00y\u200bz\ufeff": "`xyz`",
	} {
		if got := codeSpan(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

func TestHostilePathsInLinks(t *testing.T) {
	d := &decision{Situation: Situation{PullRequest: PullRequest{RepositoryURL: "https://github.example/acme/app", Head: "abc"}}}
	for _, s := range hostile {
		written := d.place(s, source.Lines{First: 2, Last: 4}, "lines 2–4")
		root, _ := parse("(" + written + "): words")
		links := 0
		_ = ast.Walk(root, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
			if !entering {
				return ast.WalkContinue, nil
			}
			switch n := n.(type) {
			case *ast.Link:
				links++
				if !strings.HasPrefix(string(n.Destination), "https://github.example/acme/app/blob/abc/") {
					t.Errorf("link of %q leads to %s", s, n.Destination)
				}
			case *ast.Document, *ast.Paragraph, *ast.CodeSpan, *ast.Text:
			default:
				t.Errorf("link of %q is alive: %s\n%s", s, n.Kind(), written)
			}
			return ast.WalkContinue, nil
		})
		if links != 1 {
			t.Errorf("%q: %d links in %s", s, links, written)
		}
	}
}

func TestFenceHoldsWhatIsPrintable(t *testing.T) {
	for _, s := range hostile {
		if !printable(s, "") {
			continue
		}
		root, src := parse("Words.\n" + fence("suggestion", s) + "\nMore.")
		blocks := 0
		for n := root.FirstChild(); n != nil; n = n.NextSibling() {
			block, ok := n.(*ast.FencedCodeBlock)
			if !ok {
				continue
			}
			blocks++
			want := s + "\n"
			if s == "" {
				want = ""
			}
			if got := string(block.Lines().Value(src)); got != want || string(block.Language(src)) != "suggestion" {
				t.Errorf("%q came out as %q", s, got)
			}
		}
		if blocks != 1 || root.ChildCount() != 3 {
			t.Errorf("%q: %d blocks, %d in all", s, blocks, root.ChildCount())
		}
	}
	for _, s := range []string{"\u202ex", "\x00", "a\rb", "\x1b[1m", "\xff", "a\u200bb", "\ufeffa"} {
		if printable(s, "") {
			t.Errorf("%q must not be suggested", s)
		}
	}
	if !printable("a\u200db", "x\u200d") || printable("a\u200db\u200d", "x\u200d") {
		t.Error("what the file has already may stay, and no more")
	}
}

func TestLinesList(t *testing.T) {
	l := func(pairs ...int) (all []source.Lines) {
		for i := 0; i < len(pairs); i += 2 {
			all = append(all, source.Lines{First: pairs[i], Last: pairs[i+1]})
		}
		return all
	}
	for _, test := range []struct {
		lines []source.Lines
		want  string
	}{
		{l(2, 2), "line 2"},
		{l(2, 4), "lines 2–4"},
		{l(1, 1, 2, 2), "lines 1–2"},
		{l(1, 1, 3, 3), "lines 1 and 3"},
		{l(1, 1, 3, 3, 5, 6), "lines 1, 3 and 5–6"},
		{l(1, 1, 1, 1), "line 1"},
		{nil, ""},
	} {
		if got := linesList(test.lines); got != test.want {
			t.Errorf("%v: %q, want %q", test.lines, got, test.want)
		}
	}
}

func TestCommandIsOneShellWord(t *testing.T) {
	for path, want := range map[string]string{
		"Dockerfile":        "`hitrate check --fix Dockerfile`",
		"a b/Dockerfile":    "`hitrate check --fix 'a b/Dockerfile'`",
		"it's/Dockerfile":   "`hitrate check --fix 'it'\\''s/Dockerfile'`",
		"-rf/Dockerfile":    "`hitrate check --fix './-rf/Dockerfile'`",
		"$(id)/Dockerfile":  "`hitrate check --fix '$(id)/Dockerfile'`",
		"a\nb/Dockerfile":   "",
		"\u202e/Dockerfile": "",
	} {
		if got := fixCommand(path); got != want {
			t.Errorf("%q: %s, want %s", path, got, want)
		}
	}
}

func FuzzMarkdown(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		written := markdown(rules.Text{{Words: "The image "}, {Code: s}, {Words: " moves."}})
		if found := live(written); len(found) > 0 {
			t.Errorf("%q is alive: %v\n%s", s, found, written)
		}
	})
}
