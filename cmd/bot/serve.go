package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
	"github.com/hitrate-bot/hitrate/internal/github"
	"github.com/hitrate-bot/hitrate/internal/history"
	"github.com/hitrate-bot/hitrate/internal/queue"
	"github.com/hitrate-bot/hitrate/internal/review"
	"github.com/hitrate-bot/hitrate/internal/webhook"
)

const (
	// pushQuiet is how long a pull request is left alone after a push, so that a burst of pushes is
	// one review.
	pushQuiet = 15 * time.Second
	// maxClones is how many bytes the clones may take in which commits are counted, maxClone one of them:
	// commits and trees without the contents of files.
	maxClones = 4 << 30
	maxClone  = 512 << 20
	// stopGrace is how long running reviews may go on after the signal to stop; what is cut off is
	// done after the next start. Kubernetes kills after 30 seconds.
	stopGrace = 25 * time.Second
)

// serverOptions is everything that a server takes from outside.
type serverOptions struct {
	operator config.Operator
	analyze  analysis.Func
	// docsURL is where the rules' pages are, without the final slash.
	docsURL string
	// quiet is pushQuiet and mutationGap github.DefaultMutationGap, but for the demo and tests,
	// whose GitHub need not be spared.
	quiet, mutationGap time.Duration
	log                *slog.Logger
}

// server is the GitHub App: a delivery comes in over HTTP and is noted in the queue, whose worker
// reviews the pull request.
type server struct {
	log      *slog.Logger
	queue    *queue.Queue
	http     *http.Server
	listen   string
	listener net.Listener
	failed   chan error // of serving HTTP
}

// newServer opens the database and wires the parts together. Nothing runs yet.
func newServer(ctx context.Context, o serverOptions) (*server, error) {
	app, err := github.New(github.Options{
		AppID: o.operator.AppID, PrivateKey: o.operator.PrivateKey, APIURL: o.operator.APIURL, ServerURL: o.operator.ServerURL,
		History: clonedHistory(o.operator.CacheDir), MutationGap: o.mutationGap, Log: o.log,
	})
	if err != nil {
		return nil, fmt.Errorf("set up the GitHub App: %w", err)
	}
	reviewer := &review.Reviewer{
		Analyze: o.analyze, Marks: review.NewMarks(o.operator.WebhookSecret), DocsURL: o.docsURL, Log: o.log,
	}
	s := &server{log: o.log, listen: o.operator.Listen, failed: make(chan error, 1)}
	s.queue, err = queue.Open(ctx, queue.Options{
		Path: o.operator.DatabasePath(), Workers: o.operator.Workers, Log: o.log,
		Work: func(ctx context.Context, ref review.Ref) (review.Outcome, error) {
			return reviewer.Review(ctx, app.Host(ref), ref)
		},
	})
	if err != nil {
		return nil, fmt.Errorf("open the queue: %w", err)
	}
	deliveries, err := webhook.New(webhook.Options{Secret: o.operator.WebhookSecret, Queue: s.queue, Quiet: o.quiet, Log: o.log})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("set up the webhook: %w", err), s.queue.Stop(ctx))
	}
	routes := http.NewServeMux()
	routes.Handle("/webhook", deliveries)
	routes.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok") })
	routes.HandleFunc("GET /readyz", s.ready)
	s.http = &http.Server{
		Handler:           routes,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second, // GitHub gives up after 10
		WriteTimeout:      45 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(o.log.Handler(), slog.LevelDebug), // what strangers send is no event
	}
	return s, nil
}

// clonedHistory reads the last commits of a branch from a clone that is kept below a directory.
func clonedHistory(dir string) func(context.Context, github.Clone, int) (*buildcontext.History, error) {
	store := &history.Store{Dir: filepath.Join(dir, "clones"), MaxBytes: maxClones, MaxRepository: maxClone}
	return func(ctx context.Context, from github.Clone, commits int) (*buildcontext.History, error) {
		return store.Get(ctx, history.Remote{
			URL: from.URL, Key: itoa(from.Repository), Branch: from.Branch,
			Token: func(context.Context) (string, error) { return from.Token, nil },
		}, commits)
	}
}

// ready says whether deliveries can be written down.
func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := s.queue.Ready(ctx); err != nil {
		s.log.ErrorContext(ctx, "not ready", "error", err)
		answer(w, http.StatusServiceUnavailable, "the database does not answer")
		return
	}
	answer(w, http.StatusOK, "ok")
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // the other side may be gone
}

// start begins to listen and to work, until stop; ctx only bounds the start itself.
func (s *server) start(ctx context.Context) error {
	var err error
	if s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", s.listen); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	if err := s.queue.Start(ctx); err != nil {
		return errors.Join(fmt.Errorf("start the queue: %w", err), s.listener.Close())
	}
	go func() {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- fmt.Errorf("serve HTTP: %w", err)
		}
	}()
	return nil
}

// addr is where the server listens once it is started, like 127.0.0.1:8080.
func (s *server) addr() string { return s.listener.Addr().String() }

// idle waits until every pull request that is due was reviewed.
func (s *server) idle(ctx context.Context) error { return s.queue.Idle(ctx) }

// stop takes no more deliveries and lets running reviews end until ctx is done. It also closes a
// server that was never started.
func (s *server) stop(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("shut down HTTP: %w", err), s.http.Close())
	}
	return errors.Join(err, s.queue.Stop(ctx))
}

// serve runs a server until ctx is done or it fails, and stops it gently.
func serve(ctx context.Context, o serverOptions) error {
	s, err := newServer(ctx, o)
	if err != nil {
		return err
	}
	err = s.start(ctx)
	if err == nil {
		o.log.InfoContext(ctx, "listening", "address", s.addr(), "settings", o.operator)
		select {
		case err = <-s.failed:
		case <-ctx.Done():
			o.log.InfoContext(ctx, "stopping", "grace", stopGrace.String())
		}
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	return errors.Join(err, s.stop(grace))
}
