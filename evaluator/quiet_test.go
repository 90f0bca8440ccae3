package evaluator

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// Until Quiet says, no question falls due and a tick without news gives nothing.
func TestQuiet(t *testing.T) {
	if got := Quiet(smallPlan(), Begin(smallPlan())); !got.Equal(time.Unix(0, 0)) {
		t.Errorf("before the first tick: got %v, want the beginning of time", got)
	}
	p := smallPlan()
	state, _ := Step(p, Begin(p), fact.Tick{At: T})
	state, _ = Step(p, state, fact.Tick{At: T.Add(time.Minute), Commands: []fact.Command{{ID: "1", Kind: fact.Override, Verdict: rules.Pass, By: "ada", Why: "known"}}})
	if got, want := Quiet(p, state), T.Add(15*time.Minute); got.After(want) {
		t.Errorf("a phase that passed before its window ended: quiet until %v, want no later than %v", got, want)
	}
	at := T.Add(48 * time.Hour) // long after its last deadline a run that was never decided is asked for no more
	p.Phases = p.Phases[:1]
	state, _ = Step(p, Begin(p), fact.Tick{At: T})
	state, _ = Step(p, state, fact.Tick{At: at})
	if got := Quiet(p, state); Wants(p, state, at) != nil || got.Before(at) {
		t.Errorf("a run that is long unknown asks %v, quiet until %v", Wants(p, state, at), got)
	}
	skipped := 0
	checkUntil(t, func() bool { return skipped > 0 }, func(t *rapid.T) {
		r := newDrawnRun(t)
		for range rapid.IntRange(1, 60).Draw(t, "ticks") {
			tick := r.next(t, true)
			r.state, _ = Step(r.plan, r.state, tick)
			quiet, at := Quiet(r.plan, r.state), r.state.At
			if quiet.Unix() < at {
				t.Fatalf("quiet until %v, before the tick at %v", quiet, series.When(at))
			}
			for _, before := range []int64{1, 30, 600} {
				now := series.When(max(at, quiet.Unix()-before))
				if !now.Before(quiet) || now.Unix() > at+7*24*3600 {
					continue
				}
				skipped++
				if wants := Wants(r.plan, r.state, now); len(wants) > 0 {
					t.Fatalf("quiet until %v, but at %v it asks %v", quiet, now, wants)
				}
				if _, events := Step(r.plan, r.state, fact.Tick{At: now}); len(events) > 0 {
					t.Fatalf("quiet until %v, but at %v: %v", quiet, now, events)
				}
			}
		}
	})
}
