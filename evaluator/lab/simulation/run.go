package simulation

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/relgate/relgate/evaluator/evidence"
)

// Rung is how far a rule goes against a release.
type Rung uint8

const (
	Warned Rung = iota
	Held
	RolledBack
)

// Rungs is how many there are.
const Rungs = 3

// String is the rung in a word.
func (r Rung) String() string {
	return [...]string{"warned", "held", "rolled back"}[min(r, RolledBack)]
}

// Reached is a set of rungs.
type Reached uint8

// With is the set with a rung more.
func (r Reached) With(rung Rung) Reached { return r | 1<<rung }

// Has reports whether a rung is in the set.
func (r Reached) Has(rung Rung) bool { return r>>rung&1 == 1 }

// Rule is what is judged. It is shared by all releases and never changes.
type Rule interface {
	// Name is the rule in a few words, for a table.
	Name() string
	// Knows is the rungs that the rule has at all.
	Knows() Reached
	// Watch gives the rule's state before a release; it is used for one release
	// after another.
	Watch() Watcher
}

// Watcher is a rule that watches one release.
type Watcher interface {
	// Reset forgets all.
	Reset()
	// Look takes in look t, the first being 0, and gives the rungs on which the
	// rule stands now.
	Look(t int, canary, baseline evidence.Minute) Reached
}

// Config says what is simulated.
type Config struct {
	Release Release
	Traffic Traffic
	Looks   int    // length of the window; required
	Runs    int    // how many releases; required
	Seed    uint64 // the same seed gives the same releases
	Workers int    // at once; the number of processors if zero
	Rules   []Rule // what judges them; required
}

// maxLooks bounds a window: 400 days of minutes.
const maxLooks = 400 * 24 * 60

func (c *Config) check() error {
	switch {
	case c.Looks <= 0 || c.Looks > maxLooks:
		return fmt.Errorf("a window of %d looks: want 1 to %d", c.Looks, maxLooks)
	case c.Runs <= 0:
		return errors.New("no releases to simulate")
	case len(c.Rules) == 0:
		return errors.New("no rules to judge")
	case c.Release.Since >= c.Looks:
		return fmt.Errorf("the fault begins at look %d, after a window of %d", c.Release.Since, c.Looks)
	}
	return c.Release.check(c.Traffic)
}

// Run simulates the releases and gives an outcome for each rule. A release is
// watched until all rules have rolled it back or its window ends. It stops
// early, with the context's error, when ctx ends.
func Run(ctx context.Context, c Config) ([]Outcome, error) {
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("simulating releases: %w", err)
	}
	workers := c.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	workers = min(workers, c.Runs)
	fired := make([]firsts, c.Runs*len(c.Rules))
	group, ctx := errgroup.WithContext(ctx)
	for w := range workers {
		group.Go(func() error {
			s := newSpectator(&c)
			for i := w; i < c.Runs; i += workers {
				if err := ctx.Err(); err != nil {
					return err
				}
				s.release(i, fired[i*len(c.Rules):][:len(c.Rules)])
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return c.outcomes(fired), nil
}

// firsts is when a rule first stood on each rung: the look's number, the first
// being 1, or 0 for never.
type firsts [Rungs]int32

// spectator watches releases with all rules.
type spectator struct {
	script   *script
	looks    int
	watchers []Watcher
	knows    []Reached
}

func newSpectator(c *Config) *spectator {
	s := &spectator{script: newScript(c.Release, c.Traffic, c.Seed), looks: c.Looks}
	for _, r := range c.Rules {
		s.watchers = append(s.watchers, r.Watch())
		s.knows = append(s.knows, r.Knows())
	}
	return s
}

// release lets release i run past the rules and writes down when each fired.
func (s *spectator) release(i int, out []firsts) {
	s.script.begin(i)
	for _, w := range s.watchers {
		w.Reset()
	}
	watching := len(s.watchers)
	done := make([]bool, watching)
	for t := 0; t < s.looks && watching > 0; t++ {
		canary, baseline := s.script.look(t)
		for k, w := range s.watchers {
			if done[k] {
				continue
			}
			now := w.Look(t, canary, baseline)
			if now == 0 {
				continue
			}
			out[k].note(now, int32(t+1))
			if done[k] = out[k].all(s.knows[k]); done[k] {
				watching--
			}
		}
	}
}

// note keeps the first look of each rung.
func (f *firsts) note(now Reached, look int32) {
	for rung := range f {
		if f[rung] == 0 && now.Has(Rung(rung)) {
			f[rung] = look
		}
	}
}

// all reports whether every rung that is known has been reached.
func (f *firsts) all(known Reached) bool {
	for rung := range f {
		if f[rung] == 0 && known.Has(Rung(rung)) {
			return false
		}
	}
	return true
}
