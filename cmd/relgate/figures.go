package main

import (
	"strconv"
	"strings"

	"github.com/relgate/relgate/exporters/wire"
	"github.com/relgate/relgate/rules"
)

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
func goodShares(r *wire.Rule) bool {
	below := r.Op == rules.Less.String() || r.Op == rules.LessOrEqual.String()
	return r.Weighed != nil && r.Weighed.Bad != nil && below == (r.Kind == rules.RollbackRule.String())
}

// estimate writes what is judged by what was counted: a share with no more digits
// than it deserves, as the sentences have it.
func estimate(r *wire.Rule, v *float64) string {
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
