package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator"
)

const selectEvents = `SELECT pos, seq, event FROM events WHERE pos > $1 ORDER BY pos LIMIT $2`

// Events returns the events of all plans after a position, in order, at most
// limit of them.
func (j *Journal) Events(ctx context.Context, after uint64, limit int) ([]evaluator.Stored, error) {
	if stored, ok := j.tail.after(after, limit); ok {
		return stored, nil
	}
	rows, err := j.stmts.events.QueryContext(ctx, int64(after), limit)
	if err != nil {
		return nil, j.reading("events", err)
	}
	stored, err := scanEvents(rows)
	return stored, j.reading("events", err)
}

// PlanEvents returns the events of one plan after a position, in order, at most
// limit of them.
func (j *Journal) PlanEvents(ctx context.Context, plan string, after uint64, limit int) ([]evaluator.Stored, error) {
	rows, err := j.read.QueryContext(ctx, `SELECT pos, seq, event FROM events WHERE plan = $1 AND pos > $2 ORDER BY pos LIMIT $3`,
		plan, int64(after), limit)
	if err != nil {
		return nil, j.reading("events", err)
	}
	stored, err := scanEvents(rows)
	return stored, j.reading(fmt.Sprintf("events of plan %q", plan), err)
}

func scanEvents(rows *sql.Rows) ([]evaluator.Stored, error) {
	var stored []evaluator.Stored
	err := each(rows, func() error {
		var s evaluator.Stored
		if err := rows.Scan(&s.Pos, &s.Seq, &s.Raw); err != nil {
			return err
		}
		if err := json.Unmarshal(s.Raw, &s.Event); err != nil {
			return soup("event at position %d: %w", s.Pos, err)
		}
		stored = append(stored, s)
		return nil
	})
	return stored, err
}

// End returns the position of the newest event, 0 when there is none yet.
func (j *Journal) End(ctx context.Context) (uint64, error) {
	return end(ctx, j.read)
}

func end(ctx context.Context, q querier) (pos uint64, err error) {
	err = q.QueryRowContext(ctx, `SELECT pos FROM head WHERE id = 1`).Scan(&pos)
	return pos, classify(err)
}

// Before returns the position after which the events of a time begin: the newest
// position older than t, 0 when all that are kept are younger.
func (j *Journal) Before(ctx context.Context, t time.Time) (uint64, error) {
	var first sql.NullInt64
	err := j.read.QueryRowContext(ctx, `SELECT min(pos) FROM events WHERE at >= $1`, t.Unix()).Scan(&first)
	if err != nil {
		return 0, j.reading("events by time", err)
	}
	if !first.Valid {
		return j.End(ctx)
	}
	return uint64(first.Int64) - 1, nil
}
