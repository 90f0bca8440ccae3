package evidence

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// rounding is what two ways of summing the same logarithms may differ by.
const rounding = 1e-9

// series draws minutes with whole counts, silent ones among them.
func drawMinutes(t *rapid.T, least int) []Minute {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Minute {
		n := rapid.IntRange(0, 30).Draw(t, "n")
		return Minute{N: float64(n), Bad: float64(rapid.IntRange(0, n).Draw(t, "bad"))}
	}), least, 30).Draw(t, "minutes")
}

// drawRates draws a limit and a trigger.
func drawRates(t *rapid.T) (limit, trigger float64) {
	limit = rapid.Float64Range(1e-4, .9).Draw(t, "limit")
	return limit, rapid.Float64Range(limit, .95).Draw(t, "trigger")
}

// drawTest draws a test with any two thresholds.
func drawTest(t *rapid.T) *Test { return NewTest(drawRates(t)) }

// run feeds minutes with even start weights, those without events included.
func run(test *Test, minutes []Minute) (tr Track) {
	for i, m := range minutes {
		test.Look(&tr, int64(i), m, start{len(minutes) + 1, .5}.weight(i))
	}
	return tr
}

// all is every number that a track says.
func all(test *Test, tr *Track) [4]float64 {
	return [4]float64{test.Warn(tr), test.Hold(tr), test.Midpoint(tr), test.Suspect(tr).LLR}
}

// The track is a function of the series alone, and a minute without events does
// not change it.
func TestMissingMinutesChangeNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		test, minutes := drawTest(t), drawMinutes(t, 0)
		var with, without Track
		for i, m := range minutes {
			omega := .5 / float64(len(minutes))
			test.Look(&with, int64(i), m, omega)
			test.Look(&with, int64(i), Minute{Bad: 3}, omega)
			test.Look(&with, int64(i), Minute{N: math.NaN(), Bad: 3}, omega)
			test.Look(&with, int64(i), Minute{N: 12, Bad: math.NaN()}, omega)
			test.Look(&with, int64(i), Minute{N: 12, Bad: -1}, omega)
			if m.N > 0 {
				test.Look(&without, int64(i), m, omega)
			}
		}
		if with != without {
			t.Errorf("with silent minutes %+v, without %+v", with, without)
		}
	})
}

// A period that arrives in two parts, the second without a start weight, is
// the same period to the likelihood ratio.
func TestSplitChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		test, minutes := drawTest(t), drawMinutes(t, 1)
		var whole, split Track
		for i, m := range minutes {
			omega := .5 / float64(len(minutes))
			test.Look(&whole, int64(i), m, omega)
			if m.N == 0 {
				continue
			}
			bad := math.Floor(m.Bad * rapid.Float64Range(0, 1).Draw(t, "share"))
			part := Minute{N: bad + math.Floor((m.N-m.Bad)/2), Bad: bad}
			if part.N == 0 {
				part = Minute{}
				test.Look(&split, int64(i), m, omega)
				continue
			}
			test.Look(&split, int64(i), part, omega)
			test.Look(&split, int64(i), Minute{N: m.N - part.N, Bad: m.Bad - part.Bad}, 0)
		}
		for _, c := range []struct {
			name      string
			got, want float64
		}{{"Warn", test.Warn(&split), test.Warn(&whole)}, {"Midpoint", test.Midpoint(&split), test.Midpoint(&whole)}, {"N", split.N, whole.N}, {"Bad", split.Bad, whole.Bad}} {
			if math.Abs(c.got-c.want) > rounding*(1+math.Abs(c.want)) {
				t.Errorf("%s = %v in two parts, %v in one", c.name, c.got, c.want)
			}
		}
	})
}

// One more bad event, instead of a good one or in addition, never lowers anything.
func TestMoreBadNeverLowers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit, trigger := drawRates(t)
		test, minutes := NewTest(limit, trigger), drawMinutes(t, 1)
		k := rapid.IntRange(0, len(minutes)-1).Draw(t, "minute")
		worse := append([]Minute(nil), minutes...)
		if rapid.Bool().Draw(t, "besides") {
			if worse[k].N == 0 {
				t.Skip("a silent minute that speaks also spends its start weight")
			}
			worse[k].N++
		} else if worse[k].Bad == worse[k].N {
			t.Skip("no good event to replace")
		}
		worse[k].Bad++
		a, b := run(test, minutes), run(test, worse)
		before, after := all(test, &a), all(test, &b)
		for i := range before {
			if after[i] < before[i]-rounding*(1+math.Abs(before[i])) {
				t.Errorf("evidence %d fell from %v to %v with one more bad event", i, before[i], after[i])
			}
		}
		if x, n := b.Bad, b.N; NewBelow(limit).LogE(x, n, 1) > NewBelow(limit).LogE(x-1, n, 1)+rounding {
			t.Errorf("the proof of a pass rose with one more bad event at %v of %v", x, n)
		}
	})
}

// More bad events of the canary never lower the evidence of a pair.
func TestPairMoreBadNeverLowers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := NewPair(rapid.SampledFrom([]float64{0, .01, -.01, .3}).Draw(t, "delta"))
		canary, baseline := drawMinutes(t, 1), drawMinutes(t, 1)
		k := rapid.IntRange(0, len(canary)-1).Draw(t, "minute")
		var a, b PairTrack
		for i := range min(len(canary), len(baseline)) {
			worse := canary[i]
			if i >= k && worse.Bad < worse.N {
				worse.Bad++
			}
			p.Look(&a, canary[i], baseline[i], .05)
			p.Look(&b, worse, baseline[i], .05)
			if p.LogE(&b) < p.LogE(&a)-rounding*(1+math.Abs(p.LogE(&a))) {
				t.Errorf("minute %d: LogE fell from %v to %v with a bad event more", i, p.LogE(&a), p.LogE(&b))
			}
			if p.Confirm(&b) < p.Confirm(&a)-rounding*(1+math.Abs(p.Confirm(&a))) {
				t.Errorf("minute %d: Confirm fell from %v to %v with a bad event more", i, p.Confirm(&a), p.Confirm(&b))
			}
		}
	})
}

// One burst, however bad, cannot reach 1/alpha by betting on minutes.
func TestOneBurstIsNoEvidence(t *testing.T) {
	test := NewTest(.01, .03)
	for _, n := range []float64{3, 12, 120, 10000} {
		var tr Track
		test.Look(&tr, 0, Minute{N: n, Bad: n}, .5)
		if got := test.Hold(&tr); got >= math.Log(100) {
			t.Errorf("Hold after one minute of %v failures = %v, want below log 100", n, got)
		}
	}
}

// The segment of a fault that begins late starts where it begins.
func TestSuspectFindsTheStart(t *testing.T) {
	test := NewTest(.01, .03)
	var tr Track
	for i := range 300 {
		bad := 0.0
		if i >= 200 {
			bad = float64(i%2) + 1
		}
		test.Look(&tr, int64(i), Minute{N: 12, Bad: bad}, .001)
	}
	s := test.Suspect(&tr)
	if s.Start != 200 || s.N != 1200 || s.Bad != 150 || s.BadLooks != 100 {
		t.Errorf("Suspect = %+v, want 150 bad of 1200 since 200 in 100 looks", s)
	}
}

// The sums that a track keeps give the dispersion of its minutes.
func TestSpreadIsDispersion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Spread
		var n, x []float64
		for _, m := range drawMinutes(t, 0) {
			s.Add(m)
			n, x = append(n, m.N), append(x, m.Bad)
		}
		raw := dispersion(n, x)
		if phi := max(1, raw); math.Abs(s.Raw()-raw) > 1e-9*(1+raw) || math.Abs(s.Phi()-phi) > 1e-9*phi {
			t.Errorf("Spread gives %v and %v, the formula %v and %v", s.Raw(), s.Phi(), raw, phi)
		}
	})
}

// dispersion is Pearson's chi-squared of the minutes over its degrees of freedom,
// by its definition, and 0 where it is undefined.
func dispersion(n, x []float64) (raw float64) {
	all, bad, looks := 0.0, 0.0, 0.0
	for t := range n {
		all, bad = all+n[t], bad+x[t]
		if n[t] > 0 {
			looks++
		}
	}
	p := bad / all
	if looks < 2 || !inside(p) {
		return 0
	}
	for t := range n {
		if n[t] > 0 {
			d := x[t] - n[t]*p
			raw += d * d / (n[t] * p * (1 - p))
		}
	}
	return raw / (looks - 1)
}
