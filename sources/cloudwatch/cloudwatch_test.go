package cloudwatch_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/rules"
)

func TestKinds(t *testing.T) {
	f := &fake{answer: byStat(map[string][]float64{
		"5XXError Sum":         {at(1), 3},
		"Count Sum":            {at(0), 50, at(1), 60, at(2), 70},
		"Duration p95":         {at(0), 1500, at(1), 2600},
		"Duration SampleCount": {at(0), 40, at(1), 42, at(2), 9},
		"Duration PR(:2500)":   {at(0), 100, at(1), 95},
		"Duration Average":     {at(0), 500},
		"Duration Sum":         {at(0), 20000},
	})}
	s, _ := newSource(t, f)
	average := p95()
	average.Kind, average.Quant = rules.Gauge, 0
	mean := p95()
	mean.Kind, mean.Quant = rules.Mean, 0
	got := fetch(t, s, want(errorRate(), 0, 10), want(p95(), 0, 10), want(above(2.5), 0, 10), want(average, 0, 10), want(mean, 0, 10))
	wantPoints := [][]rules.Point{
		{{At: t0, Samples: 50}, {At: t0 + 60, Value: 3, Samples: 60}, {At: t0 + 120, Samples: 70}},
		{{At: t0, Value: 1.5, Samples: 40}, {At: t0 + 60, Value: 2.6, Samples: 42}},
		{{At: t0, Value: 0, Samples: 40}, {At: t0 + 60, Value: 2.1, Samples: 42}},
		{{At: t0, Value: 0.5, Samples: 40}},
		{{At: t0, Value: 20, Samples: 40}},
	}
	for i, r := range got {
		filled := [][]int64{{t0, t0 + 120}, nil, nil, nil, nil}[i]
		if diff := cmp.Diff(filled, r.Filled); diff != "" {
			t.Errorf("want %d: filled in (-want +got):\n%s", i, diff)
		}
		if diff := cmp.Diff(wantPoints[i], r.Points); diff != "" || r.Fault != rules.OK {
			t.Errorf("want %d: fault %d %q, points (-want +got):\n%s", i, r.Fault, r.Detail, diff)
		}
		if w := t0 + 7*60; r.SettledUntil != w {
			t.Errorf("want %d: settled until %d, want %d", i, r.SettledUntil, w)
		}
	}
	calls := f.seen()
	if len(calls) != 1 {
		t.Fatalf("%d requests for one Fetch, want 1", len(calls))
	}
	// 5XXError, Count, and of Duration: p95, SampleCount, PR, Average, Sum.
	if n := len(calls[0].Queries); n != 7 || s.Stats().Billed != 7 {
		t.Errorf("%d statistics asked, %d billed, want 7: equal ones once", n, s.Stats().Billed)
	}
	if got := calls[0].Header.Get("Authorization"); !strings.Contains(got, "/eu-central-1/monitoring/aws4_request") {
		t.Errorf("signed for %q", got)
	}
}
