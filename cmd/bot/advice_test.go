package main

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// TestAdvice holds the worked example of docs/advice.md against the story that measures it.
func TestAdvice(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/script/advice.txtar")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../docs/advice.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		if strings.HasPrefix(f.Name, "want/") || f.Name == "before/Dockerfile" {
			if !strings.Contains(string(page), "\n"+string(f.Data)+"```\n") {
				t.Errorf("docs/advice.md does not show %s as the story has it:\n%s", f.Name, f.Data)
			}
		}
	}
}
