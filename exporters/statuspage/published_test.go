package statuspage_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/relgate/relgate/exporters/outbox/killtest"
	"github.com/relgate/relgate/exporters/outbox/outboxtest"
	"github.com/relgate/relgate/exporters/statuspage"
	"github.com/relgate/relgate/exporters/statuspage/statuspagetest"
	"github.com/relgate/relgate/internal/peertest"
)

// published is what Atlassian's OpenAPI description of the Statuspage API, version 1.0.0
// (developer.statuspage.io), says of the bodies that make and change an incident: the schemas
// postPagesPageIdIncidents and patchPagesPageIdIncidents. It says in words how long a text may
// be and that metadata holds objects. That nothing else may be there is ours: Statuspage does
// not say what it makes of a field that it does not know.
func published(t *testing.T, required ...any) *jsonschema.Schema {
	t.Helper()
	enum := func(of ...any) any { return map[string]any{"type": "string", "enum": of} }
	text := func(most int) any { return map[string]any{"type": "string", "maxLength": most} }
	instant, yes := map[string]any{"type": "string", "format": "date-time"}, map[string]any{"type": "boolean"}
	incident := map[string]any{
		"type": "object", "required": required, "additionalProperties": false,
		"properties": map[string]any{
			"name":            text(255),
			"status":          enum("investigating", "identified", "monitoring", "resolved", "scheduled", "in_progress", "verifying", "completed"),
			"impact_override": enum("none", "maintenance", "minor", "major", "critical"),
			"scheduled_for":   instant, "scheduled_until": instant,
			"scheduled_remind_prior": yes, "scheduled_auto_in_progress": yes, "scheduled_auto_completed": yes, "scheduled_auto_transition": yes,
			"auto_transition_to_maintenance_state": yes, "auto_transition_to_operational_state": yes,
			"auto_transition_deliver_notifications_at_start": yes, "auto_transition_deliver_notifications_at_end": yes,
			"auto_tweet_at_beginning": yes, "auto_tweet_on_completion": yes, "auto_tweet_on_creation": yes, "auto_tweet_one_hour_before": yes,
			"metadata":              map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "object"}},
			"deliver_notifications": yes, "backfilled": yes, "backfill_date": map[string]any{"type": "string"},
			"body": text(25_000),
			"components": map[string]any{
				"type": "object", "additionalProperties": enum("operational", "under_maintenance", "degraded_performance", "partial_outage", "major_outage", ""),
			},
			"component_ids": map[string]any{"type": "array", "items": map[string]any{"type": "string"}},
		},
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	err := c.AddResource("incident.json", map[string]any{"type": "object", "required": []any{"incident"}, "additionalProperties": false, "properties": map[string]any{"incident": incident}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("incident.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// noted keeps the bodies that a page is sent, by method.
type noted struct {
	*statuspagetest.Server
	mu     sync.Mutex
	bodies map[string][]string
}

func (n *noted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	n.mu.Lock()
	n.bodies[r.Method] = append(n.bodies[r.Method], string(body))
	n.mu.Unlock()
	n.Server.ServeHTTP(w, r)
}

// Whatever is sent, it is what Atlassian publishes that Statuspage takes.
func TestBodiesAreWhatStatuspagePublishes(t *testing.T) {
	start, change := published(t, "name"), published(t)
	for _, maintenance := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			page := &noted{Server: newPage(nil), bodies: map[string][]string{}}
			s := sink(t, page, outboxtest.New(), statuspage.Config{Maintenance: maintenance, Components: "API", Start: func(context.Context, string) (time.Time, error) { return t0.Add(time.Hour), nil }})
			last := "resolved"
			if maintenance {
				last = "completed"
			}
			long := killtest.Message(strings.Repeat("ü<&>\"\n", 20_000), "Web app = partial_outage, API")
			long.Body.Message.Subject = strings.Repeat("🚀 Größe ", 500)
			for n, e := range []killtest.Event{long, killtest.Message("Live to 50 %", ""), long, killtest.Message("Live to all", last+", API = operational")} {
				if o := s.Send(t.Context(), sent(n+1, e)); !o.OK {
					t.Fatalf("message %d: %+v", n+1, o)
				}
			}
			if len(page.bodies["POST"]) != 1 || len(page.bodies["PATCH"]) != 3 {
				t.Fatalf("%d bodies make an incident, and %d change one; want 1 and 3", len(page.bodies["POST"]), len(page.bodies["PATCH"]))
			}
			peertest.Keeps(t, start, []byte(page.bodies["POST"][0]))
			for _, body := range page.bodies["PATCH"] {
				peertest.Keeps(t, change, []byte(body))
			}
		})
	}
	for _, body := range []string{
		`{"incident":{"status":"monitoring"}}`, `{"incident":{"name":"x","status":"done"}}`, `{"incident":{"name":"x","impact_override":"low"}}`, `{"incident":{"name":"x","component_ids":"a"}}`,
		`{"incident":{"name":"x","metadata":{"relgate":"x"}}}`, `{"incident":{"name":"x","scheduled_for":"tomorrow"}}`, `{"incident":{"name":"` + strings.Repeat("x", 256) + `"}}`, `{"incident":{"name":"x","text":"y"}}`, `{"name":"x"}`,
	} {
		peertest.Lacks(t, start, body)
	}
}
