package evidence

import (
	"math"
	"math/rand/v2"
	"testing"
)

// A case that is said to be harmless has no rung, in any history, and what is counted is
// the same. Most looks at good releases are known to be harmless.
func TestWhatIsHarmlessHasNoRung(t *testing.T) {
	for _, tt := range []struct {
		name  string
		terms Terms
		least float64 // part of the looks at releases with half of the limit that must be known to be harmless
	}{
		{"bursts are ridden out", Terms{Limit: .01, Trigger: .03, Alpha: .004, Aside: 3, Period: 60}, .95},
		{"one period is set aside", Terms{Limit: .01, Trigger: .03, Alpha: .004}, .95},
		{"beside a baseline", Terms{Limit: .01, Trigger: .03, Alpha: .004, Aside: 3, Period: 60, Beside: true, Grace: 300}, .9},
		{"in clusters", Terms{Limit: .01, Trigger: .03, Alpha: .02, Cluster: 4, Aside: 2, Period: 60, Beside: true}, .9},
		{"it has to last", Terms{Limit: .05, Trigger: .2, Alpha: .1, Aside: 1, Period: 60, Floor: 300}, .7},
		{"no bound is far enough", Terms{Limit: .01, Trigger: .03, Alpha: .6}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, rng := NewRule(tt.terms), rand.New(rand.NewPCG(1, 2))
			good, known, rungs := 0, 0, 0
			for range 4000 {
				factor := [...]float64{.5, .5, 1, 2, 6, 30}[rng.IntN(6)]
				volume := [...]float64{3, 40, 1000, 50_000}[rng.IntN(4)]
				history, young := rng.IntN(40), 1+rng.IntN(8)
				beside := [...]float64{1, 1, .01, 20}[rng.IntN(4)] // the baseline is as good, better or worse
				turns := rng.IntN(history + young)                 // half of the releases are good until then
				if rng.IntN(2) == 0 {
					turns = 0
				}
				c, before, x, omega := Case{}, Case{}, Ceiling{}, .5
				if tt.terms.Beside {
					c.Beside = new(Versus)
				}
				end, half := int64(0), beside >= 1
				for i := range history + young {
					rate := tt.terms.Limit / 2
					if i >= turns {
						rate *= 2 * factor
						half = half && factor == .5
					}
					end = int64(i+1) * 60
					canary, baseline := drawn(rng, volume, rate), drawn(rng, volume*float64(rng.IntN(4)), tt.terms.Limit/2*beside)
					if i == history {
						if before = c; c.Beside != nil {
							own := *c.Beside
							before.Beside = &own
						}
						x = r.Ceiling(&c)
					}
					if i >= history {
						r.Raise(&x, canary, baseline)
					}
					r.Look(&c, end-60, end, canary, baseline, omega)
					omega = .5 / 60
				}
				harmless := r.Harmless(&before, &x)
				s := r.Standing(&c, Scope{Newest: end})
				if harmless && s.Rung != NoRung {
					t.Fatalf("a case with rung %d is said to be harmless: warn %.2f, hold %.2f, baseline %.2f, bound %.2f", s.Rung, s.Warn, s.Hold, s.Pair, r.Bound)
				}
				if x.N != c.Track.N || x.Bad != c.Track.Bad || x.BadLooks != c.Track.BadLooks {
					t.Fatalf("%v bad of %v in %d periods are counted, want %v of %v in %d", x.Bad, x.N, x.BadLooks, c.Track.Bad, c.Track.N, c.Track.BadLooks)
				}
				for j, v := range c.Track.LR {
					over(t, "LR", v, before.Track.LR[j], x.rates[j])
				}
				for j, v := range c.Ride.MB {
					over(t, "MB", v, before.Ride.MB[j], x.minutes)
				}
				if c.Beside != nil {
					for j, v := range c.Beside.Pair.LR {
						over(t, "LR of the pair", v, before.Beside.Pair.LR[j], x.pair[j])
					}
				}
				if half {
					good++
					if harmless {
						known++
					}
				}
				if s.Rung != NoRung {
					rungs++
				}
			}
			if part := float64(known) / float64(good); part < tt.least {
				t.Errorf("%.3f of the looks at good releases are known to be harmless, want %v", part, tt.least)
			}
			if rungs < 300 {
				t.Errorf("only %d cases have a rung", rungs)
			}
		})
	}
}

// over fails a test where a term has come to more than was said.
func over(t *testing.T, name string, now, before, adds float64) {
	t.Helper()
	if most := max(before, 0) + adds + math.Ln2; now > most+doubt {
		t.Fatalf("%s comes to %.3f, and is said to come to %.3f at most", name, now, most)
	}
}

// drawn is a period of about so many events, each bad with a probability.
func drawn(rng *rand.Rand, volume, rate float64) Minute {
	m := Minute{N: float64(int(volume * (.5 + rng.Float64())))}
	mean := m.N * min(rate, 1)
	m.Bad = min(m.N, max(0, float64(int(mean+rng.NormFloat64()*math.Sqrt(mean)+rng.Float64()))))
	return m
}
