package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/wire"
)

// shop is a template: its runs begin by `relgate start`. A run whose T lies an hour
// back is decided at once.
const shop = `
[release]
plan     = "shop"
title    = "The shop"
manager  = "Ada"
interval = "1s"

[parameters.lambda]
required    = true
pattern     = "[0-9]+"
description = "version of the function behind the shop"

[phases.canary]
traffic  = "10 %"
start    = "T"
window   = "10m"
owner    = "ops"
success  = ["crashes"]
rollback = ["crashes-high"]

[success.crashes]
title  = "crash-free sessions"
signal = "crash_free"
when   = ">= 99 %"
owner  = "mobile"

[rollback.crashes-high]
title   = "crash-free sessions"
signal  = "crash_free"
when    = "< 90 %"
for     = "2m"
action  = "revert to {previous}"
command = "deploy shop --lambda {previous.lambda} # not {lambda}"
owner   = "mobile"

[signals.crash_free]
source   = "sentry"
kind     = "ratio"
good     = true
settle   = "0s"
every    = "1s"
sentry   = { project = "1", release = "shop@{version}" }
`

const shopDaemon = `
[sources.sentry]
type  = "sentry"
url   = "%s"
org   = "o"
token = { env = "SHOP_SENTRY_TOKEN" }

[daemon]
public  = "127.0.0.1:0"
private = "127.0.0.1:0"
journal = "relgate.db"
`

// crashes is a Sentry that knows how many of a hundred sessions a minute crash in
// each version.
type crashes struct {
	*httptest.Server
	mu  sync.Mutex
	bad map[string]int // :: version → crashed of a hundred sessions
}

var releaseAsked = regexp.MustCompile(`shop@([A-Za-z0-9.+-]+)`)

func newCrashes(t *testing.T) *crashes {
	c := &crashes{bad: map[string]int{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		version := releaseAsked.FindStringSubmatch(q.Get("query"))
		if version == nil {
			http.Error(w, "no release", http.StatusBadRequest)
			return
		}
		c.mu.Lock()
		bad := c.bad[version[1]]
		c.mu.Unlock()
		from, _ := time.Parse(time.RFC3339, q.Get("start"))
		to, _ := time.Parse(time.RFC3339, q.Get("end"))
		var at []string
		counts := map[string][]int{}
		for t := from; t.Before(to); t = t.Add(time.Minute) {
			at = append(at, t.UTC().Format(time.RFC3339))
			for status, n := range map[string]int{"crashed": bad, "healthy": 100 - bad, "errored": 0, "abnormal": 0} {
				counts[status] = append(counts[status], n)
			}
		}
		var groups []any
		for status, n := range counts {
			groups = append(groups, map[string]any{"by": map[string]any{"session.status": status}, "series": map[string]any{"sum(session)": n}})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"start": q.Get("start"), "end": q.Get("end"), "query": "", "intervals": at, "groups": groups})
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *crashes) set(version string, bad int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bad[version] = bad
}

// shopkeeper is a daemon with the shop's plan, and a client of it.
type shopkeeper struct {
	*served
	t     *testing.T
	url   string
	hooks *receiver // of its webhooks, nil where it has none
}

var publicPort = regexp.MustCompile(`public=(\S+)`)

func openShop(t *testing.T, dir string) *shopkeeper {
	t.Helper()
	return openShopWith(t, binary(t), dir)
}

// openShopWith opens it with a build of its own.
func openShopWith(t *testing.T, build, dir string) *shopkeeper {
	t.Helper()
	s := serveBuild(t, build, filepath.Join(dir, "config.toml"))
	s.says(t, "msg=serving")
	return &shopkeeper{served: s, t: t, url: "http://" + publicPort.FindStringSubmatch(s.log.String())[1]}
}

// relgate runs a command against the daemon and wants its exit code.
func (s *shopkeeper) relgate(code int, args ...string) string {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), binary(s.t), args...)
	cmd.Env = append(os.Environ(), "RELGATE_URL="+s.url)
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != code {
		s.t.Errorf("relgate %q: exit %d, want %d: %s\n%s", args, got, code, out, s.log)
	}
	return string(out)
}

func wants(t *testing.T, said string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(said, p) {
			t.Errorf("it does not say %q: %s", p, said)
		}
	}
}

// watchdog asks the gates all day: no answer for one version may be about
// another, and none may be a pass before its time.
type watchdog struct {
	mu   sync.Mutex
	base string          // URL of the daemon
	open map[string]bool // :: version → whether its gates may be open
	seen int
}

func (w *watchdog) turnTo(base string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.base = base
}

func (w *watchdog) allow(version string, open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[version] = open
}

func (w *watchdog) ask(t *testing.T, phase, view, version string) {
	w.mu.Lock()
	base, may := w.base, w.open[version]
	w.mu.Unlock()
	resp, err := http.Get(fmt.Sprintf("%s/v1/gates/shop/%s/%s?version=%s", base, phase, view, url.QueryEscape(version)))
	if err != nil {
		return // the daemon is away
	}
	defer resp.Body.Close()
	var b wire.Body
	if err := json.NewDecoder(resp.Body).Decode(&b); err != nil {
		return // cut off by a kill
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen++
	switch {
	case resp.StatusCode == http.StatusBadRequest || b.APIVersion == "":
		t.Errorf("%s of %s for %s: answered %d without a verdict", view, phase, version, resp.StatusCode)
	case b.Version != version:
		t.Errorf("%s of %s: asked for %s, answered for %q", view, phase, version, b.Version)
	case b.Pass && !may && !w.open[version]:
		t.Errorf("%s of %s: %s passes before it was judged: %s", view, phase, version, b.Sentence)
	case view == "gate" && (resp.StatusCode == http.StatusOK) != b.Pass:
		t.Errorf("gate of %s for %s: status %d with pass %t", phase, version, resp.StatusCode, b.Pass)
	}
}

// TestADayInTheLife: template, pass, rollback, another try, supersede; at no moment
// does a gate that was asked for one version answer for another.
func TestADayInTheLife(t *testing.T) {
	sentry, dir := newCrashes(t), t.TempDir()
	t.Setenv("SHOP_SENTRY_TOKEN", "secret")
	writeConfig(t, dir, shop+fmt.Sprintf(shopDaemon, sentry.URL))
	s := openShop(t, dir)
	dog, stop := &watchdog{base: s.url, open: map[string]bool{}}, make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			for _, version := range []string{"1.0.0", "1.0.1", "1.0.2", "1.0.3+7", "9.9.9"} {
				for _, phase := range []string{"canary", "run", "current"} {
					dog.ask(t, phase, "gate", version)
					dog.ask(t, phase, "verdict", version)
				}
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	rest := sync.OnceFunc(func() { close(stop); watching.Wait() })
	defer rest()
	hourAgo := time.Now().Add(-time.Hour).UTC().Truncate(time.Minute).Format(time.RFC3339)

	wants(t, s.relgate(exitUsage, "gate", "check", "shop"), "version")
	wants(t, s.relgate(exitPending, "gate", "check", "shop", "--version", "1.0.0"), "1.0.0")
	wants(t, s.relgate(exitUsage, "start", "shop", "--version", "1.0.0"), "lambda", "required")
	wants(t, s.relgate(exitUsage, "start", "shop", "--version", "1.0.0", "--set", "lambda=forty"), "lambda", "forty")
	wants(t, s.relgate(exitUsage, "start", "shop", "--version", "1.0.0", "--set", "lambda=41", "--set", "previous=0.9.0"), "previous.lambda")

	dog.allow("1.0.0", true)
	first := []string{"start", "shop", "--version", "1.0.0", "--at", hourAgo, "--set", "lambda=41", "--set", "previous=0.9.0", "--set", "previous.lambda=40"}
	wants(t, s.relgate(0, first...), "shop@1.0.0 has begun")
	wants(t, s.relgate(0, first...), "shop@1.0.0 is there already")
	wants(t, s.relgate(0, "gate", "wait", "shop", "--version", "1.0.0", "--timeout", "1m"), "PASS", "1.0.0")

	sentry.set("1.0.1", 50)
	wants(t, s.relgate(0, "start", "shop", "--version", "1.0.1", "--at", hourAgo, "--set", "lambda=42"), "has begun")
	s.relgate(exitRollback, "gate", "wait", "shop", "--version", "1.0.1", "--timeout", "1m", "--rollback-exit-code")
	wants(t, s.relgate(0, "explain", "shop", "--version", "1.0.1"), "ROLLBACK", "revert to 1.0.0", "deploy shop --lambda 41 # not 42", "mobile")
	s.relgate(0, "gate", "check", "shop", "--version", "1.0.0")
	wants(t, s.relgate(exitFail, "start", "shop", "--version", "1.0.1", "--set", "lambda=42"), "--again")
	s.relgate(0, "rollback-done", "--plan", "shop", "--by", "ci", "--why", "alias reverted")

	sentry.set("1.0.1", 0)
	dog.allow("1.0.1", true)
	wants(t, s.relgate(0, "start", "shop", "--version", "1.0.1", "--again", "--at", hourAgo, "--set", "lambda=42"), "shop@1.0.1~2 has begun")
	s.relgate(0, "gate", "wait", "shop", "--version", "1.0.1", "--timeout", "1m")
	s.relgate(exitFail, "gate", "check", "shop", "--run", "shop@1.0.1")

	s.relgate(0, "start", "shop", "--version", "1.0.2", "--set", "lambda=43")
	s.relgate(exitPending, "gate", "check", "shop", "--version", "1.0.2")
	wants(t, s.relgate(exitFail, "start", "shop", "--version", "1.0.3+7", "--set", "lambda=44"), "shop@1.0.2", "--supersede")
	dog.allow("1.0.3+7", true)
	s.relgate(0, "start", "shop", "--version", "1.0.3+7", "--at", hourAgo, "--set", "lambda=44", "--supersede", "--by", "ada", "--why", "hotfix")
	s.relgate(0, "gate", "wait", "shop", "--version", "1.0.3+7", "--timeout", "1m")
	wants(t, s.relgate(exitFail, "gate", "check", "shop", "--version", "1.0.2"), "SUPERSEDED")

	history := func() {
		t.Helper()
		list := s.relgate(0, "runs", "shop")
		for _, line := range []string{`shop@1.0.3\+7 +passed`, `shop@1.0.2 +superseded`, `shop@1.0.1~2 +passed`, `shop@1.0.1 +rolled back`, `shop@1.0.0 +passed`} {
			if !regexp.MustCompile(line).MatchString(list) {
				t.Errorf("history lacks %s:\n%s", line, list)
			}
		}
		wants(t, s.relgate(0, "runs", "shop@1.0.2"), "SUPERSEDED", "ada", "hotfix", "shop@1.0.3+7")
		wants(t, s.relgate(0, "runs", "shop@1.0.1"), "ROLLBACK", "alias reverted")
	}
	history()

	// Killed and started again: what was decided stands.
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait()
	s2 := openShop(t, dir)
	s.served, s.url = s2.served, s2.url
	dog.turnTo(s.url)
	history()
	s.relgate(0, "gate", "check", "shop", "--version", "1.0.1")
	if code := s.end(t); code != 0 {
		t.Errorf("exit %d after SIGTERM", code)
	}
	if rest(); dog.seen < 100 {
		t.Errorf("the gates were asked %d times only", dog.seen)
	}
}
