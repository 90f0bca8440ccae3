package config

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settleTime is how long a change is left alone before the files are read:
// editors write in several steps, and a mounted volume swaps links.
const settleTime = 200 * time.Millisecond

// busyTime is how long they are left alone at most, in a folder that another
// program writes to all the time.
const busyTime = 2 * time.Second

// Watch calls changed whenever the content of one of the files differs from what
// the config was read from, a file comes or goes, or one comes to match an include
// pattern. changed returns the config that is in force from then on, or nil if the
// old one stays because the new one is no good; it is then called at the next
// change.
//
// It watches the files' directories, so that a file that is replaced, or reached
// by a link that is, counts as well; of a directory that is not there it watches
// the nearest one above, until it comes. The journal may lie in one of them: what
// relgate writes there is no reason to look. It blocks until ctx is done, whose error
// it then returns, or watching fails; nothing of it runs afterwards.
func Watch(ctx context.Context, c *Config, changed func() *Config) error {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching the config: %w", err)
	}
	defer notify.Close()
	w := &watcher{notify: notify, dirs: map[string]os.FileInfo{}, journal: journalFiles(c.Daemon.Journal)}
	if err := w.follow(c); err != nil {
		return err
	}
	settled := time.NewTimer(settleTime) // look once at the start: the files may have changed since they were read
	defer settled.Stop()
	var first time.Time // of the events since the last look
	touched := func() {
		if first.IsZero() {
			first = time.Now()
		}
		settled.Reset(min(settleTime, time.Until(first.Add(busyTime))))
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case event := <-notify.Events:
			if !w.journal[filepath.Clean(event.Name)] {
				touched()
			}
		case err := <-notify.Errors:
			// Some events may be lost; look, as if there had been one.
			if err != nil {
				touched()
			}
		case <-settled.C:
			first = time.Time{}
			// Directories first: what changes in a new one from here on is an event.
			if err := w.follow(c); err != nil {
				return err
			}
			if !c.Changed() {
				continue
			}
			// The files are noted before changed reads them: what is written
			// while it does is a change of its own.
			bad := c.reread()
			if c = changed(); c == nil {
				c = bad
			}
			if err := w.follow(c); err != nil {
				return err
			}
		}
	}
}

// watcher is the directories that are watched.
type watcher struct {
	notify interface {
		Add(string) error
		Remove(string) error
	}
	dirs    map[string]os.FileInfo // :: directory → what it was when the watch began
	journal map[string]bool        // :: path → whether it is a file of the journal's
}

// journalFiles are the paths of the files that a daemon writes by itself, as they
// are told in events. The journal in use stays the one of the start, whatever a
// reload says.
func journalFiles(journal string) map[string]bool {
	files := map[string]bool{}
	dirs := []string{filepath.Dir(journal)}
	if real, err := filepath.EvalSymlinks(dirs[0]); err == nil {
		dirs = append(dirs, real)
	}
	for _, dir := range dirs {
		for _, suffix := range []string{"", "-wal", "-shm", "-journal", ".lock"} {
			files[filepath.Join(dir, filepath.Base(journal)+suffix)] = true
		}
	}
	return files
}

// follow watches the directories of a config's files, those that links lead to
// among them, and no longer those that have gone or been replaced.
func (w *watcher) follow(c *Config) error {
	for dir, was := range w.dirs {
		if is, err := os.Stat(dir); err != nil || !os.SameFile(is, was) {
			_ = w.notify.Remove(dir) // it may have ended with the directory
			delete(w.dirs, dir)
		}
	}
	for _, dir := range c.dirs() {
		if err := w.add(dir); err != nil {
			return fmt.Errorf("watching %q: %w", dir, err)
		}
	}
	return nil
}

// add watches a directory, or the nearest one above if it is not there; and the one
// above that, which tells of its end, if that may be watched.
func (w *watcher) add(dir string) error {
	for dir != filepath.Dir(dir) {
		err := w.one(dir)
		dir = filepath.Dir(dir)
		if err == nil {
			_ = w.one(dir) // it is not ours, and may be closed to us
			return nil
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return err
		}
	}
	return w.one(dir)
}

// one watches one directory, which may go at any time.
func (w *watcher) one(dir string) error {
	is, err := os.Stat(dir)
	if err == nil && !is.IsDir() {
		err = syscall.ENOTDIR
	}
	if err != nil || w.dirs[dir] != nil {
		return err
	}
	if err := w.notify.Add(dir); err != nil {
		return err
	}
	w.dirs[dir] = is
	return nil
}

// dirs lists the directories that a config's files lie in, or may come to lie in.
func (c *Config) dirs() []string {
	var dirs []string
	add := func(path string) {
		dirs = append(dirs, filepath.Dir(path))
		if real, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	for _, f := range c.Files {
		add(f.Path)
	}
	for _, p := range c.Patterns {
		found, _ := matches(filepath.Dir(p)) // "teams/*/plan.toml" has many
		for dir := filepath.Dir(p); ; dir = filepath.Dir(dir) {
			path, ok := unescaped(dir)
			found = append(found, path)
			if ok || dir == filepath.Dir(dir) {
				break
			}
		}
		for _, dir := range found {
			add(filepath.Join(dir, "x"))
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// hashOf is the hash of a file's content, zero if it cannot be read.
func hashOf(path string) (hash [sha256.Size]byte) {
	if data, err := readFile(path); err == nil {
		hash = sha256.Sum256(data)
	}
	return hash
}

// Changed reports whether a file differs from what the config was read from, or
// an include pattern matches other files.
func (c *Config) Changed() bool {
	known := map[string]bool{} // :: path → whether the config was read from it
	for _, f := range c.Files {
		known[filepath.Clean(f.Path)] = true
		if hashOf(f.Path) != f.Hash {
			return true
		}
	}
	for _, pattern := range c.Patterns {
		found, _ := matches(pattern)
		if slices.ContainsFunc(found, func(p string) bool { return !known[filepath.Clean(p)] }) {
			return true
		}
	}
	return false
}

// reread is the config with its files as they are now: what to compare with when
// they are no good and the old config stays in force.
func (c *Config) reread() *Config {
	again := *c
	again.Files = slices.Clone(c.Files)
	known := map[string]bool{}
	for i, f := range again.Files {
		known[filepath.Clean(f.Path)] = true
		again.Files[i].Hash = hashOf(f.Path)
	}
	for _, pattern := range c.Patterns {
		found, _ := matches(pattern)
		for _, p := range found {
			if !known[filepath.Clean(p)] {
				again.Files = append(again.Files, File{p, hashOf(p)})
			}
		}
	}
	return &again
}
