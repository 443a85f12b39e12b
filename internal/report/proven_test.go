package report

import (
	"strings"
	"testing"

	"github.com/hitrate-bot/hitrate/internal/analysis"
)

// TestProven: an edit of a requirements file was not compiled, and nothing says that it was.
func TestProven(t *testing.T) {
	c := &Check{Report: analysis.Report{Findings: []analysis.Finding{
		{Path: "requirements.txt", Dockerfile: "Dockerfile"}, {Path: "Dockerfile", Dockerfile: "Dockerfile"},
	}}}
	for path, want := range map[string]string{"requirements.txt": "pip reads the rest of the file as before", "Dockerfile": "compiles with BuildKit", ".dockerignore": "is left out by it"} {
		finding := 1
		if path == "requirements.txt" {
			finding = 0
		}
		if got := c.proven(&analysis.Suggestion{Path: path, Findings: []int{finding}}); !strings.Contains(got, want) {
			t.Errorf("%s: %s", path, got)
		}
	}
}
