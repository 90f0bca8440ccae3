package journal

import (
	"errors"
	"fmt"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

var (
	// ErrCorrupt means that the file is not a journal, or is damaged.
	ErrCorrupt = errors.New("the file is damaged or not a relgate journal")
	// ErrNewer means that a newer relgate has written the file.
	ErrNewer = errors.New("the journal was written by a newer relgate")
	// ErrLocked means that another relgate holds the file.
	ErrLocked = errors.New("another relgate holds it")
	// ErrFenced means that somebody else has written since: the sequence that a
	// commit names is not the newest, or the journal was opened anew.
	ErrFenced = errors.New("the journal has moved on without this writer")
	// ErrFull means that the disk, or the file's quota, is full. Nothing of the
	// batch was kept, and everything before it was.
	ErrFull = errors.New("no space left for the journal")
	// ErrNotFound means that there is no such plan, document or dead letter.
	ErrNotFound = errors.New("not in the journal")
)

// classify puts our sentinel into an error of the driver's, where there is one.
func classify(err error) error {
	var e *sqlite.Error
	if err == nil || !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff { // the low byte is the primary code
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT:
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	case sqlite3.SQLITE_ERROR:
		// SQLite has no code of its own for a header that names a schema format
		// which does not exist.
		if strings.Contains(e.Error(), "unsupported file format") {
			return fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
	case sqlite3.SQLITE_FULL:
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// soup says that what was read is not what was written.
func soup(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrCorrupt, fmt.Errorf(format, args...))
}
