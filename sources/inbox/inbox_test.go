package inbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/inbox/kind"
)

var noon = time.Date(2025, 6, 4, 12, 0, 0, 0, time.UTC)

// account is what a config says.
type account map[string]string

func (a account) Text(key string) string            { return a[key] }
func (a account) Secret(key string) (string, error) { return a[key], nil }

// memory keeps pushes as the journal does.
type memory struct {
	mu   sync.Mutex
	list []sources.Push
	err  error
}

func (m *memory) Keep(_ context.Context, _ string, p sources.Push) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return false, m.err
	}
	if p.Key != "" && slices.ContainsFunc(m.list, func(o sources.Push) bool { return o.Key == p.Key }) {
		return false, nil
	}
	m.list = append(m.list, p)
	return true, nil
}

func (m *memory) Kept(_ context.Context, _ string, since time.Time) ([]sources.Push, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var before, list []sources.Push
	last := map[string]int{}
	for i, p := range m.list {
		if !p.At.Before(since) {
			list = append(list, p)
			continue
		}
		for _, a := range p.Alerts {
			last[a.ID] = i
		}
	}
	for i, p := range m.list {
		for _, a := range p.Alerts {
			if k, ok := last[a.ID]; ok && k == i && p.At.Before(since) {
				before = append(before, sources.Push{At: p.At, Alerts: []sources.Alert{a}})
			}
		}
	}
	return append(before, list...), m.err
}

// inboxOf opens an inbox that keeps in memory.
func inboxOf(t testing.TB, a account, transport http.RoundTripper) (*Inbox, *memory) {
	t.Helper()
	kept := &memory{}
	if a[kind.Heartbeat] == "" {
		a[kind.Heartbeat] = "5m"
	}
	in, err := opened(sources.Opening{Name: "box", Account: a, Pushes: kept}, transport)
	if err != nil {
		t.Fatal(err)
	}
	return in, kept
}

// headers are headers by names and values.
func headers(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

// pushCase is a push with what becomes of it.
type pushCase struct {
	name   string
	header http.Header
	body   string
	at     time.Time // noon if zero
	want   Result
	said   string // part of the reason
}

// pushAll pushes one after the other.
func pushAll(t *testing.T, in *Inbox, cases []pushCase) {
	t.Helper()
	for _, tt := range cases {
		at := tt.at
		if at.IsZero() {
			at = noon
		}
		got, err := in.Receive(t.Context(), at, tt.header, []byte(tt.body))
		said := ""
		if err != nil {
			said = err.Error()
		}
		if got != tt.want || !strings.Contains(said, tt.said) || (err != nil) == slices.Contains([]Result{Accepted, Duplicate, Control}, got) {
			t.Errorf("%s: got %s %q, want %s %q", tt.name, got, said, tt.want, tt.said)
		}
		if strings.Contains(said, "test-secret") {
			t.Errorf("%s: the reason holds the secret", tt.name)
		}
	}
}

// lines are what the alerts of the kept pushes say.
func (m *memory) lines() (list []string) {
	for _, p := range m.list {
		for _, a := range p.Alerts {
			list = append(list, fmt.Sprintf("%s %v", a.State, a.Labels))
		}
	}
	return list
}

func checkLines(t *testing.T, m *memory, want ...string) {
	t.Helper()
	if got := m.lines(); !slices.Equal(got, want) {
		t.Errorf("kept\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// As Alertmanager 0.34.2 sends it.
const alertmanagerHook = `{"receiver":"gate\\.hook","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"ApiErrorRateHigh","release":"ios-4.12.0"},"annotations":{"summary":"API 5xx 4.2% \u003e 3% for 10m"},"startsAt":"2025-06-04T11:59:00.877Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://gate.example/rules/api-5xx?a=1\u0026b=2","fingerprint":"df74825d09c1e8dd"},{"status":"resolved","labels":{"alertname":"Slow"},"startsAt":"2025-06-04T11:00:00Z","endsAt":"2025-06-04T11:30:00Z"}],"notification_reason":"first notification","version":"4","groupKey":"{}:{}","truncatedAlerts":0}
`

func TestAlertmanagersPushes(t *testing.T) {
	in, kept := inboxOf(t, account{kind.Format: kind.Alertmanager, kind.Bearer: "test-secret"}, nil)
	good := headers("Authorization", "Bearer test-secret")
	twice := good.Clone()
	twice.Add("Authorization", "Bearer other")
	pushAll(t, in, []pushCase{
		{"with two tokens", twice, alertmanagerHook, noon, Forged, ""},
		{"without a token", headers(), alertmanagerHook, noon, Unsigned, "no Authorization header"},
		{"with Basic", headers("Authorization", "Basic test-secret"), alertmanagerHook, noon, Forged, "Bearer"},
		{"with another token", headers("Authorization", "Bearer other"), alertmanagerHook, noon, Forged, ""},
		{"no JSON", good, "x", noon, Malformed, "cannot be read"},
		{"of Grafana", good, strings.Replace(alertmanagerHook, `"version":"4"`, `"version":"1"`, 1), noon, Malformed, `version "1"`},
		{"no list", good, `{"version":"4"}`, noon, Malformed, "no list"},
		{"a truncated list", good, strings.Replace(alertmanagerHook, `"truncatedAlerts":0`, `"truncatedAlerts":3`, 1), noon, Malformed, "max_alerts"},
		{"another status", good, strings.Replace(alertmanagerHook, `"status":"resolved"`, `"status":"maybe"`, 1), noon, Malformed, `"maybe"`},
		{"too many", good, `{"version":"4","alerts":[{}` + strings.Repeat(`,{}`, maxAlerts) + `]}`, noon, TooLarge, "1001 alerts"},
		{"a push", good, alertmanagerHook, noon, Accepted, ""},
		{"its repetition", good, alertmanagerHook, noon.Add(time.Minute), Accepted, ""},
	})
	one := []string{"on map[alertname:ApiErrorRateHigh release:ios-4.12.0]", "off map[alertname:Slow]"}
	checkLines(t, kept, append(slices.Clone(one), one...)...)
	if a := kept.list[0].Alerts[0]; a.Begun != noon.Add(-time.Minute).UnixMilli()+877 || a.Ended != 0 {
		t.Errorf("got %+v", a)
	}
}

func TestAPushThatCannotBeKeptIsSentAgain(t *testing.T) {
	in, kept := inboxOf(t, account{kind.Format: kind.Alertmanager, kind.Bearer: "test-secret"}, nil)
	kept.err = errors.New("disk full")
	good := headers("Authorization", "Bearer test-secret")
	pushAll(t, in, []pushCase{{"a push", good, alertmanagerHook, noon, Unavailable, "send it again"}})
	in.pushes = nil
	pushAll(t, in, []pushCase{{"a push without a journal", good, alertmanagerHook, noon, Unavailable, "kept"}})
}

// The vectors are Grafana's: see its receivers/webhook.
func TestGrafanasPushes(t *testing.T) {
	in, kept := inboxOf(t, account{kind.Format: kind.Grafana, kind.Secret: "test-secret"}, nil)
	const known = "11992c4367d9da802d84fd04bbf53e5487a35e4e0db2a8fc44bf91e53f0ce753"
	signed := func(at time.Time, body string) http.Header {
		seconds := fmt.Sprint(at.Unix())
		return headers(grafanaSignature, fmt.Sprintf("%x", signature([]byte("test-secret"), []byte(seconds+":"+body))), kind.DefaultTimestamp, seconds)
	}
	blind := `{"version":"1","alerts":[{"status":"firing","labels":{"alertname":"DatasourceNoData","rulename":"Slow"},"startsAt":"2025-06-04T11:59:00Z"}]}`
	pushAll(t, in, []pushCase{
		{"Grafana's own vector", headers(grafanaSignature, known, kind.DefaultTimestamp, "1700000000"), `{"receiver":"r"}`, time.Unix(1_700_000_000, 0), Malformed, "no list of alerts"},
		{"its signature without a time", headers(grafanaSignature, "c4549de964cc8e9f02236945b413f941eda0756f792d6294091254c9c9349840"), `{"receiver":"r"}`, noon, Unsigned, "timestamp header"},
		{"without a signature", headers(kind.DefaultTimestamp, "1700000000"), `{"receiver":"r"}`, noon, Unsigned, grafanaSignature},
		{"of another body", headers(grafanaSignature, known, kind.DefaultTimestamp, "1700000000"), `{"receiver":"s"}`, time.Unix(1_700_000_000, 0), Forged, ""},
		{"no digits", headers(grafanaSignature, "xyz", kind.DefaultTimestamp, "1700000000"), `{}`, noon, Forged, ""},
		{"replayed later", signed(noon, alertmanagerHook), alertmanagerHook, noon.Add(tolerance + time.Second), Replayed, "5m1s ago"},
		{"signed ahead", signed(noon, alertmanagerHook), alertmanagerHook, noon.Add(-ahead - time.Second), Replayed, "ahead of now"},
		{"a push", signed(noon, alertmanagerHook), alertmanagerHook, noon, Accepted, ""},
		{"replayed at once", signed(noon, alertmanagerHook), alertmanagerHook, noon.Add(time.Second), Duplicate, ""},
		{"a repetition of its own", signed(noon.Add(time.Minute), blind), blind, noon.Add(time.Minute), Accepted, ""},
	})
	checkLines(t, kept, "on map[alertname:ApiErrorRateHigh release:ios-4.12.0]", "off map[alertname:Slow]",
		"unknown map[alertname:Slow grafana_state:DatasourceNoData rulename:Slow]")
}

// want asks an inbox for minutes from a time until now.
func want(match map[string]string, from, now time.Time) sources.Want {
	sig := &rules.Signal{Name: "a", Kind: rules.Alarm, Period: time.Minute, Query: rules.Query{Ask: &kind.Query{Match: match}}}
	return sources.Want{Signal: sig, From: from.Unix(), To: now.Unix()}
}

// minutes writes a reading: a digit for each minute that has a point, "-" for each that
// has none.
func minutes(r rules.Reading) string {
	var b strings.Builder
	for at := r.From; at < r.To; at += 60 {
		i := slices.IndexFunc(r.Points, func(p rules.Point) bool { return p.At == at })
		if i < 0 {
			b.WriteByte('-')
			continue
		}
		fmt.Fprintf(&b, "%v", r.Points[i].Value)
	}
	return b.String()
}

// told is a push at some minutes after noon that says things of alerts: "on a", "off a".
func told(minute float64, said ...string) sources.Push {
	at := noon.Add(time.Duration(minute * float64(time.Minute)))
	p := sources.Push{At: at}
	for _, s := range said {
		state, name, _ := strings.Cut(s, " ")
		p.Alerts = append(p.Alerts, sources.Alert{ID: name, Labels: map[string]string{"alertname": name}, State: sources.AlertState(state)})
	}
	return p
}

// An inbox answers by what was pushed: periods in which an alert was on at any time, and
// those all through which it was off. Where the heartbeat does not reach, it knows nothing.
func TestWhatAnInboxAnswers(t *testing.T) {
	for _, tt := range []struct {
		name    string
		pushes  []sources.Push
		now     float64
		want    string
		settled float64 // minutes after noon; negative: not known
		fault   rules.Fault
		detail  string
	}{
		{"nothing was pushed", nil, 3, "---", -1, rules.NoData, "nothing was pushed for longer than the heartbeat of 5m"},
		{"others only", []sources.Push{told(0, "on other")}, 3, "---", -1, rules.NoData, `never pushed: alerts with alertname="a"`},
		{"off", []sources.Push{told(0, "off a")}, 3, "000", 3, rules.OK, ""},
		{"on, and a minute is on as a whole", []sources.Push{told(0, "off a"), told(1.5, "on a")}, 3, "011", 3, rules.OK, ""},
		{"off again within a minute", []sources.Push{told(0, "off a"), told(1.2, "on a"), told(1.4, "off a")}, 3, "010", 3, rules.OK, ""},
		{"from the middle of a minute", []sources.Push{told(.5, "off a")}, 3, "-00", 3, rules.OK, ""},
		{"a running minute", []sources.Push{told(0, "off a")}, 2.5, "000", 2, rules.OK, ""},
		{"silent for too long", []sources.Push{told(0, "on a")}, 8, "11111---", 5, rules.NoData, "nothing was pushed since 2025-06-04T12:00:00Z, for longer than the heartbeat of 5m: what was on then is not known now"},
		{"silent in between", []sources.Push{told(0, "off a"), told(7, "off other")}, 9, "00000--00", 9, rules.OK, ""},
		{"another's push is a heartbeat", []sources.Push{told(0, "on a"), told(4), told(8)}, 10, "1111111111", 10, rules.OK, ""},
		{"without data of its own", []sources.Push{told(0, "off a"), told(1, "unknown a")}, 3, "0--", 3, rules.NoData, "the alert itself has no data"},
		{"silent until after the tick", []sources.Push{told(0, "off a"), told(9, "off a")}, 8, "00000---", 5, rules.NoData, "nothing was pushed since"},
		{"a push from after the tick", []sources.Push{told(0, "off a"), told(4, "on a")}, 3, "000", 3, rules.OK, ""},
	} {
		in, kept := inboxOf(t, account{kind.Format: kind.Alertmanager, kind.Bearer: "x"}, nil)
		kept.list = tt.pushes
		now := noon.Add(time.Duration(tt.now * float64(time.Minute)))
		r := in.Fetch(t.Context(), now, []sources.Want{want(map[string]string{"alertname": "a"}, noon, now)})[0]
		settled := int64(0)
		if tt.settled >= 0 {
			settled = noon.Add(time.Duration(tt.settled * float64(time.Minute))).Unix()
		}
		if minutes(r) != tt.want || r.SettledUntil != settled || r.Fault != tt.fault || !strings.Contains(r.Detail, tt.detail) {
			t.Errorf("%s: got %s, settled %d, %v %q; want %s, settled %d, %v %q", tt.name, minutes(r), r.SettledUntil, r.Fault, r.Detail, tt.want, settled, tt.fault, tt.detail)
		}
	}
}

func TestWhatAnInboxCannotAnswer(t *testing.T) {
	in, kept := inboxOf(t, account{kind.Format: kind.Alertmanager, kind.Bearer: "x"}, nil)
	w := want(map[string]string{"alertname": "a"}, noon, noon.Add(time.Minute))
	kept.err = errors.New("no disk")
	if r := in.Fetch(t.Context(), noon, []sources.Want{w})[0]; r.Fault != rules.Unavailable || len(r.Points) > 0 {
		t.Errorf("without its journal: %+v", r)
	}
	kept.err = nil
	foreign := *w.Signal
	foreign.Query = rules.Query{}
	if r := in.Fetch(t.Context(), noon, []sources.Want{{Signal: &foreign}})[0]; r.Fault != rules.ConfigFault {
		t.Errorf("another's query: %+v", r)
	}
	in.pushes = nil
	if r := in.Fetch(t.Context(), noon, []sources.Want{w})[0]; r.Fault != rules.ConfigFault {
		t.Errorf("outside of the daemon: %+v", r)
	}
	// An alert that may never have been on is off where the query says so.
	in.pushes = kept
	kept.list = []sources.Push{told(0)}
	w.Signal.Query.Ask.(*kind.Query).UnseenIsOK = true
	if r := in.Fetch(t.Context(), noon.Add(time.Minute), []sources.Want{w})[0]; minutes(r) != "0" || r.Fault != rules.OK {
		t.Errorf("unseen_is_ok: %s %+v", minutes(r), r)
	}
}

// What is old ends no alert, whichever way it comes once more.
func TestAReplayEndsNoAlert(t *testing.T) {
	at := func(minute int) int64 { return noon.Add(time.Duration(minute) * time.Minute).UnixMilli() }
	on := func(minute float64, begun int, ordered bool) sources.Push {
		p := told(minute, "on a")
		p.Alerts[0].Begun, p.Alerts[0].Ordered = at(begun), ordered
		return p
	}
	off := func(minute float64, begun, ended int, ordered bool) sources.Push {
		p := told(minute, "off a")
		p.Alerts[0].Begun, p.Alerts[0].Ended, p.Alerts[0].Ordered = at(begun), at(ended), ordered
		return p
	}
	for _, tt := range []struct {
		name   string
		pushes []sources.Push
		want   string
	}{
		{"the end of an earlier episode", []sources.Push{on(0, 0, false), off(1, 0, 1, false), on(2, 2, false), off(3, 0, 1, false)}, "101111"},
		{"an end that was taken before the alert came again with its old beginning", []sources.Push{on(0, 0, false), off(1, 0, 1, false), on(2, 0, false), off(3, 0, 1, false)}, "101111"},
		{"the end of an episode that was never pushed", []sources.Push{on(2, 2, false), off(3, 0, 1, false)}, "--1111"},
		{"its own end", []sources.Push{on(0, 0, false), off(1, 0, 1, false), on(2, 0, false), off(3, 0, 3, false)}, "101000"},
		{"states of CloudWatch that were overtaken", []sources.Push{on(2, 2, true), off(3, 1, 1, true)}, "--1111"},
		{"a state of CloudWatch that is over", []sources.Push{on(0, 0, true), off(1, 1, 1, true), on(2, 0, true)}, "100000"},
	} {
		in, kept := inboxOf(t, account{kind.Format: kind.Alertmanager, kind.Bearer: "x", kind.Heartbeat: "1h"}, nil)
		kept.list = tt.pushes
		now := noon.Add(6 * time.Minute)
		r := in.Fetch(t.Context(), now, []sources.Want{want(map[string]string{"alertname": "a"}, noon, now)})[0]
		if got := minutes(r); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

// An alert that goes on under other labels is the signal's no more, and one that lasts for
// a while only ends by itself.
func TestHowAlertsEnd(t *testing.T) {
	moved := told(2, "on a")
	moved.Alerts[0].Labels = map[string]string{"alertname": "b"}
	while := told(1, "on a")
	while.Alerts[0].Lasts = noon.Add(3 * time.Minute).UnixMilli()
	for _, tt := range []struct {
		name   string
		pushes []sources.Push
		want   string
	}{
		{"other labels", []sources.Push{told(0, "on a"), moved}, "1100000"},
		{"for a while", []sources.Push{told(0, "off a"), while}, "0110000"},
		{"for a while, and another push comes", []sources.Push{told(0, "off a"), while, told(2), told(5)}, "0110000"},
	} {
		in, kept := inboxOf(t, account{kind.Format: kind.Alertmanager, kind.Bearer: "x", kind.Heartbeat: "1h"}, nil)
		kept.list = tt.pushes
		now := noon.Add(7 * time.Minute)
		r := in.Fetch(t.Context(), now, []sources.Want{want(map[string]string{"alertname": "a"}, noon, now)})[0]
		if got := minutes(r); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}
