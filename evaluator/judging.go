package evaluator

import (
	"slices"
	"strconv"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Judging is the number of the way in which this program judges: it grows with every
// change that may decide otherwise than before on the same data. The daemon writes it
// into each tick. A tick without a number was judged by 1.
const Judging = 3

// judgingAccuses is the first that watches on a run that has failed.
const judgingAccuses = 2

// judgedBy notes the judging of a tick. Where it is another than that of the tick
// before, relgate was upgraded while the run was under way: that is said, and every
// rule is looked at again. What was decided stands.
func (s *stepper) judgedBy(n int) {
	was := s.st.judging
	s.st.judging = n
	if was == n || was == 0 {
		return
	}
	s.emit(fact.Event{
		Kind: fact.PlanEvent, Subject: s.plan.Name, From: strconv.Itoa(was), To: "judged_anew",
		Why: fact.Why{Code: fact.WhyJudgedAnew, N: n, Of: was},
	}, 0)
	for i := range s.plan.Rules {
		if s.st.rules[i].active {
			s.rule(i).next = 0
		}
	}
	for k := range s.st.phases {
		ph := &s.st.phases[k]
		if ph.state != rules.Monitoring {
			continue
		}
		ph.success = slices.Clone(ph.success)
		for i := range ph.success {
			ph.success[i].next = 0
		}
	}
}
