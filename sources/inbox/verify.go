package inbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/sources"
)

// digest is a short text that stands for a long one.
func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// bearer checks the token that a sender puts into its Authorization header.
func bearer(h http.Header, token *sources.Secret) error {
	values := h.Values("Authorization")
	if len(values) == 0 {
		return refuse(Unsigned, "there is no Authorization header: send Bearer and the token of the inbox")
	}
	scheme, sent, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "Bearer") || !equal(strings.TrimSpace(sent), token.Value()) {
		return refuse(Forged, "the Authorization header is not Bearer and the token of the inbox")
	}
	return nil
}

// equal compares a secret in a time that says nothing of it.
func equal(sent, secret string) bool {
	a, b := sha256.Sum256([]byte(sent)), sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// signature is the HMAC of what is signed.
func signature(key []byte, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, key)
	for _, p := range parts {
		mac.Write(p)
	}
	return mac.Sum(nil)
}

// signedHex checks a signature in hexadecimal digits in a header.
func signedHex(h http.Header, header string, want []byte) error {
	sent := h.Get(header)
	if sent == "" {
		return refuse(Unsigned, "there is no header %s with a signature", header)
	}
	got, err := hex.DecodeString(sent)
	if err != nil || !hmac.Equal(got, want) {
		return refuse(Forged, "the signature in %s is not that of this body by the secret of the inbox", header)
	}
	return nil
}

// tolerance is how far the time that a sender signs with may be from now.
const tolerance = 5 * time.Minute

// ahead is how far the clock of any sender may be ahead.
const ahead = 5 * time.Minute

// fresh checks a time that a sender has signed.
func fresh(at, now time.Time, most time.Duration) error {
	switch age := now.Sub(at); {
	case age > most:
		return refuse(Replayed, "it was signed %s ago: want at most %s", age.Round(time.Second), most)
	case age < -ahead:
		return refuse(Replayed, "it was signed %s ahead of now: want at most %s", (-age).Round(time.Second), ahead)
	}
	return nil
}

// freshUnix checks the seconds in a header that a signature covers.
func freshUnix(text string, now time.Time) error {
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil || seconds < 0 || seconds > 1<<40 {
		return refuse(Malformed, "its signed time %.40q is not in Unix seconds", text)
	}
	return fresh(time.Unix(seconds, 0), now, tolerance)
}
