package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/webhook/format"
)

// call is the first request of a message; nil where the endpoint's format has nothing to
// say of it. It is the same on every attempt.
func (s *Sink) call(ctx context.Context, m outbox.Message) (*format.Call, error) {
	if s.make == nil {
		return &format.Call{URL: s.endpoint.URL, Body: body(m)}, nil
	}
	f, err := s.facts(ctx, m)
	if err != nil {
		return nil, err
	}
	call, err := s.make(f)
	if err != nil {
		return nil, fmt.Errorf("writing event %q as %s: %w", m.ID, s.endpoint.Format.Name, err)
	}
	return call, nil
}

// facts is what a format writes a message from.
func (s *Sink) facts(ctx context.Context, m outbox.Message) (format.Facts, error) {
	f := format.Facts{ID: m.ID, Type: m.Type, Repeated: m.Repeated}
	data := m.Data
	if m.Type == outbox.TypeEscalated {
		var e struct {
			Endpoint string          `json:"endpoint"`
			Attempts int             `json:"attempts"`
			Reason   string          `json:"reason"`
			Event    json.RawMessage `json:"event"`
		}
		if err := json.Unmarshal(m.Data, &e); err != nil {
			return f, fmt.Errorf("reading escalation %q: %w", m.ID, err) // unreachable: the outbox has written it
		}
		data, f.Stuck = e.Event, &format.Stuck{Endpoint: e.Endpoint, Attempts: e.Attempts, Reason: e.Reason}
	}
	if err := json.Unmarshal(data, &f.Event); err != nil {
		return f, fmt.Errorf("reading event %q: %w", m.ID, err)
	}
	if err := s.around(ctx, m, &f); err != nil {
		return f, fmt.Errorf("reading the run of event %q: %w", m.ID, err)
	}
	return f, nil
}

// around adds what a format needs of the run before the event, and after it.
func (s *Sink) around(ctx context.Context, m outbox.Message, f *format.Facts) (err error) {
	need := s.endpoint.Format.Needs
	switch {
	case need == format.NeedsNothing || f.Event.Run == "":
		return nil
	case need != format.NeedsRun:
		if m.N > 1 {
			f.Earlier, err = s.endpoint.Earlier(ctx, f.Event.Run, m.N, need == format.NeedsBeginning)
		}
		return err
	}
	all, err := s.endpoint.Earlier(ctx, f.Event.Run, math.MaxUint64, false)
	for _, e := range all {
		switch {
		case e.N < m.N:
			f.Earlier = append(f.Earlier, e)
		case e.N > m.N:
			f.Later = append(f.Later, e)
		}
	}
	return err
}

// request is a call as it travels.
func (s *Sink) request(ctx context.Context, m outbox.Message, call *format.Call) (*http.Request, error) {
	method := call.Method
	if method == "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, call.URL, bytes.NewReader(call.Body))
	if err != nil || !sameHost(call.URL, s.endpoint.URL) {
		return nil, errors.New("the URL cannot be used, or leads to another host than the endpoint's")
	}
	id := format.HeaderText(m.ID)
	if s.make == nil {
		header(req.Header, m, id)
	} else if len(call.Body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", s.agent)
	for name, value := range call.Header {
		req.Header.Set(name, value)
	}
	for name, value := range s.endpoint.Headers {
		req.Header.Set(name, value)
	}
	if s.make == nil || s.endpoint.Format.Signed {
		req.Header.Set("Idempotency-Key", id)
		sign(req.Header, s.keys, id, s.now(), call.Body)
	}
	if call.AWS != nil {
		return req, s.amazon.sign(ctx, req, call, s.now())
	}
	return req, nil
}

// sameHost reports whether two URLs lead to the same place by the same protocol. What
// may be called was checked for the endpoint's.
func sameHost(a, b string) bool {
	one, err := url.Parse(a)
	other, wrong := url.Parse(b)
	return err == nil && wrong == nil && one.Scheme == other.Scheme && one.Host == other.Host
}

// body is the message as Standard Webhooks recommends.
func body(m outbox.Message) []byte {
	b := make([]byte, 0, len(m.Data)+128)
	b = append(b, `{"type":"`...)
	b = append(b, m.Type...) // letters, dots and underscores only
	b = append(b, `","timestamp":"`...)
	b = m.At.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","data":`...)
	b = append(b, m.Data...)
	return append(b, '}')
}

// header writes everything but the signature. id is the message's in the form of
// a header.
func header(h http.Header, m outbox.Message, id string) {
	h.Set("Content-Type", "application/json")
	h.Set("Ce-Specversion", "1.0")
	h.Set("Ce-Id", id)
	h.Set("Ce-Source", "/plans/"+url.PathEscape(m.Plan))
	h.Set("Ce-Type", m.Type)
	h.Set("Ce-Time", m.At.Format(time.RFC3339Nano))
	if m.Subject != "" {
		h.Set("Ce-Subject", format.HeaderText(m.Subject))
	}
}
