package evaluator

import (
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
)

// A process that is killed when it has told the run of a result tells it once more after its
// start, and what it tells may be another answer. The run says each thing once, before users
// are safe and after.
func TestAResultThatComesTwiceIsSaidOnce(t *testing.T) {
	p := wayPlan()
	p.Rules[1].Effects[1].By, p.Rules[1].Effects[1].To.Sink = "", "pipeline"
	w := newWorld(t, p)
	w.value = badSignal(0, 4, 14)
	w.run(T.Add(8 * time.Minute))
	took := fact.Result{OK: true, Kept: "run 7"}
	reverted := fact.Result{OK: true, Done: true, Kept: "version 42 has all requests"}
	again := func() {
		t.Helper()
		for _, r := range []fact.Result{reverted, {OK: true, Done: true, Kept: "nothing was left to do"}, {Reason: "the attempt took too long"}} {
			if said := w.result("high/alias", r); len(said) > 0 {
				t.Errorf("the result %+v that came again is said: %s", r, line(said[0]))
			}
		}
	}
	w.result("high/alias", fact.Result{Reason: "denied"})
	if said := w.result("high/alias", fact.Result{Reason: "denied"}); len(said) > 0 {
		t.Errorf("a refusal that came again is said: %s", line(said[0]))
	}
	w.result("high/alias", reverted)
	again()
	for i := range 2 {
		if said := w.result("high/build", took); (len(said) > 0) != (i == 0) {
			t.Errorf("the build was taken %d times, and %d events say so", i+1, len(said))
		}
	}
	w.run(T.Add(10 * time.Minute))
	w.tick(fact.Command{Kind: fact.EffectDone, Subject: "build", By: "ann", Why: "removed"})
	again()
	if said := w.result("high/build", took); len(said) > 0 {
		t.Errorf("the build is done, and that it was taken is said: %s", line(said[0]))
	}
	w.run(T.Add(40 * time.Minute))
	again()
	w.run(T.Add(50 * time.Minute))
	w.wants(`
02:00:00 run REL: waiting => monitoring (window) under_way phase=ten state=monitoring 0/2
02:07:00 run REL: monitoring => rolled_back (threshold) rule_fired rule=high  -> pager slack
02:07:00 effect high/alias: planned => intended (manual) effect_due rule=high  -> alias
02:07:00 effect high/build: planned => intended (manual) effect_due rule=high  -> pipeline
02:08:00 effect high/alias: intended => failed (manual) effect_failed "denied"
02:08:00 effect high/alias: failed => escalated (manual) effect_unanswered since=02:07:00  -> pager slack
02:08:00 effect high/alias: failed => done (manual) effect_done
02:08:00 effect high/build: intended => acknowledged (manual) effect_taken
02:10:00 command effect_done:  => applied (manual) commanded "removed"
02:10:00 effect high/build: acknowledged => done (manual) effect_reported
02:10:00 effect REL: intended => taken (manual) rollback_taken  -> slack
02:19:00 effect REL: done => safe (manual) safe since=02:14:00  -> slack
`)
}
