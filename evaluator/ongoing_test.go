package evaluator

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

var long = flag.Bool("long", false, "simulate as many releases as the documents' figures rest on")

// latePlan is a window of four hours whose success rule has proven enough before its end.
func latePlan() *rules.Plan {
	p := weighPlan(late * time.Minute)
	p.Signals = p.Signals[:1]
	p.Rules[0].Proof = rules.ProofWeak
	return p
}

// late is the minute at which the window ends.
const late = 4 * 60

// atTheEnd gives worlds whose release is good but for 20 % of failures from a few minutes
// before the end of its window on, for so many minutes, of which the rollback rule warns
// and no more when the window's data has settled.
func atTheEnd(t *testing.T, before, minutes int64, bend func(p *rules.Plan)) (list []*world) {
	t.Helper()
	for seed := range uint64(8) {
		p := latePlan()
		bend(p)
		w := newWorld(t, p)
		w.value = binomials(seed, 12, func(_ int, m int64) float64 {
			if m >= late-before && m < late-before+minutes {
				return .2
			}
			return .001
		})
		w.run(T.Add((late+2)*time.Minute + 30*time.Second))
		if w.state.rules[1].State == judge.Warning {
			list = append(list, w)
		}
	}
	if len(list) == 0 {
		t.Fatal("no rule warns")
	}
	return list
}

// phaseNow is where the first phase stands.
func (w *world) phaseNow() fact.PhaseView { return Look(w.plan, restored(w.t, w.state)).Phases[0] }

func TestAPassIsNotGivenOverWhatIsGoingOn(t *testing.T) {
	for _, w := range atTheEnd(t, 3, 60, func(*rules.Plan) {}) {
		v := w.phaseNow()
		if v.State != rules.Monitoring || v.Cause != rules.CauseEvidence || v.Why.Code != fact.WhyOngoing || v.Why.Verdict != rules.Pending || v.Why.Rule != "high" || v.Why.N < 2 || v.Why.Of > 60 || v.Why.Until.Sub(v.Why.Since) > 5*time.Minute {
			t.Errorf("it is %v: %+v\n%s", v.State, v.Why, w.lines())
		}
		w.run(T.Add((late + 60) * time.Minute))
		if v := w.phaseNow(); v.State != rules.RolledBack && v.State != rules.Failed && !Look(w.plan, w.state).Held {
			t.Errorf("in the end it is %v: %+v\n%s", v.State, v.Why, w.lines())
		}
	}
}

func TestAPhaseWaitsUntilWhatIsGoingOnIsOver(t *testing.T) {
	waited, passed := 0, 0
	for _, w := range atTheEnd(t, 3, 4, func(*rules.Plan) {}) {
		if w.phaseNow().Why.Code != fact.WhyOngoing {
			continue // it is over already
		}
		waited++
		w.run(T.Add((late + 30) * time.Minute))
		if w.phaseNow().State == rules.Passed {
			passed++
		}
	}
	if waited == 0 || passed == 0 {
		t.Errorf("%d phases waited, %d of them passed", waited, passed)
	}
}

func TestWhatIsOverKeepsNoPhaseFromPassing(t *testing.T) {
	for _, w := range atTheEnd(t, 15, 3, func(*rules.Plan) {}) {
		if v := w.phaseNow(); v.State == rules.Monitoring && v.Why.Code == fact.WhyOngoing {
			t.Errorf("it is %v: %+v\n%s", v.State, v.Why, w.lines())
		}
	}
}

// What goes on at the deadline, and no rule has acted on by then, leaves it unknown.
func TestWhatGoesOnIsUnknownAtTheDeadline(t *testing.T) {
	for _, w := range atTheEnd(t, 3, 60, func(p *rules.Plan) { p.Phases[0].Extend = 2 * time.Minute }) {
		if v := w.phaseNow(); v.State != rules.Monitoring || v.Verdict != rules.Unknown || v.Why.Code != fact.WhyOngoing || v.Why.Verdict != rules.Unknown {
			t.Errorf("it is %v, %v: %+v\n%s", v.State, v.Verdict, v.Why, w.lines())
		}
	}
}

// swings draws how many of n samples of each minute are bad where the rate of each minute
// is its own: of the mean, times a factor that goes on from the minute before.
func swings(r *rand.Rand, n int, mean, sigma, keeps float64, minutes int) []float64 {
	bad, x := make([]float64, minutes), r.NormFloat64()
	for m := range bad {
		x = keeps*x + math.Sqrt(1-keeps*keeps)*r.NormFloat64()
		bad[m] = drawn(r, n, mean*math.Exp(sigma*x-sigma*sigma/2))
	}
	return bad
}

// groups draws failures that come five at a time.
func groups(r *rand.Rand, n int, mean float64, minutes int) []float64 {
	bad := make([]float64, minutes)
	for m := range bad {
		bad[m] = min(5*drawn(r, n, mean/5), float64(n))
	}
	return bad
}

// drawn is how many of n are bad.
func drawn(r *rand.Rand, n int, rate float64) float64 {
	bad, left := 0., 0.
	for left = r.ExpFloat64(); left < float64(n)*rate; left += r.ExpFloat64() {
		bad++
	}
	return min(bad, float64(n))
}

// waits runs a phase over counts, and gives how it ends and whether it waited for what was
// going on, and nothing else, at the end of its window.
func waits(p *rules.Plan, n int, bad []float64) (state rules.State, waited bool) {
	st := Begin(p)
	for m := int64(0); m < int64(len(bad)); m++ {
		now := T.Add(time.Duration(m) * time.Minute)
		var tick fact.Tick
		tick.At = now
		for _, q := range Wants(p, st, now) {
			rd := rules.Reading{Signal: q.Signal, From: q.From, To: q.To, SettledUntil: now.Unix() - 120}
			for at := series.AlignUp(max(q.From, T.Unix()), 60); at+60 <= q.To; at += 60 {
				rd.Points = append(rd.Points, rules.Point{At: at, Value: bad[(at-T.Unix())/60], Samples: float64(n)})
			}
			tick.Readings = append(tick.Readings, rd)
		}
		st, _ = Step(p, st, tick)
		if st.phases[0].state != rules.Monitoring {
			break
		}
		if now.Sub(T) >= p.Phases[0].Window && !waited {
			waited = Look(p, st).Phases[0].Why.Code == fact.WhyOngoing
		}
	}
	return st.phases[0].state, waited
}

// Healthy releases whose failures come in groups or swing warn often. Waiting for what is
// going on costs them at most one pass in a hundred.
func TestHealthyReleasesLoseNoPassesByWaiting(t *testing.T) {
	runs := 20
	if *long {
		runs = 400
	}
	for _, window := range []time.Duration{time.Hour, 6 * time.Hour} {
		p := latePlan()
		p.Phases[0].Window, p.Phases[0].Extend = window, time.Hour
		minutes := int((window + 70*time.Minute) / time.Minute)
		for _, n := range []int{12, 120, 1200} {
			if window > time.Hour && n == 120 {
				continue
			}
			for _, mean := range []float64{.001, .003, .005} {
				for _, kind := range []struct {
					name string
					bad  func(r *rand.Rand) []float64
				}{
					{"groups of five", func(r *rand.Rand) []float64 { return groups(r, n, mean, minutes) }},
					{"each minute its own", func(r *rand.Rand) []float64 { return swings(r, n, mean, .8, 0, minutes) }},
					{"swinging slowly", func(r *rand.Rand) []float64 { return swings(r, n, mean, .8, .95, minutes) }},
				} {
					passed, waited, lost := 0, 0, 0
					for i := range runs {
						state, late := waits(p, n, kind.bad(rand.New(rand.NewPCG(uint64(i), uint64(n)))))
						if state == rules.Passed {
							passed++
						} else if late {
							lost++
						}
						if late {
							waited++
						}
					}
					if *long {
						t.Logf("%v, %d a minute at %g: %s: %d of %d passed, %d waited, %d of them did not pass", window, n, mean, kind.name, passed, runs, waited, lost)
					}
					if lost > max(1, runs/100) {
						t.Errorf("%v, %d a minute at %g, %s: %d of %d passes are lost, %d waited", window, n, mean, kind.name, lost, runs, waited)
					}
				}
			}
		}
	}
}

// Where no rollback rule acts by the evidence, a success rule itself passes nothing over
// what goes on; once its time to wait is over, it says that.
func TestASuccessRuleAloneWaitsForWhatIsGoingOn(t *testing.T) {
	for _, tt := range []struct {
		extend time.Duration
		state  rules.Verdict
		why    rules.Verdict
	}{{time.Hour, rules.Pending, rules.Pending}, {0, rules.Unknown, rules.Unknown}} {
		p := latePlan()
		p.Phases[0].Rollback, p.Phases[0].Extend = nil, tt.extend
		w := newWorld(t, p)
		w.value = func(_ int, at int64) (float64, float64, bool) {
			if (at-T.Unix())/60 >= late-3 {
				return 6, 100, true
			}
			return 0, 100, true
		}
		w.run(T.Add((late+2)*time.Minute + 30*time.Second))
		v := w.phaseNow()
		if s := v.Success[0]; v.State != rules.Monitoring || v.Verdict != tt.state || s.Why.Code != fact.WhyOngoing || s.Why.Verdict != tt.why {
			t.Errorf("with %v more the phase is %s, %s, and the rule says %+v", tt.extend, v.State, v.Verdict, s.Why)
		}
	}
}
