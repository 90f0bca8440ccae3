package slack_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/faulttest"
	"github.com/relgate/relgate/exporters/outbox/killtest"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
	"github.com/relgate/relgate/exporters/slack/slacktest"
	"github.com/relgate/relgate/exporters/wire"
)

var t0 = time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)

// sent makes the outbox's message of the nth event of a run.
func sent(n int, e killtest.Event) outbox.Message {
	b := e.Body
	b.Kind, b.To, b.Run, b.Plan, b.Version = string(e.Kind), e.To, killtest.Run, "shop", "1.2.0"
	b.Type, b.ID, b.N = "relgate."+b.Kind+"."+b.To, fmt.Sprintf("%s/%d", killtest.UID, n), uint64(n)
	data, err := json.Marshal(b)
	if err != nil {
		panic(err)
	}
	return outbox.Message{ID: b.ID, Type: b.Type, N: b.N, Plan: "shop", Subject: b.Subject, At: t0, Data: data, Order: b.To == "rolled_back"}
}

func bot(t *testing.T, w workspace, m outbox.Memory) outbox.Sink {
	t.Helper()
	s, err := newBot(outboxtest.Network{Handler: w}, m)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sound(t *testing.T, w workspace) {
	t.Helper()
	for _, wrong := range w.Wrong() {
		t.Error(wrong)
	}
}

// shown writes a message as lines: its blocks' texts.
func shown(m slacktest.Message) string {
	var lines []string
	for _, b := range m.Blocks {
		line := fmt.Sprint(b["type"])
		var texts func(v any)
		texts = func(v any) {
			switch v := v.(type) {
			case []any:
				for _, e := range v {
					texts(e)
				}
			case map[string]any:
				if s, ok := v["text"].(string); ok {
					line += " " + s
				} else {
					texts(v["text"])
				}
				if link, ok := v["url"].(string); ok {
					line += " -> " + link
				}
			}
		}
		texts(b["text"])
		texts(b["elements"])
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// What people see of a message of a plan, and of an order. Only the target mentions anybody.
func TestWhatPeopleSee(t *testing.T) {
	for _, tt := range []struct {
		name  string
		event killtest.Event
		want  string
		text  string
	}{
		{"a message", killtest.Message("*Deploy* is starting <!channel> @here & soon.\nSee https://shop.example/status?a=1&b=2.", "#ops @here @rm @nobody"),
			"header Deploy of 1.2.0\nsection <!here> <@U00000RM> @nobody\nsection *Deploy* is starting &lt;!channel&gt; @here &amp; soon.\nSee <https://shop.example/status?a=1&amp;b=2>.\n" +
				"context shop 1.2.0 | 2025-06-04 02:00 UTC\nactions Open the release -> https://relgate.example/v1/runs/shop@1.2.0",
			"<!here> <@U00000RM> @nobody Deploy of 1.2.0\n*Deploy* is starting &lt;!channel&gt; @here &amp; soon."},
		{"an order", killtest.Alarm(),
			"header ROLLBACK: API 5xx 5.0 % &gt; 3 % for 11 min\nsection 552 of 11,010 requests failed &amp; &lt;more&gt;.\nsection *Do now* (DevSecOps): revert the alias\n" +
				"section ```aws lambda update-alias```\nsection under 1 in 523 good releases would look like this\ncontext shop 1.2.0 | 2025-06-04 02:00 UTC\n" +
				"actions Open the release -> https://relgate.example/v1/runs/shop@1.2.0",
			"ROLLBACK: API 5xx 5.0 % &gt; 3 % for 11 min\n552 of 11,010 requests failed &amp; &lt;more&gt;."},
	} {
		w := newWorkspace(nil)
		o := bot(t, w, outboxtest.New()).Send(t.Context(), sent(1, tt.event))
		got := w.Messages()
		if !o.OK || len(got) != 1 || got[0].Channel != "C0000OPS" || o.Kept != "message C0000OPS "+got[0].TS {
			t.Fatalf("%s: %+v, %+v", tt.name, o, got)
		}
		if s := shown(got[0]); s != tt.want || got[0].Text != tt.text {
			t.Errorf("%s:\ngot\n%s\n%q\nwant\n%s\n%q", tt.name, s, got[0].Text, tt.want, tt.text)
		}
		sound(t, w)
	}
}

// Where a message goes by its target. A channel or person whom Slack does not know is a
// failure that says what to do, and is looked up again.
func TestTargetsAreResolved(t *testing.T) {
	for _, tt := range []struct {
		target, want string
		calls        string
	}{
		{"", "C0000OPS", "conversations.list chat.postMessage"}, // the sink's own
		{"#releases", "C0000REL", "conversations.list conversations.list chat.postMessage"},
		{"Releases", "C0000REL", "conversations.list conversations.list chat.postMessage"},
		{"C0000REL", "C0000REL", "chat.postMessage"},
		{"@rm", "D00000RM", "users.list users.list conversations.open chat.postMessage"},
		{"@RM", "D00000RM", "users.list users.list conversations.open chat.postMessage"},
		{"rm@shop.example", "D00000RM", "users.lookupByEmail conversations.open chat.postMessage"},
		{"U0000DEV", "D0000DEV", "conversations.open chat.postMessage"},
		{"@U0000DEV", "D0000DEV", "conversations.open chat.postMessage"},
		{"@here", "C0000OPS", "conversations.list chat.postMessage"},
		{"#gone", "there is no channel #gone", "conversations.list conversations.list"},
		{"@gone", "there is no person @gone", "users.list users.list"},
		{"gone@shop.example", "users_not_found", "users.lookupByEmail"},
	} {
		w := newWorkspace(nil)
		w.PageSize = 1
		o := bot(t, w, outboxtest.New()).Send(t.Context(), sent(1, killtest.Message("text", tt.target)))
		got := o.Reason
		if o.OK {
			got = w.Messages()[0].Channel
		}
		if !strings.Contains(got, tt.want) || o.Refused || o.Doubt {
			t.Errorf("to %q: got %q, %+v; want %q", tt.target, got, o, tt.want)
		}
		if calls := strings.Join(w.Calls(), " "); calls != tt.calls {
			t.Errorf("to %q: calls %s, want %s", tt.target, calls, tt.calls)
		}
		sound(t, w)
	}
}

// Names are looked up once, and again when a channel is gone.
func TestNamesAreLookedUpOnce(t *testing.T) {
	w, m := newWorkspace(nil), outboxtest.New()
	s := bot(t, w, m)
	for n := range 3 {
		if o := s.Send(t.Context(), sent(n+1, killtest.Message("text", "#ops"))); !o.OK {
			t.Fatal(o)
		}
	}
	if got, want := strings.Join(w.Calls(), " "), "conversations.list chat.postMessage chat.postMessage chat.postMessage"; got != want {
		t.Errorf("calls %s, want %s", got, want)
	}
	w.Channels["ops"] = "C0000NEW"
	if o := s.Send(t.Context(), sent(4, killtest.Message("text", "#ops"))); o.OK || o.Doubt || !strings.Contains(o.Reason, "channel_not_found") {
		t.Errorf("to a channel that is gone: %+v", o)
	}
	if o := s.Send(t.Context(), sent(4, killtest.Message("text", "#ops"))); !o.OK || w.Messages()[3].Channel != "C0000NEW" {
		t.Errorf("after that: %+v", o)
	}
}

// A bot that may not look anything up posts by the channel's name. What it cannot look for
// it does not send twice, but for orders.
func TestABotWithFewScopes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, order := range []bool{false, true} {
			w, m := newWorkspace(func(n int) faulttest.Fault {
				if n == 3 {
					return faulttest.Lost
				}
				return faulttest.None
			}), outboxtest.New()
			w.Denied = map[string]bool{"conversations.list": true, "conversations.history": true}
			event := killtest.Message("text", "#ops")
			if order {
				event = killtest.Alarm()
			}
			s := bot(t, w, m)
			if o := s.Send(t.Context(), sent(1, event)); o.OK || !o.Doubt {
				t.Errorf("without an answer: %+v, want doubt", o)
			}
			time.Sleep(2 * time.Minute)
			o := s.Send(t.Context(), sent(1, event))
			got := w.Messages()
			switch {
			case order && (!o.OK || len(got) != 2 || !strings.Contains(shown(got[1]), "this may be here twice")):
				t.Errorf("an order: %+v, %d messages; want it again, and marked", o, len(got))
			case !order && (o.OK || !o.Doubt || o.Refused || !strings.Contains(o.Reason, "channels:read") || len(got) != 1):
				t.Errorf("a message: %+v, %d messages; want it not again", o, len(got))
			}
			sound(t, w)
		}
	})
}

// An order waits three seconds for names and no longer, whether Slack hangs, answers page by
// page and slowly, or declines: it goes to the channel by its name. It is not held up by the
// search for one whose answer was lost either.
func TestAnOrderWaitsForNoName(t *testing.T) {
	slow := func(took time.Duration, what ...string) func(string, int) faulttest.Fault {
		return func(method string, _ int) faulttest.Fault {
			if slices.Contains(what, method) {
				time.Sleep(took)
			}
			return faulttest.None
		}
	}
	always := func(fault faulttest.Fault, what ...string) func(string, int) faulttest.Fault {
		return func(method string, _ int) faulttest.Fault {
			if slices.Contains(what, method) {
				return fault
			}
			return faulttest.None
		}
	}
	for _, tt := range []struct {
		name   string
		target string
		fault  func(method string, n int) faulttest.Fault
		within time.Duration
		want   string // the channel, and the mentions
	}{
		{"nothing is wrong", "#ops @here @rm", nil, 0, "C0000OPS <!here> <@U00000RM>"},
		{"the list of channels hangs", "#ops @here", always(faulttest.Hanging, "conversations.list"), 3 * time.Second, "C0000OPS <!here>"},
		{"the sink's own channel", "", always(faulttest.Hanging, "conversations.list"), 3 * time.Second, "C0000OPS"},
		{"a channel without #", "ops", always(faulttest.Hanging, "conversations.list"), 3 * time.Second, "C0000OPS"},
		{"the list of channels comes slowly", "#ops", slow(800*time.Millisecond, "conversations.list"), 3200 * time.Millisecond, "C0000OPS"},
		{"the list of people hangs", "#ops @rm @dev", always(faulttest.Hanging, "users.list"), 3 * time.Second, "C0000OPS @rm @dev"},
		{"the list of people comes slowly", "#ops @rm", slow(800*time.Millisecond, "users.list"), 3200 * time.Millisecond, "C0000OPS @rm"},
		{"both hang", "#ops rm@shop.example", always(faulttest.Hanging, "conversations.list", "users.lookupByEmail"), 3 * time.Second, "C0000OPS rm@shop.example"},
		{"Slack has too much to do", "#ops @rm", always(faulttest.Busy, "conversations.list", "users.list"), 0, "C0000OPS @rm"},
		{"Slack fails", "#ops @rm", always(faulttest.Broken, "conversations.list", "users.list"), 0, "C0000OPS @rm"},
		{"no conversation is opened with a person of that id", "U0000DEV", always(faulttest.Hanging, "conversations.open"), 3 * time.Second, "D0000DEV"},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorkspace(nil)
			w.PageSize, w.Server.Fault = 1, tt.fault
			for i := range 9 {
				w.Channels[fmt.Sprint("a", i)], w.Users[fmt.Sprint("a", i)] = fmt.Sprintf("C00000A%d", i), fmt.Sprintf("U00000A%d", i)
			}
			order := killtest.Alarm()
			order.Body.Target = tt.target
			began := time.Now()
			o := bot(t, w, outboxtest.New()).Send(t.Context(), sent(1, order))
			took, got := time.Since(began), ""
			if o.OK {
				m := w.Messages()[0]
				mentions, _, _ := strings.Cut(m.Text, "ROLLBACK")
				got = strings.TrimSpace(m.Channel + " " + mentions)
			}
			if !o.OK || took != tt.within || got != tt.want {
				t.Errorf("%s: %+v after %v to %q, want %q after %v", tt.name, o, took, got, tt.want, tt.within)
			}
			sound(t, w)
		})
	}

	synctest.Test(t, func(t *testing.T) {
		w, m := newWorkspace(nil), outboxtest.New()
		w.Server.Fault = func(method string, _ int) faulttest.Fault {
			switch method {
			case "chat.postMessage":
				return faulttest.Lying
			case "conversations.history":
				return faulttest.Hanging
			}
			return faulttest.None
		}
		s := bot(t, w, m)
		for range 2 {
			began := time.Now()
			if o := s.Send(t.Context(), sent(1, killtest.Alarm())); o.OK || time.Since(began) > 3*time.Second {
				t.Errorf("%+v after %v", o, time.Since(began))
			}
		}
		if got := w.Messages(); len(got) != 2 || got[1].Channel != "C0000OPS" {
			t.Errorf("an order whose answer was lost, while Slack does not say whether it is there: %+v, want it again", got)
		}
	})
	// An order to a person whom Slack lists far down comes to them: each attempt looks on where
	// the one before it stopped.
	synctest.Test(t, func(t *testing.T) {
		w := newWorkspace(nil)
		w.PageSize, w.Server.Fault = 1, slow(800*time.Millisecond, "users.list")
		for i := range 9 {
			w.Users[fmt.Sprint("a", i)] = fmt.Sprintf("U00000A%d", i)
		}
		order := killtest.Alarm()
		order.Body.Target = "@rm"
		s, n := bot(t, w, outboxtest.New()), 1
		for ; n < 6 && !s.Send(t.Context(), sent(1, order)).OK; n++ {
		}
		if list := w.Messages(); len(list) != 1 || list[0].Channel != "D00000RM" {
			t.Errorf("after %d attempts there is %+v, want one message to @rm", n, list)
		}
		sound(t, w)
	})
	// What is no order has the time of its attempt.
	synctest.Test(t, func(t *testing.T) {
		w := newWorkspace(nil)
		w.Server.Fault = slow(5*time.Second, "conversations.list", "users.list")
		if o := bot(t, w, outboxtest.New()).Send(t.Context(), sent(1, killtest.Message("text", "#ops @rm"))); !o.OK || !strings.HasPrefix(w.Messages()[0].Text, "<@U00000RM>") {
			t.Errorf("a message: %+v, %+v", o, w.Messages())
		}
	})
}

// Each phase has one message, which says how it is, with what happened in its thread. A
// replay changes nothing.
func TestOneLiveMessageAPhase(t *testing.T) {
	w, m := newWorkspace(nil), outboxtest.New()
	rule := killtest.Event{Kind: "rule", To: "breaching", Body: wire.EventBody{Subject: "errors", Phase: "ten", Headline: "BREACHING: errors", Sentence: "Errors."}}
	story := []killtest.Event{
		killtest.Phase("ten", "waiting", "monitoring"), rule, killtest.Phase("ten", "monitoring", "held"), killtest.Phase("ten", "held", "monitoring"),
		killtest.Phase("ten", "monitoring", "passed"), killtest.Phase("all", "waiting", "monitoring"), killtest.Alarm(), killtest.Message("text", "#ops"),
	}
	for round := range 2 {
		s := bot(t, w, m) // as after a restart
		for n, e := range story {
			if o := s.Send(t.Context(), sent(n+1, e)); !o.OK {
				t.Fatalf("round %d, event %d: %+v", round, n+1, o)
			}
		}
		var got []string
		roots := map[string]string{}
		for _, msg := range w.Messages() {
			first, _, _ := strings.Cut(strings.TrimPrefix(shown(msg), "header "), "\n")
			roots[msg.TS] = first
			got = append(got, fmt.Sprintf("%s %d %s", strings.TrimPrefix(msg.Channel, "C0000"), msg.Edits, first))
			if msg.Thread != "" {
				got[len(got)-1] += " in " + roots[msg.Thread]
			}
		}
		want := []string{
			"REL 3 PASSED: ten", "REL 0 BREACHING: errors in PASSED: ten", "REL 0 HELD: ten in PASSED: ten", "REL 0 MONITORING: ten in PASSED: ten", "REL 0 PASSED: ten in PASSED: ten",
			"REL 0 MONITORING: all", "OPS 0 ROLLBACK: API 5xx 5.0 % &gt; 3 % for 11 min", "OPS 0 Deploy of 1.2.0",
		}
		if !slices.Equal(got, want) {
			t.Errorf("round %d:\ngot  %s\nwant %s", round, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
		}
	}
	sound(t, w)
}

// A live message that a person has removed is made anew by what happens next.
func TestALiveMessageThatIsGoneComesAgain(t *testing.T) {
	w, m := newWorkspace(nil), outboxtest.New()
	s := bot(t, w, m)
	send := func(n int, e killtest.Event) {
		t.Helper()
		if o := s.Send(t.Context(), sent(n, e)); !o.OK {
			t.Fatalf("event %d: %+v", n, o)
		}
	}
	send(1, killtest.Phase("ten", "waiting", "monitoring"))
	w.Remove(w.Messages()[0].TS)
	send(2, killtest.Event{Kind: "rule", To: "breaching", Body: wire.EventBody{Subject: "errors", Phase: "ten", Headline: "BREACHING: errors"}})
	send(3, killtest.Phase("ten", "monitoring", "passed"))
	send(2, killtest.Event{Kind: "rule", To: "breaching", Body: wire.EventBody{Subject: "errors", Phase: "ten", Headline: "BREACHING: errors"}})
	got := w.Messages()
	if len(got) < 2 || !strings.HasPrefix(shown(got[0]), "header PASSED: ten") || got[0].Thread != "" || got[0].Edits != 1 || got[1].Thread != got[0].TS {
		t.Errorf("got %+v", got)
	}
}

// forgetful is a memory that cannot be asked for the keys with an ending.
type forgetful struct {
	outbox.Memory
	ending string
}

func (m forgetful) Kept(ctx context.Context, endpoint, key string) (string, error) {
	if strings.HasSuffix(key, m.ending) {
		return "", errors.New("disk gone")
	}
	return m.Memory.Kept(ctx, endpoint, key)
}

// While the memory cannot say what was sent, or what the live message shows, an event of a
// phase has not arrived: it is tried again, and its thread has it then.
func TestAnEventOfAPhaseWaitsForTheMemory(t *testing.T) {
	for _, ending := range []string{"/live/ten", "k7q/2", "/live/ten/n"} {
		w, m := newWorkspace(nil), outboxtest.New()
		if o := bot(t, w, m).Send(t.Context(), sent(1, killtest.Phase("ten", "waiting", "monitoring"))); !o.OK {
			t.Fatal(o)
		}
		second := sent(2, killtest.Phase("ten", "monitoring", "passed"))
		if o := bot(t, w, forgetful{m, ending}).Send(t.Context(), second); o.OK || o.Refused || !strings.Contains(o.Reason, "disk gone") {
			t.Errorf("while %s cannot be read: %+v, want a failure that is tried again", ending, o)
		}
		if got := w.Messages(); got[0].Edits != 0 {
			t.Errorf("while %s cannot be read: the live message was edited", ending)
		}
		if o := bot(t, w, m).Send(t.Context(), second); !o.OK {
			t.Errorf("after %s could not be read: %+v", ending, o)
		}
		if got := w.Messages(); len(got) != 2 || got[1].Thread != got[0].TS || got[0].Edits != 1 {
			t.Errorf("after %s could not be read: %+v, want one message in the thread and one edit", ending, got)
		}
	}
}

// What Slack's answers mean: which are tried again, after which time, and what people read.
func TestAnswersOfSlack(t *testing.T) {
	w := newWorkspace(nil)
	for _, tt := range []struct {
		name          string
		token, target string
		fault         faulttest.Fault
		want          outbox.Outcome
	}{
		{"a wrong token", "xoxb-wrong", "C0000OPS", faulttest.None, outbox.Outcome{Reason: "Slack answered invalid_auth to chat.postMessage: the token was rejected"}},
		{"an unknown channel", token, "C0000XXX", faulttest.None, outbox.Outcome{Reason: "Slack answered channel_not_found to chat.postMessage: there is no such channel, or the bot is not in it: invite it"}},
		{"too much", token, "C0000OPS", faulttest.Busy, outbox.Outcome{RetryAfter: 7 * time.Second, Reason: "answered 429 Too Many Requests"}},
		{"an error", token, "C0000OPS", faulttest.Broken, outbox.Outcome{Doubt: true, Reason: "answered 500 Internal Server Error"}},
	} {
		w.Token, w.Fault = tt.token, func(string, int) faulttest.Fault { return tt.fault }
		if tt.token != token {
			w.Token = "another"
		}
		got := bot(t, w, outboxtest.New()).Send(t.Context(), sent(1, killtest.Message("text", tt.target)))
		if got != tt.want {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
		if strings.Contains(got.Reason, token) {
			t.Errorf("%s: the token is in %q", tt.name, got.Reason)
		}
	}
}

// Nothing that an event holds makes a message that Slack does not take.
func TestNoTextIsTooMuchForSlack(t *testing.T) {
	for _, fill := range []string{"&", "<", "x", "x\n", "ü", "\U0001F4A9", "`", "https://a.example/&", "\n"} {
		long := strings.Repeat(fill, 9000)
		alarm, message := killtest.Alarm(), killtest.Message(long, "#ops")
		b := &alarm.Body
		b.Headline, b.Sentence, b.Owner, b.Action, b.Command, b.Detail = long, long, long, long, long, []string{long, long, long}
		message.Body.Message.Subject, message.Body.Message.Link = long, "https://relgate.example/"+strings.Repeat("x", 5000)
		for n, e := range []killtest.Event{alarm, message} {
			w := newWorkspace(nil)
			if o := bot(t, w, outboxtest.New()).Send(t.Context(), sent(1, e)); !o.OK {
				t.Errorf("filled with %q, %d: %+v", fill, n, o)
			}
			sound(t, w)
		}
	}
	w := newWorkspace(nil)
	if o := bot(t, w, outboxtest.New()).Send(t.Context(), outbox.Message{ID: "1", Data: []byte(`{"n":"x"}`)}); !o.Refused {
		t.Errorf("what cannot be read: %+v, want refused", o)
	}
}

// An incoming webhook posts to its own channel, mentions whom it can, and believes no 200
// without ok.
func TestTheIncomingWebhook(t *testing.T) {
	incoming := func(w workspace) outbox.Sink {
		s, err := newIncoming(outboxtest.Network{Handler: w}, outboxtest.New())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	w := newWorkspace(nil)
	s := incoming(w)
	if o := s.Send(t.Context(), sent(1, killtest.Message("Deploy", "ops @here @rm"))); !o.OK || !strings.Contains(shown(w.Messages()[0]), "section <!here> @rm\nsection Deploy") {
		t.Errorf("%+v: %+v", o, w.Messages())
	}
	o := s.Send(t.Context(), sent(2, killtest.Message("Deploy", "#customers")))
	if !o.Refused || o.Doubt || !strings.Contains(o.Reason, "this webhook posts to #ops") || len(w.Messages()) != 1 {
		t.Errorf("to another channel: %+v", o)
	}
	if o := s.Send(t.Context(), sent(1, killtest.Message("Deploy", "ops"))); !o.OK || !o.Skipped || len(w.Messages()) != 1 {
		t.Errorf("what was sent: %+v", o)
	}
	sound(t, w)
	for _, tt := range []struct {
		status int
		said   string
		want   outbox.Outcome
	}{
		{200, "<html>login</html>", outbox.Outcome{Doubt: true, Reason: "answered 200 without ok"}},
		{200, "", outbox.Outcome{Doubt: true, Reason: "answered 200 without ok"}},
		{400, "invalid_payload", outbox.Outcome{Refused: true, Reason: "answered 400: invalid_payload"}},
		{404, "no_service", outbox.Outcome{Reason: "answered 404: no_service"}},
		{403, "s3cretpath is not taken", outbox.Outcome{Reason: "answered 403 Forbidden"}},
		{500, "rollup_error", outbox.Outcome{Doubt: true, Reason: "answered 500 Internal Server Error"}},
	} {
		s, err := newIncoming(outboxtest.Network{Handler: saying{tt.status, tt.said}}, outboxtest.New())
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Send(t.Context(), sent(1, killtest.Message("Deploy", ""))); got != tt.want {
			t.Errorf("%d %q: got %+v, want %+v", tt.status, tt.said, got, tt.want)
		}
	}
}
