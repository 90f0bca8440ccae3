package format

import (
	"maps"
	"slices"
	"time"

	"github.com/relgate/relgate/exporters/wire"
)

// Alert is one alert of a run.
type Alert struct {
	Labels      map[string]string
	Annotations map[string]string
	StartsAt    time.Time
	EndsAt      time.Time // zero while it fires
	Decided     bool      // of a decision, which stands until a person acts; else of what is still judged
}

// RunAlerts follows the alerts of one run from event to event: those that the format
// "alertmanager" tells.
type RunAlerts struct {
	n     uint64 // of the newest event
	state alertState
}

// N is the number of the newest event that was taken; 0 before the first.
func (r *RunAlerts) N() uint64 { return r.n }

// Take goes on to the next event.
func (r *RunAlerts) Take(e *wire.EventBody) {
	if r.state.open == nil {
		r.state.open = map[string]*alert{}
	}
	r.n = e.N
	r.state.take(e)
}

// End resolves what fires, at a time: the run is over, and no event says so.
func (r *RunAlerts) End(at time.Time) {
	for _, key := range slices.Clone(r.state.order) {
		r.state.resolve(key, &wire.EventBody{At: &at})
	}
}

// Alerts are those that fire, in the order in which they began, and behind them those
// that were resolved at a time or later. Of several of the same labels it is the newest.
func (r *RunAlerts) Alerts(resolvedSince time.Time) []Alert {
	r.state.ended = slices.DeleteFunc(r.state.ended, func(a alert) bool { return a.EndsAt.Before(resolvedSince) })
	var list []Alert
	seen := map[string]bool{} // :: fingerprint → it is in the list
	add := func(a *alert) {
		if key := fingerprint(a.Labels); !seen[key] {
			seen[key] = true
			name := a.Labels["alertname"]
			list = append(list, Alert{
				Labels: maps.Clone(a.Labels), Annotations: maps.Clone(a.Annotations), StartsAt: a.StartsAt, EndsAt: a.EndsAt,
				Decided: a.decided || name == alertRollback || name == alertFailed || name == alertHeld,
			})
		}
	}
	for _, key := range r.state.order {
		if a := r.state.open[key]; a != nil {
			add(a)
		}
	}
	for i := len(r.state.ended) - 1; i >= 0; i-- {
		add(&r.state.ended[i])
	}
	return list
}

// Fingerprint is what Alertmanager knows a set of labels by.
func Fingerprint(labels map[string]string) string { return fingerprint(labels) }
