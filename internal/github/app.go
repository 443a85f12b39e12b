// Package github is the only code that speaks GitHub's API: it implements review.Host for the pull
// requests of a GitHub App's installations.
//
// An App keeps what outlives one review: a client for each repository (with a token for that
// repository alone), what GitHub said about its limits, and the pace of writing. A host is one pull
// request's view of it. Every request goes through call, every error through classify:
//
//	limited (403, 429, 422 "abuse")      LaterError, and no request of that installation before then
//	404, 410, 403, token refused         GoneError; a 404 only after 1, 2 and 4 seconds, because
//	                                     GitHub's answers lag behind its webhooks
//	5xx, broken connection, reading      tried again three times within seconds, then LaterError
//	5xx, broken connection, writing      UnknownError: it may have happened
//	422 to a review                      RefusedError
package github

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/bradleyfalzon/ghinstallation/v2"
	"github.com/google/go-github/v60/github"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/review"
)

const (
	// DefaultMutationGap is the time between two writes of an installation that GitHub asks for.
	// Source: https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api
	DefaultMutationGap = time.Second

	requestTimeout = 60 * time.Second
	// maxAnswer bounds an answer in bytes. The largest are trees, 7 MB.
	maxAnswer = 64 << 20
	// maxClients is how many repositories' clients are kept, each with its token.
	maxClients = 512
)

// Options of an App.
type Options struct {
	AppID      int64
	PrivateKey []byte // PEM
	// APIURL is the address of the REST API; nothing is appended to it but a slash where it lacks one.
	// ServerURL is that of the pages, below which git clones.
	APIURL, ServerURL string
	// History reads the last commits of a branch, at most so many; nil: nothing is known of the past.
	History func(ctx context.Context, from Clone, commits int) (*buildcontext.History, error)
	Log     *slog.Logger
	Now     func() time.Time
	// Sleep waits, or returns the context's error before that; nil is a timer.
	Sleep func(ctx context.Context, d time.Duration) error
	// MutationGap is the least time between two writes of an installation; see DefaultMutationGap.
	MutationGap time.Duration
	// Transport carries the requests; nil is http.DefaultTransport.
	Transport http.RoundTripper
}

// App is a GitHub App. It is safe for concurrent use.
type App struct {
	options Options
	baseURL *url.URL // with the final slash
	app     *github.Client
	log     *slog.Logger

	mu            sync.Mutex
	login         string
	clients       *lru[scope, *github.Client]
	installations map[int64]*installation
}

// scope is what one token is good for.
type scope struct {
	installation int64
	// repository is an id; 0 is the repository ".github" of the installation's account, which is
	// only read.
	repository int64
	// clones: for git, which is to read and nothing else.
	clones bool
}

// installation is what all tokens of an installation share: GitHub's limits and the pace of writing.
type installation struct {
	gate   gate
	writes pacer
}

// New makes an App. It sends nothing yet.
func New(o Options) (*App, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	base, err := url.Parse(strings.TrimSuffix(o.APIURL, "/") + "/")
	if err != nil || base.Host == "" {
		return nil, errors.New("the address of GitHub's API is not an address")
	}
	o.Transport = &transport{next: o.Transport, log: o.Log}
	a := &App{
		options: o, baseURL: base, log: o.Log,
		clients: newLRU[scope, *github.Client](maxClients), installations: map[int64]*installation{},
	}
	// It has an AppsTransport of its own: one shared with installations' transports is a data race
	// in ghinstallation.
	jwt, err := ghinstallation.NewAppsTransport(o.Transport, o.AppID, o.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("read the App's private key: %w", err)
	}
	jwt.BaseURL = strings.TrimSuffix(base.String(), "/")
	a.app = a.newClient(jwt)
	return a, nil
}

// Host is GitHub as the review of one pull request sees it.
func (a *App) Host(ref review.Ref) review.Host {
	return &host{app: a, ref: ref, scope: scope{installation: ref.Installation, repository: ref.Repository}}
}

func (a *App) newClient(t http.RoundTripper) *github.Client {
	client := github.NewClient(&http.Client{Transport: t, Timeout: requestTimeout, CheckRedirect: checkRedirect})
	client.BaseURL = a.baseURL
	client.UserAgent = "hitrate"
	return client
}

// checkRedirect follows GitHub to a renamed repository, but neither to another host, which would be
// handed the token, nor with another method, which would be another request.
func checkRedirect(req *http.Request, via []*http.Request) error {
	first := via[0]
	if len(via) > 5 || req.Method != first.Method || req.URL.Host != first.URL.Host || req.URL.Scheme != first.URL.Scheme {
		return http.ErrUseLastResponse
	}
	return nil
}

// client returns the client for a scope.
func (a *App) client(s scope) (*github.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if client, ok := a.clients.get(s); ok {
		return client, nil
	}
	t, err := ghinstallation.New(a.options.Transport, a.options.AppID, s.installation, a.options.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("read the App's private key: %w", err)
	}
	t.BaseURL = strings.TrimSuffix(a.baseURL.String(), "/")
	t.InstallationTokenOptions = tokenOptions(s)
	client := a.newClient(t)
	a.clients.put(s, client)
	return client, nil
}

// tokenOptions asks for what a scope needs and no more.
func tokenOptions(s scope) *github.InstallationTokenOptions {
	read, write := github.String("read"), github.String("write")
	if s.repository == 0 {
		return &github.InstallationTokenOptions{
			Repositories: []string{organisationRepository},
			Permissions:  &github.InstallationPermissions{Contents: read, Metadata: read},
		}
	}
	if s.clones {
		return &github.InstallationTokenOptions{
			RepositoryIDs: []int64{s.repository},
			Permissions:   &github.InstallationPermissions{Contents: read, Metadata: read},
		}
	}
	return &github.InstallationTokenOptions{
		RepositoryIDs: []int64{s.repository},
		Permissions:   &github.InstallationPermissions{Contents: read, PullRequests: write, Checks: write, Metadata: read},
	}
}

// forget drops the client of a scope, and its token with it.
func (a *App) forget(s scope) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clients.remove(s)
}

func (a *App) installation(id int64) *installation {
	a.mu.Lock()
	defer a.mu.Unlock()
	i, ok := a.installations[id]
	if !ok {
		i = &installation{writes: newPacer(a.options.MutationGap)}
		a.installations[id] = i
	}
	return i
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// transport bounds answers and logs requests, never their headers.
type transport struct {
	next http.RoundTripper
	log  *slog.Logger
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		t.log.DebugContext(r.Context(), "request to GitHub failed", "method", r.Method, "path", r.URL.Path, "error", err)
		return nil, err
	}
	t.log.DebugContext(r.Context(), "request to GitHub", "method", r.Method, "path", r.URL.Path, "status", resp.StatusCode,
		"remaining", resp.Header.Get("X-Ratelimit-Remaining"), "request", resp.Header.Get("X-Github-Request-Id"))
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	return resp, nil
}
