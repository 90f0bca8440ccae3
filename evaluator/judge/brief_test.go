package judge

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/evaluator/fact"
	"github.com/relgate/relgate/rules"
)

// A rule that is plainly clear is clear by all that it judges, ends its newest value there,
// and is shown with all of it.
func TestWhatIsPlainlyClearIsClear(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, tt := range []struct {
		name string
		edit func(*rules.Plan)
		good bool // a high share of it is good
		some bool // some looks are plainly clear
	}{
		{"a share that should be low", nil, false, true},
		{"a share that should be high", func(p *rules.Plan) {
			p.Signals[0].Good, p.Rules[0].When = true, rules.Condition{Op: rules.Less, Threshold: .97, Unit: rules.Percent}
		}, true, true},
		{"filling up may make it look worse", func(p *rules.Plan) {
			p.Rules[0].When = rules.Condition{Op: rules.Less, Threshold: .02, Unit: rules.Percent}
		}, false, true},
		{"nothing is corrected", func(p *rules.Plan) { p.Signals[0].Settle = 0 }, false, true},
		{"a rule that fires at once", func(p *rules.Plan) { p.Rules[0].For = 0 }, false, false},
		{"a rule that looks back", func(p *rules.Plan) { p.Rules[0].Over = 5 * time.Minute }, false, false},
		{"a breach that is kept", func(p *rules.Plan) { p.Rules[0].KeepFiring = 5 * time.Minute }, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plain := 0
			for range 3000 {
				sc, w := watching(tt.edit)
				var points []rules.Point
				n, high := 1+rng.IntN(12), rng.IntN(3)
				for range n {
					p := rules.Point{Samples: float64(rng.IntN(4) * 50)}
					if p.Value = float64(int(p.Samples * .02)); rng.IntN(4) < high {
						p.Value = float64(int(p.Samples * .04))
					}
					points = append(points, p)
				}
				said(sc, 0, rng.IntN(n+1), points...)
				if skip := rng.IntN(n); rng.IntN(3) == 0 {
					points[skip].At += 30 // periods may be read in their middle
				}
				var j judged
				if !sc.plainlyClear(w, &j) {
					continue
				}
				plain++
				all := sc.traced(w)
				if all.Code() != Clear || j.Code() != Clear || all.Fired || all.newest.newest != j.newest.newest || all.spare != j.spare {
					t.Fatalf("%+v: it is plainly clear, %+v, and by all that it judges %+v", points, j, all)
				}
				if got, want := (Threshold{}).Against(sc, w, &Standing{traced: j}), sc.tracedEvidence(w.Rule, &all); !reflect.DeepEqual(got, want) {
					t.Fatalf("it is shown with %+v, want %+v", got, want)
				}
			}
			if plain > 0 != tt.some {
				t.Errorf("%d looks are plainly clear", plain)
			}
		})
	}
}

// A standing that is used again says nothing of the rule before.
func TestAStandingIsEmptied(t *testing.T) {
	for _, full := range []Standing{
		{
			Place: Place{State: Warning, Cause: rules.CauseEvidence, Acked: true, Unseen: true}, Rung: evidence.Holding, Fires: rules.CauseEvidence,
			Told: rules.CauseEvidence, Notify: []string{"ops"}, Next: 1, Since: 2, traced: judged{brief: true}, weighs: Weighing{bound: 3}, folded: new(Weighed), alarm: new(fact.Alarm),
		},
		{weighs: Weighing{bound: 3, Bad: 4}},
		{folded: new(Weighed), weighs: Weighing{Bad: 4}}, // it acts at once
	} {
		if full.Reset(); !reflect.DeepEqual(full, Standing{}) {
			t.Errorf("it is left with %+v", full)
		}
	}
	if n := reflect.TypeFor[Standing]().NumField(); n != 11 {
		t.Errorf("a standing has %d fields: empty the new one too", n)
	}
}

// The alarm that a success rule names fails it where it was on in a whole period of the
// window, and only there.
func TestAnAlarmThatWentOffFailsItsRule(t *testing.T) {
	for _, tt := range []struct {
		name string
		on   int // minute in which it was on; the window has minutes 2 to 7
		want rules.Verdict
	}{
		{"before the window", 0, rules.Pending}, {"in its first minute, after it was OK", 2, rules.Fail},
		{"in its last minute", 7, rules.Fail}, {"after it", 8, rules.Pending}, {"never", 20, rules.Pending},
	} {
		sc, _ := watching(func(p *rules.Plan) {
			p.Signals = append(p.Signals, rules.Signal{Name: "alarm", Kind: rules.Alarm, Of: -1, Period: time.Minute, Every: time.Minute})
			p.Rules[0].Kind, p.Rules[0].For, p.Rules[0].Alarm = rules.Success, 0, 1
			p.Rules[0].When = rules.Condition{Op: rules.Less, Threshold: .03, Unit: rules.Percent}
			p.Phases[0].Window, p.Phases[0].Success, p.Phases[0].Rollback = 6*time.Minute, []int{0}, nil
		})
		said(sc, 0, 12, times(12, rules.Point{Value: 1, Samples: 100})...)
		states := times(12, rules.Point{Samples: 1})
		if tt.on < len(states) {
			states[tt.on].Value = 1
		}
		said(sc, 1, 12, states...)
		sc.At = start + 5*60 // the rule itself is not judged yet
		w := sc.SuccessWatch(0, 0, start+2*60)
		if v := (Threshold{}).Prove(sc, &w, new(Memory)); v.Verdict != tt.want {
			t.Errorf("%s: the rule is %v, want %v", tt.name, v.Verdict, tt.want)
		}
	}
}
