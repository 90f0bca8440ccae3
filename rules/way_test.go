package rules

import (
	"encoding/json"
	"testing"
	"time"
)

// gaugeSpec is a plan whose success rule 2 and rollback rule 2 judge a gauge of
// minutes.
func gaugeSpec() Spec {
	s := goodSpec()
	gaugeOf(&s, Number, "Count")
	s.Success[2].When, s.Success[2].Aggregate = when("<= 75"), nil
	s.Rollback = append(s.Rollback, RollbackSpec{RuleSpec: RuleSpec{Name: "gap-high", Signal: "gap", When: when("> 90"), Owner: "Ops"}, Action: "revert", Command: "revert --now"})
	s.Phases[0].Rollback = append(s.Phases[0].Rollback, "gap-high")
	s.Phases[0].Window = dur(time.Hour)
	return s
}

// What a rule on a gauge says of its aggregate reaches the compiled plan, and is
// named for people.
func TestWay(t *testing.T) {
	success := func(a Aggregate) func(*Spec) { return func(s *Spec) { s.Success[2].Aggregate = ptr(a) } }
	rollback := func(over time.Duration, a *Aggregate) func(*Spec) {
		return func(s *Spec) { s.Rollback[2].Over, s.Rollback[2].Aggregate = dur(over), a }
	}
	for _, tt := range []struct {
		name   string
		change func(*Spec)
		rule   string
		want   Way
		text   string
	}{
		{"a gauge", func(*Spec) {}, "gap", Way{Aggregate: Worst}, "worst"},
		{"at its worst", success(Worst), "gap", Way{Aggregate: Worst}, "worst"},
		{"pooled", success(Pooled), "gap", Way{Aggregate: Worst}, "worst"},
		{"its mean", success(Average), "gap", Way{Aggregate: Average}, "mean"},
		{"its newest", success(Last), "gap", Way{Aggregate: Last}, "last"},
		{"a share of periods", func(s *Spec) {
			s.Success[2].Aggregate, s.Success[2].MinShare = ptr(Share), &Fraction{0.9}
		}, "gap", Way{Aggregate: Share, MinShare: 0.9}, "90 % of periods"},
		{"the mean of the last minutes", func(s *Spec) {
			s.Success[2].Aggregate, s.Success[2].Over = ptr(Average), dur(10*time.Minute)
		}, "gap", Way{Aggregate: Average, Over: 10 * time.Minute}, "mean over 10m"},
		{"each period", func(*Spec) {}, "gap-high", Way{Aggregate: Worst}, "worst"},
		{"a stretch", rollback(10*time.Minute, nil), "gap-high", Way{Aggregate: Average, Over: 10 * time.Minute}, "mean over 10m"},
		{"the mean of a stretch", rollback(10*time.Minute, ptr(Average)), "gap-high", Way{Aggregate: Average, Over: 10 * time.Minute}, "mean over 10m"},
		{"the worst of a stretch", rollback(10*time.Minute, ptr(Worst)), "gap-high", Way{Aggregate: Worst, Over: 10 * time.Minute}, "worst over 10m"},
		{"a share of a stretch", func(s *Spec) {
			rollback(10*time.Minute, ptr(Share))(s)
			s.Rollback[2].MinShare = &Fraction{0.5}
		}, "gap-high", Way{Aggregate: Share, MinShare: 0.5, Over: 10 * time.Minute}, "50 % of periods over 10m"},
		{"a ratio", func(*Spec) {}, "errors", Way{}, ""},
		{"a percentile", func(*Spec) {}, "slow", Way{}, ""},
		{"a percentile's worst", func(s *Spec) { s.Success[1].Aggregate = ptr(Worst) }, "slow", Way{Aggregate: Worst}, "worst"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := gaugeSpec()
			tt.change(&spec)
			plan := compile(t, spec)
			var stored Plan // as the journal keeps it
			if text, err := json.Marshal(plan); err != nil || json.Unmarshal(text, &stored) != nil {
				t.Fatal(err)
			}
			for i := range stored.Rules {
				r := &stored.Rules[i]
				if r.Name != tt.rule {
					continue
				}
				if got := stored.Way(r); got != tt.want || got.String() != tt.text {
					t.Errorf("got %+v, %q, want %+v, %q", got, got, tt.want, tt.text)
				}
			}
		})
	}
}

// A gap that Athena gives is judged by threshold where its rule says how, also in
// a plan whose rules weigh evidence.
func TestAWayIsByThreshold(t *testing.T) {
	for _, tt := range []struct {
		aggregate *Aggregate
		want      Method
		way       Way
	}{
		{nil, Sequential, Way{}},
		{ptr(Pooled), Sequential, Way{}},
		{ptr(Worst), ByThreshold, Way{Aggregate: Worst}},
		{ptr(Average), ByThreshold, Way{Aggregate: Average}},
	} {
		spec := goodSpec()
		spec.Release.Evidence, spec.Success[2].Aggregate = ptr(Sequential), tt.aggregate
		plan, problems := Compile(spec)
		if plan == nil {
			t.Fatal(problems)
		}
		if r := &plan.Rules[2]; r.Method != tt.want || plan.Way(r) != tt.way {
			t.Errorf("aggregate %v: got %v, %+v", tt.aggregate, r.Method, plan.Way(r))
		}
	}
}

// The default way is stored as it was before there were others, and a plan that
// writes it is the same plan.
func TestADefaultWayChangesNoPlan(t *testing.T) {
	spec := gaugeSpec()
	spec.Rollback[2].Over = dur(10 * time.Minute)
	before, err := json.Marshal(compile(t, spec))
	if err != nil {
		t.Fatal(err)
	}
	spec.Success[2].Aggregate, spec.Rollback[2].Aggregate = ptr(Worst), ptr(Average)
	after, err := json.Marshal(compile(t, spec))
	if err != nil || string(before) != string(after) {
		t.Errorf("got %s, want %s", after, before)
	}
}

func TestLintOfWays(t *testing.T) {
	aggregate := func(a Aggregate) func(*Spec) { return func(s *Spec) { s.Success[2].Aggregate = ptr(a) } }
	for _, tt := range []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"nothing", func(*Spec) {}, ""},
		{"a share of how many", aggregate(Share), "missing success.gap.min_share"},
		{"a share beside a mean", func(s *Spec) { aggregate(Average)(s); s.Success[2].MinShare = &Fraction{0.9} }, "excess-key success.gap.min_share"},
		{"exceedance of a gauge", aggregate(Exceedance), "wrong-kind success.gap.aggregate"},
		{"the mean of a percentile", func(s *Spec) { s.Success[1].Aggregate = ptr(Average) }, "wrong-kind success.slow.aggregate"},
		{"the newest percentile", func(s *Spec) { s.Success[1].Aggregate = ptr(Last) }, "wrong-kind success.slow.aggregate"},
		{"the mean of a ratio", func(s *Spec) { s.Success[0].Aggregate = ptr(Average) }, "wrong-kind success.errors.aggregate"},
		{"an exact mean", func(s *Spec) { aggregate(Average)(s); s.Success[2].When = when("== 7") }, "bad-operator success.gap.when"},
		{"an exact level", func(s *Spec) { s.Success[2].When = when("== 7") }, ""},
		{"a mean of one period", func(s *Spec) { s.Rollback[2].Aggregate = ptr(Average) }, "excess-key rollback.gap-high.aggregate"},
		{"a mean of datapoints", func(s *Spec) {
			s.Rollback[2].Aggregate, s.Rollback[2].Datapoints = ptr(Average), "3 of 5"
		}, "excess-key rollback.gap-high.aggregate; conflict rollback.gap-high.datapoints"},
		{"a mean of evidence", func(s *Spec) {
			*s = goodSpec()
			s.Success[2].Aggregate, s.Success[2].Evidence = ptr(Average), ptr(Sequential)
		}, "excess-key success.gap.aggregate"},

		{"an hour and a minute", func(s *Spec) { s.Phases[0].Window = dur(61 * time.Minute) }, "~one-bad-point success.gap.aggregate"},
		{"a long window judged at its end", func(s *Spec) {
			s.Phases[0].Window, s.Success[2].Over = dur(2*time.Hour), dur(time.Hour)
		}, ""},
		{"a long window at its worst, as it is meant", func(s *Spec) { s.Phases[0].Window = dur(2 * time.Hour); aggregate(Worst)(s) }, ""},
		{"a long window by its mean", func(s *Spec) { s.Phases[0].Window = dur(2 * time.Hour); aggregate(Average)(s) }, ""},
		{"a long window that decides nothing", func(s *Spec) { s.Phases[0].Window = dur(2 * time.Hour); s.Success[2].Gate = ptr(Advisory) }, ""},
		{"a period of nothing", func(s *Spec) { s.Signals[3].Period = dur(0) }, "out-of-range signals.gap.period"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := gaugeSpec()
			tt.change(&spec)
			_, problems := Compile(spec)
			if got := ids(problems); !same(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
