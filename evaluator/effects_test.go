package evaluator

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// wayPlan has a rule that rolls back at once and one that slows the fault down first.
func wayPlan() *rules.Plan {
	p := smallPlan()
	p.WayBack, p.Manager, p.Communications = true, "Manager", nil
	p.Roles = []rules.Role{
		{Name: "ops", Tell: rules.Address{Sink: "slack"}, Page: rules.Address{Sink: "pager"}},
		{Name: "Mobile", Tell: rules.Address{Sink: "slack"}},
		{Name: "Manager", Tell: rules.Address{Sink: "slack"}},
	}
	p.Rules[1].For = 3 * time.Minute
	p.Rules[1].Effects = []rules.Effect{
		{Name: "alias", Do: rules.DoRevert, To: rules.Address{Sink: "alias"}, Ack: rules.DefaultAck, Command: "aws lambda update-alias"},
		{Name: "build", Do: "remove the build", By: "Mobile", Ack: rules.DefaultAck},
	}
	p.Rules[2].Over, p.Rules[2].Owner = 3*time.Minute, "ops"
	p.Rules[2].Effects = []rules.Effect{
		{Name: "hold", Do: rules.DoHold, Ack: rules.DefaultAck},
		{Name: "capacity", Do: "add capacity", To: rules.Address{Sink: "pipeline"}, Ack: rules.DefaultAck},
		{Name: "back", Do: rules.DoRollBack, After: 10 * time.Minute, Ack: rules.DefaultAck},
		{Name: "alias", Do: rules.DoRevert, To: rules.Address{Sink: "alias"}, Ack: rules.DefaultAck, Command: "aws lambda update-alias"},
	}
	return p
}

// badSignal makes a signal bad from a minute after T until another.
func badSignal(signal, from, until int) func(int, int64) (float64, float64, bool) {
	return func(s int, at int64) (float64, float64, bool) {
		if minute := int(at-T.Unix()) / 60; s == signal && minute >= from && minute < until {
			return 100, 1000, true
		}
		return 1, 1000, true
	}
}

// result gives the run what became of the newest event that intended a step.
func (w *world) result(subject string, r fact.Result) []fact.Event {
	w.t.Helper()
	for i := len(w.events) - 1; i >= 0; i-- {
		if e := w.events[i]; e.Kind == fact.EffectEvent && e.Subject == subject && e.To == fact.Intended {
			if r.Event = e.ID; r.Sink == "" {
				r.Sink = e.Tell[0]
			}
			state, events := checkedStep(w.t, w.plan, w.state, fact.Tick{At: w.now, Results: []fact.Result{r}})
			w.state, w.events = state, append(w.events, events...)
			return events
		}
	}
	w.t.Fatalf("%s was never intended:\n%s", subject, w.lines())
	return nil
}

// effectLines are the events of the way back, and of the run, without what is asked before it
// is needed.
func (w *world) effectLines() string {
	var b strings.Builder
	for _, e := range w.events {
		if e.Kind == fact.EffectEvent && e.To == fact.Asked {
			continue
		}
		if e.Kind == fact.EffectEvent || e.Kind == fact.RunEvent || e.Kind == fact.CommandEvent {
			tell := ""
			if len(e.Tell) > 0 {
				tell = "  -> " + strings.Join(e.Tell, " ")
			}
			b.WriteString(strings.TrimSuffix(line(e), "\n") + tell + "\n")
		}
	}
	return b.String()
}

// wants compares the events of the way back and of the run.
func (w *world) wants(want string) {
	w.t.Helper()
	if got := w.effectLines(); got != strings.TrimLeft(want, "\n") {
		w.t.Errorf("got\n%s", got)
	}
}

func TestTheWayBackUntilUsersAreSafe(t *testing.T) {
	w := newWorld(t, wayPlan())
	w.value = badSignal(0, 4, 14)
	w.run(T.Add(11 * time.Minute))
	w.result("high/alias", fact.Result{OK: true, Done: true, Kept: "version 42 has all requests"})
	w.result("high/build", fact.Result{OK: true}) // Slack has it: that is no answer of the person
	w.run(T.Add(13 * time.Minute))
	if v := Look(w.plan, w.state); v.RolledBack || v.Over || v.Verdict != rules.Rollback {
		t.Errorf("a step is not done, and the run is %+v", v.Verdict)
	}
	w.tick(fact.Command{Kind: fact.EffectDone, Subject: "build", By: "ann", Why: "removed"})
	if v := Look(w.plan, w.state); !v.RolledBack || v.Over || v.Verdict != rules.Fail {
		t.Errorf("every step is done, and the run is %+v", v.Verdict)
	}
	w.run(T.Add(40 * time.Minute))
	w.wants(`
02:00:00 run REL: waiting => monitoring (window) under_way phase=ten state=monitoring 0/2
02:07:00 run REL: monitoring => rolled_back (threshold) rule_fired rule=high  -> pager slack
02:07:00 effect high/alias: planned => intended (manual) effect_due rule=high  -> alias
02:07:00 effect high/build: planned => intended (manual) effect_due rule=high  -> slack
02:11:00 effect high/alias: intended => done (manual) effect_done
02:12:00 effect high/build: intended => escalated (manual) effect_unanswered since=02:07:00  -> pager slack
02:13:00 command effect_done:  => applied (manual) commanded "removed"
02:13:00 effect high/build: intended => done (manual) effect_reported
02:13:00 effect REL: intended => taken (manual) rollback_taken  -> slack
02:19:00 effect REL: done => safe (manual) safe since=02:14:00  -> slack
`)
	v := Look(w.plan, w.state)
	if !v.Over || !v.Effects.Ended.Equal(T.Add(14*time.Minute)) || v.Effects.Steps[0].State != fact.Verified || v.Effects.Steps[1].By != "ann" {
		t.Errorf("got over %v, %+v", v.Over, v.Effects)
	}
}

// Where no sink has read back that no one gets the version, three minutes of a few requests
// say nothing: a bad release has such minutes too. It takes as many as tell.
func TestUsersAreSafeByAsManySamplesAsTell(t *testing.T) {
	for _, good := range []bool{false, true} {
		for samples, since := range map[float64]time.Duration{1000: 3, 12: 14} { // minutes until a release at 3 % would have had five bad ones
			p := wayPlan()
			p.Rules[1].Effects, p.Rules[2].Effects = p.Rules[1].Effects[1:], nil
			if p.Signals[0].Good = good; good {
				p.Rules[1].When, p.Rules[0].When = pct("< 97 %"), pct("> 99 %")
			}
			w := newWorld(t, p)
			bad := badSignal(0, 4, 9)
			w.value = func(s int, at int64) (float64, float64, bool) {
				v, n, ok := bad(s, at)
				if s == 0 && at >= T.Unix()+9*60 {
					return 0, samples, ok
				}
				return v, n, ok
			}
			w.run(T.Add(9 * time.Minute))
			w.tick(command(fact.EffectDone, "ann", "", func(c *fact.Command) { c.Subject = "build" }))
			w.run(T.Add(time.Hour))
			v := Look(p, w.state)
			said := T
			for _, e := range w.events {
				if e.Kind == fact.EffectEvent && e.To == fact.Safe {
					said = e.At
				}
			}
			if want := T.Add((9 + since + 2) * time.Minute); !v.Effects.Ended.Equal(T.Add(9*time.Minute)) || !said.Equal(want) {
				t.Errorf("good %v, %v samples a minute: safe since %v, said at %v, want %v", good, samples, v.Effects.Ended, said, want)
			}
		}
	}
}

// A rule that wants no failure at all tells nothing by more samples: three good minutes are
// enough, as for a ladder.
func TestUsersAreSafeByARuleThatWantsNoFailure(t *testing.T) {
	p := wayPlan()
	p.Rules[1].Effects, p.Rules[2].Effects, p.Rules[1].When = p.Rules[1].Effects[1:], nil, pct("> 0 %")
	w := newWorld(t, p)
	w.value = func(s int, at int64) (float64, float64, bool) {
		if minute := int(at-T.Unix()) / 60; s == 0 && minute >= 4 && minute < 9 {
			return 100, 1000, true
		}
		return 0, 1000, true
	}
	w.run(T.Add(9 * time.Minute))
	w.tick(command(fact.EffectDone, "ann", "", func(c *fact.Command) { c.Subject = "build" }))
	w.run(T.Add(20 * time.Minute))
	if v := Look(p, w.state); !v.Effects.Ended.Equal(T.Add(9 * time.Minute)) {
		t.Errorf("safe since %v:\n%s", v.Effects.Ended, w.effectLines())
	}
}

// A ladder ends by three good minutes, however few requests they had.
func TestALadderEndsOnFewRequests(t *testing.T) {
	w := newWorld(t, wayPlan())
	w.value = func(s int, at int64) (float64, float64, bool) {
		minute := int(at-T.Unix()) / 60
		if s == 1 && minute >= 2 && minute < 8 {
			return 100, 1000, true
		}
		if s == 1 && minute >= 8 {
			return 0, 12, true
		}
		return 1, 1000, true
	}
	w.run(T.Add(25 * time.Minute))
	if lines := w.effectLines(); !strings.Contains(lines, "effect crashy/back: planned => dropped") {
		t.Errorf("got\n%s", lines)
	}
}

// Without traffic there is nothing to see: the sink has read back that none comes.
func TestUsersAreSafeWithoutTraffic(t *testing.T) {
	for _, confirmed := range []bool{true, false} {
		for _, answer := range []string{"no minutes", "minutes without a request", "old minutes"} {
			usersWithoutTraffic(t, confirmed, answer)
		}
	}
}

func usersWithoutTraffic(t *testing.T, confirmed bool, answer string) {
	t.Helper()
	p := wayPlan()
	p.Rules[1].Effects = p.Rules[1].Effects[:1]
	w := newWorld(t, p)
	bad := badSignal(0, 4, 60)
	w.value = func(s int, at int64) (float64, float64, bool) {
		if s == 0 && at >= T.Unix()+10*60 {
			return 0, 0, answer == "minutes without a request"
		}
		return bad(s, at)
	}
	w.bend = func(rd *rules.Reading) bool {
		if answer == "old minutes" && rd.Signal == 0 && !w.now.Before(T.Add(14*time.Minute)) {
			*rd = rules.Reading{Signal: 0, From: rd.From, To: rd.To, Fault: rules.StaleData}
		}
		return true
	}
	w.run(T.Add(9 * time.Minute))
	w.result("high/alias", fact.Result{OK: true, Done: confirmed, Kept: "version 42 has all requests"})
	w.tick(fact.Command{Kind: fact.RollbackDone, By: "ann", Why: "reverted"})
	w.run(T.Add(26 * time.Hour))
	v, last := Look(w.plan, w.state), w.events[len(w.events)-1]
	if want := map[bool]string{true: fact.Safe, false: fact.Unproven}[confirmed]; last.Kind != fact.EffectEvent || last.To != want || !v.Over {
		t.Errorf("confirmed %v, %s: the last event is %s", confirmed, answer, line(last))
	}
}

// Who has a paused release keeps it: that is never called safe.
func TestWhatOnlyStopsIsNotCalledSafe(t *testing.T) {
	p := wayPlan()
	p.Rules[1].Effects = []rules.Effect{{Name: "pause", Do: rules.DoPause, To: rules.Address{Sink: "ios"}, Ack: rules.DefaultAck}}
	w := newWorld(t, p)
	w.value = badSignal(0, 4, 8)
	w.run(T.Add(9 * time.Minute))
	w.result("high/pause", fact.Result{OK: true, Done: true, Kept: "20 % of the users have it"})
	w.run(T.Add(30 * time.Minute))
	w.wants(`
02:00:00 run REL: waiting => monitoring (window) under_way phase=ten state=monitoring 0/2
02:07:00 run REL: monitoring => rolled_back (threshold) rule_fired rule=high  -> pager slack
02:07:00 effect high/pause: planned => intended (manual) effect_due rule=high  -> ios
02:09:00 effect high/pause: intended => done (manual) effect_done
02:09:00 effect REL: done => stopped (manual) stopped since=02:09:00 "20 % of the users have it"  -> slack
`)
	if v := Look(p, w.state); !v.Effects.Stopped || v.Effects.Steps[0].State != fact.Done {
		t.Errorf("got %+v", v.Effects)
	}
}

func TestALadderRollsBackOnlyWhatStandsOn(t *testing.T) {
	begins := `
02:00:00 run REL: waiting => monitoring (window) under_way phase=ten state=monitoring 0/2
02:05:00 run REL: monitoring => held (threshold) held_by_rule rule=crashy cause=threshold  -> slack
02:05:00 effect crashy/hold: planned => done (manual) effect_own
02:05:00 effect crashy/capacity: planned => intended (manual) effect_due rule=crashy  -> pipeline
`
	for name, test := range map[string]struct {
		until   int // minutes after T the crashes go on
		meddle  func(w *world)
		want    string
		decides rules.Verdict
	}{
		"it goes on": {60, nil, `
02:06:00 effect crashy/capacity: intended => acknowledged (manual) effect_taken
02:15:00 run REL: held => rolled_back (threshold) rule_fired rule=crashy  -> pager slack
02:15:00 effect crashy/back: planned => done (manual) rule_fired rule=crashy
02:15:00 effect crashy/alias: planned => intended (manual) effect_due rule=crashy  -> alias
`, rules.Rollback},
		"it helps": {9, nil, `
02:06:00 effect crashy/capacity: intended => acknowledged (manual) effect_taken
02:14:00 effect crashy/back: planned => dropped (manual) effect_dropped
`, rules.Pending},
		"a person lets the run go on meanwhile": {60, func(w *world) {
			w.tick(fact.Command{Kind: fact.Resume, By: "ann", Why: "we look at it"})
		}, `
02:06:00 effect crashy/capacity: intended => acknowledged (manual) effect_taken
02:06:00 command resume:  => applied (manual) commanded "we look at it"
02:06:00 run REL: held => monitoring (manual) resumed  -> slack
02:15:00 run REL: monitoring => rolled_back (threshold) rule_fired rule=crashy  -> pager slack
02:15:00 effect crashy/back: planned => done (manual) rule_fired rule=crashy
02:15:00 effect crashy/alias: planned => intended (manual) effect_due rule=crashy  -> alias
`, rules.Rollback},
		"a person does not want it rolled back": {60, func(w *world) {
			w.tick(fact.Command{Kind: fact.SkipEffect, Subject: "crashy/back", By: "ann", Why: "we retrain"})
		}, `
02:06:00 effect crashy/capacity: intended => acknowledged (manual) effect_taken
02:06:00 command skip_effect:  => applied (manual) commanded "we retrain"
02:06:00 effect crashy/back: planned => skipped (manual) effect_reported
`, rules.Pending},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, wayPlan())
			w.value = badSignal(1, 4, test.until)
			w.run(T.Add(6 * time.Minute))
			w.result("crashy/capacity", fact.Result{OK: true, Kept: "run 7"})
			if test.meddle != nil {
				test.meddle(w)
			}
			w.run(T.Add(19 * time.Minute))
			w.wants(strings.TrimRight(begins, "\n") + test.want)
			if v := Look(w.plan, w.state); v.Phases[0].Verdict == rules.Pass || v.Verdict != test.decides {
				t.Errorf("the run is %v, its phase %v", v.Verdict, v.Phases[0].Verdict)
			}
		})
	}
}

// A fault that is not seen any more has not gone: only what is known to be good ends it.
func TestSilenceEndsNoFault(t *testing.T) {
	for name, test := range map[string]struct {
		bad   func(minute int) bool // from minute 60 on; nil: silence goes on
		fault bool                  // it is one of the source
		empty bool                  // minutes come, and nothing is in them
		back  string                // what becomes of the rollback, due after an hour
	}{
		"it goes on":                   {func(int) bool { return true }, false, false, fact.Done},
		"a minute is good":             {func(minute int) bool { return minute > 60 }, false, false, fact.Done},
		"it is good again":             {func(int) bool { return false }, false, false, fact.Dropped},
		"silence goes on":              {nil, false, false, fact.Done},
		"minutes without a request":    {nil, false, true, fact.Done},
		"the source fails, then bad":   {func(int) bool { return true }, true, false, fact.Done},
		"the source fails, then good":  {func(int) bool { return false }, true, false, fact.Dropped},
		"the source fails until later": {nil, true, false, fact.Done},
	} {
		for _, way := range []string{"over", "for", "weighed"} {
			t.Run(name+", "+way, func(t *testing.T) {
				p := wayPlan()
				r := &p.Rules[2]
				p.FalseRollback, p.FalsePass, r.Effects[2].After = .01, .05, time.Hour
				switch way {
				case "for":
					r.Over, r.For = 0, 3*time.Minute
				case "weighed":
					r.Over, r.Method, r.Limit, r.Trigger, r.Alpha = 0, rules.Sequential, .01, .02, .01
				}
				w := newWorld(t, p)
				w.value = func(s int, at int64) (float64, float64, bool) {
					switch minute := int(at-T.Unix()) / 60; {
					case s != 1 || minute < 4:
						return 1, 1000, true
					case minute >= 12 && (minute < 60 || test.bad == nil):
						return 0, 0, test.empty
					case minute >= 60 && !test.bad(minute):
						return 1, 1000, true
					}
					return 100, 1000, true
				}
				w.bend = func(rd *rules.Reading) bool {
					if minute := w.now.Sub(T).Minutes(); test.fault && rd.Signal == 1 && minute >= 12 && (minute < 60 || test.bad == nil) {
						rd.Points, rd.Fault, rd.SettledUntil = nil, rules.NoData, 0
					}
					return true
				}
				for minute := 10; minute <= 90; minute++ {
					w.run(T.Add(time.Duration(minute) * time.Minute))
					if v := Look(w.plan, w.state); v.Phases[0].Verdict == rules.Pass || v.State != rules.Held && minute < 63 {
						t.Fatalf("%d minutes after T the run is %v:\n%s", minute, v.State, w.lines())
					}
				}
				v := Look(w.plan, w.state)
				k := slices.IndexFunc(v.Effects.Steps, func(e fact.EffectView) bool { return e.Name == "back" })
				if is := v.Effects.Steps[k].State; is != test.back || (v.Verdict == rules.Rollback) != (is == fact.Done) {
					t.Errorf("the run is %v, the rollback is %s:\n%s", v.Verdict, is, w.lines())
				}
			})
		}
	}
}

// What no one acknowledges is told to others, and less often each time; what failed at once.
func TestWhatNoOneAcknowledgesIsToldToOthers(t *testing.T) {
	w := newWorld(t, wayPlan())
	w.value = badSignal(0, 4, 60)
	w.run(T.Add(8 * time.Minute))
	w.result("high/alias", fact.Result{Reason: "denied"})
	w.run(T.Add(9 * time.Minute))
	w.tick(fact.Command{Kind: fact.AckEffect, Subject: "high/build", By: "ann", Why: "on it"})
	for _, c := range []fact.Command{
		{Kind: fact.AckEffect, Subject: "build"}, {Kind: fact.SkipEffect, Subject: "none"}, {Kind: fact.EffectFailed, Subject: "high/alias"},
	} {
		c.By, c.Why = "ann", "why not"
		w.tick(c)
	}
	w.tick(fact.Command{Kind: fact.EffectFailed, Subject: "build", By: "ann", Why: "the store is down"})
	w.run(T.Add(3 * time.Hour))
	w.tick(fact.Command{Kind: fact.EffectDone, Subject: "build", By: "ann", Why: "removed"}, fact.Command{Kind: fact.SkipEffect, Subject: "alias", By: "ann", Why: "no"})
	w.result("high/alias", fact.Result{OK: true, Done: true, Kept: "late"})
	var lines []string
	for _, l := range strings.Split(w.effectLines(), "\n") {
		if strings.Contains(l, "high/alias") || strings.Contains(l, "effect_done") || strings.Contains(l, "refused") || strings.Contains(l, "failed") {
			lines = append(lines, l)
		}
	}
	want := `02:07:00 effect high/alias: planned => intended (manual) effect_due rule=high  -> alias
02:08:00 effect high/alias: intended => failed (manual) effect_failed "denied"
02:08:00 effect high/alias: failed => escalated (manual) effect_unanswered since=02:07:00  -> pager slack`
	if got := strings.Join(lines, "\n"); !strings.HasPrefix(got, want) || strings.Count(got, "escalated") != 14 {
		t.Errorf("got\n%s", got)
	}
	if v := Look(w.plan, w.state); v.Effects.Back.IsZero() || v.Effects.Steps[0].State != fact.Skipped {
		t.Errorf("got %+v", v.Effects)
	}
}

// Who has taken a step over has it: that the message to them is refused later changes nothing.
func TestARefusalTakesNoStepFromAPerson(t *testing.T) {
	w := newWorld(t, wayPlan())
	w.value = badSignal(0, 4, 60)
	w.run(T.Add(8 * time.Minute))
	w.tick(fact.Command{Kind: fact.AckEffect, Subject: "high/build", By: "ann", Why: "on it"})
	for range 3 {
		w.result("high/build", fact.Result{Reason: "channel_not_found"})
	}
	w.run(T.Add(2 * time.Hour))
	if s := Look(w.plan, w.state).Effects.Steps[1]; s.State != fact.Acknowledged || s.By != "ann" || s.Told != 0 {
		t.Errorf("got %+v:\n%s", s, w.effectLines())
	}
}

func TestAnAbortTakesTheWholeWayBackOnce(t *testing.T) {
	w := newWorld(t, wayPlan())
	w.run(T.Add(5 * time.Minute))
	w.tick(fact.Command{Kind: fact.Abort, By: "ann", Why: "no"})
	w.run(T.Add(6 * time.Minute))
	w.wants(`
02:00:00 run REL: waiting => monitoring (window) under_way phase=ten state=monitoring 0/2
02:05:00 command abort:  => applied (manual) commanded "no"
02:05:00 run REL: monitoring => rolled_back (manual) aborted  -> slack
02:05:00 effect high/alias: planned => intended (manual) effect_due rule=high  -> alias
02:05:00 effect high/build: planned => intended (manual) effect_due rule=high  -> slack
`)
	w.tick(fact.Command{Kind: fact.Override, Verdict: rules.Pass, By: "ann", Why: "it is good"})
	if v := Look(w.plan, w.state); v.Effects.Steps[0].State != fact.Skipped || !v.Effects.Rolled.IsZero() {
		t.Errorf("the rollback was overridden, and its way back stands: %+v", v.Effects)
	}
}

// What no one expects anything of any more is not asked for again.
func TestWhatIsSettledDoesNotWait(t *testing.T) {
	for state, want := range map[string]bool{
		fact.Planned: true, fact.Intended: true, fact.Acknowledged: true, fact.Failed: true,
		fact.Done: false, fact.Verified: false, fact.Skipped: false, fact.Dropped: false,
	} {
		if v := (fact.EffectView{State: state}); v.Waits() != want {
			t.Errorf("%s: waits %v", state, v.Waits())
		}
	}
}

// A plan that is edited under way keeps what was asked for.
func TestAnEditTakesNoStepBack(t *testing.T) {
	w := newWorld(t, wayPlan())
	w.plan.Rules[1].Effects[1].After = 10 * time.Minute
	w.value = badSignal(0, 4, 60)
	w.run(T.Add(8 * time.Minute))
	changed := wayPlan()
	changed.Rules[1].Effects = nil
	w.state = Adopt(w.plan, changed, w.state)
	w.plan = changed
	w.run(T.Add(30 * time.Minute))
	v := Look(w.plan, w.state)
	if len(v.Effects.Steps) != 2 || v.Effects.Steps[0].State != fact.Intended || v.Effects.Steps[1].State != fact.Dropped {
		t.Errorf("got %+v", v.Effects)
	}
}

// An older judging is followed by what its events say.
func TestTheWayBackOfAnOlderJudgingIsFollowed(t *testing.T) {
	w := newWorld(t, wayPlan())
	w.value = badSignal(1, 4, 60)
	w.run(T.Add(6 * time.Minute))
	w.result("crashy/capacity", fact.Result{OK: true, Kept: "run 7"})
	w.run(T.Add(21 * time.Minute))
	w.result("crashy/alias", fact.Result{OK: true, Done: true})
	w.value = healthy
	w.run(T.Add(40 * time.Minute))
	st := Begin(w.plan).people
	for i := range w.events {
		if w.events[i].Kind == fact.EffectEvent {
			st = st.Follow(w.plan, &w.events[i])
		}
	}
	st = st.Follow(w.plan, &fact.Event{Kind: fact.EffectEvent, To: fact.Planned})
	now := Look(w.plan, w.state).Effects
	got := st.Way().View(w.plan)
	if len(got.Steps) != len(now.Steps) || !got.Ended.Equal(now.Ended) || !got.Back.Equal(now.Back) {
		t.Fatalf("got %+v, want %+v", got, now)
	}
	for i := range got.Steps {
		if g, n := got.Steps[i], now.Steps[i]; g.Name != n.Name || g.State != n.State || g.Told != n.Told {
			t.Errorf("step %d: got %+v, want %+v", i, g, n)
		}
	}
	stopped := Begin(w.plan).people
	stopped = stopped.Follow(w.plan, &fact.Event{Kind: fact.EffectEvent, To: fact.Stopped, Why: fact.Why{Code: fact.WhyStopped, Since: T}})
	if v := stopped.Way().View(w.plan); !v.Ended.Equal(T) || !v.Back.Equal(T) {
		t.Errorf("what has stopped: got %+v", v)
	}
	waived := st.Follow(w.plan, &fact.Event{Kind: fact.EffectEvent, To: fact.Overridden, At: T})
	if v := waived.Way().View(w.plan); !v.Waived.Equal(T) {
		t.Errorf("a person goes on without a way back: %+v", v)
	}
	waived = waived.Follow(w.plan, &fact.Event{Kind: fact.EffectEvent, From: fact.Overridden, To: fact.Missing, At: T})
	if v := waived.Way().View(w.plan); !v.Waived.IsZero() {
		t.Errorf("after an edit they do not: %+v", v)
	}
	lost := st.Follow(w.plan, &fact.Event{Kind: fact.EffectEvent, To: fact.Unproven})
	if lost.Way().Watches() {
		t.Error("its watch was given up, and goes on")
	}
}

// A ladder on a gap between groups, and on ratings, ends in a rollback while what is newest is
// bad, and not where that is good.
func TestALadderOnGapsAndRatings(t *testing.T) {
	for name, test := range map[string]struct {
		plan   *rules.Plan
		world  func(p *rules.Plan, good bool) *world
		better bool // from the second hour on
		state  rules.State
	}{
		"a gap":                   {gapPlan(), gaps(t), false, rules.RolledBack},
		"a gap that closes":       {gapPlan(), gaps(t), true, rules.Held},
		"ratings":                 {starPlan(), ratings(t), false, rules.RolledBack},
		"ratings that get better": {starPlan(), ratings(t), true, rules.Held},
	} {
		p := test.plan
		p.WayBack = true
		p.Rules[1].Effects = []rules.Effect{{Name: "hold", Do: rules.DoHold, Ack: rules.DefaultAck}, {Name: "back", Do: rules.DoRollBack, After: 90 * time.Minute, Ack: rules.DefaultAck}}
		w := test.world(p, false)
		w.run(T.Add(70 * time.Minute))
		if test.better {
			good := test.world(p, true)
			w.value, w.bend = good.value, good.bend
		}
		w.run(T.Add(4 * time.Hour))
		if v := Look(w.plan, w.state); v.State != test.state || !strings.Contains(w.effectLines(), "high/hold: planned => done") {
			t.Errorf("%s: the run is %v, want %v:\n%s", name, v.State, test.state, w.lines())
		}
	}
}

func gaps(t *testing.T) func(p *rules.Plan, good bool) *world {
	return func(p *rules.Plan, good bool) *world {
		return gapWorld(t, p, 20000, map[bool]float64{true: .01, false: .15}[good])
	}
}

func ratings(t *testing.T) func(p *rules.Plan, good bool) *world {
	return func(p *rules.Plan, good bool) *world {
		return starWorld(t, p, map[bool][5]float64{true: {0, 0, 0, 1, 20}, false: {5, 2, 2, 2, 4}}[good])
	}
}

// An alarm that is on until the time is over rolls the run back; one that went off does not.
func TestALadderOfAnAlarm(t *testing.T) {
	for until, want := range map[int]string{60: fact.Done, 8: fact.Dropped, -8: fact.Done} { // -8: from then on it is silent
		p := alarmedPlan(rules.ByThreshold)
		p.WayBack = true
		for i := range p.Rules {
			if r := &p.Rules[i]; r.Kind == rules.RollbackRule {
				r.Effects = []rules.Effect{{Name: "hold", Do: rules.DoHold, Ack: rules.DefaultAck}, {Name: "back", Do: rules.DoRollBack, After: 10 * time.Minute, Ack: rules.DefaultAck}}
			}
		}
		w := alarmedWorld(t, p, "good", func(at time.Time) (on, known bool) {
			on = !at.Before(T.Add(4*time.Minute)) && (until < 0 || at.Before(T.Add(time.Duration(until)*time.Minute)))
			return on, until > 0 || at.Before(T.Add(8*time.Minute))
		})
		w.run(T.Add(6 * time.Minute))
		if v := Look(p, w.state); v.State != rules.Held {
			t.Errorf("the alarm is on, and the run is %v:\n%s", v.State, w.lines())
		}
		w.run(T.Add(20 * time.Minute))
		if v := Look(p, w.state); v.Effects.Steps[1].State != want || (v.State == rules.RolledBack) != (want == fact.Done) {
			t.Errorf("on until minute %d: the run is %v, its rollback %s, want %s:\n%s", until, v.State, v.Effects.Steps[1].State, want, w.lines())
		}
	}
}
