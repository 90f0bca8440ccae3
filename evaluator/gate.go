package evaluator

import (
	"math"
	"slices"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// verdict notes what the rules of a phase say.
func (s *stepper) verdict(k int, o opinion) {
	ph := &s.st.phases[k]
	ph.verdict, ph.cause = o.verdict, o.cause
	s.tellGate(k, o)
}

// tellGate makes an event if what the gate of a phase says has changed.
func (s *stepper) tellGate(k int, o opinion) {
	p, ph := &s.plan.Phases[k], &s.st.phases[k]
	from := ph.gate
	ph.gate = s.st.gateOf(k)
	if ph.gate == from {
		return
	}
	e := fact.Event{
		Kind: fact.VerdictEvent, Subject: p.Name, Phase: p.Name, From: from.String(), To: ph.gate.String(), Cause: o.cause, Why: o.why,
	}
	if o.root == 0 {
		e.Evidence = s.leading(k)
	}
	s.emit(e, o.root)
}

// decide moves a phase to a state that stands until a command moves it.
func (s *stepper) decide(k int, to rules.State, o opinion) {
	p, ph := &s.plan.Phases[k], &s.st.phases[k]
	from := ph.state
	s.freeze(k)
	e := fact.Event{
		Kind: fact.PhaseEvent, Subject: p.Name, Phase: p.Name, From: from.String(), To: to.String(), Cause: o.cause, Why: o.why,
	}
	if o.root == 0 {
		e.Evidence = s.leading(k)
	}
	_, o.root = s.emit(e, o.root)
	ph.state, ph.decided, ph.why, ph.root = to, s.at, o.why, o.root
	s.verdict(k, o)
}

// freeze keeps what the success rules said when the phase was decided: the
// points will be forgotten.
func (s *stepper) freeze(k int) {
	ph := &s.st.phases[k]
	if !ph.begun {
		return
	}
	ph.success = slices.Clone(ph.success)
	for i := range ph.success {
		if ph.success[i].frozen == nil {
			v := s.judgedView(k, i)
			v.Closed = true
			ph.success[i].frozen = &frozenRule{rule: s.plan.Phases[k].Success[i], why: v.Ground(), evidence: s.st.found(k, i, &v)}
		}
		ph.success[i].next = math.MaxInt64
	}
}

// leading is the evidence of the success rule that decides, or would.
func (s *stepper) leading(k int) *fact.Evidence {
	best := s.leadingRule(k)
	if best < 0 {
		return nil
	}
	if f := s.st.phases[k].success[best].frozen; f != nil {
		return &f.evidence
	}
	v := s.judgedView(k, best)
	ev := s.st.found(k, best, &v)
	return &ev
}

// leadingRule is the success rule that decides, or would: the first that is
// missing, else the first. It is -1 without any.
func (s *stepper) leadingRule(k int) int {
	p, ph := &s.plan.Phases[k], &s.st.phases[k]
	if !ph.begun || len(p.Success) == 0 {
		return -1
	}
	best := 0
	for i := range ph.success {
		if s.rank(k, i) > s.rank(k, best) {
			best = i
		}
	}
	return best
}

// rank says how much a success rule has to do with what its phase says.
func (s *stepper) rank(k, i int) int {
	ss, r := &s.st.phases[k].success[i], &s.plan.Rules[s.plan.Phases[k].Success[i]]
	switch {
	case r.OnlyShown():
		return 0
	case ss.verdict != rules.Pass && !ss.ignored && r.Gate == rules.Required:
		return 3
	case ss.verdict == rules.Pass:
		return 2
	}
	return 1
}
