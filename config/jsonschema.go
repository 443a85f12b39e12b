package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/invopop/jsonschema"
)

// JSONSchema describes .github/hitrate.yml for editors, in draft 2020-12.
// Whatever Parse takes is valid by it. It refuses what Parse refuses, but for
// what a schema cannot say: keys given twice, globs that do not parse, and
// YAML's aliases, tags and further documents.
func JSONSchema(rules []RuleSchema) ([]byte, error) {
	root := schemaOf(repositoryNode(rules))
	root.Version = jsonschema.Version
	root.Title = "hitrate"
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(root); err != nil {
		return nil, fmt.Errorf("encode the JSON Schema: %w", err)
	}
	return out.Bytes(), nil
}

func schemaOf(n *node) *jsonschema.Schema {
	s := &jsonschema.Schema{Description: n.doc}
	if n.kind != kindObject && n.def != nil {
		s.Default = n.def
	}
	switch n.kind {
	case kindObject:
		objectSchema(s, n)
		if n.short != "" {
			full := *s
			full.Description = ""
			short := schemaOf(n.key(n.short))
			return &jsonschema.Schema{Description: n.doc, AnyOf: []*jsonschema.Schema{short, &full}}
		}
	case kindMapping:
		orNull(s, "object")
		s.PropertyNames = textSchema(&jsonschema.Schema{}, n.text)
		s.AdditionalProperties = schemaOf(n.items)
	case kindList:
		orNull(s, "array")
		s.Items = schemaOf(n.items)
		// An entry without text means nothing, unlike a key without text.
		if n.items.kind == kindObject {
			s.Items.Extras = nil
			s.Items.Type = "object"
		}
		s.MinItems, s.MaxItems = bound(n.minItems), bound(n.maxItems)
	case kindString:
		s.Type = "string"
		for _, v := range n.allowed {
			s.Enum = append(s.Enum, v)
		}
		textSchema(s, n.text)
	case kindBool:
		s.Type = "boolean"
	case kindInt:
		s.Type = "integer"
		s.Minimum = json.Number(strconv.Itoa(n.min))
		s.Maximum = json.Number(strconv.Itoa(n.max))
	}
	return s
}

func objectSchema(s *jsonschema.Schema, n *node) {
	orNull(s, "object")
	s.AdditionalProperties = jsonschema.FalseSchema
	s.Properties = jsonschema.NewProperties()
	for _, k := range n.keys {
		s.Properties.Set(k.name, schemaOf(k.node))
		if k.required {
			s.Required = append(s.Required, k.name)
		}
	}
}

// orNull allows the value to be left out behind its key, as it is when all
// lines below the key are comments.
func orNull(s *jsonschema.Schema, kind string) {
	s.Extras = map[string]any{"type": []string{kind, "null"}}
}

func textSchema(s *jsonschema.Schema, t *text) *jsonschema.Schema {
	if t == nil {
		return s
	}
	s.MaxLength = bound(t.maxLength)
	for _, refused := range t.refused {
		s.AllOf = append(s.AllOf, &jsonschema.Schema{
			Not:      &jsonschema.Schema{Pattern: refused.pattern.String()},
			Comments: refused.reason,
		})
	}
	return s
}

// bound is nil, no bound, for 0.
func bound(n int) *uint64 {
	if n <= 0 {
		return nil
	}
	u := uint64(n)
	return &u
}
