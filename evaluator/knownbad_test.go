package evaluator

import (
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
)

// shareAt gives the share of failures of a minute after T; a negative one is a minute
// without data.
func shareAt(w *world, signal int, samples float64, share func(m int64) float64) {
	w.value = func(s int, at int64) (float64, float64, bool) {
		if s != signal {
			return healthy(s, at)
		}
		v := share(minuteOf(at))
		return max(v, 0) * samples, samples, v >= 0
	}
}

// What is known to be bad blocks, whatever a plan says of what is not known.
func TestWhatIsKnownToBeBadIsNotIgnored(t *testing.T) {
	until := func(bad, from, to int64, share float64) func(m int64) float64 { // good, bad, then silent
		return func(m int64) float64 {
			switch {
			case m >= from && m < to:
				return -1
			case m >= bad && m < from:
				return share
			}
			return .001
		}
	}
	success := func(p *rules.Plan) { p.Rules[1].Signal = 1 } // its rollback rule says nothing of that
	ignore := func(p *rules.Plan, rule int) {
		p.Rules[rule].OnNoData, p.Rules[rule].Grace = rules.PolicyIgnore, 3*time.Minute
	}
	for _, tt := range []struct {
		name   string
		plan   func(p *rules.Plan)
		share  func(m int64) float64
		passes bool
	}{
		{"a success rule that fell silent", func(p *rules.Plan) { success(p); ignore(p, 0) }, until(2, 8, 60, .3), false},
		{"a success rule that fell silent while it was good", func(p *rules.Plan) { success(p); ignore(p, 0) }, until(60, 8, 60, 0), true},
		{"one that saw too few samples to be judged by", func(p *rules.Plan) { success(p); ignore(p, 0); p.Rules[0].MinSamples = 1e6 }, until(2, 8, 60, .3), true},
		{"a veto with holes", func(p *rules.Plan) { success(p); p.Rules[0].Gate = rules.Veto }, func(m int64) float64 {
			if m%2 == 0 {
				return -1
			}
			return .3
		}, false},
		{"a veto with holes that is good", func(p *rules.Plan) { success(p); p.Rules[0].Gate = rules.Veto }, func(m int64) float64 {
			if m%2 == 0 {
				return -1
			}
			return .001
		}, true},
		{"a rollback rule that breached and fell silent", func(p *rules.Plan) { p.Rules[0].Gate = rules.Advisory; ignore(p, 1) }, until(4, 10, 60, .3), false},
		{"a rollback rule that was clear and fell silent", func(p *rules.Plan) { p.Rules[0].Gate = rules.Advisory; ignore(p, 1) }, until(60, 10, 60, .3), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := smallPlan()
			p.Phases, p.Communications = p.Phases[:1], nil
			tt.plan(p)
			w := newWorld(t, p)
			shareAt(w, 0, 1000, tt.share)
			w.run(T.Add(50 * time.Minute))
			v := w.phaseNow()
			if passed := v.State == rules.Passed; passed != tt.passes {
				t.Fatalf("it is %v, %v (%v): %+v\n%s", v.State, v.Verdict, v.Cause, v.Why, w.lines())
			}
			if !tt.passes && (v.State != rules.Monitoring || v.Verdict != rules.Unknown || v.Why.Rule == "") {
				t.Errorf("it is %v, %v: %+v", v.State, v.Verdict, v.Why)
			}
		})
	}
}

// Evidence that held the run, or still goes on, is not ignored when its source falls silent.
func TestEvidenceThatFellSilentIsNotIgnored(t *testing.T) {
	for _, tt := range []struct {
		name   string
		silent int64
		passes bool
	}{{"beyond the trigger", 57, false}, {"good", 50, true}} {
		passed, warned := 0, 0
		for seed := range uint64(6) {
			p := weighPlan(time.Hour)
			p.Signals = append(p.Signals[:1], smallPlan().Signals[1])
			p.Rules[0].Gate = rules.Advisory
			p.Rules[1].OnNoData, p.Rules[1].OnError, p.Rules[1].Grace = rules.PolicyIgnore, rules.PolicyIgnore, 3*time.Minute
			p.Rules = append(p.Rules, smallPlan().Rules[2])
			p.Phases[0].Rollback = append(p.Phases[0].Rollback, 2)
			w := newWorld(t, p)
			draw := binomials(seed, 12, func(_ int, m int64) float64 {
				if m >= 54 {
					return .25
				}
				return .001
			})
			w.value = func(s int, at int64) (float64, float64, bool) {
				if s != 0 {
					return healthy(s, at)
				}
				v, n, ok := draw(s, at)
				return v, n, ok && minuteOf(at) < tt.silent
			}
			w.run(T.Add(100 * time.Minute))
			v := w.phaseNow()
			if v.State == rules.Passed {
				passed++
			}
			if !strings.Contains(w.ruleStates("high"), "warning") {
				continue
			}
			warned++
			if v.State == rules.Passed {
				t.Errorf("%s, seed %d: %+v\n%s", tt.name, seed, v.Why, w.lines())
			}
		}
		if tt.passes && passed != 6 || !tt.passes && warned < 4 {
			t.Errorf("%s: %d of 6 passed, %d have warned", tt.name, passed, warned)
		}
	}
}

// A phase is judged without a rule only where nothing is known: not by data that is thin,
// has not settled, or is as bad beside the release.
func TestWhatIsThinIsNotIgnored(t *testing.T) {
	for _, tt := range []struct {
		name  string
		plan  func(p *rules.Plan)
		value func(s int, at int64) (float64, float64, bool)
		bend  func(w *world) func(rd *rules.Reading) bool
		cause rules.Cause
	}{
		{"a success rule with few samples", func(p *rules.Plan) { p.Rules[0].OnNoData = rules.PolicyIgnore },
			func(s int, at int64) (float64, float64, bool) { return 0, 3 + 997*float64(s), true }, nil, rules.CauseInsufficientSamples},
		{"a rollback rule with holes", func(p *rules.Plan) {
			p.Rules[0].Gate, p.Rules[1].OnNoData = rules.Advisory, rules.PolicyIgnore
		}, func(s int, at int64) (float64, float64, bool) { return 0, 1000, s == 1 || minuteOf(at)%3 == 0 }, nil, rules.CauseInsufficientSamples},
		{"a success rule whose end has not settled", func(p *rules.Plan) {
			p.Rules[0].OnNoData, p.Signals[0].Settle, p.Phases[0].Extend = rules.PolicyIgnore, 20*time.Minute, 6*time.Minute
			p.Rules[1].Signal = 1
		}, healthy, nil, rules.CauseUnsettled},
		{"a rollback rule whose data has not settled", func(p *rules.Plan) {
			p.Rules[0].Gate, p.Rules[1].OnNoData, p.Signals[0].Settle, p.Phases[0].Extend = rules.Advisory, rules.PolicyIgnore, 20*time.Minute, 6*time.Minute
		}, healthy, nil, rules.CauseUnsettled},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := smallPlan()
			p.Phases, p.Communications = p.Phases[:1], nil
			tt.plan(p)
			w := newWorld(t, p)
			w.value = tt.value
			w.run(T.Add(p.Phases[0].Window + p.Phases[0].Extend + time.Minute))
			if v := w.phaseNow(); v.State != rules.Monitoring || v.Verdict != rules.Unknown || v.Cause != tt.cause {
				t.Errorf("it is %v, %v by %v: %+v\n%s", v.State, v.Verdict, v.Cause, v.Why, w.lines())
			}
		})
	}
}

// Where what runs beside is as bad, no policy for missing data acts.
func TestABaselineAsBadIsNoMissingData(t *testing.T) {
	for _, policy := range []rules.Policy{rules.PolicyIgnore, rules.PolicyFail, rules.PolicyRollback} {
		p := weighPlan(time.Hour)
		p.Signals[0].Baseline = 1
		p.Rules[0].OnNoData = policy
		p.Phases[0].Rollback, p.Rules = nil, p.Rules[:1]
		p.Signals = append(p.Signals, smallPlan().Signals[1])
		other := smallPlan().Rules[0]
		other.Name, other.Signal = "other", len(p.Signals)-1
		p.Rules, p.Phases[0].Success = append(p.Rules, other), []int{0, 1}
		w := newWorld(t, p)
		bad := binomials(3, 120, func(int, int64) float64 { return .1 })
		w.value = func(s int, at int64) (float64, float64, bool) {
			if s == 2 {
				return healthy(s, at)
			}
			return bad(s, at)
		}
		w.run(T.Add(90 * time.Minute))
		if v := w.phaseNow(); v.State != rules.Monitoring || v.Cause != rules.CauseBaseline {
			t.Errorf("%v: it is %v, %v by %v: %+v", policy, v.State, v.Verdict, v.Cause, v.Why)
		}
	}
}
