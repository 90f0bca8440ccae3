package wire

import (
	"strconv"
	"strings"

	"github.com/relgate/relgate/rules"
)

// Measured writes what a rule judges, for people. Of a percentile it is the percentile
// itself, as the plan has it, though a share is judged. It is "no data" while it is not
// known.
func (r *Rule) Measured() string {
	if q := r.Quantile; q != nil {
		return digits(q.Value, 3, q.Unit)
	}
	return estimate(r, r.Value)
}

// Condition writes what is compared with: "<= 2.5 s".
func (r *Rule) Condition() string {
	if q := r.Quantile; q != nil {
		return r.Op + " " + shown(q.Threshold, q.Unit)
	}
	return r.Op + " " + shown(r.Threshold, r.Unit)
}

// Counts writes what a rule's value rests on: "12 of 14,904", "60 samples".
func (r *Rule) Counts() string {
	if r.Weighed != nil && r.Weighed.Bad != nil && r.Samples != nil {
		return rules.Count(*r.Weighed.Bad) + " of " + rules.Count(*r.Samples)
	}
	if r.Samples == nil {
		return "no samples"
	}
	return rules.Count(*r.Samples) + " samples"
}

// shown writes a number in its display unit.
func shown(v *float64, unit string) string { return digits(v, 5, unit) }

func digits(v *float64, n int, unit string) string {
	if v == nil {
		return "no data"
	}
	return strings.TrimSpace(strconv.FormatFloat(*v, 'g', n, 64) + " " + unit)
}

// goodShares reports whether a rule weighs a share of good samples. The API gives
// its limit and trigger as shares of bad ones, its value as the plan has it.
func goodShares(r *Rule) bool {
	below := r.Op == rules.Less.String() || r.Op == rules.LessOrEqual.String()
	return r.Weighed != nil && r.Weighed.Bad != nil && below == (r.Kind == rules.RollbackRule.String())
}

// estimate writes what is judged by what was counted: a share with no more digits
// than it deserves, as the sentences have it.
func estimate(r *Rule, v *float64) string {
	switch {
	case v == nil || r.Weighed == nil:
		return shown(v, r.Unit)
	case r.Weighed.Bad == nil || r.Unit != rules.Percent.String():
		return digits(v, 4, r.Unit)
	case goodShares(r):
		return goodPercent(*v)
	}
	return badPercent(*v)
}

func badPercent(p float64) string {
	places := 2
	switch {
	case p <= 0:
		return "0 %"
	case p < .005:
		return "<0.01 %"
	case p >= 10:
		places = 0
	case p >= 1:
		places = 1
	}
	return strconv.FormatFloat(p, 'f', places, 64) + " %"
}

// goodPercent has as many digits as its distance from all deserves.
func goodPercent(p float64) string {
	places := 0
	switch bad := 100 - p; {
	case bad < .1:
		places = 3
	case bad < 1:
		places = 2
	case bad < 10:
		places = 1
	}
	return strconv.FormatFloat(p, 'f', places, 64) + " %"
}
