package gate_test

import (
	"bytes"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/oidc"
	"github.com/relgate/relgate/exporters/oidc/oidctest"
)

// jobsOf lets in one repository's jobs to read, and those in its environment prod to do more.
func jobsOf(is *oidctest.Issuer) []gate.Job {
	trust := func(name string, claims map[string]string) oidc.Trust {
		return oidc.Trust{Name: name, Issuer: is.URL, Audience: "https://gate.example", Claims: claims}
	}
	return []gate.Job{
		{Trust: trust("github", map[string]string{"repository_id": "123"}), Scopes: []gate.Scope{gate.Read}},
		{Trust: trust("prod", map[string]string{"repository_id": "123", "environment": "prod"}), Scopes: []gate.Scope{gate.Read, gate.Stop}, Plans: []string{planName}},
	}
}

// job is a token of a job, for five minutes from the time of the samples.
func job(t *testing.T, is *oidctest.Issuer, claims map[string]any) string {
	t.Helper()
	at := t0.Add(now5).Unix()
	all := map[string]any{"iss": is.URL, "aud": "https://gate.example", "iat": at, "exp": at + 300, "repository_id": "123", "run_id": "4711"}
	maps.Copy(all, claims)
	return is.Token(t, all)
}

// TestJobsOfACISystem: what its token says decides what a job may do, and is kept with what
// it did.
func TestJobsOfACISystem(t *testing.T) {
	is := oidctest.New(t)
	c := &commander{to: "applied"}
	var log bytes.Buffer
	g, _ := newGate(t, gate.Config{Jobs: jobsOf(is), Tokens: scoped(gate.Read), OpenCommands: true, Commander: c, Log: slog.New(slog.NewTextHandler(&log, nil))}, view(planName), view("REL-2"))
	const hold = `{"kind":"hold","by":"ada","why":"b"}`
	for _, tt := range []struct {
		about, method, url, body string
		claims                   map[string]any
		status                   int
		says                     string
	}{
		{"reads", "GET", gateURL, "", nil, 503, ""},
		{"reads all plans", "GET", "/v1/plans", "", nil, 200, ""},
		{"may not hold", "POST", commandURL, hold, nil, 403, `token \"oidc:github repository_id=123 run_id=4711\": it has no scope stop`},
		{"may hold from prod", "POST", commandURL, hold, map[string]any{"environment": "prod"}, 200, `"principal":"oidc:prod environment=prod repository_id=123 run_id=4711"`},
		{"another plan", "GET", "/v1/gates/REL-2/ten/gate", "", map[string]any{"environment": "prod"}, 403, "it is for other plans"},
		{"another repository", "GET", gateURL, "", map[string]any{"repository_id": "124"}, 401, "its claim repository_id is not"},
		{"expired", "POST", commandURL, hold, map[string]any{"exp": t0.Unix()}, 401, "has expired"},
		{"names itself", "POST", commandURL, `{"kind":"hold","by":"oidc:prod","why":"b"}`, map[string]any{"environment": "prod"}, 400, "looks like what relgate says of a job"},
		{"names itself otherwise", "POST", commandURL, `{"kind":"hold","by":"OIDC prod 123","why":"b"}`, map[string]any{"environment": "prod"}, 400, "looks like what relgate says of a job"},
	} {
		token := job(t, is, tt.claims)
		res := ask(g.Handler(), tt.method, tt.url, tt.body, "Authorization", "Bearer "+token, "Content-Type", "application/json")
		body := string(readBack(t, res))
		if tt.says != "" && tt.status == 200 {
			body = `"principal":"` + c.got[len(c.got)-1].Principal + `"`
		}
		if res.StatusCode != tt.status || !strings.Contains(body, tt.says) {
			t.Errorf("%s: %d %s, want %d %q", tt.about, res.StatusCode, body, tt.status, tt.says)
		}
		if strings.Contains(body+log.String(), token[len(token)-40:]) {
			t.Errorf("%s: the token is told", tt.about)
		}
	}
	if len(c.got) != 1 {
		t.Errorf("%d commands were given, want 1", len(c.got))
	}
	if res := ask(g.Handler(), "GET", "/v1/plans", "", "Authorization", "Bearer x"); res.StatusCode != 200 {
		t.Errorf("a token beside the jobs: %d", res.StatusCode)
	}
	if got := refusals(g); got["signed_token"] != 2 || got["scope"] != 1 || got["plan"] != 1 {
		t.Errorf("counted %v", got)
	}
}

// TestWithJobsAloneNothingIsOpen: they are tokens, too.
func TestWithJobsAloneNothingIsOpen(t *testing.T) {
	is := oidctest.New(t)
	g, _ := newGate(t, gate.Config{Jobs: jobsOf(is), OpenCommands: true, Commander: &commander{to: "applied"}}, view(planName))
	for _, header := range [][]string{nil, {"Authorization", "Bearer x"}, {"Authorization", "Bearer a.b.c"}} {
		if res := ask(g.Handler(), "GET", gateURL, "", header...); res.StatusCode != 401 {
			t.Errorf("%v: %d", header, res.StatusCode)
		}
		if res := ask(g.Handler(), "POST", commandURL, `{"kind":"abort","by":"a","why":"b"}`, append(header, "Content-Type", "application/json")...); res.StatusCode != 401 {
			t.Errorf("%v: a command: %d", header, res.StatusCode)
		}
	}
	if err := g.SetTokens(nil); err != nil {
		t.Fatal(err)
	}
	if res := ask(g.Handler(), "GET", "/v1/plans", ""); res.StatusCode != 200 {
		t.Errorf("with neither: %d", res.StatusCode)
	}
}

// TestAnIssuerThatIsAway: whose token it is is not known then, and the token is refused.
func TestAnIssuerThatIsAway(t *testing.T) {
	is := oidctest.New(t)
	away := func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(502); return true }
	is.Answer.Store(&away)
	g, _ := newGate(t, gate.Config{Jobs: jobsOf(is), Commander: &commander{to: "applied"}}, view(planName))
	for _, a := range []struct{ method, url, body string }{
		{"GET", gateURL, ""}, {"GET", "/v1/plans", ""}, {"POST", commandURL, `{"kind":"hold","by":"a","why":"b"}`}, {"GET", "/v1/runs", ""},
	} {
		res := ask(g.Handler(), a.method, a.url, a.body, "Authorization", "Bearer "+job(t, is, nil), "Content-Type", "application/json")
		if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
			t.Errorf("%s %s: %d", a.method, a.url, res.StatusCode)
		}
		checkContract(t, a.method, a.url, res, a.body)
	}
	if got := refusals(g); got["issuer_away"] != 4 {
		t.Errorf("counted %v", got)
	}
}

// TestAJobThatIsTakenOutWaitsNoLonger: its long poll is refused when others are in force.
func TestAJobThatIsTakenOutWaitsNoLonger(t *testing.T) {
	is := oidctest.New(t) // outside of the bubble: who waits for the network does not stand still
	token := job(t, is, nil)
	synctest.Test(t, func(t *testing.T) {
		jobs := jobsOf(is)
		g, _ := newGate(t, gate.Config{Jobs: jobs, Tokens: scoped(gate.Read)}, view(planName))
		poll := make(chan int, 1)
		go func() {
			poll <- ask(g.Handler(), "GET", gateURL+"?wait=50s", "", "Authorization", "Bearer "+token).StatusCode
		}()
		synctest.Wait()
		if n := g.Stats().Waiting; n != 1 {
			t.Fatalf("%d long polls", n)
		}
		begin := time.Now()
		if err := g.SetTokens(scoped(gate.Read), jobs[1]); err != nil {
			t.Fatal(err)
		}
		if status := <-poll; status != 401 || time.Since(begin) != 0 {
			t.Errorf("the long poll ended with %d after %v", status, time.Since(begin))
		}
	})
}

func TestJobsThatAreNone(t *testing.T) {
	good := oidc.Trust{Name: "n", Issuer: "https://i.example", Audience: "a", Claims: map[string]string{"project_id": "1"}}
	edit := func(f func(*gate.Job)) []gate.Job {
		j := gate.Job{Trust: good, Scopes: []gate.Scope{gate.Read}}
		f(&j)
		return []gate.Job{j}
	}
	for _, tt := range []struct {
		jobs []gate.Job
		says string
	}{
		{edit(func(*gate.Job) {}), ""},
		{edit(func(j *gate.Job) { j.Scopes = nil }), "it has no scope"},
		{edit(func(j *gate.Job) { j.Scopes = []gate.Scope{"all"} }), "unknown scope"},
		{edit(func(j *gate.Job) { j.Plans = []string{""} }), "has no name"},
		{edit(func(j *gate.Job) { j.Claims = nil }), "at least one claim"},
		{edit(func(j *gate.Job) { j.Audience = "" }), "audience"},
		{edit(func(j *gate.Job) { j.Issuer = "http://i.example" }), "want an https URL"},
		{edit(func(j *gate.Job) { j.Name = strings.Repeat("n", 81) }), "too long"},
	} {
		_, err := gate.New(gate.Config{Jobs: tt.jobs})
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v, want %q", err, tt.says)
		}
	}
	if _, err := gate.New(gate.Config{Tokens: []gate.Token{{Name: "OIDC:github", SHA256: hash("x"), Scopes: []gate.Scope{gate.Read}}}}); err == nil {
		t.Error("a token passes for a job")
	}
}
