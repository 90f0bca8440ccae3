package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/wire"
)

// Sink brings messages to one receiver. It keeps no state but connections, which
// it frees in a method CloseIdleConnections if it has one, and what it can look up
// again; what it must not forget is in a [Memory]. It is called by several goroutines
// at once.
type Sink interface {
	// Send makes one attempt and says what it came to. It takes as long as the sink
	// allows an attempt to take, and ends when ctx is done.
	Send(ctx context.Context, m Message) Outcome
}

// Looker is a sink that can tell, before a step of a way back is needed, whether it could be
// done. Nothing is done by that.
type Looker interface {
	// Look says in Kept what would be done, or in Reason why it could not. Skipped: it cannot
	// be told without doing it.
	Look(ctx context.Context, m Message) Outcome
}

// Message is what is sent of one event. It is the same on every attempt, but for Unsure.
type Message struct {
	ID      string    // of the event, or made from it: what a receiver knows a repetition by
	Type    string    // "relgate.run.rolled_back"
	N       uint64    // the event's number in its run, from 1
	Plan    string    // the event's plan
	Subject string    // what it is about; may be empty
	At      time.Time // when it happened, by the plan's clock; UTC
	Data    []byte    // a JSON value
	// Order is true of an order, and of what tells that an event does not arrive: it
	// shares no connection with another message, which may hang.
	Order bool
	// Unsure is when an attempt may last have been made of which nothing is known, because
	// relgate was killed in it or cut it off; zero where there was none. A sink of which a
	// receiver knows no repetition waits until what was asked for would show.
	Unsure time.Time
	// Repeated is true where it may have arrived before and the receiver cannot tell: the
	// sink says so in what it sends. See [Once].
	Repeated bool
}

// Outcome is what an attempt came to.
type Outcome struct {
	OK         bool          // the receiver has it, or Skipped
	Skipped    bool          // nothing was sent: the sink has nothing to say of the message
	Kept       string        // of the answer, for the log: what the receiver says that it has started; one line
	Doubt      bool          // of a failure: the receiver may have it nevertheless
	Waits      bool          // the receiver has it, and a person there has yet to act, as Reason says: asked again after RetryAfter for as long as that takes
	Refused    bool          // it would refuse this message again; said of orders too, which are tried again nevertheless
	RetryAfter time.Duration // for how long the receiver wants to be left alone; zero where it did not say
	Reason     string        // of a failure, for people; without URL, secret or answer
}

// TypeEscalated is the type of a message that says that an endpoint does not take
// an event.
const TypeEscalated = "relgate.delivery.escalated"

// escalation is the data of a TypeEscalated message.
type escalation struct {
	Endpoint string          `json:"endpoint"` // which does not answer
	Attempts int             `json:"attempts"` // failed ones; one that hangs is none yet
	Reason   string          `json:"reason"`
	Event    json.RawMessage `json:"event"` // what it has not taken; null when it could not be encoded
}

// raw is the default encoding: the event in the very bytes that were committed.
func raw(_ context.Context, s fact.Stored) ([]byte, error) {
	if len(s.Raw) == 0 {
		return nil, errors.New("it has no stored form")
	}
	return s.Raw, nil
}

// newMessage makes what is sent of an event.
func newMessage(e *fact.Event, data []byte) Message {
	return Message{Order: e.Order(), ID: e.ID, Type: wire.EventType(e), N: e.N, Plan: e.Plan, Subject: e.Subject, At: e.At.UTC(), Data: data}
}

// newEscalation makes what is sent of an event that an endpoint does not take.
func newEscalation(e *fact.Event, data []byte, endpoint string, attempts int, reason string) (Message, error) {
	body, err := json.Marshal(escalation{Endpoint: endpoint, Attempts: attempts, Reason: reason, Event: data})
	if err != nil {
		return Message{}, fmt.Errorf("encoding event %q: %w", e.ID, err)
	}
	m := newMessage(e, body)
	m.ID, m.Type, m.Order = e.ID+"/escalated/"+endpoint, TypeEscalated, true
	return m, nil
}
