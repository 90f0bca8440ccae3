package evidence

import (
	"math"
	"testing"
)

// FuzzTotal feeds any numbers to every function: none may panic or give NaN.
func FuzzTotal(f *testing.F) {
	odd := []float64{0, 1, -1, .5, 1e-300, 1e300, 40, math.Inf(1), math.Inf(-1), math.NaN(), 1 << 53, math.MaxFloat64, 1 - 1e-16}
	for i := range odd {
		at := func(k int) float64 { return odd[(i+k)%len(odd)] }
		f.Add(at(0), at(1), at(2), at(3), at(5), 10)
		f.Add(40., 1e6, at(0), at(4), at(7), 59)
		f.Add(at(0), at(0), .01, .03, .05, -3)
		f.Add(3., 40., .01, at(0), .05, 3)
	}
	f.Fuzz(func(t *testing.T, x, n, p, q, r float64, k int) {
		check := func(name string, v ...float64) {
			for i, f := range v {
				if math.IsNaN(f) {
					t.Errorf("%s(%v, %v, %v, %v, %v, %v)[%d] is NaN", name, x, n, p, q, r, k, i)
				}
			}
		}
		totalGrids(check, x, n, p, q, r)
		totalTracks(t, check, x, n, p, q, r)
		totalIntervals(check, x, n, p, q, r, k)
		totalPlans(check, x, n, p, q, r)
	})
}

func totalGrids(check func(string, ...float64), x, n, p, q, r float64) {
	list := []float64{p, q, r, x, .3}
	check("LogGrid", LogGrid(x, n, p, list, list))
	var spread Spread
	spread.Add(Minute{n, x})
	spread.Add(Minute{x, n})
	spread.Add(Minute{3, 1})
	check("Spread", spread.Raw(), spread.Phi())
	check("AtLeast", AtLeast(x, n, p))
	s := Stars{x, n, p, q, r}
	check("Rating", RatingBelow(s, x, list), RatingAbove(s, r, list), RatingBelow(s, 4.5, RatingFracs[:]))
	avg, plain := BayesianAverage(s, n, p)
	lo, hi := RatingInterval(s, Stars{p, q, r, x, n}, q)
	check("Ratings", avg, plain, lo, hi)
}

func totalTracks(t *testing.T, check func(string, ...float64), x, n, p, q, r float64) {
	test := NewTest(p, q).Clustered(r)
	var tr Track
	for i, m := range []Minute{{n, x}, {x, n}, {12, 1}, {12.5, .7}, {r, q}} {
		test.Look(&tr, int64(i), m, r)
		test.Look(&tr, int64(i), m, .01)
	}
	check("Test", test.Warn(&tr), test.Hold(&tr), test.Midpoint(&tr), test.Suspect(&tr).LLR)
	for _, v := range append(append(tr.LR[:], tr.Mid[:]...), tr.MB[:]...) {
		if math.IsInf(v, 0) || math.IsNaN(v) {
			t.Errorf("NewTest(%v, %v) after odd minutes: %+v is not finite", p, q, tr)
		}
	}
	pair := NewPair(p)
	var pt PairTrack
	pair.Look(&pt, Minute{n, x}, Minute{r, q}, r)
	pair.Look(&pt, Minute{12, 1}, Minute{n, x}, q)
	logE, a, b := LogTwoSample(Minute{n, x}, Minute{12, 1}, clamp(p, 0, 1), clamp(q, 0, 1), clamp(r, -2, 2))
	check("Pair", pair.LogE(&pt), pair.Confirm(&pt), logE, a, b, pair.delta)
	for _, v := range append(pt.LR[:], pt.MB[:]...) {
		if math.IsInf(v, 0) || math.IsNaN(v) {
			t.Errorf("NewPair(%v) after odd minutes: %+v is not finite", p, pt)
		}
	}
}

func totalIntervals(check func(string, ...float64), x, n, p, q, r float64, k int) {
	for name, f := range map[string]func(x, n, conf float64) (float64, float64){"wilsonZ": wilson, "ClopperPearson": ClopperPearson} {
		lo, hi := f(x, n, p)
		check(name, lo, hi)
		if !(0 <= lo && lo <= hi && hi <= 1) {
			check(name+" out of order", math.NaN())
		}
	}
	lo, hi := ConfidenceSequence(x, n, p, q, r)
	check("ConfidenceSequence", lo, hi)
	k = int(clamp(float64(k), -10, 1e6))
	d := Deciles([]float64{x, p, 10, r}, []float64{n, q, 200, 12}, p, q)
	check("Deciles", d.Gap, d.LowerFail, d.UpperPass, d.Shrunken, d.Expected, ExpectedNormalRange(k))
}

func totalPlans(check func(string, ...float64), x, n, p, q, r float64) {
	below := NewBelow(p)
	check("Ladder", below.LogE(x, n, q))
	more, _ := below.NeedClean(x, n, q, r)
	median, _ := NewBelow(max(p, .01)).Samples(q, r, .5)
	check("Plans", more, float64(median))
	_ = below.CanPass(x, n, q, r, 1)
}
