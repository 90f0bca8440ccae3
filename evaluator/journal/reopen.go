package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Check says whether the journal's files are still at their path: nil, or
// ErrMoved with what happened and what to do. It costs two stats.
func (j *Journal) Check() error {
	j.gate.RLock()
	defer j.gate.RUnlock()
	if j.config.ReadOnly {
		return nil
	}
	path := j.config.Path
	now, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return gone(path)
	case err != nil:
		return fmt.Errorf("looking for journal %q: %w", path, err)
	case !os.SameFile(now, j.db.file):
		return replaced(path, nil)
	}
	now, err = os.Stat(path + "-wal")
	if err != nil || !os.SameFile(now, j.db.wal) {
		return fmt.Errorf("journal %q: %w: the file %q beside it was deleted or replaced; leave all three files of a journal together while relgate runs", path, ErrMoved, path+"-wal")
	}
	return nil
}

func gone(path string) error {
	return fmt.Errorf("journal %q: %w: it was moved or deleted; move it back, together with its -wal file, or restart relgate to begin a new one", path, ErrMoved)
}

func replaced(path string, why error) error {
	err := fmt.Errorf("journal %q: %w: another file is there now; move that file away and the journal back, together with its -wal file", path, ErrMoved)
	if why != nil {
		err = fmt.Errorf("%w: %w", err, why)
	}
	return err
}

// Reopen closes the file and opens it again, so that the same Journal can be used
// after a failed commit, or after the file was moved away and back. The lock is
// kept and the epoch advances. It returns ErrMoved, and leaves what was open as it
// is, while the path does not lead to the journal that was opened first. After any
// other error nothing can be read or written until a later Reopen succeeds.
func (j *Journal) Reopen(ctx context.Context) error {
	if j.config.ReadOnly {
		return fmt.Errorf("opening journal %q again: %w", j.config.Path, errReadOnly)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.present(ctx); err != nil {
		return err
	}
	j.gate.Lock()
	defer j.gate.Unlock()
	// Two openings of one file in a process would confuse SQLite's locks, so the
	// first is closed before. Why that fails, where it does, was said before.
	_ = j.db.close()
	c := j.config
	c.Endpoints = nil // some may have been forgotten since the first opening
	db, uid, err := connect(ctx, c)
	if err == nil && uid != j.uid {
		err = errors.Join(replaced(j.config.Path, nil), db.close())
	}
	if err != nil {
		return fmt.Errorf("opening journal %q again: %w", j.config.Path, err)
	}
	j.db = db
	// A commit whose end is unknown may be in the file without being in the tail.
	j.tail.lose()
	j.changedLocked()
	return nil
}

// present checks that the path leads to this journal. It reads the main file
// alone: a -wal file that was left beside another journal must not be applied to
// that one.
func (j *Journal) present(ctx context.Context) error {
	path := j.config.Path
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return gone(path)
	}
	main, err := alone(path)
	if err != nil {
		return fmt.Errorf("looking for journal %q: %w", path, err)
	}
	defer main.Close()
	uid, _, err := identify(ctx, main)
	if err = classify(err); err == nil && uid == j.uid {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("looking for journal %q: %w", path, ctx.Err())
	}
	return replaced(path, err)
}
