package appstore

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

// signer makes bearer tokens and keeps the newest. A token is used until it is
// about to expire, because Apple sometimes refuses a new one.
type signer struct {
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

func newSigner(cfg Config) (*signer, error) {
	s := &signer{key: sources.Fixed(string(cfg.KeyPEM)), keyID: cfg.KeyID, issuer: cfg.Issuer, now: cfg.Now, log: cfg.Log}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.log = s.log.With("source", cfg.Name)
	var err error
	if cfg.ReadKey != nil {
		if s.key, err = sources.NewSecret(cfg.Name, cfg.ReadKey, cfg.Log); err != nil {
			return nil, err
		}
	}
	return s, s.take(s.key.Value())
}

// take signs with a key from now on.
func (s *signer) take(text string) error {
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
func (s *signer) renew() {
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

// bearer is the token to send now.
func (s *signer) bearer() (string, error) {
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

// forget makes the next token a new one.
func (s *signer) forget() {
	s.mu.Lock()
	s.token = ""
	s.mu.Unlock()
}

// skew says how far our clock is from that of an answer, "" if the difference is
// too small to matter.
func (s *signer) skew(h http.Header) string {
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
