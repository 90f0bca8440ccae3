package gate_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// try is a run of a version; the first try has no number in its id.
func try(plan, version string, n int, edit ...func(*fact.Snapshot)) wire.RunView {
	v := view(plan, edit...).Runs[0]
	p := *v.Plan
	p.Version, p.Binding.Try = version, n
	p.Binding.Run = plan + "@" + version
	if n > 1 {
		p.Binding.Run += fmt.Sprintf("~%d", n)
	}
	v.Plan, v.Snapshot.Version = &p, version
	return v
}

// archive is a Past in memory.
type archive struct {
	runs   []wire.RunView // oldest first
	events map[string][]fact.Stored
	begun  func(i int) time.Time // nil: an hour after one another
	err    error
	asked  int
}

func (a *archive) Run(_ context.Context, id string) (*wire.RunView, error) {
	a.asked++
	for i := range a.runs {
		if a.runs[i].ID() == id {
			return &a.runs[i], a.err
		}
	}
	return nil, a.err
}

func (a *archive) Find(_ context.Context, plan, version string) (*wire.RunView, error) {
	a.asked++
	var found *wire.RunView
	for i := range a.runs {
		if r := &a.runs[i]; r.Plan.Name == plan && r.Plan.Version == version && (found == nil || found.Plan.Binding.Try < r.Plan.Binding.Try) {
			found = r
		}
	}
	return found, a.err
}

func (a *archive) Runs(_ context.Context, plan string, limit int) ([]fact.RunRecord, error) {
	begun := a.begun
	if begun == nil {
		begun = func(i int) time.Time { return t0.Add(time.Duration(i) * time.Hour) }
	}
	var out []fact.RunRecord
	for i := len(a.runs) - 1; i >= 0 && len(out) < limit; i-- {
		v := &a.runs[i]
		if plan == "" || v.Plan.Name == plan {
			out = append(out, fact.RunRecord{
				ID: v.ID(), Plan: v.Plan.Name, Version: v.Plan.Version, Try: v.Plan.Binding.Try, Start: v.Snapshot.Start, Begun: begun(i),
				State: v.Snapshot.State, Verdict: v.Snapshot.Verdict, Over: v.Snapshot.Over, N: v.Snapshot.Generation, At: v.Snapshot.At, Digest: "00ff",
			})
		}
	}
	return out, a.err
}

func (a *archive) Events(_ context.Context, id string, after uint64, limit int) ([]fact.Stored, error) {
	var out []fact.Stored
	for _, e := range a.events[id] {
		if e.Event.N > after && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, a.err
}

func passed(s *fact.Snapshot)     { over(rules.Passed, rules.Pass)(s) }
func rolledBack(s *fact.Snapshot) { situations()["rollback"](s) }
func superseded(s *fact.Snapshot) {
	between(s)
	s.State, s.Verdict, s.Cause, s.Over = rules.Superseded, rules.Fail, rules.CauseManual, true
}

func named(p gate.PlanView, version string) gate.PlanView { p.Version = version; return p }

func template(p gate.PlanView) gate.PlanView { p.Template, p.Version = true, ""; return p }

func TestAQuestionIsAnsweredForItsVersionOnly(t *testing.T) {
	const old, next = "shop@1.0.0", "shop@1.0.1"
	live := try("shop", "1.0.1", 1)
	ended := &archive{runs: []wire.RunView{try("shop", "1.0.0", 1, passed), try("shop", "0.9.0", 1, rolledBack), try("shop", "0.9.0", 2, passed), try("shop", "1.1.0-rc.1+5", 1, passed)}}
	started := template(planView(live))
	inFile := named(planView(live), "1.0.1")
	edited := named(planView(live), "1.0.2")
	edited.File = gate.File{State: gate.FileWaiting, Reason: "it names 1.0.2; 1.0.1 is under way"}
	onlyEnded := named(planView(try("shop", "1.0.0", 1, passed)), "1.0.0")
	both := planView(try("shop", "2.0.0", 2), try("shop", "2.0.0", 1, rolledBack))
	revived := planView(try("shop", "0.9.0", 1, rolledBack))
	for _, tt := range []struct {
		about  string
		plan   gate.PlanView
		query  string
		gate   int
		back   int
		run    string
		says   string
		phase  string
		noPast bool
	}{
		{about: "a template's plan without a version", plan: started, query: "", gate: 400, back: 400, says: "name the version"},
		{about: "the version under way", plan: started, query: "version=1.0.1", gate: 503, back: 409, run: next},
		{about: "the version before, which passed", plan: started, query: "version=1.0.0", gate: 200, back: 409, run: old},
		{about: "a version that has no run yet", plan: started, query: "version=1.0.2", gate: 503, back: 409, says: "no run of version 1.0.2 yet; 1.0.1 is under way"},
		{about: "a run under way", plan: started, query: "run=shop@1.0.1", gate: 503, back: 409, run: next},
		{about: "a run that has ended", plan: started, query: "run=shop@1.0.0", gate: 200, back: 409, run: old},
		{about: "a try by its number", plan: started, query: "run=shop@0.9.0~2", gate: 200, back: 409, run: "shop@0.9.0~2"},
		{about: "the first try, which was rolled back", plan: started, query: "run=shop@0.9.0", gate: 409, back: 200, run: "shop@0.9.0"},
		{about: "a version means its newest try", plan: started, query: "version=0.9.0", gate: 200, back: 409, run: "shop@0.9.0~2"},
		{about: "also where an older one is live", plan: revived, query: "version=0.9.0", gate: 200, back: 409, run: "shop@0.9.0~2"},
		{about: "also where both are live", plan: both, query: "version=2.0.0", gate: 503, back: 409, run: "shop@2.0.0~2"},
		{about: "a + that is sent as it is", plan: started, query: "version=1.1.0-rc.1+5", gate: 200, back: 409, run: "shop@1.1.0-rc.1+5"},
		{about: "a + that is encoded", plan: started, query: "version=1.1.0-rc.1%2B5", gate: 200, back: 409, run: "shop@1.1.0-rc.1+5"},
		{about: "a + in a run", plan: started, query: "run=shop@1.1.0-rc.1+5", gate: 200, back: 409, run: "shop@1.1.0-rc.1+5"},
		{about: "a run that never was", plan: started, query: "run=shop@7", gate: 404, back: 404},
		{about: "a run of another plan", plan: started, query: "run=cart@1.0.1", gate: 404, back: 404},
		{about: "a phase that is not in the plan", plan: started, query: "version=1.0.2", phase: "eleven", gate: 404, back: 404},
		{about: "the version that the file names", plan: inFile, query: "", gate: 503, back: 409, run: next},
		{about: "another version than the file's", plan: inFile, query: "version=1.0.0", gate: 200, back: 409, run: old},
		{about: "a version edited into the file waits", plan: edited, query: "", gate: 503, back: 409, says: "1.0.2 waits: 1.0.1 is under way"},
		{about: "and the one under way can be asked for", plan: edited, query: "version=1.0.1", gate: 503, back: 409, run: next},
		{about: "the file's version has passed", plan: onlyEnded, query: "", gate: 200, back: 409, run: old},
		{about: "without a journal an ended run is not known", plan: started, query: "version=1.0.0", gate: 503, back: 409, says: "no run of version 1.0.0 yet", noPast: true},
	} {
		t.Run(tt.about, func(t *testing.T) {
			c := gate.Config{Past: ended}
			if tt.noPast {
				c.Past = nil
			}
			g, _ := newGate(t, c, tt.plan)
			phase := "ten"
			if tt.phase != "" {
				phase = tt.phase
			}
			for viewName, want := range map[string]int{"gate": tt.gate, "entry": tt.gate, "rollback": tt.back, "verdict": 200} {
				if viewName == "entry" && tt.run == next {
					want = 200 // its first phase has begun
				} else if viewName == "entry" && tt.run == "shop@2.0.0~2" {
					want = 200
				}
				if viewName == "verdict" && tt.gate >= 400 && tt.gate < 409 {
					want = tt.gate
				}
				target := "/v1/gates/shop/" + phase + "/" + viewName
				if tt.query != "" {
					target += "?" + tt.query
				}
				for range 2 { // read, and from memory
					res := ask(g.Handler(), "GET", target, "")
					b := string(readBack(t, res))
					if res.StatusCode != want || res.Header.Get("Gate-Run") != tt.run {
						t.Errorf("%s: %d of run %q, want %d of %q: %s", target, res.StatusCode, res.Header.Get("Gate-Run"), want, tt.run, b)
					}
					if !strings.Contains(b, tt.says) {
						t.Errorf("%s: %s, want %q in it", target, b, tt.says)
					}
					checkContract(t, "GET", target, res, "")
				}
			}
		})
	}
}

func TestAnAnswerForARunThatHasNotBegunIsWhole(t *testing.T) {
	g, _ := newGate(t, gate.Config{}, template(planView(try("shop", "1.0.1", 1))))
	res := ask(g.Handler(), "GET", "/v1/gates/shop/current/verdict?version=1.0.2", "")
	var b wire.Body
	if err := json.NewDecoder(res.Body).Decode(&b); err != nil {
		t.Fatal(err)
	}
	if b.Verdict != "pending" || b.Pass || b.Final || b.Version != "1.0.2" || b.Run.ID != "" || b.EvaluatedAt != nil || b.Phase != "ten" || b.Current != "ten" {
		t.Errorf("body %+v", b)
	}
	if res.Header.Get("Retry-After") == "" || res.Header.Get("Gate-Version") != "1.0.2" {
		t.Errorf("header %v", res.Header)
	}
}

func TestAJournalThatCannotBeReadOpensNothing(t *testing.T) {
	a := &archive{runs: []wire.RunView{try("shop", "1.0.0", 1, passed)}, err: errBroken}
	g, _ := newGate(t, gate.Config{Past: a}, template(planView(try("shop", "1.0.1", 1))))
	for target, want := range map[string]int{
		"/v1/gates/shop/ten/gate?version=1.0.0":     503,
		"/v1/gates/shop/ten/entry?version=1.0.0":    503,
		"/v1/gates/shop/ten/rollback?version=1.0.0": 409,
		"/v1/gates/shop/ten/gate?run=shop@1.0.0":    503,
		"/v1/gates/cart/ten/gate?run=cart@1.0.0":    503,
		"/v1/gates/shop/ten/gate?version=1.0.1":     503,
		"/v1/plans/shop?version=1.0.0":              503,
		"/v1/runs":                                  503,
		"/v1/runs/shop@1.0.0":                       503,
		"/v1/runs/shop@1.0.1":                       503,
		"/v1/runs/shop@1.0.1/events":                503,
	} {
		res := ask(g.Handler(), "GET", target, "")
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", target, res.StatusCode, want)
		}
		checkContract(t, "GET", target, res, "")
	}
	for query, run := range map[string]string{"version=1.0.0": "", "run=shop@1.0.0": "shop@1.0.0", "run=shop@1.0.0~2": "shop@1.0.0~2"} {
		target := "/v1/gates/shop/ten/verdict?" + query
		res := ask(g.Handler(), "GET", target, "")
		checkContract(t, "GET", target, res, "")
		var b wire.Body
		if err := json.NewDecoder(res.Body).Decode(&b); err != nil || b.Verdict != "unknown" || b.Cause != wire.CauseJournal || b.Version != "1.0.0" {
			t.Errorf("%s: %v: %+v", query, err, b)
		}
		if b.Run.ID != run || res.Header.Get("Gate-Run") != run {
			t.Errorf("%s: of run %q, header %q, want %q", query, b.Run.ID, res.Header.Get("Gate-Run"), run)
		}
	}
	target := "/v1/gates/shop/ten/verdict?version=2&run=shop@1.0.0"
	if res := ask(g.Handler(), "GET", target, ""); res.StatusCode != 400 {
		t.Errorf("%s: %d, want 400", target, res.StatusCode)
	}
}

// TestOnlyAFailureToReadIsLogged: a client that went away is none.
func TestOnlyAFailureToReadIsLogged(t *testing.T) {
	for _, target := range []string{
		"/v1/gates/shop/ten/gate?version=1.0.0", "/v1/gates/shop/ten/gate?run=shop@1.0.0", "/v1/runs", "/v1/runs/shop@1.0.1/events",
	} {
		for _, gone := range []bool{false, true} {
			var log bytes.Buffer
			g, _ := newGate(t, gate.Config{Past: &archive{err: errBroken}, Log: slog.New(slog.NewTextHandler(&log, nil))}, template(planView(try("shop", "1.0.1", 1))))
			ctx, cancel := context.WithCancel(t.Context())
			if gone {
				cancel()
			}
			g.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", target, nil))
			cancel()
			if logged := strings.Contains(log.String(), "level=WARN"); logged == gone {
				t.Errorf("%s, client gone %v: log %q", target, gone, log.String())
			}
		}
	}
}

func TestALinkToItselfLeadsToTheSameRun(t *testing.T) {
	next := try("shop", "1.1.0-rc.1+5", 2)
	a := &archive{runs: []wire.RunView{try("shop", "1.0.0", 1, passed), next}}
	g, _ := newGate(t, gate.Config{Past: a}, template(planView(next)))
	for _, target := range []string{
		"/v1/gates/shop/ten/verdict?version=1.0.0", "/v1/gates/shop/ten/entry?run=shop@1.0.0", "/v1/gates/shop/ten/verdict?version=1.1.0-rc.1%2B5",
		"/v1/gates/shop/ten/verdict?version=3", "/v1/plans/shop?version=1.0.0", "/v1/plans/shop",
	} {
		res := ask(g.Handler(), "GET", target, "")
		body := readBack(t, res)
		var b struct {
			Run    wire.Run
			Policy wire.Policy
			Links  wire.Links
		}
		if err := json.Unmarshal(body, &b); err != nil {
			t.Fatal(err)
		}
		if again := readBack(t, ask(g.Handler(), "GET", b.Links.Self, "")); !bytes.Equal(again, body) {
			t.Errorf("%s: its self %s answers %s", target, b.Links.Self, again)
		}
		if want := "/v1/runs/" + b.Run.ID; strings.HasPrefix(target, "/v1/gates") && b.Run.ID != "" && b.Policy.URI != want {
			t.Errorf("%s: policy %q, want %q", target, b.Policy.URI, want)
		}
	}
}

func TestRunsBegunAtTheSameTimeAreListedNewestFirst(t *testing.T) {
	a := &archive{begun: func(int) time.Time { return t0 }, runs: []wire.RunView{try("REL-1", "1", 1, passed), try("REL-1", "1", 2, passed), try("REL-2", "1", 1, passed), try("REL-2", "1", 2, passed)}}
	tokens := []gate.Token{{Name: "both", SHA256: hash("x"), Scopes: []gate.Scope{gate.Read}, Plans: []string{"REL-1", "REL-2"}}}
	g, _ := newGate(t, gate.Config{Past: a, Tokens: tokens}, view(planName))
	for target, want := range map[string]string{"/v1/runs?plan=REL-1": "REL-1@1~2 REL-1@1", "/v1/runs": "REL-1@1~2 REL-1@1 REL-2@1~2 REL-2@1"} {
		res := ask(g.Handler(), "GET", target, "", "Authorization", "Bearer x")
		var list wire.RunList
		if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, r := range list.Runs {
			ids = append(ids, r.ID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: %q, want %q", target, got, want)
		}
	}
}

func TestWhatWasReadOfAnEndedRunIsForgottenAtTheNextTick(t *testing.T) {
	a := &archive{runs: []wire.RunView{try("shop", "1.0.0", 1, rolledBack)}}
	plan := template(planView(try("shop", "1.0.1", 1)))
	g, _ := newGate(t, gate.Config{Past: a}, plan)
	check := func(want int) {
		t.Helper()
		if res := ask(g.Handler(), "GET", "/v1/gates/shop/ten/gate?version=1.0.0", ""); res.StatusCode != want {
			t.Errorf("status %d, want %d", res.StatusCode, want)
		}
	}
	check(409)
	check(409)
	if a.asked != 1 {
		t.Errorf("the journal was asked %d times for two questions, want once", a.asked)
	}
	a.runs = append(a.runs, try("shop", "1.0.0", 2, passed))
	show(g, plan)
	check(200)
}

func TestALongPollWaitsForTheRunToBegin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, _ := newGate(t, gate.Config{}, template(planView(try("shop", "1.0.1", 1, passed))))
		go func() {
			time.Sleep(3 * time.Second)
			show(g, template(planView(try("shop", "1.0.2", 1), try("shop", "1.0.1", 1, passed))))
		}()
		begin := time.Now()
		res := ask(g.Handler(), "GET", "/v1/gates/shop/ten/gate?version=1.0.2&wait=30s", "")
		if took := time.Since(begin); took != 3*time.Second || res.StatusCode != 503 || res.Header.Get("Gate-Run") != "shop@1.0.2" {
			t.Errorf("%d of run %q after %v", res.StatusCode, res.Header.Get("Gate-Run"), took)
		}
	})
}

func TestRunsAreReadAfterTheirPlanIsGone(t *testing.T) {
	first := try("shop", "1.0.0", 1, passed)
	p := *first.Plan
	p.Binding.Parameters = map[string]string{"lambda": "43"}
	p.Binding.Previous = rules.Previous{Version: "0.9.0", Parameters: map[string]string{"lambda": "42"}}
	first.Plan = &p
	event := func(n uint64, kind fact.EventKind, subject, to string) fact.Stored {
		return fact.Stored{Run: "shop@1.0.0", Event: fact.Event{ID: fmt.Sprintf("shop@1.0.0.k3v9/%d", n), N: n, Plan: "shop", At: t0, Kind: kind, Subject: subject, To: to}}
	}
	a := &archive{runs: []wire.RunView{first, try("cart", "7", 1, superseded)}, events: map[string][]fact.Stored{"shop@1.0.0": {
		event(1, fact.RunEvent, "shop", "waiting"), event(2, fact.CommandEvent, "hold", "applied"), event(3, fact.PhaseEvent, "ten", "passed"),
	}}}
	g, _ := newGate(t, gate.Config{Past: a, BaseURL: "https://gate.example"}, template(planView(try("other", "1", 1))))
	get := func(target string, into any) {
		t.Helper()
		res := ask(g.Handler(), "GET", target, "")
		checkContract(t, "GET", target, res, "")
		if err := json.NewDecoder(res.Body).Decode(into); err != nil || res.StatusCode != 200 {
			t.Fatalf("%s: %d, %v", target, res.StatusCode, err)
		}
	}
	var run wire.RunBody
	get("/v1/runs/shop@1.0.0", &run)
	if run.Run.ID != "shop@1.0.0" || run.Run.Verdict != "pass" || len(run.Phases) != 2 || len(run.Events) != 3 || len(run.Commands) != 1 || run.More {
		t.Errorf("run %+v with %d events, %d commands", run.Run, len(run.Events), len(run.Commands))
	}
	if run.Parameters["lambda"] != "43" || run.Previous.Version != "0.9.0" || run.Previous.Parameters["lambda"] != "42" {
		t.Errorf("parameters %v, previous %+v", run.Parameters, run.Previous)
	}
	var events wire.EventList
	get("/v1/runs/shop@1.0.0/events?after=1&limit=1", &events)
	if len(events.Events) != 1 || events.Events[0].N != 2 || !events.More || events.Events[0].Type != "relgate.command.applied" {
		t.Errorf("events %+v", events)
	}
	var list wire.RunList
	get("/v1/runs", &list)
	if len(list.Runs) != 2 || list.Runs[0].ID != "cart@7" || list.Runs[0].State != "superseded" || *list.Runs[1].Links.Run != "https://gate.example/v1/runs/shop@1.0.0" {
		t.Errorf("list %+v", list)
	}
	get("/v1/runs?plan=shop&limit=1", &list)
	if len(list.Runs) != 1 || list.Runs[0].ID != "shop@1.0.0" {
		t.Errorf("list of a plan %+v", list)
	}
	var page wire.PlanBody
	get("/v1/plans/shop", &page)
	if page.Run.ID != "shop@1.0.0" {
		t.Errorf("the newest run of a plan that is gone: %+v", page.Run)
	}
	for _, target := range []string{"/v1/runs/shop@9", "/v1/runs/shop", "/v1/runs/shop@1.0.0~x/events", "/v1/plans/none"} {
		if res := ask(g.Handler(), "GET", target, ""); res.StatusCode != 404 {
			t.Errorf("%s: %d, want 404", target, res.StatusCode)
		}
	}
	for _, target := range []string{"/v1/runs?limit=0", "/v1/runs?limit=1001", "/v1/runs?x=1", "/v1/runs?plan=", "/v1/plans?version=1", "/v1/runs/shop@1.0.0?plan=shop", "/v1/runs/shop@1.0.0?x", "/v1/runs/shop@1.0.0/events?after=x", "/v1/plans/shop?wait=1"} {
		res := ask(g.Handler(), "GET", target, "")
		if res.StatusCode != 400 {
			t.Errorf("%s: %d, want 400", target, res.StatusCode)
		}
		checkContract(t, "GET", target, res, "")
	}
}

func TestAListOfRunsHoldsWhatTheTokenMaySee(t *testing.T) {
	a := &archive{runs: []wire.RunView{try("REL-1", "1", 1, passed), try("REL-2", "1", 1, passed)}}
	g, _ := newGate(t, gate.Config{Past: a, Tokens: tokens()}, view(planName))
	for secret, want := range map[string]string{"reader-secret": "REL-2@1 REL-1@1", "other-secret": "REL-2@1"} {
		res := ask(g.Handler(), "GET", "/v1/runs", "", "Authorization", "Bearer "+secret)
		var list wire.RunList
		if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, r := range list.Runs {
			ids = append(ids, r.ID)
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s sees %q, want %q", secret, got, want)
		}
	}
	for target, want := range map[string]int{"/v1/runs?plan=REL-1": 403, "/v1/runs/REL-1@1": 403, "/v1/runs/REL-2@1": 200} {
		if res := ask(g.Handler(), "GET", target, "", "Authorization", "Bearer other-secret"); res.StatusCode != want {
			t.Errorf("%s: %d, want %d", target, res.StatusCode, want)
		}
	}
}

// TestNoAnswerIsOfAnotherVersion begins, edits, ends and forgets runs in any order:
// an answer that is pinned is of that version, one that is not is of the file's, and a
// pass is one of a version that has passed.
func TestNoAnswerIsOfAnotherVersion(t *testing.T) {
	versions := []string{"1.0.0", "1.0.1", "1.0.2"}
	edits := []func(*fact.Snapshot){situations()["pending"], between, passed, rolledBack, superseded, held}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 7))
		a := &archive{}
		g, _ := newGate(t, gate.Config{Past: a})
		tries := map[string]int{}
		for range 20 {
			p := gate.PlanView{Name: "shop", File: gate.File{State: gate.FileOK}}
			if r.IntN(3) > 0 {
				p.Version = versions[r.IntN(3)]
			}
			for range r.IntN(3) {
				v := versions[r.IntN(3)]
				tries[v]++
				run := try("shop", v, tries[v], edits[r.IntN(len(edits))])
				p.Runs = append([]wire.RunView{run}, p.Runs...)
				if wire.Decided(run.Snapshot.State) {
					a.runs = append(a.runs, run)
				}
			}
			g.Update(gate.Views{Plans: []gate.PlanView{p}})
			for _, phase := range []string{"ten", "all", "run", "current"} {
				for _, pin := range append([]string{""}, versions...) {
					checkVersion(t, g, &p, a, phase, pin)
				}
			}
		}
	}
}

func checkVersion(t *testing.T, g *gate.Gate, p *gate.PlanView, a *archive, phase, pin string) {
	t.Helper()
	target, want := "/v1/gates/shop/"+phase+"/verdict", p.Version
	if pin != "" {
		target, want = target+"?version="+url.QueryEscape(pin), pin
	}
	res := ask(g.Handler(), "GET", target, "")
	if want == "" {
		if res.StatusCode != http.StatusBadRequest {
			t.Fatalf("%s: %d without a version", target, res.StatusCode)
		}
		return
	}
	var b wire.Body
	if err := json.NewDecoder(res.Body).Decode(&b); err != nil {
		t.Fatal(err)
	}
	if b.Version != want || b.Run.ID != "" && b.Run.Version != want || b.Run.ID == "" && b.Verdict != "pending" {
		t.Fatalf("%s: %s of version %s, run %q, want %s", target, b.Verdict, b.Version, b.Run.ID, want)
	}
	if !b.Pass {
		return
	}
	for _, r := range append(p.Runs, a.runs...) {
		if r.ID() == b.Run.ID && r.Snapshot.Phases[0].State == rules.Passed {
			return
		}
	}
	t.Fatalf("%s: a pass of run %q, which has not passed", target, b.Run.ID)
}

// starter remembers what it was told.
type starter struct {
	got    gate.StartRequest
	plan   string
	answer gate.StartAnswer
	err    error
}

func (s *starter) StartRun(_ context.Context, plan string, r gate.StartRequest) (gate.StartAnswer, error) {
	s.plan, s.got = plan, r
	return s.answer, s.err
}

func TestStart(t *testing.T) {
	const ok = `{"version":"1.0.1","by":"ci","why":"pipeline 4711"}`
	created := gate.StartAnswer{Run: try(planName, "1.0.1", 1), Created: true}
	was := gate.StartAnswer{Run: try(planName, "1.0.1", 1)}
	for _, tt := range []struct {
		about, body string
		answer      gate.StartAnswer
		err         error
		want        int
		says        string
	}{
		{"begun", ok, created, nil, 201, `"id":"REL-1@1.0.1"`},
		{"there already", ok, was, nil, 200, `"id":"REL-1@1.0.1"`},
		{"version alone", `{"version":"1.0.1"}`, created, nil, 201, ""},
		{"with everything", `{"version":"1.0.1+5","at":"2025-06-04T04:00:00+02:00","set":{"lambda":"43"},"again":true,"supersede":true,"previous":{"version":"1.0.0","parameters":{"lambda":"42"}},"by":"ci","why":"hotfix"}`, created, nil, 201, ""},
		{"now", `{"version":"1.0.1","at":"now"}`, created, nil, 201, ""},
		{"another run is under way", ok, gate.StartAnswer{}, &gate.Refused{Run: "REL-1@1.0.0", Reason: "1.0.0 is under way"}, 409, `"run":"REL-1@1.0.0"`},
		{"a parameter is missing", ok, gate.StartAnswer{}, &gate.BadStart{Reason: "parameter lambda is required"}, 400, "parameter lambda is required"},
		{"no such plan", ok, gate.StartAnswer{}, fmt.Errorf("starting: %w", gate.ErrNoRun), 404, "no such plan"},
		{"not committed", ok, gate.StartAnswer{}, errBroken, 503, "send the same start again"},
		{"no version", `{"by":"ci"}`, created, nil, 400, "version is required"},
		{"a version that is none", `{"version":"a b"}`, created, nil, 400, "version"},
		{"a time that is none", `{"version":"1","at":"tomorrow"}`, created, nil, 400, "at:"},
		{"supersede without a reason", `{"version":"1","supersede":true,"by":"ci"}`, created, nil, 400, "by and why"},
		{"an unknown field", `{"version":"1","force":true}`, created, nil, 400, "force"},
		{"an escape in a parameter", `{"version":"1","set":{"a":"\u001b[2J"}}`, created, nil, 400, "the escape character"},
		{"a line break in why", `{"version":"1","why":"a\nPASS"}`, created, nil, 400, "a line break"},
		{"no JSON", "1.0.1", created, nil, 400, ""},
	} {
		t.Run(tt.about, func(t *testing.T) {
			s := &starter{answer: tt.answer, err: tt.err}
			g, _ := newGate(t, gate.Config{OpenCommands: true, Starter: s}, view(planName))
			res := ask(g.Handler(), "POST", "/v1/plans/REL-1/runs", tt.body, "Content-Type", "application/json")
			if b := string(readBack(t, res)); res.StatusCode != tt.want || !strings.Contains(b, tt.says) {
				t.Errorf("status %d %s, want %d and %q", res.StatusCode, b, tt.want, tt.says)
			}
			if ok := res.StatusCode < 300; ok != (res.Header.Get("Location") == "/v1/runs/REL-1@1.0.1") {
				t.Errorf("status %d with location %q", res.StatusCode, res.Header.Get("Location"))
			}
			checkContract(t, "POST", "/v1/plans/REL-1/runs", res, tt.body)
			if asked := s.plan != ""; asked != (tt.err != nil || tt.want < 300) {
				t.Errorf("asked: %v", asked)
			}
			if tt.about == "with everything" {
				want := `{1.0.1+5 2025-06-04 02:00:00 +0000 UTC map[lambda:43] true true {1.0.0 map[lambda:42]} ci hotfix }`
				if got := fmt.Sprint(s.got); got != want {
					t.Errorf("passed on %s, want %s", got, want)
				}
			}
		})
	}
	g, _ := newGate(t, gate.Config{OpenCommands: true}, view(planName))
	if res := ask(g.Handler(), "POST", "/v1/plans/REL-1/runs", ok, "Content-Type", "application/json"); res.StatusCode != 503 {
		t.Errorf("without a starter: %d, want 503", res.StatusCode)
	}
}

func TestStartHasAScopeOfItsOwn(t *testing.T) {
	s := &starter{answer: gate.StartAnswer{Run: try(planName, "1.0.1", 1), Created: true}}
	all := append(tokens(), gate.Token{Name: "pipeline", SHA256: hash("pipeline-secret"), Scopes: []gate.Scope{gate.Start}})
	c := &commander{to: "applied"}
	g, _ := newGate(t, gate.Config{Tokens: all, Starter: s, Commander: c}, view(planName))
	for secret, want := range map[string][3]int{
		"pipeline-secret": {201, 403, 403}, "reader-secret": {403, 403, 503}, "robot-secret": {201, 200, 403}, "other-secret": {403, 403, 403}, "x": {401, 401, 401},
	} {
		header := []string{"Authorization", "Bearer " + secret, "Content-Type", "application/json"}
		got := [3]int{
			ask(g.Handler(), "POST", "/v1/plans/REL-1/runs", `{"version":"1.0.1"}`, header...).StatusCode,
			ask(g.Handler(), "POST", commandURL, `{"kind":"hold","by":"a","why":"b"}`, header...).StatusCode,
			ask(g.Handler(), "GET", gateURL, "", header...).StatusCode,
		}
		if got != want {
			t.Errorf("%s: start, command and read are %v, want %v", secret, got, want)
		}
	}
	if s.got.Principal != "robot" && s.got.Principal != "pipeline" {
		t.Errorf("principal %q", s.got.Principal)
	}
	res := ask(g.Handler(), "POST", "/v1/plans/REL-1/runs", `{"version":"1.0.1"}`, "Authorization", "Bearer pipeline-secret", "Content-Type", "application/json", "Origin", "https://evil.example")
	if res.StatusCode != 403 {
		t.Errorf("from a page of another site: %d, want 403", res.StatusCode)
	}
}

func TestACommandIsForTheRunThatItNames(t *testing.T) {
	a := &archive{runs: []wire.RunView{try("shop", "0.9.0", 1, rolledBack)}}
	for _, tt := range []struct {
		about, pin string
		err        error
		want       int
		run        string
	}{
		{"none", ``, nil, 200, ""},
		{"the version under way", `"version":"1.0.1",`, nil, 200, "shop@1.0.1"},
		{"the run under way", `"run":"shop@1.0.1",`, nil, 200, "shop@1.0.1"},
		{"one that has ended", `"version":"0.9.0",`, nil, 200, "shop@0.9.0"},
		{"a version without a run", `"version":"1.0.2",`, nil, 404, ""},
		{"a run that never was", `"run":"shop@7",`, nil, 404, ""},
		{"a run of another plan", `"run":"cart@1.0.1",`, nil, 404, ""},
		{"two that differ", `"run":"shop@1.0.1","version":"0.9.0",`, nil, 400, ""},
		{"a version that is none", `"version":"/",`, nil, 400, ""},
		{"one that the runner does not know", ``, gate.ErrNoRun, 404, ""},
	} {
		c := &commander{to: "applied", err: tt.err}
		g, _ := newGate(t, gate.Config{OpenCommands: true, Commander: c, Past: a}, template(planView(try("shop", "1.0.1", 1))))
		res := ask(g.Handler(), "POST", "/v1/plans/shop/commands", `{`+tt.pin+`"kind":"hold","by":"a","why":"b"}`, "Content-Type", "application/json")
		if res.StatusCode != tt.want || c.run != tt.run {
			t.Errorf("%s: %d for run %q, want %d for %q", tt.about, res.StatusCode, c.run, tt.want, tt.run)
		}
		if reached := len(c.got) > 0; reached != (tt.want == 200 || errors.Is(tt.err, gate.ErrNoRun)) {
			t.Errorf("%s: reached the run: %v", tt.about, reached)
		}
	}
}

// Another part of the daemon is answered about one run, as a client is, and never about another.
func TestAnAnswerWithinTheDaemonIsOfItsRun(t *testing.T) {
	old := &archive{runs: []wire.RunView{try(planName, "1.0.0", 1, superseded)}}
	live := try(planName, "1.0.0", 2, between)
	if empty, err := gate.New(gate.Config{}); err != nil {
		t.Fatal(err)
	} else if _, err := empty.Answer(t.Context(), planName, planName+"@1.0.0", "ten", wire.Passed); !errors.Is(err, gate.ErrStarting) {
		t.Errorf("before the first evaluation: got %v", err)
	}
	g, _ := newGate(t, gate.Config{Past: old}, gate.PlanView{Name: planName, Version: "1.0.0", Runs: []wire.RunView{live}})
	changed := g.Changed()
	for _, tt := range []struct {
		run, phase string
		want       wire.Outcome
		says       string // in the error
	}{
		{planName + "@1.0.0~2", "ten", wire.IsPass, ""},
		{planName + "@1.0.0", "ten", wire.IsEnded, ""},
		{planName + "@1.0.0", "run", wire.IsEnded, ""},
		{planName + "@1.0.0~3", "ten", 0, "has no run"},
		{planName + "@1.0.1", "ten", 0, "has no run"},
		{"other@1.0.0", "ten", 0, "has no run"},
		{"", "ten", 0, "no run is named"},
		{planName + "@1.0.0~2", "eleven", 0, "no phase"},
	} {
		a, err := g.Answer(t.Context(), planName, tt.run, tt.phase, wire.Passed)
		switch {
		case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("run %q, phase %s: got %v, want %q", tt.run, tt.phase, err, tt.says)
		case tt.says == "" && (err != nil || a.Outcome != tt.want):
			t.Errorf("run %q, phase %s: got %v, %v; want %v", tt.run, tt.phase, a.Outcome, err, tt.want)
		}
	}
	old.err = errors.New("the disk is gone")
	g.Update(gate.Views{Plans: []gate.PlanView{{Name: planName, Version: "1.0.0", Runs: []wire.RunView{live}}}})
	select {
	case <-changed:
	default:
		t.Error("the change is not told")
	}
	if a, err := g.Answer(t.Context(), planName, planName+"@1.0.0", "ten", wire.Passed); err != nil || a.Outcome != wire.IsUnknown {
		t.Errorf("while the journal cannot be read: got %v, %v", a.Outcome, err)
	}
}
