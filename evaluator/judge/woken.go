package judge

import (
	"slices"

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
