package githubtest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// TestConcurrentUse lets a bot that answers webhooks by calling back, a reader and a pusher work at
// the same time.
func TestConcurrentUse(t *testing.T) {
	e := newExam(t, Options{})
	bot := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, err := e.try(e.token, "GET", pullPath, nil)
		if err != nil || got.status != http.StatusOK {
			t.Errorf("status %d, error %v", got.status, err)
		}
		w.WriteHeader(http.StatusAccepted)
	}))
	defer bot.Close()
	e.gh.SetWebhook(Webhook{URL: bot.URL, Secret: "secret"})
	const n = 8
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			got, err := e.try(e.token, "POST", pullPath+"/reviews", object{"event": "COMMENT", "body": fmt.Sprint(i), "comments": []any{at(5)}})
			if err != nil || got.status != http.StatusOK {
				t.Errorf("status %d, error %v", got.status, err)
			}
		})
		wg.Go(func() {
			if _, err := e.repo.Commit("feature", "Go on", Edit{Files: map[string]string{"counter": fmt.Sprint(i)}}); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := e.pr.View(); err != nil {
				t.Error(err)
			}
			e.gh.Deliveries()
			e.gh.Requests()
			e.gh.URL()
		})
	}
	wg.Wait()
	e.flush()
	if len(e.pr.Reviews()) != n || len(e.pr.Comments()) != n {
		t.Errorf("%d reviews, %d comments", len(e.pr.Reviews()), len(e.pr.Comments()))
	}
}
