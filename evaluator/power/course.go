package power

import (
	"math"
	"slices"

	"github.com/relgate/relgate/evaluator/evidence"
)

// What the evaluator asks for beside the evidence before it rolls back: that it
// speaks five to one against the middle of limit and trigger, three bad ones, in two
// buckets.
var logMid = math.Log(5)

const (
	leastBad   = 3
	leastLooks = 2
)

// course is a run of a rule that weighs evidence, under a fault that is there from
// the start of the phase. Its unit of time is the bucket.
type course struct {
	limit, trigger, alpha float64
	rate                  float64 // true
	bucket                float64 // samples in one
	looks                 int     // buckets in the phase's window
	horizon               int     // and in all of the rule's watch, over which the start is spread
	floor                 int     // how long the suspect stretch must be
	least                 float64 // samples in it
	later                 int     // phases after the first that name the rule
	begun                 bool    // the phase is not the first
}

type courseKey course

// effort is how many looks a simulation may take, and between how many runs.
const (
	effort    = 9000
	fewest    = 40
	mostRuns  = 300
	fine      = 48 // looks before they become twice as wide
	patience  = 8  // windows that a run is followed for its median
	denseLook = .2 // expected samples in a look, at least
)

// detect simulates the course. The minutes are in buckets.
func (c course) detect() Detection {
	d := Detection{Rate: c.rate, Power: new(float64)}
	if c.looks < 1 || !(c.alpha > 0) || !(c.bucket > 0) {
		return d
	}
	s := stream(1)
	spent, fired := 0, []int{}
	runs, inside := 0, 0
	for runs < mostRuns && (spent < effort || runs < fewest) {
		at, looks := c.run(&s)
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

// run is one run: after how many buckets it fires, and how many looks it took.
func (c *course) run(s *stream) (at, looks int) {
	test := evidence.NewTest(c.limit, c.trigger)
	var track evidence.Track
	bound := -math.Log(c.alpha)
	first, rest := c.weights()
	width := max(1, int(denseLook/c.bucket))
	good, bad := c.samplers(width)
	for now, n := 0, 0; now < c.looks*patience; {
		if n++; n%fine == 0 {
			width *= 2
			good, bad = c.samplers(width)
		}
		m := evidence.Minute{Bad: bad.draw(s)}
		m.N = m.Bad + good.draw(s)
		omega := rest * float64(width)
		if track.Looks == 0 {
			omega += first
		}
		test.Look(&track, int64(now), m, omega)
		now += width
		if m.Bad > 0 && c.fires(test, &track, bound, now) {
			return now, n
		}
		looks = n
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

func (c *course) samplers(width int) (good, bad counts) {
	n := c.bucket * float64(width)
	return newCounts(n * (1 - c.rate)), newCounts(n * c.rate)
}

func (c *course) fires(test *evidence.Test, track *evidence.Track, bound float64, now int) bool {
	if track.Bad < leastBad || track.BadLooks < leastLooks || test.Hold(track) < bound || test.Midpoint(track) < logMid {
		return false
	}
	seg := test.Suspect(track)
	return seg.Bad >= leastBad && seg.BadLooks >= leastLooks && seg.N >= c.least && now-int(seg.Start) >= c.floor
}
