package wire

import (
	"cmp"
	"slices"
	"strings"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/people"
	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/rules"
)

// Event is an event for people and machines. The plan is the one that was in force,
// root the event that e.Because names; nil where it is e itself or not known.
func Event(plan *rules.Plan, e, root *fact.Event) EventBody {
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
	if s := e.Signature; s != nil {
		out.Signature = &Signature{Role: s.Role, Name: s.Name, Meaning: s.Meaning}
		if s.Digest != "" {
			out.Signature.Digest.SHA256 = &s.Digest
		}
	}
	out.Kept, out.Effect = e.Kept, effectOf(e.Effect)
	if e.Drill != nil {
		out.Drill = new(DrillOf(e.Plan, e.Drill))
	}
	for _, t := range e.Totals {
		out.Totals = append(out.Totals, Total{Signal: t.Signal, Bad: count(t.Bad), Samples: count(t.Samples)})
	}
	return out
}

// ChainOf is the chain up to a tick with a link; nil where it has none.
func ChainOf(seq uint64, link string) *Chain {
	if link == "" {
		return nil
	}
	return &Chain{Seq: seq, Head: link}
}

// MessageOf is what a sink sends of an event: a communication with its text, whatever else as
// it is said to people. link is where they find the run; empty: nowhere. head is the
// link of the event's tick in the chain.
func MessageOf(plan *rules.Plan, e *fact.Event, t words.Text, sink, link, head string) *Message {
	m := &Message{Name: e.Subject, Sink: sink, Subject: t.Headline, Text: t.Sentence, Link: link}
	if t.Do != "" {
		m.Text += " To do: " + t.Do + "."
	}
	switch e.Kind {
	case fact.CommunicationEvent:
		for i := range plan.Communications {
			if c := &plan.Communications[i]; c.Name == e.Subject {
				m.Target, m.Text = c.To.Target, words.MessageText(plan, e, c.Text, link, head)
				m.Subject = words.MessageText(plan, e, cmp.Or(c.Subject, plan.Title), link, head)
			}
		}
	case fact.ApprovalEvent:
		m.Name = "approval of " + e.Subject
		if e.Signature != nil {
			m.Target = targetOf(plan, sink, e.Signature.Role)
		}
	case fact.EffectEvent:
		m.Name, m.Target = "way back", effectTarget(plan, e, sink)
		if t.Command != "" {
			m.Text += " Command: " + t.Command
		}
	case fact.PlanEvent:
		m.Name, m.Target = "plan", targetOf(plan, sink, plan.Manager)
	case fact.ReviewEvent:
		m.Name, m.Target = "review", targetOf(plan, sink, plan.Review.Sign...)
	}
	return m
}

// targetOf is how roles are reached by a sink: by their own target there, or by the address
// that they sign from.
func targetOf(plan *rules.Plan, sink string, roles ...string) string {
	var targets []string
	for _, name := range roles {
		r := plan.Role(name)
		switch {
		case r == nil:
		case r.Tell.Sink == sink && r.Tell.Target != "":
			targets = append(targets, r.Tell.Target)
		case sink == people.EmailSink:
			for _, who := range r.Sign {
				if strings.Contains(who, "@") {
					targets = append(targets, who)
				}
			}
		}
	}
	return together(targets)
}

// TargetOf is whom a sink reaches about what became of a run: its owners there, each as the
// plan says; empty for the sink's own.
func TargetOf(plan *rules.Plan, e *fact.Event, sink string) string {
	var targets []string
	for _, name := range people.Owners(plan, e) {
		if a := people.Address(plan.Role(name), e); a.Sink == sink && a.Target != "" && !slices.Contains(targets, a.Target) {
			targets = append(targets, a.Target)
		}
	}
	return together(targets)
}

// together is several targets as one: addresses of e-mail can be given as a list, a channel
// stands alone.
func together(targets []string) string {
	var addresses []string
	for _, t := range targets {
		if strings.Index(t, "@") > 0 {
			addresses = append(addresses, t)
		}
	}
	if len(addresses) > 0 {
		return strings.Join(addresses, ", ")
	}
	return strings.Join(targets[:min(1, len(targets))], "")
}

// isSuccess reports whether an event's evidence is a success rule's. A success rule
// moves between verdicts, a rollback rule between states; what a run rests on is the
// rollback rule that ordered its rollback.
func isSuccess(e *fact.Event) bool {
	if e.Kind != fact.RuleEvent {
		return e.Kind != fact.RunEvent
	}
	var v rules.Verdict
	return v.UnmarshalText([]byte(e.To)) == nil
}

// EventType is the type under which an event is sent: relgate.phase.passed,
// relgate.rule.fired, relgate.run.rolled_back.
func EventType(e *fact.Event) string {
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
