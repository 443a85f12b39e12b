package checkout

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRoot(t *testing.T) {
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"git/.git", "git/docker", "git/inner/.git", "marked/.github", "marked/docker", "plain/docker"} {
		if err := os.MkdirAll(filepath.Join(top, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"git/inner/Dockerfile", "marked/docker/Dockerfile", "plain/docker/Dockerfile"} {
		if err := os.WriteFile(filepath.Join(top, file), []byte("FROM scratch\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		from, path string
		root       string
		marked     bool
	}{
		{"git", ".", "git", true},
		{"git/docker", ".", "git", true},
		{"git", "nowhere/Dockerfile", "git", true},
		{"git", "inner/Dockerfile", "git/inner", true},
		{".", "marked/docker", "marked", true},
		{"plain", "../marked/docker/Dockerfile", "marked", true},
		{".", "plain", "plain", false},
		{".", "plain/", "plain", false},
		{"plain", "docker", "plain/docker", false},
		{"plain", "docker/Dockerfile", "plain", false},
		{"marked", "../plain/docker/Dockerfile", "plain/docker", false},
	} {
		t.Run(c.from+" "+c.path, func(t *testing.T) {
			root, marked, err := Root(filepath.Join(top, c.from), c.path)
			if err != nil {
				t.Fatal(err)
			}
			if root != filepath.Join(top, c.root) || marked != c.marked {
				t.Errorf("Root = %s, %v; want %s, %v", root, marked, filepath.Join(top, c.root), c.marked)
			}
		})
	}
}
