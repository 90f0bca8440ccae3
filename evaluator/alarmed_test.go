package evaluator

import (
	"math"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// alarmedPlan is a phase with one rollback rule, on errors, that names an alarm. The
// window is half an hour.
func alarmedPlan(method rules.Method) *rules.Plan {
	p := smallPlan()
	p.Signals[1] = rules.Signal{Name: "pager", Source: "am", Kind: rules.Alarm, Of: -1, Keep: 1, Period: time.Minute, Every: time.Minute}
	p.Rules = p.Rules[:2]
	p.Rules[1].Alarm = 1
	if r := &p.Rules[1]; method == rules.Sequential {
		r.Method, r.Limit, r.Trigger, r.Alpha, r.For, r.Coverage = method, .01, .03, .01, 0, .5
		p.FalsePass, p.FalseRollback = .05, .01
	}
	p.Phases = p.Phases[:1]
	p.Phases[0].Window, p.Phases[0].Rollback, p.Phases[0].Traffic = 30*time.Minute, []int{1}, .1
	p.Communications = nil
	return p
}

// alarmOf tells what an alarm says in a period that begins at a time.
type alarmOf func(at time.Time) (on, known bool)

var (
	// From ten minutes into the phase on.
	alarmOn = alarmOf(func(at time.Time) (bool, bool) { return !at.Before(T.Add(10 * time.Minute)), true })
	// For a minute, ten minutes into the phase.
	alarmFlashes = alarmOf(func(at time.Time) (bool, bool) { return at.Equal(T.Add(10 * time.Minute)), true })
	alarmOff     = alarmOf(func(time.Time) (bool, bool) { return false, true })
	alarmSilent  = alarmOf(func(time.Time) (bool, bool) { return false, false })
	// From a quarter of an hour before T to the end.
	alarmBefore = alarmOf(func(at time.Time) (bool, bool) { return true, true })
	// OK once, five minutes into the phase, and on again from minute ten on.
	alarmAgain = alarmOf(func(at time.Time) (bool, bool) {
		return at.Before(T.Add(5*time.Minute)) || !at.Before(T.Add(10*time.Minute)), true
	})
	// On until it falls silent, before the phase.
	alarmWasOn = alarmOf(func(at time.Time) (bool, bool) { return true, at.Before(T.Add(-3 * time.Minute)) })
)

// alarmedWorld is the run of a plan whose own numbers are bad from five minutes on, good,
// or silent.
func alarmedWorld(t *testing.T, p *rules.Plan, own string, alarm alarmOf) *world {
	w := newWorld(t, p)
	w.now = T.Add(-10 * time.Minute)
	w.value = func(signal int, at int64) (v, n float64, ok bool) {
		if signal == 1 {
			on, known := alarm(time.Unix(at, 0))
			if on {
				return 1, 1, known
			}
			return 0, 1, known
		}
		switch {
		case own == "silent" && at >= T.Unix():
			return 0, 0, false
		case own == "bad" && at >= T.Add(5*time.Minute).Unix():
			return 60, 1000, true
		}
		return 1, 1000, true
	}
	w.bend = func(rd *rules.Reading) bool {
		if len(rd.Points) == 0 {
			rd.Fault, rd.SettledUntil = rules.NoData, 0
		}
		return true
	}
	return w
}

// TestARollbackRuleFiresByItsNumbersOrByItsAlarm: by either, by both, and once.
func TestARollbackRuleFiresByItsNumbersOrByItsAlarm(t *testing.T) {
	for _, method := range []rules.Method{rules.ByThreshold, rules.Sequential} {
		for _, tt := range []struct {
			own   string
			name  string
			alarm alarmOf
			fires bool
			by    bool            // the alarm is why
			state fact.AlarmState // of the alarm, at the end
			ends  rules.State     // of the run
		}{
			{"good", "on", alarmOn, true, true, fact.AlarmOn, rules.RolledBack},
			{"good", "for a minute", alarmFlashes, true, true, "", rules.RolledBack},
			{"good", "off", alarmOff, false, false, fact.AlarmOff, rules.Passed},
			{"good", "silent", alarmSilent, false, false, fact.AlarmUnknown, rules.Passed},
			{"good", "on before T", alarmBefore, false, false, fact.AlarmBefore, rules.Monitoring},
			{"good", "on before T, OK, and on again", alarmAgain, true, true, fact.AlarmOn, rules.RolledBack},
			{"good", "silent since before T", alarmWasOn, false, false, fact.AlarmUnknown, rules.Passed},
			{"bad", "on", alarmOn, true, method == rules.ByThreshold, "", rules.RolledBack},
			{"bad", "off", alarmOff, true, false, fact.AlarmOff, rules.RolledBack},
			{"bad", "silent", alarmSilent, true, false, fact.AlarmUnknown, rules.RolledBack},
			{"bad", "on before T", alarmBefore, true, false, fact.AlarmBefore, rules.RolledBack},
			{"silent", "on", alarmOn, true, true, fact.AlarmOn, rules.RolledBack},
			{"silent", "off", alarmOff, false, false, fact.AlarmOff, rules.Monitoring},
			{"silent", "silent", alarmSilent, false, false, fact.AlarmUnknown, rules.Monitoring},
			{"silent", "on before T", alarmBefore, false, false, fact.AlarmBefore, rules.Monitoring},
		} {
			w := alarmedWorld(t, alarmedPlan(method), tt.own, tt.alarm)
			w.run(T.Add(33 * time.Minute))
			name := method.String() + ", its numbers " + tt.own + ", the alarm " + tt.name
			fired := w.rules("fired")
			if got := len(fired) > 0; got != tt.fires || len(fired) > 1 {
				t.Fatalf("%s: fired %d times, want %t\n%s", name, len(fired), tt.fires, w.lines())
			}
			if got := w.runs("rolled_back"); got != len(fired) {
				t.Errorf("%s: %d orders, want %d", name, got, len(fired))
			}
			v := Look(w.plan, w.state)
			a := v.Rollback[0].Evidence.Alarm
			if a == nil || tt.state != "" && a.State != tt.state || a.Fired != tt.by {
				t.Errorf("%s: alarm %+v, want %s, why it fired: %t", name, a, tt.state, tt.by)
			}
			if v.State != tt.ends {
				t.Errorf("%s: the run is %s, want %s\n%s", name, v.State, tt.ends, w.lines())
			}
			if tt.by && tt.name == "on" && !fired[0].At.Equal(T.Add(11*time.Minute)) {
				t.Errorf("%s: fired at %s, want with the question after it went on", name, fired[0].At.Format("15:04"))
			}
		}
	}
}

// rules are the events of rollback rules that lead to a state.
func (w *world) rules(to string) (list []fact.Event) {
	for _, e := range w.events {
		if e.Kind == fact.RuleEvent && e.To == to {
			list = append(list, e)
		}
	}
	return list
}

// runs is how often the run has come to a state.
func (w *world) runs(to string) (n int) {
	for _, e := range w.events {
		if e.Kind == fact.RunEvent && e.To == to {
			n++
		}
	}
	return n
}

// TestBothWaysAtOnceGiveOneOrder: the numbers and the alarm speak in the same tick.
func TestBothWaysAtOnceGiveOneOrder(t *testing.T) {
	own := alarmedWorld(t, alarmedPlan(rules.ByThreshold), "bad", alarmOff)
	own.run(T.Add(40 * time.Minute))
	at := own.rules("fired")[0].At
	w := alarmedWorld(t, alarmedPlan(rules.ByThreshold), "bad", func(start time.Time) (bool, bool) {
		return !start.Before(at.Truncate(time.Minute).Add(-time.Minute)), true
	})
	w.run(T.Add(40 * time.Minute))
	fired := w.rules("fired")
	if len(fired) != 1 || w.runs("rolled_back") != 1 || !fired[0].At.Equal(at) {
		t.Fatalf("got %d orders of %d rules, want one at %s\n%s", w.runs("rolled_back"), len(fired), at.Format("15:04:05"), w.lines())
	}
	if a := fired[0].Evidence.Alarm; a.State != fact.AlarmOn || a.Fired {
		t.Errorf("alarm %+v: want on, beside the rule's own numbers", a)
	}
}

// TestAnAlarmThatMayStillChangeIsNotOn: it counts once it has settled.
func TestAnAlarmThatMayStillChangeIsNotOn(t *testing.T) {
	p := alarmedPlan(rules.ByThreshold)
	p.Signals[1].Settle = 3 * time.Minute
	w := alarmedWorld(t, p, "good", alarmOn)
	w.run(T.Add(13 * time.Minute))
	if a := Look(w.plan, w.state).Rollback[0].Evidence.Alarm; a.State != fact.AlarmOff {
		t.Errorf("alarm %+v before it has settled, want off", a)
	}
	w.run(T.Add(40 * time.Minute))
	if fired := w.rules("fired"); len(fired) != 1 || fired[0].At.Before(T.Add(14*time.Minute)) || fired[0].At.After(T.Add(15*time.Minute)) {
		t.Errorf("got %s", w.lines())
	}
	// One that is corrected before it has settled was never on.
	p = alarmedPlan(rules.ByThreshold)
	p.Signals[1].Settle = 3 * time.Minute
	w = alarmedWorld(t, p, "good", nil)
	honest := w.value
	w.value = func(signal int, at int64) (v, n float64, ok bool) {
		if signal == 1 {
			wrong := at >= T.Add(10*time.Minute).Unix() && w.now.Before(T.Add(12*time.Minute))
			return map[bool]float64{true: 1}[wrong], 1, true
		}
		return honest(signal, at)
	}
	w.run(T.Add(50 * time.Minute))
	if v := Look(w.plan, w.state); v.State != rules.Passed {
		t.Errorf("the run is %s\n%s", v.State, w.lines())
	}
}

// TestNoNumberIsNoAlarm: what an alarm says in NaN, or while it has not enough data, is
// not that it is on.
func TestNoNumberIsNoAlarm(t *testing.T) {
	w := alarmedWorld(t, alarmedPlan(rules.ByThreshold), "good", alarmOff)
	honest := w.value
	w.value = func(signal int, at int64) (v, n float64, ok bool) {
		if v, n, ok = honest(signal, at); signal == 1 {
			v = math.NaN()
		}
		return v, n, ok
	}
	w.run(T.Add(50 * time.Minute))
	if v := Look(w.plan, w.state); v.State != rules.Passed || v.Rollback[0].Evidence.Alarm.State != fact.AlarmUnknown {
		t.Errorf("the run is %s, the alarm %+v", v.State, v.Rollback[0].Evidence.Alarm)
	}
}

// TestAnAlarmAfterAnOverride: one that is still on after a person has let the run go on
// speaks once it has been OK.
func TestAnAlarmAfterAnOverride(t *testing.T) {
	again := func(at time.Time) (bool, bool) {
		m := int(at.Sub(T) / time.Minute)
		return m >= 10 && m < 20 || m >= 22, true
	}
	w := alarmedWorld(t, alarmedPlan(rules.ByThreshold), "good", again)
	w.run(T.Add(12 * time.Minute))
	w.tick(fact.Command{ID: "1", Kind: fact.Override, Verdict: rules.Pass, By: "Ada", Why: "a test alarm"})
	w.now = w.now.Add(w.plan.Interval)
	w.run(T.Add(22 * time.Minute))
	if n := len(w.rules("fired")); n != 1 {
		t.Fatalf("fired %d times, want once\n%s", n, w.lines())
	}
	w.run(T.Add(30 * time.Minute))
	if fired := w.rules("fired"); len(fired) != 2 || !fired[1].At.Equal(T.Add(23*time.Minute)) {
		t.Errorf("got %s", w.lines())
	}
}

// TestAnAlarmInShadow: a rule in shadow says what its alarm would have done, and often.
func TestAnAlarmInShadow(t *testing.T) {
	p := alarmedPlan(rules.ByThreshold)
	p.Rules[1].Shadow = true
	w := alarmedWorld(t, p, "good", func(at time.Time) (bool, bool) {
		m := int(at.Sub(T) / time.Minute)
		return m >= 5 && m < 10 || m >= 15 && m < 20, true
	})
	w.run(T.Add(17 * time.Minute))
	if a := Look(w.plan, w.state).Rollback[0].Evidence.Alarm; a.State != fact.AlarmOn || !a.Since.Equal(T.Add(15*time.Minute)) {
		t.Errorf("alarm %+v, want on since minute 15", a)
	}
	w.run(T.Add(50 * time.Minute))
	v := Look(w.plan, w.state)
	if v.State != rules.Passed || v.Rollback[0].WouldHave != 2 || len(w.rules("would_fire")) != 2 {
		t.Errorf("the run is %s, it would have %d times\n%s", v.State, v.Rollback[0].WouldHave, w.lines())
	}
}

// TestAnEditBringsAnAlarm: what is remembered of an alarm goes with that alarm.
func TestAnEditBringsAnAlarm(t *testing.T) {
	for _, tt := range []struct {
		name  string
		from  func(p *rules.Plan)
		to    func(p *rules.Plan)
		fires bool
	}{
		{"the rule names one, that was on before T", func(p *rules.Plan) { p.Rules[1].Alarm = -1 }, func(*rules.Plan) {}, false},
		{"the rule's own signal is another", func(*rules.Plan) {}, func(p *rules.Plan) { p.Signals[0].Name = "failures" }, false},
		{"nothing that matters here", func(*rules.Plan) {}, func(p *rules.Plan) { p.Rules[1].Title = "Errors" }, false},
		{"the rule names none any more", func(*rules.Plan) {}, func(p *rules.Plan) { p.Rules[1].Alarm = -1 }, false},
	} {
		before, after := alarmedPlan(rules.ByThreshold), alarmedPlan(rules.ByThreshold)
		tt.from(before)
		tt.to(after)
		w := alarmedWorld(t, before, "good", alarmBefore)
		w.run(T.Add(12 * time.Minute))
		w.plan, w.state = after, Adopt(before, after, w.state)
		w.run(T.Add(25 * time.Minute))
		if got := len(w.rules("fired")) > 0; got != tt.fires {
			t.Errorf("%s: fired %t, want %t\n%s", tt.name, got, tt.fires, w.lines())
		}
	}
}

// TestAPolicyThatIgnoresSilenceIgnoresNoAlarm: where nothing is known of the rule's own
// numbers, its alarm must be known to be off.
func TestAPolicyThatIgnoresSilenceIgnoresNoAlarm(t *testing.T) {
	for _, tt := range []struct {
		name  string
		alarm alarmOf
		ends  rules.State
		code  fact.Code // why the phase waits
	}{
		{"off", alarmOff, rules.Passed, fact.WhyRulesHold},
		{"silent", alarmSilent, rules.Monitoring, fact.WhyAlarmUnknown},
		{"silent since before T", alarmWasOn, rules.Monitoring, fact.WhyAlarmUnknown},
		{"on before T", alarmBefore, rules.Monitoring, fact.WhyAlarmBefore},
	} {
		p := alarmedPlan(rules.ByThreshold)
		p.Signals = append(p.Signals, p.Signals[0])
		p.Signals[2].Name = "own"
		p.Rules[1].Signal, p.Rules[1].ShownSignal = 2, 2
		p.Rules[1].OnNoData = rules.PolicyIgnore
		w := alarmedWorld(t, p, "", tt.alarm)
		honest := w.value
		w.value = func(signal int, at int64) (v, n float64, ok bool) {
			if v, n, ok = honest(signal, at); signal == 2 {
				return 0, 0, false
			}
			return v, n, ok
		}
		w.run(T.Add(37 * time.Minute))
		v := Look(w.plan, w.state)
		if v.State != tt.ends || v.Phases[0].Why.Code != tt.code {
			t.Errorf("%s: the run is %s, its phase %s, %+v\n%s", tt.name, v.State, v.Phases[0].State, v.Phases[0].Why, w.lines())
		}
		// A phase that fails is not watched for an alarm of which nothing is known.
		w.tick(fact.Command{Kind: fact.Override, By: "ada", Why: "seen", Phase: "ten", Verdict: rules.Fail})
		if accused := Look(w.plan, w.state).Accused; accused != (tt.code == fact.WhyAlarmBefore) {
			t.Errorf("%s: after a failure it is watched: %t", tt.name, accused)
		}
	}
}
