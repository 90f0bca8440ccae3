package journal

import (
	"context"
	"encoding/json"

	"github.com/relgate/relgate/evaluator"
)

// aRun and aTotal find events of a run, and those with totals: quotes inside a
// JSON string are escaped, so that no other text looks like them.
const (
	aRun   = ` LIKE '%"kind":"run"%'`
	aTotal = ` LIKE '%"totals":[%'`
)

// selectPassed goes from plan to plan through the index of (plan, n), and in each
// plan back to its newest run event: it reads a few rows for every plan, however
// many events there are.
const selectPassed = `WITH RECURSIVE names (plan) AS (
		SELECT min(plan) FROM events
		UNION ALL SELECT (SELECT min(e.plan) FROM events e WHERE e.plan > names.plan) FROM names WHERE names.plan IS NOT NULL)
	SELECT event FROM events JOIN names ON events.plan = names.plan
	WHERE names.plan <> $1 AND event` + aTotal + ` AND n = (
		SELECT r.n FROM events r WHERE r.plan = names.plan AND r.event` + aRun + ` ORDER BY r.n DESC LIMIT 1)
	ORDER BY pos DESC LIMIT $2`

// Passed returns the runs that stand as passed and told what they had counted,
// newest first, at most limit of them, without the one of a plan. They outlive
// pruning. It is not nil when the error is.
func (j *Journal) Passed(ctx context.Context, except string, limit int) ([]evaluator.Past, error) {
	rows, err := j.read.QueryContext(ctx, selectPassed, except, limit)
	if err != nil {
		return nil, j.reading("releases that passed", err)
	}
	past := []evaluator.Past{}
	err = each(rows, func() error {
		var raw []byte
		if err := rows.Scan(&raw); err != nil {
			return err
		}
		var e evaluator.Event
		if err := json.Unmarshal(raw, &e); err != nil {
			return soup("an event of a run that passed: %w", err)
		}
		past = append(past, evaluator.Past{Plan: e.Plan, At: e.At, Totals: e.Totals})
		return nil
	})
	if err != nil {
		return nil, j.reading("releases that passed", err)
	}
	return past, nil
}
