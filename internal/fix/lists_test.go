package fix_test

import (
	"testing"

	"github.com/hitrate-bot/hitrate/internal/fix"
	"github.com/hitrate-bot/hitrate/internal/rules"
)

// TestIndexForCommand checks that the package index stays in an image whose command installs from it.
func TestIndexForCommand(t *testing.T) {
	const file = "FROM debian:12\nRUN apt-get update && apt-get install -y curl\nCOPY start.sh /usr/local/bin/\n"
	for _, tt := range []struct {
		name, end, script string
		kept              bool
	}{
		{"command", "CMD apt-get install -y jq\n", "", true},
		{"script by its path", "ENTRYPOINT [\"/usr/local/bin/start.sh\"]\n", "apt-get install -y $EXTRA\nexec \"$@\"\n", true},
		{"script found by PATH", "CMD [\"start.sh\", \"-v\"]\n", "if [ -n \"$EXTRA\" ]; then\n  apt install -y $EXTRA\nfi\n", true},
		{"script with an update of its own", "ENTRYPOINT [\"start.sh\"]\n", "apt-get update\napt-get install -y $EXTRA\n", false},
		{"script of another kind", "ENTRYPOINT [\"start.sh\"]\n", "exec \"$@\"\n", false},
		{"script under another name", "COPY start.sh /entry.sh\nENTRYPOINT [\"/entry.sh\"]\n", "apt-get install -y $EXTRA\n", true},
		{"script in the Dockerfile", "COPY <<EOF /entry.sh\napt-get install -y jq\nEOF\nENTRYPOINT /entry.sh\n", "", true},
		{"script that nothing starts", "CMD [\"bash\"]\n", "apt-get install -y $EXTRA\n", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in, ok := inputOf(t, []byte(file+tt.end), map[string]string{"start.sh": tt.script, ".dockerignore": ".git\n"})
			if !ok {
				t.Fatal("does not parse")
			}
			findings := rules.Run(in)
			r := fix.Prove(t.Context(), in, findings)
			if len(findings) != 1 {
				t.Fatalf("findings %v", findings)
			}
			if reason := r.Withheld[0]; (reason == rules.IndexForCommand) != tt.kept || (len(r.Suggestions) == 0) != tt.kept {
				t.Errorf("withheld %q, suggestions %v", reason, r.Suggestions)
			}
		})
	}
}
