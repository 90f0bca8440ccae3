package evaluator

import (
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// does gives commands one after another, and checks what each comes to.
func (w *world) does(steps ...deed) {
	w.t.Helper()
	for _, s := range steps {
		if got := outcome(w.tick(s.c)); got != s.want {
			w.t.Errorf("%s: got %s, want %s", s.name, got, s.want)
		}
	}
}

type deed struct {
	name string
	c    fact.Command
	want string
}

func verdict(v rules.Verdict) func(*fact.Command) { return func(c *fact.Command) { c.Verdict = v } }

func inPhase(name string) func(*fact.Command) { return func(c *fact.Command) { c.Phase = name } }

func approval(allows string, roles ...string) rules.Approval {
	return rules.Approval{Allows: allows, Roles: roles, Need: len(roles), Meaning: rules.MeansApproval}
}

func (w *world) criterion(i int) fact.CriterionState {
	return Look(w.plan, w.state).People.Criteria[i].State
}

// A command that names nothing is for what was asked: sent twice, it signs only that. A
// rejection that names nothing is for what was signed.
func TestASignatureIsForWhatWasAsked(t *testing.T) {
	p := peoplePlan()
	p.Roles, p.Approvals = nil, []rules.Approval{approval("start", "CTO", "Legal"), approval("all", "CTO"), approval("override", "CTO")}
	w := newWorld(t, p)
	w.run(T)
	w.does(
		deed{"the start", command(fact.Approve, "kim", "", role("CTO")), "applied"},
		deed{"once more", command(fact.Approve, "kim", "", role("CTO")), "signed_already"},
		deed{"taken back", command(fact.Reject, "kim", "", role("CTO")), "applied"},
		deed{"and again", command(fact.Reject, "kim", "", role("CTO")), "rejected_already"},
	)
	for i, want := range []string{fact.Rejected, fact.Unasked, fact.Unasked} {
		if a := Look(p, w.state).People.Approvals[i]; a.Roles[0].State != want {
			t.Errorf("approval of %s: CTO is %s, want %s", a.Allows, a.Roles[0].State, want)
		}
	}
}

func TestAnOverrideOfARollbackIsSigned(t *testing.T) {
	p := peoplePlan()
	p.Roles, p.Approvals = nil, []rules.Approval{approval("override", "CTO")}
	w := newWorld(t, p)
	w.run(T.Add(time.Minute))
	w.does(
		deed{"an abort", command(fact.Abort, "ada", ""), "applied"},
		deed{"an override without", command(fact.Override, "ada", "", verdict(rules.Pass)), "unsigned"},
		deed{"its signature", command(fact.Approve, "kim", "", role("CTO")), "applied"},
		deed{"one that cannot be", command(fact.Override, "ada", "", verdict(rules.Fail)), "only_pass"},
		deed{"which uses nothing up", command(fact.Override, "ada", "", verdict(rules.Pass)), "applied"},
	)
}

// Another token, another spelling: still the same person.
func TestAPersonIsOneUnderAnyName(t *testing.T) {
	p := peoplePlan()
	p.Roles, p.Author = nil, "Zoë Kim"
	w := newWorld(t, p)
	beginBy(w, "Ada Byron", "deploy")
	w.does(
		deed{"who began it, with another token", command(fact.Approve, " ada  byron.", "cto", role("CTO")), "author_signs"},
		deed{"with the same token", command(fact.Approve, "ci", "deploy", role("CTO")), "author_signs"},
		deed{"who wrote it", command(fact.Approve, "zoë kim", "zoe", role("CTO")), "author_signs"},
		deed{"another", command(fact.Approve, "Lee", "a", role("CTO")), "applied"},
		deed{"the same with another token", command(fact.Approve, "LEE", "b", role("Legal")), "signed_twice"},
		deed{"a third", command(fact.Approve, "!", "b", role("Legal")), "applied"},
	)
}

func TestAMessageThatAPersonSkippedIsNotSent(t *testing.T) {
	p := peoplePlan()
	p.Approvals = nil
	p.Communications = []rules.Communication{{Name: "held", On: rules.Wanted{States: []rules.State{rules.Held}}, To: rules.Address{Sink: "slack"}, Text: "x"}}
	w := newWorld(t, p)
	w.run(T.Add(time.Minute))
	w.does(deed{"skip", command(fact.SkipMessage, "ada", "", about("held")), "applied"}, deed{"hold", command(fact.Hold, "ada", ""), "applied"})
	if m := Look(p, w.state).People.Messages[0]; m.State != fact.Skipped {
		t.Errorf("the message is %s", m.State)
	}
	w.does(deed{"by hand", command(fact.SendMessage, "ada", "", about("held")), "applied"})
}

// A review is of an end. Where the run goes on after all it is written and signed again, also
// where it was complete or in the archive.
func TestAReviewIsOfTheEndThatItWasWrittenOf(t *testing.T) {
	for _, from := range []string{fact.Complete, fact.Archived} {
		p := peoplePlan()
		p.Approvals, p.Roles = nil, nil
		w := newWorld(t, p)
		w.run(T.Add(time.Minute))
		w.does(deed{"abort", command(fact.Abort, "ada", ""), "applied"}, deed{"sign", command(fact.SignReview, "kim", "", role("Manager")), "applied"})
		last := w.events[len(w.events)-1]
		if from == fact.Archived {
			w.state, _ = checkedStep(t, p, w.state, fact.Tick{At: w.now, Results: []fact.Result{{Event: last.ID, Sink: "folder", OK: true, Kept: "/a.md"}}})
		}
		w.events = nil
		w.does(deed{"goes on", command(fact.Override, "ada", "", verdict(rules.Pass)), "applied"})
		if e := w.events[len(w.events)-1]; e.Kind != fact.ReviewEvent || e.From != from || e.To != fact.Void {
			t.Errorf("%s: got %+v", from, e)
		}
		w.does(deed{"abort", command(fact.Abort, "ada", ""), "applied"})
		if v := Look(p, w.state).People; v.Review.State != fact.Open || v.Review.Kept != "" || v.Criteria[4].State != fact.CriterionOpen {
			t.Errorf("%s: the review of another end is %+v", from, v.Review)
		}
	}
}

func TestAReviewIsSignedByTwoPeople(t *testing.T) {
	p := peoplePlan()
	p.Approvals, p.Roles, p.Review.Sign = nil, nil, []string{"Manager", "CTO"}
	w := newWorld(t, p)
	w.run(T.Add(time.Minute))
	w.does(
		deed{"abort", command(fact.Abort, "ada", ""), "applied"},
		deed{"another plan", command(fact.SignReview, "kim", "a", role("CTO"), func(c *fact.Command) { c.Read = "d0" }), "other_plan"},
		deed{"one", command(fact.SignReview, "kim", "a", role("CTO")), "applied"},
		deed{"the same", command(fact.SignReview, "Kim", "b", role("Manager")), "signed_twice"},
		deed{"another", command(fact.SignReview, "lee", "b", role("Manager")), "applied"},
	)
}

// The window of a phase counts from when it was let begin, not from when it was planned.
func TestAPhaseBeginsNoEarlierThanItWasSigned(t *testing.T) {
	for _, c := range []fact.Command{command(fact.Approve, "kim", "", role("CTO")), command(fact.BreakGlass, "kim", "")} {
		p := peoplePlan()
		p.Roles, p.Approvals = nil, []rules.Approval{{Allows: "start", Roles: []string{"CTO", "Legal"}, Need: 1}}
		w := newWorld(t, p)
		w.run(T)
		w.now = T.Add(7 * time.Second)
		w.does(deed{"late", c, "applied"})
		if ph := Look(p, w.state).Phases[0]; !ph.Started.Equal(w.now) {
			t.Errorf("%s: the phase began at %v, and was let begin at %v", c.Kind, ph.Started, w.now)
		}
	}
	p := peoplePlan()
	p.Roles, p.Approvals = nil, []rules.Approval{{Allows: "start", Roles: []string{"CTO", "Legal"}, Need: 1}}
	w := newWorld(t, p)
	w.run(T)
	w.does(deed{"in time", command(fact.Approve, "kim", "", role("CTO")), "applied"})
	w.now = T.Add(7 * time.Second)
	w.does(deed{"one more than it needs", command(fact.Approve, "lee", "", role("Legal")), "applied"})
	if ph := Look(p, w.state).Phases[0]; !ph.Started.Equal(T) {
		t.Errorf("the phase began at %v", ph.Started)
	}
}

// A person lets the plan go on that there is. Another needs signatures again, and the criterion
// remembers.
func TestAnEditEndsBreakGlass(t *testing.T) {
	p := peoplePlan()
	w := newWorld(t, p)
	w.run(T.Add(-time.Minute))
	w.does(deed{"break-glass", command(fact.BreakGlass, "ada", ""), "applied"})
	var events []fact.Event
	w.state, events = checkedStep(t, p, w.state, fact.Tick{At: w.now, Edit: &fact.Edit{From: "d1", To: "d2", Changes: []rules.Change{{Path: "release.title"}}}})
	if e := events[1]; e.Kind != fact.ApprovalEvent || e.From != fact.Overridden || e.To != fact.Void || e.Why.Code != fact.WhyVoid || len(e.Tell) != 1 || e.Because != events[0].ID {
		t.Errorf("got %+v", e)
	}
	w.run(T.Add(time.Minute))
	if v := Look(p, w.state); v.Phases[0].State != rules.Waiting || v.Why.Code != fact.WhyUnsigned {
		t.Errorf("phase ten is %s: %+v", v.Phases[0].State, v.Why)
	}
	w.does(deed{"CTO", command(fact.Approve, "kim", "", role("CTO")), "applied"}, deed{"Legal", command(fact.Approve, "lee", "mail:law@example.com", role("Legal")), "applied"})
	if got := w.criterion(2); got != fact.CriterionNotMet {
		t.Errorf("the criterion is %s", got)
	}
}

func TestOneThatWasUsedIsRemembered(t *testing.T) {
	p := peoplePlan()
	p.Approvals = []rules.Approval{approval("override", "CTO")}
	w := newWorld(t, p)
	w.run(T.Add(time.Minute))
	w.does(
		deed{"break-glass", command(fact.BreakGlass, "ada", "", about("override")), "applied"},
		deed{"override", command(fact.Override, "ada", "", verdict(rules.Pass)), "applied"},
	)
	if got := w.criterion(2); got != fact.CriterionNotMet {
		t.Errorf("the criterion is %s", got)
	}
}

// What a run that is decided still lacks, it will lack for ever.
func TestCriteriaOfADecidedRunAreDecided(t *testing.T) {
	p := peoplePlan()
	p.Communications = []rules.Communication{{Name: "all", Phase: "all", At: time.Minute, To: rules.Address{Sink: "slack"}, Text: "x"}}
	w := newWorld(t, p)
	w.run(T.Add(time.Minute))
	if a, m := w.criterion(2), w.criterion(3); a != fact.CriterionOpen || m != fact.CriterionOpen {
		t.Errorf("under way: approvals %s, messages %s", a, m)
	}
	w.does(deed{"abort", command(fact.Abort, "ada", ""), "applied"})
	if a, m := w.criterion(2), w.criterion(3); a != fact.CriterionNotMet || m != fact.CriterionMet {
		t.Errorf("decided: approvals %s, messages %s", a, m)
	}
}

// What came of a message is believed of the sink that it went to, whatever the plan says now,
// and of this run.
func TestAResultIsOfWhatWasSent(t *testing.T) {
	p := peoplePlan()
	p.Approvals = nil
	p.Communications = []rules.Communication{{Name: "now", At: -2 * time.Minute, To: rules.Address{Sink: "slack"}, Text: "x"}}
	w := newWorld(t, p)
	w.run(T)
	id := ""
	for _, e := range w.events {
		if e.To == fact.Due {
			id = e.ID
		}
	}
	changed := *p
	changed.Communications = []rules.Communication{{Name: "now", At: -2 * time.Minute, To: rules.Address{Sink: "teams"}, Text: "x"}}
	before := w.state
	w.state, w.plan = Adopt(p, &changed, before), &changed
	w.does(
		deed{"by hand, to the sink that the plan names now", command(fact.SendMessage, "ada", "", about("now")), "applied"},
		deed{"which is answered", command(fact.SendMessage, "ada", "", about("now")), "message_is"},
	)
	w.state = Adopt(p, &changed, before)
	result := func(id, sink string) string {
		w.state, _ = checkedStep(t, w.plan, w.state, fact.Tick{At: w.now, Results: []fact.Result{{Event: id, Sink: sink, OK: true}}})
		return Look(w.plan, w.state).People.Messages[0].State
	}
	for _, tt := range []struct{ name, id, sink, want string }{
		{"a sink that it did not go to", id, "teams", fact.Due},
		{"another run of this id", "REL@1.0.other/" + id[len(id)-1:], "slack", fact.Due},
		{"the sink that has it", id, "slack", fact.Sent},
	} {
		if got := result(tt.id, tt.sink); got != tt.want {
			t.Errorf("%s: the message is %s, want %s", tt.name, got, tt.want)
		}
	}
}

// A signature that ends in the tick that renews it is told to have ended.
func TestASignatureIsRenewedInTheTickThatEndsIt(t *testing.T) {
	p := peoplePlan()
	p.Roles = nil
	p.Approvals = []rules.Approval{{Allows: "start", Roles: []string{"CTO", "Legal"}, Need: 2, ExpiresIn: time.Minute}}
	w := newWorld(t, p)
	w.run(T.Add(-4 * time.Minute))
	w.does(deed{"one", command(fact.Approve, "kim", "", role("CTO")), "applied"})
	w.now, w.events = w.now.Add(time.Minute), nil
	w.does(deed{"renewed at its last second", command(fact.Approve, "lee", "", role("CTO")), "applied"})
	said := ""
	for _, e := range w.events {
		if e.Kind == fact.ApprovalEvent {
			said += e.From + ">" + e.To + " "
		}
	}
	if said != "approved>expired expired>approved " {
		t.Errorf("got %s", said)
	}
	w.does(deed{"one", command(fact.Approve, "kim", "", role("Legal")), "applied"})
	w.run(T.Add(time.Minute))
	if got := Look(p, w.state).Phases[0].State; got != rules.Waiting {
		t.Errorf("with signatures that have ended phase ten is %s", got)
	}
}

// An edit that takes a message out of the plan, and another that brings it back, send it to
// no one twice.
func TestAMessageThatComesBackIsNotSentTwice(t *testing.T) {
	p := peoplePlan()
	p.Approvals = nil
	slack := rules.Address{Sink: "slack"}
	p.Communications = []rules.Communication{{Name: "later", At: time.Hour, To: slack, Text: "x"}, {Name: "now", At: -2 * time.Minute, To: slack, Text: "x"}}
	w := newWorld(t, p)
	w.run(T)
	without := *p
	without.Communications = nil
	for _, next := range []*rules.Plan{&without, &without, p, &without, p} {
		w.state, w.plan = Adopt(w.plan, next, w.state), next
		w.run(w.now.Add(time.Minute))
	}
	due := 0
	for _, e := range w.events {
		if e.Kind == fact.CommunicationEvent {
			due++
		}
	}
	if m := Look(p, w.state).People.Messages; due != 1 || m[0].State != fact.Waiting || m[1].State != fact.Due {
		t.Errorf("it was told of %d times; messages %+v", due, m)
	}
}

// A signature on a review is for the end that was signed. A run that comes to another end, in
// the very tick in which a person lets it go on, or by a rule after it has failed, is signed
// for anew.
func TestASignatureOnAReviewIsForOneEnd(t *testing.T) {
	p := peoplePlan()
	p.Approvals, p.Roles, p.Review.Sign = nil, nil, []string{"Manager", "CTO"}
	p.Phases = p.Phases[:1]
	p.Phases[0].Rollback, p.Phases[0].Success = nil, []int{0}
	w := newWorld(t, p)
	w.run(T.Add(20 * time.Minute))
	if v := Look(p, w.state); v.State != rules.Passed {
		t.Fatalf("the run is %s\n%s", v.State, w.lines())
	}
	for _, tt := range []struct {
		from, to string
		moves    fact.Command
	}{
		{"passed", "failed", command(fact.Override, "ada", "", verdict(rules.Fail))},
		{"failed", "passed", command(fact.Override, "ada", "", verdict(rules.Pass))},
		{"passed", "rolled_back", command(fact.Abort, "ada", "")},
	} {
		w.does(deed{tt.from, command(fact.SignReview, "kim", "", role("Manager")), "applied"})
		w.events = nil
		w.does(deed{tt.to, tt.moves, "applied"})
		v := Look(p, w.state)
		if v.State.String() != tt.to || v.People.Review.State != fact.Open || v.People.Review.Roles[0].State == fact.Approved {
			t.Errorf("%s to %s: the run is %s, the review %+v", tt.from, tt.to, v.State, v.People.Review)
		}
		var said []string
		for _, e := range w.events {
			if e.Kind == fact.ReviewEvent {
				said = append(said, e.From+" to "+e.To+" "+e.Why.State)
			}
		}
		if got, want := strings.Join(said, ", "), "open to void "+tt.to+",  to open "+tt.to; got != want {
			t.Errorf("%s to %s: said %q, want %q", tt.from, tt.to, got, want)
		}
		// Without another end it stands.
		w.events = nil
		w.does(deed{"again", command(fact.SignReview, "kim", "", role("Manager")), "applied"})
		w.now = w.now.Add(time.Minute)
		w.tick()
		if v := Look(p, w.state); v.People.Review.Roles[0].State != fact.Approved {
			t.Errorf("%s: signed and not changed: %+v", tt.to, v.People.Review)
		}
		w.state, _ = checkedStep(t, p, w.state, fact.Tick{At: w.now, Commands: []fact.Command{command(fact.EditReview, "ada", "", about("lessons"))}})
	}
}

// A message for what happens falls due each time. One that was lost stays lost, whatever
// became of the next, until it arrives after all, or a person sends or skips it.
func TestAMessageThatWasLostStaysLost(t *testing.T) {
	p := peoplePlan()
	p.Approvals = nil
	p.Communications = []rules.Communication{{Name: "held", On: rules.Wanted{States: []rules.State{rules.Held}}, To: rules.Address{Sink: "slack"}, Text: "x"}}
	for _, tt := range []struct {
		name   string
		order  string // of the answers to the two sendings: + it arrived, - it was lost
		by     *fact.Command
		state  string
		judged fact.CriterionState
	}{
		{"both arrive", "1+ 2+", nil, fact.Sent, fact.CriterionMet},
		{"neither is answered", "", nil, fact.Due, fact.CriterionOpen},
		{"the first is not answered", "2+", nil, fact.Sent, fact.CriterionOpen},
		{"the first is lost before the second falls due", "1- 2+", nil, fact.Failed, fact.CriterionNotMet},
		{"the first is lost after that", "2+ 1-", nil, fact.Failed, fact.CriterionNotMet},
		{"and said to be once more", "2+ 1- 1-", nil, fact.Failed, fact.CriterionNotMet},
		{"the second is lost", "1+ 2-", nil, fact.Failed, fact.CriterionNotMet},
		{"the first arrives after all", "1- 2+ 1+", nil, fact.Sent, fact.CriterionMet},
		{"the first arrives late", "2+ 1+", nil, fact.Sent, fact.CriterionMet},
		{"a person sends it", "1- 2+", new(command(fact.SendMessage, "ada", "", about("held"))), fact.Due, fact.CriterionOpen},
		{"a person skips it", "1- 2+", new(command(fact.SkipMessage, "ada", "", about("held"))), fact.Skipped, fact.CriterionMet},
	} {
		w := newWorld(t, p)
		w.run(T.Add(time.Minute))
		hold := func() (id string) {
			for _, e := range w.tick(command(fact.Hold, "ada", "")) {
				if e.Kind == fact.CommunicationEvent {
					id = e.ID
				}
			}
			w.tick(command(fact.Resume, "ada", ""))
			return id
		}
		ids := map[byte]string{'1': hold()}
		answers := strings.Fields(tt.order)
		for i, a := range append([]string{}, answers...) {
			if _, met := ids['2']; !met && (a[0] == '2' || i > 0) {
				ids['2'] = hold()
			}
			w.state, _ = checkedStep(t, p, w.state, fact.Tick{At: w.now, Results: []fact.Result{{Event: ids[a[0]], Sink: "slack", OK: a[1] == '+', Reason: "gone"}}})
		}
		if _, met := ids['2']; !met {
			ids['2'] = hold()
		}
		if tt.by != nil {
			w.does(deed{tt.name, *tt.by, "applied"})
		}
		if m := Look(p, w.state).People.Messages[0]; m.State != tt.state {
			t.Errorf("%s: the message is %s, want %s", tt.name, m.State, tt.state)
		}
		if got := w.criterion(3); got != tt.judged {
			t.Errorf("%s: the criterion is %s, want %s", tt.name, got, tt.judged)
		}
	}
}

// To override a phase is to decide in place of its rules. What it wants signed before it begins
// is another matter: that is signed, or a person breaks the glass.
func TestAnOverrideGoesRoundNoSignature(t *testing.T) {
	p := peoplePlan()
	p.Roles, p.Approvals = nil, []rules.Approval{approval("start", "CTO"), approval("all", "Legal", "CTO")}
	w := newWorld(t, p)
	w.run(T.Add(time.Minute))
	pass := func(phase string) fact.Command {
		return command(fact.Override, "ada", "", verdict(rules.Pass), inPhase(phase))
	}
	w.does(
		deed{"before the start is signed", pass("ten"), "unsigned"},
		deed{"the start", command(fact.Approve, "kim", "", role("CTO"), about("start")), "applied"},
		deed{"a phase that wants none", pass("ten"), "applied"},
		deed{"one that does", pass("all"), "unsigned"},
		deed{"a rejection", command(fact.Reject, "lee", "", role("Legal"), about("all")), "applied"},
		deed{"goes round that", pass("all"), "rejected"},
		deed{"a failure waits for none", command(fact.Override, "ada", "", verdict(rules.Fail), inPhase("all")), "applied"},
		deed{"and is no way round", pass("all"), "rejected"},
		deed{"break-glass", command(fact.BreakGlass, "ada", "", about("all")), "applied"},
		deed{"with which it may", pass("all"), "applied"},
	)
	for _, e := range w.events {
		if e.Kind == fact.CommandEvent && e.Why.Code == fact.WhyRejected && (e.Why.Phase != "all" || e.Why.Text != "Legal, CTO") {
			t.Errorf("it does not say who is missing: %+v", e.Why)
		}
	}
}

// A message that counts from a phase which did not begin before the run was over is skipped,
// and says why. It waits again where a person lets the run go on.
func TestAMessageWhoseTimeNeverComesIsSkipped(t *testing.T) {
	p := peoplePlan()
	p.Approvals = nil
	p.Communications = []rules.Communication{
		{Name: "all", Phase: "all", At: time.Minute, To: rules.Address{Sink: "slack"}, Text: "x"},
		{Name: "ten", Phase: "ten", At: 30 * time.Minute, To: rules.Address{Sink: "slack"}, Text: "x"},
	}
	w := newWorld(t, p)
	w.run(T.Add(time.Minute))
	w.does(deed{"abort", command(fact.Abort, "ada", ""), "applied"})
	e := w.events[len(w.events)-2] // before the review opens
	if e.Subject != "all" || e.From != fact.Waiting || e.To != fact.Skipped || e.Why != (fact.Why{Code: fact.WhyMessageNever, State: "rolled_back", Phase: "all"}) {
		t.Errorf("said %+v", e)
	}
	if m := Look(p, w.state).People.Messages; m[0].State != fact.Skipped || m[1].State != fact.Waiting {
		t.Errorf("over: %+v", m)
	}
	w.does(
		deed{"it is skipped", command(fact.SkipMessage, "ada", "", about("all")), "message_is"},
		deed{"goes on", command(fact.Override, "ada", "", verdict(rules.Pass)), "applied"},
	)
	if m := Look(p, w.state).People.Messages; m[0].State != fact.Waiting {
		t.Errorf("under way again: %+v", m)
	}
	w.events = nil
	w.run(T.Add(25 * time.Minute))
	if m := Look(p, w.state).People.Messages; m[0].State != fact.Due || strings.Count(w.lines(), "communication all") != 1 {
		t.Errorf("its time came: %+v\n%s", m, w.lines())
	}
}

// T may move after a message was sent. It was sent, and is not sent again; what waits goes by
// the new T.
func TestAMessageIsNotSentAgainWhenTMoves(t *testing.T) {
	for _, by := range []time.Duration{2 * time.Hour, -time.Minute} {
		p := peoplePlan()
		p.Approvals = nil
		slack := rules.Address{Sink: "slack"}
		p.Communications = []rules.Communication{{Name: "soon", At: -2 * time.Minute, To: slack, Text: "x"}, {Name: "live", At: 10 * time.Minute, To: slack, Text: "x"}}
		w := newWorld(t, p)
		w.run(T.Add(-time.Minute))
		moved := *p
		moved.Start = T.Add(by)
		w.state, w.plan = Adopt(p, &moved, w.state), &moved
		w.run(moved.Start.Add(20 * time.Minute))
		var due []string
		for _, e := range w.events {
			if e.Kind == fact.CommunicationEvent {
				due = append(due, e.Subject+" "+e.To+" "+e.At.Sub(T).String())
			}
		}
		if got, want := strings.Join(due, ", "), "soon due -2m0s, live due "+(by+10*time.Minute).String(); got != want {
			t.Errorf("T moved by %s: %s, want %s", by, got, want)
		}
		if got := outcome(w.tick(command(fact.SendMessage, "ada", "", about("soon")))); got != "message_is" {
			t.Errorf("by hand: %s", got)
		}
	}
}
