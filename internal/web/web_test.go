package web

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func page(t *testing.T, pr PullRequest) string {
	t.Helper()
	out, err := Render(pr)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestSuggestionIsShownRedAndGreen(t *testing.T) {
	got := page(t, PullRequest{Files: []File{{Path: "Dockerfile", Rows: []Row{{
		Kind: "added", New: 2, Text: "COPY . /app", Threads: []Thread{{
			First: 2, Last: 2, Original: []string{"COPY . /app"},
			Comments: []Comment{{Author: "hitrate[bot]", Body: "**Look.**\n\n```suggestion\nCOPY <a> /app/\n```\n"}},
		}},
	}}}}})
	for _, want := range []string{
		`<span class="removed">-COPY . /app</span>`,
		`<span class="added">+COPY &lt;a&gt; /app/</span>`,
		`<strong>Look.</strong>`,
		`Suggested change`,
		`on line 2`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %s in\n%s", want, got)
		}
	}
}

func TestFoldedPartsStayFolded(t *testing.T) {
	got := page(t, PullRequest{Reviews: []Review{{Author: "x", Body: "<details><summary>The edit</summary>\n\n```diff\n--- a/x\n+++ b/x\n-old\n+new\n```\n</details>"}}})
	for _, want := range []string{`<details><summary>The edit</summary>`, `<span class="removed">-old</span>`, `<span class="added">+new</span>`, `<pre>--- a/x`} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestHostileTextStaysText(t *testing.T) {
	evil := "<script>alert(1)</script><img src=x onerror=alert(1)>[x](javascript:alert(1))"
	got := page(t, PullRequest{
		Title: evil, Author: evil, From: evil, Repository: evil,
		Reviews: []Review{{Author: evil, Body: evil + "\n\n```" + evil + "\n" + evil + "\n```"}},
		Checks:  []Check{{Name: evil, Conclusion: evil, Title: evil, Summary: evil}},
		Files:   []File{{Path: evil, Rows: []Row{{Kind: evil, Text: evil, Threads: []Thread{{Original: []string{evil}, Comments: []Comment{{Author: evil, Body: "```suggestion\n" + evil + "\n```"}}}}}}}},
	})
	for _, bad := range []string{"<script", "onerror=alert(1)>\"", "<img src=x onerror", `href="javascript`} {
		if strings.Contains(got, bad) {
			t.Errorf("the page holds %s alive:\n%s", bad, got)
		}
	}
}

// A diagram is drawn as GitHub would; what the page does not know how to draw stays text.
func TestDiagramIsDrawn(t *testing.T) {
	block := func(lines string) string {
		return page(t, PullRequest{Reviews: []Review{{Body: "```mermaid\n" + lines + "\n```"}}})
	}
	got := block("graph LR\n  s0[\"build · rebuilt\"]:::rebuilt\n  s1[\"#60;b#62; · cached\"]:::cached\n  s0 --> s1\n  classDef cached fill:#dafbe1")
	for _, want := range []string{
		`<svg class="diagram" width="`, `viewbox="0 0 `, `<rect class="rebuilt" x="1" y="1" width="144" height="32" rx="5">`, `>build · rebuilt</text>`,
		`>&lt;b&gt; · cached</text>`, `<path class="arrow" d="M145 17 C167 17 `,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page lacks %s in\n%s", want, got)
		}
	}
	for _, other := range []string{"sequenceDiagram\n  A->>B: hi", "graph LR\n  s0[\"x\"]:::cached\n  click s0 href \"https://evil.example\"", "graph LR\n  s0 --> s1"} {
		if got := block(other); strings.Contains(got, "<svg") || !strings.Contains(got, "<pre>") {
			t.Errorf("%q was drawn", other)
		}
	}
}

func TestHandler(t *testing.T) {
	h := Handler(func() (PullRequest, error) { return PullRequest{Title: "One"}, nil })
	for _, c := range []struct {
		method, path string
		want         int
	}{
		{http.MethodGet, "/", 200}, {http.MethodGet, "/other", 404}, {http.MethodPost, "/", 405},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
		if w.Code != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, w.Code, c.want)
		}
	}
}
