package judge

import (
	"slices"

	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// ToldBy lists the signals to ask when something was pushed that the signals of these names
// tell: they themselves, and what is polled and tells the truth of it, which is the same
// alarm in another source and the own signals of the rules that name it.
func ToldBy(plan *rules.Plan, names []string) (pushed, polled []int) {
	for i := range plan.Signals {
		if !slices.Contains(names, plan.Signals[i].Name) {
			continue
		}
		pushed = append(pushed, i)
		said := plan.Signals[i].Query.Facts()
		for k := range plan.Signals {
			if f := plan.Signals[k].Query.Facts(); k != i && f.Named != "" && f.Named == said.Named && f.Alarm == said.Alarm {
				polled = append(polled, k)
			}
		}
		for k := range plan.Rules {
			if r := &plan.Rules[k]; r.Alarm == i && r.Signal >= 0 {
				polled = append(polled, r.Signal)
			}
		}
	}
	return pushed, polled
}

// pollAgain is how long ago, in seconds, a source must have been asked for a signal before
// a push makes relgate ask it again ahead of time.
const pollAgain = 10

// Woken are the signals when something was pushed that those of these names tell: they are
// to be asked now, with what tells the same. A source that fails keeps its distance; one that
// asked to be left alone is asked all the same where again is set.
func (sc *Scene) Woken(plan *rules.Plan, names []string, now int64, again bool) []series.Series {
	woken := slices.Clone(sc.Signals)
	for i := range woken {
		if again {
			woken[i].AskAgain()
		}
	}
	pushed, polled := ToldBy(plan, names)
	for _, i := range polled {
		if s := &woken[i]; s.Fails == 0 && s.Asked+pollAgain <= now {
			s.Next = 0
		}
	}
	for _, i := range pushed {
		woken[i].Next = 0
	}
	return woken
}
