package cloudwatch

import (
	"fmt"
	"slices"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources/internal/amazon"
)

// fill makes a reading of two series: what was counted, and of how many.
func fill(r *rules.Reading, a ask, value, count *series, now time.Time) {
	worst := value
	if severity(count.failure.Fault) > severity(value.failure.Fault) {
		worst = count
	}
	fail(r, worst.failure)
	r.Ref = value.ref
	if r.Fault != rules.OK && r.Fault != rules.PartialData {
		return
	}
	settled := settledUntil(a, now)
	for at, n := range count.at {
		if at < a.from || at >= a.to || n <= 0 {
			continue // a period without samples says nothing
		}
		p, ok := a.point(at, n, value)
		if !ok {
			continue
		}
		if p.Value > p.Samples && a.kind == rules.Ratio {
			p.Value = p.Samples
			if at+a.period <= settled && r.Fault == rules.OK {
				// In a young period one metric may come before the other; an old one must be consistent.
				r.Fault = rules.PartialData
				r.Detail = clipped("%v counts more than %v in the period at %s", a.value, a.count, clock(at))
			}
		}
		r.Points = append(r.Points, p)
	}
	slices.SortFunc(r.Points, func(x, y rules.Point) int { return int(x.At - y.At) })
	if r.Fault != rules.OK {
		return
	}
	r.SettledUntil = settled
	if len(r.Points) == 0 {
		r.Fault, r.Detail = rules.NoData, clipped("no datapoint of %v", a.count)
		if len(count.at) > 0 {
			r.Detail = clipped("no datapoint of %v", a.value)
		}
		return
	}
	if a.zeroBad && len(value.at) == 0 {
		r.Note = clipped("%s has sent nothing in this range: counted as 0", a.value.metric)
	}
}

// point is what one period says; false when a part of it is missing.
func (a ask) point(at int64, n float64, value *series) (rules.Point, bool) {
	v, ok := value.at[at]
	switch {
	case !ok && a.zeroBad && value.failure.Fault == rules.OK:
		// Only a complete answer can mean that there were no bad ones.
		v = 0
	case !ok:
		return rules.Point{}, false
	case a.exceeds && value.rank:
		// The rank is the percentage at or below the threshold.
		v = n * (1 - min(v, 100)/100)
	case a.exceeds:
		v = min(v, n) // an interpolated count may pass the number of samples
	case a.kind != rules.Ratio:
		v *= a.factor
	}
	if a.kind == rules.Ratio && v < 0 {
		return rules.Point{}, false
	}
	return rules.Point{At: at, Value: v, Samples: n}, true
}

// settledUntil is the watermark of a complete answer. It is never beyond the
// range that was asked for.
func settledUntil(a ask, now time.Time) int64 {
	return min(floor(now.Add(-a.settle).Unix(), a.period), floor(a.to, a.period))
}

func clock(at int64) string { return time.Unix(at, 0).UTC().Format(time.RFC3339) }

func clipped(format string, args ...any) string {
	return scrub(fmt.Sprintf(format, args...))
}

// scrub makes a text fit for a reading.
func scrub(text string) string { return amazon.Scrub(text) }
