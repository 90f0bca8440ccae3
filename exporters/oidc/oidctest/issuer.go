// Package oidctest is an issuer of ID tokens on loopback, for tests. It signs by hand, with
// the standard library alone, so that no library verifies its own work.
package oidctest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// Issuer publishes keys and signs tokens.
type Issuer struct {
	URL   string
	Asked atomic.Int64 // for its keys
	// Answer, if there is one, answers in the issuer's place; false: the issuer does.
	Answer atomic.Pointer[func(w http.ResponseWriter, r *http.Request) bool]

	mu   sync.Mutex
	keys []map[string]any // that are published
	Key  Key              // that signs
}

// Key is a pair of keys with an id.
type Key struct {
	ID  string
	Alg string // RS256 or ES256
	RSA *rsa.PrivateKey
	EC  *ecdsa.PrivateKey
}

var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// New starts an issuer with one key: of RSA, as the CI systems have.
func New(t testing.TB) *Issuer {
	t.Helper()
	is := &Issuer{}
	srv := httptest.NewServer(http.HandlerFunc(is.serve))
	t.Cleanup(srv.Close)
	is.URL = srv.URL
	key, err := rsaKey()
	if err != nil {
		t.Fatal(err)
	}
	is.Use(Key{ID: "first", Alg: "RS256", RSA: key})
	return is
}

// EC is a new key on P-256.
func EC(t testing.TB, id string) Key {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return Key{ID: id, Alg: "ES256", EC: key}
}

// Use publishes a key beside the others, and signs with it.
func (is *Issuer) Use(k Key) {
	is.mu.Lock()
	defer is.mu.Unlock()
	is.keys, is.Key = append(is.keys, k.Public()), k
}

// Publish replaces what is published.
func (is *Issuer) Publish(keys ...map[string]any) {
	is.mu.Lock()
	defer is.mu.Unlock()
	is.keys = keys
}

// Public is the key as a JWK.
func (k Key) Public() map[string]any {
	jwk := map[string]any{"kid": k.ID, "alg": k.Alg, "use": "sig"}
	if k.RSA != nil {
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", b64(k.RSA.N.Bytes()), b64(big.NewInt(int64(k.RSA.E)).Bytes())
		return jwk
	}
	x, y := make([]byte, 32), make([]byte, 32)
	jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", "P-256", b64(k.EC.X.FillBytes(x)), b64(k.EC.Y.FillBytes(y))
	return jwk
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (is *Issuer) serve(w http.ResponseWriter, r *http.Request) {
	if answer := is.Answer.Load(); answer != nil && (*answer)(w, r) {
		return
	}
	is.mu.Lock()
	defer is.mu.Unlock()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		_ = json.NewEncoder(w).Encode(map[string]any{"issuer": is.URL, "jwks_uri": is.URL + "/keys"})
	case "/keys":
		is.Asked.Add(1)
		_ = json.NewEncoder(w).Encode(map[string]any{"keys": is.keys})
	default:
		http.NotFound(w, r)
	}
}

// Token signs claims with the issuer's newest key; those with a value of nil are left out.
func (is *Issuer) Token(t testing.TB, claims ...map[string]any) string {
	t.Helper()
	is.mu.Lock()
	defer is.mu.Unlock()
	return Sign(t, is.Key, map[string]any{"typ": "JWT", "alg": is.Key.Alg, "kid": is.Key.ID}, claims...)
}

// Sign signs a header and claims, later ones in place of earlier ones.
func Sign(t testing.TB, k Key, header map[string]any, claims ...map[string]any) string {
	t.Helper()
	all := map[string]any{}
	for _, c := range claims {
		maps.Copy(all, c)
	}
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return SignRaw(t, k, header, encode(t, all))
}

// SignRaw signs a payload as it is written.
func SignRaw(t testing.TB, k Key, header map[string]any, payload []byte) string {
	t.Helper()
	signed := b64(encode(t, header)) + "." + b64(payload)
	digest := sha256.Sum256([]byte(signed))
	if k.EC != nil {
		r, s, err := ecdsa.Sign(rand.Reader, k.EC, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		sig := make([]byte, 64)
		r.FillBytes(sig[:32])
		s.FillBytes(sig[32:])
		return signed + "." + b64(sig)
	}
	sig, err := rsa.SignPKCS1v15(rand.Reader, k.RSA, crypto.SHA256, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return signed + "." + b64(sig)
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(fmt.Errorf("encoding a token: %w", err))
	}
	return b
}
