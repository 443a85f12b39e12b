package githubtest

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Options of a server. Only Dir is needed.
type Options struct {
	// Dir is an empty directory for the git repositories. The caller removes it.
	Dir string
	// Now is the clock of everything: times in answers, commits, tokens' expiry, JWTs. A client with
	// a clock of its own needs one near it. Default time.Now.
	Now func() time.Time

	AppID int64  // default 12345
	Slug  string // default "hitrate"
	// Key is the App's key; by default one that all servers of this process share.
	Key *rsa.PrivateKey
	// Permissions that the App asks for. Default contents:read, pull_requests:write, checks:write,
	// metadata:read.
	Permissions map[string]string

	// BasePath is in front of every path of the API ("/api/v3" on Enterprise Server); default none.
	BasePath string
	// WebURL is in front of the pages that html_url names; default the address of Start.
	WebURL string

	// MaxPatchLines is the number of changed lines above which a file has no patch; default 2000.
	// GitHub documents 20,000 lines or 500 KB; a missing patch was seen at 2,081.
	MaxPatchLines int
	// MaxTreeEntries cuts recursive trees, with "truncated": true; default 100,000, GitHub's own.
	MaxTreeEntries int
	// RateLimit is the number of requests an installation has in an hour; default 5000.
	RateLimit int
	// ContentLimit is the number of content-creating requests in a minute above which the secondary
	// rate limit answers; GitHub's is 80. Default none.
	ContentLimit int
	// Lag is how many reads of a pull request answer 404 after each webhook about it, as GitHub does
	// now and then. Default none.
	Lag int
	// Contract, where given, is held against every request and answer; see Violations.
	Contract Contract
}

// Server is a GitHub. Its methods may be called from several goroutines.
type Server struct {
	options Options
	key     *rsa.PrivateKey
	routes  []route
	hooks   *hooks

	listener net.Listener
	http     *http.Server

	mu            sync.Mutex
	lastID        int64
	apiURL        string // without the final slash
	webURL        string
	users         map[string]*user // by lower-case login
	repositories  map[string]*Repository
	installations map[int64]*installation
	tokens        map[string]*token
	deletedTokens map[string]bool
	faults        []*Fault
	requests      []Request
	violations    []string
	spent         map[int64]*window // requests in this hour, by installation
	created       map[int64][]time.Time
}

// User is an account.
type user struct {
	id    int64
	login string
	kind  string // User, Organization, Bot
}

// sharedKey is made once: a key takes longer than a whole test.
var sharedKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// New makes an empty GitHub with one App.
func New(o Options) (*Server, error) {
	if o.Dir == "" {
		return nil, errors.New("make a GitHub: no directory given")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.AppID = cmp.Or(o.AppID, 12345)
	o.Slug = cmp.Or(o.Slug, "hitrate")
	o.MaxPatchLines = cmp.Or(o.MaxPatchLines, 2000)
	o.MaxTreeEntries = cmp.Or(o.MaxTreeEntries, 100_000)
	o.RateLimit = cmp.Or(o.RateLimit, 5000)
	o.BasePath = strings.TrimSuffix(o.BasePath, "/")
	o.WebURL = strings.TrimSuffix(o.WebURL, "/")
	if o.Permissions == nil {
		o.Permissions = map[string]string{"contents": "read", "pull_requests": "write", "checks": "write", "metadata": "read"}
	}
	key := o.Key
	if key == nil {
		var err error
		if key, err = sharedKey(); err != nil {
			return nil, fmt.Errorf("make a GitHub: %w", err)
		}
	}
	s := &Server{
		options: o, key: key, lastID: 1000,
		apiURL: "http://github.invalid" + o.BasePath, webURL: cmp.Or(o.WebURL, "http://github.invalid"),
		users: map[string]*user{}, repositories: map[string]*Repository{}, installations: map[int64]*installation{},
		tokens: map[string]*token{}, deletedTokens: map[string]bool{},
		spent: map[int64]*window{}, created: map[int64][]time.Time{},
	}
	s.hooks = newHooks(s)
	s.routes = s.newRoutes()
	s.account(s.botLogin(), "Bot")
	s.account("octocat", "User")
	return s, nil
}

// Start serves the API on a free port of the loopback until Close.
func (s *Server) Start() error {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("start GitHub: %w", err)
	}
	s.mu.Lock()
	s.listener = listener
	s.apiURL = "http://" + listener.Addr().String() + s.options.BasePath
	if s.options.WebURL == "" {
		s.webURL = "http://" + listener.Addr().String()
	}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}
	server := s.http
	s.mu.Unlock()
	go func() { _ = server.Serve(listener) }() // ends with ErrServerClosed
	return nil
}

// Mount says under which addresses the server is reached when it is an http.Handler within another
// one: of the API (with BasePath) and of the pages.
func (s *Server) Mount(apiURL, webURL string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apiURL, s.webURL = strings.TrimSuffix(apiURL, "/"), strings.TrimSuffix(webURL, "/")
}

// Close ends Start and the sending of webhooks. Repositories stay on disk.
func (s *Server) Close() error {
	s.hooks.close()
	s.mu.Lock()
	server := s.http
	s.mu.Unlock()
	if server == nil {
		return nil
	}
	return server.Close()
}

// URL is the address of the API without the final slash: a bot's GITHUB_API_URL.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.apiURL
}

// WebURL is the address of the pages without the final slash: a bot's GITHUB_SERVER_URL.
func (s *Server) WebURL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.webURL
}

// AppID is the App's id.
func (s *Server) AppID() int64 { return s.options.AppID }

// Login is the account under which the App writes: "<slug>[bot]".
func (s *Server) Login() string { return s.botLogin() }

// PrivateKeyPEM is the App's key as GitHub hands it out (PKCS #1).
func (s *Server) PrivateKeyPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(s.key)})
}

// Violations are the requests that the API does not have or that break the Contract, and the answers
// of this package that break it, in order. A test ends with: none.
func (s *Server) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

// violate notes a violation. The lock is held.
func (s *Server) violate(format string, args ...any) {
	s.violations = append(s.violations, fmt.Sprintf(format, args...))
}

// Request is one request to the API.
type Request struct {
	At           time.Time
	Method, Path string // Path without BasePath, as sent
	Query        string
	Body         string
	Installation int64 // whose token it bore; 0 for the App's JWT and none
	Status       int   // of the answer; 0 where the connection was cut
	Fault        bool  // answered by a Fault
}

// Requests are all requests to the API so far, in order of their answers.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Flush waits until every webhook that is to be sent was answered.
func (s *Server) Flush(ctx context.Context) error { return s.hooks.flush(ctx) }

func (s *Server) botLogin() string { return s.options.Slug + "[bot]" }

// now is GitHub's clock: whole seconds.
func (s *Server) now() time.Time { return s.options.Now().UTC().Truncate(time.Second) }

// nextID numbers everything. The lock is held, or nobody else has the server yet.
func (s *Server) nextID() int64 {
	s.lastID++
	return s.lastID
}

// account returns the account of a login, making it where there is none.
func (s *Server) account(login, kind string) *user {
	if u, ok := s.users[strings.ToLower(login)]; ok {
		return u
	}
	u := &user{id: s.nextID(), login: login, kind: kind}
	s.users[strings.ToLower(login)] = u
	return u
}

// bot is the App's own account.
func (s *Server) bot() *user { return s.account(s.botLogin(), "Bot") }

// nodeID makes GitHub's second kind of id.
func nodeID(kind string, id int64) string {
	return kind + "_" + base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d", id))
}

// randomHex returns n random bytes as text.
func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
