package fix_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/buildcache"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/dockerfile"
	"github.com/hitrate-bot/hitrate/internal/fix"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// inputOf is a Dockerfile at the root of a small repository.
func inputOf(t testing.TB, text []byte, files map[string]string) (rules.Input, bool) {
	t.Helper()
	file, err := dockerfile.Parse(source.New("Dockerfile", text))
	if err != nil {
		return rules.Input{}, false
	}
	entries := []buildcontext.Entry{{Path: "Dockerfile", Mode: buildcontext.ModeFile, Object: "Dockerfile"}}
	for p := range files {
		entries = append(entries, buildcontext.Entry{Path: p, Mode: buildcontext.ModeFile, Object: p})
	}
	read := func(p string) (*source.File, error) {
		text, ok := files[p]
		if !ok {
			return nil, fs.ErrNotExist
		}
		return source.New(p, []byte(text)), nil
	}
	build := buildcontext.Build{Dockerfile: "Dockerfile", Kind: buildcontext.Local, Context: "."}
	c, err := buildcontext.Open(buildcontext.NewTree(entries), build, func(p string) ([]byte, error) { return []byte(files[p]), nil })
	if err != nil {
		t.Fatal(err)
	}
	return rules.Input{File: file, Context: c, Builds: []buildcontext.Build{build}, Config: config.Defaults(), Read: read}, true
}

var repository = map[string]string{
	"requirements.txt":     "-r more/base.txt\nflask==3.0\n",
	"more/base.txt":        "jinja2==3.1\n",
	"dev-requirements.txt": "pytest==8.0\n",
	"pyproject.toml":       "[project]\nname = 'x'\nversion = '1'\n",
	"uv.lock":              "version = 1\n",
	"app.py":               "x\n",
	"src/app.py":           "x\n",
	".dockerignore":        ".venv\n",
}

// all returns the instructions of a keyword.
func all(f *dockerfile.File, keyword string) []*dockerfile.Instruction {
	return slices.DeleteFunc(slices.Clone(f.Instructions), func(i *dockerfile.Instruction) bool { return i.Keyword != keyword })
}

// TestWrongUnits proves that an edit is not believed what it declares: each of these declares an
// effect and does something else, or has an effect that is wrong for the file.
func TestWrongUnits(t *testing.T) {
	const text = "FROM python:3.12\nCOPY . /app\nWORKDIR /app\nRUN pip install -r requirements.txt\nCMD [\"x\"]\n"
	type unit = rules.Unit
	replace := func(f *dockerfile.File, old, new string) source.Edit {
		at := strings.Index(string(f.Source.Data), old)
		return source.Edit{Span: source.Span{Start: at, End: at + len(old)}, New: new}
	}
	move := func(f *dockerfile.File, copied, run string) []source.Edit {
		return []source.Edit{replace(f, "COPY . /app", copied), replace(f, "RUN pip install -r requirements.txt", run)}
	}
	const run = "RUN pip install -r requirements.txt"
	for _, c := range []struct {
		name string
		unit func(f *dockerfile.File) unit
		want rules.Reason // "" is proven
	}{
		{"right", func(f *dockerfile.File) unit {
			return unit{Edits: move(f, "COPY requirements.txt /app/\nCOPY more/base.txt /app/more/", run+"\nCOPY . /app"), Effects: []rules.Effect{
				rules.AddCopy{Of: all(f, "COPY")[0], Sources: []string{"requirements.txt"}, Dest: "/app/"},
				rules.AddCopy{Of: all(f, "COPY")[0], Sources: []string{"more/base.txt"}, Dest: "/app/more/"},
				rules.MoveStep{Step: all(f, "COPY")[0], Below: all(f, "RUN")[0]},
			}}
		}, ""},
		{"no effect declared", func(f *dockerfile.File) unit {
			return unit{Edits: []source.Edit{replace(f, "COPY . /app", "COPY . /app ")}}
		}, rules.NotProven},
		{"an include is not copied", func(f *dockerfile.File) unit {
			return unit{Edits: move(f, "COPY requirements.txt /app/", run+"\nCOPY . /app"), Effects: []rules.Effect{
				rules.AddCopy{Of: all(f, "COPY")[0], Sources: []string{"requirements.txt"}, Dest: "/app/"},
				rules.MoveStep{Step: all(f, "COPY")[0], Below: all(f, "RUN")[0]},
			}}
		}, rules.ManifestMissing},
		{"includes in one folder", func(f *dockerfile.File) unit {
			return unit{Edits: move(f, "COPY requirements.txt more/base.txt /app/", run+"\nCOPY . /app"), Effects: []rules.Effect{
				rules.AddCopy{Of: all(f, "COPY")[0], Sources: []string{"requirements.txt", "more/base.txt"}, Dest: "/app/"},
				rules.MoveStep{Step: all(f, "COPY")[0], Below: all(f, "RUN")[0]},
			}}
		}, rules.DestinationOpen},
		{"the destination is a file", func(f *dockerfile.File) unit {
			return unit{Edits: move(f, "COPY requirements.txt /app", run+"\nCOPY . /app"), Effects: []rules.Effect{
				rules.AddCopy{Of: all(f, "COPY")[0], Sources: []string{"requirements.txt"}, Dest: "/app"},
				rules.MoveStep{Step: all(f, "COPY")[0], Below: all(f, "RUN")[0]},
			}}
		}, rules.DestinationOpen},
		{"the source is gone", func(f *dockerfile.File) unit {
			return unit{Edits: move(f, "COPY requirements.txt /app/\nCOPY more/base.txt /app/more/", run), Effects: []rules.Effect{
				rules.AddCopy{Of: all(f, "COPY")[0], Sources: []string{"requirements.txt"}, Dest: "/app/"},
				rules.AddCopy{Of: all(f, "COPY")[0], Sources: []string{"more/base.txt"}, Dest: "/app/more/"},
				rules.MoveStep{Step: all(f, "COPY")[0], Below: all(f, "RUN")[0]},
			}}
		}, rules.ChangesSteps},
		{"the copy changed on the way", func(f *dockerfile.File) unit {
			return unit{Edits: move(f, "COPY requirements.txt /app/\nCOPY more/base.txt /app/more/", run+"\nCOPY . /srv"), Effects: []rules.Effect{
				rules.AddCopy{Of: all(f, "COPY")[0], Sources: []string{"requirements.txt"}, Dest: "/app/"},
				rules.AddCopy{Of: all(f, "COPY")[0], Sources: []string{"more/base.txt"}, Dest: "/app/more/"},
				rules.MoveStep{Step: all(f, "COPY")[0], Below: all(f, "RUN")[0]},
			}}
		}, rules.ChangesSteps},
		{"another owner", func(f *dockerfile.File) unit {
			return unit{Edits: move(f, "COPY --chown=1 requirements.txt /app/\nCOPY more/base.txt /app/more/", run+"\nCOPY . /app"), Effects: []rules.Effect{
				rules.AddCopy{Of: all(f, "COPY")[0], Sources: []string{"requirements.txt"}, Dest: "/app/"},
				rules.AddCopy{Of: all(f, "COPY")[0], Sources: []string{"more/base.txt"}, Dest: "/app/more/"},
				rules.MoveStep{Step: all(f, "COPY")[0], Below: all(f, "RUN")[0]},
			}}
		}, rules.ChangesSteps},
		{"the right mount", func(f *dockerfile.File) unit {
			return unit{Edits: []source.Edit{replace(f, "RUN ", "RUN --mount=type=cache,target=/root/.cache/pip ")}, Effects: []rules.Effect{
				rules.AddCacheMount{Step: all(f, "RUN")[0], Tool: "pip", Target: "/root/.cache/pip"},
			}}
		}, ""},
		{"a mount somewhere else than declared", func(f *dockerfile.File) unit {
			return unit{Edits: []source.Edit{replace(f, "RUN ", "RUN --mount=type=cache,target=/app ")}, Effects: []rules.Effect{
				rules.AddCacheMount{Step: all(f, "RUN")[0], Tool: "pip", Target: "/root/.cache/pip"},
			}}
		}, rules.ChangesSteps},
		{"a mount where no cache is", func(f *dockerfile.File) unit {
			return unit{Edits: []source.Edit{replace(f, "RUN ", "RUN --mount=type=cache,target=/app ")}, Effects: []rules.Effect{
				rules.AddCacheMount{Step: all(f, "RUN")[0], Tool: "pip", Target: "/app"},
			}}
		}, rules.CacheElsewhere},
		{"another kind of mount", func(f *dockerfile.File) unit {
			return unit{Edits: []source.Edit{replace(f, "RUN ", "RUN --mount=type=tmpfs,target=/root/.cache/pip ")}, Effects: []rules.Effect{
				rules.AddCacheMount{Step: all(f, "RUN")[0], Tool: "pip", Target: "/root/.cache/pip"},
			}}
		}, rules.ChangesSteps},
		{"a mount with more options", func(f *dockerfile.File) unit {
			return unit{Edits: []source.Edit{replace(f, "RUN ", "RUN --mount=type=cache,target=/root/.cache/pip,from=busybox ")}, Effects: []rules.Effect{
				rules.AddCacheMount{Step: all(f, "RUN")[0], Tool: "pip", Target: "/root/.cache/pip"},
			}}
		}, rules.ChangesSteps},
		{"a mount and another command", func(f *dockerfile.File) unit {
			return unit{Edits: []source.Edit{replace(f, "RUN ", "RUN --mount=type=cache,target=/root/.cache/pip rm -rf / && ")}, Effects: []rules.Effect{
				rules.AddCacheMount{Step: all(f, "RUN")[0], Tool: "pip", Target: "/root/.cache/pip"},
			}}
		}, rules.ChangesSteps},
		{"a flag and another word", func(f *dockerfile.File) unit {
			at := strings.Index(text, " -r")
			return unit{Edits: []source.Edit{{Span: source.Span{Start: at, End: at}, New: " --no-cache-dir --user"}}, Effects: []rules.Effect{
				rules.AddFlag{Step: all(f, "RUN")[0], Command: all(f, "RUN")[0].Run().Commands[0], Flag: "--no-cache-dir"},
			}}
		}, rules.NotProven},
		{"a flag that the tool has not", func(f *dockerfile.File) unit {
			at := strings.Index(text, " -r")
			return unit{Edits: []source.Edit{{Span: source.Span{Start: at, End: at}, New: " --no-cache"}}, Effects: []rules.Effect{
				rules.AddFlag{Step: all(f, "RUN")[0], Command: all(f, "RUN")[0].Run().Commands[0], Flag: "--no-cache"},
			}}
		}, rules.NotProven},
		{"the image changes too", func(f *dockerfile.File) unit {
			return unit{Edits: []source.Edit{replace(f, "RUN ", "RUN --mount=type=cache,target=/root/.cache/pip "), replace(f, "[\"x\"]", "[\"y\"]")}, Effects: []rules.Effect{
				rules.AddCacheMount{Step: all(f, "RUN")[0], Tool: "pip", Target: "/root/.cache/pip"},
			}}
		}, rules.ChangesSteps},
		{"another base image", func(f *dockerfile.File) unit {
			return unit{Edits: []source.Edit{replace(f, "RUN ", "RUN --mount=type=cache,target=/root/.cache/pip "), replace(f, "3.12", "3.13")}, Effects: []rules.Effect{
				rules.AddCacheMount{Step: all(f, "RUN")[0], Tool: "pip", Target: "/root/.cache/pip"},
			}}
		}, rules.ChangesSteps},
		{"it does not parse any more", func(f *dockerfile.File) unit {
			return unit{Edits: []source.Edit{replace(f, "RUN ", "RUM ")}, Effects: []rules.Effect{
				rules.AddCacheMount{Step: all(f, "RUN")[0], Tool: "pip", Target: "/root/.cache/pip"},
			}}
		}, rules.DoesNotParse},
		{"an edit outside the file", func(f *dockerfile.File) unit {
			return unit{Edits: []source.Edit{{Span: source.Span{Start: 10_000, End: 10_001}}}, Effects: []rules.Effect{
				rules.AddCacheMount{Step: all(f, "RUN")[0], Tool: "pip", Target: "/root/.cache/pip"},
			}}
		}, rules.Internal},
		{"an update that is none", func(f *dockerfile.File) unit {
			return unit{Edits: []source.Edit{replace(f, "WORKDIR", "workdir")}, Effects: []rules.Effect{
				rules.MergeUpdate{Update: all(f, "RUN")[0], Into: []*dockerfile.Instruction{all(f, "RUN")[0]}},
			}}
		}, rules.UpdateDoesMore},
	} {
		t.Run(c.name, func(t *testing.T) {
			in, ok := inputOf(t, []byte(text), repository)
			if !ok {
				t.Fatal("the Dockerfile does not parse")
			}
			findings := rules.Run(in)
			unit := c.unit(in.File)
			rule := "pip-cache-kept"
			if slices.ContainsFunc(unit.Effects, func(e rules.Effect) bool { _, ok := e.(rules.AddCopy); return ok }) {
				rule = "copy-before-install"
			}
			at := -1
			for i := range findings {
				findings[i].Unit = nil
				if findings[i].Rule == rule {
					at = i
					findings[i].Unit = &unit
				}
			}
			if at < 0 {
				t.Fatalf("no finding of %s", rule)
			}
			r := fix.Prove(t.Context(), in, findings)
			if got := r.Withheld[at]; got != c.want || (c.want == "") != (len(r.Suggestions) == 1) {
				t.Errorf("withheld %q with %d suggestions, want %q", got, len(r.Suggestions), c.want)
			}
		})
	}
}

// TestArgumentPastABuild moves an ARG below an install whose manifest has something of the repository built, which may
// read every variable.
func TestArgumentPastABuild(t *testing.T) {
	for _, c := range []struct {
		name, install string
		manifests     map[string]string
		want          rules.Reason
	}{
		{"pip, a path", "pip install -r requirements.txt", map[string]string{"requirements.txt": "flask==3.0\n./lib\n"}, rules.MayReadVariable},
		{"pip, a path in an included file", "pip install -r requirements.txt", map[string]string{"requirements.txt": "-r base.txt\n", "base.txt": "lib @ file:./lib\n"}, rules.MayReadVariable},
		{"pip, a copy of the file", "cp requirements.txt /tmp/r.txt && pip install -r /tmp/r.txt", map[string]string{"requirements.txt": "-e .\n"}, rules.MayReadVariable},
		{"pip, a file of nobody's", "pip install -r /opt/requirements.txt", map[string]string{"requirements.txt": "flask==3.0\n"}, rules.MayReadVariable},
		{"pip, the variable", "pip install -r requirements.txt", map[string]string{"requirements.txt": "acme==${GIT_SHA}\n"}, rules.VariableUsed},
		{"pip, versions", "pip install -r requirements.txt", map[string]string{"requirements.txt": "flask==3.0\n"}, rules.NotSettled}, // the edit is right, and not for this finding
		{"poetry, a path", "poetry install --no-root", map[string]string{"pyproject.toml": "[tool.poetry]\nname = 'x'\n[tool.poetry.dependencies]\nlib = { path = 'lib' }\n", "poetry.lock": ""}, rules.MayReadVariable},
		{"poetry, versions", "poetry install --no-root", map[string]string{"pyproject.toml": "[tool.poetry]\nname = 'x'\n[tool.poetry.dependencies]\nlib = '^1'\n", "poetry.lock": ""}, rules.NotSettled},
		{"npm, a hook", "pip install flask==3.0 && npm ci", map[string]string{"package.json": `{"scripts": {"postinstall": "node hook.js"}}`, "package-lock.json": "{}"}, rules.MayReadVariable},
		{"npm, a folder", "pip install flask==3.0 && npm ci", map[string]string{"package.json": `{"dependencies": {"lib": "file:lib"}}`, "package-lock.json": "{}"}, rules.MayReadVariable},
		{"npm, versions", "pip install flask==3.0 && npm ci", map[string]string{"package.json": `{"dependencies": {"left-pad": "1.3.0"}}`, "package-lock.json": "{}"}, rules.NotSettled},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "FROM python:3.12\nWORKDIR /app\nARG GIT_SHA\nCOPY lib lib/\nCOPY " + strings.Join(slices.Sorted(maps.Keys(c.manifests)), " ") + " ./\nRUN " + c.install + "\n"
			files := maps.Clone(c.manifests)
			files["lib/setup.py"] = "x\n"
			in, _ := inputOf(t, []byte(text), files)
			findings := rules.Run(in)
			at := slices.IndexFunc(findings, func(f rules.Finding) bool { return f.Rule == "pip-cache-kept" })
			if at < 0 {
				t.Fatal("no finding to carry the edit")
			}
			for i := range findings {
				findings[i].Unit = nil
			}
			arg, run := all(in.File, "ARG")[0], all(in.File, "RUN")[0]
			findings[at].Unit = &rules.Unit{
				Edits: []source.Edit{
					{Span: source.Span{Start: arg.Span.Start, End: arg.Span.End + 1}},
					{Span: source.Span{Start: len(text), End: len(text)}, New: "ARG GIT_SHA\n"},
				},
				Effects: []rules.Effect{rules.MoveEnv{Step: arg, Below: run}},
			}
			if got := fix.Prove(t.Context(), in, findings).Withheld[at]; got != c.want {
				t.Errorf("withheld %q, want %q", got, c.want)
			}
		})
	}
}

// TestManifestOfAnotherCopy moves a COPY of what a manifest names that another COPY, or a mount, brings.
func TestManifestOfAnotherCopy(t *testing.T) {
	for _, c := range []struct{ name, manifests, install, text string }{
		{"uv, a path", "pyproject.toml uv.lock", "uv sync --locked --no-install-project", "[project]\nname = 'x'\nversion = '1'\n[tool.uv.sources]\nlib = { path = '../srv/lib' }\n"},
		{"pip, a path", "requirements.txt", "pip install -r requirements.txt", "-e /srv/lib\n"},
		{"pip, nothing of the source", "requirements.txt", "pip install -r requirements.txt", ""},
		{"pip, a path, in a mount", "uv.lock", "--mount=type=bind,source=requirements.txt,target=/tmp/r.txt pip install -r /tmp/r.txt", "-e /srv/lib\n"},
		{"pip, nothing of the source, in a mount", "uv.lock", "--mount=type=bind,source=requirements.txt,target=/tmp/r.txt pip install -r /tmp/r.txt", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := "FROM python:3.12\nWORKDIR /app\nCOPY " + c.manifests + " ./\nCOPY lib/ /srv/lib/\nRUN " + c.install + "\n"
			files := map[string]string{"lib/a.py": "x\n", "pyproject.toml": c.text, "uv.lock": "version = 1\n", "requirements.txt": "flask==3.0\n" + c.text}
			in, _ := inputOf(t, []byte(text), files)
			findings := rules.Run(in)
			at := slices.IndexFunc(findings, func(f rules.Finding) bool { return f.Rule == "pip-cache-kept" })
			if at < 0 {
				t.Fatal("no finding to carry the edit")
			}
			for i := range findings {
				findings[i].Unit = nil
			}
			copied, run := all(in.File, "COPY")[1], all(in.File, "RUN")[0]
			findings[at].Unit = &rules.Unit{
				Edits: []source.Edit{
					{Span: source.Span{Start: copied.Span.Start, End: run.Span.Start}},
					{Span: source.Span{Start: len(text), End: len(text)}, New: "COPY lib/ /srv/lib/\n"},
				},
				Effects: []rules.Effect{rules.MoveStep{Step: copied, Below: run}},
			}
			want := rules.NeedsSource
			if c.text == "" {
				want = rules.NotSettled // the edit is right, and not for this finding
			}
			if got := fix.Prove(t.Context(), in, findings).Withheld[at]; got != want {
				t.Errorf("withheld %q, want %q", got, want)
			}
		})
	}
}

// TestManySuggestions has more suggestions than every subset is tried of, and more than are offered.
func TestManySuggestions(t *testing.T) {
	for _, n := range []int{3, 8, 30} {
		var b strings.Builder
		b.WriteString("FROM python:3.12\nCOPY requirements.txt more ./\n")
		for i := range n {
			fmt.Fprintf(&b, "RUN pip install package%d==1\nENV A%d=1\n", i, i)
		}
		in, _ := inputOf(t, []byte(b.String()), repository)
		findings := rules.Run(in)
		r := fix.Prove(t.Context(), in, findings)
		want := min(n, 20)
		if len(r.Suggestions) != want || len(r.Withheld) != n-want {
			t.Errorf("%d findings: %d suggestions and %d withheld, want %d and %d", n, len(r.Suggestions), len(r.Withheld), want, n-want)
		}
		for _, reason := range r.Withheld {
			if reason != rules.TooManyEdits {
				t.Errorf("withheld: %s", reason)
			}
		}
	}
}

// TestWorkIsBounded: a file so large that few subsets can be tried gets its costliest edits only.
func TestWorkIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("FROM python:3.12\n")
	for i := range 900 {
		fmt.Fprintf(&b, "RUN pip install package%d==1\n", i)
	}
	in, _ := inputOf(t, []byte(b.String()), repository)
	findings := rules.Run(in)
	r := fix.Prove(t.Context(), in, findings)
	if len(r.Suggestions) == 0 || len(r.Suggestions) > 5 || len(r.Suggestions)+len(r.Withheld) != len(findings) {
		t.Errorf("%d findings: %d suggestions and %d withheld", len(findings), len(r.Suggestions), len(r.Withheld))
	}
}

func TestTimeIsUp(t *testing.T) {
	in, _ := inputOf(t, []byte("FROM python:3.12\nRUN pip install flask\n"), repository)
	findings := rules.Run(in)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := fix.Prove(ctx, in, findings)
	if len(r.Suggestions) != 0 {
		t.Errorf("suggestions without time: %v", r.Suggestions)
	}
	for i, f := range findings {
		if f.Unit != nil && r.Withheld[i] != rules.OutOfTime {
			t.Errorf("finding %d: withheld %q, want %q", i, r.Withheld[i], rules.OutOfTime)
		}
	}
}

func TestNotText(t *testing.T) {
	in, ok := inputOf(t, []byte("FROM python:3.12\nRUN pip install flask # \xff\n"), repository)
	if !ok {
		t.Skip("BuildKit refuses the file")
	}
	findings := rules.Run(in)
	r := fix.Prove(t.Context(), in, findings)
	for i, f := range findings {
		if f.Unit != nil && r.Withheld[i] != rules.NotText {
			t.Errorf("finding %d: withheld %q, want %q", i, r.Withheld[i], rules.NotText)
		}
	}
	if len(r.Suggestions) != 0 {
		t.Errorf("suggestions for a file that is no text: %v", r.Suggestions)
	}
}

func FuzzProve(f *testing.F) {
	for _, seed := range []string{
		"FROM python:3.11\nCOPY . /app\nWORKDIR /app\nRUN pip install -r requirements.txt\nCMD [\"python\", \"app.py\"]\n",
		"FROM debian:12\nRUN apt-get update\nRUN apt-get install -y gcc\nRUN pip install flask",
		"# syntax=docker/dockerfile:1\nFROM python:3.12 AS a\r\nCOPY --chown=1 . .\r\nRUN <<EOF\r\npip install -r requirements.txt\r\nEOF\r\n",
		"FROM python:3.12\nWORKDIR /a\nCOPY . .\n# c\nRUN pip install \\\n # x\n\n -r requirements.txt && uv pip install -r dev-requirements.txt\nFROM python:3.12\nCOPY --from=0 /a /a\nRUN pip install x",
		"# escape=`\nFROM python:3.12\nCOPY [\".\", \"/a\"]\nRUN cd /a; pip install `\n -r requirements.txt",
		"FROM python:3.12\nCOPY . /app\nRUN uv sync --frozen --no-install-project\nONBUILD RUN pip install x\nUSER a\nRUN pip install y",
		"FROM python:3.12\nADD . /a\nRUN apt-get update\nENV B=c\nRUN set -e; apt-get install -y x\nRUN cd /a && python -m venv .venv && .venv/bin/pip install -r requirements.txt",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 2000 {
			return
		}
		in, ok := inputOf(t, text, repository)
		if !ok {
			return
		}
		findings := rules.Run(in)
		r := fix.Prove(t.Context(), in, findings)
		holds(t, in, findings, r)
		r.Suggestions = ofDockerfile(r.Suggestions)
		again := fix.Prove(t.Context(), in, findings)
		again.Suggestions = ofDockerfile(again.Suggestions)
		if cmp.Diff(r, again, cmpopts.IgnoreUnexported(fix.Result{})) != "" {
			t.Errorf("another result the second time:\n%s", cmp.Diff(r, again, cmpopts.IgnoreUnexported(fix.Result{})))
		}
		// The tool on its own output comes to an end, and never finds again what it settled.
		after := fix.Apply(in.File.Source, r.Suggestions)
		for rounds := 0; len(r.Suggestions) > 0; rounds++ {
			before := len(findings)
			if in, ok = inputOf(t, after, repository); !ok {
				t.Fatalf("the edited file does not parse:\n%s", after)
			}
			findings = rules.Run(in)
			if len(findings) >= before || rounds > 20 {
				t.Fatalf("%d findings became %d after the edits:\n%s", before, len(findings), after)
			}
			r = fix.Prove(t.Context(), in, findings)
			holds(t, in, findings, r)
			r.Suggestions = ofDockerfile(r.Suggestions)
			after = fix.Apply(in.File.Source, r.Suggestions)
		}
	})
}

// ofDockerfile are the suggestions without that of the ignore file, which is the last one.
func ofDockerfile(all []fix.Suggestion) []fix.Suggestion {
	if n := len(all); n > 0 && all[n-1].Path != "Dockerfile" {
		return all[:n-1]
	}
	return all
}

// holds checks what is promised of every result.
func holds(t *testing.T, in rules.Input, findings []rules.Finding, r fix.Result) {
	t.Helper()
	src := in.File.Source
	settled := map[int]bool{}
	own := ofDockerfile(r.Suggestions)
	for _, s := range r.Suggestions[len(own):] {
		if s.Path != ".dockerignore" || !strings.HasSuffix(s.Replacement, "\n.git") {
			t.Errorf("the last suggestion is none of the ignore file: %v", s)
		}
		settled[s.Findings[0]] = true
	}
	for i, s := range own {
		if s.Lines.First < 1 || s.Lines.Last > src.LineCount() || s.Lines.First > s.Lines.Last {
			t.Errorf("lines %v of %d", s.Lines, src.LineCount())
		}
		if i > 0 && s.Lines.First <= r.Suggestions[i-1].Lines.Last {
			t.Errorf("suggestions %d and %d share a line", i-1, i)
		}
		for _, f := range s.Findings {
			if settled[f] {
				t.Errorf("finding %d is settled twice", f)
			}
			settled[f] = true
		}
		one := fix.Apply(src, []fix.Suggestion{s})
		if bytes.Equal(one, src.Data) {
			t.Errorf("suggestion %d changes nothing", i)
		}
		mustCompile(t, one)
	}
	for i, f := range findings {
		if _, withheld := r.Withheld[i]; settled[i] && withheld || f.Unit != nil && !settled[i] && !withheld || f.Unit == nil && withheld {
			t.Errorf("finding %d with edit %v: settled %v, withheld %v", i, f.Unit != nil, settled[i], withheld)
		}
	}
	if len(own) > 0 {
		mustCompile(t, fix.Apply(src, own))
	}
}

func mustCompile(t *testing.T, text []byte) {
	t.Helper()
	file, err := dockerfile.Parse(source.New("Dockerfile", text))
	if err == nil {
		_, err = buildcache.Compile(t.Context(), buildcache.Inputs{File: file, AllStages: true})
	}
	if err != nil {
		t.Errorf("the edited file does not compile: %v\n%s", err, text)
	}
}
