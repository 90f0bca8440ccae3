package inbox

import (
	"context"
	"maps"
	"net/http"
	"time"

	"github.com/relgate/relgate/sources"
)

// grafana reads the webhook of a contact point of Grafana's. Its signature is over a time
// and the body, so that a replay is known: by the time, and before that by the signature.
type grafana struct {
	secret    *sources.Secret
	timestamp string // header of the time
}

// grafanaSignature is the header of Grafana's signature.
const grafanaSignature = "X-Grafana-Alerting-Signature"

func (f grafana) read(_ context.Context, h http.Header, body []byte, now time.Time) (message, error) {
	at := h.Get(f.timestamp)
	if h.Get(grafanaSignature) != "" && at == "" {
		return message{}, refuse(Unsigned, "there is no header %s: name it as the timestamp header of the contact point's HMAC signature", f.timestamp)
	}
	want := signature([]byte(f.secret.Value()), []byte(at), []byte(":"), body)
	if err := signedHex(h, grafanaSignature, want); err != nil {
		return message{}, err
	}
	if err := freshUnix(at, now); err != nil {
		return message{}, err
	}
	g, err := readGroup(body)
	if err != nil {
		return message{}, err
	}
	for i := range g.Alerts {
		g.Alerts[i].own()
	}
	alerts, err := g.alerts(now)
	for i := range alerts {
		if g.Alerts[i].blind && alerts[i].State == sources.AlertOn {
			alerts[i].State = sources.AlertUnknown
		}
	}
	return message{key: digest(at + ":" + string(body)), alerts: alerts}, err
}

// own gives an alert that stands for a rule without data, or with an error, the name of
// its rule: Grafana calls it DatasourceNoData or DatasourceError.
func (a *groupAlert) own() {
	if name := a.Labels["alertname"]; (name == "DatasourceNoData" || name == "DatasourceError") && a.Labels["rulename"] != "" {
		a.Labels = maps.Clone(a.Labels)
		a.Labels["alertname"], a.Labels["grafana_state"], a.blind = a.Labels["rulename"], name, true
	}
}
