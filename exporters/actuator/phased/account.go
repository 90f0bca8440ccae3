package phased

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/relgate/relgate/exporters/actuator"
	"github.com/relgate/relgate/internal/connect"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
)

// API is where App Store Connect is.
const API = "https://api.appstoreconnect.apple.com"

// spacing is the least time between two requests with one key: App Store Connect answers
// bursts with 429.
const spacing = 200 * time.Millisecond

// AccountConfig says which key of App Store Connect.
type AccountConfig struct {
	Name    string                 // for logs; required
	BaseURL string                 // API if empty
	Issuer  string                 // issuer id of a team key; empty for an individual key
	KeyID   string                 // required; the key's role is App Manager or Admin
	ReadKey func() (string, error) // reads the .p8 file's text, before each request; required
	CAFile  string                 // PEM certificates to trust; the system's if empty
	Log     *slog.Logger           // nothing is logged if nil
	Now     func() time.Time       // time.Now if nil
	// Transport replaces the network; nil means HTTP over connections of its own.
	Transport http.RoundTripper
}

// Account is a key of App Store Connect. It makes one request at a time, whoever asks.
type Account struct {
	client *sources.Client
	signer *connect.Signer
	now    func() time.Time
	turn   chan struct{} // held by who makes requests; guards next
	next   time.Time     // before which no request is made
}

// Open makes an account. It asks nothing.
func Open(c AccountConfig) (*Account, error) {
	signer, err := connect.NewSigner(connect.Key{Name: c.Name, Issuer: c.Issuer, ID: c.KeyID, Read: c.ReadKey, Log: c.Log, Now: c.Now})
	if err != nil {
		return nil, fmt.Errorf("phased release: %w", err)
	}
	a := &Account{signer: signer, now: c.Now, turn: make(chan struct{}, 1)}
	if a.now == nil {
		a.now = time.Now
	}
	a.client, err = sources.NewClient(sources.ClientConfig{
		BaseURL: cmp.Or(c.BaseURL, API), CAFile: c.CAFile, Transport: c.Transport,
		Authorize: signer.Authorize, Explain: connect.Explain, Limits: connect.Limits,
	})
	if err != nil {
		return nil, fmt.Errorf("phased release: %w", err)
	}
	return a, nil
}

// CloseIdleConnections closes connections that no request uses.
func (a *Account) CloseIdleConnections() { a.client.CloseIdleConnections() }

// take waits for the turn of who makes requests, which is given back by done.
func (a *Account) take(ctx context.Context) (done func(), err error) {
	select {
	case a.turn <- struct{}{}:
		return func() { <-a.turn }, nil
	case <-ctx.Done():
		return nil, &actuator.Error{Reason: "App Store Connect: no time was left while another request was made"}
	}
}

// get asks for a reference.
func (a *Account) get(ctx context.Context, ref string, into any) *sources.CallError {
	return a.call(ctx, func() *sources.CallError {
		_, err := a.client.Get(ctx, a.now(), ref, into)
		return err
	})
}

// pause asks for the one change that there is of a phased release.
func (a *Account) pause(ctx context.Context, id string, into any) *sources.CallError {
	var body struct {
		Data struct {
			Type       string `json:"type"`
			ID         string `json:"id"`
			Attributes struct {
				State string `json:"phasedReleaseState"`
			} `json:"attributes"`
		} `json:"data"`
	}
	body.Data.Type, body.Data.ID, body.Data.Attributes.State = "appStoreVersionPhasedReleases", id, connect.Paused
	return a.call(ctx, func() *sources.CallError {
		return a.client.Patch(ctx, a.now(), "/v1/appStoreVersionPhasedReleases/"+url.PathEscape(id), body, into)
	})
}

// call makes a request, a while after the one before. One whose token was refused was not carried
// out: it is made once more with a new token, because Apple sometimes refuses a valid one.
func (a *Account) call(ctx context.Context, request func() *sources.CallError) *sources.CallError {
	for again := false; ; again = true {
		if err := sources.Sleep(ctx, a.next.Sub(a.now())); err != nil {
			return &sources.CallError{Fault: rules.Unavailable, Detail: "no answer before the deadline"}
		}
		err := request()
		a.next = a.now().Add(spacing)
		if err == nil || err.Status != http.StatusUnauthorized {
			return err
		}
		if again {
			err.Detail = sources.Clip(err.Detail + a.signer.Skew(err.Header))
			return err
		}
		a.signer.Forget()
	}
}
