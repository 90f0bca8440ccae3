package otlp

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// The request of OTLP in its JSON form, as far as it is used: names in lower camel case, ids
// in hex, 64-bit integers as strings, enums as numbers.

type request struct {
	ResourceSpans []resourceSpans `json:"resourceSpans"`
}

type resourceSpans struct {
	Resource   resource     `json:"resource"`
	ScopeSpans []scopeSpans `json:"scopeSpans"`
}

type resource struct {
	Attributes []attribute `json:"attributes"`
}

type scopeSpans struct {
	Scope scope  `json:"scope"`
	Spans []span `json:"spans"`
}

type scope struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

type span struct {
	TraceID       string      `json:"traceId"`
	SpanID        string      `json:"spanId"`
	ParentSpanID  string      `json:"parentSpanId,omitempty"`
	Name          string      `json:"name"`
	Kind          int         `json:"kind"`
	Start         nanos       `json:"startTimeUnixNano"`
	End           nanos       `json:"endTimeUnixNano"`
	Attributes    []attribute `json:"attributes"`
	Events        []spanEvent `json:"events,omitempty"`
	DroppedEvents uint32      `json:"droppedEventsCount,omitempty"`
	Status        status      `json:"status"`
}

type spanEvent struct {
	Time       nanos       `json:"timeUnixNano"`
	Name       string      `json:"name"`
	Attributes []attribute `json:"attributes"`
}

type status struct {
	Message string `json:"message,omitempty"`
	Code    int    `json:"code,omitempty"`
}

const (
	kindInternal = 1
	codeOK       = 1
	codeError    = 2
)

type attribute struct {
	Key   string `json:"key"`
	Value value  `json:"value"`
}

type value struct {
	String *string `json:"stringValue,omitempty"`
	Int    *string `json:"intValue,omitempty"`
}

// longest is how many bytes of a text are sent.
const longest = 1024

func text(key, t string) attribute {
	t = strings.ToValidUTF8(t, "\ufffd")
	if len(t) > longest {
		t = t[:longest-len("…")]
		for !utf8.ValidString(t) {
			t = t[:len(t)-1]
		}
		t += "…"
	}
	return attribute{key, value{String: &t}}
}

func number(key string, n uint64) attribute {
	return attribute{key, value{Int: new(strconv.FormatUint(n, 10))}}
}

// nanos is nanoseconds since 1970, as a string. A time before that is 0: it is not known.
type nanos string

func at(t time.Time) nanos { return nanos(strconv.FormatInt(max(0, t.UnixNano()), 10)) }

// id is the first bytes of a digest, in hex.
func id(bytes int, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:bytes])
}

func traceID(run string) string { return id(16, "relgate trace", run) }

func spanID(run, what string) string { return id(8, "relgate span", run, what) }
