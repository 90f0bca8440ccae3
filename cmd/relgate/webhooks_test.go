package main

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/rules"
)

// A webhook that comes with an edit of a plan is told of that edit.
func TestANewWebhookIsToldWhatItsReloadCauses(t *testing.T) {
	t.Parallel()
	sentry, dir, hooks := newCrashes(t), t.TempDir(), newReceiver(t)
	daemon := strings.ReplaceAll(fmt.Sprintf(shopDaemon, sentry.URL), `{ env = "SHOP_SENTRY_TOKEN" }`, `{ file = "token" }`)
	place(t, filepath.Join(dir, "token"), "secret")
	start := time.Now().Truncate(time.Second).Add(-2 * time.Minute)
	writeConfig(t, dir, launchPlan("slow", "1.0.0", start, "2h")+daemon)
	s := openShop(t, dir)
	s.watched("slow")
	before, _ := s.history("slow@1.0.0")
	webhook := fmt.Sprintf("\n[webhooks.ops]\nurl = %q\nallow = [\"127.0.0.0/8\"]\n", hooks.URL+"/ops")
	writeConfig(t, dir, launchPlan("slow", "1.0.0", start, "3h")+daemon+webhook)
	var since []string
	eventually(t, "an event of the edit", func() bool {
		after, _ := s.history("slow@1.0.0")
		since = slices.DeleteFunc(after, func(id string) bool { return slices.Contains(before, id) })
		return len(since) > 0
	})
	eventually(t, fmt.Sprintf("the events %q at the new webhook", since), func() bool {
		return !slices.ContainsFunc(since, func(id string) bool { return !slices.Contains(hooks.ids("/ops"), id) })
	})
}

// What a webhook's config names beside its secrets is read when the daemon starts: the
// proxy, and the key of the hub signature.
func TestAWebhookGoesThroughItsProxySignedWithItsHubSecret(t *testing.T) {
	t.Parallel()
	const hub, password = "secret-of-the-test: hub", "secret-of-the-test"
	type seen struct{ target, user, signature, want string }
	arrived := make(chan seen, 64)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mac := hmac.New(sha256.New, []byte(hub))
		if _, err := io.Copy(mac, r.Body); err != nil {
			return // cut off by the end
		}
		select {
		case arrived <- seen{r.RequestURI, r.Header.Get("Proxy-Authorization"), r.Header.Get("X-Hub-Signature-256"), fmt.Sprintf("sha256=%x", mac.Sum(nil))}:
		default:
		}
	}))
	t.Cleanup(proxy.Close)
	dir := t.TempDir()
	place(t, filepath.Join(dir, "hub"), hub+"\n")
	place(t, filepath.Join(dir, "proxy"), strings.Replace(proxy.URL, "http://", "http://relgate:"+password+"@", 1))
	s := serve(t, writeConfig(t, dir, plainConfig+`
[webhooks.ops]
url        = "http://hooks.example.com/ops"
class      = "action"
hub_secret = { file = "hub" }
proxy      = { file = "proxy" }
allow      = ["127.0.0.0/8"]
`))
	s.says(t, "msg=serving")
	select {
	case got := <-arrived:
		if got.target != "http://hooks.example.com/ops" || got.user != "Basic "+base64.StdEncoding.EncodeToString([]byte("relgate:"+password)) || got.signature != got.want {
			t.Errorf("the proxy got %+v", got)
		}
	case <-time.After(time.Minute):
		t.Fatalf("a minute without a delivery: %s", s.log)
	}
}

// Attempts follow each other by seconds, and a terminal has 80 columns.
func TestTheListOfDeliveriesSaysWhatWaitsAndWhen(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 6, 4, 3, 11, 0, 0, time.UTC)
	refused := "dial tcp 10.1.2.3:443: connect: connection refused"
	id := func(n int) string { return fmt.Sprintf("REL-2025-06-04@1.0.0.k7qmz3x2vd/%d", n) }
	raw, err := json.Marshal(deliveryList{Endpoints: []endpointBody{
		{Endpoint: "ops", Class: "notify", Delivered: 12},
		{Endpoint: "pipeline", Class: "action", Pending: 3, LastError: refused, Orders: []orderBody{
			{Event: id(30), Type: "relgate.rule.fired", At: at},
			{Event: id(31), Type: "relgate.run.rolled_back", At: at, Attempts: 1, Next: new(at.Add(time.Second)), LastError: refused},
			{Event: id(32), Type: "relgate.command.applied", At: at, Attempts: 3, Next: new(at.Add(8 * time.Second)), LastError: refused},
		}, DeadLetters: []deadBody{
			{Event: id(7), At: at, Reason: "422 Unprocessable Entity"},
			{Event: id(8), At: at, Reason: "422 Unprocessable Entity", Again: true},
		}, Answers: []answerBody{{id(33), at, "workflow run 4711 https://github.com/acme/shop/actions/runs/4711"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	code, out, errs := command(t, "deliveries", "list", "--url", fake(t, 200, "application/json", string(raw)))
	want := `ops       notify  12 delivered  0 pending  0 orders among them  0 dead
pipeline  action  0 delivered   3 pending  3 orders among them  2 dead
  not delivered: dial tcp 10.1.2.3:443: connect: connection refused
  order REL-2025-06-04@1.0.0.k7qmz3x2vd/30
    relgate.rule.fired, decided at 2025-06-04 03:11:00 UTC, no answer yet
  order REL-2025-06-04@1.0.0.k7qmz3x2vd/31
    relgate.run.rolled_back, 1 attempt failed, next at 2025-06-04 03:11:01 UTC:
    dial tcp 10.1.2.3:443: connect: connection refused
  order REL-2025-06-04@1.0.0.k7qmz3x2vd/32
    relgate.command.applied, 3 attempts failed, next at 2025-06-04 03:11:08 UTC:
    dial tcp 10.1.2.3:443: connect: connection refused
  dead  REL-2025-06-04@1.0.0.k7qmz3x2vd/7
    given up at 2025-06-04 03:11:00 UTC: 422 Unprocessable Entity
  dead  REL-2025-06-04@1.0.0.k7qmz3x2vd/8
    given up at 2025-06-04 03:11:00 UTC and now sent again: 422 Unprocessable
    Entity
  told  REL-2025-06-04@1.0.0.k7qmz3x2vd/33
    at 2025-06-04 03:11:00 UTC: workflow run 4711
    https://github.com/acme/shop/actions/runs/4711
`
	if code != exitPass || out != want {
		t.Errorf("code %d, %s, got\n%s\nwant\n%s", code, errs, out, want)
	}
}

// stuck is a receiver that answers when it is let go.
type stuck struct{ asked, release chan struct{} }

func (s stuck) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case s.asked <- struct{}{}:
	default:
	}
	<-s.release
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

func endpointsOf(t *testing.T, j *journal.Journal) []string {
	t.Helper()
	names, err := j.Endpoints(context.Background())
	if err != nil {
		t.Error(err)
	}
	return names
}

// A webhook that a reload takes away is forgotten when it has ended, and not before: it
// would make itself known again.
func TestAWebhookIsForgottenWhenItHasEnded(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	dir := t.TempDir()
	load := func(text string) *config.Config {
		t.Helper()
		c, problems := configs().Load(writeConfig(t, dir, text))
		if c == nil || config.Errors(problems) > 0 {
			t.Fatal(problems)
		}
		return c
	}
	hook := stuck{make(chan struct{}, 1), make(chan struct{})}
	log := slog.New(slog.DiscardHandler)
	d, err := newDaemon(t.Context(), assembly{
		config: load(plainConfig + "[webhooks.old]\nurl = \"https://example.com/\"\n"), clock: newWallClock(log), upstreams: upstreams{log: log},
		transport: hook, log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	<-hook.asked
	if err := d.adopt(ctx, load(plainConfig+"[webhooks.new]\nurl = \"https://example.com/\"\n")); err != nil {
		t.Fatal(err)
	}
	if names := endpointsOf(t, d.journal); !slices.Equal(names, []string{"new", "old"}) {
		t.Errorf("while the old one runs: got %q, want both", names)
	}
	close(hook.release)
	eventually(t, "the end of the old webhook", func() bool { return slices.Equal(endpointsOf(t, d.journal), []string{"new"}) })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
}

// A start that fails forgets no webhook: with the config put right, it goes on.
func TestAFailedStartForgetsNoWebhook(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "relgate.db")
	open := func(endpoints ...string) *journal.Journal {
		t.Helper()
		j, err := journal.Open(t.Context(), journal.Config{Path: path, Endpoints: endpoints})
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	if err := open("old").Close(); err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(plainConfig, `private = "127.0.0.1:0"`, `private = "256.0.0.1:0"`, 1)
	code, errs := refuse(t, writeConfig(t, dir, text+"[webhooks.new]\nurl = \"https://example.com/\"\n"))
	if code != exitUsage || !strings.Contains(errs, "private") {
		t.Fatalf("exit %d, %s; want a port that cannot be had", code, errs)
	}
	j := open()
	defer j.Close()
	if names := endpointsOf(t, j); !slices.Contains(names, "old") {
		t.Errorf("got %q, want the old webhook among them", names)
	}
}

const opsWebhook = "[webhooks.ops]\nurl = \"https://example.com/\"\n"

// away is a receiver that answers 503.
type away struct{ asked chan struct{} }

func (a away) RoundTrip(r *http.Request) (*http.Response, error) {
	select {
	case a.asked <- struct{}{}:
	default:
	}
	return &http.Response{StatusCode: http.StatusServiceUnavailable, Body: http.NoBody, Request: r}, nil
}

// Without any dead letter, retry has what waits tried now and says how much that is.
func TestRetryHurriesWhatWaits(t *testing.T) {
	hook := away{make(chan struct{}, 1)}
	d := housed(t, plainConfig+opsWebhook, hook, io.Discard)
	<-hook.asked
	retry := func(query string) (int, string) {
		mux, w := http.NewServeMux(), httptest.NewRecorder()
		mux.HandleFunc("POST /v1/deliveries/{endpoint}/retry", d.retryDeliveries)
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/deliveries/"+query, nil))
		return w.Code, strings.TrimSpace(w.Body.String())
	}
	eventually(t, "an event that is hurried", func() bool {
		code, body := retry("ops/retry")
		return code == http.StatusOK && body == `{"again":0,"hurried":1}`
	})
	if code, body := retry("ops/retry?event=another/1"); code != http.StatusNotFound || !strings.Contains(body, "not waiting for another attempt") {
		t.Errorf("an event that does not wait: %d %s, want 404", code, body)
	}
	if code, _ := retry("other/retry"); code != http.StatusNotFound {
		t.Errorf("another endpoint: %d, want 404", code)
	}
}

// Who reads the log of a source that fails reads what the source said.
func TestTheLogHasASourcesOwnWords(t *testing.T) {
	t.Parallel()
	e := fact.Event{Kind: fact.SignalEvent, Subject: "errors", To: "config", Why: fact.Why{Code: fact.WhySignalFault, Text: "GetMetricData: ValidationError: the value 10 for parameter Period is not valid"}}
	want := "signal errors: the source rejected the query: GetMetricData: ValidationError: the value 10 for parameter Period is not valid."
	if got := logLine(&rules.Plan{}, &e, nil); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// noted is a receiver that says what it is asked and answers when it is let go.
type noted struct {
	asked   chan string // types of events
	release chan struct{}
}

func (n noted) RoundTrip(r *http.Request) (*http.Response, error) {
	n.asked <- r.Header.Get("Ce-Type")
	select {
	case <-n.release:
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

// An order that is committed after a reload waits for nothing that is in flight since
// before it. What was delivered before a reload is counted after it.
func TestAReloadDelaysNoOrder(t *testing.T) {
	hook := noted{make(chan string, 64), make(chan struct{})}
	d := housed(t, plainConfig+opsWebhook, hook, io.Discard)
	<-hook.asked // it hangs
	if err := d.adopt(t.Context(), d.config); err != nil {
		t.Fatal(err)
	}
	call := func(method, target, body string) string {
		w, r := httptest.NewRecorder(), httptest.NewRequest(method, target, strings.NewReader(body))
		r.Host = "127.0.0.1"
		r.Header.Set("Content-Type", "application/json")
		d.publicHandler().ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			t.Errorf("%s %s: %d %s", method, target, w.Code, w.Body)
		}
		return w.Body.String()
	}
	call(http.MethodPost, "/v1/plans/P-1/commands", `{"kind":"hold","version":"1.0.0","by":"ada","why":"a test"}`)
	for range 2 {
		select {
		case got := <-hook.asked:
			if got != "relgate.command.applied" && got != "relgate.run.held" {
				t.Errorf("%s was sent, want an order", got)
			}
		case <-time.After(time.Minute):
			t.Fatal("an order waits for what is in flight since before the reload")
		}
	}
	close(hook.release)
	var list deliveryList
	eventually(t, "the delivery of all, and its count", func() bool {
		if err := json.Unmarshal([]byte(call(http.MethodGet, "/v1/deliveries", "")), &list); err != nil {
			t.Fatal(err)
		}
		return list.Endpoints[0].Pending == 0 && list.Endpoints[0].Delivered >= 3
	})
}

// What net/http finds odd about a receiver does not reach the log: it quotes what was
// received.
func TestTheLogQuotesNoReceiver(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var asked atomic.Int32
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				req, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, req.Body)
				_, _ = io.WriteString(c, "HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n")
				time.Sleep(50 * time.Millisecond) // the connection is idle by then
				_, _ = io.WriteString(c, "secret-of-the-test\r\n")
				asked.Add(1)
			}()
		}
	}()
	s := serve(t, writeConfig(t, t.TempDir(), plainConfig+fmt.Sprintf("[webhooks.ops]\nurl = \"http://%s/\"\nallow = [\"127.0.0.0/8\"]\n", l.Addr())))
	eventually(t, "two attempts", func() bool { return asked.Load() > 1 })
	if code := s.end(t); code != 0 || strings.Contains(s.log.String(), "secret-of-the-test") {
		t.Errorf("exit %d, and the log: %s", code, s.log)
	}
}
