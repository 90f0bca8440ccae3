package evidence

// practical is the number of events beyond which planning says "never".
const practical = 1e9

// mostSamples is the longest run that Ladder.Samples follows.
const mostSamples = 50_000

// last returns the greatest k of [lo, hi] for which holds is true; it is true
// at lo and, once false, stays so.
func last(lo, hi int, holds func(int) bool) int {
	for lo < hi {
		mid := lo + (hi-lo+1)/2
		if holds(mid) {
			lo = mid
		} else {
			hi = mid - 1
		}
	}
	return lo
}

// walk is the distribution of a count of bad events: mass[i] is the
// probability of low+i.
type walk struct {
	rate float64
	low  int
	mass []float64
}

// step adds one event.
func (w *walk) step() {
	carry := 0.0
	for i, m := range w.mass {
		w.mass[i] = m*(1-w.rate) + carry
		carry = m * w.rate
	}
	if carry > 1e-14 {
		w.mass = append(w.mass, carry)
	}
}

// take removes the counts up to edge and returns their probability.
func (w *walk) take(edge int) float64 {
	sum := 0.0
	for len(w.mass) > 0 && w.low <= edge {
		sum += w.mass[0]
		w.mass = w.mass[1:]
		w.low++
	}
	return sum
}
