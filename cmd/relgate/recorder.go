package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/relgate/relgate/exporters/webhook"
)

// recorder is the demo's webhook receiver: it verifies every delivery and writes
// it down before it says thanks, so that a demo that is killed can be counted.
type recorder struct {
	secret   string
	verifier *webhook.Receiver
	listener net.Listener
	server   *http.Server

	mu   sync.Mutex
	file *os.File
}

// delivered is one line of the recorder's file.
type delivered struct {
	Endpoint string `json:"endpoint"`
	ID       string `json:"id"`
	Type     string `json:"type"`
	Order    bool   `json:"order"`
}

func newRecorder(ctx context.Context, path string, now func() time.Time) (*recorder, error) {
	r := &recorder{secret: randomSecret()}
	var err error
	if r.verifier, err = webhook.NewReceiver(webhook.ReceiverConfig{Secrets: []string{r.secret}, Now: now, Refuse: r.record}); err != nil {
		return nil, err
	}
	if r.file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644); err != nil {
		return nil, fmt.Errorf("opening the receiver's record: %w", err)
	}
	var lc net.ListenConfig
	if r.listener, err = lc.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return nil, errors.Join(err, r.file.Close())
	}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second}
	return r, nil
}

func (r *recorder) url(endpoint string) string {
	return "http://" + r.listener.Addr().String() + "/" + endpoint
}

// Run serves until ctx is done.
func (r *recorder) Run(ctx context.Context) error { return serveUntil(ctx, r.server, r.listener) }

// ServeHTTP verifies a delivery and writes it down.
func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.verifier.ServeHTTP(w, req) }

// record writes a verified delivery down. One that cannot be written is refused, so
// that it comes again.
func (r *recorder) record(got webhook.Received) (status int) {
	if r.write(delivered{Endpoint: strings.TrimPrefix(got.Endpoint, "/"), ID: got.ID, Type: got.Type, Order: got.Order}) != nil {
		return http.StatusInternalServerError
	}
	return 0
}

func (r *recorder) write(d delivered) error {
	line, err := json.Marshal(d)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, err = r.file.Write(append(line, '\n'))
	return err
}

// tally is what one endpoint got.
type tally struct {
	Endpoint   string `json:"endpoint"`
	Verified   int    `json:"verified"`   // different events, signatures checked
	Repeated   int    `json:"repeated"`   // deliveries of events that it had already
	OutOfOrder int    `json:"outOfOrder"` // events, but orders, that came for the first time after a later one of their run
}

// tallies counts everything that was ever written down.
func (r *recorder) tallies(endpoints []string) ([]tally, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := r.file.Seek(0, 0); err != nil {
		return nil, err
	}
	counts := make(map[string]*counting)
	lines := bufio.NewScanner(r.file)
	for lines.Scan() {
		var d delivered
		if err := json.Unmarshal(lines.Bytes(), &d); err != nil {
			continue // a line that a kill cut short was never answered
		}
		if counts[d.Endpoint] == nil {
			counts[d.Endpoint] = &counting{had: map[string]bool{}, newest: map[string]uint64{}}
		}
		counts[d.Endpoint].add(d.ID, d.Order)
	}
	out := make([]tally, len(endpoints))
	for i, name := range endpoints {
		if c := counts[name]; c != nil {
			out[i] = c.tally
		}
		out[i].Endpoint = name
	}
	return out, lines.Err()
}

type counting struct {
	tally
	had    map[string]bool
	newest map[string]uint64 // :: run → number of its newest event that is no order
}

func (c *counting) add(id string, order bool) {
	if c.had[id] {
		c.Repeated++
		return
	}
	c.had[id] = true
	c.Verified++
	if order {
		return
	}
	run, n := id[:strings.LastIndexByte(id, '/')+1], ordinal(id)
	if n < c.newest[run] {
		c.OutOfOrder++
	}
	c.newest[run] = max(c.newest[run], n)
}

// ordinal is the number at the end of an event's id.
func ordinal(id string) (n uint64) {
	fmt.Sscanf(id[strings.LastIndexByte(id, '/')+1:], "%d", &n)
	return n
}

func (r *recorder) close() error {
	if err := r.listener.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return r.file.Close()
}
