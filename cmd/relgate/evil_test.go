package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// evil is a text of everything that has ever shown as something else.
const evil = "lunch\nPASS (passed): all good\r\x1b[2K\u202e\u2066\u009b1A\u200b\U000e0041\x00 ::error::x ::warning file=a::b <img src=x onerror=y> [a](javascript:b) 100%0A\u2028|`x`\xff\xfe"

// names are the fields that say what an answer is about: their texts are checked where
// they are made, and an answer with others is not relgate's.
var names = map[string]bool{"Plan": true, "Run": true, "Version": true, "ID": true, "Name": true, "Kind": true, "Subject": true, "Phase": true, "To": true, "From": true, "UID": true}

// poison puts the evil text into every text below a value, but for names and words of
// relgate's own.
func poison(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			poison(v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() && !names[f.Name] {
				poison(v.Field(i))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			poison(v.Index(i))
		}
	case reflect.Map:
		if v.Type() == reflect.TypeFor[map[string]string]() && !v.IsNil() {
			v.SetMapIndex(reflect.ValueOf(evil), reflect.ValueOf(evil))
		}
	case reflect.String:
		if v.Type() == reflect.TypeFor[string]() && v.CanSet() {
			v.SetString(evil)
		}
	}
}

// poisoned is a run that an older relgate has journalled, which took every text as it came.
func poisoned(state rules.State, verdict rules.Verdict) (wire.RunView, []fact.Stored) {
	v := release(state, verdict, func(s *fact.Snapshot) {
		s.Held, s.Holder = state == rules.Monitoring, fact.Holder{By: "x", Principal: "x", Cause: rules.CauseManual, Text: "x"}
		if s.Held {
			s.State = rules.Held
		}
		s.Rollback = []fact.RuleView{{Name: "high", Title: "x", Kind: rules.RollbackRule, State: fact.RuleHolding, Owner: "x", Action: "x", Command: "x", Query: "x", Evidence: fact.Evidence{Note: "x", Signal: "x", Held: "x", For: "x"}}}
		s.Signals = []fact.SignalView{{Name: "errors", Source: "cw", Fault: rules.Unavailable, Detail: "x", Failures: 3}}
		s.Phases[0].Success = []fact.RuleView{{Name: "few", Title: "x", Kind: rules.Success, Owner: "x", Evidence: fact.Evidence{Note: "x"}}}
		s.Phases[0].Why = fact.Why{Code: fact.WhyOverridden, Phase: "ten", By: "x", Principal: "x", Text: "x"}
	}).Runs[0]
	v.Plan.Manager = "x"
	v.Plan.Rules = []rules.Rule{{Name: "high", Kind: rules.RollbackRule, Title: "x", Owner: "x", Action: "x", Command: "x"}, {Name: "few", Kind: rules.Success, Title: "x"}}
	v.Plan.Binding.Parameters = map[string]string{"p": "x"}
	binding := v.Plan.Binding
	poison(reflect.ValueOf(v.Plan).Elem())
	v.Plan.Binding.Run, v.Plan.Binding.UID = binding.Run, binding.UID
	poison(reflect.ValueOf(&v.Snapshot).Elem())
	var events []fact.Stored
	for _, e := range []fact.Event{
		{Kind: fact.RunEvent, Subject: "shop", To: "waiting", Why: fact.Why{Code: fact.WhyRunBegun}, Begun: &fact.Release{Parameters: map[string]string{"p": "x"}}},
		{Kind: fact.CommandEvent, Subject: "hold", To: "applied", Why: fact.Why{Code: fact.WhyCommanded}},
		{Kind: fact.CommandEvent, Subject: "dance", To: "refused", Why: fact.Why{Code: fact.WhyUnknownCommand}},
		{Kind: fact.CommandEvent, Subject: "supersede", To: "applied", Why: fact.Why{Code: fact.WhyCommanded}},
		{Kind: fact.SignalEvent, Subject: "errors", To: "unavailable", Why: fact.Why{Code: fact.WhySignalFault}},
		{Kind: fact.RuleEvent, Subject: "high", To: "fired", Why: fact.Why{Code: fact.WhyMeasured}, Evidence: &fact.Evidence{Note: "x"}},
		{Kind: fact.CommunicationEvent, Subject: "banner", To: "due", Why: fact.Why{Code: fact.WhyMessageDue}},
		{Kind: fact.PlanEvent, Subject: "shop", To: "edited", Why: fact.Why{Code: fact.WhyPlanEdited}, Edit: &fact.Edit{Changes: []rules.Change{{}}}},
	} {
		e.Plan, e.Run, e.Version, e.N, e.At = "shop", "shop@1.0.1", "1.0.1", uint64(len(events)+1), releaseStart
		e.ID = fmt.Sprintf("shop@1.0.1.k3v9/%d", e.N)
		code := e.Why.Code
		poison(reflect.ValueOf(&e).Elem())
		e.Why.Code = code
		events = append(events, fact.Stored{Run: e.Run, Event: e})
	}
	return v, events
}

// poisonedDesk is the past and the desk of a gate whose every text is evil.
type poisonedDesk struct {
	run    wire.RunView
	events []fact.Stored
	err    error
}

func (c poisonedDesk) Run(context.Context, string) (*wire.RunView, error) { return &c.run, nil }
func (c poisonedDesk) Find(context.Context, string, string) (*wire.RunView, error) {
	return &c.run, nil
}
func (c poisonedDesk) Runs(context.Context, string, int) ([]fact.RunRecord, error) {
	return []fact.RunRecord{{ID: c.run.ID(), Plan: "shop", Version: "1.0.1", State: rules.Monitoring}}, nil
}
func (c poisonedDesk) Events(_ context.Context, _ string, after uint64, _ int) ([]fact.Stored, error) {
	return c.events[min(int(after), len(c.events)):], nil
}
func (c poisonedDesk) StartRun(context.Context, string, gate.StartRequest) (gate.StartAnswer, error) {
	return gate.StartAnswer{Run: c.run, Created: true}, c.err
}
func (c poisonedDesk) Command(context.Context, string, string, fact.Command) (fact.Event, error) {
	return c.events[1].Event, c.err
}

// TestNoTextShowsAsSomethingElse: whatever stands in a plan, a request, an upstream's
// answer or an older journal, no body, no header, no line of the terminal, of a job's
// log or of the daemon's own log holds a raw control character or a line that is forged.
func TestNoTextShowsAsSomethingElse(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("GITHUB_OUTPUT", filepath.Join(dir, "output"))
	t.Setenv("GITHUB_STEP_SUMMARY", filepath.Join(dir, "summary"))
	for _, tt := range []struct {
		state   rules.State
		verdict rules.Verdict
		err     error
	}{
		{rules.Monitoring, rules.Pending, nil},
		{rules.Passed, rules.Pass, nil},
		{rules.RolledBack, rules.Rollback, &gate.Refused{Run: "shop@1.0.1", Reason: evil}},
		{rules.Failed, rules.Fail, &gate.BadStart{Reason: evil}},
		{rules.Monitoring, rules.Unknown, errors.New(evil)},
	} {
		run, events := poisoned(tt.state, tt.verdict)
		c := poisonedDesk{run, events, tt.err}
		var log bytes.Buffer
		g, err := gate.New(gate.Config{
			Now: run.Snapshot.At.UTC, OpenCommands: true, Commander: c, Starter: c, Past: c, Log: newLog(&log, "debug", "json"),
		})
		if err != nil {
			t.Fatal(err)
		}
		file := gate.File{State: gate.FileBroken, Reason: evil}
		g.Update(gate.Views{Plans: []gate.PlanView{{Name: "shop", Title: evil, Version: "1.0.1", Phases: []string{"ten", "all"}, File: file, Runs: []wire.RunView{run}}}})
		answers := 0
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen := httptest.NewRecorder()
			g.Handler().ServeHTTP(seen, r)
			answers++
			checkAnswer(t, r.Method+" "+r.URL.String(), seen)
			for name, values := range seen.Header() {
				w.Header()[name] = values
			}
			w.WriteHeader(seen.Code)
			_, _ = w.Write(seen.Body.Bytes())
		}))
		for _, args := range [][]string{
			{"gate", "check", "shop", "ten"}, {"gate", "check", "shop", "ten", "-o", "json"}, {"gate", "check", "shop", "ten", "-o", "github"}, {"gate", "check", "shop", "ten", "-o", "gitlab"},
			{"gate", "check", "shop", "ten", "--entry"}, {"gate", "check", "shop"}, {"gate", "verdict", "shop", "ten"}, {"gate", "wait", "shop", "ten", "--timeout", "50ms"},
			{"gate", "check", "shop", evil}, {"gate", "check", evil},
			{"explain", "shop"}, {"explain", "shop", "--all"}, {"explain", "shop", "-o", "json"},
			{"runs"}, {"runs", "-o", "json"}, {"runs", "shop@1.0.1"}, {"runs", "shop@1.0.1", "-o", "json"}, {"runs", "shop@" + evil},
			{"start", "shop", "--version", "1.0.1"}, {"start", "shop", "--version", "1.0.1", "-o", "json"}, {"start", "shop", "--version", evil}, {"start", "shop", "--version", "1.0.1", "--set", "a=" + evil},
			{"hold", "--plan", "shop", "--by", "a", "--why", "b"}, {"hold", "--plan", "shop", "--by", evil, "--why", "b"}, {"hold", "--plan", "shop", "--by", "a", "--why", evil}, {"hold", "--plan", "shop", "--by", "a", "--why", "b", "--id", evil},
			{"phase", "start", evil, "--plan", "shop", "--by", "a", "--why", "b"}, {"override", "pass", evil, "--plan", "shop", "--by", "a", "--why", "b"},
		} {
			_, out, errs := command(t, append(args, "--url", srv.URL)...)
			checkSafe(t, fmt.Sprintf("%v, %q", tt.verdict, args), out+errs)
			if args[len(args)-1] == "json" && out != "" && !json.Valid([]byte(out)) {
				t.Errorf("%q: %q is not JSON", args, out)
			}
		}
		srv.Close()
		checkSafe(t, "log", log.String())
		if answers < 20 {
			t.Errorf("%v: the gate was asked %d times only: the test proves little", tt.verdict, answers)
		}
	}
	checkFiles(t, dir)
}

// checkAnswer looks for raw characters in a body and in every header.
func checkAnswer(t *testing.T, what string, w *httptest.ResponseRecorder) {
	t.Helper()
	if class := rules.UnsafeIn(strings.TrimSuffix(w.Body.String(), "\n")); class != "" {
		t.Errorf("%s: the body holds %s: %q", what, class, w.Body)
	}
	for name, values := range w.Header() {
		for _, v := range values {
			if class := rules.UnsafeIn(v); class != "" {
				t.Errorf("%s: header %s holds %s: %q", what, name, class, v)
			}
		}
	}
}

// TestDeliveriesShowNoForgedText: of an endpoint's error, which a receiver wrote.
func TestDeliveriesShowNoForgedText(t *testing.T) {
	list := deliveryList{Endpoints: []endpointBody{{Endpoint: evil, Class: evil, LastError: evil, DeadLetters: []deadBody{{Event: evil, Reason: evil}}, Answers: []answerBody{{Event: evil, Answer: evil}}}}}
	w := httptest.NewRecorder()
	writeJSON(w, http.StatusOK, list)
	checkAnswer(t, "the list", w)
	raw, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{fake(t, 200, "application/json", string(raw)), fake(t, 200, "text/plain", evil), fake(t, 404, "application/problem+json", `{"status":404,"title":"`+strings.ToValidUTF8(strings.Map(printable, evil), "")+`"}`), fake(t, 500, "text/html", evil)} {
		for _, args := range [][]string{{"list"}, {"list", "-o", "json"}, {"retry", "x"}, {"replay", "x", "--since", "2025-06-04T02:00:00Z"}} {
			_, out, errs := command(t, append(append([]string{"deliveries"}, args...), "--url", url)...)
			checkSafe(t, fmt.Sprint(args), out+errs)
		}
	}
}

// printable drops what JSON cannot hold raw.
func printable(r rune) rune {
	if r < ' ' {
		return -1
	}
	return r
}

// TestALogHoldsNoForgedLine: in both forms, whatever kind of value it is in.
func TestALogHoldsNoForgedLine(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		var b bytes.Buffer
		newLog(&b, "info", format).Info("event", "by", evil, "err", errors.New(evil), "list", []string{evil}, evil, "x")
		checkSafe(t, format, b.String())
		if n := strings.Count(b.String(), "\n"); n != 1 {
			t.Errorf("%s: %d lines, want one: %q", format, n, b.String())
		}
		if format == "json" && !json.Valid(b.Bytes()) {
			t.Errorf("%q is not JSON", b.String())
		}
	}
}

// TestADemoShowsNoForgedText: lines, JSON and the live view, of a plan whose texts are evil.
func TestADemoShowsNoForgedText(t *testing.T) {
	run, events := poisoned(rules.RolledBack, rules.Rollback)
	var out bytes.Buffer
	s := &summary{Headline: evil, Sentence: evil, Do: evil, Command: evil, Who: evil}
	line := &linePresenter{out: &out, err: io.Discard, plan: run.Plan}
	live := screen{w: &out, size: func() (int, int) { return 200, 60 }}
	for i := range events {
		if err := line.event(run.Plan, &events[i].Event, nil); err != nil {
			t.Fatal(err)
		}
		if err := (&jsonPresenter{out: &out}).event(run.Plan, &events[i].Event, nil); err != nil {
			t.Fatal(err)
		}
		live.event(run.Plan, &events[i].Event, nil)
	}
	if err := errors.Join(line.summary(s), (&jsonPresenter{out: &out}).summary(s)); err != nil {
		t.Fatal(err)
	}
	checkSafe(t, "demo", out.String())
	out.Reset()
	live.draw(&runner.RunView{Plan: run.Plan, Record: fact.RunRecord{ID: run.ID()}, Snapshot: run.Snapshot}, true)
	checkSafe(t, "screen", strings.NewReplacer("\x1b[2K", "", "\x1b[J", "").Replace(out.String()))
}
