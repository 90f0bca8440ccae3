package inbox

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/sources"
)

// alertmanager reads the webhook of Alertmanager, version 4. It signs nothing: the token
// says who sends. What it repeats is byte for byte what it sent before, so that a
// repetition cannot be told from a replay, and is no duplicate.
type alertmanager struct{ token *sources.Secret }

func (f alertmanager) read(_ context.Context, h http.Header, body []byte, now time.Time) (message, error) {
	if err := bearer(h, f.token); err != nil {
		return message{}, err
	}
	g, err := readGroup(body)
	if err != nil {
		return message{}, err
	}
	if g.Version != "4" {
		return message{}, refuse(Malformed, "version %q: want an Alertmanager webhook of version 4", g.Version)
	}
	alerts, err := g.alerts(now)
	return message{alerts: alerts}, err
}

// group is the part of a webhook that Alertmanager and Grafana have in common. What
// newer ones add is left aside.
type group struct {
	Version   string       `json:"version"`
	Alerts    []groupAlert `json:"alerts"`
	Truncated int64        `json:"truncatedAlerts"`
}

type groupAlert struct {
	Status   string            `json:"status"`
	Labels   map[string]string `json:"labels"`
	StartsAt time.Time         `json:"startsAt"`
	EndsAt   time.Time         `json:"endsAt"`

	blind bool // it says that its rule has no data
}

func readGroup(body []byte) (g group, err error) {
	if err := json.Unmarshal(body, &g); err != nil {
		return g, refuse(Malformed, "it cannot be read: %v", err)
	}
	switch {
	case g.Alerts == nil:
		return g, refuse(Malformed, "there is no list of alerts")
	case g.Truncated > 0:
		// Some of its alerts are on, and it does not say which.
		return g, refuse(Malformed, "%d alerts are left out: set max_alerts of the receiver to 0", g.Truncated)
	}
	return g, nil
}

// alerts is what the group says of its alerts.
func (g *group) alerts(now time.Time) ([]sources.Alert, error) {
	if len(g.Alerts) > maxAlerts {
		return nil, refuse(TooLarge, "%d alerts: want at most %d", len(g.Alerts), maxAlerts)
	}
	list := make([]sources.Alert, 0, len(g.Alerts))
	for _, said := range g.Alerts {
		a := sources.Alert{ID: identity(said.Labels), Labels: said.Labels, Begun: when(said.StartsAt, now)}
		switch said.Status {
		case "firing":
			a.State = sources.AlertOn
		case "resolved":
			a.State, a.Ended = sources.AlertOff, when(said.EndsAt, now)
		default:
			return nil, refuse(Malformed, "an alert has the status %q: want firing or resolved", said.Status)
		}
		list = append(list, a)
	}
	return list, nil
}

// maxAlerts is how many alerts one push may name.
const maxAlerts = 1000

// identity is what tells an alert from others by its labels.
func identity(labels map[string]string) string {
	pairs := make([]string, 0, len(labels))
	for name, value := range labels {
		pairs = append(pairs, quoted(name)+"="+quoted(value))
	}
	slices.Sort(pairs)
	return digest(strings.Join(pairs, ","))
}

func quoted(text string) string {
	b, _ := json.Marshal(text) // a text always has a JSON form
	return string(b)
}

// when is a time that a sender says, in milliseconds; 0 where it says none. One that is
// ahead is now: clocks differ.
func when(t, now time.Time) int64 {
	if t.Unix() <= 0 {
		return 0
	}
	return min(t.UnixMilli(), now.UnixMilli())
}
