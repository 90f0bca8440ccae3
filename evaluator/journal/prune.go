package journal

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Pruned is how much a pruning took away.
type Pruned struct{ Ticks, Snapshots, Events, Plans int64 }

// Prune takes away what is older than a time and no longer needed: the ticks up
// to each plan's newest state older than that, their events unless an endpoint
// has yet to be told of them or has them as dead letters, the states before, and
// plan documents that nothing refers to. The event with which a run passed stays
// for as long as the run stands so, see Passed. What is left can be recovered and
// replayed as before, from that state on.
func (j *Journal) Prune(ctx context.Context, olderThan time.Time) (Pruned, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var p Pruned
	err := j.inTx(ctx, func(tx *sql.Tx) error {
		// :: plan name → sequence of the state that becomes its origin
		const origins = `(SELECT max(s.seq) FROM snapshots s WHERE s.plan = %s.plan AND s.at < $1)`
		// Whether an event is how a run stands that has passed.
		const passed = `(event` + aTotal + ` AND NOT EXISTS (SELECT 1 FROM events e
			WHERE e.plan = events.plan AND e.n > events.n AND e.event` + aRun + `))`
		for _, step := range []struct {
			took  *int64
			query string
			args  []any
		}{
			{&p.Events, `DELETE FROM events WHERE seq <= ` + fmt.Sprintf(origins, "events") +
				` AND pos <= coalesce((SELECT min(pos) FROM cursors), pos) AND pos NOT IN (SELECT pos FROM dead) AND NOT ` + passed, []any{olderThan.Unix()}},
			{&p.Ticks, `DELETE FROM ticks WHERE seq <= ` + fmt.Sprintf(origins, "ticks"), []any{olderThan.Unix()}},
			{&p.Snapshots, `DELETE FROM snapshots WHERE seq < ` + fmt.Sprintf(origins, "snapshots"), []any{olderThan.Unix()}},
			{&p.Plans, `DELETE FROM plans WHERE digest NOT IN (SELECT digest FROM ticks) AND digest NOT IN (SELECT digest FROM snapshots)`, nil},
		} {
			res, err := tx.ExecContext(ctx, step.query, step.args...)
			if err != nil {
				return err
			}
			if *step.took, err = res.RowsAffected(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Pruned{}, fmt.Errorf("pruning journal %q: %w", j.path, err)
	}
	j.tail.clear()
	return p, nil
}
