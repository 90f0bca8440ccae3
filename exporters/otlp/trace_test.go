package otlp_test

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/otlp"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/exporters/wire"
)

var update = flag.Bool("update", false, "write what tests compare")

var t0 = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

// happened is the nth event of a run, some minutes after its start.
func happened(n uint64, minute int, kind, subject, from, to string) wire.EventBody {
	e := wire.EventBody{
		Kind: kind, Type: "relgate." + kind + "." + to, Severity: "info", ID: fmt.Sprintf("shop@1.2.0.k3v9/%d", n), N: n, Plan: "shop", Run: "shop@1.2.0", Version: "1.2.0",
		Subject: subject, From: from, To: to, At: new(t0.Add(time.Duration(minute) * time.Minute)), Headline: strings.ToUpper(to) + ": " + subject,
	}
	if kind != "run" {
		e.Phase = subject
	}
	return e
}

// story is a run that is held, rolled back, found to be right after all, and passes.
var story = []wire.EventBody{
	happened(1, 0, "run", "shop", "", "waiting"),
	happened(2, 5, "phase", "ten", "waiting", "monitoring"),
	happened(3, 5, "run", "shop", "waiting", "monitoring"),
	happened(4, 6, "rule", "errors", "clear", "breaching"),
	happened(5, 7, "rule", "errors", "breaching", "holding"),
	happened(6, 7, "run", "shop", "monitoring", "held"),
	happened(7, 7, "phase", "ten", "monitoring", "held"),
	happened(8, 9, "command", "resume", "", "applied"),
	happened(9, 9, "run", "shop", "held", "monitoring"),
	happened(10, 9, "phase", "ten", "held", "monitoring"),
	happened(11, 20, "phase", "ten", "monitoring", "passed"),
	happened(12, 20, "verdict", "ten", "pending", "pass"),
	happened(13, 20, "phase", "all", "waiting", "monitoring"),
	happened(14, 30, "rule", "errors", "clear", "fired"),
	happened(15, 30, "run", "shop", "monitoring", "rolled_back"), // the first end
	happened(16, 30, "phase", "all", "monitoring", "rolled_back"),
	happened(17, 30, "verdict", "all", "pending", "rollback"),
	happened(18, 30, "phase", "later", "waiting", "rolled_back"),
	happened(19, 40, "command", "override", "", "applied"),
	happened(20, 40, "run", "shop", "rolled_back", "monitoring"),
	happened(21, 40, "phase", "all", "rolled_back", "monitoring"),
	happened(22, 60, "phase", "all", "monitoring", "passed"),
	happened(23, 60, "verdict", "all", "pending", "pass"),
	happened(24, 60, "run", "shop", "monitoring", "passed"), // the second
	happened(25, 90, "run", "shop", "passed", "superseded"), // the third
}

// call is what is posted of an event of a run; nil where there is nothing.
func call(t *testing.T, events []wire.EventBody, n uint64) *format.Call {
	t.Helper()
	f := format.Facts{}
	for _, e := range events {
		switch {
		case e.N < n:
			f.Earlier = append(f.Earlier, e)
		case e.N == n:
			f.ID, f.Type, f.Event = e.ID, e.Type, e
		default:
			f.Later = append(f.Later, e)
		}
	}
	c, err := otlp.Format("1.0").Open(format.Endpoint{URL: "http://127.0.0.1:4318/v1/traces", External: "https://gate.example"})(f)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type span struct {
	TraceID, SpanID, ParentSpanID, Name string
	StartTimeUnixNano, EndTimeUnixNano  string
	Events                              []struct{ TimeUnixNano, Name string }
	DroppedEventsCount                  int
	Status                              struct {
		Code    int
		Message string
	}
}

func spans(t *testing.T, c *format.Call) []span {
	t.Helper()
	var r struct {
		ResourceSpans []struct{ ScopeSpans []struct{ Spans []span } }
	}
	if err := json.Unmarshal(c.Body, &r); err != nil || len(r.ResourceSpans) != 1 || len(r.ResourceSpans[0].ScopeSpans) != 1 {
		t.Fatalf("%v: %s", err, c.Body)
	}
	return r.ResourceSpans[0].ScopeSpans[0].Spans
}

// minutes writes a time of a span.
func minutes(t *testing.T, nanos string) float64 {
	t.Helper()
	n, err := strconv.ParseInt(nanos, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n - t0.UnixNano()).Minutes()
}

// drawn writes spans as lines, and checks that they make one trace.
func drawn(t *testing.T, list []span) string {
	t.Helper()
	var b strings.Builder
	for i, s := range list {
		for what, v := range map[string]struct {
			id    string
			bytes int
		}{"trace": {s.TraceID, 16}, "span": {s.SpanID, 8}} {
			if raw, err := hex.DecodeString(v.id); err != nil || len(raw) != v.bytes || strings.Trim(v.id, "0") == "" {
				t.Errorf("%s id %q", what, v.id)
			}
		}
		if s.TraceID != list[0].TraceID || i > 0 && s.ParentSpanID != list[0].SpanID {
			t.Errorf("%s is not below the first span", s.Name)
		}
		fmt.Fprintf(&b, "%v-%v %s %d", minutes(t, s.StartTimeUnixNano), minutes(t, s.EndTimeUnixNano), s.Name, s.Status.Code)
		for _, e := range s.Events {
			fmt.Fprintf(&b, " %v:%s", minutes(t, e.TimeUnixNano), strings.TrimPrefix(e.Name, "relgate."))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func TestATraceOfARun(t *testing.T) {
	ids := map[string]bool{}
	var root, trace string
	for _, tt := range []struct {
		n    uint64
		want string
	}{
		{15, `0-30 release shop 1.2.0 2 5:run.monitoring 7:rule.holding 7:run.held 9:command.applied 9:run.monitoring 30:rule.fired 30:run.rolled_back
5-20 phase ten 1 20:verdict.pass
20-30 phase all 2 30:verdict.rollback
`},
		{24, `30-60 after rolled_back 1 40:command.applied 40:run.monitoring 60:run.passed
40-60 phase all 1 60:verdict.pass
`},
		{25, `60-90 after passed 0 90:run.superseded
`},
	} {
		c := call(t, story, tt.n)
		list := spans(t, c)
		if got := drawn(t, list); got != tt.want {
			t.Errorf("end %d:\n%swant\n%s", tt.n, got, tt.want)
		}
		if root == "" {
			root, trace = list[0].SpanID, list[0].TraceID
		} else if list[0].ParentSpanID != root || list[0].TraceID != trace {
			t.Errorf("end %d is not below the first", tt.n)
		}
		for _, s := range list {
			if ids[s.SpanID] {
				t.Errorf("end %d: span %s is sent again as %s", tt.n, s.SpanID, s.Name)
			}
			ids[s.SpanID] = true
		}
		// What is repeated, and what is sent late, is the same.
		if again := call(t, story, tt.n); string(again.Body) != string(c.Body) {
			t.Errorf("end %d is another trace on another attempt", tt.n)
		}
		soon := story
		for i, e := range story {
			if e.N > tt.n && !e.At.Equal(*story[tt.n-1].At) {
				soon = story[:i]
				break
			}
		}
		if early := call(t, soon, tt.n); string(early.Body) != string(c.Body) {
			t.Errorf("end %d is another trace when it is sent at once", tt.n)
		}
	}
	for _, e := range story {
		if end := e.N == 15 || e.N == 24 || e.N == 25; end != (call(t, story, e.N) != nil) {
			t.Errorf("event %d: is the end of a run: %v", e.N, end)
		}
	}
}

// The form of a request, as a file.
func TestTheFormOfARequest(t *testing.T) {
	var b any
	if err := json.Unmarshal(call(t, story, 15).Body, &b); err != nil {
		t.Fatal(err)
	}
	got, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	const path = "testdata/request.json"
	if *update {
		if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != string(got)+"\n" {
		t.Errorf("%v, %s is not what is posted: go test ./exporters/otlp -update\n%s", err, path, got)
	}
}

// Runs of other names, tries and journals have traces of their own.
func TestIdsAreTheRunsOwn(t *testing.T) {
	seen := map[string]string{}
	for _, run := range []string{"shop@1.2.0.k3v9", "shop@1.2.0~2.k3v9", "shop@1.2.0.a1b2", "shop@1.2/0.k3v9", "shop2@1.2.0.k3v9"} {
		e := happened(1, 0, "run", "shop", "monitoring", "passed")
		e.ID = run + "/1"
		list := spans(t, call(t, []wire.EventBody{e}, 1))
		if other := seen[list[0].TraceID]; other != "" {
			t.Errorf("%s has the trace of %s", run, other)
		}
		seen[list[0].TraceID] = run
	}
}

// Two ends in one tick, a phase that goes on through an end, one that is open at it, and
// texts and events beyond all measure.
func TestRunsThatEndOddly(t *testing.T) {
	two := []wire.EventBody{
		happened(1, 0, "run", "shop", "", "monitoring"),
		happened(2, 0, "phase", "ten", "waiting", "monitoring"),
		happened(3, 0, "phase", "all", "waiting", "monitoring"),
		happened(4, 5, "run", "shop", "monitoring", "failed"),
		happened(5, 5, "phase", "ten", "monitoring", "failed"),
		happened(6, 9, "run", "shop", "failed", "rolled_back"),
		happened(7, 9, "phase", "all", "monitoring", "rolled_back"),
		happened(8, 9, "run", "shop", "rolled_back", "superseded"),
	}
	for n, want := range map[uint64]string{
		4: "0-5 release shop 1.2.0 2 0:run.monitoring 5:run.failed\n0-5 phase ten 2\n0-5 phase all 2\n",
		6: "5-9 after failed 2 9:run.rolled_back 9:run.superseded\n5-9 phase all 2\n",
		8: "9-9 after rolled_back 0\n",
	} {
		if got := drawn(t, spans(t, call(t, two, n))); got != want {
			t.Errorf("end %d:\n%swant\n%s", n, got, want)
		}
	}
	var many []wire.EventBody
	for n := range uint64(500) {
		many = append(many, happened(n+1, int(n), "rule", "errors", "clear", "fired"))
	}
	last := happened(501, 501, "run", "shop", "monitoring", "failed")
	last.Headline = strings.Repeat("ü", 5000) + "\xff"
	list := spans(t, call(t, append(many, last), 501))
	if s := list[0]; len(s.Events) != 128 || s.DroppedEventsCount != 373 || len(s.Status.Message) > 1024 || !strings.HasSuffix(s.Status.Message, "ü…") {
		t.Errorf("%d events, %d left out, message of %d bytes", len(s.Events), s.DroppedEventsCount, len(s.Status.Message))
	}
	bare := wire.EventBody{Kind: "run", To: "passed", ID: "", N: 1}
	if c := call(t, []wire.EventBody{bare}, 1); c != nil {
		t.Errorf("an end without a time: %s", c.Body)
	}
	bare.At = new(time.Time{})
	if c := call(t, []wire.EventBody{bare}, 1); c == nil {
		t.Error("an end without an id is not told")
	}
}

func TestAnswers(t *testing.T) {
	read := call(t, story, 15).Read
	for _, tt := range []struct {
		status        int
		body          string
		done, refused bool
		kept          string
	}{
		{200, `{}`, true, false, ""},
		{200, `{"partialSuccess":{}}`, true, false, ""},
		{200, `{"partialSuccess":{"rejectedSpans":"2","errorMessage":"secret"}}`, true, false, "2 of its spans were not taken"},
		{200, `{"partialSuccess":{"rejectedSpans":2}}`, true, false, "2 of its spans were not taken"},
		{200, ``, true, false, ""},
		{202, `<html>`, true, false, ""},
		{302, ``, false, false, ""},
		{400, `{"message":"secret"}`, false, true, ""},
		{413, ``, false, true, ""},
		{401, ``, false, false, ""},
		{404, ``, false, false, ""},
		{429, ``, false, false, ""},
		{503, ``, false, false, ""},
	} {
		if got := read(format.Answer{Status: tt.status, Body: []byte(tt.body)}); got.Done != tt.done || got.Refused != tt.refused || got.Kept != tt.kept {
			t.Errorf("%d %s: %+v", tt.status, tt.body, got)
		}
	}
}

func TestAddress(t *testing.T) {
	for in, want := range map[string]string{
		"http://127.0.0.1:4318":           "http://127.0.0.1:4318/v1/traces",
		"http://127.0.0.1:4318/":          "http://127.0.0.1:4318/v1/traces",
		"https://o.example/otlp":          "https://o.example/otlp/v1/traces",
		"https://o.example/otlp/":         "https://o.example/otlp/v1/traces",
		"https://o.example/x/v1/traces":   "https://o.example/x/v1/traces",
		"https://o.example/otlp?tenant=1": "https://o.example/otlp/v1/traces?tenant=1",
	} {
		if got := otlp.Address(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}
