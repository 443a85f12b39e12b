package config

// Origin says where the value of a key comes from.
type Origin string

// The origins, from the weakest to the strongest.
const (
	OriginDefault      Origin = "default"
	OriginOrganisation Origin = "organisation"
	OriginRepository   Origin = "repository"
)

// Layer is one file that was read: what it sets and nothing else.
type Layer struct {
	Path string // as given to Parse
	// Origin is what Merge notes for the keys that this layer sets. Parse sets
	// OriginRepository; the reader of an organisation's file changes it.
	Origin Origin

	// values is the file as repositoryNode describes it; a rule's severity in
	// short form stands under "severity".
	values map[string]any
}

// Origins holds where each key of a merged configuration comes from, by its
// names joined with dots: "review.scope", "rules.pip-cache-kept.severity".
// Lists are one key. Keys that nothing sets are absent.
type Origins map[string]Origin

// Effective lays the layers over the built-in defaults, later ones over
// earlier ones (first the organisation's, then the repository's). Mappings
// merge key by key, lists and values replace; a rule given as a plain severity
// changes only its severity. Layers that are nil, like those of broken files,
// are passed over.
func Effective(layers ...*Layer) Repository {
	r, _ := Merge(layers...)
	return r
}

// Merge is Effective together with where each key comes from.
func Merge(layers ...*Layer) (Repository, Origins) {
	merged, origins := map[string]any{}, Origins{}
	overlay(merged, defaultsOf(repositoryNode(nil)).(map[string]any), "", OriginDefault, origins)
	for _, layer := range layers {
		if layer != nil {
			overlay(merged, layer.values, "", layer.Origin, origins)
		}
	}
	return repositoryOf(merged), origins
}

// overlay copies values into merged. The trees of layers are only read: lists
// are never changed in place, and repositoryOf copies what it takes from them.
func overlay(merged, values map[string]any, prefix string, origin Origin, origins Origins) {
	for name, v := range values {
		key := name
		if prefix != "" {
			key = prefix + "." + name
		}
		m, ok := v.(map[string]any)
		if !ok {
			merged[name], origins[key] = v, origin
			continue
		}
		below, _ := merged[name].(map[string]any)
		if below == nil {
			below = map[string]any{}
			merged[name] = below
		}
		overlay(below, m, key, origin, origins)
	}
}

// defaultsOf gives the defaults at a node, or nil.
func defaultsOf(n *node) any {
	if n.kind != kindObject {
		return n.def
	}
	values := map[string]any{}
	for _, k := range n.keys {
		if v := defaultsOf(k.node); v != nil {
			values[k.name] = v
		}
	}
	return values
}

// repositoryOf turns a merged tree into its type. The tree holds only what
// Parse or the defaults put there, so a value of another type is absent.
func repositoryOf(tree map[string]any) Repository {
	review, check, history := object(tree, "review"), object(tree, "check"), object(tree, "history")
	r := Repository{
		Version: number(tree, "version"),
		Mode:    Mode(str(tree, "mode")),
		Paths:   globsOf(object(tree, "paths")),
		Builds:  []Build{},
		Rules:   map[string]RuleConfig{},
		Review:  Review{Scope: str(review, "scope"), MaxComments: number(review, "max-comments"), Drafts: boolean(review, "drafts")},
		Check:   Check{Run: str(check, "run"), FailOn: str(check, "fail-on")},
		History: History{Commits: number(history, "commits")},
	}
	builds, _ := tree["builds"].([]any)
	for _, v := range builds {
		b, _ := v.(map[string]any)
		r.Builds = append(r.Builds, buildOf(b))
	}
	for id, v := range object(tree, "rules") {
		rule, _ := v.(map[string]any)
		c := RuleConfig{Severity: str(rule, "severity"), Settings: map[string]any{}, Paths: globsOf(object(rule, "paths"))}
		for name, v := range rule {
			if name != "severity" && name != "paths" {
				c.Settings[name] = v
			}
		}
		r.Rules[id] = c
	}
	return r
}

func buildOf(tree map[string]any) Build {
	values := defaultsOf(buildNode()).(map[string]any)
	for name, v := range tree {
		values[name] = v
	}
	b := Build{
		Dockerfile: str(values, "dockerfile"),
		Context:    str(values, "context"),
		Target:     str(values, "target"),
		Args:       map[string]string{},
	}
	args := object(values, "args")
	for name := range args {
		b.Args[name] = str(args, name)
	}
	return b
}

func globsOf(tree map[string]any) Globs {
	return Globs{Include: list(tree, "include"), Exclude: list(tree, "exclude")}
}

// list keeps the difference between a key that is absent (nil) and a list
// that is empty, which Show has to write.
func list(tree map[string]any, name string) []string {
	values, ok := tree[name].([]any)
	if !ok {
		return nil
	}
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i], _ = v.(string)
	}
	return texts
}

func object(tree map[string]any, name string) map[string]any {
	m, _ := tree[name].(map[string]any)
	return m
}

func str(tree map[string]any, name string) string {
	s, _ := tree[name].(string)
	return s
}

func number(tree map[string]any, name string) int {
	i, _ := tree[name].(int)
	return i
}

func boolean(tree map[string]any, name string) bool {
	b, _ := tree[name].(bool)
	return b
}
