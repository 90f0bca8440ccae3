package format

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"time"

	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// pagerduty pages by the Events API v2 of PagerDuty: an alert for each rule that speaks
// against a run, for the run itself, and for each message that is a page. It is
// acknowledged when a person takes the run over, and resolved when its cause is.
// PagerDuty knows a repetition by the alert's key.
var pagerduty = Format{
	WebhookFormat: rules.WebhookFormat{
		Name: "pagerduty", Doc: "an alert of PagerDuty, by its Events API v2", URL: "https://events.pagerduty.com", Escalations: always,
		Keys: []rules.AccountKey{{
			Key: "routing_key", Secret: true, Required: true, Example: `{ env = "PAGERDUTY_ROUTING_KEY" }`,
			Doc: "Format pagerduty: the integration key of a service or of an orchestration, for Events API v2. Required there.",
		}},
	},
	Open: func(e Endpoint) Maker {
		return func(f Facts) (*Call, error) { return pageCall(e, f) }
	},
}

// pageEvent is a body of Events API v2.
type pageEvent struct {
	RoutingKey string       `json:"routing_key"`
	Action     string       `json:"event_action"` // trigger, acknowledge, resolve
	DedupKey   string       `json:"dedup_key"`
	Payload    *pagePayload `json:"payload,omitempty"` // of a trigger
	Links      []pageLink   `json:"links,omitempty"`
	Client     string       `json:"client,omitempty"`
	ClientURL  string       `json:"client_url,omitempty"`
}

type pagePayload struct {
	Summary   string         `json:"summary"` // at most 1,024 characters
	Source    string         `json:"source"`
	Severity  string         `json:"severity"` // critical, error, warning, info
	Timestamp *time.Time     `json:"timestamp,omitempty"`
	Component string         `json:"component,omitempty"`
	Group     string         `json:"group,omitempty"`
	Class     string         `json:"class,omitempty"`
	Details   map[string]any `json:"custom_details,omitempty"`
}

type pageLink struct {
	Href string `json:"href"`
	Text string `json:"text"`
}

func pageCall(e Endpoint, f Facts) (*Call, error) {
	action, subject := pageAction(f)
	if action == "" {
		return nil, nil
	}
	n := noteOf(e, f)
	p := pageEvent{RoutingKey: e.Secrets["routing_key"], Action: action, DedupKey: pageKey(f.Event.Run + "/" + subject)}
	if action == "trigger" {
		p.Payload = &pagePayload{
			Summary: wire.Cut(n.Title, 1024), Source: either(e.External, "relgate"), Severity: pageSeverity(f),
			Timestamp: f.Event.At, Component: f.Event.Phase, Group: f.Event.Plan, Class: f.Type, Details: pageDetails(f, n),
		}
		p.Client = "relgate"
		if p.ClientURL = n.Link; n.Link != "" {
			p.Links = []pageLink{{Href: n.Link, Text: "the release in relgate"}}
		}
	}
	body, err := encode(p)
	if err != nil {
		return nil, err
	}
	return &Call{URL: e.at("/v2/enqueue"), Body: body, Read: func(a Answer) Reply { return pageReply(a, p.DedupKey) }}, nil
}

// pageAction says what becomes of an event, and of which alert of its run.
func pageAction(f Facts) (action, subject string) {
	e := &f.Event
	if f.Stuck != nil {
		return "trigger", "delivery/" + f.Stuck.Endpoint
	}
	grave := e.Severity == "critical" || e.Severity == "warning"
	switch e.Kind {
	case "communication":
		if e.Message != nil {
			return "trigger", "message/" + e.Message.Name
		}
		return "", ""
	case "command":
		// A person has the run in hand.
		if e.To == "applied" && (e.Subject == "hold" || e.Subject == "abort" || e.Subject == "override") {
			return "acknowledge", "run"
		}
		return "", ""
	case "run":
		subject = "run"
	case "rule":
		// A success rule is judged in each phase.
		subject = "rule/" + e.Subject
		if e.Phase != "" {
			subject += "/" + e.Phase
		}
	case "phase", "signal", "verdict", "rollout":
		subject = e.Kind + "/" + e.Subject
	default: // an edit of the plan, an approval, a review: nothing resolves them
		if grave {
			return "trigger", e.Kind + "/" + e.Subject
		}
		return "", ""
	}
	if grave {
		return "trigger", subject
	}
	return "resolve", subject
}

func pageSeverity(f Facts) string {
	switch {
	case f.Stuck != nil:
		return "error"
	case f.Event.Severity == "critical" || f.Event.Severity == "warning":
		return f.Event.Severity
	}
	return "info"
}

// pageKey is the key of an alert, which may have 255 characters.
func pageKey(key string) string {
	key = "relgate/" + key
	if len(key) > 255 {
		return fmt.Sprintf("relgate/sha256-%x", sha256.Sum256([]byte(key)))
	}
	return key
}

func pageDetails(f Facts, n wire.Note) map[string]any {
	details := map[string]any{}
	for name, value := range map[string]string{
		"text": wire.Cut(n.Text, 8000), "owner": n.Do.Owner, "action": wire.Cut(n.Do.Action, 4000), "command": wire.Cut(n.Do.Command, 4000),
		"run": f.Event.Run, "version": f.Event.Version, "event": f.ID,
	} {
		if value != "" {
			details[name] = value
		}
	}
	if len(n.Detail) > 0 {
		details["detail"] = n.Detail[:min(len(n.Detail), 50)]
	}
	return details
}

// pageReply reads an answer to what was sent of an alert. A 202 alone is not enough.
func pageReply(a Answer, key string) Reply {
	var said struct {
		Status string `json:"status"`
	}
	bad := json.Unmarshal(a.Body, &said)
	switch {
	case a.ok() && bad == nil && said.Status == "success":
		return Reply{Done: true, Kept: "alert " + key}
	case a.ok():
		return Reply{Reason: fmt.Sprintf("answered %d without status success", a.Status)}
	case a.Status == 400:
		return Reply{Refused: true, Reason: "answered 400: PagerDuty does not take the event, or the routing key is none"}
	}
	return a.final()
}
