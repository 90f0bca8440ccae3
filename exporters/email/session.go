package email

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"
)

// endWait is how long the server may think about a message that it has heard to its end: it
// may look for viruses in it, and who does not wait for its answer does not know whether it
// was sent. RFC 5321 asks for ten minutes, in which nothing else would be sent.
const endWait = 2 * time.Minute

// mostHeard bounds what a server may say over one connection.
const mostHeard = 1 << 20

// conn is a connection to the server. It hears no more than is sensible.
type conn struct {
	net.Conn
	left int
}

func (c *conn) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errTalkative
	}
	n, err := c.Conn.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

var (
	errTalkative = errors.New("the server sent more than a mail server should")
	errNoTLS     = errors.New("the server offers no STARTTLS, which is required")
	errNoAuth    = errors.New("the server offers neither AUTH PLAIN nor AUTH LOGIN over this connection")
)

// session is a connection that takes mail.
type session struct {
	sink   *Sink
	client *smtp.Client
	raw    net.Conn
	end    func()
}

// fault is why a message was not taken.
type fault struct {
	reason  string
	refused bool // it would be refused again
	broken  bool // the connection is of no use any more
	all     bool // it is not this recipient's: no other would get it now
	doubt   bool // it may have been taken
}

// open connects, secures the connection and proves who we are. The time of the first recipient
// begins with it. When ctx is done the connection is closed at once, wherever it is: the
// server's answer is not waited for then, at no step.
func (s *Sink) open(ctx context.Context) (*session, *fault) {
	until := time.Now().Add(s.config.Timeout)
	opening, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	raw, err := s.dial(opening, "tcp", net.JoinHostPort(s.config.Host, strconv.Itoa(s.config.Port)))
	if err != nil {
		return nil, s.fault("connecting", err)
	}
	_ = raw.SetDeadline(until)
	c := net.Conn(&conn{Conn: raw, left: mostHeard})
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	x := &session{sink: s, raw: raw, end: func() { stop(); _ = raw.Close() }}
	if s.config.Encryption == Implicit {
		secured := tls.Client(c, s.tls)
		if err := secured.HandshakeContext(opening); err != nil {
			x.end()
			return nil, s.fault("TLS", err)
		}
		c = secured
	}
	if step, err := x.greet(c); err != nil {
		x.end()
		// A wrong password, a blocked address: a person puts it right, and what waits is
		// not given up for that, whatever the server says.
		return nil, s.fault(step, err)
	}
	return x, nil
}

// renew begins the time of the next recipient over this connection.
func (x *session) renew() { _ = x.raw.SetDeadline(time.Now().Add(x.sink.config.Timeout)) }

// greet comes as far as MAIL. It gives the step that failed.
func (x *session) greet(c net.Conn) (step string, err error) {
	if x.client, err = smtp.NewClient(c, x.sink.config.Host); err != nil {
		return "the greeting", err
	}
	x.client.SkipSMTPUTF8(true) // all addresses are ASCII
	if err := x.client.Hello(x.sink.hello); err != nil {
		return "EHLO", err
	}
	if x.sink.config.Encryption == StartTLS {
		if ok, _ := x.client.Extension("STARTTLS"); !ok {
			return "STARTTLS", errNoTLS
		}
		if err := x.client.StartTLS(x.sink.tls); err != nil {
			return "STARTTLS", err
		}
	}
	if x.sink.config.Username == "" {
		return "", nil
	}
	return "AUTH", x.authenticate()
}

// authenticate proves who we are by the first mechanism of ours that the server offers.
// Check has seen that the connection is secured.
func (x *session) authenticate() error {
	c := x.sink.config
	_, offered := x.client.Extension("AUTH")
	mechanisms := strings.Fields(strings.ToUpper(offered))
	for _, m := range mechanisms {
		if m == "PLAIN" {
			return x.client.Auth(smtp.PlainAuth("", c.Username, c.Password, c.Host, false))
		}
	}
	for _, m := range mechanisms {
		if m == "LOGIN" {
			return x.client.Auth(smtp.LoginAuth(c.Username, c.Password, c.Host, false))
		}
	}
	return errNoAuth
}

// close says goodbye and frees the connection. What the server answers changes nothing,
// so it has a second for it.
func (x *session) close() {
	_ = x.raw.SetDeadline(time.Now().Add(time.Second))
	_ = x.client.Quit()
	x.end()
}

// deliver gives the server one message for one recipient. about runs when everything has
// been said but the end of the message, after which it may be taken; its error stops that.
func (x *session) deliver(from, to string, m *gomail.Msg, about func() error) *fault {
	s := x.sink
	if err := x.client.Mail("<" + from + ">"); err != nil {
		return x.reset(s.fault("MAIL FROM", err))
	}
	if err := x.client.Rcpt("<" + to + ">"); err != nil {
		return x.reset(s.fault("RCPT TO", err))
	}
	w, err := x.client.Data()
	if err != nil {
		return x.reset(s.fault("DATA", err))
	}
	if _, err := m.WriteTo(w); err != nil {
		f := s.fault("the message", err)
		f.broken = true // there is no way to end a message without sending it
		return f
	}
	if err := about(); err != nil {
		return &fault{reason: err.Error(), broken: true, all: true}
	}
	_ = x.raw.SetDeadline(time.Now().Add(endWait))
	if err := w.Close(); err != nil {
		f := s.fault("the end of the message", err)
		f.doubt = f.broken
		return f
	}
	return nil
}

// reset brings the connection back to where the next message may begin.
func (x *session) reset(f *fault) *fault {
	if !f.broken && x.client.Reset() != nil {
		f.broken = true
	}
	return f
}

// fault says what went wrong at a step, without what an error may quote.
func (s *Sink) fault(step string, err error) *fault {
	if reply, ok := errors.AsType[*textproto.Error](err); ok {
		said := fmt.Sprintf("%s: the server answered %d", step, reply.Code)
		if words := s.clean(reply.Msg); words != "" {
			said += " (" + words + ")"
		}
		// A service that closes the channel says 421, at any step. One that wants a
		// password, or another encryption, says nothing of the message.
		all := reply.Code == 421 || reply.Code == 530 || reply.Code == 534 || reply.Code == 535 || reply.Code == 538
		return &fault{reason: said, refused: reply.Code/100 == 5 && !all, broken: all || reply.Code/100 != 4 && reply.Code/100 != 5, all: all}
	}
	return &fault{reason: step + ": " + s.reason(err), broken: true}
}

// reason says why there was no answer that could be read.
func (s *Sink) reason(err error) string {
	switch {
	case errors.Is(err, errNoTLS), errors.Is(err, errNoAuth), errors.Is(err, errTalkative):
		return err.Error()
	case errors.Is(err, context.Canceled), errors.Is(err, net.ErrClosed):
		return "stopped while waiting for the server"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), os.IsTimeout(err):
		return "the server did not answer in time"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the server closed the connection without an answer"
	}
	if cert, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the server's certificate is not trusted: " + cert.Err.Error()
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return "the server cannot be reached: " + op.Error()
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the server does not speak TLS here"
	}
	if _, ok := errors.AsType[tls.AlertError](err); ok {
		return "the server ended the TLS handshake"
	}
	return "the server does not speak SMTP"
}

// clean makes what a server says fit to be shown: one short line without the password.
func (s *Sink) clean(text string) string {
	for _, secret := range []string{s.config.Password, base64.StdEncoding.EncodeToString([]byte(s.config.Password)),
		base64.StdEncoding.EncodeToString([]byte("\x00" + s.config.Username + "\x00" + s.config.Password))} {
		if s.config.Password != "" {
			text = strings.ReplaceAll(text, secret, "[redacted]")
		}
	}
	text = strings.Join(strings.Fields(plain(strings.ReplaceAll(text, "\n", " "))), " ")
	if r := []rune(text); len(r) > 160 {
		text = string(r[:160]) + "…"
	}
	return text
}
