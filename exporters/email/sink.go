package email

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/mail"
	"slices"
	"strconv"
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
	begun   = "begun"   // the server was about to be given its end: it may have it; followed by how often it broke off
	hung    = "hung"    // the server broke off before that, at this recipient; followed by how often, where more than once
	refused = "refused" // the server will not have it, and others wait
	givenUp = "given"   // the server will not have it, and no other waits any more
)

// Send makes one attempt to bring the message to every recipient who does not have it. They
// come one after the other, each with the time of its own: one at whom the server hangs keeps
// the message from no other.
func (s *Sink) Send(ctx context.Context, m outbox.Message) outbox.Outcome {
	l, err := write(m, s.config.External)
	if err != nil {
		return outbox.Outcome{Refused: true, Reason: err.Error()}
	}
	looking, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	all, err := s.recipients(looking, l)
	if err != nil {
		return outbox.Outcome{Reason: err.Error()}
	}
	if len(all.list) == 0 {
		return outbox.Outcome{Refused: true, Reason: all.wrong}
	}
	round := round{sink: s, letter: l, all: all}
	defer round.close()
	var waiting []pending
	for _, one := range all.list {
		if p := round.look(looking, one); p != nil {
			waiting = append(waiting, *p)
		}
	}
	// Who made the server break off less often goes first: a few at whom it always does keep
	// the message from no other.
	slices.SortStableFunc(waiting, func(a, b pending) int { return cmp.Compare(a.turn(), b.turn()) })
	for _, p := range waiting {
		round.send(ctx, p)
	}
	return round.outcome(ctx)
}

// addressed are those to whom a message goes.
type addressed struct {
	list  []to
	wrong string // why some cannot be reached, or there is none; empty where all can
}

// recipients finds out to whom a message goes. An address that cannot be read does
// not keep the message from the others.
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

// mostBroken is how many conversations of an attempt the server may break off or leave without
// an answer. It is the server then, and not the recipients: the rest waits for the next
// attempt, which begins with them.
const mostBroken = 3

// round is one attempt at all recipients.
type round struct {
	sink    *Sink
	letter  *letter
	all     addressed
	session *session // nil while there is no connection

	have   []string    // addresses of those who have it
	later  []string    // of those who are to get it with another attempt
	why    string      // the first of them did not get it now
	never  []string    // why others will not get it
	marked [][2]string // keys of those that the server refused, and why
	unsure bool        // of some it is not known whether they have it
	broken int         // conversations that ended without an answer
	closed string      // why no other recipient is tried now; empty while they are
}

// pending is a recipient to whom the message is to be sent, and what is remembered of that.
type pending struct {
	to
	key, mark string
	broke     int // how often the server broke off at them
}

// turn is when it is the recipient's: the lowest goes first.
func (p *pending) turn() int {
	if p.mark == "" {
		return 0
	}
	return 1 + p.broke
}

// times is a mark with how often the server broke off.
func times(mark string, n int) string {
	if n == 0 {
		return mark
	}
	return mark + " " + strconv.Itoa(n)
}

// keepWithin bounds how long keeping something may take once the attempt is over.
const keepWithin = 5 * time.Second

// look finds out whether the message is to be sent to a recipient, and gives nil where that
// is settled.
func (r *round) look(ctx context.Context, one to) *pending {
	s, key := r.sink, r.letter.id+" "+one.key()
	mark, err := s.config.Memory.Kept(ctx, s.config.Name, key)
	if err != nil && r.letter.once { // an alarm waits for no memory
		r.wait(one, "reading what was sent: "+err.Error())
		return nil
	}
	said, why, _ := strings.Cut(mark, " ")
	switch {
	case said == sent:
		r.have = append(r.have, one.Address.Address)
	case said == refused, said == givenUp && r.letter.once && r.letter.unsure:
		// Where relgate was killed before it noted that the message was given up, a server
		// that took it and said no would have it twice.
		r.refuse(one, key, why)
	case said == begun && r.letter.once:
		r.doubt(one)
	default:
		if said == givenUp {
			said = "" // a person has had the address put right
		}
		broke, err := strconv.Atoi(why)
		if err != nil && said == hung {
			broke = 1 // as it was written once
		}
		return &pending{one, key, said, broke}
	}
	return nil
}

// send gives the message to the server.
//
// A crash after the mark begun and before the answer is kept leaves a message of which it
// is not known whether it was taken. A crash before the mark leaves one that was not: the
// server takes nothing before it has seen its end.
func (r *round) send(ctx context.Context, one pending) {
	s, repeated := r.sink, one.mark == begun || r.letter.repeated
	if r.closed != "" {
		r.wait(one.to, r.closed)
		return
	}
	if r.session == nil {
		var f *fault
		if r.session, f = s.open(ctx); f != nil {
			r.session, r.closed = nil, f.reason
			r.wait(one.to, f.reason)
			return
		}
	} else {
		r.session.renew()
	}
	m, err := s.compose(r.letter, one.to, repeated)
	if err != nil {
		r.wait(one.to, err.Error())
		return
	}
	// What the server says is kept also when the attempt is over.
	keep := func(value string) error {
		keeping, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepWithin)
		defer cancel()
		err := s.config.Memory.Keep(keeping, s.config.Name, one.key, value)
		if !r.letter.once {
			return nil // two alarms are better than none
		}
		return err
	}
	f := r.session.deliver(s.from.Address, one.Address.Address, m, func() error {
		if err := keep(times(begun, one.broke)); err != nil {
			return fmt.Errorf("remembering that a message is sent: %w", err)
		}
		return nil
	})
	if f != nil && f.broken {
		r.drop(ctx, f)
		if !f.all {
			one.broke++
		}
	}
	switch {
	case f == nil:
		if err := keep(sent); err != nil {
			r.wait(one.to, "remembering that a message was sent: "+err.Error())
			return
		}
		r.have = append(r.have, one.Address.Address)
	case f.doubt && r.letter.once:
		r.doubt(one.to)
	case f.doubt:
		_ = keep(times(begun, one.broke)) // of an alarm: it is sent again in any case
		r.unsure = true
		r.wait(one.to, f.reason)
	case f.refused:
		if err := keep(refused + " " + f.reason); err != nil {
			r.wait(one.to, "remembering that an address was refused: "+err.Error())
			return
		}
		r.refuse(one.to, one.key, f.reason)
	default:
		// What a server declines for now it has not taken. In doubt from an earlier
		// attempt it stays.
		mark := ""
		if repeated {
			mark = times(begun, one.broke)
		} else if one.broke > 0 {
			mark = times(hung, one.broke)
		}
		if err := keep(mark); err != nil {
			r.wait(one.to, "remembering that a message was not taken: "+err.Error())
			return
		}
		r.wait(one.to, f.reason)
	}
}

// drop ends the connection, which is of no use any more. The next recipient has another,
// unless what went wrong is of all of them.
func (r *round) drop(ctx context.Context, f *fault) {
	r.session.end()
	r.session = nil
	r.broken++
	if f.all || r.broken >= mostBroken || ctx.Err() != nil {
		r.closed = "the connection to the server ended"
	}
}

func (r *round) close() {
	if r.session != nil {
		r.session.close()
	}
}

func (r *round) wait(one to, reason string) {
	if r.why == "" {
		r.why = one.Address.Address + ": " + reason
	}
	r.later = append(r.later, one.Address.Address)
}

func (r *round) refuse(one to, key, why string) {
	r.never = append(r.never, one.Address.Address+": "+why)
	r.marked = append(r.marked, [2]string{key, why})
}

func (r *round) doubt(one to) {
	r.unsure = true
	r.never = append(r.never, one.Address.Address+": the server did not say whether it took the message, so it is not sent again: ask them, and send it by hand where it is missing")
}

// outcome is what the attempt came to. While some wait the others' refusals are kept, so
// that a retry asks only for those; when the message is given up that is kept, so that a
// person who sends it again has every address tried.
func (r *round) outcome(ctx context.Context) outbox.Outcome {
	never := r.never
	if r.all.wrong != "" {
		never = append(never, r.all.wrong)
	}
	have := fmt.Sprintf("%d of %d have it", len(r.have), len(r.all.list))
	if len(r.have) > 0 {
		have += ": " + listed(r.have)
	}
	switch {
	case len(r.later) > 0:
		return outbox.Outcome{Doubt: r.unsure, Reason: r.why + "; " + have + "; to be sent: " + listed(r.later)}
	case len(never) == 0:
		return outbox.Outcome{OK: true, Kept: "<" + r.sink.messageID("event", r.letter.id) + ">"}
	}
	for _, m := range r.marked {
		if err := r.sink.config.Memory.Keep(ctx, r.sink.config.Name, m[0], givenUp+" "+m[1]); err != nil {
			return outbox.Outcome{Reason: "keeping that it is given up: " + err.Error()}
		}
	}
	return outbox.Outcome{Refused: true, Doubt: r.unsure, Reason: strings.Join(never, "; ") + "; " + have}
}

// mostListed is how many addresses a reason names at most in one list.
const mostListed = 10

// listed writes addresses with commas between them.
func listed(addresses []string) string {
	if n := len(addresses) - mostListed; n > 0 {
		return strings.Join(addresses[:mostListed], ", ") + fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(addresses, ", ")
}
