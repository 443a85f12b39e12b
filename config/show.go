package config

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// Show writes a configuration as YAML that Parse takes, each key followed by a
// comment with its origin. Keys that origins does not know have no comment.
func Show(r Repository, origins Origins) []byte {
	s := shower{origins: origins}
	s.scalar("version", r.Version)
	s.scalar("mode", string(r.Mode))
	s.globs(r.Paths)
	s.builds(r.Builds)
	s.section("rules", len(r.Rules) == 0, func() {
		for _, id := range slices.Sorted(maps.Keys(r.Rules)) {
			s.rule(id, r.Rules[id])
		}
	})
	s.section("review", false, func() {
		s.scalar("scope", r.Review.Scope)
		s.scalar("max-comments", r.Review.MaxComments)
		s.scalar("drafts", r.Review.Drafts)
	})
	s.section("check", false, func() {
		s.scalar("run", r.Check.Run)
		s.scalar("fail-on", r.Check.FailOn)
	})
	s.section("history", false, func() {
		s.scalar("commits", r.History.Commits)
	})
	return s.out.Bytes()
}

// shower writes YAML below a path of keys.
type shower struct {
	out     bytes.Buffer
	origins Origins
	path    []string
}

// line writes one key, with what stands behind it and where it comes from.
func (s *shower) line(name, value string) {
	line := strings.Repeat("  ", len(s.path)) + yamlString(name) + ":"
	if value != "" {
		line += " " + value
	}
	s.out.WriteString(line)
	if origin, ok := s.origins[strings.Join(append(slices.Clone(s.path), name), ".")]; ok {
		fmt.Fprintf(&s.out, "%s # %s", strings.Repeat(" ", max(0, 32-len(line))), origin)
	}
	s.out.WriteByte('\n')
}

func (s *shower) scalar(name string, v any) {
	s.line(name, yamlScalar(v))
}

func (s *shower) section(name string, empty bool, inside func()) {
	if empty {
		s.line(name, "{}")
		return
	}
	s.line(name, "")
	s.path = append(s.path, name)
	inside()
	s.path = s.path[:len(s.path)-1]
}

func (s *shower) list(name string, values []string) {
	if len(values) == 0 {
		s.line(name, "[]")
		return
	}
	s.line(name, "")
	for _, v := range values {
		fmt.Fprintf(&s.out, "%s- %s\n", strings.Repeat("  ", len(s.path)+1), yamlString(v))
	}
}

func (s *shower) globs(g Globs) {
	if g.Include == nil && g.Exclude == nil {
		return
	}
	s.section("paths", false, func() {
		if g.Include != nil {
			s.list("include", g.Include)
		}
		if g.Exclude != nil {
			s.list("exclude", g.Exclude)
		}
	})
}

func (s *shower) builds(builds []Build) {
	if len(builds) == 0 {
		s.line("builds", "[]")
		return
	}
	s.line("builds", "")
	for _, b := range builds {
		fmt.Fprintf(&s.out, "  - dockerfile: %s\n", yamlString(b.Dockerfile))
		fmt.Fprintf(&s.out, "    context: %s\n", yamlString(b.Context))
		if b.Target != "" {
			fmt.Fprintf(&s.out, "    target: %s\n", yamlString(b.Target))
		}
		if len(b.Args) == 0 {
			continue
		}
		s.out.WriteString("    args:\n")
		for _, name := range slices.Sorted(maps.Keys(b.Args)) {
			fmt.Fprintf(&s.out, "      %s: %s\n", yamlString(name), yamlString(b.Args[name]))
		}
	}
}

func (s *shower) rule(id string, c RuleConfig) {
	empty := c.Severity == "" && len(c.Settings) == 0 && c.Paths.Include == nil && c.Paths.Exclude == nil
	s.section(id, empty, func() {
		if c.Severity != "" {
			s.scalar("severity", c.Severity)
		}
		for _, name := range slices.Sorted(maps.Keys(c.Settings)) {
			s.scalar(name, c.Settings[name])
		}
		s.globs(c.Paths)
	})
}

func yamlScalar(v any) string {
	if s, ok := v.(string); ok {
		return yamlString(s)
	}
	return fmt.Sprint(v)
}

var plainString = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_./-]*$`)

// yamlString quotes what could be read as something else. Go's escapes are a
// subset of those of YAML's double quotes.
func yamlString(s string) string {
	if plainString.MatchString(s) && (!token.IsNeedQuoted(s) || s == SeverityOff) {
		return s
	}
	return strconv.Quote(s)
}
