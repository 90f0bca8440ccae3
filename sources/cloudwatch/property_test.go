package cloudwatch_test

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/cloudwatch/kind"
)

// everything is one want of each kind.
func everything() []sources.Want {
	level := signal(rules.Gauge, rules.Seconds, kind.Query{Namespace: "N", Metric: "Level", Stat: "Maximum", Unit: "Seconds"})
	strict := errorRate()
	kind.Of(strict.Query).MissingBadIsZero = false
	kind.Of(strict.Query).Total = rules.Several{"Requests"}
	sum := errorRate()
	kind.Of(sum.Query).Bad = rules.Several{"5XXError", "4XXError"}
	return []sources.Want{
		want(errorRate(), 0, 10), want(p95(), 0, 10), want(above(2.5), 2, 12), want(level, 0, 10), want(strict, 0, 10), want(alarm("a"), 0, 10), want(sum, 0, 10),
	}
}

// misbehaving draws an answer that may be wrong in every way that CBOR can
// carry, and keeps what numbers it holds.
func misbehaving(t *rapid.T, c call, numbers map[float64]bool) (int, map[string]string, any) {
	switch rapid.IntRange(0, 9).Draw(t, "answer") {
	case 0:
		return rapid.SampledFrom([]int{200, 400, 403, 404, 429, 500, 503}).Draw(t, "status"), nil,
			rapid.SampledFrom([]any{"", "<html>", m{"__type": "ThrottlingException"}, m{"__type": 7}, m{}, []any{1}}).Draw(t, "body")
	case 1:
		return 200, nil, rapid.SliceOfN(rapid.Byte(), 0, 60).Draw(t, "soup")
	}
	if c.Op == "DescribeAlarms" {
		a := state("a", rapid.SampledFrom([]string{"OK", "ALARM", "INSUFFICIENT_DATA", "", "?"}).Draw(t, "state"), rapid.Int64Range(t0-100, t0+900).Draw(t, "since"))
		for _, key := range []string{"AlarmName", "StateTransitionedTimestamp", "StateUpdatedTimestamp", "StateReason"} {
			if rapid.IntRange(0, 5).Draw(t, key) == 0 {
				a[key] = nil
			}
		}
		return 200, nil, m{"MetricAlarms": []any{a, nil}[:rapid.IntRange(0, 1).Draw(t, "alarms")]}
	}
	var list []m
	for _, q := range c.Queries {
		if rapid.IntRange(0, 6).Draw(t, "present") == 0 {
			continue
		}
		var points []float64
		for range rapid.IntRange(0, 6).Draw(t, "points") {
			v := rapid.OneOf(rapid.Float64(), rapid.Float64Range(0, 50), rapid.SampledFrom([]float64{0, -1, math.NaN(), math.Inf(1), math.Inf(-1)})).Draw(t, "value")
			numbers[v] = true
			points = append(points, at(float64(rapid.IntRange(-2, 24).Draw(t, "half minute"))/2), v)
		}
		r := result(q.ID, rapid.SampledFrom([]string{"Complete", "Complete", "PartialData", "InternalError", "Forbidden", "", "x"}).Draw(t, "status"), points...)
		switch rapid.IntRange(0, 12).Draw(t, "spoil") {
		case 0:
			r["Values"] = nil
		case 1:
			r["Timestamps"] = []any{nil}
		case 2:
			r["Id"] = nil
		case 3:
			r["Messages"] = []any{m{"Code": nil, "Value": "x"}}
		}
		list = append(list, r)
	}
	body := results(list...)
	if rapid.IntRange(0, 3).Draw(t, "token") == 0 {
		body["NextToken"] = rapid.SampledFrom([]string{"a", "b"}).Draw(t, "next")
	}
	return 200, nil, body
}

// Whatever the endpoint sends, there is one reading a want, no point without
// real numbers in its own range, and no watermark over a fault.
func TestNoAnswerWithoutNumbersGivesAPoint(t *testing.T) {
	f := &fake{}
	s, _ := newSource(t, f)
	rapid.Check(t, func(t *rapid.T) {
		numbers := make(map[float64]bool)
		f.answer = func(c call) (int, map[string]string, any) { return misbehaving(t, c, numbers) }
		wants := everything()
		got := s.Fetch(context.Background(), now(), wants)
		if len(got) != len(wants) {
			t.Fatalf("%d readings for %d wants", len(got), len(wants))
		}
		for i, r := range got {
			sound(t, wants[i], r)
			for _, p := range r.Points {
				kind := wants[i].Signal.Kind
				if kind != rules.Alarm && !numbers[p.Samples] {
					t.Errorf("want %d: samples %v are not in the answer", i, p.Samples)
				}
				if kind == rules.Gauge && !numbers[p.Value] {
					t.Errorf("want %d: value %v is not in the answer", i, p.Value)
				}
			}
		}
	})
}

type failer interface {
	Errorf(string, ...any)
}

// sound checks what every reading must be.
func sound(t failer, w sources.Want, r rules.Reading) {
	period := int64(w.Signal.Period / time.Second)
	if r.Fault > rules.Unavailable || (r.Fault == rules.OK) == (r.Detail != "") || len(r.Detail) > 300 {
		t.Errorf("fault %d with detail %q", r.Fault, r.Detail)
	}
	if r.Fault == rules.OK && len(r.Points) == 0 {
		t.Errorf("no fault and no points")
	}
	if r.Fault != rules.OK && r.Fault != rules.PartialData && len(r.Points) != 0 {
		t.Errorf("fault %d with %d points", r.Fault, len(r.Points))
	}
	if r.SettledUntil != 0 && r.Fault != rules.OK && r.Fault != rules.NoData || r.SettledUntil > w.To {
		t.Errorf("fault %d settled until %d of a range to %d", r.Fault, r.SettledUntil, w.To)
	}
	last := int64(math.MinInt64)
	for _, p := range r.Points {
		if p.At < w.From || p.At >= w.To || p.At%period != 0 || p.At <= last {
			t.Errorf("point at %d of a range [%d, %d) after %d", p.At, w.From, w.To, last)
		}
		if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) || !(p.Samples > 0) || math.IsInf(p.Samples, 0) {
			t.Errorf("point %+v", p)
		}
		if w.Signal.Kind == rules.Ratio && (p.Value < 0 || p.Value > p.Samples) {
			t.Errorf("%v of %v", p.Value, p.Samples)
		}
		last = p.At
	}
}

// Any bytes as an answer.
func FuzzAnswer(f *testing.F) {
	for _, body := range []any{
		m{}, results(result("m0", "Complete", at(1), 5), result("m1", "Complete", at(1), 9)),
		m{"MetricAlarms": []m{state("a", "OK", t0)}}, m{"__type": "ThrottlingException"},
	} {
		b, err := cbor.Marshal(body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(200, b)
		f.Add(400, b)
	}
	f.Add(200, []byte("<html>"))
	upstream := &fake{}
	s, _ := newSource(f, upstream)
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 || status == 204 || status == 304 {
			return // not a status with a body
		}
		upstream.answer = func(call) (int, map[string]string, any) { return status, nil, body }
		wants := everything()
		for i, r := range s.Fetch(context.Background(), now(), wants) {
			sound(t, wants[i], r)
		}
	})
}
