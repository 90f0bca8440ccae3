package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/mail"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/evaluator/replay"
	"github.com/relgate/relgate/exporters/email/smtptest"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
	"github.com/relgate/relgate/exporters/slack/slacktest"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/internal/certtest"
)

const peopleConfig = `
[people]
CTO   = { sign = "token:cto", slack = "#cto" }
Legal = { sign = "law@bioage.example" }
Ada   = { slack = "#ops" }

[approvals]
start = ["CTO", "Legal"]

[communications]
ops   = { at = "T-2h", to = "slack #ops", text = "Deploy of {version} is starting: {state}, {headline}" }
later = { at = "T+9h", to = "slack #ops", text = "It is {state}." }

[review]
archive = "reviews"

[sinks.slack]
token   = { env = "SLACK_TOKEN" }
channel = "#ops"

[sinks.email]
server = "127.0.0.1:PORT"
from   = "relgate <gate@bioage.example>"
ca     = "ca.pem"
allow  = ["127.0.0.1"]

[sinks.reviews]
type = "folder"
path = "reviews-folder"
`

// peopled is a daemon whose plan has people, and what they are reached by. Its release
// begins in two hours.
type peopled struct {
	*daemon
	t       *testing.T
	slack   *slacktest.Server
	mail    *smtptest.Server
	reviews string
	text    string      // of the config
	lines   *syncBuffer // of the log
}

// said is what the log has.
func (p *peopled) said() string { return p.lines.String() }

// newPeopled begins it; edits are replaced in its config.
func newPeopled(t *testing.T, edits ...string) *peopled {
	t.Helper()
	text := strings.NewReplacer("start = 2100-01-01T00:00:00Z", "author = \"Kim\"\nstart = "+time.Now().Add(2*time.Hour).UTC().Format(time.RFC3339),
		"[daemon]\n", "[daemon]\nexternal_url = \"https://gate.bioage.example\"\nlink_secrets = [{ env = \"LINK_SECRET\" }]\n").Replace(withTokens())
	for name, scopes := range map[string]string{"cto": `["approve:CTO"]`, "ada": `["read", "approve"]`, "boss": `["read", "override", "stop"]`} {
		sum := sha256.Sum256([]byte(name + "-1"))
		text += fmt.Sprintf("[daemon.tokens.%s]\nhash = \"sha256:%s\"\nscopes = %s\n", name, hex.EncodeToString(sum[:]), scopes)
	}
	t.Setenv("LINK_SECRET", "a secret of the test that is long enough")
	return housePeople(t, strings.NewReplacer(edits...).Replace(text+peopleConfig), map[string]string{"ops": "C0000OPS", "cto": "C0000CTO"})
}

// housePeople runs a daemon of a config that has people. The config's mail server is on port
// PORT, with the certificate "ca.pem", and its folder of reviews is "reviews-folder".
func housePeople(t *testing.T, text string, channels map[string]string) *peopled {
	t.Helper()
	t.Setenv("SLACK_TOKEN", "xoxb-hunter2")
	p := &peopled{t: t}
	p.slack = &slacktest.Server{Token: "xoxb-hunter2", Channels: channels}
	ca := certtest.NewAuthority(t, "ca")
	p.mail = smtptest.New(t, smtptest.Config{TLS: &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "mail", time.Now().Add(time.Hour)).TLS(t)}}})
	dir := t.TempDir()
	certtest.Write(t, filepath.Join(dir, "ca.pem"), ca.PEM())
	if p.reviews = filepath.Join(dir, "reviews"); os.Mkdir(p.reviews, 0o700) != nil {
		t.Fatal("no folder for reviews")
	}
	p.text = strings.NewReplacer("PORT", strconv.Itoa(p.mail.Port()), `"ca.pem"`, strconv.Quote(filepath.Join(dir, "ca.pem")), `"reviews-folder"`, strconv.Quote(p.reviews)).Replace(text)
	p.lines = &syncBuffer{}
	p.daemon = housed(t, p.text, outboxtest.Network{Handler: p.slack}, p.lines)
	t.Cleanup(func() {
		if strings.Contains(p.said(), "hunter2") || strings.Contains(p.said(), "/v1/sign/") {
			t.Error("a secret or a link is in the log")
		}
	})
	return p
}

func (p *peopled) url(path string) string { return "http://" + p.public.Addr().String() + path }

// gives gives a command with the token of someone, and checks the answer's status.
func (p *peopled) gives(token string, want int, body string) string {
	p.t.Helper()
	code, text := asksAs(p.t, "POST", p.url(command1), token+"-1", "", body)
	if code != want {
		p.t.Errorf("%s %s: %d, want %d: %s", token, body, code, want, text)
	}
	return text
}

func (p *peopled) run() wire.RunBody { return p.runAs("read-1") }

func (p *peopled) runAs(token string) (run wire.RunBody) {
	p.t.Helper()
	_, text := asksAs(p.t, "GET", p.url("/v1/runs/P-1@1.0.0"), token, "", "")
	if err := json.Unmarshal([]byte(text), &run); err != nil {
		p.t.Fatal(err)
	}
	return run
}

var signLink = regexp.MustCompile(`https://gate\.[a-z.]+(/v1/sign/[A-Za-z0-9_.=-]+)`)

// link is the way to sign that the last e-mail brought.
func (p *peopled) link(to string) string {
	p.t.Helper()
	eventually(p.t, "an e-mail", func() bool { return len(p.mail.Messages()) > 0 })
	all := p.mail.Messages()
	m, err := mail.ReadMessage(bytes.NewReader(all[len(all)-1].Data))
	if err != nil || !strings.Contains(m.Header.Get("To"), to) {
		p.t.Fatalf("got %v to %q", err, m.Header.Get("To"))
	}
	text, err := io.ReadAll(m.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	found := signLink.FindStringSubmatch(strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(string(text)))
	if found == nil {
		p.t.Fatalf("no link in %s", text)
	}
	return found[1]
}

// opens follows a link, and sends its form where there is a decision.
func (p *peopled) opens(path, decision, why string) (int, string) {
	p.t.Helper()
	code, page := p.asks(http.NewRequestWithContext(p.t.Context(), "GET", p.url(path), nil))
	if decision == "" || !pageForm.MatchString(page) {
		return code, page
	}
	return p.sends(path, page, decision, why)
}

var pageForm = regexp.MustCompile(`name="form" value="([^"]+)"`)

// sends sends the form of a page that was shown before.
func (p *peopled) sends(path, page, decision, why string) (int, string) {
	p.t.Helper()
	body := url.Values{"form": pageForm.FindStringSubmatch(page)[1:], "decision": {decision}, "why": {why}}.Encode()
	req, err := http.NewRequestWithContext(p.t.Context(), "POST", p.url(path), strings.NewReader(body))
	if err == nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return p.asks(req, err)
}

// asks makes a request of a browser.
func (p *peopled) asks(req *http.Request, err error) (int, string) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode, html.UnescapeString(string(text))
}

// The people's part of a plan from end to end: signatures by a token and by a link, messages,
// and the review in its archive.
func TestThePeopleOfAPlan(t *testing.T) {
	p := newPeopled(t)
	eventually(t, "the messages in Slack", func() bool { return len(p.slack.Messages()) >= 2 })
	told := map[string]string{}
	for _, m := range p.slack.Messages() {
		told[m.Channel] += m.Text + "\n"
	}
	if !strings.Contains(told["C0000OPS"], "Deploy of 1.0.0 is starting: waiting, WAIT: the release begins") || !strings.Contains(told["C0000CTO"], "SIGN: CTO: the start of the release") {
		t.Errorf("told %q", told)
	}
	code, entry := asksAs(t, "GET", p.url("/v1/gates/P-1/one/entry"), "read-1", "", "")
	if code != 503 || !strings.Contains(entry, `"missing":["CTO","Legal"]`) || !strings.Contains(entry, "0 of 2 signatures for the start of the release are there, missing: CTO, Legal") {
		t.Errorf("the entry: %d %s", code, entry)
	}

	link := p.link("law@bioage.example")
	for range 3 { // a scanner of mails follows links
		if code, page := p.opens(link, "", ""); code != 200 || !strings.Contains(page, "Sign for the start of the release of A release 1.0.0") || !strings.Contains(page, "law@bioage.example") {
			t.Fatalf("the page: %d %s", code, page)
		}
	}
	if a := p.run().People.Approvals[0]; a.Have != 0 {
		t.Fatalf("looking at a link has signed: %+v", a)
	}
	if code, page := p.opens(link, "approve", ""); code != 400 || !strings.Contains(page, "give a reason") {
		t.Errorf("without a reason: %d %s", code, page)
	}
	if code, _ := p.opens(link[:len(link)-2]+"xx", "", ""); code != 404 {
		t.Errorf("a link that is not whole: %d", code)
	}
	if code, page := p.opens(link, "approve", "the terms are in order"); code != 200 || !strings.Contains(page, "Signed: Approve") {
		t.Fatalf("signing: %d %s", code, page)
	}
	if code, page := p.opens(link, "reject", "no"); code != 410 || !strings.Contains(page, "This has been answered: Legal is approved") {
		t.Errorf("the link once more: %d %s", code, page)
	}

	p.gives("ada", 403, `{"kind":"break_glass","by":"Ada","why":"x"}`)
	p.gives("cto", 403, `{"kind":"approve","role":"Legal","by":"Lee","why":"x"}`)
	p.gives("all", 403, `{"kind":"approve","role":"CTO","by":"Lee","why":"x"}`)
	p.gives("cto", 400, `{"kind":"approve","by":"Lee","why":"x"}`)
	p.gives("cto", 400, `{"kind":"approve","role":"CTO","by":"Lee","why":"x","meaning":"consent"}`)
	p.gives("cto", 409, `{"kind":"approve","role":"CTO","by":"Lee","why":"x","read":"0000"}`)
	if text := p.gives("ada", 409, `{"kind":"approve","role":"CTO","by":"Ada","why":"x"}`); !strings.Contains(text, "the plan does not let this token sign for CTO") {
		t.Errorf("another token: %s", text)
	}
	if text := p.gives("cto", 409, `{"kind":"approve","role":"CTO","by":"kim","why":"x"}`); !strings.Contains(text, "may not approve it") {
		t.Errorf("the author: %s", text)
	}
	digest := p.run().Phases[0].Policy.Digest.SHA256
	p.gives("cto", 200, fmt.Sprintf(`{"kind":"approve","role":"CTO","by":"Lee","why":"read it","meaning":"responsibility","read":%q}`, *digest))

	eventually(t, "the message's result", func() bool { return p.run().People.Messages[0].State == fact.Sent })
	run := p.run()
	a := run.People.Approvals[0]
	if !a.Given || a.Roles[0].By != "Lee" || a.Roles[1].By != "law@bioage.example" || run.People.Messages[0].Kept == "" || run.People.Messages[1].State != fact.Waiting {
		t.Errorf("the run: %+v", run.People)
	}
	var signatures []wire.EventBody
	for _, e := range run.Events {
		if e.Kind == "approval" && e.To == fact.Approved {
			signatures = append(signatures, e)
		}
	}
	if len(signatures) != 2 || signatures[0].Signature.Name != "law@bioage.example" || *signatures[0].Signature.Digest.SHA256 != *digest || signatures[1].Signature.Meaning != "responsibility" {
		t.Errorf("signatures %+v", signatures)
	}

	before := len(p.slack.Messages())
	p.gives("boss", 200, `{"kind":"abort","by":"Boss","why":"a test"}`)
	eventually(t, "the manager is told", func() bool {
		return slices.ContainsFunc(p.slack.Messages()[before:], func(m slacktest.Message) bool {
			return m.Channel == "C0000OPS" && strings.HasPrefix(m.Text, "ROLLBACK: aborted by Boss: a test")
		})
	})
	eventually(t, "the review", func() bool { r := p.run().People.Review; return r != nil && r.State == fact.Open })
	p.gives("ada", 200, `{"kind":"edit_review","subject":"lessons","by":"Ada","why":"look at the weather first"}`)
	p.gives("cto", 403, `{"kind":"sign_review","role":"Ada","by":"Lee","why":"x"}`)
	p.gives("ada", 200, `{"kind":"sign_review","role":"Ada","by":"Ada Byron","why":"complete"}`)
	eventually(t, "the archive", func() bool { return p.run().People.Review.State == fact.Archived })
	run = p.run()
	states := ""
	for _, c := range run.People.Criteria {
		states += c.Name + " " + c.State + ", "
	}
	if states != "phases_passed not_met, no_rollback not_met, approvals_signed met, review_archived met, " {
		t.Errorf("criteria: %s", states)
	}
	text, err := os.ReadFile(run.People.Review.Link)
	if err != nil || !strings.HasPrefix(run.People.Review.Link, p.reviews) {
		t.Fatalf("the archive is at %q: %v", run.People.Review.Link, err)
	}
	for _, want := range []string{"law@bioage.example", "responsibility", "look at the weather first", "Ada Byron", *digest, "review completed and archived", "open | copy for the archive reviews, before its answer"} {
		if !strings.Contains(strings.NewReplacer(`\`, "", "<!-- -->", "").Replace(string(text)), want) {
			t.Errorf("the review does not say %q: %s", want, text)
		}
	}
	for _, wrong := range append(p.slack.Wrong(), p.mail.Violations()...) {
		t.Error(wrong)
	}
	p.replays()
}

// replays checks that the journal gives its events once more.
func (p *peopled) replays() {
	p.t.Helper()
	got, err := replay.Replay(p.t.Context(), p.journal, "P-1@1.0.0", replay.Options{})
	if err != nil || got.Differs != nil || got.Events < 5 {
		p.t.Errorf("the replay: %+v, %v", got, err)
	}
}

// edits puts another config in force: its plan, as a reload does.
func (p *peopled) edits(edits ...string) {
	p.t.Helper()
	c, problems := configs().Load(writeConfig(p.t, p.t.TempDir(), strings.NewReplacer(edits...).Replace(p.text)))
	if c == nil {
		p.t.Fatal(problems)
	}
	if err := p.runner.Reload(p.t.Context(), policies(c)); err != nil {
		p.t.Fatal(err)
	}
}

// Whoever signs by e-mail signs the review by e-mail too, also where the role is told
// elsewhere.
func TestAReviewIsSignedByALink(t *testing.T) {
	p := newPeopled(t, `Legal = { sign = "law@bioage.example" }`, `Legal = { sign = "law@bioage.example", email = "all@bioage.example" }`, "[review]\n", "[review]\nsign = [\"Legal\", \"Ada\"]\n")
	asks := func() (links []string) {
		for _, m := range p.mail.Messages() {
			if found := signLink.FindStringSubmatch(strings.NewReplacer("=\r\n", "", "=3D", "=").Replace(string(m.Data))); found != nil {
				if len(m.To) != 1 || !strings.Contains(m.To[0], "law@bioage.example") {
					t.Errorf("a link to sign went to %q", m.To)
				}
				links = append(links, found[1])
			}
		}
		return links
	}
	eventually(t, "who is told", func() bool { return len(p.mail.Messages()) == 2 && len(asks()) == 1 })
	p.gives("boss", 200, `{"kind":"abort","by":"Boss","why":"a test"}`)
	eventually(t, "the link to the review", func() bool { return len(asks()) == 2 })
	link := asks()[1]
	if code, page := p.opens(link, "", ""); code != 200 || !strings.Contains(page, "Sign the review of A release 1.0.0") || !strings.Contains(page, "no rollback triggered: not met") || strings.Contains(page, "reject") {
		t.Fatalf("the page: %d %s", code, page)
	}
	if code, page := p.opens(asks()[0], "approve", "x"); code != 410 {
		t.Errorf("the link of before the end: %d %s", code, page)
	}
	p.gives("ada", 409, `{"kind":"sign_review","role":"Legal","by":"Ada","why":"x"}`)
	_, shown := p.opens(link, "", "")
	p.gives("ada", 200, `{"kind":"edit_review","subject":"lessons","by":"Ada","why":"test on old phones"}`)
	code, page := p.sends(link, shown, "approve", "complete")
	if code != 409 || !strings.Contains(page, "has changed since you opened this page") || !strings.Contains(page, "Lessons learned: test on old phones") || p.run().People.Review.Roles[0].State == fact.Approved {
		t.Fatalf("a text that was not shown: %d %s", code, page)
	}
	if code, page := p.opens(link, "approve", "complete"); code != 200 || !strings.Contains(page, "Signed: Approve") {
		t.Errorf("signing: %d %s", code, page)
	}
	if code, page := p.opens(link, "approve", "complete"); code != 410 || !strings.Contains(page, "Legal has signed the review") {
		t.Errorf("once more: %d %s", code, page)
	}
	p.gives("ada", 200, `{"kind":"edit_review","subject":"lessons","by":"Ada","why":"the weather"}`)
	eventually(t, "another link", func() bool { return len(asks()) == 3 })
	if code, page := p.opens(link, "approve", "complete"); code != 410 || !strings.Contains(page, "use the link of the newest e-mail") {
		t.Errorf("a link that has signed another text: %d %s", code, page)
	}
	if code, page := p.opens(asks()[2], "approve", "complete"); code != 200 {
		t.Errorf("the newest: %d %s", code, page)
	}
	p.gives("ada", 200, `{"kind":"sign_review","role":"Ada","by":"Ada","why":"complete"}`)
	eventually(t, "the archive", func() bool { return p.run().People.Review.State == fact.Archived })
	if code, page := p.opens(asks()[2], "approve", "x"); code != 410 || !strings.Contains(page, "not open") {
		t.Errorf("after the end: %d %s", code, page)
	}
}

// Who has rejected by a link may approve by it later: nothing else is sent to them.
func TestWhoHasRejectedByALinkMayApprove(t *testing.T) {
	p := newPeopled(t)
	link := p.link("law@bioage.example")
	state := func() string { return p.run().People.Approvals[0].Roles[1].State }
	for _, c := range []struct{ decision, comesTo string }{{"reject", fact.Rejected}, {"approve", fact.Approved}} {
		if code, page := p.opens(link, c.decision, "because"); code != 200 {
			t.Fatalf("to %s: %d %s", c.decision, code, page)
		}
		eventually(t, c.comesTo, func() bool { return state() == c.comesTo })
	}
	p.replays()
}

// A request to sign is not sent without the link that it is for: it waits until that can be
// made.
func TestARequestToSignWaitsForItsLink(t *testing.T) {
	p := newPeopled(t)
	p.link("law@bioage.example")
	t.Setenv("LINK_SECRET", "")
	p.edits("A release", "Another release") // whoever must sign is asked anew
	failed := regexp.MustCompile(`(?m)^relgate_webhook_failures_total\{[^}]*endpoint="email"[^}]*\} [1-9]`)
	eventually(t, "an attempt", func() bool {
		_, page := get(t, "http://"+p.private.Addr().String()+"/metrics")
		return failed.MatchString(page)
	})
	if n := len(p.mail.Messages()); n != 1 {
		t.Errorf("%d e-mails, want none without its link", n-1)
	}
	if code, page := p.opens(signPath+"x", "", ""); code != 503 || !strings.Contains(page, "cannot read the secrets of its links") {
		t.Errorf("a link: %d %s", code, page)
	}
	t.Setenv("LINK_SECRET", "a secret of the test that is long enough")
	eventually(t, "the request", func() bool { return len(p.mail.Messages()) == 2 })
	if code, page := p.opens(p.link("law@bioage.example"), "approve", "read it"); code != 200 {
		t.Errorf("the link of the plan in force: %d %s", code, page)
	}
	t.Setenv("LINK_SECRET", "short")
	if _, err := p.newWebhooks(p.config); err == nil || !strings.Contains(err.Error(), "daemon.link_secrets: links: key 1: want at least 32 bytes") {
		t.Errorf("a short secret: %v", err)
	}
}

// A link that has signed a plan says so where the plan was changed and changed back: what it
// signed is void.
func TestALinkThatWasUsedSignsNothing(t *testing.T) {
	p := newPeopled(t)
	link := p.link("law@bioage.example")
	if code, page := p.opens(link, "approve", "read it"); code != 200 {
		t.Fatalf("signing: %d %s", code, page)
	}
	p.edits("A release", "Another release")
	if code, page := p.opens(link, "", ""); code != 410 || !strings.Contains(page, "The plan was changed") {
		t.Errorf("of another plan: %d %s", code, page)
	}
	p.edits()
	eventually(t, "the signature to be asked for", func() bool { return p.run().People.Approvals[0].Roles[1].State == fact.Asked })
	if code, page := p.opens(link, "approve", "read it"); code != 410 || !strings.Contains(page, "Nothing was signed now") {
		t.Errorf("once more: %d %s", code, page)
	}
	if a := p.run().People.Approvals[0]; a.Have != 0 {
		t.Errorf("got %+v", a)
	}
	p.replays()
}

// A crash between the two steps of giving a message up loses none of them.
func TestARunIsToldBeforeAMessageIsGivenUp(t *testing.T) {
	p := newPeopled(t)
	eventually(t, "the message", func() bool { return p.run().People.Messages[0].State == fact.Sent })
	n := uint64(0)
	for _, e := range p.run().Events {
		if e.Kind == "communication" && e.To == fact.Due {
			n = e.N
		}
	}
	told := false
	b := burials{p.journal, func(ctx context.Context, event string, r fact.Result) error {
		letters, err := p.journal.DeadLetters(ctx, "slack")
		if told = true; err != nil || len(letters) > 0 || r.OK || r.Sink != "slack" || !strings.HasSuffix(event, "/"+strconv.FormatUint(n, 10)) {
			t.Errorf("told of %s: %+v, with dead letters %+v, %v", event, r, letters, err)
		}
		return nil
	}}
	if err := b.Bury(t.Context(), "slack", "P-1@1.0.0", n, time.Now(), "channel_not_found"); err != nil || !told {
		t.Errorf("told %v, %v", told, err)
	}
}

// A message of which the run cannot be told, or of which that cannot be known, is not given up.
func TestAMessageIsNotGivenUpUntilItsRunIsTold(t *testing.T) {
	path, run := filepath.Join(t.TempDir(), "relgate.db"), "P-1@1.0.0"
	open := func() *journal.Journal {
		j, err := journal.Open(t.Context(), journal.Config{Path: path, Endpoints: []string{"slack"}})
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	at := time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)
	due := fact.Event{ID: run + ".k7q/1", N: 1, Run: run, Plan: "P-1", Version: "1.0.0", At: at, Kind: fact.CommunicationEvent, To: fact.Due, Subject: "ops", Tell: []string{"slack"}}
	j := open()
	err := j.Commit(t.Context(), fact.Batch{{
		Run: run, Digest: "d", Document: []byte("{}"), Tick: fact.Tick{At: at}, Events: []fact.Event{due},
		Record: fact.RunRecord{ID: run, Plan: "P-1", Version: "1.0.0", Try: 1, Start: at, Begun: at},
	}})
	if err != nil {
		t.Fatal(err)
	}
	untold := errors.New("the runner has stopped")
	burial := func(j *journal.Journal, n uint64, told error) (letters []fact.DeadLetter, err error) {
		err = burials{j, func(context.Context, string, fact.Result) error { return told }}.Bury(t.Context(), "slack", run, n, at, "channel_not_found")
		letters, bad := j.DeadLetters(t.Context(), "slack")
		if bad != nil && told != nil {
			t.Fatal(bad)
		}
		return letters, err
	}
	if letters, err := burial(j, 1, untold); !errors.Is(err, untold) || len(letters) > 0 {
		t.Errorf("while the run cannot be told: %v, %d dead letters; want that error and none", err, len(letters))
	}
	if letters, err := burial(j, 99, untold); err != nil || len(letters) > 0 {
		t.Errorf("of an event that is not there: %v, %d dead letters; want nothing", err, len(letters))
	}
	if letters, err := burial(j, 1, nil); err != nil || len(letters) != 1 {
		t.Errorf("once the run is told: %v, %d dead letters; want one", err, len(letters))
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	db, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(t.Context(), `UPDATE events SET event = '{'; DELETE FROM dead`)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	j = open()
	defer j.Close()
	if _, err := burial(j, 1, nil); err == nil {
		t.Error("an event that cannot be read was given up, and its run not told")
	}
}

// Who may give commands of the rollout may not sign, who signs for one role signs for no other,
// and what cannot be read as it is written is refused.
func TestWhatPeopleAreRefusedAtTheDoor(t *testing.T) {
	p := newPeopled(t)
	signs := func(kind, more string) string { return fmt.Sprintf(`{"kind":%q,"by":"Lee","why":"x"%s}`, kind, more) }
	for _, tt := range []struct {
		token string
		want  int
		body  string
	}{
		{"all", 403, signs("approve", `,"role":"CTO"`)}, {"all", 403, signs("reject", `,"role":"CTO"`)}, {"all", 403, signs("sign_review", `,"role":"Ada"`)},
		{"all", 403, signs("edit_review", `,"subject":"lessons"`)}, {"all", 403, signs("send_message", `,"subject":"later"`)}, {"all", 403, signs("skip_message", `,"subject":"later"`)},
		{"read", 403, signs("approve", `,"role":"CTO"`)}, {"boss", 403, signs("approve", `,"role":"CTO"`)},
		{"cto", 403, signs("approve", `,"role":"cto"`)}, {"cto", 403, signs("approve", `,"role":"CTO "`)}, {"cto", 403, signs("reject", `,"role":"Legal"`)},
		{"cto", 403, signs("send_message", `,"subject":"later"`)}, {"cto", 400, signs("send_message", `,"subject":"later","role":"CTO"`)},
		{"cto", 403, signs("break_glass", "")}, {"boss", 400, signs("break_glass", `,"role":"CTO"`)},
		{"cto", 400, signs("approve", `,"role":"CTO","phase":"one"`)}, {"cto", 400, signs("approve", `,"role":"CTO","verdict":"pass"`)},
		{"ada", 400, signs("approve_all", `,"role":"CTO"`)}, {"ada", 400, signs("approve", `,"role":"CTO\u0000"`)}, {"ada", 400, signs("approve", `,"role":"CTO","read":"\u202e"`)},
		{"ada", 400, signs("edit_review", fmt.Sprintf(`,"subject":%q`, strings.Repeat("x", 201)))}, {"ada", 400, signs("edit_review", `,"subject":""`)},
		{"ada", 400, fmt.Sprintf(`{"kind":"edit_review","subject":"lessons","by":"Ada","why":%q}`, strings.Repeat("x", 2001))},
		{"ada", 409, signs("send_message", `,"subject":"nothing"`)}, {"boss", 409, signs("break_glass", `,"subject":"nothing"`)},
		{"ada", 409, signs("approve", `,"role":"CFO"`)}, {"ada", 409, signs("sign_review", `,"role":"Ada"`)},
	} {
		p.gives(tt.token, tt.want, tt.body)
	}
	// A role, or anything else of people's part, opens no other command.
	for _, command := range []string{`"kind":"override","verdict":"pass","phase":"one"`, `"kind":"abort"`, `"kind":"hold"`, `"kind":"resume"`, `"kind":"start"`, `"kind":"rollback_done"`} {
		p.gives("cto", 403, fmt.Sprintf(`{%s,"by":"Lee","why":"x"}`, command))
		for _, more := range []string{`"role":"CTO"`, `"subject":"start"`, `"meaning":"review"`, `"read":"0"`} {
			for _, token := range []string{"cto", "ada", "boss"} {
				p.gives(token, 400, fmt.Sprintf(`{%s,%s,"by":"Lee","why":"x"}`, command, more))
			}
		}
	}
	run := p.run()
	if a := run.People.Approvals[0]; a.Have != 0 || a.Roles[0].State != fact.Asked || a.Roles[1].State != fact.Asked || run.People.Messages[1].State != fact.Waiting {
		t.Errorf("something was taken: %+v", run.People)
	}
}

// The program's commands, each with its exit code and what it says.
func TestPeoplesCommandsOfTheProgram(t *testing.T) {
	p := newPeopled(t)
	const run = "P-1@1.0.0"
	deed := func(args ...string) []string { return append(args, "--by", "Lee", "--why", "a test") }
	for _, tt := range []struct {
		token string
		want  int
		args  []string
		says  string
	}{
		{"cto", exitFail, deed("approve", run, "--role", "CTO", "--read", "0000"), "P-1@1.0.0: approve refused: the plan has changed since it was read"},
		{"cto", exitPass, deed("reject", run, "--role", "CTO"), "P-1@1.0.0: reject applied"},
		{"cto", exitFail, deed("reject", run, "--role", "CTO"), "CTO has rejected it already"},
		{"cto", exitPass, deed("approve", run, "--role", "CTO", "--for", "start"), "P-1@1.0.0: approve applied"},
		{"cto", exitFail, deed("approve", "P-1", "--role", "CTO"), "CTO has signed already"},
		{"cto", exitAuth, deed("approve", run, "--role", "Legal"), "it has no scope"},
		{"nobody", exitAuth, deed("approve", run, "--role", "CTO"), "401"},
		{"ada", exitFail, deed("approve", run, "--role", "CFO"), "the plan asks CFO for no signature"},
		{"ada", exitAuth, deed("break-glass", run), "it has no scope"},
		{"boss", exitPass, deed("break-glass", run), "break_glass applied"},
		{"boss", exitFail, deed("break-glass", run), "no signature is missing for the start of the release"},
		{"ada", exitPass, []string{"messages", run, "--dry-run"}, "later"},
		{"ada", exitPass, deed("messages", "skip", run, "later"), "skip_message applied"},
		{"ada", exitFail, deed("messages", "skip", run, "later"), "message later is skipped"},
		{"ada", exitFail, deed("messages", "send", run, "nothing"), `the plan has no message "nothing"`},
		{"ada", exitFail, deed("review", "sign", run, "--role", "Ada"), "refused"},
		{"ada", exitPass, []string{"review", "edit", run, "lessons", "--by", "Ada", "--text", "the weather"}, "edit_review applied"},
		{"ada", exitUsage, []string{"approve", run, "--by", "Lee", "--why", "x"}, "--role"},
	} {
		t.Setenv("RELGATE_URL", p.url(""))
		t.Setenv("RELGATE_TOKEN", tt.token+"-1")
		code, out, errs := command(t, tt.args...)
		if code != tt.want || !strings.Contains(out+errs, tt.says) {
			t.Errorf("%s %q: exit code %d, want %d, and %q: %s%s", tt.token, tt.args, code, tt.want, tt.says, out, errs)
		}
	}
}
