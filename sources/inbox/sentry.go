package inbox

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/relgate/relgate/sources"
)

// sentry reads the webhooks of Sentry's internal integrations. The signature is over the
// bytes of the body alone: neither the time nor the id of the request is signed. So what
// was sent before is known by its body, and a metric alert by when its incident began.
type sentry struct{ secret *sources.Secret }

// eventLasts is how long an alert on an event is on: Sentry says of it that it is
// triggered, and never that it is over.
const eventLasts = 10 * time.Minute

type sentryHook struct {
	Action string `json:"action"`
	Data   struct {
		Metric *struct {
			ID          json.Number `json:"id"`
			DateStarted time.Time   `json:"date_started"`
			DateClosed  *time.Time  `json:"date_closed"`
			Projects    []string    `json:"projects"`
			Rule        struct {
				ID          json.Number `json:"id"`
				Name        string      `json:"name"`
				Environment string      `json:"environment"`
			} `json:"alert_rule"`
		} `json:"metric_alert"`
		Event *struct {
			Level   string      `json:"level"`
			Project json.Number `json:"project"`
			Tags    [][]string  `json:"tags"`
		} `json:"event"`
		Rule string `json:"triggered_rule"`
	} `json:"data"`
}

func (f sentry) read(_ context.Context, h http.Header, body []byte, now time.Time) (message, error) {
	if err := signedHex(h, "Sentry-Hook-Signature", signature([]byte(f.secret.Value()), body)); err != nil {
		return message{}, err
	}
	var hook sentryHook
	if err := json.Unmarshal(body, &hook); err != nil {
		return message{}, refuse(Malformed, "it cannot be read: %v", err)
	}
	m := message{key: digest(string(body))}
	// What it is about stands in a header as well, which is not signed.
	switch {
	case hook.Data.Metric != nil:
		a, err := hook.metric(now)
		m.alerts = []sources.Alert{a}
		return m, err
	case hook.Data.Event != nil && hook.Data.Rule != "":
		m.alerts = []sources.Alert{hook.event(now)}
		return m, nil
	}
	m.control = true // an installation, an issue
	return m, nil
}

// metric is an incident of a metric alert.
func (hook *sentryHook) metric(now time.Time) (sources.Alert, error) {
	said := hook.Data.Metric
	a := sources.Alert{
		ID: digest("metric " + said.Rule.ID.String() + " " + said.Rule.Name), State: sources.AlertOn, Begun: when(said.DateStarted, now),
		Labels: labelled("resource", "metric_alert", "rule", said.Rule.Name, "environment", said.Rule.Environment),
	}
	a.Ordered = a.Begun > 0
	if len(said.Projects) == 1 {
		a.Labels["project"] = said.Projects[0]
	}
	switch hook.Action {
	case "critical", "warning", "open":
	case "resolved":
		a.State = sources.AlertOff
		if said.DateClosed != nil {
			a.Ended = when(*said.DateClosed, now)
		}
	default:
		return a, refuse(Malformed, "a metric alert with the action %.40q: want critical, warning or resolved", hook.Action)
	}
	return a, nil
}

// event is an alert on an event. Events that differ in a label are alerts of their own: a
// rule is about several releases, and rules of several projects have one name.
func (hook *sentryHook) event(now time.Time) sources.Alert {
	said := hook.Data.Event
	a := sources.Alert{
		State: sources.AlertOn, Lasts: now.Add(eventLasts).UnixMilli(),
		Labels: labelled("resource", "event_alert", "rule", hook.Data.Rule, "project", said.Project.String(), "level", said.Level),
	}
	for _, tag := range said.Tags {
		if len(tag) == 2 && (tag[0] == "environment" || tag[0] == "release") {
			a.Labels[tag[0]] = tag[1]
		}
	}
	a.ID = digest("event " + identity(a.Labels))
	return a
}

// labelled makes labels of names and values, without those that are empty.
func labelled(pairs ...string) map[string]string {
	labels := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			labels[pairs[i]] = pairs[i+1]
		}
	}
	return labels
}
