package cloudwatch_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources/cloudwatch/kind"
)

func TestRatioBuckets(t *testing.T) {
	tests := []struct {
		name       string
		bad, total []float64
		zero       bool          // missing_bad_is_zero
		points     []rules.Point // those of a value of 0 are filled in
		fault      rules.Fault
		note       bool
	}{
		{"no bad ones sent, and that means none", nil, []float64{at(1), 9}, true, []rules.Point{{At: t0 + 60, Samples: 9}}, rules.OK, true},
		{"no bad ones sent, and that means nothing", nil, []float64{at(1), 9}, false, nil, rules.NoData, false},
		{"bad without total is no period, and not all that there was", []float64{at(1), 2}, []float64{at(2), 9}, true, []rules.Point{{At: t0 + 120, Samples: 9}}, rules.PartialData, false},
		{"bad of a total of nothing", []float64{at(1), 2}, []float64{at(1), 0}, true, nil, rules.PartialData, false},
		{"bad of a total that is never there", []float64{at(1), 2}, nil, false, nil, rules.PartialData, false},
		{"bad before its total, still filling up", []float64{at(1), 2, at(8), 4}, []float64{at(1), 9}, true, []rules.Point{{At: t0 + 60, Value: 2, Samples: 9}}, rules.OK, false},
		{"both absent is no period", nil, nil, true, nil, rules.NoData, false},
		{"a total of nothing says nothing", []float64{at(1), 0}, []float64{at(1), 0}, true, nil, rules.NoData, false},
		{"more bad than all, still filling up", []float64{at(8), 4}, []float64{at(8), 3}, true, []rules.Point{{At: t0 + 480, Value: 3, Samples: 3}}, rules.OK, false},
		{"more bad than all, settled", []float64{at(1), 4}, []float64{at(1), 3}, true, []rules.Point{{At: t0 + 60, Value: 3, Samples: 3}}, rules.PartialData, false},
		{"less than none", []float64{at(1), -4}, []float64{at(1), 3}, true, nil, rules.NoData, false},
	}
	for _, tt := range tests {
		signal := errorRate()
		kind.Of(signal.Query).MissingBadIsZero = tt.zero
		s, _ := newSource(t, &fake{answer: byStat(map[string][]float64{"5XXError Sum": tt.bad, "Count Sum": tt.total})})
		got := fetch(t, s, want(signal, 0, 10))[0]
		if diff := cmp.Diff(tt.points, got.Points); diff != "" || got.Fault != tt.fault || (got.Note != "") != tt.note {
			t.Errorf("%s: fault %d %q, note %q, points (-want +got):\n%s", tt.name, got.Fault, got.Detail, got.Note, diff)
		}
		for _, p := range got.Points {
			if got.Fills(p.At) != (p.Value == 0) {
				t.Errorf("%s: a zero stands for the point at %d: %t", tt.name, p.At, got.Fills(p.At))
			}
		}
	}
}

// An incomplete answer about the bad ones must not read as "none".
func TestMissingBadIsZeroNeedsACompleteAnswer(t *testing.T) {
	s, _ := newSource(t, &fake{answer: func(c call) (int, map[string]string, any) {
		return 200, nil, results(result(c.Queries[0].ID, "PartialData"), result(c.Queries[1].ID, "Complete", at(1), 9))
	}})
	got := fetch(t, s, want(errorRate(), 0, 10))[0]
	if len(got.Points) != 0 || got.Fault != rules.PartialData || got.SettledUntil != 0 {
		t.Errorf("got %+v, want no point and partial data", got)
	}
}

func TestPercentileNeedsItsSampleCount(t *testing.T) {
	s, _ := newSource(t, &fake{answer: byStat(map[string][]float64{
		"Duration p95": {at(1), 900, at(2), 800}, "Duration SampleCount": {at(2), 3}, "Duration PR(:2500)": {at(1), 90, at(2), 117},
	})})
	got := fetch(t, s, want(p95(), 0, 10), want(above(2.5), 0, 10))
	if diff := cmp.Diff([]rules.Point{{At: t0 + 120, Value: 0.8, Samples: 3}}, got[0].Points); diff != "" {
		t.Errorf("percentile (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]rules.Point{{At: t0 + 120, Value: 0, Samples: 3}}, got[1].Points); diff != "" {
		t.Errorf("a rank above 100 (-want +got):\n%s", diff)
	}
}

// An endpoint that refuses the percentile rank is asked for the trimmed count, whose
// complement is the number above. Where that has no value, nothing is known to be above.
func TestRankRefused(t *testing.T) {
	f := &fake{}
	good := byStat(map[string][]float64{"Duration SampleCount": {at(1), 40, at(2), 30}, "Duration TC(:2500)": {at(1), 38}, "Duration p95": {at(1), 10}})
	f.answer = func(c call) (int, map[string]string, any) {
		for _, q := range c.Queries {
			if strings.HasPrefix(q.MetricStat.Stat, "PR(") {
				return 400, nil, m{"__type": "ValidationError", "message": "The value PR(:2500) for parameter Stat is not supported."}
			}
		}
		return good(c)
	}
	s, _ := newSource(t, f)
	for round := range 2 {
		got := fetch(t, s, want(p95(), 0, 10), want(above(2.5), 0, 10))
		if got[0].Fault != rules.OK || got[1].Fault != rules.OK || len(got[1].Points) != 1 {
			t.Fatalf("round %d: got %+v", round, got)
		}
		if p := got[1].Points[0]; p.Samples != 40 || p.Value != 2 {
			t.Errorf("round %d: %v of %v above, want 2 of 40: TC(:x) is the number at or below", round, p.Value, p.Samples)
		}
	}
	if n := len(f.seen()); n != 3 {
		t.Errorf("%d requests for two fetches, want 3: the refusal is remembered", n)
	}
}

func TestStatistics(t *testing.T) {
	quantile := func(q float64, stat string) *rules.Signal {
		s := p95()
		s.Quant, kind.Of(s.Query).Stat = q, stat
		return s
	}
	level := func(stat string) *rules.Signal {
		s := p95()
		s.Kind, s.Quant, kind.Of(s.Query).Stat = rules.Gauge, 0, stat
		return s
	}
	tests := []struct {
		signal *rules.Signal
		stat   string // of the first statistic
	}{
		{quantile(0.95, ""), "p95"}, {quantile(0.999, ""), "p99.9"}, {quantile(0.5, "p50"), "p50"}, {quantile(0.95, "p95.0"), "p95.0"},
		{quantile(0.07, ""), "p7"}, {quantile(0, "p99"), "p99"},
		{above(2.5), "PR(:2500)"}, {above(3), "PR(:3000)"}, {above(0.3), "PR(:300)"}, {above(0.0001), "PR(:0.1)"},
		{level(""), "Average"}, {level("Maximum"), "Maximum"}, {level("tm95"), "tm95"}, {level("TM(10%:90%)"), "TM(10%:90%)"}, {level("PR(:2500)"), "PR(:2500)"},
	}
	for _, tt := range tests {
		f := &fake{answer: byStat(nil)}
		s, _ := newSource(t, f)
		if got := fetch(t, s, want(tt.signal, 0, 10))[0]; got.Fault != rules.NoData {
			t.Errorf("%s: fault %d %q", tt.stat, got.Fault, got.Detail)
			continue
		}
		q := f.seen()[0].Queries
		if q[0].MetricStat.Stat != tt.stat || q[1].MetricStat.Stat != "SampleCount" || q[0].MetricStat.Unit != "Milliseconds" {
			t.Errorf("asked %+v, want %s and SampleCount", q, tt.stat)
		}
		if d := q[0].MetricStat.Metric.Dimensions; len(d) != 3 || d[0].Name != "ExecutedVersion" || d[0].Value != "43" {
			t.Errorf("dimensions %v, want the version's own three", d)
		}
	}
}

func TestUnits(t *testing.T) {
	tests := []struct {
		unit   rules.Unit
		metric string
		want   float64 // of 250
	}{
		{rules.Seconds, "Milliseconds", 0.25}, {rules.Seconds, "Seconds", 250}, {rules.Seconds, "Microseconds", 250e-6},
		{rules.Percent, "Percent", 2.5}, {rules.Percent, "None", 250}, {rules.Percent, "", 250}, {rules.Number, "Milliseconds", 250}, {rules.Number, "", 250},
	}
	for _, tt := range tests {
		signal := signal(rules.Gauge, tt.unit, kind.Query{Namespace: "N", Metric: "M", Stat: "Maximum", Unit: tt.metric})
		s, _ := newSource(t, &fake{answer: byStat(map[string][]float64{"M Maximum": {at(1), 250}, "M SampleCount": {at(1), 1}})})
		got := fetch(t, s, want(signal, 0, 10))[0]
		if len(got.Points) != 1 || got.Points[0].Value != tt.want {
			t.Errorf("250 %s as unit %d: %+v, want %v", tt.metric, tt.unit, got.Points, tt.want)
		}
	}
}

// What is wrong with a signal is said without asking: one bad query would
// refuse the whole batch, other plans' rollback rules with it.
func TestWrongSignals(t *testing.T) {
	edit := func(f func(*rules.Signal)) *rules.Signal {
		s := p95()
		f(s)
		return s
	}
	query := func(f func(*kind.Query)) *rules.Signal {
		return edit(func(s *rules.Signal) { f(kind.Of(s.Query)) })
	}
	tests := []struct {
		detail string
		signal *rules.Signal
	}{
		{"no cloudwatch query", edit(func(s *rules.Signal) { s.Query = rules.Query{} })},
		{"period 0s", edit(func(s *rules.Signal) { s.Period = 0 })},
		{"period 90 s", edit(func(s *rules.Signal) { s.Period = 90 * time.Second })},
		{"period 1.5s", edit(func(s *rules.Signal) { s.Period = 1500 * time.Millisecond })},
		{"namespace", query(func(q *kind.Query) { q.Namespace = "" })},
		{"metric", query(func(q *kind.Query) { q.Metric = "" })},
		{"not a unit of CloudWatch", query(func(q *kind.Query) { q.Unit = "Furlongs" })},
		{"name the metric's unit of time", query(func(q *kind.Query) { q.Unit = "" })},
		{"not a unit of time", query(func(q *kind.Query) { q.Unit = "Count" })},
		{"neither empty", query(func(q *kind.Query) { q.Dimensions = map[string]string{"A": ""} })},
		{"want ASCII", query(func(q *kind.Query) { q.Dimensions = map[string]string{"A": "Zürich"} })},
		{"namespace", query(func(q *kind.Query) { q.Namespace = ":x" })},
		{"metric", query(func(q *kind.Query) { q.Metric = strings.Repeat("x", 256) })},
		{"not the quantile", query(func(q *kind.Query) { q.Stat = "p99" })},
		{"quantile 0", edit(func(s *rules.Signal) { s.Quant = 0 })},
		{"quantile NaN", edit(func(s *rules.Signal) { s.Quant = nan() })},
		{"not a number", edit(func(s *rules.Signal) { s.Kind, s.Of, s.Above = rules.Ratio, 0, nan() })},
		{"not a statistic", edit(func(s *rules.Signal) { s.Kind, kind.Of(s.Query).Stat = rules.Gauge, "Mode" })},
		{"bad and total", edit(func(s *rules.Signal) { s.Kind = rules.Ratio })},
		{"a name is needed", edit(func(s *rules.Signal) { s.Kind = rules.Alarm })},
	}
	for _, tt := range tests {
		f := &fake{answer: byStat(map[string][]float64{"Count Sum": {at(1), 9}})}
		s, _ := newSource(t, f)
		got := fetch(t, s, want(tt.signal, 0, 10), want(errorRate(), 0, 10))
		if got[0].Fault != rules.ConfigFault || !strings.Contains(got[0].Detail, tt.detail) {
			t.Errorf("fault %d %q, want a config fault with %q", got[0].Fault, got[0].Detail, tt.detail)
		}
		if got[1].Fault != rules.OK {
			t.Errorf("%s: the good signal beside it has fault %d %q", tt.detail, got[1].Fault, got[1].Detail)
		}
	}
	s, _ := newSource(t, &fake{})
	if got := fetch(t, s, want(p95(), 5, 5))[0]; got.Fault != rules.ConfigFault {
		t.Errorf("an empty range: fault %d", got.Fault)
	}
	if n := s.Stats().Requests; n != 0 {
		t.Errorf("%d requests for a question that cannot be asked", n)
	}
}
