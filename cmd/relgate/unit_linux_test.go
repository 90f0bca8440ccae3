package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/relgate/relgate/internal/peertest"
)

// unit is the systemd unit that is shipped.
func unit(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "packaging", "relgate.service"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// unitSays gives the value of a key of the unit.
func unitSays(t *testing.T, key string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^` + key + `=(.*)$`).FindStringSubmatch(unit(t))
	if found == nil {
		t.Fatalf("the unit has no %s", key)
	}
	return found[1]
}

// systemd knows every key of the unit, and calls its exposure low: below 2.0 of 10.
func TestTheUnitIsValidAndItsExposureLow(t *testing.T) {
	analyze := peertest.Need(t, "systemd-analyze")
	path := filepath.Join(t.TempDir(), "relgate.service")
	// The program is not installed here.
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(unit(t), "/usr/bin/relgate", "/bin/sh")), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", path).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v, %s", err, out)
	}
	if out, err := exec.Command(analyze, "security", "--no-pager", "--offline=true", "--threshold=19", path).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}

// service is the unit's daemon, run without systemd by the rights and the
// environment that the unit gives it.
type service struct {
	served
	t     *testing.T
	dir   string // has etc and state
	heard *net.UnixConn
}

// rights runs a program as a user without any capability, who can write to one
// folder only: directory $1 is read-only but for $1/state, and so is the root.
const rights = `
dir=$1; shift
mount --bind "$dir/state" "$dir/state"
mount --rbind "$dir" "$dir"
mount -o remount,bind,ro "$dir"
mount -o remount,bind,ro /
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all --ambient-caps=-all --securebits=+noroot,+noroot_locked "$@"
`

// needNamespaces skips the test where this machine does not let a process have a user
// and mounts of its own.
func needNamespaces(t *testing.T) {
	t.Helper()
	peertest.NeedRun(t, "user-namespaces", "unshare", "--user", "--map-root-user", "--mount", "true")
}

// newService lays out the folders of the unit.
func newService(t *testing.T, text string) *service {
	t.Helper()
	for _, program := range []string{"mount", "setpriv"} {
		peertest.Need(t, program)
	}
	needNamespaces(t)
	dir, err := os.MkdirTemp("", "relgate-") // a short path: a socket's must be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &service{t: t, dir: dir}
	for _, name := range []string{"etc", "state", "credentials"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.write(text)
	if err := os.WriteFile(filepath.Join(dir, "credentials", "sentry-token"), []byte("secret-of-the-unit\n"), 0o400); err != nil {
		t.Fatal(err)
	}
	s.heard, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.heard.Close() })
	return s
}

func (s *service) write(text string) { writeConfig(s.t, filepath.Join(s.dir, "etc"), text) }

// command is the unit's ExecStart with its rights.
func (s *service) command(env ...string) *exec.Cmd {
	s.t.Helper()
	start := strings.NewReplacer("/usr/bin/relgate", binary(s.t), "/etc/relgate/", filepath.Join(s.dir, "etc")+"/").Replace(unitSays(s.t, "ExecStart"))
	words := append([]string{"--user", "--map-root-user", "--mount", "--propagation", "private", "sh", "-ec", rights, "sh", s.dir}, strings.Fields(start)...)
	cmd := exec.Command("unshare", words...)
	cmd.Dir = filepath.Join(s.dir, "state")
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "CREDENTIALS_DIRECTORY=" + filepath.Join(s.dir, "credentials"), "NOTIFY_SOCKET=" + filepath.Join(s.dir, "notify")}, env...)
	return cmd
}

func (s *service) start(env ...string) {
	s.t.Helper()
	s.log = &syncBuffer{}
	s.cmd = s.command(env...)
	s.cmd.Stderr = s.log
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		if s.t.Failed() {
			s.t.Log(s.log)
		}
	})
}

// hears waits for a message to systemd that has all parts, and gives it. What comes
// before must have none of what must not come first.
func (s *service) hears(without string, parts ...string) string {
	s.t.Helper()
	if err := s.heard.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		s.t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	for {
		n, err := s.heard.Read(buffer)
		if err != nil {
			s.t.Fatalf("waiting for systemd to be told %q: %v", parts, err)
		}
		message, all := string(buffer[:n]), true
		for _, part := range parts {
			all = all && strings.Contains(message, part)
		}
		if all {
			return message
		}
		if without != "" && strings.Contains(message, without) {
			s.t.Fatalf("systemd is told %q before %q", message, parts)
		}
	}
}

func (s *service) hup() {
	s.t.Helper()
	if got := unitSays(s.t, "ExecReload"); got != "/bin/kill -HUP $MAINPID" {
		s.t.Errorf("the unit reloads by %s", got)
	}
	if err := s.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
}

// TestTheUnitsDaemonNeedsNoMoreThanItsRights: with the unit's command line, its
// folders and nothing else that it may write, the daemon starts, says when it is
// ready, reloads, is watched, and stops.
func TestTheUnitsDaemonNeedsNoMoreThanItsRights(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer(`type = "cloudwatch"
region = "eu-central-1"`, `type = "sentry"
org = "o"
token = { credential = "sentry-token" }`, `cloudwatch = { namespace = "N", bad = "B", total = "T" }`, `good = true
sentry = { project = "1", release = "r" }`).Replace(plainConfig)
	s := newService(t, text)
	if got := unitSays(t, "Type"); got != "notify" {
		t.Errorf("the unit is of type %s", got)
	}
	if got := unitSays(t, "StateDirectory"); got != "relgate" {
		t.Errorf("the unit's state lies in %s", got)
	}
	s.start("STATE_DIRECTORY="+filepath.Join(s.dir, "state"), fmt.Sprintf("WATCHDOG_USEC=%d", time.Second.Microseconds()))

	// Once it is said to be ready, it answers.
	wants(t, s.hears("WATCHDOG", "READY=1"), "STATUS=1 plan, 1 run under way")
	url := "http://" + s.private(t)
	if code, body := get(t, url+"/-/healthy"); code != http.StatusOK {
		t.Errorf("ready, but /-/healthy says %d %s", code, body)
	}
	if code, body := get(t, "http://"+publicPort.FindStringSubmatch(s.log.String())[1]+"/v1/plans"); code != http.StatusOK || !strings.Contains(body, "P-1") {
		t.Errorf("ready, but /v1/plans says %d %s", code, body)
	}
	s.hears("", "WATCHDOG=1")
	s.hears("", "WATCHDOG=1")

	s.hup()
	if said := s.hears("READY=1", "RELOADING=1"); !regexp.MustCompile(`(?m)^MONOTONIC_USEC=[1-9][0-9]*$`).MatchString(said) {
		t.Errorf("systemd is told %q, want the time of it", said)
	}
	s.hears("", "READY=1", "STATUS=1 plan")

	// A bad config is the end of a reload, too.
	s.write(text + "[")
	s.hears("", "READY=1", "STATUS=1 plan, 1 run under way; the config has problems")
	s.write(text)
	eventually(t, "a good reload", func() bool {
		_, page := get(t, url+"/metrics")
		return strings.Contains(page, "relgate_config_last_reload_successful 1")
	})

	if info, err := os.Stat(filepath.Join(s.dir, "state", "relgate.db")); err != nil || info.Size() == 0 {
		t.Errorf("the journal: %v, %v", info, err)
	}
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid)); err != nil || !regexp.MustCompile(`CapEff:\s0+\n`).Match(status) || !regexp.MustCompile(`NoNewPrivs:\s1`).Match(status) {
		t.Errorf("the daemon has more rights than the unit gives: %v\n%s", err, status)
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	s.hears("", "STOPPING=1")
	if err := s.cmd.Wait(); err != nil {
		t.Errorf("SIGTERM: %v", err)
	}
	if strings.Contains(s.log.String(), "secret-of-the-unit") {
		t.Error("the log holds a secret")
	}

	// Without its state folder it has no place for the journal, and says what to do.
	out, err := s.command().CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != exitUsage {
		t.Errorf("without a state folder: %v, want exit %d", err, exitUsage)
	}
	wants(t, string(out), "etc/relgate.db", "it cannot be written there", "read-only file system", "daemon.journal")
}

// TestTheWatchdogHearsOnlyOfAHealthyDaemon: when the runner stands still, systemd
// is not told that all is well, and is told soon after it goes on.
func TestTheWatchdogHearsOnlyOfAHealthyDaemon(t *testing.T) {
	socket, err := os.MkdirTemp("", "relgate-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(socket)
	heard, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(socket, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer heard.Close()
	said := func() string {
		buffer := make([]byte, 4096)
		if err := heard.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		n, err := heard.Read(buffer)
		if err != nil {
			t.Fatal(err)
		}
		return string(buffer[:n])
	}
	cfg, problems := configs().Load(writeConfig(t, t.TempDir(), plainConfig))
	if cfg == nil {
		t.Fatal(problems)
	}
	log := newLog(io.Discard, "info", "text")
	d, err := newDaemon(t.Context(), assembly{config: cfg, clock: newWallClock(log), upstreams: upstreams{log: log}, log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	t.Setenv("NOTIFY_SOCKET", filepath.Join(socket, "notify"))
	if next := d.pat(time.Minute); next != time.Minute || said() != "WATCHDOG=1" {
		t.Errorf("healthy: the next time is in %s, want 1m", next)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	for !strings.Contains(said(), "READY=1") {
	}
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	d.notify("MARK")
	for said() != "MARK" { // what it told while it ran
	}
	next := d.pat(time.Minute)
	d.notify("MARK")
	if got := said(); next != 6*time.Second || got != "MARK" {
		t.Errorf("not healthy: systemd is told %q, and the next look is in %s; want nothing, and 6s", got, next)
	}
}

// What the environment says of a watchdog may be nonsense. That ends no watch.
func TestAWatchdogThatCannotBeReadEndsNothing(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "soon")
	log := &syncBuffer{}
	d := housed(t, plainConfig, nil, log) // it fails if the daemon ends with an error
	eventually(t, "the line of the log", func() bool { return strings.Contains(log.String(), "watchdog wants") })
	if err := d.alive(); err != nil {
		t.Error(err)
	}
}
