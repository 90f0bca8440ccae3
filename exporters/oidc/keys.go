package oidc

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	askAgain = 15 * time.Minute // after which keys are asked for again
	believed = time.Hour        // for which keys are believed while they cannot be had: one that was withdrawn is too
	between  = 10 * time.Second // two questions to an issuer, whatever tokens come
	patience = 5 * time.Second  // with an issuer
	maxKeys  = 256 << 10        // bytes of an answer of an issuer
	mostKeys = 100              // of an issuer
	leastRSA = 2048             // bits
)

// issuer keeps the keys of an issuer. They are asked for when a token needs them.
type issuer struct {
	url    string
	roots  *x509.CertPool
	client *http.Client
	now    func() time.Time
	log    *slog.Logger

	mu     sync.Mutex
	keys   map[string]jose.JSONWebKey // :: kid → key
	came   time.Time                  // when they came; zero: never
	asked  time.Time                  // when they were asked for last
	failed bool                       // the last question
	asking chan struct{}              // closed when the question under way ends; nil: there is none
}

func newIssuer(url string, roots *x509.CertPool, now func() time.Time, log *slog.Logger) *issuer {
	return &issuer{url: url, roots: roots, now: now, log: log, client: &http.Client{
		Timeout:   patience,
		Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}},
		// Only the issuer is asked for its keys.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// key is the key of an id. An id that is not known has the issuer asked again, but not
// more often than the pace allows. The error is a *Refused, an *Unavailable, or ctx's.
func (is *issuer) key(ctx context.Context, id string) (jose.JSONWebKey, error) {
	for {
		is.mu.Lock()
		now := is.now()
		key, known := is.keys[id]
		fresh := within(now, is.came, askAgain)
		old := !within(now, is.came, believed)
		asking, soon, failed := is.asking, within(now, is.asked, between), is.failed
		if known && fresh || known && !old && (asking != nil || soon) {
			is.mu.Unlock()
			return key, nil
		}
		if asking == nil && !soon {
			done := make(chan struct{})
			is.asking, is.asked = done, now
			is.mu.Unlock()
			is.ask(ctx, done)
			continue
		}
		is.mu.Unlock()
		switch {
		case asking != nil:
			select {
			case <-asking:
			case <-ctx.Done():
				return jose.JSONWebKey{}, ctx.Err()
			}
		case failed || old:
			return jose.JSONWebKey{}, &Unavailable{is.url}
		default:
			return jose.JSONWebKey{}, refused("none of the keys that its issuer publishes has the id that it names (kid)")
		}
	}
}

// within reports whether less than a time has passed since then. A clock that was set back
// is no reason to believe longer.
func within(now, then time.Time, d time.Duration) bool {
	passed := now.Sub(then)
	return !then.IsZero() && passed >= 0 && passed < d
}

// ask asks the issuer for its keys. Others may wait for the answer, so that it is waited for
// also when ctx is done.
func (is *issuer) ask(ctx context.Context, done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	keys, err := is.fetch(ctx)
	is.mu.Lock()
	defer is.mu.Unlock()
	if is.failed = err != nil; err == nil {
		is.keys, is.came = keys, is.now()
	} else {
		is.log.Warn("the keys of an issuer of tokens cannot be had", "issuer", is.url, "err", err)
	}
	is.asking = nil
	close(done)
}

// fetch asks where the keys are, and for them.
func (is *issuer) fetch(ctx context.Context) (map[string]jose.JSONWebKey, error) {
	var about struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := is.get(ctx, strings.TrimSuffix(is.url, "/")+"/.well-known/openid-configuration", &about); err != nil {
		return nil, fmt.Errorf("asking where they are: %w", err)
	}
	if about.Issuer != is.url {
		return nil, fmt.Errorf("it says that it is another issuer: write it to the letter as it does: %.200q", about.Issuer)
	}
	at, err := address(about.Keys)
	if err != nil {
		return nil, fmt.Errorf("its jwks_uri: %w", err)
	}
	if at.Scheme == "http" && strings.HasPrefix(is.url, "https:") {
		return nil, errors.New("its jwks_uri is not https")
	}
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := is.get(ctx, about.Keys, &set); err != nil {
		return nil, fmt.Errorf("asking for them: %w", err)
	}
	if len(set.Keys) > mostKeys {
		return nil, fmt.Errorf("it has %d keys, more than %d", len(set.Keys), mostKeys)
	}
	keys := map[string]jose.JSONWebKey{}
	for _, raw := range set.Keys {
		// Keys of kinds that are not known here hinder no others.
		if key, ok := usable(raw); ok {
			keys[key.KeyID] = key
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("none of its %d keys can be used", len(set.Keys))
	}
	return keys, nil
}

// usable reads a key, if it is one that tokens may be verified with.
func usable(raw []byte) (key jose.JSONWebKey, ok bool) {
	if err := key.UnmarshalJSON(raw); err != nil || key.KeyID == "" || !key.Valid() || !key.IsPublic() {
		return key, false
	}
	if key.Use != "" && key.Use != "sig" || key.Algorithm != "" && !slices.Contains(algorithms, jose.SignatureAlgorithm(key.Algorithm)) {
		return key, false
	}
	public, isRSA := key.Key.(*rsa.PublicKey)
	return key, !isRSA || public.N.BitLen() >= leastRSA
}

func (is *issuer) get(ctx context.Context, url string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	r.Header.Set("Accept", "application/json")
	res, err := is.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %d", url, res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxKeys+1))
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", url, err)
	}
	if len(body) > maxKeys {
		return fmt.Errorf("the answer of %s is longer than %d bytes", url, maxKeys)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("the answer of %s is not what was asked for: %w", url, err)
	}
	return nil
}

// address reads a URL that keys may come from: https, or on this machine http.
func address(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || u.Hostname() != "127.0.0.1") {
		return nil, errors.New("want an https URL, or an http one of 127.0.0.1")
	}
	return u, nil
}
