package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator"
)

// Seq returns the newest sequence, 0 for an empty journal.
func (j *Journal) Seq(ctx context.Context) (uint64, error) {
	var seq uint64
	if err := j.read.QueryRowContext(ctx, `SELECT seq FROM head WHERE id = 1`).Scan(&seq); err != nil {
		return 0, j.reading("the newest sequence", err)
	}
	return seq, nil
}

// Plans lists the names of all plans that have a tick, in order.
func (j *Journal) Plans(ctx context.Context) ([]string, error) {
	rows, err := j.read.QueryContext(ctx, `SELECT DISTINCT plan FROM ticks ORDER BY plan`)
	if err != nil {
		return nil, j.reading("plans", err)
	}
	var names []string
	err = each(rows, func() error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	})
	return names, j.reading("plans", err)
}

// Document returns the JSON of a plan by its digest, or ErrNotFound.
func (j *Journal) Document(ctx context.Context, digest string) ([]byte, error) {
	var doc string
	if err := j.read.QueryRowContext(ctx, `SELECT document FROM plans WHERE digest = $1`, digest).Scan(&doc); err != nil {
		return nil, j.reading(fmt.Sprintf("plan document %q", digest), err)
	}
	return []byte(doc), nil
}

// Recover returns the newest state of a plan that was kept and every tick since,
// in order. A plan that was never run has a zero Recovery.
func (j *Journal) Recover(ctx context.Context, plan string) (evaluator.Recovery, error) {
	r, err := j.start(ctx, plan, `SELECT seq, at, digest, state FROM snapshots WHERE plan = $1 ORDER BY seq DESC LIMIT 1`)
	if err != nil {
		return r, err
	}
	r.Later, err = j.Entries(ctx, plan, r.Seq, -1)
	if r.Snapshot == nil && len(r.Later) > 0 {
		r.Digest = r.Later[0].Digest
	}
	return r, err
}

// Origin returns where a replay of all that was retained of a plan starts: the
// beginning, or the oldest state where the ticks before it were pruned. Later
// is empty; see Entries.
func (j *Journal) Origin(ctx context.Context, plan string) (evaluator.Recovery, error) {
	// A state is the origin when no tick at or before it is left.
	r, err := j.start(ctx, plan, `SELECT s.seq, s.at, s.digest, s.state FROM snapshots s WHERE s.plan = $1
		AND NOT EXISTS (SELECT 1 FROM ticks t WHERE t.plan = s.plan AND t.seq <= s.seq) ORDER BY s.seq DESC LIMIT 1`)
	if err != nil || r.Snapshot != nil {
		return r, err
	}
	first, err := j.Entries(ctx, plan, 0, 1)
	if err == nil && len(first) > 0 {
		r.Digest = first[0].Digest
	}
	return r, err
}

func (j *Journal) start(ctx context.Context, plan, query string) (r evaluator.Recovery, err error) {
	var at int64
	err = j.read.QueryRowContext(ctx, query, plan).Scan(&r.Seq, &at, &r.Digest, &r.Snapshot)
	if errors.Is(err, sql.ErrNoRows) {
		return evaluator.Recovery{}, nil
	}
	if err != nil {
		return evaluator.Recovery{}, j.reading(fmt.Sprintf("state of plan %q", plan), err)
	}
	r.At = time.Unix(at, 0).UTC()
	return r, nil
}

// Entries returns the ticks of a plan after a sequence with their events, in
// order; at most limit, all when limit is negative.
func (j *Journal) Entries(ctx context.Context, plan string, after uint64, limit int) ([]evaluator.Kept, error) {
	kept, err := j.entries(ctx, plan, after, limit)
	if err != nil {
		return nil, j.reading(fmt.Sprintf("ticks of plan %q", plan), err)
	}
	return kept, nil
}

func (j *Journal) entries(ctx context.Context, plan string, after uint64, limit int) ([]evaluator.Kept, error) {
	rows, err := j.read.QueryContext(ctx, `SELECT seq, digest, pos, events, tick FROM ticks WHERE plan = $1 AND seq > $2 ORDER BY seq LIMIT $3`,
		plan, int64(after), limit)
	if err != nil {
		return nil, err
	}
	var kept []evaluator.Kept
	var spans []span
	err = each(rows, func() error {
		k := evaluator.Kept{Entry: evaluator.Entry{Plan: plan}}
		var s span
		var tick sql.RawBytes
		if err := rows.Scan(&k.Seq, &k.Digest, &s.pos, &s.events, &tick); err != nil {
			return err
		}
		if err := json.Unmarshal(tick, &k.Tick); err != nil {
			return soup("tick of sequence %d: %w", k.Seq, err)
		}
		kept, spans = append(kept, k), append(spans, s)
		return nil
	})
	if err != nil || len(kept) == 0 {
		return nil, err
	}
	return kept, j.attach(ctx, kept, spans)
}

// span is where the events of a tick are.
type span struct{ pos, events int64 }

// attach gives the entries their events. Entries and events are both in the
// order of their positions; between them may be events of other plans.
func (j *Journal) attach(ctx context.Context, kept []evaluator.Kept, spans []span) error {
	last := spans[len(spans)-1]
	rows, err := j.read.QueryContext(ctx, `SELECT pos, seq, event FROM events WHERE pos > $1 AND pos <= $2 AND plan = $3 ORDER BY pos`,
		spans[0].pos, last.pos+last.events, kept[0].Plan)
	if err != nil {
		return err
	}
	stored, err := scanEvents(rows)
	if err != nil {
		return err
	}
	for i := range kept {
		n := spans[i].events
		if n < 0 || n > int64(len(stored)) {
			return soup("sequence %d had %d events, %d are left", kept[i].Seq, n, len(stored))
		}
		for _, s := range stored[:n] {
			if s.Seq != kept[i].Seq {
				return soup("event at position %d is of sequence %d, not %d", s.Pos, s.Seq, kept[i].Seq)
			}
			kept[i].Events, kept[i].Raw = append(kept[i].Events, s.Event), append(kept[i].Raw, s.Raw)
		}
		stored = stored[n:]
	}
	return nil
}

// each calls f for every row and closes the rows.
func each(rows *sql.Rows, f func() error) error {
	defer rows.Close()
	for rows.Next() {
		if err := f(); err != nil {
			return err
		}
	}
	return rows.Err()
}

// reading wraps an error of a query; a nil error stays nil.
func (j *Journal) reading(what string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		err = ErrNotFound
	default:
		err = classify(err)
	}
	return fmt.Errorf("reading %s from journal %q: %w", what, j.path, err)
}
