package sentry_test

import (
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
)

// An answer without sessions is no data, however it says so, and is not a fault of
// the source.
func TestEmptyAnswersAreNoData(t *testing.T) {
	const head = `{"start":"2025-06-04T11:57:00Z","end":"2025-06-04T12:00:00Z","intervals":`
	const none = "no sessions of release com.bioage.app@1.0.0+100 in project bioage-ios, environment production, period 1m"
	tests := []struct {
		name         string
		code         int
		body, detail string
	}{
		{"no groups", 200, head + `["2025-06-04T11:57:00Z"],"groups":[]}`, none},
		{"no groups and no intervals", 200, head + `[],"groups":[]}`, none},
		{"null groups", 200, head + `null,"groups":null}`, none},
		{"groups with empty series", 200, head + `["2025-06-04T11:57:00Z"],"groups":[{"by":{"session.status":"crashed"},"totals":{"sum(session)":0},"series":{"sum(session)":[]}}]}`, none},
		{"groups without series", 200, head + `["2025-06-04T11:57:00Z"],"groups":[{"by":{},"totals":{"sum(session)":null}}]}`, none},
	}
	for _, tt := range tests {
		f := newFake(t, func(w http.ResponseWriter, _ url.Values) {
			w.WriteHeader(tt.code)
			fmt.Fprint(w, tt.body)
		})
		got := f.source(t).Fetch(t.Context(), noon, []sources.Want{want(0, 3)})[0]
		if got.Fault != rules.NoData || got.Detail != tt.detail || len(got.Points) != 0 || got.SettledUntil != 0 {
			t.Errorf("%s: got %+v, want no data: %q", tt.name, got, tt.detail)
		}
	}
}

// A project that Sentry does not know, or does not show to this token, is an error in the
// config: no release and no traffic cure it, and asking again at once does not either.
func TestAnUnknownProjectIsAConfigFault(t *testing.T) {
	for body, code := range map[string]int{
		"No projects available": 400, "Invalid project: bioage-ios": 400, "Project does not exist": 404, "Invalid project parameter. Values must be numbers.": 400,
	} {
		f := newFake(t, func(w http.ResponseWriter, _ url.Values) {
			w.WriteHeader(code)
			fmt.Fprintf(w, `{"detail":%q}`, body)
		})
		got := f.source(t).Fetch(t.Context(), noon, []sources.Want{want(0, 3)})[0]
		detail := fmt.Sprintf(`%d: %s: is project "bioage-ios" right, and may the token read it?`, code, body)
		if got.Fault != rules.ConfigFault || got.Detail != detail || len(got.Points) != 0 || got.SettledUntil != 0 || len(f.asked) != 1 {
			t.Errorf("%s: fault %v %q in %d requests, want a config fault in one: %q", body, got.Fault, got.Detail, len(f.asked), detail)
		}
	}
}

// An older Sentry answers minutes for six hours at most, or not at all: then it is
// asked in parts, and in hours, and the reading says so.
func TestOldSelfHosted(t *testing.T) {
	refusal := func(w http.ResponseWriter, words string) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"detail":%q}`, words)
	}
	const six = "The time-range when using one-minute resolution intervals is restricted to 6 hours."
	tests := []struct {
		name    string
		minutes int64
		refuses string
		always  bool // minutes, not only those of long ranges
		asked   []string
		width   int64
		another string // what is asked for another hour afterwards, which is answered in minutes
	}{
		{"six hours at most", 13 * 60, six, false, []string{"1m", "1m", "1m", "1m"}, 0, "1m"},
		{"six hours at most, and no more is asked", 5 * 60, six, false, []string{"1m"}, 0, "1m"},
		{"no minutes in spite of its words", 13 * 60, six, true, []string{"1m", "1m", "1h"}, 3600, "1h"},
		{"no minutes of a short range", 60, six, true, []string{"1m", "1h"}, 3600, "1h"},
		{"no minutes at all", 60, "The interval has to be a multiple of the minimum interval of one hour.", true, []string{"1m", "1h"}, 3600, "1h"},
		{"not this many minutes", 60, "The interval has to be a multiple of the minimum interval of one minute.", true, []string{"1m", "1h"}, 3600, "1m"},
		{"no minutes so long ago", 60, "The time-range when using one-minute resolution intervals is restricted to the last 30 days.", true, []string{"1m", "1h"}, 3600, "1m"},
		{"too many", 60, "Your interval and date range would create too many results. Use a larger interval, or a smaller date range.", true, []string{"1m", "1h"}, 3600, "1m"},
	}
	for _, tt := range tests {
		f := newFake(t, nil)
		f.answer = func(w http.ResponseWriter, q url.Values) {
			if q.Get("interval") == "1m" && (tt.always || unix(q.Get("end"))-unix(q.Get("start")) > 6*3600) {
				refusal(w, tt.refuses)
				return
			}
			series(usual)(w, q)
		}
		s := f.source(t)
		got := s.Fetch(t.Context(), noon, []sources.Want{want(0, tt.minutes)})[0]
		var asked []string
		for _, q := range f.asked {
			asked = append(asked, q.Get("interval"))
		}
		if got.Fault != rules.OK || got.Width != tt.width || !reflect.DeepEqual(asked, tt.asked) {
			t.Errorf("%s: asked %v, got fault %v %q, width %d; want %v and %d", tt.name, asked, got.Fault, got.Detail, got.Width, tt.asked, tt.width)
		}
		if said := strings.Contains(got.Note, "gives periods of 1h, not of 1m"); said != (tt.width != 0) {
			t.Errorf("%s: note %q", tt.name, got.Note)
		}
		f.asked = nil
		f.answer = series(usual)
		s.Fetch(t.Context(), noon, []sources.Want{want(0, 60)})
		if len(f.asked) != 1 || f.asked[0].Get("interval") != tt.another {
			t.Errorf("%s: asked for another hour %v, want once, in %s: only what is true of the whole Sentry is remembered", tt.name, f.asked, tt.another)
		}
	}
}
