package main

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/journal"
)

// journalFiles is all files of a journal.
func journalFiles(path string) []string { return []string{path, path + "-wal", path + "-shm"} }

// openLaunch serves three plans: "slow", which is under way for hours, "quick",
// which has passed, and "bad", which was rolled back.
func openLaunch(t *testing.T) (s *shopkeeper, dir string) {
	t.Helper()
	sentry, dir := newCrashes(t), t.TempDir()
	text := strings.ReplaceAll(fmt.Sprintf(shopDaemon, sentry.URL), `{ env = "SHOP_SENTRY_TOKEN" }`, `{ file = "token" }`)
	hooks := newReceiver(t)
	writeConfig(t, dir, `include = ["plans/*.toml"]`+text+fmt.Sprintf("\n[webhooks.ops]\nurl = %q\nallow = [\"127.0.0.0/8\"]\n", hooks.URL+"/ops"))
	place(t, filepath.Join(dir, "token"), "secret")
	if err := os.Mkdir(filepath.Join(dir, "plans"), 0o755); err != nil {
		t.Fatal(err)
	}
	now := time.Now().Truncate(time.Second)
	place(t, filepath.Join(dir, "plans", "slow.toml"), launchPlan("slow", "1.0.0", now.Add(-2*time.Minute), "2h"))
	place(t, filepath.Join(dir, "plans", "quick.toml"), launchPlan("quick", "1.0.0", now.Add(-time.Hour), "5m"))
	place(t, filepath.Join(dir, "plans", "bad.toml"), launchPlan("bad", "6.6.6", now.Add(-time.Hour), "2h"))
	sentry.set("6.6.6", 50)
	s = openShop(t, dir)
	s.hooks = hooks
	s.watched("slow")
	eventually(t, "the pass of quick", func() bool { status, _ := s.gate("quick/run/gate"); return status == http.StatusOK })
	eventually(t, "the rollback of bad", func() bool { status, _ := s.gate("bad/run/rollback"); return status == http.StatusOK })
	return s, dir
}

// lost wants a daemon that knows that its journal cannot be written, and says so.
func (s *shopkeeper) lost() {
	s.t.Helper()
	since := time.Now()
	for _, plan := range []string{"slow", "quick"} {
		eventually(s.t, "gates that do not know", func() bool {
			status, b := s.gate(plan + "/run/gate")
			return status == http.StatusServiceUnavailable && b.Verdict == "unknown" && b.Cause == "journal"
		})
	}
	if took := time.Since(since); took > 20*time.Second {
		s.t.Errorf("noticed after %s", took)
	}
	private := "http://" + s.private(s.t)
	if status, body := get(s.t, private+"/-/ready"); status != http.StatusServiceUnavailable || !strings.Contains(body, "journal") {
		s.t.Errorf("ready: %d %s", status, body)
	}
	if status, body := get(s.t, private+"/-/healthy"); status != http.StatusOK {
		s.t.Errorf("healthy: %d %s; a restart would mend nothing", status, body)
	}
	for path, body := range map[string]string{
		"/v1/plans/slow/commands": `{"id":"x1","kind":"hold","by":"ada","why":"to see"}`,
		"/v1/plans/quick/runs":    `{"version":"1.0.0"}`,
	} {
		resp, err := http.Post(s.url+path, "application/json", strings.NewReader(body))
		if err != nil {
			s.t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusServiceUnavailable {
			s.t.Errorf("%s: answered %d, want 503", path, resp.StatusCode)
		}
	}
	s.relgate(exitUnreachable, "hold", "--plan", "slow", "--by", "ada", "--why", "to see")
	s.relgate(exitUnreachable, "gate", "check", "quick")
	s.says(s.t, "level=ERROR")
	s.says(s.t, "the journal cannot be written")
	if err := s.cmd.Process.Signal(syscall.Signal(0)); err != nil {
		s.t.Errorf("the process has ended: %v\n%s", err, s.log)
	}
}

// found wants a daemon that goes on, with the runs that it had.
func (s *shopkeeper) found() {
	s.t.Helper()
	s.watched("slow")
	eventually(s.t, "the pass of quick", func() bool { status, _ := s.gate("quick/run/gate"); return status == http.StatusOK })
	s.says(s.t, "the journal can be written again")
	eventually(s.t, "ready", func() bool {
		status, _ := get(s.t, "http://"+s.private(s.t)+"/-/ready")
		return status == http.StatusOK
	})
	s.relgate(0, "hold", "--plan", "slow", "--by", "ada", "--why", "to see")
	for _, run := range []string{"slow@1.0.0", "quick@1.0.0", "bad@6.6.6"} {
		ids, _ := s.history(run)
		eventually(s.t, "webhooks of "+run, func() bool {
			return !slices.ContainsFunc(ids, func(id string) bool { return !slices.Contains(s.hooks.ids("/ops"), id) })
		})
	}
	if list := s.relgate(0, "runs"); strings.Count(list, "@1.0.0") != 2 || !strings.Contains(list, "slow@1.0.0") {
		s.t.Errorf("runs:\n%s", list)
	}
}

// TestTheJournalIsMovedUnderARunningDaemon: moved, deleted, replaced; it is
// noticed, nothing is answered as if it were kept, and it goes on when it is back.
func TestTheJournalIsMovedUnderARunningDaemon(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a file that is open cannot be moved")
	}
	t.Parallel()
	rename := func(from, to string) {
		t.Helper()
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	s, dir := openLaunch(t)
	path, away := filepath.Join(dir, "relgate.db"), filepath.Join(dir, "away.db")

	rename(path, away)
	s.lost()
	// The config changes meanwhile: that is taken up when the journal is back.
	slow := filepath.Join(dir, "plans", "slow.toml")
	text, err := os.ReadFile(slow)
	if err != nil {
		t.Fatal(err)
	}
	place(t, slow, strings.Replace(string(text), `"revert"`, `"revert at once"`, 1))
	s.says(t, `msg="config reloaded"`)
	s.lost()
	rename(away, path)
	s.found()
	eventually(t, "the edit", func() bool {
		story := strings.Join(strings.Fields(s.relgate(0, "runs", "slow@1.0.0")), " ") // its lines are broken at 80 columns
		return strings.Contains(story, "rollback.crashes-high.action was revert, is revert at once")
	})
	s.relgate(0, "resume", "--plan", "slow", "--by", "ada", "--why", "seen")

	// Another file takes its place.
	for i, f := range journalFiles(path) {
		rename(f, journalFiles(away)[i])
	}
	other, err := journal.Open(t.Context(), journal.Config{Path: filepath.Join(dir, "other.db")})
	if err == nil {
		err = other.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	rename(filepath.Join(dir, "other.db"), path)
	s.lost()
	s.says(t, "another file is there now")
	for i, f := range journalFiles(away) {
		rename(f, journalFiles(path)[i])
	}
	s.found()

	// It is deleted: only a restart begins a new one.
	for _, f := range journalFiles(path) {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	s.lost()
	s.says(t, "it was moved or deleted")
	if code := s.end(t); code != 0 {
		t.Errorf("exit %d after SIGTERM without a journal\n%s", code, s.log)
	}
	s = openShop(t, dir)
	s.watched("slow")
	if runs := s.relgate(0, "runs", "slow@1.0.0"); strings.Contains(runs, "ada") {
		t.Errorf("a new journal knows the old run's commands:\n%s", runs)
	}
}

// TestJournalsThatCannotBeOpened: each says what is wrong and what to do, and
// starts nothing.
func TestJournalsThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := writeConfig(t, dir, plainConfig)
	path := filepath.Join(dir, "relgate.db")
	sound := func() {
		t.Helper()
		for _, f := range journalFiles(path) {
			_ = os.Remove(f)
		}
		j, err := journal.Open(context.Background(), journal.Config{Path: path})
		if err == nil {
			err = j.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name string
		make func() (undo func())
		says []string
	}{
		{"text in its place", func() func() {
			place(t, path, strings.Repeat("this is no journal\n", 500))
			return nil
		}, []string{"damaged or not a relgate journal", "restore a backup"}},
		{"a page overwritten", func() func() {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte(strings.Repeat("x", 8192)), 4096); err != nil {
				t.Fatal(err)
			}
			return nil
		}, []string{"damaged", "restore a backup"}},
		{"cut short", func() func() {
			if err := os.Truncate(path, 5000); err != nil {
				t.Fatal(err)
			}
			return nil
		}, []string{"damaged", "restore a backup"}},
		{"held by another relgate", func() func() {
			j, err := journal.Open(context.Background(), journal.Config{Path: path})
			if err != nil {
				t.Fatal(err)
			}
			return func() { _ = j.Close() }
		}, []string{"another relgate holds the journal", "stop it"}},
		{"of an older form", func() func() {
			olderJournal(t, path)
			return nil
		}, []string{"written by an older relgate", "move the file away"}},
	} {
		sound()
		undo := tt.make()
		code, errs := refuse(t, config)
		if code != exitUsage || !strings.Contains(errs, path) {
			t.Errorf("%s: exit %d, %s; want %d and the path", tt.name, code, errs, exitUsage)
		}
		wants(t, errs, tt.says...)
		if undo != nil {
			undo()
		}
	}
}

// olderJournal makes a journal in the form before runs had ids, with a release in
// it.
func olderJournal(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`PRAGMA journal_mode = WAL`,
		`CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL,
			seq INTEGER NOT NULL, pos INTEGER NOT NULL, epoch INTEGER NOT NULL) STRICT`,
		`INSERT INTO head (id, version, seq, pos, epoch) VALUES (1, 1, 1, 0, 1)`,
		`CREATE TABLE plans (digest TEXT PRIMARY KEY, document TEXT NOT NULL) STRICT`,
		`INSERT INTO plans VALUES ('d', '{"name":"P-1"}')`,
		`CREATE TABLE ticks (plan TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
			digest TEXT NOT NULL REFERENCES plans (digest), pos INTEGER NOT NULL, events INTEGER NOT NULL,
			tick TEXT NOT NULL, PRIMARY KEY (plan, seq)) STRICT`,
		`INSERT INTO ticks VALUES ('P-1', 1, 1750000000, 'd', 0, 0, '{}')`,
		`CREATE TABLE snapshots (plan TEXT NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL,
			digest TEXT NOT NULL REFERENCES plans (digest), state BLOB NOT NULL, PRIMARY KEY (plan, seq)) STRICT`,
		`CREATE TABLE events (pos INTEGER PRIMARY KEY, seq INTEGER NOT NULL, plan TEXT NOT NULL,
			n INTEGER NOT NULL, at INTEGER NOT NULL, event TEXT NOT NULL, UNIQUE (plan, n)) STRICT`,
		`CREATE TABLE cursors (endpoint TEXT PRIMARY KEY, pos INTEGER NOT NULL, attempts INTEGER NOT NULL,
			next_at INTEGER NOT NULL, last_error TEXT NOT NULL) STRICT`,
		`CREATE TABLE dead (endpoint TEXT NOT NULL, pos INTEGER NOT NULL, at INTEGER NOT NULL,
			reason TEXT NOT NULL, again INTEGER NOT NULL, PRIMARY KEY (endpoint, pos)) STRICT`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
