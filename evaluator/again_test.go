package evaluator

import (
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/rules"
)

// A source that asked to be left alone is asked again at once; one that failed keeps
// its distance, and one that answers is not asked more often.
func TestAskAgain(t *testing.T) {
	w := after(t, 12, nil)
	wait := func(retry int64) {
		rd := rules.Reading{Fault: rules.Throttled, RetryAt: retry}
		lay := judge.NewLayout(w.plan)
		w.state.Signals[0], _ = w.state.Signals[0].Merge(&w.plan.Signals[0], &lay.Signals[0], &rd, w.now.Unix(), judge.Unneeded)
	}
	wait(w.now.Unix() + 3000)
	was := w.state.Signals[0].Next
	asks := func(ask func(*rules.Plan, *State, time.Time) []fact.Want, after time.Duration) bool {
		for _, want := range ask(w.plan, w.state, w.now.Add(after)) {
			if want.Signal == 0 {
				return true
			}
		}
		return false
	}
	if asks(Wants, 10*time.Minute) || asks(AskAgain, 29*time.Second) || !asks(AskAgain, 30*time.Second) {
		t.Error("a source that asked for fifty minutes is not asked again after the shortest pause, or is asked without need")
	}
	if w.state.Signals[0].Next != was {
		t.Error("asking again changed the state")
	}
	healthy := after(t, 12, nil)
	for d := range 120 {
		now := healthy.now.Add(time.Duration(d) * time.Second)
		if a, b := Wants(healthy.plan, healthy.state, now), AskAgain(healthy.plan, healthy.state, now); len(a) != len(b) {
			t.Fatalf("a healthy source, %d s later: %d questions, and again %d", d, len(a), len(b))
		}
	}
}

// named is a query of an alarm that another source tells, too.
type named struct {
	rules.SourceQuery
	noun, name string
}

func (n named) Facts() rules.Facts { return rules.Facts{Alarm: n.noun, Named: n.name} }

// After a push the signal is asked that it is about, with what tells its truth, and nothing
// else. A source that fails, or was asked a moment ago, is left alone.
func TestAPushAsksAheadOfTime(t *testing.T) {
	p := alarmedPlan(rules.ByThreshold)
	alarm := p.Signals[1]
	add := func(name string, ask rules.SourceQuery) {
		sig := alarm
		sig.Name, sig.Source, sig.Query = name, "cw", rules.Query{Ask: ask}
		p.Signals = append(p.Signals, sig)
		p.Rules = append(p.Rules, rules.Rule{Name: name, Kind: rules.RollbackRule, Signal: len(p.Signals) - 1, ShownSignal: len(p.Signals) - 1, Alarm: -1, When: rules.Condition{Op: rules.GreaterOrEqual, Threshold: 1}, Coverage: .8})
		p.Phases[0].Rollback = append(p.Phases[0].Rollback, len(p.Rules)-1)
	}
	p.Signals[1].Query = rules.Query{Ask: named{noun: "alarm", name: "A"}}
	add("polled", named{noun: "alarm", name: "A"})
	add("of another name", named{noun: "alarm", name: "B"})
	add("of another kind", named{noun: "alert", name: "A"})
	p.Signals[0].Every, p.Signals[0].Period = 5*time.Minute, time.Minute
	for i := 1; i < len(p.Signals); i++ {
		p.Signals[i].Every = 5 * time.Minute
	}
	w := alarmedWorld(t, p, "good", alarmOff)
	w.run(T.Add(12*time.Minute + 30*time.Second))
	asked := func(at time.Time, names ...string) string {
		text := ""
		for _, want := range Woken(p, w.state, at, names, false) {
			text += p.Signals[want.Signal].Name + ", "
		}
		return text
	}
	before := store(t, w.state)
	if got := asked(w.now); got != "" {
		t.Fatalf("without a push: %s", got)
	}
	if got, want := asked(w.now, "pager"), "errors, pager, polled, "; got != want {
		t.Errorf("got %s want %s", got, want)
	}
	if got := asked(w.now, "of another kind"); got != "of another kind, " {
		t.Errorf("got %s", got)
	}
	if got := asked(w.now, "gone"); got != "" {
		t.Errorf("got %s", got)
	}
	if string(store(t, w.state)) != string(before) {
		t.Error("asking changed the state")
	}
	last := w.state.Signals[2].Asked
	if got, want := asked(time.Unix(last+9, 0), "pager"), "pager, "; got != want {
		t.Errorf("a moment after the last question: got %s want %s", got, want)
	}
	w.state.Signals[2].Fails = 1
	if got, want := asked(w.now, "pager"), "errors, pager, "; got != want {
		t.Errorf("one that fails: got %s want %s", got, want)
	}
}
