package judge

import (
	"testing"

	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// Where nothing was seen nothing comes to count, and no time is told at which it would.
func TestNothingRipensWhereNothingWasSeen(t *testing.T) {
	sc := &Scene{At: 1000, Signals: make([]series.Series, 1)}
	w := &Watch{Rule: &rules.Rule{}, w: 60}
	if at := sc.ripeAt(w, new(Weighed), 0, func(*proof) bool { return true }); at != 0 {
		t.Errorf("it ripens at %d", at)
	}
}
