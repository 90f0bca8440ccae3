package evaluator

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/relgate/relgate/evaluator/series"
	"github.com/relgate/relgate/rules"
)

// A state may be gone on from more than once, also where states share what they
// keep: none sees what another has learned.
func TestBranchesDoNotMeet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := rapid.IntRange(1, 2*series.ManyPoints).Draw(t, "points")
		states := []series.Series{{Points: everyMinute(0, first, 1)}}
		known := [][]rules.Point{everyMinute(0, first, 1)}
		for n := range rapid.IntRange(1, 200).Draw(t, "steps") {
			i := max(0, len(states)-1-rapid.SampledFrom([]int{0, 0, 0, 0, 1, 5}).Draw(t, "back"))
			s, want := states[i], known[i]
			cut := min(rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "cut"), len(want)-1)
			again := rapid.IntRange(0, 3).Draw(t, "again") // points that are answered once more
			value := rapid.SampledFrom([]float64{1, 1, 1, 1, 1, 2}).Draw(t, "value")
			from := len(want) - min(again, len(want)-cut-1)
			fresh := slices.Concat(want[from:], everyMinute(want[len(want)-1].At+60, rapid.IntRange(0, 3).Draw(t, "new"), float64(n)))
			for k := range fresh[:len(want)-from] {
				fresh[k].Value *= value
			}
			s.Points, s.Room = s.Extend(s.Points[cut:], fresh)
			states, known = append(states, s), append(known, series.Join(want[cut:], fresh))
			if len(s.Points) <= 3 {
				break
			}
		}
		for i := range states {
			if !slices.Equal(states[i].Points, known[i]) {
				t.Fatalf("state %d: got %v, want %v", i, states[i].Points, known[i])
			}
		}
	})
}

// everyMinute is n points a minute apart.
func everyMinute(from int64, n int, value float64) []rules.Point {
	points := make([]rules.Point, n)
	for i := range points {
		points[i] = rules.Point{At: from + int64(i)*60, Value: value, Samples: 1}
	}
	return points
}
