package judge

import (
	"slices"

	"github.com/relgate/relgate/evaluator/series"
)

// Phases lists the phases that name a rollback rule.
func (l *Layout) Phases(rule int) []int32 {
	end := len(l.naming)
	if rule+1 < len(l.Rules) {
		end = int(l.Rules[rule+1].named)
	}
	return l.naming[l.Rules[rule].named:end]
}

func (l *Layout) nameRules() {
	naming := make([][]int32, len(l.Rules))
	for k := range l.Plan.Phases {
		for _, r := range l.Plan.Phases[k].Rollback {
			naming[r] = append(naming[r], int32(k))
		}
	}
	for r := range naming {
		l.Rules[r].named = int32(len(l.naming))
		l.naming = append(l.naming, naming[r]...)
	}
	l.naming = slices.Clip(l.naming)
}

// allowance is how old the newest knowledge of a signal may be before the signal
// counts as silent. In the steady state it is up to Settle + Every + Period old
// just before the next answer; one answer may be lost (a second Every), and an
// answer waits for a tick and takes a moment (a minute, or an interval).
func (l *Layout) allowance(signal int, width int64) int64 {
	s := &l.Signals[signal]
	return s.Settle + 2*int64(s.Every) + max(s.Period, width) + max(60, series.Secs(l.Plan.Interval))
}
