package rules

import (
	"encoding/json"
	"testing"
	"time"
)

// stored is the plan as the journal gives it back.
func stored(t *testing.T, plan *Plan) *Plan {
	t.Helper()
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	p := new(Plan)
	if err := json.Unmarshal(text, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// What a plan says of shadow, resuming, bursts and names that were never seen
// reaches the plan that the journal keeps.
func TestModesAreKept(t *testing.T) {
	spec := weighingSpec()
	spec.Success[0].Mode, spec.Rollback[1].Mode = ptr(Shadow), ptr(Enforce)
	spec.Rollback[0].Resume, spec.Rollback[1].Resume, spec.Rollback[1].ResumeAfter = ptr(ResumeAuto), ptr(ResumeAuto), dur(20*time.Minute)
	spec.Release.RideOut, spec.Rollback[1].RideOut = dur(time.Minute), dur(0)
	spec.Signals[0].AssumeSeen, cloudWatch(spec.Signals[0].Query).MissingBadIsZero = true, true
	compiled, problems := Compile(spec)
	if compiled == nil {
		t.Fatal(problems)
	}
	plan := stored(t, compiled)
	if r := plan.Rules[0]; !r.Shadow || r.ResumeAfter != 0 {
		t.Errorf("got %+v, want it in shadow", r)
	}
	high, slow := &plan.Rules[5], &plan.Rules[6]
	if high.Shadow || slow.Shadow || high.ResumeAfter != 6*time.Minute || slow.ResumeAfter != 20*time.Minute {
		t.Errorf("got resume after %v and %v, want 6m, as settle and three periods are, and 20m", high.ResumeAfter, slow.ResumeAfter)
	}
	if *high.RideOut != time.Minute || *slow.RideOut != 0 {
		t.Errorf("got ride out %v and %v, want 1m and 0s", high.RideOut, slow.RideOut)
	}
	if !plan.Signals[0].AssumeSeen || plan.Signals[1].AssumeSeen {
		t.Errorf("got signals %+v", plan.Signals[:2])
	}
}

// Data that settles at once must still have been good for a while.
func TestAHoldEndsAfterFiveMinutesAtLeast(t *testing.T) {
	spec := weighingSpec()
	spec.Rollback[0].Resume, spec.Signals[0].Settle = ptr(ResumeAuto), dur(0)
	if got := compile(t, spec).Rules[5].ResumeAfter; got != 5*time.Minute {
		t.Errorf("got %v, want 5m", got)
	}
}

// A plan that writes the defaults is the plan that leaves them out.
func TestDefaultModesChangeNoPlan(t *testing.T) {
	text := func(spec Spec) string {
		plan, problems := Compile(spec)
		if plan == nil {
			t.Fatal(problems)
		}
		b, err := json.Marshal(plan)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	spec := weighingSpec()
	before := text(spec)
	spec.Release.RideOut, spec.Rollback[1].RideOut = dur(3*time.Minute), dur(3*time.Minute)
	for i := range spec.Rollback {
		spec.Rollback[i].Mode, spec.Rollback[i].Resume = ptr(Enforce), ptr(ResumeManual)
	}
	if after := text(spec); after != before {
		t.Errorf("got %s, want %s", after, before)
	}
}

func TestRideOut(t *testing.T) {
	for _, tt := range []struct {
		name        string
		rule        *time.Duration
		lasts, step time.Duration
		method      Method
		want        time.Duration
	}{
		{"by default", nil, 0, time.Minute, Sequential, 3 * time.Minute},
		{"as long as for", nil, 3 * time.Minute, time.Minute, Sequential, 3 * time.Minute},
		{"shorter than for", nil, 10 * time.Minute, time.Minute, Sequential, 0},
		{"nothing", ptr(time.Duration(0)), 0, time.Minute, Sequential, 0},
		{"whole periods", ptr(5 * time.Minute), 0, 2 * time.Minute, Sequential, 6 * time.Minute},
		{"a period that is longer", nil, 0, 5 * time.Minute, Sequential, 0},
		{"a rule that compares", nil, 0, time.Minute, ByThreshold, 0},
	} {
		p := &Plan{Signals: []Signal{{Period: tt.step}}}
		r := &Rule{Method: tt.method, RideOut: tt.rule, For: tt.lasts}
		if got := p.RideOut(r); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A rule in shadow takes nothing from those that act: neither budget nor bounds.
func TestShadowChangesNothingForOthers(t *testing.T) {
	without := weighingSpec()
	with := weighingSpec()
	with.Rollback = append(with.Rollback, RollbackSpec{RuleSpec: RuleSpec{
		Name: "errors-2", Signal: "error_rate", When: when("> 2 %"), Owner: "Ops", Mode: ptr(Shadow)}, Action: "revert", Command: "revert --now"})
	with.Phases[0].Rollback = append(with.Phases[0].Rollback, "errors-2")
	with.Success = append(with.Success, SuccessSpec{RuleSpec: RuleSpec{
		Name: "errors-few", Signal: "error_rate", When: when("< 1.5 %"), Owner: "Ops", Mode: ptr(Shadow)}})
	with.Phases[0].Success = append(with.Phases[0].Success, "errors-few")
	a, b := compile(t, without), compile(t, with)
	byName := map[string]Rule{}
	for _, r := range b.Rules {
		byName[r.Name] = r
	}
	for _, r := range a.Rules {
		if o := byName[r.Name]; o.Alpha != r.Alpha || o.Limit != r.Limit || o.Trigger != r.Trigger {
			t.Errorf("%s: got %+v beside a rule in shadow, want %+v", r.Name, o, r)
		}
	}
	// The rule in shadow is judged as it would be if it acted.
	if o := byName["errors-2"]; o.Alpha != a.FalseRollback/3 || o.Limit != 0.015 {
		t.Errorf("got %+v, want a third of the budget and the widest limit", o)
	}
	if o := byName["errors-few"]; o.Trigger != 0.02 {
		t.Errorf("got %+v, want the nearest trigger", o)
	}
}

func TestLintOfModes(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"nothing", func(*Spec) {}, ""},
		{"a required rule in shadow", func(s *Spec) { s.Success[0].Mode, s.Success[0].Gate = ptr(Shadow), ptr(Required) }, "~no-effect success.errors.gate"},
		{"all success rules in shadow", func(s *Spec) {
			for i := range s.Success {
				s.Success[i].Mode = ptr(Shadow)
			}
		}, "nothing-required phases.canary.success; nothing-required phases.all.success"},
		{"all rollback rules in shadow", func(s *Spec) {
			for i := range s.Rollback {
				s.Rollback[i].Mode = ptr(Shadow)
			}
		}, "~no-rollback phases.canary.rollback; ~no-rollback phases.all.rollback"},
		{"a gauge's long window in shadow", func(s *Spec) {
			gaugeOf(s, Number, "Count")
			s.Success[2].Aggregate, s.Success[2].Mode = nil, ptr(Shadow)
		}, ""},
		{"a budget for rules in shadow", func(s *Spec) {
			*s = weighingSpec()
			s.Release.FalseRollback = &Fraction{0.02}
			for i := range s.Rollback {
				s.Rollback[i].Mode = ptr(Shadow)
			}
		}, "~no-rollback phases.canary.rollback; ~no-rollback phases.all.rollback; ~no-effect release.false_rollback"},

		{"a hold that ends by itself", func(s *Spec) { *s = weighingSpec(); s.Rollback[0].Resume = ptr(ResumeAuto) }, ""},
		{"how soon a person resumes", func(s *Spec) { s.Rollback[0].ResumeAfter = dur(time.Hour) }, "excess-key rollback.errors-high.resume_after"},
		{"a hold that ends at once", func(s *Spec) {
			*s = weighingSpec()
			s.Rollback[0].Resume, s.Rollback[0].ResumeAfter = ptr(ResumeAuto), dur(30*time.Second)
		}, "short-window rollback.errors-high.resume_after"},
		{"a hold that ends in a month", func(s *Spec) {
			*s = weighingSpec()
			s.Rollback[0].Resume, s.Rollback[0].ResumeAfter = ptr(ResumeAuto), dur(30*day)
		}, "out-of-range rollback.errors-high.resume_after"},
		{"a hold of an unknown signal", func(s *Spec) { s.Rollback[0].Resume, s.Rollback[0].Signal = ptr(ResumeAuto), "x" }, "unknown-signal rollback.errors-high.signal"},
		{"a hold in shadow", func(s *Spec) {
			*s = weighingSpec()
			s.Rollback[0].Resume, s.Rollback[0].Mode = ptr(ResumeAuto), ptr(Shadow)
		}, "excess-key rollback.errors-high.resume; ~no-rollback phases.all.rollback"},
		{"a hold for missing data", func(s *Spec) { s.Rollback[0].Resume = ptr(ResumeAuto) }, "excess-key rollback.errors-high.resume"},
		{"a rule that holds beside its baseline, whatever its policies", func(s *Spec) {
			*s = weighingSpec()
			s.Rollback[0].Resume, s.Rollback[0].OnNoData, s.Rollback[0].OnError = ptr(ResumeAuto), ptr(PolicyFail), ptr(PolicyRollback)
		}, ""},

		{"a name that was never seen", func(s *Spec) { s.Signals[0].AssumeSeen, cloudWatch(s.Signals[0].Query).MissingBadIsZero = true, true }, "~assumed-seen signals.error_rate.assume_seen"},
		{"a project that was never seen", func(s *Spec) { s.Signals[4].AssumeSeen = true }, "~no-effect signals.crash_free.assume_seen"},
		{"a name of zeros that nothing fills in", func(s *Spec) { s.Signals[0].AssumeSeen = true }, "~no-effect signals.error_rate.assume_seen"},
		{"a gauge that was never seen", func(s *Spec) { s.Signals[3].AssumeSeen = true }, "excess-key signals.gap.assume_seen"},

		{"bursts where nothing is weighed", func(s *Spec) { s.Release.RideOut = dur(time.Minute) }, "~no-effect release.ride_out"},
		{"bursts of an hour", func(s *Spec) { *s = weighingSpec(); s.Release.RideOut = dur(time.Hour) }, "out-of-range release.ride_out"},
		{"bursts of a rule that compares", func(s *Spec) { s.Success[0].RideOut, s.Rollback[0].RideOut = dur(time.Minute), dur(time.Minute) },
			"excess-key success.errors.ride_out; excess-key rollback.errors-high.ride_out"},
		{"a rule's bursts", func(s *Spec) {
			*s = weighingSpec()
			s.Success[0].RideOut, s.Rollback[1].RideOut = dur(time.Minute), dur(0)
		}, ""},
		{"a rule's bursts of an hour", func(s *Spec) { *s = weighingSpec(); s.Success[0].RideOut = dur(time.Hour) }, "out-of-range success.errors.ride_out"},
		{"bursts of parts of periods", func(s *Spec) { *s = weighingSpec(); s.Success[0].RideOut = dur(90 * time.Second) }, "~not-a-multiple success.errors.ride_out"},
		{"bursts shorter than a period", func(s *Spec) { *s = weighingSpec(); s.Success[0].RideOut = dur(30 * time.Second) }, "~no-effect success.errors.ride_out"},
		{"bursts shorter than for", func(s *Spec) { *s = weighingSpec(); s.Rollback[0].RideOut = dur(5 * time.Minute) }, "~no-effect rollback.errors-high.ride_out"},
		{"the release's bursts shorter than for", func(s *Spec) { *s = weighingSpec(); s.Release.RideOut = dur(5 * time.Minute) }, "no-effect rollback.errors-high.for"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := goodSpec()
			tt.change(&spec)
			_, problems := Compile(spec)
			if got := ids(problems); !same(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
