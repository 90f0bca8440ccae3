package evaluator

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

const minute = int64(60)

// minuteOf gives a period's place after T.
func minuteOf(at int64) int64 { return (at - T.Unix()) / minute }

func (w *world) want(lines ...string) {
	w.t.Helper()
	got := w.lines()
	rest := got
	for _, l := range lines {
		i := strings.Index(rest, l)
		if i < 0 {
			w.t.Fatalf("want in this order: %q, got\n%s", l, got)
		}
		rest = rest[i+len(l):]
	}
}

func (w *world) never(line string) {
	w.t.Helper()
	if got := w.lines(); strings.Contains(got, line) {
		w.t.Fatalf("want never: %q, got\n%s", line, got)
	}
}

func (w *world) command(c fact.Command) string {
	w.t.Helper()
	c.By, c.Why = "ann", "drill"
	for _, e := range w.tick(c) {
		if e.Kind == fact.CommandEvent {
			if e.To == "refused" {
				e.Why.Text = ""
				return factsOf(e.Why, nil)
			}
			return e.To
		}
	}
	return "silence"
}

func TestRuns(t *testing.T) {
	bad := func(signal int, from, to int64) func(int, int64) (float64, float64, bool) {
		return func(s int, at int64) (float64, float64, bool) {
			if m := minuteOf(at); s == signal && m >= from && m < to {
				return 50, 1000, true
			}
			return healthy(s, at)
		}
	}
	tests := []struct {
		name  string
		plan  func(*rules.Plan)
		value func(int, int64) (float64, float64, bool)
		bend  func(*world, *rules.Reading) bool
		want  []string
		never []string
	}{
		{name: "all is well", want: []string{
			"02:17:00 phase ten: monitoring => passed (threshold) rules_hold rule=few 2/2 0.001 15/15 15000",
			"02:20:00 phase all: waiting => monitoring", "02:25:00 communication live: waiting => due",
			"02:52:00 run REL: monitoring => passed (threshold) all_passed 0/2",
		}},
		{name: "errors for ten minutes roll back", value: bad(0, 5, 99), want: []string{
			"02:06:00 rule high: clear => breaching (threshold) measured 0.05 1/1 1000",
			"02:15:00 rule high: breaching => fired (threshold) measured 0.05 10/10 10000",
			"run REL: monitoring => rolled_back", "phase ten: monitoring => rolled_back", "verdict ten: pending => rollback", "phase all: waiting => rolled_back",
			"communication live: waiting => skipped",
		}},
		{name: "a blip of a minute does nothing", value: bad(0, 5, 6), want: []string{"breaching => clear", "run REL: monitoring => passed"}, never: []string{"fired"}},
		{name: "nine minutes are not ten", value: bad(0, 5, 14), want: []string{"rule few: pending => fail", "verdict ten: pending => fail", "run REL: monitoring => failed"}, never: []string{"fired"}},
		{name: "a trailing share fires by itself", value: bad(1, 5, 99), want: []string{"rule crashy: clear => fired (threshold) measured 0.02", "/"}},
		{name: "silence is pending, then unknown, never a pass",
			value: func(s int, at int64) (float64, float64, bool) { return 1, 1000, s == 1 || minuteOf(at) < 5 },
			want:  []string{"rule high: clear => silent (no_data)", "02:25:00 verdict ten: pending => unknown (no_data)"}, never: []string{"phase ten: monitoring => passed", "phase all: waiting => monitoring"}},
		{name: "an outage is asked again and passes",
			bend: func(w *world, rd *rules.Reading) bool {
				if m := minuteOf(w.now.Unix()); m >= 8 && m < 19 {
					*rd = rules.Reading{Signal: rd.Signal, From: rd.From, To: rd.To, Fault: rules.Unavailable, Detail: "500"}
				}
				return true
			},
			want: []string{"signal errors: ok => unavailable (source_error) signal_fault \"500\"", "silent", "signal errors: unavailable => ok", "phase ten: monitoring => passed", "run REL: monitoring => passed"}},
		{name: "a breach that began in an outage and lasts is found", value: bad(0, 3, 20),
			bend: func(w *world, rd *rules.Reading) bool { m := minuteOf(w.now.Unix()); return m < 3 || m >= 16 },
			want: []string{"02:16:00 rule high: silent => fired (threshold) measured 0.05 13/13 13000"}},
		{name: "a peak that is corrected away never was",
			bend: func(w *world, rd *rules.Reading) bool {
				for i := range rd.Points {
					if p := &rd.Points[i]; rd.Signal == 0 && w.now.Unix()-p.At < 3*minute && minuteOf(p.At) >= 4 && minuteOf(p.At) < 20 {
						p.Value = 100
					}
				}
				return true
			},
			want: []string{"rule high: clear => breaching", "breaching => clear", "run REL: monitoring => passed"}, never: []string{"fired"}},
		{name: "a pass that comes late still comes",
			bend: func(w *world, rd *rules.Reading) bool { m := minuteOf(w.now.Unix()); return m < 10 || m >= 27 },
			want: []string{"02:25:00 verdict ten: pending => unknown (stale)", "02:27:00 phase ten: monitoring => passed", "verdict ten: unknown => pass", "02:27:30 phase all: waiting => monitoring"}},
		{name: "no data by policy fails the phase",
			plan:  func(p *rules.Plan) { p.Rules[0].OnNoData, p.Rules[0].Grace = rules.PolicyFail, 2*time.Minute },
			value: func(s int, at int64) (float64, float64, bool) { return 1, 1000, s == 1 },
			want:  []string{"rule few: pending => fail (no_data) policy rule=few cause=no_data policy=fail until=02:05:00 since=02:00:00", "phase ten: monitoring => failed (no_data)"}},
		{name: "no data by policy rolls back, for a success rule too",
			plan:  func(p *rules.Plan) { p.Rules[0].OnNoData = rules.PolicyRollback },
			value: func(s int, at int64) (float64, float64, bool) { return 1, 1000, s == 1 },
			want:  []string{"rule few: pending => rollback (no_data)", "run REL: monitoring => rolled_back (no_data)"}},
		{name: "an error by policy fires the rollback rule",
			plan: func(p *rules.Plan) { p.Rules[1].OnError, p.Rules[1].Grace = rules.PolicyRollback, time.Minute },
			bend: func(w *world, rd *rules.Reading) bool { rd.Points, rd.Fault = nil, rules.AuthFault; return true },
			want: []string{"rule high: idle => silent (source_error)", "rule high: silent => fired (source_error)", "run REL: monitoring => rolled_back"}},
		{name: "an error by policy fails the phases that name the rule",
			plan: func(p *rules.Plan) { p.Rules[1].OnError = rules.PolicyFail },
			bend: func(w *world, rd *rules.Reading) bool { rd.Points, rd.Fault = nil, rules.ConfigFault; return true },
			want: []string{"rule high: idle => silent (config)", "phase ten: monitoring => failed (config)"}},
		{name: "silence that is ignored is not counted, and something must still be judged",
			plan: func(p *rules.Plan) {
				for i := range p.Rules {
					p.Rules[i].OnNoData = rules.PolicyIgnore
				}
			},
			value: func(s int, at int64) (float64, float64, bool) { return 1, 1000, false },
			want:  []string{"verdict ten: pending => unknown (no_data)"}, never: []string{"=> passed"}},
		{name: "one rule is ignored, the other passes",
			plan:  func(p *rules.Plan) { p.Rules[2].OnNoData = rules.PolicyIgnore },
			value: func(s int, at int64) (float64, float64, bool) { return 1, 1000, s == 0 },
			want:  []string{"phase ten: monitoring => passed", "run REL: monitoring => passed"}},
		{name: "a thin window is not a pass",
			value: func(s int, at int64) (float64, float64, bool) { return 0, 3, true },
			want:  []string{"verdict ten: pending => unknown (insufficient_samples) by_rule rule=few"}},
		{name: "a window with gaps is not a pass",
			plan:  func(p *rules.Plan) { p.Rules[0].MinSamples = 0 },
			value: func(s int, at int64) (float64, float64, bool) { return 0, 300, at/60%2 == 0 },
			want:  []string{"verdict ten: pending => unknown (insufficient_samples) by_rule rule=few"}},
		{name: "numbers that are none are missing",
			bend: func(w *world, rd *rules.Reading) bool {
				for i := range rd.Points {
					rd.Points[i].Value = math.NaN()
				}
				return true
			},
			want: []string{"verdict ten: pending => unknown"}, never: []string{"=> passed", "=> clear"}},
		{name: "the next starts when the one before passes",
			plan: func(p *rules.Plan) { p.Phases[1].Advance = rules.OnPass },
			want: []string{"02:17:00 phase ten: monitoring => passed", "02:17:00 phase all: waiting => monitoring (window) started_after phase=ten", "02:49:00 phase all: monitoring => passed"}},
		{name: "wider buckets are judged in their own width",
			plan: func(p *rules.Plan) { p.Phases[0].Window, p.Phases[1].Start = 30*time.Minute, 50*time.Minute },
			bend: func(w *world, rd *rules.Reading) bool {
				if rd.Signal == 0 && minuteOf(w.now.Unix()) >= 3 {
					rd.Width, rd.Points = 600, nil
					rd.SettledUntil = series.AlignDown(rd.SettledUntil, 600)
					for at := series.AlignDown(rd.From, 600); at < rd.To; at += 600 {
						rd.Points = append(rd.Points, rules.Point{At: at, Value: 1, Samples: 1000})
					}
				}
				return true
			},
			want: []string{"rule few: pending => pass (threshold) measured 0.001 3/3"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := smallPlan()
			if tt.plan != nil {
				tt.plan(p)
			}
			w := newWorld(t, p)
			if tt.value != nil {
				w.value = tt.value
			}
			if tt.bend != nil {
				w.bend = func(rd *rules.Reading) bool { return tt.bend(w, rd) }
			}
			w.run(T.Add(70 * time.Minute))
			w.want(tt.want...)
			for _, l := range tt.never {
				w.never(l)
			}
		})
	}
}

func TestCommands(t *testing.T) {
	t.Run("refusals", func(t *testing.T) {
		w := newWorld(t, smallPlan())
		w.run(T.Add(2 * time.Minute))
		for _, tt := range []struct {
			c    fact.Command
			want string
		}{
			{fact.Command{Kind: "dance"}, "unknown_command"},
			{fact.Command{Kind: fact.StartPhase, Phase: "ten"}, "phase_is phase=ten state=monitoring"},
			{fact.Command{Kind: fact.StartPhase, Phase: "none"}, "no_such_phase phase=none"},
			{fact.Command{Kind: fact.Resume}, "not_held"},
			{fact.Command{Kind: fact.RollbackDone}, "not_rolled_back"},
			{fact.Command{Kind: fact.Override, Phase: "ten", Verdict: rules.Rollback}, "pass_or_fail verdict=rollback"},
			{fact.Command{Kind: fact.Override, Phase: "none", Verdict: rules.Pass}, "no_such_phase phase=none"},
			{fact.Command{ID: "1", Kind: fact.Hold}, "applied"},
			{fact.Command{ID: "1", Kind: fact.Hold}, "silence"},
			{fact.Command{ID: "2", Kind: fact.Hold}, "held_already"},
			{fact.Command{ID: "1", Kind: fact.Hold, Principal: "other"}, "held_already"}, // no answer for another token's command
			{fact.Command{Kind: fact.StartPhase}, "run_held"},
			{fact.Command{Kind: fact.Resume}, "applied"},
			{fact.Command{Kind: fact.StartPhase}, "phase_watched phase=ten until=02:15:00"},
			{fact.Command{Kind: fact.Override, Phase: "ten", Verdict: rules.Pass}, "applied"},
			{fact.Command{Kind: fact.StartPhase}, "applied"},
			{fact.Command{Kind: fact.StartPhase}, "no_phase_waits"},
			{fact.Command{Kind: fact.Override, Verdict: rules.Fail}, "applied"},
			{fact.Command{Kind: fact.Override, Phase: "all", Verdict: rules.Fail}, "phase_is phase=all state=failed"},
			{fact.Command{ID: "3", Kind: fact.Override, Phase: "all", Verdict: rules.Pass}, "applied"},
			{fact.Command{ID: "3", Kind: fact.Override, Phase: "all", Verdict: rules.Fail}, "applied"}, // the id of another command hides none
			{fact.Command{ID: "3", Kind: fact.Override, Phase: "all", Verdict: rules.Fail}, "silence"},
			{fact.Command{ID: "4", Kind: fact.Override, Phase: "all", Verdict: rules.Pass}, "applied"},
			{fact.Command{ID: "1", Kind: fact.Abort}, "applied"},
			{fact.Command{Kind: fact.Abort}, "run_is state=rolled_back"},
			{fact.Command{Kind: fact.Hold}, "run_is state=rolled_back"},
			{fact.Command{Kind: fact.StartPhase}, "no_phase_waits"},
			{fact.Command{Kind: fact.Override, Phase: "ten", Verdict: rules.Pass}, "override_run"},
			{fact.Command{Kind: fact.Override, Verdict: rules.Fail}, "only_pass"},
			{fact.Command{Kind: fact.RollbackDone}, "applied"},
			{fact.Command{Kind: fact.Abort}, "run_done"},
		} {
			if got := w.command(tt.c); got != tt.want {
				t.Errorf("%+v: got %q, want %q", tt.c, got, tt.want)
			}
			w.now = w.now.Add(time.Second)
		}
		v := Look(w.plan, w.state)
		if !v.Over || !v.RolledBack || v.State != rules.RolledBack || v.Verdict != rules.Fail || v.Cause != rules.CauseManual || v.Fired == nil || v.Fired.By != "ann" {
			t.Errorf("after all: %+v", v)
		}
		if got := Wants(w.plan, w.state, w.now); got != nil {
			t.Errorf("a run that is over asks %v", got)
		}
		_, events := Step(w.plan, w.state, fact.Tick{At: w.now, Commands: []fact.Command{{Kind: fact.Hold, Why: "x"}, {Kind: fact.Hold, By: "x"}}})
		if len(events) != 2 || events[0].Why.Code != fact.WhyNoAuthor || events[1].Why.Code != fact.WhyNoReason {
			t.Errorf("nameless commands: %v", events)
		}
	})
	t.Run("hold keeps from passing and starting, not from firing", func(t *testing.T) {
		w := newWorld(t, smallPlan())
		w.run(T.Add(3 * time.Minute))
		w.command(fact.Command{Kind: fact.Hold})
		w.run(T.Add(40 * time.Minute))
		w.never("=> passed")
		if v := Look(w.plan, w.state); v.State != rules.Held || v.Phases[0].Verdict != rules.Pending || v.Phases[0].Cause != rules.CauseManual || v.Phases[0].Why.Code != fact.WhyHeld {
			t.Errorf("held: %v, phase %v %v %+v", v.State, v.Phases[0].Verdict, v.Phases[0].Cause, v.Phases[0].Why)
		}
		w.command(fact.Command{Kind: fact.Resume})
		w.run(T.Add(43 * time.Minute))
		w.want("run REL: monitoring => held (manual)", "run REL: held => monitoring", "02:40:00 phase ten: monitoring => passed", "02:40:00 phase all: waiting => monitoring")
	})
	t.Run("a signalled phase waits for its signal", func(t *testing.T) {
		p := smallPlan()
		p.Phases[1].Advance = rules.Signalled
		w := newWorld(t, p)
		w.run(T.Add(30 * time.Minute))
		if v := Look(p, w.state).Phases[1]; v.State != rules.Waiting || v.Cause != rules.CauseApproval || v.Verdict != rules.Pending {
			t.Errorf("before: %v %v %v", v.State, v.Cause, v.Verdict)
		}
		w.command(fact.Command{Kind: fact.StartPhase, Phase: "all"})
		w.run(T.Add(70 * time.Minute))
		w.want("02:30:00 command start:  => applied", "02:30:00 phase all: waiting => monitoring", "03:02:00 run REL: monitoring => passed")
	})
	t.Run("a rollback that is overridden goes on, and fires only on what is new", func(t *testing.T) {
		w := newWorld(t, smallPlan())
		w.value = func(s int, at int64) (float64, float64, bool) {
			if m := minuteOf(at); s == 0 && m >= 2 && m < 16 {
				return 50, 1000, true
			}
			return healthy(s, at)
		}
		w.run(T.Add(14 * time.Minute))
		w.command(fact.Command{Kind: fact.Override, Verdict: rules.Pass})
		w.run(T.Add(16 * time.Minute))
		w.want("rule high: breaching => fired", "run REL: monitoring => rolled_back", "rule high: fired => idle (manual)", "run REL: rolled_back => monitoring", "phase ten: rolled_back => monitoring", "verdict ten: rollback => pending", "phase all: rolled_back => waiting", "rule high: idle => breaching")
		if v := Look(w.plan, w.state); v.Fired != nil || v.Over {
			t.Errorf("still fired: %v", v.Fired)
		}
		w.command(fact.Command{Kind: fact.Override, Phase: "ten", Verdict: rules.Pass})
		w.run(T.Add(70 * time.Minute))
		w.want("command override:  => applied", "phase ten: monitoring => passed (manual) overridden phase=ten verdict=pass", "verdict ten: pending => pass", "run REL: monitoring => passed")
	})
	t.Run("a failure that is overridden opens the run again", func(t *testing.T) {
		w := newWorld(t, smallPlan())
		w.value = func(s int, at int64) (float64, float64, bool) { return 20, 1000, true }
		w.run(T.Add(20 * time.Minute))
		w.want("run REL: monitoring => failed")
		if v := Look(w.plan, w.state); !v.Over || v.Verdict != rules.Fail {
			t.Errorf("failed: over %v, verdict %v", v.Over, v.Verdict)
		}
		w.value = healthy
		w.command(fact.Command{Kind: fact.Override, Phase: "ten", Verdict: rules.Pass})
		w.run(T.Add(70 * time.Minute))
		w.want("run REL: failed => monitoring (manual)", "phase all: waiting => monitoring", "run REL: monitoring => passed")
	})
}

// When a policy acted is said once: an advisory rule is judged on, and stays as
// long unjudged as it was then.
func TestAPolicyActsOnce(t *testing.T) {
	w := newWorld(t, smallPlan())
	w.plan.Rules[0].OnNoData, w.plan.Rules[0].Grace, w.plan.Rules[0].Gate = rules.PolicyFail, 2*time.Minute, rules.Advisory
	w.value = func(s int, at int64) (float64, float64, bool) { return 1, 1000, s == 1 }
	for _, minutes := range []int{10, 14} {
		w.run(T.Add(time.Duration(minutes) * time.Minute))
		got := factsOf(Look(w.plan, w.state).Phases[0].Success[0].Why, nil)
		if want := "policy rule=few cause=no_data policy=fail until=02:05:00 since=02:00:00"; got != want {
			t.Errorf("after %d minutes: got %s, want %s", minutes, got, want)
		}
	}
}

// A run that is held when its last window ends has passed when it is resumed.
func TestAHeldRunPassesWhenItIsResumed(t *testing.T) {
	w := after(t, 30, nil)
	w.command(fact.Command{Kind: fact.Override, Phase: "all", Verdict: rules.Pass})
	w.now = w.now.Add(w.plan.Interval)
	w.command(fact.Command{Kind: fact.Hold})
	w.run(T.Add(70 * time.Minute))
	if v := Look(w.plan, w.state); v.State != rules.Held || v.Verdict != rules.Pending || v.Why.Code != fact.WhyHeld || v.Over {
		t.Fatalf("the held run is %v %v, %v, over %v", v.State, v.Verdict, v.Why.Code, v.Over)
	}
	w.command(fact.Command{Kind: fact.Resume})
	if v := Look(w.plan, w.state); v.State != rules.Passed || v.Verdict != rules.Pass || !v.Over {
		t.Errorf("the resumed run is %v %v, over %v:\n%s", v.State, v.Verdict, v.Over, w.lines())
	}
}

// The event of a command says which phase it is about, also where the command
// leaves that to the run.
func TestACommandSaysWhichPhaseItMeans(t *testing.T) {
	w := newWorld(t, smallPlan())
	w.plan.Phases[1].Advance = rules.Signalled
	w.run(T.Add(18 * time.Minute))
	w.command(fact.Command{Kind: fact.StartPhase})
	w.command(fact.Command{Kind: fact.Override, Verdict: rules.Fail})
	w.command(fact.Command{Kind: fact.Abort})
	w.command(fact.Command{Kind: fact.Override, Verdict: rules.Pass})
	w.want("command start:  => applied (manual) commanded phase=all", "command override:  => applied (manual) commanded phase=all verdict=fail",
		"command abort:  => applied (manual) commanded \"drill\"", "command override:  => applied (manual) commanded verdict=pass \"drill\"")
}

// A phase that has not begun says what a start would be refused for.
func TestAPhaseSaysWhatKeepsItFromStarting(t *testing.T) {
	silent := func(s int, at int64) (float64, float64, bool) { return 1, 1000, s == 1 || minuteOf(at) < 5 }
	hold := func(w *world) { w.command(fact.Command{Kind: fact.Hold}) }
	fail := func(w *world) { w.command(fact.Command{Kind: fact.Override, Phase: "ten", Verdict: rules.Fail}) }
	for _, tt := range []struct {
		name    string
		advance rules.Advance
		minutes int
		value   func(int, int64) (float64, float64, bool)
		do      func(*world)
		want    string
	}{
		{"before T", rules.Signalled, -1, healthy, nil, "phase_not_begun phase=ten"},
		{"signalled, the one before is watched", rules.Signalled, 5, healthy, nil, "phase_watched phase=ten until=02:15:00"},
		{"signalled, the one before has passed", rules.Signalled, 19, healthy, nil, "awaits_command"},
		{"signalled, the run is held", rules.Signalled, 19, healthy, hold, "run_held"},
		{"signalled, the one before could not be judged", rules.Signalled, 16, silent, nil, "phase_not_passed phase=ten"},
		{"signalled, the one before has failed", rules.Signalled, 5, healthy, fail, "run_is state=failed"},
		{"on pass, before T", rules.OnPass, -1, healthy, nil, "awaits_pass phase=ten"},
		{"on pass, the one before is watched", rules.OnPass, 5, healthy, nil, "awaits_pass phase=ten"},
		{"on pass, the one before could not be judged", rules.OnPass, 16, silent, nil, "awaits_pass phase=ten"},
		{"on pass, the run is held", rules.OnPass, 5, healthy, hold, "run_held"},
		{"on pass, the one before has failed", rules.OnPass, 5, healthy, fail, "run_is state=failed"},
		{"scheduled, not yet due", rules.Scheduled, 5, healthy, nil, "begins until=02:20:00"},
		{"scheduled, the one before could not be judged", rules.Scheduled, 22, silent, nil, "phase_not_passed phase=ten"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t, smallPlan())
			w.plan.Phases[1].Advance, w.value = tt.advance, tt.value
			w.run(T.Add(time.Duration(tt.minutes) * time.Minute))
			if tt.do != nil {
				tt.do(w)
			}
			got := Look(w.plan, w.state).Phases[1].Why
			if facts := factsOf(got, nil); facts != tt.want {
				t.Errorf("got %s, want %s", facts, tt.want)
			}
			refused := ""
			if refused = w.command(fact.Command{Kind: fact.StartPhase, Phase: "all"}); tt.advance == rules.Signalled && tt.want != "awaits_command" && refused != tt.want {
				t.Errorf("it says %s, a start is refused with %s", tt.want, refused)
			}
		})
	}
}
