package slack

import (
	"context"
	"strconv"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
)

// follow shows an event in the live message of its phase: the first makes it, those after
// go into its thread, and what the phase or its verdict becomes is what it says from then on.
//
// All events of a run but orders come one after the other. Each step is one that may be
// taken again.
func (b *Bot) follow(ctx context.Context, m outbox.Message, t told) outbox.Outcome {
	key := t.Run + "/live/" + t.Phase
	kept, err := b.config.Memory.Kept(ctx, b.config.Endpoint, key)
	if err != nil {
		return outbox.Outcome{Reason: "reading where the phase's message is: " + err.Error()}
	}
	live, there := placeOf(kept)
	if !there {
		return b.begin(ctx, m, t, m.ID, key)
	}
	first, err := b.config.Memory.Kept(ctx, b.config.Endpoint, m.ID)
	if err != nil {
		return outbox.Outcome{Reason: "reading whether this was sent: " + err.Error()}
	}
	if first != live.String() { // else this event has made the message
		_, f := b.post(ctx, m, letter{id: m.ID, to: live.channel, thread: live.ts, told: t})
		switch {
		case f != nil && removed[f.code]:
			return b.begin(ctx, m, t, m.ID+"/live", key)
		case f != nil:
			return f.Outcome
		}
	}
	newer, err := b.newer(ctx, key, m.N)
	if err != nil {
		return outbox.Outcome{Reason: "reading what the phase's message shows: " + err.Error()}
	}
	if t.Kind != "phase" && t.Kind != "verdict" || !newer {
		return outbox.Outcome{OK: true, Kept: "thread of message " + live.String()}
	}
	f := b.tell(ctx, false, "chat.update", message{Channel: live.channel, TS: live.ts, body: show(t.note, look{})}, &struct{}{})
	switch {
	case f != nil && removed[f.code]:
		return b.begin(ctx, m, t, m.ID+"/live", key)
	case f != nil && (f.code == "edit_window_closed" || f.code == "cant_update_message"):
		// The workspace allows no edit any more: the thread has it.
	case f != nil:
		f.Doubt = false // editing it once more changes nothing
		return f.Outcome
	}
	return b.shown(ctx, key, live, m.N)
}

// removed are the words with which Slack says that a message is not there any more: a
// person has removed it, or its channel.
var removed = map[string]bool{"message_not_found": true, "thread_not_found": true, "cannot_reply_to_message": true, "channel_not_found": true}

// begin posts the live message of a phase, or finds it, and keeps where it is.
func (b *Bot) begin(ctx context.Context, m outbox.Message, t told, id, key string) outbox.Outcome {
	p, f := b.post(ctx, m, letter{id: id, to: b.config.Live, told: t})
	if f != nil {
		return f.Outcome
	}
	return b.shown(ctx, key, p, m.N)
}

// newer reports whether an event is newer than what the live message shows: after a replay
// it must not go back.
func (b *Bot) newer(ctx context.Context, key string, n uint64) (bool, error) {
	kept, err := b.config.Memory.Kept(ctx, b.config.Endpoint, key+"/n")
	was, bad := strconv.ParseUint(kept, 10, 64)
	return bad != nil || n > was, err
}

// shown keeps where a live message is and which event it shows.
func (b *Bot) shown(ctx context.Context, key string, p place, n uint64) outbox.Outcome {
	ctx, cancel := keeping(ctx)
	defer cancel()
	err := b.config.Memory.Keep(ctx, b.config.Endpoint, key, p.String())
	if err == nil {
		err = b.config.Memory.Keep(ctx, b.config.Endpoint, key+"/n", strconv.FormatUint(n, 10))
	}
	if err != nil {
		return outbox.Outcome{Reason: "keeping where the phase's message is: " + err.Error()}
	}
	return outbox.Outcome{OK: true, Kept: "message " + p.String()}
}

// LiveEvents are the kinds of events, and the types beside them, of which live messages and
// what must not be missed beside them are made.
func LiveEvents() (kinds []fact.EventKind, types []string) {
	return []fact.EventKind{fact.PhaseEvent, fact.VerdictEvent, fact.RuleEvent},
		[]string{"relgate.run.held", "relgate.run.rolled_back", "relgate.run.failed", "relgate.run.passed", "relgate.run.superseded"}
}
