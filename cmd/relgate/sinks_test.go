package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/relgate/relgate/exporters/outbox/outboxtest"
	"github.com/relgate/relgate/exporters/slack/slacktest"
)

const sinksConfig = `
[sinks.slack]
token   = { env = "SLACK_TOKEN" }
channel = "#ops"
live    = "#releases"

[sinks.hook]
type = "slack"
url  = { env = "SLACK_URL" }

[sinks.statuspage]
token  = { env = "STATUSPAGE_TOKEN" }
page   = "page0xc0ffee"
window = "1h"

[sinks.teams]
url = { env = "TEAMS_URL" }

[sinks.pagerduty]
routing_key = { env = "PAGERDUTY_KEY" }
`

// A daemon has an endpoint for each sink, which are told of what names them. A bot with live
// messages is told of a hold beside them; no other sink hears of that, and no secret is in
// the log.
func TestSinksAreToldOfWhatNamesThem(t *testing.T) {
	secrets := map[string]string{
		"SLACK_TOKEN": "xoxb-hunter2", "SLACK_URL": "https://hooks.slack.example/services/T/B/hunter2", "STATUSPAGE_TOKEN": "hunter2", "TEAMS_URL": "https://teams.example/?sig=hunter2", "PAGERDUTY_KEY": "hunter2",
	}
	for name, value := range secrets {
		t.Setenv(name, value)
	}
	s := &slacktest.Server{Token: "xoxb-hunter2", Channels: map[string]string{"ops": "C0000OPS", "releases": "C0000REL"}}
	log := &syncBuffer{}
	d := housed(t, withTokens()+sinksConfig, outboxtest.Network{Handler: s}, log)
	if got, want := d.hooks.Load().Names(), []string{"slack", "hook", "statuspage", "teams", "pagerduty"}; !slices.Equal(got, want) {
		t.Errorf("endpoints %q, want %q", got, want)
	}
	url := "http://" + d.public.Addr().String()
	if code, text := asksAs(t, "POST", url+command1, "all-1", "", `{"kind":"hold","by":"ada","why":"too slow"}`); code != 200 {
		t.Fatal(code, text)
	}
	eventually(t, "the message in Slack", func() bool { return len(s.Messages()) > 0 })
	if got := s.Messages(); len(got) != 1 || got[0].Channel != "C0000OPS" || got[0].Thread != "" || !strings.HasPrefix(got[0].Text, "HOLD: held by ada: too slow\n") {
		t.Errorf("got %+v", got)
	}
	for _, wrong := range s.Wrong() {
		t.Error(wrong)
	}
	for _, stats := range d.hooks.Load().Stats() {
		if stats.Endpoint != "slack" && stats.Attempts > 0 {
			t.Errorf("%s was told of something that does not name it", stats.Endpoint)
		}
	}
	if strings.Contains(log.String(), "hunter2") {
		t.Error("a secret is in the log")
	}
}

// A secret of a sink that is missing is an error before anything begins, and names the sink.
func TestASecretOfASinkThatIsMissing(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "x")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	c, problems := configs().Load(writeConfig(t, t.TempDir(), plainConfig+"[sinks.pagerduty]\nrouting_key = { env = \"NO_SUCH_KEY\" }\n"))
	if c == nil {
		t.Fatal(problems)
	}
	d := &daemon{}
	if _, err := d.newWebhooks(c); err == nil || !strings.Contains(err.Error(), `sink "pagerduty": routing_key: reading a secret: environment variable "NO_SUCH_KEY"`) {
		t.Errorf("got %v", err)
	}
}

// Each type of sink that a config may have can be made, and no other.
func TestEachTypeOfSinkCanBeMade(t *testing.T) {
	c, problems := configs().Load(writeConfig(t, t.TempDir(), plainConfig+"[sinks.x]\ntype = \"?\"\n"))
	if c != nil && len(problems) == 0 {
		t.Fatal("a type that is none was taken")
	}
	var known string
	for _, p := range problems {
		if p.ID == "unknown-type" {
			_, known, _ = strings.Cut(p.Fix, "known: ")
		}
	}
	names := strings.Split(known, ", ")
	for _, name := range names {
		if sinkMakers[name] == nil {
			t.Errorf("a sink of type %q cannot be made", name)
		}
	}
	if len(names) != len(sinkMakers) {
		t.Errorf("types %q, and %d that can be made", names, len(sinkMakers))
	}
}

// What docs/people.md prints is a config without any problem.
func TestTheSinksOfTheDocsAreAConfig(t *testing.T) {
	for name, n := range map[string]int{"people-sinks": 4, "people-mail": 3} {
		c, problems := configs().Decode("config.toml", []byte(plainConfig+recipe(t, "docs/people.md", name)), os.ReadFile)
		for _, p := range problems {
			if strings.Contains(p.String(), "sinks.") {
				t.Error(p)
			}
		}
		if c == nil || len(c.Sinks) != n {
			t.Errorf("%s: got %+v", name, c)
		}
	}
}
