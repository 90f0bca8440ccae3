package cloudwatch_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/cloudwatch/kind"
)

func failuresOfABalancer(zero bool) *rules.Signal {
	return signal(rules.Ratio, rules.Percent, kind.Query{
		Namespace: "AWS/ApplicationELB", Dimensions: map[string]string{"LoadBalancer": "app/shop/1"},
		Bad: rules.Several{"Target", "ELB"}, Total: rules.Several{"Requests", "ELB"}, MissingBadIsZero: zero,
	})
}

// Sums are added period by period. A metric without a value counts as 0 where the query
// says so, beside another that has one. Where bad ones have no total the answer lacks
// something, and no reading is whole: a period that counts failures is not one without traffic.
func TestSums(t *testing.T) {
	with := func(target, elb []float64) map[string][]float64 {
		return map[string][]float64{
			"Target Sum":   append([]float64{at(1), 3, at(2), 1}, target...),
			"ELB Sum":      append([]float64{at(1), 4, at(3), 5}, elb...),
			"Requests Sum": {at(1), 100, at(2), 100, at(3), 100, at(6), 100},
		}
	}
	whole, lacking := with(nil, nil), with([]float64{at(4), 2, at(5), 2}, []float64{at(5), 1})
	for _, tt := range []struct {
		zero    bool
		answers map[string][]float64
		want    []filledPoint
		fault   rules.Fault
		detail  string
	}{
		{true, whole, []filledPoint{rpoint(1, 7, 104, false), rpoint(2, 1, 100, true), rpoint(3, 5, 105, true), rpoint(6, 0, 100, true)}, rules.OK, ""},
		{false, whole, []filledPoint{rpoint(1, 7, 104, false)}, rules.OK, ""},
		{true, lacking, []filledPoint{rpoint(1, 7, 104, false), rpoint(2, 1, 100, true), rpoint(3, 5, 105, true), rpoint(6, 0, 100, true)}, rules.PartialData, "is 2 in the period at 2025-06-04T00:04:00Z"},
		{false, lacking, []filledPoint{rpoint(1, 7, 104, false)}, rules.PartialData, "is 3 in the period at 2025-06-04T00:05:00Z"},
	} {
		f := &fake{answer: byStat(tt.answers)}
		s, _ := newSource(t, f)
		r := fetch(t, s, want(failuresOfABalancer(tt.zero), 0, 10))[0]
		if diff := cmp.Diff(tt.want, filledPoints(r)); diff != "" || r.Fault != tt.fault || !strings.Contains(r.Detail, tt.detail) || (r.SettledUntil > 0) != (r.Fault == rules.OK) {
			t.Errorf("missing ones are zero: %t: fault %v %q: %s", tt.zero, r.Fault, r.Detail, diff)
		}
		if tt.fault != rules.OK {
			continue
		}
		if n := len(f.seen()[0].Queries); n != 3 || s.Stats().Billed < 3 {
			t.Errorf("%d metrics were asked for, want each of the three once", n)
		}
		if hint := strings.Contains(r.Note, "Target + ELB has no value"); hint == tt.zero {
			t.Errorf("note %q", r.Note)
		}
	}
}

// An answer that is not complete gives no zeros to a sum.
func TestSumOfAPartialAnswer(t *testing.T) {
	f := &fake{answer: func(c call) (int, map[string]string, any) {
		var list []m
		for _, q := range c.Queries {
			if q.MetricStat.Metric.MetricName == "ELB" {
				list = append(list, result(q.ID, "PartialData"))
				continue
			}
			list = append(list, result(q.ID, "Complete", at(1), 5))
		}
		return 200, nil, results(list...)
	}}
	s, _ := newSource(t, f)
	if r := fetch(t, s, want(failuresOfABalancer(true), 0, 10))[0]; r.Fault != rules.PartialData || len(r.Points) != 0 {
		t.Errorf("fault %v with %+v", r.Fault, r.Points)
	}
}

// Each name of a sum must have been seen: a typo stands beside a name that is right.
func TestSumWithANameThatWasNeverSeen(t *testing.T) {
	values := map[string][]float64{"Target Sum": {at(1), 3}, "Requests Sum": {at(1), 100, at(2), 100}}
	f := &fake{answer: byStat(values)}
	s, _ := newSource(t, f)
	r := fetch(t, s, want(failuresOfABalancer(true), 0, 10))[0]
	if r.Seen || !r.Looked || !strings.Contains(r.Note, "AWS/ApplicationELB ELB{LoadBalancer=app/shop/1} (Sum) was never seen") {
		t.Errorf("seen %t, looked %t, note %q", r.Seen, r.Looked, r.Note)
	}
	if len(f.looks) != 1 || len(f.looks[0].Queries) != 1 {
		t.Errorf("looks %+v, want one for the one name without a value", f.looks)
	}
	values["Target Sum"] = nil
	f.everSeen = byStat(nil)
	s, _ = newSource(t, f)
	if r = fetch(t, s, want(failuresOfABalancer(true), 0, 10))[0]; r.Seen || !strings.Contains(r.Note, "Target + ELB{LoadBalancer=app/shop/1} (Sum): none of the 2 was ever seen") {
		t.Errorf("seen %t, note %q", r.Seen, r.Note)
	}
	f.everSeen = byStat(map[string][]float64{"Target SampleCount": {float64(t0 - 40*day), 1}, "ELB SampleCount": {float64(t0 - 40*day), 1}})
	s, _ = newSource(t, f)
	if r = fetch(t, s, want(failuresOfABalancer(true), 0, 10))[0]; !r.Seen || !strings.Contains(r.Note, "Target and ELB have sent nothing") {
		t.Errorf("seen %t, note %q", r.Seen, r.Note)
	}
}

const day = 86400

func TestSumsThatCannotBeAsked(t *testing.T) {
	for _, names := range []rules.Several{nil, {""}, {"a", ""}, {"a", "\n"}} {
		sig := failuresOfABalancer(false)
		kind.Of(sig.Query).Total = names
		s, _ := newSource(t, &fake{answer: byStat(nil)})
		if r := fetch(t, s, want(sig, 0, 10))[0]; r.Fault != rules.ConfigFault {
			t.Errorf("%q: fault %v %q", names, r.Fault, r.Detail)
		}
	}
}

// Against the simulator: both kinds of failure of an API, one of which is sent only
// when something fails.
func TestSumOfTheSimulator(t *testing.T) {
	now := launch.Add(2 * time.Hour)
	want := func(bad ...string) sources.Want {
		s := errorRate()
		kind.Of(s.Query).Bad = bad
		return sources.Want{Run: "p", Signal: s, From: now.Add(-30 * time.Minute).Unix(), To: now.Unix()}
	}
	got, _ := inWorld(t, "[cloudwatch]\nsparse = true\n", want("5XXError"), want("4XXError"), want("5XXError", "4XXError"))
	sum := map[int64]float64{}
	for _, r := range got[:2] {
		for _, p := range r.Points {
			sum[p.At] += p.Value
		}
	}
	if r := got[2]; r.Fault != rules.OK || len(r.Points) < 25 {
		t.Errorf("fault %v %q, %d points", r.Fault, r.Detail, len(r.Points))
	}
	for _, p := range got[2].Points {
		if p.Value != sum[p.At] {
			t.Errorf("%+v, want %v", p, sum[p.At])
		}
	}
}
