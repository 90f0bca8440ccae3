package gate_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

const (
	flagger = `{"name":"podinfo","namespace":"test","phase":"Progressing","checksum":"85d557f47b","metadata":{}}`
	large   = 64<<10 + 1
)

func TestProblems(t *testing.T) {
	ready := []gate.PlanView{view(planName)}
	starting := []gate.PlanView{view(planName, func(s *fact.Snapshot) { s.At = time.Time{} })}
	for _, tt := range []struct {
		about, method, url, body string
		views                    []gate.PlanView
		want                     int
		header                   string // "Name: value" that the answer has
	}{
		{"no update yet", "GET", gateURL, "", nil, 503, "Retry-After: 1"},
		{"no update yet, verdict", "GET", "/v1/gates/REL-1/ten/verdict", "", nil, 503, "Retry-After: 1"},
		{"no tick yet", "GET", gateURL, "", starting, 503, "Retry-After: 1"},
		{"no tick yet, pending asked for another status", "GET", gateURL + "?pending=425", "", starting, 503, "Retry-After: 1"},
		{"no tick yet, long poll", "GET", gateURL + "?wait=30s", "", starting, 503, "Retry-After: 1"},
		{"no tick yet, plan", "GET", "/v1/plans/REL-1", "", starting, 503, "Retry-After: 1"},
		{"unknown plan", "GET", "/v1/gates/REL-2/ten/gate", "", ready, 404, ""},
		{"unknown phase", "GET", "/v1/gates/REL-1/eleven/gate", "", ready, 404, ""},
		{"unknown plan's page", "GET", "/v1/plans/REL-2", "", ready, 404, ""},
		{"unknown plan, HEAD", "HEAD", "/v1/gates/REL-2/ten/gate", "", ready, 404, ""},
		{"PUT", "PUT", gateURL, "", ready, 405, "Allow: GET, HEAD, POST"},
		{"DELETE a plan", "DELETE", "/v1/plans/REL-1", "", ready, 405, "Allow: GET, HEAD"},
		{"GET a command", "GET", "/v1/plans/REL-1/commands", "", ready, 405, "Allow: POST"},
		{"unknown key", "GET", gateURL + "?pendign=425", "", ready, 400, ""},
		{"pending as success", "GET", gateURL + "?pending=200", "", ready, 400, ""},
		{"pending as redirect", "GET", gateURL + "?pending=304", "", ready, 400, ""},
		{"pending as accepted", "GET", gateURL + "?pending=202", "", ready, 400, ""},
		{"pending twice", "GET", gateURL + "?pending=425&pending=503", "", ready, 400, ""},
		{"negative wait", "GET", gateURL + "?wait=-1s", "", ready, 400, ""},
		{"wait without a number", "GET", gateURL + "?wait=long", "", ready, 400, ""},
		{"after without a number", "GET", gateURL + "?after=x", "", ready, 400, ""},
		{"broken escape", "GET", gateURL + "?wait=%zz", "", ready, 400, ""},
		{"a semicolon", "GET", gateURL + "?wait=1;pending=425", "", ready, 400, ""},
		{"the same key behind another", "GET", gateURL + "?wait=1&after=3&%77ait=1", "", ready, 400, ""},
		{"on=fail at the gate", "GET", gateURL + "?on=fail", "", ready, 400, ""},
		{"on something else", "GET", "/v1/gates/REL-1/ten/rollback?on=pending", "", ready, 400, ""},
		{"entry of current", "GET", "/v1/gates/REL-1/current/entry", "", ready, 400, ""},
		{"a version that is none", "GET", gateURL + "?version=a/b", "", ready, 400, ""},
		{"an empty version", "GET", gateURL + "?version=", "", ready, 400, ""},
		{"a run that is none", "GET", gateURL + "?run=REL-1", "", ready, 400, ""},
		{"a first try by number", "GET", gateURL + "?run=REL-1@1.0.0~1", "", ready, 400, ""},
		{"an unknown run", "GET", gateURL + "?run=REL-1@9", "", ready, 404, ""},
		{"a run of another plan", "GET", gateURL + "?run=REL-2@1.0.0", "", ready, 404, ""},
		{"a run of another version", "GET", gateURL + "?run=REL-1@1.0.0&version=2.0.0", "", ready, 400, ""},
		{"Flagger at the entry", "POST", "/v1/gates/REL-1/all/entry", flagger, ready, 503, "Gate-Verdict: pending"},
		{"Flagger at the wrong view", "POST", "/v1/gates/REL-1/ten/verdict", flagger, ready, 400, ""},
		{"Flagger at the gate", "POST", gateURL, flagger, ready, 503, "Gate-Verdict: pending"},
		{"Flagger at the rollback", "POST", "/v1/gates/REL-1/ten/rollback", flagger, ready, 409, "Gate-Verdict: pending"},
		{"another JSON at the verdict", "POST", "/v1/gates/REL-1/ten/verdict", `{"name":"x"}`, ready, 200, ""},
		{"no JSON at the verdict", "POST", "/v1/gates/REL-1/ten/verdict", "hello", ready, 200, ""},
		{"large body", "POST", gateURL, strings.Repeat("x", large), ready, 413, ""},
		{"largest body", "POST", gateURL, strings.Repeat("x", large-1), ready, 503, "Gate-Verdict: pending"},
	} {
		t.Run(tt.about, func(t *testing.T) {
			g, _ := newGate(t, gate.Config{}, tt.views...)
			res := ask(g.Handler(), tt.method, tt.url, tt.body)
			if res.StatusCode != tt.want {
				t.Errorf("status %d, want %d", res.StatusCode, tt.want)
			}
			if name, value, ok := strings.Cut(tt.header, ": "); ok && res.Header.Get(name) != value {
				t.Errorf("%s %q, want %q", name, res.Header.Get(name), value)
			}
			if res.Header.Get("Gate-Verdict") == "" && res.StatusCode != 200 {
				checkProblem(t, res)
			}
			if tt.want != 405 {
				checkContract(t, tt.method, tt.url, res, tt.body)
			}
		})
	}
}

func checkProblem(t *testing.T, res *http.Response) {
	t.Helper()
	if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
	var p wire.Problem
	b := readBack(t, res)
	if err := json.Unmarshal(b, &p); err != nil || p.Status != res.StatusCode || p.Title == "" || p.Detail == "" {
		t.Errorf("problem %s: %v", b, err)
	}
}

func TestUnknownPaths(t *testing.T) {
	g, _ := newGate(t, gate.Config{}, view(planName))
	for _, path := range []string{
		"/", "/v1", "/v1/gates", "/v1/gates/", "/v1/gates/REL-1", "/v1/gates/REL-1/ten", "/v1/gates/REL-1/ten/", "/v1/gates/REL-1/ten/open",
		"/v1/gates//ten/gate", "/v1/gates/REL-1//gate", "/v1/gates/REL-1/ten/x/gate", "/v1/gates/REL-1/ten/gate/", "/v1/gates/../gate/gate/gate", "//v1/gates/REL-1/ten/gate", "/v1//gates/REL-1/ten/gate", "/v1/./gates/REL-1/ten/gate", "/x/../v1/gates/REL-1/ten/gate", "/v1/gates/REL-1/ten/..", "/v1/plans//",
		"/v1/plans/REL-1/commands/x",
	} {
		res := ask(g.Handler(), "GET", path, "")
		if res.StatusCode != 404 {
			t.Errorf("%s: %d, want 404", path, res.StatusCode)
		}
		checkProblem(t, res)
	}
}

func TestAccept(t *testing.T) {
	g, _ := newGate(t, gate.Config{}, view(planName))
	for accept, text := range map[string]bool{
		"":           false,
		"*/*":        false,
		"text/plain": true,
		"text/*":     true,
		"TEXT/PLAIN": true,
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": false,
		"text/plain, application/json, application/*+json, */*":           false, // Spring, thus Spinnaker
		"text/plain, */*;q=0.1":                   true,
		"text/plain;q=0.5, application/json":      false,
		"application/json;q=0.5, text/plain":      true,
		"text/plain;q=0":                          false,
		"text/plain;q=0.2, */*;q=0.9":             false,
		"text/plain;q=x":                          true,
		"text/plain;charset=utf-8;q=0.9, */*;q=0": true,
	} {
		res := ask(g.Handler(), "GET", gateURL, "", "Accept", accept)
		if got := strings.HasPrefix(res.Header.Get("Content-Type"), "text/plain"); got != text {
			t.Errorf("Accept %q: text is %v, want %v", accept, got, text)
		}
	}
}

func TestPseudoPhasesWinOverPhasesOfTheirName(t *testing.T) {
	g, _ := newGate(t, gate.Config{}, view(planName, func(s *fact.Snapshot) {
		s.Phases[0].Name, s.Phases[1].Name, s.Current = "run", "current", 1
		s.Phases[1].State, s.Phases[1].Verdict = rules.Passed, rules.Pass
	}))
	for _, phase := range []string{"run", "current"} {
		if b := body(t, g, phase); b.Verdict != "pending" {
			t.Errorf("%s: %s, want what the whole run says", phase, b.Verdict)
		}
	}
}

func TestPlans(t *testing.T) {
	g, ck := newGate(t, gate.Config{}, view("a"), view("b", situations()["rollback"]), view("c", func(s *fact.Snapshot) { s.At = time.Time{} }),
		gate.PlanView{Name: "d", Title: "D", Template: true, File: gate.File{State: gate.FileBroken, Reason: "plans/d.toml:3: unknown unit"}})
	ck.set(t0.Add(time.Hour))
	res := ask(g.Handler(), "GET", "/v1/plans", "")
	checkContract(t, "GET", "/v1/plans", res, "")
	var list wire.PlanList
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	if len(list.Plans) != 4 || list.Plans[0].Plan != "a" || !list.Plans[0].Stale || list.Plans[1].Run.Verdict != "rollback" || list.Plans[2].EvaluatedAt != nil || list.Plans[2].Stale {
		t.Errorf("list %+v", list)
	}
	if d := list.Plans[3]; !d.Template || d.Run != nil || d.File.State != "broken" || d.File.Reason == "" {
		t.Errorf("a template whose file is broken: %+v", d)
	}
	for _, plan := range []string{"a", "b"} {
		url := "/v1/plans/" + plan
		res := ask(g.Handler(), "GET", url, "")
		checkContract(t, "GET", url, res, "")
		var p wire.PlanBody
		if err := json.NewDecoder(res.Body).Decode(&p); err != nil {
			t.Fatal(err)
		}
		if p.Current != "ten" || len(p.Phases) != 2 || len(p.Rollback) != 2 || len(p.Signals) != 2 || p.Signals[1].Value != nil || *p.Signals[0].Value != 5 || p.Stale != (plan == "a") {
			t.Errorf("plan %+v", p)
		}
		if want := map[string]string{"a": "unknown", "b": "rollback"}[plan]; p.Phases[0].Verdict != want {
			t.Errorf("%s: verdict %q, want %q", plan, p.Phases[0].Verdict, want)
		}
		if res := ask(g.Handler(), "GET", url, "", "If-None-Match", res.Header.Get("Etag")); res.StatusCode != 304 {
			t.Errorf("%s: %d with the same tag, want 304", url, res.StatusCode)
		}
	}
	if res := ask(g.Handler(), "GET", "/v1/plans/d", ""); res.StatusCode != 404 {
		t.Errorf("a plan without a run: %d, want 404", res.StatusCode)
	}
}

func TestNoPlans(t *testing.T) {
	g, _ := newGate(t, gate.Config{})
	res := ask(g.Handler(), "GET", "/v1/plans", "")
	if b := readBack(t, res); !strings.Contains(string(b), `"plans":[]`) {
		t.Errorf("body %s", b)
	}
}

func TestUpdateDropsAndKeeps(t *testing.T) {
	g, _ := newGate(t, gate.Config{}, view("a"), view("b"))
	show(g, view("b"))
	if res := ask(g.Handler(), "GET", "/v1/gates/a/ten/gate", ""); res.StatusCode != 404 {
		t.Errorf("a plan that is gone: %d, want 404", res.StatusCode)
	}
	if res := ask(g.Handler(), "GET", "/v1/gates/b/ten/gate", ""); res.StatusCode != 503 {
		t.Errorf("a plan that stays: %d, want 503", res.StatusCode)
	}
}

func TestStats(t *testing.T) {
	g, _ := newGate(t, gate.Config{}, view(planName))
	for range 3 {
		ask(g.Handler(), "GET", gateURL+"?pending=429", "")
	}
	ask(g.Handler(), "GET", "/v1/gates/REL-1/ten/rollback", "")
	ask(g.Handler(), "GET", "/v1/gates/REL-2/ten/rollback", "")
	want := map[gate.Answers]bool{{View: "gate", Status: 429, Count: 3}: true, {View: "rollback", Status: 409, Count: 1}: true}
	var sum uint64
	for _, a := range g.Stats().Answers {
		delete(want, a)
		sum += a.Count
	}
	if len(want) > 0 || sum != 4 {
		t.Errorf("not counted: %v; %d counted, want 4", want, sum)
	}
}

func TestHealth(t *testing.T) {
	var alive, ready error
	h := gate.Health(func() error { return alive }, func() error { return ready })
	check := func(path, want string, status int) {
		t.Helper()
		res := ask(h, "GET", path, "")
		if b := readBack(t, res); string(b) != want || res.StatusCode != status {
			t.Errorf("%s: %d %q, want %d %q", path, res.StatusCode, b, status, want)
		}
		checkContract(t, "GET", path, ask(h, "GET", path, ""), "")
	}
	check("/-/healthy", "healthy\n", 200)
	check("/-/ready", "ready\n", 200)
	ready = errBroken
	check("/-/healthy", "healthy\n", 200)
	check("/-/ready", "not ready: the journal is broken\n", 503)
	alive = errBroken
	check("/-/healthy", "not healthy: the journal is broken\n", 503)
	h = gate.PublicHealth(func() error { return alive }, func() error { return ready })
	check("/-/healthy", "not healthy\n", 503)
	check("/-/ready", "not ready\n", 503)
	alive, ready = nil, nil
	check("/-/healthy", "healthy\n", 200)
	check("/-/ready", "ready\n", 200)
}
