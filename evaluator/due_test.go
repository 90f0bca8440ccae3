package evaluator

import (
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// dues runs a plan tick by tick and gives what each tick's snapshot says.
func dues(w *world, until time.Time, look func(s *fact.Snapshot)) {
	for ; w.now.Before(until); w.now = w.now.Add(w.plan.Interval) {
		w.tick()
		s := Look(w.plan, w.state)
		look(&s)
	}
}

func TestASignalIsDueOnlyWhileSomethingNeedsIt(t *testing.T) {
	w := newWorld(t, smallPlan())
	dues(w, T.Add(60*time.Minute), func(s *fact.Snapshot) {
		needed := !s.At.Before(T.Add(-lead*time.Second)) && !Decided(s.State)
		for _, v := range s.Signals {
			if !v.Due.IsZero() != needed {
				t.Errorf("%s at %s: due %v, and whether the run needs it is %v", v.Name, s.At.Sub(T), v.Due, needed)
			}
			if needed && !v.Due.After(s.At) {
				t.Errorf("%s at %s: an answer is owed since %s although all came", v.Name, s.At.Sub(T), v.Due.Sub(T))
			}
		}
	})
	if s := Look(w.plan, w.state); s.State != rules.Passed {
		t.Fatalf("the run is %s, want passed: %s", s.State, w.lines())
	}
}

func TestAnAnswerIsOwedSinceTheFirstQuestionThatFailed(t *testing.T) {
	from, until := T.Add(20*time.Minute), T.Add(50*time.Minute)
	w := newWorld(t, onePlan(rules.Rule{For: 10 * time.Minute, Coverage: .8}))
	down := func() bool { return !w.now.Before(from) && w.now.Before(until) }
	w.bend = func(rd *rules.Reading) bool {
		if down() {
			*rd = rules.Reading{Signal: rd.Signal, From: rd.From, To: rd.To, Fault: rules.Unavailable}
		}
		return true
	}
	w.run(T)
	failed := 0
	dues(w, T.Add(70*time.Minute), func(s *fact.Snapshot) {
		v := s.Signals[0]
		if v.Failures == 0 {
			if !v.Due.After(s.At) {
				t.Errorf("at %s: owed since %s", s.At.Sub(T), v.Due.Sub(T))
			}
			return
		}
		failed = max(failed, v.Failures)
		// A question is asked at a tick, so each failure may come an interval late.
		late := time.Duration(v.Failures) * w.plan.Interval
		if v.Due.Before(from) || v.Due.After(from.Add(w.plan.Signals[0].Every+late)) {
			t.Errorf("at %s, after %d failures: owed since %s, want %s to %s", s.At.Sub(T), v.Failures, v.Due.Sub(T), from.Sub(T), late)
		}
	})
	if failed < 8 {
		t.Errorf("%d failures in a row, want 8 or more", failed)
	}
}

// A phase that a command starts needs its signals from then on: what was not asked
// for before is not overdue.
func TestASignalIsNotOwedFromBeforeItWasNeeded(t *testing.T) {
	p := onePlan(rules.Rule{For: 10 * time.Minute, Coverage: .8})
	p.Phases[0].Advance = rules.Signalled
	w := newWorld(t, p)
	w.run(T.Add(time.Hour))
	if s := Look(p, w.state); !s.Signals[0].Due.IsZero() {
		t.Errorf("due %v before the phase has begun", s.Signals[0].Due)
	}
	w.tick(fact.Command{ID: "1", Kind: fact.StartPhase, Phase: "only", By: "ci", Why: "moved"})
	if s := Look(p, w.state); s.Signals[0].Due.Before(w.now) {
		t.Errorf("owed since %s, the phase began at %s", s.Signals[0].Due.Sub(T), w.now.Sub(T))
	}
}

// A run that begins after its planned start, as one whose journal was lost, asked no
// source before: no answer is late at its first tick.
func TestASignalIsNotOwedFromBeforeTheRunBegan(t *testing.T) {
	p := onePlan(rules.Rule{For: 10 * time.Minute, Coverage: .8})
	w := newWorld(t, p)
	w.now = T.Add(12 * time.Minute)
	w.state, _ = checkedStep(t, p, w.state, fact.Tick{At: w.now, Begin: &fact.Begun{}})
	if s := Look(p, w.state); s.Signals[0].Due.IsZero() || s.Signals[0].Due.Before(w.now) {
		t.Errorf("owed since %s, the run began at %s", s.Signals[0].Due.Sub(T), w.now.Sub(T))
	}
}

// A phase that waited for the one before begins at the next tick, once that has passed.
func TestAPhaseWhoseWayIsFreeBeginsAtTheNextTick(t *testing.T) {
	p := smallPlan()
	p.Phases[1].Start = 16 * time.Minute
	w := newWorld(t, p)
	for Look(p, w.state).Phases[0].State != rules.Passed {
		w.tick()
		w.now = w.now.Add(p.Interval)
	}
	if v := Look(p, w.state).Phases[1]; v.State != rules.Waiting || v.Why.Code != fact.WhyNextTick {
		t.Errorf("it is %v: %+v", v.State, v.Why)
	}
	w.tick()
	if v := Look(p, w.state).Phases[1]; v.State != rules.Monitoring {
		t.Errorf("it is %v", v.State)
	}
}
