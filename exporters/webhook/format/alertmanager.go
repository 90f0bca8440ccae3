package format

import (
	"fmt"
	"hash/fnv"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// alertmanager is the webhook payload of Prometheus' Alertmanager, version 4, field for
// field as Alertmanager 0.25 sends it: what receives Alertmanager's webhooks takes it.
//
// A run is a group. Each rule that speaks against the release is an alert, and so is
// what came of it: a rollback, a failed or held run, a gate that cannot be judged. A
// message has all that fire at the event, and those that the event resolves.
var alertmanager = Format{
	WebhookFormat: rules.WebhookFormat{
		Name: "alertmanager", Doc: "Alertmanager's webhook payload, version 4: a group for each run, an alert for each rule that speaks against it",
		Keys: []rules.AccountKey{
			{Key: "labels", Table: true, Doc: "Format alertmanager: labels of every alert beside its own, by which Alertmanager's receivers route: `{ team = \"mobile\" }`."},
		},
		Signed: true, Escalations: always,
		Check: func(c rules.Checker, own rules.FormatKeys) {
			rules.CheckAlertLabels(c.At("labels"), own.Tables["labels"])
		},
		Types: []string{
			"relgate.run.monitoring", "relgate.run.waiting", "relgate.run.held", "relgate.run.passed", "relgate.run.failed", "relgate.run.rolled_back", "relgate.run.superseded",
			"relgate.rule.idle", "relgate.rule.clear", "relgate.rule.breaching", "relgate.rule.warning", "relgate.rule.holding", "relgate.rule.fired",
			"relgate.effect.taken", "relgate.effect.stopped",
			"relgate.rule.pending", "relgate.rule.pass", "relgate.rule.fail",
			"relgate.verdict.pending", "relgate.verdict.pass", "relgate.verdict.fail", "relgate.verdict.rollback", "relgate.verdict.unknown",
			"relgate.command.applied",
		},
	},
	Needs: NeedsHistory,
	Open: func(e Endpoint) Maker {
		return func(f Facts) (*Call, error) { return alertCall(e, f) }
	},
}

// alertGroup is the payload. The order of the fields is Alertmanager's.
type alertGroup struct {
	Receiver          string            `json:"receiver"`
	Status            string            `json:"status"`
	Alerts            []alert           `json:"alerts"`
	GroupLabels       map[string]string `json:"groupLabels"`
	CommonLabels      map[string]string `json:"commonLabels"`
	CommonAnnotations map[string]string `json:"commonAnnotations"`
	ExternalURL       string            `json:"externalURL"`
	Version           string            `json:"version"`
	GroupKey          string            `json:"groupKey"`
	TruncatedAlerts   uint64            `json:"truncatedAlerts"`
}

type alert struct {
	Status       string            `json:"status"`
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"` // the zero time while it fires
	GeneratorURL string            `json:"generatorURL"`
	Fingerprint  string            `json:"fingerprint"`

	decided bool // no reading ends it
}

const (
	firing   = "firing"
	resolved = "resolved"
)

func alertCall(e Endpoint, f Facts) (*Call, error) {
	if f.Event.Run == "" {
		return nil, nil
	}
	alerts := alertsAt(f)
	if len(alerts) == 0 {
		return nil, nil
	}
	group := alertGroup{
		Receiver: regexp.QuoteMeta(e.Name), Status: resolved, Alerts: alerts,
		GroupLabels: labels("plan", f.Event.Plan, "run", f.Event.Run, "version", f.Event.Version),
		ExternalURL: e.External, Version: "4",
	}
	site := wire.Site{Base: e.External}
	for i := range alerts {
		a := &alerts[i]
		maps.Copy(a.Labels, e.Tables["labels"])
		if a.Status == firing {
			group.Status = firing
		}
		a.Fingerprint = fingerprint(a.Labels)
		if e.External != "" {
			a.GeneratorURL = site.Link("v1", "runs", f.Event.Run)
		}
		group.CommonLabels = common(group.CommonLabels, a.Labels)
		group.CommonAnnotations = common(group.CommonAnnotations, a.Annotations)
	}
	group.GroupKey = "{}:" + labelSet(group.GroupLabels)
	body, err := encode(group)
	return &Call{URL: e.URL, Body: body}, err
}

// alertsAt are the alerts of a run's group at an event: those that fire, in the order in
// which they began, and behind them those that the event resolves. None where the event
// changes nothing.
func alertsAt(f Facts) []alert {
	if f.Stuck != nil {
		return []alert{stuckAlert(&f.Event, f.Stuck)}
	}
	s := alertState{open: map[string]*alert{}}
	for i := range f.Earlier {
		s.take(&f.Earlier[i])
	}
	s.changed, s.ended = false, nil
	s.take(&f.Event)
	if !s.changed {
		return nil
	}
	var list []alert
	for _, key := range s.order {
		if a := s.open[key]; a != nil {
			list = append(list, *a)
		}
	}
	return append(list, s.ended...)
}

// alertState is which alerts of a run fire.
type alertState struct {
	open    map[string]*alert // :: what it is about → the alert that fires
	order   []string          // the keys of open, in the order in which they began
	ended   []alert           // those that were resolved since it was emptied
	changed bool              // something fired, was resolved or said more since it was cleared
}

// Alerts have the names of relgate's alert rules for Prometheus, in packaging/prometheus.
const (
	alertRollback = "RelgateRollbackOrdered"
	alertFailed   = "RelgateRunFailed"
	alertHeld     = "RelgateRunHeld"
	alertRule     = "RelgateRuleAgainst"
	alertUnknown  = "RelgateGateUnknown"
	alertTraffic  = "RelgateTrafficMismatch"
	alertOrder    = "RelgateOrderPending"
)

// take goes on to the next event.
func (s *alertState) take(e *wire.EventBody) {
	switch e.Kind {
	case "run":
		s.run(e)
	case "rule":
		switch e.To {
		case "breaching", "warning", "holding", "fired", "fail":
			s.fire("rule "+e.Subject+" "+success(e), alertRule, "warning", e, "rule", e.Subject, "phase", success(e))
			s.open["rule "+e.Subject+" "+success(e)].decided = e.To == "fired"
		case "idle", "clear", "pass", "pending":
			s.resolve("rule "+e.Subject+" "+success(e), e)
		}
		// What is silent or unknown resolves nothing, and what is in shadow never fired.
	case "verdict":
		if e.To == "unknown" {
			s.fire("gate "+e.Phase, alertUnknown, "warning", e, "phase", e.Phase)
		} else {
			s.resolve("gate "+e.Phase, e)
		}
	case "rollout":
		if e.To == "mismatch" {
			s.fire("traffic "+e.Phase, alertTraffic, "warning", e, "phase", e.Phase)
		} else {
			s.resolve("traffic "+e.Phase, e)
		}
	case "command":
		if e.To == "applied" && e.Subject == "rollback_done" {
			s.over(e)
		}
	case "effect":
		if e.To == "taken" || e.To == "stopped" {
			s.over(e)
		}
	}
}

// success is the phase of a success rule, which has a verdict in each; empty for a
// rollback rule, which has one state in the run.
func success(e *wire.EventBody) string {
	for _, verdict := range []string{"pending", "pass", "fail", "unknown"} {
		if e.To == verdict || e.From == verdict {
			return e.Phase
		}
	}
	return ""
}

// run goes on to the next state of the run. A decision resolves what stood before it.
func (s *alertState) run(e *wire.EventBody) {
	name, severity := "", "critical"
	switch e.To {
	case "passed", "superseded":
		s.over(e)
		return
	case "rolled_back":
		name = alertRollback
	case "failed":
		name = alertFailed
	case "held":
		name, severity = alertHeld, "warning"
	}
	for _, other := range []string{alertRollback, alertFailed, alertHeld} {
		if other != name {
			s.resolve(other, e)
		}
	}
	if name != "" {
		s.fire(name, name, severity, e)
	}
}

// fire has an alert fire, or say what is new of it.
func (s *alertState) fire(key, name, severity string, e *wire.EventBody, extra ...string) {
	a := s.open[key]
	if a == nil {
		a = &alert{
			Status: firing, StartsAt: when(e),
			Labels: labels(append([]string{"alertname", name, "severity", severity, "plan", e.Plan, "run", e.Run, "version", e.Version}, extra...)...),
		}
		s.open[key], s.order = a, append(slices.DeleteFunc(s.order, func(k string) bool { return k == key }), key)
	}
	a.Annotations = labels("summary", e.Headline, "description", e.Sentence, "owner", e.Owner, "action", e.Action, "command", e.Command, "event", e.ID)
	s.changed = true
}

// resolve ends an alert, if it fires.
func (s *alertState) resolve(key string, e *wire.EventBody) {
	a := s.open[key]
	if a == nil {
		return
	}
	delete(s.open, key)
	a.Status, a.EndsAt = resolved, when(e)
	if a.EndsAt.Before(a.StartsAt) {
		a.EndsAt = a.StartsAt
	}
	a.Annotations = maps.Clone(a.Annotations)
	maps.Copy(a.Annotations, labels("resolution", e.Headline, "event", e.ID))
	s.ended, s.changed = append(s.ended, *a), true
}

// over ends every alert of the run.
func (s *alertState) over(e *wire.EventBody) {
	for _, key := range s.order {
		s.resolve(key, e)
	}
}

// stuckAlert says that another endpoint does not take an event.
func stuckAlert(e *wire.EventBody, stuck *Stuck) alert {
	return alert{
		Status: firing, StartsAt: when(e),
		Labels: labels("alertname", alertOrder, "severity", "critical", "plan", e.Plan, "run", e.Run, "version", e.Version, "endpoint", stuck.Endpoint, "type", e.Type),
		Annotations: labels(
			"summary", fmt.Sprintf("%s does not take %s: %d attempts failed", stuck.Endpoint, e.Type, stuck.Attempts),
			"description", e.Sentence, "reason", stuck.Reason, "owner", e.Owner, "action", e.Action, "command", e.Command, "event", e.ID),
	}
}

func when(e *wire.EventBody) time.Time {
	if e.At == nil {
		return time.Time{}
	}
	return e.At.UTC()
}

// labels makes a set of names and values by turns, without those that are empty.
func labels(pairs ...string) map[string]string {
	set := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			set[pairs[i]] = pairs[i+1]
		}
	}
	return set
}

// common is what two sets have in common; a nil set has everything.
func common(a, b map[string]string) map[string]string {
	if a == nil {
		return maps.Clone(b)
	}
	maps.DeleteFunc(a, func(k, v string) bool { return b[k] != v })
	return a
}

// labelSet writes a set as Prometheus does.
func labelSet(set map[string]string) string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(set)) {
		pairs = append(pairs, fmt.Sprintf("%s=%q", name, set[name]))
	}
	return "{" + strings.Join(pairs, ", ") + "}"
}

// fingerprint is what Prometheus and Alertmanager know a set of labels by.
func fingerprint(set map[string]string) string {
	sum := fnv.New64a()
	for _, name := range slices.Sorted(maps.Keys(set)) {
		for _, text := range []string{name, set[name]} {
			_, _ = sum.Write([]byte(text)) // never fails
			_, _ = sum.Write([]byte{0xff})
		}
	}
	return fmt.Sprintf("%016x", sum.Sum64())
}
