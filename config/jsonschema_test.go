package config

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	data, err := JSONSchema(testRules)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("hitrate.json", doc); err != nil {
		t.Fatal(err)
	}
	// Compile also checks the schema against its own meta-schema.
	schema, err := compiler.Compile("hitrate.json")
	if err != nil {
		t.Fatal(err)
	}
	if schema.DraftVersion != 2020 {
		t.Errorf("draft %d", schema.DraftVersion)
	}
	return schema
}

// valid says what an editor with the schema says about a YAML text.
func valid(t *testing.T, schema *jsonschema.Schema, text []byte) error {
	t.Helper()
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatalf("decode YAML: %v", err)
	}
	encoded, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}

// The cases of TestParse judge the schema too, but for those whose comment
// says that a schema cannot.
func TestSchemaAgreesOnCases(t *testing.T) {
	schema := compiledSchema(t)
	for name, a := range archives(t) {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			if strings.Contains(string(a.Comment), "schema: cannot say") {
				return
			}
			text, _ := section(a, "hitrate.yml")
			_, parseErr := Parse("hitrate.yml", text, testRules)
			if schemaErr := valid(t, schema, text); (parseErr == nil) != (schemaErr == nil) {
				t.Errorf("Parse says: %v\nthe schema says: %v", parseErr, schemaErr)
			}
		})
	}
}

// One value a line, so that each refusal is seen alone.
func TestSchemaAgreesOnValues(t *testing.T) {
	schema := compiledSchema(t)
	tests := []struct {
		text string
		ok   bool
	}{
		{"version: 1", true},
		{"version: 2", false},
		{"version: '1'", false},
		{"version:", false},
		{"mode: off", true},
		{"mode: on", false},
		{"mode: false", false},
		{"mode: ''", false},
		{"extra: 1", false},
		{"paths:", true},
		{"paths: {}", true},
		{"paths: []", false},
		{"paths: {include: }", true},
		{"paths: {include: []}", false},
		{"paths: {exclude: []}", true},
		{"paths: {exclude: [1]}", false},
		{"paths: {exclude: [null]}", false},
		{"paths: {exclude: ['']}", false},
		{"paths: {exclude: ['/a']}", false},
		{"paths: {exclude: ['a/']}", false},
		{"paths: {exclude: ['!a']}", false},
		{"paths: {exclude: ['./!a']}", false},
		{"paths: {exclude: ['./a']}", true},
		{"paths: {exclude: ['a/../b']}", false},
		{"paths: {exclude: ['a..b']}", true},
		{`paths: {exclude: ["a\x01"]}`, false},
		{"paths: {exclude: ['" + strings.Repeat("ü", 256) + "']}", true},
		{"paths: {exclude: ['" + strings.Repeat("ü", 257) + "']}", false},
		{"paths: {exclude: [" + strings.Repeat("a,", 49) + "a]}", true},
		{"paths: {exclude: [" + strings.Repeat("a,", 50) + "a]}", false},
		{"builds:", true},
		{"builds: []", true},
		{"builds: {}", false},
		{"builds: [{}]", false},
		{"builds: [null]", false},
		{"builds: [{dockerfile: a}]", true},
		{"builds: [{dockerfile: }]", false},
		{"builds: [{dockerfile: ''}]", false},
		{"builds: [{dockerfile: .}]", false},
		{"builds: [{dockerfile: a/.}]", false},
		{"builds: [{dockerfile: a/}]", false},
		{"builds: [{dockerfile: .docker}]", true},
		{"builds: [{dockerfile: /a}]", false},
		{"builds: [{dockerfile: 'c:a'}]", false},
		{"builds: [{dockerfile: './/./c:a'}]", false},
		{"builds: [{dockerfile: ..}]", false},
		{"builds: [{dockerfile: ..a}]", true},
		{"builds: [{dockerfile: 'a\\b'}]", false},
		{"builds: [{dockerfile: a, context: ./}]", true},
		{"builds: [{dockerfile: a, context: ''}]", false},
		{"builds: [{dockerfile: a, context: 'https://a/b'}]", false},
		{"builds: [{dockerfile: a, context: 'git@a:b'}]", false},
		{"builds: [{dockerfile: a, target: ''}]", true},
		{"builds: [{dockerfile: a, target: 0}]", false},
		{"builds: [{dockerfile: a, target: '0'}]", true},
		{"builds: [{dockerfile: a, target: 'a b'}]", false},
		{"builds: [{dockerfile: a, args: }]", true},
		{"builds: [{dockerfile: a, args: {A: ''}}]", true},
		{"builds: [{dockerfile: a, args: {A: }}]", false},
		{"builds: [{dockerfile: a, args: {A: 1}}]", false},
		{"builds: [{dockerfile: a, args: {'A B': x}}]", false},
		{"builds: [{dockerfile: a, args: {'': x}}]", false},
		{"builds: [{dockerfile: a, args: [A=x]}]", false},
		{`builds: [{dockerfile: a, args: {A: "\0"}}]`, false},
		{"rules:", true},
		{"rules: {nope: off}", false},
		{"rules: {copy-before-install: }", true},
		{"rules: {copy-before-install: off}", true},
		{"rules: {copy-before-install: none}", false},
		{"rules: {copy-before-install: {}}", true},
		{"rules: {copy-before-install: {prefer: x}}", false},
		{"rules: {copy-before-install: {severity: info}}", true},
		{"rules: {copy-before-install: {severity: }}", false},
		{"rules: {pip-cache-kept: {prefer: no-cache-dir}}", true},
		{"rules: {pip-cache-kept: {prefer: other}}", false},
		{"rules: {unpinned-requirement: {install-line: true}}", true},
		{"rules: {unpinned-requirement: {install-line: 'true'}}", false},
		{"rules: {unpinned-requirement: {paths: {include: ['a/**']}}}", true},
		{"rules: {unpinned-requirement: {paths: {includes: ['a/**']}}}", false},
		{"rules: {big-layer: {limit: -3}}", true},
		{"rules: {big-layer: {limit: 3.5}}", false},
		{"rules: {big-layer: {limit: 99999999999}}", false},
		{"review: {max-comments: 30}", true},
		{"review: {max-comments: 31}", false},
		{"review: {max-comments: -1}", false},
		{"review: {max-comments: 3.0}", true},
		{"review: {max-comments: 0x10}", true},
		{"review: {drafts: true}", true},
		{"review: {drafts: yes}", false},
		{"review: {scope: file}", true},
		{"check: {fail-on: info}", false},
		{"history: {commits: 1000}", true},
		{"history: {commits: 1001}", false},
	}
	for _, test := range tests {
		name := test.text[:min(len(test.text), 60)]
		t.Run(name, func(t *testing.T) {
			_, parseErr := Parse("f", []byte(test.text), testRules)
			schemaErr := valid(t, schema, []byte(test.text))
			if (parseErr == nil) != test.ok {
				t.Errorf("Parse: %v, want ok %v", parseErr, test.ok)
			}
			if (schemaErr == nil) != test.ok {
				t.Errorf("schema: %v, want ok %v", schemaErr, test.ok)
			}
		})
	}
}

func TestJSONSchemaIsDeterministicAndDescribed(t *testing.T) {
	first, err := JSONSchema(testRules)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		again, err := JSONSchema(testRules)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(first, again) {
			t.Fatal("two calls differ")
		}
	}
	var described func(n *node, at string)
	described = func(n *node, at string) {
		if n.doc == "" {
			t.Errorf("%s has no description", at)
		}
		for _, k := range n.keys {
			described(k.node, at+"."+k.name)
		}
		if n.items != nil {
			described(n.items, at+"[]")
		}
	}
	described(repositoryNode(testRules), "")
	for _, want := range []string{"How the fix keeps the cache out.", "Dependency install after a broad COPY", `"default": "cache-mount"`, `"default": 100`} {
		if !bytes.Contains(first, []byte(want)) {
			t.Errorf("the schema lacks %s", want)
		}
	}
}
