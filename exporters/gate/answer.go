package gate

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/relgate/relgate/exporters/wire"
)

const (
	jsonType  = "application/json"
	textType  = "text/plain; charset=utf-8"
	notStored = "no-store"
	// A page may be kept, but has to be asked for again each time.
	revalidate = "private, max-age=0, must-revalidate"
)

// view is a way to ask a gate.
type view uint8

const (
	viewGate view = iota
	viewEntry
	viewVerdict
	viewRollback
	viewRollbackOnFail // with ?on=fail
)

var viewNames = [...]string{viewGate: "gate", viewEntry: "entry", viewVerdict: "verdict", viewRollback: "rollback", viewRollbackOnFail: "rollback?on=fail"}

// chosen stands in statuses for the status that the caller chose for what is not
// decided: 503, 425 or 429.
const chosen = 0

// statuses is the contract of the views. A caller that looks at the status only takes
// every 2xx and 3xx for yes.
var statuses = [...][wire.IsRollback + 1]int{
	viewGate:           {wire.IsUnknown: chosen, wire.IsPending: chosen, wire.IsPass: 200, wire.IsFail: 409, wire.IsEnded: 409, wire.IsRollback: 409},
	viewEntry:          {wire.IsUnknown: chosen, wire.IsPending: chosen, wire.IsPass: 200, wire.IsFail: 409, wire.IsEnded: 409, wire.IsRollback: 409},
	viewVerdict:        {wire.IsUnknown: 200, wire.IsPending: 200, wire.IsPass: 200, wire.IsFail: 200, wire.IsEnded: 200, wire.IsRollback: 200},
	viewRollback:       {wire.IsUnknown: 409, wire.IsPending: 409, wire.IsPass: 409, wire.IsFail: 409, wire.IsEnded: 409, wire.IsRollback: 200},
	viewRollbackOnFail: {wire.IsUnknown: 409, wire.IsPending: 409, wire.IsPass: 409, wire.IsFail: 200, wire.IsEnded: 409, wire.IsRollback: 200},
}

// question is what a view asks.
func (v view) question() wire.Question {
	if v == viewEntry {
		return wire.Entry
	}
	return wire.Passed
}

// gateAnswer is what a gate says, as bytes.
type gateAnswer struct {
	once       sync.Once
	outcome    wire.Outcome
	settled    bool // a long poll ends with it
	run        string
	generation uint64
	json       payload
	text       payload
	// Header values that both forms share; a nil one is not sent.
	gateVerdict, gateGeneration, gateRun, gateVersion, retryAfter []string
}

type pageAnswer struct {
	once sync.Once
	json payload
}

// payload is a body with the headers that go with its bytes, as net/http keeps
// them, so that a request copies slices and formats nothing.
type payload struct {
	body                                []byte
	contentType, length, digest, entity []string
	etag                                string
}

func newPayload(contentType string, body []byte) payload {
	sum := sha256.Sum256(body)
	p := payload{
		body: body, contentType: []string{contentType}, length: []string{strconv.Itoa(len(body))},
		digest: []string{"sha-256=:" + base64.StdEncoding.EncodeToString(sum[:]) + ":"},
		etag:   `"` + hex.EncodeToString(sum[:16]) + `"`,
	}
	p.entity = []string{p.etag}
	return p
}

func jsonPayload(v any) payload {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // "0.38 % < 1 %" is for people, and no page of HTML
	if err := enc.Encode(v); err != nil {
		// unreachable: the bodies hold no number that is not finite. An empty
		// object is no pass.
		return newPayload(jsonType, []byte("{}\n"))
	}
	return newPayload(jsonType, wire.PlainJSON(b.Bytes()))
}

func (a *gateAnswer) fill(said *wire.Answer, b wire.Body, interval time.Duration) {
	a.outcome = said.Outcome
	undecided := a.outcome == wire.IsPending || a.outcome == wire.IsUnknown
	a.settled = said.Final || !undecided && (said.Question == wire.Entry || a.outcome != wire.IsPass)
	a.run, a.generation = b.Run.ID, b.Generation
	a.json = jsonPayload(b)
	// No newline: Argo Rollouts compares the whole body with a word.
	a.text = newPayload(textType, []byte(b.Verdict))
	a.gateVerdict = []string{b.Verdict}
	a.gateGeneration = []string{strconv.FormatUint(b.Generation, 10)}
	if undecided {
		a.retryAfter = []string{strconv.Itoa(retryAfter(interval))}
	}
}

// retryAfter is in seconds and small: a client with a budget shorter than it
// gives up at once instead of trying again.
func retryAfter(interval time.Duration) int {
	return int(min(5, max(1, interval/time.Second)))
}

// set puts the payload's headers on an answer.
func (p *payload) set(h http.Header) {
	h["Content-Type"] = p.contentType
	h["Content-Length"] = p.length
	h["Content-Digest"] = p.digest
}

// write sends the answer and returns its status.
func (a *gateAnswer) write(w http.ResponseWriter, r *http.Request, v view, pending int) int {
	p := &a.json
	if wantsText(r.Header["Accept"]) {
		p = &a.text
	}
	h := w.Header()
	h["Gate-Verdict"] = a.gateVerdict
	h["Gate-Generation"] = a.gateGeneration
	if a.gateRun != nil {
		h["Gate-Run"] = a.gateRun
	}
	if a.gateVersion != nil {
		h["Gate-Version"] = a.gateVersion
	}
	h["Cache-Control"] = headerNotStored
	if a.retryAfter != nil {
		h["Retry-After"] = a.retryAfter
	}
	status := statuses[v][a.outcome]
	if status == chosen {
		status = pending
	}
	p.set(h)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(p.body) // a client that is gone misses nothing
	}
	return status
}

// Shared header values: net/http reads them and nothing writes them.
var (
	headerNotStored  = []string{notStored}
	headerRevalidate = []string{revalidate}
)
