package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/relgate/relgate/exporters/report"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// golden compares text with a file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}

// markdown renders a report.
func markdown(t *testing.T, s *report.Source) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Make(s).Markdown(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func page(t *testing.T, s *report.Source) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Make(s).HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestAReportIsWhatItWas(t *testing.T) {
	golden(t, "rolled_back.md", []byte(markdown(t, rolledBack())))
	text, err := json.MarshalIndent(report.Make(rolledBack()), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "rolled_back.json", append(text, '\n'))
}

func TestAPlanIsWhatItWas(t *testing.T) {
	var b bytes.Buffer
	if err := report.OfPlan(shop(), signed).Markdown(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "plan.md", b.Bytes())
}

func TestAReportDoesNotChangeItsSource(t *testing.T) {
	s := rolledBack()
	report.Make(s)
	if !reflect.DeepEqual(rolledBack(), s) {
		t.Error("the source was changed")
	}
}

// criteria are the statuses of the plan's criteria.
func criteria(s *report.Source) map[string]report.Status {
	list := map[string]report.Status{}
	for _, c := range report.Make(s).Criteria {
		list[c.Name] = c.Status
	}
	return list
}

// passed is the run of rolledBack if it had gone well: its review is to be written.
func passed() *report.Source {
	s := rolledBack()
	for i, e := range s.Run.Events {
		if e.Kind == "phase" && e.To == "passed" {
			s.Run.Events = s.Run.Events[: i+1 : i+1]
			break
		}
	}
	s.Run.Run.State, s.Run.Run.Verdict, s.Run.Run.RolledBack = "passed", "pass", false
	s.Run.Phases[1].State = "passed"
	s.Run.Phases[1].Rules[0].Result = "pass"
	s.Run.People.Approvals = []wire.Approval{{Allows: "start", Need: 2, Have: 2, Given: true}}
	core(s, "met", "met", "met", "met", "open", "open")
	return s
}

// core sets what the core says of the criteria, in their order.
func core(s *report.Source, states ...string) {
	for i := range s.Run.People.Criteria {
		s.Run.People.Criteria[i].State = states[i]
	}
}

// then adds events.
func then(s *report.Source, events ...wire.EventBody) {
	for _, e := range events {
		e.N = uint64(len(s.Run.Events)) + 1
		if e.ID == "" {
			e.ID = fmt.Sprintf("later/%d", e.N)
		}
		s.Run.Events = append(s.Run.Events, e)
	}
}

// A criterion is never better than the core has it, nor than the report finds.
func TestPassCriteria(t *testing.T) {
	reviewed := []wire.EventBody{{Kind: "review", To: "complete", At: at(90)}}
	archived := []wire.EventBody{{Kind: "review", To: "complete", At: at(90)}, {Kind: "review", To: "archived", At: at(91), Kept: "https://wiki.example/1"}}
	for _, tt := range []struct {
		name string
		edit func(*report.Source)
		want string // phases, rollback, signed, messages, review, the plan's own
	}{
		{"a run that passed", func(*report.Source) {}, "met met met met open open"},
		{"under way", func(s *report.Source) {
			s.Run.Run.State, s.Run.Run.Over = "monitoring", false
			s.Run.Phases[1].State, s.Run.Phases[1].Rules[0].Result = "monitoring", "pending"
		}, "open open met met open open"},
		{"a metric that would pass in a phase that is not decided", func(s *report.Source) {
			s.Run.Run.State, s.Run.Run.Over, s.Run.Phases[1].State = "monitoring", false, "monitoring"
		}, "open open met met open open"},
		{"a phase that has not begun in a run that is over", func(s *report.Source) { s.Run.Phases[1].State = "waiting" }, "not_met met met met open open"},
		{"a required metric that no one could judge", func(s *report.Source) { s.Run.Phases[1].Rules[0].Result = "no_data" }, "not_met met met met open open"},
		{"a breached metric in a phase that was overridden", func(s *report.Source) {
			s.Run.Phases[1].Rules[0].Result = "fail"
			s.Run.Phases[1].Override = &wire.Override{By: "M"}
		}, "not_met met met met open open"},
		{"a metric that can only veto, and did", func(s *report.Source) { s.Run.Phases[1].Rules[1].Result = "fail" }, "not_met met met met open open"},
		{"a rollback that a person undid", func(s *report.Source) {
			then(s, wire.EventBody{Kind: "run", To: "rolled_back", At: at(30)}, wire.EventBody{Kind: "run", From: "rolled_back", To: "passed", At: at(40)})
		}, "met not_met met met open open"},
		{"signatures that were skipped", func(s *report.Source) { s.Run.People.Approvals[0].Waived = true }, "met met not_met met open open"},
		{"signatures that are missing", func(s *report.Source) {
			s.Run.People.Approvals[0].Given = false
			s.Run.People.Approvals[0].Missing = []string{"CTO"}
		}, "met met open met open open"},
		{"a review that is signed and not archived", func(s *report.Source) { then(s, reviewed...); core(s, "met", "met", "met", "met", "open", "met") }, "met met met met open met"},
		{"a review of a plan without an archive", func(s *report.Source) {
			then(s, reviewed...)
			s.Plan.Review.Archive = ""
			core(s, "met", "met", "met", "met", "met", "met")
		}, "met met met met met met"},
		{"a review that is signed and archived", func(s *report.Source) { then(s, archived...); core(s, "met", "met", "met", "met", "met", "met") }, "met met met met met met"},
		{"a review that no one knows of, whatever is said", func(s *report.Source) { core(s, "met", "met", "met", "met", "met", "met") }, "met met met met open open"},
		{"what the core says is not met", func(s *report.Source) {
			then(s, archived...)
			core(s, "not_met", "not_met", "not_met", "not_met", "not_met", "not_met")
		}, "not_met not_met not_met not_met not_met not_met"},
		{"what the core says is open, or says in a word that is not known", func(s *report.Source) {
			then(s, archived...)
			core(s, "open", "", "fine", "open", "open", "open")
		}, "open open open open open open"},
	} {
		s := passed()
		tt.edit(s)
		got := criteria(s)
		want := strings.Fields(tt.want)
		for i, c := range s.Run.People.Criteria {
			if got[c.Name] != report.Status(want[i]) {
				t.Errorf("%s: %s is %s, want %s", tt.name, c.Name, got[c.Name], want[i])
			}
		}
	}
}

// A copy for an archive is written before the archive has it, and says so. The report says
// what an archive answered that does not have it.
func TestTheReviewThatIsNotArchivedSaysWhy(t *testing.T) {
	for _, tt := range []struct {
		name, want string
		edit       func(*report.Source)
	}{
		{"the archive has said nothing", "the review is signed and not archived", func(*report.Source) {}},
		{"the copy that is archived", "copy for the archive confluence, before its answer", func(s *report.Source) { s.Archive = "confluence" }},
		{"another endpoint fails", "the review is signed and not archived", func(s *report.Source) {
			s.Deliveries = []report.Delivery{{Endpoint: "slack", Attempts: 2, LastError: "answered 500"}}
		}},
		{"a pull request that is open", "the review is signed and not archived: waiting for the pull request to be merged: https://github.com/o/r/pull/1", func(s *report.Source) {
			s.Deliveries = []report.Delivery{{Endpoint: "confluence", Attempts: 1, LastError: "waiting for the pull request to be merged: https://github.com/o/r/pull/1"}}
		}},
		{"what was given up", "the review is signed and not archived: answered 410", func(s *report.Source) {
			s.Deliveries = []report.Delivery{{Endpoint: "confluence", GivenUp: []report.GivenUp{{Reason: "answered 403"}, {Reason: "answered 410"}}}}
		}},
	} {
		s := passed()
		then(s, wire.EventBody{Kind: "review", To: "complete", At: at(90)})
		core(s, "met", "met", "met", "met", "open", "met")
		s.Deliveries = nil
		tt.edit(s)
		for _, c := range report.Make(s).Criteria {
			if c.Name == rules.CriterionReview && (c.Status != report.Open || c.Reason != tt.want) {
				t.Errorf("%s: %s, %q, want open, %q", tt.name, c.Status, c.Reason, tt.want)
			}
		}
		then(s, wire.EventBody{Kind: "review", To: "archived", At: at(91)})
		core(s, "met", "met", "met", "met", "met", "met")
		for _, c := range report.Make(s).Criteria {
			if c.Name == rules.CriterionReview && c.Status != report.Met {
				t.Errorf("%s: once it is archived it is %s, %q", tt.name, c.Status, c.Reason)
			}
		}
	}
}

// A metric that would pass is not met before its phase is decided.
func TestAMetricIsOpenUntilItsPhaseIsDecided(t *testing.T) {
	s := passed()
	s.Run.Run.State, s.Run.Run.Over, s.Run.Phases[1].State = "monitoring", false, "monitoring"
	for _, x := range report.Make(s).Metrics {
		if x.Metric == "few-errors" && (x.Phases[0].Status != report.Met || x.Phases[1].Status != report.Open || x.Status != report.Open) {
			t.Errorf("it is %s: %+v", x.Status, x.Phases)
		}
	}
}

func TestARollbackHasItsTimes(t *testing.T) {
	r := report.Make(rolledBack())
	if len(r.Rollbacks) != 1 {
		t.Fatalf("%d rollbacks, want 1", len(r.Rollbacks))
	}
	got := r.Rollbacks[0]
	// The warning of minute 25 ended at 28: it is not how this fault was found.
	for _, x := range []struct {
		name      string
		got, want any
	}{
		{"rule", got.Rule, "many-errors"}, {"fault began", *got.FaultBegan, *at(40)}, {"found", *got.Found, *at(42)}, {"ordered", *got.Ordered, *at(51)},
		{"acknowledged", *got.Acknowledged, *at(60)}, {"by", got.AckBy, "O. Engineer"}, {"to find", *got.ToFind, 120.0}, {"to order", *got.ToOrder, 660.0},
		{"to acknowledge", *got.ToAck, 540.0}, {"command", got.Command, "deploy revert shop"},
	} {
		if !reflect.DeepEqual(x.got, x.want) {
			t.Errorf("%s is %v, want %v", x.name, x.got, x.want)
		}
	}
}

// What an alarm says began when the alarm went off, whatever the rule's numbers were judged over.
func TestARollbackByAnAlarmBeganWithTheAlarm(t *testing.T) {
	s := rolledBack()
	for i := range s.Run.Events {
		if e := &s.Run.Events[i]; e.To == "fired" {
			e.Evidence.Alarm = &wire.Alarm{Signal: "crash_alert", State: "on", Since: at(45), Fired: true}
		}
	}
	r := report.Make(s).Rollbacks[0]
	if r.Alarm != "crash_alert" || !r.FaultBegan.Equal(*at(45)) || *r.ToOrder != 360 {
		t.Errorf("got %+v", r)
	}
	if !strings.Contains(markdown(t, s), "since when the alarm crash\\_alert was on") {
		t.Error("the report does not say so")
	}
	for i := range s.Run.Events {
		if e := &s.Run.Events[i]; e.To == "fired" {
			e.Evidence.Alarm.Fired = false
		}
	}
	if r := report.Make(s).Rollbacks[0]; r.Alarm != "" || !r.FaultBegan.Equal(*at(40)) {
		t.Errorf("its own numbers fired it: %+v", r)
	}
}

// No one measured when the fault began that a person saw.
func TestARollbackByAPersonHasNoTimeOfTheFault(t *testing.T) {
	s := passed()
	then(s, wire.EventBody{ID: "a", Kind: "command", Subject: "abort", To: "applied", By: "M", Why: "customers call", At: at(30)},
		wire.EventBody{Kind: "run", From: "monitoring", To: "rolled_back", Because: "a", At: at(30)})
	r := report.Make(s).Rollbacks
	if len(r) != 1 || r[0].By != "M" || r[0].FaultBegan != nil || r[0].Found != nil || r[0].Acknowledged != nil {
		t.Errorf("got %+v", r)
	}
	if text := markdown(t, s); !strings.Contains(text, "it was not reported as carried out") || strings.Contains(text, "Fault began") {
		t.Error("the report says something else")
	}
}

func TestARollbackThatAPersonUndid(t *testing.T) {
	s := passed()
	before := len(report.Make(s).Overrides)
	then(s, wire.EventBody{Kind: "run", From: "monitoring", To: "rolled_back", At: at(30)},
		wire.EventBody{ID: "b", Kind: "command", Subject: "override", To: "applied", By: "M", Why: "a false alarm", At: at(35)},
		wire.EventBody{Kind: "run", From: "rolled_back", To: "monitoring", Because: "b", At: at(35)})
	r := report.Make(s)
	if len(r.Rollbacks) != 1 || r.Rollbacks[0].Undone == nil || !r.Rollbacks[0].Undone.Equal(*at(35)) || len(r.Overrides) != before+1 || r.Overrides[before].Why != "a false alarm" {
		t.Errorf("got %+v and %+v", r.Rollbacks, r.Overrides)
	}
	if text := markdown(t, s); !strings.Contains(text, "- Overridden: 2025-06-04 02:35 UTC: the run went on") || strings.Contains(text, "not reported") {
		t.Error("the report says something else")
	}
}

func TestASignatureIsOnOnePlan(t *testing.T) {
	found := 0
	s := rolledBack()
	for n := range s.Digests {
		s.Digests[n] = edited // what was signed says the signature itself
	}
	for _, a := range report.Make(s).Approvals {
		switch a.State {
		case "approved":
			found++
			if a.Role != "CTO" || a.By != "Clara Officer" || a.Principal != "mail:cto@shop.example" || a.Meaning != "approval" || a.Why != "I have read it" || a.Digest != signed || a.Current {
				t.Errorf("the approval is %+v: want that of the CTO, on the plan before the edit", a)
			}
		case "overridden":
			found++
			if a.By != "R. Manager" || a.Why != "the CTO is on a plane" {
				t.Errorf("the glass was broken by %+v", a)
			}
		case "unasked":
			found++
			if a.Role == "CTO" {
				t.Errorf("%+v has events", a)
			}
		}
	}
	if found != 4 {
		t.Errorf("%d approvals were looked at, want 4", found)
	}
}

func TestTheReviewIsWhatPeopleWrote(t *testing.T) {
	r := report.Make(rolledBack()).Review
	if r.State != "complete" || r.Completed == nil || r.Archived != nil || len(r.Signatures) != 1 || r.Signatures[0].Role != "Release Manager" {
		t.Errorf("the review is %+v", r)
	}
	for _, f := range r.Fields {
		want := map[string]string{"lessons": "Test the cache.\nTwice.", "actions": "O. Engineer: a test for the cache, 2025-06-11"}[f.Name]
		if f.Text != want {
			t.Errorf("%s is %q, want %q", f.Name, f.Text, want)
		}
	}
	s := passed()
	then(s, wire.EventBody{Kind: "review", To: "open", At: at(70)}, wire.EventBody{Kind: "review", From: "approved", To: "void", At: at(75), Signature: &wire.Signature{Role: "Release Manager"}})
	if r := report.Make(s).Review; r.State != "open" || len(r.Signatures) != 1 || r.Signatures[0].State != "void" {
		t.Errorf("the review whose signature is void is %+v", r)
	}
	then(s, wire.EventBody{Kind: "review", From: "open", To: "void", At: at(80)})
	if r := report.Make(s).Review; r.State != "none" || r.Opened != nil {
		t.Errorf("the review of a run that goes on is %+v", r)
	}
}

// What a signature's event tells is not told again by the command behind it.
func TestTheTimelineTellsEachThingOnce(t *testing.T) {
	n := map[string]int{}
	for _, m := range report.Make(rolledBack()).Timeline {
		n[m.Kind+" "+m.Subject+" "+m.To]++
	}
	for _, tt := range []struct {
		what string
		want int
	}{{"approval start approved", 1}, {"command approve applied", 0}, {"command rollback_done applied", 1}, {"rule many-errors warning", 0}, {"rule many-errors fired", 1}, {"run shop rolled_back", 0}} {
		if n[tt.what] != tt.want {
			t.Errorf("%s is told %d times, want %d", tt.what, n[tt.what], tt.want)
		}
	}
}

func TestAGapInTheDataIsAGapInTheChart(t *testing.T) {
	text := page(t, rolledBack())
	for _, gap := range []string{
		"no data from 2025-06-04 02:30 UTC to 2025-06-04 02:36 UTC", // in the middle
		"no data from 2025-06-04 03:00 UTC to 2025-06-04 03:30 UTC", // at the end
		"no data from 2025-06-04 02:20 UTC to 2025-06-04 03:30 UTC", // of the reviews, which nothing came of
	} {
		if strings.Count(text, gap) != 1 {
			t.Errorf("not drawn: %s", gap)
		}
	}
	if n := strings.Count(text, `class="gap"`); n != 3 {
		t.Errorf("%d gaps are drawn, want 3", n)
	}
	whole := rolledBack()
	whole.Run.EvaluatedAt = at(31)
	whole.Readings[0].Points = whole.Readings[0].Points[:30]
	whole.Plan.Phases[1].Success = whole.Plan.Phases[1].Success[:1]
	if strings.Contains(page(t, whole), `class="gap"`) {
		t.Error("a gap is drawn where there is none, or where the newest period may still come")
	}
	_, line, _ := strings.Cut(text, `<path class="line" d="`)
	line, _, _ = strings.Cut(line, `"`)
	if n := strings.Count(line, "M"); n != 2 {
		t.Errorf("the line has %d pieces, want 2: %s", n, line)
	}
	for _, limit := range []string{"limit success", "limit rollback", `class="fired"`} {
		if !strings.Contains(text, limit) {
			t.Errorf("%s is not drawn", limit)
		}
	}
}

// The sections that the core does not fill yet say so.
func TestWhatIsNotThereIsSaid(t *testing.T) {
	text := markdown(t, &report.Source{Plan: passed().Plan, Run: wire.RunBody{}})
	for _, part := range []string{"## Overrides\n\nNone.", "## Amendments\n\nNone.", "## Deliveries\n\nNone.", "## Rollback\n\nNone.", "State: none", "_Not written yet._"} {
		if !strings.Contains(text, part) {
			t.Errorf("it does not say %q", part)
		}
	}
	s := passed()
	s.Plan.Approvals, s.Plan.Communications, s.Run.Events = nil, nil, s.Run.Events[:1]
	for _, part := range []string{"## Approvals\n\nNone.", "## Messages\n\nNone."} {
		if text := markdown(t, s); !strings.Contains(text, part) {
			t.Errorf("it does not say %q", part)
		}
	}
}

func TestEventsThatAreMissingAreNamed(t *testing.T) {
	s := passed()
	s.Run.Events = append(s.Run.Events[:3:3], s.Run.Events[4:]...)
	if !strings.Contains(markdown(t, s), "Events are missing in the journal") {
		t.Error("a gap in the numbers is not named")
	}
	if strings.Contains(markdown(t, passed()), "Events are missing") {
		t.Error("a gap is named where there is none")
	}
}

// docs/report.md names every field of the JSON.
func TestTheManualNamesEveryField(t *testing.T) {
	manual, err := os.ReadFile(filepath.Join("..", "..", "docs", "report.md"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var visit func(of reflect.Type)
	visit = func(of reflect.Type) {
		for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range of.NumField() {
			f := of.Field(i)
			if !f.IsExported() {
				continue
			}
			visit(f.Type)
			name := f.Tag.Get("json")
			if f.Anonymous {
				continue
			}
			if n++; name == "" || !strings.Contains(string(manual), "`"+name+"`") {
				t.Errorf("docs/report.md does not name `%s` of %s.%s", name, of.Name(), f.Name)
			}
		}
	}
	visit(reflect.TypeFor[report.Report]())
	if n < 100 {
		t.Errorf("%d fields were looked at", n)
	}
}

// Where the traffic was looked at, the report does not say that it was not.
func TestAReportOfTrafficThatWasSeen(t *testing.T) {
	s := passed()
	s.Plan.Phases[0].Observe = "share"
	if text := markdown(t, s); !strings.Contains(text, "Where it was seen to be another, the timeline says so.") || strings.Contains(text, "does not know how many users") {
		t.Error("it does not say where another share was seen")
	}
}
