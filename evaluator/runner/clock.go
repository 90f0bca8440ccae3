package runner

import (
	"context"
	"sync"
	"time"
)

// Clock is what the runner lives by. A demo's clock jumps.
type Clock interface {
	// Now never goes back.
	Now() time.Time
	// WaitUntil returns when Now is no longer before t, or with the error of a
	// context that is done.
	WaitUntil(ctx context.Context, t time.Time) error
	// NotBefore makes Now show t or later from here on. Runs that a journal
	// stamped later than the clock go on from their stamps.
	NotBefore(t time.Time)
}

// Steady is the wall clock, made steady: it never goes back. It follows the wall
// clock forward, because a machine that slept is behind. When the wall clock is
// set back it goes on by the monotonic count, at nine tenths of the pace, until
// the wall clock has caught up.
type Steady struct {
	// Stepped is called when the wall clock was set: by how much (negative:
	// back), and how far Now is ahead of it from here on. Nil calls nothing.
	Stepped func(by, ahead time.Duration)
	read    func() (wall time.Time, count time.Duration) // for tests; the machine's if nil

	mu    sync.Mutex
	now   time.Time     // what Now showed last; zero before
	wall  time.Time     // the wall clock then
	count time.Duration // the monotonic count then
	stats ClockStats
}

// ClockStats is how steady the wall clock was.
type ClockStats struct {
	Forward time.Duration // how far it was set forward, in all
	Back    time.Duration // how far it was set back, in all
	Ahead   time.Duration // how far Now is ahead of it
}

const (
	// stepSize is the least difference between wall clock and monotonic count
	// that is a step. Less than that is the ordinary correction of a clock.
	stepSize = time.Second
	// look is how often a wait looks at the clock: one that was set must be seen.
	look = 10 * time.Second
)

var bootTime = time.Now()

func readMachine() (time.Time, time.Duration) {
	now := time.Now()
	return now.Round(0), now.Sub(bootTime)
}

// Now is the time by which runs are judged, in UTC.
func (s *Steady) Now() time.Time {
	s.mu.Lock()
	stepped, ahead := s.advance()
	now := s.now
	s.mu.Unlock()
	if stepped != 0 && s.Stepped != nil {
		s.Stepped(stepped, ahead)
	}
	return now
}

// advance moves the clock on and gives by how much the wall clock was set.
func (s *Steady) advance() (stepped, ahead time.Duration) {
	read := s.read
	if read == nil {
		read = readMachine
	}
	wall, count := read()
	wall = wall.UTC()
	if s.now.IsZero() {
		s.now = wall
	} else {
		passed := count - s.count
		if stepped = wall.Sub(s.wall) - passed; stepped < stepSize && stepped > -stepSize {
			stepped = 0
		}
		s.stats.Forward += max(stepped, 0)
		s.stats.Back += max(-stepped, 0)
		if s.now = s.now.Add(passed - passed/10); s.now.Before(wall) {
			s.now = wall
		}
	}
	s.wall, s.count = wall, count
	s.stats.Ahead = s.now.Sub(wall)
	return stepped, s.stats.Ahead
}

// NotBefore makes Now show t or later from here on.
func (s *Steady) NotBefore(t time.Time) {
	s.Now() // tells of a step, if there was one
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.After(s.now) {
		s.now = t.UTC()
		s.stats.Ahead = s.now.Sub(s.wall)
	}
}

// Stats tells how steady the wall clock was so far.
func (s *Steady) Stats() ClockStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// WaitUntil waits for Now to show t.
func (s *Steady) WaitUntil(ctx context.Context, t time.Time) error {
	for {
		d := t.Sub(s.Now())
		if d <= 0 {
			return ctx.Err()
		}
		timer := time.NewTimer(min(d, look))
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}
