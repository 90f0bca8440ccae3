package evaluator

import (
	"testing"
	"time"

	cloudwatch "github.com/relgate/relgate/sources/cloudwatch/kind"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// after gives a world that has run for some minutes.
func after(t *testing.T, minutes int, change func(w *world)) *world {
	w := newWorld(t, smallPlan())
	if change != nil {
		change(w)
	}
	w.run(T.Add(time.Duration(minutes) * time.Minute))
	return w
}

func TestAdopt(t *testing.T) {
	t.Run("the same plan changes nothing", func(t *testing.T) {
		a, b := after(t, 18, nil), after(t, 18, nil)
		b.state = Adopt(b.plan, smallPlan(), b.state)
		b.plan = smallPlan()
		a.run(T.Add(70 * time.Minute))
		b.run(T.Add(70 * time.Minute))
		if a.lines() != b.lines() {
			t.Errorf("got\n%swant\n%s", b.lines(), a.lines())
		}
	})
	t.Run("parts keep what they had by name, new ones begin empty", func(t *testing.T) {
		w := after(t, 22, nil)
		p := smallPlan()
		p.Signals = append([]rules.Signal{{Name: "new", Source: "cw", Kind: rules.Ratio, Of: -1, Keep: 30, Period: time.Minute, Every: time.Minute, Settle: time.Minute}}, p.Signals...)
		p.Signals[1].Every = 2 * time.Minute
		for i := range p.Rules {
			p.Rules[i].Signal++
		}
		extra := rules.Rule{Name: "extra", Kind: rules.RollbackRule, When: pct("> 50 %"), Alarm: -1, Coverage: .8}
		fewer := rules.Rule{Name: "fewer", Kind: rules.Success, When: pct("< 50 %"), Alarm: -1, Coverage: .8}
		p.Rules = append(p.Rules, extra, fewer)
		p.Phases[0].Success = append(p.Phases[0].Success, 4)
		p.Phases[1].Success = append(p.Phases[1].Success, 4)
		p.Phases[1].Rollback = append(p.Phases[1].Rollback, 3)
		p.Phases = append(p.Phases, rules.Phase{Name: "later", Start: time.Hour, Window: 10 * time.Minute, Extend: time.Minute, Success: []int{0}, Rollback: []int{1}})
		p.Communications = append([]rules.Communication{{Name: "new", At: 30 * time.Minute}}, p.Communications...)
		w.state = Adopt(w.plan, p, w.state)
		w.plan = p
		v := Look(p, w.state)
		if v.Phases[0].State != rules.Passed || v.Phases[1].State != rules.Monitoring || v.Phases[2].State != rules.Waiting {
			t.Errorf("phases: %v %v %v", v.Phases[0].State, v.Phases[1].State, v.Phases[2].State)
		}
		if v.Signals[0].Known || !v.Signals[1].Known || !v.Signals[2].Known {
			t.Errorf("signals: %+v", v.Signals)
		}
		w.run(T.Add(75 * time.Minute))
		w.want("phase ten: monitoring => passed", "rule extra: idle => clear", "communication new: waiting => due", "rule fewer: pending => pass", "phase all: monitoring => passed", "phase later: waiting => monitoring", "run REL: monitoring => passed")
		w.never("phase ten: passed")
	})
	t.Run("another question begins empty", func(t *testing.T) {
		w := after(t, 10, nil)
		p := smallPlan()
		p.Signals[0].Query = rules.Query{Ask: &cloudwatch.Query{Bad: rules.Several{"other"}}}
		if v := Look(p, Adopt(w.plan, p, w.state)); v.Signals[0].Known || !v.Signals[1].Known {
			t.Errorf("signals: %+v", v.Signals)
		}
	})
	t.Run("what fired stays fired", func(t *testing.T) {
		w := after(t, 18, func(w *world) { w.value = func(int, int64) (float64, float64, bool) { return 90, 1000, true } })
		p := smallPlan()
		p.Rules = append(p.Rules[:1:1], append([]rules.Rule{{Name: "first", Kind: rules.RollbackRule, When: pct("> 99 %"), Alarm: -1}}, p.Rules[1:]...)...)
		for i := range p.Phases {
			p.Phases[i].Rollback = []int{1, 2, 3}
		}
		v := Look(p, Adopt(w.plan, p, w.state))
		if v.State != rules.RolledBack || v.Rollback[2].State != fact.RuleFired || v.Rollback[2].Evidence.Value != .09 {
			t.Errorf("%v: %+v", v.State, v.Rollback)
		}
	})
}

// A state under a plan of another shape does not panic: what is missing begins
// from the beginning.
func TestForeignPlan(t *testing.T) {
	w := after(t, 18, func(w *world) { w.value = func(int, int64) (float64, float64, bool) { return 90, 1000, true } })
	p := smallPlan()
	p.Rules, p.Phases[0].Rollback = p.Rules[:2], []int{1}
	p.Phases[1].Rollback = []int{1}
	p.Phases = append(p.Phases, rules.Phase{Name: "third", Advance: rules.Signalled, Success: []int{0}})
	if v := Look(p, w.state); v.Phases[2].Cause != rules.CauseApproval || len(v.Rollback) != 1 {
		t.Errorf("%+v", v.Phases[2])
	}
	q := smallPlan()
	q.Phases[0].Success = nil
	if next, _ := Step(q, w.state, fact.Tick{At: w.now}); len(Look(q, next).Phases[0].Success) != 0 {
		t.Error("a rule too many")
	}
}
