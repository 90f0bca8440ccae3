package gate_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/wire"
)

// scoped is one token with scopes, its secret "x".
func scoped(scopes ...gate.Scope) []gate.Token {
	return []gate.Token{{Name: "ci", SHA256: hash("x"), Scopes: scopes}}
}

// refusals is the counts that are not zero.
func refusals(g *gate.Gate) map[string]uint64 {
	counts := map[string]uint64{}
	for _, c := range g.Stats().Refusals {
		if c.Count > 0 {
			counts[c.Reason] = c.Count
		}
	}
	return counts
}

// TestEachScopeLetsInWhatItIsFor: every scope against everything that can be asked.
func TestEachScopeLetsInWhatItIsFor(t *testing.T) {
	asks := []struct{ name, method, url, body string }{
		{"read", "GET", "/v1/plans", ""},
		{"start", "POST", "/v1/plans/REL-1/runs", `{"version":"1.0.1"}`},
		{"supersede", "POST", "/v1/plans/REL-1/runs", `{"version":"1.0.1","supersede":true,"by":"a","why":"b"}`},
		{"phase start", "POST", commandURL, `{"kind":"start","by":"a","why":"b"}`},
		{"hold", "POST", commandURL, `{"kind":"hold","by":"a","why":"b"}`},
		{"resume", "POST", commandURL, `{"kind":"resume","by":"a","why":"b"}`},
		{"abort", "POST", commandURL, `{"kind":"abort","by":"a","why":"b"}`},
		{"rollback_done", "POST", commandURL, `{"kind":"rollback_done","by":"a","why":"b"}`},
		{"override", "POST", commandURL, `{"kind":"override","verdict":"pass","by":"a","why":"b"}`},
		{"ack_effect", "POST", commandURL, `{"kind":"ack_effect","subject":"high/alias","by":"a","why":"b"}`},
		{"effect_done", "POST", commandURL, `{"kind":"effect_done","subject":"high/alias","by":"a","why":"b"}`},
		{"effect_failed", "POST", commandURL, `{"kind":"effect_failed","subject":"high/alias","by":"a","why":"b"}`},
		{"skip_effect", "POST", commandURL, `{"kind":"skip_effect","subject":"high/alias","by":"a","why":"b"}`},
		{"retry", "POST", "/v1/deliveries/x/retry", ""},
	}
	for _, tt := range []struct {
		scopes []gate.Scope
		in     string            // what is let in, but for
		lacks  map[string]string // what is told to miss which scope
	}{
		{[]gate.Scope{gate.Read}, "read", map[string]string{"start": "no scope start", "supersede": "no scope start", "phase start": "no scope phase", "resume": "no scope stop or override", "override": "no scope override", "retry": "no scope stop"}},
		{[]gate.Scope{gate.Start}, "start", map[string]string{"read": "no scope read", "supersede": "no scope override", "hold": "no scope stop"}},
		{[]gate.Scope{gate.Phase}, "phase start", map[string]string{"hold": "no scope stop"}},
		{[]gate.Scope{gate.Stop}, "hold resume abort rollback_done ack_effect effect_done effect_failed retry", map[string]string{"skip_effect": "no scope override", "override": "no scope override", "phase start": "no scope phase"}},
		{[]gate.Scope{gate.Override}, "override resume skip_effect", map[string]string{"effect_done": "no scope stop", "hold": "no scope stop", "supersede": "no scope start"}},
		{[]gate.Scope{gate.Start, gate.Override}, "start supersede override resume skip_effect", nil},
		{[]gate.Scope{gate.Command}, "start supersede phase start hold resume abort rollback_done override ack_effect effect_done effect_failed skip_effect retry", map[string]string{"read": "no scope read"}},
	} {
		g, _ := newGate(t, gate.Config{Tokens: scoped(tt.scopes...), Commander: &commander{to: "applied"}, Starter: &starter{answer: gate.StartAnswer{Run: try(planName, "1.0.1", 1)}}}, view(planName))
		m := http.NewServeMux()
		m.Handle("POST /v1/deliveries/{id}/retry", g.Require(gate.Stop, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
		m.Handle("/", g.Handler())
		for _, a := range asks {
			res := ask(m, a.method, a.url, a.body, "Authorization", "Bearer x", "Content-Type", "application/json")
			body := string(readBack(t, res))
			want := 403
			if in := strings.ReplaceAll(tt.in, "phase start", "phase"); strings.Contains(" "+in+" ", " "+strings.TrimSuffix(a.name, " start")+" ") {
				want = 200
			}
			if res.StatusCode != want {
				t.Errorf("scopes %v, %s: %d %s, want %d", tt.scopes, a.name, res.StatusCode, body, want)
			}
			if says := tt.lacks[a.name]; says != "" && !strings.Contains(body, says) {
				t.Errorf("scopes %v, %s: %s, want %q", tt.scopes, a.name, body, says)
			}
		}
		if n := refusals(g)["scope"]; n == 0 {
			t.Errorf("scopes %v: no refusal was counted for its scope", tt.scopes)
		}
	}
}

// TestAResumeCarriesWhatItsTokenMayEnd: the run decides, in the tick that takes it.
func TestAResumeCarriesWhatItsTokenMayEnd(t *testing.T) {
	for _, tt := range []struct {
		scopes []gate.Scope // none: no token is configured
		limits bool         // to a person's hold
		other  bool         // to a hold of evidence
	}{
		{[]gate.Scope{gate.Stop}, true, false},
		{[]gate.Scope{gate.Override}, false, true},
		{[]gate.Scope{gate.Stop, gate.Override}, false, false},
		{[]gate.Scope{gate.Command}, false, false},
		{nil, false, false},
	} {
		c := &commander{to: "applied"}
		config := gate.Config{OpenCommands: true, Commander: c}
		if tt.scopes != nil {
			config.Tokens = scoped(tt.scopes...)
		}
		g, _ := newGate(t, config, view(planName))
		for _, kind := range []string{"resume", "hold"} {
			ask(g.Handler(), "POST", commandURL, `{"kind":"`+kind+`","by":"a","why":"b"}`, "Authorization", "Bearer x", "Content-Type", "application/json")
		}
		if len(c.got) == 0 || c.got[0].PersonsHold != tt.limits || c.got[0].EvidenceHold != tt.other {
			t.Errorf("scopes %v: %+v, want a person's hold only: %v, one of evidence only: %v", tt.scopes, c.got, tt.limits, tt.other)
		}
		if len(c.got) == 2 && (c.got[1].PersonsHold || c.got[1].EvidenceHold) {
			t.Errorf("scopes %v: a hold is limited", tt.scopes)
		}
	}
}

// TestARevokedTokenIsNotKnownAnyMore: at once, also to the request that waits.
func TestARevokedTokenIsNotKnownAnyMore(t *testing.T) {
	mine := scoped(gate.Read)
	other := gate.Token{Name: "other", SHA256: hash("y"), Scopes: []gate.Scope{gate.Read}}
	for _, tt := range []struct {
		about string
		next  []gate.Token
		want  int // of the long poll and of the next question; 503: it goes on
		why   string
	}{
		{"it is gone", []gate.Token{other}, 401, "unknown_token"},
		{"its secret is another", []gate.Token{{Name: "ci", SHA256: hash("z"), Scopes: []gate.Scope{gate.Read}}}, 401, "unknown_token"},
		{"it may not read any more", scoped(gate.Start), 403, "scope"},
		{"it is for another plan", []gate.Token{{Name: "ci", SHA256: hash("x"), Scopes: []gate.Scope{gate.Read}, Plans: []string{"REL-2"}}}, 403, "plan"},
		{"others came", []gate.Token{mine[0], other}, 503, ""},
		{"no token is needed any more", nil, 503, ""},
	} {
		t.Run(tt.about, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				g, _ := newGate(t, gate.Config{Tokens: mine, Log: slog.New(slog.NewTextHandler(&log, nil))}, view(planName))
				poll := make(chan *http.Response, 1)
				go func() { poll <- ask(g.Handler(), "GET", gateURL+"?wait=50s", "", "Authorization", "Bearer x") }()
				synctest.Wait()
				begin := time.Now()
				if err := g.SetTokens(tt.next); err != nil {
					t.Fatal(err)
				}
				res := <-poll
				if took := time.Since(begin); res.StatusCode != tt.want || (took == 0) != (tt.want != 503) {
					t.Errorf("the long poll ended with %d after %v, want %d", res.StatusCode, took, tt.want)
				}
				if n := refusals(g)[tt.why]; tt.why != "" && n != 1 {
					t.Errorf("counted %v, want one %s", refusals(g), tt.why)
				}
				if n := g.Stats().Waiting; n != 0 {
					t.Errorf("%d long polls are left", n)
				}
				if said := strings.Contains(log.String(), "the last token was taken out"); said != (tt.next == nil) {
					t.Errorf("that the gate is open: said %v", said)
				}
				if res := ask(g.Handler(), "GET", gateURL, "", "Authorization", "Bearer x"); res.StatusCode != tt.want {
					t.Errorf("the next question: %d, want %d", res.StatusCode, tt.want)
				}
			})
		})
	}
}

func TestBadTokensLeaveTheOldOnesInForce(t *testing.T) {
	g, _ := newGate(t, gate.Config{Tokens: scoped(gate.Read)}, view(planName))
	if err := g.SetTokens([]gate.Token{{Name: "ci", SHA256: "x", Scopes: []gate.Scope{gate.Read}}}); err == nil {
		t.Error("a secret in place of its hash is taken")
	}
	for about, tokens := range map[string][]gate.Token{
		"same secret": {{Name: "a", SHA256: hash("y"), Scopes: []gate.Scope{gate.Read}}, {Name: "b", SHA256: strings.ToUpper(hash("y")), Scopes: []gate.Scope{gate.Command}}},
		"no name":     {{Name: "a", SHA256: hash("y"), Scopes: []gate.Scope{gate.Read}, Plans: []string{""}}}, // it would see all of them
	} {
		if err := g.SetTokens(tokens); err == nil || !strings.Contains(err.Error(), about) {
			t.Errorf("%s: %v", about, err)
		}
	}
	if res := ask(g.Handler(), "GET", gateURL, "", "Authorization", "Bearer x"); res.StatusCode != 503 {
		t.Errorf("the old token: %d, want to be let in", res.StatusCode)
	}
}

// TestWithoutTokensOnlyThisMachineCommands: not a page whose name was rebound, and not
// what a proxy passes on.
func TestWithoutTokensOnlyThisMachineCommands(t *testing.T) {
	for _, tt := range []struct {
		host   string
		header []string
		want   string // the reason; empty: taken
	}{
		{"localhost", nil, ""},
		{"LocalHost:8080", nil, ""},
		{"127.0.0.1", nil, ""},
		{"127.8.9.10:1", nil, ""},
		{"[::1]", nil, ""},
		{"[::1]:8080", nil, ""},
		{"[::ffff:127.0.0.1]:8080", nil, ""},
		{"", nil, "foreign_host"},
		{"gate.example", nil, "foreign_host"},
		{"gate.example:8080", nil, "foreign_host"},
		{"localhost.evil.example", nil, "foreign_host"},
		{"127.0.0.1.evil.example:8080", nil, "foreign_host"},
		{"127.0.0.1:8080.evil.example", nil, "foreign_host"},
		{"localhost@evil.example", nil, "foreign_host"},
		{"10.0.0.7:8080", nil, "foreign_host"},
		{"0.0.0.0:8080", nil, "foreign_host"},
		{"[::]:8080", nil, "foreign_host"},
		{"[fe80::1%lo]:8080", nil, "foreign_host"},
		{"2130706433", nil, "foreign_host"},
		{"0x7f.1", nil, "foreign_host"},
		{"localhost", []string{"Host", "evil.example"}, "foreign_host"}, // of HTTP/2, beside :authority
		{"localhost", []string{"Forwarded", "for=192.0.2.1"}, "forwarded"},
		{"localhost", []string{"X-Forwarded-For", "127.0.0.1"}, "forwarded"},
		{"localhost", []string{"x-forwarded-host", "gate.example"}, "forwarded"},
		{"localhost", []string{"X-FORWARDED-PROTO", "https"}, "forwarded"},
		{"localhost", []string{"X-Forwarded-Client-Cert", ""}, "forwarded"},
		{"localhost", []string{"X-Real-IP", "192.0.2.1"}, "forwarded"},
		{"localhost", []string{"Via", "1.1 proxy"}, "forwarded"},
		{"localhost", []string{"X-Original-Forwarded-For", "192.0.2.1"}, "forwarded"},
		{"localhost", []string{"True-Client-IP", "192.0.2.1"}, "forwarded"},
		{"localhost", []string{"CF-Connecting-IP", "192.0.2.1"}, "forwarded"},
		{"localhost", []string{"X-Amzn-Trace-Id", "Root=1"}, "forwarded"},
		{"localhost", []string{"X-Forward-For", "192.0.2.1"}, "forwarded"},
		{"localhost", []string{"X_Forwarded_For", "192.0.2.1"}, "forwarded"},
		{"localhost", []string{"X-Envoy-Expected-Rq-Timeout-Ms", "15000"}, "forwarded"},
		{"localhost", []string{"Max-Forwards", "10"}, "forwarded"}, // Apache
		{"localhost", []string{"X-Scheme", "https"}, "forwarded"},  // ingress-nginx
		{"localhost", []string{"Tailscale-User-Login", "a@b"}, "forwarded"},
		{"localhost", []string{"Fly-Client-IP", "192.0.2.1"}, "forwarded"},
		{"localhost", []string{"DO-Connecting-IP", "192.0.2.1"}, "forwarded"},
		{"localhost", []string{"Surrogate-Capability", "key=ESI/1.0"}, "forwarded"},
		{"localhost", []string{"Proxy-Connection", "keep-alive"}, "forwarded"},
		{"localhost", []string{"HTTP/1.0", ""}, "forwarded"}, // nginx as it is without further settings
		{"localhost", []string{"Origin", "https://evil.example"}, "cross_origin"},
		{"localhost", []string{"Sec-Fetch-Site", "cross-site"}, "cross_origin"},
		{"localhost", []string{"X-Request-Id", "7", "Accept", "*/*"}, ""},
	} {
		c := &commander{to: "applied"}
		s := &starter{answer: gate.StartAnswer{Run: try(planName, "1.0.1", 1)}}
		g, _ := newGate(t, gate.Config{OpenCommands: true, Commander: c, Starter: s}, view(planName))
		deliveries := g.Require(gate.Stop, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		header := append([]string{"Content-Type", "application/json"}, tt.header...)
		want := 200
		if tt.want != "" {
			want = 403
		}
		for _, a := range []struct {
			h         http.Handler
			url, body string
		}{
			{g.Handler(), commandURL, `{"kind":"hold","by":"a","why":"b"}`},
			{g.Handler(), "/v1/plans/REL-1/runs", `{"version":"1.0.1"}`},
			{deliveries, "/v1/deliveries/x/retry", ""},
		} {
			res := askHost(a.h, tt.host, "", "POST", a.url, a.body, header...)
			if body := readBack(t, res); res.StatusCode != want || tt.want != "" && tt.want != "cross_origin" && !bytes.Contains(body, []byte("[daemon.tokens.NAME]")) {
				t.Errorf("Host %q, %v: %s: %d %s, want %d, and what to do", tt.host, tt.header, a.url, res.StatusCode, body, want)
			}
		}
		if n := refusals(g)[tt.want]; tt.want != "" && n != 3 {
			t.Errorf("Host %q, %v: counted %v, want 3 of %s", tt.host, tt.header, refusals(g), tt.want)
		}
		if res := askHost(g.Handler(), tt.host, "", "GET", gateURL, "", header...); res.StatusCode != 503 {
			t.Errorf("Host %q, %v: reading is refused: %d", tt.host, tt.header, res.StatusCode)
		}
		// A token is proof enough, however the request came.
		if err := g.SetTokens(scoped(gate.Stop)); err != nil {
			t.Fatal(err)
		}
		if res := askHost(g.Handler(), tt.host, "", "POST", commandURL, `{"kind":"hold","by":"a","why":"b"}`, append(header, "Authorization", "Bearer x")...); (res.StatusCode == 200) != (tt.want != "cross_origin") {
			t.Errorf("Host %q, %v: with a token: %d", tt.host, tt.header, res.StatusCode)
		}
	}
}

// TestThePrivatePortShowsMemoryToThisMachineOnly: metrics and health are for everyone.
func TestThePrivatePortShowsMemoryToThisMachineOnly(t *testing.T) {
	g, _ := newGate(t, gate.Config{Tokens: tokens()}, view(planName))
	h := g.Private(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	const near, far = "127.0.0.1:4711", "192.0.2.1:4711"
	for _, tt := range []struct {
		method, url, host, remote string
		header                    []string
		want                      string
	}{
		{"GET", "/metrics", "relgate:9091", far, nil, ""},
		{"HEAD", "/metrics", "relgate:9091", far, []string{"X-Forwarded-For", "x"}, ""},
		{"GET", "/-/healthy", "relgate:9091", far, nil, ""},
		{"POST", "/metrics", "relgate:9091", near, nil, "foreign_host"},
		{"GET", "/debug/pprof/heap", "localhost:9091", near, nil, ""},
		{"GET", "/debug/pprof/heap", "[::1]:9091", "[::1]:4711", nil, ""},
		{"GET", "/debug/pprof/heap", "localhost:9091", "[::ffff:127.0.0.1]:4711", nil, ""},
		{"GET", "/debug/pprof/heap", "evil.example:9091", near, nil, "foreign_host"},
		{"GET", "/debug/pprof/heap", "localhost:9091", far, nil, "closed"},
		{"GET", "/debug/pprof/heap", "localhost:9091", "@", nil, "closed"},
		{"GET", "/debug/pprof/heap", "localhost:9091", near, []string{"Via", "1.1 x"}, "forwarded"},
		{"GET", "/debug/pprof/profile", "localhost:9091", near, []string{"Sec-Fetch-Site", "cross-site"}, "cross_origin"},
		{"GET", "/debug/pprof/profile", "localhost:9091", near, []string{"Sec-Fetch-Site", "none"}, ""},
	} {
		before := refusals(g)[tt.want]
		res := askHost(h, tt.host, tt.remote, tt.method, tt.url, "", tt.header...)
		if in := res.StatusCode == 200; in != (tt.want == "") {
			t.Errorf("%+v: %d", tt, res.StatusCode)
		}
		if n := refusals(g)[tt.want] - before; tt.want != "" && n != 1 {
			t.Errorf("%+v: counted %v", tt, refusals(g))
		}
	}
}

// askHost is ask for a Host header and an address of the sender; an empty one stays as it is.
func askHost(h http.Handler, host, remote, method, target, body string, header ...string) *http.Response {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	r.Host = host
	if _, old := r.Header["HTTP/1.0"]; old {
		r.Proto, r.ProtoMinor = "HTTP/1.0", 0
		delete(r.Header, "HTTP/1.0")
	}
	if remote != "" {
		r.RemoteAddr = remote
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// TestRefusedRequestsAreLoggedWithoutTheirSecret: each reason once a second, with how
// many lines were left out.
func TestRefusedRequestsAreLoggedWithoutTheirSecret(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		all := append(tokens(), gate.Token{Name: "phase", SHA256: hash("phase-secret"), Scopes: []gate.Scope{gate.Phase}})
		g, _ := newGate(t, gate.Config{Tokens: all, Log: slog.New(slog.NewJSONHandler(&log, nil))}, view(planName))
		read := func(secret string) {
			ask(g.Handler(), "GET", gateURL, "", "Authorization", "Bearer "+secret)
		}
		for range 500 {
			read("hunter2")
		}
		read("phase-secret")
		read("other-secret")
		ask(g.Handler(), "GET", gateURL, "")
		time.Sleep(time.Second)
		read("hunter2")
		want := []struct {
			reason, token string
			leftOut       float64
		}{
			{"unknown_token", "", 0}, {"scope", "phase", 0}, {"plan", "other", 0}, {"no_token", "", 0}, {"unknown_token", "", 499},
		}
		lines := strings.Split(strings.TrimSpace(log.String()), "\n")
		if len(lines) != len(want) {
			t.Fatalf("%d lines, want %d:\n%s", len(lines), len(want), log.String())
		}
		for i, line := range lines {
			var got map[string]any
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				t.Fatal(err)
			}
			if got["level"] != "WARN" || got["msg"] != "request refused" || got["reason"] != want[i].reason || got["token"] != want[i].token || got["left_out"] != want[i].leftOut || got["remote"] != "192.0.2.1:1234" || got["err"] == nil {
				t.Errorf("line %d: %s, want %+v", i, line, want[i])
			}
		}
		if strings.Contains(log.String(), "hunter2") || strings.Contains(log.String(), "-secret") {
			t.Errorf("the log holds a secret:\n%s", log.String())
		}
		if got, want := fmt.Sprint(refusals(g)), "map[no_token:1 plan:1 scope:1 unknown_token:501]"; got != want {
			t.Errorf("counted %s, want %s", got, want)
		}
	})
}

func TestAWrongTokenIsToldThatItIsNotKnown(t *testing.T) {
	g, _ := newGate(t, gate.Config{Tokens: tokens()}, view(planName))
	for authorization, want := range map[string]string{"": "a token is needed", "Bearer hunter2": "the token is not known", "Basic eDpodW50ZXIy": "the token is not known", "Digest x": "a token is needed"} {
		res := ask(g.Handler(), "GET", gateURL, "", "Authorization", authorization)
		var p wire.Problem
		if err := json.NewDecoder(res.Body).Decode(&p); err != nil || p.Title != want || strings.Contains(p.Detail, "hunter2") {
			t.Errorf("%q: %+v, %v; want %q", authorization, p, err, want)
		}
	}
}

// TestNobodySpeaksInTheNameOfAnotherToken: whatever it is written with.
func TestNobodySpeaksInTheNameOfAnotherToken(t *testing.T) {
	all := []gate.Token{
		{Name: "ci", SHA256: hash("x"), Scopes: []gate.Scope{gate.Command}},
		{Name: "Release-Manager", SHA256: hash("y"), Scopes: []gate.Scope{gate.Command}},
	}
	for by, want := range map[string]int{
		"alice": 200, "R. Manager": 200, "ci": 200, "CI": 200, "c i": 200, "Ädä Lövelace": 200, "アリス": 200, "release managers": 200, "Tokenmaster": 200,
		"Release-Manager": 400, "release manager": 400, "RELEASEMANAGER": 400, " Release-Manager ": 400, "Ｒｅｌｅａｓｅ-Manager": 400, "Rеlеаsе-Mаnаgеr": 400, // Cyrillic
		"Re1ease-Manager": 400, "Rélease-Mânager": 400, "𝐑𝐞𝐥𝐞𝐚𝐬𝐞-Manager": 400, "Release_Manager": 400, "Release\u200b-Manager": 400, "Release\u00a0Manager": 400,
		"alice (token Release-Manager)": 400, "alice  (TOKEN admin)": 400, "alice via token admin": 400, "alice （token admin）": 400, "alice [token admin]": 400, "alice, token: admin": 400, "alice token=admin": 400, "alice (tоken admin)": 400, "alice (tóken admin)": 400, "rоllback ruIe": 400, "Rule high": 400, "relgate": 400, "RelGate.": 400, "Ruler": 200, "token Release-Manager": 400, "Tоken  admin": 400, `alice token "admin"`: 400,
	} {
		c, s := &commander{to: "applied"}, &starter{answer: gate.StartAnswer{Run: try(planName, "1.0.1", 1)}}
		g, _ := newGate(t, gate.Config{Tokens: all, Commander: c, Starter: s}, view(planName))
		said, err := json.Marshal(by)
		if err != nil {
			t.Fatal(err)
		}
		header := []string{"Authorization", "Bearer x", "Content-Type", "application/json"}
		for url, body := range map[string]string{commandURL: `{"kind":"hold","by":` + string(said) + `,"why":"b"}`, "/v1/plans/REL-1/runs": `{"version":"1.0.1","by":` + string(said) + `}`} {
			res := ask(g.Handler(), "POST", url, body, header...)
			if answer := readBack(t, res); res.StatusCode != want || want == 400 && !bytes.Contains(answer, []byte("by: ")) {
				t.Errorf("by %q to %s: %d %s, want %d", by, url, res.StatusCode, answer, want)
			}
		}
		if want == 200 && (c.got[0].Principal != "ci" || s.got.Principal != "ci") {
			t.Errorf("by %q: principals %q and %q, want ci", by, c.got[0].Principal, s.got.Principal)
		}
	}
}
