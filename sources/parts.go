package sources

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/relgate/relgate/rules"
)

// maxGroups is how many groups a period may consist of.
const maxGroups = 1000

// consistent gives the parts that can be true beside the reading's points, and
// why the first of the others cannot. A period with a point is the sum of its
// groups. A period without a point has parts only in an answer with NoData: its
// groups are too small for a point.
func consistent(w Want, r rules.Reading, points []rules.Point) (kept []rules.Parts, why string) {
	whole := make(map[int64]float64, len(points)) // :: period → samples of its point
	for _, p := range points {
		whole[p.At] = p.Samples
	}
	kept, last := r.Parts[:0:0], int64(math.MinInt64)
	for _, p := range r.Parts {
		n, fault := added(p.Groups)
		samples, has := whole[p.At]
		switch {
		case fault != "":
		case p.At < w.From || p.At >= w.To:
			fault = "outside the range asked for"
		case p.At <= last:
			fault = "not in ascending order"
		case !has && r.Fault != rules.NoData:
			fault = "of no point"
		case has && math.Abs(n-samples) > 1e-9*samples:
			fault = fmt.Sprintf("%v samples in groups of %v", n, samples)
		}
		if fault == "" {
			kept, last = append(kept, p), p.At
		} else if why == "" {
			why = fmt.Sprintf("the parts at %s are %s", time.Unix(p.At, 0).UTC().Format(time.RFC3339), fault)
		}
	}
	return kept, why
}

// added adds up the samples of the groups, or says why they cannot be true.
func added(groups []rules.Group) (samples float64, fault string) {
	if len(groups) > maxGroups {
		return 0, fmt.Sprintf("%d groups", len(groups))
	}
	names := make([]string, 0, len(groups))
	for _, g := range groups {
		switch {
		case !finite(g.Value) || !finite(g.Samples):
			return 0, "not finite numbers"
		case g.Value < 0 || g.Value > g.Samples:
			return 0, fmt.Sprintf("%v of %v in a group", g.Value, g.Samples)
		case slices.Contains(names, g.Name):
			return 0, fmt.Sprintf("the group %q twice", g.Name)
		}
		names = append(names, g.Name)
		samples += g.Samples
	}
	return samples, ""
}
