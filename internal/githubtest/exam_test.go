package githubtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/hitrate-bot/hitrate/internal/githubtest/octokit"
)

// exam is a GitHub with one repository, in which the App is installed, and one pull request.
type exam struct {
	*testing.T
	gh           *Server
	repo         *Repository
	pr           *PullRequest
	installation int64
	token        string
}

// The Dockerfile of the exam, before and after the pull request. The diff has two hunks; lines 4 to 6
// of the new one are new in place of one old line, line 26 is new, line 13 is in no hunk.
var (
	oldDockerfile = numbered(1, 30)
	newDockerfile = strings.Replace(strings.Replace(oldDockerfile, "RUN step 4\n", "RUN new 4\nRUN new 5\nRUN new 6\n", 1), "RUN step 24\n", "RUN step 24\nRUN new 27\n", 1)
)

// numbered is a file of numbered lines.
func numbered(from, to int) string {
	var b strings.Builder
	for i := from; i <= to; i++ {
		fmt.Fprintf(&b, "RUN step %d\n", i)
	}
	return b.String()
}

// newExam starts a GitHub and opens the pull request; nothing that is said in it breaks the contract.
func newExam(t *testing.T, o Options) *exam {
	t.Helper()
	t.Parallel()
	return newSerialExam(t, o)
}

// newSerialExam is newExam for a test that needs several.
func newSerialExam(t *testing.T, o Options) *exam {
	t.Helper()
	o.Dir = t.TempDir()
	if o.Contract == nil {
		if c := octokit.OptionalContract(t, Operations()); c != nil {
			o.Contract = c
		}
	}
	gh, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := gh.Close(); err != nil {
			t.Error(err)
		}
		for _, v := range gh.Violations() {
			t.Error("violation:", v)
		}
	})
	e := &exam{T: t, gh: gh}
	e.check(gh.Start())
	e.repo, err = gh.CreateRepository("octo-org", "app", map[string]string{"Dockerfile": oldDockerfile, "main.go": "package main\n", "docs/a.md": "a\n"})
	e.check(err)
	e.installation, err = gh.Install("octo-org", "app")
	e.check(err)
	e.token, err = gh.Token(e.installation)
	e.check(err)
	_, err = e.repo.Commit("feature", "Change the Dockerfile", Edit{Files: map[string]string{"Dockerfile": newDockerfile}})
	e.check(err)
	e.pr, err = e.repo.OpenPullRequest(NewPullRequest{Head: "feature", Title: "A change"})
	e.check(err)
	return e
}

func (e *exam) check(err error) {
	e.Helper()
	if err != nil {
		e.Fatal(err)
	}
}

// response is an answer of the API.
type response struct {
	status int
	header http.Header
	body   string
}

// object decodes a body that is a JSON object.
func (r response) object(t testing.TB) object {
	t.Helper()
	var o object
	if err := json.Unmarshal([]byte(r.body), &o); err != nil {
		t.Fatalf("body %q: %v", r.body, err)
	}
	return o
}

func (r response) list(t testing.TB) []object {
	t.Helper()
	var l []object
	if err := json.Unmarshal([]byte(r.body), &l); err != nil {
		t.Fatalf("body %q: %v", r.body, err)
	}
	return l
}

// try sends a request with a token and the header pairs.
func (e *exam) try(token, method, path string, body any, header ...string) (response, error) {
	var reader io.Reader
	switch body := body.(type) {
	case nil:
	case []byte: // as it is
		reader = bytes.NewReader(body)
	default:
		reader = bytes.NewReader(mustJSON(body))
	}
	if !strings.HasPrefix(path, "http") {
		path = e.gh.URL() + path
	}
	r, err := http.NewRequestWithContext(context.Background(), method, path, reader)
	e.check(err)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	r.Header.Set("Accept", "application/vnd.github+json")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	return response{got.StatusCode, got.Header, string(text)}, err
}

// call sends a request as the installation and fails the test unless the status is as said.
func (e *exam) call(status int, method, path string, body any, header ...string) response {
	e.Helper()
	return e.callAs(e.token, status, method, path, body, header...)
}

func (e *exam) callAs(token string, status int, method, path string, body any, header ...string) response {
	e.Helper()
	got, err := e.try(token, method, path, body, header...)
	e.check(err)
	if got.status != status {
		e.Fatalf("%s %s: status %d, want %d: %s", method, path, got.status, status, got.body)
	}
	return got
}

// jwt is the App's own token, changed by a test.
func (e *exam) jwt(change func(*jwt.RegisteredClaims)) string {
	now := time.Now()
	claims := &jwt.RegisteredClaims{
		Issuer: fmt.Sprint(e.gh.AppID()), IssuedAt: jwt.NewNumericDate(now.Add(-30 * time.Second)), ExpiresAt: jwt.NewNumericDate(now.Add(2 * time.Minute)),
	}
	if change != nil {
		change(claims)
	}
	key, err := jwt.ParseRSAPrivateKeyFromPEM(e.gh.PrivateKeyPEM())
	e.check(err)
	token, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(key)
	e.check(err)
	return token
}

const (
	repoPath = "/repos/octo-org/app"
	pullPath = repoPath + "/pulls/1"
)

// expectViolations fails unless there are exactly these violations, by a part of each, and takes
// them away.
func (e *exam) expectViolations(parts ...string) {
	e.Helper()
	got := e.gh.Violations()
	e.gh.mu.Lock()
	e.gh.violations = nil
	e.gh.mu.Unlock()
	if e.gh.options.Contract == nil {
		return // nothing looked
	}
	if len(got) != len(parts) {
		e.Fatalf("violations %q, want %q", got, parts)
	}
	for i, part := range parts {
		if !strings.Contains(got[i], part) {
			e.Errorf("violation %q, want %q", got[i], part)
		}
	}
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
