package slack_test

import (
	"testing"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/killtest"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
)

// Whatever a message holds, what is sent of it is what Slack takes: within its limits, with
// everything escaped that is not ours, and with no one mentioned but by the target.
func FuzzWhatSlackIsSent(f *testing.F) {
	f.Add("Deploy", "See https://shop.example/?a&b <!here>", "#ops @here", "revert\n--now", "{}")
	f.Add("", "", "", "", `{"endpoint":"x","event":{"message":null}}`)
	f.Fuzz(func(t *testing.T, subject, text, target, command, raw string) {
		alarm, message := killtest.Alarm(), killtest.Message(text, target)
		message.Body.Message.Subject = subject
		alarm.Body.Headline, alarm.Body.Sentence, alarm.Body.Command, alarm.Body.Detail = subject, text, command, []string{text, command}
		w := newWorkspace(nil)
		s := bot(t, w, outboxtest.New())
		hook, err := newIncoming(outboxtest.Network{Handler: w}, outboxtest.New())
		if err != nil {
			t.Fatal(err)
		}
		for n, m := range []outbox.Message{sent(1, message), sent(2, alarm), {ID: "3", Data: []byte(raw)}, {ID: "4", Data: []byte(raw), Order: true}} {
			if o := s.Send(t.Context(), m); !o.OK && !o.Refused && n == 1 {
				t.Errorf("an order: %+v", o)
			}
			hook.Send(t.Context(), m)
		}
		sound(t, w)
	})
}
