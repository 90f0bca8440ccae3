package bench

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
	"github.com/relgate/relgate/exporters/slack"
	"github.com/relgate/relgate/exporters/slack/slacktest"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/internal/peertest"
)

// What is posted to Slack, by a bot and by an incoming webhook, is of the types that Slack
// publishes of Block Kit, with no field that they do not have.
func TestSlacksTypesTakeWhatIsPosted(t *testing.T) {
	node := peertest.Need(t, "node")
	peertest.NeedFile(t, "npm-verifiers", "verifiers/node_modules/@slack/types/package.json")
	workspace := &slacktest.Server{Token: "xoxb-1", Channels: map[string]string{"ops": "C0000OPS"}, Users: map[string]string{"rm": "U00000RM"}, Webhook: "/services/T/B/x", To: "C0000OPS"}
	var bodies []json.RawMessage
	network := outboxtest.Network{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if r.URL.Path == workspace.Webhook || strings.HasPrefix(r.URL.Path, "/api/chat.") {
			bodies = append(bodies, body)
		}
		workspace.ServeHTTP(w, r)
	})}
	to := func(url string) *webhook.Sink {
		s, err := webhook.New(webhook.Config{Transport: network}, webhook.Endpoint{Name: "slack", URL: url, Format: format.None()})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	const api, hook = "https://slack.example/api", "https://slack.example/services/T/B/x"
	memory := outboxtest.New()
	sinks := []outbox.Sink{
		slack.NewBot(slack.BotConfig{Endpoint: "slack", Net: to(api), URL: api, Token: "xoxb-1", Channel: "#ops", Live: "#ops", External: "https://relgate.example", Memory: memory}),
		slack.NewIncoming(slack.IncomingConfig{Endpoint: "slack", Net: to(hook), URL: hook, Channel: "#ops", External: "https://relgate.example", Memory: memory}),
	}
	long := strings.Repeat("Größe <&> https://example.com/a?b=1&c=2 *fett*\n", 400)
	for i, e := range []wire.EventBody{
		{Kind: "communication", To: "due", Headline: "DUE", Message: &wire.Message{Name: "ops", Sink: "slack", Target: "#ops @here @rm", Subject: "Deploy of 1.2.0", Text: long, Link: "https://relgate.example/v1/runs/x"}},
		{Kind: "run", To: "rolled_back", Severity: "critical", Headline: "ROLLBACK: " + long, Sentence: long, Detail: []string{long, "b"}, Owner: "DevSecOps", Action: "revert", Command: "aws lambda `update-alias`"},
		{Kind: "phase", To: "monitoring", From: "waiting", Subject: "ten", Phase: "ten", Headline: "MONITORING: ten", Sentence: "It is watched."},
		{Kind: "phase", To: "passed", From: "monitoring", Subject: "ten", Phase: "ten", Headline: "PASSED: ten", Sentence: "It has passed."},
	} {
		e.ID, e.N, e.Run, e.Plan, e.Version, e.Type = "shop@1.2.0.k7q/"+string(rune('1'+i)), uint64(i+1), "shop@1.2.0", "shop", "1.2.0", "relgate."+e.Kind+"."+e.To
		data, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		for n, s := range sinks {
			m := outbox.Message{ID: e.ID, Type: e.Type, N: e.N, Plan: e.Plan, Subject: e.Subject, At: epoch, Data: data, Order: e.To == "rolled_back", Repeated: n == 1}
			if o := s.Send(t.Context(), m); !o.OK {
				t.Errorf("sink %d, event %d: %+v", n, i+1, o)
			}
		}
	}
	if len(bodies) < 8 || len(workspace.Wrong()) > 0 {
		t.Fatalf("%d bodies, %q", len(bodies), workspace.Wrong())
	}
	good := len(bodies)
	for _, bad := range []string{
		`{"blocks":[]}`, `{"text":"x","blocks":[{"type":"section","text":{"type":"bold","text":"x"}}]}`, `{"text":"x","blocks":[{"type":"header","text":{"type":"mrkdwn","text":"x"}}]}`,
		`{"text":"x","blocks":[{"type":"context","elements":[{"type":"plain_text"}]}]}`, `{"text":"x","blocks":[{"type":"section","texts":"x"}]}`, `{"text":"x","blocks":[],"metadata":{"event_type":"x"}}`,
	} {
		bodies = append(bodies, json.RawMessage(bad))
	}
	in, err := json.Marshal(bodies)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), node, "verifiers/blocks.mjs")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	var wrong []string
	if err == nil {
		err = json.Unmarshal(out, &wrong)
	}
	if err != nil || len(wrong) != len(bodies) {
		t.Fatalf("%v, %d answers for %d bodies: %s", err, len(wrong), len(bodies), &stderr)
	}
	for i, w := range wrong {
		if (w == "") != (i < good) {
			t.Errorf("body %d of %d good ones: %q: %.600s", i+1, good, w, bodies[i])
		}
	}
}
