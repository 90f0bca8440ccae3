package alertmanager

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
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/internal/peertest"
)

const peerConfig = `
global: {resolve_timeout: 3s}
route: {receiver: hook, group_by: [run], group_wait: 0s, group_interval: 1s, repeat_interval: 24h}
receivers: [{name: hook, webhook_configs: [{url: %q}]}]
`

// peer starts Debian's Alertmanager, and gives its address and what it tells people.
func peer(t *testing.T, path string) (url string, told <-chan map[string]string) {
	t.Helper()
	states := make(chan map[string]string, 64) // :: alert → status
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var group struct {
			Alerts []struct {
				Status string
				Labels map[string]string
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&group); err != nil {
			t.Error(err)
		}
		state := map[string]string{}
		for _, a := range group.Alerts {
			state[a.Labels["alertname"]+a.Labels["rule"]] = a.Status
		}
		states <- state
	}))
	t.Cleanup(hook.Close)
	dir := t.TempDir()
	config := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, peerConfig, hook.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	cmd := exec.Command(path, "--config.file="+config, "--storage.path="+dir, "--web.listen-address="+addr, "--cluster.listen-address=", "--log.level=error")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", path, &said)
		}
	})
	return "http://" + addr, states
}

// Two of Debian's Alertmanagers, each told by itself, tell people of what fires and, once,
// that it is over; and not before, although they take what is not repeated for resolved.
func TestDebiansAlertmanagerTellsPeople(t *testing.T) {
	t.Parallel()
	path := peertest.Need(t, "prometheus-alertmanager")
	h := newHouse()
	type told struct {
		from  int
		state map[string]string
	}
	all := make(chan told, 64)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for i := range 2 {
		url, states := peer(t, path)
		s, err := webhook.New(webhook.Config{Allow: []string{"127.0.0.1"}}, webhook.Endpoint{Name: "am", URL: url, Format: format.None()})
		if err != nil {
			t.Fatal(err)
		}
		p := New(Config{Name: "am", URL: url, Resend: time.Second, Runs: h.Runs, Changed: h.Changed, Sink: s, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
		go func() { ended <- p.Run(ctx) }()
		go func() {
			for {
				select {
				case s := <-states:
					all <- told{i, s}
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	// until waits for both to say of an alert what it is, and reports what they said before.
	until := func(alert, status string) (before []string) {
		t.Helper()
		missing := []int{0, 1}
		deadline := time.After(time.Minute)
		for len(missing) > 0 {
			select {
			case got := <-all:
				if got.state[alert] == status {
					missing = slices.DeleteFunc(missing, func(i int) bool { return i == got.from })
				} else {
					before = append(before, fmt.Sprint(got.state))
				}
			case <-deadline:
				t.Fatalf("a minute without %s of %s", status, alert)
			}
		}
		return before
	}
	h.say("rule", "5xx", "clear", "breaching")
	until("RelgateRuleAgainst5xx", "firing")
	// Longer than resolve_timeout, and than what is judged lasts without a repetition.
	h.say("rule", "5xx", "breaching", "silent")
	select {
	case got := <-all:
		t.Errorf("while nothing is known they say %v", got)
	case <-time.After(6 * time.Second):
	}
	h.say("run", "REL", "monitoring", "rolled_back")
	until("RelgateRollbackOrdered", "firing")
	h.say("command", "rollback_done", "", "applied")
	until("RelgateRollbackOrdered", "resolved")
	h.say("rule", "p95", "clear", "breaching") // and over at once: people hear of it
	h.say("rule", "p95", "breaching", "clear")
	until("RelgateRuleAgainstp95", "firing")
	until("RelgateRuleAgainstp95", "resolved")
	cancel()
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}
