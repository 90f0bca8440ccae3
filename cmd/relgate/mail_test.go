package main

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/archive/archivetest"
	"github.com/relgate/relgate/exporters/email/smtptest"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/internal/certtest"
)

const mailConfig = `
[sinks.email]
server   = "127.0.0.1:PORT"
username = "relgate"
password = { env = "SMTP_PASSWORD" }
from     = "relgate <gate@bioage.example>"
to       = "ops@bioage.example, cto@bioage.example"
ca       = "ca.pem"
allow    = ["127.0.0.1"]

[sinks.banner]
show_for = "2h"
severity = "warning"

[sinks.reviews]
type = "folder"
path = "reviews"

[sinks.github]
token      = { env = "GITHUB_TOKEN" }
repository = "bioage/releases"
path       = "docs/reviews"
by         = "pull-request"

[sinks.confluence]
site  = "https://bioage.atlassian.net"
email = "bot@bioage.example"
token = { env = "CONFLUENCE_TOKEN" }
space = "REL"
`

// mailed is a daemon with these sinks, and the mail server.
func mailed(t *testing.T, daemonKeys string, log *syncBuffer) (*daemon, *smtptest.Server, string) {
	t.Helper()
	for _, name := range []string{"SMTP_PASSWORD", "GITHUB_TOKEN", "CONFLUENCE_TOKEN"} {
		t.Setenv(name, "hunter2")
	}
	ca := certtest.NewAuthority(t, "ca")
	s := smtptest.New(t, smtptest.Config{
		TLS: &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "mail", time.Now().Add(time.Hour)).TLS(t)}}, User: "relgate", Password: "hunter2",
	})
	dir := t.TempDir()
	certtest.Write(t, filepath.Join(dir, "ca.pem"), ca.PEM())
	reviews := filepath.Join(dir, "reviews")
	if err := os.Mkdir(reviews, 0o700); err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("PORT", strconv.Itoa(s.Port()), `"ca.pem"`, strconv.Quote(filepath.Join(dir, "ca.pem")), `"reviews"`, strconv.Quote(reviews)).Replace(mailConfig)
	config := strings.Replace(withTokens(), "[daemon]\n", "[daemon]\n"+daemonKeys, 1)
	return housed(t, config+text, outboxtest.Network{Handler: http.NotFoundHandler()}, log), s, reviews
}

// tell gives a sink of the config in force an event of the run, as the outbox does.
func tell(t *testing.T, d *daemon, network http.Handler, sink string, e wire.EventBody) outbox.Outcome {
	t.Helper()
	all, err := d.sinks(webhook.Config{Transport: outboxtest.Network{Handler: network}, External: "https://gate.bioage.example"}, d.inForce.Load())
	if err != nil {
		t.Fatal(err)
	}
	run := d.runner.Published().Plans[0].Runs[0].Record
	e.ID, e.Run, e.Plan, e.Version = run.ID+".x/1", run.ID, run.Plan, run.Version
	data, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	for _, endpoint := range all {
		if endpoint.Name == sink {
			return endpoint.Sink.Send(t.Context(), outbox.Message{ID: e.ID, Type: e.Type, Plan: e.Plan, At: time.Unix(1_770_000_000, 0), Data: data})
		}
	}
	t.Fatalf("there is no sink %q", sink)
	return outbox.Outcome{}
}

// The daemon's own e-mail, archives and banner, over its own journal: each message is sent
// once, and no secret is in the log.
func TestMailAndArchivesOfADaemon(t *testing.T) {
	log := &syncBuffer{}
	d, mail, reviews := mailed(t, "", log)
	due := wire.EventBody{Kind: "communication", Type: "relgate.communication.due", Message: &wire.Message{Name: "execs", Sink: "email", Subject: "Live", Text: "It is live."}}
	for range 2 {
		if o := tell(t, d, http.NotFoundHandler(), "email", due); !o.OK {
			t.Fatalf("email: %+v", o)
		}
	}
	if all := mail.Messages(); len(all) != 2 || all[0].To[0] != "ops@bioage.example" || all[1].To[0] != "cto@bioage.example" || !all[0].TLS {
		t.Errorf("%d messages, want one for each recipient", len(all))
	}
	signed := wire.EventBody{Kind: "review", Type: "relgate.review.signed"}
	for range 2 {
		o := tell(t, d, http.NotFoundHandler(), "reviews", signed)
		text, err := os.ReadFile(o.Kept)
		if !o.OK || err != nil || filepath.Dir(o.Kept) != reviews || !strings.Contains(string(text), "- Run: `P-1@1.0.0`") || !strings.Contains(string(text), "## Pass criteria") || !strings.Contains(string(text), " UTC ") {
			t.Fatalf("folder: %+v, %v: %s", o, err, text)
		}
	}
	if all, _ := filepath.Glob(filepath.Join(reviews, "*")); len(all) != 3 {
		t.Errorf("files %q, want Markdown, HTML and JSON", all)
	}
	github := archivetest.NewGitHub("bioage/releases", "hunter2")
	if o := tell(t, d, github, "github", signed); o.OK || !o.Waits || o.Reason != "waiting for the pull request to be merged: https://github.com/bioage/releases/pull/1" || len(github.Pulls()) != 1 {
		t.Errorf("github: %+v, %+v", o, github.Pulls())
	}
	github.Close(1, true)
	if o := tell(t, d, github, "github", signed); !o.OK || !strings.HasPrefix(o.Kept, "https://github.com/bioage/releases/blob/main/") || len(github.Pulls()) != 1 {
		t.Errorf("github, merged: %+v, %+v", o, github.Pulls())
	}
	confluence := archivetest.NewConfluence("REL", "bot@bioage.example", "hunter2")
	if o := tell(t, d, confluence, "confluence", signed); !o.OK || len(confluence.Pages()) != 1 || confluence.Pages()[0].Title != "Review of P-1 1.0.0 (P-1@1.0.0)" {
		t.Errorf("confluence: %+v, %+v", o, confluence.Pages())
	}
	if strings.Contains(log.String(), "hunter2") {
		t.Error("a secret is in the log")
	}
}

// An app is answered with a token that may read the plan, and without where the config says
// so.
func TestWhoMayAskForABanner(t *testing.T) {
	for _, tt := range []struct{ keys, token, plan, want string }{
		{"", "", "P-1", "401"}, {"", "read-1", "P-1", "200"}, {"", "else-1", "P-1", "403"}, {"", "read-1", "none", "200"},
		{"public_banners = [\"P-1\"]\n", "", "P-1", "200"}, {"public_banners = [\"P-1\"]\n", "", "none", "401"},
	} {
		d, _, _ := mailed(t, tt.keys, &syncBuffer{})
		code, text := asksAs(t, "GET", "http://"+d.public.Addr().String()+"/v1/plans/"+tt.plan+"/banner.json", tt.token, "", "")
		if strconv.Itoa(code) != tt.want || code == 200 && text != `{"apiVersion":"gate/v1","banners":[]}`+"\n" {
			t.Errorf("%q with token %q for plan %s: %d %s, want %s", tt.keys, tt.token, tt.plan, code, text, tt.want)
		}
	}
	d := housed(t, withTokens(), nil, &syncBuffer{})
	if code, text := asksAs(t, "GET", "http://"+d.public.Addr().String()+"/v1/plans/P-1/banner.json", "read-1", "", ""); code != 404 || !strings.Contains(text, "no sink of type banner") {
		t.Errorf("without a banner: %d %s, want 404", code, text)
	}
}
