package outbox

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
)

// Once is a sink before one whose receiver can neither tell a repetition nor be asked what
// it has: an incoming webhook, a mail server. It keeps in a [Memory] that a message is being
// sent before it is, and that it was.
//
// A message of which that is not known is in doubt: the process was killed, the answer was
// lost, or it was none that tells. By Again it is then sent once more with Repeated set,
// or never: it becomes a dead letter that says what a person has to look for.
type Once struct {
	Sink     Sink   // required
	Memory   Memory // required
	Endpoint string // name of the endpoint; required
	// Again reports whether a message in doubt is sent again: an alarm, of which two are
	// better than none. Of other messages none is better than two. Nil means never. What the
	// Memory cannot say or keep does not hold up a message that may be sent again.
	Again func(Message) bool
}

// What is kept of a message under its id and "/once".
const (
	onceSending = "sending"
	onceSent    = "sent"
)

// Send makes one attempt, unless the message was sent or is in doubt.
func (o Once) Send(ctx context.Context, m Message) Outcome {
	again, key := o.Again != nil && o.Again(m), m.ID+"/once"
	was, err := o.Memory.Kept(ctx, o.Endpoint, key)
	switch {
	case err != nil && !again:
		return Outcome{Reason: fmt.Sprintf("reading whether this was sent: %v", err)}
	case was == onceSent:
		return Outcome{OK: true, Skipped: true}
	case was != "" && !again:
		return Outcome{Refused: true, Doubt: true, Reason: "it is not known whether this arrived, and it is not sent a second time: look for it there, and send it by hand where it is missing"}
	}
	m.Repeated = was != ""
	if was == "" {
		if err := o.Memory.Keep(ctx, o.Endpoint, key, onceSending); err != nil && !again {
			return Outcome{Reason: fmt.Sprintf("keeping that this is sent: %v", err)}
		}
	}
	// A crash from here on leaves the message in doubt.
	out := o.Sink.Send(ctx, m)
	now := onceSent
	switch {
	case !out.OK && (out.Doubt || m.Repeated):
		return out
	case !out.OK:
		now = "" // it is certain that nothing arrived
	}
	// ctx may be done by now, and what was answered is to be kept nevertheless. Where it
	// cannot be, the message stays in doubt.
	keeping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := o.Memory.Keep(keeping, o.Endpoint, key, now); err != nil && !out.OK {
		out.Reason += fmt.Sprintf("; and keeping that it did not arrive: %v", err)
	}
	return out
}

// Alarm reports whether of a message two are better than none: all but the messages of a
// plan's communications, which people outside may read.
func Alarm(m Message) bool {
	var e struct {
		Kind    fact.EventKind  `json:"kind"`
		Message json.RawMessage `json:"message"`
	}
	err := json.Unmarshal(m.Data, &e)
	return err == nil && (len(e.Message) == 0 || string(e.Message) == "null" || e.Kind == fact.ApprovalEvent || e.Kind == fact.ReviewEvent || e.Kind == fact.EffectEvent)
}

// CloseIdleConnections frees the connections of the sink behind it.
func (o Once) CloseIdleConnections() {
	if s, ok := o.Sink.(interface{ CloseIdleConnections() }); ok {
		s.CloseIdleConnections()
	}
}
