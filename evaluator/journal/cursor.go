package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Cursor is how far an endpoint has been told.
type Cursor struct {
	Pos       uint64    // everything up to here was delivered, passed over or buried
	Attempts  int       // at the event after Pos, so far
	NextAt    time.Time // not before; zero means at once
	LastError string    // of the newest attempt
}

// Delivery is where an endpoint stands, for people and metrics.
type Delivery struct {
	Endpoint string
	Cursor
	Lag    uint64    // events after the cursor
	Oldest time.Time // of those; zero when there are none
	Dead   int       // dead letters, those to be sent again included
}

// addCursors lets new endpoints begin at the journal's end.
func addCursors(ctx context.Context, q querier, endpoints []string) error {
	for _, name := range endpoints {
		_, err := q.ExecContext(ctx, `INSERT INTO cursors (endpoint, pos, attempts, next_at, last_error)
			SELECT $1, pos, 0, 0, '' FROM head WHERE id = 1 ON CONFLICT DO NOTHING`, name)
		if err != nil {
			return err
		}
	}
	return nil
}

// Cursor returns the cursor of an endpoint. One that the journal does not know
// begins at its end: name endpoints in Config to have that happen before the
// first commit.
func (j *Journal) Cursor(ctx context.Context, endpoint string) (Cursor, error) {
	c, err := j.cursor(ctx, endpoint)
	if errors.Is(err, sql.ErrNoRows) {
		err = j.update(ctx, endpoint, func(tx *sql.Tx) error { return addCursors(ctx, tx, []string{endpoint}) })
		if err != nil {
			return Cursor{}, err
		}
		c, err = j.cursor(ctx, endpoint)
	}
	return c, j.reading(fmt.Sprintf("cursor of endpoint %q", endpoint), err)
}

func (j *Journal) cursor(ctx context.Context, endpoint string) (c Cursor, err error) {
	var next int64
	err = j.read.QueryRowContext(ctx, `SELECT pos, attempts, next_at, last_error FROM cursors WHERE endpoint = $1`, endpoint).
		Scan(&c.Pos, &c.Attempts, &next, &c.LastError)
	c.NextAt = fromMillis(next)
	return c, err
}

// update changes something of an endpoint's.
func (j *Journal) update(ctx context.Context, endpoint string, f func(*sql.Tx) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ofCursor(endpoint, j.inTx(ctx, f))
}

// ofCursor wraps an error; a nil error stays nil.
func (j *Journal) ofCursor(endpoint string, err error) error {
	if err != nil {
		return fmt.Errorf("writing the cursor of endpoint %q to journal %q: %w", endpoint, j.path, err)
	}
	return nil
}

// Delivered says that an endpoint has everything up to pos. It never moves a
// cursor back. It does not wait for the disk: a process that dies loses nothing,
// a power cut may lose the newest marks, and those events are sent once more.
func (j *Journal) Delivered(ctx context.Context, endpoint string, pos uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ofCursor(endpoint, j.lazily(ctx, j.stmts.mark, int64(pos), endpoint, int64(pos)))
}

// Failed says that an attempt to deliver the event at pos went wrong, and when
// the next one is due. It does not wait for the disk, and is passed over when
// the cursor has moved beyond pos since.
func (j *Journal) Failed(ctx context.Context, endpoint string, pos uint64, attempts int, next time.Time, lastError string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.ofCursor(endpoint, j.lazily(ctx, j.stmts.failed, attempts, millis(next), lastError, endpoint, int64(pos)))
}

// Rewind sets an endpoint's cursor to a position, back or forth, so that
// everything after it is sent, again where it was sent before.
func (j *Journal) Rewind(ctx context.Context, endpoint string, pos uint64) error {
	err := j.update(ctx, endpoint, func(tx *sql.Tx) error {
		last, err := end(ctx, tx)
		if err != nil {
			return err
		}
		res, err := tx.ExecContext(ctx, `UPDATE cursors SET pos = $1, attempts = 0, next_at = 0, last_error = '' WHERE endpoint = $2`,
			int64(min(pos, last)), endpoint)
		return affected(res, err)
	})
	j.wake(err)
	return err
}

// Forget drops an endpoint that is no longer told, with its dead letters, so
// that it does not keep events from being pruned.
func (j *Journal) Forget(ctx context.Context, endpoint string) error {
	return j.update(ctx, endpoint, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM dead WHERE endpoint = $1`, endpoint); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM cursors WHERE endpoint = $1`, endpoint)
		return err
	})
}

// Deliveries lists where every endpoint stands, by name.
func (j *Journal) Deliveries(ctx context.Context) ([]Delivery, error) {
	rows, err := j.read.QueryContext(ctx, `SELECT c.endpoint, c.pos, c.attempts, c.next_at, c.last_error, h.pos - c.pos,
		coalesce((SELECT min(e.at) FROM events e WHERE e.pos = (SELECT min(pos) FROM events WHERE pos > c.pos)), 0),
		(SELECT count(*) FROM dead d WHERE d.endpoint = c.endpoint)
		FROM cursors c, head h ORDER BY c.endpoint`)
	if err != nil {
		return nil, j.reading("deliveries", err)
	}
	var all []Delivery
	err = each(rows, func() error {
		var d Delivery
		var next, oldest int64
		err := rows.Scan(&d.Endpoint, &d.Pos, &d.Attempts, &next, &d.LastError, &d.Lag, &oldest, &d.Dead)
		d.NextAt, d.Oldest = fromMillis(next), fromMillis(oldest*1000)
		all = append(all, d)
		return err
	})
	return all, j.reading("deliveries", err)
}

// wake wakes those who watch when something went well.
func (j *Journal) wake(err error) {
	if err != nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.changedLocked()
}

// affected turns a change of nothing into ErrNotFound.
func affected(res sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return ErrNotFound
}
