package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/relgate/relgate/evaluator"
)

// TypeEscalated is the type of a message that says that an action endpoint does
// not take its events.
const TypeEscalated = "relgate.delivery.escalated"

// message is what one event looks like on the wire. Stamp and signature differ
// from attempt to attempt.
type message struct {
	id      string
	kind    string // the type
	at      time.Time
	source  string
	subject string
	data    []byte // what the body is about
	body    []byte
}

// escalation is the data of a TypeEscalated message.
type escalation struct {
	Endpoint string          `json:"endpoint"` // which does not answer
	Attempts int             `json:"attempts"`
	Reason   string          `json:"reason"`
	Event    json.RawMessage `json:"event"` // what it has not taken; null when it could not be encoded
}

// Type is the type under which an event is sent: relgate.phase.passed,
// relgate.rule.fired, relgate.run.rolled_back.
func Type(e evaluator.Event) string {
	return "relgate." + word(string(e.Kind), "event") + "." + word(e.To, "changed")
}

// word is s where s can be a part of a type, and otherwise another word.
func word(s, otherwise string) string {
	if s == "" || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") != "" {
		return otherwise
	}
	return s
}

// message makes what is sent of an event.
func (w *worker) message(ctx context.Context, s evaluator.Stored) (message, error) {
	data, err := w.encode(ctx, s)
	if err != nil {
		return message{}, fmt.Errorf("encoding event %q: %w", s.Event.ID, err)
	}
	return pack(s.Event, s.Event.ID, Type(s.Event), data), nil
}

// raw is the default encoding: the event in the very bytes that were committed.
func raw(_ context.Context, s evaluator.Stored) ([]byte, error) {
	if len(s.Raw) == 0 {
		return nil, errors.New("it has no stored form")
	}
	return s.Raw, nil
}

func newEscalation(s evaluator.Stored, event []byte, endpoint string, attempts int, reason string) (message, error) {
	data, err := json.Marshal(escalation{Endpoint: endpoint, Attempts: attempts, Reason: reason, Event: event})
	if err != nil {
		return message{}, fmt.Errorf("encoding event %q: %w", s.Event.ID, err)
	}
	return pack(s.Event, s.Event.ID+"/escalated/"+endpoint, TypeEscalated, data), nil
}

// pack makes the body that Standard Webhooks recommends.
func pack(e evaluator.Event, id, kind string, data []byte) message {
	at := e.At.UTC()
	body := make([]byte, 0, len(data)+128)
	body = append(body, `{"type":"`...)
	body = append(body, kind...) // letters, dots and underscores only
	body = append(body, `","timestamp":"`...)
	body = at.AppendFormat(body, time.RFC3339Nano)
	body = append(body, `","data":`...)
	body = append(body, data...)
	body = append(body, '}')
	return message{
		id: headerText(id), kind: kind, at: at, data: data, body: body,
		source: "/plans/" + url.PathEscape(e.Plan), subject: e.Subject,
	}
}

// header writes everything but the signature.
func (m message) header(h http.Header) {
	h.Set("Content-Type", "application/json")
	h.Set("Idempotency-Key", m.id)
	h.Set("Ce-Specversion", "1.0")
	h.Set("Ce-Id", m.id)
	h.Set("Ce-Source", m.source)
	h.Set("Ce-Type", m.kind)
	h.Set("Ce-Time", m.at.Format(time.RFC3339Nano))
	if m.subject != "" {
		h.Set("Ce-Subject", headerText(m.subject))
	}
}

// headerText writes text as CloudEvents' HTTP binding wants it in a header:
// what is not plain ASCII in per cent.
func headerText(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
