package judge

import (
	"testing"

	"github.com/relgate/relgate/evaluator/evidence"
	"github.com/relgate/relgate/rules"
)

// A period that has not settled is weighed with the total that is plausible, and waits
// where none is known; what comes after it waits too.
func TestWhatHasNotSettledIsWeighedAsFarAsItIsPlausible(t *testing.T) {
	points := []rules.Point{{At: 60, Samples: 100}, {At: 120, Samples: 100}, {At: 180, Value: 3, Samples: 10}, {At: 240, Samples: 100}}
	for _, tt := range []struct {
		name   string
		firm   *Firm
		total  float64
		until  int64
		filled float64
	}{
		{"all settled", nil, 310, 300, 0},
		{"a plausible total", &Firm{settled: 180, width: 60, counted: true, grows: true, known: true, least: 80}, 380, 300, 70},
		{"no total is plausible yet", &Firm{settled: 180, width: 60, counted: true, grows: true}, 200, 180, 0},
	} {
		w := Watch{w: 60, to: 1 << 40, Looks: 10, Lay: &WeighLayout{rule: evidence.NewRule(evidence.Terms{Limit: .01, Trigger: .03, Alpha: .01})}}
		var z Weighed
		w.take(&z, points, nil, 1<<30, tt.firm)
		if z.Track.N != tt.total || z.Until != tt.until || z.filled != tt.filled {
			t.Errorf("%s: %v samples until %d, %v of them plausible; want %v, %d, %v", tt.name, z.Track.N, z.Until, z.filled, tt.total, tt.until, tt.filled)
		}
	}
}
