package cloudwatch_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
)

// state is one alarm in DescribeAlarms' words.
func state(name, value string, since int64, extra ...m) m {
	a := m{
		"AlarmName": name, "StateValue": value, "StateReason": "Threshold Crossed: 1 datapoint",
		"StateTransitionedTimestamp": stamp(since), "StateUpdatedTimestamp": stamp(since + 240),
	}
	for _, e := range extra {
		for k, v := range e {
			a[k] = v
			if v == nil {
				delete(a, k)
			}
		}
	}
	return a
}

func TestAlarms(t *testing.T) {
	level := func(v float64, minutes ...int64) []rules.Point {
		var list []rules.Point
		for _, minute := range minutes {
			list = append(list, rules.Point{At: t0 + 60*minute, Value: v, Samples: 1})
		}
		return list
	}
	tests := []struct {
		name   string
		alarm  m
		points []rules.Point
		fault  rules.Fault
		detail string
		note   string
	}{
		{"OK since long ago", state("a", "OK", t0-86400), level(0, 5, 6, 7, 8, 9), rules.OK, "", ""},
		{"ALARM since a period's start", state("a", "ALARM", t0+420), level(1, 7, 8, 9), rules.OK, "", "a: Threshold Crossed"},
		{"ALARM since within a period", state("a", "ALARM", t0+421), level(1, 8, 9), rules.OK, "", "a: "},
		{"ALARM since a fraction of a second into a period", state("a", "ALARM", t0, m{"StateTransitionedTimestamp": cbor.Tag{Number: 1, Content: float64(t0) + 480.25}}), level(1, 9), rules.OK, "", "a: "},
		{"OK only since this minute", state("a", "OK", t0+590), nil, rules.NoData, "only since 2025-06-04T00:09:50Z", ""},
		{"OK from the future", state("a", "OK", t0+7200), nil, rules.NoData, "only since", ""},
		{"a new alarm", state("a", "INSUFFICIENT_DATA", t0), nil, rules.NoData, "INSUFFICIENT_DATA", ""},
		{"evaluated on partial data", state("a", "OK", t0, m{"EvaluationState": "PARTIAL_DATA"}), nil, rules.PartialData, "partial data", ""},
		{"evaluation fails", state("a", "OK", t0, m{"EvaluationState": "EVALUATION_FAILURE"}), nil, rules.Unavailable, "EVALUATION_FAILURE", ""},
		{"evaluation errs", state("a", "ALARM", t0, m{"EvaluationState": "EVALUATION_ERROR"}), nil, rules.Unavailable, "EVALUATION_ERROR", ""},
		{"a state of tomorrow", state("a", "PONDERING", t0), nil, rules.Unavailable, "PONDERING", ""},
		{"no transition: the update stands in", state("a", "OK", t0+180, m{"StateTransitionedTimestamp": nil}), level(0, 7, 8, 9), rules.OK, "", ""},
		{"no time at all", state("a", "OK", t0, m{"StateTransitionedTimestamp": nil, "StateUpdatedTimestamp": nil}), nil, rules.PartialData, "since when", ""},
		{"another alarm's state", state("b", "OK", t0), nil, rules.ConfigFault, `alarm "a" not found in eu-central-1 among metric, composite and log alarms: is the name right?`, ""},
	}
	for _, tt := range tests {
		f := &fake{answer: func(call) (int, map[string]string, any) {
			return 200, nil, m{"MetricAlarms": []m{tt.alarm}}
		}}
		s, _ := newSource(t, f)
		got := fetch(t, s, want(alarm("a"), 5, 10))[0]
		if diff := cmp.Diff(tt.points, got.Points); diff != "" || got.Fault != tt.fault ||
			!strings.Contains(got.Detail, tt.detail) || !strings.HasPrefix(got.Note, tt.note) || (tt.note == "") != (got.Note == "") {
			t.Errorf("%s: fault %d %q, note %q, points (-want +got):\n%s", tt.name, got.Fault, got.Detail, got.Note, diff)
		}
		if w := t0 + 600; tt.fault == rules.OK && got.SettledUntil != w {
			t.Errorf("%s: settled until %d, want %d", tt.name, got.SettledUntil, w)
		}
		c := f.seen()
		if len(c) != 1 || c[0].Op != "DescribeAlarms" || !cmp.Equal(c[0].AlarmNames, []string{"a"}) || !cmp.Equal(c[0].AlarmTypes, []string{"MetricAlarm", "CompositeAlarm", "LogAlarm"}) {
			t.Errorf("%s: asked %+v", tt.name, c)
		}
	}
}

// An alarm is found whatever its type, and without being told which.
func TestAlarmsOfAllTypes(t *testing.T) {
	for _, list := range []string{"MetricAlarms", "CompositeAlarms", "LogAlarms"} {
		f := &fake{answer: func(call) (int, map[string]string, any) {
			return 200, nil, m{"MetricAlarms": []m{}, list: []m{state("c", "ALARM", t0)}}
		}}
		s, _ := newSource(t, f)
		got := fetch(t, s, want(alarm("c"), 8, 10))[0]
		if got.Fault != rules.OK || len(got.Points) != 2 || got.Points[0].Value != 1 {
			t.Errorf("%s: got %+v", list, got)
		}
		if types := f.seen()[0].AlarmTypes; !cmp.Equal(types, []string{"MetricAlarm", "CompositeAlarm", "LogAlarm"}) {
			t.Errorf("asked for %v", types)
		}
	}
}

// An endpoint that knows no log alarms is asked for the others, from then on.
func TestLogAlarmsRefused(t *testing.T) {
	f := &fake{answer: func(c call) (int, map[string]string, any) {
		if len(c.AlarmTypes) > 2 {
			return 400, nil, m{"__type": "ValidationError", "message": "1 validation error detected: Value '[MetricAlarm, CompositeAlarm, LogAlarm]' at 'alarmTypes' failed to satisfy constraint"}
		}
		return 200, nil, m{"MetricAlarms": []m{state("a", "OK", t0)}}
	}}
	s, _ := newSource(t, f)
	for range 2 {
		got := fetch(t, s, want(alarm("a"), 8, 10), want(alarm("b"), 8, 10))
		if got[0].Fault != rules.OK || got[1].Fault != rules.ConfigFault || !strings.Contains(got[1].Detail, "knows no log alarms") {
			t.Errorf("got %+v", got)
		}
	}
	if n := len(f.seen()); n != 3 {
		t.Errorf("%d requests, want 3: the refusal is remembered", n)
	}
}

func TestManyAlarms(t *testing.T) {
	f := &fake{answer: func(c call) (int, map[string]string, any) {
		// Two pages, and the last name of the request is not there.
		var list []m
		for i, name := range c.AlarmNames {
			if (i < 50) == (c.NextToken == "") && i < len(c.AlarmNames)-1 {
				list = append(list, state(name, "OK", t0))
			}
		}
		body := m{"MetricAlarms": list}
		if c.NextToken == "" {
			body["NextToken"] = "more"
		}
		return 200, nil, body
	}}
	s, _ := newSource(t, f)
	var wants []sources.Want
	for i := range 150 {
		wants = append(wants, want(alarm(fmt.Sprintf("a%03d", i)), 5, 10), want(alarm(fmt.Sprintf("a%03d", i)), 5, 10))
	}
	missing := 0
	for _, r := range fetch(t, s, wants...) {
		if r.Fault == rules.ConfigFault {
			missing++
		}
	}
	if calls := f.seen(); len(calls) != 4 || len(calls[0].AlarmNames) != 100 || missing != 4 {
		t.Errorf("%d requests, %d readings without an alarm; want two pages of two requests, and two alarms missing twice", len(calls), missing)
	}
}

func TestAlarmAnswers(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   any
		fault  rules.Fault
	}{
		{"200 with an empty body", 200, "", rules.Unavailable},
		{"no alarms", 200, m{"MetricAlarms": []m{}}, rules.ConfigFault},
		{"access denied", 403, m{"__type": "AccessDeniedException"}, rules.AuthFault},
		{"throttled", 400, m{"__type": "ThrottlingException"}, rules.Throttled},
		{"a gateway's page", 503, "<html>", rules.Unavailable},
		{"pages in a loop", 200, m{"MetricAlarms": []m{state("a", "OK", t0)}, "NextToken": "x"}, rules.PartialData},
	}
	for _, tt := range tests {
		s, _ := newSource(t, &fake{answer: func(call) (int, map[string]string, any) { return tt.status, nil, tt.body }})
		got := fetch(t, s, want(alarm("a"), 5, 10))[0]
		if got.Fault != tt.fault || len(got.Points) != 0 {
			t.Errorf("%s: fault %d %q, %d points; want fault %d", tt.name, got.Fault, got.Detail, len(got.Points), tt.fault)
		}
	}
}

// Metrics and alarms fail apart.
func TestAlarmsApartFromMetrics(t *testing.T) {
	f := &fake{answer: func(c call) (int, map[string]string, any) {
		if c.Op == "GetMetricData" {
			return 403, nil, m{"__type": "AccessDeniedException"}
		}
		return 200, nil, m{"MetricAlarms": []m{state("a", "OK", t0)}}
	}}
	s, _ := newSource(t, f)
	got := fetch(t, s, want(errorRate(), 0, 10), want(alarm("a"), 0, 10))
	if got[0].Fault != rules.AuthFault || got[1].Fault != rules.OK {
		t.Errorf("faults %d and %d, want auth and none", got[0].Fault, got[1].Fault)
	}
}
