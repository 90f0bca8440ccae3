package config

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settleTime is how long a change is left alone before the files are read:
// editors write in several steps, and a mounted volume swaps links.
const settleTime = 200 * time.Millisecond

// Watch calls changed whenever the content of one of the files differs from what
// the config was read from, or a file comes to match an include pattern. changed
// returns the config that is in force from then on, or nil if the old one stays
// because the new one is no good; it is then called at the next change.
//
// It watches the files' directories, so that a file that is replaced, or reached
// by a link that is, counts as well. It blocks until ctx is done, whose error it
// then returns, or watching fails; nothing of it runs afterwards.
func Watch(ctx context.Context, c *Config, changed func() *Config) error {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		return fmt.Errorf("watching the config: %w", err)
	}
	defer w.Close()
	watched := map[string]bool{} // :: directory → whether w watches it
	if err := watchDirs(w, watched, c); err != nil {
		return err
	}
	settled := time.NewTimer(settleTime) // look once at the start: the files may have changed since they were read
	defer settled.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.Events:
			settled.Reset(settleTime)
		case err := <-w.Errors:
			// Some events may be lost; look, as if there had been one.
			if err != nil {
				settled.Reset(settleTime)
			}
		case <-settled.C:
			if !c.Changed() {
				continue
			}
			// The files are noted before changed reads them: what is written
			// while it does is a change of its own.
			bad := c.reread()
			if c = changed(); c == nil {
				c = bad
			}
			if err := watchDirs(w, watched, c); err != nil {
				return err
			}
		}
	}
}

// watchDirs adds the directories of a config's files, those that links lead to
// among them.
func watchDirs(w *fsnotify.Watcher, watched map[string]bool, c *Config) error {
	for _, dir := range c.dirs() {
		if watched[dir] {
			continue
		}
		if err := w.Add(dir); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("watching %q: %w", dir, err)
		}
		watched[dir] = true
	}
	return nil
}

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
		add(p)
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// Changed reports whether a file differs from what the config was read from, or
// an include pattern matches other files.
func (c *Config) Changed() bool {
	known := map[string]bool{} // :: path → whether the config was read from it
	for _, f := range c.Files {
		known[filepath.Clean(f.Path)] = true
		data, err := os.ReadFile(f.Path)
		if err != nil || sha256.Sum256(data) != f.Hash {
			return true
		}
	}
	for _, pattern := range c.Patterns {
		found, _ := filepath.Glob(pattern)
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
		if data, err := os.ReadFile(f.Path); err == nil {
			again.Files[i].Hash = sha256.Sum256(data)
		}
	}
	for _, pattern := range c.Patterns {
		found, _ := filepath.Glob(pattern)
		for _, p := range found {
			if data, err := os.ReadFile(p); err == nil && !known[filepath.Clean(p)] {
				again.Files = append(again.Files, File{p, sha256.Sum256(data)})
			}
		}
	}
	return &again
}
