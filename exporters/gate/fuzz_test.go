package gate_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/gate"
)

// FuzzGate asks a gate that is pending, in every way: none may look open.
func FuzzGate(f *testing.F) {
	f.Add("GET", "/v1/gates/REL-1/ten/gate", "pending=425", "*/*", "wait=5", "*", "")
	f.Add("POST", "/v1/gates/REL-1/current/rollback", "wait=30s&after=7", "text/plain;q=0.1", "wait=\"3\"", `W/"x"`, flagger)
	f.Add("HEAD", "//v1/gates/REL-1/ten/gate", "pending=200", "text/*", "", "", "{}")
	f.Add("GET", "/v1/gates/REL-1/ten/../ten/gate", "%zz", ";q=", ",;=", "", "")
	g, _ := newGate(f, gate.Config{}, view(planName))
	g.Drain() // no request waits
	h := g.Handler()
	f.Fuzz(func(t *testing.T, method, path, query, accept, prefer, match, sent string) {
		if !strings.HasSuffix(path, "/gate") && !strings.HasSuffix(path, "/rollback") {
			path = strings.TrimSuffix(path, "/verdict") + "/gate"
		}
		r := &http.Request{
			Method: method, URL: &url.URL{Path: path, RawQuery: query}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: "gate.example",
			Header: http.Header{"Accept": {accept}, "Prefer": {prefer}, "If-None-Match": {match}},
			Body:   http.NoBody,
		}
		if sent != "" {
			r.Body = httptest.NewRequest("POST", "/", strings.NewReader(sent)).Body
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r.WithContext(t.Context()))
		if w.Code < 400 {
			t.Errorf("%s %q ? %q: %d for a gate that is pending", method, path, query, w.Code)
		}
	})
}

// FuzzCommand posts anything: what reaches the run says who and why.
func FuzzCommand(f *testing.F) {
	f.Add(`{"kind":"hold","by":"alice","why":"lunch"}`, "7")
	f.Add(`{"id":"7","kind":"override","phase":"ten","verdict":"pass","by":"alice","why":"lunch"}`, "")
	f.Add(`{"kind":"start","phase":"current","by":"ci","why":"x"} `, "x")
	f.Add(`{"kind":null,"by":[],"why":{}}`, "")
	c := &commander{to: "applied"}
	g, _ := newGate(f, gate.Config{OpenCommands: true, Commander: c}, view(planName))
	f.Fuzz(func(t *testing.T, sent, key string) {
		c.got = nil
		header := []string{"Content-Type", "application/json"}
		if key != "" {
			header = append(header, "Idempotency-Key", key)
		}
		res := ask(g.Handler(), "POST", commandURL, sent, header...)
		if got := res.StatusCode == 200; got != (len(c.got) == 1) {
			t.Fatalf("status %d and %d commands", res.StatusCode, len(c.got))
		}
		for _, cmd := range c.got {
			known := map[fact.CommandKind]bool{"start": true, "hold": true, "resume": true, "override": true, "abort": true, "rollback_done": true}
			if cmd.By == "" || cmd.Why == "" || cmd.ID == "" || !known[cmd.Kind] || (cmd.Kind == fact.Override) != (cmd.Verdict != 0) {
				t.Errorf("%q gave %+v", sent, cmd)
			}
			if !json.Valid([]byte(sent)) {
				t.Errorf("%q is not JSON and gave %+v", sent, cmd)
			}
		}
	})
}
