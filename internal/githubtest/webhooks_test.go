package githubtest

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/githubtest/octokit"
)

// receiver notes the webhooks that come in and answers with a status.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	got    []received
}

type received struct {
	header http.Header
	body   string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{status: http.StatusAccepted}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got = append(r.got, received{request.Header, string(body)})
		w.WriteHeader(r.status)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) guids() (list []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.got {
		list = append(list, d.header.Get("X-GitHub-Delivery"))
	}
	return list
}

func (e *exam) flush() {
	e.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	e.check(e.gh.Flush(ctx))
}

func TestSignature(t *testing.T) {
	// The example of GitHub's page "Validating webhook deliveries".
	const want = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	if got := sign(sha256.New, "It's a Secret to Everybody", []byte("Hello, World!")); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestWebhooksAreSent(t *testing.T) {
	e := newExam(t, Options{})
	r := newReceiver(t)
	e.gh.SetWebhook(Webhook{URL: r.URL + "/webhook", Secret: "secret"})
	before := e.pr.Head()
	e.dockerfile(newDockerfile + "RUN more\n")
	e.flush()
	if len(r.got) != 1 {
		t.Fatalf("%d webhooks", len(r.got))
	}
	got := r.got[0]
	if got.header.Get("X-Hub-Signature-256") != "sha256="+sign(sha256.New, "secret", []byte(got.body)) ||
		got.header.Get("X-GitHub-Event") != "pull_request" || got.header.Get("Content-Type") != "application/json" ||
		!strings.HasPrefix(got.header.Get("User-Agent"), "GitHub-Hookshot/") || got.header.Get("X-GitHub-Hook-Installation-Target-ID") != "12345" {
		t.Errorf("headers %v", got.header)
	}
	payload := response{body: got.body}.object(t)
	if payload["action"] != "synchronize" || payload["before"] != before || payload["after"] != e.pr.Head() || payload["number"] != 1.0 ||
		payload["installation"].(object)["id"] != float64(e.installation) || payload["repository"].(object)["full_name"] != "octo-org/app" {
		t.Errorf("payload %v", payload)
	}

	e.gh.SetWebhook(Webhook{URL: r.URL, Secret: "secret", Form: true})
	e.pr.Close()
	e.flush()
	got = r.got[1]
	form, err := url.ParseQuery(got.body)
	e.check(err)
	if got.header.Get("Content-Type") != "application/x-www-form-urlencoded" || !strings.Contains(form.Get("payload"), `"action":"closed"`) ||
		got.header.Get("X-Hub-Signature-256") != "sha256="+sign(sha256.New, "secret", []byte(got.body)) {
		t.Errorf("form %v %.100q", got.header, got.body)
	}
}

func TestEveryEvent(t *testing.T) {
	e := newExam(t, Options{})
	e.check(e.repo.Branch("release", "main"))
	e.dockerfile(newDockerfile + "RUN more\n")
	e.pr.ConvertToDraft()
	e.pr.MarkReady()
	e.pr.MarkReady() // it is
	e.check(e.pr.Retarget("release"))
	e.pr.Rename("Another title")
	e.pr.Close()
	e.dockerfile(newDockerfile + "RUN even more\n") // nobody is told
	e.pr.Reopen()
	e.check(e.pr.Merge())
	e.pr.Reopen() // it cannot be
	_, err := e.gh.CreateRepository("octo-org", "other", nil)
	e.check(err)
	e.check(e.gh.AddRepositories(e.installation, "other"))
	e.check(e.gh.RemoveRepositories(e.installation, "other"))
	e.check(e.gh.Suspend(e.installation, true))
	e.check(e.gh.Suspend(e.installation, false))
	_, err = e.gh.Ping()
	e.check(err)
	e.check(e.gh.Uninstall(e.installation))
	_, err = e.repo.Commit("later", "After that", Edit{Files: map[string]string{"x": "x"}})
	e.check(err)
	_, err = e.repo.OpenPullRequest(NewPullRequest{Head: "later"}) // nobody is told
	e.check(err)

	var got []string
	for _, d := range e.gh.Deliveries() {
		got = append(got, d.Event+" "+d.Action)
	}
	want := []string{
		"installation created", "pull_request opened", "pull_request synchronize", "pull_request converted_to_draft", "pull_request ready_for_review",
		"pull_request edited", "pull_request edited", "pull_request closed", "pull_request reopened", "pull_request closed",
		"installation_repositories added", "installation_repositories removed", "installation suspend", "installation unsuspend", "ping ", "installation deleted",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	payload := response{body: string(e.gh.Deliveries()[5].Payload)}.object(t)
	if from := payload["changes"].(object)["base"].(object)["ref"].(object)["from"]; from != "main" {
		t.Errorf("changes %v", payload["changes"])
	}
	payload = response{body: string(e.gh.Deliveries()[9].Payload)}.object(t)
	if payload["pull_request"].(object)["merged"] != true {
		t.Error("the merged pull request is not merged")
	}
}

func TestHeldWebhooks(t *testing.T) {
	e := newExam(t, Options{})
	r := newReceiver(t)
	e.gh.SetWebhook(Webhook{URL: r.URL, Secret: "secret"})
	e.gh.HoldWebhooks(true)
	from := len(e.gh.Deliveries())
	e.dockerfile(newDockerfile + "RUN 1\n")
	e.dockerfile(newDockerfile + "RUN 2\n")
	e.dockerfile(newDockerfile + "RUN 3\n")
	held := e.gh.Deliveries()[from:]
	e.flush()
	if len(r.guids()) != 0 || !held[0].Held {
		t.Errorf("sent: %v", r.guids())
	}
	// Out of order, one twice, one never.
	for _, i := range []int{2, 0, 2} {
		a, err := e.gh.Send(context.Background(), held[i].GUID)
		if err != nil || a.Status != http.StatusAccepted {
			t.Errorf("attempt %+v, error %v", a, err)
		}
	}
	if diff := cmp.Diff([]string{held[2].GUID, held[0].GUID, held[2].GUID}, r.guids()); diff != "" {
		t.Error(diff)
	}
	if r.got[0].body != r.got[2].body {
		t.Error("a repeated delivery has another payload")
	}
	e.gh.HoldWebhooks(false)
	e.dockerfile(newDockerfile + "RUN 4\n")
	e.flush()
	if n := len(r.guids()); n != 4 {
		t.Errorf("%d sent", n)
	}
	if d := e.gh.Deliveries()[from:]; !d[1].Held || d[0].Held || len(d[2].Attempts) != 2 {
		t.Errorf("log %+v", d)
	}
	if _, err := e.gh.Send(context.Background(), "nothing"); err == nil {
		t.Error("sent what is not there")
	}
}

func TestDeliveryLog(t *testing.T) {
	e := newExam(t, Options{})
	r := newReceiver(t)
	e.gh.SetWebhook(Webhook{URL: r.URL, Secret: "secret"})
	r.status = http.StatusInternalServerError
	e.pr.ConvertToDraft()
	e.flush()
	r.mu.Lock()
	r.status = http.StatusAccepted
	r.mu.Unlock()
	e.pr.MarkReady()
	e.flush()
	app := e.jwt(nil)
	failed := e.callAs(app, 200, "GET", "/app/hook/deliveries?status=failure", nil).list(t)
	if len(failed) != 1 || failed[0]["action"] != "converted_to_draft" || failed[0]["status_code"] != 500.0 {
		t.Fatalf("failed deliveries %v", failed)
	}
	path := fmt.Sprintf("/app/hook/deliveries/%.0f", failed[0]["id"])
	one := e.callAs(app, 200, "GET", path, nil).object(t)
	if payload := one["request"].(object)["payload"].(object); payload["action"] != "converted_to_draft" {
		t.Errorf("payload %v", payload)
	}
	e.callAs(app, 202, "POST", path+"/attempts", nil)
	e.flush()
	first := e.callAs(app, 200, "GET", "/app/hook/deliveries?per_page=1", nil)
	if list := first.list(t); len(list) != 1 || list[0]["redelivery"] != true || list[0]["guid"] != failed[0]["guid"] {
		t.Errorf("newest %v", list)
	}
	next, _, _ := strings.Cut(strings.TrimPrefix(first.header.Get("Link"), "<"), ">")
	if list := e.callAs(app, 200, "GET", next, nil).list(t); len(list) != 1 || list[0]["action"] != "ready_for_review" {
		t.Errorf("second page %v", list)
	}
	e.callAs(app, 404, "GET", "/app/hook/deliveries/1", nil)
}

func TestReceiverThatIsDown(t *testing.T) {
	e := newExam(t, Options{})
	r := newReceiver(t)
	e.gh.SetWebhook(Webhook{URL: r.URL, Secret: "secret"})
	r.Close()
	e.pr.Close()
	e.flush()
	d := e.gh.Deliveries()
	if last := d[len(d)-1]; len(last.Attempts) != 1 || last.Attempts[0].Err == "" {
		t.Errorf("delivery %+v", last)
	}
}

// TestPayloadsHaveWhatGitHubsHave holds our payloads against GitHub's examples: every key of theirs
// is in ours, with a value of the same kind or null.
func TestPayloadsHaveWhatGitHubsHave(t *testing.T) {
	data, err := os.ReadFile(octokit.Assets(t, octokit.WebhooksAsset))
	if err != nil {
		t.Fatal(err)
	}
	var events []struct {
		Name     string
		Examples []object
	}
	if err := json.Unmarshal(data, &events); err != nil {
		t.Fatal(err)
	}
	example := func(event, action string) (found object) {
		for _, e := range events {
			for _, example := range e.Examples {
				if e.Name == event && example["action"] == action && (example["installation"] != nil || found == nil) {
					found = example
				}
			}
		}
		return found
	}
	e := newExam(t, Options{})
	e.check(e.repo.Branch("release", "main"))
	e.dockerfile(newDockerfile + "RUN more\n")
	e.pr.ConvertToDraft()
	e.pr.MarkReady()
	e.pr.Close()
	e.pr.Reopen()
	_, err = e.gh.CreateRepository("octo-org", "other", nil)
	e.check(err)
	e.check(e.gh.AddRepositories(e.installation, "other"))
	e.check(e.gh.RemoveRepositories(e.installation, "other"))
	e.check(e.gh.Suspend(e.installation, true))
	e.check(e.gh.Suspend(e.installation, false))
	e.check(e.gh.Uninstall(e.installation))
	for _, d := range e.gh.Deliveries() {
		theirs := example(d.Event, d.Action)
		if theirs == nil {
			t.Errorf("GitHub has no example of %s %s", d.Event, d.Action)
			continue
		}
		ours := response{body: string(d.Payload)}.object(t)
		for _, missing := range missingKeys("", theirs, ours) {
			t.Errorf("%s %s: %s", d.Event, d.Action, missing)
		}
	}
}

// missingKeys lists what one value has and the other has not, or of another kind.
func missingKeys(path string, theirs, ours any) []string {
	switch theirs := theirs.(type) {
	case object:
		o, ok := ours.(object)
		if !ok {
			if ours == nil {
				return nil
			}
			return []string{fmt.Sprintf("%s is %T", path, ours)}
		}
		var missing []string
		for _, key := range sortedKeys(theirs) {
			if key == "permissions" {
				continue // each App has its own
			}
			value, ok := o[key]
			if !ok {
				missing = append(missing, path+"/"+key+" is missing")
				continue
			}
			missing = append(missing, missingKeys(path+"/"+key, theirs[key], value)...)
		}
		return missing
	case []any:
		o, ok := ours.([]any)
		if !ok {
			return []string{fmt.Sprintf("%s is %T", path, ours)}
		}
		if len(theirs) > 0 && len(o) > 0 {
			return missingKeys(path+"/0", theirs[0], o[0])
		}
	case nil:
	default:
		if ours != nil && fmt.Sprintf("%T", ours) != fmt.Sprintf("%T", theirs) {
			return []string{fmt.Sprintf("%s is %T, not %T", path, ours, theirs)}
		}
	}
	return nil
}
