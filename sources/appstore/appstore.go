package appstore

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/relgate/relgate/internal/connect"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/appstore/kind"
)

// spacing is the least time between two requests with one key.
const spacing = 200 * time.Millisecond

// Config says which account, and with which key.
type Config struct {
	Name        string           // of the source, for logs; required
	BaseURL     string           // of App Store Connect; https://api.appstoreconnect.apple.com if empty
	LookupURL   string           // of the public storefronts; https://itunes.apple.com if empty
	Issuer      string           // issuer id of a team key; empty for an individual key
	KeyID       string           // required
	KeyPEM      []byte           // the text of the .p8 file; required unless ReadKey is set
	CAFile      string           // PEM certificates to trust; the system's if empty
	MaxAttempts int              // for one request; 3 if zero
	Pause       sources.Pause    // sources.Sleep if nil
	Log         *slog.Logger     // nothing is logged if nil
	Now         func() time.Time // for the issue and expiry times of tokens; time.Now if nil

	// ReadKey reads the .p8 file's text where it is kept, before each request: a key
	// that is replaced counts at once. KeyPEM counts if nil.
	ReadKey func() (string, error)
}

// Source is one App Store Connect key. It is a sources.Source.
type Source struct {
	connect *sources.Client
	lookup  *sources.Client // has no credentials
	signer  *connect.Signer
	pause   sources.Pause
	log     *slog.Logger
	name    string
	turn    chan struct{} // holds a token while a batch is asked: one request in flight per key

	// The rest may be used only while holding the turn.
	versions map[string]string // app "|" version string → version id
	tracks   map[string]*track // plan, signal, app and storefronts → what to compare with
	lastTick time.Time
	sent     bool // a request was sent in this tick
}

// New makes a Source, or says what its config lacks. It asks nothing.
func New(cfg Config) (*Source, error) {
	sign, err := connect.NewSigner(connect.Key{Name: cfg.Name, Issuer: cfg.Issuer, ID: cfg.KeyID, PEM: cfg.KeyPEM, Log: cfg.Log, Now: cfg.Now, Read: cfg.ReadKey})
	if err != nil {
		return nil, fmt.Errorf("appstore: %w", err)
	}
	if cfg.BaseURL == "" {
		cfg.BaseURL = "https://api.appstoreconnect.apple.com"
	}
	if cfg.LookupURL == "" {
		cfg.LookupURL = "https://itunes.apple.com"
	}
	if cfg.Pause == nil {
		cfg.Pause = sources.Sleep
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Source{
		signer: sign, pause: cfg.Pause, log: cfg.Log, name: cfg.Name, turn: make(chan struct{}, 1),
		versions: map[string]string{}, tracks: map[string]*track{},
	}
	common := sources.ClientConfig{
		CAFile: cfg.CAFile, MaxAttempts: cfg.MaxAttempts, Pause: cfg.Pause,
		MinThrottle: 5 * time.Second, MaxBackoff: 2 * time.Minute,
	}
	if s.lookup, err = newLookupClient(common, cfg.LookupURL); err != nil {
		return nil, fmt.Errorf("appstore: lookup: %w", err)
	}
	common.BaseURL, common.Authorize, common.Explain, common.Limits = cfg.BaseURL, sign.Authorize, connect.Explain, connect.Limits
	if s.connect, err = sources.NewClient(common); err != nil {
		return nil, fmt.Errorf("appstore: %w", err)
	}
	return s, nil
}

// Stats counts the requests; what remains is of App Store Connect.
func (s *Source) Stats() sources.Stats {
	st, l := s.connect.Stats(), s.lookup.Stats()
	st.Requests += l.Requests
	st.Retries += l.Retries
	st.Throttled += l.Throttled
	return st
}

// CloseIdleConnections closes connections that no request uses.
func (s *Source) CloseIdleConnections() {
	s.connect.CloseIdleConnections()
	s.lookup.CloseIdleConnections()
}

// Fetch answers every want with its fact.
func (s *Source) Fetch(ctx context.Context, now time.Time, wants []sources.Want) []rules.Reading {
	out := make([]rules.Reading, len(wants))
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		for i, w := range wants {
			out[i] = sources.Faulty(w, rules.Unavailable, "no answer before the deadline: waiting for an earlier question")
		}
		return out
	}
	s.sent = s.sent && now.Sub(s.lastTick) < time.Second
	s.lastTick = now
	b := &batch{Source: s, ctx: ctx, now: now, wants: wants, walks: map[string]*walk{}, looks: map[string]look{}}
	for i, w := range wants {
		out[i] = b.answer(w)
	}
	return out
}

// batch is the wants of one tick, with what they share.
type batch struct {
	*Source
	ctx      context.Context
	now      time.Time
	wants    []sources.Want
	walks    map[string]*walk   // version and territories → its reviews, read once
	looks    map[string]look    // app and storefronts → what they show, asked once
	stop     *sources.CallError // a fault that every further request would get too
	resigned bool               // a refused token was replaced
}

// look is a snapshot, or why there is none.
type look struct {
	snapshot *snapshot
	err      *sources.CallError
}

func (b *batch) answer(w sources.Want) rules.Reading {
	if w.Signal == nil {
		return sources.Faulty(w, rules.ConfigFault, "there is no signal")
	}
	q := kind.Of(w.Signal.Query)
	if q == nil {
		return sources.Faulty(w, rules.ConfigFault, "the signal has no appstore query")
	}
	of, fetch := rules.Mean, b.reviews
	switch q.Fact {
	case "reviews":
	case "phased_release_day":
		of, fetch = rules.Gauge, b.phased
	case "phased_release_share":
		of, fetch = rules.Gauge, b.share
	case "lookup":
		fetch = b.ratings
	default:
		return sources.Faulty(w, rules.ConfigFault, fmt.Sprintf("unknown fact %q: want reviews, phased_release_day, phased_release_share or lookup", q.Fact))
	}
	if w.Signal.Kind != of {
		return sources.Faulty(w, rules.ConfigFault, fmt.Sprintf("fact %s answers signals of kind %s, not %s", q.Fact, of, w.Signal.Kind))
	}
	if w.Signal.Period < time.Second {
		return sources.Faulty(w, rules.ConfigFault, "the signal has no period")
	}
	return fetch(w, *q)
}

// get asks App Store Connect, one request at a time and spaced. A refused token
// is replaced once per batch: Apple sometimes refuses a valid one.
func (b *batch) get(ref string, into any) *sources.CallError {
	if b.stop != nil {
		return b.stop
	}
	err := b.spaced(b.connect, ref, into)
	if err != nil && err.Status == http.StatusUnauthorized && !b.resigned {
		b.resigned = true
		b.signer.Forget()
		b.log.Warn("token refused, signing another", "source", b.name, "err", err.Detail)
		err = b.spaced(b.connect, ref, into)
	}
	if err == nil {
		return nil
	}
	if err.Status == http.StatusUnauthorized {
		err.Detail = sources.Clip(err.Detail + b.signer.Skew(err.Header))
	}
	if err.Fault == rules.Throttled || err.Status == http.StatusUnauthorized || agreements(err) {
		b.stop = err
	}
	return err
}

// agreements recognises a contract with Apple that was not signed: then every
// call is refused.
func agreements(err *sources.CallError) bool {
	return err.Fault == rules.AuthFault && strings.Contains(err.Detail, "REQUIRED_AGREEMENTS")
}

// spaced sends a request no sooner than spacing after the one before.
func (b *batch) spaced(c *sources.Client, ref string, into any) *sources.CallError {
	if b.sent {
		if err := b.pause(b.ctx, spacing); err != nil {
			return &sources.CallError{Fault: rules.Unavailable, Detail: "no answer before the deadline"}
		}
	}
	b.sent = true
	_, err := c.Get(b.ctx, b.now, ref, into)
	return err
}

// version finds the id of a query's version, and remembers it.
func (b *batch) version(q kind.Query) (string, *sources.CallError) {
	if q.VersionID != "" {
		return q.VersionID, nil
	}
	if q.App == "" || q.Version == "" {
		return "", connect.Wrong("the appstore query needs version_id, or app and version")
	}
	key := q.App + "|" + q.Version
	if id, ok := b.versions[key]; ok {
		return id, nil
	}
	var found connect.Versions
	if err := b.get(connect.VersionsRef(q.App, q.Version), &found); err != nil {
		return "", err
	}
	id, err := found.Only(q.App, q.Version)
	if err == nil {
		b.versions[key] = id
	}
	return id, err
}

// forgetVersion forgets a version id that no longer exists, so that it is looked
// up again.
func (b *batch) forgetVersion(q kind.Query, err *sources.CallError) {
	if err != nil && err.Status == http.StatusNotFound {
		delete(b.versions, q.App+"|"+q.Version)
	}
}

func floor(t, width int64) int64 {
	r := t % width
	if r < 0 {
		r += width
	}
	return t - r
}

func ceil(t, width int64) int64 { return floor(t+width-1, width) }
