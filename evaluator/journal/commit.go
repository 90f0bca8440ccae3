package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator/chain"
	"github.com/relgate/relgate/evaluator/fact"
)

// statements are those that run at every tick or delivery.
type statements struct {
	begin, advance, fresh, uses *sql.Stmt
	tick, event, snapshot, link *sql.Stmt
	events, mark, failed        *sql.Stmt
	order, orderDone, orderFail *sql.Stmt
	normal, strict              *sql.Stmt
}

func (s *statements) prepare(ctx context.Context, db *handles) error {
	for _, p := range []struct {
		into **sql.Stmt
		pool *sql.DB
		text string
	}{
		{&s.begin, db.write, `INSERT INTO runs (run, plan, version, try, start, begun, digest, parameters, previous, seq, n, at, state, verdict, decided, over, totals)
			SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10, $11, $12, $13, $14, $15, $16 WHERE EXISTS (SELECT 1 FROM meta WHERE epoch = $17)
			ON CONFLICT DO NOTHING`},
		{&s.advance, db.write, `UPDATE runs SET plan = $1, version = $2, try = $3, start = $4, begun = $5, digest = $6, parameters = $7, previous = $8,
			seq = seq + 1, n = max(n, $9), at = $10, state = $11, verdict = $12, decided = $13, over = $14, totals = $15
			WHERE run = $16 AND seq = $17 AND EXISTS (SELECT 1 FROM meta WHERE epoch = $18)`},
		{&s.fresh, db.write, `INSERT INTO cursors (run, endpoint, n, attempts, next_at, last_error) SELECT $1, name, 0, 0, 0, '' FROM endpoints`},
		{&s.uses, db.write, `INSERT INTO uses (run, digest) VALUES ($1, $2) ON CONFLICT DO NOTHING`},
		{&s.tick, db.write, `INSERT INTO ticks (run, seq, at, digest, first, events, tick, link) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`},
		{&s.link, db.write, selectLink},
		{&s.event, db.write, `INSERT INTO events (run, n, seq, at, kind, event) VALUES ($1, $2, $3, $4, $5, $6)`},
		{&s.snapshot, db.write, `INSERT INTO snapshots (run, seq, at, digest, state) VALUES ($1, $2, $3, $4, $5)`},
		{&s.mark, db.write, `UPDATE cursors SET n = $1, attempts = 0, next_at = 0, last_error = '' WHERE run = $2 AND endpoint = $3 AND n < $4`},
		{&s.failed, db.write, `UPDATE cursors SET attempts = $1, next_at = $2, last_error = $3 WHERE run = $4 AND endpoint = $5 AND n < $6`},
		{&s.order, db.write, `INSERT INTO orders (run, n, endpoint, attempts, next_at, last_error) SELECT $1, $2, name, 0, 0, '' FROM endpoints`},
		{&s.orderDone, db.write, `DELETE FROM orders WHERE run = $1 AND n = $2 AND endpoint = $3`},
		{&s.orderFail, db.write, `UPDATE orders SET attempts = $1, next_at = $2, last_error = $3 WHERE run = $4 AND n = $5 AND endpoint = $6`},
		{&s.normal, db.write, `PRAGMA synchronous = NORMAL`},
		{&s.strict, db.write, `PRAGMA synchronous = FULL`},
		{&s.events, db.read, db.selectEvents()},
	} {
		if p.pool == nil {
			continue // read only
		}
		stmt, err := p.pool.PrepareContext(ctx, p.text)
		if err != nil {
			return corrupt("%w", err) // a table or a column is missing
		}
		*p.into = stmt
	}
	return nil
}

func (s *statements) close() error {
	var errs []error
	for _, stmt := range []*sql.Stmt{
		s.begin, s.advance, s.fresh, s.uses, s.tick, s.event, s.snapshot, s.link, s.events, s.mark, s.failed,
		s.order, s.orderDone, s.orderFail, s.normal, s.strict,
	} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	return errors.Join(errs...)
}

// row is an entry in the form in which it is stored.
type row struct {
	fact.Entry
	tick                         []byte
	events                       [][]byte
	parameters, previous, totals []byte
	link                         string // once it is inserted
}

// Commit keeps a batch, all of it or nothing, and returns when it is on disk. Of
// an entry's Record, the journal takes ID, Seq, N, Digest and At from the entry
// itself.
//
// It returns ErrFenced when an entry does not follow the newest tick of its run,
// ErrMoved when the file is not at its path, and ErrFull when there is no space;
// after each of them nothing of the batch was kept. After any other error the
// batch may be there or not: only what is read after Reopen tells.
func (j *Journal) Commit(ctx context.Context, b fact.Batch) error {
	rows, err := encode(b) // before the lock is taken
	if err != nil {
		return err
	}
	if err := j.Check(); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	err = j.db.inTx(ctx, func(tx *sql.Tx) error {
		for i := range rows {
			if err := j.db.insert(ctx, tx, &rows[i]); err != nil {
				return fmt.Errorf("tick %d of run %q: %w", rows[i].After+1, rows[i].Run, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("committing to journal %q: %w", j.config.Path, err)
	}
	j.tail.add(rows)
	j.changedLocked()
	return nil
}

func encode(b fact.Batch) ([]row, error) {
	rows := make([]row, len(b))
	for i := range b {
		r := row{Entry: b[i], events: make([][]byte, len(b[i].Events))}
		if err := r.encode(); err != nil {
			return nil, fmt.Errorf("encoding tick %d of run %q: %w", r.After+1, r.Run, err)
		}
		rows[i] = r
	}
	return rows, nil
}

func (r *row) encode() (err error) {
	if r.Run == "" || r.Record.ID != r.Run {
		return fmt.Errorf("its record is of run %q", r.Record.ID)
	}
	for _, p := range []struct {
		into *[]byte
		from any
	}{{&r.tick, r.Tick}, {&r.parameters, r.Record.Parameters}, {&r.previous, r.Record.Previous}, {&r.totals, r.Record.Totals}} {
		if *p.into, err = json.Marshal(p.from); err != nil {
			return err
		}
	}
	for k := range r.Events {
		if k > 0 && r.Events[k].N != r.Events[k-1].N+1 {
			return fmt.Errorf("event %d follows event %d", r.Events[k].N, r.Events[k-1].N)
		}
		if r.events[k], err = json.Marshal(&r.Events[k]); err != nil {
			return fmt.Errorf("event %q: %w", r.Events[k].ID, err)
		}
	}
	return nil
}

// insert keeps one entry.
func (db *handles) insert(ctx context.Context, tx *sql.Tx, r *row) error {
	if r.Document != nil {
		_, err := tx.ExecContext(ctx, `INSERT INTO plans (digest, document) VALUES ($1, $2) ON CONFLICT DO NOTHING`, r.Digest, string(r.Document))
		if err != nil {
			return err
		}
	}
	if err := db.advance(ctx, tx, r); err != nil {
		return err
	}
	if _, err := tx.StmtContext(ctx, db.stmts.uses).ExecContext(ctx, r.Run, r.Digest); err != nil {
		return err
	}
	seq, at, first := int64(r.After+1), r.Tick.At.Unix(), int64(0)
	if len(r.Events) > 0 {
		first = int64(r.Events[0].N)
	}
	before, err := linkOf(tx.StmtContext(ctx, db.stmts.link).QueryRowContext(ctx, r.Run, int64(r.After)))
	if err != nil {
		return err
	}
	r.link = chain.Link(before, r.Run, r.After+1, r.Digest, r.tick, r.events)
	_, err = tx.StmtContext(ctx, db.stmts.tick).ExecContext(ctx, r.Run, seq, at, r.Digest, first, len(r.events), string(r.tick), r.link)
	if err != nil {
		return err
	}
	event := tx.StmtContext(ctx, db.stmts.event)
	for k := range r.events {
		e := &r.Events[k]
		if _, err := event.ExecContext(ctx, r.Run, int64(e.N), seq, e.At.Unix(), string(e.Kind), string(r.events[k])); err != nil {
			return err
		}
		if !e.Order() {
			continue
		}
		if _, err := tx.StmtContext(ctx, db.stmts.order).ExecContext(ctx, r.Run, int64(e.N)); err != nil {
			return err
		}
	}
	if r.Snapshot == nil {
		return nil
	}
	if _, err := tx.StmtContext(ctx, db.stmts.snapshot).ExecContext(ctx, r.Run, seq, at, r.Digest, r.Snapshot); err != nil {
		return err
	}
	return thin(ctx, tx, r.Run)
}

// advance moves the run's record from the tick before to this one. That is the
// fence: it changes nothing when the run has another newest tick, or when this
// writer's epoch is over.
func (db *handles) advance(ctx context.Context, tx *sql.Tx, r *row) (err error) {
	c, n := &r.Record, int64(0)
	if k := len(r.Events); k > 0 {
		n = int64(r.Events[k-1].N)
	}
	fields := []any{
		c.Plan, c.Version, c.Try, seconds(c.Start), seconds(c.Begun), r.Digest, string(r.parameters), string(r.previous),
		n, r.Tick.At.Unix(), c.State.String(), c.Verdict.String(), seconds(c.Decided), c.Over, string(r.totals),
	}
	var res sql.Result
	if r.After == 0 {
		res, err = tx.StmtContext(ctx, db.stmts.begin).ExecContext(ctx, append(append([]any{r.Run}, fields...), db.epoch)...)
	} else {
		res, err = tx.StmtContext(ctx, db.stmts.advance).ExecContext(ctx, append(fields, r.Run, int64(r.After), db.epoch)...)
	}
	if err = affected(res, err); errors.Is(err, ErrNotFound) {
		return ErrFenced
	}
	if err != nil || r.After > 0 {
		return err
	}
	_, err = tx.StmtContext(ctx, db.stmts.fresh).ExecContext(ctx, r.Run)
	return err
}

// affected turns a change of nothing into ErrNotFound.
func affected(res sql.Result, err error) error {
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n > 0 {
		return err
	}
	return ErrNotFound
}

// snapshotGap is how close together two states of a run may be, the newest two
// aside.
const snapshotGap = time.Hour

// thin drops a run's second newest state when the third is less than snapshotGap
// older: states are large, and recovery needs the newest only.
func thin(ctx context.Context, tx *sql.Tx, run string) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM snapshots WHERE run = $1
		AND seq = (SELECT seq FROM snapshots WHERE run = $2 ORDER BY seq DESC LIMIT 1 OFFSET 1)
		AND at - (SELECT at FROM snapshots WHERE run = $3 ORDER BY seq DESC LIMIT 1 OFFSET 2) < $4`, run, run, run, int64(snapshotGap/time.Second))
	return err
}

// Save keeps the state of a run after the tick of a sequence, so that a later
// start need not run the ticks before it again. A tick that is not in the journal
// is passed over.
func (j *Journal) Save(ctx context.Context, run string, seq uint64, state []byte) error {
	return j.update(fmt.Sprintf("the state of run %q", run), func(db *handles) error {
		return db.inTx(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `INSERT INTO snapshots (run, seq, at, digest, state)
				SELECT run, seq, at, digest, $1 FROM ticks WHERE run = $2 AND seq = $3 ON CONFLICT DO NOTHING`, state, run, int64(seq))
			if err != nil {
				return err
			}
			return thin(ctx, tx, run)
		})
	})
}
