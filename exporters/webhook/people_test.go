package webhook

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/outbox/faulttest"
	"github.com/relgate/relgate/exporters/outbox/killtest"
	"github.com/relgate/relgate/exporters/webhook/format"
)

// posts is a receiver of webhooks that counts what is there: each post, or each alert where
// it knows a repetition by the key.
type posts struct {
	fault func(n int) faulttest.Fault
	said  string
	key   string // name of the field by which a repetition is known; empty: none

	mu    sync.Mutex
	n     int
	there []string
}

func (p *posts) Wrong() []string { return nil }

func (p *posts) Count(string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.key == "" {
		return len(p.there)
	}
	known := map[string]bool{}
	for _, body := range p.there {
		var fields map[string]any
		if json.Unmarshal([]byte(body), &fields) == nil {
			known[fmt.Sprint(fields[p.key])] = true
		}
	}
	return len(known)
}

func (p *posts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.n++
	fault := p.fault(p.n)
	p.mu.Unlock()
	do := func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.there = append(p.there, string(body))
	}
	if !fault.Serve(w, r, faulttest.Limit{Status: http.StatusTooManyRequests, After: 7}, do) {
		do()
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, p.said)
	}
}

// Killed at every step, and whatever is answered, Teams and PagerDuty have a message as often
// as docs/people.md says.
func TestPeopleAreToldAsOftenAsTheManualSays(t *testing.T) {
	var rows []string
	sinkOf := func(name string) func(http.RoundTripper, outbox.Memory) (outbox.Sink, error) {
		return func(transport http.RoundTripper, m outbox.Memory) (outbox.Sink, error) {
			f, _ := format.Named(name)
			s, err := New(Config{Transport: transport}, Endpoint{Name: killtest.Endpoint, URL: "https://people.example/hook", Format: f, Own: map[string]string{"routing_key": "s3cret"}})
			if name == "pagerduty" || err != nil {
				return s, err
			}
			return outbox.Once{Sink: s, Memory: m, Endpoint: killtest.Endpoint, Again: outbox.Alarm}, nil
		}
	}
	// Only what may be missing may become a dead letter, and then it must.
	between := func(least, most int) func(killtest.Outcome) string {
		return func(o killtest.Outcome) string {
			n, dead := o.Counts[0], len(o.Dead) > 0
			if n < least || n > most || n == 0 && !dead || dead && least > 0 {
				return fmt.Sprintf("want it %d to %d times", least, most)
			}
			return ""
		}
	}
	for _, tt := range []struct {
		name, format, said, key string
		event                   killtest.Event
		wrong                   func(killtest.Outcome) string
	}{
		{"PagerDuty: message", "pagerduty", `{"status":"success"}`, "dedup_key", killtest.Message("wake up", ""), between(1, 1)},
		{"PagerDuty: order", "pagerduty", `{"status":"success"}`, "dedup_key", killtest.Alarm(), between(1, 1)},
		{"Teams: message", "teams", "", "", killtest.Message("Deploy", ""), between(0, 1)},
		{"Teams: order", "teams", "", "", killtest.Alarm(), between(1, 2)},
	} {
		b := killtest.Bench{
			Events: []killtest.Event{tt.event}, Sink: sinkOf(tt.format),
			Receiver: func(fault func(int) faulttest.Fault) killtest.Receiver {
				return &posts{fault: fault, said: tt.said, key: tt.key}
			},
		}
		rows = append(rows, fmt.Sprintf("| %s | %v |", tt.name, b.Try(t, false, tt.wrong, tt.wrong)))
	}
	killtest.Manual(t, rows)
}
