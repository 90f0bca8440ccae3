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

	"github.com/relgate/relgate/rules"
)

const (
	jsonType  = "application/json"
	textType  = "text/plain; charset=utf-8"
	notStored = "no-store"
	// A verdict may be kept, but has to be asked for again each time.
	revalidate = "private, max-age=0, must-revalidate"
)

// board is everything that can be answered after a tick. It never changes once
// it is published; what it holds is made at most once, by the first who asks.
type board struct {
	plans   map[string]*planBoard // :: plan name → its answers
	names   []string              // of the plans, in the order they were given
	changed chan struct{}         // closed when the next board has taken its place
}

// planBoard is one plan of a board.
type planBoard struct {
	view    View
	digest  string
	expires time.Time
	over    bool
	phases  map[string]int // :: phase name → index
	current int
	fresh   aged
	stale   aged
}

// aged is the answers of a plan, as they are before or after it became stale.
type aged struct {
	gates []gateAnswer
	page  pageAnswer
}

// gateAnswer is what the gate of a phase says.
type gateAnswer struct {
	once       sync.Once
	verdict    rules.Verdict
	final      bool
	generation uint64
	json       payload
	text       payload
	// Header values that both forms share.
	gateVerdict, gateGeneration, retryAfter []string
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
		// object is a pass for nobody.
		return newPayload(jsonType, []byte("{}\n"))
	}
	return newPayload(jsonType, b.Bytes())
}

func newPlanBoard(v View, digest string) *planBoard {
	s := &v.Snapshot
	p := &planBoard{
		view: v, digest: digest, expires: expires(s), over: s.Over,
		phases: make(map[string]int, len(s.Phases)), current: s.Current,
		fresh: aged{gates: make([]gateAnswer, len(s.Phases))},
		stale: aged{gates: make([]gateAnswer, len(s.Phases))},
	}
	for i := range s.Phases {
		p.phases[s.Phases[i].Name] = i
	}
	return p
}

// started reports whether a tick has been seen.
func (p *planBoard) started() bool { return !p.view.Snapshot.At.IsZero() }

// isStale reports whether the snapshot is too old to be believed. A run that is
// over gets no more ticks and needs none.
func (p *planBoard) isStale(now time.Time) bool { return !p.over && now.After(p.expires) }

// phase finds a phase by name; "current" means the one that the run is in, unless
// the plan has a phase of that name.
func (p *planBoard) phase(name string) (int, bool) {
	if i, ok := p.phases[name]; ok {
		return i, true
	}
	if name == "current" && p.current >= 0 && p.current < len(p.fresh.gates) {
		return p.current, true
	}
	return 0, false
}

func (p *planBoard) maker(base string, stale bool) *maker {
	return &maker{view: p.view, base: base, digest: p.digest, stale: stale}
}

// gate is the answer of a phase at a time.
func (p *planBoard) gate(i int, base string, now time.Time) *gateAnswer {
	stale := p.isStale(now)
	a := &p.fresh.gates[i]
	if stale {
		a = &p.stale.gates[i]
	}
	a.once.Do(func() { a.fill(p.maker(base, stale), i) })
	return a
}

func (a *gateAnswer) fill(m *maker, i int) {
	b := m.phase(i)
	s := &m.view.Snapshot
	a.verdict, _, _ = verdictOf(s, &s.Phases[i])
	if b.Stale {
		a.verdict = rules.Unknown
	}
	a.final, a.generation = b.Final, b.Generation
	a.json = jsonPayload(b)
	// No newline: Argo Rollouts compares the whole body with a word.
	a.text = newPayload(textType, []byte(b.Verdict))
	a.gateVerdict = []string{b.Verdict}
	a.gateGeneration = []string{strconv.FormatUint(b.Generation, 10)}
	a.retryAfter = []string{strconv.Itoa(retryAfter(s.Interval))}
}

// page is the whole run at a time.
func (p *planBoard) page(base string, now time.Time) *payload {
	stale := p.isStale(now)
	a := &p.fresh.page
	if stale {
		a = &p.stale.page
	}
	a.once.Do(func() { a.json = jsonPayload(p.maker(base, stale).plan()) })
	return &a.json
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
