package email_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/exporters/email"
	"github.com/relgate/relgate/exporters/email/smtptest"
)

// TestAnAttemptEndsInTime has the server hang at each step: the attempt ends when its time is
// over, whatever the server did before.
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
				sink, err := email.New(email.Config{
					Name: "execs", Host: "127.0.0.1", Encryption: email.Plain, From: "gate@bioage.example", Timeout: 20 * time.Second, Memory: newMemory(),
				})
				if err != nil {
					t.Fatal(err)
				}
				sink.SetDial(s.Dial)
				began := time.Now()
				o := sink.Send(t.Context(), communication("a@bioage.example, b@bioage.example"))
				took, want := time.Since(began), 20*time.Second
				if step == smtptest.End {
					want = 2 * time.Minute // an answer that is not waited for is a message in doubt
				}
				if step == smtptest.Quit {
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
// the attempt's, and not each answer's.
func TestASlowServerIsNoReasonToWaitLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smtptest.NewUnreached(t, smtptest.Config{Answer: func(smtptest.Step, string) smtptest.Mode {
			time.Sleep(6 * time.Second)
			return smtptest.Mode{}
		}})
		sink, err := email.New(email.Config{Name: "execs", Host: "127.0.0.1", Encryption: email.Plain, From: "gate@bioage.example", Timeout: 20 * time.Second, Memory: newMemory()})
		if err != nil {
			t.Fatal(err)
		}
		sink.SetDial(s.Dial)
		began := time.Now()
		o := sink.Send(t.Context(), communication("a@bioage.example"))
		if took := time.Since(began); took != 20*time.Second || o.OK || o.Doubt {
			t.Errorf("Send = %+v after %v, want a failure after 20s", o, took)
		}
		s.Close()
	})
}

// TestAServerMayThinkAboutAMessage has it answer a minute after the end of the message, when the
// attempt's own time is over: the message is sent, and no other is begun.
func TestAServerMayThinkAboutAMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smtptest.NewUnreached(t, smtptest.Config{Answer: func(at smtptest.Step, _ string) smtptest.Mode {
			if at == smtptest.End {
				time.Sleep(time.Minute)
			}
			return smtptest.Mode{}
		}})
		sink, err := email.New(email.Config{Name: "execs", Host: "127.0.0.1", Encryption: email.Plain, From: "gate@bioage.example", Timeout: 20 * time.Second, Memory: newMemory()})
		if err != nil {
			t.Fatal(err)
		}
		sink.SetDial(s.Dial)
		for n, ok := range []bool{false, true} {
			o := sink.Send(t.Context(), communication("a@bioage.example, b@bioage.example"))
			if o.OK != ok || o.Doubt || o.Refused || len(s.Messages()) != n+1 {
				t.Errorf("attempt %d: %+v, %d messages, want one more", n, o, len(s.Messages()))
			}
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
