package history

import (
	"context"
	"errors"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// served is a repository over HTTP, by git's own server, behind a token.
func served(t testing.TB, dir, token string) string {
	t.Helper()
	exe, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	gitIn(t, dir, "config", "uploadpack.allowFilter", "true")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "x-access-token" || password != token {
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		(&cgi.Handler{Path: exe, Args: []string{"http-backend"}, Env: []string{
			"GIT_PROJECT_ROOT=" + dir, "GIT_HTTP_EXPORT_ALL=1", "GIT_PROTOCOL=" + r.Header.Get("Git-Protocol"),
			"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=safe.directory", "GIT_CONFIG_VALUE_0=*",
		}}).ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/.git"
}

func withToken(token string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return token, nil }
}

// A clone has what the repository has but for the texts of links; a second call brings what is new, and more
// commits. The token is nowhere on disk.
func TestStore(t *testing.T) {
	dir := sample(t)
	s := &Store{Dir: t.TempDir()}
	r := Remote{URL: served(t, dir, "secret-token"), Key: "1", Branch: "main", Token: withToken("secret-token")}
	h, err := s.Get(t.Context(), r, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Commits) != 2 || h.Branch != "main" {
		t.Errorf("branch %s, history\n%s", h.Branch, text(h))
	}
	if h, err = s.Get(t.Context(), r, 200); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.ReplaceAll(sampleText, " -> dir/b", ""), text(h)); diff != "" {
		t.Error(diff)
	}
	write(t, dir, "new", "new\n")
	commit(t, dir, "new")
	if h, err = s.Get(t.Context(), r, 200); err != nil {
		t.Fatal(err)
	}
	if want := gitIn(t, dir, "rev-parse", "main"); len(h.Commits) != 6 || h.Commits[0].ID != want {
		t.Errorf("history\n%s", text(h))
	}
	blob := gitIn(t, dir, "rev-parse", "main:new")
	clone := glob(s.Dir, "*.git")[0]
	if err := exec.Command("git", "-C", clone, "-c", "remote.origin.url=", "cat-file", "-e", blob).Run(); err == nil {
		t.Error("the clone has the contents of files")
	}
	err = filepath.WalkDir(s.Dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(p)
		if strings.Contains(string(data), "secret-token") || strings.Contains(string(data), "Authorization") {
			t.Errorf("%s has the token", p)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestStoreErrors(t *testing.T) {
	dir := sample(t)
	address := served(t, dir, "right")
	for name, r := range map[string]Remote{
		"token":  {URL: address, Key: "1", Branch: "main", Token: withToken("wrong")},
		"branch": {URL: address, Key: "1", Branch: "gone", Token: withToken("right")},
		"option": {URL: address, Key: "1", Branch: "main:refs/heads/x", Token: withToken("right")},
		"scheme": {URL: "ext::sh -c date", Key: "1", Branch: "main"},
		"user":   {URL: "https://user:password@localhost/x", Key: "1", Branch: "main"},
		"refuse": {URL: address, Key: "1", Branch: "main", Token: func(context.Context) (string, error) { return "", errors.New("no token") }},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Store{Dir: t.TempDir()}
			if _, err := s.Get(t.Context(), r, 200); err == nil || strings.Contains(err.Error(), "right") || strings.Contains(err.Error(), "password") {
				t.Errorf("error %v", err)
			}
			if left := glob(s.Dir, "*.git"); len(left) > 0 {
				t.Errorf("left %v", left)
			}
		})
	}
}

func TestStoreTooLarge(t *testing.T) {
	s := &Store{Dir: t.TempDir(), MaxRepository: 1}
	_, err := s.Get(t.Context(), Remote{URL: "file://" + sample(t), Key: "1", Branch: "main"}, 200)
	if !errors.Is(err, ErrTooLarge) || len(glob(s.Dir, "*.git")) > 0 {
		t.Errorf("error %v", err)
	}
}

// Two stores on one directory are two processes: they take turns, and whoever has no time left gives up.
func TestStoreTakesTurns(t *testing.T) {
	dir := sample(t)
	root := t.TempDir()
	r := Remote{URL: "file://" + dir, Key: "1", Branch: "main"}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			h, err := (&Store{Dir: root}).Get(t.Context(), r, 200)
			if err != nil || len(h.Commits) != 5 {
				t.Errorf("error %v", err)
			}
		})
	}
	all.Wait()

	s := &Store{Dir: root}
	unlock, err := s.lock(t.Context(), shortHash("1"))
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Get(short, r, 200); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
	unlock()
	if _, err := s.Get(t.Context(), r, 200); err != nil {
		t.Error(err)
	}
}

// The clone that was not asked for the longest goes first; one in use stays.
func TestStoreEvicts(t *testing.T) {
	dir := sample(t)
	s := &Store{Dir: t.TempDir()}
	get := func(key string) {
		t.Helper()
		if _, err := s.Get(t.Context(), Remote{URL: "file://" + dir, Key: key, Branch: "main"}, 200); err != nil {
			t.Fatal(err)
		}
	}
	has := func(key string) bool {
		_, err := os.Stat(filepath.Join(s.Dir, shortHash(key)+".git"))
		return err == nil
	}
	for _, key := range []string{"a", "b", "c", "a"} {
		get(key)
	}
	s.MaxBytes = size(s.Dir) // room for three
	unlock, err := s.lock(t.Context(), shortHash("b"))
	if err != nil {
		t.Fatal(err)
	}
	get("d")
	unlock()
	if !has("a") || !has("b") || has("c") || !has("d") {
		t.Errorf("a %v, b %v, c %v, d %v", has("a"), has("b"), has("c"), has("d"))
	}
}
