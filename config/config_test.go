package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// testRules are rules with a setting of every kind.
var testRules = []RuleSchema{
	{ID: "copy-before-install", Title: "Dependency install after a broad COPY"},
	{ID: "pip-cache-kept", Title: "pip's cache stays in the image", Settings: []Setting{
		{Name: "prefer", Doc: "How the fix keeps the cache out.", Kind: "string", Allowed: []string{"cache-mount", "no-cache-dir"}, Default: "cache-mount"},
	}},
	{ID: "unpinned-requirement", Title: "Requirement without a pin", Settings: []Setting{
		{Name: "install-line", Doc: "Look at packages on the install line too.", Kind: "bool", Default: false},
	}},
	{ID: "missing-dockerignore", Title: "No ignore file"},
	{ID: "big-layer", Title: "A layer is large", Settings: []Setting{
		{Name: "limit", Doc: "Megabytes.", Kind: "int", Default: 100},
	}},
}

// archives reads testdata/parse: hitrate.yml, perhaps organisation.yml, and
// what comes of them, "errors" or "show".
func archives(t testing.TB) map[string]*txtar.Archive {
	t.Helper()
	names, err := filepath.Glob("testdata/parse/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("find cases: %v, %d found", err, len(names))
	}
	cases := map[string]*txtar.Archive{}
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		cases[name] = a
	}
	return cases
}

func section(a *txtar.Archive, name string) ([]byte, bool) {
	for _, f := range a.Files {
		if f.Name == name {
			return f.Data, true
		}
	}
	return nil, false
}

func TestParse(t *testing.T) {
	for name, a := range archives(t) {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			var organisation *Layer
			if data, ok := section(a, "organisation.yml"); ok {
				var err error
				if organisation, err = Parse("organisation.yml", data, testRules); err != nil {
					t.Fatal(err)
				}
				organisation.Origin = OriginOrganisation
			}
			data, ok := section(a, "hitrate.yml")
			if !ok {
				t.Fatal("no hitrate.yml in the archive")
			}
			layer, err := Parse("hitrate.yml", data, testRules)
			kind := "errors"
			var got string
			if err != nil {
				got = err.Error() + "\n"
			} else {
				kind = "show"
				got = string(Show(Merge(organisation, layer)))
			}
			last := &a.Files[len(a.Files)-1]
			if last.Name != kind {
				t.Fatalf("want %s, got %s:\n%s", last.Name, kind, got)
			}
			if os.Getenv("HITRATE_UPDATE") == "1" {
				last.Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(last.Data), got); diff != "" {
				t.Errorf("%s (-want +got; HITRATE_UPDATE=1 go test ./config accepts it):\n%s", kind, diff)
			}
		})
	}
}

// What a text file in an archive cannot hold.
func TestParseBytes(t *testing.T) {
	bomb := "a: &a [x]\n" + strings.Repeat("b: [*a, *a, *a]\n", 50)
	tests := []struct {
		name, data string
		want       string // the first error; "" for none
	}{
		{"CRLF", "mode: review\r\nrules:\r\n  nope: off\r\n", "f:3:3: unknown rule \"nope\"; allowed: big-layer, copy-before-install, missing-dockerignore, pip-cache-kept, unpinned-requirement"},
		{"CRLF without problems", "mode: off\r\nreview:\r\n  drafts: true\r\n", ""},
		{"carriage returns only", "mode: off\rreview: 3\r", "f:2:9: review must be a mapping, not 3"},
		{"byte order mark", "\xef\xbb\xbfmode: no\n", `f:1:7: mode cannot be "no"; allowed: review, check-only, observe, off`},
		{"no final newline", "mode: off", ""},
		{"not UTF-8", "mode: off\n# caf\xe9\n", "f:2:6: the file is not UTF-8: byte 0xe9"},
		{"zero byte", "mode: \x00off\n", "f:1:7: the character U+0000 is not allowed in YAML"},
		{"too large", strings.Repeat("# x\n", MaxSize/4) + "\n", "f:1:1: the file is too large: 65537 bytes of at most 65536"},
		{"large but allowed", strings.Repeat("# fifteen more\n", 4000), ""},
		{"too many lines", "mode: |\n" + strings.Repeat("\n", 4000), "f:4001:1: the file is too long: more than 4000 lines"},
		{"too many tokens", "mode: [" + strings.Repeat("a,", 5000), "f:1:10005: the file is too long: more than 10000 words and signs"},
		{"deep brackets", "mode: " + strings.Repeat("[", 30_000), "f:1:23: nested too deeply"},
		{"deep braces", strings.Repeat("{a: ", 10_000), "f:1:65: nested too deeply"},
		{"deep dashes", strings.Repeat("- ", 9_000), "f:1:33: nested too deeply"},
		{"bomb", bomb, "f:1:4: YAML anchors are not allowed; a text that starts with & needs quotes"},
		{"long value", "mode: " + strings.Repeat("x", 60_000), `f:1:7: mode cannot be "` + strings.Repeat("x", 80) + `…"; allowed: review, check-only, observe, off`},
		{"terminal escape", `mode: "\e[31m"`, `f:1:7: mode cannot be "\x1b[31m"; allowed: review, check-only, observe, off`},
		{"long glob", "paths: {include: [" + strings.Repeat("a", 257) + "]}", `f:1:19: paths.include[0]: "` + strings.Repeat("a", 80) + `…" is longer than 256 characters`},
		{"globs with few braces", `paths: {include: ["{a,b,c,d,e}/{f,g,h,i,j}"]}`, ""},
		{"many globs", "paths: {include: [" + strings.Repeat("a,", 51) + "]}", "f:1:18: paths.include has 51 entries of at most 50"},
		{"control in bad YAML", "mode: \"\\\u202e\"", "f:1:9: bad YAML: found unknown escape character '\\u202e'"},
		{"escaped control in a path", `builds: [{dockerfile: "a\tb"}]`, `f:1:23: builds[0].dockerfile: "a\tb" must not hold control characters`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			layer, err := Parse("f", []byte(test.data), testRules)
			got := ""
			if err != nil {
				got, _, _ = strings.Cut(err.Error(), "\n")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("first error (-want +got):\n%s", diff)
			}
			if (layer == nil) != (err != nil) {
				t.Errorf("layer %v with error %v", layer, err)
			}
		})
	}
}

func TestErrorsAs(t *testing.T) {
	_, err := Parse("f", []byte("mode: x\nversion: 3\n"), nil)
	var all Errors
	if !errors.As(err, &all) || len(all) != 2 {
		t.Fatalf("Errors of two problems wanted, got %#v", err)
	}
	var one *Error
	if !errors.As(err, &one) {
		t.Fatal("no *Error in it")
	}
	want := &Error{Path: "f", Line: 1, Column: 7, Message: `mode cannot be "x"`, Allowed: []string{"review", "check-only", "observe", "off"}}
	if diff := cmp.Diff(want, one); diff != "" {
		t.Error(diff)
	}
}

func TestDefaults(t *testing.T) {
	want := Repository{
		Version: 1,
		Mode:    ModeReview,
		Paths: Globs{
			Include: []string{"**/Dockerfile", "**/Dockerfile[._-]*", "**/*.[Dd]ockerfile", "**/Containerfile*"},
			Exclude: []string{"**/*.dockerignore", "**/*.j2", "vendor/**"},
		},
		Builds:  []Build{},
		Rules:   map[string]RuleConfig{},
		Review:  Review{Scope: ScopeChanged, MaxComments: 10},
		Check:   Check{Run: RunWhenRelevant, FailOn: FailOnNever},
		History: History{Commits: 200},
	}
	if diff := cmp.Diff(want, Defaults()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, Effective(nil, nil)); diff != "" {
		t.Errorf("layers that are nil: %s", diff)
	}
}

// Changing what one call returned must not show in the next.
func TestEffectiveShares(t *testing.T) {
	layer := mustParse(t, "paths: {include: [a]}\nbuilds: [{dockerfile: a, args: {X: y}}]\n")
	first := Effective(layer)
	first.Paths.Include[0], first.Paths.Exclude[0] = "changed", "changed"
	first.Builds[0].Args["X"] = "changed"
	second := Effective(layer)
	if second.Paths.Include[0] != "a" || second.Paths.Exclude[0] != "**/*.dockerignore" || second.Builds[0].Args["X"] != "y" {
		t.Errorf("changed: %+v", second)
	}
}

func TestRepositoryJSON(t *testing.T) {
	r := Effective(mustParse(t, `
builds: [{dockerfile: a, args: {X: y}}]
rules:
  pip-cache-kept: {prefer: no-cache-dir, severity: info}
  unpinned-requirement: {install-line: true, paths: {exclude: []}}
  big-layer: {limit: 7}
`))
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Repository
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, back); diff != "" {
		t.Error(diff)
	}
	if _, ok := back.Rules["big-layer"].Settings["limit"].(int); !ok {
		t.Errorf("limit is a %T", back.Rules["big-layer"].Settings["limit"])
	}
}

func TestMatchesDockerfile(t *testing.T) {
	r := Effective(mustParse(t, "builds: [{dockerfile: ./build/image.txt}, {dockerfile: vendor/x.txt}]"))
	for path, want := range map[string]bool{
		"Dockerfile":                 true,
		"a/b/Dockerfile":             true,
		"Dockerfile.dev":             true,
		"a/Dockerfile-prod":          true,
		"a/api.Dockerfile":           true,
		"api.dockerfile":             true,
		"Containerfile":              true,
		"a/Containerfile.dev":        true,
		"build/image.txt":            true,
		"Dockerfile.dockerignore":    false,
		"a/Dockerfile.j2":            false,
		"vendor/x/Dockerfile":        false,
		"vendor/x.txt":               false,
		"a/vendor/x/Dockerfile":      true,
		"Dockerfiles/readme.md":      false,
		"dockerfile_parser.go":       false,
		"docs/Dockerfile/index.html": false,
		"image.txt":                  false,
	} {
		if got := r.MatchesDockerfile(path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

func TestRule(t *testing.T) {
	r := Effective(mustParse(t, `
rules:
  copy-before-install: error
  pip-cache-kept: {prefer: no-cache-dir, paths: {exclude: ["tests/**"]}}
  unpinned-requirement: {severity: info, paths: {include: ["prod/**"]}}
`))
	tests := []struct {
		id, path, severity string
		settings           map[string]any
	}{
		{"copy-before-install", "Dockerfile", "error", map[string]any{}},
		{"pip-cache-kept", "Dockerfile", "", map[string]any{"prefer": "no-cache-dir"}},
		{"pip-cache-kept", "tests/a/Dockerfile", "off", map[string]any{"prefer": "no-cache-dir"}},
		{"unpinned-requirement", "prod/requirements.txt", "info", map[string]any{}},
		{"unpinned-requirement", "requirements.txt", "off", map[string]any{}},
		{"missing-dockerignore", "Dockerfile", "", nil},
	}
	for _, test := range tests {
		severity, settings := r.Rule(test.id, test.path)
		if severity != test.severity || !cmp.Equal(settings, test.settings) {
			t.Errorf("%s at %s: %q %v, want %q %v", test.id, test.path, severity, settings, test.severity, test.settings)
		}
	}
}

func TestExample(t *testing.T) {
	data, err := os.ReadFile("hitrate.example.yml")
	if err != nil {
		t.Fatal(err)
	}
	got := Effective(mustParse(t, string(data)))
	if len(got.Builds) == 0 || len(got.Rules) == 0 {
		t.Error("the example shows no builds or rules")
	}
	// It says of itself that the rest are the defaults.
	want := Defaults()
	want.Builds, want.Rules = got.Builds, got.Rules
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the example is not the defaults (-want +got):\n%s", diff)
	}
	var keys map[string]any
	if err := yaml.Unmarshal(data, &keys); err != nil {
		t.Fatal(err)
	}
	for _, name := range repositoryNode(nil).names() {
		if _, ok := keys[name]; !ok {
			t.Errorf("the example lacks %q", name)
		}
	}
}

func TestBadRuleSchemaPanics(t *testing.T) {
	for name, rules := range map[string][]RuleSchema{
		"twice":           {{ID: "a"}, {ID: "a"}},
		"no id":           {{}},
		"reserved":        {{ID: "a", Settings: []Setting{{Name: "severity", Kind: "string"}}}},
		"reserved paths":  {{ID: "a", Settings: []Setting{{Name: "paths", Kind: "string"}}}},
		"unknown kind":    {{ID: "a", Settings: []Setting{{Name: "x", Kind: "float"}}}},
		"default differs": {{ID: "a", Settings: []Setting{{Name: "x", Kind: "int", Default: "1"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			_, _ = Parse("f", []byte("mode: off"), rules)
		})
	}
}

// FuzzParse checks that no input breaks Parse, that errors stand inside the
// file and in its order, and that Show writes what Parse takes again.
func FuzzParse(f *testing.F) {
	for _, a := range archives(f) {
		for _, file := range a.Files {
			f.Add(file.Data)
		}
	}
	f.Add([]byte("builds: [{dockerfile: \"\\u00e9\\U0001F600\", args: {\"#\": \"\\a\\x7f\\n- \"}}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		layer, err := Parse("f", data, testRules)
		if err != nil {
			var all Errors
			if !errors.As(err, &all) || len(all) == 0 || layer != nil {
				t.Fatalf("layer %v, error %#v", layer, err)
			}
			lines := 1 + bytes.Count(data, []byte("\n")) + bytes.Count(data, []byte("\r"))
			for i, e := range all {
				if e.Line < 1 || e.Line > lines || e.Column < 1 {
					t.Errorf("error outside the %d lines: %v", lines, e)
				}
				if i > 0 && (e.Line < all[i-1].Line || e.Line == all[i-1].Line && e.Column < all[i-1].Column) {
					t.Errorf("%v comes after %v", e, all[i-1])
				}
				if strings.ContainsAny(e.Error(), "\n\r\t\x00\x1b") {
					t.Errorf("control character in %q", e.Error())
				}
			}
			return
		}
		r, origins := Merge(layer)
		shown := Show(r, origins)
		again, err := Parse("shown", shown, testRules)
		if err != nil {
			t.Fatalf("parse what Show wrote: %v\n%s", err, shown)
		}
		if diff := cmp.Diff(r, Effective(again)); diff != "" {
			t.Fatalf("Show and Parse (-before +after):\n%s\n%s", diff, shown)
		}
		encoded, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var back Repository
		if err := json.Unmarshal(encoded, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, back); diff != "" {
			t.Fatalf("JSON (-before +after):\n%s", diff)
		}
		r.MatchesDockerfile("a/b/Dockerfile")
	})
}

func mustParse(t testing.TB, text string) *Layer {
	t.Helper()
	layer, err := Parse("hitrate.yml", []byte(text), testRules)
	if err != nil {
		t.Fatal(err)
	}
	return layer
}
