package lab

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// testCase is one change to one build. before and after are Dockerfiles; an empty after is before.
type testCase struct {
	name          string
	before, after string
	tree          Tree
	edit          Tree     // files written
	remove        []string // files taken away
	args, newArgs map[string]string
	target        string
	contexts      map[string]string // named contexts: directories, or docker-image://NAME of images
	newContexts   map[string]string
	images        map[string]string // names of base images, and what is behind them
	newImages     map[string]string
	served        map[string]string // what is at http://SERVER/NAME, in the Dockerfiles
	newServed     map[string]string
	dockerfile    string // its path, where it is not Dockerfile
	context       string
	// want has a letter for each step: c for cached, r for rebuilt; for a maybe m and what the daemon
	// did.
	want string
}

func (c testCase) sides(t *testing.T) (before, after Side) {
	t.Helper()
	if c.dockerfile == "" {
		c.dockerfile = "Dockerfile"
	}
	if c.context == "" {
		c.context = "."
	}
	if c.after == "" {
		c.after = c.before
	}
	if c.newArgs == nil {
		c.newArgs = c.args
	}
	if c.newContexts == nil {
		c.newContexts = c.contexts
	}
	build := buildcontext.Build{Dockerfile: c.dockerfile, Context: c.context, Kind: buildcontext.Local, Target: c.target, Args: c.args, Contexts: c.contexts}
	before = Side{Tree: maps.Clone(c.tree), Build: build, Images: c.digests(t, c.images)}
	if before.Tree == nil {
		before.Tree = Tree{}
	}
	before.Tree[c.dockerfile] = File{Data: c.before}
	build.Args, build.Contexts = c.newArgs, c.newContexts
	after = Side{Tree: maps.Clone(before.Tree), Build: build, Images: before.Images}
	if c.newImages != nil {
		after.Images = c.digests(t, c.newImages)
	}
	for _, p := range c.remove {
		delete(after.Tree, p)
	}
	maps.Copy(after.Tree, c.edit)
	after.Tree[c.dockerfile] = File{Data: c.after}
	return before, after
}

func (c testCase) digests(t *testing.T, names map[string]string) map[string]digest.Digest {
	t.Helper()
	out := map[string]digest.Digest{}
	for name, label := range map[string]string{"base": "base", "other": "other", "base:2": "2"} {
		if _, set := names[name]; !set {
			out[name] = image(t, label)
		}
	}
	for name, label := range names {
		out[name] = image(t, label)
	}
	return out
}

func image(t *testing.T, label string) digest.Digest {
	t.Helper()
	d, err := images.Add(label)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func text(s string) File { return File{Data: s} }

func TestCases(t *testing.T) {
	needDaemon(t)
	var all tally
	names := map[string]bool{}
	for _, c := range cases() {
		if names[c.name] {
			t.Fatalf("two cases %q", c.name)
		}
		names[c.name] = true
		t.Run(c.name, func(t *testing.T) {
			server := newServer(t, c.served)
			c.before = strings.ReplaceAll(c.before, "SERVER", server.address)
			c.after = strings.ReplaceAll(c.after, "SERVER", server.address)
			before, after := c.sides(t)
			steps, err := compare(context.Background(), daemon, images, before, after, func() {
				if c.newServed != nil {
					server.set(c.newServed)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			bad := letters(steps) != c.want
			all.builds += 2
			for _, s := range steps {
				all.add(s)
				bad = bad || s.Wrong()
			}
			for _, s := range steps {
				if bad {
					t.Error(s)
				} else {
					t.Log(s)
				}
			}
			if bad {
				t.Errorf("got %q, want %q", letters(steps), c.want)
			}
		})
	}
	t.Logf("%d named cases", len(names))
	figures(t, "named cases", all)
}

// server is a web server on the loopback interface whose files change.
type server struct {
	address string
	mu      sync.Mutex
	files   map[string]string
}

func newServer(t *testing.T, files map[string]string) *server {
	s := &server{}
	if files == nil {
		return s
	}
	s.set(files)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		data, found := s.files[strings.TrimPrefix(r.URL.Path, "/")]
		if !found {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("ETag", fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256([]byte(data)))))
		_, _ = w.Write([]byte(data))
	}))
	t.Cleanup(web.Close)
	s.address = strings.TrimPrefix(web.URL, "http://")
	return s
}

func (s *server) set(files map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files = files
}
