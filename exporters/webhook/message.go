package webhook

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
)

// body is the message as Standard Webhooks recommends.
func body(m outbox.Message) []byte {
	b := make([]byte, 0, len(m.Data)+128)
	b = append(b, `{"type":"`...)
	b = append(b, m.Type...) // letters, dots and underscores only
	b = append(b, `","timestamp":"`...)
	b = m.At.AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","data":`...)
	b = append(b, m.Data...)
	return append(b, '}')
}

// header writes everything but the signature. id is the message's in the form of
// a header.
func header(h http.Header, m outbox.Message, id string) {
	h.Set("Content-Type", "application/json")
	h.Set("Idempotency-Key", id)
	h.Set("Ce-Specversion", "1.0")
	h.Set("Ce-Id", id)
	h.Set("Ce-Source", "/plans/"+url.PathEscape(m.Plan))
	h.Set("Ce-Type", m.Type)
	h.Set("Ce-Time", m.At.Format(time.RFC3339Nano))
	if m.Subject != "" {
		h.Set("Ce-Subject", headerText(m.Subject))
	}
}

// headerText writes text as CloudEvents' HTTP binding wants it in a header:
// what is not plain ASCII in per cent.
func headerText(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}
