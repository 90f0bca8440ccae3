package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/relgate/relgate/evaluator/runner"
	"github.com/relgate/relgate/exporters/prom"
)

// wallClock is the time of this machine, made steady.
type wallClock struct{ *runner.Steady }

// newWallClock tells a log when the machine's clock is set.
func newWallClock(log *slog.Logger) wallClock {
	return wallClock{&runner.Steady{Stepped: func(by, ahead time.Duration) {
		text := "the clock of this machine was set forward; relgate follows it"
		if by < 0 {
			text = "the clock of this machine was set back; relgate goes on by its own count, at nine tenths of the pace, until the clock has caught up"
		}
		log.Warn(text, "by", by.Abs().Round(time.Millisecond), "ahead", ahead.Round(time.Millisecond))
	}}}
}

// clockStats is what the metrics page shows of the clock.
func (c wallClock) clockStats() prom.ClockStats {
	s := c.Stats()
	return prom.ClockStats{Forward: s.Forward, Back: s.Back, Ahead: s.Ahead}
}

func (wallClock) tickTimeout() time.Duration { return tickTimeout }

// WithTimeout is context.WithTimeout.
func (wallClock) WithTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, d)
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// virtualClock is time that stands still while anybody works and moves only when
// the runner waits for its next tick: by jumps, up to speed times faster than
// the wall clock. So every speed shows the same instants to everybody, and a
// slow machine changes nothing but the duration.
type virtualClock struct {
	speed float64 // virtual seconds in a real one; 0 does not wait at all

	mu       sync.Mutex
	now      time.Time
	wallRef  time.Time // the wall clock when now was virtRef
	virtRef  time.Time
	inFlight map[*virtualTimeout]struct{}
	hung     int // requests that an upstream keeps hanging

	arrived func(ctx context.Context) error // called when time has moved, before anybody is asked; nil does nothing

	quiet   time.Time   // until then nothing is waited for, and only what is awaited is stopped at
	awaited []time.Time // instants of the quiet time

	act  func(ctx context.Context) error // what people do before time moves; nil: nothing
	over func() bool                     // asked before time moves; nil never stops it
	end  chan struct{}                   // closed when over said yes
	stop sync.Once
}

// virtualTimeout is a deadline that passes when nothing else can happen.
type virtualTimeout struct{ cancel context.CancelCauseFunc }

func newVirtualClock(start time.Time, speed float64) *virtualClock {
	return &virtualClock{
		speed: speed, now: start, virtRef: start, wallRef: time.Now(),
		inFlight: map[*virtualTimeout]struct{}{}, end: make(chan struct{}),
	}
}

// until stops time for good as soon as over says yes. It is asked by the runner
// between two ticks, so time stops after the same tick in every run.
func (c *virtualClock) until(over func() bool) { c.over = over }

// finished reports whether time has stopped for good.
func (c *virtualClock) finished() bool {
	select {
	case <-c.end:
		return true
	default:
		return false
	}
}

// set moves time before anybody lives by it.
func (c *virtualClock) set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now, c.virtRef, c.wallRef = t, t, time.Now()
}

// NotBefore moves time on, if need be.
func (c *virtualClock) NotBefore(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.After(c.now) {
		c.now, c.virtRef, c.wallRef = t, t, time.Now()
	}
}

// clockStats: virtual time is never set.
func (*virtualClock) clockStats() prom.ClockStats { return prom.ClockStats{} }

// stay lets the wall clock go by without virtual time, so that a frame can be read.
func (c *virtualClock) stay(d time.Duration) {
	if c.speed == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wallRef = c.wallRef.Add(d)
}

// tickTimeout is real time, and only guards: what is slow in virtual time says so.
func (*virtualClock) tickTimeout() time.Duration { return time.Minute }

// pause waits for nothing: no virtual time passes while an upstream is asked.
func (*virtualClock) pause(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// Now is the instant of the current tick.
func (c *virtualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// WaitUntil moves time to t, unless time has stopped.
func (c *virtualClock) WaitUntil(ctx context.Context, t time.Time) error {
	if c.act != nil {
		if err := c.act(ctx); err != nil {
			return err
		}
	}
	if c.over != nil && c.over() {
		c.stop.Do(func() { close(c.end) })
		<-ctx.Done()
		return ctx.Err()
	}
	t = c.past(t)
	if err := sleep(ctx, c.owed(t)); err != nil {
		return err
	}
	c.mu.Lock()
	if t.After(c.now) {
		c.now = t
	}
	c.mu.Unlock()
	if c.arrived != nil {
		if err := c.arrived(ctx); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// past is the instant that time moves to in place of t: in the quiet time the next one that is
// awaited, or its end, as if the daemon had slept till then.
func (c *virtualClock) past(t time.Time) time.Time {
	next := c.quiet
	for _, at := range c.awaited {
		if !at.Before(t) && at.Before(next) {
			next = at
		}
	}
	if next.After(t) {
		c.set(next)
		return next
	}
	return t
}

// owed is how long the wall clock is ahead of the pace. A run that has fallen
// behind is not hurried: the reference moves with it.
func (c *virtualClock) owed(t time.Time) time.Duration {
	if c.speed == 0 {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	due := c.wallRef.Add(time.Duration(float64(t.Sub(c.virtRef)) / c.speed))
	wait := time.Until(due)
	if wait < 0 {
		c.wallRef, c.virtRef = time.Now(), t
	}
	return wait
}

// WithTimeout gives a context for one question to one upstream. Virtual time
// stands still while it is asked, so its deadline passes only when every
// question still open is kept hanging; a generous real deadline guards against
// an upstream that hangs without saying so.
func (c *virtualClock) WithTimeout(ctx context.Context, _ time.Duration) (context.Context, context.CancelFunc) {
	bounded, stop := context.WithTimeout(ctx, time.Minute)
	open, cancel := context.WithCancelCause(bounded)
	timeout := &virtualTimeout{cancel: cancel}
	c.mu.Lock()
	c.inFlight[timeout] = struct{}{}
	c.mu.Unlock()
	return open, func() {
		c.mu.Lock()
		delete(c.inFlight, timeout)
		c.expireLocked()
		c.mu.Unlock()
		cancel(context.Canceled)
		stop()
	}
}

// hangs is called by the simulator when it keeps a request hanging.
func (c *virtualClock) hangs() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hung++
	c.expireLocked()
}

// expireLocked lets the deadlines of the questions pass if all of them hang.
func (c *virtualClock) expireLocked() {
	if c.hung == 0 || c.hung < len(c.inFlight) {
		return
	}
	for timeout := range c.inFlight {
		timeout.cancel(context.DeadlineExceeded)
	}
	c.hung = 0
}
