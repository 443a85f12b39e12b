package analysis_test

import (
	"context"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// spares are lines that mutations put between those of a Dockerfile.
var spares = []string{
	"RUN apt-get update", "RUN apt-get install -y curl", "RUN apt-get update && apt-get install -y git && rm -rf /var/lib/apt/lists/*",
	"RUN pip install -r requirements.txt", "RUN pip install --no-cache-dir flask==3.0.0", "RUN python -m venv /opt/venv && /opt/venv/bin/pip install -r requirements.txt",
	"RUN --mount=type=cache,target=/root/.cache/pip pip install --no-cache-dir -r requirements.txt", "RUN uv pip install --system -r requirements.txt",
	"RUN npm ci", "RUN yarn install --frozen-lockfile", "RUN poetry install --no-root", "RUN go mod download",
	"COPY . .", "COPY . /app", "COPY --chown=1000:1000 . /app", "COPY requirements.txt ./", "ADD . /srv", "COPY package.json ./",
	"WORKDIR /app", "WORKDIR sub", "USER 1000", "USER root", "ENV PIP_NO_CACHE_DIR=1", "ENV DEBIAN_FRONTEND=noninteractive", "ARG GIT_SHA",
	"ENV GIT_SHA=$GIT_SHA", "LABEL revision=$GIT_SHA", "RUN rm -rf /var/lib/apt/lists/*", "RUN chown -R app:app /app", "RUN git clone https://github.com/a/b /b",
	"RUN touch x && rm y", "SHELL [\"/bin/bash\", \"-euc\"]", "FROM python:3.12 AS next", "COPY --from=0 /app /app", "# a comment", "", "ONBUILD COPY . .",
	"RUN set -e; apt-get install -y make; make", "RUN <<EOF\napt-get update\napt-get install -y jq\nEOF", "VOLUME /app", "ENTRYPOINT [\"./run\"]",
}

// mutate changes some lines of a text: it swaps, drops, doubles and inserts them.
func mutate(text string, seed uint64) string {
	if seed == 0 {
		return text
	}
	r := rand.New(rand.NewPCG(seed, 1))
	lines := strings.SplitAfter(text, "\n")
	for range 1 + r.IntN(6) {
		i, j := r.IntN(len(lines)), r.IntN(len(lines))
		switch r.IntN(6) {
		case 0:
			lines[i], lines[j] = lines[j], lines[i]
		case 1:
			if len(lines) > 1 {
				lines = slices.Delete(lines, i, i+1)
			}
		case 2:
			lines = slices.Insert(lines, j, lines[i])
		default:
			lines = slices.Insert(lines, i, spares[r.IntN(len(spares))]+"\n")
		}
	}
	return strings.Join(lines, "")
}

// FuzzRepository mutates a Dockerfile by bytes and by lines, and the files that it reads: the analysis
// never panics, and what it suggests leaves a file that BuildKit takes as it took the original, with the
// findings settled and no new ones, for each suggestion alone and for all.
func FuzzRepository(f *testing.F) {
	archives, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(archives) == 0 {
		f.Fatal("no archives", err)
	}
	for n, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for i, file := range archive.Files {
			if base := filepath.Base(file.Name); base == "Dockerfile" || strings.HasPrefix(base, "Dockerfile.") {
				f.Add(file.Data, "flask==3.0.0\nrequests\n", ".git\n.venv\nnode_modules\n", `{"dependencies": {"a": "1.0.0"}}`, uint64(n*100+i))
			}
		}
	}
	f.Add([]byte("FROM python:3.12\nCOPY . .\nRUN pip install -r requirements.txt\n"), "-r requirements/dev.txt\n-c \\\n constraints.txt\n-e .\n", "*\n!requirements*\n", `{"scripts": {"prepare": "husky"}}`, uint64(7))
	f.Fuzz(func(t *testing.T, dockerfile []byte, requirements, ignore, packageJSON string, seed uint64) {
		if len(dockerfile)+len(requirements)+len(ignore)+len(packageJSON) > 4000 {
			return
		}
		files := maps.Clone(small)
		files["Dockerfile"], files["requirements.txt"] = mutate(string(dockerfile), seed), requirements
		files[".dockerignore"], files["package.json"] = ignore, packageJSON
		if strings.Contains(ignore, "\x00") { // no ignore file
			delete(files, ".dockerignore")
		}
		holdsWhenApplied(t, files)
	})
}

// holdsWhenApplied makes each suggestion for the Dockerfile of a small repository alone, and all of
// them, and returns how many there are.
func holdsWhenApplied(t *testing.T, files map[string]string) int {
	t.Helper()
	before := analyseTexts(t, files)
	if len(before.Suggestions) == 0 {
		return 0
	}
	sets := [][]analysis.Suggestion{before.Suggestions}
	for _, s := range before.Suggestions {
		sets = append(sets, []analysis.Suggestion{s})
	}
	for _, chosen := range sets {
		changed := applied(files, chosen)
		after := analyseTexts(t, changed)
		for _, p := range append(after.Errors, after.Skipped...) {
			t.Errorf("the edited file is refused: %s\n%s", p.Message, changed["Dockerfile"])
		}
		left := map[string]int{}
		for i, found := range before.Findings {
			if !slices.ContainsFunc(chosen, func(s analysis.Suggestion) bool { return slices.Contains(s.Findings, i) }) {
				left[identity(found)]++
			}
		}
		for _, found := range after.Findings {
			if left[identity(found)]--; left[identity(found)] < 0 {
				t.Errorf("the edited file has another %s\n%s", identity(found), changed["Dockerfile"])
			}
		}
	}
	return len(before.Suggestions)
}

// TestMutations is FuzzRepository without its search: it changes the lines of the archives' Dockerfiles
// at random. HITRATE_MUTATIONS is how often; HITRATE_CORPUS adds the Dockerfiles of real repositories.
func TestMutations(t *testing.T) {
	rounds := 200
	if n, err := strconv.Atoi(os.Getenv("HITRATE_MUTATIONS")); err == nil {
		rounds = n
	}
	var texts []string
	archives, _ := filepath.Glob("testdata/*.txtar")
	for _, name := range archives {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range archive.Files {
			if base := path.Base(file.Name); strings.HasPrefix(base, "Dockerfile") {
				texts = append(texts, string(file.Data))
			}
		}
	}
	if dir := os.Getenv("HITRATE_CORPUS"); dir != "" {
		_ = filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() && strings.HasPrefix(strings.ToLower(e.Name()), "dockerfile") {
				if data, err := os.ReadFile(p); err == nil && len(data) < 4000 {
					texts = append(texts, string(data))
				}
			}
			return nil
		})
	}
	suggestions := 0
	for n := 1; n <= rounds && !t.Failed(); n++ {
		seed := uint64(n)
		files := maps.Clone(small)
		files["Dockerfile"] = mutate(texts[n%len(texts)], seed)
		files["requirements.txt"] = mutate(files["requirements.txt"], seed*uint64(n%2))
		if n%3 == 0 {
			delete(files, ".dockerignore")
		}
		suggestions += holdsWhenApplied(t, files)
		if t.Failed() {
			t.Logf("seed %d of:\n%s", seed, files["Dockerfile"])
		}
	}
	if suggestions == 0 {
		t.Error("no suggestion in all of them")
	}
	t.Logf("%d files from %d, %d suggestions", rounds, len(texts), suggestions)
}

// small are the files of the repository that mutations are tried in.
var small = map[string]string{
	"requirements.txt": "flask==3.0.0\nrequests\n", ".dockerignore": ".git\n.venv\n**/node_modules\nvenv\n", "package.json": `{"dependencies": {"a": "1.0.0"}}`,
	"package-lock.json": "{}", "yarn.lock": "", "pyproject.toml": "[project]\nname = \"a\"\n", "poetry.lock": "", "go.mod": "module a\n", "go.sum": "",
	"requirements/dev.txt": "pytest\n", "app.py": "", "run": "",
}

// analyseTexts looks at a small repository in process.
func analyseTexts(t *testing.T, files map[string]string) analysis.Report {
	repo := newRepository(files)
	run := func(ctx context.Context, req analysis.Request) (analysis.Report, error) {
		return analysis.Run(ctx, req), nil
	}
	report, err := analysis.Complete(t.Context(), run, analysis.Request{Config: config.Defaults(), Tree: repo.tree}, func(_ context.Context, e buildcontext.Entry) ([]byte, error) {
		return repo.texts[e.Object], nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return report
}
