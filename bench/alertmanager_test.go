package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/template"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/exporters/wire"
)

// alertmanagerMessage is Alertmanager's own type for what its webhook sends: its package
// notify/webhook has it with what sends it.
type alertmanagerMessage struct {
	*template.Data
	Version         string `json:"version"`
	GroupKey        string `json:"groupKey"`
	TruncatedAlerts uint64 `json:"truncatedAlerts"`
}

func TestTheDocsSayWhichAlertmanagerIsTried(t *testing.T) {
	docs, err := os.ReadFile("../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	version, _, _ := strings.Cut(strings.TrimPrefix(versions(t)["github.com/prometheus/alertmanager"], "0."), ".")
	if !strings.Contains(string(docs), "templates of Alertmanager 0."+version+".") {
		t.Errorf("docs/webhooks.md does not name Alertmanager 0.%s", version)
	}
}

// What Alertmanager's receivers are written against reads the format "alertmanager": the
// types, without a field that they do not know, and the templates.
func TestAlertmanagersOwnTypesReadTheFormat(t *testing.T) {
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { body, _ = io.ReadAll(r.Body) }))
	t.Cleanup(server.Close)
	f, known := format.Named("alertmanager")
	if !known {
		t.Fatal("there is no format alertmanager")
	}
	at := func(s int) *time.Time { return new(epoch.Add(time.Duration(s) * time.Second)) }
	event := func(n uint64, kind, subject, from, to, headline string) wire.EventBody {
		return wire.EventBody{Kind: kind, Type: "relgate." + kind + "." + to, N: n, ID: theRun + ".k3x9/1", Run: theRun, Plan: "wide", Version: "1.0.0", At: at(int(n)), Subject: subject, From: from, To: to, Headline: headline}
	}
	earlier := []wire.EventBody{
		event(1, "rule", "r1", "clear", "warning", "API 5xx 5.0 % > 3 %"),
		event(2, "rule", "r2", "clear", "breaching", "p95 <5 s> & more"),
	}
	sink, err := webhook.New(webhook.Config{Allow: []string{"127.0.0.1/32"}, External: "https://relgate.example"}, webhook.Endpoint{
		Name: "on.call", URL: server.URL, Format: f,
		Earlier: func(context.Context, string, uint64, bool) ([]wire.EventBody, error) { return earlier, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	last := event(3, "rule", "r2", "breaching", "clear", "it is over")
	data, err := json.Marshal(last)
	if err != nil {
		t.Fatal(err)
	}
	if o := sink.Send(t.Context(), outbox.Message{ID: last.ID, Type: last.Type, N: 3, Data: data}); !o.OK {
		t.Fatal(o)
	}
	var got alertmanagerMessage
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&got); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	firing, resolved := got.Alerts.Firing(), got.Alerts.Resolved()
	if got.Version != "4" || got.Status != "firing" || len(firing) != 1 || len(resolved) != 1 || !firing[0].EndsAt.IsZero() || !resolved[0].EndsAt.Equal(*at(3)) {
		t.Errorf("got %+v", got.Data)
	}
	own, err := template.FromGlobs(nil)
	if err != nil {
		t.Fatal(err)
	}
	title, err := own.ExecuteTextString(`{{ .Status }} {{ .GroupLabels.run }} {{ .CommonLabels.severity }}{{ range .Alerts }}, {{ .Labels.rule }} {{ .Status }}: {{ .Annotations.summary }}{{ end }}`, got.Data)
	if want := "firing " + theRun + " warning, r1 firing: API 5xx 5.0 % > 3 %, r2 resolved: p95 <5 s> & more"; err != nil || title != want {
		t.Errorf("got %q (%v), want %q", title, err, want)
	}
}
