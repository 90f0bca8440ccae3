package athena

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/athena"

	"github.com/relgate/relgate/internal/amazon"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/athena/kind"
)

// Config says which account and region to ask, and how.
type Config = amazon.Config

// Source asks Athena in one account and region. It is a sources.Source.
type Source struct {
	name     string
	client   *athena.Client
	counters *amazon.Counters
	idle     func() // closes idle connections
	pause    sources.Pause
	log      *slog.Logger

	mu      sync.Mutex
	started ids // queries counted as billed
	scanned ids // queries whose bytes are counted
}

// New makes a source. It calls no network; an error says what is wrong with the
// configuration.
func New(ctx context.Context, cfg Config) (*Source, error) {
	if cfg.Name == "" {
		return nil, errors.New("making an athena source: it needs a name")
	}
	counters := new(amazon.Counters)
	loaded, err := amazon.Load(ctx, cfg, counters)
	if err != nil {
		return nil, fmt.Errorf("making source %q: %w", cfg.Name, err)
	}
	client := athena.NewFromConfig(loaded, func(o *athena.Options) {
		if base := amazon.Endpoint(cfg.BaseURL); base != nil {
			o.BaseEndpoint = base
		}
		o.APIOptions = append(o.APIOptions, amazon.Guard("JSON"))
	})
	s := &Source{
		name: cfg.Name, client: client, counters: counters, idle: func() { amazon.CloseIdle(loaded) }, pause: cfg.Pause,
		log: cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)),
	}
	if s.pause == nil {
		s.pause = amazon.Sleep
	}
	return s, nil
}

// Stats is what the source has done since it was made. Billed counts queries.
func (s *Source) Stats() sources.Stats { return s.counters.Stats() }

// CloseIdleConnections closes the connections that no request uses. The source
// may be used again.
func (s *Source) CloseIdleConnections() { s.idle() }

// Fetch answers every want, in order. Wants with the same question share a
// query, and all queries of a Fetch run side by side.
func (s *Source) Fetch(ctx context.Context, now time.Time, wants []sources.Want) []rules.Reading {
	readings := make([]rules.Reading, len(wants))
	asked := make([]*job, len(wants))
	byToken := make(map[string]*job)
	var jobs []*job
	for i, w := range wants {
		readings[i] = rules.Reading{Signal: w.Index, From: w.From, To: w.To}
		if f := check(w, now); f.Fault != rules.OK {
			readings[i].Fault, readings[i].Detail = f.Fault, f.Detail
			continue
		}
		if bucket(w.Signal, now) < w.From {
			// The newest period that has ended is known already: no query is needed.
			readings[i].SettledUntil = slot(now, w.Signal.Period)
			continue
		}
		j := newJob(s.name, w.Signal, now)
		if same := byToken[j.token()]; same != nil {
			asked[i] = same
			continue
		}
		asked[i], byToken[j.token()] = j, j
		jobs = append(jobs, j)
	}
	s.run(ctx, now, jobs)
	for i, j := range asked {
		if j != nil {
			fill(&readings[i], wants[i].Signal, j, now)
		}
	}
	return readings
}

// check says why a want cannot be answered, if so.
func check(w sources.Want, now time.Time) amazon.Failure {
	wrong := func(detail string) amazon.Failure {
		return amazon.Failure{Fault: rules.ConfigFault, Detail: detail}
	}
	s := w.Signal
	if s == nil {
		return wrong("there is no signal")
	}
	q := kind.Of(s.Query)
	switch {
	case q == nil:
		return wrong("the signal has no athena query")
	case q.SQL == "":
		return wrong("the signal has no SQL")
	case q.ByPeriod() && s.Kind != rules.Ratio && s.Kind != rules.Gauge:
		return wrong(fmt.Sprintf("rows of periods are a ratio or a gauge, not a %v", s.Kind))
	case q.Groups < 2 && !q.ByPeriod():
		return wrong(fmt.Sprintf("groups = %d: a gap needs at least two groups", q.Groups))
	case s.Period < time.Second || s.Every < 0:
		return wrong("the signal has no period")
	case bucket(s, now) >= w.To:
		// A query now would be about another time than was asked for.
		return amazon.Failure{Fault: rules.NoData, Detail: "the range asked for is past: Athena can answer for the present only"}
	}
	return amazon.Failure{}
}

// bucket is the start of the newest bucket that has ended.
func bucket(s *rules.Signal, now time.Time) int64 {
	return slot(now, s.Period) - int64(s.Period/time.Second)
}

// slot is the start of the stretch of width d that holds t, in Unix seconds.
func slot(t time.Time, d time.Duration) int64 {
	width := int64(d / time.Second)
	r := t.Unix() % width
	if r < 0 {
		r += width
	}
	return t.Unix() - r
}

// ids remembers the newest few query ids, so that a query that is met again is
// not counted again.
type ids struct {
	known map[string]bool
	order []string
}

// add reports whether id is new.
func (l *ids) add(id string) bool {
	const keep = 512
	if l.known[id] {
		return false
	}
	if l.known == nil {
		l.known = make(map[string]bool)
	}
	if len(l.order) == keep {
		delete(l.known, l.order[0])
		l.order = l.order[1:]
	}
	l.known[id], l.order = true, append(l.order, id)
	return true
}
