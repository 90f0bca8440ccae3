package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
)

// Bury gives up event n of a run, which is no order, for an endpoint: it becomes a
// dead letter and the cursor moves beyond it, both or neither. now is when. An endpoint that was
// forgotten, or a run that was dropped, gets no dead letter: it would keep the run
// for good.
func (j *Journal) Bury(ctx context.Context, endpoint, run string, n uint64, now time.Time, reason string) error {
	return j.updateCursor(endpoint, func(db *handles) error {
		return db.inTx(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO dead (run, n, endpoint, at, reason, again)
				SELECT run, $1, endpoint, $2, $3, 0 FROM cursors WHERE run = $4 AND endpoint = $5
				ON CONFLICT (run, n, endpoint) DO UPDATE SET at = excluded.at, reason = excluded.reason, again = 0`,
				int64(n), millis(now), reason, run, endpoint)
			if err != nil {
				return err
			}
			_, err = tx.StmtContext(ctx, db.stmts.mark).ExecContext(ctx, int64(n), run, endpoint, int64(n))
			return err
		})
	})
}

// DeadLetters lists the dead letters of an endpoint, run by run, the oldest begun
// first, and in order within a run.
func (j *Journal) DeadLetters(ctx context.Context, endpoint string) (letters []fact.DeadLetter, err error) {
	err = j.view(fmt.Sprintf("dead letters of endpoint %q", endpoint), func(db *handles) error {
		rows, err := db.read.QueryContext(ctx, `SELECT d.run, d.n, d.at, d.reason, d.again, e.seq, t.digest, `+db.link()+`, e.event FROM dead d
			JOIN runs r ON r.run = d.run JOIN events e ON e.run = d.run AND e.n = d.n JOIN ticks t ON t.run = e.run AND t.seq = e.seq
			WHERE d.endpoint = $1 ORDER BY r.id, d.n`, endpoint)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			d := fact.DeadLetter{Endpoint: endpoint}
			var n uint64
			var at int64
			if err := rows.Scan(&d.Run, &n, &at, &d.Reason, &d.Again, &d.Seq, &d.Digest, &d.Link, &d.Raw); err != nil {
				return err
			}
			d.At = fromMillis(at)
			if err := decode(&d.Stored, n); err != nil {
				return err
			}
			letters = append(letters, d)
			return nil
		})
	})
	return letters, err
}

// RetryDead asks for a dead letter to be sent again; it stays one until it is
// Resolved. It returns ErrNotFound when there is none for event n of the run.
func (j *Journal) RetryDead(ctx context.Context, endpoint, run string, n uint64) error {
	return j.updateDead(ctx, endpoint, run, n, `UPDATE dead SET again = 1 WHERE run = $1 AND n = $2 AND endpoint = $3`)
}

// Resolved removes a dead letter, which was delivered after all. It returns
// ErrNotFound when there is none for event n of the run.
func (j *Journal) Resolved(ctx context.Context, endpoint, run string, n uint64) error {
	return j.updateDead(ctx, endpoint, run, n, `DELETE FROM dead WHERE run = $1 AND n = $2 AND endpoint = $3`)
}

func (j *Journal) updateDead(ctx context.Context, endpoint, run string, n uint64, statement string) error {
	return j.update(fmt.Sprintf("a dead letter of endpoint %q", endpoint), func(db *handles) error {
		return db.inTx(ctx, func(tx *sql.Tx) error {
			return affected(tx.ExecContext(ctx, statement, run, int64(n), endpoint))
		})
	})
}
