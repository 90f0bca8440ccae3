package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator"
)

// DeadLetter is an event that an endpoint did not take.
type DeadLetter struct {
	Endpoint string
	At       time.Time // when it was given up
	Reason   string
	Again    bool // somebody asked for it to be sent again
	evaluator.Stored
}

// Bury gives up the event at pos for an endpoint: it becomes a dead letter and
// the cursor moves beyond it, both or neither. now is when.
func (j *Journal) Bury(ctx context.Context, endpoint string, pos uint64, now time.Time, reason string) error {
	return j.update(ctx, endpoint, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO dead (endpoint, pos, at, reason, again) VALUES ($1, $2, $3, $4, 0)
			ON CONFLICT (endpoint, pos) DO UPDATE SET at = excluded.at, reason = excluded.reason, again = 0`,
			endpoint, int64(pos), millis(now), reason)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE cursors SET pos = $1, attempts = 0, next_at = 0, last_error = '' WHERE endpoint = $2 AND pos < $3`,
			int64(pos), endpoint, int64(pos))
		return err
	})
}

// DeadLetters lists the dead letters of an endpoint in order.
func (j *Journal) DeadLetters(ctx context.Context, endpoint string) ([]DeadLetter, error) {
	rows, err := j.read.QueryContext(ctx, `SELECT d.at, d.reason, d.again, e.pos, e.seq, e.event
		FROM dead d JOIN events e ON e.pos = d.pos WHERE d.endpoint = $1 ORDER BY d.pos`, endpoint)
	if err != nil {
		return nil, j.reading("dead letters", err)
	}
	var letters []DeadLetter
	err = each(rows, func() error {
		d := DeadLetter{Endpoint: endpoint}
		var at int64
		if err := rows.Scan(&at, &d.Reason, &d.Again, &d.Pos, &d.Seq, &d.Raw); err != nil {
			return err
		}
		d.At = fromMillis(at)
		if err := json.Unmarshal(d.Raw, &d.Event); err != nil {
			return soup("event at position %d: %w", d.Pos, err)
		}
		letters = append(letters, d)
		return nil
	})
	return letters, j.reading(fmt.Sprintf("dead letters of endpoint %q", endpoint), err)
}

// RetryDead asks for a dead letter to be sent again; it stays one until it is
// Resolved. It returns ErrNotFound when there is none at pos.
func (j *Journal) RetryDead(ctx context.Context, endpoint string, pos uint64) error {
	err := j.update(ctx, endpoint, func(tx *sql.Tx) error {
		return affected(tx.ExecContext(ctx, `UPDATE dead SET again = 1 WHERE endpoint = $1 AND pos = $2`, endpoint, int64(pos)))
	})
	j.wake(err)
	return err
}

// Resolved removes a dead letter: it was delivered after all, or nobody needs it.
func (j *Journal) Resolved(ctx context.Context, endpoint string, pos uint64) error {
	return j.update(ctx, endpoint, func(tx *sql.Tx) error {
		return affected(tx.ExecContext(ctx, `DELETE FROM dead WHERE endpoint = $1 AND pos = $2`, endpoint, int64(pos)))
	})
}
