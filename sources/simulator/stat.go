package simulator

import (
	"math"
	"regexp"
	"strconv"
	"strings"
)

// stat computes one CloudWatch statistic over the values of one period. It is NaN
// where CloudWatch has no value although there are samples.
type stat func(samples) float64

var (
	percentileStat = regexp.MustCompile(`^p(\d{1,2}(?:\.\d{1,10})?|100)$`)
	rangeStat      = regexp.MustCompile(`^(TC|PR)\((-?[0-9.]*(?:[eE][+-]?\d+)?):(-?[0-9.]*(?:[eE][+-]?\d+)?)\)$`)
)

// parseStat reads "Sum", "p95", "TC(2500:)", "PR(:2500)" and so on; nil when
// there is no such statistic.
func parseStat(name string) stat {
	switch name {
	case "Sum":
		return func(ss samples) float64 { return ss.total(sample.sum) }
	case "SampleCount":
		return samples.count
	case "Average":
		return func(ss samples) float64 { return ss.total(sample.sum) / ss.count() }
	case "Minimum":
		return samples.minimum
	case "Maximum":
		return samples.maximum
	}
	if m := percentileStat.FindStringSubmatch(name); m != nil {
		if p, err := strconv.ParseFloat(m[1], 64); err == nil {
			return func(ss samples) float64 { return ss.percentile(min(p/100, 1-1e-12)) }
		}
	}
	if m := rangeStat.FindStringSubmatch(name); m != nil {
		return parseRange(m[1], m[2], m[3])
	}
	return nil
}

// parseRange reads the bounds of TC and PR: the lower is excluded, the upper
// included, and one of them may be left out.
func parseRange(kind, from, to string) stat {
	lo, errLo := bound(from, math.Inf(-1))
	hi, errHi := bound(to, math.Inf(1))
	if errLo != nil || errHi != nil || lo >= hi || (from == "" && to == "") {
		return nil
	}
	if kind == "TC" {
		return func(ss samples) float64 {
			if n := ss.between(lo, hi); n > 0 {
				return n
			}
			return math.NaN() // what is trimmed to nothing may have no value
		}
	}
	return func(ss samples) float64 { return 100 * ss.between(lo, hi) / ss.count() }
}

func bound(s string, missing float64) (float64, error) {
	if strings.TrimSpace(s) == "" {
		return missing, nil
	}
	return strconv.ParseFloat(s, 64)
}
