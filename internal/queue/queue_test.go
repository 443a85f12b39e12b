package queue

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hitrate-bot/hitrate/internal/review"
)

// clock is a clock that tests set.
type clock struct{ millis atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.millis.Store(1_700_000_000_000)
	return c
}
func (c *clock) now() time.Time          { return time.UnixMilli(c.millis.Load()) }
func (c *clock) advance(d time.Duration) { c.millis.Add(d.Milliseconds()) }

type workFunc = func(context.Context, review.Ref) (review.Outcome, error)

func ref(number int) review.Ref {
	return review.Ref{Installation: 7, Repository: 11, Owner: "octo", Name: "app", Number: number}
}

// open opens a queue in a fresh directory, or again in the given one.
func open(t *testing.T, path string, now func() time.Time, work workFunc) *Queue {
	t.Helper()
	q, err := Open(t.Context(), Options{
		Path: path, Workers: 4, Now: now, Work: work,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func start(t *testing.T, q *Queue) {
	t.Helper()
	if err := q.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func stop(t *testing.T, q *Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := q.Stop(ctx); err != nil {
		t.Fatal(err)
	}
}

func idle(t *testing.T, q *Queue) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := q.Idle(ctx); err != nil {
		t.Fatal(err)
	}
}

func add(t *testing.T, q *Queue, wants ...Want) {
	t.Helper()
	if err := q.Add(t.Context(), wants...); err != nil {
		t.Fatal(err)
	}
}

// state is a row as the tests compare it.
type state struct {
	Wanted, Done, Claimed int64
	Attempts              int
	Due                   time.Duration // from the given time
	Head, Error           string
	Review                int64
}

func rowOf(t *testing.T, q *Queue, r review.Ref, from time.Time) state {
	t.Helper()
	var s state
	var due int64
	err := q.db.QueryRow(`SELECT wanted, done, claimed, attempts, max(not_before, limited_until), posted_head, last_error, review_id
		FROM pull_requests WHERE installation = ? AND repository = ? AND number = ?`, r.Installation, r.Repository, r.Number,
	).Scan(&s.Wanted, &s.Done, &s.Claimed, &s.Attempts, &due, &s.Head, &s.Error, &s.Review)
	if err != nil {
		t.Fatal(err)
	}
	if due > 0 {
		s.Due = time.UnixMilli(due).Sub(from)
	}
	return s
}

func jobs(t *testing.T, q *Queue) int {
	t.Helper()
	var n int
	if err := q.db.QueryRow(`SELECT count(*) FROM river_job`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestThousandWantsOneWork(t *testing.T) {
	var works atomic.Int32
	q := open(t, filepath.Join(t.TempDir(), "q.db"), nil, func(_ context.Context, r review.Ref) (review.Outcome, error) {
		works.Add(1)
		if r != ref(1) {
			t.Errorf("work on %+v", r)
		}
		return review.Outcome{Head: "abc", ReviewID: 5}, nil
	})
	defer stop(t, q)
	var group sync.WaitGroup
	for range 10 {
		group.Go(func() {
			for range 100 {
				if err := q.Add(context.Background(), Want{Ref: ref(1)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if n := jobs(t, q); n != 1 {
		t.Errorf("%d jobs for one pull request", n)
	}
	start(t, q)
	idle(t, q)
	if n := works.Load(); n != 1 {
		t.Errorf("%d works, want 1", n)
	}
	want := state{Wanted: 1000, Done: 1000, Head: "abc", Review: 5}
	if diff := cmp.Diff(want, rowOf(t, q, ref(1), time.Time{})); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
}

func TestWantDuringWorkIsOneMoreWork(t *testing.T) {
	var works, running atomic.Int32
	began, release := make(chan struct{}, 10), make(chan struct{})
	q := open(t, filepath.Join(t.TempDir(), "q.db"), nil, func(context.Context, review.Ref) (review.Outcome, error) {
		if running.Add(1) > 1 {
			t.Error("two works of one pull request at a time")
		}
		defer running.Add(-1)
		works.Add(1)
		began <- struct{}{}
		<-release
		return review.Outcome{}, nil
	})
	defer stop(t, q)
	start(t, q)
	add(t, q, Want{Ref: ref(1)})
	<-began
	for range 20 {
		add(t, q, Want{Ref: ref(1)})
	}
	close(release)
	idle(t, q)
	if n := works.Load(); n != 2 {
		t.Errorf("%d works, want 2", n)
	}
}

func TestPullRequestsRunSideBySide(t *testing.T) {
	var began sync.WaitGroup
	began.Add(3)
	q := open(t, filepath.Join(t.TempDir(), "q.db"), nil, func(context.Context, review.Ref) (review.Outcome, error) {
		began.Done()
		began.Wait() // each waits for the others
		return review.Outcome{}, nil
	})
	defer stop(t, q)
	start(t, q)
	add(t, q, Want{Ref: ref(1)}, Want{Ref: ref(2)}, Want{Ref: ref(3)})
	idle(t, q)
}

// Two installations of one repository follow one another (a transfer, a new installation); their rows
// are one pull request.
func TestOneWorkAcrossInstallations(t *testing.T) {
	c := newClock()
	q := open(t, filepath.Join(t.TempDir(), "q.db"), c.now, nil)
	defer stop(t, q)
	other := ref(1)
	other.Installation = 8
	add(t, q, Want{Ref: ref(1)}, Want{Ref: other})
	first, err := q.claim(t.Context(), keyOf(ref(1)))
	if err != nil || !first.ok {
		t.Fatalf("claim: %+v, %v", first, err)
	}
	second, err := q.claim(t.Context(), keyOf(other))
	if err != nil || second.ok || second.wait == 0 {
		t.Fatalf("claim of the same pull request: %+v, %v", second, err)
	}
	if err := q.finish(t.Context(), first, judge(c.now(), 0, review.Outcome{}, nil, false)); err != nil {
		t.Fatal(err)
	}
	if second, err = q.claim(t.Context(), keyOf(other)); err != nil || !second.ok {
		t.Fatalf("claim afterwards: %+v, %v", second, err)
	}
}

// The end of the quiet period, by the clock.
func TestQuietPeriod(t *testing.T) {
	const quiet = 15 * time.Second
	c := newClock()
	q := open(t, filepath.Join(t.TempDir(), "q.db"), c.now, nil)
	defer stop(t, q)
	begin := c.now()
	due := func() time.Duration { return rowOf(t, q, ref(1), begin).Due }
	for _, step := range []struct {
		at, quiet, want time.Duration
	}{
		{0, quiet, 15 * time.Second},
		{10 * time.Second, quiet, 25 * time.Second},
		{20 * time.Second, 0, 25 * time.Second}, // one without a quiet period does not cut it short
		{22 * time.Second, quiet, 37 * time.Second},
		{36 * time.Second, quiet, 51 * time.Second},
		{50 * time.Second, quiet, 60 * time.Second}, // a burst without end
		{59 * time.Second, quiet, 60 * time.Second},
	} {
		c.advance(begin.Add(step.at).Sub(c.now()))
		add(t, q, Want{Ref: ref(1), Quiet: step.quiet})
		if got := due(); got != step.want {
			t.Errorf("after %s: due at %s, want %s", step.at, got, step.want)
		}
	}
	early, err := q.claim(t.Context(), keyOf(ref(1)))
	if err != nil || early.ok || early.wait != time.Second {
		t.Errorf("claim a second early: %+v, %v", early, err)
	}
	c.advance(time.Second)
	got, err := q.claim(t.Context(), keyOf(ref(1)))
	if err != nil || !got.ok || got.wanted != 7 {
		t.Errorf("claim: %+v, %v", got, err)
	}
	// While it runs another push begins a quiet period of its own.
	add(t, q, Want{Ref: ref(1), Quiet: quiet})
	if err := q.finish(t.Context(), got, judge(c.now(), 0, review.Outcome{}, nil, false)); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(state{Wanted: 8, Done: 7, Due: 75 * time.Second}, rowOf(t, q, ref(1), begin)); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
}

// What the errors of review do to a row.
func TestJudge(t *testing.T) {
	now := newClock().now()
	hour := now.Add(time.Hour)
	boom := errors.New("boom")
	tests := []struct {
		name        string
		attempts    int
		err         error
		interrupted bool
		want        result
	}{
		{name: "looked", want: result{settled: true}},
		{name: "looked after failures", attempts: 3, want: result{settled: true}},
		{name: "gone", err: fmt.Errorf("list files: %w", &review.GoneError{Reason: "404"}), want: result{settled: true, reason: "404"}},
		{name: "failed", err: boom, want: result{attempts: 1, again: now.Add(5 * time.Second), reason: "boom"}},
		{name: "failed again", attempts: 4, err: boom, want: result{attempts: 5, again: now.Add(80 * time.Second), reason: "boom"}},
		{name: "failed often", attempts: 18, err: boom, want: result{attempts: 19, again: now.Add(2 * time.Hour), reason: "boom"}},
		{name: "given up", attempts: 19, err: boom, want: result{settled: true, reason: "given up after 20 attempts: boom"}},
		{name: "limited", err: fmt.Errorf("get: %w", &review.LaterError{After: hour, Err: boom}),
			want: result{attempts: 1, again: now.Add(5 * time.Second), limited: hour, reason: "get: try again after " + hour.Format(time.RFC3339) + ": boom"}},
		{name: "answer lost", err: &review.UnknownError{Err: boom}, want: result{attempts: 1, again: now.Add(5 * time.Second), reason: "answer lost: boom"}},
		{name: "stopped", attempts: 2, err: context.Canceled, interrupted: true, want: result{attempts: 2, again: now, reason: "interrupted"}},
		{name: "stopped but done", interrupted: true, want: result{settled: true}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := judge(now, test.attempts, review.Outcome{}, test.err, test.interrupted)
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(result{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPauseIsBounded(t *testing.T) {
	var day time.Duration
	for n := range maxAttempts {
		if p := pause(n); p < pause(n-1) || p > 2*time.Hour {
			t.Errorf("pause after %d failures: %s", n, p)
		}
		day += pause(n)
	}
	if day < 15*time.Hour || day > 24*time.Hour {
		t.Errorf("gives up after %s", day)
	}
	if pause(1<<30) != 2*time.Hour {
		t.Error("a pause overflows")
	}
}

// A limit of GitHub outlives new wants and restarts; the pause after other failures does not hold up
// a new head.
func TestWaitsOverRestarts(t *testing.T) {
	c := newClock()
	begin := c.now()
	path := filepath.Join(t.TempDir(), "q.db")
	q := open(t, path, c.now, nil)
	add(t, q, Want{Ref: ref(1)}, Want{Ref: ref(2)})
	for number, err := range map[int]error{1: errors.New("boom"), 2: &review.LaterError{After: begin.Add(time.Hour), Err: errors.New("limit")}} {
		claimed, claimErr := q.claim(t.Context(), keyOf(ref(number)))
		if claimErr != nil || !claimed.ok {
			t.Fatalf("claim: %+v, %v", claimed, claimErr)
		}
		if err := q.finish(t.Context(), claimed, judge(c.now(), 9, review.Outcome{}, err, false)); err != nil {
			t.Fatal(err)
		}
	}
	stop(t, q)
	q = open(t, path, c.now, nil)
	defer stop(t, q)
	check := func(number int, want state) {
		t.Helper()
		got := rowOf(t, q, ref(number), begin)
		got.Error = ""
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("row %d (-want +got):\n%s", number, diff)
		}
	}
	check(1, state{Wanted: 1, Attempts: 10, Due: 2560 * time.Second})
	check(2, state{Wanted: 1, Attempts: 10, Due: time.Hour})
	add(t, q, Want{Ref: ref(1)}, Want{Ref: ref(2)})
	check(1, state{Wanted: 2})
	check(2, state{Wanted: 2, Due: time.Hour})
}

// Failures, a panic and a success, through River.
func TestTriedAgain(t *testing.T) {
	c := newClock()
	var works atomic.Int32
	q := open(t, filepath.Join(t.TempDir(), "q.db"), c.now, func(context.Context, review.Ref) (review.Outcome, error) {
		switch works.Add(1) {
		case 1:
			return review.Outcome{}, errors.New("boom")
		case 2:
			panic("ouch")
		}
		return review.Outcome{Head: "abc"}, nil
	})
	defer stop(t, q)
	start(t, q)
	add(t, q, Want{Ref: ref(1)})
	idle(t, q)
	if diff := cmp.Diff(state{Wanted: 1, Attempts: 1, Due: 5 * time.Second, Error: "boom"}, rowOf(t, q, ref(1), c.now())); diff != "" {
		t.Fatalf("after a failure (-want +got):\n%s", diff)
	}
	again := func(after time.Duration) {
		c.advance(after)
		// River goes by the system's clock: wake by hand instead of waiting.
		err := q.transact(t.Context(), func(tx *sql.Tx) error {
			_, err := q.wakeOwed(t.Context(), tx, math.MaxInt64)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		idle(t, q)
	}
	again(5 * time.Second)
	if got := rowOf(t, q, ref(1), c.now()); got.Attempts != 2 || got.Due != 10*time.Second || got.Error != "review panicked: ouch" {
		t.Fatalf("after a panic: %+v", got)
	}
	again(10 * time.Second)
	if n := works.Load(); n != 3 {
		t.Errorf("%d works, want 3", n)
	}
	if diff := cmp.Diff(state{Wanted: 1, Done: 1, Head: "abc"}, rowOf(t, q, ref(1), c.now())); diff != "" {
		t.Errorf("at the end (-want +got):\n%s", diff)
	}
}

func TestForget(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "q.db"), nil, func(_ context.Context, r review.Ref) (review.Outcome, error) {
		if r.Installation == 7 {
			t.Errorf("work for a forgotten installation: %+v", r)
		}
		return review.Outcome{}, nil
	})
	defer stop(t, q)
	other := ref(3)
	other.Installation = 8
	add(t, q, Want{Ref: ref(1)}, Want{Ref: ref(2)}, Want{Ref: other})
	if err := q.Forget(t.Context(), 7); err != nil {
		t.Fatal(err)
	}
	start(t, q)
	idle(t, q)
	if got := rowOf(t, q, other, time.Time{}); got.Done != 1 {
		t.Errorf("another installation's row: %+v", got)
	}
}

func TestRefusesBadIDs(t *testing.T) {
	q := open(t, filepath.Join(t.TempDir(), "q.db"), nil, nil)
	defer stop(t, q)
	bad := ref(1)
	bad.Repository = 0
	if err := q.Add(t.Context(), Want{Ref: ref(2)}, Want{Ref: bad}); err == nil {
		t.Fatal("no error")
	}
	if n := jobs(t, q); n != 0 {
		t.Errorf("%d jobs after a transaction that failed", n)
	}
}

func TestSweep(t *testing.T) {
	c := newClock()
	q := open(t, filepath.Join(t.TempDir(), "q.db"), c.now, nil)
	defer stop(t, q)
	add(t, q, Want{Ref: ref(1)}, Want{Ref: ref(2)})
	settled, err := q.claim(t.Context(), keyOf(ref(2)))
	if err != nil {
		t.Fatal(err)
	}
	if err := q.finish(t.Context(), settled, judge(c.now(), 0, review.Outcome{}, nil, false)); err != nil {
		t.Fatal(err)
	}
	count := func() (rows int) {
		if err := q.db.QueryRow(`SELECT count(*) FROM pull_requests`).Scan(&rows); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	for _, step := range []struct {
		after      time.Duration
		jobs, rows int
	}{
		{time.Minute, 2, 2},           // the wakes may be on their way
		{sweepEvery, 3, 2},            // one was lost
		{time.Minute, 3, 2},           // the new one may be on its way
		{91 * 24 * time.Hour, 4, 1},   // the row that is done goes, the one that is owed stays
		{1000 * 24 * time.Hour, 5, 1}, // and stays
	} {
		c.advance(step.after)
		if err := q.sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		if j, r := jobs(t, q), count(); j != step.jobs || r != step.rows {
			t.Errorf("%s later: %d jobs, %d rows, want %d, %d", step.after, j, r, step.jobs, step.rows)
		}
	}
}

// Stop lets work end, and cuts off what does not; that stays owed.
func TestStop(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.db")
	began := make(chan struct{}, 1)
	q := open(t, path, nil, func(ctx context.Context, _ review.Ref) (review.Outcome, error) {
		began <- struct{}{}
		<-ctx.Done()
		return review.Outcome{}, ctx.Err()
	})
	start(t, q)
	add(t, q, Want{Ref: ref(1)})
	<-began
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := q.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	if err := q.Add(t.Context(), Want{Ref: ref(2)}); err == nil {
		t.Error("a stopped queue takes wants")
	}
	if err := q.Ready(t.Context()); err == nil {
		t.Error("a stopped queue is ready")
	}
	var works atomic.Int32
	q = open(t, path, nil, func(context.Context, review.Ref) (review.Outcome, error) {
		works.Add(1)
		return review.Outcome{}, nil
	})
	if got := rowOf(t, q, ref(1), time.Time{}); got.Attempts != 0 || got.Done != 0 || got.Claimed != 0 {
		t.Errorf("row after the stop: %+v", got)
	}
	start(t, q)
	idle(t, q)
	stop(t, q)
	if n := works.Load(); n != 1 {
		t.Errorf("%d works after the restart, want 1", n)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with space?#%41.db")
	q := open(t, path, nil, nil)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	switch second, err := Open(ctx, Options{Path: path}); {
	case err == nil:
		t.Error("opened twice")
		stop(t, second)
	case !strings.Contains(err.Error(), "another process has it open"):
		t.Errorf("error %v", err)
	}
	if err := q.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	stop(t, q)
	q = open(t, path, nil, nil)
	stop(t, q)
}

func TestRefusesNewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "q.db")
	q := open(t, path, nil, nil)
	if _, err := q.db.Exec(`PRAGMA user_version = 2`); err != nil {
		t.Fatal(err)
	}
	stop(t, q)
	if _, err := Open(t.Context(), Options{Path: path}); err == nil {
		t.Fatal("opened a database of a newer version")
	}
}
