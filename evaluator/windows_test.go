package evaluator

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// windowPlan judges one signal over half an hour, after which it waits for ten minutes.
func windowPlan(kind rules.Kind, success rules.Rule) *rules.Plan {
	p := onePlan(rules.Rule{For: 5 * time.Minute, Coverage: .8, Grace: 6 * time.Minute})
	p.Signals[0].Kind = kind
	p.Rules[0].When.Threshold = 1e9
	success.Name, success.Kind, success.Alarm = "good", rules.Success, -1
	success.When = rules.Condition{Op: rules.Less, Threshold: .01}
	p.Rules = append(p.Rules, success)
	p.Phases[0].Window, p.Phases[0].Extend, p.Phases[0].Success = 30*time.Minute, 10*time.Minute, []int{1}
	return p
}

// watchPeriods runs a plan on what a source says of each minute at a time, and gives the
// events.
func watchPeriods(plan *rules.Plan, until time.Duration, say func(minute int, settled bool) (rules.Point, bool)) []fact.Event {
	state, all := Begin(plan), []fact.Event(nil)
	for now := T; !now.After(T.Add(until)); now = now.Add(time.Minute) {
		at := now.Unix()
		rd := rules.Reading{From: T.Unix(), To: at, SettledUntil: at - 180}
		for b := T.Unix(); b+60 <= at; b += 60 {
			if p, ok := say(int(b-T.Unix())/60, b+60 <= at-180); ok {
				p.At = b
				rd.Points = append(rd.Points, p)
			}
		}
		var events []fact.Event
		state, events = Step(plan, state, fact.Tick{At: now, Readings: []rules.Reading{rd}})
		all = append(all, events...)
	}
	return all
}

func told(events []fact.Event, kind fact.EventKind, to string) bool {
	for _, e := range events {
		if e.Kind == kind && e.To == to {
			return true
		}
	}
	return false
}

func genWay(t *rapid.T) rules.Rule {
	return rules.Rule{
		Aggregate: rapid.SampledFrom([]rules.Aggregate{rules.Pooled, rules.Average, rules.Share, rules.Last}).Draw(t, "way"), MinShare: .9,
		Coverage: rapid.SampledFrom([]float64{.1, .5, .8, 1}).Draw(t, "coverage"), Grace: minutes(t, "grace", 0, 8),
	}
}

// A pass is borne out by the window's own data, in the way that the rule says, and by its
// end: whatever is missing, wherever.
func TestAPassNeedsDataAtTheEndOfTheWindow(t *testing.T) {
	passes := 0
	checkUntil(t, func() bool { return passes > 0 }, func(t *rapid.T) {
		r := genWay(t)
		plan := windowPlan(rules.Gauge, r)
		draw := rapid.SampledFrom([]float64{0, 0, 0, 0, 0, 0, 0, .02, -1})
		values := make([]float64, 45)
		silent := rapid.IntRange(10, 45).Draw(t, "silent from")
		for m := range values {
			values[m] = draw.Draw(t, "value")
			if m >= silent {
				values[m] = -1
			}
		}
		events := watchPeriods(plan, 50*time.Minute, func(m int, _ bool) (rules.Point, bool) {
			return rules.Point{Value: values[m%45], Samples: 1}, m < 45 && values[m] >= 0
		})
		if !told(events, fact.PhaseEvent, "passed") {
			return
		}
		passes++
		n, bad, newest, sum, last := 0, 0, 0, 0., 0.
		for m, v := range values[:30] {
			if v < 0 {
				continue
			}
			n, newest, sum, last = n+1, m+1, sum+v, v
			if v >= .01 {
				bad++
			}
		}
		switch r.Aggregate {
		case rules.Average:
			bad = map[bool]int{true: 1}[sum/float64(n) >= .01]
		case rules.Share:
			bad = map[bool]int{true: 1}[float64(n-bad)/float64(n) < .9]
		case rules.Last:
			bad = map[bool]int{true: 1}[last >= .01]
		}
		if bad > 0 || float64(n) < r.Coverage*30-1e-9 || int64(30-newest)*60 > series.Secs(r.Grace) {
			t.Fatalf("passed with %v", values[:30])
		}
	})
}

// More silence never makes a pass of a verdict that was none.
func TestMoreSilenceNeverPasses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := genWay(t)
		r.OnNoData = rapid.SampledFrom([]rules.Policy{rules.PolicyHold, rules.PolicyFail, rules.PolicyRollback}).Draw(t, "policy")
		plan := windowPlan(rules.Gauge, r)
		var there, fewer [45]bool
		silent := rapid.IntRange(10, 45).Draw(t, "silent from")
		for m := range there {
			there[m] = rapid.IntRange(0, 9).Draw(t, "there") > 0
			fewer[m] = there[m] && m < silent && rapid.IntRange(0, 9).Draw(t, "still there") > 0
		}
		passes := func(known [45]bool) bool {
			return told(watchPeriods(plan, 50*time.Minute, func(m int, _ bool) (rules.Point, bool) {
				return rules.Point{Samples: 1}, m < 45 && known[m]
			}), fact.PhaseEvent, "passed")
		}
		if passes(fewer) && !passes(there) {
			t.Fatalf("passes with %v and not with %v", fewer, there)
		}
	})
}

// A period that has not ended, or not settled, never changes what cannot be undone:
// a level whatever it says, a ratio while its total is not plausible.
func TestWhatHasNotSettledTakesNothingBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]rules.Kind{rules.Gauge, rules.Ratio}).Draw(t, "kind")
		plan := windowPlan(kind, rules.Rule{Coverage: .8, Grace: 6 * time.Minute})
		plan.Rules[0].When.Threshold = .03
		plan.Rules[0].For = minutes(t, "for", 0, 3)
		total := rapid.SampledFrom([]float64{200, 1000, 5000}).Draw(t, "total")
		bad := math.Floor(.009 * total)
		events := watchPeriods(plan, 40*time.Minute, func(m int, settled bool) (rules.Point, bool) {
			switch {
			case settled && kind == rules.Gauge:
				return rules.Point{Samples: 1}, true
			case kind == rules.Gauge:
				return rules.Point{Value: rapid.Float64Range(0, 1).Draw(t, "young"), Samples: 1}, true
			case settled:
				return rules.Point{Value: bad, Samples: total}, true
			}
			return rules.Point{Value: bad, Samples: rapid.Float64Range(bad, total).Draw(t, "young")}, true
		})
		if told(events, fact.RunEvent, "rolled_back") || !told(events, fact.PhaseEvent, "passed") {
			t.Fatalf("a good release did not pass")
		}
	})
}

// A rollback rule whose signal was silent at the end of the window has not seen it, also
// when its values come again before the phase gives up. What evidence gathers after the
// window does not change that. A minute in which nothing happened is known.
func TestARollbackRuleKnowsTheEndOfItsWindow(t *testing.T) {
	for _, tt := range []struct {
		name   string
		method rules.Method
		say    func(minute int64) (samples float64, known bool)
		want   rules.State
		code   fact.Code
	}{
		{"a threshold", rules.ByThreshold, silentFrom(9, 16), rules.Monitoring, fact.WhyEndUnknown},
		{"evidence", rules.Sequential, silentFrom(9, 16), rules.Monitoring, fact.WhyEndUnknown},
		{"evidence, silent in the middle", rules.Sequential, silentFrom(2, 6), rules.Passed, ""},
		{"evidence, silent after the window", rules.Sequential, silentFrom(15, 20), rules.Passed, ""},
		{"evidence, nothing happens at the end", rules.Sequential, func(m int64) (float64, bool) { return 600 * (1 - level(m >= 9 && m < 16)), true }, rules.Passed, ""},
	} {
		p := smallPlan()
		p.Rules[1].Grace, p.Rules[1].Coverage = 3*time.Minute, .5
		p.Rules[1].Method, p.Rules[1].Limit, p.Rules[1].Trigger, p.Rules[1].Alpha = tt.method, .01, .03, .005
		p.Rules[1].Signal, p.Phases[0].Rollback = 1, []int{1}
		w := newWorld(t, p)
		w.value = func(signal int, at int64) (float64, float64, bool) {
			if signal == 0 {
				return 0, 600, true
			}
			samples, known := tt.say((at - T.Unix()) / 60)
			return 0, samples, known
		}
		w.run(T.Add(24 * time.Minute))
		if v := Look(p, w.state).Phases[0]; v.State != tt.want || tt.code != "" && (v.Cause != rules.CauseNoData || v.Why.Code != tt.code || v.Why.Rule != "high") {
			t.Errorf("%s: the phase is %s, for %s: %+v", tt.name, v.State, v.Cause, v.Why)
		}
	}
}

func silentFrom(from, to int64) func(int64) (float64, bool) {
	return func(m int64) (float64, bool) { return 600, m < from || m >= to }
}

// A breach is remembered until it has the samples that its rule asks for, however long
// that takes where the traffic is thin; a good minute ends it as ever.
func TestABreachIsRememberedUntilItHasItsSamples(t *testing.T) {
	for _, tt := range []struct {
		name string
		good int64 // a minute, or -1
		fire int64 // the minute that has ended as it fires, or 0
	}{
		{"3,000 samples take 50 minutes", -1, 52},
		{"a good one ends it", 30, 83},
	} {
		p := smallPlan()
		p.Rules[1].MinSamples, p.Signals[0].Keep = 3000, 1
		p.Phases[0].Success, p.Phases[1].Success, p.Phases[0].Window = nil, nil, 3*time.Hour
		w := newWorld(t, p)
		w.value = func(signal int, at int64) (float64, float64, bool) {
			m := (at - T.Unix()) / 60
			return 30 * level(signal == 0 && m >= 0 && m != tt.good), 60, true
		}
		w.run(T.Add(2 * time.Hour))
		v := Look(p, w.state)
		if v.Fired == nil || v.Fired.Subject != "high" || v.Fired.Evidence.Samples < 3000 || v.Fired.At.After(T.Add(time.Duration(tt.fire)*time.Minute)) {
			t.Errorf("%s: fired %+v, want it after %d minutes", tt.name, v.Fired, tt.fire)
		}
	}
}

// Points that come after they have settled as a rule are not what is missing: the phase, and
// the rule, say by how much they come too late.
func TestPointsThatComeTooLateAreSaid(t *testing.T) {
	for _, tt := range []struct {
		name   string
		comes  func(minute int64) int64 // seconds after its end
		code   fact.Code
		late   time.Duration
		says   string
		method rules.Method
	}{
		{"in time", func(int64) int64 { return 60 }, fact.WhyRulesHold, 0, "", rules.ByThreshold},
		{"always late", func(int64) int64 { return 360 }, fact.WhyRuleLate, 6 * time.Minute, "6m0s", rules.ByThreshold},
		{"always late, by evidence", func(int64) int64 { return 360 }, fact.WhyRuleLate, 6 * time.Minute, "6m0s", rules.Sequential},
		{"never", func(int64) int64 { return 1e6 }, fact.WhyRuleSilent, 0, "", rules.ByThreshold},
		{"late once", func(m int64) int64 { return 60 + 240*(1-int64(level(m > 5))) }, fact.WhyRuleThin, 0, "", rules.ByThreshold},
	} {
		p := smallPlan()
		p.Rules[1].Signal, p.Phases[0].Rollback, p.Rules[1].Grace = 1, []int{1}, 5*time.Minute
		p.Rules[1].Method, p.Rules[1].Limit, p.Rules[1].Trigger, p.Rules[1].Alpha = tt.method, .01, .03, .005
		w := newWorld(t, p)
		w.value = func(signal int, at int64) (float64, float64, bool) {
			return 0, 600, signal == 0 || w.now.Unix() >= at+60+tt.comes((at-T.Unix())/60)
		}
		w.run(T.Add(18 * time.Minute))
		s := Look(p, w.state)
		v := s.Phases[0]
		if v.Why.Code != tt.code || tt.late != 0 && v.Why.Until.Sub(v.Why.Since) != tt.late || s.Rollback[0].Evidence.Late != tt.says {
			t.Errorf("%s: the phase is %s: %+v, and its rule says %q", tt.name, v.State, v.Why, s.Rollback[0].Evidence.Late)
		}
	}
}

// An alarm that a success rule names was on before: once it has been OK, the rule passes
// where the rest of its window is known too.
func TestACompanionThatWasOnBefore(t *testing.T) {
	for _, tt := range []struct {
		name string
		say  func(minute int64) (level float64, known bool)
		want rules.State
	}{
		{"OK after three minutes", func(m int64) (float64, bool) { return level(m < 3), true }, rules.Passed},
		{"silent, and OK at the end", func(m int64) (float64, bool) { return level(m < 3), m < 3 || m > 12 }, rules.Monitoring},
		{"never OK", func(int64) (float64, bool) { return 1, true }, rules.Monitoring},
		{"OK, and on again", func(m int64) (float64, bool) { return level(m < 3 || m == 9), true }, rules.Failed},
	} {
		p := smallPlan()
		p.Signals[1] = rules.Signal{Name: "pager", Source: "cw", Kind: rules.Alarm, Of: -1, Keep: 30, Period: time.Minute, Every: time.Minute}
		p.Rules[0].Alarm, p.Rules[0].Grace, p.Phases[0].Rollback, p.Phases[1].Rollback = 1, 5*time.Minute, nil, nil
		w := newWorld(t, p)
		w.value = func(signal int, at int64) (float64, float64, bool) {
			if signal == 0 {
				return 0, 600, true
			}
			v, known := tt.say((at - T.Unix()) / 60)
			return v, 1, known
		}
		w.run(T.Add(19 * time.Minute))
		if v := Look(p, w.state).Phases[0]; v.State != tt.want {
			t.Errorf("%s: the phase is %s: %+v", tt.name, v.State, v.Why)
		}
	}
}

// on_no_data = "ignore" is for the rule's own signal. Its alarm must be known all the same.
func TestASilentAlarmIsNotIgnored(t *testing.T) {
	for _, tt := range []struct {
		name        string
		own, paging bool // has data
		level       float64
		want        rules.State
		code        fact.Code
	}{
		{"both are known", true, true, 0, rules.Passed, ""},
		{"the alarm is silent", true, false, 0, rules.Monitoring, fact.WhyAlarmUnknown},
		{"both are silent", false, false, 0, rules.Monitoring, fact.WhyAlarmUnknown},
		{"the alarm is known", false, true, 0, rules.Passed, ""},
		{"the alarm goes off", false, true, 1, rules.Failed, fact.WhyAlarmFired},
	} {
		p := smallPlan()
		p.Signals = append(p.Signals, rules.Signal{Name: "pager", Source: "cw", Kind: rules.Alarm, Of: -1, Keep: 30, Period: time.Minute, Every: time.Minute})
		p.Rules[0].Alarm, p.Rules[0].Grace, p.Rules[0].OnNoData = 2, 5*time.Minute, rules.PolicyIgnore
		p.Rules = append(p.Rules, rules.Rule{Name: "other", Kind: rules.Success, Signal: 1, When: pct("< 1 %"), Alarm: -1, Coverage: .8})
		p.Phases[0].Success, p.Phases[0].Rollback, p.Phases[1].Rollback = []int{0, 3}, nil, nil
		w := newWorld(t, p)
		w.value = func(signal int, at int64) (float64, float64, bool) {
			switch signal {
			case 0:
				return 0, 600, tt.own
			case 2:
				return tt.level * level(at >= T.Unix()+300), 1, tt.paging
			}
			return 0, 600, true
		}
		w.run(T.Add(24 * time.Minute))
		v := Look(p, w.state).Phases[0]
		if v.State != tt.want || tt.code != "" && v.Success[0].Why.Code != tt.code {
			t.Errorf("%s: the phase is %s: %+v, its rule %+v", tt.name, v.State, v.Why, v.Success[0].Why)
		}
	}
}

// A rollback rule that only an earlier phase names is watched to the end of the run: the
// last phase does not pass over it.
func TestTheLastPhaseWaitsForAnEarlierRule(t *testing.T) {
	for _, tt := range []struct {
		name string
		bad  func(minute int64) (float64, bool)
		at   int
		want rules.State
		rule string
	}{
		{"quiet", func(int64) (float64, bool) { return 0, true }, 53, rules.Passed, "few"},
		{"breaching", func(m int64) (float64, bool) { return 60 * level(m >= 45), true }, 53, rules.Monitoring, "high"},
		{"fired then", func(m int64) (float64, bool) { return 60 * level(m >= 45), true }, 58, rules.RolledBack, "high"},
		{"silent", func(m int64) (float64, bool) { return 0, m < 30 }, 53, rules.Monitoring, "high"},
	} {
		p := smallPlan()
		p.Rules[0].Signal, p.Phases[1].Rollback = 1, []int{2}
		w := newWorld(t, p)
		w.value = func(signal int, at int64) (float64, float64, bool) {
			if signal == 1 {
				return 0, 600, true
			}
			bad, known := tt.bad((at - T.Unix()) / 60)
			return bad, 600, known
		}
		w.run(T.Add(time.Duration(tt.at) * time.Minute))
		if v := Look(p, w.state).Phases[1]; v.State != tt.want || v.Why.Rule != tt.rule {
			t.Errorf("%s: the phase is %s: %+v", tt.name, v.State, v.Why)
		}
	}
}

func level(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

// An alarm that was OK before its phase, and of which no whole period lies in the window,
// lets nothing pass, however far the rule's over reaches back.
func TestAnAlarmBeforeItsPhaseLetsNothingPass(t *testing.T) {
	p := smallPlan()
	p.Signals[0].Kind, p.Signals[0].Unit, p.Signals[0].Period, p.Signals[0].Every = rules.Alarm, 0, 3*time.Minute, 3*time.Minute
	p.Rules[0].When, p.Rules[0].Over, p.Rules[0].MinSamples = rules.Condition{Op: rules.Equal}, 6*time.Minute, 0
	p.Phases = p.Phases[:1]
	p.Phases[0].Window, p.Phases[0].Start, p.Phases[0].Rollback, p.Phases[0].Extend = 4*time.Minute, time.Minute, nil, time.Minute
	p.Communications = nil
	w := newWorld(t, p)
	w.value = func(int, int64) (float64, float64, bool) { return 0, 1, true }
	w.run(T.Add(20 * time.Minute))
	if v := Look(p, w.state).Phases[0]; v.State == rules.Passed {
		t.Errorf("the phase has passed on %+v", v.Success[0].Evidence)
	}
}
