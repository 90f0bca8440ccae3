package scenario_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/evaluator/lab/scenario"
	"github.com/relgate/relgate/rules"
)

// zeroPlan is plan, whose errors CloudWatch counts as 0 where it has none.
var zeroPlan = strings.Replace(plan, "[signals.errors]\nkind = \"ratio\"\n",
	"[signals.errors]\nkind = \"ratio\"\nsettle = \"0s\"\ncloudwatch = { namespace = \"AWS/ApplicationELB\", bad = \"HTTPCode_Target_5XX_Count\", total = \"RequestCount\", missing_bad_is_zero = true }\n", 1)

// queryPlan is zeroPlan whose missing errors are no zeros.
var queryPlan = strings.Replace(zeroPlan, "missing_bad_is_zero = true", "missing_bad_is_zero = false", 1)

// What lacks a count is a period that CloudWatch does not give, unless it counts
// what is missing as 0.
func TestMissingCounts(t *testing.T) {
	points := func(minutes ...int64) []rules.Point {
		var list []rules.Point
		for _, m := range minutes {
			list = append(list, rules.Point{At: m * 60, Value: 3, Samples: 600})
		}
		return list
	}
	zero := func(minute int64) rules.Point { return rules.Point{At: minute * 60, Samples: 600} }
	for _, tt := range []struct {
		name, plan, errors string
		want               []rules.Point // of the reading at T+4m, At counted from T
		note               string
	}{
		{"no bad count", queryPlan, "3/600 _/600x2 3/600", points(0, 3), ""},
		{"no bad count in a plan without queries", plan, "3/600 _/600 3/_ 3/600", []rules.Point{points(0)[0], zero(1), points(3)[0]}, ""},
		{"never a bad count in a plan without queries", plan, "_/600x2", []rules.Point{zero(0), zero(1)}, ""},
		{"no total", plan, "3/600 3/_x2 3/600", points(0, 3), ""},
		{"a bad count that comes late", queryPlan, "3/600 _/600^3/600~1m _/600^3/600~9m 3/600", points(0, 1, 3), ""},
		{"a total that comes late", plan, "3/600 3/_^3/600~1m 3/_^3/600~9m 3/600", points(0, 1, 3), ""},
		{"a total that goes again", plan, "3/600 3/600^3/_~1m 3/600x2", points(0, 2, 3), ""},
		{"no bad count where it is 0", zeroPlan, "3/600 _/600 3/_ 3/600", []rules.Point{points(0)[0], zero(1), points(3)[0]}, ""},
		{"never a bad count where it is 0", zeroPlan, "_/600x2 _ _/600", []rules.Point{zero(0), zero(1), zero(3)}, "HTTPCode_Target_5XX_Count was never seen: its zeros prove nothing; is the name right?"},
		{"a bad count without its total", zeroPlan, "_/600x2 3/_ _/600", []rules.Point{zero(0), zero(1), zero(3)}, ""},
		{"an answer in part counts nothing as 0", zeroPlan, "3/600 _/600x2 3/600\n! partial errors T+4m..T+5m", points(0, 3), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, "x.txtar", []byte(tt.plan+"-- readings --\nerrors: "+tt.errors+"\n-- run --\nuntil T+4m\n-- events --\nsubset\n"))
			readings := r.Ticks[len(r.Ticks)-1].Readings
			got := readings[0].Points
			for i := range got {
				got[i].At -= r.Plan.Start.Unix()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("points (-want +got):\n%s", diff)
			}
			for _, p := range got {
				if at := p.At + r.Plan.Start.Unix(); readings[0].Fills(at) != (p.Value == 0) {
					t.Errorf("a zero stands for the point at %d: %t", p.At, readings[0].Fills(at))
				}
			}
			filled := strings.Contains(tt.errors, "_/") && tt.plan != queryPlan
			if r := readings[0]; r.Looked != filled || r.Seen != (filled && strings.Contains(tt.errors, "3/")) {
				t.Errorf("seen %v, looked %v", r.Seen, r.Looked)
			}
			if readings[0].Note != tt.note {
				t.Errorf("note %q, want %q", readings[0].Note, tt.note)
			}
		})
	}
}

// A file that expects nothing would always hold.
func TestExpects(t *testing.T) {
	for _, tt := range []struct {
		text string
		want bool
	}{
		{"", false},
		{"-- events --\nsubset\n", false},
		{"-- events --\nonly phase\nsubset\n", false},
		{"-- verdicts --\n# none\n", false},
		{"-- events --\n", false},
		{"-- events --\nonly communication\n", true}, // that there are none
		{"-- events --\nsubset\nT run rel: waiting => monitoring\n", true},
		{"-- verdicts --\nT canary pending\n", true},
		{"-- datapoints --\n3 of 3, missing=ignore: 0 X X => OK\n", true},
	} {
		f, err := scenario.Parse("x", []byte(plan+tt.text))
		if err != nil {
			t.Fatal(err)
		}
		if f.Expects() != tt.want {
			t.Errorf("%q: expects: %v, want %v", tt.text, f.Expects(), tt.want)
		}
	}
}
