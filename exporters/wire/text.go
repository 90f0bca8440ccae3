package wire

import (
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/rules"
)

// textPhase is what is said of the gate of a phase: while a rollback is ordered, what
// is said of the run.
func textPhase(plan *rules.Plan, s *fact.Snapshot, k int) words.Text {
	if s.Verdict == rules.Rollback {
		return words.Run(plan, s)
	}
	return words.Phase(plan, s, k)
}

// author is who gave the command that an event is of, or began the run, and why.
func author(e *fact.Event) (by, why string) {
	if e.By == "" {
		return "", ""
	}
	return e.By, e.Why.Text
}

// overridden is who decided a phase by hand, and why; empty where it was decided
// otherwise.
func overridden(p *fact.PhaseView) (by, why string) {
	if p.Why.Code != fact.WhyOverridden {
		return "", ""
	}
	return p.Why.By, p.Why.Text
}

// holdReason is why a run is held: the person's reason, or the sentence of the rule or of the
// traffic.
func holdReason(plan *rules.Plan, s *fact.Snapshot) string {
	h := &s.Holder
	if h.Mismatch.Code != "" {
		return words.HeldByTraffic(s)
	}
	if !h.Rule {
		return h.Text
	}
	v := fact.RuleView{Name: h.By, Kind: rules.RollbackRule, State: fact.RuleHolding, Verdict: rules.Pending, Cause: h.Cause}
	v.Why.Code = fact.WhyMeasured
	if h.Evidence != nil {
		v.Evidence = *h.Evidence
	}
	return words.Rule(plan, &v, s.At).Sentence
}

// stamp writes a time for people.
func stamp(t time.Time) string {
	if t.Second() != 0 {
		return t.UTC().Format("2006-01-02 15:04:05 UTC")
	}
	return t.UTC().Format("2006-01-02 15:04 UTC")
}
