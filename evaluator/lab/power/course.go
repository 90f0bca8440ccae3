package power

import (
	"math"
	"slices"

	"github.com/relgate/relgate/evaluator/evidence"
)

// course is a run of a rule that weighs evidence, under a fault that is there from
// the start of the phase. Its unit of time is the period.
type course struct {
	limit, trigger, alpha float64
	rate                  float64 // true
	bucket                float64 // samples in one
	looks                 int     // periods in the phase's window
	horizon               int     // and in all of the rule's watch, over which the start is spread
	aside                 int     // periods that a burst touches which is ridden out; 0: none is
	floor                 int     // how long the suspect stretch must be
	least                 float64 // samples in it
	later                 int     // phases after the first that name the rule
	begun                 bool    // the phase is not the first
}

type courseKey course

// effort is how many looks a simulation may take, and between how many runs.
const (
	effort    = 16000
	fewest    = 40
	mostRuns  = 400
	fine      = 128     // looks before they become twice as wide, at least
	finest    = 320     // and at most, where there is little in one
	fineFor   = 300     // samples to see before, between the two
	patience  = 8       // windows that a run is followed for its median
	longRun   = 3000    // looks after which it is not, where each is one period
	denseLook = .2      // expected samples in a look, at least
	widest    = 1 << 30 // periods in one of the first looks, at most
)

// detect simulates the course. The minutes are in periods.
func (c course) detect() Detection {
	d := Detection{Rate: c.rate, Power: new(float64)}
	if c.looks < 1 || !(c.alpha > 0) || !(c.bucket > 0) {
		return d
	}
	m := mint{course: &c, width: int(min(max(denseLook/c.bucket, 1), widest))}
	m.fine = min(max(int(fineFor/(c.bucket*float64(m.width))), fine), finest)
	if c.aside > 0 {
		m.fine = math.MaxInt // a period is one witness: two of them together would be one too
	}
	spent, fired := 0, []int{}
	runs, inside := 0, 0
	for runs < mostRuns && (spent < effort || runs < fewest || runs%2 == 1) {
		s := twin(runs)
		at, looks := c.run(&s, &m)
		spent += looks
		runs++
		fired = append(fired, at)
		if at <= c.looks {
			inside++
		}
	}
	*d.Power = float64(inside) / float64(runs)
	slices.Sort(fired)
	if median := fired[(runs-1)/2]; median < never {
		d.Minutes = float64(median)
	}
	return d
}

// never is the end of a run that did not fire.
const never = math.MaxInt

// run is one run: after how many periods it fires, and how many looks it took.
func (c *course) run(s *stream, m *mint) (at, looks int) {
	rule := evidence.NewRule(evidence.Terms{
		Limit: c.limit, Trigger: c.trigger, Alpha: c.alpha, Aside: c.aside, Period: 1, Least: c.least, Floor: int64(c.floor),
	})
	var seen evidence.Case
	first, rest := c.weights()
	for now := 0; now < c.looks*patience && (c.aside == 0 || looks < longRun || now < c.looks); {
		width, bucket := m.strike(looks/m.fine, s)
		omega := rest * float64(max(min(width, c.horizon-now), 0))
		if seen.Track.Looks == 0 {
			omega += first
		}
		rule.Look(&seen, int64(now), int64(now+width), bucket, evidence.Minute{}, omega)
		now += width
		looks++
		if bucket.Bad > 0 && rule.Standing(&seen, evidence.Scope{Newest: int64(now)}).Rung == evidence.Firing {
			return now, looks
		}
	}
	return never, looks
}

// weights are the parts of the start's weight that a phase's first look and every
// look of it have, as the evaluator gives them.
func (c *course) weights() (first, each float64) {
	spread := float64(max(c.horizon, 2) - 1)
	switch {
	case c.later == 0:
		return .5, .5 / spread
	case c.begun:
		return .3 / float64(c.later), .3 / spread
	}
	return .4, .3 / spread
}

// mint makes a course's looks: those of the k-th size cover width<<k periods.
type mint struct {
	*course
	width int // of the first looks
	fine  int // how many of a width there are
	sizes []struct{ good, bad counts }
}

func (m *mint) strike(k int, s *stream) (width int, bucket evidence.Minute) {
	for k >= len(m.sizes) {
		n := m.bucket * float64(m.width<<len(m.sizes))
		m.sizes = append(m.sizes, struct{ good, bad counts }{newCounts(n * (1 - m.rate)), newCounts(n * m.rate)})
	}
	bad := m.sizes[k].bad.draw(s)
	return m.width << k, evidence.Minute{Bad: bad, N: bad + m.sizes[k].good.draw(s)}
}
