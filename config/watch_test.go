package config

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

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
	return watchSince(t, path, c)
}

// watchSince watches for a daemon that has read the config already.
func watchSince(t *testing.T, path string, c *Config) *watching {
	t.Helper()
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

// A secret that is replaced where the config says it is kept counts like a change of
// the config itself.
func TestAReplacedSecretOfAWebhookIsAChange(t *testing.T) {
	dir := t.TempDir()
	w := &watching{t: t, dir: dir}
	w.write("config.toml", minimalText+`
[webhooks.ci]
url_from   = { file = "secrets/url" }
class      = "action"
secrets    = [{ env = "A" }, { file = "secrets/key" }]
hub_secret = { file = "secrets/hub" }
proxy      = { file = "secrets/proxy" }
headers    = { Authorization = { file = "secrets/header" } }
`)
	files := []string{"secrets/url", "secrets/key", "secrets/hub", "secrets/proxy", "secrets/header"}
	for _, name := range files {
		w.write(name, "old\n")
	}
	for _, name := range files {
		c, problems := Load(filepath.Join(dir, "config.toml"))
		if c == nil {
			t.Fatal(problems)
		}
		if c.Changed() {
			t.Errorf("before %s is replaced: a change", name)
		}
		w.write(name, "new\n")
		if !c.Changed() {
			t.Errorf("%s is replaced: no change", name)
		}
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
	if c := <-w.seen; c == nil || len(c.Plans) != 1 || len(c.Broken) != 1 {
		t.Errorf("got %+v, want one plan and a broken one", c)
	}
	w.write("plans/c.toml", planNamed("c"))
	if c := <-w.seen; c == nil || len(c.Plans) != 2 || c.Plans[1].Name != "c" || len(c.Broken) != 1 {
		t.Errorf("got %+v, want two plans and a broken one", c)
	}
	if err := os.Remove(filepath.Join(dir, "plans", "b.toml")); err != nil {
		t.Fatal(err)
	}
	if c := <-w.seen; c == nil || len(c.Plans) != 2 || c.Plans[1].Name != "c" {
		t.Errorf("got %v, want the plans that there are", c)
	}
}

// A folder of plans that is moved away, emptied or put back is noticed each time,
// and so is one in which nothing was when watching began.
func TestWatchTellsOfAFolderThatGoesAndComes(t *testing.T) {
	dir := t.TempDir()
	f := &watching{t: t, dir: dir}
	f.write("config.toml", "include = [\"teams/*/plans/*.toml\", \"more/*.toml\"]\n"+minimalText)
	f.write("teams/a/plans/b.toml", planNamed("b"))
	w := watch(t, filepath.Join(dir, "config.toml"))
	defer w.stop()
	plans := func(what string, want int) {
		t.Helper()
		if c := <-w.seen; c == nil || len(c.Plans) != want || len(c.Broken) > 0 {
			t.Errorf("%s: got %+v, want %d plans", what, c, want)
		}
	}
	move := func(from, to string) {
		t.Helper()
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	move("teams/a/plans", "away")
	plans("the folder is moved away", 1)
	move("away", "teams/a/plans")
	plans("it is put back", 2)
	w.write("teams/a/plans/c.toml", planNamed("c"))
	plans("a file comes to it", 3)
	if err := os.RemoveAll(filepath.Join(dir, "teams")); err != nil {
		t.Fatal(err)
	}
	plans("the folder above is removed", 1)
	w.write("teams/z/plans/d.toml", planNamed("d"))
	plans("another one comes", 2)
	w.write("more/e.toml", planNamed("e"))
	plans("a folder comes that was never there", 3)
}

// A file that could not be read is looked at again when it comes.
func TestWatchTellsOfAFileThatWasMissing(t *testing.T) {
	dir := t.TempDir()
	f := &watching{t: t, dir: dir}
	text := strings.Replace(minimalText, "source = \"cw\"\nkind   = \"ratio\"\n[signals.error_rate.cloudwatch]\nnamespace = \"AWS/ApiGateway\"\nbad       = \"5XXError\"\ntotal     = \"Count\"\nmissing_bad_is_zero = true\n",
		"source = \"lake\"\nkind = \"gauge\"\nunit = \"%\"\nperiod = \"1m\"\n[signals.error_rate.athena]\nfile = \"q.sql\"\ndatabase = \"d\"\ngroups = 2\nmin_group = 1\n", 1)
	text = strings.Replace(text, "[sources.cw]\ntype   = \"cloudwatch\"", "[sources.lake]\ntype = \"athena\"", 1)
	f.write("config.toml", text)
	w := watch(t, filepath.Join(dir, "config.toml"))
	defer w.stop()
	w.write("q.sql", "SELECT 1")
	if c := <-w.seen; c == nil || len(c.Plans) != 1 {
		t.Errorf("got %+v, want the plan", c)
	}
}

func TestWatchFailsWithoutADirectory(t *testing.T) {
	c := &Config{Files: []File{{Path: "\x00/config.toml"}}}
	if err := Watch(t.Context(), c, func() *Config { return nil }); err == nil {
		t.Error("got no error for a directory that cannot be watched")
	}
}

// failing is a notifier that cannot watch some directories.
type failing map[string]error

func (f failing) Add(dir string) error    { return f[dir] }
func (f failing) Remove(dir string) error { return nil }

// What cannot be watched above a config's folder, or goes while it is looked at, does
// not end the watch of the others.
func TestWatchGoesOnWithoutWhatIsAbove(t *testing.T) {
	dir := t.TempDir()
	f := &watching{t: t, dir: dir}
	f.write("plans/x/a.toml", "")
	plans, x := filepath.Join(dir, "plans"), filepath.Join(dir, "plans", "x")
	for _, tt := range []struct {
		name    string
		fails   failing
		watched []string
		err     error
	}{
		{"the folder above is closed", failing{plans: syscall.EACCES}, []string{x}, nil},
		{"the folder goes meanwhile", failing{x: syscall.ENOENT}, []string{dir, plans}, nil},
		{"a file takes its place meanwhile", failing{x: syscall.ENOTDIR}, []string{dir, plans}, nil},
		{"the folder is closed", failing{x: syscall.EACCES}, nil, syscall.EACCES},
	} {
		w := &watcher{notify: tt.fails, dirs: map[string]os.FileInfo{}}
		err := w.follow(&Config{Files: []File{{Path: filepath.Join(x, "a.toml")}}})
		if got := slices.Sorted(maps.Keys(w.dirs)); !errors.Is(err, tt.err) || !slices.Equal(got, tt.watched) {
			t.Errorf("%s: watches %q, %v; want %q, %v", tt.name, got, err, tt.watched, tt.err)
		}
	}
}

// A folder of plans in whose place a file lies is none, until it is one again.
func TestWatchTellsOfAFolderThatAFileReplaces(t *testing.T) {
	f := &watching{t: t, dir: t.TempDir()}
	f.write("config.toml", "include = [\"plans/*.toml\"]\n"+minimalText)
	f.write("plans", "a file")
	w := watch(t, filepath.Join(f.dir, "config.toml"))
	defer w.stop()
	if err := os.Remove(filepath.Join(f.dir, "plans")); err != nil {
		t.Fatal(err)
	}
	w.write("plans/b.toml", planNamed("b"))
	if c := <-w.seen; c == nil || len(c.Plans) != 2 {
		t.Errorf("got %+v, want two plans", c)
	}
}

// The name of the config's own folder is no pattern: its plans are found, watched and
// compared.
func TestIncludeInAFolderThatLooksLikeAPattern(t *testing.T) {
	for _, name := range []string{"a[1]", "a*b", "a?[x]", `a\b`, "[", ".hidden"} {
		if runtime.GOOS == "windows" && strings.ContainsAny(name, `*?\`) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			f := &watching{t: t, dir: filepath.Join(t.TempDir(), name)}
			f.write("config.toml", "include = [\"teams/*/plan.toml\", \"more/*.toml\"]\n"+minimalText)
			f.write("teams/a/plan.toml", planNamed("a"))
			path := filepath.Join(f.dir, "config.toml")
			c, problems := Load(path)
			if c == nil || len(c.Plans) != 2 {
				t.Fatalf("got %+v, %v, want two plans", c, problems)
			}
			for _, dir := range []string{f.dir, filepath.Join(f.dir, "teams", "a")} {
				if !slices.Contains(c.dirs(), dir) {
					t.Errorf("watches %q, want %q among them", c.dirs(), dir)
				}
			}
			for _, dir := range c.dirs() {
				if rel, err := filepath.Rel(f.dir, dir); err != nil || strings.HasPrefix(rel, "..") {
					t.Errorf("watches %q, outside of the config's folder", dir)
				}
			}
			f.write("more/b.toml", planNamed("b"))
			if !c.Changed() {
				t.Error("a file that came to match is no change")
			}
			if again := c.reread(); again.Changed() || len(again.Files) != len(c.Files)+1 {
				t.Errorf("got files %v, want the new one among them", again.Files)
			}
		})
	}
}

// Editors' lock files and a mounted volume's links are not included, unless the pattern
// asks for them.
func TestIncludeSkipsHiddenNames(t *testing.T) {
	f := &watching{t: t, dir: t.TempDir()}
	f.write("config.toml", "include = [\"plans/*.toml\", \"teams/*/p.toml\"]\n"+minimalText)
	f.write("plans/b.toml", planNamed("b"))
	f.write("teams/a/p.toml", planNamed("a"))
	path := filepath.Join(f.dir, "config.toml")
	c, _ := Load(path)
	f.write("plans/.#b.toml", "a lock")
	f.write("teams/..data/p.toml", planNamed("a"))
	if c.Changed() {
		t.Error("a hidden file is a change")
	}
	if c, problems := Load(path); c == nil || len(c.Plans) != 3 || len(problems) > 0 {
		t.Errorf("got %+v, %v, want three plans", c, problems)
	}
	f.write("config.toml", "include = [\"plans/.*.toml\"]\n"+minimalText)
	f.write("plans/.c.toml", planNamed("c"))
	if c, _ := Load(path); c == nil || len(c.Plans) != 2 || len(c.Broken) != 1 {
		t.Errorf("got %+v, want the hidden plan and the lock", c)
	}
}

// The journal may lie beside the config: what relgate writes there is no reason to
// read the config. A change is hidden from the events of the folder, so that it is
// noticed only when something else wakes the watch.
func TestWatchSleepsThroughTheJournalsWrites(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("a change through another link is told of here")
	}
	f := &watching{t: t, dir: t.TempDir()}
	f.write("elsewhere/other.toml", minimalText)
	other, path := filepath.Join(f.dir, "elsewhere", "other.toml"), filepath.Join(f.dir, "etc", "config.toml")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(other, path); err != nil {
		t.Fatal(err)
	}
	change := func(text string) {
		t.Helper()
		if err := os.WriteFile(other, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// The second one takes another file for its journal: it wakes.
	first, _ := Load(path)
	second, _ := Load(path)
	second.Daemon.Journal = filepath.Join(f.dir, "x.db")
	change(minimalText + "\n")
	asleep, awake := watchSince(t, path, first), watchSince(t, path, second)
	defer asleep.stop()
	defer awake.stop()
	<-asleep.seen // each looks at the start
	<-awake.seen
	for i, name := range []string{"relgate.db", "relgate.db-wal", "relgate.db-shm", "relgate.db-journal", "relgate.db.lock"} {
		change(minimalText + strings.Repeat("\n", i+2))
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
		<-awake.seen
		if len(asleep.seen) > 0 {
			<-asleep.seen
			t.Errorf("after a write to %s it has read the config", name)
		}
	}
	change(minimalText + twoWebhooks)
	asleep.write("relgate.db.bak", "")
	if c := <-asleep.seen; c == nil || len(c.Webhooks) != 2 {
		t.Errorf("got %v, want the changed config", c)
	}
}

// In a folder that a program writes to all the time the files are looked at
// nevertheless.
func TestWatchTellsOfAChangeInABusyFolder(t *testing.T) {
	f := &watching{t: t, dir: t.TempDir()}
	f.write("config.toml", minimalText)
	w := watch(t, filepath.Join(f.dir, "config.toml"))
	defer w.stop()
	f.write("config.toml", minimalText+twoWebhooks)
	busy := time.NewTicker(settleTime / 10)
	defer busy.Stop()
	for range 20 * int(busyTime/settleTime) {
		select {
		case c := <-w.seen:
			if c == nil || len(c.Webhooks) != 2 {
				t.Errorf("got %v, want the changed config", c)
			}
			return
		case <-busy.C:
			f.write("log", "a line")
		}
	}
	t.Error("the change was not noticed while another file was written")
}
