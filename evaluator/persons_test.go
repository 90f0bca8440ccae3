package evaluator

import (
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/people"
	"github.com/relgate/relgate/rules"
)

// peoplePlan is smallPlan with signatures, messages and a review.
func peoplePlan() *rules.Plan {
	p := boundPlan()
	p.Manager = "Manager"
	p.Roles = []rules.Role{
		{Name: "CTO", Tell: rules.Address{Sink: "slack", Target: "@cto"}},
		{Name: "Legal", Sign: []string{"law@example.com"}},
		{Name: "Manager", Tell: rules.Address{Sink: "slack"}},
	}
	p.Approvals = []rules.Approval{{Allows: "start", Roles: []string{"CTO", "Legal"}, Need: 2, Meaning: "approval"}}
	p.Review = rules.Review{Sign: []string{"Manager"}, Archive: "folder", Remind: 24 * time.Hour}
	p.PassCriteria = []string{"phases_passed", "no_rollback", "approvals_signed", "messages_sent", "review_archived", "customers are pleased"}
	p.Communications = nil
	return p
}

func beginBy(w *world, by, principal string) {
	w.t.Helper()
	var events []fact.Event
	w.state, events = checkedStep(w.t, w.plan, w.state, fact.Tick{At: w.now, Begin: &fact.Begun{By: by, Why: "merged", Principal: principal}})
	w.events = append(w.events, events...)
}

func command(kind fact.CommandKind, by, principal string, more ...func(*fact.Command)) fact.Command {
	c := fact.Command{Kind: kind, By: by, Why: "because", Principal: principal, Digest: "d1"}
	for _, m := range more {
		m(&c)
	}
	return c
}

func role(name string) func(*fact.Command)  { return func(c *fact.Command) { c.Role = name } }
func about(name string) func(*fact.Command) { return func(c *fact.Command) { c.Subject = name } }

// outcome is what a command came to: "applied", or the code of the refusal.
func outcome(events []fact.Event) string {
	for _, e := range events {
		if e.Kind == fact.CommandEvent {
			if e.To == "applied" {
				return e.To
			}
			return string(e.Why.Code)
		}
	}
	return ""
}

func TestNothingBeginsUnsigned(t *testing.T) {
	w := newWorld(t, peoplePlan())
	beginBy(w, "ada", "deploy")
	w.run(T.Add(5 * time.Minute))
	v := Look(w.plan, w.state)
	if v.State != rules.Monitoring || v.Why.Code != fact.WhyUnsigned || v.Why.Text != "CTO, Legal" || v.Cause != rules.CauseApproval || v.Phases[0].Why.Code != fact.WhyUnsigned {
		t.Fatalf("after T: %s %+v, phase %+v", v.State, v.Why, v.Phases[0].Why)
	}
	var asked []string
	for _, e := range w.events {
		if e.Kind == fact.ApprovalEvent {
			asked = append(asked, e.To+" "+e.Signature.Role+" "+strings.Join(e.Tell, "+"))
		}
	}
	if got := strings.Join(asked, ", "); got != "asked CTO slack, asked Legal email" {
		t.Errorf("asked: %s", got)
	}
	for _, tt := range []struct {
		name string
		c    fact.Command
		want string
	}{
		{"the author, by the token", command(fact.Approve, "somebody", "deploy", role("CTO")), "author_signs"},
		{"a role that is not asked", command(fact.Approve, "kim", "kim", role("CFO")), "not_asked"},
		{"for nothing that is asked", command(fact.Approve, "kim", "kim", role("CTO"), about("override")), "not_asked"},
		{"another plan than was read", command(fact.Approve, "kim", "kim", role("CTO"), func(c *fact.Command) { c.Read = "d0" }), "other_plan"},
		{"a token in place of the e-mail", command(fact.Approve, "lee", "lee", role("Legal")), "not_signer"},
		{"a rejection", command(fact.Reject, "kim", "kim", role("CTO")), "applied"},
		{"the same person after all", command(fact.Approve, "kim", "kim", role("CTO"), func(c *fact.Command) { c.Read, c.Meaning = "d1", "responsibility" }), "applied"},
		{"once more", command(fact.Approve, "kim", "kim", role("CTO")), "signed_already"},
		{"a start by hand", command(fact.StartPhase, "kim", "kim"), "unsigned"},
		{"a review that is not due", command(fact.SignReview, "kim", "kim", role("Manager")), "run_is"},
		{"the other one", command(fact.Approve, "Lee", "mail:law@example.com", role("Legal")), "applied"},
		{"what is signed", command(fact.BreakGlass, "ada", "deploy"), "nothing_to_skip"},
	} {
		if got := outcome(w.tick(tt.c)); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		w.now = w.now.Add(30 * time.Second)
	}
	last := w.events[len(w.events)-1]
	for i := len(w.events) - 1; w.events[i].Kind != fact.ApprovalEvent; i-- {
		last = w.events[i-1]
	}
	if s := last.Signature; s == nil || *s != (fact.Signature{Role: "Legal", Name: "Lee", Meaning: "approval", Digest: "d1"}) || last.Because == "" {
		t.Errorf("the signature is %+v", last)
	}
	v = Look(w.plan, w.state)
	if v.Phases[0].State != rules.Monitoring || v.Phases[0].Started.Before(T.Add(10*time.Minute)) {
		t.Errorf("the first phase is %s since %v", v.Phases[0].State, v.Phases[0].Started)
	}
	if a := v.People.Approvals[0]; !a.Given() || a.Have != 2 || a.Missing != nil || a.Roles[0].By != "kim" || a.Roles[1].State != fact.Approved {
		t.Errorf("the approval is %+v", a)
	}
}

func TestARejectionIsSaid(t *testing.T) {
	w := newWorld(t, peoplePlan())
	beginBy(w, "ada", "")
	w.run(T)
	w.tick(command(fact.Reject, "kim", "", role("CTO")))
	if why := Look(w.plan, w.state).Why; why.Code != fact.WhyRejected || why.State != "CTO" || why.By != "kim" {
		t.Errorf("got %+v", why)
	}
}

// One person signs once, and whoever began the run not at all: by what proved them, and
// where that is not known by their names.
func TestEachSignatureIsAPersonsOwn(t *testing.T) {
	for _, tt := range []struct {
		name, by, principal, want string
		edit                      func(*rules.Plan)
	}{
		{"another", "lee", "", "applied", nil},
		{"the same name", " Kim ", "", "signed_twice", nil},
		{"the author's name", "ADA", "", "author_signs", nil},
		{"the author, whom the plan lets sign", "ada", "", "applied", func(p *rules.Plan) { p.Approvals[0].ByAuthor = true }},
		{"a token with the author's name", "ada", "lee", "author_signs", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := peoplePlan()
			p.Roles = nil
			if tt.edit != nil {
				tt.edit(p)
			}
			w := newWorld(t, p)
			beginBy(w, "ada", "")
			w.now = w.now.Add(time.Minute)
			w.tick(command(fact.Approve, "kim", "", role("CTO")))
			if got := outcome(w.tick(command(fact.Approve, tt.by, tt.principal, role("Legal")))); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	p := peoplePlan()
	p.Author, p.Roles = "kim", nil
	w := newWorld(t, p)
	beginBy(w, "", "")
	if got := outcome(w.tick(command(fact.Approve, "Kim", "", role("CTO")))); got != "author_signs" {
		t.Errorf("the author that the plan names: got %s", got)
	}
	for principal, want := range map[string]string{"ops": "applied", "oidc:github": "applied", "oidc:github repo:1": "applied", "oidc:githubx": "not_signer", "": "not_signer", "mail:ops": "not_signer"} {
		p := peoplePlan()
		p.Roles = []rules.Role{{Name: "CTO", Sign: []string{"token:ops", "oidc:github"}}}
		w := newWorld(t, p)
		if got := outcome(w.tick(command(fact.Approve, "kim", principal, role("CTO")))); got != want {
			t.Errorf("principal %q: got %s, want %s", principal, got, want)
		}
	}
}

// An edit makes every signature void; what has begun goes on, and the next phase waits.
func TestAnEditMakesSignaturesVoid(t *testing.T) {
	p := peoplePlan()
	p.Roles = nil
	w := newWorld(t, p)
	beginBy(w, "ada", "")
	w.now = w.now.Add(time.Minute)
	w.tick(command(fact.Approve, "kim", "", role("CTO")), command(fact.Approve, "lee", "", role("Legal")))
	w.run(T.Add(time.Minute))
	changed := *p
	changed.Title = "Another"
	changed.Approvals = append(changed.Approvals[:1:1], rules.Approval{Allows: "all", Roles: []string{"CTO"}, Need: 1, Meaning: "approval"})
	w.state = Adopt(p, &changed, w.state)
	w.plan = &changed
	w.events = nil
	var events []fact.Event
	w.state, events = checkedStep(t, w.plan, w.state, fact.Tick{At: w.now, Edit: &fact.Edit{From: "d1", To: "d2", Changes: []rules.Change{{Path: "release.title"}}}})
	said := ""
	for _, e := range events {
		if e.Kind == fact.ApprovalEvent {
			said += e.Subject + " " + e.Signature.Role + " " + e.To + "; "
			if e.To == fact.Void && e.Because != events[0].ID {
				t.Errorf("%+v does not go back to the edit", e)
			}
		}
	}
	if want := "start CTO void; start Legal void; start CTO asked; start Legal asked; "; said != want {
		t.Errorf("got %s, want %s", said, want)
	}
	w.run(T.Add(30 * time.Minute))
	v := Look(w.plan, w.state)
	if v.Phases[0].State != rules.Passed || v.Phases[1].State != rules.Waiting || v.Phases[1].Why.Code != fact.WhyUnsigned || v.Phases[1].Why.Phase != "start" {
		t.Fatalf("phase ten is %s, phase all %s: %+v", v.Phases[0].State, v.Phases[1].State, v.Phases[1].Why)
	}
	w.tick(command(fact.Approve, "kim", "", role("CTO"), about("start")), command(fact.Approve, "lee", "", role("Legal")))
	if why := Look(w.plan, w.state).Phases[1].Why; why.Code != fact.WhyUnsigned || why.Phase != "all" || why.N != 0 || why.Of != 1 {
		t.Errorf("its own signature: %+v", why)
	}
	if got := outcome(w.tick(command(fact.Approve, "kim", "", role("CTO")))); got != "applied" {
		t.Errorf("the first that lacks it is meant: %s", got)
	}
	if s := Look(w.plan, w.state).Phases[1].State; s != rules.Monitoring {
		t.Errorf("phase all is %s", s)
	}
}

// A signature lasts as long as the plan says, until what it allows has begun.
func TestSignaturesExpire(t *testing.T) {
	p := peoplePlan()
	p.Roles, p.Approvals[0].ExpiresIn = nil, 3*time.Minute
	w := newWorld(t, p)
	beginBy(w, "ada", "")
	w.now = w.now.Add(30 * time.Second)
	w.tick(command(fact.Approve, "kim", "", role("CTO")))
	if next := Quiet(p, w.state); next.After(w.now.Add(3 * time.Minute)) {
		t.Errorf("quiet until %v", next)
	}
	w.run(T)
	v := Look(p, w.state).People.Approvals[0]
	if v.Have != 0 || len(v.Missing) != 2 || v.Roles[0].State != fact.Asked || v.Roles[0].By != "" {
		t.Errorf("got %+v", v)
	}
	w.tick(command(fact.Approve, "kim", "", role("CTO")), command(fact.Approve, "lee", "", role("Legal")))
	w.run(T.Add(30 * time.Minute))
	if got := Look(p, w.state); got.Phases[1].State != rules.Monitoring || got.People.Approvals[0].Have != 2 {
		t.Errorf("phase all is %s, %+v", got.Phases[1].State, got.People.Approvals[0])
	}
}

func TestBreakGlass(t *testing.T) {
	p := peoplePlan()
	p.Roles[1].Tell = rules.Address{Sink: "chat"}
	p.Approvals = append(p.Approvals, rules.Approval{Allows: "override", Roles: []string{"CTO"}, Need: 1, Meaning: "responsibility"}, rules.Approval{})
	w := newWorld(t, p)
	beginBy(w, "ada", "")
	w.run(T.Add(time.Minute))
	events := w.tick(command(fact.BreakGlass, "ada", ""))
	told := events[len(events)-1]
	for _, e := range events {
		if e.Kind == fact.ApprovalEvent {
			told = e
		}
	}
	if told.To != fact.Overridden || told.Severity() != fact.Critical || strings.Join(told.Tell, " ") != "slack chat" || told.Why.State != "CTO, Legal" || told.Notify != nil {
		t.Errorf("told: %+v", told)
	}
	v := Look(p, w.state)
	if v.Phases[0].State != rules.Monitoring || !v.People.Approvals[0].Waived || v.People.Criteria[2].State != fact.CriterionNotMet {
		t.Errorf("phase ten is %s, %+v", v.Phases[0].State, v.People)
	}
	pass := command(fact.Override, "ada", "", func(c *fact.Command) { c.Phase, c.Verdict = "ten", rules.Pass })
	again := command(fact.Override, "ada", "", func(c *fact.Command) { c.Phase, c.Verdict = "ten", rules.Fail })
	if got := outcome(w.tick(pass)); got != "unsigned" {
		t.Errorf("an override that is not signed for: %s", got)
	}
	w.tick(command(fact.Approve, "kim", "", role("CTO"), about("override")))
	if got := outcome(w.tick(pass)); got != "applied" {
		t.Errorf("one that is: %s", got)
	}
	if got := outcome(w.tick(again)); got != "unsigned" {
		t.Errorf("a signature allows one override: %s", got)
	}
	if got := outcome(w.tick(command(fact.BreakGlass, "ada", "", about("override")))) + " " + outcome(w.tick(again)); got != "applied applied" {
		t.Errorf("break-glass: %s", got)
	}
	w.tick()
	if got := outcome(w.tick(command(fact.BreakGlass, "ada", "", about("all")))); got != "nothing_to_skip" {
		t.Errorf("a phase that wants no signature: %s", got)
	}
}

func TestMessagesOfAPlan(t *testing.T) {
	p := peoplePlan()
	p.Approvals = nil
	slack := rules.Address{Sink: "slack", Target: "#ops"}
	on := func(phase string, s rules.State) rules.Wanted {
		return rules.Wanted{Phase: phase, States: []rules.State{s}}
	}
	p.Communications = []rules.Communication{
		{Name: "soon", At: -2 * time.Minute, To: slack, Text: "soon"},
		{Name: "live", At: 10 * time.Minute, Phase: "all", To: slack, Text: "{traffic} {value.few} {value.high} {headline}", OnlyIf: on("all", rules.Monitoring)},
		{Name: "never", At: 5 * time.Minute, To: slack, Text: "x", OnlyIf: on("all", rules.Passed), Grace: 5 * time.Minute},
		{Name: "night", At: time.Minute, To: slack, Text: "x", Quiet: rules.Quiet{From: time.Hour, Till: 2*time.Hour + 12*time.Minute}},
		{Name: "passed", On: on("ten", rules.Passed), To: slack, Text: "x"},
		{Name: "held", On: on("", rules.Held), OnlyIf: on("ten", rules.Passed), To: slack, Text: "x"},
		{Name: "skip", At: time.Hour, To: slack, Text: "x"},
		{Name: "later", At: 300 * time.Hour, To: slack, Text: "x"},
		{Name: "hook", At: time.Minute, Text: "x", Channel: "#c"},
	}
	for i := range p.Rules {
		p.Rules[i].ShownWhen = p.Rules[i].When
	}
	w := newWorld(t, p)
	beginBy(w, "ada", "")
	w.run(T.Add(25 * time.Minute))
	w.tick(command(fact.Hold, "ada", ""))
	w.tick(command(fact.Resume, "ada", ""))
	for _, tt := range []struct{ kind, name, want string }{
		{"skip_message", "skip", "applied"}, {"skip_message", "skip", "message_is"}, {"send_message", "skip", "applied"},
		{"send_message", "nothing", "no_such_message"}, {"send_message", "passed", "message_is"},
	} {
		if got := outcome(w.tick(command(fact.CommandKind(tt.kind), "ada", "", about(tt.name)))); got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.kind, tt.name, got, tt.want)
		}
	}
	w.run(T.Add(35 * time.Minute))
	at := map[string]string{}
	ids := map[string]string{}
	for _, e := range w.events {
		if e.Kind == fact.CommunicationEvent {
			at[e.Subject] += e.At.Format("15:04:05") + " " + e.To + " " + string(e.Why.Code) + ";"
			if e.To == fact.Due {
				ids[e.Subject] = e.ID
			}
			if e.Subject == "live" {
				if told := e.Told; told == nil || told.Phase != "all" || told.State != rules.Monitoring || len(told.Values) != 2 ||
					told.Values[0] != (fact.Measure{Rule: "few", Known: true, Value: .001, Unit: rules.Percent}) || told.Values[1].Rule != "high" || !told.Values[1].Known {
					t.Errorf("live tells %+v", told)
				}
			} else if e.Told != nil {
				t.Errorf("%s tells %+v, and its text says nothing of it", e.Subject, e.Told)
			}
		}
	}
	for name, want := range map[string]string{
		"soon":  "01:58:00 due message_due;",
		"live":  "02:30:00 due message_due;",
		"never": "02:10:30 skipped message_unmet;",
		"night": "02:12:00 due message_due;",
		"held":  "02:25:00 due message_due;",
		"hook":  "02:01:00 due message_due;",
		"skip":  "02:25:00 skipped message_skipped_by;02:25:00 due message_due;",
	} {
		if at[name] != want {
			t.Errorf("%s: %s, want %s", name, at[name], want)
		}
	}
	if !strings.Contains(at["passed"], " due message_due;") || strings.Count(at["passed"], ";") != 1 || at["later"] != "" {
		t.Errorf("passed: %s, later: %s", at["passed"], at["later"])
	}
	result := func(name string, r fact.Result) string {
		r.Event = ids[name]
		var events []fact.Event
		w.state, events = checkedStep(t, p, w.state, fact.Tick{At: w.now, Results: []fact.Result{r}})
		said := ""
		for _, e := range events {
			if e.Kind == fact.CommunicationEvent {
				said += e.Subject + " " + e.From + ">" + e.To + " " + e.Kept + " " + e.Why.Text
				if e.Because != ids[name] {
					t.Errorf("%+v does not go back to %s", e, ids[name])
				}
			}
		}
		return said
	}
	for _, tt := range []struct {
		name string
		r    fact.Result
		want string
	}{
		{"soon", fact.Result{Sink: "statuspage", OK: true}, ""},
		{"soon", fact.Result{Sink: "slack", Reason: "channel_not_found"}, "soon due>failed  channel_not_found"},
		{"soon", fact.Result{Sink: "slack", Reason: "channel_not_found"}, ""},
		{"soon", fact.Result{Sink: "slack", OK: true, Kept: "C1/2"}, "soon failed>sent C1/2 "},
		{"soon", fact.Result{Sink: "slack", OK: true, Kept: "C1/3"}, ""},
		{"nothing", fact.Result{Sink: "slack", OK: true}, ""},
	} {
		if got := result(tt.name, tt.r); got != tt.want {
			t.Errorf("result of %s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	m := Look(p, w.state).People.Messages
	if m[0].State != fact.Sent || m[0].Kept != "C1/2" || !m[0].Due.Equal(T.Add(-2*time.Minute)) || !m[4].Due.IsZero() || m[7].State != fact.Waiting || m[7].At != (time.Time{}) {
		t.Errorf("messages: %+v", m)
	}
}

// What is due while the run has failed, or long ago, is not sent.
func TestMessagesThatAreNotSent(t *testing.T) {
	p := peoplePlan()
	p.Approvals, p.Review = nil, rules.Review{}
	p.Communications = []rules.Communication{{Name: "old", At: -3 * time.Hour, Text: "x"}, {Name: "kept", At: -3 * time.Hour, Grace: 4 * time.Hour, Text: "x"}, {Name: "after", At: 5 * time.Minute, Text: "x"}}
	w := newWorld(t, p)
	w.run(T.Add(time.Minute))
	w.tick(command(fact.Abort, "ada", ""))
	w.run(T.Add(6 * time.Minute))
	var said []string
	for _, e := range w.events {
		if e.Kind == fact.CommunicationEvent {
			said = append(said, e.Subject+" "+string(e.Why.Code))
		}
	}
	if got := strings.Join(said, ", "); got != "old message_too_late, kept message_due, after message_skipped" {
		t.Errorf("got %s", got)
	}
	if got := Look(p, w.state).People.Criteria[3].State; got != fact.CriterionNotMet {
		t.Errorf("the criterion is %s", got)
	}
}

func TestTheReviewIsWrittenSignedAndArchived(t *testing.T) {
	p := peoplePlan()
	p.Approvals = nil
	p.Review.Sign = []string{"Manager", "CTO"}
	w := newWorld(t, p)
	beginBy(w, "ada", "")
	w.run(T.Add(80 * time.Minute))
	v := Look(p, w.state)
	if v.State != rules.Passed || v.People.Review.State != fact.Open {
		t.Fatalf("the run is %s, its review %q", v.State, v.People.Review.State)
	}
	criteria := func() string {
		said := ""
		for _, c := range Look(p, w.state).People.Criteria {
			said += string(c.State) + " "
		}
		return said
	}
	if got := criteria(); got != "met met met met open open " {
		t.Errorf("criteria: %s", got)
	}
	var opened time.Time
	for _, e := range w.events {
		if e.Kind == fact.ReviewEvent && e.To == fact.Open {
			opened = e.At
			if strings.Join(e.Tell, " ") != "slack" || e.Why.Text != "Manager, CTO" {
				t.Errorf("told: %+v", e)
			}
		}
	}
	if next := Quiet(p, w.state); !next.Equal(opened.Add(24 * time.Hour)) {
		t.Errorf("quiet until %v, the review was opened at %v", next, opened)
	}
	w.now = opened.Add(24 * time.Hour)
	if e := w.tick(); len(e) != 1 || e[0].To != fact.Reminded || e[0].Why.N != 1 {
		t.Errorf("reminded: %+v", e)
	}
	do := func(c fact.Command, want string) []fact.Event {
		t.Helper()
		events := w.tick(c)
		if got := outcome(events); got != want {
			t.Errorf("%s for %s: %s, want %s", c.Kind, c.Role, got, want)
		}
		return events
	}
	do(command(fact.SignReview, "kim", "", role("Legal")), "not_asked")
	do(command(fact.SignReview, "kim", "", role("CTO")), "applied")
	do(command(fact.SignReview, "kim", "", role("CTO")), "signed_already")
	edited := do(command(fact.EditReview, "ada", "", about("lessons")), "applied")
	if len(edited) != 3 || edited[1].To != fact.Edited || edited[1].Subject != "lessons" || edited[2].To != fact.Void || edited[2].Subject != "CTO" {
		t.Errorf("edited: %+v", edited)
	}
	do(command(fact.SignReview, "kim", "", role("CTO")), "applied")
	complete := do(command(fact.SignReview, "ada", "", role("Manager")), "applied")
	last := complete[len(complete)-1]
	if last.To != fact.Complete || strings.Join(last.Tell, " ") != "folder" {
		t.Errorf("complete: %+v", last)
	}
	do(command(fact.EditReview, "ada", "", about("lessons")), "review_is")
	if got := criteria(); got != "met met met met open met " {
		t.Errorf("criteria: %s", got)
	}
	for _, tt := range []struct {
		r    fact.Result
		want string
	}{
		{fact.Result{Event: last.ID, Sink: "github", OK: true}, ""},
		{fact.Result{Event: last.ID, Sink: "folder", Reason: "no room"}, "complete>failed  no room"},
		{fact.Result{Event: last.ID, Sink: "folder", OK: true, Kept: "/a.md"}, "complete>archived /a.md "},
		{fact.Result{Event: last.ID, Sink: "folder", OK: true, Kept: "/b.md"}, ""},
	} {
		var events []fact.Event
		w.state, events = checkedStep(t, p, w.state, fact.Tick{At: w.now, Results: []fact.Result{tt.r}})
		got := ""
		for _, e := range events {
			got += e.From + ">" + e.To + " " + e.Kept + " " + e.Why.Text
		}
		if got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
	if got := criteria(); got != "met met met met met met " || Look(p, w.state).People.Review.Kept != "/a.md" {
		t.Errorf("criteria: %s", got)
	}
}

// A review without an archive is complete when it is signed; one that no one signs is not
// asked for for ever; one of a run that goes on after all is not due.
func TestReviewsOfOtherEnds(t *testing.T) {
	p := peoplePlan()
	p.Approvals, p.Review.Archive = nil, ""
	w := newWorld(t, p)
	w.run(T.Add(time.Minute))
	w.tick(command(fact.Abort, "ada", ""))
	w.tick(command(fact.Override, "ada", "", func(c *fact.Command) { c.Verdict = rules.Pass }))
	var said []string
	for _, e := range w.events {
		if e.Kind == fact.ReviewEvent {
			said = append(said, e.To)
		}
	}
	if got := strings.Join(said, " "); got != "open void" {
		t.Errorf("got %s", got)
	}
	w.tick(command(fact.Abort, "ada", ""))
	w.tick(command(fact.RollbackDone, "ada", ""))
	for range 40 {
		w.now = w.now.Add(24 * time.Hour)
		w.tick()
	}
	reminded := 0
	for _, e := range w.events {
		if e.To == fact.Reminded {
			reminded++
		}
	}
	if reminded != 30 || Quiet(p, w.state).Year() < 3000 {
		t.Errorf("%d reminders, quiet until %v", reminded, Quiet(p, w.state))
	}
	w.tick(command(fact.SignReview, "kim", "", role("Manager")))
	v := Look(p, w.state).People
	if v.Review.State != fact.Complete || v.Criteria[4].State != fact.CriterionMet || v.Criteria[0].State != fact.CriterionNotMet || v.Criteria[1].State != fact.CriterionNotMet {
		t.Errorf("got %+v", v)
	}
	p.Review = rules.Review{}
	if got := outcome(newWorld(t, p).tick(command(fact.EditReview, "ada", ""))); got != "no_review" {
		t.Errorf("got %s", got)
	}
}

// What an older judging asked for, sent and opened stands as its events say.
func TestDecidedTakesOverWhatPeopleWereAsked(t *testing.T) {
	p := peoplePlan()
	p.Communications = smallPlan().Communications
	w := newWorld(t, p)
	at := T.Add(-4 * time.Minute)
	event := func(kind fact.EventKind, subject, to string, more ...func(*fact.Event)) fact.Event {
		e := fact.Event{Kind: kind, Subject: subject, To: to, At: at}
		for _, m := range more {
			m(&e)
		}
		return e
	}
	signs := func(role string) func(*fact.Event) {
		return func(e *fact.Event) { e.Signature = &fact.Signature{Role: role} }
	}
	with := func(events ...fact.Event) fact.People {
		for i := range events {
			events[i].N = uint64(i) + 1
		}
		return Look(p, follow(p, w.state, fact.Kept{Entry: fact.Entry{Tick: fact.Tick{At: at}, Events: events}})).People
	}
	v := with(
		event(fact.CommunicationEvent, "early", "due"), event(fact.CommunicationEvent, "gone", "due"), event(fact.CommunicationEvent, "live", "lost"),
		event(fact.ApprovalEvent, "start", "asked", signs("CTO")), event(fact.ApprovalEvent, "start", "asked", signs("Nobody")), event(fact.ApprovalEvent, "gone", "asked", signs("CTO")),
		event(fact.ReviewEvent, "REL", "open"), event(fact.ReviewEvent, "REL", "reminded", func(e *fact.Event) { e.Why.N = 3 }),
	)
	if v.Messages[0].State != fact.Due || v.Messages[1].State != fact.Waiting || v.Approvals[0].Roles[0].State != fact.Asked || v.Approvals[0].Roles[1].State != fact.Unasked || v.Review.State != fact.Open {
		t.Errorf("got %+v", v)
	}
	never := event(fact.CommunicationEvent, "early", "skipped", func(e *fact.Event) { e.Why.Code = fact.WhyMessageNever })
	if v := with(never); v.Messages[0].State != fact.Waiting {
		t.Errorf("skipped because the run was over, which it is not: %+v", v.Messages[0])
	}
	if v := with(event(fact.ReviewEvent, "REL", "open"), event(fact.ReviewEvent, "REL", "void")); v.Review.State != "" {
		t.Errorf("a review that is not due after all: %+v", v.Review)
	}
}

// A state that lacks parts of the plan, or was stored before there were any but messages,
// keeps what it has.
func TestPeopleOfAnotherPlan(t *testing.T) {
	p := peoplePlan()
	p.Communications = smallPlan().Communications
	w := newWorld(t, p)
	beginBy(w, "ada", "deploy")
	w.run(T.Add(-3 * time.Minute))
	w.tick(command(fact.Approve, "kim", "kim", role("CTO")), command(fact.SkipMessage, "ada", "", about("live")))
	more := *p
	more.Approvals = []rules.Approval{{Allows: "start", Roles: []string{"CTO", "Legal", "CFO"}, Need: 3}}
	more.Review.Sign = []string{"Manager", "CTO"}
	more.Communications = append([]rules.Communication{}, p.Communications...)
	more.Communications = append(more.Communications, rules.Communication{Name: "last", At: time.Hour})
	v := Look(&more, w.state).People
	if v.Messages[1].State != fact.Skipped || v.Messages[2].State != fact.Waiting || v.Approvals[0].Have != 1 || len(v.Approvals[0].Missing) != 2 || len(v.Review.Roles) != 2 {
		t.Errorf("got %+v", v)
	}
	more.Communications = []rules.Communication{{Name: "new"}, p.Communications[1]}
	more.Approvals = []rules.Approval{{Allows: "all", Roles: []string{"CTO"}, Need: 1}, {Allows: "start", Roles: []string{"CFO", "CTO"}, Need: 2}}
	more.Review.Sign = []string{"CTO", "Manager"}
	adopted := Adopt(p, &more, w.state)
	v = Look(&more, adopted).People
	if v.Messages[0].State != fact.Waiting || v.Messages[1].State != fact.Skipped || v.Approvals[0].Have != 0 || v.Approvals[1].Have != 1 || v.Approvals[1].Roles[1].By != "kim" {
		t.Errorf("adopted: %+v", v)
	}
	w.plan, w.state = &more, adopted
	if got := outcome(w.tick(command(fact.Approve, "ada", "deploy", role("CFO")))); got != "author_signs" {
		t.Errorf("whoever began the run: %s", got)
	}
}

func TestWhatIsRefusedWhenTheRunIsOver(t *testing.T) {
	p := peoplePlan()
	p.Approvals = append(p.Approvals, rules.Approval{Allows: "all", Roles: []string{"CTO"}, Need: 1})
	p.Roles[2].Sign = []string{"token:manager"}
	p.Communications = []rules.Communication{{Name: "end", At: time.Minute, OnlyIf: rules.Wanted{Not: true, States: []rules.State{rules.RolledBack}}, Grace: time.Minute, Text: "x"}}
	w := newWorld(t, p)
	w.run(T)
	if got := outcome(w.tick(command(fact.Approve, "kim", "", role("CTO"), about("all")))); got != "applied" {
		t.Errorf("a phase, early: %s", got)
	}
	w.tick(command(fact.Abort, "ada", ""))
	for _, tt := range []struct {
		c    fact.Command
		want string
	}{
		{command(fact.Approve, "kim", "", role("CTO")), "run_is"},
		{command(fact.BreakGlass, "kim", ""), "run_is"},
		{command(fact.SignReview, "kim", "", role("Manager")), "not_signer"},
		{command(fact.SignReview, "kim", "manager", role("Manager")), "applied"},
		{command(fact.SignReview, "kim", "manager", role("Manager")), "review_is"},
	} {
		if got := outcome(w.tick(tt.c)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.c.Kind, got, tt.want)
		}
	}
	w.run(T.Add(5 * time.Minute))
	if m := Look(p, w.state).People.Messages[0]; m.State != fact.Skipped {
		t.Errorf("the message is %s", m.State)
	}
	for _, tt := range []struct {
		e    fact.Event
		want fact.Severity
	}{
		{fact.Event{Kind: fact.ApprovalEvent, To: fact.Rejected}, fact.Warning}, {fact.Event{Kind: fact.ApprovalEvent, To: fact.Approved}, fact.Info},
		{fact.Event{Kind: fact.ReviewEvent, To: fact.Failed}, fact.Warning}, {fact.Event{Kind: fact.CommunicationEvent, To: fact.Failed}, fact.Warning},
	} {
		if got := tt.e.Severity(); got != tt.want {
			t.Errorf("%s %s is %s", tt.e.Kind, tt.e.To, got)
		}
	}
	for heard, e := range map[bool]fact.Event{
		true:  {Kind: fact.EffectEvent, From: fact.Asked, To: fact.Missing},
		false: {Kind: fact.EffectEvent, From: fact.Asked, To: fact.Missing, Notify: []string{"alias"}}, // it said so before
	} {
		if e.Quiet() == heard {
			t.Errorf("people hear %s: %v", e.To, !heard)
		}
	}
	one, other := command(fact.Approve, "kim", "kim", role("CTO")), command(fact.Approve, "kim", "kim", role("Legal"))
	if one.ID, other.ID = "x", "x"; one.Once() == other.Once() {
		t.Error("a signature for one role hides one for another")
	}
}

// A message tells a percentile as its author wrote it.
func TestAMessageTellsAPercentile(t *testing.T) {
	p := peoplePlan()
	p.Approvals = nil
	p.Signals[1].Kind, p.Signals[1].Quant, p.Signals[1].Unit = rules.Percentile, .95, rules.Seconds
	p.Signals = append(p.Signals, p.Signals[1])
	p.Signals[2].Name, p.Signals[2].Kind, p.Signals[2].Of, p.Signals[2].Above, p.Signals[2].Unit = "p95 > 3 s", rules.Ratio, 1, 3, rules.Percent
	r := &p.Rules[2]
	r.Aggregate, r.Signal, r.ShownSignal, r.When, r.ShownWhen = rules.Exceedance, 2, 1, pct("> 5 %"), pct("> 3 s")
	p.Communications = []rules.Communication{{Name: "now", At: 12 * time.Minute, Text: "{value.crashy}"}}
	w := newWorld(t, p)
	w.value = func(signal int, _ int64) (float64, float64, bool) {
		if signal == 1 {
			return 1.5, 1000, true
		}
		return 1, 1000, true
	}
	w.run(T.Add(13 * time.Minute))
	for _, e := range w.events {
		if e.Kind == fact.CommunicationEvent && (e.Told == nil || len(e.Told.Values) != 1 || e.Told.Values[0] != (fact.Measure{Rule: "crashy", Known: true, Value: 1.5, Unit: rules.Seconds})) {
			t.Errorf("told: %+v", e.Told)
		}
	}
}

// What a person has undone or decided is not met by the rules.
func TestCriteriaRememberWhatWasUndone(t *testing.T) {
	p := peoplePlan()
	p.Approvals, p.Review = nil, rules.Review{}
	p.PassCriteria = []string{"phases_passed", "no_rollback"}
	w := newWorld(t, p)
	w.run(T.Add(5 * time.Minute))
	w.tick(command(fact.Abort, "ada", ""))
	w.tick(command(fact.Override, "ada", "", func(c *fact.Command) { c.Verdict = rules.Pass }))
	w.run(T.Add(90 * time.Minute))
	v := Look(p, w.state)
	if v.State != rules.Passed || v.People.Criteria[0].State != fact.CriterionNotMet || v.People.Criteria[1].State != fact.CriterionNotMet {
		t.Errorf("the run is %s, criteria %+v", v.State, v.People.Criteria)
	}
	w = newWorld(t, p)
	w.run(T.Add(90 * time.Minute))
	if v := Look(p, w.state); v.State != rules.Passed || v.People.Criteria[0].State != fact.CriterionMet || v.People.Criteria[1].State != fact.CriterionMet {
		t.Errorf("by the rules alone: the run is %s, criteria %+v", v.State, v.People.Criteria)
	}
}

// Who owns a rule that rolls the run back is woken, and the manager; a hold is told. What goes
// as planned tells no one.
func TestOwnersAreTold(t *testing.T) {
	p := peoplePlan()
	p.Approvals, p.Review, p.Communications = nil, rules.Review{}, nil
	p.Roles = []rules.Role{
		{Name: "ops", Tell: rules.Address{Sink: "slack", Target: "#ops"}, Page: rules.Address{Sink: "pagerduty"}},
		{Name: "Manager", Tell: rules.Address{Sink: "email", Target: "m@example.com"}},
	}
	w := newWorld(t, p)
	w.run(T.Add(2 * time.Minute))
	w.tick(command(fact.Hold, "ada", ""))
	w.tick(command(fact.Resume, "ada", ""))
	w.value = func(signal int, _ int64) (float64, float64, bool) { return float64(90 * (1 - signal)), 1000, true }
	w.run(T.Add(20 * time.Minute))
	var told []string
	for _, e := range w.events {
		if len(e.Tell) > 0 {
			told = append(told, string(e.Kind)+" "+e.To+": "+strings.Join(e.Tell, "+"))
		}
	}
	if got := strings.Join(told, "; "); got != "run held: email; run monitoring: email; run rolled_back: pagerduty+email" {
		t.Errorf("got %s", got)
	}
	p.Phases[0].Owner, p.Rules[1].Owner, p.Rules[2].Owner = "ops", "nobody", "nobody"
	e := fact.Event{Kind: fact.RunEvent, To: "failed", Phase: "ten", Why: fact.Why{Rule: "high"}}
	if got := strings.Join(people.Told(p, &e), "+"); got != "pagerduty+email" {
		t.Errorf("a failed phase: %s", got)
	}
	p.Roles[0].Page = rules.Address{}
	if got := strings.Join(people.Told(p, &e), "+"); got != "slack+email" {
		t.Errorf("an owner without a pager: %s", got)
	}
}

// lateness are the events that say that the run will be late.
func lateness(w *world) (said []fact.Event) {
	for _, e := range w.events {
		if e.Kind == fact.PlanEvent && e.To == fact.Late {
			said = append(said, e)
		}
	}
	return said
}

// longestWait is how long a phase may wait for data.
func longestWait(p *rules.Plan) (d time.Duration) {
	for _, ph := range p.Phases {
		d = max(d, ph.Extend)
	}
	return d
}

// promisedPlan is peoplePlan with an expected completion that leaves some time.
func promisedPlan(spare time.Duration) *rules.Plan {
	p := peoplePlan()
	p.Promised = true
	var end time.Duration
	for _, ph := range p.Phases {
		end = max(end, ph.Start+ph.Window)
	}
	p.Completion = T.Add(end + spare)
	return p
}

// A run that cannot be complete when it is expected says so once, as soon as that is certain,
// and once more where another time is expected.
func TestARunThatWillBeLateSaysSoOnce(t *testing.T) {
	p := promisedPlan(3 * time.Minute)
	w := newWorld(t, p)
	beginBy(w, "ada", "")
	rest := p.Phases[0].Window + p.Phases[1].Window // that the run takes from the start of its first phase on
	certain := p.Completion.Add(p.Interval + longestWait(p) - rest)
	w.run(certain.Add(time.Second))
	if said := lateness(w); len(said) != 0 {
		t.Fatalf("said at %v", said[0].At)
	}
	if next := Quiet(p, w.state); next.After(certain.Add(time.Second)) {
		t.Errorf("quiet until %v, and it is late from %v on", next, certain)
	}
	w.run(T.Add(20 * time.Minute))
	said := lateness(w)
	if len(said) != 1 {
		t.Fatalf("said %d times", len(said))
	}
	e := said[0]
	if e.At.After(certain.Add(p.Interval)) || e.Why.Code != fact.WhyLate || e.Why.Phase != "ten" || e.Why.State != "waiting" || !e.Why.Since.Equal(p.Completion) ||
		!e.Why.Until.Equal(e.At.Add(rest)) || e.Severity() != fact.Warning || strings.Join(e.Tell, " ") != "slack" {
		t.Errorf("got %+v", e)
	}
	changed := *p
	changed.Completion = p.Completion.Add(time.Minute)
	w.state, w.plan = Adopt(p, &changed, w.state), &changed
	w.run(T.Add(25 * time.Minute))
	if said := lateness(w); len(said) != 2 || !said[1].Why.Since.Equal(changed.Completion) {
		t.Errorf("of another time it is said %+v", said)
	}
	w.tick(command(fact.Approve, "kim", "", role("CTO")), command(fact.Approve, "Lee", "mail:law@example.com", role("Legal")))
	w.run(T.Add(4 * time.Hour))
	if v := Look(w.plan, w.state); v.State != rules.Passed || len(lateness(w)) != 2 {
		t.Errorf("the run is %s, said %d times", v.State, len(lateness(w)))
	}
}

func TestWhatIsNotLateIsNotSaidToBe(t *testing.T) {
	for name, edit := range map[string]func(*rules.Plan){
		"in time":                      func(p *rules.Plan) { p.Approvals = nil },
		"no time is written":           func(p *rules.Plan) { p.Promised = false },
		"signed within what is spared": func(p *rules.Plan) { p.Completion = p.Completion.Add(24 * time.Hour) },
	} {
		p := promisedPlan(0)
		for i := range p.Phases {
			p.Phases[i].Advance = rules.Scheduled
		}
		edit(p)
		w := newWorld(t, p)
		w.now = w.now.Add(p.Interval / 3) // each phase begins with a tick, and so a little after its time
		beginBy(w, "ada", "")
		w.run(T.Add(2 * time.Hour))
		if said := lateness(w); len(said) != 0 {
			t.Errorf("%s: %+v", name, said[0])
		}
	}
}

// A phase that began late is named.
func TestWhatIsLatestIsNamed(t *testing.T) {
	p := promisedPlan(24 * time.Hour)
	w := newWorld(t, p)
	beginBy(w, "ada", "")
	w.run(T.Add(10 * time.Minute))
	w.tick(command(fact.Approve, "kim", "", role("CTO")), command(fact.Approve, "Lee", "mail:law@example.com", role("Legal")))
	if said := lateness(w); len(said) != 0 {
		t.Fatalf("said %+v", said)
	}
	sooner := *p
	sooner.Completion = p.Completion.Add(-24*time.Hour - longestWait(p))
	w.state, w.plan = Adopt(p, &sooner, w.state), &sooner
	w.now = w.now.Add(p.Interval)
	w.tick()
	if said := lateness(w); len(said) != 1 || said[0].Why.Phase != "ten" || said[0].Why.State != "monitoring" {
		t.Fatalf("said %+v", said)
	}
}
