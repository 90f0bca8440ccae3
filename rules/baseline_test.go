package rules

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"
)

// weighingSpec is a plan whose rules weigh evidence wherever there are counts,
// with baselines.
func weighingSpec() Spec {
	s := goodSpec()
	s.Release.Evidence = ptr(Sequential)
	for _, i := range []int{0, 2} {
		cloudWatch(s.Signals[i].Query).Dimensions = map[string]string{"FunctionName": "f", "ExecutedVersion": "43"}
		s.Signals[i].Baseline = &BaselineSpec{Dimension: "ExecutedVersion", Value: "42"}
	}
	s.Signals[4].Baseline = &BaselineSpec{Dimension: "release", Value: "p@0"}
	return s
}

func compile(t *testing.T, spec Spec) *Plan {
	t.Helper()
	plan, problems := Compile(spec)
	if len(problems) > 0 {
		t.Fatalf("got problems\n%v\nwant none", problems)
	}
	return plan
}

func (p *Plan) signal(t *testing.T, name string) (int, Signal) {
	t.Helper()
	for i, s := range p.Signals {
		if s.Name == name {
			return i, s
		}
	}
	t.Fatalf("there is no signal %q", name)
	return 0, Signal{}
}

func TestBaselinesComeLast(t *testing.T) {
	plan := compile(t, weighingSpec())
	var names []string
	for _, s := range plan.Signals {
		names = append(names, s.Name)
	}
	want := []string{"error_rate", "page", "p95", "gap", "crash_free", "stars", "p95 > 2.5 s", "p95 > 3 s",
		"error_rate@42", "p95@42", "p95@42 > 2.5 s", "crash_free@p@0", "p95@42 > 3 s"}
	if !reflect.DeepEqual(names, want) {
		t.Errorf("got signals %q, want %q", names, want)
	}
	for own, baseline := range map[string]string{
		"error_rate": "error_rate@42", "p95": "p95@42", "crash_free": "crash_free@p@0",
		"p95 > 2.5 s": "p95@42 > 2.5 s", "p95 > 3 s": "p95@42 > 3 s",
	} {
		_, s := plan.signal(t, own)
		i, b := plan.signal(t, baseline)
		if s.Baseline != i || b.BaselineOf != own || b.Baseline != 0 || s.BaselineOf != "" {
			t.Errorf("%s has baseline %d, %s is %d, the baseline of %q, with one of its own: %d", own, s.Baseline, baseline, i, b.BaselineOf, b.Baseline)
		}
		if b.Keep != s.Keep || b.Keep == 0 {
			t.Errorf("%s keeps %d buckets, its baseline %d", own, s.Keep, b.Keep)
		}
		if b.Kind != s.Kind || b.Unit != s.Unit || b.Good != s.Good || b.Period != s.Period || b.Settle != s.Settle || b.Above != s.Above || b.Source != s.Source {
			t.Errorf("baseline %+v is not measured as %+v", b, s)
		}
	}
}

// A baseline is asked of the same source by another value of one dimension.
func TestBaselinesQueries(t *testing.T) {
	spec := weighingSpec()
	plan := compile(t, spec)
	_, own := plan.signal(t, "error_rate")
	_, errors := plan.signal(t, "error_rate@42")
	if got := cloudWatch(errors.Query.Ask); got.Dimensions["ExecutedVersion"] != "42" || got.Dimensions["FunctionName"] != "f" || got.Bad != "5XXError" {
		t.Errorf("got query %+v", got)
	}
	if got := cloudWatch(own.Query.Ask).Dimensions["ExecutedVersion"]; got != "43" {
		t.Errorf("the release's own query is changed to version %q", got)
	}
	_, crashes := plan.signal(t, "crash_free@p@0")
	if got := sentry(crashes.Query.Ask); got.Release != "p@0" || got.Project != "p" {
		t.Errorf("got query %+v", got)
	}
	parent, slow := plan.signal(t, "p95@42")
	_, share := plan.signal(t, "p95@42 > 3 s")
	if slow.Of != -1 || slow.Quant != 0.95 || share.Of != parent || share.Above != 3 || errors.Of != -1 || errors.Above != 0 {
		t.Errorf("got percentile %+v and its exceedance %+v", slow, share)
	}
	if got := cloudWatch(share.Query.Ask); got.Dimensions["ExecutedVersion"] != "42" || got.Stat != "p95" {
		t.Errorf("got query %+v", got)
	}
	if same := weighingSpec(); !reflect.DeepEqual(spec, same) {
		t.Error("compiling changed the spec")
	}
}

func TestPlanWithBaselinesReadsBackFromJSON(t *testing.T) {
	spec := weighingSpec()
	spec.Rollback[1].Datapoints, spec.Rollback[1].KeepFiring = "3 of 5", dur(time.Minute)
	spec.Success[3].Gate, spec.Success[3].Proof = ptr(Veto), ptr(ProofStrong)
	spec.Signals[0].Rate, spec.Signals[0].Cluster = "120/min", ptr(1.5)
	plan := compile(t, spec)
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ReadPlan(text, standIns)
	if err != nil || !reflect.DeepEqual(back, plan) {
		again, _ := json.Marshal(back)
		t.Errorf("got (%v)\n%s\nwant\n%s", err, again, text)
	}
}

// Nothing is asked that no rule could use.
func TestNoBaselineWhereNothingIsWeighed(t *testing.T) {
	spec := weighingSpec()
	spec.Release.Evidence = nil
	spec.Rollback[1].Evidence = ptr(Sequential)
	plan, problems := Compile(spec)
	if plan == nil {
		t.Fatal(problems)
	}
	var names []string
	for _, s := range plan.Signals[8:] {
		names = append(names, s.Name)
	}
	if want := []string{"p95@42", "p95@42 > 3 s"}; !reflect.DeepEqual(names, want) {
		t.Errorf("got baselines %q, want %q", names, want)
	}
	if plan.Signals[0].Baseline != 0 {
		t.Errorf("got %+v, want no baseline", plan.Signals[0])
	}
}

// In a scenario, the baseline's readings are given as any others are.
func TestBareBaseline(t *testing.T) {
	spec := weighingSpec()
	spec.Bare, spec.Success[2].Aggregate = true, ptr(Worst)
	for i := range spec.Signals {
		s := &spec.Signals[i]
		s.Source, s.Query = "", nil
	}
	plan := compile(t, spec)
	i, b := plan.signal(t, "error_rate@42")
	if plan.Signals[0].Baseline != i || b.Query != (Query{}) {
		t.Errorf("got baseline %+v", b)
	}
}

// A rule that weighs evidence folds what has settled, so that its signal keeps no
// window; its alarm does.
func TestKeepOfEvidence(t *testing.T) {
	plan := compile(t, weighingSpec())
	for _, tt := range []struct {
		signal string
		want   int
	}{
		{"error_rate", 10 + 3 + 5 + 3 + 1}, // the stretch of `for`, twice what settles, a few, and the one that is being filled
		{"page", 24*60 + 60 + 1},
		{"p95 > 2.5 s", 3 + 5 + 3 + 1},
		{"crash_free@p@0", 10 + 120 + 5 + 10 + 1}, // and what is too young to help
	} {
		if _, s := plan.signal(t, tt.signal); s.Keep != tt.want {
			t.Errorf("%s keeps %d buckets, want %d", s.Name, s.Keep, tt.want)
		}
	}
}
