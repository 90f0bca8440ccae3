package evidence

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mathext"
	"pgregory.net/rapid"
)

// Where another implementation is exact, the tails agree with it. Everywhere they
// agree with one step of the recurrence I_p(a, b) = I_p(a+1, b) +
// p^a (1-p)^b / (a B(a, b)) (Abramowitz and Stegun 26.5.16), also where one side
// uses Stirling's formula and the other does not.
func TestBetaTails(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := math.Exp(rapid.Float64Range(-4, 20).Draw(t, "log a"))
		b := math.Exp(rapid.Float64Range(-4, 20).Draw(t, "log b"))
		mean := a / (a + b)
		room := math.Sqrt(mean * (1 - mean) / (a + b + 1))
		p := clamp(mean+rapid.Float64Range(-4, 4).Draw(t, "deviations")*room, mean/100, 1-(1-mean)/100)
		if !inside(p) {
			t.Skip("too near to 0 or 1")
		}
		lower, upper := logBetaTails(p, a, b)
		if math.Abs(math.Exp(lower)+math.Exp(upper)-1) > 1e-14 {
			t.Errorf("tails of Beta(%v, %v) at %v sum to %v", a, b, p, math.Exp(lower)+math.Exp(upper))
		}
		if want := mathext.RegIncBeta(a, b, p); max(a, b) < 50 && math.Abs(math.Exp(lower)-want) > 1e-11 {
			t.Errorf("I_%v(%v, %v) = %v, want %v", p, a, b, math.Exp(lower), want)
		}
		above, _ := logBetaTails(p, a+1, b)
		step := math.Exp(logBetaDensity(p, a, b) - math.Log(a))
		// A change of p in its last place moves the tails by this much.
		rounding := 1e-15 * math.Exp(logBetaDensity(p, a, b)) * (1 + p/(1-p))
		if got, want := math.Exp(lower), math.Exp(above)+step; math.Abs(got-want) > 1e-11*(want+step)+rounding {
			t.Errorf("I_%v(%v, %v) = %v, want %v", p, a, b, got, want)
		}
	})
}

// Where p is near q the divergence is the square of their difference to all
// digits, and it is never negative.
func TestDivergenceOfCloseRates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := rapid.Float64Range(1e-6, .999).Draw(t, "q")
		p := q * (1 + math.Exp(-rapid.Float64Range(8, 34).Draw(t, "closeness"))*(1-q))
		d := p - q
		// Two terms of the series; the third is below the square of the second over the first.
		second := d * d / (2 * q * (1 - q))
		third := d * d * d * (2*q - 1) / (6 * q * q * (1 - q) * (1 - q))
		rest := d * d * d * d / math.Pow(q*(1-q), 3)
		got, want := divergence(p, q), second+third
		if !(got >= 0) || math.Abs(got-want) > 1e-13*want+rest {
			t.Errorf("divergence(%v, %v) = %v, want %v", p, q, got, want)
		}
	})
}

// divergence is that of Kullback and Leibler (1951) of an event that is bad with
// probability p from one with q, in nats.
func divergence(p, q float64) float64 {
	return deviance(p, q, q-p) + deviance(1-p, 1-q, p-q)
}
