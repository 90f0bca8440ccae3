package github

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/webhook/format"
)

// GitHub takes a JSON Web Token that lives for 10 minutes at most, by its own clock. So ours
// may be a minute ahead of it, or a minute behind.
const (
	backdate = time.Minute
	lifetime = 9 * time.Minute
)

// mostWait is how long GitHub is left alone at most where it asks for that. Its limits last for
// an hour; what is longer is an error there or of a proxy, and jobs wait meanwhile.
const mostWait = time.Hour

// renew is how long before its end a token of an installation is replaced.
const renew = 5 * time.Minute

// app speaks to GitHub as an App and as its installations.
type app struct {
	id   string                 // of the App, or its client id
	key  func() (string, error) // PEM text of its private key
	api  string                 // base URL, without a slash at its end
	sink *webhook.Sink
	now  func() time.Time

	mu     sync.Mutex
	tokens map[uint64]token // :: installation → its newest token
}

type token struct {
	text string
	ends time.Time
}

// answer is what came of a request to GitHub.
type answer struct {
	status int // 0: there was no answer
	body   []byte
	reason string        // why it is no success, without anything of a secret; empty for a success
	wait   time.Duration // that GitHub asks for before the next, mostWait at most
	cursor string        // of the next page of a list; empty: there is none
}

func (a answer) ok() bool { return a.reason == "" }

// CheckKey reports a text that is no private key of an App. The error contains no part of it.
func CheckKey(text string) error {
	_, err := parseKey(text)
	return err
}

// parseKey reads a private key as GitHub gives it. Its errors contain no part of the key.
func parseKey(text string) (*rsa.PrivateKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("key: want a PEM file, as GitHub gives it (.pem)")
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := key.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, errors.New("key: want an RSA private key, as GitHub gives it (.pem)")
	}
	return private, nil
}

// bearer signs a token of the App itself, by the key that is there now.
func (a *app) bearer() (string, error) {
	text, err := a.key()
	if err != nil {
		return "", fmt.Errorf("key: %w", err)
	}
	key, err := parseKey(text)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", errors.New("key: it cannot sign") // without the cause, which may contain parts of the key
	}
	claims := struct {
		IssuedAt int64  `json:"iat"`
		Expiry   int64  `json:"exp"`
		Issuer   string `json:"iss"`
	}{a.now().Add(-backdate).Unix(), a.now().Add(lifetime).Unix(), a.id}
	signed, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		return "", errors.New("key: it cannot sign")
	}
	return signed, nil
}

// installation gives a token of an installation, the one that is known while it lasts.
func (a *app) installation(ctx context.Context, id uint64) (string, answer) {
	a.mu.Lock()
	known, ok := a.tokens[id]
	a.mu.Unlock()
	if ok && a.now().Before(known.ends.Add(-renew)) {
		return known.text, answer{}
	}
	said := a.asApp(ctx, http.MethodPost, fmt.Sprintf("/app/installations/%d/access_tokens", id), map[string]any{
		"permissions": map[string]string{"actions": "read", "deployments": "write"},
	})
	if !said.ok() {
		switch said.status {
		case 404:
			said.reason = "a token of the installation: answered 404: the App is not installed there"
		case 422:
			said.reason = "a token of the installation: answered 422: the App lacks Actions: read or Deployments: write"
		default:
			said.reason = "a token of the installation: " + said.reason
		}
		return "", said
	}
	var made struct {
		Token string    `json:"token"`
		Ends  time.Time `json:"expires_at"`
	}
	if json.Unmarshal(said.body, &made) != nil || made.Token == "" || strings.ContainsAny(made.Token, "\r\n") {
		return "", answer{status: said.status, reason: "a token of the installation: the answer cannot be read"}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tokens[id] = token{made.Token, made.Ends}
	return made.Token, answer{}
}

// forget has the next request of an installation made with a new token.
func (a *app) forget(id uint64, text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tokens[id].text == text {
		delete(a.tokens, id)
	}
}

// asApp makes a request with a token of the App itself.
func (a *app) asApp(ctx context.Context, method, path string, body any) answer {
	token, err := a.bearer()
	if err != nil {
		return answer{reason: err.Error()}
	}
	said := a.call(ctx, method, path, token, body)
	if said.status == 401 {
		said.reason = "answered 401: the key does not belong to this App, or the clock here is wrong"
	}
	return said
}

// call makes one request, within the time that the sink gives it.
func (a *app) call(ctx context.Context, method, path, token string, body any) answer {
	call := &format.Call{Method: method, URL: a.api + path, Header: map[string]string{
		"Authorization": "Bearer " + token, "Accept": "application/vnd.github+json", "X-Github-Api-Version": "2022-11-28",
	}}
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return answer{reason: err.Error()} // unreachable: texts and numbers have a JSON form
		}
		call.Body = text
	}
	var said answer
	call.Read = func(r format.Answer) format.Reply {
		said.status, said.body, said.wait, said.cursor = r.Status, r.Body, a.limited(r), nextCursor(r.Header)
		return format.Reply{Done: r.Status/100 == 2}
	}
	if o := a.sink.Do(ctx, false, call); !o.OK {
		said.reason, said.wait = o.Reason, min(max(said.wait, o.RetryAfter), mostWait)
	}
	return said
}

// limited is how long GitHub's limit on requests lasts. It answers 403 or 429, and names in a
// header when the limit ends.
func (a *app) limited(r format.Answer) time.Duration {
	if r.Status != 403 && r.Status != 429 || r.Header.Get("X-Ratelimit-Remaining") != "0" {
		return 0
	}
	seconds, err := strconv.ParseInt(r.Header.Get("X-Ratelimit-Reset"), 10, 41)
	if err != nil {
		return 0
	}
	return max(0, time.Unix(seconds, 0).Sub(a.now()))
}
