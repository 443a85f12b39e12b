package history

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"

	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// Store keeps clones of repositories, each with the commits and trees of the branches that were asked for
// and without the contents of files. Several processes may share its directory: each clone has a lock.
type Store struct {
	Dir string
	// MaxBytes is what all clones may take on disk: above it those go that were not asked for the longest.
	MaxBytes int64
	// MaxRepository is what one may take: a fetch that brings more is ended with ErrTooLarge.
	MaxRepository int64
}

// Remote is a branch to read.
type Remote struct {
	URL    string // https, http or file, without a user
	Key    string // of the repository, the same for ever: its number, say
	Branch string
	// Token gives an installation's token that may read the repository; nil for none. Git gets it in its
	// environment only.
	Token func(context.Context) (string, error)
}

// maxPacks is how many fetches a clone keeps, each a pack, before it is made anew.
const maxPacks = 50

// Get returns the last n commits of a branch. Another caller that wants the same repository waits for its
// turn as long as its context lasts. An error leaves no broken clone behind.
func (s *Store) Get(ctx context.Context, r Remote, n int) (*buildcontext.History, error) {
	h, err := s.get(ctx, r, n)
	if err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", r.Branch, err)
	}
	return h, nil
}

func (s *Store) get(ctx context.Context, r Remote, n int) (*buildcontext.History, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	name := shortHash(r.Key)
	unlock, err := s.lock(ctx, name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	dir := filepath.Join(s.Dir, name+".git")
	ref := "refs/hitrate/" + shortHash(r.Branch)
	if err := s.update(ctx, dir, r, ref, min(max(n, 0), maxCommits)); err != nil {
		if ctx.Err() == nil {
			_ = os.RemoveAll(dir) // what is wrong with it will not be the next time
		}
		return nil, err
	}
	h, err := storeGit(dir).history(ctx, ref, n)
	if err != nil {
		return nil, err
	}
	h.Branch = r.Branch
	return h, s.evict(ctx, name)
}

func (r Remote) check() error {
	u, err := url.Parse(r.URL)
	switch {
	case err != nil || !slices.Contains([]string{"https", "http", "file"}, u.Scheme) || u.User != nil:
		return errors.New("the remote has no address that can be cloned")
	case r.Branch == "" || strings.ContainsAny(r.Branch, "\x00\n:*?[\\^~ "):
		return fmt.Errorf("%q is no branch", r.Branch)
	}
	return nil
}

// update makes the clone or brings it up to date: one fetch does both, and deepens it.
func (s *Store) update(ctx context.Context, dir string, r Remote, ref string, n int) error {
	g := storeGit(dir)
	if len(glob(dir, "objects/pack/*.pack")) > maxPacks {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove a clone: %w", err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "HEAD")); err != nil {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make a clone: %w", err)
		}
		if _, err := g.run(ctx, nil, "init", "--quiet", "--bare", "--template="); err != nil {
			return err
		}
	}
	// Left behind where a fetch was ended.
	for _, name := range slices.Concat(glob(dir, "objects/pack/tmp_*"), glob(dir, "*.lock"), glob(dir, "refs/hitrate/*.lock")) {
		_ = os.Remove(name)
	}
	settings, err := r.settings(ctx)
	if err != nil {
		return err
	}
	g.env = append(append(g.env, quiet("https:http:file")...), settings...)

	limited, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go s.watch(limited, dir, cancel)
	// A merge's side branches count for depth as well, but the chain of first parents is never cut before it.
	_, err = g.run(limited, nil, "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance",
		"--filter=blob:none", "--depth="+strconv.Itoa(n+1), "origin", "+refs/heads/"+r.Branch+":"+ref)
	if cause := context.Cause(limited); cause != nil && ctx.Err() == nil {
		return cause
	}
	if err == nil && s.MaxRepository > 0 && size(dir) > s.MaxRepository {
		return ErrTooLarge
	}
	return err
}

// watch ends a fetch that brings too much.
func (s *Store) watch(ctx context.Context, dir string, end context.CancelCauseFunc) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if s.MaxRepository > 0 && size(dir) > s.MaxRepository {
				end(ErrTooLarge)
				return
			}
		}
	}
}

// settings are git's configuration for one fetch, in the environment: nothing of it is on disk or in the
// list of processes.
func (r Remote) settings(ctx context.Context) ([]string, error) {
	pairs := [][2]string{
		{"remote.origin.url", r.URL},
		{"credential.helper", ""},
		{"http.followRedirects", "false"}, // the token is for this address
		{"protocol.version", "2"},
		{"gc.auto", "0"},
		{"fetch.unpackLimit", "1"},
	}
	if r.Token != nil {
		token, err := r.Token(ctx)
		if err != nil {
			return nil, fmt.Errorf("get a token: %w", err)
		}
		basic := base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))
		pairs = append(pairs, [2]string{"http." + r.URL + ".extraHeader", "Authorization: Basic " + basic})
	}
	env := []string{"GIT_CONFIG_COUNT=" + strconv.Itoa(len(pairs))}
	for i, p := range pairs {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, p[0]), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, p[1]))
	}
	return env, nil
}

// storeGit is a clone of ours: no configuration but its own, and of the environment what leads to the network.
func storeGit(dir string) git {
	env := append(quiet("none"), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_ASKPASS=", "GIT_DIR=.")
	for _, name := range []string{"PATH", "TMPDIR", "HTTPS_PROXY", "https_proxy", "http_proxy", "NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_EXEC_PATH", "LD_LIBRARY_PATH"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return git{dir: dir, env: env}
}

// lock waits until nobody else works on a clone.
func (s *Store) lock(ctx context.Context, name string) (unlock func(), err error) {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of clones: %w", err)
	}
	type result struct {
		unlock func()
		err    error
	}
	locked := make(chan result, 1)
	go func() {
		unlock, err := lockedfile.MutexAt(filepath.Join(s.Dir, name+".lock")).Lock()
		locked <- result{unlock, err}
	}()
	select {
	case r := <-locked:
		if r.err != nil {
			return nil, fmt.Errorf("lock the clone: %w", r.err)
		}
		return r.unlock, nil
	case <-ctx.Done():
		go func() {
			if r := <-locked; r.err == nil {
				r.unlock()
			}
		}()
		return nil, fmt.Errorf("wait for the clone: %w", ctx.Err())
	}
}

// patience is how long eviction waits for a clone that is in use.
const patience = 50 * time.Millisecond

// evict removes clones, the one that was not asked for the longest first, until the others fit. The one that
// was just used stays.
func (s *Store) evict(ctx context.Context, used string) error {
	now := time.Now()
	if err := os.Chtimes(filepath.Join(s.Dir, used+".git"), now, now); err != nil {
		return fmt.Errorf("note the use of a clone: %w", err)
	}
	if s.MaxBytes <= 0 {
		return nil
	}
	type clone struct {
		dir  string
		size int64
		at   time.Time
	}
	var clones []clone
	var total int64
	for _, dir := range glob(s.Dir, "*.git") {
		if info, err := os.Stat(dir); err == nil {
			c := clone{dir, size(dir), info.ModTime()}
			clones, total = append(clones, c), total+c.size
		}
	}
	slices.SortFunc(clones, func(a, b clone) int { return a.at.Compare(b.at) })
	for _, c := range clones {
		name := strings.TrimSuffix(filepath.Base(c.dir), ".git")
		if total <= s.MaxBytes || name == used {
			continue
		}
		waiting, cancel := context.WithTimeout(ctx, patience)
		unlock, err := s.lock(waiting, name)
		cancel()
		if err != nil {
			continue // in use, so not old
		}
		err = os.RemoveAll(c.dir)
		unlock()
		if err != nil {
			return fmt.Errorf("remove a clone: %w", err)
		}
		total -= c.size
	}
	return nil
}

func shortHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// glob lists the files that a pattern names below a directory of ours.
func glob(dir, pattern string) []string {
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return nil // only a bad pattern is an error
	}
	return found
}

// size is the bytes of the files below a directory, as far as they can be read: they come and go.
func size(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil
	})
	return total
}
