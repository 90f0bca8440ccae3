package outbox_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
)

// sends is a sink that notes what it is sent and answers as it is told.
type sends struct {
	answer func(n int) outbox.Outcome
	sent   []string // "id" or "id again"
}

func (s *sends) Send(_ context.Context, m outbox.Message) outbox.Outcome {
	id := m.ID
	if m.Repeated {
		id += " again"
	}
	s.sent = append(s.sent, id)
	return s.answer(len(s.sent))
}

func alarms(m outbox.Message) bool { return m.Order }

// What a sink that can neither search nor be told of a repetition does with a message that
// is tried again, by how the attempt before ended.
func TestOnceSendsNoMessageTwiceInDoubt(t *testing.T) {
	doubt, no := outbox.Outcome{Doubt: true, Reason: "no answer"}, outbox.Outcome{Reason: "answered 429"}
	killed := errors.New("killed")
	for _, tt := range []struct {
		about       string
		first       outbox.Outcome
		kill        bool // before the outcome of the first attempt is kept
		order       bool
		wantSent    []string
		wantOK      bool
		wantRefused bool
	}{
		{"a message that arrived", took, false, false, []string{"m"}, true, false},
		{"an alarm that arrived", took, false, true, []string{"m"}, true, false},
		{"a message that surely did not arrive", no, false, false, []string{"m", "m"}, true, false},
		{"an alarm that surely did not arrive", no, false, true, []string{"m", "m"}, true, false},
		{"a message without an answer", doubt, false, false, []string{"m"}, false, true},
		{"an alarm without an answer", doubt, false, true, []string{"m", "m again"}, true, false},
		{"a message, killed after it arrived", took, true, false, []string{"m"}, false, true},
		{"an alarm, killed after it arrived", took, true, true, []string{"m", "m again"}, true, false},
		{"a message, killed before it is known that it did not arrive", no, true, false, []string{"m"}, false, true},
	} {
		f := outboxtest.New()
		s := &sends{answer: func(n int) outbox.Outcome {
			if n > 1 {
				return took
			}
			if tt.kill {
				f.Break(killed)
			}
			return tt.first
		}}
		m := outbox.Message{ID: "m", Order: tt.order}
		once := outbox.Once{Sink: s, Memory: f, Endpoint: "a", Again: alarms}
		once.Send(t.Context(), m)
		f.Break(nil)
		o := once.Send(t.Context(), m)
		if !slices.Equal(s.sent, tt.wantSent) || o.OK != tt.wantOK || o.Refused != tt.wantRefused || o.Refused && !strings.Contains(o.Reason, "by hand") {
			t.Errorf("%s: sent %q, then %+v; want %q, ok %v, refused %v", tt.about, s.sent, o, tt.wantSent, tt.wantOK, tt.wantRefused)
		}
	}
}

// While nothing can be kept or read, a message waits and an alarm does not.
func TestOnceWaitsForItsMemoryButForAlarms(t *testing.T) {
	for _, broken := range []func(f *outboxtest.Feed, err error){(*outboxtest.Feed).Break, (*outboxtest.Feed).Hide} {
		f, s := outboxtest.New(), &sends{answer: func(int) outbox.Outcome { return took }}
		once := outbox.Once{Sink: s, Memory: f, Endpoint: "a", Again: alarms}
		broken(f, errors.New("disk full"))
		if o := once.Send(t.Context(), outbox.Message{ID: "m"}); o.OK || o.Refused || !strings.Contains(o.Reason, "disk full") {
			t.Errorf("a message: %+v, want a failure that names the reason", o)
		}
		if o := once.Send(t.Context(), outbox.Message{ID: "alarm", Order: true}); !o.OK {
			t.Errorf("an alarm: %+v, want that it is sent", o)
		}
		broken(f, nil)
		once.Send(t.Context(), outbox.Message{ID: "m"})
		if want := []string{"alarm", "m"}; !slices.Equal(s.sent, want) {
			t.Errorf("sent %q, want %q", s.sent, want)
		}
	}
}

// A sink that is named wants what names it, of any kind and severity, and with Overhears
// what it selects.
func TestANamedEndpointWantsWhatNamesIt(t *testing.T) {
	events := []fact.Event{
		{Kind: fact.RuleEvent, To: "breaching", Notify: []string{"a"}},
		{Kind: fact.RuleEvent, To: "breaching"},
		{Kind: fact.PhaseEvent, To: "passed"},
		{Kind: fact.PhaseEvent, To: "passed", Notify: []string{"b"}},
		{Kind: fact.PhaseEvent, To: "passed", Notify: []string{"b", "a"}},
		{Plan: "other", Kind: fact.PhaseEvent, To: "passed", Notify: []string{"a"}},
	}
	for _, tt := range []struct {
		about  string
		change func(e *outbox.Endpoint)
		want   string
	}{
		{"named", func(*outbox.Endpoint) {}, "1 5 1"},
		{"of one plan", func(e *outbox.Endpoint) { e.Plans = []string{outboxtest.TheRun} }, "1 5"},
		{"that selects and does not overhear", func(e *outbox.Endpoint) { e.Events = []fact.EventKind{fact.PhaseEvent} }, "1 5 1"},
		{"that overhears and selects nothing", func(e *outbox.Endpoint) { e.Overhears = true }, "1 5 1"},
		{"that overhears phases", func(e *outbox.Endpoint) { e.Overhears, e.Events = true, []fact.EventKind{fact.PhaseEvent} }, "1 3 4 5 1"},
		{"that overhears critical phases", func(e *outbox.Endpoint) {
			e.Overhears, e.Events, e.Severity = true, []fact.EventKind{fact.PhaseEvent}, fact.Critical
		}, "1 5 1"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s, f := newScript(nil), outboxtest.New()
			e := endpoint(outbox.Notify, s)
			e.Named = true
			tt.change(&e)
			b := mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{e}, Feed: f})
			f.Commit(t, events...)
			stop := outboxtest.Start(t, b)
			time.Sleep(time.Minute)
			stop()
			if got := s.ids(); got != tt.want {
				t.Errorf("%s: got events %s, want %s", tt.about, got, tt.want)
			}
		})
	}
}

// An alarm that was in doubt once is marked as repeated until it arrives, whatever came of
// the attempts between.
func TestARepetitionStaysMarked(t *testing.T) {
	s := &sends{answer: func(n int) outbox.Outcome {
		return []outbox.Outcome{{Doubt: true, Reason: "no answer"}, {Reason: "answered 429"}, took}[n-1]
	}}
	once := outbox.Once{Sink: s, Memory: outboxtest.New(), Endpoint: "a", Again: alarms}
	for range 4 {
		once.Send(t.Context(), outbox.Message{ID: "m", Order: true})
	}
	if want := []string{"m", "m again", "m again"}; !slices.Equal(s.sent, want) {
		t.Errorf("sent %q, want %q", s.sent, want)
	}
}

// A sink that becomes a webhook of the same name is told of what it now wants, too.
func TestAReloadThatNamesNoMoreReadsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := true
		s, f := newScript(func(int, call) outbox.Outcome {
			if down {
				return failed
			}
			return took
		}), outboxtest.New()
		e := endpoint(outbox.Notify, s)
		e.Named = true
		old := mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{e}, Feed: f})
		f.Commit(t, fact.Event{Notify: []string{"a"}}, fact.Event{}, fact.Event{Notify: []string{"a"}})
		stop := outboxtest.Start(t, old)
		time.Sleep(time.Minute)
		e.Named = false
		next := mustNew(t, outbox.Config{Endpoints: []outbox.Endpoint{e}, Feed: f})
		next.TakeOver(old)
		stop()
		down = false
		before := len(s.seen())
		stop = outboxtest.Start(t, next)
		outboxtest.Drain(t, next)
		stop()
		var got []string
		for _, a := range s.seen()[before:] {
			got = append(got, strings.TrimPrefix(a.id, outboxtest.TheRun+"/"))
		}
		if want := []string{"1", "2", "3"}; !slices.Equal(got, want) {
			t.Errorf("sent %q, want %q", got, want)
		}
	})
}

// Of whom something is asked hears it twice rather than not at all; what a plan tells people
// outside is not repeated.
func TestWhatIsAskedOfAPersonIsAnAlarm(t *testing.T) {
	for kind, want := range map[fact.EventKind]bool{fact.CommunicationEvent: false, fact.ApprovalEvent: true, fact.ReviewEvent: true, fact.EffectEvent: true, fact.PlanEvent: false} {
		if got := outbox.Alarm(outbox.Message{Type: "relgate.x", Data: []byte(`{"kind":"` + string(kind) + `","message":{"text":"x"}}`)}); got != want {
			t.Errorf("a message of kind %s: alarm is %v", kind, got)
		}
	}
}
