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
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// states are what a run can be, with the answer that each question has: about phase
// ten, about phase all, about the whole run, about current, and whether ten and all
// may begin.
var states = []struct {
	about                              string
	edit                               func(*fact.Snapshot)
	age                                time.Duration
	trouble                            bool
	ten, all, run, current, ten0, all0 string
}{
	{about: "not begun, before T", edit: notBegun(-time.Hour), ten: "pending", all: "pending", run: "pending", current: "pending", ten0: "pending", all0: "pending"},
	{about: "not begun, at T", edit: notBegun(0), ten: "pending", all: "pending", run: "pending", current: "pending", ten0: "pass", all0: "pending"},
	{about: "in the first phase", edit: decide(rules.Monitoring, rules.Pending, rules.CauseWindow), ten: "pending", all: "pending", run: "pending", current: "pending", ten0: "pass", all0: "pending"},
	{about: "in the first phase, and nothing is known", edit: decide(rules.Monitoring, rules.Unknown, rules.CauseNoData), ten: "unknown", all: "pending", run: "pending", current: "unknown", ten0: "pass", all0: "pending"},
	{about: "a pass that is not decided", edit: decide(rules.Monitoring, rules.Pass, rules.CauseThreshold), ten: "pending", all: "pending", run: "pending", current: "pending", ten0: "pass", all0: "pending"},
	{about: "between two phases, before the next one's time", edit: decide(rules.Passed, rules.Pass, rules.CauseThreshold), ten: "pass", all: "pending", run: "pending", current: "pending", ten0: "pass", all0: "pending"},
	{about: "between two phases, at the next one's time", edit: between, ten: "pass", all: "pending", run: "pending", current: "pending", ten0: "pass", all0: "pass"},
	{about: "in the last phase", edit: last(rules.Monitoring, rules.Pending), ten: "pass", all: "pending", run: "pending", current: "pending", ten0: "pass", all0: "pass"},
	{about: "all phases passed, watched on", edit: last(rules.Passed, rules.Pass), ten: "pass", all: "pass", run: "pending", current: "pass", ten0: "pass", all0: "pass"},
	{about: "passed", edit: over(rules.Passed, rules.Pass), ten: "pass", all: "pass", run: "pass", current: "pass", ten0: "pass", all0: "pass"},
	{about: "passed long ago", edit: over(rules.Passed, rules.Pass), age: 1000 * time.Hour, ten: "pass", all: "pass", run: "pass", current: "pass", ten0: "pass", all0: "pass"},
	{about: "the run says pass and a phase does not", edit: both(over(rules.Passed, rules.Pass), func(s *fact.Snapshot) { s.Phases[1].State, s.Phases[1].Verdict = rules.Monitoring, rules.Pending }), ten: "pass", all: "pending", run: "pending", current: "pending", ten0: "pass", all0: "pass"},
	{about: "held by a person in the first phase", edit: both(decide(rules.Monitoring, rules.Pending, rules.CauseWindow), held), ten: "pending", all: "pending", run: "pending", current: "pending", ten0: "pending", all0: "pending"},
	{about: "held after a phase passed", edit: both(between, held), ten: "pending", all: "pending", run: "pending", current: "pending", ten0: "pending", all0: "pending"},
	{about: "held after all passed", edit: both(last(rules.Passed, rules.Pass), held), ten: "pending", all: "pending", run: "pending", current: "pending", ten0: "pending", all0: "pending"},
	{about: "the first phase failed", edit: over(rules.Failed, rules.Fail), ten: "fail", all: "ended", run: "fail", current: "fail", ten0: "fail", all0: "fail"},
	{about: "the first phase failed while the next is watched", edit: overlap, ten: "fail", all: "pending", run: "fail", current: "pending", ten0: "fail", all0: "fail"},
	{about: "the first phase failed and the next passed", edit: both(overlap, func(s *fact.Snapshot) { s.Phases[1].State, s.Phases[1].Verdict = rules.Passed, rules.Pass }), ten: "fail", all: "pass", run: "fail", current: "fail", ten0: "fail", all0: "fail"},
	{about: "rolled back in the first phase", edit: decide(rules.RolledBack, rules.Rollback, rules.CauseThreshold), ten: "rollback", all: "rollback", run: "rollback", current: "rollback", ten0: "rollback", all0: "rollback"},
	{about: "rolled back after a phase passed", edit: both(decide(rules.RolledBack, rules.Rollback, rules.CauseThreshold), func(s *fact.Snapshot) {
		s.Phases[0].State, s.Phases[0].Verdict = rules.Passed, rules.Pass
	}), ten: "rollback", all: "rollback", run: "rollback", current: "rollback", ten0: "rollback", all0: "rollback"},
	{about: "the rollback is carried out", edit: both(decide(rules.RolledBack, rules.Fail, rules.CauseManual), func(s *fact.Snapshot) {
		s.State, s.Verdict, s.RolledBack, s.Over, s.Phases[1].Verdict = rules.RolledBack, rules.Fail, true, true, rules.Fail
	}), ten: "ended", all: "ended", run: "ended", current: "ended", ten0: "ended", all0: "ended"},
	{about: "superseded after a phase passed", edit: both(between, func(s *fact.Snapshot) {
		s.State, s.Verdict, s.Cause, s.Over = rules.Superseded, rules.Fail, rules.CauseManual, true
	}), ten: "ended", all: "ended", run: "ended", current: "ended", ten0: "ended", all0: "ended"},
	{about: "not evaluated for three intervals", edit: between, age: 91 * time.Second, ten: "pass", all: "unknown", run: "unknown", current: "unknown", ten0: "unknown", all0: "unknown"},
	{about: "evaluated three intervals ahead of the clock", edit: between, age: -91 * time.Second, ten: "pass", all: "unknown", run: "unknown", current: "unknown", ten0: "unknown", all0: "unknown"},
	{about: "rolled back, not evaluated for long", edit: decide(rules.RolledBack, rules.Rollback, rules.CauseThreshold), age: time.Hour, ten: "rollback", all: "rollback", run: "rollback", current: "rollback", ten0: "rollback", all0: "rollback"},
	{about: "passed, and the journal cannot be written", edit: over(rules.Passed, rules.Pass), trouble: true, ten: "unknown", all: "unknown", run: "unknown", current: "unknown", ten0: "unknown", all0: "unknown"},
	{about: "failed, and the journal cannot be written", edit: over(rules.Failed, rules.Fail), trouble: true, ten: "unknown", all: "unknown", run: "unknown", current: "unknown", ten0: "unknown", all0: "unknown"},
	{about: "rolled back, and the journal cannot be written", edit: decide(rules.RolledBack, rules.Rollback, rules.CauseThreshold), trouble: true, ten: "rollback", all: "rollback", run: "rollback", current: "rollback", ten0: "rollback", all0: "rollback"},
}

func notBegun(from time.Duration) func(*fact.Snapshot) {
	return func(s *fact.Snapshot) {
		s.State, s.Verdict = rules.Waiting, rules.Pending
		s.Start = s.At.Add(-from)
		s.Phases[0].Started, s.Phases[0].WindowEnd, s.Phases[0].State = time.Time{}, time.Time{}, rules.Waiting
		s.Phases[0].Scheduled = s.Start
	}
}

func both(first, then func(*fact.Snapshot)) func(*fact.Snapshot) {
	return func(s *fact.Snapshot) { first(s); then(s) }
}

// between is a run whose first phase has passed and whose next may begin.
func between(s *fact.Snapshot) {
	decide(rules.Passed, rules.Pass, rules.CauseThreshold)(s)
	s.Phases[1].Scheduled = s.At
}

// last is a run whose first phase has passed and whose second has begun.
func last(state rules.State, v rules.Verdict) func(*fact.Snapshot) {
	return func(s *fact.Snapshot) {
		between(s)
		s.Current = 1
		s.Phases[1].Started, s.Phases[1].WindowEnd, s.Phases[1].State, s.Phases[1].Verdict = s.At, s.At.Add(time.Hour), state, v
	}
}

// over is a run that is decided: passed, or with its first phase failed.
func over(state rules.State, v rules.Verdict) func(*fact.Snapshot) {
	return func(s *fact.Snapshot) {
		if state == rules.Passed {
			last(state, v)(s)
		} else {
			decide(state, v, rules.CauseThreshold)(s)
		}
		s.State, s.Verdict, s.Cause, s.Over = state, v, rules.CauseThreshold, true
	}
}

// overlap is a run whose first phase failed while the second is watched.
func overlap(s *fact.Snapshot) {
	last(rules.Monitoring, rules.Pending)(s)
	s.Phases[0].State, s.Phases[0].Verdict = rules.Failed, rules.Fail
	s.Verdict = rules.Fail
}

func held(s *fact.Snapshot) {
	s.State, s.Held, s.Holder = rules.Held, true, fact.Holder{By: "Ada", Cause: rules.CauseManual, Text: "lunch"}
}

// wantStatus is the table of the contract, written out.
var wantStatus = map[string]map[string]int{
	"gate":             {"pass": 200, "pending": 503, "unknown": 503, "fail": 409, "ended": 409, "rollback": 409},
	"entry":            {"pass": 200, "pending": 503, "unknown": 503, "fail": 409, "ended": 409, "rollback": 409},
	"verdict":          {"pass": 200, "pending": 200, "unknown": 200, "fail": 200, "ended": 200, "rollback": 200},
	"rollback":         {"pass": 409, "pending": 409, "unknown": 409, "fail": 409, "ended": 409, "rollback": 200},
	"rollback?on=fail": {"pass": 409, "pending": 409, "unknown": 409, "fail": 200, "ended": 409, "rollback": 200},
}

func TestEveryViewOfEveryState(t *testing.T) {
	for _, st := range states {
		t.Run(st.about, func(t *testing.T) {
			g, ck := newGate(t, gate.Config{})
			v := gate.Views{Plans: []gate.PlanView{view(planName, st.edit)}}
			if st.trouble {
				v.Trouble = gate.Trouble{Cause: wire.CauseJournal, Says: "the journal cannot be written: no space left on device"}
			}
			g.Update(v)
			ck.set(t0.Add(now5 + st.age))
			for viewName, statuses := range wantStatus {
				wants := map[string]string{"ten": st.ten, "all": st.all, "run": st.run, "current": st.current}
				if viewName == "entry" {
					wants = map[string]string{"ten": st.ten0, "all": st.all0, "run": st.ten0}
				}
				for phase, want := range wants {
					checkEvery(t, g, phase, viewName, want, statuses[want])
				}
			}
		})
	}
}

// checkEvery asks one view of a gate in every way.
func checkEvery(t *testing.T, g *gate.Gate, phase, viewName, want string, status int) {
	t.Helper()
	target := "/v1/gates/" + planName + "/" + phase + "/" + viewName
	join := "?"
	if strings.Contains(target, "?") {
		join = "&"
	}
	for _, method := range []string{"GET", "HEAD", "POST"} {
		for _, query := range []string{"", "version=1.0.0", "run=REL-1@1.0.0", "pending=425", "pending=429&version=1.0.0", "after=3&wait=1ms"} {
			url, code := target, status
			if query != "" {
				url += join + query
			}
			if status == 503 && strings.HasPrefix(query, "pending=") {
				fmt.Sscanf(query, "pending=%d", &code)
			}
			for _, accept := range []string{"", "text/plain"} {
				res := ask(g.Handler(), method, url, "", "Accept", accept)
				if res.StatusCode != code {
					t.Errorf("%s %s: %d, want %d (%s)", method, url, res.StatusCode, code, want)
				}
				checkAnswer(t, res, method, url, want, accept != "")
				if query == "" || method == "GET" && accept == "" {
					checkContract(t, method, url, res, "")
				}
			}
		}
	}
}

// checkAnswer holds an answer against what it should say, and its parts against each
// other. It reads the body and puts it back.
func checkAnswer(t *testing.T, res *http.Response, method, url, want string, text bool) {
	t.Helper()
	verdict := strings.Replace(want, "ended", "fail", 1)
	h := res.Header
	open := verdict == "pending" || verdict == "unknown"
	for name, want := range map[string]string{
		"Gate-Verdict": verdict, "Gate-Run": "REL-1@1.0.0", "Gate-Version": "1.0.0", "Cache-Control": "no-store", "Etag": "",
		"Retry-After": map[bool]string{true: "5"}[open],
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s %s: %s %q, want %q", method, url, name, got, want)
		}
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
	var body wire.Body
	if err := json.Unmarshal(b, &body); err != nil {
		t.Fatal(err)
	}
	action := map[string]string{"pass": "proceed", "fail": "stop", "rollback": "rollback", "pending": "hold", "unknown": "hold"}[verdict]
	if body.Verdict != verdict || body.Pass != (verdict == "pass") || body.Action != action || body.Stale && verdict != "unknown" {
		t.Errorf("%s: verdict %q, pass %v, action %q, stale %v; want %q", url, body.Verdict, body.Pass, body.Action, body.Stale, verdict)
	}
	if body.Run.ID != "REL-1@1.0.0" || body.Run.Version != "1.0.0" || body.Version != "1.0.0" || body.Plan != planName {
		t.Errorf("%s: run %q of version %q of plan %q", url, body.Run.ID, body.Version, body.Plan)
	}
	entry := strings.Contains(url, "/entry")
	if (body.Question == wire.Entry) != entry || !entry && body.Final == open {
		t.Errorf("%s: question %q, final %v for %s", url, body.Question, body.Final, verdict)
	}
	if phase := strings.Split(url, "/")[4]; body.Phase != phase && (phase != "current" || body.Phase != body.Current) {
		t.Errorf("%s speaks of phase %q", url, body.Phase)
	}
	if utf8.RuneCountInString(body.Headline) > 80 || body.Reason != body.Sentence {
		t.Errorf("headline %q, reason %q, sentence %q", body.Headline, body.Reason, body.Sentence)
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
func body(t *testing.T, g *gate.Gate, phase string) wire.Body {
	t.Helper()
	res := ask(g.Handler(), "GET", "/v1/gates/"+planName+"/"+phase+"/verdict", "")
	var b wire.Body
	if err := json.NewDecoder(res.Body).Decode(&b); err != nil || res.StatusCode != 200 {
		t.Fatalf("status %d, %v", res.StatusCode, err)
	}
	return b
}

// accused is a run that has failed, and may still be rolled back.
func accused(s *fact.Snapshot) {
	s.State, s.Verdict, s.Cause, s.Accused, s.Over = rules.Failed, rules.Fail, rules.CauseThreshold, true, false
}

// Only what no rule can change is final.
func TestAFailureThatMayBecomeARollbackIsNotFinal(t *testing.T) {
	for _, final := range []bool{false, true} {
		edit := over(rules.Failed, rules.Fail)
		if !final {
			edit = both(edit, accused)
		}
		g, ck := newGate(t, gate.Config{}, view(planName, edit))
		for _, phase := range []string{"ten", "all", "run", "current"} {
			if b := body(t, g, phase); b.Verdict != "fail" || b.Final != final {
				t.Errorf("%s: %s, final %v, want %v", phase, b.Verdict, b.Final, final)
			}
		}
		var b wire.Body
		if err := json.Unmarshal(readBack(t, ask(g.Handler(), "GET", "/v1/gates/"+planName+"/ten/entry", "")), &b); err != nil || b.Verdict != "fail" || b.Final != final {
			t.Errorf("entry: %s, final %v, want %v (%v)", b.Verdict, b.Final, final, err)
		}
		ck.set(t0.Add(now5 + time.Hour))
		show(g, view(planName, edit))
		if b := body(t, g, "run"); (b.Verdict == "fail") != final {
			t.Errorf("an hour later: %s", b.Verdict)
		}
	}
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
		{"evaluatedAt", *b.EvaluatedAt, t0.Add(now5)},
		{"dataAsOf", *b.DataAsOf, t0.Add(4 * time.Minute)},
		{"expiresAt", *b.ExpiresAt, t0.Add(now5 + 90*time.Second)},
		{"nextEvaluationAt", *b.NextEvaluationAt, t0.Add(now5 + 30*time.Second)},
		{"traffic", *b.Traffic.TargetPercent, 10.0},
		{"self", b.Links.Self, "https://gate.example/v1/gates/REL-1/ten/verdict?run=REL-1%401.0.0"},
		{"policy", b.Policy.URI, "https://gate.example/v1/runs/REL-1@1.0.0"},
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
		{"override", b.Override, (*wire.Override)(nil)},
		{"version", b.Version, "1.0.0"},
		{"run's id", b.Run.ID, "REL-1@1.0.0"},
		{"run's link", *b.Links.Run, "https://gate.example/v1/runs/REL-1@1.0.0"},
		{"try", b.Run.Try, 1},
		{"owner", b.Do.Owner, "DevSecOps"},
		{"samples of what has not been judged", b.Rules[2].Samples, (*float64)(nil)},
	} {
		if !reflect.DeepEqual(tt.got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.what, tt.got, tt.want)
		}
	}
	later := body(t, g, "all")
	if want := "waiting, planned for 2025-06-04 02:20 UTC; 0 of 2 rules good, 1 bad"; later.Summary != want {
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
		g, _ := newGate(t, gate.Config{}, view(planName, func(s *fact.Snapshot) {
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
	g, _ := newGate(t, gate.Config{}, view(planName, func(s *fact.Snapshot) {
		s.Phases[1].State, s.Phases[1].Decided = rules.RolledBack, s.At
	}))
	if got := body(t, g, "all").PercentComplete; got != 0 {
		t.Errorf("rolled back before it began: %d %% of its window, want none", got)
	}
}

func TestOverride(t *testing.T) {
	g, _ := newGate(t, gate.Config{}, view(planName, func(s *fact.Snapshot) {
		decide(rules.Passed, rules.Pass, rules.CauseManual)(s)
		s.Phases[0].Why = fact.Why{Code: fact.WhyOverridden, By: "alice", Text: "the alarm was a test"}
	}))
	o := body(t, g, "ten").Override
	if o == nil || o.By != "alice" || o.Verdict != "pass" || !o.At.Equal(t0.Add(now5)) {
		t.Errorf("override %+v", o)
	}
}

func TestAnAnswerAgesAndSaysSince(t *testing.T) {
	for _, tt := range []struct {
		about string
		edit  func(*fact.Snapshot)
		age   time.Duration
		want  string
		says  string
	}{
		{"pending three intervals later is still pending", situations()["pending"], 90 * time.Second, "pending", ""},
		{"and a moment later unknown", situations()["pending"], 90*time.Second + 1, "unknown", "nothing has been evaluated since 2025-06-04 02:05 UTC"},
		{"three intervals ahead is still pending", situations()["pending"], -90 * time.Second, "pending", ""},
		{"and a moment more is unknown", situations()["pending"], -90*time.Second - 1, "unknown", "is stamped in the future"},
		{"a pass that is decided stays", situations()["pass"], time.Hour, "pass", ""},
		{"a failure stays", situations()["fail"], time.Hour, "fail", ""},
		{"a rollback stays", situations()["rollback"], time.Hour, "rollback", ""},
	} {
		t.Run(tt.about, func(t *testing.T) {
			g, ck := newGate(t, gate.Config{}, view(planName, tt.edit))
			body(t, g, "ten") // made while it was fresh
			ck.set(t0.Add(now5 + tt.age))
			b := body(t, g, "ten")
			if b.Verdict != tt.want || b.Stale != (tt.want == "unknown") || b.Pass != (tt.want == "pass") {
				t.Errorf("verdict %q, stale %v, pass %v, want %q", b.Verdict, b.Stale, b.Pass, tt.want)
			}
			if !strings.Contains(b.Sentence, tt.says) || !strings.Contains(b.Summary, tt.says) || b.Stale && b.Cause != "stale" {
				t.Errorf("cause %q, sentence %q, summary %q, want %q", b.Cause, b.Sentence, b.Summary, tt.says)
			}
		})
	}
}

func TestBetweenTwoPhasesCurrentSaysWhichIsNext(t *testing.T) {
	g, _ := newGate(t, gate.Config{}, view(planName, between))
	b := body(t, g, "current")
	if b.Verdict != "pending" || b.Phase != "ten" || b.Current != "ten" || !strings.Contains(b.Sentence, "phase all has not begun") {
		t.Errorf("%s of phase %q: %q", b.Verdict, b.Phase, b.Sentence)
	}
}

func TestEntrySaysWhatIsMissing(t *testing.T) {
	waits := func(advance rules.Advance, scheduled time.Time) func(*fact.Snapshot) {
		return func(s *fact.Snapshot) { s.Phases[1].Advance, s.Phases[1].Scheduled = advance, scheduled }
	}
	for _, tt := range []struct {
		about string
		edit  func(*fact.Snapshot)
		want  string
		says  string
	}{
		{"the phase before is watched", waits(rules.Scheduled, t0.Add(20*time.Minute)), "pending", "phase ten has not passed"},
		{"the plan lets them overlap", waits(rules.Scheduled, t0.Add(5*time.Minute)), "pass", "may begin"},
		{"they overlap and the first has run out of its window", both(waits(rules.Scheduled, t0.Add(5*time.Minute)), func(s *fact.Snapshot) { s.Phases[0].WindowEnd = s.At }), "pending", "has ended and has not passed"},
		{"they overlap and the first has not begun", both(waits(rules.Scheduled, t0), func(s *fact.Snapshot) { s.Phases[0].Started = time.Time{} }), "pending", "phase ten has not begun"},
		{"a command begins it, without a start in the plan", waits(rules.Signalled, t0), "pending", "phase ten has not passed"},
		{"a command begins it, at an overlapping start", waits(rules.Signalled, t0.Add(10*time.Minute)), "pass", "may begin"},
		{"the pass of the one before begins it", waits(rules.OnPass, t0.Add(5*time.Minute)), "pending", "phase ten has not passed"},
		{"its time is to come", both(decide(rules.Passed, rules.Pass, rules.CauseThreshold), waits(rules.Scheduled, t0.Add(time.Hour))), "pending", "planned for 2025-06-04 03:00 UTC"},
		{"a command may begin it earlier", both(decide(rules.Passed, rules.Pass, rules.CauseThreshold), waits(rules.Signalled, t0.Add(time.Hour))), "pass", "may begin"},
		{"it has begun", last(rules.Monitoring, rules.Pending), "pass", "has begun"},
		{"held", both(between, held), "pending", "held by Ada: lunch"},
	} {
		t.Run(tt.about, func(t *testing.T) {
			g, _ := newGate(t, gate.Config{}, view(planName, tt.edit))
			res := ask(g.Handler(), "GET", "/v1/gates/REL-1/all/entry", "")
			var b wire.Body
			if err := json.NewDecoder(res.Body).Decode(&b); err != nil {
				t.Fatal(err)
			}
			if b.Verdict != tt.want || !strings.Contains(b.Sentence, tt.says) || b.Question != wire.Entry {
				t.Errorf("%s to %q: %q, want %s and %q", b.Verdict, b.Question, b.Sentence, tt.want, tt.says)
			}
		})
	}
}

func TestNoResultOfARuleIsGoodUnlessItIsKnown(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(gate.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, r := range doc.Components.Schemas["Rule"].Value.Properties["result"].Value.Enum {
		known[r.(string)] = true
	}
	states := fact.RuleStates()
	for _, kind := range []rules.RuleKind{rules.Success, rules.RollbackRule} {
		for _, v := range rules.Verdicts() {
			for cause := rules.CauseNone; cause <= rules.CauseUnsettled; cause++ {
				for _, st := range states {
					g, _ := newGate(t, gate.Config{}, view(planName, func(s *fact.Snapshot) {
						s.Phases[0].Success[0] = fact.RuleView{Name: "x", Kind: kind, Verdict: v, Cause: cause, State: st}
					}))
					r := body(t, g, "ten").Rules[0].Result
					if !known[r] {
						t.Errorf("%v %v %v %v: result %q is not listed", kind, v, cause, st, r)
					}
					if good := r == "pass" || r == "not_triggered"; good && (v == rules.Unknown && kind == rules.Success || st == fact.RuleSilent && kind == rules.RollbackRule) {
						t.Errorf("%v %v %v %v: result %q for what is not known", kind, v, cause, st, r)
					}
				}
			}
		}
	}
}

func TestAGateIsNeverNotModified(t *testing.T) {
	g, _ := newGate(t, gate.Config{}, view(planName))
	for _, viewName := range []string{"gate", "entry", "verdict", "rollback"} {
		url := "/v1/gates/REL-1/ten/" + viewName
		res := ask(g.Handler(), "GET", url, "", "If-None-Match", "*")
		if res.StatusCode < 400 && res.StatusCode != 200 || res.Header.Get("Etag") != "" {
			t.Errorf("%s: %d with tag %q", viewName, res.StatusCode, res.Header.Get("Etag"))
		}
	}
}
