package banner

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/exporters/outbox"
	"github.com/relgate/relgate/exporters/wire"
)

// Notice is one message on the board.
type Notice struct {
	ID       string            `json:"id"`       // of the event: an app shows each once
	Severity string            `json:"severity"` // info, warning, critical
	StartsAt time.Time         `json:"startsAt"`
	EndsAt   time.Time         `json:"endsAt"` // it is shown before then
	Text     map[string]string `json:"text"`   // :: locale → what it says
	Version  string            `json:"version"`

	name string // of the communication
	run  string
}

// List is the answer to an app.
type List struct {
	APIVersion string   `json:"apiVersion"`
	Banners    []Notice `json:"banners"` // oldest first; empty where there is none
}

// Severities lists what a notice may be.
func Severities() []string { return []string{"info", "warning", "critical"} }

// Config is what a [Board] needs.
type Config struct {
	Name     string        // of the sink; required
	For      time.Duration // how long a notice is shown; a day if zero
	Severity string        // of its notices; "info" if empty
	Locale   string        // of a text that names none; "en" if empty
	External string        // where apps reach relgate, for the log; may be empty

	// Runs lists the runs of a plan, newest first; required.
	Runs func(ctx context.Context, plan string, limit int) ([]fact.RunRecord, error)
	// Events gives the events of a run before the n-th, in order; required.
	Events func(ctx context.Context, run string, n uint64, first bool) ([]wire.EventBody, error)

	Now func() time.Time // the plans' clock; time.Now if nil
	Log *slog.Logger     // slog.Default() if nil
}

// Board shows notices. It is a sink, and the handler of a path with {plan} in it.
type Board struct {
	config Config

	mu    sync.Mutex
	plans map[string][]Notice // :: plan → its notices, in order; those that were read from the journal
}

var locale = regexp.MustCompile(`^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$`)

// New makes the board.
func New(c Config) (*Board, error) {
	c.For, c.Severity, c.Locale = cmp.Or(c.For, 24*time.Hour), cmp.Or(c.Severity, "info"), cmp.Or(c.Locale, "en")
	c.External = strings.TrimSuffix(c.External, "/")
	var errs []error
	if c.Name == "" || c.Runs == nil || c.Events == nil {
		errs = append(errs, errors.New("a name and a journal are required"))
	}
	if c.For < time.Minute {
		errs = append(errs, fmt.Errorf("for %v: want at least 1m", c.For))
	}
	if !slices.Contains(Severities(), c.Severity) {
		errs = append(errs, fmt.Errorf("severity %q: want one of %q", c.Severity, Severities()))
	}
	if !locale.MatchString(c.Locale) {
		errs = append(errs, fmt.Errorf(`locale %q: want a language such as "en" or "pt-BR"`, c.Locale))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("banner %q: %w", c.Name, err)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Board{config: c, plans: map[string][]Notice{}}, nil
}

// Types lists the types of the events by which notices end before their time. The sink
// wants them beside the events that name it.
func Types() []string {
	return []string{"relgate.run.rolled_back", "relgate.run.failed", "relgate.run.superseded"}
}

// take goes on to the next event of a plan. It has a time.
func (b *Board) take(notices []Notice, e *wire.EventBody) []Notice {
	switch {
	case e.Kind == "communication" && e.To == "due" && e.Message != nil && e.Message.Sink == b.config.Name:
		// The next release's message takes the place of the last one's.
		notices = slices.DeleteFunc(slices.Clone(notices), func(n Notice) bool { return n.name == e.Message.Name })
		notices = append(notices, Notice{
			ID: e.ID, Severity: b.config.Severity, StartsAt: e.At.UTC(), EndsAt: e.At.UTC().Add(b.config.For),
			Text: Locales(e.Message.Text, b.config.Locale), Version: e.Version, name: e.Message.Name, run: e.Run,
		})
	case slices.Contains(Types(), e.Type):
		// What was announced does not come. What is said of that later is a notice too.
		notices = slices.Clone(notices)
		for i := range notices {
			if n := &notices[i]; n.run == e.Run && n.StartsAt.Before(*e.At) && n.EndsAt.After(*e.At) {
				n.EndsAt = e.At.UTC()
			}
		}
	}
	return notices
}

// mark begins a line of a text that has several languages: "[de] ".
var mark = regexp.MustCompile(`^\[([A-Za-z0-9-]+)\][ \t]+`)

// Locales reads a text. Lines that begin with "[de]" and those after them are in that
// language; what stands before the first such line is in the one that is given.
func Locales(text, otherwise string) map[string]string {
	out, now := map[string]string{}, otherwise
	for line := range strings.Lines(text) {
		if m := mark.FindStringSubmatch(line); m != nil && locale.MatchString(m[1]) {
			now, line = m[1], line[len(m[0]):]
		}
		out[now] += line
	}
	for k, v := range out {
		if out[k] = strings.TrimSpace(v); out[k] == "" {
			delete(out, k)
		}
	}
	return out
}

// mostRuns is how many of a plan's runs are read: a notice is older than that only if the
// runs are minutes long.
const mostRuns = 20

// notices are those of a plan. What the journal has is read once.
func (b *Board) noticesLocked(ctx context.Context, plan string) ([]Notice, error) {
	if notices, known := b.plans[plan]; known {
		return notices, nil
	}
	runs, err := b.config.Runs(ctx, plan, mostRuns)
	if err != nil {
		return nil, err
	}
	var all []wire.EventBody
	for _, r := range slices.Backward(runs) {
		events, err := b.config.Events(ctx, r.ID, math.MaxUint64, false)
		if err != nil {
			return nil, err
		}
		all = append(all, slices.DeleteFunc(events, func(e wire.EventBody) bool { return e.At == nil })...)
	}
	// Runs may overlap, as one does that is superseded.
	slices.SortStableFunc(all, func(x, y wire.EventBody) int { return x.At.Compare(*y.At) })
	var notices []Notice
	for i := range all {
		notices = b.take(notices, &all[i])
	}
	if len(runs) > 0 { // any name can be asked for
		b.plans[plan] = notices
	}
	return notices, nil
}

// Send puts a message on the board: it reads the journal again, which has the event. What was
// kept of it may be older, or newer where the message comes late.
func (b *Board) Send(ctx context.Context, m outbox.Message) outbox.Outcome {
	var e wire.EventBody
	if err := json.Unmarshal(m.Data, &e); err != nil || e.Plan == "" {
		return outbox.Outcome{OK: true, Skipped: true} // a board is no place for alarms
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.plans, e.Plan)
	notices, err := b.noticesLocked(ctx, e.Plan)
	if err != nil {
		return outbox.Outcome{Reason: "reading the journal: " + err.Error()}
	}
	if e.Message == nil {
		return outbox.Outcome{OK: true, Skipped: true}
	}
	if !slices.ContainsFunc(notices, func(n Notice) bool { return n.name == e.Message.Name }) {
		return outbox.Outcome{Refused: true, Reason: "the message is not one for this banner"}
	}
	return outbox.Outcome{OK: true, Kept: Path(b.config.External, e.Plan)}
}

// Path is where an app asks for the notices of a plan. The name of a plan is a slug.
func Path(external, plan string) string { return external + "/v1/plans/" + plan + "/banner.json" }

// maxAge is how long an app or a proxy may take an answer for the newest.
const maxAge = 30 * time.Second

// Handler answers apps. public says that everyone may see it: a proxy may keep it.
func (b *Board) Handler(public bool) http.Handler {
	scope := "private"
	if public {
		scope = "public"
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.serve(w, r, scope) })
}

// shown are the notices of a plan that have not ended, and when the next of them does.
func (b *Board) shown(ctx context.Context, plan string, now time.Time) (List, time.Duration, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	notices, err := b.noticesLocked(ctx, plan)
	list, next := List{APIVersion: wire.APIVersion, Banners: []Notice{}}, maxAge
	for _, n := range notices {
		if left := n.EndsAt.Sub(now); left > 0 {
			list.Banners = append(list.Banners, n)
			next = min(next, left)
		}
	}
	return list, next, err
}

func (b *Board) serve(w http.ResponseWriter, r *http.Request, scope string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("X-Content-Type-Options", "nosniff")
	list, next, err := b.shown(r.Context(), r.PathValue("plan"), b.config.Now())
	if err != nil {
		b.config.Log.Warn("a banner cannot be read", "plan", r.PathValue("plan"), "err", err)
		h.Set("Retry-After", "10")
		problem(w, http.StatusServiceUnavailable, "the journal cannot be read", "ask again in 10 seconds, and show what was there before")
		return
	}
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(list); err != nil {
		w.WriteHeader(http.StatusInternalServerError) // unreachable: it is texts and times
		return
	}
	text := wire.PlainJSON(body.Bytes())
	sum := sha256.Sum256(text)
	etag := fmt.Sprintf("\"%x\"", sum[:16])
	h.Set("ETag", etag)
	h.Set("Cache-Control", scope+", max-age="+strconv.Itoa(int(next/time.Second)))
	if scope == "private" {
		h.Set("Vary", "Authorization")
	}
	if matches(r.Header.Values("If-None-Match"), etag) {
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(text) // an app that is gone misses nothing
	}
}

// NotFound answers where the config has no banner.
func NotFound(w http.ResponseWriter, _ *http.Request) {
	problem(w, http.StatusNotFound, "no banner", "the config has no sink of type banner")
}

func problem(w http.ResponseWriter, status int, title, detail string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(wire.Problem{Type: "about:blank", Title: title, Status: status, Detail: detail})
}

// matches reports whether one of the tags in If-None-Match is the answer's, by the weak
// comparison that the header wants.
func matches(headers []string, etag string) bool {
	for _, h := range headers {
		for one := range strings.SplitSeq(h, ",") {
			if one = strings.TrimPrefix(strings.TrimSpace(one), "W/"); one == etag || one == "*" {
				return true
			}
		}
	}
	return false
}
