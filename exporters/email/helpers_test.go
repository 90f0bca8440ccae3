package email_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/relgate/relgate/exporters/email"
	"github.com/relgate/relgate/exporters/email/smtptest"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/internal/certtest"
)

// memory is an outbox.Memory that can be broken.
type memory struct {
	mu     sync.Mutex
	kept   map[string]string
	refuse func(value string) error // what Keep answers instead; nil: it keeps
	broken error                    // what Kept answers; nil: it has what it keeps
}

func newMemory() *memory { return &memory{kept: map[string]string{}} }

func (m *memory) Keep(_ context.Context, endpoint, key, value string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil {
		if err := m.refuse(value); err != nil {
			return err
		}
	}
	m.kept[endpoint+" "+key] = value
	return nil
}

func (m *memory) Kept(_ context.Context, endpoint, key string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kept[endpoint+" "+key], m.broken
}

func (m *memory) all() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.kept)
}

var errFull = errors.New("disk full")

// house is a server with a certificate, and the config of a sink that uses it.
type house struct {
	*smtptest.Server
	memory *memory
	config email.Config
}

const password = "correct horse battery"

func newHouse(t *testing.T, change ...func(*smtptest.Config)) *house {
	t.Helper()
	ca := certtest.NewAuthority(t, "ca")
	c := smtptest.Config{
		TLS:  &tls.Config{Certificates: []tls.Certificate{ca.Issue(t, "mail", time.Now().Add(time.Hour)).TLS(t)}},
		User: "relgate", Password: password,
	}
	for _, f := range change {
		f(&c)
	}
	h := &house{Server: smtptest.New(t, c), memory: newMemory()}
	h.config = email.Config{
		Name: "execs", Host: "127.0.0.1", Port: h.Port(), Encryption: email.StartTLS, Username: "relgate", Password: password,
		From: "relgate <gate@bioage.example>", To: []string{"ops@bioage.example"}, External: "https://gate.bioage.example",
		TLS: &tls.Config{RootCAs: ca.Pool()}, Memory: h.memory,
	}
	return h
}

func (h *house) sink(t *testing.T) *email.Sink {
	t.Helper()
	s, err := email.New(h.config)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// communication is a message of the plan's that fell due.
func communication(to string) outbox.Message {
	return message(wire.EventBody{
		Kind: "communication", Type: "relgate.communication.due", ID: "bioage@1.0.x7k2/12", N: 12, Run: "bioage@1.0", Plan: "bioage", Version: "1.0", Subject: "execs",
		Headline: "Message execs is due",
		Message:  &wire.Message{Name: "execs", Sink: "execs", Target: to, Subject: "BioAge 1.0 läuft ✓", Text: "Guten Tag,\nalles gut.\n\n. ein Punkt am Anfang\n.\nEnde <b>nicht fett</b> & so", Link: "https://gate.bioage.example/v1/runs/bioage@1.0"},
	})
}

// alarm is an event without a message of the plan's.
func alarm() outbox.Message {
	return message(wire.EventBody{
		Kind: "run", Type: "relgate.run.rolled_back", ID: "bioage@1.0.x7k2/13", N: 13, Run: "bioage@1.0", Plan: "bioage", Version: "1.0",
		Headline: "ROLLBACK: API 5xx 5.0 % > 3 % for 11 min", Sentence: "The API fails too often.", Detail: []string{"552 of 11,010 requests", "since 03:00 UTC"},
		Owner: "DevSecOps", Action: "revert the alias", Command: "aws lambda update-alias --function-name x",
	})
}

func message(e wire.EventBody) outbox.Message {
	data, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return outbox.Message{ID: e.ID, Type: e.Type, N: e.N, Plan: e.Plan, Subject: e.Subject, At: time.Date(2026, 3, 2, 4, 5, 6, 0, time.UTC), Data: data}
}

// inboxes are how many messages each address has.
func (h *house) inboxes() map[string]int {
	n := map[string]int{}
	for _, m := range h.Messages() {
		for _, to := range m.To {
			n[to]++
		}
	}
	return n
}
