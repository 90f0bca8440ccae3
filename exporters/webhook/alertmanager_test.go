package webhook

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/internal/peertest"
)

// formatted is a sink of a format, whose run had these events.
func formatted(t *testing.T, c Config, e Endpoint, name string, events []wire.EventBody) *Sink {
	t.Helper()
	var known bool
	if e.Format, known = format.Named(name); !known {
		t.Fatalf("no format %q", name)
	}
	e.Earlier = func(_ context.Context, _ string, n uint64, first bool) ([]wire.EventBody, error) {
		if first {
			return events[:1], nil
		}
		return events[:min(n-1, uint64(len(events)))], nil
	}
	return mustNew(t, c, e)
}

// messageOf is what the outbox gives a sink of an event.
func messageOf(t *testing.T, e wire.EventBody) outbox.Message {
	t.Helper()
	data, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	return outbox.Message{ID: e.ID, Type: e.Type, N: e.N, Plan: e.Plan, Subject: e.Subject, Data: data}
}

// rolledBack is a run with two rules against it, up to its rollback.
func rolledBack() []wire.EventBody {
	events := []wire.EventBody{
		{Kind: "run", Subject: "REL", To: "waiting", Begun: &wire.Begun{Try: 1, Parameters: map[string]string{"commit": "a1b2"}}},
		{Kind: "rule", Subject: "api-5xx-high", From: "clear", To: "breaching", Headline: "API 5xx 5.0 % > 3 %", Sentence: "55 of 1,101 requests failed."},
		{Kind: "rule", Subject: "p95-high", From: "clear", To: "warning", Headline: "p95 <3 s> & more", Sentence: "Lambda p95 latency 5.69 s > 3 s."},
		{Kind: "rule", Subject: "p95-high", From: "warning", To: "clear", Headline: "p95 is back", Sentence: "Lambda p95 latency 2 s."},
		{Kind: "rule", Subject: "api-5xx-high", From: "breaching", To: "fired", Headline: "ROLLBACK: API 5xx 5.0 % > 3 %", Sentence: "552 of 11,010 requests failed.", Owner: "Ops", Command: "revert"},
		{Kind: "run", Subject: "REL", From: "monitoring", To: "rolled_back", Headline: "ROLLBACK", Sentence: "roll back", Command: "revert"},
	}
	for i := range events {
		e := &events[i]
		e.N, e.Run, e.Plan, e.Version = uint64(i+1), "REL@1.0.0", "REL", "1.0.0"
		e.ID, e.Type = fmt.Sprintf("REL@1.0.0.k7q/%d", i+1), "relgate."+e.Kind+"."+e.To
		e.At = new(time.Date(2025, 6, 4, 2, i, 0, 0, time.UTC))
	}
	return events
}

// An event of which a format has nothing to say is done with, and no request is made.
func TestWhatAFormatHasNothingToSayOfIsSkipped(t *testing.T) {
	s, events := newScript(nil), rolledBack()
	sink := formatted(t, Config{Transport: handler{s}}, endpoint(), "alertmanager", events)
	for i, want := range []outbox.Outcome{{OK: true, Skipped: true}, {OK: true}} {
		if got := sink.Send(t.Context(), messageOf(t, events[i])); got != want {
			t.Errorf("event %d: got %+v, want %+v", i+1, got, want)
		}
	}
	if n := len(s.seen()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// startPeer runs a program of others until the test ends.
func startPeer(t *testing.T, path string, args ...string) {
	t.Helper()
	cmd := exec.Command(path, args...)
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
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// untilAnswers asks a program until it answers at all.
func untilAnswers(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			return
		} else if ctx.Err() != nil {
			t.Fatal(err)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

const alertmanagerConfig = `
route: {receiver: on.call, group_by: [plan, run, version], group_wait: 0s, group_interval: 1s, repeat_interval: 24h}
receivers: [{name: on.call, webhook_configs: [{url: %q}]}]
`

// Debian's Alertmanager is given the alerts that relgate tells, and sends its webhook the
// same bytes. The order of alerts in a group is its own.
func TestAlertmanagerSendsTheSame(t *testing.T) {
	path := peertest.Need(t, "prometheus-alertmanager")
	arrived := make(chan []byte, 16)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		arrived <- body
	}))
	defer hook.Close()
	dir, addr := t.TempDir(), freeAddress(t)
	config := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, alertmanagerConfig, hook.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	startPeer(t, path, "--config.file="+config, "--storage.path="+dir, "--web.listen-address="+addr, "--web.external-url=https://relgate.example", "--web.route-prefix=/", "--cluster.listen-address=", "--log.level=error")
	untilAnswers(t, "http://"+addr+"/-/ready")

	events := rolledBack()
	var ours []byte
	mine := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { ours, _ = io.ReadAll(r.Body) }))
	defer mine.Close()
	sink := formatted(t, Config{External: "https://relgate.example/", Allow: []string{"127.0.0.1"}}, Endpoint{Name: "on.call", URL: mine.URL}, "alertmanager", events)
	for _, n := range []int{3, 4, 6} { // two fire; one is resolved; the rollback
		if o := sink.Send(t.Context(), messageOf(t, events[n-1])); !o.OK {
			t.Fatal(o)
		}
		var group struct{ Alerts []map[string]any }
		if err := json.Unmarshal(ours, &group); err != nil {
			t.Fatal(err)
		}
		for _, a := range group.Alerts {
			if a["status"] == "firing" {
				a["endsAt"] = time.Now().Add(time.Hour).Format(time.RFC3339)
			}
			delete(a, "status")
			delete(a, "fingerprint")
		}
		body, err := json.Marshal(group.Alerts)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post("http://"+addr+"/api/v2/alerts", "application/json", bytes.NewReader(body))
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp, err)
		}
		_ = resp.Body.Close()
		want := inOrder(t, ours)
		deadline := time.After(time.Minute)
		for theirs := []byte(nil); !bytes.Equal(inOrder(t, theirs), want); {
			select {
			case theirs = <-arrived:
			case <-deadline:
				t.Fatalf("event %d: Alertmanager sent\n%s\nand relgate\n%s", n, inOrder(t, theirs), want)
			}
		}
	}
}

// inOrder is a payload with its alerts in the order of their fingerprints, every other
// byte as it was.
func inOrder(t *testing.T, body []byte) []byte {
	t.Helper()
	if body == nil {
		return nil
	}
	var group struct{ Alerts []json.RawMessage }
	if err := json.Unmarshal(body, &group); err != nil {
		t.Fatal(err)
	}
	before, after := bytes.Index(body, group.Alerts[0]), bytes.LastIndex(body, group.Alerts[len(group.Alerts)-1])+len(group.Alerts[len(group.Alerts)-1])
	out, rest := bytes.Clone(body[:before]), body[after:]
	slices.SortFunc(group.Alerts, func(a, b json.RawMessage) int {
		return bytes.Compare(a[bytes.Index(a, []byte(`"fingerprint"`)):], b[bytes.Index(b, []byte(`"fingerprint"`)):])
	})
	for i, a := range group.Alerts {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, a...)
	}
	return append(out, rest...)
}

// ircServer lets clients in and gives what they say in a channel.
func ircServer(t *testing.T) (addr string, said <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	lines := make(chan string, 64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
			go serveIRC(c, lines)
		}
	}()
	return l.Addr().String(), lines
}

func serveIRC(c net.Conn, said chan<- string) {
	nick := "*"
	for in := bufio.NewScanner(c); in.Scan(); {
		command, rest, _ := strings.Cut(in.Text(), " ")
		switch command {
		case "NICK":
			nick = strings.TrimPrefix(rest, ":")
		case "USER":
			fmt.Fprintf(c, ":irc.test 001 %s :Welcome\r\n:irc.test 422 %s :no message of the day\r\n", nick, nick)
		case "PING":
			fmt.Fprintf(c, ":irc.test PONG irc.test %s\r\n", rest)
		case "JOIN":
			fmt.Fprintf(c, ":%s!u@h JOIN %s\r\n:irc.test 366 %s %s :end of names\r\n", nick, rest, nick, rest)
		case "NOTICE", "PRIVMSG":
			if strings.HasPrefix(rest, "#") { // not to the services of a network that it looks for
				said <- rest
			}
		}
	}
}

const ircRelayConfig = `
http_host: 127.0.0.1
http_port: %s
irc_host: 127.0.0.1
irc_port: %s
irc_nickname: relgate
irc_realname: relgate
irc_use_ssl: no
irc_channels: [{name: "#ops"}]
msg_once_per_alert_group: no
msg_template: "{{ .Status }} {{ .Labels.alertname }}{{ with .Labels.rule }} {{ . }}{{ end }}: {{ .Annotations.summary }}"
`

// Debian's relay from Alertmanager to IRC shows a line for each alert. That it answers 200
// says nothing: it does so for what it cannot show.
func TestTheIRCRelayShowsALineForEachAlert(t *testing.T) {
	t.Parallel() // the relay waits some seconds between two lines
	path := peertest.Need(t, "alertmanager-irc-relay")
	irc, said := ircServer(t)
	_, ircPort, _ := net.SplitHostPort(irc)
	addr := freeAddress(t)
	_, port, _ := net.SplitHostPort(addr)
	config := filepath.Join(t.TempDir(), "relay.yml")
	if err := os.WriteFile(config, fmt.Appendf(nil, ircRelayConfig, port, ircPort), 0o600); err != nil {
		t.Fatal(err)
	}
	startPeer(t, path, "-config", config)
	untilAnswers(t, "http://"+addr+"/ops")
	events := rolledBack()
	sink := formatted(t, Config{Allow: []string{"127.0.0.1"}}, Endpoint{Name: "ops", URL: "http://" + addr + "/ops", Secrets: []string{secret}}, "alertmanager", events)
	for _, tt := range []struct {
		n    int
		want []string
	}{
		{4, []string{"firing RelgateRuleAgainst api-5xx-high: API 5xx 5.0 % > 3 %", "resolved RelgateRuleAgainst p95-high: p95 <3 s> & more"}},
		{6, []string{"firing RelgateRuleAgainst api-5xx-high: ROLLBACK: API 5xx 5.0 % > 3 %", "firing RelgateRollbackOrdered: ROLLBACK"}},
	} {
		if o := sink.Send(t.Context(), messageOf(t, events[tt.n-1])); !o.OK {
			t.Fatal(o)
		}
		for _, want := range tt.want {
			select {
			case got := <-said:
				if got != "#ops :"+want {
					t.Errorf("event %d: got %q, want %q", tt.n, got, want)
				}
			case <-time.After(time.Minute):
				t.Fatalf("event %d: no line %q", tt.n, want)
			}
		}
	}
}
