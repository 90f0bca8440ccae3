package rules

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

// A signal without a query is told which ones there are.
func TestWhichQueriesThereAre(t *testing.T) {
	for _, tt := range []struct {
		kinds Kinds
		want  string
	}{
		{nil, "add one"},
		{standIns[:1], "add [signals.x.cloudwatch]"},
		{standIns[:2], "add [signals.x.cloudwatch] or .sentry"},
		{standIns, "add [signals.x.cloudwatch], .sentry, .appstore or .athena"},
	} {
		found := CheckSignals([]SignalSpec{{Name: "x", Source: "s", Kind: ptr(Ratio)}}, tt.kinds...)
		if len(found) != 1 || found[0].ID != "missing-query" || found[0].Fix != tt.want {
			t.Errorf("got %+v, want fix %q", found, tt.want)
		}
	}
}

// Journals have a query under the name of its kind. What is read without the kinds is
// written as it was.
func TestStoredQueries(t *testing.T) {
	for _, text := range []string{
		`{}`,
		`{"sentry":{"project":"p","release":"r"}}`,
		`{"cloudwatch":{"namespace":"N","dimensions":{"A":"b"},"alarm":"a"}}`,
		`{"athena":{"sql":"SELECT 1","file":"q.sql","groups":10,"min_group":5,"reuse":"1h"}}`,
		`{"later":{"any":["thing"]}}`,
	} {
		var q Query
		if err := json.Unmarshal([]byte(text), &q); err != nil {
			t.Fatal(err)
		}
		if again, err := json.Marshal(q); err != nil || string(again) != text {
			t.Errorf("unread, %s became %s (%v)", text, again, err)
		}
		plan, err := ReadPlan([]byte(`{"signals":[{"name":"s","query":`+text+`}]}`), standIns)
		if err != nil {
			t.Fatal(err)
		}
		read := plan.Signals[0].Query
		if again, err := json.Marshal(read); err != nil || string(again) != text {
			t.Errorf("%s became %s (%v)", text, again, err)
		}
		if known := text != "{}" && !strings.Contains(text, "later"); (read.Ask != nil) != known {
			t.Errorf("%s is read as %v", text, read.Ask)
		}
		if read.Ask == nil && read.Facts().Every != time.Minute {
			t.Errorf("%s is asked every %v", text, read.Facts().Every)
		}
	}
}

func TestStoredPlansThatAreNone(t *testing.T) {
	for text, want := range map[string]string{
		`{`:                                     "unexpected end",
		`{"signals":[{"name":"s","query":[]}]}`: "cannot unmarshal array",
		`{"signals":[{"name":"s","query":{"sentry":{},"athena":{}}}]}`:    "a signal with 2 queries",
		`{"signals":[{"name":"s","query":{"sentry":{"project":["a"]}}}]}`: `signal "s": a query of sentry: `,
	} {
		if p, err := ReadPlan([]byte(text), standIns); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, %v; want %q", text, p, err, want)
		}
	}
}

// Binding changes a copy, and shares nothing with the plan.
func TestACopyOfAQuery(t *testing.T) {
	was := Query{Ask: &CloudWatchQuery{Namespace: "N", Dimensions: map[string]string{"A": "a"}}}
	own := was.clone()
	cloudWatch(own.Ask).Dimensions["A"] = "b"
	if got := cloudWatch(was.Ask).Dimensions["A"]; got != "a" || cloudWatch(own.Ask).Namespace != "N" {
		t.Errorf("got %q in the query that was copied", got)
	}
	if none := (Query{}).clone(); none != (Query{}) {
		t.Errorf("got %v", none)
	}
}

// What tells a baseline from its signal, where nothing does as well.
func TestWhatTellsABaselineApart(t *testing.T) {
	query := func(dimensions map[string]string) Query { return Query{Ask: &CloudWatchQuery{Dimensions: dimensions}} }
	for _, tt := range []struct {
		own, beside Query
		want        string
	}{
		{query(map[string]string{"A": "1", "B": "1"}), query(map[string]string{"A": "1", "B": "2"}), "B"},
		{query(map[string]string{"A": "1", "B": "1"}), query(map[string]string{"A": "1", "B": "1"}), "A"},
		{Query{Ask: &SentryQuery{Release: "1"}}, Query{Ask: &SentryQuery{Release: "2"}}, "release"},
		{Query{Ask: new(AthenaQuery)}, Query{Ask: new(AthenaQuery)}, ""},
		{Query{}, Query{}, ""},
	} {
		if got := besideDimension(tt.own, tt.beside); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if got := baselineText(query(map[string]string{"A": "1"}), query(map[string]string{"A": "2"})); got != `{ dimension = "A", value = "2" }` {
		t.Errorf("got %s", got)
	}
}

// Of many names only some are told.
func TestManyKnownNames(t *testing.T) {
	var found Problems
	Check("x", &found).OneOf("unknown", "letter", "zzz", strings.Split("abcdefghijklmnop", ""))
	if len(found) != 1 || found[0].Fix != "known: a, b, c, d, e, f, g, h, i, j, k, l, …" {
		t.Errorf("got %+v", found)
	}
}

// A scenario's signals ask nothing.
func TestDiffOfASignalWithoutAQuery(t *testing.T) {
	of := func(query Query) *Plan {
		return &Plan{Signals: []Signal{{Name: "s", Source: "x", Of: -1, Query: query}}}
	}
	got := Diff(of(Query{}), of(Query{Ask: &SentryQuery{Release: "r"}}))
	if len(got) != 1 || got[0] != (Change{Path: "signals.s.sentry.release", To: "r"}) {
		t.Errorf("got %v", got)
	}
}
