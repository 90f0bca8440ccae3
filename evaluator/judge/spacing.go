package judge

import (
	"math"

	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

const (
	// spacedFew is how many distances between neighbours show how far apart a signal's
	// values come.
	spacedFew = 8
	// spacedEnough is how few of them are enough to say so.
	spacedEnough = 3
	// spacedAlike is which part of them must be the same: where a service has hardly any
	// traffic, its values come apart by chance.
	spacedAlike = .75
)

// Spacing is how far apart the newest values of a signal come, in seconds: the least
// distance between neighbours, and a period where that is no more, or where too few are
// known. A metric that is sent every five minutes and declared with a period of one is
// judged against a release at the spacing that came, where nearly all distances are the
// same. It never helps a pass: a window has as many periods as the plan says.
func Spacing(kind rules.Kind, points []rules.Point, width int64) int64 {
	least, alike, n, after, last := int64(math.MaxInt64), 0, 0, int64(0), int64(math.MaxInt64)
	for i := len(points) - 1; i >= 0 && n < spacedFew; i-- {
		p := &points[i]
		if !hasValue(kind, p) {
			continue
		}
		if last-p.At <= width {
			return width // and so are the periods around them: mostly no division is needed to tell
		}
		last = p.At
		at := series.AlignDown(p.At, width)
		if after != 0 {
			n++
			switch gap := after - at; {
			case gap <= width:
				return width
			case gap < least:
				least, alike = gap, 1
			case gap == least:
				alike++
			}
		}
		after = at
	}
	if n < spacedEnough || float64(alike) < spacedAlike*float64(n) {
		return width
	}
	return least
}
