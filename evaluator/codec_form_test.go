package evaluator

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/relgate/relgate/rules"
)

// A daemon goes on where one of the version before stopped: form2.bin is what that
// stored of weighPlan with a baseline, twenty minutes into binomials(7, 120) at 0.4 %.
func TestSecondForm(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "state", "form2.bin"))
	if err != nil {
		t.Fatal(err)
	}
	p := weighPlan(30 * time.Minute)
	p.Signals[0].Baseline = 1
	w := newWorld(t, p)
	if err := w.state.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	w.now = T.Add(20 * time.Minute)
	e := Look(p, w.state).Rollback[0].Evidence
	if d := e.Weighed; e.Samples != 2280 || d.Bad != 12 || d.Warning != -7.967836568382051 || d.Baseline == nil || d.Baseline.Samples != 2280 {
		t.Errorf("read %+v, weighed %+v, baseline %+v", e, d, d.Baseline)
	}
	w.value = binomials(7, 120, func(int, int64) float64 { return .004 })
	w.run(T.Add(time.Hour))
	if v := Look(p, w.state).Phases[0]; v.State != rules.Passed {
		t.Errorf("a good release goes on to be %v: %s", v.State, v.Reason)
	}

	for _, form := range []byte{0, 4, 255} {
		b[3] = form
		if err := new(State).UnmarshalBinary(b); err == nil {
			t.Errorf("form %d was read", form)
		}
	}
}

// What a stored state did not know takes nothing back: a release that is worse than
// what runs beside it is, once enough has come.
func TestSecondFormStillConfirms(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "state", "form2.bin"))
	if err != nil {
		t.Fatal(err)
	}
	p := weighPlan(4 * time.Hour)
	p.Signals[0].Baseline = 1
	w := newWorld(t, p)
	if err := w.state.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	w.now = T.Add(20 * time.Minute)
	w.value = binomials(7, 120, func(signal int, minute int64) float64 {
		if signal == 0 && minute >= 20 {
			return .2
		}
		return .004
	})
	w.run(T.Add(time.Hour))
	if v := Look(p, w.state).Rollback[0]; v.State != RuleFired {
		t.Errorf("it is %s: %s", v.State, v.Reason)
	}
}
