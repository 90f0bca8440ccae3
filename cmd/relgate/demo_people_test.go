package main

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/relgate/relgate/evaluator/words"
	"github.com/relgate/relgate/exporters/report"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// ownPlan is the project's config after some changes, in a folder of its own. Each change is a
// pattern that it must have, and what stands there instead.
func ownPlan(t *testing.T, changes ...[2]string) string {
	t.Helper()
	text := readText(t, filepath.Join(root, "config.toml"))
	for _, c := range changes {
		pattern := regexp.MustCompile(c[0])
		if !pattern.MatchString(text) {
			t.Fatalf("config.toml has no %q", c[0])
		}
		text = pattern.ReplaceAllString(text, c[1])
	}
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "sql"), 0o755); err != nil {
		t.Fatal(err)
	}
	place(t, filepath.Join(folder, "sql", "bias_by_age_decile.sql"), readText(t, filepath.Join(root, "sql", "bias_by_age_decile.sql")))
	place(t, filepath.Join(folder, "config.toml"), text)
	return filepath.Join(folder, "config.toml")
}

// Each row of the plan on approvals, communications, review and pass criteria is in the demo's
// output, and in the report that it leaves.
func TestTheDemoShowsEachRowOfThePlan(t *testing.T) {
	t.Parallel()
	cfg, problems := configs().Load(filepath.Join(root, "config.toml"))
	if cfg == nil {
		t.Fatal(problems)
	}
	plan, dir := cfg.Plans[0], filepath.Join(t.TempDir(), "reports")
	code, out, errs := execute(t, "demo", "--exit-when-done", "--speed", "max", "--keep", dir)
	if code != exitPass {
		t.Fatalf("exit %d: %s", code, errs)
	}
	story, last, found := strings.Cut(out, "\nPASS: all 5 phases have passed\n")
	if !found {
		t.Fatalf("it does not end with a pass:\n%s", out)
	}
	markdown := strings.ReplaceAll(readText(t, filepath.Join(dir, "report.md")), "@<!-- -->", "@")
	page := readText(t, filepath.Join(dir, "report.html"))
	var kept report.Report
	if err := json.Unmarshal([]byte(readText(t, filepath.Join(dir, "report.json"))), &kept); err != nil {
		t.Fatal(err)
	}
	said := func(where, text string, wants ...string) {
		t.Helper()
		flat := strings.Join(strings.Fields(text), " ")
		for _, want := range wants {
			if !strings.Contains(flat, want) {
				t.Errorf("%s lacks %q:\n%s", where, want, text)
			}
		}
	}
	signers := plan.Approvals[0].Roles
	if len(signers) != 4 || len(plan.Communications) != 4 || len(plan.PassCriteria) != 5 || plan.Review.Archive == "" {
		t.Fatalf("the plan has %d signers, %d messages, %d criteria", len(signers), len(plan.Communications), len(plan.PassCriteria))
	}
	said("the summary", last, "approvals: the start of the release, 4 of 4")
	for _, role := range signers {
		by := "the demo's " + role
		if who := plan.Role(role).Sign[0]; strings.Contains(who, "@") {
			by = who
		}
		said("the story", story, "SIGN: "+role+": the start of the release", "SIGNED: the start of the release by "+by+" ("+role+")")
		said("the summary", last, role+" approved by "+by+" at T-1d")
		said("the report", markdown, "| the start of the release | "+role+" | approved | "+by+" |")
		said("the page", page, role)
	}
	ids := map[string]string{
		"banner": "https://gate.example/v1/plans/REL-2025-06-04/banner.json", "ops": "message C0000000 1748995200.000002",
		"statuspage": "incident incident0001 https://stspg.io/incident0001", "executives": "@bioage.example>",
	}
	for i, at := range []string{"T-1d", "T-2h", "T+2h", "T+1d"} {
		m := &plan.Communications[i]
		said("the story", story, at+" DUE: "+m.To.String()+": ", at+" SENT: "+m.To.String()+": message "+m.Name, ids[m.Name])
		said("the summary", last, m.Name+": "+m.To.String()+", sent at "+at, ids[m.Name])
		said("the report", markdown, "| "+m.Name+" | "+strings.ReplaceAll(m.To.String(), "#", `\#`)+" | sent |")
		if k := slices.IndexFunc(kept.Messages, func(x report.Message) bool { return x.Name == m.Name }); k < 0 || !strings.Contains(kept.Messages[k].Kept, ids[m.Name]) {
			t.Errorf("the report's JSON has no id of %s: %+v", m.Name, kept.Messages)
		}
	}
	const link = "https://bioage.atlassian.net/wiki/spaces/REL/pages/1000"
	said("the story", story, "REVIEW: every role has signed the review", "REVIEW: the review is in the archive "+link)
	said("the summary", last, "the app showed: BioAge v1 arrives tomorrow.", "review: archived Release Manager approved by the demo's Release Manager", link, "confluence: 1 taken, 0 wrong")
	said("the report", markdown, "| the review | Release Manager | approved |", "> No complaint reached support.", "State: archived")
	for _, name := range plan.PassCriteria {
		said("the summary", last, "met "+words.Criterion(name))
		said("the report", markdown, "| "+words.Criterion(name)+" | met |")
	}
	if strings.Contains(last, "not met") || kept.Review.Link != link {
		t.Errorf("a criterion is not met, or the report's link is %q:\n%s", kept.Review.Link, last)
	}
}

// What the plan's people do is what the config says: without it the demo comes to something else.
func TestTheDemoDoesWhatTheConfigSays(t *testing.T) {
	for _, tt := range []struct {
		name    string
		changes [][2]string
		code    int
		check   func(s *summary) bool
	}{
		{"nothing brings links to sign by", [][2]string{{`(?s)\n\[sinks\.email\].*?\n\n`, "\n"}, {`"email executives@bioage\.example"`, `"slack #executives"`}}, exitPending, func(s *summary) bool {
			a := s.People.Approvals[0]
			return a.Have == 1 && !a.Given && criteriaOf(s)[rules.CriterionSigned] == "open" && s.Phases[0].State == rules.Waiting
		}},
		{"one signature less", [][2]string{{`"Release Manager", "CTO", "Security Officer", "Product Manager"\]`, `"Release Manager", "Security Officer", "Product Manager"]`}}, exitPass, func(s *summary) bool {
			return s.People.Approvals[0].Have == 3 && tookOf(s, "email") == 3
		}},
		{"no channel", [][2]string{{`to = "slack #ops"`, `channel = "Slack #ops"`}}, exitPass, func(s *summary) bool {
			m := messageOf(s, "ops")
			return m.State == "due" && m.Kept == "" && tookOf(s, "slack") == 2
		}},
		{"a phase that is over", [][2]string{{`only_if = "mobile-10 monitoring"`, `only_if = "lambda-10 monitoring"`}}, exitPass, func(s *summary) bool {
			return messageOf(s, "statuspage").State == "skipped" && tookOf(s, "statuspage") == 0
		}},
		{"a review that is signed by e-mail", [][2]string{{`"token:release-manager"`, `"rm@bioage.example"`}}, exitPass, func(s *summary) bool {
			return s.People.Review.State == "archived" && s.People.Review.Roles[0].By == "rm@bioage.example" && tookOf(s, "email") == 6
		}},
		{"an archive by pull request, which a person of the demo merges", [][2]string{
			{`(?m)^archive .*\n`, "archive = \"releases\"\n"},
			{`(?s)\n\[sinks\.confluence\].*?\n\n`, "\n[sinks.releases]\ntype = \"github\"\ntoken = { env = \"GITHUB_TOKEN\" }\nrepository = \"bioage/releases\"\nby = \"pull-request\"\n\n"},
		}, exitPass, func(s *summary) bool {
			return s.People.Review.State == "archived" && strings.Contains(s.People.Review.Link, "/blob/") && criteriaOf(s)[rules.CriterionReview] == "met"
		}},
		{"no archive", [][2]string{{`(?m)^archive .*\n`, ""}}, exitPass, func(s *summary) bool {
			return s.People.Review.State == "complete" && s.People.Review.Link == "" && tookOf(s, "confluence") == 0
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			run := runDemo(t, "--speed", "max", "--config", ownPlan(t, tt.changes...))
			if run.code != tt.code || !tt.check(&run.summary) {
				t.Errorf("exit %d, %+v, receivers %+v", run.code, run.summary.People, run.summary.Receivers)
			}
		})
	}
}

// Receivers fail, hang, answer late and lie at what they are first asked for. The demo ends all
// the same, and says what came of each message: none is lost, and none of the plan's is there
// twice. One of which a mail server said that it did not take it, or nothing, is a dead letter.
func TestTheDemoEndsWhateverItsReceiversDo(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		mode  string
		mails int // three approvals, in doubt once more, and the message
		came  map[string]string
		says  string // of the message to the executives
	}{
		{"fail", 4, map[string]string{"ops": sentFound, "statuspage": sentFound, "executives": sentLate}, "451"},
		{"hang", 4, map[string]string{"ops": sentFound, "statuspage": sentFound, "executives": sentLate}, "did not answer in time"},
		{"late", 7, map[string]string{"ops": sentFound, "statuspage": sentFound, "executives": givenUpTwin}, "did not say whether it took the message"},
		{"lie", 4, map[string]string{"ops": sentFound, "statuspage": sentFound, "executives": givenUp}, "554"},
	} {
		t.Run(tt.mode, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			run := runDemo(t, "--speed", "max", "--receivers", tt.mode, "--keep", dir)
			s := run.summary
			if run.code != exitPass {
				t.Errorf("exit %d, want %d", run.code, exitPass)
			}
			came := map[string]string{}
			for _, a := range s.Attempts {
				if awaited(a.Type) && a.Sink != "confluence" {
					came[a.Subject] = a.Outcome
				}
				if a.Outcome == notYet || a.Failed == 0 || a.Reason == "" {
					t.Errorf("it ends with %+v", a)
				}
				if a.Subject == "executives" && !strings.Contains(a.Reason, tt.says) {
					t.Errorf("of the message to the executives it says %q, want %q in it", a.Reason, tt.says)
				}
			}
			if !maps.Equal(came, tt.came) {
				t.Errorf("came of the messages %v, want %v", came, tt.came)
			}
			// Slack is told of an approval and of the review beside the message.
			for sink, n := range map[string]int{"slack": 3, "statuspage": 1, "email": tt.mails, "confluence": 1} {
				if got := tookOf(&s, sink); got != n {
					t.Errorf("%s has %d, want %d", sink, got, n)
				}
			}
			for _, r := range s.Receivers {
				// Nothing is asked of the banner, nor of the rollout while all goes well.
				if (r.Spoilt == 0) != (r.Type == "banner" || r.Sink == "rollout") || len(r.Wrong) > 0 {
					t.Errorf("receiver %+v", r)
				}
			}
			dead := strings.HasPrefix(tt.came["executives"], givenUp)
			want, criterion := "sent", "met"
			if dead {
				want, criterion = "failed", "not_met"
			}
			if got := messageOf(&s, "executives").State; got != want || criteriaOf(&s)["messages_sent"] != criterion || s.People.Review.State != "archived" {
				t.Errorf("the message to the executives is %s, want %s; %+v", got, want, s.People)
			}
			if text := readText(t, filepath.Join(dir, "report.md")); !strings.Contains(text, "| executives | email executives@") || dead && !strings.Contains(text, tt.says) {
				t.Errorf("the report does not say what came of the message:\n%s", text)
			}
		})
	}
}

func criteriaOf(s *summary) map[string]string {
	states := map[string]string{}
	for _, c := range s.People.Criteria {
		states[c.Name] = c.State
	}
	return states
}

func tookOf(s *summary, sink string) int {
	for _, r := range s.Receivers {
		if r.Sink == sink {
			return r.Took
		}
	}
	return -1
}

func messageOf(s *summary, name string) wire.MessageLine {
	for _, m := range s.People.Messages {
		if m.Name == name {
			return m
		}
	}
	return wire.MessageLine{}
}

// The app says what is wrong with a banner that it cannot show.
func TestTheAppIsStrict(t *testing.T) {
	const good = `{"apiVersion":"gate/v1","banners":[{"id":"a/1","severity":"info","startsAt":"2025-06-03T02:00:00Z","endsAt":"2025-06-04T02:00:00Z","text":{"de":"Morgen."},"version":"1"}]}`
	for _, tt := range []struct{ body, kind, etag, wrong, shown string }{
		{good, "application/json", `"x"`, "", "Morgen."},
		{good, "text/html", `"x"`, "status 200", ""},
		{good, "application/json", "", "ETag", ""},
		{strings.Replace(good, `"version"`, `"edition"`, 1), "application/json", `"x"`, "unknown field", ""},
		{strings.Replace(good, `"info"`, `"loud"`, 1), "application/json", `"x"`, `severity "loud"`, ""},
		{strings.Replace(good, "2025-06-04", "2025-06-02", 1), "application/json", `"x"`, "from 2025-06-03", ""},
		{`{"apiVersion":"gate/v1"}`, "application/json", `"x"`, "apiVersion", ""},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", tt.kind)
			w.Header().Set("Cache-Control", "max-age=30")
			if tt.etag != "" {
				w.Header().Set("ETag", tt.etag)
			}
			_, _ = w.Write([]byte(tt.body))
		}))
		app := bannerApp{path: filepath.Join(t.TempDir(), "app.json"), base: server.URL, plan: "p"}
		for range 2 {
			if err := app.look(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		server.Close()
		shown := ""
		for _, s := range app.shown {
			shown += s.Text
		}
		if wrong := strings.Join(app.wrong, "; "); shown != tt.shown || (wrong == "") != (tt.wrong == "") || !strings.Contains(wrong, tt.wrong) {
			t.Errorf("%s: shown %q, wrong %q; want %q, %q", tt.body, shown, wrong, tt.shown, tt.wrong)
		}
	}
}
