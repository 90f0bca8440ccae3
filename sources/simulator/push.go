package simulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// Pusher is Sentry and Grafana as senders: what they push as time goes by. Sentry has an
// alert on the crash-free sessions of the release, Grafana one on the bias gap, with the
// names that the scenario gives them. Each is pushed once at first, as a test, and then as
// it changes. Something that says nothing of it is pushed every five minutes: a heartbeat.
// A sender that is faulty pushes nothing. Make it with NewPusher; one caller at a time.
type Pusher struct {
	s      *Simulator
	secret string
	said   map[string]*pushed // :: sender → what it has pushed last
}

// pushed is what was pushed last of an alert.
type pushed struct {
	Minute int64     `json:"minute"` // of the newest push, of anything
	On     bool      `json:"on"`
	Since  time.Time `json:"since"` // of the incident
}

// Push is a request to an inbox, as its sender makes it.
type Push struct {
	Format string // "sentry" or "grafana"
	Header http.Header
	Body   []byte

	sent func()
}

// Sent notes that a push was taken. One that was not is due again.
func (p *Push) Sent() { p.sent() }

// NewPusher makes the senders, which sign by a secret.
func NewPusher(s *Simulator, secret string) *Pusher {
	return &Pusher{s: s, secret: secret, said: map[string]*pushed{}}
}

// Save gives what was pushed last, for Load: a sender does not push anew because what it
// pushes to came back.
func (p *Pusher) Save() ([]byte, error) { return json.Marshal(p.said) }

// Load goes on from what Save gave.
func (p *Pusher) Load(saved []byte) error { return json.Unmarshal(saved, &p.said) }

// heartbeat is how far apart the pushes are that say nothing of an alert, in minutes.
const heartbeat = 5

// Due are the pushes that are due now.
func (p *Pusher) Due() []Push {
	now := p.s.now()
	var list []Push
	for _, sender := range []struct {
		format, upstream string
		on               func(now time.Time, was bool) bool
		alert            func(on bool, since, now time.Time) (string, any)
		beat             func(now time.Time) (string, any)
		sign             func(h http.Header, now time.Time, body []byte)
	}{
		{"sentry", "sentry", p.s.crashing, p.s.sentryAlert, p.s.sentryBeat, p.signSentry},
		{"grafana", "athena", p.s.biased, p.s.grafanaAlert, p.s.grafanaBeat, p.signGrafana},
	} {
		if _, faulty := p.s.fault(sender.upstream, ""); faulty {
			continue
		}
		was, minute := p.said[sender.format], now.Unix()/60
		if was != nil && was.Minute == minute {
			continue
		}
		next := pushed{Minute: minute, Since: now}
		if was != nil {
			next.On, next.Since = was.On, was.Since
		}
		next.On = sender.on(now, next.On)
		build := sender.beat
		switch changed := was == nil || next.On != was.On; {
		case changed:
			if next.On {
				next.Since = now
			}
			build = func(now time.Time) (string, any) { return sender.alert(next.On, next.Since, now) }
		case minute%heartbeat != 0:
			continue
		}
		resource, document := build(now)
		body, err := json.Marshal(document)
		if err != nil {
			continue // unreachable: texts and times have a JSON form
		}
		h := http.Header{"Content-Type": {"application/json"}}
		if resource != "" {
			h.Set("Sentry-Hook-Resource", resource)
		}
		sender.sign(h, now, body)
		list = append(list, Push{sender.format, h, body, func() { p.said[sender.format] = &next }})
	}
	return list
}

func (p *Pusher) mac(parts ...[]byte) string {
	m := hmac.New(sha256.New, []byte(p.secret))
	for _, part := range parts {
		m.Write(part)
	}
	return hex.EncodeToString(m.Sum(nil))
}

func (p *Pusher) signSentry(h http.Header, now time.Time, body []byte) {
	h.Set("Sentry-Hook-Timestamp", strconv.FormatInt(now.Unix(), 10))
	h.Set("Sentry-Hook-Signature", p.mac(body))
}

func (p *Pusher) signGrafana(h http.Header, now time.Time, body []byte) {
	at := strconv.FormatInt(now.Unix(), 10)
	h.Set("X-Grafana-Alerting-Timestamp", at)
	h.Set("X-Grafana-Alerting-Signature", p.mac([]byte(at+":"), body))
}

const (
	crashFreeLow  = 0.98 // below it Sentry's alert is on
	crashWindow   = 60   // minutes that it looks at
	crashSessions = 200  // so many sessions it wants to see
	gapHigh       = 0.07 // above it Grafana's alert is on
	gapWindow     = 3600 // seconds: where there is no newer prediction, Grafana has no data and is set to call that normal
)

// crashing is whether Sentry's alert is on: the crash-free sessions of the last hour are
// too few. With few sessions it stays as it was.
func (s *Simulator) crashing(now time.Time, was bool) bool {
	var c sessionCounts
	for m := now.Unix()/60 - crashWindow; m < now.Unix()/60; m++ {
		c.add(s.world.sessionsOf(s.world.s.Names.Release, m, now.Unix()))
	}
	if c.all() < crashSessions {
		return was
	}
	return 1-c.crashed/c.all() < crashFreeLow
}

// biased is whether Grafana's alert is on: the gap between the deciles' rates is too wide.
func (s *Simulator) biased(now time.Time, was bool) bool {
	if now.Unix()-s.newestPrediction(now) > gapWindow {
		return false
	}
	lo, hi := 1.0, 0.0
	for _, d := range s.deciles(now) {
		if d.n < 100 {
			return was
		}
		lo, hi = min(lo, d.positives/d.n), max(hi, d.positives/d.n)
	}
	return hi-lo > gapHigh
}

func (s *Simulator) sentryAlert(on bool, since, now time.Time) (string, any) {
	n := s.world.s.Names
	action, status, closed := "critical", 20, any(nil)
	if !on {
		action, status, closed = "resolved", 2, now.Format(time.RFC3339)
	}
	return "metric_alert", map[string]any{
		"action": action, "installation": map[string]any{"uuid": "8f1b3f0e-0000-4000-8000-000000000001"},
		"actor": map[string]any{"type": "application", "id": "sentry", "name": "Sentry"},
		"data": map[string]any{
			"metric_alert": map[string]any{
				"id": "11", "identifier": "1", "status": status, "title": n.SentryAlert,
				"date_started": since.Format(time.RFC3339), "date_detected": since.Format(time.RFC3339), "date_closed": closed,
				"projects": []string{n.Project},
				"alert_rule": map[string]any{
					"id": "7", "name": n.SentryAlert, "environment": n.Environment, "dataset": "metrics", "time_window": crashWindow,
					"aggregate": "percentage(sessions_crashed, sessions) AS _crash_rate_alert_aggregate",
				},
			},
			"description_title": action + ": " + n.SentryAlert,
		},
	}
}

// sentryBeat is an alert on an event that a job sends.
func (s *Simulator) sentryBeat(now time.Time) (string, any) {
	n := s.world.s.Names
	return "event_alert", map[string]any{
		"action": "triggered",
		"data": map[string]any{
			"event":          map[string]any{"event_id": strconv.FormatInt(now.Unix(), 16), "level": "info", "project": json.Number(n.ProjectID), "tags": [][]string{{"environment", n.Environment}}},
			"triggered_rule": "relgate heartbeat",
		},
	}
}

func (s *Simulator) grafanaAlert(on bool, since, now time.Time) (string, any) {
	status, ends := "firing", "0001-01-01T00:00:00Z"
	if !on {
		status, ends = "resolved", now.Format(time.RFC3339)
	}
	return "", grafanaGroup(status, s.world.s.Names.GrafanaAlert, since.Format(time.RFC3339), ends)
}

// grafanaBeat is an alert that always fires.
func (s *Simulator) grafanaBeat(time.Time) (string, any) {
	return "", grafanaGroup("firing", "Watchdog", s.world.start.Add(-24*time.Hour).Format(time.RFC3339), "0001-01-01T00:00:00Z")
}

func grafanaGroup(status, name, starts, ends string) map[string]any {
	labels := map[string]string{"alertname": name, "grafana_folder": "release"}
	return map[string]any{
		"receiver": "relgate", "status": status, "version": "1", "groupKey": "{}:{alertname=\"" + name + "\"}", "truncatedAlerts": 0, "orgId": 1,
		"groupLabels": labels, "commonLabels": labels, "state": map[string]string{"firing": "alerting"}[status],
		"alerts": []map[string]any{{"status": status, "labels": labels, "annotations": map[string]string{}, "startsAt": starts, "endsAt": ends, "fingerprint": "c6eadffa33fcdf37"}},
	}
}
