package format

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/wire"
)

var update = flag.Bool("update", false, "write the golden files again")

// at is so many minutes after the run began.
func at(minutes int) *time.Time {
	return new(time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC).Add(time.Duration(minutes) * time.Minute))
}

// history numbers events and fills in what all events of a run have.
func history(events ...wire.EventBody) []wire.EventBody {
	for i := range events {
		e := &events[i]
		e.N, e.Run, e.Plan, e.Version = uint64(i+1), "REL@1.0.0", "REL", "1.0.0"
		e.ID, e.Type = fmt.Sprintf("REL@1.0.0.k7q/%d", i+1), "relgate."+e.Kind+"."+e.To
		if e.At == nil {
			e.At = at(i)
		}
	}
	return events
}

// factsOf are those of the last event.
func factsOf(events []wire.EventBody) Facts {
	last := events[len(events)-1]
	return Facts{ID: last.ID, Type: last.Type, Event: last, Earlier: events[:len(events)-1]}
}

// told is what the alerts are after each event: "name{rule phase}=status", those that fire
// first; "-" where nothing is sent.
func told(events []wire.EventBody) []string {
	var all []string
	for i := range events {
		var list []string
		for _, a := range alertsAt(factsOf(events[:i+1])) {
			list = append(list, strings.TrimPrefix(a.Labels["alertname"], "Relgate")+strings.TrimRight(" "+a.Labels["rule"]+a.Labels["phase"], " ")+"="+a.Status)
		}
		if list == nil {
			list = []string{"-"}
		}
		all = append(all, strings.Join(list, ", "))
	}
	return all
}

func rule(name, from, to string) wire.EventBody {
	return wire.EventBody{Kind: "rule", Subject: name, From: from, To: to}
}

func success1(name, phase, from, to string) wire.EventBody {
	return wire.EventBody{Kind: "rule", Subject: name, Phase: phase, From: from, To: to}
}

func run(from, to string) wire.EventBody {
	return wire.EventBody{Kind: "run", Subject: "REL", From: from, To: to}
}

func gate(phase, from, to string) wire.EventBody {
	return wire.EventBody{Kind: "verdict", Subject: phase, Phase: phase, From: from, To: to}
}

func TestAlertsOfARun(t *testing.T) {
	for _, tt := range []struct {
		name   string
		events []wire.EventBody
		want   []string
	}{
		{"nothing against it is nothing to say", []wire.EventBody{run("", "waiting"), run("waiting", "monitoring"), rule("5xx", "idle", "clear"), gate("all", "pending", "pass"), run("monitoring", "passed")},
			[]string{"-", "-", "-", "-", "-"}},
		{"a breach that ends is resolved", []wire.EventBody{rule("5xx", "clear", "breaching"), rule("5xx", "breaching", "clear")},
			[]string{"RuleAgainst 5xx=firing", "RuleAgainst 5xx=resolved"}},
		{"silence resolves nothing", []wire.EventBody{rule("5xx", "clear", "breaching"), rule("5xx", "breaching", "silent"), rule("5xx", "silent", "clear")},
			[]string{"RuleAgainst 5xx=firing", "-", "RuleAgainst 5xx=resolved"}},
		{"unknown resolves nothing of a success rule", []wire.EventBody{success1("errors", "all", "pending", "fail"), success1("errors", "all", "fail", "unknown"), success1("errors", "all", "unknown", "pass")},
			[]string{"RuleAgainst errorsall=firing", "-", "RuleAgainst errorsall=resolved"}},
		{"a success rule has an alert in each phase", []wire.EventBody{success1("errors", "one", "pending", "fail"), success1("errors", "two", "pending", "fail"), success1("errors", "one", "fail", "pass")},
			[]string{"RuleAgainst errorsone=firing", "RuleAgainst errorsone=firing, RuleAgainst errorstwo=firing", "RuleAgainst errorstwo=firing, RuleAgainst errorsone=resolved"}},
		{"a rollback fires until it is carried out", []wire.EventBody{
			rule("5xx", "clear", "warning"), rule("p95", "clear", "breaching"), rule("5xx", "warning", "fired"), run("monitoring", "rolled_back"),
			{Kind: "command", Subject: "rollback_done", To: "applied"},
		}, []string{
			"RuleAgainst 5xx=firing", "RuleAgainst 5xx=firing, RuleAgainst p95=firing", "RuleAgainst 5xx=firing, RuleAgainst p95=firing",
			"RuleAgainst 5xx=firing, RuleAgainst p95=firing, RollbackOrdered=firing", "RuleAgainst 5xx=resolved, RuleAgainst p95=resolved, RollbackOrdered=resolved",
		}},
		{"a rollback whose way back is taken", []wire.EventBody{run("monitoring", "rolled_back"), {Kind: "effect", Subject: "5xx/alias", From: "planned", To: "intended"}, {Kind: "effect", Subject: "REL", From: "intended", To: "taken"}},
			[]string{"RollbackOrdered=firing", "-", "RollbackOrdered=resolved"}},
		{"a rollback that has only stopped", []wire.EventBody{run("monitoring", "rolled_back"), {Kind: "effect", Subject: "REL", From: "done", To: "stopped"}}, []string{"RollbackOrdered=firing", "RollbackOrdered=resolved"}},
		{"a hold that is resumed is resolved, and its rule is not", []wire.EventBody{rule("p95", "clear", "holding"), run("monitoring", "held"), run("held", "monitoring"), rule("p95", "holding", "clear")},
			[]string{"RuleAgainst p95=firing", "RuleAgainst p95=firing, RunHeld=firing", "RuleAgainst p95=firing, RunHeld=resolved", "RuleAgainst p95=resolved"}},
		{"a held run that is rolled back", []wire.EventBody{run("monitoring", "held"), run("held", "rolled_back")},
			[]string{"RunHeld=firing", "RollbackOrdered=firing, RunHeld=resolved"}},
		{"a failed run fires, and a person's override resolves it", []wire.EventBody{run("monitoring", "failed"), run("failed", "monitoring")},
			[]string{"RunFailed=firing", "RunFailed=resolved"}},
		{"a pass resolves all", []wire.EventBody{rule("5xx", "clear", "warning"), gate("all", "pending", "unknown"), run("monitoring", "passed")},
			[]string{"RuleAgainst 5xx=firing", "RuleAgainst 5xx=firing, GateUnknown all=firing", "RuleAgainst 5xx=resolved, GateUnknown all=resolved"}},
		{"another run takes its place", []wire.EventBody{rule("5xx", "clear", "breaching"), run("monitoring", "superseded")},
			[]string{"RuleAgainst 5xx=firing", "RuleAgainst 5xx=resolved"}},
		{"a gate that can be judged again", []wire.EventBody{gate("all", "pending", "unknown"), gate("all", "unknown", "pending")},
			[]string{"GateUnknown all=firing", "GateUnknown all=resolved"}},
		{"another share of the traffic than planned", []wire.EventBody{
			{Kind: "rollout", Subject: "ten", Phase: "ten", From: "match", To: "mismatch"}, {Kind: "rollout", Subject: "ten", Phase: "ten", From: "mismatch", To: "match"},
		}, []string{"TrafficMismatch ten=firing", "TrafficMismatch ten=resolved"}},
		{"a rule in shadow is no alert", []wire.EventBody{rule("5xx", "clear", "would_fire"), rule("5xx", "would_fire", "clear")}, []string{"-", "-"}},
		{"a refused command is none", []wire.EventBody{run("monitoring", "rolled_back"), {Kind: "command", Subject: "rollback_done", To: "refused"}}, []string{"RollbackOrdered=firing", "-"}},
		{"what fires again begins anew", []wire.EventBody{rule("5xx", "clear", "breaching"), rule("p95", "clear", "breaching"), rule("5xx", "breaching", "clear"), rule("5xx", "clear", "breaching")},
			[]string{"RuleAgainst 5xx=firing", "RuleAgainst 5xx=firing, RuleAgainst p95=firing", "RuleAgainst p95=firing, RuleAgainst 5xx=resolved", "RuleAgainst p95=firing, RuleAgainst 5xx=firing"}},
	} {
		if got := told(history(tt.events...)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got\n%s\nwant\n%s", tt.name, strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
		}
	}
}

// rollback is a run that is rolled back, up to the rollback.
func rollback() []wire.EventBody {
	said := func(e wire.EventBody, minute int, headline, sentence string) wire.EventBody {
		e.At, e.Headline, e.Sentence = at(minute), headline, sentence
		return e
	}
	events := history(
		said(rule("api-5xx-high", "clear", "breaching"), 60, "API 5xx 5.0 % > 3 % for 1 min", "API 5xx 5.0 % > 3 %: 55 of 1,101 requests failed."),
		said(rule("p95-high", "clear", "breaching"), 62, "p95 <3 s> & more", "Lambda p95 latency 5.69 s > 3 s."),
		said(rule("p95-high", "breaching", "clear"), 64, "p95 is back", "Lambda p95 latency 2 s."),
		said(rule("api-5xx-high", "breaching", "fired"), 71, "ROLLBACK: API 5xx 5.0 % > 3 % for 10 min", "API 5xx 5.0 % > 3 %: 552 of 11,010 requests failed."),
		said(run("monitoring", "rolled_back"), 71, "ROLLBACK: API 5xx 5.0 % > 3 % for 10 min", "roll back"),
	)
	events[3].Owner, events[3].Action, events[3].Command = "DevSecOps", "pause the rollout", "aws lambda update-alias"
	return events
}

func alertBody(t *testing.T, e Endpoint, f Facts) []byte {
	t.Helper()
	call, err := alertmanager.Open(e)(f)
	if err != nil || call == nil {
		t.Fatalf("%s: got %v, %v", f.ID, call, err)
	}
	return call.Body
}

// What is sent is what Alertmanager 0.25 sends of the same alerts: the files are what it
// sent. TestAlertmanagerSendsTheSame, in package webhook, asks it again.
func TestTheAlertmanagerPayloadIsGolden(t *testing.T) {
	events := rollback()
	for name, f := range map[string]Facts{
		"firing":   factsOf(events[:4]),
		"resolved": factsOf(events[:3]),
		"rollback": factsOf(events),
	} {
		got := alertBody(t, Endpoint{Name: "on.call", URL: "http://hook.example/", External: "https://relgate.example"}, f)
		path := filepath.Join("testdata", "alertmanager-"+name+".json")
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got\n%swant (%v)\n%s", name, got, err, want)
		}
	}
}

// Alertmanager drops labels without a value when it takes an alert, and takes nothing but
// strings.
func TestAlertsHaveNoEmptyLabels(t *testing.T) {
	for _, events := range [][]wire.EventBody{history(gate("", "pending", "unknown")), history(rule("x", "clear", "fired")), rollback()} {
		var got struct {
			Alerts []struct{ Labels, Annotations map[string]string }
		}
		if err := json.Unmarshal(alertBody(t, Endpoint{Name: "a"}, factsOf(events)), &got); err != nil {
			t.Fatal(err)
		}
		for _, a := range got.Alerts {
			for _, set := range []map[string]string{a.Labels, a.Annotations} {
				for name, value := range set {
					if value == "" {
						t.Errorf("%q is empty in %v", name, set)
					}
				}
			}
		}
	}
}

func TestFingerprint(t *testing.T) {
	for _, tt := range []struct {
		labels map[string]string
		want   string
	}{
		{nil, "cbf29ce484222325"},
		{labels("alertname", "TestAlert"), "dab43189276e5f48"},
		{labels("alertname", "DemoAlert", "server", "ni3", "severity", "critical"), "8a07086b74f3ba78"},
		{labels("alertname", "ApiErrorRateHigh", "phase", "canary-5", "release", "ios-4.12.0", "severity", "critical"), "df74825d09c1e8dd"},
	} {
		if got := fingerprint(tt.labels); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.labels, got, tt.want)
		}
	}
}

// An event that does not arrive elsewhere is an alert by itself, under the endpoint's own
// labels too.
func TestAlertOfAnEventThatDoesNotArrive(t *testing.T) {
	f := factsOf(rollback())
	f.Stuck = &Stuck{Endpoint: "pipeline", Attempts: 3, Reason: "answered 503 Service Unavailable"}
	e := Endpoint{Name: "a"}
	e.Tables = map[string]map[string]string{"labels": {"team": "mobile"}}
	var got alertGroup
	if err := json.Unmarshal(alertBody(t, e, f), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Alerts) != 1 || got.Status != firing || got.Alerts[0].Labels["alertname"] != "RelgateOrderPending" || got.Alerts[0].Labels["endpoint"] != "pipeline" ||
		got.CommonLabels["team"] != "mobile" || got.Alerts[0].Annotations["reason"] != f.Stuck.Reason {
		t.Errorf("got %+v", got)
	}
}

// A run's labels are those of a run: an event without one, such as a refused start, is
// none of its group.
func TestNoRunIsNoGroup(t *testing.T) {
	call, err := alertmanager.Open(Endpoint{Name: "a"})(Facts{Event: rule("x", "clear", "fired")})
	if call != nil || err != nil {
		t.Errorf("got %v, %v", call, err)
	}
}

// A rule that has fired is decided, as the rollback is that it orders: no reading ends it, and
// no outage may.
func TestARuleThatHasFiredIsDecided(t *testing.T) {
	events := history(
		wire.EventBody{Kind: "rule", Subject: "api", From: "clear", To: "breaching"},
		wire.EventBody{Kind: "rule", Subject: "api", From: "breaching", To: "fired"},
		wire.EventBody{Kind: "rule", Subject: "api", From: "fired", To: "clear"},
		wire.EventBody{Kind: "rule", Subject: "api", From: "clear", To: "breaching"},
	)
	var r RunAlerts
	for i, want := range []bool{false, true, true, false} {
		r.Take(&events[i])
		if got := r.Alerts(time.Time{})[0].Decided; got != want {
			t.Errorf("after event %d: decided %v, want %v", i+1, got, want)
		}
	}
}
