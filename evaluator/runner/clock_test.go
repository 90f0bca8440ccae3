package runner

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// machine is a wall clock and a monotonic count that a test moves.
type machine struct {
	wall  time.Time
	count time.Duration
}

func (m *machine) read() (time.Time, time.Duration) { return m.wall, m.count }

// pass lets time go by on both.
func (m *machine) pass(d time.Duration) { m.wall, m.count = m.wall.Add(d), m.count+d }

func TestTheSteadyClock(t *testing.T) {
	zero := time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)
	at := func(d time.Duration) time.Time { return zero.Add(d) }
	type move struct {
		pass, set time.Duration // time goes by, then the wall clock is set by so much
		now       time.Duration // what the clock shows then, since zero
	}
	for _, c := range []struct {
		name  string
		moves []move
		steps []time.Duration // that were told
		ahead time.Duration   // at the end
	}{
		{"shows the wall clock", []move{{pass: time.Minute, now: time.Minute}, {pass: time.Hour, now: time.Hour + time.Minute}}, nil, 0},
		{"follows the wall clock forward, as after a sleep", []move{{pass: time.Minute, set: time.Hour, now: time.Hour + time.Minute}}, []time.Duration{time.Hour}, 0},
		{"goes on at nine tenths when the wall clock is set back",
			[]move{{pass: 0, set: -time.Hour, now: 0}, {pass: 10 * time.Minute, now: 9 * time.Minute}, {pass: 10 * time.Minute, now: 18 * time.Minute}},
			[]time.Duration{-time.Hour}, 58 * time.Minute},
		{"is the wall clock again when that has caught up", []move{{pass: 0, set: -40 * time.Second, now: 0}, {pass: 400 * time.Second, now: 360 * time.Second}, {pass: time.Minute, now: 420 * time.Second}},
			[]time.Duration{-40 * time.Second}, 0},
		{"40 s ahead, then right", []move{{pass: time.Minute, set: 40 * time.Second, now: 100 * time.Second}, {pass: 10 * time.Second, set: -40 * time.Second, now: 109 * time.Second}},
			[]time.Duration{40 * time.Second, -40 * time.Second}, 39 * time.Second},
		{"an ordinary correction is no step", []move{{pass: time.Minute, set: 300 * time.Millisecond, now: time.Minute + 300*time.Millisecond}, {pass: time.Minute, set: -200 * time.Millisecond, now: 2*time.Minute + 100*time.Millisecond}}, nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &machine{wall: zero}
			var steps []time.Duration
			var last time.Time
			s := &Steady{read: m.read, Stepped: func(by, _ time.Duration) { steps = append(steps, by) }}
			s.Now()
			for _, mv := range c.moves {
				m.pass(mv.pass)
				m.wall = m.wall.Add(mv.set)
				got := s.Now()
				if want := at(mv.now); !got.Equal(want) {
					t.Errorf("after %v and a step of %v: got %v, want %v", mv.pass, mv.set, got.Sub(zero), mv.now)
				}
				if got.Before(last) {
					t.Errorf("went back from %v to %v", last, got)
				}
				last = got
			}
			if len(steps) != len(c.steps) {
				t.Fatalf("told of steps %v, want %v", steps, c.steps)
			}
			var back, forward time.Duration
			for i := range steps {
				if steps[i] != c.steps[i] {
					t.Errorf("step %d: got %v, want %v", i, steps[i], c.steps[i])
				}
				back, forward = back+max(-steps[i], 0), forward+max(steps[i], 0)
			}
			if got := s.Stats(); got.Ahead != c.ahead || got.Back != back || got.Forward != forward {
				t.Errorf("stats %+v, want ahead %v, back %v, forward %v", got, c.ahead, back, forward)
			}
		})
	}
}

// A journal may hold stamps that are later than the clock: runs go on from them.
func TestTheSteadyClockGoesOnFromTheJournal(t *testing.T) {
	zero := time.Date(2025, 6, 4, 2, 0, 0, 0, time.UTC)
	m := &machine{wall: zero}
	s := &Steady{read: m.read}
	s.NotBefore(zero.Add(time.Hour))
	m.pass(10 * time.Minute)
	if got := s.Now().Sub(zero); got != time.Hour+9*time.Minute {
		t.Errorf("got %v, want 1h9m", got)
	}
	s.NotBefore(zero)
	if got := s.Now().Sub(zero); got != time.Hour+9*time.Minute {
		t.Errorf("an earlier stamp moved it to %v", got)
	}
}

func TestWaitingForTheSteadyClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s Steady
		want := s.Now().Add(25 * time.Second)
		if err := s.WaitUntil(t.Context(), want); err != nil || s.Now().Before(want) || s.Now().Sub(want) > time.Second {
			t.Errorf("woke at %s with %v, want %s", s.Now(), err, want)
		}
		if err := s.WaitUntil(t.Context(), want.Add(-time.Hour)); err != nil {
			t.Errorf("waited for the past: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.WaitUntil(ctx, want.Add(time.Hour)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
	})
}
