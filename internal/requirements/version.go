package requirements

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hitrate-bot/hitrate/internal/lazyregexp"
)

// versionPattern is PEP 440's public version with its permitted spellings and a local part.
var versionPattern = lazyregexp.New(`(?i)^v?(?:\d+!)?\d+(?:\.\d+)*` +
	`(?:[-_.]?(?:alpha|a|beta|b|preview|pre|c|rc)[-_.]?\d*)?` +
	`(?:-\d+|[-_.]?(?:post|rev|r)[-_.]?\d*)?` +
	`(?:[-_.]?dev[-_.]?\d*)?` +
	`(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?$`)

// operators of PEP 440, longest first.
var operators = []string{"===", "==", "~=", "!=", "<=", ">=", "<", ">"}

// clause is one comparison of a version specifier.
type clause struct{ operator, version string }

// exact says that one version alone satisfies the clause.
func (c clause) exact() bool {
	return c.operator == "===" || c.operator == "==" && !strings.HasSuffix(c.version, ".*")
}

// readSpecifier reads a comma separated list of comparisons by PEP 440. A list with a problem that
// older versions of pip overlook (a version such as 2004d) comes back with the error.
func readSpecifier(text string) ([]clause, error) {
	var clauses []clause
	var problem error
	for rest := strings.TrimSpace(text); rest != ""; {
		c := clause{}
		for _, op := range operators {
			if after, ok := strings.CutPrefix(rest, op); ok {
				c.operator, rest = op, strings.TrimSpace(after)
				break
			}
		}
		if c.operator == "" {
			if strings.HasPrefix(rest, "=") {
				return nil, errors.New("= is no comparison of versions: write ==")
			}
			return nil, errors.New("what follows the name is no comparison of versions")
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return r == ',' || isSpace(r) })
		if end < 0 {
			end = len(rest)
		}
		c.version = rest[:end]
		if err := c.check(); err != nil {
			if strings.ContainsAny(c.version, "<>=~") || c.version == "" {
				return nil, err
			}
			problem = err
		}
		clauses = append(clauses, c)
		rest = strings.TrimSpace(rest[end:])
		if rest == "" {
			break
		}
		after, comma := strings.CutPrefix(rest, ",")
		if !comma {
			return nil, errors.New("comparisons of versions need a comma between them")
		}
		rest = strings.TrimSpace(after)
	}
	return clauses, problem
}

// check is PEP 440's rule for the version of each operator.
func (c clause) check() error {
	if c.version == "" {
		return fmt.Errorf("no version follows %s", c.operator)
	}
	if c.operator == "===" || strings.Contains(c.version, variable) {
		return nil
	}
	version, wildcard := strings.CutSuffix(c.version, ".*")
	equality := c.operator == "==" || c.operator == "!="
	switch {
	case !versionPattern.MatchString(version):
		return errors.New("the version is not one of PEP 440")
	case wildcard && !equality:
		return fmt.Errorf("%s takes no .* in its version", c.operator)
	case strings.Contains(version, "+") && (wildcard || !equality):
		return errors.New("a local version (+…) needs == or !=")
	case c.operator == "~=" && !strings.Contains(version, "."):
		return errors.New("~= needs a version of at least two numbers")
	}
	return nil
}

// reasonUnpinned says in a few words why a specifier is no pin; "" where it is one.
func reasonUnpinned(clauses []clause) string {
	reason := "no version"
	for _, c := range clauses {
		switch {
		case c.exact():
			return ""
		case c.operator == "==":
			reason = "a wildcard instead of one version"
		default:
			if reason == "no version" {
				reason = "a range of versions"
			}
		}
	}
	return reason
}
