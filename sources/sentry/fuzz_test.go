package sentry

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/sentry/kind"
)

var fuzzNoon = time.Date(2025, 6, 4, 12, 0, 0, 0, time.UTC)

// FuzzSessions reads any bytes as an answer about three minutes.
func FuzzSessions(f *testing.F) {
	f.Add([]byte(`{"start":"2025-06-04T11:57:00Z","end":"2025-06-04T12:00:00Z",
 "intervals":["2025-06-04T11:57:00Z","2025-06-04T11:58:00Z","2025-06-04T11:59:00Z"],
 "groups":[{"by":{"session.status":"healthy"},"totals":{"sum(session)":30},"series":{"sum(session)":[10,null,10]}},
           {"by":{"session.status":"crashed"},"series":{"sum(session)":[1,1,1]}}]}`))
	f.Add([]byte(`{"start":"2025-06-04T11:00:00Z","end":"2025-06-04T12:00:00Z","intervals":["2025-06-04T11:00:00Z"],"groups":[{"by":{"session.status":"healthy"},"series":{"sum(session)":[1]}}]}`))
	f.Add([]byte(`{"start":"0001-01-02T00:00:00Z","end":"9999-12-31T23:59:59Z","intervals":["0001-01-02T00:00:00Z","9999-12-31T23:59:59Z"],"groups":[]}`))
	f.Add([]byte(`{"start":"2025-06-04T11:57:00Z","end":"2025-06-04T12:00:00Z","intervals":null,"groups":[{"by":null,"totals":{"sum(session)":0},"series":{"sum(session)":[]}}]}`))
	f.Add([]byte(`{"detail":{"code":"sso-required","message":"x"}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		_ = explain(b)
		var page body
		if json.Unmarshal(b, &page) != nil {
			return
		}
		_ = page.empty(field)
		s, wrong := page.sessions()
		if (s == nil) == (wrong == "") {
			t.Fatalf("%q: got %v and %q", b, s, wrong)
		}
		if s == nil {
			return
		}
		from, to := fuzzNoon.Unix()-180, fuzzNoon.Unix()
		a := answer{width: 60, from: from, until: from}
		_, a.err = a.add(s, to)
		r := a.reading(sources.Want{From: from, To: to, Signal: &rules.Signal{
			Period: time.Minute, Query: rules.Query{Ask: &kind.Query{}},
		}}, fuzzNoon)
		if r.Fault != rules.OK && r.SettledUntil != 0 || r.SettledUntil > to {
			t.Errorf("%q: got %+v", b, r)
		}
		last := int64(-1 << 62)
		for _, p := range r.Points {
			if p.At+max(r.Width, 60) <= from || p.At >= to || p.At <= last || !(p.Value >= 0 && p.Value <= p.Samples && p.Samples > 0) {
				t.Errorf("%q: impossible point %+v", b, p)
			}
			last = p.At
		}
	})
}

// FuzzHeaders reads any text as the headers that Sentry sends.
func FuzzHeaders(f *testing.F) {
	f.Add(`<https://sentry.io/x?cursor=0:1:0>; rel="next"; results="true"; cursor="0:1:0"`, "39", "1749038460")
	f.Add(`<%zz>; rel="next"; results="true"`, "NaN", "-1")
	f.Add(`<x>; rel="next"; results="true"; cursor="`, "1e400", "1e18")
	f.Fuzz(func(t *testing.T, link, remaining, reset string) {
		_ = nextCursor([]string{link})
		h := http.Header{}
		h["X-Sentry-Rate-Limit-Remaining"], h["X-Sentry-Rate-Limit-Reset"] = []string{remaining}, []string{reset}
		at, left := limits(h, http.StatusTooManyRequests, fuzzNoon)
		if !(left == -1 || left >= 0 && left < 1e308) {
			t.Errorf("%q: %v left", remaining, left)
		}
		if !at.IsZero() && (at.Before(fuzzNoon) || at.After(fuzzNoon.Add(time.Hour))) {
			t.Errorf("%q: reset at %v, want within an hour", reset, at)
		}
	})
}

// FuzzUsers reads any bytes as an answer about the users of three hours.
func FuzzUsers(f *testing.F) {
	const times = `{"start":"2025-06-04T09:00:00Z","end":"2025-06-04T12:00:00Z","intervals":["2025-06-04T09:00:00Z","2025-06-04T10:00:00Z","2025-06-04T11:00:00Z"],"groups":`
	f.Add([]byte(times + `[{"by":{},"totals":{"count_unique(user)":130},"series":{"count_unique(user)":[100,null,0],"crash_free_rate(user)":[0.99,1,null]}}]}`))
	f.Add([]byte(times + `[{"series":{"count_unique(user)":[1e300,1e-300,2.5],"crash_free_rate(user)":[0,0.1,1]}}]}`))
	f.Add([]byte(times + `[{"series":{"count_unique(user)":[-1,1],"crash_free_rate(user)":[2]}},null]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var page body
		if json.Unmarshal(b, &page) != nil {
			return
		}
		s, wrong := page.users()
		if (s == nil) == (wrong == "") {
			t.Fatalf("%q: got %v and %q", b, s, wrong)
		}
		if s == nil {
			return
		}
		for i, n := range s.total {
			if !(n >= 0 && s.crashed[i] >= 0 && s.crashed[i] <= n) || n > 0 && s.unknown[i] {
				t.Errorf("%q: %v of %v", b, s.crashed[i], n)
			}
		}
	})
}
