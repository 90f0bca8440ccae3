package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/relgate/relgate/exporters/webhook"
	"github.com/relgate/relgate/exporters/webhook/format"
	"github.com/relgate/relgate/exporters/wire"
)

// How long what is posted counts, and how it is repeated.
const (
	missed      = 4                // so many repetitions may be lost before what is judged is taken for resolved
	decidedFor  = time.Hour        // a decision stays longer: no reading can end it
	keptFor     = 15 * time.Minute // what is resolved is posted for so long
	tryAgain    = 5 * time.Second  // after a failure
	largestPost = 200              // alerts in one request
)

// Run is what alerts are made from: a run's events, as far as they are new.
type Run struct {
	ID     string
	Events func(ctx context.Context, after uint64) ([]wire.EventBody, error) // in order
	Ended  time.Time                                                         // when another run took its place and no event says so; zero: not
}

// Config is what a [Pusher] needs.
type Config struct {
	Name    string            // of `[alertmanager.NAME]`; in the log
	Address string            // what the instance is called in the log and the metrics; it holds no secret
	URL     string            // of the instance, below which /api/v2/alerts is
	Labels  map[string]string // of every alert, beside its own
	Resend  time.Duration     // between two posts of the same; a minute if zero
	// Runs lists the runs whose alerts are posted.
	Runs func(context.Context) ([]Run, error)
	// Changed is closed when there may be new events.
	Changed func() <-chan struct{}

	Link  func(run string) string                // where people see a run; empty: nowhere
	Sink  *webhook.Sink                          // that reaches the instance
	Now   func() time.Time                       // time.Now if nil
	After func(d time.Duration) <-chan time.Time // time.After if nil
	Log   *slog.Logger                           // slog.Default() if nil
}

// Pusher posts alerts to one instance.
type Pusher struct {
	config  Config
	runs    map[string]*format.RunAlerts // :: run → its alerts
	began   time.Time                    // what fired before was posted by another
	shown   map[string]time.Time         // :: fingerprint and start → when it was first posted as firing
	refused map[string]bool              // :: what was posted → the instance takes it never
	due     time.Time                    // when the next that was resolved may be posted as such; zero: none waits
	posted  string                       // what the newest post held, without times that move
	said    string                       // the reason that the log was last told

	mu     sync.Mutex
	counts Stats
}

// Stats is what became of the posts to an instance. Counters start at zero with the Pusher
// and only grow.
type Stats struct {
	Name, Address string
	Attempts      uint64    // requests made
	Failures      uint64    // of those, without an answer of 2xx
	Refused       uint64    // alerts that it refused by themselves with 400
	LastSuccess   time.Time // when it last answered 2xx; zero before the first
	Behind        time.Time // since when it has not taken all that it should have; zero when it has
}

// Stats is safe to call at any time.
func (p *Pusher) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

// count changes the stats.
func (p *Pusher) count(do func(s *Stats)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do(&p.counts)
}

// New makes a Pusher; nothing runs yet.
func New(c Config) *Pusher {
	if c.Resend == 0 {
		c.Resend = time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.After == nil {
		c.After = time.After
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Log = c.Log.With("alertmanager", c.Name, "address", c.Address)
	return &Pusher{config: c, counts: Stats{Name: c.Name, Address: c.Address}, began: c.Now().UTC(), runs: map[string]*format.RunAlerts{}, shown: map[string]time.Time{}, refused: map[string]bool{}}
}

// Run posts until ctx is done. Whatever the instance does is no error.
func (p *Pusher) Run(ctx context.Context) error {
	var next time.Time
	for ctx.Err() == nil {
		changed := p.config.Changed()
		now := p.config.Now().UTC()
		list, err := p.alerts(ctx, now)
		if err != nil {
			p.say(ctx, slog.LevelError, "alerts cannot be read", err.Error())
		}
		if err == nil && (!now.Before(next) || contents(list) != p.posted) {
			next = now.Add(p.config.Resend)
			taken := p.post(ctx, list)
			if !taken {
				next = now.Add(min(tryAgain, p.config.Resend))
			}
			p.behind(now, !taken || len(p.refused) > 0)
		}
		wait := next.Sub(p.config.Now())
		if !p.due.IsZero() {
			wait = min(wait, p.due.Sub(p.config.Now()))
		}
		select {
		case <-changed:
		case <-p.config.After(max(wait, time.Second)):
		case <-ctx.Done():
		}
	}
	return nil
}

// behind notes whether the instance lacks an alert now: it is away, or refuses one.
func (p *Pusher) behind(now time.Time, lacks bool) {
	p.count(func(s *Stats) {
		switch {
		case !lacks:
			s.Behind = time.Time{}
		case s.Behind.IsZero():
			s.Behind = now
		}
	})
}

// posting is an alert as API v2 takes it.
type posting struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`

	resolved bool
}

// key is what an alert is known by while it lasts.
func (a *posting) key() string {
	return format.Fingerprint(a.Labels) + " " + a.StartsAt.Format(time.RFC3339Nano)
}

// content is what is posted of an alert, without an end that moves.
func (a *posting) content() string {
	text, err := json.Marshal(a.Annotations)
	if err != nil {
		return "" // unreachable: they are texts
	}
	end := ""
	if a.resolved {
		end = a.EndsAt.Format(time.RFC3339Nano)
	}
	return a.key() + " " + end + " " + string(text)
}

func contents(list []posting) string {
	var all []string
	for i := range list {
		all = append(all, list[i].content())
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// alerts are what is to be posted now, what fires first.
func (p *Pusher) alerts(ctx context.Context, now time.Time) ([]posting, error) {
	runs, err := p.config.Runs(ctx)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	p.due = time.Time{}
	var list []posting
	for _, r := range runs {
		known[r.ID] = true
		of := p.runs[r.ID]
		if of == nil {
			of = &format.RunAlerts{}
			p.runs[r.ID] = of
		}
		events, err := r.Events(ctx, of.N())
		if err != nil {
			return nil, fmt.Errorf("reading the events of run %q: %w", r.ID, err)
		}
		for i := range events {
			of.Take(&events[i])
		}
		if !r.Ended.IsZero() {
			of.End(r.Ended)
		}
		for _, a := range of.Alerts(now.Add(-keptFor)) {
			list = append(list, p.posting(r.ID, a, now))
		}
	}
	maps.DeleteFunc(p.runs, func(run string, _ *format.RunAlerts) bool { return !known[run] })
	p.forget(list)
	list = slices.DeleteFunc(list, func(a posting) bool { return p.refused[a.content()] || !p.valid(ctx, &a) })
	slices.SortStableFunc(list, func(a, b posting) int { return order(a.resolved) - order(b.resolved) })
	return list, nil
}

func order(resolved bool) int {
	if resolved {
		return 1
	}
	return 0
}

// posting is an alert with its end. One that was resolved before it was posted is posted
// as firing until the next repetition: Alertmanager tells people of none that it first
// hears of when it is over.
func (p *Pusher) posting(run string, a format.Alert, now time.Time) posting {
	out := posting{Labels: a.Labels, Annotations: a.Annotations, StartsAt: a.StartsAt, EndsAt: a.EndsAt, resolved: !a.EndsAt.IsZero()}
	maps.Copy(out.Labels, p.config.Labels)
	if p.config.Link != nil {
		out.GeneratorURL = p.config.Link(run)
	}
	if first, shown := p.shown[out.key()]; out.resolved && (shown && now.Before(first.Add(p.config.Resend)) || !shown && !a.StartsAt.Before(p.began)) {
		out.resolved = false
		if due := first.Add(p.config.Resend); shown && (p.due.IsZero() || due.Before(p.due)) {
			p.due = due
		}
	}
	if !out.resolved {
		out.EndsAt = now.Add(missed * p.config.Resend)
		if a.Decided {
			out.EndsAt = now.Add(decidedFor)
		}
	}
	return out
}

// forget drops what was kept of alerts that are posted no more.
func (p *Pusher) forget(list []posting) {
	keys, contents := map[string]bool{}, map[string]bool{}
	for i := range list {
		keys[list[i].key()], contents[list[i].content()] = true, true
	}
	maps.DeleteFunc(p.shown, func(key string, _ time.Time) bool { return !keys[key] })
	maps.DeleteFunc(p.refused, func(content string, _ bool) bool { return !contents[content] })
}

var labelName = regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]*$`)

// valid reports whether Alertmanager takes an alert: it takes the others of a request in
// which it refuses one, and says of none which it was.
func (p *Pusher) valid(ctx context.Context, a *posting) bool {
	for _, set := range []map[string]string{a.Labels, a.Annotations} {
		for name := range set {
			if !labelName.MatchString(name) {
				p.say(ctx, slog.LevelError, "an alert cannot be posted", fmt.Sprintf("%s: label %q is no name", a.Labels["alertname"], name))
				return false
			}
		}
	}
	return true
}

// post posts a list and reports whether the instance has it.
func (p *Pusher) post(ctx context.Context, list []posting) bool {
	for part := range slices.Chunk(list, largestPost) {
		status, err := p.send(ctx, part)
		if status == 400 {
			err = p.each(ctx, part)
		}
		if err != nil {
			if ctx.Err() == nil {
				p.say(ctx, slog.LevelWarn, "alerts are not posted, and will be posted again", err.Error())
			}
			return false
		}
	}
	p.posted = contents(list)
	for i := range list {
		if _, shown := p.shown[list[i].key()]; !shown && !list[i].resolved {
			p.shown[list[i].key()] = p.config.Now().UTC()
		}
	}
	if p.said != "" {
		p.said = ""
		p.config.Log.Info("alerts are posted again")
	}
	return true
}

// each posts alerts one by one, to find the one that the instance refuses: that one is
// named, and not posted again.
func (p *Pusher) each(ctx context.Context, list []posting) error {
	for i := range list {
		status, err := p.send(ctx, list[i:i+1])
		if status == 400 {
			p.refused[list[i].content()] = true
			p.count(func(s *Stats) { s.Refused++ })
			p.config.Log.Error("Alertmanager refuses an alert: it is not posted again", "alert", list[i].Labels["alertname"], "run", list[i].Labels["run"], "rule", list[i].Labels["rule"])
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// send makes one request. The status is 0 where there was no answer.
func (p *Pusher) send(ctx context.Context, list []posting) (status int, err error) {
	var body bytes.Buffer
	if err := json.NewEncoder(&body).Encode(list); err != nil {
		return 0, err // unreachable: it is texts and times
	}
	o := p.config.Sink.Do(ctx, false, &format.Call{
		URL: strings.TrimSuffix(p.config.URL, "/") + "/api/v2/alerts", Body: body.Bytes(),
		Read: func(a format.Answer) format.Reply {
			status = a.Status
			return format.Reply{Done: a.Status/100 == 2}
		},
	})
	p.count(func(s *Stats) {
		s.Attempts++
		if !o.OK {
			s.Failures++
			return
		}
		s.LastSuccess = p.config.Now().UTC()
	})
	if !o.OK {
		return status, errors.New(o.Reason)
	}
	return status, nil
}

// say tells the log what is wrong, once until something else is, or all is well again.
func (p *Pusher) say(ctx context.Context, level slog.Level, message, reason string) {
	if p.said == message+reason {
		return
	}
	p.said = message + reason
	p.config.Log.Log(ctx, level, message, "err", reason)
}
