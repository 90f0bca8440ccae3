package simulation

import (
	"math"
	"slices"

	"github.com/relgate/relgate/evaluator/evidence"
)

// Outcome is what became of the simulated releases under one rule.
type Outcome struct {
	Rule  string
	Knows Reached // the rungs that the rule has
	Fires [Rungs]Fires
}

// Fires is how often and when a rule came to a rung.
type Fires struct {
	Runs  int   // releases
	Early int   // releases in which it did so before the fault had begun
	After []int // looks from the beginning of the fault to the first fire, ascending, one for each other release that reached the rung
}

// Count is in how many releases the rung was reached at all.
func (f *Fires) Count() int { return f.Early + len(f.After) }

// Share is the same as a share of all releases, 0..1.
func (f *Fires) Share() float64 { return float64(f.Count()) / float64(f.Runs) }

// Interval is the exact interval of Share for so many releases, with a
// confidence of conf, 0..1.
func (f *Fires) Interval(conf float64) (lo, hi float64) {
	return evidence.ClopperPearson(float64(f.Count()), float64(f.Runs), conf)
}

// Found is the share of releases in which the rung was reached once the fault
// had begun, 0..1.
func (f *Fires) Found() float64 { return float64(len(f.After)) / float64(f.Runs) }

// Quantile is the number of looks within which the share q of all releases
// reached the rung after the fault had begun, and false when fewer did.
func (f *Fires) Quantile(q float64) (looks int, reached bool) {
	k := max(int(math.Ceil(q*float64(f.Runs)-1e-9)), 1)
	if k > len(f.After) {
		return 0, false
	}
	return f.After[k-1], true
}

// Within is the share of all releases in which the rung was reached in at most
// so many looks after the fault had begun, 0..1.
func (f *Fires) Within(looks int) float64 {
	n, _ := slices.BinarySearch(f.After, looks+1)
	return float64(n) / float64(f.Runs)
}

// outcomes sorts what the spectators wrote down by rule and rung.
func (c *Config) outcomes(fired []firsts) []Outcome {
	out := make([]Outcome, len(c.Rules))
	for k, r := range c.Rules {
		o := Outcome{Rule: r.Name(), Knows: r.Knows()}
		for rung := range o.Fires {
			f := &o.Fires[rung]
			f.Runs = c.Runs
			for i := range c.Runs {
				switch look := int(fired[i*len(c.Rules)+k][rung]); {
				case look == 0:
				case look <= c.Release.Since:
					f.Early++
				default:
					f.After = append(f.After, look-c.Release.Since)
				}
			}
			slices.Sort(f.After)
		}
		out[k] = o
	}
	return out
}
