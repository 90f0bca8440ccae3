package bench

import (
	"slices"
	"testing"
	"time"
)

// took is how long something took, each time.
type took []time.Duration

// do runs it once more and measures by the clock.
func (t *took) do(f func()) {
	began := time.Now()
	f()
	*t = append(*t, time.Since(began))
}

// cpu runs it once more and measures CPU time.
func (t *took) cpu(f func()) {
	began := cpuTime()
	f()
	*t = append(*t, cpuTime()-began)
}

// at is the quantile q, zero without measurements.
func (t took) at(q float64) time.Duration {
	if len(t) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

func (t took) median() time.Duration { return t.at(.5) }

// ratio is a to b, of their medians.
func ratio(a, b took) float64 { return float64(a.median()) / float64(b.median()) }

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// noOp removes the time per op from the report: it contains both ours and the
// baseline's.
func noOp(b *testing.B) { b.ReportMetric(0, "ns/op") }

func TestTook(t *testing.T) {
	all := took{5, 1, 3, 4, 2}
	for _, tt := range []struct {
		q    float64
		want time.Duration
	}{{0, 1}, {.5, 3}, {.99, 5}, {1, 5}} {
		if got := all.at(tt.q); got != tt.want {
			t.Errorf("quantile %v of %v: got %d, want %d", tt.q, all, got, tt.want)
		}
	}
	if got := ratio(all, took{1, 2, 6}); got != 1.5 {
		t.Errorf("ratio of medians: got %v, want 1.5", got)
	}
}
