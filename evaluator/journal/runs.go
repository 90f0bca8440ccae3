package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/relgate/relgate/evaluator/fact"
)

const runColumns = `run, plan, version, try, start, begun, digest, parameters, previous, seq, n, at, state, verdict, decided, over, totals`

// Runs lists the runs that a filter lets through, the newest begun first.
func (j *Journal) Runs(ctx context.Context, f fact.RunFilter) (list []fact.RunRecord, err error) {
	where, args := conditions(f)
	err = j.view("runs", func(db *handles) error {
		rows, err := db.read.QueryContext(ctx, `SELECT `+runColumns+` FROM runs`+where+` ORDER BY begun DESC, id DESC`+limited(f.Limit), args...)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			r, err := scanRun(rows.Scan)
			list = append(list, r)
			return err
		})
	})
	return list, err
}

// conditions is a filter in SQL, with its arguments.
func conditions(f fact.RunFilter) (where string, args []any) {
	var all []string
	equal := func(column, value string) {
		if value != "" {
			args = append(args, value)
			all = append(all, fmt.Sprintf("%s = $%d", column, len(args)))
		}
	}
	equal("run", f.ID)
	equal("plan", f.Plan)
	equal("version", f.Version)
	if len(f.States) > 0 {
		places := make([]string, len(f.States))
		for i, s := range f.States {
			args = append(args, s.String())
			places[i] = fmt.Sprintf("$%d", len(args))
		}
		all = append(all, "state IN ("+strings.Join(places, ", ")+")")
	}
	if f.Undecided {
		all = append(all, "decided = 0")
	}
	if f.Open {
		all = append(all, "over = 0")
	}
	if len(all) == 0 {
		return "", nil
	}
	return " WHERE " + strings.Join(all, " AND "), args
}

func limited(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" LIMIT %d", n)
}

// Run returns the record of a run by its id, or ErrNotFound.
func (j *Journal) Run(ctx context.Context, id string) (r fact.RunRecord, err error) {
	err = j.view(fmt.Sprintf("run %q", id), func(db *handles) (err error) {
		r, err = scanRun(db.read.QueryRowContext(ctx, `SELECT `+runColumns+` FROM runs WHERE run = $1`, id).Scan)
		return err
	})
	return r, err
}

func scanRun(scan func(...any) error) (r fact.RunRecord, err error) {
	var start, begun, at, decided int64
	var parameters, previous, totals, state, verdict []byte
	err = scan(&r.ID, &r.Plan, &r.Version, &r.Try, &start, &begun, &r.Digest, &parameters, &previous, &r.Seq, &r.N, &at, &state, &verdict, &decided, &r.Over, &totals)
	if err != nil {
		return r, err
	}
	r.Start, r.Begun, r.At, r.Decided = fromSeconds(start), fromSeconds(begun), fromSeconds(at), fromSeconds(decided)
	for _, p := range []struct {
		from []byte
		into any
	}{{parameters, &r.Parameters}, {previous, &r.Previous}, {totals, &r.Totals}} {
		if err := json.Unmarshal(p.from, p.into); err != nil {
			return r, corrupt("record of run %q: %w", r.ID, err)
		}
	}
	if err := r.State.UnmarshalText(state); err != nil {
		return r, corrupt("record of run %q: %w", r.ID, err)
	}
	if err := r.Verdict.UnmarshalText(verdict); err != nil {
		return r, corrupt("record of run %q: %w", r.ID, err)
	}
	return r, nil
}

// Passed returns the runs of a plan that passed and told what they had counted,
// without one of them, the newest first, at most limit. It is never nil without
// an error.
func (j *Journal) Passed(ctx context.Context, plan, exceptRun string, limit int) ([]fact.Past, error) {
	past := []fact.Past{}
	err := j.view(fmt.Sprintf("passed runs of plan %q", plan), func(db *handles) error {
		rows, err := db.read.QueryContext(ctx, `SELECT run, decided, totals FROM runs
			WHERE plan = $1 AND state = 'passed' AND run <> $2 AND totals <> 'null' ORDER BY decided DESC, id DESC LIMIT $3`, plan, exceptRun, limit)
		if err != nil {
			return err
		}
		return each(rows, func() error {
			var p fact.Past
			var at int64
			var totals sql.RawBytes
			if err := rows.Scan(&p.Run, &at, &totals); err != nil {
				return err
			}
			p.At = fromSeconds(at)
			if err := json.Unmarshal(totals, &p.Totals); err != nil {
				return corrupt("totals of a passed run: %w", err)
			}
			past = append(past, p)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	return past, nil
}
