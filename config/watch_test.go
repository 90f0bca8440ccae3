package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

// watching runs Watch over a config in a directory; seen tells of every call of
// its function, which loads anew.
type watching struct {
	t    *testing.T
	dir  string
	seen chan *Config
	stop func()
}

func watch(t *testing.T, path string) *watching {
	t.Helper()
	c, problems := Load(path)
	if c == nil {
		t.Fatal(problems)
	}
	ctx, cancel := context.WithCancel(t.Context())
	w := &watching{t: t, dir: filepath.Dir(path), seen: make(chan *Config, 100)}
	done := make(chan error)
	go func() {
		done <- Watch(ctx, c, func() *Config {
			c, _ := Load(path)
			w.seen <- c
			return c
		})
	}()
	w.stop = func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Watch returned %v, want that it was cancelled", err)
		}
		if err := goleak.Find(goleak.IgnoreCurrent()); err != nil {
			t.Error(err)
		}
	}
	return w
}

func (w *watching) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	// In one step: a reader sees the old text or the new one.
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		w.t.Fatal(err)
	}
}

const twoWebhooks = "\n[webhooks.a]\nurl = \"https://a.example.com/\"\n\n[webhooks.b]\nurl = \"https://b.example.com/\"\n"

func TestWatchTellsOfAChangedFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.toml")
	good := minimalText
	(&watching{t: t, dir: dir}).write("config.toml", good)
	w := watch(t, path)
	defer w.stop()

	w.write("config.toml", good) // the same again: nothing to tell
	w.write("config.toml", good+twoWebhooks)
	if c := <-w.seen; c == nil || len(c.Webhooks) != 2 {
		t.Errorf("got %v, want the changed config", c)
	}
	w.write("config.toml", good+"[")
	if c := <-w.seen; c != nil {
		t.Error("got a config of a file that is not TOML")
	}
	// After a bad one the next change is told of as well, be it the way back.
	w.write("config.toml", good+twoWebhooks)
	if c := <-w.seen; c == nil || len(c.Webhooks) != 2 {
		t.Errorf("got %v, want the config as it was before", c)
	}
	if len(w.seen) > 0 {
		t.Errorf("got %d more calls, want none", len(w.seen))
	}
}

// A file that was changed between being read and being watched is a change.
func TestWatchLooksAtTheStart(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "config.toml")
	f := &watching{t: t, dir: dir}
	f.write("config.toml", minimalText)
	c, problems := Load(path)
	if c == nil {
		t.Fatal(problems)
	}
	f.write("config.toml", minimalText+twoWebhooks)
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	err := Watch(ctx, c, func() *Config { calls++; cancel(); return nil })
	if calls != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("got %d calls and %v, want one and that it was cancelled", calls, err)
	}
}

// Kubernetes replaces a mounted config by swapping a link to its directory.
func TestWatchTellsOfASwappedLink(t *testing.T) {
	dir := t.TempDir()
	f := &watching{t: t, dir: dir}
	f.write("v1/config.toml", minimalText)
	f.write("v2/config.toml", minimalText+twoWebhooks)
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(dir, name+".new")); err != nil {
			t.Skip("no links here:", err)
		}
		if err := os.Rename(filepath.Join(dir, name+".new"), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("v1", "data")
	link(filepath.Join("data", "config.toml"), "config.toml")
	w := watch(t, filepath.Join(dir, "config.toml"))
	defer w.stop()
	link("v2", "data")
	if c := <-w.seen; c == nil || len(c.Webhooks) != 2 {
		t.Errorf("got %v, want the config behind the new link", c)
	}
}

func TestWatchTellsOfANewIncludedFile(t *testing.T) {
	dir := t.TempDir()
	f := &watching{t: t, dir: dir}
	f.write("config.toml", "include = [\"plans/*.toml\"]\n"+minimalText)
	if err := os.Mkdir(filepath.Join(dir, "plans"), 0o755); err != nil {
		t.Fatal(err)
	}
	w := watch(t, filepath.Join(dir, "config.toml"))
	defer w.stop()
	w.write("plans/b.toml", planNamed("b"))
	if c := <-w.seen; c == nil || len(c.Plans) != 2 || c.Plans[1].Name != "b" {
		t.Errorf("got %v, want two plans", c)
	}
	w.write("plans/b.toml", "broken")
	if c := <-w.seen; c != nil {
		t.Error("got a config of a broken plan")
	}
	w.write("plans/c.toml", planNamed("c"))
	if c := <-w.seen; c != nil {
		t.Error("got a config although one plan is broken")
	}
	if err := os.Remove(filepath.Join(dir, "plans", "b.toml")); err != nil {
		t.Fatal(err)
	}
	if c := <-w.seen; c == nil || len(c.Plans) != 2 || c.Plans[1].Name != "c" {
		t.Errorf("got %v, want the plans that there are", c)
	}
}

func TestWatchFailsWithoutADirectory(t *testing.T) {
	c := &Config{Files: []File{{Path: "config_test.go/no/config.toml"}}}
	if err := Watch(t.Context(), c, func() *Config { return nil }); err == nil {
		t.Error("got no error for a directory that cannot be watched")
	}
}
