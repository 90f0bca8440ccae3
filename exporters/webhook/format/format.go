package format

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// Format is one form in which events are sent.
type Format struct {
	rules.WebhookFormat
	Needs Need
	// Open makes what writes the events of an endpoint; nil for the standard format,
	// which package webhook writes itself.
	Open func(Endpoint) Maker
	// Dry makes the call that shows whether the receiver would take what asks for something,
	// and starts nothing; nil where no call can show that.
	Dry func(Endpoint) *Call
}

// Need is what a format must know of a run besides the event.
type Need int

const (
	NeedsNothing   Need = iota
	NeedsBeginning      // the event that began the run
	NeedsHistory        // every event before it
	NeedsRun            // and those after it that there are by now: its calls may differ between attempts
)

// Endpoint is what a format is told of where it sends to. A config has checked it.
type Endpoint struct {
	Name     string            // of the webhook
	URL      string            // where it goes
	External string            // where people reach relgate, without a slash at its end; may be empty
	Secrets  map[string]string // :: key → secret
	rules.FormatKeys
}

// at is a path below the endpoint's URL.
func (e Endpoint) at(path string) string { return strings.TrimSuffix(e.URL, "/") + path }

// Maker makes the first call of an event. It is nil where the format has nothing to say
// of it; an error is a failed attempt, whose text is shown to people.
type Maker func(Facts) (*Call, error)

// Facts are what a call is made from.
type Facts struct {
	ID       string // the message's: the same on every attempt
	Type     string // "relgate.run.rolled_back"
	Event    wire.EventBody
	Earlier  []wire.EventBody // of the run, in order, as far as the format needs them
	Later    []wire.EventBody // of the run, in order, as far as the format needs them
	Repeated bool             // it may have arrived before, and the receiver cannot tell
	Stuck    *Stuck           // the message says that an endpoint does not take Event; nil: it is about Event itself
}

// Stuck is that an endpoint does not take an event.
type Stuck struct {
	Endpoint string
	Attempts int // failed ones
	Reason   string
}

// Call is one request, and how its answer is read.
type Call struct {
	Method string            // POST if empty
	URL    string            // on the endpoint's host
	Header map[string]string // besides Content-Type, which is application/json where it is left out
	Body   []byte
	AWS    *AWS // it is signed for a service of AWS

	// Read says what an answer means; nil: 2xx is done, and other answers are what they
	// are to every webhook.
	Read func(Answer) Reply
	// Unsure is how long to wait before the next attempt when no answer came, or one that says
	// nothing of what was done, or may have been lost with a process that was killed: what was
	// asked for may have been done, and shows by then.
	Unsure time.Duration
}

// AWS names a service whose requests are signed.
type AWS struct{ Service, Region string }

// Answer is what came back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // its first 4 MiB
}

// Reply is what an answer means. Its zero value: try again.
type Reply struct {
	Done       bool
	Certain    bool          // of a failure: nothing was done, whatever the status says
	Refused    bool          // the same request would be refused again
	Reason     string        // of a failure; empty: the status says it. It quotes no answer, which may repeat a secret
	RetryAfter time.Duration // beside what the answer's header says
	Kept       string        // of the answer, for people: what was started, plain text of one line
	Next       *Call         // what to ask next, before anything is known
}

// ok reports a status of success.
func (a Answer) ok() bool { return a.Status/100 == 2 }

// final is the reply to an answer that is no success.
func (a Answer) final() Reply { return Reply{Refused: Refused(a.Status)} }

// Refused reports whether the same request would get the same answer again: a status
// is about the request, and not about the moment.
func Refused(status int) bool {
	switch status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return status/100 == 4
}

// HeaderText writes text as CloudEvents' HTTP binding wants it in a header:
// what is not plain ASCII in per cent.
func HeaderText(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || c == '"' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// encode is the JSON of a body, in plain text throughout.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	if err := json.NewEncoder(&b).Encode(v); err != nil {
		return nil, err
	}
	return wire.PlainJSON(b.Bytes()), nil
}

// None is no format: what a sink sends is made elsewhere.
func None() Format {
	return Format{WebhookFormat: rules.WebhookFormat{Name: "none"}, Open: func(Endpoint) Maker {
		return func(Facts) (*Call, error) { return nil, nil }
	}}
}

// All lists the formats by name. The first is the default.
func All() []Format {
	return []Format{standard, alertmanager, cdevents, githubWorkflow, githubDispatch, gitlab, azure, codepipeline, eventbridge, pagerduty, teams, templated}
}

// Base is where a format's calls go if the config does not say; empty where it must.
func (f Format) Base(own rules.FormatKeys) string {
	return strings.ReplaceAll(f.URL, "{region}", own.Texts["region"])
}

// Named is a format by its name, the default if that is empty.
func Named(name string) (Format, bool) {
	for _, f := range All() {
		if f.Name == name || name == "" {
			return f, true
		}
	}
	return Format{}, false
}

// Specs are what a config knows of the formats.
func Specs() []rules.WebhookFormat {
	var list []rules.WebhookFormat
	for _, f := range All() {
		list = append(list, f.WebhookFormat)
	}
	return list
}
