package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	cloudevents "github.com/cloudevents/sdk-go/v2/binding"
	cloudeventshttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/go-github/v74/github"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	svix "github.com/svix/svix-webhooks/go"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/internal/peertest"
	"github.com/relgate/relgate/rules"
)

// Deliveries are verified with the code of others: every form of secret, every kind of
// event, and every way to tamper with them.

// Secrets of the endpoints that are tried, as a config holds them.
const (
	oldSecret   = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	newSecret   = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD2oGfNzLt6fY="
	plainSecret = "a plain secret of 30 characters"
	ownSecret   = "whsec_a hub secret is text, whatever it looks like"
)

// signed is an endpoint, and the secrets that its receivers may know.
type signed struct {
	path     string
	secrets  []string // as in the config, and each good for Webhook-Signature
	hub      string   // as in the config
	knownHub string   // what X-Hub-Signature-256 is keyed by
}

var signedEndpoints = []signed{
	{"whsec", []string{oldSecret}, "", oldSecret},
	{"plain", []string{plainSecret}, "", plainSecret},
	{"rotated", []string{newSecret, oldSecret}, "", newSecret},
	{"own-hub", []string{oldSecret}, ownSecret, ownSecret},
	{"only-hub", nil, ownSecret, ownSecret},
}

// delivery is a request as it came in.
type delivery struct {
	path   string
	header http.Header
	body   []byte
}

// everyKind is an event of each kind, with text in it that is not ASCII.
func everyKind() []fact.Event {
	events := []fact.Event{
		{Kind: fact.RunEvent, Subject: "wide", To: "waiting", By: "Jürgen Müller", Begun: &fact.Release{Start: epoch, Try: 1, Parameters: map[string]string{"Größe": "½"}}},
		{Kind: fact.PhaseEvent, Subject: "all", Phase: "all", From: "waiting", To: "monitoring"},
		{Kind: fact.VerdictEvent, Subject: "all", Phase: "all", From: "pending", To: "unknown", Cause: rules.CauseSourceError, Why: fact.Why{Text: "источник молчит: \"<&>\" \u2028"}},
		{Kind: fact.SignalEvent, Subject: signalName(0), From: "ok", To: "source_error", Cause: rules.CauseSourceError, Why: fact.Why{Text: "応答なし"}},
		{Kind: fact.CommunicationEvent, Subject: "Ankündigung 🚀 50 %", To: "due"},
		{Kind: fact.CommandEvent, Subject: "hold", To: "applied", By: "Jürgen Müller", Principal: "ci", Why: fact.Why{Text: "größere Störung – bitte warten"}},
		{Kind: fact.PlanEvent, Subject: "wide", To: "edited", Edit: &fact.Edit{Changes: []rules.Change{{Path: "title", From: "Café", To: "naïve"}}}},
		fired(0),
		{Kind: fact.RunEvent, Subject: "wide", From: "monitoring", To: "rolled_back", Cause: rules.CauseThreshold, Because: theRun + ".k3x9/8"},
	}
	for i := range events {
		e := &events[i]
		e.N = uint64(i + 1)
		e.ID = theRun + ".k3x9/" + strconv.Itoa(i+1)
		e.Plan, e.Run, e.Version, e.At = "wide", theRun, "1.0.0", epoch.Add(time.Duration(i)*time.Second)
	}
	return events
}

// deliveries are what the webhooks of a daemon whose clock is off by so much sent to
// every endpoint of signedEndpoints: an event of each kind, and that another endpoint
// does not take one.
func deliveries(t *testing.T, off time.Duration) []delivery {
	t.Helper()
	arrived := make(chan delivery, 1<<10)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if strings.HasPrefix(r.URL.Path, "/broken-") {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
		arrived <- delivery{strings.TrimPrefix(r.URL.Path, "/"), r.Header, body}
	}))
	t.Cleanup(server.Close)

	now := func() time.Time { return time.Now().Add(off) }
	var endpoints []outbox.Endpoint
	var names []string
	add := func(escalateTo string, to webhook.Endpoint) {
		to.URL = server.URL + "/" + to.Name
		sink, err := webhook.New(webhook.Config{Allow: []string{"127.0.0.1/32"}, Now: now}, to)
		if err != nil {
			t.Fatal(err)
		}
		endpoints = append(endpoints, outbox.Endpoint{Name: to.Name, Class: outbox.Action, EscalateTo: escalateTo, Sink: sink})
		names = append(names, to.Name)
	}
	for _, s := range signedEndpoints {
		add("", webhook.Endpoint{Name: s.path, Secrets: s.secrets, HubSecret: s.hub})
		add(s.path, webhook.Endpoint{Name: "broken-" + s.path}) // takes nothing, which the other is told of
	}
	plan, events := wide(t, "wide", 1), everyKind()
	plan.Title, plan.Phases[0].Title, plan.Phases[0].Owner = "Größeres", "10 % – Kanarienvögel", "Бригада"
	plan.Rules[0].Title, plan.Rules[0].Action, plan.Rules[0].Owner = "Fehlerquote \"≥ 3 ‰\"", "zurückrollen 🚨", "Бригада"
	j, err := journal.Open(t.Context(), journal.Config{Path: filepath.Join(t.TempDir(), "relgate.db"), Endpoints: names})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	err = j.Commit(t.Context(), fact.Batch{{
		Run: theRun, Digest: "d", Document: []byte("{}"), Tick: fact.Tick{At: epoch}, Events: events,
		Record: fact.RunRecord{ID: theRun, Plan: "wide", Version: "1.0.0", Try: 1, Begun: epoch, State: rules.Monitoring},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range signedEndpoints { // its next failure is the third: it is told
		if err := j.Failed(t.Context(), "broken-"+s.path, theRun, 1, 2, epoch, "answered 503"); err != nil {
			t.Fatal(err)
		}
	}
	h, err := outbox.New(outbox.Config{
		Endpoints: endpoints, Feed: j, Log: slog.New(slog.DiscardHandler), Now: now,
		Encode: func(_ context.Context, s fact.Stored) ([]byte, error) {
			var root *fact.Event
			if s.Event.Because != "" {
				root = &events[7]
			}
			return json.Marshal(wire.Event(plan, &s.Event, root))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	running(t, h.Run)

	var all []delivery
	kinds := map[string]bool{} // :: endpoint and type → it came
	for late := time.After(time.Minute); len(kinds) < len(signedEndpoints)*(len(events)+1); {
		select {
		case d := <-arrived:
			if !bytes.ContainsFunc(d.body, func(r rune) bool { return r > unicode.MaxASCII }) {
				t.Errorf("all of this event is ASCII: %s", d.body)
			}
			if kind := d.path + " " + d.header.Get("Ce-Type"); !kinds[kind] { // an escalation may come again
				kinds[kind] = true
				all = append(all, d)
			}
		case <-late:
			t.Fatalf("after a minute: got %v", slices.Sorted(maps.Keys(kinds)))
		}
	}
	return all
}

// trial is a request, tampered with or not, that a verifier is given.
type trial struct {
	Form    string            `json:"form"` // standard, hub or event
	Secret  string            `json:"secret"`
	Raw     bool              `json:"raw"` // the secret is plain text
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	name    string
	want    bool
}

func (t *trial) header() http.Header {
	h := http.Header{}
	for name, value := range t.Headers {
		h.Set(name, value)
	}
	return h
}

func newTrial(form, secret string, d delivery, name string, want bool) trial {
	t := trial{Form: form, Secret: secret, Raw: !strings.HasPrefix(secret, "whsec_"), Headers: map[string]string{}, Body: string(d.body), want: want}
	for name := range d.header {
		t.Headers[strings.ToLower(name)] = d.header.Get(name)
	}
	t.name = fmt.Sprintf("%s of %s to %s, %s", form, d.header.Get("Ce-Type"), d.path, name)
	return t
}

// tamperings say what is changed, and which forms must notice it: GitHub's covers the
// body alone.
var tamperings = []struct {
	name   string
	forms  string
	change func(*trial)
}{
	{"a byte of the body changed", "standard hub", func(t *trial) { t.Body = strings.Replace(t.Body, `"n":`, `"N":`, 1) }},
	{"a byte added", "standard hub", func(t *trial) { t.Body += " " }},
	{"a second later", "standard", func(t *trial) {
		n, _ := strconv.ParseInt(t.Headers["webhook-timestamp"], 10, 64)
		t.Headers["webhook-timestamp"] = strconv.FormatInt(n+1, 10)
	}},
	{"another id", "standard", func(t *trial) { t.Headers["webhook-id"] += "0" }},
	{"a secret that did not sign", "standard hub", func(t *trial) { t.Secret, t.Raw = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false }},
	{"no signature", "standard hub", func(t *trial) {
		delete(t.Headers, "webhook-signature")
		delete(t.Headers, "x-hub-signature-256")
	}},
	{"no event id", "event", func(t *trial) { delete(t.Headers, "ce-id") }},
	{"no source", "event", func(t *trial) { delete(t.Headers, "ce-source") }},
}

// trials are all that the verifiers are given.
func trials(t *testing.T) []trial {
	t.Helper()
	var all []trial
	add := func(form, secret string, d delivery) {
		all = append(all, newTrial(form, secret, d, "as it came", true))
		for _, tampering := range tamperings {
			if !slices.Contains(strings.Fields(tampering.forms), form) {
				continue
			}
			bad := newTrial(form, secret, d, tampering.name, false)
			tampering.change(&bad)
			all = append(all, bad)
		}
	}
	endpoints := map[string]signed{}
	for _, s := range signedEndpoints {
		endpoints[s.path] = s
	}
	for _, d := range deliveries(t, 0) {
		s := endpoints[d.path]
		for _, secret := range s.secrets {
			add("standard", secret, d)
		}
		add("hub", s.knownHub, d)
		add("event", "", d)
	}
	for _, off := range []time.Duration{-6 * time.Minute, 6 * time.Minute} {
		for _, d := range deliveries(t, off) {
			for _, secret := range endpoints[d.path].secrets {
				all = append(all, newTrial("standard", secret, d, fmt.Sprintf("sent %v from now", off), false))
			}
		}
	}
	return all
}

func standard(secret string, h http.Header, body []byte) error {
	w, err := standardwebhooks.NewWebhook(secret) // NewWebhookRaw([]byte(secret)) for one without whsec_
	if err != nil {
		return err
	}
	return w.Verify(body, h)
}

func hub(secret string, h http.Header, body []byte) error {
	return github.ValidateSignature(h.Get("X-Hub-Signature-256"), body, []byte(secret))
}

// tryStandardwebhooks also takes a plain secret, as its comment says.
func tryStandardwebhooks(tr *trial) error {
	if !tr.Raw {
		return standard(tr.Secret, tr.header(), []byte(tr.Body))
	}
	w, err := standardwebhooks.NewWebhookRaw([]byte(tr.Secret))
	if err != nil {
		return err
	}
	return w.Verify([]byte(tr.Body), tr.header())
}

func trySvix(tr *trial) error {
	w, err := svix.NewWebhook(tr.Secret)
	if tr.Raw {
		w, err = svix.NewWebhookRaw([]byte(tr.Secret))
	}
	if err != nil {
		return err
	}
	return w.Verify([]byte(tr.Body), tr.header())
}

func tryGithub(tr *trial) error { return hub(tr.Secret, tr.header(), []byte(tr.Body)) }

func tryCloudevents(tr *trial) error {
	m := cloudeventshttp.NewMessage(tr.header(), io.NopCloser(strings.NewReader(tr.Body)))
	e, err := cloudevents.ToEvent(context.Background(), m)
	if err != nil {
		return err
	}
	if err := e.Validate(); err != nil {
		return err
	}
	if e.ID() != tr.Headers["webhook-id"] || e.Type() != tr.Headers["ce-type"] || string(e.Data()) != tr.Body {
		return fmt.Errorf("read as event %v", e)
	}
	return nil
}

// judge compares what a verifier said with what it should have said.
func judge(t *testing.T, verifier string, tr *trial, err error) {
	t.Helper()
	switch {
	case tr.want && err != nil:
		t.Errorf("%s: %s: refused: %v", verifier, tr.name, err)
	case !tr.want && err == nil:
		t.Errorf("%s: %s: accepted", verifier, tr.name)
	}
}

func TestVerifiersOfOthersAcceptDeliveriesAndNoOthers(t *testing.T) {
	all := trials(t)
	t.Run("Go", func(t *testing.T) {
		for i := range all {
			tr := &all[i]
			switch tr.Form {
			case "standard":
				judge(t, "standardwebhooks", tr, tryStandardwebhooks(tr))
				judge(t, "svix", tr, trySvix(tr))
			case "hub":
				judge(t, "go-github", tr, tryGithub(tr))
			case "event":
				judge(t, "cloudevents", tr, tryCloudevents(tr))
			}
		}
	})
	t.Run("JavaScript", func(t *testing.T) { tryJavaScript(t, all) })
	t.Run("webhook", func(t *testing.T) { tryWebhook(t, all) })
}

// tryJavaScript gives every trial to verifiers/try.mjs.
func tryJavaScript(t *testing.T, all []trial) {
	node := peertest.Need(t, "node")
	peertest.NeedFile(t, "npm-verifiers", "verifiers/node_modules/.package-lock.json")
	in, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "verifiers/try.mjs")
	var errs bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("try.mjs: %v\n%s", err, errs.Bytes())
	}
	var said []map[string]struct {
		OK              bool
		Error, ID, Type string
	}
	if err := json.Unmarshal(out, &said); err != nil || len(said) != len(all) {
		t.Fatalf("got %d answers to %d trials, %v", len(said), len(all), err)
	}
	verifiers := map[string]int{"standard": 2, "hub": 1, "event": 1}
	for i, of := range said {
		tr := &all[i]
		if len(of) != verifiers[tr.Form] {
			t.Errorf("%s: got the answers of %d verifiers, want %d", tr.name, len(of), verifiers[tr.Form])
		}
		for name, a := range of {
			switch {
			case !a.OK:
				err = errors.New(a.Error)
			case tr.Form == "event" && (a.ID != tr.Headers["webhook-id"] || a.Type != tr.Headers["ce-type"]):
				err = fmt.Errorf("read as event %q of type %q", a.ID, a.Type)
			default:
				err = nil
			}
			judge(t, name, tr, err)
		}
	}
}

// tryWebhook posts to the program webhook with the hooks that docs/webhooks.md prints. The
// command is echo, so that the answer shows what it was given.
func tryWebhook(t *testing.T, all []trial) {
	path := peertest.Need(t, "webhook")
	hooks, err := os.ReadFile("verifiers/hooks.json")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "hooks.json")
	if err := os.WriteFile(file, bytes.Replace(hooks, []byte("/usr/local/bin/on-relgate"), []byte("echo"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{oldSecret, newSecret, plainSecret, ownSecret} {
		t.Setenv("RELGATE_WEBHOOK_SECRET", secret)
		address := freeAddress(t)
		host, port, err := net.SplitHostPort(address)
		if err != nil {
			t.Fatal(err)
		}
		start(t, path, "-hooks", file, "-template", "-ip", host, "-port", port)
		untilReady(t, "http://"+address+"/")
		accepted := 0
		for i := range all {
			tr := &all[i]
			if tr.Form != "hub" || tr.Secret != secret {
				continue
			}
			err := postTo("http://"+address+"/hooks/relgate", tr)
			judge(t, "webhook", tr, err)
			if err == nil {
				accepted++
			}
		}
		if want := len(everyKind()) + 1; accepted < want {
			t.Errorf("webhook accepted %d with secret %q, want at least %d", accepted, secret, want)
		}
	}
}

// postTo is an error unless the command was run, with the event's type and id.
func postTo(url string, tr *trial) error {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(tr.Body))
	if err != nil {
		return err
	}
	req.Header = tr.header()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if want := tr.Headers["ce-type"] + " " + tr.Headers["webhook-id"] + "\n"; resp.StatusCode != http.StatusOK || string(answer) != want {
		return fmt.Errorf("answered %d %q, want 200 %q", resp.StatusCode, answer, want)
	}
	return nil
}
