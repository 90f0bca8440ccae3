package email_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/exporters/email"
	"github.com/relgate/relgate/exporters/email/smtptest"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/wire"
)

// plainSink is a sink without TLS before a server that is reached within the process.
func plainSink(t *testing.T, s *smtptest.Server, m outbox.Memory) *email.Sink {
	t.Helper()
	sink, err := email.New(email.Config{Name: "execs", Host: "127.0.0.1", Encryption: email.Plain, From: "gate@bioage.example", To: []string{"a@bioage.example", "b@bioage.example", "c@bioage.example"}, Timeout: 20 * time.Second, Memory: m})
	if err != nil {
		t.Fatal(err)
	}
	sink.SetDial(s.Dial)
	return sink
}

// TestARecipientWhoHangsKeepsNoOtherFromTheirMail has the server hang, or close the connection,
// for one recipient: the others have the message with the first attempt, the outcome says who
// has it and who has not, and the next attempt sends to that one alone.
func TestARecipientWhoHangsKeepsNoOtherFromTheirMail(t *testing.T) {
	for _, step := range []smtptest.Step{smtptest.Rcpt, smtptest.Data, smtptest.End} {
		for what, mode := range map[string]smtptest.Mode{"hangs": {Hang: true}, "closes": {Drop: true}} {
			for kind, m := range map[string]outbox.Message{"communication": communication("a@bioage.example, b@bioage.example, c@bioage.example"), "alarm": alarm()} {
				t.Run(fmt.Sprintf("%s at %s of a %s", what, step, kind), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						s := smtptest.NewUnreached(t, smtptest.Config{Answer: func(at smtptest.Step, address string) smtptest.Mode {
							if at == step && address == "a@bioage.example" {
								return mode
							}
							return smtptest.Mode{}
						}})
						kept := newMemory()
						began := time.Now()
						o := plainSink(t, s, kept).Send(t.Context(), m)
						took, most := time.Since(began), 20*time.Second
						if step == smtptest.End {
							most = 2 * time.Minute
						}
						if o.OK || took > most || !strings.Contains(o.Reason, "2 of 3 have it: b@bioage.example, c@bioage.example") || !strings.Contains(o.Reason, "a@bioage.example: ") {
							t.Errorf("Send = %+v after %v, want within %v that b and c have it, and why a has not", o, took, most)
						}
						doubt := step == smtptest.End
						if o.Doubt != doubt || o.Refused != (doubt && kind == "communication") {
							t.Errorf("Send = %+v", o)
						}
						s.Answer(nil)
						o = plainSink(t, s, kept).Send(t.Context(), m)
						want := []string{"b@bioage.example", "c@bioage.example", "a@bioage.example"}
						if doubt && kind == "communication" {
							want = want[:2]
						}
						var got []string
						for _, m := range s.Messages() {
							got = append(got, m.To...)
						}
						if !slices.Equal(got, want) || o.OK != (len(want) == 3) {
							t.Errorf("then Send = %+v, and the messages went to %v, want %v", o, got, want)
						}
						s.Close()
					})
				})
			}
		}
	}
}

// TestAnAttemptGoesOnAfterFewWhoHang has most recipients hang: an attempt ends after three of
// them, and the next one begins with those who were not tried.
func TestAnAttemptGoesOnAfterFewWhoHang(t *testing.T) {
	for kind, step := range map[string]smtptest.Step{"communication": smtptest.Rcpt, "alarm": smtptest.End} {
		synctest.Test(t, func(t *testing.T) {
			s := smtptest.NewUnreached(t, smtptest.Config{Answer: func(at smtptest.Step, address string) smtptest.Mode {
				return smtptest.Mode{Hang: at == step && strings.HasPrefix(address, "hangs")}
			}})
			var to []string
			for i := range 8 {
				to = append(to, fmt.Sprintf("hangs%d@bioage.example", i))
			}
			to = append(to, "b@bioage.example", "c@bioage.example")
			m, each := communication(strings.Join(to, ",")), 20*time.Second
			if kind == "alarm" {
				e := wire.EventBody{Kind: "run", ID: "bioage@1.0.x7k2/13", N: 13, Run: "bioage@1.0", Plan: "bioage", Headline: "ROLLBACK", Target: strings.Join(to, ",")}
				m, each = message(e), 2*time.Minute
			}
			kept := newMemory()
			for n := range 3 {
				began := time.Now()
				o := plainSink(t, s, kept).Send(t.Context(), m)
				if took := time.Since(began); o.OK || o.Refused || took > 3*each {
					t.Errorf("%s, attempt %d: %+v after %v, want it within three times %v", kind, n, o, took, each)
				}
			}
			if n := len(s.Messages()); n != 2 {
				t.Errorf("%s: %d messages, want those to b and c", kind, n)
			}
			s.Close()
		})
	}
}

// TestWhoHungOnceIsTriedBeforeThoseWhoAlwaysHang has three recipients always hang, and one once:
// that one has the message with the third attempt.
func TestWhoHungOnceIsTriedBeforeThoseWhoAlwaysHang(t *testing.T) {
	for kind, step := range map[string]smtptest.Step{"communication": smtptest.Rcpt, "alarm": smtptest.End} {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			hung := map[string]int{}
			s := smtptest.NewUnreached(t, smtptest.Config{Answer: func(at smtptest.Step, address string) smtptest.Mode {
				if at != step {
					return smtptest.Mode{}
				}
				mu.Lock()
				defer mu.Unlock()
				hung[address]++
				return smtptest.Mode{Hang: address != "d@bioage.example" || hung[address] == 1}
			}})
			const to = "a@bioage.example, b@bioage.example, c@bioage.example, d@bioage.example"
			m := communication(to)
			if kind == "alarm" {
				m = message(wire.EventBody{Kind: "run", ID: "bioage@1.0.x7k2/13", N: 13, Run: "bioage@1.0", Plan: "bioage", Headline: "ROLLBACK", Target: to})
			}
			kept := newMemory()
			for range 3 {
				if o := plainSink(t, s, kept).Send(t.Context(), m); o.OK {
					t.Errorf("%s: %+v", kind, o)
				}
			}
			if list := s.Messages(); len(list) != 1 || list[0].To[0] != "d@bioage.example" {
				t.Errorf("%s: got %d messages, want that to d", kind, len(list))
			}
			s.Close()
		})
	}
}

// TestAStopEndsTheConversationAtOnce has relgate stop while the server thinks about a message,
// also when the time of the other steps is over.
func TestAStopEndsTheConversationAtOnce(t *testing.T) {
	for _, after := range []time.Duration{time.Second, 45 * time.Second} {
		for _, m := range []outbox.Message{communication("a@bioage.example, b@bioage.example"), alarm()} {
			synctest.Test(t, func(t *testing.T) {
				s := smtptest.NewUnreached(t, smtptest.Config{Answer: at(smtptest.End, smtptest.Mode{Hang: true})})
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(after, cancel)
				began := time.Now()
				o := plainSink(t, s, newMemory()).Send(ctx, m)
				if took := time.Since(began); took != after || o.OK || !o.Doubt {
					t.Errorf("stopped after %v: %+v after %v, want doubt at once", after, o, took)
				}
				if n := len(slices.DeleteFunc(s.Steps(), func(at smtptest.Step) bool { return at != smtptest.Connect })); n != 1 {
					t.Errorf("%d connections, want no other after the stop", n)
				}
				s.Close()
			})
		}
	}
}

// TestAnAttemptEndsInTime has the server hang at each step: the attempt ends when the time of
// its recipients is over, and before they come at once, whatever the server did before.
func TestAnAttemptEndsInTime(t *testing.T) {
	for _, step := range []smtptest.Step{smtptest.Connect, smtptest.Hello, smtptest.Mail, smtptest.Rcpt, smtptest.Data, smtptest.End, smtptest.Reset, smtptest.Quit} {
		t.Run(string(step), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := smtptest.NewUnreached(t, smtptest.Config{Answer: func(at smtptest.Step, address string) smtptest.Mode {
					switch {
					case at == step:
						return smtptest.Mode{Hang: true}
					case at == smtptest.Rcpt && step == smtptest.Reset:
						return smtptest.Mode{Reply: "451 later"}
					}
					return smtptest.Mode{}
				}})
				began := time.Now()
				o := plainSink(t, s, newMemory()).Send(t.Context(), communication("a@bioage.example, b@bioage.example"))
				took, want := time.Since(began), 2*20*time.Second
				switch step {
				case smtptest.Connect, smtptest.Hello:
					want = 20 * time.Second // that is for all of them
				case smtptest.End:
					want = 2 * 2 * time.Minute // an answer that is not waited for is a message in doubt
				case smtptest.Quit:
					want = time.Second // both have it, and nothing waits for the goodbye
				}
				if took != want || o.OK != (step == smtptest.Quit) {
					t.Errorf("Send = %+v after %v, want it after %v", o, took, want)
				}
				if !o.OK && step != smtptest.Reset && !strings.Contains(o.Reason, "the server did not answer in time") && !o.Doubt {
					t.Errorf("reason %q", o.Reason)
				}
				s.Close()
			})
		})
	}
}

// TestASlowServerIsNoReasonToWaitLonger has the server answer each step late: the deadline is
// the recipient's, and not each answer's.
func TestASlowServerIsNoReasonToWaitLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smtptest.NewUnreached(t, smtptest.Config{Answer: func(smtptest.Step, string) smtptest.Mode {
			time.Sleep(6 * time.Second)
			return smtptest.Mode{}
		}})
		began := time.Now()
		o := plainSink(t, s, newMemory()).Send(t.Context(), communication("a@bioage.example"))
		if took := time.Since(began); took != 20*time.Second || o.OK || o.Doubt {
			t.Errorf("Send = %+v after %v, want a failure after 20s", o, took)
		}
		s.Close()
	})
}

// TestAServerMayThinkAboutAMessage has it answer a minute after the end of each message, when
// the time of the other steps is over: the message is sent, and so is the next.
func TestAServerMayThinkAboutAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smtptest.NewUnreached(t, smtptest.Config{Answer: func(at smtptest.Step, _ string) smtptest.Mode {
			if at == smtptest.End {
				time.Sleep(time.Minute)
			}
			return smtptest.Mode{}
		}})
		if o := plainSink(t, s, newMemory()).Send(t.Context(), communication("a@bioage.example, b@bioage.example")); !o.OK || len(s.Messages()) != 2 {
			t.Errorf("%+v, %d messages, want both", o, len(s.Messages()))
		}
		s.Close()
	})
}

// TestARunOfManyRecipients sends one message to many, over one connection.
func TestARunOfManyRecipients(t *testing.T) {
	s := smtptest.New(t, smtptest.Config{})
	sink, err := email.New(email.Config{Name: "execs", Host: "127.0.0.1", Port: s.Port(), Encryption: email.Plain, From: "gate@bioage.example", Memory: newMemory()})
	if err != nil {
		t.Fatal(err)
	}
	var to []string
	for i := range 50 {
		to = append(to, fmt.Sprintf("p%d@bioage.example", i))
	}
	if o := sink.Send(t.Context(), communication(strings.Join(to, ","))); !o.OK || len(s.Messages()) != 50 {
		t.Errorf("Send = %+v, %d messages", o, len(s.Messages()))
	}
	connects := 0
	for _, step := range s.Steps() {
		if step == smtptest.Connect {
			connects++
		}
	}
	if connects != 1 {
		t.Errorf("%d connections, want one", connects)
	}
}
