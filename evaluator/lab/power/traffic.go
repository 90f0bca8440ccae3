package power

import (
	"math"
	"time"

	"github.com/relgate/relgate/rules"
)

// traffic is what a phase will see of a rule's signal.
type traffic struct {
	rate    float64       // samples a second
	period  time.Duration // of a period
	skip    time.Duration // from the phase's start to that of the first whole period
	window  time.Duration // of whole periods in the phase's window
	part    bool          // of the window only the end is judged
	lag     time.Duration // how much older than settled a period must be to count in favour
	waits   time.Duration // of whole periods in the window and as long as the phase waits beyond it
	latest  time.Duration // what can count in favour before the phase gives up, beyond skip
	cluster float64       // samples that tell as much as one
}

// trafficOf gives the traffic of a rule in a phase, and whether it is known.
func trafficOf(plan *rules.Plan, p *rules.Phase, r *rules.Rule) (traffic, bool) {
	sig := &plan.Signals[r.Signal]
	t := traffic{
		rate: sig.Rate * p.Traffic, period: max(sig.Period, time.Second), cluster: max(sig.Cluster, 1),
		lag: max(sig.Maturity-sig.Settle, 0),
	}
	start := plan.Start.Add(p.Start).Unix()
	w := int64(t.period / time.Second)
	from := (start + w - 1) / w * w
	t.skip = time.Duration(from-start) * time.Second
	whole := func(length time.Duration) time.Duration {
		return max(time.Duration((start+int64(length/time.Second))/w*w-from), 0) * time.Second
	}
	t.window = whole(p.Window)
	t.waits = whole(p.Window + p.Extend)
	t.latest = whole(max(p.Window+p.Extend-max(sig.Settle, sig.Maturity), 0))
	if r.Over > 0 && r.Method == rules.ByThreshold && r.Kind == rules.Success {
		t.window, t.part = r.Over/t.period*t.period, true
	}
	return t, sig.Rate > 0 && p.Window > 0
}

// in is how many samples a length of time holds.
func (t *traffic) in(d time.Duration) float64 { return t.rate * d.Seconds() }

// bucket is how many samples one period holds.
func (t *traffic) bucket() float64 { return t.in(t.period) }

// buckets is how many periods a length of time holds.
func (t *traffic) buckets(d time.Duration) int { return int(d / t.period) }

// ripe is what counts in favour when the phase's window has ended and settled.
func (t *traffic) ripe() time.Duration { return max(t.window-t.lag, 0) / t.period * t.period }

// until is how long after the phase's start so many samples count in favour; ok is
// false for more than ten years.
func (t *traffic) until(samples float64) (d time.Duration, ok bool) {
	buckets := math.Ceil(samples/t.bucket() - 1e-9)
	if buckets*t.period.Hours() > 87600 {
		return 0, false
	}
	return time.Duration(buckets)*t.period + t.lag + t.skip, true
}
