package webhook

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// delivery is a request as the official library would sign it.
func delivery(t testing.TB, path, id string, at time.Time, body string) *http.Request {
	t.Helper()
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := wh.Sign(id, at, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := parseKeys([]string{secret})
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	sign(req.Header, keys, id, at, []byte(body))
	req.Header.Set("webhook-signature", "v1a,bm90aGluZw== "+signature) // ours must not be needed
	return req
}

func TestReceiver(t *testing.T) {
	now := time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)
	const body = `{"type":"relgate.phase.passed","timestamp":"2025-06-04T02:00:00Z","data":{"plan":"p","n":7}}`
	with := func(name, value string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set(name, value) }
	}
	for _, tt := range []struct {
		name   string
		at     time.Time
		body   string
		change func(*http.Request)
		want   int
	}{
		{"as it should be", now, body, nil, 204},
		{"four minutes old", now.Add(-4 * time.Minute), body, nil, 204},
		{"six minutes old", now.Add(-6 * time.Minute), body, nil, 401},
		{"six minutes in the future", now.Add(6 * time.Minute), body, nil, 401},
		{"another timestamp", now, body, with("webhook-timestamp", "1749002401"), 401},
		{"another id", now, body, with("webhook-id", "p/8"), 401},
		{"no id", now, body, with("webhook-id", ""), 401},
		{"another version of signature only", now, body, with("webhook-signature", "v1a,AAAA"), 401},
		{"no hub signature", now, body, with("x-hub-signature-256", ""), 401},
		{"a hub signature of something else", now, body, with("x-hub-signature-256", "sha256=00"), 401},
		{"not ours inside", now, `{"hello":1}`, nil, 400},
		{"not JSON", now, `<xml>`, nil, 400},
		{"GET", now, body, func(r *http.Request) { r.Method = http.MethodGet }, 405},
		{"too large", now, `{"type":"` + strings.Repeat("x", 1<<20) + `"}`, nil, 400},
	} {
		r, err := NewReceiver(ReceiverConfig{Secrets: []string{"an older secret", secret}, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		req := delivery(t, "/hook", "p/7", tt.at, tt.body)
		if tt.change != nil {
			tt.change(req)
		}
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if w.Code != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, w.Code, w.Body, tt.want)
		}
		if took := len(r.Received()) == 1; took != (tt.want == 204) {
			t.Errorf("%s: taken %v, want %v", tt.name, took, tt.want == 204)
		}
	}
}

func TestReceiverCounts(t *testing.T) {
	now := time.Now()
	r, err := NewReceiver(ReceiverConfig{Secrets: []string{secret}})
	if err != nil {
		t.Fatal(err)
	}
	body := func(n string) string {
		return `{"type":"relgate.phase.passed","timestamp":"2025-06-04T02:00:00Z","data":{"plan":"p","n":` + n + `}}`
	}
	for _, x := range []struct{ path, n string }{{"/a", "1"}, {"/a", "2"}, {"/a", "1"}, {"/b", "2"}, {"/b", "1"}, {"/a", "4"}} {
		r.ServeHTTP(httptest.NewRecorder(), delivery(t, x.path, "p/"+x.n, now, body(x.n)))
	}
	want := Tally{Requests: 6, Delivered: 5, Duplicates: 1, OutOfOrder: 1}
	if got := r.Tally(); got != want {
		t.Errorf("tally %+v, want %+v", got, want)
	}
	if _, err := NewReceiver(ReceiverConfig{}); err == nil {
		t.Error("a receiver without a secret was made")
	}
}

// No bytes get past the signature.
func FuzzReceiver(f *testing.F) {
	f.Add("p/1", "1749002400", "v1,AAAA", "sha256=00", []byte(`{}`))
	f.Fuzz(func(t *testing.T, id, stamp, signature, hub string, body []byte) {
		r, err := NewReceiver(ReceiverConfig{Secrets: []string{secret}, Now: func() time.Time { return time.Unix(1749002400, 0) }})
		if err != nil {
			t.Fatal(err)
		}
		req := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		req.Header.Set("webhook-id", id)
		req.Header.Set("webhook-timestamp", stamp)
		req.Header.Set("webhook-signature", signature)
		req.Header.Set("x-hub-signature-256", hub)
		r.ServeHTTP(httptest.NewRecorder(), req)
		if got := r.Tally(); got.Rejected != 1 {
			t.Errorf("tally %+v, want the request rejected", got)
		}
	})
}
