package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/webhook"
)

// Sink sends messages to one server. It is safe for concurrent use.
type Sink struct {
	config  Config
	from    *mail.Address
	replyTo *mail.Address // nil: answers go to from
	hello   string
	tls     *tls.Config
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

// New makes the sink. The error lists what is wrong with the config.
func New(c Config) (*Sink, error) {
	dial, notAllow := webhook.Dialer(c.Allow)
	err := errors.Join(c.Check(), notAllow)
	if c.Name == "" || c.Memory == nil {
		err = errors.Join(err, errors.New("a name and a memory are required"))
	}
	if err != nil {
		return nil, fmt.Errorf("email %q: %w", c.Name, err)
	}
	s := &Sink{config: c.withDefaults(), dial: dial, hello: c.Hello, tls: &tls.Config{}}
	s.from, _ = ParseAddress(c.From)
	if c.ReplyTo != "" {
		s.replyTo, _ = ParseAddress(c.ReplyTo)
	}
	if s.hello == "" {
		_, s.hello, _ = strings.Cut(s.from.Address, "@")
	}
	if c.TLS != nil {
		s.tls = c.TLS.Clone()
	}
	s.tls.ServerName, s.tls.MinVersion = c.Host, max(s.tls.MinVersion, tls.VersionTLS12)
	return s, nil
}

// What is remembered of a message to a recipient.
const (
	sent    = "sent"    // the server has it
	begun   = "begun"   // the server was about to be given its end: it may have it
	refused = "refused" // the server will not have it; forgotten when nobody waits any more
)

// Send makes one attempt to bring the message to every recipient who does not have it.
func (s *Sink) Send(ctx context.Context, m outbox.Message) outbox.Outcome {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	l, err := write(m, s.config.External)
	if err != nil {
		return outbox.Outcome{Refused: true, Reason: err.Error()}
	}
	all, err := s.recipients(ctx, l)
	if err != nil {
		return outbox.Outcome{Reason: err.Error()}
	}
	if len(all.list) == 0 {
		return outbox.Outcome{Refused: true, Reason: all.wrong}
	}
	round := round{sink: s, letter: l, all: all}
	defer round.close()
	for _, r := range all.list {
		round.try(ctx, r)
	}
	return round.outcome(ctx)
}

// addressed are those to whom a message goes.
type addressed struct {
	list  []to
	wrong string // why some cannot be reached, or there is none; empty where all can
}

// recipients finds out to whom a message goes. An address that cannot be read keeps the
// message from nobody else.
func (s *Sink) recipients(ctx context.Context, l *letter) (addressed, error) {
	var out addressed
	add := func(text, link, label string) {
		list, err := parseList(text)
		if err != nil {
			out.wrong = err.Error()
		}
		for _, a := range list {
			one := to{Address: a, link: link, label: label}
			if !slices.ContainsFunc(out.list, func(other to) bool { return other.key() == one.key() }) {
				out.list = append(out.list, one)
			}
		}
	}
	if !l.once && s.config.Whom != nil {
		whom, err := s.config.Whom(ctx, &l.event)
		if err != nil {
			return out, fmt.Errorf("looking up the recipients: %w", err)
		}
		for _, r := range whom {
			add(r.Address, r.Link, r.Label)
		}
	}
	target := l.event.Target
	if m := l.event.Message; m != nil {
		target = m.Target
	}
	if target != "" && len(out.list) == 0 {
		for one := range strings.SplitSeq(target, ",") {
			add(one, "", "")
		}
	}
	if len(out.list) == 0 && out.wrong == "" {
		for _, address := range s.config.To {
			add(address, "", "")
		}
	}
	if len(out.list) == 0 && out.wrong == "" {
		out.wrong = `there is no recipient: name one in the plan ("email execs@example.com") or as to of the sink`
	}
	return out, nil
}

// round is one attempt at all recipients.
type round struct {
	sink    *Sink
	letter  *letter
	all     addressed
	session *session // nil while there is no connection

	has    int      // recipients who have it
	never  []string // why others will not get it
	later  string   // why the first of the rest did not get it now; empty where there is no rest
	closed bool     // the server cannot be reached now: nobody else is tried
	marked []string // keys of those that the server refused
	unsure bool     // of some it is not known whether they have it
}

// keepWithin bounds how long keeping something may take once the attempt is over.
const keepWithin = 5 * time.Second

func (r *round) key(one to) string { return r.letter.id + " " + one.key() }

// try brings the message to one recipient, unless that is settled.
func (r *round) try(ctx context.Context, one to) {
	s, key := r.sink, r.key(one)
	mark, err := s.config.Memory.Kept(ctx, s.config.Name, key)
	if err != nil && r.letter.once { // an alarm waits for no memory
		r.wait("reading what was sent: " + err.Error())
		return
	}
	said, why, _ := strings.Cut(mark, " ")
	switch {
	case said == sent:
		r.has++
	case said == refused:
		r.refuse(one, key, why)
	case said == begun && r.letter.once:
		r.doubt(one)
	case r.closed:
		r.wait("the connection to the server ended")
	default:
		r.send(ctx, one, key, said == begun || r.letter.repeated)
	}
}

// send gives the message to the server.
//
// A crash after the mark begun and before the answer is kept leaves a message of which it
// is not known whether it was taken. A crash before the mark leaves one that was not: the
// server takes nothing before it has seen its end.
func (r *round) send(ctx context.Context, one to, key string, repeated bool) {
	s := r.sink
	if r.session == nil {
		var f *fault
		if r.session, f = s.open(ctx); f != nil {
			r.session, r.closed = nil, true
			r.wait(f.reason)
			return
		}
	}
	m, err := s.compose(r.letter, one, repeated)
	if err != nil {
		r.wait(err.Error())
		return
	}
	// What the server says is kept also when the attempt is over.
	keep := func(value string) error {
		keeping, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
		defer cancel()
		err := s.config.Memory.Keep(keeping, s.config.Name, key, value)
		if !r.letter.once {
			return nil // two alarms are better than none
		}
		return err
	}
	f := r.session.deliver(s.from.Address, one.Address.Address, m, func() error {
		if err := keep(begun); err != nil {
			return fmt.Errorf("remembering that a message is sent: %w", err)
		}
		return nil
	})
	switch {
	case f == nil:
		if err := keep(sent); err != nil {
			r.wait("remembering that a message was sent: " + err.Error())
			return
		}
		r.has++
	case f.doubt:
		r.unsure = true
		r.drop()
		if r.letter.once {
			r.doubt(one)
			return
		}
		r.wait(f.reason)
	case f.refused:
		if err := keep(refused + " " + f.reason); err != nil {
			r.wait("remembering that an address was refused: " + err.Error())
			return
		}
		r.refuse(one, key, f.reason)
	default:
		// What a server declines for now it has not taken. In doubt from an earlier
		// attempt it stays.
		if err := keep(map[bool]string{true: begun}[repeated]); err != nil {
			r.wait("remembering that a message was not taken: " + err.Error())
			return
		}
		r.wait(f.reason)
	}
	if f != nil && f.broken {
		r.drop()
	}
}

// drop ends the connection, which is of no use any more, and the attempt with it.
func (r *round) drop() {
	r.closed = true
	if r.session != nil {
		r.session.end()
		r.session = nil
	}
}

func (r *round) close() {
	if r.session != nil {
		r.session.close()
	}
}

func (r *round) wait(reason string) {
	if r.later == "" {
		r.later = reason
	}
}

func (r *round) refuse(one to, key, why string) {
	r.never = append(r.never, one.Address.Address+": "+why)
	r.marked = append(r.marked, key)
}

func (r *round) doubt(one to) {
	r.unsure = true
	r.never = append(r.never, one.Address.Address+": the server did not say whether it took the message, so it is not sent again: ask them, and send it by hand where it is missing")
}

// outcome is what the attempt came to. While some wait the others' refusals are kept, so
// that a retry asks only for those; when the message is given up they are forgotten, so that
// a person who sends it again has every address tried.
func (r *round) outcome(ctx context.Context) outbox.Outcome {
	never := r.never
	if r.all.wrong != "" {
		never = append(never, r.all.wrong)
	}
	have := fmt.Sprintf("%d of %d have it", r.has, len(r.all.list))
	switch {
	case r.later != "":
		return outbox.Outcome{Doubt: r.unsure, Reason: r.later + "; " + have}
	case len(never) == 0:
		return outbox.Outcome{OK: true, Kept: "<" + r.sink.messageID("event", r.letter.id) + ">"}
	}
	for _, key := range r.marked {
		if err := r.sink.config.Memory.Keep(ctx, r.sink.config.Name, key, ""); err != nil {
			return outbox.Outcome{Reason: "forgetting refusals: " + err.Error()}
		}
	}
	return outbox.Outcome{Refused: true, Doubt: r.unsure, Reason: strings.Join(never, "; ") + "; " + have}
}
