package statuspage

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/wire"
)

// API is where Statuspage is.
const API = "https://api.statuspage.io/v1"

// Config is what a [Sink] needs.
type Config struct {
	Endpoint    string        // its name; required
	Net         *webhook.Sink // that reaches URL; required
	URL         string        // below which the API is; API if empty
	Token       string        // the API key of a person; required, and never shown
	Page        string        // id of the page; required
	Components  string        // for messages that name none, as a target has them; may be empty
	Maintenance bool          // a run is a scheduled maintenance; else an incident
	Window      time.Duration // of a maintenance, from T on; two hours if zero
	External    string        // where people reach relgate, without a slash at its end; may be empty
	Memory      outbox.Memory // required
	// Start gives T of a run, for a maintenance; nil or zero: when the message was due.
	Start   func(ctx context.Context, run string) (time.Time, error)
	Timeout time.Duration // for one attempt, which may take several requests; a minute if zero
	Now     func() time.Time
}

// Sink is the sink. It makes one request at a time, whatever is sent.
type Sink struct {
	config  Config
	targets []Component // of Config.Components

	turn chan struct{} // held by who makes requests; guards what follows

	next       time.Time         // before which no request is made
	components map[string]string // :: name or id, in lower case → id
}

// New makes the sink. The error says what is wrong with the components.
func New(c Config) (*Sink, error) {
	t, err := ParseTarget(c.Components)
	if err != nil || t.Status != "" {
		return nil, fmt.Errorf("statuspage %q: components: want names of components, each with a state behind = or without", c.Endpoint)
	}
	if c.URL = strings.TrimSuffix(c.URL, "/"); c.URL == "" {
		c.URL = API
	}
	if c.Window == 0 {
		c.Window = 2 * time.Hour
	}
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Sink{config: c, targets: t.Components, turn: make(chan struct{}, 1), components: map[string]string{}}, nil
}

// CloseIdleConnections frees the connections that carry no request.
func (s *Sink) CloseIdleConnections() { s.config.Net.CloseIdleConnections() }

// told is a message on its way.
type told struct {
	outbox.Message
	wire.EventBody
	note   wire.Note
	target Target
}

// Send makes one attempt.
func (s *Sink) Send(ctx context.Context, m outbox.Message) outbox.Outcome {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	t := told{Message: m}
	if err := json.Unmarshal(m.Data, &t.EventBody); err != nil || t.Run == "" {
		return outbox.Outcome{Refused: true, Reason: "the event cannot be read, or is of no run"}
	}
	if t.EventBody.Message == nil {
		return outbox.Outcome{OK: true, Skipped: true}
	}
	site := wire.Site{Base: s.config.External}
	t.note = site.Note(&t.EventBody)
	var err error
	if t.target, err = ParseTarget(t.EventBody.Message.Target); err != nil {
		return outbox.Outcome{Refused: true, Reason: "its target: " + err.Error()}
	}
	if t.target.Components == nil {
		t.target.Components = s.targets
	}
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return outbox.Outcome{Reason: "stopped while waiting for another request"}
	}
	return s.send(ctx, &t)
}

// late is for how long a request whose answer was lost may still be carried out.
const late = time.Minute

// send brings a message to the page unless it is there: a new incident, or an update of the
// run's.
func (s *Sink) send(ctx context.Context, t *told) outbox.Outcome {
	var id, mark, incident, events string
	for _, k := range []struct {
		into *string
		key  string
	}{{&id, t.ID()}, {&mark, t.ID() + "/sending"}, {&incident, t.incidentKey()}, {&events, t.incidentKey() + "/events"}} {
		var err error
		if *k.into, err = s.config.Memory.Kept(ctx, s.config.Endpoint, k.key); err != nil {
			return outbox.Outcome{Reason: "reading whether this was sent, and which incident the run has: " + err.Error()}
		}
	}
	if id != "" {
		return outbox.Outcome{OK: true, Kept: "incident " + id}
	}
	var there *answered // nil: the run has none
	if incident != "" {
		there = &answered{ID: incident, Metadata: metadata{known{Events: events}}}
	}
	var f *failure
	if mark != "" {
		there, f = s.find(ctx, t, there, mark)
		switch {
		case f != nil:
			f.Doubt, f.Refused = true, false
			f.Reason = "it is not known whether this arrived: " + f.Reason
			return f.Outcome
		case there != nil && there.tells(t.ID()):
			return s.done(ctx, t, there)
		}
	}
	now, f := s.write(ctx, t, there)
	if f != nil && f.status == http.StatusNotFound && there != nil {
		// A person has removed the incident. Another message may have made one in its place.
		if there, f = s.search(ctx, t); f == nil {
			now, f = s.write(ctx, t, there)
		} else {
			f.Doubt = false // nothing was sent
		}
	}
	if f != nil {
		if !f.Doubt {
			s.keep(ctx, t.ID()+"/sending", "") // it is certain that nothing arrived; else it is looked for
		}
		return f.Outcome
	}
	return s.done(ctx, t, now)
}

// ID is the id of the message.
func (t *told) ID() string { return t.Message.ID }

// incidentKey is the key under which the incident of a run is kept.
func (t *told) incidentKey() string { return t.Run + "/incident" }

// find looks for the run's incident, after an attempt of which it is not known what became:
// the one that is kept, and where a person has removed that, the one in its place. It gives
// nil where there is none, and a failure where that cannot be known now.
func (s *Sink) find(ctx context.Context, t *told, kept *answered, mark string) (there *answered, f *failure) {
	if kept != nil {
		there = new(answered)
		if f = s.call(ctx, t.Order, http.MethodGet, "/incidents/"+url.PathEscape(kept.ID), nil, there); f != nil && f.status == http.StatusNotFound {
			kept, f = nil, nil
		}
	}
	if kept == nil {
		there, f = s.search(ctx, t)
	}
	if f != nil || there != nil && there.tells(t.ID()) {
		return there, f
	}
	began, err := time.Parse(time.RFC3339, mark)
	if wait := late - s.config.Now().Sub(began); err == nil && wait > 0 {
		return nil, &failure{Outcome: outbox.Outcome{RetryAfter: min(wait, late), Reason: "it may still arrive"}}
	}
	return there, nil
}

// keptEvents is how many events an incident's metadata has at most.
const keptEvents = 20

// write updates the run's incident, or makes one where it has none.
func (s *Sink) write(ctx context.Context, t *told, old *answered) (*answered, *failure) {
	in := incident{Status: t.target.Status, Body: wire.Cut(either(t.note.Text, t.note.Title), 20_000), Metadata: metadata{known{Run: t.Run}}}
	for _, c := range t.target.Components {
		component, f := s.component(ctx, t.Order, c.Name)
		if f != nil {
			return nil, f
		}
		if c.State == "" {
			in.ComponentIDs = append(in.ComponentIDs, component)
			continue
		}
		if in.Components == nil {
			in.Components = map[string]string{}
		}
		in.Components[component], in.ComponentIDs = c.State, append(in.ComponentIDs, component)
	}
	events := []string{t.ID()}
	method, path := http.MethodPost, "/incidents"
	if old != nil {
		events = append(strings.Fields(old.Metadata.Relgate.Events), t.ID())
		events = events[max(len(events)-keptEvents, 0):]
		method, path = http.MethodPatch, "/incidents/"+url.PathEscape(old.ID)
	} else if f := s.open(ctx, t, &in); f != nil {
		return nil, f
	}
	in.Metadata.Relgate.Events = strings.Join(events, " ")
	if err := s.config.Memory.Keep(ctx, s.config.Endpoint, t.ID()+"/sending", s.config.Now().UTC().Format(time.RFC3339)); err != nil {
		return nil, failed("keeping that this is sent: " + err.Error())
	}
	there := new(answered)
	if f := s.call(ctx, t.Order, method, path, request{in}, there); f != nil {
		return nil, f
	}
	if !componentID.MatchString(there.ID) {
		return nil, &failure{Outcome: outbox.Outcome{Doubt: true, Reason: "Statuspage did not say which incident it is"}}
	}
	there.Metadata = in.Metadata
	return there, nil
}

// open fills in what a new incident has.
func (s *Sink) open(ctx context.Context, t *told, in *incident) *failure {
	in.Name = wire.Cut(t.note.Title, 200)
	maintenance := s.config.Maintenance
	if in.Status != "" {
		maintenance = slices.Contains(maintenanceStatuses, in.Status)
	}
	if !maintenance {
		in.Status, in.ImpactOverride = either(in.Status, "monitoring"), "none"
		return nil
	}
	start := t.Message.At
	if s.config.Start != nil {
		at, err := s.config.Start(ctx, t.Run)
		if err != nil {
			return failed("reading when the release begins: " + err.Error())
		}
		if !at.IsZero() {
			start = at
		}
	}
	start = start.UTC().Truncate(time.Second)
	until := start.Add(s.config.Window)
	in.ScheduledFor, in.ScheduledUntil = &start, &until
	if in.Status == "" {
		in.Status = "in_progress"
		if t.Message.At.Before(start) {
			in.Status = "scheduled"
		}
	}
	return nil
}

// done keeps what incident a run has, and that it tells of a message.
func (s *Sink) done(ctx context.Context, t *told, there *answered) outbox.Outcome {
	for _, k := range [][2]string{{t.incidentKey(), there.ID}, {t.incidentKey() + "/events", there.Metadata.Relgate.Events}, {t.ID(), there.ID}} {
		if err := s.keep(ctx, k[0], k[1]); err != nil {
			return outbox.Outcome{Reason: "it was sent, but where it is cannot be kept: " + err.Error()}
		}
	}
	kept := "incident " + there.ID
	if shortlink.MatchString(there.Link) {
		kept += " " + there.Link
	}
	return outbox.Outcome{OK: true, Kept: kept}
}

var shortlink = regexp.MustCompile(`^https?://[A-Za-z0-9./_-]{1,100}$`)

// keep remembers a value, also when the attempt is over.
func (s *Sink) keep(ctx context.Context, key, value string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return s.config.Memory.Keep(ctx, s.config.Endpoint, key, value)
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
