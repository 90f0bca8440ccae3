package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/relgate/relgate/evaluator"
)

// statements are those that run at every tick.
type statements struct {
	advance, tick, snapshot, event *sql.Stmt
	events, mark, failed           *sql.Stmt
	normal, strict                 *sql.Stmt
}

func (s *statements) prepare(ctx context.Context, j *Journal) error {
	for _, p := range []struct {
		into **sql.Stmt
		db   *sql.DB
		text string
	}{
		{&s.advance, j.write, `UPDATE head SET seq = seq + 1, pos = pos + $1 WHERE id = 1 AND seq = $2 AND epoch = $3 RETURNING seq, pos`},
		{&s.tick, j.write, `INSERT INTO ticks (plan, seq, at, digest, pos, events, tick) VALUES ($1, $2, $3, $4, $5, $6, $7)`},
		{&s.snapshot, j.write, `INSERT INTO snapshots (plan, seq, at, digest, state) VALUES ($1, $2, $3, $4, $5)`},
		{&s.event, j.write, `INSERT INTO events (pos, seq, plan, n, at, event) VALUES ($1, $2, $3, $4, $5, $6)`},
		{&s.mark, j.write, `UPDATE cursors SET pos = $1, attempts = 0, next_at = 0, last_error = '' WHERE endpoint = $2 AND pos < $3`},
		{&s.failed, j.write, `UPDATE cursors SET attempts = $1, next_at = $2, last_error = $3 WHERE endpoint = $4 AND pos < $5`},
		{&s.normal, j.write, `PRAGMA synchronous = NORMAL`},
		{&s.strict, j.write, `PRAGMA synchronous = FULL`},
		{&s.events, j.read, selectEvents},
	} {
		if p.db == nil {
			continue // read only
		}
		stmt, err := p.db.PrepareContext(ctx, p.text)
		if err != nil {
			return soup("%w", err) // a table or a column is missing
		}
		*p.into = stmt
	}
	return nil
}

func (s *statements) close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{s.advance, s.tick, s.snapshot, s.event, s.events, s.mark, s.failed, s.normal, s.strict} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	return errors.Join(errs...)
}

// row is an entry in the form in which it is stored.
type row struct {
	evaluator.Entry
	tick   []byte
	events [][]byte
}

// Commit keeps a batch after the sequence named by after, all of it or nothing,
// and returns the batch's sequence once it is on disk. It returns ErrFenced when
// after is not the newest sequence, and ErrFull when there is no space; after
// either nothing of the batch was kept. After any other error the batch may be
// there or not: only Recover, in a journal opened anew, can tell.
func (j *Journal) Commit(ctx context.Context, after uint64, b evaluator.Batch) (seq uint64, err error) {
	rows, events, err := encode(b)
	if err != nil {
		return 0, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var end int64 // the newest position
	err = j.inTx(ctx, func(tx *sql.Tx) error {
		err := tx.StmtContext(ctx, j.stmts.advance).QueryRowContext(ctx, events, int64(after), j.epoch).Scan(&seq, &end)
		if errors.Is(err, sql.ErrNoRows) {
			return ErrFenced
		}
		if err != nil {
			return err
		}
		return j.insert(ctx, tx, seq, end-int64(events), rows)
	})
	if err != nil {
		return 0, fmt.Errorf("committing after %d to journal %q: %w", after, j.path, err)
	}
	j.tail.add(seq, end, rows)
	j.changedLocked()
	return seq, nil
}

// encode is done before the lock is taken.
func encode(b evaluator.Batch) (rows []row, events int, err error) {
	rows = make([]row, len(b))
	for i, e := range b {
		r := row{Entry: e, events: make([][]byte, len(e.Events))}
		if r.tick, err = json.Marshal(e.Tick); err != nil {
			return nil, 0, fmt.Errorf("encoding tick %s of plan %q: %w", e.Tick.At, e.Plan, err)
		}
		for k := range e.Events {
			if r.events[k], err = json.Marshal(&e.Events[k]); err != nil {
				return nil, 0, fmt.Errorf("encoding event %q: %w", e.Events[k].ID, err)
			}
		}
		rows[i], events = r, events+len(e.Events)
	}
	return rows, events, nil
}

func (j *Journal) insert(ctx context.Context, tx *sql.Tx, seq uint64, pos int64, rows []row) error {
	tick, event := tx.StmtContext(ctx, j.stmts.tick), tx.StmtContext(ctx, j.stmts.event)
	for i := range rows {
		r := &rows[i]
		if r.Document != nil {
			_, err := tx.ExecContext(ctx, `INSERT INTO plans (digest, document) VALUES ($1, $2) ON CONFLICT DO NOTHING`, r.Digest, string(r.Document))
			if err != nil {
				return err
			}
		}
		at := r.Tick.At.Unix()
		if _, err := tick.ExecContext(ctx, r.Plan, int64(seq), at, r.Digest, pos, len(r.events), string(r.tick)); err != nil {
			return err
		}
		for k := range r.events {
			pos++
			e := &r.Events[k]
			if _, err := event.ExecContext(ctx, pos, int64(seq), r.Plan, int64(e.N), e.At.Unix(), string(r.events[k])); err != nil {
				return err
			}
		}
		if r.Snapshot == nil {
			continue
		}
		if _, err := tx.StmtContext(ctx, j.stmts.snapshot).ExecContext(ctx, r.Plan, int64(seq), at, r.Digest, r.Snapshot); err != nil {
			return err
		}
		if err := thin(ctx, tx, r.Plan); err != nil {
			return err
		}
	}
	return nil
}

// thin drops a plan's second newest state when the third is less than an hour
// older: states are large, recovery needs the newest only, and pruning is content
// with one an hour.
func thin(ctx context.Context, tx *sql.Tx, plan string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM snapshots WHERE plan = $1
		AND seq = (SELECT seq FROM snapshots WHERE plan = $2 ORDER BY seq DESC LIMIT 1 OFFSET 1)
		AND at - (SELECT at FROM snapshots WHERE plan = $3 ORDER BY seq DESC LIMIT 1 OFFSET 2) < 3600`, plan, plan, plan)
	return err
}

// Save keeps the state of a plan after the tick of a sequence, which must be in
// the journal, so that a later start need not run the ticks before it again.
func (j *Journal) Save(ctx context.Context, plan string, seq uint64, state []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	err := j.inTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO snapshots (plan, seq, at, digest, state)
			SELECT plan, seq, at, digest, $1 FROM ticks WHERE plan = $2 AND seq = $3 ON CONFLICT DO NOTHING`, state, plan, int64(seq))
		if err != nil {
			return err
		}
		return thin(ctx, tx, plan)
	})
	if err != nil {
		return fmt.Errorf("saving the state of plan %q: %w", plan, err)
	}
	return nil
}
