package gate_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

const commandURL = "/v1/plans/REL-1/commands"

func tokens() []gate.Token {
	return []gate.Token{
		{Name: "reader", SHA256: hash("reader-secret"), Scopes: []gate.Scope{gate.Read}},
		{Name: "chief", SHA256: strings.ToUpper(hash("chief-secret")), Scopes: []gate.Scope{gate.Read, gate.Command}},
		{Name: "other", SHA256: hash("other-secret"), Scopes: []gate.Scope{gate.Read, gate.Command}, Plans: []string{"REL-2"}},
		{Name: "robot", SHA256: hash("robot-secret"), Scopes: []gate.Scope{gate.Command}},
	}
}

func TestAccess(t *testing.T) {
	c := &commander{to: "applied"}
	g, _ := newGate(t, gate.Config{Tokens: tokens(), Commander: c}, view(planName), view("REL-2"))
	for _, tt := range []struct {
		about, authorization  string
		read, command, listed int
		plan2                 int
	}{
		{"without a token", "", 401, 401, 401, 401},
		{"a wrong secret", "Bearer x", 401, 401, 401, 401},
		{"a hash is no secret", "Bearer " + hash("chief-secret"), 401, 401, 401, 401},
		{"a name is no secret", "Bearer chief", 401, 401, 401, 401},
		{"another scheme", "Digest chief-secret", 401, 401, 401, 401},
		{"nothing behind Bearer", "Bearer ", 401, 401, 401, 401},
		{"a reader", "Bearer reader-secret", 503, 403, 200, 503},
		{"a chief", "bearer chief-secret", 503, 200, 200, 503},
		{"a token of another plan", "Bearer other-secret", 403, 403, 200, 503},
		{"a robot", "Bearer robot-secret", 403, 200, 403, 403},
		{"Basic, the password counts", "Basic Y2k6cmVhZGVyLXNlY3JldA==", 503, 403, 200, 503},
		{"Basic, the user does not", "Basic cmVhZGVyLXNlY3JldDp4", 401, 401, 401, 401},
	} {
		t.Run(tt.about, func(t *testing.T) {
			for url, want := range map[string]int{gateURL: tt.read, "/v1/gates/REL-2/ten/gate": tt.plan2, "/v1/plans": tt.listed, "/v1/gates/REL-1/ten/nothing": 404} {
				res := ask(g.Handler(), "GET", url, "", "Authorization", tt.authorization)
				if res.StatusCode != want {
					t.Errorf("%s: %d, want %d", url, res.StatusCode, want)
				}
				if got := res.Header.Get("WWW-Authenticate") != ""; got != (res.StatusCode == 401) {
					t.Errorf("%s: a challenge is %v with status %d", url, got, res.StatusCode)
				}
				if want == 401 || want == 403 {
					checkContract(t, "GET", url, res, "")
				}
			}
			res := ask(g.Handler(), "POST", commandURL, `{"kind":"hold","by":"alice","why":"lunch"}`, "Authorization", tt.authorization, "Content-Type", "application/json")
			if res.StatusCode != tt.command {
				t.Errorf("command: %d, want %d", res.StatusCode, tt.command)
			}
			checkContract(t, "POST", commandURL, res, "")
		})
	}
	if len(c.got) != 2 || c.got[0].By != "alice" || c.got[0].Principal != "chief" || c.got[1].Principal != "robot" {
		t.Errorf("committed %+v", c.got)
	}
}

func TestListShowsWhatTheTokenMaySee(t *testing.T) {
	g, _ := newGate(t, gate.Config{Tokens: tokens()}, view(planName), view("REL-2"))
	res := ask(g.Handler(), "GET", "/v1/plans", "", "Authorization", "Bearer other-secret")
	var list wire.PlanList
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil || len(list.Plans) != 1 || list.Plans[0].Plan != "REL-2" {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestTwoAuthorizationHeaders(t *testing.T) {
	g, _ := newGate(t, gate.Config{Tokens: tokens()}, view(planName))
	if res := ask(g.Handler(), "GET", gateURL, "", "Authorization", "Bearer reader-secret", "Authorization", "Bearer x"); res.StatusCode != 401 {
		t.Errorf("status %d, want 401", res.StatusCode)
	}
}

func TestCommandsWithoutTokens(t *testing.T) {
	for open, want := range map[bool]int{false: 403, true: 200} {
		g, _ := newGate(t, gate.Config{OpenCommands: open, Commander: &commander{to: "applied"}}, view(planName))
		res := ask(g.Handler(), "POST", commandURL, `{"kind":"hold","by":"a","why":"b"}`, "Content-Type", "application/json")
		if res.StatusCode != want {
			t.Errorf("open %v: %d, want %d", open, res.StatusCode, want)
		}
	}
}

func TestCommand(t *testing.T) {
	const ok = `{"kind":"hold","by":"alice","why":"lunch"}`
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, tt := range []struct {
		about, body string
		header      []string
		to          string
		err         error
		want        int
	}{
		{"applied", ok, nil, "applied", nil, 200},
		{"refused", ok, nil, "refused", nil, 409},
		{"not committed", ok, nil, "", errBroken, 503},
		{"not clear for which run", ok, nil, "", &gate.Refused{Run: "REL-1@2", Reason: "name the run"}, 400},
		{"with an id", `{"id":"7","kind":"resume","by":"alice","why":"back"}`, nil, "applied", nil, 200},
		{"with a key", ok, []string{"Idempotency-Key", "7"}, "applied", nil, 200},
		{"with both alike", `{"id":"7","kind":"resume","by":"a","why":"b"}`, []string{"Idempotency-Key", "7"}, "applied", nil, 200},
		{"with both apart", `{"id":"8","kind":"resume","by":"a","why":"b"}`, []string{"Idempotency-Key", "7"}, "", nil, 400},
		{"with two keys", ok, []string{"Idempotency-Key", "7", "Idempotency-Key", "7"}, "", nil, 400},
		{"start the current phase", `{"kind":"start","by":"ci","why":"moved"}`, nil, "applied", nil, 200},
		{"start a phase", `{"kind":"start","phase":"all","by":"ci","why":"moved"}`, nil, "applied", nil, 200},
		{"start no phase", `{"kind":"start","phase":"none","by":"ci","why":"moved"}`, nil, "", nil, 400},
		{"override", `{"kind":"override","phase":"ten","verdict":"pass","by":"a","why":"b"}`, nil, "applied", nil, 200},
		{"override with rollback", `{"kind":"override","verdict":"rollback","by":"a","why":"b"}`, nil, "", nil, 400},
		{"override with nothing", `{"kind":"override","by":"a","why":"b"}`, nil, "", nil, 400},
		{"override with a word", `{"kind":"override","verdict":"good","by":"a","why":"b"}`, nil, "", nil, 400},
		{"abort", `{"kind":"abort","by":"a","why":"b"}`, nil, "applied", nil, 200},
		{"abort a phase", `{"kind":"abort","phase":"ten","by":"a","why":"b"}`, nil, "", nil, 400},
		{"rollback done", `{"kind":"rollback_done","by":"a","why":"b"}`, nil, "applied", nil, 200},
		{"a step is done", `{"kind":"effect_done","subject":"high/alias","by":"a","why":"b"}`, nil, "applied", nil, 200},
		{"no step is done", `{"kind":"effect_done","by":"a","why":"b"}`, nil, "", nil, 400},
		{"a step for a role", `{"kind":"ack_effect","subject":"alias","role":"CTO","by":"a","why":"b"}`, nil, "", nil, 400},
		{"hold with a verdict", `{"kind":"hold","verdict":"pass","by":"a","why":"b"}`, nil, "", nil, 400},
		{"an unknown kind", `{"kind":"pause","by":"a","why":"b"}`, nil, "", nil, 400},
		{"no kind", `{"by":"a","why":"b"}`, nil, "", nil, 400},
		{"without an author", `{"kind":"hold","by":" ","why":"b"}`, nil, "", nil, 400},
		{"for no reason", `{"kind":"hold","by":"a"}`, nil, "", nil, 400},
		{"an unknown field", `{"kind":"hold","by":"a","why":"b","force":true}`, nil, "", nil, 400},
		{"two commands", ok + ok, nil, "", nil, 400},
		{"no JSON", "hold", nil, "", nil, 400},
		{"an empty body", " ", nil, "", nil, 400},
		{"a long name", `{"kind":"hold","by":"` + long(201) + `","why":"b"}`, nil, "", nil, 400},
		{"a long reason", `{"kind":"hold","by":"a","why":"` + long(2001) + `"}`, nil, "", nil, 400},
		{"a long id", ok, []string{"Idempotency-Key", long(201)}, "", nil, 400},
		{"an empty version", `{"kind":"hold","version":"","by":"a","why":"b"}`, nil, "", nil, 400},
		{"an empty run", `{"kind":"hold","run":"","by":"a","why":"b"}`, nil, "", nil, 400},
		{"a run that is none", `{"kind":"hold","run":"REL-1","by":"a","why":"b"}`, nil, "", nil, 400},
		{"its run", `{"kind":"hold","run":"REL-1@1.0.0","by":"a","why":"b"}`, nil, "applied", nil, 200},
		{"a forged line in why", `{"kind":"hold","by":"a","why":"b\nPASS (passed): all good"}`, nil, "", nil, 400},
		{"an escape sequence in by", `{"kind":"hold","by":"a\u001b[2K","why":"b"}`, nil, "", nil, 400},
		{"text that runs backwards", `{"kind":"hold","by":"a","why":"\u202edoog lla"}`, nil, "", nil, 400},
		{"a NUL in the id", `{"id":"\u0000","kind":"hold","by":"a","why":"b"}`, nil, "", nil, 400},
		{"a principal of the sender's", `{"kind":"hold","by":"a","why":"b","principal":"admin"}`, nil, "", nil, 400},
		{"supersede without a run to follow", `{"kind":"supersede","by":"a","why":"b"}`, nil, "", nil, 400},
		{"a body too large", `{"kind":"hold","by":"a","why":"` + long(large) + `"}`, nil, "", nil, 413},
		{"a form", ok, []string{"Content-Type", "application/x-www-form-urlencoded"}, "", nil, 415},
		{"another site's page", ok, []string{"Sec-Fetch-Site", "cross-site"}, "", nil, 403},
		{"another origin", ok, []string{"Origin", "https://evil.example"}, "", nil, 403},
	} {
		t.Run(tt.about, func(t *testing.T) {
			c := &commander{to: tt.to, err: tt.err}
			g, _ := newGate(t, gate.Config{OpenCommands: true, Commander: c}, view(planName))
			header := tt.header
			if tt.want != 415 {
				header = append([]string{"Content-Type", "application/json; charset=utf-8"}, header...)
			}
			res := ask(g.Handler(), "POST", commandURL, tt.body, header...)
			if res.StatusCode != tt.want {
				t.Errorf("status %d %s, want %d", res.StatusCode, readBack(t, res), tt.want)
			}
			checkContract(t, "POST", commandURL, res, tt.body)
			committed := tt.to != "" || tt.err != nil
			if got := len(c.got) == 1; got != committed {
				t.Fatalf("%d commands reached the run", len(c.got))
			}
			if committed && c.got[0].ID == "" {
				t.Error("the command has no id")
			}
			if tt.to != "" {
				var e wire.EventBody
				if err := json.NewDecoder(res.Body).Decode(&e); err != nil || e.To != tt.to || e.Kind != "command" {
					t.Errorf("event %+v, %v", e, err)
				}
			}
		})
	}
}

// TestACommandIsWordedByThePlanOfTheRunThatItHit: the runner may have taken it for
// another run than the one that the board showed.
func TestACommandIsWordedByThePlanOfTheRunThatItHit(t *testing.T) {
	titled := func(version, title string) wire.RunView {
		v := try(planName, version, 1)
		v.Plan.Rules = []rules.Rule{{Name: "api", Title: title, Kind: rules.Success}}
		return v
	}
	for run, want := range map[string]string{"REL-1@1.0.1": "the new rule", "REL-1@1.0.0": "the old rule", "REL-1@2": ""} {
		c := &commander{to: "refused", hit: run, why: fact.Why{Code: fact.WhyHeldByRule, Rule: "api"}}
		g, _ := newGate(t, gate.Config{OpenCommands: true, Commander: c}, template(planView(titled("1.0.1", "the new rule"), titled("1.0.0", "the old rule"))))
		res := ask(g.Handler(), "POST", commandURL, `{"kind":"start","by":"a","why":"b"}`, "Content-Type", "application/json")
		body := string(readBack(t, res))
		for _, title := range []string{"the new rule", "the old rule"} {
			if got := strings.Contains(body, title); got != (title == want) {
				t.Errorf("refused by %s: %s, want the words of %q", run, body, want)
			}
		}
	}
}

func TestCommandIsPassedOn(t *testing.T) {
	c := &commander{to: "applied"}
	g, _ := newGate(t, gate.Config{OpenCommands: true, Commander: c}, view(planName))
	for _, body := range []string{
		`{"id":"7","kind":"override","phase":"all","verdict":"fail","by":"alice","why":"no"}`,
		`{"id":"8","kind":"start","phase":"current","by":"ci","why":"moved"}`,
	} {
		ask(g.Handler(), "POST", commandURL, body, "Content-Type", "application/json")
	}
	want := []fact.Command{
		{ID: "7", Kind: fact.Override, Phase: "all", Verdict: rules.Fail, By: "alice", Why: "no"},
		{ID: "8", Kind: fact.StartPhase, By: "ci", Why: "moved"},
	}
	if len(c.got) != 2 || c.got[0] != want[0] || c.got[1] != want[1] || c.plan != planName {
		t.Errorf("got %+v for %q, want %+v", c.got, c.plan, want)
	}
}

func TestCommandWithNobodyToTakeIt(t *testing.T) {
	g, _ := newGate(t, gate.Config{OpenCommands: true}, view(planName))
	for url, want := range map[string]int{commandURL: 503, "/v1/plans/REL-2/commands": 404} {
		res := ask(g.Handler(), "POST", url, `{"kind":"hold","by":"a","why":"b"}`, "Content-Type", "application/json")
		if res.StatusCode != want {
			t.Errorf("%s: %d, want %d", url, res.StatusCode, want)
		}
	}
}

func TestRequire(t *testing.T) {
	g, _ := newGate(t, gate.Config{Tokens: tokens()}, view(planName))
	inner := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	m := http.NewServeMux()
	m.Handle("GET /v1/deliveries", g.Require(gate.Read, inner))
	m.Handle("POST /v1/deliveries/{id}/retry", g.Require(gate.Command, inner))
	m.Handle("GET /v1/plans/{plan}/page", g.Require(gate.Read, inner))
	m.Handle("/", g.Handler())
	for _, tt := range []struct {
		method, url, secret, origin string
		want                        int
	}{
		{"GET", "/v1/deliveries", "", "", 401},
		{"GET", "/v1/deliveries", "reader-secret", "", 418},
		{"GET", "/v1/deliveries", "other-secret", "", 403}, // it is for one plan, the page for all
		{"GET", "/v1/plans/REL-2/page", "other-secret", "", 418},
		{"GET", "/v1/plans/REL-1/page", "other-secret", "", 403},
		{"POST", "/v1/deliveries/7/retry", "reader-secret", "", 403},
		{"POST", "/v1/deliveries/7/retry", "chief-secret", "", 418},
		{"POST", "/v1/deliveries/7/retry", "chief-secret", "https://evil.example", 403},
		{"GET", gateURL, "reader-secret", "", 503},
	} {
		res := ask(m, tt.method, tt.url, "", "Authorization", "Bearer "+tt.secret, "Origin", tt.origin)
		if res.StatusCode != tt.want {
			t.Errorf("%s %s as %q from %q: %d, want %d", tt.method, tt.url, tt.secret, tt.origin, res.StatusCode, tt.want)
		}
	}
}

func TestConfig(t *testing.T) {
	good := tokens()[0]
	edit := func(f func(*gate.Token)) []gate.Token { x := good; f(&x); return []gate.Token{x} }
	for _, tt := range []struct {
		about  string
		config gate.Config
		want   string // in the error; empty: none
	}{
		{"nothing", gate.Config{}, ""},
		{"tokens", gate.Config{Tokens: tokens(), BaseURL: "https://gate.example/x/"}, ""},
		{"a token without a name", gate.Config{Tokens: edit(func(t *gate.Token) { t.Name = "" })}, "no name"},
		{"a name twice", gate.Config{Tokens: []gate.Token{good, good}}, "taken"},
		{"a secret in place of its hash", gate.Config{Tokens: edit(func(t *gate.Token) { t.SHA256 = "hunter2" })}, "64 hex digits"},
		{"a hash too long", gate.Config{Tokens: edit(func(t *gate.Token) { t.SHA256 += "00" })}, "64 hex digits"},
		{"no hash", gate.Config{Tokens: edit(func(t *gate.Token) { t.SHA256 = "" })}, "64 hex digits"},
		{"no scope", gate.Config{Tokens: edit(func(t *gate.Token) { t.Scopes = nil })}, "no scope"},
		{"an unknown scope", gate.Config{Tokens: edit(func(t *gate.Token) { t.Scopes = []gate.Scope{"admin"} })}, `unknown scope "admin"`},
		{"a base without a scheme", gate.Config{BaseURL: "gate.example"}, "base URL"},
		{"a base with a query", gate.Config{BaseURL: "https://gate.example/?a"}, "base URL"},
	} {
		_, err := gate.New(tt.config)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.about, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: error %v, want one with %q", tt.about, err, tt.want)
		case err != nil && strings.Contains(err.Error(), "hunter2"):
			t.Errorf("%s: the error holds the secret: %v", tt.about, err)
		}
	}
}
