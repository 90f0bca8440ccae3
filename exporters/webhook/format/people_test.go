package format

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/wire"
)

// tells are the facts of one event of a run, as an outbox's message has them.
func tells(e wire.EventBody) Facts {
	e.ID, e.N, e.Plan, e.Run, e.Version = "shop@1.2.0.k7q/9", 9, "shop", "shop@1.2.0", "1.2.0"
	e.Type = "relgate." + e.Kind + "." + e.To
	at := time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)
	e.At = &at
	return Facts{ID: e.ID, Type: e.Type, Event: e}
}

func due(text string) wire.EventBody {
	return wire.EventBody{Kind: "communication", To: "due", Subject: "ops", Severity: "info", Headline: "DUE: message ops",
		Message: &wire.Message{Name: "ops", Sink: "teams", Subject: "Deploy of 1.2.0", Text: text, Link: "https://relgate.example/r"}}
}

// firedRule is the event of a rule that ordered a rollback.
func firedRule() wire.EventBody {
	return wire.EventBody{Kind: "rule", Subject: "api-5xx", Phase: "ten", From: "breaching", To: "fired", Severity: "critical",
		Headline: "ROLLBACK: API 5xx 5.0 % > 3 % for 11 min", Sentence: "5.0 % of *552* <requests> [failed](x).", Detail: []string{"552 of 11,010 requests"},
		Owner: "DevSecOps", Action: "pause the rollout", Command: "aws lambda update-alias\n  --name live"}
}

var chat = Endpoint{Name: "chat", URL: "https://prod-1.westeurope.logic.azure.com/workflows/x?sig=s3cret", External: "https://relgate.example"}

// What Teams gets: a card of version 1.2 whose texts are plain, not Markdown.
func TestACardForTeams(t *testing.T) {
	text := func(text, more string) string {
		return `{"type":"RichTextBlock","inlines":[{"type":"TextRun","text":"` + text + `"` + more + `}]}`
	}
	stuck := tells(firedRule())
	stuck.Stuck, stuck.Repeated = &Stuck{Endpoint: "pipeline", Attempts: 3, Reason: "answered 503 Service Unavailable"}, true
	for _, tt := range []struct {
		name string
		of   Facts
		want []string // blocks
		link string
	}{
		{"a message", tells(due("Deploy of\n\n**1.2.0** is starting")), []string{
			text("Deploy of 1.2.0", `,"size":"large","weight":"bolder"`), text("Deploy of", ""), text("**1.2.0** is starting", ""),
			text("shop 1.2.0 | 2025-06-04 02:00 UTC", `,"size":"small","isSubtle":true`),
		}, "https://relgate.example/r"},
		{"an order that does not arrive elsewhere, sent again", stuck, []string{
			text("Not delivered to pipeline: ROLLBACK: API 5xx 5.0 % > 3 % for 11 min", `,"size":"large","weight":"bolder","color":"attention"`),
			text("relgate cannot deliver this to pipeline: answered 503 Service Unavailable.", ""), text("5.0 % of *552* <requests> [failed](x).", ""),
			text("Do now: pause the rollout (DevSecOps)", `,"weight":"bolder"`), text("aws lambda update-alias", `,"fontType":"monospace"`), text("  --name live", `,"fontType":"monospace"`),
			text("552 of 11,010 requests", `,"size":"small"`),
			text("shop 1.2.0 | ten | 2025-06-04 02:00 UTC | this may be here twice: relgate does not know whether it arrived before", `,"size":"small","isSubtle":true`),
		}, "https://relgate.example/v1/runs/shop@1.2.0"},
	} {
		want := `{"type":"message","attachments":[{"contentType":"application/vnd.microsoft.card.adaptive","contentUrl":null,"content":{"$schema":"http://adaptivecards.io/schemas/adaptive-card.json",` +
			`"type":"AdaptiveCard","version":"1.2","body":[` + strings.Join(tt.want, ",") + `],"actions":[{"type":"Action.OpenUrl","title":"Open the release","url":"` + tt.link + `"}]}}]}`
		call, err := teams.Open(chat)(tt.of)
		if err != nil || call == nil || call.URL != chat.URL {
			t.Fatalf("%s: %+v, %v", tt.name, call, err)
		}
		if got := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(strings.TrimSpace(string(call.Body))); got != want {
			t.Errorf("%s:\ngot  %s\nwant %s", tt.name, got, want)
		}
	}
}

// Whatever is in an event, Teams takes the message: at most 28 KB, with the title and what is to be done.
func TestACardIsNoLongerThanTeamsTakes(t *testing.T) {
	for _, fill := range []string{"x", "\"", "ü", "\U0001F4A9", "<\n"} {
		e := firedRule()
		e.Sentence, e.Command, e.Detail = strings.Repeat(fill, 40_000), strings.Repeat(fill, 40_000), []string{strings.Repeat(fill, 40_000)}
		call, err := teams.Open(chat)(tells(e))
		if err != nil {
			t.Fatal(err)
		}
		if len(call.Body) > 28_000 || !json.Valid(call.Body) || !strings.Contains(string(call.Body), "ROLLBACK: API 5xx") || !strings.Contains(string(call.Body), "pause the rollout") {
			t.Errorf("filled with %q: %d bytes: %.300s", fill, len(call.Body), call.Body)
		}
	}
}

// What becomes of each event at PagerDuty: which alert, and what is done to it.
func TestPagesByEvent(t *testing.T) {
	event := func(kind, subject, phase, from, to, severity string) wire.EventBody {
		return wire.EventBody{Kind: kind, Subject: subject, Phase: phase, From: from, To: to, Severity: severity, Headline: "headline"}
	}
	stuck := tells(event("run", "shop", "", "monitoring", "passed", "info"))
	stuck.Stuck = &Stuck{Endpoint: "pipeline", Attempts: 3, Reason: "no answer"}
	for _, tt := range []struct {
		of   Facts
		want string
	}{
		{tells(firedRule()), "trigger relgate/shop@1.2.0/rule/api-5xx/ten critical"},
		{tells(event("rule", "api-5xx", "ten", "breaching", "clear", "info")), "resolve relgate/shop@1.2.0/rule/api-5xx/ten"},
		{tells(event("rule", "api-5xx", "", "clear", "warning", "warning")), "trigger relgate/shop@1.2.0/rule/api-5xx warning"},
		{tells(event("run", "shop", "", "monitoring", "rolled_back", "critical")), "trigger relgate/shop@1.2.0/run critical"},
		{tells(event("run", "shop", "", "held", "monitoring", "info")), "resolve relgate/shop@1.2.0/run"},
		{tells(event("run", "shop", "", "monitoring", "passed", "info")), "resolve relgate/shop@1.2.0/run"},
		{tells(event("verdict", "ten", "ten", "pending", "unknown", "warning")), "trigger relgate/shop@1.2.0/verdict/ten warning"},
		{tells(event("verdict", "ten", "ten", "unknown", "pending", "info")), "resolve relgate/shop@1.2.0/verdict/ten"},
		{tells(event("rollout", "ten", "ten", "match", "mismatch", "warning")), "trigger relgate/shop@1.2.0/rollout/ten warning"},
		{tells(event("rollout", "ten", "ten", "mismatch", "over", "info")), "resolve relgate/shop@1.2.0/rollout/ten"},
		{tells(event("signal", "errors", "", "ok", "no_data", "warning")), "trigger relgate/shop@1.2.0/signal/errors warning"},
		{tells(event("command", "hold", "", "", "applied", "info")), "acknowledge relgate/shop@1.2.0/run"},
		{tells(event("command", "resume", "", "", "applied", "info")), ""},
		{tells(event("approval", "start", "", "", "asked", "info")), ""},
		{tells(event("approval", "start", "", "asked", "expired", "warning")), "trigger relgate/shop@1.2.0/approval/start warning"},
		{tells(due("wake up")), "trigger relgate/shop@1.2.0/message/ops info"},
		{tells(event("communication", "ops", "", "", "skipped", "warning")), ""},
		{stuck, "trigger relgate/shop@1.2.0/delivery/pipeline error"},
	} {
		e := Endpoint{Name: "pages", URL: "https://events.pagerduty.com/", External: "https://relgate.example", Secrets: map[string]string{"routing_key": "s3cret"}}
		call, err := pagerduty.Open(e)(tt.of)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if call != nil {
			p := strictPage(t, call.Body)
			got = p.Action + " " + p.DedupKey
			if p.Payload != nil {
				got += " " + p.Payload.Severity
			}
			if call.URL != "https://events.pagerduty.com/v2/enqueue" {
				t.Errorf("posted to %s", call.URL)
			}
		}
		if got != tt.want {
			t.Errorf("%s of %s: got %q, want %q", tt.of.Type, tt.of.Event.Subject, got, tt.want)
		}
	}
}

// strictPage reads a body as the documentation of Events API v2 has it.
func strictPage(t *testing.T, body []byte) (p struct {
	RoutingKey string `json:"routing_key"`
	Action     string `json:"event_action"`
	DedupKey   string `json:"dedup_key"`
	Payload    *struct {
		Summary   string         `json:"summary"`
		Source    string         `json:"source"`
		Severity  string         `json:"severity"`
		Timestamp string         `json:"timestamp"`
		Component string         `json:"component"`
		Group     string         `json:"group"`
		Class     string         `json:"class"`
		Details   map[string]any `json:"custom_details"`
	} `json:"payload"`
	Images []struct{ Src, Href, Alt string } `json:"images"`
	Links  []struct {
		Href string `json:"href"`
		Text string `json:"text"`
	} `json:"links"`
	Client    string `json:"client"`
	ClientURL string `json:"client_url"`
}) {
	t.Helper()
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&p); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	if p.RoutingKey != "s3cret" || p.DedupKey == "" || len(p.DedupKey) > 255 || len(body) > 512_000 {
		t.Errorf("key %q, dedup key %q, %d bytes", p.RoutingKey, p.DedupKey, len(body))
	}
	if p.Action == "trigger" && (p.Payload == nil || p.Payload.Summary == "" || len([]rune(p.Payload.Summary)) > 1024 || p.Payload.Source == "" ||
		!strings.Contains("critical error warning info", p.Payload.Severity)) {
		t.Errorf("payload %+v", p.Payload)
	}
	return p
}

// A page holds what the person who is woken needs, within PagerDuty's limits.
func TestAPageIsComplete(t *testing.T) {
	e := firedRule()
	e.Phase, e.Headline, e.Sentence = strings.Repeat("p", 300), strings.Repeat("ü", 2000), strings.Repeat("x", 600_000)
	call, err := pagerduty.Open(Endpoint{URL: "https://events.pagerduty.com", External: "https://relgate.example", Secrets: map[string]string{"routing_key": "s3cret"}})(tells(e))
	if err != nil {
		t.Fatal(err)
	}
	p := strictPage(t, call.Body)
	if p.Payload.Details["command"] != e.Command || p.Payload.Details["owner"] != "DevSecOps" || p.Payload.Details["event"] != "shop@1.2.0.k7q/9" ||
		p.Payload.Group != "shop" || p.Payload.Timestamp != "2025-06-04T02:00:00Z" || len(p.Links) != 1 || p.Links[0].Href != "https://relgate.example/v1/runs/shop@1.2.0" || p.ClientURL != p.Links[0].Href {
		t.Errorf("got %+v", p)
	}
}

// What PagerDuty's answers mean. A 202 is not enough.
func TestAnswersOfPagerDuty(t *testing.T) {
	for _, tt := range []struct {
		answer Answer
		want   Reply
	}{
		{Answer{Status: 202, Body: []byte(`{"status":"success","message":"Event processed","dedup_key":"x"}`)}, Reply{Done: true, Kept: "alert k"}},
		{Answer{Status: 202, Body: []byte(`{"status":"throttled"}`)}, Reply{Reason: "answered 202 without status success"}},
		{Answer{Status: 200, Body: []byte(`<html>login</html>`)}, Reply{Reason: "answered 200 without status success"}},
		{Answer{Status: 400, Body: []byte(`{"status":"invalid event"}`)}, Reply{Refused: true, Reason: "answered 400: PagerDuty does not take the event, or the routing key is none"}},
		{Answer{Status: 429}, Reply{}},
		{Answer{Status: 500}, Reply{}},
	} {
		got := pageReply(tt.answer, "k")
		if got.Next != nil || got.Done != tt.want.Done || got.Refused != tt.want.Refused || got.Reason != tt.want.Reason || got.Kept != tt.want.Kept {
			t.Errorf("%d %s: got %+v, want %+v", tt.answer.Status, tt.answer.Body, got, tt.want)
		}
	}
}
