package simulation

import (
	"fmt"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

var startOfRun = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

func minutesLong(n int) *rules.Duration {
	return &rules.Duration{Duration: time.Duration(n) * time.Minute}
}

func condition(text string) rules.Condition {
	c, err := rules.ParseCondition(text)
	if err != nil {
		panic(err)
	}
	return c
}

// written is a plan with one rollback rule on errors, > 3 %, and a success rule,
// <= 1 %, over one phase; change may alter it before it is compiled.
func written(t *testing.T, window int, change func(*rules.Spec)) *rules.Plan {
	t.Helper()
	spec := rules.Spec{
		Release: rules.ReleaseSpec{
			Plan: "REL", Title: "Release", Start: startOfRun, Manager: "Ada", Interval: minutesLong(1), Evidence: ptr(rules.Sequential),
		},
		Phases: []rules.PhaseSpec{{
			Name: "ten", Traffic: &rules.Fraction{Value: .1}, Start: &rules.Offset{}, Window: minutesLong(window), Owner: "ops",
			Success: []string{"few"}, Rollback: []string{"high"},
		}},
		Success: []rules.SuccessSpec{{RuleSpec: rules.RuleSpec{Name: "few", Signal: "errors", When: condition("<= 1 %"), Owner: "ops"}}},
		Rollback: []rules.RollbackSpec{{
			RuleSpec: rules.RuleSpec{Name: "high", Signal: "errors", When: condition("> 3 %"), Owner: "ops"}, Action: "revert",
		}},
		Signals: []rules.SignalSpec{{Name: "errors", Kind: ptr(rules.Ratio), Period: minutesLong(1), Rate: "2/s"}},
		Bare:    true,
	}
	if change != nil {
		change(&spec)
	}
	plan, problems := rules.Compile(spec)
	if plan == nil {
		t.Fatal(problems)
	}
	return plan
}

func datapointsRule(spec, missing string) func(*rules.Spec) {
	return func(s *rules.Spec) {
		s.Release.Evidence = nil
		s.Rollback[0].Datapoints, s.Rollback[0].Missing = spec, missing
	}
}

// judged runs a release through the evaluator's own Step and gives the looks at
// which the rule first stood on each rung.
func judged(t *testing.T, plan *rules.Plan, s *script, looks int) (out firsts) {
	t.Helper()
	state := evaluator.Begin(plan)
	state, _ = evaluator.Step(plan, state, fact.Tick{At: startOfRun})
	for k := range looks {
		canary, baseline := s.look(k)
		tick := fact.Tick{At: startOfRun.Add(time.Duration(k+1) * time.Minute)}
		from, to := tick.At.Add(-time.Minute).Unix(), tick.At.Unix()
		for i := range plan.Signals {
			m := canary
			if plan.Signals[i].BaselineOf != "" {
				m = baseline
			}
			rd := rules.Reading{Signal: i, From: from, To: to, SettledUntil: to}
			if m.N > 0 { // CloudWatch has no point where nothing happened
				rd.Points = []rules.Point{{At: from, Value: m.Bad, Samples: m.N}}
			}
			tick.Readings = append(tick.Readings, rd)
		}
		var events []fact.Event
		state, events = evaluator.Step(plan, state, tick)
		for _, e := range events {
			if e.Kind != fact.RuleEvent || e.Subject != "high" {
				continue
			}
			switch fact.RuleState(e.To) {
			case fact.RuleWarning:
				out.note(Reached(0).With(Warned), int32(k+1))
			case fact.RuleHolding:
				out.note(Reached(0).With(Warned).With(Held), int32(k+1))
			case fact.RuleFired:
				out.note(Reached(0).With(Warned).With(Held).With(RolledBack), int32(k+1))
				return out
			}
		}
	}
	return out
}

// TestSimulationIsTheProduct runs releases through a compiled plan and
// evaluator.Step, and holds every look at which it warns, holds and rolls back
// against what is simulated.
func TestSimulationIsTheProduct(t *testing.T) {
	runs := 25
	if *long {
		runs = 400
	}
	beside := func(s *rules.Spec) { s.Signals[0].Baseline = &rules.BaselineSpec{Dimension: "version", Value: "42"} }
	for _, tt := range []struct {
		name    string
		release Release
		traffic Traffic
		looks   int
		change  func(*rules.Spec)
	}{
		{"a bad release", Release{Rate: .05}, Traffic{Canary: 12}, 120, nil},
		{"one between limit and trigger", Release{Rate: .02}, Traffic{Canary: 30}, 240, nil},
		{"a fault that comes late", Release{Rate: .05, Before: .001, Since: 60}, Traffic{Canary: 12}, 120, nil},
		{"minutes without events", Release{Rate: .15}, Traffic{Canary: .4}, 120, nil},
		{"bursts", Release{Rate: .005, Storm: Storm{Chance: .02, Rate: .6}}, Traffic{Canary: 20}, 120, nil},
		{"a baseline", Release{Rate: .05, Baseline: .009}, Traffic{Canary: 12, Baseline: 108}, 120, beside},
		{"a baseline that is as bad", Release{Rate: .06, Baseline: .05}, Traffic{Canary: 30, Baseline: 30}, 120, beside},
		{"a baseline with hardly any events", Release{Rate: .05, Baseline: .009}, Traffic{Canary: 30, Baseline: .5}, 90, beside},
		{"a baseline with hardly any events, in a plan with a long interval", Release{Rate: .05, Baseline: .009}, Traffic{Canary: 30, Baseline: .1}, 90, func(s *rules.Spec) {
			beside(s)
			s.Release.Interval = minutesLong(10)
		}},
		{"floors of the plan", Release{Rate: .08}, Traffic{Canary: 12}, 90, func(s *rules.Spec) {
			s.Rollback[0].MinSamples, s.Rollback[0].For = ptr(150.), minutesLong(10)
		}},
		{"half of the budget", Release{Rate: .05}, Traffic{Canary: 12}, 120, func(s *rules.Spec) {
			s.Release.FalseRollback = &rules.Fraction{Value: .005}
		}},
		{"events in clusters", Release{Rate: .05}, Traffic{Canary: 12}, 120, func(s *rules.Spec) { s.Signals[0].Cluster = ptr(1.7) }},
		{"a first phase of three", Release{Rate: .05}, Traffic{Canary: 12}, 120, func(s *rules.Spec) {
			for k, name := range []string{"half", "all"} {
				p := s.Phases[0]
				p.Name, p.Start = name, &rules.Offset{Duration: time.Duration(k+1) * 2 * time.Hour}
				s.Phases = append(s.Phases, p)
			}
		}},
		{"crash-free", Release{Rate: .05}, Traffic{Canary: 12}, 120, func(s *rules.Spec) {
			s.Signals[0].Good = true
			s.Success[0].When, s.Rollback[0].When = condition(">= 99 %"), condition("< 97 %")
		}},
		{"a threshold", Release{Rate: .03}, Traffic{Canary: 12}, 120, func(s *rules.Spec) { s.Release.Evidence = nil }},
		{"a threshold for a while", Release{Rate: .06}, Traffic{Canary: 12}, 120, func(s *rules.Spec) {
			s.Release.Evidence, s.Rollback[0].For = nil, minutesLong(5)
		}},
		{"a threshold for a while, with gaps", Release{Rate: .3}, Traffic{Canary: 2}, 120, func(s *rules.Spec) {
			s.Release.Evidence, s.Rollback[0].For = nil, minutesLong(5)
			s.Rollback[0].MinSamples = ptr(12.)
		}},
		{"a threshold over a while", Release{Rate: .03}, Traffic{Canary: 2}, 120, func(s *rules.Spec) {
			s.Release.Evidence, s.Rollback[0].Over = nil, minutesLong(10)
			s.Rollback[0].MinSamples = ptr(25.)
		}},
		{"a threshold over a while, for a while", Release{Rate: .03}, Traffic{Canary: 3}, 120, func(s *rules.Spec) {
			s.Release.Evidence, s.Rollback[0].Over, s.Rollback[0].For = nil, minutesLong(5), minutesLong(10)
		}},
		{"datapoints, missing", Release{Rate: .15}, Traffic{Canary: 2}, 90, datapointsRule("3 of 5", "missing")},
		{"datapoints, ignore", Release{Rate: .15}, Traffic{Canary: 1}, 90, datapointsRule("2 of 3", "ignore")},
		{"datapoints, breaching", Release{Rate: .2}, Traffic{Canary: 3}, 90, datapointsRule("3 of 4", "breaching")},
		{"datapoints, not breaching", Release{Rate: .15}, Traffic{Canary: 2}, 90, datapointsRule("3 of 5", "notBreaching")},
		{"a threshold that keeps firing", Release{Rate: .06}, Traffic{Canary: 12}, 120, func(s *rules.Spec) {
			s.Release.Evidence, s.Rollback[0].For, s.Rollback[0].KeepFiring = nil, minutesLong(5), minutesLong(7)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			plan := written(t, tt.looks, tt.change)
			set, err := OfPlan(plan, "high", "")
			if err != nil {
				t.Fatal(err)
			}
			c := Config{Release: tt.release, Traffic: tt.traffic, Looks: tt.looks, Seed: 4, Rules: set.Rules()[:1]}
			player, own := newSpectator(&c), newScript(tt.release, tt.traffic, 4)
			reached := [Rungs]int{}
			for i := range runs {
				want := [1]firsts{}
				player.release(i, want[:])
				own.begin(i)
				got := judged(t, plan, own, tt.looks)
				if !c.Rules[0].Knows().Has(Held) {
					got[Warned], got[Held] = 0, 0
				}
				if got != want[0] {
					t.Errorf("release %d: evaluator.Step warns, holds and rolls back at looks %v, the simulation at %v", i, got, want[0])
				}
				for rung, look := range got {
					if look > 0 {
						reached[rung]++
					}
				}
			}
			t.Log(fmt.Sprint("reached ", reached, " of ", runs))
		})
	}
}
