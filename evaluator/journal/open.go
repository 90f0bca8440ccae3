package journal

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// Config says which journal to open, and how.
type Config struct {
	Path string // of the file; required; its folder must exist

	// ReadOnly opens a journal that another process may be writing. It does not
	// take the lock, does not create a journal, and every method that writes fails.
	// A file of an older form is read as it is, without what it has no table of. SQLite makes
	// the -wal and -shm files where they are missing; while no other process has the
	// journal open, closing it writes what a killed process left in the -wal file
	// into the main file, and removes both.
	ReadOnly bool

	// Endpoints are the webhook endpoints to be told. One that the journal does
	// not know yet begins at the end of every run: it is not sent the past.
	Endpoints []string

	// CheckLimit is the size in bytes up to which the whole file is checked when
	// it is opened. Zero means 8 MiB, which takes about 20 ms; negative checks no
	// file as a whole.
	CheckLimit int64

	// Pages is the most pages of 4 KiB that the file may grow to; zero means no limit.
	Pages int
}

// Journal is an open journal. Its methods may be called from several goroutines.
type Journal struct {
	config Config
	lock   *os.File // nil when read only
	uid    string   // of the journal that was opened first

	gate sync.RWMutex // readers share it; Reopen alone changes db
	db   *handles     // nil before the first opening

	mu    sync.Mutex // held while writing
	watch chan struct{}

	tail tail
}

// handles is the opened file.
type handles struct {
	write  *sql.DB // one connection; nil when read only
	read   *sql.DB // any number of readers
	form   int     // of the file; below the newest only when read only
	epoch  int64
	stmts  statements
	pushes pushLists
	// unsafe is why commits would not be on disk when they return; nil when they are.
	unsafe    error
	file, wal os.FileInfo // as they were when the file was opened; nil when read only
}

// Open opens the journal, creates it when there is none, upgrades it when it has
// an older form, and takes it for this process until Close. It returns ErrLocked
// when another process holds it, ErrCorrupt when the file is not a sound journal,
// ErrOlder and ErrNewer when another relgate has written it in a form that this one
// does not read.
func Open(ctx context.Context, c Config) (*Journal, error) {
	j := &Journal{config: c, watch: make(chan struct{})}
	err := j.claim()
	if err == nil {
		j.db, j.uid, err = connect(ctx, c)
	}
	if err != nil {
		_ = j.Close() // the error that matters is the first
		return nil, fmt.Errorf("opening journal %q: %w", c.Path, err)
	}
	return j, nil
}

// claim takes the lock and makes sure that the file is there, readable for its
// owner only. A lock file of its own is used because SQLite takes and drops locks
// on the journal's file as it works.
func (j *Journal) claim() (err error) {
	path := j.config.Path
	if path == "" {
		return errors.New("no path is given")
	}
	if j.config.ReadOnly {
		_, err = os.Stat(path)
		return err
	}
	if _, err := os.Stat(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("its folder does not exist: create it, or name another file with daemon.journal: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return errors.New("it is a folder: name a file in it with daemon.journal")
	}
	if j.lock, err = lockFile(path + ".lock"); errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		return fmt.Errorf("it cannot be written there: give the folder and its files to the user that relgate runs as, or name another file with daemon.journal: %w", err)
	} else if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// connect opens the file, checks it, creates what is missing in a new one, and
// begins an epoch.
func connect(ctx context.Context, c Config) (db *handles, uid string, err error) {
	db = new(handles)
	if err = refuse(ctx, c.Path); err == nil {
		err = db.pools(c)
	}
	if err == nil {
		uid, err = db.check(ctx, c)
	}
	if err == nil && c.ReadOnly && uid == "" {
		err = corrupt("it is empty")
	}
	if err == nil && !c.ReadOnly {
		uid, err = db.begin(ctx, c)
	}
	if err == nil {
		err = db.stmts.prepare(ctx, db)
	}
	if err != nil {
		_ = db.close() // the error that matters is the first
		return nil, "", classify(err)
	}
	return db, uid, nil
}

// refuse looks whether a file is clearly another program's, or of the form before.
// It reads the main file alone and changes nothing: a pool would write what lies in
// a -wal file beside it into it. Everything else is left to check.
func refuse(ctx context.Context, path string) error {
	if info, err := os.Stat(path); err != nil || info.Size() == 0 {
		return err
	}
	if err := sealed(path); err != nil {
		return err
	}
	main, err := alone(path)
	if err != nil {
		return err // unreachable: sql.Open reads nothing, and the driver is there
	}
	defer main.Close()
	if _, _, err = identify(ctx, main); errors.Is(err, ErrOlder) || errors.Is(err, errForeign) {
		return err
	}
	return nil
}

// sealed looks at the byte of the header that says what may write the file
// (https://www.sqlite.org/fileformat2.html, offset 18). SQLite opens a file with a
// value that it does not know for reading only, and its error then speaks of
// permissions.
func sealed(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	header := make([]byte, 19)
	if _, err := io.ReadFull(f, header); err != nil {
		return nil // too short for a database: SQLite says so
	}
	const wal = 2 // the newest that there is
	if version := header[18]; bytes.HasPrefix(header, []byte("SQLite format 3\x00")) && version > wal {
		return corrupt("its header asks for version %d of the format to write it", version)
	}
	return nil
}

// alone opens the main file of a journal without those beside it, for reading.
func alone(path string) (*sql.DB, error) {
	return sql.Open("sqlite", dsn(path, url.Values{"mode": {"ro"}, "immutable": {"1"}}))
}

// pools makes the pools. They open no connection yet.
func (db *handles) pools(c Config) (err error) {
	writer := url.Values{"_txlock": {"immediate"}, "_pragma": {
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "journal_size_limit(16777216)",
	}}
	if c.Pages > 0 {
		writer.Add("_pragma", fmt.Sprintf("max_page_count(%d)", c.Pages))
	}
	reader := url.Values{"_pragma": {"busy_timeout(10000)", "query_only(1)"}}
	if db.read, err = sql.Open("sqlite", dsn(c.Path, reader)); err != nil || c.ReadOnly {
		return err
	}
	if db.write, err = sql.Open("sqlite", dsn(c.Path, writer)); err != nil {
		return err
	}
	db.write.SetMaxOpenConns(1)
	return nil
}

func dsn(path string, v url.Values) string {
	return "file:" + url.PathEscape(filepath.ToSlash(path)) + "?" + v.Encode()
}

// check looks for damage, in the whole file when it is small enough, and returns
// the journal's uid, which is empty for a new file.
func (db *handles) check(ctx context.Context, c Config) (uid string, err error) {
	limit := c.CheckLimit
	if limit == 0 {
		limit = 8 << 20
	}
	info, err := os.Stat(c.Path)
	if err != nil || info.Size() == 0 {
		return "", err
	}
	if info.Size() <= limit {
		var said string
		if err := db.read.QueryRowContext(ctx, `PRAGMA quick_check(1)`).Scan(&said); err != nil {
			return "", err
		}
		if said != "ok" {
			return "", corrupt("%s", said)
		}
	}
	uid, db.form, err = identify(ctx, db.read)
	return uid, err
}

// begin creates or upgrades what has to be, fences the writers of earlier epochs,
// and remembers which files these are.
func (db *handles) begin(ctx context.Context, c Config) (uid string, err error) {
	err = db.inTx(ctx, func(tx *sql.Tx) error {
		was, f, err := identify(ctx, tx)
		switch {
		case err != nil:
		case was == "":
			err = create(ctx, tx)
		case f < form:
			err = upgrade(ctx, tx, f)
		}
		if err == nil {
			err = tx.QueryRowContext(ctx, `UPDATE meta SET epoch = epoch + 1 WHERE id = 1 RETURNING epoch, uid`).Scan(&db.epoch, &uid)
		}
		if err != nil {
			return err
		}
		return addEndpoints(ctx, tx, c.Endpoints)
	})
	if err != nil {
		return "", err
	}
	db.form = form
	// Brings the uid into the main file, where Reopen looks for it.
	if _, err = db.write.ExecContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`); err != nil {
		return "", err
	}
	if db.file, err = os.Stat(c.Path); err == nil {
		db.wal, err = os.Stat(c.Path + "-wal")
	}
	return uid, err
}

func (db *handles) close() error {
	errs := []error{db.stmts.close()}
	for _, pool := range []*sql.DB{db.read, db.write} {
		if pool != nil {
			errs = append(errs, pool.Close())
		}
	}
	return errors.Join(errs...)
}

// Close writes what is left to write and lets go of the file. It returns every
// error on the way.
func (j *Journal) Close() error {
	var errs []error
	if j.db != nil {
		errs = append(errs, j.db.close())
	}
	if j.lock != nil {
		errs = append(errs, j.lock.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing journal %q: %w", j.config.Path, err)
	}
	return nil
}

// errReadOnly is given by every method that writes.
var errReadOnly = errors.New("it is open for reading only")

// inTx runs f in one transaction. When the transaction's own commit fails, it may
// be on disk all the same: the caller cannot know and must not go on as if it did.
func (db *handles) inTx(ctx context.Context, f func(*sql.Tx) error) error {
	if db.write == nil {
		return errReadOnly
	}
	if err := cmp.Or(ctx.Err(), db.unsafe); err != nil {
		return err
	}
	// Once begun it takes milliseconds; cutting it off in the middle would only
	// leave it open whether it happened.
	tx, err := db.write.BeginTx(context.WithoutCancel(ctx), nil)
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
// loses nothing of it, a power cut may lose it. It is for what may be repeated.
// The connection is the writer's own, because a second one would make each of the
// two read again what the other has written.
func (db *handles) lazily(ctx context.Context, stmt *sql.Stmt, args ...any) error {
	if db.write == nil {
		return errReadOnly
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx)
	if _, err := db.stmts.normal.ExecContext(ctx); err != nil {
		return classify(err)
	}
	_, err := stmt.ExecContext(ctx, args...)
	if _, back := db.stmts.strict.ExecContext(ctx); back != nil {
		db.unsafe = back
	}
	return classify(err)
}

// view runs a query. Reopen waits for it; f must not call view.
func (j *Journal) view(what string, f func(db *handles) error) error {
	j.gate.RLock()
	defer j.gate.RUnlock()
	err := f(j.db)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, sql.ErrNoRows):
		err = ErrNotFound
	default:
		err = classify(err)
	}
	return fmt.Errorf("reading %s from journal %q: %w", what, j.config.Path, err)
}

// update runs one write.
func (j *Journal) update(what string, f func(db *handles) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := f(j.db); err != nil {
		return fmt.Errorf("writing %s to journal %q: %w", what, j.config.Path, err)
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

// changedLocked wakes all who watch.
func (j *Journal) changedLocked() {
	close(j.watch)
	j.watch = make(chan struct{})
}

// Watch returns a channel that is closed at the next commit, and when the journal
// was opened again.
func (j *Journal) Watch() <-chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.watch
}

func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func fromSeconds(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
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
