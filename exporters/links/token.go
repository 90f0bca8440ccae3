package links

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// Claims are what a link says.
type Claims struct {
	Run        string    // id of the run
	Allows     string    // what may be done: "approve", "review"; the gate gives it its meaning
	Role       string    // as whom: "Release Manager"
	Person     string    // who was sent the link
	PlanDigest string    // SHA-256 in hex of the plan that they were shown
	Expires    time.Time // the link is of no use from then on; whole seconds
	ID         string    // of the command that the link gives
}

// Keys are the secrets that sign links. The first one signs, all are believed, so that a new
// one can be put before an old one until the links of that have expired.
type Keys []string

// Bounds of a key, in bytes, and of a link, in characters: as much as programs of mail and
// browsers take in any case, and more than the longest names of a plan need.
const (
	leastKey = 32
	MaxLink  = 2000
)

// What a link is refused for. Both are told to people by [Page].
var (
	ErrForged  = errors.New("links: not a link of this relgate, or not whole")
	ErrExpired = errors.New("links: expired")
)

// Check reports what is wrong with the keys, without showing one.
func (k Keys) Check() error {
	if len(k) == 0 {
		return errors.New("links: a key is required")
	}
	for i, key := range k {
		if len(key) < leastKey {
			return fmt.Errorf("links: key %d: want at least %d bytes", i+1, leastKey)
		}
	}
	return nil
}

// version is the first byte of what is signed. Another form gets another.
const version = 1

// What a signature is for. One that was made for a link opens no page's form.
const (
	forLink = "relgate link 1\x00"
	forForm = "relgate form 1\x00"
)

// Make writes a link's token: characters that stand in a URL as they are, at most MaxLink.
func Make(keys Keys, c Claims) (string, error) {
	if err := keys.Check(); err != nil {
		return "", err
	}
	digest, err := hex.DecodeString(c.PlanDigest)
	if err != nil || len(digest) != sha256.Size {
		return "", errors.New("links: plan digest: want SHA-256 in hex")
	}
	if c.Expires.Unix() <= 0 || c.Run == "" || c.Allows == "" || c.ID == "" {
		return "", errors.New("links: run, what is allowed, an end and an id are required")
	}
	payload := append([]byte{version}, digest...)
	payload = binary.AppendUvarint(payload, uint64(c.Expires.Unix()))
	for _, text := range []string{c.Run, c.Allows, c.Role, c.Person, c.ID} {
		if rules.UnsafeIn(text) != "" {
			return "", errors.New("links: want names without control characters")
		}
		payload = append(binary.AppendUvarint(payload, uint64(len(text))), text...)
	}
	token := seal(keys[0], forLink, payload)
	if len(token) > MaxLink {
		return "", fmt.Errorf("links: the link would have %d characters, at most %d are allowed: the names are too long", len(token), MaxLink)
	}
	return token, nil
}

// Open reads a link's token. It returns ErrForged for anything but what [Make] has written
// with one of the keys, and ErrExpired.
func Open(keys Keys, token string, now time.Time) (Claims, error) {
	if len(token) > MaxLink {
		return Claims{}, ErrForged
	}
	payload, ok := unseal(keys, forLink, token)
	if !ok {
		return Claims{}, ErrForged
	}
	c, ok := read(payload)
	switch {
	case !ok:
		return Claims{}, ErrForged
	case !now.Before(c.Expires):
		return Claims{}, ErrExpired
	}
	return c, nil
}

// read is the claims in a payload, which must hold nothing else.
func read(payload []byte) (c Claims, ok bool) {
	if len(payload) < 1+sha256.Size || payload[0] != version {
		return c, false
	}
	c.PlanDigest = hex.EncodeToString(payload[1 : 1+sha256.Size])
	rest := payload[1+sha256.Size:]
	number := func() (uint64, bool) {
		v, n := binary.Uvarint(rest)
		if n <= 0 || v > 1<<40 {
			return 0, false
		}
		rest = rest[n:]
		return v, true
	}
	seconds, ok := number()
	if !ok {
		return c, false
	}
	c.Expires = time.Unix(int64(seconds), 0).UTC()
	for _, text := range []*string{&c.Run, &c.Allows, &c.Role, &c.Person, &c.ID} {
		n, ok := number()
		if !ok || n > uint64(len(rest)) {
			return c, false
		}
		*text, rest = string(rest[:n]), rest[n:]
	}
	return c, len(rest) == 0
}

var encoding = base64.RawURLEncoding.Strict()

// seal signs a payload and writes both.
func seal(key, purpose string, payload []byte) string {
	return encoding.EncodeToString(append(payload[:len(payload):len(payload)], sign(key, purpose, payload)...))
}

// unseal gives the payload if one of the keys has signed it. It takes as long for a
// signature that is nearly right as for any other.
func unseal(keys Keys, purpose, text string) ([]byte, bool) {
	all, err := encoding.DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") || len(all) < sha256.Size || keys.Check() != nil {
		return nil, false
	}
	payload, signature := all[:len(all)-sha256.Size], all[len(all)-sha256.Size:]
	known := false
	for _, key := range keys {
		if hmac.Equal(signature, sign(key, purpose, payload)) {
			known = true
		}
	}
	return payload, known
}

func sign(key, purpose string, payload []byte) []byte {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(purpose))
	h.Write(payload)
	return h.Sum(nil)
}
