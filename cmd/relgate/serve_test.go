package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const plainConfig = `
[release]
plan = "P-1"
title = "A release"
version = "1.0.0"
start = 2100-01-01T00:00:00Z
manager = "Ada"
interval = "1s"

[phases.one]
title = "one"
target = "x"
traffic = "10 %"
start = "T"
window = "10m"
owner = "ops"
success = ["errors"]

[success.errors]
title = "errors"
signal = "errors"
when = "< 1 %"
owner = "ops"

[signals.errors]
source = "cw"
kind = "ratio"
cloudwatch = { namespace = "N", bad = "B", total = "T" }

[sources.cw]
type = "cloudwatch"
region = "eu-central-1"
url = "http://127.0.0.1:1"

[daemon]
public = "127.0.0.1:0"
private = "127.0.0.1:0"
journal = "relgate.db"
`

// served is a daemon under test.
type served struct {
	cmd *exec.Cmd
	log *syncBuffer
}

// syncBuffer is a buffer that a process writes and a test reads.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func serve(t *testing.T, config string) *served {
	t.Helper()
	return serveBuild(t, binary(t), config)
}

// serveBuild serves with a build of its own.
func serveBuild(t *testing.T, build, config string) *served {
	t.Helper()
	s := &served{log: &syncBuffer{}, cmd: exec.Command(build, "serve", config)}
	s.cmd.Stderr = s.log
	s.cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=secret-of-the-test")
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		if strings.Contains(s.log.String(), "secret-of-the-test") {
			t.Error("the log holds a secret")
		}
	})
	return s
}

func (s *served) says(t *testing.T, text string) {
	t.Helper()
	eventually(t, text+" in the log", func() bool { return strings.Contains(s.log.String(), text) })
}

var privatePort = regexp.MustCompile(`private=(\S+)`)

func (s *served) private(t *testing.T) string {
	t.Helper()
	s.says(t, "msg=serving")
	return privatePort.FindStringSubmatch(s.log.String())[1]
}

// end stops the daemon as a supervisor does and gives its exit code.
func (s *served) end(t *testing.T) int {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	err := s.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return s.cmd.ProcessState.ExitCode()
}

func writeConfig(t *testing.T, dir, text string) string {
	t.Helper()
	path := filepath.Join(dir, "config.toml")
	// As editors do: a whole new file takes the old one's place.
	if err := os.WriteFile(path+".new", []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestServeReloadsAndKeepsTheOldConfigWhenTheNewOneIsBad(t *testing.T) {
	dir := t.TempDir()
	path := writeConfig(t, dir, plainConfig)
	s := serve(t, path)
	metrics := "http://" + s.private(t) + "/metrics"
	has := func(line string) func() bool {
		return func() bool { _, page := get(t, metrics); return strings.Contains(page, line) }
	}
	eventually(t, "the plan's phase", has(`relgate_phase_traffic_ratio{phase="one",plan="P-1"} 0.1`))

	writeConfig(t, dir, strings.Replace(plainConfig, `"10 %"`, `"20 %"`, 1))
	eventually(t, "the changed phase", has(`relgate_phase_traffic_ratio{phase="one",plan="P-1"} 0.2`))

	writeConfig(t, dir, strings.Replace(plainConfig, `"10 %"`, `"a lot"`, 1))
	s.says(t, "config reloaded in part: plans with problems are not in force; their runs go on by the plans in the journal")
	s.says(t, "phases.one.traffic")
	eventually(t, "the metric of the bad reload", has("relgate_config_last_reload_successful 0"))
	eventually(t, "the old plan", has(`relgate_phase_traffic_ratio{phase="one",plan="P-1"} 0.2`))

	writeConfig(t, dir, strings.Replace(plainConfig, `[daemon]`, "[daemon]\npublik = 1", 1))
	s.says(t, "the old one stays in force")
	s.says(t, "daemon.publik")

	writeConfig(t, dir, strings.Replace(plainConfig, `"10 %"`, `"30 %"`, 1))
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the mended phase", has(`relgate_phase_traffic_ratio{phase="one",plan="P-1"} 0.3`))
	eventually(t, "the metric of the good reload", has("relgate_config_last_reload_successful 1"))
	if code := s.end(t); code != 0 {
		t.Errorf("exit %d after SIGTERM, want 0\n%s", code, s.log)
	}
}

func TestTwoDaemonsOnOneJournal(t *testing.T) {
	path := writeConfig(t, t.TempDir(), plainConfig)
	first := serve(t, path)
	first.private(t)
	second := serve(t, path)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- second.cmd.Wait() }()
	select {
	case <-ended:
	case <-ctx.Done():
		t.Fatal("the second daemon runs on the journal of the first")
	}
	if code := second.cmd.ProcessState.ExitCode(); code != exitUsage || !strings.Contains(second.log.String(), "another relgate holds the journal") {
		t.Errorf("exit %d, %s; want %d and the reason", code, second.log, exitUsage)
	}
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.cmd.Wait()
	third := serve(t, path)
	third.private(t) // the lock of a killed daemon is gone
	if code := third.end(t); code != 0 {
		t.Errorf("exit %d, want 0", code)
	}
}

// refuse serves a config that cannot be used. One that can be after all is stopped, and
// then ends with another code.
func refuse(t *testing.T, path string) (code int, errs string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out, err strings.Builder
	code = run(ctx, []string{"serve", path}, console{out: &out, err: &err})
	return code, err.String()
}

func TestServeSaysWhatItCannotUse(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct{ name, from, to, says string }{
		{"a typo", `when = "< 1 %"`, `wehn = "< 1 %"`, "wehn"},
		{"a secret that is not set", `type = "cloudwatch"
region = "eu-central-1"
url = "http://127.0.0.1:1"`, `type = "sentry"
org = "o"
token = { env = "RELGATE_NO_SUCH_SECRET" }`, "cloudwatch"},
		{"a hub secret that is not set", "[release]", "[webhooks.x]\nurl = \"https://x.example.com/\"\nhub_secret = { env = \"RELGATE_NO_SUCH_SECRET\" }\n\n[release]", `webhook "x": hub_secret: `},
		{"a proxy that is not set", "[release]", "[webhooks.x]\nurl = \"https://x.example.com/\"\nproxy = { env = \"RELGATE_NO_SUCH_SECRET\" }\n\n[release]", `webhook "x": proxy: `},
		{"a port that is taken", `private = "127.0.0.1:0"`, `private = "256.0.0.1:0"`, "private"},
		{"a folder that is not there", `"relgate.db"`, `"no/such/folder/relgate.db"`, "no/such/folder"},
	} {
		path := writeConfig(t, dir, strings.Replace(plainConfig, tt.from, tt.to, 1))
		code, errs := refuse(t, path)
		if code != exitUsage || !strings.Contains(errs, tt.says) {
			t.Errorf("%s: exit %d, %q; want %d and %q", tt.name, code, errs, exitUsage, tt.says)
		}
	}
}

func TestHealthCommand(t *testing.T) {
	path := writeConfig(t, t.TempDir(), plainConfig)
	s := serve(t, path)
	url := "http://" + s.private(t)
	eventually(t, "ready", func() bool { code, _, _ := command(t, "health", "--ready", "--url", url); return code == 0 })
	if code, out, errs := command(t, "health", "--url", url); code != 0 {
		t.Errorf("health: exit %d, %q%q", code, out, errs)
	}
	if code, _, errs := command(t, "health", "--url", "http://127.0.0.1:1"); code != exitFail || !strings.Contains(errs, "cannot be reached") {
		t.Errorf("health without a daemon: exit %d, %q", code, errs)
	}
}

// A clock that was set is said in the log, whichever way.
func TestTheLogSaysThatTheClockWasSet(t *testing.T) {
	var log strings.Builder
	clock := newWallClock(newLog(&log, "info", "text"))
	clock.Stepped(-time.Hour, time.Hour)
	wants(t, log.String(), "level=WARN", "set back", "by=1h0m0s", "ahead=1h0m0s")
	log.Reset()
	clock.Stepped(40*time.Second, 0)
	wants(t, log.String(), "level=WARN", "set forward", "by=40s")
}
