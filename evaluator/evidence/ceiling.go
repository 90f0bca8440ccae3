package evidence

import "math"

// Ceiling bounds from above what a case comes to with some periods more, for a few
// multiplications a period: most looks at a release find nothing against it, and need no
// more than to know that. What it says is never wrong, but it does not always know.
type Ceiling struct {
	N, Bad   float64 // events and bad events of all periods, as a Track counts them
	BadLooks uint32

	rates   [alternatives]float64 // what the new periods add, at most, to LR
	minutes float64               // and to the betting on minutes
	pair    [pairBets]float64     // and to LR of the Pair
	beside  PairTrack             // what its bets are made of
}

// doubt is by how much a bound that was worked out in another order may be off, and more.
const doubt = .01

// Ceiling is what a case has come to, before the periods that are new.
func (r *Rule) Ceiling(c *Case) Ceiling {
	x := Ceiling{N: c.Track.N, Bad: c.Track.Bad, BadLooks: c.Track.BadLooks}
	if c.Beside != nil {
		x.beside = c.Beside.Pair
	}
	return x
}

// Raise adds a period, as [Rule.Look] does.
func (r *Rule) Raise(x *Ceiling, canary, baseline Minute) {
	m, ok := canary.counted()
	if !ok {
		return
	}
	bad := wholeDown(m.Bad)
	x.N += m.N
	x.Bad += m.Bad
	if bad >= 1 {
		x.BadLooks++
	}
	for j := range x.rates {
		x.rates[j] += max(bad*r.Test.bad[j]+(m.N-bad)*r.Test.good[j], 0)
	}
	if edge := bad/m.N*r.Test.perLimit - 1; edge > 0 {
		x.minutes += math.Log1p(edge) // no stake is all
	}
	b, ok := baseline.counted()
	if r.Pair == nil || !ok {
		return
	}
	m.Bad, b.Bad = bad, min(wholeUp(b.Bad), b.N)
	if m.Bad > 0 { // with no bad event of the release no bet wins
		for j, bet := range r.Pair.bets(&x.beside) {
			logE, _, _ := LogTwoSample(m, b, bet.canary, bet.baseline, r.Pair.delta)
			x.pair[j] += max(logE, 0)
		}
	}
	x.beside.learn(m, b)
}

// Harmless reports whether a case that the periods of x were added to has certainly no
// rung by itself: see [Rule.Standing]. It says nothing of Scope.Past.
//
// A term S of a mixture becomes (S + omega)·e^llr in a period, and the omegas of all
// periods sum to at most 1: so it comes to at most (S + 1)·e^(sum of the positive llr).
// A mean of such terms is at most the greatest of them. What a stretch weighs in
// Rider.Hold is no more than the term of Warn that began with it.
func (r *Rule) Harmless(c *Case, x *Ceiling) bool {
	at := r.Bound - doubt - math.Ln2
	for j, s := range c.Track.LR {
		if !(max(s, 0)+x.rates[j] < at) {
			return false
		}
	}
	if v := c.Beside; r.Pair != nil && v != nil {
		for j, s := range v.Pair.LR {
			if !(max(s, 0)+x.pair[j] < at) {
				return false
			}
		}
	}
	minutes := &c.Track.MB
	if r.Rider != nil {
		minutes = &c.Ride.MB
	}
	return max(minutes[0], minutes[1], minutes[2], 0)+x.minutes < at
}
