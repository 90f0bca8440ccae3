package rules

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPeopleAreChecked(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*Spec)
		want string
	}{
		{"told in two places", func(s *Spec) { s.People = []PersonSpec{{Name: "CTO", Slack: "@cto", Tell: "slack @cto"}} }, "conflict people.CTO"},
		{"two addresses", func(s *Spec) { s.People = []PersonSpec{{Name: "CTO", Sign: Several{"a@example.com", "b@example.com"}}} }, "conflict people.CTO.sign[1]"},
		{"no one to prove it", func(s *Spec) { s.People = []PersonSpec{{Name: "CTO", Sign: Several{"Lee"}}} }, "bad-value people.CTO.sign[0]"},
		{"two addresses", func(s *Spec) { s.People = []PersonSpec{{Name: "CTO", Sign: Several{"a@example.com", "b@example.com"}}} }, "conflict people.CTO.sign[1]"},
		{"a token and a job", func(s *Spec) { s.People = []PersonSpec{{Name: "CTO", Sign: Several{"token:cto", "oidc:github"}}} }, ""},
		{"an approval of nothing", func(s *Spec) { s.Approvals[0].Name = "canaryy" }, "unknown-phase approvals.canaryy"},
		{"an approval of no one", func(s *Spec) { s.Approvals[0].Roles = nil }, "missing approvals.start.roles"},
		{"more than there are", func(s *Spec) { s.Approvals[0].Need = ptr(3) }, "out-of-range approvals.start.need"},
		{"none", func(s *Spec) { s.Approvals[0].Need = ptr(0) }, "out-of-range approvals.start.need"},
		{"for a second", func(s *Spec) { s.Approvals[0].Expires = dur(time.Second) }, "out-of-range approvals.start.expires"},
		{"a meaning of their own", func(s *Spec) { s.Approvals[0].Meaning = "consent" }, "bad-value approvals.start.meaning"},
		{"a role twice", func(s *Spec) { s.Approvals[0].Roles = []string{"CTO", "CTO"} }, "duplicate approvals.start.roles[1]"},
		{"an author who is not named", func(s *Spec) { s.Approvals[0].NotAuthor = nil }, "~no-author release.author"},
		{"an author", func(s *Spec) { s.Approvals[0].NotAuthor, s.Release.Author = nil, "Kim" }, ""},
		{"a phase", func(s *Spec) { s.Approvals[0].Name = "canary" }, ""},
		{"reminders by the second", func(s *Spec) { s.Review.Remind = dur(time.Second) }, "out-of-range review.remind"},
		{"a review that a role signs twice", func(s *Spec) { s.Review.Sign = Several{"CTO", "Ops", "CTO"} }, "duplicate review.sign[2]"},
		{"an override that only links could sign", func(s *Spec) {
			s.Approvals[0].Name, s.Approvals[0].Roles = "override", []string{"CTO", "Ops"}
			s.People = []PersonSpec{{Name: "CTO", Sign: Several{"cto@example.com"}}}
		}, "conflict approvals.override.roles"},
		{"an override that one of two must sign", func(s *Spec) {
			s.Approvals[0].Name, s.Approvals[0].Roles, s.Approvals[0].Need = "override", []string{"CTO", "Ops"}, ptr(1)
			s.People = []PersonSpec{{Name: "CTO", Sign: Several{"cto@example.com"}}, {Name: "Ops"}}
		}, ""},
		{"an override that a token may sign beside a link", func(s *Spec) {
			s.Approvals[0].Name, s.Approvals[0].Roles = "override", []string{"CTO"}
			s.People = []PersonSpec{{Name: "CTO", Sign: Several{"cto@example.com", "token:cto"}}}
		}, ""},
		{"a criterion misspelled", func(s *Spec) { s.Review.PassCriteria = []string{"phases_pased"} }, "unknown-criterion review.pass_criteria[0]"},
		{"no review to archive", func(s *Spec) { s.Review.PassCriteria = []string{"review_archived"} }, "conflict review.pass_criteria[0]"},
		{"no approvals to sign", func(s *Spec) { s.Approvals, s.Review.PassCriteria = nil, []string{"approvals_signed"} }, "conflict review.pass_criteria[0]"},
		{"a message twice over", func(s *Spec) { s.Communications[0].On = &Wanted{States: []State{Passed}} }, "conflict communications.later.on"},
		{"a message whenever it is not so", func(s *Spec) {
			s.Communications[0].At, s.Communications[0].On = nil, &Wanted{Not: true, States: []State{Passed}}
		}, "bad-value communications.later.on"},
		{"a message when the run begins", func(s *Spec) {
			s.Communications[0].At, s.Communications[0].On = nil, &Wanted{States: []State{Passed, Waiting}}
		}, "bad-value communications.later.on"},
		{"a phase that is called as what is signed for", func(s *Spec) {
			s.Phases[0].Name, s.Release.Author = "start", "Kim"
			s.Approvals = []ApprovalSpec{{Name: "start", Roles: []string{"CTO"}}}
		}, "conflict approvals.start"},
		{"a message after no phase", func(s *Spec) { s.Communications[0].At = &Moment{Phase: "canaryy"} }, "unknown-phase communications.later.at"},
		{"a message if no phase", func(s *Spec) { s.Communications[0].OnlyIf = &Wanted{Phase: "canaryy", States: []State{Passed}} }, "unknown-phase communications.later.only_if"},
		{"a message that tells", func(s *Spec) { s.Communications[0].Text = "{version}: {headline} {value.errors} {traffic} {chain}" }, ""},
		{"a message that tells of nothing", func(s *Spec) { s.Communications[0].Text = "{trafic}" }, "unknown-placeholder communications.later.text"},
		{"a message that tells of no rule", func(s *Spec) { s.Communications[0].Subject = "{value.eror}" }, "unknown-placeholder communications.later.subject"},
		{"a claim before the run can pass", func(s *Spec) { s.Communications[0].Text = "{version} is a Success." }, "~claims-early communications.later.text"},
		{"a claim in the subject", func(s *Spec) { s.Communications[0].Subject = "Rollout complete" }, "~claims-early communications.later.subject"},
		{"live to all", func(s *Spec) { s.Communications[0].Text = "Live to 100 %" }, "~claims-early communications.later.text"},
		{"live to some", func(s *Spec) { s.Communications[0].Text = "live to 10 %, live to {traffic}" }, ""},
		{"a claim as the last window ends", func(s *Spec) {
			s.Communications[0].At, s.Communications[0].Text = &Moment{Offset: Offset{26 * time.Hour}}, "rolled out"
		}, ""},
		{"a claim a second before", func(s *Spec) {
			s.Communications[0].At, s.Communications[0].Text = &Moment{Offset: Offset{26*time.Hour - time.Second}}, "rolled out"
		}, "~claims-early communications.later.text"},
		{"a claim of a phase, too early", func(s *Spec) { s.Communications[0].Text = "The canary has passed" }, "~claims-early communications.later.text"},
		{"a claim of a phase, in time", func(s *Spec) {
			s.Communications[0].At, s.Communications[0].Text = &Moment{Offset: Offset{2 * time.Hour}}, "The canary has passed"
		}, ""},
		{"a claim of two phases", func(s *Spec) {
			s.Communications[0].At, s.Communications[0].Text = &Moment{Offset: Offset{2 * time.Hour}}, "all, and canary, have passed"
		}, "~claims-early communications.later.text"},
		{"a name that is a part of a word", func(s *Spec) {
			s.Communications[0].At, s.Communications[0].Text = &Moment{Offset: Offset{2 * time.Hour}}, "canary-2 has passed"
		}, "~claims-early communications.later.text"},
		{"a claim that counts from a phase, too early", func(s *Spec) {
			s.Communications[0].At, s.Communications[0].Text = &Moment{Phase: "canary", Offset: Offset{time.Hour}}, "passed"
		}, "~claims-early communications.later.text"},
		{"a claim that counts from a phase, in time", func(s *Spec) {
			s.Communications[0].At, s.Communications[0].Text = &Moment{Phase: "canary", Offset: Offset{2 * time.Hour}}, "passed"
		}, ""},
		{"a claim that counts from no phase", func(s *Spec) {
			s.Communications[0].At, s.Communications[0].Text = &Moment{Phase: "canaryy", Offset: Offset{time.Hour}}, "passed"
		}, "unknown-phase communications.later.at; ~claims-early communications.later.text"},
		{"a claim that waits for the run", func(s *Spec) {
			s.Communications[0].OnlyIf, s.Communications[0].Text = &Wanted{States: []State{Passed}}, "passed"
		}, ""},
		{"a claim that waits for the last phase", func(s *Spec) {
			s.Communications[0].OnlyIf, s.Communications[0].Text = &Wanted{Phase: "all", States: []State{Passed}}, "passed"
		}, ""},
		{"a claim that waits for another phase", func(s *Spec) {
			s.Communications[0].OnlyIf, s.Communications[0].Text = &Wanted{Phase: "canary", States: []State{Passed}}, "passed"
		}, "~claims-early communications.later.text"},
		{"a claim that does not wait for a pass", func(s *Spec) {
			s.Communications[0].OnlyIf, s.Communications[0].Text = &Wanted{States: []State{Passed, Monitoring}}, "passed"
		}, "~claims-early communications.later.text"},
		{"a claim that waits for anything but a failure", func(s *Spec) {
			s.Communications[0].OnlyIf, s.Communications[0].Text = &Wanted{Not: true, States: []State{Failed}}, "passed"
		}, "~claims-early communications.later.text"},
		{"a claim as it happens", func(s *Spec) {
			s.Communications[0].At, s.Communications[0].On, s.Communications[0].Text = nil, &Wanted{States: []State{Passed}}, "passed"
		}, ""},
		{"words that claim nothing", func(s *Spec) {
			s.Communications[0].Text = "{version} is being rolled out, not  complete, will be successful, passedly, unsuccessful"
		}, ""},
		{"a title that tells", func(s *Spec) { s.Phases[0].Title = "{traffic}" }, "unknown-placeholder phases.canary.title"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := goodSpec()
			tt.edit(&spec)
			_, problems := Compile(spec)
			var got []string
			for _, p := range problems {
				if p.Severity == SeverityNote {
					continue
				}
				mark := ""
				if p.Severity == SeverityWarning {
					mark = "~"
				}
				got = append(got, mark+p.ID+" "+p.Path)
			}
			if text := strings.Join(got, "; "); text != tt.want {
				t.Errorf("got %q, want %q", text, tt.want)
			}
		})
	}
}

func TestFormsOfPeople(t *testing.T) {
	for _, tt := range []struct {
		into encoding.TextUnmarshaler
		text string
		want string // empty: an error
	}{
		{new(Moment), "T-2h", "T-2h"},
		{new(Moment), "mobile-10+30m", "mobile-10+30m"},
		{new(Moment), "mobile-10", "mobile-10"},
		{new(Moment), "mobile-10+x", ""},
		{new(Moment), "2h before", ""},
		{new(Wanted), "run not failed", "run not failed"},
		{new(Wanted), "mobile-10  monitoring", "mobile-10 monitoring"},
		{new(Wanted), "run passed or failed", "run passed or failed"},
		{new(Wanted), "run passed or", ""},
		{new(Wanted), "run passed and failed", ""},
		{new(Wanted), "run", ""},
		{new(Wanted), "run not", ""},
		{new(Wanted), "run done", ""},
		{new(Quiet), "22:00-07:00", "22:00-07:00"},
		{new(Quiet), "22:00-07:00 +02:00", "20:00-05:00"},
		{new(Quiet), "00:30-07:00 +01:00", "23:30-06:00"},
		{new(Quiet), "22:00", ""},
		{new(Quiet), "22:00-7", ""},
		{new(Quiet), "22:00-22:00", ""},
		{new(Quiet), "22:00-07:00 CET", ""},
	} {
		err := tt.into.UnmarshalText([]byte(tt.text))
		if tt.want == "" {
			if err == nil {
				t.Errorf("%q: got %v, want an error", tt.text, tt.into)
			}
			continue
		}
		if got := tt.into.(interface{ String() string }).String(); err != nil || got != tt.want {
			t.Errorf("%q: got %q and error %v, want %q", tt.text, got, err, tt.want)
		}
	}
	// A plan in the journal has them as they are written.
	was := Communication{OnlyIf: Wanted{Phase: "mobile-10", Not: true, States: []State{Passed, Failed}}, Quiet: Quiet{From: 22 * time.Hour, Till: 7 * time.Hour}}
	var is Communication
	text, err := json.Marshal(was)
	if err == nil {
		err = json.Unmarshal(text, &is)
	}
	if err != nil || !reflect.DeepEqual(is, was) || !strings.Contains(string(text), `"mobile-10 not passed or failed"`) {
		t.Errorf("%s: got %+v, %v", text, is, err)
	}
	w := Wanted{Not: true, States: []State{Failed}}
	if w.Holds(Failed) || !w.Holds(Passed) || !(Wanted{States: []State{Failed}}).Holds(Failed) {
		t.Error("a state that is not wanted holds, or one that is does not")
	}
	if got := (Wanted{}).String() + (Quiet{}).String(); got != "" {
		t.Errorf("got %q of what wants nothing", got)
	}
}

func TestQuietHoursAreOver(t *testing.T) {
	day := time.Date(2025, 6, 4, 0, 0, 0, 0, time.UTC)
	night := Quiet{From: 22 * time.Hour, Till: 7 * time.Hour}
	for _, tt := range []struct{ at, want time.Duration }{
		{12 * time.Hour, 12 * time.Hour}, {22 * time.Hour, 31 * time.Hour}, {31 * time.Hour, 31 * time.Hour},
		{6*time.Hour + 59*time.Minute, 7 * time.Hour}, {7 * time.Hour, 7 * time.Hour},
	} {
		if got := night.Over(day.Add(tt.at).Unix()); got != day.Add(tt.want).Unix() {
			t.Errorf("at %v: got %v, want %v", tt.at, time.Unix(got, 0).UTC().Sub(day), tt.want)
		}
	}
	if got := (Quiet{}).Over(5); got != 5 {
		t.Errorf("without quiet hours: got %d", got)
	}
}

func TestReviewByDefault(t *testing.T) {
	spec := goodSpec()
	spec.Review = ReviewSpec{Archive: "folder"}
	plan := compiled(t, spec)
	want := []string{CriterionPhases, CriterionRollback, CriterionSigned, CriterionReview}
	if !slices.Equal(plan.PassCriteria, want) || !slices.Equal(plan.Review.Sign, []string{plan.Manager}) || plan.Review.Remind != 24*time.Hour {
		t.Errorf("got %v and %+v", plan.PassCriteria, plan.Review)
	}
	spec.Review = ReviewSpec{Sign: Several{"Ops"}, PassCriteria: []string{CriterionReview}}
	plan = compiled(t, spec)
	if !slices.Equal(plan.PassCriteria, []string{CriterionReview}) || !slices.Equal(plan.Review.Sign, []string{"Ops"}) {
		t.Errorf("got %v and %+v, want what the plan says", plan.PassCriteria, plan.Review)
	}
	old := *plan
	old.Approvals = []Approval{{}}
	if got := diffText(&old, plan); strings.Contains(got, "approvals.:") {
		t.Errorf("got %s: a signature of before approvals were asked for is a table", got)
	}
}

func TestPeopleOfAPlan(t *testing.T) {
	spec := goodSpec()
	spec.People = []PersonSpec{{Name: "CTO", Email: "cto@example.com", Page: "pagerduty"}, {Name: "Ops", Tell: "chat #ops"}}
	spec.Communications[0].Text, spec.Communications[0].Subject = "{version}: {traffic} {value.errors} {headline}", "{title}"
	spec.Parameters = []ParameterSpec{{Name: "title", Default: &Literal{"hello"}}, {Name: "traffic", Default: &Literal{"all"}}}
	plan := compiled(t, spec)
	if r := plan.Role("CTO"); r == nil || r.Tell != (Address{"email", "cto@example.com"}) || r.Page.String() != "pagerduty" {
		t.Errorf("got %+v", r)
	}
	if plan.Role("Nobody") != nil {
		t.Error("there is a role that the plan does not name")
	}
	own := bind
	own.Parameters, own.Previous = nil, Previous{}
	run, err := plan.Bound(own)
	if err != nil {
		t.Fatal(err)
	}
	m := run.Communications[1]
	if m.Subject != "hello" || m.Text != bind.Version+": all {value.errors} {headline}" {
		t.Errorf("got %q: %q, want what is known of the run filled in", m.Subject, m.Text)
	}
	if got := run.MessageFields(m.Text); !slices.Equal(got, []string{"value.errors", "headline"}) {
		t.Errorf("got fields %v", got)
	}
	text := FillMessage(m.Text, func(name string) (string, bool) { return "PASS", name == "headline" })
	if want := bind.Version + ": all {value.errors} PASS"; text != want {
		t.Errorf("got %q, want %q", text, want)
	}
}

func TestAnApprovalByItsRoles(t *testing.T) {
	var a ApprovalSpec
	if err := a.UnmarshalScalar([]any{"CTO", "Legal"}); err != nil || !slices.Equal(a.Roles, []string{"CTO", "Legal"}) {
		t.Errorf("got %+v and error %v", a, err)
	}
	if err := a.UnmarshalScalar(int64(3)); err == nil {
		t.Error("a number is a list of roles")
	}
}

// The journal keeps a plan as JSON: all that a message may have is read back.
func TestThePeopleOfAPlanReadBackFromJSON(t *testing.T) {
	spec := goodSpec()
	spec.People = []PersonSpec{{Name: "CTO", Sign: Several{"cto@example.com"}, Slack: "@cto", Page: "pager"}}
	spec.Communications = []CommunicationSpec{
		{Name: "quiet", At: &Moment{Phase: "canary", Offset: Offset{time.Hour}}, OnlyIf: &Wanted{Phase: "canary", Not: true, States: []State{Failed, RolledBack}}, Quiet: &Quiet{From: 22 * time.Hour, Till: 7 * time.Hour}, Grace: dur(time.Minute), To: "slack #ops", Text: "x"},
		{Name: "on", On: &Wanted{States: []State{RolledBack}}, Channel: "mail", Text: "y"},
	}
	spec.Review = ReviewSpec{Sign: Several{"CTO"}, Archive: "folder"}
	plan, problems := Compile(spec)
	if plan == nil {
		t.Fatal(problems)
	}
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ReadPlan(text, standIns)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back.Communications, plan.Communications) || !reflect.DeepEqual(back.Roles, plan.Roles) || !reflect.DeepEqual(back.Review, plan.Review) {
		t.Errorf("got %+v, want %+v", back, plan)
	}
}
