package email_test

import (
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/email"
	"github.com/relgate/relgate/exporters/email/smtptest"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/faulttest"
	"github.com/relgate/relgate/exporters/outbox/killtest"
)

var long = flag.Bool("long", false, "run the tests that take minutes")

// office is a mail server for a test, as a receiver. Its calls are the four steps of a message.
type office struct{ *smtptest.Server }

func newOffice(fault func(n int) faulttest.Fault) office {
	var mu sync.Mutex
	n := 0
	return office{smtptest.Make(smtptest.Config{Answer: func(step smtptest.Step, _ string) smtptest.Mode {
		if !slices.Contains([]smtptest.Step{smtptest.Mail, smtptest.Rcpt, smtptest.Data, smtptest.End}, step) {
			return smtptest.Mode{}
		}
		mu.Lock()
		n++
		f := fault(n)
		mu.Unlock()
		m := smtptest.Mode{Take: step == smtptest.End && f.Done()}
		switch f {
		case faulttest.Busy:
			m.Reply = "451 4.3.2 later"
		case faulttest.Broken, faulttest.Lying:
			m.Reply = "554 5.3.0 no"
		case faulttest.Dropped:
			m.Drop = true
		case faulttest.Hanging, faulttest.Lost:
			m.Hang = true
		case faulttest.Late:
			m.Hang, m.Take = true, false
			if step == smtptest.End {
				m.Late = 20 * time.Second
			}
		}
		return m
	}})}
}

// Count counts what is there: a bench has one event.
func (o office) Count(string) int { return len(o.Messages()) }

// Wrong is what was wrong with what was sent.
func (o office) Wrong() []string { return o.Violations() }

// Killed at every step, and whatever the mail server answers, a message is there as often as
// docs/people.md says.
func TestMailIsThereAsOftenAsTheManualSays(t *testing.T) {
	between := func(least, most int) func(killtest.Outcome) string {
		return func(o killtest.Outcome) string {
			n, dead := o.Counts[0], len(o.Dead) > 0
			if n < least || n > most || n == 0 && !dead || dead && least > 0 {
				return fmt.Sprintf("want it %d to %d times, and a dead letter only where it may not be there", least, most)
			}
			return ""
		}
	}
	var rows []string
	for _, tt := range []struct {
		name         string
		event        killtest.Event
		wrong, worse func(killtest.Outcome) string
	}{
		{"E-mail: message", killtest.Message("Deploy of 1.2.0 is starting", "ops@bioage.example"), between(0, 1), between(0, 1)},
		{"E-mail: order", killtest.Alarm(), between(1, 2), between(1, 3)},
	} {
		b := killtest.Bench{
			Events:   []killtest.Event{tt.event},
			Receiver: func(fault func(int) faulttest.Fault) killtest.Receiver { return newOffice(fault) },
			Dialing: func(dial killtest.Dial, m outbox.Memory) (outbox.Sink, error) {
				s, err := email.New(email.Config{
					Name: killtest.Endpoint, Host: "127.0.0.1", Encryption: email.Plain, From: "gate@bioage.example", To: []string{"ops@bioage.example"}, Memory: m,
				})
				if err == nil {
					s.SetDial(dial)
				}
				return s, err
			},
		}
		rows = append(rows, fmt.Sprintf("| %s | %v |", tt.name, b.Try(t, *long, tt.wrong, tt.worse)))
	}
	killtest.Manual(t, rows)
}
