package githubtest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // GitHub still sends this signature beside the other
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// deliveryTimeout is how long GitHub waits for an answer to a webhook.
const deliveryTimeout = 10 * time.Second

// Webhook says where the App's webhooks go.
type Webhook struct {
	URL    string // "" sends none
	Secret string
	// Form sends application/x-www-form-urlencoded instead of application/json.
	Form bool
}

// Delivery is one webhook and what became of it.
type Delivery struct {
	ID            int64
	GUID          string
	Event, Action string
	Installation  int64
	Repository    int64
	Payload       []byte // JSON
	At            time.Time
	Held          bool // not sent yet
	Attempts      []Attempt
}

// Attempt is one sending of a delivery.
type Attempt struct {
	ID     int64
	At     time.Time
	Status int    // of the answer; 0 where there was none
	Answer string // the first 64 KiB of its body
	Err    string
}

// hooks sends webhooks in order, one at a time, in a goroutine of its own.
type hooks struct {
	s      *Server
	client *http.Client
	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}
	wake   chan struct{}

	mu      sync.Mutex
	target  Webhook
	holding bool
	all     []*Delivery
	waiting []*Delivery
	sending bool
	idle    chan struct{} // closed while nothing is to be sent
}

func newHooks(s *Server) *hooks {
	ctx, cancel := context.WithCancel(context.Background())
	h := &hooks{
		s: s, ctx: ctx, cancel: cancel, done: make(chan struct{}), wake: make(chan struct{}, 1), idle: make(chan struct{}),
		client: &http.Client{
			Timeout:       deliveryTimeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	close(h.idle)
	go h.loop()
	return h
}

func (h *hooks) close() {
	h.cancel()
	<-h.done
	h.client.CloseIdleConnections()
}

// loop sends what waits.
func (h *hooks) loop() {
	defer close(h.done)
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-h.wake:
		}
		for h.ctx.Err() == nil {
			h.mu.Lock()
			if len(h.waiting) == 0 {
				if h.sending { // else the wake was for what went with an earlier one
					h.sending = false
					close(h.idle)
				}
				h.mu.Unlock()
				break
			}
			d := h.waiting[0]
			h.waiting = h.waiting[1:]
			h.mu.Unlock()
			h.send(h.ctx, d)
		}
	}
}

// add notes a delivery and has it sent, unless it is held.
func (h *hooks) add(d *Delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, d)
	d.Held = h.holding
	if !h.holding && h.target.URL != "" {
		h.enqueue(d)
	}
}

// enqueue has a delivery sent. The lock is held.
func (h *hooks) enqueue(d *Delivery) {
	h.waiting = append(h.waiting, d)
	if !h.sending {
		h.sending = true
		h.idle = make(chan struct{})
	}
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

func (h *hooks) flush(ctx context.Context) error {
	for {
		h.mu.Lock()
		idle, sending := h.idle, h.sending
		h.mu.Unlock()
		if !sending {
			return nil
		}
		select {
		case <-idle:
		case <-h.ctx.Done():
			return fmt.Errorf("flush webhooks: %w", h.ctx.Err())
		case <-ctx.Done():
			return fmt.Errorf("flush webhooks: %w", ctx.Err())
		}
	}
}

// send sends a delivery once and notes the attempt.
func (h *hooks) send(ctx context.Context, d *Delivery) Attempt {
	h.mu.Lock()
	target := h.target
	h.mu.Unlock()
	h.s.mu.Lock()
	a := Attempt{ID: h.s.nextID(), At: h.s.now()}
	h.s.mu.Unlock()

	response, err := h.post(ctx, target, d)
	if err != nil {
		a.Err = err.Error()
	} else {
		text, _ := io.ReadAll(io.LimitReader(response.Body, 64<<10))
		_ = response.Body.Close()
		a.Status, a.Answer = response.StatusCode, string(text)
	}
	h.mu.Lock()
	d.Held = false
	d.Attempts = append(d.Attempts, a)
	h.mu.Unlock()
	return a
}

func (h *hooks) post(ctx context.Context, target Webhook, d *Delivery) (*http.Response, error) {
	if target.URL == "" {
		return nil, fmt.Errorf("send webhook %s: no address", d.GUID)
	}
	request, err := h.s.webhookRequest(ctx, target, d)
	if err != nil {
		return nil, err
	}
	return h.client.Do(request)
}

// webhookRequest makes a delivery's request as GitHub sends it.
func (s *Server) webhookRequest(ctx context.Context, target Webhook, d *Delivery) (*http.Request, error) {
	body, kind := d.Payload, "application/json"
	if target.Form {
		body, kind = []byte(url.Values{"payload": {string(d.Payload)}}.Encode()), "application/x-www-form-urlencoded"
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target.URL, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("send webhook %s: %w", d.GUID, err)
	}
	r.Header.Set("Accept", "*/*")
	r.Header.Set("Content-Type", kind)
	r.Header.Set("User-Agent", "GitHub-Hookshot/a1b2c3d")
	r.Header.Set("X-GitHub-Event", d.Event)
	r.Header.Set("X-GitHub-Delivery", d.GUID)
	r.Header.Set("X-GitHub-Hook-ID", "1")
	r.Header.Set("X-GitHub-Hook-Installation-Target-ID", strconv.FormatInt(s.options.AppID, 10))
	r.Header.Set("X-GitHub-Hook-Installation-Target-Type", "integration")
	if target.Secret != "" {
		r.Header.Set("X-Hub-Signature", "sha1="+sign(sha1.New, target.Secret, body))
		r.Header.Set("X-Hub-Signature-256", "sha256="+sign(sha256.New, target.Secret, body))
	}
	return r, nil
}

func sign(algorithm func() hash.Hash, secret string, body []byte) string {
	mac := hmac.New(algorithm, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// SetWebhook says where webhooks go from now on.
func (s *Server) SetWebhook(w Webhook) {
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	s.hooks.target = w
}

// HoldWebhooks keeps deliveries back until Send, in whatever order a test likes, or lets them go by
// themselves again from now on. Held ones that are never sent are lost, as GitHub loses them.
func (s *Server) HoldWebhooks(hold bool) {
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	s.hooks.holding = hold
}

// Deliveries are all webhooks so far, in the order of their events.
func (s *Server) Deliveries() []Delivery {
	s.hooks.mu.Lock()
	defer s.hooks.mu.Unlock()
	var list []Delivery
	for _, d := range s.hooks.all {
		list = append(list, d.copied())
	}
	return list
}

func (d *Delivery) copied() Delivery {
	c := *d
	c.Attempts = slices.Clone(d.Attempts)
	return c
}

// Send sends a delivery now, held or sent before, with the same GUID and payload, and waits for the
// answer.
func (s *Server) Send(ctx context.Context, guid string) (Attempt, error) {
	d := s.hooks.byGUID(guid)
	if d == nil {
		return Attempt{}, fmt.Errorf("send webhook %s: %w", guid, errNotFound)
	}
	return s.hooks.send(ctx, d), nil
}

// WebhookRequest is a delivery's request to a URL, not sent: for handlers that are tested without a
// server.
func (s *Server) WebhookRequest(ctx context.Context, guid string, target Webhook) (*http.Request, error) {
	d := s.hooks.byGUID(guid)
	if d == nil {
		return nil, fmt.Errorf("make webhook %s: %w", guid, errNotFound)
	}
	return s.webhookRequest(ctx, target, d)
}

func (h *hooks) byGUID(guid string) *Delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range h.all {
		if d.GUID == guid {
			return d
		}
	}
	return nil
}

// Emit sends any event with any payload, which is encoded as JSON, and returns its GUID: for events
// that this package does not make by itself.
func (s *Server) Emit(event string, payload any) (string, error) {
	data, err := json.Marshal(payload)
	if err != nil {
		return "", fmt.Errorf("emit %s: %w", event, err)
	}
	var known struct {
		Action       string             `json:"action"`
		Installation struct{ ID int64 } `json:"installation"`
		Repository   struct{ ID int64 } `json:"repository"`
	}
	_ = json.Unmarshal(data, &known) // what is not there stays empty
	s.mu.Lock()
	d := &Delivery{ID: s.nextID(), GUID: guid(), Event: event, Action: known.Action, Installation: known.Installation.ID,
		Repository: known.Repository.ID, Payload: data, At: s.now()}
	s.mu.Unlock()
	s.hooks.add(d)
	return d.GUID, nil
}

// Ping sends the event that GitHub sends when a webhook is made.
func (s *Server) Ping() (string, error) {
	return s.Emit("ping", object{
		"zen": "Design for failure.", "hook_id": 1,
		"hook": object{"type": "App", "id": 1, "name": "web", "active": true, "events": []string{"pull_request"}, "app_id": s.options.AppID,
			"config": object{"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": "https://bot.invalid/webhook"}},
	})
}

func guid() string {
	h := randomHex(16)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}

// deliver notes an event and has it sent. The server's lock is held.
func (s *Server) deliver(event, action string, i *installation, repository int64, payload object) {
	d := &Delivery{ID: s.nextID(), GUID: guid(), Event: event, Action: action, Installation: i.id, Repository: repository, At: s.now()}
	d.Payload = mustJSON(payload)
	s.hooks.add(d)
}

// emit sends a pull_request event to each installation that has the base repository.
func (p *PullRequest) emit(action string, sender *user, more object) {
	s := p.s
	p.updated = s.now()
	if s.options.Lag > 0 {
		p.lag = s.options.Lag
	}
	for _, id := range slices.Sorted(maps.Keys(s.installations)) {
		i := s.installations[id]
		if !i.has(p.base.repo) || i.suspended != nil || !covers(i.permissions, "pull_requests", "read") {
			continue
		}
		payload := object{
			"action": action, "number": p.number, "pull_request": p.json(),
			"repository": s.repositoryJSON(p.base.repo), "sender": s.userJSON(sender),
			"installation": object{"id": i.id, "node_id": nodeID("MDIzOkludGVncmF0aW9uSW5zdGFsbGF0aW9u", i.id)},
		}
		if owner := p.base.repo.owner; owner.kind == "Organization" {
			payload["organization"] = s.organizationJSON(owner)
		}
		maps.Copy(payload, more)
		s.deliver("pull_request", action, i, p.base.repo.id, payload)
	}
}

// emitInstallation sends the event "installation".
func (s *Server) emitInstallation(i *installation, action string) {
	list := []any{}
	for _, r := range s.sortedRepositories() {
		if i.has(r) {
			list = append(list, s.shortRepositoryJSON(r))
		}
	}
	payload := object{"action": action, "installation": s.installationEventJSON(i, action), "repositories": list, "sender": s.userJSON(s.account("octocat", "User"))}
	if action == "created" {
		payload["requester"] = nil
	}
	s.deliver("installation", action, i, 0, payload)
}

// emitInstallationRepositories sends the event "installation_repositories".
func (s *Server) emitInstallationRepositories(i *installation, changed []*Repository, add bool) {
	list := []any{}
	for _, r := range changed {
		list = append(list, s.shortRepositoryJSON(r))
	}
	action, added, removed := "added", list, []any{}
	if !add {
		action, added, removed = "removed", removed, list
	}
	s.deliver("installation_repositories", action, i, 0, object{
		"action": action, "installation": s.installationEventJSON(i, action), "repository_selection": i.selection(), "requester": nil,
		"repositories_added": added, "repositories_removed": removed, "sender": s.userJSON(s.account("octocat", "User")),
	})
}
