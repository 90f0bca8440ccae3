package cloudwatch_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/cloudwatch/kind"
)

// A name that is filled in with zeros is looked for once a run, over all the time that
// CloudWatch keeps data, and not before it is needed.
func TestLook(t *testing.T) {
	nothing := func(c call) (int, map[string]string, any) { return byStat(nil)(c) }
	longAgo := func(c call) (int, map[string]string, any) {
		return 200, nil, results(result(c.Queries[0].ID, "Complete", float64(t0-300*86400), 4))
	}
	partly := func(c call) (int, map[string]string, any) {
		if c.NextToken == "" {
			r := results(result(c.Queries[0].ID, "PartialData"))
			r["NextToken"] = "more"
			return 200, nil, r
		}
		return longAgo(c)
	}
	broken := func(call) (int, map[string]string, any) { return 500, nil, m{"__type": "InternalServiceFault"} }
	endless := func(c call) (int, map[string]string, any) {
		r := results(result(c.Queries[0].ID, "PartialData"))
		r["NextToken"] = "again"
		return 200, nil, r
	}
	tests := []struct {
		name         string
		look         func(call) (int, map[string]string, any)
		bad          []float64
		seen, looked bool
		looks        int // in three fetches of two runs within four minutes
		note         string
	}{
		{"never seen", nothing, nil, false, true, 2, "5XXError{ApiName=bioage,Stage=prod} (Sum) was never seen in eu-central-1 since 2024-03-07"},
		{"seen long ago", longAgo, nil, true, true, 1, "counted as 0"},
		{"seen on the second page", partly, nil, true, true, 2, "counted as 0"},
		{"seen just now", nothing, []float64{at(2), 0}, true, false, 0, ""},
		{"a look that fails", broken, nil, false, false, 2 * 3, "counted as 0"},
		{"a look without an end", endless, nil, false, false, 2 * 2, "counted as 0"},
		{"an incomplete look", func(c call) (int, map[string]string, any) {
			return 200, nil, results(result(c.Queries[0].ID, "InternalError"))
		}, nil, false, false, 2, "counted as 0"},
	}
	for _, tt := range tests {
		f := &fake{answer: byStat(map[string][]float64{"5XXError Sum": tt.bad, "Count Sum": {at(1), 9}}), everSeen: tt.look}
		s, _ := newSource(t, f)
		before := uint64(0)
		for i, run := range []string{"a", "b", "a", "b"} {
			w := want(errorRate(), 0, 10)
			w.Run = run
			got := s.Fetch(t.Context(), now().Add(time.Duration(i)*time.Minute), []sources.Want{w})[0]
			if got.Fault != rules.OK || !strings.Contains(got.Note, tt.note) || (tt.note == "") != (got.Note == "") {
				t.Errorf("%s, fetch %d: fault %v %q, note %q, want %q", tt.name, i, got.Fault, got.Detail, got.Note, tt.note)
			}
			looked := tt.looked && !(tt.seen && run == "b") // for run b there is nothing left to look for
			if got.Seen != tt.seen || got.Looked != looked {
				t.Errorf("%s, fetch %d: seen %t, looked %t", tt.name, i, got.Seen, got.Looked)
			}
			for _, p := range got.Points {
				if got.Fills(p.At) != (tt.bad == nil || p.At != t0+120) || p.Value != 0 {
					t.Errorf("%s: point %+v", tt.name, p)
				}
			}
			if i == 1 {
				before = s.Stats().Billed
			}
		}
		if len(f.looks) != tt.looks {
			t.Errorf("%s: %d looks, want %d", tt.name, len(f.looks), tt.looks)
		}
		if more := s.Stats().Billed - before; more != 4 {
			t.Errorf("%s: two later fetches were billed %d metrics, want 4: no look at every tick", tt.name, more)
		}
		for _, c := range f.looks {
			q := c.Queries[0].MetricStat
			if len(c.Queries) != 1 || q.Stat != "SampleCount" || q.Period != 86400 || q.Metric.MetricName != "5XXError" || len(q.Metric.Dimensions) != 2 ||
				c.EndTime.Content.(float64)-c.StartTime.Content.(float64) != 455*86400 {
				t.Errorf("%s: looked by %+v", tt.name, c)
			}
		}
	}
}

// A look that failed is made again, but not at every tick.
func TestLookAgain(t *testing.T) {
	works := false
	f := &fake{answer: byStat(map[string][]float64{"Count Sum": {at(1), 9}})}
	f.everSeen = func(c call) (int, map[string]string, any) {
		if !works {
			return 400, nil, m{"__type": "ThrottlingException"}
		}
		return 200, nil, results(result(c.Queries[0].ID, "Complete", float64(t0-86400), 1))
	}
	s, _ := newSource(t, f)
	for i, seen := range []bool{false, false, false, false, false, true, true} {
		works = i > 0
		got := s.Fetch(t.Context(), now().Add(time.Duration(i)*time.Minute), []sources.Want{want(errorRate(), 0, 10)})[0]
		if got.Seen != seen {
			t.Errorf("minute %d: seen %t", i, got.Seen)
		}
	}
}

// Where missing values are not filled in there is nothing to look for.
func TestNoLookWithoutZeros(t *testing.T) {
	strict := errorRate()
	kind.Of(strict.Query).MissingBadIsZero = false
	f := &fake{answer: byStat(map[string][]float64{"Count Sum": {at(1), 9}})}
	s, _ := newSource(t, f)
	got := fetch(t, s, want(strict, 0, 10), want(p95(), 0, 10))
	if len(f.looks) != 0 || got[0].Seen || got[0].Looked {
		t.Errorf("%d looks, %+v", len(f.looks), got[0])
	}
	if w := "no datapoints of AWS/ApiGateway 5XXError{ApiName=bioage,Stage=prod} (Sum) in eu-central-1, period 1m, unit any, and Count has: if it is sent only when something fails, write missing_bad_is_zero = true"; got[0].Detail != w {
		t.Errorf("got %q, want %q", got[0].Detail, w)
	}
	if w := "no datapoints of AWS/Lambda Duration{ExecutedVersion=43,FunctionName=f,Resource=f:live} (SampleCount) in eu-central-1, period 1m, unit Milliseconds"; got[1].Detail != w {
		t.Errorf("got %q, want %q", got[1].Detail, w)
	}
}

// Bad ones that are sent only when there are any leave periods without data. The answer
// says what is often meant.
func TestGapsOfBadOnes(t *testing.T) {
	strict := errorRate()
	kind.Of(strict.Query).MissingBadIsZero = false
	f := &fake{answer: byStat(map[string][]float64{"5XXError Sum": {at(2), 1}, "Count Sum": {at(1), 9, at(2), 9, at(3), 9, at(9), 9}})}
	s, _ := newSource(t, f)
	got := fetch(t, s, want(strict, 0, 10))[0]
	if w := "5XXError has no value in 2 of 3 periods, and Count has: if it is sent only when something fails, write missing_bad_is_zero = true"; got.Note != w || len(got.Points) != 1 {
		t.Errorf("got %q and %d points, want %q", got.Note, len(got.Points), w)
	}
}

// A metric of five minutes under a period of one comes as it is: the periods between
// are absent, and are neither zeros nor a fault.
func TestOtherSpacing(t *testing.T) {
	strict := errorRate()
	kind.Of(strict.Query).MissingBadIsZero = false
	f := &fake{answer: byStat(map[string][]float64{"5XXError Sum": {at(0), 1, at(5), 2, at(10), 3}, "Count Sum": {at(0), 50, at(5), 60, at(10), 70}})}
	s, _ := newSource(t, f)
	got := s.Fetch(t.Context(), now().Add(10*time.Minute), []sources.Want{want(strict, 0, 15)})[0]
	points := []rules.Point{{At: t0, Value: 1, Samples: 50}, {At: t0 + 300, Value: 2, Samples: 60}, {At: t0 + 600, Value: 3, Samples: 70}}
	if diff := cmp.Diff(points, got.Points); diff != "" || got.Fault != rules.OK || got.Width != 0 {
		t.Errorf("fault %v %q, width %d, points (-want +got):\n%s", got.Fault, got.Detail, got.Width, diff)
	}
}

// Any bytes as the answer to a look: nothing is seen that was not sent.
func FuzzLook(f *testing.F) {
	for _, body := range []any{
		m{}, results(result("m0", "Complete")), results(result("m0", "Complete", float64(t0-86400), 1)), m{"MetricDataResults": []any{m{"Id": "m0", "Values": []any{1.0}}}},
	} {
		b, err := cbor.Marshal(body)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(200, b)
	}
	upstream := &fake{answer: byStat(map[string][]float64{"Count Sum": {at(1), 9}})}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 || status == 204 || status == 304 {
			return // not a status with a body
		}
		s, _ := newSource(t, upstream)
		upstream.everSeen = func(call) (int, map[string]string, any) { return status, nil, body }
		got := s.Fetch(t.Context(), now(), []sources.Want{want(errorRate(), 0, 10)})[0]
		if got.Fault != rules.OK || len(got.Points) != 1 || !got.Fills(got.Points[0].At) {
			t.Errorf("a look changed the reading: %+v", got)
		}
		if (got.Seen || got.Looked) && status/100 != 2 || got.Seen && !got.Looked {
			t.Errorf("%d %q: seen %t, looked %t", status, body, got.Seen, got.Looked)
		}
	})
}
