package simulator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// DemoKey makes a new App Store Connect key: the text of its .p8 file for the
// client, and the public half for Config.AppStorePublicKey.
func DemoKey() (p8 []byte, public *ecdsa.PublicKey, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("making demo key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("making demo key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), &key.PublicKey, nil
}

// tokenLife is the longest life that Apple allows a token.
const tokenLife = 20 * time.Minute

type tokenHeader struct {
	Alg string `json:"alg"`
	Kid string `json:"kid"`
	Typ string `json:"typ"`
}

type tokenClaims struct {
	Iss string `json:"iss"`
	Sub string `json:"sub"`
	Aud string `json:"aud"`
	Iat *int64 `json:"iat"`
	Exp *int64 `json:"exp"`
}

// verifyToken checks an App Store Connect token as Apple does. The error is for
// tests and logs; Apple only says that the client is not authorized.
func verifyToken(token string, n Names, public *ecdsa.PublicKey, now time.Time) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("not a JWT of three parts")
	}
	var h tokenHeader
	var c tokenClaims
	if err := tokenPart(parts[0], &h); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	if err := tokenPart(parts[1], &c); err != nil {
		return fmt.Errorf("payload: %w", err)
	}
	if err := h.check(n); err != nil {
		return err
	}
	if err := c.check(n, now); err != nil {
		return err
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || len(sig) != 64 {
		return errors.New("the signature is not the 64 bytes r||s")
	}
	if public == nil {
		return nil
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return errors.New("the signature does not verify")
	}
	return nil
}

func tokenPart(s string, into any) error {
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

func (h tokenHeader) check(n Names) error {
	switch {
	case h.Alg != "ES256":
		return fmt.Errorf("alg is %q, want ES256", h.Alg)
	case h.Kid == "" || (n.KeyID != "*" && h.Kid != n.KeyID):
		return fmt.Errorf("kid %q is not known", h.Kid)
	case h.Typ != "" && h.Typ != "JWT":
		return fmt.Errorf("typ is %q, want JWT", h.Typ)
	}
	return nil
}

func (c tokenClaims) check(n Names, now time.Time) error {
	switch {
	case c.Aud != "appstoreconnect-v1":
		return fmt.Errorf("aud is %q, want appstoreconnect-v1", c.Aud)
	case c.Sub != "user" && (c.Iss == "" || (n.Issuer != "*" && c.Iss != n.Issuer)):
		return fmt.Errorf("iss %q is not known", c.Iss)
	case c.Iat == nil || c.Exp == nil:
		return errors.New("iat and exp are required")
	case time.Unix(*c.Iat, 0).After(now):
		return errors.New("iat is in the future")
	case !time.Unix(*c.Exp, 0).After(now):
		return errors.New("the token has expired")
	case time.Unix(*c.Exp, 0).Sub(now) > tokenLife:
		return errors.New("the token lives longer than 20 minutes")
	}
	return nil
}
