package gate_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/rules"
)

// wantStatus is the table of the contract, written out.
var wantStatus = map[string]map[string]int{
	"gate":     {"pass": 200, "pending": 503, "unknown": 503, "fail": 409, "rollback": 409},
	"verdict":  {"pass": 200, "pending": 200, "unknown": 200, "fail": 200, "rollback": 200},
	"rollback": {"pass": 409, "pending": 409, "unknown": 409, "fail": 409, "rollback": 200},
}

func TestViews(t *testing.T) {
	for verdict, edit := range situations() {
		g, _ := newGate(t, gate.Config{}, view(planName, edit))
		for viewName, statuses := range wantStatus {
			for _, method := range []string{"GET", "HEAD", "POST"} {
				for _, accept := range []string{"", "text/plain", "*/*"} {
					for _, query := range []string{"", "?pending=425", "?pending=429", "?pending=503", "?after=3", "?wait=1ms"} {
						for _, phase := range []string{"ten", "current"} {
							target := "/v1/gates/" + planName + "/" + phase + "/" + viewName + query
							t.Run(fmt.Sprintf("%s/%s %s %q", verdict, method, target, accept), func(t *testing.T) {
								want := statuses[verdict]
								if want == 503 && strings.HasPrefix(query, "?pending=") {
									fmt.Sscanf(query, "?pending=%d", &want)
								}
								res := ask(g.Handler(), method, target, "", "Accept", accept)
								checkAnswer(t, res, method, viewName, verdict, accept == "text/plain", want)
								checkContract(t, method, target, res, "")
							})
						}
					}
				}
			}
		}
	}
}

// checkAnswer reads the body and puts it back.
func checkAnswer(t *testing.T, res *http.Response, method, viewName, verdict string, text bool, status int) {
	t.Helper()
	if res.StatusCode != status {
		t.Errorf("status %d, want %d", res.StatusCode, status)
	}
	h := res.Header
	final := verdict == "pass" || verdict == "fail" || verdict == "rollback"
	cache, etag := "no-store", false
	if viewName == "verdict" {
		cache, etag = "private, max-age=0, must-revalidate", true
	}
	if got := h.Get("Gate-Verdict"); got != verdict {
		t.Errorf("Gate-Verdict %q, want %q", got, verdict)
	}
	if got := h.Get("Gate-Generation"); got != "5" {
		t.Errorf("Gate-Generation %q, want 5", got)
	}
	if got := h.Get("Cache-Control"); got != cache {
		t.Errorf("Cache-Control %q, want %q", got, cache)
	}
	if got := h.Get("Etag") != ""; got != etag {
		t.Errorf("an ETag is %v, want %v", got, etag)
	}
	if got, want := h.Get("Retry-After"), map[bool]string{false: "5", true: ""}[final]; got != want {
		t.Errorf("Retry-After %q, want %q", got, want)
	}
	b := readBack(t, res)
	if method == "HEAD" {
		if len(b) > 0 {
			t.Errorf("HEAD has a body of %d bytes", len(b))
		}
		return
	}
	sum := sha256.Sum256(b)
	if got, want := h.Get("Content-Digest"), "sha-256=:"+base64.StdEncoding.EncodeToString(sum[:])+":"; got != want {
		t.Errorf("Content-Digest %q, want %q", got, want)
	}
	if text {
		if string(b) != verdict || h.Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("text %q as %q, want %q", b, h.Get("Content-Type"), verdict)
		}
		return
	}
	var body gate.Body
	if err := json.Unmarshal(b, &body); err != nil {
		t.Fatal(err)
	}
	if body.Verdict != verdict || body.Pass != (verdict == "pass") || body.Final != final {
		t.Errorf("verdict %q, pass %v, final %v, want %q, %v, %v", body.Verdict, body.Pass, body.Final, verdict, verdict == "pass", final)
	}
	want := map[string]string{"pass": "proceed", "fail": "stop", "rollback": "rollback", "pending": "hold", "unknown": "hold"}[verdict]
	if body.Action != want {
		t.Errorf("action %q, want %q", body.Action, want)
	}
}

func readBack(t *testing.T, res *http.Response) []byte {
	t.Helper()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	res.Body = io.NopCloser(strings.NewReader(string(b)))
	return b
}

// body asks for the verdict of a phase.
func body(t *testing.T, g *gate.Gate, phase string) gate.Body {
	t.Helper()
	res := ask(g.Handler(), "GET", "/v1/gates/"+planName+"/"+phase+"/verdict", "")
	var b gate.Body
	if err := json.NewDecoder(res.Body).Decode(&b); err != nil || res.StatusCode != 200 {
		t.Fatalf("status %d, %v", res.StatusCode, err)
	}
	return b
}

func TestBody(t *testing.T) {
	g, _ := newGate(t, gate.Config{BaseURL: "https://gate.example/"}, view(planName))
	b := body(t, g, "ten")
	for _, tt := range []struct {
		what      string
		got, want any
	}{
		{"apiVersion", b.APIVersion, "gate/v1"},
		{"percent", b.PercentComplete, 33},
		{"summary", b.Summary, "monitoring window 5m of 15m; 1 of 3 rules good, 1 bad, 1 without an answer"},
		{"evaluatedAt", b.EvaluatedAt, t0.Add(now5)},
		{"dataAsOf", *b.DataAsOf, t0.Add(4 * time.Minute)},
		{"expiresAt", *b.ExpiresAt, t0.Add(now5 + 90*time.Second)},
		{"nextEvaluationAt", *b.NextEvaluationAt, t0.Add(now5 + 30*time.Second)},
		{"traffic", b.Traffic.TargetPercent, 10.0},
		{"self", b.Links.Self, "https://gate.example/v1/gates/REL-1/ten/verdict"},
		{"policy", b.Policy.URI, "https://gate.example/v1/plans/REL-1"},
		{"policy's digest", len(*b.Policy.Digest.SHA256), 64},
		{"rules", len(b.Rules), 3},
		{"success result", b.Rules[0].Result, "pending"},
		{"success value in per cent", *b.Rules[0].Value, 0.38},
		{"success threshold", *b.Rules[0].Threshold, 1.0},
		{"unit", b.Rules[0].Unit, "%"},
		{"rollback result", b.Rules[1].Result, "breaching"},
		{"rollback value", *b.Rules[1].Value, 5.0},
		{"silent result", b.Rules[2].Result, "no_data"},
		{"silent value", b.Rules[2].Value, (*float64)(nil)},
		{"silent threshold from the plan", *b.Rules[2].Threshold, 98.0},
		{"silent op from the plan", b.Rules[2].Op, "<"},
		{"silent signal from the plan", b.Rules[2].Signal, "crash_free"},
		{"override", b.Override, (*gate.Override)(nil)},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.what, tt.got, tt.want)
		}
	}
	later := body(t, g, "all")
	if want := "waiting, planned for 2025-06-04T02:20:00Z; 0 of 2 rules good, 1 bad"; later.Summary != want {
		t.Errorf("summary %q, want %q", later.Summary, want)
	}
	if later.Window.Start != nil || later.PercentComplete != 0 {
		t.Errorf("a phase that has not begun has a window from %v, %d %%", later.Window.Start, later.PercentComplete)
	}
}

// TestPercentComplete: a phase that was decided early had not been watched to its
// end, however late one asks.
func TestPercentComplete(t *testing.T) {
	start, end := t0, t0.Add(15*time.Minute)
	for _, tt := range []struct {
		about   string
		state   rules.State
		at      time.Duration // of the newest tick
		decided time.Duration // 0: it is not
		want    int
	}{
		{"under way", rules.Monitoring, 5 * time.Minute, 0, 33},
		{"its window has ended", rules.Monitoring, 20 * time.Minute, 0, 100},
		{"decided in the middle", rules.RolledBack, 6 * time.Minute, 6 * time.Minute, 40},
		{"and asked about much later", rules.RolledBack, time.Hour, 6 * time.Minute, 40},
		{"passed by hand", rules.Passed, time.Hour, 3 * time.Minute, 20},
		{"decided as its window ended", rules.Passed, time.Hour, 15 * time.Minute, 100},
		{"decided after its window", rules.Failed, time.Hour, 40 * time.Minute, 100},
	} {
		g, _ := newGate(t, gate.Config{}, view(planName, func(s *evaluator.Snapshot) {
			p := &s.Phases[0]
			s.At, p.State, p.Started, p.WindowEnd = t0.Add(tt.at), tt.state, start, end
			if tt.decided > 0 {
				p.Decided = t0.Add(tt.decided)
			}
		}))
		if got := body(t, g, "ten").PercentComplete; got != tt.want {
			t.Errorf("%s: %d %% of the window, want %d %%", tt.about, got, tt.want)
		}
	}
	g, _ := newGate(t, gate.Config{}, view(planName, func(s *evaluator.Snapshot) {
		s.Phases[1].State, s.Phases[1].Decided = rules.RolledBack, s.At
	}))
	if got := body(t, g, "all").PercentComplete; got != 0 {
		t.Errorf("rolled back before it began: %d %% of its window, want none", got)
	}
}

func TestOverride(t *testing.T) {
	g, _ := newGate(t, gate.Config{}, view(planName, func(s *evaluator.Snapshot) {
		decide(rules.Passed, rules.Pass, rules.CauseManual)(s)
		s.Phases[0].By, s.Phases[0].Why = "alice", "the alarm was a test"
	}))
	o := body(t, g, "ten").Override
	if o == nil || o.By != "alice" || o.Verdict != "pass" || !o.At.Equal(t0.Add(now5)) {
		t.Errorf("override %+v", o)
	}
}

func TestRollbackClosesEveryGate(t *testing.T) {
	// The first phase passed before the run was rolled back.
	g, _ := newGate(t, gate.Config{}, view(planName, decide(rules.RolledBack, rules.Rollback, rules.CauseThreshold), func(s *evaluator.Snapshot) {
		s.Phases[0].State, s.Phases[0].Verdict = rules.Passed, rules.Pass
	}))
	for _, phase := range []string{"ten", "all"} {
		if res := ask(g.Handler(), "GET", "/v1/gates/REL-1/"+phase+"/gate", ""); res.StatusCode != 409 {
			t.Errorf("%s: gate %d while the run is rolled back, want 409", phase, res.StatusCode)
		}
		if res := ask(g.Handler(), "GET", "/v1/gates/REL-1/"+phase+"/rollback", ""); res.StatusCode != 200 {
			t.Errorf("%s: rollback %d while the run is rolled back, want 200", phase, res.StatusCode)
		}
	}
}

func TestStale(t *testing.T) {
	passing := func(s *evaluator.Snapshot) { s.Phases[0].Verdict = rules.Pass } // and not decided
	over := func(s *evaluator.Snapshot) { s.Over = true }
	for _, tt := range []struct {
		about string
		edit  func(*evaluator.Snapshot)
		age   time.Duration
		want  string
		gate  int
	}{
		{"pending three intervals later is still pending", situations()["pending"], 90 * time.Second, "pending", 503},
		{"and a moment later unknown", situations()["pending"], 90*time.Second + 1, "unknown", 503},
		{"a pass that is not decided does not outlive its tick", passing, 91 * time.Second, "unknown", 503},
		{"a pass that is decided stays", situations()["pass"], time.Hour, "pass", 200},
		{"a failure stays", situations()["fail"], time.Hour, "fail", 409},
		{"a rollback stays", situations()["rollback"], time.Hour, "rollback", 409},
		{"a run that is over needs no ticks", over, time.Hour, "pending", 503},
	} {
		t.Run(tt.about, func(t *testing.T) {
			g, ck := newGate(t, gate.Config{}, view(planName, tt.edit))
			body(t, g, "ten") // made while it was fresh
			ck.set(t0.Add(now5 + tt.age))
			b := body(t, g, "ten")
			stale := tt.want == "unknown"
			if b.Verdict != tt.want || b.Stale != stale || b.Pass != (tt.want == "pass") {
				t.Errorf("verdict %q, stale %v, pass %v, want %q", b.Verdict, b.Stale, b.Pass, tt.want)
			}
			if stale && (b.Cause != "stale" || !strings.Contains(b.Reason, "nothing has been evaluated since 2025-06-04T02:05:00Z")) {
				t.Errorf("cause %q, reason %q", b.Cause, b.Reason)
			}
			if res := ask(g.Handler(), "GET", "/v1/gates/REL-1/ten/gate", ""); res.StatusCode != tt.gate {
				t.Errorf("gate %d, want %d", res.StatusCode, tt.gate)
			}
			if err := g.Alive(); (err == nil) == (stale || tt.age == time.Hour && !strings.Contains(tt.about, "over")) {
				t.Errorf("Alive is %v", err)
			}
		})
	}
}

func TestResults(t *testing.T) {
	known := map[string]bool{}
	for _, r := range gate.Results() {
		known[r] = true
	}
	states := evaluator.RuleStates()
	for _, kind := range []rules.RuleKind{rules.Success, rules.RollbackRule} {
		for _, v := range rules.Verdicts() {
			for cause := rules.CauseNone; cause <= rules.CauseBaseline; cause++ {
				for _, st := range states {
					g, _ := newGate(t, gate.Config{}, view(planName, func(s *evaluator.Snapshot) {
						s.Phases[0].Success[0] = evaluator.RuleView{Name: "x", Kind: kind, Verdict: v, Cause: cause, State: st}
					}))
					r := body(t, g, "ten").Rules[0].Result
					if !known[r] {
						t.Errorf("%v %v %v %v: result %q is not listed", kind, v, cause, st, r)
					}
					if good := r == "pass" || r == "not_triggered"; good && (v == rules.Unknown && kind == rules.Success || st == evaluator.RuleSilent && kind == rules.RollbackRule) {
						t.Errorf("%v %v %v %v: result %q for what is not known", kind, v, cause, st, r)
					}
				}
			}
		}
	}
}

func TestEtag(t *testing.T) {
	g, _ := newGate(t, gate.Config{}, view(planName))
	url := "/v1/gates/REL-1/ten/verdict"
	tag := ask(g.Handler(), "GET", url, "").Header.Get("Etag")
	text := ask(g.Handler(), "GET", url, "", "Accept", "text/plain").Header.Get("Etag")
	if tag == "" || tag == text {
		t.Fatalf("tags %q and %q of two forms", tag, text)
	}
	for _, tt := range []struct {
		method, url, match string
		want               int
	}{
		{"GET", url, tag, 304},
		{"HEAD", url, tag, 304},
		{"GET", url, `"x", W/` + tag, 304},
		{"GET", url, "*", 304},
		{"GET", url, `"x"`, 200},
		{"GET", url, text, 200},
		{"POST", url, tag, 200},
		{"GET", "/v1/gates/REL-1/ten/gate", tag, 503},
		{"GET", "/v1/gates/REL-1/ten/gate", "*", 503},
		{"GET", "/v1/gates/REL-1/ten/rollback", "*", 409},
	} {
		res := ask(g.Handler(), tt.method, tt.url, "", "If-None-Match", tt.match)
		if res.StatusCode != tt.want {
			t.Errorf("%s %s with %s: %d, want %d", tt.method, tt.url, tt.match, res.StatusCode, tt.want)
		}
		if b := readBack(t, res); tt.want == 304 && len(b) > 0 {
			t.Errorf("304 has a body of %d bytes", len(b))
		}
		checkContract(t, tt.method, tt.url, res, "")
	}
	g.Update([]gate.View{view(planName, situations()["pending"])})
	if res := ask(g.Handler(), "GET", url, "", "If-None-Match", tag); res.StatusCode != 200 {
		t.Errorf("the tag of the tick before still matches")
	}
}
