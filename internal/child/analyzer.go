package child

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hitrate-bot/hitrate/internal/analysis"
	"github.com/hitrate-bot/hitrate/internal/buildcontext"
)

// DefaultTimeout is how long one child may take.
const DefaultTimeout = 60 * time.Second

// Analyzer runs the analysis in child processes. Its Analyze is an analysis.Func; it may be called
// from several goroutines.
type Analyzer struct {
	Executable string        // started with Args
	Args       []string      // "compile" for hitrate itself
	Timeout    time.Duration // of one child; 0 is DefaultTimeout
	Log        *slog.Logger  // what went wrong with a child; nil: nowhere

	remembered failures
}

// FailedError is a child that gave no report: it took too much memory or time, or broke. Asking
// again gives the same.
type FailedError struct {
	Reason string // for the author of a pull request
	Detail string // for a log: how it ended and what it printed
}

func (e *FailedError) Error() string { return e.Reason + " (" + e.Detail + ")" }

// NotAnalysed is the reason: package review says it instead of trying again.
func (e *FailedError) NotAnalysed() string { return e.Reason }

// Analyze does the request in a child. Where the child fails, the Dockerfiles of the request are
// tried in smaller parts until those that it fails on stand alone: they come back as skipped, with
// the reason, and all others as if they had been asked for alone. A *FailedError comes back only
// where there is no Dockerfile to leave out. Other errors are the machine's: no child could be
// started, or ctx ended.
func (a *Analyzer) Analyze(ctx context.Context, req analysis.Request) (analysis.Report, error) {
	files := dockerfilesOf(req)
	var skipped []analysis.Problem
	kept := make([]string, 0, len(files))
	for _, f := range files {
		if reason, failed := a.remembered.reason(req, f); failed {
			skipped = append(skipped, analysis.Problem{Path: f, Message: reason})
			continue
		}
		kept = append(kept, f)
	}
	s := splitter{run: a.once, patience: time.Now().Add(patience * a.timeout())}
	var report analysis.Report
	var err error
	if len(skipped) == 0 {
		report, err = s.try(ctx, req, kept)
	} else {
		report, err = s.some(ctx, req, kept)
	}
	if err != nil {
		return analysis.Report{}, err
	}
	for _, f := range s.failed {
		a.remembered.add(req, f.Path, f.Message)
	}
	if len(report.Needs) > 0 {
		return report, nil
	}
	report.Skipped = append(report.Skipped, skipped...)
	report.Skipped = append(report.Skipped, s.failed...)
	report.Skipped = append(report.Skipped, s.untried...)
	slices.SortStableFunc(report.Skipped, func(a, b analysis.Problem) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line))
	})
	return report, nil
}

// patience is how many timeouts the parts of one request may take together.
const patience = 5

// dockerfilesOf are the Dockerfiles that a request is about.
func dockerfilesOf(req analysis.Request) []string {
	if req.Dockerfiles != nil {
		return req.Dockerfiles
	}
	var files []string
	for _, e := range req.Tree {
		if req.Config.MatchesDockerfile(e.Path) {
			files = append(files, e.Path)
		}
	}
	return files
}

// splitter finds the Dockerfiles of a request that a child fails on.
type splitter struct {
	run      func(context.Context, analysis.Request) (analysis.Report, error)
	patience time.Time
	failed   []analysis.Problem // a child failed on it alone
	untried  []analysis.Problem // no patience was left for it
}

// try runs a request as it is; files are its Dockerfiles.
func (s *splitter) try(ctx context.Context, req analysis.Request, files []string) (analysis.Report, error) {
	report, err := s.run(ctx, req)
	var failed *FailedError
	if !errors.As(err, &failed) {
		return report, err
	}
	switch {
	case len(files) == 0:
		return analysis.Report{}, err
	case len(files) == 1:
		s.failed = append(s.failed, analysis.Problem{Path: files[0], Message: failed.Reason})
		return analysis.Report{}, nil
	}
	var reports []analysis.Report
	for _, part := range [][]string{files[:len(files)/2], files[len(files)/2:]} {
		r, err := s.some(ctx, req, part)
		if err != nil {
			return analysis.Report{}, err
		}
		reports = append(reports, r)
	}
	return merge(reports), nil
}

// some runs a request for some of its Dockerfiles.
func (s *splitter) some(ctx context.Context, req analysis.Request, files []string) (analysis.Report, error) {
	if len(files) == 0 {
		return analysis.Report{}, nil
	}
	if time.Now().After(s.patience) {
		for _, f := range files {
			s.untried = append(s.untried, analysis.Problem{Path: f, Message: "not analysed: other Dockerfiles of this pull request took all the time that hitrate spends on one"})
		}
		return analysis.Report{}, nil
	}
	req.Dockerfiles = files
	return s.try(ctx, req, files)
}

func (a *Analyzer) timeout() time.Duration {
	if a.Timeout > 0 {
		return a.Timeout
	}
	return DefaultTimeout
}

// once runs one child. The child's environment is empty: it gets none of the operator's secrets.
func (a *Analyzer) once(ctx context.Context, req analysis.Request) (analysis.Report, error) {
	input, err := json.Marshal(req)
	if err != nil {
		return analysis.Report{}, fmt.Errorf("encode request: %w", err)
	}
	if len(input) > maxRequest {
		return analysis.Report{}, &FailedError{Reason: "not analysed: the repository's list of files is larger than hitrate reads", Detail: fmt.Sprintf("the request has %d bytes", len(input))}
	}
	limited, cancel := context.WithTimeout(ctx, a.timeout())
	defer cancel()
	cmd := exec.CommandContext(limited, a.Executable, a.Args...)
	cmd.Env = []string{}
	cmd.Stdin = bytes.NewReader(input)
	stdout, stderr := &bounded{most: maxReport, full: cancel}, &bounded{most: 16 << 10}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	ownGroup(cmd)
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.WaitDelay = time.Second
	if err := cmd.Start(); err != nil {
		return analysis.Report{}, fmt.Errorf("start child: %w", err)
	}
	err = cmd.Wait()
	if ctx.Err() != nil {
		return analysis.Report{}, ctx.Err()
	}
	var report analysis.Report
	failed := a.failure(limited, err, stdout, stderr)
	if failed == nil {
		if err := json.Unmarshal(stdout.Bytes(), &report); err != nil {
			failed = &FailedError{Reason: broken, Detail: "its report does not parse: " + err.Error()}
		}
	}
	if failed != nil {
		if a.Log != nil {
			a.Log.Warn("a child process gave no report", "reason", failed.Reason, "detail", failed.Detail)
		}
		return analysis.Report{}, failed
	}
	return report, nil
}

const broken = "not analysed: hitrate failed on this file"

// outOfMemory are the last words of a process without memory: of Go's runtime, of a system call, of
// the race detector.
var outOfMemory = []string{"out of memory", "cannot allocate memory", "failed to allocate"}

// failure says why a child gave no report; nil for one that ended well.
func (a *Analyzer) failure(ctx context.Context, err error, stdout, stderr *bounded) *FailedError {
	text := stderr.String()
	detail := fmt.Sprintf("%v: %s", err, strings.TrimSpace(text))
	switch {
	case stdout.over:
		return &FailedError{Reason: broken, Detail: fmt.Sprintf("its report has more than %d bytes", maxReport)}
	case err == nil:
		return nil
	case ctx.Err() != nil || strings.Contains(err.Error(), "CPU time limit"):
		return &FailedError{Reason: fmt.Sprintf("not analysed: it takes longer than the %v that hitrate spends on a file", a.timeout()), Detail: detail}
	case slices.ContainsFunc(outOfMemory, func(words string) bool { return strings.Contains(text, words) }) || strings.Contains(err.Error(), "signal: killed"):
		return &FailedError{Reason: "not analysed: it takes more memory than hitrate spends on a file", Detail: detail}
	}
	return &FailedError{Reason: broken, Detail: detail}
}

// bounded keeps the first bytes of what is written, and calls full once there are more.
type bounded struct {
	bytes.Buffer
	most int
	over bool
	full func()
}

func (b *bounded) Write(p []byte) (int, error) {
	if room := b.most - b.Len(); len(p) > room {
		if !b.over && b.full != nil {
			b.full()
		}
		b.over = true
		b.Buffer.Write(p[:room])
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

// ReadFrom would go round Write.
func (b *bounded) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{b}, r)
}

// failures remembers for a while which Dockerfiles a child failed on, by their text: a review asks
// several times, each time with more of the texts that it needs.
type failures struct {
	mu   sync.Mutex
	seen map[failureKey]failure
}

type failureKey struct {
	path, object string
	// asked tells requests apart that look at a Dockerfile from those that leave it out, or do less
	// with it.
	asked uint64
}

type failure struct {
	reason string
	until  time.Time
}

const (
	rememberFor = 10 * time.Minute
	rememberMax = 1000
)

func keyOf(req analysis.Request, path string) failureKey {
	i := slices.IndexFunc(req.Tree, func(e buildcontext.Entry) bool { return e.Path == path })
	if i < 0 {
		return failureKey{}
	}
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%v %q %v", req.Changed == nil, req.Changed, req.WithoutFixes)
	return failureKey{path: path, object: req.Tree[i].Object, asked: h.Sum64()}
}

func (f *failures) reason(req analysis.Request, path string) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.seen) == 0 {
		return "", false
	}
	found, ok := f.seen[keyOf(req, path)]
	return found.reason, ok && time.Now().Before(found.until)
}

func (f *failures) add(req analysis.Request, path, reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen == nil || len(f.seen) >= rememberMax {
		f.seen = map[failureKey]failure{}
	}
	if key := keyOf(req, path); key.object != "" {
		f.seen[key] = failure{reason, time.Now().Add(rememberFor)}
	}
}
