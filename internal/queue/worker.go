package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/riverqueue/river"

	"github.com/hitrate-bot/hitrate/internal/review"
)

const (
	// maxAttempts failures in a row, a little less than a day by pause, and the pull request is given
	// up until the next webhook.
	maxAttempts = 20
	firstPause  = 5 * time.Second
	longestStop = 2 * time.Hour
)

// pause is how long to wait after so many failures in a row: 5 s, 10 s, 20 s … 2 h.
func pause(failures int) time.Duration {
	if failures < 1 {
		return 0
	}
	if failures > 12 {
		return longestStop
	}
	return min(longestStop, firstPause<<(failures-1))
}

// result is what came of work, for the row.
type result struct {
	settled  bool // nothing is owed any more for what was claimed
	attempts int  // failures in a row, where it is not
	again    time.Time
	limited  time.Time // GitHub's own word
	outcome  review.Outcome
	reason   string // why it failed or ended without a look
}

// judge turns the error of work into what becomes of the row; it is pure. interrupted says that we
// cut the work off ourselves.
func judge(now time.Time, attempts int, outcome review.Outcome, err error, interrupted bool) result {
	switch gone, later := (*review.GoneError)(nil), (*review.LaterError)(nil); {
	case err == nil:
		return result{settled: true, outcome: outcome}
	case interrupted:
		return result{attempts: attempts, again: now, reason: "interrupted"}
	case errors.As(err, &gone):
		return result{settled: true, outcome: outcome, reason: gone.Reason}
	case attempts+1 >= maxAttempts:
		return result{settled: true, outcome: outcome, reason: fmt.Sprintf("given up after %d attempts: %v", attempts+1, err)}
	case errors.As(err, &later):
		return result{attempts: attempts + 1, again: now.Add(pause(attempts + 1)), limited: later.After, outcome: outcome, reason: err.Error()}
	default:
		return result{attempts: attempts + 1, again: now.Add(pause(attempts + 1)), outcome: outcome, reason: err.Error()}
	}
}

// worker has River's jobs done.
type worker struct {
	river.WorkerDefaults[wake]
	queue *Queue
}

// Work does what the row of a job asks for now.
func (w *worker) Work(ctx context.Context, job *river.Job[wake]) error {
	q := w.queue
	c, err := q.claim(ctx, job.Args)
	if err != nil {
		return err
	}
	if c.wait > 0 {
		return river.JobSnooze(c.wait)
	}
	if !c.ok {
		return nil
	}
	log := q.log.With("repository", c.ref.Owner+"/"+c.ref.Name, "pull_request", c.ref.Number, "installation", c.ref.Installation)
	began := q.now()
	outcome, err := q.look(ctx, c.ref)
	q.reach("worked")
	// The deadline of a job is not an interruption: work that hangs counts as failed.
	interrupted := ctx.Err() != nil && !errors.Is(ctx.Err(), context.DeadlineExceeded)
	r := judge(q.now(), c.attempts, outcome, err, interrupted)
	log = log.With("head", outcome.Head, "took", q.now().Sub(began).Round(time.Millisecond).String())
	switch {
	case err == nil:
		log.Info("reviewed", "review", outcome.ReviewID, "reason", outcome.Reason)
	case interrupted:
		log.Info("interrupted; goes on after the next start")
	case r.settled && r.attempts == 0 && isGone(err):
		log.Info("ended without a review", "reason", r.reason)
	case r.settled:
		log.Error("given up until the next webhook", "reason", r.reason)
	default:
		log.Warn("failed; will be tried again", "attempts", r.attempts, "not_before", latest(r.again, r.limited).UTC().Format(time.RFC3339), "error", err)
	}
	return q.write(ctx, c, r)
}

func isGone(err error) bool {
	var gone *review.GoneError
	return errors.As(err, &gone)
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// write finishes, again and again while the database fails: without it the row would stay claimed
// until the next start. It also writes when ctx is done.
func (q *Queue) write(ctx context.Context, c claim, r result) error {
	ctx = context.WithoutCancel(ctx)
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		attempt, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := q.finish(attempt, c, r)
		cancel()
		if err == nil {
			return nil
		}
		q.log.Error("write down what came of a review", "error", err)
		select {
		case <-q.stopping.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// look runs the work and turns a panic into an error.
func (q *Queue) look(ctx context.Context, ref review.Ref) (outcome review.Outcome, err error) {
	defer func() {
		if p := recover(); p != nil {
			q.log.Error("review panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			outcome, err = review.Outcome{}, fmt.Errorf("review panicked: %v", p)
		}
	}()
	return q.work(ctx, ref)
}
