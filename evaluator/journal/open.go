package journal

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Config says which journal to open, and how.
type Config struct {
	Path string // of the file; required; its folder must exist

	// ReadOnly opens a journal that another process may be writing. Nothing is
	// locked, created or migrated, and every method that writes fails.
	ReadOnly bool

	// Endpoints are the webhook endpoints to be told. One that the journal does
	// not know yet begins at the journal's end: it is not sent the past.
	Endpoints []string

	// CheckLimit is the size in bytes up to which the whole file is checked when
	// it is opened. Zero means 64 MiB; negative checks no file as a whole.
	CheckLimit int64

	// Pages is the most pages of 4 KiB that the file may grow to; zero means no limit.
	Pages int
}

// Journal is an open journal. Its methods may be called from several goroutines.
type Journal struct {
	path  string
	lock  *os.File // nil when read only
	write *sql.DB  // one connection; nil when read only
	read  *sql.DB  // any number of readers

	epoch int64
	stmts statements

	mu     sync.Mutex // held while writing
	watch  chan struct{}
	unsafe error // why nothing can be committed any more

	tail tail
}

// Open opens the journal, creates it when there is none, and takes it for this
// process until Close. It returns ErrLocked when another relgate holds it,
// ErrCorrupt when the file is not a sound journal, and ErrNewer when a newer
// relgate has written it.
func Open(ctx context.Context, c Config) (*Journal, error) {
	j, err := open(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("opening journal %q: %w", c.Path, classify(err))
	}
	return j, nil
}

func open(ctx context.Context, c Config) (*Journal, error) {
	if c.Path == "" {
		return nil, errors.New("no path is given")
	}
	j := &Journal{path: c.Path, watch: make(chan struct{})}
	err := j.claim(c)
	if err == nil {
		err = j.connect(c)
	}
	if err == nil {
		err = j.prepare(ctx, c)
	}
	if err != nil {
		_ = j.Close() // the error that matters is the first
		return nil, err
	}
	return j, nil
}

// claim takes the lock and makes sure that the file is there, readable by
// nobody else. A lock file of its own is used because SQLite takes and drops
// locks on the journal's file as it works.
func (j *Journal) claim(c Config) (err error) {
	if c.ReadOnly {
		_, err = os.Stat(c.Path)
		return err
	}
	if _, err := os.Stat(filepath.Dir(c.Path)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("its folder does not exist: %w", err)
	}
	if j.lock, err = lockFile(c.Path + ".lock"); err != nil {
		return err
	}
	f, err := os.OpenFile(c.Path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// connect makes the pools. They open no connection yet.
func (j *Journal) connect(c Config) error {
	writer := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "journal_size_limit(16777216)",
	}}
	if c.Pages > 0 {
		writer.Add("_pragma", fmt.Sprintf("max_page_count(%d)", c.Pages))
	}
	reader := url.Values{"_pragma": {"busy_timeout(10000)", "query_only(1)"}}
	var err error
	if j.read, err = sql.Open("sqlite", dsn(c.Path, reader)); err != nil || c.ReadOnly {
		return err
	}
	if j.write, err = sql.Open("sqlite", dsn(c.Path, writer)); err != nil {
		return err
	}
	j.write.SetMaxOpenConns(1)
	return nil
}

func dsn(path string, v url.Values) string {
	return "file:" + url.PathEscape(filepath.ToSlash(path)) + "?" + v.Encode()
}

// prepare checks the file, brings its schema up to date and begins an epoch.
func (j *Journal) prepare(ctx context.Context, c Config) error {
	if err := j.check(ctx, c); err != nil {
		return err
	}
	if c.ReadOnly {
		v, err := schemaVersion(ctx, j.read)
		if err == nil && v != version {
			err = fmt.Errorf("schema %d: run the daemon once to bring it to %d", v, version)
		}
		if err != nil {
			return err
		}
		return j.stmts.prepare(ctx, j)
	}
	err := j.inTx(ctx, func(tx *sql.Tx) error {
		if err := migrate(ctx, tx); err != nil {
			return err
		}
		// From here on, a writer of an earlier epoch is fenced.
		err := tx.QueryRowContext(ctx, `UPDATE head SET epoch = epoch + 1 WHERE id = 1 RETURNING epoch`).Scan(&j.epoch)
		if err != nil {
			return soup("beginning an epoch: %w", err)
		}
		return addCursors(ctx, tx, c.Endpoints)
	})
	if err != nil {
		return err
	}
	return j.stmts.prepare(ctx, j)
}

// check looks for damage: the whole file when it is small enough, and in any
// case that the head does not lag behind what it heads.
func (j *Journal) check(ctx context.Context, c Config) error {
	limit := c.CheckLimit
	if limit == 0 {
		limit = 64 << 20
	}
	info, err := os.Stat(c.Path)
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		return nil // new
	}
	if info.Size() <= limit {
		var said string
		if err := j.read.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&said); err != nil {
			return err
		}
		if said != "ok" {
			return soup("%s", said)
		}
	}
	v, err := schemaVersion(ctx, j.read)
	if err != nil || v == 0 {
		return err
	}
	if v > version {
		return fmt.Errorf("%w (schema %d, this one knows %d)", ErrNewer, v, version)
	}
	var heads int
	err = j.read.QueryRowContext(ctx, `SELECT count(*) FROM head WHERE seq >= (SELECT coalesce(max(seq), 0) FROM events)
		AND pos >= (SELECT coalesce(max(pos), 0) FROM events)`).Scan(&heads)
	if err != nil || heads != 1 {
		return soup("reading the head: %w", orNone(err))
	}
	return nil
}

// Close writes what is left to write and lets go of the file. It returns the
// first error.
func (j *Journal) Close() error {
	errs := []error{j.stmts.close()}
	for _, db := range []*sql.DB{j.read, j.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if j.lock != nil {
		errs = append(errs, j.lock.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing journal %q: %w", j.path, err)
	}
	return nil
}

// inTx runs f in one transaction. When Commit itself fails, the transaction may
// be on disk all the same: the caller cannot know and must not go on as if it
// did.
func (j *Journal) inTx(ctx context.Context, f func(*sql.Tx) error) error {
	if j.write == nil {
		return errors.New("it is open for reading only")
	}
	if err := cmp.Or(ctx.Err(), j.unsafe); err != nil {
		return err
	}
	// Once begun it takes milliseconds; cutting it off in the middle would only
	// leave it open whether it happened.
	tx, err := j.write.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return classify(err)
	}
	if err := f(tx); err != nil {
		_ = tx.Rollback() // the first error says why
		return classify(err)
	}
	return classify(tx.Commit())
}

// lazily runs one statement without waiting for the disk: a process that dies
// loses nothing of it, a power cut may take it back. It is for what may be
// repeated. The connection is the writer's own, because a second one would make
// each of the two read anew what the other has written.
func (j *Journal) lazily(ctx context.Context, stmt *sql.Stmt, args ...any) error {
	if j.write == nil {
		return errors.New("it is open for reading only")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if _, err := j.stmts.normal.ExecContext(ctx); err != nil {
		return classify(err)
	}
	_, err := stmt.ExecContext(ctx, args...)
	if _, back := j.stmts.strict.ExecContext(ctx); back != nil {
		j.unsafe = back // commits would no longer be on disk when they return
	}
	return classify(err)
}

// changedLocked wakes everybody who watches.
func (j *Journal) changedLocked() {
	close(j.watch)
	j.watch = make(chan struct{})
}

// Watch returns a channel that is closed at the next commit, and whenever a
// dead letter or a past range is to be sent again.
func (j *Journal) Watch() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.watch
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
