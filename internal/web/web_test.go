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
