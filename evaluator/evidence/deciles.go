package evidence

import "math"

// SmallCell is the number of events below which a cell of Deciles is reported as
// small: its share is too uncertain for comparisons.
const SmallCell = 30

// Disparity says how far apart the rates of several groups are.
type Disparity struct {
	Gap       float64 // greatest rate minus smallest, biased upward: see Expected
	High, Low int     // the two groups of Gap

	// LowerFail is a lower bound of the true gap: if no pair is further apart than
	// is allowed, it exceeds the allowed gap with probability at most alpha (fail).
	// FailHigh and FailLow are its pair.
	LowerFail         float64
	FailHigh, FailLow int

	// UpperPass is an upper bound of the true gap at level alpha (pass).
	UpperPass float64

	Shrunken float64 // gap of the rates, each pulled to the mean: nearly unbiased
	Expected float64 // mean of Gap if the groups did not differ at all
	Small    []int   // groups with fewer than SmallCell events
	Silent   []int   // groups without events, or with impossible counts
}

// cell is one group with events.
type cell struct {
	index   int
	x, n, p float64
}

// Deciles compares the shares x[i]/n[i] of K groups. Each ordered pair has the
// interval of Newcombe (1998, method 10) for the difference of two
// proportions. The lower bound is the greatest over pairs at
// alphaFail/(K(K-1)), since any pair could be far apart by chance (Bonferroni);
// the upper bound is the greatest at alphaPass itself, since all pairs must be
// near (intersection-union, Berger 1982).
//
// Shrunken pulls each rate to the mean by the root of the share that the spread
// of the true rates has in its variance (Louis 1984), so that the spread of the
// estimates is that of the true rates. It is estimated by DerSimonian and Laird
// (1986), where a group whose share is 0 or 1 has the variance of (x+1/2)/(n+1).
//
// A group without events, or with impossible counts, is Silent: the bounds do not
// cover it, so UpperPass is 1. With fewer than two other groups, or
// an alpha outside (0, 1), LowerFail is -1 and UpperPass 1; an alpha above a
// half counts as a half.
func Deciles(x, n []float64, alphaFail, alphaPass float64) Disparity {
	cells, d := cellsOf(x, n)
	d.LowerFail, d.UpperPass = -1, 1
	if len(cells) < 2 {
		return d
	}
	d.extremes(cells)
	d.Shrunken = shrunken(cells, between(cells))
	if inside(alphaFail) {
		d.fail(cells, alphaFail)
	}
	if inside(alphaPass) && len(d.Silent) == 0 {
		d.pass(cells, alphaPass)
	}
	return d
}

// cellsOf returns the groups with events, and names the others.
func cellsOf(x, n []float64) (cells []cell, d Disparity) {
	for i := range max(len(x), len(n)) {
		bad, all, ok := 0.0, 0.0, false
		if i < len(x) && i < len(n) {
			bad, all, ok = counts(x[i], n[i])
		}
		if !ok {
			d.Silent = append(d.Silent, i)
			continue
		}
		if all < SmallCell {
			d.Small = append(d.Small, i)
		}
		cells = append(cells, cell{index: i, x: bad, n: all, p: bad / all})
	}
	return cells, d
}

// extremes is the plain gap, and the one expected without any difference.
func (d *Disparity) extremes(cells []cell) {
	high, low, inverse := cells[0], cells[0], 0.0
	for _, c := range cells {
		if c.p > high.p {
			high = c
		}
		if c.p < low.p {
			low = c
		}
		inverse += 1 / c.n
	}
	d.Gap, d.High, d.Low = high.p-low.p, high.index, low.index
	p, k := pooled(cells), len(cells)
	d.Expected = ExpectedNormalRange(k) * math.Sqrt(p*(1-p)*inverse/float64(k))
}

// pooled is the share over all groups.
func pooled(cells []cell) float64 {
	x, n := 0.0, 0.0
	for _, c := range cells {
		x, n = x+c.x, n+c.n
	}
	return x / n
}

// variance is the sampling variance of the cell's share, never 0.
func (c cell) variance() float64 {
	p := c.p
	if !inside(p) {
		p = (c.x + .5) / (c.n + 1)
	}
	return max(p*(1-p), 1e-18) / c.n
}

// between estimates the variance of the true rates between the cells.
func between(cells []cell) float64 {
	w, w2, wp := 0.0, 0.0, 0.0
	for _, c := range cells {
		v := 1 / c.variance()
		w, w2, wp = w+v, w2+v*v, wp+v*c.p
	}
	q := 0.0
	for _, c := range cells {
		q += (c.p - wp/w) * (c.p - wp/w) / c.variance()
	}
	spare := w - w2/w
	if !(spare > 0) {
		return 0
	}
	return max(0, (q-float64(len(cells)-1))/spare)
}

// shrunken is the gap of the rates, pulled to their weighted mean, where tau2 is
// the variance of the true rates.
func shrunken(cells []cell, tau2 float64) float64 {
	w, wp := 0.0, 0.0
	for _, c := range cells {
		v := 1 / (c.variance() + tau2)
		w, wp = w+v, wp+v*c.p
	}
	high, low := math.Inf(-1), math.Inf(1)
	for _, c := range cells {
		at := wp/w + (c.p-wp/w)*math.Sqrt(tau2/(tau2+c.variance()))
		high, low = max(high, at), min(low, at)
	}
	return high - low
}

// fail is the greatest lower bound over the ordered pairs.
func (d *Disparity) fail(cells []cell, alpha float64) {
	k := float64(len(cells))
	lo, hi := wilsonAll(cells, alpha/(k*(k-1)))
	d.LowerFail = math.Inf(-1)
	for i, a := range cells {
		for j, b := range cells {
			if i == j {
				continue
			}
			if v := a.p - b.p - math.Hypot(a.p-lo[i], hi[j]-b.p); v > d.LowerFail {
				d.LowerFail, d.FailHigh, d.FailLow = v, a.index, b.index
			}
		}
	}
}

// pass is the greatest upper bound over the ordered pairs.
func (d *Disparity) pass(cells []cell, alpha float64) {
	lo, hi := wilsonAll(cells, alpha)
	d.UpperPass = math.Inf(-1)
	for i, a := range cells {
		for j, b := range cells {
			if i != j {
				d.UpperPass = max(d.UpperPass, a.p-b.p+math.Hypot(hi[i]-a.p, b.p-lo[j]))
			}
		}
	}
}

// wilsonAll is Wilson's interval of each cell, one-sided at level alpha.
func wilsonAll(cells []cell, alpha float64) (lo, hi []float64) {
	z := max(-normalQuantile(alpha), 0)
	for _, c := range cells {
		l, h := wilsonZ(c.x, c.n, z)
		lo, hi = append(lo, l), append(hi, h)
	}
	return lo, hi
}

// ExpectedNormalRange is the mean of the range (greatest minus smallest) of k
// independent standard normal values: the integral of 1 - Phi^k - (1-Phi)^k
// (Tippett 1925). For ten groups that do not differ it is 3.08. It is 0 for
// k < 2.
func ExpectedNormalRange(k int) float64 {
	if k < 2 {
		return 0
	}
	// The integrand is smooth and dies out like a normal density at least a
	// sixth as wide, so the trapezoidal rule with steps of a sixteenth is exact
	// to rounding.
	const h = 1. / 16
	sum, term := 0.0, 1.0
	for z := h / 2; term > 1e-17*sum; z += h {
		up := normalTail(z)
		term = -math.Expm1(float64(k)*math.Log1p(-up)) - math.Pow(up, float64(k))
		sum += term
	}
	return 2 * h * sum
}
