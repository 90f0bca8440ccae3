package cloudwatch

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/relgate/relgate/internal/amazon"
	"github.com/relgate/relgate/rules"
)

// fill makes a reading of two series: what was counted, and of how many.
func (s *Source) fill(r *rules.Reading, a ask, answers map[statistic]*series, now time.Time) {
	value, count := a.both(answers)
	worst := value.failure
	if severity(count.failure.Fault) > severity(worst.Fault) {
		worst = count.failure
	}
	fail(r, worst)
	r.Ref = value.ref
	if r.Fault != rules.OK && r.Fault != rules.PartialData {
		return
	}
	settled, lacking := settledUntil(a, now), 0
	for at, n := range count.at {
		if at < a.from || at >= a.to || n <= 0 {
			continue // a period without samples says nothing
		}
		if at+a.period > settled && !(a.value.grows() && a.count.grows()) {
			continue // a metric that comes late would make what it is subtracted from too large
		}
		p, filled, ok := a.point(at, n, value)
		if !ok {
			if at+a.period <= settled {
				lacking++
			}
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
		if filled {
			r.Filled = append(r.Filled, at)
		}
	}
	slices.SortFunc(r.Points, func(x, y rules.Point) int { return int(x.At - y.At) })
	slices.Sort(r.Filled)
	if why := a.contradiction(value, count, settled); why != "" && r.Fault == rules.OK {
		r.Fault, r.Detail = rules.PartialData, clipped("%s", why)
	}
	if r.Fault != rules.OK {
		return
	}
	r.SettledUntil = settled
	if len(r.Points) == 0 {
		r.Fault, r.Detail = rules.NoData, clipped("%s", s.lacks(a.count, count))
		if len(count.at) > 0 {
			r.Detail = scrub(amazon.Clip(s.lacks(a.value, value), amazon.MaxDetail-len(a.hint())) + a.hint())
		}
		return
	}
	if a.zeroBad && len(value.silent) > 0 {
		r.Note = clipped("%s", value.silent.unsent())
	}
	if hint := a.hint(); hint != "" && lacking > 0 {
		r.Note = clipped("%s has no value in %d of %d periods%s", a.value.metrics(), lacking, lacking+len(r.Points), hint)
	}
}

// contradiction says what cannot be in the first settled period of a ratio that counts bad
// ones of no total, or a number below 0, "" where there is no such period. A part of the
// answer is missing there, or bad or total is wrong. It is no period without traffic.
func (a ask) contradiction(value, count *total, settled int64) string {
	if a.kind != rules.Ratio || a.exceeds {
		return ""
	}
	first, why := int64(math.MaxInt64), ""
	note := func(at int64, format string, args ...any) {
		if at < first && at >= a.from && at+a.period <= settled {
			first, why = at, fmt.Sprintf(format, args...)
		}
	}
	for at, n := range count.at {
		if n < 0 && a.count.expression != nil {
			note(at, "%v is %v in the period at %s: below 0", a.count, n, clock(at))
		}
	}
	for at, n := range value.at {
		switch {
		case n < 0 && a.value.expression != nil:
			note(at, "%v is %v in the period at %s: below 0", a.value, n, clock(at))
		case n > 0 && count.at[at] <= 0:
			note(at, "%v is %v in the period at %s, and %v is 0 or missing", a.value, n, clock(at), a.count)
		}
	}
	return why
}

// hint says what is often meant where all was counted and the bad ones were not: they
// may be sent only when there are any.
func (a ask) hint() string {
	if a.kind != rules.Ratio || a.exceeds || a.zeroBad || !a.value.grows() {
		return ""
	}
	return fmt.Sprintf(", and %s has: if it is sent only when something fails, write missing_bad_is_zero = true", a.count.metrics())
}

// point is what one period says, and whether a zero stands for a part of it; not ok when a
// part of it is missing.
func (a ask) point(at int64, n float64, value *total) (p rules.Point, filled, ok bool) {
	v, ok := value.at[at]
	// Only a complete answer can mean that there were no bad ones.
	filled = !ok && a.zeroBad && value.failure.Fault == rules.OK
	filled = filled || ok && value.missing[at]
	switch {
	case !ok && !filled:
		return rules.Point{}, false, false
	case !ok:
		v, _ = a.value.calculate(nil) // of zeros
	case a.exceeds && value.counted:
		v = rounded(n - min(v, n)) // an interpolated count may pass the number of samples
	case a.exceeds:
		v = rounded(n * (1 - min(v, 100)/100))
	case a.kind != rules.Ratio:
		v *= a.factor
	}
	if a.kind == rules.Ratio && v < 0 {
		return rules.Point{}, false, false
	}
	return rules.Point{At: at, Value: v, Samples: n}, filled, true
}

// rounded takes the rounding errors of a percentage from a count. What is a fraction
// stays one: CloudWatch interpolates.
func rounded(v float64) float64 { return math.Round(v*1e6) / 1e6 }

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
