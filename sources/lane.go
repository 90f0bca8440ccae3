package sources

import (
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"sync"
	"time"

	"github.com/relgate/relgate/rules"
)

// SourceStats is what the pool saw of one source. Counters only grow.
type SourceStats struct {
	Name        string
	Fetches     uint64                 // batches asked
	Readings    map[rules.Fault]uint64 // fault → readings with it, rules.OK among them; every fault is present
	Points      uint64                 // points handed on
	Dropped     uint64                 // points that could not be true and were dropped
	Timeouts    uint64                 // batches that were not answered in time
	Refused     uint64                 // batches not asked, because an earlier one had not come back
	Panics      uint64                 // batches in which the source panicked
	Took        time.Duration          // time spent in all batches that came back, in real time
	LastTook    time.Duration          // of the newest such batch
	LastSuccess time.Time              // tick of the newest reading without fault; zero when there was none
	LeftAlone   time.Time              // until when the source asked to be left alone, bounded; zero when it did not, or it has answered since
	Metered     bool                   // whether the source counts, and Upstream means something
	Upstream    Stats
}

// lane is one source with its queue of one and its counters.
type lane struct {
	name string
	src  Source
	log  *slog.Logger
	slot chan struct{} // holds a token while a batch is being asked

	patience time.Duration // how long a question may take in all; zero: as long as a tick waits

	mu    sync.Mutex
	open  *call // a patient lane's question that took longer than its tick
	stuck *call // the batch that was given up, until it comes back
	stats SourceStats
}

func newLane(name string, src Source, log *slog.Logger) *lane {
	l := &lane{name: name, src: src, log: log, slot: make(chan struct{}, 1)}
	l.stats = SourceStats{Name: name, Readings: map[rules.Fault]uint64{}}
	for _, f := range rules.Faults() {
		l.stats.Readings[f] = 0
	}
	return l
}

func (l *lane) isStuck() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.stuck != nil
}

// abandon marks the lane as stuck in a call, until that call comes back.
func (l *lane) abandon(c *call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-c.done: // it came back meanwhile
	default:
		l.stuck = c
	}
}

// ask runs in the call's own goroutine.
func (l *lane) ask(c *call) (answers []rules.Reading, err error) {
	select {
	case l.slot <- struct{}{}:
	case <-c.ctx.Done():
		return nil, errBusy
	}
	defer func() {
		if v := recover(); v != nil {
			l.log.Error("source panicked", "source", l.name, "err", fmt.Sprint(v), "stack", string(debug.Stack()))
			answers, err = nil, errPanic
		}
		l.mu.Lock()
		if l.stuck == c {
			l.stuck = nil
		}
		l.mu.Unlock()
		<-l.slot
	}()
	return l.src.Fetch(c.ctx, c.now, c.wants), nil
}

// settle turns what came of a call into one checked reading per want, and
// counts it.
func (l *lane) settle(c *call, timeout time.Duration) []rules.Reading {
	var out []rules.Reading
	dropped := 0
	switch {
	case c.gaveUp:
		out = allFaulty(c.wants, rules.Unavailable, fmt.Sprintf("no answer within %s", timeout))
	case c.err != nil:
		out = allFaulty(c.wants, rules.Unavailable, c.err.Error())
	default:
		out, dropped = checked(c.now, c.wants, c.answers)
	}
	l.count(c, out, dropped)
	if until, said := askedPause(out); until.Sub(c.now) > shortest*time.Second {
		l.log.Warn("source asks to be left alone", "source", l.name, "until", until, "err", said)
	}
	return out
}

// askedPause is until when a source asked to be left alone, and what it said.
func askedPause(out []rules.Reading) (until time.Time, said string) {
	for _, r := range out {
		if r.RetryAt > 0 && time.Unix(r.RetryAt, 0).After(until) {
			until, said = time.Unix(r.RetryAt, 0).UTC(), r.Detail
		}
	}
	return until, said
}

func (l *lane) count(c *call, out []rules.Reading, dropped int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := &l.stats
	s.Fetches++
	s.Dropped += uint64(dropped)
	switch {
	case c.gaveUp:
		s.Timeouts++
	case c.err == errPanic:
		s.Panics++
	case c.err != nil:
		s.Refused++
	default:
		s.Took += c.took
		s.LastTook = c.took
		s.LeftAlone, _ = askedPause(out) // without an answer the last one stands
	}
	for _, r := range out {
		s.Readings[r.Fault]++
		s.Points += uint64(len(r.Points))
		if r.Fault == rules.OK && c.now.After(s.LastSuccess) {
			s.LastSuccess = c.now
		}
	}
}

// snapshot copies the counters; the caller owns the copy.
func (l *lane) snapshot() SourceStats {
	l.mu.Lock()
	s := l.stats
	s.Readings = maps.Clone(s.Readings)
	l.mu.Unlock()
	if m, ok := l.src.(Metered); ok {
		s.Metered, s.Upstream = true, m.Stats()
	}
	return s
}
