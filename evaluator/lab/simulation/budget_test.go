package simulation

import (
	"fmt"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// fivePhases is a plan of 30 hours as config.toml has it, with one rollback rule
// on each of so many signals; they share the budget by 4, 3, 2, 1. A rule of its
// own lets every phase pass.
func fivePhases(t *testing.T, signals int) *rules.Plan {
	return written(t, 15, func(s *rules.Spec) {
		first, phase := s.Signals[0], s.Phases[0]
		success, rollback := s.Success[0], s.Rollback[0]
		phase.Success, phase.Rollback = []string{"runs"}, nil
		s.Signals, s.Rollback, s.Phases = nil, nil, nil
		for i := range signals {
			sig, rule := first, rollback
			sig.Name, sig.Settle = fmt.Sprint("signal", i), minutesLong(0)
			rule.Name, rule.Signal, rule.Weight = fmt.Sprint("high", i), sig.Name, ptr(float64(4-i))
			rule.Limit = ptr(condition("<= 1 %"))
			s.Signals, s.Rollback = append(s.Signals, sig), append(s.Rollback, rule)
			phase.Rollback = append(phase.Rollback, rule.Name)
		}
		first.Name, first.Settle = "all", minutesLong(0)
		success.Name, success.Signal, success.When, success.Evidence = "runs", "all", condition("< 50 %"), ptr(rules.ByThreshold)
		s.Signals, s.Success = append(s.Signals, first), []rules.SuccessSpec{success}
		for _, p := range []struct{ start, window int }{{0, 15}, {20, 30}, {30, 120}, {150, 240}, {390, 1440}} {
			phase.Name, phase.Window = fmt.Sprint("from", p.start), minutesLong(p.window)
			phase.Start = &rules.Offset{Duration: time.Duration(p.start) * time.Minute}
			s.Phases = append(s.Phases, phase)
		}
	})
}

// shareAt is the part of the traffic that the release has in a minute of fivePhases.
func shareAt(minute int) float64 {
	switch {
	case minute < 20:
		return .1
	case minute < 30:
		return 1
	case minute < 150:
		return .1
	case minute < 390:
		return .5
	}
	return 1
}

// TestPlanKeepsItsBudget runs releases at exactly the limit through all phases of
// a plan, with traffic that changes from phase to phase. Whatever holds them is
// resumed at once, so that nothing keeps a rule from rolling back later.
func TestPlanKeepsItsBudget(t *testing.T) {
	if !*long {
		t.Skip("takes minutes: -long")
	}
	const minutes, runs = 1830, 1500
	for _, signals := range []int{1, 4} {
		for _, traffic := range []float64{12, 120} {
			t.Run(fmt.Sprintf("%d rules, %v a minute", signals, traffic), func(t *testing.T) {
				t.Parallel()
				plan := fivePhases(t, signals)
				own := newScript(Release{Rate: .01}, Traffic{Canary: traffic}, 7)
				held, rolledBack := 0, 0
				for i := range runs {
					own.begin(i)
					h, r := atLimit(plan, own, signals, minutes, traffic)
					held, rolledBack = held+h, rolledBack+r
				}
				t.Logf("held %.2f %%, rolled back %.2f %% of %d", 100*float64(held)/runs, 100*float64(rolledBack)/runs, runs)
				// One per cent of 1 500 is 15; 26 or more of them has a chance of 1 in 200.
				if held > 26 || rolledBack > 26 {
					t.Errorf("%d held and %d rolled back of %d: want at most 1 %% of each", held, rolledBack, runs)
				}
			})
		}
	}
}

func atLimit(plan *rules.Plan, s *script, signals, minutes int, traffic float64) (held, rolledBack int) {
	state, _ := evaluator.Step(plan, evaluator.Begin(plan), fact.Tick{At: startOfRun})
	for k := range minutes {
		tick := fact.Tick{At: startOfRun.Add(time.Duration(k+1) * time.Minute)}
		from, to := tick.At.Unix()-60, tick.At.Unix()
		for i := range signals + 1 {
			m := s.count(traffic*shareAt(k), s.release.Rate, false)
			rd := rules.Reading{Signal: i, From: from, To: to, SettledUntil: to}
			if m.N > 0 {
				rd.Points = []rules.Point{{At: from, Value: m.Bad, Samples: m.N}}
			}
			tick.Readings = append(tick.Readings, rd)
		}
		var events []fact.Event
		state, events = evaluator.Step(plan, state, tick)
		for _, e := range events {
			switch {
			case e.Kind != fact.RuleEvent || e.Subject == "runs":
			case e.To == string(fact.RuleFired):
				return 1, 1
			case e.To == string(fact.RuleHolding):
				held = 1
				state, _ = evaluator.Step(plan, state, fact.Tick{At: tick.At, Commands: []fact.Command{
					{ID: fmt.Sprint(k, e.Subject), Kind: fact.Resume, By: "ada", Why: "to see on"},
				}})
			}
		}
	}
	return held, 0
}
