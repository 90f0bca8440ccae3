package simulation

import (
	"context"
	"errors"
	"math"
	"reflect"
	"testing"

	"github.com/relgate/relgate/evaluator/evidence"
)

// minutes are looks as "n/bad n/bad".
func minutes(pairs ...float64) []evidence.Minute {
	var out []evidence.Minute
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, evidence.Minute{N: pairs[i], Bad: pairs[i+1]})
	}
	return out
}

// repeat gives a look k times.
func repeat(k int, n, bad float64) []evidence.Minute {
	out := make([]evidence.Minute, k)
	for i := range out {
		out[i] = evidence.Minute{N: n, Bad: bad}
	}
	return out
}

// fire is the look at which a rule first reaches a rung, the first being 1; 0
// for never.
func fire(r Rule, rung Rung, looks []evidence.Minute) int {
	w := r.Watch()
	for t, m := range looks {
		if w.Look(t, m, evidence.Minute{}).Has(rung) {
			return t + 1
		}
	}
	return 0
}

func join(parts ...[]evidence.Minute) (all []evidence.Minute) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestPlainRulesFireAsTheirSourcesSay(t *testing.T) {
	named := map[string]Rule{}
	for _, r := range Plain(.03, .01) {
		named[r.Name()] = r
	}
	bad, good, none := repeat(11, 100, 4), repeat(20, 100, 0), repeat(1, 0, 0)
	for _, tt := range []struct {
		rule  string
		story string
		looks []evidence.Minute
		want  int
	}{
		{"every minute", "a share at the trigger is no breach", repeat(5, 100, 3), 0},
		{"every minute", "one event of three is", minutes(0, 0, 3, 1), 2},
		{"for 10m, 1-minute ratio", "fires at the 11th check in a row: 10 minutes after the first", bad, 11},
		{"for 10m, 1-minute ratio", "ten are not enough", join(bad[1:], good), 0},
		{"for 10m, 1-minute ratio", "a minute without events has no ratio and starts it anew", join(bad[1:], none, bad), 22},
		{"for 10m, rate[5m]", "averages the minute without events away", join(bad[1:], none, bad), 11},
		{"for 10m, rate[5m]", "one bad minute is above the trigger as long as it is in the range", join(good, repeat(1, 100, 50), good), 0},
		{"pooled 10 minutes", "waits for ten minutes", bad, 10},
		{"pooled 10 minutes", "and is above the trigger after one burst", join(good, repeat(1, 100, 50), good), 21},
		{"Argo 1m, failureLimit 3", "the fourth failure, in a row or not", join(bad[:2], good, bad[:2]), 24},
		{"Argo 5m, failureLimit 3", "the fourth check of five minutes", repeat(30, 100, 4), 20},
		{"Flagger 1m, threshold 5", "the fifth failed check, in a row or not", join(bad[:2], good, bad[:3]), 25},
		{"burn rate, budget 1 %", "not at 6 times the budget", repeat(400, 100, 6), 0},
		{"burn rate, budget 1 %", "above it, at once: its windows begin with the release", repeat(5, 100, 7), 1},
		{"burn rate, budget 1 %", "later the long window has to agree", join(repeat(360, 100, 0), repeat(120, 100, 20)), 360 + 44},
	} {
		r := named[tt.rule]
		if r == nil {
			t.Fatalf("there is no rule %q", tt.rule)
		}
		if got := fire(r, RolledBack, tt.looks); got != tt.want {
			t.Errorf("%s: %s: fires at look %d, want %d", tt.rule, tt.story, got, tt.want)
		}
	}
}

// summed is the log e-value after each look by its definition: the sum over the
// looks at which a fault could have begun, and over the weights w, of what all looks
// since then multiply a stake by, where step is the log of one look's factor.
func summed(looks []evidence.Minute, w []float64, step func(j int, m evidence.Minute) float64) []float64 {
	out := make([]float64, len(looks))
	for t := range looks {
		e := 0.0
		for j := range w {
			since := 0.0
			for k := t; k >= 0; k-- {
				since += step(j, looks[k])
				begins := .5 / float64(len(looks)-1)
				if k == 0 {
					begins = .5
				}
				e += w[j] * begins * math.Exp(since)
			}
		}
		out[t] = math.Log(e)
	}
	return out
}

// TestRungsAreTheFormulas holds the rungs against e-values that are summed over
// the whole series at each look.
func TestRungsAreTheFormulas(t *testing.T) {
	rule := &Sequential{Limit: .01, Trigger: .03, Alpha: .01, Looks: 200}
	p, w := []float64{.035, .06, .15, .5}, []float64{.4, .3, .2, .1}
	fracs, bw := []float64{.06, .30, .95}, []float64{.4, .3, .3}
	ratio := func(p0 float64) func(int, evidence.Minute) float64 {
		return func(j int, m evidence.Minute) float64 {
			return m.Bad*math.Log(p[j]/p0) + (m.N-m.Bad)*math.Log((1-p[j])/(1-p0))
		}
	}
	bet := func(j int, m evidence.Minute) float64 { return math.Log(1 + fracs[j]*(m.Bad/m.N/.01-1)) }
	above := func(path []float64, bound float64) int {
		for i, v := range path {
			if v >= bound {
				return i + 1
			}
		}
		return 0
	}
	seen := [Rungs]int{}
	for i := range 60 {
		s := newScript(Release{Rate: .02, Since: 100 * (i % 2)}, Traffic{Canary: 40}, 5)
		s.begin(i)
		var looks []evidence.Minute
		for k := range 200 {
			m, _ := s.look(k)
			looks = append(looks, m)
		}
		warn, hold, mid := summed(looks, w, ratio(.01)), summed(looks, bw, bet), summed(looks, w, ratio(.02))
		test, track := evidence.NewTest(rule.Limit, rule.Trigger), evidence.Track{}
		for k := range hold {
			if test.Look(&track, int64(k), looks[k], .1); !test.Persists(&track) {
				hold[k] = math.Inf(-1) // too few to act on
			}
			if mid[k] < math.Log(5) {
				mid[k] = math.Inf(-1)
			} else {
				mid[k] = hold[k]
			}
			warn[k] = max(warn[k], hold[k])
		}
		for rung, path := range [][]float64{warn, hold, mid} {
			want := above(path, math.Log(100))
			if got := fire(rule, Rung(rung), looks); got != want {
				t.Errorf("release %d is %v at look %d, want %d", i, Rung(rung), got, want)
			}
			if want > 0 {
				seen[rung]++
			}
		}
	}
	if !(seen[RolledBack] > 3 && seen[Held] > seen[RolledBack] && seen[Held] < 60) {
		t.Errorf("rungs reached %v times of 60: the comparison says little", seen)
	}
}

func TestFloors(t *testing.T) {
	const enough = 50
	bare := Sequential{Limit: .01, Trigger: .03, Alpha: .01, Looks: 100}
	// Two failures in two requests are strong evidence and too little to act on.
	two := minutes(1, 1, 1, 1)
	for range 10 {
		two = append(two, evidence.Minute{})
	}
	if got := fire(&bare, Warned, two); got != 2 {
		t.Errorf("two failures warn at look %d, want 2: else the next line says nothing", got)
	}
	if got := fire(&bare, Held, two); got != 0 {
		t.Errorf("two failures hold at look %d", got)
	}
	thick := bare
	thick.MinEvents = enough
	looks := repeat(40, 3, 1)
	if got := fire(&thick, RolledBack, looks); got != 17 {
		t.Errorf("with at least %d events a rollback comes at look %d, want 17: the first with as many", enough, got)
	}
	if got := fire(&thick, Held, looks); got == 0 || got > 8 {
		t.Errorf("with at least %d events the hold comes at look %d: the floor is the rollback's alone", enough, got)
	}
	longer := bare
	longer.MinLooks = 20
	if got := fire(&longer, RolledBack, looks); got != 20 {
		t.Errorf("with at least 20 looks a rollback comes at look %d, want 20", got)
	}
}

// What the product never does: a baseline that fails alike confirms nothing.
func TestBaselineMustConfirm(t *testing.T) {
	c := Config{
		Release: Release{Rate: .05, Baseline: .05}, Traffic: Traffic{Canary: 30, Baseline: 270}, Looks: 120, Runs: 200, Seed: 1,
		Rules: []Rule{
			&Sequential{Label: "alone", Limit: .01, Trigger: .03, Alpha: .01, Looks: 120},
			&Sequential{Label: "beside", Limit: .01, Trigger: .03, Alpha: .01, Looks: 120, Beside: true},
		},
	}
	out := run(t, c)
	if alone, beside := out[0].Fires[RolledBack].Share(), out[1].Fires[RolledBack].Share(); alone < .99 || beside > .1 {
		t.Errorf("where both fail alike, %v are rolled back without a baseline and %v with one", alone, beside)
	}
	if got := out[1].Fires[Held].Share(); got < .99 {
		t.Errorf("where both fail alike, %v are held, want all: the release misses its limit", got)
	}
	c.Release.Baseline = .009
	if got := run(t, c)[1].Fires[RolledBack].Share(); got < .99 {
		t.Errorf("where the release alone fails, %v are rolled back, want all", got)
	}
}

func run(t testing.TB, c Config) []Outcome {
	t.Helper()
	out, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The result is a function of the configuration: not of the processors, and a
// rule's not of the other rules.
func TestOutcomeIsAFunctionOfTheConfig(t *testing.T) {
	c := Config{
		Release: Release{Rate: .05, Since: 20, Before: .01, Baseline: .01}, Traffic: Traffic{Canary: 12, Baseline: 50}, Looks: 100, Runs: 37, Seed: 9,
		Workers: 1, Rules: append(Plain(.03, .01), &Sequential{Limit: .01, Trigger: .03, Alpha: .01, Looks: 100, Beside: true}),
	}
	want := run(t, c)
	for _, workers := range []int{2, 5, 64} {
		c.Workers = workers
		if got := run(t, c); !reflect.DeepEqual(got, want) {
			t.Errorf("with %d workers the outcome is another one", workers)
		}
	}
	all := c.Rules
	for k := range all {
		c.Rules = all[k : k+1]
		if got := run(t, c); !reflect.DeepEqual(got[0], want[k]) {
			t.Errorf("%s: alone the outcome is another one", all[k].Name())
		}
	}
}

func TestFiresSayHowOftenAndWhen(t *testing.T) {
	f := Fires{Runs: 10, Early: 1, After: []int{3, 4, 4, 8, 20}}
	if f.Count() != 6 || f.Share() != .6 || f.Found() != .5 {
		t.Errorf("Count, Share, Found = %v, %v, %v, want 6, 0.6, 0.5", f.Count(), f.Share(), f.Found())
	}
	for _, tt := range []struct {
		q       float64
		looks   int
		reached bool
	}{{.1, 3, true}, {.3, 4, true}, {.4, 8, true}, {.5, 20, true}, {.51, 0, false}, {.95, 0, false}, {0, 3, true}} {
		if looks, reached := f.Quantile(tt.q); looks != tt.looks || reached != tt.reached {
			t.Errorf("Quantile(%v) = %v, %v, want %v, %v", tt.q, looks, reached, tt.looks, tt.reached)
		}
	}
	if got := f.Within(4); got != .3 {
		t.Errorf("Within(4) = %v, want 0.3", got)
	}
	lo, hi := f.Interval(.95)
	if math.Abs(lo-.2624) > 1e-4 || math.Abs(hi-.8784) > 1e-4 {
		t.Errorf("Interval(0.95) = %v, %v, want 0.2624, 0.8784", lo, hi)
	}
}

func TestRunStopsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Run(ctx, Config{Release: Release{Rate: .01}, Traffic: Traffic{Canary: 1}, Looks: 10, Runs: 100, Rules: Plain(.03, .01)})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
}
