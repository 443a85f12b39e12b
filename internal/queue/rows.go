package queue

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/hitrate-bot/hitrate/internal/review"
)

// wake is the River job that has a worker look at a row. Its fields are the row's key.
type wake struct {
	Installation int64 `json:"installation"`
	Repository   int64 `json:"repository"`
	Number       int   `json:"number"`
}

// Kind names the job in River's table.
func (wake) Kind() string { return "pull_request" }

func keyOf(ref review.Ref) wake {
	return wake{Installation: ref.Installation, Repository: ref.Repository, Number: ref.Number}
}

// Add notes wants in one transaction; when it returns they survive a kill.
func (q *Queue) Add(ctx context.Context, wants ...Want) error {
	err := q.transact(ctx, func(tx *sql.Tx) error {
		for _, want := range wants {
			if err := q.add(ctx, tx, want); err != nil {
				return fmt.Errorf("note that %s/%s#%d is owed a review: %w", want.Ref.Owner, want.Ref.Name, want.Ref.Number, err)
			}
		}
		return nil
	})
	if err == nil {
		q.reach("added")
	}
	return err
}

// A want for a pull request that has waited quietly moves the end of the quiet period, but not past
// four of them; one for a pull request that failed forgets the failures, because the head may be
// another; only GitHub's own limits stay.
func (q *Queue) add(ctx context.Context, tx *sql.Tx, want Want) error {
	ref := want.Ref
	if ref.Installation <= 0 || ref.Repository <= 0 || ref.Number <= 0 {
		return errors.New("its ids are not positive")
	}
	now, quiet := millis(q.now()), want.Quiet.Milliseconds()
	var claimed, woken, due int64
	err := tx.QueryRowContext(ctx, `
		INSERT INTO pull_requests AS row (installation, repository, number, owner, name, wanted, owed_since, not_before, updated)
		VALUES (@installation, @repository, @number, @owner, @name, 1, @now, @now + @quiet, @now)
		ON CONFLICT DO UPDATE SET
			owner = excluded.owner,
			name = excluded.name,
			wanted = row.wanted + 1,
			owed_since = CASE WHEN row.wanted = max(row.done, row.claimed) THEN @now ELSE row.owed_since END,
			not_before = CASE
				WHEN row.wanted = max(row.done, row.claimed) OR row.attempts > 0 THEN @now + @quiet
				ELSE max(row.not_before, min(@now + @quiet, row.owed_since + 4 * @quiet))
			END,
			attempts = 0,
			updated = @now
		RETURNING claimed, woken, max(not_before, limited_until)`,
		sql.Named("installation", ref.Installation), sql.Named("repository", ref.Repository), sql.Named("number", ref.Number),
		sql.Named("owner", ref.Owner), sql.Named("name", ref.Name), sql.Named("now", now), sql.Named("quiet", quiet),
	).Scan(&claimed, &woken, &due)
	if err != nil {
		return err
	}
	// The end of running work wakes the next; a wake that is on its way and early waits for the rest.
	if claimed > 0 || woken > 0 && woken <= due {
		return nil
	}
	return q.wake(ctx, tx, keyOf(ref), due)
}

// wake inserts the job for a row and notes it there.
func (q *Queue) wake(ctx context.Context, tx *sql.Tx, key wake, due int64) error {
	// River goes by the system's clock, due by ours.
	opts := &river.InsertOpts{}
	if wait := due - millis(q.now()); wait > 0 {
		opts.ScheduledAt = time.Now().Add(time.Duration(wait) * time.Millisecond)
	}
	if _, err := q.river.InsertTx(ctx, tx, key, opts); err != nil {
		return fmt.Errorf("insert a River job: %w", err)
	}
	_, err := tx.ExecContext(ctx, `UPDATE pull_requests SET woken = ? WHERE installation = ? AND repository = ? AND number = ?`,
		max(1, due), key.Installation, key.Repository, key.Number)
	return err
}

// wakeOwed wakes all rows whose wake is missing or should have come before the given time.
func (q *Queue) wakeOwed(ctx context.Context, tx *sql.Tx, before int64) (woken int, err error) {
	rows, err := tx.QueryContext(ctx, `SELECT installation, repository, number, max(not_before, limited_until)
		FROM pull_requests WHERE wanted > done AND claimed = 0 AND woken < ?`, before)
	if err != nil {
		return 0, fmt.Errorf("list what is owed: %w", err)
	}
	defer func() { err = cmp.Or(err, rows.Close()) }()
	type owed struct {
		key wake
		due int64
	}
	var all []owed
	for rows.Next() {
		var o owed
		if err := rows.Scan(&o.key.Installation, &o.key.Repository, &o.key.Number, &o.due); err != nil {
			return 0, fmt.Errorf("list what is owed: %w", err)
		}
		all = append(all, o)
	}
	if err := rows.Err(); err != nil {
		return 0, fmt.Errorf("list what is owed: %w", err)
	}
	for _, o := range all {
		if err := q.wake(ctx, tx, o.key, max(o.due, millis(q.now()))); err != nil {
			return 0, err
		}
	}
	return len(all), nil
}

// sweep repairs what should not happen (a wake that was lost) and deletes the rows of pull requests
// that nobody has touched for long.
func (q *Queue) sweep(ctx context.Context) error {
	return q.transact(ctx, func(tx *sql.Tx) error {
		n, err := q.wakeOwed(ctx, tx, millis(q.now().Add(-sweepEvery)))
		if err != nil {
			return err
		}
		if n > 0 {
			q.log.Warn("woke pull requests again that had waited too long", "count", n)
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM pull_requests WHERE wanted = done AND claimed = 0 AND updated < ?`,
			millis(q.now().Add(-keepDone)))
		return err
	})
}

// Forget drops what is owed to an installation that no longer exists. Work that runs goes on and
// finds out by itself.
func (q *Queue) Forget(ctx context.Context, installation int64) error {
	_, err := q.db.ExecContext(ctx, `UPDATE pull_requests SET done = wanted, attempts = 0, last_error = 'uninstalled', updated = ?
		WHERE installation = ? AND wanted > done`, millis(q.now()), installation)
	if err != nil {
		return fmt.Errorf("forget installation %d: %w", installation, err)
	}
	q.signal()
	return nil
}

// claim is what a wake found in its row.
type claim struct {
	ok       bool          // there is work, and it is ours now
	wait     time.Duration // there is work, but not yet
	ref      review.Ref
	wanted   int64 // what the work settles
	attempts int   // failures before
}

// claim begins the work of a row: one at a time for a pull request, also where an old installation
// left a row for it.
func (q *Queue) claim(ctx context.Context, key wake) (c claim, err error) {
	err = q.transact(ctx, func(tx *sql.Tx) error {
		c = claim{ref: review.Ref{Installation: key.Installation, Repository: key.Repository, Number: key.Number}}
		var done, claimed, due int64
		var busy bool
		err := tx.QueryRowContext(ctx, `SELECT owner, name, wanted, done, claimed, attempts, max(not_before, limited_until),
				EXISTS (SELECT 1 FROM pull_requests AS other WHERE other.claimed > 0
					AND other.repository = row.repository AND other.number = row.number AND other.installation <> row.installation)
			FROM pull_requests AS row WHERE installation = ? AND repository = ? AND number = ?`,
			key.Installation, key.Repository, key.Number,
		).Scan(&c.ref.Owner, &c.ref.Name, &c.wanted, &done, &claimed, &c.attempts, &due, &busy)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		var woken, begun int64
		switch now := millis(q.now()); {
		case claimed > 0:
			begun = claimed // its end wakes again where that is needed
		case c.wanted == done:
		case due > now:
			c.wait, woken = time.Duration(due-now)*time.Millisecond, due
		case busy:
			c.wait, woken = time.Second, now
		default:
			c.ok, begun = true, c.wanted
		}
		_, err = tx.ExecContext(ctx, `UPDATE pull_requests SET claimed = ?, woken = ? WHERE installation = ? AND repository = ? AND number = ?`,
			begun, woken, key.Installation, key.Repository, key.Number)
		return err
	})
	if err != nil {
		return claim{}, fmt.Errorf("begin work on %s/%s#%d: %w", c.ref.Owner, c.ref.Name, key.Number, err)
	}
	if c.ok {
		q.reach("claimed")
	}
	return c, nil
}

// finish writes down what came of work and wakes the next where the row is still owed.
func (q *Queue) finish(ctx context.Context, c claim, r result) error {
	key := keyOf(c.ref)
	err := q.transact(ctx, func(tx *sql.Tx) error {
		now := millis(q.now())
		done, attempts := int64(0), 0
		if r.settled {
			done = c.wanted
		} else {
			attempts = r.attempts
		}
		var owed bool
		var due int64
		// Where more was wanted meanwhile, that is a new beginning with its own time.
		err := tx.QueryRowContext(ctx, `UPDATE pull_requests SET
				done = max(done, @done),
				attempts = CASE WHEN wanted = @wanted THEN @attempts ELSE 0 END,
				not_before = CASE WHEN wanted = @wanted THEN @again ELSE not_before END,
				limited_until = max(limited_until, @limited),
				posted_head = CASE WHEN @head <> '' THEN @head ELSE posted_head END,
				review_id = CASE WHEN @review <> 0 THEN @review ELSE review_id END,
				last_error = @error,
				claimed = 0,
				updated = @now
			WHERE installation = @installation AND repository = @repository AND number = @number
			RETURNING wanted > done, max(not_before, limited_until)`,
			sql.Named("done", done), sql.Named("wanted", c.wanted), sql.Named("attempts", attempts),
			sql.Named("again", unixOrZero(r.again)), sql.Named("limited", unixOrZero(r.limited)),
			sql.Named("head", r.outcome.Head), sql.Named("review", r.outcome.ReviewID), sql.Named("error", r.reason), sql.Named("now", now),
			sql.Named("installation", key.Installation), sql.Named("repository", key.Repository), sql.Named("number", key.Number),
		).Scan(&owed, &due)
		if err != nil {
			return err
		}
		if owed {
			if err := q.wake(ctx, tx, key, due); err != nil {
				return err
			}
		}
		q.reach("finishing")
		return nil
	})
	if err != nil {
		return fmt.Errorf("end work on %s/%s#%d: %w", c.ref.Owner, c.ref.Name, c.ref.Number, err)
	}
	q.signal()
	q.reach("finished")
	return nil
}

func unixOrZero(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return millis(t)
}
