package judge

import (
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/stored"
	"github.com/relgate/relgate/rules"
)

// WriteWhy writes a ground; [ReadWhy] reads it. A phase has none until it is decided, a run no
// hold while nothing holds it: that takes a byte.
func WriteWhy(w *stored.Writer, v *fact.Why) {
	if *v == (fact.Why{}) {
		v = nil
	}
	stored.Optional(w, v)
}

// ReadWhy reads a ground.
func ReadWhy(r *stored.Reader) fact.Why {
	if w := stored.ReadOptional[fact.Why](r); w != nil {
		return *w
	}
	return fact.Why{}
}

// ReadState reads a byte that is the state of a run or a phase.
func ReadState(r *stored.Reader) rules.State { return rules.State(r.Enum(len(rules.States()))) }

// ReadVerdict reads a byte that is a verdict.
func ReadVerdict(r *stored.Reader) rules.Verdict { return rules.Verdict(r.Enum(len(rules.Verdicts()))) }

// ReadCause reads a byte that is a cause.
func ReadCause(r *stored.Reader) rules.Cause {
	return rules.Cause(r.Enum(int(rules.CauseUnsettled) + 1))
}

// ReadCode reads a byte that is the state of a rule.
func ReadCode(r *stored.Reader) State { return State(r.Enum(len(fact.RuleStates()))) }
