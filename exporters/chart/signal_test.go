package chart_test

import (
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/chart"
	"github.com/relgate/relgate/rules"
)

// errors is a plan with one share of bad requests, a target and a trigger on it.
func errors() *rules.Plan {
	return &rules.Plan{
		Signals: []rules.Signal{{Name: "errors", Kind: rules.Ratio, Unit: rules.Percent, Period: time.Minute}},
		Rules: []rules.Rule{
			{Name: "few", Kind: rules.Success, When: rules.Condition{Op: rules.Less, Threshold: .01, Unit: rules.Percent}},
			{Name: "many", Kind: rules.RollbackRule, When: rules.Condition{Op: rules.Greater, Threshold: .03, Unit: rules.Percent}},
		},
	}
}

func TestTheLineBreaksWherePeriodsAreMissing(t *testing.T) {
	hour := chart.Axis{From: 0, To: 3600, Left: chart.Left}
	point := func(minute int64, bad float64) rules.Point {
		return rules.Point{At: 60 * minute, Value: bad, Samples: 100}
	}
	for _, tt := range []struct {
		name   string
		points []rules.Point
		pieces int
		dots   int
	}{
		{"no points", nil, 0, 0},
		{"three in a row", []rules.Point{point(1, 0), point(2, 1), point(3, 0)}, 1, 0},
		{"one missing", []rules.Point{point(1, 0), point(2, 1), point(4, 0), point(5, 0)}, 2, 0},
		{"one alone between two gaps", []rules.Point{point(1, 0), point(2, 1), point(10, 0), point(20, 0), point(21, 0)}, 3, 1},
		{"one without samples is missing", []rules.Point{point(1, 0), {At: 120}, point(3, 0)}, 2, 2},
		{"one outside of the axis", []rules.Point{point(-1, 0), point(1, 0), point(2, 0), point(60, 0)}, 1, 0},
	} {
		c := chart.OfSignal(errors(), 0, tt.points, hour)
		if got := strings.Count(c.Line, "M"); got != tt.pieces {
			t.Errorf("%s: %d pieces, want %d: %s", tt.name, got, tt.pieces, c.Line)
		}
		if got := strings.Count(c.Line, "h1"); got != tt.dots {
			t.Errorf("%s: %d dots, want %d: %s", tt.name, got, tt.dots, c.Line)
		}
	}
}

func TestTargetAndTriggerAreLines(t *testing.T) {
	c := chart.OfSignal(errors(), 0, nil, chart.Axis{To: 3600, Left: chart.Left})
	if len(c.Limits) != 2 || c.Limits[0].Class != "success" || c.Limits[1].Class != "rollback" {
		t.Fatalf("limits are %+v, want the target and the trigger", c.Limits)
	}
	if c.Limits[0].Y <= c.Limits[1].Y {
		t.Errorf("1 %% is drawn at %v and 3 %% at %v: want 3 %% higher up", c.Limits[0].Y, c.Limits[1].Y)
	}
	if c.Limits[1].Text != "many > 3 %" {
		t.Errorf("the trigger is called %q", c.Limits[1].Text)
	}
}

// A percentile is judged by the share of samples above its threshold, and shown by itself.
func TestAPercentileIsShownWithWhatThePlanSays(t *testing.T) {
	plan := &rules.Plan{
		Signals: []rules.Signal{{Name: "p95", Kind: rules.Percentile, Unit: rules.Seconds}, {Name: "p95 > 2.5 s", Kind: rules.Ratio, Unit: rules.Percent}},
		Rules: []rules.Rule{{Name: "latency", Signal: 1, When: rules.Condition{Op: rules.LessOrEqual, Threshold: .05, Unit: rules.Percent},
			ShownWhen: rules.Condition{Op: rules.LessOrEqual, Threshold: 2.5, Unit: rules.Seconds}}},
	}
	for signal, want := range []string{"latency <= 2.5 s", "latency <= 5 %"} {
		c := chart.OfSignal(plan, signal, nil, chart.Axis{To: 3600, Left: chart.Left})
		if len(c.Limits) != 1 || c.Limits[0].Text != want {
			t.Errorf("limits of %s are %+v, want %s", plan.Signals[signal].Name, c.Limits, want)
		}
	}
}
