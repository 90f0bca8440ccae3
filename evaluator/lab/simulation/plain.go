package simulation

import (
	"fmt"

	"github.com/relgate/relgate/evaluator/evidence"
)

// onlyRollback is what a plain rule knows: it fires or it does not.
const onlyRollback = Reached(1 << RolledBack)

// Plain lists the rules that others decide by, for a trigger on the share of
// bad events in looks of one minute, each as its source defines it. budget is
// the share of bad events that the service's objective allows, for the burn
// rate.
//
// For a percentile the trigger is one minus the quantile, and an event is bad
// when it took longer than the threshold: of n values more than n(1-q) lie above
// T exactly when their q-quantile does.
func Plain(trigger, budget float64) []Rule {
	return []Rule{
		&Ratio{Label: "every minute", Trigger: trigger, Over: 1, Fires: 1},
		&Ratio{Label: "for 10m, 1-minute ratio", Trigger: trigger, Over: 1, Fires: 11, InARow: true},
		&Ratio{Label: "for 10m, rate[5m]", Trigger: trigger, Over: 5, Fires: 11, InARow: true},
		&Ratio{Label: "pooled 10 minutes", Trigger: trigger, Over: 10, Fires: 1, Full: true},
		&Ratio{Label: "Argo 1m, failureLimit 3", Trigger: trigger, Over: 1, Fires: 4},
		&Ratio{Label: "Argo 5m, failureLimit 3", Trigger: trigger, Over: 5, Step: 5, Fires: 4},
		&Ratio{Label: "Flagger 1m, threshold 5", Trigger: trigger, Over: 1, Fires: 5},
		&BurnRate{Budget: budget},
	}
}

// Ratio compares the share of bad events of a trailing stretch with a trigger:
// most rules of alert managers and canary controllers are of this form.
type Ratio struct {
	Label   string
	Trigger float64 // a share above it is a breach
	Over    int     // looks that the share is taken over; at least 1
	Step    int     // looks between two checks; 1 if zero
	Fires   int     // breaches until it fires; at least 1
	InARow  bool    // they must follow one another: a check that is no breach, or that has no events, starts again
	Full    bool    // no check before Over looks have passed
}

// Name is the label.
func (r *Ratio) Name() string { return r.Label }

// Knows is the rollback alone.
func (r *Ratio) Knows() Reached { return onlyRollback }

// Watch gives the rule before a release.
func (r *Ratio) Watch() Watcher { return &ratio{rule: r, window: newWindow(r.Over)} }

type ratio struct {
	rule     *Ratio
	window   window
	breaches int
}

func (w *ratio) Reset() {
	w.window.reset()
	w.breaches = 0
}

func (w *ratio) Look(t int, canary, _ evidence.Minute) Reached {
	w.window.add(canary)
	if step := max(w.rule.Step, 1); (t+1)%step != 0 || w.rule.Full && t+1 < w.rule.Over {
		return 0
	}
	n, bad := w.window.sum(w.rule.Over)
	switch {
	case n > 0 && bad > w.rule.Trigger*n:
		w.breaches++
	case w.rule.InARow:
		w.breaches = 0
	}
	if w.breaches >= w.rule.Fires {
		return onlyRollback
	}
	return 0
}

// BurnRate is the alert on several windows of the error budget's burn rate, as
// the Site Reliability Workbook has it for paging: 14.4 times the budget over 1 h
// and 5 min, or 6 times over 6 h and 30 min. A window that reaches back before
// the release is cut off there.
type BurnRate struct {
	Budget float64 // share of bad events that the objective allows
}

// Name is the rule in a few words.
func (r *BurnRate) Name() string { return fmt.Sprintf("burn rate, budget %g %%", r.Budget*100) }

// Knows is the rollback alone.
func (r *BurnRate) Knows() Reached { return onlyRollback }

// Watch gives the rule before a release.
func (r *BurnRate) Watch() Watcher { return &burn{budget: r.Budget, window: newWindow(360)} }

type burn struct {
	budget float64
	window window
}

func (w *burn) Reset() { w.window.reset() }

func (w *burn) Look(_ int, canary, _ evidence.Minute) Reached {
	w.window.add(canary)
	if w.burns(14.4, 60, 5) || w.burns(6, 360, 30) {
		return onlyRollback
	}
	return 0
}

// burns reports whether both windows burn more than so many times the budget.
func (w *burn) burns(times float64, long, short int) bool {
	for _, looks := range [...]int{short, long} {
		if n, bad := w.window.sum(looks); !(n > 0) || !(bad > times*w.budget*n) {
			return false
		}
	}
	return true
}

// window holds the running sums of the newest looks, in a ring.
type window struct {
	n, bad []float64 // sums up to a look; exact, since all are whole numbers
	looks  int
}

func newWindow(looks int) window {
	looks = max(looks, 1)
	return window{n: make([]float64, looks+1), bad: make([]float64, looks+1)}
}

func (w *window) reset() {
	clear(w.n)
	clear(w.bad)
	w.looks = 0
}

func (w *window) add(m evidence.Minute) {
	now, next := w.looks%len(w.n), (w.looks+1)%len(w.n)
	w.n[next], w.bad[next] = w.n[now]+m.N, w.bad[now]+m.Bad
	w.looks++
}

// sum is the events and bad events of the newest looks, or of all while there
// are fewer.
func (w *window) sum(looks int) (n, bad float64) {
	now := w.looks % len(w.n)
	then := (w.looks - min(looks, w.looks)) % len(w.n)
	return w.n[now] - w.n[then], w.bad[now] - w.bad[then]
}
