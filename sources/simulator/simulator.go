package simulator

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Config is what a Simulator needs.
type Config struct {
	Scenario *Scenario        // what happens; required, from Load or Parse
	Start    time.Time        // T, that the scenario's times count from; required
	Now      func() time.Time // the world's clock; time.Now if nil

	// OnHang is called when a request begins to hang. The handler then waits until
	// the client has gone. Nothing is called if nil.
	OnHang func()
	// OnWrite is called when a client has written something that Save gives, before it is
	// answered. Nothing is called if nil.
	OnWrite func()
	// Pause is how a slow answer is waited for; a real timer if nil.
	Pause func(ctx context.Context, d time.Duration) error

	SentryToken string // the one accepted; any if empty
	// AppStorePublicKey verifies App Store Connect's tokens. Nil checks all but
	// the signature.
	AppStorePublicKey *ecdsa.PublicKey
	// TokenClock is what those tokens' times are checked against; Now if nil.
	TokenClock func() time.Time

	Chaos *Chaos       // random misbehaviour on top of the scenario's; none if nil
	Log   *slog.Logger // each request at debug level; nothing if nil
}

// Simulator is the four upstreams of a release plan. Many clients may use its
// handlers at once. It starts no goroutine and does not listen: the caller serves
// its handlers.
type Simulator struct {
	cfg     Config
	world   *world
	queries queries // Athena

	mu      sync.Mutex
	stats   Stats
	answers uint64 // that Chaos has seen
}

// Stats is what a Simulator was asked. Counts only grow.
type Stats struct {
	Requests map[string]int // by "upstream/Operation", such as "cloudwatch/GetMetricData"
	Metrics  int            // metrics requested from GetMetricData, which is what AWS charges for
	Queries  int            // Athena queries that ran, which is what AWS charges for
	Hung     int            // requests that hung
	Spoilt   int            // answers that Chaos spoilt
}

// New makes a simulator. The error says which required field is missing.
func New(cfg Config) (*Simulator, error) {
	if cfg.Scenario == nil {
		return nil, errors.New("making simulator: Config.Scenario is required")
	}
	if cfg.Start.IsZero() {
		return nil, errors.New("making simulator: Config.Start is required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.TokenClock == nil {
		cfg.TokenClock = cfg.Now
	}
	if cfg.OnHang == nil {
		cfg.OnHang = func() {}
	}
	if cfg.OnWrite == nil {
		cfg.OnWrite = func() {}
	}
	if cfg.Pause == nil {
		cfg.Pause = pause
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Simulator{cfg: cfg, world: newWorld(cfg.Scenario, cfg.Start), stats: Stats{Requests: map[string]int{}}}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Handlers are the names that Handler knows.
func Handlers() []string { return []string{"aws", "sentry", "appstore"} }

// Handler serves one port: "aws" is CloudWatch, Athena and Lambda, "sentry" is
// Sentry, "appstore" is App Store Connect with the public iTunes lookup. Under
// any other name nothing is found.
func (s *Simulator) Handler(name string) http.Handler {
	switch name {
	case "aws":
		return http.HandlerFunc(s.serveAWS)
	case "sentry":
		return http.HandlerFunc(s.serveSentry)
	case "appstore":
		return http.HandlerFunc(s.serveAppStore)
	}
	return http.NotFoundHandler()
}

// Stats returns what the simulator was asked so far.
func (s *Simulator) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.stats
	out.Requests = make(map[string]int, len(s.stats.Requests))
	for k, v := range s.stats.Requests {
		out.Requests[k] = v
	}
	return out
}

func (s *Simulator) now() time.Time { return s.cfg.Now().UTC() }

func (s *Simulator) count(f func(*Stats)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.stats)
}

func (s *Simulator) countMetrics(n int) { s.count(func(st *Stats) { st.Metrics += n }) }

// serve counts a request, lets the faults of the moment happen, and answers.
func (s *Simulator) serve(w http.ResponseWriter, r *http.Request, up, op string, answer http.HandlerFunc) {
	s.count(func(st *Stats) { st.Requests[up+"/"+op]++ })
	s.cfg.Log.Debug("request", "upstream", up, "operation", op)
	if f, ok := s.fault(up, op); ok && s.misbehave(w, r, up, f) {
		return
	}
	if s.cfg.Chaos != nil {
		s.serveChaos(w, r, up, answer)
		return
	}
	answer(w, r)
}
