package slack

import (
	"encoding/json"
	"errors"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/wire"
)

// told is what a message tells of.
type told struct {
	wire.EventBody
	note wire.Note
	to   target
	live bool // it is shown in the live message of its phase
}

// read reads the event of a message.
func read(m outbox.Message, site wire.Site) (t told, err error) {
	if err := json.Unmarshal(m.Data, &t.EventBody); err != nil {
		return t, errors.New("the event cannot be read")
	}
	if t.At == nil && !m.At.IsZero() {
		t.At = &m.At
	}
	t.note = site.Note(&t.EventBody)
	t.to = targetOf(t.Target)
	if t.Message != nil {
		t.to = targetOf(t.Message.Target)
	}
	t.live = !m.Order && t.Message == nil && t.Phase != "" && (t.Kind == "phase" || t.Kind == "verdict" || t.Kind == "rule")
	return t, nil
}
