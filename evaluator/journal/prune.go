package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Pruned is how much a pruning dropped.
type Pruned struct{ Runs, Ticks, Events, Snapshots, Plans int64 }

// droppable is a run r that is not needed any more.
const droppable = ` r.over = 1 AND r.decided > 0 AND r.decided < $1
	AND NOT EXISTS (SELECT 1 FROM cursors c WHERE c.run = r.run AND c.n < r.n)
	AND NOT EXISTS (SELECT 1 FROM orders o WHERE o.run = r.run)
	AND NOT EXISTS (SELECT 1 FROM dead d WHERE d.run = r.run)
	AND (r.state = 'superseded'
		OR NOT EXISTS (SELECT 1 FROM plans p WHERE p.digest = r.digest AND json_extract(p.document, '$.review.archive') <> '')
		OR 'archived' = (SELECT json_extract(e.event, '$.to') FROM events e
			WHERE e.run = r.run AND e.kind = 'review' AND json_extract(e.event, '$.to') IN ('open', 'archived') ORDER BY e.n DESC LIMIT 1))
	AND (r.state <> 'passed' OR
		$2 <= (SELECT count(*) FROM runs p
			WHERE p.plan = r.plan AND p.state = 'passed' AND (p.begun, p.id) > (r.begun, r.id))
		AND (r.totals = 'null' OR $2 <= (SELECT count(*) FROM runs p
			WHERE p.plan = r.plan AND p.state = 'passed' AND p.totals <> 'null' AND (p.decided, p.id) > (r.decided, r.id))))`

// Prune drops runs that are not needed any more, each whole and in a transaction
// of its own, with the plan documents that only they used. A run is dropped when
// it is over, was decided before olderThan, every known endpoint is done with all
// its events and has no order of it pending, it has no dead letter, its review is
// archived where its plan names an archive (a run that was superseded has no review),
// and no later release needs it. That one takes its previous version from the passed
// run of the plan that began last, and is compared with the passed runs that were
// decided last and told what they had counted: the newest keepPassed of each kind are
// kept, and one in any case.
func (j *Journal) Prune(ctx context.Context, olderThan time.Time, keepPassed int) (total Pruned, err error) {
	if j.config.ReadOnly {
		return total, fmt.Errorf("pruning journal %q: %w", j.config.Path, errReadOnly)
	}
	keepPassed = max(keepPassed, 1)
	var runs []string
	err = j.view("runs to be pruned", func(db *handles) error {
		rows, err := db.read.QueryContext(ctx, `SELECT r.run FROM runs r WHERE`+droppable+` ORDER BY r.id`, olderThan.Unix(), keepPassed)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			var run string
			err := rows.Scan(&run)
			runs = append(runs, run)
			return err
		})
	})
	if err != nil {
		return total, err
	}
	defer func() {
		if total.Runs > 0 || err != nil {
			j.tail.lose() // it may have events of runs that were dropped
		}
	}()
	for _, run := range runs {
		var p Pruned
		err := j.update(fmt.Sprintf("the end of run %q", run), func(db *handles) error {
			return db.inTx(ctx, func(tx *sql.Tx) (err error) {
				p, err = drop(ctx, tx, run, olderThan, keepPassed)
				return err
			})
		})
		if err != nil {
			return total, err
		}
		total.Runs, total.Ticks, total.Events = total.Runs+p.Runs, total.Ticks+p.Ticks, total.Events+p.Events
		total.Snapshots, total.Plans = total.Snapshots+p.Snapshots, total.Plans+p.Plans
	}
	return total, nil
}

// drop removes a run unless it is needed again: a command may have come meanwhile.
func drop(ctx context.Context, tx *sql.Tx, run string, olderThan time.Time, keepPassed int) (p Pruned, err error) {
	var still bool
	err = tx.QueryRowContext(ctx, `SELECT count(*) FROM runs r WHERE`+droppable+` AND r.run = $3`, olderThan.Unix(), keepPassed, run).Scan(&still)
	if err != nil || !still {
		return p, err
	}
	// The documents go before uses says that the run used them, and the run last.
	const own = `(SELECT u.digest FROM uses u WHERE u.run = $1 AND NOT EXISTS (SELECT 1 FROM uses o WHERE o.digest = u.digest AND o.run <> u.run))`
	if _, err = tx.ExecContext(ctx, `PRAGMA defer_foreign_keys = 1`); err != nil {
		return p, err
	}
	if err = dropKept(ctx, tx, run); err != nil {
		return p, err
	}
	for _, step := range []struct {
		dropped *int64
		query   string
	}{
		{&p.Events, `DELETE FROM events WHERE run = $1`},
		{&p.Ticks, `DELETE FROM ticks WHERE run = $1`},
		{&p.Snapshots, `DELETE FROM snapshots WHERE run = $1`},
		{new(int64), `DELETE FROM cursors WHERE run = $1`},
		{&p.Plans, `DELETE FROM plans WHERE digest IN ` + own},
		{new(int64), `DELETE FROM uses WHERE run = $1`},
		{&p.Runs, `DELETE FROM runs WHERE run = $1`},
	} {
		res, err := tx.ExecContext(ctx, step.query, run)
		if err != nil {
			return p, err
		}
		if *step.dropped, err = res.RowsAffected(); err != nil {
			return p, err
		}
	}
	return p, nil
}
