package webhook

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
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
	keys, err := parseKeys([]string{secret}, "")
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

// X-Hub-Signature-256 is keyed by a text: the first secret's as it is written, or the
// hub secret's.
func TestTheHubSignatureIsKeyedByAText(t *testing.T) {
	const body, other = `{"type":"relgate.phase.passed"}`, "another secret"
	for _, tt := range []struct {
		secrets []string
		hub     string
		want    string // the text; empty for no signature
	}{
		{[]string{secret}, "", secret},
		{[]string{other}, "", other},
		{[]string{other, secret}, "", other},
		{[]string{secret, other}, "whsec_not base64", "whsec_not base64"},
		{nil, other, other},
		{nil, "", ""},
	} {
		k, err := parseKeys(tt.secrets, tt.hub)
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{}
		sign(h, k, "p/1", time.Unix(1749002400, 0), []byte(body))
		want := ""
		if tt.want != "" {
			mac := hmac.New(sha256.New, []byte(tt.want))
			mac.Write([]byte(body))
			want = fmt.Sprintf("sha256=%x", mac.Sum(nil))
		}
		if got := h.Get("X-Hub-Signature-256"); got != want {
			t.Errorf("with %q and hub secret %q: got %q, want %q, the key being %q", tt.secrets, tt.hub, got, want, tt.want)
		}
		if got := strings.Count(h.Get("Webhook-Signature"), "v1,"); got != len(tt.secrets) {
			t.Errorf("with %q: %d standard signatures, want one for each", tt.secrets, got)
		}
	}
}

func TestAReceiverWithAHubSecretTakesNoOtherKey(t *testing.T) {
	const body = `{"type":"relgate.phase.passed","timestamp":"2025-06-04T02:00:00Z","data":{}}`
	now := time.Now()
	for _, hub := range []string{"", "a secret of its own"} {
		r, err := NewReceiver(ReceiverConfig{Secrets: []string{secret}, HubSecret: "a secret of its own", Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		k, err := parseKeys([]string{secret}, hub)
		if err != nil {
			t.Fatal(err)
		}
		req := httptest.NewRequest(http.MethodPost, "/hook", strings.NewReader(body))
		sign(req.Header, k, "p/7", now, []byte(body))
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)
		if want := map[bool]int{true: 204, false: 401}[hub != ""]; w.Code != want {
			t.Errorf("signed with hub secret %q: %d %s, want %d", hub, w.Code, w.Body, want)
		}
	}
}
