// Package queue keeps the pull requests that are owed a review, over restarts: one row per pull
// request, woken by River. Any number of wants for one pull request lead to one work at a time.
//
// The rows are the truth and River's jobs only wake a worker: a job that comes twice, early or late
// finds in its row what there is to do. The states of a row:
//
//	            Add                    a wake that is due
//	(no row) ─────────▶ owed ─────────────────────────────────▶ working
//	                    ▲  ▲                                       │
//	                Add │  │ failed: again after a pause           │
//	                    │  │ wanted meanwhile: again               │
//	                    │  │ killed or stopped: again after Open   │
//	                    │  └───────────────────────────────────────┤
//	                    │                                          │ looked, gone, given up
//	                  done ◀───────────────────────────────────────┘
//	                    │
//	                    └─▶ (no row), 90 days later
//
// owed is wanted > done, working is claimed > 0. Work settles the wants that it found when it began
// (done = claimed), so a want that arrives while it runs leads to exactly one more. Each arrow is one
// transaction; the row and the job that wakes its worker are written in the same. A kill leaves a row
// owed or working, and Open makes owed again what was working: the database belongs to one process
// at a time, which SQLite's exclusive lock enforces.
package queue

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/url"
	"sync"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"modernc.org/sqlite" // the driver "sqlite", without cgo
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hitrate-bot/hitrate/internal/review"
)

const (
	// workTimeout ends work that hangs; a review takes seconds.
	workTimeout = 15 * time.Minute
	// sweepEvery is how often lost wakes are looked for and old rows deleted.
	sweepEvery = 15 * time.Minute
	// keepDone is how long the row of a pull request outlives its last look.
	keepDone = 90 * 24 * time.Hour
)

// Want is a note that a pull request is owed a look.
type Want struct {
	Ref review.Ref
	// Quiet is how long after the last want the work waits, so that a burst of pushes leads to one
	// review. A burst that does not end is looked at after four times as long.
	Quiet time.Duration
}

// Options of a queue.
type Options struct {
	Path    string // of the SQLite file
	Workers int
	Log     *slog.Logger
	Now     func() time.Time
	// Work reviews one pull request; the errors of review decide on another try.
	Work func(ctx context.Context, ref review.Ref) (review.Outcome, error)
}

// Queue is an open queue.
type Queue struct {
	db     *sql.DB
	river  *river.Client[*sql.Tx]
	log    *slog.Logger
	now    func() time.Time
	work   func(ctx context.Context, ref review.Ref) (review.Outcome, error)
	reach  func(step string) // tests kill the process here
	sweeps sync.WaitGroup
	// stopping ends the sweeps and the repetition of a database write that fails.
	stopping context.Context
	stop     context.CancelFunc

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when a row may have become done
}

//go:embed schema.sql
var schema string

// Open opens or creates the database, brings its schema up to date and starts nothing yet. It fails
// when another process has the database open.
func Open(ctx context.Context, o Options) (*Queue, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	db, err := openDatabase(o.Path)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", o.Path, err)
	}
	q := &Queue{
		db: db, log: o.Log, now: o.Now, work: o.Work,
		reach:   func(string) {},
		changed: make(chan struct{}),
	}
	q.stopping, q.stop = context.WithCancel(context.Background())
	if err := q.prepare(ctx, o); err != nil {
		if locked, ok := errors.AsType[*sqlite.Error](err); ok && locked.Code() == sqlite3.SQLITE_BUSY {
			err = fmt.Errorf("another process has it open: %w", err)
		}
		return nil, errors.Join(fmt.Errorf("prepare database %s: %w", o.Path, err), db.Close())
	}
	return q, nil
}

// openDatabase sets up the connection. There is one, because SQLite has one writer and River's
// driver asks for it. It holds the lock for as long as it lives. Every commit reaches the disk
// (synchronous=FULL): GitHub does not send again what was answered with 202.
func openDatabase(path string) (*sql.DB, error) {
	address := url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}
	address.RawQuery = url.Values{
		"_pragma": {
			"busy_timeout(2000)", "locking_mode(EXCLUSIVE)", "journal_mode(WAL)", "synchronous(FULL)",
		},
		"_txlock": {"immediate"},
	}.Encode()
	db, err := sql.Open("sqlite", address.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	db.SetConnMaxIdleTime(0)
	db.SetConnMaxLifetime(0)
	return db, nil
}

func (q *Queue) prepare(ctx context.Context, o Options) error {
	if err := q.migrate(ctx); err != nil {
		return err
	}
	driver := riversqlite.New(q.db)
	riverLog := q.log.With("component", "river")
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: riverLog})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return fmt.Errorf("migrate River's tables: %w", err)
	}
	workers := river.NewWorkers()
	river.AddWorker(workers, &worker{queue: q})
	q.river, err = river.NewClient(driver, &river.Config{
		Logger:                      riverLog,
		Queues:                      map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: max(1, o.Workers)}},
		Workers:                     workers,
		JobTimeout:                  workTimeout,
		CompletedJobRetentionPeriod: time.Hour,
	})
	if err != nil {
		return fmt.Errorf("configure River: %w", err)
	}
	return q.transact(ctx, func(tx *sql.Tx) error {
		// What was working when the process ended is owed, and wakes on their way may have been lost
		// with it.
		if _, err := tx.ExecContext(ctx, `UPDATE pull_requests SET claimed = 0 WHERE claimed > 0`); err != nil {
			return fmt.Errorf("release interrupted work: %w", err)
		}
		_, err := q.wakeOwed(ctx, tx, math.MaxInt64)
		return err
	})
}

// migrate creates our own table; River has its own way for its tables.
func (q *Queue) migrate(ctx context.Context) error {
	return q.transact(ctx, func(tx *sql.Tx) error {
		var version int
		if err := tx.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&version); err != nil {
			return fmt.Errorf("read the schema's version: %w", err)
		}
		switch version {
		case 1:
			return nil
		case 0:
			if _, err := tx.ExecContext(ctx, schema+`PRAGMA user_version = 1`); err != nil {
				return fmt.Errorf("create the schema: %w", err)
			}
			return nil
		}
		return fmt.Errorf("the schema has version %d, which a newer hitrate wrote; this one knows version 1", version)
	})
}

// Start begins to work, until Stop. Work that runs does not end with ctx.
func (q *Queue) Start(ctx context.Context) error {
	// The context is Stop's to end: with the caller's, River would cut work off at once.
	if err := q.river.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start River: %w", err)
	}
	q.sweeps.Go(func() {
		ticker := time.NewTicker(sweepEvery)
		defer ticker.Stop()
		for {
			select {
			case <-q.stopping.Done():
				return
			case <-ticker.C:
				if err := q.sweep(q.stopping); err != nil && q.stopping.Err() == nil {
					q.log.Error("sweep the queue", "error", err)
				}
			}
		}
	})
	return nil
}

// Stop ends the work and closes the database: running work may end until ctx is done, then it is
// cut off and stays owed.
func (q *Queue) Stop(ctx context.Context) error {
	err := q.river.Stop(ctx)
	q.stop()
	q.sweeps.Wait()
	if err != nil {
		// Work that is cut off writes down that it is owed; give it the time for that.
		cut, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if err = q.river.StopAndCancel(cut); err != nil {
			err = fmt.Errorf("stop River: %w", err)
		}
	}
	if closed := q.db.Close(); closed != nil {
		err = errors.Join(err, fmt.Errorf("close the database: %w", closed))
	}
	return err
}

// Idle waits until nothing is owed that is due (for tests and the demo).
func (q *Queue) Idle(ctx context.Context) error {
	ticker := time.NewTicker(50 * time.Millisecond) // rows become due without a signal
	defer ticker.Stop()
	for {
		q.mu.Lock()
		changed := q.changed
		q.mu.Unlock()
		var busy int
		err := q.db.QueryRowContext(ctx, `SELECT count(*) FROM pull_requests
			WHERE claimed > 0 OR wanted > done AND max(not_before, limited_until) <= ?`, millis(q.now())).Scan(&busy)
		if err != nil {
			return fmt.Errorf("count what is owed: %w", err)
		}
		if busy == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %d pull requests: %w", busy, ctx.Err())
		case <-changed:
		case <-ticker.C:
		}
	}
}

func (q *Queue) signal() {
	q.mu.Lock()
	defer q.mu.Unlock()
	close(q.changed)
	q.changed = make(chan struct{})
}

// Ready says whether the database answers (for /readyz).
func (q *Queue) Ready(ctx context.Context) error {
	var one int
	if err := q.db.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM pull_requests LIMIT 1)`).Scan(&one); err != nil {
		return fmt.Errorf("ask the database: %w", err)
	}
	return nil
}

// transact runs f in a transaction.
func (q *Queue) transact(ctx context.Context, f func(tx *sql.Tx) error) error {
	tx, err := q.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func millis(t time.Time) int64 { return t.UnixMilli() }
