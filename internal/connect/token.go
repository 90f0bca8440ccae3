package connect

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/relgate/relgate/sources"
)

const (
	audience = "appstoreconnect-v1"
	// Apple refuses tokens from the future and tokens that live longer than 20
	// minutes, by its own clock. So ours may be a minute ahead or five behind.
	backdate = time.Minute
	lifetime = 15 * time.Minute
	renew    = time.Minute // before its end a token is replaced
)

// claims is a token's payload; aud is one string, not a list.
type claims struct {
	Issuer   string `json:"iss,omitempty"` // of a team key
	Subject  string `json:"sub,omitempty"` // of an individual key
	IssuedAt int64  `json:"iat"`
	Expiry   int64  `json:"exp"`
	Audience string `json:"aud"`
}

// Key is a key of App Store Connect.
type Key struct {
	Name   string           // of the source or actuator that it is for, for logs; required
	Issuer string           // issuer id of a team key; empty for an individual key
	ID     string           // required
	PEM    []byte           // the text of the .p8 file; required unless Read is set
	Log    *slog.Logger     // nothing is logged if nil
	Now    func() time.Time // for the issue and expiry times of tokens; time.Now if nil

	// Read reads the .p8 file's text where it is kept, before each request: a key that is
	// replaced counts at once. PEM counts if nil.
	Read func() (string, error)
}

// Signer makes bearer tokens and keeps the newest. A token is used until it is
// about to expire, because Apple sometimes refuses a new one.
type Signer struct {
	key    *sources.Secret // the .p8 file's text
	keyID  string
	issuer string // empty for an individual key
	now    func() time.Time
	log    *slog.Logger

	mu    sync.Mutex
	pem   string // the key that jws signs with
	bad   string // a replacement that is no key, and of which that was said
	jws   jose.Signer
	token string
	exp   time.Time
}

// NewSigner makes a Signer, or says what is wrong with the key.
func NewSigner(k Key) (*Signer, error) {
	if k.ID == "" {
		return nil, errors.New("key_id is missing")
	}
	s := &Signer{key: sources.Fixed(string(k.PEM)), keyID: k.ID, issuer: k.Issuer, now: k.Now, log: k.Log}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.log = s.log.With("source", k.Name)
	var err error
	if k.Read != nil {
		if s.key, err = sources.NewSecret(k.Name, k.Read, k.Log); err != nil {
			return nil, err
		}
	}
	return s, s.take(s.key.Value())
}

// take signs with a key from now on.
func (s *Signer) take(text string) error {
	key, err := parseKey([]byte(text))
	if err != nil {
		return err
	}
	// go-jose writes ES256 as JOSE wants it, r and s in 64 bytes, not as ASN.1.
	jws, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: s.keyID}},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return fmt.Errorf("preparing to sign: %w", err)
	}
	s.pem, s.jws, s.token = text, jws, ""
	return nil
}

// renew takes the key that is there now. One that is none, because it is just being
// written, changes nothing.
func (s *Signer) renew() {
	text := s.key.Value()
	if text == s.pem || text == s.bad {
		return
	}
	if err := s.take(text); err != nil {
		s.bad = text
		s.log.Warn("the replaced key is not used", "err", err)
		return
	}
	s.bad = ""
}

// parseKey reads a .p8 file. Its errors contain no part of the key.
func parseKey(text []byte) (*ecdsa.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("key: want a PEM file, as App Store Connect gives it (.p8)")
	}
	var key any
	var err error
	if block.Type == "EC PRIVATE KEY" {
		key, err = x509.ParseECPrivateKey(block.Bytes)
	} else {
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, errors.New("key: want a private key in PKCS #8")
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok || ec.Curve != elliptic.P256() {
		return nil, errors.New("key: want an elliptic key on P-256")
	}
	return ec, nil
}

// Authorize adds the token to a request.
func (s *Signer) Authorize(r *http.Request) error {
	token, err := s.bearer()
	if err == nil {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return err
}

// bearer is the token to send now.
func (s *Signer) bearer() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.renew()
	now := s.now()
	if s.token != "" && now.Add(renew).Before(s.exp) && s.exp.Sub(now) <= lifetime {
		return s.token, nil
	}
	c := claims{Issuer: s.issuer, IssuedAt: now.Add(-backdate).Unix(), Expiry: now.Add(lifetime).Unix(), Audience: audience}
	if s.issuer == "" {
		c.Subject = "user"
	}
	token, err := jwt.Signed(s.jws).Claims(c).Serialize()
	if err != nil {
		return "", errors.New("signing the token failed") // without the cause, which may contain parts of the key
	}
	s.token, s.exp = token, now.Add(lifetime)
	return token, nil
}

// Forget makes the next token a new one.
func (s *Signer) Forget() {
	s.mu.Lock()
	s.token = ""
	s.mu.Unlock()
}

// Skew says how far our clock is from that of an answer, "" if the difference is
// too small to matter.
func (s *Signer) Skew(h http.Header) string {
	theirs, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return ""
	}
	d := s.now().Sub(theirs).Round(time.Second)
	switch {
	case d >= 30*time.Second:
		return fmt.Sprintf("; our clock is %s ahead of theirs", d)
	case d <= -30*time.Second:
		return fmt.Sprintf("; our clock is %s behind theirs", -d)
	}
	return ""
}
