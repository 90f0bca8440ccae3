package outbox_test

import (
	"strings"
	"testing"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
)

func TestConfigErrors(t *testing.T) {
	good := endpoint(outbox.Action, newScript(nil))
	change := func(f func(*outbox.Endpoint)) outbox.Config {
		e := good
		f(&e)
		return outbox.Config{Feed: outboxtest.New(), Endpoints: []outbox.Endpoint{e}}
	}
	for _, tt := range []struct {
		config outbox.Config
		want   string
	}{
		{outbox.Config{}, "a feed is required"},
		{outbox.Config{Feed: outboxtest.New(), Endpoints: []outbox.Endpoint{good, good}}, `endpoint "a": the name is used twice`},
		{change(func(e *outbox.Endpoint) { e.Name = "" }), `a name is required`},
		{change(func(e *outbox.Endpoint) { e.Sink = nil }), `endpoint "a": a sink is required`},
		{change(func(e *outbox.Endpoint) { e.Class = "loud" }), `endpoint "a": class "loud": want "action" or "notify"`},
		{change(func(e *outbox.Endpoint) { e.EscalateTo = "b" }), `endpoint "a": escalate_to "b": want the name of another endpoint`},
		{change(func(e *outbox.Endpoint) { e.EscalateTo = "a" }), `endpoint "a": escalate_to "a": want the name of another endpoint`},
	} {
		if _, err := outbox.New(tt.config); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("New: %v, want %q", err, tt.want)
		}
	}
}
