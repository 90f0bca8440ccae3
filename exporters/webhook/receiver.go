package webhook

import (
	"bytes"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
)

// ReceiverConfig is what a [Receiver] needs.
type ReceiverConfig struct {
	Secrets   []string         // required: any of them may have signed; "whsec_" and base64, or raw text
	HubSecret string           // as Endpoint.HubSecret: the key of X-Hub-Signature-256; the text of any of Secrets if empty
	Tolerance time.Duration    // how far a timestamp may be from now; 5 min if zero
	Now       func() time.Time // time.Now if nil
	// Refuse gives the status to refuse a verified request with, 0 to take it; nil
	// takes all. Tests play a broken receiver with it.
	Refuse func(Received) int
}

// Received is one request that a [Receiver] has verified.
type Received struct {
	Endpoint string // the request's path
	ID       string
	Type     string
	Run      string // names the run: the id without the event's number; empty for what is not an event
	N        uint64 // the event's number in its run, from 1; 0 for what is not an event
	Order    bool   // it is an order, which goes before everything else
	At       time.Time
	Body     []byte
}

// Tally counts what a [Receiver] got.
type Tally struct {
	Requests   int // all
	Rejected   int // not verified: signature, timestamp, form
	Refused    int // verified, and refused on purpose
	Delivered  int // verified and new
	Duplicates int // verified and had before, by id
	OutOfOrder int // new, no order, and older than one that was new before it and no order, of the same run at the same endpoint
}

// Receiver is the other end: an http.Handler that takes deliveries as a careful
// program would. It verifies both signatures and the timestamp, takes each id
// once, and checks that events but orders come in order. Every path is an endpoint of its
// own. It keeps what it got in memory: it is for demonstrations and tests.
type Receiver struct {
	config ReceiverConfig
	keys   keys

	mu    sync.Mutex
	tally Tally
	got   []Received
	seen  map[string]bool   // :: endpoint, "\n", id → it was had before
	last  map[string]uint64 // :: endpoint, "\n", run → the highest number
}

// NewReceiver makes a Receiver. The error says which secret cannot be used.
func NewReceiver(c ReceiverConfig) (*Receiver, error) {
	keys, err := parseKeys(c.Secrets, c.HubSecret)
	if err != nil {
		return nil, err
	}
	if len(keys.standard) == 0 {
		return nil, errors.New("a secret is required")
	}
	if c.Tolerance == 0 {
		c.Tolerance = 5 * time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Receiver{config: c, keys: keys, seen: map[string]bool{}, last: map[string]uint64{}}, nil
}

// Tally is the counts so far.
func (r *Receiver) Tally() Tally {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tally
}

// Received lists what was delivered, without duplicates, as it came.
func (r *Receiver) Received() []Received {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// ServeHTTP takes one delivery: 204 for one that is verified, had before or not,
// 401 for a signature or timestamp that is wrong, 400 for what is not a delivery.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	code, err := r.receive(w, req)
	if err != nil {
		http.Error(w, err.Error(), code)
		return
	}
	w.WriteHeader(code)
}

func (r *Receiver) receive(w http.ResponseWriter, req *http.Request) (int, error) {
	got, code, err := r.read(w, req)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tally.Requests++
	if err != nil {
		r.tally.Rejected++
		return code, err
	}
	if r.config.Refuse != nil {
		if code := r.config.Refuse(got); code != 0 {
			r.tally.Refused++
			return code, nil
		}
	}
	r.takeLocked(got)
	return http.StatusNoContent, nil
}

// read verifies a request before it believes a word of it.
func (r *Receiver) read(w http.ResponseWriter, req *http.Request) (Received, int, error) {
	if req.Method != http.MethodPost {
		return Received{}, http.StatusMethodNotAllowed, errors.New("want POST")
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 1<<20))
	if err != nil {
		return Received{}, http.StatusBadRequest, errors.New("the body cannot be read")
	}
	if err := r.verify(req.Header, body); err != nil {
		return Received{}, http.StatusUnauthorized, err
	}
	got, err := parse(body)
	if err != nil {
		return Received{}, http.StatusBadRequest, err
	}
	got.Endpoint, got.ID, got.At = req.URL.Path, req.Header.Get(headerID), r.config.Now()
	if i := strings.LastIndexByte(got.ID, '/'); i >= 0 && got.Type != outbox.TypeEscalated {
		if n, err := strconv.ParseUint(got.ID[i+1:], 10, 64); err == nil {
			got.Run, got.N = got.ID[:i], n
		}
	}
	return got, 0, nil
}

// verify checks the timestamp and both signatures. Its errors hold no secret and
// no expected signature.
func (r *Receiver) verify(h http.Header, body []byte) error {
	id, stamp := h.Get(headerID), h.Get(headerTimestamp)
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || id == "" {
		return errors.New("webhook-id or webhook-timestamp is missing or malformed")
	}
	if age := r.config.Now().Sub(time.Unix(seconds, 0)); age.Abs() > r.config.Tolerance {
		return fmt.Errorf("webhook-timestamp is %v away", age.Abs().Round(time.Second))
	}
	standard := strings.Fields(h.Get(headerSignature))
	okStandard := slices.ContainsFunc(r.keys.standard, func(key []byte) bool {
		want := "v1," + standardSignature(key, id, stamp, body)
		return slices.ContainsFunc(standard, func(s string) bool { return hmac.Equal([]byte(s), []byte(want)) })
	})
	okHub := slices.ContainsFunc(r.keys.hub, func(key []byte) bool {
		return hmac.Equal([]byte(h.Get(headerHub)), []byte(hubSignature(key, body)))
	})
	if !okStandard {
		return errors.New("webhook-signature does not match")
	}
	if !okHub {
		return errors.New("x-hub-signature-256 does not match")
	}
	return nil
}

func parse(body []byte) (Received, error) {
	var m struct {
		Type      string          `json:"type"`
		Timestamp time.Time       `json:"timestamp"`
		Data      json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &m); err != nil || m.Type == "" || m.Timestamp.IsZero() || !bytes.HasPrefix(m.Data, []byte{'{'}) {
		return Received{}, errors.New("the body is not {type, timestamp, data}")
	}
	var e struct {
		Kind    fact.EventKind `json:"kind"`
		Subject string         `json:"subject"`
		From    string         `json:"from"`
		To      string         `json:"to"`
	}
	_ = json.Unmarshal(m.Data, &e) // what is no event is no order
	ev := fact.Event{Kind: e.Kind, Subject: e.Subject, From: e.From, To: e.To}
	return Received{Type: m.Type, Order: ev.Order(), Body: body}, nil
}

func (r *Receiver) takeLocked(got Received) {
	key := got.Endpoint + "\n" + got.ID
	if r.seen[key] {
		r.tally.Duplicates++
		return
	}
	r.seen[key] = true
	r.tally.Delivered++
	r.got = append(r.got, got)
	if got.N == 0 || got.Order {
		return
	}
	key = got.Endpoint + "\n" + got.Run
	if got.N < r.last[key] {
		r.tally.OutOfOrder++
	}
	r.last[key] = max(r.last[key], got.N)
}
