package dispatchtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// signedAlike is how far the time of a signature may be from the clock.
const signedAlike = 5 * time.Minute

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$`)

// unsigned is the fault of a request whose signature, of version 4, is not that of the
// credentials over what came.
func (e *EventBridge) unsigned(r *http.Request, body []byte) (fault, why string) {
	parts := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	stamp := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", stamp)
	switch {
	case r.Header.Get("Authorization") == "":
		return "MissingAuthenticationTokenException", "Missing Authentication Token"
	case parts == nil || err != nil:
		return "IncompleteSignatureException", "the form of Authorization or X-Amz-Date"
	case e.Key != "" && parts[1] != e.Key:
		return "UnrecognizedClientException", "The security token included in the request is invalid."
	case parts[2] != stamp[:8] || e.Region != "" && parts[3] != e.Region || parts[4] != "events":
		return "InvalidSignatureException", "Credential should be scoped to a valid region and the service events."
	case e.now().Sub(at).Abs() > signedAlike:
		return "InvalidSignatureException", "Signature expired: " + stamp
	}
	names := strings.Split(parts[5], ";")
	if !slices.Contains(names, "host") || !slices.Contains(names, "x-amz-date") {
		return "InvalidSignatureException", "'Host' and 'X-Amz-Date' must be signed."
	}
	var headers strings.Builder
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		switch name {
		case "host":
			value = r.Host
		case "content-length":
			value = fmt.Sprint(r.ContentLength)
		}
		headers.WriteString(name + ":" + strings.Join(strings.Fields(value), " ") + "\n")
	}
	canonical := strings.Join([]string{r.Method, "/", "", headers.String(), parts[5], digest(body)}, "\n")
	scope := strings.Join(parts[2:5], "/") + "/aws4_request"
	key := []byte("AWS4" + e.Secret)
	for _, part := range []string{parts[2], parts[3], parts[4], "aws4_request"} {
		key = mac(key, part)
	}
	want := hex.EncodeToString(mac(key, strings.Join([]string{"AWS4-HMAC-SHA256", stamp, scope, digest([]byte(canonical))}, "\n")))
	if e.Key != "" && !hmac.Equal([]byte(want), []byte(parts[6])) {
		return "InvalidSignatureException", "The request signature we calculated does not match the signature you provided."
	}
	return "", ""
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
