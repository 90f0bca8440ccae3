package wire

import (
	"strings"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/rules"
)

// Event is an event for people and machines. The plan is the one that was in force,
// root the event that e.Because names; nil where it is e itself or not known.
func Event(plan *rules.Plan, e, root *evaluator.Event) EventBody {
	t := words.Event(plan, e, root)
	out := EventBody{
		Kind: string(e.Kind), Type: EventType(e), Severity: string(e.Severity()), ID: e.ID, N: e.N, Run: e.Run, Plan: e.Plan, Version: e.Version, Because: e.Because, Principal: e.Principal, At: at(e.At), Subject: e.Subject, Phase: e.Phase,
		From: e.From, To: e.To, Cause: e.Cause.String(),
		Headline: t.Headline, Sentence: t.Sentence, Detail: lines(t.Detail), Owner: t.Who, Action: t.Do, Command: t.Command,
		Changes: []Change{}, Totals: []Total{},
	}
	out.By, out.Why = author(e)
	if e.Begun != nil {
		b := e.Begun
		out.Begun = &Begun{Start: at(b.Start), Try: b.Try, Parameters: parameters(b.Parameters), Previous: previous(b.Previous), Supersedes: b.Supersedes}
	}
	if e.Edit != nil {
		for _, c := range e.Edit.Changes {
			out.Changes = append(out.Changes, Change(c))
		}
	}
	if e.Evidence != nil {
		out.Evidence = new(evidence(e.Evidence, isSuccess(e)))
	}
	for _, t := range e.Totals {
		out.Totals = append(out.Totals, Total{Signal: t.Signal, Bad: count(t.Bad), Samples: count(t.Samples)})
	}
	return out
}

// isSuccess reports whether an event's evidence is a success rule's. A success rule
// moves between verdicts, a rollback rule between states; what a run rests on is the
// rollback rule that ordered its rollback.
func isSuccess(e *evaluator.Event) bool {
	if e.Kind != evaluator.RuleEvent {
		return e.Kind != evaluator.RunEvent
	}
	var v rules.Verdict
	return v.UnmarshalText([]byte(e.To)) == nil
}

// EventType is the type under which an event is sent: relgate.phase.passed,
// relgate.rule.fired, relgate.run.rolled_back.
func EventType(e *evaluator.Event) string {
	return "relgate." + word(string(e.Kind), "event") + "." + word(e.To, "changed")
}

// word is s where s can be a part of a type, and otherwise another word.
func word(s, otherwise string) string {
	if s == "" || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return otherwise
	}
	return s
}

// lines is never null.
func lines(in []string) []string { return append([]string{}, in...) }
