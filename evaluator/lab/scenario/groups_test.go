package scenario_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/lab/scenario"
	"github.com/relgate/relgate/rules"
)

// grouped is a plan whose signals consist of groups, and one with a baseline.
const grouped = `-- plan.toml --
[release]
plan = "rel"
title = "A release"
start = 2025-06-04T02:00:00Z
manager = "Ada"
interval = "1m"
[phases.canary]
traffic = "10 %"
owner = "ops"
start = "T"
window = "10m"
success = ["bias", "rating", "errors"]
[success.bias]
owner = "ops"
signal = "bias"
when = "<= 0.07"
evidence = "sequential"
[success.rating]
owner = "ops"
signal = "rating"
when = ">= 4.5"
evidence = "sequential"
[success.errors]
owner = "ops"
signal = "errors"
when = "< 1 %"
evidence = "sequential"
[signals.bias]
kind = "gauge"
[signals.rating]
kind = "mean"
[signals.errors]
kind = "ratio"
baseline = { dimension = "ExecutedVersion", value = "41" }
`

// Each way to write groups gives the evaluator what it says.
func TestGroups(t *testing.T) {
	for _, tt := range []struct {
		text, signal, at string
		want             string // points and groups by period
	}{
		{"bias: {1: 100/200, 2: 75/300}", "bias", "T+1m", "0:0.25/500 0:{1 100/200 2 75/300}"},
		{"bias: {1: 1/2, 2: 1/4}x2", "bias", "T+2m", "1:0.25/6 1:{1 1/2 2 1/4}"},
		{"bias: { 18 to 29 : 1/2,\"a, \\\"b: }\" :1/4 }", "bias", "T+1m", "0:0.25/6 0:{18 to 29 1/2 a, \"b: } 1/4}"},
		{"bias: 0.25@6 {1: 1/2, 2: 1/4}~1m", "bias", "T+1m", "0:0.25/6"},
		{"bias: {1: 1/2, 2: 1/4}~5m", "bias", "T+1m", ""},
		{"bias: {1: 1/2, 2: 1/4}^{1: 1/2, 2: 2/4}~1m", "bias", "T+1m", "0:0/6 0:{1 1/2 2 2/4}"},
		{"bias: _{1: 1/2, 2: 0/0}", "bias", "T+1m", "no_data 0:{1 1/2 2 0/0}"},
		{"bias: _{1: 1/2, 2: 0/0} {1: 1/2, 2: 1/4}\n! auth bias T..T+2m", "bias", "T+2m", "1:0.25/6 0:{1 1/2 2 0/0} 1:{1 1/2 2 1/4}"},
		{"bias: {1: 1/2, 2: 1/4}x3\n! no_data bias T+1m..T+2m", "bias", "T+1m", "no_data"},
		{"bias: {1: 1/2, 2: 1/4}\n! partial bias T+1m..T+2m", "bias", "T+1m", "partial 0:0.25/6 0:{1 1/2 2 1/4}"},
		{"rating: {5*40, 4*10, 1*3}", "rating", "T+1m", "0:243/53 0:{1 3/3 2 0/0 3 0/0 4 10/10 5 40/40}"},
		{"rating: {5*2}x2 9/2\n! auth rating T..T+2m", "rating", "T+2m", "0:10/2 1:10/2 0:{1 0/0 2 0/0 3 0/0 4 0/0 5 2/2} 1:{1 0/0 2 0/0 3 0/0 4 0/0 5 2/2}"},
		{"at bias rating # a table\nT {1: 1/2, 2: 1/4} {5*1}", "rating", "T+1m", "0:5/1 0:{1 0/0 2 0/0 3 0/0 4 0/0 5 1/1}"},
		{"errors@41: 3/600", "errors@41", "T+1m", "0:3/600"},
		{"errors@41 @T+1m: 3/600", "errors@41", "T+2m", "1:3/600"},
		{"errors@41 @00:01: 3/600", "errors@41", "T+2m", "1:3/600"},
		{"\"errors@41\" @T+1m: 3/600", "errors@41", "T+2m", "1:3/600"},
		{"at errors \"errors@41\"\nT 2/600 3/600", "errors@41", "T+1m", "0:3/600"},
		{"errors@T+1m: 3/600", "errors", "T+2m", "1:3/600"},
	} {
		r := run(t, "x", []byte(grouped+"-- readings --\n"+tt.text+"\n-- run --\nuntil T+5m\n"))
		at, err := rules.ParseOffset(tt.at)
		if err != nil {
			t.Fatal(err)
		}
		got, asked := "", false
		for _, rd := range r.Ticks[at.Duration/r.Plan.Interval].Readings {
			if r.Plan.Signals[rd.Signal].Name == tt.signal {
				got, asked = describe(&rd, r.Plan.Start.Unix()), true
			}
		}
		if !asked || got != tt.want {
			t.Errorf("%q: at %s %s is %q, want %q", tt.text, tt.at, tt.signal, got, tt.want)
		}
	}
}

func describe(rd *rules.Reading, start int64) string {
	s := rd.Fault.String()
	for _, p := range rd.Points {
		s += fmt.Sprintf(" %d:%g/%g", (p.At-start)/60, p.Value, p.Samples)
	}
	for _, p := range rd.Parts {
		s += fmt.Sprintf(" %d:{", (p.At-start)/60)
		for i, g := range p.Groups {
			s += strings.Repeat(" ", min(i, 1)) + fmt.Sprintf("%s %g/%g", g.Name, g.Value, g.Samples)
		}
		s += "}"
	}
	return strings.TrimSpace(s)
}

// Every mistake in groups is reported at its line.
func TestGroupMistakes(t *testing.T) {
	head := strings.Count(grouped, "\n") + 2
	for _, tt := range []struct{ name, text, want string }{
		{"an open brace", "bias: {1: 1/2, 2: 1/4", `a brace is not closed in "{1: 1/2, 2: 1/4"`},
		{"an open quote", "bias: {\"1: 1/2, 2: 1/4}", `a quote is not closed`},
		{"nothing in braces", "bias: {}", `{}: want groups such as`},
		{"one group", "bias: {1: 1/2}", `a gap needs two groups at least`},
		{"a group without a name", "bias: {: 1/2, 2: 1/4}", `want groups such as {1: 100/200, 2: 104/200}`},
		{"a group without counts", "bias: {1: 0.5, 2: 1/4}", `group "1": "0.5": want positives/samples`},
		{"a group twice", "bias: {1: 1/2, 1: 1/4}", `group "1" is there twice`},
		{"more positives than samples", "bias: {1: 3/2, 2: 1/4}", `group "1" has 3 of 2`},
		{"positives below none", "bias: {1: -3/2, 2: 1/4}", `group "1" has -3 of 2`},
		{"no number", "bias: {1: NaN/2, 2: 1/4}", `group "1" has NaN of 2`},
		{"a comma at the end", "bias: {1: 1/2, 2: 1/4,}", `there is nothing behind the comma after group "2"`},
		{"an empty group with a value", "bias: {1: 1/2, 2: 0/0}", `group "2" has no samples, so that there is no gap: write _ before the brace`},
		{"stars of a gap", "bias: {5*3}", `signal "bias" is a gauge: want a value`},
		{"groups of a mean", "rating: {1: 1/2, 2: 1/4}", `signal "rating" is a mean: want sum/count, such as 45/10, or stars`},
		{"groups of a ratio", "errors: {1: 1/2, 2: 1/4}", `signal "errors" is a ratio: want bad/total`},
		{"stars of a ratio", "errors: {5*3}", `signal "errors" is a ratio: want bad/total`},
		{"stars without a value", "rating: _{5*3}", `signal "rating" is a mean`},
		{"six stars", "rating: {6*3}", `how many gave how many stars`},
		{"half a review", "rating: {5*1.5}", `how many gave how many stars`},
		{"stars twice", "rating: {5*1, 5*2}", `5 stars are there twice`},
		{"a correction to nothing", "bias: {1: 1/2, 2: 1/4}^{}~1m", `{}: want groups such as`},
		{"a cell of several buckets", "at bias\nT {1: 1/2, 2: 1/4}x2", `a cell of a table is one period`},
		{"a time that is none", "errors @T-5: 3/600", `T-5`},
		{"a baseline that the plan lacks", "errors@42: 3/600", `unknown signal "errors@42": the plan has ["bias" "rating" "errors" "errors@41"]`},
		{"words behind a name in quotes", "\"errors@41\" x: 3/600", `want "signal: values"`},
		{"a name without an end", "\"errors@41: 3/600", `a quote is not closed`},
		{"no earlier release and one", "-- run --\npast none\npast plan=a at=T-7d", `past none: there are others beside it`},
		{"an earlier release without a time", "-- run --\npast plan=a", `want plan= and at=, or none`},
		{"an earlier release twice", "-- run --\npast plan=a plan=b at=T-7d", `past: plan is there twice`},
		{"totals that are none", "-- run --\npast plan=a at=T-7d totals=3/600", `want bad/total of each signal`},
		{"an earlier release of a stranger", "-- run --\npast plan=a at=T-7d by=ada", `want plan=, at= or totals=, or none`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := tt.text
			if !strings.HasPrefix(text, "-- ") {
				text = "-- readings --\n" + text
			}
			f, err := scenario.Parse("x.txtar", []byte(grouped+text+"\n"))
			if err == nil {
				_, err = f.Run(compile)
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("%v, want %q", err, tt.want)
			}
			line := head + strings.Count(tt.text, "\n")
			if strings.HasPrefix(tt.text, "-- ") {
				line--
			}
			if want := "x.txtar:" + itoa(line) + ": "; !strings.HasPrefix(err.Error(), want) {
				t.Errorf("%v, want it at %s", err, want)
			}
		})
	}
}

// What earlier releases counted is told with the first tick, and with no other.
func TestPast(t *testing.T) {
	for _, tt := range []struct {
		text string
		want string
	}{
		{"", "[] true"},
		{"past none", "[] false"},
		{"past plan=rel-6 at=T-7d totals={errors: 12/6000, \"a b\": 1/2}\npast plan=\"rel 5\" at=@1748000000",
			"[{rel-6 2025-05-28 02:00:00 +0000 UTC [{errors 12 6000 } {a b 1 2 }]} {rel 5 2025-05-23 11:33:20 +0000 UTC []}] false"},
	} {
		r := run(t, "x", []byte(grouped+"-- run --\nuntil T+2m\n"+tt.text+"\n"))
		if got := fmt.Sprint(r.Ticks[0].Past, r.Ticks[0].Past == nil); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.text, got, tt.want)
		}
		for _, tick := range r.Ticks[1:] {
			if tick.Past != nil {
				t.Errorf("%q: %v at %v", tt.text, tick.Past, tick.At)
			}
		}
	}
}

// Whatever braces hold, they are refused, or written and read back as they are.
func FuzzGroups(f *testing.F) {
	for _, s := range []string{
		"1: 100/200, 2: 104/200", "5*40, 4*10, 1*3", `"18 to 29": 1/2, b: 0/0`, `"a\"} b": 1e300/1e300, c: 0/5`, ": 1/2", "1: 1/2,", "é: 0.1/0.3, \x00: 1/2",
	} {
		f.Add(s)
	}
	base := run(f, "x", []byte(grouped))
	f.Fuzz(func(t *testing.T, inside string) {
		if strings.ContainsAny(inside, "\r\n") {
			return
		}
		for _, signal := range []string{"bias", "rating"} {
			for _, mark := range []string{"", "_"} {
				file, err := scenario.Parse("fuzz", []byte(grouped+"-- readings --\n"+signal+": "+mark+"{"+inside+"}\n"))
				if err != nil {
					continue
				}
				if r, err := file.Run(compile); err == nil {
					rewritten(t, base.Plan, r.Ticks)
				}
			}
		}
	})
}

// rewritten fails if ticks are not the same after they have been written.
func rewritten(t *testing.T, plan *rules.Plan, ticks []fact.Tick) {
	t.Helper()
	text, err := scenario.Write(plan, ticks, nil)
	if err != nil {
		t.Fatal(err)
	}
	file, err := scenario.Parse("written", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	again, err := file.Run(compile)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got, want := fmt.Sprintf("%#v", again.Ticks), fmt.Sprintf("%#v", ticks); got != want {
		t.Errorf("ticks\n%s, want\n%s", got, want)
	}
}
