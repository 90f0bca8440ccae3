package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"

	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/internal/peertest"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources/inbox"
	"github.com/relgate/relgate/sources/inbox/kind"
	"github.com/relgate/relgate/sources/kinds"
)

// inboxConfig is a plan with a rule on an alert that Alertmanager pushes. It began half an
// hour ago.
func inboxConfig(interval string) string {
	return fmt.Sprintf(`
[release]
plan     = "P"
title    = "A release"
version  = "1.0.0"
start    = %s
manager  = "Ada"
interval = %q

[phases.one]
traffic  = "10 %%"
start    = "T"
window   = "2h"
owner    = "ops"
success  = ["quiet"]
rollback = ["api"]

[success.quiet]
signal = "api"
when   = "OK"
owner  = "ops"

[rollback.api]
signal  = "api"
when    = "ALARM"
action  = "revert"
command = "revert --now"
owner   = "ops"

[signals.api]
source = "am"
kind   = "alarm"
period = "1s"
inbox  = { match = { alertname = "ApiErrors", release = "{version}" } }

[sources.am]
type      = "inbox"
format    = "alertmanager"
heartbeat = "1m"
bearer    = { env = "RELGATE_TEST_INBOX" }

[daemon]
public  = "127.0.0.1:0"
private = "127.0.0.1:0"
journal = "relgate.db"
`, time.Now().Add(-30*time.Minute).UTC().Truncate(time.Minute).Format(time.RFC3339), interval)
}

const inboxToken = "secret-of-the-test"

// pushTo posts a push, and gives the status and the answer.
func pushTo(t *testing.T, url, token, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(said)
}

// groupOf is a webhook of Alertmanager about one alert.
func groupOf(name, status string) string {
	now := time.Now().UTC().Format(time.RFC3339)
	return fmt.Sprintf(`{"version":"4","status":%q,"alerts":[{"status":%q,"labels":{"alertname":%q,"release":"1.0.0"},"startsAt":%q,"endsAt":"0001-01-01T00:00:00Z"}]}`, status, status, name, now)
}

// Debian's Alertmanager, with the config that docs/integrations.md prints, pushes to the inbox,
// and a rule fires by what it pushes. It tells of everything at once, and of the heartbeat
// again every second.
func TestAlertmanagerFiresARuleThroughTheInbox(t *testing.T) {
	t.Parallel()
	path := peertest.Need(t, "prometheus-alertmanager")
	text := strings.Replace(inboxConfig("1s"), `{ env = "RELGATE_TEST_INBOX" }`, `"`+inboxToken+`"`, 1)
	cfg := loadWith(t, kinds.All(), writeConfig(t, t.TempDir(), text))
	log := slog.New(slog.DiscardHandler)
	d, err := newDaemon(t.Context(), assembly{config: cfg, clock: newWallClock(log), upstreams: upstreams{log: log}, log: log})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}()

	dir := t.TempDir()
	config := recipe(t, "docs/integrations.md", "inbox-route")
	config = replace(t, config, "https://relgate.example.com/v1/inbox/alertmanager", "http://"+d.public.Addr().String()+"/v1/inbox/am")
	config = replace(t, config, "/etc/alertmanager/relgate-token", filepath.Join(dir, "relgate-token"))
	config = replace(t, config, "repeat_interval: 1m ", "repeat_interval: 1s ")
	config = replace(t, config, "group_interval: 1m\n", "group_interval: 1s\n")
	config = replace(t, config, "route:\n", "route:\n  group_wait: 0s\n")
	place(t, filepath.Join(dir, "relgate-token"), inboxToken)
	place(t, filepath.Join(dir, "am.yml"), config)
	am := freePort(t)
	start(t, path, "--config.file="+filepath.Join(dir, "am.yml"), "--storage.path="+dir, "--web.listen-address="+am, "--cluster.listen-address=", "--log.level=error")
	fire := func(name, team string) {
		t.Helper()
		body := fmt.Sprintf(`[{"labels":{"alertname":%q,"release":"1.0.0","team":%q}}]`, name, team)
		eventually(t, "Alertmanager takes "+name, func() bool {
			resp, err := http.Post("http://"+am+"/api/v2/alerts", "application/json", strings.NewReader(body))
			if err != nil {
				return false
			}
			_ = resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		})
	}
	run := func() (rules.State, string) {
		plans := d.runner.Published().Plans
		if len(plans) == 0 || len(plans[0].Runs) == 0 {
			return rules.Waiting, ""
		}
		at := plans[0].Runs[0].Snapshot
		return at.State, at.Signals[0].Detail
	}
	eventually(t, "silence that is no data", func() bool { _, said := run(); return strings.Contains(said, "nothing was pushed") })
	fire("Watchdog", "platform")
	eventually(t, "a name that was never seen", func() bool { _, said := run(); return strings.Contains(said, "never pushed: alerts with alertname=") })
	fire("ApiErrors", "api")
	eventually(t, "the rollback", func() bool { state, _ := run(); return state == rules.RolledBack })
	var page bytes.Buffer
	for _, s := range d.inboxes.stats() {
		fmt.Fprintf(&page, "%s %v", s.Source, s.Pushes)
	}
	if !strings.Contains(page.String(), "am [{accepted ") || strings.Contains(page.String(), "{accepted 0}") {
		t.Errorf("counted %s", &page)
	}
}

// inboxOf is the URL of a served daemon's inbox, when it is there.
func inboxOf(t *testing.T, s *served) string {
	t.Helper()
	s.private(t)
	return "http://" + publicPort.FindStringSubmatch(s.log.String())[1] + "/v1/inbox/am"
}

// A push that was answered is not lost by a kill before the tick.
func TestAPushOutlivesAKill(t *testing.T) {
	t.Setenv("RELGATE_TEST_INBOX", inboxToken)
	path := writeConfig(t, t.TempDir(), inboxConfig("5s"))
	s := serve(t, path)
	url := inboxOf(t, s)
	if status, said := pushTo(t, url, inboxToken, groupOf("ApiErrors", "firing")); status != http.StatusOK {
		t.Fatalf("got %d %s", status, said)
	}
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait()
	if strings.Contains(s.log.String(), "rolled_back") {
		t.Log("the tick came before the kill")
	}
	s = serve(t, path)
	s.says(t, "to=rolled_back")
	if status, said := pushTo(t, inboxOf(t, s), inboxToken, groupOf("Watchdog", "firing")); status != http.StatusOK {
		t.Errorf("after the restart: got %d %s", status, said)
	}
}

// A push does not wait for the next tick, which may be an hour away.
func TestAPushIsAWakeUp(t *testing.T) {
	t.Setenv("RELGATE_TEST_INBOX", inboxToken)
	s := serve(t, writeConfig(t, t.TempDir(), inboxConfig("1h")))
	url := inboxOf(t, s)
	eventually(t, "the tick in which the run begins, and the first after it", func() bool {
		_, page := get(t, "http://"+s.private(t)+"/metrics")
		return strings.Contains(page, "\nrelgate_ticks_total 2\n")
	})
	if status, said := pushTo(t, url, inboxToken, groupOf("ApiErrors", "firing")); status != http.StatusOK {
		t.Fatalf("got %d %s", status, said)
	}
	s.says(t, "to=rolled_back")
}

// What is no push of the configured sender is refused with a reason, and counted.
func TestWhatAnInboxRefusesIsCounted(t *testing.T) {
	t.Setenv("RELGATE_TEST_INBOX", inboxToken)
	s := serve(t, writeConfig(t, t.TempDir(), inboxConfig("1m")))
	url := inboxOf(t, s)
	for _, tt := range []struct {
		name, url, token, body string
		status                 int
		said, result           string
	}{
		{"no token", url, "", groupOf("A", "firing"), 401, "no Authorization header", "unsigned"},
		{"another token", url, "guess", groupOf("A", "firing"), 401, "is not Bearer and the token", "signature"},
		{"too large", url, inboxToken, `{"version":"4","alerts":[],"x":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "more than 1048576 bytes", "too_large"},
		{"no JSON", url, inboxToken, `alerts=1`, 400, "cannot be read", "malformed"},
		{"another inbox", strings.Replace(url, "/am", "/pm", 1), inboxToken, groupOf("A", "firing"), 404, "no source of type inbox", ""},
		{"a push", url, inboxToken, groupOf("A", "firing"), 200, `"accepted"`, "accepted"},
	} {
		status, said := pushTo(t, tt.url, tt.token, tt.body)
		if status != tt.status || !strings.Contains(said, tt.said) {
			t.Errorf("%s: got %d %s, want %d and %q", tt.name, status, said, tt.status, tt.said)
		}
		if !json.Valid([]byte(said)) || strings.Contains(said, inboxToken) {
			t.Errorf("%s: got %s", tt.name, said)
		}
		_, page := get(t, "http://"+s.private(t)+"/metrics")
		if tt.result != "" {
			wants(t, page, fmt.Sprintf(`relgate_inbox_pushes_total{result=%q,source="am"} 1`, tt.result))
		}
	}
	// What was cut off says nothing of the push: the sender is to repeat it.
	h := http.Header{"Authorization": {"Bearer " + inboxToken}, "Content-Type": {"application/json"}}
	if status, _, said := sendHalf(t, url, h, []byte(groupOf("B", "firing"))); status != http.StatusServiceUnavailable || !strings.Contains(said, "did not arrive whole") {
		t.Errorf("half a body: got %d %s", status, said)
	}
	if status, _ := get(t, url); status == http.StatusOK {
		t.Error("an inbox answers GET")
	}
	s.says(t, `msg="push refused" source=am result=unsigned remote=127.0.0.1:`)
	s.says(t, ` err="`)
}

// What docs/integrations.md prints of inboxes is a config without any problem, with each
// format in it, and can be opened.
func TestTheInboxesOfTheDocsAreConfigs(t *testing.T) {
	text := readText(t, filepath.Join(root, "docs/integrations.md"))
	for _, secret := range []string{"RELGATE_INBOX_TOKEN", "GRAFANA_HMAC_SECRET", "SENTRY_CLIENT_SECRET", "UPTIME_WEBHOOK_SECRET"} {
		t.Setenv(secret, "x")
	}
	shown := map[string]bool{}
	for _, name := range regexp.MustCompile("(?m)^```toml recipe=(inbox-.*)$").FindAllStringSubmatch(text, -1) {
		c, problems := configs().Decode("config.toml", []byte(plainConfig+recipe(t, "docs/integrations.md", name[1])), os.ReadFile)
		for _, p := range problems {
			if strings.Contains(p.String(), "sources.") && !strings.Contains(p.String(), "unused-source") || strings.Contains(p.String(), "signals.api") && p.Severity == rules.SeverityError {
				t.Errorf("%s: %v", name[1], p)
			}
		}
		if c == nil {
			t.Errorf("%s is no config: %v", name[1], problems)
			continue
		}
		for _, s := range c.Sources {
			if s.Type == "inbox" {
				shown[s.Text("format")] = true
				if _, err := (upstreams{}).source(t.Context(), &s); err != nil {
					t.Errorf("%s: %v", name[1], err)
				}
			}
		}
	}
	for _, format := range kind.Formats() {
		if !shown[format] {
			t.Errorf("docs/integrations.md prints no config of the format %q", format)
		}
	}
	for _, r := range inbox.Results() {
		if !strings.Contains(text, "`"+string(r)+"`") {
			t.Errorf("docs/integrations.md does not say what %s means", r)
		}
		if pushStatus[r] == 0 {
			t.Errorf("%s has no status", r)
		}
	}
}

// Only so many large pushes are read at a time, and small ones come in all the same.
func TestInboxesHaveRoomForSoManyLargePushes(t *testing.T) {
	text := strings.Replace(inboxConfig("1m"), `{ env = "RELGATE_TEST_INBOX" }`, `"`+inboxToken+`"`, 1)
	cfg := loadWith(t, kinds.All(), writeConfig(t, t.TempDir(), text))
	log := slog.New(slog.DiscardHandler)
	d, err := newDaemon(t.Context(), assembly{config: cfg, clock: newWallClock(log), upstreams: upstreams{log: log}, log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.close(); err != nil {
			t.Error(err)
		}
	}()
	push := func(body string) int {
		r := httptest.NewRequest(http.MethodPost, "/v1/inbox/am", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+inboxToken)
		w := httptest.NewRecorder()
		d.publicHandler().ServeHTTP(w, r)
		return w.Code
	}
	small := groupOf("A", "firing")
	large := small + strings.Repeat(" ", smallPush)
	for range mostPushes {
		if !d.inboxes.begin() {
			t.Fatal("there is no room")
		}
	}
	if got := push(large); got != http.StatusServiceUnavailable {
		t.Errorf("a large push too many: got %d", got)
	}
	if got := push(small); got != http.StatusOK {
		t.Errorf("a small push: got %d", got)
	}
	d.inboxes.end()
	if got := push(large); got != http.StatusOK {
		t.Errorf("a large push after another has ended: got %d", got)
	}
	if got := d.inboxes.stats(); len(got) != 1 || got[0].Last.IsZero() {
		t.Errorf("counted %+v", got)
	}
}

// A demo needs no secret of an inbox.
func TestADemoOpensAnInboxWithoutItsSecret(t *testing.T) {
	c, problems := configs().Decode("config.toml", []byte(plainConfig+recipe(t, "docs/integrations.md", "inbox-sentry")), os.ReadFile)
	if c == nil {
		t.Fatal(problems)
	}
	s := &c.Sources[1]
	if _, err := (upstreams{}).source(t.Context(), s); err == nil {
		t.Error("without a demo it opens without its secret")
	}
	(&world{listeners: map[string]net.Listener{}, pushSecret: randomSecret()}).simulate(c.Sources[1:])
	if _, err := (upstreams{}).source(t.Context(), s); err != nil {
		t.Error(err)
	}
}

// An inbox that a reload adds takes pushes, and one that it removes takes none. What was
// counted goes on.
func TestInboxesFollowAReload(t *testing.T) {
	t.Setenv("RELGATE_TEST_INBOX", inboxToken)
	dir := t.TempDir()
	path := writeConfig(t, dir, inboxConfig("1m"))
	s := serve(t, path)
	url := inboxOf(t, s)
	other := strings.Replace(url, "/am", "/second", 1)
	push := func(url string) int {
		status, _ := pushTo(t, url, inboxToken, groupOf("A", "firing"))
		return status
	}
	if push(url) != http.StatusOK || push(other) != http.StatusNotFound {
		t.Fatal("before the reload")
	}
	writeConfig(t, dir, inboxConfig("1m")+strings.Replace(inboxConfig("1m")[strings.Index(inboxConfig("1m"), "[sources.am]"):strings.Index(inboxConfig("1m"), "[daemon]")], "sources.am", "sources.second", 1))
	eventually(t, "the inbox that was added", func() bool { return push(other) == http.StatusOK })
	if push(url) != http.StatusOK {
		t.Error("the other inbox is gone")
	}
	_, page := get(t, "http://"+s.private(t)+"/metrics")
	wants(t, page, `relgate_inbox_pushes_total{result="accepted",source="am"} 2`, `relgate_inbox_pushes_total{result="accepted",source="second"} 1`)
	writeConfig(t, dir, inboxConfig("1m"))
	eventually(t, "the inbox that was removed", func() bool { return push(other) == http.StatusNotFound })
}

// A short retention does not forget a push while its sender's old messages are taken.
func TestHowLongPushesAreKept(t *testing.T) {
	const day = 24 * time.Hour
	for retention, want := range map[time.Duration]time.Duration{time.Hour: 26 * time.Hour, 7 * day: 7 * day, 90 * day: 30 * day} {
		if got := pushesKept(retention); got != want {
			t.Errorf("retention %s: kept for %s, want %s", retention, got, want)
		}
	}
}
