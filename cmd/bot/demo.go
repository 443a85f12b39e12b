package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/hitrate-bot/hitrate/config"
	"github.com/hitrate-bot/hitrate/internal/githubtest"
	"github.com/hitrate-bot/hitrate/internal/web"
)

type demoCommand struct {
	Once   bool   `help:"Exit after the review was printed."`
	Listen string `help:"Address of the page." default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	Log    bool   `help:"Show the server's log."`
}

// demoStart is the first commit of the demo's repository.
var demoStart = map[string]string{
	"README.md":        "# app\n",
	"app.py":           "import fastapi\n\napp = fastapi.FastAPI()\n",
	"requirements.txt": "fastapi==0.115.0\nuvicorn==0.30.3\n",
}

// demoPast are the 60 commits after the first one: most of them edit the application, few its
// requirements.
func demoPast() []githubtest.Commit {
	app := demoStart["app.py"]
	pins := map[int]string{9: "0.30.4", 27: "0.30.5", 44: "0.30.6"}
	releases := map[int]string{5: "0.1", 18: "0.2", 33: "0.3", 51: "0.4"}
	var commits []githubtest.Commit
	commit := func(message, path, text string) {
		commits = append(commits, githubtest.Commit{Message: message, Edit: githubtest.Edit{Files: map[string]string{path: text}}})
	}
	for n := 1; n <= 60; n++ {
		switch {
		case pins[n] != "":
			commit("Update uvicorn to "+pins[n], "requirements.txt", "fastapi==0.115.0\nuvicorn=="+pins[n]+"\n")
		case releases[n] != "":
			commit("Release "+releases[n], "README.md", "# app\n\nVersion "+releases[n]+"\n")
		default:
			app += fmt.Sprintf("\n\n@app.get(\"/items/%d\")\ndef item_%d():\n    return {\"item\": %d}\n", n, n, n)
			commit(fmt.Sprintf("Serve item %d", n), "app.py", app)
		}
	}
	return commits
}

// demoChange is what the demo's pull request does to a repository with this application: it brings a
// Dockerfile that copies everything before the install, and takes a requirement's pin away.
func demoChange(app []byte) map[string]string {
	return map[string]string{
		"Dockerfile":       "FROM python:3.11\nCOPY . /app\nWORKDIR /app\nRUN pip install -r requirements.txt\nCMD [\"python\", \"app.py\"]\n",
		"app.py":           strings.Replace(string(app), "FastAPI()", "FastAPI(title=\"app\")", 1),
		"requirements.txt": "fastapi\nuvicorn==0.30.6\n",
	}
}

// demo is the whole main job on this machine: an embedded GitHub and the real server.
type demo struct {
	dir    string
	github *githubtest.Server
	server *server
	pull   *githubtest.PullRequest
}

// Run shows the main job, and the page until it is told to stop.
func (c *demoCommand) Run(ctx context.Context, s *streams) error {
	if _, err := exec.LookPath("git"); err != nil {
		return usageError("the demo needs git: install it and try again")
	}
	log := slog.New(slog.DiscardHandler)
	if c.Log {
		log = slog.New(slog.NewTextHandler(s.stderr, nil))
	}
	d, err := newDemo(ctx, log, nil)
	if err != nil {
		return err
	}
	err = errors.Join(c.show(ctx, s, d), d.close())
	if ctx.Err() != nil {
		return nil //nolint:nilerr // stopped by its user, which is how it ends
	}
	return err
}

func (c *demoCommand) show(ctx context.Context, s *streams, d *demo) error {
	out := s.stdout
	if _, err := fmt.Fprintln(out, "An embedded GitHub and the hitrate server are running. Opening a pull request …"); err != nil {
		return err
	}
	if err := d.review(ctx); err != nil {
		return err
	}
	if err := d.print(out); err != nil || c.Once {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return usageError("show the page: %w (choose another address with --listen)", err)
	}
	page := &http.Server{Handler: web.Handler(d.page), ReadHeaderTimeout: 5 * time.Second}
	if _, err := fmt.Fprintf(out, "\nThe pull request as its readers see it: http://%s/ (Ctrl-C ends it)\n", listener.Addr()); err != nil {
		return errors.Join(err, listener.Close())
	}
	stop := context.AfterFunc(ctx, func() { _ = page.Close() })
	defer stop()
	if err := page.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("show the page: %w", err)
	}
	return nil
}

// newDemo starts both servers on addresses of this machine. contract, where not nil, is held against
// every request and answer.
func newDemo(ctx context.Context, log *slog.Logger, contract githubtest.Contract) (d *demo, err error) {
	d = &demo{}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.dir, err = os.MkdirTemp("", "hitrate-demo-"); err != nil {
		return d, fmt.Errorf("make a directory for the demo: %w", err)
	}
	repositories := filepath.Join(d.dir, "github")
	if err := os.Mkdir(repositories, 0o700); err != nil {
		return d, fmt.Errorf("make a directory for the demo: %w", err)
	}
	if d.github, err = githubtest.New(githubtest.Options{Dir: repositories, Contract: contract}); err != nil {
		return d, err
	}
	if err := d.github.Start(); err != nil {
		return d, err
	}
	const secret = "the demo's webhook secret" // both sides run in this process
	settings := map[string]string{
		config.EnvAppID:         itoa(d.github.AppID()),
		config.EnvPrivateKey:    string(d.github.PrivateKeyPEM()),
		config.EnvWebhookSecret: secret,
		config.EnvDatabaseURL:   "sqlite://" + filepath.Join(d.dir, "hitrate.db"),
		config.EnvCacheDir:      filepath.Join(d.dir, "cache"),
		config.EnvListen:        "127.0.0.1:0",
		config.EnvAPIURL:        d.github.URL(),
		config.EnvServerURL:     d.github.WebURL(),
	}
	operator, err := config.OperatorFromEnv(func(name string) string { return settings[name] }, os.ReadFile)
	if err != nil {
		return d, err
	}
	analyzer, err := newAnalyzer(log)
	if err != nil {
		return d, err
	}
	d.server, err = newServer(ctx, serverOptions{operator: operator, analyze: analyzer.Analyze, docsURL: docsURL, log: log})
	if err != nil {
		return d, err
	}
	if err := d.server.start(ctx); err != nil {
		return d, err
	}
	d.github.SetWebhook(githubtest.Webhook{URL: "http://" + d.server.addr() + "/webhook", Secret: secret})
	return d, nil
}

func (d *demo) close() error {
	var all []error
	if d.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopGrace)
		defer cancel()
		all = append(all, d.server.stop(ctx))
	}
	if d.github != nil {
		all = append(all, d.github.Close())
	}
	if d.dir != "" {
		all = append(all, os.RemoveAll(d.dir))
	}
	return errors.Join(all...)
}

// review opens the pull request and waits until its signed webhook has led to the review.
func (d *demo) review(ctx context.Context) error {
	repository, err := d.github.CreateRepository("octo-org", "app", demoStart)
	if err != nil {
		return err
	}
	if _, err := repository.CommitAll("octocat", "main", demoPast()...); err != nil {
		return err
	}
	if _, err := d.github.Install("octo-org", "app"); err != nil {
		return err
	}
	if err := repository.Branch("build-an-image", "main"); err != nil {
		return err
	}
	app, err := repository.ReadFile("main", "app.py")
	if err != nil {
		return err
	}
	if _, err := repository.Commit("build-an-image", "Build an image", githubtest.Edit{Files: demoChange(app)}); err != nil {
		return err
	}
	d.pull, err = repository.OpenPullRequest(githubtest.NewPullRequest{Head: "build-an-image", Title: "Build an image"})
	if err != nil {
		return err
	}
	return d.settle(ctx)
}

// settle waits until every webhook was answered and what they asked for is done.
func (d *demo) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := d.github.Flush(ctx); err != nil {
		return fmt.Errorf("deliver the webhook: %w", err)
	}
	if err := d.server.idle(ctx); err != nil {
		return fmt.Errorf("wait for the review: %w", err)
	}
	return nil
}

func (d *demo) page() (web.PullRequest, error) {
	view, err := d.pull.View()
	if err != nil {
		return web.PullRequest{}, err
	}
	return pageOf(view), nil
}

// print writes the review as text.
func (d *demo) print(out io.Writer) error {
	view, err := d.pull.View()
	if err != nil {
		return err
	}
	if len(view.Reviews) == 0 {
		return errors.New("no review was posted")
	}
	write := func(format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(out, format, args...)
		}
	}
	write("\n%s #%d: %s\n", view.Repository, view.Number, view.Title)
	for _, r := range view.Reviews {
		write("\n%s reviewed:\n\n%s\n", r.Author, visible(r.Body))
		for _, c := range r.Comments {
			write("\n%s, %s:\n\n%s\n", c.Path, linesOf(c), visible(c.Body))
		}
	}
	for _, c := range view.CheckRuns {
		write("\nCheck run %s: %s, %s\n", c.Name, c.Conclusion, c.Title)
	}
	return err
}

// hidden is a comment of HTML, which nobody sees on GitHub.
var hidden = regexp.MustCompile(`(?s)\s*<!--.*?-->`)

func visible(body string) string { return hidden.ReplaceAllString(body, "") }

func linesOf(c githubtest.Comment) string {
	if c.Start == 0 || c.Start == c.Line {
		return fmt.Sprintf("line %d", c.Line)
	}
	return fmt.Sprintf("lines %d to %d", c.Start, c.Line)
}
