package audit_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/audit"
	"github.com/relgate/relgate/exporters/report"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

var t0 = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

// at is a time in minutes from T.
func at(minute int) *time.Time { return new(t0.Add(time.Duration(minute) * time.Minute)) }

const plan, other = "aaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbb"

// Where clean has which event.
const (
	begin = iota
	ctoAsked
	ctoCommand
	ctoApproved
	productCommand
	productApproved
	opsDue
	opsSent
	smallBegins
	smallShown
	smallPassed
	runPassed
	reviewOpen
	reviewCommand
	reviewSigned
	reviewComplete
	reviewArchived
)

// signature is what a role signs.
func signature(role, name, meaning string) *wire.Signature {
	return &wire.Signature{Role: role, Name: name, Meaning: meaning, Digest: wire.Digest{SHA256: new(plan)}}
}

// clean is a run as it should be: two people have approved it, one phase has passed on its
// metric, its message was sent, its review is archived.
func clean() *audit.Run {
	r := &audit.Run{
		Record: wire.RunSummary{ID: "shop@1.4.2", Plan: "shop", Version: "1.4.2", Try: 1, Start: at(0), Begun: at(-180), State: "passed", Verdict: "pass", DecidedAt: at(18),
			Over: true, EvaluatedAt: at(60), Digest: wire.Digest{SHA256: new(plan)}},
		Plans: map[string]*rules.Plan{plan: {
			Name: "shop", Approvals: []rules.Approval{{Allows: "start", Roles: []string{"CTO", "Product Manager"}, Need: 2}}, Phases: []rules.Phase{{Name: "small"}},
			Communications: []rules.Communication{{Name: "ops", At: -time.Hour, To: rules.Address{Sink: "slack"}}, {Name: "later", At: 10 * time.Hour}, {Name: "passed", On: rules.Wanted{States: []rules.State{rules.Failed}}}},
			Review:         rules.Review{Sign: []string{"Release Manager"}, Archive: "confluence"}, Author: "D. Engineer",
		}},
		Deliveries: []report.Delivery{{Endpoint: "ops", Done: 17, Newest: 17}},
		Events: []wire.EventBody{
			begin:           {Kind: "run", Subject: "shop", To: "waiting", At: at(-180), By: "R. Manager", Principal: "ci", Why: "the June release", Begun: &wire.Begun{}},
			ctoAsked:        {Kind: "approval", Subject: "start", To: "asked", At: at(-180), Signature: &wire.Signature{Role: "CTO"}},
			ctoCommand:      {ID: "cto", Kind: "command", Subject: "approve", To: "applied", At: at(-170), By: "C. Officer", Principal: "cto", Why: "read"},
			ctoApproved:     {Kind: "approval", Subject: "start", To: "approved", At: at(-170), Because: "cto", Signature: signature("CTO", "C. Officer", "approval")},
			productCommand:  {ID: "product", Kind: "command", Subject: "approve", To: "applied", At: at(-160), By: "P. Manager", Principal: "pm", Why: "read"},
			productApproved: {Kind: "approval", Subject: "start", To: "approved", At: at(-160), Because: "product", Signature: signature("Product Manager", "P. Manager", "responsibility")},
			opsDue:          {Kind: "communication", Subject: "ops", To: "due", At: at(-60)},
			opsSent:         {Kind: "communication", Subject: "ops", To: "sent", At: at(-59)},
			smallBegins:     {Kind: "phase", Subject: "small", Phase: "small", From: "waiting", To: "monitoring", At: at(0)},
			smallShown:      {Kind: "rule", Subject: "few-errors", Phase: "small", To: "pass", At: at(18)},
			smallPassed:     {Kind: "phase", Subject: "small", Phase: "small", From: "monitoring", To: "passed", At: at(18)},
			runPassed:       {Kind: "run", Subject: "shop", From: "monitoring", To: "passed", At: at(18)},
			reviewOpen:      {Kind: "review", Subject: "shop", To: "open", At: at(20)},
			reviewCommand:   {ID: "review", Kind: "command", Subject: "sign_review", To: "applied", At: at(50), By: "R. Manager", Principal: "rm", Why: "complete"},
			reviewSigned:    {Kind: "review", Subject: "Release Manager", To: "approved", At: at(50), Because: "review", Signature: signature("Release Manager", "R. Manager", "review")},
			reviewComplete:  {Kind: "review", Subject: "shop", From: "open", To: "complete", At: at(50)},
			reviewArchived:  {Kind: "review", Subject: "shop", From: "complete", To: "archived", At: at(51)},
		},
	}
	number(r)
	return r
}

// number gives the events their numbers, as the journal does.
func number(r *audit.Run) {
	r.Digests = map[uint64]string{}
	for i := range r.Events {
		e := &r.Events[i]
		e.N = uint64(i) + 1
		if e.ID == "" {
			e.ID = fmt.Sprintf("shop@1.4.2.u1/%d %s %s", e.N, e.Kind, e.To)
		}
		r.Digests[e.N] = plan
	}
	r.N = uint64(len(r.Events))
}

// remove takes events out, from one to another.
func remove(r *audit.Run, from, to int) {
	r.Events = slices.Delete(r.Events, from, to+1)
	number(r)
}

// insert puts an event before the i-th.
func insert(r *audit.Run, i int, e wire.EventBody) {
	r.Events = slices.Insert(r.Events, i, e)
	number(r)
}

// allCodes are the findings that the package can name.
func allCodes(t *testing.T) []string {
	t.Helper()
	named := regexp.MustCompile(`x\.(?:gap|exception)\("([a-z-]+)"`)
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			list = append(list, m[1])
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// codes are the findings of one run, each once, sorted.
func codes(t *testing.T, r *audit.Run) []string {
	t.Helper()
	l := audit.Make([]audit.Run{*r}, t0.AddDate(0, 0, -1), t0.AddDate(0, 0, 1))
	if len(l.Rows) != 1 {
		t.Fatalf("%d rows, want 1", len(l.Rows))
	}
	list := []string{}
	for _, f := range append(l.Rows[0].Exceptions, l.Rows[0].Gaps...) {
		if f.Text == "" || !slices.Contains(allCodes(t), f.Code) {
			t.Errorf("finding %+v says nothing, or has a code that is not listed", f)
		}
		list = append(list, f.Code)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func TestACleanRunHasNoFinding(t *testing.T) {
	if got := codes(t, clean()); len(got) > 0 {
		t.Errorf("findings %q, want none", got)
	}
}

// defects are runs with one thing wrong each. The place of an event is that in clean.
var defects = []struct {
	name string
	edit func(*audit.Run)
	want string // the codes
}{
	{"no one is named who began it", func(r *audit.Run) {
		r.Events[begin].By, r.Events[begin].Why, r.Events[begin].Principal = "", "", ""
	}, "no-requester"},
	{"no reason is given", func(r *audit.Run) { r.Events[begin].Why = " " }, "no-reason"},
	{"no token proves who began it", func(r *audit.Run) { r.Events[begin].Principal = "" }, "unproven-identity"},
	{"no event of the beginning", func(r *audit.Run) { r.Events[begin].Begun = nil }, "no-begin"},
	{"the plan asks for no approval", func(r *audit.Run) {
		r.Plans[plan].Approvals = nil
		remove(r, ctoAsked, productApproved)
	}, "no-approval-asked"},
	{"one role was never asked", func(r *audit.Run) { remove(r, productCommand, productApproved) }, "approval-missing"},
	{"one role was asked only", func(r *audit.Run) { remove(r, ctoCommand, ctoApproved) }, "approval-missing"},
	{"one of two is enough", func(r *audit.Run) {
		r.Plans[plan].Approvals[0].Need = 1
		remove(r, ctoCommand, ctoApproved)
	}, ""},
	{"approved after the start", func(r *audit.Run) {
		e := r.Events[productApproved]
		e.At = at(5)
		insert(r, smallShown, e)
		remove(r, productApproved, productApproved)
	}, "approval-after-start"},
	{"a phase of its own approval that no one gave", func(r *audit.Run) {
		r.Plans[plan].Approvals = append(r.Plans[plan].Approvals, rules.Approval{Allows: "small", Roles: []string{"CTO"}, Need: 1})
	}, "approval-missing"},
	{"a phase of its own approval that has not begun", func(r *audit.Run) {
		r.Plans[plan].Approvals = append(r.Plans[plan].Approvals, rules.Approval{Allows: "later", Roles: []string{"CTO"}, Need: 1})
	}, ""},
	{"an override that no one approved", func(r *audit.Run) {
		r.Plans[plan].Approvals = append(r.Plans[plan].Approvals, rules.Approval{Allows: "override", Roles: []string{"CTO"}, Need: 1})
		insert(r, smallShown, command("override", "false alarm"))
	}, "approval-missing override"},
	{"an approval was void as it began", func(r *audit.Run) {
		insert(r, opsDue, wire.EventBody{Kind: "approval", Subject: "start", To: "void", At: at(-100), Signature: &wire.Signature{Role: "CTO"}})
	}, "approval-void"},
	{"an approval became void after the start", func(r *audit.Run) {
		insert(r, smallShown, wire.EventBody{Kind: "approval", Subject: "start", To: "void", At: at(1), Signature: &wire.Signature{Role: "CTO"}})
	}, ""},
	{"an approval was rejected", func(r *audit.Run) { r.Events[ctoApproved].To = "rejected" }, "approval-rejected"},
	{"an approval had expired", func(r *audit.Run) {
		insert(r, opsDue, wire.EventBody{Kind: "approval", Subject: "start", To: "expired", At: at(-100), Signature: &wire.Signature{Role: "CTO"}})
	}, "approval-expired"},
	{"another plan was approved", func(r *audit.Run) { r.Events[ctoApproved].Signature.Digest.SHA256 = new(other) }, "approval-of-another-plan"},
	{"the glass was broken", func(r *audit.Run) {
		r.Events[ctoCommand].Subject, r.Events[ctoApproved].To = "break_glass", "overridden"
	}, "approval-overridden"},
	{"the glass was broken without a reason", func(r *audit.Run) {
		r.Events[ctoCommand].Subject, r.Events[ctoCommand].Why, r.Events[ctoApproved].To = "break_glass", "", "overridden"
	}, "approval-overridden no-reason override-without-reason"},
	{"glass that is broken after the start excuses nothing", func(r *audit.Run) {
		insert(r, smallShown, wire.EventBody{Kind: "approval", Subject: "start", To: "overridden", At: at(5), By: "M", Why: "late"})
		remove(r, ctoCommand, ctoApproved)
	}, "approval-missing approval-overridden"},
	{"glass that an edit mended before the start", func(r *audit.Run) {
		insert(r, opsDue, wire.EventBody{Kind: "approval", Subject: "start", To: "overridden", At: at(-100), By: "M", Why: "hotfix"})
		insert(r, opsDue+1, wire.EventBody{Kind: "approval", Subject: "start", From: "overridden", To: "void", At: at(-100)})
		remove(r, ctoCommand, ctoApproved)
	}, "approval-missing approval-overridden"},
	{"whom the plan names as its author approved it", func(r *audit.Run) { r.Events[ctoApproved].Signature.Name = "d. engineer" }, "self-approval"},
	{"one person signs for the start, and as another for a phase", func(r *audit.Run) {
		r.Plans[plan].Approvals = append(r.Plans[plan].Approvals, rules.Approval{Allows: "small", Roles: []string{"QA"}, Need: 1})
		insert(r, opsDue, wire.EventBody{Kind: "approval", Subject: "small", To: "approved", At: at(-100), Because: "cto", Signature: signature("QA", "C. Officer", "review")})
	}, ""},
	{"an approval names no one", func(r *audit.Run) { r.Events[ctoApproved].Signature.Name = "" }, "approval-without-name"},
	{"an approval does not say what it means", func(r *audit.Run) { r.Events[ctoApproved].Signature.Meaning = "" }, "approval-without-meaning"},
	{"whoever began it approved it", func(r *audit.Run) { r.Events[ctoApproved].Signature.Name = "r.  manager" }, "self-approval"},
	{"the token that began it approved it", func(r *audit.Run) { r.Events[ctoCommand].Principal = "ci" }, "self-approval"},
	{"whoever wrote a plan that begins by itself approved it", func(r *audit.Run) {
		r.Events[begin].By, r.Events[begin].Why, r.Events[begin].Principal = "", "", ""
		r.Events[ctoApproved].Signature.Name = "D. Engineer"
	}, "no-requester self-approval"},
	{"one person signs for two roles", func(r *audit.Run) { r.Events[productApproved].Signature.Name = "C. Officer" }, "one-person-two-roles"},
	{"no token proves an approver", func(r *audit.Run) { r.Events[productCommand].Principal = "" }, "unproven-identity"},
	{"an edit before anybody signed", func(r *audit.Run) {
		insert(r, ctoAsked, wire.EventBody{Kind: "plan", To: "edited", At: at(-180), Changes: []wire.Change{{Path: "a"}}})
	}, "plan-edited"},
	{"an edit after a signature", func(r *audit.Run) { insert(r, opsDue, wire.EventBody{Kind: "plan", To: "edited", At: at(-100)}) }, "edit-after-signature"},
	{"an edit after the start", func(r *audit.Run) { insert(r, smallShown, wire.EventBody{Kind: "plan", To: "edited", At: at(5)}) }, "edit-after-start"},
	{"an upgrade under way", func(r *audit.Run) {
		insert(r, smallShown, wire.EventBody{Kind: "plan", To: "judged_anew", At: at(5)})
	}, "upgraded-under-way"},
	{"an override", func(r *audit.Run) { insert(r, smallShown, command("override", "false alarm")) }, "override"},
	{"an override without a reason", func(r *audit.Run) { insert(r, smallShown, command("override", "")) }, "override override-without-reason"},
	{"a refused override is none", func(r *audit.Run) {
		e := command("override", "")
		e.To = "refused"
		insert(r, smallShown, e)
	}, ""},
	{"a pass without evidence", func(r *audit.Run) { r.Events[smallShown].To = "fail" }, "passed-without-evidence"},
	{"going on against evidence", func(r *audit.Run) {
		insert(r, smallShown, command("resume", "known"))
		insert(r, smallShown, wire.EventBody{Kind: "run", From: "monitoring", To: "held", At: at(8), Because: "rule"})
		insert(r, smallShown, wire.EventBody{ID: "rule", Kind: "rule", Subject: "many-errors", To: "holding", At: at(8)})
	}, "resumed-against-evidence"},
	{"going on against the traffic that was seen", func(r *audit.Run) {
		insert(r, smallShown, command("resume", "known"))
		insert(r, smallShown, wire.EventBody{Kind: "run", From: "monitoring", To: "held", At: at(8), Because: "traffic"})
		insert(r, smallShown, wire.EventBody{ID: "traffic", Kind: "rollout", Subject: "small", Phase: "small", To: "mismatch", At: at(8)})
	}, "resumed-against-evidence"},
	{"going on after a person's hold is none", func(r *audit.Run) {
		insert(r, smallShown, command("resume", "known"))
		insert(r, smallShown, wire.EventBody{Kind: "run", From: "monitoring", To: "held", At: at(8), Because: "hold"})
		hold := command("hold", "lunch")
		hold.ID = "hold"
		insert(r, smallShown, hold)
	}, ""},
	{"an abort that no one carried out", func(r *audit.Run) {
		insert(r, runPassed, wire.EventBody{Kind: "run", From: "passed", To: "rolled_back", At: at(18)})
		insert(r, smallShown, command("abort", "calls"))
		r.Record.State, r.Record.Verdict = "rolled_back", "rollback"
	}, "abort rollback-not-acknowledged"},
	{"an abort whose way back was taken", func(r *audit.Run) {
		insert(r, runPassed, wire.EventBody{Kind: "effect", Subject: "shop", From: "intended", To: "taken", At: at(18)})
		insert(r, runPassed, wire.EventBody{Kind: "run", From: "passed", To: "rolled_back", At: at(18)})
		insert(r, smallShown, command("abort", "calls"))
		r.Record.State, r.Record.Verdict = "rolled_back", "rollback"
	}, "abort"},
	{"a superseded run", func(r *audit.Run) { insert(r, smallShown, command("supersede", "hotfix")) }, "superseded"},
	{"a superseded run has no review", func(r *audit.Run) {
		remove(r, reviewOpen, reviewArchived)
		insert(r, smallShown, command("supersede", "hotfix"))
		r.Record.State, r.Record.Verdict = "superseded", "fail"
	}, "superseded"},
	{"a phase that never began", func(r *audit.Run) { r.Plans[plan].Phases = append(r.Plans[plan].Phases, rules.Phase{Name: "all"}) }, "phase-never-begun"},
	{"a run that is not decided", func(r *audit.Run) {
		r.Record.State, r.Record.Verdict, r.Record.DecidedAt, r.Record.Over = "monitoring", "pending", nil, false
	}, "undecided"},
	{"a run that could not be judged", func(r *audit.Run) { r.Record.Verdict = "unknown" }, "verdict-unknown"},
	{"a message that was skipped", func(r *audit.Run) { r.Events[opsSent].To = "skipped" }, "message-skipped"},
	{"a message that failed", func(r *audit.Run) { r.Events[opsSent].To = "failed" }, "message-failed"},
	{"a message without an answer", func(r *audit.Run) { remove(r, opsSent, opsSent) }, "message-without-answer"},
	{"a message that the webhooks tell of needs no answer", func(r *audit.Run) {
		r.Plans[plan].Communications[0].To = rules.Address{}
		remove(r, opsSent, opsSent)
	}, ""},
	{"a message that nothing is known of", func(r *audit.Run) { remove(r, opsDue, opsSent) }, "message-missing"},
	{"a message that waits for a phase is not due", func(r *audit.Run) {
		r.Plans[plan].Communications = append(r.Plans[plan].Communications, rules.Communication{Name: "x", Phase: "small"})
	}, ""},
	{"a delivery that was given up", func(r *audit.Run) { r.Deliveries[0].GivenUp = []report.GivenUp{{Event: "e", Reason: "410"}} }, "delivery-given-up"},
	{"an order that has not arrived", func(r *audit.Run) { r.Deliveries[0].Waiting = []report.Waiting{{Event: "e"}} }, "delivery-waiting"},
	{"a receiver that does not answer", func(r *audit.Run) { r.Deliveries[0].Done, r.Deliveries[0].Attempts = 5, 3 }, "delivery-behind"},
	{"a review that no one signed", func(r *audit.Run) { remove(r, reviewCommand, reviewArchived) }, "review-unsigned"},
	{"a review that is not archived", func(r *audit.Run) { remove(r, reviewArchived, reviewArchived) }, "review-not-archived"},
	{"a review without an archive", func(r *audit.Run) {
		r.Plans[plan].Review.Archive = ""
		remove(r, reviewArchived, reviewArchived)
	}, ""},
	{"a plan without a review", func(r *audit.Run) {
		r.Plans[plan].Review = rules.Review{}
		remove(r, reviewOpen, reviewArchived)
	}, ""},
	{"an event is gone from the middle", func(r *audit.Run) { r.Events = slices.Delete(r.Events, ctoAsked, ctoAsked+1) }, "events-missing"},
	{"the last event is gone", func(r *audit.Run) { r.N++ }, "events-missing"},
	{"an event is older than the one before", func(r *audit.Run) { r.Events[reviewOpen].At = at(1) }, "times-out-of-order"},
	{"the first try is gone", func(r *audit.Run) { r.Record.ID, r.Record.Try = "shop@1.4.2~2", 2 }, "earlier-try-missing"},
}

// command is one that someone gave at minute 8, who is known.
func command(subject, why string) wire.EventBody {
	return wire.EventBody{Kind: "command", Subject: subject, Phase: "small", To: "applied", At: at(8), By: "M", Principal: "m", Why: why}
}

func TestEachDefectIsNamedAndNoneIsInvented(t *testing.T) {
	seeded := map[string]bool{}
	for _, tt := range defects {
		r := clean()
		tt.edit(r)
		want := strings.Fields(tt.want)
		if got := codes(t, r); !slices.Equal(got, want) {
			t.Errorf("%s: findings %q, want %q", tt.name, got, want)
		}
		for _, c := range want {
			seeded[c] = true
		}
	}
	for _, c := range allCodes(t) {
		if !seeded[c] {
			t.Errorf("no run has the defect %s", c)
		}
	}
	if len(seeded) < 20 {
		t.Errorf("%d different defects, want at least 20", len(seeded))
	}
}

// Each rollback of a run has its own acknowledgement: that of the one is none of the other.
func TestEachRollbackHasItsOwnTimes(t *testing.T) {
	order := func(m int) wire.EventBody {
		return wire.EventBody{Kind: "run", Subject: "shop", From: "monitoring", To: "rolled_back", At: at(m)}
	}
	undo := func(m int) wire.EventBody {
		return wire.EventBody{Kind: "run", Subject: "shop", From: "rolled_back", To: "monitoring", At: at(m)}
	}
	done := func(m int) wire.EventBody {
		return wire.EventBody{Kind: "command", Subject: "rollback_done", To: "applied", At: at(m), By: "O. Engineer", Principal: "ops", Why: "reverted"}
	}
	const minute = "2025-06-04T02:0%d:00Z"
	for _, tt := range []struct {
		name                  string
		events                []wire.EventBody
		ordered, acknowledged string // minutes; - where it was not
		gap                   bool
	}{
		{"none", nil, "", "", false},
		{"one that is carried out", []wire.EventBody{order(1), done(2)}, "1", "2", false},
		{"one that is not", []wire.EventBody{order(1)}, "1", "-", true},
		{"two, both carried out", []wire.EventBody{order(1), done(2), undo(3), order(4), done(6)}, "1 4", "2 6", false},
		{"two, the first carried out", []wire.EventBody{order(1), done(2), undo(3), order(4)}, "1 4", "2 -", true},
		{"two, the second carried out", []wire.EventBody{order(1), undo(3), order(4), done(6)}, "1 4", "- 6", false},
	} {
		r := clean()
		remove(r, runPassed, runPassed)
		for _, e := range tt.events {
			insert(r, len(r.Events)-5, e)
		}
		if len(tt.events) > 0 {
			r.Record.State, r.Record.Verdict = "rolled_back", "rollback"
		}
		l := audit.Make([]audit.Run{*r}, t0.AddDate(0, 0, -1), t0.AddDate(0, 0, 1))
		var ordered, acknowledged []string
		for _, b := range l.Rows[0].Rollbacks {
			ordered = append(ordered, fmt.Sprint(b.OrderedAt.Minute()))
			if b.AcknowledgedAt == nil {
				acknowledged = append(acknowledged, "-")
				continue
			}
			acknowledged = append(acknowledged, fmt.Sprint(b.AcknowledgedAt.Minute()))
		}
		if got, want := strings.Join(ordered, " ")+"/"+strings.Join(acknowledged, " "), tt.ordered+"/"+tt.acknowledged; got != want {
			t.Errorf("%s: %s, want %s", tt.name, got, want)
		}
		gap := slices.IndexFunc(l.Rows[0].Gaps, func(f audit.Finding) bool { return f.Code == "rollback-not-acknowledged" })
		if (gap >= 0) != tt.gap || gap >= 0 && l.Rows[0].Gaps[gap].At.Minute() != l.Rows[0].Rollbacks[len(ordered)-1].OrderedAt.Minute() {
			t.Errorf("%s: gaps %+v, want one of the last rollback: %v", tt.name, l.Rows[0].Gaps, tt.gap)
		}
		var b bytes.Buffer
		if err := l.CSV(&b); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&b).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for column, minutes := range map[string]string{"rolled_back_at": tt.ordered, "rollback_acknowledged_at": tt.acknowledged} {
			var want []string
			for _, m := range strings.Fields(minutes) {
				if m == "-" {
					want = append(want, "not acknowledged")
					continue
				}
				want = append(want, strings.ReplaceAll(minute, "%d", m))
			}
			if got := rows[1][slices.Index(audit.Columns, column)]; got != strings.Join(want, "; ") {
				t.Errorf("%s: %s is %q, want %q", tt.name, column, got, want)
			}
		}
	}
}

func TestTheReviewOfARunThatGoesOnIsNone(t *testing.T) {
	for to, want := range map[string]string{"void": "none", "reminded": "open"} {
		r := clean()
		remove(r, reviewCommand, reviewArchived)
		r.Events = append(r.Events, wire.EventBody{Kind: "review", From: "open", To: to, At: at(30)})
		number(r)
		if got := audit.Make([]audit.Run{*r}, t0.AddDate(0, 0, -1), t0.AddDate(0, 0, 1)).Rows[0].Review; got != want {
			t.Errorf("after %s the review is %s, want %s", to, got, want)
		}
	}
}

func TestAPersonWhomNothingProvesIsNamedOnce(t *testing.T) {
	r := clean()
	r.Events[ctoCommand].Principal = ""
	for range 3 {
		insert(r, smallShown, wire.EventBody{Kind: "command", Subject: "hold", To: "applied", At: at(8), By: "C. Officer", Why: "lunch"})
	}
	gaps := audit.Make([]audit.Run{*r}, t0.AddDate(0, 0, -1), t0.AddDate(0, 0, 1)).Rows[0].Gaps
	if len(gaps) != 1 || gaps[0].Code != "unproven-identity" || !strings.Contains(gaps[0].Text, "C. Officer") {
		t.Errorf("gaps %+v, want one", gaps)
	}
}

// All defects at once that do not exclude each other: none hides another.
func TestDefectsDoNotHideEachOther(t *testing.T) {
	r := clean()
	var want []string
	for _, tt := range defects {
		switch tt.want {
		case "no-reason", "approval-of-another-plan", "one-person-two-roles", "delivery-given-up", "delivery-waiting", "delivery-behind", "message-failed",
			"passed-without-evidence", "phase-never-begun", "verdict-unknown", "times-out-of-order", "earlier-try-missing":
			if tt.name == "no reason is given" || tt.want != "no-reason" {
				tt.edit(r)
				want = append(want, tt.want)
			}
		}
	}
	slices.Sort(want)
	if got := codes(t, r); !slices.Equal(got, want) {
		t.Errorf("findings %q, want %q", got, want)
	}
}

// several are runs of one day each.
func several(n int) []audit.Run {
	var list []audit.Run
	for i := range n {
		r := clean()
		r.Record.ID = fmt.Sprintf("shop@1.4.%d", i)
		r.Record.Begun = new(t0.AddDate(0, 0, i))
		list = append(list, *r)
	}
	return list
}

func ids(l *audit.List) (list []string) {
	for _, r := range l.Rows {
		list = append(list, r.Run)
	}
	return list
}

func TestThePopulationIsEveryRunOfTheStretch(t *testing.T) {
	runs := several(30)
	slices.Reverse(runs)
	l := audit.Make(runs, t0.AddDate(0, 0, 5), t0.AddDate(0, 0, 8))
	if got := ids(l); !slices.Equal(got, []string{"shop@1.4.5", "shop@1.4.6", "shop@1.4.7"}) {
		t.Errorf("rows %q", got)
	}
	if l.Journal != 30 || l.Population != 3 || !l.Oldest.Equal(t0) || l.Sample != 0 || l.Seed != "" {
		t.Errorf("journal %d, population %d, oldest %s, sample %d, seed %q", l.Journal, l.Population, l.Oldest, l.Sample, l.Seed)
	}
}

// The draw is a promise: an auditor repeats it with any tool that knows SHA-256.
func TestADrawCanBeRepeated(t *testing.T) {
	draw := func(seed string, n int) *audit.List {
		runs := several(30)
		if seed == "2025" {
			slices.Reverse(runs)
		}
		l := audit.Make(runs, t0, t0.AddDate(0, 0, 60))
		l.Draw(n, seed)
		return l
	}
	first, again := draw("2025", 5), draw("2025", 5)
	if want := []string{"shop@1.4.7", "shop@1.4.15", "shop@1.4.22", "shop@1.4.24", "shop@1.4.28"}; !slices.Equal(ids(first), want) {
		t.Errorf("drawn %q, want %q", ids(first), want)
	}
	if !slices.Equal(ids(first), ids(again)) || first.Population != 30 || first.Sample != 5 || first.Seed != "2025" {
		t.Errorf("again %q of %d", ids(again), again.Population)
	}
	if slices.Equal(ids(draw("2026", 5)), ids(first)) {
		t.Error("another seed draws the same")
	}
	if got := ids(draw("x", 100)); len(got) != 30 {
		t.Errorf("%d of 30 were drawn when 100 were asked for", len(got))
	}
}

func TestNoCellIsAFormula(t *testing.T) {
	for _, text := range []string{"=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\r\n=1", "＝1", "'=1", "\"=1\"", "|calc", "%0A=1", "\u00a0=1", "a; =1", "a;\t@x", "a\n=1"} {
		r := clean()
		r.Events[begin].By, r.Events[begin].Why = text, text
		r.Events[begin].Principal = ""
		r.Events[ctoApproved].Signature.Name, r.Events[ctoApproved].Signature.Role = text, text
		var b bytes.Buffer
		l := audit.Make([]audit.Run{*r}, t0.AddDate(0, 0, -1), t0.AddDate(0, 0, 1))
		l.Draw(5, text)
		if err := l.CSV(&b); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
		if err != nil || len(rows) != 2 || len(rows[1]) != len(audit.Columns) {
			t.Fatalf("%q: %v: %q", text, err, rows)
		}
		for i, cell := range rows[1] {
			for part := range strings.SplitSeq(cell, ";") {
				if part = strings.TrimLeft(part, " \t\r\n\u00a0\""); part != "" && strings.ContainsRune("=+-@＝|%", []rune(part)[0]) {
					t.Errorf("%q: cell %s is %q", text, rows[0][i], cell)
				}
			}
			if strings.ContainsAny(cell, "\n\r\t") {
				t.Errorf("%q: cell %s has a line break or a tab: %q", text, rows[0][i], cell)
			}
		}
	}
}

func TestTheListIsJSON(t *testing.T) {
	text, err := json.Marshal(audit.Make(several(2), t0, t0.AddDate(0, 0, 60)))
	if err != nil || strings.Contains(string(text), ":null,\"gaps\"") {
		t.Fatalf("%v: %s", err, text)
	}
	for _, field := range []string{`"apiVersion":"audit/v1"`, `"gaps":[]`, `"exceptions":[]`, `"population":2`} {
		if !strings.Contains(string(text), field) {
			t.Errorf("%s is not in it", field)
		}
	}
}

// docs/audit.md names every column and every finding.
func TestTheManualNamesEveryColumnAndFinding(t *testing.T) {
	manual, err := os.ReadFile(filepath.Join("..", "..", "docs", "audit.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(allCodes(t), audit.Columns...) {
		if !strings.Contains(string(manual), "`"+name+"`") {
			t.Errorf("docs/audit.md does not name `%s`", name)
		}
	}
}
