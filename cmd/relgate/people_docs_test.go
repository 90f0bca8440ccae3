package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
)

const peoplePage = "docs/people.md"

// ours is a block of docs/people.md for the plan of the tests.
func ours(t *testing.T, name string) string {
	t.Helper()
	return strings.NewReplacer("bioage@1.4.2", "P-1@1.0.0", "plans/bioage/", "plans/P-1/", "canary", "one").Replace(recipe(t, peoplePage, name))
}

// newManual is a daemon of the plan that docs/people.md prints, before its release, and a
// machine for the commands there.
func newManual(t *testing.T) (*peopled, func(block, token string) string) {
	t.Helper()
	for _, name := range []string{"MANAGER", "SECURITY", "CTO", "ONCALL"} {
		t.Setenv(name+"_TOKEN", strings.ToLower(name)+"-hunter2-1")
	}
	t.Setenv("RELGATE_LINK_SECRET", "a secret of the test that is long enough")
	keys, tokens, _ := strings.Cut(ours(t, "people-daemon"), "[daemon.tokens")
	text := strings.NewReplacer("start = 2100-01-01T00:00:00Z", "author = \"Ada\"\nstart = "+time.Now().Add(3*time.Hour).UTC().Format(time.RFC3339), "[daemon]\n", keys).Replace(plainConfig) +
		"[daemon.tokens" + tokens + strings.NewReplacer(`"smtp.example.com:587"`, "\"127.0.0.1:PORT\"\nca = \"ca.pem\"\nallow = [\"127.0.0.1\"]", `"/var/lib/relgate/reviews"`, `"reviews-folder"`).Replace(ours(t, "people-plan"))
	p := housePeople(t, text, map[string]string{"ops": "C0000OPS", "releases": "C0000REL", "security": "C0000SEC"})
	machine := newPipeline(t, "http://"+p.public.Addr().String(), "", "")
	return p, func(block, token string) string {
		t.Helper()
		if code := machine.sh("{\n"+ours(t, block)+"} >said", "RELGATE_TOKEN="+token+"-hunter2-1"); code != 0 {
			t.Fatalf("%s: exit %d: %s", block, code, machine.file("said"))
		}
		return machine.file("said")
	}
}

// What docs/people.md leads a release manager through is done: from nothing to signed, told
// and reviewed.
func TestTheManualOfPeopleIsDone(t *testing.T) {
	p, does := newManual(t)
	_, entry := asksAs(t, "GET", p.url("/v1/gates/P-1/one/entry"), "manager-hunter2-1", "", "")
	if want := strings.TrimSpace(ours(t, "people-entry")); !strings.Contains(entry, want) {
		t.Errorf("the entry does not say %q: %s", want, entry)
	}
	does("people-reject", "security")
	if _, entry := asksAs(t, "GET", p.url("/v1/gates/P-1/one/entry"), "manager-hunter2-1", "", ""); !strings.Contains(entry, "Security Officer") {
		t.Errorf("the entry after a rejection: %s", entry)
	}
	does("people-sign", "manager")
	does("people-sign-http", "security")
	if code, page := p.opens(p.link("cto@example.com"), "approve", "read"); code != 200 || !strings.Contains(page, "Signed") {
		t.Fatalf("the link: %d %s", code, page)
	}
	as := func() (people []string) {
		for _, r := range p.runAs("manager-hunter2-1").People.Approvals[0].Roles {
			people = append(people, r.State+" "+r.By)
		}
		return people
	}
	if got := strings.Join(as(), ", "); got != "approved Kim Lee, approved Sam Roe, approved cto@example.com" || !p.runAs("manager-hunter2-1").People.Approvals[0].Given {
		t.Errorf("signed: %s", got)
	}

	does("people-messages-by-hand", "manager")
	eventually(t, "the message", func() bool { return p.runAs("manager-hunter2-1").People.Messages[0].State == fact.Sent })
	whole, left, _ := strings.Cut(does("people-messages", "manager"), "\nMESSAGE")
	for _, want := range []string{"MESSAGE", "ops ", "slack #ops", "sent", "exec", "skipped", "passed", "waiting"} {
		if !strings.Contains(whole, want) {
			t.Errorf("the messages do not say %q: %s", want, whole)
		}
	}
	if strings.Contains(left, "exec") || !strings.Contains(left, "back") {
		t.Errorf("still to come: %s", left)
	}

	if code, text := asksAs(t, "POST", p.url(command1), "oncall-hunter2-1", "", `{"kind":"abort","by":"Ada Byron","why":"a test"}`); code != 200 {
		t.Fatal(code, text)
	}
	eventually(t, "the review", func() bool { r := p.runAs("manager-hunter2-1").People.Review; return r != nil && r.State == fact.Open })
	does("people-review", "manager")
	does("people-review-http", "cto")
	eventually(t, "the archive", func() bool { return p.runAs("manager-hunter2-1").People.Review.State == fact.Archived })
	text := readText(t, p.runAs("manager-hunter2-1").People.Review.Link)
	for _, want := range []string{"test on the oldest phone first", "Kim Lee", "Lou Chan", "Sam Roe", "plan read"} {
		if !strings.Contains(text, want) {
			t.Errorf("the review does not say %q", want)
		}
	}
	for _, want := range []string{"C0000OPS A release\nRelease of 1.0.0 starts in two hours: WAIT", "C0000REL A release\n1.0.0 was rolled back.", "C0000SEC SIGN: Security Officer"} {
		eventually(t, want+" in Slack", func() bool {
			said := ""
			for _, m := range p.slack.Messages() {
				said += m.Channel + " " + m.Text + "\n"
			}
			return strings.Contains(said, want)
		})
	}
	for _, wrong := range append(p.slack.Wrong(), p.mail.Violations()...) {
		t.Error(wrong)
	}
}

func TestTheManualsBreakGlassIsDone(t *testing.T) {
	p, does := newManual(t)
	does("people-break-glass", "oncall")
	a := p.runAs("manager-hunter2-1").People.Approvals[0]
	if !a.Waived || a.Have != 0 {
		t.Errorf("got %+v", a)
	}
	eventually(t, "that everybody is told", func() bool {
		told := map[string]bool{}
		for _, m := range p.slack.Messages() {
			told[m.Channel] = told[m.Channel] || strings.Contains(m.Text, "BREAK-GLASS")
		}
		return told["C0000REL"]
	})
}

// The parts of plans that docs/people.md prints are without any problem.
func TestThePlansOfTheManualOfPeopleAreConfigs(t *testing.T) {
	t.Parallel()
	_, sinks, _ := strings.Cut(ours(t, "people-plan"), "[sinks.slack]")
	for _, name := range []string{"people-plan", "people-approvals", "people-messages-plan", "people-review-plan"} {
		text := strings.Replace(plainConfig, "manager = \"Ada\"", "manager = \"Ada\"\nauthor = \"Ada\"", 1)
		if name != "people-plan" {
			text += "[sinks.slack]" + sinks
		}
		keys, tokens, _ := strings.Cut(ours(t, "people-daemon"), "[daemon.tokens")
		if name == "people-review-plan" {
			text += "[approvals]\nstart = [\"CTO\"]\n"
		}
		text = strings.Replace(text, "[daemon]\n", keys, 1) + "[daemon.tokens" + tokens + ours(t, name)
		c, problems := configs().Decode("config.toml", []byte(text), os.ReadFile)
		for _, problem := range problems {
			for _, part := range []string{"people", "approvals", "communications", "review", "sinks", "daemon"} {
				if strings.Contains(problem.String(), part+".") {
					t.Errorf("%s: %v", name, problem)
				}
			}
		}
		if c == nil {
			t.Errorf("%s is no config: %v", name, problems)
		}
	}
}

// The table of what is there in the end has a row for a message and for an order of each type of
// sink, and none of another. The tests of the sinks hold what the rows say to what they have seen.
func TestTheTableOfSinksNamesEachType(t *testing.T) {
	t.Parallel()
	rows := map[string][]string{
		"slack": {"Slack, bot: message", "Slack, bot: order", "Slack, bot: live message of a phase", "Slack, bot: in its thread", "Slack, webhook: message", "Slack, webhook: order"},
		// Only messages of a plan are sent there.
		"statuspage":     {"Statuspage: first message", "Statuspage: update"},
		"pagerduty":      {"PagerDuty: message", "PagerDuty: order"},
		"teams":          {"Teams: message", "Teams: order"},
		"email":          {"E-mail: message", "E-mail: order"},
		"github":         {"GitHub: review, by a commit", "GitHub: review, by a pull request"},
		"confluence":     {"Confluence: review"},
		"banner":         nil, // it is asked for
		"folder":         nil, // no other side fails
		"lambda":         nil, // they set what is to be, and read it back: docs/way-back.md
		"phased-release": nil,
	}
	var want, got []string
	for kind := range sinkMakers {
		if _, ok := rows[kind]; !ok {
			t.Errorf("the table says nothing of sinks of type %s", kind)
		}
		want = append(want, rows[kind]...)
	}
	_, table, _ := strings.Cut(readText(t, "../../"+peoplePage), "| | killed at any step |")
	table, _, _ = strings.Cut(table, "\n\n")
	for line := range strings.Lines(table) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| "), " |"); ok && strings.Contains(name, ":") {
			got = append(got, name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the table has the rows\n%q, want\n%q", got, want)
	}
}
