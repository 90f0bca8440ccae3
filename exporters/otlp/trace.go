package otlp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

// mostEvents is how many events a span carries, as OpenTelemetry's libraries have it.
const mostEvents = 128

// ends are the states in which a run or a phase is over.
var ends = []string{"passed", "failed", "rolled_back", "superseded"}

// Types lists the types of events with which a trace is sent.
func Types() []string {
	types := make([]string, len(ends))
	for i, to := range ends {
		types[i] = "relgate.run." + to
	}
	return types
}

// Format writes the trace of a run when it ends. The version is relgate's own.
func Format(version string) format.Format {
	return format.Format{
		WebhookFormat: rules.WebhookFormat{Name: "otlp"},
		Needs:         format.NeedsRun,
		Open: func(to format.Endpoint) format.Maker {
			return func(f format.Facts) (*format.Call, error) {
				if f.Stuck != nil || !isEnd(&f.Event, "run") || f.Event.At == nil {
					return nil, nil
				}
				body, err := json.Marshal(trace(version, to.External, &f))
				if err != nil {
					return nil, err // unreachable: it is made of what JSON has
				}
				return &format.Call{URL: to.URL, Body: body, Read: read}, nil
			}
		},
	}
}

// Address is where traces are posted, of an endpoint as OpenTelemetry writes it: the address
// below which /v1/traces is, or that itself.
func Address(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || strings.HasSuffix(u.Path, "/v1/traces") {
		return endpoint
	}
	return u.JoinPath("v1", "traces").String()
}

// read says what an answer means. Spans that were not taken would not be taken again.
func read(a format.Answer) format.Reply {
	if a.Status/100 != 2 {
		return format.Reply{Refused: slices.Contains([]int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}, a.Status)}
	}
	var said struct {
		PartialSuccess struct {
			RejectedSpans json.Number `json:"rejectedSpans"`
		} `json:"partialSuccess"`
	}
	// A receiver that answers in another form than JSON has taken them all the same.
	_ = json.Unmarshal(a.Body, &said)
	if n, err := said.PartialSuccess.RejectedSpans.Int64(); err == nil && n > 0 {
		return format.Reply{Done: true, Kept: fmt.Sprintf("%d of its spans were not taken", n)}
	}
	return format.Reply{Done: true}
}

// isEnd reports whether an event ends a run or a phase.
func isEnd(e *wire.EventBody, kind string) bool {
	return e.Kind == kind && slices.Contains(ends, e.To)
}

// writer makes the spans of what came between two ends of a run.
type writer struct {
	run    string // of the events' ids: of this run in this journal and no other
	root   span
	phases []span // in the order in which they began
	of     map[string]int
}

// trace is the request that an end of a run is told by.
func trace(version, external string, f *format.Facts) request {
	all := append(slices.Clone(f.Earlier), f.Event)
	for _, e := range f.Later { // of the same tick: what an end means for the phases
		if e.At != nil && e.At.Equal(*f.Event.At) {
			all = append(all, e)
		}
	}
	w := &writer{run: f.Event.ID[:max(0, strings.LastIndexByte(f.Event.ID, '/'))], of: map[string]int{}}
	before, since := lastEnd(f.Earlier, all)
	w.begin(all, external, f, before)
	for i := range all {
		if e := &all[i]; e.At != nil {
			if e.N > since {
				w.phase(e)
				w.note(e)
			}
		}
	}
	spans := []span{w.root}
	for _, p := range w.phases {
		if p.End == "" {
			p.End, p.Status = w.root.End, w.root.Status
			p.Attributes = append(p.Attributes, text("relgate.state", "open"))
		}
		spans = append(spans, p)
	}
	return request{[]resourceSpans{{
		Resource:   resource{[]attribute{text("service.name", "relgate"), text("service.version", version)}},
		ScopeSpans: []scopeSpans{{Scope: scope{Name: "relgate", Version: version}, Spans: spans}},
	}}}
}

// lastEnd is the newest end of the run before the event, and the number of the last event of
// its tick: up to there all was sent. It is nil and 0 where there is none.
func lastEnd(earlier, all []wire.EventBody) (end *wire.EventBody, until uint64) {
	for i := range earlier {
		if e := &earlier[i]; isEnd(e, "run") && e.At != nil {
			end = e
		}
	}
	if end == nil {
		return nil, 0
	}
	for i := range all {
		if e := &all[i]; e.At != nil && e.At.Equal(*end.At) {
			until = max(until, e.N)
		}
	}
	return end, until
}

// begin makes the span of the run; after an end before, one below it for what came since.
func (w *writer) begin(all []wire.EventBody, external string, f *format.Facts, before *wire.EventBody) {
	e := &f.Event
	from := *e.At
	for i := range all {
		if t := all[i].At; t != nil && t.Before(from) {
			from = *t
		}
	}
	w.root = span{
		TraceID: traceID(w.run), SpanID: spanID(w.run, "run"), Name: "release " + e.Plan + " " + e.Version, Kind: kindInternal, Start: at(from), End: at(*e.At), Status: statusOf(e),
		Attributes: []attribute{text("relgate.plan", e.Plan), text("relgate.version", e.Version), text("relgate.run", e.Run), text("relgate.state", e.To)},
	}
	if before != nil {
		w.root.SpanID, w.root.ParentSpanID = spanID(w.run, fmt.Sprint("since ", e.N)), w.root.SpanID
		w.root.Name, w.root.Start = "after "+before.To, at(*before.At)
	}
	if external != "" {
		w.root.Attributes = append(w.root.Attributes, text("url.full", (&wire.Site{Base: external}).Link("v1", "runs", e.Run)))
	}
}

// statusOf is how a span ended: with an error where the release did not go on.
func statusOf(e *wire.EventBody) status {
	switch e.To {
	case "passed":
		return status{Code: codeOK}
	case "failed", "rolled_back":
		return status{Code: codeError, Message: *text("", e.Headline).Value.String}
	}
	return status{}
}

// phase begins and ends the spans of phases. The last end of the run closed those that were
// open: what is seen to end here without a beginning went on since then.
func (w *writer) phase(e *wire.EventBody) {
	if e.Kind != "phase" {
		return
	}
	watched := func(state string) bool { return state == "monitoring" || state == "held" }
	i, there := w.of[e.Subject]
	if open := there && w.phases[i].End == ""; !open && (watched(e.To) || isEnd(e, "phase") && watched(e.From)) {
		began := at(*e.At)
		if watched(e.From) {
			began = w.root.Start
		}
		i = len(w.phases)
		w.of[e.Subject], w.phases = i, append(w.phases, w.open(e, began))
	} else if !open {
		return
	}
	if isEnd(e, "phase") {
		w.phases[i].close(e)
	}
}

func (w *writer) open(e *wire.EventBody, began nanos) span {
	return span{
		TraceID: w.root.TraceID, SpanID: spanID(w.run, fmt.Sprint("phase ", e.N)), ParentSpanID: w.root.SpanID, Name: "phase " + e.Subject, Kind: kindInternal, Start: began,
		Attributes: []attribute{text("relgate.plan", e.Plan), text("relgate.version", e.Version), text("relgate.run", e.Run), text("relgate.phase", e.Subject)},
	}
}

func (s *span) close(e *wire.EventBody) {
	s.End, s.Status = at(*e.At), statusOf(e)
	s.Attributes = append(s.Attributes, text("relgate.state", e.To))
}

// note puts what people want to see on the span that it is about: a verdict on its phase's,
// the rest on the run's.
func (w *writer) note(e *wire.EventBody) {
	shown := map[string][]string{
		"verdict": {"pass", "fail", "rollback", "unknown"},
		"run":     {"monitoring", "held", "passed", "failed", "rolled_back", "superseded"},
		"rule":    {"warning", "holding", "fired", "would_hold", "would_fire"},
		"command": {"applied", "refused"},
		"plan":    {"edited", "judged_anew", "late"},
	}
	if !slices.Contains(shown[e.Kind], e.To) {
		return
	}
	on := &w.root
	if i, ok := w.of[e.Subject]; ok && e.Kind == "verdict" {
		on = &w.phases[i]
	}
	if len(on.Events) >= mostEvents {
		on.DroppedEvents++
		return
	}
	noted := spanEvent{Time: at(*e.At), Name: e.Type, Attributes: []attribute{text("relgate.event.id", e.ID), number("relgate.event.n", e.N), text("relgate.severity", e.Severity), text("relgate.headline", e.Headline)}}
	for key, v := range map[string]string{"relgate.subject": e.Subject, "relgate.principal": e.Principal, "relgate.because": e.Because} {
		if v != "" {
			noted.Attributes = append(noted.Attributes, text(key, v))
		}
	}
	slices.SortFunc(noted.Attributes, func(a, b attribute) int { return strings.Compare(a.Key, b.Key) })
	on.Events = append(on.Events, noted)
}
