package words

import (
	"fmt"
	"strings"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// Event says what happened. The root is the event that e.Because names, nil where
// that is e itself or is not known: then the text says only what e knows.
func Event(plan *rules.Plan, e, root *fact.Event) Text {
	if root == nil {
		root = e
	}
	switch e.Kind {
	case fact.RuleEvent:
		return ruleEvent(plan, e, root)
	case fact.RunEvent, fact.PhaseEvent, fact.VerdictEvent:
		return stateEvent(plan, e, root)
	case fact.CommandEvent:
		return commandEvent(plan, e)
	case fact.CommunicationEvent:
		return messageEvent(plan, e, root)
	case fact.ApprovalEvent:
		return approvalEvent(e, withRoot(e, root))
	case fact.ReviewEvent:
		return reviewEvent(plan, e, withRoot(e, root))
	case fact.RolloutEvent:
		return rolloutEvent(plan, e)
	case fact.EffectEvent:
		return effectEvent(plan, e, withRoot(e, root))
	case fact.PlanEvent:
		switch e.Why.Code {
		case fact.WhyJudgedAnew:
			return judgedAnew(e)
		case fact.WhyLate:
			return lateEvent(plan, e)
		}
		return planEvent(e)
	}
	return signalEvent(plan, e)
}

// eventVerb is the first word of the headline of an event of a run or a phase.
func eventVerb(e *fact.Event) string {
	switch e.To {
	case rules.Passed.String(), rules.Pass.String():
		return pass
	case rules.Failed.String(), rules.Fail.String():
		return fail
	case rules.RolledBack.String(), rules.Rollback.String():
		return rollback
	case fact.Over:
		return note
	case rules.Held.String():
		return hold
	case rules.Superseded.String():
		return superseded
	case rules.Unknown.String():
		return unknown
	}
	return wait
}

// withRoot gives the ground of an event together with who gave the command.
func withRoot(e, root *fact.Event) fact.Why {
	w := e.Why
	if w.By == "" && w.Text == "" && root.Kind == fact.CommandEvent {
		w.By, w.Text = root.By, root.Why.Text
	}
	return w
}

// ruleOf is the rule that an event is about, as a view of it at that time.
func ruleOf(plan *rules.Plan, e, root *fact.Event) *fact.RuleView {
	v := &fact.RuleView{Name: e.Subject, Kind: rules.RollbackRule, State: fact.RuleState(e.To), Verdict: rules.Pending, Cause: e.Cause, Why: withRoot(e, root)}
	if e.Evidence != nil {
		v.Evidence = *e.Evidence
	}
	if v.State == fact.RuleWouldFire {
		v.WouldHave = e.Why.N
	}
	var said rules.Verdict
	if ruleNamed(plan, rules.Success, e.Subject) != nil && said.UnmarshalText([]byte(e.To)) == nil {
		v.Kind, v.Verdict, v.State = rules.Success, said, ""
		return v
	}
	switch v.State {
	case fact.RuleFired:
		v.Verdict = rules.Rollback
	case fact.RuleSilent:
		v.Verdict = rules.Unknown
	case fact.RuleClear, fact.RuleWarning:
		v.Verdict = rules.Pass
	}
	return v
}

func ruleEvent(plan *rules.Plan, e, root *fact.Event) Text {
	return Rule(plan, ruleOf(plan, e, root), e.At)
}

// stateEvent says that a run, a phase or a gate has changed: what happened to it,
// and the root's own text for why.
func stateEvent(plan *rules.Plan, e, root *fact.Event) Text {
	w := withRoot(e, root)
	why, who := ground(plan, &w, e.At), plan.Manager
	if p := phaseNamed(plan, e.Phase); p != nil && e.Kind != fact.RunEvent {
		who = p.Owner
	}
	t := Text{Who: who}
	if e.Begun != nil {
		return begunEvent(plan, e)
	}
	rolled := e.To == rules.RolledBack.String() || e.To == rules.Rollback.String()
	rule, ok := deciding(plan, e, root)
	if ok {
		t = Rule(plan, rule, e.At)
		t.Headline = reverb(eventVerb(e), t.Headline)
		switch {
		case e.Kind == fact.RunEvent:
		case root != e: // the root has told the numbers
			t.Headline = headline(eventVerb(e), subject(e)+moved(e)+": "+titleOf(plan, rule.Name))
		default:
			_, fact, _ := strings.Cut(t.Headline, ": ")
			t.Headline = headline(eventVerb(e), place(e)+fact)
		}
		if !rolled {
			t.Do, t.Command = "", ""
		}
		if rolled && root != e && e.Kind != fact.RunEvent { // one order, not one for each phase and gate
			t.Do, t.Command, t.Detail = "", "", nil
		}
	} else if w.Code == fact.WhyHeldByMismatch && e.Kind == fact.RunEvent {
		t.Headline = headline(eventVerb(e), heldLine(&w))
	} else {
		t.Headline = headline(eventVerb(e), place(e)+why)
	}
	switch said := subject(e) + moved(e); {
	case ok && rolled && root != e && e.Kind != fact.RunEvent: // the root and the run tell it
		t.Sentence = sentence(said + ": rule " + rule.Name + " fired")
	case ok && w.Code == fact.WhyRulesHold:
		t.Sentence = sentence(said+": "+strings.TrimRight(t.Sentence, "."), rollbackRules(plan, &w))
	case ok:
		t.Sentence = sentence(said + ": " + strings.TrimRight(t.Sentence, "."))
	case why == "":
		t.Sentence = sentence(said)
	default:
		t.Sentence = sentence(said + ": " + why)
	}
	return t
}

// deciding is the rule whose evidence is behind an event of a run or a phase: the
// root, or the rule that the event itself tells of.
func deciding(plan *rules.Plan, e, root *fact.Event) (*fact.RuleView, bool) {
	if root != e && root.Kind == fact.RuleEvent {
		return ruleOf(plan, root, root), true
	}
	if root != e || e.Evidence == nil || e.Why.Rule == "" {
		return nil, false
	}
	v := &fact.RuleView{Name: e.Why.Rule, Kind: rules.Success, Cause: e.Cause, Evidence: *e.Evidence}
	switch e.Why.Code {
	case fact.WhyRulesHold:
		v.Verdict, v.Why.Code = rules.Pass, fact.WhyMeasured
	case fact.WhyByRule:
		v.Why = fact.Why{Code: fact.WhyCannotJudge, Cause: e.Cause}
		if v.Verdict.UnmarshalText([]byte(e.To)) != nil {
			v.Verdict = rules.Pending
		}
	default:
		return nil, false
	}
	return v, ruleNamed(plan, rules.Success, v.Name) != nil
}

// place names what an event is about, where that is not the run.
func place(e *fact.Event) string {
	if e.Kind == fact.RunEvent {
		return ""
	}
	return "phase " + e.Subject + ": "
}

func subject(e *fact.Event) string {
	switch e.Kind {
	case fact.RunEvent:
		return "the run"
	case fact.VerdictEvent:
		return "the gate of phase " + e.Subject
	}
	return "phase " + e.Subject
}

// moved says to where.
func moved(e *fact.Event) string {
	switch {
	case e.Kind == fact.VerdictEvent:
		return " says " + e.To
	case e.To == rules.Monitoring.String() && e.From == rules.Waiting.String():
		return " begins"
	case e.To == rules.Monitoring.String():
		return " goes on"
	case e.To == rules.Passed.String(), e.To == rules.Failed.String():
		return " has " + e.To
	}
	return " is " + stateText(e.To)
}

func begunEvent(plan *rules.Plan, e *fact.Event) Text {
	b := e.Begun
	said, start, started := "run", clock(b.Start, e.At), ""
	if e.Version != "" {
		said += " of version " + e.Version
	}
	if b.Try > 1 {
		said += fmt.Sprintf(", try %d,", b.Try)
	}
	if b.Start.After(e.At) {
		said += " begins at " + start
	} else {
		said += " has begun; T was " + start
	}
	if e.By != "" {
		started = "Started" + by(e.By, e.Why.Text)
	}
	t := Text{Headline: headline(wait, said), Sentence: sentence("the "+said, started), Who: plan.Manager}
	if b.Supersedes != "" {
		t.Detail = append(t.Detail, "It takes the place of run "+b.Supersedes)
	}
	if b.Previous.Version != "" {
		t.Detail = append(t.Detail, "The version before is "+b.Previous.Version)
	}
	for _, name := range sorted(b.Parameters) {
		t.Detail = append(t.Detail, fmt.Sprintf("%s = %s", name, b.Parameters[name]))
	}
	return t
}

func commandEvent(plan *rules.Plan, e *fact.Event) Text {
	name := strings.ReplaceAll(e.Subject, "_", "-")
	switch {
	case e.Phase != "":
		name += " " + e.Phase
	case e.To == "applied" && e.Why.Phase != "": // the command named none
		name += " " + e.Why.Phase
	}
	if e.To == "refused" {
		why := ground(plan, &e.Why, e.At)
		return Text{Headline: headline(refused, name+": "+why), Sentence: sentence(name+" refused: "+why, wayOut(&e.Why)), Who: e.By}
	}
	if e.Why.Code == fact.WhyAppliedEarlier { // neither this sender nor this reason is the journal's
		why := ground(plan, &e.Why, e.At)
		return Text{Headline: headline(ok, name+": "+why), Sentence: sentence(name+": "+why, "It is not applied again, and the run may have gone on since"), Who: e.By}
	}
	verb, more := ok, ""
	t := Text{Who: e.By}
	switch fact.CommandKind(e.Subject) {
	case fact.Abort:
		verb, t.Do = rollback, "roll the release back, then report it with rollback-done"
		t.Command, t.Detail = rehearsed(plan)
	case fact.Hold:
		verb = hold
	case fact.Supersede:
		verb = superseded
		if e.Why.Run != "" {
			more = "Run " + e.Why.Run + " takes its place"
		}
	case fact.Override:
		if e.Why.Phase != "" { // else it is the run that goes on: that is not the verdict yet
			verb = verdictWord(e.Why.Verdict)
		}
		name += " with " + e.Why.Verdict.String()
	}
	said := name + by(e.By, e.Why.Text)
	t.Headline, t.Sentence = headline(verb, said), sentence(said, more)
	return t
}

// wayOut says how a person goes on where signatures are missing; empty for other refusals.
func wayOut(w *fact.Why) string {
	if w.Code != fact.WhyUnsigned && w.Code != fact.WhyRejected {
		return ""
	}
	option := ""
	if w.Phase != rules.ApprovesStart {
		option = " --for " + w.Phase
	}
	return "Let them sign, or go on without them by `relgate break-glass" + option + "`"
}

// rehearsed is the command that rolls a release back, as the rollback rules have it;
// where they have more than one it is a line for each.
func rehearsed(plan *rules.Plan) (command string, lines []string) {
	known := map[string]bool{"": true}
	for i := range plan.Rules {
		r := &plan.Rules[i]
		if r.Kind != rules.RollbackRule || known[r.Command] {
			continue
		}
		known[r.Command] = true
		command, lines = r.Command, append(lines, fmt.Sprintf("command of %s: %s", r.Name, r.Command))
	}
	if len(lines) < 2 {
		return command, nil
	}
	return "", lines
}

func messageEvent(plan *rules.Plan, e, root *fact.Event) Text {
	channel, text, sink := e.Subject, "", ""
	for i := range plan.Communications {
		if c := &plan.Communications[i]; c.Name == e.Subject {
			channel, text, sink = c.Channel, MessageText(plan, e, c.Text, "", ""), c.To.Sink
		}
	}
	why := ""
	switch e.Why.Code {
	case fact.WhyMessageSkipped:
		why = fmt.Sprintf("the run's verdict is %s", e.Why.Verdict)
	case fact.WhyMessageNever:
		why = fmt.Sprintf("the run is %s, and phase %s, from which its time counts, did not begin", stateText(e.Why.State), e.Why.Phase)
	case fact.WhyMessageTooLate:
		why = "it was due at " + clock(e.Why.Since, e.At)
	case fact.WhyMessageSent:
		return Text{Headline: headline(sent, channel+": message "+e.Subject), Sentence: sentence("message " + e.Subject + " was sent to " + channel)}
	case fact.WhyMessageFailed:
		t := Text{Headline: headline(notSent, channel+": message "+e.Subject, e.Why.Text), Do: "send it again, or tell " + channel + " yourself", Who: plan.Manager}
		t.Sentence = sentence("message "+e.Subject+" did not arrive at "+channel, e.Why.Text)
		return t
	case fact.WhyMessageUnmet, fact.WhyMessageSkippedBy:
		w := withRoot(e, root)
		why = peopleGround(&w, e.At) + by("", w.Text)
		if e.Why.Code == fact.WhyMessageUnmet {
			why = peopleGround(&e.Why, e.At)
		}
	}
	if why != "" {
		return Text{Headline: headline(notSent, channel+": "+why), Sentence: sentence("not sent to " + channel + ": " + why)}
	}
	t := Text{Headline: headline(due, channel+": "+text), Sentence: sentence(channel + ": " + text)}
	if sink == "" {
		t.Do, t.Who = "send the message to "+channel, plan.Manager
	}
	return t
}

func planEvent(e *fact.Event) Text {
	t := Text{}
	if e.Edit != nil {
		for _, c := range e.Edit.Changes {
			t.Detail = append(t.Detail, changeText(c))
		}
	}
	said := "the plan was edited"
	switch n := len(t.Detail); {
	case n == 1:
		said += ": " + t.Detail[0]
		t.Detail = nil
	case n > 1:
		said += fmt.Sprintf(": %d changes", n)
	}
	t.Headline, t.Sentence = headline(note, said), sentence(said)
	return t
}

func judgedAnew(e *fact.Event) Text {
	said := "relgate was upgraded, and judges anew"
	if e.Why.N < e.Why.Of {
		said = "an older relgate was started, and judges as it did before"
	}
	return Text{
		Headline: headline(note, said),
		Sentence: sentence(fmt.Sprintf("The way relgate judges has changed from %d to %d", e.Why.Of, e.Why.N), "What was decided stands; every rule was looked at again"),
	}
}

// lateEvent says that a run cannot be complete when it is expected.
func lateEvent(plan *rules.Plan, e *fact.Event) Text {
	w := &e.Why
	said := fmt.Sprintf("complete at %s at the earliest, expected at %s", clock(w.Until, e.At), clock(w.Since, e.At))
	cause := "Phase " + w.Phase + " began late"
	if w.State == rules.Waiting.String() {
		cause = "Phase " + w.Phase + " has not begun"
	}
	return Text{
		Headline: headline("LATE", said), Sentence: sentence("The run will be "+said, cause),
		Do: "tell those who wait for it, or write another expected_completion", Who: plan.Manager,
	}
}

func changeText(c rules.Change) string {
	switch {
	case c.From == "":
		return fmt.Sprintf("%s is new: %s", c.Path, c.To)
	case c.To == "":
		return fmt.Sprintf("%s is gone, it was %s", c.Path, c.From)
	}
	return fmt.Sprintf("%s was %s, is %s", c.Path, c.From, c.To)
}

func signalEvent(plan *rules.Plan, e *fact.Event) Text {
	if e.Why.Code == fact.WhySignalBack {
		said := "signal " + e.Subject + ": the source answers again"
		return Text{Headline: headline(ok, said), Sentence: sentence(said)}
	}
	said := "signal " + e.Subject + ": " + stateText(e.To)
	var f rules.Fault
	if f.UnmarshalText([]byte(e.To)) == nil {
		said = "signal " + e.Subject + ": " + Fault(f)
	}
	t := Text{Headline: headline(unknown, said), Sentence: sentence(said)}
	if e.Why.Text != "" {
		t.Headline = headline(unknown, said, "("+e.Why.Text+")")
		t.Sentence = sentence(said + ": " + e.Why.Text)
	}
	return t
}

// MessageText fills in what a message tells of its run. link is where people find the run,
// empty where that is not known.
func MessageText(plan *rules.Plan, e *fact.Event, text, link, head string) string {
	told := e.Told
	if told == nil {
		return text
	}
	return rules.FillMessage(text, func(name string) (string, bool) {
		if rule, ok := strings.CutPrefix(name, "value."); ok {
			for _, m := range told.Values {
				if m.Rule == rule {
					return measureText(&m), true
				}
			}
			return "", false
		}
		switch name {
		case "phase":
			return told.Phase, true
		case "traffic":
			return rules.Percent.Short(told.Traffic), true
		case "observed":
			return observedText(told.Observed), true
		case "state":
			return stateText(told.State.String()), true
		case "verdict":
			return told.Verdict.String(), true
		case "link":
			return link, true
		case "chain":
			return head, true
		case "headline":
			return toldText(plan, e).Headline, true
		case "sentence":
			return toldText(plan, e).Sentence, true
		}
		return "", false
	})
}

func measureText(m *fact.Measure) string {
	if !m.Known {
		return "not known"
	}
	return m.Unit.Short(m.Value)
}

// toldText is what is said of the run as it stood when a message fell due.
func toldText(plan *rules.Plan, e *fact.Event) Text {
	t := e.Told
	said := ground(plan, &t.Why, e.At)
	verb := verdictWord(t.Verdict)
	if t.State == rules.Held {
		verb = hold
	}
	return Text{Headline: headline(verb, said), Sentence: sentence(capital(said))}
}
