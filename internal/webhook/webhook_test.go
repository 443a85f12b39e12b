package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/githubtest/octokit"
	"github.com/hitrate-bot/hitrate/internal/queue"
	"github.com/hitrate-bot/hitrate/internal/review"
)

const secret = "It's a Secret to Everybody"

func sign(body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// GitHub's own test vector.
// Source: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
func TestVector(t *testing.T) {
	if got := sign("Hello, World!"); got != "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17" {
		t.Fatal(got)
	}
}

// noted records what a handler writes down.
type noted struct {
	Wants  []queue.Want
	Forgot []int64
	err    error
}

func (n *noted) Add(_ context.Context, wants ...queue.Want) error {
	n.Wants = append(n.Wants, wants...)
	return n.err
}

func (n *noted) Forget(_ context.Context, installation int64) error {
	n.Forgot = append(n.Forgot, installation)
	return n.err
}

func newHandler(t testing.TB, n *noted) http.Handler {
	t.Helper()
	h, err := New(Options{Secret: []byte(secret), Queue: n, Quiet: 15 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func request(event, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-GitHub-Event", event)
	r.Header.Set("X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958")
	r.Header.Set("X-Hub-Signature-256", sign(body))
	return r
}

func send(h http.Handler, r *http.Request) (status int, answer string) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

// pullRequest is a payload with some fields changed; a nil value deletes one. Keys are paths with dots.
func pullRequest(action string, changes map[string]any) string {
	p := map[string]any{
		"action":       action,
		"number":       2,
		"installation": map[string]any{"id": 7},
		"repository":   map[string]any{"id": 11, "name": "app.git-2", "owner": map[string]any{"login": "octo-org"}},
		"pull_request": map[string]any{"number": 2, "title": "</script> \u202e"},
	}
	for path, value := range changes {
		at := p
		keys := strings.Split(path, ".")
		for _, key := range keys[:len(keys)-1] {
			next, ok := at[key].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[key] = next
			}
			at = next
		}
		if last := keys[len(keys)-1]; value == nil {
			delete(at, last)
		} else {
			at[last] = value
		}
	}
	data, err := json.Marshal(p)
	if err != nil {
		panic(err)
	}
	return string(data)
}

var reference = review.Ref{Installation: 7, Repository: 11, Owner: "octo-org", Name: "app.git-2", Number: 2}

func TestEvents(t *testing.T) {
	now, later := []queue.Want{{Ref: reference}}, []queue.Want{{Ref: reference, Quiet: 15 * time.Second}}
	type changes = map[string]any
	tests := []struct {
		name, event, body string
		status            int
		answer            string
		want              noted
	}{
		{"opened", "pull_request", pullRequest("opened", nil), 202, "noted", noted{Wants: now}},
		{"reopened", "pull_request", pullRequest("reopened", nil), 202, "noted", noted{Wants: now}},
		{"ready", "pull_request", pullRequest("ready_for_review", nil), 202, "noted", noted{Wants: now}},
		{"closed", "pull_request", pullRequest("closed", nil), 202, "noted", noted{Wants: now}},
		{"pushed", "pull_request", pullRequest("synchronize", nil), 202, "noted", noted{Wants: later}},
		{"another base", "pull_request", pullRequest("edited", changes{"changes.base": changes{"ref": changes{"from": "main"}}}), 202, "noted", noted{Wants: now}},
		{"another title", "pull_request", pullRequest("edited", changes{"changes.title": changes{"from": "x"}}), 200, "ignored: nothing to do for this action", noted{}},
		{"assigned", "pull_request", pullRequest("assigned", nil), 200, "ignored: nothing to do for this action", noted{}},
		{"unknown action", "pull_request", `{"action":"sung"}`, 200, "ignored: nothing to do for this action", noted{}},
		{"unknown event", "starred", `{"action":"opened"}`, 200, "ignored: hitrate does not use this event", noted{}},
		{"unknown event, not JSON", "starred", `hello`, 200, "ignored: hitrate does not use this event", noted{}},
		{"ping", "ping", `{"zen":"Half measures are as bad as nothing at all."}`, 200, "pong", noted{}},
		{"installed", "installation", `{"action":"created","installation":{"id":7}}`, 200, "ignored: nothing to do for this action", noted{}},
		{"uninstalled", "installation", `{"action":"deleted","installation":{"id":7}}`, 202, "forgotten", noted{Forgot: []int64{7}}},
		{"suspended", "installation", `{"action":"suspend","installation":{"id":7}}`, 200, "ignored: nothing to do for this action", noted{}},
		{"removed", "installation_repositories", `{"action":"removed","installation":{"id":7}}`, 200, "ignored: nothing to do for this action", noted{}},

		{"no event", "", `{}`, 400, "X-GitHub-Event is missing", noted{}},
		{"empty", "pull_request", ``, 400, "the payload is not JSON: unexpected end of JSON input at byte 0", noted{}},
		{"not JSON", "pull_request", `{"action":]`, 400, "the payload is not JSON: invalid character ']' looking for beginning of value at byte 11", noted{}},
		{"two values", "pull_request", `{} {}`, 400, "the payload is not JSON: invalid character '{' after top-level value at byte 4", noted{}},
		{"deep", "pull_request", strings.Repeat("[", 1e6), 400, "the payload is not JSON: invalid character '[' exceeded max depth at byte 10001", noted{}},
		{"a list", "pull_request", `[]`, 400, "the payload is not a JSON object: array", noted{}},
		{"no action", "pull_request", `{}`, 400, "action is missing", noted{}},
		{"action is a number", "pull_request", `{"action":1}`, 400, "action has the wrong type: number", noted{}},
		{"no installation", "pull_request", pullRequest("opened", changes{"installation": nil}), 400, "installation is missing: is this the webhook of a GitHub App?", noted{}},
		{"installation is null", "installation", `{"action":"deleted","installation":null}`, 400, "installation is missing: is this the webhook of a GitHub App?", noted{}},
		{"no installation id", "pull_request", pullRequest("opened", changes{"installation.id": nil}), 400, "installation.id is missing", noted{}},
		{"installation zero", "pull_request", pullRequest("opened", changes{"installation.id": 0}), 400, "installation.id is not positive", noted{}},
		{"installation as text", "pull_request", pullRequest("opened", changes{"installation.id": "7"}), 400, "installation.id has the wrong type: string", noted{}},
		{"installation too large", "pull_request", pullRequest("opened", changes{"installation.id": 1e30}), 400, "installation.id has the wrong type: number 1e+30", noted{}},
		{"no repository", "pull_request", pullRequest("opened", changes{"repository": nil}), 400, "repository is missing", noted{}},
		{"no repository id", "pull_request", pullRequest("opened", changes{"repository.id": nil}), 400, "repository.id is missing", noted{}},
		{"repository negative", "pull_request", pullRequest("opened", changes{"repository.id": -3}), 400, "repository.id is not positive", noted{}},
		{"no owner", "pull_request", pullRequest("opened", changes{"repository.owner": nil}), 400, "repository.owner is missing", noted{}},
		{"no login", "pull_request", pullRequest("opened", changes{"repository.owner.login": nil}), 400, "repository.owner.login is missing", noted{}},
		{"owner with a path", "pull_request", pullRequest("opened", changes{"repository.owner.login": "octo/../x"}), 400, "repository.owner.login is not a name", noted{}},
		{"owner of dots", "pull_request", pullRequest("opened", changes{"repository.owner.login": ".."}), 400, "repository.owner.login is not a name", noted{}},
		{"name with a path", "pull_request", pullRequest("opened", changes{"repository.name": "a/b"}), 400, "repository.name is not a name", noted{}},
		{"name with a query", "pull_request", pullRequest("opened", changes{"repository.name": "a?b"}), 400, "repository.name is not a name", noted{}},
		{"name of dots", "pull_request", pullRequest("opened", changes{"repository.name": ".."}), 400, "repository.name is not a name", noted{}},
		{"name with a line", "pull_request", pullRequest("opened", changes{"repository.name": "app\n"}), 400, "repository.name is not a name", noted{}},
		{"name too long", "pull_request", pullRequest("opened", changes{"repository.name": strings.Repeat("a", 101)}), 400, "repository.name is not a name", noted{}},
		{"no pull request", "pull_request", pullRequest("opened", changes{"pull_request": nil}), 400, "pull_request is missing", noted{}},
		{"no number", "pull_request", pullRequest("opened", changes{"number": nil}), 400, "number is missing", noted{}},
		{"number zero", "pull_request", pullRequest("opened", changes{"number": 0}), 400, "number is not positive", noted{}},
		{"half a number", "pull_request", pullRequest("opened", changes{"number": 1.5}), 400, "number has the wrong type: number 1.5", noted{}},
	}
	for _, test := range tests {
		for _, encoding := range []string{"JSON", "form"} {
			t.Run(test.name+" as "+encoding, func(t *testing.T) {
				r := request(test.event, test.body)
				if encoding == "form" {
					r = request(test.event, url.Values{"payload": {test.body}}.Encode())
					r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				}
				var got noted
				status, answer := send(newHandler(t, &got), r)
				if status != test.status || answer != test.answer {
					t.Errorf("%d %q, want %d %q", status, answer, test.status, test.answer)
				}
				if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(noted{})); diff != "" {
					t.Errorf("noted (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestRefusals(t *testing.T) {
	body := pullRequest("opened", nil)
	legacy := hmac.New(sha1.New, []byte(secret))
	legacy.Write([]byte(body))
	tests := []struct {
		name   string
		edit   func(r *http.Request)
		status int
	}{
		{"no signature", func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") }, 401},
		{"only SHA-1", func(r *http.Request) {
			r.Header.Del("X-Hub-Signature-256")
			r.Header.Set("X-Hub-Signature", "sha1="+hex.EncodeToString(legacy.Sum(nil)))
		}, 401},
		{"SHA-1 in the other header", func(r *http.Request) {
			r.Header.Set("X-Hub-Signature-256", "sha1="+hex.EncodeToString(legacy.Sum(nil)))
		}, 401},
		{"another body's signature", func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", sign(body+" ")) }, 401},
		{"short signature", func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", sign(body)[:40]) }, 401},
		{"empty signature", func(r *http.Request) { r.Header.Set("X-Hub-Signature-256", "sha256=") }, 401},
		{"two signatures", func(r *http.Request) { r.Header.Add("X-Hub-Signature-256", sign("x")) }, 401},
		{"signature in digits that are not hexadecimal", func(r *http.Request) {
			r.Header.Set("X-Hub-Signature-256", "sha256="+strings.Repeat("z", 64))
		}, 401},
		{"GET", func(r *http.Request) { r.Method = http.MethodGet }, 405},
		{"PUT", func(r *http.Request) { r.Method = http.MethodPut }, 405},
		{"XML", func(r *http.Request) { r.Header.Set("Content-Type", "text/xml") }, 415},
		{"form without a payload", func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, 400},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := request("pull_request", body)
			test.edit(r)
			var got noted
			if status, answer := send(newHandler(t, &got), r); status != test.status {
				t.Errorf("%d %q, want %d", status, answer, test.status)
			}
			if len(got.Wants) != 0 {
				t.Errorf("noted %+v", got.Wants)
			}
		})
	}
}

// An unsigned body of nonsense is not parsed: the answer is about the signature.
func TestSignatureBeforeParsing(t *testing.T) {
	r := request("pull_request", "nonsense")
	r.Header.Set("X-Hub-Signature-256", sign("else"))
	if status, _ := send(newHandler(t, &noted{}), r); status != http.StatusUnauthorized {
		t.Errorf("%d", status)
	}
}

func TestBodySize(t *testing.T) {
	start, end := `{"action":"opened","filler":"`, `",`+pullRequest("opened", nil)[1:]
	for _, test := range []struct{ size, status int }{{MaxBody, 202}, {MaxBody + 1, 413}} {
		body := start + strings.Repeat("x", test.size-len(start)-len(end)) + end
		var got noted
		if status, answer := send(newHandler(t, &got), request("pull_request", body)); status != test.status {
			t.Errorf("%d bytes: %d %q, want %d", test.size, status, answer, test.status)
		}
	}
}

func TestDatabaseFails(t *testing.T) {
	for _, body := range []string{pullRequest("opened", nil)} {
		if status, _ := send(newHandler(t, &noted{err: errors.New("disk full")}), request("pull_request", body)); status != http.StatusServiceUnavailable {
			t.Errorf("%d", status)
		}
	}
	if status, _ := send(newHandler(t, &noted{err: errors.New("disk full")}), request("installation", `{"action":"deleted","installation":{"id":7}}`)); status != http.StatusServiceUnavailable {
		t.Errorf("%d", status)
	}
}

func TestEmptySecret(t *testing.T) {
	for _, s := range [][]byte{nil, {}} {
		if _, err := New(Options{Secret: s, Queue: &noted{}}); err == nil {
			t.Error("an empty secret is taken")
		}
	}
}

// Every payload that GitHub gives as an example is answered with a 2xx, but for pull requests without
// an installation, which do not come from an App's webhook.
func TestExamples(t *testing.T) {
	var examples []struct {
		Name     string            `json:"name"`
		Examples []json.RawMessage `json:"examples"`
	}
	data, err := os.ReadFile(octokit.Assets(t, octokit.WebhooksAsset))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &examples); err != nil {
		t.Fatal(err)
	}
	codertocat := review.Ref{Repository: 186853002, Owner: "Codertocat", Name: "Hello-World", Number: 2}
	looks, statuses := map[string]int{}, map[int]int{}
	for _, event := range examples {
		for i, example := range event.Examples {
			var got noted
			status, answer := send(newHandler(t, &got), request(event.Name, string(example)))
			statuses[status]++
			var p struct {
				Action       string
				Installation *struct{ ID int64 }
			}
			_ = json.Unmarshal(example, &p) // some have no action
			if status == 400 && event.Name == "pull_request" && p.Installation == nil {
				continue
			}
			if status/100 != 2 {
				t.Errorf("%s %d: %d %s", event.Name, i, status, answer)
			}
			for _, want := range got.Wants {
				looks[event.Name+" "+p.Action]++
				expected := codertocat
				expected.Installation = p.Installation.ID
				if want.Ref != expected {
					t.Errorf("%s %d: noted %+v", event.Name, i, want.Ref)
				}
			}
			for range got.Forgot {
				looks[event.Name+" "+p.Action]++
			}
		}
	}
	want := map[string]int{
		"pull_request opened": 3, "pull_request synchronize": 1, "pull_request reopened": 2,
		"pull_request ready_for_review": 1, "pull_request closed": 2, "installation deleted": 2,
	}
	if !maps.Equal(want, looks) {
		t.Errorf("led to something: %v, want %v", looks, want)
	}
	if statuses[400] != 3 {
		t.Errorf("answers: %v", statuses)
	}
}

// FuzzHandler sends any body with a right signature: the answer is one of the documented ones, and
// what is noted could be an address of GitHub.
func FuzzHandler(f *testing.F) {
	for _, action := range []string{"opened", "synchronize", "edited"} {
		f.Add("pull_request", "application/json", []byte(pullRequest(action, nil)))
	}
	f.Add("installation", "application/json", []byte(`{"action":"deleted","installation":{"id":7}}`))
	f.Add("pull_request", "application/x-www-form-urlencoded", []byte("payload=%7B%7D"))
	f.Add("ping", "", []byte("{}"))
	f.Fuzz(func(t *testing.T, event, contentType string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/webhook", bytes.NewReader(body))
		r.Header["X-Github-Event"], r.Header["Content-Type"] = []string{event}, []string{contentType}
		r.Header.Set("X-Hub-Signature-256", sign(string(body)))
		var got noted
		status, answer := send(newHandler(t, &got), r)
		switch status {
		case 200, 400, 415:
			if len(got.Wants)+len(got.Forgot) != 0 {
				t.Errorf("%d and noted %+v", status, got)
			}
		case 202:
			if len(got.Wants)+len(got.Forgot) != 1 {
				t.Errorf("noted %+v", got)
			}
		default:
			t.Errorf("%d %q", status, answer)
		}
		for _, want := range got.Wants {
			r := want.Ref
			address := fmt.Sprintf("/repos/%s/%s/pulls/%d", r.Owner, r.Name, r.Number)
			u, err := url.Parse("http://x" + address)
			if err != nil || u.EscapedPath() != address || u.JoinPath().Path != address {
				t.Errorf("%+v makes the address %v", r, u)
			}
		}
	})
}
