package chart

import (
	"math"
	"time"
)

// The sizes of a chart, in the units of its view box.
const (
	Width     = 960.0
	Height    = 170.0
	Left      = 64.0 // for the axis' numbers
	Top       = 8.0
	Bottom    = 20.0 // for the times
	RowHeight = 22.0
	Letter    = 6.2 // of a label, about
)

// Axis maps a time to a place: from Left to the chart's right edge. Times are Unix
// seconds.
type Axis struct {
	From, To int64
	Left     float64
}

// X is the place of a time. What lies beyond the axis is at its end.
func (a Axis) X(at int64) float64 {
	share := float64(at-a.From) / float64(max(a.To-a.From, 1))
	return Round1(a.Left + (Width-a.Left)*min(max(share, 0), 1))
}

// Round1 rounds a place to a tenth of a unit.
func Round1(v float64) float64 { return math.Round(v*10) / 10 }

// Round3 rounds a value to three digits.
func Round3(v float64) float64 {
	if v == 0 {
		return 0
	}
	scale := math.Pow(10, 2-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// Shape is something at a place of a chart: a band, a bar, a dot or a label.
type Shape struct {
	X, Y, W, H float64
	Class      string
	Title      string // shown where the pointer rests
	Text       string
}

// Times are the labels of a time axis: round ones, at most nine.
func Times(a Axis, height float64) []Shape {
	step := int64(60)
	for _, s := range []int64{60, 300, 900, 1800, 3600, 2 * 3600, 6 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400, 14 * 86400, 30 * 86400, 90 * 86400} {
		if step = s; (a.To-a.From)/s <= 8 {
			break
		}
	}
	layout := "01-02 15:04"
	if step >= 86400 {
		layout = "01-02"
	}
	var list []Shape
	for at := (a.From + step - 1) / step * step; at <= a.To; at += step {
		if x := a.X(at); x < Width-30 {
			list = append(list, Shape{X: x, Y: height - 5, H: height - Bottom, Text: time.Unix(at, 0).UTC().Format(layout)})
		}
	}
	return list
}
