package slack_test

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/faulttest"
	"github.com/relgate/relgate/exporters/outbox/killtest"
	"github.com/relgate/relgate/exporters/slack"
	"github.com/relgate/relgate/exporters/slack/slacktest"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/webhook/format"
)

const (
	token = "xoxb-1-s3cret"
	hook  = "/services/T0000/B0000/s3cretpath"
)

// workspace is a Slack for a test, as a receiver.
type workspace struct{ *slacktest.Server }

func newWorkspace(fault func(n int) faulttest.Fault) workspace {
	s := &slacktest.Server{
		Token: token, Channels: map[string]string{"ops": "C0000OPS", "releases": "C0000REL"}, Users: map[string]string{"rm": "U00000RM", "dev": "U0000DEV"},
		Emails: map[string]string{"rm@shop.example": "U00000RM"}, Webhook: hook, To: "C0000OPS",
	}
	if fault != nil {
		s.Fault = func(_ string, n int) faulttest.Fault { return fault(n) }
	}
	return workspace{s}
}

// Count counts messages by the event's id in their metadata; of those of the webhook, which
// have none, all.
func (w workspace) Count(id string) (n int) {
	for _, m := range w.Messages() {
		if m.ID == id || m.ID == "" {
			n++
		}
	}
	return n
}

func network(transport http.RoundTripper, url string) (*webhook.Sink, error) {
	return webhook.New(webhook.Config{Transport: transport}, webhook.Endpoint{Name: killtest.Endpoint, URL: url, Format: format.None()})
}

func newBot(transport http.RoundTripper, m outbox.Memory) (outbox.Sink, error) {
	net, err := network(transport, "https://slack.example/api")
	if err != nil {
		return nil, err
	}
	return slack.NewBot(slack.BotConfig{
		Endpoint: killtest.Endpoint, Net: net, URL: "https://slack.example/api", Token: token, Channel: "#ops", Live: "#releases", External: "https://relgate.example", Memory: m,
	}), nil
}

func newIncoming(transport http.RoundTripper, m outbox.Memory) (outbox.Sink, error) {
	net, err := network(transport, "https://slack.example"+hook)
	if err != nil {
		return nil, err
	}
	return slack.NewIncoming(slack.IncomingConfig{Endpoint: killtest.Endpoint, Net: net, URL: "https://slack.example" + hook, Channel: "#ops", External: "https://relgate.example", Memory: m}), nil
}

var long = flag.Bool("long", false, "run the tests that take minutes")

func atLeastOnce(o killtest.Outcome) string {
	if n := o.Counts[len(o.Counts)-1]; n < 1 || n > 2 || len(o.Dead) > 0 {
		return "want it once, or twice in doubt"
	}
	return ""
}

// sometimes is for a webhook that fails in two ways at once.
func sometimes(o killtest.Outcome) string {
	if n := o.Counts[len(o.Counts)-1]; n < 1 || n > 3 || len(o.Dead) > 0 {
		return "want it once, or once more for each failure"
	}
	return ""
}

func once(o killtest.Outcome) string {
	if o.Counts[len(o.Counts)-1] != 1 || len(o.Dead) > 0 {
		return "want it once"
	}
	return ""
}

// atMostOnce wants a dead letter where it may not be there.
func atMostOnce(o killtest.Outcome) string {
	if n := o.Counts[len(o.Counts)-1]; n > 1 || n == 0 && len(o.Dead) == 0 {
		return "want it once, or not and a dead letter"
	}
	return ""
}

// Killed at every step, and whatever Slack answers, each message is there as often as
// docs/people.md says.
func TestMessagesAreThereAsOftenAsTheManualSays(t *testing.T) {
	var rows []string
	bot := killtest.Bench{Receiver: func(f func(int) faulttest.Fault) killtest.Receiver { return newWorkspace(f) }, Sink: newBot}
	incoming := bot
	incoming.Sink = newIncoming
	message, alarm := []killtest.Event{killtest.Message("Deploy of 1.2.0 is starting", "#ops @here")}, []killtest.Event{killtest.Alarm()}
	phases := []killtest.Event{killtest.Phase("ten", "waiting", "monitoring"), killtest.Phase("ten", "monitoring", "passed")}
	for _, tt := range []struct {
		name         string
		bench        killtest.Bench
		events       []killtest.Event
		wrong, worse func(killtest.Outcome) string
	}{
		{"Slack, bot: message", bot, message, once, once},
		{"Slack, bot: order", bot, alarm, atLeastOnce, atLeastOnce},
		{"Slack, bot: live message of a phase", bot, phases[:1], once, atLeastOnce},
		{"Slack, bot: in its thread", bot, phases, once, atLeastOnce},
		{"Slack, webhook: message", incoming, message, atMostOnce, atMostOnce},
		{"Slack, webhook: order", incoming, alarm, atLeastOnce, sometimes},
	} {
		tt.bench.Events = tt.events
		rows = append(rows, fmt.Sprintf("| %s | %v |", tt.name, tt.bench.Try(t, *long, tt.wrong, tt.worse)))
	}
	killtest.Manual(t, rows)
}

// saying is a server that answers everything alike.
type saying struct {
	status int
	body   string
}

func (s saying) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(s.status)
	_, _ = io.WriteString(w, s.body)
}
