package journal

import (
	"errors"
	"fmt"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// The texts say what is wrong and what to do; details follow behind a colon.
var (
	// ErrCorrupt means that the file is not a journal, or is damaged.
	ErrCorrupt = errors.New("the file is damaged or not a relgate journal; move it away, keep it for a look, and restore a backup (docs/operations.md)")
	// ErrOlder means that the file is from before runs, and cannot be read.
	ErrOlder = errors.New("the journal was written by an older relgate, and the releases in it cannot be continued; move the file away, a new one is created at the next start")
	// ErrNewer means that a newer relgate has written the file.
	ErrNewer = errors.New("the journal was written by a newer relgate; start that version, or restore a backup made by this one (docs/operations.md)")
	// ErrLocked means that another process holds the file.
	ErrLocked = errors.New("another relgate holds the journal; stop it, or give this one another journal")
	// ErrFenced means that a commit does not follow the run's newest tick, or that
	// the journal was opened again elsewhere. Nothing was kept.
	ErrFenced = errors.New("another writer has written to the journal since")
	// ErrMoved means that the journal's file is not at its path any more: it was
	// moved, deleted or replaced. Nothing was kept.
	ErrMoved = errors.New("the journal's file is not at its path any more")
	// ErrFull means that the disk, or the file's quota, is full. Nothing of the
	// batch was kept, and everything before it was.
	ErrFull = errors.New("no space left for the journal; free some on its disk")
	// ErrNotFound means that there is no such run, document, event, endpoint or
	// dead letter.
	ErrNotFound = errors.New("not in the journal")
)

// classify puts our sentinel into an error of the driver's, where there is one.
func classify(err error) error {
	var e *sqlite.Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff { // the low byte is the primary code
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT,
		sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH: // a length or a type that relgate never writes
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	case sqlite3.SQLITE_ERROR:
		// SQLite has no code of its own for a header that names a schema format
		// which does not exist, nor for what a statement does not find.
		for _, text := range []string{"unsupported file format", "no such table", "no such column", "has no column"} {
			if strings.Contains(e.Error(), text) {
				return fmt.Errorf("%w: %w", ErrCorrupt, err)
			}
		}
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case sqlite3.SQLITE_BUSY:
		return fmt.Errorf("%w: a program, perhaps a database browser, keeps the file locked: %w", ErrLocked, err)
	}
	return err
}

// corrupt says that what was read is not what was written.
func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrCorrupt, fmt.Errorf(format, args...))
}
