package wire

import (
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/rules"
)

// Text is what is said of something, at three lengths.
type Text struct {
	Headline string   // at most 80 characters
	Sentence string   // one fact, one number that says how sure, one next step
	Detail   []string // lines, for who asks why
	Do       string   // what to do now; empty where there is nothing to do
	Command  string   // the rehearsed command; empty where there is none
	Who      string   // owner
}

// textRun is what is said of a run.
func textRun(_ *rules.Plan, s *evaluator.Snapshot) Text {
	t := Text{Headline: headline(s.Verdict.String(), s.Reason), Sentence: s.Reason}
	if f := s.Fired; f != nil && s.Verdict == rules.Rollback {
		t.Do, t.Command, t.Who = f.Action, f.Command, f.Owner
	}
	return t
}

// textPhase is what is said of a phase.
func textPhase(plan *rules.Plan, s *evaluator.Snapshot, k int) Text {
	if s.Verdict == rules.Rollback {
		return textRun(plan, s)
	}
	p := &s.Phases[k]
	reason := p.Reason
	if !Decided(p.State) {
		reason = heldReason(s, reason)
	}
	return Text{Headline: headline(p.Verdict.String(), reason), Sentence: reason, Who: p.Owner}
}

// textHeld is why the gate of a phase is closed that has passed, or may not begin.
func textHeld(_ *rules.Plan, s *evaluator.Snapshot, k int) Text {
	reason := heldReason(s, "")
	return Text{Headline: headline("pending", reason), Sentence: reason, Who: s.Phases[k].Owner}
}

// textRule is what is said of a rule.
func textRule(_ *rules.Plan, r *evaluator.RuleView, _ time.Time) Text {
	return Text{Headline: headline(string(r.State), r.Reason), Sentence: r.Reason, Do: r.Action, Command: r.Command, Who: r.Owner}
}

// textEvent is what is said of an event; root is the event that caused it, nil where
// it is its own cause or the cause is not known.
func textEvent(_ *rules.Plan, e, _ *evaluator.Event) Text {
	return Text{Headline: headline(e.To, e.Reason), Sentence: e.Reason, Do: e.Action, Command: e.Command, Who: e.Owner}
}

// origin is the run and the version that an event is of, and the event that caused
// it.
func origin(plan *rules.Plan, _ *evaluator.Event) (run, version, because string) {
	return plan.Binding.Run, plan.Version, ""
}

// author is who sent the command that an event is of, why, and the token that proved
// who.
func author(e *evaluator.Event) (by, why, principal string) { return e.By, e.Why, "" }

// overridden is who decided a phase by hand, and why.
func overridden(p *evaluator.PhaseView) (by, why string) { return p.By, p.Why }

// holdReason is why a run is held.
func holdReason(_ *rules.Plan, s *evaluator.Snapshot) string { return s.Holder.Why }

// heldReason says who holds the run, before why a phase is not decided. The phase
// may say the same itself.
func heldReason(s *evaluator.Snapshot, reason string) string {
	if !isHeld(s) || s.Holder.Why != "" && strings.Contains(reason, s.Holder.Why) {
		return reason
	}
	said := "the run is held"
	switch {
	case s.Holder.Rule:
		said += " by rollback rule " + s.Holder.By
	case s.Holder.By != "":
		said += " by " + s.Holder.By
	}
	if s.Holder.Why != "" {
		said += ": " + s.Holder.Why
	}
	if reason == "" || reason == "the run is held" {
		return said
	}
	return said + "; " + reason
}

// headline is a word and as much of a sentence as fits.
func headline(word, sentence string) string {
	text := strings.ToUpper(strings.ReplaceAll(word, "_", " "))
	if sentence != "" {
		text += ": " + sentence
	}
	return cut(text)
}

// amendmentKind is the kind of the events that say that the plan of a run was changed.
const amendmentKind evaluator.EventKind = "plan"
