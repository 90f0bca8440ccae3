package evidence

import "math"

// Window is the sums of the periods of a window that a proof needs, so that the
// periods themselves need not be kept. The zero value has seen none.
//
// A proof that takes events as independent is wrong where failures swing from period
// to period, as they mostly do. How much they swing is measured (Caution), and bursts
// that have come may come again (Surplus). Both are needed: a window with few bursts
// has a low rate and little swing at once, and would prove too much.
type Window struct {
	Spread
	Worst Minute // the period that stands out most: the one with the greatest Bad²/N
}

// Add adds one period. A period without events, or with impossible counts, changes
// nothing.
func (w *Window) Add(m Minute) {
	m, ok := m.counted()
	if !ok {
		return
	}
	w.Spread.Add(m)
	if w.Worst.N == 0 || m.Bad*m.Bad*w.Worst.N > w.Worst.Bad*w.Worst.Bad*m.N {
		w.Worst = m
	}
}

// Caution is the factor by which evidence of independent events is divided: Phi
// without the worst period, whose bad events Surplus counts twice. One burst says
// nothing about how the others come.
func (w *Window) Caution() float64 {
	s := w.Spread
	if s.Looks > 2 {
		s.N, s.Bad, s.Looks = s.N-w.Worst.N, s.Bad-w.Worst.Bad, s.Looks-1
		s.Square -= w.Worst.Bad * w.Worst.Bad / w.Worst.N
	}
	return s.Phi()
}

// Surplus is the bad events that a second burst like the worst period would add.
func (w *Window) Surplus() float64 { return max(w.Worst.Bad-1, 0) }

// Proves is the log e-value that the window's rate is on the ladder's side, for
// failures of which cluster carry the information of one, or as many as Caution has
// measured. Below 1, cluster is 1.
func (w *Window) Proves(l *Ladder, cluster float64) float64 {
	return l.LogE(min(wholeUp(w.Bad+w.Surplus()), w.N), w.N, max(w.Caution(), cluster))
}

// Excludes reports whether the window by itself refutes at level alpha that its rate
// is at most that of above, a ladder of NewAbove: a window that was bad is not made
// good by what came after it. Unlike a proof it is judged without the worst period's
// second burst, because that has not come.
func (w *Window) Excludes(above *Ladder, alpha, cluster float64) bool {
	if !inside(alpha) {
		return false
	}
	return above.LogE(wholeDown(w.Bad), w.N, max(w.Phi(), cluster)) >= -math.Log(alpha)
}
