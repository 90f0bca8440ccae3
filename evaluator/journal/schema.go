package journal

import (
	"context"
	"database/sql"
	"errors"
)

// version is the newest schema; steps[i] leads from version i to i+1. A step
// that was released is never changed.
const version = 1

func steps() [][]string { return [][]string{version1()} }

// version1 is the schema. Times are Unix seconds, except cursors.next_at and
// dead.at in milliseconds. head has one row: the newest sequence and position,
// and the epoch, which every opening for writing increases. The events of a tick
// are the ticks.events ones that follow position ticks.pos.
func version1() []string {
	return []string{
		`CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL,
			seq INTEGER NOT NULL, pos INTEGER NOT NULL, epoch INTEGER NOT NULL) STRICT`,
		`INSERT INTO head (id, version, seq, pos, epoch) VALUES (1, 1, 0, 0, 0)`,
		`CREATE TABLE plans (digest TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT`,
		`CREATE TABLE ticks (plan TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
			digest TEXT NOT NULL REFERENCES plans (digest), pos INTEGER NOT NULL, events INTEGER NOT NULL,
			tick TEXT NOT NULL, PRIMARY KEY (plan, seq)) STRICT`,
		`CREATE TABLE snapshots (plan TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
			digest TEXT NOT NULL REFERENCES plans (digest), state BLOB NOT NULL, PRIMARY KEY (plan, seq)) STRICT`,
		`CREATE TABLE events (pos INTEGER PRIMARY KEY, seq INTEGER NOT NULL, plan TEXT NOT NULL,
			n INTEGER NOT NULL, at INTEGER NOT NULL, event TEXT NOT NULL, UNIQUE (plan, n)) STRICT`,
		`CREATE TABLE cursors (endpoint TEXT PRIMARY KEY, pos INTEGER NOT NULL, attempts INTEGER NOT NULL,
			next_at INTEGER NOT NULL, last_error TEXT NOT NULL) STRICT`,
		`CREATE TABLE dead (endpoint TEXT NOT NULL, pos INTEGER NOT NULL, at INTEGER NOT NULL,
			reason TEXT NOT NULL, again INTEGER NOT NULL, PRIMARY KEY (endpoint, pos)) STRICT`,
	}
}

// migrate brings the schema to the newest version. A file without any table is
// new; check has refused one that is newer or not ours.
func migrate(ctx context.Context, tx *sql.Tx) error {
	from, err := schemaVersion(ctx, tx)
	if err != nil {
		return err
	}
	for _, step := range steps()[from:] {
		for _, statement := range step {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
	}
	if from == version {
		return nil
	}
	_, err = tx.ExecContext(ctx, `UPDATE head SET version = $1`, version)
	return err
}

// schemaVersion is 0 for an empty file.
func schemaVersion(ctx context.Context, q querier) (int, error) {
	var tables int
	err := q.QueryRowContext(ctx, `SELECT count(*) FROM sqlite_schema`).Scan(&tables)
	if err != nil || tables == 0 {
		return 0, err
	}
	var v int
	err = q.QueryRowContext(ctx, `SELECT version FROM head WHERE id = 1`).Scan(&v)
	if errors.Is(classify(err), ErrFull) || errors.Is(err, context.Canceled) {
		return 0, err
	}
	if err != nil || v < 1 {
		return 0, soup("reading the schema's version: %w", orNone(err))
	}
	return v, nil
}

func orNone(err error) error {
	if err == nil {
		return errors.New("it has none")
	}
	return err
}

// querier is what a pool and a transaction have in common.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}
