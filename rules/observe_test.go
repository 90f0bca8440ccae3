package rules

import (
	"fmt"
	"testing"
	"time"
)

// shareSignal is a signal that tells which share of the traffic the release has.
func shareSignal(s *Spec) {
	s.Signals = append(s.Signals, SignalSpec{Name: "share", Source: "cw", Kind: ptr(Gauge), Unit: ptr(Percent), Query: &CloudWatchQuery{Namespace: "N", Metric: "Share"}})
	s.Phases[0].Observe = "share"
}

// besideSignal gives the error rate something that runs beside the release.
func besideSignal(s *Spec, name string) {
	for i := range s.Signals {
		if s.Signals[i].Name == name {
			s.Signals[i].Query.(*CloudWatchQuery).Dimensions = map[string]string{"Version": "43"}
			s.Signals[i].Baseline = &BaselineSpec{Dimension: "Version", Value: "42"}
		}
	}
	s.Phases[0].Observe = name
}

func TestLintOfWhatIsObserved(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"a level", shareSignal, ""},
		{"counts beside others", func(s *Spec) { besideSignal(s, "error_rate") }, ""},
		{"a percentile beside others", func(s *Spec) { besideSignal(s, "p95") }, ""},
		{"counts of the release alone", func(s *Spec) { s.Phases[0].Observe = "error_rate" }, "wrong-kind phases.canary.observe"},
		{"a level in another unit", func(s *Spec) { s.Phases[0].Observe = "gap" }, "wrong-kind phases.canary.observe"},
		{"an alarm", func(s *Spec) { s.Phases[0].Observe = "page" }, "wrong-kind phases.canary.observe"},
		{"a signal without a kind", func(s *Spec) { shareSignal(s); s.Signals[len(s.Signals)-1].Kind = nil }, "missing signals.share.kind"},
		{"no such signal", func(s *Spec) { s.Phases[0].Observe = "shre" }, "unknown-signal phases.canary.observe"},
		{"an answer to what cannot be seen", func(s *Spec) {
			s.Phases[0].OnMismatch, s.Phases[0].MismatchFor = ptr(HoldOnIt), dur(time.Minute)
		}, "excess-key phases.canary.mismatch_for; excess-key phases.canary.on_mismatch"},
		{"begins by what cannot be seen", func(s *Spec) { s.Phases[1].Advance = ptr(Observed) }, "missing phases.all.observe"},
		{"begins by what is seen", func(s *Spec) { shareSignal(s); s.Phases[1].Advance, s.Phases[1].Observe = ptr(Observed), "share" }, ""},
		{"for too long", func(s *Spec) { shareSignal(s); s.Phases[0].MismatchFor = dur(8 * day) }, "out-of-range phases.canary.mismatch_for"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spec := goodSpec()
			tt.change(&spec)
			_, problems := Compile(spec)
			if got := ids(problems); !same(got, tt.want) {
				t.Errorf("got %q, want %q\n%v", got, tt.want, problems)
			}
		})
	}
}

func TestWhatIsObserved(t *testing.T) {
	spec := goodSpec()
	shareSignal(&spec)
	spec.Signals[len(spec.Signals)-1].Period = dur(15 * time.Minute)
	spec.Phases[1].Observe, spec.Phases[1].OnMismatch, spec.Phases[1].MismatchFor = "share", ptr(HoldOnIt), dur(time.Hour)
	plan, problems := Compile(spec)
	if plan == nil {
		t.Fatal(problems)
	}
	first, second := &plan.Phases[0], &plan.Phases[1]
	if first.Observe != "share" || first.OnMismatch != Tell || first.MismatchFor != 45*time.Minute || second.OnMismatch != HoldOnIt || second.MismatchFor != time.Hour {
		t.Errorf("%+v\n%+v", first, second)
	}
	sig := &plan.Signals[plan.Observed(0)]
	if sig.Name != "share" || sig.Keep < ObservedPeriods+4 {
		t.Errorf("%+v", sig)
	}
	if bound := compileGood(t); bound.Observed(0) != -1 {
		t.Error("a phase observes what it does not name")
	}
	// Counts have what runs beside the release, although no rule weighs it; a percentile too.
	for _, name := range []string{"error_rate", "p95"} {
		spec = goodSpec()
		besideSignal(&spec, name)
		if plan, problems = Compile(spec); plan == nil {
			t.Fatal(problems)
		}
		sig = &plan.Signals[plan.Observed(0)]
		if b := &plan.Signals[sig.Baseline]; sig.Baseline == 0 || b.BaselineOf != name || b.Keep < ObservedPeriods {
			t.Errorf("%s: baseline %d of %+v", name, sig.Baseline, sig)
		}
	}
	// Edits of it are told.
	spec = goodSpec()
	old := compileGood(t)
	shareSignal(&spec)
	plan, _ = Compile(spec)
	if got := fmt.Sprint(Diff(old, plan)); got != "[{phases.canary.observe  share} {phases.canary.on_mismatch  tell} {phases.canary.mismatch_for  5m} {signals.share  gauge from cw}]" {
		t.Error(got)
	}
}
