package evaluator

import (
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// A person who resumes the run does not end a ladder, whatever the rule measures: nothing
// passes while it stands, also where it goes by no numbers meanwhile.
func TestNoPhasePassesOverALadder(t *testing.T) {
	for name, test := range map[string]struct {
		known func(minute int) bool
		skip  bool // a person does not want it rolled back either
		ends  bool // the rollback comes when it is due
	}{
		"it goes on":                  {func(int) bool { return true }, false, true},
		"it goes on, not rolled back": {func(int) bool { return true }, true, false},
		"silence that is ignored":     {func(minute int) bool { return minute < 12 }, false, true},
	} {
		for _, way := range []string{"over", "for"} {
			p := wayPlan()
			r := &p.Rules[2]
			if r.OnNoData, r.Effects[2].After = rules.PolicyIgnore, time.Hour; way == "for" {
				r.Over, r.For = 0, 3*time.Minute
			}
			w := newWorld(t, p)
			w.value = func(s int, at int64) (float64, float64, bool) {
				switch minute := int(at-T.Unix()) / 60; {
				case s != 1 || minute < 4:
					return 1, 1000, true
				case !test.known(minute):
					return 0, 0, false
				}
				return 100, 1000, true
			}
			w.run(T.Add(14 * time.Minute))
			if test.skip {
				w.tick(fact.Command{Kind: fact.SkipEffect, Subject: "crashy/back", By: "ann", Why: "we retrain"})
			}
			w.tick(fact.Command{Kind: fact.Resume, By: "ann", Why: "we look at it"})
			for minute := 15; minute <= 90; minute++ {
				w.run(T.Add(time.Duration(minute) * time.Minute))
				if v := Look(w.plan, w.state); v.Phases[0].Verdict == rules.Pass {
					t.Fatalf("%s, %s: passes %d minutes after T:\n%s", name, way, minute, w.lines())
				}
			}
			if v := Look(w.plan, w.state); (v.Verdict == rules.Rollback) != test.ends {
				t.Errorf("%s, %s: the run is %v:\n%s", name, way, v.Verdict, w.lines())
			}
		}
	}
}

// A fault that comes again before the first ladder would have ended has a ladder of its own:
// what slows it down is asked for again, and a person may skip its rollback.
func TestAFaultThatComesAgainHasALadderOfItsOwn(t *testing.T) {
	p := wayPlan()
	p.Rules[2].Effects[2].After = time.Hour
	w := newWorld(t, p)
	w.value = func(s int, at int64) (float64, float64, bool) {
		if minute := int(at-T.Unix()) / 60; s == 1 && (minute >= 4 && minute < 9 || minute >= 16) {
			return 100, 1000, true
		}
		return 1, 1000, true
	}
	w.run(T.Add(100 * time.Minute))
	lines := w.effectLines()
	for _, want := range []string{
		"02:14:00 effect crashy/back: planned => dropped",
		"02:17:00 effect crashy/capacity: planned => intended",
		"03:17:00 effect crashy/back: planned => done",
	} {
		if !strings.Contains(lines, want) {
			t.Errorf("there is no %q:\n%s", want, lines)
		}
	}
}

// An alarm that was on for a minute and is over by the time it is seen begins no ladder: there
// is nothing that would still stand. One that is on by then does.
func TestALadderBeginsWithAnAlarmThatIsOn(t *testing.T) {
	for every, begins := range map[time.Duration]bool{5 * time.Minute: false, time.Minute: true} {
		p := alarmedPlan(rules.ByThreshold)
		p.WayBack, p.Signals[1].Every = true, every
		p.Rules[1].Effects = []rules.Effect{
			{Name: "capacity", Do: "add capacity", To: rules.Address{Sink: "pipeline"}, Ack: rules.DefaultAck},
			{Name: "back", Do: rules.DoRollBack, After: 30 * time.Minute, Ack: rules.DefaultAck},
		}
		w := alarmedWorld(t, p, "good", alarmFlashes)
		w.run(T.Add(40 * time.Minute))
		lines := w.effectLines()
		if strings.Contains(lines, "effect high/capacity: planned => intended") != begins || strings.Contains(lines, "effect high/back: planned => dropped") != begins || strings.Contains(lines, "rolled_back") {
			t.Errorf("seen every %v:\n%s", every, lines)
		}
	}
}
