package journal

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"slices"
)

// form is the form that this relgate writes and reads.
const form = 5

// Since which form a journal has what.
const (
	formOrders = 2
	formPushes = 3
	formKept   = 4
	formLinks  = 5
)

// schema is explained in doc.go. There is no foreign key from ticks to plans:
// without an index on ticks.digest, dropping a document would read all ticks.
// uses has that key instead.
var schema = slices.Concat([]string{
	`CREATE TABLE meta (id INTEGER PRIMARY KEY CHECK (id = 1), form INTEGER NOT NULL, uid TEXT NOT NULL, epoch INTEGER NOT NULL) STRICT`,
	`CREATE TABLE plans (digest TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT`,
	`CREATE TABLE runs (id INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, plan TEXT NOT NULL, version TEXT NOT NULL, try INTEGER NOT NULL,
		start INTEGER NOT NULL, begun INTEGER NOT NULL, digest TEXT NOT NULL, parameters TEXT NOT NULL, previous TEXT NOT NULL,
		seq INTEGER NOT NULL, n INTEGER NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL, verdict TEXT NOT NULL,
		decided INTEGER NOT NULL, over INTEGER NOT NULL, totals TEXT NOT NULL) STRICT`,
	`CREATE INDEX runs_plan ON runs (plan, begun)`,
	`CREATE INDEX runs_open ON runs (begun) WHERE over = 0`,
	`CREATE INDEX runs_passed ON runs (plan, decided) WHERE state = 'passed'`,
	`CREATE TABLE uses (run TEXT NOT NULL REFERENCES runs (run), digest TEXT NOT NULL REFERENCES plans (digest),
		PRIMARY KEY (run, digest)) STRICT, WITHOUT ROWID`,
	`CREATE INDEX uses_digest ON uses (digest)`,
	`CREATE TABLE ticks (run TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, digest TEXT NOT NULL,
		first INTEGER NOT NULL, events INTEGER NOT NULL, tick TEXT NOT NULL, link TEXT NOT NULL, PRIMARY KEY (run, seq)) STRICT`,
	`CREATE TABLE events (run TEXT NOT NULL, n INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
		kind TEXT NOT NULL, event TEXT NOT NULL, PRIMARY KEY (run, n)) STRICT`,
	`CREATE TABLE snapshots (run TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, digest TEXT NOT NULL,
		state BLOB NOT NULL, PRIMARY KEY (run, seq)) STRICT`,
	`CREATE TABLE endpoints (name TEXT PRIMARY KEY) STRICT`,
	`CREATE TABLE cursors (run TEXT NOT NULL, endpoint TEXT NOT NULL, n INTEGER NOT NULL, attempts INTEGER NOT NULL,
		next_at INTEGER NOT NULL, last_error TEXT NOT NULL, PRIMARY KEY (run, endpoint)) STRICT, WITHOUT ROWID`,
	`CREATE TABLE dead (run TEXT NOT NULL, n INTEGER NOT NULL, endpoint TEXT NOT NULL, at INTEGER NOT NULL,
		reason TEXT NOT NULL, again INTEGER NOT NULL, PRIMARY KEY (run, n, endpoint)) STRICT, WITHOUT ROWID`,
	orders,
}, pushes, kept)

const orders = `CREATE TABLE orders (run TEXT NOT NULL, n INTEGER NOT NULL, endpoint TEXT NOT NULL, attempts INTEGER NOT NULL,
	next_at INTEGER NOT NULL, last_error TEXT NOT NULL, PRIMARY KEY (run, n, endpoint)) STRICT, WITHOUT ROWID`

// pushes are the tables of what was pushed. What was said last of an alert outlives the
// push that said it.
var pushes = []string{
	`CREATE TABLE pushes (id INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, key TEXT NOT NULL, at INTEGER NOT NULL) STRICT`,
	`CREATE UNIQUE INDEX pushes_key ON pushes (source, key) WHERE key <> ''`,
	`CREATE INDEX pushes_at ON pushes (source, at)`,
	`CREATE TABLE pushed (source TEXT NOT NULL, alert TEXT NOT NULL, push INTEGER NOT NULL, at INTEGER NOT NULL, said TEXT NOT NULL,
		PRIMARY KEY (source, alert, push)) STRICT, WITHOUT ROWID`,
}

// kept is the table of what was kept of receivers' answers. A key begins with a run,
// by which it is dropped.
var kept = []string{
	`CREATE TABLE kept (endpoint TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, at INTEGER NOT NULL,
		PRIMARY KEY (endpoint, key)) STRICT, WITHOUT ROWID`,
	`CREATE INDEX kept_key ON kept (key)`,
}

// create makes the tables of a new journal.
func create(ctx context.Context, tx *sql.Tx) error {
	for _, statement := range schema {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO meta (id, form, uid, epoch) VALUES (1, $1, $2, 0)`, form, rand.Text())
	return err
}

// errForeign is what another program's database has instead of a uid.
var errForeign = errors.New("it has no table meta")

// identify returns the uid and the form of a journal that can be read, and an empty
// uid for a file without any table, which is new. Any other file is an error.
func identify(ctx context.Context, q querier) (uid string, f int, err error) {
	tables := map[string]bool{}
	rows, err := q.QueryContext(ctx, `SELECT name FROM sqlite_schema WHERE type = 'table'`)
	if err != nil {
		return "", 0, err
	}
	err = each(rows, func() error {
		var name string
		err := rows.Scan(&name)
		tables[name] = true
		return err
	})
	switch {
	case err != nil || len(tables) == 0:
		return "", 0, err
	case tables["head"] && tables["events"] && !tables["meta"]:
		return "", 0, ErrOlder
	case !tables["meta"]:
		return "", 0, corrupt("%w", errForeign)
	}
	var lane, inbox, memory, links bool // looked for in the same query: another process may be upgrading the file
	err = q.QueryRowContext(ctx, `SELECT form, uid, EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'orders'),
		EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'pushes'),
		EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'kept'),
		EXISTS (SELECT 1 FROM pragma_table_info('ticks') WHERE name = 'link')
		FROM meta WHERE id = 1`).Scan(&f, &uid, &lane, &inbox, &memory, &links)
	switch {
	case err != nil && (errors.Is(classify(err), ErrFull) || errors.Is(classify(err), ErrLocked) || ctx.Err() != nil):
		return "", 0, err
	case err != nil:
		return "", 0, corrupt("reading its form: %w", err)
	case f > form:
		return "", 0, fmt.Errorf("%w: it has form %d, this relgate knows %d", ErrNewer, f, form)
	case f < 1 || uid == "" || lane != (f >= formOrders) || inbox != (f >= formPushes) || memory != (f >= formKept) || links != (f >= formLinks):
		return "", 0, corrupt("it has form %d, uid %q, table orders: %v, table pushes: %v, table kept: %v, and links: %v", f, uid, lane, inbox, memory, links)
	}
	return uid, f, nil
}

// querier is what a pool and a transaction have in common.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}
