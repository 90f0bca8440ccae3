package inbox

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/inbox/kind"
)

// mapped reads any JSON by a mapping. It is let in by a token, or by the signature of
// Standard Webhooks, which covers an id and a time.
type mapped struct {
	token, secret *sources.Secret // one of them is nil

	alerts, labels, id, state []string // paths
	on, off                   []string // states
}

func newMapped(account sources.Account, secret func(string) (*sources.Secret, error)) (*mapped, error) {
	m := &mapped{
		alerts: path(account.Text(kind.Alerts)), labels: path(account.Text(kind.Labels)), id: path(account.Text(kind.ID)), state: path(account.Text(kind.State)),
		on: kind.List(account.Text(kind.On)), off: kind.List(account.Text(kind.Off)),
	}
	if len(m.on) == 0 {
		m.on = []string{kind.DefaultOn}
	}
	if len(m.off) == 0 {
		m.off = []string{kind.DefaultOff}
	}
	if m.state == nil {
		return nil, errors.New("state: missing")
	}
	own, err := account.Secret(kind.Secret)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind.Secret, err)
	}
	if own == "" {
		m.token, err = secret(kind.Bearer)
		return m, err
	}
	if m.secret, err = secret(kind.Secret); err == nil {
		_, err = standardKey(own)
	}
	return m, err
}

// path is the keys of a text with dots.
func path(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ".")
}

// standardKey is the key of a secret of Standard Webhooks.
func standardKey(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, "whsec_")
	if !ok {
		return []byte(secret), nil
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) == 0 {
		return nil, errors.New("secret: what follows whsec_ is not base64")
	}
	return key, nil
}

func (m *mapped) read(_ context.Context, h http.Header, body []byte, now time.Time) (message, error) {
	key, err := m.admit(h, body, now)
	if err != nil {
		return message{}, err
	}
	var document any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&document); err != nil {
		return message{}, refuse(Malformed, "it cannot be read: %v", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return message{}, refuse(Malformed, "it cannot be read: more than one document is in it; make them one list")
	}
	found, ok := at(document, m.alerts)
	if !ok {
		return message{}, refuse(Malformed, "there is no %s", strings.Join(m.alerts, "."))
	}
	list, isList := found.([]any)
	if !isList {
		list = []any{found}
	}
	if len(list) > maxAlerts {
		return message{}, refuse(TooLarge, "%d alerts: want at most %d", len(list), maxAlerts)
	}
	got := message{key: key}
	for _, one := range list {
		a, err := m.alert(one)
		if err != nil {
			return message{}, err
		}
		got.alerts = append(got.alerts, a)
	}
	return got, nil
}

// admit verifies a push, and gives its key.
func (m *mapped) admit(h http.Header, body []byte, now time.Time) (string, error) {
	if m.secret == nil {
		return "", bearer(h, m.token)
	}
	id, at, sent := h.Get("webhook-id"), h.Get("webhook-timestamp"), h.Get("webhook-signature")
	if id == "" || at == "" || sent == "" {
		return "", refuse(Unsigned, "want the headers webhook-id, webhook-timestamp and webhook-signature")
	}
	key, err := standardKey(m.secret.Value())
	if err != nil {
		return "", refuse(Unavailable, "the secret of the inbox cannot be used")
	}
	want := signature(key, []byte(id+"."+at+"."), body)
	if !slices.ContainsFunc(strings.Fields(sent), func(s string) bool {
		encoded, ok := strings.CutPrefix(s, "v1,")
		got, err := base64.StdEncoding.DecodeString(encoded)
		return ok && err == nil && hmac.Equal(got, want)
	}) {
		return "", refuse(Forged, "no signature in webhook-signature is that of this body by the secret of the inbox")
	}
	return "id " + digest(id), freshUnix(at, now)
}

// alert is what one document says of one alert.
func (m *mapped) alert(document any) (sources.Alert, error) {
	state, ok := at(document, m.state)
	text := scalar(state)
	if !ok || text == "" {
		return sources.Alert{}, refuse(Malformed, "an alert has no %s", strings.Join(m.state, "."))
	}
	a := sources.Alert{State: sources.AlertUnknown, Labels: map[string]string{}}
	switch {
	case slices.Contains(m.on, text):
		a.State = sources.AlertOn
	case slices.Contains(m.off, text):
		a.State = sources.AlertOff
	}
	found, _ := at(document, m.labels)
	fields, _ := found.(map[string]any)
	for name, value := range fields {
		if slices.Equal(append(slices.Clone(m.labels), name), m.state) {
			continue
		}
		if text := scalar(value); text != "" {
			a.Labels[name] = text
		}
	}
	if m.id == nil {
		a.ID = identity(a.Labels)
		return a, nil
	}
	id, _ := at(document, m.id)
	if scalar(id) == "" {
		return a, refuse(Malformed, "an alert has no %s", strings.Join(m.id, "."))
	}
	a.ID = digest(scalar(id))
	return a, nil
}

// at is what stands at a path.
func at(document any, keys []string) (any, bool) {
	for _, key := range keys {
		fields, _ := document.(map[string]any)
		inner, ok := fields[key]
		if !ok {
			return nil, false
		}
		document = inner
	}
	return document, true
}

// scalar is a text, a number or a truth as text; empty for any other.
func scalar(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number, bool:
		return fmt.Sprint(v)
	}
	return ""
}
