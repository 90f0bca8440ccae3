package athena

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/relgate/relgate/internal/amazon"
	"github.com/relgate/relgate/rules"
	"github.com/relgate/relgate/sources"
	"github.com/relgate/relgate/sources/athena/kind"
)

// kpiSlack is the allowed difference between the SQL's own gap and ours: a
// decimal column rounds.
const kpiSlack = 1e-4

// fill makes a reading from a job's result.
func fill(r *rules.Reading, s *rules.Signal, j *job, now time.Time) {
	r.Ref = j.id
	if j.failure.Fault != rules.OK {
		r.Fault, r.Detail, r.RetryAt = j.failure.Fault, j.failure.Detail, j.failure.RetryAt
		return
	}
	q := kind.Of(s.Query) // not the job's: signals that differ in how rows are read share one
	if q.ByPeriod() {
		fillPeriods(r, s, j, now)
		return
	}
	list, f := j.table.groups(q)
	at := bucket(s, now)
	until := at + int64(s.Period/time.Second)
	if len(list) > 0 {
		if old := fresh(list, max(s.Every, s.Period), now); old.Fault == rules.OK {
			r.Parts = []rules.Parts{{At: at, Groups: parts(list)}}
		} else if f.Fault == rules.OK {
			f = old
		}
	}
	if f.Fault != rules.OK {
		r.Fault, r.Detail = f.Fault, amazon.Scrub(f.Detail)
		if f.Fault == rules.NoData {
			r.SettledUntil = until // the answer of the slot is: no gap
		}
		return
	}
	low, high := extremes(list)
	total := 0.0
	for _, g := range list {
		total += g.n
	}
	r.Points = []rules.Point{{At: at, Value: high.rate() - low.rate(), Samples: total}}
	r.SettledUntil = until
	r.Note = describe(low) + "; " + describe(high)
	if j.reused {
		r.Note += "; reused result"
	}
}

// parts are the groups as a reading holds them.
func parts(list []group) []rules.Group {
	out := make([]rules.Group, len(list))
	for i, g := range list {
		out[i] = rules.Group{Name: sources.Clip(g.name), Value: g.positives, Samples: g.n}
	}
	return out
}

// groups reads the table, which must be complete: every group once, with numbers
// only. A list that comes with a failure is complete, but one of its groups is
// too small for a gap.
func (t *table) groups(q *kind.Query) ([]group, amazon.Failure) {
	none := func(format string, args ...any) ([]group, amazon.Failure) {
		return nil, amazon.Failure{Fault: rules.NoData, Detail: fmt.Sprintf(format, args...)}
	}
	c, err := t.columns()
	if err != nil {
		return nil, amazon.Failure{Fault: rules.ConfigFault, Detail: err.Error()}
	}
	var list []group
	seen := make(map[string]bool)
	for _, row := range t.rows {
		if len(row) > len(t.names) {
			return none("a row has %d values for %d columns", len(row), len(t.names))
		}
		g, err := c.read(row)
		switch {
		case err != nil:
			return none("%v", err)
		case seen[g.name]:
			return none("%s %s is there twice", colGroup, g.name)
		case g.n < 0:
			return none("%s %s has %v samples", colGroup, g.name, g.n)
		case g.positives < 0 || g.positives > g.n:
			return none("%s %s has %v positives of %v", colGroup, g.name, g.positives, g.n)
		}
		seen[g.name] = true
		list = append(list, g)
	}
	if len(list) != q.Groups {
		return none("%d of %d groups%s", len(list), q.Groups, oddOnes(seen, q.Groups))
	}
	slices.SortFunc(list, byName)
	if f := crossCheck(list, c.kpi >= 0); f.Fault != rules.OK {
		return nil, f
	}
	return list, small(list, q.MinGroup)
}

// small names the first group that has too few samples.
func small(list []group, least int) amazon.Failure {
	for _, g := range list {
		switch {
		case g.n == 0:
			return amazon.Failure{Fault: rules.NoData, Detail: fmt.Sprintf("%s %s has no samples", colGroup, g.name)}
		case g.n < max(float64(least), 1):
			return amazon.Failure{Fault: rules.NoData, Detail: fmt.Sprintf(
				"%s %s has %s samples, needs %s", colGroup, g.name, thousands(g.n), thousands(float64(max(least, 1))))}
		}
	}
	return amazon.Failure{}
}

// oddOnes names the groups that are missing or too many, when they are numbered
// from 1 as deciles are.
func oddOnes(seen map[string]bool, want int) string {
	var text strings.Builder
	for i := 1; i <= want && text.Len() < 100; i++ {
		if name := strconv.Itoa(i); !seen[name] {
			fmt.Fprintf(&text, "; %s %s is missing", colGroup, name)
		}
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		if n, err := strconv.Atoi(name); err == nil && n >= 1 && n <= want {
			continue
		}
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names[:min(len(names), 3)] {
		fmt.Fprintf(&text, "; %s %s is not expected", colGroup, clip(name))
	}
	return text.String()
}

// crossCheck compares the SQL's own gap, if it gives one, with ours. While a
// group is empty there is no gap to compare.
func crossCheck(list []group, given bool) amazon.Failure {
	if !given || slices.ContainsFunc(list, func(g group) bool { return g.n == 0 }) {
		return amazon.Failure{}
	}
	low, high := extremes(list)
	gap := high.rate() - low.rate()
	for _, g := range list {
		if math.IsNaN(g.kpi) {
			return amazon.Failure{Fault: rules.NoData, Detail: fmt.Sprintf("%s %s: %s: NULL", colGroup, g.name, colKPI)}
		}
		if math.Abs(g.kpi-gap) > kpiSlack {
			return amazon.Failure{
				Fault:  rules.ConfigFault,
				Detail: fmt.Sprintf("the SQL's %s is %v at %s %s, but its groups are %.4f apart", colKPI, g.kpi, colGroup, g.name, gap),
			}
		}
	}
	return amazon.Failure{}
}

// fresh checks that the newest event is as recent as the signal promises. A time
// in the future is refused: it would hide that no more data comes.
func fresh(list []group, every time.Duration, now time.Time) amazon.Failure {
	newest := list[0].newest
	for _, g := range list {
		if g.newest.After(newest) {
			newest = g.newest
		}
	}
	switch age := now.Sub(newest); {
	case newest.IsZero():
		return amazon.Failure{Fault: rules.NoData, Detail: "no group has a sample"}
	case age > 2*every:
		return amazon.Failure{Fault: rules.StaleData, Detail: fmt.Sprintf("newest event at %s, %s old", newest.Format(time.RFC3339), age.Truncate(time.Second))}
	case age < -every:
		return amazon.Failure{Fault: rules.ConfigFault, Detail: fmt.Sprintf("newest event at %s lies ahead: is column %q in UTC?", newest.Format(time.RFC3339), colNewest)}
	}
	return amazon.Failure{}
}

// extremes are the groups with the lowest and the highest rate; of equals, the
// first.
func extremes(list []group) (low, high group) {
	low, high = list[0], list[0]
	for _, g := range list {
		if g.rate() < low.rate() {
			low = g
		}
		if g.rate() > high.rate() {
			high = g
		}
	}
	return low, high
}

// byName sorts deciles as numbers, and others as text.
func byName(a, b group) int {
	x, errX := strconv.Atoi(a.name)
	y, errY := strconv.Atoi(b.name)
	if errX == nil && errY == nil {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(a.name, b.name)
}

func describe(g group) string {
	return fmt.Sprintf("%s %s: %.1f %% of %s", colGroup, clip(g.name), 100*g.rate(), thousands(g.n))
}

// thousands writes a count with separators: 1,204.
func thousands(n float64) string {
	s := strconv.FormatFloat(n, 'f', -1, 64)
	whole, fraction, _ := strings.Cut(s, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return whole
}
