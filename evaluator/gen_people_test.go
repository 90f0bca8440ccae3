package evaluator

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/people"
	"github.com/relgate/relgate/rules"
)

var genRoles = []string{"A", "B", "C"}

// genPeople gives a plan its people's part: approvals, messages and a review.
func genPeople(t *rapid.T, p *rules.Plan) {
	p.Roles, p.Approvals = nil, nil
	for _, name := range genRoles {
		r := rules.Role{Name: name, Tell: rules.Address{Sink: "slack"}}
		r.Sign = rapid.SampledFrom([][]string{nil, nil, {"token:a"}, {"b@example.com"}}).Draw(t, "signs")
		p.Roles = append(p.Roles, r)
	}
	p.Author = rapid.SampledFrom([]string{"", "ann"}).Draw(t, "author")
	allows := []string{rules.ApprovesStart, rules.ApprovesOverride, ""}
	for i := range p.Phases {
		allows = append(allows, p.Phases[i].Name)
	}
	for _, a := range allows {
		if rapid.Bool().Draw(t, "asks") {
			p.Approvals = append(p.Approvals, genApproval(t, a))
		}
	}
	p.Communications = nil
	for i := range rapid.IntRange(0, 3).Draw(t, "messages") {
		p.Communications = append(p.Communications, genMessage(t, i, p))
	}
	if rapid.Bool().Draw(t, "review") {
		p.Review = rules.Review{Sign: genRoles[:rapid.IntRange(1, 2).Draw(t, "reviewers")], Remind: minutes(t, "remind", 0, 5)}
		p.Review.Archive = rapid.SampledFrom([]string{"", "folder"}).Draw(t, "archive")
	}
	p.WayBack = rapid.Bool().Draw(t, "way back")
	for i := range p.Rules {
		if p.WayBack && p.Rules[i].Kind == rules.RollbackRule {
			p.Rules[i].Owner, p.Rules[i].Effects = "A", genEffects(t)
		}
	}
	if p.WayBack && rapid.Bool().Draw(t, "proven") {
		p.Rehearsal = rules.Rehearsal{MaxAge: minutes(t, "max age", 0, 10), Obstacle: rapid.Bool().Draw(t, "obstacle")}
	}
	p.PassCriteria = append(rules.Criteria(), "customers are pleased")
}

// genDrill is a rehearsal of the steps that genEffects makes, or of some of them.
func genDrill(t *rapid.T) *fact.Drill {
	d := &fact.Drill{ID: rapid.SampledFrom([]string{"d1", "d2", "d3"}).Draw(t, "drill"), Environment: "staging", At: T.Add(minutes(t, "drilled at", -10, 10)), By: "ann"}
	for _, name := range []string{"slow", "alias"}[:rapid.IntRange(0, 2).Draw(t, "steps")] {
		d.Steps = append(d.Steps, fact.DrillStep{Rule: "r", Name: name, OK: rapid.Bool().Draw(t, "rehearsed"), Answer: "yes"})
	}
	return d
}

func genApproval(t *rapid.T, allows string) rules.Approval {
	a := rules.Approval{Allows: allows, Roles: genRoles[:rapid.IntRange(1, 3).Draw(t, "roles")], Meaning: rules.MeansApproval}
	a.Need = rapid.IntRange(1, len(a.Roles)).Draw(t, "need")
	a.ByAuthor = rapid.Bool().Draw(t, "by author")
	a.ExpiresIn = rapid.SampledFrom([]time.Duration{0, 2 * time.Minute, 10 * time.Minute}).Draw(t, "expires")
	return a
}

func genMessage(t *rapid.T, i int, p *rules.Plan) rules.Communication {
	phases := []string{""}
	for k := range p.Phases {
		phases = append(phases, p.Phases[k].Name)
	}
	wanted := func(label string) rules.Wanted {
		return rules.Wanted{
			Phase: rapid.SampledFrom(phases).Draw(t, label), Not: label == "only if" && rapid.Bool().Draw(t, "not"),
			States: []rules.State{rapid.SampledFrom([]rules.State{rules.Monitoring, rules.Held, rules.Passed, rules.RolledBack}).Draw(t, "wanted")},
		}
	}
	m := rules.Communication{Name: fmt.Sprintf("m%d", i), To: rules.Address{Sink: rapid.SampledFrom([]string{"", "slack"}).Draw(t, "sink")}, Text: "{state} {headline} {value.r0}"}
	if rapid.Bool().Draw(t, "on") {
		m.On = wanted("on")
	} else {
		m.Phase, m.At = rapid.SampledFrom(phases).Draw(t, "counts from"), minutes(t, "at", -3, 30)
		m.Grace = minutes(t, "message grace", 0, 10)
	}
	if rapid.Bool().Draw(t, "conditional") {
		m.OnlyIf = wanted("only if")
	}
	if rapid.IntRange(0, 3).Draw(t, "quiet") == 0 {
		m.Quiet = rules.Quiet{From: 2 * time.Hour, Till: 2*time.Hour + minutes(t, "quiet hours", 1, 30)}
	}
	return m
}

// genEffects is a way back, with or without what only slows the fault down.
func genEffects(t *rapid.T) []rules.Effect {
	all := []rules.Effect{
		{Name: "hold", Do: rules.DoHold},
		{Name: "slow", Do: "scale down", To: rules.Address{Sink: "slack"}, After: minutes(t, "slow after", 0, 2)},
		{Name: "back", Do: rules.DoRollBack, After: minutes(t, "back after", 0, 6)},
		{Name: "alias", Do: rapid.SampledFrom([]string{rules.DoRevert, rules.DoPause}).Draw(t, "actuator"), To: rules.Address{Sink: "slack"}},
		{Name: "build", Do: "remove the build", By: "B", After: minutes(t, "build after", 0, 4)},
	}
	for i := range all {
		all[i].Ack = minutes(t, "ack", 1, 5)
	}
	return all[rapid.SampledFrom([]int{0, 1, 2, 3, 4, 5}).Draw(t, "from effect"):]
}

// genDeed is a command of people's part.
func genDeed(t *rapid.T, plan *rules.Plan) fact.Command {
	kinds := []fact.CommandKind{fact.Approve, fact.Approve, fact.Approve, fact.Approve, fact.Reject, fact.BreakGlass, fact.SendMessage, fact.SkipMessage, fact.EditReview, fact.SignReview, fact.SignReview, fact.AckEffect, fact.EffectDone, fact.EffectDone, fact.EffectFailed, fact.SkipEffect}
	c := fact.Command{
		ID: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "id"), Kind: rapid.SampledFrom(kinds).Draw(t, "deed"),
		By: rapid.SampledFrom([]string{"ann", "bob", "cem", " Bob "}).Draw(t, "by"), Why: "because",
		Principal: rapid.SampledFrom([]string{"", "", "a", "c", people.MailPrincipal + "b@example.com"}).Draw(t, "principal"),
		Digest:    "d1", Read: rapid.SampledFrom([]string{"", "", "", "d0"}).Draw(t, "read"),
	}
	switch c.Kind {
	case fact.SendMessage, fact.SkipMessage:
		c.Subject = fmt.Sprintf("m%d", rapid.IntRange(0, 3).Draw(t, "message"))
	case fact.EditReview:
		c.Subject = "lessons"
	case fact.AckEffect, fact.EffectDone, fact.EffectFailed, fact.SkipEffect:
		c.Subject = rapid.SampledFrom([]string{"alias", "build", "slow", "back", "none"}).Draw(t, "step")
	default:
		c.Role = rapid.SampledFrom(genRoles).Draw(t, "role")
		if i := rapid.IntRange(0, len(plan.Approvals)).Draw(t, "for"); i < len(plan.Approvals) {
			c.Subject = plan.Approvals[i].Allows
		}
	}
	return c
}

// genResult is what became of something that the run has sent, or of nothing.
func genResult(t *rapid.T, sent []string) fact.Result {
	if rapid.IntRange(0, 9).Draw(t, "a drill") == 0 {
		return fact.Result{Drill: genDrill(t)}
	}
	r := fact.Result{Event: "P/1", Sink: rapid.SampledFrom([]string{"slack", "slack", "folder", "other"}).Draw(t, "result of"), OK: rapid.Bool().Draw(t, "arrived"), Done: rapid.Bool().Draw(t, "done"), Kept: "k", Reason: "r"}
	if len(sent) > 0 {
		r.Event = rapid.SampledFrom(sent).Draw(t, "result for")
	}
	return r
}

// Whatever people, rules and the clock do: no phase begins before what it needs is signed, no
// message of the clock falls due twice unless a person sends it, and what is told has changed.
func TestNothingBeginsUnsignedWhateverHappens(t *testing.T) {
	begun, refused := 0, 0
	law := func(t *rapid.T) {
		r := newDrawnRun(t)
		if people.None(r.plan) || len(r.plan.Approvals) == 0 {
			genPeople(t, r.plan)
			r.state = Begin(r.plan)
		}
		r.truth = truth{}
		due, sends := map[string]int{}, map[string]int{}
		for range rapid.IntRange(1, 80).Draw(t, "ticks") {
			tick, old := r.next(t, true), r.state
			var events []fact.Event
			r.state, events = Step(r.plan, old, tick)
			for i, e := range events {
				r.sent(&e)
				takenBack := slices.ContainsFunc(events[i:], func(e fact.Event) bool { return e.To == fact.Rejected || e.To == fact.Void }) // by a later command of the tick
				switch {
				case e.Kind == fact.PhaseEvent && !takenBack && e.From == rules.Waiting.String() && e.To == rules.Monitoring.String():
					k := slices.IndexFunc(r.plan.Phases, func(p rules.Phase) bool { return p.Name == e.Subject })
					if why := r.state.people.Keeps(r.plan, k, r.state.At, old.phasesForPeople(r.plan)); why != nil {
						t.Fatalf("phase %s began at %v, and %+v", e.Subject, e.At, why)
					}
					for k := range r.plan.Phases {
						if since := r.state.people.Allowed(r.plan, e.Subject); r.plan.Phases[k].Name == e.Subject && r.state.phases[k].started < since {
							t.Fatalf("phase %s began at %d, and was signed for at %d", e.Subject, r.state.phases[k].started, since)
						}
					}
					begun++
				case e.Kind == fact.CommunicationEvent && e.To == fact.Due:
					due[e.Subject]++
				case e.Kind == fact.CommandEvent && e.Subject == string(fact.Approve) && e.To == "refused":
					refused++
				}
				if e.Kind == fact.ApprovalEvent && e.From == e.To && (e.To != fact.Asked || tick.Edit == nil) || e.Kind == fact.ReviewEvent && e.From == e.To {
					t.Fatalf("nothing has changed: %+v", e)
				}
			}
			for _, c := range tick.Commands {
				if c.Kind == fact.SendMessage {
					sends[c.Subject]++
				}
			}
		}
		for _, c := range r.plan.Communications {
			if c.On.IsZero() && due[c.Name] > 1+sends[c.Name] {
				t.Fatalf("message %s fell due %d times, and was sent by hand %d times", c.Name, due[c.Name], sends[c.Name])
			}
		}
	}
	checkUntil(t, func() bool { return begun > 0 && refused > 0 }, law)
}

// played notes where an event of people's part leads to, and checks where it comes from.
func played(t *rapid.T, known map[string]string, e *fact.Event) {
	key, from, to := "signature of "+e.Subject, e.From, e.To
	switch {
	case e.Kind == fact.ReviewEvent && (to == fact.Edited || to == fact.Reminded || to == fact.Failed):
		return
	case e.Kind == fact.ReviewEvent && e.Subject != "P":
		key = "review by " + e.Subject
	case e.Kind == fact.ReviewEvent:
		if key = "review"; to == fact.Void {
			to = ""
			for other := range known {
				if strings.HasPrefix(other, "review by ") {
					delete(known, other)
				}
			}
		}
	case e.Kind == fact.EffectEvent && (e.To == fact.Escalated || e.To == fact.Asked):
		return
	case e.Kind == fact.EffectEvent && (e.Drill != nil || e.Why.Code == fact.WhyWayWaived || e.Why.Code == fact.WhyWayVoid || e.Why.Code == fact.WhyNotRehearsed):
		return
	case e.Kind == fact.EffectEvent && slices.Contains([]string{fact.Ready, fact.Missing, fact.Unknown}, e.To):
		if from != fact.Asked {
			t.Fatalf("it was not asked: %s", line(*e))
		}
		return
	case e.Kind == fact.EffectEvent && e.Subject == "P":
		if known["run P"] != rules.RolledBack.String() {
			t.Fatalf("the run is not rolled back: %s", line(*e))
		}
		return
	case e.Kind == fact.EffectEvent:
		if key = "step " + e.Subject; from == fact.Planned { // a rule may fire again
			from = ""
			delete(known, key)
		}
	case e.Signature == nil: // a person goes on without
		if key = "leave for " + e.Subject; from == fact.Asked {
			from = ""
		}
		if to == fact.Void {
			to = ""
		}
	default:
		key += " by " + e.Signature.Role
	}
	renewed := e.From == fact.Asked && e.To == fact.Asked // who was asked about the plan before an edit is asked about the new one
	if was, met := known[key]; e.From == e.To && !renewed || met && was != from || !met && from != fact.Unasked && from != "" {
		t.Fatalf("%s stood at %q: %s", key, was, line(*e))
	}
	known[key] = to
}

// peopleStand is where people's part stands, as played names it.
func peopleStand(v *fact.Snapshot) map[string]string {
	m := map[string]string{"review": v.People.Review.State}
	for _, a := range v.People.Approvals {
		m["leave for "+a.Allows] = map[bool]string{true: fact.Overridden}[a.Waived]
		for _, r := range a.Roles {
			m["signature of "+a.Allows+" by "+r.Role] = r.State
		}
	}
	for _, r := range v.People.Review.Roles {
		m["review by "+r.Role] = r.State
	}
	return m
}
