package evidence

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// pairing is a release beside a baseline, each with its own rate in each minute.
type pairing struct {
	mean, share    float64 // events of both a minute, and the release's part
	rate, rho      float64
	baseline, rhoB float64
}

// ride lets releases run past the rule, limit 1 %, trigger 3 %, with its baseline. passed
// is how many are proven at the end of the window.
func (p pairing) ride(seed uint64, looks, runs int) (o outcomes, passed int) {
	rule, below := ruled(true, 4), NewBelow(.01)
	for i := range runs {
		d := newDice(seed*1_000_003 + uint64(i))
		c := Case{Beside: new(Versus)}
		var window Window
		held, rolled := never, never
		for t := 0; t < looks && rolled == never; t++ {
			m := d.count(p.mean*p.share, d.beta(p.rate, p.rho))
			b := d.count(p.mean*(1-p.share), d.beta(p.baseline, p.rhoB))
			rule.Look(&c, int64(t), int64(t+1), m, b, prior(&c, looks))
			window.Add(m)
			held, rolled = rule.climbed(&c, Scope{Newest: int64(t + 1)}, t+1, held, rolled)
		}
		if window.Proves(below, 1) >= math.Log(20) {
			passed++
		}
		o.held, o.rolled = append(o.held, held), append(o.rolled, rolled)
	}
	return o, passed
}

// Both equally bad, and swinging on their own: that is no fault of the release.
func TestBothSwingOnTheirOwn(t *testing.T) {
	rhos := []float64{.01, .1}
	if *long {
		rhos = []float64{0, .003, .01, .03, .1}
	}
	for _, mean := range []float64{120, 1200} {
		for _, rho := range rhos {
			o, passed := pairing{mean, .1, .04, rho, .04, rho}.ride(1, 240, scale(2000))
			name := fmt.Sprintf("both at 4 %%, rho %g, %g a minute: rolled back", rho, mean/10)
			o.tell(t, name, 0)
			share(t, name, reached(o.rolled), len(o.rolled), .03)
			if passed > 0 {
				t.Errorf("%s: %d passed", name, passed)
			}
		}
	}
}

// A release that fails alone is found beside a baseline that swings.
func TestAReleaseThatFailsAloneIsFound(t *testing.T) {
	for _, c := range []struct {
		mean, rho, rhoB float64
		median          int
	}{{120, 0, 0, 17}, {120, 0, .01, 25}, {120, .01, .01, 25}, {1200, 0, 0, 8}, {1200, 0, .01, 12}} {
		o, _ := pairing{c.mean, .1, .05, c.rho, .009, c.rhoB}.ride(2, 240, scale(4000))
		name := fmt.Sprintf("5 %% beside 0.9 %%, rho %g and %g, %g a minute", c.rho, c.rhoB, c.mean/10)
		o.tell(t, name, 0)
		slack := 0
		if !*long {
			slack = 2
		}
		if median, _ := quantiles(o.rolled); median > c.median+slack || reached(o.rolled) < len(o.rolled)*98/100 {
			t.Errorf("%s: rolled back after %d minutes, want %d", name, median, c.median)
		}
	}
}

// A baseline that is no better is never less than what Confirm says against the release;
// a minute without events on a side changes nothing.
func TestSwayIsMoreCautious(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := NewPair(0)
		var tr PairTrack
		var s Sway
		if p.Confirms(&tr, &s) != 0 {
			t.Fatal("there is evidence before the first look")
		}
		canary, baseline := drawMinutes(t, 1), drawMinutes(t, 1)
		for i := range min(len(canary), len(baseline)) {
			before := s
			p.Look(&tr, canary[i], baseline[i], .1)
			p.Sway(&s, canary[i], baseline[i], .1)
			if (canary[i].N == 0 || baseline[i].N == 0) && s != before {
				t.Fatal("a minute without events changes the sway")
			}
			if got, most := p.Confirms(&tr, &s), p.Confirm(&tr); got > max(most, 0)+1e-9 { // below 0 there is no evidence to be cautious with
				t.Fatalf("confirms %v, more than %v", got, most)
			}
		}
		if q := NewPair(.1); q.Confirms(&tr, &s) != q.LogE(&tr) {
			t.Fatal("with a difference that is allowed, Confirms is not LogE")
		}
	})
}
