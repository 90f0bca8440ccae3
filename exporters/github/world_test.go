package github_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/relgate/relgate/exporters/github"
	"github.com/relgate/relgate/exporters/github/githubtest"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/exporters/wire"
)

const (
	shop   = "acme/shop"
	commit = "0123456789abcdef0123456789abcdef01234567"
)

// world is a GitHub, a gate and what is kept, which outlive an Answerer.
type world struct {
	t    *testing.T
	hub  *githubtest.Server
	kept *memory
	log  *lines

	mu      sync.Mutex
	api     string // DefaultAPI if empty
	gates   []github.Gate
	runs    map[string][]github.Run // :: plan and version → runs, the newest first
	answers map[string]wire.Answer  // :: run, phase and question → answer
	asked   []string
	broken  error // of the gate
	changed chan struct{}
	kill    *kill

	answerer *github.Answerer
	cancel   context.CancelFunc
	ended    chan struct{}
}

func newWorld(t *testing.T) *world {
	w := &world{
		t: t, hub: githubtest.New(time.Now), kept: &memory{requests: map[string][]byte{}}, log: &lines{}, changed: make(chan struct{}),
		gates: []github.Gate{{Repository: shop, Environment: "production", Plan: "shop", Phase: "ten", Question: wire.Entry, Ref: "v{version}"}},
		runs:  map[string][]github.Run{}, answers: map[string]wire.Answer{},
	}
	w.kept.step = w.step
	return w
}

// kill ends an Answerer at a step: a request to GitHub, or something kept.
type kill struct {
	mu    sync.Mutex
	at    int  // the step, from 1; 0: none
	after bool // once the step was done, and before its caller knows
	steps int
}

var errKilled = errors.New("killed")

// step does one step, unless the process is killed at it.
func (w *world) step(do func() error) error {
	k := w.kill
	if k == nil {
		return do()
	}
	k.mu.Lock()
	k.steps++
	now := k.steps == k.at
	k.mu.Unlock()
	if !now {
		return do()
	}
	if k.after {
		_ = do()
	}
	w.cancel()
	return errKilled
}

// RoundTrip is a step of the world.
func (w *world) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	killed := w.step(func() error { resp, err = w.hub.RoundTrip(r); return nil })
	if killed != nil {
		return nil, killed
	}
	return resp, err
}

// start starts an Answerer, as the start of a daemon does.
func (w *world) start() {
	w.t.Helper()
	sink, err := webhook.New(webhook.Config{Transport: w}, webhook.Endpoint{Name: "acme", URL: cmp.Or(w.api, github.DefaultAPI), Format: format.None(), Timeout: 10 * time.Second})
	if err != nil {
		w.t.Fatal(err)
	}
	w.answerer = github.New(github.Config{
		Name: "acme", App: githubtest.AppID, API: w.api, Comments: true, Gates: w.gates, Store: w.kept, Sink: sink,
		Key:    func() (string, error) { return githubtest.Key(), nil },
		Secret: func() (string, error) { return githubtest.Secret, nil },
		Runs: func(_ context.Context, plan, version string) ([]github.Run, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return slices.Clone(w.runs[plan+" "+version]), nil
		},
		Ask: func(_ context.Context, _, run, phase string, q wire.Question) (wire.Answer, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.asked = append(w.asked, run)
			if a, ok := w.answers[run+" "+phase+" "+string(q)]; ok {
				return a, w.broken
			}
			return wire.Answer{}, errors.New("no such phase")
		},
		Changed: func() <-chan struct{} { w.mu.Lock(); defer w.mu.Unlock(); return w.changed },
		Link:    func(run string) string { return "https://relgate.example.com/v1/runs/" + run },
		Log:     slog.New(slog.NewTextHandler(w.log, nil)),
	})
	ctx, cancel := context.WithCancel(w.t.Context())
	w.cancel, w.ended = cancel, make(chan struct{})
	answerer, ended := w.answerer, w.ended
	go func() { defer close(ended); _ = answerer.Run(ctx) }()
}

// stop ends the Answerer.
func (w *world) stop() { w.cancel(); <-w.ended }

// says has the gate say something of a run from now on.
func (w *world) says(run string, o wire.Outcome, cause, head string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	a := wire.Answer{Outcome: o, Cause: cause}
	a.Headline, a.Sentence = head, head
	w.answers[run+" ten entry"] = a
	close(w.changed)
	w.changed = make(chan struct{})
}

// broke has the gate give no answer from now on.
func (w *world) broke(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = err
}

// begins has a run of a version begin, after those that there are.
func (w *world) begins(plan, version string, runs ...github.Run) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runs[plan+" "+version] = append(slices.Clone(runs), w.runs[plan+" "+version]...)
	w.runs[plan+" "] = append(slices.Clone(runs), w.runs[plan+" "]...)
}

// request begins a job, and has GitHub tell relgate.
func (w *world) request(run int, environment, ref string) github.Result {
	w.t.Helper()
	w.hub.Wait(shop, run, environment)
	return w.deliver(run, environment, ref)
}

// deliver is a delivery, which GitHub may repeat.
func (w *world) deliver(run int, environment, ref string) github.Result {
	w.t.Helper()
	h, body := githubtest.Payload(cmp.Or(w.api, github.DefaultAPI), shop, run, run+1000, environment, ref, commit)
	result, err := w.answerer.Receive(w.t.Context(), time.Now(), h, body)
	if err != nil && w.kill == nil {
		w.t.Errorf("a request is refused: %v", err)
	}
	return result
}

// again runs a job once more: it waits as another deployment of the same workflow run.
func (w *world) again(run, deployment int, environment string) {
	w.t.Helper()
	w.hub.Wait(shop, run, environment)
	w.deployment(run, deployment, environment)
}

// deployment is a delivery of a certain deployment.
func (w *world) deployment(run, deployment int, environment string) {
	w.t.Helper()
	h, body := githubtest.Payload(github.DefaultAPI, shop, run, deployment, environment, "v1.4.2", commit)
	if _, err := w.answerer.Receive(w.t.Context(), time.Now(), h, body); err != nil {
		w.t.Errorf("a request is refused: %v", err)
	}
}

// after lets time pass, and everything that is due be done.
func (w *world) after(d time.Duration) {
	time.Sleep(d) // of synctest: it takes none
	synctest.Wait()
}

// pause lets time pass in which no Answerer runs.
func (w *world) pause(d time.Duration) { w.stop(); time.Sleep(d); w.start() }

// clean checks what must hold in any case.
func (w *world) clean() {
	w.t.Helper()
	if trouble := w.hub.Trouble(); len(trouble) > 0 {
		w.t.Errorf("GitHub would not have taken: %q", trouble)
	}
	for _, secret := range []string{"ghs_", githubtest.Secret, "PRIVATE KEY", "Bearer"} {
		if bytes.Contains(w.log.Bytes(), []byte(secret)) {
			w.t.Errorf("the log holds %q", secret)
		}
	}
}

// memory keeps requests as a journal does.
type memory struct {
	mu       sync.Mutex
	requests map[string][]byte
	broken   error
	step     func(func() error) error
}

func (m *memory) write(do func()) error {
	return m.step(func() error {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.broken != nil {
			return m.broken
		}
		do()
		return nil
	})
}

func (m *memory) breaks(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

func (m *memory) Requests(context.Context) (list []github.Request, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(m.requests)) {
		var r github.Request
		if err := json.Unmarshal(m.requests[id], &r); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

func (m *memory) Add(_ context.Context, r github.Request) (added bool, err error) {
	err = m.write(func() {
		if _, known := m.requests[r.ID]; !known {
			m.requests[r.ID], _ = json.Marshal(r)
			added = true
		}
	})
	return added, err
}

func (m *memory) Put(_ context.Context, r github.Request) error {
	return m.write(func() { m.requests[r.ID], _ = json.Marshal(r) })
}

func (m *memory) Drop(_ context.Context, id string) error {
	return m.write(func() { delete(m.requests, id) })
}

// only is the one request that is kept.
func (w *world) only() github.Request {
	w.t.Helper()
	list, err := w.kept.Requests(w.t.Context())
	if err != nil || len(list) != 1 {
		w.t.Fatalf("%d requests are kept (%v), want one", len(list), err)
	}
	return list[0]
}

// count is how many requests GitHub was sent whose path ends so.
func (w *world) count(suffix string) (n int) {
	for _, r := range w.hub.Requests() {
		if strings.HasSuffix(r, suffix) {
			n++
		}
	}
	return n
}

// ends says how each deployment ended.
func (w *world) ends() map[uint64]github.End {
	w.t.Helper()
	list, err := w.kept.Requests(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	ends := map[uint64]github.End{}
	for _, r := range list {
		ends[r.Deployment] = r.End
	}
	return ends
}

// lines is a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) Bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}
