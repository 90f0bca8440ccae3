package cloudwatch_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/cloudwatch/kind"
)

func nan() float64 { return math.NaN() }
func inf() float64 { return math.Inf(1) }

// paged gives each page in turn; a page says what every Id has, by index.
func paged(f *fake, tokens []string, pages ...func(c call) []m) {
	n := 0
	f.answer = func(c call) (int, map[string]string, any) {
		body := results(pages[n](c)...)
		if n < len(tokens) {
			body["NextToken"] = tokens[n]
		}
		n++
		return 200, nil, body
	}
}

func TestPages(t *testing.T) {
	both := func(status string, points ...float64) func(call) []m {
		return func(c call) []m {
			return []m{result(c.Queries[0].ID, status, points...), result(c.Queries[1].ID, status, points...)}
		}
	}
	second := func(status string, points ...float64) func(call) []m {
		return func(c call) []m { return []m{result(c.Queries[1].ID, status, points...)} }
	}
	tests := []struct {
		name   string
		tokens []string
		pages  []func(call) []m
		fault  rules.Fault
		points int
	}{
		{"an Id that comes again is appended", []string{"a"},
			[]func(call) []m{both("PartialData", at(0), 1, at(1), 1), both("Complete", at(2), 1)}, rules.OK, 3},
		{"an Id may come on the second page only", []string{"a"},
			[]func(call) []m{func(call) []m { return nil }, both("Complete", at(2), 1)}, rules.OK, 1},
		{"InternalError with a token is asked on", []string{"a"},
			[]func(call) []m{both("InternalError"), both("Complete", at(2), 1)}, rules.OK, 1},
		{"an Id that stays partial is partial", []string{"a"},
			[]func(call) []m{both("PartialData", at(0), 1), second("Complete", at(1), 1)}, rules.PartialData, 1},
		{"a token that comes again ends it", []string{"a", "a"},
			[]func(call) []m{both("Complete", at(0), 1), both("Complete", at(1), 1)}, rules.PartialData, 2},
		{"a circle of tokens ends it", []string{"a", "b", "a"},
			[]func(call) []m{both("Complete", at(0), 1), both("Complete", at(1), 1), both("Complete", at(2), 1)}, rules.PartialData, 3},
	}
	for _, tt := range tests {
		f := &fake{}
		paged(f, tt.tokens, tt.pages...)
		s, _ := newSource(t, f)
		got := fetch(t, s, want(errorRate(), 0, 10))[0]
		if got.Fault != tt.fault || len(got.Points) != tt.points {
			t.Errorf("%s: fault %d %q with %d points, want %d with %d", tt.name, got.Fault, got.Detail, len(got.Points), tt.fault, tt.points)
		}
		if n := len(f.seen()); n != len(tt.pages) {
			t.Errorf("%s: %d requests, want %d", tt.name, n, len(tt.pages))
		}
		for i, c := range f.seen()[1:] {
			if c.NextToken != tt.tokens[i] {
				t.Errorf("%s: page %d asked with token %q, want %q", tt.name, i+2, c.NextToken, tt.tokens[i])
			}
		}
	}
}

func TestEndlessPages(t *testing.T) {
	n := 0
	f := &fake{answer: func(c call) (int, map[string]string, any) {
		n++
		body := results(result(c.Queries[0].ID, "Complete"), result(c.Queries[1].ID, "Complete"))
		body["NextToken"] = fmt.Sprint(n)
		return 200, nil, body
	}}
	s, _ := newSource(t, f)
	if got := fetch(t, s, want(errorRate(), 0, 10))[0]; got.Fault != rules.PartialData || n > 1000 {
		t.Errorf("fault %d after %d pages", got.Fault, n)
	}
}

func TestBatches(t *testing.T) {
	var wants []sources.Want
	for i := range 300 { // 600 statistics
		s := errorRate()
		kind.Of(s.Query).Dimensions = map[string]string{"ApiName": fmt.Sprint(i)}
		wants = append(wants, want(s, 0, 10), want(s, 0, 10))
	}
	points := map[string][]float64{"5XXError Sum": {at(1), 1}, "Count Sum": {at(1), 9}}
	f := &fake{answer: byStat(points)}
	s, _ := newSource(t, f)
	for i, r := range fetch(t, s, wants...) {
		if r.Fault != rules.OK || len(r.Points) != 1 {
			t.Fatalf("reading %d: fault %d %q", i, r.Fault, r.Detail)
		}
	}
	calls := f.seen()
	first, last := calls[0], calls[len(calls)-1]
	// A machine that is very busy may break a connection, and the SDK asks again.
	asked := len(calls) - int(s.Stats().Retries)
	if asked != 2 || len(first.Queries) != 500 || len(last.Queries) != 100 || s.Stats().Billed != 600 {
		t.Errorf("%d requests, retries aside, %d billed; want 600 statistics in two", asked, s.Stats().Billed)
	}
}

func TestOneRequestForAllRangesAndPeriods(t *testing.T) {
	hourly := p95()
	hourly.Period, hourly.Settle = time.Hour, 0
	f := &fake{answer: byStat(map[string][]float64{
		"5XXError Sum": {at(1), 1, at(7), 2}, "Count Sum": {at(1), 10, at(7), 10, at(9), 10},
		"Duration p95": {at(0), 100, at(-60), 200}, "Duration SampleCount": {at(0), 7, at(-60), 7},
	})}
	s, _ := newSource(t, f)
	got := fetch(t, s, want(errorRate(), 0, 5), want(errorRate(), 5, 10), want(hourly, -60, 0))
	calls := f.seen()
	if len(calls) != 1 {
		t.Fatalf("%d requests, want 1", len(calls))
	}
	if from, to := calls[0].StartTime.Content, calls[0].EndTime.Content; from != at(-60) || to != at(60) {
		t.Errorf("asked for [%v, %v), want the union aligned to the hour [%v, %v)", from, to, at(-60), at(60))
	}
	for i, w := range [][]int64{{t0 + 60}, {t0 + 420, t0 + 540}, {t0 - 3600}} {
		var at []int64
		for _, p := range got[i].Points {
			at = append(at, p.At)
		}
		if diff := cmp.Diff(w, at); diff != "" {
			t.Errorf("want %d is not cut to its range (-want +got):\n%s", i, diff)
		}
	}
	if got[0].SettledUntil != t0+300 {
		t.Errorf("settled until %d beyond the range that ends at %d", got[0].SettledUntil, t0+300)
	}
}

func TestOddPeriodsDoNotStretchTheRange(t *testing.T) {
	var wants []sources.Want
	for _, minutes := range []int64{60 * 7, 60 * 11, 60 * 13, 60 * 17} {
		s := errorRate()
		s.Period = time.Duration(minutes) * time.Minute
		wants = append(wants, want(s, 0, 10))
	}
	f := &fake{answer: byStat(nil)}
	s, _ := newSource(t, f)
	fetch(t, s, wants...)
	for i, c := range f.seen() {
		if span := c.EndTime.Content.(float64) - c.StartTime.Content.(float64); span > 2*86400 {
			t.Errorf("request %d asks for %v hours", i, span/3600)
		}
	}
}
