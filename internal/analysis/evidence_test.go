package analysis_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// past makes the history of a repository of which each commit changed one file, newest first.
func (r repository) past(t *testing.T, changed ...string) *buildcontext.History {
	t.Helper()
	h := &buildcontext.History{Branch: "main", Tree: r.tree}
	now := map[string]buildcontext.Entry{}
	for _, e := range r.tree {
		now[e.Path] = e
	}
	for i, p := range changed {
		is, ok := now[p]
		if !ok {
			t.Fatalf("no file %s", p)
		}
		was := is
		was.Object = fmt.Sprintf("%040d", i+1)
		h.Commits = append(h.Commits, buildcontext.Commit{
			ID: fmt.Sprint(i), Changes: []buildcontext.Change{{Old: was, New: is}},
		})
		now[p] = was
	}
	return h
}

func TestEvidence(t *testing.T) {
	const ignore = "\n.git\n.venv\n"
	tests := []struct {
		name, dockerfile string
		files            map[string]string
		changed          []string
		want             string
	}{
		{
			name:       "the install runs when its manifest changes",
			dockerfile: "FROM python:3.11\nCOPY . /app\nWORKDIR /app\nRUN pip install --no-cache-dir -r requirements.txt\nCMD [\"python\", \"app.py\"]\n",
			changed:    []string{"app.py", "app.py", "requirements.txt", "app.py", "README.md"},
			want: `5 of main, 1 suggestions
2 COPY: 4, alone 4, all 4
3 WORKDIR: 4, alone 1, all 1
4 RUN (the pip install): 4, alone 1, all 1
`,
		},
		{
			name: "two suggestions, each alone and both",
			dockerfile: "FROM debian:12 AS a\nCOPY . /app\nWORKDIR /app\nRUN npm ci\n" +
				"FROM python:3.11\nCOPY . /app\nWORKDIR /app\nRUN pip install --no-cache-dir -r requirements.txt\nCOPY --from=a /app/node_modules /app/node_modules\n",
			files:   map[string]string{"package.json": "{}", "package-lock.json": "{}", ".dockerignore": "README.md\nnode_modules\n.git\n.venv\n"},
			changed: []string{"app.py", "package.json", "requirements.txt", "app.py"},
			want: `4 of main, 2 suggestions
2 COPY: 4, alone 4, alone 4, all 4
3 WORKDIR: 4, alone 1, alone 4, all 1
4 RUN (the npm install): 4, alone 1, alone 4, all 1
6 COPY: 4, alone 4, alone 4, all 4
7 WORKDIR: 4, alone 4, alone 1, all 1
8 RUN (the pip install): 4, alone 4, alone 1, all 1
9 COPY: 4, alone 4, alone 4, all 4
`,
		},
		{
			name:       "an argument that is another each time, and nothing to suggest",
			dockerfile: "FROM python:3.11\nRUN a\nARG SHA\nRUN b\nCOPY README.md /\n",
			files: map[string]string{".github/workflows/ci.yml": "on: push\njobs:\n  b:\n    runs-on: ubuntu-latest\n    steps:\n" +
				"      - uses: docker/build-push-action@v6\n        with:\n          context: .\n          build-args: SHA=${{ github.sha }}\n"},
			changed: []string{"app.py", "README.md", "app.py"},
			want: `3 of main, 0 suggestions
2 RUN: 0
4 RUN: 3
5 COPY: 3
`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{
				"Dockerfile": tt.dockerfile, "app.py": "print(1)\n", "requirements.txt": "fastapi==1\n", "README.md": "# app\n",
				".dockerignore": "README.md" + ignore,
			}
			for p, text := range tt.files {
				files[p] = text
			}
			if strings.Contains(tt.dockerfile, "README.md") {
				files[".dockerignore"] = ignore
			}
			repo := newRepository(files)
			report := repo.analyse(t, analysis.Request{Config: config.Defaults(), Dockerfiles: []string{"Dockerfile"}, History: repo.past(t, tt.changed...)})
			if diff := cmp.Diff(tt.want, describeEvidence(report)); diff != "" {
				t.Errorf("-want +got:\n%s\n%s", diff, describe(report))
			}
		})
	}
}

func describeEvidence(r analysis.Report) string {
	var b strings.Builder
	for _, p := range r.Dockerfiles[0].Plans {
		e := p.History
		if e == nil {
			return "not counted\n"
		}
		fmt.Fprintf(&b, "%d of %s, %d suggestions\n", e.Commits, e.Branch, len(e.Alone))
		for i, s := range p.Steps {
			word, _, _ := strings.Cut(s.Instruction, " ")
			fmt.Fprintf(&b, "%d %s", s.Lines.First, word)
			if s.Installs != "" {
				fmt.Fprintf(&b, " (%s)", s.Installs)
			}
			fmt.Fprintf(&b, ": %s", amount(e.Steps[i]))
			for _, alone := range e.Alone {
				fmt.Fprintf(&b, ", alone %s", amount(alone[i]))
			}
			if e.All != nil {
				fmt.Fprintf(&b, ", all %s", amount(e.All[i]))
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func amount(c analysis.Count) string {
	switch {
	case c.Gone:
		return "gone"
	case c.Maybe > 0:
		return fmt.Sprintf("%d to %d", c.Rerun, c.Rerun+c.Maybe)
	}
	return fmt.Sprint(c.Rerun)
}
