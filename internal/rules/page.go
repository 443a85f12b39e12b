package rules

import (
	"fmt"
	"strings"
)

// Page is the rule's documentation as Markdown: what "hitrate rules RULE" prints, and the start of
// its page under docs/rules.
func (r *Rule) Page() string {
	var b strings.Builder
	section := func(title, text string) {
		if text != "" {
			fmt.Fprintf(&b, "\n## %s\n\n%s\n", title, text)
		}
	}
	fmt.Fprintf(&b, "# %s\n\n%s.\n\nSeverity: %s.\n", r.ID, strings.TrimSuffix(r.Title, "."), r.Severity)
	section("What it finds", r.What)
	section("What it costs", r.Why)
	if r.Fix == "" {
		section("The suggestion", "None: words only.")
	} else {
		section("The suggestion", r.Fix)
	}
	section("Where it keeps silent", r.Not)
	section("Configuration", r.configuration())
	var sources strings.Builder
	for _, s := range r.Sources {
		fmt.Fprintf(&sources, "- [%s](%s)\n", s.Title, s.URL)
	}
	section("Sources", strings.TrimSuffix(sources.String(), "\n"))
	return b.String()
}

func (r *Rule) configuration() string {
	var b strings.Builder
	fmt.Fprintf(&b, "```yaml\nrules:\n  %s: %s # error, warning, info or off\n```\n", r.ID, r.Severity)
	for _, s := range r.Settings {
		fmt.Fprintf(&b, "\n- `%s` (%s", s.Name, s.Kind)
		if len(s.Allowed) > 0 {
			fmt.Fprintf(&b, ": `%s`", strings.Join(s.Allowed, "`, `"))
		}
		if s.Default != nil {
			fmt.Fprintf(&b, "; default `%v`", s.Default)
		}
		fmt.Fprintf(&b, "): %s", s.Doc)
	}
	if len(r.Settings) > 0 {
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "\nOn one instruction: `# hitrate ignore=%s the reason` above it.", r.ID)
	if len(r.Hadolint) > 0 {
		fmt.Fprintf(&b, " `# hadolint ignore=%s` is honoured too.", strings.Join(r.Hadolint, ","))
	}
	if len(r.BuildKit) > 0 {
		fmt.Fprintf(&b, " `# check=skip=%s` at the top of the file is honoured too.", strings.Join(r.BuildKit, ","))
	}
	return b.String()
}
