package sentry

import (
	"cmp"
	"fmt"
	"time"

	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/sentry/kind"
)

// answer is the result of one question: points from from until until, and the
// fault that ended it, if any.
type answer struct {
	width  int64 // of the periods, seconds
	from   int64
	until  int64 // end of what Sentry looked at
	points []rules.Point
	err    *sources.CallError
}

// add appends the result of one request. Sentry says which stretch it looked at,
// rounded in its own way: that counts, not what was asked for. add reports whether
// Sentry looked at the whole stretch; it may leave out what lies in the future.
func (a *answer) add(s *sessions, asked int64) (whole bool, err *sources.CallError) {
	if a.until == a.from && s.width > a.width && s.width%a.width == 0 {
		a.width = s.width // it may be wider than asked for, but must stay the same
	}
	switch {
	case s.width != a.width || s.starts[0]%s.width != 0:
		return false, partial("the answer's periods are %d s wide, not %d", s.width, a.width)
	case s.starts[0] > a.until:
		return false, partial("the answer begins at %s, not at %s as asked", stamp(s.starts[0]), stamp(a.until))
	}
	for i, at := range s.starts {
		if s.unknown[i] || s.total[i] == 0 {
			continue // without sessions nothing is known about crashes
		}
		if n := len(a.points); n > 0 && at <= a.points[n-1].At {
			continue // rounded outward into the stretch before
		}
		a.points = append(a.points, rules.Point{At: at, Value: s.crashed[i], Samples: s.total[i]})
	}
	end := min(s.end, s.starts[len(s.starts)-1]+s.width)
	a.until = max(a.until, min(end, ceil(asked, a.width)))
	return end >= asked, nil
}

func partial(format string, args ...any) *sources.CallError {
	return &sources.CallError{Fault: rules.PartialData, Detail: fmt.Sprintf(format, args...)}
}

// reading is the answer to one want.
func (a answer) reading(w sources.Want, now time.Time) rules.Reading {
	r := rules.Reading{Signal: w.Index, From: w.From, To: w.To}
	if a.width != int64(w.Signal.Period/time.Second) {
		r.Width = a.width
		r.Note = fmt.Sprintf("this Sentry gives periods of %s, not of %s: judged by those", interval(a.width), interval(int64(w.Signal.Period/time.Second)))
	}
	for _, p := range a.points {
		// A period wider than asked for may begin before the range.
		if p.At < w.To && (p.At >= w.From || r.Width > 0 && p.At+r.Width > w.From) {
			r.Points = append(r.Points, p)
		}
	}
	if a.err != nil {
		r.Fault, r.Detail = a.err.Fault, a.err.Detail
		if !a.err.RetryAt.IsZero() {
			r.RetryAt = a.err.RetryAt.Unix()
		}
		return r
	}
	if len(r.Points) == 0 {
		r.Fault, r.Detail = rules.NoData, sources.Clip(lacks(kind.Of(w.Signal.Query), a.width))
		return r
	}
	settled := floor(min(now.Add(-w.Signal.Settle).Unix(), a.until, w.To), a.width)
	if settled > a.from {
		r.SettledUntil = settled
	}
	return r
}

// lacks is the sentence of a reading without sessions. It names all that may be wrong:
// a wrong name, a wrong environment and no users look alike.
func lacks(q *kind.Query, width int64) string {
	text := "no " + cmp.Or(q.Of, kind.Sessions) + " of release " + q.Release
	if q.Project != "" {
		text += " in project " + q.Project
	}
	if q.Environment != "" {
		text += ", environment " + q.Environment
	}
	return text + ", period " + interval(width)
}
