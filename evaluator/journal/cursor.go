package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
)

// addEndpoints makes endpoints known. A new one is done with all that there is.
func addEndpoints(ctx context.Context, tx *sql.Tx, names []string) error {
	for _, name := range names {
		res, err := tx.ExecContext(ctx, `INSERT INTO endpoints (name) VALUES ($1) ON CONFLICT DO NOTHING`, name)
		if err != nil {
			return err
		}
		if added, err := res.RowsAffected(); err != nil || added == 0 {
			if err != nil {
				return err
			}
			continue
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO cursors (run, endpoint, n, attempts, next_at, last_error) SELECT run, $1, n, 0, 0, '' FROM runs`, name)
		if err != nil {
			return err
		}
	}
	return nil
}

// Know makes endpoints known that are not yet. They begin at the end of every run:
// what is committed from now on is for them.
func (j *Journal) Know(ctx context.Context, endpoints ...string) error {
	return j.update(fmt.Sprintf("endpoints %q", endpoints), func(db *handles) error {
		return db.inTx(ctx, func(tx *sql.Tx) error { return addEndpoints(ctx, tx, endpoints) })
	})
}

// Endpoints lists the endpoints that are known, by name.
func (j *Journal) Endpoints(ctx context.Context) (names []string, err error) {
	err = j.view("endpoints", func(db *handles) error {
		rows, err := db.read.QueryContext(ctx, `SELECT name FROM endpoints ORDER BY name`)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			var name string
			err := rows.Scan(&name)
			names = append(names, name)
			return err
		})
	})
	return names, err
}

// Pending lists the runs that have events which the endpoint is not done with,
// the oldest begun first. An endpoint that is not known becomes known, and has
// none: name endpoints in Config, or call Know, to have that happen before a commit.
func (j *Journal) Pending(ctx context.Context, endpoint string) (list []fact.RunCursor, err error) {
	known := false
	err = j.view(fmt.Sprintf("cursors of endpoint %q", endpoint), func(db *handles) error {
		err := db.read.QueryRowContext(ctx, `SELECT count(*) FROM endpoints WHERE name = $1`, endpoint).Scan(&known)
		if err != nil || !known {
			return err
		}
		rows, err := db.read.QueryContext(ctx, `SELECT r.run, c.n, r.n, c.attempts, c.next_at, c.last_error FROM runs r
			JOIN cursors c ON c.run = r.run WHERE c.endpoint = $1 AND c.n < r.n ORDER BY r.id`, endpoint)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			var c fact.RunCursor
			var next int64
			err := rows.Scan(&c.Run, &c.N, &c.End, &c.Attempts, &next, &c.LastError)
			c.NextAt = fromMillis(next)
			list = append(list, c)
			return err
		})
	})
	if err != nil || known {
		return list, err
	}
	return nil, j.Know(ctx, endpoint)
}

func (j *Journal) updateCursor(endpoint string, f func(*handles) error) error {
	return j.update(fmt.Sprintf("a cursor of endpoint %q", endpoint), f)
}

// Delivered says that an endpoint is done with every event of a run up to n. It
// never moves a cursor back. It does not wait for the disk: a process that dies
// loses nothing, a power cut may lose the newest marks, and those events are sent
// once more.
func (j *Journal) Delivered(ctx context.Context, endpoint, run string, n uint64) error {
	return j.updateCursor(endpoint, func(db *handles) error {
		return db.lazily(ctx, db.stmts.mark, int64(n), run, endpoint, int64(n))
	})
}

// Failed says that an attempt to deliver event n of a run failed, and when the
// next one is due. It does not wait for the disk, and is passed over when the
// cursor has moved beyond n since.
func (j *Journal) Failed(ctx context.Context, endpoint, run string, n uint64, attempts int, next time.Time, lastError string) error {
	return j.updateCursor(endpoint, func(db *handles) error {
		return db.lazily(ctx, db.stmts.failed, attempts, millis(next), lastError, run, endpoint, int64(n))
	})
}

// Rewind sets an endpoint back in every run, so that every event of a time or
// later is sent again, orders too, and returns in how many runs that changed
// something. It never sets a cursor forward, and an order that is still pending
// stays as it is. It returns ErrNotFound for an endpoint that is not known.
func (j *Journal) Rewind(ctx context.Context, endpoint string, since time.Time) (runs int, err error) {
	// Read before the lock is taken, because it may be long. What is committed
	// meanwhile is pending by itself.
	var again []orderKey
	err = j.view("orders since "+since.UTC().Format(time.RFC3339), func(db *handles) (err error) {
		again, err = ordersAmong(ctx, db.read, `SELECT e.run, e.n, e.event FROM runs r JOIN events e ON e.run = r.run
			WHERE r.at >= $1 AND e.at >= $2 ORDER BY r.id, e.n`, since.Unix(), since.Unix())
		return err
	})
	if err != nil {
		return 0, err
	}
	err = j.updateCursor(endpoint, func(db *handles) error {
		return db.inTx(ctx, func(tx *sql.Tx) error {
			var known bool
			if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM endpoints WHERE name = $1`, endpoint).Scan(&known); err != nil {
				return err
			}
			if !known {
				return ErrNotFound
			}
			changed := map[string]bool{} // :: run
			rows, err := tx.QueryContext(ctx, `UPDATE cursors SET n = f.n - 1, attempts = 0, next_at = 0, last_error = ''
				FROM (SELECT e.run AS run, min(e.n) AS n FROM runs r JOIN events e ON e.run = r.run WHERE r.at >= $1 AND e.at >= $2 GROUP BY e.run) f
				WHERE cursors.run = f.run AND cursors.endpoint = $3 AND cursors.n >= f.n RETURNING cursors.run`, since.Unix(), since.Unix(), endpoint)
			if err != nil {
				return err
			}
			err = each(rows, func() error {
				var run string
				err := rows.Scan(&run)
				changed[run] = true
				return err
			})
			if err != nil {
				return err
			}
			for _, o := range again {
				err := affected(tx.ExecContext(ctx, `INSERT INTO orders (run, n, endpoint, attempts, next_at, last_error)
					SELECT run, $1, endpoint, 0, 0, '' FROM cursors WHERE run = $2 AND endpoint = $3 ON CONFLICT DO NOTHING`, o.n, o.run, endpoint))
				if err != nil && !errors.Is(err, ErrNotFound) {
					return err
				}
				if err == nil {
					changed[o.run] = true
				}
			}
			runs = len(changed)
			return nil
		})
	})
	return runs, err
}

// Forget drops an endpoint that is no longer told, with its orders, its dead
// letters and what was kept for it, so that it does not keep runs from being pruned.
func (j *Journal) Forget(ctx context.Context, endpoint string) error {
	return j.updateCursor(endpoint, func(db *handles) error {
		return db.inTx(ctx, func(tx *sql.Tx) error {
			for _, statement := range []string{
				`DELETE FROM orders WHERE endpoint = $1`, `DELETE FROM dead WHERE endpoint = $1`, `DELETE FROM kept WHERE endpoint = $1`,
				`DELETE FROM cursors WHERE endpoint = $1`, `DELETE FROM endpoints WHERE name = $1`,
			} {
				if _, err := tx.ExecContext(ctx, statement, endpoint); err != nil {
					return err
				}
			}
			return nil
		})
	})
}
