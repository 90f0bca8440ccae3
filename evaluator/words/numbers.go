package words

import (
	"math"
	"strconv"
	"time"

	"github.com/relgate/relgate/rules"
)

// clock writes a time beside another: without its day where that is the same to
// a reader.
func clock(t, at time.Time) string {
	layout := "15:04"
	if t.Second() != 0 {
		layout = "15:04:05"
	}
	if d := at.Sub(t); d >= 20*time.Hour || d <= -20*time.Hour {
		layout = "2006-01-02 " + layout
	}
	return t.UTC().Format(layout) + " UTC"
}

// span writes how long something takes or took: "40 s", "11 min", "3.5 h", "2
// days".
func span(seconds int64) string {
	switch {
	case seconds < 60, seconds < 120 && seconds%60 != 0:
		return strconv.FormatInt(max(seconds, 0), 10) + " s"
	case seconds < 3*3600:
		return strconv.FormatInt((seconds+59)/60, 10) + " min"
	case seconds < 48*3600:
		return tenths(float64(seconds)/3600) + " h"
	}
	return tenths(float64(seconds)/86400) + " days"
}

func spanOf(d time.Duration) string { return span(int64(d / time.Second)) }

// tenths writes a number with one digit behind the point, or none where that is 0.
func tenths(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

// count writes a number of samples: "6,012".
func count(n float64) string { return rules.Count(n) }

// samples writes how many samples there are: "1 sample", "6,012 samples".
func samples(n float64) string {
	if n == 1 {
		return "1 sample"
	}
	return count(n) + " samples"
}

// about writes a number with two digits: a forecast is not known to the last one.
func about(n float64) string {
	if n < 100 {
		return count(math.Ceil(n))
	}
	step := math.Pow(10, math.Floor(math.Log10(n))-1)
	return count(math.Ceil(n/step) * step)
}

// share writes a rate with the digits that it deserves. Never rounds to 0 % or
// 100 %.
func share(v float64) string {
	p := v * 100
	switch {
	case p >= 100:
		return "100 %"
	case p >= 99.995:
		return ">99.99 %"
	case p >= 99.95:
		return strconv.FormatFloat(p, 'f', 2, 64) + " %"
	case p >= 99.5, p >= 1 && p < 9.95:
		return strconv.FormatFloat(p, 'f', 1, 64) + " %"
	case p >= 9.95:
		return strconv.FormatFloat(p, 'f', 0, 64) + " %"
	case p >= .005:
		return strconv.FormatFloat(p, 'f', 2, 64) + " %"
	case p <= 0:
		return "0 %"
	}
	return "<0.01 %"
}

// rate writes the value of a ratio: a good share with as many digits as its
// distance from all deserves.
func rate(good bool, v float64) string {
	if !good || v < .9 {
		return share(v)
	}
	digits := 0
	switch bad := 1 - v; {
	case bad <= 0:
		return "100 %"
	case bad < 5e-6:
		return ">99.999 %"
	case bad < .001:
		digits = 3
	case bad < .01:
		digits = 2
	case bad < .1:
		digits = 1
	}
	return strconv.FormatFloat(v*100, 'f', digits, 64) + " %"
}

// oneIn writes how few releases would show a log e-value: "1 in 1,800".
func oneIn(logE float64) string {
	e := math.Exp(min(logE+1e-9, 700))
	switch {
	case e >= 1e6:
		return "1 in a million"
	case e >= 1000:
		return "1 in " + count(math.Floor(e/100)*100)
	}
	return "1 in " + count(math.Floor(max(e, 1)))
}

// goodShare is one minus a bad share, without what subtracting adds.
func goodShare(bad float64) float64 { return math.Round((1-bad)*1e9) / 1e9 }

// plural is so many of a thing.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(float64(n)) + " " + many
}
