package gate

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/rules"
)

// MaxWait is the longest long poll: below the 60 s after which proxies give up.
const MaxWait = 50 * time.Second

// question is what the query and the Prefer header of a request ask for.
type question struct {
	pin      pin
	pending  int           // status of /gate and /entry for what is not decided: 503, 425 or 429
	wait     time.Duration // 0..MaxWait
	after    uint64
	hasAfter bool
	onFail   bool // /rollback: also for a failed phase
}

// parseQuestion reads a query strictly: a key that is not known would otherwise
// be one that silently does nothing.
func parseQuestion(rawQuery string, prefer []string, v view) (question, error) {
	q := question{pending: http.StatusServiceUnavailable, wait: preferWait(prefer)}
	err := eachKey(rawQuery, func(key, value string) error {
		if key == "on" && v != viewRollback {
			return errors.New("query key \"on\": only /rollback takes it")
		}
		return q.set(key, value)
	})
	return q, err
}

// eachKey gives the keys of a query, each of which may be there once. It reads what
// needs no decoding without allocating.
func eachKey(rawQuery string, set func(key, value string) error) error {
	for from := 0; from < len(rawQuery); {
		part, _, _ := strings.Cut(rawQuery[from:], "&")
		before := rawQuery[:from]
		from += len(part) + 1
		if part == "" {
			continue
		}
		key, value, err := pair(part)
		switch {
		case err != nil:
			return err
		case hasKey(before, key):
			return fmt.Errorf("query key %q is there twice: want it once", key)
		}
		if err := set(key, value); err != nil {
			return err
		}
	}
	return nil
}

// hasKey reports whether a query that was read already holds a key.
func hasKey(rawQuery, key string) bool {
	for rawQuery != "" {
		part, rest, _ := strings.Cut(rawQuery, "&")
		rawQuery = rest
		if k, _, _ := pair(part); part != "" && k == key {
			return true
		}
	}
	return false
}

// pair is key and value of a part of a query.
func pair(part string) (key, value string, err error) {
	key, value, _ = strings.Cut(part, "=")
	if key, err = decode(key); err == nil {
		value, err = decode(value)
	}
	return key, value, err
}

func decode(s string) (string, error) {
	if strings.IndexByte(s, ';') >= 0 {
		return "", fmt.Errorf("reading the query: %q: want & between keys", s)
	}
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s, nil
	}
	text, err := url.QueryUnescape(s)
	if err != nil {
		return "", fmt.Errorf("reading the query: %w", err)
	}
	return text, nil
}

func (q *question) set(key, value string) (err error) {
	switch key {
	case "version":
		q.pin.version, err = parseVersion(value)
	case "run":
		q.pin.run, err = parseRun(value)
	case "pending":
		q.pending, err = parsePending(value)
	case "wait":
		q.wait, err = parseWait(value)
	case "after":
		q.hasAfter = true
		q.after, err = parseAfter(value)
	case "on":
		q.onFail = true
		if value != "fail" {
			err = fmt.Errorf("query key \"on\": %q: want fail", value)
		}
	default:
		err = fmt.Errorf("unknown query key %q: want version, run, wait, after, pending or on", key)
	}
	return err
}

func parseAfter(value string) (uint64, error) {
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("query key \"after\": %q: want a whole number", value)
	}
	return n, nil
}

// parseVersion reads a version. A query writes a space as +, so that the + of a
// version arrives as a space: no version has one.
func parseVersion(value string) (string, error) {
	v := strings.ReplaceAll(value, " ", "+")
	if err := rules.CheckVersion(v); err != nil {
		return "", fmt.Errorf("query key %w", err)
	}
	return v, nil
}

// parseRun reads a run's id, PLAN@VERSION or PLAN@VERSION~TRY.
func parseRun(value string) (string, error) {
	id := strings.ReplaceAll(value, " ", "+")
	if err := checkRun(id); err != nil {
		return "", fmt.Errorf("query key %w", err)
	}
	return id, nil
}

func checkRun(id string) error {
	if planOf(id) == "" {
		return fmt.Errorf("run %q: want PLAN@VERSION or PLAN@VERSION~TRY", id)
	}
	return nil
}

// planOf is the plan in a run's id; empty where it is none.
func planOf(run string) string {
	plan, _, _, _ := rules.ParseRunID(run)
	return plan
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
