package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/relgate/relgate/config"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/journal"
	"github.com/relgate/relgate/exporters/gate"
	"github.com/relgate/relgate/exporters/github"
	"github.com/relgate/relgate/exporters/prom"
	"github.com/relgate/relgate/exporters/server"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/exporters/wire"
)

// answerers answer the deployments that wait at GitHub :: name of the App → its answerer.
type answerers map[string]*github.Answerer

// newAnswerers makes them. Secrets are read here, so that a missing one is an error before
// anything is lost.
func (d *daemon) newAnswerers(cfg *config.Config) (answerers, error) {
	common := webhook.Config{Version: version, Transport: d.transport}
	for _, n := range cfg.Daemon.WebhookAllow {
		common.Allow = append(common.Allow, n.String())
	}
	site := wire.Site{Base: externalBase(cfg)}
	all := answerers{}
	for i := range cfg.GitHubs {
		g := &cfg.GitHubs[i]
		sink, err := githubSink(common, g)
		if err != nil {
			return nil, fmt.Errorf("github %q: %w", g.Name, err)
		}
		c := github.Config{
			Name: g.Name, App: g.AppID, Key: g.Key.Value, Secret: g.Secret.Value, API: g.URL, Comments: *g.Comments, Sink: sink,
			Store: deployments{d.journal, "github/" + g.Name, d.clock.Now}, Runs: d.runsOf, Ask: d.askGate, Changed: d.gate.Changed, Now: d.clock.Now, Log: d.log,
		}
		for _, at := range g.Gates {
			c.Gates = append(c.Gates, github.Gate{
				Repository: at.Repository, Environment: at.Environment, Plan: at.Plan, Phase: at.Phase, Question: wire.Question(at.Question),
				Ref: at.Ref, Parameter: at.Parameter,
			})
		}
		if site.Base != "" {
			c.Link = func(run string) string { return site.Link("v1", "runs", run) }
		}
		all[g.Name] = github.New(c)
	}
	return all, nil
}

// githubSink is the way to GitHub's API.
func githubSink(common webhook.Config, g *config.GitHubSpec) (*webhook.Sink, error) {
	e := webhook.Endpoint{Name: g.Name, URL: g.URL, Timeout: g.Timeout.Duration, Format: format.None()}
	var err error
	key, err := g.Key.Value()
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	if err := github.CheckKey(key); err != nil {
		return nil, err
	}
	if _, err = g.Secret.Value(); err != nil {
		return nil, fmt.Errorf("secret: %w", err)
	}
	if !g.Proxy.IsZero() {
		if e.Proxy, err = g.Proxy.Value(); err != nil {
			return nil, fmt.Errorf("proxy: %w", err)
		}
	}
	for _, n := range g.Allow {
		e.Allow = append(e.Allow, n.String())
	}
	if g.CA != "" {
		pool, err := server.Authorities(g.CA)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		e.TLS = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return webhook.New(common, e)
}

// mostRuns is how many runs are looked at for the commit of a deployment.
const mostRuns = 200

// runsOf lists the runs that a deployment may belong to, the newest first.
func (d *daemon) runsOf(ctx context.Context, plan, version string) ([]github.Run, error) {
	records, err := d.journal.Runs(ctx, fact.RunFilter{Plan: plan, Version: version, Limit: mostRuns})
	if err != nil {
		return nil, err
	}
	var list []github.Run
	for _, r := range records {
		list = append(list, github.Run{ID: r.ID, Parameters: r.Parameters})
	}
	return list, nil
}

// askGate asks the gate about one run.
func (d *daemon) askGate(ctx context.Context, plan, run, phase string, q wire.Question) (wire.Answer, error) {
	a, err := d.gate.Answer(ctx, plan, run, phase, q)
	if errors.Is(err, gate.ErrStarting) {
		err = fmt.Errorf("%w: %w", github.ErrStarting, err)
	}
	return a, err
}

// answer runs the answerers of the config in force.
func (d *daemon) answer(ctx context.Context) error {
	return d.reloads.untilReplaced(ctx, func(ctx context.Context, group *errgroup.Group) {
		for _, a := range *d.answerers.Load() {
			group.Go(func() error { return a.Run(ctx) })
		}
	})
}

// deployments keeps what waits at GitHub in the journal, as what was pushed to a source that no
// inbox can have the name of.
type deployments struct {
	journal *journal.Journal
	source  string
	now     func() time.Time
}

// Requests lists what is kept.
func (s deployments) Requests(ctx context.Context) ([]github.Request, error) {
	found, err := s.journal.Pushes(ctx, s.source, s.now().AddDate(100, 0, 0)) // what was said last
	if err != nil {
		return nil, err
	}
	var list []github.Request
	for _, p := range found {
		for _, said := range p.Alerts {
			var r github.Request
			if err := json.Unmarshal(said.Said, &r); err != nil {
				return nil, fmt.Errorf("a deployment of %q: %w", s.source, err)
			}
			list = append(list, r)
		}
	}
	return list, nil
}

// Add makes a request durable, unless it is known. The journal forgets its key before the
// request itself.
func (s deployments) Add(ctx context.Context, r github.Request) (bool, error) {
	known, err := s.Requests(ctx)
	if err != nil || slices.ContainsFunc(known, func(k github.Request) bool { return k.ID == r.ID }) {
		return false, err
	}
	return s.write(ctx, r.ID, r)
}

// Put replaces what is kept of a request.
func (s deployments) Put(ctx context.Context, r github.Request) error {
	_, err := s.write(ctx, "", r)
	return err
}

func (s deployments) write(ctx context.Context, key string, r github.Request) (bool, error) {
	said, err := json.Marshal(r)
	if err != nil {
		return false, err // unreachable: texts and numbers have a JSON form
	}
	return s.journal.KeepPush(ctx, s.source, journal.Push{Key: key, At: s.now(), Alerts: []journal.Pushed{{Alert: r.ID, Said: said}}})
}

// Drop forgets a request.
func (s deployments) Drop(ctx context.Context, id string) error {
	return s.journal.ForgetPushed(ctx, s.source, id)
}

// requestStatus is the status of an answer to what GitHub sends.
var requestStatus = map[github.Result]int{
	github.Accepted: http.StatusOK, github.Duplicate: http.StatusOK, github.Control: http.StatusOK,
	github.Unsigned: http.StatusUnauthorized, github.Forged: http.StatusUnauthorized,
	github.Repository: http.StatusForbidden, github.Elsewhere: http.StatusForbidden,
	github.Malformed: http.StatusBadRequest, github.TooLarge: http.StatusRequestEntityTooLarge,
	github.Busy: http.StatusServiceUnavailable, github.Unavailable: http.StatusServiceUnavailable,
}

// requests counts what GitHub sends. The zero value has counted nothing.
type requests struct {
	mu     sync.Mutex
	counts map[string]map[github.Result]uint64 // :: name of the App → since the daemon began
	said   time.Time                           // when a refusal was logged last
}

// count notes what became of a request, and says whether a refusal is to be logged: one a
// second.
func (q *requests) count(app string, r github.Result, now time.Time) (say bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.counts == nil {
		q.counts = map[string]map[github.Result]uint64{}
	}
	if q.counts[app] == nil {
		q.counts[app] = map[github.Result]uint64{}
	}
	q.counts[app][r]++
	if requestStatus[r] == http.StatusOK || now.Sub(q.said) < time.Second {
		return false
	}
	q.said = now
	return true
}

// githubStats is what the Apps of the config in force have sent, and what waits.
func (d *daemon) githubStats() []prom.GitHubStats {
	var out []prom.GitHubStats
	d.requests.mu.Lock()
	defer d.requests.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(*d.answerers.Load())) {
		n := (*d.answerers.Load())[name].Count()
		s := prom.GitHubStats{App: name, Waiting: n.Waiting, Untold: n.Untold}
		for _, r := range github.Results() {
			s.Requests = append(s.Requests, prom.InboxPushes{Result: string(r), Count: d.requests.counts[name][r]})
		}
		out = append(out, s)
	}
	return out
}

// requestTime is how long a request of GitHub's may take to be kept: GitHub waits for 10
// seconds.
const requestTime = 8 * time.Second

// receiveGitHub takes what GitHub sends to the webhook of an App: it is durable before it is
// answered with 200. It asks for no token of the gate: GitHub's signature lets it in.
func (d *daemon) receiveGitHub(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("app")
	a := (*d.answerers.Load())[name]
	if a == nil {
		writeJSON(w, http.StatusNotFound, wire.Problem{Type: "about:blank", Title: "no such App", Status: http.StatusNotFound, Detail: "the config has no [github.NAME] of this name"})
		return
	}
	result, err := d.takeRequest(w, r, a)
	if d.requests.count(name, result, d.clock.Now()) {
		d.log.Warn("what GitHub sent is refused", "github", name, "result", result, "remote", r.RemoteAddr, "said", err)
	}
	status := requestStatus[result]
	if err == nil {
		writeJSON(w, status, map[string]string{"result": string(result)})
		return
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, status, wire.Problem{Type: "about:blank", Title: "request refused: " + string(result), Status: status, Detail: err.Error()})
}

// takeRequest reads what GitHub sends and hands it to its answerer. It has the room that large
// pushes to inboxes have.
func (d *daemon) takeRequest(w http.ResponseWriter, r *http.Request, a *github.Answerer) (github.Result, error) {
	refuse := func(result github.Result, reason string) (github.Result, error) {
		return result, &github.Refusal{Result: result, Reason: reason}
	}
	ctx, cancel := context.WithTimeout(r.Context(), requestTime)
	defer cancel()
	whole := http.MaxBytesReader(w, r.Body, github.MaxBody)
	body, err := io.ReadAll(io.LimitReader(whole, smallPush))
	if err == nil && len(body) == smallPush {
		if !d.inboxes.begin() {
			return refuse(github.Busy, "too many large requests at a time: send it again")
		}
		defer d.inboxes.end()
		var rest []byte
		rest, err = io.ReadAll(whole)
		body = append(body, rest...)
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return refuse(github.TooLarge, fmt.Sprintf("the body has more than %d bytes", github.MaxBody))
	}
	if err != nil {
		return refuse(github.Unavailable, "the body did not arrive whole: send it again")
	}
	return a.Receive(ctx, d.clock.Now(), r.Header, body)
}
