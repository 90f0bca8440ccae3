package athena

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/relgate/relgate/internal/amazon"
	"github.com/relgate/relgate/rules"
)

// The columns of SQL that gives a row for each period.
const (
	colPeriod  = "period"
	colValue   = "value"
	colSamples = "samples"
	colBad     = "bad"
	colTotal   = "total"
)

// fillPeriods makes a reading from a row for each period. Rows of periods that have not
// ended when the answer was made, or that were not asked for, are left out: the same query
// asks for all there is.
func fillPeriods(r *rules.Reading, s *rules.Signal, j *job, now time.Time) {
	all, unknown, err := j.table.periods(s)
	if err != nil {
		r.Fault, r.Detail = rules.ConfigFault, amazon.Scrub(err.Error())
		return
	}
	width, asOf := int64(s.Period/time.Second), j.asOf(now)
	for _, p := range all {
		if p.At >= r.From && p.At < r.To && p.At+width <= asOf.Unix() {
			r.Points = append(r.Points, p)
		}
	}
	r.SettledUntil = min(slot(asOf.Add(-s.Settle), s.Period), r.To-mod(r.To, width))
	switch {
	case len(r.Points) > 0:
	case len(all) > 0 && all[len(all)-1].At >= r.From:
		r.Fault, r.Detail = rules.NoData, fmt.Sprintf("no period from %s on had ended when the answer was made, %s", stamp(r.From), asOf.UTC().Format(time.RFC3339))
	case len(all) > 0:
		newest := time.Unix(all[len(all)-1].At, 0).UTC()
		r.Fault, r.Detail = rules.NoData, fmt.Sprintf("no row of the periods from %s on: the newest of %d rows is of %s", stamp(r.From), len(all), newest.Format(time.RFC3339))
	case unknown > 0:
		r.Fault, r.Detail = rules.NoData, fmt.Sprintf("each of %d rows has a NULL, a NaN or no samples", unknown)
	default:
		r.Fault, r.Detail = rules.NoData, "the SQL gives no rows"
	}
	if unknown > 0 && r.Fault == rules.OK {
		r.Note = fmt.Sprintf("%d of %d rows have a NULL, a NaN or no samples: left out", unknown, unknown+len(all))
	}
	if j.reused && r.Fault == rules.OK {
		r.Note = strings.TrimPrefix(r.Note+"; reused result", "; ")
	}
}

func stamp(at int64) string { return time.Unix(at, 0).UTC().Format(time.RFC3339) }

func mod(t, width int64) int64 { return ((t % width) + width) % width }

// periods reads the table, in the order of time. A row with a NULL, or without
// samples, says nothing of its period, and is counted as unknown. The error is for the
// author of the SQL.
func (t *table) periods(s *rules.Signal) (all []rules.Point, unknown int, err error) {
	read, err := t.reader(s.Kind)
	if err != nil {
		return nil, 0, err
	}
	width := int64(s.Period / time.Second)
	seen := map[int64]bool{}
	for _, row := range t.rows {
		p, known, err := read(row)
		switch {
		case err != nil:
			return nil, 0, err
		case mod(p.At, width) != 0:
			return nil, 0, fmt.Errorf("%s %s does not begin a period of %v: round it with date_trunc", colPeriod, stamp(p.At), rules.Duration{Duration: s.Period})
		case seen[p.At]:
			return nil, 0, fmt.Errorf("%s %s is there twice: want one row a period", colPeriod, stamp(p.At))
		}
		seen[p.At] = true
		if known {
			all = append(all, p)
		} else {
			unknown++
		}
	}
	slices.SortFunc(all, func(a, b rules.Point) int { return cmp.Compare(a.At, b.At) })
	return all, unknown, nil
}

// reader reads a row: a ratio's counts, or a level with what is behind it.
func (t *table) reader(kind rules.Kind) (func(row []*string) (p rules.Point, known bool, err error), error) {
	value, samples := colValue, colSamples
	if kind == rules.Ratio {
		value, samples = colBad, colTotal
	}
	at, errAt := t.find(colPeriod, times, true)
	v, errV := t.find(value, numbers, true)
	n, errN := t.find(samples, numbers, kind == rules.Ratio)
	if err := cmp.Or(errAt, errV, errN); err != nil {
		return nil, err
	}
	return func(row []*string) (rules.Point, bool, error) {
		begins, err := timestamp(cell(row, at))
		switch {
		case err != nil:
			return rules.Point{}, false, fmt.Errorf("%s: %w", colPeriod, err)
		case begins.Nanosecond() != 0:
			return rules.Point{}, false, fmt.Errorf("%s %s is within a second: round it with date_trunc", colPeriod, begins.Format(time.RFC3339Nano))
		}
		p := rules.Point{At: begins.Unix(), Samples: 1}
		var wrong error
		if p.Value, wrong = number(cell(row, v)); wrong == nil && n >= 0 {
			p.Samples, wrong = number(cell(row, n))
		}
		switch {
		case wrong != nil && !errors.Is(wrong, errNull) && !notFinite(cell(row, v), cell(row, n)):
			return p, false, fmt.Errorf("%s %s: %w", colPeriod, stamp(p.At), wrong)
		case wrong != nil:
			return p, false, nil
		case kind == rules.Ratio && (p.Value < 0 || p.Value > p.Samples), p.Samples < 0:
			return p, false, fmt.Errorf("%s %s: %s is %v of %s %v", colPeriod, stamp(p.At), value, p.Value, samples, p.Samples)
		}
		return p, p.Samples > 0, nil
	}, nil
}

// notFinite reports whether one of some cells has what SQL gives for a quotient by zero.
func notFinite(cells ...*string) bool {
	return slices.ContainsFunc(cells, func(c *string) bool {
		return c != nil && slices.Contains([]string{"NaN", "Infinity", "-Infinity"}, *c)
	})
}
