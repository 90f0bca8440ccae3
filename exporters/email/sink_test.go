package email_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/email"
	"github.com/relgate/relgate/exporters/email/smtptest"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/wire"
)

func TestAMessageTravelsUnderTLSAndWithAPassword(t *testing.T) {
	for name, change := range map[string]func(*smtptest.Config, *email.Config){
		"STARTTLS and PLAIN":     func(*smtptest.Config, *email.Config) {},
		"STARTTLS and LOGIN":     func(s *smtptest.Config, _ *email.Config) { s.Mechanisms = "CRAM-MD5 LOGIN" },
		"TLS from the first on":  func(s *smtptest.Config, e *email.Config) { s.Implicit, e.Encryption = true, email.Implicit },
		"a server without 8 bit": func(s *smtptest.Config, _ *email.Config) { s.No8Bit = true },
	} {
		t.Run(name, func(t *testing.T) {
			change(&smtptest.Config{}, &email.Config{})
			h := newHouse(t, func(c *smtptest.Config) { change(c, &email.Config{}) })
			change(&smtptest.Config{}, &h.config)
			o := h.sink(t).Send(t.Context(), communication("cto@bioage.example, Security <sec@bioage.example>, CTO@bioage.example"))
			if !o.OK || o.Refused || !strings.HasPrefix(o.Kept, "<event.") {
				t.Fatalf("Send = %+v, want OK with the message's id", o)
			}
			all := h.Messages()
			if len(all) != 2 {
				t.Fatalf("%d messages were taken, want one for each of two recipients", len(all))
			}
			for i, to := range []string{"cto@bioage.example", "sec@bioage.example"} {
				m := all[i]
				if len(m.To) != 1 || m.To[0] != to || m.From != "gate@bioage.example" || !m.TLS || m.User != "relgate" {
					t.Errorf("message %d: from %s to %v, TLS %v, user %q; want from gate@bioage.example to %s under TLS as relgate", i, m.From, m.To, m.TLS, m.User, to)
				}
				parsed, err := mail.ReadMessage(strings.NewReader(string(m.Data)))
				if err != nil {
					t.Fatal(err)
				}
				for _, other := range []string{"cto@", "sec@"} {
					if !strings.HasPrefix(to, other) && strings.Contains(string(m.Data), other) {
						t.Errorf("the message to %s shows %s", to, other)
					}
				}
				if got := "<" + strings.Trim(parsed.Header.Get("Message-Id"), "<>") + ">"; got != o.Kept {
					t.Errorf("Message-ID %s, want %s as in the outcome", got, o.Kept)
				}
			}
		})
	}
}

func TestNoPasswordTravelsInTheClear(t *testing.T) {
	// The server, or who stands before it, offers AUTH and no TLS.
	h := newHouse(t, func(c *smtptest.Config) { c.TLS, c.AuthEarly = nil, true })
	o := h.sink(t).Send(t.Context(), communication("cto@bioage.example"))
	if o.OK || o.Refused || !strings.Contains(o.Reason, "STARTTLS") {
		t.Errorf("Send = %+v, want a failure that is tried again and speaks of STARTTLS", o)
	}
	if h.Exposed() != 0 || len(h.Messages()) != 0 {
		t.Errorf("%d passwords and %d messages came in the clear", h.Exposed(), len(h.Messages()))
	}
}

func TestPlainIsForThisMachineOnly(t *testing.T) {
	h := newHouse(t, func(c *smtptest.Config) { c.TLS, c.User = nil, "" })
	h.config.Encryption, h.config.Username, h.config.Password = email.Plain, "", ""
	if o := h.sink(t).Send(t.Context(), communication("cto@bioage.example")); !o.OK {
		t.Errorf("Send = %+v, want OK: loopback and no password", o)
	}
	for what, change := range map[string]func(*email.Config){
		"another machine": func(c *email.Config) { c.Host = "10.0.0.1" },
		"a name":          func(c *email.Config) { c.Host = "mail" },
		"a password":      func(c *email.Config) { c.Username, c.Password = "relgate", password },
	} {
		c := h.config
		change(&c)
		if _, err := email.New(c); err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("without encryption, %s: New = %v, want an error without the password", what, err)
		}
	}
}

func TestWhatIsWrongWithAServerIsSaidWithoutThePassword(t *testing.T) {
	for _, tt := range []struct {
		what    string
		server  func(*smtptest.Config)
		sink    func(*email.Config)
		want    string
		refused bool
	}{
		{"a wrong password waits for a person", nil, func(c *email.Config) { c.Password = "other" }, "AUTH: the server answered 535", false},
		{"a server that repeats the password", func(c *smtptest.Config) {
			c.Answer = at(smtptest.Mail, smtptest.Mode{Reply: "550 I know " + password + "!"})
		}, nil, "[redacted]", true},
		{"no mechanism of ours", func(c *smtptest.Config) { c.Mechanisms = "GSSAPI" }, nil, "neither AUTH PLAIN nor", false},
		{"a certificate of someone else", nil, func(c *email.Config) { c.TLS = &tls.Config{} }, "certificate is not trusted", false},
		{"a certificate of someone else from the first byte on", func(c *smtptest.Config) { c.Implicit = true }, func(c *email.Config) { c.Encryption, c.TLS = email.Implicit, nil }, "certificate is not trusted", false},
		{"a sender that must log in", func(c *smtptest.Config) { c.Answer = at(smtptest.Mail, smtptest.Mode{Reply: "530 5.7.0 log in"}) }, nil, "530", false},
		{"TLS where there is none", nil, func(c *email.Config) { c.Encryption = email.Implicit }, "TLS: ", false},
		{"a server that never ends", func(c *smtptest.Config) { c.Answer = at(smtptest.Hello, smtptest.Mode{Flood: true}) }, nil, "sent more than a mail server should", false},
		{"no SMTP at all", func(c *smtptest.Config) {
			c.Answer = at(smtptest.Connect, smtptest.Mode{Reply: "HTTP/1.1 400 Bad Request"})
		}, nil, "does not speak SMTP", false},
		{"a greeting of 554", func(c *smtptest.Config) { c.Answer = at(smtptest.Connect, smtptest.Mode{Reply: "554 go away"}) }, nil, "554", false},
		{"a sender that is refused", func(c *smtptest.Config) { c.Answer = at(smtptest.Mail, smtptest.Mode{Reply: "553 5.7.1 not you"}) }, nil, "553", true},
		{"a service that closes", func(c *smtptest.Config) { c.Answer = at(smtptest.Rcpt, smtptest.Mode{Reply: "421 4.3.2 later"}) }, nil, "421", false},
	} {
		t.Run(tt.what, func(t *testing.T) {
			h := newHouse(t, func(c *smtptest.Config) {
				if tt.server != nil {
					tt.server(c)
				}
			})
			if tt.sink != nil {
				tt.sink(&h.config)
			}
			o := h.sink(t).Send(t.Context(), communication("cto@bioage.example"))
			if o.OK || o.Refused != tt.refused || !strings.Contains(o.Reason, tt.want) || strings.Contains(o.Reason, password) {
				t.Errorf("Send = %+v, want a failure, refused %v, that says %q and no password", o, tt.refused, tt.want)
			}
			if n := len(h.Messages()); n != 0 {
				t.Errorf("%d messages were taken", n)
			}
		})
	}
}

// at answers one step by a mode, and all others as a server would.
func at(step smtptest.Step, mode smtptest.Mode) func(smtptest.Step, string) smtptest.Mode {
	return func(s smtptest.Step, _ string) smtptest.Mode {
		if s == step {
			return mode
		}
		return smtptest.Mode{}
	}
}

func TestAnAddressThatIsRefusedLosesNobodyElseTheMessage(t *testing.T) {
	h := newHouse(t)
	h.Answer(func(step smtptest.Step, address string) smtptest.Mode {
		switch {
		case step == smtptest.Rcpt && address == "gone@bioage.example":
			return smtptest.Mode{Reply: "550 5.1.1 no such user"}
		case step == smtptest.Rcpt && address == "full@bioage.example":
			return smtptest.Mode{Reply: "452 4.2.2 mailbox full"}
		case step == smtptest.End && address == "spam@bioage.example":
			return smtptest.Mode{Reply: "554 5.7.1 spam"}
		}
		return smtptest.Mode{}
	})
	m := communication("gone@bioage.example, a@bioage.example, spam@bioage.example, full@bioage.example, b@bioage.example")
	o := h.sink(t).Send(t.Context(), m)
	if o.OK || o.Refused || !strings.Contains(o.Reason, "452") || !strings.Contains(o.Reason, "2 of 5 have it") {
		t.Fatalf("Send = %+v, want another attempt for the one whose mailbox is full", o)
	}
	asked := len(h.Steps())
	h.Answer(func(step smtptest.Step, address string) smtptest.Mode {
		if step == smtptest.Rcpt && address != "full@bioage.example" {
			t.Errorf("%s is tried again", address)
		}
		return smtptest.Mode{}
	})
	o = h.sink(t).Send(t.Context(), m)
	if o.OK || !o.Refused || !strings.Contains(o.Reason, "gone@bioage.example: RCPT TO: the server answered 550") || !strings.Contains(o.Reason, "spam@bioage.example") || !strings.Contains(o.Reason, "3 of 5 have it") {
		t.Errorf("Send = %+v, want it given up for two addresses, which it names", o)
	}
	if asked == len(h.Steps()) {
		t.Error("the second attempt asked nothing")
	}
	if got, want := h.inboxes(), (map[string]int{"a@bioage.example": 1, "b@bioage.example": 1, "full@bioage.example": 1}); !maps.Equal(got, want) {
		t.Errorf("inboxes %v, want %v", got, want)
	}
	// A person who has the address put right sends it again from the dead letters.
	h.Answer(nil)
	if o := h.sink(t).Send(t.Context(), m); !o.OK {
		t.Errorf("Send = %+v after the addresses were put right, want OK", o)
	}
	want := map[string]int{"a@bioage.example": 1, "b@bioage.example": 1, "full@bioage.example": 1, "gone@bioage.example": 1, "spam@bioage.example": 1}
	if got := h.inboxes(); !maps.Equal(got, want) {
		t.Errorf("inboxes %v, want %v", got, want)
	}
}

// A server takes a message, and says that it does not. relgate is killed before it has noted that
// the message was given up, and tries again: there is still one, and it is given up. Where no
// attempt was cut off a person has sent it again.
func TestALieIsNotSentTwice(t *testing.T) {
	h := newHouse(t)
	h.Answer(func(step smtptest.Step, _ string) smtptest.Mode {
		if step == smtptest.End {
			return smtptest.Mode{Reply: "554 5.3.0 no", Take: true}
		}
		return smtptest.Mode{}
	})
	m := communication("a@bioage.example")
	first := h.sink(t).Send(t.Context(), m)
	h.Answer(nil)
	cut := m
	cut.Unsure = time.Now()
	for range 2 {
		if o := h.sink(t).Send(t.Context(), cut); o != first || !o.Refused {
			t.Errorf("Send = %+v, want %+v again", o, first)
		}
	}
	if got := h.inboxes(); got["a@bioage.example"] != 1 {
		t.Errorf("inboxes %v, want one message", got)
	}
	if o := h.sink(t).Send(t.Context(), m); !o.OK {
		t.Errorf("a person sends it again: %+v", o)
	}
}

// TestInterruptedAtEachStep ends the first attempt in each way there is and makes another
// with a sink that is new, as after a restart.
func TestInterruptedAtEachStep(t *testing.T) {
	steps := []smtptest.Step{smtptest.Connect, smtptest.Hello, smtptest.StartTLS, smtptest.Auth, smtptest.Mail, smtptest.Rcpt, smtptest.Data, smtptest.End, smtptest.Quit}
	type row struct {
		what string
		step smtptest.Step
		mode smtptest.Mode
	}
	var rows []row
	for _, step := range steps {
		rows = append(rows, row{"closed", step, smtptest.Mode{Drop: true}}, row{"hangs", step, smtptest.Mode{Hang: true}})
		if step != smtptest.Quit {
			rows = append(rows, row{"declined", step, smtptest.Mode{Reply: "451 4.3.0 later"}})
		}
	}
	rows = append(rows, row{"taken and closed", smtptest.End, smtptest.Mode{Drop: true, Take: true}}, row{"taken and hangs", smtptest.End, smtptest.Mode{Hang: true, Take: true}})
	for _, kind := range []struct {
		name    string
		message outbox.Message
		once    bool
	}{{"communication", communication("a@bioage.example, b@bioage.example"), true}, {"alarm", alarm(), false}} {
		for _, r := range rows {
			t.Run(fmt.Sprintf("%s %s at %s", kind.name, r.what, r.step), func(t *testing.T) {
				h := newHouse(t)
				h.config.To = []string{"a@bioage.example", "b@bioage.example"}
				var n atomic.Int32
				h.Answer(func(step smtptest.Step, _ string) smtptest.Mode {
					if step == r.step && n.Add(1) == 1 {
						return r.mode
					}
					return smtptest.Mode{}
				})
				ctx, cancel := context.WithCancel(t.Context())
				if r.mode.Hang {
					go func() { // ends with the hang
						<-h.Hung()
						cancel()
					}()
				}
				one := h.sink(t).Send(ctx, kind.message)
				cancel()
				two := h.sink(t).Send(t.Context(), kind.message)

				doubt := r.step == smtptest.End && (r.mode.Drop || r.mode.Hang)
				switch {
				case r.step == smtptest.Quit:
					if !one.OK || !two.OK {
						t.Errorf("%+v, then %+v; both have it before QUIT", one, two)
					}
				case one.Doubt != doubt:
					t.Errorf("the first attempt: %+v, want doubt %v", one, doubt)
				case one.OK || one.Refused != (doubt && kind.once && r.mode.Drop): // b has it then, and a is not sent it again
					t.Errorf("the first attempt: %+v, want one that is tried again", one)
				case doubt && kind.once:
					if !two.Refused || !two.Doubt || !strings.Contains(two.Reason, "did not say whether") {
						t.Errorf("the second attempt: %+v, want that it is not known", two)
					}
				case !two.OK:
					t.Errorf("the second attempt: %+v, want OK", two)
				}
				want := map[string]int{"a@bioage.example": 1, "b@bioage.example": 1}
				if doubt && kind.once && !r.mode.Take {
					delete(want, "a@bioage.example") // never twice is more than always once
				}
				if doubt && !kind.once && r.mode.Take {
					want["a@bioage.example"] = 2
				}
				if got := h.inboxes(); !maps.Equal(got, want) {
					t.Errorf("inboxes %v, want %v", got, want)
				}
				for _, m := range h.Messages() {
					parsed, err := mail.ReadMessage(strings.NewReader(string(m.Data)))
					if err != nil {
						t.Fatal(err)
					}
					repeated := doubt && !kind.once && m.To[0] == "a@bioage.example" && m.TLS && strings.HasPrefix(parsed.Header.Get("Subject"), "Repeated: ")
					if doubt && !kind.once && m.To[0] == "a@bioage.example" && !r.mode.Take && !repeated {
						t.Errorf("a repetition in doubt has the subject %q", parsed.Header.Get("Subject"))
					}
					if m.To[0] == "b@bioage.example" && strings.HasPrefix(parsed.Header.Get("Subject"), "Repeated: ") {
						t.Error("what b never had is marked as a repetition")
					}
				}
			})
		}
	}
}

func TestWithoutMemoryNothingIsSent(t *testing.T) {
	h := newHouse(t)
	h.memory.refuse = func(value string) error {
		if value == "begun" {
			return errFull
		}
		return nil
	}
	if o := h.sink(t).Send(t.Context(), communication("a@bioage.example")); o.OK || o.Refused || !strings.Contains(o.Reason, "disk full") {
		t.Errorf("Send = %+v, want another attempt because the memory is full", o)
	}
	if n := len(h.Messages()); n != 0 {
		t.Fatalf("%d messages were taken, of which nothing would be known", n)
	}
	// It is sent, and that cannot be remembered: what is known is that it was begun.
	h.memory.refuse = func(value string) error {
		if value == "sent" {
			return errFull
		}
		return nil
	}
	if o := h.sink(t).Send(t.Context(), communication("a@bioage.example")); o.OK || o.Refused {
		t.Errorf("Send = %+v, want another attempt", o)
	}
	h.memory.refuse = nil
	if o := h.sink(t).Send(t.Context(), communication("a@bioage.example")); !o.Refused {
		t.Errorf("Send = %+v, want that it is not known", o)
	}
	if n := len(h.Messages()); n != 1 {
		t.Errorf("%d messages, want one", n)
	}
	for key := range h.memory.all() {
		if !strings.HasPrefix(key, "execs bioage@1.0.x7k2/12 ") {
			t.Errorf("key %q does not begin with the event's id, so it would outlive the run", key)
		}
	}
}

// TestAnAlarmWaitsForNoMemory has the memory fail in each way: two alarms are better than
// none.
func TestAnAlarmWaitsForNoMemory(t *testing.T) {
	h := newHouse(t)
	h.memory.refuse = func(string) error { return errFull }
	for n := range 2 {
		if o := h.sink(t).Send(t.Context(), alarm()); !o.OK || len(h.Messages()) != n+1 {
			t.Errorf("Send = %+v, %d messages, want one more of each", o, len(h.Messages()))
		}
	}
	h.memory.broken = errFull
	if o := h.sink(t).Send(t.Context(), alarm()); !o.OK {
		t.Errorf("Send of an alarm = %+v while the memory cannot be read, want OK", o)
	}
	if o := h.sink(t).Send(t.Context(), communication("a@bioage.example")); o.OK || o.Refused || !strings.Contains(o.Reason, "disk full") {
		t.Errorf("Send of a message = %+v while the memory cannot be read, want another attempt", o)
	}
	repeated := alarm()
	repeated.Repeated = true
	if o := h.sink(t).Send(t.Context(), repeated); !o.OK || !strings.Contains(string(h.Messages()[3].Data), "\r\nSubject: Repeated: ") || strings.Count(string(h.Messages()[3].Data), "You may have this message already") != 2 {
		t.Errorf("Send of a repetition = %+v, want its subject to say so", o)
	}
}

// TestNoTextEndsItsPart puts the boundary of a message into the text of one of the same event.
func TestNoTextEndsItsPart(t *testing.T) {
	h := newHouse(t)
	boundary := ""
	for range 3 {
		m := message(wire.EventBody{
			Kind: "communication", ID: "bioage@1.0.x7k2/12", Run: "bioage@1.0", Plan: "bioage",
			Message: &wire.Message{Name: "n", Subject: "s", Target: "a@bioage.example", Text: "a\n--" + boundary + "\n\nb"},
		})
		raw, err := h.sink(t).Written(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := mail.ReadMessage(strings.NewReader(string(raw)))
		if err != nil {
			t.Fatal(err)
		}
		_, parameters, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
		if err != nil {
			t.Fatal(err)
		}
		boundary = parameters["boundary"]
		parts, n := multipart.NewReader(parsed.Body, boundary), 0
		for ; ; n++ {
			if _, err := parts.NextPart(); err != nil {
				break
			}
		}
		if n != 2 {
			t.Errorf("%d parts, want 2:\n%s", n, raw)
		}
	}
}

func TestConfigsThatAreWrong(t *testing.T) {
	good := email.Config{Name: "execs", Host: "mail.bioage.example", From: "gate@bioage.example", Memory: newMemory()}
	if _, err := email.New(good); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*email.Config){
		"no host": func(c *email.Config) { c.Host = "" }, "a host with a port": func(c *email.Config) { c.Host = "mail:25" }, "a host with a line break": func(c *email.Config) { c.Host = "a\r\nb" },
		"a port that there is not": func(c *email.Config) { c.Port = 70000 }, "no sender": func(c *email.Config) { c.From = "" }, "a sender of two lines": func(c *email.Config) { c.From = "a@b.example\r\nBcc: c@d.example" },
		"a recipient that is none": func(c *email.Config) { c.To = []string{"all"} }, "an address for answers that is none": func(c *email.Config) { c.ReplyTo = "x" },
		"a name for EHLO that is none": func(c *email.Config) { c.Hello = "a b" }, "a password alone": func(c *email.Config) { c.Password = password }, "a name alone": func(c *email.Config) { c.Username = "relgate" },
		"a password of two lines": func(c *email.Config) { c.Username, c.Password = "relgate", password+"\n" }, "an encryption that there is not": func(c *email.Config) { c.Encryption = "ssl" },
		"no time": func(c *email.Config) { c.Timeout = -1 }, "an address list that is none": func(c *email.Config) { c.Allow = []string{"a b"} }, "no memory": func(c *email.Config) { c.Memory = nil }, "no name": func(c *email.Config) { c.Name = "" },
	} {
		c := good
		change(&c)
		if _, err := email.New(c); err == nil || strings.Contains(err.Error(), password) {
			t.Errorf("%s: New = %v, want an error without the password", what, err)
		}
	}
}

func TestWhoGetsAnEvent(t *testing.T) {
	asked := message(wire.EventBody{Kind: "approval", Type: "relgate.approval.asked", ID: "bioage@1.0.x7k2/3", Run: "bioage@1.0", Plan: "bioage", Headline: "Approval is asked", Message: &wire.Message{Name: "approval of start", Subject: "Approval is asked", Text: "Sign it.", Target: "role@bioage.example"}})
	h := newHouse(t)
	h.config.Whom = func(_ context.Context, e *wire.EventBody) ([]email.Recipient, error) {
		return []email.Recipient{
			{Address: "rm@bioage.example", Link: "https://gate.bioage.example/v1/sign/rm", Label: "Approve as Release Manager"},
			{Address: "rm@bioage.example", Link: "https://gate.bioage.example/v1/sign/po", Label: "Approve as Product Manager"},
			{Address: "no address"},
			{Address: "cto@bioage.example", Link: "javascript:alert(1)", Label: "Approve"},
		}, nil
	}
	o := h.sink(t).Send(t.Context(), asked)
	if !o.Refused || !strings.Contains(o.Reason, `"no address"`) {
		t.Errorf("Send = %+v, want that one address is wrong", o)
	}
	ids := map[string]bool{}
	links := 0
	for _, m := range h.Messages() {
		parsed, _ := mail.ReadMessage(strings.NewReader(string(m.Data)))
		ids[parsed.Header.Get("Message-Id")] = true
		for _, who := range []string{"/sign/rm", "/sign/po"} {
			if strings.Contains(strings.ReplaceAll(string(m.Data), "=\r\n", ""), who) {
				links++
				if m.To[0] != "rm@bioage.example" {
					t.Errorf("%s got a link that is another's", m.To)
				}
			}
		}
		if strings.Contains(string(m.Data), "javascript") {
			t.Error("a link runs a script")
		}
	}
	if len(ids) != 3 || links != 2 {
		t.Errorf("%d different messages and %d with links of their own, want 3 and 2", len(ids), links)
	}
	h.config.Whom = func(context.Context, *wire.EventBody) ([]email.Recipient, error) { return nil, errors.New("no people") }
	if o := h.sink(t).Send(t.Context(), asked); o.OK || o.Refused || !strings.Contains(o.Reason, "no people") {
		t.Errorf("Send = %+v, want another attempt", o)
	}
	h.config.Whom, h.config.To = nil, nil
	if o := h.sink(t).Send(t.Context(), asked); !o.OK || h.inboxes()["role@bioage.example"] != 1 {
		t.Errorf("Send = %+v, inboxes %v, want it to go to whom the event names", o, h.inboxes())
	}
	asked = alarm()
	if o := h.sink(t).Send(t.Context(), asked); !o.Refused || !strings.Contains(o.Reason, "no recipient") {
		t.Errorf("Send = %+v, want that there is no recipient", o)
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]bool{
		"a@b.example": true, "Ärztin Ä <a@b.example>": true, "a+b@b.example": true, "  a@b.example ": true,
		"": false, "a": false, "@b.example": false, "a@": false, "a@b.example\r\nBcc: x@y.example": false, "a@b.example>\nRCPT TO:<c@d.example": false,
		`"a b"@c.example`: false, "a@[127.0.0.1]": false, "a@127.0.0.1": false, "a@bücher.example": false, "ä@b.example": false, "a@b..example": false,
		"a@-b.example": false, strings.Repeat("a", 65) + "@b.example": false, "a@" + strings.Repeat("b", 64) + ".example": false,
		"a\u202e@b.example": false, "a <b@c.example> d": false, "a@b.example, c@d.example": false, "=?utf-8?q?a=0d=0aBcc:_x?= <a@b.example>": false,
	} {
		if _, err := email.ParseAddress(text); (err == nil) != want {
			t.Errorf("ParseAddress(%q) = %v, want it taken: %v", text, err, want)
		}
	}
}
