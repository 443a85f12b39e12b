// Package octokit reads what GitHub publishes about its API in npm packages of its own, for tests: the
// OpenAPI description, against which requests and answers are held, and examples of webhook payloads.
package octokit

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

type object = map[string]any

// Contract is GitHub's OpenAPI description of some operations. A nil Contract holds nothing against
// anything.
type Contract struct {
	router routers.Router
}

// trimVersion names the form of the trimmed description: a change of the trimming changes it.
const trimVersion = "3"

// LoadContract reads GitHub's OpenAPI description (generated/api.github.com.json of the npm package
// @octokit/openapi) and keeps some operations, "METHOD /path" with GitHub's names of the values, sorted. The
// whole description takes seconds to read and the trimmed one a few milliseconds, so that is kept beside
// it where the folder can be written.
func LoadContract(file string, operations []string) (*Contract, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("load contract: %w", err)
	}
	key := sha256.Sum256(fmt.Append(nil, trimVersion, operations, info.Size(), info.ModTime().UTC().Format(time.RFC3339Nano)))
	cached := filepath.Join(filepath.Dir(file), fmt.Sprintf("trimmed-%x.json", key[:6]))
	data, err := os.ReadFile(cached)
	if err != nil {
		if data, err = trimFile(file, operations); err != nil {
			return nil, fmt.Errorf("load contract %s: %w", file, err)
		}
		keepTrimmed(cached, data)
	}
	loader := openapi3.NewLoader()
	document, err := loader.LoadFromData(data)
	if err != nil {
		return nil, fmt.Errorf("load contract %s: %w", file, err)
	}
	if err := document.Validate(loader.Context); err != nil {
		return nil, fmt.Errorf("load contract %s: %w", file, err)
	}
	router, err := gorillamux.NewRouter(document)
	if err != nil {
		return nil, fmt.Errorf("load contract %s: %w", file, err)
	}
	return &Contract{router}, nil
}

// keepTrimmed writes the trimmed description for the next process. It saves time only, so a folder
// that cannot be written is no error; and several processes may do it at once.
func keepTrimmed(file string, data []byte) {
	temporary, err := os.CreateTemp(filepath.Dir(file), "trimmed-*.tmp")
	if err != nil {
		return
	}
	_, err = temporary.Write(data)
	if errors.Join(err, temporary.Close()) != nil || os.Rename(temporary.Name(), file) != nil {
		_ = os.Remove(temporary.Name())
	}
}

// trimFile reads the whole description and returns the trimmed one.
func trimFile(file string, operations []string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var document object
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, err
	}
	if err := trim(document, operations); err != nil {
		return nil, err
	}
	return json.Marshal(document)
}

// trim keeps the operations and what they refer to, drops examples, and makes bodies of requests
// strict: GitHub's schemas allow unknown keys, so a misspelt one would go unseen.
func trim(document object, operations []string) error {
	paths, _ := document["paths"].(object)
	kept := object{}
	for _, operation := range operations {
		method, path, _ := strings.Cut(operation, " ")
		item, _ := paths[path].(object)
		description, ok := item[strings.ToLower(method)].(object)
		if !ok {
			return fmt.Errorf("no operation %s", operation)
		}
		if body, ok := description["requestBody"].(object); ok {
			for _, media := range asObject(body["content"]) {
				strict(asObject(asObject(media)["schema"]))
			}
		}
		// A value may hold slashes where GitHub lets it.
		for _, name := range []string{"path", "tree_sha", "basehead"} {
			path = strings.ReplaceAll(path, "{"+name+"}", "{"+name+":.*}")
		}
		target, _ := kept[path].(object)
		if target == nil {
			target = object{}
			kept[path] = target
		}
		target[strings.ToLower(method)] = description
	}
	document["paths"] = kept
	delete(document, "webhooks")
	delete(document, "x-webhooks")
	delete(document, "tags")
	document["servers"] = []any{object{"url": "/"}}
	dropExamples(document, false)

	components, _ := document["components"].(object)
	allowNulls(asObject(components["schemas"]))
	wanted := object{}
	follow(kept, components, wanted)
	document["components"] = wanted
	return nil
}

// allowNulls corrects the description where it forbids what GitHub answers: an outdated comment has
// null for line and position (as its older schema review-comment says of the position), and so has a
// pull request for the head repository when a fork was deleted.
func allowNulls(schemas object) {
	property := func(schema object, name string) object { return asObject(asObject(schema["properties"])[name]) }
	comment := asObject(schemas["pull-request-review-comment"])
	for _, p := range []object{property(comment, "line"), property(comment, "position")} {
		if p != nil {
			p["nullable"] = true
		}
	}
	head := property(asObject(schemas["pull-request"]), "head")
	if repo := property(head, "repo"); repo != nil {
		asObject(head["properties"])["repo"] = object{"nullable": true, "allOf": []any{repo}}
	}
}

func asObject(v any) object {
	o, _ := v.(object)
	return o
}

// strict forbids unknown keys in an object's schema and in the objects within. Where a schema also
// has alternatives they only add to it, and stay as they are.
func strict(schema object) {
	if properties := asObject(schema["properties"]); properties != nil {
		if _, said := schema["additionalProperties"]; !said || schema["additionalProperties"] == true {
			schema["additionalProperties"] = false
		}
		for _, property := range properties {
			strict(asObject(property))
		}
	}
	strictItems := asObject(schema["items"])
	if strictItems != nil {
		strict(strictItems)
	}
}

// dropExamples takes examples out: they are most of the description, and some break it. names says
// that the keys of v are names of properties.
func dropExamples(v any, names bool) {
	switch v := v.(type) {
	case object:
		if !names {
			delete(v, "example")
			delete(v, "examples")
		}
		for key, child := range v {
			dropExamples(child, key == "properties" && !names)
		}
	case []any:
		for _, child := range v {
			dropExamples(child, false)
		}
	}
}

// follow copies every component that something refers to.
func follow(v any, components, wanted object) {
	switch v := v.(type) {
	case object:
		if reference, ok := v["$ref"].(string); ok {
			parts := strings.Split(strings.TrimPrefix(reference, "#/components/"), "/")
			if len(parts) == 2 {
				kind, name := parts[0], parts[1]
				group := asObject(wanted[kind])
				if group == nil {
					group = object{}
					wanted[kind] = group
				}
				if _, done := group[name]; !done {
					target := asObject(components[kind])[name]
					group[name] = target
					follow(target, components, wanted)
				}
			}
		}
		for _, child := range v {
			follow(child, components, wanted)
		}
	case []any:
		for _, child := range v {
			follow(child, components, wanted)
		}
	}
}

// input prepares a request for the filters.
func (c *Contract) input(r *http.Request, body []byte) (*openapi3filter.RequestValidationInput, error) {
	copied := r.Clone(r.Context())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	copied.ContentLength = int64(len(body))
	if len(body) > 0 && copied.Header.Get("Content-Type") == "" {
		copied.Header.Set("Content-Type", "application/json")
	}
	to, values, err := c.router.FindRoute(copied)
	if err != nil {
		return nil, err
	}
	return &openapi3filter.RequestValidationInput{
		Request: copied, PathParams: values, Route: to,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, MultiError: true, IncludeResponseStatus: true},
	}, nil
}

// Request returns what breaks the contract in a request to a known operation.
func (c *Contract) Request(r *http.Request, body []byte) []string {
	if c == nil {
		return nil
	}
	input, err := c.input(r, body)
	if err != nil {
		return nil // an unknown operation is told where it is answered
	}
	var violations []string
	if err := openapi3filter.ValidateRequest(r.Context(), input); err != nil {
		violations = append(violations, "request: "+brief(err))
	}
	for name := range r.URL.Query() {
		known := slices.ContainsFunc(slices.Concat(input.Route.PathItem.Parameters, input.Route.Operation.Parameters), func(p *openapi3.ParameterRef) bool {
			return p.Value.In == "query" && p.Value.Name == name
		})
		if !known {
			violations = append(violations, fmt.Sprintf("request: unknown query parameter %q", name))
		}
	}
	if len(body) > 0 && input.Route.Operation.RequestBody == nil {
		violations = append(violations, "request: a body where there is none")
	}
	return violations
}

// Answer returns what breaks the contract in an answer.
func (c *Contract) Answer(r *http.Request, status int, header http.Header, body []byte) []string {
	if c == nil {
		return nil
	}
	input, err := c.input(r, nil)
	if err != nil {
		return nil
	}
	described := input.Route.Operation.Responses.Status(status) != nil
	if !described && (status >= 400 || status == http.StatusNotModified) {
		return nil // the description leaves many refusals out
	}
	if kind := header.Get("Content-Type"); strings.HasPrefix(kind, "application/vnd.github.") && !strings.Contains(kind, "json") {
		return nil // the raw bytes of a file
	}
	response := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: status, Header: header, Options: input.Options}
	response.SetBodyBytes(body)
	if err := openapi3filter.ValidateResponse(r.Context(), response); err != nil {
		return []string{fmt.Sprintf("answer %d of this package: %s", status, brief(err))}
	}
	return nil
}

// brief is an error of the filters without the schema and value that it prints in full.
func brief(err error) string {
	var reasons []string
	var walk func(error)
	walk = func(err error) {
		var multi openapi3.MultiError
		var schema *openapi3.SchemaError
		switch {
		case errors.As(err, &multi):
			for _, e := range multi {
				walk(e)
			}
		case errors.As(err, &schema):
			reason := schema.Reason
			if schema.Origin != nil {
				reason += ": " + strings.Join(strings.Fields(schema.Origin.Error()), " ")
			}
			if len(reason) > 500 {
				reason = reason[:500] + "…"
			}
			reasons = append(reasons, "/"+strings.Join(schema.JSONPointer(), "/")+": "+reason)
		default:
			reasons = append(reasons, err.Error())
		}
	}
	walk(err)
	slices.Sort(reasons)
	return strings.Join(slices.Compact(reasons), "; ")
}
