package amazon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/relgate/relgate/rules"
)

// breather is the pause after throttling when the answer names none: AWS
// throttles by the second, and the retries have already failed.
const breather = 15 * time.Second

// maxRetryAfter bounds what is read from a Retry-After header. How long a question
// may be put off is bounded by the pool: see sources.Patience.
const maxRetryAfter = time.Hour

// Failure is a fault with what a reading says about it.
type Failure struct {
	Fault   rules.Fault
	Detail  string // at most 300 bytes, no secret
	RetryAt int64  // Unix seconds; zero when the upstream did not ask for a pause
}

// Explain turns an error of a call into a fault. op names the call, now is the
// time of the tick.
func Explain(op string, err error, now time.Time) Failure {
	code, message := describe(err)
	status, header := response(err)
	f := Failure{Fault: classify(err, code, message, status)}
	switch {
	case code != "":
		f.Detail = fmt.Sprintf("%s: %s: %s", op, code, message)
	case status != 0:
		f.Detail = fmt.Sprintf("%s: HTTP %d: %s", op, status, message)
	default:
		f.Detail = fmt.Sprintf("%s: %s", op, message)
	}
	f.Detail = Scrub(f.Detail)
	if f.Fault == rules.Throttled || status == http.StatusServiceUnavailable {
		f.RetryAt = retryAt(header, now)
		if said := header.Get("Retry-After"); said != "" {
			f.Detail = Clip(f.Detail, MaxDetail-80) + "; Retry-After: " + Clip(Scrub(said), 40)
		}
	}
	if f.Fault == rules.Throttled && f.RetryAt == 0 {
		f.RetryAt = now.Add(breather).Unix()
	}
	return f
}

// describe gives the upstream's code, if it sent one, and what to tell a
// person. The SDK's own wrapping ("operation error …, https response error …")
// is left out: it would fill the 300 bytes with request ids.
func describe(err error) (code, message string) {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode(), firstLine(api.ErrorMessage())
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "", "no answer before the deadline"
	case errors.Is(err, context.Canceled):
		return "", "cancelled"
	}
	// Without URL and addresses: they are in the configuration, and the local
	// port differs each time, so equal faults would have different details.
	if o, ok := errors.AsType[*net.OpError](err); ok {
		inner := o
		for in, ok := o.Err.(*net.OpError); ok; in, ok = in.Err.(*net.OpError) {
			inner = in // sending a body wraps one in another
		}
		return "", o.Op + ": " + firstLine(inner.Err.Error())
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return "", firstLine(u.Err.Error())
	}
	if f, ok := errors.AsType[foreign](err); ok {
		return "", f.Error()
	}
	if d, ok := errors.AsType[*smithy.DeserializationError](err); ok {
		return "", "unreadable answer: " + firstLine(d.Err.Error())
	}
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && r.Err != nil {
		return "", firstLine(r.Err.Error())
	}
	if op, ok := errors.AsType[*smithy.OperationError](err); ok && op.Err != nil {
		return "", firstLine(op.Err.Error())
	}
	return "", firstLine(err.Error())
}

func response(err error) (status int, header http.Header) {
	r, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || r.Response == nil || r.Response.Response == nil {
		return 0, nil
	}
	return r.HTTPStatusCode(), r.Response.Header
}

func classify(err error, code, message string, status int) rules.Fault {
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return rules.Unavailable
	case throttles(code), status == http.StatusTooManyRequests:
		return rules.Throttled
	case status >= 500:
		return rules.Unavailable
	case refusesUs(code, message), status == http.StatusUnauthorized, status == http.StatusForbidden,
		status == http.StatusProxyAuthRequired, status == 0 && lacksIdentity(err):
		return rules.AuthFault
	case status == http.StatusRequestTimeout, strings.HasPrefix(code, "RequestTimeout"):
		return rules.Unavailable
	case status >= 400:
		return rules.ConfigFault
	}
	return rules.Unavailable
}

func throttles(code string) bool {
	_, ok := retry.DefaultThrottleErrorCodes[code]
	return ok
}

// refusesUs reports whether the code or the message speaks of credentials or
// permissions. Athena wraps S3's refusal of the result bucket in an
// InvalidRequestException, so its code alone would look like a bad query.
func refusesUs(code, message string) bool {
	c := strings.ToLower(code)
	for _, word := range []string{"accessdenied", "unauthorized", "notauthorized", "unrecognizedclient", "expiredtoken", "expiredtokenexception",
		"invalidclienttokenid", "invalidaccesskeyid", "signaturedoesnotmatch", "invalidsignature", "missingauthenticationtoken",
		"incompletesignature", "authfailure", "optinrequired", "requestexpired", "requesttimetooskewed", "tokenrefreshrequired"} {
		if strings.Contains(c, word) {
			return true
		}
	}
	return RefusedText(message)
}

// RefusedText reports whether an upstream's words are about permissions.
func RefusedText(message string) bool {
	m := strings.ToLower(message)
	return strings.Contains(m, "access denied") || strings.Contains(m, "accessdenied") ||
		strings.Contains(m, "not authorized") || strings.Contains(m, "insufficient permission")
}

// lacksIdentity reports that no request was sent because there were no
// credentials to sign it. The SDK has no type for that.
func lacksIdentity(err error) bool {
	m := err.Error()
	return strings.Contains(m, "get identity") || strings.Contains(m, "failed to refresh cached credentials") ||
		strings.Contains(m, "static credentials are empty") || strings.Contains(m, "failed to sign")
}

// retryAt reads Retry-After, in seconds or as a date.
func retryAt(header http.Header, now time.Time) int64 {
	text := header.Get("Retry-After")
	wait := time.Duration(0)
	if s, err := strconv.ParseInt(text, 10, 32); err == nil {
		wait = time.Duration(s) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		// A date is by the upstream's clock: take its distance from its own Date.
		sent, err := http.ParseTime(header.Get("Date"))
		if err != nil {
			sent = now
		}
		wait = at.Sub(sent)
	}
	if wait <= 0 {
		return 0
	}
	return now.Add(min(wait, maxRetryAfter)).Unix()
}

// MaxDetail is the longest text that a reading may carry, in bytes.
const MaxDetail = 300

// secretish matches what an AWS error may quote of the signed request: the
// canonical string of a refused signature holds the session token.
var secretish = regexp.MustCompile(`(?i)\b((x-amz-security-token|x-amz-credential|x-amz-signature|authorization|signature|credential|secret[a-z_]*|(session|security|access|auth)[_-]?token|token|password)"?\s*[:=]\s*)("[^"]*"|[^\s,;&]+)|\b(AKIA|ASIA)[A-Z0-9]{12,}\b|\b(FwoG|FQoG|IQoJ)[A-Za-z0-9+/=_-]{16,}`)

// Scrub makes a text fit for a reading: no secret, no control character, at
// most MaxDetail bytes.
func Scrub(text string) string { return Clip(scrubbed(text), MaxDetail) }

// scrubbed is the text without secrets and control characters, in its whole length.
func scrubbed(text string) string {
	text = strings.Map(func(r rune) rune {
		if rules.Unsafe(r) != "" || r == utf8.RuneError {
			return ' '
		}
		return r
	}, text)
	return secretish.ReplaceAllString(text, "${1}[removed]")
}

// Clip cuts a text to at most n bytes, at a rune, and shows that it did.
func Clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	const more = "…"
	cut := n - len(more)
	for cut > 0 && !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + more
}

func firstLine(s string) string {
	s = strings.TrimSpace(s)
	if i := strings.IndexAny(s, "\r\n"); i >= 0 {
		s = s[:i]
	}
	return s
}
