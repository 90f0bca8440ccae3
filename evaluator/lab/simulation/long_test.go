package simulation

import (
	"flag"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/evidence"
)

// long runs thousands of releases in each cell: go test ./evaluator/lab/simulation -long.
// Without it there are some hundred, in fewer cells.
var long = flag.Bool("long", false, "simulate as many releases as the documents' figures rest on")

const day = 24 * 60 // looks of a minute

// chosen is the rule of the documents: limit 1 %, trigger 3 %, a budget of 1 %,
// and bursts of up to three minutes ridden out, over a window of so many looks.
func chosen(looks int) *Sequential {
	return &Sequential{Label: "evidence", Limit: .01, Trigger: .03, Alpha: .01, Looks: looks, Aside: UsualAside(time.Minute)}
}

// scale is the number of releases in a cell: all of them with -long, else a few.
func scale(all int) int {
	if *long {
		return all
	}
	return max(all/25, 100)
}

// rates of traffic of the whole service, a second; the release gets 10 %.
func traffics() []float64 {
	if *long {
		return []float64{.2, .5, 2, 5, 20, 50}
	}
	return []float64{.5, 2, 20}
}

// study runs one rule and gives its outcome.
func study(t *testing.T, r Release, traffic Traffic, rule Rule, looks, runs int) *Outcome {
	t.Helper()
	out := run(t, Config{Release: r, Traffic: traffic, Looks: looks, Runs: runs, Seed: 20250604, Rules: []Rule{rule}})
	return &out[0]
}

// tell logs a cell as the documents show it.
func tell(t *testing.T, name string, o *Outcome) {
	t.Helper()
	text := fmt.Sprintf("%-44s", name)
	for _, rung := range []Rung{Warned, Held, RolledBack} {
		if !o.Knows.Has(rung) {
			continue
		}
		f := &o.Fires[rung]
		text += fmt.Sprintf("  %-11v %6.2f %%", rung, 100*f.Share())
		for _, q := range []float64{.5, .95} {
			if looks, reached := f.Quantile(q); reached {
				text += fmt.Sprintf(" %5d", looks)
			} else {
				text += "     -"
			}
		}
		if f.Early > 0 {
			text += fmt.Sprintf(" (%d early)", f.Early)
		}
	}
	t.Log(text)
}

// sure is how sure a bound is held against chance. With 200 cells a test that is
// right fails in 1 of 50 seeds; the seed is fixed.
const sure = .9999

// atMost fails when the share of releases is above a bound by more than chance
// explains: the share that was seen would have to be so in fewer than 1 of 10 000
// simulations.
func atMost(t *testing.T, what string, f *Fires, bound float64) {
	t.Helper()
	if lo, _ := f.Interval(2*sure - 1); lo > bound {
		t.Errorf("%s: %d of %d, want at most %g %%", what, f.Count(), f.Runs, 100*bound)
	}
}

// surely fails unless the simulation proves that the share is at most a bound.
func surely(t *testing.T, what string, f *Fires, bound float64) {
	t.Helper()
	if _, hi := f.Interval(.95); *long && hi > bound {
		t.Errorf("%s: %d of %d, which does not prove at most %g %%", what, f.Count(), f.Runs, 100*bound)
	}
	atMost(t, what, f, bound)
}

// atLeast fails when fewer releases are found than a share, by more than chance
// explains.
func atLeast(t *testing.T, what string, f *Fires, share float64) {
	t.Helper()
	if _, hi := evidence.ClopperPearson(float64(len(f.After)), float64(f.Runs), 2*sure-1); hi < share {
		t.Errorf("%s: %d of %d, want at least %g %%", what, len(f.After), f.Runs, 100*share)
	}
}

// within fails when fewer than the share q of the releases are found within so
// many looks, by more than chance explains.
func within(t *testing.T, what string, f *Fires, q float64, looks int) {
	t.Helper()
	found := math.Round(f.Within(looks) * float64(f.Runs))
	if _, hi := evidence.ClopperPearson(found, float64(f.Runs), 2*sure-1); hi < q {
		got, reached := f.Quantile(q)
		t.Errorf("%s: %g %% within %d looks (%v), want %d", what, 100*q, got, reached, looks)
	}
}

// At every true rate that meets the limit a release is rolled back in at most
// 1 % of windows of 24 h.
func TestGoodReleasesAreKept(t *testing.T) {
	rates := []float64{.001, .005, .009, .01}
	if !*long {
		rates = rates[3:]
	}
	for _, rate := range rates {
		for _, traffic := range traffics() {
			name := fmt.Sprintf("true %.3g %%, %g req/s", 100*rate, traffic)
			o := study(t, Release{Rate: rate}, PerLook(traffic, .1, 60, false), chosen(day), day, scale(4000))
			tell(t, name, o)
			surely(t, name+": rolled back", &o.Fires[RolledBack], .01)
			atMost(t, name+": held", &o.Fires[Held], .01)
			atMost(t, name+": warned", &o.Fires[Warned], .01)
		}
	}
}

// A release at 5 % is found as soon as the design says, at every traffic.
func TestBadReleasesAreFound(t *testing.T) {
	// Median and 95th percentile of each rung, in minutes.
	want := map[float64][Rungs][2]int{
		.2: {{107, 286}, {129, 341}, {151, 449}},
		.5: {{43, 117}, {61, 138}, {67, 191}},
		2:  {{12, 31}, {16, 36}, {17, 47}},
		5:  {{5, 13}, {9, 17}, {9, 20}},
		20: {{2, 4}, {6, 8}, {6, 9}},
		50: {{1, 2}, {6, 6}, {6, 6}},
	}
	for _, traffic := range traffics() {
		name := fmt.Sprintf("true 5 %%, %g req/s", traffic)
		o := study(t, Release{Rate: .05}, PerLook(traffic, .1, 60, false), chosen(day), day, scale(10000))
		tell(t, name, o)
		for rung, w := range want[traffic] {
			what, f := fmt.Sprintf("%s: %v", name, Rung(rung)), &o.Fires[rung]
			within(t, what, f, .5, w[0])
			within(t, what, f, .95, w[1])
		}
	}
}

// A release of which a fifth fails is rolled back as soon as the documents say, 99 of 100 of
// them, with a baseline beside it and without.
func TestReleasesThatFailAFifthAreFound(t *testing.T) {
	// Median, 95th and 99th percentile of the rollback, in minutes.
	want := map[float64][3]int{2: {6, 8, 9}, 20: {5, 5, 5}}
	for _, traffic := range []float64{2, 20} {
		for _, beside := range []bool{false, true} {
			name := fmt.Sprintf("true 20 %%, %g req/s, baseline %v", traffic, beside)
			rule := chosen(day)
			rule.Beside = beside
			o := study(t, Release{Rate: .2, Baseline: .001}, PerLook(traffic, .1, 60, beside), rule, day, scale(10000))
			tell(t, name, o)
			f := &o.Fires[RolledBack]
			for k, q := range []float64{.5, .95, .99} {
				got, _ := f.Quantile(q)
				t.Logf("%g %% by %d", 100*q, got)
				within(t, name, f, q, want[traffic][k])
			}
		}
	}
}

// A release between limit and trigger is held and seldom rolled back.
func TestReleasesInBetweenAreHeld(t *testing.T) {
	for _, traffic := range []float64{2, 5, 20, 50} {
		if !*long && traffic != 2 {
			continue
		}
		name := fmt.Sprintf("true 2 %%, %g req/s", traffic)
		o := study(t, Release{Rate: .02}, PerLook(traffic, .1, 60, false), chosen(day), day, scale(4000))
		tell(t, name, o)
		atLeast(t, name+": held", &o.Fires[Held], .999)
		surely(t, name+": rolled back", &o.Fires[RolledBack], .2)
	}
}

// A fault that begins in mid-window is found.
func TestLateFaultsAreFound(t *testing.T) {
	for _, tt := range []struct{ since, looks int }{{60, 120}, {720, day}} {
		for _, traffic := range traffics() {
			if !*long && tt.since > 60 {
				continue
			}
			name := fmt.Sprintf("0.1 %%, from minute %d of %d at 5 %%, %g req/s", tt.since, tt.looks, traffic)
			o := study(t, Release{Rate: .05, Before: .001, Since: tt.since}, PerLook(traffic, .1, 60, false), chosen(tt.looks), tt.looks, scale(4000))
			tell(t, name, o)
			if traffic >= 2 {
				atLeast(t, name+": held", &o.Fires[Held], .99)
				atLeast(t, name+": rolled back", &o.Fires[RolledBack], .95)
			}
			for rung := range o.Fires {
				early := Fires{Runs: o.Fires[rung].Runs, Early: o.Fires[rung].Early}
				atMost(t, name+": before the fault", &early, .01)
			}
		}
	}
}

// One minute of 50 % errors neither holds nor rolls back. In the very first
// minutes, where half of the prior lies, it may do so in one or two of ten thousand
// releases, in which other failures come with it.
func TestOneBurstDecidesNothing(t *testing.T) {
	for _, at := range []int{0, 1, 60} {
		for _, traffic := range traffics() {
			name := fmt.Sprintf("0.1 %%, minute %d at 50 %%, %g req/s", at, traffic)
			r := Release{Rate: .001, Burst: Burst{At: at, Looks: 1, Rate: .5}}
			o := study(t, r, PerLook(traffic, .1, 60, false), chosen(120), 120, scale(10000))
			tell(t, name, o)
			for _, rung := range []Rung{Held, RolledBack} {
				f := &o.Fires[rung]
				surely(t, fmt.Sprintf("%s: %v", name, rung), f, .0007)
				if at == 60 && f.Count() > 0 {
					t.Errorf("%s: %d of %d %v, want none", name, f.Count(), f.Runs, rung)
				}
			}
		}
	}
}

// A healthy service whose failures come in clusters is rolled back in at most
// 1 % of releases, whatever the clusters are like.
func TestClustersDecideNothing(t *testing.T) {
	worlds := map[string]Release{
		"gamma cv 2": {Rate: .009, CV: 2},
		"whole minutes fail with probability 1 %": {Storm: Storm{Chance: .01, Rate: 1}},
	}
	if *long {
		worlds["gamma cv 0.5"] = Release{Rate: .009, CV: .5}
		worlds["gamma cv 1"] = Release{Rate: .009, CV: 1}
		worlds["half of a minute fails with probability 2 %"] = Release{Storm: Storm{Chance: .02, Rate: .5}}
		worlds["failures come in groups of 5"] = Release{Rate: .01, Group: 5}
	}
	for name, r := range worlds {
		for _, traffic := range traffics() {
			name := fmt.Sprintf("%s, %g req/s", name, traffic)
			o := study(t, r, PerLook(traffic, .1, 60, false), chosen(day), day, scale(2000))
			tell(t, name, o)
			surely(t, name+": rolled back", &o.Fires[RolledBack], .015)
			atMost(t, name+": rolled back", &o.Fires[RolledBack], .01)
			atMost(t, name+": held", &o.Fires[Held], .01)
		}
	}
}

// Where there is a baseline, an outage of both rolls back in at most 1 % of
// releases, and a fault of the release alone as soon as without it.
func TestSharedOutagesAreNotTheRelease(t *testing.T) {
	const looks = 240
	beside := chosen(looks)
	beside.Beside = true
	for _, traffic := range traffics() {
		name := fmt.Sprintf("both at 10 %% for 15 min, %g req/s", traffic)
		r := Release{Rate: .009, Baseline: .009, Outage: Burst{At: 60, Looks: 15, Rate: .1}}
		both := PerLook(traffic, .1, 60, true)
		o := study(t, r, both, beside, looks, scale(4000))
		tell(t, name, o)
		surely(t, name+": rolled back", &o.Fires[RolledBack], .01)
		tell(t, name+", no baseline", study(t, r, both, chosen(looks), looks, scale(1000)))
	}
	for _, tt := range []struct {
		traffic float64
		want    [2]int
	}{{.5, [2]int{59, 160}}, {2, [2]int{16, 45}}, {5, [2]int{8, 19}}, {20, [2]int{7, 9}}} {
		name := fmt.Sprintf("5 %% beside 0.9 %%, %g req/s", tt.traffic)
		o := study(t, Release{Rate: .05, Baseline: .009}, PerLook(tt.traffic, .1, 60, true), beside, looks, scale(4000))
		tell(t, name, o)
		within(t, name, &o.Fires[RolledBack], .5, tt.want[0])
		within(t, name, &o.Fires[RolledBack], .95, tt.want[1])
	}
}

// Where the release gets most of the traffic, there is little to compare it with.
func TestConfirmedAtAnyShare(t *testing.T) {
	const looks = 240
	beside := chosen(looks)
	beside.Beside = true
	for share, want := range map[float64][2]int{.1: {7, 9}, .5: {7, 9}, .9: {22, 27}} {
		name := fmt.Sprintf("5 %% beside 0.9 %%, 20 req/s, %g %% of them for the release", 100*share)
		o := study(t, Release{Rate: .05, Baseline: .009}, PerLook(20, share, 60, true), beside, looks, scale(4000))
		tell(t, name, o)
		within(t, name, &o.Fires[RolledBack], .5, want[0])
		within(t, name, &o.Fires[RolledBack], .95, want[1])
	}
}

// Where failures come in groups, as retries do, an outage of both falls on the one
// side or the other by group. What confirms a rollback promises 5 %.
func TestSharedOutagesInGroups(t *testing.T) {
	const looks = 240
	beside := chosen(looks)
	beside.Beside = true
	for _, group := range []int{2, 5} {
		for _, traffic := range traffics() {
			both := PerLook(traffic, .1, 60, true)
			for name, r := range map[string]Release{
				"both at 10 % for 15 min":       {Rate: .009, Baseline: .009, Group: group, Outage: Burst{At: 60, Looks: 15, Rate: .1}},
				"both at 6 % throughout":        {Rate: .06, Baseline: .06, Group: group},
				"both at 10 % for the 1st hour": {Rate: .009, Baseline: .009, Group: group, Outage: Burst{Looks: 60, Rate: .1}},
			} {
				name := fmt.Sprintf("%s, in groups of %d, %g req/s", name, group, traffic)
				o := study(t, r, both, beside, looks, scale(4000))
				tell(t, name, o)
				surely(t, name+": rolled back", &o.Fires[RolledBack], .05)
				atMost(t, name+": rolled back", &o.Fires[RolledBack], .03)
			}
		}
	}
}

// above3s is the share of durations above 3 s of a lognormal distribution with
// sigma 0.8 and the given p95.
func above3s(p95 float64) float64 {
	return math.Erfc((1.6448536269514722-math.Log(p95/3)/.8)/math.Sqrt2) / 2
}

// A percentile is judged by counting what lies above its threshold.
func TestPercentilesByCounts(t *testing.T) {
	if got := above3s(3); math.Abs(got-.05) > 1e-9 {
		t.Fatalf("of durations with a p95 of 3 s %v lie above 3 s", got)
	}
	const looks = 120
	rule := &Sequential{Label: "evidence", Limit: .05, Trigger: .05, Alpha: .01, Looks: looks}
	for _, tt := range []struct {
		p95, perMinute float64
		within         int // 95 % of the releases are rolled back by then; 0: at most 1 % are
	}{{2.5, 12, 0}, {3, 12, 0}, {4, 12, 120}, {6, 12, 15}, {2.5, 120, 0}, {3, 120, 0}, {4, 120, 15}} {
		name := fmt.Sprintf("p95 %g s, %g a minute", tt.p95, tt.perMinute)
		o := study(t, Release{Rate: above3s(tt.p95)}, Traffic{Canary: tt.perMinute}, rule, looks, scale(4000))
		tell(t, name, o)
		if tt.within == 0 {
			surely(t, name, &o.Fires[RolledBack], .01)
		} else {
			within(t, name, &o.Fires[RolledBack], .95, tt.within)
		}
	}
}

// TestPlainRules says what the rules that others decide by do with the same
// releases, for docs/deciding.md.
func TestPlainRules(t *testing.T) {
	if !*long {
		t.Skip("it measures and judges little: -long")
	}
	for _, rate := range []float64{.001, .009, .01, .02, .05} {
		for _, traffic := range []float64{.2, 2, 20} {
			out := run(t, Config{
				Release: Release{Rate: rate}, Traffic: PerLook(traffic, .1, 60, false), Looks: day, Runs: 1000, Seed: 20250604, Rules: Plain(.03, .01),
			})
			for k := range out {
				tell(t, fmt.Sprintf("true %.3g %%, %g req/s: %s", 100*rate, traffic, out[k].Rule), &out[k])
			}
			minute := &out[0].Fires[RolledBack]
			if traffic == 2 && minute.Share() < .99 {
				t.Errorf("true %.3g %%, %g req/s: a minute rule fires in %v of releases; the documents say that it always does", 100*rate, traffic, minute.Share())
			}
		}
	}
}
