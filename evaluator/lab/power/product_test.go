package power

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	appstore "github.com/relgate/relgate/sources/appstore/kind"

	"github.com/relgate/relgate/evaluator"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// draw is a Poisson count.
func draw(rng *rand.Rand, mean float64) float64 {
	c := newCounts(mean)
	s := stream{at: rng.Uint64()}
	return c.draw(&s)
}

// played runs a plan minute by minute through the evaluator's own Step and gives
// where it stands after each, until it is over or goes on says no more. count gives
// a signal's samples of minute k and the bad ones of them; a minute without samples
// has no point, as in CloudWatch, or an empty one, as among the App Store's reviews.
// All ratings have five stars.
func played(plan *rules.Plan, minutes int, count func(k int, sig *rules.Signal) (n, bad float64), goesOn func(k int, s fact.Snapshot) bool) fact.Snapshot {
	state := evaluator.Begin(plan)
	state, _ = evaluator.Step(plan, state, fact.Tick{At: plan.Start})
	for k := range minutes {
		tick := fact.Tick{At: plan.Start.Add(time.Duration(k+1) * time.Minute)}
		from, to := tick.At.Add(-time.Minute).Unix(), tick.At.Unix()
		for i := range plan.Signals {
			rd := rules.Reading{Signal: i, From: from, To: to, SettledUntil: to}
			sig := &plan.Signals[i]
			n, bad := count(k, sig)
			if sig.Kind == rules.Mean {
				bad = 5 * n
				rd.Parts = []rules.Parts{{At: from, Groups: []rules.Group{{Name: "5", Value: n, Samples: n}}}}
			}
			if n > 0 || appstore.Of(sig.Query) != nil {
				rd.Points = []rules.Point{{At: from, Value: bad, Samples: n}}
			}
			tick.Readings = append(tick.Readings, rd)
		}
		state, _ = evaluator.Step(plan, state, tick)
		if s := evaluator.Look(plan, state); s.Over || s.State == rules.RolledBack || !goesOn(k+1, s) {
			return s
		}
	}
	return evaluator.Look(plan, state)
}

func always(int, fact.Snapshot) bool { return true }

// beside is counted with a baseline.
func beside(rate string, share float64, window time.Duration) rules.Spec {
	s := counted(rate, window)
	s.Signals[0].Baseline = &rules.BaselineSpec{Dimension: "version", Value: "42"}
	s.Signals[0].Period = duration(time.Minute)
	s.Phases[0].Traffic.Value = share
	s.Phases = s.Phases[:1]
	s.Release.Interval = duration(time.Minute)
	return s
}

// drawn is a release of a service with two requests a second and its baseline, at
// their true rates.
func drawn(rng *rand.Rand, share, release, baseline float64) func(int, *rules.Signal) (n, bad float64) {
	return func(_ int, sig *rules.Signal) (n, bad float64) {
		mean, rate := 120*share, release
		if sig.BaselineOf != "" {
			mean, rate = 120*(1-share), baseline
		}
		bad = draw(rng, mean*rate)
		return bad + draw(rng, mean*(1-rate)), bad
	}
}

// What is forecast of a baseline with hardly any traffic is what the evaluator does:
// with little it confirms nothing, with next to nothing it is as if there were none.
func TestThinBaselineIsTheProduct(t *testing.T) {
	const runs, minutes = 60, 60
	for _, tt := range []struct {
		share        float64
		thin, silent bool
	}{{.5, false, false}, {.75, false, false}, {.9, true, false}, {.99, true, false}, {.999, false, true}, {.9999, false, true}} {
		plan := compile(t, beside("2/s", tt.share, minutes*time.Minute))
		b := lineOf(t, plan, "canary", "errors-high").Beside
		if b == nil || b.Thin != tt.thin || (b.Shared > plain) != tt.silent {
			t.Fatalf("%v of the traffic: %+v, want it thin %v and silent %v", tt.share, b, tt.thin, tt.silent)
		}
		rng := rand.New(rand.NewPCG(3, 8))
		fate := func(release, baseline float64) (back, held float64) {
			for range runs {
				switch s := played(plan, minutes, drawn(rng, tt.share, release, baseline), always); {
				case s.State == rules.RolledBack:
					back++
				case s.Held:
					held++
				}
			}
			return back / runs, held / runs
		}
		back, held := fate(.03, .01)
		if tt.thin && (b.Rate != .03 || math.Abs(back-b.Power) > .15 || back+held < .9) || !tt.thin && back < .5 {
			t.Errorf("%v of the traffic: %v are rolled back and %v held, forecast %+v", tt.share, back, held, b)
		}
		if back, _ := fate(b.Outage, b.Outage); math.Abs(back-b.Shared) > .15 {
			t.Errorf("%v of the traffic: %v are rolled back by an outage of both, forecast %+v", tt.share, back, b)
		}
		var want []string
		if tt.thin || tt.silent {
			want = []string{"phases.canary.traffic thin-baseline"}
		}
		if got := ids(lint(plan)); !slices.Equal(got, want) {
			t.Errorf("%v of the traffic: %q, want %q", tt.share, got, want)
		}
		if b.Share > 0 {
			if again := lineOf(t, compile(t, beside("2/s", b.Share, minutes*time.Minute)), "canary", "errors-high").Beside; again.Thin || again.Shared > plain {
				t.Errorf("%v of the traffic was advised: %+v", b.Share, again)
			}
		} else if want != nil {
			t.Errorf("%v of the traffic: %+v, want advice", tt.share, b)
		}
	}
}

// The sentences, in full.
func TestThinBaselineSays(t *testing.T) {
	p := problem(t, compile(t, beside("2/s", .99, time.Hour)), "phases.canary.traffic", "thin-baseline")
	want := `99 % of the traffic leaves 1.2/min of "e" for its baseline: beside a baseline at 1 %, rollback rule "errors-high" rolls back a release at 3 % in 0 % of all cases within 1h, ` +
		`without a baseline in 99 %; until the baseline confirms the fault, the run is held`
	if p.Message != want || p.Severity != rules.SeverityWarning {
		t.Errorf("got %v: %s\nwant %s", p.Severity, p.Message, want)
	}
	p = problem(t, compile(t, beside("2/s", .999, time.Hour)), "phases.canary.traffic", "thin-baseline")
	want = `99.9 % of the traffic leaves 7.2/h of "e" for its baseline: while the baseline has no samples in most of a suspect stretch, the limit alone decides; in an outage of both (6 %) ` +
		`rollback rule "errors-high" rolls the release back in 92 % of all cases within 1h`
	if p.Message != want || p.Fix != "75 % of the traffic for the release would do; or leave signals.e without a baseline: its limit alone decides then" {
		t.Errorf("got %s: %s\nwant %s", p.Message, p.Fix, want)
	}
}

// Failures that come in clusters are no want of a baseline.
func TestClustersAreNotThin(t *testing.T) {
	for _, cluster := range []float64{1.7, 5, 40} {
		s := beside("20/s", .5, 2*time.Hour)
		s.Signals[0].Cluster = &cluster
		plan := compile(t, s)
		if got := ids(lint(plan)); len(got) != 0 {
			t.Errorf("clusters of %v: %v, %+v", cluster, got, lineOf(t, plan, "canary", "errors-high").Beside)
		}
	}
}

// A baseline that takes its time is told of in the forecast, if the window has it.
func TestSlowBaseline(t *testing.T) {
	plan := compile(t, beside("2/s", .98, 24*time.Hour))
	l := lineOf(t, plan, "canary", "errors-high")
	if got := l.String(); !strings.Contains(got, "; its baseline has 2.4/min and confirms 3 % in ") || l.Beside.Minutes < 2*l.Detect[0].Minutes {
		t.Errorf("%q, %+v", got, l.Beside)
	}
	if got := ids(lint(plan)); len(got) != 0 {
		t.Errorf("%v: it comes in time: %v", got, lint(plan))
	}
}

// A fault that no baseline at the limit could confirm is no want of traffic.
func TestNearTheLimitIsNotThin(t *testing.T) {
	s := beside("200/s", .5, 24*time.Hour)
	s.Rollback[0].When = condition("> 1.1 %")
	plan := compile(t, s)
	if got := ids(lint(plan)); len(got) != 0 {
		t.Errorf("%v: half of the traffic is a baseline", got)
	}
	if got := lineOf(t, plan, "canary", "errors-high").String(); !strings.Contains(got, "1.1 % is too near to a baseline at 1 % to be confirmed (") {
		t.Errorf("%q", got)
	}
}

// steady is a service without chance in it: so many samples a minute of the release
// and of its baseline, of which a share is bad.
func steady(release, baseline, rate float64) func(int, *rules.Signal) (n, bad float64) {
	return func(_ int, sig *rules.Signal) (n, bad float64) {
		if sig.BaselineOf != "" {
			return baseline, baseline * rate
		}
		return release, release * rate
	}
}

// While both run, an outage of both holds. Where the release gets all of the traffic
// there is nothing to compare with, and it is rolled back.
func TestNothingIsLeftBeside(t *testing.T) {
	s := beside("20/s", .1, 30*time.Minute)
	all := s.Phases[0]
	all.Name, all.Traffic, all.Start = "all", &rules.Fraction{Value: 1}, &rules.Offset{Duration: time.Hour}
	s.Phases = append(s.Phases, all)
	plan := compile(t, s)
	for phase, want := range map[string]bool{"canary": false, "all": true} {
		l := lineOf(t, plan, phase, "errors-high")
		if got := strings.Contains(l.String(), "nothing is left beside it: its limit alone decides"); got != want || l.Beside == nil {
			t.Errorf("%s: %q, %+v", phase, l.String(), l.Beside)
		}
	}
	if got := ids(lint(plan)); len(got) != 0 {
		t.Errorf("a rollout that ends at 100 %% is warned of: %v", got)
	}
	for _, tt := range []struct {
		name   string
		outage int
		want   rules.State
	}{{"while both run", 10, rules.Held}, {"when all is on the release", 70, rules.RolledBack}} {
		end := played(plan, 130, func(k int, sig *rules.Signal) (n, bad float64) {
			rate, release, baseline := .001, 120., 1080.
			if k >= 60 {
				release, baseline = 1200, 0
			}
			if k >= tt.outage {
				rate = .1
			}
			return steady(release, baseline, rate)(k, sig)
		}, func(_ int, s fact.Snapshot) bool { return !s.Held || s.At.Before(plan.Start.Add(100*time.Minute)) })
		if end.State != tt.want {
			t.Errorf("an outage %s: %v (%s), want %v", tt.name, end.State, end.Why.Code, tt.want)
		}
	}
}

// A baseline that never has any traffic is warned of, with how long it is waited for.
func TestNeverAnythingBeside(t *testing.T) {
	s := beside("20/s", 1, time.Hour)
	s.Release.RideOut = &rules.Duration{Duration: time.Minute} // it is held before the baseline is given up
	plan := compile(t, s)
	p := problem(t, plan, "signals.e.baseline", "thin-baseline")
	wait := awaited(plan, &plan.Signals[plan.Signals[0].Baseline])
	if want := "after " + (rules.Duration{Duration: wait}).String() + " without a baseline the limit alone decides"; !strings.Contains(p.Message, want) {
		t.Errorf("%q does not say %q", p.Message, want)
	}
	held := 0
	end := played(plan, 60, steady(1200, 0, .1), func(k int, s fact.Snapshot) bool {
		if s.Held && held == 0 {
			held = k
		}
		return true
	})
	at := end.At.Sub(plan.Start)
	if end.State != rules.RolledBack || at < wait || at > wait+time.Minute || held == 0 || held >= int(at/time.Minute) {
		t.Errorf("%v after %v, held from minute %d: want a hold, and a rollback after %v", end.State, at, held, wait)
	}
	s.Signals[0].Baseline = nil
	if got := ids(lint(compile(t, s))); len(got) != 0 {
		t.Errorf("without a baseline: %v", got)
	}
}

// two is a plan with a success rule on a signal that has plenty of samples, and a
// rollback rule on one that may be sparse.
func two(rate string, window time.Duration, change func(*rules.RollbackSpec)) rules.Spec {
	s := counted("200/s", window)
	s.Phases = s.Phases[:1]
	s.Phases[0].Traffic.Value = 1
	s.Release.Interval = duration(time.Minute)
	s.Signals = append(s.Signals, rules.SignalSpec{Name: "few", Kind: ptr(rules.Ratio), Unit: ptr(rules.Percent), Rate: rate, Period: duration(time.Minute)})
	s.Rollback[0].Signal = "few"
	if change != nil {
		change(&s.Rollback[0])
	}
	return s
}

// sparse is a healthy service whose signal "few" has so many samples a minute.
func sparse(rng *rand.Rand, mean float64) func(int, *rules.Signal) (n, bad float64) {
	return func(_ int, sig *rules.Signal) (n, bad float64) {
		if sig.Name != "few" {
			return 12000, 0
		}
		return draw(rng, mean), 0
	}
}

// A rollback rule that counts empty minutes as missing keeps its phase from passing,
// as often as is said; with the coverage that is advised it passes.
func TestCoverageIsTheProduct(t *testing.T) {
	const runs = 30
	for _, tt := range []struct {
		rate   string
		mean   float64
		change func(*rules.RollbackSpec)
		warned bool
	}{
		{"12/h", .2, nil, true},
		{"12/h", .2, func(r *rules.RollbackSpec) { r.Evidence, r.Over = ptr(rules.ByThreshold), duration(10*time.Minute) }, true},
		{"38/h", 38. / 60, nil, true},
		{"40/h", 40. / 60, nil, true}, // four of ten windows have it, and more while the phase waits
		{"40/h", 40. / 60, func(r *rules.RollbackSpec) {
			r.Evidence, r.Coverage = ptr(rules.ByThreshold), &rules.Fraction{Value: .5}
		}, true},
		{"90/h", 1.5, nil, false},
		{"12/h", .2, func(r *rules.RollbackSpec) {
			r.Evidence, r.Datapoints, r.Missing = ptr(rules.ByThreshold), "3 of 5", rules.MissingIsNotBreaching
		}, false},
	} {
		s := two(tt.rate, 2*time.Hour, tt.change)
		s.Phases[0].Extend = duration(3 * time.Hour)
		passed := func() (share float64, forecast float64, plan *rules.Plan) {
			plan = compile(t, s)
			rng, n := rand.New(rand.NewPCG(7, 7)), 0
			for range runs {
				if played(plan, 300, sparse(rng, tt.mean), always).State == rules.Passed {
					n++
				}
			}
			forecast = 1
			if g := lineOf(t, plan, "canary", "errors-high").Gaps; g != nil {
				forecast = g.Covered
			}
			return float64(n) / runs, forecast, plan
		}
		got, want, plan := passed()
		if got < want-.2 || got > want+.2 {
			t.Errorf("%s: %v of the phases pass, forecast %v", tt.rate, got, want)
		}
		if !tt.warned {
			if all := ids(lint(plan)); strings.Contains(strings.Join(all, " "), "errors-high.coverage") {
				t.Errorf("%s is warned of: %v", tt.rate, all)
			}
			continue
		}
		p := problem(t, plan, "rollback.errors-high.coverage", "thin-traffic")
		_, after, ok := strings.Cut(p.Fix, `coverage = "`)
		text, _, _ := strings.Cut(after, `"`)
		var light rules.Fraction
		if !ok || light.UnmarshalText([]byte(text)) != nil {
			t.Fatalf("%s: %q advises no coverage", tt.rate, p.Fix)
		}
		s.Rollback[0].Coverage = &light
		s.Rollback[0].Grace = graceAdvised(t, p.Fix)
		if got, _, plan := passed(); got < .85 {
			t.Errorf("%s: with the coverage that was advised, %v, %v pass", tt.rate, text, got)
		} else if all := ids(lint(plan)); strings.Contains(strings.Join(all, " "), "errors-high.coverage") {
			t.Errorf("%s: what was advised is warned of: %v", tt.rate, all)
		}
	}
}

// A stretch that never has its coverage never fires; one that seldom has it finds
// late, and it is said why.
func TestStretchesWithoutCoverage(t *testing.T) {
	stretch := func(r *rules.RollbackSpec) {
		r.Evidence, r.For, r.Coverage = ptr(rules.ByThreshold), duration(20*time.Minute), &rules.Fraction{Value: .8}
	}
	plan := compile(t, two("12/h", 2*time.Hour, stretch))
	want := `phase "canary": at 12/h only 18 % of the periods of 1m have any samples, and the rule wants 80 %: the rule could hardly ever fire, and the rule is silent in 20 % of the time, ` +
		`and even a good release stays undecided in 100 % of all cases`
	if p := problem(t, plan, "rollback.errors-high.coverage", "thin-traffic"); p.Message != want {
		t.Errorf("got %s\nwant %s", p.Message, want)
	}
	rng := rand.New(rand.NewPCG(4, 4))
	if end := played(plan, 120, func(_ int, sig *rules.Signal) (n, bad float64) {
		if sig.Name != "few" {
			return 12000, 0
		}
		n = draw(rng, .2)
		return n, n
	}, always); end.State == rules.RolledBack {
		t.Errorf("a rule that could hardly ever fire has: %s", end.Why.Code)
	}
	plan = compile(t, two("55/h", 2*time.Hour, stretch))
	if p := problem(t, plan, "phases.canary.window", "slow-to-detect"); p.Fix != "let the rule have a smaller coverage: it wants 80 % of the periods, and 60 % have any samples" {
		t.Errorf("%s: %s", p.Message, p.Fix)
	}
}

// A policy that acts on silence acts on gaps of thin traffic, as often as is said.
func TestFalseSilenceIsTheProduct(t *testing.T) {
	const runs = 100
	for _, tt := range []struct {
		rate   string
		mean   float64
		policy rules.Policy
		change func(*rules.RollbackSpec)
		end    rules.State
		warned bool
	}{
		{"12/h", .2, rules.PolicyRollback, nil, rules.RolledBack, true},
		{"15/h", .25, rules.PolicyFail, nil, rules.Failed, true},
		{"15/h", .25, rules.PolicyRollback, func(r *rules.RollbackSpec) { r.Evidence = ptr(rules.ByThreshold) }, rules.RolledBack, true},
		{"12/h", .2, rules.PolicyHold, nil, rules.RolledBack, false},
		{"90/h", 1.5, rules.PolicyRollback, nil, rules.RolledBack, true},
		{"300/h", 5, rules.PolicyRollback, nil, rules.RolledBack, false},
	} {
		plan := compile(t, two(tt.rate, 2*time.Hour, func(r *rules.RollbackSpec) {
			r.OnNoData, r.Coverage = &tt.policy, &rules.Fraction{Value: .01}
			if tt.change != nil {
				tt.change(r)
			}
		}))
		rng, n := rand.New(rand.NewPCG(1, 2)), 0
		for range runs {
			s := played(plan, 120, sparse(rng, tt.mean), always)
			if s.State == tt.end || s.Phases[0].State == tt.end {
				n++
			}
		}
		forecast := 0.
		if g := lineOf(t, plan, "canary", "errors-high").Gaps; g != nil {
			forecast = g.Acts
		}
		if got := float64(n) / runs; got < forecast-.15 || got > forecast+.15 {
			t.Errorf("%s: %v are %v, forecast %v", tt.rate, got, tt.end, forecast)
		}
		if got := strings.Contains(strings.Join(ids(lint(plan)), " "), "errors-high.on_no_data false-silence"); got != tt.warned {
			t.Errorf("%s: warned is %v (%v), want %v", tt.rate, got, forecast, tt.warned)
		}
	}
}

// Policies that roll a release back are outside of the budget, where there is one.
func TestOutsideOfTheBudget(t *testing.T) {
	back := ptr(rules.PolicyRollback)
	for _, tt := range []struct {
		name   string
		change func(*rules.Spec)
		path   string // "" for no note
		says   string
	}{
		{"hold", func(s *rules.Spec) {}, "", ""},
		{"no data", func(s *rules.Spec) { s.Rollback[0].OnNoData = back }, "rollback.errors-high.on_no_data",
			"when its data does not come (grace: 3m), the release is rolled back, however good it is: that adds to the 1 % of false_rollback"},
		{"a broken source", func(s *rules.Spec) { s.Rollback[0].OnError, s.Rollback[0].Grace = back, duration(time.Hour) }, "rollback.errors-high.on_error",
			"when its source is unreachable (grace: 1h), "},
		{"both", func(s *rules.Spec) { s.Rollback[0].OnError, s.Rollback[0].OnNoData = back, back }, "rollback.errors-high.on_no_data",
			"when its data does not come or its source is unreachable (grace"},
		{"a success rule", func(s *rules.Spec) { s.Success[0].OnNoData = back }, "success.errors.on_no_data",
			"when its data does not come, or it cannot decide after its window (grace"},
		{"a failing policy", func(s *rules.Spec) { s.Rollback[0].OnNoData = ptr(rules.PolicyFail) }, "", ""},
		{"no budget", func(s *rules.Spec) { s.Release.Evidence, s.Rollback[0].OnNoData = nil, back }, "", ""},
		{"a rule that no phase watches", func(s *rules.Spec) {
			s.Rollback = append(s.Rollback, s.Rollback[0])
			s.Rollback[1].Name, s.Rollback[1].OnNoData = "unused", back
		}, "", ""},
	} {
		s := counted("50/s", time.Hour)
		tt.change(&s)
		var got []rules.Problem
		for _, p := range lint(compile(t, s)) {
			if p.ID == "outside-budget" {
				got = append(got, p)
			}
		}
		switch {
		case tt.path == "" && len(got) == 0:
		case len(got) != 1 || got[0].Path != tt.path || got[0].Severity != rules.SeverityNote || got[0].Fix == "" || !strings.Contains(got[0].Message, tt.says):
			t.Errorf("%s: %+v, want one note at %q that says %q", tt.name, got, tt.path, tt.says)
		}
	}
}

// A success rule that cannot decide is silent to its policy: it rolls back a release
// of which nothing bad is known.
func TestUndecidedIsOutsideOfTheBudgetToo(t *testing.T) {
	s := counted("2/s", 15*time.Minute)
	s.Release.Interval, s.Success[0].Proof = duration(time.Minute), ptr(rules.ProofStrong)
	s.Phases[0].Extend = duration(2 * time.Hour)
	for policy, want := range map[rules.Policy]rules.State{rules.PolicyHold: rules.Monitoring, rules.PolicyRollback: rules.RolledBack} {
		s.Success[0].OnNoData = &policy
		if end := played(compile(t, s), 24, steady(12, 0, 0), always); end.State != want {
			t.Errorf("%v: %v (%s), want %v", policy, end.State, end.Why.Code, want)
		}
	}
}
