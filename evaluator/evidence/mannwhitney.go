package evidence

import (
	"math"
	"sort"
)

// exactSize is the greatest number of values for which RankTest is exact: its
// table has size³/2 entries, and each value goes through it once, which is some
// milliseconds at this size.
const exactSize = 64

// RankTest is the comparison of two samples by ranks.
type RankTest struct {
	U                             float64 // pairs in which x is greater, ties as a half
	Exact                         bool    // whether Greater and TwoSided are exact
	Greater                       float64 // p-value of "x is not greater than y"
	TwoSided                      float64 // p-value of "no difference", by the distance of U from its mean
	NormalGreater, NormalTwoSided float64 // the same by the normal approximation
	CLES                          float64 // probability that x is greater, ties as a half
	Delta                         float64 // Cliff's delta, 2 CLES - 1
	Shift                         float64 // Hodges-Lehmann: median of all differences x - y
}

// MannWhitney compares two samples (Mann and Whitney 1947). The exact p-values
// are over all ways of dealing the values out, ties included with their mean
// ranks (Streitberg and Röhmel 1986), for up to 64 values together; above,
// they are the normal ones, which are corrected for ties and for continuity.
// Shift is by Hodges and Lehmann (1963), Delta by Cliff (1993). Time and space
// grow with the product of the sizes.
//
// It is for one planned comparison, not for watching. Values that are not finite
// are left out; if a side has no values, all p-values are 1, CLES is a half and
// the rest is 0.
func MannWhitney(x, y []float64) RankTest {
	x, y = finite(x), finite(y)
	m, n := len(x), len(y)
	if m == 0 || n == 0 {
		return RankTest{Greater: 1, TwoSided: 1, NormalGreater: 1, NormalTwoSided: 1, CLES: .5}
	}
	ranks, ties := doubleRanks(x, y)
	sum := 0
	for _, r := range ranks[:m] {
		sum += r
	}
	t := RankTest{U: float64(sum-m*(m+1)) / 2, Shift: hodgesLehmann(x, y)}
	t.CLES = t.U / float64(m) / float64(n)
	t.Delta = 2*t.CLES - 1
	t.normal(float64(m), float64(n), ties)
	t.Greater, t.TwoSided = t.NormalGreater, t.NormalTwoSided
	if m+n <= exactSize {
		t.Exact = true
		t.Greater, t.TwoSided = permuted(ranks, m, sum)
	}
	return t
}

// finite returns the values that are finite.
func finite(v []float64) []float64 {
	out := make([]float64, 0, len(v))
	for _, f := range v {
		if !math.IsNaN(f) && !math.IsInf(f, 0) {
			out = append(out, f)
		}
	}
	return out
}

// doubleRanks returns twice the mean ranks of x and then y in both together,
// which are whole numbers, and the sum of t³-t over the groups of t ties.
func doubleRanks(x, y []float64) (ranks []int, ties float64) {
	all := append(append([]float64(nil), x...), y...)
	order := make([]int, len(all))
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(a, b int) bool { return all[order[a]] < all[order[b]] })
	ranks = make([]int, len(all))
	for from := 0; from < len(order); {
		to := from
		for to < len(order) && all[order[to]] == all[order[from]] {
			to++
		}
		for _, i := range order[from:to] {
			ranks[i] = from + 1 + to
		}
		t := float64(to - from)
		ties += t*t*t - t
		from = to
	}
	return ranks, ties
}

// normal is the approximation by the normal distribution.
func (t *RankTest) normal(m, n, ties float64) {
	size := m + n
	sd := math.Sqrt(m * n / 12 * (size + 1 - ties/(size*(size-1))))
	above := t.U - m*n/2
	if !(sd > 0) { // all values are the same
		t.NormalGreater, t.NormalTwoSided = 1, 1
		return
	}
	t.NormalGreater = normalTail((above - .5) / sd)
	t.NormalTwoSided = min(1, 2*normalTail((math.Abs(above)-.5)/sd))
}

// permuted is the exact probability that m of the ranks sum to at least sum,
// and that the sum is at least as far from its mean as sum is.
func permuted(ranks []int, m, sum int) (greater, distant float64) {
	total := 0
	for _, r := range ranks {
		total += r
	}
	ways := make([][]float64, m+1) // :: how many ranks → their sum → in how many ways
	for k := range ways {
		ways[k] = make([]float64, total+1)
	}
	ways[0][0] = 1
	reach := 0 // greatest sum so far
	for i, r := range ranks {
		reach += r
		for k := min(i+1, m); k > 0; k-- {
			for s := reach; s >= r; s-- {
				ways[k][s] += ways[k-1][s-r]
			}
		}
	}
	all := 0.0
	size := len(ranks)
	for s, w := range ways[m] { // the mean sum is total*m/size
		all += w
		if s >= sum {
			greater += w
		}
		if abs(s*size-total*m) >= abs(sum*size-total*m) {
			distant += w
		}
	}
	return greater / all, distant / all
}

func abs(v int) int { return max(v, -v) }

// hodgesLehmann is the median of all differences.
func hodgesLehmann(x, y []float64) float64 {
	diff := make([]float64, 0, len(x)*len(y))
	for _, a := range x {
		for _, b := range y {
			diff = append(diff, clamp(a-b, -math.MaxFloat64, math.MaxFloat64))
		}
	}
	sort.Float64s(diff)
	mid := len(diff) / 2
	if len(diff)%2 == 1 {
		return diff[mid]
	}
	return diff[mid-1] + (diff[mid]-diff[mid-1])/2
}
