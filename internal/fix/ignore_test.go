package fix_test

import (
	"testing"

	"github.com/hitrate-bot/hitrate/internal/fix"
	"github.com/hitrate-bot/hitrate/internal/rules"
	"github.com/hitrate-bot/hitrate/internal/source"
)

// TestIgnoreLine checks how the last line of the ignore file is written, whatever its lines end with.
func TestIgnoreLine(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"line ends", "docs\n*.pyc\n", "docs\n*.pyc\n.git\n"},
		{"last line without", "docs\n*.pyc", "docs\n*.pyc\n.git"},
		{"carriage returns", "docs\r\n*.pyc\r\n", "docs\r\n*.pyc\r\n.git\r\n"},
		{"carriage returns, last line without", "docs\r\n*.pyc", "docs\r\n*.pyc\r\n.git"},
		{"one carriage return", "docs\r\n", "docs\r\n.git\r\n"},
		{"an empty file", "", ".git\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in, ok := inputOf(t, []byte("FROM python:3.12\nCOPY . /app\n"), map[string]string{".dockerignore": tt.text, "app.py": "x"})
			if !ok {
				t.Fatal("does not parse")
			}
			findings := rules.Run(in)
			r := fix.Prove(t.Context(), in, findings)
			if len(r.Suggestions) != 1 || r.Suggestions[0].Path != ".dockerignore" {
				t.Fatalf("suggestions %v, withheld %v", r.Suggestions, r.Withheld)
			}
			if got := string(fix.Apply(source.New(".dockerignore", []byte(tt.text)), r.Suggestions)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// TestHiddenIgnoreLine has a last line with a character that nobody sees.
func TestHiddenIgnoreLine(t *testing.T) {
	for _, last := range []string{"docs # \u202e", "docs\u200b", "docs\ufeff"} {
		in, ok := inputOf(t, []byte("FROM python:3.12\nCOPY . /app\n"), map[string]string{".dockerignore": last, "app.py": "x"})
		if !ok {
			t.Fatal("does not parse")
		}
		findings := rules.Run(in)
		r := fix.Prove(t.Context(), in, findings)
		if len(r.Suggestions) != 0 || len(findings) != 1 || r.Withheld[0] != rules.HiddenText {
			t.Errorf("%q: suggestions %v, withheld %v", last, r.Suggestions, r.Withheld)
		}
	}
}
