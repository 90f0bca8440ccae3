package evaluator

import (
	"testing"
	"time"

	appstore "github.com/relgate/relgate/sources/appstore/kind"
	athena "github.com/relgate/relgate/sources/athena/kind"
	cloudwatch "github.com/relgate/relgate/sources/cloudwatch/kind"
	sentry "github.com/relgate/relgate/sources/sentry/kind"

	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/evaluator/judge"
	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

func TestWorse(t *testing.T) {
	tests := []struct {
		kind rules.RuleKind
		op   rules.Op
		v, w float64 // v is worse than w, the threshold is 5
	}{
		{rules.Success, rules.Less, 3, 2}, {rules.Success, rules.LessOrEqual, 3, 2},
		{rules.Success, rules.Greater, 2, 3}, {rules.Success, rules.GreaterOrEqual, 2, 3},
		{rules.Success, rules.Equal, 9, 6}, {rules.Success, rules.NotEqual, 5, 6},
		{rules.RollbackRule, rules.Less, 2, 3}, {rules.RollbackRule, rules.Greater, 3, 2},
		{rules.RollbackRule, rules.Equal, 6, 9}, {rules.RollbackRule, rules.NotEqual, 9, 6},
	}
	for _, tt := range tests {
		r := &rules.Rule{Kind: tt.kind, When: rules.Condition{Op: tt.op, Threshold: 5}}
		if !judge.Worse(r, tt.v, tt.w) || judge.Worse(r, tt.w, tt.v) {
			t.Errorf("%v %v: %v is not worse than %v", tt.kind, tt.op, tt.v, tt.w)
		}
	}
}

func TestAlignDownBelowZero(t *testing.T) {
	if got := series.AlignDown(-1, 60); got != -60 {
		t.Errorf("alignDown(-1, 60) = %d", got)
	}
}

func TestQueryLine(t *testing.T) {
	plan := &rules.Plan{Signals: []rules.Signal{{Name: "p95", Unit: rules.Seconds}}}
	tests := []struct {
		sig  rules.Signal
		want string
	}{
		{rules.Signal{Name: "x", Source: "s", Of: -1}, "s: x"},
		{rules.Signal{Source: "cw", Of: -1, Query: rules.Query{Ask: &cloudwatch.Query{Alarm: "A"}}}, "cw: alarm A"},
		{rules.Signal{Source: "cw", Of: -1, Query: rules.Query{Ask: &cloudwatch.Query{Namespace: "N", Bad: rules.Several{"B"}, Total: rules.Several{"C"}}}}, "cw: N B / C"},
		{rules.Signal{Source: "cw", Of: 0, Above: 2.5, Query: rules.Query{Ask: &cloudwatch.Query{Namespace: "N", Metric: "D", Stat: "p95"}}}, "cw: N D p95, above 2.5 s"},
		{rules.Signal{Source: "se", Of: -1, Query: rules.Query{Ask: &sentry.Query{Project: "p", Release: "r"}}}, "se: sessions of p r"},
		{rules.Signal{Source: "as", Of: -1, Query: rules.Query{Ask: &appstore.Query{Fact: "reviews", App: "1", Version: "2"}}}, "as: reviews of app 1 2"},
		{rules.Signal{Source: "at", Of: -1, Query: rules.Query{Ask: &athena.Query{File: "q.sql"}}}, "at: query q.sql"},
	}
	for _, tt := range tests {
		if got := judge.QueryLine(plan, &tt.sig); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// What follows from the odd corners of a run.
func TestCorners(t *testing.T) {
	t.Run("a phase cannot overtake another, nor begin after a failure", func(t *testing.T) {
		p := smallPlan()
		p.Phases[0].Advance = rules.Signalled
		w := newWorld(t, p)
		w.run(T.Add(30 * time.Minute))
		if got := w.command(fact.Command{Kind: fact.StartPhase, Phase: "all"}); got != "phase_not_begun phase=ten" {
			t.Errorf("start: %s", got)
		}
		if v := Look(p, w.state).Phases[1]; v.Why != (fact.Why{Code: fact.WhyPhaseNotBegun, Phase: "ten"}) {
			t.Errorf("ground %+v", v.Why)
		}
		w.tick(fact.Command{Kind: fact.Override, Phase: "ten", Verdict: rules.Fail, By: "ann", Why: "drill"}, fact.Command{Kind: fact.StartPhase, Phase: "all", By: "ann", Why: "drill"})
		w.want("command start:  => refused (manual) phase_has_failed phase=ten")
		if got := w.command(fact.Command{Kind: fact.StartPhase, Phase: "all"}); got != "run_is state=failed" {
			t.Errorf("start: %s", got)
		}
	})
	t.Run("what was decided before a rollback is so again after it is overridden", func(t *testing.T) {
		p := smallPlan()
		p.Phases = append(p.Phases, rules.Phase{Name: "last", Advance: rules.Signalled, Window: 5 * time.Minute, Success: []int{0}})
		w := newWorld(t, p)
		w.run(T.Add(21 * time.Minute))
		w.command(fact.Command{Kind: fact.Override, Phase: "last", Verdict: rules.Fail})
		w.command(fact.Command{Kind: fact.Abort})
		if v := Look(p, w.state); v.Phases[0].Verdict != rules.Rollback || v.Phases[0].State != rules.Passed || v.Phases[0].Why != (fact.Why{Code: fact.WhyAborted, By: "ann", Text: "drill"}) {
			t.Errorf("aborted: %+v", v.Phases[0])
		}
		w.command(fact.Command{Kind: fact.Override, Verdict: rules.Pass})
		v := Look(p, w.state)
		if v.Phases[0].Verdict != rules.Pass || v.Phases[1].State != rules.Monitoring || v.Phases[2].Verdict != rules.Fail || v.Verdict != rules.Fail {
			t.Errorf("overridden: %v %v %v %v", v.Phases[0].Verdict, v.Phases[1].State, v.Phases[2].Verdict, v.Verdict)
		}
	})
	t.Run("a phase that is passed by hand is watched to its window's end", func(t *testing.T) {
		p := smallPlan()
		p.Phases = p.Phases[:1]
		w := newWorld(t, p)
		w.run(T.Add(5 * time.Minute))
		w.command(fact.Command{Kind: fact.Override, Verdict: rules.Pass})
		if v := Look(p, w.state); v.Over || v.Why != (fact.Why{Code: fact.WhyWatchedOn, Of: 1, Until: T.Add(15 * time.Minute)}) {
			t.Errorf("over %v: %+v", v.Over, v.Why)
		}
		w.run(T.Add(16 * time.Minute))
		w.want("02:15:00 run REL: monitoring => passed")
	})
	t.Run("a source that answers that it has nothing is silent for that reason", func(t *testing.T) {
		w := newWorld(t, smallPlan())
		w.bend = func(rd *rules.Reading) bool {
			rd.Points, rd.Fault, rd.SettledUntil = nil, rules.NoData, 0
			return true
		}
		w.run(T.Add(30 * time.Minute))
		w.want("signal errors: ok => no_data (no_data) signal_fault", "rule high: idle => silent (no_data)", "verdict ten: pending => unknown")
	})
	t.Run("a source that asks to be left alone for long is silent before it has failed often", func(t *testing.T) {
		p := smallPlan()
		p.Signals[0].Every = 0 // once a period
		w := newWorld(t, p)
		w.bend = func(rd *rules.Reading) bool {
			if w.now.After(T.Add(3 * time.Minute)) {
				*rd = rules.Reading{Signal: rd.Signal, Fault: rules.Throttled, RetryAt: w.now.Unix() + 1800}
			}
			return true
		}
		w.run(T.Add(15 * time.Minute))
		w.want("signal errors: ok => throttled", "rule high: clear => silent (source_error)")
		if v := Look(p, w.state).Signals[0]; v.Failures != 1 || v.Fault != rules.Throttled {
			t.Errorf("%d failures, %v", v.Failures, v.Fault)
		}
	})
	t.Run("a reading of no signal, and a width that comes and goes, do no harm", func(t *testing.T) {
		w := after(t, 10, nil)
		pts := []rules.Point{{At: T.Unix(), Value: 1, Samples: 9}}
		for _, width := range []int64{3600, 60, 0} {
			w.state, _ = checkedStep(t, w.plan, w.state, fact.Tick{At: w.now, Readings: []rules.Reading{{Signal: 99}, {Signal: -1}, {Points: pts, Width: width}}})
		}
		if s := w.state.Signals[0]; s.Width != 0 || len(s.Points) != 1 {
			t.Errorf("width %d, points %v", s.Width, s.Points)
		}
	})
}
