package sentry_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/sentry/kind"
)

// users makes a want one of users, in periods of a width.
func users(period time.Duration) func(*sources.Want) {
	return func(w *sources.Want) {
		s := *w.Signal
		q := *kind.Of(s.Query)
		q.Of = kind.Users
		s.Query, s.Period = rules.Query{Ask: &q}, period
		w.Signal = &s
	}
}

// answers writes groups about the three hours before noon.
func answers(groups string) func(http.ResponseWriter, url.Values) {
	return func(w http.ResponseWriter, _ url.Values) {
		fmt.Fprintf(w, `{"start":"2025-06-04T09:00:00Z","end":"2025-06-04T12:00:00Z","query":"",
			"intervals":["2025-06-04T09:00:00Z","2025-06-04T10:00:00Z","2025-06-04T11:00:00Z"],"groups":%s}`, groups)
	}
}

// Users with a crash are what Sentry's share leaves of its number of users.
func TestUsers(t *testing.T) {
	series := func(users, rates string) string {
		return `[{"by":{},"totals":{"count_unique(user)":130},"series":{"count_unique(user)":` + users + `,"crash_free_rate(user)":` + rates + `}}]`
	}
	point := func(h int, bad, all float64) rules.Point {
		return rules.Point{At: noon.Unix() + int64(h)*3600, Value: bad, Samples: all}
	}
	for _, tt := range []struct {
		name, groups string
		want         []rules.Point
		fault        rules.Fault
		detail       string
	}{
		{"counts", series(`[100,90,0]`, `[0.99,0.9666666667,null]`), []rules.Point{point(-3, 1, 100), point(-2, 3, 90)}, rules.OK, ""},
		{"all crash", series(`[100,90,1]`, `[0,1,1]`), []rules.Point{point(-3, 100, 100), point(-2, 0, 90), point(-1, 0, 1)}, rules.OK, ""},
		{"nothing is known of an hour", strings.Replace(series(`[100,null,60]`, `[1,1,null]`), "130", "110", 1), []rules.Point{point(-3, 0, 100)}, rules.OK, ""},
		{"no groups", `[]`, nil, rules.NoData, "no users of release com.example.app@1.0.0+1"},
		{"no users", strings.Replace(series(`[0,0,0]`, `[null,null,null]`), "130", "0", 1), nil, rules.NoData, "no users of release"},
		{"two groups", `[{"series":{"count_unique(user)":[1,1,1]}},{"series":{}}]`, nil, rules.PartialData, "2 groups of users"},
		{"no rates", `[{"series":{"count_unique(user)":[1,2,3]}}]`, nil, rules.PartialData, "3 periods of users and 0 of rates for 3 intervals"},
		{"per cent", series(`[100,90,1]`, `[99,97,100]`), nil, rules.PartialData, "a share of 99 crash-free users"},
		{"less than none", series(`[-100,90,1]`, `[1,1,1]`), nil, rules.PartialData, "-100 users"},
		{"a cut series", strings.Replace(series(`[100,90,1]`, `[1,1,1]`), "130", "900", 1), nil, rules.PartialData, "191 of 900 users"},
		{"no frame", `null}`, nil, rules.Unavailable, ""},
	} {
		f := newFake(t, answers(tt.groups))
		w := want(0, 0)
		w.From, w.To = noon.Unix()-3*3600, noon.Unix()
		users(time.Hour)(&w)
		r := f.source(t).Fetch(t.Context(), noon, []sources.Want{w})[0]
		if diff := cmp.Diff(tt.want, r.Points); diff != "" || r.Fault != tt.fault || tt.detail != "" && !strings.Contains(r.Detail, strings.Replace(tt.detail, "com.example.app@1.0.0+1", kind.Of(w.Signal.Query).Release, 1)) {
			t.Errorf("%s: fault %v %q: %s", tt.name, r.Fault, r.Detail, diff)
		}
		q := f.asked[0]
		if !slices.Equal(q["field"], []string{"count_unique(user)", "crash_free_rate(user)"}) || q.Has("groupBy") || q.Get("interval") != "1h" {
			t.Errorf("asked %v", q)
		}
	}
}

// A second page would have the same users again.
func TestUsersOfSeveralPages(t *testing.T) {
	whole := answers(`[{"series":{"count_unique(user)":[1,2,3],"crash_free_rate(user)":[1,1,1]}}]`)
	f := newFake(t, func(w http.ResponseWriter, q url.Values) {
		w.Header().Set("Link", `<x>; rel="next"; results="true"; cursor="1"`)
		whole(w, q)
	})
	w := want(0, 0)
	w.From, w.To = noon.Unix()-3*3600, noon.Unix()
	users(time.Hour)(&w)
	if r := f.source(t).Fetch(t.Context(), noon, []sources.Want{w})[0]; r.Fault != rules.PartialData || len(r.Points) > 0 {
		t.Errorf("got %+v", r)
	}
}

// The same signal by sessions and by users is two questions.
func TestUsersOfASimulatedSentry(t *testing.T) {
	now := launch.Add(10 * time.Hour)
	hours := func(w *sources.Want) { w.From = now.Unix() - 6*3600 }
	crash := "[[change]]\nat = \"T\"\nsignal = \"sessions.crash\"\nvalue = \"3 %\"\n"
	for scenario, bounds := range map[string][2]float64{"": {0.995, 1}, crash: {0.96, 0.98}} {
		for _, width := range []time.Duration{time.Minute, time.Hour} {
			r := simulated(t, scenario, now, hours, users(width))
			if v := crashFree(r); r.Fault != rules.OK || len(r.Points) < int(5*time.Hour/width) || v < bounds[0] || v > bounds[1] {
				t.Errorf("periods of %v: got %v crash-free in %d points, fault %v %q", width, v, len(r.Points), r.Fault, r.Detail)
			}
			sessions := simulated(t, scenario, now, hours, func(w *sources.Want) { s := *w.Signal; s.Period = width; w.Signal = &s })
			if all, both := samples(sessions), samples(r); both >= all || both < all/2 {
				t.Errorf("%v users of %v sessions", both, all)
			}
		}
	}
}

func samples(r rules.Reading) (n float64) {
	for _, p := range r.Points {
		n += p.Samples
	}
	return n
}
