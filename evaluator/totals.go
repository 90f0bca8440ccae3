package evaluator

import (
	"cmp"
	"slices"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/rules"
)

// totals is what a run that passes has counted of the signals that its rules
// weigh. A signal that a rule found at fault, so that a person had to decide, is
// no example to later releases. Rules in shadow decide nothing, here neither.
func (s *stepper) totals() []fact.Total {
	var list []fact.Total
	for i := range s.plan.Signals {
		sig := &s.plan.Signals[i]
		if sig.Kind != rules.Ratio || sig.BaselineOf != "" {
			continue
		}
		sum, sound := s.st.rollbackTotal(s.lay, i)
		inPhases, passed := s.st.successTotal(s.lay, i)
		if sum.N == 0 {
			sum = inPhases
		}
		if sound && passed && sum.N > 0 {
			list = append(list, fact.Total{Signal: sig.Name, Bad: sum.Bad, Samples: sum.N, Zeros: sig.Query.Facts().Zeros})
		}
	}
	return list
}

// rollbackTotal is what the rollback rule has counted that saw most of a signal.
func (st *State) rollbackTotal(lay *judge.Layout, signal int) (sum judge.Tally, ok bool) {
	for _, i := range lay.Weighing {
		r, rs := &lay.Plan.Rules[i], &st.rules[i]
		if r.Signal != signal || r.Shadow || !rs.active {
			continue
		}
		if rs.Acked || rs.State == judge.Holding || rs.State == judge.Fired {
			return judge.Tally{}, false
		}
		w, m := new(judge.Watch), judge.Memory{Ev: rs.Ev}
		st.rollbackWatch(w, int(i))
		if z := judge.CountsJudge.Now(&st.Scene, w, &m); z.Track.N > sum.N {
			sum = judge.Tally{Bad: z.Track.Bad, N: z.Track.N}
		}
	}
	return sum, true
}

// successTotal adds up what the success rules have counted in their phases, the
// largest count first. What overlaps a larger one is left out: no period
// counts twice.
func (st *State) successTotal(lay *judge.Layout, signal int) (sum judge.Tally, ok bool) {
	var counts []*fact.Evidence
	for k := range st.phases {
		for _, ss := range st.phases[k].success {
			f := ss.frozen
			if f == nil || lay.Plan.Rules[f.rule].Signal != signal || lay.Plan.Rules[f.rule].Shadow || f.evidence.Weighed == nil {
				continue
			}
			if ss.verdict == rules.Fail {
				return judge.Tally{}, false
			}
			counts = append(counts, &f.evidence)
		}
	}
	slices.SortStableFunc(counts, func(a, b *fact.Evidence) int { return cmp.Compare(b.Samples, a.Samples) })
	for i, e := range counts {
		if !slices.ContainsFunc(counts[:i], func(o *fact.Evidence) bool { return o.From.Before(e.To) && e.From.Before(o.To) }) {
			sum.Bad, sum.N = sum.Bad+e.Weighed.Bad, sum.N+e.Samples
		}
	}
	return sum, true
}
