package rollout

import (
	"math"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

const (
	// enough is how many samples are counted where the newest periods have so many: a
	// longer stretch would show a change of the share later.
	enough = 1000
	// least is how many there must be for a share to be known.
	least = 100

	// exactly is how far a level may be off: what adding up weights does to a float.
	exactly = 1e-6
	// A counted share may be off by a hundredth of the traffic, and by a tenth of what was
	// planned.
	pointOff, partOff = 0.01, 0.1
	// chance is how many standard deviations of a counted share are no mismatch.
	chance = 3
)

// Seen is the share of a phase as it is seen now, in periods that begin at or after from; nil
// where no signal tells it.
func Seen(sc *judge.Scene, phase int, from int64) *fact.Observed {
	i := sc.Lay.Plan.Observed(phase)
	if i < 0 {
		return nil
	}
	o := &fact.Observed{Signal: sc.Lay.Plan.Signals[i].Name}
	if sc.Lay.Plan.Signals[i].Kind == rules.Gauge {
		level(sc, i, from, o)
	} else {
		counted(sc, i, from, o)
	}
	return o
}

// level takes the newest level.
func level(sc *judge.Scene, i int, from int64, o *fact.Observed) {
	if o.Cause = sc.Unheard(i); o.Cause != rules.CauseNone || len(sc.Signals[i].Points) == 0 {
		return
	}
	s := &sc.Signals[i]
	w := s.Bucket(&sc.Lay.Signals[i])
	last := len(s.Points) - 1
	p := s.Points[last]
	switch {
	case !(p.Value >= 0 && p.Value <= 1):
		o.Cause = rules.CauseConfig // it is no share of anything
		return
	case p.At < series.AlignUp(from, w):
		o.Cause = rules.CauseUnsettled
		return
	}
	first := last
	for first > 0 && s.Points[first-1].Value == p.Value && s.Points[first-1].At >= from {
		first--
	}
	o.Known, o.Share = true, p.Value
	o.Since, o.At = series.When(s.Points[first].At), series.When(min(p.At+w, sc.At))
}

// counted adds up what the release and what runs beside it have had.
func counted(sc *judge.Scene, i int, from int64, o *fact.Observed) {
	b := sc.Lay.Plan.Signals[i].Baseline
	if b <= 0 || b >= len(sc.Signals) {
		o.Cause = rules.CauseConfig
		return
	}
	own, beside := &sc.Signals[i], &sc.Signals[b]
	w := own.Bucket(&sc.Lay.Signals[i])
	if o.Cause = sc.Unheard(i); o.Cause == rules.CauseNone {
		o.Cause = sc.Unheard(b)
	}
	switch {
	case o.Cause != rules.CauseNone:
		return
	case w != beside.Bucket(&sc.Lay.Signals[b]):
		o.Cause = rules.CauseConfig // periods of another width do not compare
		return
	case !sampled(beside):
		o.Cause = rules.CauseNoData // of a name that was never seen nothing is known: it may be misspelled
		return
	}
	end := series.AlignDown(min(own.Settled, beside.Settled), w)
	from = max(series.AlignUp(from, w), end-rules.ObservedPeriods*w)
	var n, all float64
	oldest, newest := int64(0), int64(0)
	for at := end - w; at >= from && all < enough; at -= w {
		a, c := samples(own, at, w), samples(beside, at, w)
		if a+c <= 0 {
			continue
		}
		n, all, oldest, newest = n+a, all+a+c, at, max(newest, at+w)
	}
	if all < least {
		o.Cause = rules.CauseInsufficientSamples
		return
	}
	o.Known, o.Share, o.Samples = true, n/all, all
	o.Since, o.At = series.When(oldest), series.When(newest)
}

// sampled reports whether a series has ever had a sample.
func sampled(s *series.Series) bool {
	if s.Gone > 0 {
		return true
	}
	for i := range s.Points {
		if s.Points[i].Samples > 0 {
			return true
		}
	}
	return false
}

// samples is how many a period had.
func samples(s *series.Series, at, w int64) (n float64) {
	for _, p := range s.Points[series.Before(s.Points, at):series.Before(s.Points, at+w)] {
		n += p.Samples
	}
	return n
}

// off is how far a share may be from the planned one.
func off(o *fact.Observed, planned float64) float64 {
	if o.Samples == 0 {
		return exactly
	}
	return max(pointOff, partOff*planned)
}

// differs reports whether a share is known to be another than the planned one, beyond what
// chance does to so many samples.
func differs(o *fact.Observed, planned float64) bool {
	may := off(o, planned)
	if o.Samples > 0 {
		may = max(may, chance*math.Sqrt(planned*(1-planned)/o.Samples))
	}
	return o.Known && math.Abs(o.Share-planned) > may
}

// reaches reports whether a share is known to be the planned one, or more.
func reaches(o *fact.Observed, planned float64) bool {
	return o.Known && o.Share >= planned-off(o, planned)
}
