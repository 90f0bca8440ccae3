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

// calculated is a ratio of expressions over metrics of a balancer and of a target group.
func calculated(bad, total string, zero bool) *rules.Signal {
	return signal(rules.Ratio, rules.Percent, kind.Query{
		Namespace: "AWS/ApplicationELB", Dimensions: map[string]string{"LoadBalancer": "app/shop/1"},
		Bad: rules.Several{bad}, Total: rules.Several{total}, MissingBadIsZero: zero,
		Metrics: []kind.Metric{
			{Name: "elb", Metric: "ELB"},
			{Name: "blue", Metric: "Target", Dimensions: map[string]string{"LoadBalancer": "app/shop/1", "TargetGroup": "blue"}},
			{Name: "ok", Metric: "OK", Namespace: "Shop"},
			{Name: "all", Metric: "Requests"},
		},
	})
}

// filledPoint is a point, and whether a zero stands for a part of its value.
type filledPoint struct {
	rules.Point
	Filled bool
}

func rpoint(minute, v, n float64, filled bool) filledPoint {
	return filledPoint{rules.Point{At: int64(at(minute)), Value: v, Samples: n}, filled}
}

// filledPoints are the points of a reading.
func filledPoints(r rules.Reading) (list []filledPoint) {
	for _, p := range r.Points {
		list = append(list, filledPoint{p, r.Fills(p.At)})
	}
	return list
}

// An expression is calculated period by period. What is missing of a metric is missing of the
// result, and never 0 unless the query says so.
func TestExpressionsOverMetrics(t *testing.T) {
	for _, tt := range []struct {
		name       string
		bad, total string
		zero       bool
		answers    map[string][]float64
		want       []filledPoint
		fault      rules.Fault
		detail     string
	}{
		{name: "a sum", bad: "elb + blue", total: "all + elb",
			answers: map[string][]float64{"ELB Sum": {at(1), 1, at(2), 2}, "Target Sum": {at(1), 3, at(2), 4}, "Requests Sum": {at(1), 99, at(2), 98}},
			want:    []filledPoint{rpoint(1, 4, 100, false), rpoint(2, 6, 100, false)}},
		{name: "a missing input is no zero", bad: "elb + blue", total: "all",
			answers: map[string][]float64{"ELB Sum": {at(1), 1}, "Target Sum": {at(1), 3, at(2), 4}, "Requests Sum": {at(1), 99, at(2), 98}},
			want:    []filledPoint{rpoint(1, 4, 99, false)}},
		{name: "a missing input of the total is no zero", bad: "elb", total: "all + blue",
			answers: map[string][]float64{"ELB Sum": {at(1), 0, at(2), 0}, "Target Sum": {at(1), 3}, "Requests Sum": {at(1), 97, at(2), 98}},
			want:    []filledPoint{rpoint(1, 0, 100, false)}},
		{name: "a missing input is zero where the query says so", bad: "elb + blue", total: "all", zero: true,
			answers: map[string][]float64{"ELB Sum": {at(1), 1}, "Target Sum": {at(2), 4}, "Requests Sum": {at(1), 99, at(2), 98, at(3), 97}},
			want:    []filledPoint{rpoint(1, 1, 99, true), rpoint(2, 4, 98, true), rpoint(3, 0, 97, true)}},
		{name: "all inputs missing are what the expression makes of zeros", bad: "elb + 2", total: "all", zero: true,
			answers: map[string][]float64{"Requests Sum": {at(3), 97}}, want: []filledPoint{rpoint(3, 2, 97, true)}},
		{name: "a difference, and not of periods that have not settled", bad: "all - ok", total: "all",
			answers: map[string][]float64{"OK Sum": {at(1), 90, at(6), 95, at(7), 60}, "Requests Sum": {at(1), 100, at(6), 100, at(7), 100}},
			want:    []filledPoint{rpoint(1, 10, 100, false), rpoint(6, 5, 100, false)}},
		{name: "zeros are not subtracted", bad: "all - ok", total: "all", zero: true,
			answers: map[string][]float64{"OK Sum": {at(1), 90}, "Requests Sum": {at(1), 100, at(2), 100}},
			want:    []filledPoint{rpoint(1, 10, 100, false)}},
		{name: "a quotient by zero is no value", bad: "blue * all / ok", total: "all",
			answers: map[string][]float64{"Target Sum": {at(1), 1, at(2), 1}, "OK Sum": {at(1), 50, at(2), 0}, "Requests Sum": {at(1), 100, at(2), 100}},
			want:    []filledPoint{rpoint(1, 2, 100, false)}},
		{name: "less than none", bad: "all - ok", total: "all",
			answers: map[string][]float64{"OK Sum": {at(1), 90, at(2), 130}, "Requests Sum": {at(1), 100, at(2), 100}},
			want:    []filledPoint{rpoint(1, 10, 100, false)}, fault: rules.PartialData, detail: "all - ok is -30 in the period at 2025-06-04T00:02:00Z: below 0"},
		{name: "a total of less than none", bad: "elb", total: "all - ok",
			answers: map[string][]float64{"ELB Sum": {at(1), 0}, "OK Sum": {at(1), 130}, "Requests Sum": {at(1), 100}},
			fault:   rules.PartialData, detail: "all - ok is -30 in the period at 2025-06-04T00:01:00Z: below 0"},
		{name: "failures without a total", bad: "elb + blue", total: "all",
			answers: map[string][]float64{"ELB Sum": {at(1), 1, at(2), 1}, "Target Sum": {at(1), 1, at(2), 1}, "Requests Sum": {at(1), 100}},
			want:    []filledPoint{rpoint(1, 2, 100, false)}, fault: rules.PartialData, detail: "elb + blue is 2 in the period at 2025-06-04T00:02:00Z, and all is 0 or missing"},
		{name: "no value at all", bad: "elb + blue", total: "all",
			answers: map[string][]float64{"ELB Sum": {at(1), 1}, "Requests Sum": {at(1), 100}},
			fault:   rules.NoData, detail: "no datapoints of AWS/ApplicationELB Target{LoadBalancer=app/shop/1,TargetGroup=blue} (Sum) in eu-central-1, period 1m, unit any"},
		{name: "never all at once", bad: "elb + blue", total: "all",
			answers: map[string][]float64{"ELB Sum": {at(1), 1}, "Target Sum": {at(2), 1}, "Requests Sum": {at(1), 100, at(2), 100}},
			fault:   rules.NoData, detail: "no settled period with a value of all of elb + blue in eu-central-1"},
		{name: "too large for a number", bad: "elb * blue", total: "all", zero: true,
			answers: map[string][]float64{"ELB Sum": {at(1), 1e300}, "Target Sum": {at(1), 1e300}, "Requests Sum": {at(1), 100}},
			fault:   rules.PartialData, detail: "elb * blue in the period at 2025-06-04T00:01:00Z is too large for a number"},
		{name: "a name that is none", bad: "elb + green", total: "all", fault: rules.ConfigFault, detail: `bad: "green" is none of its metrics`},
		{name: "no expression", bad: "elb", total: "all +", fault: rules.ConfigFault, detail: "total: it ends where a metric or a number should be"},
	} {
		f := &fake{answer: byStat(tt.answers)}
		s, _ := newSource(t, f)
		r := fetch(t, s, want(calculated(tt.bad, tt.total, tt.zero), 0, 10))[0]
		if diff := cmp.Diff(tt.want, filledPoints(r)); diff != "" || r.Fault != tt.fault || !strings.Contains(r.Detail, tt.detail) || (tt.detail == "") != (r.Detail == "") {
			t.Errorf("%s: fault %v %q, points (-want +got): %s", tt.name, r.Fault, r.Detail, diff)
		}
		if r.Fault != rules.OK && r.Fault != rules.NoData && r.SettledUntil != 0 {
			t.Errorf("%s: settled until %d", tt.name, r.SettledUntil)
		}
	}
}

// Each metric is asked once, in its own namespace and with its own dimensions.
func TestMetricsOfAnExpressionAreAskedOnce(t *testing.T) {
	f := &fake{answer: byStat(nil)}
	s, _ := newSource(t, f)
	fetch(t, s, want(calculated("all - ok + blue", "all", false), 0, 10), want(calculated("elb", "all + elb", false), 0, 10))
	var asked []string
	for _, q := range f.seen()[0].Queries {
		m := q.MetricStat.Metric
		dims := ""
		for _, d := range m.Dimensions {
			dims += " " + d.Name + "=" + d.Value
		}
		asked = append(asked, m.Namespace+" "+m.MetricName+dims+" "+q.MetricStat.Stat)
	}
	if diff := cmp.Diff([]string{
		"AWS/ApplicationELB Requests LoadBalancer=app/shop/1 Sum", "Shop OK LoadBalancer=app/shop/1 Sum",
		"AWS/ApplicationELB Target LoadBalancer=app/shop/1 TargetGroup=blue Sum", "AWS/ApplicationELB ELB LoadBalancer=app/shop/1 Sum",
	}, asked); diff != "" || len(f.seen()) != 1 || s.Stats().Billed != 4 {
		t.Errorf("asked (-want +got): %s; %d requests, %d billed", diff, len(f.seen()), s.Stats().Billed)
	}
}

// An input that is incomplete makes the result incomplete, and gives no zeros.
func TestAPartialInputMakesAnExpressionPartial(t *testing.T) {
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
	for _, zero := range []bool{false, true} {
		s, _ := newSource(t, f)
		if r := fetch(t, s, want(calculated("elb + blue", "all", zero), 0, 10))[0]; r.Fault != rules.PartialData || len(r.Points) != 0 || r.SettledUntil != 0 {
			t.Errorf("missing is zero %t: fault %v with %+v", zero, r.Fault, r.Points)
		}
	}
}

// A name of an expression that never had a value is named in full.
func TestAnExpressionWithANameThatWasNeverSeen(t *testing.T) {
	f := &fake{answer: byStat(map[string][]float64{"Target Sum": {at(1), 3}, "Requests Sum": {at(1), 100, at(2), 100}})}
	s, _ := newSource(t, f)
	r := fetch(t, s, want(calculated("elb + blue", "all", true), 0, 10))[0]
	if r.Seen || !r.Looked || !strings.Contains(r.Note, "AWS/ApplicationELB ELB{LoadBalancer=app/shop/1} (Sum) was never seen") {
		t.Errorf("seen %t, looked %t, note %q", r.Seen, r.Looked, r.Note)
	}
	f = &fake{answer: byStat(map[string][]float64{"Requests Sum": {at(1), 100}}), everSeen: byStat(nil)}
	s, _ = newSource(t, f)
	const both = "AWS/ApplicationELB ELB{LoadBalancer=app/shop/1} (Sum) + AWS/ApplicationELB Target{LoadBalancer=app/shop/1,TargetGroup=blue} (Sum): none of the 2 was ever seen"
	if r = fetch(t, s, want(calculated("elb + blue", "all", true), 0, 10))[0]; r.Seen || !strings.Contains(r.Note, both) {
		t.Errorf("seen %t, note %q", r.Seen, r.Note)
	}
}

// Through the real protocol, against the simulator: an expression is what its metrics add
// up to, and the version beside is asked with its own dimension in every metric.
func TestExpressionsOfTheSimulator(t *testing.T) {
	now := launch.Add(2 * time.Hour)
	ask := func(q *kind.Query) sources.Want {
		s := errorRate()
		s.Query = rules.Query{Ask: q}
		return sources.Want{Run: "p", Signal: s, From: now.Add(-40 * time.Minute).Unix(), To: now.Add(-10 * time.Minute).Unix()}
	}
	plain := func(bad, total string) *kind.Query {
		q := *kind.Of(errorRate().Query)
		q.Bad, q.Total = rules.Several{bad}, rules.Several{total}
		return &q
	}
	named := *kind.Of(errorRate().Query)
	named.MissingBadIsZero = false
	named.Metrics = []kind.Metric{{Name: "server", Metric: "5XXError"}, {Name: "client", Metric: "4XXError"}, {Name: "all", Metric: "Count"}}
	named.Bad, named.Total = rules.Several{"(server + client) / 2"}, rules.Several{"all - client"}
	got, _ := inWorld(t, "", ask(plain("5XXError", "Count")), ask(plain("4XXError", "Count")), ask(&named))
	if r := got[2]; r.Fault != rules.OK || len(r.Points) != 30 {
		t.Fatalf("fault %v %q, %d points", r.Fault, r.Detail, len(r.Points))
	}
	for i, p := range got[2].Points {
		server, client := got[0].Points[i], got[1].Points[i]
		if p.At != server.At || p.Value != (server.Value+client.Value)/2 || p.Samples != server.Samples-client.Value || client.Value == 0 {
			t.Errorf("%+v of %+v and %+v", p, server, client)
		}
	}
}

// The version beside is asked with its own dimension in every metric of an expression.
func TestAnExpressionOfTheVersionBeside(t *testing.T) {
	dims := func(v string) map[string]string {
		return map[string]string{"FunctionName": "bioage-inference", "Resource": "bioage-inference:live", "ExecutedVersion": v}
	}
	own := &kind.Query{
		Namespace: "AWS/Lambda", Dimensions: dims("43"), Bad: rules.Several{"2 * bad / 2"}, Total: rules.Several{"all"},
		Metrics: []kind.Metric{{Name: "bad", Metric: "Errors"}, {Name: "all", Metric: "Invocations", Namespace: "AWS/Lambda", Dimensions: dims("43")}},
	}
	if diff := cmp.Diff(dims("43"), own.Apart()); diff != "" {
		t.Errorf("apart (-want +got): %s", diff)
	}
	wants := compared(0, 15*time.Minute)
	for i, q := range []rules.SourceQuery{own, own.Beside("ExecutedVersion", "42")} {
		s := *wants[0].Signal
		s.Query = rules.Query{Ask: q}
		wants[1+2*i].Signal = &s // in the place of what is slow
	}
	s, _ := simulated(t, "shared-outage", 18*time.Minute, nil)
	got := s.Fetch(t.Context(), launch.Add(18*time.Minute), wants)
	for i := 0; i < 4; i += 2 {
		if diff := cmp.Diff(got[i].Points, got[i+1].Points); diff != "" || len(got[i].Points) != 15 {
			t.Errorf("reading %d: %d points of the metrics, and of the expression (-metrics +expression): %s", i, len(got[i].Points), diff)
		}
	}
	if cmp.Equal(got[1].Points, got[3].Points) || own.Metrics[1].Dimensions["ExecutedVersion"] != "43" {
		t.Error("the version beside is the release")
	}
	if other := (&kind.Query{Dimensions: dims("43"), Metrics: []kind.Metric{{}, {Dimensions: dims("41")}}}).Apart(); other["ExecutedVersion"] != "" || len(other) != 2 {
		t.Errorf("metrics of two versions are told apart by %v", other)
	}
}
