package checkout

import "testing"

func TestOrigin(t *testing.T) {
	dir, git := repository(t)
	if got := open(t, dir).Origin(t.Context()); got != "" {
		t.Errorf("without a remote: %q", got)
	}
	git("remote", "add", "origin", "git@github.com:acme/app.git")
	if got := open(t, dir).Origin(t.Context()); got != "git@github.com:acme/app.git" {
		t.Errorf("got %q", got)
	}
	if got := open(t, t.TempDir()).Origin(t.Context()); got != "" {
		t.Errorf("without git: %q", got)
	}
}
