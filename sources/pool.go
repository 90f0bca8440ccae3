package sources

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/relgate/relgate/rules"
)

// grace is how long after its deadline a source may still hand over what it
// has. It is real time even in a run in virtual time: a source that obeys its
// context needs microseconds; one that ignores it may never return.
const grace = time.Second

// PoolConfig says whom a Pool asks, and how long it waits.
type PoolConfig struct {
	Sources map[string]Source // source name → source; required
	Timeout time.Duration     // for one source in one tick; 10 s if zero

	// Patience is how long a question to a source may take in all, by source name;
	// Timeout if zero. If it is longer than Timeout, the question stays open over
	// several ticks, and their readings say so (Asking).
	Patience map[string]time.Duration

	// WithTimeout makes the context of one source's question; context.WithTimeout
	// if nil. A run in virtual time brings its own.
	WithTimeout func(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc)

	Log *slog.Logger // nothing is logged if nil
}

// Pool asks many sources at once. It is safe for concurrent use; one source is
// asked one batch at a time.
type Pool struct {
	timeout     time.Duration
	withTimeout func(context.Context, time.Duration) (context.Context, context.CancelFunc)
	log         *slog.Logger
	lanes       map[string]*lane // source name → its lane
	workers     sync.WaitGroup
	mu          sync.Mutex
	closed      bool
}

// NewPool makes a Pool. It starts nothing.
func NewPool(cfg PoolConfig) *Pool {
	p := &Pool{timeout: cfg.Timeout, withTimeout: cfg.WithTimeout, log: cfg.Log, lanes: map[string]*lane{}}
	if p.timeout <= 0 {
		p.timeout = 10 * time.Second
	}
	if p.withTimeout == nil {
		p.withTimeout = context.WithTimeout
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	for name, src := range cfg.Sources {
		p.lanes[name] = newLane(name, src, p.log)
		p.lanes[name].patience = cfg.Patience[name]
	}
	return p
}

// Fetch answers every want, in order, with one reading each. It returns as soon
// as every source has answered or has run out of its time; what went wrong is a
// reading's Fault. now is the time of the tick.
func (p *Pool) Fetch(ctx context.Context, now time.Time, wants []Want) []rules.Reading {
	out := make([]rules.Reading, len(wants))
	tick, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	var calls, open []*call
	var openPlaces [][]int
	for name, places := range bySource(wants) {
		l := p.lanes[name]
		switch {
		case l == nil:
			for _, i := range places {
				out[i] = Faulty(wants[i], rules.ConfigFault, fmt.Sprintf("unknown source %q", name))
			}
		case p.patient(l):
			open = append(open, p.resume(ctx, l, now, wants, places))
			openPlaces = append(openPlaces, places)
		default:
			calls = append(calls, p.start(ctx, l, now, wants, places, p.limit(l)))
		}
	}
	p.collect(ctx, calls)
	for _, c := range calls {
		for i, r := range c.lane.settle(c, p.limit(c.lane)) {
			out[c.places[i]] = r
		}
	}
	p.patiently(tick, open, wants, out, openPlaces)
	return out
}

// limit is how long a question that does not outlive its tick may take.
func (p *Pool) limit(l *lane) time.Duration {
	if l.patience > 0 {
		return min(l.patience, p.timeout)
	}
	return p.timeout
}

// Close waits until every question that was ever started has come back, or
// until ctx is done, whose error it then returns, and lets the sources drop
// their idle connections. A Fetch after it is answered with faults.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	p.abandonOpen()
	defer func() {
		for _, l := range p.lanes {
			if idle, ok := l.src.(interface{ CloseIdleConnections() }); ok {
				idle.CloseIdleConnections()
			}
		}
	}()
	joined := make(chan struct{})
	go func() { p.workers.Wait(); close(joined) }()
	select {
	case <-joined:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for sources to come back: %w", ctx.Err())
	}
}

// Stats counts what every source has done, by name. Sources that were never
// asked are there too.
func (p *Pool) Stats() []SourceStats {
	out := make([]SourceStats, 0, len(p.lanes))
	for _, name := range slices.Sorted(maps.Keys(p.lanes)) {
		out = append(out, p.lanes[name].snapshot())
	}
	return out
}

// Timeouts says how long a question to each source may take in all, by name.
func (p *Pool) Timeouts() map[string]time.Duration {
	out := make(map[string]time.Duration, len(p.lanes))
	for name, l := range p.lanes {
		out[name] = max(p.limit(l), l.patience)
	}
	return out
}

// bySource groups the indexes of wants by the source that is to be asked.
func bySource(wants []Want) map[string][]int {
	groups := map[string][]int{}
	for i, w := range wants {
		name := ""
		if w.Signal != nil {
			name = w.Signal.Source
		}
		groups[name] = append(groups[name], i)
	}
	return groups
}

// call is one batch of questions to one source. The worker writes answers, err
// and took, and then closes done; they are read only after that.
type call struct {
	lane   *lane
	now    time.Time
	places []int // indexes in the wants of Fetch
	wants  []Want
	ctx    context.Context // of this question alone
	cancel context.CancelFunc
	done   chan struct{}

	answers []rules.Reading
	err     error // why there are none
	took    time.Duration
	gaveUp  bool // written and read by the collector only
	resumed bool // an earlier tick asked; the same
}

var (
	errBusy   = errors.New("still waiting for the answer to an earlier question")
	errPanic  = errors.New("the source panicked")
	errClosed = errors.New("the pool is closed")
)

func (p *Pool) start(ctx context.Context, l *lane, now time.Time, wants []Want, places []int, limit time.Duration) *call {
	c := &call{lane: l, now: now, places: places, done: make(chan struct{})}
	for _, i := range places {
		c.wants = append(c.wants, wants[i])
	}
	c.ctx, c.cancel = p.withTimeout(ctx, limit)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || l.isStuck() {
		c.err = errBusy
		if p.closed {
			c.err = errClosed
		}
		close(c.done)
		return c
	}
	p.workers.Add(1)
	go func() {
		defer p.workers.Done()
		// An answered call no longer holds up the clock. In virtual time the
		// deadline passes when only calls that hang are left.
		defer c.cancel()
		defer close(c.done)
		begun := time.Now()
		c.answers, c.err = l.ask(c)
		c.took = time.Since(begun)
	}()
	return c
}

// collect waits for the calls. Those past their deadline share one grace, so
// that several stuck sources delay the tick no longer than one does.
func (p *Pool) collect(ctx context.Context, calls []*call) {
	var late []*call
	for _, c := range calls {
		select {
		case <-c.done:
			c.cancel()
		case <-c.ctx.Done():
			late = append(late, c)
		}
	}
	if len(late) > 0 {
		p.lastChance(ctx, late)
	}
}

// lastChance waits a grace for the results of calls past their deadline.
func (p *Pool) lastChance(ctx context.Context, late []*call) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	for _, c := range late {
		select {
		case <-c.done:
		case <-last.Done():
			c.giveUp(p.log)
		}
		c.cancel()
	}
}

// giveUp stops waiting for the worker; Close joins it. A worker that comes back
// at this moment counts as having answered.
func (c *call) giveUp(log *slog.Logger) {
	select {
	case <-c.done:
		return
	default:
	}
	c.gaveUp = true
	c.lane.abandon(c)
	log.Warn("source ignores its deadline", "source", c.lane.name)
}
