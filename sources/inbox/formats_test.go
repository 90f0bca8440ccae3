package inbox

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/inbox/kind"
)

// The signature is over the bytes as they came: Sentry escapes what is not ASCII.
func TestSentrysPushes(t *testing.T) {
	in, kept := inboxOf(t, account{kind.Format: kind.Sentry, kind.Secret: "test-secret"}, nil)
	const known = "a672dbd5a4db9cd045dd079a556f30456be83e697b20d057e26864e26d706ab0"
	escaped := `{"action": "critical", "data": {"description_title": "Taux d'\u00e9chec"}}`
	signed := func(body string) http.Header {
		return headers("Sentry-Hook-Signature", fmt.Sprintf("%x", signature([]byte("test-secret"), []byte(body))), "Sentry-Hook-Resource", "metric_alert", "Request-ID", "1")
	}
	metric := func(action, rest string) string {
		return `{"action":"` + action + `","installation":{"uuid":"u"},"data":{"metric_alert":{"id":"7","status":20,"date_started":"2025-06-04T11:58:00Z",` + rest + `"projects":["app"],"alert_rule":{"id":"3","name":"crash-free","environment":"production","triggers":[]}},"description_title":"x"}}`
	}
	event := `{"action":"triggered","data":{"event":{"event_id":"e","level":"error","project":12,"tags":[["environment","production"],["release","app@1"],["x","y"],["odd"]]},"triggered_rule":"new issues"}}`
	critical, resolved := metric("critical", ""), metric("resolved", `"date_closed":"2025-06-04T11:59:00Z",`)
	pushAll(t, in, []pushCase{
		{"Sentry's own vector", headers("Sentry-Hook-Signature", known), escaped, noon, Control, ""},
		{"the same text in other bytes", headers("Sentry-Hook-Signature", known), strings.Replace(escaped, `\u00e9`, "é", 1), noon, Forged, ""},
		{"without a signature", headers(), critical, noon, Unsigned, "Sentry-Hook-Signature"},
		{"by another secret", headers("Sentry-Hook-Signature", known), critical, noon, Forged, ""},
		{"no JSON", signed("x"), "x", noon, Malformed, "cannot be read"},
		{"an installation", signed(`{"action":"created","data":{"installation":{}}}`), `{"action":"created","data":{"installation":{}}}`, noon, Control, ""},
		{"another action", signed(metric("perhaps", "")), metric("perhaps", ""), noon, Malformed, `"perhaps"`},
		{"on", signed(critical), critical, noon, Accepted, ""},
		{"an event", signed(event), event, noon, Accepted, ""},
		{"off", signed(resolved), resolved, noon.Add(time.Minute), Accepted, ""},
		{"on, sent again", signed(critical), critical, noon.Add(2 * time.Minute), Duplicate, ""},
	})
	checkLines(t, kept, "on map[environment:production project:app resource:metric_alert rule:crash-free]",
		"on map[environment:production level:error project:12 release:app@1 resource:event_alert rule:new issues]",
		"off map[environment:production project:app resource:metric_alert rule:crash-free]")
	// Once its body is forgotten, the time of its incident still says that it is old.
	for i := range kept.list {
		kept.list[i].Key = ""
	}
	pushAll(t, in, []pushCase{{"on, sent again much later", signed(critical), critical, noon.Add(12 * time.Minute), Accepted, ""}})
	now := noon.Add(15 * time.Minute)
	in.heartbeat = time.Hour
	for rule, wanted := range map[string]string{"crash-free": "100000000000000", "new issues": "111111111100000"} {
		r := in.Fetch(t.Context(), now, []sources.Want{want(map[string]string{"rule": rule}, noon, now)})[0]
		if got := minutes(r); got != wanted {
			t.Errorf("%s: got %s, want %s", rule, got, wanted)
		}
	}
}

func TestEventBridgesPushes(t *testing.T) {
	in, kept := inboxOf(t, account{kind.Format: kind.EventBridge, kind.Bearer: "test-secret"}, nil)
	good := headers("Authorization", "Bearer test-secret")
	event := func(id, value, at string) string {
		return fmt.Sprintf(`{"version":"0","id":%q,"detail-type":"CloudWatch Alarm State Change","source":"aws.cloudwatch","account":"1","time":"2025-06-04T11:59:30Z","region":"eu-central-1","resources":["arn:aws:cloudwatch:eu-central-1:1:alarm:api"],"detail":{"alarmName":"api","state":{"value":%q,"timestamp":%q}}}`, id, value, at)
	}
	const began = "2025-06-04T11:59:29.989+0000"
	on := event("e1", "ALARM", began)
	pushAll(t, in, []pushCase{
		{"without the header", headers(), on, noon, Unsigned, ""},
		{"with another", headers("Authorization", "Bearer x"), on, noon, Forged, ""},
		{"no JSON", good, "x", noon, Malformed, ""},
		{"transformed", good, `{"alarm":"api"}`, noon, Malformed, "as it is"},
		{"of yesterday", good, on, noon.Add(26 * time.Hour), Replayed, ""},
		{"another state", good, event("e2", "MAYBE", began), noon, Malformed, `"MAYBE"`},
		{"no time", good, event("e2", "OK", "soon"), noon, Malformed, "began"},
		{"no name", good, strings.Replace(event("e2", "OK", began), `"alarmName":"api"`, `"alarmName":""`, 1), noon, Malformed, "no name"},
		{"on", good, on, noon, Accepted, ""},
		{"on, sent again", good, on, noon, Duplicate, ""},
		{"no data", good, event("e3", "INSUFFICIENT_DATA", "2025-06-04T12:00:30.000+0000"), noon.Add(time.Minute), Accepted, ""},
		{"off", good, event("e4", "OK", "2025-06-04T12:01:30.000+0000"), noon.Add(2 * time.Minute), Accepted, ""},
		{"a schedule", good, `{"id":"e5","detail-type":"Scheduled Event","source":"aws.events","time":"2025-06-04T12:02:00Z","detail":{}}`, noon.Add(2 * time.Minute), Accepted, ""},
	})
	labels := "map[account:1 alarm:api arn:arn:aws:cloudwatch:eu-central-1:1:alarm:api region:eu-central-1]"
	checkLines(t, kept, "on "+labels, "unknown "+labels, "off "+labels)
}

func TestPushesByAMapping(t *testing.T) {
	in, kept := inboxOf(t, account{
		kind.Format: kind.JSON, kind.Bearer: "test-secret", kind.Alerts: "data.alerts", kind.Labels: "tags", kind.ID: "name", kind.State: "now.state",
		kind.On: "red, 1", kind.Off: "green,0",
	}, nil)
	good := headers("Authorization", "Bearer test-secret")
	pushAll(t, in, []pushCase{
		{"without a token", headers(), `{}`, noon, Unsigned, ""},
		{"no JSON", good, "x", noon, Malformed, "cannot be read"},
		{"two documents", good, `{"data":{"alerts":[]}}` + "\n" + `{"data":{"alerts":[{"name":"a","now":{"state":"red"}}]}}`, noon, Malformed, "more than one document"},
		{"no list", good, `{"data":{}}`, noon, Malformed, "no data.alerts"},
		{"no state", good, `{"data":{"alerts":[{"name":"a"}]}}`, noon, Malformed, "no now.state"},
		{"no id", good, `{"data":{"alerts":[{"now":{"state":"red"}}]}}`, noon, Malformed, "no name"},
		{"too many", good, `{"data":{"alerts":[1` + strings.Repeat(",1", maxAlerts) + `]}}`, noon, TooLarge, ""},
		{"a push", good, `{"data":{"alerts":[{"name":"a","now":{"state":"red"},"tags":{"x":"y","n":3,"b":true,"o":{}}},{"name":"b","now":{"state":0}},{"name":"c","now":{"state":"blue"}}]}}`, noon, Accepted, ""},
	})
	checkLines(t, kept, "on map[b:true n:3 x:y]", "off map[]", "unknown map[]")

	in, kept = inboxOf(t, account{kind.Format: kind.JSON, kind.Bearer: "test-secret", kind.State: "status"}, nil)
	pushAll(t, in, []pushCase{
		{"on", good, `{"status":"firing","check":"a"}`, noon, Accepted, ""},
		{"off", good, `[{"status":"resolved","check":"a"}]`, noon, Accepted, ""},
	})
	checkLines(t, kept, "on map[check:a]", "off map[check:a]")
	if kept.list[0].Alerts[0].ID != kept.list[1].Alerts[0].ID {
		t.Error("one alert has two ids")
	}
}

// Standard Webhooks signs an id and a time.
func TestPushesByStandardWebhooks(t *testing.T) {
	key := []byte("0123456789abcdef")
	for _, secret := range []string{"whsec_" + base64.StdEncoding.EncodeToString(key), string(key)} {
		in, _ := inboxOf(t, account{kind.Format: kind.JSON, kind.Secret: secret, kind.State: "status"}, nil)
		body := `{"status":"firing"}`
		signed := func(id string, at time.Time) http.Header {
			seconds := fmt.Sprint(at.Unix())
			sum := base64.StdEncoding.EncodeToString(signature(key, []byte(id+"."+seconds+"."+body)))
			return headers("webhook-id", id, "webhook-timestamp", seconds, "webhook-signature", "v2,x v1,"+sum)
		}
		other := signed("m1", noon)
		other.Set("webhook-id", "m2")
		pushAll(t, in, []pushCase{
			{"unsigned", headers("webhook-id", "m1"), body, noon, Unsigned, "webhook-timestamp"},
			{"of another id", other, body, noon, Forged, ""},
			{"of another body", signed("m1", noon), `{"status":"resolved"}`, noon, Forged, ""},
			{"replayed later", signed("m1", noon), body, noon.Add(time.Hour), Replayed, "1h0m0s ago"},
			{"a push", signed("m1", noon), body, noon, Accepted, ""},
			{"replayed at once", signed("m1", noon), body, noon, Duplicate, ""},
		})
	}
}

// What cannot be an inbox is none.
func TestWhatCannotBeOpened(t *testing.T) {
	for _, a := range []account{
		{kind.Format: kind.Alertmanager, kind.Bearer: "x"},
		{kind.Format: kind.Alertmanager, kind.Bearer: "x", kind.Heartbeat: "0s"},
		{kind.Format: "fax", kind.Heartbeat: "5m"},
		{kind.Format: kind.SNS, kind.Heartbeat: "5m"},
		{kind.Format: kind.JSON, kind.Heartbeat: "5m", kind.Bearer: "x"},
		{kind.Format: kind.JSON, kind.Heartbeat: "5m", kind.Secret: "whsec_?", kind.State: "s"},
		{kind.Format: kind.Alertmanager, kind.Heartbeat: "5m"},
		{kind.Format: kind.Grafana, kind.Heartbeat: "5m"},
		{kind.Format: kind.Sentry, kind.Heartbeat: "5m"},
		{kind.Format: kind.EventBridge, kind.Heartbeat: "5m"},
		{kind.Format: kind.JSON, kind.Heartbeat: "5m", kind.State: "s"},
	} {
		if src, err := Open(t.Context(), sources.Opening{Account: a}); err == nil {
			t.Errorf("%v: got %v", a, src)
		}
	}
	if len(Results()) != 12 || slices.Contains(Results(), "") {
		t.Errorf("got %v", Results())
	}
}

// No push makes relgate panic, whoever wrote it, and none is taken with a reason.
func FuzzPushes(f *testing.F) {
	for _, seed := range []string{alertmanagerHook, `{"data":{"metric_alert":{"projects":["a"]}},"action":"critical"}`, `{"id":"1","time":"2025-06-04T11:59:30Z"}`, `[{"status":1}]`, `{"status":{}}`, "null"} {
		f.Add(seed)
	}
	boxes := map[string]*Inbox{}
	for format, a := range map[string]account{
		kind.Alertmanager: {kind.Bearer: "s"}, kind.EventBridge: {kind.Bearer: "s"}, kind.Sentry: {kind.Secret: "s"}, kind.Grafana: {kind.Secret: "s"},
		kind.JSON: {kind.Bearer: "s", kind.State: "status"}, kind.SNS: {kind.Topics: topic},
	} {
		a[kind.Format] = format
		boxes[format], _ = inboxOf(f, a, nothing{})
	}
	f.Fuzz(func(t *testing.T, body string) {
		seconds := fmt.Sprint(noon.Unix())
		h := headers("Authorization", "Bearer s", "Sentry-Hook-Signature", fmt.Sprintf("%x", signature([]byte("s"), []byte(body))),
			grafanaSignature, fmt.Sprintf("%x", signature([]byte("s"), []byte(seconds+":"+body))), kind.DefaultTimestamp, seconds)
		for format, in := range boxes {
			result, err := in.Receive(t.Context(), noon, h, []byte(body))
			if (err == nil) != slices.Contains([]Result{Accepted, Duplicate, Control}, result) || err != nil && err.Error() == "" {
				t.Errorf("%s: got %s %v", format, result, err)
			}
			in.pushes.(*memory).list = nil
		}
	})
}
