package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hitrate-bot/hitrate/config"
)

// TestWrongSettings: a value of the wrong kind for any setting of any rule is an error that names its place.
func TestWrongSettings(t *testing.T) {
	for _, rule := range All() {
		for _, s := range rule.Settings {
			line := fmt.Sprintf("  %s: {%s: ", rule.ID, s.Name)
			_, err := config.Parse(config.RepositoryPath, []byte("version: 1\nrules:\n"+line+"often}\n"), Schemas())
			if err == nil {
				t.Errorf("%s takes %q for %s", rule.ID, "often", s.Name)
				continue
			}
			if want := fmt.Sprintf("%s:3:%d: ", config.RepositoryPath, len(line)+1); !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%s: %v, want it at %s", rule.ID, err, want)
			}
		}
	}
}
