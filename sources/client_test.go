package sources_test

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
)

const token = "very-secret-token"

// upstream is a server whose answers are given one after the other; the last
// one is repeated.
type upstream struct {
	*httptest.Server
	mu      sync.Mutex
	asked   []*http.Request // guarded by mu
	slept   []time.Duration
	answers []func(w http.ResponseWriter)
}

func serve(t *testing.T, answers ...func(http.ResponseWriter)) *upstream {
	u := &upstream{answers: answers}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		i := min(len(u.asked), len(u.answers)-1)
		u.asked = append(u.asked, r)
		u.mu.Unlock()
		u.answers[i](w)
	}))
	t.Cleanup(u.Close)
	return u
}

// requests is what was asked so far.
func (u *upstream) requests() []*http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Clone(u.asked)
}

// pause remembers how long it was asked to wait, and does not.
func (u *upstream) pause(ctx context.Context, d time.Duration) error {
	u.slept = append(u.slept, d)
	return ctx.Err()
}

func (u *upstream) client(t *testing.T, change func(*sources.ClientConfig)) *sources.Client {
	t.Helper()
	cfg := sources.ClientConfig{
		BaseURL: u.URL, Pause: u.pause, Secrets: []string{token}, Jitter: func() float64 { return 0 },
		Authorize: func(r *http.Request) error { r.Header.Set("Authorization", "Bearer "+token); return nil },
		Explain:   func(b []byte) string { return string(b) },
	}
	if change != nil {
		change(&cfg)
	}
	c, err := sources.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func status(code int, body string, headers ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
		fmt.Fprint(w, body)
	}
}

func broken(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "100")
	fmt.Fprint(w, `{"half`)
	panic(http.ErrAbortHandler)
}

func seconds(n ...float64) []time.Duration {
	var out []time.Duration
	for _, s := range n {
		out = append(out, time.Duration(s*float64(time.Second)))
	}
	return out
}

func TestClientClassifiesAnswers(t *testing.T) {
	ok := status(200, `{}`)
	tests := []struct {
		name    string
		answers []func(http.ResponseWriter)
		fault   rules.Fault
		slept   []time.Duration
		retryAt time.Duration // after noon; 0 none
		detail  string
	}{
		{"an answer", []func(http.ResponseWriter){ok}, rules.OK, nil, 0, ""},
		{"a 500 that goes away", []func(http.ResponseWriter){status(500, "x"), ok}, rules.OK, seconds(0.5), 0, ""},
		{"a 503 that stays", []func(http.ResponseWriter){status(503, "down")}, rules.Unavailable, seconds(0.5, 1), 0, "503: down"},
		{"a 503 that names a time", []func(http.ResponseWriter){status(503, "down", "Retry-After", "2"), ok}, rules.OK, seconds(2), 0, ""},
		{"half an answer that goes away", []func(http.ResponseWriter){broken, ok}, rules.OK, seconds(0.5), 0, ""},
		{"half an answer that stays", []func(http.ResponseWriter){broken}, rules.Unavailable, seconds(0.5, 1), 0, "EOF"},
		{"429 without a time", []func(http.ResponseWriter){status(429, "slow"), ok}, rules.OK, seconds(0.5), 0, ""},
		{"429 with seconds", []func(http.ResponseWriter){status(429, "slow", "Retry-After", "3"), ok}, rules.OK, seconds(3), 0, ""},
		{"429 with a date", []func(http.ResponseWriter){status(429, "slow", "Retry-After", "Wed, 04 Jun 2025 12:00:04 GMT"), ok}, rules.OK, seconds(4), 0, ""},
		{"429 for longer than we have", []func(http.ResponseWriter){status(429, "slow", "Retry-After", "90"), ok}, rules.Throttled, nil, 90 * time.Second, "429: slow"},
		{"429 for days", []func(http.ResponseWriter){status(429, "slow", "Retry-After", "900000")}, rules.Throttled, nil, time.Hour, "429: slow"},
		{"429 until the past", []func(http.ResponseWriter){status(429, "slow", "Retry-After", "Wed, 04 Jun 2025 11:00:00 GMT"), ok}, rules.OK, seconds(0.5), 0, ""},
		{"429 with nonsense", []func(http.ResponseWriter){status(429, "slow", "Retry-After", "soon"), ok}, rules.OK, seconds(0.5), 0, ""},
		{"401", []func(http.ResponseWriter){status(401, "who?")}, rules.AuthFault, nil, 0, "401: who?"},
		{"403", []func(http.ResponseWriter){status(403, "no")}, rules.AuthFault, nil, 0, "403: no"},
		{"404", []func(http.ResponseWriter){status(404, "")}, rules.ConfigFault, nil, 0, "404: Not Found"},
		{"400", []func(http.ResponseWriter){status(400, "what?")}, rules.ConfigFault, nil, 0, "400: what?"},
		{"a redirect", []func(http.ResponseWriter){status(302, "", "Location", "https://login.example.com/?secret=1")}, rules.ConfigFault, nil, 0, "302: redirects to https://login.example.com: a login page or proxy? is the url right?"},
		{"an empty body", []func(http.ResponseWriter){status(200, "")}, rules.Unavailable, nil, 0, "answered with an empty body, not JSON"},
		{"204", []func(http.ResponseWriter){status(204, "")}, rules.Unavailable, nil, 0, "answered with an empty body (204), not JSON"},
		{"a proxy's page", []func(http.ResponseWriter){status(200, "<html>")}, rules.Unavailable, nil, 0, "answered with HTML, not JSON: a login page or proxy?"},
		{"a page with a title", []func(http.ResponseWriter){status(200, "<!doctype html><title>Log\n in "+token+"</title>")}, rules.Unavailable, nil, 0, `a login page or proxy? its title: "Log in [redacted]"`},
		{"XML", []func(http.ResponseWriter){status(200, "<?xml version='1.0'?><a/>")}, rules.Unavailable, nil, 0, "answered with XML, not JSON: is the url right?"},
		{"CBOR", []func(http.ResponseWriter){status(200, "\xa1\x61a\x01")}, rules.Unavailable, nil, 0, "answered with CBOR, not JSON"},
		{"a word", []func(http.ResponseWriter){status(200, "OK\x1b[31m")}, rules.Unavailable, nil, 0, `answered with text, not JSON: "OK [31m"`},
		{"a redirect with a page", []func(http.ResponseWriter){status(301, "<html>", "Location", "/here")}, rules.ConfigFault, nil, 0, "a login page or proxy?"},
		{"a redirect to nowhere", []func(http.ResponseWriter){status(302, "")}, rules.ConfigFault, nil, 0, "302: redirects elsewhere"},
		{"truncated JSON", []func(http.ResponseWriter){status(200, `{"a":[1,`)}, rules.Unavailable, nil, 0, "not the JSON"},
		{"a huge body", []func(http.ResponseWriter){status(200, strings.Repeat(" ", 2000))}, rules.Unavailable, nil, 0, "longer than 1024 bytes"},
		{"an echoed token", []func(http.ResponseWriter){status(403, "bad token "+token+" / "+url.QueryEscape(token))}, rules.AuthFault, nil, 0, "403: bad token [redacted] / [redacted]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := serve(t, tt.answers...)
			c := u.client(t, func(cfg *sources.ClientConfig) { cfg.MaxBody = 1024 })
			var into map[string]any
			_, err := c.Get(t.Context(), noon, "/x", &into)
			got := sources.CallError{}
			if err != nil {
				got = *err
			}
			if got.Fault != tt.fault || !strings.Contains(got.Detail, tt.detail) || strings.Contains(got.Detail, token) {
				t.Errorf("got %q %q, want %q with %q", got.Fault, got.Detail, tt.fault, tt.detail)
			}
			if !reflect.DeepEqual(u.slept, tt.slept) {
				t.Errorf("slept %v, want %v", u.slept, tt.slept)
			}
			at := time.Time{}
			if tt.retryAt > 0 {
				at = noon.Add(tt.retryAt)
			}
			if !got.RetryAt.Equal(at) {
				t.Errorf("retry at %v, want %v", got.RetryAt, at)
			}
			if s := c.Stats(); int(s.Requests) != len(u.requests()) || int(s.Retries) != len(u.requests())-1 {
				t.Errorf("got %+v, want %d requests", s, len(u.requests()))
			}
		})
	}
}

// A change is sent once, whatever is answered: no one but who asked for it knows whether it
// may be sent again.
func TestAChangeIsNeverRepeated(t *testing.T) {
	for _, tt := range []struct {
		status int
		body   string
		want   rules.Fault
	}{
		{200, `{"id":"7"}`, rules.OK},
		{500, `{}`, rules.Unavailable},
		{429, `{}`, rules.Throttled},
		{401, `{}`, rules.AuthFault},
		{409, `{}`, rules.ConfigFault},
		{200, `<html>`, rules.Unavailable},
	} {
		bodies := []string{}
		up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			bodies = append(bodies, r.Method+" "+r.URL.Path+" "+r.Header.Get("Content-Type")+" "+string(b))
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(tt.status)
			fmt.Fprint(w, tt.body)
		}))
		c, err := sources.NewClient(sources.ClientConfig{BaseURL: up.URL, Pause: func(context.Context, time.Duration) error { return nil }})
		if err != nil {
			t.Fatal(err)
		}
		var into struct{ ID string }
		var fault rules.Fault
		if err := c.Patch(t.Context(), time.Now(), "/v1/things/7", map[string]string{"state": "PAUSED"}, &into); err != nil {
			fault = err.Fault
		}
		if want := []string{`PATCH /v1/things/7 application/json {"state":"PAUSED"}`}; fault != tt.want || !slices.Equal(bodies, want) || (fault == rules.OK) != (into.ID == "7") {
			t.Errorf("%d %s: fault %v, sent %q, read %q; want fault %v and one request", tt.status, tt.body, fault, bodies, into.ID, tt.want)
		}
		up.Close()
	}
	c, err := sources.NewClient(sources.ClientConfig{BaseURL: "https://api.example"})
	if err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]*sources.CallError{
		"another host":      c.Patch(t.Context(), time.Now(), "https://evil.example/v1", 1, nil),
		"what has no JSON":  c.Patch(t.Context(), time.Now(), "/v1", math.NaN(), nil),
		"what is no URL":    c.Patch(t.Context(), time.Now(), "mailto:x", 1, nil),
		"what has no reply": c.Patch(canceled(t), time.Now(), "/v1", 1, nil),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestClientObeysTheUpstreamsOwnReset(t *testing.T) {
	u := serve(t, status(429, "", "X-Reset", fmt.Sprint(noon.Unix()+4)), status(200, `{}`, "X-Left", "7"))
	c := u.client(t, func(cfg *sources.ClientConfig) {
		cfg.Limits = func(h http.Header, _ int, now time.Time) (time.Time, float64) {
			left := -1.0
			if h.Get("X-Left") != "" {
				left = 7
			}
			return sources.EpochReset(h, "X-Reset", now), left
		}
	})
	if got := c.Stats().RateRemaining; got != -1 {
		t.Errorf("got %v left before the first answer, want -1", got)
	}
	if _, err := c.Get(t.Context(), noon, "/x", nil); err != nil || !reflect.DeepEqual(u.slept, seconds(4)) {
		t.Errorf("got %v after %v, want an answer after 4s", err, u.slept)
	}
	if s := c.Stats(); s.RateRemaining != 7 || s.Throttled != 1 || s.Retries != 1 {
		t.Errorf("got %+v, want 7 left, 1 throttled, 1 retried", s)
	}
}

func TestClientDoesNotSleepBeyondItsDeadline(t *testing.T) {
	u := serve(t, status(429, "", "Retry-After", "4"))
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(3*time.Second))
	defer cancel()
	now := time.Now().UTC().Truncate(time.Second)
	_, err := u.client(t, nil).Get(ctx, now, "/x", nil)
	if err == nil || err.Fault != rules.Throttled || !err.RetryAt.Equal(now.Add(4*time.Second)) || len(u.slept) != 0 {
		t.Errorf("got %v after sleeping %v, want throttled until 4s from now, at once", err, u.slept)
	}
}

func TestClientSendsItsCredentialsNowhereElse(t *testing.T) {
	elsewhere := serve(t, status(200, `{}`))
	u := serve(t, status(302, "", "Location", elsewhere.URL))
	c := u.client(t, nil)
	if _, err := c.Get(t.Context(), noon, "/x", nil); err == nil || err.Fault != rules.ConfigFault {
		t.Errorf("a redirect: got %v, want a config fault", err)
	}
	before := len(u.requests())
	for _, ref := range []string{
		elsewhere.URL + "/x", "//evil.example.com/x", "https://" + strings.TrimPrefix(u.URL, "http://") + "/x",
		strings.Replace(u.URL, "http://", "http://user@", 1) + "/x", "mailto:a@b", "file:///etc/passwd", "http://%zz", "http://" + token + ".example.com/",
	} {
		_, err := c.Get(t.Context(), noon, ref, nil)
		if err == nil || err.Fault != rules.PartialData || strings.Contains(err.Detail, token) {
			t.Errorf("%s: got %v, want partial data", ref, err)
		}
	}
	if len(elsewhere.requests()) != 0 || len(u.requests()) != before {
		t.Errorf("%d requests went elsewhere and %d more here, want none", len(elsewhere.requests()), len(u.requests())-before)
	}
}

func TestClientFollowsLinksOnItsOwnHostVerbatim(t *testing.T) {
	u := serve(t, status(200, `{}`))
	c := u.client(t, func(cfg *sources.ClientConfig) { cfg.BaseURL += "/proxy/" })
	for _, tt := range []struct{ ref, want string }{
		{"/api/sessions/?a=b%20c&d=%2B", "/proxy/api/sessions/?a=b%20c&d=%2B"},
		{u.URL + "/v1/x?cursor=a%3D%3D", "/v1/x?cursor=a%3D%3D"},
		{"/v1/apps/a%2Fb/x", "/proxy/v1/apps/a%2Fb/x"},
	} {
		if _, err := c.Get(t.Context(), noon, tt.ref, nil); err != nil {
			t.Errorf("%s: %v", tt.ref, err)
			continue
		}
		all := u.requests()
		r := all[len(all)-1]
		if r.RequestURI != tt.want || r.Header.Get("Authorization") != "Bearer "+token {
			t.Errorf("%s: asked %s, want %s", tt.ref, r.RequestURI, tt.want)
		}
	}
}

func TestClientGivesUpWhenItsTimeIsOver(t *testing.T) {
	release := make(chan struct{})
	u := serve(t, func(http.ResponseWriter) { <-release })
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := u.client(t, nil).Get(ctx, noon, "/x", nil)
	if err == nil || err.Fault != rules.Unavailable || err.Detail != "no answer before the deadline" || len(u.slept) != 0 {
		t.Errorf("got %v, want no answer, and no other attempt", err)
	}
}

func TestClientTrustsTheCAItIsGiven(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{}`) }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // the refusal is what we want
	s.StartTLS()
	defer s.Close()
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		ca    string
		fault rules.Fault
	}{{file, rules.OK}, {"", rules.Unavailable}} {
		c, err := sources.NewClient(sources.ClientConfig{BaseURL: s.URL, CAFile: tt.ca, MaxAttempts: 1})
		if err != nil {
			t.Fatal(err)
		}
		_, callErr := c.Get(t.Context(), noon, "/", nil)
		if got := callErr; (got == nil) != (tt.fault == rules.OK) || got != nil && got.Fault != tt.fault {
			t.Errorf("CA %q: got %v, want fault %q", tt.ca, got, tt.fault)
		}
		c.CloseIdleConnections()
	}
}

func TestNewClientRefusesWhatCannotWork(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, cfg := range []sources.ClientConfig{
		{}, {BaseURL: "sentry.io"}, {BaseURL: "ftp://x"}, {BaseURL: "https://"}, {BaseURL: "https://u:p@h"},
		{BaseURL: "https://h?token=1"}, {BaseURL: "https://h", CAFile: empty}, {BaseURL: "https://h", CAFile: empty + "x"},
	} {
		if _, err := sources.NewClient(cfg); err == nil || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%+v: got %v, want an error that holds no password", cfg, err)
		}
	}
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		if err := sources.Sleep(t.Context(), time.Minute); err != nil || time.Since(begun) != time.Minute {
			t.Errorf("got %v after %s, want nil after a minute", err, time.Since(begun))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := sources.Sleep(ctx, time.Minute); err == nil || time.Since(begun) != 61*time.Second {
			t.Errorf("got %v after %s, want the context's error after a second", err, time.Since(begun))
		}
		if err := sources.Sleep(ctx, 0); err == nil {
			t.Error("a sleep of nothing hides that the time is over")
		}
	})
}

func TestScrub(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"token s+c/ret is bad", "token [redacted] is bad"},
		{"?token=s%2Bc%2Fret", "?token=[redacted]"},
		{"Authorization: Bearer eyJhbGciOi.eyJpc3Mi.abc_-9", "Authorization: Bearer [redacted]"},
		{"jwt eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln end", "jwt [redacted] end"},
		{"sntrys_abcdef= and sntryu_1234", "[redacted] and [redacted]"},
		{"https://user:pass@host/x", "https[redacted]host/x"},
		{"release com.bioage.app@1.0.0+100 is fine", "release com.bioage.app@1.0.0+100 is fine"},
	} {
		if got := sources.Scrub(tt.in, "s+c/ret", ""); got != tt.want {
			t.Errorf("Scrub(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzRetryHeaders(f *testing.F) {
	for _, v := range []string{"", "1", "1.5", "-1", "NaN", "1e300", "Wed, 04 Jun 2025 12:00:04 GMT", "99999999999999999999"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		h := http.Header{"Retry-After": {v}, "X-Reset": {v}}
		for _, at := range []time.Time{sources.RetryAfter(h, noon), sources.EpochReset(h, "X-Reset", noon)} {
			if !at.IsZero() && (at.Before(noon) || at.After(noon.Add(time.Hour))) {
				t.Errorf("%q: got %v, want none or within an hour", v, at)
			}
		}
	})
}

// Whatever a source answers, what the pool hands on can be true, was answered,
// and has a watermark only where nothing is missing.
func TestPoolAnswersAreAlwaysPossible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		odd := rapid.OneOf(rapid.Float64Range(-2, 20), rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), math.Inf(-1)}))
		points := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) rules.Point {
			return rules.Point{
				At:    noon.Unix() + rapid.Int64Range(-8, 3).Draw(t, "bucket")*60,
				Value: odd.Draw(t, "value"), Samples: odd.Draw(t, "samples"),
			}
		}), 0, 10).Draw(t, "points")
		groups := rapid.Custom(func(t *rapid.T) rules.Group {
			return rules.Group{Name: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name"), Value: odd.Draw(t, "value"), Samples: odd.Draw(t, "samples")}
		})
		var parts []rules.Parts
		for _, p := range points {
			whole := []rules.Group{{Name: "a", Value: 0, Samples: p.Samples}}
			parts = append(parts, rules.Parts{At: p.At, Groups: rapid.OneOf(rapid.Just(whole), rapid.SliceOfN(groups, 0, 3)).Draw(t, "groups")})
		}
		answered := rules.Reading{
			Parts:  parts,
			Signal: rapid.IntRange(0, 1).Draw(t, "signal"), Points: points,
			Fault:        rules.Fault(rapid.IntRange(0, 9).Draw(t, "fault")),
			SettledUntil: noon.Unix() + rapid.Int64Range(-9, 9).Draw(t, "settled")*60,
			Width:        rapid.SampledFrom([]int64{0, 60, 3600, -1}).Draw(t, "width"),
		}
		w := want("s", 0)
		w.Signal.Kind = rapid.SampledFrom([]rules.Kind{rules.Ratio, rules.Mean, rules.Gauge, rules.Percentile, rules.Alarm}).Draw(t, "kind")
		p := sources.NewPool(sources.PoolConfig{Sources: map[string]sources.Source{"s": each(func(sources.Want) rules.Reading { return answered })}})
		r := p.Fetch(context.Background(), noon, []sources.Want{w})[0]
		if len(r.Points) < len(points) && r.Fault == rules.OK {
			t.Fatalf("points were dropped without a fault: %+v of %+v", r, answered)
		}
		if r.Fault != rules.OK && r.Fault != rules.NoData && r.SettledUntil != 0 || r.SettledUntil > noon.Unix() {
			t.Fatalf("watermark %d with fault %q", r.SettledUntil, r.Fault)
		}
		last := int64(math.MinInt64)
		for _, q := range r.Points {
			if math.IsNaN(q.Value+q.Samples) || math.IsInf(q.Value+q.Samples, 0) || q.Value < 0 || q.Samples < 0 ||
				q.At <= last || q.At >= w.To || q.At+max(r.Width, 1) <= w.From || w.Signal.Kind == rules.Ratio && q.Value > q.Samples {
				t.Fatalf("impossible point %+v in %+v", q, r)
			}
			last = q.At
		}
		if len(r.Parts) < len(parts) && r.Fault == rules.OK {
			t.Fatalf("parts were dropped without a fault: %+v of %+v", r, answered)
		}
		for _, q := range r.Parts {
			n, has := 0.0, false
			for _, g := range q.Groups {
				n += g.Samples
				if !(g.Value >= 0 && g.Value <= g.Samples) || math.IsInf(g.Samples, 1) {
					t.Fatalf("impossible group %+v in %+v", g, r)
				}
			}
			for _, p := range r.Points {
				has = has || p.At == q.At && math.Abs(p.Samples-n) < 1e-6
			}
			if !has && (r.Fault != rules.NoData || slices.ContainsFunc(r.Points, func(p rules.Point) bool { return p.At == q.At })) {
				t.Fatalf("parts %+v are not those of a point in %+v", q, r)
			}
		}
	})
}

// An upstream that sends an error for ever is read as far as its first words.
func TestEndlessErrors(t *testing.T) {
	for _, code := range []int{403, 500} {
		var sent int
		u := serve(t, func(w http.ResponseWriter) {
			w.WriteHeader(code)
			chunk := strings.Repeat("no \x00"+token, 1000)
			for sent = 0; sent < 64<<20; sent += len(chunk) {
				if _, err := io.WriteString(w, chunk); err != nil {
					return
				}
			}
		})
		c := u.client(t, func(cfg *sources.ClientConfig) { cfg.MaxAttempts, cfg.Explain = 1, nil })
		_, err := c.Get(t.Context(), noon, "/x", nil)
		u.Close() // after which sent is no longer written
		if err == nil || len(err.Detail) > 300 || strings.Contains(err.Detail, token) || !strings.Contains(err.Detail, "answered with text") {
			t.Errorf("%d: %v", code, err)
		}
		if sent >= 64<<20 {
			t.Errorf("%d: all %d bytes were read", code, sent)
		}
	}
}

func FuzzForeign(f *testing.F) {
	f.Add(200, "text/html", []byte("<html><title>x</title>"))
	f.Add(204, "", []byte(nil))
	f.Add(302, "application/json", []byte("\xef\xbb\xbf {}"))
	f.Fuzz(func(t *testing.T, code int, kind string, body []byte) {
		resp := &http.Response{StatusCode: code, Header: http.Header{"Content-Type": {kind}, "Location": {kind}}}
		for _, wanted := range []string{"JSON", "CBOR"} {
			said := sources.Foreign(wanted, resp, body, nil)
			if said == "" && (len(body) == 0 || code/100 == 3) {
				t.Errorf("Foreign(%q, %d, %q) has nothing to say", wanted, code, body)
			}
			if strings.ContainsAny(sources.Clip(said), "\r\n\x00\x1b") {
				t.Errorf("Foreign(%q, %d, %q) = %q", wanted, code, body, said)
			}
		}
	})
}

// A token that is renewed at the last attempt gives one attempt more, and no endless ones.
func TestARenewalAtTheLastAttemptEnds(t *testing.T) {
	answers := []func(http.ResponseWriter){status(503, "busy"), status(503, "busy"), status(401, "old")}
	for range 20 {
		answers = append(answers, status(503, "busy"))
	}
	answers = append(answers, status(400, "the end"))
	u := serve(t, answers...)
	sent := 0
	c := u.client(t, func(cfg *sources.ClientConfig) {
		cfg.Authorize = func(r *http.Request) error {
			sent++ // another token each time
			r.Header.Set("Authorization", fmt.Sprint("Bearer ", sent))
			return nil
		}
	})
	_, err := c.Get(t.Context(), noon, "/x", nil)
	if n := len(u.requests()); n != 4 || err == nil || err.Status != 503 {
		t.Errorf("%d requests, %v; want three and the one with the renewed token", n, err)
	}
}

// A secret that lies across the place where a quotation is cut is removed as a whole.
func TestSecretsAreRemovedBeforeQuotationsAreCut(t *testing.T) {
	const secret = "kq7wRzPv3LmXt9BnYc2HdJf5GsAe8Uo4"
	for most := range 320 {
		pad := strings.Repeat("x", most) + " "
		for name, answer := range map[string]func(http.ResponseWriter){
			"text":        status(200, pad+secret+" and more"),
			"title":       status(200, "<html><title>"+pad+secret+"</title>", "Content-Type", "text/html"),
			"long title":  status(503, "<html><title>"+pad[:most%60]+secret+"</title>", "Content-Type", "text/html"),
			"words":       status(503, pad+secret+" and more", "Retry-After", "1000"),
			"retry-after": status(429, "slow", "Retry-After", pad[:most%60]+secret),
		} {
			u := serve(t, answer)
			c := u.client(t, func(cfg *sources.ClientConfig) { cfg.MaxAttempts, cfg.Secrets = 1, []string{secret} })
			_, err := c.Get(t.Context(), noon, "/x", nil)
			if err == nil || strings.Contains(err.Detail, secret[:4]) {
				t.Errorf("%s after %d bytes: %v", name, most, err)
			}
		}
	}
}
