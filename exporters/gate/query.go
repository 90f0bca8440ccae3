package gate

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxWait is the longest long poll: below the 60 s after which proxies give up.
const MaxWait = 50 * time.Second

// question is what the query and the Prefer header of a request ask for.
type question struct {
	pending  int           // status of /gate for what is not decided: 503, 425 or 429
	wait     time.Duration // 0..MaxWait
	after    uint64
	hasAfter bool
}

// parseQuestion reads a query strictly: a key that is not known would otherwise
// be one that silently does nothing.
func parseQuestion(rawQuery string, prefer []string) (question, error) {
	q := question{pending: http.StatusServiceUnavailable, wait: preferWait(prefer)}
	if rawQuery == "" {
		return q, nil
	}
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return q, fmt.Errorf("reading the query: %w", err)
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		vs := values[key]
		if len(vs) != 1 {
			return q, fmt.Errorf("query key %q is there %d times: want it once", key, len(vs))
		}
		if err := q.set(key, vs[0]); err != nil {
			return q, err
		}
	}
	return q, nil
}

func (q *question) set(key, value string) (err error) {
	switch key {
	case "pending":
		q.pending, err = parsePending(value)
	case "wait":
		q.wait, err = parseWait(value)
	case "after":
		q.hasAfter = true
		if q.after, err = strconv.ParseUint(value, 10, 64); err != nil {
			err = fmt.Errorf("query key \"after\": %q is no generation: want a whole number", value)
		}
	default:
		err = fmt.Errorf("unknown query key %q: want pending, wait or after", key)
	}
	return err
}

func parsePending(value string) (int, error) {
	switch value {
	case "425":
		return http.StatusTooEarly, nil
	case "429":
		return http.StatusTooManyRequests, nil
	case "503":
		return http.StatusServiceUnavailable, nil
	}
	return http.StatusServiceUnavailable, fmt.Errorf("query key \"pending\": %q: want 425, 429 or 503; a pending gate never looks like an open one", value)
}

// parseWait reads "30s", "1m" or a number of seconds.
func parseWait(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if n, numErr := strconv.ParseUint(value, 10, 31); numErr == nil {
		d, err = time.Duration(n)*time.Second, nil
	}
	if err != nil || d < 0 {
		return 0, fmt.Errorf("query key \"wait\": %q is no length of time: want 30s or 30", value)
	}
	return min(d, MaxWait), nil
}

// preferWait reads "Prefer: wait=30" (RFC 7240), which a server may ignore: what
// cannot be read is no preference.
func preferWait(headers []string) time.Duration {
	for _, h := range headers {
		for part := range strings.SplitSeq(h, ",") {
			part, _, _ = strings.Cut(part, ";")
			key, value, ok := strings.Cut(part, "=")
			if !ok || !strings.EqualFold(strings.TrimSpace(key), "wait") {
				continue
			}
			if n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31); err == nil {
				return min(time.Duration(n)*time.Second, MaxWait)
			}
		}
	}
	return 0
}

// wantsText reports whether an Accept header asks for text rather than JSON. The
// two are weighed by quality; when they weigh the same, text must have been
// named and JSON not.
func wantsText(accept []string) bool {
	if len(accept) == 0 {
		return false
	}
	var text, json, any pref
	for _, h := range accept {
		for part := range strings.SplitSeq(h, ",") {
			media, q := acceptPart(part)
			switch media {
			case "text/plain", "text/*":
				text.raise(q)
			case "application/json", "application/*":
				json.raise(q)
			case "*/*":
				any.raise(q)
			}
		}
	}
	if !text.named {
		return false
	}
	if !json.named {
		json.q = any.q
		return text.q > 0 && text.q >= json.q
	}
	return text.q > json.q
}

// pref is how much a media type is wanted.
type pref struct {
	q     float64
	named bool
}

func (p *pref) raise(q float64) { p.q, p.named = max(p.q, q), true }

func acceptPart(part string) (media string, q float64) {
	media, params, _ := strings.Cut(part, ";")
	q = 1
	for param := range strings.SplitSeq(params, ";") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(param), "q="); ok {
			if f, err := strconv.ParseFloat(value, 64); err == nil && f >= 0 && f <= 1 {
				q = f
			}
		}
	}
	return strings.ToLower(strings.TrimSpace(media)), q
}
