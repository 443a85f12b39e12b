package githubtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// userGit runs git as a user's machine would, and returns what it prints.
func (e *exam) userGit(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(e.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.DevNull, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull,
		"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "GIT_NO_LAZY_FETCH=1",
	}
	var out, diagnostics bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &diagnostics
	if err := cmd.Run(); err != nil {
		return out.String(), errors.Join(err, errors.New(diagnostics.String()))
	}
	return out.String(), nil
}

// cloneURL is the repository's address with a token.
func (e *exam) cloneURL(user, token string) string {
	u, err := url.Parse(e.gh.WebURL())
	e.check(err)
	u.User = url.UserPassword(user, token)
	return u.String() + "/" + e.repo.fullName() + ".git"
}

func TestSmartHTTPServesBloblessShallowClones(t *testing.T) {
	e := newExam(t, Options{})
	for i := range 5 {
		_, err := e.repo.Commit("main", fmt.Sprint("Commit ", i), Edit{Files: map[string]string{"app.py": fmt.Sprint("x = ", i)}})
		e.check(err)
	}
	for _, protocol := range []string{"0", "2"} {
		dir := filepath.Join(t.TempDir(), "clone")
		_, err := e.userGit("-c", "protocol.version="+protocol, "clone", "--quiet", "--bare", "--filter=blob:none", "--depth=3", "--single-branch", "--branch=main",
			e.cloneURL("x-access-token", e.token), dir)
		e.check(err)
		commits, err := e.userGit("-C", dir, "rev-list", "--first-parent", "main")
		e.check(err)
		head, err := e.repo.Head("main")
		e.check(err)
		if lines := strings.Fields(commits); len(lines) != 3 || lines[0] != head {
			t.Errorf("protocol %s: %d commits from %v, want 3 from %s", protocol, len(lines), lines, head)
		}
		missing, err := e.userGit("-C", dir, "rev-list", "--objects", "--missing=print", "main")
		e.check(err)
		if !strings.Contains(missing, "\n?") {
			t.Errorf("protocol %s: the clone has blobs:\n%s", protocol, missing)
		}
		// It grows by what is new.
		_, err = e.repo.Commit("main", "One more", Edit{Files: map[string]string{"app.py": "x = " + protocol + "00"}})
		e.check(err)
		_, err = e.userGit("-C", dir, "-c", "protocol.version="+protocol, "fetch", "--quiet", "--no-tags", e.cloneURL("x-access-token", e.token), "+refs/heads/main:refs/heads/main")
		e.check(err)
		if commits, err = e.userGit("-C", dir, "rev-list", "--count", "main"); err != nil || commits != "4\n" {
			t.Errorf("protocol %s: %q commits after the fetch, error %v, want 4", protocol, commits, err)
		}
	}
}

func TestSmartHTTPRefuses(t *testing.T) {
	e := newExam(t, Options{})
	const refs = "/octo-org/app.git/info/refs?service=git-upload-pack"
	get := func(method, path, user, password string) int {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, e.gh.WebURL()+path, http.NoBody)
		e.check(err)
		if user != "" {
			req.SetBasicAuth(user, password)
		}
		resp, err := http.DefaultClient.Do(req)
		e.check(err)
		e.check(resp.Body.Close())
		if resp.StatusCode == http.StatusUnauthorized && !strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s %s: no challenge", method, path)
		}
		return resp.StatusCode
	}
	other, err := e.gh.CreateRepository("octo-org", "elsewhere", map[string]string{"a": "a"})
	e.check(err)
	path := fmt.Sprintf("/app/installations/%d/access_tokens", e.installation)
	mint := func(permissions object) string {
		return e.callAs(e.jwt(nil), 201, "POST", path, object{"permissions": permissions}).object(t)["token"].(string)
	}
	reader, blind := mint(object{"contents": "read"}), mint(object{"checks": "write"})
	for _, c := range []struct {
		name, method, path, user, password string
		want                               int
	}{
		{"a token that reads contents", "GET", refs, "x-access-token", reader, 200},
		{"without .git", "GET", "/octo-org/app/info/refs?service=git-upload-pack", "x-access-token", reader, 200},
		{"nobody", "GET", refs, "", "", 401},
		{"a refused token", "GET", refs, "x-access-token", "ghs_unknown", 401},
		{"another user's name", "GET", refs, "octocat", reader, 401},
		{"a token that may not read contents", "GET", refs, "x-access-token", blind, 403},
		{"another repository", "GET", "/octo-org/" + other.Name() + ".git/info/refs?service=git-upload-pack", "x-access-token", reader, 404},
		{"no such repository", "GET", "/octo-org/none.git/info/refs?service=git-upload-pack", "x-access-token", reader, 404},
		{"the dumb protocol", "GET", "/octo-org/app.git/info/refs", "x-access-token", reader, 403},
		{"a push", "GET", "/octo-org/app.git/info/refs?service=git-receive-pack", "x-access-token", reader, 403},
		{"a push's second request", "POST", "/octo-org/app.git/git-receive-pack", "x-access-token", reader, 403},
		{"the wrong method", "GET", "/octo-org/app.git/git-upload-pack", "x-access-token", reader, 405},
	} {
		if got := get(c.method, c.path, c.user, c.password); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
	e.gh.Fail(Fault{On: "GET /octo-org/app.git/info/refs", Status: 503})
	if got := get("GET", refs, "x-access-token", reader); got != 503 {
		t.Errorf("with a fault: %d", got)
	}
	e.gh.ExpireTokens()
	if got := get("GET", refs, "x-access-token", reader); got != 401 {
		t.Errorf("an expired token: %d", got)
	}
	if _, err := e.userGit("clone", "--quiet", "--bare", e.cloneURL("x-access-token", reader), filepath.Join(t.TempDir(), "clone")); err == nil {
		t.Error("git clones with an expired token")
	}
}
