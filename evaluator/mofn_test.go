package evaluator

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator/datapoints"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// slowPeriods is a simple memory of what was ever said of the one signal of
// onePlan.
type slowPeriods struct {
	known   map[int64]rules.Point
	settled int64
}

// alarms evaluates every period since a time, each with the state of the one
// before, and says whether one of them is an alarm, and what the newest is.
func (m *slowPeriods) alarms(r *rules.Rule, since int64) (any bool, newest datapoints.State) {
	var mode datapoints.Mode
	if err := mode.UnmarshalText([]byte(r.Datapoints.Missing)); err != nil {
		panic(err)
	}
	end, firm := m.settled, slowFirm(m.known, m.settled)
	waits := func(p rules.Point) bool { // it would be a breach, and does not count yet
		n, counts := firm(p)
		return !counts && p.Value > .03*n
	}
	for b, p := range m.known {
		if b >= since && !waits(p) {
			end = max(end, b+60)
		}
	}
	spec := datapoints.Spec{M: r.Datapoints.M, N: r.Datapoints.N}
	var slots, strict []datapoints.Slot
	for b := since; b+60 <= end; b += 60 {
		p, ok := m.known[b]
		slot := datapoints.Absent
		came := p.Samples
		p.Samples, _ = firm(p)
		switch {
		case !ok || p.Samples == 0 || came < r.MinSamples || waits(m.known[b]):
		case p.Value/p.Samples > .03:
			slot = datapoints.Breach
		default:
			slot = datapoints.Good
		}
		slots, strict = append(slots, slot), append(strict, slot)
		if slot == datapoints.Absent && b+60 > m.settled {
			strict[len(strict)-1] = datapoints.Good
		}
		from := max(0, len(slots)-spec.Range())
		res := datapoints.Evaluate(slots[from:], spec, mode, newest)
		if res.State == datapoints.Alarm && res.Breaching < spec.M { // it rests on gaps: only on certain ones
			res = datapoints.Evaluate(strict[from:], spec, mode, newest)
		}
		newest = res.State
		any = any || newest == datapoints.Alarm
	}
	return any, newest
}

func genDatapoints(t *rapid.T) rules.Datapoints {
	n := rapid.IntRange(1, 5).Draw(t, "N")
	return rules.Datapoints{
		M: rapid.IntRange(1, n).Draw(t, "M"), N: n,
		Missing: rapid.SampledFrom([]string{"missing", "ignore", "breaching", "notBreaching"}).Draw(t, "missing"),
	}
}

// A rule with datapoints fires at the tick at which some period is first an alarm,
// whatever came late, was corrected or was missed, and at no other; and it says
// that nothing is known exactly when that is so.
func TestDatapointsFireWhenJustified(t *testing.T) {
	fired, quiet := 0, 0
	checkUntil(t, func() bool { return fired > 0 && quiet > 0 }, func(t *rapid.T) {
		plan := onePlan(rules.Rule{
			Datapoints: genDatapoints(t), Coverage: .8,
			MinSamples: rapid.SampledFrom([]float64{0, 0, 150}).Draw(t, "min"),
		})
		r := &plan.Rules[0]
		plan.Signals[0].Keep = rapid.SampledFrom([]int{1, 300}).Draw(t, "keep")
		back := int64(900)
		if plan.Signals[0].Keep == 1 {
			back = int64(180 + 60*(r.Datapoints.N+2)) // as far as is asked for again
		}
		m := slowPeriods{known: map[int64]rules.Point{}}
		state, now := Begin(plan), T
		for range rapid.IntRange(1, 40).Draw(t, "ticks") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{30, 60, 60, 60, 300}).Draw(t, "step")) * time.Second)
			at := now.Unix()
			rd := rules.Reading{From: T.Unix() - 900, To: at, SettledUntil: series.AlignDown(at-180, 60)}
			for b := max(T.Unix()-120, series.AlignDown(at-rapid.Int64Range(60, back).Draw(t, "back"), 60)); b+60 <= at; b += 60 {
				switch rapid.IntRange(0, 9).Draw(t, "bucket") {
				case 0, 1, 2, 3, 4:
				case 5:
					if m.known[b].Samples > 0 {
						continue // a value that was withdrawn looks like one that was forgotten
					}
					rd.Points = append(rd.Points, rules.Point{At: b})
				case 6, 7:
					rd.Points = append(rd.Points, rules.Point{At: b, Value: 1, Samples: 200})
				case 8:
					rd.Points = append(rd.Points, rules.Point{At: b, Value: 9, Samples: 100})
				default:
					rd.Points = append(rd.Points, rules.Point{At: b, Value: 9, Samples: 200})
				}
			}
			tick := fact.Tick{At: now}
			if rapid.IntRange(0, 4).Draw(t, "answered") > 0 {
				tick.Readings = []rules.Reading{rd}
				m.settled = rd.SettledUntil
				for _, p := range rd.Points {
					m.known[p.At] = p
				}
			}
			state, _ = Step(plan, state, tick)
			v := Look(plan, state).Rollback[0]
			want, newest := m.alarms(r, T.Unix())
			if got := v.State == fact.RuleFired; got != want {
				t.Fatalf("at %v fired is %v, want %v: %s", now, got, want, factsOf(v.Why, &v.Evidence))
			}
			if want {
				fired++
				break
			}
			quiet++
			if newest == datapoints.InsufficientData && v.State != fact.RuleIdle && v.State != fact.RuleSilent {
				t.Fatalf("at %v it is %s with insufficient data: %s", now, v.State, factsOf(v.Why, &v.Evidence))
			}
			if newest == datapoints.OK && v.State == fact.RuleIdle {
				t.Fatalf("at %v it is idle although it is OK: %s", now, factsOf(v.Why, &v.Evidence))
			}
		}
	})
}

// A level counts in the period in which it was read, when that is over; of several
// the newest counts.
func TestDatapointsOfALevel(t *testing.T) {
	plan := onePlan(rules.Rule{Datapoints: rules.Datapoints{M: 2, N: 2, Missing: "missing"}})
	plan.Signals[0] = rules.Signal{Name: "queue", Source: "cw", Kind: rules.Gauge, Of: -1, Period: time.Minute, Every: 30 * time.Second, Keep: 1}
	state := Begin(plan)
	var fired string
	for s := 10; s <= 300 && fired == ""; s += 30 {
		at := T.Add(time.Duration(s) * time.Second)
		rd := rules.Reading{From: T.Unix(), To: at.Unix(), SettledUntil: at.Unix()}
		v := 0.
		if s >= 100 { // 40 s into the second minute
			v = 1
		}
		rd.Points = []rules.Point{{At: at.Unix(), Value: v, Samples: 1}}
		var events []fact.Event
		state, events = Step(plan, state, fact.Tick{At: at, Readings: []rules.Reading{rd}})
		for _, e := range events {
			if e.To == string(fact.RuleFired) {
				fired = line(e)
			}
		}
	}
	// The second and the third minute breach; the third is over at 180 s.
	if want := "02:03:10 rule high: breaching => fired (threshold) measured 1 2/2 4\n"; fired != want {
		t.Errorf("got  %swant %s", fired, want)
	}
}

// A level that was read before its period was over counts when it is known to stay
// so: not by the clock alone.
func TestDatapointsWithoutNews(t *testing.T) {
	plan := onePlan(rules.Rule{Datapoints: rules.Datapoints{M: 1, N: 3, Missing: "missing"}})
	plan.Signals[0] = rules.Signal{Name: "queue", Source: "cw", Kind: rules.Gauge, Of: -1, Period: time.Minute, Every: time.Minute, Keep: 1}
	at := T.Add(5 * time.Second)
	state, _ := Step(plan, Begin(plan), fact.Tick{At: at, Readings: []rules.Reading{{
		From: T.Unix(), To: at.Unix(), SettledUntil: at.Unix(), Points: []rules.Point{{At: at.Unix(), Value: 1, Samples: 1}},
	}}})
	if got := Look(plan, state).Rollback[0].State; got != fact.RuleIdle {
		t.Errorf("before the period is over: %s", got)
	}
	state, _ = Step(plan, state, fact.Tick{At: T.Add(59 * time.Second)})
	if got := Look(plan, state).Rollback[0].State; got != fact.RuleIdle {
		t.Errorf("a second before the period is over: %s", got)
	}
	state, _ = Step(plan, state, fact.Tick{At: T.Add(time.Minute)})
	if got := Look(plan, state).Rollback[0].State; got != fact.RuleIdle {
		t.Errorf("when the period is over: %s", got)
	}
	at = T.Add(61 * time.Second)
	state, _ = Step(plan, state, fact.Tick{At: at, Readings: []rules.Reading{{From: T.Unix(), To: at.Unix(), SettledUntil: at.Unix()}}})
	if got := Look(plan, state).Rollback[0].State; got != fact.RuleFired {
		t.Errorf("when the source has answered after it: %s", got)
	}
}

// A mode that is none fills nothing: nothing is made of what is missing.
func TestDatapointsOfNoMode(t *testing.T) {
	plan := onePlan(rules.Rule{Datapoints: rules.Datapoints{M: 2, N: 3, Missing: "perhaps"}})
	w := newWorld(t, plan)
	w.value = func(int, int64) (v, n float64, ok bool) { return 0, 0, false }
	w.run(T.Add(20 * time.Minute))
	if v := Look(plan, w.state).Rollback[0]; v.State != fact.RuleSilent || v.Cause != rules.CauseNoData {
		t.Errorf("%s (%s): %s", v.State, v.Cause, factsOf(v.Why, &v.Evidence))
	}
}

// A source that cannot be asked makes a rule silent whatever it says of missing
// periods: it is not known that they are missing.
func TestAnOutageIsNoMissingPeriod(t *testing.T) {
	for _, missing := range []string{"missing", "ignore", "breaching", "notBreaching"} {
		plan := onePlan(rules.Rule{Datapoints: rules.Datapoints{M: 2, N: 3, Missing: missing}})
		w := newWorld(t, plan)
		w.run(T.Add(10 * time.Minute))
		w.bend = func(rd *rules.Reading) bool {
			rd.Fault, rd.Points, rd.SettledUntil = rules.Unavailable, nil, 0
			return true
		}
		w.run(T.Add(40 * time.Minute))
		if v := Look(plan, w.state).Rollback[0]; v.State != fact.RuleSilent || v.Cause != rules.CauseSourceError {
			t.Errorf("missing=%s: %s (%s): %s", missing, v.State, v.Cause, factsOf(v.Why, &v.Evidence))
		}
	}
}

// A breach counts until its time has gone by, in event time: it neither fires
// earlier nor later for it, and without the key nothing is different.
func TestKeepFiring(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rules.Rule{For: minutes(t, "for", 1, 4), Coverage: .8}
		if rapid.Bool().Draw(t, "counted") {
			r = rules.Rule{Datapoints: genDatapoints(t)}
		}
		keep := minutes(t, "keep", 1, 6)
		plain := onePlan(r)
		r.KeepFiring = keep
		kept := onePlan(r)
		plain.Signals[0].Keep, kept.Signals[0].Keep = 1, 1
		a, b := Begin(plain), Begin(kept)
		now, last := T, int64(0)
		for range rapid.IntRange(1, 40).Draw(t, "ticks") {
			now = now.Add(time.Minute)
			rd := rules.Reading{From: T.Unix() - 900, To: now.Unix(), SettledUntil: now.Unix()}
			n := rapid.SampledFrom([]float64{1, 1, 9}).Draw(t, "bad")
			rd.Points = []rules.Point{{At: now.Unix() - 60, Value: n, Samples: 100}}
			if n > 3 {
				last = now.Unix()
			}
			tick := fact.Tick{At: now, Readings: []rules.Reading{rd}}
			a, _ = Step(plain, a, tick)
			b, _ = Step(kept, b, tick)
			x, y := Look(plain, a).Rollback[0], Look(kept, b).Rollback[0]
			want := x.State
			if want == fact.RuleClear && last != 0 && now.Unix()-last < series.Secs(keep) {
				want = fact.RuleBreaching
			}
			if y.State != want {
				t.Fatalf("at %v, %d s after the last breach: %s with keep_firing_for %v and %s without: %s", now, now.Unix()-last, y.State, keep, x.State, factsOf(y.Why, &y.Evidence))
			}
			if y.State == fact.RuleBreaching && x.State == fact.RuleClear && !y.Evidence.Last.Equal(series.When(last)) {
				t.Fatalf("it does not say since when it is over: %+v", y.Evidence)
			}
			if want == fact.RuleFired {
				return
			}
		}
	})
}

// Counting costs little, however much is kept for other rules.
func BenchmarkDatapoints(b *testing.B) {
	plan := onePlan(rules.Rule{Datapoints: rules.Datapoints{M: 3, N: 5, Missing: "ignore"}})
	plan.Signals[0].Keep = 1440
	lay := judge.NewLayout(plan)
	s := series.Series{From: T.Unix(), Settled: T.Unix() + 1440*60}
	for i := range int64(1440) {
		s.Points = append(s.Points, rules.Point{At: T.Unix() + i*60, Value: 1, Samples: 100})
	}
	at := s.Settled
	for b.Loop() {
		if j := judge.TraceDatapoints(lay, &plan.Rules[0], &s, nil, T.Unix(), at-120, at); j.Fired || j.Code() != judge.Clear {
			b.Fatal("not clear")
		}
	}
}

// What was never asked is not missing: after a break that no question reached,
// counting begins anew.
func TestWhatWasNeverAnsweredIsNotMissing(t *testing.T) {
	plan := onePlan(rules.Rule{Datapoints: rules.Datapoints{M: 2, N: 2, Missing: "breaching"}})
	state := Begin(plan)
	tell := func(minute, from, settled int) fact.RuleState {
		at := func(m int) int64 { return T.Unix() + int64(m)*60 }
		rd := rules.Reading{From: at(from), To: at(minute), SettledUntil: at(settled)}
		if minute < 10 {
			rd.Points = []rules.Point{{At: at(0), Value: 1, Samples: 100}, {At: at(1), Value: 1, Samples: 100}}
		}
		state, _ = Step(plan, state, fact.Tick{At: series.When(at(minute)), Readings: []rules.Reading{rd}})
		return Look(plan, state).Rollback[0].State
	}
	if got := tell(5, 0, 2); got != fact.RuleClear {
		t.Errorf("with data it is %s", got)
	}
	if got := tell(64, 60, 61); got != fact.RuleIdle {
		t.Errorf("with one missing minute after a break of an hour it is %s", got)
	}
	if got := tell(65, 60, 62); got != fact.RuleFired {
		t.Errorf("with two it is %s", got)
	}
}

// A plan that is read again judges what is known, and does not take for missing
// what was forgotten in the meantime.
func TestWhatWasForgottenIsNotMissing(t *testing.T) {
	for _, missing := range []string{"missing", "ignore", "breaching", "notBreaching"} {
		plan := onePlan(rules.Rule{Datapoints: rules.Datapoints{M: 3, N: 5, Missing: missing}})
		plan.Signals[0].Keep = 1
		w := newWorld(t, plan)
		w.value = func(_ int, at int64) (v, n float64, ok bool) {
			minute := (at - T.Unix()) / 60
			return 1, 1000, minute%2 == 0
		}
		w.run(T.Add(time.Hour))
		if n := len(w.state.Signals[0].Points); n > 29 {
			t.Fatalf("nothing was forgotten of an hour: %d points", n)
		}
		changed := *plan
		changed.Title = "Release, again"
		w.state, w.plan = Adopt(plan, &changed, w.state), &changed
		w.run(T.Add(time.Hour + 10*time.Minute))
		if v := Look(w.plan, w.state).Rollback[0]; v.State != fact.RuleClear {
			t.Errorf("missing=%s: %s: %s", missing, v.State, factsOf(v.Why, &v.Evidence))
		}
	}
}
