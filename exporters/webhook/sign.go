package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Headers of the Standard Webhooks specification, and GitHub's.
const (
	headerID        = "Webhook-Id"
	headerTimestamp = "Webhook-Timestamp"
	headerSignature = "Webhook-Signature"
	headerHub       = "X-Hub-Signature-256"
)

// keys are what one endpoint's deliveries are signed with.
type keys struct {
	standard [][]byte // of Webhook-Signature: a signature for each
	// hub are the keys that X-Hub-Signature-256 may be made with; a sender uses the
	// first. They are texts: receivers of this form take a secret as it is written,
	// also one that begins with "whsec_".
	hub [][]byte
}

// parseKeys turns secrets into keys. Its errors hold no secret.
func parseKeys(secrets []string, hubSecret string) (keys, error) {
	var k keys
	for i, s := range secrets {
		key := []byte(s)
		if encoded, ok := strings.CutPrefix(s, "whsec_"); ok {
			decoded, err := base64.StdEncoding.DecodeString(encoded)
			if err != nil {
				return keys{}, fmt.Errorf("secret %d: what follows whsec_ is not base64", i+1)
			}
			key = decoded
		}
		if len(key) == 0 {
			return keys{}, fmt.Errorf("secret %d is empty", i+1)
		}
		k.standard, k.hub = append(k.standard, key), append(k.hub, []byte(s))
	}
	if hubSecret != "" {
		k.hub = [][]byte{[]byte(hubSecret)}
	}
	return k, nil
}

// sign stamps and signs one attempt, as far as there are keys.
func sign(h http.Header, k keys, id string, at time.Time, body []byte) {
	stamp := strconv.FormatInt(at.Unix(), 10)
	h.Set(headerID, id)
	h.Set(headerTimestamp, stamp)
	if len(k.standard) > 0 {
		signatures := make([]string, len(k.standard))
		for i, key := range k.standard {
			signatures[i] = "v1," + standardSignature(key, id, stamp, body)
		}
		h.Set(headerSignature, strings.Join(signatures, " "))
	}
	if len(k.hub) > 0 {
		h.Set(headerHub, hubSignature(k.hub[0], body))
	}
}

func standardSignature(key []byte, id, stamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id))
	mac.Write([]byte{'.'})
	mac.Write([]byte(stamp))
	mac.Write([]byte{'.'})
	mac.Write(body)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func hubSignature(key, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}
