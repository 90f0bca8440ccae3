package rules

import (
	"testing"
	"time"
)

func TestWeakProof(t *testing.T) {
	p := &Plan{Phases: []Phase{{Traffic: .1}, {Traffic: .5}, {Traffic: .49}, {Traffic: .2}}}
	for phase, weak := range []bool{true, false, true, false} {
		for _, tt := range []struct {
			proof Proof
			want  bool
		}{{ProofByTraffic, weak}, {ProofWeak, true}, {ProofStrong, false}} {
			if got := p.WeakProof(&Rule{Proof: tt.proof}, phase); got != tt.want {
				t.Errorf("phase %d, proof %v: weak %v, want %v", phase, tt.proof, got, tt.want)
			}
		}
	}
}

// A burst touches one period more than it is long, and none where nothing is ridden out.
func TestBurstPeriods(t *testing.T) {
	long, none := 10*time.Minute, time.Duration(0)
	for _, tt := range []struct {
		name   string
		rule   Rule
		period time.Duration
		want   int
	}{
		{"by default", Rule{Method: Sequential}, time.Minute, 4},
		{"the longest", Rule{Method: Sequential, RideOut: &long}, time.Minute, 11},
		{"in half minutes", Rule{Method: Sequential}, 30 * time.Second, 7},
		{"in two minutes", Rule{Method: Sequential}, 2 * time.Minute, 3},
		{"a period that is longer", Rule{Method: Sequential}, 5 * time.Minute, 0},
		{"for alone counts", Rule{Method: Sequential, For: 5 * time.Minute}, time.Minute, 0},
		{"one bad period at most", Rule{Method: Sequential, RideOut: &none}, time.Minute, 1},
		{"nothing, and for", Rule{Method: Sequential, RideOut: &none, For: time.Minute}, time.Minute, 0},
		{"no evidence", Rule{}, time.Minute, 0},
		{"no evidence, and nothing is ridden out", Rule{RideOut: &none}, 2 * time.Minute, 0},
	} {
		p := &Plan{Signals: []Signal{{Period: tt.period}}}
		if got := p.BurstPeriods(&tt.rule); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}
