package githubtest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"
)

func TestJWT(t *testing.T) {
	e := newExam(t, Options{})
	at := func(d time.Duration) *jwt.NumericDate { return jwt.NewNumericDate(time.Now().Add(d)) }
	for name, test := range map[string]struct {
		change func(*jwt.RegisteredClaims)
		status int
	}{
		"good":              {nil, 200},
		"of another App":    {func(c *jwt.RegisteredClaims) { c.Issuer = "1" }, 401},
		"issued later":      {func(c *jwt.RegisteredClaims) { c.IssuedAt = at(time.Minute) }, 401},
		"not issued":        {func(c *jwt.RegisteredClaims) { c.IssuedAt = nil }, 401},
		"expired":           {func(c *jwt.RegisteredClaims) { c.ExpiresAt = at(-time.Second) }, 401},
		"never expires":     {func(c *jwt.RegisteredClaims) { c.ExpiresAt = nil }, 401},
		"good for too long": {func(c *jwt.RegisteredClaims) { c.ExpiresAt = at(11 * time.Minute) }, 401},
	} {
		if got, err := e.try(e.jwt(test.change), "GET", "/app", nil); err != nil || got.status != test.status {
			t.Errorf("%s: status %d, error %v, want %d", name, got.status, err, test.status)
		}
	}
	app := e.callAs(e.jwt(nil), 200, "GET", "/app", nil).object(t)
	if app["slug"] != "hitrate" {
		t.Errorf("slug %v", app["slug"])
	}
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.RegisteredClaims{Issuer: fmt.Sprint(e.gh.AppID())}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	e.check(err)
	e.callAs(unsigned, 401, "GET", "/app", nil)
	e.callAs(e.token, 401, "GET", "/app", nil)
	e.callAs("", 401, "GET", "/app", nil)
	e.callAs(e.jwt(nil), 401, "GET", repoPath, nil)
	e.callAs("ghs_unknown", 401, "GET", repoPath, nil)
	e.callAs("", 401, "GET", repoPath, nil)
}

func TestInstallationTokenIsScoped(t *testing.T) {
	e := newExam(t, Options{})
	other, err := e.gh.CreateRepository("octo-org", "other", map[string]string{"a": "a"})
	e.check(err)
	e.check(e.gh.AddRepositories(e.installation, "other"))
	outside, err := e.gh.CreateRepository("octo-org", "outside", map[string]string{"a": "a"})
	e.check(err)
	path := fmt.Sprintf("/app/installations/%d/access_tokens", e.installation)
	mint := func(status int, body any) object {
		t.Helper()
		return e.callAs(e.jwt(nil), status, "POST", path, body).object(t)
	}

	got := mint(201, object{"repository_ids": []int64{e.repo.ID()}, "permissions": object{"contents": "read"}})
	token := got["token"].(string)
	if len(token) < 100 || !strings.HasPrefix(token, "ghs_") || got["repository_selection"] != "selected" || len(got["repositories"].([]any)) != 1 {
		t.Errorf("token: %v", got)
	}
	e.callAs(token, 200, "GET", repoPath, nil)
	e.callAs(token, 404, "GET", "/repos/octo-org/other", nil)
	e.callAs(token, 404, "GET", "/repos/octo-org/outside", nil)
	missing := e.callAs(token, 403, "GET", pullPath, nil).object(t)
	if missing["message"] != "Resource not accessible by integration" {
		t.Errorf("message %v", missing["message"])
	}

	all := mint(201, nil)["token"].(string)
	e.callAs(all, 200, "GET", "/repos/OCTO-ORG/Other", nil)
	e.callAs(all, 404, "GET", "/repos/octo-org/outside", nil)
	list := e.callAs(all, 200, "GET", "/installation/repositories", nil).object(t)
	if list["total_count"] != 2.0 {
		t.Errorf("repositories: %v", list["total_count"])
	}
	byName := mint(201, object{"repositories": []string{"other"}})["token"].(string)
	e.callAs(byName, 200, "GET", "/repos/octo-org/other", nil)
	e.callAs(byName, 404, "GET", repoPath, nil)

	mint(422, object{"repository_ids": []int64{outside.ID()}})
	mint(422, object{"repository_ids": []int64{other.ID(), 99}})
	mint(422, object{"repositories": []string{"outside"}})
	mint(422, object{"permissions": object{"contents": "write"}})
	mint(422, object{"permissions": object{"issues": "read"}})
	e.callAs(e.jwt(nil), 404, "POST", "/app/installations/1/access_tokens", nil)

	e.check(e.gh.RemoveRepositories(e.installation, "other"))
	e.callAs(byName, 404, "GET", "/repos/octo-org/other", nil)
}

func TestTokensEnd(t *testing.T) {
	now := time.Now()
	clock := make(chan time.Duration, 1)
	clock <- 0
	e := newExam(t, Options{Now: func() time.Time { d := <-clock; clock <- d; return now.Add(d) }})
	set := func(d time.Duration) { <-clock; clock <- d }

	set(59 * time.Minute)
	e.call(200, "GET", repoPath, nil)
	set(61 * time.Minute)
	e.call(401, "GET", repoPath, nil)
	fresh := func() string { token, err := e.gh.Token(e.installation); e.check(err); return token }
	token := fresh()
	e.callAs(token, 200, "GET", repoPath, nil)
	e.gh.ExpireTokens()
	e.callAs(token, 401, "GET", repoPath, nil)

	token = fresh()
	e.check(e.gh.Suspend(e.installation, true))
	e.callAs(token, 403, "GET", repoPath, nil)
	e.check(e.gh.Suspend(e.installation, false))
	e.callAs(token, 200, "GET", repoPath, nil)

	e.check(e.gh.Grant(e.installation, map[string]string{"metadata": "read"}))
	e.callAs(token, 200, "GET", pullPath, nil) // an old token keeps what it had
	e.callAs(fresh(), 403, "GET", pullPath, nil)

	e.check(e.gh.Uninstall(e.installation))
	e.callAs(token, 401, "GET", repoPath, nil)
}

func TestHourlyLimit(t *testing.T) {
	e := newExam(t, Options{RateLimit: 3})
	got := e.call(200, "GET", repoPath, nil)
	if got.header.Get("X-RateLimit-Remaining") != "2" || got.header.Get("X-RateLimit-Limit") != "3" || got.header.Get("X-RateLimit-Reset") == "" {
		t.Errorf("headers: %v", got.header)
	}
	e.call(200, "GET", "/rate_limit", nil)
	e.call(200, "GET", repoPath, nil)
	refused := e.call(403, "GET", repoPath, nil)
	if refused.header.Get("X-RateLimit-Remaining") != "0" || !strings.Contains(refused.body, "API rate limit exceeded") {
		t.Errorf("refusal: %v %s", refused.header, refused.body)
	}
}

func TestContentLimit(t *testing.T) {
	e := newExam(t, Options{ContentLimit: 2})
	body := object{"event": "COMMENT", "body": "Hello"}
	e.call(200, "POST", pullPath+"/reviews", body)
	e.call(200, "POST", pullPath+"/reviews", body)
	refused := e.call(403, "POST", pullPath+"/reviews", body)
	if refused.header.Get("Retry-After") != "60" || !strings.Contains(refused.body, "secondary rate limit") {
		t.Errorf("refusal: %v %s", refused.header, refused.body)
	}
	e.call(200, "GET", pullPath, nil)
	if n := len(e.pr.Reviews()); n != 2 {
		t.Errorf("%d reviews", n)
	}
}

func TestETag(t *testing.T) {
	e := newExam(t, Options{})
	tag := e.call(200, "GET", repoPath, nil).header.Get("ETag")
	e.call(304, "GET", repoPath, nil, "If-None-Match", tag)
	other, err := e.gh.Token(e.installation)
	e.check(err)
	e.callAs(other, 200, "GET", repoPath, nil, "If-None-Match", tag)
}
