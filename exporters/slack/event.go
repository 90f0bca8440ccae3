package slack

import (
	"encoding/json"
	"errors"
	"strings"

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

// read reads a message: of an event, or that one does not arrive elsewhere.
func read(m outbox.Message, site wire.Site) (t told, err error) {
	var stuck struct {
		Endpoint string          `json:"endpoint"`
		Reason   string          `json:"reason"`
		Event    json.RawMessage `json:"event"`
	}
	data := m.Data
	if m.Type == outbox.TypeEscalated {
		if err := json.Unmarshal(data, &stuck); err != nil {
			return t, errors.New("the event cannot be read")
		}
		data = stuck.Event
	}
	if err := json.Unmarshal(data, &t.EventBody); err != nil {
		return t, errors.New("the event cannot be read")
	}
	if t.At == nil && !m.At.IsZero() {
		t.At = &m.At
	}
	t.note = site.Note(&t.EventBody)
	if m.Type == outbox.TypeEscalated {
		t.note.Title = "Not delivered to " + stuck.Endpoint + ": " + t.note.Title
		t.note.Text = strings.TrimSpace("relgate cannot deliver this to " + stuck.Endpoint + ": " + stuck.Reason + ".\n" + t.note.Text)
		t.Message = nil
		return t, nil
	}
	t.to = targetOf(t.Target)
	if t.Message != nil {
		t.to = targetOf(t.Message.Target)
	}
	t.live = !m.Order && t.Message == nil && t.Phase != "" && (t.Kind == "phase" || t.Kind == "verdict" || t.Kind == "rule")
	return t, nil
}
