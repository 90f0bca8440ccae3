package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
)

// Orders lists the orders that an endpoint is not done with, run by run, the oldest
// begun first, and in order within a run. An endpoint that is not known has none.
func (j *Journal) Orders(ctx context.Context, endpoint string) (list []fact.PendingOrder, err error) {
	err = j.view(fmt.Sprintf("orders of endpoint %q", endpoint), func(db *handles) error {
		if db.form < formOrders {
			return fmt.Errorf("it has form %d, which has no orders; start relgate on it once, to upgrade it", db.form)
		}
		rows, err := db.read.QueryContext(ctx, `SELECT o.run, o.n, o.attempts, o.next_at, o.last_error, e.seq, t.digest, `+db.link()+`, e.event FROM orders o
			JOIN runs r ON r.run = o.run JOIN events e ON e.run = o.run AND e.n = o.n JOIN ticks t ON t.run = e.run AND t.seq = e.seq
			WHERE o.endpoint = $1 ORDER BY r.id, o.n`, endpoint)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			var o fact.PendingOrder
			var n uint64
			var next int64
			if err := rows.Scan(&o.Run, &n, &o.Attempts, &next, &o.LastError, &o.Seq, &o.Digest, &o.Link, &o.Raw); err != nil {
				return err
			}
			o.NextAt = fromMillis(next)
			if err := decode(&o.Stored, n); err != nil {
				return err
			}
			list = append(list, o)
			return nil
		})
	})
	return list, err
}

func (j *Journal) updateOrder(endpoint string, f func(*handles) error) error {
	return j.update(fmt.Sprintf("an order of endpoint %q", endpoint), f)
}

// OrderDone says that an endpoint is done with the order that is event n of a run:
// it was delivered, or is not wanted. It is no error when that was said before. It
// does not wait for the disk: a process that dies loses nothing, a power cut may
// lose the newest marks, and those orders are sent once more.
func (j *Journal) OrderDone(ctx context.Context, endpoint, run string, n uint64) error {
	return j.updateOrder(endpoint, func(db *handles) error {
		return db.lazily(ctx, db.stmts.orderDone, run, int64(n), endpoint)
	})
}

// OrderFailed says how many attempts to deliver the order that is event n of a run
// have failed, the newest with which error, and when the next one is due. It does
// not wait for the disk, and is passed over when the endpoint is done with it.
func (j *Journal) OrderFailed(ctx context.Context, endpoint, run string, n uint64, attempts int, next time.Time, lastError string) error {
	return j.updateOrder(endpoint, func(db *handles) error {
		return db.lazily(ctx, db.stmts.orderFail, attempts, millis(next), lastError, run, int64(n), endpoint)
	})
}

// BuryOrder gives up the order that is event n of a run: it is pending no more and
// becomes a dead letter, both or neither. now is when. The cursor stays where it
// is. An order that became a dead letter before is given up anew, with this time
// and reason. Of an order that is neither, because it was delivered or the
// endpoint was forgotten, nothing is kept.
func (j *Journal) BuryOrder(ctx context.Context, endpoint, run string, n uint64, now time.Time, reason string) error {
	return j.updateOrder(endpoint, func(db *handles) error {
		return db.inTx(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO dead (run, n, endpoint, at, reason, again)
				SELECT e.run, e.n, $1, $2, $3, 0 FROM events e WHERE e.run = $4 AND e.n = $5
				AND (EXISTS (SELECT 1 FROM orders o WHERE o.run = e.run AND o.n = e.n AND o.endpoint = $6)
				OR EXISTS (SELECT 1 FROM dead d WHERE d.run = e.run AND d.n = e.n AND d.endpoint = $7))
				ON CONFLICT (run, n, endpoint) DO UPDATE SET at = excluded.at, reason = excluded.reason, again = 0`,
				endpoint, millis(now), reason, run, int64(n), endpoint, endpoint)
			if err != nil {
				return err
			}
			_, err = tx.StmtContext(ctx, db.stmts.orderDone).ExecContext(ctx, run, int64(n), endpoint)
			return err
		})
	})
}

// orderKey names an order.
type orderKey struct {
	run string
	n   int64
}

// ordersAmong runs a query of events (run, n, event) and returns which are orders.
func ordersAmong(ctx context.Context, q querier, query string, args ...any) (list []orderKey, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	err = each(rows, func() error {
		var o orderKey
		var raw sql.RawBytes
		if err := rows.Scan(&o.run, &o.n, &raw); err != nil {
			return err
		}
		var e fact.Event
		if err := json.Unmarshal(raw, &e); err != nil {
			return corrupt("event %d of run %q: %w", o.n, o.run, err)
		}
		if e.Order() {
			list = append(list, o)
		}
		return nil
	})
	return list, err
}
